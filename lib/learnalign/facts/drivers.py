"""Drivers: what units say of vision, measures, resources and feedback, and what goes with it.
Described, never more.

Surveys arrive as item means of a unit, so nothing here is about a person. Psychological safety is
no driver and is left out: one of its usual items is about asking for help, so that it would be
related to itself.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from learnalign.data.reading import DataSet
from learnalign.estimates import described, ladder
from learnalign.verdicts.result import TOO_FEW_CLUSTERS, Fit

DRIVERS = {
    "vision": "vision and roles",
    "measures": "clear measures",
    "resources": "resources",
    "feedback": "feedback and adjustment",
}
DOMAINS = ("leading", "culture", "learning")
UNDIVIDED = "no domain given"
MEASURED, NOT_MEASURED, TOO_FEW = "measured", "not measured", "too few answers"
GRID = ("unit", "wave_on", "driver", "domain", "score", "items", "people", "status")

UNITS = {
    "difference between strong and other units": "percentage points",
    "said and done, correlation across units": "correlation",
}
MIN_ITEMS = 3
MIN_UNITS = 10
MIN_LEADERS = 3  # of a unit: a single leader would be its only source
WAVE_DAYS = 365  # an older wave says nothing of the unit that the gap was found in
SAYS_MORE = 0.5  # standard deviations

# --- the grid


def grid(dataset: DataSet, *, min_group: int = 10) -> pd.DataFrame:
    """Every unit, wave, driver and domain as a row, whether it was measured or not.

    `score` is the mean of the item means, items weighted equally; `people` the answers to the least
    answered item. `status` is measured, not measured (fewer than 3 items) or too few answers (below
    `min_group` on an item): then both are empty. Units are those of the surveys and those with a
    review in the year up to `as_of`; rows without a domain stand in a domain of their own. Empty
    where no driver was ever asked about.

    Misleads when items have different answer scales or point different ways, when few of a unit
    answered, and when units are asked on different days: each day is a wave. METHODS 2; no validity
    until piloted.

    >>> from learnalign.data import reading as datasets
    >>> grid(datasets.read("data/demo")).status.value_counts().to_dict()
    {'measured': 720, 'not measured': 360}
    """
    surveys = dataset.tables["surveys"]
    asked = surveys.filter(surveys.scale.isin([*DRIVERS])).execute()
    if asked.empty:
        return pd.DataFrame(columns=list(GRID))
    reviews = dataset.tables["reviews"]
    year = (pd.Timestamp(dataset.as_of) - pd.Timedelta(days=365)).date()
    units = {
        *surveys.unit.execute(),
        *reviews.filter(reviews.reviewed_on > year).select("unit").distinct().execute().unit,
    }
    asked = asked.assign(
        wave_on=pd.to_datetime(asked.wave_on),
        driver=asked.scale.map(DRIVERS),
        domain=asked.domain.fillna(UNDIVIDED),
    )
    cells = asked.groupby(["unit", "wave_on", "driver", "domain"]).agg(
        score=("mean", "mean"), items=("item", "nunique"), people=("n", "min")
    )
    domains = [*DOMAINS, UNDIVIDED] if (asked.domain == UNDIVIDED).any() else DOMAINS
    sides = [sorted(units), sorted(asked.wave_on.unique()), DRIVERS.values(), domains]
    cells = (
        cells.reindex(pd.MultiIndex.from_product(sides, names=GRID[:4]))
        .reset_index()
        .fillna({"items": 0})
    )
    status = np.select(
        [cells["items"] < MIN_ITEMS, cells.people < min_group], [NOT_MEASURED, TOO_FEW], MEASURED
    )
    cells = cells.assign(status=status, items=cells["items"].astype(int))
    return cells.assign(
        **{name: cells[name].where(cells.status == MEASURED) for name in ("score", "people")}
    )


def scorecard(dataset: DataSet, *, min_group: int = 10) -> pd.DataFrame:
    """The latest wave: a row per unit and one for all units, a column per driver and domain.

    A cell is the score or why there is none; `people` is the least answered item's answers. All
    units: the mean over units that were measured, each counting once, so that it cannot give away a
    unit that is left blank. Misleads as `grid` does.
    """
    cells = grid(dataset, min_group=min_group)
    latest = cells[cells.wave_on == cells.wave_on.max()]
    if latest.empty:
        return pd.DataFrame(columns=["unit", "people"])
    company = _company(latest).assign(unit="all units")
    rows = pd.concat([latest, company], ignore_index=True)
    cell = rows.score.round(2).astype(object).where(rows.status == MEASURED, rows.status)
    rows = rows.assign(cell=cell, column=rows.driver + ": " + rows.domain)
    table = rows.pivot(index="unit", columns="column", values="cell")
    order = [*sorted(latest.unit.unique()), "all units"]
    table = table.reindex(index=order, columns=rows.column.unique()).rename_axis(columns=None)
    table.insert(0, "people", latest.groupby("unit").people.min())
    return table.reset_index()


def _company(latest: pd.DataFrame) -> pd.DataFrame:
    """A row per driver and domain over all units: measured where any unit is."""
    cells = latest.groupby(["driver", "domain"], sort=False)
    found = cells.agg(score=("score", "mean"), status=("status", set)).reset_index()
    best = [
        next(word for word in (MEASURED, TOO_FEW, NOT_MEASURED) if word in words)
        for words in found.status
    ]
    return found.assign(status=best)


# --- what goes with the drivers


def early(
    dataset: DataSet, gaps: pd.DataFrame, *, min_group: int = 10, level: float = 0.95
) -> dict[str, Fit]:
    """Whether units strong on the drivers acknowledge gaps before they are found: two shares and
    their difference.

    `gaps` are those of the gap journeys: person_id, unit, detected_on and acknowledged_before. A
    unit is strong in a wave when the mean of its measured cells is above the median of the units; a
    gap counts by its unit's last wave before it was detected, in the year before. Shares in
    percent, the difference (percentage points, strong less the others) clustered by unit; it needs
    more than 3 units on both sides.

    Misleads when units were measured on different drivers, and as any comparison of units does:
    strong units differ in much else, so this says what is, not what the drivers do. METHODS 2.
    """
    cells = grid(dataset, min_group=min_group)
    scores = (
        cells[cells.status == MEASURED].groupby(["unit", "wave_on"], as_index=False).score.mean()
    )
    strong = scores.score > scores.groupby("wave_on").score.transform("median")
    both = strong.groupby(scores.wave_on).transform(
        "any"
    )  # a wave without a strong unit compares nothing
    scores = scores.assign(strong=strong.astype(float), wave_on=_days(scores.wave_on))[
        both
    ].sort_values("wave_on")
    known = gaps.dropna(subset=["unit", "detected_on", "acknowledged_before"])
    known = known.assign(detected_on=_days(known.detected_on)).sort_values("detected_on")
    if scores.empty or known.empty:
        return {}
    rows = pd.merge_asof(
        known,
        scores,
        left_on="detected_on",
        right_on="wave_on",
        by="unit",
        allow_exact_matches=False,
        tolerance=pd.Timedelta(days=WAVE_DAYS),
    ).dropna(subset="strong")
    if 0 < known.person_id.nunique() - rows.person_id.nunique() < min_group:
        # all gaps are told elsewhere: less these, they would tell of the few in units that were not
        # asked
        return {}
    said = "gaps acknowledged before they were found, in "
    sides = {
        "units strong on the drivers": rows[rows.strong == 1],
        "the other units": rows[rows.strong == 0],
    }
    found = {
        said + name: described.share(
            side.acknowledged_before, side.person_id, side.unit, by="unit", level=level
        )
        for name, side in sides.items()
    }
    found["difference between strong and other units"] = _difference(rows, [*sides.values()], level)
    return {label: fit for label, fit in found.items() if fit is not None}


def _days(dates: pd.Series) -> pd.Series:
    return pd.to_datetime(dates).astype("datetime64[s]")


def _difference(rows: pd.DataFrame, sides: list[pd.DataFrame], level: float) -> Fit | None:
    if min(side.unit.nunique() for side in sides) <= TOO_FEW_CLUSTERS:
        return None
    rows = rows.assign(percent=100 * rows.acknowledged_before.astype(float))
    try:
        fit = ladder.fixed_effects(
            rows,
            "percent",
            "strong",
            cluster="unit",
            level=level,
            method="difference of shares",
            design="described",
        )
    except ValueError:  # all said so, or nobody: no interval exists
        return None
    return replace(fit, n_people_smaller=min(side.person_id.nunique() for side in sides))


# --- said against done


def walk_the_talk(
    dataset: DataSet, team_quarters: pd.DataFrame, *, min_group: int = 10, level: float = 0.95
) -> dict[str, Fit]:
    """What units hear about vision and roles against what their leaders do: say "I don't know"
    where it is seen.

    `team_quarters`: unit, leader_id, quarter and leader_acknowledged (0/1). Said: a unit's mean
    score of vision in the leading domain, or without a domain where none is given, over its waves.
    Done: the share of its leaders' quarters with a visible acknowledgement. Given are the
    correlation across units (Fisher's interval) and the share of units, in percent, that say over
    half an SD more than they do, both standardised over units. `n_people` are leaders. Units with
    fewer than 3 leaders are left out; empty with fewer than 10 units, or where all are alike.

    Misleads as few units always do, and towards no correlation where either side is noisy; what is
    said in a survey is what people heard, not what the leaders said. METHODS 2.
    """
    cells = grid(dataset, min_group=min_group)
    heard = cells[(cells.driver == DRIVERS["vision"]) & cells.domain.isin(["leading", UNDIVIDED])]
    heard = (
        heard.groupby(["unit", "domain"])
        .score.mean()
        .unstack()
        .reindex(columns=["leading", UNDIVIDED])
    )
    done = (
        team_quarters.groupby(["unit", "leader_id", "quarter"])
        .leader_acknowledged.max()
        .dropna()
        .reset_index()
    )
    units = done.groupby("unit").agg(
        done=("leader_acknowledged", "mean"), leaders=("leader_id", "nunique")
    )
    units = (
        units[units.leaders >= MIN_LEADERS]
        .join(heard.leading.fillna(heard[UNDIVIDED]).rename("said"))
        .dropna()
    )
    if len(units) < MIN_UNITS or (units[["said", "done"]].nunique() < 2).any():
        return {}
    return {
        "said and done, correlation across units": _correlation(units, level),
        "units that say more than they do": _say_more(units, level),
    }


def _correlation(units: pd.DataFrame, level: float) -> Fit:
    found, n = stats.pearsonr(units.said, units.done), len(units)
    r, (low, high) = float(found.statistic), found.confidence_interval(level)
    error, leaders = (1 - r * r) / (n - 3) ** 0.5, int(units.leaders.sum())
    return Fit(
        r,
        float(low),
        float(high),
        error,
        n - 2,
        level,
        n,
        leaders,
        None,
        n,
        "correlation, Fisher z",
        "described",
        cluster="unit",
    )


def _say_more(units: pd.DataFrame, level: float) -> Fit:
    gap = stats.zscore(units.said.to_numpy(float), ddof=1) - stats.zscore(
        units.done.to_numpy(float), ddof=1
    )
    fit = described.share(gap > SAYS_MORE, units.index, units.index, by="unit", level=level)
    sides = [int(units.leaders[side].sum()) for side in (gap > SAYS_MORE, gap <= SAYS_MORE)]
    return replace(
        fit, n_people=sum(sides), n_people_smaller=min(sides)
    )  # it is about leaders, not about units

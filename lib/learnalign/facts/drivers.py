"""Drivers: what units say of vision, measures, resources and feedback, and what goes with it.

Surveys arrive as item means of a unit, so nothing here is about a person. Psychological safety is
no driver and is left out: one of its usual items is about asking for help, so that it would be
related to itself.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from learnalign.estimates import described, limits
from learnalign.estimates.columns import by_person
from learnalign.studies import Study
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

MIN_ITEMS = 3
MIN_UNITS = 10
MIN_LEADERS = 3  # of a unit: a single leader would be its only source
OF_ANSWERS = 1.0  # how much noise scores have: those who answered have no name anywhere else
YEAR = pd.Timedelta(days=365)  # an older wave says nothing of the unit that the gap was found in
SAYS_MORE = 0.5  # standard deviations

# --- the grid


def grid(study: Study) -> pd.DataFrame:
    """Every unit, wave, driver and domain as a row, whether it was measured or not.

    `score` is the mean of the item means, items weighted equally; `people` the answers to the least
    answered item. `status` is measured, not measured (fewer than 3 items) or too few answers (below
    `min_group` on an item): then both are empty. Units are those of the surveys and those with a
    review in the year up to `as_of`; rows without a domain stand in a domain of their own. Empty
    where no driver was ever asked about.

    Misleads when items have different answer scales or point different ways, when few of a unit
    answered, and when units are asked on different days: each day is a wave. METHODS 2; no validity
    until piloted.

    >>> import learnalign as la
    >>> grid(la.study("data/demo")).status.value_counts().to_dict()
    {'measured': 720, 'not measured': 360}
    """
    surveys, reviews = (study.dataset.tables[name] for name in ("surveys", "reviews"))
    asked = surveys.filter(surveys.scale.isin([*DRIVERS])).execute()
    if asked.empty:
        return pd.DataFrame(columns=list(GRID))
    recent = reviews.filter(reviews.reviewed_on > (pd.Timestamp(study.dataset.as_of) - YEAR).date())
    units = {*surveys.unit.execute(), *recent.select("unit").distinct().execute().unit}
    asked = asked.assign(
        wave_on=pd.to_datetime(asked.wave_on),
        driver=asked.scale.map(DRIVERS),
        domain=asked.domain.fillna(UNDIVIDED),
    )
    domains = [*DOMAINS, UNDIVIDED] if (asked.domain == UNDIVIDED).any() else DOMAINS
    sides = [sorted(units), sorted(asked.wave_on.unique()), DRIVERS.values(), domains]
    cells = (
        asked.groupby([*GRID[:4]])
        .agg(score=("mean", "mean"), items=("item", "nunique"), people=("n", "min"))
        .reindex(pd.MultiIndex.from_product(sides, names=GRID[:4]))
        .reset_index()
    )
    items = cells["items"].fillna(0).astype(int)
    few = [items < MIN_ITEMS, cells.people < study.min_group]
    cells = cells.assign(items=items, status=np.select(few, [NOT_MEASURED, TOO_FEW], MEASURED))
    known = cells.status == MEASURED
    return cells.assign(**{name: cells[name].where(known) for name in ("score", "people")})


def scorecard(study: Study) -> pd.DataFrame:
    """The latest wave as it may be shown: a row per unit and one for all units, a column per driver
    and domain.

    A cell is the score or why there is none. All units: the mean over units that are shown, each
    counting once, so that it cannot give away a unit that is left blank. Answers have no names:
    each may move a score by half of the highest one. Misleads as `grid` does.
    """
    cells = grid(study)
    latest = cells[cells.wave_on == cells.wave_on.max()]
    if latest.empty:
        return pd.DataFrame(columns=["unit"])
    farthest = latest.score.max() / 2
    score = [_told(study, cell, farthest) for cell in latest.itertuples()]
    latest = latest.assign(score=pd.Series(score, latest.index, dtype=float))
    few = (latest.status == MEASURED) & latest.score.isna()
    latest = latest.assign(status=latest.status.mask(few, TOO_FEW))
    # of all units, measured where any unit is
    company = latest.groupby(["driver", "domain"], sort=False).agg(
        score=("score", "mean"),
        status=("status", lambda own: min(own, key=(MEASURED, TOO_FEW, NOT_MEASURED).index)),
    )
    rows = pd.concat([latest, company.reset_index().assign(unit="all units")], ignore_index=True)
    cell = rows.score.round(2).astype(object).where(rows.status == MEASURED, rows.status)
    rows = rows.assign(cell=cell, column=rows.driver + ": " + rows.domain)
    table = rows.pivot(index="unit", columns="column", values="cell")
    order = ["all units", *sorted(latest.unit.unique())]
    table = table.reindex(index=order, columns=rows.column.unique()).rename_axis(columns=None)
    return table.reset_index()


def _told(study: Study, cell: Any, farthest: float) -> float | None:
    """A score, moved as if each who answered were one of these."""
    if cell.status != MEASURED:
        return None
    who = [f"{cell.unit} {cell.wave_on:%F} {place}" for place in range(int(cell.people))]
    moves = pd.Series(farthest / cell.people, who)
    if study.gate.people(who, as_class=True) is None:
        return None
    name = f"grid: {cell.driver}, {cell.domain}"
    return study.gate.moved(name, float(cell.score), moves, OF_ANSWERS)


# --- what goes with the drivers


def surveyed_gaps(study: Study) -> pd.DataFrame:
    """Gaps of units that were asked about the drivers in the year before, and if they are strong.

    A unit is `strong` (1 or 0) in a wave when the mean of its measured cells is above the median of
    the units; a gap counts by its unit's last wave before it was detected.

    Misleads when units were measured on different drivers, and as any comparison of units does:
    strong units differ in much else, so this says what is, not what the drivers do. METHODS 2.
    """
    cells = grid(study)
    cells = cells[cells.status == MEASURED]
    scores = cells.groupby(["unit", "wave_on"], as_index=False).score.mean()
    strong = scores.score > scores.groupby("wave_on").score.transform("median")
    compares = strong.groupby(scores.wave_on).transform("any")
    scores = scores.assign(strong=strong.astype(float), wave_on=_days(scores.wave_on))[compares]
    known = study.journeys.gaps.dropna(subset=["unit", "detected_on", "acknowledged_before"])
    known = known.assign(detected_on=_days(known.detected_on))
    columns = ["person_id", "unit", "acknowledged_before", "strong"]
    if scores.empty or known.empty:
        return pd.DataFrame(columns=columns)
    return pd.merge_asof(
        known.sort_values("detected_on"),
        scores.sort_values("wave_on"),
        left_on="detected_on",
        right_on="wave_on",
        by="unit",
        allow_exact_matches=False,
        tolerance=YEAR,
    ).dropna(subset="strong")[columns]


def _days(dates: pd.Series) -> pd.Series:
    return pd.to_datetime(dates).astype("datetime64[s]")


def strong_less_others(rows: pd.DataFrame) -> Fit | None:
    """How much more often gaps of strong units are acknowledged early, in percentage points.

    `rows` are those of `surveyed_gaps`; clustered by unit, of which it needs more than 3 on each
    side. Misleads as they do.
    """
    sides = [rows[rows.strong == side] for side in (0, 1)]
    if min(limits.levels("units", one.person_id, one.unit) for one in sides) <= TOO_FEW_CLUSTERS:
        return None
    rows = rows.assign(yes=rows.acknowledged_before, cluster=rows.unit)
    about = {"method": "difference of shares", "design": "described", "clustered_by": "unit"}
    return described.share_difference(rows, "strong", **about)


# --- said against done


def said_and_done(study: Study) -> pd.DataFrame:
    """What units hear about vision and roles, against leaders who say "I don't know" in sight.

    A row per unit. `said`: its mean score of vision in the leading domain, or without a domain
    where none is given, over its waves. `done`: the share of its leaders' quarters with a visible
    acknowledgement; `answer` and `moves`: how far one answer could move the one, and each leader
    the other. Units with fewer than 3 `leaders` are left out; empty with fewer than 10 units, or
    where all are alike.

    Misleads as few units always do, and towards no correlation where either side is noisy; what is
    said in a survey is what people heard, not what the leaders said. METHODS 2.
    """
    cells = grid(study)
    heard = cells[cells.driver == DRIVERS["vision"]].pivot_table("score", "unit", "domain")
    heard = heard.reindex(columns=["leading", UNDIVIDED])
    keys = ["unit", "leader_id", "quarter"]  # leaders of two teams count once
    done = study.quarters.groupby(keys).leader_acknowledged.max().dropna().reset_index()
    own = done.groupby(keys[:2]).leader_acknowledged.agg(["sum", "size"])
    unit = own.groupby("unit").transform("sum")
    own["moves"] = own["sum"] - unit["sum"] / unit["size"] * own["size"]
    own["moves"] /= unit["size"] - own["size"]
    units = done.groupby("unit").agg(
        done=("leader_acknowledged", "mean"), leaders=("leader_id", "nunique")
    )
    units = units.join(
        own.reset_index("leader_id").groupby("unit")[["leader_id", "moves"]].agg(list)
    )
    answer = cells.score.max() / cells.groupby("unit").people.min()  # scales begin near 0
    units = units.assign(said=heard.leading.fillna(heard[UNDIVIDED]), answer=answer)
    led = done.groupby("unit").leader_id
    about = {"by": limits.OF_MANAGERS}
    are = {
        unit: limits.enough(f"leaders of {unit}", own, own.nunique(), MIN_LEADERS, **about)
        for unit, own in led
    }
    units = units[units.index.map(are).astype(bool)].dropna()
    alike = (units[["said", "done"]].nunique() < 2).any()
    return units.head(0) if alike or len(units) < MIN_UNITS else units


def correlation(units: pd.DataFrame, level: float = 0.95) -> Fit | None:
    """How what units say and do goes together, with Fisher's interval; `n_people` are leaders.

    Misleads as `said_and_done` does.
    """
    if units.empty:
        return None
    found, n = stats.pearsonr(units.said, units.done), len(units)
    r, (low, high) = float(found.statistic), found.confidence_interval(level)
    said, done = (stats.zscore(units[name]) / n for name in ("said", "done"))
    answer = np.abs(done - r * said) / units.said.std(ddof=0) * units.answer
    return Fit(
        estimate=r,
        low=float(low),
        high=float(high),
        std_error=(1 - r * r) / (n - 3) ** 0.5,
        df=n - 2,
        level=level,
        n_rows=n,
        n_people=int(units.leaders.sum()),
        n_people_smaller=None,
        n_clusters=n,
        method="correlation, Fisher z",
        design="described",
        cluster="unit",
        influence=_of_leaders(units, (said - r * done) / units.done.std(ddof=0), answer),
    )


def _of_leaders(units: pd.DataFrame, per_done: ArrayLike, least: ArrayLike) -> pd.Series:
    """What each leader moves, but no less than those of the unit who answered, and have no name."""
    rows = units.assign(_per=per_done, _least=least).explode(["leader_id", "moves"])
    moves = rows._per * rows.moves.astype(float)
    return by_person(np.copysign(np.maximum(moves.abs(), rows._least), moves), rows.leader_id)


def say_more(units: pd.DataFrame) -> Fit | None:
    """The share of units that say over half an SD more than they do; `n_people` are leaders.

    Both are standardised over units, so that some always do. Misleads as `said_and_done` does.
    """
    if units.empty:
        return None
    said, done = (stats.zscore(units[name].to_numpy(float), ddof=1) for name in ("said", "done"))
    more = said - done > SAYS_MORE
    fit = described.share(more, units.index, units.index, by="unit")
    sides = [int(units.leaders[side].sum()) for side in (more, ~more)]
    tipped = _of_leaders(units, 0.0, 100 / len(units))  # anybody may tip their unit over the mark
    return replace(
        fit, n_people=sum(sides), n_people_smaller=min(sides), influence=tipped, of_error=None
    )

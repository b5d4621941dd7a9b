"""Gaps: how "I don't know" becomes "I know": the journey, knowing and saying, what came after.

Facts about groups, which claim nothing. A gap that nobody spoke of before it was found is silent,
never "hidden": why, no record tells. What was not recorded is left out, and never counted as "did
not".
"""

import ibis
import numpy as np
import pandas as pd
from ibis.expr.types import Table
from numpy.typing import ArrayLike
from scipy import stats

from learnalign.estimates import described, hazards
from learnalign.linking.account import latest_reviews, learning_done
from learnalign.linking.journeys import Journeys
from learnalign.studies import Study
from learnalign.verdicts.result import Fit, number, spread

FATES = (
    "still open",
    "left",
    "closed",
    "closed after learning",
    "closed without learning",
    "not recorded then",
)
SIDES = ("hits", "misses", "alarms", "passes")
FIGURES = ("d_prime", "d_low", "d_high", "criterion", "c_low", "c_high")
COURSE = ("closed", "low", "high", "left", "left_low", "left_high")
AT_RISK = ("gaps", "people", "managers", "people_closed", "people_left")
DRAWS = 200
MONTH_DAYS = 365.25 / 12
MIN_TRIALS = 30  # gaps, and assessments without one, below which knowing and saying are noise


# --- the journey


def stages(gaps: pd.DataFrame) -> pd.DataFrame:
    """Gaps and people at each stage: detected; of those acknowledged; of those learning; closed.

    From `Journeys.gaps`. A stage has a row "all", and a row for each way in which gaps went no
    further: FATES, where "closed" means without the stages between. A gap stops once. Found when
    nobody's acknowledging was recorded, and not acknowledged later: "not recorded then". A stage
    that is not recorded, or that no gap reached, is left out. Columns: stage, then, gaps, people,
    managers (units, where no manager is recorded); people may stand in several rows.

    Misleads when read as an order in time, as learning may come before acknowledging; and a gap
    found last month is still open because it is new.

    >>> import learnalign as la
    >>> stages(la.study("data/demo").journeys.gaps).stage.unique().tolist()
    ['detected', 'acknowledged', 'learning', 'closed']
    """
    said, learned = gaps.acknowledged_on.notna(), gaps.learning_started_on.notna()
    unknown = gaps.acknowledged_before.isna() & ~said
    reached = {"detected": said | True}
    reached |= {} if unknown.all() else {"acknowledged": said}
    reached |= {"learning": learned} if learned.any() else {}
    reached = pd.DataFrame(reached | {"closed": gaps.status == "closed"}).astype(int)
    through = reached.cumprod(axis=1)
    last = through.columns.to_numpy()[through.sum(axis=1) - 1]
    fate = np.select(
        [unknown & ~unknown.all(), gaps.status == "open", gaps.status == "left", learned],
        ["not recorded then", "still open", "left", "closed after learning"],
        "closed without learning" if learned.any() else "closed",
    )
    parts = [gaps[through[name] == 1].assign(stage=name, then="all") for name in through]
    rows = pd.concat([*parts, gaps.assign(stage=last, then=fate)[last != "closed"]])
    found = (
        rows.assign(manager=described.raters(rows)[0])
        .groupby(["stage", "then"])
        .agg(
            gaps=("status", "size"),
            people=("person_id", "nunique"),
            managers=("manager", "nunique"),
        )
    )
    order = pd.MultiIndex.from_product([through, ("all", *FATES)], names=["stage", "then"])
    return found.reindex(order[order.isin(found.index)]).reset_index()


# --- knowing, and saying


def signal(journeys: Journeys, by: str | None = None, *, seed: int = 1) -> pd.DataFrame:
    """How well groups know which gaps are theirs (d_prime), and how reluctant they are to say so.

    The second is the criterion: above 0, reluctant. From `Journeys.assessed`, for the company or
    each group of the column `by` (`unit`, `grade`), with 95 % intervals from 200 bootstrap draws of
    people. Columns: group, FIGURES, gaps, others (assessments without a gap), people,
    people_smaller (on the rarest side: figures and counts together tell how many did), managers.
    Figures are NaN below 30 gaps or 30 others; no rows without the column. Raises ValueError where
    the groups would be persons or managers.

    Misleads as `sensitivity_and_bias` does: above all, groups of mixed people have a lower d_prime.

    >>> import learnalign as la
    >>> signal(la.study("data/demo").journeys).group.tolist()
    ['company']
    """
    if by in ("person_id", "manager_id"):
        raise ValueError("Sensitivity and bias are for groups, never for a person or a manager.")
    rows = journeys.assessed.assign(company="company")
    rows = rows[rows.acknowledged_before.notna()] if (by or "company") in rows else rows.head(0)
    said, gap = rows.acknowledged_before.astype(bool), rows.is_gap.astype(bool)
    counts = pd.concat([said & gap, ~said & gap, said & ~gap, ~said & ~gap], axis=1, keys=SIDES)
    counts = counts.astype(int).assign(person=rows.person_id, manager=described.raters(rows)[0])
    groups = counts.groupby(rows[by or "company"]) if len(rows) else ()
    behind = ["gaps", "others", "people", "people_smaller", "managers"]
    found = [{"group": name, **_signal(part, seed)} for name, part in groups]
    return pd.DataFrame(found, columns=["group", *FIGURES, *behind])


def _signal(rows: pd.DataFrame, seed: int) -> dict[str, float]:
    people = rows.groupby("person")[[*SIDES]].sum()
    total = people.sum().to_numpy()
    counts = {
        "gaps": total[:2].sum(),
        "others": total[2:].sum(),
        "people": len(people),
        "people_smaller": (people > 0).sum().min(),
        "managers": rows.manager.nunique(),
    }
    if min(counts["gaps"], counts["others"]) < MIN_TRIALS:
        return dict.fromkeys(FIGURES, np.nan) | counts
    # people with the same counts are alike to a draw: neither names nor order matter
    kinds, many = np.unique(people.to_numpy(), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(people), many / len(people), size=DRAWS) @ kinds
    middle = sensitivity_and_bias(total)
    reach = stats.norm.ppf(0.975) * sensitivity_and_bias(draws).std(axis=0, ddof=1)
    ends = np.column_stack([middle, middle - reach, middle + reach]).ravel().tolist()
    return dict(zip(FIGURES, ends, strict=True)) | counts


def sensitivity_and_bias(counts: ArrayLike) -> np.ndarray:
    """How well a group knows which gaps are its own (d'), and how reluctant it is to say so, in SD.

    `counts` (..., 4): gaps acknowledged before they were assessed and gaps not, skills without a
    gap acknowledged and not; the answer is (..., 2). Log-linear rates (count + .5) / (n + 1), so
    that none and all can be used.

    Misleads when people who knew their gaps were assessed more often, when the assessment is itself
    in error, with few counts (a person's figure is noise), and in a mixed group: the d' of pooled
    counts is below the d' of its people. Hautus (1995), Behavior Research Methods 27; METHODS 2.

    >>> sensitivity_and_bias([80, 20, 30, 70]).round(3)
    array([ 1.35 , -0.156])
    """
    hits, misses, alarms, passes = np.moveaxis(np.asarray(counts, float), -1, 0)
    rates = (hits + 0.5) / (hits + misses + 1), (alarms + 0.5) / (alarms + passes + 1)
    hit, alarm = stats.norm.ppf(rates)
    return np.stack([hit - alarm, -(hit + alarm) / 2], axis=-1)


def told(rows: pd.DataFrame) -> pd.DataFrame:
    """`signal` with each figure and its likely range in one: `knowing` and `reluctance`."""
    for name, figures in (("knowing", FIGURES[:3]), ("reluctance", FIGURES[3:])):
        values = rows[[*figures]].astype(float).to_numpy()
        texts = [f"{number(middle)} ({spread(*ends)})" for middle, *ends in values]
        known = rows[figures[0]].notna()
        rows = rows.assign(**{name: pd.Series(texts, rows.index).where(known, None)})
    return rows


# --- asking, and what came after


def acknowledgements(study: Study) -> Table:
    """Acknowledgements with the manager and unit of their person's latest review; no others.

    `facts.yml` counts how many came before `needed_by`, and four of the seven points of asking
    well. To set emotions aside and not to whine are not measured, on purpose: to judge what anybody
    feels at work does harm.

    Misleads when a day is noted only where there is haste, when recent asking may still be
    escalated, and as a score: a checklist, and no known sign of better help. METHODS 2.
    """
    latest = latest_reviews(study.cycles)[[*described.OWNERS]].astype("string")
    said = study.dataset.tables["acknowledgements"]
    return said.inner_join(ibis.memtable(latest), "person_id").cache()


def reflecting(study: Study) -> pd.DataFrame:
    """Person-cycles with `reflected`, `asked` (by other channels), and `next`: in the next window.

    Reflected: an acknowledgement by the channel reflection, or completed learning of the type
    reflection, within the review's exposure window; empty where nobody ever did. Left out are those
    without a next review, and those of whom it is not known what they acknowledged.

    Misleads when one culture, or a hard time, moves both.
    """
    keys, rows = ["person_id", "cycle"], study.cycles
    windows = ibis.memtable(rows[[*keys, "window_start", "window_end"]])
    start, end = (windows[name].cast("date") for name in ("window_start", "window_end"))
    said, done = study.dataset.tables["acknowledgements"], learning_done(study.dataset)
    said, done = (
        said.filter(said.channel == "reflection"),
        done.filter(done.activity_type == "reflection"),
    )
    events = said.select("person_id", on="acknowledged_on", said=1).union(
        done.select("person_id", on="learned_on", said=0)
    )
    own = [windows.person_id == events.person_id, events.on >= start, events.on < end]
    inside = (
        windows.join(events, own)
        .group_by(*keys)
        .aggregate(said=lambda both: both.said.sum(), reflected=lambda both: both.count())
    )
    found = inside.execute().astype({"person_id": rows.person_id.dtype})
    rows = rows.merge(found, on=keys, how="left").sort_values(["person_id", "reviewed_on", "cycle"])
    said, reflected = rows.said.fillna(0), rows.reflected.fillna(0) > 0
    every = pd.to_numeric(rows.acknowledgements)
    asked = (every > said).astype("boolean").mask(every.isna())
    later = asked.groupby(rows.person_id).shift(-1)
    rows = rows.assign(reflected=reflected, asked=asked, next=later)
    rows = rows.dropna(subset=["asked", "next"])
    ever = rows.reflected.astype("boolean") if rows.reflected.any() else pd.NA
    return rows.astype({"next": bool, "asked": bool}).assign(reflected=ever)


def after_reflecting(rows: pd.DataFrame) -> Fit | None:
    """How much more often people acknowledge in the window after reflecting, in percentage points.

    `rows` are those of `reflecting`, and mislead as they do. Compared are people of one manager
    and cycle who both did, or both did not, acknowledge already.
    """
    cluster, by = described.raters(rows)
    rows = rows.assign(cluster=cluster).dropna(subset=["cluster", "reflected"])
    rows = rows.assign(group=rows.groupby(["cluster", "cycle"]).ngroup(), yes=rows.next)
    together = rows.groupby("group").group.transform("size") > 1  # one alone tells nothing
    return described.share_difference(
        rows[together],
        "reflected",
        controls=["asked"],
        absorb="group",
        method=f"same {by}, cycle and acknowledging in the window",
        design="associated",
        clustered_by=by,
    )


# --- how soon gaps close


def curve(journeys: Journeys, *, min_group: int = 10) -> pd.DataFrame:
    """The percent of gaps closed by each month from detection, with leaving as competing.

    After Aalen and Johansen (`hazards.incidence`), for all gaps, and apart for those acknowledged
    before the day they were found and those not: known at the start, so nobody has to stay open to
    get into a group. Columns: group, month (of 30.4 days), COURSE, AT_RISK: gaps, people and
    managers still at risk, and (for privacy) who had a gap closed, or left with one, by then. A
    curve ends where fewer than `min_group` people are at risk.

    Misleads when gaps close only at yearly assessments: the curve then shows the calendar.
    Intervals count the gaps of one person as if of several people. METHODS 2; 5, row 16.

    >>> import learnalign as la
    >>> found = curve(la.study("data/demo").journeys)
    >>> bool((found.closed + found.left <= 100).all())
    True
    """
    gaps = journeys.gaps
    before = gaps.acknowledged_before.astype("boolean")
    ends = pd.to_datetime(gaps.closed_on).fillna(gaps.left_on).fillna(gaps.observed_until)
    days = (ends - pd.to_datetime(gaps.detected_on)).dt.days
    rows = gaps.assign(days=days, manager=described.raters(gaps)[0])
    groups = {
        "all gaps": rows,
        "acknowledged before they were found": rows[before.fillna(False)],
        "not acknowledged before they were found": rows[~before.fillna(True)],
    }
    found = [
        _months(part, min_group).assign(group=name) for name, part in groups.items() if len(part)
    ]
    columns = ["group", "month", *COURSE, *AT_RISK]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def _months(rows: pd.DataFrame, min_group: int) -> pd.DataFrame:
    steps = hazards.incidence(rows.days, rows.status)
    month = np.arange(int(rows.days.max() / MONTH_DAYS) + 1)
    day = month * MONTH_DAYS
    last = [rows.days, *(rows.groupby(key).days.max() for key in ("person_id", "manager"))]
    ended = [rows[rows.status == end].groupby("person_id").days.min() for end in ("closed", "left")]
    counts = [len(days) - np.searchsorted(np.sort(days), day) for days in last]
    counts += [np.searchsorted(np.sort(days), day, side="right") for days in ended]
    table = pd.DataFrame(dict(zip(AT_RISK, counts, strict=True))).assign(month=month)
    place = np.searchsorted(steps.time, day, side="right") - 1
    known = 100 * steps[[*COURSE]].iloc[np.maximum(place, 0)].reset_index(drop=True)
    known.loc[place < 0] = 0.0  # before anything happened
    known.loc[place < 0, ["high", "left_high"]] = 100 * (1 - 0.025 ** (1 / len(rows)))
    return table.join(known)[table.people >= min_group]

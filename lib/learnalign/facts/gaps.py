"""Gaps: how "I don't know" becomes "I know", counted: the journey, what was said and when, and what
came after.

Facts about groups, which claim nothing. A gap that nobody spoke of before it was found is silent,
never "hidden": why, no record tells. What was not recorded is left out, and never counted as "did
not".
"""

from dataclasses import replace

import ibis
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from learnalign.data.contract import DATE_OF
from learnalign.data.reading import DataSet
from learnalign.estimates import hazards, ladder
from learnalign.estimates.described import mean, raters, share
from learnalign.linking.account import latest_reviews, learning_done
from learnalign.linking.journeys import Journeys
from learnalign.verdicts.result import Fit, number, spread

ASKED_WELL = {
    "is_specific": "said what exactly was needed",
    "sets_scene": "set the scene: what was done and known",
    "offers_ideas": "offered own ideas",
    "is_appreciative": "showed appreciation",
}
DAYS_IN_HAND = "days from asking to when help was needed"
"""The one fact of `asking` that is a mean, in days; the others are shares, in percent."""

PARTS = (
    "silent gaps that were quiet: no self-rating",
    "silent gaps that were over-claimed: self-rating high enough",
    "silent gaps that were known, but not said: self-rating too low",
)
"""Kinds of silent gaps, which add up to all of them."""
AFTER = "acknowledged in the next window"
UNITS = {DAYS_IN_HAND: "days", f"{AFTER}: difference, same manager and cycle": "percentage points"}
FATES = (
    "still open",
    "left",
    "closed",
    "closed after learning",
    "closed without learning",
    "not recorded then",
)
FIGURES = ("d_prime", "d_low", "d_high", "criterion", "c_low", "c_high")
COURSE = ("closed", "low", "high", "left", "left_low", "left_high")
DRAWS = 200
MONTH_DAYS = 365.25 / 12
MIN_TRIALS = 30  # gaps, and assessments without one, below which knowing and saying are noise


# --- the journey


def stages(gaps: pd.DataFrame) -> pd.DataFrame:
    """Gaps and people at each stage: detected; of those acknowledged; of those learning; of those
    closed.

    From `Journeys.gaps`. A stage has a row "all", and a row for each way in which gaps went no
    further: FATES, where "closed" means without the stages between. So a stage is the next one and
    what stopped at it, and a gap stops once. Found when nobody's acknowledging was recorded, and
    not acknowledged later: "not recorded then". A stage that is not recorded at all, or that no gap
    reached, is left out. Columns: stage, then, gaps, people, managers (units, where no manager is
    recorded); a person with several gaps may stand in several rows.

    Misleads when read as an order in time, as learning may come before acknowledging; and a gap
    found last month is still open because it is new.

    >>> gaps = pd.DataFrame({"person_id": list("ab"), "manager_id": "m", "acknowledged_before": [True, False],
    ...     "acknowledged_on": ["2024-01-01", None], "learning_started_on": None, "status": "open"})
    >>> stages(gaps)[["stage", "then", "gaps"]].to_numpy().tolist()[:3]
    [['detected', 'all', 2], ['detected', 'still open', 1], ['acknowledged', 'all', 1]]
    """
    said, learned, closed = (
        gaps.acknowledged_on.notna(),
        gaps.learning_started_on.notna(),
        gaps.status == "closed",
    )
    unknown = gaps.acknowledged_before.isna() & ~said
    fate = gaps.status.map({"open": "still open", "left": "left", "closed": "closed"})
    reached, last, parts = {"detected": said | True}, pd.Series("detected", gaps.index), []
    if not unknown.all():
        reached["acknowledged"], fate = said, fate.mask(unknown, "not recorded then")
    if learned.any():
        reached["learning"] = learned
        fate = fate.mask(
            fate == "closed", np.where(learned, "closed after learning", "closed without learning")
        )
    here = said | True
    for name, there in (reached | {"closed": closed}).items():
        here = here & there
        last = last.mask(here, name)
        parts.append(gaps[here].assign(stage=name, then="all"))
    rows = pd.concat([*parts, gaps.assign(stage=last, then=fate)[last != "closed"]])
    rows = rows.assign(manager=raters(rows)[0])
    found = rows.groupby(["stage", "then"]).agg(
        gaps=("status", "size"), people=("person_id", "nunique"), managers=("manager", "nunique")
    )
    order = pd.MultiIndex.from_product(
        [[*reached, "closed"], ("all", *FATES)], names=["stage", "then"]
    )
    return found.reindex(order[order.isin(found.index)]).reset_index()


def saying(journeys: Journeys) -> dict[str, Fit]:
    """Shares, in percent: gaps acknowledged before they were found, kinds of silent gaps, and
    acknowledging without.

    Silent gaps (not acknowledged before the day they were found) are quiet without a self-rating,
    over-claimed with one at or above the level required, and known but not said with one below it;
    left out where nobody's self-rating is recorded. Precautionary: acknowledged, and the assessment
    found no gap. Scheduled assessments only.

    Misleads when nobody was asked for a self-rating at some assessments: quiet is then about the
    form, not about people; and when what was said is recorded in few channels. METHODS 2; 5, rows
    15 and 19.
    """
    gaps, rows = journeys.gaps, journeys.assessed
    silent = gaps[gaps.acknowledged_before.eq(False).fillna(False).astype(bool)]
    found = {"gaps acknowledged before they were found": _share(gaps, gaps.acknowledged_before)}
    if gaps.self_level.notna().any():
        own, needed = (pd.to_numeric(silent[name]) for name in ("self_level", "required_level"))
        found |= {
            name: _share(silent, yes)
            for name, yes in zip(PARTS, (own.isna(), own >= needed, own < needed), strict=True)
        }
    without = rows[~rows.is_gap.astype(bool)]
    found["acknowledged as a precaution, where no gap was found"] = _share(
        without, without.acknowledged_before
    )
    return _known(found)


def signal(journeys: Journeys, by: str | None = None, *, seed: int = 1) -> pd.DataFrame:
    """How well groups know which gaps are theirs (d_prime), and how reluctant they are to say so
    (criterion above 0).

    From `Journeys.assessed`, for the company or each group of the column `by` (`unit`, `grade`),
    with 95 % intervals from the spread of 200 bootstrap draws of people. Columns: group, d_prime,
    d_low, d_high, criterion, c_low, c_high, gaps, others (assessments without a gap), people,
    people_smaller (on the rarest side: the figures and counts together tell how many did),
    managers. Figures are NaN below 30 gaps or 30 others; no rows without the column. Raises
    ValueError where the groups would be persons or managers.

    Misleads as `sensitivity_and_bias` does: above all, groups of mixed people have a lower d_prime.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import journeys
    >>> signal(journeys.gap_journeys(datasets.read("data/demo"))).group.tolist()
    ['company']
    """
    if by in ("person_id", "manager_id"):
        raise ValueError("Sensitivity and bias are for groups, never for a person or a manager.")
    rows = journeys.assessed.assign(company="company")
    rows = rows[rows.acknowledged_before.notna()] if (by or "company") in rows else rows.head(0)
    said, gap = rows.acknowledged_before.astype(bool), rows.is_gap.astype(bool)
    sides = {
        "hits": said & gap,
        "misses": ~said & gap,
        "alarms": said & ~gap,
        "passes": ~said & ~gap,
    }
    counts = pd.DataFrame(sides).astype(int).assign(person=rows.person_id, manager=raters(rows)[0])
    groups = counts.groupby(rows[by or "company"]) if len(rows) else ()
    found = [{"group": name, **_signal(part, seed)} for name, part in groups]
    return pd.DataFrame(
        found, columns=["group", *FIGURES, "gaps", "others", "people", "people_smaller", "managers"]
    )


def _signal(rows: pd.DataFrame, seed: int) -> dict[str, float]:
    people = rows.groupby("person")[["hits", "misses", "alarms", "passes"]].sum()
    hits, misses, alarms, passes = total = people.sum().to_numpy()
    counts = {
        "gaps": hits + misses,
        "others": alarms + passes,
        "people": len(people),
        "people_smaller": (people > 0).sum().min(),
        "managers": rows.manager.nunique(),
    }
    if min(counts["gaps"], counts["others"]) < MIN_TRIALS:
        return dict.fromkeys(FIGURES, np.nan) | counts
    # people with the same counts are alike to a draw: fewer rows, and neither names nor order
    # matter
    kinds, many = np.unique(people.to_numpy(), axis=0, return_counts=True)
    draws = (
        np.random.default_rng(seed).multinomial(len(people), many / len(people), size=DRAWS) @ kinds
    )
    middle = sensitivity_and_bias(total)
    reach = stats.norm.ppf(0.975) * sensitivity_and_bias(draws).std(axis=0, ddof=1)
    ends = np.column_stack([middle, middle - reach, middle + reach]).ravel().tolist()
    return dict(zip(FIGURES, ends, strict=True)) | counts


def sensitivity_and_bias(counts: ArrayLike) -> np.ndarray:
    """How well a group knows which gaps are its own (d'), and how reluctant it is to say so
    (criterion), in SD.

    `counts` (..., 4): gaps acknowledged before they were assessed and gaps not, skills without a
    gap acknowledged and not; the answer is (..., 2). Log-linear rates (count + .5) / (n + 1), so
    that none and all can be used.

    Misleads when people who knew their gaps were assessed more often, when the assessment is itself
    in error, with few counts (a person's figure is noise), and in a mixed group: the d' of pooled
    counts is below the d' of its people.

    Hautus (1995), Behavior Research Methods 27; METHODS 2.

    >>> sensitivity_and_bias([80, 20, 30, 70]).round(3)
    array([ 1.35 , -0.156])
    """
    hits, misses, alarms, passes = np.moveaxis(np.asarray(counts, float), -1, 0)
    rates = (hits + 0.5) / (hits + misses + 1), (alarms + 0.5) / (alarms + passes + 1)
    hit, alarm = (stats.norm.ppf(rate) for rate in rates)
    return np.stack([hit - alarm, -(hit + alarm) / 2], axis=-1)


# --- asking


def told(rows: pd.DataFrame) -> pd.DataFrame:
    """`signal` as a table to read: group, people, and each figure with its likely range."""

    def ranged(name: str, low: str, high: str) -> pd.Series:
        words = [
            f"{number(a)} ({spread(b, c)})"
            for a, b, c in rows[[name, low, high]].astype(float).to_numpy()
        ]
        return pd.Series(words, rows.index).where(rows[name].notna(), None)

    figures = {"knowing (d′)": ranged(*FIGURES[:3]), "reluctance (criterion)": ranged(*FIGURES[3:])}
    return rows[["group", "people"]].assign(
        **figures, **{name: rows[name] for name in rows if name == "shown"}
    )


def asking(dataset: DataSet, person_cycles: pd.DataFrame) -> dict[str, Fit]:
    """Asking early and asking well: shares of acknowledgements, in percent, and DAYS_IN_HAND, a
    mean in days.

    Early: before `needed_by`, where a day is given; never escalated, and said before any
    escalation, among those with such a day or an escalation (among all where no such day is ever
    recorded). Well: four of the seven points, each among the acknowledgements in which it was
    coded; to set emotions aside and not to whine are not measured, on purpose: to judge what
    anybody feels at work does harm. The manager (else the unit) is that of the person's latest
    review; people without a review are left out.

    Misleads when a day is noted only where there is haste, when recent asking may still be
    escalated, and as a score: a checklist, and no known sign of better help. METHODS 2.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> demo = datasets.read("data/demo")
    >>> DAYS_IN_HAND in asking(demo, linking.link(demo).person_cycles)
    True
    """
    said = dataset.tables["acknowledgements"]
    on, needed, escalated = said.acknowledged_on, said.needed_by, said.escalated_on
    dated, urgent = needed.notnull(), escalated.notnull()
    watched = dated | urgent | ("acknowledgements.needed_by" not in dataset.filled)
    asked = {
        "asked before the day help was needed": (needed > on, dated),
        DAYS_IN_HAND: (needed.delta(on, unit="day"), dated),
    }
    if "acknowledgements.escalated_on" in dataset.filled:
        asked["asked, and never escalated"] = (~urgent, watched)
        asked["asked before any escalation"] = ((escalated > on).fill_null(True), watched)
    asked |= {name: (said[column], said[column].notnull()) for column, name in ASKED_WELL.items()}
    sums = {f"{name}: yes": yes.cast("int").sum(where=of) for name, (yes, of) in asked.items()}
    people = (
        said.group_by("person_id")
        .aggregate(
            **sums, **{f"{name}: of": of.cast("int").sum() for name, (_, of) in asked.items()}
        )
        .execute()
    )
    latest = latest_reviews(person_cycles)
    people = people.merge(latest[["person_id", "manager_id", "unit"]], on="person_id")
    cluster, by = raters(people)
    return _known(
        {
            name: (mean if name == DAYS_IN_HAND else share)(
                people[f"{name}: yes"], people.person_id, cluster, of=people[f"{name}: of"], by=by
            )
            for name in asked
        }
    )


def kinds(journeys: Journeys) -> dict[str, Fit]:
    """How acknowledged gaps went on: own learning soon after (autonomous), or asked again without
    it (dependent).

    Shares of acknowledged gaps, in percent; a gap may be both, or neither. Misleads when own
    learning is not recorded, and as praise: to ask again may be the right thing to do.
    """
    said = journeys.gaps[journeys.gaps.acknowledged_on.notna()]
    return _known(
        {
            "acknowledged, and own learning within 30 days (autonomous)": _share(
                said, said.autonomous
            ),
            "acknowledged again, without own learning between (dependent)": _share(
                said, said.dependent
            ),
        }
    )


# --- how soon gaps close


def curve(journeys: Journeys, *, min_group: int = 10) -> pd.DataFrame:
    """How many gaps have closed by each month from detection, with leaving as competing, for
    drawing.

    In percent, after Aalen and Johansen (`closure.incidence`), for all gaps, and apart for those
    acknowledged before the day they were found and those not: known at the start, so nobody has to
    stay open to get into a group. Columns: group, month (of 30.4 days), closed, low, high, left,
    left_low, left_high, gaps, people and managers (still at risk), people_closed and people_left
    (who had a gap closed, or left with one, by then: for privacy). A curve ends where fewer than
    `min_group` people are at risk.

    Misleads when gaps close only at yearly assessments: the curve then shows the calendar.
    Intervals count the gaps of one person as if of several people. METHODS 2; 5, row 16.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import journeys
    >>> found = curve(journeys.gap_journeys(datasets.read("data/demo")))
    >>> bool((found.closed + found.left <= 100).all())
    True
    """
    gaps = journeys.gaps
    before = gaps.acknowledged_before.astype("boolean")
    ends = pd.to_datetime(gaps.closed_on).fillna(gaps.left_on).fillna(gaps.observed_until)
    rows = gaps.assign(
        days=(ends - pd.to_datetime(gaps.detected_on)).dt.days, manager=raters(gaps)[0]
    )
    groups = {
        "all gaps": rows,
        "acknowledged before they were found": rows[before.fillna(False)],
        "not acknowledged before they were found": rows[~before.fillna(True)],
    }
    found = [
        _months(part, min_group).assign(group=name) for name, part in groups.items() if len(part)
    ]
    columns = [
        "group",
        "month",
        *COURSE,
        "gaps",
        "people",
        "managers",
        "people_closed",
        "people_left",
    ]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def _months(rows: pd.DataFrame, min_group: int) -> pd.DataFrame:
    steps = hazards.incidence(rows.days, rows.status)
    month = np.arange(int(rows.days.max() / MONTH_DAYS) + 1)
    day = month * MONTH_DAYS
    at_risk = {"gaps": rows.days}
    at_risk |= {
        name: rows.groupby(key).days.max()
        for name, key in (("people", "person_id"), ("managers", "manager"))
    }
    table = pd.DataFrame(
        {"month": month}
        | {name: len(last) - np.searchsorted(np.sort(last), day) for name, last in at_risk.items()}
    )
    for end in ("closed", "left"):
        first = rows[rows.status == end].groupby("person_id").days.min()
        table[f"people_{end}"] = np.searchsorted(np.sort(first), day, side="right")
    place = np.searchsorted(steps.time, day, side="right") - 1
    known = 100 * steps[list(COURSE)].iloc[np.maximum(place, 0)].reset_index(drop=True)
    known.loc[place < 0] = 0.0  # before anything happened
    known.loc[place < 0, ["high", "left_high"]] = 100 * (1 - 0.025 ** (1 / len(rows)))
    return table.join(known)[table.people >= min_group]


# --- the mirror


def mirror(dataset: DataSet, person_cycles: pd.DataFrame) -> dict[str, Fit]:
    """Whether people who reflected in one window acknowledge in the next, by other ways than
    reflecting.

    Reflected: an acknowledgement by the channel reflection, or completed learning of the type
    reflection, within the review's exposure window. Two shares of person-cycles, in percent, and
    their difference in percentage points among people of the same manager and cycle who both did,
    or both did not, acknowledge already (design "associated"). Empty where nobody reflected or
    acknowledging is not recorded.

    Misleads when one culture, or a hard time, moves both; people without a next review are left
    out.
    """
    rows = _reflecting(dataset, person_cycles)
    if not rows.reflected.any():
        return {}
    cluster, by = raters(rows)
    found = {
        f"{AFTER}, after reflecting": _share(rows[rows.reflected], rows.next[rows.reflected]),
        f"{AFTER}, without reflecting before": _share(
            rows[~rows.reflected], rows.next[~rows.reflected]
        ),
        f"{AFTER}: difference, same manager and cycle": _difference(
            rows.assign(cluster=cluster), by
        ),
    }
    return _known(found)


def _reflecting(dataset: DataSet, person_cycles: pd.DataFrame) -> pd.DataFrame:
    """Person-cycles with `reflected`, `asked` (by other channels) and `next` (asked in the next
    window), all known.
    """
    keys = ["person_id", "cycle"]
    windows = ibis.memtable(person_cycles[[*keys, "window_start", "window_end"]])
    start, end = (windows[name].cast("date") for name in ("window_start", "window_end"))
    rows = person_cycles.sort_values(["person_id", "reviewed_on", "cycle"])
    acknowledgements, learned = dataset.tables["acknowledgements"], learning_done(dataset)
    for name, events, kind in (
        ("acknowledgements", acknowledgements, "channel"),
        ("learning", learned, "activity_type"),
    ):
        events, on = events.filter(events[kind] == "reflection"), DATE_OF[name]
        inside = windows.join(
            events, [windows.person_id == events.person_id, events[on] >= start, events[on] < end]
        )
        counted = inside.group_by(*keys).aggregate(**{f"_{name}": inside.count()}).execute()
        rows = rows.merge(counted.astype({"person_id": rows.person_id.dtype}), on=keys, how="left")
    said, learned = (rows[f"_{name}"].fillna(0) for name in ("acknowledgements", "learning"))
    every = pd.to_numeric(rows.acknowledgements)
    asked = (every > said).astype("boolean").mask(every.isna())
    rows = rows.assign(
        reflected=said + learned > 0, asked=asked, next=asked.groupby(rows.person_id).shift(-1)
    )
    return rows.dropna(subset=["asked", "next"]).astype({"next": bool, "asked": bool})


def _difference(rows: pd.DataFrame, by: str) -> Fit | None:
    rows = rows.dropna(subset=["cluster"])
    rows = rows.assign(group=rows.groupby(["cluster", "cycle"]).ngroup(), percent=100.0 * rows.next)
    rows = rows[
        rows.groupby("group").group.transform("size") > 1
    ]  # those alone in their group tell nothing
    try:
        fit = ladder.fixed_effects(
            rows,
            "percent",
            "reflected",
            controls=["asked"],
            absorb="group",
            cluster="cluster",
            method=f"same {by}, cycle and acknowledging in the window",
            design="associated",
            clustered_by=by,
        )
    except ValueError:  # nobody to compare with
        return None
    return replace(fit, n_people_smaller=int(rows.groupby("reflected").person_id.nunique().min()))


# --- shares


def _share(rows: pd.DataFrame, yes: pd.Series) -> Fit | None:
    cluster, by = raters(rows)
    return share(yes, rows.person_id, cluster, by=by)


def _known(found: dict[str, Fit | None]) -> dict[str, Fit]:
    return {name: fit for name, fit in found.items() if fit is not None}

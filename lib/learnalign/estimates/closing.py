"""Closing: what goes with closing gaps sooner (Q6 and Q8), and what one more closed gap costs (Q7).

Every open month of a gap is compared with the same month of other gaps of the same skill and depth,
in people alike in past rating, grade and tenure. What happens to a gap counts from the month after,
so that nobody is credited with the time a gap had to stay open; leaving competes with closing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from learnalign.estimates import hazards, sensitivity, weights
from learnalign.estimates.described import raters
from learnalign.estimates.samples import common, drop
from learnalign.linking.journeys import Journeys
from learnalign.verdicts.result import ATTRITION, TOO_FEW_CLUSTERS, Check, Comparison, Fit, number

MIN_CLOSED = 10  # gaps closed with a kind of learning; fewer say nothing of it
MIN_LEVEL = 20  # gaps of a skill, or in a grade; rarer ones are held equal together
# shares who leave within a year further apart than this may make a difference, or hide one
APART = 0.03
BEYOND = 0.10  # of the weight beyond the trim
YEAR = 12  # months
POWER = 0.80
MEASURED = ("acknowledging_to_closure", "mentoring_to_closure")


@dataclass(frozen=True, repr=False)
class Months:
    """Gap-months of all gaps, what is held equal in them, and by whom they hang together; shows
    counts only.
    """

    gaps: pd.DataFrame
    rows: pd.DataFrame
    learned: pd.DataFrame  # what people with gaps learned, and at what cost
    by: str  # "manager", or "unit" where no manager is recorded

    def __repr__(self) -> str:
        return f"Months({len(self.rows):,} months of {len(self.gaps):,} gaps)"


def months(journeys: Journeys) -> Months:
    """The months in which gaps were open, for every question on closing: made once, as it takes the
    longest.

    Each with what happened before it (`closure.gap_months`), the gap's skill and depth, and past
    rating, grade and tenure of the person at detection, and the manager then (`manager`), or the
    unit. Misleads as `gap_months` does.
    """
    gaps, by = journeys.gaps.assign(manager=journeys.gaps.manager_id), raters(journeys.gaps)[1]
    return Months(
        gaps,
        hazards.gap_months(_with_held(gaps), journeys.said, journeys.learned),
        journeys.learned,
        by,
    )


@dataclass(frozen=True)
class _Sample:
    """The gap-months that one question can compare, or the reason why there are none, and the
    account.
    """

    rows: pd.DataFrame
    by: str
    reason: str
    account: pd.DataFrame

    @property
    def controls(self) -> list[str]:
        return [
            name for name in self.rows if name.startswith("held_") and self.rows[name].nunique() > 1
        ]

    def hazard(
        self, exposures: Sequence[str], *, held: bool = True, level: float = 0.95
    ) -> tuple[Fit, ...]:
        return hazards.hazard(
            self.rows,
            exposures,
            controls=self.controls if held else (),
            cluster=self.by,
            level=level,
        )


# --- acknowledging, and mentoring


def acknowledging_to_closure(months: Months, *, level: float = 0.95) -> Comparison:
    """Hazard ratio of closing: acknowledged by now against not yet, per open gap-month (METHODS 3,
    Q6).

    Acknowledged from 90 days before detection on, and counted from the month after. What
    acknowledging leads to, learning above all, is part of the figure.

    Misleads when people acknowledge what they are about to close anyway, or when those who spoke
    are assessed again sooner. Acknowledging *other* skills must not close this gap: that is the
    check.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import journeys
    >>> found = acknowledging_to_closure(months(journeys.gap_journeys(datasets.read("data/demo"))))
    >>> found.adjusted.estimate > 1
    True
    """
    sample = _sample(months, "acknowledging_to_closure", asked=True)
    return _compare(
        "acknowledging_to_closure", sample, "acknowledged", "acknowledged_elsewhere", level
    )


def mentoring_to_closure(months: Months, *, level: float = 0.95) -> Comparison:
    """Hazard ratio of closing: mentored by now (a mentor tie, or mentoring done) against not, per
    open gap-month.

    Misleads when mentors choose whom they help, or those who act find a mentor. `against_waitlist`
    compares with people who wanted it as much.
    """
    sample = _sample(months, "mentoring_to_closure")
    if not sample.reason and not sample.rows.mentored.any():
        sample = replace(sample, reason="no mentoring")
    found = _compare("mentoring_to_closure", sample, "mentored", "", level)
    against = tuple(against_waitlist(months, level=level).values()) or (None,)
    return replace(found, rivals=(("waitlist", against[0]),)) if found.adjusted else found


def against_waitlist(months: Months, *, level: float = 0.95) -> dict[str, Fit]:
    """As `mentoring_to_closure`, but against people on a waitlist for it: ready, and not served
    yet.

    Empty where too few wait, or too few of their gaps closed. Misleads when places go to those in
    most need first.
    """
    sample = _sample(months, "mentoring_to_closure")
    if sample.reason:
        return {}
    rows = sample.rows[(sample.rows.mentored == 1) | (sample.rows.waiting == 1)]
    fit = _tried(replace(sample, rows=rows), ["mentored"], level, design="compared")
    return {"against those on a waitlist": fit} if fit else {}


def saying_otherwise(months: Months, *, level: float = 0.95) -> dict[str, Fit]:
    """The headline of acknowledging under other choices: at equal learning on the skill, and
    settled at detection.

    "Before it was found" counts only what was said before, and nothing that happened since. Empty
    where no estimate can be had. Misleads as the headline does.
    """
    sample = _sample(months, "acknowledging_to_closure", asked=True)
    if sample.reason:
        return {}
    before = sample.rows.assign(before=sample.rows.acknowledged_before.astype(int))
    found = {
        "at equal learning on the skill": _tried(sample, ["acknowledged", "learned"], level),
        "said before it was found": _tried(replace(sample, rows=before), ["before"], level),
    }
    return {name: fit for name, fit in found.items() if fit is not None}


# --- kinds of learning


def learning_to_closure(
    months: Months, *, level: float = 0.95
) -> tuple[dict[str, Fit], tuple[Check, ...]]:
    """Hazard ratio of closing: learning on the skill in the last 90 days against none, in all and
    by activity type.

    Types are held equal to each other, and all to having acknowledged and to being mentored, which
    come before them, where these are recorded; mentoring is Q8's. Types with which fewer than 10
    gaps closed are left out. The check holds for all rows: learning on *other* skills must not
    close this gap. Empty where skills of learning are not recorded. Misleads by indication: hard
    gaps get the courses.
    """
    sample = _sample(months, "learning_to_closure")
    if sample.reason or not _some(sample.rows, "learned"):
        return {}, ()
    before = [name for name in ("acknowledged", "mentored") if _some(sample.rows, name)]
    first = _tried(sample, ["learned", *before], level)
    if first is None:
        return {}, ()
    apart = ("learned_elsewhere", "learned_mentoring")
    names = [name for name in sample.rows if name.startswith("learned_") and name not in apart]
    kinds = [name for name in names if _some(sample.rows, name)]
    try:
        fits = sample.hazard([*kinds, *before], level=level)
    except ValueError:
        fits = ()
    by_kind = {name.removeprefix("learned_"): fit for name, fit in zip(kinds, fits, strict=False)}
    return {"any learning": first} | by_kind, (
        _unrelated(sample, "learned", "learned_elsewhere", *before),
    )


# --- cost


def cost_per_closed_gap(
    months: Months, amount: str = "cost", *, level: float = 0.95
) -> tuple[Fit | None, str]:
    """What learning on the skill costs (or takes in `hours`) per gap that closes within a year and
    would not have.

    From `closure.cost_per_closed_gap`; with None, the reason as a key of `verdicts.REASONS`. All
    that was spent on the skill from 90 days before detection until the gap closed counts, as far as
    it is recorded.

    Misleads exactly as the hazard ratio does, and where costs are recorded for some kinds of
    learning only: it is then too low. Pay rises are not in it: merit is a cost or a transfer, never
    a benefit.
    """
    sample = _sample(months, "cost_per_closed_gap")
    if sample.reason:
        return None, sample.reason
    if not months.learned[amount].fillna(0).sum() > 0:
        return None, "no cost"
    if months.learned.skill.isna().all():
        return None, "no learned skill"
    spent = _spent(sample.rows, months.learned, amount)
    try:
        found = hazards.cost_per_closed_gap(
            sample.rows, "learned", spent, controls=sample.controls, cluster=sample.by, level=level
        )
    except hazards.NoExtra:
        return None, "no extra"
    except ValueError:
        return None, "no closing"
    sides = [sample.rows.person_id[sample.rows.learned == side].nunique() for side in (0, 1)]
    return Fit(
        float(found.estimate),
        float(found.low),
        float(found.high),
        None,
        None,
        level,
        len(sample.rows),
        found.n_people,
        min(sides),
        sample.rows[sample.by].nunique(),
        f"{amount} per extra closed gap within {found.horizon} months, from the hazard of closing, "
        f"clustered by {sample.by}",
        "described",
        cluster=sample.by,
    ), ""


def detectable(months: Months, measure: str, *, min_people: int = 10) -> float | None:
    """The smallest hazard ratio that a measure could show, before any result (Schoenfeld 1983;
    METHODS 4).

    From the closed gaps, the share of gap-months with the exposure, and what is held equal explains
    of it; whether the two go together is never computed. None where nothing can be compared, or
    fewer than `min_people` are on one side. At best: gaps under one manager may be more alike than
    that.
    """
    exposure = {"acknowledging_to_closure": "acknowledged", "mentoring_to_closure": "mentored"}[
        measure
    ]
    sample = _sample(months, measure, asked=exposure == "acknowledged")
    if sample.reason:
        return None
    rows = sample.rows
    sides = [rows.person_id[rows[exposure] == side].nunique() for side in (0, 1)]
    few = rows[sample.by].nunique() <= TOO_FEW_CLUSTERS
    if min(sides) < min_people or few or not rows.closed.any():
        return None
    held = np.column_stack([np.ones(len(rows)), _covariates(sample)])
    x = rows[exposure].to_numpy(float)
    left = x - held @ np.linalg.lstsq(held, x, rcond=None)[0]
    t = stats.t.ppf([0.975, POWER], rows[sample.by].nunique() - 1).sum()
    return float(np.exp(t / np.sqrt(rows.closed.sum() * left.var()))) if left.var() > 0 else None


# --- the months that can be compared


def _sample(months: Months, measure: str, *, asked: bool = False) -> _Sample:
    """The gap-months of one question; `asked` leaves out gaps found before acknowledging was
    recorded.
    """
    gaps, account = months.gaps, []
    drop(gaps, gaps.index == -1, (measure, "read", "gaps"), account)
    if asked:
        names = (measure, "no_exposure", "found before any acknowledgement of a skill was recorded")
        gaps = drop(gaps, gaps.acknowledged_before.isna(), names, account)
    gaps = drop(
        gaps, gaps[months.by].isna(), (measure, "no_rater", f"no {months.by} recorded"), account
    )
    account = pd.DataFrame(account, columns=list(ATTRITION))
    rows = months.rows[months.rows[months.by].notna()]
    rows = rows[rows.acknowledged_before.notna()] if asked else rows
    reason = "three raters" if rows[months.by].nunique() <= TOO_FEW_CLUSTERS else ""
    if gaps.empty:
        unsaid = asked and months.gaps.acknowledged_before.isna().all()
        reason = (
            "no gaps" if months.gaps.empty else "no acknowledged skill" if unsaid else "too few"
        )
    return _Sample(rows, months.by, reason, account)


def _with_held(gaps: pd.DataFrame) -> pd.DataFrame:
    """Gaps with skill and depth, and past rating, grade and tenure of the person; what is missing
    is marked.
    """
    years = np.log1p((gaps.detected_on - gaps.hired_on).dt.days.clip(lower=0) / 365.25)
    return gaps.assign(
        held_severity=gaps.severity.astype(float),
        held_skill=common(gaps.skill, MIN_LEVEL),
        held_grade=common(gaps.grade, MIN_LEVEL),
        held_rating=gaps.rating_before.fillna(0.0),
        held_unrated=gaps.rating_before.isna().astype(float),
        held_tenure=years.fillna(years.mean()).fillna(0.0),
    )


def _some(rows: pd.DataFrame, exposure: str) -> bool:
    return int(rows.closed[rows[exposure] == 1].sum()) >= MIN_CLOSED


def _tried(
    sample: _Sample, exposures: list[str], level: float, design: str = "adjusted"
) -> Fit | None:
    """The first exposure's hazard ratio, or None where it cannot be had."""
    if sample.rows.empty or sample.rows[sample.by].nunique() <= TOO_FEW_CLUSTERS:
        return None
    try:
        return replace(sample.hazard(exposures, level=level)[0], design=design)
    except ValueError:
        return None


def _covariates(sample: _Sample) -> np.ndarray:
    named = sample.rows[["month", *sample.controls]].astype({"month": str})
    return pd.get_dummies(named, drop_first=True, dtype=float).to_numpy(float)


# --- one comparison, and what could refute it


def _compare(
    measure: str, sample: _Sample, exposure: str, elsewhere: str, level: float
) -> Comparison:
    found = Comparison(measure, None, None, attrition=sample.account, reason=sample.reason)
    if sample.reason:
        return found
    if sample.rows[exposure].nunique() < 2:
        return replace(found, reason="one group")
    try:
        raw = replace(sample.hazard([exposure], held=False, level=level)[0], design="described")
    except ValueError:
        return replace(found, reason="no closing")
    adjusted = _tried(sample, [exposure], level)
    if adjusted is None:
        return replace(found, raw=raw, reason="no closing")
    baseline = _baseline(sample.rows)
    if baseline.outcome == "failed":
        adjusted = replace(adjusted, design="associated")
    unrelated = _unrelated(sample, exposure, elsewhere) if elsewhere else None
    checks = (baseline, unrelated, _overlap(sample, exposure), _attrition(sample.rows, exposure))
    notes = (
        ()
        if sample.by == "manager"
        else ("no managers are recorded: the unit stands in for the manager",)
    )
    if not adjusted.low <= 1 <= adjusted.high:
        notes += (_e_value(adjusted),)
    return replace(
        found,
        raw=raw,
        adjusted=adjusted,
        checks=tuple(check for check in checks if check is not None),
        notes=notes,
    )


def _baseline(rows: pd.DataFrame) -> Check:
    """Whether people are compared from the same start: half of the gap-months, or more, with a past
    rating.
    """
    if rows.held_unrated.mean() <= 0.5:
        return Check.of("no baseline", "passed", "held in gaps")
    return Check.of("no baseline", "failed", "missing in gaps")


def _unrelated(sample: _Sample, exposure: str, elsewhere: str, *held: str) -> Check:
    """The same with other skills must not go with closing this gap; no figures, as few people may
    do it.
    """
    try:
        fit = sample.hazard([exposure, elsewhere, *held])[1]
    except ValueError:
        return Check.of("unrelated skills", "not possible", "few")
    what = "learning on" if exposure == "learned" else "acknowledging"
    if fit.low <= 1 <= fit.high:
        return Check.of("unrelated skills", "passed", "alone", what=what)
    return Check.of("unrelated skills", "failed", "together", what=what)


def _overlap(sample: _Sample, exposure: str) -> Check:
    """Gap-months with and without it must be alike enough to be compared."""
    share = weights.beyond_trim(sample.rows[exposure].to_numpy() == 1, _covariates(sample))
    found = ("failed", "more in gaps") if share > BEYOND else ("passed", "less in gaps")
    return Check.of("overlap", *found, share=f"{BEYOND:.0%}")


def _attrition(rows: pd.DataFrame, exposure: str) -> Check:
    """People whose gaps are open must not leave at rates far apart, with it and without it."""
    rate, months = rows.groupby(exposure).left.mean(), rows.groupby(exposure).size()
    within = 1 - (1 - rate) ** YEAR
    error = np.sqrt((rate * (1 - rate) / months * (YEAR * (1 - rate) ** (YEAR - 1)) ** 2).sum())
    failed = (
        abs(within[1] - within[0]) - stats.norm.ppf(0.975) * error > APART
    )  # by chance few leavers differ by more
    found_out = ("failed", "apart in gaps") if failed else ("passed", "near in gaps")
    return Check.of("attrition", *found_out, points=f"{APART * 100:.0f}")  # never the rates


def _e_value(fit: Fit) -> str:
    needed = sensitivity.e_value(
        fit.low if fit.low > 1 else fit.high
    )  # of the end that is nearer to 1
    return (
        "something unseen would have to go with both by a factor of "
        f"{number(float(needed))} to erase it (E-value)"
    )


def _spent(rows: pd.DataFrame, learned: pd.DataFrame, amount: str) -> float:
    """All that was spent on the skill of a gap, from 90 days before it was found until it closed or
    was last seen.
    """
    keys = ["person_id", "skill", "detected_on"]
    gaps = rows.drop_duplicates(keys)[[*keys, "closed_on", "left_on", "observed_until"]]
    gaps = gaps.assign(_end=gaps[["closed_on", "left_on", "observed_until"]].min(axis=1))
    events = gaps.merge(learned.dropna(subset=["skill"]), on=["person_id", "skill"])
    since = events.detected_on - pd.Timedelta(days=hazards.WINDOW_DAYS)
    inside = (events.learned_on >= since) & (events.learned_on < events._end)
    own = [
        "person_id",
        "skill",
        "learned_on",
        "activity_type",
        "is_voluntary",
    ]  # a day may be in two gaps of a skill
    return float(events[inside].drop_duplicates(own)[amount].sum())

"""Closing: what goes with closing gaps sooner (Q6 and Q8).

Every open month of a gap is compared with the same month of other gaps of the same skill and depth,
in people alike in past rating, grade and tenure. What happens to a gap counts from the month after,
so that nobody is credited with the time a gap had to stay open; leaving competes with closing.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from learnalign.estimates import checks, hazards, limits, reassessed, sensitivity
from learnalign.estimates.columns import unexplained
from learnalign.estimates.contrasts import reach
from learnalign.estimates.described import raters
from learnalign.estimates.samples import common, fall_out
from learnalign.linking.journeys import SPELL, Journeys
from learnalign.verdicts.registry import measures
from learnalign.verdicts.result import Check, Comparison, Fit, number

EXPOSURES = ("acknowledged", "mentored")  # what a question on closing may name; its outcome:
OUTCOMES = ("closure",)
MIN_CLOSED = 3  # gaps closed with it; with fewer nothing is fitted. What is shown needs more people
HORIZON = 12  # months within which a gap closes that would not have
MIN_LEVEL = 20  # gaps of a skill, or in a grade; rarer ones are held equal together


@dataclass(frozen=True, repr=False)
class Months:
    """Gap-months of all gaps, what is held equal in them, and their clusters; shows counts only."""

    gaps: pd.DataFrame
    rows: pd.DataFrame
    learned: pd.DataFrame  # what people with gaps learned, and at what cost
    by: str  # "manager", or "unit" where no manager is recorded
    planned: pd.DataFrame = field(default_factory=pd.DataFrame)  # as planned assessments saw them

    def __repr__(self) -> str:
        return f"Months({len(self.rows):,} months of {len(self.gaps):,} gaps)"

    def of(self, inside: pd.Series) -> "Months":
        """Those of some gaps: `inside` (n,) marks rows of `gaps`."""
        gaps = self.gaps[inside]
        kept = pd.MultiIndex.from_frame(self.rows[[*SPELL]]).isin(
            pd.MultiIndex.from_frame(gaps[[*SPELL]])
        )
        own = self.learned.person_id.isin(gaps.person_id)
        return replace(self, gaps=gaps, rows=self.rows[kept], learned=self.learned[own])


def months(journeys: Journeys) -> Months:
    """The months in which gaps were open (`hazards.gap_months`), for every question on closing.

    Made once, as it takes the longest: each with the gap's skill and depth, past rating, grade and
    tenure of the person at detection, and the manager then, or the unit. Misleads as `gap_months`.
    """
    gaps = journeys.gaps.assign(manager=journeys.gaps.manager_id)
    years = np.log1p((gaps.detected_on - gaps.hired_on).dt.days.clip(lower=0) / 365.25)
    held = gaps.assign(
        held_severity=gaps.severity.astype(float),
        held_skill=common(gaps.skill, MIN_LEVEL),
        held_grade=common(gaps.grade, MIN_LEVEL),
        held_rating=gaps.rating_before.fillna(0.0),
        held_unrated=gaps.rating_before.isna().astype(float),
        held_tenure=years.fillna(years.mean()).fillna(0.0),
    )
    rows = hazards.gap_months(held, journeys.said, journeys.learned)
    planned = reassessed.gap_months(held, journeys.said, journeys.looked)
    return Months(gaps, rows, journeys.learned, raters(gaps)[1], planned)


@dataclass(frozen=True)
class _Sample:
    """The gap-months that one question can compare, or why there are none, and the account."""

    rows: pd.DataFrame
    by: str
    reason: str
    account: pd.DataFrame

    @property
    def controls(self) -> list[str]:
        held = [name for name in self.rows if name.startswith("held_")]
        return [name for name in held if self.rows[name].nunique() > 1]

    @property
    def covariates(self) -> np.ndarray:
        named = self.rows[["month", *self.controls]].astype({"month": str})
        return pd.get_dummies(named, drop_first=True, dtype=float).to_numpy(float)

    def hazard(
        self, *exposures: str, held: bool = True, level: float = 0.95, design: str = "adjusted"
    ) -> tuple[Fit, ...]:
        """The exposures' hazard ratios, at equal others; empty where they cannot be had."""
        if not limits.managers(self.rows.person_id, self.rows[self.by]):
            return ()
        controls = self.controls if held else ()
        try:
            fits = hazards.hazard(
                self.rows, exposures, controls=controls, cluster=self.by, level=level
            )
        except ValueError:
            return ()
        return tuple(replace(fit, design=design) for fit in fits)

    def closed_without(self, exposure: str) -> Fit | None:
        """Of 100 gaps, how many close within a year without it; None where that is not seen."""
        about = {"horizon": HORIZON, "controls": self.controls, "cluster": self.by}
        try:
            return hazards.closed_without(self.rows, exposure, **about)
        except ValueError:
            return None

    def closed_with(self, exposure: str) -> bool:
        own = self.rows[(self.rows[exposure] == 1) & (self.rows.closed == 1)].person_id
        return len(own) >= MIN_CLOSED and limits.somebody("closed", own)

    def nothing_to_compare(self, exposure: str) -> str:
        """A key of the reasons where nobody is on a side of it, or nobody closed a gap there."""
        rows, closed = self.rows, self.rows[self.rows.closed == 1]
        if not limits.both(exposure, rows.person_id, rows[exposure] == 1):
            return "one group"
        some = limits.both("closed", closed.person_id, closed[exposure] == 1)
        return "" if some else "no closing"


def sample_of(months: Months, measure: str) -> _Sample:
    """The gap-months of one question; without gaps found before its exposure was recorded.

    Misleads where what is asked was recorded from a late day on: few gaps are left then.
    """
    exposure, by = measures()[measure][1].exposure, months.by
    asked = exposure == "acknowledged"
    steps = [("no_rater", f"no {by} recorded", lambda gaps: gaps[by].isna())]
    if asked:
        said = "found before any acknowledgement of a skill was recorded"
        steps.insert(0, ("no_exposure", said, lambda gaps: gaps.acknowledged_before.isna()))
    gaps, account = fall_out(months.gaps, measure, "gaps", steps)
    rows = _told(months.rows, by, asked)
    reason = "" if limits.managers(rows.person_id, rows[by]) else "three raters"
    if not limits.somebody("gaps", months.gaps.person_id):
        reason = "no gaps"
    elif not limits.somebody("gaps", gaps.person_id):
        known = months.gaps.person_id[months.gaps.acknowledged_before.notna()]
        unsaid = asked and not limits.somebody("said", known)
        reason = "no acknowledged skill" if unsaid else "too few"
    elif (
        exposure == "mentored"
        and not reason
        and not limits.somebody(exposure, rows.person_id[rows.mentored == 1])
    ):
        reason = "no mentoring"
    return _Sample(rows, by, reason, account())


def _told(rows: pd.DataFrame, by: str, asked: bool) -> pd.DataFrame:
    """Without gaps of nobody's people, or found before its exposure was recorded."""
    rows = rows[rows[by].notna()]
    return rows[rows.acknowledged_before.notna()] if asked else rows


# --- acknowledging, and mentoring


def compare(months: Months, measure: str, *, level: float = 0.95) -> Comparison:
    """Hazard ratio of closing, raw and adjusted, with its checks: by now against not yet.

    The exposure is the measure's: acknowledged, from 90 days before detection on, or mentored, by a
    tie or mentoring done (METHODS 3, Q6 and Q8). What it leads to, learning above all, is part of
    the figure. Acknowledging *other* skills is a check, those on a waitlist for a mentor a rival.

    Misleads as its question tells: when people acknowledge what they are about to close, or mentors
    choose whom they help.

    >>> from learnalign.data import reading
    >>> from learnalign.linking import journeys
    >>> rows = months(journeys.gap_journeys(reading.read("data/demo")))
    >>> compare(rows, "acknowledging_to_closure").adjusted.estimate > 1
    True
    """
    sample, exposure = sample_of(months, measure), measures()[measure][1].exposure
    found = Comparison(measure, None, None, attrition=sample.account, reason=sample.reason)
    if sample.reason:
        return found
    if reason := sample.nothing_to_compare(exposure):
        return replace(found, reason=reason)
    raw = sample.hazard(exposure, held=False, level=level, design="described")
    adjusted = raw and sample.hazard(exposure, level=level)
    if not adjusted:
        return replace(found, raw=raw[0] if raw else None, reason="no closing")
    (fit,), baseline = adjusted, checks.baseline_of_gaps(sample.rows)
    if baseline.outcome == "failed":
        fit = replace(fit, design="associated")
    tried = [baseline]
    if exposure == "acknowledged":
        tried.append(_unrelated(sample, exposure, "acknowledging"))
    share = checks.beyond_trim(sample.rows[exposure].to_numpy() == 1, sample.covariates)
    tried += [
        checks.overlap(share, sample.rows.person_id, " in gaps"),
        checks.leaving(sample.rows, exposure),
    ]
    others = [("re-assessment", _as_planned(months, sample, exposure, level))]
    if exposure == "mentored":
        others.append(("waitlist", _against_waitlist(sample, level)))
    own = sample.by == "manager"
    base = sample.closed_without(exposure)
    notes = () if own else ("no managers are recorded: the unit stands in for the manager",)
    more = {"base": base, "checks": tuple(tried), "rivals": tuple(others), "notes": notes}
    return replace(found, raw=raw[0], adjusted=fit, **more)


def _as_planned(months: Months, sample: _Sample, exposure: str, level: float) -> Fit | None:
    """The contrast as planned assessments alone saw it: nobody chose when to look."""
    if months.planned.empty:
        return None
    rows = _told(months.planned, sample.by, exposure == "acknowledged")
    about = {"controls": replace(sample, rows=rows).controls, "cluster": sample.by}
    return reassessed.by_schedule(rows, exposure, **about, level=level)


def to_erase(fit: Fit, base: Fit | None = None) -> str:
    """A note of what it would take to erase a figure as it is published (E-value); empty where it
    holds no difference.

    An E-value is of risks: the end of the interval that is nearer to 1 becomes a ratio of how many
    gaps close within a year, by how many do without it (`base`, in percent).
    """
    if fit.low <= 1 <= fit.high:
        return ""
    end = fit.low if fit.low > 1 else fit.high
    if base is not None:
        share = base.estimate / 100
        end = (1 - (1 - share) ** end) / share
    needed = sensitivity.e_value(end)
    return (
        f"something unseen would have to go with both by a factor of {number(float(needed))} "
        "to erase it (E-value)"
    )


def _unrelated(sample: _Sample, exposure: str, what: str, *before: str) -> Check:
    """The same with other skills must not go with closing this gap."""
    fits = sample.hazard(exposure, f"{exposure}_elsewhere", *before)
    return checks.alone("unrelated skills", fits[1] if fits else None, what=what)


def against_waitlist(months: Months, *, level: float = 0.95) -> dict[str, Fit]:
    """As `mentoring_to_closure`, but against people on a waitlist: ready, and not served yet.

    Empty where too few wait, or too few of their gaps closed. Misleads when places go to those in
    most need first.
    """
    sample = sample_of(months, "mentoring_to_closure")
    fit = None if sample.reason else _against_waitlist(sample, level)
    return {"against those on a waitlist": fit} if fit else {}


def _against_waitlist(sample: _Sample, level: float) -> Fit | None:
    rows = sample.rows[(sample.rows.mentored == 1) | (sample.rows.waiting == 1)]
    fits = replace(sample, rows=rows).hazard("mentored", level=level, design="compared")
    return fits[0] if fits else None


def saying_otherwise(months: Months, *, level: float = 0.95) -> dict[str, Fit]:
    """The headline of acknowledging at equal learning on the skill, and settled at detection.

    "Before it was found" counts nothing that happened since. Empty where no estimate can be had.
    Misleads as the headline does.
    """
    sample = sample_of(months, "acknowledging_to_closure")
    if sample.reason:
        return {}
    before = sample.rows.assign(before=sample.rows.acknowledged_before.astype(int))
    found = {
        "at equal learning on the skill": sample.hazard("acknowledged", "learned", level=level),
        "said before it was found": replace(sample, rows=before).hazard("before", level=level),
    }
    return {name: fits[0] for name, fits in found.items() if fits}


# --- kinds of learning


def learning_to_closure(
    months: Months, *, level: float = 0.95
) -> tuple[dict[str, Fit | None], tuple[Check, ...], dict[str, Fit | None]]:
    """Hazard ratio of closing: learning on the skill in the last 90 days or none, by type; what
    holds for all rows; and the same of what was learned 45 to 135 days before, by which time
    studying for an assessment is over.

    First of all types; then each at equal others, and all at equal acknowledging and mentoring,
    which come before them, where recorded; mentoring is Q8's. None is a type with which too few
    gaps closed. The check holds for all rows: learning on *other* skills must not close this gap.
    Empty where skills of learning are not recorded. Misleads by indication: hard gaps get the
    courses.
    """
    sample = sample_of(months, "learning_to_closure")
    if sample.reason or not sample.closed_with("learned"):
        return {}, (), {}
    before = [name for name in ("acknowledged", "mentored") if sample.closed_with(name)]
    first = sample.hazard("learned", *before, level=level)
    if not first:
        return {}, (), {}
    apart = ("learned_elsewhere", "learned_mentoring")
    names = [name for name in sample.rows if name.startswith("learned_") and name not in apart]
    kinds = [name for name in names if sample.closed_with(name)]
    fits = zip(kinds, sample.hazard(*kinds, *before, level=level), strict=False)
    by_kind = dict.fromkeys(names) | dict(fits)
    by_kind = {name.removeprefix("learned_"): fit for name, fit in by_kind.items()}
    check = _unrelated(sample, "learned", "learning on", *before)
    earlier = {"any learning": "earlier"} | {name: f"earlier_{name}" for name in by_kind}
    lagged = _earlier(sample, ["any learning"], earlier, before, level)
    lagged |= _earlier(sample, [*by_kind], earlier, before, level)
    return {"any learning": first[0]} | by_kind, (check,), lagged


def _earlier(
    sample: _Sample, rows: list[str], column: dict[str, str], before: list[str], level: float
) -> dict[str, Fit | None]:
    known = [name for name in rows if sample.closed_with(column[name])]
    fits = sample.hazard(*[column[name] for name in known], *before, level=level) if known else ()
    return dict.fromkeys(rows) | dict(zip(known, fits, strict=False))


# --- before any result


def detectable(months: Months, measure: str, *, min_people: int = 10) -> float | None:
    """The smallest hazard ratio that a measure could show, before any result (Schoenfeld 1983).

    From the closed gaps, the share of gap-months with the exposure, and what is held equal explains
    of it; whether the two go together is never computed (METHODS 4). None where nothing can be
    compared, or fewer than `min_people` are on one side. At best: gaps under one manager may be
    more alike.
    """
    sample, exposure = sample_of(months, measure), measures()[measure][1].exposure
    rows = sample.rows
    if sample.reason:
        return None
    about = "side", rows.person_id, hazards.smaller(rows, exposure), max(min_people, 1)
    if not limits.enough(*about, is_floor=True):
        return None
    held = np.column_stack([np.ones(len(rows)), sample.covariates])
    left = unexplained(rows[exposure].to_numpy(float), held).var()
    t = reach(rows[sample.by].nunique())
    return float(np.exp(t / np.sqrt(rows.closed.sum() * left))) if left > 0 else None

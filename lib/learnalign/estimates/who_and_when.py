"""Who and when: the finding again by who saw it, who wrote it down, and when in the window it was.

Nothing that is recorded tells trouble in the same half-year from an effect. But nobody can punish
what they cannot see, a rating that is settled cannot be moved by what comes after, and a system
writes down what went badly too. Each is a narrower fit of the core model.
"""

import pandas as pd

from learnalign.estimates import limits
from learnalign.estimates.columns import unexplained, within
from learnalign.estimates.same_manager import Sample, differs_within
from learnalign.verdicts.result import Fit

BY_SYSTEM = 0.05  # with less of it written down by a system, those it is about report it


def late_or_early(sample: Sample, level: float = 0.95) -> Fit | None:
    """Outcome of who did it only in the last 45 days of the window, less who did only before.

    In the outcome's unit, at equal all that the headline holds; those who did both are a group of
    their own. 0 where it matters that they did, and not when: otherwise the rating may have been
    settled before its date, or a crisis at the end moved both. None where late is not recorded, or
    under three managers or fewer people differ in it. Misleads where ratings were settled before
    most of the window.

    >>> from learnalign.data import reading
    >>> from learnalign.estimates import samples
    >>> from learnalign.linking import windows
    >>> cycles = windows.link(reading.read("data/demo")).person_cycles
    >>> prepared = samples.prepare("acknowledging_to_rating", cycles)
    >>> fit = late_or_early(samples.comparable(prepared))
    >>> fit.low < 0 < fit.high
    True
    """
    if "late" not in sample.rows:
        return None
    rows = sample.rows.dropna(subset=["late"])
    late, early = rows.late > 0, rows.amount > rows.late
    marks = {"_late": late & ~early, "_one": late ^ early, "_both": late & early}
    return _of_mark(sample, rows.assign(**marks), "_late", ["_one", "_both"], level)


def seen_or_not(
    sample: Sample, *, without_written_up: bool = False, level: float = 0.95
) -> Fit | None:
    """Outcome of who acknowledged where the rater could know of it, less who did unseen, at an
    equal number (1, 2, 3 and more) and all that the headline holds.

    In the outcome's unit. Nobody can punish what they cannot see, and trouble moves both alike;
    `without_written_up` leaves out one-to-ones, which managers may write up of those in trouble.
    None where no audience is recorded, or too few differ in it. Misleads where what is seen is said
    in worse trouble than what is not; and a penalty on both alike looks like trouble.

    >>> from learnalign.data import reading
    >>> from learnalign.estimates import samples
    >>> from learnalign.linking import windows
    >>> cycles = windows.link(reading.read("data/demo")).person_cycles
    >>> prepared = samples.prepare("acknowledging_to_rating", cycles)
    >>> fit = seen_or_not(samples.comparable(prepared))
    >>> fit.low < 0 < fit.high
    True
    """
    of = ("not_written_up", "not_written_up_seen") if without_written_up else ("amount", "seen")
    rows = sample.rows.dropna(subset=[*of])
    n, seen = rows[of[0]], rows[of[1]]
    marks = {"_seen": seen > 0, "_any": n > 0, "_two": n == 2, "_three": n >= 3}
    return _of_mark(sample, rows.assign(**marks), "_seen", ["_any", "_two", "_three"], level)


def breaking_point(sample: Sample, fit: Fit, level: float = 0.95) -> tuple[float, Fit | None]:
    """What trouble in the same half-year would take to make a figure, and how people are seen to
    react to it.

    The figure times the first is by how large a share more would have to do it, per SD by which a
    half-year goes worse, for that alone to be all of it: the variance of doing it over the SD of
    what is left of the outcome, within managers and cycles at equal all else. The second is by how
    much more do it in the *next* window per such SD, at equal all that the headline holds and at
    equal doing it in this one; None where too few have a next window.

    Misleads who takes the second for the first: trouble may be seen while it lasts, and hidden
    after.

    >>> from learnalign.data import reading
    >>> from learnalign.estimates import samples
    >>> from learnalign.linking import windows
    >>> cycles = windows.link(reading.read("data/demo")).person_cycles
    >>> sample = samples.comparable(samples.prepare("acknowledging_to_rating", cycles))
    >>> needed, reaction = breaking_point(sample, sample.core())
    >>> 0 < needed < 1, reaction.low > 0
    (True, True)
    """
    rows, cell = sample.rows, sample.rows.rater_cycle.to_numpy()
    held = within(rows[sample.controls()].to_numpy(float), cell)
    y, x = unexplained(within(rows[["outcome", "exposure"]].to_numpy(float), cell), held).T
    luck = y - fit.estimate * x
    spread = float(luck.std())
    later = rows.assign(worse=-luck / spread).dropna(subset=["exposure_next"])
    later = later[differs_within(later, "worse")]
    about = {"outcome": "exposure_next", "exposure": "worse", "also": ["exposure"]}
    reaction = None if sample.too_thin(later) else sample.core(later, **about, level=level)
    return float((x @ x) / len(x)) / spread, reaction


def by_system(sample: Sample, level: float = 0.95) -> tuple[Fit | None, str]:
    """The headline's contrast in what a system wrote down alone, and why there is none: a key of
    the check's words.

    In the outcome's unit; all learning in past windows is held equal as there. Whose half-year goes
    well writes down more of it. Misleads where a system knows of courses that were assigned after
    trouble, and nobody marked them as required.

    >>> from learnalign.data import reading
    >>> from learnalign.estimates import samples
    >>> from learnalign.linking import windows
    >>> cycles = windows.link(reading.read("data/demo")).person_cycles
    >>> sample = samples.comparable(samples.prepare("learning_to_rating", cycles))
    >>> by_system(sample)[0].low > 0
    True
    """
    rows = sample.rows.dropna(subset=["system", "system_amount"])
    if not limits.somebody("recorded", rows.person_id):
        return None, "not recorded"
    over = rows.system_amount - BY_SYSTEM * rows.amount
    if not limits.sums("by system", rows.person_id, over):
        return None, "by themselves"
    rows = rows.assign(exposure=rows.system, exposed=rows.system_amount > 0)
    return _of(sample, rows, [], level), "few"


def _of_mark(
    sample: Sample, rows: pd.DataFrame, mark: str, also: list[str], level: float
) -> Fit | None:
    """The core model on a mark of 0 and 1, others held equal."""
    rows = rows.assign(exposure=rows[mark], exposed=rows[mark])
    return _of(sample, rows.astype(dict.fromkeys(["exposure", *also], float)), also, level)


def _of(sample: Sample, rows: pd.DataFrame, also: list[str], level: float) -> Fit | None:
    """The core model among people whose colleagues differ in the exposure."""
    rows = rows[differs_within(rows, "exposure")]
    if sample.too_thin(rows) or not limits.managers(rows.person_id, rows.rater):
        return None
    return sample.core(rows, also=also, level=level)

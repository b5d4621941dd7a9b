"""Who and when: the finding again by who saw it, who wrote it down, and when in the window it was.

Nothing that is recorded tells trouble in the same half-year from an effect. But nobody can punish
what they cannot see, a rating that is settled cannot be moved by what comes after, and a system
writes down what went badly too. Each is a narrower fit of the core model.
"""

import pandas as pd

from learnalign.estimates.same_manager import Sample, differs_within
from learnalign.verdicts.result import TOO_FEW_CLUSTERS, Fit


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
    return _of(sample, rows.assign(**marks), "_late", ["_one", "_both"], level)


def _of(
    sample: Sample, rows: pd.DataFrame, exposure: str, also: list[str], level: float
) -> Fit | None:
    """The core model on marks, among people whose colleagues differ in the first of them."""
    rows = rows.astype(dict.fromkeys([exposure, *also], float))
    rows = rows[differs_within(rows, exposure)]
    if sample.too_thin(rows) or rows.rater.nunique() <= TOO_FEW_CLUSTERS:
        return None
    return sample.core(rows, exposure=exposure, also=also, level=level)

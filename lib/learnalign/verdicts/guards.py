"""Guards: what stands against "practically none" though one figure for everybody is near nothing.

A little may help and much may harm, or one group gain what another loses: both come to nothing on
average.
"""

from collections.abc import Mapping, Sequence

from scipy import stats

from learnalign.verdicts.feedback import CLAIMS
from learnalign.verdicts.result import Check, Fit, Result, number
from learnalign.verdicts.words import listed

RARE = 0.01  # by chance, over all attributes that were tried


def dose(rows: Sequence[Result]) -> Check:
    """Whether low, middle or high amounts come to something, each against none: one of these rows,
    judged with all that failed for the question itself and corrected for their number, is a claim;
    or it is none for what failed alone, and lies wholly beyond the smallest effect: "practically
    none" must not stand on a doubt.

    >>> dose(()).outcome
    'not possible'
    """
    told = [
        f"{row.at} amounts: {number(row.estimate, row.unit)}"
        for row in rows
        if row.verdict in CLAIMS or (row.verdict == "untrusted" and _is_beyond(row))
    ]
    if told:
        return Check.of("dose", "failed", "apart", told=listed(told))
    seen = ("passed", "alike") if any(row.shown for row in rows) else ("not possible", "few")
    return Check.of("dose", *seen)


def _is_beyond(row: Result) -> bool:
    ends = sorted((abs(row.low), abs(row.high)))
    return row.low * row.high > 0 and ends[0] > row.smallest_effect


def groups(found: Mapping[str, tuple[Fit, int]]) -> Check:
    """Whether groups of some attribute go different ways, which chance alone would make of one in
    100 companies. `found` has a distance in standard errors by attribute, and in how many
    directions; the noise that it carries is in its error.

    >>> groups({}).outcome
    'not possible'
    """
    if not found:
        return Check.of("groups", "not possible", "few")
    differ = [name for name, (fit, n) in found.items() if _chance(fit, n) < RARE / len(found)]
    names = listed([name.replace("_", " ") for name in differ or found])
    seen = ("failed", "apart") if differ else ("passed", "alike")
    return Check.of("groups", *seen, names=names)


def _chance(fit: Fit, directions: int) -> float:
    far = max(fit.estimate, 0.0) / fit.std_error
    return float(stats.f.sf(far**2 / directions, directions, fit.df))

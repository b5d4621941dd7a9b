"""Editions beside each other: what has changed by more than chance, and when the next one could say
more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log, sqrt

from scipy import stats

from learnalign.verdicts.registry import phrases
from learnalign.verdicts.result import Result, number

# Of the new variance: twice what an answer's draw adds to it, where that is at most .57 of the
# standard error before, and more than people's habits, that outlast a cycle, add to the difference
OF_NOISE, FEWEST = 0.5, 400
# The design of the second estimate, which another edition need not tell
OTHER_WAY = "within_person"


@dataclass(frozen=True)
class Change:
    """What became of one headline figure since the edition before, and whether the intervals carry
    it.
    """

    text: str
    is_supported: bool


def _told(key: str, **facts: object) -> str:
    return phrases("page")["change"][key].format(**facts)


def change(
    now: Result, before: Result | None, words: Mapping[str, str], *, apart: bool = False
) -> Change:
    """How a headline differs from the same one in the edition before: a change only where it is
    more than chance at `now.level` (on the log scale for a ratio).

    Editions of a company are cumulative, so the two figures move together and their difference is
    surer than either: its variance is what the new cycles took off the variance (Hausman 1978,
    lemma 2.1), and `OF_NOISE` of it for the two draws that moved the figures. The sum of both
    variances where draws move them more: `apart`, or under `FEWEST` people. Misleads where an
    edition is of other people or years than the one before: then chance alone is told as a change.
    """
    if before is None:
        return Change(_told("new"), False)
    if (now.unit, now.smallest_effect) != (before.unit, before.smallest_effect):
        return Change(_told("other"), False)
    is_turned = now.verdict != before.verdict
    turned = [_told("turned", verdict=words[before.verdict])] if is_turned else []
    if None in (now.estimate, before.estimate, now.std_error, before.std_error):
        return Change(" ".join(turned), False)
    if now.design != before.design and OTHER_WAY in (now.design, before.design):
        return Change(" ".join([*turned, _told("other way")]), False)
    scale = log if now.unit == "hazard ratio" else float
    off, df = scale(now.estimate) - scale(before.estimate), min(now.df or 1, before.df or 1)
    new, old = now.std_error**2, before.std_error**2
    apart = apart or (now.n_people or 0) < FEWEST
    error = sqrt(new + old if apart else max(old - new, 0.0) + OF_NOISE * new)
    if error > 0 and abs(off) > stats.t.ppf(0.5 + now.level / 2, df) * error:
        was, is_now = (number(one.estimate, one.unit) for one in (before, now))
        return Change(" ".join([_told("moved", before=was, now=is_now), *turned]), True)
    return Change(" ".join([*turned, _told("same")]) if turned else "", False)


def summary(changes: Sequence[Change]) -> str:
    """All headlines' changes in a sentence; nothing where nothing can be compared.

    >>> summary([Change("Changed by more than chance, from 1 to 2.", True), Change("", False)])
    '1 of 2 figures changed by more than chance.'
    """
    if not changes:
        return ""
    moved = sum(one.is_supported for one in changes)
    return _told("some" if moved else "none", moved=moved, all=len(changes))


TOO_LONG = 10  # years: nobody waits for that
# cycles from the first day of recording: a window that is recorded whole, and the review after it
FIRST_LOOK = 2


def wait(row: Result, cycles: int, months: float) -> str:
    """How long what settles a question takes at today's pace, of so many cycles, one every so many
    months.

    The precision that is short grows with the square root of the cycles; nothing is said where more
    of the same does not help, and of a drawn order, which ends when all are invited. Misleads where
    the company grows or shrinks, or where what is recorded changes.
    """
    if row.verdict != "unknown" or months <= 0 or row.design == "randomised":
        return ""
    if row.estimate is None:
        if not (row.wanting or _starts(row)):
            return ""  # what is lacking is no record
        return _told("first", cycles=FIRST_LOOK, span=_span(FIRST_LOOK * months))
    seen, wanted = row.detectable_effect, row.smallest_effect
    if seen is None or wanted is None:
        return ""
    times = (log(seen) / log(wanted) if row.unit == "hazard ratio" else seen / wanted) ** 2
    more = ceil(cycles * (times - 1))
    if more < 1:
        return ""
    if more * months > 12 * TOO_LONG:
        return _told("too long", years=TOO_LONG)
    cycles = "cycles" if more > 1 else "cycle"
    return _told("more", more=more, cycles=cycles, span=_span(more * months))


def _starts(row: Result) -> bool:
    """Whether what settles it is to begin to record something."""
    return bool(phrases("sentences")["reasons"].get(row.reason, {}).get("starts"))


def _span(months: float) -> str:
    """A stretch of time as people say it.

    >>> _span(6), _span(30)
    ('6 months', '2.5 years')
    """
    if months < 24:
        return _told("months", n=f"{months:.0f}")
    return _told("years", n=f"{round(months / 6) / 2:g}")

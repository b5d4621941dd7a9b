"""The rule: may a row be shown at all? README tells it on one page, in the same order.

Hidden is a row when any of these holds, for people, never rows of data:
1. too few people, or too few managers, stand behind it;
2. nearly all or nearly none of them are so, or all have the same value;
3. one or two people make up most of a sum or a mean, or one of them could reckon the other;
4. it is the only hidden part of a whole that is shown: then the next smallest is hidden too.
A hidden row keeps its place and says the same whichever it was. Counts are judged as they are and
as they are published (`noise`): on the true count alone, the step over a floor would tell.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import Any, get_origin

import numpy as np
from numpy.typing import ArrayLike

from learnalign.verdicts.result import Result
from learnalign.verdicts.words import said

FLOOR, MIN_MANAGERS = 5, 3
SIDE = 3  # people on either side of a share
SMALL, SIDE_OF_SMALL = 50, 8  # and of a group of fewer people
HALF, MOST, WITHIN = 0.50, 0.75, 0.10  # one person's part, two people's, and p %


@dataclass(frozen=True)
class Rule:
    """From how many people, and managers, on something is shown. `min_group` may be raised, never
    below `FLOOR`: a `ValueError`.

    >>> Rule(10).is_few(9), Rule(10).is_few(12, managers=2), Rule(10).is_few(12, managers=3)
    (True, True, False)
    """

    min_group: int
    managers: int = MIN_MANAGERS

    def __post_init__(self) -> None:
        if self.min_group < FLOOR:
            text = f"it may be raised, but not below {FLOOR}"
            raise ValueError(f"min_group is {self.min_group}: {text}")

    def is_few(self, people: float, managers: float | None = None) -> bool:
        """Whether too few people stand behind something, or managers; None were not counted."""
        return people < self.min_group or (managers is not None and managers < self.managers)


def is_one_sided(people: float, yes: float) -> bool:
    """Whether nearly all of so many people are so, or nearly none.

    >>> is_one_sided(100, 3), is_one_sided(100, 98), is_one_sided(40, 7), is_one_sided(10, 0)
    (False, True, True, True)
    """
    return min(yes, people - yes) < (SIDE_OF_SMALL if people < SMALL else SIDE)


def is_dominated(contributions: ArrayLike) -> bool:
    """Whether one person makes up more than half of a sum, two more than three quarters, or the
    second could reckon the first to within a tenth (p % rule). A value for each person.

    >>> is_dominated([51, 10, 10, 10, 10]), is_dominated([1, 1, 1, 1, 1, 1, 1, 1])
    (True, False)
    """
    sizes = np.sort(np.abs(np.nan_to_num(np.asarray(contributions, float))))[::-1]
    total = sizes.sum()
    if not total > 0 or len(sizes) < 2:
        return bool(total > 0)
    one, two = sizes[:2]
    rest = total - one - two
    return bool(one > HALF * total or one + two > MOST * total or rest < WITHIN * one)


def completed(
    hidden: Collection[str], people: Mapping[str, float], parts: Sequence[Sequence[str]]
) -> set[str]:
    """The hidden ones and, in a whole that has exactly one, the next on fewest people.

    Each of `parts` names what adds up to a whole; a name without `people` could not be made, and
    counts as hidden.

    >>> sorted(completed({"a"}, {"a": 4, "b": 30, "c": 20}, [["a", "b", "c"]]))
    ['a', 'c']
    """
    gone = set(hidden)
    for names in parts:
        dark = {name for name in names if name in gone or name not in people}
        left = sorted(set(names) - dark, key=lambda name: (people[name], name))
        gone |= {left[0]} if len(dark) == 1 and left else set()
    return gone


# --- results

PLACE = {"question", "measure", "headline", "group", "at"}
PLACE |= {"level", "unit", "design", "smallest_effect"}  # known before anybody was looked at


def _nothing(one: Field[Any]) -> Any:
    """What a field of a result holds when it says nothing."""
    if one.default is not MISSING:
        return one.default
    return () if get_origin(one.type) is tuple else "" if one.type is str else None


BLANK = {one.name: _nothing(one) for one in fields(Result) if one.name not in PLACE}
BLANK |= {"shown": False, "verdict": "hidden", "branch": "hidden"}
"""What a hidden row holds, beside its place: a field that is new is blank."""


def hidden(row: Result) -> Result:
    """A row that keeps its place and carries nothing else."""
    return said(replace(row, **BLANK))


def suppress(results: Sequence[Result], min_group: int) -> tuple[Result, ...]:
    """Every row that says of itself that it stands on too few is blank. Twice changes nothing."""
    rule = Rule(min_group)
    return tuple(hidden(row) if _must_hide(row, rule) else row for row in results)


def _must_hide(row: Result, rule: Rule) -> bool:
    few = row.n_people is not None and rule.is_few(row.n_people, row.n_clusters)
    return bool(row.verdict == "hidden" or not row.shown or few)

"""The rule: from how many people and managers on something is shown, asked before anything is
drawn, written or sent.

A row that stands on too few stays as a blank row. What could be had from others by subtraction is
hidden with it, or folded into its neighbours.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import Any, get_origin

import pandas as pd

from learnalign.privacy import flows
from learnalign.verdicts.registry import phrases
from learnalign.verdicts.result import ATTRITION, Comparison, Fit, Result
from learnalign.verdicts.words import said

FLOOR = 5
MIN_MANAGERS = 3
OPEN = (
    "completed activities without recorded hours",
    "completed activities without a recorded cost, or at 0",
)
"""Facts of how a record was kept, of nobody: they may be 0 % and 100 %."""


@dataclass(frozen=True)
class Rule:
    """From how many people, and managers, on something is shown. `min_group` may be raised, never
    below `FLOOR`: a `ValueError`.

    >>> Rule(10).why(9), Rule(10).why(12, managers=2), Rule(10).why(12, managers=3)
    ('few people', 'few managers', '')
    """

    min_group: int
    managers: int = MIN_MANAGERS

    def __post_init__(self) -> None:
        if self.min_group < FLOOR:
            text = f"it may be raised, but not below {FLOOR}"
            raise ValueError(f"min_group is {self.min_group}: {text}")

    def why(self, people: int, managers: int | None = None, smaller: int | None = None) -> str:
        """Why what stands on so many is hidden, as a key of `hidden` in `en/sentences.yml`; empty
        where it may be shown. `smaller`: people in the smaller of two groups, or on the rarer side
        of a share. None was not counted.
        """
        if people < self.min_group:
            return "few people"
        if smaller is not None and smaller < self.min_group:
            return "few in a group"
        if managers is not None and managers < self.managers:
            return "few managers"
        return ""

    def few(self, frame: pd.DataFrame) -> pd.Series:
        """The same of a frame's rows: by `people` and, where there are such columns, `managers` and
        `people_smaller`. A row on nobody tells of nobody.
        """
        least = {"people": self.min_group, "people_smaller": self.min_group}
        least |= {"managers": self.managers}
        short = [frame[name] < number for name, number in least.items() if name in frame]
        return pd.concat(short, axis=1).any(axis=1) & (frame.people > 0)


def too_small(found: Fit | Comparison | None, min_group: int) -> str:
    """Why a fitted contrast must stay hidden, as `Rule.why` says it, or "" when it may be shown; of
    a comparison, its adjusted figure's reason, then its raw one's.

    >>> too_small(None, 10)
    ''
    """
    rule = Rule(min_group)
    if isinstance(found, Comparison):
        return too_small(found.adjusted, min_group) or too_small(found.raw, min_group)
    if found is None:
        return ""
    alike = found.design == "described" and found.n_people_smaller is None
    few = rule.why(found.n_people, found.n_clusters, found.n_people_smaller)
    return few or ("one value" if alike and found.low == found.high else "")


def reasons(
    fits: Mapping[str, Fit], min_group: int, parts: Sequence[Sequence[str]] = ()
) -> dict[str, str]:
    """Privacy's reason for each of several figures that must stay hidden; those that may be shown
    are left out.

    Each of `parts` names figures that add up to a whole, as the values of one attribute do: when
    some of them are hidden, or missing, others are hidden with them, those on fewest people first,
    until to whoever knows the wholes every hidden number of people, and of people on either side of
    a share, is uncertain by `min_group` or more. The wholes count as known: another attribute that
    is shown in full tells them. Misleads where somebody is in two parts.
    """
    found = {name: reason for name, fit in fits.items() if (reason := too_small(fit, min_group))}
    wholes = [[name for name in dict.fromkeys(whole) if name in fits] for whole in parts]
    gone = {name for whole in wholes for name in whole if name in found}
    for whole, names in zip(wholes, parts, strict=True):
        if len(whole) < len(set(names)):  # what could not be made may be had as well
            gone |= _fewest(fits, whole, gone)
    while more := [
        _fewest(fits, each, gone) for each in wholes if _tells(fits, each, gone, min_group)
    ]:
        gone = gone.union(*more)
    return found | {name: "subtraction" for name in fits if name in gone - {*found}}


def _tells(fits: Mapping[str, Fit], whole: Sequence[str], gone: set[str], min_group: int) -> bool:
    """Whether what is hidden of a whole is known too closely, and more of it could be hidden."""
    hidden = [_sides(fits[name]) for name in whole if name in gone]
    few = any(is_told(sizes, min_group) for sizes in zip(*hidden, strict=True))
    return few and len(hidden) < len(whole)


def is_told(sizes: Sequence[float], min_group: int) -> bool:
    """Whether the hidden parts of a whole are known too closely to who knows the whole and the
    others: one alone, or fewer than `min_group` people together.
    """
    return len(sizes) < 2 or sum(sizes) < min_group


def _fewest(fits: Mapping[str, Fit], names: Sequence[str], gone: set[str]) -> set[str]:
    """The figure on fewest people of those that are not `gone`, if there is one."""
    return {*sorted(set(names) - gone, key=lambda name: (fits[name].n_people, name))[:1]}


def _sides(fit: Fit) -> tuple[int, int, int]:
    """The people of a group, and those on either side of its share."""
    few = fit.n_people_smaller
    if fit.design != "described" or few is None:  # of a difference, the group is the smaller side
        people = fit.n_people if few is None else few
        return people, people, people
    yes = few if fit.estimate <= 50 else fit.n_people - few
    return fit.n_people, yes, fit.n_people - yes


def step(scale: float, people: float | None, min_group: int) -> float:
    """The step of 1, 2 or 5 times a power of ten in which the values of `min_group` people can
    hide; 0 for no people.

    >>> step(100, 1420, 10), step(302.87, 1420, 10)
    (1.0, 5.0)
    """
    least = scale * min_group / people if people else 0.0
    if not least > 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * size for size in (1, 2, 5, 10) if power * size >= least * (1 - 1e-9))


# --- frames


def groups(frame: pd.DataFrame, min_group: int, labels: Sequence[str]) -> pd.DataFrame:
    """A frame of groups for showing: all but the `labels` is blank where too few people, or
    managers, stand behind, as `Rule.few` counts them.

    Whether a hidden row could be had from the others by subtraction is not looked at: give no
    totals beside them.
    """
    few = Rule(min_group).few(frame)
    return _blanked(frame, few, [name for name in frame if name not in labels])


def counts(facts: pd.DataFrame, min_group: int) -> pd.DataFrame:
    """Counts of `rows` and `people` for showing: blank where fewer than `min_group` people stand
    behind.

    A number of people that differs from a larger one in the table by 1 to `min_group` - 1 is blank
    too: the difference would be a group of that size.
    """
    few = Rule(min_group).few(facts.rename(columns={"teams": "managers"}))
    shown: list[int] = []
    for index, people in facts.people.dropna().sort_values(ascending=False, kind="stable").items():
        few[index] |= any(0 < larger - people < min_group for larger in shown)
        shown += [] if few[index] else [people]
    told = {"rows", "teams", "people", "share", "first", "last"}
    return _blanked(facts, few, [name for name in facts if name in told])


def _blanked(frame: pd.DataFrame, hidden: pd.Series, names: Sequence[str]) -> pd.DataFrame:
    blank = {name: frame[name].astype(object).mask(hidden, None) for name in names}
    return frame.assign(**blank, shown=~hidden)


def flow(attrition: pd.DataFrame | None, min_group: int) -> pd.DataFrame:
    """Who fell out at each step, with no count that subtracts to a drop of 1 to `min_group` - 1
    people.

    `people` counts the people with a dropped row; the fall in `people_left` counts those with no
    row left. Both are protected. A step that is too small is folded with its neighbours into "other
    reasons", as few as will do. When even all steps together are too small, the drops are blank and
    the first and last counts are rounded down to a multiple of `min_group` and marked `approximate`
    (both: an exact first count beside a rounded last one would give the drop away). Blank is None,
    never 0. It protects one flow at a time; `counts.rounded` looks at all of a
    document.
    """
    Rule(min_group)  # refuses what is below the floor
    tables = () if attrition is None else attrition.groupby("table", sort=False)
    rows = [
        (table, *step)
        for table, steps in tables
        for step in flows.published(str(table), steps, min_group)
    ]
    return pd.DataFrame(rows, columns=[*ATTRITION, "approximate"], dtype=object)


# --- results


def suppress(results: Sequence[Result], min_group: int) -> tuple[Result, ...]:
    """Blank every result that stands on too few people or managers; keep the row and its place.

    A result that was never estimated (no `n_people`) has nothing to hide and passes unchanged.
    Doing it twice changes nothing. It misleads when hidden groups can be worked out from other
    rows that add up to a shown total: that is complementary suppression, not done here.
    """
    rule = Rule(min_group)
    return tuple(
        hidden(row, row.reason if row.branch == "hidden" else "few")
        if _must_hide(row, rule)
        else row
        for row in results
    )


def _must_hide(row: Result, rule: Rule) -> bool:
    few = row.n_people is not None and rule.why(row.n_people, row.n_clusters)
    return bool(row.verdict == "hidden" or not row.shown or few)


PLACE = {"question", "measure", "headline", "group", "at"}
PLACE |= {"level", "unit", "design", "smallest_effect"}  # known before anybody was looked at


def _nothing(one: Field[Any]) -> Any:
    """What a field of a result holds when it says nothing."""
    if one.default is not MISSING:
        return one.default
    return () if get_origin(one.type) is tuple else "" if one.type is str else None


BLANK = {one.name: _nothing(one) for one in fields(Result) if one.name not in PLACE}
BLANK |= {"shown": False, "verdict": "hidden", "branch": "hidden"}
"""What a hidden row holds, beside its place and why it is hidden: a field that is new is blank."""


def hidden(row: Result, reason: str) -> Result:
    """A row that keeps its place, says why it is hidden (a key of `hidden` in `en/sentences.yml`),
    and carries nothing else; always from all that it held.
    """
    why = reason if reason in phrases("sentences")["hidden"] else "few"
    return said(replace(row, **(BLANK | {"reason": why})))

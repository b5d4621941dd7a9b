"""Small groups are hidden here, before anything is drawn, written or sent.

Primary suppression: a row that stands on too few people or managers stays as a blank row, and a
count of dropped people that could be worked out by subtraction is folded into its neighbours.
"""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import Any

import pandas as pd

from learnalign.privacy import bounds
from learnalign.verdicts.result import ATTRITION, Comparison, Fit, Result

FLOOR = 5
MIN_MANAGERS = 3
OPEN = (
    "completed activities without recorded hours",
    "completed activities without a recorded cost, or at 0",
)
"""Facts of how a record was kept, of nobody: they may be 0 % and 100 %."""
FLOW_COLUMNS = (*ATTRITION, "approximate")


def too_small(fit: Fit | None, min_group: int) -> str:
    """Say in plain words why a fitted contrast must stay hidden, or "" when it may be shown.

    >>> too_small(None, 10)
    ''
    """
    _refuse_below_floor(min_group)
    if fit is None:
        return ""
    if fit.n_people < min_group:
        return f"fewer than {min_group} people"
    if fit.n_people_smaller is not None and fit.n_people_smaller < min_group:
        return f"fewer than {min_group} people in one of the compared groups"
    if fit.n_clusters < MIN_MANAGERS:
        return f"fewer than {MIN_MANAGERS} managers"
    if fit.design == "described" and fit.n_people_smaller is None and fit.low == fit.high:
        return "everybody has the same value"
    return ""


def reason_to_hide(comparison: Comparison, min_group: int) -> str:
    """The first reason, if any, why a comparison must stay hidden: its adjusted figure, then its
    raw one.
    """
    return too_small(comparison.adjusted, min_group) or too_small(comparison.raw, min_group)


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
    while more := _told(fits, wholes, gone, min_group):
        gone |= more
    return found | {
        name: "another could be had by subtraction" for name in fits if name in gone - {*found}
    }


def _told(
    fits: Mapping[str, Fit], wholes: Sequence[Sequence[str]], gone: set[str], min_group: int
) -> set[str]:
    """What to hide next, as something hidden is known too closely; nothing where no more can be."""
    people = {name: _sides(fits[name]) for whole in wholes for name in whole}
    ends: dict[Any, bounds.Ends] = {}
    sums = []
    for side in range(3):
        ends |= {
            (side, name): (0, math.inf) if name in gone else (counts[side], counts[side])
            for name, counts in people.items()
        }
        for place, whole in enumerate(wholes):
            all_ = sum(people[name][side] for name in whole)
            ends[side, place] = (all_, all_)
            sums.append({(side, place): 1.0} | {(side, name): -1.0 for name in whole})
    wanted = [(side, name) for side, name in ends if name in gone]
    known = {name for _, name in bounds.narrow(ends, sums, wanted, min_group)}
    return set().union(*(_fewest(fits, whole, gone) for whole in wholes if known & {*whole}))


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


def groups(frame: pd.DataFrame, min_group: int, labels: Sequence[str]) -> pd.DataFrame:
    """A frame of groups for showing: all but the `labels` is blank where too few people, or
    managers, stand behind.

    Counted in the columns `people` and, where there are such, `people_smaller` (on the rarer side
    of a share) and `managers`; a row without people stays as it is. Whether a hidden row could be
    had from the others by subtraction is not looked at: give no totals beside them.
    """
    _refuse_below_floor(min_group)
    few = (frame.people > 0) & (frame.people < min_group)
    if "people_smaller" in frame:
        few |= (frame.people > 0) & (frame.people_smaller < min_group)
    if "managers" in frame:
        few |= (frame.people > 0) & (frame.managers < MIN_MANAGERS)
    hide = [name for name in frame if name not in labels]
    return frame.assign(
        **{name: frame[name].astype(object).mask(few, None) for name in hide}, shown=~few
    )


def suppress(results: Sequence[Result], min_group: int) -> tuple[Result, ...]:
    """Blank every result that stands on too few people or managers; keep the row and its place.

    A result that was never estimated (no `n_people`) has nothing to hide and passes unchanged.
    Doing it twice changes nothing. It misleads when hidden groups can be worked out from other
    rows that add up to a shown total: that is complementary suppression, not done here.
    """
    _refuse_below_floor(min_group)
    return tuple(_blank(row, min_group) if _must_hide(row, min_group) else row for row in results)


def flow(attrition: pd.DataFrame | None, min_group: int) -> pd.DataFrame:
    """Who fell out at each step, with no count that subtracts to a drop of 1 to `min_group` - 1
    people.

    `people` counts the people with a dropped row; the fall in `people_left` counts those with no
    row left. Both are protected. A step that is too small is folded with its neighbours into "other
    reasons", as few as will do. When even all steps together are too small, the drops are blank and
    the first and last counts are rounded down to a multiple of `min_group` and marked `approximate`
    (both: an exact first count beside a rounded last one would give the drop away). Blank is None,
    never 0. It protects one flow at a time; `pooled` looks at all that is published together.
    """
    _refuse_below_floor(min_group)
    rows: list[tuple] = []
    for table, steps in () if attrition is None else attrition.groupby("table", sort=False):
        first, *rest = (_Step.of(row) for row in steps.itertuples(index=False))
        _require_consistent(str(table), first, rest)
        rows += [(table, *published) for published in _published(first, rest, min_group)]
    return pd.DataFrame(rows, columns=list(FLOW_COLUMNS), dtype=object)


def counts(facts: pd.DataFrame, min_group: int) -> pd.DataFrame:
    """Counts of `rows` and `people` for showing: blank where fewer than `min_group` people stand
    behind.

    A number of people that differs from a larger one in the table by 1 to `min_group` - 1 is blank
    too: the difference would be a group of that size.
    """
    _refuse_below_floor(min_group)
    shown: list[int] = []
    hidden: dict[object, bool] = {}
    for index, people in facts.people.dropna().sort_values(ascending=False, kind="stable").items():
        nearly = any(0 < larger - people < min_group for larger in shown)
        few = "teams" in facts and 0 < facts.teams[index] < MIN_MANAGERS
        hidden[index] = nearly or few or 0 < people < min_group
        shown += [] if hidden[index] else [people]
    is_hidden = pd.Series(hidden, dtype=bool).reindex(facts.index, fill_value=False)
    names = [
        name for name in ("rows", "teams", "people", "share", "first", "last") if name in facts
    ]
    return facts.assign(
        **{name: facts[name].astype(object).mask(is_hidden, None) for name in names},
        shown=~is_hidden,
    )


COUNTS = {
    "people": ("people", "n_people", "people_left"),
    "rows": ("rows", "rows_left", "gaps", "stopped"),
}  # what stands in a document under which names


def pool(document: Mapping[str, Any]) -> dict[str, list[int]]:
    """Every number of people, and of rows, that a document to publish holds by itself: what
    subtraction starts from.

    What fell out at a step is left out: it is a difference already. Pictures, but for the journey,
    hold rounded counts.
    """
    steps = [step for flow in document["flows"] for step in flow["steps"]]
    journeys = [
        row for one in document["pictures"] if one["kind"] == "journey" for row in one["rows"]
    ]
    tables, results = document["data"]["tables"], document["results"]
    people = [
        (tables, "people"),
        (results, "n_people"),
        (steps, "people_left"),
        (journeys, "people"),
    ]
    rows = [(tables, "rows"), (steps, "rows_left"), (journeys, "gaps")]
    return {
        kind: sorted({row[name] for some, name in places for row in some if row[name]})
        for kind, places in (("people", people), ("rows", rows))
    }


def too_close(
    counts: Sequence[int], earlier: Sequence[int], min_group: int
) -> list[tuple[int, int]]:
    """Pairs of counts, the second one perhaps of `earlier` editions, that differ by 1 to
    `min_group` - 1.

    >>> too_close([20, 40], [21, 60, 61], 10)
    [(20, 21)]
    """
    counts = sorted(set(counts))
    near = [(less, more) for less, more in pairwise(counts) if more - less < min_group]
    old = sorted(set(earlier))
    for one in counts:
        there = old[bisect_right(old, one - min_group) : bisect_left(old, one + min_group)]
        near += [(one, other) for other in there if other != one]
    return near


def pooled(
    document: Mapping[str, Any],
    min_group: int,
    earlier: Mapping[str, Sequence[int]] | None = None,
    base: int = 0,
    always: bool = False,
) -> dict[str, Any]:
    """A document to publish in which no two counts tell a group of 1 to `min_group` - 1 by their
    difference.

    Every number of people, and of rows, that is left somewhere in the document goes into one `pool`
    with those that `earlier` editions told exactly. When two of them are that close, or `always`,
    all counts are rounded down to a multiple of `min_group`, or of `base`, a multiple of it
    (`run.rounded_to` says so). Coarse and safe: what must be exact, and can be, is for
    complementary suppression to find out.
    """
    base = base or min_group
    close = always or any(
        too_close(counts, (earlier or {}).get(kind, ()), min_group)
        for kind, counts in pool(document).items()
    )

    def down(row: Mapping[str, Any]) -> dict[str, Any]:
        if not close:
            return dict(row)
        names = [name for some in COUNTS.values() for name in some if row.get(name)]
        ways = (
            {"ways": [[count // base * base, way] for count, way in row["ways"]]}
            if "ways" in row
            else {}
        )
        return {**row, **{name: row[name] // base * base for name in names}, **ways}

    flows = [{**flow, "steps": [*map(down, flow["steps"])]} for flow in document["flows"]]
    pictures = [
        {**one, "rows": [*map(down, one["rows"])]} if one["kind"] == "journey" else one
        for one in document["pictures"]
    ]
    return {
        **document,
        "flows": flows,
        "results": [*map(down, document["results"])],
        "pictures": pictures,
        "data": {**document["data"], "tables": [*map(down, document["data"]["tables"])]},
        "run": {**document["run"], "rounded_to": base if close else None},
    }


@dataclass(frozen=True)
class _Step:
    """A step, or neighbouring steps folded together; the people touched are then known within
    bounds.
    """

    step: str
    reason: str
    rows: int
    fewest: int  # people with a dropped row: at least
    most: int  # and at most
    rows_left: int
    people_left: int
    lost: int = 0  # people with no row left after this step, who had one before

    @classmethod
    def of(cls, row: tuple) -> "_Step":
        people = int(row.people)
        return cls(
            row.step,
            row.reason,
            int(row.rows),
            people,
            people,
            int(row.rows_left),
            int(row.people_left),
        )


def _published(first: _Step, rest: list[_Step], min_group: int) -> list[tuple]:
    small = range(1, min_group)
    if first.people_left in small:
        return [(step.step, step.reason, None, None, None, None, False) for step in [first, *rest]]
    before = first.people_left
    steps = []
    for step in rest:
        steps.append(replace(step, lost=before - step.people_left))
        before = step.people_left
    folded = _finest_safe_fold(steps, small)
    if folded is None:
        return _rounded(first, reduce(_join, steps), min_group)
    start = (
        first.step,
        first.reason,
        first.rows,
        first.fewest,
        first.rows_left,
        first.people_left,
        False,
    )
    return [start, *(_exact(step, small) for step in folded)]


def _finest_safe_fold(steps: list[_Step], small: range) -> tuple[_Step, ...] | None:
    """Cut the steps into the largest number of safe runs of neighbours; None when there is no such
    cut.
    """
    best: list[tuple[_Step, ...] | None] = [()]
    for end in range(1, len(steps) + 1):
        options = []
        for start in range(end):
            joined = reduce(_join, steps[start:end])
            if best[start] is not None and _is_safe(joined, small):
                options.append((*best[start], joined))
        best.append(max(options, key=len, default=None))
    return best[-1]


def _is_safe(step: _Step, small: range) -> bool:
    if step.rows == 0:
        return True
    return step.fewest >= small.stop and step.lost not in small and step.people_left not in small


def _join(one: _Step, two: _Step) -> _Step:
    """Fold two neighbours. The same person may lose a row in both, so people do not simply add up."""
    reasons = f"{one.reason.removeprefix('other reasons: ')}; {two.reason}"
    return _Step(
        step="other",
        reason=f"other reasons: {reasons}",
        rows=one.rows + two.rows,
        fewest=max(
            one.fewest, one.lost + two.fewest
        ),  # whoever is lost in one is not there for two
        most=min(one.most + two.most, one.rows + two.rows),
        rows_left=two.rows_left,
        people_left=two.people_left,
        lost=one.lost + two.lost,
    )


def _exact(step: _Step, small: range) -> tuple:
    """Publish a safe step; the people touched only when those who stay cannot be counted as too
    few.
    """
    before = step.people_left + step.lost
    is_known = step.fewest == step.most
    is_safe = step.most - step.lost not in small and before - step.most not in small
    people = step.most if is_known and is_safe else None
    return step.step, step.reason, step.rows, people, step.rows_left, step.people_left, False


def _rounded(first: _Step, rest: _Step, min_group: int) -> list[tuple]:
    def down(count: int) -> int:
        return count // min_group * min_group

    end = (
        (None, None)
        if rest.people_left < min_group
        else (down(rest.rows_left), down(rest.people_left))
    )
    start = (first.step, first.reason, 0, 0, down(first.rows_left), down(first.people_left), True)
    return [start, ("other", rest.reason, None, None, *end, True)]


def _require_consistent(table: str, first: _Step, rest: list[_Step]) -> None:
    if first.step != "read":
        raise ValueError(
            f"attrition of {table!r} starts with step {first.step!r}; the first step must be 'read'"
        )
    before = first
    for step in rest:
        lost = before.people_left - step.people_left
        if (
            step.rows != before.rows_left - step.rows_left
            or not 0 <= lost <= step.fewest <= step.rows
        ):
            raise ValueError(
                f"attrition of {table!r}, step {step.step!r}: {before.rows_left} rows of "
                f"{before.people_left}"
                f" people less {step.rows} rows of {step.fewest} people are not "
                f"{step.rows_left} rows of"
                f" {step.people_left} people"
            )
        before = step


def _must_hide(row: Result, min_group: int) -> bool:
    few_people = row.n_people is not None and row.n_people < min_group
    few_managers = (
        row.n_people is not None and row.n_clusters is not None and row.n_clusters < MIN_MANAGERS
    )
    return row.verdict == "hidden" or not row.shown or few_people or few_managers


def _blank(row: Result, min_group: int) -> Result:
    if row.verdict == "hidden" and set(re.findall(r"\d+", row.sentence)) <= {
        str(min_group),
        str(MIN_MANAGERS),
    }:
        return hidden(row, row.sentence)  # it names the thresholds and no other number
    return hidden(
        row,
        HIDDEN.format(
            f"fewer than {min_group} people, or fewer than {MIN_MANAGERS} managers, stand behind it"
        ),
    )


HIDDEN = "Not shown, to protect individuals: {}."


def hidden(row: Result, sentence: str) -> Result:
    """A row that keeps its place, says why it is hidden, and carries nothing else; always from all
    that it held.
    """
    return replace(
        row,
        estimate=None,
        low=None,
        high=None,
        n_people=None,
        std_error=None,
        df=None,
        n_clusters=None,
        method="",
        detectable_effect=None,
        checks=(),
        to_settle="",
        shown=False,
        verdict="hidden",
        sentence=sentence,
        note="",
    )


def _refuse_below_floor(min_group: int) -> None:
    if min_group < FLOOR:
        raise ValueError(f"min_group is {min_group}: it may be raised, but not below {FLOOR}")

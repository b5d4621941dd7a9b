"""Small groups are hidden here, before anything is drawn, written or sent.

Primary suppression: a row that stands on too few people or managers stays as a blank row, and a
count of dropped people that could be worked out by subtraction is folded into its neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import Any

import pandas as pd

from learnalign.records import ATTRITION, Comparison, Fit, Result

FLOOR = 5
MIN_MANAGERS = 3
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
    return ""


def reason_to_hide(comparison: Comparison, min_group: int) -> str:
    """The first reason, if any, why a comparison must stay hidden: its adjusted figure, then its raw one."""
    return too_small(comparison.adjusted, min_group) or too_small(comparison.raw, min_group)


def reasons(fits: Mapping[str, Fit], min_group: int, parts: Sequence[Sequence[str]] = ()) -> dict[str, str]:
    """Privacy's reason for each of several figures that must stay hidden; those that may be shown are left out.

    Each of `parts` names figures that add up to a whole: when some of them are hidden, or missing, so are the next
    smallest, until what could be had by subtraction is a group that is large enough on both sides.
    """
    found = {name: reason for name, fit in fits.items() if (reason := too_small(fit, min_group))}
    for whole in parts:
        shown = sorted((n for n in whole if n in fits and n not in found), key=lambda n: fits[n].n_people)
        gone = [fits[name] for name in whole if name in found]
        while shown and len(shown) < len(whole) and _is_small(gone, min_group):
            name = shown.pop(0)
            found[name] = "another could be had by subtraction"
            gone.append(fits[name])
    return found


def _is_small(gone: Sequence[Fit], min_group: int) -> bool:
    people = sum(fit.n_people for fit in gone), sum(fit.n_people_smaller or 0 for fit in gone)
    return len(gone) < 2 or min(people) < min_group


def groups(frame: pd.DataFrame, min_group: int, labels: Sequence[str]) -> pd.DataFrame:
    """A frame of groups for showing: all but the `labels` is blank where too few people, or managers, stand behind.

    Counted in the columns `people` and, where there are such, `people_smaller` (on the rarer side of a share) and
    `managers`; a row without people stays as it is. Whether a hidden row could be had from the others by subtraction
    is not looked at: give no totals beside them.
    """
    _refuse_below_floor(min_group)
    few = (frame.people > 0) & (frame.people < min_group)
    if "people_smaller" in frame:
        few |= (frame.people > 0) & (frame.people_smaller < min_group)
    if "managers" in frame:
        few |= (frame.people > 0) & (frame.managers < MIN_MANAGERS)
    hide = [name for name in frame if name not in labels]
    return frame.assign(**{name: frame[name].astype(object).mask(few, None) for name in hide}, shown=~few)


def suppress(results: Sequence[Result], min_group: int) -> tuple[Result, ...]:
    """Blank every result that stands on too few people or managers; keep the row and its place.

    A result that was never estimated (no `n_people`) has nothing to hide and passes unchanged.
    Doing it twice changes nothing. It misleads when hidden groups can be worked out from other
    rows that add up to a shown total: that is complementary suppression, not done here.
    """
    _refuse_below_floor(min_group)
    return tuple(_blank(row, min_group) if _must_hide(row, min_group) else row for row in results)


def flow(attrition: pd.DataFrame | None, min_group: int) -> pd.DataFrame:
    """Who fell out at each step, with no count that subtracts to a drop of 1 to `min_group` - 1 people.

    `people` counts the people with a dropped row; the fall in `people_left` counts those with no
    row left. Both are protected. A step that is too small is folded with its neighbours into "other
    reasons", as few as will do. When even all steps together are too small, the drops are blank and the
    first and last counts are rounded down to a multiple of `min_group` and marked `approximate`
    (both: an exact first count beside a rounded last one would give the drop away).
    Blank is None, never 0. It protects one flow at a time; `pooled` looks at all that is published together.
    """
    _refuse_below_floor(min_group)
    rows: list[tuple] = []
    for table, steps in () if attrition is None else attrition.groupby("table", sort=False):
        first, *rest = (_Step.of(row) for row in steps.itertuples(index=False))
        _require_consistent(str(table), first, rest)
        rows += [(table, *published) for published in _published(first, rest, min_group)]
    return pd.DataFrame(rows, columns=list(FLOW_COLUMNS), dtype=object)


def counts(facts: pd.DataFrame, min_group: int) -> pd.DataFrame:
    """Counts of `rows` and `people` for showing: blank where fewer than `min_group` people stand behind.

    A number of people that differs from a larger one in the table by 1 to `min_group` - 1 is blank too: the
    difference would be a group of that size.
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
    names = [name for name in ("rows", "teams", "people", "share", "first", "last") if name in facts]
    return facts.assign(**{name: facts[name].astype(object).mask(is_hidden, None) for name in names}, shown=~is_hidden)


def pooled(document: Mapping[str, Any], min_group: int) -> dict[str, Any]:
    """A document to publish in which no two counts tell a group of 1 to `min_group` - 1 by their difference.

    Every number of people, and of rows, that is left somewhere in the document goes into one pool. When two
    of them are that close, all counts are rounded down to a multiple of `min_group` (`run.rounded_to` says so).
    Coarse and safe: what must be exact, and can be, is for complementary suppression to find out.
    """
    steps = [step for flow in document["flows"] for step in flow["steps"]]
    tables, results = document["data"]["tables"], document["results"]
    pools = (
        [row["people"] for row in tables] + [row["n_people"] for row in results] + [s["people_left"] for s in steps],
        [row["rows"] for row in tables] + [step["rows_left"] for step in steps],
    )
    close = any(_too_close(pool, min_group) for pool in pools)

    def down(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
        if not close:
            return dict(row)
        return {**row, **{n: row[n] and row[n] // min_group * min_group for n in names}}

    counts = ("rows", "people", "rows_left", "people_left")
    flows = [{**flow, "steps": [down(step, *counts) for step in flow["steps"]]} for flow in document["flows"]]
    return {
        **document, "flows": flows, "results": [down(row, "n_people") for row in results],
        "data": {**document["data"], "tables": [down(row, "rows", "people") for row in tables]},
        "run": {**document["run"], "rounded_to": min_group if close else None},
    }  # fmt: skip


def _too_close(pool: Sequence[int | None], min_group: int) -> bool:
    counts = sorted({count for count in pool if count})
    return any(0 < more - less < min_group for less, more in pairwise(counts))


@dataclass(frozen=True)
class _Step:
    """A step, or neighbouring steps folded together; the people touched are then known within bounds."""

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
        return cls(row.step, row.reason, int(row.rows), people, people, int(row.rows_left), int(row.people_left))


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
    start = (first.step, first.reason, first.rows, first.fewest, first.rows_left, first.people_left, False)
    return [start, *(_exact(step, small) for step in folded)]


def _finest_safe_fold(steps: list[_Step], small: range) -> tuple[_Step, ...] | None:
    """Cut the steps into the largest number of safe runs of neighbours; None when there is no such cut."""
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
        fewest=max(one.fewest, one.lost + two.fewest),  # whoever is lost in one is not there for two
        most=min(one.most + two.most, one.rows + two.rows),
        rows_left=two.rows_left,
        people_left=two.people_left,
        lost=one.lost + two.lost,
    )


def _exact(step: _Step, small: range) -> tuple:
    """Publish a safe step; the people touched only when those who stay cannot be counted as too few."""
    before = step.people_left + step.lost
    is_known = step.fewest == step.most
    is_safe = step.most - step.lost not in small and before - step.most not in small
    people = step.most if is_known and is_safe else None
    return step.step, step.reason, step.rows, people, step.rows_left, step.people_left, False


def _rounded(first: _Step, rest: _Step, min_group: int) -> list[tuple]:
    def down(count: int) -> int:
        return count // min_group * min_group

    end = (None, None) if rest.people_left < min_group else (down(rest.rows_left), down(rest.people_left))
    start = (first.step, first.reason, 0, 0, down(first.rows_left), down(first.people_left), True)
    return [start, ("other", rest.reason, None, None, *end, True)]


def _require_consistent(table: str, first: _Step, rest: list[_Step]) -> None:
    if first.step != "read":
        raise ValueError(f"attrition of {table!r} starts with step {first.step!r}; the first step must be 'read'")
    before = first
    for step in rest:
        lost = before.people_left - step.people_left
        if step.rows != before.rows_left - step.rows_left or not 0 <= lost <= step.fewest <= step.rows:
            raise ValueError(
                f"attrition of {table!r}, step {step.step!r}: {before.rows_left} rows of {before.people_left}"
                f" people less {step.rows} rows of {step.fewest} people are not {step.rows_left} rows of"
                f" {step.people_left} people"
            )
        before = step


def _must_hide(row: Result, min_group: int) -> bool:
    few_people = row.n_people is not None and row.n_people < min_group
    few_managers = row.n_people is not None and row.n_clusters is not None and row.n_clusters < MIN_MANAGERS
    return row.verdict == "hidden" or few_people or few_managers


def _blank(row: Result, min_group: int) -> Result:
    sentence = (
        f"Not shown, to protect individuals: fewer than {min_group} people, or fewer than {MIN_MANAGERS}"
        " managers, stand behind it."
    )
    return replace(
        row,
        estimate=None,
        low=None,
        high=None,
        n_people=None,
        std_error=None,
        df=None,
        n_clusters=None,
        detectable_effect=None,
        checks=(),
        to_settle="",
        shown=False,
        verdict="hidden",
        sentence=row.sentence if row.verdict == "hidden" else sentence,
        note="",
    )


def _refuse_below_floor(min_group: int) -> None:
    if min_group < FLOOR:
        raise ValueError(f"min_group is {min_group}: it may be raised, but not below {FLOOR}")

"""Who fell out at each step, folded so that no count subtracts to a drop of few people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import pandas as pd

Row = tuple[str, str, int | None, int | None, int | None, int | None, bool]
"""Step, reason, rows, people, rows left, people left, and whether they are approximate."""


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

    def told(self, people: int | None) -> Row:
        """The step as it is published, with how many people it touched."""
        return self.step, self.reason, self.rows, people, self.rows_left, self.people_left, False


def published(table: str, attrition: pd.DataFrame, min_group: int) -> list[Row]:
    """The steps of one table as they may be told, as `rule.flow` says; a `ValueError` where they do
    not add up.
    """
    first, *steps = _steps(table, attrition)
    small = range(1, min_group)
    if first.people_left in small:
        blank = (None, None, None, None, False)
        return [(step.step, step.reason, *blank) for step in (first, *steps)]
    folded = _finest_safe_fold(steps, small)
    if folded is None:
        return _rounded(first, reduce(_join, steps), min_group)
    return [first.told(first.fewest), *(_exact(step, small) for step in folded)]


def _steps(table: str, attrition: pd.DataFrame) -> Iterator[_Step]:
    before: _Step | None = None
    for row in attrition.itertuples(index=False):
        rows, people, rows_left, people_left = map(
            int, (row.rows, row.people, row.rows_left, row.people_left)
        )
        lost = before.people_left - people_left if before else 0
        place = f"attrition of {table!r}"
        if before is None and row.step != "read":
            text = f"starts with step {row.step!r}; the first step must be 'read'"
            raise ValueError(f"{place} {text}")
        if before and (rows != before.rows_left - rows_left or not 0 <= lost <= people <= rows):
            raise ValueError(
                f"{place}, step {row.step!r}: {before.rows_left} rows of {before.people_left} "
                f"people less {rows} rows of {people} people are not {rows_left} rows of "
                f"{people_left} people"
            )
        before = _Step(row.step, row.reason, rows, people, people, rows_left, people_left, lost)
        yield before


def _finest_safe_fold(steps: Sequence[_Step], small: range) -> tuple[_Step, ...] | None:
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
    told = (step.lost, step.people_left)
    return not step.rows or (step.fewest >= small.stop and not any(one in small for one in told))


def _join(one: _Step, two: _Step) -> _Step:
    """Fold two neighbours. The same person may lose a row in both, so people do not add up."""
    return replace(
        two,
        step="other",
        reason=f"other reasons: {one.reason.removeprefix('other reasons: ')}; {two.reason}",
        rows=one.rows + two.rows,
        fewest=max(one.fewest, one.lost + two.fewest),  # who is lost in one is not there for two
        most=min(one.most + two.most, one.rows + two.rows),
        lost=one.lost + two.lost,
    )


def _exact(step: _Step, small: range) -> Row:
    """Publish a safe step; the people touched only when those who stay cannot be counted as too
    few.
    """
    untouched = step.people_left + step.lost - step.most
    is_safe = step.most - step.lost not in small and untouched not in small
    return step.told(step.most if step.fewest == step.most and is_safe else None)


def _rounded(first: _Step, rest: _Step, min_group: int) -> list[Row]:
    ends = [
        [count // min_group * min_group for count in (step.rows_left, step.people_left)]
        for step in (first, rest)
    ]
    last = ends[1] if rest.people_left >= min_group else (None, None)
    return [
        (first.step, first.reason, 0, 0, *ends[0], True),
        ("other", rest.reason, None, None, *last, True),
    ]

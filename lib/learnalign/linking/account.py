"""Flows: the account of every row that falls out of a table on its way, and the reasons that all
tables share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import pandas as pd
from ibis.expr.types import BooleanValue, Column, Table

from learnalign.data.contract import DATE_OF, DONE
from learnalign.data.kept import frames, marked
from learnalign.data.reading import DataSet
from learnalign.verdicts.result import ATTRITION

OWN_LEARNING_DAYS = (
    30  # so soon after an acknowledgement, own learning on its skill makes it autonomous
)


def prepared(dataset: DataSet, *names: str, **asked: Any) -> list[pd.DataFrame] | None:
    """Frames that a run made once of this very data set, up to this day; None where it did not.

    `asked` is what else they depend on, as the embargo: what was made for another is never taken.
    """
    said = marked(dataset.folder) or {}
    asked |= {"as_of": str(dataset.as_of), "fingerprints": dataset.fingerprints}
    if any(said.get(key) != value for key, value in asked.items()):
        return None
    return frames(dataset.folder, names, said["types"])


@dataclass(frozen=True)
class Step:
    """A reason to leave rows out, in the order in which reasons are tried."""

    key: str
    reason: str
    drops: BooleanValue


def days_before(day: Column, days: int) -> Column:
    """The day so many days earlier."""
    return (day - ibis.interval(days=days)).cast("date")


def after_as_of(name: str, rows: Table, dataset: DataSet) -> Step:
    """What is dated after the edition's end does not count in it."""
    late = rows[DATE_OF[name]] > dataset.as_of
    return Step("after_as_of", f"after {dataset.as_of}, where this edition ends", late)


def unfit_steps(name: str, events: Table, dataset: DataSet) -> list[Step]:
    """Reasons for which an event counts for nobody, whenever it was."""
    steps = [after_as_of(name, events, dataset)]
    if name == "learning":
        not_done = events.status.notnull() & (events.status != DONE)
        steps.append(
            Step("not_completed", "not completed (waitlisted, withdrawn, no-show, open)", not_done)
        )
    return steps


def learning_done(dataset: DataSet) -> Table:
    """Learning that was done: nobody waited for it, missed it, or is still at it."""
    learning = dataset.tables["learning"]
    return learning.filter(learning.status == DONE)


def asking(asked: Table, learned: Table, keys: Sequence[str]) -> Table:
    """Days on which something was acknowledged (`_asked` times) or learned, and what came after the
    acknowledging.

    `_soon`, autonomous: own completed voluntary learning on that day or in the 30 days after.
    `_alone`, dependent: acknowledged again on a later day, and no such learning from the first day
    to the second. What came first within a day nobody knows: learning on either day counts. One may
    be both, or neither. Both tables have the `keys` within which events belong together (person,
    skill, and a window or a gap) and the day `_on`.
    """
    asked, learned = asked.mutate(_asked=1, _learned=0), learned.mutate(_asked=0, _learned=1)
    both = asked.union(learned)
    days = both.group_by(*keys, "_on").aggregate(
        _asked=both._asked.sum(), _learned=both._learned.sum()
    )
    from_here, later = (
        ibis.window(group_by=keys, order_by="_on", rows=(start, None)) for start in (0, 1)
    )
    answered = ibis.ifelse(days._learned > 0, days._on, ibis.null("date")).min().over(from_here)
    again = ibis.ifelse(days._asked > 0, days._on, ibis.null("date")).min().over(later)
    days = days.mutate(_answered=answered, _again=again)
    return days.mutate(
        _soon=days._answered <= (days._on + ibis.interval(days=OWN_LEARNING_DAYS)).cast("date"),
        _alone=days._again.notnull() & (days._answered.isnull() | (days._answered > days._again)),
    )


def flow(name: str, table: Table, steps: Sequence[Step]) -> pd.DataFrame:
    """Rows and people dropped at each step and left after it; a row is dropped for its first reason
    only.
    """
    number = ibis.cases(*[(step.drops, i) for i, step in enumerate(steps)], else_=len(steps))
    sorted_out = table.mutate(_step=number.fill_null(len(steps)))
    at, who = sorted_out._step, sorted_out.person_id
    counts = {}
    for i in range(len(steps) + 1):
        for kind, those in (("gone", at == i - 1), ("left", at >= i)):
            counts |= {
                f"{kind}_{i}": sorted_out.count(where=those),
                f"{kind}_people_{i}": who.nunique(where=those),
            }
    counted = sorted_out.aggregate(**counts).execute().iloc[0]
    rows = []
    for i, step in enumerate((None, *steps)):
        key, reason = (step.key, step.reason) if step else ("read", "read")
        found = [
            int(counted[f"{kind}_{i}"]) for kind in ("gone", "gone_people", "left", "left_people")
        ]
        rows.append((name, key, reason, *found))
    return pd.DataFrame(rows, columns=list(ATTRITION))

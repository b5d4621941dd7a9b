"""Accounts: every row that falls out of a table on its way, and what all of linking shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import pandas as pd
from ibis.expr.types import BooleanValue, Column, Table
from pyarrow import schema, timestamp, types

from learnalign.data.contract import DATE_OF, DONE
from learnalign.data.kept import frames, marked
from learnalign.data.reading import DataSet
from learnalign.verdicts.result import ATTRITION

OWN_LEARNING_DAYS = 30  # own learning on the skill so soon after makes asking autonomous
MANY = 1_000_000  # rows whose columns stay apart; fewer are faster side by side
SAID_BEFORE_DAYS = 90  # saying so long before a gap was found is an acknowledgement of that gap


def prepared(dataset: DataSet, *names: str, **asked: Any) -> list[pd.DataFrame] | None:
    """Frames that a run made once of this very data set, up to this day; None where it did not.

    `asked` is what else they depend on, as the embargo: what was made for another is never taken.
    """
    said = marked(dataset.folder)
    asked |= {"as_of": str(dataset.as_of)}
    if said is None or any(said.get(key) != value for key, value in asked.items()):
        return None
    if said["fingerprints"] != dict(dataset.fingerprints):  # last: they may have to be taken
        return None
    return frames(dataset.folder, names, said["types"])


# --- the account


@dataclass(frozen=True)
class Step:
    """A reason to leave rows out, in the order in which reasons are tried."""

    key: str
    reason: str
    drops: BooleanValue


def after_as_of(name: str, rows: Table, dataset: DataSet) -> Step:
    """What is dated after the edition's end does not count in it."""
    late = rows[DATE_OF[name]] > dataset.as_of
    return Step("after_as_of", f"after {dataset.as_of}, where this edition ends", late)


def flow(name: str, table: Table, steps: Sequence[Step]) -> pd.DataFrame:
    """Rows and people dropped at each step, for their first reason, and left after it."""
    number = ibis.cases(*[(step.drops, i) for i, step in enumerate(steps)], else_=len(steps))
    numbered = table.mutate(_step=number.fill_null(len(steps)))
    each = {str(i): numbered.count(where=numbered._step == i) for i in range(len(steps) + 1)}
    own = fetched(numbered.group_by("person_id").aggregate(**each).order_by("person_id"))
    own = own.set_index("person_id")
    gone = [(s.key, s.reason, own.loc[own[str(i)] > 0, str(i)]) for i, s in enumerate(steps)]
    return accounted(name, "read", own.sum(axis=1), gone)


def accounted(
    name: str, things: str, read: pd.Series, gone: Sequence[tuple[str, str, pd.Series]]
) -> pd.DataFrame:
    """The ATTRITION of a table: the rows `read` by person, and those gone at each step (key,
    reason).
    """
    left = read
    rows = [(name, "read", things, 0, 0, left.sum(), len(left), [*left.index], [*left])]
    for key, reason, those in gone:
        left = left.sub(those, fill_value=0).astype(int)
        left = left[left > 0]
        counts = those.sum(), len(those), left.sum(), len(left)
        rows.append((name, key, reason, *counts, [*those.index], [*those]))
    return pd.DataFrame(rows, columns=list(ATTRITION))


# --- what all of linking shares


def fetched(rows: Table) -> pd.DataFrame:
    """Rows as a frame, by columns; days as datetime64[s], whole numbers with gaps as float64."""
    found = rows.to_pyarrow()
    plain = [
        field.with_type(timestamp("s")) if types.is_date(field.type) else field
        for field in found.schema
    ]
    found = found.cast(schema(plain))
    # A column at a time where there are many rows: they are never in memory twice
    return found.to_pandas(self_destruct=True, split_blocks=len(found) > MANY)


def beside(rows: Table, more: Table, *keys: str) -> Table:
    """Rows with the columns of another table, empty where it has none for their keys."""
    return rows.left_join(more, list(keys)).drop(*(f"{key}_right" for key in keys))


def days_before(day: Column, days: int) -> Column:
    """The day so many days earlier."""
    return (day - ibis.interval(days=days)).cast("date")


def learning_done(dataset: DataSet) -> Table:
    """Learning that was done: nobody waited for it, missed it, or is still at it."""
    learning = dataset.tables["learning"]
    return learning.filter(learning.status == DONE)


def one_per_day(dataset: DataSet) -> Table:
    """Reviews, one of a person and day: of the later cycle where a day has two."""
    reviews = dataset.tables["reviews"]
    same_day = ibis.window(group_by=["person_id", "reviewed_on"], order_by=ibis.desc("cycle"))
    reviews = reviews.mutate(_copy=ibis.row_number().over(same_day))
    return reviews.filter(reviews._copy == 0)


def placed(rows: Table, keys: Sequence[str], before: BooleanValue, reviews: Table) -> Table:
    """Rows of people, known by `keys`, with their latest review `before` a day, else their first.

    `_latest` is the day of the former, and empty where there is none.
    """
    seen = rows.join(reviews, [rows.person_id == reviews.person_id, before])
    latest = seen.group_by(*keys).aggregate(_latest=seen.reviewed_on.max())
    first = reviews.group_by("person_id").aggregate(_first=reviews.reviewed_on.min())
    found = beside(beside(rows, latest, *keys), first, "person_id")
    found = found.mutate(reviewed_on=ibis.coalesce(found._latest, found._first)).drop("_first")
    return beside(found, reviews, "person_id", "reviewed_on").drop("reviewed_on")


def latest_reviews(person_cycles: pd.DataFrame) -> pd.DataFrame:
    """The latest person-cycle of everybody; of two on a day, the later cycle's."""
    in_time = person_cycles.sort_values(["reviewed_on", "cycle"])
    return in_time.drop_duplicates("person_id", keep="last")


def asking(asked: Table, learned: Table, keys: Sequence[str]) -> Table:
    """Days on which something was acknowledged (`_asked` times) or learned, and what came after.

    `_soon`, autonomous: own completed voluntary learning on that day or in the 30 days after.
    `_alone`, dependent: acknowledged again on a later day, and no such learning from the first day
    to the second. What came first within a day nobody knows: learning on either day counts. One may
    be both, or neither. Both tables have the `keys` within which events belong together (person,
    skill, and a window or a gap) and the day `_on`.
    """
    both = asked.mutate(_asked=1, _learned=0).union(learned.mutate(_asked=0, _learned=1))
    days = both.group_by(*keys, "_on").aggregate(
        _asked=both._asked.sum(), _learned=both._learned.sum()
    )
    from_here, later = (
        ibis.window(group_by=keys, order_by="_on", rows=(start, None)) for start in (0, 1)
    )
    answered = (days._learned > 0).ifelse(days._on, None).min().over(from_here)
    again = (days._asked > 0).ifelse(days._on, None).min().over(later)
    days = days.mutate(_answered=answered, _again=again)
    return days.mutate(
        _soon=days._answered <= (days._on + ibis.interval(days=OWN_LEARNING_DAYS)).cast("date"),
        _alone=days._again.notnull() & (days._answered.isnull() | (days._answered > days._again)),
    )

"""Linking: canonical tables to one row per person and review, and an account of every row that fell out.

Learning and acknowledging count for a review only when they happened in its exposure window, which
ends `embargo_days` before the review. The windows of one person tile time, so an event counts for one
review at most. Written once in Ibis, from joins, filters, sums, counts, minima and maxima; the engine
does the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import pandas as pd
from ibis.expr.types import BooleanValue, Column, Table

from learnalign.datasets import DataSet
from learnalign.records import ATTRITION
from learnalign.tables import DONE

FIRST_WINDOW_DAYS = 182
MODE_OF_TYPE = {
    "course": "formal", "certification": "formal", "reading": "informal", "on_the_job": "informal",
    "reflection": "informal", "other": "informal", "coaching": "social", "mentoring": "social",
    "community": "social", "peer": "social",
}  # fmt: skip
MODES = ("formal", "informal", "social")
EXPOSURES = ("voluntary_hours", "voluntary_activities", "acknowledgements")  # those that a lead test needs


class TimeOrderError(AssertionError):
    """Something that happened after a window ended reached its review: a fault of ours, never the data's."""


@dataclass(frozen=True, repr=False)
class Linked:
    """Person-cycles and what fell out on the way to them; shows counts only, never rows."""

    person_cycles: pd.DataFrame
    attrition: pd.DataFrame

    def __repr__(self) -> str:
        people = self.person_cycles.person_id.nunique()
        return f"Linked({len(self.person_cycles):,} person-cycles of {people:,} people)"


@dataclass(frozen=True)
class _Step:
    """A reason to leave rows out, in the order in which reasons are tried."""

    key: str
    reason: str
    drops: BooleanValue


def link(dataset: DataSet, *, embargo_days: int = 30) -> Linked:
    """Person-cycles with prior ratings and what fell in the exposure window, and the account of the rest.

    The window of a review runs from the previous review less `embargo_days` to this review less
    `embargo_days`, its last day excluded; the first review of a person looks back 182 days. An event on or
    after the end of the last window waits for a review that the data do not hold yet.

    Misleads when reviews are dated later than managers made up their minds: choose the embargo so that
    exposure ends before the rating was settled.

    >>> from learnalign import datasets
    >>> linked = link(datasets.read("data/demo"), embargo_days=30)
    >>> bool((linked.person_cycles.window_end < linked.person_cycles.reviewed_on).all())
    True
    """
    reviews = dataset.tables["reviews"]
    late = reviews.reviewed_on > dataset.as_of
    reviewed = _with_windows(reviews.filter(~late), dataset.tables["people"], embargo_days).cache()
    events = {name: _events(dataset, name, reviewed) for name in ("learning", "acknowledgements")}
    cycles = _join_exposures(reviewed, events, dataset)
    cycles = _join_rewards(cycles, dataset).order_by("person_id", "reviewed_on", "cycle")
    person_cycles = cycles.execute()
    assert_time_order(person_cycles)
    flows = [_flow("reviews", reviews, [_after_as_of(late, dataset)])]
    recorded = [name for name in events if name in dataset.filled]
    flows += [_flow(name, events[name], _event_steps(name, events[name], dataset)) for name in recorded]
    flows += _reward_flows(dataset, reviewed)
    return Linked(person_cycles, pd.concat(flows, ignore_index=True))


def assert_time_order(person_cycles: pd.DataFrame) -> None:
    """Stop when anything that counts for a review is dated on or after the end of its window."""
    for column in ("last_learned_on", "last_acknowledged_on"):
        late = pd.to_datetime(person_cycles[column]) >= pd.to_datetime(person_cycles.window_end)
        if late.any():
            raise TimeOrderError(f"{column}: {late.sum()} person-cycles hold an event after their window's end")
    if (pd.to_datetime(person_cycles.window_end) > pd.to_datetime(person_cycles.reviewed_on)).any():
        raise TimeOrderError("window_end: an exposure window ends after its review")


# --- reviews and their windows -------------------------------------------------------------


def _with_windows(reviews: Table, people: Table, embargo_days: int) -> Table:
    """Every review with its two prior ratings, its exposure window, and who the person is."""
    in_time = ibis.window(group_by="person_id", order_by=["reviewed_on", "cycle"])
    table = reviews.mutate(
        review_number=ibis.row_number().over(in_time) + 1,
        rating_prior_1=reviews.rating.lag(1).over(in_time),
        cycle_prior_1=reviews.cycle.lag(1).over(in_time),
        rating_prior_2=reviews.rating.lag(2).over(in_time),
        cycle_prior_2=reviews.cycle.lag(2).over(in_time),
        previous_on=reviews.reviewed_on.lag(1).over(in_time),
    )
    table = table.mutate(window_end=_days_before(table.reviewed_on, embargo_days))
    first = _days_before(table.window_end, FIRST_WINDOW_DAYS)
    start = ibis.coalesce(_days_before(table.previous_on, embargo_days), first)
    table = table.mutate(window_start=start).drop("previous_on")
    employed = people.select("person_id", "hired_on", "left_on")
    joined = table.left_join(employed, "person_id").drop("person_id_right")
    return joined.mutate(tenure_years=joined.reviewed_on.delta(joined.hired_on, unit="day") / 365.25)


def _days_before(day: Column, days: int) -> Column:
    return (day - ibis.interval(days=days)).cast("date")


# --- events in windows -----------------------------------------------------------------------

DATE_OF = {"learning": "learned_on", "acknowledgements": "acknowledged_on"}


def _events(dataset: DataSet, name: str, reviewed: Table) -> Table:
    """Events beside the first and last day that any review of their person looks at."""
    span = reviewed.group_by("person_id").aggregate(_first=reviewed.window_start.min(), _last=reviewed.window_end.max())
    return dataset.tables[name].left_join(span, "person_id").drop("person_id_right")


def _event_steps(name: str, events: Table, dataset: DataSet) -> list[_Step]:
    on = events[DATE_OF[name]]
    steps = [_after_as_of(on > dataset.as_of, dataset)]
    if name == "learning":
        not_done = events.status.notnull() & (events.status != DONE)
        steps.append(_Step("not_completed", "not completed (waitlisted, withdrawn, no-show, open)", not_done))
    return steps + [
        _Step("no_review", "by people without a review", events._first.isnull()),
        _Step("before_first_window", "before the first exposure window of the person", on < events._first),
        _Step("after_last_window", "waits for the person's next review", on >= events._last),
    ]


def _after_as_of(late: BooleanValue, dataset: DataSet) -> _Step:
    return _Step("after_as_of", f"after {dataset.as_of}, where this edition ends", late)


def _in_windows(events: Table, name: str, dataset: DataSet, reviewed: Table) -> Table:
    """The events that count, each with the cycle it counts for."""
    kept = events
    for step in _event_steps(name, events, dataset):
        kept = kept.filter(~step.drops)
    windows = reviewed.select("person_id", "cycle", "window_start", "window_end")
    on = kept[DATE_OF[name]]
    same = [kept.person_id == windows.person_id, on >= windows.window_start, on < windows.window_end]
    return kept.join(windows, same).drop("person_id_right")


def _learning_per_cycle(done: Table) -> Table:
    required = done.is_required.fill_null(False)
    mode = done.mode.fill_null(done.activity_type.cases(*MODE_OF_TYPE.items()))
    by_mode = {f"{m}_hours": done.hours.sum(where=mode == m) for m in MODES}
    by_mode |= {f"{m}_activities": done.count(where=mode == m) for m in MODES}
    return done.group_by("person_id", "cycle").aggregate(
        hours=done.hours.sum(), activities=done.count(),
        required_hours=done.hours.sum(where=required), required_activities=done.count(where=required),
        voluntary_hours=done.hours.sum(where=~required), voluntary_activities=done.count(where=~required),
        last_learned_on=done.learned_on.max(), **by_mode,
    )  # fmt: skip


def _join_exposures(reviewed: Table, events: dict[str, Table], dataset: DataSet) -> Table:
    """Reviews with what fell in their own, the next and the two previous windows.

    Where a table holds nothing at all the exposure is empty, not zero: not recorded is not "did not".
    The last review of a person has no next window yet: empty too.
    """
    inside = {name: _in_windows(table, name, dataset, reviewed) for name, table in events.items()}
    said = inside["acknowledgements"]
    acknowledging = said.group_by("person_id", "cycle").aggregate(
        acknowledgements=said.count(), last_acknowledged_on=said.acknowledged_on.max()
    )
    cycles = reviewed
    for name, counts in (("learning", _learning_per_cycle(inside["learning"])), ("acknowledgements", acknowledging)):
        cycles = cycles.left_join(counts, ["person_id", "cycle"]).drop("person_id_right", "cycle_right")
        numbers = [c for c in counts.columns if c not in ("person_id", "cycle") and not c.startswith("last_")]
        cycles = cycles.mutate(**{c: _zero_or_empty(cycles[c], name, dataset) for c in numbers})
    cycles = cycles.mutate(acknowledged=cycles.acknowledgements > 0)
    in_time = ibis.window(group_by="person_id", order_by=["reviewed_on", "cycle"])
    return cycles.mutate(
        **{f"{name}_next": cycles[name].lead(1).over(in_time) for name in EXPOSURES},
        **{f"{name}_previous": cycles[name].lag(1).over(in_time) for name in EXPOSURES},
        **{f"{name}_previous_2": cycles[name].lag(2).over(in_time) for name in EXPOSURES},
    )


def _zero_or_empty(count: Column, table: str, dataset: DataSet) -> Column:
    recorded = table in dataset.filled
    if table == "learning" and count.get_name().endswith("hours"):
        recorded = "learning.hours" in dataset.filled
    return count.fill_null(0) if recorded else count.nullif(count)


# --- rewards ---------------------------------------------------------------------------------


def _join_rewards(cycles: Table, dataset: DataSet) -> Table:
    rewards = dataset.tables["rewards"]
    rewards = rewards.filter(rewards.effective_on <= dataset.as_of).select(
        "person_id", "cycle", "merit_pct", "compa_ratio", "bonus_pct",
        merit_gap_pct=rewards.merit_pct - rewards.merit_target_pct,
    )  # fmt: skip
    return cycles.left_join(rewards, ["person_id", "cycle"]).drop("person_id_right", "cycle_right")


def _reward_flows(dataset: DataSet, reviewed: Table) -> list[pd.DataFrame]:
    """Rewards without a review, and reviews without a reward: neither can speak about merit."""
    if "rewards" not in dataset.filled:
        return []
    rewards = dataset.tables["rewards"]
    late = _after_as_of(rewards.effective_on > dataset.as_of, dataset)
    keys = ["person_id", "cycle"]
    rated = rewards.left_join(reviewed.select(*keys, _rated=True), keys).drop("person_id_right", "cycle_right")
    in_time = rewards.filter(~late.drops).select(*keys, _paid=True)
    paid = reviewed.left_join(in_time, keys).drop("person_id_right", "cycle_right")
    late_too = _after_as_of(rated.effective_on > dataset.as_of, dataset)
    return [
        _flow("rewards", rated, [late_too, _Step("no_review", "no review in that cycle", rated._rated.isnull())]),
        _flow("merit", paid, [_Step("no_reward", "reviewed, but no reward recorded", paid._paid.isnull())]),
    ]


# --- the account -----------------------------------------------------------------------------


def _flow(name: str, table: Table, steps: Sequence[_Step]) -> pd.DataFrame:
    """Rows and people dropped at each step and left after it; a row is dropped for its first reason only."""
    number = ibis.cases(*[(step.drops, i) for i, step in enumerate(steps)], else_=len(steps))
    sorted_out = table.mutate(_step=number.fill_null(len(steps)))
    rows = []
    for i, step in enumerate((None, *steps)):
        left = sorted_out.filter(sorted_out._step >= i)
        gone = sorted_out.filter(sorted_out._step == i - 1)
        key, reason = (step.key, step.reason) if step else ("read", "read")
        rows.append((name, key, reason, *_count(gone), *_count(left)))
    return pd.DataFrame(rows, columns=list(ATTRITION))


def _count(table: Table) -> tuple[int, int]:
    counts = table.aggregate(rows=table.count(), people=table.person_id.nunique()).execute()
    return int(counts.rows.iloc[0]), int(counts.people.iloc[0])

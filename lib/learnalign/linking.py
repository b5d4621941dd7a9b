"""Linking: canonical tables to one row per person and review, and an account of every row that fell out.

Learning and acknowledging count for a review only when they happened in its exposure window, which
ends `embargo_days` before the review. The windows of one person tile time, so an event counts for one
review at most. Written once in Ibis, from joins, filters, sums, counts, minima and maxima; the engine
does the work.

Who leaves early has less time to learn or to acknowledge, so that those who did would seem to stay longer
(immortal time). Who is lost before the next outcome is therefore asked from a landmark: `…_early_next` is what
fell in the first `LANDMARK_DAYS` of the next window, and it is known only of people employed on the landmark's
end, whatever became of them afterwards.
"""

import datetime as dt
from dataclasses import dataclass

import ibis
import pandas as pd
from ibis.expr.types import Column, Table

from learnalign.datasets import DataSet
from learnalign.flows import DATE_OF, Step, after_as_of, asking, days_before, fit_events, flow, unfit_steps
from learnalign.tables import KEYS

FIRST_WINDOW_DAYS = 182
LANDMARK_DAYS = 60
MODE_OF_TYPE = {
    "course": "formal", "certification": "formal", "reading": "informal", "on_the_job": "informal",
    "reflection": "informal", "other": "informal", "coaching": "social", "mentoring": "social",
    "community": "social", "peer": "social",
}  # fmt: skip
MODES = ("formal", "informal", "social")
COUNTS = ("voluntary_activities", "acknowledgements")
EXPOSURES = ("voluntary_hours", *COUNTS)  # those that a lead test needs


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


def link(dataset: DataSet, *, embargo_days: int = 30) -> Linked:
    """Person-cycles with prior ratings and what fell in the exposure window, and the account of the rest.

    The window of a review runs from the previous review less `embargo_days` to this review less
    `embargo_days`, its last day excluded; the first review of a person looks back 182 days. An event on or
    after the end of the last window waits for a review that the data do not hold yet. A window that was over when
    a table's first event of anybody was recorded is empty, not zero.

    Misleads when reviews are dated later than managers made up their minds: choose the embargo so that
    exposure ends before the rating was settled. Misleads too when recording began in some units long before
    others: before their own first event, the late ones seem to have done nothing.

    >>> from learnalign import datasets
    >>> linked = link(datasets.read("data/demo"), embargo_days=30)
    >>> bool((linked.person_cycles.window_end < linked.person_cycles.reviewed_on).all())
    True
    """
    reviews = dataset.tables["reviews"]
    late = reviews.reviewed_on > dataset.as_of
    windows = _with_windows(reviews.filter(~late), dataset.tables["people"], embargo_days)
    reviewed = _with_landmark(windows, embargo_days).cache()
    events = {name: _events(dataset, name, reviewed) for name in ("learning", "acknowledgements")}
    cycles = _join_rewards(_join_exposures(reviewed, dataset), dataset)
    cycles = cycles.drop("_landmark_end").order_by("person_id", "reviewed_on", "cycle")
    person_cycles = cycles.execute()
    assert_time_order(person_cycles)
    flows = [flow("reviews", reviews, [after_as_of(late, dataset)])]
    recorded = [name for name in events if name in dataset.filled]
    flows += [flow(name, events[name], _event_steps(name, events[name], dataset)) for name in recorded]
    flows += _reward_flows(dataset, reviewed)
    return Linked(person_cycles, pd.concat(flows, ignore_index=True))


def assert_time_order(person_cycles: pd.DataFrame) -> None:
    """Stop when anything that counts for a review is dated on or after the end of its window.

    And when a landmark counts somebody who left before its end, or more than fell in the next window.
    """
    for column in ("last_learned_on", "last_acknowledged_on"):
        late = pd.to_datetime(person_cycles[column]) >= pd.to_datetime(person_cycles.window_end)
        if late.any():
            raise TimeOrderError(f"{column}: {late.sum()} person-cycles hold an event after their window's end")
    if (pd.to_datetime(person_cycles.window_end) > pd.to_datetime(person_cycles.reviewed_on)).any():
        raise TimeOrderError("window_end: an exposure window ends after its review")
    landmark_end = pd.to_datetime(person_cycles.window_end) + pd.Timedelta(days=LANDMARK_DAYS)
    gone = pd.to_datetime(person_cycles.left_on) < landmark_end
    for name in COUNTS:
        early, whole = (pd.to_numeric(person_cycles[f"{name}{window}"]) for window in ("_early_next", "_next"))
        wrong = (early.notna() & gone) | (early > whole)
        if wrong.any():
            text = "hold more than the next window, or somebody who left before the landmark's end"
            raise TimeOrderError(f"{name}_early_next: {wrong.sum()} person-cycles {text}")


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
    table = table.mutate(window_end=days_before(table.reviewed_on, embargo_days))
    first = days_before(table.window_end, FIRST_WINDOW_DAYS)
    start = ibis.coalesce(days_before(table.previous_on, embargo_days), first)
    table = table.mutate(window_start=start).drop("previous_on")
    employed = people.select("person_id", "hired_on", "left_on")
    joined = table.left_join(employed, "person_id").drop("person_id_right")
    return joined.mutate(tenure_years=joined.reviewed_on.delta(joined.hired_on, unit="day") / 365.25)


def _with_landmark(reviewed: Table, embargo_days: int) -> Table:
    """Reviews with whether the person has one in the company's next cycle, and the end of the landmark.

    There is no landmark in the company's last cycle, where the person left before its end, and where the next
    window does not last so long: the first reviews of the company's next cycle, less the embargo, must come after
    it. Those reviews were made by `as_of`, so that all of a landmark lies more than the embargo before it.
    """
    cycles = reviewed.group_by("cycle").aggregate(_opens=reviewed.reviewed_on.min())
    in_order = ibis.window(order_by=["_opens", "cycle"])
    following = cycles.select(
        "cycle", _next_cycle=cycles.cycle.lead(1).over(in_order), _next_opens=cycles._opens.lead(1).over(in_order)
    )
    table = reviewed.left_join(following, "cycle").drop("cycle_right")
    again = reviewed.select("person_id", _next_cycle="cycle", _again=True)
    table = table.left_join(again, ["person_id", "_next_cycle"]).drop("person_id_right", "_next_cycle_right")
    in_time = ibis.window(group_by="person_id", order_by=["reviewed_on", "cycle"])
    end = (table.window_end + ibis.interval(days=LANDMARK_DAYS)).cast("date")
    stayed = table.left_on.isnull() | (table.left_on >= end)
    own = table.window_end.lead(1).over(in_time).fill_null(end) >= end  # cycles of one person may overlap
    is_whole = (end < days_before(table._next_opens, embargo_days)) & own
    return table.mutate(
        reviewed_next=ibis.ifelse(table._next_cycle.notnull(), table._again.fill_null(False), ibis.null(bool)),
        _landmark_end=ibis.ifelse(is_whole & stayed, end, ibis.null("date")),
    ).drop("_next_cycle", "_next_opens", "_again")


# --- events in windows -----------------------------------------------------------------------


def _events(dataset: DataSet, name: str, reviewed: Table) -> Table:
    """Events beside the first and last day that any review of their person looks at."""
    span = reviewed.group_by("person_id").aggregate(_first=reviewed.window_start.min(), _last=reviewed.window_end.max())
    return dataset.tables[name].left_join(span, "person_id").drop("person_id_right")


def _event_steps(name: str, events: Table, dataset: DataSet) -> list[Step]:
    on = events[DATE_OF[name]]
    return unfit_steps(name, events, dataset) + [
        Step("no_review", "by people without a review", events._first.isnull()),
        Step("before_first_window", "before the first exposure window of the person", on < events._first),
        Step("after_last_window", "waits for the person's next review", on >= events._last),
    ]


def _in_windows(name: str, dataset: DataSet, reviewed: Table) -> Table:
    """The events that count, each with the cycle it counts for; `_early` ones fell in the landmark after it."""
    kept = fit_events(name, dataset)
    until = reviewed._landmark_end.fill_null(reviewed.window_end)
    windows = reviewed.select("person_id", "cycle", "window_start", "window_end", _until=until)
    on = kept[DATE_OF[name]]
    same = [kept.person_id == windows.person_id, on >= windows.window_start, on < windows._until]
    inside = kept.join(windows, same).drop("person_id_right")
    inside = inside.mutate(_early=inside[DATE_OF[name]] >= inside.window_end)
    return inside if name != "learning" else inside.mutate(_required=inside.is_required.fill_null(False))


def _learning_per_cycle(done: Table) -> Table:
    own, required, early = ~done._early, ~done._early & done._required, done._early & ~done._required
    voluntary = own & ~done._required
    mode = done.mode.fill_null(done.activity_type.cases(*MODE_OF_TYPE.items()))
    by_mode = {f"{m}_hours": done.hours.sum(where=own & (mode == m)) for m in MODES}
    by_mode |= {f"{m}_activities": done.count(where=own & (mode == m)) for m in MODES}
    return done.group_by("person_id", "cycle").aggregate(
        hours=done.hours.sum(where=own), activities=done.count(where=own),
        required_hours=done.hours.sum(where=required), required_activities=done.count(where=required),
        voluntary_hours=done.hours.sum(where=voluntary), voluntary_activities=done.count(where=voluntary),
        last_learned_on=done.learned_on.max(where=own), **by_mode,
        voluntary_hours_early_next=done.hours.sum(where=early), voluntary_activities_early_next=done.count(where=early),
    )  # fmt: skip


def _acknowledging_per_cycle(said: Table) -> Table:
    return said.group_by("person_id", "cycle").aggregate(
        acknowledgements=said.count(where=~said._early),
        last_acknowledged_on=said.acknowledged_on.max(where=~said._early),
        acknowledgements_early_next=said.count(where=said._early),
    )


def _asking_per_cycle(said: Table, done: Table) -> Table:
    """Acknowledgements that were autonomous, and dependent, within the window."""
    keys = ["person_id", "cycle", "skill"]
    asked = said.filter(~said._early, said.skill.notnull()).select(*keys, _on="acknowledged_on")
    learned = done.filter(~done._early, ~done._required, done.skill.notnull()).select(*keys, _on="learned_on")
    days = asking(asked, learned, keys)
    return days.group_by("person_id", "cycle").aggregate(
        autonomous_acknowledgements=days._asked.sum(where=days._soon),
        dependent_acknowledgements=days._asked.sum(where=days._alone),
    )


def _join_exposures(reviewed: Table, dataset: DataSet) -> Table:
    """Reviews with what fell in their own, the next and the two previous windows.

    Where a table holds nothing at all the exposure is empty, not zero: not recorded is not "did not".
    The last review of a person has no next window yet: empty too.
    """
    said, done = (_in_windows(name, dataset, reviewed) for name in ("acknowledgements", "learning"))
    cycles = reviewed
    for name, counts in (("learning", _learning_per_cycle(done)), ("acknowledgements", _acknowledging_per_cycle(said))):
        cycles = _join(cycles, counts)
        began = dataset.tables[name][DATE_OF[name]].min().execute() if name in dataset.filled else None
        numbers = [c for c in counts.columns if c not in KEYS["reviews"] and not c.startswith("last_")]
        cycles = cycles.mutate(**{c: _zero_or_empty(cycles, c, began, dataset) for c in numbers})
    cycles = _join(cycles.mutate(acknowledged=cycles.acknowledgements > 0), _asking_per_cycle(said, done))
    known = cycles.acknowledgements.notnull() & cycles.activities.notnull()
    known &= {"acknowledgements.skill", "learning.skill"} <= dataset.filled
    kinds = ("autonomous_acknowledgements", "dependent_acknowledgements")
    in_time = ibis.window(group_by="person_id", order_by=["reviewed_on", "cycle"])
    return cycles.mutate(
        **{name: ibis.ifelse(known, cycles[name].fill_null(0), ibis.null(int)) for name in kinds},
        **{f"{name}_next": cycles[name].lead(1).over(in_time) for name in EXPOSURES},
        **{f"{name}_previous": cycles[name].lag(1).over(in_time) for name in EXPOSURES},
        **{f"{name}_previous_2": cycles[name].lag(2).over(in_time) for name in EXPOSURES},
    )


def _join(cycles: Table, more: Table) -> Table:
    return cycles.left_join(more, KEYS["reviews"]).drop("person_id_right", "cycle_right")


def _zero_or_empty(cycles: Table, name: str, began: dt.date | None, dataset: DataSet) -> Column:
    """A count or sum: zero when nothing happened, empty when nothing was recorded before the window was over."""
    count = cycles[name]
    if began is None or ("hours" in name and "learning.hours" not in dataset.filled):
        return ibis.null(count.type())
    end = cycles._landmark_end if name.endswith("_early_next") else cycles.window_end
    return ibis.ifelse(end > began, count.fill_null(0), ibis.null(count.type()))


# --- rewards ---------------------------------------------------------------------------------


def _join_rewards(cycles: Table, dataset: DataSet) -> Table:
    rewards = dataset.tables["rewards"]
    bonus, factor = rewards.bonus_pct, rewards.company_factor
    rewards = rewards.filter(rewards.effective_on <= dataset.as_of).select(
        "person_id", "cycle", "merit_pct", "merit_target_pct", "compa_ratio", "bonus_pct",
        bonus_net_pct=ibis.ifelse(factor > 0, bonus / factor, bonus),
    )  # fmt: skip
    paid = _join(cycles, rewards)
    paid = paid.mutate(merit_target_pct=paid.merit_target_pct.fill_null(_target(paid, dataset)))
    return paid.mutate(
        merit_gap_pct=paid.merit_pct - paid.merit_target_pct,
        matrix_cell=paid.rating.cast("string") + "|" + paid.merit_target_pct.cast("string"),
    )


def _target(paid: Table, dataset: DataSet) -> Column:
    """What the merit matrix gives for the rating and the place in the salary range; empty outside its cells."""
    nothing = ibis.null("float64")
    cells = [
        ((paid.rating == c.rating) & (paid.compa_ratio >= c.compa_from) & (paid.compa_ratio < c.compa_to), c.target_pct)
        for c in dataset.meta.merit_matrix
    ]
    return ibis.cases(*cells, else_=nothing) if cells else nothing


def _reward_flows(dataset: DataSet, reviewed: Table) -> list[pd.DataFrame]:
    """Rewards without a review, and reviews without a reward: neither can speak about merit."""
    if "rewards" not in dataset.filled:
        return []
    rewards = dataset.tables["rewards"]
    late = after_as_of(rewards.effective_on > dataset.as_of, dataset)
    keys = ["person_id", "cycle"]
    rated = rewards.left_join(reviewed.select(*keys, _rated=True), keys).drop("person_id_right", "cycle_right")
    in_time = rewards.filter(~late.drops).select(*keys, _paid=True)
    paid = reviewed.left_join(in_time, keys).drop("person_id_right", "cycle_right")
    late_too = after_as_of(rated.effective_on > dataset.as_of, dataset)
    return [
        flow("rewards", rated, [late_too, Step("no_review", "no review in that cycle", rated._rated.isnull())]),
        flow("merit", paid, [Step("no_reward", "reviewed, but no reward recorded", paid._paid.isnull())]),
    ]

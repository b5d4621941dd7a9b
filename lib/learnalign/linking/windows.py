"""Linking: canonical tables to one row per person and review, and an account of every lost row.

Learning and acknowledging count for a review only when they happened in its exposure window, which
ends `embargo_days` before the review. The windows of one person tile time, so an event counts for
one review at most. Written once in Ibis, from joins, filters, sums, counts, minima and maxima; the
engine does the work.

Who leaves early has less time to learn or to acknowledge, so that those who did would seem to stay
longer (immortal time). Who is lost before the next outcome is therefore asked from a landmark:
`…_early_next` is what fell in the first `LANDMARK_DAYS` of the next window, and it is known only of
people employed on the landmark's end, whatever became of them afterwards.
"""

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

import ibis
import pandas as pd
from ibis.expr.types import Column, Table

from learnalign.data.contract import DATE_OF, DONE, PLANNED
from learnalign.data.kept import keep
from learnalign.data.mistakes import DataError
from learnalign.data.reading import DataSet
from learnalign.linking import scale
from learnalign.linking.account import (
    Step,
    after_as_of,
    beside,
    days_before,
    fetched,
    flow,
    prepared,
)
from learnalign.linking.amounts import around
from learnalign.linking.exposures import KEY, KINDS, NOT_HELD, assessed_skills, exposures
from learnalign.linking.journeys import JOURNEYS, gap_journeys
from learnalign.linking.teams import team_quarters

__all__ = ["KINDS", "NOT_HELD", "Linked", "TimeOrderError", "link", "prepare"]

FIRST_WINDOW_DAYS = 182
LANDMARK_DAYS = 60
COUNTS = ("voluntary_activities", "acknowledgements")
EXPOSURES = ("voluntary_hours", *COUNTS)  # those that a lead test needs
INVITED = {"learning": "learn", "acknowledging": "acknowledge"}  # `about` of a drawn order
LAST = ("last_learned_on", "last_acknowledged_on", "last_not_held_on", "last_gap_on")
PLACE = {"manager": "manager_id", "unit": "unit", "grade": "grade"}  # who is new in it asks more
NEEDS = {  # what a column with this in its name cannot do without
    "hours": {"learning.hours"},
    "not_held": {"learning.status"},
    "system": {"learning.recorded_by"},
    "seen": {"acknowledgements.audience"},
    "gaps_acknowledged": {"acknowledgements.skill"},
}


class TimeOrderError(AssertionError):
    """Something after a window's end reached its review: a fault of ours, never the data's."""


@dataclass(frozen=True, repr=False)
class Linked:
    """Person-cycles and what fell out on the way to them; shows counts only, never rows."""

    person_cycles: pd.DataFrame
    attrition: pd.DataFrame

    def __repr__(self) -> str:
        people = self.person_cycles.person_id.nunique()
        return f"Linked({len(self.person_cycles):,} person-cycles of {people:,} people)"


def link(dataset: DataSet, *, embargo_days: int = 30) -> Linked:
    """Person-cycles with prior ratings and their exposure, and the account of the rest.

    The window of a review runs from the previous review less `embargo_days` to this review less
    `embargo_days`, its last day excluded; where `settled_on` says when a rating was made up, that
    day takes the review's place. The first review of a person looks back 182 days. An event on or
    after the end of the last window waits for a review that the data do not hold yet. A window that
    was over when a table's first event of anybody was recorded is empty, not zero.

    Misleads when reviews are dated later than managers made up their minds: choose the embargo so
    that exposure ends before the rating was settled. Misleads too when recording began in some
    units long before others: before their own first event, the late ones seem to have done nothing.
    Raises DataError where ratings seem to run the other way (`scale`).

    >>> from learnalign.data.reading import read
    >>> linked = link(read("data/demo"), embargo_days=30)
    >>> bool((linked.person_cycles.window_end < linked.person_cycles.reviewed_on).all())
    True
    """
    if made := prepared(dataset, "person_cycles", "attrition", embargo_days=embargo_days):
        return Linked(*made)
    reviewed = _with_landmark(_with_windows(dataset, embargo_days), embargo_days).cache()
    cycles = _join_rewards(_join_exposures(reviewed, dataset), dataset)
    cycles = _join_invitations(cycles, dataset).drop("_landmark_end")
    person_cycles = fetched(cycles.order_by("person_id", "reviewed_on", "cycle"))
    for name in EXPOSURES:
        person_cycles = person_cycles.assign(**around(person_cycles[name], person_cycles.person_id))
    assert_time_order(person_cycles)
    if wrong := scale.problems(person_cycles, dataset.meta):
        raise DataError(wrong, str(dataset.folder))
    return Linked(person_cycles, _attrition(dataset, reviewed))


def prepare(dataset: DataSet, folder: Path, *, embargo_days: int = 30) -> None:
    """Link once for all notebooks of a run, into an empty `folder` that `read` takes unchecked.

    From it `link`, `gap_journeys` and `team_quarters` give what was made here where day and embargo
    are the same, else they make it anew. It holds rows about people.
    """
    made = vars(link(dataset, embargo_days=embargo_days))
    made = (
        made
        | {"team_quarters": team_quarters(dataset)}
        | dict(zip(JOURNEYS, vars(gap_journeys(dataset)).values(), strict=True))
    )
    said = {
        "as_of": str(dataset.as_of),
        "embargo_days": embargo_days,
        "fingerprints": dict(dataset.fingerprints),
    }
    shutil.copyfile(dataset.folder / "dataset.yml", folder / "dataset.yml")
    keep(folder, {name: dataset.recorded[name] for name in dataset.present}, made, said)


def assert_time_order(person_cycles: pd.DataFrame) -> None:
    """Stop when anything that counts for a review is dated on or after the end of its window.

    And when a landmark counts somebody who left before its end, or more than the next window holds.
    """
    window_end = pd.to_datetime(person_cycles.window_end)
    for column in LAST:
        late = pd.to_datetime(person_cycles[column]) >= window_end
        if late.any():
            text = f"{late.sum()} person-cycles hold an event after their window's end"
            raise TimeOrderError(f"{column}: {text}")
    if (window_end > pd.to_datetime(person_cycles.reviewed_on)).any():
        raise TimeOrderError("window_end: an exposure window ends after its review")
    left_on = pd.to_datetime(person_cycles.left_on)
    gone = left_on < window_end + pd.Timedelta(days=LANDMARK_DAYS)
    for name in (f"{count}_early_next" for count in COUNTS):
        early = pd.to_numeric(person_cycles[name])
        whole = pd.to_numeric(person_cycles[name.replace("_early", "")])
        wrong = (early.notna() & gone) | (early > whole)
        if wrong.any():
            text = "hold more than the next window, or somebody who left before the landmark's end"
            raise TimeOrderError(f"{name}: {wrong.sum()} person-cycles {text}")


# --- reviews and their windows


IN_TIME = {"group_by": "person_id", "order_by": ["reviewed_on", "cycle"]}


def _with_windows(dataset: DataSet, embargo_days: int) -> Table:
    """Every review with its two prior ratings, its exposure window, and who the person is.

    And whether manager, unit and grade differ from the person's own last review; not where either
    is not recorded, nor where there is no last one.
    """
    reviews, in_time = dataset.tables["reviews"], ibis.window(**IN_TIME)
    reviews = reviews.mutate(_settled=ibis.coalesce(reviews.settled_on, reviews.reviewed_on))
    table = reviews.mutate(
        review_number=ibis.row_number().over(in_time) + 1,
        rating_prior_1=reviews.rating.lag(1).over(in_time),
        cycle_prior_1=reviews.cycle.lag(1).over(in_time),
        rating_prior_2=reviews.rating.lag(2).over(in_time),
        cycle_prior_2=reviews.cycle.lag(2).over(in_time),
        previous_on=reviews._settled.lag(1).over(in_time),
        **{
            f"{name}_changed": (reviews[of] != reviews[of].lag(1).over(in_time)).fill_null(False)
            for name, of in PLACE.items()
        },
    )
    table = table.mutate(window_end=days_before(table._settled, embargo_days))
    first = days_before(table.window_end, FIRST_WINDOW_DAYS)
    start = ibis.coalesce(days_before(table.previous_on, embargo_days), first)
    table = table.mutate(window_start=start).drop("previous_on", "settled_on")
    employed = dataset.tables["people"].select("person_id", "hired_on", "left_on")
    found = beside(table, employed, "person_id")
    years = found.reviewed_on.delta(found.hired_on, unit="day") / 365.25
    return found.mutate(tenure_years=years)


def _with_landmark(reviewed: Table, embargo_days: int) -> Table:
    """Reviews with whether the person has one in the company's next cycle, and the landmark's end.

    There is no landmark in the company's last cycle, where the person left before its end, and
    where the next window does not last so long: the first reviews of the company's next cycle, less
    the embargo, must come after it. Those reviews were made by `as_of`, so that all of a landmark
    lies more than the embargo before it.
    """
    cycles = reviewed.group_by("cycle").aggregate(_opens=reviewed._settled.min())
    in_order, in_time = ibis.window(order_by=["_opens", "cycle"]), ibis.window(**IN_TIME)
    following = cycles.select(
        "cycle",
        _next_cycle=cycles.cycle.lead(1).over(in_order),
        _next_opens=cycles._opens.lead(1).over(in_order),
    )
    again = reviewed.select("person_id", _next_cycle="cycle", _again=True)
    table = beside(reviewed, following, "cycle")
    table = beside(table, again, "person_id", "_next_cycle")
    end = (table.window_end + ibis.interval(days=LANDMARK_DAYS)).cast("date")
    stayed = table.left_on.isnull() | (table.left_on >= end)
    # cycles of one person may overlap
    own = table.window_end.lead(1).over(in_time).fill_null(end) >= end
    is_whole = (end < days_before(table._next_opens, embargo_days)) & own
    return table.mutate(
        reviewed_next=table._next_cycle.notnull().ifelse(table._again.fill_null(False), None),
        _landmark_end=(is_whole & stayed).ifelse(end, None),
    ).drop("_next_cycle", "_next_opens", "_again", "_settled")


# --- what fell in the windows


def _join_exposures(reviewed: Table, dataset: DataSet) -> Table:
    """Reviews with what fell in their own windows.

    Where a table holds nothing at all the exposure is empty, not zero: not recorded is not "did
    not".
    """
    found = exposures(dataset, reviewed)
    began = {
        name: dataset.tables[name][DATE_OF[name]].min().execute()
        for name in dict.fromkeys(table for table, *_ in found)
        if name in dataset.filled
    }
    cycles = reviewed
    for name, needs, counts in found:
        columns = [column for column in counts.columns if column not in KEY]
        if not {name, *needs} <= dataset.filled:
            cycles = cycles.mutate(**{c: ibis.null(counts[c].type()) for c in columns})
            continue
        cycles = beside(cycles, counts, *KEY)
        numbers = [column for column in columns if column not in LAST]
        cycles = cycles.mutate(
            **{c: _zero_or_empty(cycles, c, began[name], dataset) for c in numbers}
        )
    cycles = cycles.mutate(acknowledged=cycles.acknowledgements > 0)
    return _where_known(cycles, dataset)


def _where_known(cycles: Table, dataset: DataSet) -> Table:
    """Counts that need more than their own table are empty where that is missing."""
    ever = assessed_skills(dataset).select("person_id", _ever=True).distinct()
    cycles = beside(cycles, ever, "person_id")
    asked = ("autonomous_acknowledgements", "dependent_acknowledgements")
    return cycles.mutate(
        **{name: cycles.activities.notnull().ifelse(cycles[name], None) for name in asked},
        unrelated_hours=cycles._ever.ifelse(cycles.unrelated_hours, None),
        unrelated_activities=cycles._ever.ifelse(cycles.unrelated_activities, None),
        gaps_acknowledged=(cycles._unknown == 0).ifelse(cycles.gaps_acknowledged, None),
    ).drop("_ever", "_unknown")


def _zero_or_empty(cycles: Table, name: str, began: dt.date, dataset: DataSet) -> Column:
    """A count or sum: zero where nothing happened, empty where nothing was recorded by then."""
    count = cycles[name]
    if any(word in name and not needs <= dataset.filled for word, needs in NEEDS.items()):
        return ibis.null(count.type())
    end = cycles._landmark_end if name.endswith("_early_next") else cycles.window_end
    return (end > began).ifelse(count.fill_null(0), None)


# --- invitations


def _join_invitations(cycles: Table, dataset: DataSet) -> Table:
    """Reviews of people in a drawn order with their stratum of it, and which part of the window's
    days lay on or after their own turn; empty for who is not in it.

    And whether their turn had come before the landmark's end. Where no order is recorded there are
    no such columns.
    """
    if PLANNED not in dataset.filled:
        return cycles
    for about, verb in INVITED.items():
        rows = dataset.tables[PLANNED]
        own = rows.filter(rows.about == about)
        own = own.select("person_id", _turn="invited_on", **{f"drawn_to_{verb}": "drawn_within"})
        found = beside(cycles, own, "person_id")
        whole = found.window_end.delta(found.window_start, unit="day")
        after = found.window_end.delta(found._turn, unit="day") / whole
        share = (whole > 0).ifelse(after.clip(0, 1), None)
        is_early = (found._turn < found._landmark_end).cast("float64")
        name = f"invited_to_{verb}"
        cycles = found.mutate(**{name: share, f"{name}_early_next": is_early}).drop("_turn")
    return cycles


# --- rewards


def _join_rewards(cycles: Table, dataset: DataSet) -> Table:
    rewards = dataset.tables["rewards"]
    bonus, factor = rewards.bonus_pct, rewards.company_factor
    pay = ("merit_pct", "merit_target_pct", "compa_ratio", "bonus_pct")
    net = (factor > 0).ifelse(bonus / factor, bonus)
    paid = beside(cycles, rewards.select(*KEY, *pay, bonus_net_pct=net), *KEY)
    paid = paid.mutate(merit_target_pct=paid.merit_target_pct.fill_null(_target(paid, dataset)))
    return paid.mutate(
        merit_gap_pct=paid.merit_pct - paid.merit_target_pct,
        matrix_cell=paid.rating.cast("string") + "|" + paid.merit_target_pct.cast("string"),
    )


def _target(paid: Table, dataset: DataSet) -> Column:
    """What the merit matrix gives for the rating and the place in the pay range, if anything."""
    nothing, compa, meta = ibis.null("float64"), paid.compa_ratio, dataset.meta
    cells = [
        (
            (paid.rating == meta.upright(c.rating))
            & (compa >= c.compa_from)
            & (compa < c.compa_to),
            c.target_pct,
        )
        for c in meta.merit_matrix
    ]
    return ibis.cases(*cells, else_=nothing) if cells else nothing


# --- the account


def _attrition(dataset: DataSet, reviewed: Table) -> pd.DataFrame:
    """Every row of reviews, events and rewards that fell out, and why."""
    reviews = dataset.recorded["reviews"]
    flows = [flow("reviews", reviews, [after_as_of("reviews", reviews, dataset)])]
    for name in ("learning", "acknowledgements"):
        if name in dataset.filled:
            flows.append(_event_flow(name, dataset, reviewed))
    if "rewards" in dataset.filled:
        flows += _reward_flows(dataset, reviewed)
    return pd.concat(flows, ignore_index=True)


def _event_flow(name: str, dataset: DataSet, reviewed: Table) -> pd.DataFrame:
    """Events that count for nobody, or lie outside of every window of their person."""
    span = reviewed.group_by("person_id").aggregate(
        _first=reviewed.window_start.min(), _last=reviewed.window_end.max()
    )
    events = beside(dataset.recorded[name], span, "person_id")
    on, first, steps = events[DATE_OF[name]], events._first, [after_as_of(name, events, dataset)]
    if name == "learning":
        text = "not completed (waitlisted, withdrawn, no-show, open)"
        not_done = events.status.notnull() & (events.status != DONE)
        steps.append(Step("not_completed", text, not_done))
    steps += [
        Step("no_review", "by people without a review", first.isnull()),
        Step("before_first_window", "before the first exposure window of the person", on < first),
        Step("after_last_window", "waits for the person's next review", on >= events._last),
    ]
    return flow(name, events, steps)


def _reward_flows(dataset: DataSet, reviewed: Table) -> list[pd.DataFrame]:
    """Rewards without a review, and reviews without a reward: neither can speak about merit."""
    rated = beside(dataset.recorded["rewards"], reviewed.select(*KEY, _rated=True), *KEY)
    paid = beside(reviewed, dataset.tables["rewards"].select(*KEY, _paid=True), *KEY)
    late = after_as_of("rewards", rated, dataset)
    unrated = Step("no_review", "no review in that cycle", rated._rated.isnull())
    unpaid = Step("no_reward", "reviewed, but no reward recorded", paid._paid.isnull())
    return [flow("rewards", rated, [late, unrated]), flow("merit", paid, [unpaid])]

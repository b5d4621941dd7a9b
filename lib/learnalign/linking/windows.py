"""Linking: canonical tables to one row per person and review, and an account of every row that fell
out.

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

from learnalign.data.contract import DATE_OF, DONE, KEYS, MODES
from learnalign.data.kept import keep
from learnalign.data.reading import DataSet
from learnalign.linking.account import (
    Step,
    after_as_of,
    asking,
    days_before,
    flow,
    prepared,
    unfit_steps,
)
from learnalign.linking.journeys import JOURNEYS, SAID_BEFORE_DAYS, SPELL, gap_journeys, spells
from learnalign.linking.teams import team_quarters

FIRST_WINDOW_DAYS = 182
LANDMARK_DAYS = 60
KINDS = (*MODES, "mentoring")  # of voluntary learning: mentoring, else the mode
NOT_HELD = (
    "cancelled_by_provider",
    "waitlisted",
)  # what people asked for and others did not let them have
COUNTS = ("voluntary_activities", "acknowledgements")
EXPOSURES = ("voluntary_hours", *COUNTS)  # those that a lead test needs
LAST = ("last_learned_on", "last_acknowledged_on", "last_not_held_on", "last_gap_on")
NEEDS = {  # what a column with this in its name cannot do without
    "hours": {"learning.hours"},
    "not_held": {"learning.status"},
    "unrelated": {"learning.skill", "assessments"},
    "gaps_acknowledged": {"acknowledgements.skill"},
}


class TimeOrderError(AssertionError):
    """Something that happened after a window ended reached its review: a fault of ours, never the
    data's.
    """


@dataclass(frozen=True, repr=False)
class Linked:
    """Person-cycles and what fell out on the way to them; shows counts only, never rows."""

    person_cycles: pd.DataFrame
    attrition: pd.DataFrame

    def __repr__(self) -> str:
        people = self.person_cycles.person_id.nunique()
        return f"Linked({len(self.person_cycles):,} person-cycles of {people:,} people)"


def link(dataset: DataSet, *, embargo_days: int = 30) -> Linked:
    """Person-cycles with prior ratings and what fell in the exposure window, and the account of the
    rest.

    The window of a review runs from the previous review less `embargo_days` to this review less
    `embargo_days`, its last day excluded; the first review of a person looks back 182 days. An
    event on or after the end of the last window waits for a review that the data do not hold yet. A
    window that was over when a table's first event of anybody was recorded is empty, not zero.

    Misleads when reviews are dated later than managers made up their minds: choose the embargo so
    that exposure ends before the rating was settled. Misleads too when recording began in some
    units long before others: before their own first event, the late ones seem to have done nothing.

    >>> from learnalign.data import reading as datasets
    >>> linked = link(datasets.read("data/demo"), embargo_days=30)
    >>> bool((linked.person_cycles.window_end < linked.person_cycles.reviewed_on).all())
    True
    """
    if made := prepared(dataset, "person_cycles", "attrition", embargo_days=embargo_days):
        return Linked(*made)
    reviews = dataset.recorded["reviews"]
    windows = _with_windows(dataset.tables["reviews"], dataset.tables["people"], embargo_days)
    reviewed = _with_landmark(windows, embargo_days).cache()
    events = {name: _events(dataset, name, reviewed) for name in ("learning", "acknowledgements")}
    cycles = _join_rewards(_join_exposures(reviewed, dataset), dataset)
    cycles = cycles.drop("_landmark_end").order_by("person_id", "reviewed_on", "cycle")
    person_cycles = cycles.execute()
    assert_time_order(person_cycles)
    flows = [flow("reviews", reviews, [after_as_of("reviews", reviews, dataset)])]
    flows += [
        flow(name, at, _event_steps(name, at, dataset))
        for name, at in events.items()
        if name in dataset.filled
    ]
    flows += _reward_flows(dataset, reviewed)
    return Linked(person_cycles, pd.concat(flows, ignore_index=True))


def prepare(dataset: DataSet, folder: Path, *, embargo_days: int = 30) -> None:
    """Link once for all notebooks of a run, into an empty `folder`: a data set that `read` takes
    without a check.

    From it `link`, `gap_journeys` and `team_quarters` give what was made here where day and embargo
    are the same, else they make it anew. It holds rows about people.
    """
    made = vars(link(dataset, embargo_days=embargo_days)) | {
        "team_quarters": team_quarters(dataset)
    }
    made |= dict(zip(JOURNEYS, vars(gap_journeys(dataset)).values(), strict=True))
    said = {
        "as_of": str(dataset.as_of),
        "embargo_days": embargo_days,
        "fingerprints": dataset.fingerprints,
    }
    shutil.copyfile(dataset.folder / "dataset.yml", folder / "dataset.yml")
    keep(folder, {name: dataset.recorded[name] for name in dataset.fingerprints}, made, said)


def assert_time_order(person_cycles: pd.DataFrame) -> None:
    """Stop when anything that counts for a review is dated on or after the end of its window.

    And when a landmark counts somebody who left before its end, or more than fell in the next
    window.
    """
    for column in LAST:
        late = pd.to_datetime(person_cycles[column]) >= pd.to_datetime(person_cycles.window_end)
        if late.any():
            raise TimeOrderError(
                f"{column}: {late.sum()} person-cycles hold an event after their window's end"
            )
    if (pd.to_datetime(person_cycles.window_end) > pd.to_datetime(person_cycles.reviewed_on)).any():
        raise TimeOrderError("window_end: an exposure window ends after its review")
    landmark_end = pd.to_datetime(person_cycles.window_end) + pd.Timedelta(days=LANDMARK_DAYS)
    gone = pd.to_datetime(person_cycles.left_on) < landmark_end
    for name in COUNTS:
        early, whole = (
            pd.to_numeric(person_cycles[f"{name}{window}"]) for window in ("_early_next", "_next")
        )
        wrong = (early.notna() & gone) | (early > whole)
        if wrong.any():
            text = "hold more than the next window, or somebody who left before the landmark's end"
            raise TimeOrderError(f"{name}_early_next: {wrong.sum()} person-cycles {text}")


# --- reviews and their windows


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
    return joined.mutate(
        tenure_years=joined.reviewed_on.delta(joined.hired_on, unit="day") / 365.25
    )


def _with_landmark(reviewed: Table, embargo_days: int) -> Table:
    """Reviews with whether the person has one in the company's next cycle, and the end of the
    landmark.

    There is no landmark in the company's last cycle, where the person left before its end, and
    where the next window does not last so long: the first reviews of the company's next cycle, less
    the embargo, must come after it. Those reviews were made by `as_of`, so that all of a landmark
    lies more than the embargo before it.
    """
    cycles = reviewed.group_by("cycle").aggregate(_opens=reviewed.reviewed_on.min())
    in_order = ibis.window(order_by=["_opens", "cycle"])
    following = cycles.select(
        "cycle",
        _next_cycle=cycles.cycle.lead(1).over(in_order),
        _next_opens=cycles._opens.lead(1).over(in_order),
    )
    table = reviewed.left_join(following, "cycle").drop("cycle_right")
    again = reviewed.select("person_id", _next_cycle="cycle", _again=True)
    table = table.left_join(again, ["person_id", "_next_cycle"]).drop(
        "person_id_right", "_next_cycle_right"
    )
    in_time = ibis.window(group_by="person_id", order_by=["reviewed_on", "cycle"])
    end = (table.window_end + ibis.interval(days=LANDMARK_DAYS)).cast("date")
    stayed = table.left_on.isnull() | (table.left_on >= end)
    own = (
        table.window_end.lead(1).over(in_time).fill_null(end) >= end
    )  # cycles of one person may overlap
    is_whole = (end < days_before(table._next_opens, embargo_days)) & own
    return table.mutate(
        reviewed_next=ibis.ifelse(
            table._next_cycle.notnull(), table._again.fill_null(False), ibis.null(bool)
        ),
        _landmark_end=ibis.ifelse(is_whole & stayed, end, ibis.null("date")),
    ).drop("_next_cycle", "_next_opens", "_again")


# --- events in windows


def _events(dataset: DataSet, name: str, reviewed: Table) -> Table:
    """Events beside the first and last day that any review of their person looks at."""
    span = reviewed.group_by("person_id").aggregate(
        _first=reviewed.window_start.min(), _last=reviewed.window_end.max()
    )
    return dataset.recorded[name].left_join(span, "person_id").drop("person_id_right")


def _event_steps(name: str, events: Table, dataset: DataSet) -> list[Step]:
    on = events[DATE_OF[name]]
    return unfit_steps(name, events, dataset) + [
        Step("no_review", "by people without a review", events._first.isnull()),
        Step(
            "before_first_window",
            "before the first exposure window of the person",
            on < events._first,
        ),
        Step("after_last_window", "waits for the person's next review", on >= events._last),
    ]


def _in_windows(kept: Table, on: str, reviewed: Table) -> Table:
    """Events with the cycle each counts for, by the day `on`; `_early` ones fell in the landmark
    after it.
    """
    until = reviewed._landmark_end.fill_null(reviewed.window_end)
    windows = reviewed.select("person_id", "cycle", "window_start", "window_end", _until=until)
    same = [
        kept.person_id == windows.person_id,
        kept[on] >= windows.window_start,
        kept[on] < windows._until,
    ]
    inside = kept.join(windows, same).drop("person_id_right")
    return inside.mutate(_early=inside[on] >= inside.window_end)


def _enrolled(dataset: DataSet) -> Table:
    """Learning that was done, or that people enrolled in and did not get (`_lost`), and of which
    kind.
    """
    learning = dataset.tables["learning"]
    kind = ibis.ifelse(learning.activity_type == "mentoring", "mentoring", learning.mode)
    learning = learning.mutate(_lost=learning.status.isin(NOT_HELD), _kind=kind)
    return learning.filter(learning._lost | (learning.status == DONE))


def _learning_per_cycle(events: Table) -> Table:
    own, early = ~events._lost & ~events._early, ~events._lost & events._early & ~events.is_required
    voluntary, lost = own & ~events.is_required, events._lost & ~events._early & ~events.is_required
    those = {"": own, "required_": own & events.is_required, "voluntary_": voluntary}
    those |= {f"{mode}_": own & (events.mode == mode) for mode in MODES}
    those |= {f"voluntary_{kind}_": voluntary & (events._kind == kind) for kind in KINDS}
    counts = {f"{name}hours": events.hours.sum(where=which) for name, which in those.items()}
    counts |= {f"{name}activities": events.count(where=which) for name, which in those.items()}
    counts |= {
        f"{kind}_not_held": events.count(where=lost & (events._kind == kind)) for kind in KINDS
    }
    return events.group_by("person_id", "cycle").aggregate(
        **counts,
        offered_not_held=events.count(where=lost),
        last_learned_on=events.learned_on.max(where=own),
        last_not_held_on=events.learned_on.max(where=lost),
        voluntary_hours_early_next=events.hours.sum(where=early),
        voluntary_activities_early_next=events.count(where=early),
    )


def _unrelated_per_cycle(done: Table, assessed: Table) -> Table:
    """Voluntary learning on skills that the person was never assessed in."""
    own = done.filter(~done._early, ~done.is_required, done.skill.notnull())
    other = own.anti_join(assessed, ["person_id", "skill"])
    return other.group_by("person_id", "cycle").aggregate(
        unrelated_hours=other.hours.sum(), unrelated_activities=other.count()
    )


def _gaps_per_cycle(dataset: DataSet, reviewed: Table) -> Table:
    """Gaps that a scheduled assessment found in the window, and gaps so found, then or earlier,
    that closed in it.
    """
    found = spells(dataset)
    found = found.filter(found.scheduled)
    said = dataset.tables["acknowledgements"]
    own = [
        found.person_id == said.person_id,
        found.skill == said.skill,
        said.acknowledged_on < found.detected_on,
    ]
    early = found.join(
        said, [*own, said.acknowledged_on >= days_before(found.detected_on, SAID_BEFORE_DAYS)]
    )
    found = found.left_join(early.select(*SPELL, _said=True).distinct(), SPELL)
    first = said.filter(said.skill.notnull()).acknowledged_on.min().as_scalar()
    known = (found.detected_on > first).fill_null(False)
    found = found.select(
        "person_id",
        "detected_on",
        "closed_on",
        "severity",
        _said=found._said.notnull(),
        _known=known,
    )
    began, ended = (
        found.mutate(_on=found[on], _new=on == "detected_on") for on in ("detected_on", "closed_on")
    )
    days = _in_windows(began.union(ended), "_on", reviewed)
    days = days.filter(~days._early)
    new = days._new
    return days.group_by("person_id", "cycle").aggregate(
        gaps_assessed=days.count(where=new),
        gaps_severity=days.severity.sum(where=new),
        gaps_acknowledged=days.count(where=new & days._said),
        _unknown=days.count(where=new & ~days._known),
        gaps_closed=days.count(where=~new),
        closed_severity=days.severity.sum(where=~new),
        last_gap_on=days._on.max(),
    )


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
    learned = done.filter(~done._early, ~done.is_required, done.skill.notnull()).select(
        *keys, _on="learned_on"
    )
    days = asking(asked, learned, keys)
    return days.group_by("person_id", "cycle").aggregate(
        autonomous_acknowledgements=days._asked.sum(where=days._soon),
        dependent_acknowledgements=days._asked.sum(where=days._alone),
    )


def _join_exposures(reviewed: Table, dataset: DataSet) -> Table:
    """Reviews with what fell in their own, the next and the two previous windows.

    Where a table holds nothing at all the exposure is empty, not zero: not recorded is not "did
    not". The last review of a person has no next window yet: empty too.
    """
    said = _in_windows(dataset.tables["acknowledgements"], DATE_OF["acknowledgements"], reviewed)
    enrolled = _in_windows(_enrolled(dataset), DATE_OF["learning"], reviewed)
    done = enrolled.filter(~enrolled._lost)
    assessed = dataset.tables["assessments"].select("person_id", "skill").distinct()
    first = {
        name: dataset.tables[name][DATE_OF[name]].min().execute()
        for name in ("learning", "acknowledgements", "assessments")
        if name in dataset.filled
    }
    cycles = reviewed
    for name, counts in (
        ("learning", _learning_per_cycle(enrolled)),
        ("learning", _unrelated_per_cycle(done, assessed)),
        ("acknowledgements", _acknowledging_per_cycle(said)),
        ("assessments", _gaps_per_cycle(dataset, reviewed)),
    ):
        if name not in first:
            nothing = {
                c: ibis.null(counts[c].type()) for c in counts.columns if c not in KEYS["reviews"]
            }
            cycles = cycles.mutate(**nothing)
            continue
        cycles = _join(cycles, counts)
        numbers = [c for c in counts.columns if c not in KEYS["reviews"] and c not in LAST]
        cycles = cycles.mutate(
            **{c: _zero_or_empty(cycles, c, first[name], dataset) for c in numbers}
        )
    cycles = _join(
        cycles.mutate(acknowledged=cycles.acknowledgements > 0), _asking_per_cycle(said, done)
    )
    return _with_windows_around(_where_known(cycles, assessed, dataset))


def _where_known(cycles: Table, assessed: Table, dataset: DataSet) -> Table:
    """Counts that need more than their own table are empty where that is missing."""
    ever = assessed.select("person_id", _ever=True).distinct()
    cycles = cycles.left_join(ever, "person_id").drop("person_id_right")
    both = cycles.acknowledgements.notnull() & cycles.activities.notnull()
    both &= {"acknowledgements.skill", "learning.skill"} <= dataset.filled
    asking = {
        name: cycles[name].fill_null(0)
        for name in ("autonomous_acknowledgements", "dependent_acknowledgements")
    }
    counts = {name: ibis.ifelse(both, count, ibis.null(int)) for name, count in asking.items()}
    for name, known in (
        ("unrelated_hours", cycles._ever),
        ("unrelated_activities", cycles._ever),
        ("gaps_acknowledged", cycles._unknown == 0),
    ):
        counts[name] = ibis.ifelse(known, cycles[name], ibis.null(cycles[name].type()))
    return cycles.mutate(**counts).drop("_ever", "_unknown")


def _with_windows_around(cycles: Table) -> Table:
    """With the exposures of the person's next and two previous windows."""
    in_time = ibis.window(group_by="person_id", order_by=["reviewed_on", "cycle"])
    shifted = {
        "_next": lambda c: c.lead(1),
        "_previous": lambda c: c.lag(1),
        "_previous_2": lambda c: c.lag(2),
    }
    return cycles.mutate(
        **{
            f"{name}{w}": move(cycles[name]).over(in_time)
            for w, move in shifted.items()
            for name in EXPOSURES
        }
    )


def _join(cycles: Table, more: Table) -> Table:
    return cycles.left_join(more, KEYS["reviews"]).drop("person_id_right", "cycle_right")


def _zero_or_empty(cycles: Table, name: str, began: dt.date, dataset: DataSet) -> Column:
    """A count or sum: zero when nothing happened, empty when nothing was recorded before the window
    was over.
    """
    count = cycles[name]
    if any(word in name and not needs <= dataset.filled for word, needs in NEEDS.items()):
        return ibis.null(count.type())
    end = cycles._landmark_end if name.endswith("_early_next") else cycles.window_end
    return ibis.ifelse(end > began, count.fill_null(0), ibis.null(count.type()))


# --- rewards


def _join_rewards(cycles: Table, dataset: DataSet) -> Table:
    rewards = dataset.tables["rewards"]
    bonus, factor = rewards.bonus_pct, rewards.company_factor
    rewards = rewards.select(
        "person_id",
        "cycle",
        "merit_pct",
        "merit_target_pct",
        "compa_ratio",
        "bonus_pct",
        bonus_net_pct=ibis.ifelse(factor > 0, bonus / factor, bonus),
    )
    paid = _join(cycles, rewards)
    paid = paid.mutate(merit_target_pct=paid.merit_target_pct.fill_null(_target(paid, dataset)))
    return paid.mutate(
        merit_gap_pct=paid.merit_pct - paid.merit_target_pct,
        matrix_cell=paid.rating.cast("string") + "|" + paid.merit_target_pct.cast("string"),
    )


def _target(paid: Table, dataset: DataSet) -> Column:
    """What the merit matrix gives for the rating and the place in the salary range; empty outside
    its cells.
    """
    nothing = ibis.null("float64")
    cells = [
        (
            (paid.rating == c.rating)
            & (paid.compa_ratio >= c.compa_from)
            & (paid.compa_ratio < c.compa_to),
            c.target_pct,
        )
        for c in dataset.meta.merit_matrix
    ]
    return ibis.cases(*cells, else_=nothing) if cells else nothing


def _reward_flows(dataset: DataSet, reviewed: Table) -> list[pd.DataFrame]:
    """Rewards without a review, and reviews without a reward: neither can speak about merit."""
    if "rewards" not in dataset.filled:
        return []
    rewards = dataset.recorded["rewards"]
    keys = ["person_id", "cycle"]
    rated = rewards.left_join(reviewed.select(*keys, _rated=True), keys).drop(
        "person_id_right", "cycle_right"
    )
    in_time = dataset.tables["rewards"].select(*keys, _paid=True)
    paid = reviewed.left_join(in_time, keys).drop("person_id_right", "cycle_right")
    late = after_as_of("rewards", rated, dataset)
    return [
        flow(
            "rewards",
            rated,
            [late, Step("no_review", "no review in that cycle", rated._rated.isnull())],
        ),
        flow(
            "merit",
            paid,
            [Step("no_reward", "reviewed, but no reward recorded", paid._paid.isnull())],
        ),
    ]

"""Exposures: what people did in the window of each review, a row per person and cycle.

Each function adds up one kind of event. An event counts for one review at most; one in the landmark
after a window (`_early`) counts only in the columns named `…_early_next`.
"""

import functools
import itertools
import operator
from collections.abc import Iterable, Mapping, Set

import ibis
from ibis.expr.types import Column, Table

from learnalign.data.contract import DATE_OF, DONE, KEYS, MODE_OF_TYPE, MODES
from learnalign.data.reading import DataSet
from learnalign.linking.account import asking, days_before
from learnalign.linking.journeys import SPELL, is_recorded_before, said_before, spells

KINDS = (*MODES, "mentoring")  # of voluntary learning: mentoring, else the mode
WAYS = ("required", "voluntary", "mentored")  # the last of one's own will, too
# Each event is in one part, known by its number: parts of what was done, then of what was wished
# for and not held, by kind, and last what was done soon after the window
DONE_PARTS = (*itertools.product(WAYS, MODES),)
LOST, SOON = len(DONE_PARTS), len(DONE_PARTS) + len(KINDS)
SUMS = {  # which ways and modes are in a column's hours and activities
    "": (WAYS, MODES),
    "required_": (WAYS[:1], MODES),
    "voluntary_": (WAYS[1:], MODES),
    **{f"{mode}_": (WAYS, (mode,)) for mode in MODES},
    **{f"voluntary_{mode}_": (("voluntary",), (mode,)) for mode in MODES},
    "voluntary_mentoring_": (("mentored",), MODES),
}
# what people asked for and others did not let them have
NOT_HELD = ("cancelled_by_provider", "waitlisted")
KEY = KEYS["reviews"]
LATE_DAYS = 45  # before a window's end: a quarter of a half-year
SEEN = ("manager", "team", "public")  # an acknowledgement that the rater can know of
UNRELATED = {"learning.skill", "assessments"}
BOTH_SKILLS = {"acknowledgements.skill", "learning", "learning.skill"}
WRITTEN_UP = "one_to_one"  # by the manager, perhaps, and of those who had trouble


Found = tuple[str, Set[str], Table]  # the table with the events, what else must be filled, counts


def exposures(dataset: DataSet, reviewed: Table) -> list[Found]:
    """What fell in each window, with what it cannot be known without."""
    said = _in_windows("acknowledgements", dataset.tables["acknowledgements"], reviewed)
    enrolled = _in_windows("learning", _enrolled(dataset), reviewed)
    done = enrolled.filter(~enrolled._lost)
    return [
        ("learning", set(), _learning(enrolled, dataset.filled)),
        ("learning", UNRELATED, _unrelated(done, assessed_skills(dataset))),
        ("acknowledgements", set(), _acknowledging(said)),
        ("assessments", set(), _gaps(dataset, reviewed)),
        ("acknowledgements", BOTH_SKILLS, _asking(said, done)),
    ]


def assessed_skills(dataset: DataSet) -> Table:
    """The skills that each person was ever assessed in."""
    return dataset.tables["assessments"].select("person_id", "skill").distinct()


def _in_windows(name: str, events: Table, reviewed: Table, on: str = "") -> Table:
    """Events with the cycle each counts for; `_early` ones fell in the landmark after it."""
    until = reviewed._landmark_end.fill_null(reviewed.window_end)
    windows = reviewed.select(*KEY, "window_start", "window_end", _until=until)
    day = events[on or DATE_OF[name]]
    own = [events.person_id == windows.person_id, day >= windows.window_start, day < windows._until]
    inside = events.join(windows, own).drop("person_id_right")
    return inside.mutate(_early=inside[on or DATE_OF[name]] >= inside.window_end)


def _enrolled(dataset: DataSet) -> Table:
    """Learning done, or wished for and not held (`_lost`), in which part, and who wrote it down.

    Where a row says "self", one that does not say is by oneself too; else it is the system's.
    """
    learning = dataset.tables["learning"]
    says = (learning.recorded_by == "self").any().execute()
    lost, by_system = learning.status.isin(NOT_HELD), learning.recorded_by == "system"
    mode = learning.mode.cases(*((mode, i) for i, mode in enumerate(MODES)), else_=0)
    mentored = learning.activity_type == "mentoring"
    way = learning.is_required.ifelse(0, mentored.ifelse(2, 1))
    not_held = LOST + mentored.ifelse(len(MODES), mode)
    learning = learning.mutate(
        _lost=lost,
        _by_system=by_system.fill_null(not says),
        _part=lost.ifelse(not_held, len(MODES) * way + mode).cast("int8"),
    )
    wished = learning._lost & ~learning.is_required
    return learning.filter(wished | (learning.status == DONE))


def _learning(events: Table, filled: Set[str]) -> Table:
    """Learning by kind. Parts are added up afterwards: a sum of its own for each column would be
    three times the work.
    """
    free = ~events._lost & ~events.is_required
    events = events.select(
        *(*KEY, "learned_on", "hours"),
        _part=events._early.ifelse(free.ifelse(SOON, None), events._part).cast("int8"),
        _system=~events._early & free & events._by_system,
    )
    own = {part: i for i, part in enumerate(DONE_PARTS) if _may_be(part, filled)}
    those = {f"_{i}": events._part == i for i in (*own.values(), SOON)}
    those |= {"voluntary_system": events._system} if "learning.recorded_by" in filled else {}
    not_held = {f"{kind}_not_held": events._part == LOST + i for i, kind in enumerate(KINDS)}
    counts = events.group_by(*KEY).aggregate(
        **{f"{name}_hours": events.hours.sum(where=which) for name, which in those.items()},
        **{f"{name}_activities": events.count(where=which) for name, which in those.items()},
        **{name: events.count(where=which) for name, which in not_held.items()},
        last_learned_on=events.learned_on.max(where=events._part < LOST),
        last_not_held_on=events.learned_on.max(where=events._part.between(LOST, SOON - 1)),
    )
    return _added_up(counts, own).drop(ibis.selectors.matches(r"^_\d"))


def _may_be(part: tuple[str, str], filled: Set[str]) -> bool:
    """Whether a part can hold events: mentoring has its usual mode where none is recorded."""
    way, mode = part
    return way != "mentored" or mode == MODE_OF_TYPE["mentoring"] or "learning.mode" in filled


def _added_up(counts: Table, parts: Mapping[tuple[str, str], int]) -> Table:
    """Counts with the columns that parts make up."""
    added = {}
    # Where no row says who wrote it down, this is for its type only, and emptied later
    for name, (ways, modes) in ({"voluntary_system_": SUMS["voluntary_"]} | SUMS).items():
        own = [i for (way, mode), i in parts.items() if way in ways and mode in modes]
        for of in ("hours", "activities"):
            if f"{name}{of}" not in counts.columns:
                added[f"{name}{of}"] = _sum(counts[f"_{i}_{of}"].fill_null(0) for i in own)
    return counts.mutate(
        **added,
        offered_not_held=_sum(counts[f"{kind}_not_held"] for kind in KINDS),
        voluntary_hours_early_next=counts[f"_{SOON}_hours"],
        voluntary_activities_early_next=counts[f"_{SOON}_activities"],
    )


def _sum(columns: Iterable[Column]) -> Column:
    return functools.reduce(operator.add, columns)


def _unrelated(done: Table, assessed: Table) -> Table:
    """Voluntary learning on skills that the person was never assessed in."""
    other = _on_skills(done).anti_join(assessed, ["person_id", "skill"])
    return other.group_by(*KEY).aggregate(
        unrelated_hours=other.hours.sum(), unrelated_activities=other.count()
    )


def _on_skills(done: Table) -> Table:
    return done.filter(~done._early, ~done.is_required, done.skill.notnull())


def _acknowledging(said: Table) -> Table:
    own, seen = ~said._early, said.audience.isin(SEEN)
    late = said.acknowledged_on >= days_before(said.window_end, LATE_DAYS)
    other = own & (said.channel != WRITTEN_UP)
    return said.group_by(*KEY).aggregate(
        acknowledgements=said.count(where=own),
        acknowledgements_late=said.count(where=own & late),
        acknowledgements_seen=said.count(where=own & seen),
        acknowledgements_not_written_up=said.count(where=other),
        acknowledgements_not_written_up_seen=said.count(where=other & seen),
        last_acknowledged_on=said.acknowledged_on.max(where=~said._early),
        acknowledgements_early_next=said.count(where=said._early),
    )


def _asking(said: Table, done: Table) -> Table:
    """Acknowledgements that were autonomous, and dependent, within the window."""
    keys = [*KEY, "skill"]
    asked = said.filter(~said._early, said.skill.notnull()).select(*keys, _on="acknowledged_on")
    days = asking(asked, _on_skills(done).select(*keys, _on="learned_on"), keys)
    return days.group_by(*KEY).aggregate(
        autonomous_acknowledgements=days._asked.sum(where=days._soon),
        dependent_acknowledgements=days._asked.sum(where=days._alone),
    )


def _gaps(dataset: DataSet, reviewed: Table) -> Table:
    """Gaps that a scheduled assessment found in the window, and such gaps that closed in it."""
    found = spells(dataset)
    found = said_before(found.filter(found.scheduled), "detected_on", SPELL, dataset)
    found = found.mutate(_known=is_recorded_before(found.detected_on, dataset))
    columns = ("person_id", "detected_on", "closed_on", "severity", "_said", "_known")
    began = found.select(*columns, _on="detected_on", _new=True)
    ended = found.select(*columns, _on="closed_on", _new=False)
    days = _in_windows("assessments", began.union(ended), reviewed, on="_on")
    days = days.filter(~days._early)
    new = days._new
    return days.group_by(*KEY).aggregate(
        gaps_assessed=days.count(where=new),
        gaps_severity=days.severity.sum(where=new),
        gaps_acknowledged=days.count(where=new & days._said),
        _unknown=days.count(where=new & ~days._known),
        gaps_closed=days.count(where=~new),
        closed_severity=days.severity.sum(where=~new),
        last_gap_on=days._on.max(),
    )

"""Exposures: what people did in the window of each review, a row per person and cycle.

Each function adds up one kind of event. An event counts for one review at most; one in the landmark
after a window (`_early`) counts only in the columns named `…_early_next`.
"""

from ibis.expr.types import Table

from learnalign.data.contract import DATE_OF, DONE, KEYS, MODES
from learnalign.data.reading import DataSet
from learnalign.linking.account import asking, days_before
from learnalign.linking.journeys import SPELL, is_recorded_before, said_before, spells

KINDS = (*MODES, "mentoring")  # of voluntary learning: mentoring, else the mode
# what people asked for and others did not let them have
NOT_HELD = ("cancelled_by_provider", "waitlisted")
KEY = KEYS["reviews"]
LATE_DAYS = 45  # before a window's end: a quarter of a half-year
SEEN = ("manager", "team", "public")  # an acknowledgement that the rater can know of
WRITTEN_UP = "one_to_one"  # by the manager, perhaps, and of those who had trouble


def exposures(dataset: DataSet, reviewed: Table) -> tuple[list[tuple[str, Table]], Table]:
    """What fell in each window, beside the table that it is recorded in; and asking, for those."""
    said = _in_windows("acknowledgements", dataset.tables["acknowledgements"], reviewed)
    enrolled = _in_windows("learning", _enrolled(dataset), reviewed)
    done = enrolled.filter(~enrolled._lost)
    found = [
        ("learning", _learning(enrolled)),
        ("learning", _unrelated(done, assessed_skills(dataset))),
        ("acknowledgements", _acknowledging(said)),
        ("assessments", _gaps(dataset, reviewed)),
    ]
    return found, _asking(said, done)


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
    """Learning done, or enrolled in and not held (`_lost`), of which kind, and who wrote it down.

    Where a row says "self", one that does not say is by oneself too; else it is the system's.
    """
    learning = dataset.tables["learning"]
    says = (learning.recorded_by == "self").any().execute()
    kind = (learning.activity_type == "mentoring").ifelse("mentoring", learning.mode)
    lost, by_system = learning.status.isin(NOT_HELD), learning.recorded_by == "system"
    by_system = by_system.fill_null(not says)
    learning = learning.mutate(_lost=lost, _kind=kind, _by_system=by_system)
    return learning.filter(learning._lost | (learning.status == DONE))


def _learning(events: Table) -> Table:
    own, free = ~events._lost & ~events._early, ~events.is_required
    voluntary, lost = own & free, events._lost & ~events._early & free
    early = ~events._lost & events._early & free
    those = {"": own, "required_": own & events.is_required, "voluntary_": voluntary}
    those |= {"voluntary_system_": voluntary & events._by_system}
    those |= {f"{mode}_": own & (events.mode == mode) for mode in MODES}
    those |= {f"voluntary_{kind}_": voluntary & (events._kind == kind) for kind in KINDS}
    not_held = {kind: lost & (events._kind == kind) for kind in KINDS}
    return events.group_by(*KEY).aggregate(
        **{f"{name}hours": events.hours.sum(where=which) for name, which in those.items()},
        **{f"{name}activities": events.count(where=which) for name, which in those.items()},
        **{f"{kind}_not_held": events.count(where=which) for kind, which in not_held.items()},
        offered_not_held=events.count(where=lost),
        last_learned_on=events.learned_on.max(where=own),
        last_not_held_on=events.learned_on.max(where=lost),
        voluntary_hours_early_next=events.hours.sum(where=early),
        voluntary_activities_early_next=events.count(where=early),
    )


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

"""Journeys: skill gaps, from the assessment that found them to the one that closed them.

A gap is a spell: it begins with an assessment below the level required while no gap of that skill
is open, and ends with the next one at or above it; a skill that reopens begins a new spell. Only
gaps that a *scheduled* assessment found are followed: who says "I don't know" is assessed more
often, so gaps found in doubt or on request would make everybody look more outspoken than they are
(METHODS 5, row 19). Written in Ibis; the engine does the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import ibis
import pandas as pd
from ibis.expr.types import BooleanValue, Column, Table

from learnalign.data.contract import DATE_OF, DONE
from learnalign.data.reading import DataSet
from learnalign.linking.account import (
    SAID_BEFORE_DAYS,
    Step,
    after_as_of,
    asking,
    beside,
    days_before,
    flow,
    learning_done,
    one_per_day,
    placed,
    prepared,
)
from learnalign.verdicts.result import ATTRITION

SPELL = ("person_id", "skill", "spell")
FLAGS = ("acknowledged_before", "autonomous", "dependent")


@dataclass(frozen=True, repr=False)
class Journeys:
    """Gaps, the assessments behind them, what their people said and learned; shows counts only."""

    gaps: pd.DataFrame
    assessed: pd.DataFrame
    said: pd.DataFrame
    learned: pd.DataFrame
    attrition: pd.DataFrame
    looked: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __repr__(self) -> str:
        return f"Journeys({len(self.gaps):,} gaps of {self.gaps.person_id.nunique():,} people)"


# the names of its parts where they are kept
JOURNEYS = tuple(f"journeys_{part.name}" for part in fields(Journeys))


def gap_journeys(dataset: DataSet) -> Journeys:
    """A row per gap found by a scheduled assessment, from its detection until it closed.

    `gaps` has the keys person_id, skill and spell, then `detected_on`, `severity` (required less
    assessed level), `acknowledged_on` (the first time from 90 days before detection until it
    closed), `acknowledged_before` (before the day of detection; empty where nothing was recorded
    yet), `learning_started_on`, `closed_on`, `left_on`, `observed_until`, `status` (closed, left,
    open), whether asking was `autonomous` or `dependent`, `mentored_on` and `waitlisted_on` (the
    person's first mentoring, and first wait for it), and unit, manager, grade and rating of the
    review before (the first review, without its rating, where there is none). `assessed` has every
    scheduled assessment of people still there made while no gap was open, `said` and `learned` the
    days on which people with gaps did so, `looked` every scheduled assessment of the skills with
    gaps, and whether it saw one (`is_gap`); nothing where no trigger is recorded.

    Where no trigger is recorded at all, every assessment counts as scheduled. Misleads when
    assessments are rare (a gap closes before anybody looks), or when the schedule follows what
    people said.

    >>> from learnalign.data.reading import read
    >>> gaps = gap_journeys(read("data/demo")).gaps
    >>> bool((gaps.closed_on.dropna() > gaps.detected_on[gaps.closed_on.notna()]).all())
    True
    """
    if made := prepared(dataset, *JOURNEYS):
        return Journeys(*made)
    days = _assessed_days(dataset)
    if "assessments" in dataset.filled:  # a table that is missing belongs to no engine
        days = days.cache()
    found = _employed(spells(dataset, days), dataset).cache()
    kept, reviews = found.filter(found.scheduled, found._there).cache(), _reviews(dataset).cache()
    gaps = _said(_placed(kept, "detected_on", reviews), dataset)
    gaps = _mentored(_learned(gaps, dataset), dataset).drop("scheduled", "_there", "_until")
    frame = gaps.order_by(*SPELL).execute()
    assessed = _scheduled(days, dataset, reviews).execute()
    scale, flags = _cycle_scale(dataset), dict.fromkeys(FLAGS, "boolean")
    return Journeys(
        _in_sd(frame.assign(status=_status(frame)), scale).astype(flags),
        _in_sd(assessed, scale).astype({FLAGS[0]: "boolean"}),
        _events_of(kept, "acknowledgements", dataset),
        _events_of(kept, "learning", dataset),
        _attrition(found, dataset),
        _looked(days, kept, dataset),
    )


def _attrition(found: Table, dataset: DataSet) -> pd.DataFrame:
    if "assessments" not in dataset.filled:
        return pd.DataFrame(columns=list(ATTRITION))
    assessments = dataset.recorded["assessments"]
    late = after_as_of("assessments", assessments, dataset)
    reason = "found in doubt or on request, not by a scheduled assessment"
    steps = [
        Step("not_scheduled", reason, ~found.scheduled),
        Step("left_before", "found after the person had left", ~found._there),
    ]
    flows = [flow("assessments", assessments, [late]), flow("gaps", found, steps)]
    return pd.concat(flows, ignore_index=True)


def spells(dataset: DataSet, days: Table | None = None) -> Table:
    """Every gap as an Ibis table, whatever found it: key, days, severity, levels, `scheduled`."""
    days = _assessed_days(dataset) if days is None else days
    days = days.filter(days.spell > 0)
    first = days._starts
    return days.group_by(*SPELL).aggregate(
        detected_on=days.assessed_on.min(),
        closed_on=days.assessed_on.min(where=~days.is_gap),
        severity=days._short_of.max(where=first),
        required_level=days.required_level.max(where=first),
        assessed_level=days.assessed_level.max(where=first),
        self_level=days.self_level.max(where=first),
        scheduled=days._scheduled.cast("int").max(where=first) == 1,
    )


def _assessed_days(dataset: DataSet) -> Table:
    """A row per person, skill and day assessed; several on one day count by the best of them."""
    table = dataset.tables["assessments"]
    days = table.group_by("person_id", "skill", "assessed_on").aggregate(
        _short_of=(table.required_level - table.assessed_level).min(),
        required_level=table.required_level.max(),
        assessed_level=table.assessed_level.max(),
        self_level=table.self_level.max(),
        _scheduled=(table.trigger == "scheduled").fill_null(False).any(),
    )
    by_skill = {"group_by": ["person_id", "skill"], "order_by": "assessed_on"}
    in_time, so_far = ibis.window(**by_skill), ibis.window(**by_skill, rows=(None, 0))
    days = days.mutate(is_gap=days._short_of > 0)
    days = days.mutate(_open=days.is_gap.lag(1).over(in_time).fill_null(False))
    days = days.mutate(_starts=days.is_gap & ~days._open)
    return days.mutate(spell=days._starts.cast("int").sum().over(so_far))


def _employed(found: Table, dataset: DataSet) -> Table:
    """Gaps with when their person was hired and left; what closes after that closes nothing."""
    people = dataset.tables["people"]
    joined = beside(found, people.select("person_id", "hired_on", "left_on"), "person_id")
    joined = joined.mutate(observed_until=ibis.literal(dataset.as_of, "date"))
    late = (joined.closed_on > joined.left_on).fill_null(False)
    joined = joined.mutate(
        closed_on=late.ifelse(None, joined.closed_on),
        _there=(joined.detected_on <= joined.left_on).fill_null(True),
    )
    return joined.mutate(
        _until=ibis.coalesce(joined.closed_on, joined.left_on, joined.observed_until)
    )


def _reviews(dataset: DataSet) -> Table:
    return one_per_day(dataset).select(
        "person_id", "reviewed_on", "unit", "manager_id", "grade", "cycle", rating_before="rating"
    )


def _cycle_scale(dataset: DataSet) -> pd.DataFrame:
    """Mean and SD of every cycle's ratings; in one order, as threads differ in the last digit."""
    ratings = dataset.tables["reviews"].select("person_id", "cycle", "rating")
    by_cycle = ratings.order_by("cycle", "person_id").execute().groupby("cycle").rating
    spread = by_cycle.std(ddof=0).replace(0, float("nan"))
    return pd.DataFrame({"mean": by_cycle.mean(), "sd": spread}, dtype=float)


def _in_sd(rows: pd.DataFrame, scale: pd.DataFrame) -> pd.DataFrame:
    mean, sd = (rows.cycle.map(scale[name]).astype(float) for name in scale)
    in_sd = (rows.rating_before - mean) / sd
    return rows.drop(columns="cycle").assign(rating_before=in_sd)


def _placed(rows: Table, on: str, reviews: Table) -> Table:
    """Rows with unit, manager, grade and rating of the latest review by that day, else the first.

    A first review after that day gives no rating.
    """
    keys = [name for name in (*SPELL, on) if name in rows.columns]
    found = placed(rows, keys, reviews.reviewed_on <= rows[on], reviews)
    known = found._latest.notnull().ifelse(found.rating_before, None)
    return found.mutate(rating_before=known).drop("_latest")


def _said(gaps: Table, dataset: DataSet) -> Table:
    """When a gap was first acknowledged: from 90 days before it was found until it closed."""
    hits = _during(gaps, _skill_days("acknowledgements", dataset))
    table = beside(gaps, hits.group_by(*SPELL).aggregate(acknowledged_on=hits._on.min()), *SPELL)
    before = (table.acknowledged_on < table.detected_on).fill_null(False)
    known = is_recorded_before(table.detected_on, dataset)
    return table.mutate(acknowledged_before=known.ifelse(before, None))


def _learned(gaps: Table, dataset: DataSet) -> Table:
    """When learning on the skill started, and whether asking was autonomous or dependent."""
    inside = _during(gaps, _skill_days("learning", dataset))
    started = inside.filter(inside._on >= inside.detected_on).group_by(*SPELL)
    table = beside(gaps, started.aggregate(learning_started_on=ibis._._on.min()), *SPELL)
    said = _during(gaps, _skill_days("acknowledgements", dataset))
    own = inside.filter(inside._voluntary)
    days = asking(said.select(*SPELL, "_on"), own.select(*SPELL, "_on"), SPELL)
    kinds = days.group_by(*SPELL).aggregate(
        autonomous=days._asked.sum(where=days._soon).fill_null(0) > 0,
        dependent=days._asked.sum(where=days._alone).fill_null(0) > 0,
    )
    asked = beside(table, kinds, *SPELL)
    known = asked.acknowledged_on.notnull() & ("learning.skill" in dataset.filled)
    return asked.mutate(**{name: known.ifelse(asked[name], None) for name in FLAGS[1:]})


def _during(gaps: Table, days: Table) -> Table:
    """Days of the same person and skill, from 90 days before a gap was found until it closed."""
    same = [days.person_id == gaps.person_id, days.skill == gaps.skill]
    since = days._on >= days_before(gaps.detected_on, SAID_BEFORE_DAYS)
    until = [days._on <= gaps._until, (days._on < gaps.closed_on).fill_null(True)]
    return gaps.join(days, [*same, since, *until]).drop("person_id_right", "skill_right")


def _skill_days(name: str, dataset: DataSet) -> Table:
    """Days on which a person acknowledged, or learned on, a skill."""
    events = learning_done(dataset) if name == "learning" else dataset.tables[name]
    on = {"_on": events[DATE_OF[name]]}
    on |= {"_voluntary": ~events.is_required} if name == "learning" else {}
    return events.filter(events.skill.notnull()).select("person_id", "skill", **on).distinct()


def _mentored(gaps: Table, dataset: DataSet) -> Table:
    """Gaps with the day on which their person was first mentored, and first waited for it."""
    ties = dataset.tables["ties"].filter(ibis._.kind == "mentors")
    mentoring = dataset.tables["learning"].filter(ibis._.activity_type == "mentoring")
    done, waited = (mentoring.filter(ibis._.status == which) for which in (DONE, "waitlisted"))
    for first in (
        ties.group_by(person_id="to_id").aggregate(_tied=ties.tied_on.min()),
        done.group_by("person_id").aggregate(_taught=done.learned_on.min()),
        waited.group_by("person_id").aggregate(waitlisted_on=waited.learned_on.min()),
    ):
        gaps = beside(gaps, first, "person_id")
    return gaps.mutate(mentored_on=ibis.least(gaps._tied, gaps._taught)).drop("_tied", "_taught")


def _scheduled(days: Table, dataset: DataSet, reviews: Table) -> Table:
    """Scheduled assessments made while no gap was open, and whether it had been acknowledged."""
    keys = ("person_id", "skill", "assessed_on")
    people = dataset.tables["people"]
    rows = days.filter(days._scheduled, ~days._open)
    has_left = [rows.person_id == people.person_id, people.left_on < rows.assessed_on]
    rows = rows.anti_join(people, has_left)
    rows = rows.select(*keys, "required_level", "assessed_level", "self_level", "is_gap")
    rows = said_before(rows, "assessed_on", keys, dataset)
    known = is_recorded_before(rows.assessed_on, dataset)
    rows = rows.mutate(acknowledged_before=known.ifelse(rows._said, None)).drop("_said")
    return _placed(rows, "assessed_on", reviews).order_by(*keys)


def _looked(days: Table, gaps: Table, dataset: DataSet) -> pd.DataFrame:
    """Scheduled assessments of the skills with gaps; none where nobody knows which were."""
    rows = days.filter(days._scheduled).semi_join(gaps, ["person_id", "skill"])
    rows = rows.select("assessed_on", "person_id", "skill", "is_gap")
    rows = rows.order_by(*rows.columns)  # all of them: the engine's threads end in any order
    return (rows if "assessments.trigger" in dataset.filled else rows.limit(0)).execute()


def said_before(rows: Table, on: str, keys: Sequence[str], dataset: DataSet) -> Table:
    """Rows with `_said`: whether the skill was acknowledged in the 90 days before the day `on`."""
    said, day = _skill_days("acknowledgements", dataset), rows[on]
    own = [said.person_id == rows.person_id, said.skill == rows.skill]
    before = [said._on < day, said._on >= days_before(day, SAID_BEFORE_DAYS)]
    hits = rows.join(said, [*own, *before]).select(*keys, _said=True).distinct()
    rows = beside(rows, hits, *keys)
    return rows.mutate(_said=rows._said.notnull())


def is_recorded_before(day: Column, dataset: DataSet) -> BooleanValue:
    """Whether anybody's acknowledgement of a skill was recorded before that day."""
    first = _skill_days("acknowledgements", dataset)._on.min().as_scalar()
    return (day > first).fill_null(False)


def _events_of(gaps: Table, name: str, dataset: DataSet) -> pd.DataFrame:
    """Days on which people with gaps acknowledged, or learned and at what cost, on any skill."""
    if name == "acknowledgements":
        said = dataset.tables[name].semi_join(gaps, "person_id")
        days = said.select("person_id", "skill", "acknowledged_on").distinct()
        return days.order_by(*days.columns).execute()
    events = learning_done(dataset).semi_join(gaps, "person_id")
    events = events.mutate(is_voluntary=~events.is_required)
    keys = ("person_id", "skill", "learned_on", "activity_type", "is_voluntary")
    days = events.group_by(*keys).aggregate(hours=events.hours.sum(), cost=events.cost.sum())
    return days.order_by(*keys).execute()


def _status(gaps: pd.DataFrame) -> pd.Series:
    left = pd.Series("open", gaps.index, dtype="str").mask(gaps.left_on.notna(), "left")
    return left.mask(gaps.closed_on.notna(), "closed")

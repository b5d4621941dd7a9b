"""Journeys: skill gaps, from the assessment that found them to the one that closed them.

A gap is a spell: it begins with an assessment below the level required while no gap of that skill
is open, and ends with the next one at or above it; a skill that reopens begins a new spell. Only
gaps that a *scheduled* assessment found are followed: who says "I don't know" is assessed more
often, so gaps found in doubt or on request would make everybody look more outspoken than they are
(METHODS 5, row 19). Written in Ibis; the engine does the work.
"""

from dataclasses import dataclass, fields

import ibis
import pandas as pd
from ibis.expr.types import Column, Table

from learnalign.data.contract import DATE_OF, DONE
from learnalign.data.reading import DataSet
from learnalign.linking.account import (
    Step,
    after_as_of,
    asking,
    days_before,
    flow,
    learning_done,
    prepared,
)
from learnalign.verdicts.result import ATTRITION

SAID_BEFORE_DAYS = (
    90  # an acknowledgement so long before a gap was found is an acknowledgement of that gap
)
SPELL = ("person_id", "skill", "spell")
FLAGS = ("acknowledged_before", "autonomous", "dependent")


@dataclass(frozen=True, repr=False)
class Journeys:
    """Gaps, the scheduled assessments behind them, what their people said and learned; shows counts
    only.
    """

    gaps: pd.DataFrame
    assessed: pd.DataFrame
    said: pd.DataFrame
    learned: pd.DataFrame
    attrition: pd.DataFrame

    def __repr__(self) -> str:
        return f"Journeys({len(self.gaps):,} gaps of {self.gaps.person_id.nunique():,} people)"


JOURNEYS = tuple(
    f"journeys_{part.name}" for part in fields(Journeys)
)  # their names where they are kept


def gap_journeys(dataset: DataSet) -> Journeys:
    """A row per gap found by a scheduled assessment: detected, acknowledged, learning started,
    closed, or left.

    `gaps` has the keys person_id, skill and spell, then `detected_on`, `severity` (required less
    assessed level), `acknowledged_on` (the first time from 90 days before detection until it
    closed), `acknowledged_before` (before the day of detection; empty where nothing was recorded
    yet), `learning_started_on`, `closed_on`, `left_on`, `observed_until`, `status` (closed, left,
    open), whether asking was `autonomous` or `dependent`, `mentored_on` and `waitlisted_on` (the
    person's first mentoring, and first wait for it), and unit, manager, grade and rating of the
    review before (the first review, without its rating, where there is none). `assessed` has every
    scheduled assessment of people still there made while no gap was open, `said` and `learned` the
    days on which people with gaps did so.

    Where no trigger is recorded at all, every assessment counts as scheduled. Misleads when
    assessments are rare (a gap closes before anybody looks), or when the schedule follows what
    people said.

    >>> from learnalign.data import reading as datasets
    >>> gaps = gap_journeys(datasets.read("data/demo")).gaps
    >>> bool((gaps.closed_on.dropna() > gaps.detected_on[gaps.closed_on.notna()]).all())
    True
    """
    if made := prepared(dataset, *JOURNEYS):
        return Journeys(*made)
    days = _assessed_days(dataset)
    days = (
        days.cache() if "assessments" in dataset.filled else days
    )  # a table that is missing belongs to no engine
    found = _employed(spells(dataset, days), dataset).cache()
    kept = found.filter(found.scheduled, found._there).cache()
    reviews = _reviews(dataset).cache()
    gaps = _mentored(
        _learned(_said(_placed(kept, "detected_on", reviews), dataset), dataset), dataset
    )
    frame = gaps.drop("scheduled", "_there", "_until").order_by(*SPELL).execute()
    every = dataset.tables["reviews"].select("person_id", "cycle", "rating")
    ratings = every.order_by("cycle", "person_id").execute()
    assessments = dataset.recorded["assessments"]
    flows = (
        [
            flow("assessments", assessments, [after_as_of("assessments", assessments, dataset)]),
            flow(
                "gaps",
                found,
                [
                    Step(
                        "not_scheduled",
                        "found in doubt or on request, not by a scheduled assessment",
                        ~found.scheduled,
                    ),
                    Step("left_before", "found after the person had left", ~found._there),
                ],
            ),
        ]
        if "assessments" in dataset.filled
        else []
    )
    return Journeys(
        _in_sd(frame.assign(status=_status(frame)), ratings).astype(
            dict.fromkeys(FLAGS, "boolean")
        ),
        _in_sd(_scheduled(days, dataset, reviews).execute(), ratings).astype({FLAGS[0]: "boolean"}),
        _events_of(kept, "acknowledgements", dataset),
        _events_of(kept, "learning", dataset),
        pd.concat(flows, ignore_index=True) if flows else pd.DataFrame(columns=list(ATTRITION)),
    )


def spells(dataset: DataSet, days: Table | None = None) -> Table:
    """Every gap as an Ibis table, whatever found it: its key, detected_on, closed_on, severity,
    levels, scheduled.
    """
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
    planned = table.trigger == "scheduled"
    days = table.group_by("person_id", "skill", "assessed_on").aggregate(
        _short_of=(table.required_level - table.assessed_level).min(),
        required_level=table.required_level.max(),
        assessed_level=table.assessed_level.max(),
        self_level=table.self_level.max(),
        _scheduled=planned.fill_null(False).any(),
    )
    in_time = {"group_by": ["person_id", "skill"], "order_by": "assessed_on"}
    days = days.mutate(is_gap=days._short_of > 0)
    days = days.mutate(_open=days.is_gap.lag(1).over(ibis.window(**in_time)).fill_null(False))
    days = days.mutate(_starts=days.is_gap & ~days._open)
    return days.mutate(
        spell=days._starts.cast("int").sum().over(ibis.window(**in_time, rows=(None, 0)))
    )


def _employed(found: Table, dataset: DataSet) -> Table:
    """Gaps with when their person was hired and left; what closes after that closes nothing."""
    people = dataset.tables["people"]
    joined = _beside(found, people.select("person_id", "hired_on", "left_on"), "person_id")
    joined = joined.mutate(observed_until=ibis.literal(dataset.as_of, "date"))
    late = (joined.closed_on > joined.left_on).fill_null(False)
    joined = joined.mutate(
        closed_on=ibis.ifelse(late, ibis.null("date"), joined.closed_on),
        _there=(joined.detected_on <= joined.left_on).fill_null(True),
    )
    return joined.mutate(
        _until=ibis.coalesce(joined.closed_on, joined.left_on, joined.observed_until)
    )


def _reviews(dataset: DataSet) -> Table:
    """A review per person and day; of the later cycle where a day has two."""
    reviews = dataset.tables["reviews"]
    same_day = ibis.window(group_by=["person_id", "reviewed_on"], order_by=ibis.desc("cycle"))
    reviews = reviews.mutate(_copy=ibis.row_number().over(same_day))
    kept = reviews.filter(reviews._copy == 0)
    return kept.select(
        "person_id", "reviewed_on", "unit", "manager_id", "grade", "cycle", rating_before="rating"
    )


def _in_sd(rows: pd.DataFrame, ratings: pd.DataFrame) -> pd.DataFrame:
    """Rows with the rating in SD of its cycle; summed up in one order: an engine's threads differ
    in the last digit.
    """
    by_cycle = ratings.groupby("cycle").rating
    mean, spread = by_cycle.mean(), by_cycle.std(ddof=0).replace(0, float("nan"))
    own = rows.rating_before - rows.cycle.map(mean).astype(float)
    return rows.drop(columns="cycle").assign(
        rating_before=own / rows.cycle.map(spread).astype(float)
    )


def _placed(rows: Table, on: str, reviews: Table) -> Table:
    """Rows with unit, manager, grade and rating of the person's latest review on or before the day,
    else the first.
    """
    keys = [name for name in ("person_id", "skill", "spell", on) if name in rows.columns]
    before = rows.join(
        reviews, [rows.person_id == reviews.person_id, reviews.reviewed_on <= rows[on]]
    )
    latest = before.group_by(*keys).aggregate(_latest=before.reviewed_on.max())
    first = reviews.group_by("person_id").aggregate(_first=reviews.reviewed_on.min())
    placed = _beside(_beside(rows, latest, *keys), first, "person_id")
    placed = placed.mutate(reviewed_on=ibis.coalesce(placed._latest, placed._first))
    placed = _beside(placed, reviews, "person_id", "reviewed_on")
    known = ibis.ifelse(placed._latest.notnull(), placed.rating_before, ibis.null(float))
    return placed.mutate(rating_before=known).drop("_latest", "_first", "reviewed_on")


def _said(gaps: Table, dataset: DataSet) -> Table:
    """When a gap was first acknowledged: from 90 days before it was found until it closed."""
    days = _skill_days("acknowledgements", dataset)
    since = days_before(gaps.detected_on, SAID_BEFORE_DAYS)
    own = [days.person_id == gaps.person_id, days.skill == gaps.skill, days._on >= since]
    hits = gaps.join(
        days, [*own, days._on <= gaps._until, (days._on < gaps.closed_on).fill_null(True)]
    )
    table = _beside(gaps, hits.group_by(*SPELL).aggregate(acknowledged_on=hits._on.min()), *SPELL)
    before = (table.acknowledged_on < table.detected_on).fill_null(False)
    return table.mutate(acknowledged_before=_where_recorded(before, table.detected_on, dataset))


def _where_recorded(said: Column, on: Column, dataset: DataSet) -> Column:
    """Empty where no acknowledgement of a skill by anybody was recorded before that day."""
    days = _skill_days("acknowledgements", dataset)
    began = days._on.min().execute() if "acknowledgements.skill" in dataset.filled else None
    return (
        ibis.null(bool)
        if began is None or pd.isna(began)
        else ibis.ifelse(on > began, said, ibis.null(bool))
    )


def _learned(gaps: Table, dataset: DataSet) -> Table:
    """When learning on the skill started after detection, and whether asking was autonomous or
    dependent.
    """
    done, said = _skill_days("learning", dataset), _skill_days("acknowledgements", dataset)
    inside = _during(gaps, done)
    started = inside.filter(inside._on >= inside.detected_on)
    table = _beside(
        gaps, started.group_by(*SPELL).aggregate(learning_started_on=started._on.min()), *SPELL
    )
    own = inside.filter(inside._voluntary).select(*SPELL, "_on")
    days = asking(_during(gaps, said).select(*SPELL, "_on"), own, SPELL)
    kinds = days.group_by(*SPELL).aggregate(
        autonomous=days._asked.sum(where=days._soon).fill_null(0) > 0,
        dependent=days._asked.sum(where=days._alone).fill_null(0) > 0,
    )
    asked = _beside(table, kinds, *SPELL)
    known = asked.acknowledged_on.notnull() & ("learning.skill" in dataset.filled)
    return asked.mutate(
        **{k: ibis.ifelse(known, asked[k], ibis.null(bool)) for k in ("autonomous", "dependent")}
    )


def _during(gaps: Table, days: Table) -> Table:
    """Days of the same person and skill from 90 days before detection to the day before the gap
    closed.
    """
    since = days_before(gaps.detected_on, SAID_BEFORE_DAYS)
    inside = [
        days.person_id == gaps.person_id,
        days.skill == gaps.skill,
        days._on >= since,
        days._on <= gaps._until,
    ]
    joined = gaps.join(days, [*inside, (days._on < gaps.closed_on).fill_null(True)])
    return joined.drop("person_id_right", "skill_right")


def _skill_days(name: str, dataset: DataSet) -> Table:
    """Days on which a person acknowledged, or learned on, a skill."""
    events = learning_done(dataset) if name == "learning" else dataset.tables[name]
    on = {"_on": events[DATE_OF[name]]}
    on |= {"_voluntary": ~events.is_required} if name == "learning" else {}
    return events.filter(events.skill.notnull()).select("person_id", "skill", **on).distinct()


def _mentored(gaps: Table, dataset: DataSet) -> Table:
    """Gaps with the day on which their person was first mentored, and first waited for it."""
    ties = dataset.tables["ties"]
    ties = ties.filter(ties.kind == "mentors")
    mentoring = dataset.tables["learning"].filter(ibis._.activity_type == "mentoring")
    done = mentoring.filter(mentoring.status == DONE)
    waited = mentoring.filter(mentoring.status == "waitlisted")
    by = [
        ties.group_by(person_id="to_id").aggregate(_tied=ties.tied_on.min()),
        done.group_by("person_id").aggregate(_taught=done.learned_on.min()),
        waited.group_by("person_id").aggregate(waitlisted_on=waited.learned_on.min()),
    ]
    for table in by:
        gaps = _beside(gaps, table, "person_id")
    return gaps.mutate(mentored_on=ibis.least(gaps._tied, gaps._taught)).drop("_tied", "_taught")


def _scheduled(days: Table, dataset: DataSet, reviews: Table) -> Table:
    """Scheduled assessments made while no gap was open, and whether the skill had been acknowledged
    before.
    """
    people = dataset.tables["people"]
    rows = days.filter(days._scheduled, ~days._open)
    rows = rows.anti_join(
        people, [rows.person_id == people.person_id, people.left_on < rows.assessed_on]
    )
    rows = rows.select(
        "person_id",
        "skill",
        "assessed_on",
        "required_level",
        "assessed_level",
        "self_level",
        "is_gap",
    )
    said = _skill_days("acknowledgements", dataset)
    own = [said.person_id == rows.person_id, said.skill == rows.skill, said._on < rows.assessed_on]
    hits = rows.join(said, [*own, said._on >= days_before(rows.assessed_on, SAID_BEFORE_DAYS)])
    keys = ("person_id", "skill", "assessed_on")
    rows = _beside(rows, hits.group_by(*keys).aggregate(_said=hits.count()), *keys)
    before = _where_recorded(rows._said.notnull(), rows.assessed_on, dataset)
    return (
        _placed(rows.mutate(acknowledged_before=before), "assessed_on", reviews)
        .drop("_said")
        .order_by(*keys)
    )


def _events_of(gaps: Table, name: str, dataset: DataSet) -> pd.DataFrame:
    """Days on which people with gaps acknowledged, or learned and at what cost, on any skill or
    none.
    """
    if name == "acknowledgements":
        said = dataset.tables[name].semi_join(gaps, "person_id")
        days = said.select("person_id", "skill", "acknowledged_on").distinct()
        return days.order_by(*days.columns).execute()
    events = learning_done(dataset).semi_join(gaps, "person_id")
    events = events.mutate(is_voluntary=~events.is_required)
    keys = ("person_id", "skill", "learned_on", "activity_type", "is_voluntary")
    days = events.group_by(*keys).aggregate(hours=events.hours.sum(), cost=events.cost.sum())
    return days.order_by(*keys).execute()


def _beside(rows: Table, more: Table, *keys: str) -> Table:
    """Rows with the columns of another table, empty where it has none for their keys."""
    return rows.left_join(more, list(keys)).drop(*(f"{key}_right" for key in keys))


def _status(gaps: pd.DataFrame) -> pd.Series:
    left = pd.Series("open", gaps.index, dtype="str").mask(gaps.left_on.notna(), "left")
    return left.mask(gaps.closed_on.notna(), "closed")

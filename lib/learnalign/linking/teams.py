"""Teams: for every manager's team and quarter, the share of its people who acknowledged, and
whether its leader did.

Written in Ibis; the engine does the work, and only a row per team and quarter leaves it.
"""

import datetime as dt

import ibis
import pandas as pd
from ibis.expr.types import Table

from learnalign.data.reading import DataSet
from learnalign.linking.account import beside, one_per_day, placed, prepared

VISIBLE = ("team", "public")
STARTS_WITHIN_DAYS = 14  # recording that began so soon after a quarter's start misses nothing of it
COLUMNS = ("team_id", "unit", "leader_id", "quarter", "people", "share", "leader_acknowledged")
COLUMNS += ("said", "silent")
NEEDED = {"reviews.manager_id", "acknowledgements", "acknowledgements.audience"}


def team_quarters(dataset: DataSet) -> pd.DataFrame:
    """A row per team and whole quarter: who acknowledged of its people, and whether its leader did.

    `people`, the `share` of them who acknowledged (lists: who `said`, who was `silent`),
    `leader_acknowledged` (0/1). A team is who has
    the same manager in their latest review before the quarter, or else in their first; people count
    who are employed all quarter long, and who lead no team themselves. `leader_acknowledged`: at
    least once in the quarter, visibly (to the team or in public); empty where the leader is not in
    `people`, or not there all quarter. `quarter` counts quarters since the year 0. Empty where
    managers, acknowledgements or their audience are missing.

    Misleads when reviews name a manager long after a change of team: the old leader then seems to
    lead the new one.

    >>> from learnalign.data.reading import read
    >>> rows = team_quarters(read("data/demo"))
    >>> bool(rows.share.between(0, 1).all())
    True
    """
    if made := prepared(dataset, "team_quarters"):
        return made[0]
    quarters = _quarters(dataset) if dataset.filled >= NEEDED else []
    if not quarters:
        return pd.DataFrame(columns=list(COLUMNS))
    calendar = pd.DataFrame(quarters, columns=["quarter", "_starts", "_ends"])
    calendar = ibis.memtable(calendar).cast({"_starts": "date", "_ends": "date"})
    there = _with_acknowledging(_employed(dataset, calendar), dataset, calendar).cache()
    leads = there.filter(there.leader_id.notnull()).select("quarter", person_id="leader_id")
    own = beside(there, leads.distinct().mutate(_leads=True), "person_id", "quarter")
    members = own.filter(own._leads.isnull(), own.leader_id.notnull())
    teams = members.group_by("leader_id", "quarter").aggregate(
        people=members.count(),
        share=members._said.cast("float").mean(),
        said=members.person_id.collect(where=members._said, order_by="person_id"),
        silent=members.person_id.collect(where=~members._said, order_by="person_id"),
    )
    seen = there.select(
        "quarter", leader_id="person_id", leader_acknowledged=there._seen.cast("int")
    )
    for more in (_units(members), seen):
        teams = beside(teams, more, "leader_id", "quarter")
    rows = teams.mutate(team_id=teams.leader_id).select(*COLUMNS).order_by("team_id", "quarter")
    return rows.execute().astype({"leader_acknowledged": float})


def _units(members: Table) -> Table:
    """The unit that most of a team's members are in."""
    units = members.group_by("leader_id", "quarter", "unit").aggregate(_members=members.count())
    most = ibis.window(group_by=["leader_id", "quarter"], order_by=[ibis.desc("_members"), "unit"])
    units = units.mutate(_place=ibis.row_number().over(most))
    return units.filter(units._place == 0).select("leader_id", "quarter", "unit")


def _quarters(dataset: DataSet) -> list[tuple[int, dt.date, dt.date]]:
    """Whole quarters, since acknowledgements began to be recorded and until the edition ends."""
    began = dataset.tables["acknowledgements"].acknowledged_on.min().execute()
    if pd.isna(began):
        return []
    began = pd.Timestamp(began).date()
    last = dataset.as_of.year * 4 + dataset.as_of.month // 3
    found = [(q, _first_day(q), _first_day(q + 1)) for q in range(began.year * 4, last + 1)]
    since = began - dt.timedelta(days=STARTS_WITHIN_DAYS)
    ended = dataset.as_of + dt.timedelta(days=1)
    return [(q, start, end) for q, start, end in found if start >= since and end <= ended]


def _first_day(quarter: int) -> dt.date:
    return dt.date(quarter // 4, 3 * (quarter % 4) + 1, 1)


def _employed(dataset: DataSet, calendar: Table) -> Table:
    """Everybody in every quarter that they were employed through, with unit and leader.

    Who leads them is the manager of the latest review before the quarter, else of the first; a
    leader may never be reviewed.
    """
    people = dataset.tables["people"].select("person_id", "hired_on", "left_on")
    grid = people.cross_join(calendar)
    stays = grid.left_on.isnull() | (grid.left_on >= grid._ends)
    there = grid.filter(grid.hired_on <= grid._starts, stays).drop("hired_on", "left_on")
    reviews = one_per_day(dataset)
    reviews = reviews.select("person_id", "reviewed_on", "unit", leader_id="manager_id")
    before = reviews.reviewed_on < there._starts
    return placed(there, ("person_id", "quarter"), before, reviews).drop("_latest")


def _with_acknowledging(there: Table, dataset: DataSet, calendar: Table) -> Table:
    """Whether they acknowledged in the quarter, and whether they did so visibly."""
    events = dataset.tables["acknowledgements"]
    days = events.group_by("person_id", "acknowledged_on").aggregate(
        _seen=events.audience.isin(VISIBLE).any()
    )
    on = days.acknowledged_on
    dated = days.join(calendar, [on >= calendar._starts, on < calendar._ends])
    said = dated.group_by("person_id", "quarter").aggregate(
        _seen=dated._seen.fill_null(False).any()
    )
    table = beside(there, said.mutate(_said=True), "person_id", "quarter")
    return table.mutate(_said=table._said.fill_null(False), _seen=table._seen.fill_null(False))

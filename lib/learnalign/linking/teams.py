"""Teams: for every manager's team and quarter, the share of its people who acknowledged, and
whether its leader did.

Written in Ibis; the engine does the work, and only a row per team and quarter leaves it.
"""

import datetime as dt

import ibis
import pandas as pd
from ibis.expr.types import Table

from learnalign.data.reading import DataSet
from learnalign.linking.account import prepared

VISIBLE = ("team", "public")
STARTS_WITHIN_DAYS = (
    14  # recording that began so soon after a quarter's first day misses nothing of it
)
COLUMNS = ("team_id", "unit", "leader_id", "quarter", "people", "share", "leader_acknowledged")


def team_quarters(dataset: DataSet) -> pd.DataFrame:
    """A row per team and whole quarter: `people`, the `share` of them who acknowledged,
    `leader_acknowledged` (0/1).

    A team is who has the same manager in their latest review before the quarter, or else in their
    first; people count who are employed all quarter long, and who lead no team themselves.
    `leader_acknowledged`: at least once in the quarter, visibly (to the team or in public); empty
    where the leader is not in `people`, or not there all quarter. `quarter` counts quarters since
    the year 0. Empty where managers, acknowledgements or their audience are missing.

    Misleads when reviews name a manager long after a change of team: the old leader then seems to
    lead the new one.

    >>> from learnalign.data import reading as datasets
    >>> rows = team_quarters(datasets.read("data/demo"))
    >>> bool(rows.share.between(0, 1).all()), bool((rows.groupby("team_id").quarter.nunique() > 1).any())
    (True, True)
    """
    if made := prepared(dataset, "team_quarters"):
        return made[0]
    needed = {"reviews.manager_id", "acknowledgements", "acknowledgements.audience"}
    quarters = _quarters(dataset) if needed <= dataset.filled else []
    if not quarters:
        return pd.DataFrame(columns=list(COLUMNS))
    calendar = ibis.memtable(pd.DataFrame(quarters, columns=["quarter", "_starts", "_ends"])).cast(
        {"_starts": "date", "_ends": "date"}
    )
    there = _with_acknowledging(
        _with_team(_there(dataset, calendar), dataset), dataset, calendar
    ).cache()
    leads = (
        there.filter(there.leader_id.notnull()).select(_lead="leader_id", _in="quarter").distinct()
    )
    own = there.left_join(leads, [there.person_id == leads._lead, there.quarter == leads._in])
    members = own.filter(own._lead.isnull(), own.leader_id.notnull())
    teams = members.group_by("leader_id", "quarter").aggregate(
        people=members.count(), share=members._said.cast("float").mean()
    )
    teams = teams.left_join(_units(members), ["leader_id", "quarter"]).drop(
        "leader_id_right", "quarter_right"
    )
    leaders = there.select(
        "quarter", leader_id="person_id", leader_acknowledged=there._seen.cast("int")
    )
    table = teams.left_join(leaders, ["leader_id", "quarter"]).mutate(team_id=teams.leader_id)
    rows = table.select(*COLUMNS).order_by("team_id", "quarter").execute()
    return rows.astype({"leader_acknowledged": float})


def _units(members: Table) -> Table:
    """The unit that most of a team's members are in."""
    units = members.group_by("leader_id", "quarter", "unit").aggregate(_members=members.count())
    most = ibis.window(group_by=["leader_id", "quarter"], order_by=[ibis.desc("_members"), "unit"])
    units = units.mutate(_place=ibis.row_number().over(most))
    return units.filter(units._place == 0).select("leader_id", "quarter", "unit")


def _quarters(dataset: DataSet) -> list[tuple[int, dt.date, dt.date]]:
    """Whole quarters, from when acknowledgements began to be recorded until the end of the edition."""
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


def _there(dataset: DataSet, calendar: Table) -> Table:
    """Everybody, in every quarter that they were employed through; a leader may never be reviewed."""
    people = dataset.tables["people"]
    grid = people.select("person_id", "hired_on", "left_on").cross_join(calendar)
    stays = grid.left_on.isnull() | (grid.left_on >= grid._ends)
    return grid.filter(grid.hired_on <= grid._starts, stays).drop("hired_on", "left_on")


def _with_team(there: Table, dataset: DataSet) -> Table:
    """Who leads them: the manager of the latest review before the quarter, else of the first."""
    reviews = dataset.tables["reviews"]
    same_day = ibis.window(group_by=["person_id", "reviewed_on"], order_by=ibis.desc("cycle"))
    reviews = reviews.mutate(_copy=ibis.row_number().over(same_day))
    reviews = reviews.filter(reviews._copy == 0).select(
        "person_id", "reviewed_on", "unit", leader_id="manager_id"
    )
    before = there.join(
        reviews, [there.person_id == reviews.person_id, reviews.reviewed_on < there._starts]
    )
    latest = before.group_by("person_id", "quarter").aggregate(_latest=before.reviewed_on.max())
    first = reviews.group_by("person_id").aggregate(_first=reviews.reviewed_on.min())
    table = there.left_join(latest, ["person_id", "quarter"]).drop(
        "person_id_right", "quarter_right"
    )
    table = table.left_join(first, "person_id").drop("person_id_right")
    table = table.mutate(reviewed_on=ibis.coalesce(table._latest, table._first)).drop(
        "_latest", "_first"
    )
    return table.left_join(reviews, ["person_id", "reviewed_on"]).drop(
        "person_id_right", "reviewed_on_right"
    )


def _with_acknowledging(there: Table, dataset: DataSet, calendar: Table) -> Table:
    """Whether they acknowledged in the quarter, and whether they did so visibly."""
    events = dataset.tables["acknowledgements"]
    days = events.group_by("person_id", "acknowledged_on").aggregate(
        _seen=events.audience.isin(VISIBLE).any()
    )
    dated = days.join(
        calendar, [days.acknowledged_on >= calendar._starts, days.acknowledged_on < calendar._ends]
    )
    said = dated.group_by("person_id", "quarter").aggregate(
        _seen=dated._seen.fill_null(False).any()
    )
    table = there.left_join(said.mutate(_said=True), ["person_id", "quarter"])
    table = table.drop("person_id_right", "quarter_right")
    return table.mutate(_said=table._said.fill_null(False), _seen=table._seen.fill_null(False))

"""Contents: what is in a data set, from when to when and of how many people."""

import math
from collections.abc import Mapping
from importlib.metadata import version

import pandas as pd
from ibis import _

from learnalign.data.contract import DATE_OF, PLANNED
from learnalign.data.reading import DataSet
from learnalign.estimates import leaders, limits
from learnalign.studies import Study, judged
from learnalign.verdicts.registry import phrases
from learnalign.verdicts.result import number

CONTENTS = ("table", "rows", "people", "first", "last", "at_least", "shown")
COUNTED = ("reviews",)  # of these people the number is told, of others the class
PERSON_OF = {"ties": "from_id", "surveys": None}
PACKAGES = ("learnalign", "pandas", "pyfixest", "duckdb", "ibis-framework")


@judged
def contents(study: Study) -> pd.DataFrame:
    """Rows, people, first and last month of every canonical table, as they may be shown.

    How many were reviewed is told as a number, of others the lower end of a class (`at_least`). A
    month is one by which, or from which, `min_group` people have a row; none for people: the first
    day somebody was hired is somebody's day. A survey's rows are nobody's.

    >>> import learnalign as la
    >>> contents(la.study("data/demo")).table.tolist()[:2]
    ['people', 'reviews']
    """
    dataset = study.dataset
    there = [name for name in dataset.tables if name != PLANNED or name in dataset.filled]
    return pd.DataFrame([_of_table(study, name) for name in there], dtype=object)


def _of_table(study: Study, name: str) -> dict[str, object]:
    table, day = study.dataset.tables[name], DATE_OF[name]
    row = dict.fromkeys(CONTENTS) | {"table": name, "at_least": name not in COUNTED, "shown": True}
    if (person := PERSON_OF.get(name, "person_id")) is None:
        return row | {"rows": int(table.count().execute())}
    own = table.group_by(person=table[person])
    own = own.aggregate(rows=_.count(), first=table[day].min(), last=table[day].max()).execute()
    row["rows"] = study.gate.rows("rows", own.set_index("person").rows)
    row["people"] = study.gate.people(own.person, as_class=name not in COUNTED)
    is_empty = not limits.somebody(f"rows of {name}", own.person)
    row["shown"] = is_empty or None not in (row["rows"], row["people"])
    if not row["shown"] or len(own) < study.min_group or name == "people":
        return row | ({} if row["shown"] else {"rows": None, "people": None})
    ends = (
        own["first"].nsmallest(study.min_group).max(),
        own["last"].nlargest(study.min_group).min(),
    )
    return row | dict(zip(("first", "last"), (str(end)[:7] for end in ends), strict=True))


def cycles(dataset: DataSet) -> pd.DataFrame:
    """Every review cycle in order of time: first and last day of its reviews, and how many.

    >>> from learnalign.data import reading
    >>> cycles(reading.read("data/demo")).cycle.tolist()[-2:]
    ['2025-H2', '2026-H1']
    """
    reviews = dataset.tables["reviews"]
    day = reviews.reviewed_on
    made = reviews.group_by("cycle").aggregate(
        first=day.min(), last=day.max(), reviews=reviews.count()
    )
    return made.order_by("last", "first", "cycle").execute()


def is_half_empty(cycles: pd.DataFrame, share: float) -> bool:
    """Whether the last cycle has less than `share` of the reviews of the smaller of the two before.

    Of two, since a company may review only some of its people every other time. Misleads where it
    really shrank.
    """
    *before, last = cycles.reviews
    return bool(before) and last < share * min(before[-2:])


def pace(dataset: DataSet) -> dict[str, float]:
    """How many review cycles there are, and how many months lie between two; 0 for a single one.

    >>> from learnalign.data import reading
    >>> pace(reading.read("data/demo"))
    {'cycles': 6, 'months': 6.0}
    """
    days = pd.to_datetime(cycles(dataset)["last"])
    apart = (days.max() - days.min()).days / 30.44
    months = round(apart / (len(days) - 1), 1) if len(days) > 1 else 0.0
    return {"cycles": len(days), "months": months}


def joins(study: Study) -> pd.DataFrame:
    """The share of person-cycles that carry what the questions need.

    A low share is a reason to look at the source before looking at any result: a join that fails
    for a third of the people tells of the systems, not of the people.
    """
    rows = study.cycles
    known = set(study.dataset.tables["people"].person_id.execute())
    has = {
        "a manager": rows.manager_id.notna(),
        "a manager who is in people too": rows.manager_id.isin(known),
        "one prior rating or more": rows.rating_prior_1.notna(),
        "two prior ratings": rows.rating_prior_2.notna(),
        "learning in the window": rows.activities.fillna(0) > 0,
        "an acknowledgement in the window": rows.acknowledgements.fillna(0) > 0,
        "a merit increase": rows.merit_pct.notna(),
    }
    found, few = [], study.gate.people(rows.person_id, as_class=True) is None
    for what, those in has.items():
        share = study.gate.share(f"joins: {what}", rows.person_id, those)
        found.append((what, None if few else _in_words(share, float(those.mean())), not few))
    return pd.DataFrame(found, columns=["has", "share", "shown"])


def teams(study: Study) -> pd.DataFrame:
    """How many quarters of teams there are, and of how many of them more is known.

    Counted by leader; empty without teams.
    """
    rows = leaders.leading(study.quarters)
    count = study.gate.rows("rows", rows.groupby("leader_id").size()) if len(rows) else None
    found = [("quarters of teams", count and phrases("facts")["about"].format(n=number(count)))]
    more = {
        "the leader’s quarter before is known": rows.before.notna(),
        "the leader had acknowledged visibly in it": rows.before == 1,
    }
    for what, those in more.items():
        share = study.gate.share(f"teams: {what}", rows.leader_id, those)
        found.append((what, count and _in_words(share, float(those.mean()))))
    table = pd.DataFrame(found if len(rows) else [], columns=["what", "quarters"])
    return table.assign(shown=count is not None)


def _in_words(share: float | None, exact: float) -> str:
    """A share; and on which side it is where all but a few are so, as told to whom is no secret."""
    if share is not None:
        return f"{share:.0f} %"
    return phrases("facts")["joins"][exact > 0.5]


def arrivals(dataset: DataSet) -> list[dict[str, object]]:
    """What of each imported table's rows was lost on the way, in classes of five percent that tell
    of nobody, and why that was accepted; nothing of data that were not imported.
    """
    return [
        {
            "table": one.table,
            "lost_up_to_pct": 5 * math.ceil(20 * one.lost / one.read) if one.read else 0,
            "emptied": one.emptied > 0,
            "accepted": one.accepted,
        }
        for one in dataset.meta.imported
    ]


def arrived(one: Mapping[str, object]) -> str:
    """The same of one table, in words."""
    said = phrases("facts")["arrived"]
    most = one["lost_up_to_pct"]
    parts = [said["some"].format(n=most) if most else said["none"]]
    parts += [said["emptied"]] if one["emptied"] else []
    parts += [said["accepted"].format(why=one["accepted"])] if one["accepted"] else []
    return "; ".join(parts)


def provenance(dataset: DataSet, **settings: object) -> dict[str, object]:
    """Where a notebook's figures come from: data, dates, settings and versions."""
    about = {"data": dataset.meta.title, "as_of": str(dataset.as_of), **settings}
    if lost := {one["table"]: arrived(one) for one in arrivals(dataset)}:
        about["lost on the way"] = lost
    return about | {name: version(name) for name in PACKAGES}

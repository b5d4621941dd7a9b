"""Contents: what is in a data set, from when to when and of how many people."""

from importlib.metadata import version

import pandas as pd

from learnalign.data.contract import DATE_OF
from learnalign.data.reading import DataSet
from learnalign.studies import Study

CONTENTS = ("table", "rows", "people", "first", "last")
PERSON_OF = {"ties": "from_id", "surveys": None}
PACKAGES = ("learnalign", "pandas", "pyfixest", "duckdb", "ibis-framework")


def contents(dataset: DataSet) -> pd.DataFrame:
    """Rows, people, first and last month of every canonical table; no rows where it is missing.

    Months, not days, and none for people: the first day somebody was hired is somebody's day.

    >>> from learnalign.data import reading
    >>> contents(reading.read("data/demo")).table.tolist()[:2]
    ['people', 'reviews']
    """
    rows = []
    for name, table in dataset.tables.items():
        person, day = PERSON_OF.get(name, "person_id"), DATE_OF[name]
        counted = table.aggregate(
            rows=table.count(),
            people=table[person].nunique() if person else table.count(where=False),
            first=table[day].min(),
            last=table[day].max(),
        )
        size, people, *ends = counted.execute().iloc[0]
        months = ["" if pd.isna(end) or name == "people" else str(end)[:7] for end in ends]
        rows.append((name, int(size), int(people) if person else None, *months))
    return pd.DataFrame(rows, columns=list(CONTENTS), dtype=object)


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
    """How many person-cycles carry what the questions need.

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
    found = [
        (
            what,
            int(those.sum()),
            rows[those].person_id.nunique(),
            f"{those.sum() / max(len(rows), 1):.0%}",
        )
        for what, those in has.items()
    ]
    return pd.DataFrame(found, columns=["has", "rows", "people", "share"])


def provenance(dataset: DataSet, **settings: object) -> dict[str, object]:
    """Where a notebook's figures come from: data, dates, fingerprint, settings and versions."""
    about = {"data": dataset.meta.title, "as_of": str(dataset.as_of)}
    about |= {"fingerprint": dataset.fingerprint, **settings}
    return about | {name: version(name) for name in PACKAGES}

"""Measures: facts about a data set, without inference: what is in it, from when to when, from how
many people.
"""

from importlib.metadata import version

import pandas as pd

from learnalign.data.contract import DATE_OF
from learnalign.data.reading import DataSet

CONTENTS = ("table", "rows", "people", "first", "last")
PERSON_OF = {"ties": "from_id", "surveys": None}


def contents(dataset: DataSet) -> pd.DataFrame:
    """Rows, people, first and last month of every canonical table up to `as_of`; zero rows where it
    is missing.

    Months, not days, and none for people: the first day somebody was hired is somebody's day.

    >>> from learnalign.data import reading as datasets
    >>> contents(datasets.read("data/demo")).table.tolist()[:2]
    ['people', 'reviews']
    """
    rows = []
    for name, table in dataset.tables.items():
        person, day = PERSON_OF.get(name, "person_id"), DATE_OF[name]
        facts = (
            table.aggregate(
                rows=table.count(),
                first=table[day].min(),
                last=table[day].max(),
                people=table[person].nunique() if person else table.count(where=False),
            )
            .execute()
            .iloc[0]
        )
        months = (
            "" if pd.isna(facts[end]) or name == "people" else str(facts[end])[:7]
            for end in ("first", "last")
        )
        rows.append((name, int(facts["rows"]), int(facts["people"]) if person else None, *months))
    return pd.DataFrame(rows, columns=list(CONTENTS), dtype=object)


def cycles(dataset: DataSet) -> pd.DataFrame:
    """Every review cycle up to `as_of` in the order of time: cycle, first and last day of its
    reviews, and how many.

    >>> from learnalign.data import reading as datasets
    >>> cycles(datasets.read("data/demo")).cycle.tolist()[-2:]
    ['2025-H2', '2026-H1']
    """
    reviews = dataset.tables["reviews"]
    day = reviews.reviewed_on
    made = reviews.group_by("cycle").aggregate(
        first=day.min(), last=day.max(), reviews=reviews.count()
    )
    return made.order_by("last", "first", "cycle").execute()


def is_half_empty(cycles: pd.DataFrame, share: float) -> bool:
    """Whether the last of some `cycles` holds less than `share` of the reviews of the smaller of
    the two before it.

    Of two, since a company may review only some of its people every other time. Misleads where it
    really shrank.
    """
    *before, last = cycles.reviews
    return bool(before) and last < share * min(before[-2:])


def pace(dataset: DataSet) -> dict[str, float]:
    """How many review cycles there are up to `as_of`, and how many months lie between two of them;
    0 for a single one.

    >>> from learnalign.data import reading as datasets
    >>> pace(datasets.read("data/demo"))
    {'cycles': 6, 'months': 6.0}
    """
    days = cycles(dataset)["last"]
    apart = (pd.to_datetime(days.max()) - pd.to_datetime(days.min())).days / 30.44
    return {
        "cycles": len(days),
        "months": round(apart / (len(days) - 1), 1) if len(days) > 1 else 0.0,
    }


def joins(dataset: DataSet, person_cycles: pd.DataFrame) -> pd.DataFrame:
    """How many person-cycles carry what the questions need: a manager, prior ratings, an exposure,
    a reward.

    A low share is a reason to look at the source before looking at any result: a join that fails
    for a third of the people tells of the systems, not of the people.
    """
    known = set(dataset.tables["people"].person_id.execute())
    has = {
        "a manager": person_cycles.manager_id.notna(),
        "a manager who is in people too": person_cycles.manager_id.isin(known),
        "one prior rating or more": person_cycles.rating_prior_1.notna(),
        "two prior ratings": person_cycles.rating_prior_2.notna(),
        "learning in the window": person_cycles.activities.fillna(0) > 0,
        "an acknowledgement in the window": person_cycles.acknowledgements.fillna(0) > 0,
        "a merit increase": person_cycles.merit_pct.notna(),
    }
    rows = [
        (what, int(there.sum()), person_cycles[there].person_id.nunique())
        for what, there in has.items()
    ]
    share = [f"{count / max(len(person_cycles), 1):.0%}" for _, count, _ in rows]
    return pd.DataFrame(rows, columns=["has", "rows", "people"]).assign(share=share)


def provenance(dataset: DataSet, **settings: object) -> dict[str, object]:
    """Where a notebook's figures come from: data, dates, fingerprint, settings and versions."""
    packages = {
        name: version(name)
        for name in ("learnalign", "pandas", "pyfixest", "duckdb", "ibis-framework")
    }
    return {
        "data": dataset.meta.title,
        "as_of": str(dataset.as_of),
        "fingerprint": dataset.fingerprint,
        **settings,
        **packages,
    }

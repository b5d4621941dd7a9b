"""Spending: the hours and the money that learning takes, by unit and by mode, and what of them
nobody recorded.

Costs only: what they bring is asked elsewhere. Learning counts when it was completed, by people
with a review, and for the unit of their latest one; what others learned is in linking's
`attrition`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pandas as pd

from learnalign.data.reading import DataSet
from learnalign.estimates import described
from learnalign.linking.account import latest_reviews, learning_done
from learnalign.verdicts.result import Fit

HALF_YEAR_DAYS = 365.25 / 2
DOMINANT = 0.85  # of a group's cost: from here on two people could work out each other's
COLUMNS = (
    "people",
    "managers",
    "learners",
    "hours",
    "hours_per_half_year",
    "required_share",
    "system_share",
    "cost",
    "cost_per_half_year",
    "top_two_share",
)
SUMS = (
    "activities",
    "hours",
    "required_hours",
    "system_hours",
    "known_hours",
    "cost",
    "without_hours",
    "without_cost",
)
By = Literal["unit", "mode"]
KEYS: dict[By, list[str]] = {"unit": ["unit"], "mode": ["recorded_by", "mode"]}

FACTS: tuple[tuple[str, tuple[str, ...], Callable[..., Fit | None], str, str], ...] = (
    (
        "hours that were required",
        ("hours", "is_required"),
        described.share,
        "required_hours",
        "hours",
    ),
    (
        "hours recorded by a system",
        ("hours", "recorded_by"),
        described.share,
        "system_hours",
        "known_hours",
    ),
    ("hours per person and half-year", ("hours",), described.mean, "hours", "half_years"),
    ("cost per person and half-year", ("cost",), described.mean, "cost", "half_years"),
    (
        "completed activities without recorded hours",
        ("hours",),
        described.share,
        "without_hours",
        "activities",
    ),
    (
        "completed activities without a recorded cost, or at 0",
        ("cost",),
        described.share,
        "without_cost",
        "activities",
    ),
)
"""Label, the columns of learning it needs, kind, and the two columns whose ratio it is."""


def hours_and_cost(
    dataset: DataSet, person_cycles: pd.DataFrame, *, by: By = "unit"
) -> pd.DataFrame:
    """Completed learning in hours and the data set's currency: a row per unit, or per who recorded
    it and mode.

    `people` (with their managers) are all of the unit, or of the company; `learners` those with
    such learning. Per half-year means for each of these people and each half-year employed since
    recording began. Shares run from 0 to 1, empty where their column is. Cost is empty where two
    people have 85 % of it or more (`top_two_share`).

    Misleads when formal learning, which systems record, is held against informal, which people
    report: compare modes within `recorded_by` only. Hours are those recorded, not those granted;
    people who moved bring their hours along. Hiding one unit is not enough where a total is shown.
    METHODS 2 (learning mix) and 7.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> data = datasets.read("data/demo")
    >>> found = hours_and_cost(data, linking.link(data).person_cycles, by="mode")
    >>> found[["recorded_by", "mode"]].values.tolist()
    [['self', 'informal'], ['self', 'social'], ['system', 'formal'], ['system', 'social']]
    """
    keys = KEYS[by]
    if "learning" not in dataset.filled:
        return pd.DataFrame(columns=[*keys, *COLUMNS])
    staff = _staff(dataset, person_cycles)
    staff = staff.assign(whole=staff.unit if by == "unit" else "company")
    spent = staff.merge(_spent(dataset), "left" if by == "unit" else "inner", "person_id")
    groups = spent.groupby(keys)
    found = groups[[*SUMS]].sum(min_count=1)
    for name in ("hours", "cost"):
        found[name] = found[name].mask(
            found.activities.isna() & (f"learning.{name}" in dataset.filled), 0.0
        )
    found["top_two_share"] = _top_two(spent, keys)
    found["learners"] = spent[spent.activities > 0].groupby(keys).person_id.nunique()
    size = staff.groupby("whole").agg(
        people=("person_id", "nunique"),
        managers=("manager_id", "nunique"),
        half_years=("half_years", "sum"),
    )
    found = (
        found.join(groups.whole.first())
        .join(size, on="whole")
        .fillna({"learners": 0})
        .astype({"learners": int})
    )
    found["cost"] = found.cost.mask(found.top_two_share >= DOMINANT)
    required = found.required_hours if "learning.is_required" in dataset.filled else float("nan")
    found = found.assign(
        hours_per_half_year=found.hours / found.half_years,
        cost_per_half_year=found.cost / found.half_years,
        required_share=required / found.hours,
        system_share=found.system_hours / found.known_hours,
    )
    return found.reset_index()[[*keys, *COLUMNS]]


def facts(dataset: DataSet, person_cycles: pd.DataFrame, *, level: float = 0.95) -> dict[str, Fit]:
    """What learning takes and what is not seen of it: shares in percent, hours, and cost in the
    data's currency.

    Clustered by manager, by unit where no manager is recorded. What needs a column that is empty is
    left out, and the cost where two people have most of it. How a record was kept is nobody's
    secret: the last two facts have no rarer side to protect. Misleads where informal learning is
    not recorded: it then costs nothing and takes no time. METHODS 3, Q7.
    """
    if "learning" not in dataset.filled:
        return {}
    spent = _spent(dataset).groupby("person_id")[[*SUMS]].sum()
    rows = (
        _staff(dataset, person_cycles)
        .merge(spent, "left", "person_id")
        .fillna(dict.fromkeys(SUMS, 0.0))
    )
    cluster, by = described.raters(rows)
    dominated = (_top_two(rows.assign(whole="company"), ["whole"]) >= DOMINANT).any()
    found: dict[str, Fit] = {}
    for label, needed, kind, value, of in FACTS:
        if {f"learning.{name}" for name in needed} <= dataset.filled and not (
            value == "cost" and dominated
        ):
            fit = kind(rows[value], rows.person_id, cluster, of=rows[of], by=by, level=level)
            if fit is not None:
                found[label] = (
                    replace(fit, n_people_smaller=None) if value.startswith("without") else fit
                )
    return found


PER_CLOSED = "hours of learning on its skill for one more closed gap"


def units(currency: str) -> dict[str, str]:
    """The units of `facts`, and of PER_CLOSED, that are not percent."""
    hours = dict.fromkeys(("hours per person and half-year", PER_CLOSED), "hours")
    return hours | {"cost per person and half-year": currency}


def told(rows: pd.DataFrame) -> pd.DataFrame:
    """`hours_and_cost` as a table to read: per person and half-year, without totals, shares in
    percent.
    """
    names = {
        "recorded_by": "recorded by",
        "hours_per_half_year": "hours per person and half-year",
        "cost_per_half_year": "cost per person and half-year",
    }
    kept = [
        name for name in ("unit", "recorded_by", "mode", "people", *names, "shown") if name in rows
    ]
    percent = pd.to_numeric(rows.required_share).mul(100).round(0)
    table = rows[list(dict.fromkeys(kept))].assign(**{"of it required (%)": percent})
    for name in ("hours_per_half_year", "cost_per_half_year"):
        table[name] = pd.to_numeric(table[name]).round(1)
    return table.rename(columns=names)


def merit_as_cost(person_cycles: pd.DataFrame, *, level: float = 0.95) -> dict[str, Fit]:
    """The mean merit given beyond the matrix's target, per person and cycle, in percentage points
    of base pay.

    Merit is a cost, or a transfer between people, never a benefit of learning: counted as one, ROI
    has the wrong sign. Below 0 where managers gave less. Empty where no merit has a target.
    Misleads where the budget is fixed: it is then about 0 whatever managers do. METHODS 0, decision
    11.

    >>> cycles = pd.DataFrame({"merit_gap_pct": [0.5, -0.25, 0.5], "person_id": list("abc"), "unit": "north",
    ...                        "manager_id": list("xyx")})
    >>> merit_as_cost(cycles)["merit beyond what the matrix aims at"].estimate
    0.25
    """
    cluster, by = described.raters(person_cycles)
    fit = described.mean(
        person_cycles.merit_gap_pct, person_cycles.person_id, cluster, by=by, level=level
    )
    return {"merit beyond what the matrix aims at": fit} if fit else {}


def _staff(dataset: DataSet, person_cycles: pd.DataFrame) -> pd.DataFrame:
    """A row per person with a review: unit and manager of the latest, and half-years employed since
    recording began.
    """
    latest = latest_reviews(person_cycles)
    began = pd.Timestamp(dataset.tables["learning"].learned_on.min().execute())
    end = (
        pd.to_datetime(latest.left_on)
        .fillna(pd.Timestamp(dataset.as_of))
        .clip(upper=pd.Timestamp(dataset.as_of))
    )
    days = (end - pd.to_datetime(latest.hired_on).clip(lower=began)).dt.days + 1
    staff = latest[["person_id", "unit", "manager_id"]]
    return staff.assign(half_years=days.clip(lower=0) / HALF_YEAR_DAYS)


def _spent(dataset: DataSet) -> pd.DataFrame:
    """Completed learning by person, recorder and mode: the events are added up in the engine."""
    rows = learning_done(dataset)
    rows = rows.mutate(recorded_by=rows.recorded_by.fill_null("not recorded"))
    said, by_system = rows.recorded_by != "not recorded", rows.recorded_by == "system"
    return (
        rows.group_by("person_id", "recorded_by", "mode")
        .aggregate(
            activities=rows.count(),
            hours=rows.hours.sum(),
            cost=rows.cost.sum(),
            required_hours=rows.hours.sum(where=rows.is_required).fill_null(0),
            system_hours=rows.hours.sum(where=by_system).fill_null(0),
            known_hours=rows.hours.sum(where=said).fill_null(0),
            without_hours=rows.count(where=rows.hours.isnull()),
            without_cost=rows.count(where=rows.cost.fill_null(0) == 0),
        )
        .execute()
    )


def _top_two(rows: pd.DataFrame, keys: list[str]) -> pd.Series:
    """The share of each group's cost that its two most expensive people have; empty where nothing
    was spent.
    """
    person = rows.groupby([*keys, "person_id"]).cost.sum()
    return (
        person.sort_values().groupby(level=keys).tail(2).groupby(level=keys).sum()
        / person.groupby(level=keys).sum()
    )

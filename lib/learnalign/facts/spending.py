"""Spending: the hours and the money that learning takes, by unit and by mode.

Costs only: what they bring is asked elsewhere. Learning counts when it was completed, by people
with a review, and for the unit of their latest one; linking's `attrition` has the rest.
"""

from typing import Literal

import pandas as pd

from learnalign.data.reading import DataSet
from learnalign.estimates import described
from learnalign.linking.account import latest_reviews, learning_done
from learnalign.studies import Study

HALF_YEAR_DAYS = 365.25 / 2
DOMINANT = 0.85  # of a group's cost: from here on two people could work out each other's
AMOUNTS = ("hours", "hours_per_half_year", "required_share", "system_share", "cost")
COLUMNS = ("people", "managers", "learners", *AMOUNTS, "cost_per_half_year", "top_two_share")
NEEDS = {
    "activities": set(),
    "hours": {"hours"},
    "required_hours": {"hours", "is_required"},
    "system_hours": {"hours", "recorded_by"},
    "known_hours": {"hours", "recorded_by"},  # those of which it is recorded who recorded them
    "cost": {"cost"},
    "without_hours": {"hours"},
    "without_cost": {"cost"},
}
"""What is added up, and the columns of learning without which it is not known."""

By = Literal["unit", "mode"]
KEYS: dict[By, list[str]] = {"unit": ["unit"], "mode": ["recorded_by", "mode"]}


def hours_and_cost(study: Study, by: By = "unit") -> pd.DataFrame:
    """Completed learning in hours and the data's currency: a row per unit, or recorder and mode.

    `people` (with their managers) are all of the unit, or of the company; `learners` those with
    such learning. Per half-year means for each of these people and each half-year employed since
    recording began. Shares run from 0 to 1, empty where their column is. Cost is empty where two
    people have 85 % of it or more (`top_two_share`).

    Misleads when formal learning, which systems record, is held against informal, which people
    report: compare modes within `recorded_by` only. Hours are those recorded, not those granted;
    people who moved bring theirs along. Beside a total, hiding one unit is not enough. METHODS 2.

    >>> import learnalign as la
    >>> found = hours_and_cost(la.study("data/demo"), "mode")
    >>> found[["recorded_by", "mode"]].values.tolist()
    [['self', 'informal'], ['self', 'social'], ['system', 'formal'], ['system', 'social']]
    """
    keys = KEYS[by]
    if "learning" not in study.dataset.filled:
        return pd.DataFrame(columns=[*keys, *COLUMNS])
    staff = _staff(study)
    staff = staff.assign(whole=staff.unit if by == "unit" else "company")
    spent = staff.merge(_spent(study.dataset), "left" if by == "unit" else "inner", "person_id")
    groups, learned = spent.groupby(keys), spent[spent.activities > 0]
    size = staff.groupby("whole").agg(
        people=("person_id", "nunique"),
        managers=("manager_id", "nunique"),
        half_years=("half_years", "sum"),
    )
    found = groups[[*NEEDS]].sum(min_count=1).join(groups.whole.first()).join(size, on="whole")
    known, top_two = _known(study.dataset), _top_two(spent, keys)
    for name in {"hours", "cost"} & known:  # of a unit in which nobody learned
        found[name] = found[name].mask(found.activities.isna(), 0.0)
    cost = found.cost.mask(top_two >= DOMINANT)
    required = found.required_hours if "required_hours" in known else float("nan")
    found = found.assign(
        learners=learned.groupby(keys).person_id.nunique().reindex(found.index, fill_value=0),
        hours_per_half_year=found.hours / found.half_years,
        required_share=required / found.hours,
        system_share=found.system_hours / found.known_hours,
        cost=cost,
        cost_per_half_year=cost / found.half_years,
        top_two_share=top_two,
    )
    return found.reset_index()[[*keys, *COLUMNS]]


def per_person(study: Study) -> pd.DataFrame:
    """What each person's completed learning took: the rows of which `facts.yml` tells sums only.

    `half_years` employed since recording began, and the sums of NEEDS, 0 for who learned nothing;
    empty where what a sum needs is not recorded, and the cost where two people have most of it.
    Misleads where informal learning is not recorded: it then takes nothing. METHODS 3, Q7.
    """
    rows = _staff(study)
    if "learning" not in study.dataset.filled:
        return rows.head(0).assign(**dict.fromkeys(NEEDS, 0.0))
    spent = _spent(study.dataset).groupby("person_id")[[*NEEDS]].sum()
    rows = rows.merge(spent, "left", "person_id").fillna(dict.fromkeys(NEEDS, 0.0))
    dominated = (_top_two(rows.assign(whole="company"), ["whole"]) >= DOMINANT).any()
    unknown = set(NEEDS) - _known(study.dataset) | ({"cost"} if dominated else set())
    return rows.assign(**dict.fromkeys(unknown, float("nan")))


def _known(dataset: DataSet) -> set[str]:
    """Which of NEEDS are known in these data."""
    return {n for n, needed in NEEDS.items() if {f"learning.{c}" for c in needed} <= dataset.filled}


def _staff(study: Study) -> pd.DataFrame:
    """A row per person with a review: latest unit and manager, half-years since recording began."""
    latest, as_of = latest_reviews(study.cycles), pd.Timestamp(study.dataset.as_of)
    began = pd.Timestamp(study.dataset.tables["learning"].learned_on.min().execute())
    end = pd.to_datetime(latest.left_on).fillna(as_of).clip(upper=as_of)
    days = (end - pd.to_datetime(latest.hired_on).clip(lower=began)).dt.days + 1
    return latest[[*described.OWNERS]].assign(half_years=days.clip(lower=0) / HALF_YEAR_DAYS)


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
    """The share of each group's cost that two people have; empty where nothing was spent."""
    person = rows.groupby([*keys, "person_id"]).cost.sum().sort_values()
    two = person.groupby(level=keys).tail(2).groupby(level=keys).sum()
    return two / person.groupby(level=keys).sum()

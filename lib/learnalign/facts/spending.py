"""Spending: the hours and the money that learning takes, by unit and by mode.

Costs only: what they bring is asked elsewhere. Learning counts when it was completed, by people
with a review, and for the unit of their latest one; linking's `attrition` has the rest.
"""

from typing import Literal

import pandas as pd
from ibis.expr.types import Table, Value

from learnalign.data.reading import DataSet
from learnalign.estimates import described
from learnalign.linking.account import latest_reviews, learning_done
from learnalign.studies import Study
from learnalign.verdicts.result import Fit, number, spread

HALF_YEAR_DAYS = 365.25 / 2
FIGURES = {
    "hours_per_half_year": (described.mean, "hours", "half_years"),
    "cost_per_half_year": (described.mean, "cost", "half_years"),
    "required_pct": (described.share, "required_hours", "hours"),
}
COLUMNS = ("people", *FIGURES, "shown")
NEEDS = {
    "activities": set(),
    "hours": {"hours"},
    "required_hours": {"hours", "is_required"},
    "formal_hours": {"hours"},
    "informal_hours": {"hours"},
    "social_hours": {"hours"},
    "system_hours": {"hours", "recorded_by"},
    "known_hours": {"hours", "recorded_by"},  # those of which it is recorded who recorded them
    "cost": {"cost"},
    "without_hours": {"hours"},
    "without_cost": {"cost"},
}
"""What is added up, and the columns of learning without which it is not known."""

MODES = ("formal", "informal", "social")
By = Literal["unit", "mode"]
KEYS: dict[By, list[str]] = {"unit": ["unit"], "mode": ["recorded_by", "mode"]}


def hours_and_cost(study: Study, by: By = "unit") -> pd.DataFrame:
    """Completed learning in hours and the data's currency: a row per unit, or recorder and mode.

    As they may be shown: `people` are all of the unit, or of the company, as the lower end of their
    class; FIGURES are means for each of these people and each half-year employed since recording
    began, and the share of hours that was required, each with its likely range; empty where it is
    not recorded.

    Misleads when formal learning, which systems record, is held against informal, which people
    report: compare modes within `recorded_by` only. Hours are those recorded, not those granted;
    people who moved bring theirs along. METHODS 2.

    >>> import learnalign as la
    >>> found = hours_and_cost(la.study("data/demo"), "mode")
    >>> found[["recorded_by", "mode"]].values.tolist()
    [['self', 'informal'], ['self', 'social'], ['system', 'formal'], ['system', 'social']]
    """
    rows, keys = spent(study, by), KEYS[by]
    if not len(rows):
        return pd.DataFrame(columns=[*keys, *COLUMNS])
    cluster, rater = described.raters(rows)
    groups, columns = rows.assign(cluster=cluster).groupby(keys), {}
    for name, (kind, column, of) in FIGURES.items():
        if not rows[column].notna().any():
            columns[name] = {}
            continue
        fits = {
            key: kind(part[column], part.person_id, part.cluster, of=part[of], by=rater)
            for key, part in groups
        }
        named = {"|".join(key): fit for key, fit in fits.items() if fit is not None}
        parts = [[*named]] if by == "unit" else ()
        shown = study.gate.fits(f"spending by {by}, {name}", named, parts)
        columns[name] = {key: _in_words(shown.get("|".join(key))) for key in fits}
    people = {key: study.gate.people(part.person_id, as_class=True) for key, part in groups}
    found = pd.DataFrame({"people": people, **columns}, dtype=object).rename_axis(keys)
    known = [name for name, column in columns.items() if column]
    shown = found[["people", *known]].notna().all(axis=1)
    return found.assign(shown=shown).reset_index().reindex(columns=[*keys, *COLUMNS])


def _in_words(fit: Fit | None) -> str | None:
    """A figure and its likely range, which is never below nothing."""
    return fit and f"{number(fit.estimate)} ({spread(max(fit.low, 0.0), fit.high)})"


def spent(study: Study, by: By = "unit") -> pd.DataFrame:
    """What the learning of each person took, 0 for who did none of it: rows to be counted only.

    A row per person, or person, recorder and mode: those of `per_person`, and KEYS. Misleads as
    that does.
    """
    rows, keys = per_person(study), KEYS[by]
    if by == "unit" or not len(rows):
        return rows.reindex(columns=[*rows, *(one for one in keys if one not in rows)])
    each = _spent(study.dataset)
    all_of = rows[[*described.OWNERS, "half_years"]].merge(each[keys].drop_duplicates(), "cross")
    all_of = all_of.merge(each, "left", ["person_id", *keys])
    return all_of.fillna(dict.fromkeys(_known(study.dataset) & {*all_of}, 0.0))


def per_person(study: Study) -> pd.DataFrame:
    """What each person's completed learning took: the rows of which `facts.yml` tells sums only.

    `half_years` employed since recording began, and the sums of NEEDS, 0 for who learned nothing;
    empty where what a sum needs is not recorded. Misleads where informal learning is not recorded:
    it then takes nothing. METHODS 3, Q7.
    """
    if "learning" not in study.dataset.filled:
        columns = [*described.OWNERS, "half_years"]
        return study.cycles.head(0).reindex(columns=columns).assign(**dict.fromkeys(NEEDS, 0.0))
    each = _spent(study.dataset).groupby("person_id")[[*NEEDS]].sum()
    rows = _staff(study).merge(each, "left", "person_id").fillna(dict.fromkeys(NEEDS, 0.0))
    return rows.assign(**dict.fromkeys(set(NEEDS) - _known(study.dataset), float("nan")))


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


def _hours(rows: Table, mode: str) -> Value:
    return rows.hours.sum(where=rows["mode"] == mode).fill_null(0)


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
            **{f"{one}_hours": _hours(rows, one) for one in MODES},
            system_hours=rows.hours.sum(where=by_system).fill_null(0),
            known_hours=rows.hours.sum(where=said).fill_null(0),
            without_hours=rows.count(where=rows.hours.isnull()),
            without_cost=rows.count(where=rows.cost.fill_null(0) == 0),
        )
        .execute()
    )

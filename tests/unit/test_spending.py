"""Spending: hours and cost on timelines drawn as tables, and what of them is not seen.

The file takes about three seconds.
"""

import re

import numpy as np
import pandas as pd
import pytest
from tests.parts import OPEN, study_of

from learnalign.data import reading
from learnalign.estimates import described
from learnalign.facts import ratios, spending
from learnalign.privacy.gate import Gate
from learnalign.privacy.rule import Rule

PEOPLE = """
    person_id  hired_on    left_on
    ana        2020-01-01  -
    ben        2020-01-01  2024-07-01
    cem        2024-07-01  -
    dee        2020-01-01  -
    eva        2020-01-01  -
"""
REVIEWS = """
    person_id  cycle    reviewed_on  rating  unit  manager_id
    ana        2023-H2  2024-01-01   3       it    mia
    ana        2024-H1  2024-06-30   1       ops   mia
    ben        2024-H1  2024-06-30   3       ops   max
    cem        2024-H2  2024-12-01   3       ops   mia
    dee        2024-H1  2024-06-30   2       it    max
"""
LEARNING = """
    person_id  learned_on  activity_type  mode      hours  cost  is_required  recorded_by  status
    ana        2024-01-01  course         -         10     600   true         system       -
    ana        2024-03-01  reading        -         2      -     false        self         completed
    ana        2024-03-02  reading        formal    -      200   false        system       completed
    ben        2024-02-01  mentoring      -         4      100   false        system       completed
    ben        2024-02-02  course         -         99     99    false        system       waitlisted
    cem        2024-08-01  reflection     -         4      100   -            -            completed
    eva        2024-08-01  course         -         50     500   false        system       completed
"""


def read(drawn, learning=LEARNING, reviews=REVIEWS, **more):
    data = reading.read(drawn(people=PEOPLE, reviews=reviews, learning=learning), **more)
    return study_of(data, cycles_of(data), gate=OPEN)


def cycles_of(data):
    """What spending takes from a person-cycle, without the work of linking."""
    reviews = data.tables["reviews"].execute()
    people = data.tables["people"].execute()
    return reviews.merge(people, on="person_id").assign(merit_gap_pct=np.nan)


def facts(study):
    rows = {"spending": spending.per_person(study)}
    return ratios.counted(ratios.read()["spending"], rows).fits


def merit_as_cost(cycles):
    return ratios.counted(ratios.read()["merit_as_cost"], {"person_cycles": cycles}).fits


NEEDED = {
    "hours that were required": {"hours", "is_required"},
    "hours of formal learning": {"hours"},  # a mode that is not recorded follows from the type
    "hours of informal learning": {"hours"},
    "hours of social learning": {"hours"},
    "hours recorded by a system": {"hours", "recorded_by"},
    "hours per person and half-year": {"hours"},
    "cost per person and half-year": {"cost"},
    "completed activities without recorded hours": {"hours"},
    "completed activities without a recorded cost, or at 0": {"cost"},
}
"""The columns of learning without which a fact is not known."""


def sums(study, by="unit"):
    """What people of each group took, added up."""
    rows, keys = spending.spent(study, by), spending.KEYS[by]
    return rows.groupby(keys)[[*spending.NEEDS, "half_years"]].sum()


def test_hours_and_cost_by_the_unit_of_the_latest_review(drawn):
    study = read(drawn)
    ops, it = sums(study).loc["ops"], sums(study).loc["it"]
    # ana brings her hours along; eva has no review
    assert (ops.hours, ops.required_hours, ops.cost) == (20, 10, 1000)
    # of the hours of which it is known who recorded them
    assert ops.system_hours / ops.known_hours == pytest.approx(14 / 16)
    # ana all of 2024, ben until 1 July and cem from then on: about four half-years
    assert ops.hours / ops.half_years == pytest.approx(20 / 4, rel=0.01)
    assert (it.hours, it.cost) == (0, 0)  # nobody learned: 0, as hours are recorded
    found = spending.hours_and_cost(study).set_index("unit")
    assert list(found) == list(spending.COLUMNS)
    assert found.people.to_dict() == {"it": 1, "ops": 3}
    assert found.hours_per_half_year["ops"].startswith("5.0 (0.00 to ")
    assert found.required_pct["ops"].startswith("50.0 (")


def test_by_mode_within_who_recorded_it(drawn):
    study = read(drawn)
    assert sums(study, "mode").hours.to_dict() == {
        ("not recorded", "informal"): 4,
        ("self", "informal"): 2,
        ("system", "formal"): 10,
        ("system", "social"): 4,
    }
    found = spending.hours_and_cost(study, "mode")
    assert set(found.people) == {4}  # all of the company, who learned so or not


def test_a_mean_that_two_people_make_up_is_hidden():
    n = 40
    rows = pd.DataFrame(
        {
            "person_id": [f"p{i}" for i in range(n)],
            "manager_id": [f"m{i % 8}" for i in range(n)],
            "unit": np.where(np.arange(n) < 20, "ops", "lab"),
            "half_years": 1.0,
            "hours": np.arange(n) % 7 + 1.0,
            "required_hours": 1.0,
            "cost": np.where(np.arange(n) < 2, 5000.0, 10.0),
        }
    )
    fit = described.mean(rows.cost[:20], rows.person_id[:20], rows.manager_id[:20])
    assert fit.is_dominated and Gate(Rule(10)).fit("cost", fit) is None


def test_facts_and_what_is_not_seen(drawn):
    found = facts(read(drawn))
    assert {label: round(fit.estimate, 1) for label, fit in found.items()} == {
        "hours that were required": 50.0,
        "hours of formal learning": 50.0,
        "hours of informal learning": 30.0,
        "hours of social learning": 20.0,
        "hours recorded by a system": 87.5,
        "hours per person and half-year": 3.3,
        "cost per person and half-year": 166.2,
        "completed activities without recorded hours": 20.0,
        "completed activities without a recorded cost, or at 0": 20.0,
    }
    assert found["cost per person and half-year"].is_dominated  # by two of them
    assert found["hours per person and half-year"].n_people == 4  # dee, without any, too
    assert found["hours that were required"].n_people_smaller == 1
    assert found["completed activities without recorded hours"].n_people_smaller is None
    assert {fit.design for fit in found.values()} == {"described"}


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["hours", "cost", "is_required", "recorded_by", "mode", "status"])
def test_a_missing_column_is_left_out_and_never_counted_as_nothing(drawn, gone):
    lines = [line.split() for line in LEARNING.strip().splitlines()]
    at = lines[0].index(gone)
    text = "\n".join(" ".join(line[:at] + line[at + 1 :]) for line in lines)
    study = read(drawn, text)
    found = facts(study)
    known = {label for label, needed in NEEDED.items() if gone not in needed}
    assert set(found) == known
    table = spending.hours_and_cost(study)
    empty = {
        "hours": ["hours_per_half_year", "required_pct"],
        "cost": ["cost_per_half_year"],
        "is_required": ["required_pct"],
    }.get(gone, [])
    assert table[empty].isna().all(axis=None)
    assert gone == "hours" or table.hours_per_half_year.notna().any()
    assert spending.hours_and_cost(study, by="mode").people.eq(4).all()


@pytest.mark.slow
def test_without_learning_or_managers(drawn):
    data = reading.read(drawn(people=PEOPLE, reviews=REVIEWS))
    study = study_of(data, cycles_of(data))
    assert facts(study) == {} and spending.hours_and_cost(study).empty
    assert merit_as_cost(study.cycles) == {}
    alone = "\n".join(line.rsplit(maxsplit=1)[0] for line in REVIEWS.strip().splitlines())
    found = facts(read(drawn, reviews=alone))
    assert found["hours per person and half-year"].method == "mean, clustered by unit"


@pytest.mark.slow
def test_nothing_after_as_of_counts(drawn):
    study = read(drawn, as_of="2024-06-30")
    assert sums(study).hours["ops"] == 16
    assert spending.hours_and_cost(study).set_index("unit").people["ops"] == 2


def test_merit_beyond_its_target_is_counted_for_every_cycle():
    """
    ana  +0.5 -0.5    ben  +1.0    cem  no target
    """
    cycles = pd.DataFrame(
        {
            "person_id": ["ana", "ana", "ben", "cem"],
            "manager_id": ["mia", "mia", "max", "max"],
            "unit": "ops",
            "merit_gap_pct": [0.5, -0.5, 1.0, np.nan],
        }
    )
    found = merit_as_cost(cycles)["merit beyond what the matrix aims at"]
    assert found.estimate == pytest.approx(1 / 3) and (found.n_rows, found.n_people) == (3, 2)


@pytest.mark.slow
@pytest.mark.property
def test_names_and_row_order_do_not_matter_and_modes_add_up_to_the_company(drawn):
    study = read(drawn)
    names = {"ana": "zoe", "ben": "abe", "cem": "kim", "dee": "bob"}
    turned = {}
    for name, text in {"people": PEOPLE, "learning": LEARNING, "reviews": REVIEWS}.items():
        head, *rows = text.strip().splitlines()
        turned[name] = "\n".join(
            [head, *(re.sub(r"\w+", lambda w: names.get(w[0], w[0]), row) for row in rows[::-1])]
        )
    other = reading.read(drawn(**turned))
    renamed = study_of(other, cycles_of(other).sample(frac=1, random_state=2), gate=OPEN)
    for by in ("unit", "mode"):
        pd.testing.assert_frame_equal(
            spending.hours_and_cost(study, by=by), spending.hours_and_cost(renamed, by=by)
        )
    one, two = facts(study), facts(renamed)
    assert one.keys() == two.keys()
    for fit, same in zip(one.values(), two.values(), strict=True):
        assert (fit.estimate, fit.low, fit.high) == pytest.approx(
            (same.estimate, same.low, same.high)
        )
    assert sums(study).hours.sum() == sums(study, "mode").hours.sum() == 20

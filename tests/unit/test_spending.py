"""Spending: hours and cost on timelines drawn as tables, and what of them is not seen.

The file takes about three seconds.
"""

import re

import numpy as np
import pandas as pd
import pytest
from tests.parts import study_of

from learnalign.data import reading
from learnalign.facts import ratios, spending

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
    return study_of(data, cycles_of(data))


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
    "hours recorded by a system": {"hours", "recorded_by"},
    "hours per person and half-year": {"hours"},
    "cost per person and half-year": {"cost"},
    "completed activities without recorded hours": {"hours"},
    "completed activities without a recorded cost, or at 0": {"cost"},
}
"""The columns of learning without which a fact is not known."""


def test_hours_and_cost_by_the_unit_of_the_latest_review(drawn):
    found = spending.hours_and_cost(read(drawn)).set_index("unit")
    assert list(found.columns) == list(spending.COLUMNS)
    ops, it = found.loc["ops"], found.loc["it"]
    assert (ops.people, ops.managers, ops.learners) == (
        3,
        2,
        3,
    )  # ana brings her hours along; eva has no review
    assert (ops.hours, ops.required_share) == (20, 0.5)
    assert ops.system_share == pytest.approx(
        14 / 16
    )  # of the hours of which it is known who recorded them
    # ana all of 2024, ben until 1 July and cem from then on: about four half-years
    assert ops.hours_per_half_year == pytest.approx(20 / 4, rel=0.01)
    assert (it.people, it.learners, it.hours, it.cost) == (
        1,
        0,
        0,
        0,
    )  # nobody learned: 0, as hours are recorded
    assert pd.isna(it[["required_share", "top_two_share"]]).all()


def test_cost_is_blank_where_two_people_have_most_of_it(drawn):
    """
    ops: ana 600 + 200, ben 100, cem 100: two of them have 900 of 1000
    """
    found = spending.hours_and_cost(read(drawn)).set_index("unit")
    assert found.top_two_share["ops"] == pytest.approx(0.9)
    assert (
        pd.isna(found.loc["ops", ["cost", "cost_per_half_year"]]).all() and found.hours["ops"] == 20
    )
    even = LEARNING.replace("600", "300").replace("200 ", "0   ")
    found = spending.hours_and_cost(read(drawn, even)).set_index("unit")
    assert found.cost["ops"] == 500 and found.top_two_share["ops"] == pytest.approx(0.8)


def test_by_mode_within_who_recorded_it(drawn):
    found = spending.hours_and_cost(read(drawn), by="mode").set_index(["recorded_by", "mode"])
    assert found.hours.to_dict() == {
        ("not recorded", "informal"): 4,
        ("self", "informal"): 2,
        ("system", "formal"): 10,
        ("system", "social"): 4,
    }
    assert (
        found.learners.tolist() == [1, 1, 1, 1]
        and set(found.people) == {4}
        and set(found.managers) == {2}
    )
    assert found.required_share.tolist() == [0, 0, 1, 0]


def test_facts_and_what_is_not_seen(drawn):
    found = facts(read(drawn))
    assert {label: round(fit.estimate, 1) for label, fit in found.items()} == {
        "hours that were required": 50.0,
        "hours recorded by a system": 87.5,
        "hours per person and half-year": 3.3,
        "completed activities without recorded hours": 20.0,
        "completed activities without a recorded cost, or at 0": 20.0,
    }  # no cost per person: two of them have 85 % of it or more
    assert found["hours per person and half-year"].n_people == 4  # dee, without any, too
    assert found["hours that were required"].n_people_smaller == 1
    assert found["completed activities without recorded hours"].n_people_smaller is None
    assert {fit.design for fit in found.values()} == {"described"}


@pytest.mark.parametrize("gone", ["hours", "cost", "is_required", "recorded_by", "mode", "status"])
def test_a_missing_column_is_left_out_and_never_counted_as_nothing(drawn, gone):
    lines = [line.split() for line in LEARNING.strip().splitlines()]
    at = lines[0].index(gone)
    text = "\n".join(" ".join(line[:at] + line[at + 1 :]) for line in lines)
    study = read(drawn, text)
    found = facts(study)
    known = {label for label, needed in NEEDED.items() if gone not in needed}
    assert set(found) == known - {"cost per person and half-year"}  # two people have most of it
    table = spending.hours_and_cost(study)
    empty = {
        "hours": ["hours", "required_share", "system_share"],
        "cost": ["cost", "top_two_share"],
        "is_required": ["required_share"],
        "recorded_by": ["system_share"],
    }.get(gone, [])
    assert table[empty].isna().all(axis=None) and (gone == "hours" or (table.hours.notna()).all())
    assert spending.hours_and_cost(study, by="mode").people.eq(4).all()


def test_without_learning_or_managers(drawn):
    data = reading.read(drawn(people=PEOPLE, reviews=REVIEWS))
    study = study_of(data, cycles_of(data))
    assert facts(study) == {} and spending.hours_and_cost(study).empty
    assert merit_as_cost(study.cycles) == {}
    alone = "\n".join(line.rsplit(maxsplit=1)[0] for line in REVIEWS.strip().splitlines())
    found = facts(read(drawn, reviews=alone))
    assert found["hours per person and half-year"].method == "mean, clustered by unit"


def test_nothing_after_as_of_counts(drawn):
    found = spending.hours_and_cost(read(drawn, as_of="2024-06-30")).set_index("unit")
    assert (found.people["ops"], found.hours["ops"]) == (2, 16)


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
    renamed = study_of(other, cycles_of(other).sample(frac=1, random_state=2))
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
    assert (
        spending.hours_and_cost(study).hours.sum()
        == spending.hours_and_cost(study, by="mode").hours.sum()
    )

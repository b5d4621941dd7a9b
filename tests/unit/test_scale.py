"""Which end of the rating scale is good: said, turned round, or refused in words that mend it."""

from dataclasses import replace

import pandas as pd
import pytest

from learnalign.data.contract import Meta
from learnalign.data.mistakes import DataError
from learnalign.linking import scale, windows
from northbank import tables


@pytest.fixture(scope="module")
def bank():
    return tables.northbank(people=400, cycles=3, seed=4)


def turned(bank, cycles=None, **meta):
    """The same bank with ratings of all cycles, or some, and its matrix upside down."""
    reviews = bank.tables["reviews"]
    these = reviews.cycle.isin(cycles if cycles is not None else reviews.cycle.unique())
    other = {
        **bank.tables,
        "reviews": reviews.assign(rating=reviews.rating.mask(these, 6 - reviews.rating)),
    }
    made = tables.dataset(replace(bank, tables=other))
    update = dict(meta)
    if cycles is None:
        cells = (
            one.model_copy(update={"rating": 6 - one.rating}) for one in made.meta.merit_matrix
        )
        update["merit_matrix"] = tuple(cells)
    return replace(made, meta=made.meta.model_copy(update=update))


@pytest.mark.slow
def test_a_scale_upside_down_is_refused_in_words_that_mend_it(bank):
    cycles = sorted(bank.tables["reviews"].cycle.unique())
    with pytest.raises(DataError) as caught:
        windows.link(turned(bank))
    told = [str(one) for one in caught.value.problems]
    assert len(told) == len(cycles)
    assert f"reviews.rating: seem to run the other way in {cycles[0]}: where ratings are" in told[0]
    assert "merit is lower" in told[0] and "`best: low`" in told[0]


@pytest.mark.slow
def test_said_to_be_low_it_gives_what_the_upright_bank_gives(bank):
    upright = windows.link(tables.dataset(bank)).person_cycles
    low = windows.link(turned(bank, best="low")).person_cycles
    pd.testing.assert_frame_equal(low, upright)


@pytest.mark.slow
def test_some_cycles_turned_are_refused_by_name_whatever_is_said(bank):
    last = sorted(bank.tables["reviews"].cycle.unique())[-1]
    with pytest.raises(DataError) as caught:
        windows.link(turned(bank, [last], best="high"))
    (problem,) = caught.value.problems
    assert last in problem.problem and "in their cycle before" in problem.problem


def test_a_few_people_prove_nothing_and_a_company_that_says_high_is_believed():
    meta = Meta(title="x", as_of="2025-12-31", rating_scale=[1, 2, 3, 4, 5])
    rows = pd.DataFrame({"cycle": "2025", "grade": None, "rating": [1.0, 2, 3, 4, 5] * 40})
    rows = rows.assign(merit_target_pct=None, merit_pct=5 - rows.rating, rating_prior_1=None)
    assert len(scale.problems(rows, meta)) == 1
    assert not scale.problems(rows.head(8), meta)
    assert not scale.problems(rows, meta.model_copy(update={"best": "high"}))


def test_grades_paid_otherwise_are_no_sign():
    """The higher grade is rated higher and gets less merit: within grades they go together."""
    low = pd.DataFrame({"grade": "a", "rating": [1.0, 2] * 100, "merit_pct": [3.0, 4] * 100})
    high = pd.DataFrame({"grade": "b", "rating": [4.0, 5] * 100, "merit_pct": [1.0, 2] * 100})
    rows = pd.concat([low, high]).assign(cycle="c", merit_target_pct=None, rating_prior_1=None)
    meta = Meta(title="x", as_of="2025-12-31", rating_scale=[1, 2, 3, 4, 5])
    assert not scale.problems(rows, meta)
    assert scale.problems(rows.assign(grade="all"), meta)

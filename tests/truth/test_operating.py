"""What comes out in the end, over companies whose truth is declared: the whole road, from draws to
verdicts.

The full count is `tests/benchmarks/truth.md` (`make truth`); here is enough of it to see that it
still holds.
"""

import importlib.util
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.truth
MEASURES = 5


@pytest.fixture(scope="module")
def study():
    path = Path(__file__).parents[1] / "benchmarks/truth.py"
    spec = importlib.util.spec_from_file_location("truth_study", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def drawn(study):
    """Ten companies of a cell, drawn once."""

    @cache
    def draw(name: str) -> list[dict[str, tuple]]:
        cell = next(cell for cell in study.CELLS if cell.name == name)
        return study.companies(cell.truth, list(range(10)))

    return draw


@pytest.mark.parametrize("name", ["nothing; strugglers", "nothing; all of it together"])
def test_where_nothing_is_true_nothing_is_claimed_though_the_naive_figure_does(study, drawn, name):
    said = Counter(row[0] for one in drawn(name) for row in one.values())
    assert not said["higher"] + said["lower"]
    naive = [one[study.Q2][2] for one in drawn(name)]
    assert (
        naive.count("unknown") <= 2
    )  # the dashboard's analysis finds a difference in nearly every one
    assert said.total() == 10 * MEASURES


def test_where_strugglers_acknowledge_more_it_is_the_checks_that_keep_us_honest(study, drawn):
    found = [one[study.Q2] for one in drawn("nothing; strugglers")]
    assert [row[1] for row in found].count("lower") >= 6  # the core model alone says so
    assert {row[0] for row in found} <= {"untrusted", "unknown"}


def test_twice_the_smallest_effect_is_found(study, drawn):
    found = [
        one[measure][0]
        for one in drawn("rating: twice the smallest")
        for measure in (study.Q1, study.Q2)
    ]
    # at least 8 of 10 in the long run; of 20 so few only once in 300 when the true share is 0.85
    assert found.count("higher") >= 12 and "lower" not in found and "none" not in found


def test_companies_linked_together_are_as_if_linked_alone(study):
    truth = study.CELLS[-1].truth
    together = study.companies(truth, [3, 4, 5], people=300)
    alone = [study.companies(truth, [seed], people=300)[0] for seed in (3, 4, 5)]
    assert str(alone) == str(together)  # as text, in which a figure that is missing equals itself

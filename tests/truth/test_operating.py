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

import pandas as pd
import pytest

pytestmark = pytest.mark.truth
MEASURES = 5


def benchmark(name: str):
    path = Path(__file__).parents[1] / f"benchmarks/{name}.py"
    sys.path.insert(0, str(path.parent))  # where a script finds what lies beside it
    spec = importlib.util.spec_from_file_location(f"{name}_study", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    sys.path.remove(str(path.parent))
    return module


@pytest.fixture(scope="module")
def study():
    return benchmark("truth")


@pytest.fixture(scope="module")
def coverage():
    return benchmark("headline_coverage")


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


def test_an_open_company_in_which_nothing_is_changed_is_northbank(study):
    opened, about = study.opened, {"people": 200, "cycles": 4, "seed": 5, "truth": study.NOTHING}
    plain = study.simulate.northbank(**about).tables
    same = opened.lasting_luck(**about, ar=0.0).tables
    punished = opened.seen_is_punished(**about, by=0.0).tables
    for name, table in plain.items():
        pd.testing.assert_frame_equal(same[name], table)
        if name != "acknowledgements":  # of which others know otherwise
            pd.testing.assert_frame_equal(punished[name], table)


def test_a_scale_upside_down_is_refused_and_counted_as_such(study):
    (cell,) = [one for one in study.CELLS if "nobody says so" in one.name]
    drawn = study.companies(cell.truth, [1, 2], 400, 4, cell.draw)
    assert {row[0] for one in drawn for row in one.values()} == {study.REFUSED}
    assert "refused: kept" in study.page({cell.name: drawn})


# --- intervals of headlines


def test_the_truth_that_is_counted_is_what_is_declared_but_for_the_grades(study, coverage):
    """One company's own count: its standard deviation is .005 (`truth.md`)."""
    q1, q2, q3, q3e, _ = study.SHORT
    effects, nothing = (
        coverage.true_figures(coverage.events.draw(1_500, 6, 1, truth), 1)
        for truth in (coverage.EFFECTS, study.NOTHING)
    )
    assert effects[q1] == pytest.approx(0.15, abs=0.02)
    assert effects[q2] == pytest.approx(-0.20, abs=0.025)
    assert -0.49 < effects[q3] < -0.41  # the matrix: .75 points for an SD of the rating
    assert -0.31 < effects[q3e] < -0.30  # of those who acknowledge -.30, who are paid less often
    assert not any(nothing.values())


def test_under_feedback_the_rival_is_printed_and_the_table_says_so(study, coverage):
    _, asks, sent = coverage.CELLS
    done = {cell.name: coverage.some_of((cell, [1, 2, 3], 1_500)) for cell in (asks, sent)}
    q1, q2 = study.Q1, study.Q2
    of = [one[q2] for one in done[asks.name]] + [one[q1] for one in done[sent.name]]
    assert [one["speaks"] for one in of].count("rival") >= 5  # luck seems to last in 1 of 100
    assert {one["checks"]["lead test"] for one in of} <= {"answered", "failed"}
    rows = coverage.table(done).splitlines()[2:]
    assert len(rows) == 3 * (len(asks.measures) + len(sent.measures))
    (core,) = [row for row in rows if asks.name in row and "acknowledging, rating | core" in row]
    assert core.split(" | ")[8] == "0.0"  # too high in all three: none holds the truth

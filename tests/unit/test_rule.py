"""The rule: what is never shown, whoever asks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnalign.privacy import rule
from learnalign.verdicts.result import Check, Result

ROW = Result(
    question="Q1",
    measure="learning_to_rating",
    headline=True,
    group="company",
    at="",
    estimate=0.2,
    low=0.1,
    high=0.3,
    level=0.95,
    unit="SD",
    n_people=400,
    n_clusters=41,
    method="CR1",
    design="adjusted",
    verdict="higher",
    sentence="People who learned more were rated 0.20 SD higher.",
    checks=(Check("lead test", "passed", "p = 0.4"),),
    smallest_effect=0.1,
    detectable_effect=0.14,
    to_settle="more cycles",
    shown=True,
    note="hours are recorded",
    held=("grade",),
    wanting=("merit",),
    std_error=0.05,
    at_least=True,
)


def test_a_floor_may_be_raised_and_never_lowered():
    assert rule.Rule(5).is_few(4) and not rule.Rule(5).is_few(5)
    for call in (lambda: rule.Rule(4), lambda: rule.suppress([], 4)):
        with pytest.raises(ValueError, match="not below 5"):
            call()


@pytest.mark.parametrize(
    ("people", "yes", "one_sided"),
    [(50, 3, False), (50, 2, True), (49, 8, False), (49, 7, True), (1000, 998, True), (9, 0, True)],
)
def test_all_or_none_is_stricter_in_small_groups(people, yes, one_sided):
    assert rule.is_one_sided(people, yes) is one_sided
    assert rule.is_one_sided(people, people - yes) is one_sided


@pytest.mark.parametrize(
    ("values", "dominated"),
    [
        ([100], True),
        ([], False),
        ([0, 0, 0], False),
        ([50, 25, 25], False),  # just within all three
        ([51, 25, 24], True),
        ([45, 31, 24], True),  # two of them
        ([-51, 25, 24], True),  # what is lost counts as what is won
        ([40, 34, 3.9, 0], True),  # p %
        ([1.0] * 20, False),
    ],
)
def test_dominance_and_p_percent(values, dominated):
    assert rule.is_dominated(values) is dominated


@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=40))
def test_the_second_never_reckons_the_first_to_within_a_tenth(values):
    if not rule.is_dominated(values) and sum(values) > 0:
        one, two, *rest = sorted(values, reverse=True)
        assert sum(rest) >= 0.1 * one and one <= 0.5 * sum(values) * (1 + 1e-12)


def test_one_hidden_part_takes_the_next_smallest_with_it():
    people = {"a": 4, "b": 30, "c": 20, "d": 90}
    assert rule.completed({"a"}, people, [[*people]]) == {"a", "c"}
    assert rule.completed({"a", "b"}, people, [[*people]]) == {"a", "b"}
    assert rule.completed(set(), people, [[*people]]) == set()
    assert rule.completed(set(), people, [["b", "c", "not made"]]) == {"c"}
    assert rule.completed({"a"}, people, []) == {"a"}


def test_a_hidden_row_holds_its_place_and_nothing_else():
    gone = rule.hidden(ROW)
    kept = {name: getattr(gone, name) for name in rule.PLACE}
    assert kept == {name: getattr(ROW, name) for name in rule.PLACE}
    assert gone.sentence == "Not shown, to protect individuals." and not gone.shown
    left = {
        name: value
        for name, value in vars(gone).items()
        if name not in {*rule.PLACE, "shown", "verdict", "branch", "sentence", "reason"}
    }
    assert not any(value not in (None, "", (), False) for value in left.values()), left
    assert rule.hidden(replace(ROW, estimate=9.9, note="other")) == gone  # whatever it held


@pytest.mark.parametrize("few", [{"n_people": 9}, {"n_clusters": 2}, {"shown": False}])
def test_rows_that_say_they_stand_on_few_are_blank(few):
    rows = rule.suppress([ROW, replace(ROW, **few)], 10)
    assert [row.shown for row in rows] == [True, False]
    assert rule.suppress(rows, 10) == rows
    assert rule.suppress([replace(ROW, n_people=None, n_clusters=None)], 10)[0].shown


def test_values_that_are_missing_dominate_nothing():
    assert not rule.is_dominated([np.nan, 1, 1, 1, 1])

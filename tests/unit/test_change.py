"""Editions beside each other: a change is told where the intervals carry it, a wait where more of
the same helps.
"""

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from learnalign.report import page
from learnalign.verdicts import change, registry
from learnalign.verdicts import rows as rows_of
from learnalign.verdicts.result import Fit

WORDS = registry.verdict_words()
DOCUMENT = json.loads((Path(__file__).parents[1] / "documents/rich.json").read_text("utf-8"))


def result(
    estimate,
    error,
    verdict="higher",
    measure="learning_to_rating",
    smallest=0.1,
    df=100,
    people=900,
):
    question, found = registry.measures()[measure]
    fit = Fit(
        estimate,
        estimate - 2 * error,
        estimate + 2 * error,
        error,
        df,
        0.95,
        1_800,
        people,
        None,
        60,
        "",
        "adjusted",
    )
    return rows_of.row_of(question, found, fit, branch=verdict, smallest_effect=smallest)


@pytest.mark.parametrize(
    ("now", "before", "is_supported", "words"),
    [
        (
            result(0.30, 0.03),
            result(0.10, 0.03),
            True,
            "Changed by more than chance, from 0.10 SD to 0.30 SD.",
        ),
        (result(0.30, 0.10), result(0.10, 0.20), False, ""),
        (
            result(0.18, 0.03),
            result(0.10, 0.05, "unknown"),
            False,
            "The verdict was “We don’t know”. The two figures do not differ by more than chance.",
        ),
        (
            result(0.30, 0.03, smallest=0.2),
            result(0.10, 0.03),
            False,
            "Not comparable with the edition before: another smallest effect, or another unit.",
        ),
        (
            result(2.0, 0.10, measure="acknowledging_to_closure", smallest=1.2),
            result(1.0, 0.10, "none", measure="acknowledging_to_closure", smallest=1.2),
            True,
            (
                "Changed by more than chance, from 1.00 times to 2.00 times. The verdict was "
                "“Practically none”."
            ),
        ),
        (result(0.30, 0.03), None, False, "New in this edition."),
    ],
)
def test_a_change_is_told_where_the_intervals_carry_it(now, before, is_supported, words):
    assert change.change(now, before, WORDS) == change.Change(words, is_supported)


def test_what_is_told_by_another_estimate_is_no_change():
    core = result(0.10, 0.03)
    rival = dataclasses.replace(result(0.30, 0.03), design="within_person")
    said = "Not comparable with the edition before: people are compared in another way."
    assert change.change(rival, core, WORDS) == change.Change(said, False)
    assert change.change(core, rival, WORDS) == change.Change(said, False)
    assert change.change(rival, dataclasses.replace(rival, estimate=0.1), WORDS).is_supported
    turned = dataclasses.replace(core, verdict="unknown")
    both = f"The verdict was “We don’t know”. {said}"
    assert change.change(rival, turned, WORDS).text == both


def test_a_figure_that_is_hidden_or_was_not_estimated_has_not_changed():
    empty = dataclasses.replace(result(0.3, 0.03), estimate=None, std_error=None)
    assert change.change(result(0.3, 0.03), empty, WORDS).text == ""
    assert change.change(empty, result(0.3, 0.03), WORDS).is_supported is False


def two_editions(rng, cycles, habit, noise, shift=0.0):
    """One company's figure after so many cycles and after one more: 100 managers of 14 people, the
    same throughout, of whose luck the share `habit` lasts. Each is moved by `noise` of its error.
    """
    shape = (cycles + 1, 100, 14)
    does = 0.6 * rng.normal(size=shape[1:]) + 0.8 * rng.normal(size=shape) > 0
    luck = habit**0.5 * rng.normal(size=shape[1:]) + (1 - habit) ** 0.5 * rng.normal(size=shape)
    effect = np.r_[np.full(cycles, 0.2), 0.2 + shift]
    found = []
    for last in (cycles + 1, cycles):
        x, y = does[:last] * 1.0, (luck + effect[:, None, None] * does)[:last]
        x, y = (one - one.mean(axis=2, keepdims=True) for one in (x, y))
        estimate = (x * y).sum() / (x**2).sum()
        scores = (x * (y - estimate * x)).sum(axis=(0, 2)) / (x**2).sum()
        error = np.sqrt((scores**2).sum() * 100 / 99)
        moved = estimate + noise * error * rng.normal()
        found.append(result(moved, error * np.sqrt(1 + noise**2)))
    return found


def share_told(n, *about, apart=False, **more):
    rng = np.random.default_rng(1)
    pairs = (two_editions(rng, *about, **more) for _ in range(n))
    return np.mean([change.change(*pair, WORDS, apart=apart).is_supported for pair in pairs])


@pytest.mark.truth
@pytest.mark.parametrize("cycles", [2, 6])
@pytest.mark.parametrize("habit", [0.0, 0.6])
@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_nothing_changes_more_often_than_chance_allows(cycles, habit, noise):
    """Where the truth stands still, at most 5 of 100 editions tell of a change."""
    assert share_told(150, cycles, habit, noise) <= 0.06


@pytest.mark.parametrize(("people", "apart"), [(300, False), (900, True)])
def test_where_draws_move_figures_far_both_variances_are_added(people, apart):
    pair = [result(estimate, 0.05, people=people) for estimate in (0.32, 0.20)]
    assert not change.change(*pair, WORDS, apart=apart).is_supported
    assert change.change(*(result(one, 0.05) for one in (0.32, 0.20)), WORDS).is_supported


@pytest.mark.truth
def test_what_changed_is_told_where_the_sum_of_both_variances_cannot():
    """A last half-year in which it is .4 of a deviation more: found with the people in common
    held in mind, and hardly ever as if two companies were compared.
    """
    assert share_told(100, 6, 0.3, 0.25, shift=0.4) > 0.7
    assert share_told(100, 6, 0.3, 0.25, shift=0.4, apart=True) < 0.3


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (result(0.05, 0.049, "unknown"), "At today’s pace that is 4 more cycles: about 24 months."),
        (
            result(0.05, 0.30, "unknown"),
            "At today’s pace that takes more than 10 years: only a design that compares"
            " tells sooner.",
        ),
        (
            result(0.05, 0.02, "unknown"),
            "",
        ),  # precise enough: the likely range only reaches past the band
        (result(0.50, 0.05, "higher"), ""),
        (
            dataclasses.replace(result(0.5, 0.05, "unknown"), estimate=None, wanting=("learning",)),
            "Recorded from today on, a first look is possible after 2 cycles: in about 12 months.",
        ),
        (
            dataclasses.replace(result(0.5, 0.05, "unknown"), estimate=None, reason="no cost"),
            "Recorded from today on, a first look is possible after 2 cycles: in about 12 months.",
        ),
        (
            dataclasses.replace(result(0.5, 0.05, "unknown"), estimate=None, reason="not standing"),
            "",
        ),  # all is recorded: no wait of itself settles it
    ],
)
def test_a_wait_is_told_in_cycles_and_in_time(row, words):
    told = change.wait(row, 4, 6)
    assert told == words.replace("24 months", "2 years")


def test_no_pace_no_wait():
    assert change.wait(result(0.05, 0.05, "unknown"), 1, 0) == ""


# --- on the page


def earlier(as_of, **estimates):
    document = copy.deepcopy(DOCUMENT)
    document["run"]["as_of"] = as_of
    for row in document["results"]:
        row |= {"std_error": 0.03, "df": 80.0} if row["estimate"] is not None else {}
        if row["measure"] in estimates and row["headline"] and row["at"] != "raw":
            row["estimate"] = estimates[row["measure"]]
    return document


def test_a_first_edition_says_nothing_of_a_change():
    assert "Since the edition of" not in page.render(DOCUMENT)


def test_the_page_tells_what_changed_since_the_edition_before():
    before = earlier("2025-12-31", learning_to_rating=0.05)
    html = page.render(earlier("2026-06-30"), [before])
    assert "Since the edition of 31 December 2025:" in html
    assert "Changed by more than chance, from 0.05\xa0SD to 0.22\xa0SD." in html
    assert "1 of 9 figures changed by more than chance." in html
    assert "1 of 9 figures changed" in page.summary(earlier("2026-06-30"), [before])


def test_the_same_again_is_no_change():
    html = page.render(earlier("2026-06-30"), [earlier("2025-12-31")])
    assert "no figure changed by more than chance." in html
    assert "Changed by more" not in html


def test_three_editions_are_drawn_as_a_line():
    past = [earlier("2025-06-30"), earlier("2025-12-31", learning_to_rating=0.18)]
    assert page.render(earlier("2026-06-30"), past).count("edition by edition") > 3
    assert "edition by edition" not in page.render(earlier("2026-06-30"), past[1:])

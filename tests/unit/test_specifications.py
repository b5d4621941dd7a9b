"""All ways to compute a headline: ours is the headline, the others are what they are called, and
nothing is counted or chosen.
"""

import dataclasses
import re

import pyfixest as pf
import pytest

import learnalign as la
from learnalign import studies
from learnalign.data import reading
from learnalign.data.contract import Meta
from learnalign.data.mistakes import DataError
from learnalign.estimates import ask, looked, samples, specifications
from learnalign.privacy import gate, keys, rule
from learnalign.report import specified
from learnalign.verdicts import registry
from northbank import tables as northbank


@pytest.fixture(scope="module")
def small():
    made = northbank.northbank(people=320, cycles=4, seed=3)
    dataset = reading.of_frames(made.tables, Meta.model_validate(made.dataset))
    return studies.Study(dataset, studies.Settings(), gate.Gate(rule.Rule(5)))


@pytest.fixture(scope="module")
def ways(small):
    return specifications.curve(small, "Q2")


@pytest.mark.parametrize("name", ["Q2", pytest.param("Q5", marks=pytest.mark.slow)])
def test_ours_is_the_headline_to_the_last_digit(small, name):
    found, (row, *_) = specifications.curve(small, name), la.ask(small, name)
    fit = found.ours.fit
    assert (fit.estimate, fit.low, fit.high) == (row.estimate, row.low, row.high)
    assert sum(one.is_ours for one in found.ways) == 1
    assert found.ours.chosen[0] == "30" and found.ours.chosen[1] == "review"


def test_every_way_is_there_once_and_they_stand_in_order(ways):
    chosen = [one.chosen for one in ways.ways]
    assert len({*chosen}) == len(chosen) > 60
    estimates = [one.fit.estimate for one in ways.ways]
    assert estimates == sorted(estimates)
    there = specifications.levels(ways)
    assert {choice for choice, _ in there} == {*specifications.CHOICES}
    assert [level for choice, level in there if choice == "embargo"] == ["0", "30", "60"]
    assert [level for choice, level in there if choice == "window"] == ["review", "91", "365"]


def test_another_embargo_is_what_a_study_with_that_embargo_says(small, ways):
    settings = small.settings.model_copy(update={"embargo_days": 60})
    other = studies.Study(small.dataset, settings, small.gate)
    fit = ask.compared(other, "acknowledging_to_rating").adjusted
    held = "two_ratings" if "two prior ratings" in fit.held else "one_rating"
    (own,) = [w for w in ways.ways if w.chosen == ("60", "review", "all", held)]
    assert own.fit.estimate == fit.estimate and own.fit.std_error == fit.std_error


def test_another_window_is_what_a_look_over_that_window_says(small, ways):
    (look,) = la.ask(dataclasses.replace(small, told=studies.Told()), "Q2", window_days=91)
    own = {w.chosen[3]: w.fit for w in ways.ways if w.chosen[:3] == ("30", "91", "all")}
    assert look.estimate in [own[name].estimate for name in ("one_rating", "two_ratings")]


def test_the_same_people_and_a_part_of_what_was_said_are_pyfixest_s(small, ways):
    """Requests and questions alone, each person against themselves, at equal manager and cycle."""
    rows = looked.table(small)
    said = rows.acknowledgements_by_help_request + rows.acknowledgements_by_question
    frame = samples.prepare("acknowledging_to_rating", rows).frame
    frame = frame.assign(exposure=(said > 0).astype(float)).dropna(subset=["exposure", "outcome"])
    frame = frame[frame.groupby("rater_cycle").exposure.transform("nunique") > 1]
    moved = [name for name in frame if name.startswith("held_moved") and frame[name].std() > 0]
    formula = f"outcome ~ exposure + {' + '.join(moved)} | person_id + rater_cycle"
    theirs = pf.feols(formula, frame).coef()["exposure"]
    chosen = ("30", "review", "asked", "themselves")
    (own,) = [w for w in ways.ways if w.chosen == chosen]
    assert own.fit.estimate == pytest.approx(theirs, abs=1e-6)


@pytest.mark.slow
def test_what_a_system_wrote_down_is_a_way_for_learning_between_reviews_alone(small):
    found = specifications.curve(small, "Q1")
    parts = {(w.chosen[1], w.chosen[2]) for w in found.ways}
    assert ("review", "by_system") in parts and ("91", "by_system") not in parts
    assert not {"asked"} & {counted for _, counted in parts}


@pytest.mark.slow
def test_no_look_is_counted_and_what_few_stand_behind_is_hidden(small):
    own = dataclasses.replace(small, told=studies.Told())
    specifications.curve(own, "Q2")
    assert own.told.looks == {}
    strict = dataclasses.replace(small, gate=gate.Gate(rule.Rule(10_000)), _made=dict(small._made))
    strict._made.pop((specifications._curve, "acknowledging_to_rating"))
    found = specifications.curve(strict, "Q2")
    assert found.ways == () and found.n_hidden > 60
    assert "not shown, to protect individuals" in str(specified.specifications(found))


def test_the_picture_says_what_is_counted_in_it(small, ways):
    shown = specified.specifications(ways)
    estimates = [one.fit.estimate for one in ways.ways]
    ours = ways.ours.fit.estimate
    assert shown.title.startswith(f"Computed in {len(estimates)} ways")
    same = sum((one > 0) == (ours > 0) for one in estimates)
    within = sum(abs(one) < ways.smallest for one in estimates)
    assert f"{same} of {len(estimates)} point the same way as ours" in str(shown)
    assert f"{within} are smaller than what matters" in str(shown)
    assert "They are no votes" in str(shown) and "fixed before" not in str(shown)
    (row, *_) = la.ask(small, "Q2")
    assert f"after all checks: {registry.verdict_words()[row.verdict]}." in str(shown)
    assert not re.search(r"\d{6}|M\d{4}", shown.title) and len(shown.html) < 80_000


@pytest.mark.parametrize("name", ["Q3", "Q4", "Q7", "learning"])
def test_what_has_no_such_ways_is_refused_with_what_has(small, name):
    with pytest.raises(DataError, match="acknowledging_to_merit_total"):
        la.specifications(small, name)


def test_in_a_run_words_stand_in_its_place(small):
    moved = dataclasses.replace(small.gate, draws=keys.Draws(b"k" * 32, "state"))
    shown = la.specifications(dataclasses.replace(small, gate=moved), "Q2")
    assert "by hand only" in str(shown) and "<svg" not in shown.html

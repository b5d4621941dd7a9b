"""Verdicts: every branch of the rule and its sentence; a check only ever takes away."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnalign import verdicts
from learnalign.records import Check, Comparison, Fit

PASSED = Check("lead test", "passed", "what people do next does not “predict” this rating")
LEAD = Check("lead test", "failed", "what people do next “predicts” this rating")
BASELINE = Check("no baseline", "failed", "too few people have a prior rating")
CLUSTERS = Check("few clusters", "failed", "only 7 units stand behind the interval")
DESIGNS = ("described", "associated", "adjusted", "within_person", "compared", "randomised")


def fit(low: float, high: float, **more) -> Fit:
    values = {"estimate": (low + high) / 2, "low": low, "high": high, "std_error": (high - low) / 3.92, "df": 100.0,
              "level": 0.95, "n_rows": 4000, "n_people": 1200, "n_people_smaller": 300, "n_clusters": 101,
              "method": "manager x cycle fixed effects", "design": "adjusted"}  # fmt: skip
    return Fit(**values | more)


def answer(low: float, high: float, *checks: Check, **more):
    comparison = Comparison("acknowledging_to_rating", None, fit(low, high, **more), checks)
    (row,) = verdicts.judge(comparison, smallest_effect=0.10)
    return row


@pytest.mark.parametrize(
    ("low", "high", "checks", "verdict"),
    [
        (0.11, 0.30, (), "higher"),
        (-0.30, -0.11, (), "lower"),
        (0.05, 0.30, (), "small"),
        (-0.30, -0.05, (), "small"),
        (-0.05, 0.05, (), "none"),
        (0.02, 0.08, (), "none"),  # excludes 0, but is inside the smallest effect: none comes first
        (-0.05, 0.30, (), "unknown"),
        (0.10, 0.30, (), "small"),  # at the edge is not beyond it
        (-0.10, 0.05, (), "unknown"),
        (0.11, 0.30, (PASSED,), "higher"),
        (0.11, 0.30, (LEAD,), "untrusted"),
        (-0.30, -0.11, (LEAD, PASSED), "untrusted"),
        (0.05, 0.30, (CLUSTERS,), "untrusted"),
        (-0.05, 0.05, (LEAD,), "none"),
        (-0.05, 0.05, (BASELINE,), "unknown"),
        (-0.05, 0.05, (CLUSTERS,), "unknown"),
        (-0.05, 0.30, (LEAD, BASELINE), "unknown"),
        (0.11, 0.30, (Check("lead test", "not possible", "too few"),), "higher"),
    ],
)
def test_the_rule(low, high, checks, verdict):
    assert verdicts.decide(low, high, 0.10, checks) == verdict
    assert answer(low, high, *checks).verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.3, 2.0, "higher"),
        (0.4, 0.8, "lower"),
        (1.1, 2.0, "small"),
        (0.7, 0.95, "small"),
        (0.9, 1.1, "none"),
        (0.7, 2, "unknown"),
    ],
)
def test_the_rule_for_a_ratio(low, high, verdict):
    assert verdicts.decide(low, high, 1.2, unit="hazard ratio") == verdict


intervals = st.tuples(st.floats(-2, 2), st.floats(-2, 2)).map(sorted)


@pytest.mark.property
@given(
    interval=intervals,
    smallest=st.floats(0.01, 1),
    checks=st.lists(st.sampled_from([PASSED, LEAD, BASELINE, CLUSTERS])),
)
def test_a_check_only_takes_away(interval, smallest, checks):
    without, with_checks = verdicts.decide(*interval, smallest), verdicts.decide(*interval, smallest, checks)
    assert with_checks in (without, "untrusted", "unknown")
    if without == "unknown":
        assert with_checks == "unknown"


@pytest.mark.property
@given(interval=intervals, smallest=st.floats(0.01, 1))
def test_turning_the_sign_turns_the_verdict(interval, smallest):
    turned = {"higher": "lower", "lower": "higher"}
    found = verdicts.decide(*interval, smallest)
    assert verdicts.decide(-interval[1], -interval[0], smallest) == turned.get(found, found)


def test_sentences_word_for_word():
    assert answer(-0.32, -0.11, PASSED).sentence == (
        "Among people with the same manager, cycle and past ratings, people who acknowledged a gap were rated 0.21 SD "
        "lower than people who did not (likely range 0.11 to 0.32 SD). It held up in the lead test. It is a pattern, "
        "not proof of cause."
    )
    assert answer(0.02, 0.12).sentence == (
        "Among people with the same manager, cycle and past ratings, people who acknowledged a gap were rated 0.07 SD "
        "higher than people who did not (likely range 0.02 to 0.12 SD). That is real, but it may be too small to "
        "matter: less than 0.10 SD was set as not worth acting on."
    )
    assert answer(-0.06, 0.08).sentence == (
        "We looked closely: among people with the same manager, cycle and past ratings, any difference in how people "
        "who acknowledged a gap and people who did not were rated is smaller than 0.10 SD (likely range −0.06 to "
        "0.08 SD)."
    )
    assert answer(-0.2, 0.3).sentence == (
        "We cannot tell. With this many people and managers we could only have seen differences above 0.36 SD (likely "
        "range −0.20 to 0.30 SD). This is not evidence that there is no difference."
    )
    assert answer(0.11, 0.31, LEAD).sentence == (
        "A difference shows up (0.21 SD higher, likely range 0.11 to 0.31 SD), but it is not to be trusted: what "
        "people do next “predicts” this rating. Do not act on this number."
    )
    assert answer(-0.05, 0.05, CLUSTERS, LEAD).sentence == (
        "We cannot tell. The likely range (−0.05 to 0.05 SD) lies inside ±0.10 SD, but it is not to be trusted: only 7 "
        "units stand behind the interval."
    )
    assert answer(-0.05, 0.05, LEAD).sentence.endswith(
        "A check failed, though: what people do next “predicts” this rating."
    )


def test_none_on_one_side_keeps_its_sign():
    assert "(likely range −0.09 to −0.01 SD)" in answer(-0.09, -0.01).sentence
    assert "(−0.09 to −0.01 SD)" in answer(-0.09, -0.01, CLUSTERS).sentence


def test_an_end_that_is_nearly_zero_can_be_read():
    assert "(likely range 0.003 to 0.300 SD)" in answer(0.003, 0.3).sentence
    assert "(likely range −0.004 to 0.393 SD)" in answer(-0.004, 0.393).sentence


def test_preconditions_are_no_trial():
    """That people have a prior rating, and managers are many, has not yet tried the finding."""
    prior = Check("no baseline", "passed", "people are compared at the same two prior ratings")
    many = Check("few clusters", "passed", "101 managers stand behind the interval")
    assert "No check could try to refute it." in answer(0.11, 0.3, prior, many).sentence


@pytest.mark.parametrize(("low", "high"), [(-0.2, 0.3), (-0.008, 0.108), (-0.101, 0.05)])
def test_every_unknown_says_what_would_settle_it(low, high):
    row = answer(low, high)
    assert row.verdict == "unknown" and row.to_settle.startswith("To settle it: ")
    assert "1.0 times" not in row.to_settle


def test_more_managers_do_not_need_their_managers():
    few = Check("few clusters", "failed", "only 12 managers stand behind the interval")
    assert answer(0.11, 0.3, few, n_clusters=12).to_settle == "To settle it: 8 more managers or more."
    by_unit = answer(0.11, 0.3, few, n_clusters=12, method="unit x cycle fixed effects").to_settle
    assert by_unit == "To settle it: 8 more units or more, or the manager who gave each rating."


def test_to_settle_counts_by_the_square_of_the_precision_short():
    row = answer(-0.2, 0.3)
    times = (row.detectable_effect / 0.10) ** 2
    assert f"about {times:.1f} times as many reviews" in row.to_settle
    more = int(re.search(r"\((\d[\d,]*) more than", row.to_settle)[1].replace(",", ""))
    assert more == pytest.approx(4000 * (times - 1), abs=1)
    # so many reviews would bring the detectable effect down to the smallest that matters
    assert row.detectable_effect * (4000 / (4000 + more)) ** 0.5 == pytest.approx(0.10, rel=1e-3)


def test_to_settle_mends_what_failed():
    assert answer(0.11, 0.3, LEAD, BASELINE).to_settle == (
        "To settle it: a design in which people do not choose for themselves: a waitlist, or an order of invitation "
        "drawn by lot; one more cycle, so that people are compared from the same start."
    )
    assert answer(-0.32, -0.11).to_settle == ""


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize(("low", "high"), [(0.2, 0.4), (-0.4, -0.2), (0.05, 0.3), (-0.05, 0.05), (-0.3, 0.3)])
def test_causal_words_need_the_design(design, low, high):
    sentence = answer(low, high, design=design).sentence
    causal = re.search(r"\b(causes?d?|effect of|because|drives?|proves?|leads? to|thanks to|is an effect)\b", sentence)
    allowed = design == "randomised" and (low > 0.1 or high < -0.1)
    assert bool(causal and causal[0] != "cause") <= allowed, sentence
    assert not re.search(r"[{}]|  |\bnan\b|None", sentence)


def test_raw_is_described_beside_the_headline():
    comparison = Comparison("learning_to_rating", fit(0.1, 0.4, design="described"), fit(-0.05, 0.05))
    headline, raw = verdicts.judge(comparison, smallest_effect=0.10)
    assert (headline.headline, headline.verdict, headline.at) == (True, "none", "")
    assert (raw.headline, raw.verdict, raw.at, raw.estimate) == (False, "described", "raw", 0.25)
    assert raw.sentence.startswith("On average, with nothing held equal, people who learned more")


def test_hidden_holds_no_figure():
    comparison = Comparison("learning_to_rating", fit(0.1, 0.4), fit(0.2, 0.3), (PASSED,), notes=("a note",))
    (row,) = verdicts.judge(comparison, smallest_effect=0.10, hidden="fewer than 10 people")
    assert (row.verdict, row.shown) == ("hidden", False)
    assert row.sentence == "Not shown, to protect individuals: fewer than 10 people."
    assert {row.estimate, row.low, row.high, row.n_people, row.n_clusters, row.detectable_effect} == {None}
    assert (row.checks, row.note, row.to_settle) == ((), "", "")


@pytest.mark.parametrize("reason", verdicts.REASONS)
def test_no_estimate_says_why_and_what_would_settle_it(reason):
    (row,) = verdicts.judge(Comparison("learning_to_rating", None, None, reason=reason), smallest_effect=0.10)
    assert row.verdict == "unknown" and row.estimate is None
    assert row.sentence == f"We don’t know: {verdicts.REASONS[reason][0]}."
    assert row.to_settle.startswith("To settle it: ")


SMALLEST = {"rating_sd": 0.1, "merit_pp": 0.25, "hazard_ratio": 1.2, "share_pp": 3}
EVERYTHING = frozenset(
    {"learning", "learning.skill", "learning.cost", "acknowledgements", "acknowledgements.audience", "assessments",
     "ties", "rewards", "rewards.merit_pct", "reviews", "reviews.manager_id"}
)  # fmt: skip


def test_nothing_but_people_and_reviews_is_an_honest_we_dont_know_for_all():
    rows = verdicts.unanswerable(frozenset({"people", "reviews"}), SMALLEST)
    assert {row.question for row in rows} == set(verdicts.QUESTIONS)
    assert {row.verdict for row in rows} == {"unknown"}
    sentences = {row.question: row.sentence for row in rows}
    assert sentences["Q1"] == "We don’t know: the data hold no learning."
    assert sentences["Q2"] == "We don’t know: the data hold no acknowledgements."
    assert sentences["Q3"] == "We don’t know: the data hold no acknowledgements and no merit data."
    assert sentences["Q4"] == "We don’t know: the data hold no acknowledgements and no managers."


def test_with_everything_recorded_nothing_is_unanswerable():
    assert verdicts.unanswerable(EVERYTHING, SMALLEST) == ()


def test_a_missing_table_speaks_for_its_columns():
    missing = verdicts.missing_needs(
        verdicts.QUESTIONS["Q4"], EVERYTHING - {"acknowledgements", "acknowledgements.audience"}
    )
    assert [need.where for need in missing] == ["acknowledgements"]
    missing = verdicts.missing_needs(verdicts.QUESTIONS["Q4"], EVERYTHING - {"acknowledgements.audience"})
    assert [need.where for need in missing] == ["acknowledgements.audience"]


def test_coverage_tells_fine_from_coarse_before_any_result():
    seen = {"learning_to_rating": 0.04, "acknowledging_to_rating": 0.25}
    table = verdicts.coverage(EVERYTHING, seen, SMALLEST).set_index("question")
    assert table.loc["Q1", "sentence"].startswith("At best, a difference of 0.04 SD would be found in 8 of 10")
    assert table.loc["Q2", "sentence"].startswith("Even at best, only a difference of 0.25 SD or more")
    assert table.loc["Q3", "sentence"] == "The data hold what it needs; it is not asked yet."
    none = verdicts.coverage(frozenset({"people", "reviews"}), dict.fromkeys(seen), SMALLEST).set_index("question")
    assert none.loc["Q1", "sentence"] == "Cannot be asked: the data hold no learning."


def test_measures_belong_to_one_question_and_share_the_smallest_effects():
    names = [measure.key for question in verdicts.QUESTIONS.values() for measure in question.measures]
    assert len(names) == len(set(names)) == len(verdicts.MEASURES)
    assert {measure.smallest for _, measure in verdicts.MEASURES.values()} <= {*SMALLEST, ""}


def test_a_result_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer(0.2, 0.3).verdict = "none"

"""Verdicts: every branch of the rule and its sentence; a check only ever takes away."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from learnalign.verdicts import explain, judge, registry
from learnalign.verdicts import rows as rows_of
from learnalign.verdicts.result import Check, Comparison, Fit
from learnalign.verdicts.words import brief

PASSED = Check("lead test", "passed", "what people do next does not “predict” this rating")
LEAD = Check("lead test", "failed", "what people do next “predicts” this rating")
BASELINE = Check("no baseline", "failed", "too few people have a prior rating")
OVERLAP = Check("overlap", "failed", "more than 10% of the comparison rests on nobody alike")
FIXED, REASONS = (registry.phrases("sentences")[name] for name in ("fixed", "reasons"))
DESIGNS = ("described", "associated", "adjusted", "within_person", "compared", "randomised")


def fit(low: float, high: float, **more) -> Fit:
    values = {
        "estimate": (low + high) / 2,
        "low": low,
        "high": high,
        "std_error": (high - low) / 3.92,
        "df": 100.0,
        "level": 0.95,
        "n_rows": 4000,
        "n_people": 1200,
        "n_people_smaller": 300,
        "n_clusters": 101,
        "method": "manager x cycle fixed effects",
        "design": "adjusted",
    }
    return Fit(**values | more)


def answer(
    low: float, high: float, *checks: Check, rivals=(), strength=5.0, modal=0.5, n_cycles=4, **more
):
    comparison = Comparison(
        "acknowledging_to_rating",
        None,
        fit(low, high, **more),
        checks,
        rivals=rivals,
        strength_to_erase=strength,
        modal_share=modal,
        n_cycles=n_cycles,
    )
    (row,) = judge.judge(comparison, smallest_effect=0.10)
    return row


def outcome(row, name: str) -> str:
    return next(check.outcome for check in row.checks if check.name == name)


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
        (0.05, 0.30, (OVERLAP,), "untrusted"),
        (-0.05, 0.05, (LEAD,), "none"),
        (-0.05, 0.05, (BASELINE,), "unknown"),
        (-0.05, 0.05, (OVERLAP,), "unknown"),
        (-0.05, 0.30, (LEAD, BASELINE), "unknown"),
        (0.11, 0.30, (Check("lead test", "not possible", "too few"),), "higher"),
    ],
)
def test_the_rule(low, high, checks, verdict):
    assert judge.decide(low, high, 0.10, checks) == verdict
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
    assert judge.decide(low, high, 1.2, unit="hazard ratio") == verdict


intervals = st.tuples(st.floats(-2, 2), st.floats(-2, 2)).map(sorted)


def test_a_units_headline_must_survive_how_many_units_were_looked_at():
    rows = {
        f"u{i}": (headline(p), dataclasses.replace(headline(0.03), headline=False, at="x"))
        for i, p in enumerate((0.001, 0.03, 0.5, 0.6))
    }
    found = judge.across(rows)
    # Benjamini and Hochberg: .001 x 4 / 1, then .03 x 4 / 2 = .06
    assert [some[0].verdict for some in found.values()] == [
        "small",
        "unknown",
        "unknown",
        "unknown",
    ]
    assert "4 units were looked at" in found["u1"][0].sentence and "so many units" in brief(
        found["u1"][0]
    )
    assert all(
        some[1] == rows[unit][1] for unit, some in found.items()
    )  # what is no headline stays
    assert judge.across({"u1": rows["u1"]})["u1"] == rows["u1"]  # alone, it stands


@pytest.mark.truth
def test_of_fifteen_units_without_any_effect_few_companies_see_one_that_differs():
    """Looked at alone, some unit differs in nearly every company; over all units and questions, in
    one of twenty.
    """
    random, alone, together = np.random.default_rng(5), 0, 0
    for _ in range(80):
        rows = {
            f"u{unit}": tuple(
                dataclasses.replace(headline(p), measure=f"m{i}") for i, p in enumerate(three)
            )
            for unit, three in enumerate(random.uniform(1e-4, 1, (15, 3)))
        }
        alone += any(row.verdict != "unknown" for some in rows.values() for row in some)
        together += any(
            row.verdict != "unknown" for some in judge.across(rows).values() for row in some
        )
    assert alone > 60 and together <= 80 * 0.05 + 3 * (80 * 0.05 * 0.95) ** 0.5


@pytest.mark.slow
@pytest.mark.property
@given(
    interval=intervals,
    smallest=st.floats(0.01, 1),
    checks=st.lists(st.sampled_from([PASSED, LEAD, BASELINE, OVERLAP])),
)
def test_a_check_only_takes_away(interval, smallest, checks):
    without, with_checks = (
        judge.decide(*interval, smallest),
        judge.decide(*interval, smallest, checks),
    )
    assert with_checks in (without, "untrusted", "unknown")
    if without == "unknown":
        assert with_checks == "unknown"


@pytest.mark.property
@given(interval=intervals, smallest=st.floats(0.01, 1))
def test_turning_the_sign_turns_the_verdict(interval, smallest):
    turned = {"higher": "lower", "lower": "higher"}
    found = judge.decide(*interval, smallest)
    assert judge.decide(-interval[1], -interval[0], smallest) == turned.get(found, found)


def test_sentences_word_for_word():
    assert answer(-0.32, -0.11, PASSED).sentence == (
        "Among people with the same manager, cycle and past ratings, people who acknowledged "
        "a gap were rated 0.21 SD "
        "lower than people who did not (likely range 0.11 to 0.32 SD). It held up in the "
        "checks (lead test). It is a "
        "pattern, not proof of cause: something in the same cycle that moves both would look "
        "the same."
    )
    assert answer(0.02, 0.12).sentence == (
        "Among people with the same manager, cycle and past ratings, people who acknowledged "
        "a gap were rated 0.07 SD "
        "higher than people who did not (likely range 0.02 to 0.12 SD). That is real, but it "
        "may be too small to "
        "matter: less than 0.10 SD was set as not worth acting on. It is a pattern, not "
        "proof of cause: something "
        "in the same cycle that moves both would look the same."
    )
    assert answer(-0.06, 0.08).sentence == (
        "We looked closely: among people with the same manager, cycle and past ratings, any "
        "difference in how people "
        "who acknowledged a gap and people who did not were rated is smaller than 0.10 SD "
        "(likely range −0.06 to "
        "0.08 SD)."
    )
    assert answer(-0.2, 0.3).sentence == (
        "We cannot tell. With this many people and managers we could only have seen "
        "differences above 0.36 SD (likely "
        "range −0.20 to 0.30 SD). This is not evidence that there is no difference."
    )
    assert answer(0.11, 0.31, LEAD).sentence == (
        "A difference shows up (0.21 SD higher, likely range 0.11 to 0.31 SD), but it is not "
        "to be trusted: what "
        "people do next “predicts” this rating. Do not act on this number."
    )
    assert answer(-0.05, 0.05, OVERLAP, LEAD).sentence == (
        "We cannot tell. The likely range (−0.05 to 0.05 SD) lies inside ±0.10 SD, but it is "
        "not to be trusted: more "
        "than 10% of the comparison rests on nobody alike."
    )
    assert answer(-0.05, 0.05, LEAD).sentence.endswith(
        "A check failed, though: what people do next “predicts” this rating."
    )


def test_none_on_one_side_keeps_its_sign():
    assert "(likely range −0.09 to −0.01 SD)" in answer(-0.09, -0.01).sentence
    assert "(−0.09 to −0.01 SD)" in answer(-0.09, -0.01, OVERLAP).sentence


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
    assert answer(0.11, 0.3, n_clusters=12).to_settle == "To settle it: 8 more managers or more."
    by_unit = answer(0.11, 0.3, n_clusters=12, cluster="unit").to_settle
    assert by_unit == "To settle it: 8 more units or more, or the manager who gave each rating."


@pytest.mark.parametrize(
    ("low", "high", "second", "verdict"),
    [
        (0.11, 0.30, (0.12, 0.31), "higher"),
        (0.11, 0.30, (0.02, 0.31), "untrusted"),  # the second only says "small"
        (0.11, 0.30, (float("-inf"), float("inf")), "untrusted"),
        (-0.05, 0.05, (-0.06, 0.07), "none"),
        (-0.05, 0.05, (-0.06, 0.12), "unknown"),
        (-0.05, 0.30, (0.01, 0.20), "unknown"),  # a second interval never gives
        (0.11, 0.30, None, "untrusted"),
    ],
)
def test_with_few_managers_two_intervals_must_agree(low, high, second, verdict):
    row = answer(low, high, n_clusters=12, second=second)
    assert row.verdict == verdict
    assert not re.search(
        r"\bnan\b|\binf\b", row.sentence + " ".join(check.detail for check in row.checks)
    )
    assert answer(low, high, n_clusters=20, second=second).verdict == judge.decide(low, high, 0.10)


@pytest.mark.parametrize(
    ("low", "high", "rival", "verdict"),
    [
        (0.12, 0.30, (0.05, 0.35), "higher"),
        (0.12, 0.30, (-0.02, 0.30), "higher"),  # contains 0, but the claimed 0.21 too
        (0.12, 0.30, (-0.10, 0.15), "untrusted"),  # contains 0 and excludes the claimed 0.21
        (0.12, 0.30, (-0.40, 0.35), "untrusted"),  # the other sign
        (0.12, 0.30, (0.01, 0.05), "higher"),  # smaller, and real: no contradiction
        (-0.05, 0.05, (-0.02, 0.12), "none"),
        (
            -0.05,
            0.05,
            (0.05, 0.20),
            "unknown",
        ),  # practically none here, and not there: said of "none" by all rivals
        (-0.05, 0.30, (-0.90, -0.50), "unknown"),
    ],
)
@pytest.mark.parametrize("name", judge.RIVALS)
def test_a_rival_under_other_assumptions_must_not_speak_against_it(low, high, rival, verdict, name):
    others = [other for other in judge.RIVALS if other != name]
    row = answer(low, high, rivals=((name, fit(*rival)), *((other, None) for other in others)))
    assert row.verdict == verdict
    assert outcome(row, name) == (
        "failed" if verdict != judge.decide(low, high, 0.10) else "passed"
    )
    assert {outcome(row, other) for other in others} == {"not possible"}


def test_practically_none_needs_the_same_people_not_to_show_a_difference_that_may_matter():
    def of(low: float, high: float, name: str = "bracketing") -> str:
        return answer(-0.05, 0.05, rivals=((name, fit(low, high)),)).verdict

    assert of(0.03, 0.13) == "unknown"  # a difference, and perhaps one that matters
    assert of(0.01, 0.09) == "none"  # a difference, but none that matters
    assert of(-0.04, 0.13) == "none"  # too wide to tell
    assert of(0.03, 0.13, "noisy ratings") == "none"


def test_a_weak_hidden_factor_is_a_warning_and_a_very_weak_one_revokes():
    weak = answer(0.11, 0.3, strength=0.5)
    assert weak.verdict == "higher"
    assert (
        "Something unseen that is weaker than last time’s rating could erase it." in weak.sentence
    )
    assert "unseen" not in answer(0.11, 0.3, strength=1.5).sentence
    assert answer(0.11, 0.3, strength=0.09).verdict == "untrusted"
    assert outcome(answer(0.11, 0.3, strength=None), "hidden factor") == "not possible"
    assert (
        outcome(answer(-0.05, 0.05, strength=0.01), "hidden factor") == "not possible"
    )  # nothing to erase


def test_all_reviews_in_one_cycle_are_not_known_whatever_they_show():
    row = answer(0.3, 0.5, BASELINE, n_cycles=1, design="associated")
    assert row.verdict == "unknown" and "All reviews are from one cycle" in row.sentence
    assert (
        answer(0.3, 0.5, n_cycles=1).verdict == "higher"
    )  # one cycle is left, of people with a prior rating


def test_ratings_that_hardly_differ_tell_nothing_unless_much_could_be_seen():
    row = answer(0.11, 0.5, modal=0.9)
    assert (
        row.verdict == "unknown" and "More than 85% of people have the same rating" in row.sentence
    )
    assert (
        answer(0.13, 0.2, modal=0.9).verdict == "higher"
    )  # so many people that 0.10 could be seen all the same
    assert answer(0.11, 0.5, modal=0.8).verdict == "higher"


def test_to_settle_counts_by_the_square_of_the_precision_short():
    row = answer(-0.2, 0.3)
    times = (row.detectable_effect / 0.10) ** 2
    assert f"about {times:.1f} times as much" in row.to_settle
    more = {
        what: int(re.search(rf"([\d,]+) more {what}", row.to_settle)[1].replace(",", ""))
        for what in ("reviews", "cycles", "people", "managers")
    }
    exact = {"reviews": 4000, "people": 1200, "managers": 101}
    for (
        what,
        count,
    ) in exact.items():  # two digits, rounded up: exact, they would tell how many people there are
        assert count * (times - 1) <= more[what] <= 1.1 * count * (times - 1)
        assert len(str(more[what]).rstrip("0")) <= 2
    assert 4 * (times - 1) <= more["cycles"] < 4 * (times - 1) + 1
    # so many reviews would bring the detectable effect down to the smallest that matters
    assert row.detectable_effect * (4000 / (4000 + more["reviews"])) ** 0.5 == pytest.approx(
        0.10, rel=0.05
    )


def test_to_settle_mends_what_failed():
    assert answer(0.11, 0.3, LEAD, BASELINE).to_settle == (
        "To settle it: a design in which people do not choose for themselves: a waitlist, or "
        "an order of invitation "
        "drawn by lot; one more cycle, so that people are compared from the same start."
    )
    assert answer(-0.32, -0.11).to_settle == ""


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize(
    ("low", "high"), [(0.2, 0.4), (-0.4, -0.2), (0.05, 0.3), (-0.05, 0.05), (-0.3, 0.3)]
)
def test_causal_words_need_the_design(design, low, high):
    sentence = answer(low, high, design=design).sentence
    causal = re.search(
        r"\b(causes?d?|effect of|because|drives?|proves?|leads? to|thanks to|is an effect)\b",
        sentence,
    )
    allowed = design == "randomised" and (low > 0 or high < 0)
    assert bool(causal and causal[0] != "cause") <= allowed, sentence
    assert not re.search(r"[{}]|  |\bnan\b|None", sentence)


def test_raw_is_described_beside_the_headline():
    comparison = Comparison(
        "learning_to_rating", fit(0.1, 0.4, design="described"), fit(-0.05, 0.05)
    )
    headline, raw = judge.judge(comparison, smallest_effect=0.10)
    assert (headline.headline, headline.verdict, headline.at) == (True, "none", "")
    assert (raw.headline, raw.verdict, raw.at, raw.estimate) == (False, "described", "raw", 0.25)
    assert raw.sentence.startswith("On average, with nothing held equal, people who learned more")


def test_hidden_holds_no_figure():
    comparison = Comparison(
        "learning_to_rating", fit(0.1, 0.4), fit(0.2, 0.3), (PASSED,), notes=("a note",)
    )
    (row,) = judge.judge(dataclasses.replace(comparison, is_hidden=True), smallest_effect=0.10)
    assert (row.verdict, row.shown) == ("hidden", False)
    assert row.sentence == "Not shown, to protect individuals."
    assert {
        row.estimate,
        row.low,
        row.high,
        row.n_people,
        row.n_clusters,
        row.detectable_effect,
    } == {None}
    assert (row.checks, row.note, row.to_settle) == ((), "", "")


@pytest.mark.parametrize("reason", FIXED)
def test_an_outcome_that_nothing_can_move_is_practically_none_and_says_what_fixes_it(reason):
    found = Comparison("acknowledging_to_merit_at_equal_rating", None, None, reason=reason)
    (row,) = judge.judge(found, smallest_effect=0.25)
    assert (row.verdict, row.estimate, row.note) == ("none", None, FIXED[reason]["note"])
    assert row.sentence == f"We looked closely: {FIXED[reason]['why']}."


def headline(p: float, **more):
    """A row whose two-sided p-value is `p`."""
    error = 0.2 / stats.t.isf(p / 2, 100)
    width = error * stats.t.isf(0.025, 100)
    return answer(0.2 - width, 0.2 + width, std_error=error, **more)


@pytest.mark.slow
def test_holm_across_the_headlines():
    rows = [headline(p) for p in (0.001, 0.020, 0.030, 0.5)]
    assert [judge.p_value(row, "SD") for row in rows] == pytest.approx([0.001, 0.020, 0.030, 0.5])
    found = judge.holm(rows)
    # 4 x .001, then 3 x .020: that one, and all behind it, may be chance
    assert [row.verdict for row in found] == [rows[0].verdict, "unknown", "unknown", "unknown"]
    assert "but 4 questions were asked" in found[1].sentence and found[1].to_settle
    assert judge.holm(rows[:2])[1].verdict == rows[1].verdict == "small"  # among two, .020 stands


@pytest.mark.slow
def test_holm_counts_what_is_hidden_and_leaves_what_is_no_headline():
    (hidden,) = judge.judge(
        Comparison("learning_to_rating", None, None, is_hidden=True), smallest_effect=0.1
    )
    assert judge.holm([headline(0.03), hidden])[0].verdict == "unknown"
    aside = dataclasses.replace(headline(0.03), headline=False)
    assert judge.holm([headline(0.03), aside]) == (headline(0.03), aside)
    assert judge.holm([answer(-0.05, 0.05), headline(0.001)])[0].verdict == "none"


@pytest.mark.property
@given(st.lists(st.floats(0, 1), max_size=8), st.integers(0, 5))
def test_holm_and_bh_as_they_are_written_down(p, more):
    holm, asked = judge.adjusted([*p, *[1.0] * more], "holm"), len(p) + more
    for i, own in enumerate(p):
        before = sorted(p)[: sorted(p).index(own) + 1]
        assert holm[i] == pytest.approx(min(1, max((asked - k) * q for k, q in enumerate(before))))
    bh = judge.adjusted(p)
    for i, own in enumerate(p):
        behind = [(k, q) for k, q in enumerate(sorted(p), start=1) if q >= own]
        assert bh[i] == pytest.approx(min(1, min(len(p) * q / k for k, q in behind)))


@pytest.mark.golden
def test_benjamini_hochberg_1995():
    """The 15 p-values of their section 3.2 (myocardial infarction): 4 are rejected, the fifth is at
    .0603.
    """
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    adjusted = judge.adjusted(p)
    assert sum(value <= 0.05 for value in adjusted) == 4
    assert adjusted[4] == pytest.approx(0.0603, abs=5e-5)  # printed to four decimals


def test_a_family_is_judged_by_bh_and_holds_no_headline():
    fits = {
        "low": fit(0.11, 0.5),
        "middle": fit(0.15, 0.25),
        "high": fit(0.01, 0.3),
        "odd": fit(0.2, 0.3),
    }
    known = answer(0.11, 0.3)
    rows = judge.judge_family(known, fits | {"odd": None})
    assert [row.at for row in rows] == list(fits) and not any(row.headline for row in rows)
    assert {row.at: row.verdict for row in rows} == {
        "low": "higher",
        "middle": "higher",
        "high": "small",
        "odd": "hidden",
    }
    many = judge.judge_family(known, fits | {f"no {i}": fit(-0.3, 0.2) for i in range(9)})
    assert {row.at: row.verdict for row in many}["high"] == "unknown"
    assert rows[3].estimate is None and rows[3].std_error is None
    assert rows[0].sentence.startswith(
        "Low. Among people with the same manager, cycle and past ratings, those who did"
    )
    assert "higher than those who did none of it" in rows[0].sentence


@pytest.mark.parametrize(
    "headline",
    [answer(0.11, 0.3, LEAD), answer(-0.2, 0.3), answer(0.3, 0.5, n_cycles=1, design="associated")],
)
def test_what_the_headline_did_not_survive_its_parts_do_not_survive(headline):
    (row,) = judge.judge_family(headline, {"low": fit(0.2, 0.4)})
    assert row.verdict == "unknown" and "its parts are no better" in row.sentence


def test_so_much_more_that_nobody_will_wait_for_it_is_said_so():
    assert "more than 100 times as much data" in answer(-2, 3).to_settle


@pytest.mark.parametrize("reason", REASONS)
def test_no_estimate_says_why_and_what_would_settle_it(reason):
    (row,) = judge.judge(
        Comparison("learning_to_rating", None, None, reason=reason), smallest_effect=0.10
    )
    assert row.verdict == "unknown" and row.estimate is None
    assert row.sentence == f"We don’t know: {REASONS[reason]['why']}."
    assert row.to_settle.startswith("To settle it: ")


SMALLEST = {"rating_sd": 0.1, "merit_pp": 0.25, "hazard_ratio": 1.2, "share_pp": 3}
EVERYTHING = frozenset(
    {
        "learning",
        "learning.skill",
        "learning.cost",
        "acknowledgements",
        "acknowledgements.audience",
        "assessments",
        "acknowledgements.skill",
        "ties",
        "rewards",
        "rewards.merit_pct",
        "reviews",
        "reviews.manager_id",
    }
)


def test_nothing_but_people_and_reviews_is_an_honest_we_dont_know_for_all():
    rows = rows_of.unanswerable(frozenset({"people", "reviews"}), SMALLEST)
    assert {row.question for row in rows} == set(registry.questions())
    assert {row.verdict for row in rows} == {"unknown"}
    sentences = {row.question: row.sentence for row in rows}
    assert sentences["Q1"] == "We don’t know: the data hold no learning."
    assert sentences["Q2"] == "We don’t know: the data hold no acknowledgements."
    assert sentences["Q3"] == "We don’t know: the data hold no acknowledgements and no merit data."
    assert sentences["Q4"] == "We don’t know: the data hold no acknowledgements and no managers."


def test_with_everything_recorded_nothing_is_unanswerable():
    assert rows_of.unanswerable(EVERYTHING, SMALLEST) == ()


def test_a_missing_table_speaks_for_its_columns():
    missing = registry.missing_needs(
        registry.questions()["Q4"], EVERYTHING - {"acknowledgements", "acknowledgements.audience"}
    )
    assert [need.where for need in missing] == ["acknowledgements"]
    missing = registry.missing_needs(
        registry.questions()["Q4"], EVERYTHING - {"acknowledgements.audience"}
    )
    assert [need.where for need in missing] == ["acknowledgements.audience"]


def test_coverage_tells_fine_from_coarse_before_any_result():
    seen = {"learning_to_rating": 0.04, "acknowledging_to_rating": 0.25}
    table = explain.coverage(EVERYTHING, seen, SMALLEST).set_index("question")
    assert table.loc["Q1", "sentence"].startswith(
        "At best, a difference of 0.04 SD would be found in 8 of 10"
    )
    assert table.loc["Q2", "sentence"].startswith(
        "Even at best, only a difference of 0.25 SD or more"
    )
    assert table.loc["Q3", "sentence"] == "The data hold what it needs; it is not asked yet."
    none = explain.coverage(
        frozenset({"people", "reviews"}), dict.fromkeys(seen), SMALLEST
    ).set_index("question")
    assert none.loc["Q1", "sentence"] == "Cannot be asked: the data hold no learning."


@pytest.mark.parametrize(
    ("measure", "name", "unit", "told"),
    [
        (
            "mentoring_reach",
            "age_band: 30 to 39",
            "%",
            "Of the people whose age band is 30 to 39, 38.0 % were ever "
            "mentored (likely range 33.0 to 44.0 %).",
        ),
        (
            "spending",
            "hours that were required",
            "%",
            "The share of hours that were required is 38.0 % (likely range 33.0 to 44.0 %).",
        ),
        (
            "spending",
            "cost per person and half-year",
            "EUR",
            "Cost per person and half-year came to 38.1 EUR (likely range 33.2 to 43.9 EUR).",
        ),
        (
            "said_or_silent",
            "silent gaps that were quiet: no self-rating",
            "%",
            "The share of silent gaps that were "
            "quiet (no self-rating) is 38.0 % (likely range 33.0 to 44.0 %).",
        ),
        (
            "how_people_asked",
            "offered own ideas",
            "%",
            "Of the acknowledgements where it is recorded, 38.0 % offered "
            "own ideas (likely range 33.0 to 44.0 %).",
        ),
        (
            "two_questions",
            "learning that enabled performance: answered",
            "%",
            "38.0 % of reviews have the question on "
            "learning that enabled performance answered (likely range 33.0 to 44.0 %).",
        ),
        (
            "two_questions",
            "both questions answered with evidence",
            "%",
            "38.0 % of reviews have both questions "
            "answered with evidence (likely range 33.0 to 44.0 %).",
        ),
        (
            "shared_leadership",
            "said and done, correlation across units",
            "correlation",
            "Across units, what leaders "
            "say and what they do go together with a correlation of 38.1 (likely range 33.2 "
            "to 43.9).",
        ),
    ],
)
def test_a_fact_reads_as_a_sentence(measure, name, unit, told):
    found = fit(33.2, 43.9, estimate=38.1, n_people=310)
    (row,) = rows_of.describe("Q8", measure, {name: found}, unit=unit)
    assert (row.sentence, row.verdict, row.headline) == (told, "described", False)
    assert row.estimate == (38.0 if unit == "%" else 38.1)


def test_a_fact_below_what_is_expected_says_lower_and_turns_its_range():
    facts = {"3 quarters before": fit(-6.4, -2.1, estimate=-4.2)}
    (row,) = rows_of.describe("Q4", "before_and_after_first_time", facts, unit="percentage points")
    assert row.sentence == (
        "3 quarters before, the share acknowledging in teams whose leader went first was "
        "4.20 pp lower than expected "
        "without it (likely range 2.10 to 6.40 pp)."
    )


def test_a_name_with_braces_is_told_as_it_stands():
    (row,) = rows_of.describe("Q8", "mentoring_reach", {"unit: {size}": fit(33.2, 43.9)})
    assert row.sentence.startswith("Of the people whose unit is {size}, ")


def test_measures_belong_to_one_question_and_share_the_smallest_effects():
    names = [key for question in registry.questions().values() for key in question.measures]
    assert len(names) == len(set(names))
    assert set(registry.measures()) - set(names) == {
        "learning_to_closure",
        "merit_by_group",
    }  # families
    assert {measure.smallest for _, measure in registry.measures().values()} <= {*SMALLEST, ""}


def test_merit_reads_as_a_sentence():
    found = Comparison("acknowledging_to_merit_total", None, fit(-0.6, -0.3), strength_to_erase=3.0)
    (row,) = judge.judge(found, smallest_effect=0.25)
    assert (
        "people who acknowledged a gap were given merit increases 0.45 pp lower than people "
        "who did not"
    ) in row.sentence


def test_a_result_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer(0.2, 0.3).verdict = "none"

"""What a claim must survive where a half-year moves the next one: every row of the table."""

from dataclasses import replace

import pytest

from learnalign.verdicts import judge
from learnalign.verdicts.result import Check, Comparison, Fit


def fit(low: float, high: float, **about) -> Fit:
    middle, error = (low + high) / 2, (high - low) / 3.92
    counts = {"level": 0.95, "n_rows": 4000, "n_people": 1000, "n_people_smaller": 300}
    counts |= {"n_clusters": 100, "method": "m", "design": "adjusted"} | about
    return Fit(middle, low, high, error, 99, **counts)


def luck(statistic: float) -> Fit:
    return replace(fit(-1, 1), estimate=statistic, std_error=1.0)


HIGHER, SMALL, NOTHING, LOWER = fit(0.15, 0.25), fit(0.05, 0.25), fit(-0.05, 0.05), fit(-0.3, -0.2)
UNKNOWN = fit(-0.05, 0.25)
FAILED, PASSED, IMPOSSIBLE = (
    Check.of("lead test", outcome, why, what="rating")
    for outcome, why in (("failed", "together"), ("passed", "alone"), ("not possible", "few"))
)
ATTRITION = Check.of("attrition", "failed", "worst")


def told(core: Fit, forward: Fit | None, statistic: float | None, *checks: Check, **about):
    forward = forward and replace(forward, design="within_person")
    found = Comparison(
        "acknowledging_to_rating",
        None,
        core,
        checks=checks,
        forward=forward,
        luck=None if statistic is None else luck(statistic),
        **({"n_cycles": 6, "n_cycles_all": 6} | about),
    )
    return judge.judge(found, smallest_effect=0.10)[0]


@pytest.mark.parametrize(
    ("core", "forward", "statistic", "checks", "verdict", "design"),
    [
        (HIGHER, HIGHER, 0.0, (PASSED,), "higher", "adjusted"),
        (HIGHER, SMALL, 0.0, (PASSED,), "higher", "adjusted"),  # it speaks only where it is needed
        (HIGHER, UNKNOWN, 0.0, (PASSED,), "untrusted", "adjusted"),
        (HIGHER, HIGHER, 2.4, (PASSED,), "untrusted", "adjusted"),
        (HIGHER, HIGHER, 0.0, (FAILED,), "higher", "within_person"),
        (HIGHER, HIGHER, -3.0, (FAILED,), "higher", "within_person"),  # one-sided
        (HIGHER, SMALL, 0.0, (FAILED,), "small", "within_person"),
        (SMALL, HIGHER, 0.0, (FAILED,), "higher", "within_person"),
        (HIGHER, LOWER, 0.0, (FAILED,), "untrusted", "adjusted"),
        (HIGHER, NOTHING, 0.0, (FAILED,), "untrusted", "adjusted"),
        (HIGHER, HIGHER, 2.4, (FAILED,), "untrusted", "adjusted"),
        (HIGHER, HIGHER, 0.0, (IMPOSSIBLE,), "higher", "within_person"),
        (HIGHER, HIGHER, None, (IMPOSSIBLE,), "untrusted", "adjusted"),
        (HIGHER, None, None, (IMPOSSIBLE,), "untrusted", "adjusted"),
        (HIGHER, HIGHER, 0.0, (FAILED, ATTRITION), "untrusted", "within_person"),
        (HIGHER, HIGHER, 0.0, (PASSED, ATTRITION), "untrusted", "adjusted"),
        (HIGHER, NOTHING, 0.0, (FAILED, ATTRITION), "untrusted", "adjusted"),
        (HIGHER, HIGHER, 2.4, (FAILED, ATTRITION), "untrusted", "adjusted"),
        (NOTHING, HIGHER, 0.0, (PASSED,), "none", "adjusted"),
        (NOTHING, NOTHING, 0.0, (FAILED,), "none", "adjusted"),
        (NOTHING, UNKNOWN, 0.0, (FAILED,), "unknown", "within_person"),
        (NOTHING, UNKNOWN, 2.4, (FAILED,), "none", "adjusted"),
        (NOTHING, HIGHER, 0.0, (FAILED,), "unknown", "within_person"),
        (NOTHING, HIGHER, 2.4, (FAILED,), "none", "adjusted"),
        (UNKNOWN, HIGHER, 0.0, (FAILED,), "unknown", "within_person"),
        (UNKNOWN, NOTHING, 0.0, (FAILED,), "unknown", "within_person"),
        (UNKNOWN, fit(-0.1, 0.2), 0.0, (FAILED,), "unknown", "within_person"),
        (UNKNOWN, HIGHER, 0.0, (PASSED,), "unknown", "adjusted"),
        (UNKNOWN, HIGHER, 2.4, (FAILED,), "unknown", "adjusted"),
        (UNKNOWN, HIGHER, None, (FAILED,), "unknown", "adjusted"),
        (UNKNOWN, None, None, (FAILED,), "unknown", "adjusted"),
    ],
)
def test_the_table(core, forward, statistic, checks, verdict, design):
    row = told(core, forward, statistic, *checks)
    assert (row.verdict, row.design) == (verdict, design)
    if verdict == "untrusted":
        assert row.to_settle and "not to be trusted" in row.sentence


def test_which_estimate_spoke_is_said():
    row = told(HIGHER, HIGHER, 0.0, FAILED)
    assert row.sentence.startswith("Comparing people with themselves in later cycles")
    outcomes = {check.name: check.outcome for check in row.checks}
    assert outcomes["lead test"] == "answered" and outcomes["feedback"] == "passed"
    assert row.estimate == HIGHER.estimate and "A check failed" not in row.sentence


@pytest.mark.parametrize(
    ("forward", "branch"),
    [(HIGHER, "disagree"), (NOTHING, "disagree"), (fit(-0.1, 0.2), "unknown")],
)
def test_where_nothing_was_claimed_the_second_is_told_and_gives_no_verdict(forward, branch):
    """The first one's interval is biased where the lead test failed, whatever it says."""
    row = told(UNKNOWN, forward, 0.0, FAILED)
    assert (row.verdict, row.branch, row.low) == ("unknown", branch, forward.low)
    assert row.to_settle and ("an answer needs both" in row.sentence) == (branch == "disagree")
    assert {one.name: one.outcome for one in row.checks}["lead test"] == "answered"


def test_what_else_failed_fails_the_second_estimate_too():
    row = told(HIGHER, SMALL, 0.0, FAILED, ATTRITION)
    outcomes = {check.name: check.outcome for check in row.checks}
    assert (outcomes["lead test"], outcomes["attrition"]) == ("answered", "failed")
    assert row.verdict == "untrusted" and row.low == SMALL.low and row.to_settle


def test_practically_none_is_plain_where_the_second_estimate_is_near():
    plain, wide = (told(NOTHING, one, 0.0, FAILED) for one in (NOTHING, UNKNOWN))
    assert plain.verdict == "none" and "A check failed" not in plain.sentence
    # the first interval need not hold the truth then: no "none" may rest on it alone
    assert wide.verdict == "unknown" and wide.low == UNKNOWN.low


def test_a_rival_that_noisy_ratings_explain_is_answered_too_and_attrition_never():
    found = Comparison(
        "acknowledging_to_rating",
        None,
        HIGHER,
        checks=(PASSED,),
        forward=replace(HIGHER, design="within_person"),
        luck=luck(0),
        rivals=(("bracketing", fit(-0.2, -0.1)), ("noisy ratings", fit(-0.05, 0.05))),
        n_cycles_all=6,
    )
    row = judge.judge(found, smallest_effect=0.10)[0]
    assert (row.verdict, row.design) == ("higher", "within_person")
    assert [c.outcome for c in row.checks if c.name in judge.RIVALS] == ["answered", "answered"]


@pytest.mark.parametrize(
    ("name", "core", "narrower", "outcome"),
    [
        ("recorder", HIGHER, fit(0.01, 0.2), "passed"),
        ("recorder", HIGHER, UNKNOWN, "failed"),
        ("recorder", HIGHER, LOWER, "failed"),
        ("recorder", NOTHING, LOWER, "passed"),  # nothing is claimed
        ("recorder", HIGHER, None, "not possible"),
        ("re-assessment", HIGHER, fit(0.01, 0.2), "passed"),
        ("re-assessment", LOWER, UNKNOWN, "failed"),
        ("re-assessment", NOTHING, HIGHER, "passed"),
        ("re-assessment", LOWER, None, "not possible"),
        ("seen or not", LOWER, LOWER, "passed"),
        ("seen or not", LOWER, NOTHING, "failed"),
        ("seen or not", LOWER, None, "failed"),
        ("seen or not", HIGHER, None, "not possible"),
        ("seen or not", NOTHING, LOWER, "not possible"),
        ("one-to-ones", LOWER, NOTHING, "failed"),
    ],
)
def test_a_claim_must_show_in_the_part_that_can_tell(name, core, narrower, outcome):
    found = Comparison("acknowledging_to_rating", None, core, rivals=((name, narrower),))
    row = judge.judge(found, smallest_effect=0.10)[0]
    (check,) = [one for one in row.checks if one.name == name]
    assert check.outcome == outcome and check.detail
    assert (row.verdict == "untrusted") == (outcome == "failed")


def test_two_cycles_know_nothing_and_say_why():
    claim = told(HIGHER, HIGHER, None, IMPOSSIBLE, n_cycles=2, n_cycles_all=2)
    none = told(NOTHING, NOTHING, None, IMPOSSIBLE, n_cycles=2, n_cycles_all=2)
    assert (claim.verdict, none.verdict) == ("untrusted", "unknown")
    assert "too few cycles" in claim.sentence and "too few cycles" in none.sentence


def test_parts_of_what_the_second_estimate_answered_are_not_trusted():
    """They are estimated as the first was, which feedback biases."""
    headline = told(HIGHER, HIGHER, 0.0, FAILED)
    row = judge.judge_family(headline, {"low": HIGHER})[0]
    assert row.verdict == "untrusted"


@pytest.mark.parametrize(
    ("rating", "at_equal_rating", "outcome"),
    [
        (LOWER, HIGHER, "failed"),
        (HIGHER, LOWER, "failed"),
        (LOWER, LOWER, "passed"),
        (NOTHING, HIGHER, "passed"),  # the rating tells nothing
        (UNKNOWN, LOWER, "passed"),
        (LOWER, None, "not possible"),
    ],
)
def test_at_equal_rating_needs_a_rating_that_does_not_go_the_other_way(
    rating, at_equal_rating, outcome
):
    answer = told(rating, None, None)
    check = judge.two_stages(answer, at_equal_rating)
    assert check.outcome == outcome
    if at_equal_rating:
        found = Comparison(
            "acknowledging_to_merit_at_equal_rating",
            None,
            fit(0.3, 0.4) if at_equal_rating.low > 0 else fit(-0.4, -0.3),
            checks=(check,),
        )
        verdict = judge.judge(found, smallest_effect=0.25)[0].verdict
        assert (verdict == "untrusted") == (outcome == "failed")


@pytest.mark.parametrize(("core", "verdict"), [(HIGHER, "higher"), (LOWER, "untrusted")])
def test_less_after_learning_is_not_told_from_courses_assigned_after_trouble(core, verdict):
    found = Comparison("learning_to_rating", None, core, rivals=(("recorder", core),))
    row = judge.judge(found, smallest_effect=0.10)[0]
    assert row.verdict == verdict
    assert ("assigned after trouble" in row.sentence) == (verdict == "untrusted")


# --- leaders who answer to their teams


def of_teams(core: Fit, forward: Fit | None, statistic: float | None, outcome: str):
    """The answer on leaders: smallest effect 3 points, ten times what fits here are in."""

    def points(one: Fit) -> Fit:
        figures = {k: 30 * getattr(one, k) for k in ("estimate", "low", "high", "std_error")}
        return replace(one, **figures, cluster="leader")

    why = {"passed": "alone", "failed": "together", "not possible": "few"}[outcome]
    found = Comparison(
        "leader_to_team",
        None,
        points(core),
        checks=(Check.of("leaders", outcome, why),),
        forward=forward and replace(points(forward), method="later quarters"),
        luck=None if statistic is None else luck(statistic),
    )
    return judge.judge(found, smallest_effect=3.0)[0]


@pytest.mark.parametrize(
    ("core", "forward", "statistic", "leaders", "verdict", "spoke"),
    [
        (HIGHER, HIGHER, 0.0, "passed", "higher", "m"),
        (HIGHER, SMALL, 0.0, "passed", "higher", "m"),
        (HIGHER, UNKNOWN, 0.0, "passed", "small", "m"),
        (LOWER, NOTHING, 0.0, "passed", "small", "m"),
        (HIGHER, LOWER, 0.0, "passed", "untrusted", "m"),
        (HIGHER, HIGHER, 2.4, "passed", "untrusted", "m"),
        (HIGHER, None, None, "passed", "higher", "m"),
        (HIGHER, HIGHER, None, "passed", "higher", "m"),
        (SMALL, UNKNOWN, 0.0, "passed", "small", "m"),
        (HIGHER, HIGHER, 0.0, "failed", "higher", "later quarters"),
        (SMALL, HIGHER, 0.0, "failed", "higher", "later quarters"),
        (HIGHER, SMALL, 0.0, "failed", "small", "later quarters"),
        (HIGHER, UNKNOWN, 0.0, "failed", "untrusted", "m"),
        (HIGHER, LOWER, 0.0, "failed", "untrusted", "m"),
        (HIGHER, HIGHER, 2.4, "failed", "untrusted", "m"),
        (HIGHER, None, None, "failed", "untrusted", "m"),
        (HIGHER, HIGHER, 0.0, "not possible", "higher", "later quarters"),
        (HIGHER, UNKNOWN, 0.0, "not possible", "small", "m"),
        (HIGHER, None, None, "not possible", "higher", "m"),
        (NOTHING, HIGHER, 0.0, "passed", "none", "m"),
        (NOTHING, NOTHING, 0.0, "failed", "unknown", "m"),
        (UNKNOWN, HIGHER, 0.0, "passed", "unknown", "m"),
    ],
)
def test_the_table_of_leaders(core, forward, statistic, leaders, verdict, spoke):
    row = of_teams(core, forward, statistic, leaders)
    assert (row.verdict, row.method) == (verdict, spoke)
    (check,) = [one for one in row.checks if one.name == "team feedback"]
    untried = forward is None or statistic is None or core in (NOTHING, UNKNOWN)
    # what is small already loses nothing where the second estimate claims nothing
    assert (check.outcome == "not possible") == (untried or (core, forward) == (SMALL, UNKNOWN))


def test_a_difference_that_only_one_comparison_sees_says_why_it_may_be_small():
    row = of_teams(HIGHER, UNKNOWN, 0.0, "passed")
    assert row.branch == "capped" and "small at most" in row.sentence
    assert (
        "teams’ own later quarters" in row.sentence and "was set as not worth" not in row.sentence
    )
    plain = of_teams(SMALL, UNKNOWN, 0.0, "passed")
    assert plain.branch == "small" and "was set as not worth" in plain.sentence

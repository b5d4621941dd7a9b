"""What "practically none" must stand against: amounts and groups of people that differ."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from tests.parts import behind

import learnalign as la
from learnalign.estimates import ask, checks, closing, directions, reassessed, who_and_when
from learnalign.estimates.same_manager import Sample
from learnalign.privacy.gate import Gate
from learnalign.privacy.keys import Draws
from learnalign.privacy.rule import Rule
from learnalign.verdicts import guards, judge
from learnalign.verdicts.result import Check, Comparison, Fit


def fit(low: float, high: float, **about) -> Fit:
    middle, error = (low + high) / 2, (high - low) / 3.92
    counts = {"level": 0.95, "n_rows": 4000, "n_people": 1000, "n_people_smaller": 300}
    counts |= {"n_clusters": 100, "method": "m", "design": "adjusted"} | about
    return Fit(middle, low, high, error, 99, **counts)


def distance(far: float, error: float = 1.0) -> Fit:
    return replace(fit(-1, 1), estimate=far, std_error=error)


def headline(*checks: Check):
    found = Comparison("learning_to_rating", None, fit(-0.05, 0.05), checks=checks)
    return judge.judge(found, smallest_effect=0.10)[0]


# --- the rules


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ({"low": fit(0.15, 0.25), "high": fit(-0.05, 0.05)}, "failed"),
        ({"low": fit(-0.25, -0.15)}, "failed"),
        ({"low": fit(-0.02, 0.05), "high": fit(-0.2, 0.3)}, "passed"),
        ({"low": None}, "not possible"),
        ({}, "not possible"),
    ],
)
def test_none_stands_while_no_amount_comes_to_something(rows, outcome):
    check = guards.dose(judge.judge_family(headline(), rows))
    assert check.outcome == outcome
    row = headline(check)
    assert row.verdict == ("unknown" if outcome == "failed" else "none")
    if outcome == "failed":
        assert "it depends on how much (low amounts" in row.sentence and row.to_settle


def test_an_amount_that_is_one_of_many_or_small_and_not_to_be_trusted_says_nothing():
    many = {name: fit(-0.05, 0.05) for name in "abcdefgh"} | {"low": fit(0.001, 0.2)}
    assert guards.dose(judge.judge_family(headline(), many)).outcome == "passed"
    lead = Check.of("lead test", "failed", "together", what="rating")
    rows = judge.judge_family(headline(lead), {"low": fit(0.05, 0.25)})
    assert guards.dose(rows).outcome == "passed"


@pytest.mark.parametrize("outcome", ["failed", "answered"])
@pytest.mark.parametrize("sign", [1, -1])
def test_none_does_not_stand_on_a_doubt_about_an_amount_that_matters(outcome, sign):
    """What failed for all fails for each amount; an amount beyond what matters may still be true."""
    lead = Check.of("lead test", outcome, "together", what="rating")
    rows = judge.judge_family(headline(lead), {"low": fit(*sorted((sign * 0.15, sign * 0.25)))})
    assert [row.verdict for row in rows] == ["untrusted"]
    check = guards.dose(rows)
    assert check.outcome == "failed" and headline(check).verdict == "unknown"


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({"function": (distance(2.7), 1)}, "failed"),  # p .008
        ({"function": (distance(2.5), 1)}, "passed"),
        ({"function": (distance(2.7), 1), "gender": (distance(0.5), 1)}, "passed"),  # .01 over two
        ({"function": (distance(2.7), 4)}, "passed"),  # of four directions chance makes more
        ({"function": (distance(2.7, error=1.2), 1)}, "passed"),  # moved before it was shown
        ({}, "not possible"),
    ],
)
def test_none_stands_while_groups_do_not_go_different_ways(found, outcome):
    check = guards.groups(found)
    assert check.outcome == outcome
    row = headline(check)
    assert row.verdict == ("unknown" if outcome == "failed" else "none")
    if outcome == "failed":
        assert "it differs between groups of people (by function)" in row.sentence


def test_guards_take_none_away_and_leave_the_parts():
    check = Check.of("dose", "failed", "apart", told="low amounts: 0.20 SD")
    of_none = headline(check)
    kept = judge.judge_family(of_none, {"low": fit(0.15, 0.25)})[0]
    assert (of_none.verdict, kept.verdict) == ("unknown", "higher")
    overlap = Check.of("overlap", "failed", "more", share="10%")
    lost = judge.judge_family(headline(check, overlap), {"low": fit(0.15, 0.25)})[0]
    assert lost.verdict == "unknown"


# --- how far apart groups are


def people_in_groups(seed: int, slopes: tuple[float, ...], people: int = 900) -> Sample:
    """Three cycles; each group has a level and a slope of its own, six to a manager."""
    rng = np.random.default_rng(seed)
    person, cycle = np.repeat(np.arange(people), 3), np.tile(np.arange(3), people)
    group = rng.integers(len(slopes), size=people)[person]
    x, prior, boss = rng.normal(size=len(person)), rng.normal(size=len(person)), person // 6
    y = np.array(slopes)[group] * x + 0.3 * group + 0.5 * prior + rng.normal(size=len(person))
    y = y + rng.normal(size=boss.max() + 1)[boss] * x * 0.2  # managers differ: clusters matter
    columns = {"person_id": person, "rater": boss, "rater_cycle": boss * 3 + cycle}
    rows = pd.DataFrame(columns | {"outcome": y, "exposure": x, "exposed": x > 0, "prior_1": prior})
    return Sample(rows.assign(group=group), ("prior_1",), "manager")


def test_the_distance_is_the_wald_statistic_of_another_implementation():
    sample = people_in_groups(1, (0.2, -0.1, 0.0))
    found, directions_ = directions._distance(sample, sample.rows.group, 0.95)
    model = smf.ols(
        "outcome ~ exposure:C(group) + C(group) + prior_1 + C(rater_cycle)", sample.rows
    )
    groups = {"groups": sample.rows.rater, "use_correction": False}
    names = [f"exposure:C(group)[{n}]" for n in range(3)]
    test = model.fit(cov_type="cluster", cov_kwds=groups).f_test(
        f"{names[0]} = {names[2]}, {names[1]} = {names[2]}"
    )
    many = sample.rows.rater.nunique()
    assert directions_ == 2
    assert found.estimate**2 / 2 * many / (many - 1) == pytest.approx(float(test.fvalue), rel=1e-8)
    assert found.df == many - 1


def test_small_groups_and_those_of_few_managers_are_left_out():
    sample = people_in_groups(2, (0.0, 0.0, 0.0))
    group = sample.rows.group.where(sample.rows.index < 2000, 7)
    few = group.where(sample.rows.rater < 147, 8)  # 54 rows under three managers
    assert directions._distance(sample, few, 0.95)[1] == 3
    assert directions._distance(sample, group.where(group == 7), 0.95) is None
    assert directions._distance(sample, pd.Series(1, group.index), 0.95) is None


@pytest.mark.truth
def test_chance_seldom_sets_groups_apart_and_opposite_ones_always_are():
    def differ(seed: int, *slopes: float) -> bool:
        sample = people_in_groups(seed, slopes)
        return guards.groups({"a": directions._distance(sample, sample.rows.group, 0.95)}).outcome

    alike = [differ(seed, 0.1, 0.1, 0.1) for seed in range(100)]
    assert alike.count("failed") <= 4  # 1 expected
    assert {differ(seed, 0.2, -0.2) for seed in range(10)} == {"failed"}


# --- the road of a question


@pytest.mark.slow
def test_a_question_asks_the_guards_where_it_would_say_none_and_nowhere_else(study, monkeypatch):
    monkeypatch.setattr(directions, "apart", lambda *_: {"function": (distance(9.0), 2)})
    fresh = behind(study)
    merit = la.ask(fresh, "acknowledging_to_merit_total")[0]
    learning = la.ask(fresh, "Q5")[0]
    assert merit.verdict == "unknown" and "by function" in merit.sentence
    assert learning.verdict == "higher"
    assert not {one.name for one in learning.checks} & {*judge.GUARDS}


@pytest.mark.slow
def test_what_a_guard_saw_is_moved_before_it_is_judged(study):
    key, names = "acknowledging_to_merit_total", []
    gate = Gate(Rule(10), Draws(b"x" * 32, "state"), study.gate.alone)
    la.ask(behind(study, gate), key)
    names = [name.split("|")[0] for name in gate.told]
    assert f"{key}, dose/low" in names and f"{key}, function apart" in names


@pytest.mark.slow
def test_without_attributes_nothing_is_asked_of_groups(study):
    meta = study.dataset.meta.model_copy(update={"attributes": ()})
    bare = behind(replace(study, dataset=replace(study.dataset, meta=meta)))
    row = la.ask(bare, "acknowledging_to_merit_total")[0]
    (check,) = [one for one in row.checks if one.name == "groups"]
    assert (row.verdict, check.outcome) == ("none", "not possible")
    assert ask.measures_of(("Q3",))[0] == row.measure


@pytest.mark.slow
def test_what_nobody_timed_is_moved_before_it_is_judged(study, monkeypatch):
    monkeypatch.setattr(reassessed, "MIN_CLOSED", 10)
    gate = Gate(Rule(10), Draws(b"x" * 32, "state"), study.gate.alone)
    shown = behind(study, gate)
    rows = [*la.ask(shown, "acknowledging_to_closure"), *la.beside(shown, "learning_to_closure")]
    names = {name.split("|")[0] for name in gate.told}
    assert "acknowledging_to_closure, re-assessment" in names
    assert "learning_to_closure/any learning, re-assessment" in names
    told = {row.at: check for row in rows for check in row.checks if check.name == "re-assessment"}
    assert {"", "any learning"} <= set(told) and told[""].why == "seen"


# --- what trouble in the same half-year would take


def in_trouble(seed: int, trouble: float, penalty: float = 0.0, people: int = 1_500) -> Sample:
    """Who has a bad half-year asks, by log-odds; and in the next one, by half as much."""
    rng, cycles = np.random.default_rng(seed), 4
    luck = rng.normal(size=(people, cycles + 1))
    odds = -1 - trouble * luck[:, 1:] - trouble / 2 * luck[:, :-1]
    said = (rng.random((people, cycles)) < 1 / (1 + np.exp(-odds))).astype(float)
    y = 0.65 * luck[:, 1:] + penalty * said
    person, cycle = (of.ravel() for of in np.indices((people, cycles)))
    later = np.column_stack([said[:, 1:], np.full(people, np.nan)])
    columns = {"person_id": person, "rater": person // 12, "outcome": y.ravel()}
    columns |= {"rater_cycle": person // 12 * cycles + cycle, "exposure": said.ravel()}
    rows = pd.DataFrame(columns | {"exposed": said.ravel() > 0, "exposure_next": later.ravel()})
    return Sample(rows.assign(prior_1=rng.normal(size=len(rows))), ("prior_1",), "manager")


def test_the_breaking_point_is_that_of_another_implementation():
    sample = in_trouble(1, 0.5, people=240)
    core = sample.core()
    needed, reaction = who_and_when.breaking_point(sample, core)
    fixed, rows = " + prior_1 + C(rater_cycle)", sample.rows
    of = [
        smf.ols(f"{y} ~ {x}{fixed}", rows).fit()
        for y, x in (("outcome", "exposure"), ("exposure", "1"))
    ]
    luck = of[0].resid
    assert needed == pytest.approx((of[1].resid ** 2).mean() / luck.std(ddof=0))
    later = rows.assign(worse=-luck / luck.std(ddof=0)).dropna(subset=["exposure_next"])
    next_one = smf.ols(f"exposure_next ~ worse + exposure{fixed}", later).fit()
    assert reaction.estimate == pytest.approx(next_one.params["worse"])


@pytest.mark.truth
def test_trouble_that_makes_all_of_it_is_what_the_breaking_point_says():
    """Where trouble is all, who reacts by so many points per SD is who makes the figure."""
    for seed in range(3):
        sample = in_trouble(seed, 0.5)
        core, rows = sample.core(), sample.rows
        needed, reaction = who_and_when.breaking_point(sample, core)
        told = 100 * abs(core.estimate) * needed
        worse = -(rows.outcome - rows.outcome.mean()) / rows.outcome.std()
        truth = 100 * np.cov(worse, rows.exposure)[0, 1]  # share points per SD
        assert told == pytest.approx(truth, rel=0.15) and 0 < 100 * reaction.estimate < told
    quiet = in_trouble(1, 0.0, penalty=-0.3)
    needed, reaction = who_and_when.breaking_point(quiet, quiet.core())
    assert 100 * 0.3 * needed > 5 and reaction.low < 0 < reaction.high


@pytest.mark.slow
def test_both_figures_stand_beside_each_other_also_for_none(study):
    gate = Gate(Rule(10), Draws(b"x" * 32, "state"), study.gate.alone)
    rows = [la.ask(shown, "Q2")[0] for shown in (behind(study), behind(study, gate))]
    exact, moved = (
        next(dict(one.facts) for one in row.checks if one.name == "same half-year") for row in rows
    )
    assert {"needed", "seen", "range"} == set(exact) == set(moved)
    names = {name.split("|")[0] for name in gate.told}
    assert exact["seen"] != moved["seen"]
    assert {f"acknowledging_to_rating, {one}" for one in ("trouble", "reaction")} <= names
    core = Comparison("acknowledging_to_rating", None, fit(-0.05, 0.03), trouble=0.2)
    row = judge.judge(core, smallest_effect=0.10)[0]
    (check,) = [one for one in row.checks if one.name == "same half-year"]
    assert row.verdict == "none" and "if 0.20 more of 100 people did it" in check.detail


# --- not by chance, and on the scale that it is read on


def lost(people: int, apart: float) -> Check:
    """Half did it in the next window; they are lost by so much more often than the others' 10 %."""
    did = np.arange(people) % 2
    gone = np.zeros(people)
    for side, rate in ((1, 0.10 + apart), (0, 0.10)):
        places = np.flatnonzero(did == side)
        gone[places[: round(rate * len(places))]] = 1
    everybody = pd.DataFrame({"early": did, "reviewed_next": 1 - gone})
    everybody = everybody.assign(person_id=[f"p{n}" for n in range(people)])
    sample = in_trouble(1, 0.0, people=120)
    return checks.attrition(sample, everybody, fit(0.15, 0.25))


def test_losses_that_chance_sets_apart_take_nothing_away():
    assert (lost(100, 0.06).outcome, lost(100, 0.06).why) == ("passed", "chance")
    assert (lost(100, 0.30).outcome, lost(4_000, 0.06).outcome) == ("failed", "failed")


@pytest.mark.parametrize(("rates", "outcome"), [((1.0, 1.0), "passed"), ((1.0, 0.4), "failed")])
def test_where_all_or_most_are_lost_nothing_breaks(rates, outcome):
    did = np.arange(400) % 2
    away = np.concatenate([np.arange(200) < rate * 200 for rate in rates])
    order = np.argsort(did, kind="stable")
    everybody = pd.DataFrame({"early": did, "reviewed_next": 1.0, "person_id": range(400)})
    everybody.loc[order, "reviewed_next"] = 1.0 - away
    found = checks.attrition(in_trouble(1, 0.0, people=120), everybody, fit(0.15, 0.25))
    assert found.outcome == outcome and under_keys(found, fit(0.15, 0.25)) == {outcome}


def under_keys(check: Check, told: Fit | None = None) -> set[str]:
    gates = (Gate(Rule(10), Draws(f"key {n}".encode() * 8, "state")) for n in range(40))
    return {checks.as_shown(check, "measure", gate, told).outcome for gate in gates}


def test_a_check_at_its_limit_tells_of_nobody():
    """One person more or less decides an exact share there, and nothing of a moved one."""
    just = [lost(4_000, apart) for apart in (0.0285, 0.0315)]
    assert [one.outcome for one in just] == ["passed", "failed"]
    assert [under_keys(one) for one in just] == [{"passed", "failed"}] * 2
    assert under_keys(lost(4_000, 0.2)) == {"failed"}
    exact = checks.as_shown(just[0], "measure", Gate(Rule(10)))
    assert type(exact) is Check and (exact.outcome, exact.why) == ("passed", "near")
    people = pd.Series([f"p{n}" for n in range(300)])
    beyond = [checks.overlap(share, people) for share in (0.0999, 0.1001)]
    assert [one.outcome for one in beyond] == ["passed", "failed"]
    assert [under_keys(one) for one in beyond] == [{"passed", "failed"}] * 2
    assert under_keys(checks.overlap(None, people)) == {"not possible"}


def test_leaving_with_open_gaps_is_moved_too():
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"person_id": [f"p{n // 8}" for n in range(24_000)]})
    rows = rows.assign(learned=(np.arange(24_000) // 8) % 2)
    rate = np.where(rows.learned == 1, 0.0168, 0.0100)
    check = checks.leaving(rows.assign(left=(rng.random(24_000) < rate).astype(int)), "learned")
    assert isinstance(check, checks.Lost) and check.where == " in gaps"
    (loss,) = check.losses
    near = replace(loss, difference=0.03 + loss.by_chance - 1e-6)
    assert under_keys(checks.lost((near,), None, " in gaps")) == {"passed", "failed"}


def test_a_kind_with_which_few_close_a_gap_is_blank_whether_it_can_be_fitted_or_not(study):
    found = closing.learning_to_closure(ask.months(study))[0]
    few = {kind for kind, one in found.items() if one is None or one.n_people_smaller < 10}
    rows = {row.at: row for row in la.beside(study, "learning_to_closure")}
    assert few and {*rows} == {*found}
    assert {kind for kind, row in rows.items() if row.verdict == "hidden"} == few


def test_an_e_value_is_of_the_risk_that_gaps_close_within_a_year():
    ratio, base = fit(1.5, 2.5, ratio=True), replace(fit(30, 50), estimate=40.0)
    risk = (1 - 0.6**1.5) / 0.4
    expected = risk + np.sqrt(risk * (risk - 1))
    assert f"a factor of {expected:.1f} " in closing.to_erase(ratio, base)
    assert f"a factor of {1.5 + np.sqrt(0.75):.1f} " in closing.to_erase(ratio)


@pytest.mark.parametrize(
    ("own", "verdict"),
    [
        ((1.19, 0.78, 1.82), "higher"),  # too few to say: what its days would make is inside
        ((1.0, 0.8, 1.2), "untrusted"),
        ((0.6, 0.4, 0.9), "untrusted"),
        (None, "higher"),
    ],
)
def test_one_kind_of_learning_fails_only_where_its_own_days_speak_against_it(own, verdict):
    def ratio(middle: float, low: float, high: float) -> Fit:
        return replace(fit(low, high, ratio=True), estimate=middle, std_error=0.05)

    fits = {"any learning": ratio(1.5, 1.3, 1.7), "on_the_job": ratio(2.22, 1.58, 3.12)}
    earlier = {"any learning": ratio(1.2, 1.05, 1.4), "on_the_job": own and ratio(*own)}
    about = {"smallest_effect": 1.2, "earlier": earlier}
    rows = judge.judge_kinds("learning_to_closure", fits, **about)
    assert [row.verdict for row in rows] == ["higher", verdict]

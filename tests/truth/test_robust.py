"""Companies built to fool a verdict: each loses its false claims, and true effects stay.

Person-cycles are drawn straight, so that a company costs a tenth of a second; the whole road, from
tables, is counted in `tests/benchmarks`.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from learnalign.estimates import contrasts, directions, forward, leaders, samples
from learnalign.verdicts import feedback, guards, judge
from learnalign.verdicts.result import Comparison

pytestmark = pytest.mark.truth

TEAM = 12
RECORDED = (
    "acknowledgements_late",
    "acknowledgements_seen",
    "acknowledgements_not_written_up",
    "acknowledgements_not_written_up_seen",
    "voluntary_system_hours",
)


def drawn(seed: int, people: int = 1_500, cycles: int = 6) -> tuple:
    """Random numbers, who each row is of, and which cycle of theirs, in the order of both."""
    rng = np.random.default_rng(seed)
    person, cycle = (of.ravel() for of in np.indices((people, cycles)))
    return rng, person, cycle


def person_cycles(person: np.ndarray, cycle: np.ndarray, **columns) -> pd.DataFrame:
    """Rows as linking gives them: what is given, its neighbours in time, and nothing about roles."""
    frame = pd.DataFrame(
        {
            "person_id": person.astype(str),
            "manager_id": (person // TEAM).astype(str),
            "unit": "u",
            "cycle": pd.Series(cycle).map(lambda number: f"c{number}"),
            "grade": None,
            "tenure_years": np.nan,
            "fte": np.nan,
            "reviewed_next": None,
            "required_activities": 1,
            **dict.fromkeys(("manager_changed", "unit_changed", "grade_changed"), False),
            **columns,
        }
    )
    by = frame.groupby("person_id", sort=False)
    shifts = {"_next": -1, "_previous": 1, "_previous_2": 2}
    for name in {"voluntary_hours", "acknowledgements"} & {*columns}:
        around = {f"{name}{where}": by[name].shift(steps) for where, steps in shifts.items()}
        frame = frame.assign(**around, **{f"{name}_early_next": np.nan})
    frame = frame.assign(**{name: np.nan for name in RECORDED if name not in frame})
    priors = {f"{c}_prior_{k}": by[c].shift(k) for c in ("rating", "cycle") for k in (1, 2)}
    return frame.assign(**priors)


# --- past learning


def of_habit(seed: int, effect: float = 0.15) -> pd.DataFrame:
    """Learning is a habit and helps; past ratings hold what it did in their half-years."""
    rng, person, cycle = drawn(seed)
    able, habit = rng.normal(size=(2, person.max() + 1))[:, person]
    logs = 2 + 0.8 * habit + 0.6 * rng.normal(size=len(person))
    hours = np.expm1(np.maximum(logs, 0))
    learned = (np.log1p(hours) - np.log1p(hours).mean()) / np.log1p(hours).std()
    rating = 0.7 * able + effect * learned + 0.7 * rng.normal(size=len(person))
    return person_cycles(person, cycle, voluntary_hours=hours, rating=rating / rating.std())


def test_intervals_cover_where_past_learning_is_held_equal_and_not_without():
    covered, without = [], []
    for seed in range(100):
        prepared = samples.prepare("learning_to_rating", of_habit(seed))
        fits = (
            samples.comparable(prepared).core(),
            samples.comparable(replace(prepared, pasts=())).core(),
        )
        # ratings have an SD of 1 here, so that the declared effect is over the score's
        truth = 0.15 / np.sqrt(0.49 + 0.15**2 + 0.49)
        for fit, into in zip(fits, (covered, without), strict=True):
            into.append(fit.low <= truth <= fit.high)
    assert np.mean(covered) >= 0.89  # 95 %, and nearly three Monte-Carlo errors of 100
    assert np.mean(without) <= 0.80


def test_acknowledging_is_estimated_as_it_was():
    rows = of_habit(1).assign(acknowledgements=1.0)
    prepared = samples.prepare("acknowledging_to_rating", person_cycles_said(rows))
    assert prepared.pasts == ()
    assert samples.comparable(prepared).pasts == ()


@pytest.mark.parametrize(("kept", "held"), [(0.5, 2), (0.2, 0)])
def test_past_learning_is_held_where_it_leaves_a_third_to_compare(kept, held):
    rows = of_habit(2)
    lost = np.random.default_rng(1).random(len(rows)) > kept
    gaps = {
        name: rows[name].mask(lost)
        for name in ("voluntary_hours_previous", "voluntary_hours_previous_2")
    }
    sample = samples.comparable(samples.prepare("learning_to_rating", rows.assign(**gaps)))
    assert len(sample.pasts) == held


def person_cycles_said(rows: pd.DataFrame) -> pd.DataFrame:
    around = dict.fromkeys(("_next", "_previous", "_previous_2", "_early_next"), 0.0)
    return rows.assign(**{f"acknowledgements{name}": value for name, value in around.items()})


# --- moves


def of_moves(seed: int, effect: float = 0.0) -> pd.DataFrame:
    """A quarter move in each half-year: who is new asks more, and is rated lower at first."""
    rng, person, cycle = drawn(seed)
    able = rng.normal(size=person.max() + 1)[person]
    moved = (rng.random(len(person)) < 0.25) & (cycle > 0)
    said = (rng.random(len(person)) < 1 / (1 + np.exp(1 - 1.8 * moved))).astype(float)
    rating = 0.7 * able - 0.8 * moved + effect * said + 0.65 * rng.normal(size=len(person))
    about = {"acknowledgements": said, "rating": rating}
    return person_cycles(person, cycle, **about, manager_changed=moved)


@pytest.mark.parametrize(("effect", "lower"), [(0.0, 0), (-0.2, 19)])
def test_who_is_new_is_compared_with_who_is_new(effect, lower):
    """Not held equal, the difference of those who moved is taken for one of those who asked."""
    found, without = [], []
    for seed in range(20):
        rows = of_moves(seed, effect)
        for moved, into in ((rows.manager_changed, found), (False, without)):
            prepared = samples.prepare(
                "acknowledging_to_rating", rows.assign(manager_changed=moved)
            )
            into.append(samples.comparable(prepared).core().high < -0.10)
    assert sum(found) >= lower if lower else sum(found) == 0
    assert sum(without) == 20


# --- a bad half-year makes people ask in the next one


def of_feedback(
    seed: int, effect=0.0, *, dip=0.8, strugglers=0.3, lasting=0.0, cycles=6, people=1_500
) -> pd.DataFrame:
    """Who asks: the less able, and those whose last half-year was bad; `lasting` is the AR of it."""
    rng, person, cycle = drawn(seed, people, cycles)
    able, fresh = rng.normal(size=people), rng.normal(size=(people, cycles + 1))
    luck = fresh.copy()
    for t in range(1, cycles + 1):
        luck[:, t] = lasting * luck[:, t - 1] + np.sqrt(1 - lasting**2) * fresh[:, t]
    odds = -1 - strugglers * able[:, None] - dip * luck[:, :-1]
    said = (rng.random((people, cycles)) < 1 / (1 + np.exp(-odds))).astype(float)
    seen = said * (rng.random((people, cycles)) < 0.7)  # what nobody sees nobody can punish
    moved = effect * (seen if effect < 0 else said)
    rating = (0.7 * able[:, None] + 0.65 * luck[:, 1:] + moved).ravel()
    return person_cycles(person, cycle, rating=rating, **of_audience(said.ravel(), seen.ravel()))


def of_audience(said: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Acknowledgements, those that the rater could see, and no one-to-ones among them."""
    names = ("", "_not_written_up", "_seen", "_not_written_up_seen")
    return {
        f"acknowledgements{n}": of for n, of in zip(names, (said, said, seen, seen), strict=True)
    }


def verdicts(seeds: range, **about) -> list[str]:
    found = (
        contrasts.compare(of_feedback(seed, **about), "acknowledging_to_rating") for seed in seeds
    )
    return [judge.judge(one, smallest_effect=0.10)[0].verdict for one in found]


def test_nothing_is_claimed_where_feedback_alone_makes_it():
    found = verdicts(range(20))
    assert not {"higher", "lower"} & {*found}
    assert "untrusted" in found  # the first comparison does see something


@pytest.mark.parametrize(("effect", "expected"), [(-0.4, "lower"), (0.25, "higher")])
def test_a_true_effect_is_found_though_people_react_to_bad_half_years(effect, expected):
    found = verdicts(range(20), effect=effect, dip=0.6)
    assert found.count(expected) >= 17


def test_three_cycles_of_many_people_claim_nothing_where_nothing_is_and_two_never_do():
    three = verdicts(range(6), cycles=3, people=4_000)
    two = verdicts(range(6), cycles=2, effect=0.4)
    assert not {"higher", "lower"} & {*three}
    assert not {"higher", "lower", "small", "none"} & {*two}


def test_the_luck_test_is_rare_where_luck_is_new_and_sees_where_it_lasts():
    def lasts(seed: int, lasting: float) -> bool:
        frame = samples.prepare("acknowledging_to_rating", of_feedback(seed, lasting=lasting)).frame
        return feedback.lasts(forward.feedback_robust(frame, "manager")[1])

    assert sum(lasts(seed, 0.0) for seed in range(100)) <= 5
    assert all(lasts(seed, 0.6) for seed in range(20))


def test_its_interval_covers_with_and_without_feedback():
    for dip in (0.0, 0.8):
        covered = []
        for seed in range(100):
            frame = samples.prepare("acknowledging_to_rating", of_feedback(seed, dip=dip)).frame
            fit = forward.feedback_robust(frame, "manager")[0]
            covered.append(fit.low <= 0 <= fit.high)
        assert np.mean(covered) >= 0.89  # 95 %, and nearly three Monte-Carlo errors of 100


@pytest.mark.parametrize(("effect", "verdict"), [(-0.3, "lower"), (-0.2, "unknown")])
def test_what_is_printed_covers_though_people_react_to_bad_half_years(effect, verdict):
    """The first comparison is biased by .12: whatever it says, and whatever else fails, the second
    is told where luck is new.
    """
    held, biased, spoke = [], [], []
    for seed in range(40):
        found = contrasts.compare(of_feedback(seed, effect), "acknowledging_to_rating")
        row = judge.judge(found, smallest_effect=0.10)[0]
        truth = 0.7 * effect / np.sqrt(0.49 + 0.65**2)  # of all who ask, as some are seen
        held.append(row.low <= truth <= row.high)
        biased.append(not found.adjusted.low <= truth <= found.adjusted.high)
        spoke.append(row.verdict if row.design == "within_person" else "")
    assert np.mean(held) >= 0.85  # 95 %, and nearly three Monte-Carlo errors of 40
    assert np.mean(biased) >= 0.85 and verdict in spoke


# --- settled before its date


def of_settled(seed: int, effect: float = 0.0, settled: float = 0.0) -> pd.DataFrame:
    """Up to two acknowledgements, late or early; a bad rating that is known early adds late ones."""
    rng, person, cycle = drawn(seed)
    able, luck = rng.normal(size=person.max() + 1)[person], rng.normal(size=len(person))
    early, late = (rng.random((2, len(person))) < [[0.22], [0.08]]).astype(float)
    late = np.maximum(late, (luck < -0.3) & (rng.random(len(person)) < settled))
    said = early + late
    rating = 0.7 * able + 0.65 * luck + effect * (said > 0)
    about = {"acknowledgements": said, "acknowledgements_late": late, "rating": rating}
    return person_cycles(person, cycle, **about)


@pytest.mark.parametrize(
    ("effect", "settled", "least", "most"), [(0, 0.5, 18, 20), (0, 0, 0, 3), (-0.3, 0, 0, 3)]
)
def test_a_rating_that_was_settled_early_fails_the_check_on_timing(effect, settled, least, most):
    failed = 0
    for seed in range(20):
        found = contrasts.compare(of_settled(seed, effect, settled), "acknowledging_to_rating")
        (timing,) = [check for check in found.checks if check.name == "timing"]
        failed += timing.outcome == "failed"
    assert least <= failed <= most


def test_without_a_date_in_the_window_the_check_on_timing_is_not_possible():
    rows = of_settled(1)
    with_it, without = (
        contrasts.compare(one, "acknowledging_to_rating")
        for one in (rows, rows.assign(acknowledgements_late=np.nan))
    )
    assert with_it.adjusted == without.adjusted
    assert {c.outcome for c in without.checks if c.name == "timing"} == {"not possible"}


# --- written down by those it is about


def of_logging(seed: int, effect: float = 0.0, logging: float = 0.0) -> pd.DataFrame:
    """Half of learning is known to a system; of the rest more is written down in a good year."""
    rng, person, cycle = drawn(seed)
    able, luck = rng.normal(size=person.max() + 1)[person], rng.normal(size=len(person))
    system, own = np.expm1(np.abs(rng.normal(0, 1.2, (2, len(person)))))
    hours = system + own
    logs = np.log1p(hours)
    rating = 0.7 * able + 0.65 * luck + effect * (logs - logs.mean()) / logs.std()
    written = system + own * np.exp(logging * luck)
    about = {"voluntary_hours": written, "voluntary_system_hours": system, "rating": rating}
    return person_cycles(person, cycle, **about)


@pytest.mark.parametrize(
    ("effect", "logging", "least", "most"), [(0.0, 0.8, 0, 1), (0.3, 0.0, 12, 12), (0.0, 0.0, 0, 0)]
)
def test_who_writes_down_more_when_all_goes_well_claims_nothing(effect, logging, least, most):
    found = []
    for seed in range(12):
        comparison = contrasts.compare(of_logging(seed, effect, logging), "learning_to_rating")
        found.append(judge.judge(comparison, smallest_effect=0.10)[0].verdict)
    assert least <= found.count("higher") <= most
    assert ("untrusted" in found) == (logging > 0)


def test_nearly_all_reported_by_oneself_is_not_trusted_and_unknown_writers_change_nothing():
    rows = of_logging(1, 0.3)
    by_themselves, unknown = (
        contrasts.compare(rows.assign(voluntary_system_hours=system), "learning_to_rating")
        for system in (0.01 * rows.voluntary_hours, np.nan)
    )
    (failed,), (impossible,) = (
        [check for check in one.checks if check.name == "recorder"]
        for one in (by_themselves, unknown)
    )
    assert (failed.outcome, failed.why) == ("failed", "by themselves")
    assert (impossible.outcome, impossible.why) == ("not possible", "not recorded")
    assert judge.judge(by_themselves, smallest_effect=0.10)[0].verdict == "untrusted"
    assert judge.judge(unknown, smallest_effect=0.10)[0].verdict == "higher"


# --- trouble in the same half-year


def of_trouble(seed: int, *, seen=0.0, unseen=0.0, trouble=0.0) -> pd.DataFrame:
    """A crisis makes people ask and lowers the rating; being seen, or asking unseen, may cost."""
    rng, person, cycle = drawn(seed)
    able, luck = rng.normal(size=person.max() + 1)[person], rng.normal(size=len(person))
    said = rng.poisson(np.exp(-1.1 - 0.2 * able - trouble * luck)).astype(float)
    visible = rng.binomial(said.astype(int), 0.5).astype(float)
    cost = seen * (visible > 0) + unseen * ((said > 0) & (visible == 0))
    rating = 0.7 * able + 0.65 * luck + cost
    return person_cycles(person, cycle, rating=rating, **of_audience(said, visible))


def told(seeds: range, **about) -> list[str]:
    found = (
        contrasts.compare(of_trouble(seed, **about), "acknowledging_to_rating") for seed in seeds
    )
    return [judge.judge(one, smallest_effect=0.10)[0].verdict for one in found]


def test_trouble_that_moves_both_is_never_a_penalty():
    found = told(range(8), trouble=0.5)
    assert not {"higher", "lower"} & {*found} and "untrusted" in found


def test_what_is_seen_and_punished_is_found():
    assert told(range(8), seen=-0.4).count("lower") >= 7


def test_a_penalty_on_what_nobody_saw_too_cannot_be_told_from_trouble():
    assert {*told(range(4), seen=-0.4, unseen=-0.4)} == {"untrusted"}


def test_without_an_audience_a_penalty_is_not_known_and_what_is_higher_is():
    for effect, verdict, outcome in (
        (-0.4, "untrusted", "failed"),
        (0.4, "higher", "not possible"),
    ):
        rows = of_feedback(3, effect, dip=0).assign(acknowledgements_seen=np.nan)
        row = judge.judge(contrasts.compare(rows, "acknowledging_to_rating"), smallest_effect=0.10)[
            0
        ]
        assert row.verdict == verdict
        assert {c.outcome for c in row.checks if c.name == "seen or not"} == {outcome}


# --- practically none, on average


def of_shape(seed: int, low: float = 0.0, high: float = 0.0, opposite: float = 0.0) -> tuple:
    """A little learning moves the rating by `low`, much by `high`; `opposite` in half of people."""
    rng, person, cycle = drawn(seed)
    able, odd = rng.normal(size=person.max() + 1)[person], person // TEAM % 2
    hours = np.where(rng.random(len(person)) < 0.5, 0, np.ceil(rng.gamma(2, 6, len(person))))
    some = np.where(hours == 0, 0, np.where(hours <= 12, low, high))
    learned = (np.log1p(hours) - np.log1p(hours).mean()) / np.log1p(hours).std()
    rating = 0.7 * able + some + opposite * (1 - 2 * odd) * learned
    rating = rating + 0.65 * rng.normal(size=len(person))
    rows = person_cycles(person, cycle, voluntary_hours=hours, rating=rating / rating.std())
    function = pd.DataFrame({"function": odd}, index=person.astype(str))
    return rows, function[~function.index.duplicated()]


def guarded(seed: int, **about) -> tuple[str, set[str]]:
    """The verdict before any guard, and which guard takes it away."""
    rows, people = of_shape(seed, **about)
    prepared = samples.prepare("learning_to_rating", rows)
    core = Comparison("learning_to_rating", None, samples.comparable(prepared).core())
    none = judge.judge(core, smallest_effect=0.10)[0]
    found = guards.dose(judge.judge_family(none, contrasts.dose(prepared)))
    apart = guards.groups(directions.apart(prepared, people))
    return none.verdict, {one.name for one in (found, apart) if one.outcome == "failed"}


def test_none_is_taken_back_where_only_the_average_is_none():
    rises = [guarded(seed, low=0.30, high=-0.15) for seed in range(5)]
    apart = [guarded(seed, opposite=0.2) for seed in range(5)]
    nothing = [guarded(seed) for seed in range(6)]
    assert [verdict for verdict, _ in rises + apart].count("none") >= 9  # the average is near 0
    assert sum("dose" in failed for _, failed in rises) >= 4
    assert sum("groups" in failed for _, failed in apart) == 5
    assert [verdict for verdict, _ in nothing].count("none") == 6
    assert sum(bool(failed) for _, failed in nothing) <= 1


# --- leaders who answer to their teams


def of_panel(seed: int, effect: float = 0.0, answer: float = 0.0, shock: float = 0.0):
    """120 teams of nine in 15 units, for twelve quarters: `effect` is what the leader's last quarter
    adds to the team's log-odds, `answer` what the team's last share adds to the leader's; a local
    `shock` lasts, .7 of it into the next quarter, and moves both.
    """
    rng, unit = np.random.default_rng(seed), np.arange(120) % 15
    own, leads = rng.normal(0, 0.4, 120), rng.normal(0, 0.5, 120)
    stir, led, share, quarters = np.zeros(120), np.zeros(120), np.full(120, 0.2), []
    for quarter in range(12):
        stir = 0.7 * stir + shock * rng.normal(size=120)
        odds = -1.5 + own + rng.normal(0, 0.2, 15)[unit] + stir + effect * led
        others = -1.2 + leads + 0.8 * stir + answer * 10 * (share - 0.2)
        share = rng.binomial(9, 1 / (1 + np.exp(-odds))) / 9
        led = (rng.random(120) < 1 / (1 + np.exp(-others))).astype(float)
        team = {"team_id": np.arange(120), "leader_id": np.arange(120), "unit": unit, "people": 9}
        own_quarter = {"quarter": quarter, "share": share, "leader_acknowledged": led}
        quarters.append(pd.DataFrame(team | own_quarter))
    return pd.concat(quarters, ignore_index=True)


def followed(seeds: range, **about):
    found = (leaders.leader_to_team(of_panel(seed, **about)) for seed in seeds)
    return [judge.judge(one, smallest_effect=3.0)[0] for one in found]


@pytest.mark.parametrize("answer", [0.0, 0.2, 0.4])
def test_teams_that_follow_are_found_though_their_leaders_answer_to_them(answer):
    rows = followed(range(20), effect=0.6, answer=answer)
    assert [row.verdict for row in rows].count("higher") >= 18
    failed = [
        check.outcome for row in rows for check in row.checks if check.name == "leaders"
    ].count("answered")
    assert failed == 20 if answer else failed <= 5  # alone, the leader's next quarter forbids it
    assert np.mean([row.estimate for row in rows]) == pytest.approx(10.6, abs=1.0)


def test_a_local_shock_that_lasts_is_never_more_than_small():
    rows = followed(range(20), shock=0.5)
    assert not {"higher", "lower"} & {row.verdict for row in rows}
    lasts = [one.why for row in rows for one in row.checks if one.name == "team feedback"]
    assert lasts.count("lasts") <= 12  # a short one is not always told: nothing else is, either

"""At a limit one person decides nothing for certain: what is there is judged on moved counts.

Each case has data at a limit and the same with one person less. As they are, they differ in what
would be published; under many keys either may be, and with nearly the same chances.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.parts import behind

import learnalign as la
from learnalign.estimates import (
    ask,
    checks,
    closing,
    contrasts,
    directions,
    forward,
    groups,
    hazards,
    invited,
    ladder,
    leaders,
    limits,
    pooling,
    reassessed,
    rivals,
    samples,
    sensitivity,
    who_and_when,
)
from learnalign.estimates.same_manager import Sample
from learnalign.facts import gaps, merit, networks
from learnalign.privacy import gate, noise
from learnalign.privacy.gate import Gate
from learnalign.privacy.keys import Draws
from learnalign.privacy.rule import Rule
from learnalign.runs import units
from learnalign.studies import judged
from learnalign.verdicts import judge, rows
from learnalign.verdicts.result import Comparison, Fit

KEYS = 60


def door(number: int) -> Gate:
    return Gate(Rule(10), Draws(f"key {number}".encode() * 8, "state"))


def under_keys(make: Callable[[], object], many: int = KEYS) -> Counter:
    """How often something is published under so many keys."""
    asks = judged(lambda _: make())
    return Counter(str(asks(SimpleNamespace(gate=door(n)))) for n in range(many))


def far_apart(one: Counter, other: Counter) -> float:
    """How much more often than by chance somebody guesses which it was."""
    return sum(abs(one[name] - other[name]) for name in {*one, *other}) / 2 / one.total()


# --- data: a row per person and cycle, under managers of so many people


def names(people: int) -> np.ndarray:
    return np.array([f"p{n}" for n in range(people)])


def cycles(people: int, many: int = 1, to_a_manager: int = 6, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    cycle, person = (of.ravel() for of in np.indices((many, people)))
    rater = person // to_a_manager
    found = {
        "person_id": names(people)[person],
        "cycle": cycle.astype(str),
        "rater": rater,
        "rater_cycle": rater * many + cycle,
        "by": "manager",
        "rating": 1 + person % 5,
        "outcome": np.round(rng.normal(size=len(person)), 3),
        "exposure": (person % 2).astype(float),
    }
    rows = pd.DataFrame(found | {name: make(person, cycle) for name, make in columns.items()})
    return rows.assign(exposed=rows.exposure == 1)


def prepared(rows: pd.DataFrame) -> samples.Prepared:
    return samples.Prepared("acknowledging_to_rating", rows)


def nothing(people: int = 120, **columns) -> str:
    return prepared(cycles(people, **columns)).nothing_to_compare


def first(n: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda person, _: (person < n).astype(float)


def few_ratings(n: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda person, _: np.where(person < n, 3, 1 + person % 2)


def missing(n: int) -> str:
    return nothing(exposure=lambda p, _: np.where(p < n, np.nan, p % 2))


def alike(n: int) -> str:
    same = {"rating": lambda p, _: np.where(p < n, 4, 3)}
    return nothing(**same, outcome=lambda p, _: np.where((p < n) | (n > 0), (p < n) - 0.1, np.nan))


def discretion(n: int) -> str:
    rows = cycles(240, cell=lambda p, _: p % 2, gap=lambda p, _: np.where(p < n, 0.5, 0.0))
    return Sample(rows.assign(outcome=2.0 + rows.gap), (), "manager").no_estimate


def past(n: int) -> int:
    known = lambda p, _: np.where(p < n, (p % 5) - 2.0, np.nan)  # noqa: E731
    rows = cycles(300, prior_1=known, prior_2=lambda p, _: np.full(len(p), np.nan))
    return len(prepared(rows).comparable.priors)


def changers(n: int) -> bool:
    does = lambda p, c: np.where(p < n, (p + c) % 2, p % 2).astype(float)  # noqa: E731
    return rivals.within_person(cycles(300, 2, exposure=does), "manager") is None


def by_schedule(n: int) -> bool:
    rows = pd.DataFrame({"person_id": names(400), "interval": range(400), "x": [0, 1] * 200})
    rows = rows.assign(closed=(np.arange(400) * 7 % 400 < n).astype(int))
    return reassessed.by_schedule(rows, "x") is None


def lasts(n: int) -> bool:
    rng = np.random.default_rng(2)
    rows = cycles(n, 3, 5, exposure=lambda p, _: rng.integers(0, 2, len(p)).astype(float))
    return forward.feedback_robust(rows, "manager")[1] is None


def large(n: int) -> int:
    rows = cycles(300, group=lambda p, _: np.where(p < n, "a", "b"))
    return len(set(directions._large(rows).group))


def group(n: int) -> int:
    rows = cycles(200, 1, 4)
    rows = rows.assign(rater=np.arange(200) % 30)
    return len(groups._large(rows.groupby(np.where(np.arange(200) < n, "a", "b")), 10))


def gap_rows(did: int, closed: int = 40, people: int = 200, managers: int = 40) -> closing._Sample:
    """Of those who did it so many closed a gap, and half of the others."""
    who = np.arange(people)
    rows = pd.DataFrame({"person_id": names(people), "manager": who % managers})
    rows = rows.assign(month=1, acknowledged=(who < did).astype(int), left=0)
    ends = np.where(who < did, who < closed, who % 2)
    return closing._Sample(rows.assign(closed=ends.astype(int)), "manager", "", pd.DataFrame())


def months(people: int) -> str:
    gaps = pd.DataFrame({"person_id": names(people), "manager": np.arange(people) % 30})
    gaps = gaps.assign(acknowledged_before=False)
    rows = gaps.assign(month=1, mentored=np.arange(people) % 2, closed=0)
    found = closing.Months(gaps, rows, pd.DataFrame(), "manager")
    return closing.sample_of(found, "mentoring_to_closure").reason


def system(n: int) -> str:
    rows = cycles(400, amount=lambda p, _: np.full(len(p), 1.0))
    rows = rows.assign(system_amount=(np.arange(400) * 7 % 400 < n).astype(float), system=1.0)
    return who_and_when.by_system(Sample(rows, (), "manager"))[1]


def bonus(n: int) -> str:
    rows = cycles(200, bonus=lambda p, _: np.where(p * 7 % 200 < n, p % 7, np.nan))
    rows = rows.assign(unit="u", grade="g")
    return checks.bonus_control(Sample(rows, (), "manager"), False).why


def led(changing: int) -> bool:
    """Teams of leaders over two quarters, of whom so many did it once."""
    team, quarter = (of.ravel() for of in np.indices((40, 2)))
    rows = pd.DataFrame({"team_id": team, "leader_id": team, "unit": "u", "quarter": quarter})
    rows = rows.assign(before=((team < changing) & (quarter == 1)).astype(float), share=0.5)
    try:
        return len(leaders._comparable(rows, "before")) == 0
    except ValueError:
        return True


def rung(clusters: int) -> str:
    return slope(clusters).rung


def slope(clusters: int) -> ladder.Slope:
    rng, cluster = np.random.default_rng(1), np.repeat(np.arange(clusters), 4)
    x = rng.normal(size=len(cluster))
    return ladder.slope(x + rng.normal(size=len(x)), x, np.array([f"m{n}" for n in cluster]))


def loss(n: int) -> int:
    did = pd.Series(np.arange(100) < n)
    return limits.both("lost", pd.Series(names(100)), did)


def many_cycles(n: int) -> int:
    rows = pd.DataFrame({"person_id": names(100), "cycle": np.where(np.arange(100) < n, "b", "a")})
    return limits.levels("cycles", rows.person_id, rows.cycle)


def formula(n: int) -> bool:
    """So many have a bonus that is off the formula."""
    who = np.arange(600)
    rows = pd.DataFrame({"person_id": names(600), "unit": "u", "cycle": who % 3, "grade": "g"})
    return checks.set_by_formula(rows.assign(bonus=rows.cycle + 1.0 * (who * 7 % 600 < n)))


def overlap(n: int) -> bool:
    return checks.is_most(n / 400, pd.Series(names(400)))


def invited_of(n: int) -> bool:
    rows = cycles(400, 1, 10, taken=lambda p, _: p * 7 % 11, exposure=lambda p, _: p * 3 % 7.0)
    fit = object()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(invited, "_smaller", lambda _: n)
        patch.setattr(invited, "through", lambda *_: None)
        patch.setattr(
            invited, "_taken", lambda _: patch.setattr(invited, "_seen", fit, raising=False)
        )
        invited.effect(Sample(rows, (), "manager"))
        return hasattr(invited, "_seen")


def detectable(n: int) -> bool:
    rows = cycles(400, exposure=first(n))
    sample = Sample(rows, (), "manager")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "prepare", lambda *_: None)
        patch.setattr(samples, "usable", lambda _: sample)
        return contrasts.detectable(rows, "acknowledging_to_rating") is None


def open_until(n: int) -> str:
    """So many have a gap that was open a second month."""
    who = np.r_[np.arange(100), np.arange(n)]
    rows = pd.DataFrame({"person_id": names(100)[who], "month": np.r_[[1] * 100, [2] * n]})
    rows = rows.assign(closed=0, left=0)
    try:
        hazards._closing(rows, "x", 2, pd.Index(["month_1"]), np.ones(1))
    except ValueError:
        return "too far"
    return ""


LIMITS = {
    "ten degrees of freedom": (lambda n: Sample(cycles(n, 1, 4), (), "m").too_thin(), 15),
    "three managers": (lambda n: Sample(cycles(n, 2, 20), (), "m").no_estimate, 61),
    "nobody did it": (lambda n: nothing(exposure=first(n)), 1),
    "a few did it": (lambda n: nothing(exposure=first(n)), 10),
    "everybody but one did it": (lambda n: nothing(exposure=first(120 - n)), 1),
    "one rating": (alike, 1),
    "two ratings": (lambda n: nothing(rating=few_ratings(n)), 1),
    "one manager": (lambda n: nothing(rater=lambda p, _: p < n), 1),
    "a third not recorded": (lambda n: missing(41 - n), 1),
    "no discretion": (discretion, 1),
    "a third with a prior rating": (past, 100),
    "30 people who change": (changers, 30),
    "100 gaps closed by schedule": (by_schedule, 100),
    "100 rows of three in a row": (lasts, 100),
    "100 rows of a group": (large, 100),
    "a group of ten": (group, 10),
    "nobody closed a gap with it": (
        lambda n: gap_rows(60, n).nothing_to_compare("acknowledged"),
        1,
    ),
    "nobody acknowledged": (lambda n: gap_rows(n).nothing_to_compare("acknowledged"), 1),
    "three gaps closed with it": (lambda n: gap_rows(60, n).closed_with("acknowledged"), 3),
    "a few gaps closed with it": (lambda n: gap_rows(60, n).closed_with("acknowledged"), 10),
    "no gaps": (months, 1),
    "5 % recorded by the system": (system, 20),
    "half with a bonus": (bonus, 100),
    "a bonus by formula": (formula, 22),
    "hardly anybody alike": (lambda n: not overlap(201 - n), 0),
    "three leaders who change": (led, 4),
    "50 clusters": (rung, 50),
    "nobody on one side of those lost": (loss, 1),
    "a cycle of one person": (many_cycles, 1),
    "30 people invited": (invited_of, 30),
    "ten people on a side": (detectable, 10),
    "a month in which nobody's gap is open": (open_until, 1),
}
SAME = {"a few did it", "a few gaps closed with it", "hardly anybody alike"}
"""Where what is exact does not change there."""


@pytest.mark.slow
@pytest.mark.parametrize("name", LIMITS)
def test_at_a_limit_one_person_decides_nothing_for_certain(name):
    make, n = LIMITS[name]
    assert (str(make(n)) == str(make(n - 1))) == (name in SAME)
    at, less = under_keys(lambda: make(n)), under_keys(lambda: make(n - 1))
    assert {*at} & {*less}
    # By a step of moved counts one more is told in 7 of 100, at a floor in 13, of managers in 27;
    # 60 keys for each add an error of 9
    assert far_apart(at, less) < 0.45


FIT = Fit(
    0.3,
    0.2,
    0.4,
    0.05,
    99,
    0.95,
    n_rows=4000,
    n_people=1000,
    n_people_smaller=300,
    n_clusters=100,
    method="m",
    design="adjusted",
    influence=pd.Series(0.001, names(1000)),
)


# --- the step


def test_far_from_a_limit_nothing_is_moved_and_nothing_told():
    people = names(500)
    for count, is_there in ((500, True), (-2, False)):
        doors = [door(n) for n in range(20)]
        for one in doors:
            asks = judged(lambda _, count=count: limits.enough("people", people, count, 30))
            assert asks(SimpleNamespace(gate=one)) is is_there and not one.told
    one = door(1)
    judged(lambda _: limits.people("people", people[:30], 30))(SimpleNamespace(gate=one))
    ((figure, moves),) = one.told.items()
    assert figure.startswith("enough: people|")
    assert moves.max() == pytest.approx(2 * 0.3989 / 6, rel=0.01)  # of yes or no, at its middle


@pytest.mark.parametrize("by", [noise.OF_PEOPLE, limits.OF_MANAGERS])
def test_what_cannot_be_told_of_fewer_is_hardly_ever_told_at_the_limit(by):
    about = {"is_floor": True, "by": by}

    def share(count: int) -> float:
        found = under_keys(lambda: limits.enough("floor", names(40), count, 10, **about), 400)
        return found["True"] / 400

    assert share(9) == 0 and share(10) < 0.06  # 2.3 by the noise
    assert 0.4 < share(round(10 + 2 * by)) < 0.6
    assert share(round(10 + 5 * by)) > 0.98


def test_steps_are_as_wide_as_all_noise_is():
    """Else more noise would not help where limits tell most, and a run would never end."""
    draws = Draws(b"x" * 32, "state", factor=2.0, is_unit=True)
    one = Gate(Rule(10), draws)
    judged(lambda _: limits.people("people", names(30), 30))(SimpleNamespace(gate=one))
    (moves,) = one.told.values()
    assert moves.max() == pytest.approx(2 * 0.3989 / 24, rel=0.01)


def test_managers_of_many_people_are_there_whoever_leaves():
    ids, raters = pd.Series(names(25)), pd.Series(np.arange(25) // 8)
    one = door(1)
    judged(lambda _: limits.managers(ids, raters))(SimpleNamespace(gate=one))
    (moves,) = one.told.values()
    assert [*moves.index] == [names(25)[-1]]


def test_without_draws_counts_are_judged_as_they_are():
    alone = SimpleNamespace(gate=Gate(Rule(10)))
    for count in (9, 10):
        assert limits.enough("people", [], count, 10) is (count == 10)
        asks = judged(lambda _, count=count: limits.enough("p", [], count, 10, is_floor=True))
        assert asks(alone) is (count == 10)
    assert judged(lambda _: limits.somebody("one", names(1)))(alone)


def test_the_gate_of_a_study_is_forgotten_after_it():
    @judged
    def fails(_):
        raise ValueError

    with pytest.raises(ValueError):
        fails(SimpleNamespace(gate=door(1)))
    assert not limits.is_moved()


def test_a_ratio_without_bounds_is_a_number():
    fit = replace(FIT, ratio=True, std_error=400.0, df=1.0, low=0.0, high=np.inf)
    assert rows.detectable_in(fit, unit="hazard ratio") > 1e300
    found = noise.moved(fit, 500.0, -2000.0, 0.02, 0.0)
    assert found.estimate == 0 and judge.p_value(found, "hazard ratio") < 1


# --- what the gate itself counts


def gates(ask: Callable[[Gate], object]) -> Counter:
    return Counter(str(ask(door(n)) is None) for n in range(KEYS))


def test_ten_people_with_rows_or_fifty_with_a_share_are_not_told_by_one():
    """They are hidden where they are truly fewer, as the rule says, and often where they are not."""

    def rows(people: int) -> Counter:
        return gates(lambda one: one.rows("rows", pd.Series(3, names(people))))

    def share(people: int) -> Counter:
        yes = pd.Series(np.arange(people) < 5)
        return gates(lambda one: one.share("share", pd.Series(names(people)), yes))

    for make, n in ((rows, 10), (share, 50)):
        at, less = make(n), make(n - 1)
        assert less == {"True": KEYS} and at["True"] > KEYS / 4


def test_a_unit_of_ten_people_or_three_managers_has_an_edition_or_has_none():
    for people, managers in ((10, 5), (40, 3)):
        ids = pd.Index(names(people))
        few = Counter(units._is_few(door(n), ids, managers) for n in range(KEYS))
        assert few[True] > KEYS / 4 and few[False] > KEYS / 4
    assert {units._is_few(door(n), pd.Index(names(9)), 5) for n in range(KEYS)} == {True}
    assert not units._is_few(Gate(Rule(10)), pd.Index(names(10)), 3)


# --- what is judged after it was moved


def test_whether_nearly_all_have_the_same_rating_is_moved():
    def asked(share: float) -> Counter:
        found = Comparison("learning_to_rating", None, FIT, modal_share=share)
        studies = (SimpleNamespace(gate=door(n)) for n in range(KEYS))
        moved = (ask._of_spreads(study, found, "modal_share") for study in studies)
        return Counter(one > 0.85 for one in moved)

    at, less = asked(0.8505), asked(0.8495)
    assert {*at} == {*less} == {True, False} and far_apart(at, less) < 0.3


def test_a_second_interval_is_there_wherever_managers_may_be_told_as_few():
    assert slope(19).second and not slope(20).second
    assert "None" not in under_keys(lambda: slope(20).second, 3)
    assert {*under_keys(lambda: slope(36).second, 3)} == {"None"}


def test_a_cost_is_told_of_extra_gaps_that_are_clearly_some():
    near, far = replace(FIT, low=0.0005), replace(FIT, low=0.05)
    assert limits.positive("extra", near)
    assert under_keys(lambda: limits.positive("extra", near))["True"] < 0.15 * KEYS
    assert {*under_keys(lambda: limits.positive("extra", far))} == {"True"}
    assert {*under_keys(lambda: limits.positive("extra", replace(FIT, low=0.0)))} == {"False"}


def at_the_edge(make: Callable[[float], object], low: float, high: float) -> float:
    """Where what is exact changes, between two amounts."""
    before = make(low)
    assert make(high) != before
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if make(middle) == before else (low, middle)
    return high


def test_what_measures_a_factor_or_a_reliability_is_no_exact_step():
    rng = np.random.default_rng(1)
    prior, noise_, own = rng.normal(size=(3, 600))

    def strength(with_it: float) -> bool:
        x = with_it * prior + own
        rows = cycles(600, prior_1=lambda p, _: prior, exposure=lambda p, _: x)
        sample = Sample(rows, ("prior_1",), "manager")
        return sensitivity.strength_to_erase(sample, sample.core()) is None

    def corrected(alike: float) -> bool:
        rating = alike * prior + noise_
        about = {"prior_1": lambda p, _: prior, "rating_sd": lambda p, _: rating}
        rows = cycles(600, **about, exposure=lambda p, _: own)
        return rivals.corrected(Sample(rows, ("prior_1",), "manager")) is None

    for make, *ends in ((strength, 0.0, 0.5), (corrected, 0.05, 1.0), (corrected, 1.0, 30.0)):
        edge = at_the_edge(make, *ends)
        assert {*under_keys(lambda: make(edge))} == {"True", "False"}  # noqa: B023


# --- of a whole study


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "verb", "high"),
    [
        (pooling, "MIN_POOLED", lambda study: merit.over_managers(study)[0] is None, 128),
        (networks, "MIN_NODES", lambda study: networks.missing_ties(study, draws=2).empty, 2048),
        (gaps, "MIN_TRIALS", lambda study: len(gaps.knowing(study)) < 4, 1024),
    ],
)
def test_limits_of_facts_are_moved(study, monkeypatch, module, name, verb, high):
    """The limit is where the data are: as they are, one more is too many."""
    low, plain = getattr(module, name), behind(study)
    assert not verb(plain)
    while high - low > 1:
        middle = (low + high) // 2
        monkeypatch.setattr(module, name, middle)
        low, high = (low, middle) if verb(plain) else (middle, high)
    monkeypatch.setattr(module, name, low - 3 if module is pooling else low)  # a floor is higher
    doors = (replace(door(number), alone=study.gate.alone) for number in range(12))
    assert {verb(behind(study, one)) for one in doors} == {True, False}


@pytest.mark.slow
def test_limits_take_a_small_part_of_what_may_be_told_of_somebody(study):
    """Of the answers of 377 people, who are near many a limit."""
    one = replace(door(1), alone=study.gate.alone)
    la.ask(behind(study, one))
    told = gate.told(one)
    at_limits = told[told.figure.astype(str).str.startswith("enough: ")]
    assert 0 < gate.mu(at_limits).max() < 0.4 * gate.MOST

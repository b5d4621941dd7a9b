"""The gate: what passes it, by how much it is moved, and what it keeps of what it showed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from learnalign.estimates import described
from learnalign.privacy import gate, keys, noise
from learnalign.privacy.gate import Gate
from learnalign.privacy.rule import Rule

SECRET = b"\x07" * 32


def made(**about):
    return Gate(Rule(10), keys.Draws(SECRET, "state", **about))


def people(n, start=0):
    return [f"p{number}" for number in range(start, start + n)]


def rows(n=200, seed=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "person_id": people(n),
            "manager_id": [f"m{number % 12}" for number in range(n)],
            "group": rng.choice(["a", "b", "c"], n, p=[0.5, 0.35, 0.15]),
            "said": (rng.random(n) < 0.4).astype(float),
            "hours": rng.lognormal(2, 1, n),
        }
    )


def mean_of(frame, column="hours"):
    return described.mean(frame[column], frame.person_id, frame.manager_id)


def share_of(frame):
    return described.share(frame.said.astype(bool), frame.person_id, frame.manager_id)


# --- fits


def test_without_draws_the_rule_holds_and_nothing_moves():
    fit, alone = mean_of(rows()), Gate(Rule(10))
    assert alone.fit("hours", fit) is fit
    assert alone.fit("hours", replace(fit, n_people=9)) is None
    assert alone.fit("hours", replace(fit, n_clusters=2)) is None
    assert alone.fit("hours", None) is None and not alone.told


@pytest.mark.parametrize(
    "changes",
    [
        {"n_people": 9},
        {"n_clusters": 2},
        {"is_dominated": True},
        {"low": 1.0, "high": 1.0},
        {"design": "adjusted", "n_people_smaller": 9},
        {"is_share": True, "n_people_smaller": 2},
    ],
)
@pytest.mark.parametrize("one", [Gate(Rule(10)), made()])
def test_the_rule_holds_for_the_true_figures_whatever_is_drawn(one, changes):
    assert one.fit("hours", replace(mean_of(rows()), **changes)) is None


@pytest.mark.slow
def test_a_group_at_the_floor_is_shown_only_when_its_noisy_count_is_too():
    """Else the step over the floor would tell who took it."""
    shown = 0
    for key in range(300):
        one = Gate(Rule(10), keys.Draws(bytes([key % 256] * 31 + [key // 256]), "s"))
        n = 10 + noise.count(0, 0.5)
        frame = rows(12).assign(hours=range(12))
        shown += one.fit("hours", mean_of(frame)) is not None
        assert n == 10
    expected = noise.COUNTS[noise.FARTHEST - 2 :].sum()  # 12 less 2, or more
    assert shown / 300 == pytest.approx(expected, abs=0.09)


@pytest.mark.slow
def test_a_fit_is_moved_as_much_as_is_said_and_alike_wherever_it_stands():
    fit = mean_of(rows())
    sd = gate.OTHER * max(0.1 * fit.std_error, 3 * np.quantile(fit.influence.abs(), 0.99))
    moves = []
    for state in range(400):
        one = Gate(Rule(10), keys.Draws(SECRET, f"s{state}"))
        moved = one.fit("hours", fit)
        moves.append((moved.estimate - fit.estimate) / sd)
        assert Gate(Rule(50), one.draws).fit("hours", fit) == moved  # another floor, or report
    assert abs(np.mean(moves)) < 0.2 and np.std(moves) == pytest.approx(1, abs=0.12)
    first = made().fit("hours", fit, first=True)
    other = made().fit("hours", fit)
    unit = made(is_unit=True).fit("hours", fit, first=True)
    off = [(one.estimate - fit.estimate) for one in (first, other, unit)]
    sds = [keys.step(sd / gate.OTHER * w) for w in (gate.FIRST, gate.OTHER, gate.OF_A_UNIT)]
    people = keys.digest(fit.influence.index)
    walked = [made().draws.walk("hours", people, sd) for sd in sds]
    assert off == pytest.approx(walked, rel=0.02, abs=0.01)
    assert first.at_least and other.at_least and unit.at_least
    assert {first.n_people, other.n_people} <= {100, 200}


def test_a_count_is_the_same_for_the_same_people_and_at_most_10_off():
    one = made()
    counts = {n: one.people(people(n)) for n in range(30, 400, 7)}
    assert all(abs(found - n) <= 10 for n, found in counts.items())
    assert len({found - n for n, found in counts.items()}) > 5
    assert one.people(reversed(people(37))) == counts[37]
    assert one.people(people(37) * 2) == counts[37]  # people, not rows
    assert one.people(people(9)) is None and Gate(Rule(10)).people(people(12)) == 12


@pytest.mark.slow
def test_shares_are_judged_on_both_sides():
    frame = rows(120)
    frame["said"] = [1.0] * 2 + [0.0] * 118
    assert made().fit("said", share_of(frame)) is None
    frame["said"] = [1.0] * 3 + [0.0] * 117
    found = [
        Gate(Rule(10), keys.Draws(SECRET, str(n))).fit("said", share_of(frame)) for n in range(60)
    ]
    assert None in found and any(found)  # with its noise it may be too few
    assert all(fit is None or fit.estimate >= 2 for fit in found)


# --- groups and rows


def test_a_share_is_moved_by_what_people_move_it():
    frame, one = rows(400), made()
    found = one.share("said", frame.person_id, frame.said)
    exact = Gate(Rule(10)).share("said", frame.person_id, frame.said)
    y = 100 * frame.said
    assert exact == pytest.approx(y.mean())
    influence = (y - y.mean()).abs() / len(y)
    sd = gate.OTHER * max(0.1 * np.sqrt((influence**2).sum()), 3 * np.quantile(influence, 0.99))
    assert found != exact and abs(found - exact) < 4.5 * sd
    other = frame.sample(frac=1, random_state=2)
    assert made().share("said", other.person_id, other.said) == pytest.approx(found)


def test_a_share_of_so_many_counts_them_and_leaves_gaps_out():
    person, alone = pd.Series(people(120)), Gate(Rule(10))
    yes, of = pd.Series([1.0, 3.0] * 60), pd.Series([4.0, 4.0] * 60)
    assert alone.share("x", person, yes, of) == pytest.approx(50)
    assert alone.share("x", person, yes.mask(yes == 1), of) == pytest.approx(75)
    assert alone.share("x", person[:9], yes[:9], of[:9]) is None
    assert alone.share("x", person, of, of) is None  # all of them


def test_rows_that_are_the_same_have_the_same_noise_and_others_have_others():
    counts, one = pd.Series([3] * 60, people(60)), made()
    assert one.rows("rows", counts) == made().rows("rows", counts[::-1])
    more = counts.copy()
    more.iloc[0] = 2  # a difference of one row is not told by the same draw twice
    told = {one.rows("rows", more) - one.rows("rows", counts)}
    assert told != {-1}


def test_no_rows_are_fewer_than_the_people_who_must_have_them():
    counts = pd.Series(3, people(14))
    gates = [Gate(Rule(10), keys.Draws(bytes([n]) * 32, "state", is_unit=True)) for n in range(40)]
    found = [one.rows("rows", counts) for one in gates]
    assert found.count(None) < 10  # 14 people are seldom moved to fewer than ten
    found = [one for one in found if one is not None]
    assert min(found) == 10 < max(found) and len(set(found)) > 10


def test_rows_are_counted_by_person_and_capped():
    counts = pd.Series([3] * 99 + [60], people(100))
    one = made()
    assert abs(one.rows("rows", counts) - 305) < 5 * gate.OTHER * 3 * 10
    (told,) = one.told.values()
    assert told.max() <= 1.05 / (gate.OTHER * 3)  # one person's rows move it by no more
    assert one.rows("rows", counts.head(9)) is None
    assert Gate(Rule(10)).rows("rows", pd.Series(2, people(20))) == 40
    assert one.rows("rows", pd.Series([900] + [1] * 50, people(51))) is None


# --- what could be told of somebody


def test_mu_is_what_the_best_guess_of_a_member_comes_to():
    """Two states of the data, with and without a person, drawn 4,000 times: the likelihood ratio
    over all figures is right as often as `certainty` says, and no oftener."""
    frame, wanted = rows(60, seed=5), "p3"
    less = frame[frame.person_id != wanted]
    one = made()
    for name in ("a", "b"):
        for group, part in frame.groupby("group"):
            one.share(f"{name} {group}", part.person_id, part.said)
            one.fit(f"{name} {group}", mean_of(part.assign(hours=part.hours.clip(upper=20))))
    mu = gate.mu(gate.told(one))[wanted]
    rng = np.random.default_rng(1)
    own = [moves[wanted] for moves in one.told.values() if wanted in moves.index]
    shift = np.array(own)
    n = 4_000
    draws = rng.standard_normal((n, len(shift))) * np.sqrt(2)
    there = rng.random(n) < 0.5
    seen = draws + there[:, None] * shift
    guessed = seen @ shift > (shift @ shift) / 2
    right = 100 * (guessed == there).mean()
    assert right <= gate.certainty(mu) + 3 * 50 / np.sqrt(n)
    assert right >= gate.certainty(mu) - 3 * 50 / np.sqrt(n)
    assert len(less) == 59


def test_a_figure_that_is_told_twice_counts_once():
    one, fit = made(), mean_of(rows())
    one.fit("hours", fit)
    before = gate.mu(gate.told(one))
    one.fit("hours", fit)
    both = pd.concat([gate.told(one), gate.told(one)])
    pd.testing.assert_series_equal(gate.mu(both), before)


@pytest.mark.slow
def test_an_interval_around_none_does_not_tell_how_many_they_are():
    """Of 0 %, the upper end is 100 (1 - 0.025^(1/n)) percent: n, solved for."""
    for n, wide in ((60, 0.10), (1_400, 0.015)):
        ids, managers = people(n), [f"m{number % 12}" for number in range(n)]
        fit = described.share([False] * n, ids, managers)
        fit = replace(fit, n_people_smaller=None)  # of how records were kept, and shown
        found, solved = set(), []
        for number in range(40):
            door = Gate(Rule(10), keys.Draws(SECRET, f"state {number}"))
            shown = door.fit("complete", fit)
            assert (shown.estimate, shown.low) == (0.0, 0.0) and shown.high > 0
            found.add(shown.high)
            solved.append(np.log(0.025) / np.log(1 - shown.high / 100))
            assert 0 < gate.mu(gate.told(door)).max() < gate.MOST
        assert len(found) == 40 and np.std(solved) > wide * n


def test_no_step_is_decided_by_one_person():
    """A count that is judged with noise: certain far from the step only, and far above the rule."""
    ids = pd.Index([f"p{n}" for n in range(100)])

    def share(count):
        doors = (Gate(Rule(10), keys.Draws(bytes([n] * 32), "state")) for n in range(200))
        return np.mean([door.reaches("people", ids, count, 100, 12) for door in doors])

    assert share(40) == 0 and share(160) == 1
    assert abs(share(101) - share(100)) <= 0.05  # of one draw each, nearly the same
    door = Gate(Rule(10), keys.Draws(b"k" * 32, "state"))
    door.reaches("people", ids, 100, 100, 12)
    ((_, moves),) = door.told.items()
    # Of yes or no at a step of noise like this, one person more is told so: 2 phi(0) / 12
    assert moves.max() == pytest.approx(2 * 0.3989 / 12, rel=0.01)

"""What a naive dashboard says where the truth is known, and what this library says instead.

Each world is drawn anew from its description. Both figures must come back: the naive one wrong by
as much as was printed before, ours at the truth; each within four Monte-Carlo errors, the printed
figure's and our own. Pitfalls 1 and 16 are in test_hazards.py, 4 in test_contrasts.py, 11 in
test_pooling.py, 13 and 18 in test_leaders.py, 19 in test_gaps.py; of 12, self-ratings by quartile,
nothing is shown at all. The file takes about ten seconds.
"""

import numpy as np
import pytest
from scipy.special import expit, ndtri
from scipy.stats import linregress, ttest_ind

from learnalign.estimates import checks, ladder, sensitivity
from learnalign.estimates.columns import within
from learnalign.verdicts import judge

pytestmark = pytest.mark.truth
RELIABILITY = 0.52  # of one rating
NOISE = ((1 - RELIABILITY) / RELIABILITY) ** 0.5  # of a rating of a talent with variance 1
RATING_SD = RELIABILITY**-0.5


def slope(
    y: np.ndarray, x: np.ndarray, *held: np.ndarray, groups: np.ndarray | None = None
) -> float:
    clusters = np.arange(len(y)) if groups is None else groups
    return ladder.slope(
        y, x, clusters, controls=np.column_stack(held) if held else None, groups=groups
    ).estimate


def gap(y: np.ndarray, x: np.ndarray) -> float:
    return float(y[x == 1].mean() - y[x == 0].mean())


def lag_instrument(
    y: np.ndarray, x: np.ndarray, last: np.ndarray, before: np.ndarray, groups=None
) -> float:
    """A second way to equal true ability: the last rating, instrumented by the one before it
    (two-stage least squares).

    It needs no reliability; the noise of the two ratings must not go together.
    """
    groups = np.zeros(len(y)) if groups is None else groups
    y, x, last, before = (within(column, groups) for column in (y, x, last, before))
    return float(
        np.linalg.solve(
            np.stack([x, before]) @ np.column_stack([x, last]), np.stack([x, before]) @ y
        )[0]
    )


def retention_weights(stayed: np.ndarray, *known: np.ndarray) -> np.ndarray:
    """One over the probability of staying, by what is known of everybody; 0 for who left (Robins,
    Finkelstein 2000).
    """
    return np.where(stayed, 1 / checks.propensity(stayed, np.column_stack(known)), 0.0)


def repeated(world, seed: int, reps: int, *arguments) -> np.ndarray:
    """Figures of many companies drawn from one world, a row each."""
    rng = np.random.default_rng(seed)
    return np.array([world(rng, *arguments) for _ in range(reps)])


def assert_agrees(found: np.ndarray, printed: list[float], errors: list[float | None]):
    """Mean figures within four Monte-Carlo errors of those printed; None: as many draws as ours
    stood behind it.
    """
    own = found.std(axis=0, ddof=1) / len(found) ** 0.5
    theirs = [mine if error is None else error for mine, error in zip(own, errors, strict=True)]
    allowed = 4 * np.hypot(own, theirs) + 0.0005  # printed to three decimals
    away = np.abs(found.mean(axis=0) - printed)
    assert (away <= allowed).all(), (
        f"{found.mean(axis=0).round(4)} for {printed}, allowed {allowed.round(4)}"
    )


def test_pitfall_02_same_cycle_rating_takes_the_effect_away():
    """Randomised learning raises the rating, and so merit, by .30; at equal rating it seems to cost
    .20.
    """

    def world(rng):
        learned = (rng.random(3_000) < 0.5) * 1.0
        talent, luck, chance = rng.normal(size=(3, 3_000))
        rating = 0.5 * learned + talent + 0.7 * luck
        merit = 0.6 * rating + 0.6 * talent + 0.5 * chance
        return slope(merit, learned, rating), slope(merit, learned)

    assert_agrees(repeated(world, 2, 300), [-0.200, 0.300], [0.001, 0.003])


def test_pitfall_03_those_at_the_bottom_rise_by_themselves():
    """A programme without any effect, for half of the lowest quarter: before and after differ by
    .61 SD.
    """

    def world(rng):
        talent, luck_1, luck_2 = rng.normal(size=(3, 2_400))
        before, after = talent + NOISE * luck_1, talent + NOISE * luck_2
        low = before <= np.quantile(before, 0.25)
        joined = (low & (rng.random(2_400) < 0.5)) * 1.0
        naive = (after - before)[joined == 1].mean() / RATING_SD
        same_band, same_rating = gap(after[low], joined[low]), slope(after, joined, before)
        return naive, same_band / RATING_SD, same_rating / RATING_SD

    assert_agrees(repeated(world, 3, 300), [0.61, 0.002, 0.001], [0.003, None, None])


def strugglers(rng, n: int = 4_000):
    """Who privately knows to be behind acknowledges more; acknowledging adds a tenth of a standard
    deviation.
    """
    talent, private, *luck = rng.normal(size=(5, n))
    first, last, now = (talent + NOISE * noise for noise in luck)
    said = (rng.random(n) < expit(-0.6 - 0.9 * (talent + 0.7 * private))) * 1.0
    return said, first / RATING_SD, last / RATING_SD, now / RATING_SD + 0.1 * said


def test_pitfall_05_a_forced_curve_and_a_fixed_pool_hide_what_teams_gain():
    """Ranks within the team: every team has the same mean. Within teams half of the gain is left to
    be seen.
    """
    team, people = np.repeat(np.arange(200), 10), 2_000

    def between(y, x):
        means = [np.bincount(team, column) / 10 for column in (y, x)]
        return slope(*means)

    def world(rng):
        does = (rng.random(people) < rng.random(200)[team]) * 1.0
        latent = 0.5 * does + rng.normal(size=people)
        rank = latent.reshape(200, 10).argsort(axis=1).argsort(axis=1).ravel()
        score = ndtri((rank + 0.5) / 10)
        paid = 0.3 * does + rng.normal(size=people)
        paid = within(paid, team)
        return (
            between(score, does),
            slope(score, does),
            slope(score, does, groups=team),
            between(latent, does),
            slope(paid, does, groups=team),
            between(paid, does),
        )

    assert_agrees(
        repeated(world, 5, 200),
        [0.0, 0.275, 0.458, 0.498, 0.298, 0.0],
        [None, None, 0.004, None, None, None],
    )


@pytest.mark.parametrize(
    ("cumulative", "printed"),
    [((), 0.81), ((0.05, 0.25, 0.75, 0.95), 0.76), ((0.01, 0.05, 0.90, 0.98), 0.55)],
    ids=["continuous", "five grades", "85 % in one grade"],
)
def test_pitfall_08_compressed_ratings_lose_power(cumulative, printed):
    """Two arms of 400, .2 apart. What is lost, `verdicts` says; beyond 85 % in one grade it
    refuses.
    """
    rng, arm, reps, found = np.random.default_rng(8), np.repeat([0.0, 1.0], 400), 500, 0
    for _ in range(reps):
        latent = 0.2 * arm + rng.normal(size=800)
        y = np.searchsorted(ndtri(cumulative), latent) if cumulative else latent
        fit = ladder.slope(y.astype(float), arm, np.arange(800))
        found += not fit.low <= 0 <= fit.high
    # four Monte-Carlo errors of ours, and half of the last digit printed
    assert found / reps == pytest.approx(
        printed, abs=4 * (printed * (1 - printed) / reps) ** 0.5 + 0.005
    )


def test_pitfall_09_the_same_people_again_and_again_are_not_new_people():
    """300 people, 5 cycles, nothing there: row by row 28.6 % find something, by person 5.3 %."""
    person, rng, reps = np.repeat(np.arange(300), 5), np.random.default_rng(9), 600
    wrong = np.zeros(2)
    for _ in range(reps):
        x = rng.normal(size=300)[person]
        y = 0.6**0.5 * rng.normal(size=300)[person] + 0.4**0.5 * rng.normal(size=1_500)
        fit = ladder.slope(y, x, person)
        wrong += linregress(x, y).pvalue < 0.05, not fit.low <= 0 <= fit.high
    assert wrong[0] / reps == pytest.approx(
        0.286, abs=4 * (0.286 * 0.714 * (1 / reps + 1 / 2_000)) ** 0.5
    )
    assert wrong[1] / reps == pytest.approx(
        0.053, abs=4 * (0.053 * 0.947 * (1 / reps + 1 / 2_000)) ** 0.5
    )


def test_pitfall_10_among_sixty_managers_one_will_stand_out():
    """Sixty null comparisons of six with six: 96 % flag somebody, 3 of them on average;
    Benjamini-Hochberg 5.2 %.
    """
    rng, reps = np.random.default_rng(10), 400
    p = ttest_ind(*rng.normal(size=(2, 6, reps, 60))).pvalue
    flagged = (p < 0.05).sum(axis=1)
    held = np.array([min(judge.adjusted(list(row))) < 0.05 for row in p])
    assert (flagged > 0).mean() == pytest.approx(0.96, abs=4 * (2 * 0.96 * 0.04 / reps) ** 0.5)
    assert flagged.mean() == pytest.approx(3.0, abs=4 * (2 * 60 * 0.05 * 0.95 / reps) ** 0.5)
    assert held.mean() == pytest.approx(0.052, abs=4 * (2 * 0.052 * 0.948 / reps) ** 0.5)


def test_pitfall_06_strugglers_acknowledge_and_noisy_past_ratings_do_not_hold_it_equal():
    def world(rng):
        said, first, last, now = strugglers(rng)
        rows = np.arange(len(now))
        priors = np.column_stack([first, last])
        return (
            gap(now, said),
            slope(now, said, last),
            slope(now, said, last, first),
            slope(last, said, first),
            sensitivity.errors_in_variables(now, said, priors, RELIABILITY, clusters=rows).estimate,
            lag_instrument(now, said, last, first),
        )

    printed = [-0.425, -0.170, -0.081, -0.268, 0.100, 0.100]
    assert_agrees(repeated(world, 6, 200), printed, [None, None, None, None, 0.002, 0.002])


def test_pitfall_06_with_a_reliability_found_in_the_same_data_the_interval_covers():
    """As the library uses it: the reliability estimated from the two past ratings, within managers
    of ten.
    """
    manager = np.repeat(np.arange(200), 10)

    def world(rng):
        said, first, last, now = strugglers(rng, 2_000)
        lenient = rng.normal(0, 0.5, 200)[manager]
        priors = np.column_stack([first, last]) + lenient[:, None]
        known = sensitivity.reliability(*priors.T, groups=manager)
        fit = sensitivity.errors_in_variables(
            now + lenient, said, priors, known, clusters=manager, groups=manager
        )
        return [
            fit.estimate,
            lag_instrument(now + lenient, said, *priors.T, manager),
            fit.low <= 0.1 <= fit.high,
        ]

    found = repeated(world, 66, 200)
    assert_agrees(found[:, :2], [0.1, 0.1], [0, 0])
    # 95 % and four Monte-Carlo errors of 200 companies
    assert 0.888 <= found[:, 2].mean() <= 1


def test_pitfall_06b_after_a_bad_year_people_come_back_by_themselves():
    """Ashenfelter's dip: who acknowledges after a bad year is better the year after, whatever
    acknowledging does.
    """

    def world(rng):
        talent, dip, *luck = rng.normal(size=(5, 4_000))
        before, now = (talent + 0.76 * noise for noise in luck[:2])
        bad_year = talent + 0.7 * dip + 0.3 * luck[2]
        said = (rng.random(4_000) < expit(-1 - 1.5 * bad_year)) * 1.0
        return gap(now - bad_year, said), gap(now - before, said), slope(now, said, bad_year)

    assert_agrees(repeated(world, 61, 200), [0.557, 0.002, 0.003], [None, None, None])


def test_pitfall_07_those_who_were_punished_left():
    """Acknowledging costs .30; those whom it cost most leave, and among those who stay it seems to
    pay.
    """

    def world(rng):
        said = (rng.random(6_000) < 0.5) * 1.0
        talent, *luck = rng.normal(size=(3, 6_000))
        middle = -0.3 * said + 0.5 * talent + 0.8 * luck[0]
        merit = middle + 0.4 * luck[1]
        stayed = rng.random(6_000) >= expit(-1.2 - 1.5 * middle * said)
        weight = retention_weights(stayed, said, middle, said * middle)
        ours = np.average(merit[said == 1], weights=weight[said == 1])
        ours -= np.average(merit[said == 0], weights=weight[said == 0])
        sides = [stayed & (said == side) for side in (1, 0)]
        low, high = sensitivity.trimmed_bounds(
            *(merit[side] for side in sides), stayed[said == 1].mean() / stayed[said == 0].mean()
        )
        return gap(merit[stayed], said[stayed]), ours, low, high

    found = repeated(world, 7, 200)
    assert_agrees(found[:, :2], [0.059, -0.301], [None, 0.003])
    assert (
        (found[:, 2] < 0).all()
        and (found[:, 2] < found[:, 0]).all()
        and (found[:, 0] < found[:, 3]).all()
    )


def test_pitfall_14_a_formula_bonus_is_blind_to_what_moves_merit():
    """Merit is confounded by .34; a bonus set by formula shows nothing of it, one set by people
    does.
    """
    manager = np.repeat(np.arange(100), 10)

    def world(rng):
        hidden, for_merit, for_bonus = rng.normal(size=(3, 1_000))
        said = (rng.random(1_000) < expit(-0.3 + 0.8 * hidden)) * 1.0
        merit = 0.5 * hidden + for_merit
        of_manager = rng.normal(size=100)[manager]
        shared = 0.5 * hidden + for_bonus + of_manager
        with pytest.raises(ValueError, match="does not vary within"):
            slope(of_manager, said, groups=manager)
        return (
            slope(merit, said, groups=manager),
            gap(within(of_manager, manager), said),
            slope(shared, said, groups=manager),
        )

    assert_agrees(repeated(world, 14, 200), [0.34, 0.0, 0.351], [None, None, None])


def test_pitfall_15_more_gaps_make_more_acknowledgements():
    """Acknowledging does nothing; having gaps costs, and only who has gaps can acknowledge them."""

    def world(rng):
        assessed = rng.poisson(3, 3_000) + 1
        gaps = rng.binomial(assessed, 0.4)
        said = rng.binomial(gaps, 0.5)
        y = -0.3 * gaps + rng.normal(size=3_000)
        some = gaps > 0
        return slope(y, said), slope(y[some], said[some] / gaps[some]), slope(y, said, gaps)

    assert_agrees(repeated(world, 15, 200), [-0.284, 0.003, 0.002], [None, None, None])


def test_pitfall_17_two_self_reports_agree_about_the_mood():
    def world(rng):
        mood, one, two, supervisor = rng.normal(size=(4, 1_000))
        own = 0.5 * mood + one
        return np.corrcoef([own, 0.5 * mood + two, supervisor])[0, 1:]

    assert_agrees(repeated(world, 17, 300), [0.199, 0.0], [None, None])


def test_pitfall_20_among_closed_gaps_those_who_acknowledged_are_the_less_able():
    """Acknowledging costs .20 and helps to close; closing does nothing, but splitting by it makes
    the cost .27.
    """

    def world(rng):
        ability, chance = rng.normal(size=(2, 6_000))
        said = (rng.random(6_000) < 0.5) * 1.0
        closed = rng.random(6_000) < expit(-0.3 + ability + 0.8 * said)
        y = 0.5 * ability - 0.2 * said + chance
        split = [gap(y[state], said[state]) for state in (closed, ~closed)]
        # at the landmark: weighted so that those in each state stand for all who could have been in
        # it
        weighted = []
        for state in (closed, ~closed):
            weight = retention_weights(state, said, ability)
            arms = [np.average(y[said == arm], weights=weight[said == arm]) for arm in (1, 0)]
            weighted.append(arms[0] - arms[1])
        return [*split, *weighted, slope(y, said)]

    found = repeated(world, 20, 200)
    assert_agrees(found, [-0.27, -0.27, -0.20, -0.20, -0.203], [0.0025, 0.0025, 0, 0, None])

"""Pooling: equal to published examples, and true to a truth; and nothing of a single manager comes
out.
"""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from learnalign.estimates import pooling

GOLDEN = Path(__file__).parents[1] / "golden/pooling.json"
SCHOOLS = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]  # Rubin 1981
# Efron and Morris 1975: hits in the first 45 times at bat of 1970, and the average in the rest of
# the season
HITS = [18, 17, 16, 15, 14, 14, 13, 12, 11, 11, 10, 10, 10, 10, 10, 9, 8, 7]
LATER = [
    0.346,
    0.298,
    0.276,
    0.222,
    0.273,
    0.270,
    0.263,
    0.210,
    0.269,
    0.230,
    0.264,
    0.256,
    0.303,
    0.264,
    0.226,
    0.285,
    0.316,
    0.200,
]


@pytest.mark.golden
def test_eight_schools():
    found = pooling.paule_mandel(*SCHOOLS)
    # without the floor the variance between schools would be negative
    q = pooling._q(0.0, *np.array(SCHOOLS, float))
    golden = json.loads(GOLDEN.read_text("utf-8"))
    same = [golden[name] for name in ("mean", "std_error", "q")]
    assert [found.mean, found.std_error, q] == pytest.approx(same, abs=6e-7)
    assert found.tau2 == golden["tau2"] == 0.0


def shrunken(b, s, pooled):
    """Each value drawn to the mean by its noise."""
    return pooled.mean + pooled.tau2 / (pooled.tau2 + s**2) * (b - pooled.mean)


@pytest.mark.golden
def test_eighteen_batters():
    """Efron and Morris 1975: drawn to the mean, early averages tell the rest of the season better."""
    early, later = np.round(np.array(HITS) / 45, 3), np.array(LATER)  # the paper's three decimals
    mean, squares = early.mean(), ((early - early.mean()) ** 2).sum()
    noise = mean * (1 - mean) / 45
    james_stein = 1 - 15 * noise / squares
    # the data, as typed, are those of the paper: printed to four and five decimals
    assert [mean, james_stein] == pytest.approx([0.2654, 0.2124], abs=5e-5)
    assert ((early - later) ** 2).sum() == pytest.approx(0.07537, abs=5e-6)
    assert ((mean + james_stein * (early - mean) - later) ** 2).sum() == pytest.approx(
        0.02131, abs=5e-6
    )
    pooled = pooling.paule_mandel(early, np.full(18, noise**0.5))
    values = shrunken(early, np.full(18, noise**0.5), pooled)
    # with equal noise ours keeps 1 - 17 noise / squares of a difference, James and Stein's 15 in
    # place of the 17
    assert (values - mean) / (early - mean) == pytest.approx(1 - 17 * noise / squares)
    assert ((values - later) ** 2).sum() < 0.07537 / 3


@pytest.mark.golden
def test_tau2_equals_statsmodels_iterated():
    from statsmodels.stats.meta_analysis import combine_effects

    rng = np.random.default_rng(2)
    s = rng.uniform(0.1, 0.6, 40)
    b = rng.normal(0.2, np.sqrt(s**2 + 0.09))
    other, found = (
        combine_effects(b, s**2, method_re="iterated", use_t=False),
        pooling.paule_mandel(b, s),
    )
    assert found.tau2 == pytest.approx(other.tau2, rel=1e-4)  # its iteration stops at 1e-5
    assert pooling._q(0.0, b, s) == pytest.approx(other.q, rel=1e-10)
    assert found.mean == pytest.approx(other.mean_effect_re, rel=1e-4)


def test_intervals_of_the_sd_between_managers_are_those_at_which_q_is_at_its_quantiles():
    rng = np.random.default_rng(4)
    s = rng.uniform(0.2, 0.5, 50)
    b = rng.normal(0, np.sqrt(s**2 + 0.16))
    found = pooling.distribution(b, s, smallest=0.1)
    at_ends = [pooling._q(end**2, b, s) for end in (found.sd_low, found.sd_high)]
    assert at_ends == pytest.approx(stats.chi2.ppf([0.975, 0.025], 49).tolist(), rel=1e-6)


@given(st.data())
def test_the_mean_lies_between_the_estimates(data):
    n = data.draw(st.integers(2, 30))
    b = np.array(data.draw(st.lists(st.floats(-10, 10), min_size=n, max_size=n)))
    s = np.array(data.draw(st.lists(st.floats(0.01, 10), min_size=n, max_size=n)))
    pooled = pooling.paule_mandel(b, s)
    assert pooled.tau2 >= 0 and b.min() - 1e-9 <= pooled.mean <= b.max() + 1e-9


def test_what_each_estimate_moves_mean_and_variance_by():
    rng = np.random.default_rng(6)
    s = rng.uniform(0.2, 0.5, 60)
    b = rng.normal(0, np.sqrt(s**2 + 0.16))
    pooled, (mean, tau2) = pooling.paule_mandel(b, s), pooling.moves(b, s)
    for place in range(0, 60, 7):
        moved = pooling.paule_mandel(b + 1e-4 * (np.arange(60) == place), s)
        assert tau2[place] == pytest.approx((moved.tau2 - pooled.tau2) / 1e-4, rel=0.02, abs=1e-4)
        assert mean[place] == pytest.approx((moved.mean - pooled.mean) / 1e-4, rel=0.1, abs=1e-3)
    # the weights do not move with the mean


def test_no_spread_at_all_and_noise_are_no_spread():
    same = pooling.distribution(np.full(30, -1.0), np.full(30, 0.5), smallest=0.1)
    assert (same.mean, same.sd, same.n_managers) == (-1.0, 0.0, 30)
    rng = np.random.default_rng(6)
    assert pooling.distribution(rng.normal(0, 0.5, 60), np.full(60, 0.5), smallest=0.1).sd_low == 0


def test_order_tells_nothing_and_no_value_of_a_manager_comes_out():
    rng = np.random.default_rng(7)
    b, s = rng.normal(0, 1, 40), rng.uniform(0.3, 0.6, 40)
    found, turned = (
        pooling.distribution(x, y, smallest=0.1) for x, y in ((b, s), (b[::-1], s[::-1]))
    )
    assert (found.mean, found.sd) == (pytest.approx(turned.mean), pytest.approx(turned.sd))
    assert all(isinstance(getattr(found, one.name), (int, float)) for one in fields(found))


@pytest.mark.parametrize(
    ("estimates", "errors", "message"),
    [
        ([1.0], [1.0], "two estimates or more"),
        ([1.0, 2.0], [1.0], "two estimates or more"),
        ([1.0, np.nan], [1.0, 1.0], "missing"),
        ([1.0, 2.0], [1.0, 0.0], "not a positive number"),
    ],
)
def test_what_cannot_be_pooled_is_refused(estimates, errors, message):
    with pytest.raises(ValueError, match=message):
        pooling.paule_mandel(estimates, errors)


def test_fewer_than_twenty_managers_are_refused():
    with pytest.raises(ValueError, match="at least 20 of them, and there are 19"):
        pooling.distribution(np.arange(19.0), np.ones(19), smallest=0.1)


@pytest.mark.truth
def test_pitfall_11_the_ten_worst_are_the_ten_noisiest():
    """METHODS 5, row 11: 120 managers with 2-6 people in an arm; true slopes are N(-.1, .2)."""
    rng, runs = np.random.default_rng(11), []
    for _ in range(500):
        truth, arms = rng.normal(-0.1, 0.2, 120), rng.integers(2, 7, (2, 120))
        s = np.sqrt((1 / arms).sum(axis=0))
        raw = rng.normal(truth, s)
        pooled = pooling.paule_mandel(raw, s)
        drawn = shrunken(raw, s, pooled)
        worst = np.argsort(raw)[:10]
        rmse = [np.sqrt(np.mean((values - truth) ** 2)) for values in (raw, drawn)]
        runs.append([raw[worst].mean(), truth[worst].mean(), drawn[worst].mean(), *rmse])
    means, errors = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1) / 500**0.5
    # printed to two decimals: naive -1.54 where the truth is -0.19 (RMSE .76), shrunken -0.21 (RMSE
    # .21)
    assert (
        np.abs(means - [-1.54, -0.19, -0.21, 0.76, 0.21]) <= 4 * np.sqrt(2) * errors + 0.005
    ).all(), means
    assert abs(means[2] - means[1]) < 0.05 < abs(means[0] - means[1])


@pytest.mark.truth
def test_interval_of_the_sd_between_managers_covers():
    rng, covered = np.random.default_rng(5), []
    for _ in range(40):
        truth, s = rng.normal(0, 0.5, 60), rng.uniform(0.2, 0.6, 60)
        found = pooling.distribution(rng.normal(truth, s), s, smallest=0.3)
        covered.append(found.sd_low <= 0.5 <= found.sd_high)
    assert np.mean(covered) >= 0.81  # 95 %, and four Monte-Carlo errors of 40

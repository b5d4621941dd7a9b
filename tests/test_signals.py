"""Signals: closed forms, an artefact that is not to be made, and an assessment that follows what people said.

The file takes about three seconds.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from learnalign import signals


@pytest.mark.golden
def test_signal_detection_of_the_published_counts():
    """Closed forms, to three decimals: rates .8 and .2 as they are, and log-linear with few trials."""
    plain = signals.sensitivity_and_bias(8_000_000, 10_000_000, 2_000_000, 10_000_000)
    assert (plain.d_prime, plain.criterion) == pytest.approx((1.683, 0), abs=0.0005)
    assert stats.norm.cdf(plain.d_prime / 2**0.5) == pytest.approx(0.883, abs=0.0005)
    assert signals.sensitivity_and_bias(80, 100, 20, 100).d_prime == pytest.approx(1.662, abs=0.0005)
    careful = signals.sensitivity_and_bias(20, 25, 0, 25, minimum=25)
    assert (careful.d_prime, careful.criterion) == pytest.approx((2.871, 0.634), abs=0.0005)


@pytest.mark.property
@given(st.integers(30, 500), st.integers(30, 500), st.data())
def test_swapping_what_is_said_turns_both_figures_round(gaps, others, data):
    hits, alarms = data.draw(st.integers(0, gaps)), data.draw(st.integers(0, others))
    found = signals.sensitivity_and_bias(hits, gaps, alarms, others)
    turned = signals.sensitivity_and_bias(gaps - hits, gaps, others - alarms, others)
    assert (turned.d_prime, turned.criterion) == pytest.approx((-found.d_prime, -found.criterion), abs=1e-9)
    assert np.isfinite([found.d_prime, found.criterion]).all() and 0 < found.hit_rate < 1


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((10, 29, 5, 100), "29 gaps and 100 skills without one: 30 of each"),
        ((10, 100, 5, 29), "30 of each are needed"),
        ((31, 30, 5, 40), "more was acknowledged than there is"),
        ((-1, 30, 5, 40), "less than nothing"),
    ],
)
def test_too_little_for_a_signal_is_refused_in_words(counts, message):
    with pytest.raises(ValueError, match=message):
        signals.sensitivity_and_bias(*counts)


@pytest.mark.truth
def test_a_persons_figure_is_noise():
    """Ten gaps and ten skills without one: around a true 1.05 the figure scatters by .58 (METHODS 0, decision 7)."""
    rng = np.random.default_rng(7)
    hit, alarm = stats.norm.cdf([0.525, -0.525])
    draws = zip(rng.binomial(10, hit, 2_000).tolist(), rng.binomial(10, alarm, 2_000).tolist(), strict=True)
    found = [signals.sensitivity_and_bias(h, 10, a, 10, minimum=10).d_prime for h, a in draws]
    assert np.std(found) == pytest.approx(0.58, abs=4 * 0.58 / 4_000**0.5 + 0.005)  # printed to two decimals


@pytest.mark.truth
def test_pitfall_12_the_lowest_quarter_seems_unaware_where_all_have_the_same_insight():
    """Equal insight, and everybody 12 points above themselves: on the same test the lowest are off by 31, the highest
    by -9; quartiles of the other half leave +16 and +6, and the scatter of self-ratings does not go with the level."""

    def percentile(values):
        return (stats.rankdata(values) - 0.5) / len(values) * 100

    rng, figures = np.random.default_rng(12), []
    for _ in range(300):
        skill, *luck = rng.normal(size=(4, 1_200))
        a, b, own = skill + 0.8 * luck[0], skill + 0.8 * luck[1], skill + 1.2 * luck[2]
        claimed, on_a, on_b = np.clip(percentile(own) + 12, 0, 100), percentile(a), percentile(b)
        naive = signals.calibration_by_half(claimed, on_a, on_a).over_by_quartile
        ours = signals.calibration_by_half(claimed, on_a, on_b).over_by_quartile
        alarm = signals.calibration_by_half(own, a, b).p_value < 0.05
        figures.append([naive[0], naive[-1], ours[0], ours[-1], alarm])
    found, error = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=1) / 300**0.5
    allowed = 4 * error * (1 + 300 / 500) ** 0.5 + [0.5, 0.5, 0.5, 0.5, 0.0005]  # printed whole, and from 500 draws
    assert (np.abs(found - [31, -9, 16, 6, 0.054]) <= allowed).all(), found


@pytest.mark.truth
def test_glejser_finds_insight_that_grows_with_the_level():
    rng, alarms = np.random.default_rng(13), 0
    for _ in range(100):
        skill, *luck = rng.normal(size=(4, 1_200))
        own = skill + np.exp(-0.3 * skill) * luck[0]
        found = signals.calibration_by_half(own, skill + 0.8 * luck[1], skill + 0.8 * luck[2])
        alarms += found.p_value < 0.05 and found.spread_slope < 0
    assert alarms >= 90


def test_half_a_decides_the_quartile_and_half_b_the_over_estimation():
    a, b = np.arange(8.0), np.array([5, 5, 1, 1, 2, 2, 9, 7.0])
    found = signals.calibration_by_half(np.full(8, 6.0) + [0, 0, 0, 0, 0, 0, 0, 1], a, b)
    assert found.over_by_quartile == (1, 5, 4, -1.5) and found.n == 8


@pytest.mark.parametrize(
    ("a", "message"), [(np.full(40, 3.0), "too few levels"), (np.full(40, np.nan), "no level may be missing")]
)
def test_levels_that_do_not_split_are_refused_in_words(a, message):
    with pytest.raises(ValueError, match=message):
        signals.calibration_by_half(np.arange(40.0), a, np.arange(40.0))


@pytest.mark.truth
def test_pitfall_19_who_has_said_so_is_assessed_more_often():
    """Four in ten gaps are acknowledged; assessed are 90 % of those, on doubt or request, and 30 % of the others."""
    rng = np.random.default_rng(19)
    said = rng.random(200_000) < 0.4
    planned = rng.random(200_000) < 0.2  # whatever was said
    assessed = planned | (rng.random(200_000) < np.where(said, (0.9 - 0.2) / 0.8, (0.3 - 0.2) / 0.8))
    gap = np.full(int(assessed.sum()), True)
    naive = signals.acknowledgement_rate(said[assessed], gap, gap)
    ours = signals.acknowledgement_rate(said[assessed], gap, planned[assessed])
    # the printed figure is exact: .4 x .9 / (.4 x .9 + .6 x .3)
    assert naive.rate == pytest.approx(0.667, abs=4 * (0.667 * 0.333 / naive.n_gaps) ** 0.5 + 0.0005)
    assert ours.rate == pytest.approx(0.400, abs=4 * (0.4 * 0.6 / ours.n_gaps) ** 0.5)
    assert (ours.n_gaps, ours.n_left_out) == (planned.sum(), assessed.sum() - planned.sum())


def test_a_rate_counts_gaps_only_and_needs_one():
    said, gap, planned = np.array([1, 0, 1, 1]), np.array([1, 1, 0, 1]), np.array([1, 1, 1, 0])
    assert signals.acknowledgement_rate(said, gap, planned) == signals.Rate(0.5, 2, 1)
    with pytest.raises(ValueError, match="no gap was found by a scheduled assessment"):
        signals.acknowledgement_rate(said, gap, np.zeros(4))
    with pytest.raises(ValueError, match="must each be yes or no"):
        signals.acknowledgement_rate(np.array([1, np.nan, 0, 0]), gap, planned)

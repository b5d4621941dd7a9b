"""The noise: as large as it says, without bias, and intervals that still cover."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from learnalign.estimates import described
from learnalign.privacy import noise
from learnalign.verdicts.result import Fit

MOVES = pd.Series(np.tile([0.04 / 3, -0.04 / 3], 200))
FIT = Fit(0.2, 0.1, 0.3, 0.05, 40, 0.95, 500, 400, None, 41, "CR1", "adjusted", influence=MOVES)


def _moved(fit: Fit, sd: float, off: float, drawn: float, df: float | None = None) -> Fit:
    return noise.moved(fit, sd, off, noise.of_an_error(fit, sd)[0], drawn, df)


def test_the_table_of_counts_is_what_the_method_says():
    steps = np.arange(-10, 11)
    assert noise.COUNTS.sum() == pytest.approx(1) and len(noise.COUNTS) == 21
    assert noise.COUNTS @ steps == pytest.approx(0, abs=1e-12)
    assert noise.COUNTS @ steps**2 == pytest.approx(9)
    assert np.allclose(noise.COUNTS, noise.COUNTS[::-1])
    assert (np.diff(noise.COUNTS[10:]) < 0).all()
    assert (noise.COUNTS[10:-1] / noise.COUNTS[11:]).max() <= 2.9


def test_a_count_is_drawn_from_the_table_and_never_negative():
    drawn = (np.arange(20_000) + 0.5) / 20_000
    found = np.array([noise.count(100, u) for u in drawn])
    assert np.bincount(found - 90, minlength=21) / 20_000 == pytest.approx(noise.COUNTS, abs=1e-4)
    assert (found.min(), found.max()) == (90, 110)
    assert min(noise.count(4, u) for u in drawn[::50]) == 0
    assert noise.count(7, 1 - 1e-15) == 17


def test_classes_hold_what_a_count_is_away_from_their_ends():
    assert [noise.least(n, 10) for n in (10, 99, 100, 199, 1_999)] == [10, 10, 100, 100, 1_000]
    for fine in (False, True):
        for people in range(21, 3_000, 7):
            assert noise.told_by_class(people, 10, fine=fine) < 0.08  # far less than the number


@pytest.mark.slow
def test_a_class_is_one_of_fewer_people_and_tells_as_much_as_is_reckoned():
    rng = np.random.default_rng(4)
    for people in (101, 130, 1_020, 1_450):
        drawn = 1 - rng.random(400_000)
        one, less = (
            pd.Series(
                [noise.least(noise.fewer(n, u), 10, fine=True) for u in drawn[:200_000]]
            ).value_counts(normalize=True)
            for n in (people, people - 1)
        )
        assert one.index.max() <= people
        both = pd.concat([one, less], axis=1).fillna(0).set_axis(["one", "less"], axis=1)
        apart = 2 * (both.one - both.less) ** 2 / (both.one + both.less)
        told = noise.told_by_class(people, 10, fine=True)
        assert math.sqrt(apart.sum()) == pytest.approx(told, abs=0.01)


def test_spread_is_a_tenth_of_the_error_or_three_people():
    assert noise.spread(1.0, [0.01] * 100) == 0.10
    assert noise.spread(0.1, [0.01, -0.02] * 50) == pytest.approx(0.06)
    assert noise.spread(None, []) == 0
    few = [0.0] * 1_400 + [1.0] * 10  # of whom alone it is made
    assert noise.spread(0.1, few) == 1.0 and noise.spread(0.1, few, 0.5) == 1.0
    assert noise.spread(1.0, [0.01] * 100, 2.5) == 0.25


@pytest.mark.parametrize("changes", [{}, {"second": (0.05, 0.4)}, {"std_error": None, "df": None}])
def test_a_slope_moves_and_its_intervals_widen(changes):
    fit = Fit(**vars(FIT) | changes)
    moved = _moved(fit, 0.05, 0.1, 0.0)
    assert moved.estimate == pytest.approx(0.3, rel=1e-3)
    error = fit.std_error or 0.2 / (2 * stats.norm.ppf(0.975))
    times = 0.05 / error
    by = max(3 / 41**0.5 * (0.04 / error), 0.3 * times**2) / (1 + times**2)
    wider = math.hypot(1, times) * math.exp(1.4 * by**2)
    assert (moved.low, moved.high) == pytest.approx(
        (0.3 - 0.1 * wider, 0.3 + 0.1 * wider), rel=1e-3
    )
    assert moved.std_error == (fit.std_error and pytest.approx(wider * error, rel=1e-3))
    if fit.second:
        assert moved.second == pytest.approx((0.3 - 0.15 * wider, 0.3 + 0.2 * wider))
    assert _moved(fit, 0.0, 2.0, 0.0) == fit


def test_an_error_is_moved_as_far_as_three_people_move_it_or_by_2_percent():
    """It tells of one person as much as the figure itself, were it not moved too."""
    some = [_moved(FIT, 0.04, 0.0, z).std_error for z in np.linspace(-1, 1, 3)]
    by = 3 / 41**0.5 * 0.8 / 1.64  # 0.3 of what is noise is less
    assert np.log(some[2] / some[0]) == pytest.approx(2 * by, rel=1e-3)
    own = noise.of_an_error(Fit(**vars(FIT) | {"of_error": MOVES}), 0.01)
    assert own[0] == pytest.approx(1.5 * 0.04 / 1.04)  # as the fit says
    assert own[1].to_numpy() == pytest.approx(MOVES.to_numpy() / 1.04)
    assert noise.of_an_error(Fit(**vars(FIT) | {"of_error": 9 * MOVES}), 0.04)[0] == 0.3  # at most
    many = Fit(**vars(FIT) | {"n_clusters": 100_000})
    some = [_moved(many, 0.001, 0.0, z).std_error for z in (-1, 1)]
    assert np.log(some[1] / some[0]) == pytest.approx(0.04, rel=0.02)


def test_an_interval_is_that_of_the_degrees_of_freedom_that_are_published():
    """Else they could be worked out from it, to the last digit, and change with every person."""
    reach = stats.t.ppf(0.975, 40) * 0.05
    fit = Fit(**vars(FIT) | {"low": 0.2 - reach, "high": 0.2 + reach})
    moved = _moved(fit, 0.05, 0.1, 0.5, 7.0)
    half = stats.t.ppf(0.975, 7.0) * moved.std_error
    assert (moved.low, moved.high) == pytest.approx((0.3 - half, 0.3 + half), abs=1e-3)
    assert moved.df == 7.0


def test_a_ratio_moves_in_logarithms_and_open_ends_stay_open():
    fit = Fit(**vars(FIT) | {"estimate": 2.0, "low": 1.0, "high": math.inf, "ratio": True})
    moved = _moved(fit, 0.1, -0.1, 0.0)
    assert moved.estimate == pytest.approx(2 * math.exp(-0.1), rel=1e-3)
    assert moved.high == math.inf
    assert moved.low == pytest.approx(
        moved.estimate * 0.5 ** (math.hypot(1, 2) * math.exp(1.4 * 0.24**2)), rel=1e-3
    )


def test_a_share_stays_within_its_ends():
    person = [f"p{n}" for n in range(40)]
    share = described.share([n < 38 for n in range(40)], person, [n % 8 for n in range(40)])
    for drawn in (-9.0, 0.0, 9.0):
        moved = _moved(share, 5.0, 5 * drawn, 0.0)
        assert 0 <= moved.low <= moved.estimate <= moved.high <= 100
    still = noise.moved(share, 1e-9, 0.0, 0.0, 0.0)
    assert (still.low, still.high) == pytest.approx((share.low, share.high), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("n", [150, 1_400])
def test_published_intervals_cover(n):
    """Of a mean, a share and a slope, drawn and moved 1,500 times: 95 % within 3 errors of it."""
    rng, draws = np.random.default_rng(n), 1_500
    inside = dict.fromkeys(("mean", "share", "slope"), 0)
    for _ in range(draws):
        x, y = rng.random(n) < 0.4, rng.standard_normal(n)
        said = rng.random(n) < 0.3
        for what, truth in (("mean", 0.0), ("share", 30.0), ("slope", 0.0)):
            (fit, sd), (off, of_error) = _fit(what, x, y, said), rng.standard_normal(2)
            moved = _moved(fit, sd, sd * off, of_error, fit.df * np.exp(rng.normal(0, 0.1)))
            inside[what] += moved.low <= truth <= moved.high
    for what, count in inside.items():
        assert count / draws == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / draws) ** 0.5), what


def _fit(what, x, y, said):
    n = len(y)
    if what == "mean":
        estimate, scores = y.mean(), (y - y.mean()) / n
    elif what == "share":
        estimate, scores = 100 * said.mean(), 100 * (said - said.mean()) / n
    else:
        z = x - x.mean()
        estimate = z @ y / (z @ z)
        scores = z * (y - y.mean() - estimate * z) / (z @ z)
    error = np.sqrt(scores @ scores) * np.sqrt(n / (n - 2))
    half = stats.t.ppf(0.975, n - 2) * error
    ends = estimate - half, estimate + half
    if what == "share":
        slope = 100 / (estimate * (100 - estimate))
        ends = 100 * special.expit(special.logit(estimate / 100) + np.array([-half, half]) * slope)
    fit = Fit(estimate, *map(float, ends), error, n - 2, 0.95, n, n, None, n, "", "described")
    fit = Fit(**vars(fit) | {"is_share": what == "share", "influence": pd.Series(scores)})
    return fit, noise.spread(error, pd.Series(scores))

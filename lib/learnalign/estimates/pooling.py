"""Pooling: how much a slope differs between managers, once the noise of small teams is taken out.

Only the distribution leaves this module: never a manager's own value, never a ranking. The ten
worst of many noisy slopes are mostly the ten noisiest (METHODS 5, row 11).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from learnalign.estimates.ladder import interval

MIN_POOLED = 20  # managers; fewer do not make a distribution
NORMAL = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class Pooled:
    """A mean over managers, and the variance of true slopes between them."""

    mean: float
    std_error: float
    tau2: float


@dataclass(frozen=True)
class Spread:
    """The distribution of managers' slopes: mean and SD with intervals."""

    mean: float
    mean_low: float
    mean_high: float
    sd: float
    sd_low: float
    sd_high: float
    n_managers: int
    smallest: float
    level: float


def paule_mandel(estimates: ArrayLike, std_errors: ArrayLike) -> Pooled:
    """Mean of the true values behind noisy estimates, and their variance `tau2`, never below 0.

    tau2 makes the weighted squares around the mean equal to their expectation, n - 1 (Paule and
    Mandel 1982). Raises ValueError with fewer than two estimates, gaps, or an error that is not
    positive.

    Misleads when standard errors are themselves guesses from a few people, or go with the slope's
    size.

    >>> schools = paule_mandel([28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18])
    >>> round(schools.mean, 3), round(schools.std_error, 3), schools.tau2
    (7.686, 4.072, 0.0)
    """
    b, s = _checked(estimates, std_errors)
    tau2 = _tau2(b, s, len(b) - 1)
    weight = 1 / (s**2 + tau2)
    return Pooled(float(weight @ b / weight.sum()), float(weight.sum() ** -0.5), tau2)


def distribution(
    estimates: ArrayLike, std_errors: ArrayLike, *, smallest: float, level: float = 0.95
) -> Spread:
    """How managers' slopes are spread, beside the `smallest` that matters.

    One estimate and standard error per manager. The mean has a normal interval, the SD between
    managers (tau) the Q-profile's (`sd_between`). Raises ValueError with fewer than 20 managers.

    Misleads when true slopes are in two camps: a mean and an SD tell of one.

    >>> rng = np.random.default_rng(3)
    >>> found = distribution(rng.normal(-0.1, 0.5, 60), np.full(60, 0.3), smallest=0.1)
    >>> found.n_managers, found.sd_low < found.sd < found.sd_high
    (60, True)
    """
    b, s = _checked(estimates, std_errors)
    if (n := len(b)) < MIN_POOLED:
        raise ValueError(
            f"A distribution over managers needs at least {MIN_POOLED} of them, and there are {n}."
        )
    pooled = paule_mandel(b, s)
    mean = pooled.mean, *interval(pooled.mean, pooled.std_error, np.inf, level)
    sd = pooled.tau2**0.5, *sd_between(b, s, level=level)
    return Spread(*mean, *sd, n, smallest, level)


def moves(estimates: ArrayLike, std_errors: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """By how much the mean of true values, and their variance, move with each estimate.

    Misleads where the variance is near 0, and cut off there.
    """
    b, s = _checked(estimates, std_errors)
    pooled = paule_mandel(b, s)
    weight, off = 1 / (s**2 + pooled.tau2), b - pooled.mean
    return weight / weight.sum(), 2 * weight * off / max(weight**2 @ off**2, 1e-12)


def sd_between(
    estimates: ArrayLike, std_errors: ArrayLike, *, level: float = 0.95
) -> tuple[float, float]:
    """The Q-profile interval (Viechtbauer 2007) of the SD of true values behind estimates.

    Misleads as `paule_mandel` does.

    >>> sd_between([28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18])[0]
    0.0
    """
    b, s = _checked(estimates, std_errors)
    targets = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], len(b) - 1)
    low, high = (_tau2(b, s, target) ** 0.5 for target in targets)
    return low, high


def unseen_sd(std_errors: ArrayLike, *, level: float = 0.95) -> float:
    """The SD between true values up to which estimates with this noise look all alike.

    The upper end of the Q-profile interval where estimates differ by exactly their noise: those
    that happen to lie closer would seem to exclude what they cannot. Misleads as `paule_mandel`
    does.

    >>> round(unseen_sd([0.3] * 8), 2)
    0.53
    """
    s = np.asarray(std_errors, float)
    least = stats.chi2.ppf((1 - level) / 2, len(s) - 1)

    def surplus(tau2: float) -> float:
        return (s**2 / (s**2 + tau2)).sum() * (1 - 1 / len(s)) - least

    return optimize.brentq(surplus, 0.0, len(s) * (s**2).max() / least) ** 0.5


def _checked(estimates: ArrayLike, std_errors: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    b, s = np.asarray(estimates, float), np.asarray(std_errors, float)
    if b.ndim != 1 or b.shape != s.shape or len(b) < 2:
        raise ValueError("Pooling needs two estimates or more, each with its standard error.")
    if not np.isfinite([b, s]).all() or (s <= 0).any():
        raise ValueError("An estimate is missing, or a standard error is not a positive number.")
    return b, s


def _q(tau2: float, b: np.ndarray, s: np.ndarray) -> float:
    weight = 1 / (s**2 + tau2)
    return float(weight @ (b - weight @ b / weight.sum()) ** 2)


def _tau2(b: np.ndarray, s: np.ndarray, target: float) -> float:
    """The tau2 at which the weighted squares come down to `target`; 0 if they start below it."""
    if _q(0.0, b, s) <= target:
        return 0.0
    # squares over tau2 alone are larger than with the noise added: beyond this they are too small
    top = ((b - b.mean()) ** 2).sum() / target
    return float(optimize.brentq(lambda tau2: _q(tau2, b, s) - target, 0.0, top))

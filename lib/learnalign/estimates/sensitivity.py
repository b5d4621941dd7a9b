"""Sensitivity: how wrong the assumptions would have to be to overturn a finding.

Two kinds of figure: how strong something unseen would have to be (`times_as_strong`, the E-values),
and what the estimate becomes when the noise in past ratings is taken out (`errors_in_variables`).
None of them shows that there is nothing unseen.
"""

import numpy as np
from scipy import optimize, stats

from learnalign.estimates.ladder import Slope, within


def times_as_strong(
    estimate: float,
    std_error: float,
    df: float,
    benchmark_r2_exposure: float,
    benchmark_r2_outcome: float,
) -> float:
    """How many times as strong as a known factor something unseen must be to bring the estimate to
    0.

    `benchmark_r2_exposure` is the known factor's partial R2 with the exposure given the other
    controls, `benchmark_r2_outcome` its partial R2 with the outcome given these and the exposure;
    `std_error` and `df` are those of least squares with it among the controls. "As strong" means in
    both. Infinite where the known factor explains nothing of one of them. Grows with the estimate.
    Raises ValueError for figures out of range.

    Misleads when the known factor is weak by nature: many times little is still little.

    Cinelli & Hazlett (2020), section 4.4; the number of times is the root of their bound.

    >>> round(times_as_strong(0.0973, 0.0233, 783, 0.0091, 0.109), 1)
    4.3
    """
    r2_x, r2_y = benchmark_r2_exposure, benchmark_r2_outcome
    if not (0 <= r2_x < 1 and 0 <= r2_y < 1 and std_error > 0 and df > 0):
        raise ValueError(
            "partial R2 from 0 to below 1, a positive standard error and positive df are needed"
        )
    if estimate == 0:
        return 0.0
    if min(r2_x, r2_y) <= 1e-12:
        return np.inf
    target, most = abs(estimate) / (std_error * np.sqrt(df)), (1 - r2_x) / r2_x

    def surplus(explained: float) -> float:
        """The bound less the estimate, where something unseen explains this much of the exposure."""
        known = (
            explained * r2_x / (1 - explained * (1 - r2_x))
        )  # how it then goes with the known factor
        others = (1 - explained) / (1 - explained * (1 - r2_x))  # 1 - known, without loss of digits
        with_outcome = (
            (np.sqrt(explained * most) + np.sqrt(known)) ** 2 / others * r2_y / (1 - r2_y)
        )
        return float(np.sqrt(min(1.0, with_outcome) * explained / (1 - explained)) - target)

    edge = (
        1 - 1e-12
    )  # beyond it only an estimate a million standard errors from 0 would still stand
    return (
        float(optimize.brentq(surplus, 0.0, edge, xtol=1e-14) * most)
        if surplus(edge) > 0
        else float(most)
    )


def e_value(ratio: float) -> float:
    """How strongly something unseen must go with both exposure and outcome, as risk ratios, to make
    a risk ratio 1.

    For a hazard or odds ratio only where the outcome is rare. Below 1 the ratio is turned round.
    Raises ValueError unless positive.

    Misleads when it is read as the chance of confounding: it says how much would be needed, not
    what there is.

    VanderWeele & Ding (2017), Annals of Internal Medicine 167.

    >>> round(e_value(3.9), 2), round(e_value(0.8), 2)
    (7.26, 1.81)
    """
    if not (ratio > 0 and np.isfinite(ratio)):
        raise ValueError("a positive ratio is needed")
    ratio = max(ratio, 1 / ratio)
    return float(ratio + np.sqrt(ratio * (ratio - 1)))


def reliability(
    prior_1: np.ndarray, prior_2: np.ndarray, groups: np.ndarray | None = None
) -> float:
    """The share of a single rating's variance that lasts: how two ratings of the same people go
    together.

    The correlation of two arrays (n,), after the means of `groups` (n,) are taken out. Negative
    where past ratings go against each other; the caller decides what is usable. Raises ValueError
    when a rating does not vary.

    Misleads when what people can do changes between the ratings (too low), or one rater's liking
    colours both (too high).

    >>> round(reliability(np.array([1, 2, 3, 4]), np.array([2, 1, 4, 3])), 2)
    0.6
    """
    one, two = (_demeaned(values, groups) for values in (prior_1, prior_2))
    scale = np.sqrt(one @ one * (two @ two))
    if not scale > 1e-12 * len(one):
        raise ValueError("a prior rating does not vary, so its reliability cannot be told")
    return float(one @ two / scale)


def errors_in_variables(
    y: np.ndarray,
    x: np.ndarray,
    priors: np.ndarray,
    reliability: float,
    *,
    clusters: np.ndarray,
    controls: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    level: float = 0.95,
) -> Slope:
    """The slope of `y` on `x` at equal true ability, of which `priors` are noisy ratings.

    Shapes: y, x (n,), priors (n, k), controls (n, c); means of `groups` are taken out of all.
    `reliability` is that of one rating within the groups; that of the mean of k is k r / (1 + (k -
    1) r), and the rest of its variance is taken out of the normal equations. Sandwich of these
    equations, summed within `clusters`, t(G - 1). Raises ValueError when the reliability is not in
    (0, 1], or too low for what `x` explains of the ratings.

    Misleads when the reliability is wrong (it is taken as known, so its own uncertainty is not in
    the interval), when the noise of the ratings moves the exposure, or when it lasts (a rater's
    standing liking).

    Fuller (1987), Measurement Error Models, section 2.2; METHODS 6c.

    >>> rng = np.random.default_rng(1)
    >>> ability = rng.normal(size=4_000)
    >>> priors = ability[:, None] + rng.normal(size=(4_000, 2))
    >>> x = (ability + rng.normal(size=4_000) < 0) * 1.0
    >>> round(errors_in_variables(ability + 0.5 * x, x, priors, 0.5, clusters=np.arange(4_000)).estimate, 2)
    0.51
    """
    priors = np.asarray(priors, float)
    priors = priors[:, None] if priors.ndim == 1 else priors
    if not 0 < reliability <= 1:
        raise ValueError("the reliability of a rating must be above 0, and not above 1")
    k = priors.shape[1]
    noise = 1 - k * reliability / (1 + (k - 1) * reliability)
    z = _columns([x, priors.mean(axis=1)], controls, groups)
    others = np.delete(z, 1, axis=1)
    left = z[:, 1] - others @ np.linalg.lstsq(others, z[:, 1], rcond=None)[0]
    if left @ left - noise * (z[:, 1] @ z[:, 1]) < 1e-9 * (z[:, 1] @ z[:, 1]):
        raise ValueError(
            "with so low a reliability, nothing would be left of the ratings beyond the other terms"
        )
    return _solved(_demeaned(y, groups), z, clusters, level, noise)


def _solved(
    y: np.ndarray, z: np.ndarray, clusters: np.ndarray, level: float, noise: float
) -> Slope:
    """Root of the normal equations and their sandwich; the share `noise` of column 1's own moment
    is taken out.
    """
    _, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    (n, k), g = z.shape, int(cluster.max(initial=-1)) + 1
    if g < 2 or n <= k + 1:
        raise ValueError("at least two clusters, and more rows than terms, are needed")
    moment, length = z.T @ z, np.sqrt((z**2).sum(axis=0))
    scale = np.outer(length, length)
    if not (scale > 0).all() or np.linalg.svd(moment / scale, compute_uv=False)[-1] < 1e-9:
        raise ValueError("a term does not vary, or cannot be told from the others")
    out = noise * z[:, 1] ** 2
    moment[1, 1] -= out.sum()
    bread = np.linalg.inv(moment)
    beta = bread @ z.T @ y
    rows = z * (y - z @ beta)[:, None]
    rows[:, 1] += out * beta[1]
    scores = np.column_stack([np.bincount(cluster, column) for column in rows.T])
    variance = bread @ (scores.T @ scores) @ bread.T * g / (g - 1) * (n - 1) / (n - k - 1)
    estimate, error = float(beta[0]), float(np.sqrt(variance[0, 0]))
    reach = float(stats.t.ppf((1 + level) / 2, g - 1) * error)
    return Slope(
        estimate, error, float(g - 1), estimate - reach, estimate + reach, level, "CR1", n, g
    )


def _columns(
    named: list[np.ndarray], controls: np.ndarray | None, groups: np.ndarray | None
) -> np.ndarray:
    extra = (
        [] if controls is None else list(np.asarray(controls, float).reshape(len(named[0]), -1).T)
    )
    return np.column_stack([_demeaned(column, groups) for column in [*named, *extra]])


def _demeaned(values: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Values less the mean of their group, or of all."""
    values = np.asarray(values, float)
    if not (len(values) and np.isfinite(values).all()):
        raise ValueError("no value may be missing")
    return within(values, np.zeros(len(values), dtype=int) if groups is None else groups)

"""Weights: whether two groups are alike enough to be compared, and what those who left could have
changed.
"""

import numpy as np
from scipy import special

# on columns of unit variance: unseen where the groups overlap, finite where a column separates them
RIDGE = 1e-6
MAX_STEPS = 100


def propensity(exposed: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Probability of being exposed, for each row, by a logit on the covariates.

    `exposed` is boolean or 0/1, shape (n,); `covariates` has shape (n, k) and needs no column of
    ones. A column without variation tells nothing and is left out. Where a column separates the
    groups the probabilities come close to 0 and 1, which is the right answer for a check of
    overlap. Raises ValueError when everybody or nobody is exposed, or a value is missing.

    Misleads when what decides on exposure bends or interacts in ways that the columns do not carry.

    Maximum likelihood by Newton steps (Rosenbaum & Rubin 1983 for its use), with a ridge too small
    to be seen.

    >>> exposed = np.array([0, 0, 1, 0, 1, 1])
    >>> propensity(exposed, np.array([[1], [2], [3], [4], [5], [6.0]])).round(2)
    array([0.05, 0.14, 0.35, 0.65, 0.86, 0.95])
    """
    t, z = _groups(exposed, covariates)
    varies = np.ptp(z, axis=0) > 1e-9 * (1 + np.abs(z).max(axis=0))
    z = z[:, varies]
    x = np.column_stack([np.ones(len(t)), (z - z.mean(axis=0)) / z.std(axis=0)])
    penalty = np.full(x.shape[1], RIDGE)
    penalty[0] = 0

    def loss(beta: np.ndarray) -> float:
        return float(np.logaddexp(0, x @ beta).sum() - t @ (x @ beta) + penalty @ beta**2 / 2)

    beta = np.zeros(x.shape[1])
    beta[0] = special.logit(t.mean())
    for _ in range(MAX_STEPS):
        p = special.expit(x @ beta)
        gradient = x.T @ (t - p) - penalty * beta
        curvature = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty + 1e-12)
        step = np.linalg.solve(curvature, gradient)
        while loss(beta + step) > loss(beta) and np.abs(step).max() > 1e-9:
            step = step / 2  # a full step can overshoot where the groups hardly overlap
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            break
    return special.expit(x @ beta)


def balanced(propensity: np.ndarray, exposed: np.ndarray) -> np.ndarray:
    """The propensity as if both groups were equally large: e(1 - p) / (e(1 - p) + (1 - e)p), p the
    share exposed.

    A rare exposure has small propensities everywhere; that is no lack of overlap. The balanced ones
    are near 0 or 1 only where one group has hardly anybody like the other.
    """
    p = np.asarray(exposed, float).mean()
    odds_for, odds_against = propensity * (1 - p), (1 - propensity) * p
    return odds_for / (odds_for + odds_against)


def beyond_trim(exposed: np.ndarray, covariates: np.ndarray, trim: float = 0.05) -> float:
    """Share of the weight of both groups, each weighing one half, that has hardly anybody alike in
    the other.

    That is a balanced propensity below `trim` or above 1 - `trim`. Inputs and errors as in
    `propensity`.

    Misleads when the groups overlap in each column, but not in how the columns go together.

    >>> alike = np.array([[1], [2], [3], [1], [2], [3.0]])
    >>> beyond_trim(np.array([0, 0, 0, 1, 1, 1]), alike), beyond_trim(np.array([0, 0, 1, 0, 0, 1]), alike)
    (0.0, 1.0)
    """
    e = balanced(propensity(exposed, covariates), exposed)
    t = np.asarray(exposed, bool)
    outside = (e < trim) | (e > 1 - trim)
    return float((outside[t].mean() + outside[~t].mean()) / 2)


def trimmed_bounds(with_it: np.ndarray, without: np.ndarray, ratio: float) -> tuple[float, float]:
    """Lowest and highest difference in mean outcome, first less second, that leaving at unequal
    rates allows.

    Outcomes (n,) and (m,) of those who stayed, and the `ratio` of the groups' retention, first by
    second. In the group that kept more of its people the excess is cut off at the top, or at the
    bottom: the worst cases. Bounds of an estimate, without sampling error, for those who would stay
    either way.

    Misleads when exposure makes some people leave and others stay: it must push everybody one way.

    Lee (2009), Review of Economic Studies 76.

    >>> trimmed_bounds(np.array([1, 2, 3, 4.0]), np.array([1, 2, 3.0]), 4 / 3)
    (0.0, 1.0)
    """
    with_it, without = np.sort(with_it), np.sort(without)
    if ratio >= 1:
        ends = (
            _lowest(with_it, 1 / ratio) - without.mean(),
            -_lowest(-with_it[::-1], 1 / ratio) - without.mean(),
        )
    else:
        ends = (
            with_it.mean() + _lowest(-without[::-1], ratio),
            with_it.mean() - _lowest(without, ratio),
        )
    return float(min(ends)), float(max(ends))


def _lowest(ordered: np.ndarray, share: float) -> float:
    """Mean of the lowest share of ordered values; the value on the edge counts in part."""
    weight = np.clip(share * len(ordered) - np.arange(len(ordered)), 0, 1)
    return float(weight @ ordered / weight.sum())


def _groups(exposed: np.ndarray, covariates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    t, z = _finite(exposed, "group"), _finite(covariates, "covariates")
    z = z[:, None] if z.ndim == 1 else z
    if len(t) != len(z):
        raise ValueError(f"{len(t)} people and {len(z)} rows of covariates: one row each is needed")
    if not np.isin(t, (0, 1)).all() or not 0 < t.sum() < len(t):
        raise ValueError("two groups are needed, marked 0 and 1")
    return t, z


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values, float)
    if not np.isfinite(values).all():
        raise ValueError(f"the {name} must have no missing value")
    return values

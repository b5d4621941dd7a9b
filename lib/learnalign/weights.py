"""Weights: how alike two groups are, and differences weighted so that they become alike.

Three uses: whether people can be compared at all (`beyond_trim`), a second estimate that does not lean on one
straight line (`aipw`), and what those who left could have changed (`retention_weights`, `attrition_bounds`).
"""

import numpy as np
from scipy import special, stats

from learnalign.records import Fit

RIDGE = 1e-6  # on columns of unit variance: unseen where the groups overlap, finite where a column separates them
MAX_STEPS = 100


def propensity(exposed: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Probability of being exposed, for each row, by a logit on the covariates.

    `exposed` is boolean or 0/1, shape (n,); `covariates` has shape (n, k) and needs no column of ones. A column
    without variation tells nothing and is left out. Where a column separates the groups the probabilities come
    close to 0 and 1, which is the right answer for a check of overlap. Raises ValueError when everybody or nobody
    is exposed, or a value is missing.

    Misleads when what decides on exposure bends or interacts in ways that the columns do not carry.

    Maximum likelihood by Newton steps (Rosenbaum & Rubin 1983 for its use), with a ridge too small to be seen.

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
    """The propensity as if both groups were equally large: e(1 - p) / (e(1 - p) + (1 - e)p), p the share exposed.

    A rare exposure has small propensities everywhere; that is no lack of overlap. The balanced ones are near 0 or
    1 only where one group has hardly anybody like the other.

    >>> balanced(np.array([0.1, 0.1, 0.1, 0.1, 0.6]), np.array([0, 0, 0, 0, 1])).round(2)
    array([0.31, 0.31, 0.31, 0.31, 0.86])
    """
    p = np.asarray(exposed, float).mean()
    odds_for, odds_against = propensity * (1 - p), (1 - propensity) * p
    return odds_for / (odds_for + odds_against)


def beyond_trim(exposed: np.ndarray, covariates: np.ndarray, trim: float = 0.05) -> float:
    """Share of the weight of both groups, each weighing one half, that has hardly anybody alike in the other.

    That is a balanced propensity below `trim` or above 1 - `trim`. Inputs and errors as in `propensity`.

    Misleads when the groups overlap in each column, but not in how the columns go together.

    >>> alike = np.array([[1], [2], [3], [1], [2], [3.0]])
    >>> beyond_trim(np.array([0, 0, 0, 1, 1, 1]), alike), beyond_trim(np.array([0, 0, 1, 0, 0, 1]), alike)
    (0.0, 1.0)
    """
    e = balanced(propensity(exposed, covariates), exposed)
    t = np.asarray(exposed, bool)
    outside = (e < trim) | (e > 1 - trim)
    return float((outside[t].mean() + outside[~t].mean()) / 2)


def aipw(
    outcome: np.ndarray, exposed: np.ndarray, covariates: np.ndarray, clusters: np.ndarray, *, trim: float = 0.05,
    level: float = 0.95,
) -> Fit:  # fmt: skip
    """The difference in `outcome` among the exposed: weighted for who was exposed, and adjusted for the outcome.

    The augmented inverse-probability-weighted average effect on the exposed: right when either the logit of the
    exposure or the straight line of the outcome is right. Rows whose propensity lies outside [trim, 1 - trim] are
    left out, so the figure is about the exposed who have counterparts. Arrays have n rows; `outcome`'s unit is the
    estimate's. The influence values are summed within cluster, t(G - 1). Rows count as people. Raises ValueError
    when a group is too small for the line after trimming, fewer than two clusters are left or a value is missing.

    Misleads when something outside the covariates moves both exposure and outcome.

    Robins, Rotnitzky & Zhao (1994); trimming as in Crump et al. (2009); METHODS 6c.

    >>> rng = np.random.default_rng(1)
    >>> z = rng.normal(size=(500, 1))
    >>> t = rng.random(500) < special.expit(z[:, 0])
    >>> fit = aipw(2 * z[:, 0] + 0.5 * t + rng.normal(size=500), t, z, np.arange(500))
    >>> f"{fit.estimate:.1f} ({fit.low:.1f} to {fit.high:.1f})"
    '0.4 (0.2 to 0.7)'
    """
    t, z = _groups(exposed, covariates)
    e = propensity(t, z)
    kept = (e >= trim) & (e <= 1 - trim)
    t, z, e, y = t[kept], np.column_stack([np.ones(len(t)), z])[kept], e[kept], _finite(outcome, "outcome")[kept]
    _, cluster = np.unique(np.asarray(clusters)[kept], return_inverse=True)
    n, g, n_exposed = len(t), int(cluster.max(initial=-1)) + 1, int(t.sum())
    if g < 2 or n_exposed < 2 or n - n_exposed <= z.shape[1]:
        raise ValueError("too few people are alike in both groups to compare them")
    line = np.linalg.lstsq(z[t == 0], y[t == 0], rcond=None)[0]
    left = y - z @ line
    w = e / (1 - e) * (1 - t)
    estimate = float(t @ left / n_exposed - w @ left / w.sum())
    influence = (t * (left - estimate) - w * left * n_exposed / w.sum()) / t.mean()
    scores = np.bincount(cluster, influence) / n
    error = float(np.sqrt(scores @ scores * g / (g - 1)))
    reach = stats.t.ppf((1 + level) / 2, g - 1) * error
    return Fit(
        estimate, float(estimate - reach), float(estimate + reach), error, float(g - 1), level, n, n,
        min(n_exposed, n - n_exposed), g, f"AIPW for the exposed, propensity {trim:.2f} to {1 - trim:.2f}", "adjusted",
    )  # fmt: skip


def retention_weights(stayed: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Weights that let those who stayed stand for all: one over the probability of staying, mean 1 among them.

    `stayed` (n,) and `covariates` (n, k) over everybody, exposure among the covariates; those who left get 0.
    Raises ValueError when everybody or nobody left, or a value is missing.

    Misleads when people leave for what the covariates, recorded before they left, do not show; and a few weights
    then carry the figure when hardly anybody like a leaver stayed.

    Robins & Finkelstein (2000).

    >>> retention_weights(np.array([1, 1, 1, 1, 0, 1]), np.array([[0], [0], [0], [1], [1], [1.0]])).round(2)
    array([0.83, 0.83, 0.83, 1.25, 0.  , 1.25])
    """
    staying, stays = propensity(stayed, covariates), np.asarray(stayed, bool)
    weights = np.where(stays, 1 / staying, 0.0)
    return weights / weights[stays].mean()


def attrition_bounds(outcome: np.ndarray, exposed: np.ndarray, stayed: np.ndarray) -> tuple[float, float]:
    """Lowest and highest difference in mean outcome, exposed less not, that leaving at unequal rates allows.

    All arrays are over everybody, shape (n,); the outcome of those who left is not read and may be NaN. In the
    group that kept more of its people the excess is cut off at the top, or at the bottom: the worst cases. Equal
    retention gives a point. These are bounds of an estimate, without sampling error, for those who would stay
    either way. Raises ValueError when nobody is left in a group.

    Misleads when exposure makes some people leave and others stay: it must push everybody one way.

    Lee (2009), Review of Economic Studies 76.

    >>> outcome = np.array([1, 2, 3, 4, 1, 2, 3, np.nan])
    >>> attrition_bounds(outcome, np.array([1, 1, 1, 1, 0, 0, 0, 0]), np.array([1, 1, 1, 1, 1, 1, 1, 0]))
    (0.0, 1.0)
    """
    y, t, stays = np.asarray(outcome, float), _finite(exposed, "group") == 1, _finite(stayed, "staying") == 1
    with_it, without = y[t & stays], y[~t & stays]
    if not (len(with_it) and len(without)):
        raise ValueError("nobody stayed in one of the groups: nothing is left to compare")
    _finite(np.concatenate([with_it, without]), "outcome of those who stayed")
    return trimmed_bounds(with_it, without, (len(with_it) / t.sum()) / (len(without) / (~t).sum()))


def trimmed_bounds(with_it: np.ndarray, without: np.ndarray, ratio: float) -> tuple[float, float]:
    """`attrition_bounds` for outcomes (n,) and (m,) and a known ratio of the groups' retention, first by second.

    >>> trimmed_bounds(np.array([1, 2, 3, 4.0]), np.array([1, 2, 3.0]), 4 / 3)
    (0.0, 1.0)
    """
    with_it, without = np.sort(with_it), np.sort(without)
    if ratio >= 1:
        ends = _lowest(with_it, 1 / ratio) - without.mean(), -_lowest(-with_it[::-1], 1 / ratio) - without.mean()
    else:
        ends = with_it.mean() + _lowest(-without[::-1], ratio), with_it.mean() - _lowest(without, ratio)
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

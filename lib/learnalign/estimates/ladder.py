"""The ladder of standard errors for one linear slope: the fewer the clusters, the more careful the
interval.

With many clusters the usual cluster-robust error is good enough. With few it is too small, most of
all when the exposure is a leader's; CR2 corrects its bias and Bell-McCaffrey degrees of freedom say
how far to trust it. Below 20 clusters a second interval, made by another idea, stands beside the
first: what they disagree on is not settled.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from learnalign.verdicts.result import FEW_CLUSTERS

RUNGS = {
    "CR1": (
        "Liang-Zeger errors with the factor G/(G - 1) x (n - 1)/(n - k), t with G - 1 "
        "degrees of freedom"
    ),
    "CR2": "bias-reduced errors, t with Bell-McCaffrey (Satterthwaite) degrees of freedom",
}
"""CR1 from MANY_CLUSTERS on, CR2 below; below FEW_CLUSTERS also the wild cluster restricted
bootstrap.
"""

MANY_CLUSTERS = 50
MOST_CLUSTERS = 2_000  # CR2 needs so many squared; with more, hardly any one of them can rule
WEBB = np.sqrt([0.5, 1.0, 1.5, 0.5, 1.0, 1.5]) * [
    -1,
    -1,
    -1,
    1,
    1,
    1,
]  # with two points few samples are distinct
DRAWS, SEED = 9_999, 20_010
SAME = (
    1e-9  # what is left of a column, against its spread, below which nothing is left but rounding
)
ROUNDING = 1e-13  # the same against its level
FARTHEST = 1e6  # standard errors: an interval still open there is called unbounded


@dataclass(frozen=True)
class Slope:
    """One slope with its interval: what `x` goes with in `y`, per unit of `x`, and what that stands
    on.
    """

    estimate: float
    std_error: float
    df: float
    low: float
    high: float
    level: float
    rung: str  # a key of RUNGS
    n_rows: int  # rows that tell something: those alone in their group are left out
    n_clusters: int
    second: tuple[float, float] | None = (
        None  # below 20 clusters: the wild bootstrap's interval; ends may be infinite
    )
    p_second: float | None = None  # its p-value for no difference


@dataclass(frozen=True)
class _Fit:
    """Least squares with the groups swept out. `q` has orthonormal columns, what is left of x in
    the last.
    """

    q: np.ndarray
    length: float  # of what is left of x
    score: float  # the estimate times `length`
    residual: np.ndarray
    cluster: np.ndarray  # codes 0 .. n_clusters - 1
    group: np.ndarray
    spent: int  # degrees of freedom in CR1's factor

    @property
    def n_clusters(self) -> int:
        return int(self.cluster.max()) + 1

    def by_cluster(self, values: np.ndarray) -> np.ndarray:
        """Sums of the columns of `values` (n,) or (n, k) over each cluster: (G,) or (G, k)."""
        return _sums(values, self.cluster, self.n_clusters)


def within(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """`values` less their group means: what is left when only members of one group are compared.

    `values` is (n,) or (n, k), `groups` (n,) of any labels; the answer has the shape of `values`.
    Raises ValueError when either has gaps. Misleads when most groups have one member: these become
    exact zeros.

    >>> within(np.array([1.0, 3.0, 10.0, 30.0]), np.array(["a", "a", "b", "b"])).tolist()
    [-1.0, 1.0, -10.0, 10.0]
    """
    values = _numbers(values, "values")
    return _demeaned(values, _codes(groups, len(values), "groups"))


def slope(
    y: np.ndarray,
    x: np.ndarray,
    clusters: np.ndarray,
    *,
    controls: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    level: float = 0.95,
    rung: str | None = None,
) -> Slope:
    """The difference in `y` per unit of `x` (n,), `controls` (n, k) and `groups` held equal, by
    least squares.

    Without `groups` an intercept is fitted. The interval is for errors that may be alike, in any
    way, within `clusters`: CR1 with t(G - 1) from 50 clusters on, equal to pyfixest's default; CR2
    with Bell-McCaffrey degrees of freedom below, and where fewer than 20 of many hold the
    comparison (Pustejovsky and Tipton 2018), unless `rung` names one of RUNGS. Below 20 clusters
    also the interval of the wild cluster restricted bootstrap with Webb weights (MacKinnon and Webb
    2018), whatever the rung; where the clusters are too few for it to reject anything its ends are
    infinite. Rows alone in their group tell nothing and are left out. CR1's factor counts groups
    only where one of them meets several clusters.

    Raises ValueError on gaps, with fewer than two clusters, when `x` or a control cannot be told
    from the other terms, when nothing of `y` is left, or when a cluster alone decides the slope:
    then no interval exists.

    Misleads when fewer than four clusters have an exposure that does not vary within clusters, and
    when a group meets several clusters: CR2 is then approximate, so give few such groups as 0/1
    controls instead. CR2 needs G x G numbers: do not ask for it with very many clusters.

    >>> y, x = np.array([1, 2, 3, 5, 2, 4.0]), np.array([0, 1, 0, 1, 0, 1])
    >>> found = slope(y, x, clusters=np.array(list("aabbcc")), groups=np.array(list("aabbcc")))
    >>> round(found.estimate, 3), round(found.std_error, 3), round(found.df, 3), found.rung
    (1.667, 0.333, 2.0, 'CR2')
    """
    if rung is not None and rung not in RUNGS:
        raise ValueError(f"rung must be one of {', '.join(RUNGS)}, but got {rung!r}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, but got {level!r}")
    fit = _fit(y, x, clusters, controls, groups)
    rung = rung or ("CR2" if _needs_care(fit) else "CR1")
    error, df = _cr1(fit) if rung == "CR1" else _cr2(fit)
    estimate, error = fit.score / fit.length, error / fit.length
    half = stats.t.ppf((1 + level) / 2, df) * error
    second, p_second = _wild(fit, level) if fit.n_clusters < FEW_CLUSTERS else (None, None)
    return Slope(
        float(estimate),
        float(error),
        float(df),
        float(estimate - half),
        float(estimate + half),
        level,
        rung,
        len(fit.residual),
        fit.n_clusters,
        second,
        p_second,
    )


# --- least squares


def _fit(y, x, clusters, controls, groups) -> _Fit:
    y, columns, cluster, group = _rows(y, x, clusters, controls, groups)
    q, r = np.linalg.qr(_demeaned(columns, group))
    _refuse_copies(columns, np.abs(np.diag(r)))
    length = r[-1, -1]
    q[:, -1] *= np.sign(length)
    n_groups = int(group.max()) + 1
    if n_groups == 1:  # an intercept: kept as a column, so that CR2 is exact
        q = np.column_stack([np.full(len(y), len(y) ** -0.5), q])
    home = np.zeros(n_groups, dtype=int)
    home[group] = cluster
    nested = (home[group] == cluster).all()
    left = _demeaned(y, group)
    scores = q.T @ left
    residual = left - q @ scores
    _refuse_exact(y, left, residual)
    spent = columns.shape[1] + (1 if nested else n_groups)
    return _Fit(q, float(np.abs(length)), float(scores[-1]), residual, cluster, group, spent)


def _rows(
    y, x, clusters, controls, groups
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """y, the controls and x as columns, codes of clusters and groups; without rows that are alone
    in their group.
    """
    y, x = _numbers(y, "y"), _numbers(x, "x")
    columns = (
        x[:, None] if controls is None else np.column_stack([_numbers(controls, "controls"), x])
    )
    if y.ndim > 1 or x.ndim > 1 or len(columns) != len(y):
        raise ValueError("y and x must be plain columns of one length, and the controls as long")
    cluster = _codes(clusters, len(y), "clusters")
    group = np.zeros(len(y), dtype=int) if groups is None else _codes(groups, len(y), "groups")
    alone = np.bincount(group, minlength=1)[group] == 1
    if alone.any():
        y, columns = y[~alone], columns[~alone]
        cluster, group = (pd.factorize(codes[~alone])[0] for codes in (cluster, group))
    if len(y) == 0 or cluster.max() == 0:
        raise ValueError(
            "fewer than two clusters with rows to compare: no interval can be computed"
        )
    if len(y) <= columns.shape[1]:
        raise ValueError("there are as many terms as rows to compare: no interval can be computed")
    return y, columns, cluster, group


def _refuse_copies(columns: np.ndarray, left: np.ndarray) -> None:
    """Raise when a column, in the order of the columns, has only rounding left beside those before
    it.
    """
    spread, size = _lengths(columns - columns.mean(axis=0)), _lengths(columns)
    nothing = left <= np.maximum(SAME * spread, ROUNDING * size)
    if nothing[:-1].any():
        raise ValueError(
            f"control {np.argmax(nothing) + 1} cannot be told from the groups and the "
            "controls before it"
        )
    if nothing[-1]:
        raise ValueError(
            "x cannot be told from the groups and the controls: nothing of it is left to compare"
        )


def _refuse_exact(y: np.ndarray, left: np.ndarray, residual: np.ndarray) -> None:
    rounding = ROUNDING * _lengths(y)
    if _lengths(left) <= max(rounding, 1e-12 * _lengths(y - y.mean())):
        raise ValueError("y does not vary within the groups: there is nothing to explain")
    if _lengths(residual) <= max(rounding, 1e-12 * _lengths(left)):
        raise ValueError(
            "x, the controls and the groups explain y without rest: no interval can be computed"
        )


def _needs_care(fit: _Fit) -> bool:
    """Few clusters, or many of which few hold nearly all of the comparison: CR1 would be too sure."""
    weight = fit.by_cluster(fit.q[:, -1] ** 2)  # sums to 1
    few_count = 1 / (weight @ weight) < FEW_CLUSTERS
    return fit.n_clusters < MANY_CLUSTERS or (few_count and fit.n_clusters <= MOST_CLUSTERS)


# --- the rungs: the standard error of the score, and its degrees of freedom


def _cr1(fit: _Fit) -> tuple[float, float]:
    g, n = fit.n_clusters, len(fit.residual)
    scores = fit.by_cluster(fit.q[:, -1] * fit.residual)
    meat = scores @ scores
    if n <= fit.spent or meat <= 1e-24 * (fit.residual @ fit.residual):
        raise ValueError(
            "the clusters leave no freedom to judge the slope by: no interval can be computed"
        )
    return np.sqrt(meat * g / (g - 1) * (n - 1) / (n - fit.spent)), g - 1


def _cr2(fit: _Fit) -> tuple[float, float]:
    """CR2 and its Bell-McCaffrey degrees of freedom, for working errors that are independent and
    alike.

    With orthonormal columns the hat matrix of a cluster is Q_g Q_g', and (I - Q_g Q_g')^(-1/2) Q_g
    = Q_g T_g where T_g has the eigenvectors of the k x k matrix Q_g' Q_g: rows enter in sums only.
    """
    q, e = fit.q, fit.residual
    inner = np.stack(
        [fit.by_cluster(q * column[:, None]) for column in q.T], axis=1
    )  # Q_g' Q_g: (G, k, k)
    values, vectors = np.linalg.eigh(inner)
    free = values < 1 - 1e-10
    root = np.where(free, 1 - values, 1.0) ** -0.5 * free
    onto = vectors[:, -1, :]  # the last unit vector in each cluster's eigenvectors
    adjusted = np.einsum("gij,gj->gi", vectors, root * onto)  # T_g's last column
    scores = (adjusted * fit.by_cluster(q * e[:, None])).sum(axis=1)
    spread = np.einsum("gij,gj->gi", vectors, values * root * onto)
    expected = -spread @ spread.T  # of the products of two clusters' scores
    np.fill_diagonal(expected, (values * free * onto**2).sum(axis=1))
    # the trace is 1 unless part of what is left of x sits in clusters that fit themselves, with no
    # error to see
    if np.trace(expected) < 1 - 1e-6 or scores @ scores <= 1e-24 * (e @ e):
        raise ValueError("a cluster alone decides the slope: no interval can be computed")
    return np.sqrt(scores @ scores), np.trace(expected) ** 2 / (expected**2).sum()


# --- the wild cluster restricted bootstrap


def _wild(
    fit: _Fit, level: float, *, draws: int = DRAWS, seed: int = SEED
) -> tuple[tuple[float, float], float]:
    """Interval and p-value for no difference: at each tested value the residuals of its own
    restricted fit.

    With d standard errors between estimate and tested value, these are e + d q. A sample that
    multiplies clusters by w has the score (e + d q)'w and cluster scores linear in w and in d, so a
    draw is two numbers and a quadratic.
    """
    unit = np.sqrt((fit.by_cluster(fit.q[:, -1] * fit.residual) ** 2).sum())
    at_zero, per_unit = _linear(fit, fit.residual / unit), _linear(fit, fit.q[:, -1])
    order = np.lexsort(
        (np.abs(at_zero[0]), np.round(per_unit[0], 9))
    )  # labels and row order must not matter
    weights = _webb(len(order), draws, seed)[np.argsort(order)]
    (n0, s0), (n1, s1) = ((c @ weights, (np.diag(c) - h) @ weights) for c, h in (at_zero, per_unit))
    a, b, c = (1 - 1e-10) * np.stack(
        [(s0 * s0).sum(0), 2 * (s0 * s1).sum(0), (s1 * s1).sum(0)]
    )  # so that ties count
    b, c = np.where(
        c > 1e-20, (b, c), 0
    )  # rounding must not grow with d where x drops out of the sample's residuals
    beyond = np.stack(
        [n0**2, 2 * n0 * n1, n1**2 - a, -b, -c]
    )  # |t*| >= |t|, without dividing, in powers of d

    def p(d: float) -> float:
        return np.count_nonzero(d ** np.arange(5) @ beyond >= 0) / beyond.shape[1]

    below, above = (_reach(lambda d, side=side: p(side * d), 1 - level) for side in (1, -1))
    low, high = ((fit.score - below * unit) / fit.length, (fit.score + above * unit) / fit.length)
    return (float(low), float(high)), p(fit.score / unit)


def _linear(fit: _Fit, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """c and H: multiplying the clusters of `u` by w gives the score c'w and the cluster scores
    (diag(c) - H) w.
    """
    q, g = fit.q[:, -1], fit.n_clusters
    products = fit.by_cluster(fit.q * u[:, None])
    hat = fit.by_cluster(fit.q * q[:, None]) @ products.T
    size = np.bincount(fit.group)
    if len(size) > 1:  # the sample's group means: zero where a group is inside one cluster
        cell = fit.group * g + fit.cluster
        of_q, of_u = (_sums(part, cell, len(size) * g).reshape(-1, g) for part in (q, u))
        hat = hat + of_q.T @ (of_u / size[:, None])
    return products[:, -1], hat


def _webb(g: int, draws: int, seed: int) -> np.ndarray:
    """Weights (g, draws); all 6^g patterns where these are not more."""
    if 6**g <= draws:
        return WEBB[np.indices((6,) * g).reshape(g, -1)]
    return WEBB[np.random.default_rng(seed).integers(6, size=(g, draws), dtype=np.uint8)]


def _reach(p: Callable[[float], float], alpha: float) -> float:
    """How far from the estimate the test first rejects, by bisection of a step function; infinite
    if it does not.
    """
    inside, outside = 0.0, 1.0
    while p(outside) > alpha:
        inside, outside = outside, 2 * outside
        if outside > FARTHEST:
            return np.inf
    while outside - inside > 1e-6 * outside:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if p(middle) > alpha else (inside, middle)
    return outside


# --- columns and codes


def _numbers(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} has gaps or infinite values: leave these rows out first")
    return values


def _codes(labels: np.ndarray, n: int, name: str) -> np.ndarray:
    codes, _ = pd.factorize(np.asarray(labels))
    if len(codes) != n:
        raise ValueError(
            f"{name} must have one label for each of the {n} rows, but got {len(codes)}"
        )
    if (codes < 0).any():
        raise ValueError(f"{name} has gaps: leave these rows out first")
    return codes


def _lengths(values: np.ndarray) -> np.ndarray:
    return np.sqrt((values * values).sum(axis=0))


def _sums(values: np.ndarray, codes: np.ndarray, n_codes: int) -> np.ndarray:
    if values.ndim == 1:
        return np.bincount(codes, values, n_codes)
    return np.column_stack([np.bincount(codes, column, n_codes) for column in values.T])


def _demeaned(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    if len(values) == 0:
        return values
    values = values - values.mean(axis=0)  # first of all, so that a large level costs no digits
    size = np.bincount(codes)
    if len(size) == 1:
        return values
    means = _sums(values, codes, len(size)).T / size
    return values - means.T[codes]

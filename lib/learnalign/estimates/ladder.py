"""The ladder of standard errors for a linear slope: the fewer the clusters, the more care.

With many clusters the usual cluster-robust error is good enough. With few it is too small, most of
all when the exposure is a leader's; CR2 corrects its bias and Bell-McCaffrey degrees of freedom say
how far to trust it. Below 20 clusters a second interval, made by another idea, stands beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from learnalign.estimates import limits
from learnalign.estimates.columns import codes, demeaned, lengths, moves_of, numbers, sums
from learnalign.verdicts.result import FEW_CLUSTERS, Design, Fit

RUNGS = {
    "CR1": "errors with the factor G/(G - 1) x (n - 1)/(n - k), t with G - 1 degrees of freedom",
    "CR2": "bias-reduced errors, t with Bell-McCaffrey (Satterthwaite) degrees of freedom",
}
"""CR1 from MANY_CLUSTERS on, CR2 below; below FEW_CLUSTERS also the wild bootstrap."""

MANY_CLUSTERS = 50
MOST_CLUSTERS = 2_000  # CR2 needs so many squared; with more, hardly any one of them can rule
WEBB = np.sqrt([0.5, 1.0, 1.5] * 2) * np.repeat([-1, 1], 3)  # with two points few samples differ
DRAWS, SEED = 9_999, 20_010
SAME = 1e-9  # left of a column, against its spread: below this it is nothing but rounding
ROUNDING = 1e-13  # the same against its level
FARTHEST = 1e6  # standard errors: an interval still open there is called unbounded
NONE = "no interval can be computed"


@dataclass(frozen=True)
class Slope:
    """One slope with its interval, in `y` per unit of `x`, and what it stands on."""

    estimate: float
    std_error: float
    df: float
    low: float
    high: float
    level: float
    n_rows: int  # rows that tell something: those alone in their group are left out
    n_clusters: int
    rung: str = ""  # a key of RUNGS
    second: tuple[float, float] | None = None  # below 20 clusters; ends may be infinite
    p_second: float | None = None  # its p-value for no difference
    ratio: bool = False  # `std_error` and `scores` are of the logarithm
    # by how much each row given moves it, and per unit of the row's `y`
    scores: np.ndarray | None = field(default=None, repr=False, compare=False)
    weights: np.ndarray | None = field(default=None, repr=False, compare=False)
    clusters: np.ndarray | None = field(default=None, repr=False, compare=False)  # of rows given

    @classmethod
    def of(
        cls,
        estimate: float,
        error: float,
        df: float,
        level: float,
        n_rows: int,
        n_clusters: int,
        *,
        ratio: bool = False,
        **also: Any,
    ) -> "Slope":
        """A slope with its t interval; for a `ratio`, of its logarithm."""
        ends = interval(estimate, error, df, level)
        if ratio:
            estimate, *ends = np.exp([estimate, *ends])
        numbers = map(float, (estimate, error, df, *ends))
        return cls(*numbers, level, n_rows, n_clusters, ratio=ratio, **also)

    def fit(
        self, person: Any, smaller: int | None, method: str, by: str, design: Design = "adjusted"
    ) -> Fit:
        """The slope as the record that is judged: whose its rows are, how made, clustered `by`."""
        moves = moves_of(self.scores, person, self.clusters, self.weights)
        return Fit(
            **{name: getattr(self, name) for name in _SHARED},
            **moves,
            n_people=len(moves["influence"]),
            n_people_smaller=smaller,
            method=f"{method}, {self.rung or 'clustered'} by {by}",
            design=design,
            cluster=by,
        )


_SHARED = [one.name for one in fields(Slope) if one.name in Fit.__annotations__]


@dataclass(frozen=True)
class _Fitted:
    """Least squares with groups swept out; `q` has orthonormal columns, what is left of x last."""

    q: np.ndarray
    length: float  # of what is left of x
    score: float  # the estimate times `length`
    residual: np.ndarray
    cluster: np.ndarray  # codes 0 .. n_clusters - 1
    group: np.ndarray
    spent: int  # degrees of freedom in CR1's factor
    kept: np.ndarray  # which of the rows given are here

    @property
    def n_clusters(self) -> int:
        return int(self.cluster.max()) + 1

    def by_cluster(self, values: np.ndarray) -> np.ndarray:
        """Sums of the columns of `values` (n,) or (n, k) over each cluster: (G,) or (G, k)."""
        return sums(values, self.cluster, self.n_clusters)


# --- the two doors: columns of a frame, or plain arrays


def fixed_effects(
    frame: pd.DataFrame,
    outcome: str,
    exposure: str,
    *,
    controls: Sequence[str] = (),
    absorb: str = "",
    cluster: str,
    person: str = "person_id",
    level: float = 0.95,
    method: str = "least squares",
    design: Design = "adjusted",
    clustered_by: str = "",
    smaller: int | None = None,
) -> Fit | None:
    """The coefficient of the column `exposure` by least squares, as a record of a contrast.

    `absorb` names the column whose levels are held equal, `clustered_by` what the clusters are,
    `smaller` the people in the smaller of two compared groups. The interval is `slope`'s. Rows with
    a gap in any of the columns are left out. None where `slope` raises.

    Misleads when what moves both exposure and outcome is neither absorbed nor a control.

    >>> frame = pd.DataFrame({"y": [1, 2, 3, 5, 2, 4.0], "x": [0, 1] * 3, "team": list("aabbcc")})
    >>> fit = fixed_effects(frame, "y", "x", absorb="team", cluster="team", person="team")
    >>> round(fit.estimate, 3), fit.method
    (1.667, 'least squares, CR2 by team')
    """
    names = {outcome, exposure, *controls, cluster, person, *([absorb] if absorb else [])}
    frame = frame[list(names)].dropna()
    try:
        found = slope(
            frame[outcome].to_numpy(float),
            frame[exposure].to_numpy(float),
            frame[cluster].to_numpy(),
            controls=frame[list(controls)].to_numpy(float) if controls else None,
            groups=frame[absorb].to_numpy() if absorb else None,
            level=level,
        )
    except ValueError:
        return None
    return found.fit(frame[person], smaller, method, clustered_by or cluster, design)


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
    """The difference in `y` per unit of `x` (n,), `controls` (n, k) and `groups` held equal.

    By least squares; without `groups` an intercept is fitted. The interval is for errors that may
    be alike, in any way, within `clusters`: CR1 with t(G - 1) from 50 clusters on, as pyfixest's;
    CR2 with Bell-McCaffrey degrees of freedom below, and where fewer than 20 of many hold the
    comparison (Pustejovsky and Tipton 2018), unless `rung` names one of RUNGS. Below 20 clusters
    also that of the wild cluster restricted bootstrap with Webb weights (MacKinnon and Webb 2018),
    infinite where it cannot reject anything. Rows alone in their group tell nothing and are left
    out. CR1's factor counts groups only where one of them meets several clusters.

    Raises ValueError on gaps, with fewer than two clusters, when `x` or a control cannot be told
    from the other terms, when nothing of `y` is left, or when a cluster alone decides the slope.

    Misleads when fewer than four clusters have an exposure that does not vary within clusters, and
    when a group meets several clusters: give few such groups as 0/1 controls, as CR2 is then
    approximate.

    >>> y, x, team = np.array([1, 2, 3, 5, 2, 4.0]), np.array([0, 1] * 3), np.array(list("aabbcc"))
    >>> found = slope(y, x, clusters=team, groups=team)
    >>> round(found.estimate, 3), round(found.std_error, 3), round(found.df, 3), found.rung
    (1.667, 0.333, 2.0, 'CR2')
    """
    if rung is not None and rung not in RUNGS:
        raise ValueError(f"rung must be one of {', '.join(RUNGS)}, but got {rung!r}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, but got {level!r}")
    fit = _fit(y, x, clusters, controls, groups)
    rung = rung or ("CR2" if _needs_care(fit, np.asarray(clusters)[fit.kept]) else "CR1")
    error, df = _cr1(fit) if rung == "CR1" else _cr2(fit)
    few = fit.n_clusters < limits.farthest(FEW_CLUSTERS)
    second, p = _wild(fit, level) if few else (None, None)
    figures = fit.score / fit.length, error / fit.length, df, level
    size = len(fit.residual), fit.n_clusters
    about = {"rung": rung, "second": second, "p_second": p, "clusters": np.asarray(clusters)}
    return Slope.of(*figures, *size, **about, **_moves(fit))


def _moves(fit: _Fitted) -> dict[str, np.ndarray]:
    """What rows given move it by: nothing where alone in a group, or in deciding a term."""
    size = np.bincount(fit.group)
    free = 1 - (fit.q**2).sum(axis=1) - (1 / size[fit.group] if len(size) > 1 else 0)
    weights, moves = fit.q[:, -1] / fit.length, np.zeros((2, len(fit.kept)))
    moves[:, fit.kept] = weights * fit.residual * (free > SAME) / np.maximum(free, SAME), weights
    return dict(zip(("scores", "weights"), moves, strict=True))


def interval(estimate: float, error: float, df: float, level: float) -> tuple[float, float]:
    """The ends of an interval by the t distribution; with infinite `df` by the normal one."""
    half = float(stats.t.ppf(0.5 + level / 2, df) * error)
    return estimate - half, estimate + half


# --- least squares


def _fit(y, x, clusters, controls, groups) -> _Fitted:
    y, columns, cluster, group, kept = _rows(y, x, clusters, controls, groups)
    q, r = np.linalg.qr(demeaned(columns, group))
    _refuse_copies(columns, np.abs(np.diag(r)))
    length = r[-1, -1]
    q[:, -1] *= np.sign(length)
    n_groups = int(group.max()) + 1
    if n_groups == 1:  # an intercept: kept as a column, so that CR2 is exact
        q = np.column_stack([np.full(len(y), len(y) ** -0.5), q])
    home = np.zeros(n_groups, dtype=int)
    home[group] = cluster
    nested = (home[group] == cluster).all()
    left = demeaned(y, group)
    scores = q.T @ left
    residual = left - q @ scores
    _refuse_exact(y, left, residual)
    spent = columns.shape[1] + (1 if nested else n_groups)
    figures = float(np.abs(length)), float(scores[-1])
    return _Fitted(q, *figures, residual, cluster, group, spent, kept)


def _rows(y, x, clusters, controls, groups) -> tuple[np.ndarray, ...]:
    """y, the controls and x as columns, and codes. Rows alone in a group are not kept."""
    y, x = numbers(y, "y"), numbers(x, "x")
    held = [] if controls is None else [numbers(controls, "controls")]
    if y.ndim > 1 or x.ndim > 1 or any(len(column) != len(y) for column in (x, *held)):
        raise ValueError("y and x must be plain columns of one length, and the controls as long")
    columns = np.column_stack([*held, x])
    cluster = codes(clusters, len(y), "clusters")
    group = np.zeros(len(y), dtype=int) if groups is None else codes(groups, len(y), "groups")
    kept = np.bincount(group, minlength=1)[group] > 1
    if not kept.all():
        y, columns = y[kept], columns[kept]
        cluster, group = (pd.factorize(of[kept])[0] for of in (cluster, group))
    if len(y) == 0 or cluster.max() == 0:
        raise ValueError(f"fewer than two clusters with rows to compare: {NONE}")
    if len(y) <= columns.shape[1]:
        raise ValueError(f"there are as many terms as rows to compare: {NONE}")
    return y, columns, cluster, group, kept


def _refuse_copies(columns: np.ndarray, left: np.ndarray) -> None:
    spread, size = lengths(columns - columns.mean(axis=0)), lengths(columns)
    nothing = left <= np.maximum(SAME * spread, ROUNDING * size)
    if nothing[:-1].any():
        place = np.argmax(nothing) + 1
        raise ValueError(
            f"control {place} cannot be told from the groups and the controls before it"
        )
    if nothing[-1]:
        raise ValueError(
            "x cannot be told from the groups and the controls: nothing of it is left to compare"
        )


def _refuse_exact(y: np.ndarray, left: np.ndarray, residual: np.ndarray) -> None:
    rounding = ROUNDING * lengths(y)
    if lengths(left) <= max(rounding, 1e-12 * lengths(y - y.mean())):
        raise ValueError("y does not vary within the groups: there is nothing to explain")
    if lengths(residual) <= max(rounding, 1e-12 * lengths(left)):
        raise ValueError(f"x, the controls and the groups explain y without rest: {NONE}")


def _needs_care(fit: _Fitted, labels: np.ndarray) -> bool:
    """Few clusters, or many of which few hold nearly all of the comparison: CR1 is too sure."""
    weight = fit.by_cluster(fit.q[:, -1] ** 2)  # sums to 1
    if not limits.enough("clusters", labels, fit.n_clusters, MANY_CLUSTERS, by=limits.OF_MANAGERS):
        return True
    about = "even clusters", labels, 1 / (weight @ weight), FEW_CLUSTERS
    return fit.n_clusters <= MOST_CLUSTERS and not limits.enough(*about, by=limits.OF_MANAGERS)


# --- the rungs: the standard error of the score, and its degrees of freedom


def _cr1(fit: _Fitted) -> tuple[float, float]:
    g, n = fit.n_clusters, len(fit.residual)
    scores = fit.by_cluster(fit.q[:, -1] * fit.residual)
    meat = scores @ scores
    if n <= fit.spent or meat <= 1e-24 * (fit.residual @ fit.residual):
        raise ValueError(f"the clusters leave no freedom to judge the slope by: {NONE}")
    return np.sqrt(meat * g / (g - 1) * (n - 1) / (n - fit.spent)), g - 1


def _cr2(fit: _Fitted) -> tuple[float, float]:
    """CR2 and its Bell-McCaffrey degrees of freedom, for independent working errors, all alike.

    With orthonormal columns the hat matrix of a cluster is Q_g Q_g', and (I - Q_g Q_g')^(-1/2) Q_g
    = Q_g T_g where T_g has the eigenvectors of the k x k matrix Q_g' Q_g: rows enter in sums only.
    """
    q, e = fit.q, fit.residual
    inner = np.stack([fit.by_cluster(q * column[:, None]) for column in q.T], axis=1)  # Q_g' Q_g
    values, vectors = np.linalg.eigh(inner)
    free = values < 1 - 1e-10
    root = np.where(free, 1 - values, 1.0) ** -0.5 * free
    onto = vectors[:, -1, :]  # the last unit vector in each cluster's eigenvectors
    adjusted = np.einsum("gij,gj->gi", vectors, root * onto)  # T_g's last column
    scores = (adjusted * fit.by_cluster(q * e[:, None])).sum(axis=1)
    spread = np.einsum("gij,gj->gi", vectors, values * root * onto)
    expected = -spread @ spread.T  # of the products of two clusters' scores
    np.fill_diagonal(expected, (values * free * onto**2).sum(axis=1))
    # the trace is 1 unless part of what is left of x sits in clusters that fit themselves
    if np.trace(expected) < 1 - 1e-6 or scores @ scores <= 1e-24 * (e @ e):
        raise ValueError(f"a cluster alone decides the slope: {NONE}")
    return np.sqrt(scores @ scores), np.trace(expected) ** 2 / (expected**2).sum()


# --- the wild cluster restricted bootstrap


def _wild(
    fit: _Fitted, level: float, *, draws: int = DRAWS, seed: int = SEED
) -> tuple[tuple[float, float], float]:
    """Interval, and p-value for no difference; each tested value has residuals of its own.

    With d standard errors between estimate and tested value, these are e + d q. A sample that
    multiplies clusters by w has the score (e + d q)'w and cluster scores linear in w and in d, so a
    draw is two numbers and a quadratic.
    """
    unit = np.sqrt((fit.by_cluster(fit.q[:, -1] * fit.residual) ** 2).sum())
    at_zero, per_unit = _linear(fit, fit.residual / unit), _linear(fit, fit.q[:, -1])
    # by what clusters hold, so that labels and row order do not matter
    order = np.lexsort((np.abs(at_zero[0]), np.round(per_unit[0], 9)))
    weights = _webb(len(order), draws, seed)[np.argsort(order)]
    (n0, s0), (n1, s1) = ((c @ weights, (np.diag(c) - h) @ weights) for c, h in (at_zero, per_unit))
    squares = [(s0 * s0).sum(0), 2 * (s0 * s1).sum(0), (s1 * s1).sum(0)]
    a, b, c = (1 - 1e-10) * np.stack(squares)  # so that ties count
    # where x drops out of the sample's residuals, rounding must not grow with d
    b, c = np.where(c > 1e-20, (b, c), 0)
    # |t*| >= |t|, without dividing, in powers of d
    beyond = np.stack([n0**2, 2 * n0 * n1, n1**2 - a, -b, -c])

    def p(d: float) -> float:
        return np.count_nonzero(d ** np.arange(5) @ beyond >= 0) / beyond.shape[1]

    below, above = (_reach(lambda d, side=side: p(side * d), 1 - level) for side in (1, -1))
    low, high = ((fit.score - below * unit) / fit.length, (fit.score + above * unit) / fit.length)
    return (float(low), float(high)), p(fit.score / unit)


def _linear(fit: _Fitted, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """c and H: clusters of `u` times w have the score c'w and cluster scores (diag(c) - H) w."""
    q, g = fit.q[:, -1], fit.n_clusters
    products = fit.by_cluster(fit.q * u[:, None])
    hat = fit.by_cluster(fit.q * q[:, None]) @ products.T
    size = np.bincount(fit.group)
    if len(size) > 1:  # the sample's group means: zero where a group is inside one cluster
        cell = fit.group * g + fit.cluster
        of_q, of_u = (sums(part, cell, len(size) * g).reshape(-1, g) for part in (q, u))
        hat = hat + of_q.T @ (of_u / size[:, None])
    return products[:, -1], hat


def _webb(g: int, draws: int, seed: int) -> np.ndarray:
    """Weights (g, draws); all 6^g patterns where these are not more."""
    if 6**g <= draws:
        return WEBB[np.indices((6,) * g).reshape(g, -1)]
    return WEBB[np.random.default_rng(seed).integers(6, size=(g, draws), dtype=np.uint8)]


def _reach(p: Callable[[float], float], alpha: float) -> float:
    """How far from the estimate a step function first rejects, by bisection; infinite if never."""
    inside, outside = 0.0, 1.0
    while p(outside) > alpha:
        inside, outside = outside, 2 * outside
        if outside > FARTHEST:
            return np.inf
    while outside - inside > 1e-6 * outside:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if p(middle) > alpha else (inside, middle)
    return outside

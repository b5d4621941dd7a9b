"""Sensitivity: how wrong the assumptions would have to be to overturn a finding.

How strong something unseen would have to be (`times_as_strong`, the E-value), what the estimate
becomes when the noise in past ratings is taken out (`errors_in_variables`), and what those who left
could have changed (`trimmed_bounds`). None of them shows that there is nothing unseen.
"""

import numpy as np
import pandas as pd
from scipy import optimize

from learnalign.estimates import limits
from learnalign.estimates.columns import lengths, sums, unexplained, within
from learnalign.estimates.ladder import Slope
from learnalign.estimates.same_manager import Sample
from learnalign.verdicts.result import Fit

YARDSTICK = 0.01  # of the exposure's variance; a rating that goes with less of it measures nothing


def times_as_strong(
    estimate: float,
    std_error: float,
    df: float,
    benchmark_r2_exposure: float,
    benchmark_r2_outcome: float,
) -> float:
    """How many times a known factor's strength something unseen needs to erase the estimate.

    `benchmark_r2_exposure` is the known factor's partial R2 with the exposure given the other
    controls, `benchmark_r2_outcome` its partial R2 with the outcome given these and the exposure;
    `std_error` and `df` are those of least squares with it among the controls. The root of Cinelli
    & Hazlett's bound (2020, section 4.4); infinite where the factor explains nothing. ValueError
    for figures out of range.

    Misleads when the known factor is weak by nature: many times little is still little.

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
        """The bound less the estimate, for something that explains this much of the exposure."""
        left = 1 - explained * (1 - r2_x)
        known, others = explained * r2_x / left, (1 - explained) / left  # of the known factor
        strength = (np.sqrt(explained * most) + np.sqrt(known)) ** 2 / others
        with_outcome = min(1.0, strength * r2_y / (1 - r2_y))
        return float(np.sqrt(with_outcome * explained / (1 - explained)) - target)

    edge = 1 - 1e-12  # only an estimate a million standard errors from 0 still stands beyond it
    if surplus(edge) <= 0:
        return float(most)
    return float(optimize.brentq(surplus, 0.0, edge, xtol=1e-14) * most)


def strength_to_erase(sample: Sample, fit: Fit) -> float | None:
    """How strong, against last time's rating, something unseen must be to bring the estimate to 0.

    In units of what the last rating explains of exposure and outcome beyond all else that is held
    equal (Cinelli & Hazlett 2020, section 4.4); None where no past rating is held, or where it
    hardly goes with the exposure: then anything unseen would seem to need many times its strength.
    """
    if not sample.priors:
        return None
    rows, cell = sample.rows, sample.rows.rater_cycle.to_numpy()
    held = [name for name in sample.controls() if name != "prior_1"]
    columns = within(rows[["outcome", "exposure", "prior_1", *held]].to_numpy(float), cell)
    y, x, prior = (unexplained(columns[:, i], columns[:, 3:]) for i in range(3))
    with_exposure, sizes = _share(x, prior), (x @ x, prior @ prior)
    over = 2 * (x @ prior) * x * prior - YARDSTICK * (sizes[1] * x**2 + sizes[0] * prior**2)
    if not limits.sums("yardstick", rows.person_id, pd.Series(over, rows.index)):
        return None
    with_outcome = _share(unexplained(y, x[:, None]), unexplained(prior, x[:, None]))
    df = len(rows) - rows.rater_cycle.nunique() - len(held) - 2
    y, x = unexplained(y, prior[:, None]), unexplained(x, prior[:, None])
    error = np.sqrt(((y - fit.estimate * x) ** 2).sum() / df / (x @ x))
    return float(times_as_strong(fit.estimate, error, df, with_exposure, with_outcome))


def _share(one: np.ndarray, other: np.ndarray) -> float:
    """The squared correlation of two centred columns."""
    size = (one @ one) * (other @ other)
    return float((one @ other) ** 2 / size) if size > 0 else 0.0


def e_value(ratio: float) -> float:
    """How strongly something unseen must go with both, as risk ratios, to make a risk ratio 1.

    For a hazard or odds ratio only where the outcome is rare. Below 1 the ratio is turned round.
    Raises ValueError unless positive. VanderWeele & Ding (2017), Annals of Internal Medicine 167.

    Misleads when read as the chance of confounding: it says what would be needed, not what there
    is.

    >>> round(e_value(3.9), 2), round(e_value(0.8), 2)
    (7.26, 1.81)
    """
    if not (ratio > 0 and np.isfinite(ratio)):
        raise ValueError("a positive ratio is needed")
    ratio = max(ratio, 1 / ratio)
    return float(ratio + np.sqrt(ratio * (ratio - 1)))


def trimmed_bounds(with_it: np.ndarray, without: np.ndarray, ratio: float) -> tuple[float, float]:
    """Lowest and highest difference in means that leaving at unequal rates allows (Lee 2009).

    Outcomes (n,) and (m,) of those who stayed, and the `ratio` of the groups' retention, first by
    second. Of the group that kept more the excess is cut off at the top, or at the bottom: the
    worst cases. Without sampling error, for those who would stay either way.

    Misleads when exposure makes some people leave and others stay: it must push everybody one way.

    >>> trimmed_bounds(np.array([1, 2, 3, 4.0]), np.array([1, 2, 3.0]), 4 / 3)
    (0.0, 1.0)
    """
    if ratio < 1:
        low, high = trimmed_bounds(without, with_it, 1 / ratio)
        return -high, -low
    low, high = _lowest(with_it, 1 / ratio), -_lowest(-with_it, 1 / ratio)
    return low - float(without.mean()), high - float(without.mean())


def _lowest(values: np.ndarray, share: float) -> float:
    """Mean of the lowest share of the values; the one on the edge counts in part."""
    weight = np.clip(share * len(values) - np.arange(len(values)), 0, 1)
    return float(weight @ np.sort(values) / weight.sum())


def reliability(
    prior_1: np.ndarray, prior_2: np.ndarray, groups: np.ndarray | None = None
) -> float:
    """The share of a rating's variance that lasts: how two ratings of a person correlate.

    Two arrays (n,), less the means of `groups` (n,). May be negative; the caller decides what is
    usable. Raises ValueError when a rating does not vary.

    Misleads when what people can do changes between the ratings (too low), or one rater's liking
    colours both (too high).

    >>> round(reliability(np.array([1, 2, 3, 4]), np.array([2, 1, 4, 3])), 2)
    0.6
    """
    one, two = (_inside(values, groups) for values in (prior_1, prior_2))
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
    1) r), and the rest of its variance is taken out of the normal equations (Fuller 1987, section
    2.2; METHODS 6c). Their sandwich, summed within `clusters`, with t(G - 1). Raises ValueError on
    gaps, when the reliability is not in (0, 1], or too low for what `x` explains of the ratings.

    Misleads when the reliability is wrong (its own uncertainty is not in the interval), when the
    noise of the ratings moves the exposure, or when it lasts (a rater's standing liking).

    >>> rng = np.random.default_rng(1)
    >>> ability = rng.normal(size=4_000)
    >>> priors = ability[:, None] + rng.normal(size=(4_000, 2))
    >>> x = (ability + rng.normal(size=4_000) < 0) * 1.0
    >>> y, people = ability + 0.5 * x, np.arange(4_000)
    >>> round(errors_in_variables(y, x, priors, 0.5, clusters=people).estimate, 2)
    0.51
    """
    if not 0 < reliability <= 1:
        raise ValueError("the reliability of a rating must be above 0, and not above 1")
    priors = np.asarray(priors, float).reshape(len(y), -1)
    k = priors.shape[1]
    noise = 1 - k * reliability / (1 + (k - 1) * reliability)
    held = np.empty((len(y), 0)) if controls is None else np.reshape(controls, (len(y), -1))
    z = _inside(np.column_stack([x, priors.mean(axis=1), held]), groups)
    left, size = unexplained(z[:, 1], np.delete(z, 1, axis=1)), z[:, 1] @ z[:, 1]
    if left @ left - noise * size < 1e-9 * size:
        raise ValueError(
            "with so low a reliability, nothing would be left of the ratings beyond the other terms"
        )
    cluster = np.unique(np.asarray(clusters), return_inverse=True)[1]
    (n, k), g = z.shape, int(cluster.max(initial=-1)) + 1
    if g < 2 or n <= k + 1:
        raise ValueError("at least two clusters, and more rows than terms, are needed")
    estimate, scores = _solved(_inside(y, groups), z, noise)
    error = lengths(sums(scores, cluster, g)) * np.sqrt(g / (g - 1) * (n - 1) / (n - k - 1))
    about = {"rung": "CR1", "scores": scores, "clusters": cluster}
    return Slope.of(estimate, error, g - 1, level, n, g, **about)


def _solved(y: np.ndarray, z: np.ndarray, noise: float) -> tuple[float, np.ndarray]:
    """The root for column 0, `noise` of column 1's moment taken out, and the rows' scores."""
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
    return float(beta[0]), rows @ bread[0]


def _inside(values: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    return within(values, np.zeros(len(values), dtype=int) if groups is None else groups)

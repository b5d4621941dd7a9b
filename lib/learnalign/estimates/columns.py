"""Columns: what members of one group differ in, and what one column says beyond others."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import linalg, sparse
from scipy.sparse.linalg import lsmr

MANY_LEVELS = 2_000  # a square of so many is solved in a fifth of a second


def within(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """`values` (n,) or (n, k) less the means of their `groups` (n,): what members differ in.

    Raises ValueError when either has gaps. Misleads when most groups have one member: these become
    exact zeros.

    >>> within(np.array([1.0, 3.0, 10.0, 30.0]), np.array(["a", "a", "b", "b"])).tolist()
    [-1.0, 1.0, -10.0, 10.0]
    """
    values = numbers(values, "values")
    return demeaned(values, codes(groups, len(values), "groups"))


def absorbed(values: np.ndarray, groups: pd.DataFrame) -> np.ndarray:
    """Columns without the means of several groupings, by least squares on their dummies.

    The first grouping's means are taken out of all else (Frisch and Waugh); what is left is solved
    at once where the others have few levels, and step by step where they have many.
    """
    first, others = dummies(groups.iloc[:, :1]), dummies(groups.iloc[:, 1:])
    if others.shape[1] > MANY_LEVELS:
        scaled, exact = dummies(groups), {"atol": 1e-9, "btol": 1e-9, "maxiter": 10_000}
        fitted = [scaled @ lsmr(scaled, column, **exact)[0] for column in values.T]
        return values - np.column_stack(fitted)
    shared = first.T @ others
    left = (others.T @ others - shared.T @ shared).toarray()
    left[np.diag_indices_from(left)] += 1e-12  # levels that others imply: any of them will do
    inside = values - first @ (first.T @ values)
    fitted = others @ linalg.solve(left, others.T @ inside, assume_a="pos")
    return inside - (fitted - first @ (first.T @ fitted))


def dummies(groups: pd.DataFrame) -> sparse.csr_array:
    """The levels of several groupings, a column each, scaled so that what solves for them converges
    sooner.
    """
    row = np.arange(len(groups))
    codes = [pd.factorize(groups[name])[0] for name in groups]
    marks = [sparse.csr_array((np.ones(len(row)), (row, code))) for code in codes]
    levels = sparse.hstack(marks).tocsr()
    return levels @ sparse.diags_array(1 / np.sqrt(levels.sum(axis=0)))


def unexplained(target: np.ndarray, held: np.ndarray) -> np.ndarray:
    """What the columns of `held`, by least squares, leave over of `target` (n,) or (n, k).

    No intercept is fitted: means must already be taken out of both (`within`).
    """
    return target - held @ np.linalg.lstsq(held, target, rcond=None)[0] if held.size else target


def independent(rows: pd.DataFrame, columns: Sequence[str], groups: str) -> list[str]:
    """Those of `columns`, first come first kept, that say something new within `groups`."""
    if not columns or rows.empty:
        return []
    values = rows[list(columns)].to_numpy(float)
    inside, size = within(values, rows[groups].to_numpy()), lengths(values) + 1e-300
    if _plainly_apart(inside, size):
        return list(columns)
    kept: list[str] = []
    basis = np.empty((len(columns), len(rows)))
    for place, name in enumerate(columns):
        rest, before = inside[:, place], basis[: len(kept)]
        for _ in range(2):  # twice is enough
            rest = rest - (before @ rest) @ before
        length = np.sqrt(rest @ rest)
        if length > 1e-7 * size[place]:
            basis[len(kept)] = rest / length
            kept.append(name)
    return kept


def _plainly_apart(inside: np.ndarray, size: np.ndarray) -> bool:
    """Whether each column says so much of its own that rounding cannot matter: by the pivots of
    their products, which are its squares and the quickest to have.
    """
    try:
        own = np.diag(np.linalg.cholesky(inside.T @ inside))
    except np.linalg.LinAlgError:
        return False
    return bool((own > 1e-3 * size).all())


def numbers(values: np.ndarray, name: str) -> np.ndarray:
    """`values` as numbers; ValueError, with the name of the column, on gaps."""
    values = np.asarray(values, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} has gaps or infinite values: leave these rows out first")
    return values


def codes(labels: np.ndarray, n: int, name: str) -> np.ndarray:
    """Labels of any kind as numbers from 0; ValueError on gaps, or where they are not `n`."""
    found, _ = pd.factorize(np.asarray(labels))
    if len(found) != n:
        raise ValueError(
            f"{name} must have one label for each of the {n} rows, but got {len(found)}"
        )
    if (found < 0).any():
        raise ValueError(f"{name} has gaps: leave these rows out first")
    return found


def lengths(values: np.ndarray) -> np.ndarray:
    """The Euclidean length of each column."""
    return np.sqrt((values * values).sum(axis=0))


def sums(values: np.ndarray, codes: np.ndarray, n_codes: int) -> np.ndarray:
    """Sums of `values` (n,) or (n, k) over the rows of each code."""
    if values.ndim == 1:
        return np.bincount(codes, values, n_codes)
    return np.column_stack([np.bincount(codes, column, n_codes) for column in values.T])


def by_person(scores: ArrayLike, person: ArrayLike) -> pd.Series:
    """What rows move a figure by, added up for each person: a fit's `influence`."""
    who, people = pd.factorize(pd.Series(person))
    known, scores = who >= 0, np.asarray(scores, float)
    return pd.Series(np.bincount(who[known], scores[known]), people.rename("person_id"))


def moves_of(
    scores: ArrayLike, person: ArrayLike, clusters: ArrayLike | None, weights: ArrayLike | None
) -> dict[str, pd.Series | None]:
    """A fit's `influence` and `of_error`, by the names of its fields; the latter is None where no
    clusters are given, or nobody moves the figure.
    """
    influence, error = by_person(scores, person), None
    if clusters is not None and influence.any():
        error = of_error(scores, person, clusters, weights)
    return {"influence": influence, "of_error": error}


def of_error(
    scores: ArrayLike, person: ArrayLike, cluster: ArrayLike, weights: ArrayLike | None = None
) -> pd.Series:
    """What each person moves the logarithm of a standard error by: a fit's `of_error`.

    The error is the root of the sum of squares of the clusters' sums of `scores` (n,); without a
    person theirs are gone from these sums, as is their part of what all is divided by, the sum of
    squares of `weights` (n,). The figure itself is taken to stand.

    >>> of_error([1.0, 1.0, 2.0], ["ana", "ben", "cai"], ["x", "x", "y"]).round(3).to_dict()
    {'ana': 0.235, 'ben': 0.235, 'cai': 0.347}
    """
    (who, people), (where, _) = (pd.factorize(pd.Series(one)) for one in (person, cluster))
    many, scores = where.max() + 1, np.asarray(scores, float)
    pairs, row = np.unique(who * many + where, return_inverse=True)
    own, whole = np.bincount(row, scores), np.bincount(where, scores)
    moves = _without(own, whole, *np.divmod(pairs, many))
    if weights is not None:
        size = np.asarray(weights, float) ** 2
        moves = moves - np.bincount(who, size / size.sum())
    return pd.Series(moves, people.rename("person_id"))


def of_sums(own: pd.Series, whole: pd.Series) -> pd.Series:
    """The same from sums: `own` by person and cluster, `whole` by cluster."""
    who, people = pd.factorize(own.index.get_level_values(0))
    where = whole.index.get_indexer(own.index.get_level_values(1))
    moves = _without(own.to_numpy(), whole.to_numpy(), who, where)
    return pd.Series(moves, people.rename("person_id"))


def _without(own: np.ndarray, whole: np.ndarray, who: np.ndarray, where: np.ndarray) -> np.ndarray:
    """By how much the logarithm of the error is larger with each, of sums and their codes."""
    share = np.bincount(who, own * (2 * whole[where] - own)) / (whole @ whole)
    return -np.log1p(-np.minimum(share, 1 - 1e-6)) / 2


def demeaned(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """`within` on what is already numbers and codes."""
    if len(values) == 0:
        return values
    values = values - values.mean(axis=0)  # first of all, so that a large level costs no digits
    size = np.bincount(codes)
    if len(size) == 1:
        return values
    means = sums(values, codes, len(size)).T / size
    return values - means.T[codes]

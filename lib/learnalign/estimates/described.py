"""Described: a share or a mean of a group with its interval, as a record that claims nothing.

What is counted here is compared with nothing: `verdicts.describe` tells it, and privacy looks at
the people on both sides of a share before anybody else does.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from learnalign.estimates.ladder import Slope, fixed_effects, interval
from learnalign.privacy.rule import is_dominated
from learnalign.verdicts.result import Fit

OWNERS = ("person_id", "manager_id", "unit")
"""Whose a row is: what a figure is counted and clustered by."""


def raters(rows: pd.DataFrame) -> tuple[pd.Series, str]:
    """Each row's manager, and "manager"; or its unit, and "unit", where no manager is recorded.

    Where only some managers are recorded, the other rows have none: a unit among managers would
    count as one of them, and three of them are what privacy asks for. Misleads where those without
    a manager are of one kind, as heads are: they fall out.

    >>> raters(pd.DataFrame({"manager_id": ["mia", None], "unit": "ops"}))[0].fillna("-").tolist()
    ['mia', '-']
    """
    return (rows.unit, "unit") if rows.manager_id.isna().all() else (rows.manager_id, "manager")


def share(
    yes: ArrayLike,
    person: ArrayLike,
    cluster: ArrayLike,
    *,
    of: ArrayLike | None = None,
    by: str = "manager",
    level: float = 0.95,
) -> Fit | None:
    """The share of rows that are true, in percent; rows of one cluster may be alike.

    `yes` (n,) holds true, false, or a gap (left out); with `of` it holds how many of so many are
    true. `person` whose row it is; `cluster` the manager, or what `by` says. The interval is made
    on the logit scale with linearised errors and t(clusters - 1); at 0 and 100 % it is Clopper and
    Pearson's, as if every person were one row. `n_people_smaller` are those with a row on the rarer
    side. None where nothing is known or one cluster is left.

    Misleads where rows are not the unit that is meant: people with many rows count many times.

    >>> found = share([True, False, True, None], list("abca"), list("xxyy"))
    >>> round(found.estimate, 1), found.n_rows, found.n_people_smaller
    (66.7, 3, 1)
    >>> share([2, 0], list("ab"), list("xy"), of=[3, 1]).estimate
    50.0
    """
    values = pd.Series(yes, dtype="boolean" if of is None else "Float64")
    rows = _known(values, person, cluster, of)
    if rows is None:
        return None
    p, error, scores = _ratio(rows)
    people = [rows.person[side > 0].nunique() for side in (rows.value, rows.of - rows.value)]
    fit = _fit(rows, 100 * p, 100 * error, 100 * scores, level, "share", by, min(people))
    if 0 < p < 1:
        logit = special.logit(p), error / (p * (1 - p))
        low, high = special.expit(interval(*logit, fit.df, level)).tolist()
    else:
        reach = (0.5 - level / 2) ** (1 / fit.n_people)
        low, high = (0.0, 1 - reach) if p == 0 else (reach, 1.0)
    owned = rows.of.groupby(rows.person).sum()
    about = {"is_share": True, "is_dominated": of is not None and is_dominated(owned)}
    return replace(fit, low=100 * low, high=100 * high, **about)


def mean(
    values: ArrayLike,
    person: ArrayLike,
    cluster: ArrayLike,
    *,
    of: ArrayLike | None = None,
    by: str = "manager",
    level: float = 0.95,
) -> Fit | None:
    """The mean of the rows, with linearised errors and t(clusters - 1); gaps are left out.

    With `of` a row holds the sum of so many. None where nothing is known or one cluster is left.
    Misleads as `share` does, and where a few rows have most of the total.

    >>> found = mean([1.0, 2.0, 6.0, None], list("abca"), list("xxyy"))
    >>> found.estimate, found.n_people
    (3.0, 3)
    """
    rows = _known(pd.to_numeric(pd.Series(values)), person, cluster, of)
    if rows is None:
        return None
    fit = _fit(rows, *_ratio(rows), level, "mean", by, None)
    return replace(fit, is_dominated=is_dominated(rows.value.groupby(rows.person).sum()))


def share_difference(rows: pd.DataFrame, sides: str, **about: Any) -> Fit | None:
    """How much more often `yes` is true where the column `sides` is, in percentage points.

    `about` is what `ladder.fixed_effects` takes; clusters are the column `cluster`. None where
    there is nobody to compare with, and where all did so, or nobody: no interval exists. Misleads
    where the sides differ in what is not held equal.
    """
    rows = rows.assign(percent=100.0 * rows.yes.astype(float), **{sides: rows[sides].astype(float)})
    smaller = rows.groupby(sides).person_id.nunique().min() if len(rows) else 0
    about |= {"cluster": "cluster", "smaller": int(smaller)}
    return fixed_effects(rows, "percent", sides, **about)


def _known(
    values: pd.Series, person: ArrayLike, cluster: ArrayLike, of: ArrayLike | None
) -> pd.DataFrame | None:
    number = values.astype("Float64").to_numpy(float, na_value=np.nan)
    counted = np.ones(len(number)) if of is None else np.asarray(of, float)
    names = {"person": np.asarray(person, object), "cluster": np.asarray(cluster, object)}
    rows = pd.DataFrame({"value": number, "of": counted} | names).dropna()
    rows = rows[rows.of > 0]
    return rows if rows.cluster.nunique() > 1 else None


def _ratio(rows: pd.DataFrame) -> tuple[float, float, pd.Series]:
    """The sum of values over the sum of what they are of, its linearised error by cluster, and what
    each row moves it by.
    """
    middle = rows.value.sum() / rows.of.sum()
    moves = rows.value - middle * rows.of
    scores = moves.groupby(rows.cluster).sum()
    error = np.sqrt(len(scores) / (len(scores) - 1) * (scores @ scores)) / rows.of.sum()
    return float(middle), float(error), moves / rows.of.sum()


def _fit(
    rows: pd.DataFrame,
    estimate: float,
    error: float,
    scores: pd.Series,
    level: float,
    what: str,
    by: str,
    smaller: int | None,
) -> Fit:
    clusters, size = rows.cluster.nunique(), int(rows.of.sum())
    about = {"scores": scores, "clusters": rows.cluster, "weights": rows.of**0.5}
    found = Slope.of(estimate, error, clusters - 1, level, size, clusters, **about)
    return found.fit(rows.person, smaller, what, by, "described")

"""The scale: which of its ends is good, where pay or the cycle before says that it is the other."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from learnalign.data.contract import Meta
from learnalign.data.mistakes import Problem

LEAST = -0.2  # correlation with pay: weaker ones have many reasons
CHANCE = 3.0  # standard errors: one in 700 cycles by chance


def problems(person_cycles: pd.DataFrame, meta: Meta) -> tuple[Problem, ...]:
    """Cycles whose ratings seem to run the other way: higher ratings go with less merit within a
    grade, where nobody said which end is `best`; or with lower ratings of the same people in their
    cycle before.

    By rank correlations that chance hardly makes: a few people prove nothing. Misleads where merit
    makes up for low ratings, which `best` then tells apart.

    >>> rows = pd.DataFrame({"cycle": "2025", "grade": "a", "rating": [1.0, 2, 3, 4, 5] * 20})
    >>> rows = rows.assign(merit_target_pct=5 - rows.rating, merit_pct=None, rating_prior_1=None)
    >>> meta = Meta(title="x", as_of="2025-12-31", rating_scale=[1, 2, 3, 4, 5])
    >>> [one.column for one in problems(rows, meta)]
    ['rating']
    """
    return tuple(_problems(person_cycles, meta))


def _problems(rows: pd.DataFrame, meta: Meta) -> Iterator[Problem]:
    columns = ("rating", "merit_target_pct", "merit_pct", "rating_prior_1")
    numbers = {name: pd.to_numeric(rows[name]).astype(float) for name in columns}
    rows = rows[["cycle", "grade"]].assign(**numbers)  # a frame of all columns is slow to split
    pay = "merit_target_pct" if rows.merit_target_pct.notna().any() else "merit_pct"
    for cycle, own in rows.groupby("cycle"):
        if meta.best is None and _opposite(own.rating, own[pay], own.grade.fillna("?"), LEAST):
            yield Problem.of("other_way", "reviews", "rating", cycle=cycle, than="merit is lower")
        elif _opposite(own.rating, own.rating_prior_1, pd.Series(0, own.index), 0.0):
            than = "the same people were rated lower in their cycle before"
            yield Problem.of("other_way", "reviews", "rating", cycle=cycle, than=than)


def _opposite(one: pd.Series, other: pd.Series, group: pd.Series, least: float) -> bool:
    """Whether the ranks of two columns go against each other within groups, beyond chance."""
    known = one.notna() & other.notna()
    ranks = [column[known].groupby(group[known]).rank() for column in (one, other)]
    one, other = (rank - rank.groupby(group[known]).transform("mean") for rank in ranks)
    size = np.sqrt((one @ one) * (other @ other))
    r, free = float(one @ other / size) if size > 0 else 0.0, known.sum() - group[known].nunique()
    return r < least and r * np.sqrt(max(free - 1, 0)) < -CHANCE

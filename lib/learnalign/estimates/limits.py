"""Limits: whether there are enough of something for it to be told at all, by moved counts.

At a limit one person decides, under every key, whether a figure, a note or a reason is there: so a
count is moved before it is judged (`Gate.reaches`), by six times what one person moves, and more
where all noise is. What cannot be told of fewer (`is_floor`) is never told of them, and of as few
as that hardly ever: its step lies `BEYOND` deviations higher, of half the size. Who counts stands
deep in an estimate: the gate of the study at work is found beside the call (`studies.AT_WORK`).
Without one, or without draws, counts are judged as they are.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from learnalign.privacy import noise
from learnalign.privacy.gate import OF_A_UNIT, OTHER
from learnalign.studies import AT_WORK
from learnalign.verdicts.result import TOO_FEW_CLUSTERS, Fit

OF_MANAGERS, OF_LIMITS = noise.OF_PEOPLE / 2, 2 * noise.OF_PEOPLE
BEYOND, FAR = 2.0, 5.0  # deviations


def is_moved() -> bool:
    """Whether counts are moved here."""
    door = AT_WORK.get()
    return door is not None and door.draws is not None


def enough(
    what: str,
    ids: ArrayLike,
    count: float,
    least: float,
    *,
    each: float = 1.0,
    is_floor: bool = False,
    by: float | None = None,
) -> bool:
    """Whether a count reaches so many, of which each of the people moves `each` at most; its noise
    has a deviation of `by` times as much, six or at a floor three.

    >>> enough("rows", ["ana", "ben"], 2, 2), enough("rows", ["ana", "ben"], 2, 3)
    (True, False)
    """
    if not is_moved() or (is_floor and count < least):
        return count >= least
    by = _more(by or (noise.OF_PEOPLE if is_floor else OF_LIMITS))
    each = max(float(each), 1e-12)
    far = (count - least) / each - BEYOND * by * is_floor
    if abs(far) > FAR * by:
        return far > 0
    who = pd.Index(ids).unique().map(str)  # managers are numbers where they are compared
    return AT_WORK.get().reaches(f"enough: {what}", who, far, 0.0, by)


def _more(by: float) -> float:
    """As all noise is: more where all that is told needs it, and twice as much of a unit."""
    draws = AT_WORK.get().draws
    return by * draws.factor * (OF_A_UNIT / OTHER if draws.is_unit else 1.0)


def people(what: str, ids: ArrayLike, least: float, *, is_floor: bool = False) -> bool:
    """Whether there are so many people."""
    return enough(what, ids, pd.Series(ids).nunique(), least, is_floor=is_floor)


def somebody(what: str, ids: ArrayLike) -> bool:
    """Whether there is anybody; a few are told as nobody."""
    return people(what, ids, 1, is_floor=True)


def both(what: str, ids: pd.Series, did: pd.Series) -> bool:
    """Whether there is somebody of whose rows (n,) one is so, and somebody of whose one is not."""
    own = ids.reindex(did.index)
    return all(somebody(what, own[side]) for side in (did, ~did))


def farthest(least: float) -> float:
    """So many managers are never fewer than `least` when they are told, moved."""
    return least + (FAR * noise.OF_MANAGERS if is_moved() else 0)


def rows(
    what: str, ids: pd.Series, least: float, count: float | None = None, *, is_floor: bool = False
) -> bool:
    """Whether people have so many rows (n,), or of them so many are left to count."""
    count = len(ids) if count is None else count
    return enough(what, ids, count, least, each=_most(ids), is_floor=is_floor)


def share(what: str, ids: pd.Series, yes: pd.Series, least: float) -> bool:
    """Whether such a share of rows (n,) is so."""
    over = yes.sum() - least * len(yes) + 1e-9  # a third of three is one
    return enough(what, ids, over, 0.0, each=_most(ids) * max(least, 1 - least))


def sums(what: str, ids: pd.Series, over: pd.Series) -> bool:
    """Whether the sum of rows (n,) is 0 or more."""
    each = noise.spread(0.0, over.groupby(ids).sum()) / noise.OF_PEOPLE
    return enough(what, ids, over.sum(), -1e-9, each=each)


def positive(what: str, fit: Fit) -> bool:
    """Whether an interval ends above 0."""
    each = noise.spread(0.0, fit.influence) / noise.OF_PEOPLE
    return enough(what, fit.influence.index, fit.low, 1e-12, each=each, is_floor=True)


def kinds(what: str, ids: pd.Series, of: pd.Series, least: float) -> bool:
    """Whether rows (n,) are of so many kinds."""
    return enough(what, ids, of.nunique(), least, by=OF_MANAGERS)


def managers(ids: pd.Series, raters: pd.Series) -> bool:
    """Whether rows (n,) are of more managers than cannot carry an interval: those of one or two
    people are there by any of them, the others whoever leaves.
    """
    many = raters.nunique()
    if not is_moved():
        return many > TOO_FEW_CLUSTERS
    size = ids.groupby(raters).nunique()
    if (size > 2).sum() > TOO_FEW_CLUSTERS:
        return True
    alone = ids[raters.isin(size.index[size <= 2])]
    return enough("managers", alone, many, TOO_FEW_CLUSTERS + 1, by=OF_MANAGERS, is_floor=True)


def leading(what: str, leaders: pd.Series) -> bool:
    """The same of leaders, each of whom is one of the people and counts with all their rows."""
    return enough(what, leaders, leaders.nunique(), TOO_FEW_CLUSTERS + 1, is_floor=True)


def levels(what: str, ids: pd.Series, of: pd.Series) -> int:
    """Of how many kinds rows (n,) are, in which there is somebody."""
    return sum(somebody(f"{what} {name}", own) for name, own in ids.groupby(of))


def apart(values: pd.Series) -> pd.Series:
    """Whether each of the values (n,) is another than the commonest; a gap is none."""
    common = values.value_counts()
    return values.notna() & (values != common.idxmax() if len(common) else False)


def _most(ids: pd.Series) -> int:
    """The rows of whoever has most."""
    return int(np.bincount(pd.factorize(pd.Series(ids))[0] + 1, minlength=2)[1:].max())

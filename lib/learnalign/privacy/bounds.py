"""Between which ends a hidden number must lie, to whoever knows the shown ones and what adds up to
what.

Shown numbers are known between two ends, since they are rounded; hidden ones are known not to be
negative. An attacker lays all sums over each other: a linear program, solved for the lowest and the
highest value of each hidden number.

Misleads in three ways. Whoever knows a hidden number from within, a manager her own team's, sees
through more than one who only reads; and ends say how far a number is certain, not what is likely
between them. A sum that the shown numbers contradict is left out: it does not hold for these data
(as where a row's definition looks at the whole company), so nobody can reckon with it.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from scipy import sparse
from scipy.cluster.hierarchy import DisjointSet
from scipy.optimize import linprog

TRIES = 6
CLOSE = 1e-6  # a linear program's numbers are not exact
Name = Hashable
Ends = tuple[float, float]


def narrow(
    ends: Mapping[Name, Ends],
    sums: Sequence[Mapping[Name, float]],
    wanted: Collection[Name],
    least: float,
) -> dict[Name, Ends]:
    """The `wanted` numbers that are known within less than `least`, each with its lowest and
    highest value.

    `ends`: what is known of each number by itself, (0, inf) where it is hidden; `sums`: numbers
    that come to 0 together, by their weights, the surest first: they are the last to be left out.
    Only what hangs together with a wanted number is solved, until each is seen to be wide enough.

    >>> known = {"all": (30, 39), "women": (20, 29), "men": (0, np.inf)}
    >>> narrow(known, [{"all": 1, "women": -1, "men": -1}], ["men"], 20)
    {'men': (1.0, 19.0)}
    """
    hanging, names, adding, found = DisjointSet(ends), defaultdict(list), defaultdict(list), {}
    for one in sums:
        first, *others = one
        for other in others:
            hanging.merge(first, other)
    for name in ends:
        names[hanging[name]].append(name)
    for one in sums:
        adding[hanging[next(iter(one))]].append(one)
    asked = set(wanted)
    for part in dict.fromkeys(hanging[name] for name in ends if name in asked):
        place = {name: number for number, name in enumerate(names[part])}
        rows = tuple(
            tuple((place[name], float(weight)) for name, weight in one.items())
            for one in adding[part]
        )
        limits = tuple((float(low), float(high)) for low, high in map(ends.get, place))
        seek = tuple(number for name, number in place.items() if name in asked)
        for number, low, high in _solved(rows, limits, seek, least):
            found[names[part][number]] = (low, high)
    return found


@lru_cache(maxsize=4096)  # gate and audit look again and again, mostly at what has not changed
def _solved(
    sums: tuple[tuple[tuple[int, float], ...], ...],
    ends: tuple[Ends, ...],
    wanted: tuple[int, ...],
    least: float,
) -> tuple[tuple[int, float, float], ...]:
    """Of numbers that hang together, those that are too well known: place, lowest, highest."""
    matrix = sparse.lil_array((len(sums), len(ends)))
    for number, one in enumerate(sums):
        for place, weight in one:
            matrix[number, place] = weight
    return tuple(_narrow(matrix.tocsr(), np.array(ends), wanted, least))


def _narrow(
    matrix: sparse.csr_array, limits: np.ndarray, wanted: tuple[int, ...], least: float
) -> Iterator[tuple[int, float, float]]:
    far = 10 * (limits[np.isfinite(limits)].sum() + least)  # as good as no end
    limits = np.where(np.isinf(limits), far, limits)
    together = np.zeros(len(limits))
    together[[*wanted]] = 1.0
    if (low := _farthest(matrix, limits, together)) is None:
        matrix = matrix[_holding(matrix, limits)]
        low = _farthest(matrix, limits, together)
    high = _farthest(matrix, limits, -together)
    low, high = np.minimum(low, high), np.maximum(low, high)
    places, draws = np.array(wanted), np.random.default_rng(1)
    # Most are wide: a few solutions that pull all that are left apart show it of many at once
    for _ in range(TRIES):
        places = places[high[places] - low[places] < least - CLOSE]
        if not places.size:
            return
        goal = np.zeros(len(limits))
        goal[places] = draws.choice([-1.0, 1.0], places.size)
        for point in (_farthest(matrix, limits, goal), _farthest(matrix, limits, -goal)):
            low, high = np.minimum(low, point), np.maximum(high, point)
    for place in places:
        goal = np.zeros(len(limits))
        goal[place] = 1.0
        for sign in (1, -1):
            if high[place] - low[place] < least - CLOSE:  # else a solution before shows it is wide
                point = _farthest(matrix, limits, sign * goal)
                low, high = np.minimum(low, point), np.maximum(high, point)
        if high[place] - low[place] < least - CLOSE:
            yield int(place), round(float(low[place]), 6), round(float(high[place]), 6)


def _holding(matrix: sparse.csr_array, limits: np.ndarray) -> np.ndarray:
    """The sums that the shown numbers do not contradict: all but those that must give way for the
    others to hold.
    """
    count, size = matrix.shape
    free = sparse.hstack([matrix, sparse.eye_array(count), -sparse.eye_array(count)])
    ends = np.vstack([limits, np.tile([0.0, np.inf], (2 * count, 1))])
    losses = np.concatenate([np.zeros(size), *[np.geomspace(100, 1, count)] * 2])
    point = linprog(losses, A_eq=free, b_eq=np.zeros(count), bounds=ends).x
    return np.flatnonzero(point[size : size + count] + point[size + count :] < CLOSE)


def _farthest(matrix: sparse.csr_array, limits: np.ndarray, goal: np.ndarray) -> np.ndarray | None:
    """Numbers that keep all ends and sums, and make `goal` as small as can be; None when there are
    none.
    """
    if not matrix.shape[0]:
        return np.where(goal > 0, limits[:, 0], limits[:, 1])
    zero, fixed = np.zeros(matrix.shape[0]), {"method": "highs-ds", "options": {"presolve": False}}
    return linprog(goal, A_eq=matrix, b_eq=zero, bounds=limits, **fixed).x

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

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog
from scipy.sparse.csgraph import connected_components

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
    places = {name: place for place, name in enumerate(ends)}
    rows = [
        (number, places[name], weight)
        for number, one in enumerate(sums)
        for name, weight in one.items()
    ]
    which, column, signs = zip(*rows, strict=True) if rows else ((), (), ())
    matrix = sparse.csr_array(
        (np.array(signs, float), (which, column)), shape=(len(sums), len(ends))
    )
    of = connected_components(abs(matrix).T @ abs(matrix), directed=False)[1]
    limits, names, found = np.array([*ends.values()], float).reshape(-1, 2), [*ends], {}
    asked = [places[name] for name in names if name in set(wanted)]
    for part in dict.fromkeys(of[asked]):
        columns = np.flatnonzero(of == part)
        inside = matrix[:, columns]
        inside = inside[np.flatnonzero(abs(inside).sum(axis=1))]
        seek = np.flatnonzero(np.isin(columns, asked))
        where = (tuple(some.tolist()) for some in (inside.indices, inside.indptr))
        system = (inside.data.tobytes(), *where, inside.shape)
        for place, low, high in _solved(
            system, limits[columns].tobytes(), tuple(seek.tolist()), least
        ):
            found[names[columns[place]]] = (low, high)
    return found


@lru_cache(maxsize=4096)  # gate and audit look again and again, mostly at what has not changed
def _solved(
    system: tuple[Any, ...], ends: bytes, wanted: tuple[int, ...], least: float
) -> tuple[tuple[int, float, float], ...]:
    """Of numbers that hang together, those that are too well known: place, lowest, highest."""
    signs, where, starts, shape = system
    matrix = sparse.csr_array(
        (np.frombuffer(signs), np.array(where, int), np.array(starts, int)), shape=shape
    )
    return tuple(_narrow(matrix, np.frombuffer(ends).reshape(-1, 2), wanted, least))


def _narrow(
    matrix: sparse.csr_array, limits: np.ndarray, wanted: tuple[int, ...], least: float
) -> Iterator[tuple[int, float, float]]:
    limits = np.where(
        np.isinf(limits), 10 * (limits[np.isfinite(limits)].sum() + least), limits
    )  # as good as no end
    together = np.zeros(len(limits))
    together[[*wanted]] = 1.0
    if (low := _farthest(matrix, limits, together)) is None:
        matrix = matrix[_holding(matrix, limits)]
        low = _farthest(matrix, limits, together)
    high = _farthest(matrix, limits, -together)
    low, high = np.minimum(low, high), np.maximum(low, high)
    places, draws = np.array(wanted), np.random.default_rng(1)
    for _ in range(
        TRIES
    ):  # most are wide: a few solutions that pull all that are left apart show it of many at once
        left = places[high[places] - low[places] < least - CLOSE]
        if not left.size:
            return
        goal = np.zeros(len(limits))
        goal[left] = draws.choice([-1.0, 1.0], left.size)
        for point in (_farthest(matrix, limits, goal), _farthest(matrix, limits, -goal)):
            low, high = np.minimum(low, point), np.maximum(high, point)
    for place in left:
        goal = np.zeros(len(limits))
        goal[place] = 1.0
        for sign in (1, -1):
            if (
                high[place] - low[place] < least - CLOSE
            ):  # else a solution found before shows that it is wide
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
    return linprog(
        goal,
        A_eq=matrix,
        b_eq=np.zeros(matrix.shape[0]),
        bounds=limits,
        method="highs-ds",
        options={"presolve": False},
    ).x

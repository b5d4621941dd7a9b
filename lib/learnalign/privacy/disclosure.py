"""What else must be hidden, so that nothing hidden can be worked out from what is shown.

Counts of people hang together: a total is the sum of its parts, in one table, in another, and in
the edition before. An attacker knows every shown count, every sum, and that counts are whole and
never negative, and works out between which ends a hidden count must lie. Complementary suppression
hides further cells until every hidden cell is uncertain by `min_group` people or more, and loses as
few people as possible in doing so.

Source: Fischetti and Salazar (2001), Solving the cell suppression problem on tabular data with
linear constraints, Management Science 47(7). The master problem says what to hide, the attacker's
linear program finds a hidden cell that is too certain, and its dual says of which cells more must
be hidden: a cut for the master, until nothing is found.

Misleads in three ways. An attacker who knows that as little as possible was hidden can rule out
counts under which another pattern would have been cheaper (minimality attack), and so knows
slightly more than the intervals say. One who knows a hidden count from within, a manager her own
team's, sees through more than one who only reads. And an interval says how far a count is certain,
not what is likely inside it.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse.csgraph import connected_components

from learnalign.data.mistakes import DataError, Problem
from learnalign.privacy import rule
from learnalign.privacy.sums import Cells, Change, Earlier, Name

DOMINANCE = 0.85  # of a sum, by the two largest contributors
NEAR = 0.10  # p% rule: how closely the second largest contributor may come to know the largest
CLOSE = 1e-6  # a linear program's numbers are not exact


# --- what must be hidden for itself


def primary(
    counts: Mapping[Name, int],
    min_group: int,
    *,
    managers: Mapping[Name, int] | None = None,
    smaller: Mapping[Name, int] | None = None,
    amounts: Mapping[Name, Sequence[float]] | None = None,
) -> dict[Name, str]:
    """Why each cell that must be hidden for itself must be; cells that may be shown are left out.

    `counts`: people; `managers`: managers behind them; `smaller`: people who do not have the
    commonest answer, so that 0 % and 100 % are both 0; `amounts`: what each person contributed to a
    published sum. A cell of nobody is about nobody and may be shown as empty, but nobody *with a
    trait* in a group of people says something about each of them: that is `smaller` 0, and hidden.
    A cell missing among the `managers` counts as without. Misleads where contributors stand
    together, as a team that shares a budget.

    >>> primary({"a": 3, "b": 40, "c": 0, "d": 40}, 10, smaller={"d": 0})
    {'a': 'fewer than 10 people', 'd': 'fewer than 10 people with another answer'}
    """
    rule.too_small(None, min_group)  # refuses what is below the floor
    found = {}
    for name, people in counts.items():
        if not people:
            continue
        if people < min_group:
            found[name] = f"fewer than {min_group} people"
        elif managers is not None and managers.get(name, 0) < rule.MIN_MANAGERS:
            found[name] = f"fewer than {rule.MIN_MANAGERS} managers"
        elif smaller is not None and smaller.get(name, min_group) < min_group:
            found[name] = f"fewer than {min_group} people with another answer"
        elif amounts is not None and (reason := _dominated(amounts.get(name, ()))):
            found[name] = reason
    return found


def _dominated(amounts: Sequence[float]) -> str:
    if len(set(amounts)) == 1:
        return "all the same amount"
    held = sorted(map(abs, amounts), reverse=True)
    if held and sum(held[:2]) >= DOMINANCE * sum(held):
        return f"two people hold {DOMINANCE:.0%} of it or more"
    return (
        f"one person's amount is known within {NEAR:.0%}"
        if held and sum(held[2:]) < NEAR * held[0]
        else ""
    )


# --- the attacker


def intervals(cells: Cells, hidden: Collection[Name]) -> dict[Name, tuple[float, float]]:
    """Lowest and highest count that each hidden cell can have, to whoever knows the shown ones and
    the sums.

    Whole people; infinite where nothing bounds it. Counts of hidden cells are not looked at, so
    that a published folder can be audited from what it shows. A `ValueError` when the shown counts
    contradict the sums. Misleads as the module says.

    >>> from learnalign.privacy.sums import table
    >>> intervals(table([[12, 3], [14, 18]]), [(0, 1)])
    {(0, 1): (3.0, 3.0)}
    """
    cells.require_named(hidden)
    system, found = _System.of(cells), {}
    for part in system.parts(system.mask(hidden)):
        for at, place in enumerate(part.columns):
            found[system.names[place]] = (part.extreme(at, -1).value, part.extreme(at, 1).value)
    return {name: found[name] for name in system.names if name in found}


def too_certain(
    cells: Cells, hidden: Collection[Name], min_group: int
) -> dict[Name, tuple[float, float]]:
    """Hidden cells whose interval is narrower than `min_group` people: empty when a pattern is
    safe.
    """
    cells.require_named(hidden)
    system = _System.of(cells)
    found = _narrow(system, system.mask(hidden), min_group)
    return {system.names[place]: (lowest.value, highest.value) for place, lowest, highest in found}


class _Extreme(NamedTuple):
    """The farthest a hidden count can go, `linear` in broken people; a table in which it does;
    cells' reduced costs.
    """

    value: float
    linear: float
    point: np.ndarray
    reduced: np.ndarray


@dataclass(frozen=True)
class _Part:
    """Hidden cells that hang together by sums: what the attacker solves for."""

    system: "_System"
    rows: np.ndarray
    columns: np.ndarray
    matrix: sparse.csc_array
    right: np.ndarray

    def extreme(self, place: int, sign: int, most: float = np.inf) -> _Extreme:
        """Of the hidden cell at `place` the lowest (`sign` -1) or highest (1) count, up to `most`."""
        costs, limits = np.zeros(len(self.columns)), np.full(len(self.columns), np.inf)
        costs[place], limits[place] = -sign, most
        bounds = np.column_stack([np.zeros(len(limits)), limits])
        found = linprog(
            costs, A_eq=self.matrix, b_eq=self.right, bounds=bounds, options={"presolve": False}
        )
        if found.status == 2:
            raise ValueError("the shown counts contradict the sums")
        if found.status == 3:
            return _Extreme(np.inf, np.inf, np.zeros(0), np.zeros(0))
        if found.status:
            raise RuntimeError(
                f"the linear program of {self.system.names[self.columns[place]]!r}: {found.message}"
            )
        point, reduced = found.x, -(self.system.matrix[self.rows].T @ found.eqlin.marginals)
        reduced[self.columns[place]] -= sign
        if (
            np.abs(point - np.round(point)) > CLOSE
        ).any():  # people are whole, and the attacker knows it
            equal = LinearConstraint(self.matrix, self.right, self.right)
            whole = {"integrality": 1, "bounds": Bounds(0, limits), "options": {"mip_rel_gap": 0}}
            point = milp(costs, constraints=equal, **whole).x
        point = np.round(point) + 0.0  # no -0
        return _Extreme(float(point[place]), float(found.x[place]), point, reduced)


@dataclass(frozen=True)
class _System:
    """The sums as a matrix, a row each: total minus parts is zero."""

    names: tuple[Name, ...]
    values: np.ndarray
    matrix: sparse.csr_array

    @classmethod
    def of(cls, cells: Cells) -> "_System":
        names = tuple(cells.values)
        at = {name: place for place, name in enumerate(names)}
        matrix = sparse.lil_array((len(cells.sums), len(names)))
        for row, (total, parts) in enumerate(cells.sums):
            matrix[row, [at[total], *map(at.get, parts)]] = [1, *[-1] * len(parts)]
        values = [np.nan if count is None else count for count in cells.values.values()]
        return cls(names, np.array(values, float), matrix.tocsr())

    def mask(self, names: Collection[Name]) -> np.ndarray:
        """Which cells bear these names."""
        wanted = frozenset(names)
        return np.array([name in wanted for name in self.names], bool)

    def parts(self, hidden: np.ndarray) -> Iterator[_Part]:
        """The hidden cells, by what hangs together."""
        if np.isnan(self.values[~hidden]).any():
            raise ValueError("a cell without a count must be among the hidden ones")
        columns, inside = np.flatnonzero(hidden), self.matrix[:, hidden].tocsc()
        right = -(self.matrix[:, ~hidden] @ self.values[~hidden])
        blocks = sparse.block_array(
            [[sparse.csr_array((len(right),) * 2), inside], [inside.T, None]]
        )
        of_row, of_column = np.split(connected_components(blocks, directed=False)[1], [len(right)])
        if right[~np.isin(of_row, of_column)].any():
            raise ValueError("the shown counts contradict the sums")
        for each in np.unique(of_column):
            rows, members = np.flatnonzero(of_row == each), np.flatnonzero(of_column == each)
            yield _Part(self, rows, columns[members], inside[:, members][rows], right[rows])


def _narrow(
    system: _System, hidden: np.ndarray, least: int
) -> Iterator[tuple[int, _Extreme, _Extreme]]:
    """Every hidden cell that is too certain, with how low and how high it can be."""
    for part in system.parts(hidden):
        low = high = part.extreme(0, -1).point
        for at, place in enumerate(part.columns):
            ends = []
            for sign in (1, -1):
                if high[at] - low[at] >= least:  # a table found before shows it
                    break
                ends.append(part.extreme(at, sign, low[at] + least if sign > 0 else np.inf))
                low, high = np.minimum(low, ends[-1].point), np.maximum(high, ends[-1].point)
            if high[at] - low[at] < least:
                yield place, ends[1], ends[0]


# --- the defender


@dataclass(frozen=True)
class Pattern:
    """What is hidden: `hidden` in all, `added` only to protect others; `lost`, the people in the
    added cells.

    `is_optimal`: no safe pattern loses less (totals count twice). `rounds`: how often was solved
    anew.
    """

    hidden: frozenset[Name]
    added: frozenset[Name]
    lost: int
    is_optimal: bool
    rounds: int


class _Cut(NamedTuple):
    """If the cell at `place` is hidden, so must others be, that weigh 1 or more together."""

    place: int
    weights: np.ndarray

    def row(self) -> sparse.csr_array:
        """As the master problem holds it: a row that must be 0 or more."""
        return sparse.csr_array(self.weights - (np.arange(len(self.weights)) == self.place))


def protect(
    cells: Cells, primary: Collection[Name], min_group: int, *, time_limit: float = 20.0
) -> Pattern:
    """Hide further cells, until every hidden one is uncertain by `min_group` people or more.

    `primary`: cells to hide for themselves. As few people as possible are lost in the others; a
    total counts twice, and among equals fewer cells are hidden. After `time_limit` seconds what was
    found so far is widened until it is safe, and `is_optimal` is false; what is hidden then depends
    on the machine's speed. A `DataError` names the cells that nothing can protect, since what gives
    them away was published before. Misleads as the module says; and it protects counts: a figure on
    a hidden cell must go with it.

    >>> from learnalign.privacy.sums import table
    >>> protect(table([[12, 3], [14, 18]]), [(0, 1)], 5).lost
    44
    """
    rule.too_small(None, min_group)  # refuses what is below the floor
    cells.require_named(primary)
    cells.require_counted()
    system, until = _System.of(cells), time.monotonic() + time_limit
    must, may = system.mask({*primary, *cells.hidden}), ~system.mask(cells.shown)
    costs, cuts = _costs(cells), [cut.row() for cut in _first_cuts(system, min_group)]
    found, is_optimal, rounds = [], True, 0
    while is_optimal and (found or not rounds):
        cuts += [cut.row() for cut in found]
        hidden, is_optimal = _cheapest(costs, cuts, must, may, until)
        found, rounds = list(_violated(system, hidden, min_group)), rounds + 1
    if found:
        hidden = _widened(system, hidden, must, may, costs, min_group)
    named = frozenset(system.names[place] for place in np.flatnonzero(hidden))
    added = named - {*primary, *cells.hidden}
    lost = sum(int(cells.values[name]) for name in added)
    return Pattern(named, added, lost, is_optimal, rounds)


def _cheapest(
    costs: np.ndarray,
    cuts: Sequence[sparse.csr_array],
    must: np.ndarray,
    may: np.ndarray,
    until: float,
) -> tuple[np.ndarray, bool]:
    """The cheapest cells to hide that meet every cut, and whether they are; `must` itself when none
    is found.
    """
    if (must & ~may).any() or (left := until - time.monotonic()) <= 0:
        return must, False
    if not cuts:  # nothing hangs together
        return must, True
    options = {"time_limit": left, "mip_rel_gap": 0}
    found = milp(
        costs,
        integrality=1,
        bounds=Bounds(must, may),
        constraints=LinearConstraint(sparse.vstack(cuts), 0),
        options=options,
    )
    return must if found.x is None else found.x > 0.5, found.status == 0


def _first_cuts(system: _System, least: int) -> Iterator[_Cut]:
    """What each sum alone demands of its cells: none is hidden without others that leave it room."""
    for row in range(system.matrix.shape[0]):
        signs = system.matrix[[row]].toarray()[0]
        for place in np.flatnonzero(signs):
            alone = np.zeros(len(signs))
            alone[place] = 1
            by_sum = alone - signs[place] * signs
            yield _cut(
                system, place, -by_sum, alone if system.values[place] < least else by_sum, least
            )


def _cut(system: _System, place: int, up: np.ndarray, down: np.ndarray, least: int) -> _Cut:
    """From the reduced costs at a cell's highest and lowest count: whatever else is hidden, only
    this leaves it room.

    A cell of negative cost can grow without end and is room enough; one of positive cost can give
    what it has.
    """
    weights = np.zeros(len(up))
    for reduced in (up, down):
        weights += np.where(
            reduced < -CLOSE, np.inf, np.where(reduced > CLOSE, reduced, 0) * system.values
        )
    need = least - weights[place]
    weights = np.minimum(
        weights / need, 1
    )  # more than all that is needed counts no more: a sharper cut
    weights[place] = 0
    return _Cut(place, weights)


def _violated(system: _System, hidden: np.ndarray, least: int) -> Iterator[_Cut]:
    """A cut for every hidden cell that is too certain."""
    for place, lowest, highest in _narrow(system, hidden, least):
        if highest.linear - lowest.linear > least - CLOSE:
            # Only broken people give it room: no dual shows that, but something beyond these must
            # be hidden
            yield _Cut(place, (~hidden).astype(float))
        else:
            yield _cut(system, place, highest.reduced, lowest.reduced, least)


def _widened(
    system: _System,
    hidden: np.ndarray,
    must: np.ndarray,
    may: np.ndarray,
    costs: np.ndarray,
    least: int,
) -> np.ndarray:
    """A safe pattern, not the cheapest: to what is too certain the cells are added that give most
    room for their cost.

    A cell that cannot be protected even then is no help to others, and is shown. A `DataError` when
    it must be hidden.
    """
    if stuck := [system.names[place] for place in np.flatnonzero(must & ~may)]:
        raise _impossible(stuck)
    hidden = hidden.copy()
    while found := list(_violated(system, hidden, least)):
        so_far = hidden.sum()
        for cut in found:
            gain = np.where(may & ~hidden, cut.weights, 0)
            order = np.argsort(-gain / costs, kind="stable")
            before = cut.weights[hidden].sum() + np.cumsum(gain[order]) - gain[order]
            hidden[order[(gain[order] > 0) & (before < 1 - CLOSE)]] = True
        if hidden.sum() == so_far:
            helpless = np.isin(np.arange(len(may)), [cut.place for cut in found])
            return _widened(system, must, must, may & ~helpless, costs, least)
    return hidden


def _impossible(names: Sequence[Name]) -> DataError:
    text = "cannot be hidden any more: what was published before gives it away"
    fix = "leave the tables it stands in out of this edition, or ask a larger group"
    return DataError([Problem("disclosure", str(name), text, fix=fix) for name in names])


def _costs(cells: Cells) -> np.ndarray:
    """People in each cell, a total's twice; a little more for each, so that among equals fewer
    cells are hidden.
    """
    linked = (Earlier, Change)
    totals = {
        total
        for total, parts in cells.sums
        if not any(isinstance(name, linked) for name in (total, *parts))
    }
    return np.array(
        [
            n * (1 + (name in totals)) + 1 / (1 + len(cells.values))
            for name, n in cells.values.items()
        ]
    )

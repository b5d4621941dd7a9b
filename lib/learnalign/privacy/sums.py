"""What is published, as counts of people and the sums that tie them together: tables, hierarchies,
editions.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Name = Hashable
Sum = tuple[Name, tuple[Name, ...]]  # a total and its parts


@dataclass(frozen=True)
class Earlier:
    """A cell as it stood in an edition before; `age` 1 is the last one."""

    cell: Name
    age: int

    def __str__(self) -> str:
        return f"{self.cell}, {self.age} edition(s) before"


@dataclass(frozen=True)
class Change:
    """The few people by whom a cell differs from an earlier edition: nobody publishes them,
    subtraction would.
    """

    cell: Name
    age: int

    def __str__(self) -> str:
        return f"change of {self.cell} since {self.age} edition(s) before"


@dataclass(frozen=True)
class Cells:
    """Counts of people and the sums that tie them together, whatever the form of the table.

    `values`: people by cell (None: unknown, as to a reader of a published folder). `sums`: every
    total with its parts. `shown`: published before, cannot be taken back. `hidden`: must stay
    hidden, whatever else is done. A `ValueError` when a count is not whole or negative, or a sum
    does not add up.
    """

    values: Mapping[Name, int | None]
    sums: tuple[Sum, ...]
    shown: frozenset[Name] = frozenset()
    hidden: frozenset[Name] = frozenset()

    def __post_init__(self) -> None:
        for name, people in self.values.items():
            if people is not None and (people < 0 or people != int(people)):
                raise ValueError(
                    f"the count of {name!r} is {people}: people are counted in whole numbers from 0"
                )
        for total, parts in self.sums:
            counts = [self.values[name] for name in (total, *parts)]
            if None not in counts and counts[0] != sum(counts[1:]):
                raise ValueError(
                    f"{total!r} is {counts[0]}, but its parts add up to {sum(counts[1:])}"
                )

    def require_named(self, names: Collection[Name]) -> None:
        """Raise ValueError for a name that no cell has."""
        if unknown := [name for name in names if name not in self.values]:
            raise ValueError(f"no cell is named {', '.join(map(repr, unknown))}")

    def require_counted(self) -> None:
        """Raise ValueError where a count is missing: an attacker does without, who protects must
        know.
        """
        if unknown := [name for name, people in self.values.items() if people is None]:
            raise ValueError(
                "to protect a cell takes its count, which is missing: "
                f"{', '.join(map(repr, unknown))}"
            )


def table(
    counts: Sequence[Sequence[int]], rows: Sequence[Name] = (), columns: Sequence[Name] = ()
) -> Cells:
    """Cells of a two-way table with all its totals, named (row, column); "total" stands for all
    rows or columns.

    >>> table([[12, 3], [14, 18]], ["sales", "ops"]).values["sales", "total"]
    15
    """
    grid = np.asarray(counts)
    full = np.block(
        [[grid, grid.sum(1, keepdims=True)], [grid.sum(0, keepdims=True), grid.sum(keepdims=True)]]
    )
    down = [*(rows or range(grid.shape[0])), "total"]
    across = [*(columns or range(grid.shape[1])), "total"]
    values = {
        (row, column): int(full[i, j])
        for i, row in enumerate(down)
        for j, column in enumerate(across)
    }
    if len(values) != full.size:
        raise ValueError('rows and columns need names of their own, and none may be "total"')
    sums = [((row, "total"), tuple((row, column) for column in across[:-1])) for row in down]
    sums += [(("total", column), tuple((row, column) for row in down[:-1])) for column in across]
    return Cells(values, tuple(sums))


def together(*tables: Cells) -> Cells:
    """All that is published at once, to be protected at once: a name that stands in several tables
    is one cell.

    Misleads where one name stands for different people in two tables; a `ValueError` where their
    counts differ.
    """
    values: dict[Name, int | None] = {}
    for cells in tables:
        for name, people in cells.values.items():
            if values.setdefault(name, people) != people:
                raise ValueError(f"{name!r} is {values[name]} in one table and {people} in another")
    sums = tuple(dict.fromkeys(each for cells in tables for each in cells.sums))
    shown, hidden = (
        frozenset().union(*(getattr(cells, a) for cells in tables)) for a in ("shown", "hidden")
    )
    return Cells(values, sums, shown, hidden)


def editions(before: Cells, hidden: Collection[Name], after: Cells, min_group: int) -> Cells:
    """This edition's cells, tied to the same cells of the edition before, and of those before that.

    `hidden`: what the edition `before` hid. What it showed cannot be taken back, what it hid stays
    protected. An unchanged count is taken for the same people; one that differs by 1 to `min_group`
    - 1 gives a hidden `Change`; one that differs by more is not tied. Misleads where as many people
    joined as left: the cells are tied all the same, and more is hidden than need be.
    """

    def older(name: Name) -> Earlier:
        return Earlier(name.cell, name.age + 1) if isinstance(name, Earlier) else Earlier(name, 1)

    before.require_named(hidden)
    before.require_counted()
    after.require_counted()
    values = {**after.values, **{older(name): count for name, count in before.values.items()}}
    sums = [
        *after.sums,
        *((older(total), tuple(map(older, parts))) for total, parts in before.sums),
    ]
    secret = {older(name) for name in before.values if name in before.hidden or name in hidden}
    shown = after.shown | {older(name) for name in before.values} - secret
    for past in [older(name) for name in before.values]:
        now = past.cell
        if now not in after.values or abs(gap := values[now] - values[past]) >= min_group:
            continue
        less, more = (past, now) if gap > 0 else (now, past)
        few = Change(now, past.age)
        if gap:
            values[few] = abs(gap)
            secret.add(few)
        sums.append((more, (less, few) if gap else (less,)))
    return Cells(values, tuple(sums), frozenset(shown), after.hidden | secret)

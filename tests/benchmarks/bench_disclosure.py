"""Time of suppressing and auditing a company of 50 units and 12 columns with all its totals. Run as
a script.

A quarter of the 600 cells are too small. The promise is 10 seconds on 2 cores. Measured on one of 2
cores, which other work kept busy (load 4), over five companies; `optimal`: nothing cheaper is safe:

| release | cells | too small | hidden | optimal | rounds | protect, s | audit, s | slowest in all,
s | |---|---|---|---|---|---|---|---|---| | one_table | 663 | 154 | 168 | 5 of 5 | 1 | 0.38 | 0.21 |
0.70 | | two_tables | 867 | 156 | 172 | 5 of 5 | 2 | 0.48 | 0.28 | 0.97 | | two_editions | 1326 |
134 | 308 | 5 of 5 | 4 | 1.36 | 0.43 | 2.52 |
"""

import time
from statistics import median

import numpy as np

from learnalign.privacy import disclosure
from learnalign.privacy.sums import Cells, Earlier, editions, table, together

UNITS, COLUMNS, MIN_GROUP = 50, 12, 10
SEEDS = range(5)


def counts(seed: int) -> np.ndarray:
    """People by unit and column; a quarter of the cells have fewer than ten."""
    rng = np.random.default_rng(seed)
    return rng.poisson(rng.gamma(2, 13, (UNITS, COLUMNS)) * rng.gamma(4, 0.25, (UNITS, 1)))


def one_table(seed: int) -> Cells:
    """As the promise has it."""
    return table(counts(seed))


def two_tables(seed: int) -> Cells:
    """The same people by another trait, with four values: tied by the units' totals."""
    grid, rng = counts(seed), np.random.default_rng(seed)
    other = np.array([rng.multinomial(people, [0.4, 0.3, 0.2, 0.1]) for people in grid.sum(1)])
    return together(table(grid), table(other, columns=[f"trait {i}" for i in range(4)]))


def two_editions(seed: int) -> Cells:
    """A year later, when a unit in ten has grown by a dozen or more in every column: as it was
    before, and as it is.
    """
    before, rng = counts(seed), np.random.default_rng(seed)
    grown = before + rng.integers(12, 24, before.shape) * (rng.random((UNITS, 1)) < 0.1)
    first = table(before)
    hidden = disclosure.protect(
        first, disclosure.primary(first.values, MIN_GROUP), MIN_GROUP
    ).hidden
    return editions(first, hidden, table(grown), MIN_GROUP)


def main() -> None:
    """Print a row per kind of release: cells, hidden for themselves and in all, rounds, seconds."""
    print(
        "| release | cells | too small | hidden | optimal | rounds | protect, s | audit, s | "
        "slowest in all, s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in (one_table, two_tables, two_editions):
        rows = []
        for seed in SEEDS:
            cells = kind(seed)
            now = {
                name: people
                for name, people in cells.values.items()
                if not isinstance(name, Earlier)
            }
            primary = disclosure.primary(now, MIN_GROUP)
            start = time.perf_counter()
            pattern = disclosure.protect(cells, primary, MIN_GROUP)
            between = time.perf_counter()
            assert not disclosure.too_certain(cells, pattern.hidden, MIN_GROUP)
            times = between - start, time.perf_counter() - between
            rows.append(
                (
                    len(cells.values),
                    len(primary),
                    len(pattern.hidden),
                    pattern.is_optimal,
                    pattern.rounds,
                    *times,
                )
            )
        size, small, hidden, optimal, rounds, protect, audit = zip(*rows, strict=True)
        middle = " | ".join(f"{median(each):.0f}" for each in (size, small, hidden))
        slowest = max(sum(pair) for pair in zip(protect, audit, strict=True))
        print(
            f"| {kind.__name__} | {middle} | {sum(optimal)} of {len(rows)} | {max(rounds)} "
            f"| {median(protect):.2f} | {median(audit):.2f} | {slowest:.2f} |"
        )


if __name__ == "__main__":
    main()

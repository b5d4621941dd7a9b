"""The solver: between which ends a hidden number must lie, held against an attacker of its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import attacker

from learnalign.privacy import bounds

K = 5
METHODS = np.array([[12, 3, 20, 15], [14, 18, 25, 9], [30, 11, 8, 22]])
COUNTS = st.one_of(st.just(0), st.integers(1, 9), st.integers(5, 40))


def counted(grid):
    """A table's counts by cell, with all its totals, and what adds up."""
    full = np.block(
        [[grid, grid.sum(1, keepdims=True)], [grid.sum(0, keepdims=True), grid.sum(keepdims=True)]]
    )
    return dict(np.ndenumerate(full)), attacker.table_equations(*grid.shape)


def told(counts, equations, hidden, least=K):
    """What the library says is known of hidden cells within less than `least`."""
    ends = {n: (0, np.inf) if n in hidden else (count, count) for n, count in counts.items()}
    return bounds.narrow(ends, equations, hidden, least)


def attacked(counts, equations, hidden, whole=True):
    shown = {name: count for name, count in counts.items() if name not in hidden}
    ends = attacker.attack(equations, shown, hidden, whole)
    return {name: ends for name, ends in ends.items() if ends[1] - ends[0] < K}


@pytest.mark.golden
def test_the_small_cell_alone_is_recovered_exactly():
    assert told(*counted(METHODS), [(0, 1)]) == {(0, 1): (3, 3)}


@pytest.mark.golden
def test_three_cells_more_protect_it():
    hidden = [(0, 1), (0, 3), (2, 1), (2, 3)]
    found = told(*counted(METHODS), hidden, 1000)
    assert [found[name] for name in hidden] == [(0, 14), (4, 18), (0, 14), (19, 33)]
    assert told(*counted(METHODS), hidden) == {}


@st.composite
def grids(draw):
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    size = shape[0] * shape[1]
    return np.array(draw(st.lists(COUNTS, min_size=size, max_size=size))).reshape(shape)


@st.composite
def hierarchies(draw):
    """A company by site and by grade at once, and each site by team: counted from the people up."""
    size = [draw(st.integers(1, 3)) for _ in range(3)]
    cells = int(np.prod(size))
    people = np.reshape(draw(st.lists(COUNTS, min_size=cells, max_size=cells)), size)
    sites, teams, grades = (range(one) for one in size)
    counts = {"all": people.sum()} | {f"site {i}": people[i].sum() for i in sites}
    counts |= {f"team {i}{j}": people[i, j].sum() for i in sites for j in teams}
    counts |= {f"grade {k}": people[:, :, k].sum() for k in grades}
    sums = [("all", [f"site {i}" for i in sites]), ("all", [f"grade {k}" for k in grades])]
    sums += [(f"site {i}", [f"team {i}{j}" for j in teams]) for i in sites]
    return counts, [{total: 1} | dict.fromkeys(parts, -1) for total, parts in sums]


@pytest.mark.property
@settings(max_examples=80, deadline=None)
@given(st.one_of(grids().map(counted), hierarchies()), st.data())
def test_what_an_attacker_knows_too_closely_is_told_and_nothing_else(cells, data):
    counts, equations = cells
    hidden = data.draw(st.lists(st.sampled_from([*counts]), unique=True, max_size=8))
    found = told(counts, equations, hidden)
    assert found == attacked(counts, equations, hidden)


def test_broken_people_are_room_enough():
    """a = c, 2 a = h, and h lies between 9 and 19: within 5 in broken people, 4 in whole ones."""
    names = ["a", "b", "c", "ab", "bc", "h", "nine", "d", "f", "top"]
    counts = dict(zip(names, [7, 13, 7, 20, 20, 14, 9, 5, 5, 19], strict=True))
    sums = [("ab", "ab"), ("bc", "bc"), ("h", "ac"), ("h", ["nine", "d"]), ("top", "hf")]
    equations = [{total: 1} | dict.fromkeys(parts, -1) for total, parts in sums]
    hidden = ["a", "b", "c", "h", "d", "f"]
    assert told(counts, equations, hidden) == attacked(counts, equations, hidden, False) == {}
    assert set(attacked(counts, equations, hidden)) == {"a", "b", "c"}


def test_sums_that_do_not_hold_are_no_knowledge():
    known = {"all": (30, 39), "a": (50, 59), "c": (20, 29), "e": (10, 19)}
    ends = known | dict.fromkeys("bd", (0, np.inf))
    assert bounds.narrow(ends, [{"all": 1, "a": -1, "b": -1}], ["b"], 10) == {}
    sums = [{"all": 1, "a": -1, "b": -1}, {"c": 1, "d": -1, "e": -1}]
    assert bounds.narrow(ends, sums, ["b", "d"], 20) == {"d": (1.0, 19.0)}

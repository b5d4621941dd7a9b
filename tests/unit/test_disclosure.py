"""Complementary suppression: nothing hidden can be worked out, and no more is hidden than must be."""

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import attacker

from learnalign.data.mistakes import DataError
from learnalign.privacy import disclosure, rule
from learnalign.privacy.sums import Cells, Change, Earlier, editions, table, together

K = 5
METHODS = table([[12, 3, 20, 15], [14, 18, 25, 9], [30, 11, 8, 22]])


# --- the example


@pytest.mark.golden
def test_the_small_cell_alone_is_recovered_exactly():
    assert disclosure.intervals(METHODS, [(0, 1)]) == {(0, 1): (3, 3)}
    assert disclosure.too_certain(METHODS, [(0, 1)], K) == {(0, 1): (3, 3)}


@pytest.mark.golden
def test_three_cells_more_protect_it():
    pattern = disclosure.protect(METHODS, [(0, 1)], K)
    assert len(pattern.added) == 3 and pattern.lost == 39 and pattern.is_optimal
    assert sum(METHODS.values[name] for name in pattern.hidden) == 42
    found = disclosure.intervals(METHODS, pattern.hidden)
    assert list(found.values()) == [(0, 14), (9, 23), (0, 14), (5, 19)]
    assert disclosure.too_certain(METHODS, pattern.hidden, K) == {}


def test_a_published_folder_is_audited_without_its_hidden_counts():
    hidden = disclosure.protect(METHODS, [(0, 1)], K).hidden
    bytes_alone = Cells(
        {n: None if n in hidden else c for n, c in METHODS.values.items()}, METHODS.sums
    )
    assert disclosure.intervals(bytes_alone, hidden) == disclosure.intervals(METHODS, hidden)


# --- the attacker never pins a hidden cell


def shown_of(counts, hidden):
    return {name: count for name, count in counts.items() if name not in hidden}


LIMITS = st.sampled_from([20, 20, 0])  # seconds; 0: what is safe, and not the best
MOSTLY_LARGE = st.sampled_from([31, 20, 14, 9, 7, 5, 3])
COUNTS = st.one_of(st.just(0), st.integers(1, 9), st.integers(5, 40))


@st.composite
def grids(draw, rows=4, columns=4):
    shape = draw(st.integers(1, rows)), draw(st.integers(1, columns))
    counts = draw(st.lists(COUNTS, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    return np.array(counts).reshape(shape)


def named(grid):
    """The library's table of a grid under the attacker's names, and what the attacker knows of it."""
    rows, columns = grid.shape
    cells = table(grid)
    number = {("total", "total"): (rows, columns)}
    number |= {(i, "total"): (i, columns) for i in range(rows)} | {
        ("total", j): (rows, j) for j in range(columns)
    }
    return cells, number, attacker.table_equations(rows, columns)


def small(cells, data):
    """The cells to hide for themselves: the small ones, and now and then a large one for another
    reason.
    """
    reasons = disclosure.primary(cells.values, K)
    return {
        *reasons,
        *data.draw(st.sets(st.sampled_from(list(cells.values)), max_size=1), label="also primary"),
    }


@pytest.mark.property
@settings(max_examples=40, deadline=None)
@given(grids(), st.data())
def test_tables(grid, data):
    cells, number, equations = named(grid)
    primary, limit = small(cells, data), data.draw(LIMITS)
    pattern = disclosure.protect(cells, primary, K, time_limit=limit)
    assert primary <= pattern.hidden and pattern.is_optimal == (limit > 0)
    hidden = {number.get(name, name): name for name in pattern.hidden}
    counts = {number.get(name, name): count for name, count in cells.values.items()}
    found = attacker.attack(equations, shown_of(counts, hidden), hidden)
    assert all(high - low >= K for low, high in found.values())
    assert {hidden[name]: ends for name, ends in found.items()} == disclosure.intervals(
        cells, pattern.hidden
    )
    assert disclosure.too_certain(cells, primary, K) == narrow(disclosure.intervals(cells, primary))


def narrow(found):
    return {name: (low, high) for name, (low, high) in found.items() if high - low < K}


@st.composite
def hierarchies(draw):
    """A company by site and by grade at once, and each site by team: counted from the people up."""
    size = [draw(st.integers(1, 3)) for _ in range(3)]
    people = np.array(
        draw(st.lists(COUNTS, min_size=int(np.prod(size)), max_size=int(np.prod(size))))
    ).reshape(size)
    values = {"all": people.sum()} | {f"site {i}": people[i].sum() for i in range(size[0])}
    values |= {f"team {i}{j}": people[i, j].sum() for i in range(size[0]) for j in range(size[1])}
    values |= {f"grade {k}": people[:, :, k].sum() for k in range(size[2])}
    sums = [
        ("all", tuple(f"site {i}" for i in range(size[0]))),
        ("all", tuple(f"grade {k}" for k in range(size[2]))),
    ]
    sums += [(f"site {i}", tuple(f"team {i}{j}" for j in range(size[1]))) for i in range(size[0])]
    return {name: int(count) for name, count in values.items()}, tuple(sums)


@pytest.mark.property
@settings(max_examples=40, deadline=None)
@given(hierarchies(), st.data())
def test_hierarchies(hierarchy, data):
    values, sums = hierarchy
    cells = Cells(values, sums)
    primary = small(cells, data)
    pattern = disclosure.protect(cells, primary, K, time_limit=data.draw(LIMITS))
    equations = [{total: 1} | dict.fromkeys(parts, -1) for total, parts in sums]
    found = attacker.attack(equations, shown_of(values, pattern.hidden), pattern.hidden)
    assert primary <= pattern.hidden and all(high - low >= K for low, high in found.values())
    assert found == disclosure.intervals(cells, pattern.hidden)


@st.composite
def histories(draw):
    """The same table in two or three editions; most cells stay, some change a little or a lot."""
    grid = draw(grids(3, 3))
    steps = st.sampled_from([0, 0, 0, 0, 0, 2, -3, 8, -30])
    found = [grid]
    for _ in range(draw(st.integers(1, 2))):
        change = np.array(draw(st.lists(steps, min_size=grid.size, max_size=grid.size))).reshape(
            grid.shape
        )
        found.append(np.maximum(found[-1] + change, 0))
    return found


def published(history, last):
    """Edition after edition as the library protects it: all cells tied together, and what is hidden
    in the last.
    """
    cells = table(history[0])
    for grid in history[1 : last + 1]:
        hidden = disclosure.protect(cells, disclosure.primary(now(cells), K), K).hidden
        cells = editions(cells, hidden, table(grid), K)
    return cells


def now(cells):
    return {
        name: count
        for name, count in cells.values.items()
        if not isinstance(name, Earlier | Change)
    }


def known(history, number):
    """The same, as the attacker holds it: editions by their number."""
    counts = {
        (at, number.get(name, name)): c
        for at, grid in enumerate(history)
        for name, c in table(grid).values.items()
    }
    alone = attacker.table_equations(*history[0].shape)
    equations = [each for at in range(len(history)) for each in attacker.with_edition(at, alone)]
    for then, later in combinations(range(len(history)), 2):
        equations += attacker.edition_equations(then, later, counts, K)
    return counts, equations


def attackers_name(name, last, number):
    """A library's name as the attacker's, in the edition numbered `last`."""
    at = last
    if isinstance(name, Earlier):
        name, at = name.cell, last - name.age
    if isinstance(name, Change):
        return ("few", at - name.age, at, number.get(name.cell, name.cell))
    return at, number.get(name, name)


@pytest.mark.property
@settings(max_examples=20, deadline=None)
@given(histories())
def test_editions(history):
    _, number, _ = named(history[0])
    for last in range(1, len(history)):
        cells = published(history, last)
        counts, equations = known(history[: last + 1], number)
        try:
            hidden = disclosure.protect(cells, disclosure.primary(now(cells), K), K).hidden
        except DataError as error:
            assert_nothing_helps(cells, equations, counts, error, last, number)
            return
        assert cells.hidden <= hidden and not cells.shown & hidden
        wanted = {attackers_name(name, last, number): name for name in hidden}
        found = attacker.attack(equations, shown_of(counts, wanted), wanted)
        assert all(high - low >= K for low, high in found.values()), found


def assert_nothing_helps(cells, equations, counts, error, last, number):
    """Even if all that was not published before is hidden, a cell that is named is known too well."""
    shown = {attackers_name(name, last, number) for name in cells.shown}
    names = {
        problem.column: attackers_name(name, last, number)
        for name in cells.values
        for problem in error.problems
        if problem.column == str(name)
    }
    assert len(names) == len(error.problems)
    found = attacker.attack(
        equations, {name: counts[name] for name in shown}, set(names.values()) - shown
    )
    assert all(high - low < K for low, high in found.values())


# --- and no more is hidden than must be


def cheapest(equations, counts, must, costs):
    """By trying all patterns, cheapest first, until the attacker fails: its cost and cells; None
    when he never does.
    """
    free = [name for name in costs if name not in must]
    patterns = chain.from_iterable(combinations(free, size) for size in range(len(free) + 1))
    for pattern in sorted(
        patterns, key=lambda names: (sum(costs[name] for name in names), len(names))
    ):
        hidden = must | set(pattern)
        if is_safe(equations, shown_of(counts, hidden), hidden):
            return sum(costs[name] for name in pattern), len(pattern)
    return None


def is_safe(equations, shown, hidden):
    return all(
        attacker.narrowest(equations, shown, [name]) >= K for name in sorted(hidden, key=repr)
    )


def prices(values, totals):
    return {name: count * (2 if name in totals else 1) for name, count in values.items()}


@pytest.mark.property
@settings(max_examples=20, deadline=None)
@given(st.lists(MOSTLY_LARGE, min_size=4, max_size=4))
def test_no_safe_pattern_of_a_table_loses_less(counts):
    cells, number, equations = named(np.array(counts).reshape(2, 2))
    primary = disclosure.primary(cells.values, K)
    added = disclosure.protect(cells, primary, K).added
    values = {number.get(name, name): count for name, count in cells.values.items()}
    costs = prices(values, number.values())
    lost = sum(costs[number.get(name, name)] for name in added)
    assert (lost, len(added)) == cheapest(
        equations, values, {number.get(name, name) for name in primary}, costs
    )


STAFF = (("all", ("x", "y")), ("x", ("a", "b")), ("y", ("c", "d", "e")))


def staff(counts):
    """A company of two sites with two and three teams."""
    values = dict(zip("abcde", map(int, counts), strict=True))
    values |= {"x": sum(values[name] for name in "ab"), "y": sum(values[name] for name in "cde")}
    return Cells(values | {"all": values["x"] + values["y"]}, STAFF)


@pytest.mark.property
@settings(max_examples=20, deadline=None)
@given(
    *[
        st.lists(each, min_size=5, max_size=5)
        for each in (MOSTLY_LARGE, st.sampled_from([0, 0, 0, 2, -3, 8, -9]))
    ]
)
def test_no_safe_pattern_of_a_second_edition_loses_less(counts, steps):
    before, after = staff(counts), staff(np.maximum(np.add(counts, steps), 0))
    cells = editions(
        before, disclosure.protect(before, disclosure.primary(before.values, K), K).hidden, after, K
    )
    primary = disclosure.primary(after.values, K)
    held, equations = known_of(before, after)
    must = {attackers_name(name, 1, {}) for name in {*primary, *cells.hidden}}
    costs = {(1, name): cost for name, cost in prices(after.values, ("all", "x", "y")).items()}
    try:
        added = disclosure.protect(cells, primary, K).added
        found = sum(costs[1, name] for name in added), len(added)
    except DataError:
        found = None
    assert found == cheapest(equations, held, must, costs)


def known_of(before, after):
    """What the attacker holds of two editions of the staff."""
    counts = {
        (at, name): count
        for at, cells in enumerate((before, after))
        for name, count in cells.values.items()
    }
    alone = [{total: 1} | dict.fromkeys(parts, -1) for total, parts in STAFF]
    both = attacker.with_edition(0, alone) + attacker.with_edition(1, alone)
    return counts, both + attacker.edition_equations(0, 1, counts, K)


def test_out_of_time_is_safe_and_says_so():
    best = disclosure.protect(METHODS, [(0, 1)], K)
    hasty = disclosure.protect(METHODS, [(0, 1)], K, time_limit=0)
    assert not hasty.is_optimal and hasty.lost >= best.lost
    assert disclosure.too_certain(METHODS, hasty.hidden, K) == {}


def large(seed=1):
    """50 units and 12 columns, a quarter of the cells too small."""
    rng = np.random.default_rng(seed)
    return table(rng.poisson(rng.gamma(2, 13, (50, 12)) * rng.gamma(4, 0.25, (50, 1))))


def test_a_company_of_50_units_takes_few_rounds():
    cells = large()
    primary = disclosure.primary(cells.values, 10)
    assert 0.2 < len(primary) / 600 < 0.3
    pattern = disclosure.protect(cells, primary, 10)
    assert pattern.is_optimal and pattern.rounds <= 3
    hasty = disclosure.protect(cells, primary, 10, time_limit=0)
    assert pattern.lost <= hasty.lost <= 2 * pattern.lost
    assert disclosure.too_certain(cells, pattern.hidden, 10) == {}


# --- people are whole

# a = c, 2 a = h, and h lies between 9 and 19: from 4.5 to 9.5 in broken people, from 5 to 9 in
# whole ones
ODD = Cells(
    {"a": 7, "b": 13, "c": 7, "ab": 20, "bc": 20, "h": 14, "nine": 9, "d": 5, "f": 5, "top": 19},
    (
        ("ab", ("a", "b")),
        ("bc", ("b", "c")),
        ("h", ("a", "c")),
        ("h", ("nine", "d")),
        ("top", ("h", "f")),
    ),
)


def test_the_attacker_knows_that_people_are_whole():
    hidden = ["a", "b", "c", "h", "d", "f"]
    assert disclosure.too_certain(ODD, hidden, K) == {"a": (5, 9), "b": (11, 15), "c": (5, 9)}
    pattern = disclosure.protect(ODD, hidden, K)
    assert (
        pattern.added
        and pattern.is_optimal
        and disclosure.too_certain(ODD, pattern.hidden, K) == {}
    )


# --- editions

FIRST = Cells({"all": 60, "a": 20, "b": 25, "c": 15}, (("all", ("a", "b", "c")),))


def test_a_few_who_joined_are_not_told_by_subtraction():
    later = Cells({"all": 80, "a": 23, "b": 37, "c": 20}, FIRST.sums)
    cells = editions(FIRST, [], later, K)
    assert Change("a", 1) in cells.hidden and cells.values[Change("a", 1)] == 3
    assert Change("c", 1) not in cells.values  # 5 more: a group that may be told
    pattern = disclosure.protect(cells, [], K)
    assert pattern.added == {"a", "c"} and pattern.lost == 43
    assert disclosure.intervals(cells, {Change("a", 1)}) == {Change("a", 1): (3, 3)}


def test_what_was_shown_before_cannot_be_hidden_and_is_named():
    cells = editions(FIRST, [], FIRST, K)
    with pytest.raises(DataError) as caught:
        disclosure.protect(cells, {"c": "fewer than 3 managers"}, K)
    assert [problem.column for problem in caught.value.problems] == ["c"]
    with pytest.raises(DataError, match=r"a, 1 edition\(s\) before"):
        disclosure.protect(cells, [Earlier("a", 1)], K)


def test_what_was_hidden_before_stays_hidden():
    cells = editions(FIRST, ["a", "c"], FIRST, K)
    pattern = disclosure.protect(cells, [], K)
    assert {"a", "c"} <= pattern.hidden and disclosure.too_certain(cells, pattern.hidden, K) == {}


def test_an_edition_is_tied_to_all_before_it():
    two = editions(FIRST, [], Cells({"all": 90, "a": 50, "b": 25, "c": 15}, FIRST.sums), K)
    three = editions(two, [], Cells({"all": 62, "a": 22, "b": 25, "c": 15}, FIRST.sums), K)
    assert three.values[Earlier("a", 1)] == 50 and three.values[Earlier("a", 2)] == 20
    assert {Change("a", 2), Change("all", 2)} == three.hidden


# --- tables that hang together


def test_a_cell_that_stands_in_two_tables_is_one():
    """The small cell would hide behind the south, but the other table tells that one."""
    by_site = Cells(
        {"all": 103, "north": 3, "south": 40, "west": 60}, (("all", ("north", "south", "west")),)
    )
    by_team = Cells({"south": 40, "s1": 20, "s2": 20}, (("south", ("s1", "s2")),))
    assert disclosure.protect(by_site, ["north"], K).added == {"south"}
    both = together(by_site, by_team)
    assert disclosure.too_certain(both, ["north", "south"], K) == {
        "north": (3, 3),
        "south": (40, 40),
    }
    assert disclosure.protect(both, ["north"], K).added == {"west"}
    with pytest.raises(ValueError, match="'south' is 40 in one table and 39 in another"):
        together(by_site, Cells({"south": 39}, ()))


def test_a_total_counts_twice_so_that_it_is_kept():
    """The company's 60, or 57 and 5 of a site and its team: 120 against 119, as a site is a total
    too.
    """
    sums = (("all", ("north", "south")), ("south", ("s1", "s2")))
    cells = Cells({"all": 60, "north": 3, "south": 57, "s1": 52, "s2": 5}, sums)
    assert disclosure.protect(cells, ["north"], K).added == {"south", "s2"}


# --- what must be hidden for itself


@pytest.mark.parametrize(
    ("people", "more", "reason"),
    [
        (10, {}, None),
        (9, {}, "fewer than 10 people"),
        (0, {"managers": {"x": 0}, "smaller": {"x": 0}}, None),
        (10, {"managers": {"x": 3}}, None),
        (10, {"managers": {"x": 2}}, "fewer than 3 managers"),
        (10, {"managers": {}}, "fewer than 3 managers"),
        (40, {"smaller": {"x": 10}}, None),
        (40, {"smaller": {}}, None),
        (40, {"smaller": {"x": 9}}, "fewer than 10 people with another answer"),
        (40, {"smaller": {"x": 0}}, "fewer than 10 people with another answer"),
        (10, {"amounts": {"x": [42, 42, *[2] * 8]}}, None),
        (10, {"amounts": {"x": [43, 42, *[15 / 8] * 8]}}, "two people hold 85% of it or more"),
        (10, {"amounts": {"x": [0] * 10}}, "all the same amount"),
        (10, {"amounts": {"x": [-1, 1] * 5}}, None),
    ],
)
def test_primary(people, more, reason):
    assert disclosure.primary({"x": people}, 10, **more) == ({"x": reason} if reason else {})


@pytest.mark.golden
def test_groups_that_overlap_tell_their_difference():
    """21 people with a mean of 3.10, 20 of them with 3.00: the one has 5.10."""
    assert round(21 * 3.10 - 20 * 3.00, 10) == 5.10
    assert rule.too_close([21], [20], 5) == [(21, 20)]
    assert rule.too_close([21], [21, 26, 16, 25, 17], 5) == [(21, 17), (21, 25)]


# --- mistakes


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: disclosure.protect(METHODS, [], 4), "not below 5"),
        (lambda: disclosure.primary({}, 4), "not below 5"),
        (lambda: disclosure.protect(METHODS, [(9, 9)], K), r"no cell is named \(9, 9\)"),
        (lambda: disclosure.intervals(METHODS, ["x"]), "no cell is named 'x'"),
        (lambda: editions(FIRST, ["x"], FIRST, K), "no cell is named 'x'"),
        (lambda: disclosure.protect(Cells({"a": None}, ()), [], K), "is missing: 'a'"),
        (lambda: disclosure.intervals(Cells({"a": None}, ()), []), "must be among the hidden"),
        (lambda: Cells({"a": 1.5}, ()), "whole numbers"),
        (lambda: Cells({"a": -1}, ()), "whole numbers"),
        (lambda: Cells({"a": 3, "b": 1}, (("a", ("b",)),)), "'a' is 3, but its parts add up to 1"),
        (lambda: table([[1]], ["total"]), 'none may be "total"'),
        (
            lambda: disclosure.intervals(
                Cells({"a": 3, "b": 4, "c": None}, (("a", ("b", "c")),)), ["c"]
            ),
            "contradict the sums",
        ),
    ],
)
def test_mistakes_are_told(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_cells_that_hang_on_nothing():
    alone = Cells({"a": 3, "b": 30}, ())
    pattern = disclosure.protect(alone, ["a"], K)
    assert pattern.hidden == {"a"} and pattern.lost == 0 and pattern.is_optimal
    assert disclosure.intervals(alone, ["a"]) == {"a": (0, np.inf)}
    assert (
        disclosure.protect(Cells({}, ()), [], K).hidden
        == frozenset()
        == disclosure.protect(METHODS, [], K).hidden
    )

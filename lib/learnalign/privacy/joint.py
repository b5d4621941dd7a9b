"""What rows that are published together tell of hidden ones, as they add up: an attribute's groups
to their whole, either side of a share to its people, units to the company.

It starts from the numbers alone, and misleads as `bounds` says.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from learnalign.privacy import bounds, rule
from learnalign.verdicts import document as results
from learnalign.verdicts.document import Key
from learnalign.verdicts.result import Result

Pages = Mapping[str, Sequence[Result]]  # rows by unit, the company's under ""
Cell = tuple[str, Key, str]  # unit, row, and people or a side of the share
Place = tuple[str, Key]  # unit and row
SIDES = ("people", "yes", "no")
WITHOUT = "a unit without an edition ({})"
ANY = (0, math.inf)  # what is known of a number that is not told


def attribute(row: Result) -> str:
    """The attribute whose value a row is of, by its `group` or `at`; empty for the company."""
    return attribute_of(row.key)


def attribute_of(key: Key) -> str:
    """As `attribute`, of a row's key."""
    _, _, group, at = key
    if group != "company":
        return group.partition("=")[0]
    name, colon, _ = at.partition(": ")
    return name if colon else ""


def told(documents: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What documents that are published together tell of few people by addition and subtraction:
    what, by its place. Empty is good; one document alone is the special case.
    """
    pages = {one["run"].get("unit", ""): results.rows_of(one) for one in documents}
    found: dict[str, str] = {}
    for unit, key, width, side in parts_told(pages, documents[0]):
        place = _place(unit, *key[:2], attribute_of(key) or key[3])
        found.setdefault(place, f"hidden groups are known within {width:g} {side}")
    for unit, key in nearly_all(pages, documents[0]):
        found[_place(unit, *key)] = "is on nearly all people of the company's row"
    for unit, key in lonely(pages, documents[0]):
        found[_place(unit, *key)] = "is hidden in one unit alone: the rest tells it"
    return found


def _place(*names: str) -> str:
    return " / ".join(filter(None, names))


def _units(pages: Pages, document: Mapping[str, Any]) -> list[str]:
    """The units beside the company, where all with an edition are there: else nothing adds up."""
    units = sorted(set(pages) - {""})
    missing = set(document["run"].get("units", units)) - set(units)
    return units if "" in pages and not missing else []


def nearly_all(pages: Pages, document: Mapping[str, Any]) -> Iterator[Place]:
    """Rows of units on so many of the people of the company's row that those who are not in it may
    be few.
    """
    run = document["run"]
    units, base = _units(pages, document), run["rounded_to"] or 1
    people = {
        unit: {row.key: row.n_people for row in rows if row.shown and row.n_people}
        for unit, rows in pages.items()
    }
    dark = {unit: {row.key for row in pages[unit] if not row.shown} for unit in units}
    for unit in units:
        others = [other for other in units if other != unit]
        for key in sorted(people[unit].keys() & people[""].keys()):
            if not run.get("units_hidden") and not any(key in dark[other] for other in others):
                continue  # those who are not in it are all told of
            elsewhere = sum(people[other].get(key, 0) for other in others)
            left = people[""][key] - people[unit][key] - (base - 1)
            if max(left, elsewhere) < run["min_group"]:
                yield unit, key


def lonely(pages: Pages, document: Mapping[str, Any]) -> Iterator[Place]:
    """Estimates that are hidden in one unit alone: the unit, empty where it has no edition, and the
    row's key. Of counts, `parts_told` looks.
    """
    units, without = _units(pages, document), document["run"].get("units_hidden", 0)
    rows = {unit: {row.key: row for row in pages[unit]} for unit in ("", *units) if units}
    for key, row in rows.get("", {}).items():
        if row.estimate is None or (row.design == "described" and row.unit == "%"):
            continue
        bare = [unit for unit in units if key not in rows[unit] or rows[unit][key].estimate is None]
        gone = [unit for unit in bare if key in rows[unit] and not rows[unit][key].shown]
        if len(bare) + without == 1 and (gone or without):
            yield (gone or [""])[0], key


def parts_told(pages: Pages, document: Mapping[str, Any]) -> Iterator[tuple[str, Key, float, str]]:
    """Hidden rows that are known too closely from shown ones, as (unit, key, within how many,
    people or which side).

    `pages`: rows by unit, of all that is published together; `document`: any of its documents, for
    what they share. A unit without an edition is a page of which every row is hidden; of several,
    two stand for all.
    """
    run, named = document["run"], set(document["data"]["attributes"])
    units, pages = _units(pages, document), dict(pages)
    for number in range(min(run.get("units_hidden", 0), 2) if units else 0):
        units.append(WITHOUT.format(number + 1))
        pages[units[-1]] = _dark(pages[""])
    held = {unit: _adding(rows, named) for unit, rows in pages.items()}
    wanted = [
        (unit, row.key, side)
        for unit, rows in held.items()
        for row in rows
        if not row.shown
        for side in _sides(row.unit)
    ]
    for unit in units:
        held[unit] += _unnamed(held, unit, units)
    if all(row.shown for rows in held.values() for row in rows):
        return
    ends = _ends(held, run["rounded_to"] or 1)
    sums = [one for unit, rows in held.items() for one in _of_page(unit, rows, named)]
    for cell in (cell for one in sums for cell in one):
        ends.setdefault(cell, ANY)
    sums += _of_units(ends, units)
    # What a row says of itself is surest, then how many people there are, then on either side
    sums.sort(key=lambda one: (len({cell[2] for cell in one}) == 1, next(iter(one))[2] != "people"))
    known = bounds.narrow(ends, sums, wanted, run["min_group"])
    for (unit, key, side), (low, high) in known.items():
        yield unit, key, high - low, side


def _ends(held: Pages, base: int) -> dict[Cell, bounds.Ends]:
    """What each row says by itself: of people, one of the `base` numbers that are rounded to it."""
    ends: dict[Cell, bounds.Ends] = {}
    for unit, rows in held.items():
        for row in rows:
            ends |= dict.fromkeys(((unit, row.key, side) for side in _sides(row.unit)), ANY)
            if _is_told(row):
                ends[unit, row.key, "people"] = (row.n_people, row.n_people + base - 1)
    return ends


def _dark(rows: Sequence[Result]) -> list[Result]:
    return [rule.hidden(row, "few") for row in rows]


def _unnamed(held: Pages, unit: str, units: Sequence[str]) -> list[Result]:
    """Hidden rows for groups of which a unit's page says nothing, where that does not mean that
    nobody is in them.

    It does not for attributes of which the company's page names a group and no unit's does: a row
    on too few may be left out. Else whoever is in no row of a page is not there.
    """
    named = {row.key for one in units for row in held[one]}
    odd = {(row.key[:2], attribute(row)) for row in held[""] if row.key not in named}
    own = {row.key for row in held[unit]}
    return _dark(
        [
            row
            for row in held[""]
            if attribute(row) and row.key not in own and (row.key[:2], attribute(row)) in odd
        ]
    )


def _of_page(unit: str, rows: Sequence[Result], named: set[str]) -> Iterator[dict[Cell, float]]:
    """What adds up on one page: shares and their people, and groups and their whole."""
    for row in rows:
        yield from _of_share(unit, row) if row.unit == "%" else ()
    for whole, parts, sides in _parts(rows, named):
        for side in sides:
            yield {(unit, whole, side): 1.0} | {(unit, key, side): -1.0 for key in parts}


def _of_units(ends: Mapping[Cell, Any], units: Sequence[str]) -> list[dict[Cell, float]]:
    """The company's people are those of its units, row by row; a row that no unit's page has is no
    sum.
    """
    found = []
    for unit, key, side in ends:
        parts = {(one, key, side): -1.0 for one in units if (one, key, side) in ends}
        if unit == "" and side in SIDES and parts:
            found.append({("", key, side): 1.0} | parts)
    return found


def _adding(rows: Sequence[Result], named: set[str]) -> list[Result]:
    """The rows on people who can be added up: not differences between groups, where all stand on
    everybody.
    """
    odd = {
        (row.key[:2], attribute(row))
        for row in rows
        if row.shown and row.estimate is not None
        if row.design != "described" or row.n_people is None
    }
    return [
        row
        for row in rows
        if row.design == "described"
        and (row.key[:2], attribute(row)) not in odd
        and attribute(row) in {"", *named}
    ]


def _sides(unit: str) -> tuple[str, ...]:
    return SIDES if unit == "%" else SIDES[:1]


def _parts(
    rows: Sequence[Result], named: set[str]
) -> Iterator[tuple[Key, list[Key], tuple[str, ...]]]:
    """What adds up to a whole on a page: the key of the whole, those of an attribute's groups, and
    on which sides.

    Where several rows are on the company, which of them is the whole is not known: then the whole
    is a number that no row tells. One group of one attribute alone is no sum.
    """
    groups, wholes = defaultdict(list), defaultdict(list)
    for row in rows:
        of, name = (row.question, row.measure, row.unit), attribute(row)
        if name:
            groups[*of, name, row.at if row.group != "company" else ""].append(row.key)
        else:
            wholes[of].append(row)
    for (*of, _, same), keys in groups.items():
        question, measure, unit = of
        if len(keys) == 1 and sum([*one[:3]] == of for one in groups) == 1:
            continue
        alls = [row.key for row in wholes[*of] if not same or row.at == same]
        yield alls[0] if len(alls) == 1 else (question, measure, "", same), keys, _sides(unit)


def _is_told(row: Result) -> bool:
    return row.shown and row.estimate is not None and row.n_people is not None


def _of_share(unit: str, row: Result) -> Iterator[dict[Cell, float]]:
    """Those on either side are all people; and where the share is told, that many of them, but for
    its rounding.
    """
    people, yes, no = ((unit, row.key, side) for side in SIDES)
    yield {people: 1.0, yes: -1.0, no: -1.0}
    if _is_told(row):
        off = 0.05 if row.n_people >= 1000 else 0.5  # as `judge.describe` rounds shares
        for sign, end in ((-1, "above"), (1, "below")):
            share = (row.estimate + sign * off) / 100
            yield {yes: 1.0, people: -share, (unit, row.key, end): float(sign)}

"""What an edition tells of few people: the rules that its results must keep, read from its numbers
alone.

The gate asks before an edition is published, an audit afterwards. Every rule starts from the
numbers in the document and from those of other editions. It does not know the data, nor what people
know of each other, nor an edition that it is not shown: finding nothing is no proof.
"""

import datetime as dt
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from learnalign.privacy import bounds, counts, rule
from learnalign.verdicts import document as results
from learnalign.verdicts.document import Key, Line
from learnalign.verdicts.result import Result

Pages = Mapping[str, Sequence[Result]]  # rows by unit, the company's under ""
Cell = tuple[str, Key, str]  # unit, row, and people or a side of the share
SIDES = ("people", "yes", "no")
WITHOUT = "a unit without an edition ({})"
SOON = 80  # days: what an edition hid is hidden for about a quarter
BEFORE = "before"  # why a row is hidden that an edition of nearly the same data hid


@dataclass(frozen=True)
class Finding:
    """Something that an edition tells and must not: where, what, and what to do about it."""

    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n    Do: {self.fix}"


AGAIN = (
    "take the edition back, run it again, and tell the maintainers: the gate should have stopped it"
)


# --- what a row is


def figures(row: Result) -> tuple[float | None, float | None, float | None, int | None, bool]:
    """What the ledger keeps of a row that describes: its figures, its people, and whether it is
    told in steps.
    """
    return row.estimate, row.low, row.high, row.n_people, row.step is not None


def line_of(document: Mapping[str, Any]) -> Line:
    """What the ledger keeps of a document that passed the gate."""
    run, data, rows = document["run"], document["data"], results.rows_of(document)
    exact = counts.pool(document) if run["rounded_to"] is None else {"people": (), "rows": ()}
    described = [
        row for row in rows if row.design == "described" and row.shown and row.estimate is not None
    ]
    gone = tuple(row.key for row in rows if not row.shown and row.reason != BEFORE)
    digest = hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()
    return Line(
        run["run_id"],
        run["report"],
        run["as_of"],
        data["title"],
        data["fingerprint"],
        run["min_group"],
        run["rounded_to"],
        tuple(exact["people"]),
        tuple(exact["rows"]),
        tuple((row.key, *figures(row)) for row in described),
        gone,
        digest,
        run.get("unit", ""),
    )


def of_same(lines: Sequence[Line], document: Mapping[str, Any]) -> list[Line]:
    """The editions of the same data set: by its title, or by its bytes under another one.

    Of another unit's edition only the exact counts are kept: its rows are on other people.
    """
    data, unit = document["data"], document["run"].get("unit", "")
    same = [
        line
        for line in lines
        if line.title == data["title"] or line.fingerprint == data["fingerprint"]
    ]
    return [line if line.unit == unit else replace(line, figures=(), hidden=()) for line in same]


def is_soon_after(line: Line, document: Mapping[str, Any]) -> bool:
    """Whether two editions lie so close in time that they are of nearly the same data."""
    days = (
        dt.date.fromisoformat(document["run"]["as_of"]) - dt.date.fromisoformat(line.as_of)
    ).days
    return abs(days) < SOON or line.fingerprint == document["data"]["fingerprint"]


def is_near(people: int | None, base: int, then: int | None, line: Line, min_group: int) -> bool:
    """Whether two counts, rounded down to multiples of `base` and of the line's, may differ by less
    than `min_group`.

    A count that is not known may.
    """
    if people is None or then is None:
        return True
    least = max(people - (then + (line.rounded_to or 1) - 1), then - (people + base - 1))
    return least < max(min_group, line.min_group)


def _is_coarse(estimate: float, unit: str, people: int | None, min_group: int) -> bool:
    """Whether a figure is a multiple of a step that is large enough, as far as that can be seen."""
    least = rule.step(100.0 if unit == "%" else abs(estimate), people, min_group)
    exponent = math.floor(math.log10(least)) if least else 0
    steps = [size * 10.0**power for power in range(exponent, exponent + 3) for size in (1, 2, 5)]
    near = (estimate / one - round(estimate / one) for one in steps if one >= least * (1 - 1e-9))
    return estimate == 0 or any(abs(off) < 1e-6 for off in near)


def is_of_all_or_none(row: Result) -> bool:
    """Whether a share says something about each one: 0 % or 100 %, but for facts of how records
    were kept.
    """
    return row.unit == "%" and row.estimate in (0.0, 100.0) and row.at not in rule.OPEN


def companies_of(row: Result, rows: Sequence[Result]) -> list[Result]:
    """The rows on the whole company that a row on a group of it stands beside."""
    if not attribute(row):
        return []
    return [
        one
        for one in rows
        if (one.question, one.measure, one.unit) == (row.question, row.measure, row.unit)
        and not attribute(one)
        and one.shown
        and one.n_people is not None
    ]


def attribute(row: Result) -> str:
    """The attribute whose value a row is of, as written in `group` or `at`; empty for the company."""
    return attribute_of(row.key)


def attribute_of(key: Key) -> str:
    """As `attribute`, of a row's key."""
    _, _, group, at = key
    if group != "company":
        return group.partition("=")[0]
    name, colon, _ = at.partition(": ")
    return name if colon else ""


# --- what an edition says


def found(document: Mapping[str, Any], past: Sequence[Line]) -> list[Finding]:
    """What a document tells of few people, by itself and beside the `past` editions of the same
    data; empty is good.

    Misleads as the module says.
    """
    rows, run = results.rows_of(document), document["run"]
    told = [] if run["min_group"] >= rule.FLOOR else [("run.min_group", f"is below {rule.FLOOR}")]
    for row in rows:
        place = " / ".join(filter(None, row.key))
        told += [(place, what) for what in _of_row(row, max(run["min_group"], rule.FLOOR))]
        told += [(place, what) for what in _beside_past(row, document, past)]
    told += [*_of_counts(document, past), *_of_flows(document), *_of_pictures(document)]
    return [*(Finding(where, what, AGAIN) for where, what in told), *joint([document])]


def _of_row(row: Result, min_group: int) -> Iterator[str]:
    if not row.shown or row.verdict == "hidden":
        blank = rule.hidden(row, row.reason)
        held = [name for name, value in asdict(row).items() if value != asdict(blank)[name]]
        if held:
            yield f"is hidden and holds {', '.join(held)}"
        return
    if row.estimate is not None and (row.n_people is None or row.n_people < min_group):
        yield f"is shown for fewer than {min_group} people"
    if row.estimate is not None and (row.n_clusters is None or row.n_clusters < rule.MIN_MANAGERS):
        yield f"is shown for fewer than {rule.MIN_MANAGERS} managers"
    if is_of_all_or_none(row):
        yield "says that nobody, or everybody, is so"


def _beside_past(row: Result, document: Mapping[str, Any], past: Sequence[Line]) -> Iterator[str]:
    run = document["run"]
    for line in past:
        if row.shown and is_soon_after(line, document) and row.key in line.hidden:
            yield f"is shown, and {line.report} of {line.as_of} hid it for nearly the same data"
    told = [(tuple(old), line) for line in past for then, *old in line.figures if then == row.key]
    if row.design == "described" and row.shown and row.estimate is not None:
        if any(old == figures(row) for old, _ in told):
            return  # told before: nothing is added
        for old, line in told:
            near = is_near(row.n_people, run["rounded_to"] or 1, old[3], line, run["min_group"])
            ends = [(old[0], old[3], line.min_group)] * old[4]
            ends += [(row.estimate, row.n_people, run["min_group"])] * (row.step is not None)
            if near and not any(
                _is_coarse(value, row.unit, people, least) for value, people, least in ends
            ):
                yield f"and the same in {line.report} of {line.as_of} are on nearly the same people"


def _of_counts(document: Mapping[str, Any], past: Sequence[Line]) -> Iterator[tuple[str, str]]:
    run, pool = document["run"], counts.pool(document)
    if run["rounded_to"] is not None:
        odd = [count for some in pool.values() for count in some if count % run["rounded_to"]]
        if odd or run["rounded_to"] < run["min_group"]:
            yield "counts", f"are said to be rounded and are not: {odd[:3] or run['rounded_to']}"
        return
    for kind, now in pool.items():
        before = [count for line in past for count in getattr(line, kind)]
        for one, other in counts.too_close(now, before, run["min_group"]):
            yield f"counts of {kind}", f"{one} and {other} differ by fewer than {run['min_group']}"


def _of_flows(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    least = document["run"]["min_group"]
    for flow in document["flows"]:
        place = f"flow of {flow['notebook']} / {flow['table']}"
        left = [step["people_left"] for step in flow["steps"] if step["people_left"] is not None]
        if any(later > before or 0 < before - later < least for before, later in pairwise(left)):
            yield (
                place,
                f"the people left before and after a step differ by fewer than {least}, or grow",
            )
        if any(
            0 < step[name] < least
            for step in flow["steps"]
            for name in ("people", "rows")
            if step[name]
        ):
            yield place, f"a step drops fewer than {least} people or rows"


LABELS = ("rating", "target", "missing_pct", "month")


def _of_pictures(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    least = document["run"]["min_group"]
    for one in document["pictures"]:
        place = f"picture {one['kind']} of {one['notebook']}"
        if one["min_group"] < least:
            yield place, f"was made for groups of {one['min_group']}, below {least}"
        for row in one["rows"]:
            held = [
                name
                for name, value in row.items()
                if name not in LABELS and type(value) in (int, float)
            ]
            if row.get("shown") is False and held:
                yield place, f"a hidden row holds {', '.join(held)}"
            if 0 < (row.get("people") or 0) < least:
                yield place, f"a row is on fewer than {least} people"


# --- what adds up


def joint(documents: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What documents that are published together tell of few people by addition and subtraction;
    empty is good.

    One document alone is the special case. Misleads as the module says.
    """
    pages = {one["run"].get("unit", ""): results.rows_of(one) for one in documents}
    found = {}
    for unit, key, width, side in parts_told(pages, documents[0]):
        where = " / ".join(filter(None, (unit, *key[:2], attribute_of(key) or key[3])))
        found.setdefault(where, f"hidden groups are known within {width:g} {side}")
    near, alone = (
        "is on nearly all people of the company's row",
        "is hidden in one unit alone: the rest tells it",
    )
    for what, rows in (
        (near, nearly_all(pages, documents[0])),
        (alone, lonely(pages, documents[0])),
    ):
        found |= {" / ".join(filter(None, (unit, *key))): what for unit, key in rows}
    return [Finding(where, what, AGAIN) for where, what in found.items()]


def _units(pages: Pages, document: Mapping[str, Any]) -> list[str]:
    """The units beside the company, where all that have an edition are there: else nothing adds up."""
    units = sorted(set(pages) - {""})
    return (
        units
        if "" in pages and units and not set(document["run"].get("units", units)) - set(units)
        else []
    )


def nearly_all(pages: Pages, document: Mapping[str, Any]) -> Iterator[tuple[str, Key]]:
    """Rows of units on so many of the people of the company's row that those who are not in it may
    be few.
    """
    least, base = document["run"]["min_group"], document["run"]["rounded_to"] or 1
    people = {
        one: {row.key: row.n_people for row in rows if row.shown and row.n_people}
        for one, rows in pages.items()
    }
    units, without = _units(pages, document), document["run"].get("units_hidden", 0)
    dark = {unit: {row.key for row in pages[unit] if not row.shown} for unit in units}
    for unit in units:
        for key in sorted(people[unit].keys() & people[""].keys()):
            others = [other for other in units if other != unit]
            if not without and not any(key in dark[other] for other in others):
                continue  # those who are not in it are all told of
            told = sum(people[other].get(key, 0) for other in others)
            if max(people[""][key] - people[unit][key] - (base - 1), told) < least:
                yield unit, key


def lonely(pages: Pages, document: Mapping[str, Any]) -> Iterator[tuple[str, Key]]:
    """Estimates that are hidden in one unit alone: the unit, empty where it has no edition, and the
    row's key.
    """
    units, without = _units(pages, document), document["run"].get("units_hidden", 0)
    rows = {unit: {row.key: row for row in pages[unit]} for unit in ("", *units) if units}
    for key, row in rows.get("", {}).items():
        if row.estimate is None or (
            row.design == "described" and row.unit == "%"
        ):  # of counts, `parts_told` looks
            continue
        bare = [unit for unit in units if key not in rows[unit] or rows[unit][key].estimate is None]
        gone = [unit for unit in bare if key in rows[unit] and not rows[unit][key].shown]
        if len(bare) + without == 1 and (gone or without):
            yield (gone or [""])[0], key


def parts_told(pages: Pages, document: Mapping[str, Any]) -> Iterator[tuple[str, Key, float, str]]:
    """Hidden rows that are known too closely from shown ones, as (unit, key, within how many,
    people or which side).

    `pages`: rows by unit, of all that is published together; `document`: any of its documents, for
    what they share. An attribute's groups add up to the whole, those on either side of a share to
    its people, and units to the company. A unit without an edition is a page of which every row is
    hidden; of several, two stand for all.
    """
    run, named = document["run"], set(document["data"]["attributes"])
    units, pages = _units(pages, document), dict(pages)
    for number in range(min(run.get("units_hidden", 0), 2) if units else 0):
        units.append(WITHOUT.format(number + 1))
        pages[units[-1]] = tuple(rule.hidden(row, "few") for row in pages[""])
    held = {unit: _adding(rows, named) for unit, rows in pages.items()}
    wanted = [
        (unit, row.key, side)
        for unit, rows in held.items()
        for row in rows
        if not row.shown
        for side in _sides(row)
    ]
    for unit in units:
        held[unit] += _unnamed(held, unit, units)
    if all(row.shown for rows in held.values() for row in rows):
        return
    ends: dict[Cell, bounds.Ends] = {}
    sums: list[dict[Cell, float]] = []
    for unit, rows in held.items():
        for row in rows:
            people = (
                (row.n_people, row.n_people + (run["rounded_to"] or 1) - 1)
                if _is_told(row)
                else (0, math.inf)
            )
            ends |= {
                (unit, row.key, side): people if side == "people" else (0, math.inf)
                for side in _sides(row)
            }
            for sum_ in _of_share(unit, row) if row.unit == "%" else ():
                ends |= {cell: (0, math.inf) for cell in sum_ if cell not in ends}
                sums.append(sum_)
        for whole, parts, sides in _parts(rows, named):
            ends |= {
                (unit, whole, side): (0, math.inf)
                for side in sides
                if (unit, whole, side) not in ends
            }
            sums += [
                {(unit, whole, side): 1} | {(unit, key, side): -1 for key in parts}
                for side in sides
            ]
    sums += [*_of_units(ends, units)]
    # What a row says of itself is surest, then how many people there are, then how many on either
    # side
    sums.sort(
        key=lambda one: (len({side for *_, side in one}) == 1, next(iter(one))[2] != "people")
    )
    for (unit, key, side), (low, high) in bounds.narrow(
        ends, sums, wanted, run["min_group"]
    ).items():
        yield unit, key, high - low, side


def _unnamed(held: Pages, unit: str, units: Sequence[str]) -> list[Result]:
    """Hidden rows for groups of which a unit's page says nothing, where that does not mean that
    nobody is in them.

    It does not for attributes of which the company's page names a group and no unit's does: a row
    on too few may be left out. Else whoever is in no row of a page is not there.
    """
    named = {row.key for one in units for row in held[one]}
    odd = (
        {(row.key[:2], attribute(row)) for row in held[""] if row.key not in named}
        if units
        else set()
    )
    own = {row.key for row in held[unit]}
    return [
        rule.hidden(row, "few")
        for row in held[""]
        if attribute(row) and row.key not in own and (row.key[:2], attribute(row)) in odd
    ]


def _of_units(ends: Mapping[Cell, Any], units: Sequence[str]) -> Iterator[dict[Cell, float]]:
    """The company's people are those of its units, row by row; a row that no unit's page has is no
    sum.
    """
    for one, key, side in [*ends]:
        parts = {(unit, key, side): -1.0 for unit in units if (unit, key, side) in ends}
        if one == "" and side in SIDES and parts:
            yield {("", key, side): 1.0} | parts


def _adding(rows: Sequence[Result], named: set[str]) -> list[Result]:
    """The rows on people who can be added up: not differences between groups, where all stand on
    everybody.
    """
    told = [row for row in rows if row.shown and row.estimate is not None]
    odd = {
        (row.key[:2], attribute(row))
        for row in told
        if row.design != "described" or row.n_people is None
    }
    return [
        row
        for row in rows
        if row.design == "described"
        and (row.key[:2], attribute(row)) not in odd
        and (not attribute(row) or attribute(row) in named)
    ]


def _sides(row: Result) -> tuple[str, ...]:
    return SIDES if row.unit == "%" else SIDES[:1]


def _parts(
    rows: Sequence[Result], named: set[str]
) -> Iterator[tuple[Key, list[Key], tuple[str, ...]]]:
    """What adds up to a whole on a page: the key of the whole, those of an attribute's groups, and
    on which sides.

    Where several rows are on the company, which of them is the whole is not known: then the whole
    is a number that no row tells. One group of one attribute alone is no sum.
    """
    groups: dict[tuple[Any, ...], list[Key]] = {}
    for row in rows:
        if name := attribute(row):
            same = row.at if row.group != "company" else ""
            groups.setdefault((row.question, row.measure, row.unit, name, same), []).append(row.key)
    for (question, measure, unit, _, same), keys in groups.items():
        if (
            len(keys) == 1
            and len([one for one in groups if one[:3] == (question, measure, unit)]) == 1
        ):
            continue
        alls = [
            row
            for row in rows
            if (row.question, row.measure, row.unit) == (question, measure, unit)
            and not attribute(row)
            and (row.at == same or not same)
        ]
        whole = alls[0].key if len(alls) == 1 else (question, measure, "", same)
        yield whole, keys, SIDES if unit == "%" else SIDES[:1]


def _is_told(row: Result) -> bool:
    return row.shown and row.estimate is not None and row.n_people is not None


def _of_share(unit: str, row: Result) -> Iterator[dict[Cell, float]]:
    """Those on either side are all people; and where the share is told, that many of them, but for
    its rounding.
    """
    people, yes, no = ((unit, row.key, side) for side in SIDES)
    yield {people: 1, yes: -1, no: -1}
    if _is_told(row):
        off = 0.05 if row.n_people >= 1000 else 0.5  # as `verdicts.describe` rounds shares
        yield {yes: 1, people: -(row.estimate - off) / 100, (unit, row.key, "above"): -1}
        yield {yes: 1, people: -(row.estimate + off) / 100, (unit, row.key, "below"): 1}

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

from learnalign.privacy import counts, joint, rule
from learnalign.verdicts import document as results
from learnalign.verdicts.document import Line
from learnalign.verdicts.result import Result

SOON = 80  # days: what an edition hid is hidden for about a quarter
BEFORE = "before"  # why a row is hidden that an edition of nearly the same data hid
LABELS = ("rating", "target", "missing_pct", "month")  # numbers in a picture that are no figures
AGAIN = (
    "take the edition back, run it again, and tell the maintainers: the gate should have stopped it"
)
Told = Iterator[tuple[str, str]]  # where, and what


@dataclass(frozen=True)
class Finding:
    """Something that an edition tells and must not: where, what, and what to do about it."""

    where: str
    what: str
    fix: str = AGAIN

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n    Do: {self.fix}"


def found(document: Mapping[str, Any], past: Sequence[Line]) -> list[Finding]:
    """What a document tells of few people, by itself and beside the `past` editions of the same
    data; empty is good.

    Misleads as the module says.
    """
    rules = (_of_rule, _of_rows, _of_flows, _of_pictures)
    told = [one for rule in rules for one in rule(document)]
    told += [*_of_past(document, past), *_of_counts(document, past)]
    return [*(Finding(*one) for one in told), *together([document])]


def together(documents: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What documents that are published together tell, as `joint.told`."""
    return [Finding(*one) for one in joint.told(documents).items()]


# --- what the ledger keeps


def figures(row: Result) -> tuple[float | None, float | None, float | None, int | None, bool]:
    """What the ledger keeps of a row that describes: its figures, its people, and whether it is
    told in steps.
    """
    return row.estimate, row.low, row.high, row.n_people, row.step is not None


def describes(row: Result) -> bool:
    """Whether a row shows a figure that describes."""
    return row.design == "described" and row.shown and row.estimate is not None


def line_of(document: Mapping[str, Any]) -> Line:
    """What the ledger keeps of a document that passed the gate."""
    run, data, rows = document["run"], document["data"], results.rows_of(document)
    exact = counts.pool(document) if run["rounded_to"] is None else {"people": (), "rows": ()}
    return Line(
        **{name: run[name] for name in ("run_id", "report", "as_of", "min_group", "rounded_to")},
        title=data["title"],
        fingerprint=data["fingerprint"],
        people=tuple(exact["people"]),
        rows=tuple(exact["rows"]),
        figures=tuple((row.key, *figures(row)) for row in rows if describes(row)),
        hidden=tuple(row.key for row in rows if not row.shown and row.reason != BEFORE),
        digest=hashlib.sha256(
            json.dumps(document, sort_keys=True, default=str).encode()
        ).hexdigest(),
        unit=run.get("unit", ""),
    )


def of_same(lines: Sequence[Line], document: Mapping[str, Any]) -> list[Line]:
    """The editions of the same data set: by its title, or by its bytes under another one.

    Of another unit's edition only the exact counts are kept: its rows are on other people.
    """
    data, unit = document["data"], document["run"].get("unit", "")
    return [
        line if line.unit == unit else replace(line, figures=(), hidden=())
        for line in lines
        if line.title == data["title"] or line.fingerprint == data["fingerprint"]
    ]


def is_soon_after(line: Line, document: Mapping[str, Any]) -> bool:
    """Whether two editions lie so close in time that they are of nearly the same data."""
    then, now = (dt.date.fromisoformat(one) for one in (line.as_of, document["run"]["as_of"]))
    return abs((now - then).days) < SOON or line.fingerprint == document["data"]["fingerprint"]


def is_near(people: int | None, base: int, then: int | None, line: Line, min_group: int) -> bool:
    """Whether two counts, rounded down to multiples of `base` and of the line's, may differ by less
    than `min_group`.

    A count that is not known may.
    """
    if people is None or then is None:
        return True
    least = max(people - (then + (line.rounded_to or 1) - 1), then - (people + base - 1))
    return least < max(min_group, line.min_group)


# --- rows


def is_of_all_or_none(row: Result) -> bool:
    """Whether a share says something about each one: 0 % or 100 %, but for facts of how records
    were kept.
    """
    return row.unit == "%" and row.estimate in (0.0, 100.0) and row.at not in rule.OPEN


def _of_rule(document: Mapping[str, Any]) -> Told:
    if document["run"]["min_group"] < rule.FLOOR:
        yield "run.min_group", f"is below {rule.FLOOR}"


def _of_rows(document: Mapping[str, Any]) -> Told:
    least = rule.Rule(max(document["run"]["min_group"], rule.FLOOR))
    for row in results.rows_of(document):
        is_hidden = not row.shown or row.verdict == "hidden"
        for what in _of_hidden(row) if is_hidden else _of_shown(row, least):
            yield " / ".join(filter(None, row.key)), what


def _of_hidden(row: Result) -> Iterator[str]:
    blank = asdict(rule.hidden(row, row.reason))
    if held := [name for name, value in asdict(row).items() if value != blank[name]]:
        yield f"is hidden and holds {', '.join(held)}"


def _of_shown(row: Result, least: rule.Rule) -> Iterator[str]:
    needed = {
        "people": (row.n_people, least.min_group),
        "managers": (row.n_clusters, least.managers),
    }
    for what, (got, least_of_them) in needed.items():
        if row.estimate is not None and (got or 0) < least_of_them:
            yield f"is shown for fewer than {least_of_them} {what}"
    if is_of_all_or_none(row):
        yield "says that nobody, or everybody, is so"


def _of_past(document: Mapping[str, Any], past: Sequence[Line]) -> Told:
    for row in results.rows_of(document):
        told = [(old, line) for line in past for then, *old in line.figures if then == row.key]
        is_known = any(tuple(old) == figures(row) for old, _ in told)  # then nothing is added
        before = [line for line in past if row.key in line.hidden and is_soon_after(line, document)]
        seen = told if describes(row) and not is_known else []
        beside = [line for old, line in seen if _tells(row, document["run"], old, line)]
        place, edition = " / ".join(filter(None, row.key)), "{0.report} of {0.as_of}".format
        for line in before if row.shown else ():
            yield place, f"is shown, and {edition(line)} hid it for nearly the same data"
        for line in beside:
            yield place, f"and the same in {edition(line)} are on nearly the same people"


def _tells(row: Result, run: Mapping[str, Any], old: Sequence[Any], line: Line) -> bool:
    """Whether a row that describes, and an earlier one, tell by which people they differ."""
    estimate, _, _, people, is_in_steps = old
    ends = [(estimate, people, line.min_group)] * is_in_steps
    ends += [(row.estimate, row.n_people, run["min_group"])] * (row.step is not None)
    is_coarse = any(_is_coarse(value, row.unit, n, least) for value, n, least in ends)
    base = run["rounded_to"] or 1
    return is_near(row.n_people, base, people, line, run["min_group"]) and not is_coarse


def _is_coarse(estimate: float, unit: str, people: int | None, min_group: int) -> bool:
    """Whether a figure is a multiple of a step that is large enough, as far as that can be seen."""
    least = rule.step(100.0 if unit == "%" else abs(estimate), people, min_group)
    exponent = math.floor(math.log10(least)) if least else 0
    steps = [size * 10.0**power for power in range(exponent, exponent + 3) for size in (1, 2, 5)]
    near = (estimate / one - round(estimate / one) for one in steps if one >= least * (1 - 1e-9))
    return estimate == 0 or any(abs(off) < 1e-6 for off in near)


# --- counts, flows and pictures


def _of_counts(document: Mapping[str, Any], past: Sequence[Line]) -> Told:
    run, pool = document["run"], counts.pool(document)
    base, least = run["rounded_to"], run["min_group"]
    if base is not None:
        odd = [count for some in pool.values() for count in some if count % base]
        if odd or base < least:
            yield "counts", f"are said to be rounded and are not: {odd[:3] or base}"
        return
    for kind, now in pool.items():
        before = [count for line in past for count in getattr(line, kind)]
        for one, other in counts.too_close(now, before, least):
            yield f"counts of {kind}", f"{one} and {other} differ by fewer than {least}"


def _of_flows(document: Mapping[str, Any]) -> Told:
    least = document["run"]["min_group"]
    for flow in document["flows"]:
        place = f"flow of {flow['notebook']} / {flow['table']}"
        left = [step["people_left"] for step in flow["steps"] if step["people_left"] is not None]
        if any(later > before or 0 < before - later < least for before, later in pairwise(left)):
            what = "the people left before and after a step differ by fewer than"
            yield place, f"{what} {least}, or grow"
        drops = [step[name] for step in flow["steps"] for name in ("people", "rows")]
        if any(0 < (drop or 0) < least for drop in drops):
            yield place, f"a step drops fewer than {least} people or rows"


def _of_pictures(document: Mapping[str, Any]) -> Told:
    least = document["run"]["min_group"]
    for one in document["pictures"]:
        place = f"picture {one['kind']} of {one['notebook']}"
        if one["min_group"] < least:
            yield place, f"was made for groups of {one['min_group']}, below {least}"
        for row in one["rows"]:
            numbers = [name for name, value in row.items() if type(value) in (int, float)]
            held = [name for name in numbers if name not in LABELS]
            if row.get("shown") is False and held:
                yield place, f"a hidden row holds {', '.join(held)}"
            if 0 < (row.get("people") or 0) < least:
                yield place, f"a row is on fewer than {least} people"

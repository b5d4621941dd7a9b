"""What an edition tells of few people: the rules that its results must keep, read from its numbers alone.

The gate asks before an edition is published, an audit afterwards. Every rule starts from the numbers in the document
and from those of other editions. It does not know the data, nor what people know of each other, nor an edition that
it is not shown: finding nothing is no proof.
"""

import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from typing import Any

from learnalign import privacy, results
from learnalign.records import Result
from learnalign.results import Line

SOON = 80  # days: what an edition hid is hidden for about a quarter
BEFORE = "an edition of nearly the same data hid it, and both can be laid side by side"
STEPS = "Rounded to steps of"  # how the note of a row begins that is told in steps


@dataclass(frozen=True)
class Finding:
    """Something that an edition tells and must not: where, what, and what to do about it."""

    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n    Do: {self.fix}"


AGAIN = "take the edition back, run it again, and tell the maintainers: the gate should have stopped it"


# --- what a row is -----------------------------------------------------------------------


def figures(row: Result) -> tuple[float | None, float | None, float | None, int | None, bool]:
    """What the ledger keeps of a row that describes: its figures, its people, and whether it is told in steps."""
    return row.estimate, row.low, row.high, row.n_people, STEPS in row.note


def line_of(document: Mapping[str, Any]) -> Line:
    """What the ledger keeps of a document that passed the gate."""
    run, data, rows = document["run"], document["data"], results.rows_of(document)
    exact = privacy.pool(document) if run["rounded_to"] is None else {"people": (), "rows": ()}
    described = [row for row in rows if row.design == "described" and row.shown and row.estimate is not None]
    gone = tuple(row.key for row in rows if not row.shown and BEFORE not in row.sentence)
    digest = hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()
    return Line(
        run["run_id"], run["report"], run["as_of"], data["title"], data["fingerprint"], run["min_group"],
        run["rounded_to"], tuple(exact["people"]), tuple(exact["rows"]),
        tuple((row.key, *figures(row)) for row in described), gone, digest,
    )  # fmt: skip


def of_same(lines: Sequence[Line], document: Mapping[str, Any]) -> list[Line]:
    """The editions of the same data set: by its title, or by its bytes under another one."""
    data = document["data"]
    return [line for line in lines if line.title == data["title"] or line.fingerprint == data["fingerprint"]]


def is_soon_after(line: Line, document: Mapping[str, Any]) -> bool:
    """Whether two editions lie so close in time that they are of nearly the same data."""
    days = (dt.date.fromisoformat(document["run"]["as_of"]) - dt.date.fromisoformat(line.as_of)).days
    return abs(days) < SOON or line.fingerprint == document["data"]["fingerprint"]


def is_near(people: int | None, base: int, then: int | None, line: Line, min_group: int) -> bool:
    """Whether two counts, rounded down to multiples of `base` and of the line's, may differ by less than `min_group`.

    A count that is not known may.
    """
    if people is None or then is None:
        return True
    least = max(people - (then + (line.rounded_to or 1) - 1), then - (people + base - 1))
    return least < max(min_group, line.min_group)


def _is_coarse(estimate: float, unit: str, people: int | None, min_group: int) -> bool:
    """Whether a figure is a multiple of a step that is large enough, as far as that can be seen."""
    least = privacy.step(100.0 if unit == "%" else abs(estimate), people, min_group)
    exponent = math.floor(math.log10(least)) if least else 0
    steps = [size * 10.0**power for power in range(exponent, exponent + 3) for size in (1, 2, 5)]
    near = (estimate / one - round(estimate / one) for one in steps if one >= least * (1 - 1e-9))
    return estimate == 0 or any(abs(off) < 1e-6 for off in near)


def is_of_all_or_none(row: Result) -> bool:
    """Whether a share says something about each one: 0 % or 100 %, but for facts of how records were kept."""
    return row.unit == "%" and row.estimate in (0.0, 100.0) and row.at not in privacy.OPEN


def companies_of(row: Result, rows: Sequence[Result]) -> list[Result]:
    """The rows on the whole company that a row on a group of it stands beside."""
    if not attribute(row):
        return []
    return [
        one for one in rows
        if (one.question, one.measure, one.unit) == (row.question, row.measure, row.unit)
        and not attribute(one) and one.shown and one.n_people is not None
    ]  # fmt: skip


def attribute(row: Result) -> str:
    """The attribute whose value a row is of, as written in `group` or `at`; empty for the company."""
    if row.group != "company":
        return row.group.partition("=")[0]
    name, colon, _ = row.at.partition(": ")
    return name if colon else ""


# --- what an edition says ----------------------------------------------------------------


def found(document: Mapping[str, Any], past: Sequence[Line]) -> list[Finding]:
    """What a document tells of few people, by itself and beside the `past` editions of the same data; empty is good.

    Misleads as the module says.
    """
    rows, run = results.rows_of(document), document["run"]
    told = [] if run["min_group"] >= privacy.FLOOR else [("run.min_group", f"is below {privacy.FLOOR}")]
    for row in rows:
        place = " / ".join(filter(None, row.key))
        told += [(place, what) for what in _of_row(row, max(run["min_group"], privacy.FLOOR))]
        told += [(place, what) for what in _beside_past(row, document, past)]
    told += [*_of_counts(document, past), *_of_flows(document), *_of_pictures(document), *_of_parts(rows, document)]
    return [Finding(where, what, AGAIN) for where, what in told]


def _of_row(row: Result, min_group: int) -> Iterator[str]:
    if not row.shown or row.verdict == "hidden":
        blank = privacy.hidden(row, row.sentence)
        held = [name for name, value in asdict(row).items() if value != asdict(blank)[name]]
        if held:
            yield f"is hidden and holds {', '.join(held)}"
        if set(re.findall(r"\d+", row.sentence)) - {str(min_group), str(privacy.MIN_MANAGERS)}:
            yield "is hidden and its sentence holds a number"
        return
    if row.estimate is not None and (row.n_people is None or row.n_people < min_group):
        yield f"is shown for fewer than {min_group} people"
    if row.estimate is not None and (row.n_clusters is None or row.n_clusters < privacy.MIN_MANAGERS):
        yield f"is shown for fewer than {privacy.MIN_MANAGERS} managers"
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
            ends += [(row.estimate, row.n_people, run["min_group"])] * (STEPS in row.note)
            if near and not any(_is_coarse(value, row.unit, people, least) for value, people, least in ends):
                yield f"and the same in {line.report} of {line.as_of} are on nearly the same people"


def _of_counts(document: Mapping[str, Any], past: Sequence[Line]) -> Iterator[tuple[str, str]]:
    run, pool = document["run"], privacy.pool(document)
    if run["rounded_to"] is not None:
        odd = [count for counts in pool.values() for count in counts if count % run["rounded_to"]]
        if odd or run["rounded_to"] < run["min_group"]:
            yield "counts", f"are said to be rounded and are not: {odd[:3] or run['rounded_to']}"
        return
    for kind, counts in pool.items():
        before = [count for line in past for count in getattr(line, kind)]
        for one, other in privacy.too_close(counts, before, run["min_group"]):
            yield f"counts of {kind}", f"{one} and {other} differ by fewer than {run['min_group']}"


def _of_flows(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    least = document["run"]["min_group"]
    for flow in document["flows"]:
        place = f"flow of {flow['notebook']} / {flow['table']}"
        left = [step["people_left"] for step in flow["steps"] if step["people_left"] is not None]
        if any(later > before or 0 < before - later < least for before, later in pairwise(left)):
            yield place, f"the people left before and after a step differ by fewer than {least}, or grow"
        if any(0 < step[name] < least for step in flow["steps"] for name in ("people", "rows") if step[name]):
            yield place, f"a step drops fewer than {least} people or rows"


LABELS = ("rating", "target", "missing_pct", "month")


def _of_pictures(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    least = document["run"]["min_group"]
    for one in document["pictures"]:
        place = f"picture {one['kind']} of {one['notebook']}"
        if one["min_group"] < least:
            yield place, f"was made for groups of {one['min_group']}, below {least}"
        for row in one["rows"]:
            held = [name for name, value in row.items() if name not in LABELS and type(value) in (int, float)]
            if row.get("shown") is False and held:
                yield place, f"a hidden row holds {', '.join(held)}"
            if 0 < (row.get("people") or 0) < least:
                yield place, f"a row is on fewer than {least} people"


def _of_parts(rows: Sequence[Result], document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for measure, name, width, side in parts_told(rows, document):
        yield f"{' / '.join(measure)} / {name}", f"hidden groups are known within {width:g} {side}"


def parts_told(
    rows: Sequence[Result], document: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, str], str, float, str]]:  # fmt: skip
    """Attributes whose hidden groups are known too closely from the shown ones, and from what others add up to.

    As (question and measure, attribute, within how many, people or which side of a share).
    """
    least, base = document["run"]["min_group"], document["run"]["rounded_to"] or 1
    named = set(document["data"]["attributes"])
    kept = sorted((row for row in rows if attribute(row) in named), key=lambda row: (row.key[:2], attribute(row)))
    for measure, some in groupby(kept, key=lambda row: row.key[:2]):
        parts = {name: list(those) for name, those in groupby(some, key=attribute)}
        shown = [row for those in parts.values() for row in those if row.shown]
        if any(row.design != "described" or row.n_people is None for row in shown):
            continue  # differences between groups, on everybody: nothing adds up
        alls = [one for row in shown[:1] for one in companies_of(row, rows)]
        for side in ("people", "yes", "no") if all(row.unit == "%" for row in shown) else ("people",):
            for name, width in _widths([*parts.values()], alls, side, base).items():
                if width < least:
                    yield measure, name, width, side


def _widths(parts: Sequence[Sequence[Result]], alls: Sequence[Result], side: str, base: int) -> dict[str, float]:
    """By attribute with hidden groups: within how many people its hidden groups are known.

    Groups of an attribute add up to the whole; the whole is known from every attribute that is shown in full, and from
    the company's own row. One hidden group is the rest; of several each is between nobody and all of the rest.
    """
    sums = [_total(those, side, base) for those in (*parts, *([one] for one in alls)) if all(r.shown for r in those)]
    if not sums:
        return {}
    low, high = min(less for less, _ in sums), max(more for _, more in sums)
    found = {}
    for those in parts:
        gone = [row for row in those if not row.shown]
        if gone:
            less, more = _total([row for row in those if row.shown], side, base)
            least = max(low - more, 0) if len(gone) == 1 else 0
            found[attribute(gone[0])] = max(high - less, 0) - least
    return found


def _total(rows: Sequence[Result], side: str, base: int) -> tuple[float, float]:
    """Fewest and most people, or people on one side of the share, that shown rows can stand on together."""
    ends = [(row.n_people, row.n_people + base - 1, row.estimate) for row in rows]
    if side == "people":
        return sum(less for less, _, _ in ends), sum(more for _, more, _ in ends)
    parts = [(less, more, share if side == "yes" else 100 - share) for less, more, share in ends]
    off = [0.05 if less >= 1000 else 0.5 for less, _, _ in parts]  # as `verdicts.describe` rounds shares
    return (
        sum(less * max(share - by, 0) / 100 for (less, _, share), by in zip(parts, off, strict=True)),
        sum(more * min(share + by, 100) / 100 for (_, more, share), by in zip(parts, off, strict=True)),
    )

"""The gate of an edition: the one way from what notebooks found to what is published; and the
ledger of what was.

Whoever has two editions can subtract them. So the gate looks at an edition beside all that was
published before of the same data, which the ledger keeps: published numbers only, a line an
edition, and so fit for a works council.

Whoever has the editions of all units can weigh their estimates against the company's, and so come
near the one that is missing. That tells no count: it is a difference between groups, within what
rounding and the models' other terms leave. But it may be of few people, or of two managers' only;
so no estimate is hidden in one unit alone, and what can be had is that of two units together.
"""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from learnalign.data.mistakes import CONTRACT, Stopped
from learnalign.data.writing import unlinked
from learnalign.privacy import counts, findings, joint, rule
from learnalign.verdicts import document as results
from learnalign.verdicts.document import Line
from learnalign.verdicts.registry import phrases
from learnalign.verdicts.result import UNITS, Result, decimals
from learnalign.verdicts.words import said

COARSEST = 0.2  # of the scale: a figure in larger steps says nothing any more


def gate(documents: Sequence[Mapping[str, Any]], ledger: Sequence[Line]) -> list[dict[str, Any]]:
    """Documents as they may be published together, beside the editions in the `ledger`; the same
    for the same ones.

    Hidden are: rows on few people or managers; shares of nobody or everybody; a group that nearly
    is its company; and what an edition of the same data hid. Rows that describe nearly the people
    of an earlier edition are coarser, and counts are rounded, all of them, where two are too close,
    or where units stand beside the company. Then all that is published together is laid side by
    side, and more is hidden until nothing hidden is known within `run.min_group` people. A hidden
    row keeps its place and carries nothing. What leaves is audited as if it were published:
    `Stopped` (1) when that finds something, as nothing may be published.

    `run.unit` names a document's unit, `run.units` all that have an edition, and `run.units_hidden`
    says how many of the company's units have none: a number of units, not of people, and fit to be
    told, as their names are.

    Misleads about what is not in it: whoever knows people of a group knows more than the numbers
    say, and editions of another title, or on a line of the ledger that is damaged, are not looked
    at.
    """
    units = [one["run"].get("unit", "") for one in documents]
    if len(set(units)) < len(units):
        raise ValueError("two documents are of the same unit")
    several = len(documents) > 1 or any(one["run"].get("units") for one in documents)
    safe = {
        unit: _alone(one, ledger, several)
        for unit, one in sorted(zip(units, documents, strict=True), key=lambda pair: pair[0])
    }
    if len(safe) > 1:
        pages = {unit: results.rows_of(one) for unit, one in safe.items()}
        pages = _together(pages, documents[0] | {"run": next(iter(safe.values()))["run"]})
        safe = {unit: one | {"results": [*map(asdict, pages[unit])]} for unit, one in safe.items()}
    told = [
        f"{unit}: {one}" if unit else str(one)
        for unit, document in safe.items()
        for one in findings.found(document, findings.of_same(ledger, document))
    ]
    told += map(str, findings.together([*safe.values()]) if len(safe) > 1 else ())
    if told:
        text = "The edition would tell of individuals. Nothing was published."
        raise Stopped(1, "\n".join([text, *told]))
    return [safe[unit] for unit in units]


def _alone(document: Mapping[str, Any], ledger: Sequence[Line], several: bool) -> dict[str, Any]:
    """A document as it may be published by itself; with `several`, in counts that are rounded in
    any case.
    """
    past, min_group = findings.of_same(ledger, document), document["run"]["min_group"]
    rows = tuple(map(fine, rule.suppress(results.rows_of(document), min_group)))
    rows = tuple(
        rule.hidden(row, why) if (why := _reason(row, rows, min_group)) else row for row in rows
    )
    earlier = {
        kind: [count for line in past for count in getattr(line, kind)] for kind in counts.KINDS
    }
    told = {**document, "results": [*map(asdict, rows)]}
    safe = counts.rounded(told, min_group, earlier, _base(past, min_group), several)
    base = safe["run"]["rounded_to"] or 1
    rows = tuple(_apart(row, past, base, min_group) for row in results.rows_of(safe))
    gone = {one for line in past if findings.is_soon_after(line, document) for one in line.hidden}
    rows = tuple(
        rule.hidden(row, findings.BEFORE) if row.shown and row.key in gone else row for row in rows
    )
    unit = document["run"].get("unit", "")
    coverage = [
        row | {"detectable_effect": _short(row["detectable_effect"])} for row in safe["coverage"]
    ]
    complete = _complete({unit: rows}, safe)[unit]
    return safe | {"results": [*map(asdict, complete)], "coverage": coverage}


def enter(out: Path, *documents: Mapping[str, Any]) -> tuple[Line, ...]:
    """Write editions into the ledger of `out`, on the disk before this returns: call it before they
    are published.

    A line too many is safe, one too few is not. Lines are appended whole, so that runs side by side
    lose none.
    """
    lines = tuple(map(findings.line_of, documents))
    plain = [json.dumps(asdict(line), ensure_ascii=False, allow_nan=False) for line in lines]
    out.mkdir(parents=True, exist_ok=True)
    path = out / results.LEDGER
    with open(path, "ab", buffering=0, opener=unlinked) as file:
        torn = path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"  # a run that died here
        file.write(b"\n" * torn + "".join(f"{line}\n" for line in plain).encode())
        os.fsync(file.fileno())
    return lines


def _base(past: Sequence[Line], min_group: int) -> int:
    """What counts are rounded down to: two grids laid over each other tell more than either."""
    told = sorted({line.rounded_to for line in past if line.rounded_to})
    base = math.lcm(min_group, *told)
    if base > 4 * min_group:
        raise Stopped(
            CONTRACT,
            f"min_group is {min_group}, and editions of these data were rounded to multiples of "
            f"{', '.join(map(str, told))}: counts on several grids tell each other's digits. "
            f"Nothing was published. Use a min_group that is a multiple of {told[-1]}.",
        )
    return base


# --- digits


def _short(value: float | None) -> float | None:
    """Three digits that say something; none of the others."""
    return value and float(f"{value:.3g}")


def _read(value: float, unit: str, finest: int) -> float:
    """A value with the decimals that are read of it, one more in the usual units, and `finest` if
    that is more; never so that it would be read otherwise.
    """
    seen = decimals(abs(value), unit)
    near = round(value, max(seen + (unit in UNITS), finest))
    return near if round(near, seen) == round(value, seen) else round(value, seen)


def fine(row: Result) -> Result:
    """A row to the digits that are read, or a tenth of its standard error: in seventeen digits
    stands every count.

    >>> 14.91891891891892 == 552 / 37  # and of no share of fewer people
    True
    """
    if row.estimate is None:
        return row
    exact = row.std_error if row.design != "described" else None
    finest = 1 - math.floor(math.log10(exact)) if exact else 0
    values = {name: getattr(row, name) for name in ("estimate", "low", "high")}
    return replace(
        row,
        **{name: value and _read(value, row.unit, finest) for name, value in values.items()},
        df=row.df and float(round(row.df)),
        std_error=_short(row.std_error),
        detectable_effect=_short(row.detectable_effect),
    )


# --- what is hidden


def _reason(row: Result, rows: Sequence[Result], min_group: int) -> str:
    """Why a row that stands on enough people must be hidden all the same; empty where it may be
    shown.
    """
    if not row.shown or row.estimate is None:
        return ""
    if row.n_people is None or row.n_clusters is None:
        return "not counted"
    if findings.is_of_all_or_none(row):
        return "alike"
    of = (row.question, row.measure, row.unit)
    left = [
        (one.n_people or 0) - row.n_people
        for one in rows
        if (one.question, one.measure, one.unit) == of and not joint.attribute(one) and one.shown
    ]
    if joint.attribute(row) and any(0 < people < min_group for people in left):
        return "few outside"
    return ""


def _together(pages: joint.Pages, document: Mapping[str, Any]) -> joint.Pages:
    """Rows by unit, with more hidden in units, and last in the company, until subtraction gives no
    hidden row away.
    """
    before = None
    while before != pages:
        before = pages
        near = set(joint.nearly_all(pages, document))
        pages = _without(pages, near, "nearly all")
        alone = [key for _, key in joint.lonely(pages, document)]
        pages = _without(
            pages, {_least(pages, lambda _, row, key=key: row.key == key) for key in alone}
        )
        pages = _complete(pages, document)
        pages = {  # a page may go alone
            unit: _complete({unit: rows}, document)[unit] for unit, rows in pages.items()
        }
    return pages


def _complete(pages: joint.Pages, document: Mapping[str, Any]) -> joint.Pages:
    """With what was hidden, more beside it, the smallest first, until the rest tells nothing."""
    while found := list(joint.parts_told(pages, document)):
        first = {  # one at a time of what hangs together
            (key[:2], joint.attribute_of(key) or key): (unit, key)
            for unit, key, *_ in reversed(found)
        }
        more = {
            _least(pages, _beside(unit, key))
            or _least(pages, lambda _, row, key=key: row.key[:2] == key[:2])
            for unit, key in first.values()
        }
        if not more - {None}:
            break  # the audit says so
        pages = _without(pages, more)
    return pages


def _beside(unit: str, key: results.Key) -> Callable[[str, Result], bool]:
    """Whether a row stands in a sum with this one: the same of another unit, or of the same
    attribute on its page.
    """
    name = joint.attribute_of(key)

    def is_beside(one: str, row: Result) -> bool:
        is_part = one == unit and row.key[:2] == key[:2] and joint.attribute(row) == name != ""
        return is_part or row.key == key

    return is_beside


def _least(pages: joint.Pages, fits: Callable[[str, Result], bool]) -> joint.Place | None:
    """The shown row that `fits` with the fewest people: a unit's if there is one, else the
    company's.
    """
    left = [
        (unit == "", row.n_people or 0, unit, place, row.key)
        for unit, rows in pages.items()
        for place, row in enumerate(rows)
        if row.shown and row.estimate is not None and fits(unit, row)
    ]
    return (min(left)[2], min(left)[4]) if left else None


def _without(
    pages: joint.Pages, gone: set[joint.Place | None], why: str = "subtraction"
) -> joint.Pages:
    return {
        unit: tuple(rule.hidden(row, why) if (unit, row.key) in gone else row for row in rows)
        for unit, rows in pages.items()
    }


# --- what is coarser


def _apart(row: Result, past: Sequence[Line], base: int, min_group: int) -> Result:
    """A row that describes, as earlier editions on nearly the same people allow: as it is, in
    steps, or hidden.
    """
    same = [(figure, line) for line in past for figure in line.figures if figure[0] == row.key]
    told_before = any(findings.figures(row) == figure[1:] for figure, _ in same)
    near = any(
        findings.is_near(row.n_people, base, figure[4], line, min_group) for figure, line in same
    )
    if not findings.describes(row) or told_before or not near:
        return row  # told before, and not in steps: nothing is added
    scale = _scale(row)
    step = rule.step(scale, row.n_people, min_group)
    if not 0 < step <= COARSEST * scale:
        return rule.hidden(row, "same people")
    told = _in_steps(row, step)
    return rule.hidden(row, "steps") if findings.is_of_all_or_none(told) else told


def _scale(row: Result) -> float:
    """What all people together can move a figure by: all of a share; of a mean, the mean or the
    spread of people.
    """
    if row.unit == "%":
        return 100.0
    spread = (row.std_error or 0.0) * math.sqrt(row.n_people or 0)
    return max(
        abs(row.estimate), spread * abs(row.estimate) if row.unit == "hazard ratio" else spread
    )


def _in_steps(row: Result, step: float) -> Result:
    """A row whose figures are multiples of `step`, in its sentence too."""
    digits = max(0, -math.floor(math.log10(step)))
    figures = {name: getattr(row, name) for name in ("estimate", "low", "high")}
    told = {
        name: None if value is None else round(round(value / step) * step, digits) + 0.0
        for name, value in figures.items()
    }
    size = f"{step:g} {'points' if row.unit == '%' else row.unit}"
    note = phrases("sentences")["notes"]["steps"].format(step=size)
    note = " ".join(filter(None, [row.note, note]))
    return said(replace(row, **told, std_error=None, df=None, step=step, note=note))

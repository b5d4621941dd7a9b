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
from learnalign.privacy import breaches, counts, rule
from learnalign.verdicts import document as results
from learnalign.verdicts.document import Line
from learnalign.verdicts.registry import phrases
from learnalign.verdicts.result import UNITS, Result, decimals
from learnalign.verdicts.words import said

COARSEST = 0.2  # of the scale: a figure in larger steps says nothing any more


def gate(document: Mapping[str, Any], ledger: Sequence[Line], min_group: int) -> dict[str, Any]:
    """As `gate_all`, for a document that is published by itself."""
    return gate_all([document], ledger, min_group)[0]


def gate_all(
    documents: Sequence[Mapping[str, Any]], ledger: Sequence[Line], min_group: int
) -> list[dict[str, Any]]:
    """Documents as they may be published together, beside the editions in the `ledger`; the same
    for the same ones.

    Hidden are: rows on few people or managers; shares of nobody or everybody; a group that nearly
    is its company; and what an edition of the same data hid. Rows that describe nearly the people
    of an earlier edition are coarser, and counts are rounded, all of them, where two are too close,
    or where units stand beside the company. Then all that is published together is laid side by
    side, and more is hidden until nothing hidden is known within `min_group` people. A hidden row
    keeps its place and carries nothing. What leaves is audited as if it were published: `Stopped`
    (1) when that finds something, as nothing may be published.

    `run.unit` names a document's unit, `run.units` all that have an edition, and `run.units_hidden`
    says how many of the company's units have none: a number of units, not of people, and fit to be
    told, as their names are.

    Misleads about what is not in it: whoever knows people of a group knows more than the numbers
    say, and editions of another title, or on a line of the ledger that is damaged, are not looked
    at.
    """
    several = len(documents) > 1 or any(one["run"].get("units") for one in documents)
    safe = {
        one["run"].get("unit", ""): _alone(one, ledger, min_group, several)
        for one in sorted(documents, key=lambda one: one["run"].get("unit", ""))
    }
    if len(safe) < len(documents):
        raise ValueError("two documents are of the same unit")
    if len(safe) > 1:
        pages = _together(
            {unit: results.rows_of(one) for unit, one in safe.items()}, next(iter(safe.values()))
        )
        for unit, one in safe.items():
            one["results"] = [asdict(row) for row in pages[unit]]
    found = [
        (unit, told)
        for unit, one in safe.items()
        for told in breaches.found(one, breaches.of_same(ledger, one))
    ]
    found += [("", told) for told in breaches.joint([*safe.values()]) if len(safe) > 1]
    if found:
        told = "\n".join(f"{unit}: {one}" if unit else str(one) for unit, one in found)
        raise Stopped(1, f"The edition would tell of individuals. Nothing was published.\n{told}")
    return [safe[one["run"].get("unit", "")] for one in documents]


def _alone(
    document: Mapping[str, Any], ledger: Sequence[Line], min_group: int, several: bool
) -> dict[str, Any]:
    """A document as it may be published by itself; with `several`, in counts that are rounded in
    any case.
    """
    past = breaches.of_same(ledger, document)
    rows = tuple(map(fine, rule.suppress(results.rows_of(document), min_group)))
    rows = tuple(
        rule.hidden(row, why) if (why := _reason(row, rows, min_group)) else row for row in rows
    )
    earlier = {
        kind: [count for line in past for count in getattr(line, kind)]
        for kind in ("people", "rows")
    }
    base = _base(past, min_group)
    safe = counts.rounded(
        {**document, "results": [asdict(row) for row in rows]}, min_group, earlier, base, several
    )
    base = safe["run"]["rounded_to"] or 1
    rows = tuple(_apart(row, past, base, min_group) for row in results.rows_of(safe))
    gone = {one for line in past if breaches.is_soon_after(line, document) for one in line.hidden}
    rows = tuple(
        rule.hidden(row, breaches.BEFORE) if row.shown and row.key in gone else row for row in rows
    )
    unit = document["run"].get("unit", "")
    safe["results"] = [asdict(row) for row in _complete({unit: rows}, safe)[unit]]
    safe["coverage"] = [
        {**row, "detectable_effect": _short(row["detectable_effect"])} for row in safe["coverage"]
    ]
    return safe


def enter(out: Path, *documents: Mapping[str, Any]) -> tuple[Line, ...]:
    """Write editions into the ledger of `out`, on the disk before this returns: call it before they
    are published.

    A line too many is safe, one too few is not. Lines are appended whole, so that runs side by side
    lose none.
    """
    lines = tuple(map(breaches.line_of, documents))
    text = "".join(
        json.dumps(asdict(line), ensure_ascii=False, allow_nan=False) + "\n" for line in lines
    )
    out.mkdir(parents=True, exist_ok=True)
    file = os.open(out / results.LEDGER, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(file).st_size
        torn = (
            size > 0 and (out / results.LEDGER).read_bytes()[-1:] != b"\n"
        )  # a run that died here
        os.write(file, b"\n" * torn + text.encode())
        os.fsync(file)
    finally:
        os.close(file)
    return lines


def _base(past: Sequence[Line], min_group: int) -> int:
    """What counts are rounded down to: two grids laid over each other would tell more than either."""
    base = math.lcm(min_group, *(line.rounded_to for line in past if line.rounded_to))
    if base > 4 * min_group:
        told = sorted({line.rounded_to for line in past if line.rounded_to})
        raise Stopped(
            CONTRACT,
            f"min_group is {min_group}, and editions of these data were rounded to multiples of "
            f"{', '.join(map(str, told))}: counts on several grids tell each other's digits. "
            "Nothing was "
            f"published. Use a min_group that is a multiple of {told[-1]}.",
        )
    return base


def _short(value: float | None) -> float | None:
    """Three digits that say something; none of the others."""
    return value and float(f"{value:.3g}")


def _read(value: float, unit: str, finest: int) -> float:
    """A value with the decimals that are read of it, one more in the usual units, and `finest` if
    that is more.
    """
    seen = decimals(abs(value), unit)
    near = round(value, max(seen + (unit in UNITS), finest))
    return (
        near if round(near, seen) == round(value, seen) else round(value, seen)
    )  # or it would be read otherwise


def fine(row: Result) -> Result:
    """A row to the digits that are read, or a tenth of its standard error: in seventeen digits
    stands every count.

    >>> 14.91891891891892 == 552 / 37  # and of no share of fewer people
    True
    """
    if row.estimate is None:
        return row
    finest = (
        0
        if not row.std_error or row.design == "described"
        else 1 - math.floor(math.log10(row.std_error))
    )
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
    if breaches.is_of_all_or_none(row):
        return "alike"
    if any(
        0 < all_.n_people - row.n_people < min_group for all_ in breaches.companies_of(row, rows)
    ):
        return "few outside"
    return ""


def _together(pages: breaches.Pages, document: Mapping[str, Any]) -> breaches.Pages:
    """Rows by unit, with more hidden in units, and last in the company, until subtraction gives no
    hidden row away.
    """
    before = None
    while before != pages:
        before = pages
        pages = _without(pages, set(breaches.nearly_all(pages, document)), "nearly all")
        alone = [key for _, key in breaches.lonely(pages, document)]
        pages = _without(
            pages, {_least(pages, lambda _, row, key=key: row.key == key) for key in alone}
        )
        pages = _complete(pages, document)
        pages = {
            unit: _complete({unit: rows}, document)[unit] for unit, rows in pages.items()
        }  # a page may go alone
    return pages


def _complete(pages: breaches.Pages, document: Mapping[str, Any]) -> breaches.Pages:
    """With what was hidden here, more beside it, the smallest first, until the rest tells nothing."""
    while found := list(breaches.parts_told(pages, document)):
        first = {
            (key[:2], breaches.attribute_of(key) or key): (unit, key)
            for unit, key, *_ in reversed(found)
        }
        more = {
            _least(pages, _beside(unit, key))
            or _least(pages, lambda _, row, key=key: row.key[:2] == key[:2])
            for unit, key in first.values()  # one at a time of what hangs together
        }
        if not more - {None}:
            break  # the audit says so
        pages = _without(pages, more)
    return pages


def _beside(unit: str, key: results.Key) -> Callable[[str, Result], bool]:
    """Whether a row stands in a sum with this one: the same of another unit, or of the same
    attribute on its page.
    """
    name = breaches.attribute_of(key)

    def is_beside(one: str, row: Result) -> bool:
        is_part = one == unit and row.key[:2] == key[:2] and breaches.attribute(row) == name != ""
        return is_part or row.key == key

    return is_beside


def _least(
    pages: breaches.Pages, fits: Callable[[str, Result], bool]
) -> tuple[str, results.Key] | None:
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


def _without(pages: breaches.Pages, gone: set[Any], why: str = "subtraction") -> breaches.Pages:
    return {
        unit: tuple(rule.hidden(row, why) if (unit, row.key) in gone else row for row in rows)
        for unit, rows in pages.items()
    }


# --- what is coarser


def _apart(row: Result, past: Sequence[Line], base: int, min_group: int) -> Result:
    """A row that describes, as earlier editions on nearly the same people allow: as it is, in
    steps, or hidden.
    """
    if row.design != "described" or not row.shown or row.estimate is None:
        return row
    same = [(figure, line) for line in past for figure in line.figures if figure[0] == row.key]
    if any(breaches.figures(row) == figure[1:] for figure, _ in same):
        return row  # told before, and not in steps: nothing is added
    if not any(
        breaches.is_near(row.n_people, base, figure[4], line, min_group) for figure, line in same
    ):
        return row
    scale = _scale(row)
    step = rule.step(scale, row.n_people, min_group)
    if not 0 < step <= COARSEST * scale:
        return rule.hidden(row, "same people")
    told = _in_steps(row, step)
    return rule.hidden(row, "steps") if breaches.is_of_all_or_none(told) else told


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
    old = [row.estimate, row.low, row.high]
    new = [
        None if value is None else round(round(value / step) * step, digits) + 0.0 for value in old
    ]
    size = f"{step:g} {'points' if row.unit == '%' else row.unit}"
    note = phrases("sentences")["notes"]["steps"].format(step=size)
    figures = dict(zip(("estimate", "low", "high"), new, strict=True))
    note = " ".join(filter(None, [row.note, note]))
    return said(replace(row, **figures, std_error=None, df=None, step=step, note=note))

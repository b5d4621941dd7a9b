"""Pictures that are tables: results beside each other, the journey of gaps, cells and networks.

A picture of groups takes what its module gives, which may be shown, makes a record of plain data of
it, and is drawn from that record alone, in a notebook as in the report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pandas as pd

from learnalign.report.marks import LOOKS, Scale, band_words, environment, label, line, scale, ticks
from learnalign.report.shown import Shown, nothing, part
from learnalign.report.typesetting import heading, percent, say
from learnalign.verdicts.document import records
from learnalign.verdicts.result import MINUS, Result, number

TEAL, AMBER = LOOKS["higher"].colour, LOOKS["unknown"].colour
TOO_FEW, NOT_MEASURED = "too few", "not measured"
STEPS = 6  # shades on either side of white; more cannot be told apart
MOVED = ("recorded", "middle", "low", "high")

Record = Mapping[str, Any]


# --- results beside each other


def groups(rows: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """Results under the names of their measures; a measure's only one bears its name itself."""
    found: list[tuple[str, list[Result]]] = []
    for measure in dict.fromkeys(row.measure for row in rows):
        mine = [row for row in rows if row.measure == measure]
        name = heading(measure) if len(mine) > 1 else ""
        if found and not name and not found[-1][0]:
            found[-1][1].extend(mine)
        else:
            found.append((name, mine))
    return found


def axes(rows: Sequence[Result]) -> dict[str, Scale]:
    """An axis for the results of each unit."""
    units = dict.fromkeys(row.unit for row in rows)
    return {unit: scale([row for row in rows if row.unit == unit]) for unit in units}


def panels(rows: Sequence[Result], words: Mapping[str, str], title: str = "") -> Shown:
    """Results against the smallest effect that matters, a table with an axis for each unit, and
    each verdict in `words`, if there are any.
    """
    some = []
    for unit, axis in axes(rows).items():
        mine = [row for row in rows if row.unit == unit]
        about = [say("in_unit", unit=unit), *filter(None, map(band_words, mine))]
        some.append(("; ".join(about[:2]), groups(mine), {unit: axis}, ticks(axis, 4, 172)))
    is_hidden = any(row.verdict == "hidden" for row in rows)
    return part("panels", title, some=some, words=words, is_hidden=is_hidden)


def named(row: Result, group: str) -> str:
    """What a result is called among those under the name of its group."""
    if row.at == "raw":
        return say("before_adjusting")
    return heading(label(replace(row, measure="") if group else row) or "company")


# --- the gap journey


def journey(stages: pd.DataFrame, *, title: str = "") -> Shown:
    """The journey of gaps: a bar per stage, as long as the share of gaps that got there, and where
    the others went.

    `stages` is what `gaps.journey` gives, and misleads as that does: a gap found last month is
    still open because it is new.
    """
    if stages.empty:
        return nothing(say("journey.none"))
    rows = _stages(stages)
    return _drawn("journey", title or _far(rows), rows)


def _far(rows: Sequence[Record]) -> str:
    """How far gaps came, as a finding."""
    last = rows[-1]
    if last["stage"] != "closed" or last["share"] is None:
        return say("journey.far")
    way = ", ".join(row["stage"] for row in rows[1:])
    return say("journey.all_the_way", share=percent(last["share"]), way=way)


def _stages(stages: pd.DataFrame) -> list[dict[str, Any]]:
    """A row per stage: its name, about how many gaps (the first), the share of all gaps that got
    there and that stopped there, in all and by way; None is hidden.
    """
    told = [{**row, "ways": []} for row in records(stages[stages.then == "all"])]
    for row, after in zip(told, [*told[1:], {"share": None}], strict=True):
        ends = row["share"], after["share"]
        row["stopped"] = None if None in ends else ends[0] - ends[1]
        ways = stages[(stages.stage == row["stage"]) & (stages.then != "all")]
        row["ways"] = [[way.share, way.then] for way in ways.itertuples() if way.shown]
    return [
        {name: row[name] for name in ("stage", "gaps", "share", "stopped", "ways")} for row in told
    ]


# --- merit against its target


def matrix(frame: pd.DataFrame, *, title: str = "") -> Shown:
    """Merit less its target in percentage points, a cell per rating and target.

    `frame` is what `merit.matrix` gives. The darker a cell, the farther merit is from its target;
    its sign says on which side. Misleads where people of one cell had their target set by other
    rules.
    """
    if frame.empty:
        return nothing(say("matrix.none"))
    shown = frame.sort_values(["rating", "target"], ascending=[False, True])
    return _drawn("matrix", title or say("matrix.title"), records(shown))


# --- the drivers of every unit


def grid(frame: pd.DataFrame, *, title: str = "") -> Shown:
    """The drivers' scorecard: a row per unit, all units first, and a cell per driver and domain;
    darker is higher.

    `frame` is what `drivers.scorecard` gives: unit, and a column per "driver: domain" with a score
    or why there is none. Misleads as `drivers.grid`.
    """
    if frame.empty:
        return nothing(say("grid.none"))
    columns = [str(name) for name in frame.columns if ": " in str(name)]
    rows = [
        {"unit": str(unit), "cells": [_cell(one) for one in cells]}
        for unit, *cells in frame[["unit", *columns]].itertuples(index=False)
    ]
    return _drawn("grid", title or _best_and_worst(columns, rows), rows, columns=columns)


def _cell(cell: float | str) -> float | str:
    """A score to as many decimals as are read, or why there is none."""
    if isinstance(cell, str):
        return TOO_FEW if cell.startswith(TOO_FEW) else NOT_MEASURED
    return round(float(cell), 1 if abs(cell) >= 0.995 else 2)


def _best_and_worst(columns: Sequence[str], rows: Sequence[Record]) -> str:
    """What all units together are highest and lowest on, as a finding."""
    first = zip(columns, rows[0]["cells"], strict=True) if rows[0]["unit"] == "all units" else ()
    scores = {name: cell for name, cell in first if not isinstance(cell, str)}
    if len(set(scores.values())) < 2:
        return say("grid.title")
    high, low = (pick(scores, key=scores.get) for pick in (max, min))
    most, least = number(scores[high]), number(scores[low])
    return say("grid.best", high=high, most=most, low=low, least=least)


# --- networks


def network(frame: pd.DataFrame, *, title: str = "") -> Shown:
    """Each fact of a network as recorded, and how far it moves when 10, 20 or 30 % of the ties are
    missing.

    `frame` is what `networks.missing_ties` gives. Every line has its own scale, so lines are not to
    be compared by eye. Misleads where ties are missing for a reason.
    """
    if frame.empty:
        return nothing(say("network.none"))
    return _drawn("network", title or _ways(frame), records(frame))


def _ways(frame: pd.DataFrame) -> str:
    """Which way asks go, where that may be shown."""
    known = frame.drop_duplicates("fact").set_index("fact").recorded
    up, down = (known.get(f"asks going {way} (%)") for way in ("up", "down"))
    if pd.isna(up) or pd.isna(down):
        return say("network.title")
    return say("network.ways", up=f"{up:.0f}", down=f"{down:.0f}")


# --- a record, drawn


def draw(record: Record) -> Shown:
    """The table that a record holds, by the macro of its kind."""
    return part(f"record_{record['kind']}", record["title"], record, record=record)


def _drawn(kind: str, title: str, rows: Sequence[Record], **more: Any) -> Shown:
    return draw({"kind": kind, "title": title, **more, "rows": rows})


def signed(value: float) -> str:
    """A difference in percentage points with its sign, but for one that reads 0.

    >>> signed(0.2), signed(-0.001)
    ('+0.20', '0.00')
    """
    text = number(value, "percentage points").removesuffix(" pp")
    return text if text.startswith(MINUS) or not text.strip("0.") else f"+{text}"


def tint(shade: float) -> str:
    """The ground of a cell, from -1 (amber) over 0 (none) to 1 (teal), in a few steps.

    >>> tint(0.01), tint(1.0)
    ('', '#85b2b2')
    """
    step = round(STEPS * shade) / STEPS
    colour = TEAL if step > 0 else AMBER
    parts = (255 - 0.5 * abs(step) * (255 - int(colour[at : at + 2], 16)) for at in (1, 3, 5))
    return f"#{''.join(f'{round(one):02x}' for one in parts)}" if step else ""


def ranges(lines: Sequence[Record]) -> SimpleNamespace:
    """Where a fact of a network and its ranges stand, from 0, or minus the farthest, to the
    farthest.
    """
    values = [row[key] for row in lines for key in MOVED if row[key] is not None]
    far = max(map(abs, values)) or 1
    start = -far if min(values) < 0 else 0
    at = [
        {key: round(4 + 172 * (row[key] - start) / (far - start), 1) for key in MOVED}
        for row in lines
    ]
    zero = round(4 - 172 * start / (far - start), 1)
    return SimpleNamespace(recorded=at[0]["recorded"], zero=zero, lines=at)


environment().filters |= {"line": line, "named": named}
environment().filters |= {"signed": signed, "tint": tint, "ranges": ranges}

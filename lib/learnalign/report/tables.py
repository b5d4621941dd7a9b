"""Pictures that are tables: results beside each other, the journey of gaps, cells and networks.

A picture of groups takes what its module counted, lets through what may be shown as a record of
plain data, and is drawn from that record alone, in a notebook as in the report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from learnalign.privacy import frames, rule
from learnalign.report.marks import LOOKS, Scale, band_words, environment, label, line, scale, ticks
from learnalign.report.shown import Shown, nothing, part
from learnalign.report.typesetting import heading, percent, say
from learnalign.verdicts.result import MINUS, Result, number

TEAL, AMBER = LOOKS["higher"].colour, LOOKS["unknown"].colour
TOO_FEW, NOT_MEASURED = "too few", "not measured"
FINE = 0.01  # percentage points: the finest step of a gap; where its spread is less, all are alike
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


def journey(stages: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Shown:
    """The journey of gaps: a bar per stage, as long as the gaps that got there, and where the
    others went.

    `stages` is what `gaps.stages` counts. A stage is hidden where too few people stand behind it,
    where it differs from a larger one by fewer than `min_group` people or gaps, or where those who
    went no further are too few; then what it could be worked out from is too. Ways on too few
    people are told together with the next larger one. Misleads as `gaps.stages` does: a gap found
    last month is still open because it is new.
    """
    frames.refuse_people(stages)
    if stages.empty:
        return nothing(say("journey.none"))
    rows = _stages(stages, min_group)
    return _drawn("journey", title or _far(rows), min_group, rows)


def _far(rows: Sequence[Record]) -> str:
    """How far gaps came, as a finding."""
    first, last = rows[0], rows[-1]
    if last["stage"] != "closed" or not first["gaps"] or last["gaps"] is None:
        return say("journey.far")
    way = ", ".join(row["stage"] for row in rows[1:])
    return say("journey.all_the_way", share=percent(100 * last["gaps"] / first["gaps"]), way=way)


def _stages(stages: pd.DataFrame, min_group: int) -> list[dict[str, Any]]:
    """A row per stage: its name, gaps and people, and the gaps that stopped there in all and by
    way; None is hidden.
    """
    stages, is_all = stages.assign(few=rule.Rule(min_group).few(stages)), stages.then == "all"
    alls = stages[is_all]
    near = [
        rule.counts(alls.assign(people=alls[name]), min_group).shown for name in ("people", "gaps")
    ]
    shown = (near[0] & near[1] & ~alls.few).tolist()
    ways = [stages[~is_all & (stages.stage == name)] for name in alls.stage]
    for place, way in enumerate(ways[:-1]):
        shown[place + 1] &= not len(way) or not way.few.all()
    rows = []
    for row, way, here, after in zip(
        alls.itertuples(), ways, shown, [*shown[1:], True], strict=True
    ):
        counts = (int(row.gaps), int(row.people)) if here else (None, None)
        is_told = not len(way) or (here and after and not way.few.all())
        rest = {
            "stopped": int(way.gaps.sum()) if is_told else None,
            "ways": _ways(way) if is_told else [],
        }
        rows.append({"stage": row.stage, "gaps": counts[0], "people": counts[1], **rest})
    return rows


def _ways(way: pd.DataFrame) -> list[list[Any]]:
    """Gaps by where they went; small ways together with the smallest other one, so as not to be
    missed.
    """
    joined = way.few
    if len(way):
        joined = joined | (way.few.any() & (way.index == way.gaps.mask(way.few).idxmin()))
    parts = [[int(row.gaps), row.then] for row in way[~joined].itertuples()]
    return parts + ([[int(way.gaps[joined].sum()), "otherwise"]] if parts and joined.any() else [])


# --- merit against its target


def matrix(frame: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Shown:
    """Merit less its target in percentage points, a cell per rating and target.

    `frame`: rating, target (percent), people, managers, gap, spread (SD of the gap within the
    cell). The darker a cell, the farther merit is from its target; its sign says on which side.
    Hidden too where all are alike, as the mean is then each one's. Misleads where people of one
    cell had their target set by other rules.
    """
    frame = frame.dropna(subset=["rating", "target"])
    steps = [
        max(FINE, rule.step(*row, min_group))
        for row in frame[["spread", "people"]].itertuples(index=False)
    ]
    rarer = frame.people.where(frame.spread >= FINE, 0)  # nobody differs from the others
    frame = frame.assign(gap=frames.to_steps(frame.gap, steps), people_smaller=rarer)
    shown = frames.pass_through(frame, ["gap"], min_group=min_group)
    if shown.empty:
        return nothing(say("matrix.none"))
    shown = shown.sort_values(["rating", "target"], ascending=[False, True])
    rows = frames.rows(shown, ["rating", "target", "people", "gap", "shown"])
    return _drawn("matrix", title or say("matrix.title"), min_group, rows)


# --- the drivers of every unit


def grid(frame: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Shown:
    """The drivers' scorecard: a row per unit, all units first, and a cell per driver and domain;
    darker is higher.

    `frame` is what `drivers.scorecard` gives: unit, people (least answered; empty for all units),
    and a column per "driver: domain" with a score or why there is none. Where a score is hidden
    though it is in the score of all units, another one is hidden with it (`frames.beside_total`).
    Misleads as `drivers.grid`.
    """
    frames.refuse_people(frame)
    if frame.empty:
        return nothing(say("grid.none"))
    order = frame.assign(last=frame.unit != "all units").sort_values(["last", "unit"])
    frame = order.reset_index(drop=True)
    columns = [str(name) for name in frame.columns if ": " in str(name)]
    shown = frames.pass_through(frame, [], min_group=min_group)
    words = [_column(frame, frame[name], ~shown.shown, min_group) for name in columns]
    people = [row["people"] for row in frames.rows(shown, ["people"])]
    rows = [
        {"unit": str(unit), "people": number, "cells": list(cells)}
        for unit, number, *cells in zip(frame.unit, people, *words, strict=True)
    ]
    return _drawn("grid", title or _best_and_worst(columns, rows), min_group, rows, columns=columns)


def _best_and_worst(columns: Sequence[str], rows: Sequence[Record]) -> str:
    """What all units together are highest and lowest on, as a finding."""
    first = zip(columns, rows[0]["cells"], strict=True) if rows[0]["unit"] == "all units" else ()
    scores = {name: cell for name, cell in first if not isinstance(cell, str)}
    if len(set(scores.values())) < 2:
        return say("grid.title")
    high, low = (pick(scores, key=scores.get) for pick in (max, min))
    most, least = number(scores[high]), number(scores[low])
    return say("grid.best", high=high, most=most, low=low, least=least)


def _column(
    frame: pd.DataFrame, cells: pd.Series, hidden: pd.Series, min_group: int
) -> list[float | str]:
    """A column's scores as shown, to one decimal, or why there is none. Only scores can be had from
    all units'.
    """
    scores, words = pd.to_numeric(cells, errors="coerce"), cells.astype(object)
    parts = frame.index[scores.notna() & frame["last"]]
    gone, total = frames.beside_total(
        hidden[parts].tolist(), frame.people[parts].tolist(), min_group
    )
    out = set(parts[gone]) | (set(frame.index[~frame["last"]]) if total else set())
    told: list[float | str] = []
    for place, score, word in zip(frame.index, scores, words, strict=True):
        if place in out or str(word).startswith(TOO_FEW):
            told.append(TOO_FEW)
        elif np.isfinite(score):
            told.append(round(float(score), 1 if abs(score) >= 0.995 else 2))
        else:
            told.append(NOT_MEASURED)
    return told


# --- networks


def network(frame: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Shown:
    """Each fact of a network as recorded, and how far it moves when 10, 20 or 30 % of the ties are
    missing.

    `frame` is what `networks.missing_ties` gives: fact, missing_pct, recorded, middle, low, high,
    people, people_smaller, digits. Shares of asks are told in steps in which `min_group` askers can
    hide. Every line has its own scale, so lines are not to be compared by eye. Misleads where ties
    are missing for a reason.
    """
    known = _coarse(frame.dropna(subset="recorded"), min_group)
    shown = frames.pass_through(known, MOVED, min_group=min_group, digits=6)
    if shown.empty:
        return nothing(say("network.none"))
    order = {name: place for place, name in enumerate(frame.fact.unique())}
    shown = shown.assign(order=shown.fact.map(order)).sort_values(["order", "missing_pct"])
    rows = frames.rows(shown, ["fact", "people", "missing_pct", *MOVED, "shown"])
    return _drawn("network", title or say("network.title"), min_group, rows)


def _coarse(frame: pd.DataFrame, min_group: int) -> pd.DataFrame:
    """Facts as exact as may be told: shares in steps, and hidden at 0 or 100 %; the others to their
    `digits`.
    """
    is_share = frame.digits.isna()
    steps = [rule.step(100, people, min_group) for people in frame.people]
    told = {
        name: frames.to_steps(frame[name], steps).where(
            is_share, frames.significant(frame[name], frame.digits.fillna(1))
        )
        for name in MOVED
    }
    of_all = is_share & told["recorded"].isin([0, 100])
    return frame.assign(**told, people_smaller=frame.people_smaller.mask(of_all, 0))


# --- a record, drawn


def draw(record: Record) -> Shown:
    """The table that a record holds, by the macro of its kind."""
    return part(f"record_{record['kind']}", record["title"], record, record=record)


def _drawn(kind: str, title: str, min_group: int, rows: Sequence[Record], **more: Any) -> Shown:
    return draw({"kind": kind, "title": title, "min_group": min_group, **more, "rows": rows})


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

"""Pictures in cells: merit against its target, and the drivers of every unit."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from learnalign.privacy import frames, rule
from learnalign.report.curves import AMBER, HIDDEN, LINE, SMALL, TEAL, Record
from learnalign.report.marks import SOFT, plain
from learnalign.report.pictures import Block, Picture, canvas, foot, nothing, told, wrap
from learnalign.verdicts.result import MINUS, number

TOO_FEW, NOT_MEASURED = "too few", "not measured"
MATRIX_FOOT = (
    f"Hidden: fewer than {{}} people or {rule.MIN_MANAGERS} managers, or people too much alike."
)
FINE = 0.01  # percentage points: the finest step of a gap; where its spread is less, all are alike
GRID_FOOT = "Darker: higher. Stroke: not measured."
FEW_FOOT = " few: answers of fewer than {} people, or what would tell them."
STEPS = 6  # shades on either side of white; more cannot be told apart

Cell = tuple[str, float | None]  # its words, and a shade from -1 to 1; None: a stroke


# --- merit against its target


def matrix(frame: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Picture | Block:
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
        return nothing("There is no merit with a target to draw.")
    shown = shown.sort_values(["rating", "target"], ascending=[False, True])
    rows = frames.rows(shown, ["rating", "target", "people", "gap", "shown"])
    title = title or "Merit less its target, by rating and target"
    return draw_matrix({"kind": "matrix", "title": title, "min_group": min_group, "rows": rows})


def draw_matrix(record: Record) -> Picture:
    """The matrix as its record holds it: a row per cell."""
    rows = record["rows"]
    ratings, targets = (
        list(dict.fromkeys(row["rating"] for row in rows)),
        sorted({row["target"] for row in rows}),
    )
    far = max((abs(row["gap"]) for row in rows if row["gap"] is not None), default=0) or 1
    cells = {
        (ratings.index(row["rating"]), targets.index(row["target"])): (
            _signed(row["gap"]),
            (row["gap"] or 0) / far,
        )
        if row["shown"]
        else ("hidden", 0.0)
        for row in rows
    }
    across, down = (
        [f"{value:g}" for value in targets],
        [wrap(plain(value), 20) for value in ratings],
    )
    notes = ["Empty: nobody."] if len(cells) < len(ratings) * len(targets) else []
    notes += [] if all(row["shown"] for row in rows) else [MATRIX_FOOT.format(record["min_group"])]
    with canvas(0.3 * len(ratings) + 0.55 + LINE * len(notes)) as figure:
        ax = figure.subplots()
        _draw_cells(ax, cells, down, across, ("", 0.0))
        ax.set_ylabel("rating")
        foot(
            figure,
            "merit target (%); in the cells: merit less its target, in percentage points.",
            *notes,
        )
    parts = [
        f"rating {down[y]}, target {across[x]} %: {words}"
        for (y, x), (words, _) in sorted(cells.items())
    ]
    words = ["Merit less its target, in percentage points", *parts]
    return Picture(figure, told(record["title"], words), record["title"], dict(record))


def _signed(value: float | None) -> str:
    text = number(value, "percentage points").removesuffix(" pp")
    return text if text.startswith(MINUS) or not text.strip("0.") or value is None else f"+{text}"


def _draw_cells(
    ax: Axes,
    cells: Mapping[tuple[int, int], Cell],
    down: Sequence[str],
    across: Sequence[str],
    empty: Cell,
) -> None:
    """A cell's words on a shade from -1 (amber) over 0 (white) to 1 (teal), or a stroke; `empty`
    elsewhere.
    """
    filled = [(place, *cells.get(place, empty)) for place in np.ndindex(len(down), len(across))]
    for (y, x), _, shade in sorted(filled, key=lambda cell: round(STEPS * (cell[2] or 0.0))):
        if shade is None:
            ax.plot([x + 0.3, x + 0.7], [y + 0.7, y + 0.3], color="#9aa5ad", lw=0.8)
            continue
        step = round(STEPS * shade) / STEPS
        face = 1 - 0.5 * abs(step) * (1 - np.array(to_rgb(TEAL if step > 0 else AMBER)))
        ax.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="#c9ced3", lw=0.8))
    for (y, x), words, _ in filled:
        style = {} if any(letter.isdigit() for letter in words) else HIDDEN
        ax.text(x + 0.5, y + 0.5, words, ha="center", va="center_baseline", fontsize=SMALL, **style)
    ax.set(xlim=(0, len(across)), ylim=(len(down), 0))
    ax.set_xticks(np.arange(len(across)) + 0.5, across)
    ax.set_yticks(np.arange(len(down)) + 0.5, down)
    ax.tick_params(length=0)
    sns.despine(ax=ax, left=True, bottom=True)


# --- the drivers of every unit


def grid(frame: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Picture | Block:
    """The drivers' scorecard: a row per unit, all units first, and a cell per driver and domain;
    darker is higher.

    `frame` is what `drivers.scorecard` gives: unit, people (least answered; empty for all units),
    and a column per "driver: domain" with a score or why there is none. Where a score is hidden
    though it is in the score of all units, another one is hidden with it (`gate.beside_total`). A
    stroke: not measured. Misleads as `drivers.grid`.
    """
    frames.refuse_people(frame)
    if frame.empty:
        return nothing("No driver was measured.")
    frame = (
        frame.assign(last=frame.unit != "all units")
        .sort_values(["last", "unit"])
        .reset_index(drop=True)
    )
    columns = [str(name) for name in frame.columns if ": " in str(name)]
    shown = frames.pass_through(frame, [], min_group=min_group)
    words = {name: _column(frame, frame[name], ~shown.shown, min_group) for name in columns}
    people = [row["people"] for row in frames.rows(shown, ["people"])]
    rows = [
        {"unit": str(unit), "people": number, "cells": list(cells)}
        for unit, number, cells in zip(
            frame.unit, people, zip(*words.values(), strict=True), strict=True
        )
    ]
    title = title or _best_and_worst(columns, rows)
    return draw_grid(
        {"kind": "grid", "title": title, "min_group": min_group, "columns": columns, "rows": rows}
    )


def _best_and_worst(columns: Sequence[str], rows: Sequence[Record]) -> str:
    """What all units together are highest and lowest on, as a finding."""
    first = zip(columns, rows[0]["cells"], strict=True)
    scores = (
        {name: cell for name, cell in first if not isinstance(cell, str)}
        if rows[0]["unit"] == "all units"
        else {}
    )
    if len(set(scores.values())) < 2:
        return "The drivers, unit by unit"
    high, low = (pick(scores, key=scores.get) for pick in (max, min))
    return (
        f"Units are highest on {high} ({number(scores[high])}) and lowest on {low} "
        f"({number(scores[low])})"
    )


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
    return [
        TOO_FEW
        if place in out or str(word).startswith(TOO_FEW)
        else round(float(score), 1 if abs(score) >= 0.995 else 2)
        if np.isfinite(score)
        else NOT_MEASURED
        for place, score, word in zip(frame.index, scores, words, strict=True)
    ]


def draw_grid(record: Record) -> Picture:
    """The scorecard as its record holds it: its columns, and per unit its cells."""
    rows, columns = record["rows"], [name.split(": ", 1) for name in record["columns"]]
    scores = [cell for row in rows for cell in row["cells"] if not isinstance(cell, str)]
    low, high = min(scores, default=0), max(scores, default=0)
    looks: dict[str, Cell] = {TOO_FEW: ("few", 0.0), NOT_MEASURED: ("", None)}
    cells = {
        (y, x): looks[cell]
        if isinstance(cell, str)
        else (number(cell), (cell - low) / max(high - low, 1))
        for y, row in enumerate(rows)
        for x, cell in enumerate(row["cells"])
    }
    units, has_few = (
        [wrap(row["unit"], 24) for row in rows],
        any(TOO_FEW in row["cells"] for row in rows),
    )
    lines = max(unit.count("\n") + 1 for unit in units)
    with canvas(1.45 + len(units) * (0.09 + LINE * lines)) as figure:
        ax = figure.subplots()
        _draw_cells(ax, cells, units, [wrap(domain, 12) for _, domain in columns], ("", None))
        _head(ax, [driver for driver, _ in columns])
        foot(figure, wrap(GRID_FOOT + FEW_FOOT.format(record["min_group"]) * has_few, 72))
    return Picture(
        figure, told(record["title"], _grid_words(record)), record["title"], dict(record)
    )


def _grid_words(record: Record) -> list[str]:
    """A column each: its score for all units, from where to where the units are, and how many have
    none and why.
    """
    lines = []
    for place, name in enumerate(record["columns"]):
        first, *cells = [row["cells"][place] for row in record["rows"]]
        known = [cell for cell in cells if not isinstance(cell, str)]
        units = f"{len(known)} unit{'s' * (len(known) > 1)}"
        parts = [first if isinstance(first, str) else number(first)]
        parts += [f"{units} from {number(min(known))} to {number(max(known))}"] if known else []
        parts += [
            f"{count} {why}" for why in (TOO_FEW, NOT_MEASURED) if (count := cells.count(why))
        ]
        lines.append(f"{name}: {', '.join(parts)}")
    return lines


def _head(ax: Axes, drivers: Sequence[str]) -> None:
    """Domains upright above the cells; above them each driver once, over its domains."""
    ax.tick_params(axis="x", labeltop=True, labelbottom=False, rotation=90, labelsize=SMALL)
    top, room = ax.secondary_xaxis(1.0), round(56 / len(drivers))  # letters over a column
    starts = [
        place for place, name in enumerate(drivers) if not place or drivers[place - 1] != name
    ]
    ends = [*starts[1:], len(drivers)]
    middles = [(start + end) / 2 for start, end in zip(starts, ends, strict=True)]
    names = [
        wrap(drivers[start], room * (end - start)) for start, end in zip(starts, ends, strict=True)
    ]
    top.set_xticks(middles, names)
    top.spines[:].set_visible(False)
    top.tick_params(length=0, pad=52, labelsize=SMALL)
    for start in starts:
        ax.axvline(start, color=SOFT, lw=1.4)

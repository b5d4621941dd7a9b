"""Results to figures and tables: the only way anything is shown.

Everything drawn passes `privacy` first, and charts never see a person. A result says itself: the
finding is the title, and where nothing can be drawn, words say why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from learnalign.privacy import rule
from learnalign.privacy.frames import refuse_people
from learnalign.report import cells, marks
from learnalign.report import curves as plots
from learnalign.report.cells import grid, matrix
from learnalign.report.curves import curves, journey, network, spread_over_managers
from learnalign.report.intervals import NO_RESULT, WIDE, dose, interval, label, paired, trend
from learnalign.report.marks import (
    BAND,
    INK,
    LOOKS,
    SOFT,
    date,
    environment,
    heading,
    interval_svg,
    plain,
    seen,
)
from learnalign.report.pictures import Block, Picture, block, canvas, nothing, told, wrap
from learnalign.verdicts.result import DASH, Result, number, spread

__all__ = [
    "Block",
    "Picture",
    "checks",
    "curves",
    "date",
    "dose",
    "draw",
    "environment",
    "flow",
    "flow_table",
    "grid",
    "heading",
    "headline",
    "interval",
    "interval_svg",
    "journey",
    "matrix",
    "network",
    "number",
    "paired",
    "plain",
    "provenance",
    "seen",
    "shares",
    "spread",
    "spread_over_managers",
    "suppressed",
    "table",
    "trend",
]
UNKNOWN = "Not recorded in these data, so not known:"
NO_ROWS = "No rows were read here, so none fell out."
DRAWN = {
    "curves": plots.draw_curves,
    "grid": cells.draw_grid,
    "journey": plots.draw_journey,
    "matrix": cells.draw_matrix,
    "network": plots.draw_network,
    "spread_over_managers": plots.draw_spread_over_managers,
}


def suppressed(results: Sequence[Result], min_group: int) -> tuple[Result, ...]:
    """The results as they may be shown: those on too few people or managers are blank."""
    return rule.suppress(results, min_group)


def draw(record: Mapping[str, Any]) -> Picture:
    """The picture that `Picture.record` holds, the same again; ValueError for a kind that is not
    known.
    """
    kind = record.get("kind")
    if kind not in DRAWN:
        raise ValueError(
            f"a picture of the kind {kind!r} cannot be drawn; the kinds are {', '.join(DRAWN)}"
        )
    return DRAWN[kind](record)


# --- to read


def headline(
    results: Sequence[Result],
    *,
    words: Mapping[str, str],
    questions: Mapping[str, str],
    unknown: Sequence[str] = (),
    min_group: int = 10,
) -> Block:
    """The answers first: question, verdict, sentence and what it stands on, for every headline
    result.

    `unknown` says below them what cannot be known here, because nobody recorded it.
    """
    rows = [row for row in rule.suppress(results, min_group) if row.headline]
    raws = dict(paired(rule.suppress(results, min_group)))
    texts = []
    for row in rows:
        foot = " · ".join(marks.foot(row) + marks.reach(row))
        texts.append(
            f"{questions[row.question]}\n[{words[row.verdict]}] {row.sentence}\n{foot}".strip()
        )
    told = [(row, raws[row]) for row in rows]
    text = "\n\n".join([*texts, *_unknown(unknown)])
    return block(
        "headline",
        text,
        rows=told,
        words=words,
        questions=questions,
        unknown=unknown,
        min_group=min_group,
    )


def _unknown(lines: Sequence[str]) -> list[str]:
    return ["\n".join([UNKNOWN, *lines])] if lines else []


def checks(results: Sequence[Result], *, min_group: int = 10) -> Block:
    """How this could be wrong: every check, how it ended and what it found. Passing them all is not
    proof.

    Below them what each answer stands on: how it was made, every fallback taken, and what would
    settle it.
    """
    kept = rule.suppress(results, min_group)
    rows = [(label(row), check) for row in kept for check in row.checks]
    told = [
        (label(row), [part for part in (row.method, row.note, row.to_settle) if part])
        for row in kept
        if row.at != "raw"
    ]
    told = [(about, parts) for about, parts in told if parts]
    texts = [f"{about}: {check.name}: {check.outcome}. {check.detail}" for about, check in rows]
    texts = texts or ["No check was possible."]
    texts += [f"{about}: {'. '.join(parts)}" for about, parts in told]
    return block("checks", "\n".join(texts), rows=rows, told=told)


def provenance(facts: Mapping[str, Any]) -> Block:
    """Where the figures come from: a list of facts, in the order given."""
    pairs = [(key, plain(value)) for key, value in facts.items()]
    return block("provenance", "\n".join(f"{key}: {value}" for key, value in pairs), pairs=pairs)


def table(frame: pd.DataFrame, caption: str, *, unknown: Sequence[str] = ()) -> Block:
    """A small table of groups; a blank reads "hidden" where `shown` is false, and a dash elsewhere.

    `unknown` says below it what cannot be known here, because nobody recorded it.
    """
    refuse_people(frame)
    if frame.empty:
        return nothing(f"{caption}: nothing is recorded for it, or too little.")
    columns = [column for column in frame.columns if column != "shown"]
    shown = frame["shown"].tolist() if "shown" in frame else [True] * len(frame)
    cells = [
        [_cell(value, bool(is_shown)) for value in row]
        for row, is_shown in zip(
            frame[columns].itertuples(index=False, name=None), shown, strict=True
        )
    ]
    is_number = [
        pd.api.types.is_numeric_dtype(frame[column].dropna().infer_objects()) for column in columns
    ]
    lines = [
        caption,
        "\t".join(map(str, columns)),
        *("\t".join(row) for row in cells),
        *_unknown(unknown),
    ]
    heads = list(zip((str(name).replace("_", " ") for name in columns), is_number, strict=True))
    return block(
        "table",
        "\n".join(lines),
        caption=caption,
        heads=heads,
        cells=cells,
        is_hidden=not all(shown),
        unknown=unknown,
    )


def _cell(value: Any, is_shown: bool) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return DASH if is_shown else "hidden"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return plain(value)
    return number(
        int(value) if value == int(value) else value
    )  # a blank turns a column of counts into floats


# --- shares

Line = tuple[
    str, Result | None, float
]  # a label, its result (a heading has none), and its height in lines of text


def shares(results: Sequence[Result], *, min_group: int = 10, title: str = "") -> Picture | Block:
    """Described facts, a line each: label, dot and interval, number; rows of one measure stand
    under its name.

    Percentages have an axis from 0 to 100, every other unit a panel of its own. Nothing is ordered
    by size. Misleads where lines are compared by eye: an interval is of its own line, not of a
    difference.
    """
    rows = rule.suppress(results, min_group)
    if not rows:
        return nothing(NO_RESULT)
    units = list(dict.fromkeys(row.unit for row in rows))
    panels = [_share_lines([row for row in rows if row.unit == unit]) for unit in units]
    heights = [0.165 * sum(size for *_, size in lines) + 0.5 for lines in panels]
    with canvas(sum(heights), WIDE) as figure:
        axes = figure.subplots(len(panels), squeeze=False, height_ratios=heights)
        for ax, unit, lines in zip(axes[:, 0], units, panels, strict=True):
            _draw_shares(ax, unit, lines)
    return Picture(figure, told(title, map(marks.alt, rows)), title)


def _share_lines(rows: Sequence[Result]) -> list[Line]:
    """A measure's name and then its rows; a row that is alone bears the name itself."""
    lines: list[Line] = []
    for measure in dict.fromkeys(row.measure for row in rows):
        mine = [row for row in rows if row.measure == measure]
        labels = [label(row) for row in mine]
        if len(mine) > 1:
            name = label(replace(mine[0], group="company", at=""))
            labels = [
                text.removeprefix(f"{name}, ") if text != name else "company" for text in labels
            ]
            lines.append((wrap(heading(name), 40), None, 2.2 + len(name) // 40))
        wrapped = [wrap(text, 40) for text in labels]
        lines += [
            (text, row, text.count("\n") + 1.75) for text, row in zip(wrapped, mine, strict=True)
        ]
    return lines


def _draw_shares(ax: Axes, unit: str, lines: Sequence[Line]) -> None:
    sizes = np.array([size for *_, size in lines])
    places = np.cumsum(sizes) - sizes / 2
    drawn = [(y, row) for y, (_, row, _) in zip(places, lines, strict=True) if row is not None]
    ends = [0.0, *(end for _, row in drawn if marks.is_drawn(row) for end in (row.low, row.high))]
    low, high = (0, 100) if unit == "%" else (1.04 * min(ends), 1.04 * max(ends) or 1)
    for y, row in drawn:
        words, beside = marks.words_instead(row), ax.get_yaxis_transform()
        ax.axhline(y, color=BAND, lw=0.8, zorder=0)
        if words:
            ax.text(
                1.03,
                y,
                words,
                transform=beside,
                va="center",
                fontsize=8.5,
                style="italic",
                color=SOFT,
            )
            continue
        ax.plot(
            [row.low, row.high], [y, y], color=INK, lw=2.6, solid_capstyle="butt", clip_on=False
        )
        ax.plot([row.estimate], [y], LOOKS["described"].mark, ms=6, color=INK, clip_on=False)
        words = f"{number(row.estimate, unit)} ({spread(row.low, row.high, unit)})"
        ax.text(1.03, y, words, transform=beside, va="center", fontsize=8.5)
    ax.set_yticks(places, [text for text, *_ in lines])
    for tick, (_, row, _) in zip(ax.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("bold" if row is None else "normal")
    ticks = MaxNLocator(4).tick_values(low, high)
    ax.set_xticks(ticks, [marks.tick_words(tick) for tick in ticks])
    ax.set(xlim=(low, high), ylim=(sizes.sum(), 0), xlabel=unit)
    sns.despine(ax=ax, left=True)


# --- who is in the data


def flow_table(attrition: pd.DataFrame | None, *, min_group: int = 10) -> list[dict[str, Any]]:
    """Who is in the data and who fell out, ready to be published: a flow per table, small counts
    blank.
    """
    safe = rule.flow(attrition, min_group)
    safe = safe[(safe.step == "read") | (safe.rows != 0)]
    return [
        {"table": str(name), "steps": steps.drop(columns="table").to_dict("records")}
        for name, steps in safe.groupby("table", sort=False)
    ]


def flow(attrition: pd.DataFrame | None, *, min_group: int = 10) -> Picture | Block:
    """Who is in the data and who fell out: a bar per step, as long as the people who are left."""
    flows = flow_table(attrition, min_group=min_group)
    if not flows:
        return nothing(NO_ROWS)
    sizes = [sum(_lines(step) for step in one["steps"]) for one in flows]
    with canvas(0.24 * sum(sizes) + 0.5 * len(flows), WIDE) as figure:
        axes = figure.subplots(len(flows), squeeze=False, height_ratios=sizes)
        for ax, one in zip(axes[:, 0], flows, strict=True):
            _draw_flow(ax, one)
    return Picture(figure, " ".join(_flow_words(one) for one in flows))


def _draw_flow(ax: Axes, one: Mapping[str, Any]) -> None:
    steps = one["steps"]
    most = max((step["people_left"] or 0 for step in steps), default=0) or 1
    ends = list(accumulate(_lines(step) for step in steps))
    places = [end - _lines(step) / 2 for step, end in zip(steps, ends, strict=True)]
    for y, step in zip(places, steps, strict=True):
        left = step["people_left"]
        ax.barh(
            y,
            (left or 0) / most,
            height=1.2,
            color="#c3d6d4",
            edgecolor=LOOKS["higher"].colour,
            lw=0.8,
        )
        ax.text(0.01, y, _left_words(step), va="center", fontsize=8.5)
        ax.text(1.02, y, _dropped_words(step), va="center", fontsize=8.5, color=SOFT)
    ax.set_yticks(places, [_reason(step) for step in steps])
    ax.set_xticks([])
    ax.set_xlim(0, 1.7)
    ax.set_ylim(ends[-1], 0)
    ax.set_title(heading(one["table"]), loc="left", fontsize=10.5, fontweight="bold")
    sns.despine(ax=ax, left=True, bottom=True)


def _reason(step: Mapping[str, Any]) -> str:
    return wrap(heading(step["reason"]), 36)


def _lines(step: Mapping[str, Any]) -> float:
    """The height of a step, in lines of text: its reason may need several."""
    return max(_reason(step).count("\n") + 1.2, 1.9)


def _left_words(step: Mapping[str, Any]) -> str:
    if step["people_left"] is None:
        return "hidden"
    about = "about " if step["approximate"] else ""
    return f"{about}{number(step['people_left'])} people, {number(step['rows_left'])} rows"


def _dropped_words(step: Mapping[str, Any]) -> str:
    if step["step"] == "read":
        return ""
    if step["rows"] is None:
        return "dropped: hidden"
    people = "" if step["people"] is None else f" of {number(step['people'])} people"
    return f"dropped: {number(step['rows'])} rows{people}" if step["rows"] else "dropped: none"


def _flow_words(one: Mapping[str, Any]) -> str:
    parts = (
        (step["reason"], _dropped_words(step), f"left {_left_words(step)}") for step in one["steps"]
    )
    steps = "; ".join(", ".join(part for part in words if part) for words in parts)
    return f"{heading(one['table'])}: {steps}."

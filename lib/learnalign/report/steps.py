"""Results in their order: steps of an amount, and a headline from edition to edition.

Each is an upright interval against the smallest effect that matters; what was not estimated or is
hidden says so in words.
"""

from collections.abc import Sequence
from itertools import pairwise

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from learnalign.report import marks
from learnalign.report.marks import BAND, INK, LOOKS, SOFT, label
from learnalign.report.shown import Shown, nothing
from learnalign.report.svg import SMALL, canvas, drawn, wrap
from learnalign.report.typesetting import date, heading, phrases, say
from learnalign.verdicts.result import Result, number, spread

Point = tuple[str, Result]


def findings(rows: Sequence[Result]) -> str:
    """The headlines' sentences, a line each; of a family, its rows by what is known of them."""
    if told := [row.sentence for row in rows if row.headline or len(rows) == 1]:
        return "\n".join(told)
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(_standing(row), []).append((row.at or label(row)).replace("_", " "))
    order = [*phrases()["sides_of_a_ratio"][::-1], *phrases()["sides"][::-1]]
    order += phrases()["standings"].values()
    return "\n".join(f"{heading(one)}: {', '.join(found[one])}." for one in order if one in found)


def _standing(row: Result) -> str:
    if row.verdict in ("higher", "lower", "small"):
        return marks.sides(row.unit)[row.estimate > (1 if row.unit == "hazard ratio" else 0)]
    return phrases()["standings"][row.verdict]


# --- steps of an amount


def dose(rows: Sequence[Result], *, reference: str = "none", title: str = "") -> Shown:
    """Steps of an amount in the order given, each against none of it, joined by a light line.

    `rows` are those of one family, in one unit: `at` names the step. Misleads when the line
    is read as one fitted curve: every step is a comparison of its own.
    """
    if not rows:
        return nothing(say("none"))
    zero = number(1 if rows[0].unit == "hazard ratio" else 0)
    words = [say("against", reference=reference, value=zero), *map(marks.alt, rows)]
    return drawn(plot_dose(rows, reference), title or findings(rows), words)


def plot_dose(rows: Sequence[Result], reference: str) -> Figure:
    """The figure: the first step is joined to none of it as well."""
    points = [((row.at or label(row)).replace("_", " "), row) for row in rows]
    with canvas(2.6) as figure:
        ax, axis = figure.subplots(), marks.scale(rows)
        _draw_band(ax, 0, rows[0], axis)
        _draw_upright(ax, points, axis, range(1, len(rows) + 1), [True] * (len(rows) - 1))
        if marks.is_drawn(rows[0]):
            ends = [axis.nothing, axis.at(rows[0].estimate)]
            ax.plot([0, 1], ends, color=SOFT, lw=0.8, zorder=1)
        ax.plot([0], [axis.nothing], "o", ms=7, color=INK, mfc="white", mew=1.4, zorder=4)
        ax.set_xlim(-0.5, len(rows) + 0.5)
        ax.set_xticks(range(len(rows) + 1), [reference, *(wrap(name, 18) for name, _ in points)])
    return figure


# --- editions


def trend(editions: Sequence[Point]) -> Shown:
    """A headline over editions, oldest first: pairs of the day that one counts up to and its row.

    A line joins neighbours that were made alike (same method, level and smallest effect). Raises
    ValueError at several units. Misleads when the line is read as change: editions share people,
    and two intervals that overlap may differ all the same.
    """
    days = [day for day, _ in editions]
    rows = [row for _, row in editions]
    if not rows:
        return nothing(say("none"))
    if len({row.unit for row in rows}) > 1:
        units = ", ".join(row.unit for row in rows)
        raise ValueError(f"editions are drawn on one axis, but these have the units {units}")
    told = [f"{date(day)}: {_figure(row)}" for day, row in zip(days, rows, strict=True)]
    words = [rows[-1].sentence, *told, marks.band_words(rows[-1])]
    return drawn(plot_trend(days, rows), say("trend", what=heading(label(rows[-1]))), words)


def plot_trend(days: Sequence[str], rows: Sequence[Result]) -> Figure:
    """The figure: an upright interval for each edition."""
    points = [(_month(day), row) for day, row in zip(days, rows, strict=True)]
    joined = [_made(one) == _made(two) for one, two in pairwise(rows)]
    with canvas(2.5) as figure:
        ax = figure.subplots()
        _draw_upright(ax, points, marks.scale(rows), range(len(rows)), joined)
        ax.set_xlim(-0.5, len(rows) - 0.5)
        ax.set_xticks(range(len(rows)), [name for name, _ in points])
    return figure


def _month(day: str) -> str:
    """A day as a tick reads it: its month, short.

    >>> _month("2026-06-30")
    'Jun 2026'
    """
    words = date(day).split()
    return f"{words[1][:3]} {words[2]}" if len(words) == 3 else day


def _made(row: Result) -> tuple[str, float, float | None]:
    return row.method, row.level, row.smallest_effect


def _figure(row: Result) -> str:
    if words := marks.words_instead(row):
        return words
    return f"{number(row.estimate, row.unit)} ({spread(row.low, row.high, row.unit)})"


# --- both


def _draw_upright(
    ax: Axes,
    points: Sequence[Point],
    axis: marks.Scale,
    places: Sequence[int],
    joined: Sequence[bool],
) -> None:
    """An upright interval per point over the band of its own smallest effect; those `joined` by a
    line.
    """
    rows = [row for _, row in points]
    for x, row in zip(places, rows, strict=True):
        _draw_band(ax, x, row, axis)
        _draw_point(ax, x, row, axis, len(points) <= 7)
    for x, (one, two), is_joined in zip(places, pairwise(rows), joined, strict=False):
        if is_joined and marks.is_drawn(one) and marks.is_drawn(two):
            ends = [axis.at(one.estimate), axis.at(two.estimate)]
            ax.plot([x, x + 1], ends, color=SOFT, lw=0.8, zorder=1)
    ax.axhline(axis.nothing, color=INK, lw=1, zorder=1)
    ends = [end for row in rows if marks.is_drawn(row) for end in (row.low, row.high)]
    at = [axis.at(end) for end in (*ends, *(end for row in rows for end in marks.band(row) or ()))]
    ax.set_yticks(
        [axis.at(tick) for tick in axis.ticks], [marks.tick_words(tick) for tick in axis.ticks]
    )
    ax.set_ylim(min(at, default=0) - 0.04, max(at, default=1) + 0.1)
    ax.tick_params(length=0, colors=SOFT)
    about = ", ".join(filter(None, [rows[-1].unit, marks.band_words(rows[-1])]))
    ax.set_title(about, loc="left", fontsize=SMALL, color=SOFT)
    sns.despine(ax=ax, left=True, bottom=True)


def _draw_point(ax: Axes, x: float, row: Result, axis: marks.Scale, is_told: bool) -> None:
    look = LOOKS[row.verdict]
    if words := marks.words_instead(row):
        where = {"ha": "center", "va": "center", "bbox": {"facecolor": "white", "lw": 0}}
        ax.text(x, 0.5, wrap(words, 14), fontsize=SMALL, style="italic", color=SOFT, **where)
        return
    low, dot, high = (axis.at(value) for value in (row.low, row.estimate, row.high))
    dashes = (0, [float(part) / 2.4 for part in look.dashes.split()]) if look.dashes else "solid"
    style = {"color": look.colour, "solid_capstyle": "round", "dash_capstyle": "round"}
    ax.plot([x, x], [low, high], lw=2.6, ls=dashes, zorder=2, **style)
    fill = look.colour if look.filled else "white"
    ax.plot([x], [dot], look.mark, ms=7.5, color=look.colour, mfc=fill, mew=2, zorder=3)
    if is_told:
        words, above = number(row.estimate, row.unit), {"textcoords": "offset points"}
        ax.annotate(words, (x, high), (0, 4), ha="center", fontsize=SMALL, **above)


def _draw_band(ax: Axes, x: float, row: Result, axis: marks.Scale) -> None:
    if ends := marks.band(row):
        low, high = axis.at(ends[0]), axis.at(ends[1])
        ax.fill_between([x - 0.5, x + 0.5], [low] * 2, [high] * 2, color=BAND, lw=0, zorder=0)

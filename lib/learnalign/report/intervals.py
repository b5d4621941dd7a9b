"""Pictures of results with an interval: side by side, in steps of an amount, and from edition to
edition.

Each stands against the smallest effect that matters, and what was not estimated or is hidden says
so in words.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import seaborn as sns
from matplotlib.axes import Axes

from learnalign.privacy import rule
from learnalign.report import marks
from learnalign.report.marks import BAND, INK, LOOKS, SOFT, Look, heading
from learnalign.report.pictures import Block, Picture, canvas, nothing, told, wrap
from learnalign.verdicts.result import Result, number, spread

NO_RESULT = "There is no result to draw."
WIDE = 7.6  # inches, of pictures with long labels beside them


def paired(results: Sequence[Result]) -> Iterator[tuple[Result, Result | None]]:
    """Every result with the raw figure that belongs beside it; a raw figure alone stands for
    itself.
    """
    raws = {_contrast(row): row for row in results if row.at == "raw"}
    adjusted = {_contrast(row) for row in results if row.at != "raw"}
    for row in results:
        if row.at != "raw":
            yield row, raws.get(_contrast(row)) if row.headline or row.at == "" else None
        elif _contrast(row) not in adjusted:
            yield row, None


def label(row: Result) -> str:
    """What a row is about, in a few words."""
    group = "" if row.group == "company" else row.group.replace("=", ": ").replace("_", " ")
    words = [row.measure.replace("_", " "), group, row.at.replace("_", " ")]
    return ", ".join(word for word in words if word)


def interval(results: Sequence[Result], *, min_group: int = 10) -> Picture | Block:
    """Intervals against the smallest effect that matters, a row per result, the raw figure just
    below it.

    The finding is the title; of a family without a headline, what is known of which row. A result
    that was not estimated or is hidden has words in place of a dot. Results of several units are
    drawn in a panel each.
    """
    pairs = list(paired(rule.suppress(results, min_group)))
    if not pairs:
        return nothing(NO_RESULT)
    units = list(dict.fromkeys(row.unit for row, _ in pairs))
    panels = [[pair for pair in pairs if pair[0].unit == unit] for unit in units]
    findings = _findings([row for row, _ in pairs])
    with canvas(0.95 * len(panels) + 0.62 * len(pairs), WIDE) as figure:
        axes = figure.subplots(
            len(panels), squeeze=False, height_ratios=[len(panel) + 0.8 for panel in panels]
        )
        for ax, panel in zip(axes[:, 0], panels, strict=True):
            _draw_panel(ax, panel)
    return Picture(figure, " ".join(marks.alt(row, raw) for row, raw in pairs), "\n".join(findings))


def _contrast(row: Result) -> tuple[str, str, str]:
    return row.question, row.measure, row.group


def _findings(rows: Sequence[Result]) -> list[str]:
    """The sentences of the headlines; or, of a family, the names of its rows by what is known of
    them.
    """
    if told := [row.sentence for row in rows if row.headline]:
        return told
    if len(rows) == 1:
        return [rows[0].sentence]
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(_standing(row), []).append((row.at or label(row)).replace("_", " "))
    return [
        " ".join(
            f"{heading(word)}: {', '.join(found[word])}." for word in STANDINGS if word in found
        )
    ]


STANDINGS = (
    "faster",
    "slower",
    "higher",
    "lower",
    "practically none",
    "not trustworthy",
    "not known",
    "not shown",
    "described",
)


def _standing(row: Result) -> str:
    if row.verdict in ("higher", "lower", "small"):
        return marks.sides(row.unit)[row.estimate > (1 if row.unit == "hazard ratio" else 0)]
    words = {
        "none": "practically none",
        "untrusted": "not trustworthy",
        "unknown": "not known",
        "hidden": "not shown",
    }
    return words.get(row.verdict, "described")


def _draw_panel(ax: Axes, pairs: Sequence[tuple[Result, Result | None]]) -> None:
    drawn = [row for pair in pairs for row in pair if row is not None]
    axis = marks.scale(drawn)
    ends = marks.band(pairs[0][0])
    if ends:
        ax.axvspan(axis.at(ends[0]), axis.at(ends[1]), color=BAND, lw=0, zorder=0)
        ax.set_title(marks.band_words(pairs[0][0]), fontsize=9.5, color=SOFT)
    ax.axvline(axis.at(1 if axis.is_ratio else 0), color=INK, lw=1, zorder=1)
    for y, (row, raw) in enumerate(pairs):
        _draw_row(ax, y, row, axis)
        if raw is not None and marks.is_drawn(raw) and row.verdict != "hidden":
            _draw_raw(ax, y + 0.3, raw, axis)
    ax.set_ylim(len(pairs) - 0.4, -0.6)
    ax.set_xlim(0, 1)
    alone = len({row.measure for row, _ in pairs}) == 1 and all(row.at for row, _ in pairs)
    names = [row.at.replace("_", " ") if alone else label(row) for row, _ in pairs]
    ax.set_yticks(range(len(pairs)), [wrap(name, 30) for name in names])
    ax.set_xticks(
        [axis.at(tick) for tick in axis.ticks], [marks.tick_words(tick) for tick in axis.ticks]
    )
    ax.set_xlabel(pairs[0][0].unit)
    sns.despine(ax=ax, left=True)


def _draw_row(ax: Axes, y: float, row: Result, axis: marks.Scale) -> None:
    look = LOOKS[row.verdict]
    if words := marks.words_instead(row):
        style = {"color": look.colour, "style": "italic", "bbox": {"facecolor": "white", "lw": 0}}
        ax.text(0.5, y, words, ha="center", va="center", **style)
        return
    low, dot, high = (axis.at(value) for value in (row.low, row.estimate, row.high))
    fill = look.colour if look.filled else "white"
    caps = {"solid_capstyle": "round", "dash_capstyle": "round"}
    ax.plot([low, high], [y, y], color=look.colour, lw=2.6, ls=_dashes(look), zorder=2, **caps)
    ax.plot([dot], [y], look.mark, ms=7.5, color=look.colour, mfc=fill, mew=2, zorder=3)
    words = f"{number(row.estimate, row.unit)} ({spread(row.low, row.high, row.unit)})"
    ax.text(dot, y - 0.2, words, ha="center", va="bottom", fontsize=9.5)


def _draw_raw(ax: Axes, y: float, raw: Result, axis: marks.Scale) -> None:
    low, dot, high = (axis.at(value) for value in (raw.low, raw.estimate, raw.high))
    ax.plot([low, high], [y, y], color=SOFT, lw=1, zorder=2)
    ax.plot([dot], [y], "o", ms=4.5, color=SOFT, mfc="white", zorder=3)
    ax.text(high + 0.012, y, "before adjusting", va="center", fontsize=9.5, color=SOFT)


# --- in order: steps of an amount, and editions

Point = tuple[str, Result]


def dose(
    results: Sequence[Result], *, min_group: int = 10, reference: str = "none"
) -> Picture | Block:
    """Steps of an amount in the order given, each against none of it, joined by a light line.

    `results` are the rows of one family, in one unit (`estimates.dose`): `at` names the step. A
    relation that rises and falls shows here. Misleads when the line is read as one fitted curve:
    every step is a comparison of its own.
    """
    rows = rule.suppress(results, min_group)
    if not rows:
        return nothing(NO_RESULT)
    findings = _findings(rows)
    points = [((row.at or label(row)).replace("_", " "), row) for row in rows]
    with canvas(2.6) as figure:
        ax, axis = figure.subplots(), marks.scale(rows)
        _draw_band(ax, 0, rows[0], axis)
        _draw_upright(ax, points, axis, range(1, len(rows) + 1), [True] * (len(rows) - 1))
        none = axis.at(1 if axis.is_ratio else 0)
        if marks.is_drawn(rows[0]):
            ax.plot([0, 1], [none, axis.at(rows[0].estimate)], color=SOFT, lw=0.8, zorder=1)
        ax.plot([0], [none], "o", ms=7, color=INK, mfc="white", mew=1.4, zorder=4)
        ax.set_xlim(-0.5, len(rows) + 0.5)
        ax.set_xticks(range(len(rows) + 1), [reference, *(wrap(name, 18) for name, _ in points)])
    words = f"Against {reference}, at {number(1 if axis.is_ratio else 0)}."
    return Picture(figure, " ".join([words, *map(marks.alt, rows)]), "\n".join(findings))


def trend(editions: Sequence[tuple[str, Result]], *, min_group: int = 10) -> Picture | Block:
    """A headline over editions, oldest first: its estimate and interval at each, against the
    smallest effect.

    `editions` are pairs of the day an edition counts up to and its row; all in the unit of the
    last. A line joins neighbours that were made alike (same method, level and smallest effect).
    Misleads when the line is read as change: editions share people, and two intervals that overlap
    may differ all the same.
    """
    days = [day for day, _ in editions]
    rows = rule.suppress([row for _, row in editions], min_group)
    if not rows:
        return nothing(NO_RESULT)
    if len({row.unit for row in rows}) > 1:
        raise ValueError(
            "editions are drawn on one axis, but these have the units "
            f"{', '.join(r.unit for r in rows)}"
        )
    points = [(_month(day), row) for day, row in zip(days, rows, strict=True)]
    joined = [_made(one) == _made(two) for one, two in pairwise(rows)]
    with canvas(2.5) as figure:
        ax = figure.subplots()
        _draw_upright(ax, points, marks.scale(rows), range(len(rows)), joined)
        ax.set_xlim(-0.5, len(rows) - 0.5)
        ax.set_xticks(range(len(rows)), [name for name, _ in points])
    told_of = [f"{marks.date(day)}: {_figure(row)}" for day, row in zip(days, rows, strict=True)]
    title = f"{heading(label(rows[-1]))}, edition by edition"
    return Picture(
        figure, told(title, [rows[-1].sentence, *told_of, marks.band_words(rows[-1])]), title
    )


def _month(day: str) -> str:
    """A day as a tick reads it: its month, short.

    >>> _month("2026-06-30")
    'Jun 2026'
    """
    words = marks.date(day).split()
    return f"{words[1][:3]} {words[2]}" if len(words) == 3 else day


def _made(row: Result) -> tuple[str, float, float | None]:
    return row.method, row.level, row.smallest_effect


def _figure(row: Result) -> str:
    if words := marks.words_instead(row):
        return words
    return f"{number(row.estimate, row.unit)} ({spread(row.low, row.high, row.unit)})"


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
    for x, (_, row) in zip(places, points, strict=True):
        _draw_band(ax, x, row, axis)
    for x, (_, one), (_, two), is_joined in zip(places, points, points[1:], joined, strict=False):
        if is_joined and marks.is_drawn(one) and marks.is_drawn(two):
            ends = [axis.at(one.estimate), axis.at(two.estimate)]
            ax.plot([x, x + 1], ends, color=SOFT, lw=0.8, zorder=1)
    ax.axhline(axis.at(1 if axis.is_ratio else 0), color=INK, lw=1, zorder=1)
    for x, (_, row) in zip(places, points, strict=True):
        _draw_point(ax, x, row, axis, len(points) <= 7)
    rows = [row for _, row in points]
    ends = [end for row in rows if marks.is_drawn(row) for end in (row.low, row.high)]
    at = [axis.at(end) for end in (*ends, *(end for row in rows for end in marks.band(row) or ()))]
    ax.set_yticks(
        [axis.at(tick) for tick in axis.ticks], [marks.tick_words(tick) for tick in axis.ticks]
    )
    ax.set_ylim(min(at, default=0) - 0.04, max(at, default=1) + 0.1)
    ax.tick_params(length=0, colors=SOFT)
    ax.set_title(
        ", ".join(filter(None, [points[-1][1].unit, marks.band_words(points[-1][1])])),
        loc="left",
        fontsize=9.5,
        color=SOFT,
    )
    sns.despine(ax=ax, left=True, bottom=True)


def _draw_point(ax: Axes, x: float, row: Result, axis: marks.Scale, is_told: bool) -> None:
    look = LOOKS[row.verdict]
    if words := marks.words_instead(row):
        ax.text(
            x,
            0.5,
            wrap(words, 14),
            ha="center",
            va="center",
            fontsize=9.5,
            style="italic",
            color=SOFT,
            bbox={"facecolor": "white", "lw": 0},
        )
        return
    low, dot, high = (axis.at(value) for value in (row.low, row.estimate, row.high))
    style = {"color": look.colour, "solid_capstyle": "round", "dash_capstyle": "round"}
    ax.plot([x, x], [low, high], lw=2.6, ls=_dashes(look), zorder=2, **style)
    fill = look.colour if look.filled else "white"
    ax.plot([x], [dot], look.mark, ms=7.5, color=look.colour, mfc=fill, mew=2, zorder=3)
    if is_told:
        words = number(row.estimate, row.unit)
        ax.annotate(words, (x, high), (0, 4), textcoords="offset points", ha="center", fontsize=9.5)


def _draw_band(ax: Axes, x: float, row: Result, axis: marks.Scale) -> None:
    if ends := marks.band(row):
        low, high = axis.at(ends[0]), axis.at(ends[1])
        ax.fill_between([x - 0.5, x + 0.5], [low] * 2, [high] * 2, color=BAND, lw=0, zorder=0)


def _dashes(look: Look) -> str | tuple[int, list[float]]:
    return (0, [float(part) / 2.4 for part in look.dashes.split()]) if look.dashes else "solid"

"""Curves over time, and the spread over managers.

Each takes what its module gives, which may be shown, makes a record of plain data of it, and is
drawn from that record alone, in a notebook as in the report.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle, pairwise

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from learnalign.estimates.pooling import Spread
from learnalign.report.marks import BAND, INK, LOOKS, SOFT
from learnalign.report.shown import Shown, nothing
from learnalign.report.svg import LINE, SMALL, canvas, drawn, wrap
from learnalign.report.tables import AMBER, TEAL, Record
from learnalign.report.typesetting import heading, percent, say
from learnalign.verdicts.document import records
from learnalign.verdicts.result import number, spread

PALE = "#c3d6d4"
# Dashes tell lines apart in grey
LINES = ((TEAL, "-"), (AMBER, "--"), (INK, ":"), (LOOKS["untrusted"].colour, "-."))
ALL = "all gaps"  # the group that the others are parts of
KINDS = (("closed", ""), ("left", "left_"))
COURSE = ("closed", "low", "high", "left", "left_low", "left_high")
YEAR = 12  # months: what people ask
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
KEPT = ("month", *COURSE)


# --- curves over time


def curves(frame: pd.DataFrame, *, title: str = "") -> Shown:
    """The share of gaps closed, and of those whose people left first, over the months since they
    were found.

    `frame` is what `gaps.curve` gives: group, month, and COURSE (percent, blank where hidden); a
    group with too few is not in it. Between two months a line is drawn that nobody counted.
    Misleads where groups were formed by what came after a gap was found.
    """
    shown = frame[frame.groupby("group").closed.transform("count") > 0].sort_values("month")
    rows = [
        {"group": str(name)} | {key: [row[key] for row in records(part)] for key in KEPT}
        for name, part in shown.groupby("group")
    ]
    if not rows:
        return nothing(say("curves.none"))
    return draw_curves({"kind": "curves", "title": title or _closed_by(rows), "rows": rows})


def _closed_by(rows: Sequence[Record]) -> str:
    """How many closed within a year, as a finding; where no month 12 is told, by the last one. All
    gaps are told only where there is no other group.
    """
    told = [row for row in rows if row["group"] != ALL] or rows
    ends = (
        say(
            "curves.of_all" if row["group"] == ALL else "curves.of_group",
            group=row["group"],
            share=percent(share),
            month=month,
        )
        for row, (month, share) in zip(told, map(_last, told), strict=True)
    )
    return heading("; ".join(ends))


def _last(row: Record) -> tuple[int, float]:
    """Month 12, or else the last of which it is told how many gaps were closed, and how many."""
    known = zip(row["month"], row["closed"], strict=True)
    told = {month: share for month, share in known if share is not None}
    return (YEAR, told[YEAR]) if YEAR in told else [*told.items()][-1]


def draw_curves(record: Record) -> Shown:
    """The curves that a record holds: per group its months and percentages."""
    words = [_at_two_months(*one) for one in _lines(record).items()]
    return drawn(plot_curves(record), record["title"], words, record, [say("curves.points")])


def plot_curves(record: Record) -> Figure:
    """The figure of such a record: gaps closed above, and gaps whose people left first below."""
    lines = _lines(record)
    highest = 1.1 * pd.concat(lines.values()).max().fillna(0)
    tops = [top := max(5, highest.high), max(0.35 * top, highest.left_high)]
    with canvas(0.9 + sum(tops) / top * 2.4) as figure:
        axes = figure.subplots(2, sharex=True, height_ratios=tops)
        for ax, (column, prefix), end in zip(axes, KINDS, tops, strict=True):
            _draw_lines(ax, lines, column, prefix, top / 2.4)
            ax.set_title(say(f"curves.{column}"), loc="left", fontsize=SMALL, fontweight="bold")
            ax.set_ylim(0, end)
        axes[1].set_xlabel(say("curves.axis"), loc="left", fontsize=SMALL)
    return figure


def _lines(record: Record) -> dict[str, pd.DataFrame]:
    return {
        row["group"]: pd.DataFrame({key: row[key] for key in KEPT}, dtype=float)
        for row in record["rows"]
    }


def _draw_lines(
    ax: Axes, lines: Mapping[str, pd.DataFrame], column: str, prefix: str, inch: float
) -> None:
    """A line for each group, its name and last value at the right edge; `inch` is how many percent
    make one.
    """
    edge = 1.03 * max(rows.month.max() for rows in lines.values())
    looks = dict(zip(lines, cycle(LINES), strict=False))
    told = {name: rows for name, all_ in lines.items() if len(rows := all_.dropna(subset=column))}
    names = {name: _label(name, rows.iloc[-1], column) for name, rows in told.items()}
    sizes = [inch * LINE * (name.count("\n") + 1.25) for name in names.values()]
    places = apart([rows[column].iloc[-1] for rows in told.values()], sizes) if told else []
    for (group, rows), y in zip(told.items(), places, strict=True):
        colour, dash = looks[group]
        ends = (rows[f"{prefix}low"], rows[f"{prefix}high"])
        ax.fill_between(rows.month, *ends, color=colour, alpha=0.13, lw=0)
        ax.plot(rows.month, rows[column], "o", ls=dash, ms=3.5, color=colour, lw=1.8)
        pointer = ([rows.month.iloc[-1], edge], [rows[column].iloc[-1], y])
        ax.plot(*pointer, color=colour, lw=0.6, clip_on=False)
        ax.text(1.015 * edge, y, names[group], va="center", color=colour, fontsize=SMALL)
    if not told:
        where = {"ha": "center", "va": "center", "transform": ax.transAxes}
        ax.text(0.5, 0.5, "hidden", color=SOFT, style="italic", **where)
    ax.set_xlim(0, edge)
    ax.tick_params(colors=SOFT)
    sns.despine(ax=ax)


def _label(name: str, last: pd.Series, column: str) -> str:
    """A line's last value; the colours are named above, at the gaps closed."""
    share = percent(last[column])
    if column != "closed":
        return share
    return wrap(say("curves.label", group=name, share=share, month=number(int(last.month))), 22)


def _at_two_months(name: str, rows: pd.DataFrame) -> str:
    """What a curve says in the middle and at its end."""
    rows = rows.dropna(subset="closed")
    parts = []
    for row in (rows.iloc[len(rows) // 2], rows.iloc[-1]):
        left = say("curves.left_hidden")
        if row.left > 0:
            left = say("curves.left_share", share=percent(row.left))
        month, ends = number(int(row.month)), spread(row.low, row.high, "%")
        closed = percent(row.closed)
        parts.append(say("curves.at", month=month, closed=closed, spread=ends, left=left))
    return f"{name}: {'; '.join(parts)}"


def apart(places: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """The places moved as little as will do, so that texts of these sizes touch neither each other
    nor what is below 0.

    >>> apart([0.5, 0.5, 0.9], [0.2, 0.2, 0.2])
    [0.4, 0.6, 0.9]
    """
    order, moved = np.argsort(places, kind="stable"), np.array(places, float)
    for _ in range(200):
        moved[order[0]] = max(moved[order[0]], sizes[order[0]] / 2)
        for below, above in pairwise(order):
            short = max((sizes[below] + sizes[above]) / 2 - (moved[above] - moved[below]), 0)
            moved[below], moved[above] = moved[below] - short / 2, moved[above] + short / 2
    return [round(float(place), 6) for place in moved]


# --- the spread over managers


def spread_over_managers(
    found: Spread | None, *, unit: str, otherwise: str = "", title: str = ""
) -> Shown:
    """How managers differ, as a smooth curve from the mean and SD between them; never a point per
    manager. `otherwise` is the reason why there is none.

    Shaded is what is too small to matter (`found.smallest`). Misleads when managers are in two
    camps: the curve is a normal one whatever they are.
    """
    if found is None:
        return nothing(say("spread.none", otherwise=otherwise))
    names = ("mean", "mean_low", "mean_high", "sd", "sd_low", "sd_high")
    found = replace(found, **{name: round(getattr(found, name), 3) for name in names})
    known = [[p, round(found.mean + float(norm.ppf(p)) * found.sd, 3)] for p in QUANTILES]
    told = dict(_told(found, dict(known), unit))
    differ = found.sd_low > 0
    finding = say("spread.beyond_chance", sd=told["sd"]) if differ else say("spread.alike")
    row = {"mean": found.mean, "sd": found.sd, "quantiles": known, "smallest": found.smallest}
    record = {"kind": "spread_over_managers", "title": title or finding}
    rows = [{**row, "words": list(told.values())}]
    return draw_spread_over_managers({**record, "unit": unit, "rows": rows})


def _told(found: Spread, known: Mapping[float, float], unit: str) -> Iterator[tuple[str, str]]:
    """What the curve says, a line each, by its key."""
    mean = f"{number(found.mean, unit)} ({spread(found.mean_low, found.mean_high, unit)})"
    sd = f"{number(found.sd, unit)} ({spread(found.sd_low, found.sd_high, unit)})"
    yield "curve", say("spread.curve" if found.sd > 0 else "spread.no_curve")
    yield "mean", say("spread.mean", n=number(found.n_managers), mean=mean)
    yield "sd", say("spread.sd", sd=sd)
    for start, end, name in ((0.25, 0.75, "half"), (0.1, 0.9, "most")) if found.sd > 0 else ():
        yield name, say(f"spread.{name}", spread=spread(known[start], known[end], unit))
    yield "shaded", say("spread.shaded", smallest=number(found.smallest, unit))


def draw_spread_over_managers(record: Record) -> Shown:
    """The spread that a record holds: mean, SD, quantiles, the smallest effect, and words."""
    curve, *notes = record["rows"][0]["words"]
    return drawn(plot_spread_over_managers(record), record["title"], [curve], record, notes)


def plot_spread_over_managers(record: Record) -> Figure:
    """The figure of such a record: a curve over the shade, and below it where most managers are."""
    (row,) = record["rows"]
    mean, sd, smallest, known = row["mean"], row["sd"], row["smallest"], dict(row["quantiles"])
    ends = [mean - 3.3 * sd, mean + 3.3 * sd, *known.values()]
    low, high = min(*ends, -2 * smallest), max(*ends, 2 * smallest)
    with canvas(2.1) as figure:
        ax = figure.subplots()
        ax.axvspan(-smallest, smallest, color=BAND, lw=0, zorder=0)
        ax.axvline(0, color=INK, lw=1, zorder=1)
        if sd > 0:
            x = np.linspace(low, high, 90)
            height = np.exp(-0.5 * ((x - mean) / sd) ** 2)
            ax.fill_between(x, height, color=PALE, alpha=0.7, lw=0)
            ax.plot(x, height, color=TEAL, lw=1.6)
        ax.plot([mean] * 2, [0, 1], color=TEAL, lw=1.6 if sd > 0 else 4, solid_capstyle="butt")
        for (start, end), width in (((0.1, 0.9), 1.6), ((0.25, 0.75), 6)):
            if start in known and end in known and sd > 0:
                most = [known[start], known[end]]
                ax.plot(most, [-0.14] * 2, color=INK, lw=width, solid_capstyle="butt")
        ax.set(xlim=(low, high), ylim=(-0.28, 1.1), yticks=[])
        ax.set_xlabel(wrap(record["unit"], 76), loc="left", fontsize=SMALL)
        sns.despine(ax=ax, left=True)
    return figure

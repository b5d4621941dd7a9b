"""Pictures of groups: the gap journey, curves, the spread over managers, and networks.

Each takes what its module counted, lets through what may be shown (`gate`) as a record of plain
data, and draws from that record alone. `charts` offers all of it to notebooks and reports.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from learnalign.estimates.pooling import Spread
from learnalign.privacy import frames, rule
from learnalign.report.marks import BAND, INK, LOOKS, SOFT, heading
from learnalign.report.pictures import Block, Picture, apart, canvas, foot, nothing, told, wrap
from learnalign.verdicts.result import MINUS, number, spread

TEAL, AMBER, PALE = LOOKS["higher"].colour, LOOKS["unknown"].colour, "#c3d6d4"
LINES = (
    (TEAL, "-"),
    (AMBER, "--"),
    (INK, ":"),
    (LOOKS["untrusted"].colour, "-."),
)  # dashes tell them apart in grey
HIDDEN = {"color": SOFT, "style": "italic"}
SMALL = 9.5  # size of small text
LINE = 0.165  # inches that a line of small text takes

Record = Mapping[str, Any]


def _percent(value: float) -> str:
    return number(value, "%") if 0 < value < 9.95 else f"{value:.0f} %"


# --- the gap journey


def journey(stages: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Picture | Block:
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
        return nothing("No gap was found here, so none was followed.")
    rows = _stages(stages, min_group)
    return draw_journey(
        {"kind": "journey", "title": title or _far(rows), "min_group": min_group, "rows": rows}
    )


def draw_journey(record: Record) -> Picture:
    """The journey as its record holds it: per stage its gaps and people, how many stopped there,
    and in which ways.
    """
    rows, places = record["rows"], [0.0]
    most = max(row["gaps"] or 0 for row in rows) or 1
    told_of = [(heading(row["stage"]), _reached(row, rows[0]), _stopped(row)) for row in rows]
    texts = [(wrap(stage, 24), wrap(words, 60), wrap(rest, 78)) for stage, words, rest in told_of]
    for stage, _, rest in texts:
        places.append(
            places[-1] + 0.5 + LINE * (stage.count("\n") + (rest.count("\n") + 1 if rest else 0))
        )
    with canvas(places[-1]) as figure:
        ax = figure.subplots()
        for y, row, (stage, words, rest) in zip(places, rows, texts, strict=False):
            bar = y + 0.25 + LINE * stage.count("\n")
            ax.text(0, bar - 0.1, stage, va="bottom", fontweight="bold")
            ax.text(
                1,
                bar - 0.1,
                words,
                va="bottom",
                ha="right",
                **(HIDDEN if words == "hidden" else {}),
            )
            ax.barh(bar, (row["gaps"] or 0) / most, height=0.13, color=TEAL)
            ax.barh(bar, 1, height=0.13, color=BAND, zorder=0)
            ax.text(0, bar + 0.105, rest, va="top", fontsize=SMALL, color=SOFT)
        ax.set(xlim=(0, 1), ylim=(places[-1], 0), xticks=[], yticks=[])
        sns.despine(ax=ax, left=True, bottom=True)
    lines = [
        ": ".join([row["stage"], "; ".join(filter(None, one[1:]))])
        for row, one in zip(rows, told_of, strict=True)
    ]
    return Picture(figure, told(record["title"], lines), record["title"], dict(record))


def _far(rows: Sequence[Record]) -> str:
    """How far gaps came, as a finding."""
    first, last = rows[0], rows[-1]
    if last["stage"] != "closed" or not first["gaps"] or last["gaps"] is None:
        return "How far gaps came"
    way = ", ".join(row["stage"] for row in rows[1:])
    return f"{_percent(100 * last['gaps'] / first['gaps'])} of gaps went all the way: {way}"


def _reached(row: Record, first: Record) -> str:
    """How many gaps got to a stage, in words."""
    if row["gaps"] is None:
        return "hidden"
    of = (
        f" ({_percent(100 * row['gaps'] / first['gaps'])})"
        if row is not first and first["gaps"]
        else ""
    )
    return f"{number(row['gaps'])} gaps of {number(row['people'])} people{of}"


def _stopped(row: Record) -> str:
    """Where those went that got no further, in words; none did where it is 0, and it is hidden
    where it is None.
    """
    if row["stopped"] is None:
        return "went no further: hidden"
    ways = ", ".join(f"{number(count)} {way}" for count, way in row["ways"])
    return (
        ": ".join(filter(None, [f"{number(row['stopped'])} went no further", ways]))
        if row["stopped"]
        else ""
    )


def _stages(stages: pd.DataFrame, min_group: int) -> list[dict[str, Any]]:
    """A row per stage: its name, gaps and people, and the gaps that stopped there in all and by
    way; None is hidden.
    """
    stages, is_all = stages.assign(few=frames.few(stages, min_group)), stages.then == "all"
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
    joined = (
        way.few | (way.few.any() & (way.index == way.gaps.mask(way.few).idxmin()))
        if len(way)
        else way.few
    )
    parts = [[int(row.gaps), row.then] for row in way[~joined].itertuples()]
    return parts + ([[int(way.gaps[joined].sum()), "otherwise"]] if parts and joined.any() else [])


# --- curves over time

KINDS = (("closed", "", "Gaps closed"), ("left", "left_", "Gaps whose people left first"))
ALL = "all gaps"  # the group that the others are parts of
COURSE = ("closed", "low", "high", "left", "left_low", "left_high")
KEPT = ("month", *COURSE)


def curves(frame: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Picture | Block:
    """The share of gaps closed, and of those whose people left first, over the months since they
    were found.

    `frame` is what `gaps.curve` counts: group, month, closed, low, high, left, left_low, left_high
    (percent), the people and managers still at risk, people_closed and people_left. A curve starts,
    and rises, where `min_group` more people closed a gap (or left), in steps in which so many can
    hide. It ends where too few are at risk, and that of all gaps where one part's alone has ended;
    a group with too few is named and not drawn. Misleads by up to a step, and where groups were
    formed by what came after a gap was found.
    """
    start = frame.groupby("group", observed=True).people.transform("max")
    steps = [max(0.1, rule.step(100, people, min_group)) for people in start]
    coarse = frame.assign(**{key: frames.to_steps(frame[key], steps) for key in COURSE})
    shown = frames.pass_through(coarse, COURSE, min_group=min_group)
    cut = _until_told(
        {str(name): _until_few(rows) for name, rows in shown.groupby("group", observed=True)}
    )
    cut = {name: _rising(lines, min_group) for name, lines in cut.items()}
    drawn = {
        name: lines for name, lines in cut.items() if len(lines) > 1 and lines.closed.notna().any()
    }
    rows = [
        {"group": name} | {key: [row[key] for row in frames.rows(lines, KEPT)] for key in KEPT}
        for name, lines in drawn.items()
    ]
    if not rows:
        return nothing("There is no curve to draw: too few are left in every group.")
    kept = {"hidden": [name for name in cut if name not in drawn], "rows": rows}
    title = title or _closed_by(rows)
    return draw_curves({"kind": "curves", "title": title, "min_group": min_group} | kept)


def _closed_by(rows: Sequence[Record]) -> str:
    """Where the curves end, as a finding; all gaps are told only where there is no other group."""
    told = [row for row in rows if row["group"] != "all gaps"] or rows
    names = [row["group"] if row["group"] == "all gaps" else f"gaps {row['group']}" for row in told]
    ends = (
        f"of {name}, {_percent(row['closed'][-1])} closed by month {row['month'][-1]:g}"
        for name, row in zip(names, told, strict=True)
    )
    return heading("; ".join(ends))


def draw_curves(record: Record) -> Picture:
    """The curves as their record holds them: per group its months and percentages; and the groups
    that are hidden.
    """
    drawn = {
        row["group"]: pd.DataFrame({key: row[key] for key in KEPT}, dtype=float)
        for row in record["rows"]
    }
    highest = 1.1 * pd.concat(drawn.values()).max().fillna(0)
    tops = [top := max(5, highest.high), max(0.35 * top, highest.left_high)]
    words = [
        (
            f"A curve rises by {record['min_group']} people or more, and ends where fewer are "
            "left, in it or beside it"
        )
    ]
    words += [f"{name}: hidden, too few people in it or beside it" for name in record["hidden"]]
    with canvas(1.2 + sum(tops) / top * 2.4) as figure:
        for ax, (column, prefix, what), end in zip(
            figure.subplots(2, sharex=True, height_ratios=tops), KINDS, tops, strict=True
        ):
            _draw_curves(ax, drawn, column, prefix, top / 2.4)
            ax.set_title(f"{what} (%)", loc="left", fontsize=9.5, fontweight="bold")
            ax.set_ylim(0, end)
        foot(figure, "months since the gap was found", wrap(". ".join(words), 72))
    words = [*(_curve_words(*one) for one in drawn.items()), *words]
    return Picture(figure, told(record["title"], words), record["title"], dict(record))


def _rising(rows: pd.DataFrame, min_group: int) -> pd.DataFrame:
    """The curves as they may be told: in steps, and blank where too few had closed a gap, or left."""
    for end, prefix, _ in KINDS:
        rows = frames.rising(
            rows, [end, f"{prefix}low", f"{prefix}high"], f"people_{end}", min_group
        )
    return rows


def _until_few(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.sort_values("month", ignore_index=True)
    return rows[~(~rows.shown | (rows.people.fillna(0) == 0) | rows.closed.isna()).cummax()]


def _until_told(cut: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The curve of all ends where one part of it alone has ended, as it would tell that part's
    rest.
    """
    parts, total = [rows for name, rows in cut.items() if name != ALL], cut.get(ALL)
    if total is None or len(parts) < 2:
        return dict(cut)
    ended = len(parts) - sum(total.month.isin(rows.month).astype(int) for rows in parts)
    return {**cut, ALL: total[(ended != 1).cummin()]}


def _draw_curves(
    ax: Axes, drawn: Mapping[str, pd.DataFrame], column: str, prefix: str, inch: float
) -> None:
    """A line for each group, its name and last value at the right edge; `inch` is how many percent
    make one.
    """
    edge = 1.03 * max(rows.month.max() for rows in drawn.values())
    looks = dict(zip(drawn, cycle(LINES), strict=False))
    drawn = {name: told for name, rows in drawn.items() if len(told := rows.dropna(subset=column))}
    last = {name: rows.iloc[-1] for name, rows in drawn.items()}
    names = [
        _percent(row[column])
        if prefix  # the colours are named above
        else wrap(f"{name}: {_percent(row.closed)} by month {number(int(row.month))}", 22)
        for name, row in last.items()
    ]
    ends, sizes = (
        [row[column] for row in last.values()],
        [inch * LINE * (name.count("\n") + 1.25) for name in names],
    )
    places = apart(ends, sizes) if ends else []
    for (group, rows), name, y in zip(drawn.items(), names, places, strict=True):
        colour, dash = looks[group]
        ax.fill_between(
            rows.month,
            rows[f"{prefix}low"],
            rows[f"{prefix}high"],
            step="post",
            color=colour,
            alpha=0.13,
            lw=0,
        )
        ax.step(rows.month, rows[column], where="post", color=colour, ls=dash, lw=1.8)
        ax.plot(
            [rows.month.iloc[-1], edge],
            [rows[column].iloc[-1], y],
            color=colour,
            lw=0.6,
            clip_on=False,
        )
        ax.text(1.015 * edge, y, name, va="center", color=colour, fontsize=SMALL)
    if not drawn:
        ax.text(0.5, 0.5, "hidden", ha="center", va="center", transform=ax.transAxes, **HIDDEN)
    ax.set_xlim(0, edge)
    ax.tick_params(colors=SOFT)
    sns.despine(ax=ax)


def _curve_words(name: str, rows: pd.DataFrame) -> str:
    rows = rows.dropna(subset="closed")
    parts = [
        f"by month {number(int(row.month))}, {_percent(row.closed)} closed "
        f"({spread(row.low, row.high, '%')}) and"
        f" {_percent(row.left) + ' left first' if row.left > 0 else 'left first: hidden'}"
        for row in (rows.iloc[len(rows) // 2], rows.iloc[-1])
    ]
    return f"{name}: {'; '.join(parts)}"


# --- the spread over managers


def spread_over_managers(
    found: Spread | None, *, unit: str, otherwise: str = "", title: str = "", min_group: int = 10
) -> Picture | Block:
    """How managers differ, as a smooth curve from the mean and SD between them; never a point per
    manager.

    `otherwise` is the reason why there is none.

    Shaded is what is too small to matter (`found.smallest`). A quantile is told where at least
    `min_group` managers lie beyond it, and managers clearly below the shade are counted down to a
    multiple of `min_group`. Misleads when managers are in two camps: the curve is a normal one
    whatever they are.
    """
    rule.too_small(None, min_group)
    if found is None:
        return nothing(f"How managers differ is not known: {otherwise}.")
    ends = {
        key: round(value, 3)
        for key, value in asdict(found).items()
        if key.split("_")[0] in ("mean", "sd")
    }
    known = [
        [p, round(value, 3)]
        for p, value in found.quantiles
        if min(p, 1 - p) * found.n_managers >= min_group
    ]
    words = _spread_words(replace(found, **ends), dict(known), unit, min_group)
    row = {
        "mean": ends["mean"],
        "sd": ends["sd"],
        "quantiles": known,
        "smallest": found.smallest,
        "words": words,
    }
    title = title or (
        "Managers do not differ beyond chance" if not ends["sd"] else f"Managers differ. {words[2]}"
    )
    record = {"kind": "spread_over_managers", "title": title, "min_group": min_group}
    return draw_spread_over_managers({**record, "unit": unit, "rows": [row]})


def draw_spread_over_managers(record: Record) -> Picture:
    """The spread as its record holds it: mean, SD, quantiles and the smallest effect, and its
    words.
    """
    (row,) = record["rows"]
    mean, sd, smallest, known = row["mean"], row["sd"], row["smallest"], dict(row["quantiles"])
    ends = [mean - 3.3 * sd, mean + 3.3 * sd, *known.values()]
    low, high = min(*ends, -2 * smallest), max(*ends, 2 * smallest)
    lines = [wrap(line, 76) for line in row["words"]]
    with canvas(1.9 + LINE * (1 + sum(line.count("\n") + 1 for line in lines))) as figure:
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
                ax.plot(
                    [known[start], known[end]],
                    [-0.14] * 2,
                    color=INK,
                    lw=width,
                    solid_capstyle="butt",
                )
        ax.set(xlim=(low, high), ylim=(-0.28, 1.1), yticks=[])
        foot(figure, wrap(record["unit"], 76), *lines)
        sns.despine(ax=ax, left=True)
    return Picture(figure, told(record["title"], row["words"]), record["title"], dict(record))


def _spread_words(
    found: Spread, known: Mapping[float, float], unit: str, min_group: int
) -> list[str]:
    """What the curve says, a line each."""
    mean = f"{number(found.mean, unit)} ({spread(found.mean_low, found.mean_high, unit)})"
    sd = f"{number(found.sd, unit)} ({spread(found.sd_low, found.sd_high, unit)})"
    curve = (
        "The higher the curve, the more managers"
        if found.sd > 0
        else "No difference between managers found beyond chance"
    )
    words = [
        curve,
        f"Mean of {number(found.n_managers)} managers (upright line): {mean}",
        f"SD between managers: {sd}",
    ]
    for start, end, name, line in (
        (0.25, 0.75, "Half", "thick"),
        (0.1, 0.9, "Eight in ten", "thin"),
    ):
        if start in known and end in known and found.sd > 0:
            words.append(f"{name} of them ({line} line): {spread(known[start], known[end], unit)}")
    count = f"fewer than {min_group}" if found.n_below else "none"
    if found.n_below >= min_group:
        count = f"at least {number(found.n_below // min_group * min_group)}"
    words.append(f"Managers clearly below {number(-found.smallest, unit)}: {count}")
    return [*words, f"Shaded, too small to matter: within ±{number(found.smallest, unit)}"]


# --- networks

MOVED = ("recorded", "middle", "low", "high")


def network(frame: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Picture | Block:
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
        return nothing("There is no network to draw.")
    order = {name: place for place, name in enumerate(frame.fact.unique())}
    shown = shown.assign(order=shown.fact.map(order)).sort_values(["order", "missing_pct"])
    rows = frames.rows(shown, ["fact", "people", "missing_pct", *MOVED, "shown"])
    title = title or "The network as recorded, and with ties missing"
    return draw_network({"kind": "network", "title": title, "min_group": min_group, "rows": rows})


def _coarse(frame: pd.DataFrame, min_group: int) -> pd.DataFrame:
    """Facts as exact as may be told: shares in steps, and hidden at 0 or 100 %; the others to their
    `digits`.
    """
    is_share, steps = (
        frame.digits.isna(),
        [rule.step(100, people, min_group) for people in frame.people],
    )
    told = {
        name: frames.to_steps(frame[name], steps).where(
            is_share, frames.significant(frame[name], frame.digits.fillna(1))
        )
        for name in MOVED
    }
    of_all = is_share & told["recorded"].isin([0, 100])
    return frame.assign(**told, people_smaller=frame.people_smaller.mask(of_all, 0))


def draw_network(record: Record) -> Picture:
    """The network as its record holds it: a row per fact and share of missing ties."""
    rows = pd.DataFrame(record["rows"])
    facts = dict(list(rows.groupby("fact", sort=False)))
    tied = ", ".join(f"{number(int(share))}" for share in sorted(rows.missing_pct.unique()))
    most = f"with {number(int(rows.missing_pct.max()))} % missing"
    note = (
        f"Square: as recorded. Lines below it: nine draws in ten with {tied} % of ties "
        "missing, from top to bottom."
    )
    note, parts = f"{note} Figures: as recorded; range {most}. Each fact has its own scale.", []
    with canvas(0.56 * len(facts) + 0.6) as figure:
        ax = figure.subplots()
        for y, (name, lines) in enumerate(facts.items()):
            words = _draw_fact(ax, y, lines)
            ax.text(0, y - 0.17, wrap(heading(name), 40), va="bottom")
            ax.text(
                1,
                y - 0.17,
                words,
                va="bottom",
                ha="right",
                fontsize=SMALL,
                **(HIDDEN if words == "hidden" else {}),
            )
            parts.append(f"{name}: {words}{f' {most}' * (words != 'hidden')}")
        ax.set(xlim=(0, 1), ylim=(len(facts) - 0.45, -0.6), xticks=[], yticks=[])
        foot(figure, wrap(note, 76))
        sns.despine(ax=ax, left=True, bottom=True)
    return Picture(figure, told(record["title"], [*parts, note]), record["title"], dict(record))


def _draw_fact(ax: Axes, y: float, lines: pd.DataFrame) -> str:
    """A fact's square and its ranges, from 0 (or from minus the farthest) to the farthest; its
    words.
    """
    if not lines.shown.all():
        return "hidden"
    values = lines[list(MOVED)].to_numpy(float)
    far = np.nanmax(np.abs(values)) or 1
    start = -far if np.nanmin(values) < 0 else 0
    at = (values - start) / (far - start)
    ax.plot([0, 1], [y, y], color=BAND, lw=0.8, zorder=0)
    ax.plot([-start / (far - start)] * 2, [y - 0.12, y + 0.36], color=SOFT, lw=0.8, zorder=0)
    ax.plot([at[0, 0]], [y], LOOKS["described"].mark, ms=5.5, color=INK, clip_on=False)
    for place, (_, middle, low, high) in enumerate(at):
        ax.plot(
            [low, high],
            [y + 0.13 + 0.1 * place] * 2,
            color=SOFT,
            lw=2,
            solid_capstyle="butt",
            clip_on=False,
        )
        ax.plot([middle], [y + 0.13 + 0.1 * place], "|", ms=5, color=SOFT, clip_on=False)
    last = lines.iloc[-1]
    return f"{last.recorded:g}; {last.low:g} to {last.high:g}".replace("-", MINUS)

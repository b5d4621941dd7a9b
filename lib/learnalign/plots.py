"""Pictures of groups: the gap journey, curves, the spread over managers, merit, drivers and networks.

Each takes what its module counted, hides what stands on too few people, and says in its words what it shows. A
finding, where one is given, is the title. `charts` offers all of it to notebooks and reports.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from learnalign import privacy, strips
from learnalign.pictures import Block, Picture, apart, canvas, foot, nothing, refuse_people, told, wrap
from learnalign.pooling import Spread
from learnalign.records import MINUS, number, spread
from learnalign.strips import BAND, INK, LOOKS, SOFT, heading

TEAL, AMBER, PALE = LOOKS["higher"].colour, LOOKS["unknown"].colour, "#c3d6d4"
LINES = ((TEAL, "-"), (AMBER, "--"), (INK, ":"), (LOOKS["untrusted"].colour, "-."))  # dashes tell them apart in grey
HIDDEN = {"color": SOFT, "style": "italic"}
TOO_FEW = "too few"
GRID_FOOT = "Hatched: not measured. Too few: answers of fewer than {} people. Darker: higher."
LINE = 0.165  # inches that a line of small text takes

Cell = tuple[str, float | str]  # its words, and a shade from -1 to 1 or a hatch


def _percent(value: float) -> str:
    return number(value, "%") if 0 < value < 9.95 else f"{value:.0f} %"


def _few(frame: pd.DataFrame, min_group: int) -> pd.Series:
    """The rows on too few people or, where they are counted, managers."""
    privacy.too_small(None, min_group)  # refuses what is below the floor
    managers = frame.managers if "managers" in frame else pd.Series(np.nan, frame.index)
    return (frame.people > 0) & ((frame.people < min_group) | (managers < privacy.MIN_MANAGERS))


# --- the gap journey ---------------------------------------------------------------------


def journey(stages: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Picture | Block:
    """The journey of gaps: a bar per stage, as long as the gaps that got there, and where the others went.

    `stages` is what `gaps.stages` counts. A stage is hidden where too few people stand behind it, where it differs
    from a larger one by fewer than `min_group` people or gaps, or where those who went no further are too few; then
    what it could be worked out from is too. Ways on too few people are told together with the next larger one.
    Misleads as `gaps.stages` does: a gap found last month is still open because it is new.
    """
    refuse_people(stages)
    if stages.empty:
        return nothing("No gap was found here, so none was followed.")
    rows = _stages(stages, min_group)
    most = max(row["gaps"] for row in rows) or 1
    texts = [(wrap(heading(row["stage"]), 22), row["words"], wrap(row["rest"], 44)) for row in rows]
    heights = [LINE * max(label.count("\n") + 1, rest.count("\n") + 1, 2) + 0.12 for label, _, rest in texts]
    places = np.cumsum(heights) - np.array(heights) / 2
    with canvas(sum(heights) + 0.1, title) as figure:
        ax = figure.subplots()
        for y, height, row, (_, words, rest) in zip(places, heights, rows, texts, strict=True):
            ax.barh(y, row["gaps"] / most, height=height - 0.12, color=PALE)
            ax.text(0.015, y, words, va="center", fontsize=8.5, **(HIDDEN if words == "hidden" else {}))
            ax.text(1.03, y, rest, va="center", fontsize=8.5, color=SOFT)
        ax.set_yticks(places, [label for label, *_ in texts])
        ax.set(xlim=(0, 2), ylim=(sum(heights), 0), xticks=[])
        sns.despine(ax=ax, left=True, bottom=True)
    words = [": ".join([row["stage"], "; ".join(filter(None, (row["words"], row["rest"])))]) for row in rows]
    return Picture(figure, told(title, words))


def _stages(stages: pd.DataFrame, min_group: int) -> list[dict]:
    """A stage each: its name, its gaps as drawn (0 if hidden), its words, and where the others went."""
    stages, is_all = stages.assign(few=_few(stages, min_group)), stages.then == "all"
    alls = stages[is_all]
    near = [privacy.counts(alls.assign(people=alls[name]), min_group).shown for name in ("people", "gaps")]
    shown = (near[0] & near[1] & ~alls.few).tolist()
    ways = [stages[~is_all & (stages.stage == name)] for name in alls.stage]
    for place, way in enumerate(ways[:-1]):
        shown[place + 1] &= not len(way) or not way.few.all()
    rows, first = [], alls.gaps.iloc[0]
    for row, way, here, after in zip(alls.itertuples(), ways, shown, [*shown[1:], True], strict=True):
        of = f" ({_percent(100 * row.gaps / first)})" if rows and shown[0] else ""
        words = f"{number(int(row.gaps))} gaps of {number(int(row.people))} people{of}" if here else "hidden"
        rest = _ways(way) if here and after else "went no further: hidden" if len(way) else ""
        rows.append({"stage": row.stage, "gaps": row.gaps if here else 0, "words": words, "rest": rest})
    return rows


def _ways(way: pd.DataFrame) -> str:
    """Where gaps went that got no further; small ways together with the smallest other one, so as not to be missed."""
    if way.empty or way.few.all():
        return "went no further: hidden" if len(way) else ""
    joined = way.few | (way.few.any() & (way.index == way.gaps.mask(way.few).idxmin()))
    parts = [f"{number(int(row.gaps))} {row.then}" for row in way[~joined].itertuples()]
    parts += [f"{number(int(way.gaps[joined].sum()))} otherwise"] if parts and joined.any() else []
    return ": ".join([f"{number(int(way.gaps.sum()))} went no further", *([", ".join(parts)] if parts else [])])


# --- curves over time --------------------------------------------------------------------


def curves(frame: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Picture | Block:
    """The share of gaps closed, and of those whose people left first, over the months since they were found.

    `frame` is what `gaps.curve` counts: group, month, closed, low, high, left, left_low, left_high (percent), and
    the people and managers still at risk. A curve ends where they are too few; a group with too few from the start
    is named and not drawn. Misleads where groups were formed by what came after a gap was found.
    """
    refuse_people(frame)
    cut = {str(name): _until_few(rows, min_group) for name, rows in frame.groupby("group", observed=True)}
    drawn = {name: rows for name, rows in cut.items() if len(rows) > 1}
    if not drawn:
        return nothing("There is no curve to draw: too few are left in every group.")
    top = max(5, 1.1 * max(rows.high.max() for rows in drawn.values()))
    tops = [top, max(0.35 * top, 1.1 * max(rows.left_high.max() for rows in drawn.values()))]
    inch, kinds = top / 2.6, (("closed", "", "Gaps closed"), ("left", "left_", "Gaps whose people left first"))
    words = [f"A curve ends where fewer than {min_group} people are left"]
    words += [f"{name}: hidden, too few people" for name in cut if name not in drawn]
    with canvas(1.3 + sum(tops) / inch, title) as figure:
        for ax, (column, prefix, what), end in zip(
            figure.subplots(2, sharex=True, height_ratios=tops), kinds, tops, strict=True
        ):
            _draw_curves(ax, drawn, column, prefix, inch)
            ax.set_title(f"{what} (%)", loc="left", fontsize=9.5)
            ax.set_ylim(0, end)
        foot(ax, "months since the gap was found", wrap(". ".join(words), 90))
    return Picture(figure, told(title, [*(_curve_words(*one) for one in drawn.items()), *words]))


def _until_few(rows: pd.DataFrame, min_group: int) -> pd.DataFrame:
    rows = rows.sort_values("month")
    return rows[~(_few(rows, min_group) | (rows.people == 0) | rows.closed.isna()).cummax()]


def _draw_curves(ax: Axes, drawn: Mapping[str, pd.DataFrame], column: str, prefix: str, inch: float) -> None:
    """A line for each group, its name and last value at the right edge; `inch` is how many percent make one."""
    last = {name: rows.iloc[-1] for name, rows in drawn.items()}
    edge, ends = 1.03 * max(row.month for row in last.values()), [float(row[column]) for row in last.values()]
    names = [
        wrap(f"{name}: {_percent(row[column])} by month {number(int(row.month))}", 30) for name, row in last.items()
    ]
    places = apart(ends, [inch * LINE * (name.count("\n") + 1.2) for name in names])
    for rows, (colour, dash), name, y in zip(drawn.values(), cycle(LINES), names, places, strict=False):
        ax.fill_between(
            rows.month, rows[f"{prefix}low"], rows[f"{prefix}high"], step="post", color=colour, alpha=0.13, lw=0
        )
        ax.step(rows.month, rows[column], where="post", color=colour, ls=dash, lw=2)
        ax.plot([rows.month.iloc[-1], edge], [rows[column].iloc[-1], y], color=colour, lw=0.6, clip_on=False)
        ax.text(1.01 * edge, y, name, va="center", color=colour, fontsize=8.5)
    ax.set_xlim(0, edge)
    ax.tick_params(colors=SOFT)
    sns.despine(ax=ax)


def _curve_words(name: str, rows: pd.DataFrame) -> str:
    parts = [
        f"by month {number(int(row.month))}, {_percent(row.closed)} closed ({spread(row.low, row.high, '%')}) and"
        f" {_percent(row.left)} left first"
        for row in (rows.iloc[len(rows) // 2], rows.iloc[-1])
    ]
    return f"{name}: {'; '.join(parts)}"


# --- the spread over managers ------------------------------------------------------------


def spread_over_managers(
    found: Spread | None, *, unit: str, otherwise: str = "", title: str = "", min_group: int = 10
) -> Picture | Block:  # fmt: skip
    """How managers differ, as a smooth curve from the mean and SD between them; never a point per manager.

    `otherwise` is the reason why there is none.

    Shaded is what is too small to matter (`found.smallest`). A quantile is told where at least `min_group` managers
    lie beyond it, and managers clearly below the shade are counted down to a multiple of `min_group`. Misleads when
    managers are in two camps: the curve is a normal one whatever they are.
    """
    privacy.too_small(None, min_group)
    if found is None:
        return nothing(f"How managers differ is not known: {otherwise}.")
    known = {p: value for p, value in found.quantiles if min(p, 1 - p) * found.n_managers >= min_group}
    ends = [found.mean - 3.3 * found.sd, found.mean + 3.3 * found.sd, *known.values()]
    low, high = min(*ends, -2 * found.smallest), max(*ends, 2 * found.smallest)
    words = _spread_words(found, known, unit, min_group)
    with canvas(2.0 + LINE * len(words), title) as figure:
        ax = figure.subplots()
        ax.axvspan(-found.smallest, found.smallest, color=BAND, lw=0, zorder=0)
        ax.axvline(0, color=INK, lw=1, zorder=1)
        x = np.linspace(low, high, 400)
        if found.sd > 0:
            height = np.exp(-0.5 * ((x - found.mean) / found.sd) ** 2)
            ax.fill_between(x, height, color=PALE, alpha=0.7, lw=0)
            ax.plot(x, height, color=TEAL, lw=1.6)
        ax.plot([found.mean] * 2, [0, 1], color=TEAL, lw=1.6 if found.sd > 0 else 4, solid_capstyle="butt")
        for (start, end), width in (((0.1, 0.9), 1.6), ((0.25, 0.75), 6)):
            if start in known and end in known:
                ax.plot([known[start], known[end]], [-0.14] * 2, color=INK, lw=width, solid_capstyle="butt")
        ax.set(xlim=(low, high), ylim=(-0.28, 1.1), yticks=[])
        foot(ax, unit, *words)
        sns.despine(ax=ax, left=True)
    return Picture(figure, told(title, words))


def _spread_words(found: Spread, known: Mapping[float, float], unit: str, min_group: int) -> list[str]:
    """What the curve says, a line each."""
    mean = f"{number(found.mean, unit)} ({spread(found.mean_low, found.mean_high, unit)})"
    sd = f"{number(found.sd, unit)} ({spread(found.sd_low, found.sd_high, unit)})"
    curve = (
        "The higher the curve, the more managers"
        if found.sd > 0
        else "No difference between managers found beyond chance"
    )
    words = [curve, f"Mean of {number(found.n_managers)} managers (upright line): {mean}", f"SD between managers: {sd}"]
    for start, end, name, line in ((0.25, 0.75, "Half", "thick"), (0.1, 0.9, "Eight in ten", "thin")):
        if start in known and end in known:
            words.append(f"{name} of them ({line} line): {spread(known[start], known[end], unit)}")
    count = f"fewer than {min_group}" if found.n_below else "none"
    if found.n_below >= min_group:
        count = f"at least {number(found.n_below // min_group * min_group)}"
    words.append(f"Managers clearly below {number(-found.smallest, unit)}: {count}")
    return [*words, f"Shaded, too small to matter: within ±{number(found.smallest, unit)}"]


# --- cells -------------------------------------------------------------------------------


def matrix(frame: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Picture | Block:
    """Merit less its target in percentage points, a cell per rating and target.

    `frame`: rating, target (percent), people, managers, gap. The darker a cell, the farther merit is from its target;
    its sign says on which side. Misleads where people of one cell had their target set by other rules.
    """
    refuse_people(frame)
    rows = frame.assign(few=_few(frame, min_group)).dropna(subset=["rating", "target"])
    if rows.empty:
        return nothing("There is no merit with a target to draw.")
    ratings, targets = sorted(rows.rating.unique(), reverse=True), sorted(rows.target.unique())
    far = rows.gap[~rows.few].abs().max() or 1
    cells = {
        (ratings.index(row.rating), targets.index(row.target)): ("hidden", "////")
        if row.few else (_signed(row.gap), 0.0 if pd.isna(row.gap) else row.gap / far)
        for row in rows.itertuples()
    }  # fmt: skip
    across, down = [f"{value:g} %" for value in targets], [strips.plain(value) for value in ratings]
    with canvas(0.36 * len(ratings) + 0.8, title) as figure:
        ax = figure.subplots()
        _draw_cells(ax, cells, down, across, ("nobody", 0.0))
        ax.set(xlabel="merit target; in the cells: merit less its target, in percentage points", ylabel="rating")
    parts = [f"rating {down[y]}, target {across[x]}: {words}" for (y, x), (words, _) in sorted(cells.items())]
    return Picture(figure, told(title, ["Merit less its target, in percentage points", *parts]))


def _signed(value: float) -> str:
    text = number(value, "percentage points").removesuffix(" pp")
    return text if text.startswith(MINUS) or not text.strip("0.") else f"+{text}"


def _draw_cells(
    ax: Axes, cells: Mapping[tuple[int, int], Cell], down: Sequence[str], across: Sequence[str], empty: Cell
) -> None:
    """A cell's words on a shade from -1 (amber) over 0 (white) to 1 (teal), or on a hatch; `empty` elsewhere."""
    for y, x in np.ndindex(len(down), len(across)):
        words, look = cells.get((y, x), empty)
        shade, hatch = (0.0, look) if isinstance(look, str) else (look, None)
        face = 1 - 0.5 * abs(shade) * (1 - np.array(to_rgb(TEAL if shade > 0 else AMBER)))
        ax.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="#c9ced3", hatch=hatch, lw=0.8))
        style = {} if any(letter.isdigit() for letter in words) else HIDDEN
        ax.text(x + 0.5, y + 0.5, words, ha="center", va="center", fontsize=8, **style)
    ax.set(xlim=(0, len(across)), ylim=(len(down), 0))
    ax.set_xticks(np.arange(len(across)) + 0.5, across)
    ax.set_yticks(np.arange(len(down)) + 0.5, down)
    sns.despine(ax=ax, left=True, bottom=True)


def grid(frame: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Picture | Block:
    """The drivers' scorecard: a row per unit, all units first, and a cell per driver and domain; darker is higher.

    `frame` is what `drivers.scorecard` gives: unit, people (least answered; empty for all units), and a column per
    "driver: domain" with a score or why there is none. Hatched: not measured. Misleads as `drivers.grid` does.
    """
    refuse_people(frame)
    if frame.empty:
        return nothing("No driver was measured.")
    rows = frame.assign(few=_few(frame, min_group), last=frame.unit != "all units").sort_values(["last", "unit"])
    columns = [name.split(": ", 1) for name in frame.columns if ": " in name]
    words = rows[[": ".join(names) for names in columns]].astype(object)
    words = words.mask(words.map(lambda cell: not isinstance(cell, str)).mul(rows.few, axis=0), TOO_FEW)
    scores = words.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    low, high = np.nanmin(scores, initial=np.inf), np.nanmax(scores, initial=-np.inf)
    cells = {place: ("too few", 0.0) for place, cell in np.ndenumerate(words) if str(cell).startswith(TOO_FEW)}
    cells |= {
        place: (number(score), (score - low) / max(high - low, 1))
        for place, score in np.ndenumerate(scores) if np.isfinite(score)
    }  # fmt: skip
    units = [wrap(str(unit), 26) for unit in rows.unit]
    with canvas(1.5 + sum(0.1 + LINE * (unit.count("\n") + 1) for unit in units), title) as figure:
        ax = figure.subplots()
        _draw_cells(ax, cells, units, [wrap(domain, 12) for _, domain in columns], ("", "///"))
        _head(ax, [driver for driver, _ in columns])
        foot(ax, GRID_FOOT.format(min_group))
    return Picture(figure, told(title, _grid_words(words, scores)))


def _grid_words(words: pd.DataFrame, scores: np.ndarray) -> list[str]:
    """A column each: its score for all units, from where to where the units are, and how many have none and why."""
    lines = []
    for name, column in zip(words, scores.T, strict=True):
        first, reasons = words[name].iloc[0], words[name].iloc[1:].astype(str)
        known = column[1:][np.isfinite(column[1:])]
        units = f"{len(known)} unit{'s' * (len(known) > 1)}"
        parts = [first if isinstance(first, str) else number(float(first))]
        parts += [f"{units} from {number(known.min())} to {number(known.max())}"] if len(known) else []
        counts = {why: reasons.str.startswith(why).sum() for why in (TOO_FEW, "not measured")}
        parts += [f"{count} {why}" for why, count in counts.items() if count]
        lines.append(f"{name}: {', '.join(parts)}")
    return lines


def _head(ax: Axes, drivers: Sequence[str]) -> None:
    """Domains upright above the cells; above them each driver once, over its domains."""
    ax.tick_params(axis="x", labeltop=True, labelbottom=False, rotation=90, labelsize=8)
    top = ax.secondary_xaxis(1.0)
    starts = [place for place, name in enumerate(drivers) if not place or drivers[place - 1] != name]
    ends = [*starts[1:], len(drivers)]
    middles = [(start + end) / 2 for start, end in zip(starts, ends, strict=True)]
    top.set_xticks(middles, [wrap(drivers[start], 5 * (end - start)) for start, end in zip(starts, ends, strict=True)])
    top.tick_params(length=0, pad=52, labelsize=8.5)
    for start in starts:
        ax.axvline(start, color=SOFT, lw=1.4)


# --- networks ----------------------------------------------------------------------------


def network(frame: pd.DataFrame, *, min_group: int = 10, title: str = "") -> Picture | Block:
    """Each fact of a network as recorded, and how far it moves when 10, 20 or 30 % of the ties are missing.

    `frame` is what `networks.missing_ties` gives: fact, people, missing_pct, recorded, middle, low, high. Every line
    has its own scale, so lines are not to be compared by eye. Misleads where ties are missing for a reason.
    """
    refuse_people(frame)
    rows = frame.assign(few=_few(frame, min_group)).dropna(subset="recorded").sort_values("missing_pct")
    if rows.empty:
        return nothing("There is no network to draw.")
    facts = {name: rows[rows.fact == name] for name in frame.fact.unique() if (rows.fact == name).any()}
    tied = ", ".join(f"{number(int(share))}" for share in sorted(rows.missing_pct.unique()))
    note = f"Square: as recorded. Lines below it: nine draws in ten with {tied} % of ties missing, from top to bottom."
    note, parts = f"{note} Each fact has its own scale.", []
    with canvas(0.5 * len(facts) + 0.5, title) as figure:
        ax = figure.subplots()
        for y, (name, lines) in enumerate(facts.items()):
            words = _draw_fact(ax, y, lines)
            ax.text(1.06, y + 0.06, words, va="center", fontsize=8.5, **(HIDDEN if words == "hidden" else {}))
            parts.append(f"{name}: {words}")
        ax.set_yticks(range(len(facts)), [wrap(name, 28) for name in facts])
        ax.set(xlim=(0, 2), ylim=(len(facts) - 0.4, -0.5), xticks=[])
        foot(ax, wrap(note, 84))
        sns.despine(ax=ax, left=True, bottom=True)
    return Picture(figure, told(title, [*parts, note]))


def _draw_fact(ax: Axes, y: float, lines: pd.DataFrame) -> str:
    """A fact's square and its ranges, from 0 (or from minus the farthest) to the farthest; its words."""
    if lines.few.any():
        return "hidden"
    values = lines[["recorded", "middle", "low", "high"]].to_numpy(float)
    far = np.nanmax(np.abs(values)) or 1
    start = -far if np.nanmin(values) < 0 else 0
    at = (values - start) / (far - start)
    ax.plot([0, 1], [y, y], color=BAND, lw=0.8, zorder=0)
    ax.plot([-start / (far - start)] * 2, [y - 0.15, y + 0.4], color=SOFT, lw=0.8, zorder=0)
    ax.plot([at[0, 0]], [y], LOOKS["described"].mark, ms=5.5, color=INK, clip_on=False)
    for place, (_, middle, low, high) in enumerate(at):
        ax.plot([low, high], [y + 0.16 + 0.1 * place] * 2, color=SOFT, lw=2.2, solid_capstyle="butt", clip_on=False)
        ax.plot([middle], [y + 0.16 + 0.1 * place], "|", ms=5, color=SOFT, clip_on=False)
    last = lines.iloc[-1]
    ends = f"{_fine(last.low)} to {_fine(last.high)}"
    return f"{_fine(last.recorded)}; {ends} with {number(int(last.missing_pct))} % missing"


def _fine(value: float) -> str:
    """A figure as `number` writes it, or with two digits that say something where it is small."""
    if abs(value) >= 0.0995:
        return number(value)
    text = f"{abs(value):.{3 if abs(value) >= 0.00995 else 4}f}".rstrip("0").rstrip(".")
    return f"{MINUS}{text}" if value < 0 and text != "0" else text

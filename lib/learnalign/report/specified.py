"""Specified: all ways to compute a headline in one picture, from the lowest figure to the highest.

Above, every figure with its interval; below it, what was chosen; ours stands out in both.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from learnalign.estimates import specifications as ways
from learnalign.estimates.specifications import CHOICES, Curve, Specification
from learnalign.report.marks import BAND, INK, SOFT
from learnalign.report.shown import Shown, nothing
from learnalign.report.svg import LINE, SMALL, canvas, drawn
from learnalign.report.tables import AMBER, TEAL
from learnalign.report.typesetting import phrases, say
from learnalign.verdicts.registry import verdict_words
from learnalign.verdicts.result import number, spread

GAP = 0.5  # of a row, between one choice and the next


def specifications(found: Curve) -> Shown:
    """The curve as a picture; words where there is no figure of ours, or nothing beside it."""
    if found.ours is None or len(found.ways) < 2:
        why = "hidden" if found.n_hidden else "none"
        return nothing(say(f"ways.{'by_chance' if found.by_chance else why}"))
    unit, ours = found.measure.unit, found.ours.fit
    ends = found.ways[0].fit.estimate, found.ways[-1].fit.estimate
    told = {"n": number(len(found.ways)), "spread": spread(*ends, unit)}
    title = say("ways.title", **told, ours=number(ours.estimate, unit))
    notes = [*_notes(found)]
    words = [say("ways.picture", **told), *notes]
    return drawn(_figure(found), title, words, notes=notes)


def _notes(found: Curve) -> Iterator[str]:
    """What the ways have in common, and which choice moves the figure most."""
    fits, ours, unit = [one.fit for one in found.ways], found.ours.fit, found.measure.unit
    yield say("ways.verdict", verdict=verdict_words()[found.verdict])
    same = [fit for fit in fits if (fit.estimate > 0) == (ours.estimate > 0)]
    clear = sum(fit.low > 0 or fit.high < 0 for fit in same)
    yield say("ways.same", same=number(len(same)), n=number(len(fits)), clear=number(clear))
    within = sum(abs(fit.estimate) < found.smallest for fit in fits)
    yield say("ways.within", within=number(within), smallest=number(found.smallest, unit))
    choice, means = max(_means(found.ways).items(), key=lambda one: np.ptp(one[1]))
    about = {"choice": phrases()["ways"][choice]["name"]}
    for name, level in (("least", means.idxmin()), ("most", means.idxmax())):
        about |= {name: _label(choice, level), f"at_{name}": number(means[level], unit)}
    yield say("ways.moves", **about)
    if found.n_hidden:
        yield say("ways.hidden")
    yield say("ways.no_votes")


def _means(found: Sequence[Specification]) -> dict[str, pd.Series]:
    """Of each choice, the mean figure of each of its levels."""
    figures = pd.Series([one.fit.estimate for one in found])
    levels = zip(*(one.chosen for one in found), strict=True)
    return {
        choice: figures.groupby([*own]).mean() for choice, own in zip(CHOICES, levels, strict=True)
    }


def _label(choice: str, level: str) -> str:
    known: Mapping[str, str] = phrases()["ways"][choice]
    return known[level] if level in known else known["days"].format(n=level)


# --- the picture


def _figure(found: Curve) -> Figure:
    levels = ways.levels(found)
    heights = [2.2, LINE * (len(levels) + 1 + GAP * len(CHOICES))]
    with canvas(sum(heights) + 0.4) as figure:
        above, below = figure.subplots(2, sharex=True, height_ratios=heights)
        _draw_figures(above, found)
        _draw_choices(below, found, levels)
    return figure


def _draw_figures(ax: Axes, found: Curve) -> None:
    ax.axhspan(-found.smallest, found.smallest, color=BAND, lw=0, zorder=0)
    ax.axhline(0, color=INK, lw=1, zorder=1)
    for is_ours, colour, width in ((False, TEAL, 0.8), (True, AMBER, 2.4)):
        some = [(x, one.fit) for x, one in enumerate(found.ways) if one.is_ours == is_ours]
        ax.plot(*_upright([(x, fit.low, fit.high) for x, fit in some]), color=colour, lw=width)
        at = {"marker": "o", "ms": 5 if is_ours else 1.6, "ls": "none", "color": colour}
        ax.plot([x for x, _ in some], [fit.estimate for _, fit in some], **at)
    ax.set_title(found.measure.unit, loc="left", fontsize=SMALL, color=SOFT)
    ax.tick_params(length=0, colors=SOFT)
    sns.despine(ax=ax, left=True, bottom=True)


def _draw_choices(ax: Axes, found: Curve, levels: Sequence[tuple[str, str]]) -> None:
    """A row for each level of each choice, with a stroke where it was chosen."""
    places = [CHOICES.index(choice) for choice, _ in levels]
    rows = [y + GAP * place for y, place in enumerate(places)]
    end = rows[-1] + 0.6
    ax.plot([found.ways.index(found.ours)] * 2, [-0.6, end], color=AMBER, lw=1, zorder=0)
    for y, place, (_, level) in zip(rows, places, levels, strict=True):
        at = [x for x, one in enumerate(found.ways) if one.chosen[place] == level]
        ax.plot(*_upright([(x, y - 0.36, y + 0.36) for x in at]), color=INK, lw=1)
    ax.set_yticks(rows, [_label(*one) for one in levels], fontsize=SMALL)
    ax.set(ylim=(end, -0.6), xticks=[], xlim=(-1, len(found.ways)))
    ax.tick_params(length=0, colors=SOFT)
    sns.despine(ax=ax, left=True, bottom=True)


def _upright(strokes: Sequence[tuple[float, float, float]]) -> tuple[list[float], list[float]]:
    """One line of many upright strokes, so that a picture of hundreds stays small."""
    xs = [x for x, _, _ in strokes for x in (x, x, np.nan)]
    return xs, [end for _, low, high in strokes for end in (low, high, np.nan)]

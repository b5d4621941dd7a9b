"""What every picture and every text for a notebook is made of: a canvas, its words, and the template's macros."""

import base64
import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from learnalign.strips import INK, SOFT, environment, seen

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.parse_math": False,  # a dollar sign in a sentence is a dollar sign
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "xtick.color": SOFT,
    "svg.fonttype": "path",
    "svg.hashsalt": "learnalign",
    "hatch.linewidth": 0.6,
}


@dataclass(frozen=True)
class Block:
    """Something to read: HTML in a notebook, plain text elsewhere."""

    html: Markup
    text: str

    def _repr_html_(self) -> str:
        return str(self.html)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Picture:
    """A figure with words for those who cannot see it; the words travel with the picture."""

    figure: Figure
    alt: str

    @property
    def svg(self) -> str:
        """The figure as SVG text, the same bytes every time."""
        out = io.StringIO()
        with matplotlib.rc_context(STYLE):
            self.figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        return out.getvalue()

    def _repr_html_(self) -> str:
        source = "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode()
        return str(Markup('<img style="max-width:100%;background:#fff" alt="{}" src="{}">').format(self.alt, source))

    def __str__(self) -> str:
        return self.alt


def block(macro: str, text: str, /, **values: Any) -> Block:
    """Words as HTML, by a macro of the notebook's template, and as plain text."""
    parts = environment().get_template("notebook.html.j2").module
    return Block(Markup(getattr(parts, macro)(**values)), text)


def nothing(text: str) -> Block:
    """Why there is nothing to draw."""
    return block("nothing", text, text=text)


def refuse_people(frame: pd.DataFrame) -> None:
    """Raise ValueError where a frame has a row per person."""
    if "person_id" in frame.columns:
        raise ValueError("charts show groups, never people: this table has a column person_id. Summarise it first")


def wrap(text: str, width: int) -> str:
    """A text in lines, without what a reader cannot see."""
    return textwrap.fill(seen(text), width)


def told(title: str, parts: Iterable[str]) -> str:
    """A picture's words as sentences; an empty title is none."""
    return " ".join(seen(part) + "." * (part[-1] not in ".?!") for part in (title, *parts) if part)


def foot(ax: Axes, *lines: str) -> None:
    """Small lines below a picture."""
    ax.set_xlabel("\n".join(lines), loc="left", fontsize=8.5)


def apart(places: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """The places moved as little as will do, so that texts of these sizes touch neither each other nor what is below 0.

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


@contextmanager
def canvas(height: float, *titles: str) -> Iterator[Figure]:
    """A figure 760 px wide, as high as `height` inches and its titles; a single one is bold, an empty one is none."""
    told = "\n".join(wrap(title, 82) for title in titles if title)
    with sns.axes_style("white", STYLE), matplotlib.rc_context(STYLE):
        lines = told.count("\n") + 1 if told else 0
        figure = Figure(figsize=(7.6, height + 0.2 * lines), layout="constrained")
        if told:
            weight = "bold" if len(titles) == 1 else "normal"
            figure.suptitle(told, x=0.01, ha="left", fontsize=10, fontweight=weight)
        yield figure

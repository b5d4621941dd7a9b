"""What every picture and every text for a notebook is made of: a canvas, its words, and the
template's macros.
"""

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
import seaborn as sns
from markupsafe import Markup
from matplotlib.figure import Figure

from learnalign.report import svg
from learnalign.report.marks import INK, SOFT, environment, seen

WIDTH = 5.2  # inches, of a picture that can be read on a phone

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": svg.SIZE,
    "text.parse_math": False,  # a dollar sign in a sentence is a dollar sign
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",
    "xtick.color": SOFT,
    "svg.fonttype": "none",
    "svg.hashsalt": "learnalign",
}


@dataclass(frozen=True)
class Block:
    """Something to read: HTML in a notebook, plain text elsewhere."""

    html: Markup
    text: str
    record: None = None  # nothing was drawn, so there is nothing to draw again

    def _repr_html_(self) -> str:
        return str(self.html)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Picture:
    """A figure with its finding as title and words for those who cannot see it; both travel with
    the picture.

    `record` is what was drawn, as plain data fit for JSON and for publishing: `charts.draw` makes
    the same picture of it. None where the picture is of results, which are published themselves.
    """

    figure: Figure
    alt: str
    title: str = ""
    record: dict[str, Any] | None = None

    @property
    def svg(self) -> str:
        """The figure as SVG to stand in a page, without its title, which stands above it; always
        the same bytes.
        """
        out = io.StringIO()
        with matplotlib.rc_context(STYLE):
            self.figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        words = self.alt.removeprefix(told(self.title, ())).strip()
        return svg.inlined(out.getvalue(), self.title.replace("\n", " ") or "Picture", words)

    def _repr_html_(self) -> str:
        source = "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode()
        title = Markup('<p style="max-width:640px;white-space:pre-line"><b>{}</b></p>').format(
            seen(self.title)
        )
        picture = Markup('<img style="max-width:100%;background:#fff" alt="{}" src="{}">').format(
            seen(self.alt), source
        )
        return str(title * bool(self.title) + picture)

    def __str__(self) -> str:
        return self.alt


def block(macro: str, text: str, /, **values: Any) -> Block:
    """Words as HTML, by a macro of the notebook's template, and as plain text."""
    parts = environment().get_template("notebook.html.j2").module
    return Block(Markup(getattr(parts, macro)(**values)), text)


def nothing(text: str) -> Block:
    """Why there is nothing to draw."""
    return block("nothing", text, text=text)


def wrap(text: str, width: int) -> str:
    """A text in lines, without what a reader cannot see."""
    return textwrap.fill(seen(text), width)


def told(title: str, parts: Iterable[str]) -> str:
    """A picture's words as sentences; an empty title is none."""
    return " ".join(seen(part) + "." * (part[-1] not in ".?!") for part in (title, *parts) if part)


def foot(figure: Figure, *lines: str) -> None:
    """Small lines below a picture, over its whole width."""
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=9.5)


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


@contextmanager
def canvas(height: float, width: float = WIDTH) -> Iterator[Figure]:
    """A figure so many inches high and wide; its title stands above it in the page, and not in it."""
    with sns.axes_style("white", STYLE), matplotlib.rc_context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained", facecolor="none")

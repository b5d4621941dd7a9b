"""Figures: a canvas to draw on, and what was drawn made small and telling enough for a page.

What matplotlib writes has a prolog, metadata and ids that clash between pictures. Here it becomes
one flat `<svg>` with a title, a description and text that is text, in the page's own font.
"""

import hashlib
import io
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import matplotlib
import seaborn as sns
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from learnalign.report.marks import INK, SOFT
from learnalign.report.shown import Shown, part
from learnalign.report.typesetting import seen

SIZE = 10  # of text, in units of the drawing
PIXELS = 1.6  # on a screen, for each of them
SPACE = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
DOT = re.compile(r"M 0 ([\d.]+)( C( -?[\d.]+){6}){8} z")  # a circle as matplotlib writes it
# What is not worth its bytes, and what an element is without saying so
DROPPED = {"font-family", "stroke-linejoin", "stroke-dashoffset"}
USUAL = {
    ("font-size", "10"),
    ("fill", INK),
    ("text-anchor", "start"),
    ("stroke-linecap", "square"),
    ("stroke-width", "1"),
}
SMALL = 9.5  # of small text
LINE = 0.165  # inches that a line of it takes
WIDTH = 5.2  # inches, of a picture that can be read on a phone
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": SIZE,
    "text.parse_math": False,  # a dollar sign in a sentence is a dollar sign
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",
    "xtick.color": SOFT,
    "svg.fonttype": "none",
    "svg.hashsalt": "learnalign",
}


@contextmanager
def canvas(height: float) -> Iterator[Figure]:
    """A figure so many inches high; its title stands above it in the page, and not in it."""
    with sns.axes_style("white", STYLE), matplotlib.rc_context(STYLE):
        yield Figure(figsize=(WIDTH, height), layout="constrained", facecolor="none")


def drawn(
    figure: Figure,
    title: str,
    words: Iterable[str],
    record: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Shown:
    """A figure under its title, with `words` for those who cannot see it and `notes` below it for
    all; always the same bytes.
    """
    out = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    told = " ".join(seen(one) + "." * (one[-1] not in ".?!") for one in words if one)
    picture = inlined(out.getvalue(), title.replace("\n", " "), told)
    return part("drawing", title, record, label=title, svg=picture, notes=notes)


def wrap(text: str, width: int) -> str:
    """A text in lines, without what a reader cannot see."""
    return textwrap.fill(seen(text), width)


def inlined(drawn: str, title: str, words: str) -> Markup:
    """What matplotlib drew as an `<svg>` for a page: `title` and `words` are what a screen reader
    says.

    The same bytes for the same drawing. Raises ValueError at an element that matplotlib was not
    known to write, as dropping it would change the picture. Clip paths are dropped: a drawing must
    not reach over its axes.
    """
    root = ElementTree.fromstring(drawn)
    paths = {path.get("id", ""): path for path in root.iter(f"{SPACE}path")}
    body = "".join(_shapes(root, paths))
    title, words = (str(escape(seen(text))) for text in (title, words))
    key = hashlib.sha256(f"{title}\n{words}\n{body}".encode()).hexdigest()[:8]
    width, height = (float(side) for side in root.get("viewBox", "").split()[2:])
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"'
        f' aria-labelledby="t{key} d{key}" width="{PIXELS * width:.0f}"'
        f' style="max-width:100%" font-size="{SIZE}"'
        f' fill="{INK}"><title id="t{key}">{title}</title><desc id="d{key}">{words}</desc>'
        f"{body}</svg>"
    )


def _shapes(node: ElementTree.Element, paths: Mapping[str, ElementTree.Element]) -> Iterator[str]:
    """Everything that can be seen, in the order in which it was drawn."""
    for child in node:
        name = child.tag.removeprefix(SPACE)
        if name == "g":
            yield from _shapes(child, paths)
        elif name == "text":
            where = {key: _short(child.get(key, "")) for key in ("x", "y", "transform")}
            where = {key: value for key, value in where.items() if value}
            yield f"<text{_look(child)}{_attributes(where)}>{escape(child.text or '')}</text>"
        elif name == "path":
            look = _look(child)
            if 'fill="none"' not in look or "stroke=" in look:
                yield f"<path{look}{_attributes({'d': _short(child.get('d', ''))})}/>"
        elif name == "use":  # a mark at its place
            mark = paths[child.get(LINK, "").removeprefix("#")]
            x, y, d = child.get("x", "0"), child.get("y", "0"), _short(mark.get("d", ""))
            if round_ := DOT.fullmatch(d):
                where = {"cx": _short(x), "cy": _short(y), "r": round_[1]}
                yield f"<circle{_look(mark, child)}{_attributes(where)}/>"
            else:
                where = {"d": d, "transform": _short(f"translate({x} {y})")}
                yield f"<path{_look(mark, child)}{_attributes(where)}/>"
        elif name not in ("defs", "metadata"):
            raise ValueError(f"a drawing holds <{name}>, which cannot be made small")


def _look(*elements: ElementTree.Element) -> str:
    styles = ";".join(element.get("style", "") for element in elements)
    pairs = (part.split(":", 1) for part in styles.split(";") if ":" in part)
    found = {key.strip(): value.strip().removesuffix("px") for key, value in pairs}
    told = {one for one in found.items() if one not in USUAL and one[0] not in DROPPED}
    return _attributes(dict(sorted(told)))


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f' {key}="{escape(value)}"' for key, value in values.items())


def _short(where: str) -> str:
    """A path or a place to a tenth of a unit; what is not turned does not say so."""
    short = NUMBER.sub(lambda found: f"{round(float(found[0]), 1):g}", " ".join(where.split()))
    return "" if short.startswith("rotate(-0 ") else short.replace(" L ", " ")

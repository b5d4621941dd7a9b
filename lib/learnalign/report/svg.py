"""A drawing made small enough, and safe and telling enough, to stand inside a page.

What matplotlib writes has a prolog, metadata, ids that clash between pictures, and a style on every
element. Here it becomes one flat `<svg>` with a title, a description and text that is text, in the
page's own font.
"""

import hashlib
import re
from collections.abc import Iterator
from itertools import groupby
from xml.etree import ElementTree

from markupsafe import escape

from learnalign.report.marks import INK, seen

FONT = (
    "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,'Helvetica "
    "Neue',Arial,'Liberation Sans',sans-serif"
)
SIZE = 10  # of text, in units of the drawing
PIXELS = 1.6  # on a screen, for each of them
SPACE = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
TOKEN = re.compile(r"[A-Za-z]|-?\d+\.?\d*(?:e-?\d+)?")
HEX = re.compile(r"#(.)\1(.)\2(.)\3")
# What an element has if its style says nothing, and what is not worth its bytes
USUAL = {"stroke-width": "1", "font-weight": "400", "text-anchor": "start", "font-size": f"{SIZE}"}
DROPPED = {"font-family", "stroke-linejoin", "stroke-dashoffset"}

Shape = tuple[str, dict[str, str], str]  # what it is, how it looks, and where (or which words)


def inlined(drawn: str, title: str, words: str) -> str:
    """What matplotlib drew as an `<svg>` for a page: `title` and `words` are what a screen reader
    says.

    The same bytes for the same drawing. Raises ValueError at an element that matplotlib was not
    known to write, as dropping it would change the picture. Clip paths are dropped: a drawing must
    not reach over its axes.
    """
    root = ElementTree.fromstring(drawn)
    marks = {path.get("id", ""): path for path in root.iter(f"{SPACE}path")}
    body = "".join(_grouped(list(_shapes(root, marks))))
    title, words = (str(escape(seen(text))) for text in (title, words))
    key = hashlib.sha256(f"{title}\n{words}\n{body}".encode()).hexdigest()[:8]
    width, height = (float(side) for side in root.get("viewBox", "").split()[2:])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_short(width)} '
        f'{_short(height)}" role="img"'
        f' aria-labelledby="t{key} d{key}" width="{PIXELS * width:.0f}" '
        'style="max-width:100%;height:auto"'
        f' font-family="{FONT}" font-size="{SIZE}" fill="{INK}">'
        f'<title id="t{key}">{title}</title><desc id="d{key}">{words}</desc>{body}</svg>'
    )


def _shapes(node: ElementTree.Element, marks: dict[str, ElementTree.Element]) -> Iterator[Shape]:
    """Everything that can be seen, in the order in which it was drawn."""
    for child in node:
        name, look = child.tag.removeprefix(SPACE), _look(child)
        if name == "g":
            yield from _shapes(child, marks)
        elif name == "text":
            place = _place(child) | {key: value for key, value in look.items() if value != INK}
            yield "text", place, str(escape(child.text or ""))
        elif name == "path":
            look = {"fill": "#000"} | look
            if look["fill"] != "none" or "stroke" in look:
                yield "path", look, _path(child.get("d", ""))
        elif name == "use":
            mark = marks[child.get(LINK, "").removeprefix("#")]
            look = {"fill": "#000"} | _look(mark) | look
            yield _mark(mark.get("d", ""), float(child.get("x", 0)), float(child.get("y", 0)), look)
        elif name not in ("defs", "metadata"):
            raise ValueError(f"a drawing holds <{name}>, which cannot be made small")


def _look(element: ElementTree.Element) -> dict[str, str]:
    """An element's style as attributes, without what is usual."""
    pairs = (part.split(":", 1) for part in element.get("style", "").split(";") if ":" in part)
    found = {key.strip(): value.strip() for key, value in pairs}
    found = {key: HEX.sub(r"#\1\2\3", value.removesuffix("px")) for key, value in found.items()}
    if found.get("stroke-linecap") != "round":
        found.pop("stroke-linecap", None)
    return {
        key: _short(float(value)) if key in ("stroke-width", "font-size") else value
        for key, value in found.items()
        if key not in DROPPED and value != USUAL.get(key)
    }


def _place(text: ElementTree.Element) -> dict[str, str]:
    """Where a text stands; turned, it is moved there first."""
    turn = text.get("transform", "")
    moved = re.search(r"translate\(([-\d.]+)[ ,]([-\d.]+)\)", turn)
    x, y = moved.groups() if moved else (text.get("x", "0"), text.get("y", "0"))
    place = {"x": _short(float(x)), "y": _short(float(y))}
    angle = float(found[1]) if (found := re.search(r"rotate\(([-\d.]+)", turn)) else 0.0
    return (
        {"transform": f"translate({place['x']} {place['y']})rotate({_short(angle)})"}
        if angle
        else place
    )


def _mark(drawn: str, x: float, y: float, look: dict[str, str]) -> Shape:
    """A mark at its place; a round one is a circle."""
    if "C" in drawn:
        radius = max(float(token) for token in TOKEN.findall(drawn) if not token.isalpha())
        return "circle", look, f'cx="{_short(x)}" cy="{_short(y)}" r="{radius:.2g}"'
    return "path", look, _path(drawn, x, y)


def _path(drawn: str, x: float = 0.0, y: float = 0.0) -> str:
    """A path of straight lines in steps of a tenth of a unit, each from where the last one ended;
    without drift.
    """
    out, here, start, tokens = "", (0, 0), (0, 0), iter(TOKEN.findall(drawn))
    for token in tokens:
        if token == "z":
            out, here = f"{out}z", start
            continue
        if token not in "ML":
            raise ValueError(
                f"a drawing has a line of the kind {token!r}, which cannot be made small"
            )
        there = round(10 * (float(next(tokens)) + x)), round(10 * (float(next(tokens)) + y))
        step = there[0] - here[0], there[1] - here[1]
        if token == "M":
            out, start = f"{out}M{there[0] / 10:g} {there[1] / 10:g}", there
        elif step[0] and step[1]:
            out += f"l{step[0] / 10:g} {step[1] / 10:g}"
        elif any(step):
            out += f"h{step[0] / 10:g}" if step[0] else f"v{step[1] / 10:g}"
        here = there
    return out


def _grouped(shapes: list[Shape]) -> Iterator[str]:
    """Neighbours that look alike say so once; opaque paths among them become one."""
    for (name, look), same in groupby(shapes, key=_alike):
        shared = "".join(f' {key}="{escape(value)}"' for key, value in look)
        found = list(same)
        if name == "path" and not any("opacity" in key for key, _ in look):
            yield f'<path{shared} d="{"".join(where for *_, where in found)}"/>'
        elif len(found) == 1:
            yield _element(found[0], shared)
        else:
            yield f"<g{shared}>{''.join(_element(shape, '') for shape in found)}</g>"


def _alike(shape: Shape) -> tuple[str, tuple[tuple[str, str], ...]]:
    return shape[0], tuple(
        (key, value) for key, value in shape[1].items() if key not in ("x", "y", "transform")
    )


def _element(shape: Shape, shared: str) -> str:
    name, look, where = shape
    if name == "text":
        own = "".join(f' {key}="{look[key]}"' for key in ("x", "y", "transform") if key in look)
        return f"<text{own}{shared}>{where}</text>"
    return f"<circle {where}{shared}/>" if name == "circle" else f'<path d="{where}"{shared}/>'


def _short(value: float) -> str:
    return f"{round(value, 1):g}"

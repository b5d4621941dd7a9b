"""A drawing made fit for a page: places, looks and words stay, and what is not known is refused."""

import re
from xml.etree import ElementTree

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from learnalign.report import pictures, svg

SVG = "{http://www.w3.org/2000/svg}"


def test_a_drawing_keeps_its_places_looks_and_words():
    with matplotlib.rc_context(pictures.STYLE):
        figure = Figure(figsize=(5.2, 1), facecolor="none")
        ax = figure.add_axes(
            [0, 0, 1, 1], xlim=(0, 374.4), ylim=(72, 0), xticks=[], yticks=[], frame_on=False
        )
        ax.plot([10, 10, 50.04, 20], [10, 30, 30, 60], color="#ff0000", lw=2, ls="--")
        ax.plot([100], [20], "o", ms=8, mfc="white", color="#0b6664")
        ax.text(30, 40, "A & B", ha="center", style="italic", fontsize=8.5)
        ax.text(200, 40, "up", rotation=90, rotation_mode="anchor")
    root = ElementTree.fromstring(pictures.Picture(figure, "words", "title").svg)
    path, circle, words, turned = [
        (child.tag.removeprefix(SVG), child.attrib, child.text) for child in root[2:]
    ]
    look = {"fill": "none", "stroke": "#f00", "stroke-width": "2", "stroke-dasharray": "7.4,3.2"}
    assert path == ("path", look | {"d": "M10 10v20h40l-30 30"}, None)
    look = {"fill": "#fff", "stroke": "#0b6664"}
    assert circle == ("circle", look | {"cx": "100", "cy": "20", "r": "4"}, None)
    look = {"text-anchor": "middle", "font-style": "italic", "font-size": "8.5"}
    assert words == ("text", look | {"x": "30", "y": "40"}, "A & B")
    assert turned == ("text", {"transform": "translate(200 40)rotate(-90)"}, "up")


def test_what_cannot_be_made_small_is_an_error_and_not_left_out():
    drawn = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'
    with pytest.raises(ValueError, match="<image>"):
        svg.inlined(drawn.format("<image/>"), "", "")
    with pytest.raises(ValueError, match="'Q'"):
        svg.inlined(drawn.format('<path d="M 0 0 Q 1 1 2 2"/>'), "", "")


@pytest.mark.property
@given(st.lists(st.tuples(st.floats(-500, 500), st.floats(-500, 500)), min_size=2, max_size=30))
def test_a_path_ends_where_it_ended(points):
    """Steps of a tenth do not add up to a drift."""
    path = svg._path(
        "".join(f"{'ML'[place > 0]} {x:.6f} {y:.6f} " for place, (x, y) in enumerate(points))
    )
    x = y = 0.0
    for letter, numbers in re.findall(r"([Mhvl])([-\d. e]+)", path):
        dx, dy = {"h": "{} 0", "v": "0 {}"}.get(letter, "{}").format(numbers).split()
        x, y = (float(dx), float(dy)) if letter == "M" else (x + float(dx), y + float(dy))
    assert (x, y) == pytest.approx(points[-1], abs=0.051)

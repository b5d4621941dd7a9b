"""A drawing made fit for a page: places, looks and words stay, and what is not known is refused."""

import re
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.figure import Figure

from learnalign.report import svg

SVG = "{http://www.w3.org/2000/svg}"


def test_a_drawing_keeps_its_places_looks_and_words():
    with matplotlib.rc_context(svg.STYLE):
        figure = Figure(figsize=(5.2, 1), facecolor="none")
        ax = figure.add_axes(
            [0, 0, 1, 1], xlim=(0, 374.4), ylim=(72, 0), xticks=[], yticks=[], frame_on=False
        )
        ax.plot([10, 10, 50.04, 20], [10, 30, 30, 60], color="#ff0000", lw=2, ls="--")
        ax.plot([100], [20], "o", ms=8, mfc="white", color="#0b6664")
        ax.text(30, 40, "A & B", ha="center", style="italic", fontsize=8.5)
        ax.text(200, 40, "up", rotation=90, rotation_mode="anchor")
    shown = svg.drawn(figure, "title", ["words"])
    root = ElementTree.fromstring(re.search("<svg.*</svg>", shown.html)[0])
    assert root.get("style") == "max-width:100%"  # WeasyPrint draws a square of "height:auto"
    path, circle, words, turned = [
        (child.tag.removeprefix(SVG), child.attrib, child.text) for child in root[2:]
    ]
    look = {"fill": "none", "stroke": "#ff0000", "stroke-width": "2", "stroke-dasharray": "7.4,3.2"}
    assert path == ("path", look | {"d": "M 10 10 10 30 50 30 20 60"}, None)
    look = {"fill": "#ffffff", "stroke": "#0b6664", "cx": "100", "cy": "20", "r": "4"}
    assert circle == ("circle", look, None)
    look = {"text-anchor": "middle", "font-style": "italic", "font-size": "8.5"}
    assert words == ("text", look | {"x": "30", "y": "40"}, "A & B")
    look = {"x": "200", "y": "40", "transform": "rotate(-90 200 40)"}
    assert turned == ("text", look, "up")


def test_what_cannot_be_made_small_is_an_error_and_not_left_out():
    drawn = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'
    with pytest.raises(ValueError, match="<image>"):
        svg.inlined(drawn.format("<image/>"), "", "")

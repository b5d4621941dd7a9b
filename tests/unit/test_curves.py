"""What the pictures of groups show: places and words read from axes and tables."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import html5lib
import matplotlib
import numpy as np
import pandas as pd
import pytest

from learnalign.estimates.pooling import Spread
from learnalign.facts import drivers
from learnalign.privacy import rule
from learnalign.report import curves, show, steps, svg, tables
from learnalign.verdicts.result import Result

THIN = "\u202f"
FINDING = (
    "A finding that is long enough to need a second line, as findings with their "
    "numbers in them often do."
)
STAGES = pd.DataFrame(
    [
        ("detected", "all", 1024, 100.0, True),
        ("detected", "still open", None, 34.0, True),
        ("detected", "left", None, 6.0, True),
        ("detected", "closed without learning", None, None, False),
        ("acknowledged", "all", None, 56.0, True),
        ("acknowledged", "still open", None, 15.0, True),
        ("learning", "all", None, 41.0, True),
        ("learning", "still open", None, 8.0, True),
        ("closed", "all", None, 33.0, True),
    ],
    columns=["stage", "then", "gaps", "share", "shown"],
    dtype=object,
)
MONTHS = np.array([6, 12, 18])
CURVES = pd.concat(
    pd.DataFrame(
        {
            "group": name,
            "month": MONTHS,
            "closed": slope * MONTHS,
            "low": 0.8 * slope * MONTHS,
            "high": 1.2 * slope * MONTHS,
            "left": 0.5 * MONTHS,
            "left_low": 0.4 * MONTHS,
            "left_high": 0.7 * MONTHS,
        }
    )
    for name, slope in (
        ("not acknowledged before they were found", 4.0),
        ("acknowledged before they were found", 5.0),
    )
)
SPREAD = Spread(
    mean=-0.2,
    mean_low=-0.27,
    mean_high=-0.13,
    sd=0.4,
    sd_low=0.3,
    sd_high=0.5,
    n_managers=163,
    smallest=0.1,
    level=0.95,
)
MATRIX = pd.DataFrame(
    [
        (1, 0.5, -0.4, 0.12, True),
        (2, 0.5, 0.2, 0.1, True),
        (2, 1.5, None, None, False),
        (1, 1.5, None, None, False),
    ],
    columns=["rating", "target", "gap", "within", "shown"],
)
GRID = pd.DataFrame(
    {
        "unit": ["all units", "Corporate 1", "Retail 1", "Risk 1"],
        "vision and roles: leading": [3.5, 4.0, 3.0, "too few answers"],
        "vision and roles: culture": ["not measured"] * 4,
        "resources: leading": [3.2, "too few answers", 3.2, "too few answers"],
    }
)
NETWORK = pd.DataFrame(
    [("asks going up (%)", share, 40.0, 39.0, 40.0 - share, 40.0, True) for share in (10, 20, 30)]
    + [
        ("pairs of people with a tie (%)", share, 0.02, 0.015, 0.01, 0.02, True)
        for share in (10, 20, 30)
    ]
    + [("asks going down (%)", share, None, None, None, None, False) for share in (10, 20, 30)],
    columns=["fact", "missing_pct", "recorded", "middle", "low", "high", "shown"],
)
FACT = Result(
    question="Q6",
    measure="gap_facts",
    headline=False,
    group="company",
    at="gaps acknowledged",
    estimate=47.2,
    low=44.0,
    high=50.0,
    level=0.95,
    unit="%",
    n_people=611,
    n_clusters=80,
    method="share, clustered by manager",
    design="described",
    verdict="described",
    sentence="47 % of gaps were acknowledged.",
    checks=(),
    smallest_effect=None,
    detectable_effect=None,
    to_settle="",
    shown=True,
    note="",
)
LONG = {
    "acknowledged": "acknowledged in whatever channel was recorded",
    "not acknowledged before they were found": "not acknowledged before the day of it by them",
    "Retail 1": "Retail and wealth management, north and west",
    "asks going up (%)": "asks that go up to somebody of a higher grade (%)",
}
DRAWN = {
    "journey": (tables.journey, STAGES),
    "curves": (curves.curves, CURVES),
    "matrix": (tables.matrix, MATRIX),
    "grid": (tables.grid, GRID),
    "network": (tables.network, NETWORK),
}


PLOTS = {"curves": curves.plot_curves, "spread_over_managers": curves.plot_spread_over_managers}


def plot(picture):
    """The figure of a picture that is drawn as one."""
    return PLOTS[picture.record["kind"]](picture.record)


def texts(figure):
    """Every word in a figure."""
    figure.canvas.draw()
    found = [*figure.texts]
    for ax in figure.axes:
        found += [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label]
    words = [text.get_text() for text in found]
    return "\n".join([*words, *(ax.get_title(loc="left") for ax in figure.axes)]).replace("\n", " ")


def lines(picture):
    """A table as plain text, its cells apart; the title and the caption left out."""
    return [line.split("\t") for line in str(picture).splitlines()]


def overlaps(figure):
    """Pairs of texts inside the panels that touch, and texts that reach over the edge of the
    picture.
    """
    with matplotlib.rc_context(svg.STYLE):
        figure.draw_without_rendering()
    found = [text for ax in figure.axes for text in ax.texts if text.get_text()] + figure.texts
    found += [
        label
        for ax in figure.axes
        for place, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
        if min(ax.get_ylim()) <= place <= max(ax.get_ylim())
    ]
    boxes = [(text.get_text(), text.get_window_extent()) for text in found]
    whole = figure.bbox.padded(1)
    touching = [
        (a, b)
        for place, (a, one) in enumerate(boxes)
        for b, two in boxes[place + 1 :]
        if one.padded(-1).overlaps(two.padded(-1))
    ]
    return touching + [
        text for text, box in boxes if not (whole.x0 <= box.x0 and box.x1 <= whole.x1)
    ]


# --- what holds for all


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_finding_is_the_title_above_the_picture_and_starts_the_alt_text(name):
    draw, frame = DRAWN[name]
    picture = draw(frame, title=FINDING)
    assert picture.title == FINDING
    assert str(picture).count(FINDING) == 1 and str(picture).startswith(FINDING)
    assert "nan" not in str(picture) + picture.html
    assert picture == draw(frame, title=FINDING)
    assert draw(frame).title


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_at_all_says_so(name):
    draw, frame = DRAWN[name]
    shown = draw(frame.iloc[:0])
    assert shown.record is None and not shown.title
    assert str(shown).endswith(".")


@pytest.mark.parametrize("name", DRAWN)
def test_arguments_stay_as_they_were_and_long_labels_fit(name):
    draw, frame = DRAWN[name]
    before = frame.copy(deep=True)
    picture = draw(frame.replace(LONG))
    assert name not in PLOTS or overlaps(plot(picture)) == []
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["curves", "matrix"])
def test_row_order_does_not_matter(name):
    draw, frame = DRAWN[name]
    assert draw(frame.sample(frac=1, random_state=3)) == draw(frame)


def test_every_record_has_its_picture():
    for name in show.kinds():
        home = next(one for one in (curves, tables, show) if hasattr(one, name))
        assert callable(getattr(home, name))


# --- the gap journey


def bars(picture):
    """How long the bars of a journey are, in percent of the longest."""
    return [float(width) for width in re.findall(r"width:([\d.]+)%", picture.html)]


def test_bars_are_as_long_as_the_gaps_that_got_there():
    picture = tables.journey(STAGES)
    assert bars(picture) == [100, 56, 41, 33]
    stages = re.findall("<b>(.*?)</b>", picture.html)
    assert stages == ["Detected", "Acknowledged", "Learning", "Closed"]
    assert (
        picture.title
        == "33 % of gaps passed every stage, not only some: acknowledged, learning, closed"
    )


def test_journey_says_shares_and_where_the_others_went():
    picture = tables.journey(STAGES)
    assert str(picture).splitlines()[1:] == [
        f"Detected about 1{THIN}024 gaps",
        "44 % went no further: 34 % still open, 6.0 % left",
        "Acknowledged 56 %",
        "15 % went no further: 15 % still open",
        "Learning 41 %",
        "8.0 % went no further: 8.0 % still open",
        "Closed 33 %",
    ]


def test_a_hidden_stage_keeps_its_place_and_hides_who_went_no_further():
    hidden = STAGES.copy()
    hidden.loc[8, ["share", "shown"]] = None, False
    picture = tables.journey(hidden)
    assert bars(picture)[-1] == 0 and picture.title == "How far gaps came"
    assert str(picture).splitlines()[-4:] == [
        "Learning 41 %",
        "went no further: hidden",
        "Closed hidden",
        "Hidden: not shown, to protect individuals.",
    ]
    assert picture.record["rows"][-1] == {
        "stage": "closed",
        "gaps": None,
        "share": None,
        "stopped": None,
        "ways": [],
    }


# --- curves


def test_curves_have_their_values_bands_and_direct_labels():
    figure = plot(curves.curves(CURVES))
    above, below = figure.axes
    drawn = [line for line in above.lines if len(line.get_xdata()) > 2]
    assert [list(line.get_ydata()) for line in drawn] == [[30, 60, 90], [24, 48, 72]]
    tops = [one.get_paths()[0].get_extents().y1 for one in above.collections]
    assert tops == pytest.approx([108, 86.4])
    assert max(line.get_ydata()[-1] for line in below.lines if len(line.get_xdata()) > 2) == 9
    assert "not acknowledged before they were found: 72 % by month 18" in texts(figure)
    assert above.get_legend() is None
    assert len({line.get_linestyle() for line in drawn}) == 2


def test_a_month_or_group_that_is_hidden_is_not_drawn():
    blank = CURVES.reset_index(drop=True)
    blank.loc[0, ["closed", "low", "high"]] = np.nan
    first, second = curves.curves(blank).record["rows"]
    assert second["closed"] == [None, 48, 72] and second["left"] == [3, 6, 9]
    assert first["group"] == "acknowledged before they were found"
    other = blank.closed.where(blank.group == first["group"])
    picture = curves.curves(blank.assign(closed=other))
    assert [row["group"] for row in picture.record["rows"]] == [first["group"]]
    assert "not shown, to protect individuals" in str(picture)
    assert "no curve to draw" in str(curves.curves(blank.assign(closed=np.nan)))


def test_curves_in_words():
    assert str(curves.curves(CURVES)).split("\n")[1].split(". ")[1] == (
        "not acknowledged before they were found: by month 12, 48 % closed (38.4 to 57.6 %) and "
        "6.0 % left first; by month 18, 72 % closed (57.6 to 86.4 %) and 9.0 % left first."
    )


# --- the spread over managers


def test_spread_draws_the_distribution_and_no_manager():
    (ax,) = plot(curves.spread_over_managers(SPREAD, unit="percentage points")).axes
    zero, curve, mean, eight, half = ax.lines
    assert curve.get_xdata()[np.argmax(curve.get_ydata())] == pytest.approx(-0.2, abs=0.02)
    assert list(mean.get_xdata()) == [-0.2, -0.2]
    # the quantiles of a normal distribution, of no manager
    assert list(eight.get_xdata()) == pytest.approx(
        [-0.2 - 1.2816 * 0.4, -0.2 + 1.2816 * 0.4], abs=1e-3
    )
    assert list(half.get_xdata()) == pytest.approx(
        [-0.2 - 0.6745 * 0.4, -0.2 + 0.6745 * 0.4], abs=1e-3
    )
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert [band.x0, band.x1] == pytest.approx([-0.1, 0.1])
    assert all(line.get_marker() == "None" for line in ax.lines)


def test_spread_says_so():
    picture = curves.spread_over_managers(SPREAD, unit="percentage points", title=FINDING)
    for words in (
        "Mean of about 163 managers (upright line): −0.20 pp (−0.27 to −0.13 pp)",
        "0.40 pp (0.30 to 0.50 pp)",
        "Half of them, by this curve (thick line): −0.47 to 0.07 pp",
        "too small to matter: within ±0.10 pp",
    ):
        assert words in str(picture)


def managers(**values):
    return curves.spread_over_managers(replace(SPREAD, **values), unit="percentage points")


def test_without_differences_there_is_no_curve():
    picture = managers(sd=0.0, sd_low=0.0)
    assert not plot(picture).axes[0].collections
    assert str(picture).startswith(
        "Managers do not differ beyond chance\nNo difference between managers found beyond chance.\n"
    )
    assert "of them" not in str(picture)
    # an SD that may be nothing is no difference, though it is drawn
    assert managers(sd_low=0.0).title == "Managers do not differ beyond chance"
    assert managers().title.startswith("Managers differ")


# --- cells


def tints(picture):
    """The ground of every cell of a table, row by row; "" where there is none."""
    rows = re.findall(r"<tr>(?:(?!</tr>).)*<td.*?</tr>", str(picture.html), re.S)
    grounds = re.compile(r'<td(?: class="[\w ]+")?(?: style="background:(#\w{6})")?>')
    return [grounds.findall(row) for row in rows]


def light(colour):
    return sum(int(colour[place : place + 2], 16) for place in (1, 3, 5)) if colour else 3 * 255


def test_the_longer_of_rating_and_target_goes_down():
    """Eleven targets beside each other do not fit a phone; below each other they do."""
    for long, other in (("target", "rating"), ("rating", "target")):
        cells = pd.concat([MATRIX.iloc[[0]].assign(**{long: float(at)}) for at in (1, 2, 3)])
        html = tables.matrix(cells).html
        heads = re.findall(r'<th scope="col".*?>(.*?)</th>', html)
        assert heads == [long.capitalize(), f"{cells[other].iloc[0]:g}"]
        assert sorted(re.findall(r'<th scope="row">(.*?)</th>', html)) == ["1", "2", "3"]


def test_matrix_has_a_cell_per_rating_and_target_the_best_rating_on_top():
    picture = tables.matrix(MATRIX)
    assert lines(picture)[2:] == [
        ["Rating", "0.5", "1.5"],
        ["2", "+0.20 ±0.10", "hidden"],
        ["1", "−0.40 ±0.12", "hidden"],
        ["Hidden: not shown, to protect individuals."],
    ]
    (near, _), (far, _) = tints(picture)
    assert light(far) < light(near) < light("")
    amber = [int(tables.AMBER[place : place + 2], 16) for place in (1, 3, 5)]
    assert light(far) == pytest.approx(sum(0.5 * 255 + 0.5 * part for part in amber), abs=3)
    more = pd.concat([MATRIX, MATRIX[:1].assign(rating=3, target=2.5)])
    assert lines(tables.matrix(more))[-1] == [
        "Empty: nobody. Hidden: not shown, to protect individuals."
    ]


def test_grid_has_all_units_first_and_says_what_is_not_there():
    picture = tables.grid(GRID)
    assert lines(picture) == [
        [
            "Units are highest on vision and roles: leading (3.5) and lowest on resources: leading (3.2)"
        ],
        ["Scores; the darker, the higher"],
        ["Unit", "vision and roles", "resources"],
        ["leading", "culture", "leading"],
        ["all units", "3.5", "–", "3.2"],
        ["Corporate 1", "4.0", "–", "hidden"],
        ["Retail 1", "3.0", "–", "3.2"],
        ["Risk 1", "hidden", "–", "hidden"],
        ["–: not measured. Hidden: not shown, to protect individuals."],
    ]
    first, second, third, _ = tints(picture)
    assert light(second[0]) < light(first[0]) < light(third[0])  # darker is higher
    assert re.findall(r'colgroup" colspan="(\d)"', picture.html) == ["2", "1"]


def test_grid_of_25_units_is_small():
    units = [f"Wealth management and advisory {place}" for place in range(25)]
    names = [
        f"{driver}: {domain}" for driver in drivers.DRIVERS.values() for domain in drivers.DOMAINS
    ]
    frame = pd.DataFrame({"unit": units} | dict.fromkeys(names, "too few answers"))
    assert str(tables.grid(frame)).count("hidden") == 25 * len(names)
    scores = np.random.default_rng(1).uniform(1, 5, (15, len(names)))
    frame = pd.DataFrame(scores, columns=names).assign(unit=units[:15])
    assert len(tables.grid(frame).html.encode()) < 16_000


# --- networks


def ranges(picture):
    """Of each fact: where its square is, where its ranges start and end, from 0 at the left to 1."""
    found = []
    for drawn in re.findall(r'viewBox="0 0 180 34".*?</svg>', picture.html, re.S):
        square = float(re.search(r'<rect x="([\d.]+)"', drawn)[1]) + 3.6
        ends = re.findall(r'd="M([\d.]+) \d+H([\d.]+)" stroke="#53626e"', drawn)
        found.append(((square - 4) / 172, [[(float(x) - 4) / 172 for x in pair] for pair in ends]))
    return found


def test_network_draws_each_fact_on_a_scale_of_its_own():
    (first, wide), (second, _) = ranges(tables.network(NETWORK))
    assert (first, second) == pytest.approx((1, 1), abs=0.001)
    assert np.ravel(wide) == pytest.approx(
        np.ravel([[1 - share / 40, 1] for share in (10, 20, 30)]), abs=0.001
    )


def test_network_says_the_fact_and_its_range_or_that_it_is_hidden():
    picture = tables.network(NETWORK)
    assert lines(picture)[2:6] == [
        ["Fact", "10, 20, 30 % missing", "Recorded", "With 30 % missing"],
        ["Asks going up (%)", "", "40", "10 to 40"],
        ["Pairs of people with a tie (%)", "", "0.02", "0.01 to 0.02"],
        ["Asks going down (%)", "", "hidden", "hidden"],
    ]


def test_network_knows_negative_facts():
    below = NETWORK[:3].assign(recorded=-0.3, middle=-0.3, low=-0.6, high=0.1)
    picture = tables.network(below)
    ((square, _),) = ranges(picture)
    assert square == pytest.approx(0.25, abs=0.001)
    assert lines(picture)[3][2:] == ["−0.3", "−0.6 to 0.1"]


# --- shares


def test_shares_have_name_mark_interval_and_number():
    picture = show.shares([FACT], title=FINDING)
    assert lines(picture) == [
        [FINDING],
        ["in %"],
        ["Row", "Against what matters", "Estimate", "Interval", "People"],
        ["Gap facts, gaps acknowledged", "", "47.2 %", "44.0 to 50.0 %", "611"],
    ]
    line = re.search(r'd="M([\d.]+) 10H([\d.]+)"', picture.html)
    assert [float(end) for end in line.groups()] == pytest.approx(
        [4 + 1.72 * 44, 4 + 1.72 * 50], abs=0.1
    )
    assert re.findall(r">(\d+)</text>", picture.html) == ["0", "25", "50", "75", "100"]


def test_shares_of_one_measure_stand_under_its_name_in_the_order_given():
    rows = [
        FACT,
        replace(FACT, measure="asking", at=""),
        replace(FACT, group="age_band=40 to 49", at=""),
        replace(FACT, at="gaps acknowledged before the day on which they were found"),
    ]
    assert [line[0] for line in lines(show.shares(rows))[2:]] == [
        "Gap facts",
        "Gaps acknowledged",
        "Age band: 40 to 49",
        "Gaps acknowledged before the day on which they were found",
        "Asking",
    ]


def test_shares_hide_small_groups_and_have_a_table_for_every_unit():
    rows = [
        FACT,
        rule.hidden(replace(FACT, at="few", estimate=12.34)),
        replace(FACT, at="days", unit="days"),
    ]
    picture = show.shares(rows)
    assert re.findall("<caption>(.*?)</caption>", picture.html) == ["in %", "in days"]
    assert lines(picture)[4] == ["Few", "", "hidden", "hidden", "hidden"]
    assert "not shown, to protect individuals" in str(picture)
    assert "12.3" not in picture.html
    axis = re.findall(r">(\d+)</text>", picture.html)[5:]
    assert axis[0] == "0" and max(map(int, axis)) <= 52
    assert "no result to draw" in str(show.shares([]))


# --- a record, and the page

SVG = "{http://www.w3.org/2000/svg}"
BAD = (
    "<script>alert(1)</script>\"'><img src=x "
    "onerror=alert(2)>{{7*7}}\x00\u202e</style><!-- ]]> \ufffe"
)
GROUPS = pd.DataFrame({"unit": ["a", "b"], "hours": [1.5, 2.25], "shown": [True, False]})
PICTURES = {name: draw(frame) for name, (draw, frame) in DRAWN.items()}
PICTURES["table"] = show.table(GROUPS, "Hours by unit", unknown=["What it cost"])
PICTURES["spread_over_managers"] = curves.spread_over_managers(SPREAD, unit="percentage points")


def again(record):
    """The picture of a record that was written to a file and read."""
    return show.draw(json.loads(json.dumps(record, allow_nan=False)))


# --- a record draws the same again


@pytest.mark.parametrize("name", PICTURES)
def test_a_record_draws_the_same_picture_again(name):
    picture = PICTURES[name]
    assert picture.record["kind"] == name
    assert picture.record["title"] == picture.title
    drawn = again(picture.record)
    assert (drawn.html, drawn.title) == (picture.html, picture.title)


def test_every_kind_that_can_be_drawn_again_is_tested():
    assert show.kinds() == sorted(PICTURES)


def test_an_unknown_kind_is_an_error_that_names_those_that_are_known():
    with pytest.raises(ValueError, match="kind 'pie' cannot be drawn; the kinds are curves, grid"):
        show.draw({"kind": "pie"})


def test_pictures_of_results_and_words_have_no_record():
    assert show.interval([FACT]).record is None
    assert show.shares([FACT]).record is None
    assert tables.journey(STAGES.iloc[:0]).record is None


def test_a_record_is_no_more_exact_than_what_is_shown():
    (first, *_) = tables.grid(GRID.replace(3.5, 3.54321)).record["rows"]
    assert first == {"unit": "all units", "cells": [3.5, "not measured", 3.2]}


# --- a drawing in a page


@pytest.mark.parametrize("name", PLOTS)
def test_an_svg_has_a_title_a_description_and_is_small(name):
    picture = PICTURES[name]
    drawn = re.search("<svg.*</svg>", picture.html, re.S)[0]
    root = ElementTree.fromstring(drawn)
    assert (root.get("role"), root.get("aria-labelledby")) == (
        "img",
        " ".join(child.get("id") for child in root[:2]),
    )
    assert root.find(f"{SVG}title").text == picture.title
    assert str(picture).startswith(f"{picture.title}\n{root.find(f'{SVG}desc').text}\n")
    assert not re.search(
        r"<\?xml|<!DOCTYPE|<metadata|<style|<image|<defs|clip-path|xlink|url\(|rdf|DejaVu", drawn
    )
    assert len(drawn.encode()) < 12_000
    places = " ".join(re.findall(r' (?:d|x|y|transform)="([^"]*)"', drawn))
    assert all(len(number) < 2 for number in re.findall(r"\d\.(\d+)", places))


def test_ids_differ_between_pictures_of_a_page():
    shown = [*PICTURES.values(), show.interval([FACT]), show.shares([FACT]), steps.dose([FACT])]
    ids = re.findall(r' id="([^"]+)"', "".join(one.html for one in shown))
    assert len(ids) == len(set(ids)) == 2 * 3


@pytest.mark.parametrize("name", PICTURES)
def test_text_of_the_data_reaches_the_page_as_text_alone(name):
    record = json.loads(json.dumps(PICTURES[name].record)) | {"title": BAD}
    for row in record["rows"]:
        row |= {key: BAD for key in ("stage", "group", "unit", "fact") if key in row}
    record |= {"columns": [f"{BAD}: {BAD}"] * 3} if name == "grid" else {}
    drawn = show.draw(record)._repr_html_()
    root = html5lib.parse(drawn, namespaceHTMLElements=False)
    assert not {"script", "img", "image", "iframe", "a"} & {str(one.tag) for one in root.iter()}
    assert not any(str(key).startswith("on") for one in root.iter() for key in one.attrib)
    assert not re.search(r"<script|<img|[\x00\u202e\ufffe]", drawn) and drawn.count("</style") == 1
    assert "alert(1)" in "".join(root.itertext()) and "{{7*7}}" in drawn


def test_long_labels_fit_in_dose_and_trend():
    step = replace(FACT, unit="SD", estimate=0.2, low=0.1, high=0.3, smallest_effect=0.1)
    rows = [
        replace(step, at=LONG["Retail 1"]),
        replace(step, at="middle"),
        replace(step, at="high", estimate=None),
    ]
    assert overlaps(steps.plot_dose(rows, "none")) == []
    days = [f"{year}-06-30" for year in range(2015, 2023)]
    assert overlaps(steps.plot_trend(days, [step] * 8)) == []

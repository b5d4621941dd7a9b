"""What the pictures of groups show: places and words read from axes and tables, and nothing on too few
people.
"""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import html5lib
import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnalign.estimates.pooling import Spread
from learnalign.facts import drivers, gaps
from learnalign.privacy import frames as gate
from learnalign.report import curves, show, steps, svg, tables
from learnalign.verdicts.result import Result

THIN = "\u202f"
FINDING = (
    "A finding that is long enough to need a second line, as findings with their "
    "numbers in them often do."
)
STAGES = pd.DataFrame(
    [
        ("detected", "all", 1024, 611, 80),
        ("detected", "still open", 350, 250, 70),
        ("detected", "left", 60, 41, 30),
        ("detected", "closed without learning", 44, 4, 4),
        ("acknowledged", "all", 570, 402, 80),
        ("acknowledged", "still open", 150, 99, 40),
        ("learning", "all", 420, 300, 70),
        ("learning", "still open", 85, 70, 40),
        ("closed", "all", 335, 240, 66),
    ],
    columns=["stage", "then", "gaps", "people", "managers"],
)
MONTHS = np.arange(13)
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
            "people": people - 60 * MONTHS,
            "managers": 20,
            "people_closed": slope * people / 100 * MONTHS,
            "people_left": people / 200 * MONTHS,
        }
    )
    for name, slope, people in (
        ("all gaps", 4.0, 2000),
        ("acknowledged before they were found", 5.0, 489),
    )
)
SPREAD = Spread(
    mean=-0.2,
    mean_low=-0.27,
    mean_high=-0.13,
    sd=0.4,
    sd_low=0.3,
    sd_high=0.5,
    quantiles=((0.1, -0.6), (0.25, -0.4), (0.5, -0.2), (0.75, 0.1), (0.9, 0.2)),
    n_below=47,
    n_managers=163,
    smallest=0.1,
    level=0.95,
)
MATRIX = pd.DataFrame(
    [
        (1, 0.5, 40, 9, 0.1, -0.4, 0.1),
        (2, 0.5, 40, 9, 0.7, 0.2, 0.1),
        (2, 1.5, 9, 9, 9.9, 8.4, 0.1),
        (1, 1.5, 40, 2, 7.9, 6.4, 0.1),
    ],
    columns=["rating", "target", "people", "managers", "merit", "gap", "spread"],
)
GRID = pd.DataFrame(
    {
        "unit": ["Retail 1", "Corporate 1", "Risk 1", "all units"],
        "people": [40, 30, 9, np.nan],
        "vision and roles: leading": [3.0, 4.0, 1.23, 3.5],
        "vision and roles: culture": ["not measured"] * 4,
        "resources: leading": [3.2, "too few answers", 1.32, 3.2],
    }
)
NETWORK = pd.DataFrame(
    [
        ("asks going up (%)", 500, 90, np.nan, share, 40.4, 39.0, 40.0 - share, 40.0)
        for share in (10, 20, 30)
    ]
    + [
        ("pairs of people with a tie (%)", 500, 90, 1, share, 0.0204, 0.015, 0.01, 0.018)
        for share in (10, 20, 30)
    ]
    + [
        ("asks going down (%)", 9, 9, np.nan, share, 33.3, 33.3, 33.3, 33.3)
        for share in (10, 20, 30)
    ],
    columns=[
        "fact",
        "people",
        "people_smaller",
        "digits",
        "missing_pct",
        "recorded",
        "middle",
        "low",
        "high",
    ],
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
    "all gaps": "all gaps of all the people here, whoever found them",
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


def edited(frame, stage, then, **values):
    frame = frame.copy()
    frame.loc[(frame.stage == stage) & (frame.then == then), list(values)] = list(values.values())
    return frame


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
def test_people_are_refused_and_so_is_a_group_below_the_floor(name):
    draw, frame = DRAWN[name]
    with pytest.raises(ValueError, match="groups, never people"):
        draw(frame.assign(person_id="p1"))
    with pytest.raises(ValueError, match="not below 5"):
        draw(frame, min_group=4)


@pytest.mark.parametrize("name", DRAWN)
def test_arguments_stay_as_they_were_and_long_labels_fit(name):
    draw, frame = DRAWN[name]
    before = frame.copy(deep=True)
    picture = draw(frame.replace(LONG))
    assert name not in PLOTS or overlaps(plot(picture)) == []
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("name", ["curves", "matrix", "grid"])
def test_row_order_does_not_matter(name):
    draw, frame = DRAWN[name]
    assert draw(frame.sample(frac=1, random_state=3)) == draw(frame)


def test_every_record_has_its_picture():
    for name in show.kinds():
        assert callable(getattr(curves if hasattr(curves, name) else tables, name))


# --- the gap journey


def bars(picture):
    """How long the bars of a journey are, in percent of the longest."""
    return [float(width) for width in re.findall(r"width:([\d.]+)%", picture.html)]


def test_bars_are_as_long_as_the_gaps_that_got_there():
    picture = tables.journey(STAGES)
    lengths = [100 * gaps / 1024 for gaps in (1024, 570, 420, 335)]
    assert bars(picture) == pytest.approx(lengths, abs=0.05)
    stages = re.findall("<b>(.*?)</b>", picture.html)
    assert stages == ["Detected", "Acknowledged", "Learning", "Closed"]
    assert picture.title == "33 % of gaps went all the way: acknowledged, learning, closed"


def test_journey_says_counts_shares_and_where_the_others_went():
    picture = tables.journey(STAGES)
    for words in (
        f"1{THIN}024 gaps of 611 people",
        "570 gaps of 402 people (56 %)",
        "150 went no further: 150 still open",
        "454 went no further: 350 still open, 104 otherwise",
    ):
        assert words in str(picture)


def test_a_small_way_stands_together_with_the_next_larger_one():
    words = str(tables.journey(STAGES))
    assert "closed without learning" not in words
    assert "44" not in words.replace("454", "")
    assert "60 left" not in words


@pytest.mark.parametrize("values", [{"people": 9}, {"managers": 2}, {"people": 296}, {"gaps": 416}])
def test_a_stage_on_or_beside_too_few_is_hidden_and_so_is_what_tells_it(values):
    """Too few people or managers; or fewer than 10 people, or gaps, less than the stage before."""
    picture = tables.journey(edited(STAGES, "closed", "all", **values))
    assert bars(picture)[-1] == 0
    assert picture.title == "How far gaps came"
    assert str(picture).splitlines()[-3:] == [
        "Learning 420 gaps of 300 people (41 %)",
        "went no further: hidden",
        "Closed hidden",
    ]
    assert "335" not in picture.html


def test_a_stage_is_hidden_where_those_who_went_no_further_are_few():
    few = edited(STAGES, "learning", "still open", people=3)
    assert str(tables.journey(few)).endswith("went no further: hidden\nClosed hidden")
    last = few[few.stage != "closed"]
    assert str(tables.journey(last)).endswith(
        "420 gaps of 300 people (41 %)\nwent no further: hidden"
    )


def test_a_hidden_start_gives_no_share_away():
    picture = tables.journey(STAGES[STAGES.stage != "detected"].assign(people=9))
    assert str(picture).splitlines() == [
        "How far gaps came",
        "Acknowledged hidden",
        "went no further: hidden",
        "Learning hidden",
        "went no further: hidden",
        "Closed hidden",
    ]


def test_journey_draws_what_gaps_counts():
    found = pd.DataFrame(
        {
            "person_id": [f"p{i}" for i in range(60)],
            "manager_id": [f"m{i % 5}" for i in range(60)],
            "acknowledged_before": [i < 40 for i in range(60)],
            "acknowledged_on": ["2024-01-01" if i < 40 else None for i in range(60)],
            "learning_started_on": [None] * 60,
            "status": "open",
        }
    )
    assert str(tables.journey(gaps.stages(found))).splitlines() == [
        "How far gaps came",
        "Detected 60 gaps of 60 people",
        "20 went no further: 20 still open",
        "Acknowledged 40 gaps of 40 people (67 %)",
        "40 went no further: 40 still open",
    ]


# --- curves


def test_curves_have_their_values_bands_and_direct_labels():
    figure = plot(curves.curves(CURVES))
    above, below = figure.axes
    steps = [line for line in above.lines if len(line.get_xdata()) > 2]
    assert steps[1].get_ydata()[-1] == 48
    assert above.collections[1].get_paths()[0].get_extents().y1 == pytest.approx(
        57.5
    )  # 57.6, in steps of 0.5
    assert max(line.get_ydata()[-1] for line in below.lines if len(line.get_xdata()) > 2) == 6
    assert "all gaps: 48 % by month 12" in texts(figure)
    assert above.get_legend() is None
    assert len({line.get_linestyle() for line in steps}) == 2


def test_a_curve_ends_where_too_few_are_left():
    picture = curves.curves(CURVES)
    line = next(line for line in plot(picture).axes[0].lines if len(line.get_xdata()) > 2)
    assert line.get_xdata()[-1] == 7  # 489 - 60 * 8 are 9 people
    assert "acknowledged before they were found: 35 % by month 7" in texts(plot(picture))
    assert "40 % closed" not in str(picture)


def test_few_managers_end_a_curve_and_a_gap_in_it_is_not_jumped():
    rows = CURVES[CURVES.group == "all gaps"].assign(managers=[20, 20, 20, 2, *[20] * 9])
    assert "by month 2, 8.0 % closed" in str(curves.curves(rows))


def test_a_group_that_starts_too_small_is_named_and_not_drawn():
    picture = curves.curves(
        CURVES.assign(people=CURVES.people.where(CURVES.group == "all gaps", 9))
    )
    assert str(picture).endswith(
        "acknowledged before they were found: hidden, too few people in it or beside it"
    )
    assert len([line for line in plot(picture).axes[0].lines if len(line.get_xdata()) > 2]) == 1
    assert "no curve to draw" in str(curves.curves(CURVES.assign(people=9)))


def test_curves_in_words():
    assert str(curves.curves(CURVES)).split("\n")[1].split(". ")[1] == (
        "all gaps: by month 7, 28 % closed (22.5 to 33.5 %) and 3.5 % left first; by month "
        "12, 48 % closed"
        " (38.5 to 57.5 %) and 6.0 % left first."
    )


# --- the spread over managers


def test_spread_draws_the_distribution_and_no_manager():
    (ax,) = plot(curves.spread_over_managers(SPREAD, unit="percentage points")).axes
    zero, curve, mean, eight, half = ax.lines
    assert curve.get_xdata()[np.argmax(curve.get_ydata())] == pytest.approx(-0.2, abs=0.02)
    assert list(mean.get_xdata()) == [-0.2, -0.2]
    assert (list(eight.get_xdata()), list(half.get_xdata())) == ([-0.6, 0.2], [-0.4, 0.1])
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert [band.x0, band.x1] == pytest.approx([-0.1, 0.1])
    assert all(line.get_marker() == "None" for line in ax.lines)


def test_spread_says_so_and_counts_managers_roughly():
    picture = curves.spread_over_managers(SPREAD, unit="percentage points", title=FINDING)
    for words in (
        "Mean of 163 managers (upright line): −0.20 pp (−0.27 to −0.13 pp)",
        "0.40 pp (0.30 to 0.50 pp)",
        "Half of them (thick line): −0.40 to 0.10 pp",
        "Managers clearly below −0.10 pp: at least 40",
        "too small to matter: within ±0.10 pp",
    ):
        assert words in str(picture)
    assert "47" not in str(picture)


def managers(**values):
    return curves.spread_over_managers(replace(SPREAD, **values), unit="percentage points")


@pytest.mark.parametrize(("n_below", "words"), [(9, "fewer than 10"), (0, "none")])
def test_few_managers_beyond_doubt_are_not_counted(n_below, words):
    assert f"below −0.10 pp: {words}\n" in str(managers(n_below=n_below))


def test_quantiles_need_enough_managers_beyond_them():
    words = str(managers(n_managers=99))
    assert "Half of them" in words
    assert "Eight in ten" not in words
    assert "Half of them" not in str(managers(n_managers=39))


def test_without_differences_there_is_no_curve():
    picture = managers(sd=0.0, n_managers=30)
    assert not plot(picture).axes[0].collections
    assert str(picture).startswith(
        "Managers do not differ beyond chance\nNo difference between managers found beyond chance.\n"
    )
    assert "of them (" not in str(picture)


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
    assert lines(tables.matrix(MATRIX.assign(people=40, managers=9)))[2:] == [
        ["Rating", "0.5", "1.5"],
        ["2", "+0.20", "+8.40"],
        ["1", "−0.40", "+6.40"],
    ]


def test_matrix_hides_too_few_people_and_managers_and_says_nobody():
    picture = tables.matrix(
        pd.concat([MATRIX, pd.DataFrame([(3, 2.5, 50, 9, 2.5, 0.0, 0.1)], columns=MATRIX.columns)])
    )
    assert lines(picture)[2:] == [
        ["Rating", "0.5", "1.5", "2.5"],
        ["3", "", "", "0.00"],
        ["2", "+0.20", "hidden", ""],
        ["1", "−0.40", "hidden", ""],
        ["Empty: nobody. Hidden: fewer than 10 people or 3 managers, or people too much alike."],
    ]
    assert tints(picture)[0] == [""] * 3 and tints(picture)[1][1:] == [""] * 2
    for value in ("8.4", "6.4", "9.9", "7.9"):
        assert value not in picture.html


def test_a_hidden_cell_does_not_set_the_shade_of_the_others():
    (near, _), (far, _) = tints(tables.matrix(MATRIX))
    assert light(far) < light(near) < light("")
    amber = [int(tables.AMBER[place : place + 2], 16) for place in (1, 3, 5)]
    assert light(far) == pytest.approx(sum(0.5 * 255 + 0.5 * part for part in amber), abs=3)


def test_matrix_without_targets_says_so():
    assert "no merit with a target" in str(tables.matrix(MATRIX.assign(target=np.nan)))


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
        ["Corporate 1", "few", "–", "few"],  # beside Risk 1 it would tell it
        ["Retail 1", "3.0", "–", "few"],
        ["Risk 1", "few", "–", "few"],
        ["–: not measured. few: answers of fewer than 10 people, or what would tell them."],
    ]
    first, _, third, _ = tints(picture)
    assert light(first[0]) < light(third[0])  # darker is higher
    assert re.findall(r'colgroup" colspan="(\d)"', picture.html) == ["2", "1"]


def test_grid_of_25_units_is_small():
    units = [f"Wealth management and advisory {place}" for place in range(25)]
    names = [
        f"{driver}: {domain}" for driver in drivers.DRIVERS.values() for domain in drivers.DOMAINS
    ]
    frame = pd.DataFrame({"unit": units, "people": 40} | dict.fromkeys(names, "too few answers"))
    assert str(tables.grid(frame)).count("few") == 25 * len(names) + 2
    scores = np.random.default_rng(1).uniform(1, 5, (15, len(names)))
    frame = pd.DataFrame(scores, columns=names).assign(unit=units[:15], people=40)
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
    assert "33.3" not in picture.html


def test_network_knows_negative_facts_and_those_not_known():
    below = NETWORK[:3].assign(recorded=-0.3, middle=-0.3, low=-0.6, high=0.1, digits=2)
    picture = tables.network(below)
    ((square, _),) = ranges(picture)
    assert square == pytest.approx(0.25, abs=0.001)
    assert lines(picture)[3][2:] == ["−0.3", "−0.6 to 0.1"]
    unknown = NETWORK.assign(recorded=NETWORK.recorded.where(NETWORK.fact != "asks going up (%)"))
    assert "sks going up" not in str(tables.network(unknown))


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
        replace(FACT, at="few", n_people=9, estimate=12.34),
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
PICTURES = {name: draw(frame) for name, (draw, frame) in DRAWN.items()}
PICTURES["spread_over_managers"] = curves.spread_over_managers(SPREAD, unit="percentage points")


def again(record):
    """The picture of a record that was written to a file and read."""
    return show.draw(json.loads(json.dumps(record, allow_nan=False)))


def figures(record):
    """Every number that a record holds, and every one that stands in its words."""
    found = re.findall(r"\d+(?:\.\d+)?", json.dumps(record["rows"]).replace("\\u202f", ""))
    return {float(number) for number in found}


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


# --- a record holds nothing that is hidden


def test_a_record_has_people_to_a_multiple_and_no_managers():
    rows = tables.matrix(MATRIX.assign(people=[49, 40, 9, 40])).record["rows"]
    assert [(row["people"], row["shown"]) for row in rows] == [
        (40, True),
        (None, False),
        (40, True),
        (None, False),
    ]
    assert [row["gap"] for row in rows if not row["shown"]] == [None, None]
    assert not any(
        "managers" in row for record in PICTURES.values() for row in record.record["rows"]
    )


def test_a_record_of_the_journey_holds_the_counts_that_are_shown_and_no_other():
    rows = tables.journey(edited(STAGES, "closed", "all", people=296)).record["rows"]
    assert rows[0] == {
        "stage": "detected",
        "gaps": 1024,
        "people": 611,
        "stopped": 454,
        "ways": [[350, "still open"], [104, "otherwise"]],
    }
    assert rows[2] == {"stage": "learning", "gaps": 420, "people": 300, "stopped": None, "ways": []}
    assert rows[3] == {"stage": "closed", "gaps": None, "people": None, "stopped": 0, "ways": []}
    assert not {335, 296, 85, 44, 60} & figures({"rows": rows})


def test_a_record_is_no_more_exact_than_what_is_shown():
    (first, *_) = tables.grid(GRID.assign(people=40).replace(3.5, 3.54321)).record["rows"]
    assert first == {"unit": "all units", "people": 40, "cells": [3.5, "not measured", 3.2]}
    (cell, *_) = tables.matrix(MATRIX[:1].assign(gap=-0.4123)).record["rows"]
    assert cell["gap"] == -0.4  # 0.1 SD over 40 people: of ten of them 0.025, so steps of 0.05
    (curve, *_) = curves.curves(CURVES.assign(closed=12.3456, people_closed=40)).record["rows"]
    assert set(curve["closed"]) == {
        10
    }  # acknowledged before: ten of 489 people are 2 %, so steps of 5 %


def test_curves_start_and_rise_where_ten_more_people_stand_behind_them():
    rows = CURVES[CURVES.group == "all gaps"].assign(
        people_closed=[0, 5, 9, 10, 11, 19, 20, 21, 25, 29, 30, 30, 30],
        people_left=[0, 1, *[9] * 11],
    )
    picture = curves.curves(rows)
    (line,) = picture.record["rows"]
    assert line["closed"] == [None] * 3 + [12] * 3 + [24] * 4 + [40] * 3
    assert line["left"] == line["left_high"] == [None] * 13
    assert str(picture).count("left first: hidden") == 2 and "hidden" in texts(plot(picture))
    assert again(picture.record).html == picture.html
    assert "no curve to draw" in str(curves.curves(rows.assign(people_closed=9)))


@pytest.mark.property
@settings(max_examples=40, deadline=None)
@given(
    st.integers(10, 3_000),
    st.sampled_from([5, 10, 20]),
    st.lists(st.integers(0, 30), min_size=12, max_size=12),
    st.integers(0, 100),
)
def test_no_percentage_of_a_curve_or_network_tells_fewer_than_a_group(
    people, min_group, events, share
):
    """Told percentages differ by `min_group` of the people or more, and each rise stands on so
    many.
    """
    had = np.minimum(np.cumsum([0, *events]), people)
    percent = 100 * had / people
    frame = pd.DataFrame(
        {
            "group": "all gaps",
            "month": MONTHS,
            "people": np.maximum(people - had, min_group),
            "managers": 9,
            "people_closed": had,
            "people_left": had,
        }
    )
    frame = frame.assign(**dict.fromkeys(curves.COURSE, percent)).assign(
        people=lambda rows: rows.people.where(rows.month > 0, max(people, min_group))
    )
    least = 100 * min_group / max(people, min_group) - 1e-6
    moved = NETWORK[:3].assign(
        people=people, recorded=share, middle=share / 2, low=share / 3, high=share
    )
    for picture in (
        curves.curves(frame, min_group=min_group),
        tables.network(moved, min_group=min_group),
    ):
        for row in picture.record["rows"] if picture.record else ():
            lines = (
                [row[key] for key in curves.COURSE]
                if "closed" in row
                else [[row[key] for key in tables.MOVED]]
            )
            for line in lines:
                values = [value for value in line if value is not None]
                apart = np.diff(sorted({*values, 0.0}))
                assert (apart >= least).all()
                rises = [
                    had[place]
                    for place, value in enumerate(line)
                    if value not in (None, *line[:place])
                ]
                assert "fact" in row or (np.diff([0, *rises]) >= min_group).all()
            assert row.get("shown") is not True or 0 < row["recorded"] < 100


@pytest.mark.parametrize("values", [{"people_smaller": 9}, {"recorded": 0.9}, {"recorded": 99.2}])
def test_a_share_of_asks_on_few_or_on_all_is_hidden(values):
    told = lines(tables.network(NETWORK[:3].assign(**values)))[3]
    assert told == ["Asks going up (%)", "", "hidden", "hidden"]


def test_a_cell_in_which_all_are_alike_is_hidden():
    rows = tables.matrix(MATRIX[:2].assign(gap=[0.0, 0.123], spread=[0.0, 1.0])).record["rows"]
    assert {row["rating"]: (row["gap"], row["shown"]) for row in rows} == {
        1: (None, False),
        2: (0.0, True),
    }


HIDDEN = st.tuples(st.sampled_from([1, 5, 9, 10, 11, 40]), st.sampled_from([1, 2, 3, 9]))


@pytest.mark.property
@settings(max_examples=25, deadline=None)
@given(st.lists(HIDDEN, min_size=4, max_size=4), st.sampled_from([5, 10]))
def test_no_figure_on_too_few_is_anywhere_in_a_record(sizes, min_group):
    people, managers = (list(column) for column in zip(*sizes, strict=True))
    told = [7001.0, 7002.0, 7003.0, 7004.0]
    few = {
        value for value, n, m in zip(told, people, managers, strict=True) if n < min_group or m < 3
    }
    frames = (
        tables.matrix(
            MATRIX.assign(people=people, managers=managers, gap=told), min_group=min_group
        ),
        tables.network(
            NETWORK[:4].assign(people=people, managers=managers, recorded=told, digits=4),
            min_group=min_group,
        ),
    )
    for picture in frames:
        assert set(told) & figures(picture.record) == set(told) - few


@pytest.mark.property
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([3, 9, 10, 25, 60]), st.floats(1, 5)), min_size=2, max_size=6
    )
)
def test_a_hidden_unit_cannot_be_had_from_all_units(units):
    """Beside the mean of all units, the hidden scores are none, or several of ten people or more
    together.
    """
    people, scores = [n for n, _ in units], [score for _, score in units]
    frame = pd.DataFrame(
        {
            "unit": [f"unit {place}" for place in range(len(units))] + ["all units"],
            "people": [*people, np.nan],
            "measures: leading": [*scores, np.mean(scores)],
        }
    )
    total, *cells = tables.grid(frame).record["rows"]
    hidden = [n for n, row in zip(people, cells, strict=True) if row["cells"] == ["too few"]]
    assert all(n in hidden for n in people if n < 10)
    assert not hidden or total["cells"] == ["too few"] or (len(hidden) > 1 and sum(hidden) >= 10)


def test_all_units_are_hidden_where_nothing_else_could_hide_a_unit():
    frame = GRID[["unit", "people", "resources: leading"]].iloc[[2, 3]]
    assert [row["cells"] for row in tables.grid(frame).record["rows"]] == [["too few"], ["too few"]]
    assert gate.beside_total([False, False], [40, 30], 10) == ([False, False], False)


def test_the_curve_of_all_gaps_ends_where_one_part_alone_has_ended():
    rest = CURVES[CURVES.group == "all gaps"].assign(
        group="not acknowledged before they were found"
    )
    months = {
        row["group"]: row["month"][-1]
        for row in curves.curves(pd.concat([CURVES, rest])).record["rows"]
    }
    assert months == {
        "acknowledged before they were found": 7,
        "all gaps": 7,
        "not acknowledged before they were found": 12,
    }
    both = pd.concat([CURVES, rest]).assign(
        people=lambda rows: rows.people.where(rows.group == "all gaps", 9)
    )
    assert [row["group"] for row in curves.curves(both).record["rows"]] == ["all gaps"]


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

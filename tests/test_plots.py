"""What the pictures of groups draw: positions and words read from the axes, and nothing on too few people."""

from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from learnalign import charts, drivers, gaps, networks, pictures, plots, strips
from learnalign.pooling import Spread
from learnalign.records import Result

THIN = "\u202f"
FINDING = "A finding that is long enough to need a second line, as findings with their numbers in them often do."
STAGES = pd.DataFrame(
    [
        ("detected", "all", 1024, 611, 80), ("detected", "still open", 350, 250, 70), ("detected", "left", 60, 41, 30),
        ("detected", "closed without learning", 44, 4, 4), ("acknowledged", "all", 570, 402, 80),
        ("acknowledged", "still open", 150, 99, 40), ("learning", "all", 420, 300, 70),
        ("learning", "still open", 85, 70, 40), ("closed", "all", 335, 240, 66),
    ],
    columns=["stage", "then", "gaps", "people", "managers"],
)  # fmt: skip
MONTHS = np.arange(13)
CURVES = pd.concat(
    pd.DataFrame({
        "group": name, "month": MONTHS, "closed": slope * MONTHS, "low": 0.8 * slope * MONTHS,
        "high": 1.2 * slope * MONTHS, "left": 0.5 * MONTHS, "left_low": 0.4 * MONTHS, "left_high": 0.7 * MONTHS,
        "people": people - 5 * MONTHS, "managers": 20,
    })
    for name, slope, people in (("all gaps", 4.0, 200), ("acknowledged before they were found", 5.0, 49))
)  # fmt: skip
SPREAD = Spread(
    mean=-0.2, mean_low=-0.27, mean_high=-0.13, sd=0.4, sd_low=0.3, sd_high=0.5,
    quantiles=((0.1, -0.6), (0.25, -0.4), (0.5, -0.2), (0.75, 0.1), (0.9, 0.2)), n_below=47, share_below=0.29,
    n_managers=163, smallest=0.1, level=0.95,
)  # fmt: skip
MATRIX = pd.DataFrame(
    [(1, 0.5, 40, 9, 0.1, -0.4), (2, 0.5, 40, 9, 0.7, 0.2), (2, 1.5, 9, 9, 9.9, 8.4), (1, 1.5, 40, 2, 7.9, 6.4)],
    columns=["rating", "target", "people", "managers", "merit", "gap"],
)
GRID = pd.DataFrame({
    "unit": ["Retail 1", "Corporate 1", "Risk 1", "all units"], "people": [40, 30, 9, np.nan],
    "vision and roles: leading": [3.0, 4.0, 1.23, 3.5],
    "vision and roles: culture": ["not measured"] * 4,
    "resources: leading": [3.2, "too few answers", 1.32, 3.2],
})  # fmt: skip
NETWORK = pd.DataFrame(
    [("asks going up (%)", 500, share, 40.0, 39.0, 40.0 - share, 40.0) for share in (10, 20, 30)]
    + [("pairs of people with a tie (%)", 500, share, 0.02, 0.015, 0.01, 0.018) for share in (10, 20, 30)]
    + [("asks going down (%)", 9, share, 33.3, 33.3, 33.3, 33.3) for share in (10, 20, 30)],
    columns=["fact", "people", "missing_pct", "recorded", "middle", "low", "high"],
)
FACT = Result(
    question="Q6", measure="gap_facts", headline=False, group="company", at="gaps acknowledged", estimate=47.2,
    low=44.0, high=50.0, level=0.95, unit="%", n_people=611, n_clusters=80, method="share, clustered by manager",
    design="described", verdict="described", sentence="47 % of gaps were acknowledged.", checks=(),
    smallest_effect=None, detectable_effect=None, to_settle="", shown=True, note="",
)  # fmt: skip
LONG = {
    "acknowledged": "acknowledged in whatever channel was recorded",
    "all gaps": "all gaps of all the people here, whoever found them",
    "Retail 1": "Retail and wealth management, north and west",
    "asks going up (%)": "asks that go up to somebody of a higher grade (%)",
}
DRAWN = {
    "journey": (plots.journey, STAGES), "curves": (plots.curves, CURVES), "matrix": (plots.matrix, MATRIX),
    "grid": (plots.grid, GRID), "network": (plots.network, NETWORK),
}  # fmt: skip


def texts(figure):
    """Every word in a figure."""
    figure.canvas.draw()
    found = [text for ax in figure.axes for text in (*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels())]
    found += [text for ax in figure.axes for text in (ax.title, ax.xaxis.label, ax.yaxis.label)]
    found += [ax.get_title(loc="left") for ax in figure.axes]
    found += [label for ax in figure.axes for child in ax.child_axes for label in child.get_xticklabels()]
    words = [text if isinstance(text, str) else text.get_text() for text in found]
    return "\n".join([figure.get_suptitle(), *words]).replace("\n", " ")


def edited(frame, stage, then, **values):
    frame = frame.copy()
    frame.loc[(frame.stage == stage) & (frame.then == then), list(values)] = list(values.values())
    return frame


def overlaps(figure):
    """Pairs of texts inside the panels that touch, and texts that reach over the edge of the picture."""
    with matplotlib.rc_context(pictures.STYLE):
        figure.draw_without_rendering()
    found = [text for ax in figure.axes for text in ax.texts if text.get_text()]
    found += [
        label for ax in figure.axes for place, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
        if min(ax.get_ylim()) <= place <= max(ax.get_ylim())
    ]  # fmt: skip
    boxes = [(text.get_text(), text.get_window_extent()) for text in found]
    whole = figure.bbox.padded(1)
    touching = [
        (a, b) for place, (a, one) in enumerate(boxes) for b, two in boxes[place + 1 :]
        if one.padded(-1).overlaps(two.padded(-1))
    ]  # fmt: skip
    return touching + [text for text, box in boxes if not (whole.x0 <= box.x0 and box.x1 <= whole.x1)]


# --- what holds for all ------------------------------------------------------------------


@pytest.mark.parametrize("name", DRAWN)
def test_finding_is_the_title_and_starts_the_alt_text(name):
    draw, frame = DRAWN[name]
    picture = draw(frame, title=FINDING)
    assert picture.figure.get_suptitle().replace("\n", " ") == FINDING
    assert picture.alt.startswith(FINDING)
    assert "nan" not in picture.alt
    assert picture.svg == draw(frame, title=FINDING).svg
    assert draw(frame).figure.get_suptitle() == ""


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_at_all_says_so(name):
    draw, frame = DRAWN[name]
    block = draw(frame.iloc[:0])
    assert isinstance(block, charts.Block)
    assert str(block).endswith(".")


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
    assert overlaps(draw(frame.replace(LONG)).figure) == []
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("name", ["curves", "matrix", "grid"])
def test_row_order_does_not_matter(name):
    draw, frame = DRAWN[name]
    assert draw(frame.sample(frac=1, random_state=3)).svg == draw(frame).svg


def test_charts_offers_every_picture():
    for name in ("journey", "curves", "matrix", "grid", "network", "spread_over_managers"):
        assert getattr(charts, name) is getattr(plots, name)
        assert name in charts.__all__
    assert charts.Picture is pictures.Picture


# --- the gap journey ---------------------------------------------------------------------


def test_bars_are_as_long_as_the_gaps_that_got_there():
    (ax,) = plots.journey(STAGES).figure.axes
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([1, 570 / 1024, 420 / 1024, 335 / 1024])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Detected", "Acknowledged", "Learning", "Closed"]


def test_journey_says_counts_shares_and_where_the_others_went():
    picture = plots.journey(STAGES)
    for words in (f"1{THIN}024 gaps of 611 people", "570 gaps of 402 people (56 %)",
                  "150 went no further: 150 still open",
                  "454 went no further: 350 still open, 104 otherwise"):  # fmt: skip
        assert words in texts(picture.figure)
        assert words in picture.alt


def test_a_small_way_stands_together_with_the_next_larger_one():
    words = plots.journey(STAGES).alt
    assert "closed without learning" not in words
    assert "44" not in words.replace("454", "")
    assert "60 left" not in words


@pytest.mark.parametrize("values", [{"people": 9}, {"managers": 2}, {"people": 296}, {"gaps": 416}])
def test_a_stage_on_or_beside_too_few_is_hidden_and_so_is_what_tells_it(values):
    """Too few people or managers; or fewer than 10 people, or gaps, less than the stage before."""
    picture = plots.journey(edited(STAGES, "closed", "all", **values))
    assert picture.figure.axes[0].patches[-1].get_width() == 0
    assert picture.alt.endswith("learning: 420 gaps of 300 people (41 %); went no further: hidden. closed: hidden.")
    assert "335" not in texts(picture.figure)


def test_a_stage_is_hidden_where_those_who_went_no_further_are_few():
    few = edited(STAGES, "learning", "still open", people=3)
    assert plots.journey(few).alt.endswith("went no further: hidden. closed: hidden.")
    last = few[few.stage != "closed"]
    assert plots.journey(last).alt.endswith("420 gaps of 300 people (41 %); went no further: hidden.")


def test_a_hidden_start_gives_no_share_away():
    picture = plots.journey(STAGES[STAGES.stage != "detected"].assign(people=9))
    assert picture.alt == (
        "acknowledged: hidden; went no further: hidden. learning: hidden; went no further: hidden. closed: hidden."
    )


def test_journey_draws_what_gaps_counts():
    found = pd.DataFrame({
        "person_id": [f"p{i}" for i in range(60)], "manager_id": [f"m{i % 5}" for i in range(60)],
        "acknowledged_before": [i < 40 for i in range(60)],
        "acknowledged_on": ["2024-01-01" if i < 40 else None for i in range(60)],
        "learning_started_on": [None] * 60, "status": "open",
    })  # fmt: skip
    assert plots.journey(gaps.stages(found)).alt == (
        "detected: 60 gaps of 60 people; 20 went no further: 20 still open. "
        "acknowledged: 40 gaps of 40 people (67 %); 40 went no further: 40 still open."
    )


# --- curves ------------------------------------------------------------------------------


def test_curves_have_their_values_bands_and_direct_labels():
    figure = plots.curves(CURVES).figure
    above, below = figure.axes
    steps = [line for line in above.lines if len(line.get_xdata()) > 2]
    assert steps[1].get_ydata()[-1] == 48
    assert above.collections[1].get_paths()[0].get_extents().y1 == pytest.approx(1.2 * 48)
    assert max(line.get_ydata()[-1] for line in below.lines if len(line.get_xdata()) > 2) == 6
    assert "all gaps: 48 % by month 12" in texts(figure)
    assert above.get_legend() is None
    assert len({line.get_linestyle() for line in steps}) == 2


def test_a_curve_ends_where_too_few_are_left():
    picture = plots.curves(CURVES)
    line = next(line for line in picture.figure.axes[0].lines if len(line.get_xdata()) > 2)
    assert line.get_xdata()[-1] == 7  # 49 - 5 * 8 are 9 people
    assert "acknowledged before they were found: 35 % by month 7" in texts(picture.figure)
    assert "40 % closed" not in picture.alt


def test_few_managers_end_a_curve_and_a_gap_in_it_is_not_jumped():
    rows = CURVES[CURVES.group == "all gaps"].assign(managers=[20, 20, 20, 2, *[20] * 9])
    assert "by month 2, 8.0 % closed" in plots.curves(rows).alt


def test_a_group_that_starts_too_small_is_named_and_not_drawn():
    picture = plots.curves(CURVES.assign(people=CURVES.people.where(CURVES.group == "all gaps", 9)))
    assert "acknowledged before they were found: hidden, too few people" in texts(picture.figure)
    assert picture.alt.endswith("acknowledged before they were found: hidden, too few people.")
    assert len([line for line in picture.figure.axes[0].lines if len(line.get_xdata()) > 2]) == 1
    assert "no curve to draw" in str(plots.curves(CURVES.assign(people=9)))


def test_curves_in_words():
    assert plots.curves(CURVES).alt.split(". ")[1] == (
        "all gaps: by month 6, 24 % closed (19.2 to 28.8 %) and 3.0 % left first; by month 12, 48 % closed"
        " (38.4 to 57.6 %) and 6.0 % left first"
    )


# --- the spread over managers ------------------------------------------------------------


def test_spread_draws_the_distribution_and_no_manager():
    (ax,) = plots.spread_over_managers(SPREAD, unit="percentage points").figure.axes
    zero, curve, mean, eight, half = ax.lines
    assert curve.get_xdata()[np.argmax(curve.get_ydata())] == pytest.approx(-0.2, abs=0.02)
    assert list(mean.get_xdata()) == [-0.2, -0.2]
    assert (list(eight.get_xdata()), list(half.get_xdata())) == ([-0.6, 0.2], [-0.4, 0.1])
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert [band.x0, band.x1] == pytest.approx([-0.1, 0.1])
    assert all(line.get_marker() == "None" for line in ax.lines)


def test_spread_says_so_and_counts_managers_roughly():
    picture = plots.spread_over_managers(SPREAD, unit="percentage points", title=FINDING)
    for words in ("Mean of 163 managers (upright line): −0.20 pp (−0.27 to −0.13 pp)", "0.40 pp (0.30 to 0.50 pp)",
                  "Half of them (thick line): −0.40 to 0.10 pp", "Managers clearly below −0.10 pp: at least 40",
                  "too small to matter: within ±0.10 pp"):  # fmt: skip
        assert words in texts(picture.figure)
        assert words in picture.alt
    assert "47" not in picture.alt


@pytest.mark.parametrize(("n_below", "words"), [(9, "fewer than 10"), (0, "none")])
def test_few_managers_beyond_doubt_are_not_counted(n_below, words):
    assert (
        f"below −0.10 pp: {words}."
        in plots.spread_over_managers(replace(SPREAD, n_below=n_below), unit="percentage points").alt
    )


def test_quantiles_need_enough_managers_beyond_them():
    words = plots.spread_over_managers(replace(SPREAD, n_managers=99), unit="percentage points").alt
    assert "Half of them" in words
    assert "Eight in ten" not in words
    assert (
        "Half of them" not in plots.spread_over_managers(replace(SPREAD, n_managers=39), unit="percentage points").alt
    )


def test_without_differences_there_is_no_curve():
    picture = plots.spread_over_managers(replace(SPREAD, sd=0.0, n_managers=30), unit="percentage points")
    assert not picture.figure.axes[0].collections
    assert picture.alt.startswith("No difference between managers found beyond chance.")


# --- cells -------------------------------------------------------------------------------


def cells(figure):
    """Words, and the patch they stand on, by place from the top left."""
    ax = figure.axes[0]
    boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    return {box.get_xy()[::-1]: (text.get_text(), box) for box, text in zip(boxes, ax.texts, strict=True)}


def test_matrix_has_a_cell_per_rating_and_target_the_best_rating_on_top():
    found = cells(plots.matrix(MATRIX.assign(people=40, managers=9)).figure)
    words = {place: text for place, (text, _) in found.items()}
    assert words == {(0, 0): "+0.20", (0, 1): "+8.4".ljust(5, "0"), (1, 0): "−0.40", (1, 1): "+6.40"}
    assert "rating" in texts(plots.matrix(MATRIX).figure)


def test_matrix_hides_too_few_people_and_managers_and_says_nobody():
    picture = plots.matrix(pd.concat([MATRIX, pd.DataFrame([(3, 2.5, 50, 9, 2.5, 0.0)], columns=MATRIX.columns)]))
    found = cells(picture.figure)
    assert [found[place][0] for place in ((1, 1), (2, 1), (0, 0), (0, 2))] == ["hidden", "hidden", "nobody", "0.00"]
    assert found[1, 1][1].get_hatch()
    assert not found[0, 0][1].get_hatch()
    assert "rating 2, target 1.5 %: hidden" in picture.alt
    for value in ("8.4", "6.4", "9.9", "7.9"):
        assert value not in picture.alt + texts(picture.figure)


def test_a_hidden_cell_does_not_set_the_shade_of_the_others():
    (_, far), (_, near) = (cells(plots.matrix(MATRIX).figure)[place] for place in ((1, 0), (0, 0)))
    assert sum(far.get_facecolor()[:3]) < sum(near.get_facecolor()[:3]) < 3
    assert far.get_facecolor()[:3] == pytest.approx(0.5 + 0.5 * np.array(to_rgb(plots.AMBER)))


def test_matrix_without_targets_says_so():
    assert "no merit with a target" in str(plots.matrix(MATRIX.assign(target=np.nan)))


def test_grid_has_all_units_first_and_says_what_is_not_there():
    figure = plots.grid(GRID).figure
    found = cells(figure)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "all units", "Corporate 1", "Retail 1", "Risk 1",
    ]  # fmt: skip
    assert [found[0, x][0] for x in range(3)] == ["3.5", "", "3.2"]
    assert [found[1, x][0] for x in range(3)] == ["4.0", "", "too few"]
    assert [found[3, x][0] for x in range(3)] == ["too few", "", "too few"]
    assert found[0, 1][1].get_hatch()
    assert not found[1, 2][1].get_hatch()
    assert sum(found[1, 0][1].get_facecolor()) < sum(found[2, 0][1].get_facecolor())  # darker is higher
    for words in ("leading", "vision and roles", "Hatched: not measured", "fewer than 10 people"):
        assert words in texts(figure)


def test_grid_in_words():
    assert plots.grid(GRID).alt == (
        "vision and roles: leading: 3.5, 2 units from 3.0 to 4.0, 1 too few. vision and roles: culture: not measured,"
        " 3 not measured. resources: leading: 3.2, 1 unit from 3.2 to 3.2, 2 too few."
    )


def test_grid_of_25_units_is_readable():
    units = [f"Wealth management and advisory {place}" for place in range(25)]
    names = [f"{driver}: {domain}" for driver in drivers.DRIVERS.values() for domain in drivers.DOMAINS]
    frame = pd.DataFrame({"unit": units, "people": 40} | dict.fromkeys(names, "too few answers"))
    figure = plots.grid(frame).figure
    assert overlaps(figure) == []
    assert "too few" in texts(figure)


# --- networks ----------------------------------------------------------------------------


def test_network_draws_each_fact_on_a_scale_of_its_own():
    (ax,) = plots.network(NETWORK).figure.axes
    squares = [line for line in ax.lines if line.get_marker() == "s"]
    assert [square.get_xdata()[0] for square in squares] == [1, 1]
    wide = [list(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 2.2]
    assert wide[:3] == [pytest.approx([1 - share / 40, 1]) for share in (10, 20, 30)]


def test_network_says_the_fact_and_its_range_or_that_it_is_hidden():
    picture = plots.network(NETWORK)
    for words in ("40.0; 10.0 to 40.0 with 30 % missing", "0.02; 0.01 to 0.018 with 30 % missing"):
        assert words in texts(picture.figure)
        assert words in picture.alt
    assert "asks going down (%): hidden" in picture.alt
    assert "33.3" not in picture.alt + texts(picture.figure)


def test_network_knows_negative_facts_and_those_not_known():
    below = NETWORK[:3].assign(recorded=-0.3, middle=-0.3, low=-0.6, high=0.1)
    (ax,) = plots.network(below).figure.axes
    (square,) = (line for line in ax.lines if line.get_marker() == "s")
    assert square.get_xdata()[0] == pytest.approx(0.25)
    assert "−0.30; −0.60 to 0.10" in plots.network(below).alt
    assert list(networks.FACTS.values())[2] not in plots.network(NETWORK.assign(
        recorded=NETWORK.recorded.where(NETWORK.fact != "asks going up (%)"))).alt  # fmt: skip


# --- shares ------------------------------------------------------------------------------


def test_shares_have_label_dot_interval_and_number():
    picture = charts.shares([FACT], title=FINDING)
    (ax,) = picture.figure.axes
    _, interval, dot = ax.lines
    assert list(interval.get_xdata()) == [44, 50]
    assert (dot.get_xdata()[0], dot.get_marker()) == (47.2, strips.LOOKS["described"].mark)
    assert ax.get_xlim() == (0, 100)
    for words in ("gap facts, gaps acknowledged", "47.2 % (44.0 to 50.0 %)"):
        assert words in texts(picture.figure)
    assert picture.alt == f"{FINDING} {FACT.sentence} Estimate 47.2 %, 95% interval 44.0 to 50.0 %."


def test_shares_of_one_measure_stand_under_its_name_in_the_order_given():
    rows = [FACT, replace(FACT, measure="asking", at=""), replace(FACT, group="age_band=40 to 49", at=""),
            replace(FACT, at="gaps acknowledged before the day on which they were found by an assessment")]  # fmt: skip
    (ax,) = charts.shares(rows).figure.axes
    labels = [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()]
    assert labels == ["Gap facts", "gaps acknowledged", "age band: 40 to 49", rows[3].at, "asking"]
    assert overlaps(ax.figure) == []


def test_shares_hide_small_groups_and_draw_every_unit_apart():
    rows = [FACT, replace(FACT, at="few", n_people=9, estimate=12.34), replace(FACT, at="days", unit="days")]
    picture = charts.shares(rows)
    assert [ax.get_xlabel() for ax in picture.figure.axes] == ["%", "days"]
    assert "not shown, to protect individuals" in texts(picture.figure)
    assert "12.3" not in texts(picture.figure) + picture.alt
    assert picture.figure.axes[1].get_xlim() == pytest.approx((0, 52))
    assert "no result to draw" in str(charts.shares([]))

"""What charts draw: positions and labels read from the axes, words where nothing can be drawn."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from learnalign.report import marks, show
from learnalign.verdicts.result import ATTRITION, Check, Result

THIN = "\u202f"
SVG = "{http://www.w3.org/2000/svg}"
WORDS = {
    "higher": "We know",
    "unknown": "We don’t know",
    "untrusted": "Seen",
    "hidden": "Not shown",
    "none": "None",
}
QUESTIONS = {"Q1": "Do people who learn more get better ratings later?", "Q6": "What closes gaps?"}
ROW = Result(
    question="Q1",
    measure="learning_to_rating",
    headline=True,
    group="company",
    at="",
    estimate=0.2,
    low=0.12,
    high=0.28,
    level=0.95,
    unit="SD",
    n_people=4212,
    n_clusters=163,
    method="manager x cycle",
    design="adjusted",
    verdict="higher",
    sentence="People who learned more were rated 0.20 SD higher.",
    checks=(
        Check("lead test", "passed", "p = 0.4"),
        Check("overlap", "failed", "12% of the weight"),
    ),
    smallest_effect=0.1,
    detectable_effect=0.14,
    to_settle="more cycles",
    shown=True,
    note="hours are recorded",
)
RAW = replace(
    ROW,
    headline=False,
    at="raw",
    verdict="described",
    design="described",
    estimate=0.4,
    low=0.3,
    high=0.5,
)
UNKNOWN = replace(
    ROW,
    verdict="unknown",
    estimate=None,
    low=None,
    high=None,
    n_people=None,
    n_clusters=None,
    checks=(),
)
RATIO = replace(
    ROW,
    question="Q6",
    measure="acknowledging_to_closure",
    unit="hazard ratio",
    estimate=1.5,
    low=1.3,
    high=1.8,
    smallest_effect=1.2,
)
NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}\x00\u202e"


def texts(figure: Figure) -> str:
    """Every word in a figure."""
    figure.canvas.draw()
    found = [
        text.get_text() for ax in figure.axes for text in (*ax.texts, ax.title, ax.xaxis.label)
    ]
    found += [
        label.get_text()
        for ax in figure.axes
        for label in (*ax.get_xticklabels(), *ax.get_yticklabels())
    ]
    title = figure.get_suptitle()
    return "\n".join([title, *found])


def dots(ax):
    return [line for line in ax.lines if line.get_marker() not in ("None", None, "")]


# --- numbers


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.214, "SD", "0.21 SD"),
        (-0.214, "SD", "−0.21 SD"),
        (-0.001, "SD", "0.00 SD"),
        (0.6, "percentage points", "0.60 pp"),
        (1.5, "hazard ratio", "1.50 times"),
        (4212, "", f"4{THIN}212"),
        (1450.4, "EUR", f"1{THIN}450 EUR"),
        (None, "SD", "–"),
        (float("nan"), "SD", "–"),
        (float("inf"), "", "–"),
    ],
)
def test_number(value, unit, words):
    assert show.number(value, unit) == words


def test_spread_says_its_unit_once():
    assert show.spread(-0.85, -0.35, "percentage points") == "−0.85 to −0.35 pp"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        ("", "–"),
        ([], "–"),
        (True, "yes"),
        (0, "0"),
        (-1.5, "−1.5"),
        (2026, "2026"),
        (["a", "b"], "a, b"),
        ({"a": {"b": None}}, "a b –"),
    ],
)
def test_plain(value, words):
    assert show.plain(value) == words


def test_thousands_in_html_are_a_gap_that_is_not_copied():
    html = str(marks.amount(1234567, "rows"))
    assert re.sub(r"<[^>]+>", "", html) == "1234567 rows"
    assert html.count("<i></i>") == 2
    assert (
        re.sub(r"<[^>]+>", "", str(marks.prose("With 4,212 people, 3,14 and <b>")))
        == "With 4212 people, 3,14 and &lt;b&gt;"
    )


# --- the small picture


def parsed(svg):
    return ElementTree.fromstring(str(svg).strip())


def segments(svg):
    """Start and end of every horizontal line, by its colour."""
    found = {}
    for path in parsed(svg).iter(f"{SVG}path"):
        if line := re.fullmatch(r"M([\d.]+) [\d.]+H([\d.]+)", path.get("d")):
            found[path.get("stroke")] = float(line[1]), float(line[2])
    return found


def test_strip_has_words_for_those_who_cannot_see_it():
    root = parsed(show.interval_svg(ROW, RAW))
    assert root.get("role") == "img"
    for words in (root.get("aria-label"), root.find(f"{SVG}desc").text):
        assert words.startswith(ROW.sentence)
        assert "Estimate 0.20 SD, 95% interval 0.12 to 0.28 SD." in words
        assert "Too small to matter: within ±0.10 SD." in words
        assert "Before adjusting 0.40 SD (0.30 to 0.50 SD)." in words
    assert root.find(f"{SVG}title").text == "too small to matter: within ±0.10 SD"


def test_strip_puts_everything_in_its_place():
    svg = show.interval_svg(ROW, RAW)
    band = next(parsed(svg).iter(f"{SVG}rect"))
    start, width = float(band.get("x")), float(band.get("width"))
    zero = start + width / 2
    assert zero == pytest.approx(200, abs=0.2)  # no difference is in the middle
    per_sd = width / 0.2
    low, high = segments(svg)[marks.LOOKS["higher"].colour]
    assert [(low - zero) / per_sd, (high - zero) / per_sd] == pytest.approx([0.12, 0.28], abs=0.005)
    raw_low, raw_high = segments(svg)[marks.SOFT]
    assert [(raw_low - zero) / per_sd, (raw_high - zero) / per_sd] == pytest.approx(
        [0.3, 0.5], abs=0.005
    )


def test_strip_labels_what_it_draws():
    words = " ".join(parsed(show.interval_svg(ROW, RAW)).itertext())
    for label in ("0.20 SD", "0.12", "0.28", "0.40", "before adjusting", "lower", "higher", "0.5"):
        assert label in words


def test_ratios_are_drawn_around_one_on_a_log_axis():
    svg = show.interval_svg(replace(RATIO, low=1 / 1.5, estimate=1.0, high=1.5))
    band = next(parsed(svg).iter(f"{SVG}rect"))
    assert float(band.get("x")) + float(band.get("width")) / 2 == pytest.approx(200, abs=0.2)
    low, high = segments(svg)[marks.LOOKS["higher"].colour]
    assert 200 - low == pytest.approx(high - 200, abs=0.3)
    assert "0.83 to 1.20 times" in str(svg)


def test_a_cost_starts_at_nothing():
    row = replace(
        ROW,
        unit="EUR",
        estimate=1450.0,
        low=980.0,
        high=2310.0,
        smallest_effect=None,
        verdict="described",
    )
    words = " ".join(parsed(show.interval_svg(row)).itertext())
    assert f"1{THIN}450 EUR" in words
    assert "lower" not in words
    assert "too small" not in words


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (UNKNOWN, "not estimated"),
        (replace(UNKNOWN, verdict="hidden"), "not shown, to protect individuals"),
        (replace(ROW, estimate=float("nan")), "not estimated"),
    ],
)
def test_strip_says_in_words_why_there_is_no_dot(row, words):
    svg = show.interval_svg(row)
    assert words in " ".join(parsed(svg).itertext())
    assert "<circle" not in svg


def test_strip_of_few_people_shows_neither_figure_nor_raw_figure():
    svg = show.interval_svg(replace(ROW, n_people=9), RAW)
    assert "0.20" not in svg
    assert "0.40" not in svg
    assert "<circle" not in svg


def test_strip_survives_what_is_not_finite():
    svg = show.interval_svg(replace(RATIO, low=0.0, high=float("inf")))
    assert "nan" not in svg
    assert parsed(svg) is not None


def test_strip_escapes():
    svg = show.interval_svg(replace(ROW, sentence=NASTY, unit="<b>"))
    assert "<script" not in svg
    assert "<img" not in svg
    assert "<b>" not in svg


def test_verdicts_differ_in_form_and_not_in_colour_only():
    looks = [marks.LOOKS[verdict] for verdict in ("higher", "unknown", "untrusted", "described")]
    assert len({(look.dashes, look.mark, look.filled) for look in looks}) == 4


@pytest.mark.property
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3).map(sorted),
    st.floats(1e-3, 1e3),
    st.sampled_from(["SD", "percentage points", "EUR", "hazard ratio"]),
)
def test_strip_keeps_the_order_of_low_estimate_and_high_within_its_edges(values, smallest, unit):
    values = [abs(value) + 0.01 for value in values] if unit == "hazard ratio" else values
    low, estimate, high = sorted(values)
    row = replace(ROW, unit=unit, low=low, estimate=estimate, high=high, smallest_effect=smallest)
    axis = marks.scale([row])
    places = [axis.at(value) for value in (low, estimate, high)]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= 1
    assert parsed(show.interval_svg(row)) is not None


def test_line_shares_the_axis_of_the_rows_beside_it():
    wide = replace(ROW, low=-2.0, high=2.0)
    narrow = str(marks.line_svg(ROW, [ROW, wide]))
    low, high = segments(narrow.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))[
        marks.LOOKS["higher"].colour
    ]
    assert high - low < 172 * 0.16 / 4 + 1


# --- the figure


def test_interval_title_is_the_finding():
    picture = show.interval([ROW, RAW])
    assert picture.title == ROW.sentence
    assert ROW.sentence not in texts(picture.figure)  # it stands above the picture, once


def test_interval_draws_dot_interval_band_and_zero_where_they_belong():
    (ax,) = show.interval([ROW, RAW]).figure.axes
    axis = marks.scale([ROW, RAW])
    dot, raw = dots(ax)
    assert dot.get_xdata()[0] == pytest.approx(axis.at(0.2))
    assert raw.get_xdata()[0] == pytest.approx(axis.at(0.4))
    assert raw.get_ydata()[0] > dot.get_ydata()[0]  # just below, as the axis points down
    assert raw.get_markerfacecolor() == "white"
    interval = next(
        line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() > 2
    )
    assert list(interval.get_xdata()) == pytest.approx([axis.at(0.12), axis.at(0.28)])
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert [band.x0, band.x1] == pytest.approx([axis.at(-0.1), axis.at(0.1)])


def test_interval_labels_rows_values_and_unit():
    words = texts(show.interval([ROW, RAW]).figure)
    for label in (
        "learning to rating",
        "0.20 SD (0.12 to 0.28 SD)",
        "before adjusting",
        "within ±0.10 SD",
        "SD",
    ):
        assert label in words


def test_interval_has_a_panel_for_each_unit():
    axes = show.interval([ROW, RATIO]).figure.axes
    assert [ax.get_xlabel() for ax in axes] == ["SD", "hazard ratio"]


@pytest.mark.parametrize(
    ("row", "words"),
    [(UNKNOWN, "not estimated"), (replace(ROW, n_people=9), "not shown, to protect individuals")],
)
def test_interval_says_in_words_why_there_is_no_dot(row, words):
    picture = show.interval([row])
    assert words in texts(picture.figure)
    assert not dots(picture.figure.axes[0])
    assert "0.12 to 0.28" not in texts(picture.figure) + picture.alt


def test_unknown_is_open_and_dotted_and_untrusted_is_dashed():
    (known,), (unknown,), (untrusted,) = (
        dots(show.interval([replace(ROW, verdict=verdict)]).figure.axes[0])
        for verdict in ("higher", "unknown", "untrusted")
    )
    assert known.get_markerfacecolor() == known.get_color()
    assert unknown.get_markerfacecolor() == untrusted.get_markerfacecolor() == "white"
    assert untrusted.get_marker() != unknown.get_marker()


def test_a_dollar_in_a_sentence_is_a_dollar():
    picture = show.interval([replace(ROW, sentence="From $1 to $2 more.")])
    assert "<title" in picture.svg and "From $1 to $2 more.</title>" in picture.svg
    assert "$3 more" in show.interval([replace(ROW, at="$3 more")]).svg


def test_interval_without_results_says_so():
    assert str(show.interval([])) == "There is no result to draw."
    assert "no result to draw" in show.interval([])._repr_html_()


def test_picture_carries_its_words_into_html_and_is_the_same_every_time():
    picture = show.interval([replace(ROW, sentence=f"{NASTY} end.")])
    html = picture._repr_html_()
    assert html.count("<img ") == 1
    assert "Estimate 0.20 SD" in html
    assert "<script" not in html
    assert "http" not in html.split("src=")[0]
    assert picture.svg == picture.svg
    assert show.interval([ROW, RAW]).svg == show.interval([ROW, RAW]).svg
    assert str(show.interval([ROW])).startswith(ROW.sentence)


def test_raw_stands_beside_its_own_result():
    other = replace(ROW, measure="acknowledging_to_rating", question="Q2")
    family = replace(ROW, headline=False, at="course")
    pairs = list(show.paired([ROW, RAW, other, family]))
    assert pairs == [(ROW, RAW), (other, None), (family, None)]
    assert list(show.paired([RAW])) == [(RAW, None)]


# --- steps of an amount, and editions

STEPS = [
    replace(
        ROW,
        headline=False,
        at=name,
        estimate=value,
        low=value - 0.1,
        high=value + 0.1,
        verdict=verdict,
    )
    for name, value, verdict in (
        ("low", 0.05, "unknown"),
        ("middle", 0.3, "higher"),
        ("high", 0.1, "unknown"),
    )
]


def test_dose_has_its_steps_in_order_from_none_with_intervals():
    picture = show.dose(STEPS)
    (ax,) = picture.figure.axes
    axis = marks.scale(STEPS)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["none", "low", "middle", "high"]
    places = {dot.get_xdata()[0]: dot.get_ydata()[0] for dot in dots(ax)}
    assert places == pytest.approx(
        {n: axis.at(value) for n, value in enumerate((0, 0.05, 0.3, 0.1))}
    )
    upright = [line for line in ax.lines if line.get_linewidth() == 2.6]
    assert [list(line.get_ydata()) for line in upright] == [
        [axis.at(row.low), axis.at(row.high)] for row in STEPS
    ]
    assert picture.title == "Higher: middle. Not known: low, high."
    assert "0.30 SD" in texts(picture.figure)
    assert picture.alt.startswith("Against none, at 0.") and STEPS[1].sentence in picture.alt


def test_dose_hides_a_step_on_few_people_and_draws_no_line_through_it():
    picture = show.dose([STEPS[0], replace(STEPS[1], n_people=9), STEPS[2]])
    assert "not shown, to protect individuals" in texts(picture.figure).replace("\n", " ")
    assert "0.30" not in texts(picture.figure) + picture.alt + picture.svg
    light = [line for line in picture.figure.axes[0].lines if line.get_linewidth() == 0.8]
    assert [list(line.get_xdata()) for line in light] == [[0, 1]]
    assert "no result to draw" in str(show.dose([]))


def test_trend_joins_only_editions_that_were_made_alike():
    editions = [
        ("2025-06-30", ROW),
        ("2025-12-31", ROW),
        ("2026-06-30", replace(ROW, method="another", low=0.05)),
    ]
    picture = show.trend(editions)
    (ax,) = picture.figure.axes
    light = [line for line in ax.lines if line.get_linewidth() == 0.8]
    assert [list(line.get_xdata()) for line in light] == [[0, 1]]
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "Jun 2025",
        "Dec 2025",
        "Jun 2026",
    ]
    assert picture.title == "Learning to rating, edition by edition"
    assert picture.alt == (
        f"Learning to rating, edition by edition. {ROW.sentence} 30 June 2025: 0.20 SD (0.12 "
        "to 0.28 SD). "
        "31 December 2025: 0.20 SD (0.12 to 0.28 SD). 30 June 2026: 0.20 SD (0.05 to 0.28 SD). "
        "too small to matter: within ±0.10 SD."
    )


def test_trend_has_the_band_of_each_edition_and_words_where_there_is_no_figure():
    editions = [
        ("2025-12-31", replace(ROW, smallest_effect=0.05)),
        ("2026-03-31", replace(ROW, n_people=4)),
        ("2026-06-30", UNKNOWN),
        ("2026-09-30", ROW),
    ]
    picture = show.trend(editions)
    (ax,) = picture.figure.axes
    axis = marks.scale([row for _, row in editions])
    tops = [band.get_paths()[0].get_extents().y1 for band in ax.collections]
    assert tops == pytest.approx([axis.at(0.05), *[axis.at(0.1)] * 3])
    assert "not estimated" in texts(picture.figure) and "31 March 2026: not shown" in picture.alt
    assert len(dots(ax)) == 2
    assert "no result to draw" in str(show.trend([]))


def test_trend_refuses_editions_in_several_units():
    with pytest.raises(ValueError, match="one axis, but these have the units SD, hazard ratio"):
        show.trend([("2025-12-31", ROW), ("2026-06-30", RATIO)])


# --- who is in the data

FLOW = pd.DataFrame(
    [
        ("reviews", "read", "read", 0, 0, 14820, 5311),
        ("reviews", "no_rating", "no rating recorded", 212, 198, 14608, 5290),
        ("reviews", "few", "no manager recorded", 7, 7, 14601, 5287),
        ("reviews", "many", "unknown grade", 60, 52, 14541, 5270),
    ],
    columns=list(ATTRITION),
)


def test_flow_shows_people_and_rows_and_no_small_step():
    picture = show.flow(FLOW, min_group=10)
    words = texts(picture.figure)
    assert f"5{THIN}311 people, 14{THIN}820 rows" in words
    assert "dropped: 212 rows of 198 people" in words
    assert "dropped: 67 rows" in words
    for small in ("dropped: 7", f"5{THIN}287", f"14{THIN}601"):
        assert small not in words + picture.alt
    widths = [bar.get_width() for bar in picture.figure.axes[0].patches]
    assert widths == pytest.approx([1, 5290 / 5311, 5270 / 5311])


def test_flow_table_is_ready_for_json():
    (one,) = show.flow_table(FLOW, min_group=10)
    assert one["table"] == "reviews"
    assert one["steps"][-1] == {
        "step": "other",
        "reason": "other reasons: no manager recorded; unknown grade",
        "rows": 67,
        "people": None,
        "rows_left": 14541,
        "people_left": 5270,
        "approximate": False,
    }


def test_flow_that_is_rounded_says_about_and_hidden():
    picture = show.flow(
        FLOW.iloc[[0, 2]].assign(rows_left=[100, 93], people_left=[60, 53]), min_group=10
    )
    assert "about 60 people, 100 rows" in picture.alt
    assert "dropped: hidden" in picture.alt
    assert "about 50 people, 90 rows" in picture.alt


@pytest.mark.parametrize("nothing", [None, FLOW.iloc[:0]])
def test_flow_of_nothing_says_so(nothing):
    assert "No rows were read here" in str(show.flow(nothing, min_group=10))


# --- blocks


def test_headline_says_question_word_sentence_and_what_it_stands_on():
    block = show.headline([ROW, RAW], words=WORDS, questions=QUESTIONS)
    assert str(block).splitlines() == [
        QUESTIONS["Q1"],
        f"[We know] {ROW.sentence}",
        f"4{THIN}212 people · 163 managers · 2 checks: 1 passed, 1 failed · matters from 0.10 SD"
        " · could be seen from 0.14 SD",
    ]
    for words in (QUESTIONS["Q1"], "We know", ROW.sentence, "163 managers", "before adjusting"):
        assert words in block._repr_html_()


def test_headline_hides_few_people_and_says_units_where_they_stand_in():
    block = show.headline([replace(ROW, n_people=9)], words=WORDS, questions=QUESTIONS)
    assert "0.20" not in str(block) + block._repr_html_()
    by_unit = show.headline([replace(ROW, cluster="unit")], words=WORDS, questions=QUESTIONS)
    assert "163 units" in str(by_unit)


def test_headline_without_results_says_so():
    assert "no headline result" in show.headline([], words=WORDS, questions=QUESTIONS)._repr_html_()


def test_checks_lists_every_check():
    block = show.checks([ROW])
    assert str(block).splitlines()[1] == "learning to rating: overlap: failed. 12% of the weight"
    assert block._repr_html_().count("<tr>") == 3
    assert str(show.checks([UNKNOWN])).splitlines()[0] == "No check was possible."


def test_below_the_checks_stand_method_fallbacks_and_what_would_settle_it():
    block = show.checks([ROW, RAW])
    assert (
        str(block).splitlines()[-1]
        == "learning to rating: manager x cycle. hours are recorded. more cycles"
    )
    assert "hours are recorded" in block._repr_html_()


def test_what_is_not_recorded_is_said_below_the_answers_and_below_a_table():
    lines = ["what learning costs (no learning.cost)"]
    said = "Not recorded in these data, so not known:\nwhat learning costs (no learning.cost)"
    told = show.headline([ROW], words=WORDS, questions=QUESTIONS, unknown=lines)
    assert str(told).endswith(said) and "what learning costs" in told._repr_html_()
    assert str(show.table(pd.DataFrame({"a": [1]}), "A", unknown=lines)).endswith(said)
    assert "Not recorded" not in str(show.headline([ROW], words=WORDS, questions=QUESTIONS))


def test_provenance_is_a_list_of_facts():
    block = show.provenance({"data": "Northbank", "seed": None, "units": ["company"]})
    assert str(block) == "data: Northbank\nseed: –\nunits: company"
    assert block._repr_html_().count("<dt") == 3


def test_table_is_accessible_and_says_what_is_hidden():
    frame = pd.DataFrame(
        {"group": ["a", "b"], "people": [1200, None], "share": [None, None], "shown": [True, False]}
    )
    block = show.table(frame, "Who acknowledges")
    html = block._repr_html_()
    assert str(block).splitlines() == [
        "Who acknowledges",
        "group\tpeople\tshare",
        f"a\t1{THIN}200\t–",
        "b\thidden\thidden",
    ]
    assert "<caption" in html
    assert html.count('scope="col"') == html.count("<th ") == 3
    assert "shown</th>" not in html
    assert re.search(rf"text-align:right[^>]*>1{THIN}200<", html)
    assert "to protect individuals" in html


def test_table_refuses_people():
    with pytest.raises(ValueError, match="groups, never people"):
        show.table(pd.DataFrame({"person_id": ["p1"], "rating": [3]}), "Ratings")


def test_blocks_escape_every_value():
    nasty = replace(
        ROW,
        sentence=NASTY,
        note=NASTY,
        to_settle=NASTY,
        method=NASTY,
        checks=(Check(NASTY, "failed", NASTY),),
    )
    blocks = [
        show.headline([nasty], words=dict.fromkeys(WORDS, NASTY), questions={"Q1": NASTY}),
        show.checks([nasty]),
        show.provenance({NASTY: NASTY}),
        show.table(pd.DataFrame({NASTY: [NASTY]}), NASTY),
    ]
    for block in blocks:
        html = block._repr_html_()
        assert "alert(1)" in html
        assert not re.search(r"<script|<img|\x00|\u202e", html)

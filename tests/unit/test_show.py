"""What is shown of results: places and words read from marks and tables, words where nothing can be drawn."""

import re
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnalign.privacy import rule
from learnalign.report import marks, show, steps, typesetting
from learnalign.verdicts import explain, registry
from learnalign.verdicts.result import Check, Result, number, spread

THIN = "\u202f"
WORDS = {
    "higher": "Seen, and held up",
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


def lines(shown):
    """What is shown as plain text: a line for each row of a table, its cells apart."""
    return [line.split("\t") for line in str(shown).splitlines()]


def texts(figure):
    """Every word in a figure."""
    figure.canvas.draw()
    (ax,) = figure.axes
    found = [*ax.texts, ax.title, *ax.get_xticklabels(), *ax.get_yticklabels()]
    return "\n".join(text.get_text() for text in found)


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
    assert number(value, unit) == words


def test_spread_says_its_unit_once():
    assert spread(-0.85, -0.35, "percentage points") == "−0.85 to −0.35 pp"


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
    assert typesetting.plain(value) == words


def test_thousands_in_html_are_a_gap_that_is_not_copied():
    html = str(typesetting.amount(1234567, "rows"))
    assert re.sub(r"<[^>]+>", "", html) == "1234567 rows"
    assert html.count("<i></i>") == 2
    assert (
        re.sub(r"<[^>]+>", "", str(typesetting.prose("With 4,212 people, 3,14 and <b>")))
        == "With 4212 people, 3,14 and &lt;b&gt;"
    )


def test_what_to_do_is_shown_by_the_verdict_that_came_out():
    said = {}
    for verdict in ("lower", "unknown"):
        row = replace(ROW, question="Q2", measure="acknowledging_to_rating", verdict=verdict)
        said[verdict] = str(show.to_do(*explain.what_to_do([row])))
    assert said["lower"].splitlines()[0] == "To do" and "Not to do" in said["lower"].splitlines()
    assert registry.questions()["Q2"].do["lower"] in said["lower"]
    assert registry.questions()["Q2"].do["lower"] not in said["unknown"]
    assert "Not to do" not in str(show.to_do(["Ask."], []))


# --- the small picture


def parsed(svg):
    return ElementTree.fromstring(str(svg).strip())


def segments(svg):
    """Start and end of every horizontal line, by its colour."""
    found = {}
    for path in parsed(svg).iter("path"):
        if line := re.fullmatch(r"M([\d.]+) [\d.]+H([\d.]+)", path.get("d")):
            found[path.get("stroke")] = float(line[1]), float(line[2])
    return found


def test_strip_has_words_for_those_who_cannot_see_it():
    root = parsed(marks.strip(ROW, RAW))
    assert root.get("role") == "img"
    words = root.get("aria-label")
    assert words.startswith(ROW.sentence)
    assert "Estimate 0.20 SD, 95% interval 0.12 to 0.28 SD." in words
    assert "Too small to matter: within ±0.10 SD." in words
    assert "Before adjusting 0.40 SD (0.30 to 0.50 SD)." in words


def test_strip_puts_everything_in_its_place():
    svg = marks.strip(ROW, RAW)
    band = next(parsed(svg).iter("rect"))
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
    words = " ".join(parsed(marks.strip(ROW, RAW)).itertext())
    for label in ("0.20 SD", "0.12", "0.28", "0.40", "before adjusting", "lower", "higher", "0.5"):
        assert label in words


def test_ratios_are_drawn_around_one_on_a_log_axis():
    svg = marks.strip(replace(RATIO, low=1 / 1.5, estimate=1.0, high=1.5))
    band = next(parsed(svg).iter("rect"))
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
    words = " ".join(parsed(marks.strip(row)).itertext())
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
    svg = marks.strip(row)
    assert words in " ".join(parsed(svg).itertext())
    assert "<circle" not in svg


def test_of_a_hidden_result_neither_figure_nor_raw_figure_is_shown():
    few = [rule.hidden(ROW), RAW]
    for shown in (show.headline(few, words=WORDS, questions=QUESTIONS), show.interval(few[:1])):
        html = shown._repr_html_()
        assert "0.20" not in html and "0.40" not in html
        assert html.count('stroke-linecap="round"') == html.count('viewBox="0 0 34 14"')  # legends


def test_strip_survives_what_is_not_finite():
    svg = marks.strip(replace(RATIO, low=0.0, high=float("inf")))
    assert "nan" not in svg
    assert parsed(svg) is not None


def test_strip_escapes():
    svg = marks.strip(replace(ROW, sentence=NASTY, unit="<b>"))
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
    assert parsed(marks.strip(row)) is not None


def test_line_shares_the_axis_of_the_rows_beside_it():
    wide = replace(ROW, low=-2.0, high=2.0)
    narrow = str(marks.line(ROW, marks.scale([ROW, wide])))
    low, high = segments(narrow)[marks.LOOKS["higher"].colour]
    assert high - low < 172 * 0.16 / 4 + 1


def test_questions_on_one_arrow_share_its_name_on_the_map(monkeypatch):
    def asked(start, end):
        return SimpleNamespace(map=SimpleNamespace(start=start, end=end))

    here, away = asked("learning", "rating"), asked("learning", "elsewhere")
    monkeypatch.setattr(marks, "questions", lambda: {"Q1": here, "Q9": here, "Q10": away})
    told = [
        ("Q1", "higher", "Seen, and held up"),
        ("Q9", "unknown", "We don’t know"),
        ("Q10", "none", "None"),
    ]
    svg = marks.routes_svg(told)
    assert ">Q1, Q9</text>" in svg and "Q10" not in svg
    assert (
        "Q1, from learning to rating: Seen, and held up. Q9, from learning to rating: We don’t know."
        in svg
    )


# --- results beside each other


def drawn(shown):
    """The intervals drawn in a table: start, dot and end, a row each; None where there is none."""
    found = []
    for svg in re.findall(r'<td class="pic">(.*?)</td>', str(shown.html), re.S):
        line = re.search(r'd="M([\d.]+) 10H([\d.]+)"', svg)
        dot = re.search(r'<circle cx="([\d.]+)"|<rect x="([\d.]+)" y="5.8" width="8.4"', svg)
        found.append(
            line and (float(line[1]), float(dot[1] or float(dot[2]) + 4.2), float(line[2]))
        )
    return found


def test_interval_title_is_the_finding():
    picture = show.interval([ROW, RAW])
    assert picture.title == ROW.sentence
    assert str(picture).count(ROW.sentence) == 1


def test_interval_draws_dot_interval_band_and_zero_where_they_belong():
    picture, axis = show.interval([ROW, RAW]), marks.scale([ROW, RAW])

    def x(*values):
        return pytest.approx([4 + 172 * axis.at(value) for value in values], abs=0.1)

    main, raw = drawn(picture)
    assert main == x(0.12, 0.2, 0.28) and raw == x(0.3, 0.4, 0.5)
    band = re.search(r'<rect x="([\d.]+)" width="([\d.]+)" height="20"', picture.html)
    start, width = float(band[1]), float(band[2])
    assert [start, start + width] == x(-0.1, 0.1)
    assert f'd="M{90.0} 0V20"' in picture.html  # no difference is in the middle
    assert f'fill="#fbfaf7" stroke="{marks.SOFT}"' in picture.html  # the raw figure's mark is open


def test_interval_names_rows_values_unit_and_band():
    assert lines(show.interval([ROW, RAW]))[1:] == [
        ["in SD; too small to matter: within ±0.10 SD"],
        ["Row", "Verdict", "Against what matters", "Estimate", "Interval", "People"],
        ["Learning to rating"],
        ["Company", "Seen, and held up", "", "0.20 SD", "0.12 to 0.28 SD", f"4{THIN}212"],
        ["before adjusting", "Described", "", "0.40 SD", "0.30 to 0.50 SD", f"4{THIN}212"],
    ]


def test_interval_has_a_table_for_each_unit():
    html = str(show.interval([ROW, RATIO]).html)
    assert re.findall(r"<caption>in ([\w ]+);", html) == ["SD", "hazard ratio"]
    assert [
        re.findall(r"<text [^>]*>([^<]*)<", head)
        for head in re.findall("<thead>.*?</thead>", html, re.S)
    ] == [["−0.2", "0", "0.2"], ["0.8", "1", "1.25"]]


def test_interval_says_in_words_why_there_is_no_mark():
    (*_, unknown), (*_, few, why) = (
        lines(show.interval([row])) for row in (UNKNOWN, rule.hidden(ROW))
    )
    assert unknown == ["Learning to rating", "We don’t know", "", "–", "not estimated", "–"]
    assert few == ["Learning to rating", "Not shown", "", *["hidden"] * 3]
    assert why == ["Hidden: not shown, to protect individuals."]
    assert drawn(show.interval([UNKNOWN])) == [None]


def test_unknown_is_open_and_dotted_and_untrusted_is_dashed():
    known, unknown, untrusted = (
        re.search(
            r'<td class="pic">.*?</td>', show.interval([replace(ROW, verdict=one)]).html, re.S
        )[0]
        for one in ("higher", "unknown", "untrusted")
    )
    assert 'fill="#0b6664"' in known and "dasharray" not in known
    assert "<circle" in unknown and 'fill="#fbfaf7"' in unknown and 'dasharray="1 6"' in unknown
    assert (
        "<circle" not in untrusted
        and 'fill="#fbfaf7"' in untrusted
        and 'dasharray="7 5"' in untrusted
    )


def test_a_dollar_in_a_sentence_is_a_dollar():
    shown = steps.dose([replace(ROW, sentence="From $1 to $2 more.", at="$3 more")])
    assert "<title" in shown.html and "From $1 to $2 more.</title>" in shown.html
    assert ">$3 more<" in shown.html


def test_interval_without_results_says_so():
    assert str(show.interval([])) == "There is no result to draw."
    assert "no result to draw" in show.interval([])._repr_html_()


def test_what_is_shown_is_the_same_every_time_and_asks_for_nothing():
    nasty = replace(ROW, sentence=f"{NASTY} end.")
    for one in (show.interval([nasty]), steps.dose([nasty])):
        html = one._repr_html_().replace("\u00a0", " ")
        assert "0.20 SD" in html and "<script" not in html and "<img" not in html
        assert not re.search(r'https?://(?!www\.w3\.org/2000/svg")', html)
    assert steps.dose([ROW, RAW]) == steps.dose([ROW, RAW])
    assert str(show.interval([ROW])).startswith(ROW.sentence)


def test_raw_stands_beside_its_own_result():
    other = replace(ROW, measure="acknowledging_to_rating", question="Q2")
    family = replace(ROW, headline=False, at="course")
    pairs = list(marks.paired([ROW, RAW, other, family]))
    assert pairs == [(ROW, RAW), (other, None), (family, None)]
    assert list(marks.paired([RAW])) == [(RAW, None)]


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
    picture = steps.dose(STEPS)
    figure = steps.plot_dose(STEPS, "none")
    (ax,) = figure.axes
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
    assert picture.title == "Higher: middle.\nNot known: low, high."
    assert "0.30 SD" in texts(figure)
    assert "<desc" in picture.html and ">Against none, at 0. " in picture.html
    assert STEPS[1].sentence in str(picture)


def test_dose_hides_a_step_on_few_people_and_draws_no_line_through_it():
    rows = [STEPS[0], rule.hidden(STEPS[1]), STEPS[2]]
    picture, figure = steps.dose(rows), steps.plot_dose(rows, "none")
    assert "not shown, to protect individuals" in texts(figure).replace("\n", " ")
    assert "0.30" not in texts(figure) + picture.html
    light = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.8]
    assert [list(line.get_xdata()) for line in light] == [[0, 1]]
    assert "no result to draw" in str(steps.dose([]))


def test_trend_joins_only_editions_that_were_made_alike():
    editions = [
        ("2025-06-30", ROW),
        ("2025-12-31", ROW),
        ("2026-06-30", replace(ROW, method="another", low=0.05)),
    ]
    picture = steps.trend(editions)
    (ax,) = steps.plot_trend(*zip(*editions, strict=True)).axes
    light = [line for line in ax.lines if line.get_linewidth() == 0.8]
    assert [list(line.get_xdata()) for line in light] == [[0, 1]]
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "Jun 2025",
        "Dec 2025",
        "Jun 2026",
    ]
    assert picture.title == "Learning to rating, edition by edition"
    assert str(picture) == (
        f"Learning to rating, edition by edition\n{ROW.sentence} 30 June 2025: 0.20 SD (0.12 "
        "to 0.28 SD). "
        "31 December 2025: 0.20 SD (0.12 to 0.28 SD). 30 June 2026: 0.20 SD (0.05 to 0.28 SD). "
        "too small to matter: within ±0.10 SD."
    )


def test_trend_has_the_band_of_each_edition_and_words_where_there_is_no_figure():
    editions = [
        ("2025-12-31", replace(ROW, smallest_effect=0.05)),
        ("2026-03-31", rule.hidden(ROW)),
        ("2026-06-30", UNKNOWN),
        ("2026-09-30", ROW),
    ]
    rows = [row for _, row in editions]
    figure = steps.plot_trend([day for day, _ in editions], rows)
    (ax,) = figure.axes
    axis = marks.scale(rows)
    tops = [band.get_paths()[0].get_extents().y1 for band in ax.collections]
    assert tops == pytest.approx([axis.at(0.05), *[axis.at(0.1)] * 3])
    assert "not estimated" in texts(figure)
    assert "31 March 2026: not shown" in str(steps.trend(editions))
    assert len(dots(ax)) == 2
    assert "no result to draw" in str(steps.trend([]))


def test_trend_refuses_editions_in_several_units():
    with pytest.raises(ValueError, match="one axis, but these have the units SD, hazard ratio"):
        steps.trend([("2025-12-31", ROW), ("2026-06-30", RATIO)])


# --- who is in the data

FLOW = pd.DataFrame(
    [
        ("reviews", "read", "read", 14820, 5000, 100.0, True),
        ("reviews", "no_rating", "no rating recorded", None, 5000, 93.2, True),
        ("reviews", "few", "no manager recorded", None, None, None, False),
    ],
    columns=["table", "step", "reason", "rows", "people", "left_pct", "shown"],
    dtype=object,
)


def test_flow_says_how_many_rows_were_read_and_what_share_is_left():
    assert lines(show.flow(FLOW))[1:] == [
        ["Step", "Rows left", "People left"],
        ["Read", f"about 14{THIN}820", f"5{THIN}000 or more"],
        ["No rating recorded", "93 %", f"5{THIN}000 or more"],
        ["No manager recorded", "hidden", "hidden"],
    ]


def test_flow_of_nothing_says_so():
    assert "No rows were read here" in str(show.flow(FLOW.iloc[:0]))


# --- blocks


def test_headline_says_question_word_sentence_and_what_it_stands_on():
    block = show.headline([ROW, RAW], words=WORDS, questions=QUESTIONS)
    assert str(block).splitlines() == [
        QUESTIONS["Q1"],
        "Seen, and held up",
        ROW.sentence,
        f"about 4{THIN}212 people · about 163 managers · 2 checks: 1 passed, 1 failed"
        " · matters from 0.10 SD · could be seen from 0.14 SD"
        f" · before adjusting 0.40 SD (0.30 to 0.50 SD), about 4{THIN}212 people",
        "more cycles",
    ]
    for words in (
        QUESTIONS["Q1"],
        "Seen, and held up",
        ROW.sentence,
        "163 managers",
        "before adjusting",
    ):
        assert words in block._repr_html_()


def test_headline_hides_few_people_and_says_units_where_they_stand_in():
    block = show.headline([rule.hidden(ROW)], words=WORDS, questions=QUESTIONS)
    assert "0.20" not in str(block) + block._repr_html_()
    by_unit = show.headline([replace(ROW, cluster="unit")], words=WORDS, questions=QUESTIONS)
    assert "about 163 units" in str(by_unit)
    least = replace(ROW, n_people=1000, n_clusters=100, at_least=True)
    block = show.headline([least], words=WORDS, questions=QUESTIONS)
    assert f"1{THIN}000 or more people · 100 managers" in str(block)


def test_headline_without_results_says_so():
    assert "no headline result" in show.headline([], words=WORDS, questions=QUESTIONS)._repr_html_()


def test_checks_lists_every_check():
    block = show.checks([ROW])
    assert lines(block)[:4] == [
        ["learning to rating"],
        ["Check", "Outcome", "What was found"],
        ["Lead test", "Passed", "p = 0.4"],
        ["Overlap", "Failed", "12% of the weight"],
    ]
    assert str(show.checks([UNKNOWN])).splitlines()[0] == "No check was possible."


def test_below_the_checks_stand_method_fallbacks_and_what_would_settle_it():
    block = show.checks([ROW, RAW])
    said = "Learning to rating: manager x cycle. hours are recorded. more cycles"
    assert str(block).splitlines()[-1] == said
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
    assert str(block) == "data: Northbank\nseed: –\nunits: company".replace(": ", "\t")
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
        "Hidden: not shown, to protect individuals.",
    ]
    assert "<caption" in html
    assert html.count('scope="col"') == html.count("<th ") == 3
    assert "shown</th>" not in html
    assert '<td class="num">1<i></i>200<' in html
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

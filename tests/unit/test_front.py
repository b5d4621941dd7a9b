"""The page before its appendix: few and plain words, a title by the verdicts, one figure for one thing.

`test_what_each_verdict_of_each_question_says` prints the table of all that can be said (`-s`).
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from learnalign.report import front
from learnalign.report import page as reports
from learnalign.verdicts import change, plain
from learnalign.verdicts import document as results
from learnalign.verdicts.registry import measures, phrases, questions
from learnalign.verdicts.result import Check, number

DOCUMENTS = {
    name: json.loads((Path(__file__).parents[1] / "documents" / f"{name}.json").read_text("utf-8"))
    for name in ("rich", "one", "unknown")
}
RICH = results.rows_of(DOCUMENTS["rich"])
PATTERN = replace(next(row for row in RICH if row.headline and row.verdict == "higher"), checks=())
FAILED = (Check("lead test", "failed", "it went with it"),)
VERDICTS = ("higher", "lower", "small", "none", "unknown", "untrusted", "hidden")
# What a reader with two minutes need not know
METHOD = re.compile(
    r"\b(SD|pp|percentage points?|standard deviation|hazard|odds|lead test|bracketing|clusters?"
    r"|confidence|interval|estimates?|adjust(?:ed|ing)|Holm|bootstrap|p-value|placebo|exposure|cohort"
    r"|confound\w*|regression|fixed effects?|matrix cell|significan\w*|covariates?|coefficient"
    r"|acknowledgements?|attrition|overlap|variance|correlation|go(?:es)? with it)\b"
)
WORDS, OF_A_CHAPTER = 1_500, 250
EASE = 60.0  # Flesch: plain English, read by a 14-year-old


def headline(measure, verdict="none", checks=(), **more):
    """A headline of a measure that came to a verdict."""
    question, about = measures()[measure]
    ratio = about.unit == "hazard ratio"
    size = {"lower": 0.6 if ratio else -0.4, "none": 1.0 if ratio else 0.0}.get(verdict)
    size = (1.6 if ratio else 0.4) if size is None else size
    values = {"estimate": size, "low": size * 0.9, "high": size * 1.1}
    if verdict == "hidden":
        values = dict.fromkeys((*values, "base"))
    about = {"question": question.key, "measure": measure, "unit": about.unit, "checks": checks}
    about |= {"verdict": verdict, "branch": verdict, "shown": verdict != "hidden"}
    return replace(PATTERN, **about | values | more)


def doubted(*measures_):
    """A penalty that shows, and is not trusted."""
    figures = {"estimate": -0.4, "low": -0.5, "high": -0.3}
    return [headline(one, "untrusted", FAILED, **figures) for one in measures_]


MERIT, EQUAL, RATING = plain.MERIT, plain.EQUAL, plain.RATING


# --- the title


@pytest.mark.parametrize(
    ("rows", "title"),
    [
        ([], "We don’t know yet whether saying “I don’t know” pays or costs here"),
        (
            [headline(MERIT), headline(RATING)],
            "People who say “I don’t know” get as much merit and are rated the same here",
        ),
        (
            [headline(MERIT, "lower"), headline(RATING, "lower")],
            "People who say “I don’t know” get less merit and are rated lower here",
        ),
        (
            [headline(MERIT), headline(RATING, "lower")],
            "People who say “I don’t know” get as much merit but are rated lower here",
        ),
        (
            [headline(MERIT), headline(RATING, "none", FAILED)],
            "People who say “I don’t know” get as much merit here",
        ),
        (
            [headline(MERIT), headline(EQUAL, "lower")],
            "People who say “I don’t know” get less merit at the same rating here",
        ),
        (
            [headline(MERIT, "untrusted", FAILED), headline(RATING, "higher")],
            "People who say “I don’t know” are rated higher here",
        ),
        (
            [*doubted(MERIT, RATING), headline("leader_to_team", "higher")],
            "People who say “I don’t know” may get less merit and be rated lower here; we don’t know"
            " yet",
        ),
        (
            [headline(MERIT), *doubted(RATING)],
            "People who say “I don’t know” get as much merit here, but may be rated lower",
        ),
        (
            [headline(MERIT, "unknown"), headline("leader_to_team", "higher")],
            "After a leader said “I don’t know” in the open, more of the team did here",
        ),
        (
            [headline(MERIT, "small"), headline(RATING, "unknown")],
            "People who say “I don’t know” get more merit, if only a little, here",
        ),
    ],
)
def test_the_title_is_the_finding_merit_and_rating_first(rows, title):
    assert plain.title(rows) == title


# --- how sure, and what is said of it


def test_what_each_verdict_of_each_question_says():
    table = []
    for question in questions().values():
        for measure in question.measures:
            if question.measures[measure].estimator == "cost":
                continue
            for verdict in VERDICTS:
                checks = FAILED if verdict == "untrusted" else ()
                row = headline(measure, verdict, checks)
                said, word = plain.finding(row), plain.front()["certainty"][plain.certainty(row)]
                table.append((question.key, verdict, said, word))
    print(*("{:4}{:11}{}. [{}]".format(*row) for row in table), sep="\n")
    assert len({row[2] + row[3] for row in table}) == len(table)  # no two say the same
    for _, verdict, said, word in table:
        assert said[0].isupper() and not METHOD.search(said), said
        assert ("do not act on it" in said) is (verdict == "untrusted")
        assert (word == "We don’t know") is (verdict == "unknown")


@pytest.mark.parametrize(
    ("design", "word"), [("adjusted", "held"), ("compared", "shown"), ("randomised", "shown")]
)
def test_only_a_design_that_compares_shows(design, word):
    assert plain.certainty(headline(MERIT, "lower", design=design)) == word


def test_practically_none_in_spite_of_a_failed_check_is_not_known():
    row = headline(RATING, "none", FAILED)
    assert plain.certainty(row) == "unknown" and not plain.stands(row)
    assert plain.unknowns([row], {})[0][0].startswith("Whether people who say")


@pytest.mark.parametrize("reason", phrases("sentences")["reasons"])
def test_without_a_figure_what_settles_it_fits_why_there_is_none(reason):
    row = headline(MERIT, "unknown", branch="no estimate", reason=reason, estimate=None)
    told = phrases("sentences")["reasons"][reason]
    ((_, settles), *_) = plain.unknowns([row], {MERIT: change.wait(row, 4, 6)})
    assert settles.lower() == f"{told['settle']}.".lower() and not METHOD.search(settles)
    # a first look some cycles from now is told only where the record must begin
    assert bool(change.wait(row, 4, 6)) is bool(told.get("starts"))
    assert bool(told.get("starts")) <= ("record" in told["settle"] or reason == "no gaps")


# --- from → to


@pytest.mark.parametrize(
    ("measure", "more", "change", "likely"),
    [
        (MERIT, {"base": 1.6, "per": 1.0}, "1.60 → 2.00 % of pay", "likely +0.36 to +0.44 %"),
        (RATING, {"base": 3.2, "per": 0.9}, "3.20 → 3.56 in rating", "likely +0.32 to +0.40"),
        (
            "leader_to_team",
            {"base": 24.0, "per": 1.0, "estimate": 7.0, "low": 4.0, "high": 10.0},
            "24 → 31 in 100",
            "likely +4 to +10 in 100",
        ),
        # 1 - (1 - 0.5) ** 1.6 = 0.670
        (
            "mentoring_to_closure",
            {"base": 50.0},
            "50 → 67 in 100 a year",
            "likely +13 to +20 in 100",
        ),
        (MERIT, {}, "+0.40 % of pay", ""),
        (RATING, {}, "", ""),
    ],
)
def test_from_what_to_what_in_natural_units(measure, more, change, likely):
    row = headline(measure, "higher", **more)
    assert (plain.change(row), plain.likely(row)) == (change, likely)


def test_what_may_not_be_shown_says_no_figure():
    row = headline(MERIT, "hidden")
    assert (plain.change(row), plain.likely(row), plain.in_full(row)) == ("", "", "")


# --- the first screen


def chosen(*rows):
    """The rows of the first screen, by the question of each."""
    document = {**DOCUMENTS["rich"], "results": [], "questions": DOCUMENTS["rich"]["questions"]}
    answers = reports._all_answers(document, rows, ())
    lines = front.chosen([front.of_answer(one) for one in answers])
    return [one.answer.question["key"] for one in lines]


def test_at_most_five_rows_merit_and_rating_first_then_what_stands():
    all_ = [m for q in questions().values() for m in q.measures if q.key != "Q7"]
    assert chosen(*(headline(one) for one in all_)) == ["Q3", "Q2", "Q4", "Q6", "Q5"]
    open_ = {"leader_to_team", MERIT}
    rows = [headline(one, "unknown" if one in open_ else "higher") for one in all_]
    assert chosen(*rows) == ["Q3", "Q2", "Q6", "Q5", "Q1"]


def test_harm_speaks_for_its_question():
    document = DOCUMENTS["rich"]
    rows = [headline(MERIT), headline(EQUAL, "lower")]
    answers = reports._all_answers(document, rows, ())
    lines = front.chosen([front.of_answer(one) for one in answers])
    assert lines[0].says == "At the same rating, people who said “I don’t know” got less merit"


def test_what_is_said_of_the_network_is_of_its_facts():
    names = set(phrases("facts")["network"].values())
    told = plain.front()["network"]
    assert {told[name] for name in ("up", "answering", "anybody")} <= names


# --- drivers, mirror and room


def grid(*units, all_=(3.9, 3.5)):
    """A record of the drivers by unit, as it is published: two of them, the second in two parts."""
    rows = [{"unit": "all units", "cells": [*all_, "not measured"]}]
    rows += [{"unit": f"u{n}", "cells": [*cells]} for n, cells in enumerate(units)]
    return {"columns": ["vision and roles: leading", "resources: a", "resources: b"], "rows": rows}


@pytest.mark.parametrize(
    ("units", "title"),
    [
        ([(4.0 + n / 10, 3.1 + n / 9, 3.2) for n in range(6)], "teams rate resources lowest"),
        ([(4.0, 3.1, "too few")] * 5, "teams rate resources lowest"),
        ([(3.1 + n / 10, 3.2, 4.0 - n / 9) for n in range(6)], "We don’t know which"),
        ([(4.0, 3.0, 3.0)] * 4, "We don’t know which"),  # too few units
        ([(4.0, "too few", "too few")] * 9, "We don’t know which"),  # none has both
        # lowest in units with both, and one more was asked about it alone
        ([(4.0, 3.1, 3.2)] * 6 + [("too few", 4.5, 4.5)], "We don’t know which"),
    ],
)
def test_the_drivers_are_titled_by_what_units_have_in_common(units, title):
    assert title in front.of_drivers(grid(*units)).title


def test_no_driver_is_lowest_that_the_bars_show_above_another():
    units = [(4.0 + n / 10, 3.1 + n / 9, 3.2) for n in range(6)]
    assert "We don’t know which" in front.of_drivers(grid(*units, all_=(3.5, 3.9))).title


def test_one_driver_alone_is_compared_with_none():
    title = front.of_drivers(grid(*[("too few", 3.1, 3.2)] * 6, all_=("too few", 3.5))).title
    assert title.startswith("Only resources was asked about.")


def test_drivers_that_may_not_be_shown_are_no_picture():
    assert front.of_drivers(grid(all_=("too few", "too few"))) is None
    assert "3.9" in str(front.of_drivers(grid()))


@pytest.mark.parametrize("part", ["mirror", "room"])
def test_each_question_for_people_is_tied_to_what_came_out(part):
    for one in (entries := plain.front()["drivers"][part]["asks"]):
        for verdict in ("higher", "lower", "none", "unknown"):
            row = headline(one["of"], verdict)
            assert (one["asks"], one[verdict]) in plain.asked(entries, [row])
            assert one[verdict].startswith("We don’t know") is (verdict == "unknown")
        doubted_ = headline(one["of"], "untrusted", FAILED)
        assert (one["asks"], one["unknown"]) in plain.asked(entries, [doubted_])
        for rows in ([], [headline(one["of"], "hidden")], [headline(one["of"], "small")]):
            assert (one["asks"], one.get("else", "")) in plain.asked(entries, rows)


# --- its words


def before_the_appendix(html):
    """The text that stands before the appendix, by chapter; "" is the first screen."""
    body = html[html.index("<body>") : html.index('<section class="appendix"')]
    body = re.sub(r"<svg.*?</svg>", " ", body, flags=re.DOTALL).replace("<i></i>", "")
    parts = re.split(r'<section class="chapter" aria-labelledby="(\w+)">', body)
    names = ["", *parts[1::2]]
    texts = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part)) for part in parts[::2]]
    return dict(zip(names, texts, strict=True))


def ease(text):
    """Flesch's reading ease; a group of vowels is a syllable, but for a last silent e."""
    sentences = max(len(re.findall(r"[.?!:;]\s", text)), 1)
    words = re.findall(r"[A-Za-z’']+", text)
    sounds = sum(
        max(len(re.findall(r"[aeiouy]+", re.sub(r"e\b", "", word.lower()))), 1) for word in words
    )
    return 206.8 - 1.015 * len(words) / sentences - 84.6 * sounds / len(words)


@pytest.mark.parametrize("name", [*DOCUMENTS, pytest.param("edition", marks=pytest.mark.slow)])
def test_few_and_plain_words_stand_before_the_appendix(name, request):
    html = (
        request.getfixturevalue("edition").report.read_text("utf-8")
        if name == "edition"
        else reports.render(DOCUMENTS[name])
    )
    parts = before_the_appendix(html)
    assert set(parts) >= {"", "say", "learn", "reward", "lead", "invest", "room"}
    text = " ".join(parts.values())
    assert len(text.split()) <= WORDS
    assert all(len(part.split()) <= OF_A_CHAPTER for key, part in parts.items() if key)
    assert METHOD.findall(text) == []
    assert ease(text) >= EASE


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_figure_is_the_same_wherever_it_stands(name):
    """First screen, chapters and e-mail are made of one line for each answer."""
    document = DOCUMENTS[name]
    html, mail = reports.render(document), reports.summary(document)
    answers = reports.answers(document)
    for one in map(front.of_answer, answers):
        assert one.says in mail
        if one.change:
            assert one.change in mail
        assert html.count(f'id="{one.answer.anchor}"') == 1


MEASURED = re.compile(r"(?<![\d.])(\u2212?\d+\.\d+)(?: to (\u2212?\d+\.\d+))? (SD|pp|times)\b")
SHOWN = ("estimate", "low", "high", "smallest_effect", "detectable_effect")


def text_of(html):
    return " ".join(html.replace("<i></i>", "").replace("\u00a0", " ").split())


def strangers(html, answer):
    """Figures in the unit of an answer that its own part of the appendix tells, and no row has."""
    start = html.index(f'id="{answer.anchor}"')
    article = text_of(html[start : html.index("</article>", start)])
    rows = [one for one in (answer.row, answer.raw, answer.before) if one is not None]
    known = {getattr(row, name) for row in rows for name in SHOWN} - {None}
    known |= {1 / one for one in known if one and answer.row.unit == "hazard ratio"}
    known = {number(abs(one), answer.row.unit).split()[0] for one in known}
    own = {"SD": "SD", "percentage points": "pp", "hazard ratio": "times"}.get(answer.row.unit)
    told = [found[:2] for found in MEASURED.findall(article) if found[2] == own]
    return {one.lstrip("\u2212") for pair in told for one in pair if one} - known


@pytest.mark.parametrize("name", [*DOCUMENTS, pytest.param("edition", marks=pytest.mark.slow)])
def test_no_two_places_give_different_figures_for_one_thing(name, request):
    document = request.getfixturevalue("edition").document if name == "edition" else DOCUMENTS[name]
    html = reports.render(document)
    parts, answers = before_the_appendix(html), reports.answers(document)
    for one in map(front.of_answer, answers):
        assert strangers(html, one.answer) == set()
        if one.change and one.in_full:  # first screen and chapter
            ends = re.findall(r"[\d.]+", one.change)
            assert set(ends) <= set(re.findall(r"\d+(?:\.\d+)?", one.in_full)), one
            if one.change in text_of(parts[""]):
                assert one.in_full.split(",")[0] in text_of(" ".join(parts.values()))
    bars = re.findall(r"<li><p><span>([^<]*)</span> <b>([^<]*) %</b>", text_of(html))
    cells = re.findall(
        r'<th scope="row">([^<]*)</th><td class="v">[^<]*</td><td class="pic"></td> '
        r"<td>([\d.]+) %</td>",
        text_of(html),
    )
    tables = dict(cells)
    same = [(float(share), float(tables[what])) for what, share in bars if what in tables]
    assert all(abs(share - value) <= 0.5 for share, value in same), same
    assert len(same) > 3 or name != "edition"


def test_a_figure_that_differs_is_found():
    document = DOCUMENTS["rich"]
    html, answers = reports.render(document), reports.answers(document)
    answer = next(one for one in answers if one.row.unit == "percentage points")
    own = number(answer.row.estimate, answer.row.unit).split()[0]
    start = html.index(f'id="{answer.anchor}"')
    assert strangers(html, answer) == set()
    assert strangers(html[:start] + html[start:].replace(own, "9.87"), answer) == {"9.87"}


def test_reviews_of_one_month_are_of_that_month():
    document = json.loads(json.dumps(DOCUMENTS["rich"]))
    assert re.search(r"reviews from \w+ \d{4} to \w+ \d{4}\.", reports.render(document))
    (reviews,) = (one for one in document["data"]["tables"] if one["table"] == "reviews")
    reviews["first"] = reviews["last"]
    assert re.search(r"people, reviews of \w+ \d{4}\.", reports.render(document))

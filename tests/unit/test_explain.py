"""Explaining: every branch in one line, what is still not known, method, glossary, and what to do."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnalign.verdicts import document as results
from learnalign.verdicts import explain, judge
from learnalign.verdicts import rows as rows_of
from learnalign.verdicts.registry import measures, phrases, questions
from learnalign.verdicts.result import Check, Comparison, Fit, Result
from learnalign.verdicts.words import brief
from learnalign.verdicts.words import check as words_of

ROOT = Path(__file__).parents[2]
LEAD = words_of(Check.of("lead test", "failed", "together", what="rating"))
OVERLAP = words_of(Check.of("overlap", "failed", "more", share="10%"))
BONUS = words_of(Check.of("bonus control", "not possible", "formula"))
CAUSAL = (
    r"\b(causes?d?|effect of|because|drives?|proves?|leads? to|thanks to|is an "
    r"effect|impact|result of)\b"
)
SCALE = {"SD": 0.10, "percentage points": 0.25, "hazard ratio": 1.2}
VERDICTS = ("higher", "lower", "small", "none", "unknown", "untrusted", "hidden")
HEADLINES = [
    key
    for question in questions().values()
    for key, measure in question.measures.items()
    if measure.estimator != "cost"
]
SENTENCES = phrases("sentences")
STILL = phrases("page")["still"]


def fit(low: float, high: float, **more) -> Fit:
    values = {
        "estimate": (low + high) / 2,
        "low": low,
        "high": high,
        "std_error": 0.05,
        "df": 100.0,
        "level": 0.95,
        "n_rows": 4000,
        "n_people": 1200,
        "n_people_smaller": 300,
        "n_clusters": 101,
        "design": "adjusted",
        "method": "manager x cycle fixed effects (same manager, same grade), CR1 by manager",
        "held": ("manager", "grade"),
    }
    return Fit(**values | more)


def ends(verdict: str, measure: str) -> tuple[float, float]:
    """An interval that gives the verdict, in the measure's unit."""
    if measures()[measure][1].unit == "hazard ratio":
        return {
            "higher": (1.3, 1.6),
            "untrusted": (1.3, 1.6),
            "lower": (0.4, 0.6),
            "small": (1.05, 1.6),
            "none": (0.95, 1.1),
        }.get(verdict, (0.5, 2.0))
    smallest = SCALE[measures()[measure][1].unit]
    low, high = {
        "higher": (1.5, 3),
        "untrusted": (1.5, 3),
        "lower": (-3, -1.5),
        "small": (0.2, 3),
        "none": (-0.5, 0.5),
    }.get(verdict, (-2, 3))
    return low * smallest, high * smallest


def row(measure: str, verdict: str, *checks: Check, **more) -> Result:
    """A headline as `verdicts.judge` tells it."""
    checks += (LEAD,) if verdict == "untrusted" else ()
    found = Comparison(
        measure,
        None,
        fit(*ends(verdict, measure)),
        checks,
        n_cycles=4,
        strength_to_erase=3.0,
        **more,
    )
    smallest = SCALE[measures()[measure][1].unit]
    (told,) = judge.judge(replace(found, is_hidden=verdict == "hidden"), smallest_effect=smallest)
    assert told.verdict == verdict or more or checks
    return told


def words(text: str) -> int:
    return len(text.split())


def plain(text: str, most: int) -> None:
    """A line that an executive reads: short, whole, without a claim of cause."""
    assert words(text) <= most, text
    assert text[0] == text[0].upper() and text.endswith(".") and ".." not in text
    assert not re.search(r"[{}_]|  |\bnan\b|None|–", text), text
    assert not re.search(CAUSAL, text.replace("proof of cause", "")), text


# --- in one line


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("measure", HEADLINES)
def test_every_verdict_of_every_measure_in_one_line(measure, verdict):
    told = row(measure, verdict)
    assert told.verdict == verdict
    text = brief(told)
    plain(text, 17 if verdict == "small" else 14)
    if verdict in ("higher", "lower", "small"):
        size = f"{told.estimate:.2f}".lstrip("-")
        assert size in text and ("perhaps too small" in text) == (verdict == "small")
        if told.unit != "hazard ratio":
            assert ("lower" in text) == (verdict == "lower")


def test_in_one_line_word_for_word():
    def told(measure, verdict, *checks, **more):
        return brief(row(measure, verdict, *checks, **more))

    assert (
        told("learning_to_rating", "higher")
        == "Rated 0.23 SD higher: people who learned more voluntarily."
    )
    assert told("acknowledging_to_merit_at_equal_rating", "lower") == (
        "At equal rating, merit 0.56 pp lower: people who acknowledged a gap."
    )
    assert (
        told("acknowledging_to_closure", "higher")
        == "Gaps that were acknowledged closed 1.45 times as fast."
    )
    assert (
        told("acknowledging_to_merit_total", "none")
        == "Practically no difference in merit (less than 0.25 pp)."
    )
    assert told("acknowledging_to_rating", "none", LEAD) == (
        "Practically no difference in ratings; but a check failed: lead test."
    )
    assert told("learning_to_rating", "untrusted") == "Seen, but a check failed: lead test."
    assert (
        told("acknowledging_to_rating", "none", OVERLAP)
        == "No difference seen, but a check failed: overlap."
    )
    assert (
        told("mentoring_to_closure", "unknown")
        == "We could only have seen more than 1.15 times as fast."
    )
    assert told("learning_to_rating", "unknown", modal_share=0.9) == (
        "Too many people have the same rating to tell them apart."
    )
    assert told("learning_to_rating", "hidden") == "Not shown, to protect individuals."
    (cost,) = rows_of.describe_cost(fit(3000, 7000, estimate=4701.2), "", unit="EUR")
    assert brief(cost) == "About 4\u202f701 EUR per extra closed gap."


@pytest.mark.parametrize("reason", [*SENTENCES["reasons"], *SENTENCES["fixed"]])
def test_why_there_is_no_estimate_fits_in_one_line(reason):
    (told,) = judge.judge(
        Comparison("learning_to_rating", None, None, reason=reason), smallest_effect=0.1
    )
    text = brief(told)
    plain(text, 14)
    assert "We don’t know" not in text and "the data hold" not in text


@pytest.mark.parametrize(
    "filled", [{"people", "reviews"}, {"people", "reviews", "learning", "assessments"}]
)
def test_what_is_not_recorded_fits_in_one_line(filled):
    rows = rows_of.unanswerable(frozenset(filled), {})
    for told in rows:
        plain(brief(told), 14)
    if "learning" not in filled:
        assert brief(rows[0]) == "No learning."


def test_one_of_many_and_one_cycle_are_told_apart_from_a_plain_unknown():
    rows = [
        replace(row("learning_to_rating", "small"), std_error=0.1),
        *[row("learning_to_rating", "unknown")] * 6,
    ]
    many = judge.holm(rows)[0]
    assert many.verdict == "unknown"
    assert brief(many).startswith("Perhaps chance, among so many questions: rated ")
    start = fit(0.3, 0.5, design="associated")
    (one,) = judge.judge(
        Comparison("learning_to_rating", None, start, n_cycles=1), smallest_effect=0.1
    )
    assert brief(one).startswith("All reviews are from one cycle")


def test_rows_of_a_family_begin_with_their_name():
    parts = {"on_the_job": fit(1.5, 2.0), "reading": fit(0.7, 1.6), "peer": fit(1.3, 1.9)}
    rows = judge.judge_kinds("learning_to_closure", parts | {"peer": None}, smallest_effect=1.2)
    told = [brief(one) for one in rows]
    assert told[0] == "On the job: closed 1.75 times as fast."
    assert told[1].startswith("Reading: we could only have seen more than ")
    assert told[2] == "Peer: not shown, to protect individuals."


def test_every_branch_of_a_sentence_has_its_line_and_every_reason_is_still_one():
    assert set(SENTENCES["says"]) | {"none, failed"} == set(SENTENCES["brief"])


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=60)
@given(
    st.sampled_from(HEADLINES),
    st.floats(0.2, 2),
    st.floats(0.01, 2),
    st.sampled_from([(), (LEAD,), (OVERLAP,)]),
)
def test_no_interval_gives_a_line_that_cannot_be_read(measure, low, width, checks):
    start = low if measures()[measure][1].unit == "hazard ratio" else low - 1
    found = Comparison(measure, None, fit(start, start + width), checks, n_cycles=4)
    (told,) = judge.judge(found, smallest_effect=SCALE[measures()[measure][1].unit])
    plain(brief(told), 17)


# --- what is still not known


def edition() -> list[Result]:
    kinds = {"on_the_job": fit(1.5, 2.0), "reading": fit(0.7, 1.6), "course": fit(0.8, 1.7)}
    doses = judge.judge_family(
        row("acknowledging_to_rating", "none", LEAD), {"high": fit(-0.3, -0.11)}
    )
    return [
        row("acknowledging_to_rating", "none", LEAD),
        *doses,
        row("acknowledging_to_merit_total", "none", BONUS),
        row("leader_to_team", "unknown"),
        row("acknowledging_to_closure", "small"),
        *judge.judge_kinds("learning_to_closure", kinds, smallest_effect=1.2),
        *rows_of.describe_cost(fit(3000, 7000), "", unit="EUR"),
    ]


def test_what_is_still_unknown_though_there_is_an_answer():
    found = explain.still_unknown(edition())
    assert [question for question, _ in found] == ["Q2", "Q2", "Q3", "Q6", "Q6", "Q7", ""]
    lines = [line for _, line in found]
    assert lines[0] == (
        "Whether this answer holds: what people do next goes with the rating that they "
        "already have (lead test failed)."
    )
    assert lines[1] == "The answer for a high amount: seen, but a check failed (lead test)."
    assert lines[2] == (
        "Whether it would pass the bonus control: it could not be tried (a formula sets the bonus)."
    )
    assert lines[3].startswith("Whether the difference is large enough to matter")
    assert lines[4].startswith("The answer for reading and course: at best, more than ")
    assert "price on a closed gap" in lines[5] and "proof of cause" in lines[6]


def test_a_question_gets_its_two_weightiest_lines():
    untried = [
        Check(name, "not possible", "too few people")
        for name in ("bracketing", "noisy ratings", "bonus control")
    ]
    found = explain.still_unknown([row("acknowledging_to_rating", "none", *untried, LEAD)])
    assert [question for question, _ in found] == ["Q2", "Q2", ""]
    assert "lead test failed" in found[0][1] and "pass the bracketing" in found[1][1]


def test_an_edition_without_answers_leaves_nothing_beside_them():
    rows = rows_of.unanswerable(frozenset({"people", "reviews"}), {})
    assert explain.still_unknown(rows) == () and explain.still_unknown([]) == ()


def test_where_chance_decided_no_proof_is_missing():
    told = row("learning_to_rating", "higher")
    assert explain.still_unknown([told])[-1] == ("", STILL["cause"])
    assert explain.still_unknown([replace(told, design="randomised", checks=())]) == ()


@pytest.mark.parametrize("count", [1, 5, 40])
def test_lines_stay_short_however_many_parts_there_are(count):
    names = {f"voluntary kind number {i} of learning": fit(0.5, 2.0) for i in range(count)}
    rows = judge.judge_kinds("learning_to_closure", names, smallest_effect=1.2)
    found = explain.still_unknown([row("acknowledging_to_closure", "higher"), *rows])
    assert len(found) == 2
    plain(found[0][1], 22)
    assert (f"answer for {count} of its parts: " in found[0][1]) == (count > 1)


# --- method, checks, glossary


def test_every_headline_says_how_it_was_computed():
    records = explain.method_of([row(measure, "higher") for measure in HEADLINES])
    assert [record["measure"] for record in records] == HEADLINES
    for record in records:
        assert {"question", "compared", "outcome", "how", "interval", "smallest effect"} <= set(
            record
        )
        assert not re.search(
            r"[{}_]|\bnan\b|None|fixed effects|cloglog",
            " ".join((record | {"measure": ""}).values()),
        )
    assert records[0]["held equal"] == "Same manager, same grade"
    assert "pp was set beforehand" in records[2]["smallest effect"]
    assert "lead test (failed)" in explain.method_of(edition())[0]["checks"].lower()


def test_what_was_not_computed_says_why():
    rows = rows_of.unanswerable(frozenset({"people", "reviews"}), {})
    records = explain.method_of(rows)
    assert len(records) == len(rows)
    assert all(
        "interval" not in record and record["notes"].startswith("We don’t know")
        for record in records
    )


def test_rows_beside_the_headlines_have_no_record_of_their_own():
    assert len(explain.method_of(edition())) == sum(one.headline for one in edition())


def test_checks_that_ran_say_what_they_ask_and_take_away():
    ran = {name: (asks, takes) for name, asks, takes in explain.checks_of(edition())}
    assert {"few clusters", "lead test", "bonus control"} <= set(ran) and "waitlist" not in ran
    assert all(asks.rstrip("”.").count("?") for asks, _ in ran.values())
    assert (
        "standing, with a caution" in ran["lead test"][1]
        and "We don’t know" in ran["few clusters"][1]
    )
    assert {*judge.RIVALS, *judge.NARROWER} <= set(phrases("checks"))


def test_every_check_of_the_library_is_in_the_table():
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "lib").rglob("*.py"))
    named = set(re.findall(r'Check\.of\(\s*"([^"]+)"', sources)) | {*judge.RIVALS, *judge.NARROWER}
    assert named <= set(phrases("checks"))
    assert all(f'"{name}"' in sources for name in phrases("checks"))


def test_the_glossary_of_the_repository_is_made_from_the_terms():
    """`make glossary` writes it."""
    assert (ROOT / "GLOSSARY.md").read_text("utf-8") == explain.glossary_page()


def repository_glossary() -> dict[str, str]:
    """GLOSSARY.md as rows: words in plain text, and what they mean."""
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \|$", (ROOT / "GLOSSARY.md").read_text("utf-8"), re.M
    )

    def spoken(cell: str) -> str:
        cell = re.sub(r" \(`[^)]*`[^)]*\)|[`*]", "", cell).replace("'", "’")
        return re.sub(r'"([^"]*)"', r"“\1”", cell)

    return {spoken(word): spoken(means) for word, means in rows}


@pytest.mark.parametrize("term", explain.terms())
def test_a_term_means_what_it_means_in_the_repository(term):
    means = explain.terms()[term]
    meant = [word for word, text in repository_glossary().items() if text.startswith(means)]
    assert words(means) <= 30 and meant
    assert any(one in word for word in meant for one in term.split(", "))


@pytest.mark.parametrize("check", phrases("checks"))
def test_a_check_asks_what_it_asks_in_the_repository(check):
    assert repository_glossary()[check] == phrases("checks")[check]["asks"]


def test_only_terms_that_are_read_are_explained():
    assert len(explain.terms()) <= 25
    assert explain.glossary("") == ()
    told = [
        term
        for term, _ in explain.glossary(
            "Gaps closed 1.5 times as fast (likely range 1.2 to 1.9 times)."
        )
    ]
    assert told == ["gap", "closed", "interval, likely range", "hazard ratio, times as fast"]
    assert "SD" not in dict(
        explain.glossary("an sd card, singapore, raws, and a compassionate verdictless text")
    )
    assert dict(explain.glossary("0.1 SD"))["SD"].startswith("The usual distance")


# --- what to do


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_to_do_is_short_and_about_nobody(verdict):
    do, do_not = explain.what_to_do([row(measure, verdict) for measure in HEADLINES])
    for side in (do, do_not):
        assert 1 <= len(side) <= explain.MOST and len(set(side)) == len(side)
        for line in side:
            plain(line, 27)
    assert all(line.startswith(("Do not", "Make no")) for line in do_not)
    assert not any(line.startswith("Do not") for line in do)


def test_what_to_do_follows_the_verdicts():
    do, do_not = explain.what_to_do(
        [row("acknowledging_to_rating", "lower"), row("leader_to_team", "higher")]
    )
    assert do[0].startswith("Ask how ratings are given") and any(
        "drawn by lot" in line for line in do
    )
    assert do_not[0].startswith("Do not ask people to say")
    do, do_not = explain.what_to_do([row("acknowledging_to_rating", "none", LEAD)])
    assert not any("practically alike" in line for line in do)
    assert "Do not act on the figure of Q2: a check failed." in do_not
    do, do_not = explain.what_to_do(
        [row("leader_to_team", "unknown"), row("learning_to_rating", "hidden")]
    )
    assert do[0].startswith("Choose one open question") and "(Q4 and Q1)" in do_not[0]
    worse = [row("acknowledging_to_merit_total", "untrusted"), row("mentoring_to_closure", "lower")]
    do, do_not = explain.what_to_do(
        [*worse, row("leader_to_team", "unknown"), row("learning_to_rating", "higher")]
    )
    assert [line.split()[0] for line in do] == ["Ask", "Choose", "Give", "Tell"]
    assert ["(Q4)" in do_not[0], "Q3" in do_not[1], "hours" in do_not[2]] == [True] * 3
    assert explain.what_to_do([]) == tuple(
        tuple(phrases("page")[side]["always"]) for side in ("do", "do_not")
    )


def test_a_company_that_records_nothing_is_told_where_to_begin():
    do, do_not = explain.what_to_do(rows_of.unanswerable(frozenset({"people", "reviews"}), {}))
    assert do[0].startswith("Choose one open question that is worth settling")
    assert do[1] == (
        "Start to record what would open most questions: help requests, questions or "
        "self-assessments, with their "
        "dates; learning activities, with their dates."
    )
    assert len(do) == 3 and len(do_not) == 4


def test_harm_in_one_of_two_headlines_is_not_talked_away_by_the_other():
    both = [
        row("acknowledging_to_merit_total", "lower"),
        row("acknowledging_to_merit_at_equal_rating", "none"),
    ]
    do, _ = explain.what_to_do(both)
    assert do[0].startswith("Ask how merit is set") and not any(
        "practically the same" in line for line in do
    )
    mixed = [row("acknowledging_to_merit_total", "small"), both[1]]
    assert not any("practically the same" in line for line in explain.what_to_do(mixed)[0])


def test_every_advice_is_for_a_question_and_a_verdict_that_exist():
    assert {key for key, one in questions().items() if "lower" in one.do} == {*questions()} - {"Q7"}
    ranks = [one.rank for one in questions().values()]
    assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize("document", ["one", "rich", "unknown"])
def test_documents_of_the_report_are_explained_from_end_to_end(document):
    """Rows as they come back from `results.json`, from other hands."""
    told = json.loads((ROOT / f"tests/documents/{document}.json").read_text("utf-8"))["results"]
    rows = results.rows_of({"results": told})
    for one in rows:
        assert words(brief(one)) <= 30
    explain.method_of(rows), explain.checks_of(rows), explain.what_to_do(rows)
    assert all(words(line) <= 22 for _, line in explain.still_unknown(rows))

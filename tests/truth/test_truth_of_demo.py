"""The report on the demonstration company, held against what is planted in it:
`data/demo/TRUTH.md`.
"""

import re
from pathlib import Path

import pytest

from learnalign.data import writing
from northbank import tables

pytestmark = pytest.mark.truth

ROOT = Path(__file__).parents[2]
TRUTH = (ROOT / "data/demo/TRUTH.md").read_text("utf-8")
PLANTED = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in TRUTH.splitlines()
    if re.match(r"\| Q\d \|", line)
]


@pytest.fixture(scope="module")
def results(edition) -> list[dict]:
    """The published rows of `learnalign run params/northbank.yml`."""
    return edition.document["results"]


def row_of(results: list[dict], measure: str, at: str = "") -> dict:
    (row,) = [row for row in results if row["measure"] == measure and row["at"] == at]
    return row


@pytest.mark.parametrize(
    ("question", "measure", "planted", "unit", "expected"), PLANTED, ids=[p[1] for p in PLANTED]
)
def test_the_report_finds_what_is_planted_and_nothing_where_nothing_is(
    results, question, measure, planted, unit, expected
):
    key, _, at = measure.partition(": ")
    if at and not [row for row in results if (row["measure"], row["at"]) == (key, at)]:
        assert "unknown" in expected  # too few gaps closed with it to say anything
        return
    row = row_of(results, key, at)
    if at and row["verdict"] == "hidden":
        assert "unknown" in expected  # few people closed a gap with it
        return
    assert row["question"] == question and row["headline"] == (at == "")
    assert row["verdict"] in expected.split(" or "), row["sentence"]
    assert row["unit"] == unit
    assert row["low"] <= float(planted) <= row["high"], (
        f"{planted} is not in {row['low']:.3f} to {row['high']:.3f}"
    )
    if float(planted) == 0:
        assert row["verdict"] not in ("higher", "lower", "small")


def test_every_question_has_a_headline_and_none_is_left_out(results):
    told = {row["question"] for row in results if row["headline"]}
    assert told == {f"Q{number}" for number in range(1, 9)}
    headlines = {measure for _, measure, *_ in PLANTED if ":" not in measure}
    assert headlines == {row["measure"] for row in results if row["headline"]}


@pytest.mark.parametrize(
    ("measure", "truth"),
    [
        ("learning_to_rating", 0.15),
        ("acknowledging_to_rating", 0.0),
        ("acknowledging_to_merit_total", 0.0),
        ("learning_to_merit_at_equal_rating", 0.32),
    ],
)
def test_the_naive_figure_misses_it(results, measure, truth):
    raw = row_of(results, measure, "raw")
    assert not raw["low"] <= truth <= raw["high"]


def test_planted_nothings_among_the_groups_are_not_found(results):
    groups = [row for row in results if row["measure"] == "merit_by_group"]
    assert len(groups) > 5 and {row["verdict"] for row in groups} <= {"none", "unknown"}


@pytest.mark.parametrize(
    ("measure", "at", "planted"),
    [
        ("said_or_silent", "gaps acknowledged before they were found", 39),
        ("said_or_silent", "acknowledged as a precaution, where no gap was found", 10),
        ("how_people_asked", "said what exactly was needed", 60),
        ("how_people_asked", "set the scene: what was done and known", 50),
        ("how_people_asked", "offered own ideas", 35),
        ("how_people_asked", "showed appreciation", 70),
        ("learning_to_rating", "held, against cancelled or waitlisted", 0.15),
        ("mentoring_to_closure", "against those on a waitlist", 1.6),
    ],
)
def test_planted_facts_are_described(results, measure, at, planted):
    row = row_of(results, measure, at)
    assert row["low"] <= planted <= row["high"]


def test_reflecting_and_strong_drivers_go_with_acknowledging_and_talk_does_not_go_with_walk(
    results,
):
    mirror = "acknowledged in the next window: difference, same manager and cycle"
    assert row_of(results, "how_people_asked", mirror)["low"] > 0
    assert row_of(results, "drivers", "difference between strong and other units")["low"] > 0
    talk = row_of(results, "shared_leadership", "said and done, correlation across units")
    assert talk["low"] < 0 < talk["high"]


def test_the_page_of_truth_is_written_with_the_tables(tmp_path):
    folder = tables.write(tables.northbank(), tmp_path / "bank")
    ours = [path for path in sorted((ROOT / "data/demo").iterdir()) if path.name != writing.PRIVATE]
    assert len(ours) == 10
    for path in ours:
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name

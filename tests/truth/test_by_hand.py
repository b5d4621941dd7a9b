"""Numbers of the page, counted again from the files of `data/demo` with nothing but the standard library.

Nothing here uses the library's road: no linking, no engine, no frame. The exact figures must be
the same; on the page each is moved by its noise, and must not be farther off than that.
"""

import csv
import datetime as dt
import re
from collections import defaultdict
from pathlib import Path

import pytest

import learnalign as la
from learnalign.report import page as reports

DEMO = Path(__file__).parents[2] / "data/demo"
EMBARGO, FIRST = dt.timedelta(days=30), dt.timedelta(days=182)
FAR = 4.0  # points in 100 that noise may move a share on the page


def rows(name):
    with (DEMO / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def day(text):
    return dt.date.fromisoformat(text)


def percent(yes):
    yes = [*yes]
    return 100 * sum(yes) / len(yes)


def said_at_all():
    """By cycle, in how many of 100 reviews "I don't know" was said in the window before it."""
    said, reviews = defaultdict(list), defaultdict(list)
    for row in rows("acknowledgements"):
        said[row["person_id"]].append(day(row["acknowledged_on"]))
    for row in rows("reviews"):
        reviews[row["person_id"]].append((day(row["reviewed_on"]), row["cycle"]))
    found = defaultdict(list)
    for person, own in reviews.items():
        before = None
        for reviewed, cycle in sorted(own):
            end = reviewed - EMBARGO
            start = before - EMBARGO if before else end - FIRST
            found[cycle].append(any(start <= one < end for one in said[person]))
            before = reviewed
    return {("said_at_all", cycle): percent(yes) for cycle, yes in sorted(found.items())}


def how_it_was_said():
    """By which road, and who could hear it: of acknowledgements of people who were reviewed."""
    people = {row["person_id"] for row in rows("reviews")}
    own = [row for row in rows("acknowledgements") if row["person_id"] in people]
    roads = {
        "asked for help": "help_request",
        "told their manager alone": "one_to_one",
        "asked a question": "question",
    }
    found = {
        ("how_it_was_said", name): percent(row["channel"] == road for row in own)
        for name, road in roads.items()
    }
    heard = [row["audience"] in ("team", "public") for row in own if row["audience"]]
    return found | {("how_it_was_said", "said to the team or in public"): percent(heard)}


def hours():
    """Of 100 hours of completed learning, how many were of each mode, and required."""
    people = {row["person_id"] for row in rows("reviews")}
    total, by = 0.0, defaultdict(float)
    for row in rows("learning"):
        if row["person_id"] in people and row["status"] == "completed" and row["hours"]:
            total += float(row["hours"])
            by[f"hours of {row['mode']} learning"] += float(row["hours"])
            by["hours that were required"] += float(row["hours"]) * (row["is_required"] == "True")
    return {("spending", name): 100 * some / total for name, some in by.items()}


def two_questions():
    """In how many of 100 reviews managers could point to evidence, on each question and on both."""
    first, second = "learning_enabled_performance", "learning_positions_for_objectives"
    own = [(int(row[first]), int(row[second])) for row in rows("rewards") if row[first]]
    names = (
        "learning that enabled performance: answered with evidence",
        "learning that prepares for the objectives: answered with evidence",
        "both questions answered with evidence",
    )
    told = ([a >= 2 for a, _ in own], [b >= 2 for _, b in own], [min(pair) >= 2 for pair in own])
    return {("two_questions", name): percent(yes) for name, yes in zip(names, told, strict=True)}


@pytest.fixture(scope="module")
def by_hand():
    return said_at_all() | how_it_was_said() | hours() | two_questions()


def test_ten_numbers_and_more_are_those_of_the_library(by_hand):
    study = la.study(DEMO, as_of="2026-06-30")
    names = dict.fromkeys(measure for measure, _ in by_hand)
    counted = {(row.measure, row.at): row.estimate for row in la.describe(study, *names)}
    off = {
        key: (value, counted.get(key))
        for key, value in by_hand.items()
        if key not in counted or abs(counted[key] - value) > 0.051  # a share is told to a tenth
    }
    assert len(by_hand) > 10 and off == {}


@pytest.mark.e2e
def test_the_page_tells_them_moved_and_not_farther_than_noise(by_hand, edition):
    told = {(row["measure"], row["at"]): row["estimate"] for row in edition.document["results"]}
    assert {key: told[key] for key in by_hand if abs(told[key] - by_hand[key]) > FAR} == {}
    html = re.sub(r"<[^>]+>", "", reports.render(edition.document))
    last = max(key[1] for key in by_hand if key[0] == "said_at_all")
    assert (
        f"{told['said_at_all', last]:.0f} in 100 said it at least once in the last half-year"
        in html
    )

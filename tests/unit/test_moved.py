"""All that is shown of a study beside its rows of results: tables, flows and pictures are exact for
an analyst alone, and moved by a run's draws wherever a number stands.
"""

import json

import pandas as pd
import pytest
from tests.parts import behind

import learnalign as la
from learnalign.facts import describe, flows
from learnalign.privacy.gate import Gate
from learnalign.privacy.keys import Draws
from learnalign.privacy.rule import Rule

PICTURES = ("journey", "curves", "matrix", "grid", "network", "spread")
TABLES = [name for name in describe.TABLES if name not in ("questions", "contents")]
KNOWN = {
    "quantiles",
    "month",
    "rating",
    "target",
    "missing_pct",
    "smallest",
    "people",
    "smallest_effect",
}
"""Numbers that stand before anybody is looked at, and lower ends of classes."""


@pytest.fixture(scope="module")
def moved(study):
    """The same study behind two keys, and the first once more."""
    return [
        behind(study, Gate(Rule(10), Draws(key * 32, "state"), study.gate.alone))
        for key in (b"x", b"y", b"x")
    ]


def numbers(value, about=""):
    """Every number in a record with where it stands, but for those that are KNOWN."""
    if isinstance(value, dict):
        return {
            k: v for key, one in value.items() for k, v in numbers(one, f"{about}/{key}").items()
        }
    if isinstance(value, list):
        return {
            k: v for i, one in enumerate(value) for k, v in numbers(one, f"{about}/{i}").items()
        }
    known = KNOWN & set(about.split("/"))
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and not known
    return {about: value} if is_number else {}


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_no_number_of_a_picture_is_the_same_by_another_key(study, moved, name):
    one, two, again = (getattr(la, name)(each).record for each in moved)
    assert json.dumps(one) == json.dumps(again)
    one, two, exact = (
        numbers(record["rows"]) for record in (one, two, getattr(la, name)(study).record)
    )
    assert one and exact
    for other in (two, exact):
        both = one.keys() & other.keys()
        # what starts at all, or is rounded to a digit or two, is the same now and then
        same = [key for key in both if one[key] == other[key] and one[key] not in (0, 100)]
        assert len(same) <= (0.5 if name == "grid" else 0.25) * len(both), same


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_moved_by_its_key(study, moved, name):
    one, two, again = (describe.table(each, name).frame for each in moved)
    pd.testing.assert_frame_equal(one, again)
    exact = describe.table(study, name).frame
    assert one.shape[1] == exact.shape[1] and not one.equals(exact) and not one.equals(two)


@pytest.mark.slow
@pytest.mark.parametrize("of", ["", "gaps", "Q2"])
def test_a_flow_is_moved_and_falls_and_keeps_its_steps(study, moved, of):
    one, two, again = (flows.flow(each, of) for each in moved)
    pd.testing.assert_frame_equal(one, again)
    exact = flows.flow(study, of)
    assert one.step.tolist() == exact.step.tolist() == two.step.tolist()
    read = exact.step == "read"
    assert not (one.rows == exact.rows)[read & exact.shown].any()
    for _, steps in one.groupby("table"):
        left = steps.left_pct.dropna().astype(float)
        assert left.iloc[0] == 100 and (left.diff().dropna() <= 0).all()
    told = exact.left_pct.astype(float).between(1, 99)
    assert told.sum() and not (one.left_pct == exact.left_pct)[told].any()


def test_a_step_that_drops_few_reads_as_one_that_drops_nobody(study):
    account = study.linked.attrition
    few = account[account.table == "reviews"].copy()
    exact = flows.flow(study)
    who = few.who.iloc[0]
    few.at[few.index[1], "who"], few.at[few.index[1], "each"] = who[:2], [1, 1]
    other = behind(study, study.gate)
    linked = other.linked
    vars(other)["linked"] = type(linked)(linked.person_cycles, few)
    assert flows.flow(other).left_pct.tolist() == exact[exact.table == "reviews"].left_pct.tolist()


def test_the_same_rows_are_as_many_wherever_they_are_told(moved):
    contents = describe.table(moved[0], "contents").frame.set_index("table").rows
    told = flows.flow(moved[0])
    told = told[told.step == "read"].set_index("table").rows
    shared = [name for name in told.index if name in contents.index]
    assert shared and [told[name] for name in shared] == [contents[name] for name in shared]


def test_an_analyst_alone_sees_what_was_counted(study):
    gaps = study.journeys.gaps
    found = la.journey(study).record["rows"]
    assert found[0]["gaps"] == len(gaps)
    assert found[1]["share"] == pytest.approx(100 * gaps.acknowledged_on.notna().mean())
    read = flows.flow(study)
    reviews = study.dataset.tables["reviews"].count().execute()
    assert read[(read.table == "reviews") & (read.step == "read")].rows.iloc[0] == reviews

"""Linking, on timelines drawn as tables: one row per review, and an account of every row that fell out."""

import dataclasses

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnalign import datasets, linking

PEOPLE = """
    person_id  hired_on    left_on
    ana        2020-01-01  -
    ben        2020-01-01  2024-12-01
"""
REVIEWS = """
    person_id  cycle    reviewed_on  rating  unit  manager_id
    ana        2023-H1  2023-07-01   2       ops   mia
    ana        2023-H2  2024-01-01   3       ops   mia
    ana        2024-H1  2024-07-01   1       ops   mia
    ben        2023-H1  2023-07-01   1       ops   mia
    ben        2024-H1  2024-07-01   3       ops   mia
"""
LEARNING = """
    person_id  learned_on  activity_type  hours  is_required  status
    ana        2022-11-30  course         1      false        -
    ana        2022-12-01  course         2      false        -
    ana        2023-06-01  course         4      false        completed
    ana        2023-12-01  mentoring      8      false        completed
    ana        2023-12-01  course         16     true         completed
    ana        2023-12-02  reading        32     false        completed
    ana        2024-06-01  reading        64     false        completed
    ben        2024-01-01  course         5      false        no_show
    ben        2024-01-01  course         6      false        waitlisted
    ben        2024-01-02  course         7      false        -
"""
SAID = """
    person_id  acknowledged_on  channel
    ana        2023-12-01       question
    ana        2023-12-15       help_request
    ben        2023-06-02       question
"""


def cycles(linked: linking.Linked) -> pd.DataFrame:
    return linked.person_cycles.set_index(["person_id", "cycle"])


def test_prior_ratings_follow_the_person_in_time(drawn):
    found = cycles(linking.link(datasets.read(drawn(people=PEOPLE, reviews=REVIEWS))))
    last = found.loc[("ana", "2024-H1")]
    assert (last.rating_prior_1, last.cycle_prior_1, last.rating_prior_2, last.cycle_prior_2) == (
        3,
        "2023-H2",
        2,
        "2023-H1",
    )
    assert found.loc[("ben", "2024-H1")].rating_prior_1 == 1  # the review that ben never had is skipped
    assert found.loc[("ben", "2024-H1")][["rating_prior_2", "cycle_prior_2"]].isna().all()


def test_windows_run_from_review_to_review_less_the_embargo(drawn):
    found = cycles(linking.link(datasets.read(drawn(people=PEOPLE, reviews=REVIEWS)), embargo_days=30))
    windows = found[["window_start", "window_end"]].astype(str)
    assert windows.loc[("ana", "2023-H1")].tolist() == ["2022-12-01", "2023-06-01"]  # first: 182 days back
    assert windows.loc[("ana", "2023-H2")].tolist() == ["2023-06-01", "2023-12-02"]
    assert windows.loc[("ben", "2024-H1")].tolist() == ["2023-06-01", "2024-06-01"]


def test_learning_counts_in_its_window_only(drawn):
    found = cycles(linking.link(datasets.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING))))
    assert found.hours.to_dict() == {
        ("ana", "2023-H1"): 2, ("ana", "2023-H2"): 4 + 8 + 16, ("ana", "2024-H1"): 32,
        ("ben", "2023-H1"): 0, ("ben", "2024-H1"): 7,
    }  # fmt: skip
    middle = found.loc[("ana", "2023-H2")]
    assert (middle.voluntary_hours, middle.required_hours, middle.activities, middle.voluntary_activities) == (
        12,
        16,
        3,
        2,
    )
    assert (middle.formal_hours, middle.social_hours, middle.informal_hours) == (20, 8, 0)


def test_the_windows_around_are_the_same_person_s_and_the_last_has_no_next(drawn):
    found = cycles(linking.link(datasets.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING))))
    assert found.voluntary_hours_next.loc["ana"].tolist()[:2] == [12, 32]
    assert pd.isna(found.voluntary_hours_next.loc[("ana", "2024-H1")])  # missing, not zero
    assert found.voluntary_hours_previous.loc[("ana", "2024-H1")] == 12
    assert found.voluntary_hours_previous_2.loc[("ana", "2024-H1")] == 2
    assert pd.isna(found.voluntary_hours_previous.loc[("ben", "2023-H1")])


def test_what_is_in_the_embargo_belongs_to_the_next_review(drawn):
    found = cycles(linking.link(datasets.read(drawn(people=PEOPLE, reviews=REVIEWS, acknowledgements=SAID))))
    assert found.acknowledgements.to_dict() == {
        ("ana", "2023-H1"): 0, ("ana", "2023-H2"): 1, ("ana", "2024-H1"): 1,
        ("ben", "2023-H1"): 0, ("ben", "2024-H1"): 1,
    }  # fmt: skip
    assert found.acknowledged.loc[("ana", "2024-H1")]


def test_not_recorded_is_empty_not_zero(drawn):
    found = linking.link(datasets.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING))).person_cycles
    assert found.acknowledgements.isna().all() and found.acknowledged.isna().all()
    without_hours = LEARNING.replace("  hours", "  cost ")
    found = linking.link(datasets.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=without_hours))).person_cycles
    assert found.voluntary_hours.isna().all() and found.voluntary_activities.sum() == 5


def test_every_learning_row_is_accounted_for(drawn):
    linked = linking.link(datasets.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING)))
    flow = linked.attrition.query("table == 'learning'").set_index("step")
    assert flow.rows.to_dict() == {
        "read": 0, "after_as_of": 0, "not_completed": 2, "no_review": 0, "before_first_window": 1,
        "after_last_window": 1,
    }  # fmt: skip
    assert flow.loc["after_last_window", "rows_left"] == linked.person_cycles.activities.sum() == 6


def test_an_earlier_as_of_cuts_reviews_and_events_and_says_so(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING)
    linked = linking.link(datasets.read(folder, as_of="2024-01-01"))
    assert len(linked.person_cycles) == 3
    flow = linked.attrition.set_index(["table", "step"])
    assert flow.loc[("reviews", "after_as_of"), "rows"] == 2
    assert flow.loc[("learning", "after_as_of"), "rows"] == 2


def test_rewards_join_their_review_and_the_unrewarded_are_counted(drawn):
    rewards = """
        person_id  cycle    effective_on  merit_pct  merit_target_pct
        ana        2023-H1  2023-09-01    3.5        3.0
        ana        2022-H2  2023-03-01    2.0        2.0
        ben        2023-H1  2023-09-01    1.0        -
    """
    linked = linking.link(datasets.read(drawn(people=PEOPLE, reviews=REVIEWS, rewards=rewards)))
    assert cycles(linked).merit_gap_pct.loc[("ana", "2023-H1")] == 0.5
    flow = linked.attrition.set_index(["table", "step"])
    assert flow.loc[("rewards", "no_review"), "rows"] == 1  # 2022-H2 was never reviewed
    assert flow.loc[("merit", "no_reward"), ["rows", "rows_left"]].tolist() == [3, 2]


@pytest.mark.parametrize("column", ["last_learned_on", "last_acknowledged_on"])
def test_an_event_after_its_window_stops_everything(drawn, column):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING, acknowledgements=SAID)
    linked = linking.link(datasets.read(folder))
    linking.assert_time_order(linked.person_cycles)
    broken = linked.person_cycles.assign(**{column: linked.person_cycles.window_end})
    with pytest.raises(linking.TimeOrderError, match=f"{column}: 5 person-cycles"):
        linking.assert_time_order(broken)


def test_the_account_shows_no_rows(drawn):
    linked = linking.link(datasets.read(drawn(people=PEOPLE, reviews=REVIEWS)))
    assert repr(linked) == "Linked(5 person-cycles of 2 people)"


DAYS = st.dates(min_value=pd.Timestamp("2021-01-01").date(), max_value=pd.Timestamp("2024-12-31").date())


@pytest.mark.property
@settings(max_examples=10, deadline=None)
@given(
    reviews=st.lists(st.tuples(st.sampled_from("abc"), DAYS), min_size=1, max_size=12, unique=True),
    events=st.lists(st.tuples(st.sampled_from("abcd"), DAYS), max_size=20),
    embargo=st.integers(0, 90),
)
def test_every_event_counts_once_or_is_accounted_for(tmp_path_factory, write_tables, reviews, events, embargo):
    people = pd.DataFrame({"person_id": list("abcd"), "hired_on": "2020-01-01"})
    rows = [(who, f"c{i:02d}", day, 1, "u") for i, (who, day) in enumerate(reviews)]
    tables = {
        "people": people,
        "reviews": pd.DataFrame(rows, columns=["person_id", "cycle", "reviewed_on", "rating", "unit"]),
        "acknowledgements": pd.DataFrame(events, columns=["person_id", "acknowledged_on"]).assign(channel="question"),
    }
    dataset = datasets.read(write_tables(tmp_path_factory.mktemp("data"), tables))
    linked = linking.link(dataset, embargo_days=embargo)
    assert len(linked.person_cycles) == len(reviews)
    if events:
        flow = linked.attrition.query("table == 'acknowledgements'")
        assert flow.rows.sum() + linked.person_cycles.acknowledgements.sum() == len(events)
    # the order of rows in a file means nothing
    backwards = {name: table.iloc[::-1] for name, table in tables.items()}
    again = linking.link(datasets.read(write_tables(tmp_path_factory.mktemp("data"), backwards)), embargo_days=embargo)
    pd.testing.assert_frame_equal(again.person_cycles, linked.person_cycles)


def test_linked_is_frozen(drawn):
    linked = linking.link(datasets.read(drawn(people=PEOPLE, reviews=REVIEWS)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        linked.person_cycles = None

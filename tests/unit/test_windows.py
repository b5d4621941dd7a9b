"""Linking, on timelines drawn as tables: one row per review, and an account of every row that fell
out.
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnalign.data import reading
from learnalign.linking import journeys
from learnalign.linking import windows as linking
from northbank import tables as simulate

PEOPLE = """
    person_id  hired_on    left_on
    ana        2020-01-01  -
    ben        2020-01-01  2024-12-01
    cem        2020-01-01  -
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
    cem        2022-12-31       question
"""


def cycles(linked: linking.Linked) -> pd.DataFrame:
    return linked.person_cycles.set_index(["person_id", "cycle"])


def test_prior_ratings_follow_the_person_in_time(drawn):
    found = cycles(linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS))))
    last = found.loc[("ana", "2024-H1")]
    assert (last.rating_prior_1, last.cycle_prior_1, last.rating_prior_2, last.cycle_prior_2) == (
        3,
        "2023-H2",
        2,
        "2023-H1",
    )
    assert (
        found.loc[("ben", "2024-H1")].rating_prior_1 == 1
    )  # the review that ben never had is skipped
    assert found.loc[("ben", "2024-H1")][["rating_prior_2", "cycle_prior_2"]].isna().all()


SETTLED = """
    person_id  cycle    reviewed_on  rating  unit  manager_id  settled_on
    ana        2023-H1  2023-07-01   2       ops   mia         -
    ana        2023-H2  2024-01-01   3       ops   mia         2023-11-01
    ana        2024-H1  2024-07-01   1       ops   mia         -
"""


@pytest.mark.slow
def test_windows_end_before_a_rating_was_settled_and_go_on_from_there(drawn):
    data = reading.read(drawn(people=PEOPLE, reviews=SETTLED, acknowledgements=SAID))
    found = linking.link(data, embargo_days=30).person_cycles
    days = found[["window_start", "window_end"]].astype(str).to_numpy().tolist()
    assert days[1:] == [["2023-06-01", "2023-10-02"], ["2023-10-02", "2024-06-01"]]
    # 1 and 15 December came after the rating was made up: they are of the next window
    assert found.acknowledgements.tolist()[1:] == [0, 2]


@pytest.mark.slow
def test_what_was_said_late_or_seen_is_counted_apart(drawn):
    said = """
    person_id  acknowledged_on  channel       audience
    ana        2023-10-15       question      private
    ana        2023-10-18       question      team
    ana        2023-11-20       one_to_one    manager
    ana        2023-12-02       question      team
    """
    data = reading.read(drawn(people=PEOPLE, reviews=REVIEWS, acknowledgements=said))
    row = cycles(linking.link(data, embargo_days=30)).loc[("ana", "2023-H2")]
    names = ("", "_late", "_seen", "_not_written_up", "_not_written_up_seen")
    # the window ends on 2 December, the last 45 days begin on 18 October
    assert [row[f"acknowledgements{name}"] for name in names] == [3, 2, 2, 2, 1]


MOVES = """
    person_id  cycle    reviewed_on  rating  unit  manager_id  grade
    ana        2023-H1  2023-06-15   3       A     m1          -
    ana        2023-H2  2023-12-15   3       A     m2          G1
    ana        2024-H1  2024-06-15   3       B     m2          G2
"""


@pytest.mark.slow
def test_a_move_is_told_against_the_person_s_own_last_review_and_never_guessed(drawn):
    found = linking.link(reading.read(drawn(people=PEOPLE, reviews=MOVES))).person_cycles
    moved = found[["manager_changed", "unit_changed", "grade_changed"]].to_numpy(bool)
    first, second, third = moved.tolist()
    assert first == [False, False, False]  # nothing to differ from
    assert second == [True, False, False]  # the grade before is not recorded
    assert third == [False, True, True]


@pytest.mark.slow
def test_windows_run_from_review_to_review_less_the_embargo(drawn):
    found = cycles(
        linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS)), embargo_days=30)
    )
    windows = found[["window_start", "window_end"]].astype(str)
    assert windows.loc[("ana", "2023-H1")].tolist() == [
        "2022-12-01",
        "2023-06-01",
    ]  # first: 182 days back
    assert windows.loc[("ana", "2023-H2")].tolist() == ["2023-06-01", "2023-12-02"]
    assert windows.loc[("ben", "2024-H1")].tolist() == ["2023-06-01", "2024-06-01"]


@pytest.mark.slow
def test_learning_counts_in_its_window_only(drawn):
    found = cycles(
        linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING)))
    )
    assert found.hours.to_dict() == {
        ("ana", "2023-H1"): 2,
        ("ana", "2023-H2"): 4 + 8 + 16,
        ("ana", "2024-H1"): 32,
        ("ben", "2023-H1"): 0,
        ("ben", "2024-H1"): 7,
    }
    middle = found.loc[("ana", "2023-H2")]
    assert (
        middle.voluntary_hours,
        middle.required_hours,
        middle.activities,
        middle.voluntary_activities,
    ) == (12, 16, 3, 2)
    assert (middle.formal_hours, middle.social_hours, middle.informal_hours) == (20, 8, 0)


@pytest.mark.slow
def test_the_windows_around_are_the_same_person_s_and_the_last_has_no_next(drawn):
    found = cycles(
        linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING)))
    )
    assert found.voluntary_hours_next.loc["ana"].tolist()[:2] == [12, 32]
    assert pd.isna(found.voluntary_hours_next.loc[("ana", "2024-H1")])  # missing, not zero
    assert found.voluntary_hours_previous.loc[("ana", "2024-H1")] == 12
    assert found.voluntary_hours_previous_2.loc[("ana", "2024-H1")] == 2
    assert pd.isna(found.voluntary_hours_previous.loc[("ben", "2023-H1")])


@pytest.mark.slow
def test_what_is_in_the_embargo_belongs_to_the_next_review(drawn):
    found = cycles(
        linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS, acknowledgements=SAID)))
    )
    assert found.acknowledgements.to_dict() == {
        ("ana", "2023-H1"): 0,
        ("ana", "2023-H2"): 1,
        ("ana", "2024-H1"): 1,
        ("ben", "2023-H1"): 0,
        ("ben", "2024-H1"): 1,
    }
    assert found.acknowledged.loc[("ana", "2024-H1")]


@pytest.mark.slow
def test_not_recorded_is_empty_not_zero(drawn):
    found = linking.link(
        reading.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING))
    ).person_cycles
    assert found.acknowledgements.isna().all() and found.acknowledged.isna().all()
    without_hours = LEARNING.replace("  hours", "  cost ")
    found = linking.link(
        reading.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=without_hours))
    ).person_cycles
    assert found.voluntary_hours.isna().all() and found.voluntary_activities.sum() == 5


@pytest.mark.slow
def test_every_learning_row_is_accounted_for(drawn):
    linked = linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING)))
    flow = linked.attrition.query("table == 'learning'").set_index("step")
    assert flow.rows.to_dict() == {
        "read": 0,
        "after_as_of": 0,
        "not_completed": 2,
        "no_review": 0,
        "before_first_window": 1,
        "after_last_window": 1,
    }
    assert flow.loc["after_last_window", "rows_left"] == linked.person_cycles.activities.sum() == 6


@pytest.mark.slow
def test_an_earlier_as_of_cuts_reviews_and_events_and_says_so(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING)
    linked = linking.link(reading.read(folder, as_of="2024-01-01"))
    assert len(linked.person_cycles) == 3
    flow = linked.attrition.set_index(["table", "step"])
    assert flow.loc[("reviews", "after_as_of"), "rows"] == 2
    assert flow.loc[("learning", "after_as_of"), "rows"] == 2


@pytest.mark.slow
def test_rewards_join_their_review_and_the_unrewarded_are_counted(drawn):
    rewards = """
        person_id  cycle    effective_on  merit_pct  merit_target_pct
        ana        2023-H1  2023-09-01    3.5        3.0
        ana        2022-H2  2023-03-01    2.0        2.0
        ben        2023-H1  2023-09-01    1.0        -
    """
    linked = linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS, rewards=rewards)))
    assert cycles(linked).merit_gap_pct.loc[("ana", "2023-H1")] == 0.5
    flow = linked.attrition.set_index(["table", "step"])
    assert flow.loc[("rewards", "no_review"), "rows"] == 1  # 2022-H2 was never reviewed
    assert flow.loc[("merit", "no_reward"), ["rows", "rows_left"]].tolist() == [3, 2]


@pytest.mark.slow
@pytest.mark.parametrize("column", linking.LAST)
def test_an_event_after_its_window_stops_everything(drawn, column):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING, acknowledgements=SAID)
    linked = linking.link(reading.read(folder))
    linking.assert_time_order(linked.person_cycles)
    broken = linked.person_cycles.assign(**{column: linked.person_cycles.window_end})
    with pytest.raises(linking.TimeOrderError, match=f"{column}: 5 person-cycles"):
        linking.assert_time_order(broken)


@pytest.mark.slow
def test_the_account_shows_no_rows(drawn):
    linked = linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS)))
    assert repr(linked) == "Linked(5 person-cycles of 2 people)"


# --- what comes after, and the landmark

COMPANY = """
    person_id  cycle   reviewed_on  rating  unit
    ana        spring  2023-07-01   2       ops
    ana        autumn  2024-01-01   3       ops
    ben        spring  2023-07-20   1       hr
    cem        spring  2023-07-20   1       hr
    cem        autumn  2024-01-20   1       hr
"""


@pytest.mark.slow
def test_reviewed_next_asks_for_the_company_s_next_cycle(drawn):
    folder = drawn(people=PEOPLE, reviews=COMPANY)
    found = cycles(linking.link(reading.read(folder))).reviewed_next
    assert found.loc[:, "spring"].to_dict() == {"ana": True, "ben": False, "cem": True}
    assert found.loc[:, "autumn"].isna().all()  # the last cycle, though not the last by name
    found = cycles(linking.link(reading.read(folder, as_of="2023-12-31"))).reviewed_next
    assert len(found) == 3 and found.isna().all()  # in this edition spring is the last


@pytest.mark.slow
def test_who_skips_a_cycle_was_not_reviewed_next(drawn):
    found = cycles(
        linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING)))
    )
    assert found.reviewed_next.loc["ana"].tolist() == [True, True, None]
    assert found.reviewed_next.loc["ben"].tolist() == [False, None]
    early = found.voluntary_activities_early_next
    assert early.loc["ana"].tolist()[:2] == [1, 1] and pd.isna(early.loc[("ana", "2024-H1")])
    assert early.loc[("ben", "2023-H1")] == 0  # ben's own next window goes on until 2024


@pytest.mark.slow
def test_the_landmark_is_the_first_sixty_days_of_the_next_window(drawn):
    learning = """
        person_id  learned_on  activity_type  hours  is_required  status
        ana        2023-05-31  course         1      false        -
        ana        2023-06-01  course         2      false        completed
        ana        2023-06-01  course         4      true         completed
        ana        2023-06-01  course         8      false        no_show
        ana        2023-07-30  course         16     false        -
        ana        2023-07-31  course         32     false        -
    """
    said = """
        person_id  acknowledged_on  channel
        ana        2023-05-31       question
        ana        2023-06-01       question
        ana        2023-07-30       question
        ana        2023-07-31       question
    """
    folder = drawn(people=PEOPLE, reviews=COMPANY, learning=learning, acknowledgements=said)
    first = cycles(linking.link(reading.read(folder))).loc[("ana", "spring")]
    assert (first.voluntary_hours_early_next, first.voluntary_activities_early_next) == (2 + 16, 2)
    assert first.acknowledgements_early_next == 2
    assert (first.voluntary_hours, first.voluntary_hours_next, first.acknowledgements) == (
        1,
        2 + 16 + 32,
        1,
    )
    early = [name for name in first.index if name.endswith("_early_next")]
    cut = cycles(linking.link(reading.read(folder, as_of="2023-12-31")))[
        early
    ]  # no next cycle in this edition
    assert len(early) == 3 and cut.isna().all(axis=None)


@pytest.mark.slow
def test_a_landmark_counts_only_who_was_employed_until_its_end(drawn):
    people = """
        person_id  hired_on    left_on
        ana        2020-01-01  2023-07-01
        ben        2020-01-01  2023-07-30
        cem        2020-01-01  2023-07-31
        dee        2020-01-01  -
    """
    reviews = """
        person_id  cycle    reviewed_on  rating  unit
        ana        2023-H1  2023-07-01   2       ops
        ben        2023-H1  2023-07-01   2       hr
        cem        2023-H1  2023-07-01   2       hr
        dee        2023-H1  2023-07-01   2       hr
        dee        2023-H2  2024-01-01   2       hr
    """
    said = """
        person_id  acknowledged_on  channel
        ana        2023-06-01       question
        ben        2023-06-01       question
        cem        2023-06-01       question
    """
    folder = drawn(people=people, reviews=reviews, acknowledgements=said)
    found = (
        cycles(linking.link(reading.read(folder)))
        .loc[(slice(None), "2023-H1"), :]
        .droplevel("cycle")
    )
    assert found.acknowledgements_early_next.loc[["cem", "dee"]].tolist() == [1, 0]
    assert (
        found.acknowledgements_early_next.loc[["ana", "ben"]].isna().all()
    )  # ben left on the landmark's last day
    assert found.reviewed_next.to_dict() == {"ana": False, "ben": False, "cem": False, "dee": True}
    assert found.voluntary_activities_early_next.isna().all()  # no learning is recorded
    broken = linking.link(reading.read(folder)).person_cycles.assign(acknowledgements_early_next=0)
    with pytest.raises(
        linking.TimeOrderError, match="acknowledgements_early_next: 2 person-cycles hold more"
    ):
        linking.assert_time_order(broken)


@pytest.mark.slow
@pytest.mark.parametrize(("opens", "is_counted"), [("2023-08-30", False), ("2023-08-31", True)])
def test_a_landmark_ends_before_anybody_in_the_company_can_be_reviewed_next(
    drawn, opens, is_counted
):
    reviews = f"""
        person_id  cycle    reviewed_on  rating  unit
        ana        2023-H1  2023-07-01   2       ops
        ana        2023-H2  2024-01-01   2       ops
        ben        2023-H2  {opens}      2       hr
    """
    found = cycles(
        linking.link(reading.read(drawn(people=PEOPLE, reviews=reviews, acknowledgements=SAID)))
    )
    assert (found.acknowledgements_early_next.loc[("ana", "2023-H1")] == 0) == is_counted
    assert found.reviewed_next.loc[("ana", "2023-H1")]


@pytest.mark.slow
def test_a_next_window_shorter_than_the_landmark_has_none(drawn):
    reviews = """
        person_id  cycle  reviewed_on  rating  unit
        ben        first  2023-01-01   2       hr
        ana        first  2023-08-29   2       ops
        ana        then   2023-07-01   2       ops
        ben        then   2023-07-01   2       hr
        ana        last   2024-01-01   2       ops
    """  # ana's first review comes late: her window after the one of `then` is over 59 days later
    linked = linking.link(
        reading.read(drawn(people=PEOPLE, reviews=reviews, acknowledgements=SAID))
    )
    found = cycles(linked).acknowledgements_early_next
    assert pd.isna(found.loc[("ana", "then")]) and found.loc[("ben", "then")] == 1
    some_more = linked.person_cycles.acknowledgements_next + 1
    broken = linked.person_cycles.assign(left_on=pd.NaT, acknowledgements_early_next=some_more)
    with pytest.raises(
        linking.TimeOrderError, match="acknowledgements_early_next: 3 person-cycles hold more"
    ):
        linking.assert_time_order(broken)


@pytest.mark.slow
def test_a_window_that_was_over_before_anything_was_recorded_is_empty(drawn):
    late = """
        person_id  acknowledged_on  channel
        cem        2023-06-01       question
    """
    waits = """
        person_id  learned_on  activity_type  status
        cem        2023-05-31  course         waitlisted
    """
    folder = drawn(people=PEOPLE, reviews=REVIEWS, acknowledgements=late, learning=waits)
    found = cycles(linking.link(reading.read(folder)))
    first = found.loc[(slice(None), "2023-H1"), :]  # ends on 2023-06-01, that day excluded
    assert first[["acknowledgements", "acknowledged"]].isna().all(axis=None)
    assert (
        first.activities == 0
    ).all()  # the system recorded by then, though nothing was completed
    assert pd.isna(found.acknowledgements_previous.loc[("ana", "2023-H2")])
    assert pd.isna(found.acknowledgements_previous_2.loc[("ana", "2024-H1")])
    assert (first.acknowledgements_next == 0).all() and (
        first.acknowledgements_early_next == 0
    ).all()
    later = drawn(people=PEOPLE, reviews=REVIEWS, acknowledgements=late.replace("06-01", "07-31"))
    early = cycles(linking.link(reading.read(later))).acknowledgements_early_next
    assert pd.isna(early.loc[("ana", "2023-H1")]) and early.loc[("ana", "2023-H2")] == 0


# --- what came after an acknowledgement

ASKING = """
    person_id  acknowledged_on  channel   skill
    ana        2023-02-01       question  sql
    ana        2023-03-01       question  sql
    ana        2023-03-01       question  sql
    ana        2023-05-20       question  -
    ana        2023-05-31       question  tax
    ana        2023-06-01       question  tax
"""
ANSWERS = """
    learned_on  skill  is_required  status     autonomous  dependent
    2023-01-31  sql    false        -          0           1
    2023-02-01  sql    false        -          1           0
    2023-02-28  sql    -            completed  1           0
    2023-03-01  sql    false        -          3           0
    2023-03-02  sql    false        -          3           1
    2023-03-03  sql    false        -          3           1
    2023-03-04  sql    false        -          2           1
    2023-03-31  sql    false        -          2           1
    2023-04-01  sql    false        -          0           1
    2023-02-01  tax    false        -          0           1
    2023-02-01  -      false        -          0           1
    2023-02-01  sql    true         -          0           1
    2023-02-01  sql    false        no_show    0           1
    2023-05-31  tax    false        -          1           1
    2023-06-01  tax    false        -          0           1
"""  # 3 March is day 30 after 1 February, and 31 March after 1 March
KINDS = ["autonomous_acknowledgements", "dependent_acknowledgements"]


@pytest.mark.slow
def test_own_learning_on_the_skill_within_thirty_days_or_asked_again_without(drawn):
    """Everybody asks as ana does, and learns once, each another thing."""
    head, *asking = ASKING.strip().splitlines()
    _, *answers = [line.split() for line in ANSWERS.strip().splitlines()]
    who = [f"ana{i}" for i in range(len(answers))]
    reviewed = [(f"2023-H{half}", day) for half, day in ((1, "2023-07-01"), (2, "2024-01-01"))]
    folder = drawn(
        people="person_id hired_on\n" + "\n".join(f"{name} 2020-01-01" for name in (*who, "cem")),
        reviews="\n".join(
            [
                "person_id cycle reviewed_on rating unit",
                *(f"{name} {cycle} {day} 2 ops" for name in who for cycle, day in reviewed),
            ]
        ),
        acknowledgements="\n".join(
            [
                head,
                *(line.replace("ana", name) for name in who for line in asking),
                "cem 2022-06-01 question sql",
            ]
        ),
        learning="\n".join(
            [
                "person_id activity_type learned_on skill is_required status",
                *(
                    f"{name} course {' '.join(answer[:4])}"
                    for name, answer in zip(who, answers, strict=True)
                ),
                "cem course 2022-06-01 sql false -",
            ]
        ),
    )
    found = cycles(linking.link(reading.read(folder)))[KINDS]
    first, second = (found.xs(f"2023-H{half}", level="cycle").loc[who] for half in (1, 2))
    assert first.to_numpy().tolist() == [[int(n) for n in answer[4:]] for answer in answers]
    assert second.to_numpy().tolist() == [[0, 0]] * 14 + [
        [1, 0]
    ]  # what is learned in the next window counts there


@pytest.mark.slow
def test_without_learning_or_skills_nobody_knows_who_asks_again(drawn):
    silent = drawn(people=PEOPLE, reviews=REVIEWS, acknowledgements=ASKING)
    vague = drawn(
        people=PEOPLE, reviews=REVIEWS, acknowledgements=ASKING, learning=LEARNING
    )  # no skill of any
    nothing = drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING.replace("hours", "skill"))
    for folder in (silent, vague, nothing):
        assert cycles(linking.link(reading.read(folder)))[KINDS].isna().all(axis=None)


# --- kinds of learning, what was not held, skills that nobody assessed


@pytest.mark.slow
def test_voluntary_learning_is_of_one_kind_each(drawn):
    learning = """
        person_id  learned_on  activity_type  mode    hours  is_required
        ana        2023-06-01  course         -       1      false
        ana        2023-06-01  course         -       2      true
        ana        2023-06-01  course         social  4      -
        ana        2023-06-01  reading        -       8      false
        ana        2023-06-01  peer           -       16     false
        ana        2023-12-01  mentoring      -       32     false
        ana        2023-12-01  mentoring      formal  64     false
        ana        2023-12-01  mentoring      -       128    true
        ana        2023-12-02  mentoring      -       256    false
    """  # what is required is of no other kind, and mentoring is mentoring whatever its mode
    found = cycles(
        linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=learning)))
    )
    second = found.loc[("ana", "2023-H2")]
    kinds = {kind: second[f"voluntary_{kind}_hours"] for kind in linking.KINDS}
    assert kinds == {"formal": 1, "informal": 8, "social": 4 + 16, "mentoring": 32 + 64}
    assert [second[f"voluntary_{kind}_activities"] for kind in linking.KINDS] == [1, 1, 2, 2]
    assert sum(kinds.values()) == second.voluntary_hours and second.required_hours == 2 + 128
    assert (second.formal_hours, second.social_hours) == (
        1 + 2 + 64,
        4 + 16 + 32 + 128,
    )  # by mode, as before
    assert found.voluntary_mentoring_hours.loc[("ana", "2024-H1")] == 256


NOT_HELD = """
    person_id  learned_on  activity_type  is_required  status
    ana        2022-11-30  course         false        cancelled_by_provider
    ana        2022-12-01  course         false        cancelled_by_provider
    ana        2023-06-01  course         false        waitlisted
    ana        2023-07-01  mentoring      -            waitlisted
    ana        2023-08-01  course         true         waitlisted
    ana        2023-08-01  course         false        withdrawn
    ana        2023-08-01  course         false        no_show
    ana        2023-08-01  course         false        in_progress
    ana        2023-12-01  reading        false        completed
    ana        2023-12-02  peer           false        cancelled_by_provider
    ana        2024-06-01  peer           false        cancelled_by_provider
"""


@pytest.mark.slow
def test_what_was_wanted_and_not_held_is_counted_in_its_window(drawn):
    """Cancelled by the provider or waitlisted, and not required; who withdrew or stayed away did
    not want it.
    """
    found = cycles(
        linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=NOT_HELD)))
    )
    columns = ["offered_not_held", *(f"{kind}_not_held" for kind in linking.KINDS)]
    assert found.loc["ana", columns].to_numpy().tolist() == [
        [1, 1, 0, 0, 0],
        [2, 1, 0, 0, 1],
        [1, 0, 0, 1, 0],
    ]
    assert found.last_not_held_on.loc["ana"].astype(str).tolist() == [
        "2022-12-01",
        "2023-07-01",
        "2023-12-02",
    ]
    assert found.activities.loc["ana"].tolist() == [0, 1, 0]
    unsaid = NOT_HELD.replace("status", "skill")
    found = cycles(
        linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS, learning=unsaid)))
    )
    assert found[columns].isna().all(axis=None)  # without a status nobody knows what was not held


ASSESSMENTS = """
    person_id  skill  assessed_on  required_level  assessed_level  trigger
    ana        sql    2023-05-01   3               1               scheduled
    ana        tax    2023-05-31   3               2               scheduled
    ana        law    2023-05-31   3               3               scheduled
    ana        art    2023-05-31   3               1               requested
    ana        tax    2023-06-01   3               3               scheduled
    ana        sql    2023-08-01   3               3               requested
    ana        art    2023-08-01   3               3               scheduled
    ana        tax    2023-09-01   3               0               scheduled
    ana        sql    2023-12-02   3               2               scheduled
    ana        law    2024-06-01   3               2               scheduled
"""


@pytest.mark.slow
def test_unrelated_is_voluntary_learning_on_skills_that_the_person_was_never_assessed_in(drawn):
    learning = """
        person_id  learned_on  activity_type  hours  is_required  skill
        ana        2023-06-01  course         1      false        sql
        ana        2023-06-01  course         2      false        law
        ana        2023-06-01  course         4      false        golf
        ana        2023-06-01  course         8      false        chess
        ana        2023-06-01  course         16     true         golf
        ana        2023-06-01  course         32     false        -
        ana        2023-12-02  course         64     false        golf
        ben        2024-01-01  course         1      false        golf
    """  # ben was never assessed: nobody knows what is related for him
    tables = {"people": PEOPLE, "reviews": REVIEWS, "learning": learning}
    found = cycles(linking.link(reading.read(drawn(**tables, assessments=ASSESSMENTS))))
    assert found.unrelated_hours.loc["ana"].tolist()[1:] == [4 + 8, 64]
    assert found.unrelated_activities.loc["ana"].tolist()[1:] == [2, 1]
    assert found[["unrelated_hours", "unrelated_activities"]].loc["ben"].isna().all(axis=None)
    vague = {
        **tables,
        "learning": learning.replace("skill", "activity_id"),
        "assessments": ASSESSMENTS,
    }
    for missing in (tables, vague):
        assert (
            cycles(linking.link(reading.read(drawn(**missing)))).unrelated_activities.isna().all()
        )


GAP_COLUMNS = [
    "gaps_assessed",
    "gaps_severity",
    "gaps_acknowledged",
    "gaps_closed",
    "closed_severity",
]


@pytest.mark.slow
def test_gaps_found_and_closed_in_the_window_of_a_scheduled_assessment(drawn):
    said = """
        person_id  acknowledged_on  channel   skill
        ana        2023-01-01       question  tax
        ana        2023-04-30       question  sql
        ana        2023-05-31       question  law
        ana        2023-09-01       question  tax
        ana        2023-09-02       question  sql
        ana        2023-09-03       question  sql
    """
    tables = {"people": PEOPLE, "reviews": REVIEWS, "assessments": ASSESSMENTS}
    found = cycles(linking.link(reading.read(drawn(**tables, acknowledgements=said))))
    assert found.loc["ana", GAP_COLUMNS].to_numpy().tolist() == [
        [2, 2 + 1, 1, 0, 0],  # sql, said the day before; tax, said 150 days before
        [
            1,
            3,
            0,
            2,
            1 + 2,
        ],  # tax again, said on the day itself; tax and sql closed; art was not found by schedule
        [1, 1, 1, 0, 0],  # sql again, said 90 days before; law waits for the next review
    ]
    assert found.last_gap_on.loc["ana"].astype(str).tolist() == [
        "2023-05-31",
        "2023-09-01",
        "2023-12-02",
    ]
    assert found.loc["ben", GAP_COLUMNS].to_numpy().tolist() == [[0] * 5] * 2
    late = cycles(
        linking.link(
            reading.read(drawn(**tables, acknowledgements=said.replace("2023-0", "2024-0")))
        )
    )
    assert late.gaps_acknowledged.loc["ana"].isna().tolist() == [
        True,
        True,
        True,
    ]  # nothing was recorded by then
    assert late.gaps_assessed.loc["ana"].tolist() == [2, 1, 1]
    vague = cycles(
        linking.link(reading.read(drawn(**tables, acknowledgements=SAID)))
    )  # no skill of any
    silent = cycles(
        linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS, acknowledgements=said)))
    )
    assert vague.gaps_acknowledged.isna().all() and vague.gaps_closed.sum() == 2
    assert silent[GAP_COLUMNS].isna().all(axis=None)


@pytest.mark.slow
def test_gaps_are_those_of_the_journeys_and_names_mean_nothing(write_tables, tmp_path):
    """Counted once more from the journeys, row by row; and everybody under another name, in another
    order.
    """
    company = simulate.northbank(people=150, cycles=4, seed=8)
    tables = company.tables
    names = {
        name: f"X{place}"
        for place, name in enumerate(reversed(tables["people"].person_id.tolist()))
    }
    renamed = {
        table: rows.apply(lambda column: column.map(lambda value: names.get(value, value)))
        for table, rows in tables.items()
    }
    dataset = reading.read(write_tables(tmp_path / "one", tables, **company.dataset))
    found = linking.link(dataset).person_cycles
    windows = found.merge(
        journeys.gap_journeys(dataset).gaps, on="person_id", suffixes=("", "_gap")
    )
    begins, ends = (pd.to_datetime(windows[f"window_{end}"]) for end in ("start", "end"))
    inside = {
        on: windows[pd.to_datetime(windows[on]).between(begins, ends, inclusive="left")]
        for on in ("detected_on", "closed_on")
    }
    for column, rows, weight in (
        ("gaps_assessed", "detected_on", None),
        ("gaps_severity", "detected_on", "severity"),
        ("gaps_acknowledged", "detected_on", "acknowledged_before"),
        ("gaps_closed", "closed_on", None),
        ("closed_severity", "closed_on", "severity"),
    ):
        count = inside[rows].assign(
            n=inside[rows][weight].fillna(0).astype(float) if weight else 1.0
        )
        expected = count.groupby(["person_id", "cycle"]).n.sum()
        mine = found.set_index(["person_id", "cycle"])[column].dropna().astype(float)
        assert mine.sum() > 0
        pd.testing.assert_series_equal(
            mine, expected.reindex(mine.index, fill_value=0), check_names=False
        )
    other = linking.link(
        reading.read(write_tables(tmp_path / "other", renamed, **company.dataset))
    ).person_cycles
    there = {new: old for old, new in names.items()}
    back = other.assign(
        person_id=other.person_id.map(there), manager_id=other.manager_id.map(there)
    )
    back = back.sort_values(["person_id", "reviewed_on", "cycle"], ignore_index=True)
    same = found.sort_values(["person_id", "reviewed_on", "cycle"], ignore_index=True)
    pd.testing.assert_frame_equal(back, same, check_dtype=False)


# --- rewards


@pytest.mark.slow
def test_the_matrix_cell_and_the_bonus_net_of_the_company_s_result(drawn):
    rewards = """
        person_id  cycle    effective_on  merit_pct  merit_target_pct  compa_ratio  bonus_pct  company_factor
        ana        2023-H1  2023-09-01    3.5        3.25              0.9          6          1.2
        ana        2023-H2  2024-03-01    3.5        3.0               -            6          0
        ana        2024-H1  2024-09-01    3.5        -                 -            6          -
        ben        2023-H1  2023-09-01    1.0        3.25              -            -          1.2
    """
    folder = drawn(people=PEOPLE, reviews=REVIEWS, rewards=rewards)
    found = cycles(linking.link(reading.read(folder)))
    assert found.bonus_net_pct.loc["ana"].tolist() == pytest.approx([5, 6, 6])
    assert found.bonus_net_pct.loc["ben"].isna().all()
    cell = found.matrix_cell
    assert cell.notna().tolist() == [True, True, False, True, False]  # no target; no reward
    assert cell.nunique() == 3  # ben has ana's target at another rating
    assert found.merit_target_pct.loc["ana"].tolist()[:2] == [3.25, 3.0]
    carried = ["merit_pct", "merit_gap_pct", "compa_ratio", "fte", "grade", "tenure_years"]
    assert found.loc[("ana", "2023-H1"), carried].tolist()[:3] == [3.5, 0.25, 0.9]
    early = cycles(linking.link(reading.read(folder, as_of="2024-02-01")))
    assert early.matrix_cell.loc["ana"].notna().tolist() == [
        True,
        False,
    ]  # the second is not paid yet


@pytest.mark.slow
def test_a_merit_target_that_is_not_recorded_comes_from_the_matrix(drawn):
    """From the rating and the compa-ratio, its upper end excluded; what is recorded stays."""
    rewards = """
        person_id  cycle    effective_on  merit_pct  merit_target_pct  compa_ratio
        ana        2023-H1  2023-09-01    3.5        -                 0.9
        ana        2023-H2  2024-03-01    3.5        9.0               0.9
        ana        2024-H1  2024-09-01    3.5        -                 -
        ben        2023-H1  2023-09-01    1.0        -                 0.8
    """
    scores = (
        pd.DataFrame([line.split() for line in REVIEWS.strip().splitlines()[1:]])
        .iloc[:, 3]
        .astype(float)
    )
    matrix = [
        {"rating": rating, "compa_from": low, "compa_to": high, "target_pct": 10 * rating + low}
        for rating in sorted(set(scores))
        for low, high in ((0.0, 0.9), (0.9, 2.0))
    ]
    folder = drawn(people=PEOPLE, reviews=REVIEWS, rewards=rewards, meta={"merit_matrix": matrix})
    found = cycles(linking.link(reading.read(folder)))
    rating = found.rating
    assert (
        found.merit_target_pct.loc[("ana", "2023-H1")] == 10 * rating.loc[("ana", "2023-H1")] + 0.9
    )
    assert found.merit_target_pct.loc[("ana", "2023-H2")] == 9.0
    assert np.isnan(found.merit_target_pct.loc[("ana", "2024-H1")])
    assert found.merit_target_pct.loc[("ben", "2023-H1")] == 10 * rating.loc[("ben", "2023-H1")]
    assert found.merit_gap_pct.loc[("ben", "2023-H1")] == pytest.approx(
        1.0 - 10 * rating.loc[("ben", "2023-H1")]
    )


# --- whatever the rows

DAYS = st.dates(
    min_value=pd.Timestamp("2021-01-01").date(), max_value=pd.Timestamp("2022-06-30").date()
)
SKILL = st.sampled_from(["sql", "tax", ""])
STATUS = st.sampled_from(["", "completed", "no_show", *linking.NOT_HELD])
NEW = [
    "reviewed_next",
    "voluntary_hours_early_next",
    "voluntary_activities_early_next",
    "acknowledgements_early_next",
    "autonomous_acknowledgements",
    "dependent_acknowledgements",
    "offered_not_held",
    "unrelated_activities",
]


def counted_by_hand(
    tables: dict[str, pd.DataFrame], person_cycles: pd.DataFrame, embargo: int
) -> pd.DataFrame:
    """The new columns once more, row by row."""
    reviews, said, enrolled = (tables[name] for name in ("reviews", "acknowledgements", "learning"))
    done, lost = (
        enrolled[enrolled.status.isin(those)] for those in (["", "completed"], linking.NOT_HELD)
    )
    assessed = set(
        zip(tables["assessments"].person_id, tables["assessments"]["skill"], strict=True)
    )
    opens = (
        reviews.groupby("cycle")
        .reviewed_on.min()
        .reset_index()
        .sort_values(["reviewed_on", "cycle"])
    )
    following = dict(zip(opens.cycle, [*opens.cycle[1:], None], strict=True))
    first_day, there = (
        opens.set_index("cycle").reviewed_on,
        set(zip(reviews.person_id, reviews.cycle, strict=True)),
    )
    own_next = person_cycles.groupby("person_id").window_end.shift(-1)
    rows = []
    for row, next_end in zip(person_cycles.itertuples(), own_next, strict=True):
        after, end = following[row.cycle], row.window_end + pd.Timedelta(days=60)
        is_whole = (
            after is not None
            and end < first_day[after] - pd.Timedelta(days=embargo)
            and not end > next_end
        )
        is_seen = is_whole and not row.left_on < end
        mine, own = (table[table.person_id == row.person_id] for table in (said, done))
        early = own[(own.learned_on >= row.window_end) & (own.learned_on < end)]
        asked = int(((mine.acknowledged_on >= row.window_end) & (mine.acknowledged_on < end)).sum())
        inside = mine[
            (mine.acknowledged_on >= row.window_start) & (mine.acknowledged_on < row.window_end)
        ]
        autonomous = dependent = 0
        for one in inside[inside.skill != ""].itertuples():
            helped = own.learned_on[(own.skill == one.skill) & (own.learned_on < row.window_end)]
            days = (helped[helped >= one.acknowledged_on] - one.acknowledged_on).dt.days
            again = inside.acknowledged_on[inside.skill == one.skill] - one.acknowledged_on
            autonomous += (days <= 30).any()
            dependent += any(not (days <= later).any() for later in again.dt.days if later > 0)
        has_skill = (said.skill != "").any() and (enrolled.skill != "").any()
        said_yet = len(said) > 0 and row.window_end > said.acknowledged_on.min()
        done_yet = len(enrolled) > 0 and row.window_end > enrolled.learned_on.min()
        seen_yet = is_seen and len(enrolled) > 0 and end > enrolled.learned_on.min()
        learned, missed = (
            those[
                (those.person_id == row.person_id)
                & those.learned_on.between(row.window_start, row.window_end)
                & (those.learned_on < row.window_end)
            ]
            for those in (done, lost)
        )
        other = sum(
            skill != "" and (row.person_id, skill) not in assessed for skill in learned.skill
        )
        is_known = (
            done_yet
            and (enrolled.skill != "").any()
            and row.person_id in {who for who, _ in assessed}
        )
        rows.append(
            (
                None if after is None else (row.person_id, after) in there,
                early.hours.sum() if seen_yet else np.nan,
                len(early) if seen_yet else np.nan,
                asked if is_seen and len(said) and end > said.acknowledged_on.min() else np.nan,
                *(
                    (autonomous, dependent)
                    if has_skill and said_yet and done_yet
                    else (np.nan, np.nan)
                ),
                len(missed) if done_yet and (enrolled.status != "").any() else np.nan,
                other if is_known else np.nan,
            )
        )
    return pd.DataFrame(rows, columns=NEW)


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=6, deadline=None)  # each links twice, which takes seconds
@given(
    reviews=st.lists(st.tuples(st.sampled_from("abc"), DAYS), min_size=1, max_size=9, unique=True),
    said=st.lists(st.tuples(st.sampled_from("abcd"), DAYS, SKILL), max_size=24),
    learning=st.lists(st.tuples(st.sampled_from("abcd"), DAYS, SKILL, STATUS), max_size=16),
    assessed=st.lists(
        st.tuples(st.sampled_from("abc"), DAYS, st.sampled_from(["sql", "tax"]), st.integers(1, 4)),
        max_size=12,
    ),
    stays=st.integers(0, 90),
    embargo=st.integers(0, 90),
    shift=st.integers(-400, 400),
)
def test_every_event_counts_once_or_is_accounted_for(
    tmp_path_factory, write_tables, reviews, said, learning, assessed, stays, embargo, shift
):
    rows = [
        (who, f"c{[w for w, _ in reviews[:i]].count(who)}", day, 1, "u")
        for i, (who, day) in enumerate(reviews)
    ]
    reviewed = pd.DataFrame(rows, columns=["person_id", "cycle", "reviewed_on", "rating", "unit"])
    left = {
        "a": max((day for who, day in reviews if who == "a"), default=None)
    }  # a leaves soon after, others stay
    tables = {
        "people": pd.DataFrame({"person_id": list("abcd"), "hired_on": "2020-01-01"}).assign(
            left_on=lambda frame: (
                pd.to_datetime(frame.person_id.map(left)) + pd.Timedelta(days=stays)
            )
        ),
        "reviews": reviewed,
        "acknowledgements": pd.DataFrame(
            said, columns=["person_id", "acknowledged_on", "skill"]
        ).assign(channel="question"),
        "learning": pd.DataFrame(
            learning, columns=["person_id", "learned_on", "skill", "status"]
        ).assign(activity_type="course", hours=range(len(learning))),
        "assessments": pd.DataFrame(
            assessed, columns=["person_id", "assessed_on", "skill", "assessed_level"]
        ).assign(required_level=3, trigger="scheduled"),
    }
    dated = {
        name: table.assign(**{c: pd.to_datetime(table[c]) for c in table if c.endswith("_on")})
        for name, table in tables.items()
    }

    def link(tables: dict[str, pd.DataFrame], days: int) -> linking.Linked:
        as_of = (pd.Timestamp("2023-12-31") + pd.Timedelta(days=days)).date()
        folder = write_tables(tmp_path_factory.mktemp("data"), tables, as_of=as_of)
        return linking.link(reading.read(folder), embargo_days=embargo)

    linked = link(dated, 0)
    assert len(linked.person_cycles) == len(reviews)
    for name, column in (("acknowledgements", "acknowledgements"), ("learning", "activities")):
        flow = linked.attrition.query("table == @name")
        assert flow.rows.sum() + linked.person_cycles[column].sum() == len(tables[name])
    expected = counted_by_hand(dated, linked.person_cycles, embargo)
    pd.testing.assert_frame_equal(linked.person_cycles[NEW].astype(float), expected.astype(float))
    # the order of rows in a file means nothing, nor does the day on which the calendar begins
    backwards = {name: _moved(table.iloc[::-1], shift) for name, table in dated.items()}
    again = link(backwards, shift)
    pd.testing.assert_frame_equal(
        _moved(again.person_cycles, -shift), _moved(linked.person_cycles, 0)
    )


def _moved(table: pd.DataFrame, days: int) -> pd.DataFrame:
    dates = [name for name in table if name.endswith("_on") or name.startswith("window_")]
    return table.assign(
        **{name: pd.to_datetime(table[name]) + pd.Timedelta(days=days) for name in dates}
    )


@pytest.mark.slow
def test_linked_is_frozen(drawn):
    linked = linking.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        linked.person_cycles = None

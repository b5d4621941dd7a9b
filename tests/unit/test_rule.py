"""Small groups stay hidden: results, and counts that a reader could work out by subtraction."""

import re
from collections import defaultdict
from dataclasses import asdict, replace
from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnalign.privacy import counts, rule
from learnalign.verdicts.registry import phrases
from learnalign.verdicts.result import ATTRITION, Check, Comparison, Fit, Result

FIT = Fit(0.2, 0.1, 0.3, 0.05, 40, 0.95, 500, 400, 120, 41, "CR1 by manager", "adjusted")
ROW = Result(
    question="Q1",
    measure="learning_to_rating",
    headline=True,
    group="company",
    at="",
    estimate=0.2,
    low=0.1,
    high=0.3,
    level=0.95,
    unit="SD",
    n_people=400,
    n_clusters=41,
    method="CR1",
    design="adjusted",
    verdict="higher",
    sentence="People who learned more were rated 0.20 SD higher.",
    checks=(Check("lead test", "passed", "p = 0.4"),),
    smallest_effect=0.1,
    detectable_effect=0.14,
    to_settle="more cycles",
    shown=True,
    note="hours are recorded",
)
NUMBERS = ("estimate", "low", "high", "n_people", "n_clusters", "detectable_effect")


# --- a fit


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"n_people": 10, "n_people_smaller": 10, "n_clusters": 3}, ""),
        ({"n_people_smaller": None}, ""),
        ({"n_people": 9, "n_people_smaller": 4}, "few people"),
        ({"n_people_smaller": 9}, "few in a group"),
        ({"n_clusters": 2}, "few managers"),
    ],
)
def test_too_small_says_why(changes, reason):
    assert rule.too_small(replace(FIT, **changes), 10) == reason


def test_nothing_fitted_is_not_too_small():
    assert rule.too_small(None, 10) == ""


def test_comparison_is_hidden_for_its_raw_figure_too():
    small = replace(FIT, n_people=9)
    assert rule.too_small(Comparison("m", raw=small, adjusted=FIT), 10) == "few people"
    assert rule.too_small(Comparison("m", raw=FIT, adjusted=FIT), 10) == ""


@pytest.mark.parametrize(
    "call",
    [
        lambda: rule.too_small(FIT, 4),
        lambda: rule.suppress([], 4),
        lambda: rule.flow(pd.DataFrame(columns=list(ATTRITION)), 4),
    ],
)
def test_no_group_below_the_floor(call):
    with pytest.raises(ValueError, match="min_group is 4: it may be raised, but not below 5"):
        call()


def share(people: int, percent: float, smaller: int | None = None) -> Fit:
    few = (
        min(round(people * percent / 100), people - round(people * percent / 100))
        if smaller is None
        else smaller
    )
    return replace(
        FIT,
        estimate=percent,
        low=1.0,
        high=2.0,
        n_people=people,
        n_people_smaller=few,
        design="described",
    )


def test_a_mean_that_everybody_shares_is_hidden():
    same = replace(FIT, estimate=2.0, low=2.0, high=2.0, n_people_smaller=None, design="described")
    assert rule.too_small(same, 10) == "one value"
    assert rule.too_small(replace(same, low=1.9), 10) == ""


def test_a_hidden_group_takes_others_along_until_neither_people_nor_sides_are_known():
    fits = {
        "north": share(100, 50.0),
        "south": share(40, 50.0),
        "west": share(30, 50.0),
        "east": share(8, 50.0),
    }
    found = rule.reasons(fits, 10, [list(fits)])
    assert found == {"east": "few people", "west": "subtraction"}
    assert rule.reasons(fits, 10) == {"east": "few people"}
    near_all = fits | {"east": share(8, 100.0), "west": share(30, 60.0, 12)}
    found = rule.reasons(near_all | {"west": share(19, 47.4, 9)}, 10, [list(fits)])
    assert set(found) == {"east", "west"}  # 8 + 9 yes, 0 + 10 no: known within 10 and more


def test_a_side_of_a_share_that_is_known_too_closely_takes_another_group_along():
    """30 and 12 people are many, but of the 42 only 9 are on the rarer side."""
    fits = {
        "north": share(100, 50.0),
        "south": share(60, 50.0),
        "west": share(30, 20.0),
        "east": share(12, 25.0),
    }
    assert set(rule.reasons(fits, 10, [list(fits)])) == {"west", "east", "south"}


def test_a_group_that_could_not_be_told_takes_two_others_along():
    """Nobody could make a figure of the fifth: it is the rest of what another attribute tells in
    full.
    """
    fits = {"north": share(100, 50.0), "south": share(40, 50.0), "west": share(30, 50.0)}
    assert set(rule.reasons(fits, 10, [[*fits, "east"]])) == {"west", "south"}
    assert rule.reasons(fits, 10, [[*fits]]) == {}


@pytest.mark.property
@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1)), min_size=2, max_size=7),
    st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1)), min_size=0, max_size=4),
    st.integers(5, 12),
)
def test_who_knows_the_whole_cannot_pin_a_hidden_group(one, other, k):
    """By subtraction, in people and on either side: the rest is one group's, or too many people's
    to tell.
    """
    parts = [[(n, round(n * p)) for n, p in some] for some in (one, other)]
    names = [[f"{place}: {i}" for i in range(len(some))] for place, some in enumerate(parts)]
    fits = {
        name: share(n, 100 * yes / n, min(yes, n - yes))
        for those, some in zip(names, parts, strict=True)
        for name, (n, yes) in zip(those, some, strict=True)
    }
    hidden = rule.reasons(fits, k, names)
    for those, some in zip(names, parts, strict=True):
        gone = [counts for name, counts in zip(those, some, strict=True) if name in hidden]
        assert len(gone) != 1 or len(those) == 1
        if 0 < len(gone) < len(those):
            assert sum(n for n, _ in gone) >= k
            assert sum(yes for _, yes in gone) >= k and sum(n - yes for n, yes in gone) >= k


@pytest.mark.golden
def test_groups_that_overlap_tell_their_difference():
    """21 people with a mean of 3.10, 20 of them with 3.00: the one has 5.10."""
    assert round(21 * 3.10 - 20 * 3.00, 10) == 5.10
    assert counts.too_close([21], [20], 5) == [(21, 20)]
    assert counts.too_close([21], [21, 26, 16, 25, 17], 5) == [(21, 17), (21, 25)]


# --- results


@pytest.mark.parametrize("changes", [{"n_people": 9}, {"n_clusters": 2}, {"verdict": "hidden"}])
def test_a_small_row_stays_and_is_blank(changes):
    (row,) = rule.suppress([replace(ROW, **changes)], 10)
    assert [getattr(row, name) for name in NUMBERS] == [None] * len(NUMBERS)
    assert (row.checks, row.to_settle, row.note, row.shown, row.verdict) == (
        (),
        "",
        "",
        False,
        "hidden",
    )
    assert (row.question, row.measure, row.group, row.smallest_effect) == (
        "Q1",
        ROW.measure,
        "company",
        0.1,
    )


def test_the_sentence_of_a_suppressed_row_holds_none_of_its_figures():
    (row,) = rule.suppress([replace(ROW, n_people=9)], 10)
    assert row.sentence.startswith("Not shown, to protect individuals")
    assert "0.20" not in row.sentence


def test_a_hidden_row_keeps_its_own_reason():
    hidden = rule.hidden(ROW, "subtraction")
    assert rule.suppress([hidden], 10) == (hidden,) and "by subtraction" in hidden.sentence


def test_a_hidden_row_whose_sentence_tells_a_number_gets_another_one():
    told = replace(
        ROW, verdict="hidden", branch="hidden", sentence="Not shown: 2 people gained 5.10 points."
    )
    (row,) = rule.suppress([told], 10)
    assert row.sentence == rule.hidden(ROW, "few").sentence and "5.10" not in row.sentence


def test_no_reason_to_hide_tells_a_number():
    assert not any(re.search(r"\d", text) for text in phrases("sentences")["hidden"].values())


def test_what_was_not_estimated_has_nothing_to_hide():
    row = replace(
        ROW, estimate=None, low=None, high=None, n_people=None, n_clusters=None, verdict="unknown"
    )
    assert rule.suppress([row], 10) == (row,)


def test_large_rows_pass_unchanged_and_in_order():
    rows = [replace(ROW, at=str(number), n_people=10 + number, n_clusters=3) for number in range(5)]
    assert rule.suppress(rows, 10) == tuple(rows)


@pytest.mark.property
@given(
    st.lists(
        st.builds(
            lambda people, managers, verdict: replace(
                ROW, n_people=people, n_clusters=managers, verdict=verdict
            ),
            st.none() | st.integers(0, 30),
            st.none() | st.integers(0, 6),
            st.sampled_from(["higher", "unknown", "hidden", "described"]),
        )
    ),
    st.integers(5, 20),
)
def test_suppressing_twice_changes_nothing_and_drops_no_row(rows, min_group):
    once = rule.suppress(rows, min_group)
    assert rule.suppress(once, min_group) == once
    assert len(once) == len(rows)
    assert all(row.n_people is None or row.n_people >= min_group for row in once)
    assert all(row.shown == (row.verdict != "hidden") for row in once)


def test_suppressing_leaves_its_argument_alone():
    rows = [replace(ROW, n_people=3)]
    before = asdict(rows[0])
    rule.suppress(rows, 10)
    assert asdict(rows[0]) == before


# --- flows


def frame(text):
    """A flow as a small table: step, rows and people dropped, rows and people left."""
    lines = [line.split() for line in text.strip().splitlines()]
    rows = [("reviews", step, f"reason {step}", *map(int, numbers)) for step, *numbers in lines]
    return pd.DataFrame(rows, columns=list(ATTRITION))


def published(text, min_group=10):
    safe = rule.flow(frame(text), min_group)
    return safe[["step", "rows", "people", "rows_left", "people_left"]].values.tolist()


def test_large_steps_are_published_as_they_are():
    assert published("""
        read   0   0  1000 400
        late   0   0  1000 400
        none  90  40   910 360
        """) == [["read", 0, 0, 1000, 400], ["late", 0, 0, 1000, 400], ["none", 90, 40, 910, 360]]


def test_a_small_step_is_folded_with_its_neighbour_and_the_rest_stays():
    assert published("""
        read   0   0  1000 400
        big   60  30   940 370
        few    4   3   936 367
        some  30  20   906 350
        """) == [
        ["read", 0, 0, 1000, 400],
        ["big", 60, 30, 940, 370],
        ["other", 34, None, 906, 350],
    ]


def test_folded_steps_name_every_reason():
    safe = rule.flow(frame("read 0 0 100 100\nfew 3 3 97 97\nnone 0 0 97 97\nmore 8 8 89 89"), 10)
    assert safe.reason.tolist()[-1] == "other reasons: reason few; reason none; reason more"
    assert safe.people.tolist() == [0, 11]  # one row a person: what they add up to is exact


def test_people_who_lost_rows_at_several_steps_are_not_counted_twice():
    # 6 people lose a row at one step and perhaps the same 6 at the next: nobody may call that 12
    # people
    safe = published("""
        read  0  0  1000 400
        one   6  6   994 400
        two   6  6   988 400
        """)
    assert safe == [["read", 0, 0, 1000, 400], ["other", None, None, 980, 400]]


def test_few_people_lost_among_many_touched_are_folded():
    # 200 people lose a row, but 3 of them lose their last: 400 less 397 would give them away
    safe = rule.flow(frame("read 0 0 1000 400\ngone 250 200 750 397"), 10)
    assert safe.rows.tolist() == [0, None]
    assert safe.people_left.tolist() == [400, 390]
    assert safe.approximate.tolist() == [True, True]


def test_people_who_stay_with_fewer_rows_are_not_counted_by_subtraction():
    # 15 lose a row and 12 leave: 15 less 12 would tell of 3 who stay
    assert published("read 0 0 1000 400\ngone 20 15 980 388")[1] == ["gone", 20, None, 980, 388]


def test_when_all_steps_together_are_small_the_drop_is_blank_and_both_ends_are_rounded():
    safe = rule.flow(frame("read 0 0 1001 401\nfew 1 1 1000 400\nnone 0 0 1000 400"), 10)
    assert safe.rows.tolist() == [0, None]
    assert safe.people.tolist() == [0, None]
    assert safe.people_left.tolist() == [400, 400]
    assert safe.rows_left.tolist() == [1000, 1000]
    assert safe.approximate.all()


def test_a_small_remainder_is_blank():
    safe = rule.flow(frame("read 0 0 100 60\ngone 90 56 10 4"), 10)
    assert safe.people_left.tolist() == [60, None]
    assert safe.rows_left.tolist() == [100, None]


def test_everybody_gone_is_no_secret():
    assert published("read 0 0 100 60\ngone 100 60 0 0")[1] == ["gone", 100, 60, 0, 0]


def test_a_small_start_hides_the_whole_flow():
    assert published("read 0 0 20 7\ngone 8 3 12 5") == [
        ["read", None, None, None, None],
        ["gone", None, None, None, None],
    ]


def test_no_flow_and_an_empty_flow():
    assert rule.flow(None, 10).empty
    assert rule.flow(pd.DataFrame(columns=list(ATTRITION)), 10).empty
    assert published("read 0 0 0 0") == [["read", 0, 0, 0, 0]]


def test_tables_do_not_mix():
    two = pd.concat([frame("read 0 0 100 60"), frame("read 0 0 50 50").assign(table="learning")])
    assert rule.flow(two, 10).table.tolist() == ["reviews", "learning"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("late 0 0 100 60", "the first step must be 'read'"),
        (
            "read 0 0 100 60\nlate 10 10 80 50",
            "100 rows of 60 people less 10 rows of 10 people are not 80 rows",
        ),
        ("read 0 0 100 60\nlate 10 5 90 50", "are not 90 rows of 50 people"),
    ],
)
def test_an_account_that_does_not_add_up_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        rule.flow(frame(text), 10)


def test_flow_leaves_its_argument_alone():
    steps = frame("read 0 0 100 60\nfew 3 3 97 57")
    before = steps.copy()
    rule.flow(steps, 10)
    pd.testing.assert_frame_equal(steps, before)


@st.composite
def accounts(draw):
    """The flow of made-up rows of made-up people, dropped at made-up steps."""
    n_steps = draw(st.integers(0, 5))
    sizes = draw(st.lists(st.integers(1, 3), max_size=60))
    likely_kept = st.sampled_from([n_steps] * draw(st.integers(1, 9)) + list(range(n_steps)))
    rows = [(person, draw(likely_kept)) for person, size in enumerate(sizes) for _ in range(size)]
    steps = [("reviews", "read", "read", 0, 0, len(rows), len(sizes))]
    for step in range(n_steps):
        gone = [person for person, when in rows if when == step]
        left = [person for person, when in rows if when > step]
        counts = (len(gone), len(set(gone)), len(left), len(set(left)))
        steps.append(("reviews", f"step {step}", f"reason {step}", *counts))
    return pd.DataFrame(steps, columns=list(ATTRITION))


@pytest.mark.property
@given(accounts(), st.integers(5, 12))
def test_no_published_counts_subtract_to_a_small_drop_of_people(account, min_group):
    small = range(1, min_group)
    safe = rule.flow(account, min_group)
    if safe.approximate.any():
        assert safe.approximate.all()
        assert safe.rows.tolist() == [0, None]
        ends = [
            count
            for name in ("rows_left", "people_left")
            for count in safe[name]
            if count is not None
        ]
        assert all(count % min_group == 0 for count in ends)
        return
    left = [count for count in safe.people_left if count is not None]
    assert not any(later - earlier in small for later, earlier in combinations(left, 2))
    before = None
    for step in safe.itertuples():
        for count in (step.rows, step.people, step.rows_left, step.people_left):
            assert count not in small
        if before is not None and step.people is not None:
            assert (
                step.people - (before - step.people_left) not in small
            )  # touched, but still there
            assert before - step.people not in small  # not touched
        before = step.people_left


@pytest.mark.property
@given(accounts(), st.integers(5, 12))
def test_a_flow_keeps_every_reason_and_its_exact_end(account, min_group):
    safe = rule.flow(account, min_group)
    told = "; ".join(safe.reason)
    assert all(reason in told for reason in account.reason)
    if not safe.approximate.any() and safe.people_left.iloc[-1] is not None:
        assert safe.people_left.iloc[-1] == account.people_left.iloc[-1]
        assert safe.rows_left.iloc[-1] == account.rows_left.iloc[-1]


def test_nobody_who_knows_the_rules_can_work_out_a_small_drop():
    """Every flow of up to 24 people and two steps: what is published fits several small drops, or
    none.
    """
    k, truths = 5, defaultdict(set)
    for start in range(25):
        for one in range(start + 1):
            for two in range(start - one + 1):
                end = start - one - two
                middle = start - one
                text = (
                    f"read 0 0 {start} {start}\na {one} {one} {middle} {middle}\nb {two} "
                    f"{two} {end} {end}"
                )
                safe = rule.flow(frame(text), k).drop(columns="table")
                truths[tuple(map(tuple, safe.values.tolist()))].add((one, two, one + two))
    assert len(truths) > 100
    for seen, drops in truths.items():
        for values in map(set, zip(*drops, strict=True)):
            assert len(values) > 1 or not values & set(range(1, k)), seen


# --- counts


def test_counts_of_few_people_are_blank_and_their_row_stays():
    facts = pd.DataFrame(
        {"table": ["people", "ties", "surveys"], "rows": [90, 12, 40], "people": [90, 4, None]}
    )
    shown = rule.counts(facts, 10)
    assert shown.rows.tolist() == [90, None, 40]
    assert shown.shown.tolist() == [True, False, True]


def a_document(people: list[int], rows: list[int]) -> dict:
    tables = [
        {"table": str(i), "rows": r, "people": p}
        for i, (p, r) in enumerate(zip(people, rows, strict=True))
    ]
    step = {"step": "read", "rows": 0, "people": 0, "rows_left": rows[0], "people_left": people[0]}
    flows = [{"notebook": "coverage", "table": "reviews", "steps": [step]}]
    stage = {
        "stage": "found",
        "gaps": rows[0],
        "people": people[0],
        "stopped": 0,
        "ways": [[rows[0], "otherwise"]],
    }
    pictures = [{"kind": "journey", "rows": [stage]}, {"kind": "grid", "rows": [{"people": 47}]}]
    results = [{"n_people": people[-1]}]
    return {
        "run": {},
        "data": {"tables": tables},
        "results": results,
        "flows": flows,
        "pictures": pictures,
    }


def test_counts_that_are_close_are_all_rounded():
    """57 reviewed, 53 of them compared: the difference would be four people."""
    found = counts.rounded(a_document([57, 53], [300, 250]), 10)
    assert [row["people"] for row in found["data"]["tables"]] == [50, 50]
    assert found["results"] == [{"n_people": 50}] and found["run"]["rounded_to"] == 10
    assert found["flows"][0]["steps"][0]["people_left"] == 50
    journey, grid = found["pictures"]
    assert journey["rows"] == [
        {"stage": "found", "gaps": 300, "people": 50, "stopped": 0, "ways": [[300, "otherwise"]]}
    ] and grid["rows"] == [{"people": 47}]  # rounded before it was drawn


def test_counts_that_an_earlier_edition_told_are_in_the_same_pool():
    document = a_document([57, 97], [300, 250])
    assert counts.rounded(document, 10)["run"]["rounded_to"] is None
    assert (
        counts.rounded(document, 10, {"people": [57, 107], "rows": [300]})["run"]["rounded_to"]
        is None
    )
    for earlier in ({"people": [56]}, {"people": [106]}, {"rows": [309]}):
        assert counts.rounded(document, 10, earlier)["run"]["rounded_to"] == 10


@pytest.mark.property
@given(
    told=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 400)), min_size=1, max_size=6),
    k=st.integers(5, 20),
)
def test_no_two_published_counts_tell_a_small_group(told, k):
    document = a_document([people for people, _ in told], [rows for _, rows in told])
    found = counts.rounded(document, k)
    shown = {row["people"] for row in found["data"]["tables"]} - {0}
    assert all(abs(one - two) >= k for one in shown for two in shown if one != two)
    if found["run"]["rounded_to"] is None:
        assert found["data"] == document["data"] and found["flows"] == document["flows"]

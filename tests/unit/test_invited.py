"""A drawn order on its way from the table to the row: linked, judged, hidden, and not there."""

import numpy as np
import pandas as pd
import pytest

import learnalign as la
from learnalign import studies
from learnalign.data import reading
from learnalign.data.contract import Meta
from learnalign.estimates import ask
from learnalign.facts import contents
from learnalign.linking import windows
from learnalign.verdicts import explain, judge
from learnalign.verdicts.result import Check, Comparison, Fit
from northbank import tables

PEOPLE = """
    person_id  hired_on    left_on
    ana        2020-01-01  -
    ben        2020-01-01  -
    cem        2020-01-01  -
    dan        2020-01-01  -
"""
REVIEWS = """
    person_id  cycle    reviewed_on  rating  unit
    ana        2023-H1  2023-07-01   2       ops
    ana        2023-H2  2024-01-01   3       ops
    ana        2024-H1  2024-07-01   3       ops
    ben        2023-H1  2023-07-01   1       ops
    ben        2023-H2  2024-01-01   2       ops
    cem        2023-H2  2024-01-01   2       ops
"""
ORDER = """
    person_id  about          invited_on  drawn_within
    ana        acknowledging  2023-06-01  ops
    ben        acknowledging  2023-09-01  ops
    ben        learning       2029-01-01  all
    dan        learning       2024-01-01  all
"""
AHEAD = """
    person_id  about          invited_on  drawn_within
    ana        acknowledging  2029-06-01  ops
    ben        acknowledging  2029-09-01  ops
"""


# --- from the table


def test_a_turn_is_the_share_of_the_window_since_and_a_plan_may_lie_ahead(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, invitations=ORDER)
    rows = windows.link(reading.read(folder)).person_cycles.set_index(["person_id", "cycle"])
    turn = rows.invited_to_acknowledge
    # the window of 2023-H2 runs from 1 June to 2 December, 184 days; 92 of them from 1 September
    assert turn["ana"].tolist() == [0.0, 1.0, 1.0]
    assert turn["ben"].tolist() == [0.0, pytest.approx(92 / 184)]
    assert rows.invited_to_learn["ben"].tolist() == [0.0, 0.0]
    assert rows.drawn_to_learn["ben"].tolist() == ["all", "all"]
    # the landmark of 2023-H1 ends on 31 July: by then ana had been invited, and ben had not
    assert rows.invited_to_acknowledge_early_next.xs("2023-H1", level=1).tolist() == [1.0, 0.0]
    cem = rows.loc["cem"].filter(regex="^(invited|drawn)_to_")
    assert cem.isna().all(axis=None) and cem.shape == (1, 6)
    assert rows.loc["ana"][["invited_to_learn", "drawn_to_learn"]].isna().all(axis=None)


def test_an_order_that_has_not_begun_is_as_none(drawn):
    """Each state of the data redraws all noise: a list put in for later must make no new one."""
    orders = {
        "none": {},
        "no rows": {"invitations": AHEAD.split("\n")[1]},
        "ahead": {"invitations": AHEAD},
        "later people": {"invitations": AHEAD.replace("2029-09", "2031-02")},
    }
    read = {
        name: reading.read(drawn(people=PEOPLE, reviews=REVIEWS, **order))
        for name, order in orders.items()
    }
    assert len({one.fingerprint for one in read.values()}) == 1
    for one in read.values():
        assert "invitations" not in one.filled
        assert "invited_to_acknowledge" not in windows.link(one).person_cycles
    # of an order that has begun those who wait count, too
    came = [AHEAD.replace("2029-06", "2024-06"), ORDER, ORDER.replace("2029", "2030")]
    come = [
        reading.read(drawn(people=PEOPLE, reviews=REVIEWS, invitations=one)).fingerprint
        for one in came
    ]
    assert len({read["none"].fingerprint, *come}) == 4
    folder = drawn(people=PEOPLE, reviews=REVIEWS, invitations=came[0])
    early = reading.read(folder, as_of="2024-05-31").fingerprint
    none = reading.read(drawn(people=PEOPLE, reviews=REVIEWS), as_of="2024-05-31").fingerprint
    assert early == none


def test_an_order_does_not_change_what_else_is_linked(drawn):
    both = [
        windows.link(reading.read(drawn(people=PEOPLE, reviews=REVIEWS, **more))).person_cycles
        for more in ({}, {"invitations": ORDER})
    ]
    own = [name for name in both[1] if name not in both[0]]
    assert sorted(own) == sorted(
        f"{what}_to_{verb}{when}"
        for verb in ("learn", "acknowledge")
        for what, when in (("drawn", ""), ("invited", ""), ("invited", "_early_next"))
    )
    pd.testing.assert_frame_equal(both[1].drop(columns=own), both[0])


# --- to the row


def company(moves: float, seed: int = 9) -> dict[str, pd.DataFrame]:
    """Northbank with an order over the last two windows: of those invited `moves` ask, in all."""
    bank = tables.northbank(people=900, cycles=4, seed=seed)
    frames = dict(bank.tables)
    rng = np.random.default_rng(seed)
    on = frames["reviews"].groupby("cycle").reviewed_on.max().sort_values().iloc[-3:-1]
    turns = [str((pd.Timestamp(day) - pd.Timedelta(days=30)).date()) for day in on]
    who = frames["people"].person_id.to_numpy()
    frames["invitations"] = pd.DataFrame(
        {
            "person_id": who,
            "about": "acknowledging",
            "invited_on": rng.choice([*turns, "2031-01-01"], size=len(who)),
            "drawn_within": "company",
        }
    )
    asked = frames["invitations"].assign(more=rng.random(len(who)) < moves)
    asked = asked[asked.more & (asked.invited_on < "2031")]
    said = [
        pd.DataFrame(
            {"person_id": asked.person_id, "acknowledged_on": day, "channel": "question"}
        ).assign(day=pd.to_datetime(day))[pd.to_datetime(asked.invited_on) <= pd.Timestamp(day)]
        for day in (str((pd.Timestamp(one) + pd.Timedelta(days=9)).date()) for one in turns)
    ]
    frames["acknowledgements"] = pd.concat(
        [frames["acknowledgements"], *(one.drop(columns="day") for one in said)]
    )
    return {"tables": frames, "meta": bank.dataset}


@pytest.fixture(scope="module")
def with_order():
    made = company(0.8)
    return studies.study(reading.of_frames(made["tables"], Meta.model_validate(made["meta"])))


@pytest.mark.slow
def test_a_question_is_answered_by_the_order_and_what_people_chose_stands_beside_it(with_order):
    rows = la.ask(with_order, "Q2")
    assert [row.at for row in rows] == ["", "raw", "as people chose"]
    assert [row.design for row in rows] == ["randomised", "described", "adjusted"]
    assert {one.name for one in rows[0].checks} >= {"drawn order", "attrition", "overlap"}
    (merit,) = (row for row in la.ask(with_order, "Q3") if row.headline and "equal" in row.measure)
    assert merit.design == "randomised"
    assert [row.design for row in la.ask(with_order, "Q1")] == ["adjusted", "described"]
    account = ask.compared(with_order, "acknowledging_to_rating").attrition
    assert account.step.tolist()[-1] == "no_difference"


@pytest.mark.slow
def test_no_part_of_what_a_lot_decided_is_a_claim(with_order):
    parts = [row for row in la.beside(with_order, "amounts") if row.shown]
    assert parts and {row.verdict for row in parts} <= {"unknown", "untrusted"}


@pytest.mark.slow
def test_a_figure_on_too_few_people_is_hidden_whoever_decided(with_order):
    rows = la.ask(studies.study(with_order.dataset, min_group=5_000), "Q2")
    assert [row.verdict for row in rows] == ["hidden"]


@pytest.mark.slow
def test_a_table_that_nobody_has_is_not_among_the_contents(study, with_order):
    assert "invitations" not in contents.contents(study).table.tolist()
    assert contents.contents(with_order).table.tolist()[-1] == "invitations"


# --- what is said


def row_of(low: float, high: float, *checks: Check):
    figures = {"estimate": (low + high) / 2, "low": low, "high": high, "level": 0.95}
    error = {"std_error": (high - low) / 3.92, "df": 99.0, "n_rows": 4000, "n_clusters": 101}
    people = {"n_people": 1200, "n_people_smaller": 300}
    fit = Fit(**figures, **error, **people, method="two stages", design="randomised")
    found = Comparison("acknowledging_to_rating", None, fit, checks)
    return judge.judge(found, smallest_effect=0.1)[0]


def test_only_what_chance_decided_is_called_an_effect():
    assert row_of(0.15, 0.35).sentence == (
        "Where chance decided who was invited first, people who acknowledged a gap were rated "
        "0.25 SD higher than people who did not (likely range 0.15 to 0.35 SD). No check could "
        "try to refute it. Chance decided, so this is an effect, in those whom an invitation "
        "moves to do it."
    )


def test_what_would_settle_it_is_a_longer_order_or_a_better_invitation():
    told = row_of(-0.2, 0.4).to_settle
    assert told.startswith("To settle it: about 19 times as many people in the drawn order")
    assert "waitlist" not in told
    whole = row_of(-0.5, 0.8).to_settle
    assert whole.startswith("To settle it: about 88 times as many people in the drawn order")
    far = row_of(-1000.0, 1100.0).to_settle
    assert far.startswith("To settle it: more than 100 times as many people in the drawn order")


def test_the_method_is_that_of_the_order():
    (method,) = explain.method_of([row_of(0.15, 0.35)])
    assert method["how"].startswith("People whose turn in a drawn order had come")
    assert "invitation moves the outcome by another way" in method["misleads when"]


@pytest.mark.parametrize("why", ["rated apart", "did apart", "unknown"])
def test_a_check_that_the_order_failed_takes_every_claim_away(why):
    failed = Check.of("drawn order", "failed", why)
    verdicts = [row_of(*ends, failed).verdict for ends in ((0.15, 0.35), (-0.35, -0.15))]
    assert [*verdicts, row_of(-0.05, 0.05, failed).verdict] == ["untrusted"] * 2 + ["unknown"]

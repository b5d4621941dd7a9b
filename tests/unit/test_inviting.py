"""An order of invitations: drawn by a seed alone, written for its owner, and told in plain steps."""

import datetime as dt
import os
import stat

import numpy as np
import pandas as pd
import pytest
import yaml

from learnalign.data import reading
from learnalign.data.mistakes import TOO_SMALL, DataError, Stopped
from learnalign.estimates.contrasts import chance, reach
from learnalign.estimates.invited import Foreseen
from learnalign.runs import inviting
from learnalign.runs.spec import COMPANY
from learnalign.studies import study
from learnalign.verdicts import judge
from learnalign.verdicts.result import Comparison, Fit
from northbank import tables

# --- the draw


def people(n: int = 90, groups: int = 3) -> pd.Series:
    return pd.Series([f"u{i % groups}" for i in range(n)], [f"p{i:03}" for i in range(n)])


def test_the_same_seed_draws_the_same_order_however_the_rows_lie():
    turns = inviting.draw(people(), 3, 7)
    shuffled = people().sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(inviting.draw(shuffled, 3, 7), turns)
    assert not inviting.draw(people(), 3, 8).wave.equals(turns.wave)


@pytest.mark.parametrize("n", [90, 91, 100])
def test_every_turn_has_as_many_of_each_stratum_as_can_be(n):
    sizes = inviting.draw(people(n), 4, 1).groupby(["stratum", "wave"]).size().unstack()
    assert sizes.shape == (3, 4) and (sizes.max(axis=1) - sizes.min(axis=1) <= 1).all()


def test_everybody_has_the_same_chance_of_each_turn():
    first = np.mean([inviting.draw(people(12, 1), 3, seed).wave == 0 for seed in range(600)], 0)
    assert np.abs(first - 1 / 3).max() < 0.08  # four Monte-Carlo errors of 600


@pytest.mark.parametrize(
    ("as_of", "first"),
    [("2024-06-30", "2024-12-01"), ("2024-12-01", "2025-06-02"), ("2026-01-01", "2026-06-03")],
)
def test_turns_begin_with_the_windows_that_are_still_ahead(as_of, first):
    ends = pd.to_datetime(["2023-06-01", "2023-12-01", "2024-06-01"])
    cycles = pd.DataFrame({"cycle": ["a", "b", "c"], "window_end": ends})
    days = inviting.days_of(cycles, dt.date.fromisoformat(as_of), 3)
    assert str(days[0]) == first
    assert {(b - a).days for a, b in zip(days, days[1:], strict=False)} == {183}


class Made:
    """As much of a study as strata are made of: people of each unit, all employed."""

    def __init__(self, min_group: int = 5, **units: int) -> None:
        who = [name for name, n in units.items() for _ in range(n)]
        day = pd.Timestamp("2024-01-01")
        self.cycles = pd.DataFrame({"unit": who, "cycle": "a", "left_on": None, "reviewed_on": day})
        self.cycles["person_id"] = [f"p{n:03}" for n in range(len(who))]
        self.dataset, self.min_group = type("Data", (), {"as_of": dt.date(2024, 6, 1)}), min_group


@pytest.mark.parametrize(
    ("units", "strata"),
    [
        ({"a": 30, "b": 30}, {"a": 30, "b": 30}),
        ({"a": 30, "b": 5, "c": 2}, {"a": 30, COMPANY: 7}),
        ({"a": 30, "b": 20, "c": 2}, {"a": 30, COMPANY: 22}),  # two people are in no three turns
        ({"b": 20, "c": 2}, {COMPANY: 22}),
        ({"b": 2, "c": 2}, {COMPANY: 4}),
    ],
)
def test_people_of_each_stratum_are_in_every_turn(units, strata):
    people = inviting.strata(Made(**units), 3)
    assert people.value_counts().to_dict() == strata
    turns = inviting.draw(people, 3, 1).groupby("stratum").wave.nunique()
    assert (turns == 3).all()


# --- what it could tell


def test_a_chance_is_what_could_be_detected_turned_around():
    assert chance(reach(40) * 0.2, 0.2, 40) == pytest.approx(0.8)
    assert chance(0.0, 0.2, 40) == pytest.approx(0.025)


def test_more_moved_tell_more_and_a_weak_first_stage_tells_nothing():
    of = Foreseen("acknowledging_to_rating", 100, 0.4, 1.0, False, 0.03, 0.02)
    assert of.chance(0.2, 0.3) > of.chance(0.2, 0.15) > of.chance(0.1, 0.15)
    assert of.chance(5.0, 0.02) < 0.05  # large, and an order would not show that it moved anybody
    needed = of.times(0.1, 0.3)
    larger = Foreseen("acknowledging_to_rating", 100, 0.4, 1.0, False, 0.03 / needed**0.5, 0.001)
    assert larger.chance(0.1, 0.3) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("error", "first_error", "does", "why"),
    [(0.0, 0.02, 0.4, "fixed"), (0.03, 0.0, 0.4, "nobody"), (0.03, 0.02, 0.0, "nobody")],
)
def test_where_no_chance_can_be_told_nothing_is_written(
    params, tmp_path, monkeypatch, error, first_error, does, why
):
    one = Foreseen("acknowledging_to_rating", 100, does, 1.0, False, error, first_error)
    assert one.silent == why
    monkeypatch.setattr(inviting.invited, "foreseen", lambda *_: one)
    said = {"fixed": "nothing is left to explain", "nobody": "nobody does it now"}[why]
    with pytest.raises(Stopped, match=said) as caught:
        inviting.plan(params, "Q2", tmp_path / "a.csv")
    assert caught.value.code == TOO_SMALL and not (tmp_path / "a.csv").exists()


def order(out, n: int = 90) -> inviting.Order:
    turns = pd.DataFrame({"stratum": "=1+1", "wave": np.arange(n) % 3})
    turns = turns.set_axis([f"-{i:03}" for i in range(n)]).rename_axis("person_id")
    one = Foreseen("acknowledging_to_rating", 100, 0.4, 1.0, False, 3.0, 2.0)
    question, days = inviting.questions()["Q2"], (dt.date(2025, 1, 1), dt.date(2025, 7, 1))
    about = (question, "acknowledging", dt.date(2024, 12, 1), (*days, dt.date(2026, 1, 1)), turns)
    return inviting.Order(*about, ((one, 0.1),), 0.3, 7, out, False)


def test_what_nobody_will_wait_for_is_no_number_of_people(tmp_path):
    told = str(order(tmp_path / "a.csv"))
    assert "To find it in 80 of 100 takes more than 100 times as many people" in told
    assert "with --seed 7 from the same data and day" in told
    assert "Where their ids are pseudonyms, whoever holds the key makes names of them" in told


# --- the list


def test_ids_are_written_as_they_are(tmp_path):
    """The list is read again: an apostrophe before an id would make it nobody's."""
    made = order(tmp_path / "a.csv")
    inviting._write(made)
    rows = pd.read_csv(made.out, dtype=str)
    assert rows.person_id.tolist() == made.turns.index.tolist()
    assert set(rows.drawn_within) == {"=1+1"}


@pytest.fixture(scope="module")
def params(tmp_path_factory):
    place = tmp_path_factory.mktemp("order")
    tables.write(tables.northbank(people=600, cycles=4, seed=3), place / "data")
    spec = {"report": "own", "data": "data", "notebooks": ["coverage"]}
    (place / "own.yml").write_text(yaml.safe_dump(spec))
    return place / "own.yml"


@pytest.mark.slow
def test_the_list_keeps_the_contract_and_is_its_owners_alone(params, tmp_path):
    out = tmp_path / "invitations.csv"
    order = inviting.plan(params, "Q2", out, seed=4)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = pd.read_csv(out)
    assert rows.person_id.is_monotonic_increasing and rows.person_id.is_unique
    assert set(rows.about) == {"acknowledging"}
    assert sorted(rows.invited_on.unique()) == [str(day) for day in order.days]
    again = inviting.plan(params, "Q2", tmp_path / "again.csv", seed=4)
    assert again.out.read_bytes() == out.read_bytes()
    own = tmp_path / "data"
    own.mkdir()
    for file in (*(params.parent / "data").glob("[!.]*"), out):
        (own / file.name).write_bytes(file.read_bytes())
    linked = study(own)  # the next edition reads it
    gone = linked.cycles.groupby("person_id").left_on.last().notna()
    assert not gone[rows.person_id].any()
    assert "drawn_to_acknowledge" not in linked.cycles  # no turn has come
    assert linked.fingerprint == study(params.parent / "data").fingerprint
    assert reading.check(own) == ()


@pytest.mark.slow
def test_nobody_is_named_and_what_is_assumed_is_said(params, tmp_path):
    order = inviting.plan(params, "Q3", tmp_path / "a.csv", moves=0.2)
    told = str(order)
    assert not any(one in told for one in order.turns.index)
    assert "of 100 who are invited 20 more do it than of 100 who wait (--moves)" in told
    assert told.count("in those whom the invitation moves") == 2  # two measures
    assert "were they 10 of 100, in" in told
    assert "for each usual step" not in told
    assert repr(order).startswith("<") and "p0" not in repr(order)


@pytest.mark.slow
def test_no_more_are_moved_than_do_not_do_it_yet(params, tmp_path):
    told = str(inviting.plan(params, "Q1", tmp_path / "a.csv", moves=0.95))
    assert "of 100 can be moved: the others do it already" in told
    assert "for each usual step (SD) of learning" in told


# --- what is wrong


def test_all_that_is_wrong_is_said_at_once(params, tmp_path):
    there = tmp_path / "there.csv"
    there.write_text("mine")
    with pytest.raises(DataError) as caught:
        inviting.plan(params, "Q4", there, waves=1, moves=1.5)
    assert [one.column or one.table for one in caught.value.problems] == [
        "question",
        str(there),
        "waves",
        "moves",
    ]
    assert there.read_text() == "mine"
    with pytest.raises(DataError, match="no such file(.|\n)*no such question(.|\n)*Q1, Q2, Q3, Q5"):
        inviting.plan(tmp_path / "none.yml", "q2", tmp_path / "a.csv")


@pytest.mark.parametrize("moves", [0.0, 1e-200, 0.009, 1.01, float("nan")])
def test_a_share_that_hardly_anybody_is_is_refused(params, tmp_path, moves):
    with pytest.raises(DataError, match="is not a share of people"):
        inviting.plan(params, "Q2", tmp_path / "a.csv", moves=moves)


@pytest.mark.parametrize("name", ["n" * 300, "none/a.csv", "file/a.csv", "a\0.csv"])
def test_a_place_where_nothing_can_be_written_is_told_with_the_rest(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="no such file(.|\n)*cannot be written"):
        inviting.plan(tmp_path / "none.yml", "Q2", tmp_path / name)


def test_no_link_is_followed(params, tmp_path):
    os.symlink(tmp_path / "elsewhere", tmp_path / "link.csv")
    with pytest.raises(DataError, match="is there already"):
        inviting.plan(params, "Q2", tmp_path / "link.csv")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_a_second_order_is_not_drawn_over_the_first(params, tmp_path):
    folder = params.parent / "data"
    own = tmp_path / "data"
    own.mkdir()
    for file in folder.glob("[!.]*"):
        (own / file.name).write_bytes(file.read_bytes())
    inviting.plan(params, "Q2", own / "invitations.csv")
    mine = tmp_path / "own.yml"
    mine.write_text(params.read_text())
    with pytest.raises(DataError, match="is what an order was drawn for already"):
        inviting.plan(mine, "Q3", tmp_path / "a.csv")
    told = str(inviting.plan(mine, "Q5", tmp_path / "b.csv"))
    assert f"Add the rows of {tmp_path / 'b.csv'} to the table invitations" in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("people", "cycles", "why"),
    [(60, 4, "and it takes at least 60"), (300, 2, "3 turns take at least 3")],
)
def test_too_few_people_or_cycles_write_nothing(tmp_path, people, cycles, why):
    tables.write(tables.northbank(people=people, cycles=cycles, seed=3), tmp_path / "data")
    spec = {"report": "own", "data": "data", "notebooks": ["coverage"]}
    (tmp_path / "own.yml").write_text(yaml.safe_dump(spec))
    with pytest.raises(Stopped, match=why) as caught:
        inviting.plan(tmp_path / "own.yml", "Q2", tmp_path / "a.csv")
    assert caught.value.code == TOO_SMALL and not (tmp_path / "a.csv").exists()


def test_an_open_question_that_people_can_be_invited_to_names_the_command():
    fit = Fit(0.1, -0.1, 0.3, 0.1, 99.0, 0.95, 4000, 1200, 300, 101, "core", "adjusted")
    row = judge.judge(
        Comparison("acknowledging_to_rating", None, fit, n_cycles=4), smallest_effect=0.1
    )[0]
    assert "an order of invitation drawn by lot (`learnalign plan`)" in row.to_settle

"""The journal: each state of a run, what is said of it, and how it is stopped and buried."""

import json
import os
import signal
import stat
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnalign.data.mistakes import DataError, Stopped
from learnalign.runs import journal

# --- what is said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ZeroDivisionError: division by zero", "ZeroDivisionError: division by zero"),
        ("KeyError: 'P017'", "KeyError: …"),
        ("no rating of P017, jane@bank.example", "no rating of …, …"),
        ("No such file: /home/jane.doe/data", "No such file: …"),
        ("column 'rating' of 'P017'", "column 'rating' of …"),
        ("nothing of ana or Ben", "nothing of … or Ben"),
        ("list of 3 and 4", "list of … and …"),
    ],
)
def test_a_message_holds_what_the_notebook_says_and_nothing_of_people(text, said):
    assert journal.discreet(text, "df['rating'] + 4", {"ana"}) == said


IDS = st.text(st.characters(categories=["L", "N"]), min_size=2, max_size=8)


@pytest.mark.property
@settings(max_examples=100, deadline=None)
@given(IDS, st.sampled_from(["no {} here", "'{}'", "of ({})", "{}:", "[{}, {}]", "a_{}", '"{}"']))
def test_no_id_survives(who, form):
    said = journal.discreet(form.replace("{}", who), "code", {who, f"a_{who}"})
    assert who not in said or who in form.replace("{}", "")


# --- the journal


def test_a_journal_tells_each_state_and_is_for_its_owner_alone(tmp_path):
    told = []
    with journal.opened(tmp_path / "out", "r", 1, told.append) as log, log.lock("2026-06-30"):
        log.note("locked", as_of="2026-06-30")
        log.note("executing", notebook="one", cell=1, cells=2)
        log.note("captured", notebook="one", took=3.2)
        work, scratch, path = log.work, log.scratch, log.path
        assert stat.S_IMODE(work.stat().st_mode) == stat.S_IMODE(scratch.stat().st_mode) == 0o700
        log.note("recorded")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    states = ["planned", "locked", "executing", "captured", "recorded"]
    assert [line["state"] for line in lines] == [event.state for event in told] == states
    assert (
        stat.S_IMODE(path.stat().st_mode) == 0o600
        and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    )
    assert not work.exists() and not scratch.exists()
    assert str(told[2]) == "one: cell 1 of 2" and str(told[3]) == "one: done in 3 s"
    with journal.opened(tmp_path / "out", "r", 1) as log:
        assert log.before["one"] == 3.2 and log.before[""] >= 0
        log.note("recorded")


def test_only_the_newest_journals_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "KEPT", 3)
    for _ in range(6):
        with pytest.raises(Stopped), journal.opened(tmp_path, "r", 1):
            raise Stopped(3, "too small")
    assert len([*tmp_path.glob(".runs/r/*.jsonl")]) <= 4
    assert len([*tmp_path.glob(".runs/r/*.failure.json")]) <= 4


@pytest.mark.fault
def test_a_signal_that_a_library_swallows_ends_the_run_all_the_same(tmp_path):
    """As a check that takes every error for a fault of the data."""
    with pytest.raises(Stopped) as stopped, journal.opened(tmp_path, "r", 1) as log:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        except BaseException:
            pass
        log.note("checked")
        pytest.fail("it went on")
    assert stopped.value.code == 143
    assert json.loads(log.path.with_suffix(".failure.json").read_text())["code"] == 143


@pytest.mark.fault
def test_an_error_that_a_signal_was_taken_for_is_told_as_the_signal(tmp_path):
    before = signal.getsignal(signal.SIGTERM)  # another library may have set its own
    with pytest.raises(Stopped, match="SIGTERM"), journal.opened(tmp_path, "r", 1) as log:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        except BaseException:
            raise DataError([]) from None
    assert "SIGTERM" in log.path.with_suffix(".failure.json").read_text()
    assert signal.getsignal(signal.SIGTERM) == before


def test_in_another_thread_signals_are_left_alone(tmp_path):
    seen, before = [], signal.getsignal(signal.SIGTERM)

    def work():
        with journal.opened(tmp_path, "r", 1):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.fault
def test_a_living_run_is_not_buried_and_a_dead_one_once(tmp_path):
    with journal.opened(tmp_path, "r", 1) as log:
        journal.bury(tmp_path)
        assert log.work.is_dir() and len(log.path.read_text().splitlines()) == 1
        log.note("recorded")
    dead = log.path.with_name("20200101T000000-abcdef.jsonl")
    dead.write_text('{"state": "planned", "scratch": ""}\n{"state": "exec')
    (dead.with_suffix("") / "edition").mkdir(parents=True)
    threads = [threading.Thread(target=journal.bury, args=(tmp_path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not dead.with_suffix("").exists()
    assert dead.read_text().count('"died"') == 1


def test_a_failure_of_data_tells_the_place_and_not_the_value(tmp_path):
    from learnalign.data.mistakes import Problem

    with pytest.raises(DataError), journal.opened(tmp_path, "r", 1) as log:
        raise DataError([Problem("people", "person_id", "stands twice", "P017")])
    said = json.loads(log.path.with_suffix(".failure.json").read_text())
    assert (
        said["code"] == 2
        and said["why"] == "people.person_id: stands twice"
        and said["reached"] == "planned"
    )


@pytest.mark.fault
def test_no_locks_no_run(tmp_path, monkeypatch):
    """Some network folders know none: better no edition than two runs at once."""

    def none(file):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(journal, "lock_descriptor", none)
    with (
        pytest.raises(Stopped, match="No locks available") as stopped,
        journal.opened(tmp_path, "r", 1),
    ):
        pytest.fail("it began")
    assert stopped.value.code == 7

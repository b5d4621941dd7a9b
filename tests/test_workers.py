"""Workers and the journal: what a notebook's process is given, what is said of it, and how its run is stopped."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import faults

from learnalign import journal, locks, workers
from learnalign.problems import DataError, Stopped

# --- before anything is started ------------------------------------------------------------------------


def test_a_notebook_that_can_be_run_is_let_through(tmp_path):
    faults.notebook(tmp_path / "one.ipynb", "x = 1", "y = not x  # !false")
    workers.look([tmp_path / "one.ipynb"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not a notebook"),
        ("[]", "is not a notebook"),
        ('{"cells": [{}]}', "is not a notebook"),
        ('{"cells": []}', "has no cell of parameters"),
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path, text, words):
    (tmp_path / "one.ipynb").write_text(text)
    with pytest.raises(DataError, match=words):
        workers.look([tmp_path / "one.ipynb"])


@pytest.mark.parametrize("line", ["!false", "  !pip list", "%%bash\nfalse", "%system ls"])
def test_a_call_of_a_shell_is_refused_since_nobody_sees_it_fail(tmp_path, line):
    faults.notebook(tmp_path / "one.ipynb", line)
    with pytest.raises(DataError, match="calls a shell"):
        workers.look([tmp_path / "one.ipynb"])


def test_a_process_is_given_no_secret(monkeypatch, tmp_path):
    for name in ("API_TOKEN", "LEARNALIGN_KEY", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "hunter2-SECRET")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    given_ = workers._environment(tmp_path, "a-run")
    assert "hunter2-SECRET" not in given_.values()
    assert given_["LC_ALL"] == "C.UTF-8" and given_["PATH"] == os.environ["PATH"] and given_[workers.MARK] == "a-run"


@pytest.mark.parametrize("deep", [0, 200])
def test_kernels_talk_by_sockets_of_the_run_or_encrypted(deep):
    config = workers._transport("/tmp/" + "x" * deep).KernelManager
    assert config.get("transport") == "ipc" or config["transport_encryption"] == "required"
    assert (config.get("transport") == "ipc") == (deep == 0)


# --- ending ---------------------------------------------------------------------------------------------


@pytest.mark.fault
def test_every_process_of_a_run_is_ended_and_no_other():
    """Also one that left its parent's session and whose parent is gone, and one that took off the mark."""
    orphan = "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)"
    bare = "import subprocess, time; subprocess.Popen(['sleep', '600'], env={}); time.sleep(600)"
    mine = os.environ | {workers.MARK: "a-run"}
    subprocess.run([sys.executable, "-c", orphan], env=mine, check=True)
    parent = subprocess.Popen([sys.executable, "-c", bare], env=mine)
    other = subprocess.Popen(["sleep", "600"], env=os.environ | {workers.MARK: "another"})
    time.sleep(0.5)
    family = workers._family("a-run")
    assert len(family) == 3
    workers.end("a-run")
    assert workers._family("a-run") == [] and not any(workers._lives(process) for process in family)
    assert other.poll() is None
    other.kill()
    other.wait()
    parent.wait()


# --- what is said ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ZeroDivisionError: division by zero", "ZeroDivisionError: division by zero"),
        ("KeyError: 'P017'", "KeyError: …"),
        ("no rating of P017, jane@bank.example", "no rating of …, …"),
        ("No such file: /home/jane.doe/data", "No such file: …"),
        ("column 'rating' of 'P017'", "column 'rating' of …"),
        ("nothing of ana or Ben", "nothing of … or Ben"),
        ("list of 3 and 4", "list of … and 4"),
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


# --- the journal ------------------------------------------------------------------------------------------


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
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
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
    from learnalign.problems import Problem

    with pytest.raises(DataError), journal.opened(tmp_path, "r", 1) as log:
        raise DataError([Problem("people", "person_id", "stands twice", "P017")])
    said = json.loads(log.path.with_suffix(".failure.json").read_text())
    assert said["code"] == 2 and said["why"] == "people.person_id: stands twice" and said["reached"] == "planned"


@pytest.mark.fault
def test_no_locks_no_run(tmp_path, monkeypatch):
    """Some network folders know none: better no edition than two runs at once."""

    def none(file, wait=False):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(locks, "take", none)
    with pytest.raises(Stopped, match="No locks available") as stopped, journal.opened(tmp_path, "r", 1):
        pytest.fail("it began")
    assert stopped.value.code == 7


@pytest.mark.fault
def test_a_worker_ends_with_its_supervisor(tmp_path):
    """Killed, it can end nobody; the system does, where it can be told to (Linux)."""
    code = (
        "import sys, time\nfrom learnalign import workers\n"
        "workers.tie(int(sys.argv[1]))\nprint('tied', flush=True)\ntime.sleep(600)"
    )
    start = (
        "import os, subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', sys.argv[1], str(os.getpid())], env=os.environ)\ntime.sleep(600)"
    )
    mine = os.environ | {workers.MARK: "tied-run", "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, "-c", start, code], env=mine, stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "tied\n"
    parent.kill()
    parent.wait()
    assert faults.survivors({"tied-run"}) == []

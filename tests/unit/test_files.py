"""Locks and moves: one holder at a time, none left behind by a killed process, and folders
exchanged whole.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from learnalign.data.mistakes import Stopped
from learnalign.runs import files

HOLD = """
import sys, time
from pathlib import Path
from learnalign.runs import files as locks
from learnalign.data.mistakes import Stopped
try:
    with locks.held(Path(sys.argv[1]), "r of 2026"):
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
except Stopped as error:
    print(error.code, error, flush=True)
"""


def holder(lock: Path, seconds: float) -> subprocess.Popen:
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", HOLD, str(lock), str(seconds)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )


def test_a_second_run_is_told_who_holds_it_since_when(tmp_path):
    lock = tmp_path / "a.lock"
    with files.held(lock, "r of 2026"):
        who = f"r of 2026 is being made by another run: process {os.getpid()} on "
        with pytest.raises(Stopped, match=who) as told, files.held(lock, "r of 2026"):
            pytest.fail("held twice")
        assert told.value.code == 6 and "since 20" in str(told.value)
    with files.held(lock, "r of 2026"):
        assert lock.stat().st_mode & 0o777 == 0o600


def test_a_lock_of_a_killed_process_is_nobodys(tmp_path):
    """Its file still tells of it, and is not believed."""
    lock = tmp_path / "a.lock"
    first = holder(lock, 60)
    assert first.stdout.readline() == "held\n"
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert json.loads(lock.read_text())["pid"] == first.pid
    with files.held(lock, "r of 2026"):
        assert json.loads(lock.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize(
    "text", ["", "{", "null", '{"pid": 1}', '{"pid": "x", "began": 1, "host": "h", "since": ""}']
)
def test_what_stands_in_the_file_of_a_lock_decides_nothing(tmp_path, text):
    lock = tmp_path / "a.lock"
    lock.write_text(text)
    with (
        files.held(lock, "r of 2026"),
        pytest.raises(Stopped, match="another run"),
        files.held(lock, "r of 2026"),
    ):
        pytest.fail("held twice")


def test_a_number_that_was_given_out_again_is_no_holder(tmp_path, monkeypatch):
    """The process that stands there has ended, and another has its number: it is not named."""
    lock = tmp_path / "a.lock"
    with files.held(lock, "r"):
        who = json.loads(lock.read_text())
        assert str(os.getpid()) in files._holder(lock)
        lock.write_text(" " + json.dumps(who | {"began": psutil.Process().create_time() - 1000}))
        assert files._holder(lock) == "another run"


@pytest.mark.slow
def test_of_many_that_would_recover_a_lock_one_does(tmp_path):
    lock = tmp_path / "a.lock"
    first = holder(lock, 60)
    first.stdout.readline()
    first.kill()
    first.wait()
    others = [holder(lock, 60) for _ in range(6)]
    said = sorted(other.stdout.readline()[:4] for other in others)
    for other in others:
        other.kill()
        other.wait()
    assert said == ["6 r "] * 5 + ["held"]


def folder(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_text(text)
    return path


@pytest.mark.parametrize("can", [True, False], ids=["exchange", "two moves"])
def test_a_folder_takes_the_place_of_another(tmp_path, monkeypatch, can):
    if not can:
        monkeypatch.setattr(files, "_exchanged", lambda one, other: False)
    stage, place, aside = (
        folder(tmp_path / "s", "new"),
        folder(tmp_path / "r/p", "old"),
        tmp_path / "aside",
    )
    files.exchange(stage, place, aside)
    assert (place / "file").read_text() == "new"
    assert ((stage if stage.exists() else aside) / "file").read_text() == "old"
    files.exchange(folder(tmp_path / "t", "first"), tmp_path / "new/place", aside / "x")
    assert (tmp_path / "new/place/file").read_text() == "first"


def test_when_the_second_of_two_moves_fails_the_old_one_is_back(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_exchanged", lambda one, other: False)
    place = folder(tmp_path / "p", "old")
    with pytest.raises(FileNotFoundError):
        files.exchange(tmp_path / "absent", place, tmp_path / "aside")
    assert (place / "file").read_text() == "old"


def test_a_file_in_an_editions_place_is_not_taken_away(tmp_path):
    (tmp_path / "p").write_text("mine")
    with pytest.raises(NotADirectoryError):
        files.exchange(folder(tmp_path / "s", "new"), tmp_path / "p", tmp_path / "aside")
    assert (tmp_path / "p").read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two folders in one move")
def test_a_reader_never_finds_a_place_empty(tmp_path):
    """Thousands of exchanges by another process; each read finds one of the two, whole."""
    stage, place = folder(tmp_path / "s", "a" * 1000), folder(tmp_path / "p", "b" * 1000)
    code = (
        "import sys\nfrom pathlib import Path\nfrom learnalign.runs import files as locks\n"
        "s, p = map(Path, sys.argv[1:])\nwhile True: locks.exchange(s, p, p)"
    )
    command = [sys.executable, "-c", code, str(stage), str(place)]
    writer = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    seen, limit = set(), time.monotonic() + 60
    try:
        while time.monotonic() < limit and (len(seen) < 2 or time.monotonic() < limit - 58):
            for _ in range(1000):
                seen.add((place / "file").read_text())
    finally:
        writer.kill()
        writer.wait()
    assert seen == {"a" * 1000, "b" * 1000}

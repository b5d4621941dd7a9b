"""Runs that break at 3 a.m.: the right exit code, the true cause, the last good edition untouched,
nothing left.

The reliability tests that a run is held to, by their numbers. Elsewhere are those of 10 (params:
`test_run`), 15 (data: `test_reading`, `test_cli`, `test_dirty`), 17 (the same inputs:
`test_run`), 19 (schedulers: `test_schedule`, `test_doctor`), 21 (the report: `test_page`,
`test_browser`, `test_pdf`) and 24 ("Run all": `test_run`); 25, the oldest and newest dependencies,
is a matrix in CI. A file system of a few kilobytes needs a mount: a limit on the size of files and
a planted error stand for it.
"""

import json
import os
import re
import shutil
import signal
import stat
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from tests import faults
from tests.faults import RESULTS

from learnalign.data.mistakes import DataError
from learnalign.runs import run as runs
from northbank import tables

pytestmark = [pytest.mark.fault, pytest.mark.slow]
KILL, STOP = signal.SIGKILL, signal.SIGSTOP
# Four runs start side by side, and kernels beside other tests may take half of it
SOON = {"deadline_minutes": 0.6}
AS_OF = "2026-06-30"


@dataclass
class Case:
    """A fault: the cells of its notebook, what its params and process are given, and how it must
    end.
    """

    code: int
    words: str
    cells: tuple[str, ...] = (RESULTS,)
    params: dict = field(default_factory=dict)
    ask: dict = field(default_factory=dict)
    cell: int = 0


def dies(pid: str, number: int = KILL) -> str:
    return f"import os, time\nos.kill(os.{pid}(), {int(number)})\ntime.sleep(60)"


def at(state: str, **strike: object) -> dict:
    return {"strike": {"state": state, **strike}}


SLOW = ("x = 1", "import time\ntime.sleep(60)", RESULTS)
CASES = {
    # 1, 2: the kernel, the worker
    "kernel killed in cell 2": Case(5, "kernel died", (dies("getpid"), RESULTS), cell=2),
    "kernel killed in cell 3": Case(5, "kernel died", ("x = 1", dies("getpid"), RESULTS), cell=3),
    "kernel killed when all was done": Case(5, "kernel died", (RESULTS, dies("getpid")), cell=3),
    "worker killed": Case(5, "SIGKILL", ("x = 1", dies("getppid"), RESULTS), cell=3),
    # 3: signals; when it is too late for one, the edition is there
    "SIGTERM": Case(143, "SIGTERM", SLOW, ask=at("executing", cell=3, number=signal.SIGTERM)),
    "SIGINT": Case(130, "SIGINT", SLOW, ask=at("executing", cell=2, number=signal.SIGINT)),
    "SIGHUP, thrice": Case(129, "SIGHUP", SLOW, ask=at("executing", number=signal.SIGHUP, times=3)),
    "SIGTERM before a worker": Case(143, "SIGTERM", ask=at("checked", number=signal.SIGTERM)),
    "SIGTERM before the move": Case(143, "SIGTERM", ask=at("rendered", number=signal.SIGTERM)),
    # 5, 6: what hangs
    "kernel frozen": Case(4, "deadline", (dies("getpid", STOP), RESULTS), SOON, cell=2),
    "regular expression": Case(
        4, "deadline", ("import re\nre.match('(a+)+$', 'a' * 50 + 'b')",), SOON, cell=2
    ),
    "deaf to SIGINT": Case(
        4,
        "deadline",
        ("import signal\nsignal.signal(2, signal.SIG_IGN)\nwhile True: pass",),
        SOON,
        cell=2,
    ),
    "sleep": Case(4, "deadline", ("import time\ntime.sleep(60)",), SOON, cell=2),
    # 7, 8: no room, no place
    "disk full at the start": Case(7, "", ask={"limit": 100}),
    "disk full in a notebook": Case(
        7, "File too large", ("print('x' * 900_000)", RESULTS), ask={"limit": 500_000}, cell=3
    ),
    "disk full in a cell": Case(
        7, "No space left", ("raise OSError(28, 'No space left on device')",), cell=2
    ),
    "disk full in the ledger": Case(7, "No space left", ask={"strike": {"raises": "enter"}}),
    "disk full in render": Case(7, "No space left", ask={"strike": {"raises": "render"}}),
    "disk full at the end": Case(7, "No space left", ask={"strike": {"raises": "settle"}}),
    "disk full in the move": Case(7, "No space left", ask={"strike": {"raises": "exchange"}}),
    # 9: memory
    "MemoryError": Case(1, "MemoryError", ("x = bytearray(10**15)",), cell=2),
    "DuckDB out of memory": Case(
        1,
        "OutOfMemory",
        (
            "import duckdb\nc = duckdb.connect(config={'memory_limit': '5MB', "
            "'temp_directory': ''})\n"
            "c.sql('select list(i) from range(10_000_000) t(i)').fetchall()",
        ),
        cell=2,
    ),
    # 13: notebooks that are none, and kernels
    "no kernel": Case(
        1, "No such file", ask={"env": {"JUPYTER_PATH": "{folder}/jupyter", "PATH": os.defpath}}
    ),
    # 14: what failed without a word
    "sys.exit(0)": Case(1, "sys.exit", (RESULTS, "import sys\nsys.exit(0)", "x = 1"), cell=3),
    "sys.exit(3)": Case(1, "SystemExit", (RESULTS, "import sys\nsys.exit(3)"), cell=3),
    "a cell fails": Case(1, "ZeroDivisionError: division by zero", ("1 / 0", RESULTS), cell=2),
    "no results": Case(1, "no valid results", ("x = 1",)),
    "swallowed": Case(1, "no valid results", ("try:\n    1 / 0\nexcept Exception: x = 1",)),
    "lost in a task": Case(
        1,
        "no valid results",
        ("import asyncio\nasync def late():\n    1 / 0\ntask = asyncio.create_task(late())",),
    ),
    "printed by a thread": Case(
        1,
        "printed and not raised in cell 3",
        (
            RESULTS,
            (
                "import threading\nlost = threading.Thread(target=lambda: 1 / "
                "0)\nlost.start()\nlost.join()"
            ),
        ),
        cell=3,
    ),
    "lost and collected": Case(
        1,
        "printed and not raised in cell 4",
        (
            RESULTS,
            "import asyncio, gc\nasync def late():\n    1 / 0\ntask = asyncio.create_task(late())",
            "await asyncio.sleep(0.1)\ndel task\ngc.collect()",
        ),
        cell=4,
    ),
    # 15: data
    "too few people": Case(3, "too small", params={"min_group": 5000}),
    # a process that left its parent and took the mark off stays its child's child
    "a daemon is left": Case(
        1,
        "ZeroDivisionError",
        ("import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)", "1 / 0"),
        cell=3,
    ),
    # 22: planted ids and secrets
    "ids in the message": Case(
        1,
        "ValueError",
        (
            "import os\nimport learnalign as la\n"
            "who = la.study(data).dataset.tables['people'].person_id.execute()[0]",
            "raise ValueError(f'no rating of {who}, {who!r} {os.environ}')",
        ),
        cell=3,
        ask={"env": {"PLANTED": "hunter2-SECRET", "PATH": os.defpath}},
    ),
}
PUBLISHES = {
    "SIGTERM after the move": Case(0, "", ask=at("published", number=signal.SIGTERM)),
    "no environment, umask 077": Case(0, "", ask={"env": {}, "umask": 0o077}),
    "Kolkata": Case(0, "", ask={"env": {"TZ": "Asia/Kolkata", "PATH": os.defpath}}),
    "a system that cannot exchange": Case(0, "", ask={"strike": {"raises": "_exchanged"}}),
    "a daemon is left behind": Case(
        0,
        "",
        (RESULTS, "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)"),
    ),
}
STATES = ("planned", "locked", "checked", "executing", "captured", "rendered", "published")
KILLED = {f"killed when {state}": state for state in STATES}
# Told by another case as well: run by name, so that all others together take less than a minute on
# 2 cores
ALSO = (
    "kernel killed in cell 3",
    "sys.exit(3)",
    "swallowed",
    "lost in a task",
    "Kolkata",
    "disk full in render",
    "disk full in the ledger",
    "killed when locked",
    "killed when checked",
    "killed when captured",
)


def cases(names: Iterable[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "name",
        [pytest.param(name, marks=[pytest.mark.slow] if name in ALSO else []) for name in names],
    )


@pytest.fixture(scope="module")
def server():
    made = faults.Server()
    yield made
    made.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return tables.write(
        tables.northbank(people=60, cycles=2, seed=3), tmp_path_factory.mktemp("bank") / "data"
    )


@pytest.fixture(scope="module")
def good(tmp_path_factory, server, data) -> Path:
    """The last good edition, in a folder `out` to copy."""
    folder = tmp_path_factory.mktemp("good")
    run = server.start(faults.project(folder, data), folder / "log")
    assert run.wait() == 0, run.said
    return folder / "out"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, server, data, good, request):
    """All cases that are to be tested, two at a time; each a run over the last good edition."""
    chosen = {
        item.callspec.params["name"]
        for item in request.session.items
        if "outcomes" in item.fixturenames
    }
    base = tmp_path_factory.mktemp("cases")

    def play(name: str) -> faults.Run | tuple[faults.Run, bool, faults.Run]:
        case = (CASES | PUBLISHES).get(name, Case(0, ""))
        folder = base / "".join(filter(str.isalnum, name)).lower()
        params = faults.project(folder, data, *case.cells, **case.params)
        shutil.copytree(good, folder / "out")
        kernel = folder / "jupyter/kernels/python3/kernel.json"
        kernel.parent.mkdir(parents=True)
        kernel.write_text(
            json.dumps({"argv": ["/nowhere/python", "{connection_file}"], "display_name": "x"})
        )
        ask = json.loads(json.dumps(case.ask).replace("{folder}", str(folder)))
        ask = ask if name not in KILLED else at(KILLED[name], number=KILL)
        run = server.start(params, folder / "log", **ask)
        run.wait()
        if name not in KILLED:
            return run
        new = {path.stem for path in (folder / "out/.runs/r").glob("*.jsonl")}
        alive, kept = (
            faults.survivors(new),
            faults.snapshot(folder / "out/r") == faults.snapshot(good / "r"),
        )
        assert not alive
        again = server.start(params, folder / "log")
        again.wait()
        return run, kept, again

    with ThreadPoolExecutor(4) as pool:
        yield {
            name: pool.submit(play, name)
            for name in [*CASES, *PUBLISHES, *KILLED]
            if name in chosen
        }


def began(path: Path) -> str:
    """When a journal's run began; its name tells that to the second."""
    found = re.search(r'"at": "([^"]*)"', path.read_text())  # a full disk tears the line behind it
    return found[1] if found else ""


def left(out: Path, good: Path) -> tuple[Path, ...]:
    """What a run has left: its journal first, then its failure; and nothing of it is alive or lies
    about.
    """
    new = [
        path
        for path in sorted((out / ".runs/r").iterdir())
        if not (good / ".runs/r" / path.name).exists()
    ]
    assert faults.survivors({path.stem for path in new if path.suffix == ".jsonl"}) == []
    assert {path.name for path in out.iterdir()} == {
        ".private",
        ".runs",
        "history.parquet",
        "ledger.jsonl",
        "plan.json",
        "r",
    }
    assert [path.name for path in (out / "r").iterdir()] == [AS_OF]
    assert all(path.is_file() and stat.S_IMODE(path.stat().st_mode) == 0o600 for path in new)
    assert stat.S_IMODE((out / ".runs").stat().st_mode) == 0o700
    assert not [path for run in new for path in Path("/tmp").glob(f"learnalign-{run.stem}*")]
    return tuple(
        sorted(new, key=lambda path: (path.suffix != ".jsonl", began(path)))
    )  # the older journal first


@cases(CASES)
def test_a_run_that_breaks_leaves_the_last_good_edition_and_the_true_cause(outcomes, good, name):
    case, run = CASES[name], outcomes[name].result()
    assert run.wait() == case.code, run.said
    assert "Traceback" not in run.said and case.words in run.said
    journal, *failures = left(run.folder / "out", good)
    assert faults.snapshot(run.folder / "out/r") == faults.snapshot(good / "r")
    if name == "disk full at the start":
        return  # not even that could be written
    failure = json.loads(failures[0].read_text())
    assert failure["code"] == case.code and case.words in failure["why"] and failure["what_to_do"]
    assert failure.get("cell", 0) == case.cell and len(failure.get("log", [])) <= 40
    last = json.loads(journal.read_text().splitlines()[-1])
    assert (last["state"], last["code"]) == ("failed", case.code)


@cases(PUBLISHES)
def test_a_run_that_is_only_disturbed_publishes(outcomes, good, name):
    run = outcomes[name].result()
    assert run.wait() == 0, run.said
    out = run.folder / "out"
    (journal,) = left(out, good)
    assert json.loads(journal.read_text().splitlines()[-1])["state"] == "recorded"
    before, now = (
        json.loads((place / f"r/{AS_OF}/results.json").read_text()) for place in (good, out)
    )
    assert before["run"].pop("run_id") != now["run"].pop("run_id")
    for time_of in ("started", "finished"):
        before["run"].pop(time_of), now["run"].pop(time_of)
    assert {**before, "run": 0} == {**now, "run": 0}
    for path in (out / f"r/{AS_OF}", out / f"r/{AS_OF}/report.html", out / f"r/{AS_OF}/restricted"):
        mode = 0o700 if path.name == "restricted" else 0o755 if path.is_dir() else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("name", ["ids in the message"])
def test_no_byte_that_is_written_or_said_holds_an_id_or_a_secret(outcomes, data, name):
    """Of a run whose notebook raised an error full of them."""
    run = outcomes[name].result()
    people = set(pd.read_csv(data / "people.csv", dtype=str).person_id)
    said = [
        run.said,
        *(
            path.read_text(errors="replace")
            for path in (run.folder / "out/.runs").rglob("*.*json*")
        ),
    ]
    assert len(said) > 2
    for text in said:
        assert "hunter2" not in text and not any(who in text for who in people)


# --- 4, 23: the supervisor is killed


@cases(KILLED)
def test_after_the_supervisor_was_killed_the_next_run_converges(outcomes, good, name):
    """Workers and kernels end with it; the next run says that it died, clears away and publishes."""
    killed, kept, again = outcomes[name].result()
    state, out = KILLED[name], again.folder / "out"
    assert (killed.wait(), again.wait(), kept) == (-KILL, 0, state != "published"), again.said
    dead, journal = left(out, good)
    died = json.loads(dead.read_text().splitlines()[-1])
    assert died["state"] == "died" and repr(state) in died["text"]
    assert json.loads((out / f"r/{AS_OF}/manifest.json").read_text())["run_id"] == journal.stem


def test_a_kernel_that_never_looks_up_ends_with_its_supervisor(tmp_path, server, data):
    """In C, it answers nobody and asks for nobody; what it had started is ended by the next run."""
    daemon = "import re, subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n"
    wedge = f"{daemon}re.match('(a+)+$', 'a' * 50 + 'b')"
    params = faults.project(tmp_path, data, wedge)
    run = server.start(params, tmp_path / "log", **at("executing", cell=2, number=KILL, pause=0.5))
    assert run.wait() == -KILL
    (journal,) = (tmp_path / "out/.runs/r").glob("*.jsonl")
    time.sleep(1)
    assert {process.name() for process in faults.marked({journal.stem})} <= {"sleep"}
    faults.notebook(tmp_path / "notebooks/one.ipynb", RESULTS)
    assert server.start(params, tmp_path / "log").wait() == 0
    assert faults.survivors({journal.stem}) == []


def test_killed_between_two_moves_the_edition_comes_back(tmp_path, server, data, good):
    """Where a system cannot exchange two folders, an edition may lie aside when its run is killed."""
    params = faults.project(tmp_path, data, "1 / 0")
    shutil.copytree(good, tmp_path / "out")
    killed = server.start(params, tmp_path / "log", strike={"state": "checked", "number": KILL})
    assert killed.wait() == -KILL
    (work,) = (path for path in (tmp_path / "out/.runs/r").iterdir() if path.is_dir())
    (work / "before").mkdir()
    (tmp_path / f"out/r/{AS_OF}").rename(work / "before" / AS_OF)
    assert server.start(params, tmp_path / "log").wait() == 1
    assert faults.snapshot(tmp_path / "out/r") == faults.snapshot(good / "r")


# --- 11, 12: side by side


def readers(place: Path, runs_: list, least: int = 1000) -> int:
    """Read an edition again and again while runs publish it: every file whole, every time."""
    reads = 0
    while reads < least or not all(run.log.with_suffix(".rc").exists() for run in runs_):
        json.loads((place / "results.json").read_bytes())
        json.loads((place / "manifest.json").read_bytes())
        assert (place / "report.html").read_bytes().rstrip().endswith(b"</html>")
        reads += 3
        time.sleep(0.001)
    return reads


def same(folder: Path, server, data: Path, good: Path, number: int) -> list[int]:
    """Exit codes of runs of one edition, all started at once, under the eyes of a reader."""
    params = faults.project(folder, data)
    shutil.copytree(good, folder / "out")
    runs_ = [server.start(params, folder / "log") for _ in range(number)]
    assert readers(folder / f"out/r/{AS_OF}", runs_) >= 1000
    for run in runs_:
        if run.wait() == 6:
            assert "being made by another run" in run.said
    left(folder / "out", good)
    return sorted(run.wait() for run in runs_)


def different(folder: Path, server, data: Path, number: int) -> None:
    """Reports of their own, all at once, into one folder: each in its place."""
    names = [f"r{i}" for i in range(number)]
    params = [
        faults.project(folder, data, report=name) for name in names
    ]  # they share a notebook: all before any runs
    runs_ = [server.start(one, folder / "log") for one in params]
    assert [run.wait(900) for run in runs_] == [0] * number, "\n".join(run.said for run in runs_)
    for name in names:
        edition = json.loads((folder / f"out/{name}/{AS_OF}/results.json").read_text())
        assert edition["run"]["report"] == name
    assert len((folder / "out/ledger.jsonl").read_text().splitlines()) == number


def test_of_two_runs_of_an_edition_one_ends_at_once_and_readers_see_whole_files(
    tmp_path, server, data, good
):
    assert same(tmp_path, server, data, good, 2) == [0, 6]


def test_different_reports_run_side_by_side(tmp_path, server, data):
    different(tmp_path, server, data, 4)


@pytest.mark.slow
def test_of_twenty_runs_of_an_edition_one_is_published(tmp_path, server, data, good):
    codes = same(tmp_path, server, data, good, 20)
    assert set(codes) == {0, 6}  # one that starts when another has ended may run, too


@pytest.mark.scale
def test_fifty_reports_at_once(tmp_path, server, data):
    different(tmp_path, server, data, 50)


@pytest.mark.slow
def test_a_storm_of_output_ends_and_what_is_kept_of_it_is_small(tmp_path, server, data):
    cells = ("for i in range(300_000): print(i)", "print('x' * 40_000_000)", RESULTS, "1 / 0")
    run = server.start(faults.project(tmp_path, data, *cells), tmp_path / "log")
    assert run.wait() == 1 and "ZeroDivisionError" in run.said
    assert (
        sum(path.stat().st_size for path in (tmp_path / "out/.runs").rglob("*") if path.is_file())
        < 100_000
    )


# --- 8, 10, 13, 18: places, params, notebooks, the ledger


def test_a_long_and_odd_path_is_a_path(tmp_path, server, data):
    folder = tmp_path / "p {x} ü" / ("long " * 30)
    run = server.start(faults.project(folder, data), tmp_path / "log")
    assert run.wait() == 0 and (folder / f"out/r/{AS_OF}/report.html").is_file(), run.said


def test_a_place_that_cannot_be_written_is_said(tmp_path, server, data):
    run = server.start(faults.project(tmp_path, data), tmp_path / "log", out=Path("/proc/nowhere"))
    assert run.wait() == 7 and "could not be written below /proc/nowhere" in run.said


PARAMS = {
    "unknown": {"min_gruop": 10},
    "wrong type": {"min_group": "many"},
    "bad date": {"as_of": "2026-02-30"},
    "later than the data": {"as_of": "2099-01-01"},
    "NaN": {"deadline_minutes": float("nan")},
    "007": {"report": "00/7"},
    "code in a name": {"x=5; import os; y": 1},
    "quote": {"report": "r'; x"},
    "long": {"report": "r" * 1_000_000},
    "no notebooks": {"notebooks": []},
    "twice": {"notebooks": ["one", "one"]},
}


@pytest.mark.parametrize("name", PARAMS)
def test_bad_params_start_no_kernel(tmp_path, data, monkeypatch, name):
    params = faults.project(
        tmp_path, data, **({"report": "r"} | PARAMS[name] if "report" not in PARAMS[name] else {})
    )
    if "report" in PARAMS[name]:
        params.write_text(
            params.read_text().replace(
                "report: r\n", f"report: {json.dumps(PARAMS[name]['report'])}\n"
            )
        )
    monkeypatch.setattr(
        runs.workers, "execute", lambda *_, **__: pytest.fail("a kernel was started")
    )
    with pytest.raises(DataError):
        runs.run(params)


def _saved_with_errors(path: Path) -> None:
    faults.notebook(path, RESULTS, kernelspec={"name": "gone", "display_name": "Gone"})
    content = json.loads(path.read_text())
    error = {"output_type": "error", "ename": "E", "evalue": "old", "traceback": ["old"]}
    content["cells"][1] |= {"outputs": [error], "execution_count": 7}
    path.write_text(json.dumps(content))


def test_a_notebook_saved_with_errors_and_another_kernel_runs(tmp_path, server, data):
    params = faults.project(tmp_path, data)
    _saved_with_errors(tmp_path / "notebooks/one.ipynb")
    run = server.start(params, tmp_path / "log")
    assert run.wait() == 0, run.said
    executed = (tmp_path / f"out/r/{AS_OF}/restricted/one.ipynb").read_text()
    assert "old" not in executed


def test_a_damaged_line_of_the_ledger_is_told_and_the_report_published(
    tmp_path, server, data, good
):
    params = faults.project(tmp_path, data)
    shutil.copytree(good, tmp_path / "out")
    with (tmp_path / "out/ledger.jsonl").open("a") as ledger:
        ledger.write('{"torn": \n')
    run = server.start(params, tmp_path / "log")
    assert run.wait() == 0 and "Line 2 of ledger.jsonl cannot be read" in run.said, run.said

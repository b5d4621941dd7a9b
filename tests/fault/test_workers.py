"""The pool and its tasks: what a process of a run is given, how it ends, and that none is left."""

import json
import os
import stat
import subprocess
import sys
import time

import pytest
from tests import faults

from learnalign.data.mistakes import DataError
from learnalign.runs import forks, printing, workers
from learnalign.runs import pool as pools
from learnalign.runs.pool import Pool

# --- before anything is started


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
    for name in (
        "API_TOKEN",
        "LEARNALIGN_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "DATABASE_URL",
        "SSH_AUTH_SOCK",
    ):
        monkeypatch.setenv(name, "hunter2-SECRET")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("LEARNALIGN_QUESTIONS", "questions")  # where a project's own are
    given_ = pools.environment(tmp_path, "a-run")
    assert "hunter2-SECRET" not in given_.values()
    assert given_["LEARNALIGN_QUESTIONS"] == "questions"
    assert (
        given_["LC_ALL"] == "C.UTF-8"
        and given_["PATH"] == os.environ["PATH"]
        and given_[pools.MARK] == "a-run"
    )


@pytest.mark.parametrize("deep", [0, 200])
def test_kernels_talk_by_sockets_of_the_run_or_encrypted(deep):
    config = workers.transport("/tmp/" + "x" * deep).KernelManager
    assert config.get("transport") == "ipc" or config["transport_encryption"] == "required"
    assert (config.get("transport") == "ipc") == (deep == 0)


# --- tasks


def execute(tasks, place, jobs=2, with_starter=False):
    """Run tasks to their end; what was noted, and which were done."""
    notes, done, scratch = [], [], place / "s"
    scratch.mkdir(mode=0o700)
    run_id = f"test-{place.name}"
    until = time.monotonic() + 60
    with Pool(scratch, run_id, jobs=jobs, until=until, warm=with_starter) as pool:
        workers.execute(
            tasks,
            pool,
            note=lambda state, **facts: notes.append((state, facts)),
            done=lambda task: done.append(task.name),
        )
    return notes, done


def test_a_task_is_called_by_its_name_and_works_in_its_folder(tmp_path):
    faults.notebook(tmp_path / "one.ipynb", "open('here', 'w').write(data)")
    places = [tmp_path / "deep/a", tmp_path / "deep/b"]
    tasks = [
        workers.Task(f"{at.name}/one", tmp_path / "one.ipynb", at, {"out": "", "data": at.name})
        for at in places
    ]
    notes, done = execute(tasks, tmp_path)
    assert sorted(done) == ["a/one", "b/one"]
    assert [facts["notebook"] for _, facts in notes if "pid" in facts] == [
        "a/one",
        "b/one",
    ]  # in the order given
    for place in places:
        assert (place / "here").read_text() == place.name and (place / "one.ipynb").is_file()
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    jobs = [json.loads((place / "one.job.json").read_text()) for place in places]
    assert (
        len({job["ip"] for job in jobs}) == 2
    )  # sockets of their own, though the notebooks' names are the same


def test_an_exception_that_was_printed_and_not_raised_is_a_failure(tmp_path):
    lost = (
        "import threading\nthread = threading.Thread(target=lambda: 1 / "
        "0)\nthread.start()\nthread.join()"
    )
    faults.notebook(tmp_path / "one.ipynb", "x = 1", lost, "y = 1")
    task = workers.Task(
        "retail-1/one", tmp_path / "one.ipynb", tmp_path / "u", {"out": "", "data": ""}
    )
    with pytest.raises(
        workers.Failed, match="an exception was printed and not raised in cell 3"
    ) as failed:
        execute([task], tmp_path)
    assert str(failed.value).startswith("retail-1/one.ipynb failed")
    assert (failed.value.code, failed.value.where.notebook, failed.value.where.cell) == (
        1,
        "retail-1/one",
        3,
    )


@pytest.mark.skipif(
    not forks.IS_POSSIBLE, reason="forks of a process with libraries in it: Linux alone"
)
def test_a_warm_kernel_is_a_fork_with_its_own_chance_and_redacts(tmp_path):
    """Its own random state, the run's mark, no secret, and the library not in it before IPython
    was.
    """
    code = (
        "import sys, os, json, numpy\nthere = [n for n in sys.modules if "
        "n.startswith('learnalign')]\n"
        "import learnalign\nbundle = type(get_ipython().display_formatter).__name__\n"
        "json.dump([there, 'learnalign.privacy.redaction' in sys.modules, 'statsmodels.api' "
        "in sys.modules,"
        " float(numpy.random.random()), os.environ['LEARNALIGN_RUN'], os.getcwd()], open(out, 'w'))"
    )
    faults.notebook(tmp_path / "one.ipynb", code)
    outs = {name: tmp_path / f"{name}.json" for name in ("a", "b")}
    tasks = [
        workers.Task(n, tmp_path / "one.ipynb", tmp_path / n, {"out": str(o), "data": ""})
        for n, o in outs.items()
    ]
    execute(tasks, tmp_path, with_starter=True)
    seen = [json.loads(out.read_text()) for out in outs.values()]
    run_id = f"test-{tmp_path.name}"
    for name, (*facts, _, mark, place) in zip(outs, seen, strict=True):
        assert facts == [[], True, True] and (mark, place) == (run_id, str(tmp_path / name))
    assert seen[0][3] != seen[1][3]


WARM_ENDS = {
    "raises": ("1 / 0", 1, "ZeroDivisionError"),
    "kernel killed": ("import os\nos.kill(os.getpid(), 9)", 5, "kernel died"),
    "worker killed": ("import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(60)", 5, "SIGKILL"),
    "starter killed": (
        "import os, psutil, time\nos.kill(psutil.Process(os.getppid()).ppid(), 9)\ntime.sleep(60)",
        5,
        "SIGKILL",
    ),
    "printed": (
        "import threading as t\nx = t.Thread(target=lambda: 1 / 0)\nx.start()\nx.join()",
        1,
        "printed and not",
    ),
}


@pytest.mark.parametrize("warm", [False, True])
def test_pages_are_printed_side_by_side(tmp_path, warm):
    pytest.importorskip("weasyprint")
    pages = {tmp_path / f"{name}.html": tmp_path / f"{name}.pdf" for name in "ab"}
    for page in pages:
        page.write_text("<html lang='en'><title>T</title><p>words</p></html>")
    with Pool(tmp_path, "prints", jobs=2, until=time.monotonic() + 60, warm=warm) as pool:
        assert printing.printed(pages, pool) == {}
    assert all(pdf.read_bytes().startswith(b"%PDF-") for pdf in pages.values())


@pytest.mark.fault
def test_a_page_that_is_late_or_asks_for_more_is_a_failure(tmp_path):
    page = tmp_path / "a.html"
    page.write_text("<html lang='en'><title>T</title><img src='https://a.example/b.png'></html>")
    for wait, code, words in ((60, 1, "asks for https"), (-1, 4, "deadline")):
        until = time.monotonic() + wait
        with (
            pytest.raises(workers.Failed, match=words) as failed,
            Pool(tmp_path, "prints", jobs=1, until=until) as pool,
        ):
            printing.printed({page: tmp_path / "a.pdf"}, pool)
        assert failed.value.code == code and faults.survivors({"prints"}) == []


def test_where_no_pdf_can_be_made_the_reason_is_handed_out(tmp_path):
    page = printing.Page(tmp_path / "a.html", tmp_path / "a.pdf", tmp_path / "print0")
    page.file("log").write_text("No PDF was made: WeasyPrint is not installed.")
    page.ended(printing.UNPRINTED)
    assert "not installed" in page.why
    with pytest.raises(workers.Failed, match="memory") as failed:
        page.ended(-9)
    assert failed.value.code == 5


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.skipif(not forks.IS_POSSIBLE, reason="as above")
@pytest.mark.parametrize("name", WARM_ENDS)
def test_a_warm_worker_ends_as_any_other(tmp_path, name):
    code, number, words = WARM_ENDS[name]
    faults.notebook(tmp_path / "one.ipynb", code)
    task = workers.Task("one", tmp_path / "one.ipynb", tmp_path / "w", {"out": "", "data": ""})
    with pytest.raises(workers.Failed, match=words) as failed:
        execute([task], tmp_path, with_starter=True)
    assert failed.value.code == number and failed.value.where.cell == 2
    assert faults.survivors({f"test-{tmp_path.name}"}) == []


def test_where_nothing_can_be_forked_there_is_no_starter(tmp_path, monkeypatch):
    monkeypatch.setattr(forks, "IS_POSSIBLE", False)
    with Pool(tmp_path, "none", jobs=1, until=0, warm=True) as pool:
        assert pool._starter is None


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.skipif(not forks.IS_POSSIBLE, reason="as above")
def test_a_supervisor_that_is_killed_takes_starter_worker_and_a_kernel_in_c_with_it(tmp_path):
    faults.notebook(
        tmp_path / "one.ipynb",
        "open(out, 'w').close()\nimport re\nre.match('(a+)+$', 'a' * 50 + 'b')",
    )
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom learnalign.runs import pool, "
        "workers\nat = Path(sys.argv[1])\n"
        "task = workers.Task('one', at / 'one.ipynb', at / 'w', {'out': str(at / 'begun'), "
        "'data': ''})\n"
        "with pool.Pool(at, 'killed-warm', jobs=1, until=time.monotonic() + 60, warm=True) as it:\n"
        "    workers.execute([task], it, note=lambda *a, **k: None, done=print)\n"
    )
    mine = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    supervisor = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=mine)
    limit = time.monotonic() + 40
    while not (tmp_path / "begun").exists() and time.monotonic() < limit:
        time.sleep(0.1)
    time.sleep(0.5)
    assert (tmp_path / "begun").exists() and len(faults.marked({"killed-warm"})) == 3
    supervisor.kill()
    supervisor.wait()
    assert faults.survivors({"killed-warm"}) == []


# --- ending


@pytest.mark.fault
def test_every_process_of_a_run_is_ended_and_no_other():
    """Also one that left its parent's session and whose parent is gone, and one that took off the
    mark.
    """
    orphan = "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)"
    bare = "import subprocess, time; subprocess.Popen(['sleep', '600'], env={}); time.sleep(600)"
    mine = os.environ | {pools.MARK: "a-run"}
    subprocess.run([sys.executable, "-c", orphan], env=mine, check=True)
    parent = subprocess.Popen([sys.executable, "-c", bare], env=mine)
    other = subprocess.Popen(["sleep", "600"], env=os.environ | {pools.MARK: "another"})
    time.sleep(0.5)
    family = pools._family("a-run")
    assert len(family) == 3
    pools.end("a-run")
    assert pools._family("a-run") == [] and not any(pools._lives(process) for process in family)
    assert other.poll() is None
    other.kill()
    other.wait()
    parent.wait()


@pytest.mark.fault
def test_a_worker_ends_with_its_supervisor(tmp_path):
    """Killed, it can end nobody; the system does, where it can be told to (Linux)."""
    code = (
        "import sys, time\nfrom learnalign.runs import forks\n"
        "forks.tie(int(sys.argv[1]))\nprint('tied', flush=True)\ntime.sleep(600)"
    )
    start = (
        "import os, subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', sys.argv[1], str(os.getpid())], "
        "env=os.environ)\ntime.sleep(600)"
    )
    mine = os.environ | {pools.MARK: "tied-run", "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", start, code], env=mine, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout.readline() == "tied\n"
    parent.kill()
    parent.wait()
    assert faults.survivors({"tied-run"}) == []


OVERHEARD = """
import json, os, stat, psutil, zmq
ports = [one.laddr for one in psutil.Process().net_connections("inet") if one.status == "LISTEN"]
heard, context = 0, zmq.Context()
for host, port in ports:
    ear = context.socket(zmq.SUB)
    ear.connect(f"tcp://127.0.0.1:{port}")
    ear.subscribe(b"")
    ear.poll(500)
    print("ana", flush=True)
    heard += bool(ear.poll(500))
    ear.close(0)
named = get_ipython().kernel.parent.ip
place = os.path.dirname(named) if "/" in named else ""
mode = os.stat(place).st_mode & 0o777 if place else 0
json.dump([len(ports), heard, mode], open(out, "w"))
"""


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_nobody_hears_a_kernel(tmp_path, warm, deep):
    """Others of this machine may listen at every port; they may not look into a run's folder."""
    place = tmp_path / ("x" * 120 if deep else "n")
    place.mkdir()
    faults.notebook(tmp_path / "one.ipynb", OVERHEARD)
    out = tmp_path / "heard.json"
    task = workers.Task("one", tmp_path / "one.ipynb", place / "t", {"out": str(out), "data": ""})
    execute([task], place, with_starter=warm and forks.IS_POSSIBLE)
    ports, heard, mode = json.loads(out.read_text())
    assert (heard, ports > 0, mode) == (0, deep, 0 if deep else 0o700)

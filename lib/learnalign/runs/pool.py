"""The processes of a run: started side by side, watched until a deadline, and all ended with it.

Every process of a run carries its name in the environment, so that also one that left its parent,
or whose supervisor was killed, is found and ended. Where a system can fork a process with libraries
in it, several are forks of one that has imported them (`forks`).
"""

import errno
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from learnalign.data.mistakes import Stopped
from learnalign.runs import forks

MARK = "LEARNALIGN_RUN"
# What a process is given of the environment: nothing that could be a secret
KEPT = re.compile(
    "PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_.*|TZ|PYTHONPATH|VIRTUAL_ENV|CONDA_PREFIX"
    "|LD_LIBRARY_PATH|JUPYTER_PATH|MPLBACKEND|MPLCONFIGDIR|FONTCONFIG_FILE|FONTCONFIG_PATH"
    "|SYSTEMROOT|WINDIR|COMSPEC|PATHEXT|USERPROFILE|APPDATA|LOCALAPPDATA|PROGRAMDATA"
    "|.*_NUM_THREADS|LEARNALIGN_QUESTIONS"
)
# One thread each: side by side they would wait for each other, and sums would differ in their last
# digits
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
DIED = "most often the machine ran out of memory."


@dataclass(frozen=True)
class Where:
    """The place at which a notebook failed: cells counted from 1, as a reader does; the last lines
    of its log.
    """

    notebook: str
    cell: int = 0
    line: str = ""
    what_to_do: str = ""
    log: Sequence[str] = ()


class Failed(Stopped):
    """A process of a run failed; `where` says at which place."""

    def __init__(self, code: int, message: str, where: Where) -> None:
        super().__init__(code, message)
        self.where = where


class Task:
    """A process to be: `work(job)` of a module of this room; and what is made of how it goes.

    It works in the folder of `stem`, where its files are named so: `log`, `job.json`.
    """

    module: str
    stem: Path

    def file(self, kind: str) -> Path:
        """One of its files, by its ending."""
        return self.stem.with_name(f"{self.stem.name}.{kind}")

    def job(self, scratch: Path) -> Mapping[str, Any]:
        """What it is told, as JSON values; `scratch` is a short folder of its own, to be made."""
        raise NotImplementedError

    def begun(self, pid: int) -> None:
        """It has begun."""

    def look(self) -> None:
        """How is it? Asked again and again, the last time when it has ended."""

    def ended(self, code: int) -> None:
        """It ended, by a signal where `code` is negative; `Failed` where it should not have so."""
        raise NotImplementedError

    def late(self) -> Failed:
        """It was not done at the deadline."""
        raise NotImplementedError


class Pool:
    """The processes of a run, `jobs` side by side until `time.monotonic()` is `until`.

    To be used with `with`: whatever happens, no process of the run is alive afterwards. `warm`:
    they are forks of a process that has imported what they need, where that is possible.
    """

    def __init__(
        self, scratch: Path, run_id: str, *, jobs: int, until: float, warm: bool = False
    ) -> None:
        self.scratch, self.run_id, self.jobs, self.until = scratch, run_id, jobs, until
        self._given = environment(scratch, run_id)
        self._count = 0
        self._starter = Starter(self._given, scratch) if warm and forks.IS_POSSIBLE else None

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        if self._starter:
            self._starter.close()
        end(self.run_id)

    def run(self, tasks: Sequence[Task]) -> None:
        """Run tasks in the order given; a failure ends all, and what they left running is ended."""
        waiting, running = [*tasks], {}
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    task = waiting.pop(0)
                    running[task] = self._start(task)
                for task, process in [*running.items()]:
                    code = process.poll()  # before its last look: nothing is begun after its end
                    task.look()
                    if code is not None:
                        del running[task]
                        task.ended(code)
                    elif time.monotonic() > self.until:
                        raise task.late()
                time.sleep(0.05 if running else 0)
        finally:
            end(self.run_id, spared=self._starter.process.pid if self._starter else 0)
            for process in running.values():
                process.poll()

    def _start(self, task: Task) -> "subprocess.Popen | Forked":
        self._count += 1
        about = {
            "module": task.module,
            "parent": self._starter.process.pid if self._starter else os.getpid(),
            "is_fork": self._starter is not None,
        }
        job = {**about, **task.job(self.scratch / str(self._count))}
        file = task.file("job.json")
        file.write_text(json.dumps(job), encoding="utf-8")
        with task.file("log").open("wb") as log:
            if self._starter:
                process = self._starter.start(file)
            else:
                process = _spawn([file], file.parent, self._given, stdout=log, stderr=log)
        task.begun(process.pid)
        return process


def _spawn(
    words: Sequence[object], folder: Path, given: Mapping[str, str], **streams: Any
) -> subprocess.Popen:
    """A process of a run: its own session, its owner's files, and what it is given alone."""
    command = [sys.executable, "-m", forks.__name__, str(os.getpid()), *map(str, words)]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=dict(given),
        umask=0o077,
        start_new_session=True,
        bufsize=0,
        **{"stdin": subprocess.DEVNULL, **streams},
    )


class Starter:
    """The process that forks, as its owner sees it."""

    def __init__(self, given: Mapping[str, str], scratch: Path) -> None:
        self._ended: dict[int, int] = {}
        pipe = subprocess.PIPE
        with (scratch / "starter.log").open("wb") as log:
            self.process = _spawn([], scratch, given, stdin=pipe, stdout=pipe, stderr=log)

    def start(self, job: Path) -> "Forked":
        """A worker for a job; waits until everything is imported, the first time."""
        with suppress(OSError):
            self.process.stdin.write(json.dumps(str(job)).encode() + b"\n")
        while "code" in (told := self._told()):
            pass
        return Forked(self, told.get("pid", 0))

    def code(self, pid: int) -> int | None:
        """How a worker ended; None while it runs. A starter that is gone has taken all with it."""
        while select.select([self.process.stdout], [], [], 0)[0] and self._told():
            pass
        is_gone = self.process.poll() is not None
        return self._ended.get(pid, -signal.SIGKILL if is_gone or not pid else None)

    def _told(self) -> dict[str, int]:
        """The next that it tells; nothing when it is gone."""
        told = json.loads(self.process.stdout.readline() or "{}")
        if "code" in told:
            self._ended[told["pid"]] = told["code"]
        return told

    def close(self) -> None:
        """End it, and with it what still runs of its workers."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()


@dataclass(frozen=True)
class Forked:
    """A forked worker, as `subprocess.Popen` shows one."""

    starter: Starter
    pid: int

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self.starter.code(self.pid)


def environment(scratch: Path, run_id: str) -> dict[str, str]:
    """What a process is given of the environment, with the run's mark and its folders."""
    kept = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name.upper())}
    folders = dict.fromkeys(("TMPDIR", "TEMP", "TMP", "JUPYTER_RUNTIME_DIR"), str(scratch))
    return THREADS | kept | folders | {"IPYTHONDIR": str(scratch / "ipython"), MARK: run_id}


def end(run_id: str, spared: int = 0) -> None:
    """End every process of a run but this one, and return when they are gone; 5 seconds at most."""
    limit = time.monotonic() + 5
    while (family := _family(run_id, spared)) and time.monotonic() < limit:
        for process in family:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(family, timeout=1)


def _family(run_id: str, spared: int = 0) -> list[psutil.Process]:
    """All that carry the run's mark and live, and what came of them, though it may have put off the
    mark.
    """
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == run_id:
                found |= {one.pid: one for one in (process, *process.children(recursive=True))}
    return [process for pid, process in found.items() if pid != spared and _lives(process)]


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False

"""Runs that are made to break: tiny projects, the command line in forked processes, and what a
fault must leave.

A server imports the library once and forks a process for each run, so that hundreds of runs take
minutes. A forked run is the real command line; only where a fault cannot be had from outside is it
planted in that process (`strike`).
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil
import yaml

ROOT = Path(__file__).parents[1]
RESULTS = (
    "import json\nwith open(out, 'w') as file:\n    json.dump({'notebook': 'one', "
    "'results': []}, file)"
)
MARK = "LEARNALIGN_RUN"


def notebook(path: Path, *cells: str, tag: str = "parameters", **metadata: Any) -> None:
    """A notebook of a cell of parameters and a few lines."""
    first = nbformat.v4.new_code_cell('out = ""\ndata = ""')
    first.metadata["tags"] = [tag]
    made = nbformat.v4.new_notebook(metadata=metadata)
    made.cells = [first, *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(made, path)


def project(
    folder: Path, data: Path, *cells: str, report: str = "r", warm: bool = False, **more: Any
) -> Path:
    """A project with one notebook, or two, so that they are forked (`warm`); the params file is
    handed out.
    """
    for name in ("notebooks", "params"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    notebook(folder / "notebooks/one.ipynb", *(cells or (RESULTS,)))
    if warm:
        notebook(folder / "notebooks/two.ipynb", RESULTS.replace("'one'", "'two'"))
    params, names = folder / f"params/{report}.yml", ["one", "two"][: 1 + warm]
    params.write_text(
        yaml.safe_dump({"report": report, "data": str(data), "notebooks": names, **more})
    )
    return params


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, byte for byte."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def marked(run_ids: set[str]) -> list[psutil.Process]:
    """Living processes of runs, found without the library: by what stands in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) in run_ids and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def survivors(run_ids: set[str], seconds: float = 2) -> list[psutil.Process]:
    """Processes of runs that are alive after so many seconds."""
    limit = time.monotonic() + seconds
    while (found := marked(run_ids)) and time.monotonic() < limit:
        time.sleep(0.05)
    return found


@dataclass
class Run:
    """A run in a forked process: what it said, and how it ended (a signal is negative, as in
    `subprocess`).
    """

    folder: Path
    log: Path
    pid_file: Path = field(init=False)

    def __post_init__(self) -> None:
        self.pid_file = self.log.with_suffix(".pid")

    @property
    def pid(self) -> int:
        """The number of its process."""
        return int(_wait_for(self.pid_file))

    def wait(self, seconds: float = 180) -> int:
        """Its exit code, as soon as it has one."""
        return int(_wait_for(self.log.with_suffix(".rc"), seconds))

    @property
    def said(self) -> str:
        """All that it wrote on its terminal."""
        return self.log.read_text(errors="replace")


def _wait_for(path: Path, seconds: float = 60) -> str:
    limit = time.monotonic() + seconds
    while not (path.exists() and path.read_text().endswith("\n")):
        if time.monotonic() > limit:
            raise TimeoutError(str(path))
        time.sleep(0.02)
    return path.read_text()


class Server:
    """A process with the library imported, which forks a run whenever it is asked."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT / "lib")]))
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )

    def start(self, params: Path, log: Path, out: Path | None = None, **ask: Any) -> Run:
        """Start `learnalign run`; `env`, `limit`, `umask`, `cwd` and `strike` are for its process."""
        self._count += 1
        log = log / f"{self._count}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        args = ["run", str(params), "--anew", *(["--out", str(out)] if out else [])]
        self._process.stdin.write(json.dumps({"args": args, "log": str(log), **ask}) + "\n")
        self._process.stdin.flush()
        return Run(params.parent.parent, log)

    def close(self) -> None:
        """End it; runs that are under way go on."""
        self._process.stdin.close()
        self._process.wait()


# --- in the server


def _serve() -> None:
    from learnalign.runs import run  # noqa: F401  a forked run has them already

    with suppress(ImportError):
        import weasyprint  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            ask = json.loads(line)
            log = Path(ask["log"])
            if (pid := os.fork()) == 0:
                _run(ask, log)
            _put(log.with_suffix(".pid"), pid)
            _put(log.with_suffix(".rc"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            os._exit(0)


def _put(path: Path, number: int) -> None:
    path.with_suffix(".part").write_text(f"{number}\n")
    path.with_suffix(".part").rename(path)


def _run(ask: dict[str, Any], log: Path) -> None:
    import resource
    import traceback

    from learnalign import __main__ as cli

    code = 1
    try:
        os.setsid()
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number in (1, 2):
            os.dup2(file, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if "env" in ask:
            os.environ.clear()
            os.environ.update(ask["env"])
        os.chdir(ask.get("cwd", "/"))
        os.umask(ask.get("umask", 0o022))
        if "limit" in ask:
            resource.setrlimit(resource.RLIMIT_FSIZE, (ask["limit"], ask["limit"]))
        _plant(**ask.get("strike", {}))
        sys.argv = ["learnalign", *ask["args"]]
        cli.main()
        code = 0
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _plant(
    state: str = "",
    cell: int = 0,
    number: int = 0,
    times: int = 1,
    raises: str = "",
    pause: float = 0,
) -> None:
    """Strike at a state of a run (and a cell): a signal, or a pause; or make a function of the
    library find no room.
    """
    from learnalign.report import page
    from learnalign.runs import files, journal
    from learnalign.verdicts import document

    places = {
        "settle": files,
        "exchange": files,
        "_exchanged": files,
        "render": page,
        "enter": document,
    }
    if raises == "_exchanged":  # a system that cannot exchange
        files._exchanged = lambda one, other: False
    elif raises:

        def full(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        setattr(places[raises], raises, full)
    note = journal.Journal.note

    def struck(self: Any, reached: str, **facts: Any) -> None:
        note(self, reached, **facts)
        if reached == state and facts.get("cell", 0) == cell:
            time.sleep(pause)
            for _ in range(times if number else 0):
                os.kill(os.getpid(), number)

    if state:
        journal.Journal.note = struck


if __name__ == "__main__":
    _serve()

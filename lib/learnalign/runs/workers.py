"""Workers: one process per notebook, in which papermill runs it, under a supervisor that outlasts
none of them.

A worker's success is its own exit code: what papermill writes into a notebook is not asked, since
after a crash it says "completed". Every process of a run carries its name in the environment, so
that also one that left its parent, or whose supervisor was killed, is found and ended.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from learnalign.data.mistakes import (
    ANALYSIS,
    DEADLINE,
    KERNEL_DIED,
    PUBLISH,
    DataError,
    Problem,
    Stopped,
)
from learnalign.runs import warm

MARK = "LEARNALIGN_RUN"
# What a notebook's process is given of the environment: nothing that could be a secret
KEPT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "LD_LIBRARY_PATH",
    "JUPYTER_PATH",
    "MPLBACKEND",
    "MPLCONFIGDIR",
    "FONTCONFIG_FILE",
    "FONTCONFIG_PATH",
    "SYSTEMROOT",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
)
# One thread each: side by side they would wait for each other, and sums would differ in their last
# digits
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
HINTS = {
    "MemoryError": "Give the machine more memory, or run with --jobs 1.",
    "OutOfMemoryException": (
        "Give DuckDB more memory (its setting memory_limit), or run with --jobs 1."
    ),
    "NoSuchKernel": f"{sys.executable} -m ipykernel install --prefix {sys.prefix} --name python3",
}
KERNEL = {
    "name": "python3",
    "display_name": "Python 3",
    "language": "python",
}  # whatever a notebook was saved with
UNSEEN = (
    "Traceback (most recent call last)",
    "exception was never retrieved",
)  # printed: it failed, and went on
DIED = "most often the machine ran out of memory."
# The kernel's first line: it ends with its worker (PR_SET_PDEATHSIG), also in a computation that
# never looks up
TIED = (
    "__import__('ctypes').CDLL(None).prctl(1, 9); __import__('os').getppid() == {parent} "
    "or __import__('os')._exit(5);"
)


@dataclass(frozen=True)
class Task:
    """A notebook to be run; its name, alone in its run, is what all messages call it
    ("retail-1/coverage").

    It works in `folder`, which may be others' too, where its files are named by the notebook's
    stem.
    """

    name: str
    notebook: Path
    folder: Path
    parameters: Mapping[str, Any]


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
    """A notebook failed; `where` says at which place."""

    def __init__(self, code: int, message: str, where: Where) -> None:
        super().__init__(code, message)
        self.where = where


@dataclass
class Worker:
    """A notebook on its way: its process, and how many of its cells were begun."""

    name: str
    process: subprocess.Popen | warm.Forked
    stem: Path  # of its files, to which each adds its ending
    source: list[str]  # its cells
    begun: float = field(default_factory=time.monotonic)
    cell: int = 0

    def file(self, kind: str) -> Path:
        """One of its files, by its ending: `log`, `cells`, `failure`."""
        return self.stem.with_name(f"{self.stem.name}.{kind}")

    def cells(self) -> list[int]:
        """The cells begun since it was last asked."""
        with suppress(OSError, ValueError):
            last = int(self.file("cells").read_text().split()[-1])
            first, self.cell = self.cell + 1, max(last, self.cell)
            return [*range(first, last + 1)]
        return []


def look(notebooks: Sequence[Path]) -> None:
    """A `DataError` when a notebook cannot be run as a report: not JSON, no parameters, or commands
    for a shell.

    What a shell does is seen by nobody: `!false` fails without a word.
    """
    found = []
    for path in notebooks:
        try:
            cells = [
                cell
                for cell in json.loads(path.read_bytes())["cells"]
                if cell["cell_type"] == "code"
            ]
            if not any("parameters" in cell.get("metadata", {}).get("tags", ()) for cell in cells):
                found.append(
                    Problem(
                        path.name, "", "has no cell of parameters", fix="tag one cell 'parameters'"
                    )
                )
            lines = [
                line.strip() for cell in cells for line in "".join(cell["source"]).splitlines()
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            found.append(
                Problem(
                    path.name, "", "is not a notebook", f"{type(error).__name__}: {error}"[:200]
                )
            )
            continue
        shell = [
            line
            for line in lines
            if line.startswith(("!", "%%bash", "%%sh", "%%script", "%%!", "%system"))
        ]
        found += [
            Problem(path.name, "", "calls a shell, whose failures nobody sees", line[:80])
            for line in shell
        ]
    if found:
        raise DataError(found)


def execute(
    tasks: Sequence[Task],
    scratch: Path,
    *,
    until: float,
    jobs: int,
    run_id: str,
    note: Callable[..., None],
    done: Callable[[str], None],
    starter: warm.Starter | None = None,
    discreet: Callable[[str, str], str] = lambda text, known: text,
) -> None:
    """Run tasks in the order given, `jobs` side by side, until `time.monotonic()` is `until`; a
    failure ends all.

    `note` is told of each cell begun and notebook done, `done` may raise where a notebook's results
    will not do, `discreet(message, code of the notebook)` takes from a message what may be
    somebody's. Raises `Failed`. Whatever happens, no process of the run is alive afterwards.
    """
    waiting, running = [*enumerate(tasks)], []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                number, task = waiting.pop(0)
                running.append(_start(task, scratch / str(number), run_id, note, starter))
            for worker in [*running]:
                code = worker.process.poll()  # before its cells: none is begun after its end
                for cell in worker.cells():
                    note("executing", notebook=worker.name, cell=cell, cells=len(worker.source))
                if code is not None:
                    _judge(worker, code, discreet)
                    done(worker.name)
                    note(
                        "captured",
                        notebook=worker.name,
                        took=round(time.monotonic() - worker.begun, 2),
                    )
                    running.remove(worker)
                elif time.monotonic() > until:
                    raise _late(worker)
            time.sleep(0.05 if running else 0)
    finally:
        end(run_id)
        for worker in running:
            worker.process.poll()


def _start(
    task: Task, sockets: Path, run_id: str, note: Callable[..., None], starter: warm.Starter | None
) -> Worker:
    folder, name = task.folder, task.notebook.name
    stem, scratch = folder / task.notebook.stem, sockets.parent
    for place in (folder, folder / "source"):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    notebook = json.loads(task.notebook.read_bytes())
    notebook["metadata"] = notebook.get("metadata", {}) | {"kernelspec": KERNEL}
    (folder / "source" / name).write_text(json.dumps(notebook), encoding="utf-8")
    source = ["".join(cell["source"]) for cell in notebook["cells"]]
    parent = starter.process.pid if starter else os.getpid()
    job = {
        "notebook": name,
        "parameters": dict(task.parameters),
        "parent": parent,
        "ip": str(sockets),
    }
    file = stem.with_name(f"{stem.name}.job.json")
    file.write_text(json.dumps(job), encoding="utf-8")
    with stem.with_name(f"{stem.name}.log").open("wb") as stream:
        if starter:
            process = starter.start(file, stream)
        else:
            process = spawn("workers", [file], folder, stream, environment(scratch, run_id))
    note("executing", notebook=task.name, pid=process.pid)
    return Worker(task.name, process, stem, source)


def spawn(
    module: str, arguments: Sequence[Any], folder: Path, stream: Any, given: dict[str, str]
) -> subprocess.Popen:
    """A process of a run: a module of this room, in a folder, which writes into `stream`;
    `given`: `environment`.
    """
    return subprocess.Popen(
        [sys.executable, "-m", f"learnalign.runs.{module}", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=stream,
        cwd=folder,
        env=given,
        umask=0o077,
        start_new_session=True,
    )


def environment(scratch: Path, run_id: str) -> dict[str, str]:
    """What every process of a run is given of the environment, with the run's mark and its folders."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in KEPT or name.startswith("LC_") or name.endswith("_NUM_THREADS")
    }
    own = {
        "TMPDIR": str(scratch),
        "TEMP": str(scratch),
        "TMP": str(scratch),
        "JUPYTER_RUNTIME_DIR": str(scratch),
        "IPYTHONDIR": str(scratch / "ipython"),
        MARK: run_id,
    }
    return THREADS | kept | own


def end(run_id: str) -> None:
    """End every process of a run but this one, and return when they are gone; 5 seconds at most."""
    limit = time.monotonic() + 5
    while (family := _family(run_id)) and time.monotonic() < limit:
        for process in family:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(family, timeout=1)


def _family(run_id: str) -> list[psutil.Process]:
    """All that carry the run's mark and live, and what came of them, though it may have put off the
    mark.
    """
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == run_id:
                found |= {one.pid: one for one in (process, *process.children(recursive=True))}
    return [process for process in found.values() if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _late(worker: Worker) -> Failed:
    place = f"{worker.name}.ipynb was not done at the deadline (deadline_minutes)"
    where = Where(worker.name, worker.cell, _line(worker))
    return Failed(
        DEADLINE,
        f"{place}: it was at cell {worker.cell} ({where.line}). Nothing was published.",
        where,
    )


def _line(worker: Worker) -> str:
    lines = (
        worker.source[worker.cell - 1].strip().splitlines()
        if 0 < worker.cell <= len(worker.source)
        else []
    )
    return lines[0][:100] if lines else ""


def _judge(worker: Worker, code: int, discreet: Callable[[str, str], str]) -> None:
    """Nothing when a worker ended well; else `Failed`, with the cause that it left, or what its end
    tells.
    """
    if code == 0:
        return
    known = "\n".join(worker.source)
    told: dict[str, Any] = {"why": "It ended without a word."}
    if code == PUBLISH:  # the disk may have been too full for more
        told = {"code": PUBLISH, "why": "There was no room on the disk for what it writes."}
    with suppress(OSError, ValueError):
        told = json.loads(worker.file("failure").read_bytes())
    if code < 0:
        name = signal.Signals(-code).name
        told = {"code": KERNEL_DIED, "why": f"Its process was ended by {name}: {DIED}"}
    with worker.file("log").open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - 20_000))
        lines = stream.read().decode(errors="replace").splitlines()[-40:]
    log = [discreet(line[:200], known) for line in lines]
    worker.cell = told.get("cell", worker.cell)
    where = Where(worker.name, worker.cell, _line(worker), told.get("fix", ""), log)
    why = discreet(str(told["why"]), known)[:400] + (
        f" in cell {where.cell}." if "cell" in told else ""
    )
    place = f"Cell {where.cell} ({where.line}): " if where.cell else ""
    tail = [] if "code" in told else ["The last lines of its log:", *log]
    text = [f"{worker.name}.ipynb failed. Nothing was published.", place + why, *tail]
    raise Failed(told.get("code", ANALYSIS), "\n".join(text), where)


# --- in the worker's process


def work(job_file: Path, **engine: Any) -> int:
    """Run one notebook, with more for its engine; when it fails, leave word why beside the job; its
    exit code.
    """
    job = json.loads(job_file.read_text(encoding="utf-8"))
    warm.tie(job["parent"])
    told = {}
    try:
        told = _run(job, engine)
    except OSError as error:
        why = f"It could not be run or saved: {error.strerror or error}"
        told = {"code": PUBLISH if error.errno in FULL else ANALYSIS, "why": why}
    if not told:
        return 0
    with suppress(OSError):
        Path(job["notebook"]).with_suffix(".failure").write_text(json.dumps(told), encoding="utf-8")
    return told["code"]


def _run(job: dict[str, Any], engine: Mapping[str, Any]) -> dict[str, Any]:
    """papermill, in the run's folder and with names from there: it reads braces in a path as its
    own.
    """
    # The grammar of a format that no notebook is checked for takes longer to import than all the
    # rest
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError

    source = f"source/{job['notebook']}"
    wanted = set(papermill.inspect_notebook(source))
    if strangers := sorted(wanted - set(job["parameters"])):
        return {
            "code": ANALYSIS,
            "why": f"Its cell of parameters has names that no run gives: {', '.join(strangers)}",
        }
    try:
        notebook = papermill.execute_notebook(
            source,
            job["notebook"],
            kernel_name="python3",
            language="python",
            progress_bar=False,
            parameters={key: value for key, value in job["parameters"].items() if key in wanted},
            request_save_on_cell_execute=False,
            autosave_cell_every=0,
            iopub_timeout=60,
            config=_transport(job["ip"]),
            on_cell_start=_counting(job["notebook"]),
            extra_arguments=[f"--IPKernelApp.exec_lines={TIED.format(parent=os.getpid())}"]
            * (sys.platform == "linux"),
            **engine,
        )
    except papermill.PapermillExecutionError as error:
        return _told(error.ename, f"{error.ename}: {error.evalue}")
    except NoSuchKernel as error:
        return _told("NoSuchKernel", f"There is no kernel {error.name}.")
    except (DeadKernelError, RuntimeError) as error:
        if not isinstance(error, DeadKernelError) and "kernel" not in str(error).lower():
            raise
        return {"code": KERNEL_DIED, "why": f"Its kernel died: {DIED}"}
    if notebook.metadata.papermill.exception:
        return {"code": ANALYSIS, "why": "It was left in the midst, as by sys.exit()."}
    return _unseen(notebook.cells)


def _unseen(cells: Sequence[Any]) -> dict[str, Any]:
    """What to tell of the first cell in which an exception was printed and not raised: of a thread
    or a task.
    """
    own = [cell for cell in cells if "injected-parameters" not in cell.metadata.get("tags", ())]
    for number, cell in enumerate(own, 1):
        streams = [output for output in cell.get("outputs", ()) if output.get("name") == "stderr"]
        text = "".join(output["text"] for output in streams)
        if any(words in text for words in UNSEEN):
            return {
                "code": ANALYSIS,
                "why": "an exception was printed and not raised",
                "cell": number,
            }
    return {}


def _told(kind: str, why: str) -> dict[str, Any]:
    full = any(f"[Errno {number}]" in why for number in FULL)
    return {"code": PUBLISH if full else ANALYSIS, "why": why, "fix": HINTS.get(kind, "")}


def _transport(ip: str) -> Any:
    """Sockets in a folder of the run, where the system has them and their path is short enough;
    else encryption.
    """
    from traitlets.config import Config

    is_short = os.name == "posix" and len(os.fsencode(ip)) < 90
    ways = {"transport": "ipc", "ip": ip} if is_short else {"transport_encryption": "required"}
    return Config({"KernelManager": ways})


def _counting(notebook: str) -> Callable[..., None]:
    """Write down each cell as it begins, counted as a reader counts: papermill put its own after
    the parameters.
    """
    cells = json.loads(Path("source", notebook).read_bytes())["cells"]
    own = next(
        i
        for i, cell in enumerate(cells)
        if "parameters" in cell.get("metadata", {}).get("tags", ())
    )

    def begin(cell: Any, cell_index: int) -> None:
        with Path(notebook).with_suffix(".cells").open("a") as file:
            file.write(f"{cell_index + (cell_index <= own)}\n")

    return begin


if __name__ == "__main__":
    sys.exit(work(Path(sys.argv[1])))

"""Workers: one process per notebook, in which papermill runs it.

A worker's success is its own exit code: what papermill writes into a notebook is not asked, since
after a crash it says "completed".
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learnalign.data.mistakes import ANALYSIS, DEADLINE, KERNEL_DIED, PUBLISH, DataError, Problem
from learnalign.runs import forks
from learnalign.runs.pool import DIED, FULL, Failed, Pool, Where
from learnalign.runs.pool import Task as Process
from learnalign.runs.words import hint

INJECTED = "injected-parameters"  # papermill's tag of the cell in which they stand
# Whatever a notebook was saved with
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
# Printed: it failed, and went on
UNSEEN = ("Traceback (most recent call last)", "exception was never retrieved")
MOST = 1_200  # letters of why it failed
SHELL = ("!", "%%bash", "%%sh", "%%script", "%%!", "%system")
# The kernel's first line: it ends with its worker (PR_SET_PDEATHSIG), also in a computation that
# never looks up; and no port is open, not even that for what forks of it print
TIED = (
    "__import__('ctypes').CDLL(None).prctl(1, 9); __import__('os').getppid() == {parent} "
    "or __import__('os')._exit(5); (lambda to: to.io_loop.add_callback(to._pipe_in.close))("
    "__import__('ipykernel.kernelapp', fromlist='_').IPKernelApp.instance().iopub_thread)"
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


def look(notebooks: Sequence[Path]) -> None:
    """A `DataError` when a notebook cannot be run as a report: not JSON, no parameters, or commands
    for a shell.

    What a shell does is seen by nobody: `!false` fails without a word.
    """
    if found := [problem for path in notebooks for problem in _problems(path)]:
        raise DataError(found)


def _problems(path: Path) -> list[Problem]:
    try:
        cells = json.loads(path.read_bytes())["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        has_parameters = any(map(_is_parameters, code))
        lines = [line.strip() for cell in code for line in "".join(cell["source"]).splitlines()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"[:200]
        return [Problem.of("not_a_notebook", path.name, got=got)]
    shell = (line[:80] for line in lines if line.startswith(SHELL))
    found = [Problem.of("calls_a_shell", path.name, got=line) for line in shell]
    return found if has_parameters else [Problem.of("no_parameters", path.name), *found]


def name_again(path: Path, parameters: Mapping[str, Any]) -> None:
    """Put other values in the place of those that an executed notebook ran with, so that it can be
    run again when the folders of its run are gone.

    Misleads for a unit's: run again, it is of the whole company.
    """
    notebook = json.loads(path.read_bytes())
    told = notebook["metadata"]["papermill"]
    told["parameters"] = {name: parameters[name] for name in told["parameters"]}
    lines = [f"{name} = {value!r}\n" for name, value in told["parameters"].items()]
    for cell in notebook["cells"]:
        if INJECTED in cell["metadata"].get("tags", ()):
            cell["source"] = ["# Parameters\n", *lines]
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _is_parameters(cell: Mapping[str, Any]) -> bool:
    return "parameters" in cell.get("metadata", {}).get("tags", ())


def execute(
    tasks: Sequence[Task],
    pool: Pool,
    *,
    note: Callable[..., None],
    done: Callable[[Task], None],
    discreet: Callable[[str, str], str] = lambda text, known: text,
) -> None:
    """Run notebooks in the order given; a failure, or the pool's deadline, ends all as `Failed`.

    `note` is told of each cell begun and notebook done, `done` may raise where a notebook's results
    will not do, `discreet(message, code of the notebook)` takes from a message what may be
    somebody's.
    """
    pool.run([Worker(task, note, done, discreet) for task in tasks])


@dataclass(eq=False)
class Worker(Process):
    """A notebook on its way: how many of its cells were begun, and how it ended."""

    module = "workers"
    task: Task
    note: Callable[..., None]
    done: Callable[[Task], None]
    discreet: Callable[[str, str], str]
    source: Sequence[str] = ()  # of each cell
    cell: int = 0
    since: float = 0

    @property
    def stem(self) -> Path:
        """Of its files."""
        return self.task.folder / self.task.notebook.stem

    def job(self, scratch: Path) -> Mapping[str, Any]:
        """Copies the notebook, to be run by this Python whatever it was saved with."""
        for place in (self.task.folder, self.task.folder / "source"):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        notebook = json.loads(self.task.notebook.read_bytes())
        notebook["metadata"] = notebook.get("metadata", {}) | {"kernelspec": KERNEL}
        name = self.task.notebook.name
        text = json.dumps(notebook)
        (self.task.folder / "source" / name).write_text(text, encoding="utf-8")
        self.source = ["".join(cell["source"]) for cell in notebook["cells"]]
        self.since = time.monotonic()
        parameters = dict(self.task.parameters)
        return {"notebook": name, "parameters": parameters, "ip": str(scratch)}

    def begun(self, pid: int) -> None:
        self.note("executing", notebook=self.task.name, pid=pid)

    def look(self) -> None:
        """Note the cells that were begun since it was last asked."""
        last, cells = self.cell, len(self.source)
        with suppress(OSError, ValueError, IndexError):  # not there yet, or not yet a line in it
            last = int(self.file("cells").read_text().split()[-1])
        for cell in range(self.cell + 1, last + 1):
            self.cell = cell
            self.note("executing", notebook=self.task.name, cell=cell, cells=cells)

    def ended(self, code: int) -> None:
        if code:
            raise self._failed(code)
        self.done(self.task)
        took = round(time.monotonic() - self.since, 2)
        self.note("captured", notebook=self.task.name, took=took)

    def late(self) -> Failed:
        where = Where(self.task.name, self.cell, self._line())
        place = f"{self.task.name}.ipynb was not done at the deadline (deadline_minutes)"
        text = f"{place}: it was at cell {self.cell} ({where.line}). Nothing was published."
        return Failed(DEADLINE, text, where)

    def _line(self) -> str:
        """The first line of the cell that it is in."""
        cell = self.source[self.cell - 1] if 0 < self.cell <= len(self.source) else ""
        return next(iter(cell.strip().splitlines()), "")[:100]

    def _failed(self, code: int) -> Failed:
        """Its failure, with the cause that it left, or what its end tells."""
        told, known = self._told(code), "\n".join(self.source)
        log = [self.discreet(line[:200], known) for line in self._last_lines()]
        self.cell = told.get("cell", self.cell)
        where = Where(self.task.name, self.cell, self._line(), told.get("fix", ""), log)
        why = self.discreet(str(told["why"]), known)[:MOST]
        why += f" in cell {where.cell}." if "cell" in told else ""
        place = f"Cell {where.cell} ({where.line}): " if where.cell else ""
        tail = [] if "code" in told else ["The last lines of its log:", *log]
        text = [f"{self.task.name}.ipynb failed. Nothing was published.", place + why, *tail]
        return Failed(told.get("code", ANALYSIS), "\n".join(text), where)

    def _told(self, code: int) -> dict[str, Any]:
        if code < 0:
            why = f"Its process was ended by {signal.Signals(-code).name}: {DIED}"
            return {"code": KERNEL_DIED, "why": why}
        with suppress(OSError, ValueError):
            return json.loads(self.file("failure").read_bytes())
        if code == PUBLISH:  # the disk may have been too full for more
            return {"code": PUBLISH, "why": "There was no room on the disk for what it writes."}
        return {"why": "It ended without a word."}

    def _last_lines(self) -> list[str]:
        with self.file("log").open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - 20_000))
            return stream.read().decode(errors="replace").splitlines()[-40:]


# --- in the worker's process


def work(job: Mapping[str, Any]) -> int:
    """Run one notebook; when it fails, leave word why beside the job; its exit code."""
    engine = {"kernel_manager_class": forks.manager(forks.Kernel())} if job["is_fork"] else {}
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


def _run(job: Mapping[str, Any], engine: Mapping[str, Any]) -> dict[str, Any]:
    """papermill, in the run's folder and with names from there: it reads braces in a path as its
    own. What went wrong is handed out.
    """
    # The grammar of a format that no notebook is checked for takes longer to import than all the
    # rest
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError

    wanted = set(papermill.inspect_notebook(f"source/{job['notebook']}"))
    if strangers := sorted(wanted - set(job["parameters"])):
        why = f"Its cell of parameters has names that no run gives: {', '.join(strangers)}"
        return {"code": ANALYSIS, "why": why}
    try:
        notebook = _executed(papermill, job, wanted, engine)
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


def _executed(
    papermill: Any, job: Mapping[str, Any], wanted: set[str], engine: Mapping[str, Any]
) -> Any:
    tied = [f"--IPKernelApp.exec_lines={TIED.format(parent=os.getpid())}"]
    return papermill.execute_notebook(
        f"source/{job['notebook']}",
        job["notebook"],
        kernel_name="python3",
        language="python",
        progress_bar=False,
        parameters={key: value for key, value in job["parameters"].items() if key in wanted},
        request_save_on_cell_execute=False,
        autosave_cell_every=0,
        iopub_timeout=60,
        config=transport(job["ip"]),
        on_cell_start=_counting(job["notebook"]),
        extra_arguments=tied * (sys.platform == "linux"),
        **engine,
    )


def _unseen(cells: Sequence[Any]) -> dict[str, Any]:
    """What to tell of the first cell in which an exception was printed and not raised: of a thread
    or a task.
    """
    own = [cell for cell in cells if INJECTED not in cell.metadata.get("tags", ())]
    for number, cell in enumerate(own, 1):
        streams = [output for output in cell.get("outputs", ()) if output.get("name") == "stderr"]
        text = "".join(output["text"] for output in streams)
        if any(words in text for words in UNSEEN):
            why = "an exception was printed and not raised"
            return {"code": ANALYSIS, "why": why, "cell": number}
    return {}


def _told(kind: str, why: str) -> dict[str, Any]:
    full = any(f"[Errno {number}]" in why for number in FULL)
    return {"code": PUBLISH if full else ANALYSIS, "why": why, "fix": hint(kind)}


def transport(ip: str) -> Any:
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
    own = next(number for number, cell in enumerate(cells) if _is_parameters(cell))

    def begin(cell: Any, cell_index: int) -> None:
        with Path(notebook).with_suffix(".cells").open("a") as file:
            file.write(f"{cell_index + (cell_index <= own)}\n")

    return begin

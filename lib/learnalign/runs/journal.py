"""The journal of a run: each state as it is reached, a line of JSON in a file that is only ever
appended to.

`OUT/.runs/REPORT/`, for its owner's eyes alone, holds what is no edition: `RUN.jsonl` (the journal,
locked while its run lives), `RUN/` (the working folder, and in it the edition until its one move),
`RUN.failure.json` (why nothing was published) and `AS_OF.lock`. A journal without an end whose lock
can be had is that of a run that was killed: the next run says so in it and clears away after it
(`bury`).
"""

import datetime as dt
import json
import re
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from learnalign.data.mistakes import (
    ANALYSIS,
    CONTRACT,
    DEADLINE,
    LOCKED,
    PUBLISH,
    DataError,
    Stopped,
)
from learnalign.runs import files, workers

STATES = (
    "planned",
    "locked",
    "checked",
    "linked",
    "executing",
    "captured",
    "rendered",
    "published",
    "recorded",
)
ENDS = ("recorded", "failed", "died")
KEPT = 100  # journals of a report
GRACE = 10  # seconds after the deadline of the workers, which can tell more
SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGALRM")
MEND = {
    ANALYSIS: (
        "Open the notebook in JupyterLab with the run's parameters, and run it up to this cell."
    ),
    CONTRACT: (
        "Correct what is named here; `learnalign check` names every problem of the data at once."
    ),
    3: (
        "Bring more people, the whole of the last cycle or newer data, or lower min_group, "
        "not below its floor."
    ),
    DEADLINE: (
        "Raise deadline_minutes, or see in the journal which cell took longer than last time."
    ),
    5: "Give the machine more memory, end other programs, or run with --jobs 1.",
    LOCKED: "Wait for the other run, or end it.",
    PUBLISH: "Make room on the disk, and let the user who runs it write there.",
}


@dataclass(frozen=True)
class Event:
    """What happened in a run: a state reached, or a cell begun; seconds since the start, and those
    of the last run.

    >>> print(Event("executing", 12.3, 40, "coverage", 3, 20))
    coverage: cell 3 of 20
    """

    state: str
    seconds: float = 0
    expected: float | None = None  # of the whole run, or of the notebook
    notebook: str = ""
    cell: int = 0
    cells: int = 0
    text: str = ""

    def __str__(self) -> str:
        if self.cell:
            return f"{self.notebook}: cell {self.cell} of {self.cells}"
        if self.state == "executing":
            return f"{self.notebook}: begun"
        if self.state == "captured":
            before = f", {self.expected:.0f} s last time" if self.expected is not None else ""
            return f"{self.notebook}: done in {self.text}{before}"
        return f"{self.seconds:.0f} s: {self.state}" + f" ({self.text})" * bool(self.text)


class Journal:
    """A run's journal, open for as long as the run lives, with the run's name and folders."""

    def __init__(self, out: Path, report: str, tell: Callable[[Event], None]) -> None:
        self.ending = Ending()
        self.started = dt.datetime.now(dt.UTC)
        self.run_id = f"{self.started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self.out, self.report, self.state, self._tell, self._begun = (
            out,
            report,
            "",
            tell,
            time.monotonic(),
        )
        place = out / ".runs" / report
        out.mkdir(mode=0o755, parents=True, exist_ok=True)
        for folder in (place.parent, place):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.before = _seconds(place)
        self.path, self.work = place / f"{self.run_id}.jsonl", place / self.run_id

        self._file = open(self.path, "x", encoding="utf-8", opener=files.private)  # noqa: SIM115
        files.take(self._file, wait=True)

    def begin(self) -> None:
        """Write who runs and what is planned, and make the run's folders."""
        self.note("planned", **files.owner(), report=self.report, scratch=str(self.scratch))
        for folder in (self.work, self.scratch):
            folder.mkdir(mode=0o700)

    @property
    def scratch(self) -> Path:
        """A short folder for sockets and temporary files: a socket's path may have some 100
        letters.
        """
        return _scratch(self.run_id)

    def lock(self, as_of: str) -> Any:
        """The lock of an edition of this report, to hold with `with`."""
        return files.held(self.path.parent / f"{as_of}.lock", f"{self.report} of {as_of}")

    def note(self, state: str, **facts: Any) -> None:
        """Write that a state was reached, or a cell begun, and tell of it; `Stopped` when the run
        was to end.
        """
        if (
            self.ending.why and state != "failed"
        ):  # whoever was interrupted may have kept it to itself
            raise self.ending.why
        self.state, seconds = (
            self.state if state == "warning" else state,
            round(time.monotonic() - self._begun, 2),
        )
        line = {
            "state": state,
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            "seconds": seconds,
        }
        self._file.write(json.dumps(line | facts, ensure_ascii=False) + "\n")
        self._file.flush()
        told = {key: facts[key] for key in ("notebook", "cell", "cells", "text") if key in facts}
        text = f"{facts['took']:.0f} s" if "took" in facts else ""
        expected = self.before.get(facts.get("notebook", ""))
        self._tell(Event(state, seconds, expected, **{"text": text} | told))

    def fail(self, error: BaseException) -> None:
        """Write what went wrong, where, why and what to do; a full disk keeps it from being
        written, not from ending.

        Of a data set's problems it holds the place and the kind, never the value that was found
        there.
        """
        code = CONTRACT if isinstance(error, DataError) else getattr(error, "code", ANALYSIS)
        place = asdict(error.where) if isinstance(error, workers.Failed) else {}
        why = (
            str(error)
            if isinstance(error, Stopped)
            else discreet(f"{type(error).__name__}: {error}")
        )
        if isinstance(error, DataError):
            why = "\n".join(f"{one.table}.{one.column}: {one.problem}" for one in error.problems)
        mend = MEND.get(code, "Run it again: nothing was changed.")
        said = {
            "run_id": self.run_id,
            "report": self.report,
            "code": code,
            "reached": self.state,
            "why": why,
        }
        with suppress(OSError):
            self.note("failed", code=code, why=why.splitlines()[0][:200])
        with (
            suppress(OSError),
            open(self.path.with_suffix(".failure.json"), "x", opener=files.private) as file,
        ):
            json.dump(
                said | place | {"what_to_do": place.get("what_to_do") or mend}, file, indent=1
            )

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        self.ending.too_late()
        workers.end(self.run_id)
        _clear(self.work)  # first: on a full disk it makes room for the reason
        if error:
            self.fail(self.ending.why or _of_disk(error, self.out, self))
        with suppress(OSError):  # what it could not write, it says by its exit code
            self._file.close()


@contextmanager
def opened(
    out: Path, report: str, minutes: float, tell: Callable[[Event], None] = lambda event: None
) -> Iterator[Journal]:
    """The journal of a new run below `out`; whatever ends the run is in it, and its working folder
    is gone.

    Signals and the deadline end the run as `stoppable` says, an `OSError` becomes `Stopped` (7).
    Runs that were killed are cleared away first.
    """
    journal = None
    try:
        with stoppable(minutes) as ending:
            bury(out)
            journal = Journal(out, report, tell)
            journal.ending = ending
            with journal:
                journal.begin()
                yield journal
    except OSError as error:
        raise _of_disk(error, out, journal) from error


def _of_disk(error: BaseException, out: Path, journal: Journal | None) -> BaseException:
    if not isinstance(error, OSError):
        return error
    why = error.strerror or error
    if journal and journal.state in ("published", "recorded"):
        return Stopped(
            PUBLISH, f"The edition was published, but not written into the run's journal: {why}."
        )
    text = f"The edition could not be written below {out}: {why}."
    return Stopped(PUBLISH, f"{text} The last good edition was left as it was.")


def bury(out: Path) -> None:
    """Clear away after runs that were killed: their processes, folders, and an edition caught
    between two moves.
    """
    journals = sorted((out / ".runs").glob("*/*.jsonl"))
    for path in [
        path
        for path in journals
        if _lines(path)[-1:] != [] and _lines(path)[-1]["state"] not in ENDS
    ]:
        with path.open("a", encoding="utf-8") as file:
            if not files.take(file) or (lines := _lines(path))[-1]["state"] in ENDS:
                continue  # it lives, or another run was faster
            workers.end(path.stem)
            for before in path.with_suffix("").glob("before/*"):
                with suppress(OSError):  # there is an edition in its place
                    before.rename(out / path.parent.name / before.name)
            _clear(path.with_suffix(""), Path(lines[0].get("scratch") or _scratch(path.stem)))
            text = f"killed after {lines[-1]['state']!r}; found by the next run"
            died = {"state": "died", "at": f"{dt.datetime.now(dt.UTC):%FT%TZ}", "text": text}
            file.write(
                "\n" * (path.read_bytes()[-1:] != b"\n") + json.dumps(died) + "\n"
            )  # its last line may be torn
    for path in [
        old
        for old in journals
        if sum(new.parent == old.parent for new in journals if new > old) >= KEPT
    ]:
        for file in (path, path.with_suffix(".failure.json")):
            file.unlink(missing_ok=True)


def _clear(work: Path, scratch: Path | None = None) -> None:
    for folder in (work, scratch or _scratch(work.name)):
        shutil.rmtree(folder, ignore_errors=True)


def _scratch(run_id: str) -> Path:
    return Path(tempfile.gettempdir()) / f"learnalign-{run_id}"


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; the last may be torn, where its run was killed or the disk was
    full.
    """
    found = []
    with suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
    return [line for line in found if isinstance(line, dict) and "state" in line]


def _seconds(place: Path) -> dict[str, float]:
    """What the last run that was recorded took: each notebook, and under "" the whole."""
    for path in sorted(place.glob("*.jsonl"), reverse=True):
        lines = _lines(path)
        if lines and lines[-1]["state"] == "recorded":
            took = {line["notebook"]: line["took"] for line in lines if line["state"] == "captured"}
            return took | {"": lines[-1]["seconds"]}
    return {}


def discreet(text: str, known: str = "", people: Collection[str] = ()) -> str:
    """A message without what may be somebody's: quoted text, words with a digit or @ unless in
    `known`; all `people`.

    Misleads where a name stands bare in a message and is not among `people`.

    >>> discreet("KeyError: 'P017' of ana and Bo", "df['P018']", {"ana"})
    'KeyError: … of … and Bo'
    """
    own = set(re.findall(r"\w+", known))

    def hide(found: re.Match) -> str:
        word = found[0].strip("'\"“”`")
        return found[0] if word in own and word not in people else "…"

    text = re.sub(
        r"'[^'\n]*'|\"[^\"\n]*\"|“[^”\n]*”|`[^`\n]*`|(?<!\w)/\S+|[\w.@+-]*[\d@][\w.@+-]*",
        hide,
        text,
    )
    return (
        re.sub(r"[\w.-]+", lambda found: "…" if found[0] in people else found[0], text)
        if people
        else text
    )


class Interrupted(BaseException):
    """Out of whatever the run is doing: no `Exception`, which libraries catch and take for a fault
    of the data.
    """


class Ending:
    """Why a run was to end, if it was; and the handlers that see to it."""

    def __init__(self) -> None:
        self.why: Stopped | None = None
        numbers = [
            number for name in SIGNALS if (number := getattr(signal, name, None)) is not None
        ]
        is_main = (
            threading.current_thread() is threading.main_thread()
        )  # no other may have handlers
        usual = {number: signal.getsignal(number) for number in numbers * is_main}
        self.usual = {
            number: usual[number] for number in usual if usual[number] not in (signal.SIG_IGN, None)
        }

    def too_late(self) -> None:
        """From here on nothing ends the run: it is clearing up, or puts its edition in place."""
        for number in self.usual:
            signal.signal(number, signal.SIG_IGN)

    def __call__(self, number: int, _frame: Any) -> None:
        """A handler of signals."""
        self.too_late()
        if number == getattr(signal, "SIGALRM", None):
            text = "The run was not done at the deadline (deadline_minutes). Nothing was published."
            self.why = Stopped(DEADLINE, text)
        else:
            name = signal.Signals(number).name
            self.why = Stopped(128 + number, f"The run was ended by {name}. Nothing was published.")
        raise Interrupted


@contextmanager
def stoppable(minutes: float) -> Iterator[Ending]:
    """While it lasts, SIGTERM, SIGINT, SIGHUP and the deadline end the run as `Stopped`; a signal
    with 128 + number.

    The first ends it, and more of them do not disturb its clearing up. What is in the midst of a
    call into C sees it when that returns. Outside the main thread it does nothing.
    """
    ending = Ending()
    alarm = getattr(signal, "setitimer", lambda *_: None) if ending.usual else lambda *_: None
    for number in ending.usual:
        signal.signal(number, ending)
    alarm(getattr(signal, "ITIMER_REAL", 0), minutes * 60 + GRACE)
    try:
        yield ending
    except BaseException:
        if ending.why:
            raise ending.why from None
        raise
    finally:
        alarm(getattr(signal, "ITIMER_REAL", 0), 0)
        for number, handler in ending.usual.items():
            signal.signal(number, handler)

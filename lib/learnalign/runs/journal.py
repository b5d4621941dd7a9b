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
import os
import re
import secrets
import shutil
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from learnalign.data import scratch, writing
from learnalign.data.contract import COLUMNS
from learnalign.data.mistakes import ANALYSIS, CONTRACT, PUBLISH, DataError, Problem, Stopped
from learnalign.runs import files, pool
from learnalign.runs.ending import Ending, stoppable
from learnalign.runs.history import HISTORY
from learnalign.runs.words import words
from learnalign.verdicts.document import LEDGER

ENDS = ("recorded", "failed", "died")
KEPT = 100  # journals of a report
RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")


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

    def __init__(
        self, out: Path, report: str, tell: Callable[[Event], None], ending: Ending
    ) -> None:
        self.out, self.report, self.ending, self._tell = out, report, ending, tell
        self.state, self._begun = "", time.monotonic()
        self.started = dt.datetime.now(dt.UTC)
        self.run_id = f"{self.started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        place = out / ".runs" / report
        out.mkdir(mode=0o755, parents=True, exist_ok=True)
        for folder in (place.parent, place):
            writing.own_folder(folder)
        writing.refuse_links(out / LEDGER, out / HISTORY, out / report)
        self.before = _seconds(place)
        self.path, self.work = place / f"{self.run_id}.jsonl", place / self.run_id
        self.details = self.path.with_suffix(".details.txt")
        self._file = open(self.path, "x", encoding="utf-8", opener=writing.private)  # noqa: SIM115
        lock_descriptor(self._file.fileno())
        self.scratch = scratch.made(self.run_id)  # short: a socket's path may have some 100 letters
        (self.scratch / "out").symlink_to(out)

    def begin(self) -> None:
        """Write who runs and what is planned, and make the run's folder."""
        self.note("planned", **files.owner(), report=self.report)
        self.work.mkdir(mode=0o700)

    def lock(self, as_of: str) -> AbstractContextManager[None]:
        """The lock of an edition of this report, to hold with `with`."""
        writing.refuse_links(self.out / self.report / as_of)
        return files.held(self.path.parent / f"{as_of}.lock", f"{self.report} of {as_of}")

    def note(self, state: str, **facts: Any) -> None:
        """Write that a state was reached, or a cell begun, and tell of it; `Stopped` when the run
        was to end.
        """
        # Whoever was interrupted may have kept it to itself
        if self.ending.why and state != "failed":
            raise self.ending.why
        self.state = self.state if state == "warning" else state
        seconds = round(time.monotonic() - self._begun, 2)
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        line = {"state": state, "at": now, "seconds": seconds, **facts}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
        told = {"text": f"{facts['took']:.0f} s"} if "took" in facts else {}
        told |= {key: facts[key] for key in ("notebook", "cell", "cells", "text") if key in facts}
        self._tell(Event(state, seconds, self.before.get(facts.get("notebook", "")), **told))

    def fail(self, error: BaseException) -> None:
        """Write what went wrong, where, why and what to do; a full disk keeps it from being
        written, not from ending.

        Of a data set's problems it holds the place and the kind, never the value that was found
        there: that is in a file of its own.
        """
        code, place = getattr(error, "code", ANALYSIS), {}
        if isinstance(error, DataError):
            code = CONTRACT
            why = "\n".join(f"{one.table}.{one.column}: {one.problem}" for one in error.problems)
        elif isinstance(error, Stopped):
            why = str(error)
            place = asdict(error.where) if isinstance(error, pool.Failed) else {}
        else:
            why = discreet(f"{type(error).__name__}: {error}")
        said = {"run_id": self.run_id, "report": self.report, "code": code, "reached": self.state}
        said |= {"why": why} | place
        said["what_to_do"] = place.get("what_to_do") or words()["mend"].get(code, words()["other"])
        with suppress(OSError):
            self.note("failed", code=code, why=why.splitlines()[0][:200])
        path = self.path.with_suffix(".failure.json")
        with suppress(OSError), open(path, "x", opener=writing.private) as file:
            json.dump(said, file, indent=1)
        if not isinstance(error, Stopped):
            with suppress(OSError), open(self.details, "x", opener=writing.private) as file:
                file.write("".join(traceback.format_exception(error)))

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        self.ending.too_late()
        pool.end(self.run_id)
        shutil.rmtree(self.work, ignore_errors=True)  # it makes room for the reason
        scratch.cleared(self.scratch)
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

    Signals and the deadline end the run as `ending.stoppable` says, an `OSError` becomes `Stopped`
    (7). Runs that were killed are cleared away first.
    """
    journal = None
    try:
        with stoppable(minutes) as ending:
            scratch.clear_left(bury)
            bury(out)
            journal = Journal(out, report, tell, ending)
            with journal:
                journal.begin()
                yield journal
    except OSError as error:
        raise _of_disk(error, out, journal) from error
    except DataError as error:
        raise unquoted(error, journal) from None
    except Stopped:
        raise
    except Exception as error:  # its message may hold a row, and so may the lines before it
        why = discreet(f"{type(error).__name__}: {error}")
        text = f"It ended where it should not: {why}\nNothing was published."
        raise Stopped(ANALYSIS, text + _see(journal)) from None


def unquoted(error: DataError, journal: Journal | None = None) -> DataError:
    """The error without what stood in tables: table, column, rows and reason, for whoever reads a
    log. A header with a number in it may be a row.
    """

    def got(one: Problem) -> str:
        may_be_a_row = one.n_rows or one.table in COLUMNS and discreet(one.got) != one.got
        return "" if may_be_a_row else one.got

    problems = [replace(one, column=discreet(one.column), got=got(one)) for one in error.problems]
    found = DataError(problems, error.where)
    if found.problems != error.problems:
        found.args = (f"{found}{_see(journal)}",)
    return found


def _see(journal: Journal | None) -> str:
    return f"\nThe details, for you alone: {journal.details}" if journal else ""


def _of_disk(error: BaseException, out: Path, journal: Journal | None) -> BaseException:
    if not isinstance(error, OSError):
        return error
    why = error.strerror or error
    if journal and journal.state in ("published", "recorded"):
        text = f"The edition was published, but not written into the run's journal: {why}."
    else:
        text = f"The edition could not be written below {out}: {why}. "
        text += "The last good edition was left as it was."
    return Stopped(PUBLISH, text)


def bury(out: Path) -> None:
    """Clear away after runs that were killed: their processes, folders, and an edition caught
    between two moves.
    """
    if not os.path.lexists(out / ".runs"):
        return
    writing.own_folder(out / ".runs")
    found = sorted((out / ".runs").glob("*/*.jsonl"))
    journals = [
        path
        for path in found
        if RUN_ID.fullmatch(path.stem)
        and not any(one.is_symlink() for one in (path, path.parent, path.with_suffix("")))
    ]
    for path in journals:
        if _has_no_end(path):
            with open(path, "a", encoding="utf-8", opener=writing.private) as file:
                # Where the lock cannot be had it lives; an end is there where another was faster
                if lock_descriptor(file.fileno(), blocking=False) and _has_no_end(path):
                    file.write(_buried(path, out))
    for number, path in enumerate(journals):
        newer = [one for one in journals[number + 1 :] if one.parent == path.parent]
        if len(newer) >= KEPT:
            for file in (path, *map(path.with_suffix, (".failure.json", ".details.txt"))):
                file.unlink(missing_ok=True)


def _has_no_end(path: Path) -> bool:
    lines = _lines(path)
    return bool(lines) and lines[-1]["state"] not in ENDS


def _buried(path: Path, out: Path) -> str:
    """Clear away after a run that was killed; the last line of its journal."""
    lines, place = _lines(path), out / path.parent.name
    pool.end(path.stem)
    for before in path.with_suffix("").glob("before/*"):
        with suppress(OSError):  # there is an edition in its place
            writing.refuse_links(before, before.parent, place)
            before.rename(place / before.name)
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    text = f"killed after {lines[-1]['state']!r}; found by the next run"
    died = {"state": "died", "at": f"{dt.datetime.now(dt.UTC):%FT%TZ}", "text": text}
    is_torn = path.read_bytes()[-1:] != b"\n"
    return "\n" * is_torn + json.dumps(died) + "\n"


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
    """What the last run that made an edition took: each notebook, and under "" the whole."""
    for _, found in _recorded(place):
        took = {line["notebook"]: line["took"] for line in found if line["state"] == "captured"}
        if took:
            return took | {"": found[-1]["seconds"]}
    return {}


def stood(place: Path, run_ids: Collection[str]) -> list[dt.datetime]:
    """When runs with journals in `place` found that nothing had changed since one of `run_ids`."""
    return [
        dt.datetime.fromisoformat(line["at"])
        for _, found in _recorded(place)
        for line in found
        if line["state"] == "unchanged" and line.get("of") in run_ids
    ]


def has_made(place: Path, run_id: str, mark: str) -> bool:
    """Whether that run made its edition from what has this mark, or a later one found that it had:
    journals are not kept for ever.
    """
    return any(
        mark in {line.get("made_from") for line in found}
        and run_id in {of, *(line.get("of") for line in found)}
        for of, found in _recorded(place)
    )


def _recorded(place: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Runs that came to their end, newest first, each with the lines of its journal."""
    for path in sorted(place.glob("*.jsonl"), reverse=True):
        found = _lines(path)
        if found and found[-1]["state"] == "recorded":
            yield path.stem, found


def discreet(text: str, known: str = "", people: Collection[str] = ()) -> str:
    """A message without what may be somebody's: numbers; quoted text and words with a digit or @,
    unless in `known`; all `people`.

    Misleads where a name stands bare in a message and is not among `people`.

    >>> discreet("KeyError: 'P017' of ana and Bo", "df['P018']", {"ana"})
    'KeyError: … of … and Bo'
    """
    own = set(re.findall(r"\w*[^\W\d]\w*", known))

    def hide(found: re.Match) -> str:
        word = found[0].strip("'\"“”`")
        return found[0] if word in own and word not in people else "…"

    quoted = r"'[^'\n]*'|\"[^\"\n]*\"|“[^”\n]*”|`[^`\n]*`"
    for person in people:
        if not re.fullmatch(r"[\w.-]+", person) and person.strip():
            text = text.replace(person, "…")
    text = re.sub(rf"{quoted}|(?<!\w)/\S+|[\w.@+-]*[\d@][\w.@+-]*", hide, text)
    return re.sub(r"[\w.-]+", lambda found: "…" if found[0] in people else found[0], text)

"""The doctor: whether this machine can run a report, and whether its last edition is as fresh as it
should be.

Each line is something that keeps real runs from being published at 3 a.m. Packages are imported
only after they were looked for. Nothing is written but a file in each folder that must be writable,
and that is removed.
"""

import ast
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from packaging.requirements import Requirement

# Exit codes of a run; their module imports all that may be missing
ANALYSIS, CONTRACT, TOO_OLD, PUBLISH = 1, 2, 3, 7
DISK_GB = 0.5  # what an edition and its working folder need at most
NOTEBOOK_GB = 0.5  # and a notebook's kernel
SECONDS = 20  # for a kernel to start, and to answer


@dataclass(frozen=True)
class Finding:
    """What was looked at, found and wanted; how to mend it, if it is amiss; the exit code that it
    would cost a run.

    >>> print(Finding("memory", "0.2 GB free", "1 GB", "end other programs"))
    warn  memory: 0.2 GB free; wanted: 1 GB
          Fix: end other programs
    """

    what: str
    found: str
    wanted: str = ""
    mend: str = ""
    code: int = 0  # with something to mend, 0 is a warning: a run goes on all the same

    def __str__(self) -> str:
        word = "ok" if not self.mend else "FAIL" if self.code else "warn"
        text = f"{word:<4}  {self.what}: {self.found}" + (
            f"; wanted: {self.wanted}" if self.wanted else ""
        )
        return f"{text}\n      Fix: {self.mend}" if self.mend else text


def examine(
    params: str | Path | None = None, out: str | Path | None = None, max_age: float | None = None
) -> Iterator[Finding]:
    """What a run would meet, in its order; with `params`, the report's data and editions too.

    `max_age` is the greatest age of the last good edition, in days. Misleads where the machine
    differs at night: disk, memory and network drives are looked at now, by whoever asks
    (`as_scheduled` asks without a login).
    """
    packages = [*_packages()]
    yield from packages
    if exit_code(packages):
        return  # nothing else can be looked at without them
    from learnalign.data.mistakes import DataError
    from learnalign.runs.journal import unquoted
    from learnalign.runs.spec import data_of, default_out, read_spec

    params, spec = Path(params) if params else None, None
    try:
        spec = read_spec(params) if params else None
        if spec:
            yield Finding("params", f"{params} is valid")
            yield _data(data_of(params, spec), spec)
    except DataError as error:
        what = "data" if spec else "params"
        yield Finding(what, str(unquoted(error)), "", "correct what is named here", CONTRACT)
    out = Path(out) if out else default_out(params) if params else Path.cwd() / "out"
    yield from (_place("editions", out), _place("temporary files"), _kernel(), _clock(out), _pdf())
    yield _memory(len(spec.notebooks) if spec else 1)
    if spec:
        yield from _editions(out / spec.report, max_age)


def exit_code(findings: Iterable[Finding]) -> int:
    """The exit code of the first finding that would keep a report from being published; 0 without
    one.

    1 Python, packages or kernel; 2 params file or data; 3 data too small, last edition too old; 7
    no place to write.
    """
    return next((finding.code for finding in findings if finding.mend and finding.code), 0)


def as_scheduled(
    params: str | Path | None = None, out: str | Path | None = None, max_age: float | None = None
) -> tuple[str, int]:
    """What the doctor says, and its exit code, when a scheduler asks: no environment, no home, the
    root folder.

    Where not even that can be started, it is what the interpreter says.
    """
    words = [str(Path(params).absolute())] if params else []
    words += ["--out", str(Path(out).absolute())] if out else []
    words += ["--max-age", str(max_age)] if max_age is not None else []
    # Windows starts nothing without
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "learnalign", "doctor", *words],
        env=kept,
        cwd=Path(sys.executable).anchor,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    return done.stdout, done.returncode


def _packages() -> Iterator[Finding]:
    try:
        python = Requirement(f"Python{metadata.metadata('learnalign')['Requires-Python']}")
        needs = [*map(Requirement, metadata.requires("learnalign") or [])]
    except metadata.PackageNotFoundError:
        found = f"is not installed in {sys.executable}"
        mend = f"{sys.executable} -m pip install learnalign"
        yield Finding("learnalign", found, "", mend, ANALYSIS)
        return
    yield _version(python, sys.version.split()[0])
    needs = [need for need in needs if not need.marker]  # of an extra
    wrong = [finding for finding in map(_version, needs) if finding.mend]
    yield from wrong or [Finding("packages", f"all {len(needs)} are there")]


def _version(need: Requirement, found: str | None = None) -> Finding:
    try:
        found = found or metadata.version(need.name)
        is_well = need.specifier.contains(found, prereleases=True)
    except metadata.PackageNotFoundError:
        found, is_well = "missing", False
    mend = "" if is_well else f'install "{need}" in {sys.executable}'
    return Finding(need.name, found, str(need.specifier), mend, ANALYSIS)


def _data(folder: Path, spec: Any) -> Finding:
    from learnalign.data import reading

    dataset = reading.read(folder, as_of=spec.as_of)
    people = int(dataset.tables["reviews"].person_id.nunique().execute())
    mend = "bring more people, or mend as_of" if people < spec.min_group else ""
    found = f"{folder} keeps the contract up to {dataset.as_of}, with {people:,} people reviewed"
    return Finding("data", found, f"{spec.min_group} (min_group)", mend, TOO_OLD)


def _place(what: str, place: Path | None = None) -> Finding:
    """Whether a file can be written there, or where the folder would be made, and how much room
    there is.
    """
    try:
        place = (place or Path(tempfile.gettempdir())).absolute()
        there = next(folder for folder in (place, *place.parents) if folder.exists())
        with tempfile.TemporaryFile(dir=there, prefix=".learnalign-") as probe:
            probe.write(bytes(4096))
        free = shutil.disk_usage(there).free / 1e9
    except OSError as error:
        found = f"{place or 'nowhere'} cannot be written: {error.strerror or error}"
        mend = "let the user who runs it write there, or name another folder"
        return Finding(what, found, "", mend, PUBLISH)
    found = f"{place} can be written, {free:,.1f} GB free"
    mend = "make room" if free < DISK_GB else ""
    return Finding(what, found, f"{DISK_GB} GB", mend, PUBLISH)


def _kernel() -> Finding:
    """Start the kernel that a run starts, ask it where it is, and stop it."""
    from jupyter_client.manager import KernelManager

    from learnalign.runs.words import hint
    from learnalign.runs.workers import transport

    try:
        with tempfile.TemporaryDirectory("-learnalign", ignore_cleanup_errors=True) as folder:
            place = {"connection_file": f"{folder}/kernel.json", "config": transport(f"{folder}/k")}
            manager = KernelManager(kernel_name="python3", **place)
            where = _answer(manager, os.environ | {"IPYTHONDIR": folder})
    except Exception as error:  # whatever a kernel fails of, a run fails of
        where = f"does not start: {error}"
    mend = hint("NoSuchKernel") if where != sys.prefix else ""
    return Finding("kernel python3", where, sys.prefix, mend, ANALYSIS)


def _answer(manager: Any, environment: dict[str, str]) -> str:
    manager.start_kernel(env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=SECONDS)
        ask = {"where": "__import__('learnalign') and __import__('sys').prefix"}
        reply = client.execute("", user_expressions=ask, reply=True, timeout=SECONDS)
        answer = reply["content"]["user_expressions"]["where"]
        if text := answer.get("data", {}).get("text/plain"):
            return ast.literal_eval(text)
        return f"cannot import learnalign: {answer.get('evalue')}"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _clock(out: Path) -> Finding:
    """The zone by which a scheduler reads its times, and the clock against files that must be older
    than now.
    """
    now, zone = dt.datetime.now().astimezone(), os.environ.get("TZ", "")
    newest = max(file.stat().st_mtime for file in (Path(__file__), *out.glob("*/*/manifest.json")))
    made = f"{dt.datetime.fromtimestamp(newest):%Y-%m-%d %H:%M}"
    is_behind = newest > now.timestamp() + 60
    mend = f"set the clock: an edition or this library is of {made}" if is_behind else ""
    try:
        ZoneInfo(zone if "/" in zone else "UTC")
    except (ValueError, OSError, KeyError):
        mend = mend or f"set TZ: {zone!r} is no time zone, and is read as UTC"
    return Finding("clock", f"{now:%Y-%m-%d %H:%M}, zone {now.tzname()} ({now:%z})", "", mend)


def _pdf() -> Finding:
    from learnalign.report import paper

    try:
        paper.pdf("<title>-</title>")
    except paper.Unprinted as error:
        return Finding("report.pdf", error.why, "optional", error.fix)
    return Finding("report.pdf", "can be made")


def _memory(notebooks: int) -> Finding:
    import psutil

    cores, free = os.cpu_count() or 1, psutil.virtual_memory().available / 1e9
    need = NOTEBOOK_GB * min(cores, notebooks)
    mend = "end other programs, or run with --jobs 1" if free < need else ""
    return Finding("memory", f"{free:.1f} GB free, {cores} cores", f"{need} GB", mend)


def _editions(folder: Path, max_age: float | None) -> Iterator[Finding]:
    """The age of the newest edition that is whole, or found to stand by a later run, and each that
    is not whole.
    """
    from learnalign.runs import journal, layout

    ends, made, journals = [], set(), folder.parent / ".runs" / folder.name
    for manifest in sorted(folder.glob("*/manifest.json")):  # it covers the units' below it
        try:
            ends.append(layout.finished(manifest.parent))
            made.add(json.loads(manifest.read_bytes())["run_id"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            yield Finding("edition", f"{manifest.parent} is damaged: {error}", "", "run it again")
    ends += journal.stood(journals, made)
    age = (dt.datetime.now(dt.UTC) - max(ends)) / dt.timedelta(days=1) if ends else float("inf")
    found = f"{max(ends):%Y-%m-%d %H:%M} UTC, {age:.1f} days ago" if ends else f"none in {folder}"
    wanted = f"at most {max_age:g} days ago" if max_age is not None else ""
    is_old = max_age is not None and age > max_age
    mend = "run it, and see why its scheduler did not" if is_old else ""
    yield Finding("last edition", found, wanted, mend, TOO_OLD)
    yield from _failure(journals, max(ends, default=None))


def _failure(journals: Path, since: dt.datetime | None) -> Iterator[Finding]:
    """Why the last run failed, where it came after the last edition: a warning."""
    paths = sorted(journals.glob("*.failure.json"))
    try:
        if paths and (since is None or paths[-1].stat().st_mtime > since.timestamp()):
            said = json.loads(paths[-1].read_bytes())
            name, why = said.get("notebook"), said["why"].splitlines()[-1][:200]
            place = f" in {name}, cell {said.get('cell', 0)}" if name else ""
            found = f"ended with {said['code']}{place}: {why}"
            yield Finding("last run", found, "published", said["what_to_do"])
    except (OSError, ValueError, KeyError, AttributeError, IndexError):
        found = f"failed, and {paths[-1].name} cannot be read"
        yield Finding("last run", found, "published", "run it again")

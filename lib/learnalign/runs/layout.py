"""The layout of what is published: which files an edition has, and what may lie beside it.

The lists are closed: whatever is not on them is a stranger. A link is never followed, and nothing
but a plain file is read.
"""

import datetime as dt
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from learnalign.data.mistakes import DataError
from learnalign.privacy import audit, keys
from learnalign.privacy.audit import CHANGED, STRANGE, Finding
from learnalign.runs import files, history, plans
from learnalign.verdicts import document as results

FILES = {"report.html", "report.pdf", "results.json", "summary.txt", "manifest.json"}
RESTRICTED, UNITS, INDEX, RUNS = "restricted", "units", "index.html", ".runs"
BESIDE = {
    results.LEDGER,
    history.HISTORY,
    plans.FILE,
    RUNS,
    keys.PRIVATE,
}  # in OUT, beside the reports
MANIFEST = {"run_id", "unit", "notebook_sha256", "sha256"}
OPEN = "can be read by others than its owner", "chmod 700 a folder, 600 a file"


def editions(out: Path) -> list[Path]:
    """The editions at `out`, below it, or below the reports in it, each with those of its units."""
    for pattern in ("", "*/", "*/*/"):
        files = [*out.glob(f"{pattern}results.json"), *out.glob(f"{pattern}manifest.json")]
        held = {file.parent for file in files if not file.parent.name.startswith(".")}
        if held:
            units = {path.parent for folder in held for path in folder.glob(f"{UNITS}/*/*.json")}
            return [*sorted(held), *sorted(units - held)]
    return []


def top(out: Path, folders: Sequence[Path]) -> Path:
    """The folder in which reports, the key and the list of editions are, of the editions below
    `out`.
    """
    first = folders[0].resolve()
    return first.parents[3 if first.parent.name == UNITS else 1]


def beside(out: Path, folders: Iterable[Path]) -> Iterator[Finding]:
    """What lies at `out` and below it, beside editions, and is none of a run's; links anywhere; and
    what is private and open to others.
    """
    known: dict[Path, set[str]] = {}
    for folder in (one for one in folders if one.parent.name != UNITS):
        known.setdefault(folder.parent, set()).add(folder.name)
        known.setdefault(folder.parent.parent, set(BESIDE)).add(folder.parent.name)
    for place in sorted(one for one in known if one == out or out in one.parents):
        names = {path.name for path in place.iterdir() if not _is_empty(path)}
        for name in sorted(names - known[place]):
            yield Finding(str(place / name), "is no edition, and nothing that a run makes", STRANGE)
    for path in sorted(out.rglob("*")):
        within = path.relative_to(out).parts
        if within[0] != RUNS and (path.is_symlink() or not (path.is_file() or path.is_dir())):
            yield Finding(str(path), "is a link, or no plain file: it was not read", STRANGE)
    yield from _private(out)


def _private(out: Path) -> Iterator[Finding]:
    place = out / keys.PRIVATE
    inside = [*place.iterdir()] if place.is_dir() else []
    for path in (place, out / RUNS, *inside):
        if path.exists() and _is_open(path):
            yield Finding(str(path), *OPEN)
    yield from (Finding(str(one), "is no key", STRANGE) for one in inside if one.name != keys.KEY)


def _is_open(path: Path) -> bool:
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def plain(folder: Path, below: Collection[Path] = ()) -> dict[str, Path]:
    """The files of an edition by their names in it, without links, and without those of the
    editions `below` it.
    """
    paths = [path for path in sorted(folder.rglob("*")) if not {path, *path.parents} & {*below}]
    return {
        path.relative_to(folder).as_posix(): path
        for path in paths
        if path.is_file() and not path.is_symlink()
    }


def is_published(name: str) -> bool:
    """Whether a file of an edition is for readers: its executed notebooks are not."""
    return RESTRICTED not in Path(name).parts


def finished(folder: Path) -> dt.datetime:
    """When an edition was finished; a `ValueError` when a file of it is not as it was published.

    What is restricted is left out: others may not read it, and it is deleted when its time is over.
    """
    for name, digest in json.loads((folder / "manifest.json").read_bytes())["sha256"].items():
        if not is_published(name):
            continue
        if files.digest(folder / name) != digest:
            raise ValueError(f"{name} is not as it was published")
    run = json.loads((folder / "results.json").read_bytes())["run"]
    return dt.datetime.fromisoformat(run["finished"]).astimezone(dt.UTC)


def of_edition(
    folder: Path, document: Mapping[str, Any] | None, below: Mapping[Path, Any]
) -> Iterator[Finding]:
    """Whether an edition has the files that it was published with, and no others; `below` are its
    units' editions with their documents.
    """
    run = document["run"] if document else {}
    if document:
        yield from _strangers(folder, run, below)
    for place, one in below.items():
        of = one["run"] if one else {}
        mine = (of.get("run_id"), of.get("slug")) == (run.get("run_id"), place.name)
        if run and of and not (mine and of.get("unit") in run.get("units", ())):
            yield Finding(place.relative_to(folder).as_posix(), "is of no unit of it", STRANGE)
    closed, pdf = folder / RESTRICTED, folder / "report.pdf"
    if closed.is_dir() and _is_open(closed):
        yield Finding(RESTRICTED, *OPEN)
    if pdf.is_file() and not audit.is_a_page(pdf.read_bytes()):
        yield Finding(pdf.name, "holds more than a page", CHANGED)
    yield from _plan(folder, run)
    yield from _manifest(folder, run)


def _strangers(
    folder: Path, run: Mapping[str, Any], below: Mapping[Path, Any]
) -> Iterator[Finding]:
    notebooks = {f"{RESTRICTED}/{name}.ipynb" for name in run["notebooks"]}
    of_units = {INDEX} if run.get("units") and not run.get("unit") else set()
    known = (
        FILES
        | notebooks
        | of_units
        | {RESTRICTED, UNITS}
        | {place.relative_to(folder).as_posix() for place in below}
    )
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name not in known and not {*path.parents} & below.keys():
            yield Finding(name, "is not part of an edition", STRANGE)


def _plan(folder: Path, run: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether the plan that an edition names is one that was fixed, where that file is."""
    report = folder.parents[2 if folder.parent.name == UNITS else 0]
    try:
        fixed = plans.read(report.parent).get(report.name, ())
    except DataError as error:
        yield Finding(plans.FILE, error.problems[0].problem, CHANGED)
        return
    ways = [plans.told(fixed[: number + 1]) for number in range(len(fixed))]
    if fixed and run.get("plan") and run["plan"] not in ways:
        yield Finding("results.json", f"names a plan that {plans.FILE} does not hold", CHANGED)


def _manifest(folder: Path, run: Mapping[str, Any]) -> Iterator[Finding]:
    path = folder / "manifest.json"
    try:
        content = path.read_bytes()
        manifest = json.loads(content)
        digests, run_id = dict(manifest["sha256"]), str(manifest["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        yield Finding(path.name, "is missing or cannot be read", CHANGED)
        return
    if run and run_id != run["run_id"]:
        yield Finding(path.name, "is of another run than results.json", CHANGED)
    if {*manifest} - MANIFEST or content != results.as_json(manifest):
        yield Finding(path.name, "is not as a run writes it", CHANGED)
    held = plain(folder)
    for name in sorted(held.keys() - digests.keys() - {path.name}):
        yield Finding(name, "is not in the manifest", STRANGE)
    for name, digest in digests.items():
        if name in held and files.digest(held[name]) != digest:
            yield Finding(name, "is not as it was published", CHANGED)
        if name not in held and is_published(name):
            yield Finding(name, "is missing", CHANGED)


def listed(document: Mapping[str, Any], lines: Sequence[results.Line]) -> Iterator[Finding]:
    """Whether an edition is as the list of editions says that it was published."""
    run, digest = document["run"], results.digest(document)
    name = run["run_id"], run.get("unit", "")
    mine = [line for line in lines if (line.run_id, line.unit) == name]
    if digest not in {line.digest for line in mine}:
        yield Finding("results.json", f"is not as {results.LEDGER} says it was published", CHANGED)
    elif mine[-1].key != run.get("noise", {}).get("key", ""):
        yield Finding("results.json", f"names another key than {results.LEDGER}", CHANGED)

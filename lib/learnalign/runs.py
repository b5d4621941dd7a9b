"""Runs: a validated params file, one papermill process per notebook, one edition published or none.

A run reads and checks everything before it starts a kernel, works in a folder of its own, and puts an
edition in place, in one move, only when every notebook handed over valid results. The last good edition
is never touched by a run that fails.
"""

import datetime as dt
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pydantic

from learnalign import (
    datasets,
    journal,
    linking,
    locks,
    measures,
    paper,
    privacy,
    release,
    reports,
    results,
    verdicts,
    workers,
)
from learnalign.datasets import DataSet
from learnalign.journal import Event, Journal
from learnalign.problems import (
    ANALYSIS,
    PUBLISH,
    TOO_SMALL,
    DataError,
    Problem,
    Stopped,
    problems_of,
    project_root,
    read_yaml,
)  # fmt: skip
from learnalign.tables import Strict, read_meta

PACKAGES = (
    "learnalign", "pandas", "numpy", "scipy", "statsmodels", "pyfixest", "ibis-framework", "duckdb", "papermill",
)  # fmt: skip


class SmallestEffects(Strict):
    """The smallest effects that matter, agreed before anyone looks."""

    rating_sd: pydantic.PositiveFloat = 0.10
    merit_pp: pydantic.PositiveFloat = 0.25
    hazard_ratio: float = pydantic.Field(1.2, gt=1)
    share_pp: pydantic.PositiveFloat = 3


class RunSpec(Strict):
    """One report: its data, its notebooks, and what was agreed beforehand."""

    report: str
    data: str
    as_of: dt.date | None = None
    notebooks: tuple[str, ...] = pydantic.Field(min_length=1)
    units: tuple[Literal["company"], ...] = ("company",)
    smallest_effect: SmallestEffects = SmallestEffects()
    min_group: int = pydantic.Field(10, ge=privacy.FLOOR)
    embargo_days: int = pydantic.Field(30, ge=0, le=365)
    engine: Literal["duckdb"] = "duckdb"
    deadline_minutes: float = pydantic.Field(30, gt=0, le=24 * 60)

    @pydantic.field_validator("notebooks")
    @classmethod
    def each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse a notebook that is named twice: it would run twice over the same files."""
        if len(set(names)) < len(names):
            raise ValueError("names a notebook twice")
        return names

    @pydantic.field_validator("report", "notebooks")
    @classmethod
    def plain_names(cls, names: Any) -> Any:
        for name in [names] if isinstance(names, str) else names:
            if not name or set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789_-") or len(name) > 64:
                raise ValueError("may hold small letters, digits, - and _ only, 64 at most: it becomes a folder's name")
        return names


@dataclass(frozen=True)
class Edition:
    """A published edition: where it is and what it says."""

    folder: Path
    report: Path
    document: dict[str, Any]


def read_spec(params: Path) -> RunSpec:
    """A params file, or a `DataError` with everything that is wrong in it."""
    try:
        spec = RunSpec.model_validate(read_yaml(params))
    except pydantic.ValidationError as error:
        keys = [*RunSpec.model_fields, *SmallestEffects.model_fields]
        raise DataError(problems_of(error, params.name, keys)) from None
    folder = project_root(params) / "notebooks"
    absent = [name for name in spec.notebooks if not (folder / f"{name}.ipynb").is_file()]
    if absent:
        there = ", ".join(sorted(path.stem for path in folder.glob("*.ipynb"))) or "none"
        raise DataError([Problem(params.name, "notebooks", "are not there", ", ".join(absent), there)])
    return spec


def run(
    params: str | Path, out: str | Path | None = None, *, jobs: int | None = None,
    progress: Callable[[Event], None] = lambda event: None,
) -> Edition:  # fmt: skip
    """Run a params file's notebooks and publish the edition at `out`/report/as_of.

    Raises `DataError` (bad params or contract) or `Stopped` (anything else that keeps it from being
    published); nothing published before is touched then, and why is in `out`/.runs/report (see `journal`).
    `progress` is told of each state, notebook and cell as it is reached.
    """
    params = Path(params)
    spec, root = read_spec(params), project_root(params)
    workers.look([root / f"notebooks/{name}.ipynb" for name in spec.notebooks])
    out = (Path(out) if out else root / "out").resolve()
    _refuse_unwritable(out)
    with journal.opened(out, spec.report, spec.deadline_minutes, progress) as log:
        until = time.monotonic() + spec.deadline_minutes * 60
        day = _last_day(spec, root / spec.data)
        with log.lock(day):
            log.note("locked", as_of=day)
            dataset = datasets.read(root / spec.data, as_of=spec.as_of)
            facts = measures.contents(dataset)
            _refuse_too_small(facts, spec)
            log.note("checked")
            if len(spec.notebooks) > 1:  # one alone links for itself, and as fast
                dataset = _linked(dataset, log.work / "data", spec.embargo_days)
                log.note("linked")
            chapters = _chapters(spec, root, dataset, log, jobs or os.cpu_count() or 1, until)
            document = _document(spec, root, dataset, facts, chapters, log)
            edition = _release(document, log)
            log.note("recorded")
            return edition


def _linked(dataset: DataSet, folder: Path, embargo_days: int) -> DataSet:
    """The data set once more in the run's own folder, with all that notebooks would link of it, once for all."""
    folder.mkdir(mode=0o700)
    linking.prepare(dataset, folder, embargo_days=embargo_days)
    return replace(dataset, folder=folder)


def _last_day(spec: RunSpec, folder: Path) -> str:
    """The edition's day, before the data are read: from then on, no other run may make it."""
    try:
        return str(spec.as_of or read_meta(folder / "dataset.yml").as_of)
    except DataError:
        datasets.read(folder)  # names every other problem, too
        raise


def _refuse_unwritable(out: Path) -> None:
    """Before the work rather than after it: is there a place to publish in?"""
    place = next(place for place in (out.resolve(), *out.resolve().parents) if place.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        why = "is a folder that cannot be written to" if place.is_dir() else "is a file, not a folder"
        raise Stopped(PUBLISH, f"The edition could not be written below {out}: {place} {why}. Nothing was published.")


def _refuse_too_small(facts: Any, spec: RunSpec) -> None:
    people = int(facts.set_index("table").people["reviews"])
    if people < spec.min_group:
        raise Stopped(TOO_SMALL, f"The data are too small: {people} people were reviewed, and a report needs at least "
                                  f"{spec.min_group} (min_group). Nothing was published.")  # fmt: skip


# --- what the notebooks hand over -----------------------------------------------------------------


def _chapters(
    spec: RunSpec, root: Path, dataset: DataSet, log: Journal, jobs: int, until: float
) -> list[results.Chapter]:  # fmt: skip
    """Every notebook in a process of its own, side by side; the first failure ends the others and the run."""
    found: dict[str, results.Chapter] = {}
    people = cache(lambda: _ids(dataset))  # asked only when something failed

    def done(name: str) -> None:
        found[name] = _handed_over(log.work / f"{name}.json", name)

    workers.execute(
        [root / f"notebooks/{name}.ipynb" for name in spec.notebooks],
        {name: _parameters(spec, dataset, log.work / f"{name}.json") for name in spec.notebooks},
        log.work, log.scratch, until=until, jobs=jobs, run_id=log.run_id, note=log.note, done=done,
        discreet=lambda text, known: journal.discreet(text, known, people()),
    )  # fmt: skip
    return [found[name] for name in spec.notebooks]


def _ids(dataset: DataSet) -> frozenset[str]:
    """Whatever stands for a person in a data set: no message may hold it."""
    people, reviews = dataset.tables["people"], dataset.tables["reviews"]
    return frozenset(people.person_id.execute()) | frozenset(reviews.manager_id.execute().dropna())


def _handed_over(path: Path, name: str) -> results.Chapter:
    """A notebook's chapter with every headline that its questions promise."""
    promised = {m.key for q in verdicts.QUESTIONS.values() if q.notebook == name for m in q.measures}
    try:
        chapter = results.read(path)
    except DataError as error:
        text = f"{name}.ipynb ran but handed over no valid results. Nothing was published."
        raise workers.Failed(ANALYSIS, f"{text}\n{journal.discreet(str(error))}", workers.Where(name)) from None
    if missing := sorted(promised - {row.measure for row in chapter.results if row.headline}):
        text = f"{name}.ipynb ran but left out what it promises: {', '.join(missing)}. Nothing was published."
        raise workers.Failed(ANALYSIS, text, workers.Where(name))
    return chapter


def _parameters(spec: RunSpec, dataset: DataSet, out: Path) -> dict[str, Any]:
    """The notebook's parameters: all that a notebook may be told, as plain JSON values."""
    return {
        "data": str(dataset.folder.resolve()), "as_of": str(dataset.as_of), "min_group": spec.min_group,
        "embargo_days": spec.embargo_days, "smallest_rating_sd": spec.smallest_effect.rating_sd,
        "smallest_merit_pp": spec.smallest_effect.merit_pp, "smallest_share_pp": spec.smallest_effect.share_pp,
        "smallest_hazard_ratio": spec.smallest_effect.hazard_ratio, "out": str(out),
    }  # fmt: skip


# --- the document and its edition ------------------------------------------------------------------


def _document(
    spec: RunSpec, root: Path, dataset: DataSet, facts: Any, chapters: list[results.Chapter], log: Journal
) -> dict[str, Any]:
    """All that an edition could say; `release.gate` says what of it may be published."""
    rows = privacy.suppress(verdicts.holm(results.merged(chapters)), spec.min_group)
    tables = results.records(privacy.counts(facts, spec.min_group).drop(columns="shown"))
    questions = [{"key": q.key, "text": q.text, "notebook": q.notebook} for q in verdicts.QUESTIONS.values()]
    settings = spec.model_dump(mode="json") | {"data": Path(spec.data).name}  # a whole path tells of people's folders
    memos = {name: json.loads((root / f"notebooks/{name}.ipynb").read_bytes()) for name in spec.notebooks}
    return results.document(
        chapters, rows,
        run={
            "report": spec.report, "title": dataset.meta.title, "as_of": str(dataset.as_of),
            "run_id": log.run_id, "started": log.started.isoformat(timespec="seconds"),
            "finished": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "params": settings,
            "notebooks": list(spec.notebooks), "min_group": spec.min_group,
            "smallest_effect": settings["smallest_effect"], "embargo_days": spec.embargo_days,
        },
        data={
            "title": dataset.meta.title, "as_of": str(dataset.as_of), "fingerprint": dataset.fingerprint,
            "tables": tables, "pace": measures.pace(dataset), "attributes": ["grade", *dataset.meta.attributes],
        },
        questions=questions, words=verdicts.VERDICT_WORDS,
        limits={name: reports.limits(memo) for name, memo in memos.items()},
        versions={"python": sys.version.split()[0]} | {name: version(name) for name in PACKAGES},
    )  # fmt: skip


def _release(document: dict[str, Any], log: Journal) -> Edition:
    """Through the gate, into the ledger, and then into its place."""
    folder, as_of = log.out / log.report, document["run"]["as_of"]
    with open(log.out / ".runs/ledger.lock", "a", opener=locks.private) as file:
        locks.take(file, wait=True)  # no other run may publish between the look at the ledger and the entry
        ledger, damaged = results.ledger(log.out)
        safe = release.gate(document, ledger, document["run"]["min_group"])
        release.enter(log.out, safe)
    earlier, warnings = results.earlier(folder, as_of)
    told = "of the ledger cannot be read: what it was for cannot be protected from subtraction"
    for warning in [*warnings, *(f"Line {number} {told}" for number in damaged)]:
        log.note("warning", text=warning)
    stage = log.work / "edition"
    _write(stage, safe, _pages(safe, earlier, log), log.work)
    locks.settle(stage)
    log.note("rendered")
    return _publish(stage, folder / as_of, log, safe)


def _publish(stage: Path, place: Path, log: Journal, document: dict[str, Any]) -> Edition:
    """Put a whole edition in its place, in one move; a signal comes too late from here on."""
    aside = log.work / "before" / place.name
    aside.parent.mkdir()
    log.ending.too_late()
    locks.exchange(stage, place, aside)
    log.note("published")
    return Edition(place, place / "report.html", document)


def _pages(
    document: dict[str, Any], earlier: tuple[dict[str, Any], ...], log: Journal
) -> dict[str, bytes]:  # fmt: skip
    """What is read of an edition: its page, its text, and its PDF where one can be made."""
    page = reports.render(document, earlier)
    pages = {"report.html": page.encode(), "summary.txt": reports.summary(document, earlier).encode()}
    try:
        pages["report.pdf"] = paper.pdf(page)
    except paper.Unprinted as error:
        log.note("warning", text=str(error))
    return pages


def _write(stage: Path, document: dict[str, Any], pages: dict[str, bytes], work: Path) -> None:
    """Write a whole edition, and what each of its files must be."""
    stage.mkdir()
    for name, content in pages.items():
        (stage / name).write_bytes(content)
    results.write_json(stage / "results.json", document)
    (stage / "restricted").mkdir(mode=0o700)
    for notebook in document["run"]["notebooks"]:
        shutil.copyfile(work / f"{notebook}.ipynb", stage / "restricted" / f"{notebook}.ipynb")
    files = [path for path in sorted(stage.rglob("*")) if path.is_file()]
    digests = {path.relative_to(stage).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    results.write_json(stage / "manifest.json", {"run_id": document["run"]["run_id"], "sha256": digests})
    for path in [*files, stage / "manifest.json"]:
        path.chmod(0o600 if path.parent.name == "restricted" else 0o644)
    stage.chmod(0o755)

"""Runs: a validated params file, one papermill process per notebook, one edition published or none.

A run reads and checks everything before it starts a kernel, works in a folder of its own, and puts an
edition in place, in one move, only when every notebook handed over valid results. The last good edition
is never touched by a run that fails.
"""

import datetime as dt
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import psutil
import pydantic

from learnalign import datasets, measures, privacy, reports, results, verdicts
from learnalign.datasets import DataSet
from learnalign.problems import DataError, Problem, Stopped, problems_of, project_root, read_yaml
from learnalign.tables import Strict

PUBLISHED, ANALYSIS, CONTRACT, TOO_SMALL, DEADLINE, KERNEL_DIED, LOCKED, PUBLISH = range(8)
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
    progress: Callable[[str], None] = lambda line: None,
) -> Edition:  # fmt: skip
    """Run a params file's notebooks and publish the edition at `out`/report/as_of.

    Raises `DataError` (bad params or contract) or `Stopped` (anything else that keeps it from being
    published); nothing published before is touched then.
    """
    params = Path(params)
    spec, root = read_spec(params), project_root(params)
    dataset = datasets.read(root / spec.data, as_of=spec.as_of)
    facts = measures.contents(dataset)
    _refuse_too_small(facts, spec)
    started = dt.datetime.now(dt.UTC)
    out = Path(out) if out else root / "out"
    _refuse_unwritable(out)
    with tempfile.TemporaryDirectory(prefix="learnalign-") as folder:  # only its owner can look into it
        work = Path(folder)
        chapters = _execute_all(spec, root, dataset, work, jobs or os.cpu_count() or 1, progress)
        document = _document(spec, dataset, facts, chapters, started)
        progress("rendering the report")
        with _publish_errors(out):
            return _publish(document, work, out.resolve() / spec.report / str(dataset.as_of))


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


# --- one process per notebook -----------------------------------------------------------------


def _execute_all(
    spec: RunSpec, root: Path, dataset: DataSet, work: Path, jobs: int, progress: Callable[[str], None]
) -> list[results.Chapter]:
    """Every notebook in a process of its own; the first failure ends the others and the run."""
    deadline = dt.datetime.now() + dt.timedelta(minutes=spec.deadline_minutes)
    workers: list[subprocess.Popen] = []
    # one thread each: side by side they would wait for each other, and sums would differ in their last digits
    environment = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1") | os.environ

    def one(name: str) -> results.Chapter:
        parameters = _parameters(spec, dataset, work / f"{name}.json")
        chapter = _execute(root / "notebooks" / f"{name}.ipynb", parameters, work, deadline, workers, environment)
        progress(f"{name}: done")
        return chapter

    with ThreadPoolExecutor(max_workers=max(1, min(jobs, len(spec.notebooks)))) as pool:
        try:
            return list(pool.map(one, spec.notebooks))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                _end(worker)


def _parameters(spec: RunSpec, dataset: DataSet, out: Path) -> dict[str, Any]:
    """The notebook's parameters: all that a notebook may be told, as plain JSON values."""
    return {
        "data": str(dataset.folder.resolve()), "as_of": str(dataset.as_of), "min_group": spec.min_group,
        "embargo_days": spec.embargo_days, "smallest_rating_sd": spec.smallest_effect.rating_sd,
        "smallest_merit_pp": spec.smallest_effect.merit_pp, "smallest_share_pp": spec.smallest_effect.share_pp,
        "smallest_hazard_ratio": spec.smallest_effect.hazard_ratio, "out": str(out),
    }  # fmt: skip


def _execute(
    notebook: Path, parameters: dict[str, Any], work: Path, deadline: dt.datetime, workers: list[subprocess.Popen],
    environment: dict[str, str],
) -> results.Chapter:  # fmt: skip
    job = work / f"{notebook.stem}.job.json"
    results.write_json(job, {"notebook": notebook.name, "parameters": parameters})
    (work / "source").mkdir(exist_ok=True)
    shutil.copyfile(notebook, work / "source" / notebook.name)
    log = work / f"{notebook.stem}.log"
    with log.open("w") as stream:
        command = [sys.executable, "-m", "learnalign.runs", str(job)]
        worker = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd=work, env=environment
        )
    workers.append(worker)
    try:
        code = worker.wait(timeout=max((deadline - dt.datetime.now()).total_seconds(), 0))
    except subprocess.TimeoutExpired:
        raise Stopped(DEADLINE, f"{notebook.name} was not done at the deadline (deadline_minutes). Nothing was "
                                 "published.") from None  # fmt: skip
    finally:
        _end(worker)
    if code != 0:
        raise Stopped(code if code in (ANALYSIS, KERNEL_DIED) else ANALYSIS, _failure(notebook, log, job))
    try:
        return results.read(Path(parameters["out"]))
    except DataError as error:
        raise Stopped(ANALYSIS, f"{notebook.name} ran but handed over no valid results. Nothing was published.\n"
                                 f"{error}") from None  # fmt: skip


def _end(worker: subprocess.Popen) -> None:
    """End a worker and every process it started: a kernel has a session of its own and would live on."""
    if worker.poll() is not None:
        return  # it ended, and its number may be somebody else's by now
    try:
        family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=5)


def _failure(notebook: Path, log: Path, job: Path) -> str:
    """What went wrong, where and why; for something unforeseen, the last lines of the worker's log."""
    told = job.with_suffix(".failure")
    if told.is_file():
        return f"{notebook.name} failed. Nothing was published.\n{told.read_text(encoding='utf-8')}"
    lines = log.read_text(errors="replace").splitlines()[-40:]
    return "\n".join([f"{notebook.name} failed. Nothing was published. The last lines of its log:", *lines])


def _work(job_file: Path) -> int:
    """The worker process: run one notebook with papermill; when it fails, leave word why beside the job.

    It works in the run's folder and names files from there: papermill reads braces in a path as its own.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    job = json.loads(job_file.read_text(encoding="utf-8"))
    source, told = f"source/{job['notebook']}", job_file.with_suffix(".failure")
    wanted = set(papermill.inspect_notebook(source))
    if strangers := sorted(wanted - set(job["parameters"])):
        told.write_text(f"Its parameters cell has names that no run gives: {', '.join(strangers)}", encoding="utf-8")
        return ANALYSIS
    try:
        papermill.execute_notebook(
            source, job["notebook"], kernel_name="python3", language="python",
            parameters={key: value for key, value in job["parameters"].items() if key in wanted},
            progress_bar=False, request_save_on_cell_execute=False,
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        cell = error.cell_index  # papermill put its cell of parameters before it: the count is the reader's again
        line = error.source.strip().splitlines()[0][:100]
        told.write_text(f"Cell {cell} ({line}): {error.ename}: {error.evalue}", encoding="utf-8")
        return ANALYSIS
    except DeadKernelError:
        told.write_text("Its kernel died: most often the machine ran out of memory.", encoding="utf-8")
        return KERNEL_DIED
    return PUBLISHED


# --- the document and its edition ------------------------------------------------------------------


def _document(
    spec: RunSpec, dataset: DataSet, facts: Any, chapters: list[results.Chapter], started: dt.datetime
) -> dict[str, Any]:
    rows = privacy.suppress(verdicts.holm(results.merged(chapters)), spec.min_group)
    tables = results.records(privacy.counts(facts, spec.min_group).drop(columns="shown"))
    questions = [{"key": q.key, "text": q.text, "notebook": q.notebook} for q in verdicts.QUESTIONS.values()]
    settings = spec.model_dump(mode="json") | {"data": Path(spec.data).name}  # a whole path tells of people's folders
    document = results.document(
        chapters, rows,
        run={
            "report": spec.report, "title": dataset.meta.title, "as_of": str(dataset.as_of),
            "run_id": f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
            "started": started.isoformat(timespec="seconds"),
            "finished": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "params": settings,
            "notebooks": list(spec.notebooks), "min_group": spec.min_group,
            "smallest_effect": settings["smallest_effect"], "embargo_days": spec.embargo_days,
        },
        data={
            "title": dataset.meta.title, "as_of": str(dataset.as_of), "fingerprint": dataset.fingerprint,
            "tables": tables,
        },
        questions=questions, words=verdicts.VERDICT_WORDS,
        versions={"python": sys.version.split()[0]} | {name: version(name) for name in PACKAGES},
    )  # fmt: skip
    return privacy.pooled(document, spec.min_group)


@contextmanager
def _publish_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = f"The edition could not be written below {out}: {error.strerror or error}."
        raise Stopped(PUBLISH, f"{why} The last good edition was left as it was.") from error


def _publish(document: dict[str, Any], work: Path, folder: Path) -> Edition:
    """Write the whole edition beside its place, then put it in place in one move."""
    with datasets.replaced(folder) as stage:
        (stage / "report.html").write_text(reports.render(document), encoding="utf-8")
        results.write_json(stage / "results.json", document)
        (stage / "restricted").mkdir(mode=0o700)
        for notebook in document["run"]["notebooks"]:
            shutil.copyfile(work / f"{notebook}.ipynb", stage / "restricted" / f"{notebook}.ipynb")
        files = [path for path in sorted(stage.rglob("*")) if path.is_file()]
        digests = {str(path.relative_to(stage)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        results.write_json(stage / "manifest.json", {"run_id": document["run"]["run_id"], "sha256": digests})
        for path in [*files, stage / "manifest.json"]:
            path.chmod(0o600 if path.parent.name == "restricted" else 0o644)
    return Edition(folder, folder / "report.html", document)


if __name__ == "__main__":
    sys.exit(_work(Path(sys.argv[1])))

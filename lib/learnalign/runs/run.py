"""Runs: a validated params file, one papermill process per notebook, one edition published or none.

A run reads and checks everything before it starts a kernel, works in a folder of its own, and puts
an edition in place, in one move, only when every notebook handed over valid results: the company's,
and those of its units. The last good edition is never touched by a run that fails.
"""

import datetime as dt
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from learnalign.data import reading
from learnalign.data.contract import read_meta
from learnalign.data.engine import bounded
from learnalign.data.mistakes import ANALYSIS, PUBLISH, TOO_SMALL, DataError, Stopped
from learnalign.data.reading import DataSet
from learnalign.estimates import asked
from learnalign.facts import contents, describe, ratios
from learnalign.linking import windows
from learnalign.privacy import gate, keys, rule
from learnalign.runs import documents, drawing, journal, plans, publish, unchanged, units, workers
from learnalign.runs.journal import Event, Journal
from learnalign.runs.pool import Failed, Pool, Where
from learnalign.runs.publish import Edition
from learnalign.runs.spec import COMPANY, RunSpec, data_of, default_out, notebook, read_spec
from learnalign.runs.units import Part
from learnalign.studies import study
from learnalign.verdicts import document
from learnalign.verdicts.registry import COVERAGE, questions

__all__ = ["Edition", "RunSpec", "read_spec", "run"]


def run(
    params: str | Path,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    new_key: str = "",
    again: str = "",
    anew: bool = False,
    progress: Callable[[Event], None] = lambda event: None,
) -> Edition:
    """Run a params file's notebooks and publish the edition at `out`/report/as_of.

    Raises `DataError` (bad params or contract) or `Stopped` (anything else that keeps it from being
    published); nothing published before is touched then, and why is in `out`/.runs/report (see
    `journal`). `new_key` and `again` are reasons that `drawing.key_of` asks for. `progress` is told
    of each state, notebook and cell as it is reached.

    >>> import learnalign as la
    >>> la.run("nowhere.yml")
    Traceback (most recent call last):
    ...
    learnalign.data.mistakes.DataError: 1 problem
    nowhere.yml: there is no such file
        Got: nowhere.yml
    """
    params, jobs = Path(params), jobs or os.cpu_count() or 1
    spec = read_spec(params)
    data, notebooks = data_of(params, spec), [notebook(params, name) for name in spec.notebooks]
    workers.look(notebooks)
    out = _writable((Path(out) if out else default_out(params)).resolve())
    with (
        journal.opened(out, spec.report, spec.deadline_minutes, progress) as log,
        ExitStack() as stack,
    ):
        until = time.monotonic() + spec.deadline_minutes * 60
        day = _last_day(spec, data)
        stack.enter_context(log.lock(day))
        stack.enter_context(bounded(spec.limits))
        log.note("locked", as_of=day)
        several = len(spec.notebooks) > 1 or spec.units != (COMPANY,)
        pool = Pool(log.scratch, log.run_id, jobs=jobs, until=until, warm=several)
        stack.enter_context(pool)
        dataset = _fit_to_report(spec, data)
        plan = plans.told(plans.kept(spec, log))  # their form was checked, and no more
        copies = _copies(notebooks, log.work / "notebooks")
        line = publish.line(log, dataset.meta.title, day, dataset.fingerprint, spec.embargo_days)
        mark = unchanged.made_from(spec, copies, dataset, line, plan, log)
        log.note("checked", made_from=mark)
        if not anew and (edition := unchanged.standing(log, day, mark)):
            return edition
        key = drawing.key_of(out, document.ledger(out)[0], line, new_key, again)
        return _made(spec, copies, dataset, key, plan, log, pool)


def _made(
    spec: RunSpec,
    notebooks: Mapping[str, Path],
    dataset: DataSet,
    key: drawing.Key,
    plan: Mapping[str, Any],
    log: Journal,
    pool: Pool,
) -> Edition:
    """Link, run the notebooks, and publish what they hand over."""
    chosen = units.chosen(dataset, spec.units, spec.min_group, _draws(spec, dataset, key))
    parts = _parts(spec, dataset, chosen.units, log)
    chapters, told, tables = _moved(spec, notebooks, parts, dataset, key, log, pool)
    told |= {"plan": plan}
    made = documents.of_run(spec, notebooks, parts, chapters, chosen, told, tables, log)
    edition = publish.publish(made, chosen.few, key.reason, log, pool)
    log.note("recorded")
    return edition


def _draws(spec: RunSpec, dataset: DataSet, key: drawing.Key) -> keys.Draws:
    about = dataset.fingerprint, dataset.as_of, spec.embargo_days
    return keys.Draws(key.secret, keys.state_of(*about))


def _parts(spec: RunSpec, dataset: DataSet, chosen: Sequence[str], log: Journal) -> list[Part]:
    """The company and its units, each linked once in a folder of its own, for its owner's eyes."""
    slugs, parts = units.slugs(chosen), []
    for unit in ("", *chosen) if COMPANY in spec.units else chosen:
        work = log.work / "units" / slugs[unit] if unit else log.work
        own = units.part(dataset, unit) if unit else dataset
        (work / "data").mkdir(mode=0o700, parents=True)
        windows.prepare(own, work / "data", embargo_days=spec.embargo_days)
        parts.append(Part(unit, slugs.get(unit, ""), replace(own, folder=work / "data"), work))
        log.note("linked", text=unit)
    if not parts:
        wanted = (
            f"{spec.min_group} people (min_group) and {rule.MIN_MANAGERS} managers, and some more"
        )
        text = f"No unit of {', '.join(spec.units)} has {wanted}. Nothing was published."
        raise Stopped(TOO_SMALL, text)
    return parts


def _copies(notebooks: Sequence[Path], place: Path) -> dict[str, Path]:
    """Notebooks as they are now, by their names: what is told of them is of what ran."""
    place.mkdir(mode=0o700)
    return {path.stem: Path(shutil.copyfile(path, place / path.name)) for path in notebooks}


def _last_day(spec: RunSpec, folder: Path) -> str:
    """The edition's day, before the data are read: from then on, no other run may make it."""
    try:
        return str(spec.as_of or read_meta(folder / "dataset.yml").as_of)
    except DataError:
        reading.read(folder)  # names every other problem, too
        raise


def _writable(out: Path) -> Path:
    """The place to publish in, looked at before the work rather than after it."""
    place = next(place for place in (out, *out.parents) if place.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        is_what = "a folder that cannot be written to" if place.is_dir() else "a file, not a folder"
        text = f"The edition could not be written below {out}: {place} is {is_what}."
        raise Stopped(PUBLISH, f"{text} Nothing was published.")
    return out


def _fit_to_report(spec: RunSpec, data: Path) -> DataSet:
    """The data set; `Stopped` where it is too small, not whole in its last cycle, or too old,
    before time is spent on it.
    """
    dataset = reading.read(data, spec.as_of, spec.limits)
    people = int(dataset.tables["reviews"].person_id.nunique().execute())
    cycles = contents.cycles(dataset)
    age = (dt.date.today() - pd.Timestamp(cycles["last"].max()).date()).days if people else 0
    if people < spec.min_group:
        needed = f"a report needs at least {spec.min_group} (min_group)"
        why = f"small: {people} people were reviewed, and {needed}"
    elif contents.is_half_empty(cycles, spec.last_cycle_share):
        (_, before), (_, last) = cycles.tail(2).iterrows()
        found = f"{last.reviews} reviews in {last.cycle}, and {before.reviews} in {before.cycle}"
        mend = f"bring all of it, set as_of before {last['first']}, or lower last_cycle_share"
        why = f"small: {found}; {mend} ({spec.last_cycle_share})"
    elif spec.max_age_days is not None and age > spec.max_age_days:
        why = f"old: their last review was {age} days ago, and max_age_days is {spec.max_age_days}"
    else:
        return dataset
    raise Stopped(TOO_SMALL, f"The data are too {why}. Nothing was published.")


# --- what the notebooks hand over


def _moved(
    spec: RunSpec,
    notebooks: Mapping[str, Path],
    parts: list[Part],
    dataset: DataSet,
    key: drawing.Key,
    log: Journal,
    pool: Pool,
) -> tuple[dict[str, list[document.Chapter]], dict[str, Any], dict[str, pd.DataFrame]]:
    """The chapters, with noise enough for all figures together; what is told of the noise; and the
    contents of each part.
    """
    state = _draws(spec, dataset, key).state
    factor = drawing.margin(key.secret, state, with_units=len(parts) > 1)
    mu = math.inf
    while mu > gate.MOST:
        drawing.leave(parts, key.secret, state, factor, dataset.folder)
        chapters = _chapters(spec, notebooks, parts, dataset, log, pool)
        own = {part.unit: study(part.dataset, min_group=spec.min_group) for part in parts}
        tables = {unit: contents.contents(one) for unit, one in own.items()}
        mu = drawing.worst(parts, spec.notebooks, [one.gate for one in own.values()])
        if mu > gate.MOST:
            factor = drawing.more(factor, mu)
            log.note("checked", text=f"more noise: {factor:g} times")
    certainty = round(gate.certainty(gate.MOST))  # its own would tell of whoever it is due to
    about = {"key": keys.mark(key.secret), "certainty": certainty, "factor": factor}
    return chapters, {"noise": about | {"states": key.states}}, tables


def _chapters(
    spec: RunSpec,
    notebooks: Mapping[str, Path],
    parts: list[Part],
    dataset: DataSet,
    log: Journal,
    pool: Pool,
) -> dict[str, list[document.Chapter]]:
    """Every notebook of every part in a process of its own, side by side; the first failure ends
    the run. By unit.
    """
    found: dict[str, document.Chapter] = {}
    people = cache(lambda: _ids(dataset))  # asked only when something failed

    def done(task: workers.Task) -> None:
        name = task.notebook.stem
        found[task.name] = _handed_over(task.folder / f"{name}.json", name)
        again = {"data": str(dataset.folder.resolve()), "out": ""}
        workers.name_again(task.folder / f"{name}.ipynb", {**task.parameters, **again})

    def discreet(text: str, known: str) -> str:  # what can be asked for is told, and the nearest
        ours = " ".join((*asked.names(dataset.meta.attributes), *describe.TABLES, *ratios.read()))
        return journal.discreet(text, f"{known} {ours}", people())

    tasks = [
        workers.Task(part.task(name), notebooks[name], part.work, _parameters(spec, part, name))
        for part in parts
        for name in spec.notebooks
    ]
    longest_first = sorted(tasks, key=lambda task: -log.before.get(task.name, 0))
    workers.execute(longest_first, pool, note=log.note, done=done, discreet=discreet)
    return {part.unit: [found[part.task(name)] for name in spec.notebooks] for part in parts}


def _ids(dataset: DataSet) -> frozenset[str]:
    """Whatever stands for a person in a data set: no message may hold it."""
    columns = [("people", "person_id"), ("reviews", "manager_id"), ("assessments", "assessor_id")]
    found = (dataset.recorded[table][column].execute().dropna() for table, column in columns)
    return frozenset().union(*found)


def _handed_over(path: Path, name: str) -> document.Chapter:
    """A notebook's chapter with every headline that its questions promise."""
    promised = {m for q in questions().values() if q.chapter == name for m in q.measures}
    try:
        chapter = document.read(path)
    except DataError as error:
        text = f"{name}.ipynb ran but handed over no valid results. Nothing was published."
        raise Failed(ANALYSIS, f"{text}\n{journal.discreet(str(error))}", Where(name)) from None
    foreign = {row.question for row in chapter.results if row.headline and name != COVERAGE}
    if foreign := sorted(key for key in foreign if questions()[key].chapter != name):
        text = f"{name}.ipynb handed over headlines that are not its own: {', '.join(foreign)}."
        raise Failed(ANALYSIS, f"{text} Nothing was published.", Where(name))
    is_told = any(
        (chapter.told, chapter.results, chapter.flows, chapter.coverage, chapter.pictures)
    )
    if is_told and not path.with_suffix(keys.TOLD).is_file():
        text = f"{name}.ipynb handed over figures that were not moved: end it with la.hand_over."
        raise Failed(ANALYSIS, f"{text} Nothing was published.", Where(name))
    if missing := sorted(promised - {row.measure for row in chapter.results if row.headline}):
        text = f"{name}.ipynb ran but left out what it promises: {', '.join(missing)}."
        raise Failed(ANALYSIS, f"{text} Nothing was published.", Where(name))
    return chapter


def _parameters(spec: RunSpec, part: Part, notebook: str) -> dict[str, Any]:
    """The notebook's parameters: all that a notebook may be told, as plain JSON values."""
    return {
        "data": str(part.dataset.folder.resolve()),
        "as_of": str(part.dataset.as_of),
        "min_group": spec.min_group,
        "embargo_days": spec.embargo_days,
        "smallest": spec.smallest_effect.model_dump(),
        "out": str(part.work / f"{notebook}.json"),
    }

"""Documents: all that the editions of a run could say; `release` says what of it may be published."""

import datetime as dt
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from learnalign.data.reading import DataSet
from learnalign.facts import contents
from learnalign.privacy import rule
from learnalign.report import page
from learnalign.runs import units
from learnalign.runs.journal import Journal
from learnalign.runs.spec import RunSpec
from learnalign.verdicts import document, judge
from learnalign.verdicts.document import Chapter
from learnalign.verdicts.result import Result

PACKAGES = (
    "learnalign",
    "pandas",
    "numpy",
    "scipy",
    "statsmodels",
    "pyfixest",
    "ibis-framework",
    "duckdb",
    "papermill",
)


def of_run(
    spec: RunSpec,
    notebooks: Mapping[str, Path],
    data: Mapping[str, DataSet],
    chapters: Mapping[str, Sequence[Chapter]],
    about: Mapping[str, Any],
    log: Journal,
) -> list[dict[str, Any]]:
    """A document for the company (under "") and each unit, in the order of `data`; `about` is said
    of all of them.

    A headline must survive how many were asked in its document, and a unit's also how many units
    were looked at.
    """
    rows = {unit: judge.holm(document.merged(some)) for unit, some in chapters.items()}
    if len(data) > 1:
        rows |= judge.across({unit: some for unit, some in rows.items() if unit})
    memos = {name: path.read_bytes() for name, path in notebooks.items()}
    limits = {name: page.limits(json.loads(memo)) for name, memo in memos.items()}
    ran = {name: hashlib.sha256(memo).hexdigest() for name, memo in memos.items()}
    facts = _of_run(spec, log) | {"notebook_sha256": ran} | dict(about)
    slugs = {"": ""} | units.slugs(unit for unit in data if unit)
    return [
        _document(
            facts | {"unit": unit, "slug": slugs[unit]}, own, chapters[unit], rows[unit], limits
        )
        for unit, own in data.items()
    ]


def _of_run(spec: RunSpec, log: Journal) -> dict[str, Any]:
    settings = spec.model_dump(mode="json") | {
        "data": Path(spec.data).name
    }  # a whole path tells of people's folders
    return {
        "report": spec.report,
        "run_id": log.run_id,
        "started": log.started.isoformat(timespec="seconds"),
        "finished": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "params": settings,
        "notebooks": list(spec.notebooks),
        "min_group": spec.min_group,
        "smallest_effect": settings["smallest_effect"],
        "embargo_days": spec.embargo_days,
    }


def _document(
    facts: Mapping[str, Any],
    dataset: DataSet,
    chapters: Sequence[Chapter],
    rows: Sequence[Result],
    limits: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    title, as_of, min_group = dataset.meta.title, str(dataset.as_of), facts["min_group"]
    tables = document.records(
        rule.counts(contents.contents(dataset), min_group).drop(columns="shown")
    )
    questions = [
        {"key": q.key, "text": q.text, "notebook": q.notebook} for q in judge.QUESTIONS.values()
    ]
    return document.document(
        chapters,
        rule.suppress(rows, min_group),
        run={"title": title, "as_of": as_of, **facts},
        data={
            "title": title,
            "as_of": as_of,
            "fingerprint": dataset.fingerprint,
            "tables": tables,
            "pace": contents.pace(dataset),
            "attributes": ["grade", *dataset.meta.attributes],
        },
        questions=questions,
        words=judge.VERDICT_WORDS,
        limits=limits,
        versions={"python": sys.version.split()[0]} | {name: version(name) for name in PACKAGES},
    )

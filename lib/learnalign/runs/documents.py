"""Documents: all that the editions of a run could say; the gate says what of it is published."""

import datetime as dt
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from learnalign.data.writing import PRIVATE
from learnalign.facts import contents
from learnalign.privacy import rule
from learnalign.report import page
from learnalign.runs.journal import Journal
from learnalign.runs.spec import RunSpec
from learnalign.runs.units import Chosen, Part
from learnalign.verdicts import document, judge, looks, registry
from learnalign.verdicts.document import Chapter
from learnalign.verdicts.result import Result

PACKAGES = "learnalign pandas numpy scipy statsmodels pyfixest ibis-framework duckdb papermill"


def of_run(
    spec: RunSpec,
    notebooks: Mapping[str, Path],
    parts: Sequence[Part],
    chapters: Mapping[str, Sequence[Chapter]],
    chosen: Chosen,
    told: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    log: Journal,
) -> dict[Path, dict[str, Any]]:
    """A document for each part, by the folder in which its notebooks were executed; `told` is what
    all of them tell of the noise and the plan.

    A headline must survive how many were asked in its document, and a unit's also how many units
    were looked at.
    """
    rows = {unit: judge.holm(document.merged(some)) for unit, some in chapters.items()}
    facts = _of_run(spec, log) | {"units": []} | told
    if len(parts) > 1:
        rows |= judge.across({unit: some for unit, some in rows.items() if unit})
        facts |= {"units": [*chosen.units], "units_hidden": chosen.without}
        facts |= {"units_few": [*chosen.few]}
    memos = {name: path.read_bytes() for name, path in notebooks.items()}
    limits = {name: page.limits(json.loads(memo)) for name, memo in memos.items()}
    ran = {name: hashlib.sha256(memo).hexdigest() for name, memo in memos.items()}
    facts |= {"notebook_sha256": ran, "looks": _looks(parts[0], chapters[parts[0].unit])}
    own = {name: page.memo(json.loads(memos[name])) for name in memos if registry.is_own(name)}
    about = {"limits": limits, "versions": versions()}
    return {
        part.work: _document(
            facts, part, chapters[part.unit], rows[part.unit], tables[part.unit], about, own
        )
        for part in parts
    }


def _looks(part: Part, chapters: Sequence[Chapter]) -> int:
    """How many looks there were: before this run, and those that its chapters took."""
    kept = len(looks.remembered(part.dataset.folder / PRIVATE))
    return kept + sum(max(one.looks - kept, 0) for one in chapters)


def settings(spec: RunSpec) -> dict[str, Any]:
    """The params of a run as they are told; a whole path would tell of people's folders."""
    return spec.model_dump(mode="json", exclude={"limits"}) | {"data": Path(spec.data).name}


def _of_run(spec: RunSpec, log: Journal) -> dict[str, Any]:
    params = settings(spec)
    same = ("report", "notebooks", "min_group", "smallest_effect", "embargo_days")
    return {
        "run_id": log.run_id,
        "started": log.started.isoformat(timespec="seconds"),
        "finished": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "params": params,
        **{name: params[name] for name in same},
    }


def _document(
    facts: Mapping[str, Any],
    part: Part,
    chapters: Sequence[Chapter],
    rows: Sequence[Result],
    tables: pd.DataFrame,
    same: Mapping[str, Any],
    memos: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """One part's document; `same` is what all documents of a run have alike, `memos` the prose of
    chapters of one's own.
    """
    dataset, min_group = part.dataset, facts["min_group"]
    about = {"title": dataset.meta.title, "as_of": str(dataset.as_of)}
    return document.document(
        chapters,
        rule.suppress(rows, min_group),
        run={**about, **facts, "unit": part.unit, "slug": part.slug},
        data={
            **about,
            "fingerprint": dataset.fingerprint,
            "tables": document.records(tables),
            "imported": contents.arrivals(dataset),
            "pace": contents.pace(dataset),
            "attributes": ["grade", *dataset.meta.attributes],
        },
        questions=[
            {"key": one.key, "text": one.text, "notebook": one.chapter}
            for one in registry.questions().values()
        ],
        words=registry.verdict_words(),
        own=[
            {"notebook": one.notebook, **memos[one.notebook], "told": [*one.told]}
            for one in chapters
            if one.notebook in memos
        ],
        **same,
    )


def versions() -> dict[str, str]:
    """With what a document was made: with the same, its pages and figures are made again."""
    found = {name: version(name) for name in PACKAGES.split()}
    return {"python": sys.version.split()[0], "build": registry.build()} | found

"""Runs of which nothing has changed: the edition that stands is the one that they would make.

All that goes into an edition is known before a notebook is started: data, params, plan, key, the
notebooks and the library, and the editions before. Its digest stands in the journal of the run that
made the edition; a later run with the same digest leaves the edition as it is, if it is whole.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from learnalign.data.mistakes import DataError
from learnalign.data.reading import DataSet
from learnalign.data.writing import PRIVATE
from learnalign.facts import contents
from learnalign.privacy import keys
from learnalign.runs import documents, journal, layout, publish
from learnalign.runs.journal import Journal
from learnalign.runs.publish import Edition
from learnalign.runs.spec import RunSpec
from learnalign.verdicts import document, looks


def made_from(
    spec: RunSpec,
    notebooks: Mapping[str, Path],
    dataset: DataSet,
    line: document.Line,
    plan: Mapping[str, Any],
    log: Journal,
) -> str:
    """The digest of all that an edition is made from; `line` is what is known of it beforehand."""
    kept = dataset.folder / PRIVATE
    about = {
        "params": documents.settings(spec),
        "data": [line.fingerprint, line.as_of, dataset.meta.model_dump(mode="json")],
        "arrived": contents.arrivals(dataset),
        "looks": len(looks.remembered(kept)),
        "plan": plan,
        "notebooks": {name: _digest(path) for name, path in notebooks.items()},
        "with": documents.versions() | {"pdf": find_spec("weasyprint") is not None},
        "key": keys.mark(keys.secret_of(log.out)),
        "states": document.states(document.ledger(log.out)[0], line),
        "before": {
            path.parent.name: _digest(path)
            for path in sorted((log.out / log.report).glob("[!.]*/results.json"))
            if path.parent.name < line.as_of
        },
    }
    return document.digest(about)


def standing(log: Journal, as_of: str, mark: str) -> Edition | None:
    """The edition of a day, with its units', where it is whole and was made from the same; the run
    has then come to its end.
    """
    edition = _whole(log, log.out / log.report / as_of, mark)
    if edition:
        made = edition.document["run"]["finished"]
        log.note("unchanged", text=f"as made {made}; --anew makes it again")
        publish.record(log)
        log.note("recorded")
    return edition


def _whole(log: Journal, place: Path, mark: str) -> Edition | None:
    with suppress(DataError, OSError, ValueError, LookupError, TypeError, AttributeError):
        layout.finished(place)  # a file that is not as it was published is made anew
        first = document.edition(place)
        below = [document.edition(folder) for folder in place.glob(f"{layout.UNITS}/*")]
        order = first["run"]["units"]
        lines = journal.lines(log.path.with_name(f"{first['run']['run_id']}.jsonl"))
        is_same = mark in {line.get("made_from") for line in lines}
        if is_same and lines[-1]["state"] == "recorded":
            units = sorted(below, key=lambda one: order.index(one["run"]["unit"]))
            return Edition(place, place / "report.html", first, tuple(units))
    return None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Runs of which nothing has changed: the edition that stands is the one that they would make.

All that goes into an edition is known before a notebook is started: data, params, plan, key, the
notebooks and the library, and the editions before. Its digest stands in the journal of the run that
made the edition; a later run with the same digest leaves the edition as it is, if it is whole.
"""

from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from learnalign.data.mistakes import DataError
from learnalign.data.reading import DataSet
from learnalign.data.writing import PRIVATE
from learnalign.privacy import keys
from learnalign.runs import documents, files, journal, layout, publish
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
    about = {
        "params": documents.settings(spec),
        "data": [line.fingerprint, line.as_of, dataset.meta.model_dump(mode="json")],
        # what is recorded after `as_of` is told of, too
        "recorded": {name: rows.count().execute() for name, rows in dataset.recorded.items()},
        "looks": len(looks.remembered(dataset.folder / PRIVATE)),
        "plan": plan,
        "notebooks": {name: files.digest(path) for name, path in notebooks.items()},
        "with": documents.versions(),
        "key": keys.mark(keys.secret_of(log.out)),
        "states": document.states(document.ledger(log.out)[0], line),
        "before": {
            path.parent.name: files.digest(path)
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
        of = edition.document["run"]["run_id"]
        log.note("unchanged", of=of, text=f"as made {made}; --anew makes it again")
        publish.record(log)
        log.note("recorded")
    return edition


def _whole(log: Journal, place: Path, mark: str) -> Edition | None:
    with suppress(DataError, OSError, ValueError, LookupError, TypeError, AttributeError):
        layout.finished(place)  # a file that is not as it was published is made anew
        first = document.edition(place)
        known = {line.digest for line in document.ledger(log.out)[0]}
        has_pdf = (place / "report.pdf").is_file() or not find_spec("weasyprint")
        if not has_pdf or document.digest(first) not in known:
            return None
        below = [document.edition(folder) for folder in place.glob(f"{layout.UNITS}/*")]
        order = first["run"]["units"]
        if journal.has_made(log.path.parent, first["run"]["run_id"], mark):
            units = sorted(below, key=lambda one: order.index(one["run"]["unit"]))
            return Edition(place, place / "report.html", first, tuple(units))
    return None

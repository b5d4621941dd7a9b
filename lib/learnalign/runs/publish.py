"""Publishing: documents into the list of editions, then pages, and all in one move."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learnalign.data.mistakes import ANALYSIS, PUBLISH, Stopped
from learnalign.privacy import audit
from learnalign.report import index, paper
from learnalign.report import page as reports
from learnalign.runs import files, history, printing
from learnalign.runs.journal import Journal
from learnalign.runs.pool import Pool
from learnalign.verdicts import document as results


@dataclass(frozen=True)
class Edition:
    """A published edition: where it is and what it says; `units`: what it says of each unit."""

    folder: Path
    report: Path
    document: dict[str, Any]
    units: tuple[dict[str, Any], ...] = ()


def publish(
    documents: Mapping[Path, dict[str, Any]],
    few: Sequence[str],
    reason: str,
    log: Journal,
    pool: Pool,
) -> Edition:
    """Publish what may be published of `documents`, the first one's pages on top, those of units
    below it.

    Each document comes with the folder in which its notebooks were executed; `few` are the units
    that get no edition; `reason` goes into the list of editions. Raises `Stopped` where an audit
    of the documents finds something, and `OSError`; nothing published before is touched then.
    """
    safe = [*documents.values()]
    _look(safe, log)
    stage, (top, *rest) = log.work / "edition", safe
    places = {_within(document) if rest else "": document for document in safe}
    past = {within: _earlier(document, within, log) for within, document in places.items()}
    for within, document in places.items():  # a page is made beside these, and made again so
        document["run"]["earlier"] = [one["run"]["run_id"] for one in past[within]]
    with files.alone(log.out / ".runs/ledger.lock"):
        results.enter(log.out, *(line_of(one, reason) for one in safe))
    for (within, document), work in zip(places.items(), documents, strict=True):
        _write(stage / within, document, past[within], work)
    _print([stage / within for within in places], log, pool)
    if rest:
        (stage / "index.html").write_text(index.render(safe, few), encoding="utf-8")
    for within, document in [*places.items()][::-1]:  # the top last: it covers all that is below
        _seal(stage / within, document["run"])
    files.settle(stage)
    log.note("rendered")
    edition = _move(stage, log.out / log.report / top["run"]["as_of"], log, safe)
    record(log)
    return edition


def record(log: Journal) -> None:
    """Bring the history up to the editions on disk."""
    try:
        warnings = history.record(log.out, log.work)
    except OSError as error:
        text = "The edition was published, but not written into history.parquet"
        why = f"{text}: {error.strerror or error}. The next run adds it."
        raise Stopped(PUBLISH, why) from error
    for warning in warnings:
        log.note("warning", text=warning)


def _look(documents: Sequence[Mapping[str, Any]], log: Journal) -> None:
    """The last look before anything is written: what the gate should have stopped stops here."""
    if told := [str(found) for one in documents for found in audit.rows(one, with_words=True)]:
        text = "The edition would tell of individuals. Nothing was published."
        raise Stopped(ANALYSIS, "\n".join([text, *told]))
    for number in results.ledger(log.out)[1]:
        log.note("warning", text=f"Line {number} of {results.LEDGER} cannot be read")


def line(log: Journal, title: str, as_of: str, fingerprint: str, embargo_days: int) -> results.Line:
    """What is known beforehand of an edition's line in the list of editions."""
    about = log.run_id, log.report, as_of, title, fingerprint, ""
    return results.Line(*about, embargo_days=embargo_days)


def line_of(document: Mapping[str, Any], reason: str) -> results.Line:
    """The line of an edition in the list of editions."""
    run, data = document["run"], document["data"]
    about = {name: run[name] for name in ("run_id", "report", "as_of", "unit", "embargo_days")}
    about |= {name: data[name] for name in ("title", "fingerprint")}
    digest, key = results.digest(document), run["noise"]["key"]
    return results.Line(**about, digest=digest, key=key, reason=reason)


def _within(document: Mapping[str, Any]) -> str:
    """Where in an edition a document's files stand."""
    return f"units/{document['run']['slug']}" if document["run"]["unit"] else ""


def _earlier(document: Mapping[str, Any], within: str, log: Journal) -> tuple[dict[str, Any], ...]:
    run = document["run"]
    earlier, warnings = results.earlier(log.out / log.report, run["as_of"], run["unit"], within)
    for warning in warnings:
        log.note("warning", text=warning)
    return earlier


def _write(
    place: Path, document: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]], work: Path
) -> None:
    """Write what is read of an edition, and its executed notebooks apart."""
    place.mkdir(parents=True)
    (place / "report.html").write_text(reports.render(document, earlier), encoding="utf-8")
    (place / "summary.txt").write_text(reports.summary(document, earlier), encoding="utf-8")
    results.write_json(place / "results.json", document)
    (place / "restricted").mkdir(mode=0o700)
    for notebook in document["run"]["notebooks"]:
        shutil.copyfile(work / f"{notebook}.ipynb", place / "restricted" / f"{notebook}.ipynb")


def _print(places: Sequence[Path], log: Journal, pool: Pool) -> None:
    """A PDF beside each page, where one can be made: many side by side, a single one at once."""
    pages = {place / "report.html": place / "report.pdf" for place in places}
    why: Mapping[Path, str] = {}
    if len(pages) > 1:
        why = printing.printed(pages, pool)
    else:
        try:
            for page, pdf in pages.items():
                pdf.write_bytes(paper.pdf(page.read_text(encoding="utf-8")))
        except paper.Unprinted as error:
            why = {page: str(error)}
    for text in dict.fromkeys(why.values()):
        log.note("warning", text=text)


def _seal(place: Path, run: Mapping[str, Any]) -> None:
    """Write down what each file of an edition must be, and let those read it who may."""
    paths = [path for path in sorted(place.rglob("*")) if path.is_file()]
    digests = {path.relative_to(place).as_posix(): files.digest(path) for path in paths}
    about = {"run_id": run["run_id"], "unit": run["unit"]}
    about |= {"notebook_sha256": run["notebook_sha256"], "sha256": digests}
    results.write_json(place / "manifest.json", about)
    for path in [*paths, place / "manifest.json"]:
        path.chmod(0o600 if path.parent.name == "restricted" else 0o644)
    for folder in (place, *place.parents[: 1 if place.parent.name == "units" else 0]):
        folder.chmod(0o755)


def _move(stage: Path, place: Path, log: Journal, documents: Sequence[dict[str, Any]]) -> Edition:
    """Put a whole edition in its place, in one move; a signal comes too late from here on."""
    aside = log.work / "before" / place.name
    aside.parent.mkdir()
    log.ending.too_late()
    files.exchange(stage, place, aside)
    log.note("published")
    return Edition(place, place / "report.html", documents[0], tuple(documents[1:]))

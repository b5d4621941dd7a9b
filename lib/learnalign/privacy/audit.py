"""Audits: does a published folder tell of individuals? From its bytes alone, so that whoever gets
it can ask.

An audit reads what is published: results, page, text, every byte. It does not know the data, what
people know of each other, nor an edition that is neither in the folder nor in its ledger; and
letters drawn in a PDF are not read as words.
"""

import base64
import binascii
import hashlib
import json
import os
import re
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from learnalign.data import reading
from learnalign.data.mistakes import DataError, Problem
from learnalign.privacy import counts, findings
from learnalign.privacy.findings import Finding
from learnalign.verdicts import document as results

CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
EMAIL = re.compile(r"[\w.+-]{2,}@[A-Za-z0-9-]{2,}(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
WORD, LONG = re.compile(r"[^\W_]+"), re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
NUMBER = r"(\d[\d\u202f,]*)"
PEOPLE = re.compile(rf"{NUMBER}\s+(?:people|managers)\b")
CHANGED = "do not pass it on; ask for the edition as it was published"
LEAKS = "take the edition back and run it again without it"
UNSEEN = (
    "Not looked at: what people know of each other, editions that are neither here nor in the "
    "ledger, letters drawn in report.pdf, and notebooks in restricted/, which are not published."
)
STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
READ = ("report.html", "summary.txt", "index.html")  # what people read of an edition
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")  # as JSON writes letters
RESTRICTED = re.compile(r"(?:units/[^/]+/)?restricted/")  # not published
# An id like this cannot be told from a count, or from chance
SHORT = re.compile(r"(?:\d ?){1,5}|(?:\w ?){1,3}")
IDS = {
    "people": ("person_id",),
    "reviews": ("person_id", "manager_id"),
    "ties": ("from_id", "to_id"),
    "assessments": ("assessor_id",),
}
ADDRESSES = ("src", "href", "xlink:href", "srcset", "action", "poster", "data", "formaction")
Documents = Mapping[Path, Mapping[str, Any]]  # by the edition's folder
ELEMENTS = ("script", "iframe", "object", "embed", "base", "form", "link")


@dataclass(frozen=True)
class Audit:
    """What an audit looked at and found."""

    findings: tuple[Finding, ...]
    editions: int
    figures: int
    hidden: int
    unseen: str

    def __str__(self) -> str:
        editions = f"{self.editions} edition{'s' * (self.editions != 1)}"
        size = f"{editions}, {self.figures} figures, {self.hidden} hidden"
        told = "\n".join(map(str, self.findings)) or f"{size}: nothing found"
        return f"{told}\n{self.unseen}"


def audit(out: str | Path, data: Path | None = None) -> Audit:
    """Look again at every edition below `out`, or at `out` itself, each beside all the others and
    the ledger.

    With `data`, the ids of people in that data set are looked for too; those that look like a count
    cannot be, and `unseen` says how many. A `DataError` when there is no edition. Misleads as the
    module says.

    >>> audit("nowhere")
    Traceback (most recent call last):
    ...
    learnalign.data.mistakes.DataError: 1 problem
    nowhere: holds no edition
        Fix: name OUT, or OUT/report/as_of
    """
    out = Path(out)
    folders = _folders(out)
    if not folders:
        problem = Problem(str(out), "", "holds no edition", fix="name OUT, or OUT/report/as_of")
        raise DataError([problem])
    places = (one for one in (out, *out.resolve().parents[:2]) if (one / results.LEDGER).is_file())
    ledger, damaged = results.ledger(next(places, out))
    found = [
        Finding(results.LEDGER, f"line {number} is damaged: what it was for is not known", CHANGED)
        for number in damaged
    ]
    documents: dict[Path, dict[str, Any]] = {}
    for folder in folders:
        try:
            documents[folder] = results.edition(folder)
        except DataError as error:
            found.append(Finding(str(folder), error.problems[0].problem, CHANGED))
    ids, short = _ids(data) if data else (frozenset(), 0)
    lines = _lines(documents, ledger)
    for folder in folders:
        document = documents.get(folder)
        below = {one: documents.get(one) for one in folders if folder in one.parents}
        told = [*_of_files(folder, document, ids, below)]
        told += _of_edition(document, lines, ledger) if document else ()
        found += [replace(one, where=f"{folder}: {one.where}") for one in told]
    found += _of_runs(documents)
    shown = [row["shown"] for document in documents.values() for row in document["results"]]
    more = f" {short} ids that are as short as a count were not looked for." if short else ""
    return Audit(tuple(found), len(folders), sum(shown), shown.count(False), UNSEEN + more)


def _lines(documents: Documents, ledger: Sequence[results.Line]) -> list[results.Line]:
    """What was published: the editions' own word for it, and for those that are not here the
    ledger's.
    """
    here = [findings.line_of(document) for document in documents.values()]
    known = {(one.run_id, one.unit) for one in here}
    return [*here, *(line for line in ledger if (line.run_id, line.unit) not in known)]


def _of_runs(documents: Documents) -> Iterator[Finding]:
    """What the editions of a run, its units' and the company's, tell together."""
    runs: dict[str, dict[str, Path]] = {}
    for folder, document in documents.items():
        run = document["run"]
        runs.setdefault(run["run_id"], {}).setdefault(run.get("unit", ""), folder)
    for units in (units for units in runs.values() if len(units) > 1):
        place = f"{units.get('', min(units.values()))} and its units"
        for one in findings.together([documents[folder] for folder in units.values()]):
            yield replace(one, where=f"{place}: {one.where}")


def _of_edition(
    document: Mapping[str, Any], lines: Sequence[results.Line], ledger: Sequence[results.Line]
) -> Iterator[Finding]:
    """What an edition's results tell, and whether they are those that the ledger was told of."""
    others = [line for line in lines if line.run_id != document["run"]["run_id"]]
    yield from findings.found(document, findings.of_same(others, document))
    if ledger and findings.line_of(document) not in ledger:
        yield Finding("results.json", f"is not as {results.LEDGER} says it was published", CHANGED)


def _folders(out: Path) -> list[Path]:
    """The editions at `out`, below it, or below the reports in it, each with those of its units."""
    for pattern in ("", "*/", "*/*/"):
        files = [*out.glob(f"{pattern}results.json"), *out.glob(f"{pattern}manifest.json")]
        held = {file.parent for file in files if not file.parent.name.startswith(".")}
        if held:
            units = {path.parent for folder in held for path in folder.glob("units/*/*.json")}
            return [*sorted(held), *sorted(units - held)]
    return []


# --- the files


def _of_files(
    folder: Path, document: Mapping[str, Any] | None, ids: frozenset[str], below: Mapping[Path, Any]
) -> Iterator[Finding]:
    """What is wrong with an edition's files, and what stands in their bytes; editions `below` are
    looked at alone.
    """
    yield from _of_manifest(folder, document)
    pages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.html")}
    if folder.parent.name == "units":
        pages |= {"../../index.html", "../../report.html"}
    pool = counts.pool(document).values() if document else ()
    numbers = {str(count) for some in pool for count in some}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if RESTRICTED.match(name) or any(one in path.parents for one in below):
            continue
        content = path.read_bytes()
        for hit in sorted(_people_in(content, ids) - numbers):
            yield Finding(name, f"holds {hit}", LEAKS)
        if name in READ:
            held = [document, *(below.values() if name == "index.html" else ())]
            yield from _of_text(name, content.decode("utf-8", "replace"), pages, held)


def _of_text(
    name: str, text: str, pages: Collection[str], held: Sequence[Any]
) -> Iterator[Finding]:
    """What a file that people read may not ask for, and the numbers of people in it that no
    document `held` has.
    """
    if name.endswith(".html"):
        page = _Page.of(text)
        yield from (Finding(name, what, CHANGED) for what in _of_page(page, text, pages))
        text = page.text
    told = {_plain(number) for number in PEOPLE.findall(text)} if held[0] else set()
    for count in sorted(told - set(_numbers(held))):
        what = f"tells of {count} people or managers, which results.json does not"
        yield Finding(name, what, CHANGED)


def _people_in(content: bytes, ids: frozenset[str]) -> set[str]:
    """E-mail addresses and ids in bytes, however they are written; an id as its words, whatever
    stands between.
    """
    lengths, found = {one.count(" ") + 1 for one in ids}, set()
    for text in _texts(content):
        near = [text[max(at.start() - 64, 0) : at.end() + 255] for at in re.finditer("@", text)]
        found |= {hit for some in near for hit in EMAIL.findall(some)}
        words = WORD.findall(text) if ids else []
        for length in lengths:
            runs = zip(*(words[start:] for start in range(length)), strict=False)
            found |= ids & {" ".join(some) for some in runs}
    return found


def _of_manifest(folder: Path, document: Mapping[str, Any] | None) -> Iterator[Finding]:
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        digests, run_id = dict(manifest["sha256"]), str(manifest["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        yield Finding("manifest.json", "is missing or cannot be read", CHANGED)
        return
    if document and run_id != document["run"]["run_id"]:
        yield Finding("manifest.json", "is of another run than results.json", CHANGED)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    there = {name: path for name, path in files.items() if not path.is_dir()}
    for name in sorted(there.keys() - digests.keys() - {"manifest.json"}):
        yield Finding(name, "is not part of the edition", "take it away")
    for name, digest in digests.items():
        if name in there and hashlib.sha256(there[name].read_bytes()).hexdigest() != digest:
            yield Finding(name, "is not as it was published", CHANGED)
        if name not in there and not RESTRICTED.match(name):
            yield Finding(name, "is missing", CHANGED)
    closed = folder / "restricted"
    if os.name == "posix" and closed.is_dir() and closed.stat().st_mode & 0o077:
        fix = "chmod 700 it, or leave it out"
        yield Finding("restricted", "can be read by others than its owner", fix)


class _Page(HTMLParser):
    """A page's elements with their attributes, and its text without style."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._silent = False

    @classmethod
    def of(cls, text: str) -> "_Page":
        page = cls()
        page.feed(text)
        page.close()
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._silent = tag in ("style", "script")
        self.text += "" if tag in ("b", "i") else " "  # they stand inside numbers

    def handle_endtag(self, tag: str) -> None:
        self._silent = False
        self.text += "" if tag in ("b", "i") else " "

    def handle_data(self, data: str) -> None:
        self.text += "" if self._silent else data


def _of_page(page: _Page, text: str, pages: Collection[str]) -> Iterator[str]:
    """What a page may not have: another policy, a script, anything from elsewhere but a link to one
    of the `pages`.
    """
    policy = "content-security-policy"
    metas = [held for _, held in page.tags if held.get("http-equiv", "").lower() == policy]
    rules = [held.get("content") for held in metas]
    if rules != [CSP]:
        yield f"has another content security policy: {rules}"
    for tag, held in page.tags:
        if tag in ELEMENTS:
            yield f"has an element <{tag}>"
        for name, value in held.items():
            plain = re.sub(r"[\s\x00-\x1f]", "", value).lower()
            if name.startswith("on"):
                yield f"has a script in {name}"
            is_page = tag == "a" and name == "href" and value.partition("#")[0] in pages
            is_inside = not plain or plain.startswith(("#", "data:image/"))
            if name in ADDRESSES and not is_page and not is_inside:
                yield f"asks for {value[:80]}"
    if re.search(r"url\(\s*['\"]?\s*(?!#|data:|['\")\s])|@import", unescape(text), re.IGNORECASE):
        yield "asks for something from elsewhere in its style"


# --- the bytes


def _texts(content: bytes, depth: int = 2) -> Iterator[str]:
    """All that bytes can be read as: UTF-8 and -16, Latin-1, entities, percent-encoding, base64,
    and PDF streams.
    """
    inner = [*_base64(content), *_streams(content)] if depth else []
    content = STREAM.sub(b"", content)
    narrow, latin = content.replace(b"\0", b""), content.decode("latin-1")
    for text in {content.decode("utf-8", "replace"), latin, narrow.decode("utf-8", "replace")}:
        letters = ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
        yield from {text, unescape(text), unquote(text), letters}
    for one in inner:
        yield from _texts(one, depth - 1)


def _base64(content: bytes) -> Iterator[bytes]:
    for run in LONG.findall(content):
        try:
            yield base64.b64decode(run + b"=" * (-len(run) % 4), validate=True)
        except binascii.Error:
            continue


def _streams(content: bytes) -> Iterator[bytes]:
    for run in STREAM.findall(content):
        try:
            yield zlib.decompressobj().decompress(run)
        except zlib.error:
            continue


def _plain(number: str) -> str:
    return re.sub("[\u202f,]", "", number)


def _numbers(content: Any) -> Iterator[str]:
    """Every whole number in a document, as it is written, and those in its texts."""
    if isinstance(content, Mapping):
        content = [*content.keys(), *content.values()]
    if isinstance(content, list | tuple):
        for one in content:
            yield from _numbers(one)
    elif isinstance(content, str):
        yield from map(_plain, re.findall(NUMBER, content))
    elif type(content) in (int, float) and content == int(content):
        yield str(int(content))


def _ids(data: Path) -> tuple[frozenset[str], int]:
    """The ids of people in a data set, as text; and how many look like a count, and are not among
    them.
    """
    tables = reading.read(data).tables
    held = [tables[table][name].execute() for table, names in IDS.items() for name in names]
    found = {" ".join(WORD.findall(str(one))) for ids in held for one in ids.dropna().unique()}
    short = {one for one in found if SHORT.fullmatch(one)}
    return frozenset(found - short), len(short)

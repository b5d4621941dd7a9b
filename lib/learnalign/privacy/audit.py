"""Audits of what is published, from its bytes alone: do the rows keep the rule, does any byte tell
of somebody, does a page ask for anything?

Files are looked at by `runs.layout`, and pages and figures made again by `runs.audit`. Not seen are
what people know of each other, and letters that are drawn in a PDF.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

from learnalign.privacy import noise, rule
from learnalign.verdicts import document as results

CSP = "default-src 'none'; font-src data:; img-src data:; style-src 'unsafe-inline'"
EMAIL = re.compile(r"[\w.+-]{2,}@[A-Za-z0-9-]{2,}(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
WORD, LONG = re.compile(r"[^\W_]+"), re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")  # as JSON writes letters
ELSEWHERE = re.compile(r"url\(\s*['\"]?\s*(?!#|data:|['\")\s])|@import", re.IGNORECASE)
ACTIVE = re.compile(rb"/(?:EmbeddedFiles?|JavaScript|JS|Launch|OpenAction)(?![^\x00\s()<>[\]{}/%])")
ADDRESSES = ("src", "href", "xlink:href", "srcset", "action", "poster", "data", "formaction")
ELEMENTS = ("script", "iframe", "object", "embed", "base", "form", "link")
SHORT = re.compile(r"(?:\d ?){1,5}|(?:\w ?){1,3}")  # not to be told from a count, or from chance
COUNTS = ("rows", "people", "rows_left", "people_left", "n_people", "n_clusters", "gaps")
LABELS = ("rating", "target", "missing_pct", "month")  # numbers in a picture that are no figures
FIGURES = ("estimate", "low", "high", "std_error")

CHANGED, STRANGE = "do not pass it on; ask for the edition as it was published", "take it away"
LEAKS = "take the edition back and run it again without it"
AGAIN = "take the edition back, run it again, and tell the maintainers: the gate missed it"


@dataclass(frozen=True)
class Finding:
    """Something that an edition tells and must not: where, what, and what to do about it."""

    where: str
    what: str
    fix: str = AGAIN

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n    Do: {self.fix}"


# --- rows


def rows(document: Mapping[str, Any], *, with_words: bool) -> Iterator[Finding]:
    """Where what is published breaks the rule; `with_words`: words of hidden rows are ours."""
    least = document["run"]["min_group"]
    if type(least) is not int or least < rule.FLOOR:
        yield Finding("run.min_group", f"is below {rule.FLOOR}")
        return
    found = results.rows_of(document)
    for row, safe in zip(found, rule.suppress(found, least), strict=True):
        held = [name for name in rule.BLANK if getattr(row, name) != getattr(safe, name)]
        held = [name for name in held if with_words or name not in ("sentence", "reason")]
        where = f"results: {' '.join(filter(None, row.key))}"
        told = {name: getattr(row, name) or 0.0 for name in FIGURES if with_words}
        if long := [name for name, x in told.items() if float(f"{x:.{noise.DIGITS}g}") != x]:
            yield Finding(where, f"has more digits than noise leaves: {', '.join(long)}")
        if row.shown and row.estimate is not None and row.n_people is None:
            yield Finding(where, "is shown without how many people stand behind it")
        if held:
            few = f"is shown for fewer than {least} people, or {rule.MIN_MANAGERS} managers"
            yield Finding(where, few if row.shown else f"is hidden and holds {', '.join(held)}")
    for what, row in _frames(document):
        shown, people = row.get("shown", True), row.get("people", row.get("n_people"))
        if shown and isinstance(people, int | float) and 0 < people < least:
            yield Finding(what, f"a row is on fewer than {least} people")
        if not shown and (held := [key for key, one in row.items() if _is_figure(key, one)]):
            yield Finding(what, f"a hidden row holds {', '.join(held)}")


def _frames(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for record in document["pictures"]:
        about = f"picture {record.get('kind')} of {record.get('notebook')}"
        yield from ((about, row) for row in record.get("rows", ()))
    own = document.get("own", ())
    yield from ((f"look {row['name']}", row) for one in own for row in one["told"])
    yield from ((f"table {row.get('table')}", row) for row in document["data"]["tables"])
    for flow in document["flows"]:
        yield from ((f"flow {flow['table']}", row) for row in flow["steps"])


def _is_figure(key: str, value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_is_figure(key, one) for one in value)
    return key not in LABELS and isinstance(value, int | float) and not isinstance(value, bool)


# --- bytes


def counts(content: Any, key: str = "") -> Iterator[str]:
    """Every count in a document: a number like it is nobody's id."""
    if isinstance(content, Mapping):
        yield from (one for name, some in content.items() for one in counts(some, name))
    elif isinstance(content, list | tuple):
        yield from (one for some in content for one in counts(some, key))
    elif key in COUNTS and content is not None:
        yield str(content)


def words_of(ids: Iterable[object]) -> tuple[dict[str, str], int]:
    """What to look for, by the id that it tells of; and how many ids are as short as a count."""
    plain = {str(one): " ".join(WORD.findall(str(one))) for one in ids}
    long = {raw: words for raw, words in plain.items() if not SHORT.fullmatch(words)}
    found = {words: words for words in long.values()}
    for raw, words in long.items():
        told = raw.encode()
        hashes = (hashlib.new(name, told).hexdigest() for name in ("md5", "sha1", "sha256"))
        coded = base64.b64encode(told).decode().rstrip("=")
        back = " ".join(WORD.findall(raw[::-1]))
        found |= dict.fromkeys((told.hex(), back, *hashes), words)
        found |= {coded: words} if WORD.fullmatch(coded) else {}
    return found, len(plain) - len(long)


def people(content: bytes, ids: Mapping[str, str]) -> set[str]:
    """E-mail addresses and ids in bytes, an id as its words, whatever stands between."""
    lengths, found = {one.count(" ") + 1 for one in ids}, set()
    for text in _texts(content):
        near = [text[max(at.start() - 64, 0) : at.end() + 255] for at in re.finditer("@", text)]
        found |= {hit for some in near for hit in EMAIL.findall(some)}
        words = WORD.findall(text) if ids else []
        for length in lengths:
            runs = zip(*(words[start:] for start in range(length)), strict=False)
            found |= {ids[one] for one in {" ".join(some) for some in runs} & ids.keys()}
    return found


def _texts(content: bytes, depth: int = 2) -> Iterator[str]:
    """All that bytes can be read as: UTF-8, -16, Latin-1, escaped, in base64, and packed."""
    inner = [*_base64(content), *_streams(content)] if depth else []
    content = _in_the_open(content)
    narrow, latin = content.replace(b"\0", b""), content.decode("latin-1")
    for text in {content.decode("utf-8", "replace"), latin, narrow.decode("utf-8", "replace")}:
        letters = ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
        yield from {text, unescape(text), unquote(text), letters}
    for one in inner:
        yield from _texts(one, depth - 1)


def _base64(content: bytes) -> Iterator[bytes]:
    for run in LONG.findall(content):
        try:
            found = base64.b64decode(run + b"=" * (-len(run) % 4), validate=True)
        except binascii.Error:
            continue
        yield from (found, _unpacked(found)[0])


def _streams(content: bytes) -> Iterator[bytes]:
    yield from (_unpacked(run)[0] for run in STREAM.findall(content))


def _in_the_open(content: bytes) -> bytes:
    """What is left of bytes when the packed part of each stream is taken out."""
    return STREAM.sub(lambda run: _unpacked(run[1])[1], content)


def _unpacked(content: bytes) -> tuple[bytes, bytes]:
    """What packed bytes hold, and what of them is not packed."""
    packed = zlib.decompressobj(47)
    try:
        found = packed.decompress(content, 50_000_000)
    except zlib.error:
        return b"", content
    return found, packed.unconsumed_tail + packed.unused_data


# --- pages


def is_a_page(pdf: bytes) -> bool:
    """Whether a PDF is one document, and holds no file, no script and nothing behind its end."""
    is_one = pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF")
    is_one &= pdf.count(b"%%EOF") == 1
    return is_one and not any(map(ACTIVE.search, (_in_the_open(pdf), *_streams(pdf))))


class _Page(HTMLParser):
    """A page's elements with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))


def page(text: str, pages: Collection[str]) -> Iterator[str]:
    """What a page may not have: another policy, a script, what is elsewhere but one of `pages`."""
    tags, policy = _Page(text).tags, "content-security-policy"
    metas = [held for _, held in tags if held.get("http-equiv", "").lower() == policy]
    if (rules := [held.get("content") for held in metas]) != [CSP]:
        yield f"has another content security policy: {rules}"
    for tag, held in tags:
        if tag in ELEMENTS:
            yield f"has an element <{tag}>"
        for name, value in held.items():
            bare = re.sub(r"[\s\x00-\x1f]", "", value).lower()
            if name.startswith("on"):
                yield f"has a script in {name}"
            is_page = tag == "a" and name == "href" and value.partition("#")[0] in pages
            if name in ADDRESSES and not is_page and not bare.startswith(("#", "data:image/")):
                yield f"asks for {value[:80]}" if bare else f"has an empty {name}"
    if ELSEWHERE.search(unescape(text)):
        yield "asks for something from elsewhere in its style"

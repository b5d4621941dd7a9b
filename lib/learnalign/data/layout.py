"""Layouts: where the header of a CSV file stands, what separates its values, which rows are none.

Report titles above the header, further header rows below it, semicolons and tabs, UTF-16: each is
taken where one reading alone fits, and told.
"""

import codecs
import csv
import itertools
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from learnalign.data.files import SEPARATORS
from learnalign.data.mistakes import DataError

MARKS = {  # how a file starts that is no table as text, and what it is
    b"PK\x03\x04": "a workbook or a zip",
    b"\x1f\x8b": "packed by gzip",
    b"\xd0\xcf\x11\xe0": "an old workbook, or one with a password",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a database",
    b"<!doctype html": "a page of HTML",
    b"<html": "a page of HTML",
    b"<table": "a page of HTML",
    b"<?xml": "XML",
}
TOTAL = r"^\W*(total|sum|summe|gesamt|ensemble|todos)\b"
WORDED = rf"[^\W\d] +\w|\w: |:$|{TOTAL}"  # no id is so, but a title may be
LINES, DEEPEST = 80, 40  # lines that are looked at; a header stands at most so deep
IMPORT_ID = '{"ImportId"'  # a survey tool's third header row


@dataclass(frozen=True)
class Layout:
    """How a file is written: its separator, the lines above its header, and rows below that are
    none.
    """

    delimiter: str
    above: int = 0
    titles: tuple[str, ...] = ()
    below: int = 0
    preview: str = ""  # the column that says which answers were a preview


def encoding_of(path: Path, told: str | None) -> str:
    """The told encoding; without one UTF-16 or UTF-32 where the file's mark says so, or nearly each
    second byte is none; else UTF-8. A `DataError` where the file is no text.
    """
    with path.open("rb") as file:
        start = file.read(400)
    bare = start.lstrip(b"\xef\xbb\xbf\r\n\t ").lower()
    if kind := next((kind for mark, kind in MARKS.items() if bare.startswith(mark.lower())), None):
        raise DataError.of("not_a_table", path.name, kind=kind)
    if told:
        return told
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    none = [start[at::2].count(0) / max(len(start), 1) for at in (0, 1)]
    if max(none) > 0.4 and min(none) < 0.1:
        return "utf-16-be" if none[0] > none[1] else "utf-16-le"
    return "utf-8"


def looked_at(text: Path, delimiter: str | None, wanted: Collection[str], plain: object) -> Layout:
    """The layout of a UTF-8 file; `wanted` are plain names that its header must hold."""
    with text.open(encoding="utf-8", newline="") as file:
        start = [line[:20_000] for line in itertools.islice(file, LINES)]
    said = re.fullmatch(r'(?i)"?sep=([^"\r\n])"?\s*', "".join(start[:1]))  # a spreadsheet's own
    delimiter = delimiter or (said[1] if said else _separator(start))
    rows = [*_rows(start, delimiter)][bool(said) :]
    at = _header(rows, {*wanted}, plain)
    line = rows[at - 1][0] if at else int(bool(said))
    titles = tuple(" ".join(filter(None, row)) for _, row in rows[:at])
    below = [row for _, row in rows[at + 1 : at + 4]]
    ids = next((place for place, row in enumerate(below, 1) if row and _are_ids(row)), 0)
    preview = ""
    if ids:
        names = ("Status", "DistributionChannel")
        preview = next((name for name in rows[at][1] if name in names), "")
    return Layout(delimiter, line, tuple(filter(None, titles)), ids, preview)


def footers(text: Path, delimiter: str, width: int) -> tuple[int, list[str]]:
    """Where the rows of a UTF-8 file end, in bytes, and the lines below, which are none: they hold
    fewer values than the header and stand apart, or are words alone or a sum.
    """
    end = size = text.stat().st_size
    with text.open("rb") as file:
        file.seek(max(0, size - 20_000))
        lines = file.read().split(b"\n")
    found: list[tuple[int, str]] = []
    worded: list[bool] = []
    apart = 0  # how many of them a blank line parts from the rows
    while len(lines) > 1 and width > 1 and len(found) < DEEPEST:
        raw = lines.pop()
        end -= len(raw) + 1
        line = raw.decode("utf-8", "replace").strip()
        if not line:
            apart = len(found)
            continue
        cells = next(csv.reader([line], delimiter=delimiter), [])
        if line.count('"') % 2 or len(cells) >= width:
            break
        found.append((end + 1, line))
        words = WORDED if sum(map(bool, cells)) < 2 else TOTAL
        worded.append(re.search(words, cells[0].lower()) is not None)
    n = max(apart, worded.index(False) if False in worded else len(worded))
    return (found[n - 1][0] if n else size), [line for _, line in found[:n][::-1]]


def _are_ids(row: list[str]) -> bool:
    return all(cell.startswith(IMPORT_ID) for cell in row)


def _separator(lines: list[str]) -> str:
    """A comma, or the one other sign by which every line has as many values."""
    fits = []
    for sign in SEPARATORS:
        widths = {
            len(row) for _, row in _rows(lines[:-1] if len(lines) == LINES else lines, sign) if row
        }
        fits += [sign] if len(widths) == 1 and widths != {1} else []
    by_comma = {len(row) for _, row in _rows(lines[:1], ",")}
    return fits[0] if len(fits) == 1 and by_comma <= {1} else ","


def _rows(lines: list[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """Rows with the last line of each; up to the first that cannot be read."""
    reader, found = csv.reader(lines, delimiter=delimiter), []
    try:
        for row in reader:
            found.append((reader.line_num, [cell.strip() for cell in row]))
    except csv.Error:
        pass
    return found


def _header(rows: list[tuple[int, list[str]]], wanted: set[str], plain: object) -> int:
    """Which row is the header: the first that holds every wanted name; where none does, or nothing
    is wanted, the first as wide as the rows below a title are.
    """
    for place, (_, row) in enumerate(rows[:DEEPEST]):
        if wanted and wanted <= {plain(cell) for cell in row}:
            return place
    filled = [sum(map(bool, row)) for _, row in rows]
    widest = max(filled, default=0)
    if widest < 3 or filled[0] * 2 >= widest:
        return 0
    for place, (_, row) in enumerate(rows[:DEEPEST]):
        if filled[place] == widest and len({*filter(None, row)}) == widest:
            return place
    return 0

"""Layouts: where the header of a CSV file stands, what separates its values, which rows are none.

Report titles above the header, further header rows below it, semicolons and tabs, UTF-16: each is
taken where one reading alone fits, and told.
"""

import codecs
import csv
import itertools
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from learnalign.data.files import SEPARATORS

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
    """The told encoding; without one UTF-16 where the file's mark says so, else UTF-8."""
    if told:
        return told
    with path.open("rb") as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"


def looked_at(text: Path, delimiter: str | None, wanted: Collection[str], plain: object) -> Layout:
    """The layout of a UTF-8 file; `wanted` are plain names that its header must hold."""
    with text.open(encoding="utf-8", newline="") as file:
        start = [line[:20_000] for line in itertools.islice(file, LINES)]
    delimiter = delimiter or _separator(start)
    rows = [*_rows(start, delimiter)]
    at = _header(rows, {*wanted}, plain)
    if at is None:
        return Layout(delimiter)
    line, _ = rows[at - 1] if at else (0, [])
    titles = tuple(" ".join(filter(None, row)) for _, row in rows[:at])
    below = [row for _, row in rows[at + 1 : at + 4]]
    ids = next((place for place, row in enumerate(below, 1) if row and _are_ids(row)), 0)
    preview = ""
    if ids:
        names = ("Status", "DistributionChannel")
        preview = next((name for name in rows[at][1] if name in names), "")
    return Layout(delimiter, line, tuple(filter(None, titles)), ids, preview)


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


def _header(rows: list[tuple[int, list[str]]], wanted: set[str], plain: object) -> int | None:
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

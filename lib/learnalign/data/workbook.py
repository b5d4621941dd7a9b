"""A sheet of a workbook as CSV, by a program of its own: whatever a workbook asks for, only that
program runs out of memory, of time or of room. It says in JSON what it did, or what is wrong.

`python workbook.py WORKBOOK CSV [SHEET]`. Nothing of the library is imported: it starts at once.
"""

import csv
import datetime as dt
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any

EXACT = 1e15  # a spreadsheet holds fifteen digits: of a longer number the others are lost
MEMORY, ROOM, RATIO = 1_500_000_000, 200_000_000, 300
DAY_ZERO = dt.datetime(1899, 12, 31)  # a time on a day before this year's March is a duration
PARTS = re.compile(
    rb'<c (?![^>]*t="str")[^>]*><f[^>]*>[^<]*</f>(?P<unset><v ?/>|<v></v>)?</c>'
    rb'|<c [^>]*(?P<error>t="e")|<row [^>]*(?P<hidden>hidden="1")'
)


def main(book: str, out: str, *sheet: str) -> dict[str, Any]:
    """Write the one filled sheet that is not hidden, or the one named; what was read how."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    path = Path(book)
    try:
        opened = CalamineWorkbook.from_path(book)
        names = [
            one.name
            for one in opened.sheets_metadata
            if str(one.visible).endswith(".Visible") and str(one.typ).endswith(".WorkSheet")
        ]
        sheets = {n: opened.get_sheet_by_name(n) for n in (sheet if sheet else names) if n in names}
        filled = [name for name, one in sheets.items() if one.start is not None]
        if len(filled) != 1:
            return {"key": "which_sheet", "sheets": names if sheet else filled}
        return _written(path, sheets[filled[0]], filled[0], Path(out))
    except PasswordError:
        return {"key": "has_password"}
    except MemoryError:
        return {"key": "too_large"}
    except (CalamineError, zipfile.BadZipFile, OSError, ValueError, KeyError) as error:
        locked = b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P" in path.read_bytes()[:1_000_000]
        return {"key": "has_password"} if locked else {"key": "no_book", "got": str(error)[:200]}


def _limited(path: Path) -> None:
    """Bounds of this program: memory, processor time, and how long what it writes may be."""
    with suppress(ImportError):  # where the system has none, whoever calls waits only so long
        import resource

        size = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY + 30 * size,) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM + RATIO * size,) * 2)


def _written(path: Path, sheet: Any, name: str, out: Path) -> dict[str, Any]:
    said = {"unset": 0, "error": 0, "hidden": 0, "merged": 0, "sheet": name}
    for found in _parts(path):
        if found.lastgroup:
            said[found.lastgroup] += 1
    if said["unset"]:
        return {"key": "never_computed", "n": said["unset"]}
    rows = sheet.to_python(skip_empty_area=False)
    for (top, left), (bottom, _) in sheet.merged_cell_ranges or ():
        value, below = rows[top][left], range(top + 1, min(bottom + 1, len(rows)))
        if value != "" and below and not isinstance(value, str):
            return {"key": "merged_numbers", "got": f"{value} in row {top + 1}"}
        for at in below if value != "" else ():
            rows[at][left], said["merged"] = value, said["merged"] + 1
    with out.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        for row, forms in zip(rows, _forms(path, name), strict=False):
            lines.writerow(map(text_of, row, chain(forms, repeat(""))))
    return said


def _parts(path: Path) -> Iterator[re.Match[bytes]]:
    """Cells of an .xlsx file with an error or a formula, and rows that are hidden."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as book:
        for one in (one for one in book.namelist() if "worksheets/sheet" in one):
            with book.open(one) as file:
                rest = b""
                while part := file.read(4_000_000):
                    part = rest + part
                    end = part.rfind(b"</c>") + 4
                    yield from PARTS.finditer(part, 0, max(end, 4))
                    rest = part[end:] if end > 3 else part


def _forms(path: Path, name: str) -> Iterator[list[str]]:
    """The number formats of an .xlsx sheet, row by row, where a format changes what is seen: a
    percentage, or leading zeros. Other kinds of workbook do not tell theirs.
    """
    styles = ""
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        with zipfile.ZipFile(path) as book:
            styles = book.read("xl/styles.xml").decode("utf-8", "replace")
    used = set(re.findall(r'<xf [^>]*numFmtId="(\d+)"', styles.partition("<cellXfs")[2]))
    own = re.findall(r'<numFmt [^>]*numFmtId="(\d+)"[^>]*formatCode="([^"]*)"', styles)
    own += [pair[::-1] for pair in re.findall(r'formatCode="([^"]*)"[^>]*numFmtId="(\d+)"', styles)]
    shows = {number for number, form in own if "%" in form or re.match(r"0[0\-/ .]*0", form)}
    if not used & ({"9", "10"} | shows):
        yield from repeat([])
    import openpyxl

    sheet = openpyxl.load_workbook(path, read_only=True, data_only=True)[name]
    sheet.reset_dimensions()
    for row in sheet.iter_rows(min_row=1):
        yield [getattr(cell, "number_format", None) or "" for cell in row]
    yield from repeat([])


def text_of(value: Any, form: str) -> str:
    """What a sheet shows of a value, as text that is read in one way only."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return _number(float(value), form)
    if isinstance(value, dt.datetime) and DAY_ZERO <= value < dt.datetime(1900, 3, 1):
        since = value - DAY_ZERO
        return _span(since) if since.seconds else value.date().isoformat()
    if isinstance(value, dt.timedelta):
        return _span(value)
    if isinstance(value, dt.datetime):
        day = value.time() == dt.time()
        return value.date().isoformat() if day else value.isoformat(" ", "seconds")
    return str(value)  # a day, a time of day


def _span(value: dt.timedelta) -> str:
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _number(value: float, form: str) -> str:
    shown = re.sub(r'"[^"]*"|\\.', "", form.split(";")[0])  # without what is only written beside
    if "%" in shown:
        return f"{value * 100:.13g}%"
    if abs(value) >= EXACT:
        return f"{value:.14e}"  # a spoilt id: refused as one
    if value != int(value):
        return f"{value:.15g}"
    zeros = re.match(r"0{2,}$", shown)
    return f"{int(value):0{len(shown)}d}" if zeros else str(int(value))


if __name__ == "__main__":
    _limited(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))

"""Unpacking: sheets, archives and databases as the plain files that `sources` reads.

Each becomes one plain file in scratch, bounded in size, memory and time: a workbook's sheet, a file
of a zip, a table of a database. Where there are several, it is asked which (`sheet` in a mapping).
"""

import gzip
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

from learnalign.data import databases, files, workbook
from learnalign.data.mistakes import DataError, Problem

BOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
PLAIN = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")
WRITTEN = (*BOOKS, *databases.OPENERS)  # as CSV of our own
PACKED = (*WRITTEN, ".zip", ".gz")
SECONDS = 60  # that a workbook of no size may take


class Several(DataError):
    """A file holds several tables, by their `names`, and nothing says which is meant."""

    names: list[str] = []


def stem(path: Path) -> str:
    """A file's name without its endings: `learning.csv.gz` is `learning`."""
    inner = Path(path.stem) if path.suffix.lower() == ".gz" else path
    return inner.stem


def is_table(path: Path) -> bool:
    """Whether a file's ending is one that can be read."""
    inner = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    return inner.lower() in (*PLAIN, *BOOKS, *databases.OPENERS, ".zip")


def unpacked(path: Path, sheet: str | None, scratch: Path) -> tuple[Path, list[Problem]]:
    """The plain file in a packed one, and what is to be told of it; a `DataError` where there is
    none, are several, or is too much.

    A sheet, or a table of SQLite, is written anew, as UTF-8 with commas. Misleads where a
    workbook's cells show something else than they hold, but for percentages and leading zeros in
    .xlsx.
    """
    suffix = path.suffix.lower()
    made = files.another(path.name, scratch)
    try:
        if suffix in BOOKS:
            return _sheet(path, sheet, made.with_name(f"{made.name}.csv"))
        if suffix in databases.OPENERS:
            with databases.opened(path) as there:
                if sheet not in there.names and (sheet or len(there.names) != 1):
                    _ask(path, there.names)
                return there.write(sheet or there.names[0], made), []
        if suffix == ".zip":
            return _member(path, sheet, made), []
        with gzip.open(path, "rb") as file:
            return _copied(file, path, made.with_name(made.name[: -len(suffix)])), []
    except EOFError:
        raise DataError.of("cut_short", path.name) from None
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, NotImplementedError) as error:
        raise DataError.of("not_unpacked", path.name, got=str(error)[:200]) from None


def _copied(file: Any, path: Path, made: Path) -> Path:
    """A packed file's bytes, as many as a packed file of this size may hold."""
    room = workbook.ROOM + workbook.RATIO * path.stat().st_size
    room = min(room, shutil.disk_usage(made.parent).free // 2)
    with made.open("wb") as out:
        while part := file.read(1_000_000):
            room -= len(part)
            if room < 0:
                raise DataError.of("bomb", path.name)
            out.write(part)
    return made


def _member(path: Path, wanted: str | None, made: Path) -> Path:
    with zipfile.ZipFile(path) as packed:
        inside = [
            one
            for one in packed.infolist()
            if Path(one.filename).suffix.lower() in (*PLAIN, *BOOKS)
            and not one.filename.startswith("__MACOSX/")
            and Path(one.filename).name[0] != "."
        ]
        named = [one for one in inside if wanted in (None, one.filename, Path(one.filename).name)]
        if len(named) != 1:
            _ask(path, [one.filename for one in inside])
        if named[0].flag_bits & 1:
            raise DataError.of("has_password", path.name)
        name = re.sub(r"[^\w.\-]", "_", Path(named[0].filename).name)
        with packed.open(named[0]) as file:
            return _copied(file, path, made.with_name(f"{made.name}-{name}"))


def _ask(path: Path, names: list[str]) -> None:
    key, got = "which_sheet" if names else "nothing_inside", ", ".join(names)[:300]
    several = Several([Problem.of(key, path.name, "sheet", got)])
    several.names = names
    raise several


def _sheet(path: Path, wanted: str | None, made: Path) -> tuple[Path, list[Problem]]:
    for package in ("python_calamine", "openpyxl"):
        if importlib.util.find_spec(package) is None:
            raise DataError.of("extra_missing", path.name, got=package, extra="excel")
    command = [sys.executable, "-I", workbook.__file__, str(path), str(made)]
    until = SECONDS + 20 * path.stat().st_size / 1e6
    try:
        done = subprocess.run(
            [*command, *([wanted] if wanted else [])],
            capture_output=True,
            timeout=until,
            stdin=subprocess.DEVNULL,
        )
        said = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        said = {"key": "too_large"}
    if said.get("key") == "which_sheet":
        _ask(path, said["sheets"])
    if "key" in said:
        raise DataError([Problem.of(said.pop("key"), path.name, **said)])
    told = {"merged": "cells_merged", "error": "cells_wrong", "hidden": "rows_hidden"}
    notes = [Problem.of(told[k], path.name, said["sheet"], n=said[k]) for k in told if said[k]]
    return made, notes

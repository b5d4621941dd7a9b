"""Reading a data set: a folder with one CSV or Parquet file per table and a `dataset.yml`.

`read` gives it back as Ibis tables with every canonical column in its canonical type, or raises one
`DataError` that names every problem at once. Nothing is repaired, and no row is skipped, in silence.
"""

import codecs
import csv
import datetime as dt
import difflib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import ibis
from ibis.expr.types import Table

from learnalign.problems import DataError, Problem
from learnalign.tables import COLUMNS, REQUIRED_TABLES, TYPES, Meta, columns_of, read_meta, table_problems, typed

BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "UTF-8", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


@dataclass(frozen=True)
class DataSet:
    """A data set that keeps the contract: its tables in canonical types, and what is filled in them."""

    folder: Path
    meta: Meta
    tables: dict[str, Table]
    filled: frozenset[str]  # "table" and "table.column" wherever anything at all is recorded
    fingerprints: dict[str, str]  # SHA-256 of each table's file

    @property
    def as_of(self) -> dt.date:
        """The last day that counts."""
        return self.meta.as_of

    @property
    def fingerprint(self) -> str:
        """One SHA-256 over the fingerprints of all tables: the same for the same data only."""
        lines = [f"{name} {digest}" for name, digest in sorted(self.fingerprints.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read(folder: str | Path, as_of: dt.date | str | None = None) -> DataSet:
    """Read and check a data set; `as_of` may be earlier than the data's own and cuts there.

    Raises `DataError` with every problem of every table at once. It checks form, not truth: a
    rating given to the wrong person passes.

    >>> dataset = read("data/demo")
    >>> dataset.meta.title, "rewards.merit_pct" in dataset.filled
    ('Northbank (simulated)', True)
    """
    folder = Path(folder)
    meta, files, tables, problems = _open(folder)
    if as_of and dt.date.fromisoformat(str(as_of)) > meta.as_of:
        problems.append(Problem("run", "as_of", "is later than the data", str(as_of), f"up to {meta.as_of}"))
    if problems:
        raise DataError(problems, str(folder))
    if as_of:
        meta = meta.model_copy(update={"as_of": dt.date.fromisoformat(str(as_of))})
    fingerprints = {name: _fingerprint(path) for name, path in files.items()}
    return DataSet(folder, meta, tables, _filled(tables), fingerprints)


def check(folder: str | Path) -> tuple[Problem, ...]:
    """Every problem in a data set; empty when it keeps the contract."""
    try:
        return tuple(_open(Path(folder))[-1])
    except DataError as error:
        return error.problems


def _open(folder: Path) -> tuple[Meta, dict[str, Path], dict[str, Table], list[Problem]]:
    files, problems = _files(folder)
    try:
        meta = read_meta(folder / "dataset.yml")
    except DataError as error:
        raise DataError([*problems, *error.problems], str(folder)) from None
    engine = ibis.duckdb.connect(temp_directory=tempfile.gettempdir())
    found: dict[str, Table] = {}
    for name, path in files.items():
        raw, wrong = _raw(engine, path, name, meta)
        problems += wrong
        if raw is not None:
            found[name] = engine.create_table(name, typed(raw, name, meta))
    problems += [problem for name in found for problem in table_problems(found, name, meta)]
    nothing = {name: ibis.memtable([], schema=_types(name, meta)) for name in COLUMNS if name not in found}
    tables = {name: table.select(*_types(name, meta)) for name, table in (found | nothing).items()}
    return meta, files, tables, problems


def _types(table: str, meta: Meta) -> dict[str, Any]:
    return {column.name: TYPES[column.kind] for column in columns_of(table, meta)}


def _files(folder: Path) -> tuple[dict[str, Path], list[Problem]]:
    """The file of each table, and what is wrong with the folder as a whole."""
    if not folder.is_dir():
        raise DataError([Problem(str(folder), "", "there is no such folder")])
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (".csv", ".parquet"))
    if not names:
        wanted = f"one CSV or Parquet file per table ({', '.join(COLUMNS)}) and a dataset.yml"
        raise DataError([Problem(str(folder), "", "holds no tables", allowed=wanted)])
    files, problems = {}, []
    for table in COLUMNS:
        mine = [name for name in names if name.rpartition(".")[0] == table]
        if len(mine) > 1:
            problems.append(Problem(table, "", "has two files", ", ".join(mine), "one file", "remove one"))
        elif mine:
            files[table] = folder / mine[0]
        elif table in REQUIRED_TABLES:
            near = difflib.get_close_matches(f"{table}.csv", names, n=1)
            fix = f"did you mean {near[0]!r}? Rename it" if near else f"add {table}.csv or {table}.parquet"
            problems.append(Problem(table, "", "this required table is missing", ", ".join(names), "", fix))
    return files, problems


def _raw(engine: Any, path: Path, table: str, meta: Meta) -> tuple[Table | None, list[Problem]]:
    """A table as it stands in its file, with a row number that a person can look up."""
    if path.suffix == ".parquet":
        try:
            raw = engine.read_parquet(path)
        except duckdb.Error as error:
            return None, [Problem(table, "", f"{path.name} cannot be read as Parquet", str(error).split("\n")[0])]
        problems = _header_problems(raw.columns, table, meta)
        return (None if problems else raw.mutate(_row=ibis.row_number() + 1)), problems
    header, problems = _csv_header(path, table)
    problems = problems or _header_problems(header, table, meta)
    if problems:
        return None, problems
    return csv_rows(engine, path, table, header)


def _csv_header(path: Path, table: str) -> tuple[list[str], list[Problem]]:
    """The column names of a CSV file, after a look at its bytes: UTF-8, no mark, commas."""
    name = path.name
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        return [], [Problem(table, "", f"{name} is empty", allowed="a line with the column names, then the rows")]
    for mark, word in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return [], [Problem(table, "", f"{name} starts with a byte-order mark ({word})", "", "UTF-8 without a mark",
                                "save it as plain UTF-8, or bring it in with `learnalign import`")]  # fmt: skip
    if line := bad_utf8_line(path):
        return [], [Problem(table, "", f"{name} is not UTF-8", f"other bytes in line {line}, as in Latin-1 or Windows-1252",
                            "UTF-8", "save it as UTF-8, or bring it in with `learnalign import` and `encoding:`")]  # fmt: skip
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        sign = "semicolons" if ";" in header[0] else "tabs"
        return [], [Problem(table, "", f"{name} is separated by {sign}", header[0][:60], "commas",
                            "save it with commas, or bring it in with `learnalign import` and `delimiter:`")]  # fmt: skip
    return header, []



def bad_utf8_line(path: Path) -> int | None:
    """The first line of a file that is not UTF-8, or None."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None


def _header_problems(header: Sequence[str], table: str, meta: Meta) -> list[Problem]:
    """Columns that are missing, doubled, or so nearly a canonical name that they must be meant."""
    columns = columns_of(table, meta)
    strangers = [name for name in header if name not in {column.name for column in columns}]
    found = [Problem(table, name, "stands twice in the header", fix="keep one")
             for name in dict.fromkeys(header) if list(header).count(name) > 1]  # fmt: skip
    for column in columns:
        if column.name in header:
            continue
        near = difflib.get_close_matches(column.name, strangers, n=1, cutoff=0.8 if not column.required else 0.6)
        if column.required or column.name in meta.attributes:
            fix = f"did you mean {near[0]!r}? Rename it" if near else "add it"
            found.append(Problem(table, column.name, "this required column is missing", ", ".join(header), "", fix))
        elif near:
            fix = f"rename it to {column.name!r}, or further from it"
            found.append(Problem(table, near[0], "is not a column we know, but nearly one", "", column.name, fix))
    return found


def csv_rows(
    engine: Any, path: Path, name: str, header: Sequence[str], delimiter: str = ",", missing: Sequence[str] = ("",)
) -> tuple[Table | None, list[Problem]]:
    """The rows of a UTF-8 file as text; a line with too many or too few values is a problem, never skipped.

    `_row` is the row that a person sees in a spreadsheet: the header is row 1.
    """
    here = f"_rows_{len(engine.list_tables())}"
    engine.con.execute(
        f"CREATE TABLE {here} AS SELECT row_number() OVER () + 1 AS _row, * FROM read_csv(?, auto_detect=false, "
        "header=true, delim=?, quote='\"', escape='\"', nullstr=?, columns=?, store_rejects=true, "
        f"rejects_table='{here}_errors', rejects_scan='{here}_scans')",
        [str(path), delimiter, list(missing), dict.fromkeys(header, "VARCHAR")],
    )
    errors = engine.con.execute(f"SELECT line, error_message FROM {here}_errors ORDER BY line").fetchall()
    if errors:
        rows, n = tuple(line for line, _ in errors[:5]), len({line for line, _ in errors})
        return None, [Problem(name, "", "lines do not have one value per column", errors[0][1],
                              f"{len(header)} values", "quote values that hold a comma", rows, n)]  # fmt: skip
    return engine.table(here), []


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder to write a data set in that becomes `out` when all went well, and vanishes when not.

    An earlier data set in `out` is replaced whole; any other folder is refused.
    """
    out = out.resolve()
    if out.exists() and not (out / "dataset.yml").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise DataError([Problem(str(out), "", "is there already and is not a data set", fix="name another folder")])
    out.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield stage
        stage.chmod(0o755)
        if out.exists():
            out.rename(stage.with_name(f"{stage.name}-old"))
        stage.rename(out)
    finally:
        for rest in (stage, stage.with_name(f"{stage.name}-old")):
            shutil.rmtree(rest, ignore_errors=True)


def _filled(tables: Mapping[str, Table]) -> frozenset[str]:
    found = set()
    for name, table in tables.items():
        counts = table.aggregate(_rows=table.count(), **{c: table[c].count() for c in table.columns}).execute().iloc[0]
        found |= {name} if counts["_rows"] else set()
        found |= {f"{name}.{column}" for column in table.columns if counts[column]}
    return frozenset(found)


def _fingerprint(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

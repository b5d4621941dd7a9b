"""Reading a data set: a folder with one CSV or Parquet file per table and a `dataset.yml`.

`read` gives it back as Ibis tables with every canonical column in its canonical type, or raises one
`DataError` that names every problem at once. Nothing is repaired, and no row is skipped, in
silence.
"""

import codecs
import csv
import datetime as dt
import difflib
import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pandas as pd
from ibis.expr.types import Table

from learnalign.data.contract import (
    COLUMNS,
    KIND_WORDS,
    REQUIRED_TABLES,
    TYPES,
    Meta,
    columns_of,
    read_meta,
    table_problems,
    typed,
)
from learnalign.data.kept import marked
from learnalign.data.mistakes import DataError, Problem

SUFFIXES = (".csv", ".parquet")
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


@dataclass(frozen=True)
class DataSet:
    """A data set that keeps the contract: its tables in canonical types, and what is filled in
    them.
    """

    folder: Path
    meta: Meta
    tables: dict[str, Table] = field(repr=False)  # an interactive engine would show rows
    filled: frozenset[
        str
    ]  # "table" and "table.column" wherever anything is recorded; "merit_matrix", "attributes"
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
    try:
        day = dt.date.fromisoformat(str(as_of or meta.as_of))
    except ValueError:
        day = meta.as_of
        problems.append(Problem("run", "as_of", "is not a date", str(as_of), KIND_WORDS["date"][1]))
    if day > meta.as_of:
        problems.append(
            Problem("run", "as_of", "is later than the data", str(as_of), f"up to {meta.as_of}")
        )
    if problems:
        raise DataError(problems, str(folder))
    meta = meta.model_copy(update={"as_of": day})
    mark = marked(folder)
    fingerprints = (
        mark["fingerprints"] if mark else {name: _fingerprint(path) for name, path in files.items()}
    )
    current = {name: up_to(table, name, day) for name, table in tables.items()}
    return DataSet(folder, meta, tables, filled(current, meta), fingerprints)


def of_frames(frames: Mapping[str, pd.DataFrame], meta: Meta) -> DataSet:
    """A data set of canonical frames in memory, as `read` would give it from their files.

    For frames that are known to keep the contract: nothing is checked. It has no folder, so no
    notebook can run on it, and its fingerprints are of the frames.
    """
    engine, current, prints = _engine(), {}, {}
    for name in COLUMNS:
        types = _types(name, meta)
        table = _empty(engine, name, types)
        if name in frames:
            dates = {column: "datetime64[s]" for column, kind in types.items() if kind.is_date()}
            raw = ibis.memtable(frames[name].reindex(columns=[*types]).astype(dates))
            table = engine.create_table(name, raw.cast(types))
            prints[name] = hashlib.sha256(
                pd.util.hash_pandas_object(frames[name]).to_numpy().tobytes()
            ).hexdigest()
        current[name] = up_to(table, name, meta.as_of)
    return DataSet(Path("in memory"), meta, current, filled(current, meta), prints)


def up_to(table: Table, name: str, day: dt.date) -> Table:
    """The rows of the canonical table `name` that are dated up to `day`."""
    return table.filter(table[date_of(name)] <= day)


def date_of(name: str) -> str:
    """The column that dates a row of the canonical table `name`."""
    return next(column.name for column in COLUMNS[name] if column.kind == "date")


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
    engine, is_checked = _engine(), marked(folder) is not None
    found: dict[str, Table] = {}
    for name, path in files.items():
        try:
            rows = (
                engine.read_parquet(path)
                if is_checked
                else typed(_raw(engine, path, name, meta), name, meta)
            )
            found[name] = engine.create_table(name, rows)
        except DataError as error:
            problems += error.problems
        except (OSError, duckdb.Error) as error:
            problems.append(unreadable(name, path, error))
    problems += [
        problem for name in found if not is_checked for problem in table_problems(found, name, meta)
    ]
    types = {name: _types(name, meta) for name in COLUMNS}
    tables = {
        name: found[name].select(*kinds) if name in found else _empty(engine, name, kinds)
        for name, kinds in types.items()
    }
    return meta, files, tables, problems


def _engine() -> Any:
    """DuckDB with a spill folder of its own: what does not fit in memory is rows about people."""
    spill = tempfile.mkdtemp(prefix="learnalign-")
    engine = ibis.duckdb.connect(temp_directory=spill)
    weakref.finalize(engine, shutil.rmtree, spill, ignore_errors=True)
    return engine


def _empty(engine: Any, name: str, types: Mapping[str, Any]) -> Table:
    """A canonical table without rows; in the engine, so that it can be joined with those that have
    some.
    """
    return engine.create_table(f"no_{name}", schema=ibis.schema(types))


def _types(table: str, meta: Meta) -> dict[str, Any]:
    return {column.name: TYPES[column.kind] for column in columns_of(table, meta)}


def _files(folder: Path) -> tuple[dict[str, Path], list[Problem]]:
    """The file of each table, and what is wrong with the folder as a whole."""
    try:
        there = {
            path.name: path.stem
            for path in sorted(folder.iterdir())
            if path.suffix.lower() in SUFFIXES
        }
    except (OSError, ValueError) as error:
        text = (
            "there is no such folder"
            if isinstance(error, FileNotFoundError)
            else "is no folder that can be read"
        )
        raise DataError([Problem(str(folder), "", text)], str(folder)) from None
    if not there:
        wanted = f"one CSV or Parquet file per table ({', '.join(COLUMNS)}) and a dataset.yml"
        raise DataError([Problem(str(folder), "", "holds no tables", allowed=wanted)], str(folder))
    files, problems = {}, []
    strangers = {stem.lower(): name for name, stem in there.items() if stem not in COLUMNS}
    for table in COLUMNS:
        mine, needed = (
            [name for name, stem in there.items() if stem == table],
            table in REQUIRED_TABLES,
        )
        near = difflib.get_close_matches(table, strangers, n=1, cutoff=0.6 if needed else 0.85)
        if len(mine) > 1:
            problems.append(
                Problem(table, "", "has two files", ", ".join(mine), "one file", "remove one")
            )
        elif mine:
            files[table] = folder / mine[0]
        elif needed:
            fix = (
                f"did you mean {strangers[near[0]]!r}? Rename it"
                if near
                else f"add {table}.csv or {table}.parquet"
            )
            problems.append(
                Problem(table, "", "this required table is missing", ", ".join(there), "", fix)
            )
        elif near:
            fix = f"rename it to {table!r}, or further from it"
            problems.append(
                Problem(
                    strangers[near[0]], "", "is not a table we know, but nearly one", "", table, fix
                )
            )
    return files, problems


def _raw(engine: Any, path: Path, table: str, meta: Meta) -> Table:
    """A table as it stands in its file, with a row number that a person can look up."""
    if path.suffix.lower() == ".parquet":
        raw = engine.read_parquet(path, hive_partitioning=False)
        _check_header(raw.columns, table, meta)
        return raw.mutate(_row=ibis.row_number() + 1)
    _check_bytes(path, table)
    header = csv_header(path, table)
    _check_separator(header, path.name, table)
    _check_header(header, table, meta)
    return csv_rows(engine, path, table, header)


def unreadable(table: str, path: Path, error: Exception) -> Problem:
    """A file that cannot be opened, or is not what its name says."""
    kind = "Parquet" if path.suffix.lower() == ".parquet" else "CSV"
    text = getattr(error, "strerror", None) or str(error).split("\n")[0]
    return Problem(
        table,
        "",
        f"{path.name} cannot be read as {kind}",
        text,
        fix="save it again from its source",
    )


def _check_bytes(path: Path, table: str) -> None:
    """A look at the bytes of a CSV file: UTF-8 without a mark."""
    with path.open("rb") as file:
        start = file.read(4)
    allowed, fix = (
        "UTF-8 without a mark",
        "save it as plain UTF-8, or bring it in with `learnalign import`",
    )
    mark = next((word for mark, word in BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)
    if mark:
        text = f"{path.name} starts with a byte-order mark ({mark})"
        raise DataError([Problem(table, "", text, "", allowed, fix)])
    if b"\0" in start:
        raise DataError(
            [Problem(table, "", f"{path.name} is UTF-16, or no text", "", allowed, fix)]
        )
    if line := bad_utf8_line(path):
        text = f"other bytes in line {line}, as in Latin-1 or Windows-1252"
        raise DataError(
            [
                Problem(
                    table, "", f"{path.name} is not UTF-8", text, "UTF-8", f"{fix} and `encoding:`"
                )
            ]
        )


def bad_utf8_line(path: Path) -> int | None:
    """The first line of a file that is not UTF-8, or None."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None


def csv_header(path: Path, table: str, delimiter: str = ",") -> list[str]:
    """The column names in the first line of a UTF-8 file; a column without a name is called by its
    place.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        text = f"the first line of {path.name} cannot be read"
        raise DataError([Problem(table, "", text, str(error), fix="close every quote")]) from None
    if not any(name.strip() for name in header):
        allowed = "a line with the column names, then the rows"
        raise DataError(
            [Problem(table, "", f"{path.name} is empty, or its first line is", allowed=allowed)]
        )
    return [name or f"(column {number})" for number, name in enumerate(header, start=1)]


def _check_separator(header: Sequence[str], name: str, table: str) -> None:
    for sign, word in {";": "semicolons", "\t": "tabs", "|": "vertical bars"}.items():
        if len(header) == 1 and sign in header[0]:
            fix = "save it with commas, or bring it in with `learnalign import` and `delimiter:`"
            raise DataError(
                [
                    Problem(
                        table, "", f"{name} is separated by {word}", header[0][:60], "commas", fix
                    )
                ]
            )


def doubled(header: Sequence[str]) -> list[str]:
    """The names that stand twice; the engine holds `Skill` and `skill` to be the same."""
    names = [name.lower() for name in header]
    return list(
        {
            low: name for low, name in zip(names, header, strict=True) if names.count(low) > 1
        }.values()
    )


def _check_header(header: Sequence[str], table: str, meta: Meta) -> None:
    """Columns that are missing, doubled, or so nearly a canonical name that they must be meant."""
    columns = columns_of(table, meta)
    strangers = [name for name in header if name not in {column.name for column in columns}]
    there = ", ".join(header)[:200]
    found = [
        Problem(table, name, "stands twice in the header", fix="keep one")
        for name in doubled(header)
    ]
    for column in columns:
        if column.name in header:
            continue
        near = difflib.get_close_matches(
            column.name, strangers, n=1, cutoff=0.6 if column.required else 0.8
        )
        if column.required or column.name in meta.attributes:
            fix = f"did you mean {near[0]!r}? Rename it" if near else "add it"
            found.append(
                Problem(table, column.name, "this required column is missing", there, "", fix)
            )
        elif near:
            fix = f"rename it to {column.name!r}, or further from it"
            found.append(
                Problem(
                    table, near[0], "is not a column we know, but nearly one", "", column.name, fix
                )
            )
    if found:
        raise DataError(found)


def csv_rows(
    engine: Any,
    path: Path,
    name: str,
    header: Sequence[str],
    delimiter: str = ",",
    missing: Sequence[str] = ("",),
) -> Table:
    """The rows of a UTF-8 file as text; a line with too many or too few values is a problem, never
    skipped.

    `_row` is the row that a person sees in a spreadsheet: the header is row 1. Blank lines are not
    counted.
    """
    here = ibis.util.gen_name("rows")
    try:
        engine.con.execute(
            f"CREATE TABLE {here} AS SELECT row_number() OVER () + 1 AS _row, * FROM "
            "read_csv(?, auto_detect=false, "
            "header=true, delim=?, quote='\"', escape='\"', nullstr=?, columns=?, "
            "store_rejects=true, "
            f"rejects_table='{here}_errors', rejects_scan='{here}_scans')",
            [str(path), delimiter, list(missing), dict.fromkeys(header, "VARCHAR")],
        )
    except duckdb.Error as error:
        fix = "save it again, with one kind of line end and every quote closed"
        raise DataError([replace(unreadable(name, path, error), fix=fix)]) from None
    errors = engine.con.execute(
        f"SELECT line, error_message FROM {here}_errors ORDER BY line"
    ).fetchall()
    if errors:
        rows, n = tuple(line for line, _ in errors[:5]), len({line for line, _ in errors})
        fix = "quote values that hold a comma, and close every quote"
        text = "lines do not have one value per column"
        raise DataError(
            [Problem(name, "", text, errors[0][1], f"{len(header)} values", fix, rows, n)]
        )
    return engine.table(here)


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder to write a data set in that becomes `out` when all went well, and vanishes when not.

    An earlier data set in `out` is replaced whole; a folder with anything else in it is refused.
    """
    with ExitStack() as stack:
        try:
            _refuse_strangers(out.resolve())
            stage = stack.enter_context(replaced(out))
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            text = getattr(error, "strerror", None) or str(error)
            raise DataError(
                [Problem(str(out), "", "cannot be written", text, fix="name another folder")]
            ) from None
        yield stage


@contextmanager
def replaced(out: Path) -> Iterator[Path]:
    """A folder to write in that takes the place of `out` when all went well; when not, `out` is as
    it was.
    """
    out = out.resolve()
    for place in reversed([place for place in out.parents if not place.exists()]):
        place.mkdir(mode=0o755)  # whatever the umask: nobody else may swap what is in it
    stage = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    old = stage.with_name(f"{stage.name}-old")
    try:
        yield stage
        stage.chmod(0o755)
        if out.exists():
            out.rename(old)
        stage.rename(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    finally:
        for rest in (stage, old):
            shutil.rmtree(rest, ignore_errors=True)


def _refuse_strangers(out: Path) -> None:
    """Whoever names a folder with other files in it did not mean to lose them."""
    ours = {f"{table}{suffix}" for table in COLUMNS for suffix in SUFFIXES}
    ours |= {"dataset.yml", "rejected.csv", "TRUTH.md"}
    there = (
        {path.name for path in out.iterdir()}
        if out.is_dir()
        else {out.name}
        if out.exists()
        else set()
    )
    if strangers := there - ours if "dataset.yml" in there else there:
        text, fix = ", ".join(sorted(strangers))[:200], "name another folder"
        raise DataError(
            [Problem(str(out), "", "is there already and is not a data set", text, fix=fix)]
        )


def filled(tables: Mapping[str, Table], meta: Meta) -> frozenset[str]:
    """Every "table" and "table.column" in which anything is recorded; "merit_matrix" and
    "attributes".
    """
    found = {"merit_matrix"} if meta.merit_matrix else set()
    for name, table in tables.items():
        counts = (
            table.aggregate(_rows=table.count(), **{c: table[c].count() for c in table.columns})
            .execute()
            .iloc[0]
        )
        found |= {name} if counts["_rows"] else set()
        found |= {f"{name}.{column}" for column in table.columns if counts[column]}
    found |= {"attributes"} if any(f"people.{name}" in found for name in meta.attributes) else set()
    return frozenset(found)


def _fingerprint(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

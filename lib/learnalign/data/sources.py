"""Sources: the rows of other systems' exports, as they stand in their files or come of a query."""

import glob
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import ibis
from ibis.expr.types import Table

from learnalign.data import files, scratch, sql
from learnalign.data.mapping import Mapping, TableMap, read_mapping
from learnalign.data.mistakes import DataError, nearest

NOT_YET = (".xlsx", ".xls", ".ods", ".json", ".jsonl", ".zip", ".gz")


@dataclass(frozen=True)
class Job:
    """What one import works with: engine, mapping, the exports' folder, a place for copies."""

    engine: Any
    mapping: Mapping
    folder: Path
    scratch: Path
    exports: set[str] = field(default_factory=set)  # the names of those that are tables

    def run(self, table: str, place: str, query: str) -> Table:
        """The rows of a SELECT that was looked at, computed once."""
        here = ibis.util.gen_name("step")
        try:
            self.engine.con.execute(f"CREATE TABLE {here} AS SELECT * FROM (\n{query}\n)")
        except sql.HEAVY:
            raise sql.Costly(table, place) from None
        except duckdb.Error as error:
            lines = (line for line in str(error).splitlines() if line.strip())
            text = next(lines, type(error).__name__)
            raise DataError.of("not_computed", table, place, text) from None
        return self.engine.table(here)


@contextmanager
def opened(mapping_file: str | Path) -> Iterator[Job]:
    """The job of a mapping file; its copies vanish afterwards."""
    mapping = read_mapping(mapping_file)
    folder = (Path(mapping_file).resolve().parent / mapping.source).resolve()
    if not folder.is_dir() or folder.parts[1:2] in (("proc",), ("sys",), ("dev",)):
        raise DataError.of("no_exports", Path(mapping_file).name, "source", str(folder))
    place = scratch.made().resolve()
    try:
        with sql.engine(folder, place) as engine:
            yield Job(engine, mapping, folder, place)
    finally:
        scratch.cleared(place)


@contextmanager
def told(table: str) -> Iterator[None]:
    """A source that cannot be opened or read, as a problem of the table that it is for."""
    try:
        yield
    except sql.HEAVY:
        raise
    except (OSError, duckdb.Error) as error:
        text = str(error).split("\n")[0]
        raise DataError.of("source_unreadable", table, got=text) from None


def origin(job: Job, table: str) -> Table:
    """The source rows of a table, each with its file (`_file`) and line (`_line`)."""
    made = job.mapping.tables[table]  # type: ignore[index]
    if made.file is not None:
        paths = _matching(job.folder, made.file, table)
        parts = _alike([_read(job, path, made, table) for path in paths], paths, table)
        return ibis.union(*parts) if len(parts) > 1 else parts[0]
    for path in sorted(job.folder.iterdir()):
        is_table = path.suffix.lower() in (".csv", ".parquet") and path.stem[0] != "_"
        if is_table and path.stem not in job.engine.list_tables():
            job.engine.create_view(path.stem, _read(job, path, made, table))
            job.exports.add(path.stem)
    query = sql.look(job.engine, made.query or "", job.exports, (table, "query"))
    rows = job.run(table, "query", query)
    places = {"_file": ibis.literal("(query)"), "_line": ibis.row_number() + 1}
    return rows.mutate(**{name: at for name, at in places.items() if name not in rows.columns})


def plain(name: str) -> str:
    """A column's name without regard to case, spaces, accents and byte-order marks."""
    letters = unicodedata.normalize("NFKD", name.removeprefix("\ufeff")).casefold()
    return "".join(sign for sign in letters if sign.isalnum()) or name


def _matching(folder: Path, pattern: str, table: str) -> list[Path]:
    try:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
    except (ValueError, NotImplementedError, IndexError):
        raise DataError.of("no_pattern", table, "file", pattern) from None
    if not found:
        there = [path.name for path in folder.iterdir() if path.is_file()]
        raise DataError.of("no_match", table, "file", pattern, near=nearest(pattern, there))
    return found


def _alike(parts: list[Table], paths: list[Path], table: str) -> list[Table]:
    """The files of one pattern, whose columns must be the same, in the spelling of the first."""
    first, found = parts[0].columns, []
    spelling = {plain(name): name for name in first}
    for path, part in zip(paths, parts, strict=True):
        new = [name for name in part.columns if name not in first and plain(name) in spelling]
        found.append(part.rename({spelling[plain(name)]: name for name in new}))
        ours, theirs = dict(parts[0].schema().items()), dict(found[-1].schema().items())
        if ours != theirs:
            other = [n for n in {**ours, **theirs} if ours.get(n) != theirs.get(n)]
            got, file, one = f"a difference in {', '.join(other)}", path.name, paths[0].name
            raise DataError.of("other_columns", table, "file", got, file=file, first=one)
    return found


def _read(job: Job, path: Path, made: TableMap, table: str) -> Table:
    """One file as it stands, with `_file` and `_line`; text stays text, nothing is guessed."""
    suffix, name = path.suffix.lower(), path.name
    if not path.resolve().is_relative_to(job.folder):
        raise DataError.of("outside", table, "file", name)
    if suffix in NOT_YET:
        raise DataError.of("later_format", name, got=path.suffix)
    if suffix == ".parquet":
        files.parquet_width(path, name)
        rows = job.engine.read_parquet(glob.escape(str(path)), hive_partitioning=False)
        return rows.mutate(_line=ibis.row_number() + 1, _file=ibis.literal(name))
    delimiter = made.delimiter or job.mapping.delimiter
    text = files.as_utf8(path, made.encoding or job.mapping.encoding, job.scratch)
    header = files.csv_header(text, name, delimiter)
    if twice := files.doubled(header, name):
        raise DataError(twice)
    rows = files.csv_rows(job.engine, text, name, header, delimiter, job.mapping.missing)
    return rows.rename(_line="_row").mutate(_file=ibis.literal(name))

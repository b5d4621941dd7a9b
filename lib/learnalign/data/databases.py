"""Databases: one table of SQLite, DuckDB or PostgreSQL as a plain file, read and never written to.

A file of a database is opened as it lies. PostgreSQL is reached by a file `NAME.postgres` among the
exports: its one line names the environment variable that holds the address, as a password belongs
in no file. No SQL that stands in a database's file is run; what may be read there, the server says.
"""

import csv
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from learnalign.data import sql
from learnalign.data.mapping import VARIABLE
from learnalign.data.mistakes import DataError

ADDRESS = ("postgresql://", "postgres://")
SETTINGS = (
    "-c default_transaction_read_only=on -c statement_timeout=600000 -c client_encoding=UTF8 "
    "-c datestyle=ISO -c timezone=UTC"
)
MAY_READ = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname <> 'information_schema'
        AND n.nspname NOT LIKE 'pg\\_%' AND has_schema_privilege(n.oid, 'USAGE')
        AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY 1, 2"""
BATCH = 50_000  # rows
LOCKED = sql.LOCKED | {"enable_external_access": "false"}


@dataclass(frozen=True)
class Database:
    """The names of its tables, and what writes one of them to a file: the file that was made."""

    names: list[str]
    write: Callable[[str, Path], Path]


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    """The database of a file, while it is needed; a `DataError` where it cannot be read."""
    try:
        with OPENERS[path.suffix.lower()](path) as found:
            yield found
    except (sqlite3.Error, duckdb.Error, pa.ArrowException, UnicodeError) as error:
        if isinstance(error, duckdb.IOException) and "lock" in str(error):
            raise DataError.of("in_use", path.name) from None
        raise DataError.of("not_unpacked", path.name, got=str(error)[:200]) from None


def _refuse_log(path: Path, log: Path) -> None:
    if log.exists() and log.stat().st_size:
        raise DataError.of("still_written", path.name, got=log.name)


@contextmanager
def _sqlite(path: Path) -> Iterator[Database]:
    """Tables, never a view."""
    _refuse_log(path, path.with_name(f"{path.name}-wal"))
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
        "ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    )
    place = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(place, uri=True)) as there:
        there.execute("PRAGMA trusted_schema=OFF")

        def write(name: str, made: Path) -> Path:
            made = made.with_name(f"{made.name}.csv")
            rows = there.execute(f"SELECT * FROM {sql.named(name)}")
            with made.open("w", encoding="utf-8", newline="") as out:
                lines = csv.writer(out, lineterminator="\n")
                lines.writerow(column[0] for column in rows.description)
                for row in rows:
                    lines.writerow([one.hex() if isinstance(one, bytes) else one for one in row])
            return made

        yield Database([name for (name,) in there.execute(query)], write)


@contextmanager
def _duckdb(path: Path) -> Iterator[Database]:
    """Tables, never a view; of a schema that is not the usual one as `schema.table`."""
    _refuse_log(path, path.with_name(f"{path.name}.wal"))
    query = (
        "SELECT schema_name, table_name, database_name FROM duckdb_tables() WHERE NOT internal "
        "ORDER BY ALL"
    )
    with duckdb.connect(str(path), read_only=True, config=LOCKED) as there:
        found = {_name(*one[:2], "main"): one for one in there.execute(query).fetchall()}

        def write(name: str, made: Path) -> Path:
            schema, table, whole = map(sql.named, found[name])
            of = f"{whole}.{schema}.{table}"
            kinds = there.execute(f"DESCRIBE {of}").fetchall()
            own = ", ".join(_as_it_fits(*one[:2]) for one in kinds)
            rows = there.execute(f"SELECT {own} FROM {of}").to_arrow_reader(BATCH)
            return _as_parquet(rows, made, path.name)

        yield Database([*found], write)


def _as_it_fits(column: str, kind: str) -> str:
    """A column, as text where Parquet has no such type."""
    name = sql.named(column)
    return f"{name}::VARCHAR AS {name}" if kind.startswith(("INTERVAL", "TIME")) else name


@contextmanager
def _postgres(path: Path) -> Iterator[Database]:
    """Tables and views that the server lets this user read, in a session that cannot write."""
    address = _address(path)
    try:
        import psycopg
    except ImportError:
        raise DataError.of("extra_missing", path.name, got="psycopg", extra="postgres") from None
    try:
        there = psycopg.connect(address, options=SETTINGS, connect_timeout=20)
    except psycopg.Error as error:
        raise DataError.of("no_database", path.name, got=_kind(error)) from None
    try:
        found = {_name(*one, "public"): one for one in there.execute(MAY_READ).fetchall()}

        def write(name: str, made: Path) -> Path:
            return _copied(there, found[name], made, path.name)

        yield Database([*found], write)
    except psycopg.Error as error:
        raise DataError.of("not_served", path.name, got=_kind(error)) from None
    finally:
        there.close()


def _copied(there: Any, place: tuple[str, str], made: Path, name: str) -> Path:
    """The rows as text, whatever their types: what no other format holds is a word there."""
    of = ".".join(map(sql.named, place))
    columns = [one.name for one in there.execute(f"SELECT * FROM {of} LIMIT 0").description]
    if not columns:
        raise DataError.of("nothing_inside", name, "sheet", place[1])
    own = ", ".join(f"{sql.named(one)}::text AS {sql.named(one)}" for one in columns)
    query = f"COPY (SELECT {own} FROM {of}) TO STDOUT (FORMAT csv, HEADER)"
    made, room = made.with_name(f"{made.name}.csv"), _room(made)
    with made.open("wb") as out, there.cursor().copy(query) as rows:
        for part in rows:
            room -= out.write(part)
            if room < 0:
                raise DataError.of("no_disk", name)
    return made


def _address(path: Path) -> str:
    """The address that the file's variable holds; nothing of it is ever told."""
    name = path.read_bytes()[:200].decode("utf-8", "replace").strip()
    if not re.fullmatch(VARIABLE, name):
        raise DataError.of("no_variable", path.name)
    address = os.environ.get(name, "")
    if not address.startswith(ADDRESS):
        raise DataError.of("no_address", path.name, got=name)
    return address


def _kind(error: Exception) -> str:
    """What went wrong, without what a message of the server may cite."""
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}{f' ({state})' if state else ''}"


def _name(schema: str, table: str, usual: str) -> str:
    """A table's name, with its schema unless that is the usual one; each stands for one table."""
    parts = [table] if schema == usual else [schema, table]
    return ".".join(sql.named(part) if "." in part else part for part in parts)


def _as_parquet(rows: pa.RecordBatchReader, made: Path, name: str) -> Path:
    """The rows as they come, in their types, as many as half the room on disk holds."""
    made, room = made.with_name(f"{made.name}.parquet"), _room(made)
    with pq.ParquetWriter(made, rows.schema) as out:
        for batch in rows:
            out.write_batch(batch)
            if made.stat().st_size > room:
                raise DataError.of("no_disk", name)
    return made


def _room(made: Path) -> int:
    return shutil.disk_usage(made.parent).free // 2


OPENERS = {
    **dict.fromkeys((".sqlite", ".sqlite3", ".db"), _sqlite),
    **dict.fromkeys((".duckdb", ".ddb"), _duckdb),
    ".postgres": _postgres,
}

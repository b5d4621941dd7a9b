"""Reading a data set: a folder with one CSV or Parquet file per table and a `dataset.yml`.

`read` gives it back as Ibis tables with every canonical column in its canonical type, or raises one
`DataError` that names every problem at once. Nothing is repaired, and no row is skipped, in
silence.
"""

import datetime as dt
import glob
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pandas as pd
from ibis.expr.types import Table

from learnalign.data import files
from learnalign.data.broken import table_problems
from learnalign.data.contract import (
    COLUMNS,
    DATE_OF,
    DONE,
    MODE_OF_TYPE,
    PLANNED,
    TYPES,
    Meta,
    checked,
    columns_of,
    is_typed,
    read_meta,
    typed,
)
from learnalign.data.engine import UNLIMITED, Limits, bounded, connected
from learnalign.data.folders import table_files
from learnalign.data.kept import marked
from learnalign.data.mistakes import DataError, Problem, nearest

Stamp = tuple[int, int, int]  # what changes when a file does
LATER = {"reviews": ("settled_on",)}
"""Columns that the contract did not always have: empty, they leave the state of data published
before as it was, so that no figure is drawn twice.
"""


@dataclass(frozen=True)
class DataSet:
    """A data set that keeps the contract, as it stands at the end of a day."""

    folder: Path
    meta: Meta
    recorded: dict[str, Table] = field(repr=False)  # an interactive engine would show rows
    present: tuple[str, ...]  # the tables that there are
    known: Mapping[str, str] | None = None  # fingerprints, where they were taken before
    scanned: Mapping[Path, Stamp] = field(default_factory=dict, repr=False)  # files in their place

    @property
    def as_of(self) -> dt.date:
        """The last day that counts."""
        return self.meta.as_of

    @cached_property
    def fingerprints(self) -> Mapping[str, str]:
        """A digest of what each table holds up to `as_of`: the same whatever the order of its rows,
        the format of its file, or columns that are not the contract's.
        """
        there = (name for name in self.present if name != PLANNED or name in self.filled)
        return self.known or {name: _digest(self._held(name)) for name in there}

    def _held(self, name: str) -> Table:
        """A table without columns of a later contract that hold nothing."""
        empty = [one for one in LATER.get(name, ()) if f"{name}.{one}" not in self.filled]
        return self.tables[name].drop(*empty) if empty else self.tables[name]

    @property
    def fingerprint(self) -> str:
        """One SHA-256 over the fingerprints of all tables: the same for the same data only."""
        lines = [f"{name} {digest}" for name, digest in sorted(self.fingerprints.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def tables(self) -> dict[str, Table]:
        """What counts: every canonical table up to `as_of`, with what may be left out filled in.

        `recorded` holds what the files say, later rows too: for who must account for them. A
        `DataError` where a file changed that is read in its place.
        """
        self.assert_unchanged()
        return self._counting

    @cached_property
    def _counting(self) -> dict[str, Table]:
        return {name: self._up_to(name, table) for name, table in self.with_later.items()}

    @cached_property
    def with_later(self) -> dict[str, Table]:
        """`tables` with the rows after `as_of`: for who counts and accounts in one pass."""
        return {name: _as_of(self, name, table) for name, table in self.recorded.items()}

    def assert_unchanged(self) -> None:
        """A `DataError` where a file that is read in its place is not the one that was checked."""
        changed = [path for path, stamp in self.scanned.items() if _stamp(path) != stamp]
        if changed:
            wrong = [Problem.of("changed", path.stem, file=path.name) for path in changed]
            raise DataError(wrong, str(self.folder))

    @cached_property
    def filled(self) -> frozenset[str]:
        """Every "table" and "table.column" in which anything is recorded up to `as_of`.

        And "merit_matrix" and "attributes", where there are any.
        """
        found = {"merit_matrix"} if self.meta.merit_matrix else set()
        for name, table in self._cut.items():
            counts = {column: table[column].count() for column in table.columns}
            counted = table.aggregate(**counts, _rows=table.count()).to_pyarrow().to_pylist()[0]
            found |= {name} if counted.pop("_rows") else set()
            found |= {f"{name}.{column}" for column, count in counted.items() if count}
        attributes = {f"people.{name}" for name in self.meta.attributes}
        return frozenset(found | ({"attributes"} if attributes & found else set()))

    @cached_property
    def _cut(self) -> dict[str, Table]:
        return {name: self._up_to(name, table) for name, table in self.recorded.items()}

    def _up_to(self, name: str, table: Table) -> Table:
        """Rows up to `as_of`. An order of invitations counts whole once it has begun, as those who
        wait are the comparison; until then it is as none, so that no figure is drawn twice for it.
        """
        day = table[DATE_OF[name]]
        if name == PLANNED:
            day = day.min().over(ibis.window(group_by="about"))
        return table.filter(day <= self.as_of)


def _as_of(dataset: DataSet, name: str, table: Table) -> Table:
    """A table without the days that had not come yet, and with what holds where nothing is said.

    A single assessment without a trigger may be any; where none has one, all were scheduled.
    """
    dates = [
        column.name
        for column in COLUMNS[name]
        if column.kind == "date" and column.name != DATE_OF[name] and not column.may_be_later
    ]
    is_known = {date: table[date] <= dataset.as_of for date in dates}
    said = {date: ibis.ifelse(is_known[date], table[date], ibis.null("date")) for date in dates}
    if name == "reviews":
        said["rating"] = dataset.meta.upright(table.rating)
    if name == "learning":
        usual = table.activity_type.cases(*MODE_OF_TYPE.items())
        said["mode"] = table.mode.fill_null(usual)
        said["status"] = table.status.fill_null(DONE)
        said["is_required"] = table.is_required.fill_null(False)
    if name == "assessments" and "assessments.trigger" not in dataset.filled:
        said["trigger"] = ibis.literal("scheduled")
    return table.mutate(**said)


def read(
    folder: str | Path,
    as_of: dt.date | str | None = None,
    limits: Limits = UNLIMITED,
    known: Mapping[str, str] | None = None,
) -> DataSet:
    """Read and check a data set; `as_of` may be earlier than the data's own and cuts there.

    `known` are the fingerprints of these very files up to that day, where they were checked before:
    they are not checked again. Raises `DataError` with every problem of every table at once, or
    with the one of `limits` that leaves no room to read in. It checks form, not truth: a rating
    given to the wrong person passes.

    >>> import learnalign as la
    >>> dataset = la.read("data/demo")
    >>> dataset.meta.title, "rewards.merit_pct" in dataset.filled
    ('Northbank (simulated)', True)
    """
    folder = Path(folder)
    with bounded(limits):
        meta, paths, tables, scanned, problems = _open(folder, limits, is_known=bool(known))
    day, late = _last_day(as_of, meta)
    if problems := [*problems, *late]:
        raise DataError(problems, str(folder))
    mark = marked(folder)
    prints = mark["fingerprints"] if mark and mark["as_of"] == str(day) else known
    meta = meta.model_copy(update={"as_of": day})
    return DataSet(folder, meta, tables, (*paths,), prints, scanned)


def _digest(table: Table) -> str:
    """SHA-256 of how many rows there are and the sum of their hashes, each of a row as text."""
    names = sorted(table.columns)  # of an attribute: anything, also what is no name in SQL
    plain = table.select(**{f"c{place}": table[name] for place, name in enumerate(names)})
    cells = ", ".join(f"coalesce('x' || cast({name} as text), '')" for name in plain.columns)
    row = f"md5_number_lower(concat_ws(chr(31), {cells}))"
    query = f"select count(*), coalesce(sum(cast({row} as hugeint)), 0)::text from hashed"
    found = plain.alias("hashed").sql(query, dialect="duckdb").to_pyarrow().to_pylist()[0]
    return hashlib.sha256(repr([*names, *found.values()]).encode()).hexdigest()


def check(folder: str | Path) -> tuple[Problem, ...]:
    """Every problem in a data set; empty when it keeps the contract.

    A problem says where it is, what was got, what is allowed and how to mend it, with the rows of
    the file. Form only, as in `read`.

    >>> import learnalign as la
    >>> la.check("data/demo")
    ()
    >>> print(la.check("data")[0])
    data: holds no tables
        Allowed: one CSV or Parquet file per table (people, ...) and a dataset.yml
    """
    try:
        with bounded(UNLIMITED):
            return tuple(_open(Path(folder))[-1])
    except DataError as error:
        return error.problems


def of_frames(frames: Mapping[str, pd.DataFrame], meta: Meta) -> DataSet:
    """A data set of canonical frames in memory, as `read` would give it from their files.

    For frames that are known to keep the contract: nothing is checked. It has no folder, so no
    notebook can run on it.
    """
    engine, recorded = connected(UNLIMITED), {}
    for name in COLUMNS:
        types = _types(name, meta)
        table = _empty(engine, name, types)
        if name in frames:
            dates = {column: "datetime64[s]" for column, kind in types.items() if kind.is_date()}
            raw = ibis.memtable(frames[name].reindex(columns=[*types]).astype(dates))
            table = engine.create_table(name, raw.cast(types))
        recorded[name] = table
    return DataSet(
        Path("in memory"), meta, recorded, tuple(name for name in COLUMNS if name in frames)
    )


def _last_day(as_of: dt.date | str | None, meta: Meta) -> tuple[dt.date, list[Problem]]:
    """The last day that counts, or why it cannot be the one asked for."""
    asked = str(as_of or meta.as_of)
    try:
        day = dt.date.fromisoformat(asked)
    except ValueError:
        return meta.as_of, [Problem.of("no_day", "run", "as_of", asked)]
    if day <= meta.as_of:
        return day, []
    return day, [Problem.of("later_than_data", "run", "as_of", asked, day=meta.as_of)]


def _open(
    folder: Path, limits: Limits = UNLIMITED, *, is_known: bool = False
) -> tuple[Meta, dict[str, Path], dict[str, Table], dict[Path, Stamp], list[Problem]]:
    paths, problems = table_files(folder)
    try:
        meta = read_meta(folder / "dataset.yml")
    except DataError as error:
        raise DataError([*problems, *error.problems], str(folder)) from None
    engine, is_prepared = connected(limits), marked(folder) is not None
    found: dict[str, Table] = {}
    in_place: dict[str, Table] = {}
    scanned: dict[Path, Stamp] = {}
    for name, path in paths.items():
        with _told(name, path, problems):
            stamp = _stamp(path)
            raw = _rows(engine, path, name, meta)
            rows = raw if is_prepared else typed(raw, name, meta)
            if path.suffix.lower() == ".parquet" and is_typed(raw, name, meta):
                found[name], in_place[name], scanned[path] = rows, raw, stamp
            else:
                found[name] = engine.create_table(name, rows)
    for name in () if is_prepared or is_known else (*found,):
        with _told(name, paths[name], problems):
            problems += table_problems(found, name, meta)
    found |= {name: checked(rows, name, meta) for name, rows in in_place.items()}
    types = {name: _types(name, meta) for name in COLUMNS}
    tables = {name: _empty(engine, name, types[name]) for name in COLUMNS if name not in found}
    tables |= {name: rows.select(*types[name]) for name, rows in found.items()}
    return meta, paths, {name: tables[name] for name in COLUMNS}, scanned, problems


@contextmanager
def _told(name: str, path: Path, problems: list[Problem]) -> Iterator[None]:
    """A table that cannot be read is a problem beside the others."""
    try:
        yield
    except DataError as error:
        problems += error.problems
    except duckdb.OutOfMemoryException:
        raise
    except (OSError, duckdb.Error) as error:
        problems.append(files.unreadable(name, path, error))


def _stamp(path: Path) -> Stamp:
    try:
        now = path.stat()
    except OSError:
        return (0, 0, 0)
    return (now.st_ino, now.st_size, now.st_mtime_ns)


def _empty(engine: Any, name: str, types: Mapping[str, Any]) -> Table:
    """A canonical table without rows; in the engine, so that it joins with those that have some."""
    return engine.create_table(f"no_{name}", schema=ibis.schema(types))


def _types(table: str, meta: Meta) -> dict[str, Any]:
    return {column.name: TYPES[column.kind] for column in columns_of(table, meta)}


def _rows(engine: Any, path: Path, table: str, meta: Meta) -> Table:
    """The rows of a file as they are, with a row number (`_row`) that a person can look up."""
    if path.suffix.lower() == ".parquet":
        files.parquet_width(path, table)
        place, there = glob.escape(str(path)), {"hive_partitioning": False}
        raw = engine.read_parquet(place, **there)
        _check_header(raw.columns, table, meta)
        if "file_row_number" in map(str.lower, raw.columns):
            return raw.mutate(_row=ibis.row_number() + 1)
        raw = engine.read_parquet(place, file_row_number=True, **there)
        return raw.mutate(_row=raw.file_row_number + 1)
    files.check_utf8(path, table)
    header = files.csv_header(path, table)
    files.check_separator(header, path.name, table)
    _check_header(header, table, meta)
    return files.csv_rows(engine, path, table, header)


def _check_header(header: Sequence[str], table: str, meta: Meta) -> None:
    """Columns that are missing, doubled, or so nearly a canonical name that they must be meant."""
    columns, found = columns_of(table, meta), files.doubled(header, table)
    strangers = [name for name in header if name not in {column.name for column in columns}]
    for column in (column for column in columns if column.name not in header):
        name, cutoff = column.name, 0.6 if column.required else 0.8
        near = nearest(name, strangers, cutoff)
        if column.required or name in meta.attributes:
            there = ", ".join(header)[:200]
            found.append(Problem.of("column_missing", table, name, there, near=near))
        elif near:
            found.append(Problem.of("nearly_a_column", table, near, name=name))
    if found:
        raise DataError(found)

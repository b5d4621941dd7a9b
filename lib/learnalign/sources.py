"""Sources: other systems' exports to canonical tables, by a mapping that a person can read.

A mapping names, for each canonical table, the file or query it comes from and, for each column, where
its value comes from. Every row that does not become a canonical row is written to `rejected.csv` with
its file, line and reason. The data set appears whole or not at all.
"""

import codecs
import csv
import difflib
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import ibis
import pandas as pd
import pydantic
import sqlglot
import yaml
from ibis.expr.types import StringValue, Table

from learnalign import datasets
from learnalign.problems import DataError, Problem, problems_of, project_root, read_yaml
from learnalign.tables import COLUMNS, KEYS, Column, Meta, Rule, Strict, annotate, columns_of, rules

TableName = Literal[
    "people", "reviews", "rewards", "learning", "assessments", "acknowledgements", "ties", "surveys"
]  # fmt: skip
Scalar = str | int | float | bool


class ColumnMap(Strict):
    """Where one canonical column comes from: a source column, a constant, or an SQL expression."""

    column: str | None = None
    date: str | None = None
    values: dict[Scalar, Scalar] | None = None
    constant: Scalar | None = None
    sql: str | None = None

    @pydantic.model_validator(mode="after")
    def one_origin(self) -> "ColumnMap":
        if sum(value is not None for value in (self.column, self.constant, self.sql)) != 1:
            raise ValueError("name exactly one of column, constant and sql")
        if self.column is None and (self.date or self.values):
            raise ValueError("date and values go with column")
        return self


class SetAside(Strict):
    """Rows left out on purpose, and why: they go to `rejected.csv` with that reason."""

    sql: str
    because: str


class TableMap(Strict):
    """One canonical table: the file pattern or query it comes from, and its columns."""

    file: str | None = None
    query: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    set_aside: tuple[SetAside, ...] = ()
    columns: dict[str, ColumnMap]

    @pydantic.field_validator("columns", mode="before")
    @classmethod
    def bare_names(cls, columns: Any) -> Any:
        if not isinstance(columns, dict):
            return columns
        return {name: {"column": v} if isinstance(v, str) else v for name, v in columns.items()}

    @pydantic.model_validator(mode="after")
    def one_origin(self) -> "TableMap":
        if (self.file is None) == (self.query is None):
            raise ValueError("name exactly one of file and query")
        return self


class Mapping(Strict):
    """A mapping file: the folder of the exports, the data set's facts, and a map per table."""

    source: str
    encoding: str = "utf-8"
    delimiter: str = ","
    missing: tuple[str, ...] = ("",)
    dataset: Meta
    tables: dict[TableName, TableMap]


@dataclass(frozen=True)
class Imported:
    """What an import did: the folder, and rows read, kept and rejected for each table."""

    folder: Path
    summary: pd.DataFrame


def read_mapping(file: str | Path) -> Mapping:
    """A mapping file, or a `DataError` with everything that is wrong in it."""
    file = Path(file)
    try:
        mapping = Mapping.model_validate(read_yaml(file))
    except pydantic.ValidationError as error:
        keys = {key for model in (Mapping, TableMap, ColumnMap, Meta) for key in model.model_fields}
        raise DataError(problems_of(error, file.name, sorted(keys))) from None
    problems = []
    for table, made in mapping.tables.items():
        known = [column.name for column in columns_of(table, mapping.dataset)]
        for name in [name for name in made.columns if name not in known]:
            near = difflib.get_close_matches(name, known, n=1)
            fix = f"did you mean {near[0]!r}?" if near else "remove it, or name it in dataset.attributes"
            problems.append(Problem(file.name, f"{table}.{name}", "is no canonical column", name, ", ".join(known), fix))
        for column in columns_of(table, mapping.dataset):
            if column.required and column.name not in made.columns:
                problems.append(Problem(file.name, f"{table}.{column.name}", "this required column is not mapped"))
    if problems:
        raise DataError(problems, file.name)
    return mapping


def bring_in(mapping_file: str | Path, out: str | Path) -> Imported:
    """Import by a mapping: canonical Parquet tables, `dataset.yml` and `rejected.csv` in `out`.

    Rows that break the contract are rejected with their reason; of rows with the same key the first good
    one is kept. Raises `DataError`, leaving `out` as it was, when the mapping or a source file is at fault.
    """
    out = Path(out)
    with _job(mapping_file) as job, datasets.staged(out) as stage:
        mapped, problems = {}, []
        for name in (name for name in COLUMNS if name in job.mapping.tables):
            try:
                mapped[name] = _mapped(job, name)
            except DataError as error:
                problems += error.problems
        if problems:
            raise DataError(problems, Path(mapping_file).name)
        kept: dict[str, Table] = {}
        rejected, counts = [], []
        for name, rows in mapped.items():
            kept[name], refused = _sort_out(rows, kept, name, job.mapping)
            columns = [column for column in job.mapping.tables[name].columns]  # type: ignore[index]
            kept[name].order_by("_row").select(*columns).to_parquet(stage / f"{name}.parquet")
            rejected.append(refused)
            counts.append((name, int(rows.count().execute()), int(kept[name].count().execute()), len(refused)))
        pd.concat(rejected).to_csv(stage / "rejected.csv", index=False, lineterminator="\n")
        facts = yaml.safe_dump(job.mapping.dataset.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        (stage / "dataset.yml").write_text(facts, encoding="utf-8")
        if wrong := datasets.check(stage):
            raise DataError(wrong, "the imported tables")
    return Imported(out, pd.DataFrame(counts, columns=["table", "read", "kept", "rejected"]))


def source_rows(mapping_file: str | Path, table: str) -> pd.DataFrame:
    """The rows that the mapping finds for `table`, before any column is mapped: to see what a query does."""
    with _job(mapping_file) as job:
        return _origin(job, table).execute()


# --- from files to rows ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    """What one import works with: the engine, the mapping, the exports' folder, a place for copies."""

    engine: Any
    mapping: Mapping
    folder: Path
    scratch: Path


@contextmanager
def _job(mapping_file: str | Path) -> Iterator[_Job]:
    mapping = read_mapping(mapping_file)
    folder = project_root(Path(mapping_file)) / mapping.source
    if not folder.is_dir():
        fix = "correct `source`; it starts from the project's folder"
        raise DataError([Problem(Path(mapping_file).name, "source", "there is no such folder", str(folder), fix=fix)])
    with tempfile.TemporaryDirectory(prefix="learnalign-") as scratch:
        yield _Job(ibis.duckdb.connect(temp_directory=scratch), mapping, folder, Path(scratch))


def _origin(job: _Job, table: str) -> Table:
    """The source rows of a table, each with its file (`_file`) and line (`_line`)."""
    made = job.mapping.tables[table]  # type: ignore[index]
    if made.file is not None:
        files = sorted(job.folder.glob(made.file))
        if not files:
            near = difflib.get_close_matches(made.file, [path.name for path in job.folder.iterdir()], n=1)
            fix = f"did you mean {near[0]!r}?" if near else "correct the pattern"
            raise DataError([Problem(table, "file", "no file matches", made.file, fix=fix)])
        parts = [_read(job, path, made) for path in files]
        return ibis.union(*parts) if len(parts) > 1 else parts[0]
    for path in sorted(job.folder.iterdir()):
        if path.suffix.lower() in (".csv", ".parquet") and path.stem not in job.engine.list_tables():
            job.engine.create_view(path.stem, _read(job, path, made))
    rows = _run(job, table, "query", made.query or "")
    extra = {} if "_file" in rows.columns else {"_file": ibis.literal("(query)")}
    return rows.mutate(**extra, **({} if "_line" in rows.columns else {"_line": ibis.row_number() + 1}))


def _run(job: _Job, table: str, place: str, sql: str) -> Table:
    try:
        return job.engine.sql(sql).cache()
    except (duckdb.Error, ibis.common.exceptions.IbisError, sqlglot.errors.SqlglotError) as error:
        text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise DataError([Problem(table, place, "cannot be computed", text, fix="correct the SQL")]) from None


def _read(job: _Job, path: Path, made: TableMap) -> Table:
    """One file as it stands, with `_file` and `_line`; text stays text, nothing is guessed."""
    if path.suffix.lower() == ".parquet":
        rows = job.engine.read_parquet(path).mutate(_line=ibis.row_number() + 1)
        return rows.mutate(_file=ibis.literal(path.name))
    delimiter = made.delimiter or job.mapping.delimiter
    text = _as_utf8(path, made.encoding or job.mapping.encoding, job.scratch)
    with text.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file, delimiter=delimiter), [])
    twice = sorted({name for name in header if header.count(name) > 1})
    if not header or twice:
        problem = f"has a column twice: {', '.join(twice)}" if twice else "is empty"
        raise DataError([Problem(path.name, "", problem, allowed="a line with column names, each once, then the rows")])
    rows, problems = datasets.csv_rows(job.engine, text, path.name, header, delimiter, job.mapping.missing)
    if rows is None:
        raise DataError(problems)
    return rows.rename(_line="_row").mutate(_file=ibis.literal(path.name))


def _as_utf8(path: Path, encoding: str, scratch: Path) -> Path:
    """The file itself, or a UTF-8 copy without a byte-order mark where it is written otherwise."""
    try:
        plain = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    except LookupError:
        raise DataError([Problem(path.name, "encoding", "is not an encoding we know", encoding)]) from None
    if plain and (line := datasets.bad_utf8_line(path)):
        fix = "name it in the mapping, such as `encoding: latin-1` or `encoding: windows-1252`"
        raise DataError([Problem(path.name, "", "is not UTF-8", f"other bytes in line {line}", "UTF-8", fix)])
    with path.open("rb") as file:
        marked = file.read(3) == codecs.BOM_UTF8
    if plain and not marked:
        return path
    copy = scratch / f"{len(list(scratch.iterdir()))}-{path.name}"
    try:
        with path.open(encoding="utf-8-sig" if plain else encoding, newline="") as old:
            with copy.open("w", encoding="utf-8", newline="") as new:
                shutil.copyfileobj(old, new)
    except UnicodeError as error:
        raise DataError([Problem(path.name, "encoding", f"the file is not {encoding}", str(error))]) from None
    return copy


# --- from rows to canonical rows ----------------------------------------------------------------


def _mapped(job: _Job, table: str) -> Table:
    """Every source row with its canonical columns in canonical types, and what stood there (`_raw_…`)."""
    origin, made = _origin(job, table).cache(), job.mapping.tables[table]  # type: ignore[index]
    job.engine.create_view(f"_from_{table}", origin)
    parts, problems = ['"_file", "_line"'], []
    for column in columns_of(table, job.mapping.dataset):
        try:
            raw, value = _expressions(made.columns.get(column.name), column, origin.columns, table)
        except DataError as error:
            problems += error.problems
            continue
        parts.append(f'CAST({raw} AS VARCHAR) AS "_raw_{column.name}", {value} AS "{column.name}"')
    if problems:
        raise DataError(problems)
    because = [f"CASE WHEN {item.sql} THEN {_quoted(item.because)} END" for item in made.set_aside]
    parts.append(f"coalesce({', '.join([*because, 'CAST(NULL AS VARCHAR)'])}) AS _because, row_number() OVER () AS _row")
    return _run(job, table, "columns", f'SELECT {", ".join(parts)} FROM "_from_{table}"')


def _expressions(origin: ColumnMap | None, column: Column, header: Sequence[str], table: str) -> tuple[str, str]:
    """Two SQL expressions: what stands in the source, and its value in the canonical type."""
    kind = SQL_TYPES[column.kind]
    if origin is None:
        return "NULL", f"CAST(NULL AS {kind})"
    if origin.sql is not None:
        return f"({origin.sql})", f"TRY_CAST(({origin.sql}) AS {kind})"
    if origin.constant is not None:
        return _quoted(origin.constant), f"TRY_CAST({_quoted(origin.constant)} AS {kind})"
    raw = _source_column(str(origin.column), header, table, column.name)
    if origin.date is not None:
        return raw, f"CAST(try_strptime(CAST({raw} AS VARCHAR), {_quoted(origin.date)}) AS DATE)"
    if origin.values is not None:
        cases = " ".join(f"WHEN {_quoted(theirs)} THEN {_quoted(ours)}" for theirs, ours in origin.values.items())
        return raw, f"TRY_CAST(CASE CAST({raw} AS VARCHAR) {cases} END AS {kind})"
    return raw, f"TRY_CAST({raw} AS {kind})"


SQL_TYPES = {"text": "VARCHAR", "number": "DOUBLE", "whole": "BIGINT", "date": "DATE", "flag": "BOOLEAN"}


def _quoted(value: Scalar) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "'" + text.replace("'", "''") + "'"


def _source_column(name: str, header: Sequence[str], table: str, column: str) -> str:
    """The source's own spelling of a column, found without regard to case, spaces and accents."""
    plain = {_plain(there): there for there in header}
    if _plain(name) not in plain:
        near = difflib.get_close_matches(_plain(name), plain, n=1)
        fix = f"did you mean {plain[near[0]]!r}?" if near else "correct the name"
        there = ", ".join(there for there in header if not there.startswith("_"))
        raise DataError([Problem(table, column, f"the source has no column {name!r}", there[:200], fix=fix)])
    return '"' + plain[_plain(name)].replace('"', '""') + '"'


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.removeprefix("\ufeff")).casefold()
    return "".join(sign for sign in letters if sign.isalnum())


def _sort_out(rows: Table, kept: dict[str, Table], table: str, mapping: Mapping) -> tuple[Table, pd.DataFrame]:
    """Rows that keep the contract, and the others with every reason; of equal keys the first good one stays."""
    promises = [rule for rule in rules(table, mapping.dataset) if not rule.is_key]
    promises += _value_rules(mapping.tables[table])  # type: ignore[index]
    looked_at = annotate(kept | {table: rows}, table)
    reasons = [looked_at._because.fill_null("")] + [_reason(looked_at, rule) for rule in promises]
    text = ibis.array(reasons).filter(lambda part: part != "").join("; ").fill_null("")
    judged = looked_at.mutate(_reason=text).cache()
    good = judged.filter(judged._reason == "").select(*rows.columns)
    if table in KEYS:
        copies = annotate(kept | {table: good}, table)
        key = " + ".join(KEYS[table])
        again = copies.filter(copies._copy > 1).mutate(_reason=ibis.literal(f"another row has the same {key}, and came first"))
        good = copies.filter(copies._copy == 1).select(*rows.columns).cache()
    bad = judged.filter(judged._reason != "")
    columns = {"file": "_file", "line": "_line", "reason": "_reason"}
    refused = [part.order_by("_row").select(**columns).execute() for part in ([bad, again] if table in KEYS else [bad])]
    return good, pd.concat(refused).assign(table=table)[["table", *columns]]


def _value_rules(made: TableMap) -> list[Rule]:
    return [
        Rule(name, "is not among the values of the mapping", lambda t, n=name: t[f"_raw_{n}"].isnull() | t[n].notnull(),
             ", ".join(str(value) for value in origin.values), "", (f"_raw_{name}",))
        for name, origin in made.columns.items() if origin.values is not None
    ]  # fmt: skip


def _reason(rows: Table, rule: Rule) -> StringValue:
    """The reason of a broken rule with what stood there; empty where the rule holds."""
    got = [rows[name].cast("string").fill_null("") for name in rule.show]
    text = ibis.literal(f"{rule.column} {rule.problem}")
    if got:
        stood = ibis.literal(" / ").join(got)
        text = text + ibis.ifelse(stood == "", "", ": " + stood)
    return ibis.ifelse(rule.holds(rows).fill_null(True), "", text)

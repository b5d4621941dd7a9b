"""Sources: other systems' exports to canonical tables, by a mapping that a person can read.

A mapping names, for each canonical table, the file or query it comes from and, for each column,
where its value comes from. Every row that does not become a canonical row is written to
`rejected.csv` with its file, line and reason. The data set appears whole or not at all. Where the
mapping names a key, ids of people become keyed pseudonyms before anything is written or told, and
no value of the source is quoted.
"""

import codecs
import difflib
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pandas as pd
import yaml
from ibis.expr.types import StringValue, Table

from learnalign.data import pseudonyms, reading
from learnalign.data.contract import (
    COLUMNS,
    KEYS,
    REQUIRED_TABLES,
    Column,
    Rule,
    annotate,
    canonical,
    columns_of,
    rules,
)
from learnalign.data.mapping import ColumnMap, Mapping, Scalar, TableMap, read_mapping
from learnalign.data.mistakes import DataError, Problem

NOT_YET = (".xlsx", ".xls", ".ods", ".json", ".jsonl", ".zip", ".gz")
UNQUOTED = "(not shown: it may hold ids, and pseudonyms are on)"
NO_VALUES = (
    "Binder Error",
    "Parser Error",
    "Catalog Error",
)  # DuckDB's own that speak of the SQL, never of a row
# A spreadsheet may read as a formula what starts so, in a cell or after a sign that it takes for a
# cell's end
FORMULA = r"(^ *|[\t\n;|])(?=[=+\-@\t\n\uff1d\uff0b\uff0d\uff20])"


@dataclass(frozen=True)
class Imported:
    """What an import did: the folder, and rows read, kept and rejected for each table."""

    folder: Path
    summary: pd.DataFrame
    pseudonyms: bool


def bring_in(mapping_file: str | Path, out: str | Path) -> Imported:
    """Import by a mapping: canonical Parquet tables, `dataset.yml` and `rejected.csv` in `out`.

    Rows that break the contract are rejected with their reason; of rows with the same key the first
    good one is kept. Raises `DataError`, leaving `out` as it was, when the mapping or a source file
    is at fault.
    """
    out = Path(out)
    with _job(mapping_file) as job, reading.staged(out) as stage, _discreet(job.mapping):
        if out.resolve() == job.folder.resolve():
            fix = "name another folder"
            raise DataError(
                [
                    Problem(
                        str(out),
                        "",
                        "is the folder of the exports, which are never changed",
                        fix=fix,
                    )
                ]
            )
        kept: dict[str, Table] = {}
        rejected, counts = [], []
        for name, rows in _all_mapped(job).items():
            kept[name], refused = _sort_out(rows, kept, name, job.mapping)
            _write(job, kept[name], name, stage)
            rejected.append(refused)
            counts.append(
                (name, int(rows.count().execute()), int(kept[name].count().execute()), len(refused))
            )
            if name in REQUIRED_TABLES and not counts[-1][2]:
                text = (
                    f"none of its {len(refused):,} rows can be kept"
                    if len(refused)
                    else "the source holds no rows"
                )
                reasons = "; ".join(refused.reason.value_counts().index[:3])
                raise DataError(
                    [Problem(name, "", text, reasons, fix="correct the mapping, or the source")]
                )
        safe_csv(pd.concat(rejected), stage / "rejected.csv")
        facts = yaml.safe_dump(
            job.mapping.dataset.model_dump(mode="json"), sort_keys=False, allow_unicode=True
        )
        (stage / "dataset.yml").write_text(facts, encoding="utf-8")
        if wrong := reading.check(stage):
            raise DataError(wrong, "the imported tables")
    summary = pd.DataFrame(counts, columns=["table", "read", "kept", "rejected"])
    return Imported(out, summary, job.mapping.pseudonyms is not None)


def source_rows(mapping_file: str | Path, table: str) -> pd.DataFrame:
    """The rows that the mapping finds for `table`, before any column is mapped: to see what a query
    does.

    Ids are as in the source, also where the mapping asks for pseudonyms.
    """
    with _job(mapping_file) as job, _told(table):
        return _origin(job, table).execute()


def safe_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a CSV file for a person's spreadsheet: no text in it, and no header, is run as a
    formula (CWE-1236).

    An apostrophe goes before what a spreadsheet may take for a formula, and line ends in a text
    become one kind: such texts are not read back as they were. Numbers stay numbers. Data sets that
    are read again (`simulate`) are written as they are.
    """
    text = frame.select_dtypes(exclude=["number", "bool", "datetime"]).columns
    safe = frame.assign(**{name: frame[name].map(_no_formula, na_action="ignore") for name in text})
    safe.rename(columns=_no_formula).to_csv(path, index=False, lineterminator="\n")


def _no_formula(value: Any) -> Any:
    return (
        re.sub(FORMULA, r"\1'", re.sub("\r\n?", "\n", value)) if isinstance(value, str) else value
    )


# --- from files to rows


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
    folder = (Path(mapping_file).resolve().parent / mapping.source).resolve()
    if not folder.is_dir():
        fix = "correct `source`; it starts from the mapping's own folder"
        raise DataError(
            [
                Problem(
                    Path(mapping_file).name,
                    "source",
                    "there is no such folder",
                    str(folder),
                    fix=fix,
                )
            ]
        )
    with tempfile.TemporaryDirectory(prefix="learnalign-") as scratch:
        yield _Job(ibis.duckdb.connect(temp_directory=scratch), mapping, folder, Path(scratch))


@contextmanager
def _discreet(mapping: Mapping) -> Iterator[None]:
    """With pseudonyms on, what goes wrong is told without the values that were got."""
    try:
        yield
    except DataError as error:
        if mapping.pseudonyms is None:
            raise
        quoting = [
            bool(problem.got) and not problem.got.startswith(NO_VALUES)
            for problem in error.problems
        ]
        told = [
            replace(p, got=UNQUOTED if q else p.got)
            for p, q in zip(error.problems, quoting, strict=True)
        ]
        raise DataError(told, "the import") from None


@contextmanager
def _told(table: str) -> Iterator[None]:
    """A source that cannot be opened or read, as a problem of the table that it is for."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        text = str(error).split("\n")[0]
        raise DataError(
            [Problem(table, "", "the source cannot be read", text, fix="correct the file")]
        ) from None


def _origin(job: _Job, table: str) -> Table:
    """The source rows of a table, each with its file (`_file`) and line (`_line`)."""
    made = job.mapping.tables[table]  # type: ignore[index]
    if made.file is not None:
        files = _matching(job.folder, made.file, table)
        parts = _alike([_read(job, path, made) for path in files], files, table)
        return ibis.union(*parts) if len(parts) > 1 else parts[0]
    for path in sorted(job.folder.iterdir()):
        if (
            path.suffix.lower() in (".csv", ".parquet")
            and path.stem not in job.engine.list_tables()
        ):
            job.engine.create_view(path.stem, _read(job, path, made))
    rows = _run(job, table, "query", made.query or "")
    extra = {} if "_file" in rows.columns else {"_file": ibis.literal("(query)")}
    return rows.mutate(
        **extra, **({} if "_line" in rows.columns else {"_line": ibis.row_number() + 1})
    )


def _matching(folder: Path, pattern: str, table: str) -> list[Path]:
    try:
        files = sorted(path for path in folder.glob(pattern) if path.is_file())
    except (ValueError, NotImplementedError, IndexError):
        allowed = "a file name, or a pattern such as staff*.csv, below `source`"
        raise DataError(
            [Problem(table, "file", "is not a file pattern", pattern, allowed)]
        ) from None
    if not files:
        near = difflib.get_close_matches(
            pattern, [path.name for path in folder.iterdir() if path.is_file()], n=1
        )
        fix = f"did you mean {near[0]!r}?" if near else "correct the pattern"
        raise DataError([Problem(table, "file", "no file matches", pattern, fix=fix)])
    return files


def _alike(parts: list[Table], files: list[Path], table: str) -> list[Table]:
    """The files of one pattern with the first one's spelling of the columns; other columns are a
    problem.
    """
    spelling = {_plain(name): name for name in parts[0].columns}
    found = []
    for path, part in zip(files, parts, strict=True):
        new = [
            name
            for name in part.columns
            if name not in parts[0].columns and _plain(name) in spelling
        ]
        found.append(part.rename({spelling[_plain(name)]: name for name in new}))
        ours, theirs = dict(parts[0].schema().items()), dict(found[-1].schema().items())
        if ours != theirs:
            other = ", ".join(
                name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)
            )
            fix = "give the files the same columns, or join them in a query with UNION ALL BY NAME"
            text = f"{path.name} does not have the columns of {files[0].name}"
            raise DataError([Problem(table, "file", text, f"a difference in {other}", fix=fix)])
    return found


def _run(job: _Job, table: str, place: str, sql: str) -> Table:
    """The rows of one SELECT, computed once."""
    here = ibis.util.gen_name("step")
    try:
        job.engine.con.execute(
            f"CREATE TABLE {here} AS SELECT * FROM (\n{sql.strip().rstrip(';')}\n)"
        )
    except duckdb.Error as error:
        text = next(
            (line for line in str(error).splitlines() if line.strip()), type(error).__name__
        )
        raise DataError(
            [Problem(table, place, "cannot be computed", text, fix="correct it")]
        ) from None
    return job.engine.table(here)


def _read(job: _Job, path: Path, made: TableMap) -> Table:
    """One file as it stands, with `_file` and `_line`; text stays text, nothing is guessed."""
    if path.suffix.lower() in NOT_YET:
        fix = "save it as CSV or Parquet"
        raise DataError(
            [
                Problem(
                    path.name,
                    "",
                    "is in a format that cannot be imported yet",
                    path.suffix,
                    fix=fix,
                )
            ]
        )
    if path.suffix.lower() == ".parquet":
        rows = job.engine.read_parquet(path, hive_partitioning=False)
        return rows.mutate(_line=ibis.row_number() + 1, _file=ibis.literal(path.name))
    delimiter = made.delimiter or job.mapping.delimiter
    text = _as_utf8(path, made.encoding or job.mapping.encoding, job.scratch)
    header = reading.csv_header(text, path.name, delimiter)
    if twice := reading.doubled(header):
        raise DataError(
            [
                Problem(path.name, name, "stands twice in the header", fix="keep one")
                for name in twice
            ]
        )
    rows = reading.csv_rows(job.engine, text, path.name, header, delimiter, job.mapping.missing)
    return rows.rename(_line="_row").mutate(_file=ibis.literal(path.name))


def _as_utf8(path: Path, encoding: str, scratch: Path) -> Path:
    """The file itself, or a UTF-8 copy without a byte-order mark where it is written otherwise."""
    plain = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    if plain and (line := reading.bad_utf8_line(path)):
        fix = "name it in the mapping, such as `encoding: latin-1` or `encoding: windows-1252`"
        raise DataError(
            [Problem(path.name, "", "is not UTF-8", f"other bytes in line {line}", "UTF-8", fix)]
        )
    with path.open("rb") as file:
        marked = file.read(3) == codecs.BOM_UTF8
    if plain and not marked:
        return path
    copy = scratch / f"{len(list(scratch.iterdir()))}-{path.name}"
    try:
        with (
            path.open(encoding="utf-8-sig" if plain else encoding, newline="") as old,
            copy.open("w", encoding="utf-8", newline="") as new,
        ):
            shutil.copyfileobj(old, new)
    except UnicodeError as error:
        raise DataError(
            [Problem(path.name, "encoding", f"the file is not {encoding}", str(error))]
        ) from None
    return copy


# --- from rows to canonical rows


def _all_mapped(job: _Job) -> dict[str, Table]:
    """Every table that the mapping makes, in the order of the contract; or all that keeps it from
    being made.
    """
    mapped, problems = {}, []
    key = pseudonyms.read_key(job.mapping.pseudonyms.key) if job.mapping.pseudonyms else None
    for name in (name for name in COLUMNS if name in job.mapping.tables):
        try:
            with _told(name):
                mapped[name] = _mapped(job, name, key)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems, "the mapping or its sources")
    return mapped


def _mapped(job: _Job, table: str, key: bytes | None) -> Table:
    """Every source row with its canonical columns in canonical types, and what stood there
    (`_raw_…`).
    """
    origin, made = _origin(job, table).cache(), job.mapping.tables[table]  # type: ignore[index]
    job.engine.create_view(f"_from_{table}", origin)
    columns, problems = columns_of(table, job.mapping.dataset), []
    because = [
        f"CASE WHEN ({item.sql}\n) THEN {_quoted(item.because)} END" for item in made.set_aside
    ]
    parts = [
        f"coalesce({', '.join([*because, 'CAST(NULL AS VARCHAR)'])}) AS _because",
        "row_number() OVER () AS _row",
    ]
    for column in columns:
        try:
            raw, value = _expressions(made.columns.get(column.name), column, origin.columns, table)
            _run(job, table, column.name, f'SELECT {value} FROM "_from_{table}" LIMIT 0')
        except DataError as error:
            problems += error.problems
            continue
        parts.append(
            f'CAST({raw} AS VARCHAR) AS "_raw_{column.name}", CAST({value} AS VARCHAR) AS '
            f'"{column.name}"'
        )
    if problems:
        raise DataError(problems)
    rows = _run(
        job,
        table,
        "columns or set_aside",
        f'SELECT _file, _line, {", ".join(parts)} FROM "_from_{table}"',
    )
    rows = rows if key is None else pseudonyms.applied(job.engine, rows, key)
    return rows.mutate(
        **{column.name: canonical(rows[column.name], column.kind) for column in columns}
    )


def _expressions(
    origin: ColumnMap | None, column: Column, header: Sequence[str], table: str
) -> tuple[str, str]:
    """Two SQL expressions: what stands in the source, and what it becomes."""
    if origin is None:
        return "NULL", "NULL"
    if origin.sql is not None:
        return f"({origin.sql}\n)", f"({origin.sql}\n)"
    if origin.constant is not None:
        return _quoted(origin.constant), _quoted(origin.constant)
    raw = _source_column(str(origin.column), header, table, column.name)
    if origin.date is not None:
        return raw, f"CAST(try_strptime(CAST({raw} AS VARCHAR), {_quoted(origin.date)}) AS DATE)"
    if origin.values is not None:
        cases = " ".join(
            f"WHEN {_quoted(theirs)} THEN {_quoted(ours)}" for theirs, ours in origin.values.items()
        )
        return raw, f"CASE CAST({raw} AS VARCHAR) {cases} END"
    return raw, raw


def _quoted(value: Scalar) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "'" + text.replace("'", "''") + "'"


def _source_column(name: str, header: Sequence[str], table: str, column: str) -> str:
    """The source's own spelling of a column, found without regard to case, spaces and accents."""
    own = [there for there in header if there not in ("_file", "_line")]
    match = [there for there in own if there == name] or [
        there for there in own if _plain(there) == _plain(name)
    ]
    if len(match) == 1:
        return '"' + match[0].replace('"', '""') + '"'
    if match:
        fix = "write it exactly as the source does"
        raise DataError(
            [Problem(table, column, f"several columns may be {name!r}", ", ".join(match), fix=fix)]
        )
    plain = {_plain(there): there for there in own}
    near = difflib.get_close_matches(_plain(name), plain, n=1)
    fix = f"did you mean {plain[near[0]]!r}?" if near else "correct the name"
    raise DataError(
        [
            Problem(
                table, column, f"the source has no column {name!r}", ", ".join(own)[:200], fix=fix
            )
        ]
    )


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.removeprefix("\ufeff")).casefold()
    return "".join(sign for sign in letters if sign.isalnum()) or name


def _sort_out(
    rows: Table, kept: dict[str, Table], table: str, mapping: Mapping
) -> tuple[Table, pd.DataFrame]:
    """Rows that keep the contract, and the others with every reason; of equal keys the first good
    one stays.
    """
    promises = [rule for rule in rules(table, mapping.dataset) if not rule.is_key]
    promises += _value_rules(mapping.tables[table])  # type: ignore[index]
    if mapping.pseudonyms:
        promises = [replace(rule, show=()) for rule in promises]
    looked_at = annotate(kept | {table: rows}, table)
    reasons = [looked_at._because.fill_null("")] + [_reason(looked_at, rule) for rule in promises]
    every = ibis.array(reasons).filter(lambda part: part != "").join("; ").fill_null("")
    judged = looked_at.mutate(_reason=every).cache()
    good, bad = (
        judged.filter(judged._reason == "").select(*rows.columns),
        [judged.filter(judged._reason != "")],
    )
    if table in KEYS:
        copies = annotate(kept | {table: good}, table)
        key = " + ".join(KEYS[table])
        text = ibis.literal(f"another row has the same {key}, and came first")
        bad.append(copies.filter(copies._copy > 1).mutate(_reason=text))
        good = copies.filter(copies._copy == 1).select(*rows.columns).cache()
    columns = {"file": "_file", "line": "_line", "reason": "_reason"}
    refused = [part.order_by("_row").select(**columns).execute() for part in bad]
    return good, pd.concat(refused).assign(table=table)[["table", *columns]]


def _value_rules(made: TableMap) -> list[Rule]:
    return [
        Rule(
            name,
            "is not among the values of the mapping",
            lambda t, n=name: t[f"_raw_{n}"].isnull() | t[n].notnull(),
            ", ".join(str(value) for value in origin.values),
            "",
            (f"_raw_{name}",),
        )
        for name, origin in made.columns.items()
        if origin.values is not None
    ]


def _reason(rows: Table, rule: Rule) -> StringValue:
    """The reason of a broken rule with what stood there; empty where the rule holds."""
    got = [rows[name].cast("string").fill_null("") for name in rule.show]
    text = ibis.literal(f"{rule.column} {rule.problem}")
    if got:
        stood = ibis.literal(" / ").join(got)
        text = text + ibis.ifelse(stood == "", "", ": " + stood)
    return ibis.ifelse(rule.holds(rows).fill_null(True), "", text)


def _write(job: _Job, rows: Table, table: str, stage: Path) -> None:
    """The rows of a table as Parquet, in the order of the source; refused where an id would be in
    them.
    """
    if job.mapping.pseudonyms:
        pseudonyms.refuse_ids(job.engine, rows, table, job.mapping.dataset)
    columns = list(job.mapping.tables[table].columns)  # type: ignore[index]
    rows.order_by("_row").select(*columns).to_parquet(stage / f"{table}.parquet")

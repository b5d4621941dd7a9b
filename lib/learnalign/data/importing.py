"""Importing: other systems' exports to canonical tables, by a mapping that a person can read.

A mapping names, for each canonical table, the file or query it comes from and, for each column,
where its value comes from. Every row that does not become a canonical row is written to
`rejected.csv` with its file, line and reason. The data set appears whole or not at all. Where the
mapping names a key, ids of people become keyed pseudonyms before anything is written or told, and
no value of the source is quoted.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import pandas as pd
import yaml
from ibis.expr.types import StringValue, Table

from learnalign.data import pseudonyms, reading, sql
from learnalign.data.contract import (
    COLUMNS,
    KEYS,
    REQUIRED_TABLES,
    Rule,
    annotate,
    canonical,
    columns_of,
    known,
    rules,
)
from learnalign.data.files import safe_csv
from learnalign.data.folders import staged
from learnalign.data.mapping import ColumnMap, Mapping, Scalar, TableMap
from learnalign.data.mistakes import DataError, nearest, words
from learnalign.data.sources import Job, opened, origin, plain, told

UNQUOTED = "(not shown: it may hold ids, and pseudonyms are on)"
# DuckDB's own messages that speak of the SQL, never of a row
NO_VALUES = ("Binder Error", "Parser Error", "Catalog Error")


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

    >>> bring_in("params/nothing.yml", "data/new")
    Traceback (most recent call last):
    ...
    learnalign.data.mistakes.DataError: 1 problem
    nothing.yml: there is no such file
        Got: params/nothing.yml
    """
    out = Path(out)
    with opened(mapping_file) as job, staged(out) as stage, _discreet(job.mapping):
        if out.resolve() == job.folder.resolve():
            raise DataError.of("exports_folder", str(out))
        counts, rejected = _tables(job, stage)
        safe_csv(pd.concat(rejected), stage / "rejected.csv")
        (stage / "rejected.csv").chmod(0o600)  # it quotes what stood in a row
        facts = job.mapping.dataset.model_dump(mode="json")
        text = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)
        (stage / "dataset.yml").write_text(text, encoding="utf-8")
        if wrong := reading.check(stage):
            raise DataError(wrong, "the imported tables")
    summary = pd.DataFrame(counts, columns=["table", "read", "kept", "rejected"])
    return Imported(out, summary, job.mapping.pseudonyms is not None)


def source_rows(mapping_file: str | Path, table: str) -> pd.DataFrame:
    """The rows that the mapping finds for `table`, before any column is mapped: what a query does.

    Ids are as in the source, also where the mapping asks for pseudonyms.
    """
    with opened(mapping_file) as job, told(table):
        return origin(job, table).execute()


@contextmanager
def _discreet(mapping: Mapping) -> Iterator[None]:
    """With pseudonyms on, what goes wrong is told without the values that were got."""
    try:
        yield
    except DataError as error:
        if mapping.pseudonyms is None:
            raise
        may_quote = [not p.got or p.got.startswith(NO_VALUES) for p in error.problems]
        found = [
            p if may else replace(p, got=UNQUOTED)
            for p, may in zip(error.problems, may_quote, strict=True)
        ]
        raise DataError(found, "the import") from None


def _tables(job: Job, stage: Path) -> tuple[list[tuple], list[pd.DataFrame]]:
    """Write every table; rows read, kept and rejected of each, and the rejected rows."""
    kept: dict[str, Table] = {}
    counts, rejected = [], []
    for name, rows in _all_mapped(job).items():
        kept[name], refused = _sort_out(rows, kept, name, job.mapping)
        _write(job, kept[name], name, stage)
        rejected.append(refused)
        n_kept = int(kept[name].count().execute())
        counts.append((name, int(rows.count().execute()), n_kept, len(refused)))
        if name in REQUIRED_TABLES and not n_kept:
            reasons = "; ".join(refused.reason.value_counts().index[:3])
            wrong = "none_kept" if len(refused) else "empty_source"
            raise DataError.of(wrong, name, got=reasons, n=len(refused))
    return counts, rejected


# --- from source rows to canonical rows


def _all_mapped(job: Job) -> dict[str, Table]:
    """Every table that the mapping makes, in the contract's order; or all that is in the way."""
    mapped, problems = {}, []
    key = pseudonyms.read_key(job.mapping.pseudonyms.key) if job.mapping.pseudonyms else None
    for name in (name for name in COLUMNS if name in job.mapping.tables):
        try:
            with told(name):
                mapped[name] = _mapped(job, name, key)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems, "the mapping or its sources")
    return mapped


def _mapped(job: Job, table: str, key: bytes | None) -> Table:
    """Source rows with canonical columns in canonical types, and what stood there (`_raw_…`)."""
    found, made = origin(job, table).cache(), job.mapping.tables[table]  # type: ignore[index]
    job.engine.create_view(f"_from_{table}", found)
    columns, problems = columns_of(table, job.mapping.dataset), []

    def value_of(text: str, place: str) -> str:
        return sql.look_at_value(job.engine, text, job.exports, (table, place))

    asides = [
        f"CASE WHEN {value_of(item.sql, 'set_aside')} THEN {sql.quoted(item.because)} END"
        for item in made.set_aside
    ]
    because = f"coalesce({', '.join([*asides, 'CAST(NULL AS VARCHAR)'])}) AS _because"
    parts = ["_file", "_line", because, "row_number() OVER () AS _row"]
    for name in (column.name for column in columns):
        try:
            one = made.columns.get(name)
            if one is not None and one.sql is not None:
                raw = value = value_of(one.sql, name)
            else:
                raw, value = _expressions(one, name, found.columns, table)
            job.run(table, name, f'SELECT {value} FROM "_from_{table}" LIMIT 0')
        except DataError as error:
            problems += error.problems
            continue
        parts.append(f'CAST({raw} AS VARCHAR) AS "_raw_{name}"')
        parts.append(f'CAST({value} AS VARCHAR) AS "{name}"')
    if problems:
        raise DataError(problems)
    query = f'SELECT {", ".join(parts)} FROM "_from_{table}"'
    rows = job.run(table, "columns or set_aside", query)
    rows = rows if key is None else pseudonyms.applied(job.engine, rows, key)
    return rows.mutate(**{c.name: canonical(rows[c.name], c.kind) for c in columns})


def _expressions(
    made: ColumnMap | None, name: str, header: Sequence[str], table: str
) -> tuple[str, str]:
    """Two SQL expressions: what stands in the source, and what it becomes."""
    if made is None:
        return "NULL", "NULL"
    if made.constant is not None:
        return _scalar(made.constant), _scalar(made.constant)
    raw = _source_column(str(made.column), header, table, name)
    text = f"CAST({raw} AS VARCHAR)"
    if made.date is not None:
        return raw, f"CAST(try_strptime({text}, {_scalar(made.date)}) AS DATE)"
    if made.values is not None:
        pairs = made.values.items()
        cases = [f"WHEN {_scalar(theirs)} THEN {_scalar(ours)}" for theirs, ours in pairs]
        return raw, f"CASE {text} {' '.join(cases)} END"
    return raw, raw


def _scalar(value: Scalar) -> str:
    return sql.quoted(str(value).lower() if isinstance(value, bool) else value)


def _source_column(name: str, header: Sequence[str], table: str, column: str) -> str:
    """The source's own spelling of a column, found without regard to case, spaces and accents."""
    own = [there for there in header if there not in ("_file", "_line")]
    alike = [there for there in own if plain(there) == plain(name)]
    match = [there for there in own if there == name] or alike
    if len(match) == 1:
        return '"' + match[0].replace('"', '""') + '"'
    if match:
        raise DataError.of("several_columns", table, column, ", ".join(match), name=name)
    spelt = {plain(there): there for there in own}
    near, there = spelt.get(nearest(plain(name), spelt)), ", ".join(own)[:200]
    raise DataError.of("no_column", table, column, there, name=name, near=near)


def _sort_out(
    rows: Table, kept: dict[str, Table], table: str, mapping: Mapping
) -> tuple[Table, pd.DataFrame]:
    """Rows that keep the contract, and the others with every reason; of a key the first stays."""
    promises = [rule for rule in rules(table, mapping.dataset) if not rule.is_key]
    promises += _value_rules(mapping.tables[table])  # type: ignore[index]
    if mapping.pseudonyms:
        promises = [replace(rule, show=()) for rule in promises]
    looked_at = annotate(kept | {table: rows}, table)
    reasons = [looked_at._because.fill_null("")] + [_reason(looked_at, rule) for rule in promises]
    every = ibis.array(reasons).filter(lambda part: part != "").join("; ").fill_null("")
    judged = looked_at.mutate(_reason=every).cache()
    good = judged.filter(judged._reason == "").select(*rows.columns)
    bad = [judged.filter(judged._reason != "")]
    if table in KEYS:
        copies = annotate(kept | {table: good}, table)
        text = f"another row has the same {' + '.join(KEYS[table])}, and came first"
        bad.append(copies.filter(copies._copy > 1).mutate(_reason=ibis.literal(text)))
        good = copies.filter(copies._copy == 1).select(*rows.columns).cache()
    columns = {"file": "_file", "line": "_line", "reason": "_reason"}
    refused = [part.order_by("_row").select(**columns).execute() for part in bad]
    return good, pd.concat(refused).assign(table=table)[["table", *columns]]


def _value_rules(made: TableMap) -> Iterator[Rule]:
    for name, column in made.columns.items():
        if (values := column.values) is not None:
            said = words("unmapped_value", values=", ".join(map(str, values)))
            yield Rule(name, known(name), show=(f"_raw_{name}",), **said)


def _reason(rows: Table, rule: Rule) -> StringValue:
    """The reason of a broken rule with what stood there; empty where the rule holds."""
    text = ibis.literal(f"{rule.column} {rule.problem}")
    if rule.show:
        got = [rows[name].cast("string").fill_null("") for name in rule.show]
        stood = ibis.literal(" / ").join(got)
        text = text + ibis.ifelse(stood == "", "", ": " + stood)
    return ibis.ifelse(rule.holds(rows).fill_null(True), "", text)


def _write(job: Job, rows: Table, table: str, stage: Path) -> None:
    """A table as Parquet in the order of the source; with pseudonyms in the order of its values, as
    the source's may tell who is who. Refused where an id would be in a text.
    """
    order = columns = list(job.mapping.tables[table].columns)  # type: ignore[index]
    if job.mapping.pseudonyms:
        pseudonyms.refuse_ids(job.engine, rows, table, job.mapping.dataset)
    else:
        order = ["_row"]
    made = job.scratch / f"{table}.parquet"  # the engine may write nowhere else
    rows.order_by(order).select(*columns).to_parquet(made)
    shutil.move(made, stage / made.name)

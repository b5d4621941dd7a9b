"""Importing: other systems' exports to canonical tables, by a mapping that a person can read.

A mapping names, for each canonical table, the file or query it comes from and, for each column,
where its value comes from. Every row that does not become a canonical row is written to
`rejected.csv` with its file, line and reason. The data set appears whole or not at all. Where the
mapping names a key, ids of people become keyed pseudonyms before anything is written or told, and
no value of the source is quoted.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import yaml
from ibis.expr.types import Table

from learnalign.data import crossing, mapped, pseudonyms, reading, sorting
from learnalign.data import mapping as mappings
from learnalign.data.contract import PLANNED, REQUIRED_TABLES, Arrival
from learnalign.data.files import safe_csv
from learnalign.data.folders import carried, staged
from learnalign.data.mistakes import DataError, Problem
from learnalign.data.sources import Job, opened, origin, told

UNQUOTED = "(not shown: it may hold ids, and pseudonyms are on)"
# DuckDB's own messages that speak of the SQL, never of a row
NO_VALUES = ("Binder Error", "Parser Error", "Catalog Error")


@dataclass(frozen=True)
class Imported:
    """What an import did: the folder, and rows read, kept and rejected for each table."""

    folder: Path
    summary: pd.DataFrame
    pseudonyms: bool
    notes: tuple[Problem, ...] = ()  # how it was read, where the mapping did not say


def bring_in(
    mapping_file: str | Path, out: str | Path, accepted: Mapping[str, str] | None = None
) -> Imported:
    """Import by a mapping: canonical Parquet tables, `dataset.yml` and `rejected.csv` in `out`.

    Rows that break the contract are rejected with their reason; of rows with the same key the first
    good one is kept. `accepted` says of a table why it may lose more than its share.
    An order of invitations that is in `out` stays there, where the mapping makes none.
    Raises `DataError`, leaving `out` as it was, when the mapping or a source file is at fault,
    something must be asked, or too much is lost.

    >>> import learnalign as la
    >>> la.bring_in("params/nothing.yml", "data/new")
    Traceback (most recent call last):
    ...
    learnalign.data.mistakes.DataError: 1 problem
    nothing.yml: there is no such file
        Got: params/nothing.yml
    """
    out = Path(out)
    with opened(mapping_file, accepted) as job, staged(out) as stage, _discreet(job.mapping):
        if out.resolve() == job.folder.resolve():
            raise DataError.of("exports_folder", str(out))
        arrivals, counts, rejected = _tables(job, stage)
        safe_csv(pd.concat(rejected), stage / "rejected.csv")
        (stage / "rejected.csv").chmod(0o600)  # it quotes what stood in a row
        meta = job.mapping.dataset.model_copy(update={"imported": tuple(arrivals)})
        facts = meta.model_dump(mode="json")
        text = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)
        (stage / "dataset.yml").write_text(text, encoding="utf-8")
        for name in carried(out, stage):
            job.notes.append(Problem.of("order_carried", PLANNED, file=name))
        if wrong := reading.check(stage):
            raise DataError(wrong, "the imported tables")
    summary = pd.DataFrame(counts, columns=["table", "read", "kept", "rejected"])
    return Imported(out, summary, job.mapping.pseudonyms is not None, tuple(job.notes))


def source_rows(mapping_file: str | Path, table: str) -> pd.DataFrame:
    """The rows that the mapping finds for `table`, before any column is mapped: what a query does.

    Ids are as in the source, also where the mapping asks for pseudonyms.
    """
    with opened(mapping_file) as job, told(table):
        rows = origin(job, table, job.mapping.tables[table])  # type: ignore[index]
        return rows.drop("_place").execute()


@contextmanager
def _discreet(mapping: mappings.Mapping) -> Iterator[None]:
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


def _tables(job: Job, stage: Path) -> tuple[list[Arrival], list[tuple], list[pd.DataFrame]]:
    """Write every table; how each came in, its rows read, kept and rejected, the rejected rows."""
    kept: dict[str, Table] = {}
    arrivals, counts, rejected, problems = [], [], [], []
    for name, rows in mapped.all_mapped(job).items():
        done = sorting.sort_out(job, rows, kept, name)
        kept[name], n_kept = done.kept, done.n_kept
        counts.append((name, done.read, n_kept, len(done.refused)))
        rejected += [done.refused, done.emptied]
        arrivals.append(
            Arrival(
                table=name,
                read=done.read,
                aside=done.aside,
                lost=done.read - done.aside - n_kept,
                emptied=len(done.emptied),
                accepted=job.mapping.accept_loss.get(name),  # type: ignore[call-overload]
            )
        )
        problems += [*done.problems, *sorting.too_much_lost(job, name, done)]
        problems += crossing.problems(job, kept, name)
        if not done.read and name in REQUIRED_TABLES:
            problems.append(Problem.of("empty_source", name))
        elif not done.read:
            job.tell("no_rows_came", name)
        if problems and name in REQUIRED_TABLES:
            break  # what hangs on these rows would be told as lost, too
        _write(job, kept[name], name, stage)
    if problems:
        raise DataError(problems, "the rows of the exports")
    return arrivals, counts, rejected


def _write(job: Job, rows: Table, table: str, stage: Path) -> None:
    """A table as Parquet in the order of the source; with pseudonyms in the order of its values, as
    the source's may tell who is who. Refused where an id would be in a text.
    """
    order = columns = list(job.mapping.tables[table].made)  # type: ignore[index]
    if job.mapping.pseudonyms:
        pseudonyms.refuse_ids(job.engine, rows, table, job.mapping.dataset)
    else:
        order = ["_row"]
    made = job.scratch / f"{table}.parquet"  # the engine may write nowhere else
    rows.order_by(order).select(*columns).to_parquet(made)
    shutil.move(made, stage / made.name)

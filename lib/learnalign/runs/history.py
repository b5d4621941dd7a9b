"""History: every result of every edition below a folder, a row each, in one Parquet file for
analysts and BI tools.

It holds what editions published and nothing else, and it is brought up to them: what is on disk and
not in it is added, a corrected edition takes the place of the old one, and editions that were
deleted since stay in it.
"""

import datetime as dt
import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from learnalign.data.mistakes import DataError, Problem
from learnalign.data.writing import write_whole
from learnalign.runs import files
from learnalign.verdicts import document as results
from learnalign.verdicts.result import Result

HISTORY, DAMAGED = "history.parquet", "history.damaged"
# Of each edition; `about` is the unit that it is of, or "company"
EDITION = {
    "report": str,
    "as_of": dt.date,
    "about": str,
    "run_id": str,
    "published": dt.datetime,
    "title": str,
    "fingerprint": str,
    "min_group": int,
    "rounded_to": int | None,  # of editions before figures were moved
    "key": str | None,  # of the noise; none where figures were not moved
}
SINCE = {"key": None, "at_least": False, "base": None, "per": None}  # columns that came later
GONE = {"step"}  # and one that was, before figures were moved
KEY = ("report", "as_of", "about")  # a later run of the same supersedes it
ORDER = (*KEY, "question", "measure", "group", "at")
ARROW = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    dt.date: pa.date32(),
    dt.datetime: pa.timestamp("us", tz="UTC"),
}


def _field(name: str, hint: Any) -> pa.Field:
    kinds = (str,) if get_origin(hint) is tuple else get_args(hint) or (hint,)
    kind = next((ARROW[kind] for kind in kinds if kind in ARROW), pa.string())
    return pa.field(name, kind, NoneType in kinds)


SCHEMA = pa.schema([_field(*item) for item in (EDITION | get_type_hints(Result)).items()])


def record(out: Path, work: Path) -> tuple[str, ...]:
    """Bring the history up to the editions below `out`, in one move; a warning for whatever could
    not be used.

    What is damaged goes to `out`/.runs, and the history is made anew from the editions on disk.
    `work` is a private folder on the same file system. Twice changes no byte. An `OSError` leaves
    it as it was, and the next call mends it.
    """
    path = out / HISTORY
    with files.alone(out / ".runs/history.lock"):  # reports run side by side
        try:
            old, warnings = _load(path), []
        except DataError as error:
            aside = _set_aside(path, work)
            told = f"{HISTORY} {error.problems[0].problem}: made anew from the editions on disk, "
            old, warnings = None, [f"{told}those deleted since are at most in .runs/{aside}"]
        history, behind = SCHEMA.empty_table() if old is None else old, []
        for folder in _behind(out, history):
            try:
                behind += _of_edition(out, folder)
            except DataError as error:
                name = folder.relative_to(out).as_posix()
                warnings.append(f"{name} is not in {HISTORY}: {error.problems[0].problem}")
        if behind or old is None:
            write_whole(path, _bytes(history, behind), work, 0o644)
    return tuple(warnings)


def read(out: str | Path) -> pd.DataFrame:
    """The history of all editions below `out`: a row per result and edition, hidden ones blank;
    empty where none is.

    `about` is the unit that an edition is of, "company" for all; `as_of` and `published` (UTC) are
    times, counts may be missing, `checks` is a JSON text. A `DataError` when it is damaged: the
    next run mends it. Misleads where an edition was deleted, or a report no longer publishes a
    unit: its rows stay.

    >>> import learnalign as la
    >>> la.history("nowhere").columns[:4].tolist()
    ['report', 'as_of', 'about', 'run_id']
    """
    table = _load(Path(out) / HISTORY)
    table = SCHEMA.empty_table() if table is None else table
    return table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get, date_as_object=False)


def differing(out: Path) -> Iterator[str]:
    """The editions below `out` of which the history holds other rows than they do."""
    table = _load(out / HISTORY)
    held = [] if table is None else table.to_pylist()
    for folder in _behind(out, SCHEMA.empty_table()):
        try:
            own = pa.Table.from_pylist(_of_edition(out, folder), SCHEMA).to_pylist()
        except (DataError, pa.ArrowException):
            continue  # what is wrong with it is told elsewhere
        ours = [row for row in held if own and row["run_id"] == own[0]["run_id"]]
        ours = [row for row in ours if row["about"] == own[0]["about"]]
        if ours and sorted(map(repr, ours)) != sorted(map(repr, own)):
            yield folder.relative_to(out).as_posix()


def _load(path: Path) -> pa.Table | None:
    """A history as it lies on the disk, None where none is; a `DataError` where it is damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        table = parquet.ParquetFile(io.BytesIO(content), page_checksum_verification=True).read()
        table.validate(full=True)
        table = _grown(table)
        problem = "" if table.schema.equals(SCHEMA) else "has other columns"
    except Exception as error:  # a damaged file makes the reader raise nearly anything
        problem = f"cannot be read ({type(error).__name__})"
    if not problem and table.select(ORDER).group_by(ORDER).aggregate([]).num_rows < len(table):
        problem = "holds a row twice"
    if problem:
        raise DataError.of("bad_history", HISTORY, problem=problem)
    return table


def _grown(table: pa.Table) -> pa.Table:
    """A history as it was once, with the columns that came since: empty, for nobody told them."""
    known, held = set(SCHEMA.names), set(table.column_names)
    if held == known or not known - held <= {*SINCE} or not held - known <= GONE:
        return table
    for name in known - held:
        values = pa.array([SINCE[name]] * len(table), SCHEMA.field(name).type)
        table = table.append_column(SCHEMA.field(name), values)
    return table.select(SCHEMA.names).cast(SCHEMA)


def _set_aside(path: Path, work: Path) -> str:
    """Keep a damaged history, under a name that is free."""
    names = (f"{DAMAGED}-{number}.parquet" for number in itertools.count(1))
    name = next(name for name in names if not (path.parent / ".runs" / name).exists())
    write_whole(path.parent / ".runs" / name, path.read_bytes(), work)
    return name


def _behind(out: Path, history: pa.Table) -> Iterator[Path]:
    """The folders of editions whose run the history does not hold: from the manifests, which are
    small.
    """
    held = {tuple(map(str, key)) for key in _columns(history, *KEY, "run_id")}
    for pattern in ("[!.]*/[!.]*/results.json", "[!.]*/[!.]*/units/*/results.json"):
        for path in sorted(out.glob(pattern)):
            report, as_of = path.relative_to(out).parts[:2]
            try:
                manifest = json.loads((path.parent / "manifest.json").read_bytes())
                key = (report, as_of, manifest.get("unit") or "company", manifest["run_id"])
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                key = ()
            if key not in held:
                yield path.parent


def _of_edition(out: Path, folder: Path) -> list[dict[str, Any]]:
    """The rows of an edition; a `DataError` when it cannot be read, or is a copy of one that stands
    elsewhere.
    """
    document = results.edition(folder)
    try:
        run = {"rounded_to": None} | document["run"]
        run["key"] = run.get("noise", {}).get("key")
        if (run["report"], run["as_of"]) != folder.relative_to(out).parts[:2]:
            raise ValueError(f"it is a copy of {run['report']}/{run['as_of']}")
        run |= {name: document["data"][name] for name in ("title", "fingerprint")}
        run |= {
            "about": run.get("unit") or "company",
            "as_of": dt.date.fromisoformat(run["as_of"]),
            "published": dt.datetime.fromisoformat(run["finished"]),
        }
        facts = {name: run[name] for name in EDITION}
        return [facts | _plain(row) for row in results.rows_of(document)]
    except (ValueError, TypeError, KeyError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError([Problem(str(folder), "", why)]) from None


def _plain(row: Result) -> dict[str, Any]:
    """A row's fields; what is no number and no text is JSON."""
    return {
        name: value
        if value is None or isinstance(value, str | bool | int | float)
        else json.dumps(value, ensure_ascii=False)
        for name, value in asdict(row).items()
    }


def _bytes(history: pa.Table, new: list[dict[str, Any]]) -> bytes:
    """A history with the rows of editions, in place of those that it had of them; always in the
    same order.
    """
    editions = {tuple(row[name] for name in KEY) for row in new}
    kept = pa.array([key not in editions for key in _columns(history, *KEY)], pa.bool_())
    table = pa.concat_tables([history.filter(kept), pa.Table.from_pylist(new, SCHEMA)])
    table = table.sort_by([(name, "ascending") for name in ORDER]).combine_chunks()
    written = io.BytesIO()
    parquet.write_table(table, written, write_page_checksum=True)  # a damaged bit is seen
    return written.getvalue()


def _columns(history: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(history[name].to_pylist() for name in names), strict=True)

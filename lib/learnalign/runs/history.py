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
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pandas as pd
import pyarrow as pa
import pydantic
from pyarrow import parquet

from learnalign.data.mistakes import DataError, Problem
from learnalign.runs import files
from learnalign.verdicts import document as results
from learnalign.verdicts.result import Result

HISTORY, DAMAGED = "history.parquet", "history.damaged"
ARROW = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    dt.date: pa.date32(),
    pydantic.AwareDatetime: pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True)
class Entry:
    """A result with the edition that it stands in; `about`: the unit that the edition is of, or
    "company".
    """

    report: str
    as_of: dt.date
    about: str
    run_id: str
    published: pydantic.AwareDatetime
    title: str
    fingerprint: str
    min_group: int
    rounded_to: int | None
    result: Result

    __pydantic_config__ = pydantic.ConfigDict(allow_inf_nan=False)


Edition = tuple[str, dt.date, str]  # report, as_of, about: a later run of the same supersedes it
Rows = dict[results.Key, Entry]
READER = pydantic.TypeAdapter(Entry)
OF_RESULT = get_type_hints(Result)
LISTS = [name for name, hint in OF_RESULT.items() if get_origin(hint) is tuple]
FIGURES = [
    name
    for name, hint in OF_RESULT.items()
    if NoneType in get_args(hint) and name != "smallest_effect"
]


def _field(name: str, hint: Any) -> pa.Field:
    kinds = get_args(hint) or (hint,)
    return pa.field(
        name, next((ARROW[kind] for kind in kinds if kind in ARROW), pa.string()), NoneType in kinds
    )


SCHEMA = pa.schema(
    [_field(*item) for item in [*get_type_hints(Entry).items()][:-1] + [*OF_RESULT.items()]]
)


def record(out: Path, work: Path) -> tuple[str, ...]:
    """Bring the history up to the editions below `out`, in one move; a warning for whatever could
    not be used.

    What is damaged goes to `out`/.runs, and is read anew from its edition where that is on disk.
    `work` is a private folder on the same file system. Twice changes no byte. An `OSError` leaves
    it as it was, and the next call mends it.
    """
    path = out / HISTORY
    with open(out / ".runs/history.lock", "a", opener=files.private) as file:
        files.take(file, wait=True)  # reports run side by side
        old = path.read_bytes() if path.exists() else None
        history, warnings = _held(old, out / ".runs", work)
        behind = [*_behind(out, {} if warnings else history)]
        if not (warnings or behind or old is None):
            return ()
        for folder in behind:
            try:
                history |= [_of_edition(out, folder)]
            except DataError as error:
                name = folder.relative_to(out).as_posix()
                warnings.append(f"{name} is not in {HISTORY}: {error.problems[0].problem}")
        new = io.BytesIO()
        parquet.write_table(
            _table(history), new, write_page_checksum=True
        )  # so that a damaged bit is seen
        if new.getvalue() != old:
            _put(new.getvalue(), path, work, 0o644)
    return tuple(warnings)


def read(out: str | Path) -> pd.DataFrame:
    """The history of all editions below `out`: a row per result and edition, hidden ones blank;
    empty where none is.

    `about` is the unit that an edition is of, "company" for all; `as_of` and `published` (UTC) are
    times, counts may be missing, `checks` is a JSON text. A `DataError` when it is damaged: the
    next run mends it. Misleads where an edition was deleted, or a report no longer publishes a
    unit: its rows stay.

    >>> read("nowhere").columns[:4].tolist()
    ['report', 'as_of', 'about', 'run_id']
    """
    try:
        history, damaged = _load((Path(out) / HISTORY).read_bytes())
    except FileNotFoundError:
        history, damaged = {}, []
    if damaged:
        fix = (
            "run any report: it sets the row aside, and reads it anew where its edition is on disk"
        )
        raise DataError(
            [
                Problem(HISTORY, "", f"holds a damaged row: {one['problem']}", fix=fix)
                for one in damaged
            ]
        )
    return _table(history).to_pandas(
        types_mapper={pa.int64(): pd.Int64Dtype()}.get, date_as_object=False
    )


def _behind(out: Path, history: Mapping[Edition, Rows]) -> Iterator[Path]:
    """The folders of editions whose run the history does not hold: from the manifests, which are
    small.
    """
    held = {
        (key[0], str(key[1]), key[2], next(iter(rows.values())).run_id)
        for key, rows in history.items()
    }
    for path in sorted(
        [*out.glob("[!.]*/[!.]*/results.json"), *out.glob("[!.]*/[!.]*/units/*/results.json")]
    ):
        try:
            manifest = json.loads((path.parent / "manifest.json").read_bytes())
            key = (
                *path.relative_to(out).parts[:2],
                manifest.get("unit") or "company",
                manifest["run_id"],
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            key = None
        if key not in held:
            yield path.parent


def _of_edition(out: Path, folder: Path) -> tuple[Edition, Rows]:
    """The rows of an edition; a `DataError` when it cannot be read, or is a copy of one that stands
    elsewhere.
    """
    document = results.edition(folder)
    rows: Rows = {}
    try:
        run, data = document["run"], document["data"]
        if (run["report"], run["as_of"]) != folder.relative_to(out).parts[:2]:
            raise ValueError(f"it is a copy of {run['report']}/{run['as_of']}")
        facts = {
            "rounded_to": None,
            **run,
            "about": run.get("unit") or "company",
            "published": run["finished"],
        }
        facts |= {name: data[name] for name in ("title", "fingerprint")}
        for row in document["results"]:
            _add(rows, _entry(facts, row))
        return (run["report"], dt.date.fromisoformat(run["as_of"]), facts["about"]), rows
    except (ValueError, TypeError, KeyError) as error:
        raise DataError([Problem(str(folder), "", _why(error))]) from None


# --- what is damaged


def _held(old: bytes | None, place: Path, work: Path) -> tuple[dict[Edition, Rows], list[str]]:
    """The rows that are whole; and what to warn of, after the others were set aside."""
    try:
        history, damaged = _load(old) if old is not None else ({}, [])
    except DataError as error:
        names = (place / f"{DAMAGED}-{number}.parquet" for number in itertools.count(1))
        _put(old, aside := next(name for name in names if not name.exists()), work, 0o600)
        told = (
            f"{HISTORY} {error.problems[0].problem}: made anew from the editions on disk, "
            "those deleted since"
        )
        return {}, [f"{told} are at most in .runs/{aside.name}"]
    if not damaged:
        return history, []
    aside = place / f"{DAMAGED}.jsonl"
    lines = "".join(json.dumps(one, default=str) + "\n" for one in damaged)
    _put((aside.read_bytes() if aside.exists() else b"") + lines.encode(), aside, work, 0o600)
    why = "; ".join(dict.fromkeys(one["problem"] for one in damaged))[:300]
    told = (
        f"{len(damaged)} damaged row{'s' * (len(damaged) > 1)} of {HISTORY} set aside in "
        f".runs/{aside.name} ({why})"
    )
    return history, [f"{told}, and read anew where the edition is on disk"]


def _load(content: bytes) -> tuple[dict[Edition, Rows], list[dict[str, Any]]]:
    """The rows of a history, and those that are damaged, with why; a `DataError` where it is no
    history at all.
    """
    try:
        table = parquet.ParquetFile(io.BytesIO(content), page_checksum_verification=True).read()
        found = table.to_pylist() if table.schema.names == SCHEMA.names else None
    except Exception as error:  # a damaged file makes the reader raise nearly anything
        raise DataError(
            [Problem(HISTORY, "", f"cannot be read ({type(error).__name__})")]
        ) from None
    if found is None:
        raise DataError([Problem(HISTORY, "", "has other columns")])
    history: dict[Edition, Rows] = {}
    damaged = []
    for row in found:
        try:
            entry = _entry(row, row | {name: json.loads(row[name]) for name in LISTS})
            _add(history.setdefault((entry.report, entry.as_of, entry.about), {}), entry)
        except (ValueError, TypeError) as error:
            damaged.append({"problem": _why(error), "row": row})
    return history, damaged


def _entry(facts: Mapping[str, Any], row: Mapping[str, Any]) -> Entry:
    """A row of the history; a `ValueError` where it is of another shape, or hidden and not blank."""
    entry = READER.validate_python({**facts, "result": row})
    one = entry.result
    hidden = not one.shown or one.verdict == "hidden"
    if hidden and (one.checks or any(getattr(one, name) is not None for name in FIGURES)):
        raise ValueError("a hidden row holds figures")
    return entry


def _add(rows: Rows, entry: Entry) -> None:
    if entry.result.key in rows:
        raise ValueError("a row stands twice")
    if rows and next(iter(rows.values())).run_id != entry.run_id:
        raise ValueError("a row stands among those of another run")
    rows[entry.result.key] = entry


def _why(error: Exception) -> str:
    """What is wrong, and where, without the value that is there."""
    if isinstance(error, pydantic.ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{first['loc'][-1]}: {first['msg']}"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


# --- how it is written


def _table(history: Mapping[Edition, Rows]) -> pa.Table:
    entries = [entry for _, rows in sorted(history.items()) for _, entry in sorted(rows.items())]
    rows = [
        vars(one) | vars(one.result) | {name: _text(vars(one.result)[name]) for name in LISTS}
        for one in entries
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def _text(value: Any) -> str:
    return json.dumps(value, default=vars, ensure_ascii=False)


def _put(content: bytes, place: Path, work: Path, mode: int) -> None:
    """Write a file in one move: on the disk before it has its name, and no part of it anywhere but
    in `work`.
    """
    with tempfile.NamedTemporaryFile(dir=work, delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).chmod(mode)
    os.replace(file.name, place)

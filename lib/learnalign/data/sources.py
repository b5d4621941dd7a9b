"""Sources: the rows of other systems' exports, as they stand in their files or come of a query."""

import fnmatch
import glob
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from collections.abc import Mapping as Reasons
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.datatypes as types
from ibis.backends.sql.datatypes import DuckDBType
from ibis.expr.types import Table

from learnalign.data import files, layout, scratch, sql, statements, unpacking
from learnalign.data.mapping import Accounts, FileMap, Mapping, TableMap, read_mapping
from learnalign.data.mistakes import DataError, Problem, nearest
from learnalign.data.profiles import FACTS

SIGNS = "%$€£#"
OURS = re.compile(r"_(place$|row$|because$|keeps$|reason$|n$|(raw|tidy|key|is|said)_)", re.I)
JSONS = (".json", ".jsonl", ".ndjson")


@contextmanager
def _told_of(table: str, place: str, notes: Sequence[Problem] = ()) -> Iterator[None]:
    """What the engine cannot compute, as a problem of a place in the mapping."""
    try:
        yield
    except sql.HEAVY:
        raise sql.Costly(table, place) from None
    except duckdb.Error as error:
        lines = (line for line in str(error).splitlines() if line.strip())
        found = Problem.of("not_computed", table, place, next(lines, type(error).__name__))
        raise DataError([found, *notes]) from None


@dataclass(frozen=True)
class Job:
    """What one import works with: engine, mapping, the exports' folder, a place for copies."""

    engine: Any
    mapping: Mapping
    folder: Path
    scratch: Path
    exports: set[str] = field(default_factory=set)  # the names of those that are tables
    notes: list[Problem] = field(default_factory=list)  # what was read how, for whoever imports
    hints: dict[str, dict[str, str]] = field(default_factory=dict)  # what would read what is lost
    unread: list[str] = field(default_factory=list)  # tables of a file with others, and why
    more: dict[str, bool] = field(default_factory=dict)  # of a store's page, whether others follow

    def tell(self, key: str, *place: str, **said: Any) -> None:
        """Note how something was read, in the words of `mistakes.yml`, once."""
        note = Problem.of(key, *place, **said)
        if note not in self.notes:
            self.notes.append(note)

    def fetch(self, table: str, place: str, query: str) -> tuple[Any, ...]:
        """The first row of a query of our own over what the mapping made."""
        return self.fetch_all(table, place, query)[0]

    def fetch_all(self, table: str, place: str, query: str) -> list[tuple[Any, ...]]:
        """Every row of it."""
        with _told_of(table, place):
            return self.engine.con.execute(query).fetchall()

    def held(self, rows: Table) -> Table:
        """Rows that are computed once."""
        here = ibis.util.gen_name("held")
        self.engine.con.execute(f"CREATE TABLE {here} AS {self.engine.compile(rows)}")
        return self.engine.table(here)

    def account_rows(self, one: Accounts, name: str) -> None:
        """A table of other systems' accounts, as `name` in the engine."""
        (path, *_) = _matching(self.folder, one.file, "identities")
        made = TableMap(file=one.file, columns={})
        rows = read_file(self, path, made, "identities", {plain(one.person_id)})
        if missing := {one.person_id, *one.accounts} - {*rows.columns}:
            got = ", ".join(sorted(missing))
            raise DataError.of("no_column", "identities", path.name, name=got)
        self.engine.create_table(name, rows.cache())

    def run(
        self, table: str, place: str, query: str, then: Callable[[Table], Table] | None = None
    ) -> Table:
        """The rows of a SELECT that was looked at, and of what is `then` made of them, computed
        once.
        """
        here = ibis.util.gen_name("step")
        kind = "TABLE" if then is None else "VIEW"
        with _told_of(table, place, self.notes):
            self.engine.con.execute(f"CREATE {kind} {here} AS SELECT * FROM (\n{query}\n)")
            if then is None:
                return self.engine.table(here)
            return self.held(then(self.engine.table(here)))


@contextmanager
def opened(mapping_file: str | Path, accepted: Reasons | None = None) -> Iterator[Job]:
    """The job of a mapping file; its copies vanish afterwards."""
    mapping = read_mapping(mapping_file)
    if strangers := {*(accepted or {})} - {*mapping.tables}:
        known = ", ".join(mapping.tables)
        raise DataError.of(
            "no_such", "--accept-loss", got=", ".join(strangers), what="table", known=known
        )
    losses = mapping.accept_loss | dict(accepted or {})
    mapping = mapping.model_copy(update={"accept_loss": losses})
    folder = (Path(mapping_file).resolve().parent / mapping.source).resolve()
    if not folder.is_dir() or folder.parts[1:2] in (("proc",), ("sys",), ("dev",)):
        raise DataError.of("no_exports", Path(mapping_file).name, "source", str(folder))
    place = scratch.made().resolve()
    try:
        with sql.engine(folder, place, mapping.zone or "UTC") as engine:
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


def origin(job: Job, table: str, made: TableMap) -> Table:
    """The rows of one source of a table, each with its file (`_file`) and line (`_line`)."""
    if made.file is not None:
        paths = _matching(job.folder, made.file, table)
        wanted = {plain(str(one.column)) for one in made.columns.values() if one.column is not None}
        parts = [read_file(job, path, made, table, wanted) for path in paths]
        if made.xapi and all(job.more[path.name] for path in paths):
            job.tell("more_to_come", table, paths[-1].name)
        parts = _alike(parts, paths, table)
        _refuse_ours(table, parts[0])
        if len(parts) == 1:
            return parts[0].mutate(_place=parts[0]._line)
        return _placed(job, _counted_once(job, table, parts))
    there = _by_stem(job.folder)
    stems, place = {stem: stem for stem in there}, (table, "query")
    query, named = sql.look(job.engine, made.query or "", stems, place, job.folder)
    for stem in (stem for stem in there if stem.lower() in named):
        if len(there[stem]) > 1:
            names = ", ".join(path.name for path in there[stem])
            raise DataError.of("two_of_a_stem", *place, names, name=stem)
        job.engine.create_view(stem, read_file(job, there[stem][0], made, table), overwrite=True)
        job.exports.add(stem)
    rows = job.run(table, "query", query)
    places = {"_file": ibis.literal("(query)"), "_line": ibis.row_number() + 1}
    places = {name: at for name, at in places.items() if name not in rows.columns}
    _refuse_ours(table, rows)
    return _placed(job, rows.mutate(**places))


def _refuse_ours(table: str, rows: Table) -> None:
    """A `DataError` where a column has a name that an import gives to one of its own."""
    if taken := [name for name in rows.columns if OURS.match(name)]:
        raise DataError.of("taken_name", table, taken[0])


def _placed(job: Job, rows: Table) -> Table:
    """Rows, each with its place among them."""
    return job.held(rows.mutate(_place=ibis.row_number() + 1))


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """What a query may name: the exports that can be read, by their names without an ending."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        own = unpacking.stem(path)
        if unpacking.is_table(path) and own[0] != "_":
            same = next((stem for stem in found if stem.lower() == own.lower()), own)
            found.setdefault(same, []).append(path)
    return found


def _counted_once(job: Job, table: str, parts: list[Table]) -> Table:
    """The rows of several files; one that stood in an earlier file has its name in `_same_as`.

    Exports that go on from the last one hold its rows again. A row that stands twice in one file
    counts twice.
    """
    both = ibis.union(*parts)
    rows = job.engine.create_table(f"_files_of_{table}", both, overwrite=True)
    own = ", ".join(f'"{name}"' for name in rows.columns if name not in ("_file", "_line"))
    again = f"row_number() OVER (PARTITION BY {own}, _file ORDER BY _line) AS _again"
    first = f"first_value(_file) OVER (PARTITION BY {own}, _again ORDER BY _file)"
    twice = f"(SELECT *, {again} FROM _files_of_{table})"
    query = f"SELECT *, {first} AS _same_as FROM {twice} ORDER BY _file, _line"
    return job.engine.sql(query, dialect="duckdb").drop("_again")


def plain(name: str) -> str:
    """A column's name without regard to case, spaces, accents and byte-order marks; a sign that
    says what is counted stays: `Merit %` is not `Merit $`.
    """
    letters = unicodedata.normalize("NFKD", name.removeprefix("\ufeff")).casefold()
    return "".join(sign for sign in letters if sign.isalnum() or sign in SIGNS) or name


def _matching(folder: Path, pattern: str, table: str) -> list[Path]:
    try:
        is_below = ".." not in Path(pattern).parts and not Path(pattern).is_absolute()
        one = [folder / pattern] * is_below  # `done [1].csv` names itself
        found = [path for path in one if path.is_file()]
        found = found or sorted(path for path in folder.glob(pattern) if path.is_file())
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


def read_file(
    job: Job, path: Path, made: TableMap, table: str, wanted: Collection[str] = ()
) -> Table:
    """One file as it stands, with `_file` and `_line`; text stays text, nothing is guessed."""
    name, own = path.name, _written(job, path)
    if not path.resolve().is_relative_to(job.folder):
        raise DataError.of("outside", table, "file", name)
    sheet = own.sheet or made.sheet
    while (suffix := path.suffix.lower()) in unpacking.PACKED:
        path, notes = unpacking.unpacked(path, sheet, job.scratch)
        job.notes.extend(note for note in notes if note not in job.notes)
        if suffix in unpacking.WRITTEN:
            own = FileMap(delimiter=",", encoding="utf-8", header=own.header)
        sheet = sheet if suffix == ".gz" else None
    if suffix == ".parquet":
        files.parquet_width(path, name)
        rows = job.engine.read_parquet(glob.escape(str(path)), hive_partitioning=False)
    elif suffix in JSONS and made.xapi is not None:
        csv = files.another(f"{path.name}.csv", job.scratch)
        job.more[name] = statements.as_csv(path, csv, made.xapi == "standard")
        return _read_text(job, csv, name, FileMap(delimiter=",", encoding="utf-8"), made, wanted)
    elif suffix in JSONS:
        rows = _read_json(job, path)
    else:
        return _read_text(job, path, name, own, made, wanted)
    return job.held(rows.mutate(_line=ibis.row_number() + 1, _file=ibis.literal(name)))


def _read_json(job: Job, path: Path) -> Table:
    """The objects of a JSON file; those of the one list in it where it holds but one object. Parts
    of a part are columns too: `user.email`.
    """
    place, size = glob.escape(str(path)), max(path.stat().st_size, 16_777_216)
    found = job.engine.read_json(place, maximum_object_size=size).schema()
    columns = {name: DuckDBType.to_string(_as_written(kind)) for name, kind in found.items()}
    rows = job.engine.read_json(place, maximum_object_size=size, columns=columns)
    lists = [
        n for n, kind in rows.schema().items() if kind.is_array() and kind.value_type.is_struct()
    ]
    if len(lists) == 1 and rows.count().execute() == 1:
        (around,) = rows.drop(lists[0]).to_pyarrow().to_pylist() or [{}]
        if any(one for name, one in around.items() if plain(name) in FACTS["more"]):
            job.tell("more_to_come", path.name)
        rows = rows.select(_row=rows[lists[0]].unnest())
        rows = rows.select(*(rows._row[name].name(name) for name in rows._row.names))
    waiting, parts = [(name, rows[name]) for name in rows.columns], {}
    while waiting:
        name, value = waiting.pop()
        inner = value.names if value.type().is_struct() else ()
        waiting += [(f"{name}.{one}", value[one]) for one in inner]
        parts |= {f"{name}.{one}": value[one] for one in inner}
    return rows.mutate(**{name: value for name, value in parts.items() if name not in rows.columns})


def _as_written(kind: Any) -> Any:
    """A type of JSON as it stands there: the engine makes days of texts, in an order that it
    guesses anew for each value, and moments without their zone.
    """
    if kind.is_struct():
        return types.Struct({name: _as_written(one) for name, one in kind.items()})
    if kind.is_array():
        return types.Array(_as_written(kind.value_type))
    if kind.is_map():
        return types.Map(kind.key_type, _as_written(kind.value_type))
    return kind if kind.is_numeric() or kind.is_boolean() else types.string


def _read_text(
    job: Job, path: Path, name: str, own: FileMap, made: TableMap, wanted: Collection[str]
) -> Table:
    """The rows of a CSV file below its header, wherever that stands."""
    told = own.delimiter or made.delimiter or job.mapping.delimiter
    told = told or ("\t" if path.suffix.lower() == ".tsv" else None)
    encoding = own.encoding or made.encoding or job.mapping.encoding
    text = files.as_utf8(path, layout.encoding_of(path, encoding), job.scratch)
    found = layout.looked_at(text, told, wanted, plain)
    if own.header is not None:
        found = replace(found, above=own.header - 1, titles=())
    sign, above = found.delimiter, found.above
    header = files.csv_header(text, name, sign, above)
    if twice := files.doubled(header, name):
        raise DataError(twice)
    end, below = layout.footers(text, sign, len(header))
    if below:
        text = files.cut(text, end, job.scratch)
        job.tell("read_to", name, got=" / ".join(below)[:300], n=len(below))
    rows = files.csv_rows(job.engine, text, name, header, sign, job.mapping.missing, above)
    if told is None and sign != ",":
        job.tell("read_by_sign", name, sign=files.SEPARATORS.get(sign, repr(sign)))
    if found.titles:
        job.tell("read_below", name, got=" / ".join(found.titles)[:300], line=above + 1)
    if found.below:
        rows = _answers(job, name, rows, found)
    return rows.rename(_line="_row").mutate(_file=ibis.literal(name))


def _answers(job: Job, name: str, rows: Table, found: layout.Layout) -> Table:
    """A survey's rows without its further header rows, and without answers in preview mode."""
    rows = rows.filter(rows._row > found.above + 1 + found.below)
    if found.preview:
        previews = rows[found.preview].lower().contains("preview").fill_null(False)
        n = int(rows.filter(previews).count().execute())
        rows = rows.filter(~previews)
    else:
        n = 0
    job.tell("survey_headers", name, last=found.above + 1 + found.below, n=n)
    return rows


def _written(job: Job, path: Path) -> FileMap:
    """How `files` of the mapping says that a file is written."""
    name = path.relative_to(job.folder).as_posix()
    return next((m for p, m in job.mapping.files.items() if fnmatch.fnmatch(name, p)), FileMap())

"""Proposals: a mapping for exports that nobody mapped yet, by their headers and their values.

Each line says why and how sure. What is unsure is a comment: the import then asks for it. Nothing
is decided here that `import` does not check again.
"""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from learnalign.data import identities, profiles, scratch, sources, sql
from learnalign.data.contract import COLUMNS, DATE_OF, REQUIRED_TABLES, Column
from learnalign.data.mapping import Mapping as Map
from learnalign.data.mapping import TableMap
from learnalign.data.mistakes import DataError, Problem, read_yaml
from learnalign.data.pseudonyms import PERSON_COLUMNS

SURE = 0.8
CONSTANTS = {  # what a file of one kind does not say of its rows
    "activity_type": "course",
    "channel": "question",
    "kind": "community",
}
TITLE = "My company"


@dataclass(frozen=True)
class Line:
    """One line of a mapping: a canonical column, where it comes from, and why."""

    column: str
    made: Any
    why: str
    sure: float = 1.0


@dataclass(frozen=True)
class Draft:
    """One table of a mapping."""

    table: str
    file: str
    lines: tuple[Line, ...]

    @property
    def missing(self) -> list[str]:
        """Required columns that no sure line makes."""
        sure = {line.column for line in self.lines if line.sure >= SURE}
        return [c.name for c in COLUMNS[self.table] if c.required and c.name not in sure]


@dataclass(frozen=True)
class Proposal:
    """A mapping as text, what must be decided, and the tables and columns that it will make."""

    text: str
    open: tuple[str, ...]
    makes: frozenset[str]


@dataclass
class _Export:
    name: str
    view: str
    header: list[str]
    pattern: str
    job: Any = field(repr=False)

    def values(self, column: str, most: int = 60) -> list[str]:
        query = (
            f"SELECT DISTINCT {profiles.trimmed(sql.named(column))} AS v FROM {self.view} "
            f"WHERE v <> '' ORDER BY 1 LIMIT {most}"
        )
        return [value for (value,) in self.job.fetch_all(self.name, column, query)]


@cache
def names() -> Mapping[str, Any]:
    """What other systems call tables, columns and words: `synonyms.yml`, read once."""
    return read_yaml(Path(__file__).with_name("synonyms.yml"))


def propose(files: Sequence[str | Path], out: str | Path) -> Proposal:
    """A mapping for some exports, to be written to `out`; they lie in one folder.

    It misleads where a header means something else than its name: read each line.

    >>> propose(["data/demo/people.csv", "data/demo/reviews.csv"], "data/map.yml").open
    ()
    """
    paths = sorted({Path(file).resolve() for file in files})
    if absent := [str(path) for path in paths if not path.is_file()]:
        raise DataError([Problem.of("no_file", "map", got=path) for path in absent])
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    place = scratch.made().resolve()
    meta = {"title": TITLE, "as_of": "2999-12-31", "rating_scale": [1, 2]}
    empty = Map.model_validate({"source": str(folder), "dataset": meta, "tables": {}})
    try:
        with sql.engine(folder, place) as engine:
            job = sources.Job(engine, empty, folder, place)
            exports = _grouped([_looked_at(job, path, i) for i, path in enumerate(paths)])
            drafts = _chosen(exports)
            return _written(
                job, drafts, exports, os.path.relpath(folder, Path(out).resolve().parent)
            )
    finally:
        scratch.cleared(place)


def _looked_at(job: Any, path: Path, number: int) -> _Export:
    made = TableMap(file=path.name, columns={})
    rows = sources.read_file(job, path, made, "map")
    view = f"_from_{number}"
    job.engine.create_table(view, rows.cache())
    header = [name for name in rows.columns if name not in ("_file", "_line")]
    name = path.relative_to(job.folder).as_posix()
    return _Export(name, view, header, name, job)


def _grouped(exports: list[_Export]) -> list[_Export]:
    """Files of one header are one export: the months of a system."""
    found: list[_Export] = []
    for one in exports:
        same = next((other for other in found if other.header == one.header), None)
        start = os.path.commonprefix([one.name, same.pattern.partition("*")[0]]) if same else ""
        if same is None or len(Path(start).name) < 3:
            found.append(one)
            continue
        query = f"INSERT INTO {same.view} SELECT * FROM {one.view}"
        one.job.engine.con.execute(query)
        same.pattern = f"{start}*{Path(one.name).suffix}"
    return found


# --- which file is which table, and which column which


def _chosen(exports: Sequence[_Export]) -> list[Draft]:
    """For each table the export that makes most of it; one export may make several tables."""
    found = []
    people: _Export | None = None
    for table in COLUMNS:
        drafts = [(one, _draft(one, table, people)) for one in exports]
        ranked = sorted(drafts, key=lambda pair: _score(*pair), reverse=True)
        if not ranked or _score(*ranked[0]) <= 0:
            continue
        one, draft = ranked[0]
        people = one if table == "people" else people
        found.append(draft)
    return found


def _score(one: _Export, draft: Draft) -> float:
    """How much speaks for a file as a table: its required columns and its name."""
    required = [c.name for c in COLUMNS[draft.table] if c.required]
    by_name = any(_plain(word) in _plain(one.name) for word in names()["files"][draft.table])
    made = {line.column: line for line in draft.lines}
    own = [name for name in required if name in made and "constant" not in str(made[name].made)]
    others = [name for name in made if name not in required]
    if len([name for name in required if name in made]) < len(required) - by_name:
        return 0
    if DATE_OF[draft.table] not in made and not by_name:
        return 0
    needs_name = draft.table in ("learning", "acknowledgements", "ties") and len(own) < 3
    if needs_name and not by_name and not others:
        return 0
    return len(own) / len(required) + 0.1 * len(others) + by_name


def _draft(one: _Export, table: str, people: _Export | None) -> Draft:
    lines = []
    taken: set[str] = set()
    for column in COLUMNS[table]:
        line = _line(one, table, column, taken)
        if line is not None:
            lines.append(line)
            source = line.made.get("column") if isinstance(line.made, dict) else line.made
            taken.add(str(source))
        elif column.name in CONSTANTS:
            made = {"constant": CONSTANTS[column.name]}
            lines.append(Line(column.name, made, "no column says it: check this word"))
    if table == "people":
        lines += _attributes(one, taken)
    return Draft(table, one.pattern, tuple(lines))


def _attributes(one: _Export, taken: set[str]) -> Iterator[Line]:
    known = {_plain(name) for name in names()["attributes"]}
    for name in one.header:
        if _plain(name) in known and name not in taken:
            own = "_".join(name.lower().split())
            yield Line(own, name, "an attribute of people, by its header")


def _plain(name: str) -> str:
    return sources.plain(name)


def _line(one: _Export, table: str, column: Column, taken: set[str]) -> Line | None:
    """The best source column of a canonical one, by its header and then by its values."""
    known = [column.name, *names()["columns"][table].get(column.name, ())]
    if column.name == "person_id":
        known += names()["person"]
    best: tuple[float, str, str] = (0, "", "")
    for name in (name for name in one.header if name not in taken):
        likeness, why = _alike(name, known)
        if likeness > best[0]:
            best = (likeness, name, why)
    if best[0] < 0.6:
        return None
    line = Line(column.name, best[1], best[2], best[0])
    return _by_values(one, column, line)


def _alike(name: str, known: Sequence[str]) -> tuple[float, str]:
    bare = _plain(name)
    spelt = [_plain(word) for word in known]
    if bare in spelt:
        return 1 - spelt.index(bare) / 1000, "the header is a known name of it"
    near = difflib.get_close_matches(bare, spelt, n=1, cutoff=0.85)
    if near:
        return 0.75, f"the header is nearly a known name of it ({near[0]})"
    return 0, ""


def _by_values(one: _Export, column: Column, line: Line) -> Line | None:
    """A line with the way in which its values are read, or less sure where none reads them."""
    name = str(line.made)
    if column.kind in ("date", "number", "whole"):
        return _read(one, column, line)
    theirs = names()["values"].get(column.name) or {word: [word] for word in column.allowed}
    if not column.allowed and column.name not in names()["values"]:
        return line
    ours = {_plain(word): own for own, words in theirs.items() for word in (own, *words)}
    values = one.values(name)
    unknown = [value for value in values if _plain(value) not in ours]
    if len(unknown) > len(values) / 2:
        return None
    pairs = {value: ours[_plain(value)] for value in values if _plain(value) in ours}
    if unknown:
        pairs |= dict.fromkeys(unknown, "?")
        why = f"decide what these mean: {', '.join(unknown[:5])}"
        return Line(column.name, {"column": name, "values": pairs}, why, 0.5)
    if all(value.lower() == own for value, own in pairs.items()):
        return line
    return replace(
        line, made={"column": name, "values": pairs}, why=f"{line.why}; its words are known"
    )


def _read(one: _Export, column: Column, line: Line) -> Line | None:
    name, job = str(line.made), one.job
    text = profiles.tidy(sql.named(name))
    found = profiles.tally(
        job, (one.view.removeprefix("_from_"), column.name), f"({text})", column.kind, None
    )
    if not found.n:
        return replace(line, why=f"{line.why}; it is empty")
    way = profiles.chosen(found, (one.name, name), column.kind, {})
    if way is None:
        return None
    if isinstance(way, Problem):
        first = max(found.reads, key=lambda key: found.reads[key])
        made = {"column": name, "date": first} if column.kind == "date" else {"column": name}
        return Line(column.name, made, way.problem, 0.5)
    share = found.reads[way] / found.n
    why = f"{line.why}; {share:.0%} of {found.n:,} are read {profiles.FACTS['ways'][way]}"
    made: dict[str, Any] = {"column": name}
    if column.kind == "date" and way != "iso":
        made["date"] = way
    if way == "comma":
        made["decimal"] = ","
    if way in profiles.SPANS:
        made["unit"] = way
    if column.name == "hours" and way in profiles.NUMBERS:
        made |= {"unit": "minutes"} if "min" in name.lower() else {}
    sure = line.sure if share >= 0.95 else 0.5
    if found.offsets:
        sure, why = 0.5, f"{why}; its day hangs on the zone: name `zone` above"
    return replace(line, made=made if len(made) > 1 else name, why=why, sure=sure)


# --- as text


def _written(job: Any, drafts: list[Draft], exports: Sequence[_Export], source: str) -> Proposal:
    drafts = [draft for draft in drafts if draft.lines]
    views = {one.pattern: one for one in exports}
    head = [
        "# Proposed from the exports: read each line. What is unsure is a comment: decide it.",
        f"source: {source}",
        *_identities(job, drafts, views),
        "dataset:",
        *_dataset(drafts, views),
        "tables:",
    ]
    body, unsure = [], []
    for draft in drafts:
        body += [f"  {draft.table}:", f"    file: {_text(draft.file)}", "    columns:"]
        for line in draft.lines:
            mark = "" if line.sure >= SURE else "# unsure: "
            body.append(f"      {mark}{line.column}: {_text(line.made)}  # {line.why}")
            if mark:
                unsure.append(f"{draft.table}.{line.column}: {line.why}")
        unsure += [
            f"{draft.table}.{name}: no column was found"
            for name in draft.missing
            if name not in {x.column for x in draft.lines}
        ]
    made = {draft.table for draft in drafts}
    unsure += [f"{table}: no export was found" for table in REQUIRED_TABLES if table not in made]
    makes = {f"{d.table}.{line.column}" for d in drafts for line in d.lines if line.sure >= SURE}
    return Proposal("\n".join([*head, *body]) + "\n", tuple(unsure), frozenset({*makes, *made}))


def _text(value: Any) -> str:
    """A value as YAML in one line."""
    return (
        yaml.safe_dump(
            value, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False
        )
        .removesuffix("...\n")
        .strip()
    )


def _dataset(drafts: Sequence[Draft], views: Mapping[str, _Export]) -> Iterator[str]:
    ratings = _column(drafts, "reviews", "rating")
    yield f"  title: {TITLE}"
    last = max(
        (day for day in (_last_day(draft, views) for draft in drafts) if day), default="2000-01-01"
    )
    yield f'  as_of: "{last}"  # the last day in the data'
    values = views[ratings[0]].values(ratings[1], 200) if ratings else []
    marks = sorted(
        {
            float(v.replace(",", "."))
            for v in values
            if v.replace(",", ".").replace(".", "", 1).isdigit()
        }
    )
    if marks and len(marks) <= 10 and all(mark == int(mark) for mark in marks):
        scale = [*range(int(marks[0]), int(marks[-1]) + 1)]
        yield f"  rating_scale: {scale}  # from the lowest to the highest rating found: correct it"
    else:
        low, high = (marks[0], marks[-1]) if len(marks) > 1 else (1, 5)
        yield f"  rating_scale: {{min: {low:g}, max: {high:g}}}  # the ratings found: correct it"
    known = {column.name for column in COLUMNS["people"]}
    own = [
        x.column for d in drafts if d.table == "people" for x in d.lines if x.column not in known
    ]
    if own:
        yield f"  attributes: {_text(own)}"


def _column(drafts: Sequence[Draft], table: str, column: str) -> tuple[str, str] | None:
    for draft in drafts:
        for line in draft.lines:
            if (draft.table, line.column) == (table, column):
                made = line.made.get("column") if isinstance(line.made, dict) else line.made
                return (draft.file, str(made)) if made else None
    return None


def _last_day(draft: Draft, views: Mapping[str, _Export]) -> str:
    """The last day that dates a row of a table, of people the last hiring."""
    line = next((x for x in draft.lines if x.column == DATE_OF[draft.table]), None)
    if (
        line is None
        or line.sure < SURE
        or (isinstance(line.made, dict) and "column" not in line.made)
    ):
        return ""
    name = line.made["column"] if isinstance(line.made, dict) else line.made
    way = line.made.get("date", "iso") if isinstance(line.made, dict) else "iso"
    one = views[draft.file]
    value = profiles.date_value(profiles.tidy(sql.named(name)), (way,))
    day = one.job.fetch(one.name, name, f"SELECT max({value}) FROM {one.view}")[0]
    return str(day or "")


def _identities(job: Any, drafts: Sequence[Draft], views: Mapping[str, _Export]) -> list[str]:
    """The repairs, or the list of accounts, by which ids of other files are people."""
    known = _column(drafts, "people", "person_id")
    if known is None:
        return []
    con, people = job.engine.con, views[known[0]]
    own = f"SELECT DISTINCT {profiles.trimmed(sql.named(known[1]))} AS person_id FROM {people.view}"
    con.execute(f"CREATE TABLE _people AS SELECT * FROM ({own}) WHERE person_id <> ''")
    repairs: list[str] = []
    for table, name in _references():
        there = _column(drafts, table, name)
        if there is None or table == "people":
            continue
        ids = f'{profiles.trimmed(sql.named(there[1]))} AS "{name}", NULL AS _because'
        con.execute(f"CREATE OR REPLACE TABLE _rows_of AS SELECT {ids} FROM {views[there[0]].view}")
        counts = f'count(*), count(*) FILTER ("{name}" IN (FROM _people))'
        n, exact = job.fetch(table, name, f"SELECT {counts} FROM _rows_of WHERE \"{name}\" <> ''")
        some, joined = identities.helpful(job, table, name) if exact < n else ((), 0)
        repairs += [repair for repair in some if repair not in repairs and joined > exact]
    if not repairs:
        return []
    why = "more ids are people with these: check that they are the same"
    return [f"identities: {{repair: [{', '.join(repairs)}]}}  # {why}"]


def _references() -> list[tuple[str, str]]:
    """Every column of ids of people, by its table."""
    return [
        (table, c.name) for table in COLUMNS for c in COLUMNS[table] if c.name in PERSON_COLUMNS
    ]

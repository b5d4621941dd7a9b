"""Proposals: a mapping for exports that nobody mapped yet, by their headers and their values.

Each line says why and how sure. What is unsure is a comment: the import then asks for it. Nothing
is decided here that `import` does not check again.
"""

import datetime as dt
import itertools
import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from learnalign.data import (
    files,
    identities,
    profiles,
    scratch,
    sources,
    sql,
    statements,
    unpacking,
)
from learnalign.data.contract import COLUMNS, DATE_OF, REQUIRED_TABLES
from learnalign.data.drafts import SURE, Draft, Export, chosen
from learnalign.data.mapping import Mapping as Map
from learnalign.data.mapping import TableMap
from learnalign.data.mistakes import DataError, Problem
from learnalign.data.pseudonyms import PERSON_COLUMNS

TITLE = "My company"


@dataclass(frozen=True)
class Proposal:
    """A mapping as text, what must be decided, and the tables and columns that it will make."""

    text: str
    open: tuple[str, ...]
    makes: frozenset[str]


def propose(exports: Sequence[str | Path], out: str | Path) -> Proposal:
    """A mapping for some exports, to be written to `out`; they lie in one folder.

    It misleads where a header means something else than its name: read each line.

    >>> propose(["data/demo/people.csv", "data/demo/reviews.csv"], "data/map.yml").open
    ()
    """
    paths = sorted({Path(file).resolve() for file in exports})
    if absent := [str(path) for path in paths if not path.is_file()]:
        raise DataError([Problem.of("no_file", "map", got=path) for path in absent])
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    place = scratch.made().resolve()
    meta = {"title": TITLE, "as_of": "2999-12-31", "rating_scale": [1, 2]}
    empty = Map.model_validate({"source": str(folder), "dataset": meta, "tables": {}})
    try:
        with sql.engine(folder, place) as engine:
            job = sources.Job(engine, empty, folder, place)
            exports = _grouped([one for path in paths for one in _looked_at(job, path)])
            drafts = chosen(exports)
            return _written(
                job, drafts, exports, os.path.relpath(folder, Path(out).resolve().parent)
            )
    finally:
        scratch.cleared(place)


def _looked_at(job: Any, path: Path) -> Iterator[Export]:
    """The tables of a file: one, but for workbooks, archives and databases."""
    try:
        yield _export(job, path, None)
    except unpacking.Several as several:
        for sheet in several.names:
            try:
                yield _export(job, path, sheet)
            except DataError as error:  # one view that fails hides no others
                job.unread.append(f"{path.name} {sheet}: {error.problems[0].problem}")


def _export(job: Any, path: Path, sheet: str | None) -> Export:
    is_xapi = ".json" in path.name.lower() and statements.are_in(path)
    xapi = "as_it_is" if is_xapi else None
    made = TableMap(file=path.name, sheet=sheet, xapi=xapi, columns={})
    with sources.told(path.name):
        try:
            rows = sources.read_file(job, path, made, "map")
        except files.OtherBytes:  # what most programs of the West write that do not write UTF-8
            made = made.model_copy(update={"encoding": "windows-1252"})
            rows = sources.read_file(job, path, made, "map")
        view = f"_from_{len(job.engine.list_tables())}"
        job.engine.create_table(view, rows.cache())
    header = [name for name in rows.columns if name not in ("_file", "_line")]
    name = path.relative_to(job.folder).as_posix()
    own = f"{name} {sheet}" if sheet else name
    return Export(own, view, header, name, job, sheet, is_xapi, made.encoding)


def _grouped(exports: list[Export]) -> list[Export]:
    """Files of one header are one export: the months of a system."""
    found: list[Export] = []
    for one in exports:
        alike = (one.header, one.sheet)
        same = next((other for other in found if (other.header, other.sheet) == alike), None)
        start = os.path.commonprefix([one.pattern, same.pattern.partition("*")[0]]) if same else ""
        if same is None or len(Path(start).name) < 3:
            found.append(one)
            continue
        query = f"INSERT INTO {same.view} SELECT * FROM {one.view}"
        one.job.engine.con.execute(query)
        same.pattern = f"{start}*{Path(one.pattern).suffix}"
    return found


# --- as text


def _written(job: Any, drafts: list[Draft], exports: Sequence[Export], source: str) -> Proposal:
    drafts = [draft for draft in drafts if draft.lines]
    head = [
        "# Proposed from the exports: read each line. What is unsure is a comment: decide it.",
        f"source: {source}",
        *_identities(job, drafts),
        "dataset:",
        *_dataset(drafts),
        "tables:",
    ]
    body, unsure, before, twice = [], [], set(), set()
    for draft in sorted(drafts, key=lambda draft: [*COLUMNS].index(draft.table)):
        also = draft.table in before
        is_second = also and draft.table not in twice
        body += _lines(draft, "      " if also else "    ", is_second)
        (twice if also else before).add(draft.table)
        place = f"{draft.export.name}: {draft.table}" if also else draft.table
        unsure += [f"{place}.{x.column}: {x.why}" for x in draft.lines if x.sure < SURE]
        lines = {line.column for line in draft.lines}
        unsure += [f"{place}.{n}: no column was found" for n in draft.missing if n not in lines]
    used = {draft.export.name for draft in drafts}
    unsure += [f"{one.name}: no table is made of it" for one in exports if one.name not in used]
    made = {draft.table for draft in drafts}
    unsure += job.unread
    unsure += [f"{table}: no export was found" for table in REQUIRED_TABLES if table not in made]
    makes = {f"{d.table}.{line.column}" for d in drafts for line in d.lines if line.sure >= SURE}
    return Proposal("\n".join([*head, *body]) + "\n", tuple(unsure), frozenset({*makes, *made}))


def _lines(draft: Draft, gap: str, is_first: bool) -> Iterator[str]:
    """A table of a mapping; below `also` where another system holds more of it."""
    if len(gap) == 4:
        yield f"  {draft.table}:"
    elif is_first:
        yield "    also:"
    start = gap if len(gap) == 4 else f"{gap}- "
    gap = " " * len(start)
    yield f"{start}file: {_text(draft.export.pattern)}"
    yield from [f"{gap}sheet: {_text(draft.export.sheet)}"] * bool(draft.export.sheet)
    if draft.export.encoding:
        yield f"{gap}encoding: {draft.export.encoding}  # not UTF-8: check letters such as é and ü"
    yield from (f"{gap}{line}" for line in draft.also)
    yield f"{gap}columns:"
    named = [x for x in draft.lines if not isinstance(x.made, dict) or "column" in x.made]
    for line in draft.lines:
        mark = "" if line.sure >= SURE else "# unsure: "
        yield f"{gap}  {mark}{line.column}: {_text(line.made)}  # {line.why}"
    used = {x.made["column"] if isinstance(x.made, dict) else x.made for x in named}
    rest = [name for name in draft.export.header if name not in used and not draft.export.is_xapi]
    yield from [f"{gap}  # not used: {', '.join(rest)}"[:300]] * bool(rest)


def _text(value: Any) -> str:
    """A value as YAML in one line."""
    return (
        yaml.safe_dump(
            value, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False
        )
        .removesuffix("...\n")
        .strip()
    )


def _dataset(drafts: Sequence[Draft]) -> Iterator[str]:
    ratings = _column(drafts, "reviews", "rating")
    yield f"  title: {TITLE}"
    last = max((day for day in map(_last_day, drafts) if day), default="2000-01-01")
    yield f'  as_of: "{last}"  # the last day in the data'
    values = ratings[0].values(ratings[1], 200) if ratings else []
    marks = _scale(
        {
            float(v.replace(",", "."))
            for v in values
            if v.replace(",", ".").replace(".", "", 1).isdigit()
        }
    )
    is_short = 0 < len(marks) <= 10 and marks[-1] - marks[0] < 13
    if is_short and all(mark == int(mark) for mark in marks):
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


def _scale(found: set[float]) -> list[float]:
    """The ratings found, without marks for no rating: what stands further from all than two of the
    usual steps, and a 0 below 1 to 5.
    """
    marks = sorted(found)
    kept = marks
    if len(marks) in range(3, 13) and all(mark == int(mark) for mark in marks):
        steps = [high - low for low, high in itertools.pairwise(marks)]
        far = [at for at, step in enumerate(steps, 1) if step > 2 * statistics.median_low(steps)]
        runs = [marks[low:high] for low, high in itertools.pairwise([0, *far, len(marks)])]
        longest = max(runs, key=len)
        kept = longest if 2 * len(longest) >= len(marks) else marks
    return kept[1:] if kept[:2] == [0, 1] and kept[-1] == 5 else kept


def _column(drafts: Sequence[Draft], table: str, column: str) -> tuple[Export, str] | None:
    for draft in drafts:
        for line in draft.lines:
            if (draft.table, line.column) == (table, column):
                made = line.made.get("column") if isinstance(line.made, dict) else line.made
                return (draft.export, str(made)) if made else None
    return None


def _last_day(draft: Draft) -> str:
    """The last day that dates a row of a table, of people the last hiring; not one of a few days to
    come, which somebody mistyped.
    """
    line = next((x for x in draft.lines if x.column == DATE_OF[draft.table]), None)
    if (
        line is None
        or line.sure < SURE
        or (isinstance(line.made, dict) and "column" not in line.made)
    ):
        return ""
    name = line.made["column"] if isinstance(line.made, dict) else line.made
    way = line.made.get("date", "iso") if isinstance(line.made, dict) else "iso"
    one = draft.export
    value = profiles.date_value(profiles.tidy(sql.named(name)), (way,))
    late = f"v > DATE '{dt.date.today()}'"
    past = f"count(*) FILTER ({late}) > 0.05 * count(*), max(v), max(v) FILTER (NOT {late})"
    query = f"SELECT {past} FROM (SELECT {value} AS v FROM {one.view})"
    is_late, last, day = one.job.fetch(one.name, name, query)
    return str((last if is_late else day) or "")


def _identities(job: Any, drafts: Sequence[Draft]) -> list[str]:
    """The repairs, or the list of accounts, by which ids of other files are people."""
    known = _column(drafts, "people", "person_id")
    if known is None:
        return []
    con, people = job.engine.con, known[0]
    own = f"SELECT DISTINCT {profiles.trimmed(sql.named(known[1]))} AS person_id FROM {people.view}"
    con.execute(f"CREATE TABLE _people AS SELECT * FROM ({own}) WHERE person_id <> ''")
    repairs: list[str] = []
    for draft, table, name in ((one, *pair) for one in drafts for pair in _references()):
        there = _column([draft], table, name)
        if there is None or table == "people":
            continue
        ids = f'{profiles.trimmed(sql.named(there[1]))} AS "{name}", NULL AS _because'
        con.execute(f"CREATE OR REPLACE TABLE _rows_of AS SELECT {ids} FROM {there[0].view}")
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

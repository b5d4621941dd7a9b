"""From the source rows of a table to canonical rows: what stands in each column, and what it is.

A column is read in the way that the mapping tells or, where it tells none, in the one way that fits
all its values (`profiles`). What cannot be decided is asked: a `Problem`, and nothing is written.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ibis
from ibis.expr.types import Table

from learnalign.data import identities, profiles, pseudonyms, questions, sql, statements, unmapped
from learnalign.data.contract import COLUMNS, DATE_OF, Column, Kind, canonical, columns_of
from learnalign.data.mapping import ColumnMap, Scalar, TableMap
from learnalign.data.mistakes import DataError, Problem, nearest
from learnalign.data.sources import Job, origin, plain, told

PEOPLE = pseudonyms.PERSON_COLUMNS
FEW = 4  # rows for each different text, from which it is worth while to read each once


@dataclass
class Reading:
    """What is found while a table's columns are looked at: expressions, questions, ways."""

    job: Job
    table: str
    made: TableMap
    header: Sequence[str]
    ways: dict[str, str] = field(default_factory=dict)  # how columns are read, told or chosen
    hints: dict[str, str] = field(default_factory=dict)  # what would read the rest of them
    problems: list[Problem] = field(default_factory=list)
    tidy: dict[str, str] = field(default_factory=dict)  # the tidy text of a source column
    few: dict[str, str] = field(default_factory=dict)  # the source columns of few different texts
    texts: dict[str, str] = field(default_factory=dict)  # tables of those texts, `_n` rows of each

    @property
    def rows(self) -> str:
        """The name of the source rows in the engine."""
        return f"_from_{self.table}"

    def counted(self, raw: str, value: str) -> str:
        """SQL: values `t` of a source column and how many rows (`n`) have each, some of them in
        several parts.
        """
        n, place = ("_n", self.texts[raw]) if raw in self.texts else ("1", sql.named(self.rows))
        return f"(SELECT {value} AS t, {n} AS n FROM {place})"


def all_mapped(job: Job) -> dict[str, Table]:
    """Every table that the mapping makes, in the contract's order; or all that is in the way."""
    mapped, problems = {}, []
    key = pseudonyms.read_key(job.mapping.pseudonyms.key) if job.mapping.pseudonyms else None
    for name in (name for name in COLUMNS if name in job.mapping.tables):
        try:
            with told(name):
                parts, before = [], 0
                for part in job.mapping.tables[name].parts:  # type: ignore[index]
                    if parts:
                        before = int(parts[-1]._row.max().execute() or before)
                    parts.append(_mapped(job, name, part, key, before))
                mapped[name] = ibis.union(*parts) if len(parts) > 1 else parts[0]
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems, "the mapping or its sources")
    return mapped


def _mapped(job: Job, table: str, made: TableMap, key: bytes | None, before: int) -> Table:
    """The rows of a source with canonical columns in canonical types, and what stood there
    (`_raw_…`); `before` counts the rows of sources before it.
    """
    found = origin(job, table, made)
    header = [name for name in found.columns if name != "_place"]
    at = Reading(job, table, made, header)
    columns = columns_of(table, job.mapping.dataset)
    _note_source(at, found, columns)
    pairs = dict(_pairs(at, columns))
    at.problems += unmapped.of_source(at, pairs) if not at.problems else []
    if at.problems:
        raise DataError(at.problems)
    rows = _brought(at, columns, pairs, before)
    job.hints[table] = job.hints.get(table, {}) | at.hints
    rows = identities.resolved(job, table, rows)
    return rows if key is None else pseudonyms.applied(job.engine, rows, key)


def _brought(
    at: Reading, columns: Sequence[Column], pairs: Mapping[str, tuple[str, str]], before: int
) -> Table:
    """The rows that the expressions make. What is the same in each is not written with each."""
    kinds = {column.name: column.kind for column in columns}
    parts = ["_line", _because(at, pairs), f"_place + {before} AS _row"]
    wrong = {"_wrong": ibis.null("string")} if not at.made.xapi else {}
    parts += ["_file", *(["CAST(_wrong AS VARCHAR) AS _wrong"] if at.made.xapi else [])]
    rows, same, late = sql.named(at.rows), wrong, {}
    for number, (name, (raw, value)) in enumerate(pairs.items()):
        made = at.made.columns.get(name)
        if made is None or made.constant is not None:
            text = ibis.null("string") if made is None else ibis.literal(_word(made.constant))
            same |= {f"_raw_{name}": text, name: canonical(text, kinds[name])}
            continue
        both = [f"CAST({one} AS VARCHAR)" for one in (raw, value)]
        if name in at.few:
            rows += _read_once(at, name, kinds[name], both, number)
            both = [f"_raw_{number}", f"_is_{number}"]
        else:
            late[name] = kinds[name]
        parts += [f'{both[0]} AS "_raw_{name}"', f'{both[1]} AS "{name}"']
    query = f"SELECT {', '.join(parts)} FROM {rows}"
    held = at.job.run(at.table, "columns or set_aside", query, _canonical(late))
    order = ["_file", "_line", "_because", "_row", "_wrong"]
    order += [one for name in pairs for one in (f"_raw_{name}", name)]
    whole = held.mutate(**same).select(*order)
    return at.job.engine.create_view(ibis.util.gen_name("mapped"), whole)


def _canonical(kinds: Mapping[str, Kind]) -> Callable[[Table], Table]:
    """What makes of texts the values of their kinds."""
    return lambda rows: rows.mutate(**{n: canonical(rows[n], kind) for n, kind in kinds.items()})


def _note_source(at: Reading, found: Table, columns: Sequence[Column]) -> None:
    """Source rows in the engine, each with its place, and with a tidy text beside each column of
    dates or numbers. What is done to texts is done once for each different one where they are few.
    """
    kinds, raws = {column.name: column.kind for column in columns}, {}
    for name, one in at.made.columns.items():
        with contextlib.suppress(DataError):  # told where the column is looked at
            if one.column is not None:
                raws[name] = _source_column(str(one.column), at.header, at.table, name)
    texts = [raw for raw in {*raws.values()} if found[_unquoted(raw)].type().is_string()]
    dated = [raw for name, raw in raws.items() if kinds.get(name) in ("date", "number", "whole")]
    at.tidy = {raw: sql.named(f"_tidy_{place}") for place, raw in enumerate(dict.fromkeys(dated))}
    whole = ibis.util.gen_name("source")
    at.job.engine.create_view(whole, found)
    own = "".join(f", {profiles.tidy(raw)} AS {name}" for raw, name in at.tidy.items())
    query = f"SELECT *{own} FROM {sql.named(whole)}"
    at.job.engine.con.execute(f"CREATE OR REPLACE VIEW {sql.named(at.rows)} AS {query}")
    few = [raw for raw in texts if _are_few(at, raw, whole)]
    at.few = {name: raw for name, raw in raws.items() if raw in few}
    for raw in few:
        at.texts[raw] = ibis.util.gen_name("texts")
        counted = f"SELECT {raw}, count(*) AS _n FROM {sql.named(whole)} GROUP BY 1"
        tidy = f", {profiles.tidy(raw)} AS {at.tidy[raw]}" if raw in at.tidy else ""
        query = f"CREATE TABLE {at.texts[raw]} AS SELECT *{tidy} FROM ({counted})"
        at.job.engine.con.execute(query)


def _are_few(at: Reading, raw: str, rows: str) -> bool:
    """Whether there are several rows for each different text; where the first say so, they do."""
    start = (
        f"SELECT count({raw}), count(DISTINCT {raw}) FROM (SELECT {raw} FROM {rows} LIMIT 20000)"
    )
    n, differ = at.job.fetch(at.table, "columns", start)
    if n < 20000 or differ * FEW < n:
        return differ * FEW < n
    query = f"SELECT count(*), approx_count_distinct({raw}) FROM {rows}"
    n, differ = at.job.fetch(at.table, "columns", query)
    return differ * FEW < n


def _read_once(at: Reading, column: str, kind: Kind, both: Sequence[str], number: int) -> str:
    """SQL: a join with what is made of each different text in a column: what stood there, its value
    and, of a day, why there is none.
    """
    source, said = at.few[column], f"CAST(NULL AS VARCHAR) AS _said_{number}"
    if column == DATE_OF[at.table]:
        said = f"{_no_day(column, at.tidy[source])} AS _said_{number}"
    made = f"{source} AS _key_{number}, {both[0]} AS _raw_{number}, {both[1]} AS _is_{number}"
    query = f"SELECT {made}, {said} FROM {at.texts[source]}"
    typed = at.job.run(at.table, column, query, _canonical({f"_is_{number}": kind}))
    own = f"_key_{number} IS NOT DISTINCT FROM {source}"
    return f" LEFT JOIN {sql.named(typed.get_name())} ON {own}"


def _no_day(column: str, text: str) -> str:
    """SQL: why a row is set aside whose day stands for none."""
    said = f"concat({sql.quoted(f'{column} stands for no day: ')}, {text})"
    return f"CASE WHEN {profiles.is_nothing(text)} THEN {said} END"


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"')


def _pairs(at: Reading, columns: Sequence[Column]) -> Iterator[tuple[str, tuple[str, str]]]:
    """For each canonical column what stands in the source and what it becomes, as SQL."""
    job, table = at.job, at.table
    waiting = []  # columns that two ways read: their sisters decide
    for column in columns:
        try:
            pair = _pair(at, column)
            if isinstance(pair, Problem):
                waiting.append(column)
                continue
            job.fetch_all(table, column.name, f"SELECT {pair[1]} FROM {sql.named(at.rows)} LIMIT 0")
            yield column.name, pair
        except DataError as error:
            at.problems += error.problems
    for column in waiting:
        pair = _pair(at, column)
        if isinstance(pair, Problem):
            at.problems.append(pair)
        else:
            yield column.name, pair


def _because(at: Reading, pairs: dict[str, tuple[str, str]]) -> str:
    """Why a row is set aside: what the mapping says, or a date that stands for none."""
    asides = [
        f"CASE WHEN {_looked_at(at, item.sql, 'set_aside')} THEN {sql.quoted(item.because)} END"
        for item in at.made.set_aside
    ]
    own = [name for name in at.header if name[0] != "_"]
    every = ", ".join(f"CAST({sql.named(name)} AS VARCHAR)" for name in own)
    asides.append(f"CASE WHEN coalesce({every}, NULL) IS NULL THEN 'the row holds nothing' END")
    date = DATE_OF[at.table]
    one = at.made.columns.get(date)
    if at.table != "people" and one is not None and one.column is not None:
        text = at.tidy.get(pairs[date][0], f"CAST({pairs[date][0]} AS VARCHAR)")
        asides.append(f"_said_{[*pairs].index(date)}" if date in at.few else _no_day(date, text))
    if at.made.xapi:
        asides += _voided(sql.named(at.rows))
    if "_same_as" in at.header:
        asides.append(
            "CASE WHEN _same_as <> _file THEN concat('the same row stands in ', _same_as) END"
        )
    return f"coalesce({', '.join([*asides, 'CAST(NULL AS VARCHAR)'])}) AS _because"


def _voided(rows: str) -> Iterator[str]:
    """Statements that void others, those that were voided, and further copies of one."""
    voids = f"verb = {sql.quoted(statements.VOIDED)}"
    yield f"CASE WHEN {voids} THEN 'voids another statement' END"
    gone = f'(SELECT lower("object.id") FROM {rows} WHERE {voids})'
    yield f"CASE WHEN lower(id) IN {gone} THEN 'was voided by another statement' END"
    again = "row_number() OVER (PARTITION BY lower(id) ORDER BY _file, _line) > 1"
    yield f"CASE WHEN id <> '' AND {again} THEN 'the same statement stands before' END"


def _looked_at(at: Reading, text: str, place: str) -> str:
    return sql.look_at_value(at.job.engine, text, at.job.exports, (at.table, place))


def _pair(at: Reading, column: Column) -> tuple[str, str] | Problem:
    """Two SQL expressions of a column: what stands in the source, and what it becomes."""
    made = at.made.columns.get(column.name)
    if made is None:
        return "NULL", "NULL"
    if made.sql is not None:
        value = _looked_at(at, made.sql, column.name)
        return questions.zoned(at, column, value), value
    if made.constant is not None:
        return _scalar(made.constant), _scalar(made.constant)
    raw = _source_column(str(made.column), at.header, at.table, column.name)
    if made.values is not None:
        cases = [f"WHEN {_scalar(a)} THEN {_scalar(b)}" for a, b in made.values.items()]
        return raw, f"CASE {profiles.trimmed(raw)} {' '.join(cases)} END"
    if column.kind == "text" or column.kind == "flag":
        return _text(at, column, made, raw)
    kind = at.job.engine.table(at.rows).schema()[_unquoted(raw)]
    if column.kind == "date":
        return _date(at, column, made, raw, kind)
    return _number(at, column, made, raw, kind.is_numeric())


def _text(at: Reading, column: Column, made: ColumnMap, raw: str) -> tuple[str, str]:
    raw_of, value = raw, profiles.trimmed(raw)
    value = f"CASE WHEN NOT {profiles.is_nothing(value)} THEN {value} END"
    raw = f"CASE WHEN {value} IS NOT NULL THEN {raw} END"
    if column.allowed:  # "In Progress" is in_progress
        plain = rf"regexp_replace(lower({value}), '[\s_\-]+', '_', 'g')"
        known = ", ".join(map(sql.quoted, column.allowed))
        value = f"CASE WHEN {plain} IN ({known}) THEN {plain} ELSE {value} END"
    if column.name not in PEOPLE and column.kind == "text":
        value = questions.spelt(at, column, made, value, at.counted(raw_of, value))
    return raw, value


def _date(
    at: Reading, column: Column, made: ColumnMap, raw: str, kind: Any
) -> tuple[str, str] | Problem:
    place = (at.table, column.name)
    if kind.is_date() or kind.is_timestamp():
        return _moment(at, column, made, raw)
    text, ways = at.tidy[raw], made.dates
    texts = at.counted(raw, text)
    said = profiles.date_value("t", ways) if ways else None
    found = profiles.tally(at.job, place, texts, "date", said)
    at.problems += questions.zone_named(at, place, str(made.column), texts)
    at.problems += questions.swapped(at, place, texts, found)
    if found.offsets and at.job.mapping.zone is None:
        raise DataError.of("zone_needed", *place, found.examples.get("iso", ""), n=found.offsets)
    if not ways:
        way = profiles.chosen(found, place, "date", at.ways) if found.n else "iso"
        if isinstance(way, Problem):
            return way
        ways = (way or "iso",)
        if ways != ("iso",):
            at.job.tell("read_so", *place, words=profiles.FACTS["ways"][ways[0]], n=found.n)
        if found.reads[ways[0]] < found.n:  # what would read the rest
            found = profiles.tally(at.job, place, texts, "date", profiles.date_value("t", ways))
    elif problem := questions.another_way(at, place, found, ways):
        raise DataError([problem])
    at.ways[column.name] = _order(ways)
    at.hints[column.name] = profiles.hint(found, "date")
    value = profiles.date_value(text, ways)
    raw = raw if column.required else f"CASE WHEN NOT {profiles.is_nothing(text)} THEN {raw} END"
    return raw, f"CASE WHEN NOT {profiles.is_nothing(text)} THEN {value} END"


def _moment(at: Reading, column: Column, made: ColumnMap, raw: str) -> tuple[str, str]:
    """A day of a column that is one in the source already, or a moment."""
    value, text = questions.zoned(at, column, raw), f"CAST({raw} AS VARCHAR)"
    place, texts = (at.table, column.name), at.counted(raw, text)
    at.problems += questions.zone_named(at, place, str(made.column), texts)
    return value, f"CASE WHEN NOT {profiles.is_nothing(text)} THEN CAST({raw} AS DATE) END"


def _order(ways: Sequence[str]) -> str:
    """Which of the two orders is told by a format."""
    numeric = [way for way in ways if "%m" in way and "%d" in way]
    orders = {"day_first" if way.find("%d") < way.find("%m") else "month_first" for way in numeric}
    return orders.pop() if len(orders) == 1 else ways[0]


def _number(
    at: Reading, column: Column, made: ColumnMap, raw: str, is_typed: bool
) -> tuple[str, str] | Problem:
    place, text = (at.table, column.name), at.tidy[raw]
    texts = at.counted(raw, text)
    told = {",": "comma", ".": "point"}.get(made.decimal or "") or (
        made.unit if made.unit in profiles.SPANS else "point" if is_typed else None
    )
    ways = profiles.ways_of(column.name, column.kind)
    said = ways[told]("t") if told in ways else None
    found = profiles.tally(at.job, place, texts, column.kind, said)
    if told is None and found.n:
        told = profiles.chosen(found, place, column.kind, at.ways)
        if isinstance(told, Problem):
            return told
        if told not in (None, "point"):
            at.job.tell("read_so", *place, words=profiles.FACTS["ways"][told], n=found.n)
        told = told or "point"
        if told != "point" or found.reads[told] < found.n:  # its ends, and what would read the rest
            found = profiles.tally(at.job, place, texts, column.kind, ways[told]("t"))
    told = told or "point"
    at.ways[column.name], at.hints[column.name] = told, profiles.hint(found, column.kind)
    at.problems += questions.of_numbers(at, column, made, texts, told, found)
    value = raw if is_typed and told == "point" else ways[told](text)
    value = questions.in_unit(at, column, made, text, value, told)
    nothing = profiles.is_nothing(text)
    raw = raw if column.required else f"CASE WHEN NOT {nothing} THEN {raw} END"
    return raw, f"CASE WHEN NOT {nothing} THEN {value} END"


def _scalar(value: Scalar) -> str:
    return sql.quoted(_word(value))


def _word(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _source_column(name: str, header: Sequence[str], table: str, column: str) -> str:
    """The source's own spelling of a column, found without regard to case, spaces and accents."""
    own = [there for there in header if there not in ("_file", "_line")]
    alike = [there for there in own if plain(there) == plain(name)]
    match = [there for there in own if there == name] or alike
    if len(match) == 1:
        return sql.named(match[0])
    if match:
        raise DataError.of("several_columns", table, column, ", ".join(match), name=name)
    spelt = {plain(there): there for there in own}
    near, there = spelt.get(nearest(plain(name), spelt)), ", ".join(own)[:200]
    raise DataError.of("no_column", table, column, there, name=name, near=near)

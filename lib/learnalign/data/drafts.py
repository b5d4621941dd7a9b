"""Drafts: which export is which table, and which of its columns is which of ours.

By headers, in four languages (`synonyms.yml`), and by whether the values can be read as what the
column holds.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from learnalign.data import profiles, sources, sql
from learnalign.data.contract import COLUMNS, DATE_OF, PLANNED, Column
from learnalign.data.mistakes import Problem, read_yaml

SURE = 0.8
EVENTS = ("learning", "acknowledgements", "ties")  # more than one system may hold them
CONSTANTS = {  # what a file of one kind does not say of its rows
    "activity_type": "course",
    "channel": "question",
    "kind": "community",
}


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
    export: "Export"
    lines: tuple[Line, ...]
    also: tuple[str, ...] = ()  # further lines of the table

    @property
    def missing(self) -> list[str]:
        """Required columns that no sure line makes."""
        sure = {line.column for line in self.lines if line.sure >= SURE}
        return [c.name for c in COLUMNS[self.table] if c.required and c.name not in sure]


@dataclass
class Export:
    """An export as a table of the engine: its header, and the pattern that takes its files."""

    name: str
    view: str
    header: list[str]
    pattern: str
    job: Any = field(repr=False)
    sheet: str | None = None
    is_xapi: bool = False
    encoding: str | None = None

    def values(self, column: str, most: int = 60) -> list[str]:
        """The first of the different texts in a column."""
        query = (
            f"SELECT DISTINCT {profiles.trimmed(sql.named(column))} AS v FROM {self.view} "
            f"WHERE v <> '' ORDER BY 1 LIMIT {most}"
        )
        return [value for (value,) in self.job.fetch_all(self.name, column, query)]


@cache
def names() -> Mapping[str, Any]:
    """What other systems call tables, columns and words: `synonyms.yml`, read once."""
    return read_yaml(Path(__file__).with_name("synonyms.yml"))


# --- which file is which table, and which column which


def chosen(exports: Sequence[Export]) -> list[Draft]:
    """For each table the export that makes most of it; one export may make several tables. Others
    that hold events go beside it.
    """
    found = []
    people: Export | None = None
    for table in (name for name in COLUMNS if name != PLANNED):  # our own
        drafts = [(one, _draft(one, table, people)) for one in exports]
        ranked = sorted(drafts, key=lambda pair: _score(*pair), reverse=True)
        if not ranked or _score(*ranked[0]) <= 0:
            continue
        one, draft = ranked[0]
        people = one if table == "people" else people
        found.append(draft)
    used = {draft.export.name for draft in found}
    for one in (one for one in exports if one.name not in used):
        drafts = [_draft(one, table, people) for table in EVENTS]
        best = max(drafts, key=lambda draft: _score(one, draft))
        found += [best] if _score(one, best) > 0 else []
    return found


def _score(one: Export, draft: Draft) -> float:
    """How much speaks for a file as a table: its required columns and its name."""
    if one.is_xapi:
        return float(bool(draft.lines))
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


def _of_statements(one: Export, table: str) -> Draft:
    """A table of xAPI statements, by the verbs that say what it holds."""
    known = names()["verbs"].get(table, [])
    words = [word for word in one.values("verb.word", 500) if word in known]
    if not words:
        return Draft(table, one, ())
    date = DATE_OF[table]
    lines = [Line("person_id", "person", "the actor's account, mailbox or OpenID")]
    for name, source in ((date, "timestamp"), ("hours", "duration")):
        column = next((c for c in COLUMNS[table] if c.name == name), None)
        line = column and _read(one, column, Line(name, source, "by the standard"))
        lines += [line] if line else []
    constant = "activity_type" if table == "learning" else "channel"
    lines.append(Line(constant, {"constant": CONSTANTS[constant]}, "check this word"))
    also = ["xapi: standard  # each statement must keep xAPI 1.0.3"]
    if table == "learning":
        lines.append(Line("activity_id", "object.id", "by the standard"))
        also.append("once: [person_id, activity_id, learned_on]  # passed and completed are one")
    some = ", ".join(map(sql.quoted, words))
    sentence = f"another verb than {', '.join(words)}"
    aside = f'"\\"verb.word\\" NOT IN ({some})"'
    also.append(f'set_aside: [{{sql: {aside}, because: "{sentence}"}}]')
    return Draft(table, one, tuple(lines), tuple(also))


def _draft(one: Export, table: str, people: Export | None) -> Draft:
    if one.is_xapi:
        return _of_statements(one, table)
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
    return Draft(table, one, tuple(lines))


def _attributes(one: Export, taken: set[str]) -> Iterator[Line]:
    known = {_plain(name) for name in names()["attributes"]}
    for name in one.header:
        if _plain(name) in known and name not in taken:
            own = "_".join(name.lower().split())
            yield Line(own, name, "an attribute of people, by its header")


def _plain(name: str) -> str:
    return sources.plain(name)


def _line(one: Export, table: str, column: Column, taken: set[str]) -> Line | None:
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


def _by_values(one: Export, column: Column, line: Line) -> Line | None:
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


def _read(one: Export, column: Column, line: Line) -> Line | None:
    name, job = str(line.made), one.job
    text = profiles.tidy(sql.named(name))
    texts = f"(SELECT {text} AS t, 1 AS n FROM {one.view})"
    found = profiles.tally(job, (one.name, column.name), texts, column.kind, None)
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
    if way in profiles.SPANS and not found.long:  # long ones are asked about
        made["unit"] = way
    if column.name == "hours" and way in profiles.NUMBERS:
        made |= {"unit": "minutes"} if "min" in name.lower() else {}
    sure = line.sure if share >= 0.95 else 0.5
    if found.offsets:
        sure, why = 0.5, f"{why}; its day hangs on the zone: name `zone` above"
    return replace(line, made=made if len(made) > 1 else name, why=why, sure=sure)

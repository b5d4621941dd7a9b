"""Broken rules: the rows of a table that break the contract, found inside the engine, so that a
table of any size can be checked.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.datatypes as types
import pandas as pd
from ibis.expr.types import Table

from learnalign.data.contract import (
    KEYS,
    PEOPLE_REFERENCES,
    REQUIRED_TABLES,
    Meta,
    Rule,
    rules,
    stood,
)
from learnalign.data.mistakes import Problem


def annotate(tables: Mapping[str, Table], table: str) -> Table:
    """A table with what its rules need from elsewhere: known people, their days, copies of keys."""
    found = tables[table]
    if table in KEYS:
        number = ibis.row_number().over(group_by=list(KEYS[table]), order_by="_row")
        found = found.mutate(_copy=number + 1)
    return _beside_people(found, tables, table)


def _beside_people(found: Table, tables: Mapping[str, Table], table: str) -> Table:
    """Rows with whether their people are known, and reviews with the days of those reviewed."""
    nothing = ibis.null(types.date)
    references = [name for name in PEOPLE_REFERENCES if name in found.columns]
    if "people" not in tables:  # its absence is a problem of its own; the other rules still speak
        unknown = {f"_known_{name}": ibis.null(types.boolean) for name in references}
        return found.mutate(**unknown, _hired_on=nothing, _left_on=nothing)
    if table == "people":
        return found
    people = tables["people"].select("person_id", "hired_on", "left_on").distinct(on="person_id")
    days = {"_hired_on": people.hired_on, "_left_on": people.left_on} if table == "reviews" else {}
    for name in references:
        known = people.select(_id="person_id", **days)
        joined = found.left_join(known, found[name] == known._id)
        found = joined.mutate(**{f"_known_{name}": joined._id.notnull()}).drop("_id")
    return found


def table_problems(tables: Mapping[str, Table], table: str, meta: Meta) -> list[Problem]:
    """Every broken rule of one table, in the order of the rules.

    One pass finds whether any row breaks any rule; which rule is counted, and rows are fetched,
    only where one does.
    """
    promises = rules(table, meta)
    n_rows, is_whole = _seen(tables, table, promises)
    if not n_rows and table in REQUIRED_TABLES:
        return [Problem.of("no_rows", table)]
    if is_whole:
        return []
    annotated = annotate(tables, table)
    counts = {
        str(i): annotated.count(where=~rule.holds(annotated)) for i, rule in enumerate(promises)
    }
    n_broken = annotated.aggregate(**counts).to_pyarrow().to_pylist()[0].values()
    broken = [(rule, n) for rule, n in zip(promises, n_broken, strict=True) if n]
    bad = annotated.filter(ibis.or_(*(~rule.holds(annotated) for rule, _ in broken))).cache()
    return [_problem(bad, table, rule, n) for rule, n in broken]


def _seen(tables: Mapping[str, Table], table: str, promises: Sequence[Rule]) -> tuple[int, bool]:
    """How many rows a table has, and whether all keep every rule; every cell of it is read.

    Copies of keys are counted, not numbered, and strangers looked for, not joined: an event table
    is passed over, not sorted or widened.
    """
    found, keys = tables[table], list(KEYS.get(table, ()))
    joined = table == "reviews"  # its days are compared with those of its people
    found = _beside_people(found, tables, table) if joined else found
    plain = [rule for rule in promises if not rule.is_key and (joined or not rule.refers)]
    own = [name for name in found.columns if name[0] != "_"]  # attributes may have any name
    cells = {f"_cell_{i}": found[name].count() for i, name in enumerate(own)}
    broken = found.count(where=ibis.or_(*(~rule.holds(found) for rule in plain)))
    got = found.aggregate(_rows=found.count(), _broken=broken, **cells)
    got = got.to_pyarrow().to_pylist()[0]
    n_rows, n_broken = got["_rows"], got["_broken"]
    if keys:
        n_broken += n_rows - tables[table].select(keys).distinct().count().to_pyarrow().as_py()
    strangers = [] if joined or "people" not in tables else [r for r in promises if r.refers]
    for rule in strangers:
        those = found.filter(found[rule.column].notnull())
        known = tables["people"].select("person_id")
        those = those.anti_join(known, those[rule.column] == known.person_id)
        n_broken += those.count().to_pyarrow().as_py()
    return n_rows, not n_broken


def _problem(annotated: Table, table: str, rule: Rule, n_rows: int) -> Problem:
    """A broken rule with the first rows that break it and what stood there."""
    bad = annotated.filter(~rule.holds(annotated)).order_by("_row").limit(5)
    raw = {name: stood(bad, name[5:]) for name in rule.show if name.startswith("_raw_")}
    some = bad.mutate(**{name: cell.cast(types.string) for name, cell in raw.items()}).execute()
    values = [" / ".join(_word(row[name]) for name in rule.show) for _, row in some.iterrows()]
    got, rows = ", ".join(filter(None, dict.fromkeys(values))), tuple(some._row.astype(int))
    return Problem(table, rule.column, rule.problem, got, rule.allowed, rule.fix, rows, n_rows)


def _word(value: Any) -> str:
    if isinstance(value, pd.Timestamp | dt.date):
        return str(value)[:10]
    text = "" if pd.isna(value) else str(value)[:60]
    return text if text == text.strip() else repr(text)  # blanks around it would not be seen

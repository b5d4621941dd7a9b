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

    One pass counts the rows that break each rule; rows are fetched only where there are any.
    """
    promises = rules(table, meta)
    n_rows, n_broken = _counted(tables, table, promises)
    if not n_rows and table in REQUIRED_TABLES:
        return [Problem.of("no_rows", table)]
    broken = [(rule, n) for rule, n in zip(promises, n_broken, strict=True) if n]
    if not broken:
        return []
    annotated = annotate(tables, table)
    bad = annotated.filter(ibis.or_(*(~rule.holds(annotated) for rule, _ in broken))).cache()
    return [_problem(bad, table, rule, n) for rule, n in broken]


def _counted(
    tables: Mapping[str, Table], table: str, promises: Sequence[Rule]
) -> tuple[int, list[int]]:
    """How many rows a table has, and how many break each rule; every cell of it is read.

    Copies of keys are counted, not numbered: numbers need all rows in their order.
    """
    found, keys = _beside_people(tables[table], tables, table), list(KEYS.get(table, ()))
    counts = {
        str(i): found.count(where=~rule.holds(found))
        for i, rule in enumerate(promises)
        if not rule.is_key
    }
    cells = {f"_{name}": found[name].count() for name in tables[table].columns if name != "_row"}
    got = found.aggregate(_rows=found.count(), **counts, **cells).to_pyarrow().to_pylist()[0]
    n_rows, n_keys = got["_rows"], 0
    if keys:
        n_keys = tables[table].select(keys).distinct().count().to_pyarrow().as_py()
    return n_rows, [got.get(str(i), n_rows - n_keys) for i in range(len(promises))]


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

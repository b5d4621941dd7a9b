"""Ratios: shares and means of groups, each counted as its entry in `facts.yml` says.

An entry is a numerator over a denominator: SQL expressions over the columns of some rows, counted
by DuckDB. They are the project's own, never a user's text. Facts claim nothing, and privacy looks
at the people on both sides of a share before anybody else does.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import duckdb
import pandas as pd
import yaml
from ibis.expr.types import Table
from pydantic import BaseModel, ConfigDict

from learnalign.estimates import ask, leaders
from learnalign.estimates.described import OWNERS, mean, raters, share
from learnalign.facts import drivers, gaps, merit, networks, saying, spending
from learnalign.studies import Study
from learnalign.verdicts.result import Fit

FACTS = Path(__file__).with_name("facts.yml")
LOCKED = {"enable_external_access": "false", "lock_configuration": "true", "threads": "1"}

Rows = pd.DataFrame | Table


class Entry(BaseModel):
    """A part of `facts.yml`: no other keys, and never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(Entry):
    """One share or mean; or a family of them, where `by` or the function names each of its own."""

    numerator: str = ""
    denominator: str = "true"
    function: str = ""  # what makes it, where it is no ratio
    rows: str = ""  # the measure's own where none are named
    unit: str = "%"  # a share; everything else is a mean
    by: tuple[str, ...] = ()  # columns: one for each of their values, and named so
    optional: tuple[str, ...] = ()  # columns that may be empty throughout
    part_of: str = ""  # figures that add up to a whole name the same one
    is_secret: bool = True  # whether the rarer side of a share is anybody's to keep


class Measure(Entry):
    """The figures that stand in one picture, under the names that a reader sees."""

    question: str
    figures: dict[str, Figure]
    rows: str = ""
    together: bool = False  # where one must be hidden, all are


@dataclass(frozen=True)
class Facts:
    """A measure's figures by name, their units, and the names that add up to each whole."""

    fits: dict[str, Fit]
    units: dict[str, str]
    parts: list[list[str]]


Made = Fit | Mapping[str, Fit] | None

ROWS: Mapping[str, Callable[[Study], Rows]] = {
    "person_cycles": lambda study: study.cycles,
    "gaps": lambda study: study.journeys.gaps,
    "assessed": lambda study: study.journeys.assessed,
    "acknowledgements": gaps.acknowledgements,
    "reflecting": gaps.reflecting,
    "surveyed_gaps": drivers.surveyed_gaps,
    "answers": merit.answers,
    "people": networks.people,
    "people_by_group": networks.people_by_group,
    "community_ties": networks.community_ties,
    "spending": spending.per_person,
}
"""What `facts.yml` can count: rows with a person_id, unit and, mostly, manager_id."""

FUNCTIONS: Mapping[str, Callable[[Study], Made]] = {
    "first_time": lambda study: leaders.first_time(study.quarters),
    "said_and_done": lambda study: drivers.correlation(study.made(drivers.said_and_done)),
    "say_more": lambda study: drivers.say_more(study.made(drivers.said_and_done)),
    "follows": merit.follows,
    "said_at_all": lambda study: saying.said_at_all(study.cycles),
    "last_less_first": lambda study: saying.last_less_first(study.cycles),
    "after_reflecting": lambda study: gaps.after_reflecting(study.made(gaps.reflecting)),
    "strong": lambda study: drivers.strong_less_others(study.made(drivers.surveyed_gaps)),
    "hours_per_closed_gap": lambda study: ask.cost(study, "hours")[0],
}
"""What makes figures that are no ratios."""


def read() -> Mapping[str, Measure]:
    """Every measure of `facts.yml`, by its key.

    >>> read()["merit_as_cost"].question
    'Q7'
    """
    return _read(FACTS)


@cache
def _read(path: Path) -> Mapping[str, Measure]:
    entries = yaml.safe_load(path.read_text("utf-8"))
    return {key: Measure.model_validate(entry) for key, entry in entries.items()}


def figures(study: Study, key: str) -> Facts:
    """The figures of a measure that can be made of a study, before privacy. Misleads as `counted`.

    >>> import learnalign as la
    >>> [*figures(la.study("data/demo"), "merit_as_cost").units.items()]
    [('merit beyond what the matrix aims at', 'percentage points')]
    """
    measure = read()[key]
    entries = measure.figures.items()
    needed = {one.rows or measure.rows for one in measure.figures.values() if one.numerator}
    rows = {name: study.made(ROWS[name]) for name in needed}
    made = {name: study.made(FUNCTIONS[one.function]) for name, one in entries if one.function}
    found = counted(measure, rows, made)
    money = {name: ask.currency(study) for name, unit in found.units.items() if unit == "currency"}
    return replace(found, units=found.units | money)


def counted(
    measure: Measure, rows: Mapping[str, Rows], made: Mapping[str, Made] | None = None
) -> Facts:
    """The figures of a measure, in percent or their unit, with intervals clustered by manager.

    `rows` are frames, or tables of the data set, by the names that entries use, with person_id,
    unit and manager_id (the unit stands in where it is missing, or always empty); `made` are
    those that functions make. A row counts where numerator and denominator are known. Left
    out is a figure that names a column which is empty throughout, and one without an interval.

    Misleads where what was not recorded cannot be told from what was not so.

    >>> rows = pd.DataFrame({"person_id": list("abc"), "unit": list("xxy"), "hours": [1, 0, 2]})
    >>> some = {"some": Figure(numerator="hours > 0", rows="learned")}
    >>> found = counted(Measure(question="Q1", figures=some), {"learned": rows})
    >>> round(found.fits["some"].estimate, 1)
    66.7
    """
    fits: dict[str, Fit] = {}
    units, wholes = {}, defaultdict(list)
    answer = cache(lambda name: _answering(rows[name]))
    for name, figure in measure.figures.items():
        found = (made or {}).get(name)
        family = found if isinstance(found, Mapping) else {name: found}
        if figure.numerator:
            of = figure.rows or measure.rows
            sums = answer(of)(_sums(figure, [*rows[of].columns]))
            for one, whole, part in _groups(sums, name, figure):
                wholes[whole].append(one)
                family = {**family, one: _fit(figure, part)}
        own = {one: fit for one, fit in family.items() if fit is not None}
        fits |= own
        units |= dict.fromkeys(own, figure.unit)
    return Facts(fits, units, [names for whole, names in wholes.items() if whole])


def _groups(
    sums: pd.DataFrame, name: str, figure: Figure
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The name of each figure that an entry makes, the whole that it is a part of, and its rows."""
    if not figure.by:
        yield name, figure.part_of, sums
        return
    for values, part in sums.groupby([*figure.by], observed=True):
        yield ": ".join(map(str, values)), str(values[0]), part


def _answering(rows: Rows) -> Callable[[str], pd.DataFrame]:
    """What answers queries on these rows, by the name of `counted`."""
    if isinstance(rows, Table):
        return lambda query: rows.alias("counted").sql(query, dialect="duckdb").execute()
    engine = duckdb.connect(config=LOCKED).register("counted", rows)
    return lambda query: engine.execute(query).df()


def _sums(figure: Figure, columns: list[str]) -> str:
    """The query for numerator and denominator of the rows that count, added up for each person and
    manager.
    """
    keys = ", ".join(f'"{name}"' for name in (*OWNERS, *figure.by) if name in columns)
    words = set(re.findall(r"\w+", f"{figure.numerator} {figure.denominator}"))
    needed = sorted(words.intersection(columns) - {*figure.optional})
    counts = ["_num is not null", "_den > 0"]
    counts += [f"exists (select 1 from counted where {name} is not null)" for name in needed]
    return f"""
        with both_known as (
            select *, cast({figure.numerator} as double) as _num,
                cast({figure.denominator} as double) as _den
            from counted)
        select {keys}, sum(_num) as num, sum(_den) as den
        from both_known where {" and ".join(counts)} group by {keys} order by {keys}"""


def _fit(figure: Figure, sums: pd.DataFrame) -> Fit | None:
    cluster, by = raters(sums) if "manager_id" in sums else (sums.unit, "unit")
    kind = share if figure.unit == "%" else mean
    fit = kind(sums.num, sums.person_id, cluster, of=sums.den, by=by)
    return fit if fit is None or figure.is_secret else replace(fit, n_people_smaller=None)

"""Ratios: shares and means of groups, each counted as its entry in `facts.yml` says.

An entry is a numerator over a denominator: SQL expressions over the columns of some rows, counted
by DuckDB. They are the project's own, never a user's text. Facts claim nothing, and privacy looks
at the people on both sides of a share before anybody else does.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from learnalign.facts import drivers, gaps, merit, networks, spending
from learnalign.studies import Study
from learnalign.verdicts.result import Fit

FACTS = Path(__file__).with_name("facts.yml")
LOCKED = {"enable_external_access": "false", "lock_configuration": "true", "threads": "1"}

Rows = pd.DataFrame | Table


class Entry(BaseModel):
    """A part of `facts.yml`: no other keys, and never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(Entry):
    """One share or mean. Without a numerator the measure's function makes it."""

    numerator: str = ""
    denominator: str = "true"
    rows: str = ""  # the measure's own where none are named
    unit: str = "%"  # a share; everything else is a mean
    optional: tuple[str, ...] = ()  # columns that may be empty throughout
    part_of: str = ""  # figures that add up to a whole name the same one
    is_secret: bool = True  # whether the rarer side of a share is anybody's to keep


class Measure(Entry):
    """The figures that stand in one picture, under the names that a reader sees."""

    question: str
    figures: dict[str, Figure] = {}
    rows: str = ""
    by: tuple[str, ...] = ()  # columns: figures are made for each of their values, and named so
    function: str = ""  # what makes the figures without a numerator
    unit: str = "%"  # of the function's figures that have no entry
    together: bool = False  # where one must be hidden, all are


@dataclass(frozen=True)
class Facts:
    """A measure's figures by name, their units, and the names that add up to each whole."""

    fits: dict[str, Fit]
    units: dict[str, str]
    parts: list[list[str]]


def _difference(study: Study) -> dict[str, Fit | None]:
    found = gaps.after_reflecting(study.made(ROWS["reflecting"]))
    return {"acknowledged in the next window: difference, same manager and cycle": found}


def _strong(study: Study) -> dict[str, Fit | None]:
    found = drivers.strong_less_others(study.made(ROWS["surveyed_gaps"]))
    return {"difference between strong and other units": found}


def _hours(study: Study) -> dict[str, Fit | None]:
    return {"hours of learning on its skill for one more closed gap": ask.cost(study, "hours")[0]}


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

FUNCTIONS: Mapping[str, Callable[[Study], Mapping[str, Fit | None]]] = {
    "first_time": lambda study: leaders.first_time(study.quarters),
    "walk_the_talk": drivers.walk_the_talk,
    "follows": merit.follows,
    "after_reflecting": _difference,
    "strong_less_others": _strong,
    "hours_per_closed_gap": _hours,
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
    """The figures of a measure that can be made of a study, as they are before privacy.

    >>> import learnalign as la
    >>> [*figures(la.study("data/demo"), "merit_as_cost").units.items()]
    [('merit beyond what the matrix aims at', 'percentage points')]
    """
    measure = read()[key]
    needed = {one.rows or measure.rows for one in measure.figures.values() if one.numerator}
    rows = {name: study.made(ROWS[name]) for name in needed}
    made = study.made(FUNCTIONS[measure.function]) if measure.function else {}
    found = counted(measure, rows, made)
    money = {name: ask.currency(study) for name, unit in found.units.items() if unit == "currency"}
    return replace(found, units=found.units | money)


def counted(
    measure: Measure, rows: Mapping[str, Rows], made: Mapping[str, Fit | None] | None = None
) -> Facts:
    """The figures of a measure, in percent or their unit, with intervals clustered by manager.

    `rows` are frames, or tables of the data set, by the names that entries use, with person_id,
    unit and manager_id (the unit stands in where it is missing, or always empty); `made` are the
    figures of the measure's function. A row counts where numerator and denominator are known. Left
    out is a figure that names a column which is empty throughout, and one without an interval.

    Misleads where what was not recorded cannot be told from what was not so.

    >>> rows = pd.DataFrame({"person_id": list("abc"), "unit": list("xxy"), "hours": [1, 0, 2]})
    >>> some = {"some": Figure(numerator="hours > 0", rows="learned")}
    >>> found = counted(Measure(question="Q1", figures=some), {"learned": rows})
    >>> round(found.fits["some"].estimate, 1)
    66.7
    """
    found, wholes = dict(made or {}), defaultdict(list)
    for name, figure in measure.figures.items():
        if not figure.numerator:
            continue
        sums = _sums(figure, rows[figure.rows or measure.rows], measure.by)
        for one, whole, part in _groups(sums, name, figure, measure.by):
            wholes[whole].append(one)
            found[one] = _fit(figure, part)
    order = dict.fromkeys((*measure.figures, *found))
    fits = {name: fit for name in order if (fit := found.get(name)) is not None}
    units = {name: measure.figures.get(name, measure).unit for name in fits}
    return Facts(fits, units, [names for whole, names in wholes.items() if whole])


def _groups(
    sums: pd.DataFrame, name: str, figure: Figure, by: Sequence[str]
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The name of each figure that an entry makes, the whole that it is a part of, and its rows."""
    if not by:
        yield name, figure.part_of, sums
        return
    for values, part in sums.groupby([*by], observed=True):
        yield ": ".join(map(str, values)), str(values[0]), part


def _sums(figure: Figure, rows: Rows, by: Sequence[str]) -> pd.DataFrame:
    """Numerator and denominator of the rows that count, added up for each person and manager."""
    keys = ", ".join(f'"{name}"' for name in (*OWNERS, *by) if name in rows.columns)
    words = set(re.findall(r"\w+", f"{figure.numerator} {figure.denominator}"))
    needed = sorted(words.intersection(rows.columns) - {*figure.optional})
    counts = ["_num is not null", "_den > 0"]
    counts += [f"exists (select 1 from counted where {name} is not null)" for name in needed]
    query = f"""
        with both_known as (
            select *, cast({figure.numerator} as double) as _num,
                cast({figure.denominator} as double) as _den
            from counted)
        select {keys}, sum(_num) as num, sum(_den) as den
        from both_known where {" and ".join(counts)} group by {keys} order by {keys}"""
    if isinstance(rows, Table):
        return rows.alias("counted").sql(query, dialect="duckdb").execute()
    with duckdb.connect(config=LOCKED) as engine:
        return engine.register("counted", rows).execute(query).df()


def _fit(figure: Figure, sums: pd.DataFrame) -> Fit | None:
    cluster, by = raters(sums) if "manager_id" in sums else (sums.unit, "unit")
    kind = share if figure.unit == "%" else mean
    fit = kind(sums.num, sums.person_id, cluster, of=sums.den, by=by)
    return fit if fit is None or figure.is_secret else replace(fit, n_people_smaller=None)

"""The contract: what every table must hold, checked in words that a person can act on.

The canonical tables are data (`contract.yml`); so are the promises about their rows (`rules`),
which are checked inside the engine, so that a table of any size can be checked. Reading the files
of a data set is in `reading`.
"""

import datetime as dt
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import ibis
import ibis.expr.datatypes as types
import pandas as pd
import pydantic
from ibis.expr.types import BooleanValue, StringValue, Table, Value

from learnalign.data.mistakes import DataError, Problem, problems_of, read_yaml

# --- the columns

Kind = Literal["text", "number", "whole", "date", "flag"]
TYPES: dict[Kind, types.DataType] = {
    "text": types.string,
    "number": types.float64,
    "whole": types.int64,
    "date": types.date,
    "flag": types.boolean,
}
KIND_WORDS: dict[Kind, tuple[str, str]] = {
    "text": ("text", "text"),
    "number": ("a number", "a number with a decimal point, such as 3.5"),
    "whole": ("a whole number", "a whole number, such as 3"),
    "date": ("a date", "a date as YYYY-MM-DD"),
    "flag": ("true or false", "true or false"),
}


@dataclass(frozen=True)
class Column:
    """A canonical column: its kind and what may stand in it."""

    name: str
    kind: Kind = "text"
    required: bool = False
    allowed: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    may_be_later: bool = False  # a deadline may lie after `as_of`; nothing else may


def _column(name: str, facts: Mapping[str, Any]) -> Column:
    return Column(name, **{**facts, "allowed": tuple(facts.get("allowed", ()))})


_TABLES = read_yaml(Path(__file__).with_name("contract.yml"))
COLUMNS: dict[str, tuple[Column, ...]] = {
    name: tuple(_column(*column) for column in table["columns"].items())
    for name, table in _TABLES.items()
}
KEYS = {name: tuple(table["key"]) for name, table in _TABLES.items() if "key" in table}
DATE_OF = {  # the column that dates a row of each table
    name: next(column.name for column in columns if column.kind == "date")
    for name, columns in COLUMNS.items()
}
REQUIRED_TABLES = ("people", "reviews")
PEOPLE_REFERENCES = ("person_id", "from_id", "to_id")
MODE_OF_TYPE: dict[str, str] = _TABLES["learning"]["columns"]["activity_type"]["allowed"]
MODES = tuple(dict.fromkeys(MODE_OF_TYPE.values()))
DONE = "completed"


class Strict(pydantic.BaseModel):
    """A settings file's model: unknown keys and infinite numbers are refused, nothing changes after
    reading.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Span(Strict):
    """A rating scale given by its ends."""

    min: float
    max: float


class MatrixCell(Strict):
    """One cell of the merit matrix: what a rating at a place in the pay range is meant to get."""

    rating: float
    compa_from: float
    compa_to: float
    target_pct: float
    min_pct: float | None = None
    max_pct: float | None = None


class Meta(Strict):
    """`dataset.yml`: what the tables cannot say of themselves."""

    title: str
    as_of: dt.date
    rating_scale: list[float] | Span
    attributes: tuple[str, ...] = ()
    merit_matrix: tuple[MatrixCell, ...] = ()
    bonus_rewards_individual: bool = False
    currency: str | None = pydantic.Field(None, max_length=12)  # a unit, set in one line

    @pydantic.field_validator("rating_scale", mode="wrap")
    @classmethod
    def one_scale(cls, value: Any, read: Callable[[Any], Any]) -> Any:
        try:
            scale = read(value)
        except pydantic.ValidationError:
            scale = None
        if not scale or (isinstance(scale, Span) and scale.min >= scale.max):
            raise ValueError(
                "is neither a list of numbers, such as [1, 2, 3], nor {min: 1, max: 5}"
            )
        return scale

    @pydantic.field_validator("attributes")
    @classmethod
    def new_columns(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        plain = [name.lower() for name in names]
        own = {column.name for column in COLUMNS["people"]}
        if (
            own & {*plain}
            or len({*plain}) < len(plain)
            or any(not name or name.startswith("_") for name in plain)
        ):
            there = ", ".join(sorted(own))
            raise ValueError(
                f"may name columns of people beyond {there}, each once, without _ in front"
            )
        return names

    @property
    def scale_words(self) -> str:
        if isinstance(self.rating_scale, Span):
            return f"{self.rating_scale.min:g} to {self.rating_scale.max:g}"
        return ", ".join(f"{value:g}" for value in self.rating_scale)


META_KEYS = (*Meta.model_fields, *Span.model_fields, *MatrixCell.model_fields)


def read_meta(path: Path) -> Meta:
    """`dataset.yml` of a data set, or a `DataError` with everything that is wrong in it."""
    try:
        return Meta.model_validate(read_yaml(path))
    except pydantic.ValidationError as error:
        raise DataError(problems_of(error, path.name, META_KEYS)) from None


# --- the rules


@dataclass(frozen=True)
class Rule:
    """One promise about a row: `holds` is true, or null, for every row that keeps it."""

    column: str
    problem: str
    holds: Callable[[Table], BooleanValue]
    allowed: str = ""
    fix: str = ""
    show: tuple[str, ...] = ()  # columns whose values are quoted as what was got
    is_key: bool = False


def rules(table: str, meta: Meta) -> list[Rule]:
    """Every rule for the rows of `table`, on the annotated table that `annotate` makes."""
    found = [rule for column in COLUMNS[table] for rule in _cell_rules(column)]
    for column in COLUMNS[table]:
        rule = partial(Rule, column.name, show=(column.name,))
        if column.kind == "date" and not column.may_be_later:
            in_time = lambda t, c=column.name: t[c] <= meta.as_of  # noqa: E731
            text, fix = (
                f"is after as_of ({meta.as_of})",
                "correct the date, or as_of in dataset.yml",
            )
            found.append(rule(text, in_time, f"up to {meta.as_of}", fix))
        if column.name in PEOPLE_REFERENCES and table != "people":
            known = lambda t, c=column.name: t[c].isnull() | t[f"_known_{c}"]  # noqa: E731
            fix = "add the person to people, or correct the id"
            found.append(rule("is not in people", known, "a person_id of people", fix))
    if table in KEYS:
        found.append(_key_rule(KEYS[table]))
    if table == "reviews":
        found.append(_scale_rule(meta))
    return found + [_compared(facts) for facts in _TABLES[table].get("rules", ())]


def _cell_rules(column: Column) -> Iterator[Rule]:
    name, raw, (word, allowed) = column.name, f"_raw_{column.name}", KIND_WORDS[column.kind]
    rule = partial(Rule, name, show=(raw,))
    if column.required:
        fix = "fill it in, or leave the row out"
        if column.kind == "text":
            yield rule("is empty", lambda t: t[raw].fill_null("").strip() != "", allowed, fix)
        else:
            yield rule("is empty", lambda t: t[raw].notnull(), allowed, fix)
    if column.kind != "text":
        yield rule(f"is not {word}", lambda t: t[raw].isnull() | t[name].notnull(), allowed)
    if words := column.allowed:
        yield rule("is not a value we know", lambda t: t[name].isin(words), ", ".join(words))
    if (low := column.low) is not None:
        yield rule("is too low", lambda t: t[name] >= low, f"at least {low:g}")
    if (high := column.high) is not None:
        yield rule("is too high", lambda t: t[name] <= high, f"at most {high:g}")


def _key_rule(key: tuple[str, ...]) -> Rule:
    words, first = " + ".join(key), lambda t: t._copy == 1
    text, allowed = f"stands more than once with the same {words}", f"one row per {words}"
    return Rule(key[0], text, first, allowed, "keep one of the rows", key, is_key=True)


def _scale_rule(meta: Meta) -> Rule:
    scale, fix = meta.rating_scale, "correct it, or rating_scale in dataset.yml"
    if isinstance(scale, Span):
        holds = lambda t: t.rating.between(scale.min, scale.max)  # noqa: E731
    else:
        holds = lambda t: t.rating.isin(scale)  # noqa: E731
    text = "is not on the rating scale"
    return Rule("rating", text, holds, meta.scale_words, fix, ("_raw_rating",))


COMPARISONS = {">=": operator.ge, "<=": operator.le, "!=": operator.ne}


def _compared(facts: Mapping[str, Any]) -> Rule:
    """A rule of `contract.yml`: a comparison of two columns."""
    one, sign, other = facts["holds"].split()
    holds = lambda t: COMPARISONS[sign](t[one], t[other])  # noqa: E731
    return Rule(**{**facts, "holds": holds, "show": tuple(facts["show"])})


def columns_of(table: str, meta: Meta) -> tuple[Column, ...]:
    """The canonical columns of `table`; those of `people` with the attributes of `dataset.yml`."""
    extra = tuple(Column(name) for name in meta.attributes) if table == "people" else ()
    return (*COLUMNS[table], *extra)


# with or without a time of day; not the year 0
DATE = r"^([1-9]\d|\d[1-9])\d\d-\d\d-\d\d([ T]\d\d:\d\d.*)?$"


def canonical(text: StringValue, kind: Kind) -> Value:
    """Text as a value of `kind`; null where it is none: no infinite number, no rounding, no date in
    another order.
    """
    if kind == "date":
        text = text.strip()
        return ibis.ifelse(
            text.re_search(DATE), text.substr(0, 10), ibis.null(types.string)
        ).try_cast(types.date)
    if kind in ("number", "whole"):
        number = text.try_cast(types.float64)
        number = ibis.ifelse(number.isnan() | number.isinf(), ibis.null(types.float64), number)
        whole = ibis.ifelse(number % 1 == 0, text, ibis.null(types.string))
        return number if kind == "number" else whole.try_cast(types.int64)
    return text.try_cast(TYPES[kind])


def typed(raw: Table, table: str, meta: Meta) -> Table:
    """Canonical columns in canonical types beside what stood there (`_raw_…`); a missing column is
    empty.
    """
    values: dict[str, Any] = {"_row": raw._row}
    for column in columns_of(table, meta):
        there = raw[column.name] if column.name in raw.columns else ibis.null(types.string)
        values[f"_raw_{column.name}"] = text = there.cast(types.string)
        values[column.name] = canonical(text, column.kind)
    return raw.select(**values)


def annotate(tables: Mapping[str, Table], table: str) -> Table:
    """`tables[table]` with what its rules need from elsewhere: known people, employment dates,
    copies.
    """
    annotated = tables[table]
    if table in KEYS:
        number = ibis.row_number().over(
            group_by=[annotated[c] for c in KEYS[table]], order_by=annotated._row
        )
        annotated = annotated.mutate(_copy=number + 1)
    if "people" not in tables:  # its absence is a problem of its own; the other rules still speak
        nothing = {f"_known_{name}": ibis.null(types.boolean) for name in PEOPLE_REFERENCES}
        return annotated.mutate(
            **nothing, _hired_on=ibis.null(types.date), _left_on=ibis.null(types.date)
        )
    people = tables["people"].select("person_id", "hired_on", "left_on").distinct(on="person_id")
    for reference in PEOPLE_REFERENCES if table != "people" else ():
        if reference in annotated.columns:
            known = people.select(_id="person_id", _hired_on="hired_on", _left_on="left_on")
            joined = annotated.left_join(known, annotated[reference] == known._id)
            annotated = joined.mutate(**{f"_known_{reference}": joined._id.notnull()}).drop("_id")
            annotated = annotated if table == "reviews" else annotated.drop("_hired_on", "_left_on")
    return annotated


def table_problems(tables: Mapping[str, Table], table: str, meta: Meta) -> list[Problem]:
    """Every broken rule of one table, in the order of the rules.

    One query counts the rows that break each rule; rows are fetched only where there are any.
    """
    annotated, promises = annotate(tables, table).cache(), rules(table, meta)
    counts = annotated.aggregate(
        rows=annotated.count(),
        **{
            str(i): annotated.count(where=~rule.holds(annotated)) for i, rule in enumerate(promises)
        },
    )
    n_rows, *n_broken = counts.to_pyarrow().to_pylist()[0].values()
    if not n_rows and table in REQUIRED_TABLES:
        return [Problem(table, "", "holds no rows", fix="add them")]
    return [
        _problem(annotated, table, rule, n) for rule, n in zip(promises, n_broken, strict=True) if n
    ]


def _problem(annotated: Table, table: str, rule: Rule, n_rows: int) -> Problem:
    """A broken rule with the first rows that break it and what stood there."""
    bad = annotated.filter(~rule.holds(annotated))
    some = bad.order_by("_row").limit(5).execute()
    values = [" / ".join(_word(row[name]) for name in rule.show) for _, row in some.iterrows()]
    got, rows = ", ".join(filter(None, dict.fromkeys(values))), tuple(some._row.astype(int))
    return Problem(table, rule.column, rule.problem, got, rule.allowed, rule.fix, rows, n_rows)


def _word(value: Any) -> str:
    if isinstance(value, pd.Timestamp | dt.date):
        return str(value)[:10]
    text = "" if pd.isna(value) else str(value)[:60]
    return text if text == text.strip() else repr(text)  # blanks around it would not be seen

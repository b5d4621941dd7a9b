"""The contract: what every table must hold, checked in words that a person can act on.

The canonical tables are data (`COLUMNS`); so are the promises about their rows (`rules`), which
pandera checks inside the engine, so that a table of any size can be checked. Reading the files of
a data set is in `datasets`.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ibis
import ibis.expr.datatypes as types
import pandas as pd
import pandera.ibis as pa
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


def _need(name: str, kind: Kind = "text", **more: Any) -> Column:
    return Column(name, kind, required=True, **more)


ACTIVITY_TYPES = (
    "course",
    "certification",
    "reading",
    "on_the_job",
    "coaching",
    "mentoring",
    "community",
    "peer",
    "reflection",
    "other",
)
DONE, NOT_DONE = (
    "completed",
    ("in_progress", "no_show", "waitlisted", "cancelled_by_provider", "withdrawn"),
)
CHANNELS = ("help_request", "question", "self_assessment", "one_to_one", "reflection")

COLUMNS: dict[str, tuple[Column, ...]] = {
    "people": (_need("person_id"), _need("hired_on", "date"), Column("left_on", "date")),
    "reviews": (
        _need("person_id"),
        _need("cycle"),
        _need("reviewed_on", "date"),
        _need("rating", "number"),
        _need("unit"),
        Column("manager_id"),
        Column("grade"),
        Column("fte", "number", low=0, high=1),
    ),
    "rewards": (
        _need("person_id"),
        _need("cycle"),
        _need("effective_on", "date"),
        _need("merit_pct", "number"),
        Column("merit_target_pct", "number"),
        Column("compa_ratio", "number", low=0),
        Column("bonus_pct", "number"),
        Column("company_factor", "number"),
        Column("learning_enabled_performance", "whole", low=0, high=3),
        Column("learning_positions_for_objectives", "whole", low=0, high=3),
    ),
    "learning": (
        _need("person_id"),
        _need("learned_on", "date"),
        _need("activity_type", allowed=ACTIVITY_TYPES),
        Column("mode", allowed=("formal", "informal", "social")),
        Column("activity_id"),
        Column("skill"),
        Column("hours", "number", low=0),
        Column("cost", "number", low=0),
        Column("is_required", "flag"),
        Column("recorded_by", allowed=("system", "self")),
        Column("status", allowed=(DONE, *NOT_DONE)),
    ),
    "assessments": (
        _need("person_id"),
        _need("skill"),
        _need("assessed_on", "date"),
        _need("required_level", "number"),
        _need("assessed_level", "number"),
        Column("self_level", "number"),
        Column("assessor_id"),
        Column("trigger", allowed=("scheduled", "requested", "doubt")),
    ),
    "acknowledgements": (
        _need("person_id"),
        _need("acknowledged_on", "date"),
        _need("channel", allowed=CHANNELS),
        Column("skill"),
        Column("audience", allowed=("private", "manager", "team", "public")),
        Column("needed_by", "date", may_be_later=True),
        Column("escalated_on", "date"),
        Column("is_specific", "flag"),
        Column("sets_scene", "flag"),
        Column("offers_ideas", "flag"),
        Column("is_appreciative", "flag"),
    ),
    "ties": (
        _need("from_id"),
        _need("to_id"),
        _need("tied_on", "date"),
        _need("kind", allowed=("mentors", "asks", "answers", "community")),
        Column("programme"),
    ),
    "surveys": (
        _need("unit"),
        _need("wave_on", "date"),
        _need(
            "scale", allowed=("vision", "measures", "resources", "feedback", "psychological_safety")
        ),
        Column("domain", allowed=("leading", "culture", "learning")),
        _need("item"),
        _need("n", "whole", low=0),
        _need("mean", "number"),
    ),
}
REQUIRED_TABLES = ("people", "reviews")
KEYS = {
    "people": ("person_id",),
    "reviews": ("person_id", "cycle"),
    "rewards": ("person_id", "cycle"),
    "surveys": ("unit", "wave_on", "scale", "domain", "item"),
}
PEOPLE_REFERENCES = ("person_id", "from_id", "to_id")


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


def _column_rules(column: Column) -> Iterator[Rule]:
    name, (word, allowed) = column.name, KIND_WORDS[column.kind]
    raw = f"_raw_{name}"
    if column.required:
        filled = (
            (lambda t: t[raw].fill_null("").strip() != "")
            if column.kind == "text"
            else lambda t: t[raw].notnull()
        )
        yield Rule(name, "is empty", filled, allowed, "fill it in, or leave the row out", (raw,))
    if column.kind != "text":
        yield Rule(
            name,
            f"is not {word}",
            lambda t: t[raw].isnull() | t[name].notnull(),
            allowed,
            "",
            (raw,),
        )
    if column.allowed:
        words = ", ".join(column.allowed)
        yield Rule(
            name,
            "is not a value we know",
            lambda t: t[name].isin(column.allowed),
            words,
            "",
            (raw,),
        )
    if column.low is not None:
        yield Rule(
            name,
            "is too low",
            lambda t: t[name] >= column.low,
            f"at least {column.low:g}",
            "",
            (raw,),
        )
    if column.high is not None:
        yield Rule(
            name,
            "is too high",
            lambda t: t[name] <= column.high,
            f"at most {column.high:g}",
            "",
            (raw,),
        )


def _on_scale(meta: Meta) -> Callable[[Table], BooleanValue]:
    scale = meta.rating_scale
    if isinstance(scale, Span):
        return lambda t: t.rating.between(scale.min, scale.max)
    return lambda t: t.rating.isin(scale)


def rules(table: str, meta: Meta) -> list[Rule]:
    """Every rule for the rows of `table`, on the annotated table that `annotate` makes."""
    found = [rule for column in COLUMNS[table] for rule in _column_rules(column)]
    for column in COLUMNS[table]:
        if column.kind == "date" and not column.may_be_later:
            holds = lambda t, c=column.name: t[c] <= meta.as_of  # noqa: E731
            fix = "correct the date, or as_of in dataset.yml"
            text, allowed = f"is after as_of ({meta.as_of})", f"up to {meta.as_of}"
            found.append(Rule(column.name, text, holds, allowed, fix, (column.name,)))
        if column.name in PEOPLE_REFERENCES and table != "people":
            holds = lambda t, c=column.name: t[c].isnull() | t[f"_known_{c}"]  # noqa: E731
            fix = "add the person to people, or correct the id"
            found.append(
                Rule(
                    column.name,
                    "is not in people",
                    holds,
                    "a person_id of people",
                    fix,
                    (column.name,),
                )
            )
    if table in KEYS:
        key = " + ".join(KEYS[table])
        found.append(
            Rule(
                KEYS[table][0],
                f"stands more than once with the same {key}",
                lambda t: t._copy == 1,
                f"one row per {key}",
                "keep one of the rows",
                KEYS[table],
                is_key=True,
            )
        )
    if table == "people":
        found.append(
            Rule(
                "left_on",
                "is before hired_on",
                lambda t: t.left_on >= t.hired_on,
                "",
                "correct one of the dates",
                ("hired_on", "left_on"),
            )
        )
    if table == "ties":
        text = "is the same person as from_id"
        found.append(Rule("to_id", text, lambda t: t.to_id != t.from_id, "", "", ("from_id",)))
    return found + (_review_rules(meta) if table == "reviews" else [])


def _review_rules(meta: Meta) -> list[Rule]:
    return [
        Rule(
            "rating",
            "is not on the rating scale",
            _on_scale(meta),
            meta.scale_words,
            "correct it, or rating_scale in dataset.yml",
            ("_raw_rating",),
        ),
        Rule(
            "manager_id",
            "is the person reviewed: nobody reviews themselves",
            lambda t: t.manager_id != t.person_id,
            "another person",
            "name the manager who gave the rating, or leave it empty",
            ("person_id",),
        ),
        Rule(
            "reviewed_on",
            "is before the person was hired",
            lambda t: t.reviewed_on >= t._hired_on,
            "on or after people.hired_on",
            "correct one of the dates",
            ("_hired_on", "reviewed_on"),
        ),
        Rule(
            "reviewed_on",
            "is after the person left",
            lambda t: t.reviewed_on <= t._left_on,
            "on or before people.left_on",
            "correct one of the dates",
            ("_left_on", "reviewed_on"),
        ),
    ]


def columns_of(table: str, meta: Meta) -> tuple[Column, ...]:
    """The canonical columns of `table`, with the attributes of `people` that `dataset.yml` names."""
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


def schema(table: str, meta: Meta) -> pa.DataFrameSchema:
    """The pandera schema of an annotated table: canonical types, and every rule as a named check."""
    checks = [
        pa.Check(
            lambda data, rule=rule: rule.holds(data.table).fill_null(True),
            name=str(i),
            n_failure_cases=1,
        )
        for i, rule in enumerate(rules(table, meta))
    ]
    columns = {c.name: pa.Column(TYPES[c.kind], nullable=True) for c in columns_of(table, meta)}
    return pa.DataFrameSchema(columns, checks=checks, name=table)


def _problem(annotated: Table, table: str, rule: Rule) -> Problem:
    """A broken rule with the rows that break it and what stood there, counted inside the engine."""
    bad = annotated.filter(~rule.holds(annotated))
    some = bad.order_by("_row").limit(5).execute()
    values = [" / ".join(_word(row[name]) for name in rule.show) for _, row in some.iterrows()]
    got = ", ".join(dict.fromkeys(value for value in values if value))
    count = int(bad.count().execute())
    return Problem(
        table,
        rule.column,
        rule.problem,
        got,
        rule.allowed,
        rule.fix,
        tuple(some._row.astype(int)),
        count,
    )


def _word(value: Any) -> str:
    if isinstance(value, pd.Timestamp | dt.date):
        return str(value)[:10]
    text = "" if pd.isna(value) else str(value)[:60]
    return text if text == text.strip() else repr(text)  # blanks around it would not be seen


def table_problems(tables: Mapping[str, Table], table: str, meta: Meta) -> list[Problem]:
    """Every broken rule of one table, in the order of the rules."""
    annotated = annotate(tables, table).cache()
    if not annotated.count().execute():
        return (
            [Problem(table, "", "holds no rows", fix="add them")]
            if table in REQUIRED_TABLES
            else []
        )
    try:
        schema(table, meta).validate(annotated, lazy=True)
    except pa.errors.SchemaErrors as error:
        known = {str(i): rule for i, rule in enumerate(rules(table, meta))}
        broken = {item.check.name for item in error.schema_errors}
        return [_problem(annotated, table, rule) for name, rule in known.items() if name in broken]
    return []

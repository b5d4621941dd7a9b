"""The contract: what every table must hold, checked in words that a person can act on.

The canonical tables are data (`contract.yml`); so are the promises about their rows (`rules`).
Which rows break them is in `broken`; reading the files of a data set in `reading`.
"""

import datetime as dt
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ibis
import ibis.expr.datatypes as types
import pydantic
from ibis.expr.types import BooleanValue, StringValue, Table, Value

from learnalign.data.mistakes import DataError, problems_of, read_yaml, words

# --- the columns

Kind = Literal["text", "number", "whole", "date", "flag"]
TYPES: dict[Kind, types.DataType] = {
    "text": types.string,
    "number": types.float64,
    "whole": types.int64,
    "date": types.date,
    "flag": types.boolean,
}
KINDS: dict[Kind, dict[str, str]] = {
    "text": {"kind": "text", "form": "text"},
    "number": {"kind": "a number", "form": "a number with a decimal point, such as 3.5"},
    "whole": {"kind": "a whole number", "form": "a whole number, such as 3"},
    "date": {"kind": "a date", "form": "a date as YYYY-MM-DD"},
    "flag": {"kind": "true or false", "form": "true or false"},
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
    may_be_later: bool = False  # a deadline, or a turn that is planned; nothing else may


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
PLANNED = "invitations"  # an order drawn by lot: those who wait are in it before their day
REQUIRED_TABLES = ("people", "reviews")
PEOPLE_REFERENCES = ("person_id", "from_id", "to_id")
MODE_OF_TYPE: dict[str, str] = _TABLES["learning"]["columns"]["activity_type"]["allowed"]
MODES = tuple(dict.fromkeys(MODE_OF_TYPE.values()))
DONE = "completed"


class Strict(pydantic.BaseModel):
    """A settings file's model: unknown keys and infinite numbers are refused, nothing changes."""

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


class Arrival(Strict):
    """How a table came in: rows read, left out on purpose, lost; values left empty; and why more
    than its share may be lost.
    """

    table: str
    read: int
    aside: int = 0
    lost: int = 0
    emptied: int = 0
    accepted: str | None = None


class Meta(Strict):
    """`dataset.yml`: what the tables cannot say of themselves."""

    title: str
    as_of: dt.date
    rating_scale: list[float] | Span
    best: Literal["high", "low"] | None = (
        None  # which end is good; unsaid: high, unless pay objects
    )
    attributes: tuple[str, ...] = pydantic.Field((), max_length=100)
    merit_matrix: tuple[MatrixCell, ...] = pydantic.Field((), max_length=1000)
    bonus_rewards_individual: bool = False
    currency: str | None = pydantic.Field(None, max_length=12)  # a unit, set in one line
    imported: tuple[Arrival, ...] = ()  # what an import wrote of itself

    @pydantic.field_validator("rating_scale", mode="wrap")
    @classmethod
    def one_scale(cls, value: Any, read: Callable[[Any], Any]) -> Any:
        try:
            scale = read(value)
        except pydantic.ValidationError:
            scale = None
        if not scale or (isinstance(scale, Span) and scale.min >= scale.max):
            text = "is neither a list of numbers, such as [1, 2, 3], nor {min: 1, max: 5}"
            raise ValueError(text)
        return scale

    def upright(self, rating: Any) -> Any:
        """A rating, or a column of them, so that higher is better."""
        scale = self.rating_scale
        ends = [scale.min, scale.max] if isinstance(scale, Span) else scale
        return min(ends) + max(ends) - rating if self.best == "low" else rating

    @pydantic.field_validator("attributes")
    @classmethod
    def new_columns(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        plain, own = [name.lower() for name in names], sorted(c.name for c in COLUMNS["people"])
        is_named = all(name and not name.startswith("_") for name in plain)
        if not is_named or len({*own, *plain}) < len(own) + len(plain):
            text = f"may name columns of people beyond {', '.join(own)}, each once"
            raise ValueError(f"{text}, without _ in front")
        return names

    @property
    def scale_words(self) -> str:
        if isinstance(self.rating_scale, Span):
            return f"{self.rating_scale.min:g} to {self.rating_scale.max:g}"
        return ", ".join(f"{value:g}" for value in self.rating_scale)


META_KEYS = [
    key for one in (Meta, Span, MatrixCell) for key in one.model_fields if key != "imported"
]


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
    holds: Callable[[Table], BooleanValue]
    problem: str
    allowed: str = ""
    fix: str = ""
    show: tuple[str, ...] = ()  # columns whose values are quoted as what was got
    is_key: bool = False
    refers: bool = False  # to people: needs to know who there is


def rules(table: str, meta: Meta) -> list[Rule]:
    """Every rule for the rows of `table`, on the annotated table that `annotate` makes."""
    found = [rule for column in COLUMNS[table] for rule in _cell_rules(column)]
    for column in COLUMNS[table]:
        name, shown = column.name, {"show": (column.name,)}
        if column.kind == "date" and not column.may_be_later:
            in_time = lambda t, c=name: t[c] <= meta.as_of  # noqa: E731
            found.append(Rule(name, in_time, **words("after_as_of", day=meta.as_of), **shown))
        if name in PEOPLE_REFERENCES and table != "people":
            there = lambda t, c=name: t[c].isnull() | t[f"_known_{c}"]  # noqa: E731
            found.append(Rule(name, there, **words("stranger"), **shown, refers=True))
    if key := KEYS.get(table):
        said = words("copy", key=" + ".join(key))
        found.append(Rule(key[0], lambda t: t._copy == 1, **said, show=key, is_key=True))
    if table == "reviews":
        said, on_scale = words("off_scale", scale=meta.scale_words), _on_scale(meta)
        found.append(Rule("rating", on_scale, **said, show=("_raw_rating",)))
    return found + [_compared(facts) for facts in _TABLES[table].get("rules", ())]


def _cell_rules(column: Column) -> Iterator[Rule]:
    name, kind, low, high = column.name, column.kind, column.low, column.high
    said = {"low": low, "high": high, "values": ", ".join(column.allowed)}

    def rule(key: str, holds: Callable[[Table], BooleanValue]) -> Rule:
        return Rule(name, holds, **words(key, **said, **KINDS[kind]), show=(f"_raw_{name}",))

    if column.required and kind == "text":
        yield rule("empty", lambda t: _is_text(stood(t, name)))
    elif column.required:
        yield rule("empty", lambda t: stood(t, name).notnull())
    if kind != "text":
        yield rule("other_kind", known(name))
    if column.allowed:
        yield rule("unknown_value", lambda t: t[name].isin(column.allowed))
    if low is not None:
        yield rule("too_low", lambda t: t[name] >= low)
    if high is not None:
        yield rule("too_high", lambda t: t[name] <= high)


def _is_text(cell: StringValue) -> BooleanValue:
    """Whether there is more than blanks; what begins with another sign need not be trimmed."""
    return ibis.cases((cell >= "!", True), (cell.strip() != "", True), else_=False)


def known(name: str) -> Callable[[Table], BooleanValue]:
    """Whether what stood in a cell, if anything, became a value."""
    return lambda t: stood(t, name).isnull() | t[name].notnull()


def stood(rows: Table, name: str) -> Value:
    """What stood in the cells of a column; where it was a value already, the column itself."""
    raw = f"_raw_{name}"
    return rows[raw if raw in rows.columns else name]


def _on_scale(meta: Meta) -> Callable[[Table], BooleanValue]:
    scale = meta.rating_scale
    if isinstance(scale, Span):
        return lambda t: t.rating.between(scale.min, scale.max)
    return lambda t: t.rating.isin(scale)


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


DAYS = (dt.date(100, 1, 1), dt.date(9999, 12, 31))  # what DATE lets through
# with or without a time of day; not the year 0
DATE = r"^([1-9]\d|\d[1-9])\d\d-\d\d-\d\d([ T]\d\d:\d\d.*)?$"


def canonical(text: StringValue, kind: Kind) -> Value:
    """Text as a value of `kind`, null where it is none.

    No number is infinite or rounded, and no date is in another order.
    """
    none = ibis.null(types.string)
    if kind == "date":
        text = text.strip()
        return ibis.ifelse(text.re_search(DATE), text.substr(0, 10), none).try_cast(types.date)
    if kind in ("number", "whole"):
        number = text.try_cast(types.float64)
        number = ibis.ifelse(number.isnan() | number.isinf(), ibis.null(types.float64), number)
        whole = ibis.ifelse(number % 1 == 0, text, none).try_cast(types.int64)
        return number if kind == "number" else whole
    return text.try_cast(TYPES[kind])


def as_it_is(there: Value, kind: Kind, is_checked: bool = False) -> Value | None:
    """Cells that have the type of `kind`, without a detour over text; None where they have not.

    Null where text would be none: no number is infinite, no date has other than four digits. Of
    what `is_checked` no such cell is left, and nobody looks again.
    """
    own = there.type()
    if own.copy(nullable=True) == TYPES[kind] and kind in ("text", "flag", "whole"):
        return there
    if kind == "number" and own.is_signed_integer():
        return there.cast(types.float64)
    if kind == "number" and own.is_float64():
        is_none = there.isnan() | there.isinf()
        return there if is_checked else ibis.ifelse(is_none, ibis.null(types.float64), there)
    if kind == "date" and (own.is_date() or own.is_timestamp() and own.timezone is None):
        day = there.cast(types.date)
        return day if is_checked else ibis.ifelse(day.between(*DAYS), day, ibis.null(types.date))
    return None


def is_typed(raw: Table, table: str, meta: Meta) -> bool:
    """Whether all that a table has of its canonical columns are of their types, as in Parquet."""
    there = (column for column in columns_of(table, meta) if column.name in raw.columns)
    return all(as_it_is(raw[column.name], column.kind) is not None for column in there)


def typed(raw: Table, table: str, meta: Meta) -> Table:
    """Canonical columns in canonical types, or nothing; with what stood there (`_raw_…`) beside
    those in which a value may have been lost.
    """
    values: dict[str, Any] = {"_row": raw._row}
    for column in columns_of(table, meta):
        name, kind = column.name, column.kind
        if name not in raw.columns:
            values[name] = ibis.null(TYPES[kind])
            continue
        there, own = raw[name], as_it_is(raw[name], kind)
        value = canonical(there.cast(types.string), kind) if own is None else own
        values |= {name: value} if kind == "text" else {f"_raw_{name}": there, name: value}
    return raw.select(**values)


def checked(raw: Table, table: str, meta: Meta) -> Table:
    """Canonical columns of typed rows that broke no rule, as they lie in their file."""
    return raw.select(
        **{
            column.name: as_it_is(raw[column.name], column.kind, is_checked=True)
            if column.name in raw.columns
            else ibis.null(TYPES[column.kind])
            for column in columns_of(table, meta)
        }
    )

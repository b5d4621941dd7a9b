"""What a mapping may say: for each canonical table the file or query it comes from, for each column
its origin.
"""

import datetime as dt
import zoneinfo
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from learnalign.data.contract import COLUMNS, META_KEYS, REQUIRED_TABLES, Meta, Strict, columns_of
from learnalign.data.mistakes import DataError, Problem, nearest, problems_of, read_yaml
from learnalign.data.pseudonyms import KEY_FIX

TableName = Literal[*COLUMNS]  # type: ignore[valid-type]


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float | dt.date):
        raise ValueError("is neither text nor a number, a date, true or false")
    return value


def _encoding(name: str) -> str:
    try:
        "".encode(name)
    except (LookupError, ValueError):
        raise ValueError(
            "is not an encoding we know, such as utf-8, latin-1, windows-1252 or utf-16"
        ) from None
    return name


def _delimiter(sign: str) -> str:
    if len(sign) != 1 or sign in '"\r\n\0':
        raise ValueError("is one sign, such as ; or a tab, and neither a quote nor a line end")
    return sign


Scalar = Annotated[Any, pydantic.AfterValidator(_scalar)]
Encoding = Annotated[str, pydantic.AfterValidator(_encoding)]
Delimiter = Annotated[str, pydantic.AfterValidator(_delimiter)]
Unit = Literal[
    "percent", "fraction", "hours", "minutes", "seconds", "hms", "hm", "iso8601", "words"
]
Reason = Annotated[str, pydantic.Field(min_length=1, max_length=300)]
Repair = Literal["unquote", "lower", "drop_point_zero", "drop_zeros", "mailbox"]


def _zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("is not a time zone we know, such as Europe/Berlin or America/New_York")
    return name


Zone = Annotated[str, pydantic.AfterValidator(_zone)]


class ColumnMap(Strict):
    """Where one canonical column comes from: a source column, a constant, or an SQL expression."""

    column: str | None = None
    date: str | tuple[str, ...] | None = None
    decimal: Literal[".", ","] | None = None
    unit: Unit | None = None
    best: Literal["high", "low"] = "high"
    spellings: Literal["as_one", "as_they_are"] | None = None
    values: dict[Scalar, Scalar] | None = pydantic.Field(None, min_length=1)
    constant: Scalar | None = None
    sql: str | None = None

    @pydantic.model_validator(mode="after")
    def one_origin(self) -> "ColumnMap":
        if sum(value is not None for value in (self.column, self.constant, self.sql)) != 1:
            raise ValueError("name exactly one of column, constant and sql")
        if self.column is None and any((self.date, self.values, self.decimal, self.unit)):
            raise ValueError("date, decimal, unit and values go with column")
        return self

    @property
    def dates(self) -> tuple[str, ...]:
        """The told ways of reading a date, the first first."""
        return (self.date,) if isinstance(self.date, str) else self.date or ()


class SetAside(Strict):
    """Rows left out on purpose, and why: they go to `rejected.csv` with that reason."""

    sql: str
    because: str = pydantic.Field(min_length=1)


class TableMap(Strict):
    """One canonical table: the file pattern or query it comes from, and its columns."""

    file: str | None = None
    query: str | None = None
    sheet: str | None = None
    xapi: Literal["standard", "as_it_is"] | None = None
    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    set_aside: tuple[SetAside, ...] = ()
    prefer: Literal["first", "last"] | None = None
    once: tuple[str, ...] = ()
    as_is: dict[str, Reason] = {}
    columns: dict[str, ColumnMap]
    also: tuple["TableMap", ...] = pydantic.Field((), max_length=20)  # the same of other systems

    @property
    def parts(self) -> tuple["TableMap", ...]:
        """Each source of the table."""
        return (self, *(part for one in self.also for part in one.parts))

    @property
    def made(self) -> dict[str, ColumnMap]:
        """The columns that any source makes."""
        return {name: one for part in self.parts[::-1] for name, one in part.columns.items()}

    @property
    def answers(self) -> dict[str, str]:
        """What any source says is as it stands, and why."""
        return {name: why for part in self.parts for name, why in part.as_is.items()}

    @pydantic.field_validator("columns", mode="before")
    @classmethod
    def bare_names(cls, columns: Any) -> Any:
        if not isinstance(columns, dict):
            return columns
        return {name: {"column": v} if isinstance(v, str) else v for name, v in columns.items()}

    @pydantic.model_validator(mode="after")
    def one_origin(self) -> "TableMap":
        if (self.file is None) == (self.query is None):
            raise ValueError("name exactly one of file and query")
        return self


VARIABLE = "[A-Za-z_][A-Za-z0-9_]{0,39}"


class Pseudonyms(Strict):
    """Where the key of the pseudonyms is: an environment variable, its name too short for a key."""

    key: str = pydantic.Field(pattern=f"^{VARIABLE}$")


class FileMap(Strict):
    """How one file, or each that a pattern matches, is written, where a query names it too."""

    sheet: str | None = None
    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    header: int | None = pydantic.Field(None, ge=1, le=1000)


class Accounts(Strict):
    """Other systems' ids of people: a file with a row per account, and whose each is."""

    file: str
    person_id: str
    accounts: tuple[str, ...] = pydantic.Field(min_length=1)


class Identities(Strict):
    """How ids of several systems are one person: told repairs of spelling; lists of accounts."""

    repair: tuple[Repair, ...] = ()
    accounts: tuple[Accounts, ...] = ()


class Mapping(Strict):
    """A mapping file: the folder of the exports, the data set's facts, and a map per table."""

    source: str
    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    zone: Zone | None = None
    arrive: float = pydantic.Field(0.95, ge=0, le=1)
    accept_loss: dict[TableName, Reason] = {}
    files: dict[str, FileMap] = {}
    identities: Identities = Identities()
    missing: tuple[str, ...] = pydantic.Field(("",), min_length=1)
    dataset: Meta
    pseudonyms: Pseudonyms | None = None
    tables: dict[TableName, TableMap]


def read_mapping(file: str | Path) -> Mapping:
    """A mapping file, or a `DataError` with everything that is wrong in it."""
    file = Path(file)
    try:
        mapping = Mapping.model_validate(read_yaml(file))
    except pydantic.ValidationError as error:
        models = (Mapping, TableMap, ColumnMap, SetAside, Pseudonyms, FileMap, Identities, Accounts)
        keys = {key for model in models for key in model.model_fields}
        found = problems_of(error, file.name, sorted({*keys, *META_KEYS}))
        raise DataError([_without_key(problem) for problem in found]) from None
    problems = [
        Problem.of("table_unmapped", file.name, f"tables.{table}")
        for table in REQUIRED_TABLES
        if table not in mapping.tables
    ]
    if "people" in mapping.tables and mapping.tables["people"].also:
        problems.append(Problem.of("also_people", file.name, "tables.people.also"))
    sources = [(name, part) for name, made in mapping.tables.items() for part in made.parts]
    for table, made in sources:
        columns = columns_of(table, mapping.dataset)
        known, place = [column.name for column in columns], f"{table}.{{}}".format
        for name in (name for name in made.columns if name not in known):
            near, names = nearest(name, known), ", ".join(known)
            wrong = Problem.of("not_canonical", file.name, place(name), near=near, columns=names)
            problems.append(wrong)
        for column in columns:
            needed = column.required or column.name in mapping.dataset.attributes
            if needed and column.name not in made.columns:
                problems.append(Problem.of("column_unmapped", file.name, place(column.name)))
    if problems:
        raise DataError(problems, file.name)
    return mapping


def _without_key(problem: Problem) -> Problem:
    """A problem of `pseudonyms` without what stood there: it may be the key."""
    if not problem.column.startswith("pseudonyms"):
        return problem
    return Problem.of("maybe_a_key", problem.table, "pseudonyms", make=KEY_FIX)

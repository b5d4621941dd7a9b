"""Run specs: the params file of a report, read and checked before anything starts."""

import datetime as dt
from pathlib import Path
from typing import Any, Literal

import pydantic

from learnalign.data.contract import Strict
from learnalign.data.mistakes import DataError, Problem, problems_of, project_root, read_yaml
from learnalign.privacy import rule

COMPANY, EACH = "company", "each"


class SmallestEffects(Strict):
    """The smallest effects that matter, agreed before anyone looks."""

    rating_sd: pydantic.PositiveFloat = 0.10
    merit_pp: pydantic.PositiveFloat = 0.25
    hazard_ratio: float = pydantic.Field(1.2, gt=1)
    share_pp: pydantic.PositiveFloat = 3


class RunSpec(Strict):
    """One report: its data, its notebooks, whom it is about, and what was agreed beforehand."""

    report: str
    data: str
    as_of: dt.date | None = None
    notebooks: tuple[str, ...] = pydantic.Field(min_length=1)
    units: tuple[str, ...] = pydantic.Field((COMPANY,), min_length=1)
    smallest_effect: SmallestEffects = SmallestEffects()
    min_group: int = pydantic.Field(10, ge=rule.FLOOR)
    embargo_days: int = pydantic.Field(30, ge=0, le=365)
    engine: Literal["duckdb"] = "duckdb"
    deadline_minutes: float = pydantic.Field(30, gt=0, le=24 * 60)
    last_cycle_share: float = pydantic.Field(0.5, ge=0, le=1)
    max_age_days: int | None = pydantic.Field(None, ge=0)

    @pydantic.field_validator("units", mode="before")
    @classmethod
    def one_or_several(cls, units: Any) -> Any:
        """`each` alone is as good as a list; the company is in it, as its units are suppressed
        beside it.
        """
        units = [units] if isinstance(units, str) else units
        return [COMPANY, *units] if units == [EACH] else units

    @pydantic.field_validator("units")
    @classmethod
    def company_first(cls, units: tuple[str, ...]) -> tuple[str, ...]:
        if len(units) > 1 and (units[0] != COMPANY or len(set(units)) < len(units)):
            raise ValueError("must be one name, or start with company and name each unit once")
        return units

    @pydantic.field_validator("notebooks")
    @classmethod
    def each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse a notebook that is named twice: it would run twice over the same files."""
        if len(set(names)) < len(names):
            raise ValueError("names a notebook twice")
        return names

    @pydantic.field_validator("report", "notebooks")
    @classmethod
    def plain_names(cls, names: Any) -> Any:
        for name in [names] if isinstance(names, str) else names:
            if (
                not name
                or set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789_-")
                or len(name) > 64
            ):
                raise ValueError(
                    "may hold small letters, digits, - and _ only, 64 at most: it becomes a "
                    "folder's name"
                )
        return names


def read_spec(params: Path) -> RunSpec:
    """A params file, or a `DataError` with everything that is wrong in it."""
    try:
        spec = RunSpec.model_validate(read_yaml(params))
    except pydantic.ValidationError as error:
        keys = [*RunSpec.model_fields, *SmallestEffects.model_fields]
        raise DataError(problems_of(error, params.name, keys)) from None
    folder = project_root(params) / "notebooks"
    absent = [name for name in spec.notebooks if not (folder / f"{name}.ipynb").is_file()]
    if absent:
        there = ", ".join(sorted(path.stem for path in folder.glob("*.ipynb"))) or "none"
        raise DataError(
            [Problem(params.name, "notebooks", "are not there", ", ".join(absent), there)]
        )
    return spec

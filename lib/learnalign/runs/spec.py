"""Run specs: the params file of a report, read and checked before anything starts; where its things
lie.

Paths in a params file start from that file. Its project is the folder above its `params/`, or its
own folder where it lies elsewhere: there its notebooks are looked for first, then in what comes
with the package, and there editions are put.
"""

import re
from pathlib import Path
from typing import Any, Literal

import pydantic

from learnalign.data import shipped
from learnalign.data.engine import UNLIMITED, Limits
from learnalign.data.mistakes import DataError, Problem, problems_of, read_yaml
from learnalign.studies import Settings, SmallestEffects
from learnalign.verdicts import registry

COMPANY, EACH = "company", "each"


class RunSpec(Settings):
    """One report: its data, its notebooks, whom it is about, and what was agreed beforehand."""

    report: str
    data: str
    notebooks: tuple[str, ...] = pydantic.Field(min_length=1)
    units: tuple[str, ...] = pydantic.Field((COMPANY,), min_length=1)
    engine: Literal["duckdb"] = "duckdb"
    limits: Limits = UNLIMITED
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
        """Refuse a name that is not fit for a folder's."""
        for name in [names] if isinstance(names, str) else names:
            if not re.fullmatch("[a-z0-9_-]{1,64}", name):
                told = "may hold small letters, digits, - and _ only, 64 at most"
                raise ValueError(f"{told}: it becomes a folder's name")
        return names


EXPLORING = "explore"  # an analyst's own looks


def read_spec(params: Path) -> RunSpec:
    """A params file, or a `DataError` with everything that is wrong in it, and in the questions of
    the project's own that lie beside it (`questions/*.yml`), which are asked from now on.
    """
    content, problems = read_yaml(params), []
    try:
        registry.use(params.parent / "questions")
    except DataError as error:
        problems += error.problems
    try:
        spec = RunSpec.model_validate(content)
    except pydantic.ValidationError as error:
        parts = (RunSpec, SmallestEffects, Limits)
        keys = [key for part in parts for key in part.model_fields]
        problems += problems_of(error, params.name, keys)
    if isinstance(names := content.get("notebooks"), list) and EXPLORING in names:
        problems.append(Problem.of("exploring", params.name, "notebooks", EXPLORING))
    if problems:
        raise DataError(problems)
    if absent := [name for name in spec.notebooks if not notebook(params, name).is_file()]:
        places = (project(params), shipped.folder())
        there = {path.stem for place in places for path in place.glob("notebooks/*.ipynb")}
        got, known = ", ".join(absent), ", ".join(sorted(there)) or "none"
        raise DataError.of("no_notebooks", params.name, "notebooks", got, there=known)
    return spec


def project(params: Path) -> Path:
    """The project of a params file: the folder above its `params/`, else its own folder."""
    folder = params.resolve().parent
    return folder.parent if folder.name == "params" else folder


def data_of(params: Path, spec: RunSpec) -> Path:
    """The data set of a report; its path starts from the params file."""
    return (params.resolve().parent / spec.data).resolve()


def notebook(params: Path, name: str) -> Path:
    """A notebook of a report: the project's, else the one that comes with the package."""
    return shipped.find(f"notebooks/{name}.ipynb", project(params))


def default_out(params: Path) -> Path:
    """Where editions go unless told otherwise: `out` in the project, or here for a shipped file."""
    place = project(params)
    return (Path.cwd() if place == shipped.PACKAGED else place) / "out"

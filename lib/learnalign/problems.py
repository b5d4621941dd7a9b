"""How a user's mistake is told: every problem at once, with its place and the way to mend it."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import yaml


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input: where it is, what was got, what is allowed, how to mend it."""

    table: str
    column: str
    problem: str
    got: str = ""
    allowed: str = ""
    fix: str = ""
    rows: tuple[int, ...] = ()
    n_rows: int = 0

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        text = f"{place}: {self.problem}"
        if self.n_rows:
            shown = ", ".join(str(row) for row in self.rows)
            more = f" and {self.n_rows - len(self.rows)} more" if self.n_rows > len(self.rows) else ""
            text += f" ({'row' if self.n_rows == 1 else 'rows'} {shown}{more})"
        parts = [("Got", self.got), ("Allowed", self.allowed), ("Fix", self.fix)]
        return text + "".join(f"\n    {label}: {value}" for label, value in parts if value)


class DataError(ValueError):
    """A user's input breaks the contract; `problems` holds every problem found, at once."""

    def __init__(self, problems: Sequence[Problem], where: str = "") -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{count}{f' in {where}' if where else ''}", *map(str, self.problems)]))


class Stopped(Exception):
    """A run that published nothing: why, in the reader's words, and the exit code that says so."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def problems_of(error: pydantic.ValidationError, file: str, allowed: Sequence[str] = ()) -> list[Problem]:
    """Every complaint of a pydantic model as a `Problem` of `file`; a misspelt key gets the nearest name."""
    found = []
    for item in error.errors(include_url=False):
        place = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(item["loc"][-1]), allowed, n=1)
            fix = f"did you mean {near[0]!r}?" if near else "remove it"
            text = f"allowed keys are {', '.join(allowed)}" if allowed else ""
            found.append(Problem(file, place, "is not a key this file knows", place, text, fix))
        elif item["type"] == "missing":
            found.append(Problem(file, place, "is missing", fix="add it"))
        else:
            found.append(Problem(file, place, item["msg"].removeprefix("Value error, "), repr(item["input"])[:80]))
    return found


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; a `DataError` when there is no such file, or no mapping in it."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DataError([Problem(path.name, "", "there is no such file", str(path))]) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())
        raise DataError([Problem(path.name, "", "cannot be read as YAML", text)]) from None
    if not isinstance(content, dict):
        raise DataError([Problem(path.name, "", "holds no 'key: value' lines", type(content).__name__)])
    return content


def project_root(file: Path) -> Path:
    """The folder that relative paths in a params or mapping file start from: the project that holds it."""
    folder = file.resolve().parent
    return next((place for place in (folder, *folder.parents) if (place / "notebooks").is_dir()), folder)

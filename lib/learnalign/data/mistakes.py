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
        text = _visible(f"{place}: {self.problem}")
        if self.n_rows:
            shown = ", ".join(str(row) for row in self.rows)
            more = (
                f" and {self.n_rows - len(self.rows)} more" if self.n_rows > len(self.rows) else ""
            )
            text += f" ({'row' if self.n_rows == 1 else 'rows'} {shown}{more})"
        parts = [("Got", self.got), ("Allowed", self.allowed), ("Fix", self.fix)]
        return text + "".join(
            f"\n    {label}: {_visible(value)}" for label, value in parts if value
        )


def _visible(text: str) -> str:
    """One line, with every sign that would not be seen, or would steer a terminal, written out."""
    signs = (
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )
    return "".join(signs)


class DataError(ValueError):
    """A user's input breaks the contract; `problems` holds every problem found, at once."""

    def __init__(self, problems: Sequence[Problem], where: str = "") -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(
            "\n".join([f"{count}{f' in {where}' if where else ''}", *map(str, self.problems)])
        )

    @classmethod
    def one(cls, *problem: str, where: str = "", **more: Any) -> "DataError":
        """An error with a single problem, given as the fields of `Problem`."""
        return cls([Problem(*problem, **more)], where)


# Exit codes of a run; a signal ends it with 128 and the signal's number, as in every shell
PUBLISHED, ANALYSIS, CONTRACT, TOO_SMALL, DEADLINE, KERNEL_DIED, LOCKED, PUBLISH = range(8)


class Stopped(Exception):
    """A run that published nothing: why, in the reader's words, and the exit code that says so."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


MODEL_WORDS = {
    "tuple_type": "is not a list",
    "list_type": "is not a list",
    "model_type": "does not hold 'key: value' pairs",
    "dict_type": "does not hold 'key: value' pairs",
    "string_type": "is not text: put it in quotes",
    "too_short": "is empty",
    "string_too_short": "is empty",
}


def problems_of(
    error: pydantic.ValidationError, file: str, allowed: Sequence[str] = ()
) -> list[Problem]:
    """Every complaint of a pydantic model as a `Problem` of `file`; a misspelt key gets the nearest
    name.
    """
    found = []
    for item in error.errors(include_url=False):
        if item["type"] == "too_short" and item["input"]:
            continue  # what is in it is at fault, and told of itself
        place = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(item["loc"][-1]), allowed, n=1)
            fix = f"did you mean {near[0]!r}?" if near else "remove it"
            found.append(
                Problem(file, place, "is not a key this file knows", "", ", ".join(allowed), fix)
            )
        elif item["type"] == "missing":
            found.append(Problem(file, place, "is missing", fix="add it"))
        else:
            text = MODEL_WORDS.get(item["type"], item["msg"].removeprefix("Value error, "))
            text = "is not a date as YYYY-MM-DD" if item["type"].startswith("date") else text
            found.append(Problem(file, place, text, repr(item["input"])[:80]))
    return found


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: a key stands once; yes, no, on and off are words."""

    yaml_implicit_resolvers = {
        sign: [
            (tag, form)
            for tag, form in pairs
            if not (tag == "tag:yaml.org,2002:bool" and sign in "yYnNoO")
        ]
        for sign, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        names = [key.value for key in keys]
        for key in keys:
            if names.count(key.value) > 1:
                text = f"the key {key.value!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, text, key.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; a `DataError` when there is no such file, or no mapping in it."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except FileNotFoundError:
        raise DataError([Problem(path.name, "", "there is no such file", str(path))]) from None
    except (
        OSError,
        ValueError,
        RecursionError,
        yaml.YAMLError,
    ) as error:  # ValueError: 2024-02-30, or not UTF-8
        text = " ".join(str(error).replace('in "<unicode string>", ', "").split())
        raise DataError(
            [Problem(path.name or str(path), "", "cannot be read as YAML", text)]
        ) from None
    if not isinstance(content, dict):
        raise DataError(
            [Problem(path.name, "", "holds no 'key: value' lines", type(content).__name__)]
        )
    return content

"""How a user's mistake is told: every problem at once, with its place and the way to mend it."""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pydantic
import yaml

YAML_BYTES, YAML_DEPTH = 200_000, 20
MOST = 50  # problems that are written out


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

    @classmethod
    def of(cls, key: str, /, table: str, column: str = "", got: str = "", **said: Any) -> "Problem":
        """A problem in the words that stand under `key` in `mistakes.yml`, filled with `said`."""
        return cls(table, column, got=got, **words(key, table=table, column=column, **said))

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        text = _visible(f"{place}: {self.problem}")
        if self.n_rows:
            more = self.n_rows - len(self.rows)
            shown = ", ".join(map(str, self.rows)) + (f" and {more} more" if more > 0 else "")
            text += f" ({'row' if self.n_rows == 1 else 'rows'} {shown})"
        parts = {"Got": self.got, "Allowed": self.allowed, "Fix": self.fix}
        return text + "".join(f"\n    {k}: {_visible(part)}" for k, part in parts.items() if part)


def words(key: str, /, near: str | None = None, **said: Any) -> dict[str, str]:
    """What `mistakes.yml` says of a mistake: `problem` and, where there are any, `allowed`, `fix`.

    >>> words("key_missing")
    {'problem': 'is missing', 'fix': 'add it'}
    """
    found = {part: text.format(near=near, **said) for part, text in _all_words()[key].items()}
    meant = found.pop("meant", "")
    return found | {"fix": meant} if near else found


@cache
def _all_words() -> dict[str, dict[str, str]]:
    return read_yaml(Path(__file__).with_name("mistakes.yml"))


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that must be meant, if any is so near."""
    return next(iter(difflib.get_close_matches(name, [*known], n=1, cutoff=cutoff)), None)


def _visible(text: str) -> str:
    """One line, with every sign that would not be seen, or would steer a terminal, written out."""
    plain = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return "".join(plain)[:2000]


class DataError(ValueError):
    """A user's input breaks the contract; `problems` holds every problem found, at once."""

    def __init__(self, problems: Sequence[Problem], where: str = "") -> None:
        self.problems, self.where = tuple(problems), where
        n, place = len(self.problems), f" in {where}" if where else ""
        count = f"{n} problem{'' if n == 1 else 's'}{place}"
        more = [f"... and {n - MOST:,} more"] * (n > MOST)
        super().__init__("\n".join([count, *map(str, self.problems[:MOST]), *more]))

    @classmethod
    def of(cls, *place: str, where: str = "", **said: Any) -> "DataError":
        """An error with the single `Problem.of` the same."""
        return cls([Problem.of(*place, **said)], where)


# Exit codes of a run; a signal ends it with 128 and the signal's number, as in every shell
PUBLISHED, ANALYSIS, CONTRACT, TOO_SMALL, DEADLINE, KERNEL_DIED, LOCKED, PUBLISH = range(8)


class Stopped(Exception):
    """A run that published nothing: why, in the reader's words, and the exit code that says so."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


# --- settings files

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
    """Every complaint of a pydantic model as a `Problem` of `file`."""
    found = []
    for item in error.errors(include_url=False)[:1000]:
        kind, place = item["type"], ".".join(str(part) for part in item["loc"])
        if kind == "too_short" and item["input"]:
            continue  # what is in it is at fault, and told of itself
        if kind == "extra_forbidden":
            near, keys = nearest(str(item["loc"][-1]), allowed), ", ".join(allowed)
            found.append(Problem.of("stranger_key", file, place, near=near, keys=keys))
        elif kind == "missing":
            found.append(Problem.of("key_missing", file, place))
        else:
            text = MODEL_WORDS.get(kind, item["msg"].removeprefix("Value error, "))
            text = "is not a date as YYYY-MM-DD" if kind.startswith("date") else text
            got = repr(item["input"])[:80]
            found.append(Problem.of("wrong_value", file, place, got, words=text))
    return found


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: a key stands once; yes, no, on and off are words; what stands there
    is all that there is: nothing is repeated by name, and nothing is deep.
    """

    depth = 0

    yaml_implicit_resolvers = {
        sign: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:bool" or sign in "tTfF"]
        for sign, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        self.depth += 1
        anchor = getattr(event, "anchor", None)
        if anchor or self.depth > YAML_DEPTH:
            text = f"{anchor!r} is an anchor (&) or alias (*)" if anchor else "it is too deep"
            raise yaml.composer.ComposerError(None, None, text, event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        names = Counter(key.value for key in keys if isinstance(key, yaml.ScalarNode))
        for key in reversed(keys):
            is_merge = key.tag == "tag:yaml.org,2002:merge"
            if is_merge or names[key.value] > 1:
                text = f"the key {key.value!r} " + ("merges" if is_merge else "stands twice")
                raise yaml.constructor.ConstructorError(None, None, text, key.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; a `DataError` when there is no such file, or no mapping in it."""
    try:
        with path.open("rb") as file:
            text = file.read(YAML_BYTES + 1)
        if len(text) > YAML_BYTES:
            raise ValueError(f"more than {YAML_BYTES:,} bytes")
        content = yaml.load(text.decode("utf-8-sig"), Loader=_Loader)
    except FileNotFoundError:
        raise DataError.of("no_file", path.name, got=str(path)) from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        # ValueError: 2024-02-30, or not UTF-8. No line is quoted: the file may be a link
        mark, why = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        text = f"{why} in line {mark.line + 1}, column {mark.column + 1}" if mark else str(error)
        text = " ".join(text.split())[:300]
        raise DataError.of("not_yaml", path.name or str(path), got=text) from None
    if not isinstance(content, dict):
        raise DataError.of("no_pairs", path.name, got=type(content).__name__)
    return content

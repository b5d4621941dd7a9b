"""Statements of xAPI 1.0.3: whether one keeps the standard, and its parts as named texts.

Written by hand, as no kept library agrees with the labels of the standard's own test suite. The
first rule that is broken is named. Read one by one, whatever their number.
"""

import csv
import datetime as dt
import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from learnalign.data.files import LONGEST
from learnalign.data.mistakes import DataError, read_yaml

VOIDED = "http://adlnet.gov/expapi/verbs/voided"
SAID = read_yaml(Path(__file__).with_suffix(".yml"))
SHAPES = {name: re.compile(shape) for name, shape in SAID["shapes"].items()}
IDS = ("mbox", "mbox_sha1sum", "openid", "account")


class _Wrong(Exception):
    """A rule that a statement breaks: where, and how."""


def _number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


PLAIN: dict[str, Callable[[Any], bool]] = {
    "text": lambda x: isinstance(x, str),
    "flag": lambda x: isinstance(x, bool),
    "number": _number,
    "count": lambda x: _number(x) and x == int(x) and x >= 0,
    "languages": lambda x: (
        isinstance(x, dict)
        and all(SHAPES["tag"].fullmatch(key) and isinstance(x[key], str) for key in x)
    ),
    "extensions": lambda x: isinstance(x, dict) and all(map(SHAPES["iri"].fullmatch, x)),
}


def _kept(kind: str) -> Callable[[Any], bool]:
    """Whether a value is of its kind; of a thing, a `_Wrong` that says where it is not."""
    if kind in SHAPES:
        match, is_moment = SHAPES[kind].fullmatch, kind == "moment"
        return lambda x: (
            isinstance(x, str) and match(x) is not None and (not is_moment or _is_day(x[:10]))
        )
    if kind in PLAIN:
        return PLAIN[kind]
    if kind[0] == "=":
        return lambda x: isinstance(x, str) and x in kind[1:].split("|")
    if kind[0] == "[" or kind[-1] == "*":
        one = _kept(kind.strip("[]*"))
        return lambda x: all(map(one, x)) if isinstance(x, list) else kind[-1] == "*" and one(x)
    return lambda x: _check_thing(x, kind)


def _is_day(text: str) -> bool:
    try:
        return bool(dt.date.fromisoformat(text))
    except ValueError:
        return False


THINGS = {  # whether each property is of its kind, and which must be there
    thing: (
        {key.rstrip("!"): _kept(kind) for key, kind in parts.items()},
        [key[:-1] for key in parts if key[-1] == "!"],
    )
    for thing, parts in SAID["things"].items()
}


def _check_thing(x: Any, kind: str) -> bool:
    if not isinstance(x, dict):
        raise _Wrong("", "is no object")
    thing = kind
    if kind in ("actor", "authority", "object"):
        own, usual = x.get("objectType"), "Activity" if kind == "object" else "Agent"
        others = ("Group", "Agent", "StatementRef", "SubStatement")[: 4 if kind == "object" else 1]
        thing = own if own in others else usual
    rules, needed = THINGS[thing]
    for name in needed:
        if name not in x:
            raise _Wrong(name, "is missing")
    for name, value in x.items():
        if name not in rules:
            raise _Wrong(name, "is not known to the standard")
        try:
            is_kept = rules[name](value)
        except _Wrong as wrong:
            place, why = wrong.args
            raise _Wrong(f"{name}.{place}".rstrip("."), why) from None
        if not is_kept:
            raise _Wrong(name, "is not as the standard has it")
    if why := _together(x, thing, kind):
        raise _Wrong("", why)
    return True


def _together(x: dict[str, Any], thing: str, kind: str) -> str:
    """What is wrong with properties that hang on each other."""
    if thing in ("Agent", "Group"):
        return _unidentified(x, kind)
    if thing == "definition":
        lists = {name for name in SAID["lists"] if name in x}
        allowed = SAID["components"].get(x.get("interactionType"), ())
        if "interactionType" not in x and (lists or "correctResponsesPattern" in x):
            return "has no interactionType"
        twice = any(len({one["id"] for one in x[name]}) < len(x[name]) for name in lists)
        return "has components that it cannot have" if twice or lists - {*allowed} else ""
    if thing == "score":
        low, high = x.get("min", float("-inf")), x.get("max", float("inf"))
        is_in = low < high and low <= x.get("raw", low) <= high and -1 <= x.get("scaled", 0) <= 1
        return "" if is_in else "is out of its range"
    if thing in ("statement", "SubStatement"):
        target = x["object"].get("objectType", "Activity")
        if target != "Activity" and {"revision", "platform"} & {*x.get("context", ())}:
            return "has a context of an activity, and its object is none"
        if thing == target:
            return "holds a SubStatement in another"
        if thing == "statement" and x["verb"]["id"] == VOIDED and target != "StatementRef":
            return "voids what is no StatementRef"
    return ""


def _unidentified(x: dict[str, Any], kind: str) -> str:
    n, is_group = sum(name in x for name in IDS), x.get("objectType") == "Group"
    if n > 1 or not n and not (is_group and x.get("member")):
        return "has not exactly one identifier"
    is_pair = not n and len(x.get("member", ())) == 2
    return "is a group that is not two agents" * (kind == "authority" and is_group and not is_pair)


def broken(statement: Any) -> str:
    """The first rule of xAPI 1.0.3 that a statement breaks, in words; nothing where it breaks none.

    A statement before a store has filled it may lack id, stored, version and timestamp.

    >>> broken({"actor": {"mbox": "mailto:a@b.c"}, "verb": {"id": "http://x.y/z"}})
    'object is missing'
    """
    try:
        _check_thing(statement, "statement")
    except _Wrong as wrong:
        return " ".join(filter(None, wrong.args))
    return ""


# --- a file of them

HEADER = ["person", *SAID["parts"], "verb.word", "object.name", "instructor", "_wrong"]
PLACES = [place.split(".") for place in SAID["parts"].values()]


def are_in(path: Path) -> bool:
    """Whether the first thing in a file of JSON is a statement."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as file:
            first = next(_each(file))
    except (StopIteration, ValueError, RecursionError, OSError, EOFError):
        return False
    return isinstance(first, dict) and {"actor", "verb", "object"} <= {*first}


def as_csv(path: Path, made: Path, is_strict: bool) -> bool:
    """Write the statements of a file as CSV, a row each in their order: lines, a list, or a page
    of a store. Whether the page says that there are more.

    `_wrong` holds the rule that a row breaks, where `is_strict`. A `DataError` where the file is no
    JSON, or no statements.
    """
    with path.open(encoding="utf-8-sig") as file, made.open("w", encoding="utf-8") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(HEADER)
        try:
            found = _each(file)
            while True:
                one = next(found)
                rows.writerow([*_texts_of(one), broken(one) if is_strict else ""])
        except StopIteration as end:
            return '"more"' in end.value and not re.search(r'"more"\s*:\s*(""|null)', end.value)
        except (ValueError, RecursionError) as error:
            raise DataError.of("no_statements", path.name, got=str(error)[:200]) from None


def _each(file: Any) -> Iterator[Any]:
    """The values in an open file, one by one; at the end what stands around them."""
    decoder, text = json.JSONDecoder(), file.read(LONGEST)
    start = re.match(r'\s*(\{[^\[\]]*?"statements"\s*:\s*)?\[', text)
    around, at = (start.group() if start else ""), (start.end() if start else 0)
    blank = re.compile(r"[\s,]*")
    while True:
        at = blank.match(text, at).end()  # type: ignore[union-attr]
        if at == len(text) or start and text[at] == "]":
            more = file.read(LONGEST)
            if not more or at < len(text):
                if start and at == len(text):
                    raise ValueError("its end is missing")
                return around + text[at:] + more
            text, at = more, 0
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            more = file.read(LONGEST)
            if not more or len(text) - at > 50 * LONGEST:
                raise
            text, at = text[at:] + more, 0
            continue
        yield value


def _at(x: Any, *place: str) -> Any:
    for name in place:
        if type(x) is not dict:  # as JSON makes them
            return None
        x = x.get(name)
    return x


def _texts_of(x: Any) -> Iterator[str]:
    yield _person(_at(x, "actor"))
    for place in PLACES:
        yield _plain(_at(x, *place))
    yield re.split(r"[/#:]", _plain(_at(x, "verb", "id")).rstrip("/"))[-1].lower()
    names = _at(x, "object", "definition", "name")
    yield _plain(next(iter(names.values()), "")) if isinstance(names, dict) else ""
    yield _person(_at(x, "context", "instructor"))


def _person(actor: Any) -> str:
    """The one identifier of an actor: name of an account, mailbox, its digest, or OpenID."""
    places = (("account", "name"), ("mbox",), ("mbox_sha1sum",), ("openid",))
    found = next(filter(None, (_plain(_at(actor, *one)) for one in places)), "") if actor else ""
    return found.removeprefix("mailto:")


def _plain(value: Any) -> str:
    if type(value) is str or value is None:
        return value or ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else ""

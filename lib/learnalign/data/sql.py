"""SQL of others, as a mapping holds it: one SELECT over the exports, and how much it may cost.

It is parsed, and what is not known to be harmless is refused (`sql.yml` has the functions); the
engine is locked besides; and memory and processor time are bounded, also inside a function.
"""

import glob
import json
import os
import re
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import ibis
import psutil

from learnalign.data.mistakes import DataError, read_yaml

HEAVY = (duckdb.InterruptException, duckdb.OutOfMemoryException, MemoryError)
MEGABYTES, SECONDS = 600, 6  # for exports of no size; processor time
WIDEST = 1000  # letters that a text is filled up to: no function looks up while it fills
TABLE_FUNCTIONS = {"unnest", "range", "generate_series"}
READERS = {"read_json", "read_json_auto", "read_ndjson", "read_ndjson_auto"}
ZONED, MOMENTS = "TIME ZONE", {"to_timestamp", "make_timestamptz", "now", "today"}
LOCKED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # no variable of this program is a table
}


class Costly(Exception):
    """A statement costs too much; its table and place. Ends all: the next might, too."""


@contextmanager
def engine(folder: Path, scratch: Path, zone: str = "UTC") -> Iterator[Any]:
    """An engine that reads files below two folders only, and ends what costs too much.

    Misleads where other threads of the process allocate much: what they take is counted too.
    """
    paths = (os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)
    size = sum(os.lstat(path).st_size for path in islice(paths, 10_000)) / 1e6
    room = min(MEGABYTES + 50 * size, 0.6e-6 * psutil.virtual_memory().total)
    limits = {"memory_limit": f"{room:.0f}MB", "max_temp_directory_size": f"{5 * room:.0f}MB"}
    made = ibis.duckdb.connect(temp_directory=str(scratch), **limits, **LOCKED)
    places = [str(folder), str(scratch)]  # and as a pattern that stands for itself
    places = ", ".join(map(quoted, [*places, *map(glob.escape, places)]))
    made.con.execute(f"SET allowed_directories=[{places}]; SET enable_external_access=false")
    made.con.execute(f"SET TimeZone={quoted(zone)}; SET lock_configuration=true")
    is_over, until = threading.Event(), time.process_time() + SECONDS + 20 * size

    def watch() -> None:
        while not is_over.wait(0.1):
            if time.process_time() > until:
                made.con.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        with _memory(int(1.5e6 * room)):
            yield made
    except (Costly, *HEAVY) as error:
        place = error.args if isinstance(error, Costly) else ("the mapping",)
        raise DataError.of("too_heavy", *place) from None
    finally:
        is_over.set()
        watcher.join()


@contextmanager
def _memory(more: int) -> Iterator[None]:
    """No more memory than now and that, where the system can say no: DuckDB does not count texts
    and lists that a function makes.
    """
    now = getattr(psutil.Process().memory_info(), "data", 0)
    if not now:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (min({now + more, soft, hard} - {-1}), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def quoted(value: object) -> str:
    """A text of SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def named(column: object) -> str:
    """A column's name in SQL."""
    return '"' + str(column).replace('"', '""') + '"'


def look(
    made: Any, sql: str, tables: Collection[str], place: tuple[str, str], folder: Path
) -> tuple[str, set[str]]:
    """A query of others if it is one SELECT over `tables`, and which of them it names, in small
    letters; else a `DataError`. Files of JSON that it reads are those below `folder`.
    """
    query = sql.strip().rstrip(";")
    tree = _parsed(made, query, place)
    _refuse(made, tree, tables, place)
    nodes = [*_nodes(tree)]
    for function in (node["function"] for node in nodes if node.get("type") == "TABLE_FUNCTION"):
        if function["function_name"].lower() in READERS:
            value = function["children"][0]["value"]
            _stay(folder, value["value"], place)
            value["value"] = str(folder / value["value"])
            query = ""
    if not query:
        text = made.con.execute("SELECT json_deserialize_sql(?)", [json.dumps(tree)]).fetchone()[0]
        query = text.strip().rstrip(";")
    return query, {node["table_name"].lower() for node in nodes if node.get("type") == "BASE_TABLE"}


def hangs_on_zone(made: Any, value: str) -> bool:
    """Whether a text with an offset becomes a day in a zone that the expression does not name."""
    text = made.con.execute("SELECT json_serialize_sql(?)", [f"SELECT {value}"]).fetchone()[0]
    nodes = [*_nodes(json.loads(text))]
    called = {str(node.get("function_name", "")).lower() for node in nodes}
    cast = any(ZONED in str((node.get("cast_type") or {}).get("id", "")) for node in nodes)
    return (cast or bool(called & MOMENTS)) and "timezone" not in called


def look_at_value(made: Any, sql: str, tables: Collection[str], place: tuple[str, str]) -> str:
    """The same of an expression, put in brackets; none may close them."""
    _parsed(made, f"SELECT {sql}", place)
    _refuse(made, _parsed(made, f"SELECT ({sql}\n)", place), tables, place)
    return f"({sql}\n)"


def _parsed(made: Any, query: str, place: tuple[str, str]) -> Any:
    text = made.con.execute("SELECT json_serialize_sql(?)", [query]).fetchone()[0]
    tree = json.loads(text)
    if tree.get("error_type") == "parser":
        raise DataError.of("not_computed", *place, f"Parser Error: {tree['error_message']}")
    if len(tree.get("statements", ())) != 1:
        raise DataError.of("not_one_select", *place)
    return tree


def _refuse(made: Any, tree: Any, tables: Collection[str], place: tuple[str, str]) -> None:
    nodes = [*_nodes(tree)]
    taken = made.con.execute(
        "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views()"
    ).fetchall()
    named = {str(node["key"]).lower() for node in nodes if "key" in node}  # by WITH
    known = named - {name.lower() for (name,) in taken} | {name.lower() for name in tables}
    if wrong := [what for what in (_stranger(node, known) for node in nodes) if what]:
        there = ", ".join(sorted(tables))
        raise DataError.of("beyond_exports", *place, what=wrong[0][:80], tables=there)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()


def _stranger(node: dict[str, Any], known: Collection[str]) -> str:
    """What a part of a query asks for, where that is not its to have; else nothing."""
    kind, name = node.get("type"), str(node.get("function_name", "")).lower()
    if re.search(r"\w", name) and name not in _functions():
        return "" if name in READERS and _is_below(node["children"]) else name
    if name in ("lpad", "rpad"):
        width = node["children"][1].get("value", {}).get("value") if node["children"][1:] else 0
        return "" if isinstance(width, int) and width <= WIDEST else name
    if kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name")).lower()
        is_below = name in READERS and _is_below(node["function"]["children"])
        return "" if name in TABLE_FUNCTIONS or is_below else name
    if kind in ("SHOW_REF", "LAMBDA", "VALUE_PARAMETER"):
        return kind.lower()
    if kind == "BASE_TABLE":
        parts = [node[part] for part in ("catalog_name", "schema_name", "table_name")]
        name = ".".join(filter(None, parts))
        return "" if name.lower() in known else name
    return ""


def _is_below(arguments: list[dict[str, Any]]) -> bool:
    """Whether a reader's first argument is a written path that leads into the folder, not out."""
    path = (arguments[0].get("value") or {}).get("value") if arguments else None
    if not isinstance(path, str) or not path or "://" in path:
        return False
    return not Path(path).is_absolute() and ".." not in Path(path).parts and path[0] != "~"


def _stay(folder: Path, pattern: str, place: tuple[str, str]) -> None:
    """A `DataError` where a file that a pattern takes is a link out of the folder."""
    if not all(path.resolve().is_relative_to(folder) for path in folder.glob(pattern)):
        raise DataError.of("outside", place[0], "file", pattern)


@cache
def _functions() -> frozenset[str]:
    return frozenset(read_yaml(Path(__file__).with_suffix(".yml"))["functions"].split())

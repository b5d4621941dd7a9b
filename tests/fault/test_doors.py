"""Hostile inputs end in a message, within ten seconds and a gigabyte more than a small one needs."""

import json
import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

MAPPING = """
source: exports
dataset: {title: Drawn, as_of: "2024-12-31", rating_scale: [1, 2, 3]}
tables:
  people:
    query: %s
    columns: {person_id: %s, hired_on: Hired}
  reviews:
    file: reviews.csv
    columns: {person_id: Id, cycle: Cycle, reviewed_on: Date, rating: Rating, unit: Unit}
"""
STAFF = "Id,Hired\n" + "".join(f"p{n},2020-01-01\n" for n in range(2000))
REVIEWS = "Id,Cycle,Date,Rating,Unit\np1,H1,2023-07-01,2,ops\n"
SECONDS, KILOBYTES = 10, 1_000_000


def asked(*words: object) -> tuple[str, int, float, int]:
    """A command: what it says on standard error, its exit code, seconds at rest, its most memory."""
    with open(os.devnull, "w") as nowhere:
        command = [sys.executable, "-m", "learnalign", *map(str, words)]
        one = subprocess.Popen(command, stdout=nowhere, stderr=subprocess.PIPE)
        began = time.monotonic()
        said = one.stderr.read().decode()
        _, status, used = os.wait4(one.pid, 0)
        one.returncode = os.waitstatus_to_exitcode(status)
    busy = used.ru_utime + used.ru_stime  # others may have the processor in between
    return said, one.returncode, min(busy, time.monotonic() - began), used.ru_maxrss


@cache
def at_rest() -> int:
    return asked("check", "nowhere")[3]


def refused(*words: object) -> str:
    said, code, seconds, kilobytes = asked(*words)
    assert code == 2 and "Traceback" not in said, said[-2000:]
    assert seconds < SECONDS and kilobytes < at_rest() + KILOBYTES
    assert len(said) < 20_000
    return said


@pytest.fixture
def exports(tmp_path):
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports/staff.csv").write_text(STAFF)
    (tmp_path / "exports/reviews.csv").write_text(REVIEWS)
    return tmp_path


def imported(folder: Path, query: str, value: str = "Id") -> str:
    person = "Id" if value == "Id" else json.dumps({"sql": value})
    (folder / "map.yml").write_text(MAPPING % (json.dumps(query), person))
    said = refused("import", folder / "map.yml", "--out", folder / "out")
    assert not (folder / "out").exists()
    return said


QUERIES = {
    "rows": "SELECT a.* FROM staff a, staff b, staff c, staff d",
    "a count": "SELECT count(*) AS Id, '2020-01-01' AS Hired FROM staff a, staff b, staff c, staff d "
    "WHERE hash(a.Id || b.Id) > hash(c.Id || d.Id)",
    "a range": "SELECT range AS Id, '2020-01-01' AS Hired FROM range(100000000000)",
    "a sort": "SELECT range AS Id, '2020-01-01' AS Hired FROM range(10000000000) ORDER BY hash(range)",
    "without end": "WITH RECURSIVE r AS (SELECT 1 AS Id, '2020-01-01' AS Hired UNION ALL "
    "SELECT Id + 1, Hired FROM r) SELECT * FROM r",
    "a long text": "SELECT lpad('x', 2000000000, 'y') AS Id, '2020-01-01' AS Hired FROM staff",
    "a long replacement": "SELECT replace(s, 'p', s) AS Id, '2020-01-01' AS Hired FROM ("
    "SELECT string_agg(a.Id, '') AS s FROM staff a, staff b)",
    "a long list": "SELECT range(4000000000) AS Id, '2020-01-01' AS Hired",
    "all in a text": "SELECT string_agg(a.Id || b.Id || c.Id, '') AS Id, '2020-01-01' AS Hired "
    "FROM staff a, staff b, staff c",
    "a wide one": "SELECT " + ", ".join(f"Id AS c{n}" for n in range(20_000)) + " FROM staff",
    "doubled": "WITH "
    + ", ".join(
        f"t{n} AS (SELECT " + " || ".join([f"s{n - 1}"] * 10) + f" AS s{n} FROM t{n - 1})"
        for n in range(1, 11)
    ).replace("FROM t0", "FROM (SELECT Id AS s0 FROM staff)")
    + " SELECT s10 AS Id, '2020-01-01' AS Hired FROM t10",
    "deep": "SELECT " + "(" * 50_000 + "1" + ")" * 50_000,
    "long": "SELECT " + "+".join(["1"] * 50_000),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_that_costs_too_much(exports, query):
    assert "people" in imported(exports, query)


VALUES = {
    "a long text": "lpad(Id, 2000000000, Id)",
    "a constant": "list_sum(range(4000000000))",
    "a join": "(SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range > b.range + length(Id))",
    "deep": "(" * 20_000 + "Id" + ")" * 20_000,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_an_expression_that_costs_too_much(exports, value):
    assert "people" in imported(exports, "SELECT * FROM staff", value)

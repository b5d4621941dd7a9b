"""Hostile inputs end in a message, within ten seconds and a gigabyte more than a small one needs."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from learnalign.data import scratch

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
    assert len(said) < 30_000
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
    "a wide one": "SELECT " + ", ".join(f"Id AS c{n}" for n in range(10_000)) + " FROM staff",
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


# --- settings files

DATASET = 'title: Drawn\nas_of: "2024-12-31"\nrating_scale: [1, 2, 3]\n'
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
YAML = {
    "laughs": LAUGHS,
    "an anchor": DATASET + "attributes: &a [x]\n",
    "an alias of itself": "a: &a [*a]\n",
    "a merge": DATASET + "<<: {currency: EUR}\n",
    "deep": "a: " + "[" * 100_000,
    "deep pairs": "a: " + "{b: " * 20_000,
    "deep blocks": "- " * 50_000 + "x",
    "large": DATASET + "# " + "x" * 300_000_000,
    "many keys": "".join(f"k{n}: 1\n" for n in range(20_000)),
    "many attributes": DATASET + f"attributes: [{', '.join(f'a{n}' for n in range(25_000))}]\n",
    "a long key": f"{'k' * 190_000}: 1\n",
    "twice": DATASET + "title: Again\n",
    "a long number": DATASET + f"currency: {'9' * 150_000}\n",
    "a tag": DATASET + "currency: !!python/object/apply:os.system [echo]\n",
    "no text": b"\xff\xfe\x00\x00" * 1000,
}
PARAMS = "report: r\ndata: data\nnotebooks: [coverage]\n"


@pytest.mark.parametrize("kind", ["dataset", "params", "mapping", "question"])
@pytest.mark.parametrize("name", YAML)
def test_a_settings_file_that_is_made_to_hurt(tmp_path, name, kind):
    if kind != "dataset" and name not in ("laughs", "deep", "many keys", "a merge"):
        pytest.skip("one reader reads all")
    for folder in ("data", "params/questions"):
        (tmp_path / folder).mkdir(parents=True)
    content = YAML[name] if isinstance(YAML[name], bytes) else YAML[name].encode()
    paths = {
        "dataset": "data/dataset.yml",
        "params": "params/p.yml",
        "mapping": "map.yml",
        "question": "params/questions/Q9.yml",
    }
    (tmp_path / "params/p.yml").write_text(PARAMS)
    (tmp_path / "data/people.csv").write_text("person_id,hired_on\na,2020-01-01\n")
    (tmp_path / paths[kind]).write_bytes(content)
    commands = {"dataset": ["check", tmp_path / "data"]}
    commands["mapping"] = ["import", tmp_path / "map.yml", "--out", tmp_path / "out"]
    said = refused(*commands.get(kind, ["run", tmp_path / "params/p.yml"]))
    assert Path(paths[kind]).name in said


def test_what_a_message_cites_of_a_settings_file_is_none_of_its_lines(tmp_path):
    """It may be a link to a file of rows."""
    (tmp_path / "rows.csv").write_text("person: {ana-4711\nx: y: z\n")
    (tmp_path / "dataset.yml").symlink_to(tmp_path / "rows.csv")
    (tmp_path / "people.csv").write_text("person_id,hired_on\na,2020-01-01\n")
    assert "ana-4711" not in refused("check", tmp_path)


# --- tables


def wide(columns: int) -> str:
    return "person_id,hired_on," + ",".join(f"c{n}" for n in range(columns)) + "\n"


def one_line(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"person_id,hired_on\na,")
        file.truncate(2_000_000_000)


TABLES = {
    "columns": wide(100_000),
    "a long name": f"person_id,hired_on,{'x' * 3_000_000}\na,2020-01-01,1\n",
    "names without end": 'person_id,hired_on,"' + "x\n" * 3_000_000,
    "short names without end": "person_id,hired_on" + ',"x\n"' * 1_000_000,
    "a line": one_line,
    "a cell": f"person_id,hired_on\n{'x' * 30_000_000},2020-01-01\n",
    "a cell of lines": 'person_id,hired_on\n"' + "x\n" * 5_000_000 + '",2020-01-01\n',
    "ragged": "person_id,hired_on\n" + "x\n" * 2_000_000,
    "wrong": "person_id,hired_on\n" + "x,y\n" * 200_000,
    "a wide parquet": "parquet",
}


@pytest.mark.parametrize("way", ["check", "import"])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_made_to_hurt(exports, name, way):
    folder = exports / "exports"
    (folder / "dataset.yml").write_text(DATASET)
    path = folder / ("people.parquet" if name == "a wide parquet" else "people.csv")
    if name == "a wide parquet":
        columns = {f"c{n}": [1] for n in range(5_000)}
        pq.write_table(pa.table({"person_id": ["a"], "hired_on": ["2020-01-01"]} | columns), path)
    elif callable(TABLES[name]):
        TABLES[name](path)
    else:
        path.write_text(TABLES[name])
    if way == "check":
        said = refused("check", folder)
    else:
        mapping = MAPPING.replace("query: %s", f"file: {path.name}") % "person_id"
        (exports / "map.yml").write_text(mapping.replace("Hired}", "hired_on}"))
        said = refused("import", exports / "map.yml", "--out", exports / "out")
    assert "people" in said


# --- what a killed process leaves

ROWS = """
import os, signal, sys, time
from pathlib import Path
from learnalign.data import folders, scratch
from learnalign.runs import journal
place = scratch.made()
(place / "rows").write_text("ana")
log = journal.Journal(Path(sys.argv[1]), "r", print, journal.Ending())
log.begin()
(log.work / "rows").write_text("ana")
with folders.staged(Path(sys.argv[2])) as stage:
    (stage / "people.csv").write_text("ana")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("command", ["init", "check", "schedule", "audit"])
def test_any_command_clears_what_a_killed_one_left(tmp_path, command):
    temporary, out, made = tmp_path / "tmp", tmp_path / "out", tmp_path / "set"
    temporary.mkdir()
    (made).mkdir()
    (made / "dataset.yml").write_text("mine")
    given = os.environ | {"TMPDIR": str(temporary)}
    killed = subprocess.run([sys.executable, "-c", ROWS, str(out), str(made)], env=given)
    assert killed.returncode == -signal.SIGKILL
    left = [path for path in tmp_path.rglob("*") if path.name in ("rows", "people.csv")]
    assert len(left) == 3
    foreign = [
        temporary / name for name in ("learnalign-mine", "learnalign-open", "learnalign-away")
    ]
    foreign[0].mkdir(mode=0o700)  # without a lock: somebody's own
    foreign[1].mkdir(mode=0o700)
    (foreign[1] / scratch.LOCK).write_text("")
    foreign[1].chmod(0o777)  # anybody may have put a lock there
    (tmp_path / "behind").mkdir(mode=0o700)
    (tmp_path / "behind" / scratch.LOCK).write_text("")
    foreign[2].symlink_to(tmp_path / "behind")
    words = {"init": ["p"], "check": ["p"], "schedule": ["p", "--for", "cron"], "audit": ["p"]}
    asked = [sys.executable, "-m", "learnalign", command, *words[command]]
    subprocess.run(asked, env=given, cwd=tmp_path, capture_output=True)
    assert not [path for path in left if path.exists()]
    assert sorted(temporary.iterdir()) == sorted(foreign) and any((tmp_path / "behind").iterdir())
    assert (made / "dataset.yml").read_text() == "mine" and not [*tmp_path.glob(".set-*")]
    assert '"died"' in next((out / ".runs/r").glob("*.jsonl")).read_text()


# --- what an unattended run says

# A rating with so many digits is no time that something took, which a log tells
ROW = {"person_id": "ana-4711", "cycle": "H1", "reviewed_on": "2024-02-31", "rating": "4.7519386"}
HEADLESS = "mueller,2019-03-04\nschmidt,2018-03-04\n"


@pytest.mark.parametrize(
    ("fault", "log"),
    [(name, "plain") for name in ("row", "header", "ragged", "copies", "parquet")]
    + [("row", "json")],
)
def test_a_run_tells_the_place_of_a_wrong_row_and_not_the_row(tmp_path, fault, log):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    (data / "dataset.yml").write_text(
        "title: T\nas_of: 2024-12-31\nrating_scale: [1, 2, 3]\n", encoding="utf-8"
    )
    people = f"person_id,hired_on\n{ROW['person_id']},2020-01-01\n"
    reviews = pd.DataFrame([ROW | {"unit": "ops"}]).to_csv(index=False)
    people = {
        "header": HEADLESS,
        "ragged": people + "mueller\n",
        "copies": people + people[19:],
    }.get(fault, people)
    (data / "people.csv").write_text(people)
    (data / "reviews.csv").write_text(reviews)
    if fault == "parquet":
        (data / "reviews.csv").unlink()
        pd.DataFrame([ROW | {"unit": "ops"}]).to_parquet(data / "reviews.parquet")
    (tmp_path / "p.yml").write_text("report: r\ndata: data\nnotebooks: [coverage]\n")
    command = [sys.executable, "-m", "learnalign", "run", "p.yml", "--out", "out", "--log", log]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    secret = [*ROW.values(), "mueller", "schmidt", "2019-03-04"]
    secret = [word for word in secret if word != "H1"]
    assert done.returncode == 2 and "reviews.rating" in done.stderr + "reviews.rating" * (
        fault == "header"
    )
    (details,) = (out / ".runs/r").glob("*.details.txt")
    assert str(details) in done.stderr
    assert details.stat().st_mode & 0o777 == 0o600
    assert any(word in details.read_text() for word in secret)
    rest = [path.read_text() for path in (out / ".runs/r").iterdir() if path != details]
    for text in (done.stderr, done.stdout, *rest):
        assert not [word for word in secret if word in text]
    doctor = [sys.executable, "-m", "learnalign", "doctor", "p.yml", "--out", "out"]
    done = subprocess.run(doctor, cwd=tmp_path, capture_output=True, text=True)
    assert not [word for word in secret if word in done.stdout + done.stderr]

"""Tables of SQLite, DuckDB and PostgreSQL come in as they stand, and nothing else of a database does."""

import getpass
import os
import shutil
import socket
import subprocess
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import yaml
from tests.parts import MARKED

from learnalign.data import databases, importing, proposing, unpacking
from learnalign.data.mistakes import DataError

STAFF = [f"0{number}" for number in range(4101, 4113)]
SCHEMA = """
    CREATE TABLE staff ("Employee ID" text, "Hire Date" date);
    CREATE SCHEMA lms;
    CREATE TABLE lms.done ("Who" text, "When" timestamp, "Spent" numeric(6, 2), "Paid" boolean);
    CREATE VIEW lms.late AS SELECT * FROM lms.done WHERE "Spent" > 1;
"""
ODD = '''
    CREATE SCHEMA odd;
    CREATE TABLE odd."a ""b" AS SELECT gen_random_uuid() AS id, '10.0.0.1'::inet AS ip,
        'NaN'::numeric AS n, 1e40::numeric AS far, 'infinity'::date AS "until", '1 day'::interval AS i,
        '(1,2)'::point AS p, '{a,b}'::text[] AS many, '\\x00ff'::bytea AS raw, NULL::text AS nothing,
        true AS "is ""so""", E'two\nlines, and "quotes"' AS told;
    CREATE VIEW odd.fails AS SELECT 1 / (g - 1) AS x FROM generate_series(1, 2) g;
    CREATE MATERIALIZED VIEW odd.kept AS SELECT 1 AS x;
    CREATE TABLE odd."empty" (x int);
    CREATE TABLE odd.nothing ();
    CREATE TABLE odd.inbox (x int);
    GRANT USAGE ON SCHEMA odd TO reader;
    GRANT SELECT ON odd."a ""b", odd.fails, odd.kept, odd."empty", odd.nothing TO reader;
    GRANT INSERT ON odd.inbox TO reader;
'''
MAPPING = {
    "source": "exports",
    "dataset": {"title": "Stored", "as_of": "2024-12-31", "rating_scale": [1, 2, 3, 4, 5]},
    "tables": {
        "people": {
            "sheet": "staff",
            "columns": {"person_id": "Employee ID", "hired_on": "Hire Date"},
        },
        "reviews": MARKED,
        "learning": {
            "sheet": "lms.done",
            "columns": {
                "person_id": "Who",
                "learned_on": "When",
                "activity_type": {"constant": "course"},
                "hours": {"column": "Spent", "unit": "hours"},
                "is_required": "Paid",
            },
        },
    },
}


@pytest.fixture
def exports(tmp_path) -> Path:
    place = tmp_path / "exports"
    place.mkdir()
    marks = [f"{who},2023-12-01,{1 + i % 5},Quay" for i, who in enumerate(STAFF)]
    (place / "marks.csv").write_text("\n".join(["No,On,Mark,Team", *marks]) + "\n")
    return place


def brought_in(exports: Path, file: str) -> dict[str, pd.DataFrame]:
    mapping = yaml.safe_load(yaml.safe_dump(MAPPING))
    for table in ("people", "learning"):
        mapping["tables"][table]["file"] = file
    (exports.parent / "own.yml").write_text(yaml.safe_dump(mapping))
    out = exports.parent / "out"
    importing.bring_in(exports.parent / "own.yml", out)
    return {path.stem: pd.read_parquet(path).astype(str) for path in out.glob("*.parquet")}


def filled(execute) -> None:
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            execute(statement)
    rows = [f"('{who}', DATE '2019-01-01')" for who in STAFF]
    execute(f"INSERT INTO staff VALUES {', '.join(rows)}")
    rows = [f"('{who}', TIMESTAMP '2023-02-03 09:00:00', 1.5, true)" for who in STAFF]
    execute(f"INSERT INTO lms.done VALUES {', '.join(rows)}")


def assert_same(found: dict[str, pd.DataFrame]) -> None:
    assert found["people"].person_id.tolist() == STAFF
    assert {*found["people"].hired_on} == {"2019-01-01"}
    learned = found["learning"]
    assert learned.person_id.tolist() == STAFF
    assert {*learned.learned_on} == {"2023-02-03"} and {*learned.hours.astype(float)} == {1.5}
    assert {*learned.is_required.str.lower()} == {"true"}


def refused(path: Path, *sheet: str) -> str:
    with pytest.raises(DataError) as caught:
        unpacking.unpacked(path, *(sheet or (None,)), path.parent)
    return str(caught.value)


# --- DuckDB


@pytest.fixture
def stored(exports) -> Path:
    with duckdb.connect(str(exports / "hr.duckdb")) as there:
        filled(there.execute)
    return exports / "hr.duckdb"


def test_tables_of_duckdb_come_in_with_their_types(exports, stored):
    before = stored.read_bytes()
    assert_same(brought_in(exports, "hr.duckdb"))
    assert stored.read_bytes() == before


def test_which_table_is_asked_and_a_view_is_none(stored, tmp_path):
    said = refused(stored)
    assert "lms.done, staff" in said and "late" not in said
    assert "lms.done, staff" in refused(stored, "lms.late")


def test_a_view_of_a_file_reads_nothing_else(exports, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\nkept\n")
    with duckdb.connect(str(exports / "x.duckdb")) as there:
        there.execute("CREATE TABLE t AS SELECT 1 AS a")
        there.execute(f"CREATE VIEW v AS SELECT * FROM read_csv('{secret}')")
    assert "v" not in refused(exports / "x.duckdb", "v").split("Got: ")[1].split("\n")[0]
    path, _ = unpacking.unpacked(exports / "x.duckdb", None, tmp_path)
    assert pd.read_parquet(path).a.tolist() == [1]


def test_names_of_duckdb_are_told_apart(exports, tmp_path):
    path = exports / "hr.duckdb"
    with duckdb.connect(str(path)) as there:
        there.execute("CREATE SCHEMA hr; CREATE TABLE hr.hr.t AS SELECT 1 AS x")
        there.execute("CREATE SCHEMA a; CREATE TABLE a.b AS SELECT 2 AS x")
        there.execute('CREATE TABLE "a.b" AS SELECT 3 AS x')
        there.execute("CREATE TABLE spans AS SELECT INTERVAL 1 DAY AS d, TIME '09:00' AS t")
    for name, value in (("hr.t", 1), ("a.b", 2), ('"a.b"', 3)):
        found, _ = unpacking.unpacked(path, name, tmp_path)
        assert pd.read_parquet(found).x.tolist() == [value]
    found, _ = unpacking.unpacked(path, "spans", tmp_path)
    assert pd.read_parquet(found).iloc[0].tolist() == ["1 day", "09:00:00"]


def test_what_is_no_database_and_rows_still_to_come_are_refused(exports, stored):
    (exports / "torn.duckdb").write_bytes(stored.read_bytes()[:5_000])
    assert "cannot be opened as what its name says" in refused(exports / "torn.duckdb")
    (exports / "hr.duckdb.wal").write_bytes(b"rows")
    assert "still being written" in refused(stored)


# --- PostgreSQL

HOMES = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.get_exec_path())]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server that is ours alone, with a user who may read one schema."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    home = next((one for one in HOMES if (one / "initdb").is_file()), None)
    if home is None:
        pytest.skip("no PostgreSQL on this machine")
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()
    place = Path(tmp_path_factory.mktemp("pg"))
    for folder in (place, *place.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    own = place / "own"
    own.mkdir()
    if os.geteuid() == 0:
        shutil.chown(own, user)
    as_user = {"user": user} if os.geteuid() == 0 else {}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"stdout": subprocess.DEVNULL, "cwd": own, **as_user}
    made = [home / "initdb", "-D", own / "data", "-U", "owner", "-A", "trust", "--no-sync"]
    subprocess.run([*map(str, made)], check=True, **quiet)
    run = [home / "pg_ctl", "-D", own / "data", "-w", "-l", own / "log"]
    listen = f"-p {port} -k {own} -c listen_addresses=127.0.0.1 -F"
    subprocess.run([*map(str, run), "-o", listen, "start"], check=True, **quiet)
    try:
        import psycopg

        with psycopg.connect(f"postgresql://owner@127.0.0.1:{port}/postgres") as there:
            filled(there.execute)
            there.execute("CREATE ROLE reader LOGIN")
            there.execute("GRANT USAGE ON SCHEMA lms TO reader")
            there.execute("GRANT SELECT ON ALL TABLES IN SCHEMA lms, public TO reader")
            there.execute("CREATE SCHEMA pay; CREATE TABLE pay.secret AS SELECT 1 AS a")
            there.execute(ODD)
        yield f"postgresql://reader:hush@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*map(str, run), "-m", "immediate", "stop"], check=False, **quiet)


@pytest.fixture
def reached(exports, server, monkeypatch) -> Path:
    monkeypatch.setenv("HR_DATABASE", server)
    (exports / "hr.postgres").write_text("HR_DATABASE\n")
    return exports / "hr.postgres"


@pytest.mark.slow
def test_tables_of_a_server_come_in_with_their_types(exports, reached):
    assert_same(brought_in(exports, "hr.postgres"))


@pytest.mark.slow
def test_what_the_user_may_not_read_is_not_offered(reached):
    said = refused(reached)
    assert "lms.done, lms.late, odd.a" in said and "staff" in said and "secret" not in said
    assert "lms.done, lms.late" in refused(reached, "pay.secret")


@pytest.mark.slow
def test_every_type_comes_in_as_text_and_every_name_is_a_name(reached, tmp_path):
    path, _ = unpacking.unpacked(reached, 'odd.a "b', tmp_path)
    (row,) = pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
    assert len(row.pop("id")) == 36
    assert row == {
        "ip": "10.0.0.1/32",
        "n": "NaN",
        "far": "1" + "0" * 40,
        "until": "infinity",
        "i": "1 day",
        "p": "(1,2)",
        "many": "{a,b}",
        "raw": "\\x00ff",
        "nothing": "",
        'is "so"': "true",
        "told": 'two\nlines, and "quotes"',
    }
    kept, _ = unpacking.unpacked(reached, "odd.kept", tmp_path)
    none, _ = unpacking.unpacked(reached, "odd.empty", tmp_path)
    assert kept.read_text() == "x\n1\n" and none.read_text() == "x\n"


@pytest.mark.slow
def test_what_fails_is_told_as_what_it_is_and_what_one_may_only_write_is_not_offered(reached):
    assert "could not be read to its end" in refused(reached, "odd.fails")
    assert "holds no table that can be read" in refused(reached, "odd.nothing")
    assert "inbox" not in refused(reached)


@pytest.mark.slow
def test_the_session_cannot_write(reached, monkeypatch):
    import psycopg

    seen, connect = [], psycopg.connect

    def connected(*about, **more):
        seen.append(connect(*about, **more))
        return seen[-1]

    monkeypatch.setattr(psycopg, "connect", connected)
    with databases.opened(reached) as there:
        assert there.names
        assert seen[0].execute("SHOW default_transaction_read_only").fetchone() == ("on",)
    assert seen[0].closed


@pytest.mark.slow
def test_a_proposal_reads_every_table_of_a_server(exports, reached):
    made = proposing.propose([*exports.iterdir()], exports.parent / "proposed.yml")
    assert "hr.postgres" in made.text and "sheet: staff" in made.text
    assert "hush" not in made.text
    assert "hr.postgres odd.fails: could not be read to its end" in made.open


@pytest.mark.slow
def test_a_password_is_never_told(reached, server, monkeypatch):
    monkeypatch.setenv("HR_DATABASE", server.replace("reader", "nobody"))
    said = refused(reached)
    assert "cannot be reached" in said
    assert "hush" not in said and "127.0.0.1" not in said
    monkeypatch.setenv("HR_DATABASE", "hush")
    assert "HR_DATABASE" in (said := refused(reached)) and "hush" not in said


def test_an_address_belongs_in_no_file(exports, monkeypatch):
    path = exports / "hr.postgres"
    path.write_text("postgresql://reader:hush@host/db\n")
    assert "belongs in no file" in (said := refused(path)) and "hush" not in said
    path.write_text("HR_DATABASE\n")
    monkeypatch.delenv("HR_DATABASE", raising=False)
    assert "holds no address" in refused(path)


def test_without_the_extra_the_way_to_get_it_is_told(exports, monkeypatch):
    import builtins

    def without(name, *about):
        if name == "psycopg":
            raise ImportError(name)
        return known(name, *about)

    known = builtins.__import__
    monkeypatch.setenv("HR_DATABASE", "postgresql://reader@host/db")
    monkeypatch.setattr(builtins, "__import__", without)
    (exports / "hr.postgres").write_text("HR_DATABASE")
    assert "learnalign[postgres]" in refused(exports / "hr.postgres")

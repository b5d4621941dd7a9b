"""Doors: what a file of somebody else's may reach, tried as they would."""

import json
import os
from pathlib import Path

import pytest

from learnalign.data import importing, pseudonyms
from learnalign.data.mistakes import DataError

SECRET = "ana-4711"
MAPPING = """
source: exports
{pseudonyms}dataset: {{title: Drawn, as_of: "2024-12-31", rating_scale: [1, 2, 3]}}
tables:
  people:
    {people}
    columns: {{person_id: {person}, hired_on: {hired}}}
  reviews:
    file: reviews.csv
    columns: {{person_id: Id, cycle: Cycle, reviewed_on: Date, rating: Rating, unit: {unit}}}
"""
FILES = {
    "staff.csv": "Id,Hired\nana,2020-01-01\nben,2020-01-01\n",
    "reviews.csv": "Id,Cycle,Date,Rating,Unit\nana,H1,2023-07-01,2,ops\nben,H1,2023-07-01,3,ops\n",
    "other.csv": "Key,Value\nana,1\n",
}


class Mapping:
    """A mapping of somebody else's, its exports, and beside them what it may not read."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.secret = folder, folder / "secret.csv"
        (folder / "exports").mkdir()
        for name, text in FILES.items():
            (folder / "exports" / name).write_text(text)
        self.secret.write_text(f"Id,Hired\n{SECRET},2020-01-01\n{SECRET},x,y\n")

    def bring_in(self, pseudonyms: bool = False, **parts: str) -> Path:
        given = {"people": "file: staff.csv", "person": "Id", "hired": "Hired", "unit": "Unit"}
        given |= {"pseudonyms": "pseudonyms: {key: DOORS_KEY}\n" * pseudonyms}
        (self.folder / "map.yml").write_text(MAPPING.format(**given | parts))
        return importing.bring_in(self.folder / "map.yml", self.folder / "out").folder

    def refused(self, **parts: str) -> str:
        before = sorted(self.folder.rglob("*"))
        with pytest.raises(DataError) as error:
            self.bring_in(**parts)
        assert sorted({*self.folder.rglob("*")} - {*before}) in ([], [self.folder / "map.yml"])
        assert SECRET not in str(error.value) and "root:" not in str(error.value)
        return str(error.value)


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "DOORS_KEY", "6b1f0f0de5a7c2d94433918cb0a7fe52d8801947c6e3aab15f7d26093ec84b7a"
    )
    monkeypatch.setenv("DOORS_SECRET", SECRET)
    return Mapping(tmp_path)


# --- SQL in a mapping

QUERIES = {
    "read_csv": "SELECT * FROM read_csv('{secret}')",
    "read_text": "SELECT content AS Id, '2020-01-01' AS Hired FROM read_text('{secret}')",
    "read_blob": "SELECT * FROM read_blob('{secret}')",
    "a file's name": "SELECT * FROM '{secret}'",
    "a quoted name": 'SELECT * FROM "{secret}"',
    "a file within": "SELECT * FROM 'exports/staff.csv'",
    "glob": "SELECT file AS Id, '2020-01-01' AS Hired FROM glob('/etc/*')",
    "the net": "SELECT * FROM 'https://example.com/staff.csv'",
    "settings": "SELECT current_setting('temp_directory') AS Id, '2020-01-01' AS Hired",
    "all settings": "SELECT name AS Id, '2020-01-01' AS Hired FROM duckdb_settings()",
    "environment": "SELECT getenv('DOORS_SECRET') AS Id, '2020-01-01' AS Hired",
    "the catalogue": "SELECT table_name AS Id, '2020-01-01' AS Hired FROM information_schema.tables",
    "views of the engine": "SELECT * FROM duckdb_views",
    "a variable of ours": "SELECT * FROM stage",
    "a query in a text": "SELECT * FROM query('SELECT 1')",
    "a table in a text": "SELECT * FROM query_table('other')",
    "SQL in JSON": "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "two": "SELECT 1; SELECT 2",
    "copy": "COPY other TO '{folder}/x.csv'",
    "brackets": "SELECT 1) ; COPY other TO '{folder}/x.csv'; SELECT * FROM (SELECT 1",
    "a comment": "SELECT 1) /* */ ; ATTACH '{folder}/x.db'; SELECT * FROM (SELECT 1 --",
    "attach": "ATTACH '{folder}/x.db' AS x",
    "pragma": "PRAGMA database_list",
    "set": "SET enable_external_access=true",
    "install": "INSTALL httpfs",
    "load": "LOAD httpfs",
    "create": "CREATE TABLE x AS SELECT 1",
    "describe": "SELECT * FROM (DESCRIBE other)",
    "show": "SHOW TABLES",
    "an error of its own": "SELECT error('Binder Error: ' || Id) FROM staff",
    "the pseudonyms": "SELECT _id AS Id, '2020-01-01' AS Hired FROM _pseudonyms",
    "by another's name": "WITH _pseudonyms AS (SELECT * FROM _pseudonyms) SELECT _id AS Id FROM _pseudonyms",
    "a pivot into names": "SELECT nope FROM (PIVOT staff ON Id USING first(Hired))",
    "sleep": "SELECT sleep_ms(100000)",
    "lambda": "SELECT list_transform(range(10), x -> x) AS Id FROM staff",
    "nothing": "",
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_reads_the_exports_and_nothing_else(theirs, name):
    text = QUERIES[name].format(secret=theirs.secret, folder=theirs.folder)
    for keyed in (True, False) if name in ("read_csv", "two", "settings") else (True,):
        told = theirs.refused(people=f"query: {text!r}", pseudonyms=keyed)
        assert told.startswith("1 problem") and "people.query: " in told


VALUES = {
    "a subquery": "(SELECT content FROM read_text('{secret}'))",
    "brackets": "Id) FROM (SELECT * FROM read_csv('{secret}')) --",
    "brackets that close": "1) FROM (SELECT 1",
    "another table": "(SELECT max(_id) FROM _pseudonyms)",
    "environment": "getenv('DOORS_SECRET')",
    "settings": "current_setting('temp_directory')",
    "an error of its own": "error(Id)",
    "two": "Id; COPY staff TO '{folder}/x.csv'",
}


@pytest.mark.parametrize("text", VALUES.values(), ids=VALUES)
def test_an_expression_is_a_value_of_its_row(theirs, text):
    text = text.format(secret=theirs.secret, folder=theirs.folder)
    aside = f"file: staff.csv\n    set_aside: [{{sql: {text!r}, because: x}}]"
    told = theirs.refused(people=aside, unit=f"{{sql: {text!r}}}", pseudonyms=True)
    assert "2 problems" in told and "people.set_aside: " in told and "reviews.unit: " in told


def test_what_mappings_do_is_let_through(theirs):
    query = """
      WITH s AS (SELECT *, row_number() OVER (PARTITION BY Id ORDER BY Hired DESC) AS place FROM staff)
      SELECT trim(s.Id) AS Id, CASE WHEN o.Value IS NULL THEN Hired ELSE strftime(
        CAST(Hired AS DATE) + INTERVAL 1 DAY, '%Y-%m-%d') END AS Hired
      FROM s LEFT JOIN "Other" AS o ON o.Key = s.Id WHERE place = 1 AND s.Id NOT LIKE 'x%'
      UNION ALL BY NAME SELECT 'cat' AS Id, '2021-01-01' AS Hired, unnest([1]) AS n;
    """
    hired = "{sql: \"coalesce(try_strptime(Hired, '%Y-%m-%d')::DATE, DATE '2020-01-01')\"}"
    unit = "{sql: \"regexp_replace(Unit, '[^a-z]', '') || left(Cycle, 1) -- fine\"}"
    out = theirs.bring_in(people=f"query: {json.dumps(query)}", hired=hired, unit=unit)
    assert (out / "rejected.csv").stat().st_mode & 0o777 == 0o600


def test_an_export_that_is_named_as_ours_is_no_table(theirs):
    planted = theirs.folder / "exports" / f"{pseudonyms.KNOWN}.csv"
    planted.write_text("_id,_pseudonym\nana,ana\nben,ben\n")
    out = theirs.bring_in(people="query: SELECT * FROM staff", pseudonyms=True)
    assert not [path for path in out.iterdir() if b"ana" in path.read_bytes()]


# --- files of a mapping


@pytest.mark.parametrize("way", ["up", "absolute", "link", "folder", "pattern", "net", "url"])
def test_a_file_lies_in_the_folder_of_the_exports(theirs, way):
    exports, outside = theirs.folder / "exports", theirs.folder / "outside"
    outside.mkdir()
    (outside / "staff.csv").write_text(theirs.secret.read_text())
    (exports / "link.csv").symlink_to(theirs.secret)
    (exports / "away").symlink_to(outside)
    named = {
        "up": "../secret.csv",
        "absolute": str(theirs.secret),
        "link": "link.csv",
        "folder": "away/staff.csv",
        "pattern": "../*.csv",
        "net": "https://example.com/staff.csv",
        "url": f"file://{theirs.secret}",
    }
    assert "people.file: " in theirs.refused(people=f"file: {named[way]!r}")


def test_a_query_meets_no_link_that_leads_out(theirs):
    (theirs.folder / "exports/link.csv").symlink_to(theirs.secret)
    told = theirs.refused(people="query: SELECT * FROM link")
    assert "link.csv" in told and "leads out" in told


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")
def test_the_environment_is_no_export(theirs):
    mapping = MAPPING.replace("source: exports", "source: /proc/self")
    (theirs.folder / "map.yml").write_text(
        mapping.format(pseudonyms="", people="file: environ", person="Id", hired="Id", unit="Id")
    )
    with pytest.raises(DataError) as error:
        importing.bring_in(theirs.folder / "map.yml", theirs.folder / "out")
    assert SECRET not in str(error.value)

"""Doors: what a file of somebody else's may reach, tried as they would."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests import faults

from learnalign.data import importing, pseudonyms, reading, scratch
from learnalign.data.contract import Meta
from learnalign.data.mistakes import DataError, Stopped
from learnalign.runs import files, history, init, journal, schedule, units
from learnalign.verdicts import document

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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


# --- folders of a run


def run(out: Path) -> None:
    with journal.opened(out, "r", 1) as log, log.lock("2026-06-30"):
        log.note("recorded")


LINKS = ("ledger.jsonl", "history.parquet", ".runs", ".runs/r", "r", "r/2026-06-30")
LINKS += (".runs/history.lock", ".runs/r/2026-06-30.lock")


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("is_there", [True, False], ids=["there", "nowhere"])
def test_nothing_is_written_or_deleted_behind_a_link(tmp_path, name, is_there):
    out, victim = tmp_path / "out", tmp_path / "victim"
    (out / name).parent.mkdir(parents=True, mode=0o700)
    (out / name).symlink_to(victim)
    if is_there and name.endswith(("jsonl", "parquet", "lock")):
        victim.write_text("mine")
    elif is_there:
        (victim / "2026-06-30").mkdir(parents=True)
        (victim / "2026-06-30" / "results.json").write_text("mine")
    before = faults.snapshot(victim) if victim.is_dir() else is_there and victim.read_text()
    with pytest.raises((Stopped, OSError)) as error:
        run(out)
        history.record(out, tmp_path)
    assert getattr(error.value, "code", 7) == 7 and "link" in str(error.value)
    assert before == (
        faults.snapshot(victim) if victim.is_dir() else is_there and victim.read_text()
    )
    assert (out / name).is_symlink()


@pytest.mark.parametrize("name", [".runs", ".runs/r"])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path, name):
    (tmp_path / name).mkdir(parents=True, mode=0o700)
    (tmp_path / name).chmod(0o777)
    with pytest.raises(Stopped, match="others may write") as error:
        run(tmp_path)
    assert error.value.code == 7


def test_the_list_of_editions_is_appended_to_itself_only(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / document.LEDGER).symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="symbolic links"):
        document.enter(tmp_path)
    assert (tmp_path / "mine").read_text() == "mine"


def test_an_edition_that_is_a_link_is_neither_left_nor_deleted(tmp_path):
    for name in ("victim", "stage"):
        (tmp_path / name).mkdir()
    (tmp_path / "place").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="is a link"):
        files.exchange(tmp_path / "stage", tmp_path / "place", tmp_path / "aside")
    assert (tmp_path / "victim").is_dir() and (tmp_path / "place").is_symlink()


def test_a_project_and_a_schedule_are_written_behind_no_link(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "p/notebooks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Stopped, match="is a link"):
        init.init(tmp_path / "p")
    (tmp_path / "p/notebooks").unlink()
    (tmp_path / "p/.gitignore").symlink_to(tmp_path / "nowhere")
    with pytest.raises((Stopped, DataError)):
        init.init(tmp_path / "p")
    (tmp_path / "entry").symlink_to(tmp_path / "nowhere")
    schedule.write({"entry": "text"}, tmp_path)
    assert not (tmp_path / "nowhere").exists() and not any((tmp_path / "elsewhere").iterdir())


@pytest.mark.slow
def test_tables_are_put_behind_no_link(theirs):
    out = theirs.bring_in()
    out.rename(theirs.folder / "moved")
    out.symlink_to(theirs.folder / "moved")
    before = faults.snapshot(theirs.folder / "moved")
    with pytest.raises(DataError, match="is a link"):
        theirs.bring_in()
    assert faults.snapshot(theirs.folder / "moved") == before


# --- what a killed process leaves


@pytest.mark.parametrize("name", ["20200101T000000-abcdef", "planted", "..", "a b"])
def test_a_journal_names_no_folder_to_delete(tmp_path, name):
    mine, place = tmp_path / "mine", tmp_path / "out/.runs/r"
    mine.mkdir()
    place.mkdir(parents=True, mode=0o700)
    (tmp_path / "out/.runs").chmod(0o700)
    planted = {"state": "planned", "scratch": str(mine), "work": str(mine), "out": str(mine)}
    (place / f"{name}.jsonl").write_text(json.dumps(planted) + "\n")
    (place / name).symlink_to(mine) if name == "planted" else None
    run(tmp_path / "out")
    assert mine.is_dir()


@pytest.mark.parametrize("what", ["journal", "work", "before", "edition"])
def test_a_planted_link_is_not_cleared_away(tmp_path, what):
    """As an archive of somebody else's holds it, unpacked by its owner."""
    mine, run_id = tmp_path / "mine", "20200101T000000-abcdef"
    place = tmp_path / "out/.runs/r"
    place.mkdir(parents=True, mode=0o700)
    (tmp_path / "out/.runs").chmod(0o700)
    (mine / "before/2026-06-30").mkdir(parents=True)
    line = json.dumps({"state": "planned"}) + "\n"
    (mine / "kept.jsonl").write_text(line)
    if what == "journal":
        (place / f"{run_id}.jsonl").symlink_to(mine / "kept.jsonl")
    else:
        (place / f"{run_id}.jsonl").write_text(line)
    if what == "work":
        (place / run_id).symlink_to(mine)
    elif what == "before":
        (place / run_id).mkdir()
        (place / run_id / "before").symlink_to(mine / "before")
    before = faults.snapshot(mine)
    run(tmp_path / "out")
    assert faults.snapshot(mine) == before and (mine / "before/2026-06-30").is_dir()


def test_what_is_in_use_is_not_cleared():
    place = scratch.made()
    scratch.clear_left(lambda out: None)
    assert place.is_dir()
    scratch.cleared(place)
    assert not place.exists()


# --- names of folders


SIGNS = ("data[1]", "a*b", "q?", "{x}", "[!a]", "**", "e'f", "back\\slash", "$(x)", "ünï côdé")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("name", SIGNS)
def test_signs_of_patterns_in_a_name_are_letters(theirs, name, kind):
    out = theirs.bring_in()
    place, decoy = theirs.folder / name, theirs.folder / "data1"
    for one in (place, decoy, theirs.folder / "aXb", theirs.folder / "qX"):
        shutil.copytree(out, one)
        for path in one.glob("*.parquet"):
            frame = pd.read_parquet(path)
            frame = frame if one == place else frame.iloc[:0]
            path.unlink() if kind == "csv" else frame.to_parquet(path)
            frame.to_csv(path.with_suffix(".csv"), index=False) if kind == "csv" else None
    assert reading.check(place) == ()
    tables = reading.read(place).tables
    assert sorted(tables["people"].person_id.execute()) == ["ana", "ben"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNS)
def test_signs_of_patterns_in_the_name_of_exports_are_letters(theirs, name):
    (theirs.folder / "exports").rename(theirs.folder / name)
    for query in ("file: staff.csv", "query: SELECT * FROM staff"):
        mapping = MAPPING.format(
            pseudonyms="", people=query, person="Id", hired="Hired", unit="Unit"
        ).replace("source: exports", f"source: {json.dumps(name)}")
        (theirs.folder / "map.yml").write_text(mapping)
        done = importing.bring_in(theirs.folder / "map.yml", theirs.folder / "o[u]t")
        assert done.summary.kept.tolist() == [2, 2]
        assert reading.read(done.folder).fingerprint


# --- what an unattended run says


def test_an_error_of_ours_tells_no_row_and_keeps_it_for_its_owner(tmp_path):
    with pytest.raises(Stopped) as error, journal.opened(tmp_path, "r", 1):
        raise ValueError("rating 4.75 of 'ana-4711' on 2024-06-30")
    (details,) = (tmp_path / ".runs/r").glob("*.details.txt")
    assert error.value.code == 1 and str(details) in str(error.value)
    assert error.value.__cause__ is None and error.value.__suppress_context__
    said = str(error.value).replace(str(details), "")
    assert "ValueError: rating … of … on …" in said
    assert "ana-4711" in details.read_text() and details.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "rating 4 of Müller, Anna",
        "no review by Anna van der Berg in it",
        "KeyError: ('ana', 4, '2024-06-30')",
        "Müller, Anna|4|2024-06-30",
        "got 4.0 for ana, 2024-06-30T00:00:00",
    ],
)
def test_what_a_notebook_raises_tells_no_row(text):
    people = {"Müller, Anna", "Anna van der Berg", "ana"}
    said = journal.discreet(text, "df[df.rating > 4]; range(2024)", people)
    assert not [word for word in (*people, "4", "2024", "Anna") if word in said]


# --- names of units


@pytest.mark.parametrize(
    "names", [["company"], ["Company "], ["ALL"], ["Each"], ["Retail", "retail"], ["a  b", "a B"]]
)
def test_a_unit_is_not_taken_for_another_or_for_all(names):
    rows = [(f"p{n}", name) for n, name in enumerate([*names, "ops"])]
    reviews = pd.DataFrame(rows, columns=["person_id", "unit"]).assign(
        cycle="H1", reviewed_on=pd.Timestamp("2024-07-01"), rating=2.0, manager_id="m"
    )
    people = reviews[["person_id"]].assign(hired_on=pd.Timestamp("2020-01-01"))
    meta = Meta(title="T", as_of="2024-12-31", rating_scale=[1, 2, 3])
    made = reading.of_frames({"people": people, "reviews": reviews}, meta)
    with pytest.raises(DataError, match=r"params.units: has names that"):
        units.chosen(made, ("company", "each"), 5)
    assert units.chosen(made, ("company",), 5) == units.Chosen()

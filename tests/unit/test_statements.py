"""xAPI statements: the standard's own labels, real statements, and what an import makes of a store's export."""

import gzip
import json
import time
import tracemalloc
from pathlib import Path

import pandas as pd
import pytest
import yaml

from learnalign.data import importing, proposing, statements
from learnalign.data.mistakes import DataError

PLACES = [place / "shared/data/xapi" for place in Path(__file__).resolve().parents]
REAL = next(filter(Path.is_dir, PLACES), PLACES[-1])
there = pytest.mark.skipif(not REAL.is_dir(), reason="no shared/data/xapi beside the project")

# Where we and the label differ, by case, and why; none as it is
DISAGREE: dict[str, str] = {}


@there
def test_the_labels_of_the_conformance_suite_are_ours():
    lines = (REAL / "adl_suite_v1_0_3.jsonl").read_text("utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    assert len(cases) == 950
    other = {
        case["case_id"]: statements.broken(case["statement"])
        for case in cases
        if (statements.broken(case["statement"]) == "") != case["valid"]
    }
    assert other.keys() == DISAGREE.keys() and len(other) <= 0.01 * len(cases)


@pytest.mark.slow
@there
@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("fun_mooc_video_22000.jsonl.gz", 22_000),
        ("kokea_concepts_385.jsonl", 385),
        ("dave_224.jsonl", 224),
    ],
)
def test_real_statements_are_accepted_in_constant_memory(name, n, tmp_path):
    content = (REAL / name).read_bytes()
    plain = tmp_path / "all.jsonl"
    plain.write_bytes(gzip.decompress(content) if name.endswith(".gz") else content)
    tracemalloc.start()
    statements.as_csv(plain, tmp_path / "all.csv", is_strict=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    rows = pd.read_csv(tmp_path / "all.csv")
    assert len(rows) == n and rows._wrong.isna().all()
    assert peak < 20e6


@there
@pytest.mark.bench
def test_twenty_two_thousand_take_five_seconds(tmp_path):
    plain = tmp_path / "all.jsonl"
    plain.write_bytes(gzip.decompress((REAL / "fun_mooc_video_22000.jsonl.gz").read_bytes()))
    start = time.process_time()
    statements.as_csv(plain, tmp_path / "all.csv", is_strict=True)
    assert time.process_time() - start < 5


PEOPLE = [f"M{number}" for number in range(31, 43)]
VERBS = "http://adlnet.gov/expapi/verbs/"


def statement(number, verb, what, day, who=None, **more):
    return {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "actor": {"account": {"name": who or PEOPLE[number % 12], "homePage": "https://lms.x"}},
        "verb": {"id": verb if ":" in verb else VERBS + verb},
        "object": {"id": f"https://lms.x/{what}", "definition": {"name": {"en": what.title()}}},
        "timestamp": f"{day}T23:30:00+00:00",
        **more,
    }


def store():
    """Forty statements: twenty completions, each passed too, and what must not count."""
    made = [statement(i, "completed", f"c{i}", "2023-02-03") for i in range(20)]
    made += [statement(20 + i, "passed", f"c{i}", "2023-02-03", PEOPLE[i % 12]) for i in range(20)]
    made[3]["result"] = {"duration": "PT1H30M"}
    made.append(dict(made[5]))  # sent again
    made.append(statement(50, "launched", "c1", "2023-02-01"))
    gone = {"objectType": "StatementRef", "id": made[7]["id"]}
    made.append(statement(51, "voided", "x", "2023-03-01") | {"object": gone})
    made.append(statement(52, "completed", "c9", "2023-02-09") | {"result": {"success": "yes"}})
    made += [statement(60 + i, "asked", "forum", "2023-04-05") for i in range(3)]
    return made


@pytest.fixture
def folder(tmp_path):
    exports = tmp_path / "exports"
    exports.mkdir()
    staff = "".join(f"{who},2019-01-01\n" for who in PEOPLE)
    (exports / "staff.csv").write_text("Employee ID,Hire Date\n" + staff)
    marks = "".join(f"{who},2023,2023-12-01,{1 + i % 5},Quay\n" for i, who in enumerate(PEOPLE))
    head = "Employee ID,Review Period,Review Date,Rating,Department\n"
    (exports / "reviews.csv").write_text(head + marks)
    return tmp_path


def written(path, form):
    made = store()
    if form == "lines":
        path.write_text("".join(json.dumps(one) + "\n" for one in made))
    elif form == "list":
        path.write_text(json.dumps(made, indent=1))
    else:
        path.write_text(json.dumps({"more": form, "statements": made}))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["lines", "list", "", "/xapi/statements?next=2"])
def test_a_stores_export_is_mapped_and_comes_in(folder, form):
    written(folder / "exports/store.json", form)
    made = proposing.propose(sorted((folder / "exports").iterdir()), folder / "map.yml")
    assert {line.partition(":")[0] for line in made.open} == {
        "learning.learned_on",
        "acknowledgements.acknowledged_on",
    }  # by which zone a day counts is asked
    text = made.text.replace("# unsure: ", "") + "zone: Europe/Berlin\n"
    (folder / "map.yml").write_text(text)
    mapping = yaml.safe_load(text)
    assert mapping["tables"]["learning"]["xapi"] == "standard"
    done = importing.bring_in(folder / "map.yml", folder / "out")
    learning = pd.read_parquet(folder / "out/learning.parquet")
    assert sorted(learning.activity_id) == sorted(f"https://lms.x/c{i}" for i in range(20))
    assert set(learning.learned_on.astype(str)) == {"2023-02-04"}  # in Berlin it was after midnight
    assert learning.hours.dropna().tolist() == [1.5]
    asked = pd.read_parquet(folder / "out/acknowledgements.parquet")
    assert len(asked) == 3
    why = pd.read_csv(folder / "out/rejected.csv").query("table == 'learning'").reason
    said = "\n".join(why)
    for words in ("was voided", "stands before", "success is not as the standard"):
        assert said.count(words) == 1, words
    assert "another verb than" in said and "same person_id + activity_id" in said
    told = "\n".join(map(str, done.notes))
    assert ("more follow" in told) == form.startswith("/xapi")


@pytest.mark.parametrize("text", ['[{"actor": 1}, ', '{"actor": ', "Who,When\n"])
def test_a_cut_or_other_file_is_refused(folder, text):
    (folder / "exports/store.json").write_text(text)
    with pytest.raises(DataError, match="cannot be read as xAPI"):
        statements.as_csv(folder / "exports/store.json", folder / "x.csv", True)


@pytest.mark.slow
def test_statements_that_break_the_standard_stop_the_import_unless_told(folder):
    made = [statement(i, "completed", f"c{i}", "2023-02-03") | {"ours": 1} for i in range(9)]
    (folder / "exports/store.json").write_text(json.dumps(made))
    propose = proposing.propose(sorted((folder / "exports").iterdir()), folder / "map.yml")
    text = propose.text.replace("# unsure: ", "") + "zone: UTC\n"
    (folder / "map.yml").write_text(text)
    with pytest.raises(DataError, match="none of its 9 rows") as found:
        importing.bring_in(folder / "map.yml", folder / "out")
    assert "xAPI 1.0.3" in str(found.value)
    (folder / "map.yml").write_text(text.replace("xapi: standard", "xapi: as_it_is"))
    assert importing.bring_in(folder / "map.yml", folder / "out").summary.kept.tolist()[-1] == 9


@pytest.mark.slow
def test_other_json_in_an_envelope_has_rows_and_parts(folder):
    rows = [{"user": {"email": who}, "done": "2023-02-03", "kind": "Course"} for who in PEOPLE]
    (folder / "exports/lms.json").write_text(json.dumps({"Report_Entry": rows, "count": 12}))
    mapping = {
        "source": "exports",
        "dataset": {"title": "J", "as_of": "2024-12-31", "rating_scale": [1, 2, 3, 4, 5]},
        "tables": {
            "people": {
                "file": "staff.csv",
                "columns": {"person_id": "Employee ID", "hired_on": "Hire Date"},
            },
            "reviews": {
                "file": "reviews.csv",
                "columns": {
                    "person_id": "Employee ID",
                    "cycle": "Review Period",
                    "reviewed_on": "Review Date",
                    "rating": "Rating",
                    "unit": "Department",
                },
            },
            "learning": {
                "file": "lms.json",
                "columns": {
                    "person_id": "user.email",
                    "learned_on": "done",
                    "activity_type": "kind",
                },
            },
        },
    }
    (folder / "map.yml").write_text(yaml.safe_dump(mapping))
    done = importing.bring_in(folder / "map.yml", folder / "out")
    assert done.summary.kept.tolist() == [12, 12, 12]

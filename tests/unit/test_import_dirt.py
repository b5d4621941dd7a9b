"""More of what exports do, found by trying: a day is not 24 hours of training, zones in headers, flags of deletion."""

import json

import pandas as pd
import pytest

from learnalign.data import importing
from learnalign.data.mistakes import DataError

WHO = [f"T{number}" for number in range(501, 521)]
DAYS = [f"2023-02-{day:02}" for day in range(1, 21)]


class Dirt:
    def __init__(self, place):
        self.place = place
        (place / "x").mkdir()
        staff = "No,In\n" + "".join(f"{who},2016-05-01\n" for who in WHO)
        (place / "x/staff.csv").write_text(staff)
        marks = [f"{who},H1,2023-07-01,{1 + i % 5},Dock\n" for i, who in enumerate(WHO)]
        (place / "x/marks.csv").write_text("No,R,On,Mark,Team\n" + "".join(marks))
        names = {"reviewed_on": "On", "rating": "Mark", "unit": "Team", "cycle": "R"}
        self.mapping = {
            "source": "x",
            "dataset": {"title": "D", "as_of": "2024-12-31", "rating_scale": [1, 2, 3, 4, 5]},
            "tables": {
                "people": {"file": "staff.csv", "columns": {"person_id": "No", "hired_on": "In"}},
                "reviews": {"file": "marks.csv", "columns": {"person_id": "No", **names}},
                "learning": {
                    "file": "done.csv",
                    "columns": {
                        "person_id": "Who",
                        "learned_on": "When",
                        "activity_type": {"constant": "course"},
                    },
                },
            },
        }

    def learned(self, head, values, encoding="utf-8", **columns):
        rows = [f"{WHO[i % 20]},{value}\n" for i, value in enumerate(values)]
        content = f"Who,{head}\n{''.join(rows)}"
        (self.place / "x/done.csv").write_bytes(content.encode(encoding))
        self.mapping["tables"]["learning"]["columns"] |= columns
        return self

    def brought_in(self):
        (self.place / "m.yml").write_text(json.dumps(self.mapping))
        self.done = importing.bring_in(self.place / "m.yml", self.place / "out")
        return pd.read_parquet(self.place / "out/learning.parquet")

    def asked(self, words):
        with pytest.raises(DataError, match=words):
            self.brought_in()


@pytest.fixture
def dirt(tmp_path):
    return Dirt(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("unit", [None, "words"])
def test_days_of_training_are_not_days_of_the_clock(dirt, unit):
    """'2d' is 16 hours of a course, or 48: it is asked, also where `map` proposed the way."""
    hours = {"column": "Spent", "unit": unit} if unit else "Spent"
    dirt.learned("When,Spent", [f"{day},2d" for day in DAYS], hours=hours).asked("may be minutes")
    dirt.mapping["tables"]["learning"]["as_is"] = {"hours": "machines run day and night"}
    assert set(dirt.brought_in().hours) == {48}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "tail"), [("Completed (UTC)", ""), ("completed_on_gmt", ""), ("When", " EST")]
)
def test_a_zone_in_a_header_or_after_a_time_is_asked(dirt, head, tail):
    dirt.learned(head, [f"{day} 23:30:00{tail}" for day in DAYS], learned_on=head)
    dirt.mapping["zone"] = "Europe/Berlin"
    dirt.asked("times of a zone")
    if not tail:  # the repair that is told
        sql = f"CAST(\"{head}\" || '+00' AS TIMESTAMPTZ)"
        dirt.mapping["tables"]["learning"]["columns"]["learned_on"] = {"sql": sql}
        assert dirt.brought_in().learned_on.astype(str).min() == "2023-02-02"


@pytest.mark.slow
def test_midnights_of_a_zone_are_days(dirt):
    dirt.learned("When (UTC)", [f"{day} 00:00:00" for day in DAYS], learned_on="When (UTC)")
    assert dirt.brought_in().learned_on.astype(str).tolist() == DAYS


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("Is Deleted", ("true", "false")),
        ("Test account", ("x", "")),
        ("Completion Status", ("Completed", "Exempt")),
        ("completionstate", ("1", "3")),
        ("Status", ("C", "I")),
        ("Lernstatus", ("Erfolgreich", "Offen")),
    ],
)
def test_a_column_that_says_a_row_does_not_count_is_asked_about(dirt, head, words):
    rows = [f"{day},{words[i % 2]}" for i, day in enumerate(DAYS)]
    dirt.learned(f"When,{head}", rows).asked("is not mapped, and says in")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("Status", ("Done", "done")),
        ("Deleted", ("0", "0")),
        ("State", ("CA", "NY")),  # of a country
        ("Result", ("85", "91")),
    ],
)
def test_a_column_that_says_all_count_asks_nothing(dirt, head, words):
    rows = [f"{day},{words[i % 2]}" for i, day in enumerate(DAYS)]
    assert len(dirt.learned(f"When,{head}", rows).brought_in()) == 20


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "mixed"])
def test_letters_of_utf8_are_not_read_as_two(dirt, encoding):
    rows = [f"{day},Führung" for day in DAYS]
    dirt.learned("When,What", rows, skill="What")
    if encoding == "mixed":
        with (dirt.place / "x/done.csv").open("ab") as file:
            file.write("T501,2023-03-03,Köln\n".encode("cp1252"))
    dirt.mapping["encoding"] = "windows-1252"
    dirt.asked("holds letters of UTF-8")
    dirt.learned("When,What", rows, encoding="cp1252", skill="What")
    assert set(dirt.brought_in().skill) == {"Führung"}


@pytest.mark.slow
def test_rows_that_are_alike_in_all_that_is_known_are_told(dirt):
    assert len(dirt.learned("When", DAYS + DAYS).brought_in()) == 40
    assert "20 rows are the same as another" in "\n".join(map(str, dirt.done.notes))


@pytest.mark.slow
def test_many_rows_are_read_as_few_are(dirt, monkeypatch):
    """What is done once for each different text is what would be done for each row."""
    from learnalign.data import mapped

    values = ["13/02/2023,7.5", "13/02/2023 10:00,nil", "nonsense,7.5", ",2", "14/02/2023,"] * 60
    dirt.learned("When,Spent", values, hours={"column": "Spent", "unit": "hours"})
    dirt.mapping["arrive"] = 0.1
    found = []
    for few in (4, 10**9):
        monkeypatch.setattr(mapped, "FEW", few)
        rows = dirt.brought_in().sort_values(["person_id", "learned_on", "hours"])
        why = pd.read_csv(dirt.place / "out/rejected.csv")
        found.append((rows.to_csv(index=False), why.to_csv(index=False)))
    assert found[0] == found[1] and len(why) >= 120


@pytest.mark.parametrize("head", ["_place", "_TIDY_0", "_raw_x"])
def test_a_header_never_takes_the_place_of_ours(dirt, head):
    dirt.learned(f"When,{head}", [f"{day},1" for day in DAYS]).asked("a name that an import uses")


@pytest.mark.slow
@pytest.mark.parametrize(
    "head", ["'; DROP TABLE x; --", '""quoted""', "=1+1", "a\u202eb", "x" * 900, "SELECT"]
)
def test_hostile_headers_are_names(dirt, head):
    quoted = '"' + head.strip('"').replace('"', '""') + '"'
    dirt.learned(f"When,{quoted}", [f"{day},tides" for day in DAYS], skill=head.strip('"'))
    assert set(dirt.brought_in().skill) == {"tides"}


@pytest.mark.parametrize("n", [1_001, 100_000])
def test_too_many_columns_end_at_once(dirt, n):
    names = ",".join(f"c{i}" for i in range(n))
    dirt.learned(f"When,{names}", [DAYS[0] + "," * n]).asked("too many columns")

"""From raw exports to canonical tables without an edit: what was drawn comes back, and dirt is counted."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import learnalign as la
from learnalign.data import drafts, importing, proposing, reading
from learnalign.data.contract import COLUMNS
from learnalign.data.mistakes import DataError
from northbank import raw, tables
from northbank.tables import northbank

LINE = {"lineterminator": "\n", "float_format": "%.2f", "date_format": "%Y-%m-%d"}


def brought_in(folder: Path, files: list[Path]) -> importing.Imported:
    made = proposing.propose(files, folder / "map.yml")
    assert made.open == ()
    (folder / "map.yml").write_text(made.text, "utf-8")
    return importing.bring_in(folder / "map.yml", folder / "out")


@pytest.mark.parametrize("seed", [5])
def test_raw_exports_of_northbank_are_mapped_back(tmp_path, seed):
    company = northbank(people=90, cycles=3, seed=seed)
    exports = raw.write(company, tmp_path / "raw")
    done = brought_in(tmp_path, sorted(exports.glob("*.csv")))
    dirt = yaml.safe_load((exports / "DIRT.yml").read_text("utf-8"))
    rejected = pd.read_csv(tmp_path / "out/rejected.csv")
    assert len(rejected) == sum(dirt.values()) == done.summary.rejected.sum()
    kinds = {
        "copies": "the same row stands",
        "strangers": "not in people",
        "never": "no day: Never",
    }
    assert {kind: rejected.reason.str.contains(said).sum() for kind, said in kinds.items()} == dirt
    for name, table in company.tables.items():
        there = reading.read(tmp_path / "out").recorded[name].execute()
        (tmp_path / "clean").mkdir(exist_ok=True)
        own = [column for column in table.columns if column in there.columns]
        assert own == [*table.columns], name
        pairs = [
            frame[own].to_csv(index=False, **LINE).lower().splitlines() for frame in (table, there)
        ]
        assert len(pairs[0]) == len(pairs[1]) and _same(*pairs), name


def _same(one: list[str], other: list[str]) -> bool:
    """Whether two tables as text hold the same rows; 3.00 is 3."""
    plain = [
        sorted(line.replace(".00", "").replace(".0,", ",") for line in lines)
        for lines in (one, other)
    ]
    return plain[0] == plain[1]


ROWS = {
    "people": [
        {"person_id": f"P{i:03}", "hired_on": f"20{10 + i % 9}-0{1 + i % 9}-{10 + i}"}
        for i in range(15)
    ],
    "reviews": [
        {
            "person_id": f"P{i:03}",
            "cycle": "2023",
            "reviewed_on": f"2023-11-{13 + i % 15}",
            "rating": str(1 + i % 5),
            "unit": f"Bay {i % 3}",
        }
        for i in range(15)
    ],
    "learning": [
        {
            "person_id": f"P{i % 15:03}",
            "learned_on": f"2023-0{1 + i % 9}-{10 + i % 18}",
            "skill": f"s{i % 4}",
            "cost": f"{40 + i}.50",
        }
        for i in range(40)
    ],
}
FORMS = ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d %B %Y"]
STEMS = {
    "people": ["staff", "mitarbeiter", "personnel"],
    "reviews": ["appraisals", "bewertung"],
    "learning": ["training", "schulung", "formation"],
}


@st.composite
def dialects(draw):
    """How each table is written: headers by one of their known names, in any order, in a dialect."""
    names = drafts.names()
    found = {}
    for table, rows in ROWS.items():
        own = {}
        for column in rows[0]:
            known = [
                column,
                *names["columns"][table].get(column, ()),
                *(names["person"] if column == "person_id" else ()),
            ]
            own[column] = draw(
                st.sampled_from([name for name in known if name not in own.values()])
            )
        order = draw(st.permutations([*own]))
        how = (
            draw(st.sampled_from(FORMS)),
            draw(st.sampled_from([",", ";", "\t", "|"])),
            draw(st.booleans()),
        )
        found[table] = (draw(st.sampled_from(STEMS[table])), own, order, *how)
    return found


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dialects())
def test_other_headers_orders_and_dialects_are_right_or_asked(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("dialect")
    (folder / "raw").mkdir()
    for table, (stem, own, order, form, sign, is_comma) in drawn.items():
        frame = pd.DataFrame(ROWS[table])[[*order]]
        for column in (c.name for c in COLUMNS[table] if c.kind == "date" and c.name in frame):
            frame[column] = pd.to_datetime(frame[column]).dt.strftime(form)
        if is_comma and "cost" in frame:
            frame["cost"] = frame.cost.str.replace(".", ",")
        frame.rename(columns=own).to_csv(folder / "raw" / f"{stem}.csv", index=False, sep=sign)
    try:
        made = proposing.propose(sorted((folder / "raw").iterdir()), folder / "map.yml")
        (folder / "map.yml").write_text(made.text, "utf-8")
        if made.open:
            return
        importing.bring_in(folder / "map.yml", folder / "out")
    except DataError as error:
        assert error.problems
        return
    tables = reading.read(folder / "out").recorded
    for table, rows in ROWS.items():
        there = tables[table].execute()
        for column in rows[0]:
            if column not in made.text:
                continue
            got = there[column].dropna().map(lambda value: str(value)[:10])
            wanted = [row[column] for row in rows]
            numbers = (
                COLUMNS[table][[c.name for c in COLUMNS[table]].index(column)].kind == "number"
            )
            assert sorted(got) == sorted(
                str(float(value)) if numbers else value for value in wanted
            ), (table, column)


def test_what_is_unsure_is_a_comment_and_is_listed(tmp_path):
    (tmp_path / "staff.csv").write_text("Employee ID,Hire Date\nP1,03/04/2020\nP2,05/06/2021\n")
    (tmp_path / "appraisals.csv").write_text(
        "Employee ID,Round,Review Date,Rating,Team\nP1,H1,2023-07-01,2,a\nP2,H1,2023-07-01,3,a\n"
    )
    made = proposing.propose(
        [tmp_path / "staff.csv", tmp_path / "appraisals.csv"], tmp_path / "map.yml"
    )
    assert "# unsure: hired_on: {column: Hire Date, date: day_first}" in made.text
    assert [line.partition(":")[0] for line in made.open] == ["people.hired_on"]
    assert "reviews.rating" in made.makes and "people.hired_on" not in made.makes
    with pytest.raises(DataError, match="there is no such file"):
        proposing.propose([tmp_path / "nothing.csv"], tmp_path / "map.yml")


def test_repairs_of_ids_are_proposed(tmp_path):
    (tmp_path / "staff.csv").write_text(
        "Employee ID,Hire Date\n" + "".join(f"00{i},2020-01-01\n" for i in range(11, 31))
    )
    marks = "".join(f"{i}.0,H1,2023-07-01,{i % 5},a\n" for i in range(11, 31))
    (tmp_path / "appraisals.csv").write_text("Employee ID,Round,Review Date,Rating,Team\n" + marks)
    done = brought_in(tmp_path, [tmp_path / "staff.csv", tmp_path / "appraisals.csv"])
    assert done.summary.kept.tolist() == [20, 20]
    assert (
        "identities: {repair: [drop_point_zero, drop_zeros]}" in (tmp_path / "map.yml").read_text()
    )


def export(folder, name, text, **how):
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "raw" / name).write_text(text, **how)


def staff_and_marks(folder, n=20):
    staff = "".join(f"00{i},2018-01-01\n" for i in range(11, 11 + n))
    marks = "".join(f"00{i},H1,2023-07-01,{1 + i % 5},a\n" for i in range(11, 11 + n))
    export(folder, "staff.csv", "Employee ID,Hire Date\n" + staff)
    export(folder, "appraisals.csv", "Employee ID,Round,Review Date,Rating,Team\n" + marks)


def test_two_learning_systems_are_one_table_and_what_is_left_over_is_listed(tmp_path):
    staff_and_marks(tmp_path)
    one = "".join(
        f"00{i},{2 + i % 2},Course {i},0{1 + i % 9}/2{i % 8}/2023\n" for i in range(11, 31)
    )
    export(tmp_path, "lms_a.csv", "User ID,Training Hours,Training Title,Completion Date\n" + one)
    two = "".join(f"{i};Führung;1{i % 9}.0{1 + i % 9}.2023;1,5;Angemeldet\n" for i in range(11, 16))
    two += "".join(f"{i};Führung;1{i % 9}.0{1 + i % 9}.2023;1,5;Bestanden\n" for i in range(16, 31))
    head = "Personalnummer;Kurs;Abschlussdatum;Dauer (Std.);Status\n"
    export(tmp_path, "schulungen.csv", head + two, encoding="cp1252")
    export(tmp_path, "prices.csv", "Kurs,Raum\nFührung,12\n")
    made = proposing.propose(sorted((tmp_path / "raw").iterdir()), tmp_path / "map.yml")
    assert made.open == ("prices.csv: no table is made of it",)
    assert "encoding: windows-1252" in made.text and "repair: [drop_zeros]" in made.text
    (tmp_path / "map.yml").write_text(made.text, "utf-8")
    done = importing.bring_in(tmp_path / "map.yml", tmp_path / "out")
    assert done.summary.kept.tolist() == [20, 20, 40]
    rows = reading.read(tmp_path / "out").recorded["learning"].execute()
    assert rows.status.value_counts().to_dict() == {"completed": 15, "in_progress": 5}
    assert sorted(rows.hours.unique()) == [1.5, 2, 3] and "Führung" in set(rows.activity_id)
    assert set(rows.person_id) == {f"00{i}" for i in range(11, 31)}


def test_a_source_beside_another_is_judged_by_its_own_lines(tmp_path):
    """What one says of its words and dates is not taken for the other's; people come of one."""
    staff_and_marks(tmp_path)
    export(tmp_path, "a.csv", "Who,When\n" + "".join(f"00{i},2023-02-03\n" for i in range(11, 31)))
    two = "".join(f"00{i},03/04/2023,{'D' if i < 25 else 'X'}\n" for i in range(11, 31))
    export(tmp_path, "b.csv", "Id,Day,State\n" + two)
    text = proposing.propose(
        [tmp_path / "raw" / f"{name}.csv" for name in ("staff", "appraisals")], tmp_path / "map.yml"
    ).text
    mapping = yaml.safe_load(text)
    constant = {"activity_type": {"constant": "course"}}
    state = {"column": "State", "values": {"D": "completed"}}
    other = {
        "file": "b.csv",
        "columns": {"person_id": "Id", "learned_on": "Day", "status": state, **constant},
    }
    mapping["tables"]["learning"] = {
        "file": "a.csv",
        "columns": {"person_id": "Who", "learned_on": "When", **constant},
        "also": [other],
    }

    def brought():
        (tmp_path / "map.yml").write_text(json.dumps(mapping, default=str))
        return importing.bring_in(tmp_path / "map.yml", tmp_path / "out")

    with pytest.raises(DataError, match="day first and month first"):
        brought()
    other["columns"]["learned_on"] = {"column": "Day", "date": "day_first"}
    with pytest.raises(DataError, match="6 of 40 rows would be lost"):
        brought()
    state["values"]["X"] = "withdrawn"
    assert brought().summary.kept.tolist() == [20, 20, 40]
    assert brought().summary.rejected.sum() == 0
    mapping["tables"]["people"]["also"] = [{"file": "a.csv", "columns": {"person_id": "Who"}}]
    with pytest.raises(DataError, match="people come of one source"):
        brought()


@pytest.mark.slow
def test_raw_exports_give_the_verdicts_of_the_clean_data(tmp_path):
    """By the data's fingerprint, on which even the noise of what is shown hangs, and by verdicts."""
    company = northbank(people=120, cycles=3, seed=7)
    exports = raw.write(company, tmp_path / "raw")
    brought_in(tmp_path, sorted(exports.glob("*.csv")))
    folders = [tables.write(company, tmp_path / "clean"), tmp_path / "out"]
    assert reading.read(folders[0]).fingerprints == reading.read(folders[1]).fingerprints
    studies = [la.study(folder) for folder in folders]
    for question in ("Q1", "Q3"):
        one, other = (la.ask(study, question) for study in studies)
        said = [
            [(row.measure, row.at, row.verdict, row.estimate, row.low, row.high) for row in rows]
            for rows in (one, other)
        ]
        assert said[0] and repr(said[0]) == repr(said[1])

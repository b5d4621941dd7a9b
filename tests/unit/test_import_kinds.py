"""What real exports do, kind by kind: each comes in right or is asked, and is never silently wrong.

The inputs are made here; each kind has the right value, or the words in which it is asked.
"""

import csv
import datetime as dt
import io
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from learnalign.data import importing, profiles, questions
from learnalign.data.mistakes import DataError

PEOPLE = [f"K{number}" for number in range(201, 213)]
DAYS = [dt.date(2023, 1, 9) + dt.timedelta(days=23 * number) for number in range(24)]


class Export:
    """Twelve people with two reviews each, and a file of learning to be oddly written."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.notes = folder, ()
        (folder / "exports").mkdir()
        self.mapping = {
            "source": "exports",
            "dataset": {"title": "Kinds", "as_of": "2024-12-31", "rating_scale": [1, 2, 3, 4, 5]},
            "tables": {
                "people": {
                    "file": "staff.csv",
                    "columns": {"person_id": "No", "hired_on": "In", "left_on": "Out"},
                },
                "reviews": {
                    "file": "appraisals.csv",
                    "columns": {
                        "person_id": "No",
                        "cycle": "Round",
                        "reviewed_on": "On",
                        "rating": "Mark",
                        "unit": "Team",
                    },
                },
                "learning": {
                    "file": "done*.csv",
                    "columns": {
                        "person_id": "Who",
                        "learned_on": "When",
                        "activity_type": {"constant": "course"},
                    },
                },
            },
        }
        self.write("staff.csv", ["No,In,Out", *(f"{who},2016-05-01," for who in PEOPLE)])
        rounds = [("H1", "2023-07-01"), ("H2", "2024-01-15")]
        marks = [
            f"{who},{name},{day},{1 + (place + turn) % 5},Dock"
            for place, who in enumerate(PEOPLE)
            for turn, (name, day) in enumerate(rounds)
        ]
        self.write("appraisals.csv", ["No,Round,On,Mark,Team", *marks])

    def write(self, name: str, lines: list[str] | str | bytes) -> "Export":
        text = lines if isinstance(lines, bytes | str) else "\n".join(lines) + "\n"
        path = self.folder / "exports" / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self

    def learned(self, values: list[str], head: str = "When", name: str = "done.csv") -> "Export":
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["Who", *head.split("|")])
        rows.writerows([PEOPLE[i % 12], *value.split("|")] for i, value in enumerate(values))
        return self.write(name, text.getvalue())

    def table(self, name: str, **columns: object) -> "Export":
        self.mapping["tables"][name]["columns"] |= columns
        return self

    def come(self, name: str = "learning") -> pd.DataFrame:
        (self.folder / "map.yml").write_text(yaml.safe_dump(self.mapping), "utf-8")
        done = importing.bring_in(self.folder / "map.yml", self.folder / "out")
        self.notes = " ".join(map(str, done.notes))
        return pd.read_parquet(self.folder / "out" / f"{name}.parquet")

    def asked(self) -> str:
        before = (self.folder / "out").exists()
        with pytest.raises(DataError) as error:
            self.come()
        assert (self.folder / "out").exists() == before
        return str(error.value)


@pytest.fixture
def export(tmp_path):
    return Export(tmp_path)


def days(frame: pd.DataFrame) -> list[dt.date]:
    return [pd.Timestamp(day).date() for day in frame.learned_on]


# --- dates


@pytest.mark.slow
def test_a_format_that_another_order_beats_is_asked_even_where_nearly_all_is_read(export):
    few = [f"{day:%m/%d/%Y}" for day in DAYS if day.day <= 12] * 12 + ["03/25/2024"]
    export.learned(few).table("learning", learned_on={"column": "When", "date": "%d/%m/%Y"})
    said = export.asked()
    assert "learning.learned_on" in said and "month first (%m/%d/%Y) 133 of 133" in said
    export.table("learning", learned_on={"column": "When", "date": "month_first"})
    assert days(export.come()) == [day for day in DAYS if day.day <= 12] * 12 + [
        dt.date(2024, 3, 25)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "form",
    ["%d.%m.%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y%m%d", "%d %B %Y", "%b %d, %Y", "%Y-%m-%d %H:%M"],
)
def test_one_way_that_alone_fits_is_taken(export, form):
    assert days(export.learned([day.strftime(form) for day in DAYS]).come()) == DAYS


@pytest.mark.slow
def test_month_names_of_other_languages(export):
    export.learned(["4. März 2024", "5 février 2023", "6 de agosto de 2023", "7. Dez. 2023"])
    assert days(export.come()) == [
        dt.date(2024, 3, 4),
        dt.date(2023, 2, 5),
        dt.date(2023, 8, 6),
        dt.date(2023, 12, 7),
    ]


def test_what_both_orders_read_is_asked_and_two_systems_in_one_column_too(export):
    assert "day first and month first" in export.learned(["03/04/2024", "05/06/2023"]).asked()
    mixed = ["25/03/2024", "03/26/2024", "04/05/2024"]
    assert "no single way" in export.learned(mixed).asked()
    export.table("learning", learned_on={"column": "When", "date": "%d/%m/%Y"})
    assert "swapped" in export.learned(["25/03/2024"] * 40 + ["03/26/2024"]).asked()


@pytest.mark.slow
def test_a_sister_column_decides_the_order(export):
    staff = [
        "No,In,Out",
        *(f"{who},05/04/2016,{'28/06/2024' if who == 'K201' else ''}" for who in PEOPLE),
    ]
    people = export.write("staff.csv", staff).learned(["2024-01-02"]).come("people")
    assert {str(day)[:10] for day in people.hired_on} == {"2016-04-05"}


@pytest.mark.slow
def test_day_numbers_and_bare_years(export):
    export.learned(["45000", "45010.5", "2023-05-05"])
    assert "Excel day number" in export.asked()
    export.table("learning", learned_on={"column": "When", "date": ["iso", "excel"]})
    assert days(export.come()) == [dt.date(2023, 3, 15), dt.date(2023, 3, 25), dt.date(2023, 5, 5)]
    export.learned(["2023"] * 9)
    assert "none of its 9 rows" in export.asked()


@pytest.mark.slow
def test_a_day_hangs_on_a_zone_only_where_it_is_named(export):
    export.learned(["2024-03-01T03:30:00Z", "2024-03-01T23:30:00-05:00"])
    assert "zone" in export.asked()
    export.mapping["zone"] = "America/New_York"
    assert days(export.come()) == [dt.date(2024, 2, 29), dt.date(2024, 3, 1)]
    export.mapping["zone"] = "Europe/Berlin"
    assert days(export.come()) == [dt.date(2024, 3, 1), dt.date(2024, 3, 2)]
    export.mapping["zone"] = "Europe/Berlinn"
    assert "time zone" in export.asked()


@pytest.mark.parametrize(
    "sql", ['CAST(CAST("When" AS TIMESTAMPTZ) AS DATE)', 'to_timestamp(CAST("When" AS DOUBLE))']
)
def test_an_expression_that_hangs_on_a_zone_is_asked(export, sql):
    export.learned(["1709263800"]).table("learning", learned_on={"sql": sql})
    assert "zone" in export.asked()


@pytest.mark.slow
def test_never_is_no_day_and_a_leaving_to_come_is_none(export):
    staff = [
        "No,In,Out",
        *(
            f"{who},2016-05-01,{day}"
            for who, day in zip(PEOPLE, ["9999-12-31", "2031-01-01"] * 6, strict=True)
        ),
    ]
    export.write("staff.csv", staff).learned(
        ["2024-03-04", "Never", "-", "1970-01-01", "1899-12-30", "2024-03-05"]
    )
    assert days(export.come()) == [dt.date(2024, 3, 4), dt.date(2024, 3, 5)]
    assert "4 rows were set aside" in export.notes and "1970-01-01" in export.notes
    assert export.come("people").left_on.isna().all()


# --- numbers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1.250,00", "2.400", "75"], [1250, 2400, 75]),
        (["1,250.00", "2,400", "75"], [1250, 2400, 75]),
        (["1 250,5", "12 000", "3,25"], [1250.5, 12000, 3.25]),
        (["€ 1.250,00", "890,50 €", "2.000 €"], [1250, 890.5, 2000]),
        (["0.125", "1.250", "2.500"], [0.125, 1.25, 2.5]),
    ],
)
def test_marks_of_thousands_and_decimals(export, cells, expected):
    export.learned([f"2024-01-0{i + 1}|{cell}" for i, cell in enumerate(cells)], "When|Price")
    assert export.table("learning", cost="Price").come().cost.tolist() == expected


@pytest.mark.slow
def test_marks_that_two_countries_read_differently_are_asked(export):
    export.learned(["2024-01-02|1.250", "2024-01-03|2.400"], "When|Price").table(
        "learning", cost="Price"
    )
    assert "decimal comma" in export.asked()
    export.table("learning", cost={"column": "Price", "decimal": ","})
    assert export.come().cost.tolist() == [1250, 2400]
    export.learned(["2024-01-02|1.250,5", "2024-01-03|2,400.5"], "When|Price").table(
        "learning", cost="Price"
    )
    assert "no single way" in export.asked()
    export.learned(["2024-01-02|10 USD", "2024-01-03|12 EUR"], "When|Price")
    assert "several currencies" in export.asked()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "made", "expected"),
    [
        (["1:30:00", "0:45:30"], {}, [1.5, 0.7583]),
        (["PT1H30M", "PT45M"], {}, [1.5, 0.75]),
        (["1 h 30 min", "45 min"], {}, [1.5, 0.75]),
        (["90", "45"], {"unit": "minutes"}, [1.5, 0.75]),
        (["1:30", "0:45"], {"unit": "hm"}, [1.5, 0.75]),
    ],
)
def test_durations(export, cells, made, expected):
    export.learned([f"2024-01-0{i + 1}|{cell}" for i, cell in enumerate(cells)], "When|Took")
    export.table("learning", hours={"column": "Took"} | made)
    assert export.come().hours.round(4).tolist() == expected


@pytest.mark.parametrize(
    ("head", "cells"),
    [
        ("Took (min)", ["2", "3"]),
        ("Took", ["45", "60", "90"]),
        ("Took", ["1:30", "0:45"]),
        ("Took", ["1.5"] * 20 + ["45"] * 5),
    ],
    ids=["header", "middle", "clock", "a fifth"],
)
def test_minutes_are_not_taken_for_hours(export, head, cells):
    export.learned([f"2024-01-02|{cell}" for cell in cells], f"When|{head}").table(
        "learning", hours=head
    )
    assert "learning.hours: may be minutes" in export.asked()


def rewards(export: Export, cells: list[str], **made: object) -> Export:
    lines = [f"{who},H1,2023-08-01,{cell}" for who, cell in zip(PEOPLE, cells, strict=False)]
    export.write(
        "pay.csv", ["No,Round,From,Merit %,Merit $", *(f"{line},1" for line in lines)]
    ).learned(["2024-01-02"])
    columns = {
        "person_id": "No",
        "cycle": "Round",
        "effective_on": "From",
        "merit_pct": {"column": "Merit %"} | made,
    }
    export.mapping["tables"]["rewards"] = {"file": "pay.csv", "columns": columns}
    return export


@pytest.mark.parametrize(
    "cells",
    [["0.035", "0.02", "0.04", "0"], ["0.035", "3.5%", "0.02"], ["0.035", "0.02", "3.5", "2.0"]],
)
def test_percent_or_fraction_is_asked(export, cells):
    assert "merit_pct: may be percent" in rewards(export, cells).asked()


@pytest.mark.slow
def test_percent_and_fractions_that_are_told(export):
    assert rewards(export, ["0.035", "3.5%", "0.02"], unit="fraction").come(
        "rewards"
    ).merit_pct.tolist() == [3.5, 3.5, 2]
    assert rewards(export, ["0.9", "1.2", "0.4"], unit="percent").come(
        "rewards"
    ).merit_pct.tolist() == [0.9, 1.2, 0.4]
    assert "can hardly be" in rewards(export, ["3500", "2", "3"]).asked()


@pytest.mark.slow
def test_a_sign_is_part_of_a_header(export):
    rewards(export, ["3", "2"]).table("rewards", merit_pct="merit%")
    assert export.come("rewards").merit_pct.tolist() == [3, 2]
    assert (
        "several" in export.table("rewards", merit_pct="Merit").asked()
        or "no column" in export.asked()
    )


WORDS = [
    "",
    "outstanding",
    "exceeds expectations",
    "meets expectations",
    "needs improvement",
    "unsatisfactory",
]


@pytest.mark.slow
def test_words_say_which_end_of_the_scale_is_good(export):
    lines = (export.folder / "exports/appraisals.csv").read_text().splitlines()
    worded = [f"{line},{WORDS[int(line.split(',')[3])]}" for line in lines[1:]]
    export.write("appraisals.csv", [f"{lines[0]},Label", *worded]).learned(["2024-01-02"])
    assert "upside down" in export.asked()
    marks = [int(line.split(",")[3]) for line in worded]
    export.table("reviews", rating={"column": "Mark", "best": "low"})
    assert export.come("reviews").rating.tolist() == [6 - mark for mark in marks]
    values = {word: str(mark) for mark, word in enumerate(WORDS) if word}
    export.table("reviews", rating={"column": "Label", "values": values})
    assert "upside down" in export.asked()


# --- who is who


@pytest.mark.slow
def test_ids_of_another_spelling_are_proposed_and_joined_when_told(export):
    spelt = ["No,In,Out", *(f"00{number},2016-05-01," for number in range(401, 413))]
    marks = [
        "No,Round,On,Mark,Team",
        *(f"00{number},H1,2023-07-01,3,Dock" for number in range(401, 413)),
    ]
    export.write("staff.csv", spelt).write("appraisals.csv", marks)
    export.write(
        "done.csv", ["Who,When", *(f"{number}.0,2024-01-02" for number in range(401, 413))]
    )
    said = export.asked()
    assert (
        "0 of 12 ids are in people, and 12 of 12" in said
        and "[drop_point_zero, drop_zeros]" in said
    )
    export.mapping["identities"] = {"repair": ["drop_point_zero", "drop_zeros"]}
    assert export.come().person_id.tolist() == [f"00{number}" for number in range(401, 413)]


def test_a_repair_that_makes_two_people_one_is_refused(export):
    export.write("staff.csv", ["No,In,Out", *(f"{who},2016-05-01," for who in [*PEOPLE, "k201"])])
    export.learned(["2024-01-02"]).mapping["identities"] = {"repair": ["lower"]}
    assert "several people" in export.asked()


@pytest.mark.slow
def test_accounts_of_another_system(export):
    export.write("accounts.csv", ["No,Mail", *(f"{who},Mail{who}@Port.example" for who in PEOPLE)])
    lines = ["Who,When", *(f"mailto:mail{who}@port.example,2024-01-02" for who in PEOPLE)]
    export.write("done.csv", lines)
    assert "no repair" in export.asked()
    accounts = [{"file": "accounts.csv", "person_id": "No", "accounts": ["Mail"]}]
    export.mapping["identities"] = {"repair": ["mailbox"], "accounts": accounts}
    assert export.come().person_id.tolist() == PEOPLE


@pytest.mark.slow
def test_raters_and_ids_of_another_system(export):
    lines = (export.folder / "exports/appraisals.csv").read_text().splitlines()
    export.write(
        "appraisals.csv",
        [f"{lines[0]},Boss", *(f"{line},99{i % 3}" for i, line in enumerate(lines[1:]))],
    )
    export.learned(["2024-01-02"]).table("reviews", manager_id="Boss")
    assert "manager_id: 0 of 24 are in people" in export.asked()
    export.mapping["tables"]["reviews"]["as_is"] = {"manager_id": "teams of raters"}
    assert set(export.come("reviews").manager_id) == {"990", "991", "992"}


def test_ids_that_a_spreadsheet_spoilt(export):
    export.write("done.csv", ["Who,When", "7.70012E+12,2024-01-02", "K201,2024-01-02"])
    assert "1 of 2 ids are in scientific notation" in export.asked()


@pytest.mark.slow
def test_spells_are_one_person_and_employments_at_once_are_asked(export):
    staff = ["No,In,Out", *(f"{who},2016-05-01," for who in PEOPLE[1:])]
    back = [f"{PEOPLE[0]},2010-02-01,2014-06-30", f"{PEOPLE[0]},2019-01-01,"]
    export.write("staff.csv", [*staff, *back]).learned(["2024-01-02"])
    people = export.come("people").set_index("person_id")
    assert str(people.hired_on[PEOPLE[0]])[:10] == "2010-02-01" and pd.isna(
        people.left_on[PEOPLE[0]]
    )
    export.write("staff.csv", [*staff, f"{PEOPLE[0]},2010-02-01,", f"{PEOPLE[0]},2012-01-01,"])
    assert "employments lie at once" in export.asked()


@pytest.mark.slow
def test_what_lies_outside_employment_is_told(export):
    values = [f"{day}" for day in DAYS] * 2
    export.learned([*values, "2011-01-01"])
    assert len(export.come()) == len(values)
    assert "before person_id was hired (hired_on): outside employment" in export.notes
    assert "outside employment" in export.learned(["2011-01-01"] * 9 + ["2024-01-02"]).asked()


# --- rows


@pytest.mark.slow
def test_a_table_that_loses_more_than_its_share_stops_unless_it_is_accepted(export):
    export.learned([str(day) for day in DAYS] + ["soon"] * 3)
    assert "3 of 27 rows would be lost" in export.asked()
    export.mapping["accept_loss"] = {"learning": "a trial run of the new system"}
    assert len(export.come()) == 24 and "3 of 27 rows did not come in" in export.notes
    del export.mapping["accept_loss"]
    (export.folder / "map.yml").write_text(yaml.safe_dump(export.mapping), "utf-8")
    done = importing.bring_in(
        export.folder / "map.yml", export.folder / "out", {"learning": "a trial"}
    )
    assert done.summary.kept.tolist() == [12, 24, 24]
    with pytest.raises(DataError, match="no such table"):
        importing.bring_in(export.folder / "map.yml", export.folder / "out", {"lerning": "a trial"})


@pytest.mark.slow
def test_an_optional_value_that_cannot_be_read_costs_the_value_not_the_row(export):
    export.learned(
        [f"{day}|{1 + i % 3}" for i, day in enumerate(DAYS)] + ["2024-02-02|some"], "When|Took"
    )
    hours = export.table("learning", hours="Took").come().hours
    assert len(hours) == 25 and hours.isna().sum() == 1 and "were left empty" in export.notes
    assert "some" in (export.folder / "out/rejected.csv").read_text()
    export.learned([f"{day}|some" for day in DAYS[:4]] + ["2024-02-02|1"], "When|Took")
    assert "hours: 4 of 5 values cannot be read" in export.asked()


@pytest.mark.slow
def test_rows_of_an_earlier_export_count_once_and_twice_in_one_file_count_twice(export):
    first = ["2024-01-02|a", "2024-01-03|b"]
    export.learned(first, "When|Course", "done_1.csv").learned(
        [*first, "2024-01-04|c"], "When|Course", "done_2.csv"
    )
    export.learned([*first, "2024-01-04|c"], "When|Course", "done_2 (1).csv")
    assert len(export.table("learning", activity_id="Course").come()) == 3
    assert "the same row stands in" in export.notes


@pytest.mark.slow
def test_the_same_activity_on_a_day_is_asked(export):
    export.write(
        "done.csv",
        [
            "Who,When,Course,State",
            *(f"{who},2024-01-02,safety,{s}" for who in PEOPLE for s in ("Passed", "Completed")),
        ],
    )
    export.table("learning", activity_id="Course")
    assert "may be counted twice" in export.asked()
    export.mapping["tables"]["learning"]["once"] = ["person_id", "activity_id", "learned_on"]
    assert len(export.come()) == 12


@pytest.mark.slow
def test_a_status_that_is_not_mapped_is_asked_and_one_that_is_mapped_is_read(export):
    states = ["Completed", "In Progress", "in-progress", "No show"]
    export.learned([f"2024-01-0{i + 1}|{state}" for i, state in enumerate(states)], "When|State")
    assert "learning.State: is not mapped" in export.asked()
    assert export.table("learning", status="State").come().status.tolist() == [
        "completed",
        "in_progress",
        "in_progress",
        "no_show",
    ]


@pytest.mark.parametrize(
    ("head", "cells", "said"),
    [
        ("Percent complete", ["100", "40", "0"], "2 of 3 rows"),
        ("Progress", ["100%", "100%", "35 %"], "1 of 3 rows"),
        ("Is Complete", ["Yes", "No", "yes"], "1 of 3 rows"),
    ],
)
def test_progress_and_flags_that_are_not_mapped_are_asked(export, head, cells, said):
    export.learned([f"2024-01-0{i + 1}|{cell}" for i, cell in enumerate(cells)], f"When|{head}")
    assert f"learning.{head}: is not mapped" in export.asked() and said in export.asked()


@pytest.mark.slow
def test_a_day_that_is_none_of_completion_is_asked(export):
    export.learned(["2024-01-02"], "Due date").table("learning", learned_on="Due date")
    assert "may be no day of completion" in export.asked()
    export.mapping["tables"]["learning"]["as_is"] = {
        "learned_on": "all are done on the day they are due"
    }
    assert len(export.come()) == 1


@pytest.mark.slow
def test_merit_says_which_end_of_the_scale_is_good(export):
    lines = (export.folder / "exports/appraisals.csv").read_text().splitlines()[1:]
    rows = [line.split(",") for line in lines]
    pay = [f"{who},{turn},2024-02-01,{6 - int(mark)}" for who, turn, _, mark, _ in rows]
    export.write("pay.csv", ["No,Round,From,Raise %", *pay]).learned(["2024-01-02"])
    columns = {"person_id": "No", "cycle": "Round", "effective_on": "From", "merit_pct": "Raise %"}
    export.mapping["tables"]["rewards"] = {"file": "pay.csv", "columns": columns}
    assert "merit falls as the rating rises" in export.asked()
    export.table("reviews", rating={"column": "Mark", "best": "low"})
    assert len(export.come("rewards")) == 24


@pytest.mark.slow
def test_surveys_of_no_unit_and_of_more_people_than_there_are(export):
    columns = {
        "unit": "Team",
        "wave_on": "Day",
        "scale": {"constant": "vision"},
        "item": "Item",
        "n": "N",
        "mean": "M",
    }
    export.mapping["tables"]["surveys"] = {"file": "wave.csv", "columns": columns}
    export.learned(["2024-01-02"]).write("wave.csv", ["Team,Day,Item,N,M", "Quay,2024-01-02,a,9,4"])
    assert "none of its 1 units" in export.asked()
    export.write("wave.csv", ["Team,Day,Item,N,M", "Dock,2024-01-02,a,90,4"])
    assert "far above the number of people" in export.asked()
    export.write("wave.csv", ["Team,Day,Item,N,M", "Dock,2024-01-02,a,9,4"])
    assert len(export.come("surveys")) == 1


@pytest.mark.slow
def test_two_ratings_in_a_cycle_are_asked(export):
    text = (export.folder / "exports/appraisals.csv").read_text()
    export.write("appraisals.csv", text + "K201,H1,2023-07-02,5,Dock\n").learned(["2024-01-02"])
    assert "say something else" in export.asked()
    export.mapping["tables"]["reviews"]["prefer"] = "last"
    reviews = export.come("reviews").set_index(["person_id", "cycle"])
    assert reviews.rating["K201", "H1"] == 5


# --- texts, layouts, files


@pytest.mark.slow
def test_units_in_several_spellings(export):
    names = [
        "Ops & IT",
        "Ops &amp; IT",
        "ops & it",
        "Ops & IT\u00a0",
        "Zürich",
        "ZÃ¼rich",
        "Zu\u0308rich",
    ]
    marks = [
        "No,Round,On,Mark,Team",
        *(f"{who},H1,2023-07-01,3,{names[i % 7]}" for i, who in enumerate(PEOPLE)),
    ]
    export.write("appraisals.csv", marks).learned(["2024-01-02"])
    assert "several spellings" in export.asked()
    export.table("reviews", unit={"column": "Team", "spellings": "as_one"})
    assert set(export.come("reviews").unit) == {"Ops & IT", "Zürich"}


@pytest.mark.parametrize("text", ["R&amp;D", "CrÃ©dit", "Köln", "A &amp;amp; B"])
def test_a_mended_text_stays_as_it_is(text):
    once = questions.mended(text)
    assert questions.folded(once) == questions.folded(text) or once != text


@pytest.mark.slow
def test_titles_above_the_header_and_other_separators(export):
    lines = [f"{who};{day}" for who, day in zip(PEOPLE, DAYS, strict=False)]
    export.write("done.csv", ["Learning report;", "Made on 3 May;", "Who;When", *lines])
    assert days(export.come()) == DAYS[:12] and "header stands in line 3" in export.notes
    text = "\n".join(["Who\tWhen", *(line.replace(";", "\t") for line in lines)])
    export.write("done.csv", text.encode("utf-16"))
    assert days(export.come()) == DAYS[:12]


@pytest.mark.slow
def test_a_query_opens_only_what_it_names_each_in_its_own_way(export):
    export.write("stray.csv", b'a,b\n1,"open').write(
        "notes.csv", "x;y\nZ\xfcrich;1\n".encode("latin-1")
    )
    export.write("places.csv", "Who;Ort\nK201;K\xf6ln\n".encode("latin-1")).learned(["2024-01-02"])
    export.mapping["files"] = {"places.csv": {"encoding": "latin-1", "delimiter": ";"}}
    learning = export.mapping["tables"]["learning"]
    del learning["file"]
    learning["query"] = "SELECT d.*, p.Ort FROM done AS d LEFT JOIN places AS p USING (Who)"
    assert export.table("learning", skill="Ort").come().skill.tolist() == ["Köln"]


def test_two_files_of_one_name_are_asked(export):
    export.learned(["2024-01-02"]).write("done.tsv", "Who\tWhen\n")
    learning = export.mapping["tables"]["learning"]
    del learning["file"]
    learning["query"] = "SELECT * FROM done"
    said = export.asked()
    assert "done.csv" in said and "done.tsv" in said


@pytest.mark.slow
def test_json_files_are_read_below_the_exports_alone(export):
    rows = [
        {"actor": {"name": who}, "at": f"{day}"} for who, day in zip(PEOPLE, DAYS, strict=False)
    ]
    (export.folder / "exports/store").mkdir()
    export.write("store/a.json", json.dumps(rows))
    learning = export.mapping["tables"]["learning"]
    del learning["file"]
    learning["query"] = 'SELECT actor.name AS Who, "at" AS "When" FROM read_json(\'store/*.json\')'
    assert days(export.come()) == DAYS[:12]
    for path in ("../map.yml", str(export.folder / "map.yml"), "https://example.com/a.json"):
        learning["query"] = f"SELECT 1 AS Who, 2 AS \"When\" FROM read_json('{path}')"
        assert "read_json" in export.asked()


def test_a_link_out_of_the_exports_is_not_followed_by_a_query(export):
    (export.folder / "secret.json").write_text('[{"Who": "K201", "When": "2024-01-02"}]')
    (export.folder / "exports/a.json").symlink_to(export.folder / "secret.json")
    learning = export.mapping["tables"]["learning"]
    del learning["file"]
    learning["query"] = "SELECT * FROM read_json('*.json')"
    assert "leads out of the folder of the exports" in export.asked()


@pytest.mark.slow
def test_a_survey_tool_has_three_header_rows(export):
    export.learned(["2024-01-02"]).write(
        "wave.csv",
        [
            "Start,Status,Team,Q1",
            "Began,Kind,Your team,I may ask",
            *[
                '"{""ImportId"":""a""}","{""ImportId"":""b""}","{""ImportId"":""c""}","{""ImportId"":""d""}"'
            ],
            "2024-01-02,IP Address,Dock,4",
            "2024-01-02,IP Address,Dock,5",
            "2024-01-02,Survey Preview,Dock,1",
        ],
    )
    columns = {
        "unit": "Team",
        "wave_on": {"constant": "2024-01-02"},
        "scale": {"constant": "vision"},
        "item": {"constant": "ask"},
        "n": "n",
        "mean": "m",
    }
    query = "SELECT Team, count(*) AS n, avg(CAST(Q1 AS DOUBLE)) AS m FROM wave GROUP BY Team"
    export.mapping["tables"]["surveys"] = {"query": query, "columns": columns}
    found = export.come("surveys")
    assert (found.n.tolist(), found["mean"].tolist()) == (
        [2],
        [4.5],
    ) and "import ids" in export.notes


def test_every_way_of_reading_has_its_words():
    assert {*profiles.FACTS["ways"]} == {*profiles.DATES, *profiles.NUMBERS, *profiles.SPANS}

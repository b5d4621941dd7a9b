"""What came in silently wrong when messy exports were made up by the dozen: each is right now, or asked."""

import datetime as dt
import json
import re
import subprocess
import sys

import duckdb
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.test_import_dirt import DAYS, WHO, Dirt

from learnalign.data import layout, profiles, proposing, questions, workbook
from learnalign.data.mistakes import DataError

PAY = {"person_id": "No", "cycle": "R", "effective_on": "From"}


@pytest.fixture
def dirt(tmp_path):
    return Dirt(tmp_path)


def told(dirt):
    return "\n".join(map(str, dirt.done.notes))


def tabled(dirt, table, name, head, rows, **columns):
    """One more table of a file with a row for each of the twenty people."""
    lines = [f"{who},{row}\n" for who, row in zip(WHO, rows, strict=True)]
    (dirt.place / "x" / name).write_text(f"No,{head}\n{''.join(lines)}")
    dirt.mapping["tables"][table] = {"file": name, "columns": {"person_id": "No", **columns}}
    return dirt.learned("When", DAYS)


def in_json(dirt, rows):
    (dirt.place / "x/done.json").write_text(json.dumps(rows))
    dirt.mapping["tables"]["learning"]["file"] = "done.json"
    return dirt


# --- dates


@pytest.mark.slow
def test_a_word_behind_a_day_is_not_dropped_and_an_age_is(dirt):
    days = [f"{day} (planned)" if place % 5 == 0 else day for place, day in enumerate(DAYS)]
    dirt.learned("When", days).asked("4 of 20 rows would be lost")
    aged = [f"{day} (317 days 12 hours)" for day in DAYS]
    assert dirt.learned("When", aged).brought_in().learned_on.astype(str).tolist() == DAYS


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d 23:30 (UTC)",
        "%Y-%m-%d 23:30:00 +0000",
        "%a %b %d %Y 23:30:00 GMT+0000 (Coordinated Universal Time)",
        "%m/%d/%Y 11:30:00 PM +00:00",
        '"%a, %d %b %Y 23:30:00 +0000"',
    ],
)
def test_a_time_with_an_offset_is_asked_however_it_is_written(dirt, form):
    days = [dt.date.fromisoformat(day).strftime(form) for day in DAYS]
    dirt.learned("When", days).asked("zone")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["%d.%m.%Y 09:00-17:00", "%d.%m.%Y (%a) ", "%Y-%m-%d 09:00-12:00"])
def test_a_session_or_a_weekday_behind_a_day_is_no_zone(dirt, form):
    days = [dt.date.fromisoformat(day).strftime(form) for day in DAYS]
    assert dirt.learned("When", days).brought_in().learned_on.astype(str).tolist() == DAYS


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("05/01/2024 09:00:00PM-05:00", True),
        ("05/01/2024 09:00+0545", True),
        ("05/01/2024 09:00 -0330", True),
        ("05/01/2024 09:00-12:00", False),
        ("05/01/2024 09:00:00-17:00", False),
        ("05/01/2024 09:00:00-10:15", False),
        ("2024-05-01T09:00-05:00", True),
        ("2024-05-01 09:00:00-05", True),
        ("2024-05-01 09:00+02:00", True),
        ("2024-05-01 09:00-12:00", False),
    ],
)
def test_what_is_an_offset_behind_a_time(text, is_one):
    named = re.search(rf":\d\d.*?{questions.OFFSETS}$", text)
    assert bool(named or re.fullmatch(profiles.OFFSET, text)) == is_one


@pytest.mark.slow
def test_an_offset_after_a_blank_is_read_in_the_zone(dirt):
    dirt.mapping["zone"] = "Europe/Berlin"
    dirt.learned("When", [f"{day} 23:30:00 +0000" for day in DAYS])
    assert dirt.brought_in().learned_on.astype(str).min() == "2023-02-02"


@pytest.mark.slow
def test_days_of_json_are_read_in_one_order_and_moments_keep_their_zone(dirt):
    days = [dt.date.fromisoformat(day).strftime("%m-%d-%Y") for day in DAYS]
    rows = [{"Who": who, "When": day} for who, day in zip(WHO, days, strict=True)]
    assert in_json(dirt, rows).brought_in().learned_on.astype(str).tolist() == DAYS
    in_json(dirt, rows[:12]).asked("day first and month first")
    rows = [
        {"Who": who, "When": f"{day}T23:30:00-05:00"} for who, day in zip(WHO, DAYS, strict=True)
    ]
    in_json(dirt, rows).asked("zone")


@pytest.mark.slow
def test_what_json_holds_is_text_as_it_stands(dirt):
    ids = [f"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD3801{place:02}" for place in range(20)]
    for name in ("staff", "marks"):
        text = (dirt.place / f"x/{name}.csv").read_text()
        for who, own in zip(WHO, ids, strict=True):
            text = text.replace(who, own)
        (dirt.place / f"x/{name}.csv").write_text(text)
    rows = [
        {"Who": who, "When": day, "Took": ["1.5", 2][place % 2], "at": {"Length": "01:30:00"}}
        for place, (who, day) in enumerate(zip(ids, DAYS, strict=True))
    ]
    dirt.mapping["tables"]["learning"]["columns"] |= {"hours": "Took", "skill": "at.Length"}
    found = in_json(dirt, rows).brought_in()
    assert (found.person_id.tolist(), {*found.hours}, {*found.skill}) == (
        ids,
        {1.5, 2},
        {"01:30:00"},
    )


@pytest.mark.slow
def test_marks_that_nobody_sees_are_no_part_of_a_value(dirt):
    rows = [f"\u200e{day[8:]}\u200e/{day[5:7]}\u200e/{day[:4]},\u200bTides\u200e\0" for day in DAYS]
    found = dirt.learned("When,What", rows, skill="What").brought_in()
    assert found.learned_on.astype(str).tolist() == DAYS and {*found.skill} == {"Tides"}
    text = (dirt.place / "x/marks.csv").read_text().replace("Dock", "Do\u00adck", 5)
    (dirt.place / "x/marks.csv").write_text(text)
    dirt.asked("several spellings")


# --- numbers


@pytest.mark.parametrize(
    ("head", "cells"),
    [
        ("Took", ["45:30:00", "30:00:00"]),
        ("Took", ["P1D", "P2D"]),
        ("Took (days)", ["1", "2"]),
        ("Dauer (Tage)", ["1", "2"]),
        ("Took (h.mm)", ["1.30", "0.45"]),
        ("Took", ["0.0625", "0.041666667"]),
        ("Took", ["(minutes)", *["5", "10"] * 9, "5"]),
    ],
    ids=["sheet's minutes", "ISO days", "days", "Tage", "h.mm", "part of a day", "row of units"],
)
def test_what_may_be_no_hours_is_asked(dirt, head, cells):
    rows = [f"{day},{cells[place % len(cells)]}" for place, day in enumerate(DAYS)]
    dirt.learned(f"When,{head}", rows, hours=head).asked("hours: may be minutes")


@pytest.mark.slow
def test_a_word_behind_a_number_is_no_currency(dirt):
    rows = [f"{day},{['15 MIN', '2 HRS'][place % 2]}" for place, day in enumerate(DAYS)]
    assert {*dirt.learned("When,Took", rows, hours="Took").brought_in().hours} == {0.25, 2}
    rows = [f"{day},{['8 (est.)', '2'][place % 2]}" for place, day in enumerate(DAYS)]
    dirt.learned("When,Took", rows).asked("10 of 20 values cannot be read")


@pytest.mark.slow
@pytest.mark.parametrize("hours", [[45, 60], [0.0625, 0.04]])
def test_numbers_that_are_typed_are_asked_as_texts_are(dirt, hours):
    rows = {"Who": WHO, "When": DAYS, "Took": [hours[place % 2] for place in range(20)]}
    pq.write_table(pa.table(rows), dirt.place / "x/done.parquet")
    dirt.mapping["tables"]["learning"]["file"] = "done.parquet"
    dirt.mapping["tables"]["learning"]["columns"]["hours"] = "Took"
    dirt.asked("may be minutes")
    dirt.mapping["tables"]["learning"]["columns"]["hours"] = {"column": "Took", "unit": "minutes"}
    assert dirt.brought_in().hours.tolist() == [hours[place % 2] / 60 for place in range(20)]


@pytest.mark.parametrize("cells", [("USD", "JPY"), ("€", "$")])
def test_a_column_of_currencies_is_asked_about(dirt, cells):
    rows = [f"{day},10,{cells[place % 2]}" for place, day in enumerate(DAYS)]
    dirt.learned("When,Price,Currency", rows, cost="Price").asked("several currencies")


@pytest.mark.parametrize(
    ("head", "cell", "words"),
    [
        ("Merit Amount", "25", "no percentage of pay"),
        ("Merit (EUR)", "25", "no percentage of pay"),
        ("Bonus (months)", "1.5", "no percentage of pay"),
        ("Merit", "25 EUR", "none of its 20 rows"),
    ],
)
def test_money_and_months_are_no_percentage(dirt, head, cell, words):
    rows = [f"H1,2023-08-01,{cell}"] * 20
    tabled(dirt, "rewards", "pay.csv", f"R,From,{head}", rows, merit_pct=head, **PAY)
    dirt.asked(words)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["Merit Amount %", "Merit amount (pct)", "Betrag in Prozent"])
def test_a_percentage_of_an_amount_is_one(dirt, head):
    rows = ["H1,2023-08-01,2.5"] * 20
    tabled(dirt, "rewards", "pay.csv", f"R,From,{head}", rows, merit_pct=head, **PAY).brought_in()
    assert {*pd.read_parquet(dirt.place / "out/rewards.parquet").merit_pct} == {2.5}


@pytest.mark.slow
def test_short_courses_in_tenths_of_an_hour_are_hours(dirt):
    rows = [f"{day},0.{1 + place % 5}" for place, day in enumerate(DAYS)]
    found = dirt.learned("When,Took", rows, hours="Took").brought_in()
    assert {*found.hours} == {0.1, 0.2, 0.3, 0.4, 0.5}


def test_a_sign_of_percent_beside_none_is_asked_of_any_number(dirt):
    rows = [f"knots,2023-05-05,3,{['60%', '2'][place % 2]}" for place in range(20)]
    names = {"skill": "S", "assessed_on": "On", "required_level": "Due", "assessed_level": "Is"}
    tabled(dirt, "assessments", "skills.csv", "S,On,Due,Is", rows, **names).asked("% sign")


# --- words for nothing, and rows that do not count


@pytest.mark.slow
def test_words_for_nothing_are_no_names(dirt):
    lines = (dirt.place / "x/marks.csv").read_text().splitlines()
    own = [
        f"{lines[0]},Boss",
        *(f"{line},{['N/A', 'T501'][i % 2]}" for i, line in enumerate(lines[1:])),
    ]
    own[1] = own[1].replace(",Dock,", ",#N/A,")
    (dirt.place / "x/marks.csv").write_text(
        "\n".join(own).replace("T502,H1,2023-07-01,2,Dock,T501", own[2])
    )
    dirt.mapping["tables"]["reviews"]["columns"]["manager_id"] = "Boss"
    dirt.learned("When", DAYS).brought_in()
    reviews = pd.read_parquet(dirt.place / "out/reviews.parquet")
    assert {*reviews.manager_id.dropna()} == {"T501"} and {*reviews.unit} == {"Dock"}
    assert len(reviews) == 19 and "unit is empty" in told(dirt)


@pytest.mark.parametrize(
    ("head", "words", "mapped"),
    [
        ("Status,Is Deleted", ("Completed,Yes", "Completed,No"), {"status": "Status"}),
        ("Completed?", ("✓", "✗"), {}),
        ("Attended", ("Y", "N"), {}),
        ("Present", ("TRUE", "FALSE"), {}),
    ],
)
def test_rows_of_learning_that_do_not_count_are_asked_about(dirt, head, words, mapped):
    rows = [f"{day},{words[place % 2]}" for place, day in enumerate(DAYS)]
    dirt.learned(f"When,{head}", rows, **mapped).asked("is not mapped, and says in 10 of 20")


@pytest.mark.slow
def test_a_word_for_done_is_progress_enough(dirt):
    dirt.learned("When,Progress", [f"{day},Completed" for day in DAYS])
    assert len(dirt.brought_in()) == 20
    dirt.learned(
        "When,Progress", [f"{day},{['Completed', '40 %'][i % 2]}" for i, day in enumerate(DAYS)]
    )
    dirt.asked("in 10 of 20")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("Review Status", ("Completed", "Draft")),
        ("Rater Type", ("Manager", "Self")),
        ("Deleted", "10"),
    ],
)
def test_reviews_that_are_not_final_are_asked_about(dirt, head, words):
    lines = (dirt.place / "x/marks.csv").read_text().splitlines()
    own = [f"{lines[0]},{head}", *(f"{line},{words[i % 2]}" for i, line in enumerate(lines[1:]))]
    (dirt.place / "x/marks.csv").write_text("\n".join(own))
    dirt.learned("When", DAYS).asked("says in 10 of 20 rows that they may not count")
    dirt.mapping["tables"]["reviews"]["as_is"] = {head: "all are final"}
    assert len(dirt.brought_in()) == 20


@pytest.mark.slow
def test_a_request_for_help_that_is_open_is_one(dirt):
    rows = [f"2023-05-05,{['open', 'closed'][place % 2]}" for place in range(20)]
    names = {"acknowledged_on": "On", "channel": {"constant": "question"}}
    tabled(dirt, "acknowledgements", "asked.csv", "On,Status", rows, **names).brought_in()
    assert len(pd.read_parquet(dirt.place / "out/acknowledgements.parquet")) == 20


def test_pay_that_is_proposed_is_asked_about(dirt):
    rows = [f"H1,2023-08-01,3,{['Approved', 'Proposed'][place % 2]}" for place in range(20)]
    tabled(dirt, "rewards", "pay.csv", "R,From,Merit %,Status", rows, merit_pct="Merit %", **PAY)
    dirt.asked("rewards.Status: is not mapped")


@pytest.mark.parametrize("whole", ["P1", "S1"])
def test_parts_of_a_programme_are_asked_about_where_it_is_a_row_too(dirt, whole):
    rows = [f"{day},{['P1,', 'T1,' + whole][place % 2]}" for place, day in enumerate(DAYS)]
    dirt.learned("When,Course,Programme", rows)
    if whole == "P1":
        dirt.asked("its hours may be counted twice")
    else:
        assert len(dirt.brought_in()) == 20


# --- people


def staffed(dirt, head, rows):
    (dirt.place / "x/staff.csv").write_text(f"No,In,{head}\n" + "".join(f"{row}\n" for row in rows))
    dirt.learned("When", DAYS)


@pytest.mark.parametrize(
    ("head", "own"),
    [("First Name", ("Ann", "Bo")), ("Date of birth", ("1950-03-03", "1990-01-01"))],
)
def test_an_id_that_two_people_had_is_asked_about(dirt, head, own):
    rows = [f"{who},2016-05-01,,x{who}" for who in WHO[1:]]
    rows += [f"T501,2001-01-01,2009-12-31,{own[0]}", f"T501,2015-01-01,,{own[1]}"]
    staffed(dirt, f"Out,{head}", rows)
    dirt.mapping["tables"]["people"]["columns"]["left_on"] = "Out"
    dirt.asked("1 ids stand beside more than one")


def test_a_leaving_day_that_is_not_mapped_is_asked_about(dirt):
    staffed(dirt, "Termination Date", [f"{who},2016-05-01,2024-02-02" for who in WHO])
    dirt.asked("may say of 20 people when they left")


def test_people_who_are_deleted_are_asked_about(dirt):
    staffed(
        dirt, "Test user", [f"{who},2016-05-01,{'Yes' if who == 'T503' else 'No'}" for who in WHO]
    )
    dirt.asked("people.Test user: is not mapped, and says in 1 of 20")


# --- layout


@pytest.mark.slow
@pytest.mark.parametrize(
    "below",
    [
        "\nExported by A. Smith\nPage 1 of 1\n",
        '"Exported by ""A. Smith"", HR"\nRows: 20',
        "Total,20\n",
        "\nTopic,Price\ntides,20\n",
    ],
)
def test_ragged_lines_below_the_rows_are_told_and_left_out(dirt, below):
    dirt.learned("When,What", [f"{day},tides" for day in DAYS], skill="What")
    with (dirt.place / "x/done.csv").open("a") as file:
        file.write(below)
    assert len(dirt.brought_in()) == 20 and "are about the export" in told(dirt)


@pytest.mark.parametrize("end", ["T501,2023-0\n", "T501", '"one\ntwo",3,4\n', "a,b,c\n"])
def test_a_line_that_may_be_a_row_is_none_below(tmp_path, end):
    (tmp_path / "a.csv").write_text(f"a,b,c\n1,2,3\n{end}")
    assert layout.footers(tmp_path / "a.csv", ",", 3)[1] == []


@pytest.mark.parametrize(
    ("end", "n"),
    [
        ("Excel for all 29,E29", 0),
        ("Excel for all 29", 1),
        ("Printed: 3,,", 1),
        ("Total rows,29", 1),
    ],
)
def test_words_are_below_a_table_alone_or_as_a_sum(tmp_path, end, n):
    (tmp_path / "a.csv").write_text(f"a,b,c,d\nExcel for all 28,E28,3,4\n{end}")
    assert len(layout.footers(tmp_path / "a.csv", ",", 4)[1]) == n


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_wide_letters_need_no_mark(dirt, encoding):
    assert len(dirt.learned("When", DAYS, encoding=encoding).brought_in()) == 20


@pytest.mark.slow
def test_a_spreadsheets_own_first_line_says_the_separator(dirt):
    dirt.learned("When", DAYS)
    text = (dirt.place / "x/done.csv").read_text().replace(",", ";")
    (dirt.place / "x/done.csv").write_text(f"sep=;\n{text}")
    assert dirt.brought_in().learned_on.astype(str).tolist() == DAYS


@pytest.mark.slow
@pytest.mark.parametrize(("first", "sign"), [("sep=^", "^"), ("SEP=~", "~"), ('"Sep=;"', ";")])
def test_any_sign_of_a_first_line_separates(dirt, first, sign):
    dirt.learned("When", DAYS)
    text = (dirt.place / "x/done.csv").read_text().replace(",", sign)
    (dirt.place / "x/done.csv").write_text(f"{first}\n{text}")
    assert dirt.brought_in().learned_on.astype(str).tolist() == DAYS
    assert "are separated by" in told(dirt)


def test_a_quote_left_open_until_the_next_is_refused(dirt):
    rows = [f"{day},1,tides" for day in DAYS]
    rows[4], rows[9] = f'{DAYS[4]},1,"tides', f'{DAYS[9]},1,tides"'
    dirt.learned("When,N,What", rows).asked("whole lines of the file")


@pytest.mark.slow
def test_a_text_of_several_lines_is_none(dirt):
    rows = [f'{day},"tides, and\nships, too\n",1' for day in DAYS]
    assert len(dirt.learned("When,What,N", rows).brought_in()) == 20


@pytest.mark.slow
@pytest.mark.parametrize("sign", [",", ";"])
def test_a_line_of_a_text_with_as_many_signs_is_no_row(dirt, sign):
    text = "Hello,\nI tried pandas, numpy, and scipy.\nThanks".replace(",", sign)
    lines = [f'{who}{sign}{day}{sign}"{text}"\n' for who, day in zip(WHO, DAYS, strict=True)]
    (dirt.place / "x/done.csv").write_text(sign.join(["Who", "When", "Note\n"]) + "".join(lines))
    assert len(dirt.brought_in()) == 20


def test_quotes_of_windows_are_not_read_as_latin_1(dirt):
    dirt.learned("When,What", [f"{day},Men’s" for day in DAYS], encoding="cp1252", skill="What")
    dirt.mapping["encoding"] = "latin-1"
    dirt.asked("`encoding: windows-1252`")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"PK\x03\x04", "a workbook or a zip"),
        (b"\r\n<HTML>", "page of HTML"),
        (b"%PDF-1.7", "a PDF"),
    ],
)
def test_a_file_of_another_kind_is_named(dirt, start, words):
    dirt.learned("When", DAYS)
    (dirt.place / "x/done.csv").write_bytes(start + b"\n1,2\n")
    dirt.asked(words)


@pytest.mark.slow
def test_a_files_own_name_comes_before_the_pattern_that_it_is(dirt):
    dirt.learned("When", DAYS)
    (dirt.place / "x/done [1].csv").write_text(f"Who,When\nT501,{DAYS[3]}\n")
    (dirt.place / "x/done 1.csv").write_text(f"Who,When\nT501,{DAYS[4]}\n")
    dirt.mapping["tables"]["learning"]["file"] = "done [1].csv"
    assert dirt.brought_in().learned_on.astype(str).tolist() == [DAYS[3]]


def test_a_whole_company_is_no_unit(dirt):
    lines = [f"{unit},2023-06-01,vision,q1,9,4\n" for unit in ("Dock", "Total")]
    (dirt.place / "x/wave.csv").write_text("Unit,On,Scale,Item,N,M\n" + "".join(lines))
    columns = {
        "unit": "Unit",
        "wave_on": "On",
        "scale": "Scale",
        "item": "Item",
        "n": "N",
        "mean": "M",
    }
    dirt.mapping["tables"]["surveys"] = {"file": "wave.csv", "columns": columns}
    dirt.learned("When", DAYS).asked("is no unit: its answers are those of all others")


@pytest.mark.slow
def test_hidden_rows_and_an_empty_export_are_told(dirt):
    book = openpyxl.Workbook()
    for row in [["Who", "When"], *map(list, zip(WHO, DAYS, strict=True))]:
        book.active.append(row)
    book.active.row_dimensions[5].hidden = True
    book.save(dirt.place / "x/done.xlsx")
    dirt.mapping["tables"]["learning"]["file"] = "done.xlsx"
    assert len(dirt.brought_in()) == 20 and "1 rows of the workbook are hidden" in told(dirt)
    dirt.mapping["tables"]["learning"]["file"] = "done.csv"
    dirt.learned("When", []).brought_in()
    assert "learning: the source holds no rows" in told(dirt)


def test_a_database_that_is_being_written_is_told_as_locked(dirt):
    path = dirt.place / "x/done.duckdb"
    with duckdb.connect(str(path)) as there:
        there.execute("CREATE TABLE done AS SELECT 'T501' AS \"Who\", '2023-02-01' AS \"When\"")
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    command = [sys.executable, "-c", hold, str(path)]
    dirt.mapping["tables"]["learning"]["file"] = "done.duckdb"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"held\n"
        dirt.asked("done.duckdb: is open in another program")
        writer.stdin.close()


# --- proposals


@pytest.mark.parametrize(
    ("marks", "scale"),
    [
        ("0123450", "[1, 2, 3, 4, 5]"),
        ("12345", "[1, 2, 3, 4, 5]"),
        (["1", "3", "5", "99"], "[1, 2, 3, 4, 5]"),
        (["0", "2", "4"], "[0, 1, 2, 3, 4]"),
        (["2.5", "3.0", "0"], "{min: 0, max: 3}"),
        (["0", "25", "50", "75", "100"], "{min: 0, max: 100}"),
        ("0123", "[0, 1, 2, 3]"),
        (["0", "0.5", "1", "1.5", "2"], "{min: 0, max: 2}"),
        (["0", "1", "1.5", "4.5", "5"], "{min: 1, max: 5}"),
    ],
)
def test_a_mark_for_no_rating_is_no_part_of_the_scale(dirt, marks, scale):
    rows = [f"{who},H1,2023-07-01,{marks[i % len(marks)]},Dock\n" for i, who in enumerate(WHO)]
    head = "Employee ID,Cycle,Review date,Rating,Team\n"
    (dirt.place / "x/reviews.csv").write_text(head + "".join(rows))
    made = proposing.propose([dirt.place / "x/reviews.csv"], "m.yml")
    assert f"rating_scale: {scale}" in made.text


@pytest.mark.parametrize(
    ("marks", "kept"),
    [
        (range(10, 60, 10), range(10, 60, 10)),
        (range(0, 101, 25), range(0, 101, 25)),
        (range(1, 11, 3), range(1, 11, 3)),
        (range(11), range(11)),
        ((20, 40, 60, 999), (20, 40, 60)),
        ((1, 3, 99), (1, 3)),
        ((1, 2, 11, 12, 31, 32), (1, 2, 11, 12, 31, 32)),
        ((1, 5), (1, 5)),
        ((), ()),
    ],
)
def test_what_stands_far_is_measured_in_steps(marks, kept):
    assert proposing._scale({*map(float, marks)}) == [*kept]


def test_a_day_to_come_is_not_the_last_of_the_data(dirt):
    lines = [f"T501,{day},tides\n" for day in [*DAYS * 2, "2942-02-02"]]
    head = "Employee ID,Completion Date,Course\n"
    (dirt.place / "x/learning.csv").write_text(head + "".join(lines))
    made = proposing.propose([dirt.place / "x/learning.csv"], "m.yml")
    assert 'as_of: "2023-02-20"' in made.text


@pytest.mark.parametrize(
    "text", ['{"Who": "T501"}\n{"Who": "T5', '{"Who": 1, "Who": 2}\n', '[{"Who": "T501"}, {"Wh']
)
def test_broken_json_is_told_when_a_mapping_is_proposed(dirt, text):
    (dirt.place / "x/done.json").write_text(text)
    with pytest.raises(DataError, match="done.json: the source cannot be read"):
        proposing.propose([dirt.place / "x/done.json"], "m.yml")


# --- workbooks, pages and names of two tables


@pytest.mark.slow
def test_days_that_a_spreadsheet_swapped_are_asked(dirt):
    days = [dt.date(2023, 1, 1) + dt.timedelta(days=7 * place) for place in range(40)]
    rows = [day.strftime("%Y-%d-%m") if day.day <= 12 else day.strftime("%d/%m/%Y") for day in days]
    way = {"column": "When", "date": ["iso", "day_first"]}
    dirt.learned("When", rows, learned_on=way).asked("in the first, day and month are swapped")
    rows[0] = "2023-01-13"
    assert len(dirt.learned("When", rows).brought_in()) == 40


@pytest.mark.slow
def test_a_page_of_json_that_others_follow_is_told(dirt):
    page = {
        "@odata.nextLink": "https://port.example/2",
        "value": [{"Who": "T501", "When": DAYS[0]}],
    }
    assert len(in_json(dirt, page).brought_in()) == 1 and "more follow" in told(dirt)
    assert len(in_json(dirt, page | {"@odata.nextLink": None}).brought_in()) == 1
    assert "more follow" not in told(dirt)


@pytest.mark.parametrize(
    ("cycle", "words"), [("H1.0", "nothing would join"), ("H1", "20 rows have the same")]
)
def test_cycles_of_pay_that_no_review_has_are_asked(dirt, cycle, words):
    rows = [f"{cycle},2023-08-01,3"] * 20
    tabled(dirt, "rewards", "pay.csv", "R,From,Merit %", rows, merit_pct="Merit %", **PAY)
    if cycle == "H1":  # and where they join, what is wrong besides is told
        with (dirt.place / "x/pay.csv").open("a") as file:
            file.write("".join(f"{who},H1,2023-08-01,4\n" for who in WHO))
    dirt.asked(words)


@pytest.mark.slow
def test_a_time_of_a_typed_column_has_a_zone_too(dirt):
    moments = [dt.datetime.fromisoformat(f"{day} 23:30") for day in DAYS]
    pq.write_table(pa.table({"Who": WHO, "Done (UTC)": moments}), dirt.place / "x/done.parquet")
    dirt.mapping["tables"]["learning"]["file"] = "done.parquet"
    dirt.mapping["tables"]["learning"]["columns"]["learned_on"] = "Done (UTC)"
    dirt.asked("times of a zone")


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [(0.5, '0.0"%"', "0.5"), (0.5, r"0.0\%", "0.5"), (0.5, "0.0%", "50%"), (7, '000" %"', "007")],
)
def test_a_sign_that_is_only_written_beside_a_number_changes_nothing(value, form, text):
    assert workbook.text_of(value, form) == text

"""The contract, row by row: what each rule lets through, and what it says when it does not."""

import dataclasses
import datetime as dt
from pathlib import Path

import ibis
import pandas as pd
import pytest

from learnalign.data import broken as breaches
from learnalign.data import contract
from learnalign.data.contract import COLUMNS, PEOPLE_REFERENCES, Meta
from learnalign.data.mistakes import DataError, Problem, read_yaml

META = Meta(title="Drawn", as_of="2024-12-31", rating_scale=[1, 2, 3])

# Every canonical table with every column, and two rows that keep the contract beside its name.
GOOD = {
    "people": """
        person_id  ana         ben
        hired_on   2020-01-01  2020-01-01
        left_on    -           2024-06-30
    """,
    "reviews": """
        person_id    ana         ben
        cycle        2023-H1     2023-H1
        reviewed_on  2023-07-01  2023-07-01
        rating       2           3
        unit         ops         ops
        manager_id   mia         mia
        grade        A           B
        fte          1           0.5
        settled_on   2023-06-20  -
    """,
    "rewards": """
        person_id                          ana         ben
        cycle                              2023-H1     2023-H1
        effective_on                       2023-09-01  2023-09-01
        merit_pct                          2.5         -1
        merit_target_pct                   2.0         2.0
        compa_ratio                        0.9         1.1
        bonus_pct                          10          0
        company_factor                     1.1         1.1
        learning_enabled_performance       0           2
        learning_positions_for_objectives  3           1
    """,
    "learning": """
        person_id      ana         ben
        learned_on     2023-01-01  2023-01-01
        activity_type  course      mentoring
        mode           formal      social
        activity_id    a1          a2
        skill          sql         sql
        hours          1.5         0
        cost           0           99
        is_required    true        false
        recorded_by    system      self
        status         completed   no_show
    """,
    "assessments": """
        person_id       ana         ben
        skill           sql         sql
        assessed_on     2023-01-01  2023-01-01
        required_level  3           3
        assessed_level  2           3.5
        self_level      4           3
        assessor_id     mia         mia
        trigger         scheduled   doubt
    """,
    "acknowledgements": """
        person_id        ana         ben
        acknowledged_on  2023-01-01  2023-01-01
        channel          question    question
        skill            sql         -
        audience         team        public
        needed_by        2029-01-01  -
        escalated_on     2023-02-01  -
        is_specific      true        -
        sets_scene       false       -
        offers_ideas     true        -
        is_appreciative  false       -
    """,
    "ties": """
        from_id    ana         ben
        to_id      ben         ana
        tied_on    2023-01-01  2023-01-01
        kind       mentors     asks
        programme  first       -
    """,
    "surveys": """
        unit     ops         ops
        wave_on  2023-01-01  2023-01-01
        scale    vision      vision
        domain   leading     leading
        item     q1          q2
        n        12          0
        mean     3.5         4
    """,
    "invitations": """
        person_id     ana         ben
        about         learning    learning
        invited_on    2023-01-01  2025-07-01
        drawn_within  ops         ops
    """,
}


def rows_of(table: str) -> list[dict[str, str | None]]:
    columns = {name: cells for name, *cells in map(str.split, GOOD[table].strip().splitlines())}
    return [
        {name: None if cells[i] == "-" else cells[i] for name, cells in columns.items()}
        for i in (0, 1)
    ]


def problems(
    table: str, rows: list[dict[str, str | None]], meta: Meta = META, **others
) -> list[Problem]:
    """What the contract says of these rows, beside the people who are known."""
    frames = {"people": rows_of("people")} | others | {table: rows}
    there = {}
    for name, lines in frames.items():
        raw = pd.DataFrame(lines, dtype=object).assign(_row=range(2, len(lines) + 2))
        kinds = {column: "int64" if column == "_row" else "string" for column in raw.columns}
        there[name] = contract.typed(ibis.memtable(raw, schema=kinds), name, meta)
    return breaches.table_problems(there, table, meta)


def broken(table: str, **cells: str | None) -> list[Problem]:
    """What it says when cells of the second row, row 3 of its file, are changed."""
    first, second, *more = rows_of(table)
    assert set(cells) <= set(second)
    return problems(table, [first, second | cells, *more])


@pytest.mark.parametrize("table", COLUMNS)
def test_rows_that_keep_the_contract_pass(table):
    assert list(rows_of(table)[0]) == [
        column.name for column in COLUMNS[table]
    ]  # nothing is left out here
    assert problems(table, rows_of(table)) == []


# --- one broken cell, one problem

NUMBER = "a number with a decimal point, such as 3.5"
WHOLE, DATE, FLAG = "a whole number, such as 3", "a date as YYYY-MM-DD", "true or false"
KINDS = {"text": "text", "number": NUMBER, "whole": WHOLE, "date": DATE, "flag": FLAG}
WORDS = {"number": "a number", "whole": "a whole number", "date": "a date", "flag": "true or false"}
FILL = "fill it in, or leave the row out"
SCALE, OWN = (
    "correct it, or rating_scale in dataset.yml",
    "name the manager who gave the rating, or leave it empty",
)
ONE = "correct one of the dates"
STILL_HERE = {"people": {"left_on": None}, "reviews": {"person_id": "ana", "cycle": "2024-H2"}}


def column_faults():
    """For every column, each fault it can have by itself, and the problem it must give."""
    for table, columns in COLUMNS.items():
        for column in columns:
            name, allowed = column.name, KINDS[column.kind]
            if column.required:
                yield table, {name: None}, Problem(table, name, "is empty", "", allowed, FILL)
            if column.kind != "text":
                text = f"is not {WORDS[column.kind]}"
                yield table, {name: "soon"}, Problem(table, name, text, "soon", allowed)
            if column.allowed:
                text, words = "is not a value we know", ", ".join(column.allowed)
                yield table, {name: "Course"}, Problem(table, name, text, "Course", words)
            if column.low is not None:
                yield (
                    table,
                    {name: "-1"},
                    Problem(table, name, "is too low", "-1", f"at least {column.low}"),
                )
            if column.high is not None:
                yield (
                    table,
                    {name: "4"},
                    Problem(table, name, "is too high", "4", f"at most {column.high}"),
                )
            if column.kind == "date" and not column.may_be_later:
                text, fix = (
                    "is after as_of (2024-12-31)",
                    "correct the date, or as_of in dataset.yml",
                )
                cells = (
                    {name: "2025-01-01"} | STILL_HERE.get(table, {})
                    if name != "left_on"
                    else {name: "2025-01-01"}
                )
                yield (
                    table,
                    cells,
                    Problem(table, name, text, "2025-01-01", "up to 2024-12-31", fix),
                )
            if name in PEOPLE_REFERENCES and table != "people":
                fix = "add the person to people, or correct the id"
                yield (
                    table,
                    {name: "zoe"},
                    Problem(table, name, "is not in people", "zoe", "a person_id of people", fix),
                )


def row_faults():
    """What only several cells together can get wrong."""

    def double(table, names, got, **cells):
        key = " + ".join(names)
        text = f"stands more than once with the same {key}"
        return (
            table,
            cells,
            Problem(table, names[0], text, got, f"one row per {key}", "keep one of the rows"),
        )

    yield double("people", ["person_id"], "ana", person_id="ana")
    yield double("reviews", ["person_id", "cycle"], "ana / 2023-H1", person_id="ana")
    yield double("rewards", ["person_id", "cycle"], "ana / 2023-H1", person_id="ana")
    key = ["unit", "wave_on", "scale", "domain", "item"]
    yield double("invitations", ["person_id", "about"], "ana / learning", person_id="ana")
    yield double("surveys", key, "ops / 2023-01-01 / vision / leading / q1", item="q1")
    for table, cells, column, *rest in [
        (
            "people",
            {"left_on": "2019-12-31"},
            "left_on",
            "is before hired_on",
            "2020-01-01 / 2019-12-31",
            "",
            ONE,
        ),
        ("ties", {"to_id": "ben"}, "to_id", "is the same person as from_id", "ben"),
        (
            "reviews",
            {"rating": "2.5"},
            "rating",
            "is not on the rating scale",
            "2.5",
            "1, 2, 3",
            SCALE,
        ),
        (
            "reviews",
            {"rating": "1234567"},
            "rating",
            "is not on the rating scale",
            "1234567",
            "1, 2, 3",
            SCALE,
        ),
        (
            "reviews",
            {"manager_id": "ben"},
            "manager_id",
            "is the person reviewed: nobody reviews themselves",
            "ben",
            "another person",
            OWN,
        ),
        (
            "reviews",
            {"settled_on": "2023-07-02"},
            "settled_on",
            "is after the review",
            "2023-07-01 / 2023-07-02",
            "on or before reviewed_on",
            "name the day on which the rating was made up, or leave it empty",
        ),
        (
            "reviews",
            {"reviewed_on": "2019-12-31"},
            "reviewed_on",
            "is before the person was hired",
            "2020-01-01 / 2019-12-31",
            "on or after people.hired_on",
            ONE,
        ),
        (
            "reviews",
            {"reviewed_on": "2024-07-01"},
            "reviewed_on",
            "is after the person left",
            "2024-06-30 / 2024-07-01",
            "on or before people.left_on",
            ONE,
        ),
    ]:
        yield table, cells, Problem(table, column, *rest)


FAULTS = [*column_faults(), *row_faults()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "cells", "problem"),
    FAULTS,
    ids=[f"{t}.{p.column} {p.problem} {p.got}" for t, _, p in FAULTS],
)
def test_one_fault_gives_its_problem_and_no_other(table, cells, problem):
    assert broken(table, **cells) == [dataclasses.replace(problem, rows=(3,), n_rows=1)]


@pytest.mark.slow
def test_the_ends_are_within():
    """On the day of hiring, of leaving and of as_of; what is due may be later than all of them."""
    assert broken("people", hired_on="2024-12-31", left_on="2024-12-31") == []
    for cells in (
        {"reviewed_on": "2020-01-01"},
        {"reviewed_on": "2024-06-30"},
        {"fte": "0"},
        {"fte": "1"},
    ):
        assert broken("reviews", **cells) == []
    assert broken("reviews", person_id="ana", cycle="2024-H2", reviewed_on="2024-12-31") == []
    assert broken("reviews", person_id="ana", cycle="2024-H2") == []  # another cycle is another key
    assert (
        broken("rewards", learning_enabled_performance="3", learning_positions_for_objectives="0")
        == []
    )
    assert broken("acknowledgements", needed_by="2030-01-01") == []


def test_no_rule_is_without_a_fault():
    every = {
        (table, rule.column, rule.problem)
        for table in COLUMNS
        for rule in contract.rules(table, META)
    }
    assert every == {(problem.table, problem.column, problem.problem) for _, _, problem in FAULTS}


def test_a_problem_reads_as_a_person_would_say_it():
    assert [str(problem) for problem in broken("rewards", merit_pct="2,5", compa_ratio="-0.1")] == [
        "rewards.merit_pct: is not a number (row 3)\n"
        "    Got: 2,5\n"
        "    Allowed: a number with a decimal point, such as 3.5",
        "rewards.compa_ratio: is too low (row 3)\n    Got: -0.1\n    Allowed: at least 0",
    ]


def test_rows_are_counted_in_full_and_five_of_them_named():
    lines = [rows_of("learning")[0] | {"person_id": who} for who in ("ana", *"abcabcd", "ben")]
    (found,) = problems("learning", lines)
    assert (found.rows, found.n_rows, found.got) == ((3, 4, 5, 6, 7), 7, "a, b, c")
    assert str(found).startswith(
        "learning.person_id: is not in people (rows 3, 4, 5, 6, 7 and 2 more)\n"
    )


def test_a_missing_optional_column_is_empty():
    some = [
        {name: row[name] for name in ("person_id", "learned_on", "activity_type")}
        for row in rows_of("learning")
    ]
    assert problems("learning", some) == []


@pytest.mark.parametrize("cells", [{"person_id": "   "}, {"unit": "\t"}])
def test_blanks_alone_are_empty_and_are_shown(cells):
    (name, value), (found, *more) = *cells.items(), broken("reviews", **cells)
    assert (found.column, found.problem, found.got) == (name, "is empty", repr(value))
    assert [problem.problem for problem in more] == (
        ["is not in people"] if name == "person_id" else []
    )


def test_blanks_around_an_id_are_not_repaired_but_shown():
    (found,) = broken("reviews", person_id=" ana ")
    assert (found.problem, found.got) == ("is not in people", "' ana '")


def test_a_value_cannot_break_the_message():
    (found,) = broken("reviews", rating="1\n2 problems\x1b[31m\0")
    assert "    Got: 1\\n2 problems\\x1b[31m\\x00\n" in str(found)
    (found,) = broken("learning", status="x" * 1_000_000)
    assert found.got == "x" * 60


def test_everyone_is_a_problem_only_once_when_people_are_missing():
    raw = ibis.memtable(pd.DataFrame(rows_of("reviews")).assign(_row=[2, 3], fte=["1", "2"]))
    found = breaches.table_problems(
        {"reviews": contract.typed(raw, "reviews", META)}, "reviews", META
    )
    assert [(problem.column, problem.problem) for problem in found] == [("fte", "is too high")]


@pytest.mark.slow
def test_no_rows_are_a_problem_where_rows_are_required():
    empty = {name: [] for name in COLUMNS}
    for table in COLUMNS:
        raw = ibis.memtable(
            [], schema={c.name: "string" for c in COLUMNS[table]} | {"_row": "int64"}
        )
        empty[table] = contract.typed(raw, table, META)
    found = {table: breaches.table_problems(empty, table, META) for table in COLUMNS}
    assert found == {
        table: [Problem(table, "", "holds no rows", fix="add them")]
        if table in ("people", "reviews")
        else []
        for table in COLUMNS
    }


# --- values

VALUES = [
    ("date", "2024-02-29", dt.date(2024, 2, 29)),
    ("date", "1066-10-14", dt.date(1066, 10, 14)),
    ("date", " 2024-02-29 ", dt.date(2024, 2, 29)),
    ("date", "2026-02-30", None),
    ("date", "2023-02-29", None),
    ("date", "30.06.2026", None),
    ("date", "06/30/2026", None),
    ("date", "2026/6/30", None),
    ("date", "2026-6-3", None),
    ("date", "0000-01-01", None),
    ("date", "12020-01-01", None),
    ("date", "2020-01-01 (BC)", None),
    ("date", "infinity", None),
    ("date", "-infinity", None),
    ("date", "epoch", None),
    ("date", "45000", None),
    ("date", "2024-02-29 23:59:59", dt.date(2024, 2, 29)),
    ("date", "2024-02-29T23:59:59.5Z", dt.date(2024, 2, 29)),
    ("date", "2024-02-29 noon", None),
    ("date", "2024-02-29x", None),
    ("number", "3", 3.0),
    ("number", "-3.25e2", -325.0),
    ("number", " 3 ", 3.0),
    ("number", "1,5", None),
    ("number", "1.234,5", None),
    ("number", "NaN", None),
    ("number", "inf", None),
    ("number", "-Infinity", None),
    ("number", "9" * 400, None),
    ("number", "0x10", None),
    ("number", "5%", None),
    ("number", "€5", None),
    ("number", "true", None),
    ("whole", "3", 3),
    ("whole", "3.0", 3),
    ("whole", "2.5", None),
    ("whole", "2.4", None),
    ("whole", "9" * 30, None),
    ("whole", str(2**53 + 1), 2**53 + 1),
    ("flag", "true", True),
    ("flag", "FALSE", False),
    ("flag", "1", True),
    ("flag", "yes", True),
    ("flag", "2", None),
    ("flag", "maybe", None),
    ("text", " as it stands\n", " as it stands\n"),
    ("text", "", ""),
]


def test_text_becomes_a_value_or_nothing_and_is_never_rounded_or_guessed():
    for kind in KINDS:
        asked = [(text, value) for k, text, value in VALUES if k == kind]
        rows = ibis.memtable(
            pd.DataFrame({"i": range(len(asked)), "text": [text for text, _ in asked]})
        )
        got = (
            rows.select("i", value=contract.canonical(rows.text, kind))
            .order_by("i")
            .to_pyarrow()["value"]
            .to_pylist()
        )
        assert dict(zip(asked, got, strict=True)) == {pair: pair[1] for pair in asked}


@pytest.mark.parametrize(
    ("scale", "good", "bad", "words"),
    [
        ([1, 2, 3], ["1", "3.0"], ["0", "2.5", "4"], "1, 2, 3"),
        ([0.5, 1], ["0.5", "1"], ["0.50001"], "0.5, 1"),
        ({"min": 1, "max": 5}, ["1", "2.5", "5"], ["0.99", "5.01"], "1 to 5"),
        ({"min": -1, "max": 0.5}, ["-1", "0"], ["1"], "-1 to 0.5"),
    ],
)
def test_the_rating_scale_is_a_list_or_its_ends(scale, good, bad, words):
    meta = META.model_validate({"title": "T", "as_of": "2024-12-31", "rating_scale": scale})
    rated = [
        rows_of("reviews")[0] | {"cycle": f"c{i}", "rating": rating}
        for i, rating in enumerate([*good, *bad])
    ]
    (found,) = problems("reviews", rated, meta)
    assert (found.got, found.allowed, found.n_rows) == (", ".join(bad), words, len(bad))


# --- dataset.yml

FACTS = 'title: T\nas_of: "2024-12-31"\nrating_scale: [1, 2, 3]\n'
KEYS = (
    "title, as_of, rating_scale, best, attributes, merit_matrix, bonus_rewards_individual, "
    "currency, min, max, rating, "
    "compa_from, compa_to, target_pct, min_pct, max_pct"
)
NO_SCALE = "is neither a list of numbers, such as [1, 2, 3], nor {min: 1, max: 5}"
NO_ATTRIBUTE = (
    "may name columns of people beyond hired_on, left_on, person_id, each once, without _ in front"
)
CELL = "rating: 1, compa_from: 0.8, compa_to: 1.2"


def refused(text: str | bytes, folder: Path) -> list[str]:
    file = folder / "dataset.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as error:
        contract.read_meta(file)
    return [str(problem).removeprefix("dataset.yml") for problem in error.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            FACTS + "attribute: [x]\n",
            [
                (
                    f".attribute: is not a key this file knows\n    Allowed: {KEYS}\n    Fix: "
                    "did you mean 'attributes'?"
                )
            ],
        ),
        (
            FACTS + "on: x\n",
            [f".on: is not a key this file knows\n    Allowed: {KEYS}\n    Fix: remove it"],
        ),
        (
            "title: T\n",
            [".as_of: is missing\n    Fix: add it", ".rating_scale: is missing\n    Fix: add it"],
        ),
        (FACTS.replace("T\n", "7\n"), [".title: is not text: put it in quotes\n    Got: 7"]),
        (
            FACTS.replace("12-31", "02-30"),
            [".as_of: is not a date as YYYY-MM-DD\n    Got: '2024-02-30'"],
        ),
        (
            FACTS.replace('"2024-12-31"', "31.12.2024"),
            [".as_of: is not a date as YYYY-MM-DD\n    Got: '31.12.2024'"],
        ),
        (FACTS.replace("[1, 2, 3]", "[]"), [f".rating_scale: {NO_SCALE}\n    Got: []"]),
        (
            FACTS.replace("[1, 2, 3]", "[low, high]"),
            [f".rating_scale: {NO_SCALE}\n    Got: ['low', 'high']"],
        ),
        (
            FACTS.replace("[1, 2, 3]", "[1, .inf]"),
            [f".rating_scale: {NO_SCALE}\n    Got: [1, inf]"],
        ),
        (
            FACTS.replace("[1, 2, 3]", "{min: 5, max: 1}"),
            [f".rating_scale: {NO_SCALE}\n    Got: {{'min': 5, 'max': 1}}"],
        ),
        (
            FACTS.replace("[1, 2, 3]", "{min: 1, mx: 5}"),
            [f".rating_scale: {NO_SCALE}\n    Got: {{'min': 1, 'mx': 5}}"],
        ),
        (FACTS + "attributes: gender\n", [".attributes: is not a list\n    Got: 'gender'"]),
        (
            FACTS + "attributes: [a, 7]\n",
            [".attributes.1: is not text: put it in quotes\n    Got: 7"],
        ),
        (FACTS + "attributes: [a, A]\n", [f".attributes: {NO_ATTRIBUTE}\n    Got: ['a', 'A']"]),
        (FACTS + "attributes: [Left_on]\n", [f".attributes: {NO_ATTRIBUTE}\n    Got: ['Left_on']"]),
        (FACTS + "attributes: [_copy]\n", [f".attributes: {NO_ATTRIBUTE}\n    Got: ['_copy']"]),
        (
            FACTS + "bonus_rewards_individual: often\n",
            [
                (
                    ".bonus_rewards_individual: Input should be a valid boolean, unable to "
                    "interpret input\n    Got: 'often'"
                )
            ],
        ),
        (
            FACTS + f"merit_matrix: [{{{CELL}, target_pct: two}}, {{{CELL}}}, 7]\n",
            [
                ".merit_matrix.0.target_pct: Input should be a valid number, unable to parse "
                "string as a number\n"
                "    Got: 'two'",
                ".merit_matrix.1.target_pct: is missing\n    Fix: add it",
                ".merit_matrix.2: does not hold 'key: value' pairs\n    Got: 7",
            ],
        ),
        (
            FACTS + f"merit_matrix: [{{{CELL}, target_pct: 2, min_pc: 1}}]\n",
            [
                f".merit_matrix.0.min_pc: is not a key this file knows\n"
                f"    Allowed: {KEYS}\n"
                f"    Fix: did you mean 'min_pct'?"
            ],
        ),
        (FACTS + "merit_matrix: none\n", [".merit_matrix: is not a list\n    Got: 'none'"]),
        ("", [": holds no 'key: value' lines\n    Got: NoneType"]),
        ("- title\n", [": holds no 'key: value' lines\n    Got: list"]),
        (
            "a: [1\n",
            [
                ": cannot be read as YAML\n"
                "    Got: expected ',' or ']', but got '<stream end>' in line 2, column 1"
            ],
        ),
        (
            FACTS + "title: U\n",
            [
                (
                    ": cannot be read as YAML\n    Got: the key 'title' stands twice in line 4, "
                    "column 1"
                )
            ],
        ),
        (
            FACTS + "day: 2024-02-30\n",
            [": cannot be read as YAML\n    Got: day is out of range for month"],
        ),
        (
            FACTS + "x: " + "[" * 4000,
            [": cannot be read as YAML\n    Got: it is too deep in line 4, column 23"],
        ),
        (
            FACTS + "x: !!python/tuple [1]\n",
            [
                ": cannot be read as YAML\n"
                "    Got: could not determine a constructor for the tag "
                "'tag:yaml.org,2002:python/tuple' in line 4, column 4"
            ],
        ),
        (
            "title: é\n".encode("latin-1"),
            [
                ": cannot be read as YAML\n"
                "    Got: 'utf-8' codec can't decode byte 0xe9 in position 7: invalid "
                "continuation byte"
            ],
        ),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, str) else "",
)
def test_dataset_yml_says_what_is_wrong_with_it(tmp_path, text, expected):
    assert refused(text, tmp_path) == expected


def test_dataset_yml_of_every_key_is_read(tmp_path):
    file = tmp_path / "dataset.yml"
    file.write_text(
        "\ufeff"
        + FACTS.replace('"', "")
        + "attributes: [gender, site]\nbonus_rewards_individual: yes\n"
        f"currency: EUR\nmerit_matrix: [{{{CELL}, target_pct: 2, min_pct: 1, max_pct: 3}}]\n",
        encoding="utf-8",
    )
    meta = contract.read_meta(file)
    assert (meta.as_of, meta.attributes, meta.currency) == (
        dt.date(2024, 12, 31),
        ("gender", "site"),
        "EUR",
    )
    assert meta.bonus_rewards_individual is True
    assert meta.merit_matrix[0].target_pct == 2
    assert [column.name for column in contract.columns_of("people", meta)][3:] == ["gender", "site"]
    assert contract.columns_of("reviews", meta) == COLUMNS["reviews"]


def test_a_missing_or_unreadable_dataset_yml_is_named(tmp_path):
    with pytest.raises(
        DataError, match=r"^1 problem\ndataset.yml: there is no such file\n    Got: .*dataset.yml$"
    ):
        contract.read_meta(tmp_path / "dataset.yml")
    (tmp_path / "dataset.yml").mkdir()
    with pytest.raises(
        DataError, match="dataset.yml: cannot be read as YAML\n    Got: .*Is a directory"
    ):
        contract.read_meta(tmp_path / "dataset.yml")


def test_yes_and_no_are_words_and_true_and_false_are_not(tmp_path):
    file = tmp_path / "some.yml"
    file.write_text("a: {yes: no, on: OFF, y: N}\nb: {true: False}\n")
    assert read_yaml(file) == {"a": {"yes": "no", "on": "OFF", "y": "N"}, "b": {True: False}}

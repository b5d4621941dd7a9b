"""The gate: what leaves it tells of few people neither by itself nor beside any edition that was
published before.
"""

import json
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parts import DESCRIBED

from learnalign.data.mistakes import DataError, Stopped
from learnalign.privacy import findings, gate, rule
from learnalign.verdicts import document as results
from learnalign.verdicts.result import Check, Result, number

ROW = DESCRIBED
HOURS = replace(
    ROW,
    measure="spending",
    at="hours per person",
    unit="hours",
    estimate=7.184904,
    low=6.577196,
    high=7.792613,
    std_error=0.31,
    df=40.0,
    sentence="Hours per person: 7.18 hours (likely range 6.58 to 7.79 hours).",
)
NOTHING = (
    "estimate",
    "low",
    "high",
    "n_people",
    "n_clusters",
    "std_error",
    "df",
    "detectable_effect",
)


def document(
    *rows: Result, people: int = 1000, as_of: str = "2026-06-30", report: str = "north", **more
) -> dict:
    run = {
        "run_id": f"run of {report} {as_of}",
        "report": report,
        "as_of": as_of,
        "min_group": 10,
        "rounded_to": None,
    }
    data = {
        "title": "North",
        "fingerprint": as_of,
        "attributes": ["grade", "gender"],
        "tables": [{"table": "people", "rows": people, "people": people}],
    }
    made = {
        "schema_version": results.SCHEMA_VERSION,
        "run": run,
        "data": data,
        "results": [asdict(row) for row in rows],
        "flows": [],
        "coverage": [],
        "pictures": [],
    }
    return made | more


def through(made: dict, *past: dict) -> dict:
    return gate.gate([made], [findings.line_of(one) for one in past])[0]


def rows(made: dict) -> list[Result]:
    return list(results.rows_of(made))


# --- what is hidden


def test_what_is_safe_leaves_as_it_came():
    made = document(ROW, replace(HOURS, estimate=7.2, low=6.6, high=7.8))
    safe = through(made)
    assert json.dumps(safe) == json.dumps(made)


@pytest.mark.parametrize(
    ("estimate", "error", "design", "unit", "told"),
    [
        (
            552 / 37,
            0.4,
            "described",
            "days",
            14.9,
        ),  # seventeen digits: 37 people, and no other number so small
        (1.32 / 307, 0.003, "described", "percentage points", 0.004),
        (0.0435740053475502, 0.0131, "adjusted", "percentage points", 0.044),
        (0.0435740053475502, 0.00131, "adjusted", "percentage points", 0.0436),
        (4701.26, None, "described", "EUR", 4701.0),
    ],
)
def test_no_figure_has_the_digits_that_tell_how_many_people_stand_behind(
    estimate, error, design, unit, told
):
    made = replace(
        ROW,
        estimate=estimate,
        low=estimate,
        high=estimate,
        std_error=error,
        design=design,
        unit=unit,
    )
    (row,) = rows(through(document(made)))
    assert (row.estimate, row.low, row.high) == (told, told, told)


@pytest.mark.property
@settings(max_examples=200, deadline=None)
@given(
    st.floats(0.0001, 5000),
    st.sampled_from(["SD", "percentage points", "hazard ratio", "%", "days"]),
)
def test_a_figure_is_read_as_before(value, unit):
    (row,) = rows(through(document(replace(ROW, estimate=value, low=value, high=value, unit=unit))))
    assert row.estimate is None or number(row.estimate, unit) == number(value, unit)


def test_counts_are_never_told_on_two_grids():
    """Rounded to 10 before and to 7 now, a count would be known to 3 people: both grids at once are
    coarser.
    """
    before = through(document(ROW, people=403))
    assert before["run"]["rounded_to"] == 10
    again = document(ROW, people=403, as_of="2026-12-31")
    line = findings.line_of(before)
    assert gate.gate([again], [replace(line, rounded_to=15)])[0]["run"]["rounded_to"] == 30
    with pytest.raises(
        Stopped, match="rounded to multiples of 7: counts on several grids"
    ) as stopped:
        gate.gate([again], [replace(line, rounded_to=7)])
    assert stopped.value.code == 2


def test_another_title_or_a_changed_byte_does_not_show_what_was_hidden():
    hidden = through(document(ROW, replace(ROW, at="grade: G9", n_people=8)))
    renamed = document(ROW, replace(ROW, at="grade: G9", n_people=12))
    renamed["data"]["title"] = "South"
    assert [row.shown for row in rows(through(renamed, hidden))] == [True, False]
    touched = document(ROW, replace(ROW, at="grade: G9", n_people=12), as_of="2026-07-01")
    assert [row.shown for row in rows(through(touched, hidden))] == [True, False]


def test_what_is_hidden_for_an_edition_before_is_not_hidden_for_ever():
    """Hidden in June for its 8 people, in August for June's sake, and in October not for August's."""
    june = through(document(ROW, replace(ROW, at="grade: G9", n_people=8)))
    grown = replace(ROW, at="grade: G9", n_people=30)
    august = through(document(ROW, grown, as_of="2026-08-15"), june)
    october = through(document(ROW, grown, as_of="2026-10-01"), june, august)
    assert [one["results"][1]["shown"] for one in (june, august, october)] == [False, False, True]


def test_a_row_that_was_told_before_may_be_told_beside_a_coarser_one():
    first = findings.line_of(through(document(HOURS)))
    key, estimate, low, high, people, _ = first.figures[0]
    coarse = replace(first, run_id="coarse", figures=((key, 7.0, 6.5, 8.0, people - 3, True),))
    (row,) = rows(gate.gate([document(HOURS, report="other")], [first, coarse])[0])
    assert (row.estimate, row.low, row.high) == (estimate, low, high)


def test_statistics_of_a_hidden_group_cannot_be_joined_back():
    """A hidden group's figures, in whatever field they come, are nowhere in what leaves: its row is
    all there is.
    """
    pair = replace(
        ROW,
        at="grade: G9",
        n_people=2,
        n_clusters=7,
        estimate=73.125,
        low=61.125,
        high=89.125,
        std_error=5.5125,
        df=5.25,
        detectable_effect=9.875,
        checks=(Check("lead test", "passed", "p = 0.4375"),),
        note="2 people: 73.125",
        to_settle="8125 more people",
        sentence="73.125 % of 2 people",
        method="share of 1.46250",
    )
    for one in (
        pair,
        replace(pair, verdict="hidden", shown=False),
        replace(pair, n_people=40, n_clusters=2),
    ):
        safe = through(document(ROW, one))
        (row,) = [row for row in rows(safe) if row.at == "grade: G9"]
        assert [getattr(row, name) for name in NOTHING] == [None] * len(NOTHING)
        text = json.dumps(safe)
        for secret in (
            "73.125",
            "61.125",
            "89.125",
            "5.5125",
            "5.25",
            "9.875",
            "0.4375",
            "8125",
            "1.46250",
        ):
            assert secret not in text
    assert (row.question, row.measure, row.at, row.shown) == (
        "Q8",
        "mentoring_reach",
        "grade: G9",
        False,
    )


def test_a_hidden_row_cannot_even_be_handed_over_with_a_figure(tmp_path):
    hidden = replace(ROW, shown=False, verdict="hidden")
    with pytest.raises(ValueError, match="is hidden but still holds figures"):
        results.write(
            str(tmp_path / "x.json"), "coverage", [hidden], pd.DataFrame(columns=["table"])
        )


@pytest.mark.parametrize(
    ("at", "share", "shown"),
    [
        ("grade: G1", 0.0, False),
        ("grade: G1", 100.0, False),
        ("grade: G1", 1.0, True),
        (rule.OPEN[0], 0.0, True),
    ],
)
def test_what_is_said_of_everybody_is_said_of_each(at, share, shown):
    (row,) = rows(through(document(replace(ROW, at=at, estimate=share))))
    assert row.shown == shown


@pytest.mark.parametrize("unknown", ["n_people", "n_clusters"])
def test_a_figure_that_nobody_counted_people_for_is_hidden(unknown):
    (row,) = rows(through(document(replace(ROW, **{unknown: None}))))
    assert not row.shown and row.reason == "not counted"


@pytest.mark.parametrize(
    ("people", "shown"), [(400, True), (399, False), (391, False), (390, True)]
)
def test_a_group_that_nearly_is_its_company_is_hidden(people, shown):
    company, group = rows(through(document(ROW, replace(ROW, at="gender: male", n_people=people))))
    assert company.shown and group.shown == shown
    assert group.reason == "few outside" or shown


def test_what_an_edition_of_the_same_data_hid_stays_hidden():
    hidden = through(document(ROW, replace(ROW, at="grade: G9", n_people=8)))
    again = document(ROW, replace(ROW, at="grade: G9", n_people=12), report="other")
    assert [row.shown for row in rows(through(again, hidden))] == [True, False]
    later = document(ROW, replace(ROW, at="grade: G9", n_people=30), as_of="2026-12-31")
    assert [row.shown for row in rows(through(later, hidden))] == [True, True]


def test_what_the_gate_hides_takes_others_along():
    """The four of G3 are the company's rest; where nobody hid a second group beside them, the gate
    does.
    """
    parts = {
        "gender: female": 180,
        "gender: male": 220,
        "grade: G1": 200,
        "grade: G2": 150,
        "grade: G3": 50,
    }
    made = [replace(ROW, at=at, n_people=people) for at, people in parts.items()]
    made[-1] = replace(made[-1], n_clusters=2)
    assert [row.at for row in rows(through(document(*made))) if not row.shown] == [
        "grade: G2",
        "grade: G3",
    ]
    assert [row.at for row in rows(through(document(*made[2:]))) if not row.shown] == [
        "grade: G3"
    ]  # no total
    assert len([row for row in rows(through(document(ROW, *made[2:]))) if not row.shown]) == 2


# --- counts


def test_counts_of_two_editions_do_not_tell_who_came():
    before = through(document(ROW))
    assert through(document(ROW, as_of="2026-12-31"), before)["run"]["rounded_to"] is None
    after = through(document(ROW, people=1003, as_of="2026-12-31"), before)
    assert after["run"]["rounded_to"] == 10
    assert after["data"]["tables"][0]["people"] == 1000
    elsewhere = document(ROW, people=1003, as_of="2026-12-31")
    elsewhere["data"]["title"] = "South"
    assert through(elsewhere, before)["run"]["rounded_to"] is None


# --- figures on nearly the same people


def test_the_same_figure_again_is_no_news():
    made = through(document(ROW, HOURS))
    assert through(document(ROW, HOURS, report="other"), made)["results"] == made["results"]


def test_a_share_of_nearly_the_same_people_comes_in_steps():
    """400 people, then 402: a step of 2.5 points hides ten of them; the next readable one is 5."""
    before = through(document(ROW))
    one = replace(ROW, estimate=49.0, low=47.0, high=52.0)
    for people in (400, 402, 409):
        (row,) = rows(through(document(replace(one, n_people=people), as_of="2026-12-31"), before))
        assert (row.estimate, row.low, row.high) == (50.0, 45.0, 50.0)
        assert "50.0 % were" in row.sentence and "45.0 to 50.0 %" in row.sentence
        assert row.step == 5 and "steps of 5 points" in row.note
    (row,) = rows(through(document(replace(one, n_people=410), as_of="2026-12-31"), before))
    assert row.estimate == 49.0 and row.note == ""


def test_a_mean_of_nearly_the_same_people_comes_in_steps_of_what_ten_people_can_move():
    before = through(document(HOURS))
    later = replace(HOURS, estimate=7.251113, n_people=403)
    (row,) = rows(through(document(later, people=1100, as_of="2026-12-31"), before))
    assert (row.estimate, row.low, row.high, row.std_error) == (7.2, 6.6, 7.8, None)
    assert row.sentence == "Hours per person came to 7.2 hours (likely range 6.6 to 7.8 hours)."


def test_a_figure_whose_steps_would_say_nothing_is_hidden():
    before = through(document(replace(ROW, n_people=40)))
    (row,) = rows(through(document(replace(ROW, n_people=41, estimate=49.0), people=1100), before))
    assert not row.shown and row.reason == "same people"


def test_nobody_is_told_by_subtracting_rounded_editions():
    """21 people of mean 3.10 less 20 of mean 3.00 are one of 5.10: in steps the one may be of
    anything.
    """
    few = replace(
        HOURS, estimate=3.0, low=2.5, high=3.5, std_error=0.2, n_people=200, sentence="3.00 hours."
    )
    more = replace(few, estimate=3.0104478, n_people=201, sentence="3.01 hours.")
    before = through(document(few))
    (row,) = rows(through(document(more, people=1100), before))
    step = 0.2
    assert row.estimate == 3.0
    ends = [201 * (row.estimate + side * step / 2) - 200 * 3.0 for side in (-1, 1)]
    assert ends[1] - ends[0] > 10 * 3.0  # and not 5.1


@pytest.mark.property
@settings(max_examples=60, deadline=None)
@given(
    st.integers(50, 3000),
    st.integers(-30, 30),
    st.floats(1, 99),
    st.floats(1, 99),
    st.floats(-5, 500),
    st.sampled_from(["%", "hours", "percentage points"]),
)
def test_what_leaves_the_gate_passes_the_audit_from_both_sides(
    people, more, one, other, error, unit
):
    """An edition beside one on nearly the same people: neither tells of the few, whichever is
    looked at first.
    """
    first = replace(ROW, unit=unit, estimate=round(one, 2), n_people=people, std_error=abs(error))
    second = replace(first, estimate=round(other, 2), n_people=max(people + more, 10))
    before = through(document(first, people=5000))
    after = through(document(second, people=5000, as_of="2026-12-31"), before)
    assert findings.found(before, [findings.line_of(after)]) == []
    assert findings.found(after, [findings.line_of(before)]) == []
    again = through(document(second, people=5000, as_of="2026-12-31"), before, after)
    assert again == after  # the same run once more


def test_what_the_gate_cannot_mend_stops_the_run():
    picture = {
        "kind": "matrix",
        "notebook": "x",
        "min_group": 10,
        "rows": [{"people": 4, "gap": 1.5, "shown": True}],
    }
    with pytest.raises(
        Stopped, match=r"Nothing was published[\s\S]*picture matrix of x: a row is on fewer"
    ) as stopped:
        through(document(ROW, pictures=[picture]))
    assert stopped.value.code == 1


# --- the ledger


def test_the_ledger_keeps_published_numbers_and_no_others(tmp_path):
    safe = through(document(ROW, HOURS, replace(ROW, at="grade: G9", n_people=8, estimate=73.125)))
    (line,) = gate.enter(tmp_path / "new", safe)
    assert results.ledger(tmp_path / "new") == ((line,), ())
    assert (line.people, line.rows) == ((400, 1000), (1000,))
    assert line.figures[0] == (
        ("Q8", "mentoring_reach", "company", "ever mentored"),
        48.0,
        46.0,
        51.0,
        400,
        False,
    )
    assert line.hidden == (("Q8", "mentoring_reach", "company", "grade: G9"),)
    assert "73.125" not in (tmp_path / "new" / results.LEDGER).read_text()
    rounded = through(document(ROW, people=1003), safe)
    assert gate.enter(tmp_path / "new", rounded)[0].people == ()


def test_a_damaged_line_is_set_aside_and_told(tmp_path):
    (first,) = gate.enter(tmp_path, through(document(ROW)))
    with (tmp_path / results.LEDGER).open("a") as file:
        file.write('{"run_id": "torn')  # a run that was killed here
    (second,) = gate.enter(tmp_path, through(document(ROW, as_of="2026-12-31")))
    assert results.ledger(tmp_path) == ((first, second), (2,))
    assert results.ledger(tmp_path / "nowhere") == ((), ())


def _enter(out: Path, number: int) -> None:
    for one in range(20):
        gate.enter(out, document(ROW, report=f"r{number}", as_of=f"2026-01-{one + 1:02}"))


def test_runs_side_by_side_lose_no_line(tmp_path):
    workers = [
        get_context("fork").Process(target=_enter, args=(tmp_path, number)) for number in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    lines, damaged = results.ledger(tmp_path)
    assert len({line.run_id for line in lines}) == len(lines) == 80 and damaged == ()


# --- earlier editions


def test_earlier_editions_are_read_and_the_damaged_ones_told(tmp_path):
    for as_of in ("2025-12-31", "2025-06-30", "2026-06-30", "2026-12-31"):
        (tmp_path / as_of).mkdir()
        results.write_json(tmp_path / as_of / "results.json", document(ROW, as_of=as_of))
    (tmp_path / ".2025-01-01-x").mkdir()
    (tmp_path / ".2025-01-01-x" / "results.json").write_text("{")
    found, warnings = results.earlier(tmp_path, "2026-06-30")
    assert [one["run"]["as_of"] for one in found] == ["2025-06-30", "2025-12-31"] and warnings == ()
    (tmp_path / "2025-06-30/results.json").write_text("{")
    results.write_json(tmp_path / "2025-12-31/results.json", document(ROW, schema_version=1))
    found, warnings = results.earlier(tmp_path, "2026-06-30")
    assert found == ()
    assert "2025-06-30" in warnings[0] and "cannot be read" in warnings[0]
    assert "2025-12-31" in warnings[1] and "of schema 1, not 3" in warnings[1]
    with pytest.raises(DataError, match="cannot be read"):
        results.edition(tmp_path / "nothing")


def test_pictures_are_handed_over_as_what_was_drawn(tmp_path):
    class Drawn:
        def __init__(self, record):
            self.record = record

    flow = pd.DataFrame(columns=["table"])
    results.write(
        str(tmp_path / "c"), "coverage", [ROW], flow, None, [Drawn({"kind": "grid"}), Drawn(None)]
    )
    assert results.read(tmp_path / "c").pictures == ({"notebook": "coverage", "kind": "grid"},)

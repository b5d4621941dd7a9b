"""Looking further: what is asked that nobody fixed before, what it may say, and what is kept."""

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import learnalign as la
from learnalign import studies
from learnalign.data.mistakes import DataError
from learnalign.estimates import explore, looked
from learnalign.estimates.asked import names
from learnalign.estimates.narrowing import rows_where
from learnalign.privacy import gate, keys
from learnalign.runs import journal
from learnalign.verdicts import looks
from learnalign.verdicts.looks import Look

ROOT = Path(__file__).parents[2]
LOOKS = shutil.ignore_patterns(keys.PRIVATE)  # what an analyst left beside the data
FRAME = pd.DataFrame({"place": ["a", "b", None, "b"], "years": [1.0, 2.0, 3.0, None]})


@pytest.fixture
def fresh(study):
    """The session's study, at which nobody has looked yet."""
    return dataclasses.replace(study, told=studies.Told())


# --- to what it is narrowed


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("place == 'b'", [1, 3]),
        ("place != 'b'", [0]),  # what is not known is not
        ("not place == 'b'", [0]),
        ("years > 1 and place == 'b'", [1]),
        ("years >= 3 or years < 2", [0, 2]),
        ("place in ('a', 'b') and years not in [2]", [0]),
        ("years > -1", [0, 1, 2]),
    ],
)
def test_an_expression_names_rows(where, rows):
    found = rows_where(FRAME, where)
    assert [*found.index[found]] == rows


@pytest.mark.parametrize(
    "where",
    [
        "__import__('os').system('true')",
        "place.str.len() > 1",
        "place == years",
        "place ==",
        "1 < years < 3",
        "@place",
        "lambda: 1",
        "years > 'b'[0]",
        "(" * 3000 + "years" + ")" * 3000,
    ],
)
def test_an_expression_is_read_and_never_run(where):
    with pytest.raises(DataError, match="where: cannot be read"):
        rows_where(FRAME, where)


def test_all_that_is_wrong_in_an_expression_is_said_at_once_with_the_nearest():
    with pytest.raises(DataError) as caught:
        rows_where(FRAME, "plac == 'b' and place == 'c' and years == 'x'")
    assert str(caught.value) == (
        "3 problems\n"
        "where: there is no such column\n    Got: plac\n    Allowed: place, years\n"
        "    Fix: did you mean 'place'?\n"
        "where.place: there is no such place\n    Got: c\n    Allowed: a, b\n"
        "where.years: is compared with another kind of value\n    Got: 'x'\n    Allowed: numbers"
    )


def test_a_wrong_name_is_answered_with_the_nearest(study):
    about = {"by": "functon", "equal": ["gendr"], "window_days": 0}
    with pytest.raises(DataError) as caught:
        la.compare(study, "coachin", "merit", **about)
    near = re.findall(r"did you mean '(\w+)'", str(caught.value))
    assert near == ["merit_pct", "coaching", "function", "gender"]
    assert len(caught.value.problems) == 5
    with pytest.raises(DataError) as caught:
        la.ask(study, "Q4", by="function")
    assert "there is no such column" in str(caught.value) and "Allowed: unit" in str(caught.value)
    with pytest.raises(DataError) as caught:
        la.ask(study, "Q8", window_days=90)
    assert str(caught.value) == (
        "1 problem\nask.window_days: Q8 cannot be asked so: only questions on reviews and pay can "
        "have another window_days\n    Got: Q8\n    Allowed: Q1, Q2, Q3, Q5; Q8 with by and where"
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (lambda study: la.ask("Q2"), "study: is no study\n    Got: 'Q2'"),
        (lambda study: la.compare("coaching", "rating", "x"), "study: is no study"),
        (lambda study: la.ask(study, "Q2", where=3), "where: cannot be read\n    Got: 3"),
        (lambda study: la.ask(study, "Q6", window_days=90), "1 problem\n"),  # of two measures
        (lambda study: la.ask(study, "Q2", equal="gendr"), "Got: gendr\n"),  # not its letters
    ],
)
def test_what_is_asked_by_mistake_is_told_as_a_mistake(study, asked, told):
    with pytest.raises(DataError) as caught:
        asked(study)
    assert told in str(caught.value)


def test_a_run_tells_the_nearest_name_and_nobodys(study):
    with pytest.raises(DataError) as caught:
        la.compare(study, "coachin", "rating")
    code = 'la.compare(study, "coachin", "rating")'
    ours = " ".join(names(study.dataset.meta.attributes))
    told = journal.discreet(
        f"{caught.value}; 'N00012' said 'nothing'", f"{code} {ours}", {"N00012"}
    )
    assert (
        "Fix: did you mean 'coaching'?" in told and "N00012" not in told and "nothing" not in told
    )


def test_looks_are_shown_where_a_headline_is_wanted(fresh):
    found = la.compare(fresh, "coaching", "rating")
    assert "coaching on rating" in str(la.headline(found))
    assert looks.listed_in_words([*found]).startswith("You have looked once;")


def test_nobody_can_narrow_to_a_person(study):
    for name in ("person_id", "manager_id", "hired_on"):
        with pytest.raises(DataError, match="there is no such column"):
            la.ask(study, "Q2", where=f"{name} == 'x'")


# --- what it says


@pytest.mark.parametrize(
    ("verb", "asked"),
    [
        (la.compare, ("coaching", "rating")),
        (la.ask, ("Q2",)),
        (la.compare, ("gender", "merit_pct")),
    ],
)
def test_what_is_compared_is_not_held_equal(bank, verb, asked):
    """Nothing but what one person does to it would be left in the width of an interval."""
    name = "gender" if "gender" in asked else "rating"
    with pytest.raises(DataError, match=rf"(?s)equal: is what is compared.*Got: {name}"):
        verb(bank, *asked, equal=["unit", name])
    assert verb(bank, *asked, equal=["location"])


@pytest.mark.slow
def test_what_is_explored_is_never_a_headline_nor_known(fresh):
    found = la.ask(fresh, "Q1", "Q2", by="function") + la.compare(fresh, "coaching", "merit_pct")
    assert {row.design for row in found} == {"explored"}
    assert not any(row.headline for row in found)
    may_say = {"worth_a_test", "none", "unknown", "untrusted", "hidden"}
    assert {row.verdict for row in found} <= may_say
    assert not fresh.told.rows  # nothing of it is handed over as a result


def test_small_groups_are_hidden_and_so_is_what_they_could_be_reckoned_from(study):
    rows = looked.table(study)
    people = rows.person_id.unique()
    odd = set(people[:6])
    small = rows.assign(team=np.where(rows.person_id.isin(odd), "few", "many"))
    few = dataclasses.replace(study, told=studies.Told(), _made={**study._made})
    few._made[(looked._table, None)] = small.assign(function=small.team)
    found = la.compare(few, "function", "merit_pct", where="tenure_years > 0")
    assert all(row.estimate is None for row in found)


@pytest.mark.slow
def test_an_answer_shows_itself(fresh):
    found = la.compare(fresh, "reading_hours", "merit_gap_pct", equal=["rating"])
    text, html = str(found), found._repr_html_()
    for told in (text, html):
        assert "reading" in told and "likely range" in told and "Bracketing" in told
    assert "<svg" in html and "From " in text
    assert found[0].sentence in repr(found)
    people = set(fresh.cycles.person_id)
    assert not people & set(re.findall(r"\w+", html + text + repr(found)))


# --- every look counts


def _look(p: float, p_none: float = 1.0, bare: str = "higher") -> Look:
    fields = {one.name: None for one in dataclasses.fields(Look)}
    fields |= {"estimate": 0.3, "low": 0.2, "high": 0.4, "unit": "SD", "bare": bare, "p": p}
    fields |= {"p_none": p_none, "checks": (), "held": (), "looked": (), "branch": bare}
    fields |= {"doers": "some", "others": "others", "did": "were rated", "contrast": ""}
    return Look(
        **fields | {"to_settle": "", "verdict": bare, "smallest_effect": 0.1, "mark": str(p)}
    )


def test_a_look_that_stands_alone_may_fall_among_many():
    one = _look(0.001)
    assert looks.corrected([one])[0].verdict == "worth_a_test"
    among = looks.corrected([one, *(_look(0.5, bare="unknown") for _ in range(30))])
    assert among[0].verdict == "unknown"
    assert "(so far 31)" in among[0].sentence


def test_practically_none_is_corrected_too():
    rest = [_look(0.9, 0.9, "unknown") for _ in range(5)]
    assert looks.corrected([_look(0.9, 1e-4, "none"), *rest])[0].verdict == "none"
    assert looks.corrected([_look(0.9, 0.04, "none"), *rest])[0].verdict == "unknown"


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=90))
def test_more_looks_never_raise_an_earlier_one(p):
    """Unless what was found since makes chance the less likely explanation: none found anything."""
    some = [_look(one) for one in p]
    before = [one.verdict for one in looks.corrected(some)]
    after = looks.corrected([*some, *(_look(1.0, bare="unknown") for _ in range(40))])
    for was, now in zip(before, after, strict=False):
        assert now.verdict == "unknown" or was == "worth_a_test"


@pytest.mark.slow
def test_with_nothing_true_one_study_in_twenty_is_ever_told_worth_a_test():
    """Counted while looking, as an analyst reads: not once, after the last of 100 looks."""
    rng, ever = np.random.default_rng(7), 0
    for _ in range(2_000):
        p = rng.uniform(size=100)
        for n in range(1, 101):
            paid, level = looks.budget(n)
            sorted_p = np.sort(p[:n])
            if (sorted_p <= level * np.arange(1, n + 1) / paid).any():
                ever += 1
                break
    assert ever / 2_000 < 0.05  # 0.025 + 0.0125 + 0.00625 at most: three standard errors below it


@pytest.mark.slow
def test_the_list_outlives_the_session_and_asking_again_is_one_look(tmp_path):
    shutil.copytree(ROOT / "data/demo", tmp_path / "demo", ignore=LOOKS)
    one = la.study(tmp_path / "demo")
    assert str(la.explored(one)).startswith("Nobody has looked yet.")
    first = la.ask(one, "Q2", where="tenure_years >= 5")
    la.ask(one, "Q2", where="not tenure_years < 5")  # the same rows in other words
    again = la.study(tmp_path / "demo")
    vars(again).update(linked=one.linked)
    assert [row.estimate for row in la.explored(again)] == [first[0].estimate]
    la.compare(again, "coaching", "rating")
    assert la.explored(again).title.startswith("You have looked 2 times")
    kept = tmp_path / "demo" / keys.PRIVATE / looks.FILE
    assert kept.stat().st_mode & 0o077 == 0 and len(kept.read_text().splitlines()) == 2
    assert not set(one.cycles.person_id) & set(re.findall(r"\w+", kept.read_text()))
    with open(kept, "a") as file:
        file.write('{"torn')
    assert len(looks.remembered(kept.parent)) == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_where_nothing_can_be_kept_it_is_said(fresh, tmp_path):
    tmp_path.chmod(0o500)
    assert looks.remember(tmp_path / "no", [_look(0.5)])


def test_a_list_that_cannot_be_kept_is_told(fresh, tmp_path, monkeypatch):
    (tmp_path / keys.PRIVATE).write_text("a file where a folder is to be")
    monkeypatch.setattr(explore, "_folder", lambda study: tmp_path / keys.PRIVATE)
    la.compare(fresh, "coaching", "rating")
    assert "could not be kept beside the data" in la.explored(fresh).title


# --- under draws: an oracle that is asked a thousand times


@pytest.fixture
def oracle(study):
    draws = keys.Draws(b"k" * 32, "a state of its own")
    explore._spent.cache_clear()
    behind = gate.Gate(study.gate.rule, draws)
    made = {key: one for key, one in study._made.items() if key[0] is looked._table}
    return dataclasses.replace(study, gate=behind, told=studies.Told(), _made=made)


@pytest.mark.slow
def test_looks_of_a_run_end_after_so_many_whatever_they_found(oracle):
    """An end that came with how far people move figures would itself tell who is there."""
    found = [la.ask(oracle, "Q2", where=f"tenure_years > {0.05 * n}")[0] for n in range(25)]
    assert {row.branch for row in found[explore.MOST :]} == {"spent"}
    assert "spent" not in {row.branch for row in found[: explore.MOST]}
    assert sum(row.estimate is not None for row in found) > explore.MOST / 2
    assert "looks of this run are taken" in found[-1].sentence and found[-1].verdict == "hidden"
    told = gate.told(oracle.gate)
    assert gate.mu(told).max() <= gate.MOST
    other = dataclasses.replace(oracle, told=studies.Told(), _made={**oracle._made})
    assert la.ask(other, "Q2", where="tenure_years > 0.512")[0].branch == "spent"  # a new session
    assert la.ask(other, "Q2", where="tenure_years > 0.0")[0].estimate == found[0].estimate


@pytest.mark.slow
def test_of_no_figure_of_an_oracle_can_be_told_that_somebody_is_not_there(oracle):
    """Asked of some, and of the same less one person, two figures that are alike would tell."""
    first = la.ask(oracle, "Q2", where="tenure_years > 1")
    same = la.ask(oracle, "Q2", where="tenure_years > 1 and not grade == 'nobody has it'")
    assert first[0].estimate != same[0].estimate
    assert first[0].mark != same[0].mark  # which is of the rows, where nothing is moved
    alone = dataclasses.replace(oracle, gate=gate.Gate(oracle.gate.rule), _made={})
    exact = la.ask(alone, "Q2", where="tenure_years > 1")
    again = la.ask(alone, "Q2", where="not tenure_years <= 1")
    assert first[0].estimate != exact[0].estimate and exact[0].mark == again[0].mark
    assert first[0].before is None and first[0].at_least and first[0].n_people == 10


@pytest.mark.slow
def test_a_group_of_one_is_not_named_to_an_oracle(oracle):
    rows = looked.table(oracle)
    one = rows.person_id == rows.person_id.iloc[0]
    rows = rows.assign(function=rows.function.mask(one, "chief"))
    oracle._made[(looked._table, None)] = rows
    named = {row.group for row in la.ask(oracle, "Q2", by="function")}
    assert named and "function=chief" not in named
    named = {row.measure + row.doers for row in la.compare(oracle, "function", "rating")}
    assert not any("chief" in name for name in named)
    made = {(looked._table, None): rows}
    alone = dataclasses.replace(oracle, gate=gate.Gate(oracle.gate.rule), _made=made)
    assert "function=chief" in {row.group for row in la.ask(alone, "Q2", by="function")}


@pytest.mark.slow
def test_what_is_asked_of_teams_and_of_cost_is_for_the_analyst_alone(oracle):
    found = la.ask(oracle, "Q4", where="unit != 'Retail 1'") + la.ask(oracle, "Q7", by="location")
    assert {row.verdict for row in found} == {"hidden"}
    assert la.ask(oracle, "Q8", where="tenure_years < 8")[0].estimate is not None


def test_of_people_whom_anybody_may_choose_only_what_was_moved_is_told(oracle):
    """Which check fails, and what is held equal, turn at exact places: one person may turn them."""
    (row,) = la.ask(oracle, "Q1", where="tenure_years > 1")
    told = row.checks, row.held, row.method, row.rung, row.note, row.contrast
    assert told == ((), (), "", "", "", "") and row.verdict == "unknown"
    assert "likely range" in row.sentence and "not judged here" in row.sentence


@pytest.mark.slow
def test_an_oracle_never_says_why_it_is_silent(oracle):
    rare = oracle.cycles.unit.value_counts().index[-1]
    found = la.ask(oracle, "Q2", where=f"unit == {rare!r} and tenure_years < 0.3")
    assert [(row.verdict, row.reason, row.note, row.n_people) for row in found] == [
        ("hidden", "", "", None)
    ]
    assert la.ask(oracle, "Q2", where="unit == 'no such unit'")[0].verdict == "hidden"


def test_looks_are_plain_data(fresh):
    found = la.compare(fresh, "gender", "merit_pct")
    text = json.dumps([dataclasses.asdict(one) for one in found], default=str)
    assert "influence" not in text

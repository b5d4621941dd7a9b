"""The verbs: a study says its settings once and links once; what is asked of it is judged, hidden
and kept; and `la.` shows all of them.
"""

import dataclasses
import json
import subprocess
import sys
from importlib.resources import files

import pandas as pd
import pytest
import yaml

import learnalign as la
from learnalign import studies
from learnalign.data.mistakes import DataError
from learnalign.estimates import ask
from learnalign.facts import describe, ratios
from learnalign.linking import journeys, teams, windows
from learnalign.studies import Answers
from learnalign.verdicts import document, registry

QUESTIONS = files("learnalign.verdicts") / "en/questions"
SHOWING = [name for name, home in la.VERBS.items() if home == "report.verbs"]


@pytest.fixture
def fresh(study):
    """The session's study with nothing told yet; what was made of it is kept."""
    return dataclasses.replace(study, told=studies.Told())


# --- the study


def test_all_that_is_wrong_with_settings_and_data_is_said_at_once():
    wrong = {"min_group": 2, "embargo_days": -3, "as_of": "soon"}
    with pytest.raises(DataError) as caught:
        la.study("nowhere", **wrong, smallest_effect={"rating": 2, "hazard_ratio": 0.5})
    places = [f"{one.table}.{one.column}" for one in caught.value.problems]
    effects = [f"study.smallest_effect.{name}" for name in ("hazard_ratio", "rating")]
    assert places == ["study.as_of", *effects, "study.min_group", "study.embargo_days", "nowhere."]
    assert "did you mean 'rating_sd'?" in str(caught.value)


def test_a_day_cannot_cut_what_was_read_before(study):
    with pytest.raises(DataError, match="study.as_of: cuts tables when they are read"):
        la.study(study.dataset, as_of="2025-01-01")


def test_what_is_left_out_of_the_smallest_effects_is_as_shipped(study):
    own = la.study(study.dataset, smallest_effect={"merit_pp": 0.5})
    assert (own.smallest("merit_pp"), own.smallest("rating_sd")) == (0.5, 0.10)


@pytest.mark.slow
def test_a_study_is_printed_as_counts_and_never_as_rows(study):
    assert repr(study).startswith("Study(Northbank (simulated), up to 2026-06-30: ")
    few = dataclasses.replace(study, settings=studies.Settings(min_group=10**6))
    assert "reviews of fewer than 1000000 people;" in repr(few)
    person = study.cycles.person_id.iloc[0]
    assert person not in f"{study}{study.linked}{study.journeys}{ask.months(study)}"


@pytest.mark.slow
def test_a_study_links_once(study, monkeypatch):
    counts = dict.fromkeys(("link", "gap_journeys", "team_quarters"), 0)
    for module, name in ((windows, "link"), (journeys, "gap_journeys"), (teams, "team_quarters")):
        monkeypatch.setattr(module, name, counted(getattr(module, name), counts))
    own = la.study(study.dataset)
    assert set(counts.values()) == {0}  # nothing before it is needed
    for _ in range(2):
        la.ask(own, "Q1", "Q4", "Q8")
        la.flow(own)
        la.journey(own)
    assert set(counts.values()) == {1}


def counted(function, counts):
    def once_more(*args, **settings):
        counts[function.__name__] += 1
        return function(*args, **settings)

    return once_more


# --- asking


@pytest.mark.slow
def test_a_question_has_a_headline_for_each_measure_and_its_raw_figure_beside(study):
    answers = la.ask(study, "Q3")
    measures = [*registry.questions()["Q3"].measures]
    assert [(row.measure, row.at) for row in answers] == [
        (measure, at) for measure in measures for at in ("", "raw")
    ]
    assert [row.headline for row in answers] == [True, False, True, False]
    assert la.ask(study, measures[1]) == answers[2:]


@pytest.mark.slow
def test_without_a_question_all_are_asked(study):
    headlines = [row.measure for row in la.ask(study) if row.headline]
    assert headlines == [
        key for question in registry.questions().values() for key in question.measures
    ]
    assert tuple(headlines) == registry.headlines()


@pytest.mark.slow
def test_every_family_is_asked_beside_its_question(study):
    for name, family in ask.FAMILIES.items():
        question = registry.measures()[family.measure][0].key
        rows = la.beside(study, name)
        assert not any(row.headline for row in rows)
        assert {*rows} <= {*la.beside(study, question)}
    assert {row.measure for row in la.beside(study, "Q6")} <= {
        "acknowledging_to_closure",
        "learning_to_closure",
    }


@pytest.mark.slow
def test_facts_are_described_by_question_or_measure(study):
    rows = la.describe(study, "Q5")
    assert {row.measure for row in rows} == {"two_questions", "merit_for_each_point_of_the_code"}
    assert {row.verdict for row in rows} <= {"described", "hidden"}
    assert la.describe(study, "two_questions") == tuple(
        row for row in rows if row.measure == "two_questions"
    )


@pytest.mark.parametrize(
    ("verb", "name", "near"),
    [
        ("ask", "acknowledging_to_ratings", "'acknowledging_to_rating'"),
        ("ask", "Q9", ""),
        ("beside", "doses", "'dose'"),
        ("describe", "spendings", "'spending'"),
        ("table", "content", "'contents'"),
        ("flow", "lerning", "'learning'"),
        ("flow", "Q7", ""),  # a cost is of other gaps than a comparison
    ],
)
def test_a_wrong_name_gets_the_nearest_that_there_is(study, verb, name, near):
    with pytest.raises(DataError, match=f"(?s)there is no such .*Got: {name}") as caught:
        getattr(la, verb)(study, name)
    assert f"did you mean {near}" * bool(near) in str(caught.value)


@pytest.mark.slow
def test_what_too_few_stand_behind_is_blank_in_every_answer(study):
    strict = la.study(study.dataset, min_group=10**6)
    rows = la.ask(strict) + la.beside(strict, *ask.FAMILIES) + la.describe(strict, *ratios.read())
    assert {row.verdict for row in rows} == {"hidden", "unknown"}
    for row in rows:
        assert (row.estimate, row.low, row.high, row.n_people) == (None,) * 4
    texts = [str(la.table(strict, name)) for name in ("contents", "joins", "teams", "chain")]
    assert all("hidden" in text for text in texts)


# --- rows


def test_answers_add_up_can_be_cut_and_print_as_text(study):
    one, two = la.ask(study, "Q1"), la.ask(study, "Q2")
    assert isinstance(one + two, Answers) and (one + two)[:2] == one
    assert (one + two).study is (one + two)[1:].study is study
    assert one + one == one  # nothing stands twice
    first, sentence, checks, *_ = repr(one).splitlines()
    assert first.startswith("Q1 learning_to_rating [") and sentence == one[0].sentence
    assert "few clusters: passed" in checks


@pytest.mark.parametrize("verb", ["intervals", "dose", "shares", "checks", "headline"])
def test_rows_of_nothing_are_said_to_be_nothing(study, verb):
    shown = getattr(la, verb)(Answers(study, ()))
    assert str(shown).strip() or verb == "headline"  # which has nothing to say of no question


@pytest.mark.parametrize("name", describe.TABLES)
def test_every_table_has_a_caption_and_no_person(study, name):
    text = str(la.table(study, name))
    assert text and not {*study.cycles.person_id} & {*text.replace("\t", "\n").splitlines()}


def test_a_frame_of_people_is_refused_and_one_of_groups_shown(study):
    with pytest.raises(ValueError, match="never people"):
        la.table(study.cycles, "Everybody")
    assert str(la.table(pd.DataFrame({"unit": ["ops"]}), "Units")) == "Units\nunit\nops"


# --- handing over


@pytest.mark.slow
def test_what_was_shown_is_handed_over_once_and_only_by_its_own_chapter(fresh, tmp_path):
    for _ in range(2):  # a cell may run twice
        la.ask(fresh, "Q1", "Q6")
        la.describe(fresh, "two_questions")
        la.flow(fresh, "learning")
        la.flow(fresh, "gaps")
        la.journey(fresh)
    out = tmp_path / "x.json"
    la.hand_over(fresh, "gap_journey", str(out))
    chapter = document.read(out)
    told = la.ask(fresh, "Q6") + la.describe(fresh, "two_questions")
    assert chapter.results == tuple(told)  # in the order in which it was told; Q1 elsewhere
    assert [flow["table"] for flow in chapter.flows] == ["assessments", "gaps"]
    assert [one["kind"] for one in chapter.pictures] == ["journey"]
    assert {one["notebook"] for one in (*chapter.flows, *chapter.pictures)} == {"gap_journey"}


def test_nothing_is_handed_over_when_exploring_or_when_nothing_was_told(fresh, tmp_path):
    la.hand_over(fresh, "coverage", "")
    assert [*tmp_path.iterdir()] == []
    la.hand_over(fresh, "coverage", str(tmp_path / "x.json"))
    assert json.loads((tmp_path / "x.json").read_text())["results"] == []


def test_what_cannot_be_asked_is_told_with_what_each_question_needs(fresh, tmp_path):
    la.table(fresh, "questions")
    la.hand_over(fresh, "coverage", str(tmp_path / "x.json"))
    chapter = document.read(tmp_path / "x.json")
    assert [row["question"] for row in chapter.coverage] == [*registry.questions()]


# --- the package


def test_a_tab_shows_the_verbs_and_a_wrong_one_gets_the_nearest():
    assert {*la.__all__} <= {*dir(la)} and "estimates" in dir(la)
    assert not {name for name in dir(la) if name.startswith("_")} - {"__version__"}
    with pytest.raises(AttributeError, match="has no verb or room 'asks'; did you mean 'ask'?"):
        la.asks  # noqa: B018
    with pytest.raises(AttributeError, match="no verb or room 'zzz'$"):
        la.zzz  # noqa: B018


@pytest.mark.parametrize("name", la.VERBS)
def test_every_verb_is_there_and_says_what_it_does_with_an_example(name):
    verb = getattr(la, name)
    assert callable(verb) and ">>>" in verb.__doc__


@pytest.mark.slow
def test_naming_the_package_imports_no_pandas_and_a_star_gives_the_verbs():
    code = (
        "import sys, learnalign as la; dir(la); assert 'pandas' not in sys.modules;"
        "from learnalign import *; assert study is la.study and callable(hand_over)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_question_of_a_project_says_which_exposures_there_are(study, tmp_path, monkeypatch):
    own = yaml.safe_load((QUESTIONS / "Q2.yml").read_text("utf-8")) | {"families": {}}
    (measure,) = own["measures"].values()
    for name, change in (("exposure", "luck"), ("outcome", "fame")):
        measures = {f"by_{name}": measure | {name: change}}
        (tmp_path / name).mkdir()
        text = yaml.safe_dump(own | {"measures": measures})
        (tmp_path / name / "Q9.yml").write_text(text, "utf-8")
        monkeypatch.setenv(registry.OWN, str(tmp_path / name))
        with pytest.raises(DataError, match=f"there is no such {name}\n    Got: {change}\n"):
            la.ask(study, "Q9")

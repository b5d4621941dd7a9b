"""A question of one's own: a file in `params/questions` and a cell; nothing else is touched."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from learnalign.data.mistakes import DataError
from learnalign.runs import run
from learnalign.runs.spec import read_spec
from learnalign.verdicts import registry

ROOT = Path(__file__).parents[2]
CHAPTER = "learning_and_performance"
TEXT = "Do those who learn most get more merit, whatever their rating?"
PARTS = {"doers": "people who did", "others": "people who did none of it"}
QUESTION = {
    "text": TEXT,
    "chapter": CHAPTER,
    "map": {"from": "mentoring", "to": "merit"},
    "needs": ["learning", "merit"],
    "measures": {
        "learning_to_merit_total": {
            "estimator": "contrast",
            "exposure": "most learning",
            "outcome": "merit",
            "unit": "percentage points",
            "smallest": "merit_pp",
            "doers": "the third who learned most of their own accord",
            "others": "the rest",
            "did": "were given merit increases",
            "held": "",
            "among": "",
            "about": "",
            "limit": "",
            "misleads": "merit goes to those whom a manager would have sent to learn anyway",
            "part": PARTS,
            "brief": {
                "whole": "merit {seen}: those who learned most",
                "part": "merit {seen}",
                "outcome": "merit",
            },
            "plain": {
                "topic": "whether those who learn most get more merit",
                "higher": "Those who learned most got more merit",
                "lower": "Those who learned most got less merit",
                "none": "Those who learned most got practically the same merit",
                "told": "{to} % of pay, and {base} % for the rest",
            },
            "method": {
                "compared": "the third of each cycle with most voluntary learning, with the rest",
                "outcome": "the merit increase after the review, at any rating",
            },
        }
    },
    "families": {},
    "rank": 9,
    "do": {
        "higher": "Say openly that merit goes with learning.",
        "lower": "Ask why those who learn most are given less.",
        "none": "Say openly that merit does not go with learning.",
    },
    "do_not": {},
}


def measured(**change: str) -> dict:
    """The question with its measure in other terms."""
    return {"measures": {key: one | change for key, one in QUESTION["measures"].items()}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the project with the two things that the question takes: its file, and a cell."""
    monkeypatch.setenv(registry.OWN, str(tmp_path / "none"))
    (tmp_path / "notebooks").mkdir()
    notebook = json.loads((ROOT / f"notebooks/{CHAPTER}.ipynb").read_text("utf-8"))
    cells = notebook["cells"]
    place = next(i for i, cell in enumerate(cells) if "la.hand_over" in "".join(cell["source"]))
    ask = {"cell_type": "code", "id": "ninth", "metadata": {}, "outputs": []}
    ask |= {"execution_count": None, "source": 'la.headline(la.ask(study, "Q9"))'}
    cells.insert(place, ask)
    (tmp_path / f"notebooks/{CHAPTER}.ipynb").write_text(json.dumps(notebook), "utf-8")
    shutil.copytree(ROOT / "data/demo", tmp_path / "data/demo")
    (tmp_path / "params/questions").mkdir(parents=True)
    spec = {"report": "ninth", "data": "../data/demo", "as_of": "2026-06-30"}
    spec |= {"notebooks": [CHAPTER]}
    (tmp_path / "params/ninth.yml").write_text(yaml.safe_dump(spec), "utf-8")
    write(tmp_path, QUESTION)
    return tmp_path


def write(project: Path, question: dict, name: str = "Q9") -> None:
    text = yaml.safe_dump(question, allow_unicode=True)
    (project / f"params/questions/{name}.yml").write_text(text, "utf-8")


@pytest.mark.e2e
@pytest.mark.slow
def test_a_ninth_question_is_asked_answered_drawn_and_acted_on(project):
    edition = run.run(project / "params/ninth.yml", project / "out")
    found = json.loads((edition.folder / "results.json").read_text("utf-8"))
    asked = {one["key"]: one for one in found["questions"]}
    assert list(asked)[-1] == "Q9" and asked["Q9"]["asked"]
    (row,) = (one for one in found["results"] if one["question"] == "Q9" and one["headline"])
    assert row["measure"] == "learning_to_merit_total" and row["estimate"] is not None
    page = (edition.folder / "report.html").read_text("utf-8")
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page.replace("\u202f", " ")))
    assert "Q9, from mentoring to merit" in page  # the map
    assert TEXT in text and "any rating, in percentage points" in text  # the method
    words = registry.phrases("sentences")["brief"][row["branch"]].partition("{")[0]
    assert words in text  # the short line
    action = QUESTION["do"].get(row["verdict"])
    assert action is None or action in text
    summary = (edition.folder / "summary.txt").read_text("utf-8")
    assert "Q9" in summary and "those who learn" in summary.lower()
    assert "Also asked" in text  # its chapter before the appendix


def keys(part: dict, above: str = ""):
    """Every key of a question's file, with those above it, but for names that the question gives."""
    for name, value in part.items():
        place = f"{above}.{name}" if above else name
        if place.count(".") != 1 or not place.startswith(("measures.", "do.")):
            yield place
        if isinstance(value, dict) and name != "do":
            yield from keys(value, place)


@pytest.mark.parametrize("left_out", list(keys(QUESTION)))
def test_a_key_that_is_left_out_stops_the_run_and_is_named(project, left_out):
    question = json.loads(json.dumps(QUESTION))
    *above, name = left_out.split(".")
    part = question
    for one in above:
        part = part[one]
    del part[name]
    write(project, question)
    with pytest.raises(DataError) as told:
        read_spec(project / "params/ninth.yml")
    assert f"Q9.yml.{left_out}: is missing" in str(told.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rnak": 1}, "did you mean 'rank'"),
        ({"needs": ["learnign"]}, "must be one of learning, acknowledgements"),
        ({"map": {"from": "sleep", "to": "merit"}}, "must be one of leaders go first"),
        ({"measures": {}}, "is empty"),
        ({"do": {"perhaps": "x"}}, "'higher', 'lower', 'none' or 'described'"),
        (measured(outcome="rating"), "unit: must be one of SD\n"),
        (measured(outcome="rating", unit="SD"), "smallest: must be one of rating_sd\n"),
        (
            measured(outcome="closure", unit="hazard ratio", smallest=""),
            "smallest: must be one of hazard_ratio\n",
        ),
        (measured(unit="SD"), "unit: must be one of percentage points\n"),
    ],
)
def test_what_is_wrong_with_a_question_is_said_with_all_the_rest(project, change, told):
    write(project, QUESTION | change)
    write(project, QUESTION, "Q1")
    with pytest.raises(DataError) as caught:
        read_spec(project / "params/ninth.yml")
    assert told in str(caught.value)
    assert "Q1.yml.Q1: is a key that another question has" in str(caught.value)


def test_without_a_folder_there_are_eight(project):
    shutil.rmtree(project / "params/questions")
    read_spec(project / "params/ninth.yml")
    assert list(registry.questions()) == [f"Q{number}" for number in range(1, 9)]

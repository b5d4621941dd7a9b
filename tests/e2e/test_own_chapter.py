"""A chapter and a question of one's own, by following the docs literally in a new project."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

import learnalign as la
from learnalign.data.mistakes import Stopped
from learnalign.facts import describe
from learnalign.runs import init, run
from learnalign.verdicts import registry

DOC = (Path(__file__).parents[2] / "docs/add_a_question.md").read_text("utf-8")
BLOCKS = re.findall(r"^ *```(\w+)\n(.*?)^ *```", DOC, flags=re.S | re.M)
COPY = next(text.strip() for kind, text in BLOCKS if kind == "sh")
ASK = next(text.strip() for kind, text in BLOCKS if "la.ask(study, " in text and kind == "text")
NAMED = next(text for kind, text in BLOCKS if text.startswith("notebooks:"))
PARAMETERS, LOOKS, LAST = (text for kind, text in BLOCKS if kind == "python")
TITLE = "What coaching does here"
TEXT = "We look at *coaching*, as <b>we</b> pay for it."


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv(registry.OWN, str(tmp_path / "own/params/questions"))
    init.init(tmp_path / "own")
    for name in ("own.yml", "imports/own.yml"):
        (tmp_path / "own/params" / name).unlink()  # nothing of our own to import
    spec = tmp_path / "own/params/northbank.yml"
    text = re.sub(r"^notebooks:.*?(?=^\w)", NAMED, spec.read_text("utf-8"), flags=re.S | re.M)
    spec.write_text(text, "utf-8")
    return tmp_path / "own"


def write(project, *more):
    """The chapter's cells, as the docs have them."""
    v4 = nbformat.v4
    parameters = v4.new_code_cell(PARAMETERS)
    parameters.metadata["tags"] = ["parameters"]
    texts = [v4.new_markdown_cell(f"# {TITLE}\n\n{TEXT}\n\n- And a point.")]
    cells = [*texts, parameters, v4.new_code_cell(LOOKS), *map(v4.new_code_cell, more)]
    notebook = v4.new_notebook(cells=[*cells, v4.new_code_cell(LAST)])
    nbformat.write(notebook, project / "notebooks/our_chapter.ipynb")


def _cells(document):
    """The cells of the tables of a chapter of one's own."""
    own = [one for one in document["pictures"] if one["kind"] == "table"]
    assert {one["notebook"] for one in own} == {"our_chapter"}
    return [row["cells"] for one in own for row in one["rows"]]


@pytest.mark.e2e
@pytest.mark.slow
def test_a_chapter_and_a_question_written_by_the_docs_are_in_the_report(project):
    command = [sys.executable, *re.findall(r'"(.*)"|(-c)', COPY)[0][1:], COPY.split('"')[1]]
    subprocess.run(command, cwd=project, check=True)
    path = project / "params/questions/Q9.yml"
    question = yaml.safe_load(path.read_text("utf-8"))
    (measure,) = question["measures"].values()
    measure |= {"outcome": "merit"}
    question |= {"text": "Do those who learn most get more merit at any rating?", "families": {}}
    question |= {"chapter": "our_chapter", "measures": {"learning_to_merit": measure}, "rank": 9}
    path.write_text(yaml.safe_dump(question, allow_unicode=True), "utf-8")
    write(project, ASK)
    edition = run.run(project / "params/northbank.yml", project / "out")
    found = json.loads((edition.folder / "results.json").read_text("utf-8"))
    (own,) = found["own"]
    assert own["title"] == TITLE and own["prose"] == [
        "We look at coaching, as <b>we</b> pay for it.",
        "And a point.",
    ]
    looks = {row["name"]: row["sentence"] for row in own["told"]}
    assert any(text.startswith("A look, and not judged here") for text in looks.values())
    assert [r["headline"] for r in found["results"] if r["measure"] == "learning_to_merit"][0]
    assert {r["question"] for r in found["results"] if r["design"] == "explored"} == set()
    assert found["run"]["looks"] == 2
    page = re.sub(r"\s+", " ", (edition.folder / "report.html").read_text("utf-8"))
    chapter = page.partition('id="own-1"')[2].partition("</details>")[0]
    assert TITLE in chapter and "A chapter of the company’s own" in chapter
    assert "as &lt;b&gt;we&lt;/b&gt; pay for it" in chapter and "A look, and not judged" in chapter
    assert "<svg" in chapter and "Where it lies" in chapter and 'class="stages"' in chapter
    assert "Hours and cost by who recorded it, and mode" in chapter  # its table, moved
    exact = la.study(project / "data/demo", as_of="2026-06-30")
    hours = describe.table(exact, "spending_by_mode").frame["hours per person and half-year"]
    assert not {*map(str, hours.dropna())} & {cell for row in _cells(found) for cell in row}
    assert question["text"] in page and ", from" in page  # its map and its words
    assert "coaching on rating" in chapter
    first = page.partition("<details")[0]
    assert TITLE not in first and "coaching on rating" not in first  # the first screen is as it was
    audited = la.audit(project / "out", project / "data/demo")
    assert not audited.findings, str(audited)


@pytest.mark.e2e
@pytest.mark.slow
def test_a_chapter_of_one_s_own_cannot_hand_over_a_headline(project):
    forged = (
        'study.told.rows |= {r.key: r for r in la.ask(study, "Q2")}\nstudy.told.answers.clear()'
    )
    write(project, forged)
    with pytest.raises(Stopped, match="headlines that are not its own: Q2"):
        run.run(project / "params/northbank.yml", project / "out")
    assert not (project / "out/northbank").exists() or not [*(project / "out/northbank").iterdir()]

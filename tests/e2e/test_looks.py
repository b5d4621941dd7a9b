"""Looks in a report: those taken before it and in it are counted, and none is an answer."""

import json
import re
from pathlib import Path

import yaml

import learnalign as la
from learnalign.runs import run

ROOT = Path(__file__).parents[2]
CHAPTER = "learning_and_performance"
LOOK = 'la.compare(study, "coaching", "rating")'


def test_looks_before_a_report_and_in_it_are_counted_and_none_is_an_answer(tmp_path):
    la.simulate(tmp_path / "data/own", people=300, cycles=4, seed=3)
    la.ask(la.study(tmp_path / "data/own"), "Q2", where="tenure_years > 2")
    notebook = json.loads((ROOT / f"notebooks/{CHAPTER}.ipynb").read_text("utf-8"))
    cells = notebook["cells"]
    place = next(i for i, cell in enumerate(cells) if "la.hand_over" in "".join(cell["source"]))
    own = {"cell_type": "code", "id": "own", "metadata": {}, "outputs": [], "source": LOOK}
    cells.insert(place, own | {"execution_count": None})
    for name in ("notebooks", "params"):
        (tmp_path / name).mkdir()
    (tmp_path / f"notebooks/{CHAPTER}.ipynb").write_text(json.dumps(notebook), "utf-8")
    spec = {"report": "own", "data": "../data/own", "notebooks": [CHAPTER]}
    (tmp_path / "params/own.yml").write_text(yaml.safe_dump(spec), "utf-8")
    edition = run.run(tmp_path / "params/own.yml", tmp_path / "out")
    found = json.loads((edition.folder / "results.json").read_text("utf-8"))
    assert found["run"]["looks"] == 2
    assert "explored" not in {row["design"] for row in found["results"]}
    page = re.sub(r"\s+", " ", (edition.folder / "report.html").read_text("utf-8"))
    assert "2 looks were taken at these data" in page
    again = la.audit(tmp_path / "out")
    assert not [one for one in again.findings if "looks" in str(one)]

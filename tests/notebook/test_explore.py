"""The exploring notebook, run whole and headless: answers, the form, the list; no network, nobody."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from learnalign.data.mistakes import DataError
from learnalign.runs.spec import read_spec

pytestmark = pytest.mark.notebook
ROOT = Path(__file__).parents[2]
LOOKS = shutil.ignore_patterns(".private")  # what an analyst left beside the data
# Presses the button, then once more with a name that there is not
PRESS = """form = la.choose(study)
fields = {one.description: one for one in form.children[0].children}
press = fields["Take a look"].click
press()
first = form.children[1].value
fields["Unit"].value = fields["Unit"].options[1]
fields["Period"].value = fields["Period"].options[-1]
press()
print("Only reviews where unit ==" in form.children[1].value, "and cycle ==" in form.children[1].value)
fields["Unit"].value = fields["Period"].value = ""
fields["Question"].value, fields["Skill"].value = "Q6", fields["Skill"].options[1]
press()
print(fields["Skill"].value in form.children[1].value)
fields["Question"].value, fields["Exposure"].value = "", "coachin"
fields["Skill"].value = ""
press()
print(len(first) > 500, "likely range" in first, form.children[1].value)"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    place = tmp_path_factory.mktemp("explore")
    shutil.copytree(ROOT / "data/demo", place / "data/demo", ignore=LOOKS)
    (place / "notebooks").mkdir()
    notebook = nbformat.read(ROOT / "notebooks/explore.ipynb", as_version=4)
    notebook.cells.insert(-1, nbformat.v4.new_code_cell(PRESS))
    resources = {"metadata": {"path": str(place / "notebooks")}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return notebook


def shown(notebook) -> str:
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    assert not [one for one in outputs if one.output_type == "error"]
    return "\n".join(str(one.get("data", one.get("text", ""))) for one in outputs)


def test_everything_is_answered_and_every_look_counted(executed):
    told = shown(executed)
    assert "You have looked" in told and "application/vnd.jupyter.widget-view+json" in told
    assert "True True" in told and "did you mean &#x27;coaching&#x27;" in told
    assert "reading hours on merit gap pct" in told


def test_nothing_is_asked_of_a_network_and_nobody_is_shown(executed):
    told = shown(executed)
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)\s*=\s*[\"']?https?:", told)
    assert not re.findall(r"(?:import|fetch)\s*\(?\s*[\"']https?:", told)
    assert not re.findall(r"\bN\d{5}\b", told)  # the ids of the demonstration company


def test_it_is_never_part_of_a_report(tmp_path):
    (tmp_path / "own.yml").write_text("report: own\ndata: demo\nnotebooks: [coverage, explore]\n")
    with pytest.raises(DataError, match="an analyst's own looks, and never part of a report"):
        read_spec(tmp_path / "own.yml")

"""What carries people is not displayed in a notebook, in no format; elsewhere and on purpose it is."""

import json
import subprocess
import sys

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from learnalign.privacy import redaction

IDS = ("zoe-4711", "yan-0815")
MADE = """
import ibis, pandas as pd
import learnalign as la
from learnalign.data import contract, reading
from learnalign.linking.windows import Linked

frame = pd.DataFrame({"person_id": ["zoe-4711", "yan-0815"], "unit": "ops", "rating": [3.25, 4.5]})
by_unit = frame.groupby("unit").rating.mean().reset_index()
table = ibis.memtable(frame)
meta = contract.Meta(title="Drawn", as_of="2024-12-31", rating_scale=[1, 5])
people = frame[["person_id"]].assign(hired_on=pd.Timestamp("2020-01-01"))
data = reading.of_frames({"people": people}, meta)
links = Linked(frame, by_unit)
study = la.study("data/demo")
answers = la.ask(study, "Q6")
"""
HIDDEN = [
    "frame",
    "frame.head(1)",
    "frame.person_id",
    "frame.set_index('person_id')",
    "frame.set_index('person_id').rating",
    "frame.set_index('person_id').index",
    "frame.set_index(['unit', 'person_id']).T",
    "frame.pivot(columns='person_id', values='rating')",
    "frame.add_prefix('_raw_')",
    "frame.merge(frame, on='unit')",
    "frame.rename(columns={'person_id': 'manager'})",
    "frame.iloc[0]",
    "frame.T",
    "frame.describe(include='all')",
    "frame.describe(include='all').T",
    "frame.person_id.value_counts()",
    "frame.style",
    "[frame, {'a': (frame.person_id,)}]",
    "display(frame)",
    "table",
    "table.person_id",
    "data",
    "data.tables",
    "data.tables['people']",
    "links",
    "study",
    "study.dataset",
    "study.cycles",
    "study.linked",
    "study.journeys.gaps",
    "study.quarters",
    "vars(study)",
    "answers",
]
SHOWN = [
    "by_unit",
    "by_unit.rating",
    "frame.dtypes",
    "frame.nunique()",
    "ibis.memtable(by_unit)",
    "by_unit.style",
]
ON_PURPOSE = ["print(frame)", "print(frame.to_string())", "frame.to_dict()"]


@pytest.fixture(scope="module")
def outputs():
    """What each expression leaves in a notebook that is really executed, all its bytes as one text."""
    setup = [MADE, *HIDDEN, *SHOWN, *ON_PURPOSE]
    eager = [
        "ibis.options.interactive = True",
        "table",
        "table.person_id",
        "data",
        "data.tables",
        "by_unit_table",
    ]
    eager[0] += "\nby_unit_table = ibis.memtable(by_unit)"
    cells = [nbformat.v4.new_code_cell(source) for source in (*setup, *eager)]
    NotebookClient(
        nbformat.v4.new_notebook(cells=cells), kernel_name="python3", timeout=60
    ).execute()
    return [(cell.source, json.dumps(cell.outputs)) for cell in cells]


@pytest.mark.notebook
def test_no_frame_of_people_is_displayed_in_any_format(outputs):
    hidden = [*outputs[1 : len(HIDDEN) + 1], *outputs[-5:-1]]
    assert [
        source for source, text in hidden if any(person in text for person in IDS) or "3.25" in text
    ] == []
    assert [source for source, text in hidden if text == "[]"] == []
    by_source = dict(hidden)
    assert (
        "2 rows x 3 columns of people: not displayed. Show results by the verbs of learnalign."
        in by_source["frame"]
    )
    assert '"text/html"' not in by_source["frame"] and '"text/html"' not in by_source["table"]


@pytest.mark.notebook
def test_what_carries_no_people_is_displayed_as_ever_and_people_on_purpose(outputs):
    by_source = dict(outputs)
    for source in SHOWN:
        assert by_source[source] != "[]" and "not displayed" not in by_source[source]
    assert (
        "<table" in by_source["by_unit"]
        and "3.875" in by_source["by_unit"]
        and "<table" in by_source["by_unit.style"]
    )
    assert "3.875" in by_source["by_unit_table"]
    assert "float64" in by_source["frame.dtypes"]
    for source in ON_PURPOSE:
        assert all(person in by_source[source] for person in IDS)


def test_outside_a_notebook_nothing_is_redacted_and_ipython_is_not_imported():
    code = (
        "import sys, learnalign, pandas as pd; frame = pd.DataFrame({'person_id': ['zoe-4711']});"
        "assert 'zoe-4711' in repr(frame) + frame._repr_html_() and 'IPython' not in sys.modules;"
        "import IPython, importlib; importlib.reload(learnalign); assert 'zoe-4711' in repr(frame)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "column", ["person_id", "manager_id", "from_id", "to_id", "assessor_id", "leader_id", "rater"]
)
def test_whoever_is_named_by_a_column(column):
    frame = pd.DataFrame({column: ["zoe"] * 1234, "rating": 1})
    assert redaction.redacted(frame).startswith("1,234 rows x 2 columns of people: not displayed.")
    assert redaction.redacted(frame[column]).startswith("1,234 rows of people")
    assert redaction.redacted(frame[["rating"]]) == redaction.redacted(frame.rating) == ""


def test_long_results_are_looked_at_quickly_and_short_names_are_no_people():
    assert (
        redaction.redacted(pd.Series(1, index=[f"unit{i}" for i in range(5000)], name="people"))
        == ""
    )
    assert (
        redaction.redacted(pd.DataFrame({"managers": [3], "n_people": [40], "activity_id": ["a"]}))
        == ""
    )

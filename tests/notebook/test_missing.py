"""Every notebook, on a company in which something optional was never recorded, runs to its end and
says so.

The cells are run in this process, one after another as Jupyter would, with what is linked kept from
notebook to notebook: a kernel for each of these many cases would take an hour. `test_runs` runs
them in kernels.
"""

import ast
import json
from functools import cache
from pathlib import Path

import pytest

from learnalign.data import reading
from learnalign.data.contract import COLUMNS, PLANNED, REQUIRED_TABLES, Meta
from learnalign.linking import journeys, teams, windows
from learnalign.verdicts import document
from learnalign.verdicts.registry import phrases
from northbank import tables as simulate

pytestmark = pytest.mark.notebook

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(
    path.stem for path in (ROOT / "notebooks").glob("*.ipynb") if path.stem != "explore"
)
# where nobody drew an order nothing is missing
OPTIONAL_TABLES = [name for name in COLUMNS if name not in (*REQUIRED_TABLES, PLANNED)]
OPTIONAL_COLUMNS = [
    f"{table}.{c.name}" for table, columns in COLUMNS.items() for c in columns if not c.required
]
SETTINGS = ["attributes", "merit_matrix"]
NOTHING_LOST = {
    "learning.activity_id": "activities are counted, not told apart",
    "assessments.assessor_id": "who assessed is not asked",
    "ties.programme": "programmes are not compared with each other",
    "rewards.merit_target_pct": "the matrix gives it",
    "reviews.settled_on": "the review's day stands in, and a check asks whether that matters",
    "merit_matrix": "the targets are there",
}


@cache
def company() -> simulate.Company:
    return simulate.northbank(people=300, cycles=4, seed=5)


def without(*missing: str) -> reading.DataSet:
    """The company without a table, a column, or a setting of `dataset.yml`."""
    tables, meta = dict(company().tables), dict(company().dataset)
    for one in missing:
        table, _, column = one.partition(".")
        if one in meta:
            meta[one] = type(meta[one])()
        elif column:
            tables[table] = tables[table].drop(columns=column, errors="ignore")
        else:
            del tables[table]
    return reading.of_frames(tables, Meta.model_validate(meta))


def read_aloud(notebook: str, out: Path) -> str:
    """What a notebook shows, as text, with all of its code run."""
    cells = json.loads((ROOT / f"notebooks/{notebook}.ipynb").read_text("utf-8"))["cells"]
    names, shown = {}, []
    for place, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"{notebook}[{place}]", "exec"), names)
        if last is not None:
            shown.append(
                str(
                    eval(compile(ast.Expression(last.value), f"{notebook}[{place}]", "eval"), names)
                )
            )
        if "parameters" in cell["metadata"].get("tags", []):
            names["out"] = str(out)
    return "\n".join(shown)


@pytest.fixture
def tell(monkeypatch, tmp_path):
    """Run all notebooks on a data set: what each shows, and what it hands over."""

    def told(dataset: reading.DataSet) -> dict[str, tuple[str, document.Chapter]]:
        monkeypatch.setattr(reading, "read", lambda *_, **__: dataset)
        for module, name in (
            (windows, "link"),
            (journeys, "gap_journeys"),
            (teams, "team_quarters"),
        ):
            monkeypatch.setattr(module, name, once(getattr(module, name)))
        found = {}
        for notebook in NOTEBOOKS:
            text = read_aloud(notebook, tmp_path / f"{notebook}.json")
            found[notebook] = text, document.read(tmp_path / f"{notebook}.json")
        return found

    return told


def once(function):
    """Every notebook of a case links the same data in the same way: once is enough."""
    kept = []

    def first(*args, **settings):
        kept.extend([] if kept else [function(*args, **settings)])
        return kept[0]

    return first


USES = phrases("data")["uses"]


def chapters(use):
    return NOTEBOOKS if use["chapters"] == "all" else use["chapters"]


def test_every_optional_column_is_in_the_list_of_what_would_not_be_known():
    named = {place for where in USES for place in where.split(" or ")} | {*NOTHING_LOST}
    assert named == {*OPTIONAL_TABLES, *OPTIONAL_COLUMNS, *SETTINGS}
    assert {notebook for one in USES.values() for notebook in chapters(one)} == set(NOTEBOOKS)


OFTEN = (
    *((name,) for name in (*OPTIONAL_TABLES, *SETTINGS)),
    ("people.left_on", "learning.skill"),
    ("reviews.manager_id", "learning.status", "assessments.trigger"),
    ("learning.hours", "acknowledgements.skill"),
    ("rewards.merit_target_pct", "merit_matrix"),
)
"""Of the other columns, each is read in one or two places."""
RARELY = [name for name in OPTIONAL_COLUMNS if name not in {n for case in OFTEN for n in case}]
APART = -(-len(RARELY) // 3)  # three at a time, of tables that are far from each other
TOGETHER = [tuple(RARELY[start::APART]) for start in range(APART)]


def test_every_optional_column_is_missing_once():
    assert {name for case in (*OFTEN, *TOGETHER) for name in case} == {
        *OPTIONAL_TABLES,
        *OPTIONAL_COLUMNS,
        *SETTINGS,
    }
    tables = [[name.partition(".")[0] for name in case] for case in TOGETHER]
    assert all(len(set(case)) == len(case) for case in tables)


@pytest.mark.parametrize("missing", OFTEN, ids=" and ".join)
def test_what_is_not_recorded_stops_nothing_and_is_said(tell, missing):
    said(tell, missing)


@pytest.mark.parametrize("missing", TOGETHER, ids=" and ".join)
def test_nor_does_what_is_rarely_read(tell, missing):
    said(tell, missing)


def said(tell, missing):
    dataset = without(*missing)
    told = tell(dataset)
    for where, one in USES.items():
        if {*where.split(" or ")} <= {*missing}:
            for notebook in chapters(one):
                assert f"{one['lacks']} (no {where})" in told[notebook][0]
    for text, chapter in told.values():
        assert "nan" not in text.lower().split() and "None" not in text.split()
        assert all(row.sentence for row in chapter.results)


def test_with_people_and_reviews_alone_every_question_is_honestly_not_known(tell):
    told = tell(without(*OPTIONAL_TABLES))
    rows = [row for _, chapter in told.values() for row in chapter.results if row.headline]
    assert {row.question for row in rows} == {f"Q{number}" for number in range(1, 9)}
    assert {row.verdict for row in rows} == {"unknown"} and all(row.to_settle for row in rows)


def test_with_everything_recorded_nothing_is_missing(tell):
    told = tell(without())
    assert not any("Not recorded in these data" in text for text, _ in told.values())

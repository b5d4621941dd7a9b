"""Data that keep the contract and are odd all the same: the notebooks run to their end and say
nothing absurd.

As in `test_missing`, cells are run in this process; each case runs only the notebooks that it once
stopped or misled.
"""

import ast
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from learnalign.data import reading
from learnalign.data.contract import Meta
from learnalign.verdicts import document
from northbank import tables as simulate

pytestmark = pytest.mark.notebook

ROOT = Path(__file__).parents[2]
ABSURD = re.compile(r"(?<![\w&])(nan|NaN|NaT|None|inf|<NA>)(?!\w)")


@cache
def company() -> simulate.Company:
    return simulate.northbank(people=200, cycles=4, seed=5)


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """Run notebooks on changed tables: all that they show, as text and as HTML, and their headlines
    by measure.
    """

    def run(
        changed: dict[str, pd.DataFrame], *notebooks: str, **meta: object
    ) -> tuple[str, str, dict]:
        dataset = reading.of_frames(
            company().tables | changed, Meta.model_validate(company().dataset | meta)
        )
        monkeypatch.setattr(reading, "read", lambda *_, **__: dataset)
        texts, pages, headlines = [], [], {}
        for notebook in notebooks:
            out = tmp_path / f"{notebook}.json"
            for value in values_of(notebook, out):
                texts.append(str(value))
                pages.append(value._repr_html_())
            headlines |= {row.measure: row for row in document.read(out).results if row.headline}
        text = "\n".join(texts)
        assert not ABSURD.search(text)
        return text, "\n".join(pages), headlines

    return run


def values_of(notebook: str, out: Path) -> list:
    """The last value of every cell that has one."""
    names, values = {}, []
    for cell in json.loads((ROOT / f"notebooks/{notebook}.ipynb").read_text("utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, notebook, "exec"), names)
        values += (
            [eval(compile(ast.Expression(last.value), notebook, "eval"), names)] if last else []
        )
        if "parameters" in cell["metadata"].get("tags", []):
            names["out"] = str(out)
    return values


def frame(name: str) -> pd.DataFrame:
    return company().tables[name].copy()


def test_two_people_are_too_few_for_anything(shown):
    two = {*frame("reviews").person_id.value_counts().index[:2]}
    whose = {"from_id", "to_id", "person_id"}
    tables = {
        name: table[table[[*whose & {*table}]].isin(two).all(axis=1)] if whose & {*table} else table
        for name, table in company().tables.items()
    }
    _, _, found = shown(tables, "acknowledging_and_reward")
    assert {row.verdict for row in found.values()} <= {"unknown", "hidden"}


def test_one_acknowledgement_in_all_decides_nothing(shown):
    _, _, found = shown(
        {"acknowledgements": frame("acknowledgements")[:1]}, "acknowledging_and_reward"
    )
    assert {row.verdict for name, row in found.items() if "acknowledging" in name} == {"unknown"}


def test_who_acknowledged_or_was_paid_outside_every_review_is_not_said_to_be_unrecorded(shown):
    late = frame("acknowledgements").query("acknowledged_on >= '2026-06-01'")
    paid = frame("rewards").drop_duplicates("person_id").assign(cycle="another")
    text, _, found = shown({"acknowledgements": late, "rewards": paid}, "acknowledging_and_reward")
    assert {row.verdict for row in found.values()} == {"unknown"}
    assert "data hold no acknowledgements." not in text and "data hold no merit data." not in text


def test_assessed_once_on_one_day_closes_nothing_and_proves_nothing(shown):
    once = (
        frame("assessments")
        .drop_duplicates(["person_id", "skill"])
        .assign(assessed_on=pd.Timestamp("2026-01-01"))
    )
    text, _, found = shown({"assessments": once}, "coverage", "gap_journey")
    assert "a difference of – " not in text  # infinite
    assert "(0.00 to 0.00 %)" not in text
    assert found["acknowledging_to_closure"].verdict == "unknown"


def test_an_edition_before_the_first_review_says_so(shown):
    """Nobody is too few, too: what is left after the last day is hidden, and no half of a class."""
    text, page, found = shown({}, "coverage", as_of="2019-01-01")
    assert {row.verdict for row in found.values()} == {"unknown"} and len(found) == 9
    assert "reviews\t–\t–\t–\t–\n" in text and "a manager\thidden\n" in text
    assert "After 2019-01-01, where this edition ends\thidden\thidden\n" in text
    assert "– or more" not in text + page and "hidden or more" not in text + page


def test_nothing_is_shown_of_the_only_manager(shown):
    reviews = frame("reviews")
    only = reviews.manager_id.iloc[0]
    reviews["manager_id"] = np.where(reviews.person_id == only, None, only)
    text, _, _ = shown({"reviews": reviews}, "leaders_and_communities")
    for what in ("quarters of teams", "the leader’s quarter before is known"):
        assert f"{what}\thidden\n" in text
    assert "the leader had acknowledged visibly in it\thidden\n" in text
    text, _, _ = shown({}, "leaders_and_communities")
    assert "quarters of teams\tabout " in text  # as it reads with many


def test_names_are_text_and_never_markup_or_mathematics(shown):
    odd = ["<script>alert(1)</script>", "=1+1|$x$", "y" * 300, "日本 \u202e $"]
    names = {
        name: odd[place % 4] + str(place // 4)
        for place, name in enumerate(sorted(frame("reviews").unit.unique()))
    }
    tables = {
        name: frame(name).assign(unit=frame(name).unit.map(names))
        for name in ("reviews", "surveys")
    }
    skills = {
        name: odd[place % 4]
        for place, name in enumerate(sorted(frame("assessments").skill.unique()))
    }
    for name in ("learning", "assessments", "acknowledgements"):
        tables[name] = frame(name).assign(skill=frame(name).skill.replace(skills))
    tables["people"] = frame("people").assign(
        gender=odd[0], function=frame("people").function.replace("support", odd[1])
    )
    text, page, _ = shown(tables, "leaders_and_communities")
    assert odd[0] in text and odd[1] in text
    assert "<script>" not in page and "&lt;script&gt;" in page

"""Ratios: an entry of facts.yml is counted as it says, and adding one is all that a new share takes."""

import dataclasses
import shutil

import pandas as pd
import pydantic
import pytest

import learnalign as la
from learnalign import studies
from learnalign.facts import ratios
from learnalign.verdicts.registry import questions

LEARNED = pd.DataFrame(
    {
        "person_id": list("aabcd"),
        "manager_id": ["mia", "mia", "mia", "noa", None],
        "unit": ["ops", "ops", "ops", "law", "law"],
        "hours": [1.0, 3.0, None, 4.0, 9.0],
        "cost": [None] * 5,
        "is_required": pd.array([True, False, False, True, True], "boolean"),
        "mode": ["formal", "social", "formal", "formal", "social"],
    }
)


def counted(rows=LEARNED, **figures):
    made = {name: ratios.Figure(**about) for name, about in figures.items()}
    measure = ratios.Measure(question="Q1", rows="learned", figures=made)
    return ratios.counted(measure, {"learned": rows})


def test_a_row_counts_where_numerator_and_denominator_are_known():
    fit = counted(long={"numerator": "hours > 2"}).fits["long"]  # d's manager is not recorded
    assert (fit.estimate, fit.n_rows, fit.n_people) == (pytest.approx(200 / 3), 3, 2)
    assert (fit.n_people_smaller, fit.method) == (1, "share, clustered by manager")
    fit = counted(required={"numerator": "is_required::int * hours", "denominator": "hours"}).fits
    assert fit["required"].estimate == pytest.approx(100 * 5 / 8)  # of hours, not of rows
    fit = counted(of={"numerator": "hours > 2", "denominator": "is_required"}).fits["of"]
    assert (fit.estimate, fit.n_rows) == (50, 2)


def test_what_is_no_share_is_a_mean_in_its_unit():
    found = counted(size={"numerator": "hours", "unit": "hours"})
    assert found.fits["size"].estimate == pytest.approx(8 / 3) and found.units == {"size": "hours"}
    assert found.fits["size"].n_people_smaller is None


def test_the_rarer_side_is_nobodys_secret_where_records_are_meant():
    about = {"numerator": "hours is null", "is_secret": False}
    assert counted(without=about).fits["without"].n_people_smaller is None


def test_a_column_that_is_empty_throughout_leaves_out_what_names_it():
    about = {"numerator": "cost is null or hours > 2"}
    assert counted(cheap=about).fits == {}
    assert counted(cheap=about | {"optional": ("cost",)}).fits["cheap"].estimate == 100
    assert counted(LEARNED.head(0), long={"numerator": "hours > 2"}).fits == {}


@pytest.mark.parametrize(
    "rows", [LEARNED.drop(columns="manager_id"), LEARNED.assign(manager_id=None)]
)
def test_the_unit_stands_in_for_managers(rows):
    fit = counted(rows, long={"numerator": "hours > 2"}).fits["long"]
    assert (fit.method, fit.n_rows, fit.n_clusters) == ("share, clustered by unit", 4, 2)


def test_values_of_columns_make_figures_that_add_up():
    rows = LEARNED.assign(of="mode")
    found = counted(rows, each={"numerator": "hours > 2", "by": ("of", "mode")})
    assert [*found.fits] == ["mode: formal"]  # social has one manager: no interval
    assert found.parts == [["mode: formal", "mode: social"]] and found.units == {
        "mode: formal": "%"
    }


def test_figures_that_add_up_are_named_even_where_one_cannot_be_made():
    found = counted(
        a={"numerator": "hours > 2", "part_of": "all"},
        b={"numerator": "hours > 2", "denominator": "false", "part_of": "all"},
        c={"numerator": "hours > 2"},
    )
    assert [*found.fits] == ["a", "c"] and found.parts == [["a", "b"]]


@pytest.mark.parametrize(
    "reach", ["(select count(*) from read_csv('/etc/passwd'))", "(select 1 from '/etc/passwd')"]
)
def test_an_expression_reaches_nothing_but_its_rows(reach):
    with pytest.raises(Exception, match="disabled|does not exist"):
        counted(reached={"numerator": f"{reach} > 0"})


def test_a_key_that_nobody_knows_is_refused(tmp_path, monkeypatch):
    wrong = tmp_path / "facts.yml"
    wrong.write_text("mine: {question: Q1, figures: {long: {numeratr: hours > 2}}}", "utf-8")
    monkeypatch.setattr(ratios, "FACTS", wrong)
    with pytest.raises(pydantic.ValidationError, match="numeratr"):
        ratios.read()


def test_every_entry_has_a_question_rows_and_function_that_exist():
    for measure in ratios.read().values():
        assert measure.question in questions()
        for figure in measure.figures.values():
            assert bool(figure.numerator) != bool(figure.function)
            assert figure.function in {"", *ratios.FUNCTIONS}
            assert not figure.numerator or (figure.rows or measure.rows) in ratios.ROWS


@pytest.mark.slow
def test_every_share_is_counted_of_northbank(study):
    for key, measure in ratios.read().items():
        named = {n for n, one in measure.figures.items() if one.numerator and not one.by}
        assert named <= {*ratios.figures(study, key).fits}, key


def test_a_share_is_added_in_two_places(study, tmp_path, monkeypatch):
    """Its entry, and the line of a notebook that shows its measure: `la.describe` by its key."""
    copy = shutil.copy(ratios.FACTS, tmp_path / "facts.yml")
    with open(copy, "a", encoding="utf-8") as file:
        file.write(
            "how_deep:\n  question: Q6\n  rows: gaps\n  figures:\n"
            "    gaps of two levels or more: {numerator: severity >= 2}\n"
        )
    monkeypatch.setattr(ratios, "FACTS", copy)
    fresh = dataclasses.replace(study, told=studies.Told())
    (row,) = la.describe(fresh, "how_deep")
    share = 100 * (study.journeys.gaps.severity >= 2).mean()
    assert row.estimate == pytest.approx(share, abs=0.5) and row.key in fresh.told.rows
    assert row.sentence.startswith("The share of gaps of two levels or more is ")
    assert "gaps of two levels or more" in str(la.shares(la.describe(fresh, "how_deep")))

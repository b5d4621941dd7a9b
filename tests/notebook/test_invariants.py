"""What must not matter: the whole road, from tables to every notebook's rows, on one company told
in other ways.
"""

import json

import numpy as np
import pandas as pd
import pytest
from tests.notebook.test_missing import NOTEBOOKS, read_aloud
from tests.parts import OPEN, study_of

from learnalign.data import reading
from learnalign.data.contract import COLUMNS, Meta
from learnalign.estimates import described
from learnalign.facts import gaps, spending
from learnalign.linking import journeys, windows
from northbank import tables as simulate

pytestmark = [pytest.mark.property, pytest.mark.notebook]

COMPANY = simulate.northbank(people=400, cycles=4, seed=9)
PEOPLE = ("person_id", "manager_id", "from_id", "to_id", "assessor_id")
YEARS = pd.Timedelta(
    days=4 * 365 + 1
)  # as long as four years always are: every day keeps its place in the calendar


def shuffled(tables):
    return {name: table.sample(frac=1, random_state=7) for name, table in tables.items()}


def renamed(tables):
    ids = tables["people"].person_id
    names = dict(
        zip(
            ids,
            np.random.default_rng(3).permutation([f"p{n}" for n in range(len(ids))]),
            strict=True,
        )
    )
    return {
        name: table.assign(**{c: table[c].map(names) for c in PEOPLE if c in table})
        for name, table in tables.items()
    }


def later(tables):
    dates = {
        name: [c.name for c in COLUMNS[name] if c.kind == "date" and c.name in table]
        for name, table in tables.items()
    }
    return {
        name: table.assign(**{c: table[c] + YEARS for c in dates[name]})
        for name, table in tables.items()
    }


def rows(tables, meta, monkeypatch, tmp_path) -> dict[tuple, dict]:
    """Every row that the six notebooks hand over, by its place."""
    dataset = reading.of_frames(tables, Meta.model_validate(meta))
    monkeypatch.setattr(reading, "read", lambda *_, **__: dataset)
    found = {}
    for notebook in NOTEBOOKS:
        read_aloud(notebook, tmp_path / f"{notebook}.json")
        for row in json.loads((tmp_path / f"{notebook}.json").read_text("utf-8"))["results"]:
            found[notebook, row["measure"], row["at"], row["group"]] = row
    return found


@pytest.fixture(scope="module")
def as_told(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return rows(COMPANY.tables, COMPANY.dataset, patch, tmp_path_factory.mktemp("told"))


def test_row_order_names_and_the_calendar_change_no_row_of_any_notebook(
    as_told, monkeypatch, tmp_path
):
    """All at once: each alone would take as long again."""
    meta = COMPANY.dataset | {"as_of": str((pd.Timestamp(COMPANY.dataset["as_of"]) + YEARS).date())}
    found = rows(later(renamed(shuffled(COMPANY.tables))), meta, monkeypatch, tmp_path)
    assert found.keys() == as_told.keys()
    for place, row in as_told.items():
        for name in ("estimate", "low", "high", "n_people", "n_clusters", "detectable_effect"):
            # the same sums in another order differ in the last digits, and iterations stop a little
            # apart
            same = row[name] if row[name] is None else pytest.approx(row[name], rel=1e-5, abs=1e-7)
            assert found[place][name] == same, (place, name)
        assert found[place]["verdict"] == row["verdict"], place


# --- time


@pytest.fixture(scope="module")
def dataset():
    return simulate.dataset(COMPANY)


def test_nothing_counts_after_its_review_and_stages_never_go_backwards(dataset):
    cycles = windows.link(dataset).person_cycles
    for column in windows.LAST:
        known = cycles[cycles[column].notna()]
        assert (
            len(known)
            and (known[column] < known.window_end).all()
            and (known.window_end < known.reviewed_on).all()
        )
    found = journeys.gap_journeys(dataset).gaps
    assert (found.closed_on.dropna() > found.detected_on[found.closed_on.notna()]).all()
    assert (
        found.learning_started_on.dropna() >= found.detected_on[found.learning_started_on.notna()]
    ).all()
    told = gaps.journey(study_of(dataset, cycles)).set_index(["stage", "then"]).share.dropna()
    shares = told.xs("all", level="then").astype(float)
    assert len(shares) == 4 and shares.is_monotonic_decreasing and shares.iloc[-1] > 0
    stages = gaps.stages(found)
    for stage, day in [("acknowledged", "acknowledged_on"), ("learning", "learning_started_on")]:
        assert stages[stages.stage >= stage][day].notna().all()
    assert stages[stages.stage == "closed"].closed_on.notna().all()


# --- a group split and merged


def test_a_group_split_and_merged_gives_the_same_total(dataset):
    found = journeys.gap_journeys(dataset).gaps
    halves = [
        found[found.unit.isin(some)]
        for some in np.array_split(sorted(found.unit.dropna().unique()), 2)
    ]
    whole = gaps.stages(found[found.unit.notna()]).groupby(["stage", "then"]).size()
    parts = [gaps.stages(half).groupby(["stage", "then"]).size() for half in halves]
    assert all(len(half) for half in halves) and len(whole) > 4
    assert parts[0].add(parts[1], fill_value=0).eq(whole).all()
    cycles = windows.link(dataset).person_cycles
    by_unit = spending.hours_and_cost(study_of(dataset, cycles, gate=OPEN))
    merged = cycles.assign(unit=cycles.unit.where(~cycles.unit.isin(by_unit.unit[:3]), "merged"))
    again = spending.hours_and_cost(study_of(dataset, merged, gate=OPEN))
    assert len(again) == len(by_unit) - 2 and again.people.sum() == by_unit.people.sum()
    same = by_unit[3:].set_index("unit").hours_per_half_year
    assert again.set_index("unit").hours_per_half_year[same.index].equals(same)
    spent = [spending.spent(study_of(dataset, one)) for one in (cycles, merged)]
    hours, years = (
        [rows.groupby("unit")[of].sum() for rows in spent] for of in ("hours", "half_years")
    )
    for split, one in (hours, years):
        assert one["merged"] == pytest.approx(split[by_unit.unit[:3]].sum())
    mean = float(again.set_index("unit").hours_per_half_year["merged"].split(" (")[0])
    assert mean == pytest.approx(hours[1]["merged"] / years[1]["merged"], rel=0.01)


def test_a_share_of_counted_rows_is_the_share_of_the_rows(dataset):
    found = journeys.gap_journeys(dataset).gaps.dropna(subset=["acknowledged_before", "manager_id"])
    rows = described.share(found.acknowledged_before, found.person_id, found.manager_id)
    by = (
        found.groupby(["person_id", "manager_id"])
        .acknowledged_before.agg(["sum", "size"])
        .reset_index()
    )
    counted = described.share(by["sum"], by.person_id, by.manager_id, of=by["size"])
    assert (counted.estimate, counted.low, counted.high) == pytest.approx(
        (rows.estimate, rows.low, rows.high)
    )
    assert (counted.n_rows, counted.n_people) == (rows.n_rows, rows.n_people)

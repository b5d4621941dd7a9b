"""Northbank keeps the contract, is the same everywhere, and holds the truth it says it holds."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest

from learnalign.data import reading
from learnalign.data.contract import COLUMNS, PLANNED
from learnalign.data.mistakes import DataError
from learnalign.verdicts.registry import measures, questions, verdict_words
from northbank import events
from northbank import people as staff
from northbank import tables as simulate
from northbank import truth as truths

DEMO = Path(__file__).parents[2] / "data" / "demo"
SIZES = [(60, 2, 0), (75, 3, 9), (300, 9, 5), (700, 4, 2), (1500, 6, 1)]
TABLES = {name: columns for name, columns in COLUMNS.items() if name != PLANNED}
"""Nobody draws an order of invitations in the made-up bank."""


@cache
def northbank(people: int = 1500, cycles: int = 6, seed: int = 1) -> simulate.Company:
    return simulate.northbank(people=people, cycles=cycles, seed=seed)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# --- the contract


@pytest.fixture(scope="module", params=SIZES, ids=str)
def company(request):
    return northbank(*request.param)


@pytest.mark.slow
def test_a_written_company_keeps_the_contract(company, tmp_path):
    assert reading.check(simulate.write(company, tmp_path / "bank")) == ()


def test_every_table_has_every_column_and_some_rows(company):
    for name, columns in TABLES.items():
        extra = company.dataset["attributes"] if name == "people" else []
        recorded = [column.name for column in columns if column.name not in simulate.NOT_RECORDED]
        assert [*company.tables[name]] == recorded + extra
        assert len(company.tables[name]) > 0


def test_people_are_known_and_named_once(company):
    tables = company.tables
    known = set(tables["people"].person_id)
    assert len(known) == len(tables["people"])
    for name in tables:
        for column in {"person_id", "from_id", "to_id", "manager_id", "assessor_id"} & {
            *tables[name]
        }:
            assert set(tables[name][column].dropna()) <= known, f"{name}.{column}"
    assert not tables["reviews"].duplicated(["person_id", "cycle"]).any()
    assert not tables["rewards"].duplicated(["person_id", "cycle"]).any()
    assert (tables["reviews"].manager_id != tables["reviews"].person_id).all()
    assert (tables["ties"].from_id != tables["ties"].to_id).all()
    assert (tables["assessments"].assessor_id != tables["assessments"].person_id).all()


def test_nothing_happens_after_as_of_or_to_people_who_are_not_there(company):
    people = company.tables["people"].set_index("person_id")
    left = people.left_on.fillna(pd.Timestamp(staff.AS_OF))
    for name, table in company.tables.items():
        dates = table.select_dtypes("datetime")
        assert (dates.max().dropna() <= pd.Timestamp(staff.AS_OF)).all(), name
        for column in {"person_id", "from_id", "to_id"} & {*table} if name != "people" else ():
            event = table[[c for c in dates if c not in ("needed_by", "escalated_on")][0]]
            assert (event >= table[column].map(people.hired_on)).all(), name
            assert (event <= table[column].map(left)).all(), name


def test_managers_are_there_when_they_review(company):
    reviews, people = company.tables["reviews"], company.tables["people"].set_index("person_id")
    assert reviews.manager_id.notna().all()
    assert (reviews.reviewed_on >= reviews.manager_id.map(people.hired_on)).all()
    assert not (reviews.reviewed_on > reviews.manager_id.map(people.left_on)).any()


@pytest.mark.slow
def test_every_word_of_the_contract_occurs_in_the_demonstration():
    tables = northbank().tables
    for name, columns in TABLES.items():
        for column in columns:
            if column.name in simulate.NOT_RECORDED:
                continue
            assert set(column.allowed) <= set(tables[name][column.name]), f"{name}.{column.name}"
            assert tables[name][column.name].notna().any(), f"{name}.{column.name}"


def test_the_demonstration_is_of_a_plausible_size():
    tables = northbank().tables
    reviews = tables["reviews"]
    assert [*reviews.cycle.unique()] == [
        "2023-H2",
        "2024-H1",
        "2024-H2",
        "2025-H1",
        "2025-H2",
        "2026-H1",
    ]
    assert len(tables["people"]) == 1500
    assert 105 <= reviews.manager_id.nunique() <= 120
    assert set(reviews.manager_id) - set(reviews.person_id), "the chief reviews and is not reviewed"
    assert reviews.groupby("cycle").size().between(1000, 1300).all()
    times = reviews.groupby("person_id").size()
    assert times.max() == 6
    assert (reviews.groupby("person_id").cumcount() >= 2).mean() > 0.5  # with two prior ratings
    assert reviews.groupby("person_id").manager_id.nunique().gt(1).mean() > 0.1
    assert tables["people"].left_on.notna().mean() > 0.15
    shares = reviews.rating.value_counts(normalize=True).sort_index()
    assert np.allclose(shares, [0.05, 0.15, 0.50, 0.22, 0.08], atol=0.02)
    assert sum(path.stat().st_size for path in DEMO.iterdir()) < 5_000_000


def test_merit_targets_are_the_matrix():
    rewards = (
        northbank()
        .tables["rewards"]
        .merge(northbank().tables["reviews"], on=["person_id", "cycle"])
    )
    for cell in northbank().dataset["merit_matrix"]:
        here = rewards.compa_ratio.between(cell["compa_from"], cell["compa_to"], inclusive="left")
        targets = rewards.merit_target_pct[here & (rewards.rating == cell["rating"])]
        assert (targets == cell["target_pct"]).all()
    assert rewards.merit_target_pct.notna().all()
    assert (rewards.merit_pct >= 0).all()


# --- the same everywhere


@pytest.mark.slow
def test_the_shipped_company_is_a_fresh_one_byte_for_byte(tmp_path):
    fresh = contents(simulate.write(simulate.northbank(), tmp_path / "demo"))
    shipped = contents(DEMO)
    assert fresh.keys() == shipped.keys()
    assert [name for name in fresh if fresh[name] != shipped[name]] == []


def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path):
    one, again, other = (
        contents(
            simulate.write(simulate.northbank(people=80, cycles=3, seed=seed), tmp_path / name)
        )
        for name, seed in (("one", 4), ("again", 4), ("other", 5))
    )
    assert one == again
    assert {name for name in one if one[name] == other[name]} == {"TRUTH.md", "dataset.yml"}


@pytest.mark.slow
def test_files_are_plain_and_say_what_the_tables_say(tmp_path):
    company = northbank(75, 3, 9)
    folder = simulate.write(company, tmp_path / "bank")
    assert not [
        name for name, text in contents(folder).items() if b"\r" in text or not text.endswith(b"\n")
    ]
    for name, table in company.tables.items():
        read = pd.read_csv(folder / f"{name}.csv", parse_dates=[*table.select_dtypes("datetime")])
        read = read.astype(table.select_dtypes(["datetime", "boolean"]).dtypes)
        pd.testing.assert_frame_equal(read, table, check_dtype=False, obj=name)
    meta = reading.read(folder).meta
    assert str(meta.as_of) == staff.AS_OF


# --- writing, and what is refused


def test_an_earlier_simulation_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    simulate.write(northbank(60, 2, 0), tmp_path / "bank")
    out = simulate.write(northbank(75, 3, 9), tmp_path / "bank")
    assert len(pd.read_csv(out / "people.csv")) == 75
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path):
    (tmp_path / "empty").mkdir()
    assert (simulate.write(northbank(60, 2, 0), tmp_path / "empty") / "people.csv").is_file()
    assert (simulate.write(northbank(60, 2, 0), tmp_path / "a" / "b") / "people.csv").is_file()


def test_a_folder_with_anything_else_is_refused_and_left_alone(tmp_path):
    out = simulate.write(northbank(60, 2, 0), tmp_path / "bank")
    (out / "notes.txt").write_text("mine")
    before = contents(out)
    with pytest.raises(DataError) as refused:
        simulate.write(northbank(75, 3, 9), out)
    assert contents(out) == before
    assert str(refused.value) == (
        f"1 problem\n{out}: exists and is not an earlier simulation\n"
        "    Got: acknowledgements.csv, assessments.csv, dataset.yml, learning.csv, notes.txt\n"
        "    Allowed: a new or empty folder, or one that holds only an earlier 'Northbank "
        "(simulated)'\n"
        "    Fix: name another folder, or move this one away"
    )


def test_a_real_data_set_and_a_file_are_refused(tmp_path):
    out = simulate.write(northbank(60, 2, 0), tmp_path / "bank")
    (out / "dataset.yml").write_text("title: Our bank\n")
    (tmp_path / "file").write_text("mine")
    for place in (out, tmp_path / "file"):
        with pytest.raises(ValueError, match="exists and is not an earlier simulation"):
            simulate.write(northbank(75, 3, 9), place)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.fault
@pytest.mark.parametrize("breaks_at", ["dataset.yml", "the last step"])
def test_a_write_that_breaks_leaves_the_earlier_company(tmp_path, monkeypatch, breaks_at):
    out = simulate.write(northbank(60, 2, 0), tmp_path / "bank")
    before, rename = contents(out), Path.rename

    def full(*_, **__):
        raise OSError("no space left on device")

    def last(source, target):
        return (
            full() if target == out and not source.name.endswith("-old") else rename(source, target)
        )

    where = (
        (simulate.yaml, "safe_dump", full) if breaks_at == "dataset.yml" else (Path, "rename", last)
    )
    monkeypatch.setattr(*where)
    with pytest.raises(OSError, match="no space left"):
        simulate.write(northbank(75, 3, 9), out)
    assert contents(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]


def test_sizes_that_cannot_be_drawn_are_all_told_at_once():
    with pytest.raises(DataError) as refused:
        simulate.northbank(people=59, cycles=1.5, seed=-1)
    assert str(refused.value) == (
        "3 problems\n"
        "northbank.people: is not a size we can draw\n    Got: 59\n"
        "    Allowed: a whole number from 60 to 1000000\n    Fix: try people=60\n"
        "northbank.cycles: is not a size we can draw\n    Got: 1.5\n"
        "    Allowed: a whole number from 2 to 40\n    Fix: try cycles=2\n"
        "northbank.seed: is not a size we can draw\n    Got: -1\n"
        "    Allowed: a whole number from 0 to 9223372036854775808\n    Fix: try seed=0"
    )


# --- the planted truth


@cache
def truth(people: int = 1500, cycles: int = 6, seed: int = 1) -> pd.DataFrame:
    """A row per review in the order of person and time, with the truth behind it and the rating in
    SD.
    """
    reviews = simulate._northbank(people, cycles, seed)[1]
    by_cycle = reviews.groupby("at").rating
    rated = reviews.assign(
        sd=by_cycle.transform("std"), y=(reviews.rating - by_cycle.transform("mean"))
    )
    rated = rated.assign(y=rated.y / rated.sd, said=rated.acknowledged.astype(float))
    before = rated.groupby("person_id").y
    return rated.assign(prior_1=before.shift(1), prior_2=before.shift(2))


def oracle(rated: pd.DataFrame, exposure: str) -> float:
    """The coefficient of an exposure when everything that confounds it is known."""
    known = [rated.learned, rated.said, rated.ability, rated.ability**3, rated.leniency]
    fit = np.linalg.lstsq(np.column_stack([np.ones(len(rated)), *known]), rated.y, rcond=None)[0]
    return fit[1 + ["learned", "said"].index(exposure)]


def adjusted(rated: pd.DataFrame, exposure: str) -> tuple[float, float, float]:
    """What a careful analyst finds: within manager and cycle, two prior ratings, clustered by
    manager.
    """
    formula = f"y ~ {exposure} + prior_1 + prior_2 | manager_id^at"
    fit = pf.feols(formula, rated.dropna(subset="prior_2"), vcov={"CRV1": "manager_id"})
    return tuple(fit.tidy().loc[exposure, ["Estimate", "2.5%", "97.5%"]])


def naive_difference(rated: pd.DataFrame) -> float:
    return rated.y[rated.acknowledged].mean() - rated.y[~rated.acknowledged].mean()


def naive_slope(rated: pd.DataFrame) -> float:
    return np.polyfit(rated.learned, rated.y, 1)[0]


@pytest.mark.slow
def test_the_truth_looks_through_the_windows_of_the_contract():
    """Counted again from the canonical tables, one review after the other."""
    company, behind = simulate._northbank(75, 3, 9)
    tables, days = company.tables, pd.Timedelta(days=1)
    done = tables["learning"].query("status == 'completed' and not is_required")
    found = []
    for person, reviews in tables["reviews"].groupby("person_id"):
        hours, said = (
            table[table.person_id == person] for table in (done, tables["acknowledgements"])
        )
        start = reviews.reviewed_on.min() - (30 + 182) * days
        for reviewed_on in reviews.reviewed_on.sort_values():
            end = reviewed_on - 30 * days
            inside = hours.learned_on.between(start, end, inclusive="left")
            spoke = said.acknowledged_on.between(start, end, inclusive="left").any()
            found.append((person, reviewed_on, hours.hours[inside].sum(), spoke))
            start = end
    labels = events.draw(75, 3, 9).label
    behind = behind.assign(person=labels[behind.person_id]).sort_values(["person", "at"])
    assert [row[0] for row in found] == [*behind.person]
    assert np.allclose([row[2] for row in found], behind.hours)
    assert [bool(row[3]) for row in found] == [*behind.acknowledged]
    assert behind.hours.gt(0).any() and behind.acknowledged.any()


@pytest.mark.truth
def test_learning_adds_what_is_planted_and_the_naive_slope_says_more():
    many = [truth(seed=seed) for seed in range(1, 9)]
    one_more_sd = [
        np.searchsorted(truths.cuts(truths.NORTHBANK), r.latent + truths.LEARNING) + 1 - r.rating
        for r in many
    ]
    planted = [(more / rated.sd).mean() for more, rated in zip(one_more_sd, many, strict=True)]
    assert np.mean(planted) == pytest.approx(0.15, abs=0.01)
    assert np.mean([oracle(rated, "learned") for rated in many]) == pytest.approx(0.15, abs=0.02)
    assert min(naive_slope(rated) for rated in many) > 0.19
    assert np.mean([adjusted(rated, "learned")[0] for rated in many]) == pytest.approx(
        0.15, abs=0.02
    )


@pytest.mark.truth
def test_acknowledging_costs_nothing_and_the_naive_difference_says_it_does():
    many = [truth(seed=seed) for seed in range(1, 9)]
    assert np.mean([oracle(rated, "said") for rated in many]) == pytest.approx(0, abs=0.02)
    assert np.mean([naive_difference(rated) for rated in many]) < -0.12
    assert np.mean([adjusted(rated, "said")[0] for rated in many]) == pytest.approx(0, abs=0.05)


@pytest.mark.truth
def test_in_a_very_large_bank_the_oracle_is_exact():
    rated = truth(people=20_000, seed=3)
    assert oracle(rated, "learned") == pytest.approx(0.15, abs=0.01)
    assert oracle(rated, "said") == pytest.approx(0, abs=0.015)


@pytest.mark.truth
def test_the_demonstration_is_instructive():
    """Raw figures are wrong, careful ones right; the known truth lies in both intervals."""
    rated = truth()
    assert naive_slope(rated) > 0.22
    assert naive_difference(rated) < -0.10
    _, low, high = adjusted(rated, "learned")
    assert 0.10 < low < 0.15 < high
    _, low, high = adjusted(rated, "said")
    assert -0.10 < low < 0 < high < 0.10


@pytest.mark.truth
def test_ratings_are_as_reliable_as_ratings_are():
    rated = truth()
    assert rated[["y", "prior_1"]].corr().iloc[0, 1] == pytest.approx(0.52, abs=0.05)
    assert rated.latent.var() == pytest.approx(1, abs=0.05)
    assert rated.hours.median() < 0.4 * rated.hours.mean()  # heavy-tailed
    assert 0.2 < rated.acknowledged.mean() < 0.45


@pytest.mark.truth
def test_strugglers_and_people_of_lenient_managers_acknowledge_more():
    many = pd.concat([truth(seed=seed) for seed in range(1, 9)])
    said, silent = many[many.acknowledged], many[~many.acknowledged]
    assert said.ability.mean() < silent.ability.mean() - 0.1
    assert said.leniency.mean() > silent.leniency.mean() + 0.02


@pytest.mark.truth
def test_merit_rewards_learning_and_not_silence_at_equal_rating():
    company, behind = simulate._northbank(1500, 6, 1)
    behind = behind.assign(person_id=events.draw(1500, 6, 1).label[behind.person_id])
    paid = behind.merge(company.tables["rewards"], on=["person_id", "cycle"])
    top = (paid.groupby("at").hours.rank(pct=True) > 2 / 3).astype(float)
    cell = paid.rating * 100 + paid.merit_target_pct
    paid = paid.assign(top=top, cell=cell, said=paid.acknowledged.astype(float))
    fit = pf.feols(
        "merit_pct ~ said + top | cell^at + manager_id^at", paid, vcov={"CRV1": "manager_id"}
    )
    assert fit.coef()["said"] == pytest.approx(0, abs=0.05)
    assert fit.coef()["top"] == pytest.approx(0.3, abs=0.05)


# --- what the page beside it says


def rows_of(page: str) -> dict[str, tuple[str, ...]]:
    """The page's table: a measure's planted value, unit and verdicts."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| Q")
    ]
    return {measure: (value, unit, verdict) for _, measure, value, unit, verdict in cells}


def test_the_page_has_a_row_for_every_measure_and_every_kind_of_learning_but_mentoring():
    rows = rows_of((DEMO / "TRUTH.md").read_text())
    kinds = {f"learning_to_closure: {kind}" for kind in events.MADE.types if kind != "mentoring"}
    headlines = {key for question in questions().values() for key in question.measures}
    assert rows.keys() == headlines | kinds
    assert {unit for _, unit, _ in rows.values()} <= {m.unit for _, m in measures().values()} | {
        "EUR"
    }
    assert {word for row in rows.values() for word in row[2].split(" or ")} <= set(verdict_words())


@pytest.mark.parametrize(
    ("measure", "truth", "says"),
    [
        ("acknowledging_to_rating", {"acknowledging_on_rating": -0.2}, ("-0.20", "SD", "lower")),
        (
            "acknowledging_to_rating",
            {"acknowledging_on_rating": 0.05},
            ("0.05", "SD", "higher or small or unknown"),
        ),
        (
            "acknowledging_to_merit_total",
            {"acknowledging_on_rating": -0.2},
            ("", "percentage points", "any"),
        ),
        (
            "leader_to_team",
            {"leaders_on_teams": 0},
            ("0.00", "percentage points", "none or unknown"),
        ),
        ("mentoring_to_closure", {"mentoring_on_closure": 0.5}, ("0.50", "hazard ratio", "lower")),
        ("cost_per_closed_gap", {"mentoring_on_closure": 0.5}, ("", "EUR", "any")),
    ],
)
def test_a_page_of_another_truth_says_what_that_truth_plants(measure, truth, says, tmp_path):
    folder = simulate.write(
        simulate.northbank(people=60, cycles=2, truth=truths.Truth(**truth)), tmp_path / "bank"
    )
    page = (folder / "TRUTH.md").read_text()
    assert rows_of(page)[measure] == says
    name, value = next(iter(truth.items()))
    assert f"- `{name}`: {value} (" in page
    assert "Planted facts" not in page


@pytest.mark.slow
def test_a_reader_of_tables_passes_the_page_over():
    assert reading.check(DEMO) == ()
    assert {path.name for path in DEMO.iterdir() if path.is_file()} == {
        f"{name}.csv" for name in TABLES
    } | {"dataset.yml", "TRUTH.md"}


@pytest.mark.fault
def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="cannot be written"):
        simulate.write(northbank(60, 2, 0), tmp_path / "file" / "bank")

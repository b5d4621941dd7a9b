"""Units: whose an edition is, what is theirs, and what a run with units publishes, in one move."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import html5lib
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.e2e.test_run import ROOT, snapshot

import learnalign as la
from learnalign import studies
from learnalign.data import reading
from learnalign.data.mistakes import DataError, Stopped
from learnalign.facts import contents
from learnalign.linking import windows
from learnalign.privacy import keys, noise
from learnalign.report import index
from learnalign.runs import audit, history, run, units
from learnalign.verdicts import document as results
from learnalign.verdicts.result import Result
from northbank import tables

META = reading.Meta(title="T", as_of="2025-12-31", rating_scale=[1, 2, 3], attributes=[])


def company(**people: tuple[str, ...]) -> reading.DataSet:
    """A company in which each person was reviewed once a half-year, in these units, by a manager of
    the unit.
    """
    rows = [
        (name, f"2024-H{half}", f"2024-{6 * half:02}-15", 2, unit, f"boss of {unit}")
        for name, path in people.items()
        for half, unit in enumerate(path, 1)
    ]
    reviews = pd.DataFrame(
        rows, columns=["person_id", "cycle", "reviewed_on", "rating", "unit", "manager_id"]
    )
    days = {"reviewed_on": pd.to_datetime(reviews.reviewed_on)}
    hired = pd.DataFrame({"person_id": [*people], "hired_on": pd.Timestamp("2020-01-01")})
    ties = pd.DataFrame(
        {
            "from_id": ["ann", "cid"],
            "to_id": ["bob", "dan"],
            "tied_on": pd.Timestamp("2024-02-01"),
            "kind": "mentors",
        }
    )
    return reading.of_frames(
        {"people": hired, "reviews": reviews.assign(**days), "ties": ties}, META
    )


MOVERS = company(ann=("X", "Y"), bob=("Y", "Y"), cid=("X", "X"), dan=("Y", "X"))


@pytest.mark.parametrize(("unit", "people"), [("X", ["cid", "dan"]), ("Y", ["ann", "bob"])])
def test_people_are_their_latest_units_with_their_whole_history(unit, people):
    part = units.part(MOVERS, unit)
    assert sorted(part.tables["people"].person_id.execute()) == people
    assert sorted(part.tables["reviews"].person_id.execute()) == sorted(people * 2)
    assert part.tables["ties"].from_id.execute().tolist() == [people[0]]
    assert part.fingerprint == MOVERS.fingerprint


def test_an_earlier_day_is_another_partition():
    """Up to the first half-year, Ann is still in X and Dan in Y."""
    early = replace(
        MOVERS, meta=META.model_copy(update={"as_of": pd.Timestamp("2024-09-01").date()})
    )
    assert sorted(units.part(early, "X").tables["people"].person_id.execute()) == ["ann", "cid"]


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=8))
def test_slugs_are_folders_of_their_own(names):
    slugs = units.slugs(names)
    assert len({slug.lower() for slug in slugs.values()}) == len(names) == len(slugs)
    assert all(
        slug and set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        for slug in slugs.values()
    )
    assert units.slugs([*reversed(names)]) == slugs
    assert not {*slugs.values()} & units.WINDOWS


def test_too_small_units_get_no_edition_and_unknown_ones_are_named():
    people = {f"p{n}": ("Big",) for n in range(6)} | {"q": ("Small",)}
    made = company(ann=("Big",), bob=("Big",), cid=("Big",), dan=("Big",), **people)
    assert units.chosen(made, ("company",), 5) == units.Chosen()
    assert units.chosen(made, ("company", "each"), 5) == units.Chosen(
        (), ("Big", "Small"), 2
    )  # of one manager
    with pytest.raises(DataError) as error:
        units.chosen(made, ("company", "Bigg", "Nowhere"), 5)
    assert [problem.got for problem in error.value.problems] == ["Bigg", "Nowhere"]
    assert "did you mean 'Big'" in str(error.value)


# --- a whole run


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A company of three units; the people of one are too few for an edition."""
    folder = tables.write(
        tables.northbank(people=420, cycles=3, seed=4), tmp_path_factory.mktemp("bank") / "data"
    )
    reviews = pd.read_csv(folder / "reviews.csv", dtype=str)
    kept = sorted(reviews.unit.unique())
    reviews["unit"] = reviews.unit.map(
        {name: f"Unit {place % 3}" for place, name in enumerate(kept)}
    )
    last = reviews.sort_values("reviewed_on").groupby("person_id").tail(1)
    few = last[last.unit == "Unit 2"].person_id.sort_values().head(6)
    reviews.loc[reviews.person_id.isin(few), "unit"] = "Tiny <b>"
    reviews.to_csv(folder / "reviews.csv", index=False)
    return folder


def params(folder: Path, data: Path, **more: object) -> Path:
    (folder / "params").mkdir(parents=True)
    (folder / "notebooks").symlink_to(ROOT / "notebooks")
    spec = {"report": "r", "data": str(data), "notebooks": ["coverage", "gap_journey"], **more}
    (folder / "params/r.yml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return folder / "params/r.yml"


@pytest.fixture(scope="module")
def fanned(tmp_path_factory, data) -> run.Edition:
    return run.run(params(tmp_path_factory.mktemp("project"), data, units="each"))


@pytest.mark.e2e
@pytest.mark.slow
def test_every_unit_has_its_own_edition_beside_the_companys(fanned, data):
    names = {"Unit 0": "unit-0", "Unit 1": "unit-1", "Unit 2": "unit-2"}
    assert [one["run"]["unit"] for one in fanned.units] == [*names]
    files = set(snapshot(fanned.folder))
    for slug in names.values():
        for name in (
            "report.html",
            "results.json",
            "summary.txt",
            "manifest.json",
            "restricted/coverage.ipynb",
        ):
            assert f"units/{slug}/{name}" in files
        assert stat.S_IMODE((fanned.folder / f"units/{slug}/restricted").stat().st_mode) == 0o700
        assert stat.S_IMODE((fanned.folder / f"units/{slug}").stat().st_mode) == 0o755
    assert not any("tiny" in name for name in files)
    manifest = json.loads((fanned.folder / "manifest.json").read_text())
    assert set(manifest["sha256"]) == files - {"manifest.json"}
    page = (fanned.folder / "index.html").read_text()
    html5lib.HTMLParser(strict=True).parse(page)  # raises at the first error
    assert len(page) < 40_000
    assert (
        "Tiny &lt;b&gt;" in page
        and "Tiny <b>" not in page
        and 'href="units/unit-1/report.html"' in page
    )
    assert (
        "Unit 1" in (fanned.folder / "units/unit-1/report.html").read_text().partition("</h1>")[0]
    )
    assert "and its 3 units" in fanned.report.read_text()
    lines, _ = results.ledger(fanned.folder.parents[1])
    assert [line.unit for line in lines] == ["", *names]
    assert set(history.read(fanned.folder.parents[1]).about) == {"company", *names}


@pytest.mark.e2e
@pytest.mark.slow
def test_all_that_is_published_together_tells_of_no_few_people(fanned, data):
    done = audit.audit(fanned.folder.parents[1], data)
    assert done.findings == () and "byte by byte: 4." in done.lines[2]


@pytest.mark.e2e
@pytest.mark.slow
def test_a_units_figures_are_those_of_its_people_alone(fanned, data, tmp_path):
    """As when the same is told, under the same draws, of a data set that holds nobody else."""
    dataset = reading.read(data)
    part = units.part(dataset, "Unit 1")
    people = {*part.tables["people"].person_id.execute()}
    assert windows.link(part).person_cycles.person_id.nunique() <= len(people)
    frames = {}
    for name, table in dataset.recorded.items():
        rows = table.execute()
        whose = rows[rows.columns.intersection(["person_id", "from_id", "to_id"])]
        is_own = whose.isin(people).any(axis=1) if name != "surveys" else rows.unit == "Unit 1"
        frames[name] = rows[is_own]
    alone = replace(reading.of_frames(frames, dataset.meta), folder=tmp_path)
    (document,) = [one for one in fanned.units if one["run"]["unit"] == "Unit 1"]
    exact = contents.contents(studies.study(alone)).set_index("table").people
    assert exact["reviews"] == len(people)
    told = {row["table"]: row["people"] for row in document["data"]["tables"]}
    assert abs(told["reviews"] - len(people)) <= noise.FARTHEST
    state = keys.state_of(dataset.fingerprint, dataset.as_of, document["run"]["embargo_days"])
    secret = keys.secret_of(fanned.folder.parents[1])
    keys.Draws(secret, state, document["run"]["noise"]["factor"], is_unit=True).save(tmp_path)
    study = studies.study(alone)
    assert results.records(contents.contents(study)) == document["data"]["tables"]
    (journey,) = [one for one in document["pictures"] if one["kind"] == "journey"]
    again = json.loads(json.dumps(la.journey(study).record))
    assert again["rows"] == journey["rows"] != []


@pytest.mark.e2e
@pytest.mark.slow
def test_one_unit_alone_is_an_edition_of_its_own(tmp_path, data):
    edition = run.run(params(tmp_path, data, units=["Unit 0"], notebooks=["coverage"]))
    assert edition.document["run"]["unit"] == "Unit 0" and not edition.units
    assert not (edition.folder / "index.html").exists() and not (edition.folder / "units").exists()
    with pytest.raises(Stopped, match="No unit of Tiny") as stopped:
        run.run(params(tmp_path / "tiny", data, units=["Tiny <b>"], notebooks=["coverage"]))
    assert stopped.value.code == 3


# --- do units differ


def row(estimate: float, error: float = 0.05, unit: str = "SD", smallest: float = 0.1) -> Result:
    return Result(
        "Q1",
        "m",
        True,
        "company",
        "",
        estimate,
        estimate - 2 * error,
        estimate + 2 * error,
        0.95,
        unit,
        100,
        20,
        "",
        "adjusted",
        "unknown",
        "",
        (),
        smallest,
        None,
        "",
        True,
        "",
        error,
        20,
    )


@pytest.mark.parametrize(
    ("estimates", "error", "verdict"),
    [
        ([0.1, 0.2, 0.3], 0.05, "unknown"),
        ([0.1] * 9, 0.02, "none"),
        ([0.1, 0.12] * 4, 0.3, "unknown"),
        ([-0.9, 0.8] * 5, 0.05, "higher"),
    ],
)
def test_units_differ_only_by_more_than_chance(estimates, error, verdict):
    found, sentence = index.differ([row(one, error) for one in estimates])
    assert found == verdict and (sentence.startswith("We don’t know") == (verdict == "unknown"))


def test_a_ratio_is_compared_as_a_factor():
    rows = [row(one, 0.05, "hazard ratio", 1.2) for one in (0.5, 2.0) * 4]
    verdict, sentence = index.differ(rows)
    assert verdict == "higher" and "a factor of 1." in sentence


def test_of_many_questions_each_needs_more_to_say_that_units_differ():
    rows = [row(one, 0.05) for one in (-0.1, 0.1) * 4]  # squares of 32 on 7 df
    assert index.differ(rows)[0] == "higher"
    rows = [row(one, 0.07) for one in (-0.1, 0.1) * 4]  # 16.3: 97.5 in 100 lie below 16.0
    assert [index.differ(rows, of)[0] for of in (1, 9)] == ["higher", "unknown"]

"""Runs: an edition is published whole or not at all, says the same as "Run all", and holds nobody's
name.
"""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import stat
import time
from pathlib import Path

import nbclient
import nbformat
import pandas as pd
import psutil
import pytest
import yaml

from learnalign.data import mistakes, reading
from learnalign.data.mistakes import DataError, Stopped
from learnalign.facts import contents
from learnalign.privacy import keys, rule
from learnalign.report import paper
from learnalign.runs import journal, plans, publish, run
from learnalign.runs.pool import Pool
from learnalign.verdicts import document as results
from learnalign.verdicts import judge
from learnalign.verdicts.registry import questions
from northbank import tables as simulate

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "params/northbank.yml"
NOTEBOOKS = sorted(yaml.safe_load((ROOT / "params/northbank.yml").read_text())["notebooks"])


def project(folder: Path, data: Path, notebooks: list[str], **more) -> Path:
    """A project of its own: the shipped notebooks, and a params file that reads `data`."""
    (folder / "params").mkdir(parents=True)
    (folder / "notebooks").symlink_to(ROOT / "notebooks")
    params = folder / "params/report.yml"
    spec = {"report": "small", "data": str(data), "notebooks": notebooks} | more
    params.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return params


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> Path:
    company = simulate.northbank(people=300, cycles=5, seed=3)
    return simulate.write(company, tmp_path_factory.mktemp("bank") / "data")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- what is published


@pytest.mark.e2e
def test_an_edition_is_complete(edition):
    published = ["manifest.json", "report.html", "results.json", "summary.txt"]
    published += ["report.pdf"] * (
        edition.folder / "report.pdf"
    ).is_file()  # where the extra is there
    assert sorted(snapshot(edition.folder)) == sorted(
        [*published, *(f"restricted/{n}.ipynb" for n in NOTEBOOKS)]
    )
    out = edition.folder.parents[1]
    assert sorted(path.name for path in out.iterdir()) == [
        ".private",
        ".runs",
        "history.parquet",
        "ledger.jsonl",
        "northbank",
        "plan.json",
    ]
    (fixed,) = plans.read(out)["northbank"]
    assert edition.document["run"]["plan"]["digest"] == fixed.digest[:12]
    assert f"(plan {fixed.digest[:12]})" in edition.report.read_text()
    (line,), _ = results.ledger(out)
    assert line.run_id == edition.document["run"]["run_id"]
    manifest = json.loads((edition.folder / "manifest.json").read_text())
    ran = {
        name: hashlib.sha256((ROOT / f"notebooks/{name}.ipynb").read_bytes()).hexdigest()
        for name in NOTEBOOKS
    }
    assert manifest["notebook_sha256"] == edition.document["run"]["notebook_sha256"] == ran
    assert all(digest in edition.report.read_text() for digest in ran.values())
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256((edition.folder / name).read_bytes()).hexdigest() == digest
    assert [path.name for path in edition.folder.parent.iterdir()] == [
        edition.folder.name
    ]  # no stray folder
    assert stat.S_IMODE((edition.folder / "restricted").stat().st_mode) == 0o700
    assert stat.S_IMODE((edition.folder / "restricted/coverage.ipynb").stat().st_mode) == 0o600


@pytest.mark.e2e
def test_the_document_answers_what_the_notebooks_ask_and_nothing_else(edition):
    document = json.loads((edition.folder / "results.json").read_text())
    assert document["schema_version"] == results.SCHEMA_VERSION
    headlines = [row for row in document["results"] if row["headline"]]
    assert [row["question"] for row in headlines] == [
        "Q1",
        "Q2",
        "Q3",
        "Q3",
        "Q4",
        "Q5",
        "Q6",
        "Q7",
        "Q8",
    ]
    for row in headlines:
        assert row["estimate"] is not None and row["low"] < row["estimate"] < row["high"]
        assert row["sentence"] and row["n_people"] and row["n_clusters"]
    assert {q["key"] for q in document["questions"] if q["asked"]} == {
        f"Q{number}" for number in range(1, 9)
    }
    beside = {(row["question"], row["at"]) for row in document["results"] if not row["headline"]}
    steps = {("Q1", at) for at in ("low", "middle", "high")} | {
        ("Q2", at) for at in ("autonomous", "dependent", "low")
    }
    assert beside >= steps | {
        (question, "raw") for question in ("Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "Q8")
    }
    html = edition.report.read_text()
    for row in headlines:
        assert f"{row['n_people']}ormorepeople" in re.sub(
            r"[^\w.]", "", re.sub(r"<[^>]*>", "", html)
        )


@pytest.mark.e2e
def test_the_same_inputs_give_the_same_edition(bank, tmp_path, monkeypatch):
    """Run id and clock aside, byte for byte; and one notebook at a time as side by side. Under
    another key, other figures.
    """
    monkeypatch.setenv("LEARNALIGN_KEY", hashlib.sha256(b"a key").hexdigest())
    params = project(tmp_path / "project", bank, ["gap_journey", "learning_and_performance"])
    one, other = (run.run(params, tmp_path / f"out{jobs}", jobs=jobs) for jobs in (1, 2))
    monkeypatch.setenv("LEARNALIGN_KEY", hashlib.sha256(b"another").hexdigest())
    moved = run.run(params, tmp_path / "moved").document
    pairs = [*zip(moved["results"], one.document["results"], strict=True)]
    both = [(row, then) for row, then in pairs if None not in (row["estimate"], then["estimate"])]
    same = [row for row, then in both if row["estimate"] == then["estimate"]]
    in_percents = [row for row, _ in both if row["unit"] == "%"]  # whole ones meet by chance
    assert all(row in in_percents for row in same) and len(same) < len(in_percents) / 2
    assert len(both) > len(in_percents)
    for name in ("report.html", "results.json", "summary.txt"):
        texts = []
        for edition in (one, other):
            text = (edition.folder / name).read_text()
            for key in ("run_id", "started", "finished"):
                text = text.replace(edition.document["run"][key], "-")
            texts.append(text)
        assert texts[0] == texts[1], name


@pytest.mark.e2e
def test_no_published_byte_holds_a_person_or_a_manager(edition):
    people = pd.read_csv(ROOT / "data/demo/people.csv", dtype=str).person_id
    for name in ("report.html", "summary.txt", "results.json", "manifest.json"):
        words = set(re.findall(r"[\w-]+", (edition.folder / name).read_text()))
        assert not words & set(people), name


def run_all(name: str, out: str = "", home: Path = ROOT) -> nbformat.NotebookNode:
    """Open a notebook where it lies and run all its cells, as JupyterLab does."""
    notebook = nbformat.read(home / f"notebooks/{name}.ipynb", as_version=4)
    cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    cell.source = cell.source.replace('out: str = ""', f"out: str = {out!r}")
    where = {"metadata": {"path": str(home / "notebooks")}}
    return nbclient.NotebookClient(notebook, kernel_name="python3", resources=where).execute()


@pytest.fixture
def home(edition, tmp_path) -> Path:
    """The shipped notebooks and demo, and beside its tables the draws that the edition had."""
    place = tmp_path / "home"
    for name in ("notebooks", "data/demo"):
        shutil.copytree(ROOT / name, place / name)
    told = edition.document["run"]
    dataset = reading.read(place / "data/demo", told["as_of"])
    state = keys.state_of(dataset.fingerprint, dataset.as_of, told["embargo_days"])
    secret = keys.secret_of(edition.folder.parents[1])
    keys.Draws(secret, state, told["noise"]["factor"]).save(place / "data/demo")
    return place


def as_published(rows, edition) -> list[dict]:
    """A chapter's rows among all of the edition, after what looks at all of them together."""
    others = {row.key: row for row in results.rows_of(edition.document)}
    corrected = judge.holm([*(others | {row.key: row for row in rows}).values()])
    told = {row.key: row for row in rule.suppress(corrected, edition.document["run"]["min_group"])}
    return plain([dataclasses.asdict(told[row.key]) for row in rows])


def plain(content):
    """Lists for tuples, as published."""
    return json.loads(json.dumps(content))


@pytest.mark.notebook
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_figures_are_the_same_from_run_all(edition, home, tmp_path, name):
    """Every figure and sentence that `learnalign run` published, computed once more by "Run all" as
    shipped, from the tables alone, under the draws of the edition.
    """
    notebook = run_all(name, str(tmp_path / "chapter"), home)
    published = {(row["measure"], row["at"]): row for row in edition.document["results"]}
    chapter = results.read(tmp_path / "chapter")
    mine = as_published(chapter.results, edition)
    assert mine == [published[row.measure, row.at] for row in chapter.results]
    flows = [flow for flow in edition.document["flows"] if flow["notebook"] == name]
    assert plain(chapter.flows) == flows != []
    assert all(one in edition.document["pictures"] for one in plain(chapter.pictures))
    shown = "".join(
        output["data"]["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    )
    assert all(repr(row.sentence)[1:-1] in shown for row in chapter.results if row.headline)
    headlines = {m for q in questions().values() if q.chapter == name for m in q.measures}
    assert {row.measure for row in chapter.results if row.headline} == headlines


@pytest.mark.e2e
def test_an_executed_notebook_can_be_run_again(edition):
    """It names the data set, and no folder of the run, which is gone."""
    for path in (edition.folder / "restricted").glob("*.ipynb"):
        kept = nbformat.read(path, as_version=4)
        (cell,) = [c for c in kept.cells if "injected-parameters" in c.metadata.get("tags", ())]
        found: dict = {}
        exec(cell.source, found)
        assert (found["data"], found["out"]) == (str(ROOT / "data/demo"), "")
        told = {key: value for key, value in found.items() if key != "__builtins__"}
        assert kept.metadata.papermill.parameters == told
        assert set(told) <= {"data", "as_of", "min_group", "embargo_days", "smallest", "out"}


@pytest.mark.notebook
def test_run_all_as_shipped_is_for_the_analyst_alone(edition, tmp_path):
    """Without draws nothing is moved: people are counted, and no figure is one that was published."""
    run_all("leaders_and_communities", str(tmp_path / "chapter"))
    published = {row.key: row for row in results.rows_of(edition.document)}
    told = [row for row in results.read(tmp_path / "chapter").results if row.estimate is not None]
    assert not any(row.at_least for row in told) and not [*tmp_path.glob("*.told.parquet")]
    pairs = [(row, published[row.key]) for row in told if row.unit != "%"]
    assert len(pairs) > 2 and all(row.estimate != then.estimate for row, then in pairs)


@pytest.mark.notebook
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_explored_has_the_shipped_parameters(name):
    """Untouched in JupyterLab, a notebook computes what `learnalign run params/northbank.yml`
    publishes.
    """
    spec = run.read_spec(SHIPPED)
    notebook = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
    cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    found: dict = {}
    exec(cell.source, found)
    agreed = spec.smallest_effect.model_dump()
    assert found.pop("smallest").items() <= agreed.items()
    shipped = {
        "data": spec.data,
        "as_of": str(spec.as_of),
        "min_group": spec.min_group,
        "embargo_days": spec.embargo_days,
        "out": "",
    }
    values = {key: value for key, value in found.items() if not key.startswith("__")}
    assert values == {key: shipped[key] for key in values}


@pytest.mark.e2e
def test_people_and_reviews_alone_give_a_report_that_says_what_it_cannot_know(bank, tmp_path):
    data = tmp_path / "bare"
    data.mkdir()
    for name in ("people.csv", "reviews.csv", "dataset.yml"):
        (data / name).write_bytes((bank / name).read_bytes())
    edition = run.run(project(tmp_path / "p", data, NOTEBOOKS))
    headlines = [row for row in edition.document["results"] if row["headline"]]
    assert {row["question"] for row in headlines} == {f"Q{i}" for i in range(1, 9)}
    assert {row["verdict"] for row in headlines} == {"unknown"}
    assert all(row["to_settle"] for row in headlines)
    assert "the data hold no learning" in edition.report.read_text()


# --- what is not published


def tiny(folder: Path, *cells: str) -> Path:
    """A project with one notebook of a few lines, to fail in a chosen way."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "params").mkdir()
    names = "data as_of min_group embargo_days smallest out"
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "x"}}
    )
    parameters = nbformat.v4.new_code_cell("\n".join(f'{name} = ""' for name in names.split()))
    parameters.metadata["tags"] = ["parameters"]
    notebook.cells = [parameters, *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(notebook, folder / "notebooks/one.ipynb")
    return folder


def attempt(folder: Path, bank: Path, **more) -> Stopped:
    """Run a tiny project over an edition that is there already; it must stop and leave that edition
    alone.
    """
    params = folder / "params/one.yml"
    params.write_text(
        yaml.safe_dump({"report": "r", "data": str(bank), "notebooks": ["one"], **more})
    )
    place = folder / "out/r/2026-06-30"
    place.mkdir(parents=True, exist_ok=True)
    (place / "report.html").write_text("the last good edition")
    before = snapshot(folder / "out/r")
    with pytest.raises(Stopped) as stopped:
        run.run(params)
    assert snapshot(folder / "out/r") == before
    mine = psutil.Process()
    time.sleep(0.2)
    alive = [
        p
        for p in mine.children(recursive=True)
        if p.status() != psutil.STATUS_ZOMBIE and "ipykernel" in " ".join(p.cmdline())
    ]
    assert not alive
    return stopped.value


@pytest.mark.fault
@pytest.mark.parametrize(
    ("cells", "more", "code", "words"),
    [
        (["1 / 0"], {}, mistakes.ANALYSIS, "Cell 2 (1 / 0): ZeroDivisionError: division by zero"),
        (
            ["import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"],
            {},
            mistakes.KERNEL_DIED,
            "Its kernel died",
        ),
        (
            ["import time\ntime.sleep(60)"],
            {"deadline_minutes": 0.3},
            mistakes.DEADLINE,
            "deadline_minutes",
        ),
        (["x = 1"], {}, mistakes.ANALYSIS, "handed over no valid results"),
        (["open(out, 'w').write('{')"], {}, mistakes.ANALYSIS, "handed over no valid results"),
    ],
    ids=["cell", "kernel", "deadline", "silent", "torn"],
)
def test_a_failing_notebook_publishes_nothing(tmp_path, bank, cells, more, code, words):
    stopped = attempt(tiny(tmp_path / "p", *cells), bank, **more)
    assert stopped.code == code
    assert words in str(stopped) and "one.ipynb" in str(stopped)


@pytest.mark.fault
def test_a_notebook_with_a_parameter_that_no_run_gives_is_refused(tmp_path, bank):
    folder = tiny(tmp_path / "p", "1")
    notebook = nbformat.read(folder / "notebooks/one.ipynb", as_version=4)
    notebook.cells[0].source += "\nmin_gruop = 10"
    nbformat.write(notebook, folder / "notebooks/one.ipynb")
    stopped = attempt(folder, bank)
    assert stopped.code == mistakes.ANALYSIS and "min_gruop" in str(stopped)


@pytest.mark.fault
def test_too_few_people_are_not_reported_on(tmp_path, bank):
    stopped = attempt(tiny(tmp_path / "p", "1"), bank, min_group=5_000)
    assert stopped.code == mistakes.TOO_SMALL and "min_group" in str(stopped)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "bring all of it, set as_of before"),
        ({"last_cycle_share": 0.1, "max_age_days": 0}, "too old: their last"),
    ],
)
def test_half_a_last_cycle_and_old_data_are_not_reported_on(tmp_path, bank, more, words):
    data = tmp_path / "data"
    shutil.copytree(bank, data)
    reviews = pd.read_csv(data / "reviews.csv", dtype=str)
    last = reviews[reviews.cycle == reviews.cycle.max()].index
    reviews.drop(last[: len(last) * 3 // 5]).to_csv(data / "reviews.csv", index=False)
    stopped = attempt(tiny(tmp_path / "p", "1"), data, **more)
    assert stopped.code == mistakes.TOO_SMALL and words in str(stopped)


@pytest.mark.parametrize(
    ("reviews", "is_half"),
    [([100, 90, 40], True), ([100, 90, 45], False), ([90, 20, 90, 18], False), ([9], False)],
)
def test_a_cycle_is_half_empty_beside_the_smaller_of_the_two_before(reviews, is_half):
    assert contents.is_half_empty(pd.DataFrame({"reviews": reviews}), 0.5) == is_half


def _release(document, out):
    said = []
    with journal.opened(out, document["run"]["report"], 5, said.append) as log:
        for name in document["run"]["notebooks"]:
            (log.work / f"{name}.ipynb").write_text("{}")
        until = time.monotonic() + 60
        with Pool(log.scratch, log.run_id, jobs=1, until=until) as pool:
            publish.publish({log.work: document}, (), "", log, pool)
    return [event.text for event in said if event.state == "warning"]


@pytest.fixture
def small(edition, monkeypatch):
    """The shipped edition's document; without a PDF, as on a machine that cannot make one."""

    def none(page):
        raise paper.Unprinted("No PDF was made.")

    monkeypatch.setattr(paper, "pdf", none)
    return json.loads(json.dumps(edition.document))


@pytest.mark.fault
def test_an_edition_is_in_the_ledger_before_it_is_in_its_place(small, tmp_path, monkeypatch):
    """Killed between the two: a line too many, never one too few."""

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(publish, "_move", killed)
    with pytest.raises(KeyboardInterrupt):
        _release(small, tmp_path / "out")
    assert len(results.ledger(tmp_path / "out")[0]) == 1
    assert not (tmp_path / "out/northbank").exists()


@pytest.mark.e2e
def test_what_cannot_be_read_of_before_is_said_and_stops_nothing(small, tmp_path):
    out = tmp_path / "out"
    (out / "northbank/2025-12-31").mkdir(parents=True)
    (out / "northbank/2025-12-31/results.json").write_text("{")
    (out / "ledger.jsonl").write_text("{}\n")
    said = _release(small, out)
    assert said[0].startswith("Line 1 of ledger.jsonl cannot be read")
    assert (
        "The edition of 2025-12-31 is not compared with" in said[1] and "cannot be read" in said[1]
    )
    assert "No PDF was made." in said
    assert (out / "northbank/2026-06-30/summary.txt").is_file()
    assert not (out / "northbank/2026-06-30/report.pdf").exists()


@pytest.mark.e2e
def test_an_edition_that_would_tell_of_individuals_is_not_published(small, tmp_path):
    small["pictures"][0]["rows"][0] |= {"shown": False, "people": 3}
    with pytest.raises(Stopped, match="would tell of individuals") as stopped:
        _release(small, tmp_path / "out")
    assert stopped.value.code == mistakes.ANALYSIS
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".runs"]


@pytest.mark.e2e
def test_the_next_edition_is_compared_with_this_one(small, tmp_path):
    out = tmp_path / "out"
    _release(small, out)
    later = json.loads(json.dumps(small))
    later["run"] |= {"as_of": "2026-12-31", "run_id": "later"}
    later["data"] |= {"as_of": "2026-12-31", "fingerprint": "later"}
    _release(later, out)
    assert "30 June 2026" in (out / "northbank/2026-12-31/report.html").read_text()


@pytest.mark.fault
def test_a_place_that_is_a_file_is_refused_before_the_work(tmp_path, bank):
    (tmp_path / "out").write_text("mine")
    params = project(tmp_path / "p", bank, ["coverage"])
    with pytest.raises(Stopped, match="is a file, not a folder") as stopped:
        run.run(params, tmp_path / "out", progress=lambda line: pytest.fail(line))
    assert stopped.value.code == mistakes.PUBLISH and (tmp_path / "out").read_text() == "mine"


@pytest.mark.fault
@pytest.mark.parametrize("handed", ["'flows': [{}]", "'coverage': [{}]", "'pictures': [{}]"])
def test_what_a_notebook_hands_over_past_the_gate_is_not_published(tmp_path, bank, handed):
    """Figures of which it is not known how far people move them were not moved either."""
    chapter = "{'notebook': 'one', 'results': [], " + handed + "}"
    tiny(tmp_path, f"import json\nopen(out, 'w').write(json.dumps({chapter}))")
    params = tmp_path / "params/one.yml"
    params.write_text(yaml.safe_dump({"report": "r", "data": str(bank), "notebooks": ["one"]}))
    with pytest.raises(Stopped, match="figures that were not moved: end it with la.hand_over"):
        run.run(params)
    assert not (tmp_path / "out/r").exists()


@pytest.mark.fault
def test_a_path_with_braces_spaces_and_accents_is_a_path(tmp_path, bank):
    folder = tiny(
        tmp_path / "p {x} ü",
        "import json\nopen(out, 'w').write(json.dumps({'notebook': 'one', 'results': []}))",
    )
    params = folder / "params/one.yml"
    params.write_text(yaml.safe_dump({"report": "r", "data": str(bank), "notebooks": ["one"]}))
    assert run.run(params).report.is_file()


@pytest.mark.e2e
def test_an_edition_ends_where_it_says_and_tells_of_no_folder(bank, tmp_path):
    """An earlier as_of cuts what is counted; small numbers cannot be worked out; paths stay at
    home.
    """
    params = project(tmp_path / "jane.doe", bank, ["coverage"], as_of="2025-01-31")
    edition = run.run(params)
    tables = {row["table"]: row for row in edition.document["data"]["tables"]}
    assert tables["reviews"]["last"] <= "2025-01" and len(tables["reviews"]["last"]) == 7
    assert tables["people"]["first"] in ("", None)
    for name in ("report.html", "results.json", "manifest.json"):
        text = (edition.folder / name).read_text()
        assert "jane.doe" not in text and str(bank) not in text


@pytest.mark.fault
def test_too_few_reviewed_by_an_early_as_of_are_not_reported_on(tmp_path, bank):
    stopped = attempt(tiny(tmp_path / "p", "1"), bank, as_of="2023-01-01")
    assert stopped.code == mistakes.TOO_SMALL


# --- the params file


def spec_with(tmp_path: Path, **more) -> Path:
    spec = {"report": "small", "data": "../data", "notebooks": ["coverage"]} | more
    params = project(tmp_path / "p", Path("data"), [])
    params.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return params


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"min_gruop": 10}, "did you mean 'min_group'?"),
        ({"report": "../elsewhere"}, "small letters, digits"),
        ({"report": ""}, "small letters, digits"),
        ({"notebooks": ["../coverage"]}, "small letters, digits"),
        ({"notebooks": ["nothing"]}, "are not there"),
        ({"notebooks": ["coverage", "coverage"]}, "names a notebook twice"),
        ({"notebooks": []}, "is empty"),
        ({"min_group": 4}, "greater than or equal to 5"),
        ({"min_group": "ten"}, "valid integer"),
        ({"as_of": "30.06.2026"}, "is not a date as YYYY-MM-DD"),
        ({"embargo_days": -1}, "greater than or equal to 0"),
        ({"deadline_minutes": float("nan")}, "finite number"),
        ({"smallest_effect": {"rating": 0.1}}, "is not a key this file knows"),
        ({"smallest_effect": {"rating_sd": 0}}, "greater than 0"),
        ({"engine": "pandas"}, "duckdb"),
        ({"units": ["Retail 1", "Retail 2"]}, "start with company"),
        ({"units": []}, "is empty"),
        ({"last_cycle_share": 2}, "less than or equal to 1"),
    ],
)
def test_bad_params_are_refused_before_anything_starts(tmp_path, more, words):
    with pytest.raises(DataError, match=re.escape(words)):
        run.read_spec(spec_with(tmp_path, **more))


def test_every_shipped_params_file_is_valid():
    for params in sorted((ROOT / "params").glob("*.yml")):
        assert run.read_spec(params).report == params.stem


def test_paths_start_from_the_params_file_wherever_one_stands(tmp_path, monkeypatch):
    params = spec_with(tmp_path)
    monkeypatch.chdir(os.path.sep)
    assert run.read_spec(params).data == "../data"
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "p" / "data"))):
        run.run(params)

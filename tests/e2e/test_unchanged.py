"""A run of which nothing has changed leaves the edition as it is; whatever changes, it is made anew."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from tests.faults import project, snapshot

from learnalign.data import reading
from learnalign.data.contract import read_meta
from learnalign.data.mistakes import Stopped
from learnalign.privacy import keys
from learnalign.runs import doctor, documents, journal, publish, run, unchanged
from learnalign.runs.spec import read_spec
from northbank import tables as simulate

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A project with its data and one edition."""
    home = tmp_path_factory.mktemp("made")
    simulate.write(simulate.northbank(people=200, cycles=3, seed=2), home / "data")
    run.run(project(home, Path("../data"), notebooks=["one"]))
    return home


@pytest.fixture
def home(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "home"))


def again(home: Path, **how) -> tuple[str, list[str]]:
    """The run that made the edition, after another run; and the states that this one reached."""
    states = []
    edition = run.run(
        home / "params/r.yml", progress=lambda event: states.append(event.state), **how
    )
    return json.loads((edition.folder / "results.json").read_text())["run"]["run_id"], states


def is_made_anew(home: Path, params: str = "r.yml", **how) -> bool:
    """Whether a run goes on to link the data; it is ended there, which takes no notebook's time."""
    states = []

    def tell(event: journal.Event) -> None:
        states.append(event.state)
        if event.state == "linked":
            raise RuntimeError("enough")

    try:
        run.run(home / "params" / params, progress=tell, **how)
    except Stopped:
        assert states[-2:] == ["linked", "failed"]
        return True
    assert states[-2:] == ["unchanged", "recorded"]
    return False


def published(home: Path) -> dict[str, bytes]:
    return snapshot(home / "out/r")


def run_id(home: Path) -> str:
    (path,) = (home / "out/r").glob("*/results.json")
    return json.loads(path.read_text())["run"]["run_id"]


def test_what_has_not_changed_stands_to_the_byte(home):
    before, ledger = published(home), (home / "out/ledger.jsonl").read_bytes()
    same, states = again(home)
    assert states == ["planned", "locked", "checked", "unchanged", "recorded"]
    assert published(home) == before
    assert same == run_id(home)
    assert (home / "out/ledger.jsonl").read_bytes() == ledger
    history = pd.read_parquet(home / "out/history.parquet")
    assert set(history.run_id) <= {same}


def test_it_is_made_anew_when_that_is_asked_for(home):
    before = run_id(home)
    after, states = again(home, anew=True)
    assert after == run_id(home) != before
    assert "captured" in states


def a_value(home: Path) -> None:
    path = home / "data/reviews.csv"
    reviews = pd.read_csv(path)
    reviews.loc[0, "rating"] = 3 if reviews.rating[0] != 3 else 4
    reviews.to_csv(path, index=False)


def what_is_told_of_the_data(home: Path) -> None:
    path = home / "data/dataset.yml"
    meta = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(meta | {"title": "Another bank"}))


def a_parameter(home: Path) -> None:
    path = home / "params/r.yml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"min_group": 12}))


def a_notebook(home: Path) -> None:
    path = home / "notebooks/one.ipynb"
    path.write_text(path.read_text().replace("import json", "import json  # again"))


def an_edition_before(home: Path) -> None:
    (now,) = (home / "out/r").glob("*")
    shutil.copytree(now, now.with_name("2001-01-01"))


def a_published_file(home: Path) -> None:
    (page,) = (home / "out/r").glob("*/report.html")
    page.write_text(page.read_text() + " ")


def a_lost_file(home: Path) -> None:
    (page,) = (home / "out/r").glob("*/summary.txt")
    page.unlink()


def the_journal_of_who_made_it(home: Path) -> None:
    (home / f"out/.runs/r/{run_id(home)}.jsonl").unlink()


def the_end_of_that_journal(home: Path) -> None:
    path = home / f"out/.runs/r/{run_id(home)}.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def the_line_in_the_list_of_editions(home: Path) -> None:
    (home / "out/ledger.jsonl").write_text("")


CHANGES = [
    the_line_in_the_list_of_editions,
    a_value,
    what_is_told_of_the_data,
    a_parameter,
    a_notebook,
    an_edition_before,
    a_published_file,
    a_lost_file,
    the_journal_of_who_made_it,
    the_end_of_that_journal,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_whatever_has_changed_makes_it_anew(home, change):
    change(home)
    assert is_made_anew(home)


def test_a_journal_that_is_not_kept_any_more_is_not_missed(home):
    assert not is_made_anew(home)
    the_journal_of_who_made_it(home)
    assert not is_made_anew(home)


def test_rows_after_an_earlier_as_of_are_told_of_and_count(home):
    """The account tells how many lie after the day; the state of the data knows nothing of them."""
    params, log = home / "params/r.yml", SimpleNamespace(out=home / "out", report="r")
    day = pd.Timestamp(read_meta(home / "data/dataset.yml").as_of) - pd.Timedelta(days=200)

    def mark() -> str:
        dataset = reading.read(home / "data", str(day.date()))
        line = publish.line(
            SimpleNamespace(run_id="", report="r"), "", str(day.date()), dataset.fingerprint, 30
        )
        return unchanged.made_from(read_spec(params), {}, dataset, line, {}, log)

    before, path = mark(), home / "data/learning.csv"
    learning = pd.read_csv(path)
    learning[learning.learned_on != learning.learned_on.max()].to_csv(path, index=False)
    assert mark() != before


def test_another_library_makes_it_anew(home, monkeypatch):
    monkeypatch.setattr(documents.registry, "build", lambda: "another")
    assert is_made_anew(home)


def test_another_key_is_refused_as_ever(home):
    key = home / "out" / keys.PRIVATE / keys.KEY
    key.write_text("07" * keys.KEY_BYTES)
    with pytest.raises(Stopped, match="another key"):
        again(home)
    assert is_made_anew(home, new_key="the old one was lost")


def test_executed_notebooks_may_be_deleted_when_their_time_is_over(home):
    (restricted,) = (home / "out/r").glob("*/restricted")
    shutil.rmtree(restricted)
    assert not is_made_anew(home)


def test_the_doctor_takes_an_edition_that_stands_for_a_fresh_one(home):
    """A schedule that finds nothing new every night has not stopped."""
    (folder,) = (home / "out/r").glob("*")
    document = json.loads((folder / "results.json").read_text())
    journals = home / "out/.runs/r"
    made = {document["run"]["run_id"]}
    assert journal.stood(journals, made) == []
    assert not is_made_anew(home)
    (when,) = journal.stood(journals, made)
    assert journal.stood(journals, {"another"}) == []
    assert when.isoformat() > document["run"]["finished"]
    (line,) = (x for x in doctor._editions(folder.parent, 1) if x.what == "last edition")
    assert f"{when:%Y-%m-%d %H:%M}" in line.found


def test_how_long_a_run_takes_is_known_from_one_that_took_it(home):
    took = journal._seconds(home / "out/.runs/r")
    assert {*took} == {"", "one"}
    again(home)
    assert journal._seconds(home / "out/.runs/r") == took


def test_two_reports_of_one_place_do_not_take_each_other_for_the_same(home):
    shutil.copyfile(home / "params/r.yml", home / "params/s.yml")
    path = home / "params/s.yml"
    path.write_text(path.read_text().replace("report: r", "report: s"))
    assert is_made_anew(home, params="s.yml")

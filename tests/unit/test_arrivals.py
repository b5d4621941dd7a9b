"""What an import lost, and what was accepted, goes on: to `check`, to a notebook and to the page of a report."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from learnalign import __main__ as cli
from learnalign.data import importing, reading
from learnalign.data.mistakes import DataError
from learnalign.facts import contents
from learnalign.report import page
from learnalign.runs import audit

WHO = [f"W{number:03}" for number in range(100, 140)]
COLUMNS = {"person_id": "No", "hired_on": "In"}
MARKS = {"person_id": "No", "cycle": "Round", "reviewed_on": "On", "rating": "Mark", "unit": "Team"}
DONE = {
    "person_id": "No",
    "learned_on": "On",
    "activity_type": {"constant": "course"},
    "hours": "H",
}


@pytest.fixture
def mapping(tmp_path):
    """Forty people; of forty rows of learning ten are a test account's, and one has no hours."""
    (tmp_path / "raw").mkdir()
    staff = "No,In\n" + "".join(f"{who},2018-01-01\n" for who in WHO)
    marks = [f"{who},2023,2023-12-01,{1 + i % 5},Quay\n" for i, who in enumerate(WHO)]
    done = [f"{who if i < 30 else 'TEST'},2023-05-05,2.5\n" for i, who in enumerate(WHO)]
    done[0] = done[0].replace("2.5", "two or so")
    for name, text in (
        ("staff", staff),
        ("marks", "No,Round,On,Mark,Team\n" + "".join(marks)),
        ("done", "No,On,H\n" + "".join(done)),
    ):
        (tmp_path / "raw" / f"{name}.csv").write_text(text)
    tables = {"people": ("staff", COLUMNS), "reviews": ("marks", MARKS), "learning": ("done", DONE)}
    made = {
        "source": "raw",
        "dataset": {"title": "Quays", "as_of": "2024-06-30", "rating_scale": [1, 2, 3, 4, 5]},
        "tables": {
            name: {"file": f"{file}.csv", "columns": columns}
            for name, (file, columns) in tables.items()
        },
    }
    (tmp_path / "map.yml").write_text(yaml.safe_dump(made))
    return tmp_path / "map.yml"


def checked(folder: Path, monkeypatch, capsys) -> str:
    monkeypatch.setattr(sys, "argv", ["learnalign", "check", str(folder)])
    cli.main()
    return capsys.readouterr().out


@pytest.mark.slow
def test_an_accepted_loss_is_told_by_all_that_comes_after(mapping, tmp_path, monkeypatch, capsys):
    with pytest.raises(DataError, match="10 of 40 rows would be lost"):
        importing.bring_in(mapping, tmp_path / "own")
    importing.bring_in(mapping, tmp_path / "own", accepted={"learning": "a <b>test</b> account"})
    said = checked(tmp_path / "own", monkeypatch, capsys)
    assert (
        "learning: 10 of 40 rows did not come in" in said and "Got: a <b>test</b> account" in said
    )
    assert "people:" not in said
    found = {one["table"]: one for one in contents.arrivals(reading.read(tmp_path / "own"))}
    wanted = {"lost_up_to_pct": 25, "emptied": True, "accepted": "a <b>test</b> account"}
    assert found["learning"] == {"table": "learning", **wanted}
    assert found["people"]["lost_up_to_pct"] == 0
    about = contents.provenance(reading.read(tmp_path / "own"))["lost on the way"]
    assert about["people"] == "no row lost"
    assert about["learning"].startswith(
        "up to 25 % of rows lost; some values left empty; accepted:"
    )


@pytest.mark.slow
def test_the_page_and_the_results_say_it_and_hold_nothing_else(mapping, tmp_path):
    importing.bring_in(mapping, tmp_path / "own", accepted={"learning": "a <b>test</b> account"})
    document = json.loads((Path(__file__).parents[1] / "documents/rich.json").read_text("utf-8"))
    assert "Lost on the way" not in page.render(document)  # an edition made before
    document["data"]["imported"] = contents.arrivals(reading.read(tmp_path / "own"))
    text = page.render(document)
    assert "Lost on the way" in text and "up to 25 % of rows lost" in text
    assert "a &lt;b&gt;test&lt;/b&gt; account" in text
    told, known = document["data"]["imported"], audit.KEYS["data"]["imported"]
    assert told and not [*audit.strangers(told, known, "data")]


@pytest.mark.slow
def test_data_that_were_not_imported_say_nothing_of_it(monkeypatch, capsys):
    assert contents.arrivals(reading.read("data/demo")) == []
    assert checked(Path("data/demo"), monkeypatch, capsys).count("\n") == 1
    assert "lost on the way" not in contents.provenance(reading.read("data/demo"))

"""The history: every edition once, by its last run, whatever was killed, full, damaged or run side
by side.
"""

import copy
import errno
import itertools
import json
import os
import shutil
import tempfile
import time
from dataclasses import fields, replace
from multiprocessing import get_context
from pathlib import Path
from typing import get_origin, get_type_hints

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnalign.data.mistakes import DataError
from learnalign.privacy.rule import hidden
from learnalign.runs import history
from learnalign.verdicts import document
from learnalign.verdicts.result import Result

DOCUMENT = json.loads((Path(__file__).parents[1] / "documents/rich.json").read_text("utf-8"))
RUN = st.tuples(
    st.sampled_from(["north", "east"]),
    st.sampled_from(["2026-06-30", "2025-12-31"]),
    st.sampled_from([(), ("Sales",), ("Sales", "Retail")]),
    st.booleans(),
    st.booleans(),
)
KEY = ["report", "as_of", "about"]
OF_EDITION = [*KEY, "run_id", "published", "title", "fingerprint", "min_group", "rounded_to"]
OF_EDITION += ["key"]
NAMES = [one.name for one in fields(Result)]
LISTS = [name for name, hint in get_type_hints(Result).items() if get_origin(hint) is tuple]
DAY = "2026-06-30"


def publish(
    out: Path,
    as_of: str = DAY,
    run: str = "run-1",
    report: str = "north",
    units=(),
    estimate: float = 0.25,
    n=4,
):
    """An edition as a run leaves it: `n` results, the second hidden, with a folder of its own for
    each unit.
    """
    place = out / report / as_of
    shutil.rmtree(place, ignore_errors=True)
    for unit in ("", *units):
        made = copy.deepcopy(DOCUMENT)
        made["run"] |= {
            "report": report,
            "as_of": as_of,
            "run_id": run,
            "unit": unit,
            "rounded_to": None,
        }
        rows = list(document.rows_of(made))[:n]
        rows[0] = replace(rows[0], estimate=estimate)
        rows[1:2] = [hidden(row) for row in rows[1:2]]
        made["results"] = [json.loads(json.dumps(row, default=vars)) for row in rows]
        folder = place / "units" / unit.lower() if unit else place
        folder.mkdir(parents=True)
        document.write_json(folder / "results.json", made)
        document.write_json(folder / "manifest.json", {"run_id": run, "unit": unit, "sha256": {}})
    return place


@pytest.fixture
def out(tmp_path):
    return new_out(tmp_path)


def new_out(folder: Path) -> Path:
    (folder / "out/.runs/north/run").mkdir(mode=0o700, parents=True)
    return folder / "out"


def record(out: Path):
    return history.record(out, out / ".runs/north/run")


def file(out: Path) -> Path:
    return out / "history.parquet"


def told(out: Path) -> dict:
    """Of each edition: its runs, how many rows, and its first figure."""
    frame = history.read(out)
    return {
        (key[0], str(key[1])[:10], key[2]): (
            *rows.run_id.unique(),
            len(rows),
            rows.estimate.dropna().iloc[0],
        )
        for key, rows in frame.groupby(KEY)
    }


def aside(out: Path) -> list[str]:
    return sorted(path.name for path in (out / ".runs").glob("history.damaged*"))


# --- editions


def test_columns_types_and_order(out):
    assert history.read(out).columns.tolist() == OF_EDITION + NAMES
    empty = history.read(out)
    publish(out, units=["Sales", "Retail"]), publish(out, "2025-12-31"), publish(out, report="east")
    assert record(out) == ()
    frame = history.read(out)
    assert frame.columns.tolist() == OF_EDITION + NAMES and len(frame) == 5 * 4
    assert frame.dtypes.to_dict() == empty.dtypes.to_dict()
    assert str(frame.as_of.dtype).startswith("datetime64") and str(frame.n_people.dtype) == "Int64"
    assert str(frame.published.dt.tz) == "UTC" and frame.published[0] == pd.Timestamp(
        "2026-07-02T05:07:48Z"
    )
    key = frame[KEY].drop_duplicates().astype(str).values.tolist()
    assert [one[0] for one in key] == ["east"] + ["north"] * 4 and key[1][1] == "2025-12-31"
    assert sorted(one[2] for one in key) == ["Retail", "Sales", "company", "company", "company"]
    assert frame.loc[0, "checks"].startswith('[{"name": "lead test"')


def test_mode_and_no_stray_file(out):
    old = os.umask(0o077)
    try:
        publish(out), record(out)
    finally:
        os.umask(old)
    assert file(out).stat().st_mode & 0o777 == 0o644
    assert (out / ".runs/history.lock").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in out.iterdir()) == [".runs", "history.parquet", "north"]


def test_a_corrected_run_supersedes(out):
    publish(out, estimate=0.25, n=5), record(out)
    publish(out, run="run-2", estimate=0.5, n=4), record(out)
    assert told(out) == {("north", DAY, "company"): ("run-2", 4, 0.5)}


def test_pruned_editions_stay_and_killed_runs_are_caught_up(out):
    publish(out, "2025-12-31"), record(out)
    shutil.rmtree(out / "north/2025-12-31")
    publish(out, run="killed", estimate=0.5)  # and never recorded
    publish(out, report="east"), record(out)
    assert {key: value[0] for key, value in told(out).items()} == {
        ("north", "2025-12-31", "company"): "run-1",
        ("north", DAY, "company"): "killed",
        ("east", DAY, "company"): "run-1",
    }


def test_twice_changes_no_byte(out):
    publish(out, units=["Sales"]), record(out)
    before = file(out).read_bytes()
    assert record(out) == () and file(out).read_bytes() == before
    file(out).unlink()
    record(out)
    assert file(out).read_bytes() == before  # nor does the way by which it came to be


def test_nothing_is_told_that_the_editions_do_not_tell(out):
    places = [publish(out, units=["Sales"]), publish(out, "2025-12-31", estimate=0.5)]
    record(out)
    documents = [
        json.loads(path.read_bytes()) for place in places for path in place.rglob("results.json")
    ]
    for row in pq.read_table(file(out)).to_pylist():
        (one,) = [
            d
            for d in documents
            if d["run"]["as_of"] == str(row["as_of"])
            and (d["run"]["unit"] or "company") == row["about"]
        ]
        shown = row | {name: json.loads(row[name]) for name in LISTS}
        assert {name: shown[name] for name in NAMES} in one["results"]
        assert (row["report"], row["run_id"]) == (one["run"]["report"], one["run"]["run_id"])
        assert (row["title"], row["fingerprint"]) == (
            one["data"]["title"],
            one["data"]["fingerprint"],
        )
        assert row["shown"] or {
            row[name] for name in ("estimate", "low", "high", "n_people", "n_clusters", "std_error")
        } == {None}


def test_only_what_is_behind_is_read(out, monkeypatch):
    publish(out, units=["Sales"]), record(out)
    publish(out, "2025-12-31")
    read = []
    real = document.edition
    monkeypatch.setattr(
        history.results, "edition", lambda folder: read.append(folder) or real(folder)
    )
    record(out), record(out)
    assert read == [out / "north/2025-12-31"]


def test_a_copied_edition_is_none_of_its_own(out):
    place = publish(out, estimate=0.25)
    record(out)
    shutil.copytree(place, place.with_name(f"{DAY}-before"))
    publish(out, run="run-2", estimate=0.5)
    record(out), record(out)
    assert told(out) == {("north", DAY, "company"): ("run-2", 4, 0.5)}


def test_history_from_before_figures_were_moved_goes_on(out):
    publish(out, "2025-12-31")
    record(out)
    old = pq.read_table(out / "history.parquet").drop_columns(["key", "at_least"])
    old = old.append_column("step", pa.nulls(len(old), pa.float64()))
    pq.write_table(old, out / "history.parquet")
    place = publish(out)
    made = json.loads((place / "results.json").read_text("utf-8"))
    made["run"]["noise"] = {"key": "0a1b2c3d"}
    document.write_json(place / "results.json", made)
    assert record(out) == ()
    rows = history.read(out)
    assert len(rows) == 8 and not rows.at_least.any()
    keys = rows.groupby("as_of").key.agg(lambda one: set(one.dropna()))
    assert keys.tolist() == [set(), {"0a1b2c3d"}]


def test_an_edition_of_the_schema_before_is_read(out):
    place = publish(out)
    made = json.loads((place / "results.json").read_text("utf-8"))
    made["schema_version"] = document.BEFORE
    for row in made["results"]:
        row.pop("at_least")
        row["step"] = None
    document.write_json(place / "results.json", made)
    assert document.edition(place)["schema_version"] == document.SCHEMA_VERSION
    assert record(out) == () and len(history.read(out)) == 4
    made["schema_version"] = 2
    document.write_json(place / "results.json", made)
    with pytest.raises(DataError, match="schema 2"):
        document.edition(place)


@pytest.mark.parametrize(
    "broken", ["results.json", "manifest.json", "finished", "rounded_to", "fingerprint"]
)
def test_an_edition_that_cannot_be_read_keeps_no_other_out(out, broken):
    place = publish(out, "2025-12-31")
    if broken.endswith("json"):
        (place / broken).write_text("{")
    else:
        made = json.loads((place / "results.json").read_text("utf-8"))
        (made["data"] if broken == "fingerprint" else made["run"]).pop(broken)
        document.write_json(place / "results.json", made)
    publish(out)
    warnings = record(out)
    assert ("north", DAY, "company") in told(out)
    assert bool(warnings) == (broken in ("results.json", "finished", "fingerprint"))
    assert all("north/2025-12-31" in one for one in warnings)


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=25, deadline=None)
@given(st.lists(RUN, max_size=7))
def test_whatever_the_order_of_runs_it_equals_the_last_edition_of_each(runs):
    """A run publishes; it may be killed before it records, and its edition be pruned after it did."""
    with tempfile.TemporaryDirectory() as folder:
        out, last, waiting = new_out(Path(folder)), {}, {}
        for number, (report, day, units, is_killed, is_pruned) in enumerate(runs):
            place = publish(out, day, f"run-{number}", report, units, estimate=number + 0.5, n=3)
            for key in [key for key in waiting if key[:2] == (report, day)]:
                del waiting[key]  # was published, never recorded, and is gone
            waiting |= {
                (report, day, unit or "company"): (f"run-{number}", 3, number + 0.5)
                for unit in ("", *units)
            }
            if not is_killed:
                record(out)
                last |= waiting
                waiting.clear()
                if is_pruned:
                    shutil.rmtree(place)
        assert told(out) == last


# --- side by side, and no room


def beside(out: Path, number: int) -> None:
    for day in range(3):
        publish(out, f"2025-0{day + 1}-01", f"run-{number}", f"report-{number}")
        work = out / f".runs/north/run-{number}"
        work.mkdir(exist_ok=True)
        history.record(out, work)


def test_two_processes_lose_nothing(out):
    several = [
        get_context("fork").Process(target=beside, args=(out, number)) for number in range(3)
    ]
    for one in several:
        one.start()
    for one in several:
        one.join(60)
    assert [one.exitcode for one in several] == [0, 0, 0]
    assert len(told(out)) == 9 and len(history.read(out)) == 36


@pytest.mark.parametrize("damage", [False, True])
@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_one(out, monkeypatch, call, damage):
    publish(out), record(out)
    publish(out, run="run-2", estimate=0.5)
    if damage:
        file(out).write_bytes(b"no parquet")
    before, work = file(out).read_bytes(), out / ".runs/north/run"

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as planted:
        if call == "write":
            planted.setattr(tempfile, "NamedTemporaryFile", full)
            planted.setattr(pq, "write_table", full)
        else:
            planted.setattr(os, call, full)
        with pytest.raises(OSError, match="No space left"):
            record(out)
    assert file(out).read_bytes() == before
    assert sorted(path.name for path in out.iterdir()) == [".runs", "history.parquet", "north"]
    assert [
        path for path in (out / ".runs").iterdir() if path.name not in ("north", "history.lock")
    ] == []
    shutil.rmtree(work), work.mkdir()
    assert bool(record(out)) == damage  # what was set aside is told by whichever call succeeds
    assert told(out) == {("north", DAY, "company"): ("run-2", 4, 0.5)}


# --- damage


def flip(path: Path) -> bytes:
    """One byte of the estimates is another: still a file that can be read, with another figure in
    it.
    """
    content, group = bytearray(path.read_bytes()), pq.read_metadata(path).row_group(0)
    (column,) = [
        one
        for one in map(group.column, range(group.num_columns))
        if one.path_in_schema == "estimate"
    ]
    start = column.dictionary_page_offset or column.data_page_offset
    content[start + column.total_compressed_size - 3] ^= 0x01
    return bytes(content)


FILES = {
    "no parquet": lambda path: path.write_bytes(b"no parquet"),
    "empty": lambda path: path.write_bytes(b""),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "other columns": lambda path: pd.DataFrame({"a": [1]}).to_parquet(path),
    "written by a script": lambda path: pd.read_parquet(path).to_parquet(path),
    "a row twice": lambda path: pq.write_table(
        pa.concat_tables([pq.read_table(path), pq.read_table(path).slice(0, 1)]), path
    ),
    "a bit that fell over": lambda path: path.write_bytes(flip(path)),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_file_is_set_aside_whole_and_made_again(out, kind):
    publish(out), publish(out, "2025-12-31"), record(out)
    good = file(out).read_bytes()
    FILES[kind](file(out))
    bad = file(out).read_bytes()
    with pytest.raises(DataError, match="made anew|makes it anew"):
        history.read(out)
    (warning,) = record(out)
    (name,) = aside(out)
    assert name in warning and (out / ".runs" / name).read_bytes() == bad
    assert (out / ".runs" / name).stat().st_mode & 0o777 == 0o600
    assert file(out).read_bytes() == good and record(out) == ()


def test_of_a_damaged_file_only_what_is_on_disk_comes_back(out):
    place = publish(out, "2025-12-31")
    publish(out), record(out)
    shutil.rmtree(place)
    file(out).write_bytes(b"no parquet")
    (warning,) = record(out)
    assert "those deleted since are at most in .runs/history.damaged-1.parquet" in warning
    assert [*told(out)] == [("north", DAY, "company")]


def test_what_was_set_aside_is_never_overwritten(out):
    publish(out), record(out)
    kept = set()
    for number in range(3):
        file(out).write_bytes(text := f"damage {number}".encode())
        record(out)
        kept.add(text)
        if number == 1:  # somebody looked at the first and took it away
            first = out / ".runs" / aside(out)[0]
            kept.discard(first.read_bytes()), first.unlink()
    assert kept <= {(out / ".runs" / name).read_bytes() for name in aside(out)}


@pytest.mark.bench
def test_200_editions_take_well_below_a_second(out):
    days = pd.date_range("2010-01-01", periods=200, freq="MS").strftime("%Y-%m-%d")
    for day in days:
        publish(out, day, n=19)
    seconds = {}
    for what in ("all", "none"):
        began = time.perf_counter()
        record(out)
        seconds[what] = time.perf_counter() - began
    assert len(told(out)) == 200 and seconds["none"] < 1, seconds


def test_every_order_of_two_runs_makes_the_same_file(tmp_path):
    made = set()
    for number, days in enumerate(itertools.permutations(["2025-06-30", "2025-12-31", DAY])):
        out = new_out(tmp_path / str(number))
        for day in days:
            publish(out, day), record(out)
        made.add(file(out).read_bytes())
    assert len(made) == 1

"""Linking of many events gives what SQL and pandas, written by hand, give; within its limits."""

import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from learnalign.data import reading
from learnalign.data.contract import MODES
from learnalign.data.engine import UNLIMITED, Limits, bounded
from learnalign.data.mistakes import DataError
from learnalign.data.reading import read
from learnalign.linking.exposures import KINDS
from learnalign.linking.windows import link
from learnalign.runs.spec import read_spec

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import bench_link


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("events")
    bench_link.make(place, 20_000)
    return place


@pytest.fixture(scope="module")
def linked(folder):
    return bench_link.ours(folder)


@pytest.mark.parametrize("way", ["sql", "pandas"])
def test_all_columns_are_those_that_others_would_make(folder, linked, way):
    rows = bench_link.WAYS[way](folder)
    known = {name for name in linked if linked[name].notna().any()}
    assert {*rows.columns} == known
    for name in rows:
        one, other = linked[name].reset_index(drop=True), rows[name]
        same = (one.isna() & other.isna()) | (one == other)
        assert same.fillna(False).all(), name


def test_parts_are_added_up_whatever_mode_mentoring_had_and_whoever_wrote_it_down(folder, tmp_path):
    rng, learning = np.random.default_rng(3), pd.read_parquet(folder / "learning.parquet")
    learning["mode"] = rng.choice([*MODES, None], len(learning))
    learning["recorded_by"] = rng.choice(["self", "system", None], len(learning))
    for name in ("people", "reviews"):
        (tmp_path / f"{name}.parquet").write_bytes((folder / f"{name}.parquet").read_bytes())
    (tmp_path / "dataset.yml").write_bytes((folder / "dataset.yml").read_bytes())
    learning.to_parquet(tmp_path / "learning.parquet")
    dataset = read(tmp_path)
    rows, events = link(dataset).person_cycles, dataset.tables["learning"].execute()
    both = events[events.status == "completed"].merge(rows, on="person_id", suffixes=("", "_"))
    on = both.learned_on
    both = both[(on >= both.window_start) & (on < both.window_end)]
    kind = both["mode"].mask(both.activity_type == "mentoring", "mentoring")
    free = ~both.is_required
    those = {"": free | True, "required_": ~free, "voluntary_": free}
    those |= {"voluntary_system_": free & (both.recorded_by == "system")}
    those |= {f"{mode}_": both["mode"] == mode for mode in MODES}
    those |= {f"voluntary_{name}_": free & (kind == name) for name in KINDS}
    for name, which in those.items():
        own = both[which].groupby(["person_id", "cycle"])
        wanted = pd.DataFrame({"hours": own.hours.sum(), "activities": own.size()})
        found = rows.set_index(["person_id", "cycle"])
        for of in ("hours", "activities"):
            expected = wanted[of].reindex(found.index).fillna(0)
            known = found[f"{name}{of}"].notna()
            assert known.mean() > 0.9
            assert np.allclose(found[f"{name}{of}"][known].astype(float), expected[known]), name


def test_a_limit_that_is_too_small_is_named(folder):
    with pytest.raises(DataError) as caught, bounded(Limits(memory_gb=0.1)):
        raise duckdb.OutOfMemoryException("could not allocate block")
    (one,) = caught.value.problems
    assert (one.table, one.column, one.got) == ("limits", "memory_gb", "0.1 GB")
    with pytest.raises(DataError) as caught, bounded(Limits(memory_gb=0.1, spill_gb=0)):
        raise duckdb.OutOfMemoryException("'max_temp_directory_size' setting")
    (one,) = caught.value.problems
    assert (one.column, one.got) == ("spill_gb", "0.0 GB")


def test_a_table_that_memory_does_not_hold_is_not_called_unreadable(folder, monkeypatch):
    def refused(*_):
        raise duckdb.OutOfMemoryException("could not allocate block")

    monkeypatch.setattr(reading, "table_problems", refused)
    assert {one.column for one in reading.check(folder)} == {"memory_gb"}


def test_a_full_disk_is_a_full_disk():
    with pytest.raises(OSError, match="No space left"), bounded(Limits(memory_gb=0.1)):
        raise duckdb.OutOfMemoryException("'max_temp_directory_size' setting")
    with pytest.raises(OSError, match="No space left"), bounded(UNLIMITED):
        raise duckdb.IOException("Could not write file: No space left on device")
    with pytest.raises(duckdb.IOException, match="torn"), bounded(UNLIMITED):
        raise duckdb.IOException("torn")


def test_the_engine_takes_no_more_than_it_was_told(folder):
    engine = read(folder, limits=Limits(memory_gb=0.5, threads=1)).tables["learning"]
    said = "SELECT current_setting('memory_limit'), current_setting('threads')"
    size, threads = engine._find_backend().con.execute(said).fetchone()
    assert (size, threads) == ("476.8 MiB", 1)


@pytest.mark.parametrize(
    ("said", "column"),
    [
        ("{memory_gb: 0}", "memory_gb"),
        ("{threads: none}", "threads"),
        ("{memry_gb: 4}", "memry_gb"),
    ],
)
def test_limits_in_a_params_file_are_checked(tmp_path, said, column):
    params = tmp_path / "own.yml"
    params.write_text(f"report: own\ndata: data\nnotebooks: [coverage]\nlimits: {said}\n")
    with pytest.raises(DataError) as caught:
        read_spec(params)
    assert column in str(caught.value)

"""What a run links once is, to the last bit, what every notebook would have made itself; and never
for another day.
"""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from learnalign.data import kept, reading
from learnalign.data.contract import COLUMNS
from learnalign.linking import account, journeys, teams, windows
from northbank import tables

DEMO = Path(__file__).parents[2] / "data/demo"
CASES = {  # each is several seconds of compiling; the shipped bank has everything
    "people and reviews alone": tuple(sorted(set(COLUMNS) - {"people", "reviews"})),
    "no assessments": ("assessments",),
    "no acknowledgements, no triggers": ("acknowledgements", "assessments.trigger"),
    "no managers, no rewards": ("reviews.manager_id", "rewards"),
    "tables without rows": ("learning rows", "assessments rows", "acknowledgements rows"),
}


@pytest.fixture(scope="module")
def company() -> tables.Company:
    return tables.northbank(people=150, cycles=4, seed=3)


@pytest.fixture
def without(company, tmp_path):
    """A data set on disk, without the named tables, columns, or rows."""

    def write(*missing: str) -> Path:
        folder = tables.write(company, tmp_path / "data")
        for path in folder.glob("*.csv"):
            frame = pd.read_csv(path, dtype=str)
            frame = frame.drop(columns=[c for c in frame.columns if f"{path.stem}.{c}" in missing])
            gone = f"{path.stem} rows" in missing
            frame.iloc[: 0 if gone else None].to_csv(path, index=False)
            if path.stem in missing:
                path.unlink()
        return folder

    return write


def made(dataset: reading.DataSet, embargo_days: int = 30) -> dict[str, pd.DataFrame]:
    """Everything that notebooks link, by whichever way the library takes."""
    linked, found = windows.link(dataset, embargo_days=embargo_days), journeys.gap_journeys(dataset)
    return (
        vars(linked)
        | {f"journeys {key}": frame for key, frame in vars(found).items()}
        | {"teams": teams.team_quarters(dataset)}
    )


def listed(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with arrays in its cells as lists: who is meant, and in which order, is the same."""

    def plain(cell):
        return cell.tolist() if isinstance(cell, np.ndarray) else cell

    columns = frame.columns[frame.dtypes.astype(str) == "object"]
    return frame.assign(**{name: frame[name].map(plain).astype(object) for name in columns})


def assert_same(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    assert found.keys() == expected.keys()
    for name, frame in expected.items():
        assert found[name].columns.dtype == frame.columns.dtype
        assert found[name].attrs == frame.attrs
        one, other = listed(found[name]), listed(frame)
        pd.testing.assert_frame_equal(
            one, other, check_exact=True, check_index_type="exact", obj=name
        )
        for column in other.columns[
            other.dtypes.astype(str) == "object"
        ]:  # None and NaN too are told apart
            assert [*map(type, one[column])] == [*map(type, other[column])], column


def prepared(
    folder: Path, into: Path, embargo_days: int = 30, as_of: str | None = None
) -> reading.DataSet:
    into.mkdir()
    windows.prepare(reading.read(folder, as_of=as_of), into, embargo_days=embargo_days)
    return reading.read(into, as_of=as_of)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_what_was_prepared_is_what_would_be_made(without, tmp_path, case):
    folder = without(*CASES[case])
    own = reading.read(folder)
    once = prepared(folder, tmp_path / "run")
    assert account.prepared(once, "team_quarters") is not None
    assert_same(made(once), made(own))
    assert (once.meta, once.filled, once.fingerprints) == (own.meta, own.filled, own.fingerprints)
    for name, table in own.tables.items():
        assert once.tables[name].schema() == table.schema()
        pd.testing.assert_frame_equal(
            once.tables[name].execute(), table.execute(), check_exact=True, obj=name
        )


def test_the_shipped_bank_as_its_report_reads_it(tmp_path):
    once = prepared(DEMO, tmp_path / "run", as_of="2026-06-30")
    assert_same(made(once), made(reading.read(DEMO, as_of="2026-06-30")))


@pytest.fixture(scope="module")
def run_folder(company, tmp_path_factory) -> Path:
    """A small company, prepared; for reading only."""
    place = tmp_path_factory.mktemp("once")
    return prepared(tables.write(company, place / "data"), place / "run").folder


@pytest.fixture
def own(run_folder, tmp_path) -> Path:
    """A copy of it to spoil; times of files are kept."""
    return shutil.copytree(run_folder, tmp_path / "run")


def test_nothing_is_linked_twice(run_folder, monkeypatch):
    once = reading.read(run_folder)

    def refuse(*_, **__):
        raise AssertionError("linked again")

    monkeypatch.setattr(windows, "_with_windows", refuse)
    monkeypatch.setattr(journeys, "_assessed_days", refuse)
    monkeypatch.setattr(teams, "_quarters", refuse)
    made(once)
    with pytest.raises(AssertionError, match="linked again"):
        windows.link(once, embargo_days=31)


@pytest.mark.slow
def test_another_embargo_or_day_is_linked_anew(run_folder):
    source = run_folder.parent / "data"
    once, today = reading.read(run_folder), reading.read(source)
    assert_same(vars(windows.link(once, embargo_days=0)), vars(windows.link(today, embargo_days=0)))
    day = str(today.as_of.replace(year=today.as_of.year - 1))
    earlier, then = (reading.read(folder, as_of=day) for folder in (run_folder, source))
    assert earlier.fingerprints == then.fingerprints != once.fingerprints
    assert account.prepared(earlier, "team_quarters") is None
    found = made(earlier)
    assert_same(found, made(then))
    assert len(found["person_cycles"]) < len(windows.link(once).person_cycles)


def rewritten(path: Path, mark: Path, change) -> None:
    """A Parquet file changed after the mark was written, by the clock too."""
    change(pd.read_parquet(path)).to_parquet(path)
    later = mark.stat().st_mtime + 1
    os.utime(path, (later, later))


def spoil_table(folder: Path) -> None:
    """The best rated of all has the lowest rating now: a table as good as any."""

    def change(reviews):
        best = reviews.rating.idxmax()
        return reviews.assign(
            rating=reviews.rating.where(reviews.index != best, reviews.rating.min())
        )

    rewritten(folder / "reviews.parquet", folder / kept.MARK, change)


def spoil_frame(folder: Path) -> None:
    path = folder / kept.FRAMES / "person_cycles.parquet"
    rewritten(path, folder / kept.MARK, lambda cycles: cycles.iloc[::2])


def spoil_version(folder: Path) -> None:
    mark = json.loads((folder / kept.MARK).read_text())
    (folder / kept.MARK).write_text(
        json.dumps(mark | {"versions": mark["versions"] | {"duckdb": "0"}})
    )


SPOILED = {
    "a table changed": spoil_table,
    "a frame changed": spoil_frame,
    "other versions": spoil_version,
    "a torn mark": lambda folder: (folder / kept.MARK).write_text('{"as_of": '),
    "no object": lambda folder: (folder / kept.MARK).write_text("[]"),
    "no mark": lambda folder: (folder / kept.MARK).unlink(),
    "no frames": lambda folder: shutil.rmtree(folder / kept.FRAMES),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", SPOILED)
def test_a_mark_that_does_not_hold_is_no_mark(own, how):
    """Nothing is taken of what it spoke of: the folder is as any of tables, checked, linked anew,
    and under the fingerprints of what it holds now.
    """
    before = reading.read(own)
    assert account.prepared(before, "team_quarters") is not None
    cycles = account.prepared(before, "person_cycles")[0]
    SPOILED[how](own)
    assert kept.marked(own) is None and account.prepared(before, "team_quarters") is None
    again = reading.read(own)
    assert again.known is None and again.filled == before.filled
    changed = {name for name, one in before.fingerprints.items() if again.fingerprints[name] != one}
    is_other = how == "a table changed"
    assert changed == ({"reviews"} if is_other else set())
    assert (again.fingerprint == before.fingerprint) is not is_other
    assert windows.link(again).person_cycles.equals(cycles) is not is_other


@pytest.mark.slow
def test_other_data_under_the_same_mark_are_linked_anew(run_folder):
    once = reading.read(run_folder)
    assert account.prepared(once, "team_quarters") is not None
    other = dataclasses.replace(once, known=once.fingerprints | {"reviews": "0" * 64})
    assert account.prepared(other, "team_quarters") is None


@pytest.mark.slow
def test_tables_that_break_the_contract_are_never_taken_unchecked(own):
    path = own / "reviews.parquet"
    rewritten(path, own / kept.MARK, lambda reviews: reviews.assign(rating=99))
    with pytest.raises(reading.DataError, match="rating"):
        reading.read(own)


def test_nobody_else_may_look_at_the_frames(run_folder):
    assert (run_folder / kept.FRAMES).stat().st_mode & 0o077 == 0

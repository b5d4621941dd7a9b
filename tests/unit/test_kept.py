"""What a study keeps beside its data is read again only while everything it is about is the same."""

import os
import stat
import warnings
from pathlib import Path

import pandas as pd
import pytest

import learnalign as la
from learnalign.data import kept, reading
from learnalign.data.mistakes import DataError

ABOUT = {"what": "link", "as_of": "2026-06-30", "embargo_days": 30, "files": "a", "build": "b"}


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    day = pd.to_datetime(["2026-01-31", None]).astype("datetime64[s]")
    people = pd.DataFrame({"person_id": ["a", "b"], "on": day, "n": pd.array([1, None], "Int64")})
    return {"rows": people, "empty": people.iloc[:0]}


@pytest.fixture
def place(tmp_path) -> Path:
    return tmp_path / ".private" / "linked"


def asked(place: Path, about: dict, frames: dict) -> tuple[dict, bool]:
    """What comes, and whether it was made."""
    calls = []
    found = kept.once(place, about, lambda: calls.append(1) or frames)
    return found, bool(calls)


def test_it_is_made_once_and_comes_back_the_same(place, frames):
    assert asked(place, ABOUT, frames)[1]
    found, made = asked(place, ABOUT, {})
    assert not made
    assert found.keys() == frames.keys()
    for name, frame in frames.items():
        pd.testing.assert_frame_equal(found[name], frame)


def test_what_comes_back_may_be_widened_without_a_warning(place):
    wide = pd.DataFrame({f"c{n}": [0.5] for n in range(150)})
    asked(place, ABOUT, {"wide": wide})
    found = asked(place, ABOUT, {})[0]["wide"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pandas warns of more than a hundred blocks
        assert found.assign(more=1).shape == (1, 151)


@pytest.mark.parametrize("key", ABOUT)
def test_it_is_made_anew_when_anything_differs(place, frames, key):
    asked(place, ABOUT, frames)
    assert asked(place, ABOUT | {key: "other"}, frames)[1]
    assert not asked(place, ABOUT, {})[1]  # and the former is still there


def test_nobody_else_may_look(place, frames):
    asked(place, ABOUT, frames)
    folders = [place.parent, place, *(path for path in place.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_what_was_touched_or_torn_is_made_anew(place, frames):
    asked(place, ABOUT, frames)
    (one,) = place.rglob("rows.parquet")
    one.write_bytes(one.read_bytes()[:40])
    assert asked(place, ABOUT, frames)[1]
    (mark,) = place.rglob(kept.MARK)
    os.utime(one := next(place.rglob("rows.parquet")), ns=(0, mark.stat().st_mtime_ns - 1))
    one.unlink()  # nothing is newer than the mark, and a frame is missing
    assert asked(place, ABOUT, frames)[1]


def test_only_the_last_are_kept(place, frames):
    for number in range(kept.MOST + 3):
        asked(place, ABOUT | {"embargo_days": number}, frames)
    assert len([*place.iterdir()]) == kept.MOST
    assert not asked(place, ABOUT | {"embargo_days": kept.MOST + 2}, {})[1]


def test_where_nothing_can_be_written_it_is_made_each_time(tmp_path, frames):
    link = tmp_path / ".private"
    link.symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        found, made = asked(link / "linked", ABOUT, frames)
        assert made and found is frames
    assert [*tmp_path.iterdir()] == [link]


@pytest.fixture
def data(tmp_path, write_tables) -> Path:
    people = pd.DataFrame({"person_id": ["a", "b"], "hired_on": "2020-01-01"})
    reviews = pd.DataFrame(
        {
            "person_id": ["a", "b"],
            "cycle": "2023",
            "reviewed_on": "2023-12-31",
            "rating": [3, 4],
            "unit": "u",
        }
    )
    return write_tables(tmp_path / "data", {"people": people, "reviews": reviews})


def test_a_second_study_of_the_same_files_links_nothing(data, monkeypatch):
    first = la.study(data)
    cycles = first.cycles
    monkeypatch.setattr("learnalign.linking.windows.link", None)
    pd.testing.assert_frame_equal(la.study(data).cycles, cycles)
    with pytest.raises(TypeError):  # of another embargo nothing was kept
        la.study(data, embargo_days=10).cycles  # noqa: B018


def test_a_changed_file_is_linked_anew(data):
    rating = la.study(data).cycles.rating.tolist()
    file = data / "reviews.csv"
    file.write_text(file.read_text().replace(",4,", ",5,"))
    assert la.study(data).cycles.rating.tolist() != rating


def test_a_file_that_changed_while_a_study_was_open_is_not_kept_as_what_was_read(data):
    study = la.study(data)
    file, before = data / "reviews.csv", (data / "reviews.csv").read_text()
    file.write_text(before.replace(",4,", ",5,"))
    assert study.cycles.rating.tolist() == [3, 4]  # as it was read
    assert not (data / ".private" / "linked").exists()


def test_files_that_were_checked_are_not_checked_or_hashed_again(data, monkeypatch):
    first = la.study(data)
    told = first.fingerprint
    monkeypatch.setattr("learnalign.data.reading.table_problems", None)
    monkeypatch.setattr("learnalign.data.reading._digest", None)
    again = la.study(data)
    assert again.fingerprint == told
    assert again.cycles.rating.tolist() == first.cycles.rating.tolist()
    with pytest.raises(TypeError):  # of another day nothing is known
        la.study(data, as_of="2023-12-31")


def test_a_file_that_changed_since_is_checked_again(data, monkeypatch):
    la.study(data).fingerprint  # noqa: B018
    file = data / "reviews.csv"
    file.write_text(file.read_text().replace(",4,", ",high,"))
    with pytest.raises(DataError, match="rating"):
        la.study(data)


def test_a_file_that_changes_while_it_is_opened_is_checked(data, monkeypatch):
    la.study(data).fingerprint  # noqa: B018
    file, read = data / "reviews.csv", reading.read

    def changed(*about, known=None, **more):
        if known:
            file.write_text(file.read_text().replace("2023-12-31,4,", "2033-12-31,4,"))
        return read(*about, known=known, **more)

    monkeypatch.setattr(reading, "read", changed)
    with pytest.raises(DataError, match="reviewed_on"):
        la.study(data)


@pytest.mark.parametrize("how", ["link", "others"])
def test_what_others_may_have_put_there_is_not_taken(data, how, monkeypatch):
    la.study(data).fingerprint  # noqa: B018
    private = data / ".private"
    if how == "link":
        private.rename(data.parent / "elsewhere")
        private.symlink_to(data.parent / "elsewhere")
    else:
        private.chmod(0o777)
    monkeypatch.setattr("learnalign.data.reading.table_problems", None)
    with pytest.raises(TypeError):
        la.study(data)

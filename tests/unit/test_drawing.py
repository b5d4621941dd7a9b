"""Under which key an edition is made, and when a reason is asked for."""

import math

import numpy as np
import pandas as pd
import pytest

from learnalign.data.mistakes import Stopped
from learnalign.privacy import gate, keys
from learnalign.runs import drawing
from learnalign.runs.units import Part
from learnalign.verdicts.document import Line

LINE = Line("run-2", "north", "2026-06-30", "Northbank", "f0", "")


def line(fingerprint="f0", key="", **about):
    about = {"as_of": LINE.as_of, "title": LINE.title, "report": "north"} | about
    return Line("run-1", fingerprint=fingerprint, digest="", key=key, **about)


def test_a_first_edition_makes_a_key_and_counts_one_state(tmp_path):
    found = drawing.key_of(tmp_path, (), LINE)
    assert found == drawing.Key(keys.secret_of(tmp_path), 1, "")


def test_a_second_key_wants_a_reason_and_tells_it(tmp_path):
    before = [line(key="0a1b2c3d"), line(key="")]  # one before figures were moved asks for nothing
    with pytest.raises(Stopped, match="0a1b2c3d.*--new-key REASON") as stopped:
        drawing.key_of(tmp_path, before, LINE)
    assert stopped.value.code == 2
    found = drawing.key_of(tmp_path, before, LINE, new_key="the disk was lost")
    assert found.reason == "the disk was lost"
    same = [line(key=keys.mark(found.secret))]
    assert drawing.key_of(tmp_path, same, LINE).reason == ""
    assert drawing.key_of(tmp_path, before[1:], LINE).reason == ""


def test_the_fourth_state_of_a_day_wants_a_reason(tmp_path):
    key = keys.mark(keys.secret_of(tmp_path))
    before = [line(f"f{number}", key) for number in (1, 1, 2, 2)]  # two states, each twice
    assert drawing.key_of(tmp_path, before, LINE).states == 3
    assert drawing.key_of(tmp_path, [*before, line("f0", key)], LINE).states == 3  # the same again
    others = [line("f3", key, as_of="2025-12-31"), line("f4", key, title="another")]
    assert drawing.key_of(tmp_path, [*before, *others], LINE).states == 3
    # the same data under another title are no other state; told of another day, or window, they are
    assert drawing.key_of(tmp_path, [*before, line("f0", key, title="another")], LINE).states == 3
    for about in ({"as_of": "2026-07-01"}, {"embargo_days": 31, "title": "another"}):
        with pytest.raises(Stopped, match="3 states.*--again REASON"):
            drawing.key_of(tmp_path, [*before, line("f0", key, **about)], LINE)
    more = [*before, line("f3", key, report="another name")]  # a new name is no new day
    with pytest.raises(Stopped, match="3 states.*--again REASON"):
        drawing.key_of(tmp_path, more, LINE)
    assert drawing.key_of(tmp_path, more, LINE, again="a late export").states == 4


def test_the_worst_person_is_found_over_notebooks_and_units(tmp_path):
    parts = [Part("", "", None, tmp_path), Part("Ops", "ops", None, tmp_path / "ops")]
    (tmp_path / "ops").mkdir()
    told = [("a", "ana", 0.6), ("a", "ben", 0.2)], [("a", "ana", 0.6), ("b", "ana", 0.8)]
    for part, rows in zip(parts, told, strict=True):
        frame = pd.DataFrame(rows, columns=["figure", "person", "moves"])
        frame.astype({"figure": "category"}).to_parquet(part.work / "coverage.told.parquet")
    own = gate.Gate(gate.Rule(10), keys.Draws(b"x" * 32, "s"))
    own.people([f"p{n}" for n in range(50)])
    found = drawing.worst(parts, ["coverage"], [own])
    assert found == pytest.approx(math.sqrt((0.6**2 + 0.8**2) / 2))  # a counts once


def test_how_much_more_noise_than_is_needed_is_drawn_for_each_state():
    """A step of the factor would else tell that the person is gone to whom it was due."""
    found = [drawing.margin(b"x" * 32, f"state {n}") for n in range(500)]
    assert min(found) >= 1 and np.log(found).std() > 0.1
    assert 1.1 < np.median(found) < 1.2
    with_units = drawing.margin(b"x" * 32, "state 7", with_units=True)
    assert with_units == pytest.approx(drawing.WITH_UNITS * found[7], abs=0.02)
    assert drawing.margin(b"x" * 32, "state 7") == found[7] != drawing.margin(b"y" * 32, "state 7")


@pytest.mark.parametrize(("factor", "mu", "more"), [(1, 1.3, 1.28), (1, 2.4, 8), (1.5, 1.21, 1.58)])
def test_more_noise_is_enough_where_all_noise_grows(factor, mu, more):
    assert drawing.more(factor, mu) == more > factor
    assert mu * factor / more <= gate.MOST

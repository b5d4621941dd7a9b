"""Keys: who has one, and that draws are the same where they must be and others where they must."""

import os
import stat

import numpy as np
import pytest
from scipy import stats

from learnalign.data.mistakes import DataError, Stopped
from learnalign.privacy import keys

SECRET, OTHER = b"\x01" * 32, b"\x02" * 32


def test_draws_are_normal_and_depend_on_each_thing():
    people = keys.digest(["ana", "ben"])
    draws = keys.Draws(SECRET, "state")
    found = [draws.normal(f"s{n}", people) for n in range(4000)]
    assert stats.kstest(found, "norm").pvalue > 0.001
    one = draws.normal("s", people)
    others = [
        keys.Draws(OTHER, "state").normal("s", people),
        keys.Draws(SECRET, "later").normal("s", people),
        draws.normal("s2", people),
        draws.normal("s", keys.digest(["ana"])),
    ]
    assert len({one, *others}) == 5
    assert keys.Draws(SECRET, "state", 1.25, is_unit=True).normal("s", people) == one
    assert abs(np.mean(found)) < 0.06


@pytest.mark.slow
def test_more_noise_is_less_noise_and_something_of_its_own():
    """Else a figure that is shown with two deviations could be solved for, or averaged."""
    small, large = keys.step(0.75), keys.step(2.0)
    found = np.array(
        [
            [draws.walk("s", "people", sd) for sd in (small, large)]
            for draws in (keys.Draws(SECRET, f"state {n}") for n in range(3000))
        ]
    )
    assert found.std(axis=0) == pytest.approx([small, large], rel=0.05)
    more = found[:, 1] - found[:, 0]
    assert more.std() == pytest.approx((large**2 - small**2) ** 0.5, rel=0.05)
    assert abs(np.corrcoef(more, found[:, 0])[0, 1]) < 0.06
    assert stats.kstest(found[:, 1] / large, "norm").pvalue > 0.001
    assert keys.Draws(SECRET, "s").walk("s", "people", 0.0) == keys.step(0.0) == 0.0
    assert [abs(keys.step(sd) / sd - 1) < 0.011 for sd in (0.013, 1.0, 77.0)] == [True] * 3


def test_a_key_is_made_once_and_is_the_owners(tmp_path):
    secret = keys.secret_of(tmp_path)
    assert len(secret) == 32 and keys.secret_of(tmp_path) == secret
    for path, mode in ((".private", 0o700), (".private/key", 0o600)):
        assert stat.S_IMODE(os.stat(tmp_path / path).st_mode) == mode
    assert keys.secret_of(tmp_path / "other") != secret
    assert len(keys.mark(secret)) == 8 and secret.hex()[:8] != keys.mark(secret)


def test_a_key_in_the_environment_comes_first(tmp_path, monkeypatch):
    own = os.urandom(32)
    monkeypatch.setenv(keys.VARIABLE, own.hex())
    assert keys.secret_of(tmp_path) == own and not (tmp_path / ".private").exists()
    monkeypatch.setenv(keys.VARIABLE, "11" * 32)
    with pytest.raises(DataError, match="not random") as told:
        keys.secret_of(tmp_path)
    assert "11" * 32 not in str(told.value)


def test_a_key_that_others_can_read_is_refused(tmp_path):
    keys.secret_of(tmp_path)
    (tmp_path / ".private/key").chmod(0o644)
    with pytest.raises(Stopped, match="read by others"):
        keys.secret_of(tmp_path)


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32])
def test_a_damaged_key_is_refused_and_not_replaced(tmp_path, content):
    keys.secret_of(tmp_path)
    (tmp_path / ".private/key").write_text(content)
    with pytest.raises(Stopped, match="holds no key"):
        keys.secret_of(tmp_path)
    assert (tmp_path / ".private/key").read_text() == content


@pytest.mark.parametrize("what", [".private", ".private/key"])
def test_a_link_is_not_followed(tmp_path, what):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    place = tmp_path / "out" / what
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Stopped, match="link"):
        keys.secret_of(tmp_path / "out")
    assert not [*(tmp_path / "elsewhere").iterdir()]


def test_draws_beside_data_are_read_back(tmp_path):
    assert keys.beside(tmp_path) is None
    draws = keys.Draws(SECRET, "state", 1.5, True)
    draws.save(tmp_path)
    draws.save(tmp_path)  # again, with more noise
    assert keys.beside(tmp_path) == draws
    assert stat.S_IMODE(os.stat(tmp_path / ".private" / keys.DRAWS).st_mode) == 0o600


def test_another_embargo_or_day_is_another_state():
    """The same people and another window: the difference of two figures of one draw is exact."""
    states = [
        keys.state_of("f", day, days) for day in ("2026-01-31", "2026-02-01") for days in (30, 31)
    ]
    assert len({keys.Draws(SECRET, state).normal("s", "people") for state in states}) == 4

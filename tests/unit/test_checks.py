"""Checks of overlap: propensities equal to statsmodels and to published figures, near a truth, and
usable where groups do not overlap.

The file takes about three seconds.
"""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from learnalign.estimates import checks, sensitivity

FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = json.loads((FOLDER / "overlap.json").read_text("utf-8"))
made = runpy.run_path(str(FOLDER / "overlap.py"))


@pytest.mark.golden
def test_training_effect_by_weights_alone():
    """The raw difference is -8,498; the experiment itself found +1,794."""
    y, t, z = made["training"]()
    assert y[t == 1].mean() - y[t == 0].mean() == pytest.approx(-8497.52, abs=0.005)
    # Dehejia and Wahba's table says 2076, half a dollar more; the ridge moves the seventh digit
    found = made["of_trained"](y, t, checks.propensity(t, z))
    assert found == pytest.approx(GOLDEN["training"], abs=0.005)


@pytest.mark.golden
def test_smoking_cessation_and_weight():
    """Hernan and Robins, What If, chapter 12: 3.4 kg, and a mean weight of 1.996."""
    y, t, z = made["smoking"]()
    found, golden = made["of_all"](y, t, checks.propensity(t, z)), GOLDEN["smoking"]
    assert found == pytest.approx((golden["difference"], golden["weight"]), abs=5e-5)
    assert found == pytest.approx((3.441, 1.996), abs=0.0005)  # printed to three decimals


@pytest.mark.golden
def test_propensity_equals_statsmodels():
    logit = pytest.importorskip(
        "statsmodels.api", reason="the second implementation is not installed"
    )
    rng = np.random.default_rng(1)
    z = rng.normal(size=(500, 3)) * [1, 100, 0.01] + [0, 5_000, 0]
    t = rng.random(500) < expit(z[:, 0] - 50 * z[:, 2])
    expected = (
        logit.Logit(t * 1.0, logit.add_constant((z - z.mean(0)) / z.std(0)))
        .fit(disp=0, tol=1e-12)
        .predict()
    )
    np.testing.assert_allclose(
        checks.propensity(t, z), expected, atol=1e-7
    )  # the ridge moves the ninth digit


@pytest.mark.parametrize("constant", [0.0, 1.0, 1e9])
def test_columns_without_variation_are_left_out(constant):
    z = np.arange(20.0)
    t = np.array([0, 1] * 5 + [0, 1, 1, 1, 0, 1, 1, 0, 1, 1])
    both = np.column_stack([np.full(20, constant), z])
    np.testing.assert_array_equal(checks.propensity(t, both), checks.propensity(t, z[:, None]))
    np.testing.assert_allclose(checks.propensity(t, np.full((20, 1), constant)), t.mean())


def test_a_column_that_separates_the_groups_gives_probabilities_near_0_and_1():
    t = np.repeat([0, 1], 50)
    z = np.column_stack([np.arange(100.0), np.tile([1.0, 2.0], 50)])
    e = checks.propensity(t, z)
    assert e[t == 0].max() < 0.05 and e[t == 1].min() > 0.95
    assert checks.beyond_trim(t, z) == 1
    # one dummy that is 1 only among the exposed: those people alone have nobody like them
    only = np.column_stack([np.where(np.arange(100) < 90, 0.0, 1.0)])
    assert checks.propensity(t, only)[-10:].min() > 0.99
    assert checks.beyond_trim(t, only) == pytest.approx(10 / 50 / 2)


def test_columns_that_say_the_same_do_no_harm():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(200, 1))
    t = rng.random(200) < expit(z[:, 0])
    np.testing.assert_allclose(
        checks.propensity(t, np.hstack([z, 3 * z])), checks.propensity(t, z), atol=1e-6
    )


@pytest.mark.truth
def test_a_rare_exposure_is_not_taken_for_a_lack_of_overlap():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(5_000, 2))
    rare = rng.random(5_000) < expit(-4 + 0.5 * z[:, 0])
    assert (
        checks.propensity(rare, z) < 0.05
    ).mean() > 0.9  # the plain propensity would set nearly everybody aside
    assert checks.beyond_trim(rare, z) < 0.02
    apart = rng.random(5_000) < expit(-4 + 4 * z[:, 0])
    assert checks.beyond_trim(apart, z) > 0.30


@pytest.mark.property
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_balanced_propensity_is_the_one_of_equal_groups(share, balanced):
    """Whatever share is exposed, the balanced propensity that made the plain one comes back."""
    exposed = np.arange(1_000) < round(1_000 * share)
    odds = balanced / (1 - balanced) * exposed.mean() / (1 - exposed.mean())
    assert checks.balanced(np.array([odds / (1 + odds)]), exposed)[0] == pytest.approx(balanced)


@pytest.mark.parametrize(
    ("exposed", "covariates", "message"),
    [
        ([1, 1, 1], [1, 2, 3], "two groups are needed"),
        ([0, 1, 2], [1, 2, 3], "two groups are needed"),
        ([], [], "two groups are needed"),
        ([0, 1, 1], [1, np.nan, 3], "covariates must have no missing value"),
        ([0, 1], [1, 2, 3], "2 people and 3 rows"),
    ],
)
def test_what_cannot_be_weighted_is_refused_in_words(exposed, covariates, message):
    with pytest.raises(ValueError, match=message):
        checks.propensity(np.array(exposed), np.array(covariates))


def test_nothing_is_changed():
    rng = np.random.default_rng(8)
    z, y = rng.normal(size=(60, 2)), rng.normal(size=60)
    t = np.arange(60) % 2
    before = [v.copy() for v in (z, y, t)]
    checks.beyond_trim(t, z), sensitivity.trimmed_bounds(y, y[:30], 0.9)
    for now, then in zip((z, y, t), before, strict=True):
        np.testing.assert_array_equal(now, then)

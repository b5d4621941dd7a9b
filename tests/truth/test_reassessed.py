"""When nobody chose the day: closing as planned assessments saw it, and learning that was over."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from learnalign.estimates import closing, reassessed
from learnalign.linking.journeys import Journeys
from learnalign.verdicts import judge

pytestmark = pytest.mark.truth

START, NEVER, MONTHS = pd.Timestamp("2022-01-01"), 9_999, 24


def company(
    seed: int, *, said=1.0, worked=1.0, sooner=False, studied=0.0, within=90, gaps=1_500, rate=0.045
) -> Journeys:
    """Gaps found by schedule and looked at once a year, first after 4 to 12 months; half are acknowledged at some
    time, `said` and `worked` are what acknowledging and learning multiply the pace of closing by.

    `sooner`: what was said is looked at 20 to 60 days later. `studied`: who asks to be assessed,
    up to `within` days after closing, reads up on it in the five weeks before, so often.
    """
    rng = np.random.default_rng(seed)
    spoke = np.where(rng.random(gaps) < 0.5, rng.integers(0, 720, gaps), NEVER)
    learned = np.where(rng.random((gaps, 3)) < 0.6, rng.integers(-120, 720, (gaps, 3)), NEVER)
    month, begins = np.arange(MONTHS), 30 * np.arange(MONTHS)
    lately = (learned[..., None] < begins) & (learned[..., None] >= begins - 90)
    lately = lately.any(axis=1)
    pace = rate * np.where(spoke[:, None] < begins, said, 1) * np.where(lately, worked, 1)
    closes = rng.random((gaps, MONTHS)) < -np.expm1(-pace)
    closed = np.where(closes.any(axis=1), 30 * closes.argmax(axis=1) + 15, NEVER)
    asks = (closed < NEVER) & (rng.random(gaps) < 0.6) & (not sooner)
    asked = np.where(asks, closed + rng.integers(5, within, gaps), NEVER)
    asked = np.where(sooner & (spoke < NEVER), spoke + rng.integers(20, 61, gaps), asked)
    planned = rng.integers(120, 360, gaps)
    looks = np.sort(np.column_stack([asked, planned, planned + 360]), axis=1)
    saw = (looks >= closed[:, None]) & (looks < 720)
    seen = np.where(saw.any(axis=1), looks[np.arange(gaps), saw.argmax(axis=1)], NEVER)
    reads = np.where((asked < 720) & (rng.random(gaps) < studied), asked, NEVER)
    reads = np.where(reads < NEVER, reads - rng.integers(5, 35, gaps), NEVER)
    about = {"person_id": [f"p{n}" for n in range(gaps)], "skill": "sql"}
    frame = pd.DataFrame(about).assign(
        spell=1,
        detected_on=START,
        severity=1.0 + month[np.arange(gaps) % 2],
        closed_on=_on(seen),
        left_on=pd.NaT,
        observed_until=_on(np.full(gaps, 720)),
        unit=[f"u{n % 10}" for n in range(gaps)],
        manager_id=[f"m{n % 100}" for n in range(gaps)],
        grade="a",
        hired_on=START - pd.Timedelta(days=900),
        rating_before=rng.normal(size=gaps),
        acknowledged_before=pd.array([False] * gaps, "boolean"),
        mentored_on=pd.NaT,
        waitlisted_on=pd.NaT,
    )
    talk = pd.DataFrame(about).assign(acknowledged_on=_on(spoke)).dropna()
    work = [
        pd.DataFrame(about).assign(learned_on=_on(day), activity_type=kind)
        for day, kind in zip([*learned.T, reads], ["course"] * 3 + ["reading"], strict=True)
    ]
    work = pd.concat(work).dropna().assign(is_voluntary=True, hours=2.0, cost=1.0)
    looked = [pd.DataFrame(about).assign(assessed_on=START, is_gap=True)]
    for day in (planned, planned + 360):
        later = pd.DataFrame(about).assign(assessed_on=_on(day), is_gap=closed > day)
        looked.append(later)
    nothing = pd.DataFrame()
    return Journeys(frame, nothing, talk, work, nothing, pd.concat(looked, ignore_index=True))


def _on(days: np.ndarray) -> pd.Series:
    on = START + pd.to_timedelta(pd.Series(days), unit="D")
    return on.where(days < NEVER)


def judged(rows: Journeys):
    found = closing.compare(closing.months(rows), "acknowledging_to_closure")
    return judge.judge(found, smallest_effect=1.2)[0]


def outcome(row) -> str:
    return next(one.outcome for one in row.checks if one.name == "re-assessment")


# --- acknowledging


def test_what_is_looked_at_sooner_once_said_does_not_close_sooner():
    rows = [judged(company(seed, sooner=True, rate=0.12)) for seed in range(3)]
    assert all(row.low > 1 for row in rows)  # as any look saw it
    assert [row.verdict for row in rows] == ["untrusted"] * 3
    assert "planned assessments alone" in rows[0].sentence


def test_what_acknowledging_does_is_found_by_planned_looks_too():
    rows = [judged(company(seed, said=1.8)) for seed in range(3)]
    assert [row.verdict for row in rows].count("higher") >= 2
    nothing = [judged(company(seed)) for seed in range(3)]
    assert not [row for row in nothing if row.verdict in ("higher", "lower")]


def test_without_planned_days_it_is_not_possible_and_no_figure_moves():
    made = company(1, said=1.8)
    known, blank = judged(made), judged(Journeys(*list(vars(made).values())[:5]))
    assert (outcome(known), outcome(blank)) == ("passed", "not possible")
    assert (known.estimate, known.low) == (blank.estimate, blank.low)


# --- learning


def kinds(rows: Journeys):
    fits, checks, earlier = closing.learning_to_closure(closing.months(rows))
    about = {"checks": checks, "earlier": earlier, "smallest_effect": 1.2}
    return judge.judge_kinds("learning_to_closure", fits, **about)


def test_what_is_studied_for_an_assessment_does_not_close_gaps():
    first = [kinds(company(seed, studied=0.6))[0] for seed in range(3)]
    assert all(row.low > 1 for row in first)
    assert [row.verdict for row in first] == ["untrusted"] * 3
    assert "well before" in first[0].sentence


def test_learning_that_closes_gaps_is_found_well_before_too():
    first = [kinds(company(seed, worked=2.5, within=15))[0] for seed in range(3)]
    assert [row.verdict for row in first].count("higher") >= 2


# --- the estimator


def test_with_one_month_an_interval_it_is_the_complementary_log_log_fit():
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"person_id": np.arange(3_000), "manager": np.arange(3_000) % 60})
    rows = rows.assign(x=rng.integers(0, 2, 3_000), w=rng.normal(size=3_000), interval=rows.index)
    rows["kind"] = rng.choice(list("abc"), 3_000)
    chance = -np.expm1(-0.2 * np.exp(0.5 * rows.x + 0.3 * rows.w))
    rows["closed"] = (rng.random(3_000) < chance).astype(int)
    found = reassessed.by_schedule(rows, "x", controls=["w", "kind"], cluster="manager")
    held = pd.get_dummies(rows.kind, drop_first=True, dtype=float)
    family = sm.families.Binomial(link=sm.families.links.CLogLog())
    x = sm.add_constant(pd.concat([rows[["x", "w"]].astype(float), held], axis=1))
    other = sm.GLM(rows.closed, x, family=family).fit(
        cov_type="cluster", cov_kwds={"groups": rows.manager}, tol=1e-12
    )
    assert np.log(found.estimate) == pytest.approx(other.params["x"], abs=1e-7)
    factor = np.sqrt((3_000 - 5) / 2_999)  # statsmodels' own, of rows
    assert found.std_error == pytest.approx(factor * other.bse["x"], rel=1e-4)
    assert (found.n_rows, found.n_clusters, found.df) == (3_000, 60, 59)


def test_few_closed_gaps_say_nothing():
    made = company(1, gaps=150, rate=0.01)
    months = closing.months(made)
    assert 0 < months.planned.drop_duplicates("interval").closed.sum() < 100
    assert reassessed.by_schedule(months.planned, "acknowledged", cluster="manager") is None


def test_looks_of_one_month_are_one_and_what_nobody_looked_at_is_left_out():
    def day(text: str) -> pd.Timestamp:
        return pd.Timestamp(f"2024-{text}")

    looked = pd.DataFrame(
        [
            ("ana", day("03-10"), True),  # two looks in the third month: the last counts
            ("ana", day("01-01"), True),
            ("ana", day("03-15"), False),
            ("ana", day("05-01"), True),  # opens again: a gap of its own, not looked at again
            ("ben", day("01-01"), True),
            ("ben", day("06-01"), True),
            ("ben", day("09-01"), False),  # after leaving
            ("cai", day("02-01"), False),  # found on request alone
        ],
        columns=["person_id", "assessed_on", "is_gap"],
    ).assign(skill="sql")
    gaps = pd.DataFrame(
        [
            ("ana", day("01-01"), pd.NaT),
            ("ana", day("05-01"), pd.NaT),
            ("ben", day("01-01"), day("07-01")),
            ("cai", day("01-15"), pd.NaT),
        ],
        columns=["person_id", "detected_on", "left_on"],
    ).assign(skill="sql")
    said = pd.DataFrame(columns=["person_id", "skill", "acknowledged_on"])
    rows = reassessed.gap_months(gaps, said, looked)
    by = rows.groupby("person_id").agg(months=("month", "max"), closed=("closed", "max"))
    assert by.loc["ana"].tolist() == [3, 1] and by.loc["ben"].tolist() == [6, 0]
    assert rows.interval.nunique() == 2 and set(rows.person_id) == {"ana", "ben"}

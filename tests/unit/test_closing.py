"""Closing: planted hazards found where the naive figure is far off, checks that fail and pass, and
every reason.
"""

import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest

from learnalign.data import reading
from learnalign.estimates import closing, costs, hazards
from learnalign.linking import journeys
from learnalign.verdicts.registry import headlines


def of_journeys(question):
    """The question, asked of journeys: every test has others, and makes their months itself."""

    def ask(found: journeys.Journeys, *args, **settings):
        return question(closing.months(found), *args, **settings)

    return ask


acknowledging_to_closure, mentoring_to_closure = (
    of_journeys(functools.partial(closing.compare, measure=measure))
    for measure in headlines("hazard")
)
against_waitlist = of_journeys(closing.against_waitlist)
saying_otherwise = of_journeys(closing.saying_otherwise)
learning_to_closure = of_journeys(closing.learning_to_closure)
cost_per_closed_gap = of_journeys(costs.cost_per_closed_gap)
detectable = of_journeys(closing.detectable)
END = pd.Timestamp("2024-12-31")
MONTHS, NEVER = 24, 10_000
SKILLS = np.array(["sql", "tax", "law", "art"], object)


def company(
    seed: int = 1,
    *,
    n: int = 2_000,
    said: float = 1.8,
    learned: float = 1.0,
    mentored: float = 1.0,
    eager: float = 1.0,
    outspoken: float = 1.0,
    leaving: float = 1.0,
    steep: float = 0.5,
) -> journeys.Journeys:
    """Gaps of people with two each, a month (30 days) at a time; factors on the monthly hazard of
    closing.

    What happens in a month counts from the next. Who is rated higher closes sooner and acknowledges
    sooner (`steep`). `outspoken` people, a third, close so much sooner and acknowledge everything,
    other skills too. `eager` people, a half, want a mentor, and close so much sooner; a lottery
    gives one to half of them. `leaving` multiplies the hazard of leaving once a gap is
    acknowledged.
    """
    rng = np.random.default_rng(seed)
    person = np.arange(n) // 2
    rating, loud, wants, wins = (
        draw[person]
        for draw in (
            rng.normal(size=n),
            rng.random(n) < (1 / 3 if outspoken != 1 else 0),
            rng.random(n) < 0.5,
            rng.random(n) < 0.5,
        )
    )
    severity, skill = rng.integers(1, 4, n), SKILLS[(np.arange(n) + person) % 4]
    pace = np.exp(steep * rating) * np.where(loud, 4, 1)

    def months(mean: float, faster: np.ndarray | float = 1.0) -> np.ndarray:
        return np.floor(rng.exponential(mean / faster, n)).astype(int)  # 0: in the first month

    says, learns, other = months(12, pace), months(12), months(12, np.where(loud, 4, 1))
    waits = np.where(wants, months(3)[2 * person], NEVER)
    served = np.where(wants & wins, waits + months(4)[2 * person], NEVER)
    closed, left = np.full(n, NEVER), np.full(n, NEVER)
    for month in range(MONTHS):
        log = (
            np.log(0.06)
            + 0.3 * rating
            - 0.2 * (severity - 2)
            + 0.2 * (skill == "sql")
            + np.log(outspoken) * loud
        )
        log += (
            np.log(eager) * wants
            + np.log(said) * (says < month)
            + np.log(learned) * (learns < month)
        )
        log += np.log(mentored) * (served < month)
        here = np.minimum(closed, left) == NEVER
        closed[here & (rng.random(n) < -np.expm1(-np.exp(log)))] = month
        gone = rng.random(n) < 0.008 * np.where(says < month, leaving, 1)
        left[here & (closed == NEVER) & gone] = month
    detected = END - pd.to_timedelta(30 * rng.integers(4, MONTHS, n) + 5, unit="D")

    def on(month: np.ndarray, day: int, stops: np.ndarray | None = None) -> pd.Series:
        dates = pd.Series(detected + pd.to_timedelta(30 * np.minimum(month, 400) + day, unit="D"))
        return dates.where(
            (month < NEVER) & (dates <= END) & (True if stops is None else dates <= stops)
        )

    end = pd.concat([on(closed, 20), on(left, 25)], axis=1).min(axis=1).fillna(END)
    gaps = pd.DataFrame(
        {
            "person_id": [f"p{i}" for i in person],
            "skill": skill,
            "spell": 1,
            "detected_on": detected,
            "closed_on": on(closed, 20),
            "severity": severity * 1.0,
            "hired_on": pd.Timestamp("2015-01-01"),
            "left_on": on(left, 25),
            "observed_until": END,
            "unit": [f"u{i % 12}" for i in person],
            "manager_id": [f"m{i % 50}" for i in person],
            "grade": "a",
            "rating_before": rating,
            "acknowledged_on": on(says, 10, end),
            "learning_started_on": on(learns, 12, end),
            "acknowledged_before": pd.array([False] * n, "boolean"),
            "mentored_on": on(served, 15),
            "waitlisted_on": on(waits, 5),
        }
    )
    ids = gaps.person_id
    talk = [
        pd.DataFrame({"person_id": ids, "skill": what, "acknowledged_on": when})
        for what, when in ((gaps["skill"], gaps.acknowledged_on), ("golf", on(other, 8)))
    ]
    until = [
        on(np.where(learns + k < NEVER, learns + k, NEVER), 12, end) for k in range(0, 18, 2)
    ]  # and goes on so
    kind = np.where(np.arange(n) % 2, "course", "reading")
    work = [
        pd.DataFrame(
            {"person_id": ids, "skill": gaps["skill"], "learned_on": when, "activity_type": kind}
        )
        for when in until
    ]
    golf = {"skill": "golf", "learned_on": on(months(8), 9), "activity_type": "peer"}
    work.append(pd.DataFrame({"person_id": ids, **golf}))
    learning = pd.concat(work).dropna().assign(is_voluntary=True, hours=2.0, cost=100.0)
    return journeys.Journeys(
        gaps, pd.DataFrame(), pd.concat(talk).dropna(), learning, pd.DataFrame()
    )


@functools.cache
def plain() -> journeys.Journeys:
    return company()


def off(fit, truth: float) -> float:
    """By how many standard errors an estimate is off, on the log scale."""
    return float(np.log(fit.estimate / truth) / fit.std_error)


def outcomes(found) -> dict[str, str]:
    return {check.name: check.outcome for check in found.checks}


# --- planted hazards


@pytest.mark.truth
def test_acknowledging_is_found_where_whoever_ever_did_is_far_off():
    found = acknowledging_to_closure(plain())
    assert abs(off(found.adjusted, 1.8)) < 2
    assert found.raw.estimate > found.adjusted.estimate  # those rated higher do both
    gaps = plain().gaps
    ever = hazards.gap_months(
        gaps.assign(ever=gaps.acknowledged_on.notna().astype(int)), plain().said, plain().learned
    )
    naive = hazards.hazard(ever, "ever", controls=["severity", "skill", "rating_before"])[0]
    assert off(naive, 1.8) < -4  # who closed at once had no time to say anything
    assert outcomes(found) == dict.fromkeys(
        ["no baseline", "unrelated skills", "overlap", "attrition"], "passed"
    )
    assert (found.adjusted.design, found.raw.design) == ("adjusted", "described")
    assert found.adjusted.n_clusters == 50 and "by manager" in found.adjusted.method
    assert found.reason == "" and "E-value" in closing.to_erase(found.adjusted)


@pytest.mark.truth
def test_nothing_is_found_where_nothing_is():
    errors = [
        off(acknowledging_to_closure(company(seed, n=1_200, said=1.0)).adjusted, 1.0)
        for seed in range(6)
    ]
    assert max(np.abs(errors)) < 3 and abs(np.mean(errors)) < 3 / 6**0.5


@pytest.mark.truth
def test_the_waitlist_finds_what_a_mentor_does_where_those_who_want_one_are_better_anyway():
    found = company(2, n=3_000, mentored=1.5, eager=1.8)
    (fair,) = against_waitlist(found).values()
    adjusted = mentoring_to_closure(found).adjusted
    assert abs(off(fair, 1.5)) < 2 and fair.design == "compared"
    assert off(adjusted, 1.5) > 3 and adjusted.design == "adjusted"


@pytest.mark.truth
def test_kinds_of_learning_are_held_equal_and_learning_on_other_skills_must_show_nothing():
    found = company(3, learned=1.7)
    fits, checks, _ = learning_to_closure(found)
    told = {kind for kind, fit in fits.items() if fit}
    # nothing but other skills was learned from peers
    assert told == {"any learning", "course", "reading"} and fits["peer"] is None
    assert abs(off(fits["any learning"], 1.7)) < 2
    assert all(abs(off(fits[kind], 1.7)) < 2.5 for kind in ("course", "reading"))  # two of them
    assert [(check.name, check.outcome) for check in checks] == [("unrelated skills", "passed")]
    rare = found.learned.activity_type.where(
        ~found.learned.person_id.isin(["p1", "p2", "p3"]), "coaching"
    )
    fits, *_ = learning_to_closure(
        dataclasses.replace(found, learned=found.learned.assign(activity_type=rare))
    )
    assert fits["coaching"] is None or fits["coaching"].n_people_smaller <= 3
    assert fits["course"]


@pytest.mark.truth
def test_saying_otherwise_holds_learning_equal_and_counts_what_was_said_before():
    found = plain()
    before = np.random.default_rng(0).random(len(found.gaps)) < 0.4
    gaps = found.gaps.assign(acknowledged_before=pd.array(before, "boolean"))
    fits = saying_otherwise(dataclasses.replace(found, gaps=gaps))
    assert abs(off(fits["at equal learning on the skill"], 1.8)) < 2
    assert (
        abs(off(fits["said before it was found"], 1.0)) < 2
    )  # drawn at random, and closes nothing
    assert saying_otherwise(nothing()) == {}


@pytest.mark.truth
def test_what_is_detectable_is_near_the_standard_error_times_two_point_eight():
    ratios = []
    for seed in range(3):
        found = company(seed, said=1.0)  # as planned for: where nothing is
        for measure in headlines("hazard")[: 1 + (seed == 0)]:
            fit = closing.compare(closing.months(found), measure).adjusted
            ratios.append(np.log(detectable(found, measure)) / (2.8 * fit.std_error))
    # an error from 50 clusters is known to 10 %: three of it, of four; t is not normal, and adds 2
    # %
    assert np.mean(ratios) == pytest.approx(1.02, abs=0.15)
    for measure in headlines("hazard"):
        assert detectable(found, measure, min_people=5_000) is None
        assert detectable(nothing(), measure) is None


# --- checks that fail


@pytest.mark.truth
def test_each_check_fails_where_it_should():
    loud = acknowledging_to_closure(company(4, said=1.0, outspoken=4.0))
    assert (
        outcomes(loud)["unrelated skills"] == "failed" and loud.adjusted.low > 1
    )  # it would have misled
    gone = acknowledging_to_closure(company(5, leaving=6.0))
    assert outcomes(gone)["attrition"] == "failed" and abs(off(gone.adjusted, 1.8)) < 2.5
    apart = acknowledging_to_closure(company(6, steep=4.0))
    assert outcomes(apart)["overlap"] == "failed"
    gaps = plain().gaps
    unrated = gaps.rating_before.where(np.arange(len(gaps)) % 5 < 2)
    new = acknowledging_to_closure(
        dataclasses.replace(plain(), gaps=gaps.assign(rating_before=unrated))
    )
    assert outcomes(new)["no baseline"] == "failed" and new.adjusted.design == "associated"
    others = [name for name, outcome in outcomes(new).items() if outcome != "passed"]
    assert others == ["no baseline"]
    texts = " ".join(check.detail for found in (loud, gone, apart) for check in found.checks)
    assert not any(figure in texts for figure in ("nan", "0.0"))


def test_a_check_that_is_not_possible_says_so():
    silent = dataclasses.replace(plain(), said=plain().said[plain().said["skill"] != "golf"])
    rows = silent.said.drop_duplicates(
        "person_id"
    )  # one skill each, and its own: nobody said anything of another
    gaps = silent.gaps.drop_duplicates("person_id")
    found = acknowledging_to_closure(
        dataclasses.replace(
            silent,
            gaps=gaps,
            said=rows[
                rows.set_index(["person_id", "skill"]).index.isin(
                    gaps.set_index(["person_id", "skill"]).index
                )
            ],
        )
    )
    assert outcomes(found)["unrelated skills"] == "not possible" and found.adjusted is not None


# --- reasons


@functools.cache
def nothing() -> journeys.Journeys:
    """The journeys of a company in which nothing was assessed."""
    frames = {
        "people": pd.DataFrame({"person_id": ["ana"], "hired_on": pd.Timestamp("2020-01-01")}),
        "reviews": pd.DataFrame(
            {
                "person_id": ["ana"],
                "cycle": "c",
                "reviewed_on": pd.Timestamp("2023-01-01"),
                "rating": 1.0,
                "unit": "ops",
            }
        ),
    }
    meta = reading.read("data/demo").meta
    return journeys.gap_journeys(reading.of_frames(frames, meta))


def changed(**columns: object) -> journeys.Journeys:
    return dataclasses.replace(plain(), gaps=plain().gaps.assign(**columns))


@pytest.mark.slow
def test_without_gaps_nothing_can_be_said():
    for measure in (acknowledging_to_closure, mentoring_to_closure):
        found = measure(nothing())
        assert (found.reason, found.raw, found.adjusted, found.checks) == (
            "no gaps",
            None,
            None,
            (),
        )
        assert found.attrition.rows_left.max() == 0
    assert against_waitlist(nothing()) == {}
    assert learning_to_closure(nothing()) == ({}, (), {})
    assert cost_per_closed_gap(nothing()) == (None, "no gaps")


@pytest.mark.slow
def test_without_acknowledgements_only_acknowledging_has_no_answer():
    unsaid = dataclasses.replace(
        changed(acknowledged_on=pd.NaT, acknowledged_before=pd.array([pd.NA] * 2_000, "boolean")),
        said=plain().said.iloc[:0],
    )
    assert acknowledging_to_closure(unsaid).reason == "no acknowledged skill"
    assert saying_otherwise(unsaid) == {} and detectable(unsaid, "acknowledging_to_closure") is None
    assert mentoring_to_closure(unsaid).adjusted is not None
    fits, checks, _ = learning_to_closure(unsaid)
    assert [kind for kind, fit in fits.items() if fit] == ["any learning", "course", "reading"]
    assert checks[0].outcome == "passed"


@pytest.mark.slow
def test_gaps_found_before_acknowledging_was_recorded_are_left_out_and_accounted_for():
    known = pd.array([pd.NA] * 500 + [False] * 1_500, "boolean")
    found = acknowledging_to_closure(changed(acknowledged_before=known))
    steps = found.attrition.set_index("step")
    assert steps.loc["no_exposure", ["rows", "people", "rows_left", "people_left"]].tolist() == [
        500,
        250,
        1_500,
        750,
    ]
    assert found.adjusted.n_people <= 750


@pytest.mark.slow
def test_without_managers_the_unit_stands_in_and_it_is_said():
    found = acknowledging_to_closure(changed(manager_id=None))
    assert found.adjusted.n_clusters == 12 and found.adjusted.method.endswith(
        "month held equal), clustered by unit"
    )
    assert found.notes[0] == "no managers are recorded: the unit stands in for the manager"
    some = plain().gaps.manager_id.where(np.arange(2_000) >= 100)
    found = acknowledging_to_closure(
        changed(manager_id=some)
    )  # where some are, who has none is left out
    assert found.attrition.set_index("step").rows["no_rater"] == 100 and not found.notes


def test_too_few_managers_one_group_no_closing_and_no_mentoring_have_their_reasons():
    few = acknowledging_to_closure(changed(manager_id=np.resize(["a", "b", "c"], 2_000)))
    assert few.reason == "three raters" and few.adjusted is None
    gaps = plain().gaps
    mute = acknowledging_to_closure(dataclasses.replace(plain(), said=plain().said.iloc[:0]))
    assert mute.reason == "one group"
    assert acknowledging_to_closure(changed(closed_on=pd.NaT)).reason == "no closing"
    alone = changed(
        mentored_on=pd.Series(pd.NaT, gaps.index), waitlisted_on=pd.Series(pd.NaT, gaps.index)
    )
    assert mentoring_to_closure(alone).reason == "no mentoring"
    assert against_waitlist(alone) == {} and detectable(alone, "mentoring_to_closure") is None
    nobody_waits = changed(waitlisted_on=pd.Series(pd.NaT, gaps.index))
    assert against_waitlist(nobody_waits) == {}


def test_a_gap_without_a_manager_is_no_gap_before_recording():
    """Managers are known of gaps found before acknowledging was recorded only."""
    half = np.arange(2_000) < 1_000
    known = pd.array(np.where(half, None, False), "boolean")
    found = acknowledging_to_closure(
        changed(manager_id=plain().gaps.manager_id.where(half), acknowledged_before=known)
    )
    assert found.reason == "too few"


# --- cost


@pytest.mark.truth
def test_the_cost_per_extra_closed_gap_is_what_was_spent_over_what_it_closed():
    found = company(3, learned=1.7)
    fit, reason = cost_per_closed_gap(found)
    assert reason == "" and 0 < fit.low < fit.estimate < fit.high and fit.std_error is None
    rows = closing.months(found)
    sample = closing.sample_of(rows, "cost_per_closed_gap")
    held = {"controls": sample.controls, "cluster": sample.by}
    extra, months_open, _ = hazards.extra_closed(sample.rows, "learned", **held)
    spent = costs._spent(sample.rows, rows.learned, "cost").sum()
    each = spent / (sample.rows.learned == 1).sum() * months_open
    by_hand = [each / end for end in (extra.estimate, extra.high, extra.low)]
    assert [fit.estimate, fit.low, fit.high] == pytest.approx(by_hand)
    double, _ = cost_per_closed_gap(
        dataclasses.replace(found, learned=found.learned.assign(cost=200.0))
    )
    assert double.estimate == pytest.approx(2 * fit.estimate)
    hours, _ = cost_per_closed_gap(found, "hours")
    assert hours.estimate == pytest.approx(fit.estimate / 50) and hours.method.startswith(
        "hours per extra"
    )
    everybody = dataclasses.replace(
        found,
        learned=pd.concat(
            [
                found.learned,
                found.gaps[["person_id", "skill"]].assign(
                    learned_on=found.gaps.detected_on - pd.Timedelta(days=5),
                    activity_type="other",
                    cost=1.0,
                    is_voluntary=True,
                ),
            ]
        ),
    )
    rows = hazards.gap_months(everybody.gaps, everybody.said, everybody.learned)
    sides = rows.groupby("learned").person_id.nunique()
    closed = rows[rows.closed == 1].groupby("learned").person_id.nunique()
    rarest = min(*sides, *closed)
    assert cost_per_closed_gap(everybody)[0].n_people_smaller == rarest == closed[0] < sides[0]


def test_a_cost_has_its_reasons():
    learned = plain().learned

    def reason(**columns: object) -> str:
        found = cost_per_closed_gap(dataclasses.replace(plain(), learned=learned.assign(**columns)))
        return found[1] if found[0] is None else "found"

    assert reason(cost=np.nan) == "no cost" and reason(cost=0.0) == "no cost"
    assert reason(skill=None) == "no learned skill"
    assert reason(skill="golf") == "no closing"  # nobody learned on the skill of a gap
    assert reason() == "no extra"  # learning closes nothing here
    assert (
        cost_per_closed_gap(dataclasses.replace(plain(), learned=learned.iloc[:0]))[1] == "no cost"
    )
    vague = dataclasses.replace(plain(), learned=learned.assign(skill=None))
    assert learning_to_closure(vague) == ({}, (), {})


def test_what_was_spent_counts_once_from_ninety_days_before_until_the_gap_closed():
    day = pd.Timestamp
    rows = pd.DataFrame(
        {
            "person_id": "ana",
            "skill": "sql",
            "detected_on": [day("2024-01-01"), day("2024-01-01"), day("2024-03-01")],
            "closed_on": [day("2024-02-01"), day("2024-02-01"), pd.NaT],
            "left_on": pd.NaT,
            "observed_until": END,
        }
    )
    rows = rows.astype({"closed_on": "datetime64[ns]", "left_on": "datetime64[ns]"})
    spent = {
        "2023-10-02": 1,
        "2023-10-03": 2,
        "2024-01-31": 4,
        "2024-02-01": 8,
        "2024-12-30": 16,
        "2024-12-31": 32,
    }
    learned = pd.DataFrame(
        {
            "person_id": "ana",
            "skill": "sql",
            "learned_on": pd.to_datetime([*spent]),
            "activity_type": "course",
            "is_voluntary": True,
            "cost": [*spent.values()],
        }
    )
    # 90 days before 1 January is 3 October; on 1 February the second gap is 29 days off; the last
    # day is not over
    assert costs._spent(rows, learned, "cost").sum() == 2 + 4 + 8 + 16
    required = learned.assign(
        is_voluntary=False, cost=100 * learned.cost
    )  # on the same days, of the same type
    assert costs._spent(rows, pd.concat([learned, required]), "cost").sum() == 101 * (
        2 + 4 + 8 + 16
    )
    other = learned.assign(skill=["tax", None] * 3)
    assert costs._spent(rows, other, "cost").sum() == 0


# --- whatever the rows


@pytest.mark.slow
def test_order_names_and_the_calendar_mean_nothing():
    found = company(7, n=600)
    names = {name: f"x{9_999 - int(name[1:])}" for name in found.gaps.person_id}
    bosses = {f"m{i}": f"b{99 - i}" for i in range(50)}

    def other(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.sample(frac=1, random_state=1).replace(
            {"person_id": names} | ({"manager_id": bosses} if "manager_id" in frame else {})
        )
        dates = [name for name in frame if name.endswith("_on") or name == "observed_until"]
        return frame.assign(**{name: frame[name] + pd.Timedelta(days=777) for name in dates})

    gaps = other(found.gaps)
    gaps = gaps.assign(hired_on=gaps.hired_on)
    again = dataclasses.replace(
        found, gaps=gaps, said=other(found.said), learned=other(found.learned)
    )
    for measure in headlines("hazard"):
        one, two = (closing.compare(closing.months(rows), measure) for rows in (found, again))
        assert one.checks == two.checks
        accounts = [rows.attrition.drop(columns=["who", "each"]) for rows in (one, two)]
        assert accounts[0].equals(accounts[1])
        assert numbers(one.adjusted) == pytest.approx(
            numbers(two.adjusted), rel=1e-6
        )  # sums depend on their order
        assert detectable(found, measure) == pytest.approx(detectable(again, measure))


def numbers(fit) -> list[float]:
    return [
        fit.estimate,
        fit.low,
        fit.high,
        fit.n_rows,
        fit.n_people,
        fit.n_people_smaller,
        fit.n_clusters,
    ]


@pytest.mark.slow
def test_nothing_is_changed():
    found = company(8, n=600)
    before = [frame.copy(deep=True) for frame in (found.gaps, found.said, found.learned)]
    acknowledging_to_closure(found), learning_to_closure(found), cost_per_closed_gap(found)
    for frame, copy in zip((found.gaps, found.said, found.learned), before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)

"""Where a lot decides who is invited when, it answers what those who choose for themselves cannot.

Person-cycles are drawn straight. Who has a bad half-year acknowledges more, and is rated lower for
the half-year: held equal or not, the figure of those who choose is far below the truth.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest
from tests.truth.test_robust import drawn, person_cycles

from learnalign.estimates import contrasts, invited
from learnalign.verdicts import judge
from learnalign.verdicts.result import Comparison

pytestmark = pytest.mark.truth

MEASURE, SMALLEST = "acknowledging_to_rating", 0.10
STRATUM, MOVES, FIRST, WAVES = 60, 0.35, 3, 3


def of_order(
    seed: int, effect: float = 0.0, *, people: int = 1_500, first: str = "", moves: float = MOVES
) -> pd.DataFrame:
    """A company of three cycles without and three with an order: a third is invited each time.

    An invitation makes `moves` of those say it who would not; the effect is on the rating in SD of
    the noise and ability, which have a variance of 1. Where the order is not kept, `first` says who
    is invited first: those rated "lowest" before, or those "willing" to do it anyway.
    """
    rng, person, cycle = drawn(seed, people)
    able = rng.normal(size=people)
    trouble = rng.normal(size=len(person))
    turn = rng.permuted(np.arange(people).reshape(-1, STRATUM), axis=1) % WAVES
    willing = np.random.default_rng([seed, 1]).normal(size=people) * (first == "willing")
    if first:
        by = (able if first == "lowest" else -willing).reshape(-1, STRATUM)
        turn = np.argsort(np.argsort(by, axis=1), axis=1) * WAVES // STRATUM
    since = (cycle - FIRST >= turn.ravel()[person]).astype(float)
    own = rng.random(len(person)) < 1 / (1 + np.exp(1 - 1.5 * trouble - willing[person]))
    said = own | (rng.random(len(person)) < moves * since)
    noise = -0.5 * trouble + 0.5 * rng.normal(size=len(person))
    rating = np.sqrt(0.5) * able[person] + noise + effect * said
    rows = person_cycles(person, cycle, acknowledgements=said.astype(float), rating=rating)
    drawn_to = (person // STRATUM).astype(str)
    early = rows.assign(since=since).groupby("person_id").since.shift(-1)
    own = {"invited_to_acknowledge": since, "invited_to_acknowledge_early_next": early}
    return rows.assign(**own, drawn_to_acknowledge=drawn_to)


def found(rows: pd.DataFrame) -> Comparison:
    observed = contrasts.compare(rows, MEASURE)
    return invited.decided(observed, rows)


# --- what those who choose cannot tell


def test_chance_recovers_what_those_who_choose_turn_around():
    rows = of_order(1, 0.3, people=6_000, moves=0.8)
    both = found(rows)
    truth = 0.3 / rows.groupby("cycle").rating.std(ddof=0).mean()
    assert both.adjusted.design == "randomised"
    assert both.adjusted.low <= truth <= both.adjusted.high
    assert both.observed.high < 0  # said by those in trouble, who are rated lower


def by_moving(rows: pd.DataFrame) -> pd.DataFrame:
    """The same with another manager in each cycle: people carry their luck from one to the next."""
    by = np.random.default_rng(len(rows)).integers(125, size=len(rows))
    return rows.assign(manager_id=by.astype(str))


@pytest.mark.parametrize(("effect", "moved"), [(0.0, False), (0.5, False), (0.0, True)])
def test_intervals_hold_the_truth_as_often_as_they_say(effect, moved):
    covered, claims = [], []
    for seed in range(200):
        rows = of_order(seed, effect)
        rows = by_moving(rows) if moved else rows
        one = invited.decided(Comparison(MEASURE, None, None), rows)
        truth = effect / rows.groupby("cycle").rating.std(ddof=0).mean()
        covered.append(one.adjusted.low <= truth <= one.adjusted.high)
        claims.append(judge.judge(one, smallest_effect=SMALLEST)[0].verdict in ("higher", "lower"))
    assert 0.93 <= np.mean(covered) <= 0.98  # 95 %, and two Monte-Carlo errors of 200
    assert effect or np.mean(claims) <= 0.025


@pytest.mark.parametrize(("effect", "verdict"), [(0.2, "higher"), (-0.2, "lower")])
def test_an_effect_of_twice_the_smallest_is_told_as_an_effect(effect, verdict):
    rows = of_order(5, effect, people=30_000, moves=0.9)
    row, _, observed = judge.judge(found(rows), smallest_effect=SMALLEST)
    assert (row.verdict, row.design) == (verdict, "randomised")
    assert "this is an effect, in those whom an invitation moves" in row.sentence
    assert (observed.at, observed.verdict, observed.headline) == (
        "as people chose",
        "described",
        False,
    )
    asked = {one.name for one in row.checks}
    assert asked == {"few clusters", "drawn order", "overlap", "attrition"}


@pytest.mark.parametrize(
    ("first", "why", "verdict"),
    [("lowest", "rated apart", "untrusted"), ("willing", "did apart", "unknown")],
)
def test_an_order_that_was_not_kept_is_not_trusted(first, why, verdict):
    rows = of_order(3, people=3_000, first=first)
    row = judge.judge(found(rows), smallest_effect=SMALLEST)[0]
    kept = next(one for one in row.checks if one.name == "drawn order")
    assert (kept.outcome, kept.why, row.verdict) == ("failed", why, verdict)
    assert verdict == "unknown" or "the order was not kept, or not drawn" in row.sentence


def test_an_order_without_a_past_is_no_effect():
    """Four columns can be written by anybody: nothing tells such an order from a choice."""
    rows = of_order(5, 0.6, people=6_000, moves=0.9)
    row = judge.judge(found(rows[rows.cycle >= f"c{FIRST}"]), smallest_effect=SMALLEST)[0]
    kept = next(one for one in row.checks if one.name == "drawn order")
    assert (kept.outcome, kept.why, row.verdict) == ("failed", "unknown", "untrusted")
    assert "so that nobody can tell whether it was drawn" in row.sentence


def test_what_is_known_from_before_ends_with_the_first_turn():
    """Also where all who were invited have left, so that those who are seen all wait."""
    rows = of_order(4)
    last = f"c{FIRST + 1}"
    invited_ = rows[(rows.cycle == last) & (rows.invited_to_acknowledge > 0)].person_id
    rows = rows[(rows.cycle < last) | ~rows.person_id.isin(invited_)]
    rows = rows[rows.cycle <= last]
    frame = invited.in_order(MEASURE, rows).frame
    before = frame[frame.cycle == f"c{FIRST - 1}"].set_index("person_id").rating_sd
    after = frame[frame.cycle == last]
    assert len(after) and (after.exposure == 0).all()
    assert after.last_rating.to_numpy() == pytest.approx(before[after.person_id].to_numpy())
    did = frame[frame.cycle < f"c{FIRST}"].groupby("person_id").taken.mean()
    assert after.did_before.to_numpy() == pytest.approx(did[after.person_id].to_numpy())


def test_the_account_starts_with_everybody():
    rows = of_order(6)
    in_it = rows.person_id.astype(int) < 1_200
    less = rows.assign(
        **{name: rows[name].where(in_it) for name in rows if name.endswith("to_acknowledge")}
    )
    account = invited.decided(Comparison(MEASURE, None, None), less).attrition.set_index("step")
    assert account.rows_left.iloc[0] == len(rows)
    assert account.rows_left["not_in_order"] == in_it.sum()


def test_a_kept_order_fails_its_check_about_once_in_a_hundred():
    failed = []
    for seed in range(300):
        prepared = invited.in_order(MEASURE, of_order(seed, people=600))
        failed.append(invited.order_kept(invited.sample_of(prepared)).outcome == "failed")
    assert np.mean(failed) <= 0.03  # 1 %, and more than three Monte-Carlo errors of 300


def test_people_who_leave_when_they_are_invited_take_the_claim_away():
    rows = of_order(5, 0.2, people=6_000, moves=0.9)
    early = rows.invited_to_acknowledge_early_next
    gone = np.random.default_rng(1).random(len(rows)) < 0.04 + 0.10 * (early == 1)
    last = rows.cycle == rows.cycle.max()
    rows = rows.assign(reviewed_next=(~gone).astype("boolean").mask(last))
    lost = next(one for one in found(rows).checks if one.name == "attrition")
    assert (lost.outcome, lost.why) == ("failed", "apart")


# --- the same by another hand


def test_two_stages_equal_those_of_pyfixest():
    rows = of_order(7, 0.2)
    fit = found(rows).adjusted
    by = rows.groupby("cycle").rating
    rows = rows.assign(y=(rows.rating - by.transform("mean")) / by.transform("std", ddof=0))
    before = rows.pivot(index="person_id", columns="cycle", values="y").loc[rows.person_id]
    rows = rows.assign(p1=before.c2.to_numpy(), p2=before.c1.to_numpy())
    rows = rows.assign(x=rows.acknowledgements, z=rows.invited_to_acknowledge)
    rows = rows.assign(cell=rows.drawn_to_acknowledge + "|" + rows.cycle)
    rows = rows[rows.cycle.isin(["c3", "c4"])]  # before it nobody is invited, after it everybody
    formula = "y ~ p1 + p2 | cell | x ~ z"
    model = pf.feols(formula, rows, vcov={"CRV1": "manager_id"})
    # the same arithmetic on the same rows: only the order of summation may differ
    assert fit.estimate == pytest.approx(model.coef()["x"], abs=1e-8)
    assert fit.std_error == pytest.approx(model.se()["x"], rel=1e-8)


def test_a_person_moves_the_figure_by_what_privacy_takes_them_to_move_it():
    rows = of_order(7, 0.2, people=600)
    fit = found(rows).adjusted
    some = fit.influence.abs().nlargest(3).index.union(fit.influence.index[:3])
    without = [found(rows[rows.person_id != one]).adjusted.estimate for one in some]
    # linearised, and the scores are of residuals that the person has bent a little
    near = 0.15 * fit.influence.abs().max()
    assert fit.influence[some].to_numpy() == pytest.approx(
        fit.estimate - np.array(without), abs=near
    )


# --- merit at equal rating


def of_merit(seed: int) -> pd.DataFrame:
    """An invitation raises the rating, the matrix pays that, and managers pay ability besides."""
    rows = of_order(seed, 0.8, people=6_000, moves=0.8)
    able = rows.rating.where(rows.cycle < f"c{FIRST}").groupby(rows.person_id).transform("mean")
    grade = (2 * rows.rating).round().clip(-2, 2) + 3
    own = 0.5 * able + 0.2 * np.random.default_rng(seed).normal(size=len(rows))
    rows = rows.assign(rating=grade, merit_target_pct=grade, merit_gap_pct=own)
    rows = rows.assign(merit_pct=grade + own, bonus_net_pct=np.nan, compa_ratio=np.nan)
    rows = rows.assign(matrix_cell=grade.astype(str))
    by = rows.groupby("person_id", sort=False)
    return rows.assign(**{f"rating_prior_{k}": by.rating.shift(k) for k in (1, 2)})


def test_merit_at_equal_rating_is_merit_over_the_matrix():
    """Within a rating those whom it helped are less able (METHODS 5, row 2), also by lot."""
    everybody = rows = of_merit(2)
    measure = "acknowledging_to_merit_at_equal_rating"
    fit = invited.decided(Comparison(measure, None, None), rows).adjusted
    assert fit.design == "randomised" and fit.low <= 0 <= fit.high
    rows = rows[rows.cycle.isin(["c3", "c4"])].assign(y=rows.merit_gap_pct, x=rows.acknowledgements)
    rows = rows.assign(z=rows.invited_to_acknowledge)
    cell = rows.drawn_to_acknowledge + "|" + rows.cycle + "|" + rows.matrix_cell
    rows = rows.assign(cell=cell)[cell.map(cell.value_counts()) > 1]
    within = pf.feols("y ~ 1 | cell | x ~ z", rows, vcov={"CRV1": "manager_id"})
    assert within.coef()["x"] + 3 * within.se()["x"] < 0 < fit.high
    total = invited.decided(Comparison("acknowledging_to_merit_total", None, None), everybody)
    assert total.adjusted.low > 0  # by the rating


# --- where it cannot tell


def test_without_an_order_nothing_changes():
    rows = of_order(1).drop(columns=["invited_to_acknowledge", "drawn_to_acknowledge"])
    observed = contrasts.compare(rows, MEASURE)
    assert invited.decided(observed, rows) is observed
    learning = of_order(1)  # an order of invitations to something else
    other = Comparison("learning_to_rating", None, None)
    assert invited.decided(other, learning) is other


@pytest.mark.parametrize("few", [True, False], ids=["few people", "moves nobody"])
def test_an_order_that_cannot_tell_yet_leaves_a_note_alone(few):
    rows = of_order(2, people=60) if few else of_order(2, moves=0.0)
    rows = rows[rows.person_id.astype(int) < 40] if few else rows
    observed = contrasts.compare(rows, MEASURE)
    told = invited.decided(observed, rows)
    assert told.notes == (*observed.notes, invited.NOTE)
    assert replace(told, notes=observed.notes) == replace(observed)


# --- before it is drawn


def before_any_order(seed: int, people: int) -> pd.DataFrame:
    rows = of_order(seed, people=people, moves=0.0)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(180 * rows.cycle.str[1:].astype(int), "D")
    return rows.drop(columns=[one for one in rows if "_to_acknowledge" in one]).assign(
        reviewed_on=days
    )


@pytest.mark.parametrize("why", ["fixed", "nobody"])
def test_where_nothing_is_left_no_chance_is_told(why):
    rows = before_any_order(1, 300).assign(
        compa_ratio=np.nan, matrix_cell="a", bonus_net_pct=np.nan
    )
    rows = rows.assign(merit_pct=3.1, merit_target_pct=3.1, merit_gap_pct=0.0)
    rows = rows.assign(acknowledgements=0.0) if why == "nobody" else rows
    order = pd.DataFrame({"stratum": "all", "wave": np.arange(300) % WAVES})
    order = order.set_axis(order.index.astype(str))
    measure = MEASURE if why == "nobody" else "acknowledging_to_merit_at_equal_rating"
    one = invited.foreseen(rows, measure, order, WAVES)
    assert one is None or one.silent == why
    assert why == "nobody" or one.silent == why


@pytest.mark.parametrize(
    ("effect", "people", "moves"), [(0.3, 1_500, 0.5), (0.2, 1_500, 0.35), (0.5, 600, 0.5)]
)
def test_the_chance_foreseen_is_the_share_of_orders_that_find_it(effect, people, moves):
    order = pd.DataFrame(
        {"stratum": np.arange(people) // STRATUM, "wave": np.arange(people) % WAVES}
    )
    order = order.set_axis(order.index.astype(str)).astype({"stratum": str})
    foreseen = []
    for seed in range(20):
        one = invited.foreseen(before_any_order(1_000 + seed, people), MEASURE, order, WAVES)
        foreseen.append(one.chance(effect, moves * (1 - one.does_now)))
    found_it = []
    for seed in range(5_000, 5_300):
        rows = of_order(seed, effect, people=people, moves=moves)
        fit = invited.decided(Comparison(MEASURE, None, None), rows).adjusted
        found_it.append(fit is not None and fit.low > 0)
    # 5 points, and 3 of 300 orders' Monte-Carlo error and of intervals from 50 clusters
    assert np.mean(found_it) == pytest.approx(np.mean(foreseen), abs=0.08)

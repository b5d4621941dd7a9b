"""The rival that feedback cannot fool: equal to a second implementation, blind to what it must not
see, and told apart from lasting luck.
"""

import numpy as np
import pandas as pd
import pytest

from learnalign.estimates import forward

PEOPLE, TEAM = 240, 8


def rows(seed: int = 3, cycles: int = 5, *, moves: bool = False, missing: bool = False):
    """A prepared frame; with `moves` some change managers, with `missing` rows are left out."""
    rng = np.random.default_rng(seed)
    person, cycle = (of.ravel() for of in np.indices((PEOPLE, cycles)))
    boss = person // TEAM
    if moves:
        boss = (boss + (person % 5 == 0) * (cycle > 2)) % (PEOPLE // TEAM)
    able, luck = rng.normal(size=PEOPLE)[person], rng.normal(size=len(person))
    before = np.where(cycle > 0, np.roll(luck, 1), 0)
    x = (rng.random(len(person)) < 1 / (1 + np.exp(0.5 + 0.5 * able + before))).astype(float)
    w = rng.normal(size=len(person)) + 0.3 * x
    frame = pd.DataFrame(
        {
            "person_id": person,
            "cycle": cycle,
            "rater": boss,
            "rater_cycle": boss * cycles + cycle,
            "exposure": x,
            "exposed": x > 0,
            "outcome": able + 0.3 * x + 0.2 * w + luck,
            "held_compa_ratio": w,
        }
    )
    return frame[rng.random(len(frame)) > 0.1] if missing else frame


def by_hand(frame: pd.DataFrame) -> tuple[float, float, float, float]:
    """Estimate, CR1 standard error without small-sample terms, mean and SE of the luck products:
    person by person.
    """
    names = ["outcome", "exposure", "held_compa_ratio"]
    frame = frame[frame.groupby("rater_cycle").rater_cycle.transform("size") > 1]
    star = frame[names] - frame.groupby("rater_cycle")[names].transform("mean")
    ahead = star * np.nan
    for _, mine in star.groupby(frame.person_id):
        for place in range(len(mine) - 1):
            k = len(mine) - place - 1
            change = mine.iloc[place] - mine.iloc[place + 1 :].mean()
            ahead.loc[mine.index[place]] = np.sqrt(k / (k + 1)) * change
    kept = ahead.outcome.notna()
    kept &= kept.groupby(frame.rater_cycle).transform("sum") > 1
    cell = frame.rater_cycle[kept]
    moved, z = (of[kept] - of[kept].groupby(cell).transform("mean") for of in (ahead, star))
    x, z = moved[names[1:]].to_numpy(), z[names[1:]].to_numpy()
    solved = np.linalg.inv(z.T @ x)
    beta = solved @ z.T @ moved.outcome.to_numpy()
    left = moved.outcome.to_numpy() - x @ beta
    scores = pd.DataFrame(z * left[:, None]).groupby(frame.rater[kept].to_numpy()).sum().to_numpy()
    error = np.sqrt((solved @ scores.T @ scores @ solved.T)[0, 0])
    rest = frame.outcome - frame[names[1:]] @ beta
    cell, triples = frame.rater_cycle, {}
    for _, mine in rest.groupby(frame.person_id):
        for t in range(2, len(mine)):
            three = mine.index[[t, t - 1, t - 2]]
            triples.setdefault((*cell[three],), []).append((frame.rater[three[0]], *rest[three]))
    products = []
    for together in (one for one in triples.values() if len(one) > 1):
        r = np.array([values for _, *values in together])
        r = r - r.mean(axis=0)
        products += zip([who for who, *_ in together], r[:, 0] * (r[:, 1] - r[:, 2]), strict=True)
    table = pd.DataFrame(products, columns=["rater", "m"])
    by = (table.m - table.m.mean()).groupby(table.rater).sum()
    return beta[0], error, table.m.mean(), np.sqrt((by**2).sum()) / len(table)


@pytest.mark.golden
@pytest.mark.parametrize("about", [{}, {"moves": True, "missing": True}])
def test_equals_a_second_implementation(about):
    frame = rows(**about)
    fit, luck = forward.feedback_robust(frame, "manager")
    estimate, error, lasting, its_error = by_hand(frame)
    assert fit.estimate == pytest.approx(estimate, abs=1e-10)
    assert luck.estimate == pytest.approx(lasting, abs=1e-10)
    # 30 managers: bias-reduced errors, and G/(G-1), are a little wider
    assert error <= fit.std_error <= 1.06 * error
    assert luck.std_error == pytest.approx(its_error, rel=0.03)
    assert fit.rung == "CR2" and fit.design == "within_person"


def test_what_all_under_a_manager_share_in_a_cycle_changes_nothing():
    frame = rows(moves=True, missing=True)
    shared = frame.outcome + frame.rater_cycle % 7
    one, other = (
        forward.feedback_robust(f, "manager")[0] for f in (frame, frame.assign(outcome=shared))
    )
    assert (one.estimate, one.std_error) == pytest.approx(
        (other.estimate, other.std_error), abs=1e-9
    )


def test_what_lasts_of_a_person_changes_nothing_where_nobody_moves():
    frame = rows()
    lasting = frame.assign(outcome=frame.outcome + 3 * np.sin(frame.person_id))
    one, other = (forward.feedback_robust(f, "manager")[0] for f in (frame, lasting))
    assert (one.estimate, one.std_error) == pytest.approx(
        (other.estimate, other.std_error), abs=1e-9
    )


def test_the_order_of_people_changes_nothing():
    frame = rows(missing=True)
    mixed = frame.sort_values(["cycle", "outcome"])
    one, other = (forward.feedback_robust(f, "manager")[0] for f in (frame, mixed))
    assert one.estimate == pytest.approx(other.estimate, abs=1e-10)


@pytest.mark.parametrize("cycles", [1, 2, 3])
def test_luck_needs_three_rows_in_a_row(cycles):
    fit, luck = forward.feedback_robust(rows(cycles=cycles), "manager")
    assert (fit is None) == (cycles == 1) and (luck is None) == (cycles < 3)


def test_who_moves_to_other_colleagues_is_no_luck_that_lasts():
    """What lasts of people falls out to the last digit, though others join and leave the team."""
    frame = rows(moves=True, missing=True)
    lasting = frame.assign(outcome=frame.outcome + 30 * np.sin(frame.person_id))
    found = [forward.ahead(one) for one in (frame, lasting)]
    same = found[0].slope.estimate - found[1].slope.estimate
    before, after = (one.in_a_row(one.luck) for one in found)
    change = [three[:, 1] - three[:, 2] for three in (before, after)]
    x = found[0].in_a_row(found[0].exposure)
    held = found[0].in_a_row(frame.held_compa_ratio.loc[found[0].rows.index].to_numpy())
    columns = np.column_stack([one[:, 1] - one[:, 2] for one in (x, held)])
    left = change[1] - change[0]
    fitted = columns @ np.linalg.lstsq(columns, left, rcond=None)[0]
    assert left == pytest.approx(fitted, abs=1e-9) and same != 0


def test_three_managers_carry_nothing():
    frame = rows()
    assert forward.feedback_robust(frame[frame.rater < 3], "manager") == (None, None)


def test_nothing_is_changed():
    frame = rows()
    before = frame.copy()
    forward.feedback_robust(frame, "manager")
    pd.testing.assert_frame_equal(frame, before)

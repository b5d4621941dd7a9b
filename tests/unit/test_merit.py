"""Merit: companies whose discretion, favour and distribution are known, and what is missing left
out in words.

The file takes about half a minute, nearly all of it for linking.
"""

import datetime as dt
from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from tests.parts import behind, study_of

from learnalign.data import reading
from learnalign.data.contract import Meta
from learnalign.estimates import checks, groups
from learnalign.facts import merit, ratios
from learnalign.linking import windows
from learnalign.privacy.gate import Gate
from learnalign.privacy.keys import Draws
from learnalign.privacy.rule import Rule

MANAGERS, TEAM, CYCLES = 40, 16, ("2023", "2024")
DAYS = {"2023": "2023-12-31", "2024": "2024-12-31"}
META = Meta(
    title="made",
    as_of=dt.date(2025, 6, 30),
    rating_scale=[1, 2, 3, 4, 5],
    attributes=("gender", "site"),
)


def company(
    seed=1, *, noise=0.3, favour=0.0, by_rating=1.0, per_point=0.0, slopes=0.0, bonus_noise=0.0
):
    """Merit of `by_rating` points a grade and the target's own, then what managers add: to women,
    by code, by slope.
    """
    rng = np.random.default_rng(seed)
    n = MANAGERS * TEAM
    person = np.array([f"p{i:04}" for i in range(n)])
    gender = rng.choice(["woman", "man"], n)
    people = pd.DataFrame(
        {
            "person_id": person,
            "hired_on": pd.Timestamp("2015-01-01"),
            "gender": gender,
            "site": np.where(np.arange(n) < 4, "hut", "hall"),
        }
    )
    manager = np.repeat([f"m{i:02}" for i in range(MANAGERS)], TEAM)
    slope = np.repeat(rng.normal(0, slopes, MANAGERS), TEAM)
    reviews, rewards, said = [], [], []
    for cycle in CYCLES:
        rating, low = rng.integers(1, 6, n), rng.integers(0, 2, n)
        spoke, code = rng.random(n) < 0.4, rng.integers(0, 4, (2, n))
        target = by_rating * rating + 0.5 * low
        given = (
            target
            + favour * (gender == "woman")
            + per_point * code[0]
            + slope * spoke
            + rng.normal(0, noise, n)
        )
        day = pd.Timestamp(DAYS[cycle])
        reviews.append(
            pd.DataFrame(
                {
                    "person_id": person,
                    "cycle": cycle,
                    "reviewed_on": day,
                    "rating": rating,
                    "unit": np.where(np.arange(n) < n / 2, "north", "south"),
                    "manager_id": manager,
                    "grade": np.where(np.arange(n) % 2, "a", "b"),
                    "fte": 1.0,
                }
            )
        )
        rewards.append(
            pd.DataFrame(
                {
                    "person_id": person,
                    "cycle": cycle,
                    "effective_on": day,
                    "merit_pct": given,
                    "merit_target_pct": target,
                    "compa_ratio": 1.0,
                    "bonus_pct": 2 * (1 + np.arange(n) % 2 + bonus_noise * rng.normal(size=n)),
                    "company_factor": 2.0,
                    "learning_enabled_performance": code[0],
                    "learning_positions_for_objectives": code[1],
                }
            )
        )
        asked = day - pd.Timedelta(days=100)
        said.append(
            pd.DataFrame(
                {"person_id": person[spoke], "acknowledged_on": asked, "channel": "question"}
            )
        )
    frames = {"people": people, "reviews": reviews, "rewards": rewards, "acknowledgements": said}
    whole = {
        name: frame if name == "people" else pd.concat(frame, ignore_index=True)
        for name, frame in frames.items()
    }
    return linked(whole)


def questions(dataset, cycles):
    rows = {"answers": merit.answers(study_of(dataset, cycles))}
    return ratios.counted(ratios.read()["two_questions"], rows).fits


def linked(frames, meta=META):
    dataset = reading.of_frames(frames, meta)
    return dataset, windows.link(dataset).person_cycles


@pytest.fixture(scope="module")
def usual():
    """Women get 0.3 points more at equal cell, each point of the first question 0.2, and nothing
    else.
    """
    return company(favour=0.3, per_point=0.2)


@pytest.fixture(scope="module")
def fixed():
    return company(noise=0.0)


# --- timelines drawn by hand

PEOPLE = """
    person_id  hired_on    gender
    ana        2020-01-01  f
    ben        2020-01-01  m
    cem        2020-01-01  -
"""
REVIEWS = """
    person_id  cycle  reviewed_on  rating  unit  manager_id
    ana        2023   2023-12-31   3       ops   mia
    ben        2023   2023-12-31   3       ops   noa
    cem        2023   2023-12-31   4       ops   mia
    ana        2024   2024-12-31   3       ops   mia
"""
REWARDS = """
    person_id  cycle  effective_on  merit_pct  merit_target_pct  learning_enabled_performance
    ana        2023   2023-12-31    2.0        1.5               0
    ben        2023   2023-12-31    1.5        1.5               2
    cem        2023   2023-12-31    2.5        -                 3
    ana        2024   2024-12-31    1.0        1.5               1
"""


@pytest.mark.slow
def test_merit_against_its_target_by_rating_and_target(drawn):
    dataset = reading.read(drawn(people=PEOPLE, reviews=REVIEWS, rewards=REWARDS))
    cycles = windows.link(dataset).person_cycles
    found = merit.cells(cycles)
    # ana twice, ben once, of one cell; cem's target is not known
    assert sorted(found.person_id) == ["ana", "ana", "ben"]
    assert found[["rating", "target"]].drop_duplicates().values.tolist() == [[3, 1.5]]
    assert found.gap.mean() == pytest.approx(0.0) and found.merit.mean() == pytest.approx(1.5)
    assert merit.cells(cycles.assign(merit_gap_pct=0.1)).gap.isna().all()  # all are alike
    study = study_of(dataset, cycles)
    assert merit.matrix(study).values.tolist() == [[3, 1.5, None, None, False]]
    (row,) = merit.matrix(behind(study)).itertuples()
    assert row.gap == pytest.approx(0.0) and row.shown


@pytest.mark.slow
def test_questions_count_answers_and_evidence_up_to_the_day_the_data_stand_at(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, rewards=REWARDS)
    dataset = reading.read(folder)
    found = questions(dataset, windows.link(dataset).person_cycles)
    assert {
        name: (fit.estimate, fit.n_rows, fit.n_people_smaller) for name, fit in found.items()
    } == {
        "learning that enabled performance: answered": (75.0, 4, 1),
        "learning that enabled performance: answered with evidence": (50.0, 4, 1),
    }  # the other question, and so both, are not recorded
    before = reading.read(folder, as_of="2024-06-30")
    assert [
        fit.n_rows for fit in questions(before, windows.link(before).person_cycles).values()
    ] == [3, 3]


@pytest.mark.slow
def test_too_little_says_nothing_and_raises_nothing(drawn):
    dataset = reading.read(
        drawn(people=PEOPLE, reviews=REVIEWS, rewards=REWARDS, meta={"attributes": ["gender"]})
    )
    cycles = windows.link(dataset).person_cycles
    assert merit.discretion(cycles) is None and merit.bonus(cycles, False) is None
    assert merit.follows(study_of(dataset, cycles)) == {}
    fits, left_out = groups.by_attribute(dataset, cycles, min_people=5)
    assert fits == {} and left_out.people.tolist() == [1, 1]


# --- companies whose truth is known


@pytest.mark.truth
def test_merit_exactly_the_matrix_leaves_no_discretion(fixed):
    dataset, cycles = fixed
    found = merit.discretion(cycles)
    assert (found.share.estimate, found.share.high) == (0, 0)
    assert found.says == ("fixed", "by rating")
    study = study_of(dataset, cycles)
    assert merit.in_words(behind(study)) == (
        "At equal rating and matrix cell, 0.00 % (0.00 to 0.00) of what merit varies is left. "
        "Merit cannot reward or punish anything except through the rating. "
        "Merit varies with the rating"
    )
    # everybody's merit could be read from the matrix
    assert merit.in_words(study).startswith("How much merit leaves open is not known")
    assert found.held == "rating and matrix cell"
    assert groups.by_attribute(dataset, cycles, min_people=10)[0] == {} == merit.follows(study)
    assert merit.over_managers(study) == (None, "merit does not differ beyond what is held equal")


@pytest.mark.truth
def test_discretion_is_the_planted_share_and_its_interval_that_of_a_bootstrap_over_managers():
    _, cycles = company(seed=5, noise=0.5)
    found = merit.discretion(cycles)
    truth = 100 * 0.25 / (2 + 0.25 * 0.25 + 0.25)  # noise over rating, place in the range and noise
    assert found.share.low < truth < found.share.high
    assert (found.share.n_people, found.share.n_clusters) == (MANAGERS * TEAM, MANAGERS)
    rng, teams = np.random.default_rng(3), dict(list(cycles.groupby("manager_id")))
    drawn = []
    for _ in range(100):
        again = pd.concat([teams[name] for name in rng.choice(list(teams), MANAGERS)])
        spread = (
            again.merit_pct - again.groupby(["matrix_cell", "cycle"]).merit_pct.transform("mean")
        ).var()
        drawn.append(
            100
            * spread
            / (again.merit_pct - again.groupby("cycle").merit_pct.transform("mean")).var()
        )
    assert found.share.std_error == pytest.approx(
        np.std(drawn), rel=0.25
    )  # four errors of an SD from 100 draws


@pytest.mark.truth
def test_merit_unrelated_to_the_rating_is_said():
    dataset, cycles = company(by_rating=0.0)
    found = merit.discretion(cycles)
    assert found.by_rating.estimate < found.by_rating.high < 5
    assert found.says == ("differs", "not by rating")
    assert merit.in_words(study_of(dataset, cycles)).endswith(
        "Merit differs at equal rating and matrix cell. Merit does not vary with the rating"
    )


def test_without_a_matrix_the_rating_alone_is_held_and_a_field_says_so(usual):
    nothing = {"matrix_cell": None, "merit_target_pct": np.nan, "merit_gap_pct": np.nan}
    found = merit.discretion(usual[1].assign(**nothing))
    assert found.held == "rating"
    assert (
        found.share.estimate > merit.discretion(usual[1]).share.estimate
    )  # the place in the range counts now
    assert found.share.estimate == pytest.approx(100 - found.by_rating.estimate)
    flat = merit.discretion(usual[1].assign(merit_pct=2.0))
    assert (flat.share, flat.says) == (None, ("same for everybody",))
    words = merit.in_words(study_of(usual[0], usual[1].assign(merit_pct=2.0)))
    assert "does not vary" in words


def test_with_a_target_for_nearly_everybody_merit_less_its_target_is_compared(fixed):
    cycles = fixed[1]
    target = cycles.merit_target_pct + np.linspace(0, 0.9, len(cycles))
    own = cycles.assign(
        merit_pct=target, merit_target_pct=target, merit_gap_pct=0.0, matrix_cell=target.astype(str)
    )
    found = merit.discretion(own)
    assert (found.share.estimate, found.held) == (0, "rating, merit less its target")
    assert len(merit.matrix(study_of(fixed[0], own))) < 20


@pytest.mark.truth
def test_the_planted_difference_at_equal_cell_is_found(usual):
    fits, left_out = groups.by_attribute(*usual, min_people=10)
    assert list(fits) == ["gender: man"]  # of two groups one is told: the other is its mirror
    man = fits["gender: man"]
    assert man.low < -0.3 < man.high < 0
    assert man.design == "associated"  # past ratings are not held equal
    assert man.n_people_smaller >= 10
    assert left_out.values.tolist() == [["site", "hut", 4, 1, "too few people or managers"]]


def test_people_of_a_group_that_is_left_out_are_on_neither_side(usual):
    dataset, cycles = usual
    people = dataset.tables["people"].execute()
    some = set(people.person_id[:4])
    third = people.assign(gender=people.gender.where(~people.person_id.isin(some), "third"))
    fits, _ = groups.by_attribute(reading.of_frames({"people": third}, META), cycles, min_people=10)
    without = cycles[~cycles.person_id.isin(some)]
    same, _ = groups.by_attribute(dataset, without, min_people=10)
    assert fits["gender: man"] == same["gender: man"]


def test_a_group_under_three_managers_or_fewer_is_left_out(usual):
    dataset, cycles = usual
    few = set(cycles.person_id[cycles.manager_id.isin(["m00", "m01", "m02"])])
    people = dataset.tables["people"].execute()
    people = people.assign(site=np.where(people.person_id.isin(few), "hut", "hall"))
    fits, left_out = groups.by_attribute(
        reading.of_frames({"people": people}, META), cycles, min_people=10
    )
    assert not any(name.startswith("site") for name in fits)
    assert left_out.why[left_out.attribute == "site"].tolist() == ["too few people or managers"]


@pytest.mark.truth
def test_merit_follows_the_question_that_it_was_planted_on_and_not_the_other(usual):
    found = merit.follows(study_of(*usual))
    first, second = (found[name] for name in merit.QUESTIONS.values())
    assert first.low < 0.2 < first.high and first.low > 0
    assert second.low < 0 < second.high
    assert first.method == "same rating and matrix cell, same cycle, same manager, CR2 by manager"


@pytest.mark.truth
def test_managers_who_differ_are_seen_and_managers_who_do_not_are_not(usual):
    one = study_of(*company(seed=2, slopes=0.4, noise=0.2))
    spread, why = merit.over_managers(one)
    assert why == "" and spread.sd_low < 0.4 < spread.sd_high and spread.sd_low > 0
    alike, _ = merit.over_managers(study_of(*usual))
    # a manager's slope has a standard error of about 0.15: an SD below that is what chance leaves
    assert alike.sd < 0.15 < spread.sd_low and alike.mean_low < 0 < alike.mean_high
    # with draws: other figures by each key, and an SD of nothing is not told from nothing
    drawn = [
        merit.over_managers(behind(study, Gate(Rule(10), Draws(key * 32, "s"))))[0]
        for study in (one, study_of(*usual))
        for key in (b"x", b"y")
    ]
    first, second, *same = drawn
    assert first.mean != second.mean != spread.mean and first.sd != second.sd != spread.sd
    assert all(found.sd_low < 0.4 < found.sd_high for found in (first, second))
    assert all(found.sd_low == 0 for found in same)


def test_too_few_managers_give_a_reason_and_units_do_not_stand_in(usual):
    few = usual[1][usual[1].manager_id < "m10"]
    spread, why = merit.over_managers(study_of(usual[0], few))
    assert spread is None
    assert why == "fewer than 20 managers have 5 people or more on each side"
    nobody = usual[1].assign(manager_id=None)
    assert merit.over_managers(study_of(usual[0], nobody))[0] is None


@pytest.mark.truth
def test_a_formula_bonus_is_blind_and_one_that_differs_is_not(usual):
    blind, usable = merit.bonus(usual[1], False), merit.bonus(company(bonus_noise=1.0)[1], False)
    assert (blind.case, blind.share.estimate) == ("blind", 0)
    assert usable.case == "usable" and usable.share.low > 5
    assert merit.bonus(usual[1], True).case == "an outcome of its own"
    assert merit.BLIND == checks.BLIND  # the same mark as the control's


@pytest.mark.truth
def test_the_chain_of_rating_and_merit_with_learning_not_recorded(usual, fixed):
    shown = merit.chain(study_of(*usual))
    assert set(shown.between) == {"rating and merit", "rating and bonus"}
    assert shown.estimate[0] > 0.9 and shown.low[0] > 0.9 > 0.1 > shown.estimate[1]
    learned = np.random.default_rng(4).exponential(size=len(fixed[1]))
    with_it = fixed[1].assign(
        voluntary_hours=learned,
        merit_pct=fixed[1].merit_pct
        + 0.2 * np.log1p(learned)
        + np.random.default_rng(5).normal(0, 0.05, len(learned)),
    )
    rows = merit.chain(study_of(fixed[0], with_it)).set_index(["figure", "between"])
    ranks, explained = rows.loc["rank correlation"], rows.loc["percent explained at equal cell"]
    assert 0 < ranks.estimate["learning and merit"] < 0.3
    assert ranks.low["learning and rating"] < 0 < ranks.high["learning and rating"]
    assert 60 < explained.low["learning and merit"] < explained.high["learning and merit"] < 95
    assert explained.loc["learning and bonus", "low"] == 0 and rows.shown.all()


# --- what is missing, and what must not matter


def everything(dataset, cycles):
    """All figures of the module as plain numbers."""
    found = merit.discretion(cycles)
    fits = {**questions(dataset, cycles), **merit.follows(study_of(dataset, cycles))}
    fits |= groups.by_attribute(dataset, cycles, min_people=10)[0] | {"share": found.share}
    figures = {name: [fit.estimate, fit.low, fit.high, fit.n_people] for name, fit in fits.items()}
    study = study_of(dataset, cycles)
    pooled, _ = merit.over_managers(study)
    chain = merit.chain(study)[["estimate", "low", "high"]]
    tables = [merit.matrix(study)[["rating", "target", "gap"]], chain]
    return figures, list(astuple(pooled)), [t.to_numpy(float) for t in tables]


def same(one, other):
    assert one[0].keys() == other[0].keys()
    for name, numbers in one[0].items():
        assert numbers == pytest.approx(other[0][name], abs=1e-9), name
    assert one[1] == pytest.approx(other[1], abs=1e-9)
    for table, again in zip(one[2], other[2], strict=True):
        np.testing.assert_allclose(table, again, atol=1e-9)


@pytest.mark.slow
@pytest.mark.property
def test_row_order_and_names_change_nothing(usual):
    dataset, cycles = usual
    expected = everything(dataset, cycles)
    same(everything(dataset, cycles.sample(frac=1, random_state=1)), expected)
    names = cycles.person_id.unique()
    person = dict(zip(names, np.random.default_rng(2).permutation(names), strict=True))
    manager = {f"m{i:02}": f"m{(7 * i + 3) % MANAGERS:02}" for i in range(MANAGERS)}
    tables = {name: dataset.tables[name].execute() for name in ("people", "rewards")}
    renamed = {
        name: table.assign(person_id=table.person_id.map(person)) for name, table in tables.items()
    }
    moved = cycles.assign(
        person_id=cycles.person_id.map(person), manager_id=cycles.manager_id.map(manager)
    )
    same(everything(reading.of_frames(renamed, META), moved), expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "missing",
    [
        "rewards",
        "acknowledgements",
        "rewards.bonus_pct",
        "rewards.merit_target_pct",
        "rewards.learning_enabled_performance",
        "reviews.manager_id",
        "reviews.grade",
        "people.gender",
    ],
)
def test_a_missing_table_or_column_leaves_facts_out_and_never_raises(usual, missing):
    table, _, column = missing.partition(".")
    frames = {
        name: usual[0].tables[name].execute()
        for name in ("people", "reviews", "rewards", "acknowledgements")
    }
    frames[table] = frames[table].drop(columns=column) if column else None
    dataset, cycles = linked({name: frame for name, frame in frames.items() if frame is not None})
    paid = table != "rewards" or bool(column)
    study = study_of(dataset, cycles)
    assert (len(merit.matrix(study)) > 0) == (paid and "target" not in missing)
    assert (merit.discretion(cycles) is not None) == paid
    fits, _ = groups.by_attribute(dataset, cycles, min_people=10)
    # two units are too few to stand in for managers in an interval
    assert ("gender: man" in fits) == (
        paid and missing not in ("people.gender", "reviews.manager_id")
    )
    assert len(questions(dataset, cycles)) == {
        "rewards": 0,
        "rewards.learning_enabled_performance": 2,
    }.get(missing, 5)
    assert (merit.follows(study_of(dataset, cycles)) == {}) == (
        not paid or missing == "reviews.manager_id"
    )
    assert (merit.bonus(cycles, False) is None) == (missing in ("rewards", "rewards.bonus_pct"))
    spread, why = merit.over_managers(study)
    assert (
        (spread is None)
        == bool(why)
        == (missing in ("rewards", "acknowledgements", "reviews.manager_id"))
    )
    assert (len(merit.chain(study)) > 0) == paid

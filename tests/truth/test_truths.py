"""A declared truth is refused or holds: effects as declared, nuisances one by one. About 50 seconds
of work.
"""

import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.special import expit

from learnalign.data import reading
from learnalign.data.mistakes import DataError
from learnalign.linking import windows
from northbank import events as bank
from northbank import page
from northbank import tables as simulate
from northbank import truth as truths
from northbank.truth import NORTHBANK, Truth

EXAMPLES = sorted((Path(__file__).parents[2] / "params/truths").glob("*.yml"))
MANY = 20_000
EVERYTHING = Truth(
    acknowledging_on_rating=-0.2,
    acknowledging_on_merit=-0.4,
    learning_on_merit=0.6,
    leaders_on_teams=1,
    strugglers=0.8,
    hidden_motivation=0.2,
    halo=0.3,
    forced_curve=True,
    compression=0.7,
    fixed_merit_pool=True,
    bonus="individual",
    attrition_of_the_penalised=2,
    campaigns=1,
)


@lru_cache(8)
def drawn(truth: Truth, people: int = MANY):
    return bank.draw(people, 6, 1, truth)


@lru_cache(8)
def company(truth: Truth, people: int = 3000) -> simulate.Company:
    return simulate.northbank(people=people, truth=truth)


def rated(truth: Truth) -> pd.DataFrame:
    """Reviews with the rating in SD, the two before it, and having acknowledged as a number."""
    reviews = drawn(truth).reviews
    by_cycle = reviews.groupby("at").rating
    y = (reviews.rating - by_cycle.transform("mean")) / by_cycle.transform("std")
    before = y.groupby(reviews.person_id)
    return reviews.assign(
        y=y, x=reviews.acknowledged.astype(float), prior_1=before.shift(1), prior_2=before.shift(2)
    )


def slope(y: pd.Series, *columns: pd.Series) -> float:
    return float(np.linalg.lstsq(np.column_stack([*columns, np.ones(len(y))]), y, rcond=None)[0][0])


def lagged(rows: pd.DataFrame) -> float:
    rows = rows.dropna(subset="prior_2")
    team = rows.groupby(["manager_id", "at"])
    return slope(*(rows[c] - team[c].transform("mean") for c in ("y", "x", "prior_1", "prior_2")))


def within(rows: pd.DataFrame) -> float:
    numbers = pd.concat([rows[["y", "x"]], pd.get_dummies(rows["at"], dtype=float)], axis=1)
    inside = numbers - numbers.groupby(rows.person_id).transform("mean")
    return slope(*(inside[c] for c in inside))


# --- declaring


def test_a_truth_does_not_change_and_equal_ones_are_one():
    with pytest.raises(FrozenInstanceError):
        NORTHBANK.halo = 0.5
    assert Truth() == NORTHBANK
    assert len({Truth(), NORTHBANK, Truth(halo=0.5)}) == 2


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_examples_can_be_drawn(file):
    assert truths.read(file) != NORTHBANK


def test_what_a_file_does_not_name_is_as_in_northbank(tmp_path):
    (tmp_path / "one.yml").write_text("halo: 0.3\nbonus: individual\n")
    assert truths.read(tmp_path / "one.yml") == replace(NORTHBANK, halo=0.3, bonus="individual")


def test_every_problem_of_a_file_is_told_at_once(tmp_path):
    (tmp_path / "bad.yml").write_text(
        "hallo: 0.3\nbonus: fromula\nreliability: 2\nleniency: .inf\n"
    )
    with pytest.raises(DataError) as refused:
        truths.read(tmp_path / "bad.yml")
    text = str(refused.value)
    assert text.startswith("4 problems\n")
    assert "bad.yml.hallo: is not a key this file knows\n    Allowed: learning_on_rating, " in text
    assert "Fix: did you mean 'halo'?" in text
    assert "bad.yml.bonus: Input should be 'formula' or 'individual'\n    Got: 'fromula'" in text
    assert "bad.yml.reliability: Input should be less than or equal to 0.85\n    Got: 2" in text


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        truths.read(tmp_path / "none.yml")


def test_a_score_that_leaves_nothing_to_chance_is_refused_in_code_too():
    with pytest.raises(ValueError) as refused:
        Truth(halo=0.7, reliability=0.7)
    assert str(refused.value).startswith(
        "1 problem\nTruth: reliability, leniency, halo, hidden_motivation and the effects on "
        "the rating fill the "
        "score: 1.25 of its variance, of 0.95 at most"
    )
    with pytest.raises(
        DataError,
        match=r"Truth\.acknowledging_on_rating: Input should be less than or equal to 0\.5",
    ):
        Truth(acknowledging_on_rating=5)


@pytest.mark.e2e
def test_the_command_draws_another_truth_and_tells_a_mistake_without_a_traceback(tmp_path):
    def command(truth: Path) -> subprocess.CompletedProcess:
        words = ["simulate", "bank", "--people", "60", "--cycles", "2", "--truth", str(truth)]
        return subprocess.run(
            [sys.executable, "-m", "learnalign", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    (tmp_path / "bad.yml").write_text("halo: 9\n")
    refused = command(tmp_path / "bad.yml")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("1 problem\nbad.yml.halo: ")
    assert not (tmp_path / "bank").exists()
    done = command(EXAMPLES[0])
    assert (done.returncode, done.stderr) == (0, "")
    assert reading.read(tmp_path / "bank").meta.title == "Northbank (simulated, another truth)"


# --- the company


@pytest.mark.parametrize(
    "truth", [EVERYTHING, Truth(campaigns=3, attrition_of_the_penalised=3), Truth(halo=0.5)]
)
def test_a_company_of_any_truth_keeps_the_contract(truth, tmp_path):
    other = simulate.northbank(people=200, cycles=3, truth=truth)
    assert reading.check(simulate.write(other, tmp_path / "bank")) == ()


def test_a_company_of_another_truth_replaces_an_earlier_one_and_is_replaced(tmp_path):
    small = {"people": 60, "cycles": 2}
    for truth in (NORTHBANK, EVERYTHING, NORTHBANK):
        simulate.write(simulate.northbank(**small, truth=truth), tmp_path / "bank")
        meta = reading.read(tmp_path / "bank").meta
        assert (meta.title == simulate.TITLE) == (truth == NORTHBANK)
        assert meta.bonus_rewards_individual == (truth.bonus == "individual")


def test_in_memory_is_as_through_files(tmp_path):
    other = simulate.northbank(people=300, cycles=4, seed=3, truth=EVERYTHING)
    files, memory = reading.read(simulate.write(other, tmp_path / "bank")), simulate.dataset(other)
    assert (memory.meta, memory.filled) == (files.meta, files.filled)
    for name, table in files.tables.items():
        assert memory.tables[name].schema() == table.schema()
        one, two = (
            found.execute().sort_values([*table.columns], ignore_index=True)
            for found in (table, memory.tables[name])
        )
        pd.testing.assert_frame_equal(one, two, obj=name)
    one, two = windows.link(files), windows.link(memory)
    pd.testing.assert_frame_equal(one.person_cycles, two.person_cycles)
    pd.testing.assert_frame_equal(one.attrition, two.attrition)
    assert memory.fingerprint != simulate.dataset(company(NORTHBANK, 60)).fingerprint


@pytest.mark.parametrize(
    "change", [{"bonus": "individual"}, {"fixed_merit_pool": True}, {"acknowledging_on_merit": 0.5}]
)
def test_what_is_about_rewards_changes_no_other_table(change):
    before, after = company(NORTHBANK).tables, company(Truth(**change)).tables
    assert [name for name in before if not before[name].equals(after[name])] == ["rewards"]


# --- effects as declared

RATINGS = [
    NORTHBANK,
    Truth(acknowledging_on_rating=0.2),
    Truth(acknowledging_on_rating=-0.3),
    Truth(acknowledging_on_rating=0.2, learning_on_rating=0.3),
    Truth(acknowledging_on_rating=0.2, learning_on_rating=0, compression=0.85),
    Truth(acknowledging_on_rating=0.2, reliability=0.3),
    Truth(acknowledging_on_rating=0.2, reliability=0.75),
    Truth(acknowledging_on_rating=0.2, leniency=0.5, halo=0.3),
    Truth(acknowledging_on_rating=0.2, hidden_motivation=0.4, strugglers=1),
]


@pytest.mark.truth
@pytest.mark.parametrize("truth", RATINGS, ids=lambda truth: str(RATINGS.index(truth)))
def test_effects_on_the_rating_are_as_declared_whatever_else_is(truth):
    """The same draws with and without; .006 is four standard errors of the mean over 89,000
    reviews.
    """
    rows, weights = drawn(truth).reviews, truths.weights(truth)
    sd = rows.groupby("at").rating.transform("std")

    def difference(score: pd.Series, more: float) -> float:
        return (
            (truths.ratings(score + more, [], truth) - truths.ratings(score, [], truth)) / sd
        ).mean()

    silent = rows.latent - weights["said"] * rows.acknowledged
    assert difference(silent, weights["said"]) == pytest.approx(
        truth.acknowledging_on_rating, abs=0.006
    )
    assert difference(rows.latent, weights["learned"]) == pytest.approx(
        truth.learning_on_rating, abs=0.006
    )
    assert rows.latent.var() == pytest.approx(1, abs=0.05)


@pytest.mark.truth
def test_an_analyst_who_knows_all_finds_the_declared_effects_on_the_rating():
    rows = rated(Truth(acknowledging_on_rating=0.2, learning_on_rating=0.3))
    known = [rows.ability, rows.ability**3, rows.leniency, rows.half_year, rows.half_year**3]
    assert slope(rows.y, rows.x, rows.learned, *known) == pytest.approx(0.2, abs=0.015)
    assert slope(rows.y, rows.learned, rows.x, *known) == pytest.approx(0.3, abs=0.015)


@pytest.mark.truth
@pytest.mark.parametrize("effect", [-0.8, -0.3, 0.2])
def test_those_who_acknowledge_get_the_declared_merit_more_or_less(effect):
    """The same draws with and without; 3 % for who, by chance, has no reward."""
    one, two = (
        company(Truth(acknowledging_on_merit=e)).tables["rewards"].merit_pct for e in (0.0, effect)
    )
    acknowledged = drawn(NORTHBANK, 3000).reviews.acknowledged.mean()
    assert (two - one).mean() / acknowledged == pytest.approx(effect, rel=0.03)
    assert two.min() >= 0


def test_nobody_can_lose_more_merit_than_there_is():
    merit, all_of_them = np.array([0.4, 0.6]), pd.Series([True, True])
    with pytest.raises(
        DataError, match="takes more merit than those who acknowledge get in this company"
    ):
        simulate._for_acknowledging(
            merit, merit > 0, all_of_them, Truth(acknowledging_on_merit=-0.5)
        )
    added = simulate._for_acknowledging(
        merit, merit > 0, all_of_them, Truth(acknowledging_on_merit=-0.45)
    )
    assert np.maximum(merit + added, 0).mean() == pytest.approx(0.05)


@pytest.mark.truth
@pytest.mark.parametrize("effect", [0.0, 0.64])
def test_the_third_who_learn_most_get_about_the_declared_merit_more(effect):
    truth = Truth(learning_on_merit=effect)
    labels = drawn(truth, 3000).label
    behind = drawn(truth, 3000).reviews.assign(person_id=lambda r: labels[r.person_id])
    paid = behind.merge(company(truth).tables["rewards"], on=["person_id", "cycle"])
    top = (paid.groupby("at").hours.rank(pct=True) > 2 / 3).astype(float)
    by = [paid.rating * 100 + paid.merit_target_pct, paid["at"]]
    y, x, lenient = (
        v - v.groupby(by).transform("mean") for v in (paid.merit_pct, top, paid.leniency)
    )
    assert slope(y, x, lenient) == pytest.approx(effect, abs=0.03)


def gaps_of(b) -> pd.DataFrame:
    """Every gap of the bank, whatever found it, with its end: closed, left, or as_of."""
    tests = b.assessments.assign(topic=b.assessments.person_id * 9 + b.assessments["skill"])
    tests = tests.assign(open=tests.assessed_level < tests.required_level)
    tests = tests.sort_values(["topic", "assessed_on"], ignore_index=True)
    before = tests.open.shift(1, fill_value=False) & tests.topic.duplicated()
    closed = tests.assessed_on.where(~tests.open & before).groupby(tests.topic).bfill()
    gaps = tests.assign(closed=closed)[tests.open & ~before]
    gone = pd.Series(np.minimum(b.left, b.as_of)[gaps.person_id], gaps.index)
    served = np.log1p((gaps.assessed_on - b.hired[gaps.person_id]) / 365.25) - 1.5
    return gaps.assign(end=gaps.closed.fillna(gone), served=served).reset_index(drop=True)


def months_of(b) -> pd.DataFrame:
    """A row per gap and month in which it was open at the start: what was known then, days open in
    it, and if closed.

    Merged event by event, which is nothing like how the bank draws it.
    """
    rows = gaps_of(b)
    rows = rows.loc[
        rows.index.repeat(np.ceil((rows.end - rows.assessed_on).clip(lower=1) / 30).astype(int))
    ]
    rows = rows.assign(month=rows.groupby(level=0).cumcount()).reset_index(names="gap")
    rows = rows.assign(start=rows.assessed_on + 30 * rows.month).reset_index(names="row")
    rows = rows.assign(days=(rows.end - rows.start).clip(upper=30))
    rows = rows.assign(
        shut=rows.closed.notna() & (rows.end - rows.start <= 30) & (rows.end == rows.closed)
    )
    said = rows.merge(b.said[["person_id", "skill", "acknowledged_on"]], on=["person_id", "skill"])
    said = said[
        (said.acknowledged_on < said.start) & (said.acknowledged_on >= said.assessed_on - 90)
    ]
    done = b.learning[(b.learning.status == "completed") & ~b.learning.is_required]
    kinds = done[done.activity_type != "mentoring"][
        ["person_id", "skill", "learned_on", "activity_type"]
    ]
    learned = rows.merge(kinds, on=["person_id", "skill"])
    learned = learned[
        (learned.learned_on < learned.start) & (learned.learned_on >= learned.start - 90)
    ]
    first = done[done.activity_type == "mentoring"].groupby("person_id").learned_on.min()
    tied = b.ties[b.ties.kind == "mentors"].groupby("to_id").tied_on.min()
    mentored = pd.concat([first, tied], axis=1).min(axis=1)
    types = {
        kind: rows.row.isin(learned.row[learned.activity_type == kind])
        for kind in sorted(set(kinds.activity_type))
    }
    return rows.assign(
        acknowledging=rows.row.isin(said.row),
        mentoring=rows.person_id.map(mentored) < rows.start,
        **types,
    )


def closings(truth: Truth) -> dict[str, tuple[float, float]]:
    """Log of each factor on the hazard of closing and its standard error: what works is known, and
    nothing else is.
    """
    rows = months_of(drawn(truth))
    names = ["acknowledging", "mentoring", *sorted(bank.MADE.types.keys() - {"mentoring"})]
    x = np.column_stack([rows[names].to_numpy(float), np.ones(len(rows))])
    known = np.log(rows.days.clip(lower=0.5)) + bank.MADE.served["closing"] * rows.served
    logs = np.append(np.zeros(len(names)), np.log(bank.MADE.closing))
    for _ in range(20):
        expected = np.exp(x @ logs + known.to_numpy())
        inverse = np.linalg.inv((x.T * expected) @ x)
        logs = logs + inverse @ (x.T @ (rows.shut.to_numpy(float) - expected))
    return {name: (logs[i], inverse[i, i] ** 0.5) for i, name in enumerate([*names, "one"])}


@pytest.mark.truth
@pytest.mark.parametrize(
    "truth",
    [
        NORTHBANK,
        Truth(
            acknowledging_on_closure=2,
            mentoring_on_closure=0.7,
            reading_on_closure=3,
            course_on_closure=0.8,
        ),
    ],
)
def test_gaps_close_at_the_declared_pace(truth):
    """Twelve factors, each within 3.5 of its standard errors."""
    for name, (log, error) in closings(truth).items():
        declared = bank.MADE.closing if name == "one" else getattr(truth, f"{name}_on_closure")
        assert log == pytest.approx(np.log(declared), abs=3.5 * error), name


def own_odds(b, quarter: int, seed: int = 1) -> np.ndarray:
    """Everybody's log-odds of acknowledging in a quarter when their leader was not seen to before."""
    habit = bank.MADE.says["habit"] * bank.normal(bank.stream(seed, 3), len(b.hired))
    boss = b.manager[:, b.cycle_of[quarter]]
    reflected = b.truth.reflecting_on_acknowledging * bank._reflected(b)[:, quarter]
    half_year = b.half_year[:, b.cycle_of[quarter]]
    return (
        habit
        + reflected
        - b.truth.strugglers * b.ability
        - b.truth.dip * half_year
        + 0.15 * b.leniency[boss]
        - 1.75
    )


@pytest.mark.truth
@pytest.mark.parametrize("declared", [-0.5, 0.0, 0.45, 1.2])
def test_teams_follow_their_leaders_as_declared(declared):
    """By maximum likelihood when all that moves people but the leader is known; .06 is 3 standard
    errors.
    """
    truth = Truth(leaders_on_teams=declared)
    b = drawn(truth)
    everyone = np.arange(MANY)
    says, seen = (np.zeros((MANY, len(b.cycle_of)), dtype=bool) for _ in range(2))
    said = b.said[
        ~b.said.owned_up
    ]  # a gap about to be found moves people whatever their leader does
    says[said.person_id, said.quarter] = True
    seen[said.person_id[said.seen], said.quarter[said.seen]] = True
    there = (b.hired[:, None] <= b.quarters[:-1]) & (
        np.minimum(b.left, b.as_of)[:, None] >= b.quarters[1:] - 1
    )
    rows = []
    for quarter in range(1, len(b.cycle_of)):
        boss = b.manager[:, b.cycle_of[quarter]]
        odds = own_odds(b, quarter)
        keep = there[everyone, quarter] & there[boss, quarter - 1] & ~b.manages
        rows.append(np.column_stack([seen[boss, quarter - 1], odds, says[:, quarter]])[keep])
    x, odds, y = np.concatenate(rows).T
    assert brentq(lambda log_odds: x @ (y - expit(odds + log_odds * x)), -3, 3) == pytest.approx(
        declared, abs=0.06
    )


# --- nuisances, one by one

TABLE = re.findall(
    r"^# +(\(Northbank as shipped\)|\w+=.*?) +(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+)$",
    Path(truths.__file__).with_name("truth.yml").read_text(encoding="utf-8"),
    re.M,
)


@pytest.mark.truth
@pytest.mark.parametrize(("row", "truth", "naive", "with_priors", "in_person"), TABLE)
def test_the_table_of_estimates_that_miss_the_truth(row, truth, naive, with_priors, in_person):
    """The declared truth, and three estimates to the digits that are quoted."""
    declared = NORTHBANK if row.startswith("(") else Truth(**dict(_values(row)))
    rows = rated(declared)
    assert declared.acknowledging_on_rating == float(truth)
    assert slope(rows.y, rows.x) == pytest.approx(float(naive), abs=0.006)
    assert lagged(rows) == pytest.approx(float(with_priors), abs=0.006)
    assert within(rows) == pytest.approx(float(in_person), abs=0.006)


def _values(row: str):
    for pair in row.split(", "):
        name, value = pair.split("=")
        yield name, float(value)


def test_the_table_was_read():
    assert len(TABLE) == 6


@pytest.mark.truth
def test_strugglers_acknowledge_more_as_declared():
    none, many = (drawn(Truth(strugglers=s)).reviews for s in (0, 1))
    assert (
        abs(none.ability[none.acknowledged].mean() - none.ability[~none.acknowledged].mean()) < 0.02
    )
    assert many.ability[many.acknowledged].mean() < many.ability[~many.acknowledged].mean() - 0.5


@pytest.mark.truth
def test_hidden_motivation_moves_learning_acknowledging_and_the_rating():
    for truth, moved in (
        (NORTHBANK, False),
        (Truth(hidden_motivation=0.3, strugglers=0, dip=0), True),
    ):
        rows = rated(truth)
        motivation = drawn(truth).motivation[rows.person_id]
        found = [
            np.corrcoef(motivation, rows[column])[0, 1] > 0.15 for column in ("learned", "x", "y")
        ]
        assert found == [moved] * 3


@pytest.mark.truth
def test_leniency_and_reliability_are_the_declared_parts_of_the_score():
    for truth in (
        NORTHBANK,
        Truth(leniency=0.5, reliability=0.3),
        Truth(leniency=0, reliability=0.8),
    ):
        rows = drawn(truth).reviews
        assert slope(rows.latent, rows.leniency, rows.learned) == pytest.approx(
            truth.leniency, abs=0.03
        )
        same_manager = rows.latent - truth.leniency * rows.leniency
        lasting = (
            slope(rows.latent, rows.ability, rows.learned) ** 2
            * rows.ability.var()
            / same_manager.var()
        )
        assert lasting == pytest.approx(truth.reliability, abs=0.03)


@pytest.mark.truth
def test_a_halo_ends_with_a_new_manager():
    for truth, gap in ((NORTHBANK, 0.11), (Truth(halo=0.5), 0.33)):  # .11: leniency ends too
        rows = rated(truth).dropna(subset="prior_1")
        same = (
            rows.manager_id
            == drawn(truth).reviews.groupby("person_id").manager_id.shift(1)[rows.index]
        )
        found = [np.corrcoef(rows.y[some], rows.prior_1[some])[0, 1] for some in (same, ~same)]
        assert found[0] - found[1] == pytest.approx(gap, abs=0.03)


@pytest.mark.truth
def test_a_forced_curve_makes_teams_equal():
    spread = [
        drawn(t).reviews.groupby(["manager_id", "at"]).rating.mean().std()
        for t in (NORTHBANK, Truth(forced_curve=True))
    ]
    assert spread[0] > 0.35
    assert spread[1] < 0.15


@pytest.mark.truth
@pytest.mark.parametrize(("declared", "left"), [(0.15, 0.14), (0.3, 0.28)])
def test_of_an_effect_under_a_forced_curve_so_much_is_left(declared, left):
    """One person's score rises and the colleagues' stay; .01 is three standard errors."""
    truth = Truth(forced_curve=True)
    rows, more = drawn(truth, 3000).reviews, declared * truths.score_per_rating_sd(truth)
    rise = pd.Series(0.0, rows.index)
    for _, team in rows.groupby(["manager_id", "at"]):
        score = team.latent.to_numpy()
        others_below = (score < score[:, None] + more).sum(axis=1) - 1
        share = (others_below + 0.5) / len(score)
        rise[team.index] = (
            np.searchsorted(np.cumsum(truths.shares(truth))[:-1], share) + 1 - team.rating
        )
    assert (rise / rows.groupby("at").rating.transform("std")).mean() == pytest.approx(
        left, abs=0.01
    )


@pytest.mark.truth
def test_compression_puts_the_declared_share_in_the_middle():
    for share in (0.5, 0.85):
        rating = drawn(Truth(compression=share)).reviews.rating
        assert (rating == 3).mean() == pytest.approx(share, abs=0.01)
        assert set(rating) == {1, 2, 3, 4, 5}


@pytest.mark.truth
def test_a_fixed_pool_gives_every_team_what_the_matrix_gives_it():
    """To half of the hundredth to which merit is rounded."""
    for truth, fixed in ((NORTHBANK, False), (Truth(fixed_merit_pool=True), True)):
        tables = company(truth).tables
        paid = tables["rewards"].merge(tables["reviews"], on=["person_id", "cycle"])
        means = paid.groupby(["manager_id", "cycle"])[["merit_pct", "merit_target_pct"]].mean()
        assert ((means.merit_pct - means.merit_target_pct).abs().max() <= 0.0051) == fixed
        assert paid.merit_pct.min() >= 0
        assert paid.merit_pct.std() > 0.5


def test_a_bonus_by_formula_knows_nobody_and_an_individual_one_the_rating():
    for truth, by_formula in ((NORTHBANK, True), (Truth(bonus="individual"), False)):
        tables = company(truth).tables
        paid = tables["rewards"].merge(tables["reviews"], on=["person_id", "cycle"])
        assert (paid.groupby(["cycle", "grade"]).bonus_pct.nunique() == 1).all() == by_formula
        own = paid.bonus_pct / paid.groupby(["cycle", "grade"]).bonus_pct.transform("mean")
        assert (own.corr(paid.rating) > 0.5) != by_formula


@pytest.mark.truth
def test_the_penalised_leave_before_the_review_and_nobody_else_more_often():
    for truth, low, high in (
        (NORTHBANK, -0.005, 0.005),
        (Truth(attrition_of_the_penalised=2), 0.1, 0.3),
    ):
        b = drawn(truth)
        spoke, said = np.zeros(b.manager.shape, dtype=bool), b.said[~b.said.owned_up]
        cycle = np.searchsorted(b.review - bank.EMBARGO, said.acknowledged_on, side="right")
        counts = cycle < len(b.review)
        spoke[said.person_id[counts], cycle[counts]] = True
        there = (
            (b.hired[:, None] < b.review - 200)
            & (b.left[:, None] >= b.review - bank.EMBARGO)
            & ~b.manages[:, None]
        )
        gone = b.left[:, None] < b.review - 2
        lost = [gone[there & some].mean() for some in (spoke, ~spoke)]
        assert low < lost[0] - lost[1] < high
        assert lost[1] < 0.015
        assert (b.half_year[:, 1:][there & spoke & gone].mean() < -0.8) == (low > 0)


@pytest.mark.truth
def test_a_campaign_moves_leaders_and_staff_together():
    for truth, moved in ((NORTHBANK, False), (Truth(campaigns=1), True)):
        b = drawn(truth)
        said = b.said[~b.said.owned_up]
        by_quarter = (
            said.groupby([b.manages[said.person_id], "quarter"]).person_id.nunique().unstack()
        )
        there = [
            ((b.hired[:, None] <= b.quarters[1:]) & (b.left[:, None] >= b.quarters[:-1]))[who].sum(
                axis=0
            )
            for who in (~b.manages, b.manages)
        ]
        staff, leaders = by_quarter.to_numpy() / np.array(there)
        assert (np.corrcoef(staff[1:], leaders[1:])[0, 1] > 0.8) == moved
        assert (staff[2::4].min() > 1.5 * np.delete(staff, slice(2, None, 4)).max()) == moved


# --- what the page beside the demonstration says


@pytest.mark.truth
def test_the_pages_points_of_a_team_are_what_a_large_bank_does():
    b = drawn(NORTHBANK)
    owns_up = np.zeros((MANY, len(b.cycle_of)), dtype=bool)
    owned = b.said[b.said.owned_up]
    owns_up[owned.person_id, owned.quarter] = True
    here = (b.hired[:, None] <= b.quarters[:-1]) & (
        np.minimum(b.left, b.as_of)[:, None] >= b.quarters[1:] - 1
    )
    more = []
    for quarter in range(len(b.cycle_of)):
        odds = own_odds(b, quarter)
        rise = (expit(odds + NORTHBANK.leaders_on_teams) - expit(odds)) * ~owns_up[:, quarter]
        more.append(100 * rise[here[:, quarter] & ~b.manages].mean())
    assert np.mean(more) == pytest.approx(page.following(NORTHBANK), abs=0.15)


@pytest.mark.truth
def test_the_pages_cost_of_a_closed_gap_is_what_a_large_bank_does():
    """The chance of closing within a year with learning kept up, and with none; nothing is
    estimated.
    """
    b, rows = drawn(NORTHBANK), months_of(drawn(NORTHBANK)).query("trigger == 'scheduled'")
    kinds = sorted(bank.MADE.types.keys() - {"mentoring"})
    factor = np.prod(
        [np.where(rows[kind], getattr(NORTHBANK, f"{kind}_on_closure"), 1.0) for kind in kinds],
        axis=0,
    )
    learns = rows[kinds].any(axis=1)
    whole = learns & (~rows.shut | (rows.days == 30)) & (rows.days == 30)
    gaps = rows.drop_duplicates("gap").rename(columns={"person_id": "person", "assessed_on": "day"})
    done = simulate._recorded(b.learning)[bank._voluntary(b.learning)]
    events = gaps.merge(done, left_on=["person", "skill"], right_on=["person_id", "skill"])
    spent = events.cost[
        (events.learned_on >= events.day - 90) & (events.learned_on < events.end)
    ].sum()
    none = b.learning.assign(status="withdrawn")
    spells = gaps.groupby(gaps.groupby(["person", "skill"]).cumcount())  # a skill once at a time
    pace = [
        bank.closing_pace(gap, b, b.said, none, bank._mentored_since(b))[:, :12]
        for _, gap in spells
    ]
    without = np.cumsum(np.concatenate(pace), axis=1)
    kept_up = without * factor[learns].mean()
    extra = (np.exp(-without[:, -1]) - np.exp(-kept_up[:, -1])).mean()
    months = 1 + np.exp(-kept_up[:, :-1]).sum(axis=1).mean()
    assert spent / whole.sum() * months / extra == pytest.approx(page.COST, rel=0.1)

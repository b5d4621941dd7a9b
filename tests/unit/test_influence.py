"""Influence: what a fit says of each person is what it changes by when that person is left out."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from learnalign.estimates import (
    contrasts,
    described,
    directions,
    forward,
    groups,
    hazards,
    leaders,
    reassessed,
    rivals,
)
from learnalign.estimates.closing import Months
from learnalign.estimates.costs import cost_per_closed_gap
from learnalign.estimates.ladder import fixed_effects
from learnalign.estimates.same_manager import Sample
from learnalign.facts import drivers, merit
from learnalign.verdicts.result import Fit

NEVER = pd.NaT


def cycles(people: int = 240, size: int = 8) -> pd.DataFrame:
    """People in three cycles, eight to a manager; three of four have their manager's next in one."""
    rng = np.random.default_rng(7)
    person, cycle = np.repeat(np.arange(people), 3), np.tile(np.arange(3), people)
    able, x = rng.normal(size=people)[person], rng.normal(size=3 * people)
    boss = (person // size + (cycle == 2) * (person % 4 == 0)) % (people // size)
    noise = rng.normal(size=(4, 3 * people))
    y = able + 0.3 * x + noise[0]
    rows = pd.DataFrame({"cycle": cycle, "exposure": x + 0.3 * able, "outcome": y, "yes": y > 0.5})
    return rows.assign(
        person_id=[f"p{i}" for i in person],
        rater=[f"m{i}" for i in boss],
        rater_cycle=boss * 3 + cycle,
        prior_1=able + 0.7 * noise[1],
        prior_2=able + 0.7 * noise[2],
        rating_sd=y,
        rating=pd.cut(y, [-9, -1, 0, 1, 9], labels=False),
        got=x + noise[3],
        exposed=x > 0,
        of=1 + person % 3,
    )


def gap_months() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(
        {"place": np.repeat(np.arange(400), 12), "month": np.tile(range(1, 13), 400)}
    )
    number = rows.place // 2
    rows = rows.assign(person_id=number.map("p{}".format), manager=number % 30, held_a=number % 7)
    rows["learned"] = (rng.random(len(rows)) < 0.4).astype(int)
    chance = 0.08 * np.exp(0.8 * rows.learned + 0.1 * rows.held_a)
    rows["closed"] = (rng.random(len(rows)) < chance).astype(int)
    before = rows.groupby("place").closed.cumsum() - rows.closed
    found = pd.Timestamp("2024-01-01")
    ends = {"closed_on": NEVER, "left_on": NEVER, "observed_until": pd.Timestamp("2024-12-31")}
    return rows[before == 0].assign(left=0, skill=rows.place % 2, detected_on=found, **ends)


def members() -> pd.DataFrame:
    """A row per member, team and quarter; leaders and, next quarter, their teams speak up."""
    rng, rows = np.random.default_rng(5), []
    for team in range(24):
        spoke, since = rng.random(8) < 0.4, rng.integers(3, 10)
        for quarter in range(8):
            chance = 0.3 + 0.2 * spoke[quarter - 1] + 0.1 * (quarter >= since)
            about = (f"l{team}", f"u{team % 3}", quarter, spoke[quarter] * (quarter >= since))
            rows += [(f"p{team}_{n}", *about, rng.random() < chance) for n in range(9)]
    names = ["person_id", "leader_id", "unit", "quarter", "leader_acknowledged", "_said"]
    return pd.DataFrame(rows, columns=names).astype({"leader_acknowledged": float})


def teams(rows: pd.DataFrame) -> pd.DataFrame:
    """As `linking.teams` has them: nobody leads the team of a leader who is gone."""
    rows = rows[rows.leader_id.ne("")]
    of = rows.groupby(["leader_id", "unit", "quarter", "leader_acknowledged"])
    who = {name: rows.person_id[rows._said == side] for name, side in (("said", 1), ("silent", 0))}
    lists = {name: ids.groupby([rows[k] for k in of.keys]).agg(list) for name, ids in who.items()}
    found = of._said.agg(people="size", share="mean").assign(**lists).reset_index()
    return found.assign(team_id=found.leader_id)


def in_teams(fit):
    def make(rows: pd.DataFrame, gone: str) -> Fit:
        return fit(teams(rows[(rows.person_id != gone) & (rows.leader_id != gone)]))

    return make


def of_leaders(rows: pd.DataFrame, gone: str) -> Fit:
    said = np.random.default_rng(2).normal(3, 0.3, 12) + np.arange(12) / 12
    cells = {"unit": [f"u{i}" for i in range(12)], "score": said, "people": 10_000}
    cells = pd.DataFrame(cells).assign(driver=drivers.DRIVERS["vision"], domain="leading")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drivers, "grid", lambda study: cells)
        kept = SimpleNamespace(quarters=rows[rows.leader_id != gone])
        return drivers.correlation(drivers.said_and_done(kept))


def leading() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    rows = pd.DataFrame(
        {"leader_id": np.repeat(np.arange(96), 8), "quarter": np.tile(range(8), 96)}
    )
    unit = rows.leader_id % 12
    done = (rng.random(len(rows)) < 0.2 + unit / 20).astype(float)
    ids = rows.leader_id.map("l{}".format)
    return rows.assign(leader_id=ids, unit=unit.map("u{}".format), leader_acknowledged=done)


def without(fit, column: str = "person_id"):
    return lambda rows, gone: fit(rows[rows[column] != gone])


def sample(rows: pd.DataFrame) -> Sample:
    return Sample(rows, ("prior_1", "prior_2"), "manager")


def fe(rows: pd.DataFrame, **about) -> Fit:
    return fixed_effects(rows, "outcome", "exposure", cluster="rater", **about)


def cost(rows: pd.DataFrame) -> Fit:
    learned = rows[rows.learned == 1].drop_duplicates("place")[["person_id", "skill", "place"]]
    learned = learned.assign(learned_on=pd.Timestamp("2024-02-01"), cost=10.0 + learned.place % 90)
    learned = learned.assign(activity_type="course", is_voluntary=True)
    return cost_per_closed_gap(Months(rows, rows, learned, "manager"))[0]


def paid(rows: pd.DataFrame) -> Fit:
    rows = rows.assign(cell=rows.rating, by="manager")
    return merit._left_over(rows, "outcome", ["cycle"], "outcome", ["cell", "cycle"])


def apart(rows: pd.DataFrame) -> Fit:
    group = rows.person_id.str[-1].map(lambda digit: "abc"[int(digit) % 3])
    rows = rows.assign(outcome=rows.outcome - 0.4 * rows.exposure * (group == "a"))
    return directions._distance(sample(rows), group, 0.95)[0]


def at_equal_cell(rows: pd.DataFrame) -> Fit:
    about = {"x": rows.exposure, "side": rows.exposed, "cell": rows.rating, "held": "rating"}
    return groups.difference(rows.assign(**about, by="manager"))


def hazard(rows: pd.DataFrame) -> Fit:
    return hazards.hazard(rows, "learned", controls=["held_a"], cluster="manager")[0]


def planned(rows: pd.DataFrame) -> Fit:
    of = rows.assign(interval=rows.groupby(["place", (rows.month - 1) // 6]).ngroup())
    of = of.assign(closed=of.groupby("interval").closed.transform("max"))
    return reassessed.by_schedule(of, "learned", controls=["held_a"], cluster="manager")


def extra(rows: pd.DataFrame) -> Fit:
    return hazards.extra_closed(rows, "learned", controls=["held_a"], cluster="manager")[0]


def of_teams(rows: pd.DataFrame) -> list[Fit]:
    found = leaders.leader_to_team(rows)
    return [found.raw, found.adjusted, found.base]


def closed(rows: pd.DataFrame) -> Fit:
    return hazards.closed_without(rows, "learned", controls=["held_a"], cluster="manager")


def without_it(rows: pd.DataFrame) -> list[Fit]:
    """What the same people come to without it: as they are paid, and as they are rated."""
    own = sample(rows.assign(exposure=rows.exposed.astype(float), rating=rows.rating.astype(float)))
    bases = []
    for is_merit in (True, False):
        fit = own.core(outcome="outcome" if is_merit else "rating")
        prepared = SimpleNamespace(is_merit=is_merit, frame=own.rows)
        bases.append(contrasts.without(own, prepared, fit)[0])
    return bases


def of_first_times(rows: pd.DataFrame) -> list[Fit]:
    found = leaders.first_time(rows)
    return [found["on average since the first time"], found["1 quarter after"]]


def columns(rows: pd.DataFrame, value: str) -> tuple[pd.Series, ...]:
    return rows[value], rows.person_id, rows.rater


CASES = {
    "share": (cycles, without(lambda r: described.share(*columns(r, "yes")))),
    "share of so many": (cycles, without(lambda r: described.share(*columns(r, "yes"), of=r.of))),
    "mean": (cycles, without(lambda r: described.mean(*columns(r, "outcome"), of=r.of))),
    "nothing held equal": (cycles, without(fe)),
    "same manager": (cycles, without(lambda r: fe(r, absorb="rater_cycle", controls=["prior_1"]))),
    "few managers": (lambda: cycles(96, 12), without(lambda r: fe(r, absorb="rater_cycle"))),
    "core": (cycles, without(lambda r: sample(r).core())),
    "beside": (cycles, without(lambda r: sample(r).beside({"a": r.exposure, "b": r.got})["a"])),
    "within persons": (cycles, without(lambda r: rivals.within_person(r, "manager"))),
    "forward": (cycles, without(lambda r: forward.feedback_robust(r, "manager")[0])),
    "lasting luck": (cycles, without(lambda r: forward.feedback_robust(r, "manager")[1])),
    "noisy ratings": (cycles, without(lambda r: rivals.corrected(sample(r)))),
    "groups apart": (cycles, without(apart)),
    "instrument": (cycles, without(lambda r: rivals.through(sample(r), r, 9, 0.95))),
    "equal cell": (cycles, without(at_equal_cell)),
    "left over": (cycles, without(paid)),
    "ordered logit": (lambda: cycles(120), without(lambda r: rivals.ordered_logit(sample(r)))),
    "hazard": (gap_months, without(hazard)),
    "planned looks": (gap_months, without(planned)),
    "without it": (cycles, without(without_it)),
    "closed without": (gap_months, without(closed)),
    "extra closed": (gap_months, without(extra)),
    "cost": (gap_months, without(cost)),
    "team": (members, in_teams(of_teams)),
    "first time": (members, in_teams(of_first_times)),
    "correlation": (leading, of_leaders),
}
NOBODY, SLOW = (
    "nobody of that name",
    {
        "ordered logit": 8,
        "first time": 3,
        "team": 5,
        "cost": 10,
        "extra closed": 12,
        "closed without": 12,
    },
)
# An error is told with more in the way: managers' means, a second stage, a reliability
OF_ERROR = {
    "ordered logit": (0.6, 0.65),
    "noisy ratings": (0.7, 0.7),
    "cost": (0.85, 0.75),
    "team": (0.95, 0.6),
    "first time": (-0.2, 0.5),
}
# managers' means, which stand in for their effects, move too; and colleagues who change managers;
# and what several slopes are measured by
LOOSE = {"ordered logit": 0.94, "forward": 0.98, "lasting luck": 0.95, "groups apart": 0.97}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_it_is_what_leaving_a_person_out_changes(name):
    draw, make = CASES[name]
    rows, rng = draw(), np.random.default_rng(1)
    fits = listed(make(rows, NOBODY))
    people = {*rows.get("person_id", []), *rows.get("leader_id", [])}
    for kind in "lp":  # leaders move what members cannot
        some = sorted(one for one in people if one.startswith(kind))
        some = rng.choice(some, min(len(some), SLOW.get(name, 20)), replace=False)
        left = [listed(make(rows, one)) for one in some]
        for place, fit in enumerate(fits) if len(some) else ():
            scale = np.log if fit.ratio else float
            seen = [scale(fit.estimate) - scale(one[place].estimate) for one in left]
            told = fit.influence.loc[some].to_numpy()
            assert np.corrcoef(seen, told)[0, 1] > LOOSE.get(name, 0.99)
            assert np.abs(told).sum() == pytest.approx(np.abs(seen).sum(), rel=0.15)
            if fit.of_error is not None:
                assert set(fit.of_error.index) == set(fit.influence.index)
                seen = [np.log(width(fit) / width(one[place])) for one in left]
                told = fit.of_error.loc[some].to_numpy()
                least, most = OF_ERROR.get(name, (0.95, 0.75))
                assert np.corrcoef(seen, told)[0, 1] > least
                assert most < np.abs(told).sum() / np.abs(seen).sum() < 1.45
    for fit in fits:
        moves = fit.influence
        assert set(moves.index) == people and moves.index.is_unique
        assert moves.index.name == "person_id" and abs(moves.sum()) < 0.05 * moves.abs().sum()


def width(fit: Fit) -> float:
    return fit.std_error or fit.high - fit.low


def listed(fits: Fit | list[Fit]) -> list[Fit]:
    return fits if isinstance(fits, list) else [fits]


def test_a_hazard_ratio_alone_is_told_on_the_log_scale():
    assert hazard(gap_months()).ratio and not extra(gap_months()).ratio

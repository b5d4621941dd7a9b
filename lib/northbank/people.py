"""The people of Northbank: who is there, when, under whom, and who turns to whom; and the random
numbers that everything is drawn from.

People, skills and days are numbers here: a person or skill of -1 is nobody or none, days count from
1970. Draws start from uniforms, the stream least likely to change from one NumPy to the next, and
each table has its own.
"""

from importlib.resources import files
from types import SimpleNamespace as Bank

import numpy as np
import pandas as pd
import yaml
from scipy.special import expit, ndtri

Rng = np.random.Generator
AS_OF = "2026-06-30"
NEVER = 10**6  # days
MADE = Bank(**yaml.safe_load(files("northbank").joinpath("bank.yml").read_text("utf-8")))
GRADES, SKILLS = np.array(MADE.grades), np.array([*MADE.skills, None])

# --- drawing


def stream(seed: int, table: int) -> Rng:
    """Random numbers for one table."""
    return np.random.default_rng([seed, table])


def normal(rng: Rng, *size: int) -> np.ndarray:
    """Standard normal numbers."""
    return ndtri(rng.random(size) + 2.0**-54)


def below(rng: Rng, end: int, *size: int) -> np.ndarray:
    """Whole numbers from 0 to below `end`, evenly."""
    return (rng.random(size) * end).astype(int)


def pick(rng: Rng, shares: dict, size: int) -> np.ndarray:
    """One of the keys of `shares`, as often as its value says."""
    edges = np.cumsum(list(shares.values())) / sum(shares.values())
    return np.array(list(shares))[np.searchsorted(edges[:-1], rng.random(size), side="right")]


def wait(rng: Rng, *size: int) -> np.ndarray:
    """Exponential, with mean 1."""
    return -np.log1p(-rng.random(size))


# --- the organisation


def _calendar(cycles: int) -> Bank:
    """Half-years up to AS_OF, reviewed in mid-June and mid-December, and quarters around them."""
    months = np.datetime64("2026-06") - 6 * np.arange(cycles)[::-1]
    quarters = _days(months[0] - 8 + 3 * np.arange(2 * cycles + 2))
    return Bank(
        cycles=np.array([f"{str(month)[:4]}-H{1 + int(str(month)[5:]) // 12}" for month in months]),
        review=_days(months) + 14,
        effective=_days(months + 1) - 1,
        quarters=quarters,
        cycle_of=np.maximum(np.arange(2 * cycles + 1) - 1, 0) // 2,  # of each quarter
        start=int(quarters[0]),
        as_of=int(_days(np.datetime64(AS_OF))),
    )


def _days(date: np.ndarray) -> np.ndarray:
    return date.astype("datetime64[D]").astype(int)


def hire(people: int, cycles: int, rng: Rng) -> Bank:
    """Who is there, when, and under whom: 0 is the chief, then heads of unit, team leads, everyone
    else.

    Columns are cycles. People join, leave and change teams; a head stands in for a team lead who
    left.
    """
    when, number = _calendar(cycles), np.arange(people)[:, None]
    managers = max(6, round(people * 0.08))
    units = max(2, round(managers / 8))
    teams, staff = managers - 1 - units, number >= managers
    lead = (number > units) & ~staff
    new = staff & (rng.random((people, 1)) < cycles / (cycles + 20))
    joined = when.start + 15 + below(rng, when.as_of - when.start - 30, people, 1)
    hired = np.where(new, joined, when.start - (1500 * wait(rng, people, 1)).astype(int))
    stay = 182.6 * wait(rng, people, 1) / np.where(staff, 0.05, 0.02)
    left = np.where(staff | lead, np.maximum(hired, when.start) + 45 + stay.astype(int), NEVER)
    team = np.where(staff, _teams(rng, teams, people, cycles), number - 1 - units)
    unit = np.where(number > units, team % units, np.maximum(number - 1, 0))
    above = np.where(staff, 1 + units + team, np.where(lead, 1 + unit, 0))
    promoted = np.cumsum(rng.random((people, cycles)) < 0.025, axis=1)
    grade = np.minimum(below(rng, 3, people, 1) + promoted, 3)
    return Bank(
        **vars(when),
        label=np.array([*map("N{:05d}".format, 1 + _shuffled(rng, people)), None]),
        hired=hired[:, 0],
        left=np.where(left > when.as_of, NEVER, left)[:, 0],
        manages=~staff[:, 0],
        unit=unit,
        manager=np.where(left[above, 0] < when.effective, 1 + unit, above),
        grade=np.where(staff, grade, np.where(lead, 4, 5)),
        ability=normal(rng, people),
        leniency=normal(rng, people),
        half_year=normal(rng, people, cycles + 1),  # the first is before the first cycle
        skills=(below(rng, 8, people, 1) + np.array([0, 1]) * (1 + below(rng, 7, people, 1))) % 8,
    )


def _shuffled(rng: Rng, size: int) -> np.ndarray:
    return np.argsort(rng.random(size), kind="stable")


def _teams(rng: Rng, teams: int, people: int, cycles: int) -> np.ndarray:
    """A team for everybody in every cycle: 3 in 100 move to another from one cycle to the next."""
    moves = np.cumsum(rng.random((people, cycles)) < 0.03, axis=1)
    return until_moved(moves, below(rng, teams, people, cycles))


def until_moved(place: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """What was drawn for the first cycle at a place, for every cycle there; columns are cycles."""
    moved = np.diff(place, axis=1, prepend=place[:, :1]) != 0
    since = np.maximum.accumulate(np.where(moved, np.arange(place.shape[1]), 0), axis=1)
    return np.take_along_axis(drawn, since, axis=1)


def there(bank: Bank, person: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Whether the person is employed on the day, and the day is not after AS_OF."""
    return (day >= bank.hired[person]) & (day <= np.minimum(bank.left[person], bank.as_of))


# --- who turns to whom


def ties(bank: Bank, rng: Rng) -> pd.DataFrame:
    """Who mentors, asks and answers whom. Mentors were hired first; who has served for long gets
    one more often.
    """
    people, rows = len(bank.hired), 3 * len(bank.hired)
    kind = pick(rng, {"asks": 33, "answers": 33, "mentors": 19, "community": 15}, rows)
    one, day = below(rng, people, rows), bank.start + below(rng, bank.as_of - bank.start, rows)
    known = np.exp(normal(rng, people) + 0.4 * bank.grade[:, 0])
    boss = rng.random(rows) < 0.2
    asked = np.where(boss, bank.manager[one, 0], _near(bank, rng, one, known))
    alike = _near(bank, rng, one, np.ones(people))
    other = np.where(np.isin(kind, ["asks", "answers"]), asked, alike)
    answer = np.flatnonzero(kind == "answers")
    to = np.flatnonzero(kind == "asks")[below(rng, (kind == "asks").sum(), len(answer))]
    heard = rng.random(len(answer)) < 0.7  # of the answers, so many are to an ask on record
    asker, answerer = one[to], other[to]
    one[answer], other[answer] = (
        np.where(heard, answerer, other[answer]),
        np.where(heard, asker, one[answer]),
    )
    day[answer] = np.where(heard, day[to] + 1 + below(rng, 14, len(answer)), day[answer])
    turn = (kind == "mentors") & (bank.hired[one] > bank.hired[other])
    one, other = np.where(turn, other, one), np.where(turn, one, other)
    long = expit(MADE.served["mentored"] * served(bank, other, day))
    given = (kind != "mentors") | (rng.random(rows) < long)
    name = "community of practice: " + pd.Series(SKILLS[below(rng, 8, rows)])
    planned = (kind == "mentors") & (rng.random(rows) < 0.6)
    programme = name.where(kind == "community", None).mask(planned, "mentoring programme")
    drawn = {"from_id": one, "to_id": other, "tied_on": day, "kind": kind, "programme": programme}
    kept = given & (one != other) & there(bank, one, day) & there(bank, other, day)
    return pd.DataFrame(drawn)[kept]


def served(bank: Bank, person: np.ndarray, day: np.ndarray) -> np.ndarray:
    """How long the person has been there: log(1 + years), less what is usual."""
    return np.log1p(np.maximum(np.asarray(day) - bank.hired[person], 0) / 365.25) - 1.5


def _near(bank: Bank, rng: Rng, one: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Somebody in proportion to how well known they are: 6 times in 10 in the person's first unit,
    else anybody.
    """
    order, unit, own = (
        np.argsort(bank.unit[:, 0], kind="stable"),
        bank.unit[:, 0],
        bank.unit[one, 0],
    )
    edges, inside = np.concatenate([[0], np.cumsum(known[order])]), rng.random(len(one)) < 0.6
    first, last = (
        edges[np.searchsorted(unit[order], own, side=side)] for side in ("left", "right")
    )
    low, high = np.where(inside, first, 0), np.where(inside, last, edges[-1])
    place = np.searchsorted(edges, low + (high - low) * rng.random(len(one)), side="right") - 1
    return order[np.minimum(place, len(order) - 1)]

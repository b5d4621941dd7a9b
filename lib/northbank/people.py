"""The people of Northbank: who is there, when, and under whom; and the random numbers that
everything is drawn from.

People, skills and days are numbers here: a person or skill of -1 is nobody or none, days count from
1970. Draws start from uniforms, the stream least likely to change from one NumPy to the next, and
each table has its own.
"""

from types import SimpleNamespace as Bank

import numpy as np
from scipy.special import ndtri

Rng = np.random.Generator
AS_OF = "2026-06-30"
NEVER = 10**6  # days

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
    """Half-years up to AS_OF, reviewed in mid-June and mid-December, and the quarters around them."""
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
        label=np.array(
            [f"N{n:05d}" for n in 1 + np.argsort(rng.random(people), kind="stable")] + [None]
        ),
        hired=hired[:, 0],
        left=np.where(left > when.as_of, NEVER, left)[:, 0],
        manages=~staff[:, 0],
        unit=unit,
        manager=np.where(left[above, 0] < when.effective, 1 + unit, above),
        grade=np.where(staff, grade, np.where(lead, 4, 5)),
        ability=normal(rng, people),
        leniency=normal(rng, people),
        half_year=normal(
            rng, people, cycles + 1
        ),  # column 0 is the half-year before the first cycle
        skills=(below(rng, 8, people, 1) + np.array([0, 1]) * (1 + below(rng, 7, people, 1))) % 8,
    )


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

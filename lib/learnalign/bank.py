"""The people of Northbank and what they do: the draws behind `simulate`, in which a declared truth holds.

People, skills and days are numbers here, so that everything is drawn for everybody at once: a person or skill
of -1 is nobody or none, days count from 1970. Draws start from uniforms, the stream least likely to change
from one NumPy to the next, and each table has its own, so that changing one leaves the others as they were.
"""

from types import SimpleNamespace as Bank

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri

from learnalign import truths
from learnalign.truths import NORTHBANK, Truth

Rng, Frame = np.random.Generator, pd.DataFrame
AS_OF = "2026-06-30"
EMBARGO, FIRST_WINDOW, NEVER = 30, 182, 10**6  # days

# What no truth declares, per SD where nothing else is said
EAGER = {"manager": 0.60, "own": 0.85}  # who takes up learning
SAYS = {"manager": 0.15, "habit": 0.5}  # log-odds of acknowledging
MOTIVATED = 2.0  # eagerness and log-odds, for what hidden motivation adds to the score
CLOSING, STAYS = 0.0016, 3.0  # a gap's hazard of closing in a day; log-odds of staying in a half-year

BUSINESSES = ("Retail", "Corporate", "Markets", "Operations", "Technology", "Risk")
GRADES = np.array(["G1", "G2", "G3", "G4", "G5", "G6"])
SKILLS = np.array(["credit_risk", "conversations", "cyber_security", "data_analysis", "digital_tools",
                   "leading", "regulation", "writing", None])  # fmt: skip
TYPES = {  # of an activity: share in percent and median hours
    "course": (26, 4), "certification": (4, 14), "reading": (17, 1.25), "on_the_job": (15, 4),
    "coaching": (7, 1.25), "mentoring": (7, 1.25), "community": (7, 1.5), "peer": (9, 1),
    "reflection": (6, 0.75), "other": (2, 1),
}  # fmt: skip
STATUSES = {"completed": 86, "in_progress": 4, "no_show": 3, "waitlisted": 3, "cancelled_by_provider": 2,
            "withdrawn": 2}  # fmt: skip


def draw(people: int, cycles: int, seed: int, truth: Truth = NORTHBANK) -> Bank:
    """The bank and what happened in it: reviews with what is behind each, learning, gaps and the rest."""
    bank = _staff(people, _calendar(cycles), stream(seed, 0))
    bank.truth, bank.motivation = truth, normal(stream(seed, 10), people)
    bank.liking = _until_moved(bank.manager, normal(stream(seed, 11), people, cycles))
    bank.reviews = _reviews(bank, stream(seed, 1))
    bank.learning = _learning(bank, stream(seed, 2))
    bank.said = _acknowledgements(bank, stream(seed, 3))
    if truth.attrition_of_the_penalised:
        _lose_the_penalised(bank, stream(seed, 12))
    bank.reviews = _rated(bank)
    bank.ties = _ties(bank, stream(seed, 4))
    bank.assessments, bank.learning, bank.said = _gaps(bank, stream(seed, 5))
    return bank


# --- drawing -----------------------------------------------------------------------------


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


def _wait(rng: Rng, *size: int) -> np.ndarray:
    """Exponential, with mean 1."""
    return -np.log1p(-rng.random(size))


# --- the organisation --------------------------------------------------------------------


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


def _staff(people: int, when: Bank, rng: Rng) -> Bank:
    """Who is there, when, and under whom: 0 is the chief, then heads of unit, team leads, everyone else.

    Columns are cycles. People join, leave and change teams; a head stands in for a team lead who left.
    """
    cycles, number = len(when.cycles), np.arange(people)[:, None]
    managers = max(6, round(people * 0.08))
    units = max(2, round(managers / 8))
    teams, staff = managers - 1 - units, number >= managers
    lead = (number > units) & ~staff
    new = staff & (rng.random((people, 1)) < cycles / (cycles + 20))
    joined = when.start + 15 + below(rng, when.as_of - when.start - 30, people, 1)
    hired = np.where(new, joined, when.start - (1500 * _wait(rng, people, 1)).astype(int))
    stay = 182.6 * _wait(rng, people, 1) / np.where(staff, 0.05, 0.02)
    left = np.where(staff | lead, np.maximum(hired, when.start) + 45 + stay.astype(int), NEVER)
    team = np.where(staff, _teams(rng, teams, people, cycles), number - 1 - units)
    unit = np.where(number > units, team % units, np.maximum(number - 1, 0))
    above = np.where(staff, 1 + units + team, np.where(lead, 1 + unit, 0))
    promoted = np.cumsum(rng.random((people, cycles)) < 0.025, axis=1)
    grade = np.minimum(below(rng, 3, people, 1) + promoted, 3)
    return Bank(
        **vars(when),
        label=np.array([f"N{n:05d}" for n in 1 + np.argsort(rng.random(people), kind="stable")] + [None]),
        hired=hired[:, 0],
        left=np.where(left > when.as_of, NEVER, left)[:, 0],
        manages=~staff[:, 0],
        unit=unit,
        manager=np.where(left[above, 0] < when.effective, 1 + unit, above),
        grade=np.where(staff, grade, np.where(lead, 4, 5)),
        ability=normal(rng, people),
        leniency=normal(rng, people),
        half_year=normal(rng, people, cycles + 1),  # column 0 is the half-year before the first cycle
        skills=(below(rng, 8, people, 1) + np.array([0, 1]) * (1 + below(rng, 7, people, 1))) % 8,
    )


def _teams(rng: Rng, teams: int, people: int, cycles: int) -> np.ndarray:
    """A team for everybody in every cycle: 3 in 100 move to another from one cycle to the next."""
    moves = np.cumsum(rng.random((people, cycles)) < 0.03, axis=1)
    return _until_moved(moves, below(rng, teams, people, cycles))


def _until_moved(place: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """What was drawn for the first cycle at a place, for every cycle there; columns are cycles."""
    moved = np.diff(place, axis=1, prepend=place[:, :1]) != 0
    since = np.maximum.accumulate(np.where(moved, np.arange(place.shape[1]), 0), axis=1)
    return np.take_along_axis(drawn, since, axis=1)


def there(bank: Bank, person: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Whether the person is employed on the day, and the day is not after AS_OF."""
    return (day >= bank.hired[person]) & (day <= np.minimum(bank.left[person], bank.as_of))


# --- reviews, learning, acknowledging ------------------------------------------------------


def _reviews(bank: Bank, rng: Rng) -> Frame:
    """One review in 25 is missing, and nobody is reviewed in their first two months."""
    person, cycle = (index.ravel() for index in np.indices(bank.unit.shape))
    unit, fte = bank.unit[person, cycle], pick(rng, {1.0: 78, 0.8: 12, 0.6: 5, 0.5: 5}, len(bank.hired))
    day = bank.review[cycle] + unit % 5 - 2
    reviews = Frame({
        "person_id": person, "at": cycle, "cycle": bank.cycles[cycle], "reviewed_on": day,
        "unit": [f"{BUSINESSES[u % 6]} {u // 6 + 1}" for u in unit], "fte": fte[person],
        "manager_id": bank.manager[person, cycle], "grade": GRADES[bank.grade[person, cycle]],
    })  # fmt: skip
    held = (person > 0) & there(bank, person, day) & (day >= bank.hired[person] + 60)
    return reviews[held & (rng.random(len(day)) > 0.04)].reset_index(drop=True)


def _learning(bank: Bank, rng: Rng) -> Frame:
    """Voluntary activities, heavy-tailed in number and in hours, and a required course every half-year."""
    shape = len(bank.hired), len(bank.cycle_of)
    own = bank.truth.able_learners * bank.ability + EAGER["own"] * normal(rng, shape[0])
    own = own + MOTIVATED * bank.truth.hidden_motivation * bank.motivation
    eager = own[:, None] + EAGER["manager"] * bank.leniency[bank.manager[:, bank.cycle_of]]
    wanted = np.minimum(np.exp(0.2 + 0.35 * eager) * _wait(rng, *shape), 12).astype(int)
    due = np.broadcast_to(np.arange(shape[1]) % 2, shape)
    place = np.repeat(np.tile(np.arange(wanted.size), 2), np.concatenate([wanted.ravel(), due.ravel()]))
    rows, required = len(place), np.arange(len(place)) >= wanted.sum()
    person, quarter = np.divmod(place, shape[1])
    kind = np.where(required, "course", pick(rng, {name: share for name, (share, _) in TYPES.items()}, rows))
    median = pd.Series({name: hours for name, (_, hours) in TYPES.items()})[kind].to_numpy()
    hours = median * np.exp(0.25 * eager[person, quarter] + 0.8 * normal(rng, rows))
    short, hours = pick(rng, {0.5: 1, 0.75: 1, 1.5: 1}, rows), np.clip(np.rint(4 * hours) / 4, 0.25, 60)
    full = (kind == "mentoring") & (rng.random(rows) < 0.15)
    status = np.where(full, "waitlisted", pick(rng, STATUSES, rows))
    learning = Frame({
        "person_id": person, "learned_on": _in_quarter(rng, bank, quarter), "activity_type": kind,
        "is_required": required, "hours": np.where(required, short, hours), "run": 1 + below(rng, 9, rows),
        "status": np.where(required & (rng.random(rows) < 0.97), "completed", status),
        "skill": np.where(required, -1, _about(rng, bank, person)),
    })  # fmt: skip
    return learning[there(bank, person, learning.learned_on)].reset_index(drop=True)


def _acknowledgements(bank: Bank, rng: Rng) -> Frame:
    """Quarter by quarter, as leaders go first; knows how the last half-year went, never a rating to come."""
    everyone, truth = np.arange(len(bank.hired)), bank.truth
    habit, seen, rows = SAYS["habit"] * normal(rng, len(everyone)), np.zeros(len(everyone), dtype=bool), []
    for quarter, cycle in enumerate(bank.cycle_of):
        boss = bank.manager[:, cycle]
        odds = -truth.strugglers * bank.ability - truth.dip * bank.half_year[:, cycle] + habit
        odds = odds - truth.trouble * bank.half_year[:, cycle + 1]
        odds = odds + SAYS["manager"] * bank.leniency[boss] + truth.leaders_on_teams * seen[boss] - 1.75
        odds = odds + MOTIVATED * truth.hidden_motivation * bank.motivation + truth.campaigns * (quarter % 4 == 2)
        says = rng.random(len(everyone)) < expit(odds)
        seen = says & (rng.random(len(everyone)) < np.where(bank.manages, 0.6, 0.3))
        again = says & (rng.random(len(everyone)) < 0.25)
        rows.append(Frame({"person_id": everyone, "seen": seen, "quarter": quarter})[says])
        rows.append(Frame({"person_id": everyone, "seen": False, "quarter": quarter})[again])
    said = pd.concat(rows, ignore_index=True)
    day, skill = _in_quarter(rng, bank, said.quarter.to_numpy()), _about(rng, bank, said.person_id.to_numpy())
    said = said.assign(acknowledged_on=day, skill=skill)
    return said[there(bank, said.person_id, said.acknowledged_on)].reset_index(drop=True)


def _lose_the_penalised(bank: Bank, rng: Rng) -> None:
    """Staff who acknowledged since the last review, in a half-year that goes badly, may leave before the next one.

    So much more often than anybody leaves; what they would have done afterwards is struck out.
    """
    said, bad = bank.said, np.maximum(-bank.half_year[:, 1:], 0)
    cycle = np.searchsorted(bank.review - EMBARGO, said.acknowledged_on, side="right")
    spoke = np.zeros((len(bank.hired), len(bank.cycles) + 1), dtype=bool)
    spoke[said.person_id, cycle] = True
    usual = expit(-STAYS)
    more = (expit(bank.truth.attrition_of_the_penalised * bad - STAYS) - usual) / (1 - usual)
    goes = spoke[:, :-1] & ~bank.manages[:, None] & (rng.random(bad.shape) < more)
    day = np.where(goes, bank.review - 3 - below(rng, EMBARGO - 5, *bad.shape), NEVER)
    bank.left = np.minimum(bank.left, day.min(axis=1))
    for name, on in {"reviews": "reviewed_on", "learning": "learned_on", "said": "acknowledged_on"}.items():
        rows = getattr(bank, name)
        setattr(bank, name, rows[there(bank, rows.person_id, rows[on])].reset_index(drop=True))


def _in_quarter(rng: Rng, bank: Bank, quarter: np.ndarray) -> np.ndarray:
    first, end = bank.quarters[quarter], bank.quarters[quarter + 1]
    return first + (rng.random(len(quarter)) * (end - first)).astype(int)


def _about(rng: Rng, bank: Bank, person: np.ndarray) -> np.ndarray:
    """A skill: half the time one of the person's own two, else any or none."""
    own, turn = bank.skills[person, below(rng, 2, len(person))], rng.random(len(person))
    return np.where(turn < 0.5, own, np.where(turn < 0.8, below(rng, 8, len(person)), -1))


def _rated(bank: Bank) -> Frame:
    """Ratings, and what they were made from."""
    reviews, said, done = bank.reviews, bank.said, bank.learning[_voluntary(bank.learning)]
    person, half_year = reviews.person_id.to_numpy(), reviews["at"].to_numpy()
    hours = _in_window(reviews, done.person_id, done.learned_on, done.hours)
    logged = pd.Series(np.log1p(hours)).groupby(half_year)
    learned = ((np.log1p(hours) - logged.transform("mean")) / logged.transform("std")).to_numpy()
    spoke = pd.Series(_in_window(reviews, said.person_id, said.acknowledged_on, said.quarter >= 0) > 0)
    parts = {
        "ability": bank.ability[person], "leniency": bank.leniency[reviews.manager_id], "learned": learned,
        "half_year": bank.half_year[person, half_year + 1],
        "said": (spoke - spoke.groupby(half_year).transform("mean")).to_numpy(),
        "motivation": bank.motivation[person], "liking": bank.liking[person, half_year],
    }  # fmt: skip
    latent, team = truths.score(parts, bank.truth), [reviews.manager_id, half_year]
    rating = truths.ratings(latent, team, bank.truth)
    return reviews.assign(rating=rating, acknowledged=spoke, hours=hours, latent=latent, **parts)


def _voluntary(learning: Frame) -> pd.Series:
    return (learning.status == "completed") & ~learning.is_required


def _in_window(reviews: Frame, person: pd.Series, day: pd.Series, weight: pd.Series) -> np.ndarray:
    """The sum of what fell in each review's exposure window; `reviews` are in order of person and time."""
    ends = (reviews.person_id * NEVER + reviews.reviewed_on - EMBARGO).to_numpy()
    first = ~reviews.person_id.duplicated().to_numpy()
    starts = np.where(first, ends - FIRST_WINDOW, np.roll(ends, 1))
    event = (person * NEVER + day).to_numpy()
    window = np.searchsorted(ends, event, side="right")  # on its last day a window is already over
    known = window < len(ends)
    known[known] = event[known] >= starts[window[known]]
    return np.bincount(window[known], weight.to_numpy(float)[known], minlength=len(ends))


def _ties(bank: Bank, rng: Rng) -> Frame:
    """Mostly inside the unit; mentors were hired before those they mentor."""
    people, rows = len(bank.hired), 3 * len(bank.hired)
    kind = pick(rng, {"asks": 37, "answers": 37, "mentors": 10, "community": 16}, rows)
    one, other = below(rng, people, rows), below(rng, people, rows)
    near = np.argsort(bank.unit[:, 0], kind="stable")
    beside = near[(np.argsort(near)[one] + 1 + below(rng, 20, rows)) % people]
    other = np.where(rng.random(rows) < 0.6, beside, other)
    turn = (kind == "mentors") & (bank.hired[one] > bank.hired[other])
    one, other = np.where(turn, other, one), np.where(turn, one, other)
    day = bank.start + below(rng, bank.as_of - bank.start, rows)
    name = pd.Series(SKILLS[below(rng, 8, rows)])
    programme = pd.Series(np.where(kind == "community", "community of practice: " + name, None))
    programme = programme.mask((kind == "mentors") & (rng.random(rows) < 0.6), "mentoring programme")
    between = {"from_id": one, "to_id": other, "tied_on": day}
    ties = Frame({**between, "kind": kind, "programme": programme})
    return ties[(one != other) & there(bank, one, day) & there(bank, other, day)]


# --- gaps ------------------------------------------------------------------------------


def _gaps(bank: Bank, rng: Rng) -> tuple[Frame, Frame, Frame]:
    """Two skills of each person, assessed every year; a gap draws what they learn and say, and closes sooner.

    It draws what an activity or acknowledgement is about, never how many there are: gaps change no exposure.
    """
    learning, said, mentored = bank.learning, bank.said, _mentored_since(bank)
    person, skill = np.repeat(np.arange(len(bank.hired)), 2), bank.skills.ravel()
    pairs, need = len(person), 3 + below(rng, 2, len(person))
    first, rows = bank.start + 30 + np.repeat(below(rng, 60, pairs // 2), 2), []
    closes, depth = np.zeros(pairs, dtype=int), np.ones(pairs, dtype=int)
    for day in (first + days for days in range(0, bank.as_of - bank.start, 365)):
        seen = there(bank, person, day) & (rng.random(pairs) < 0.95)
        new = seen & (closes <= day) & (rng.random(pairs) < expit(-0.8 - 0.4 * bank.ability[person]))
        depth = np.where(new, 1 + below(rng, 4, pairs) // 3, depth)
        gaps = Frame({"person": person, "skill": skill, "day": day, "work": _wait(rng, pairs)})[new]
        said = _turned(said, "acknowledged_on", gaps, -60, rng.random(len(gaps)) < 0.75)
        learning = _turned(learning, "learned_on", gaps, 0, rng.random(len(gaps)) < 0.55)
        closes[new] = gaps.day + _days_open(gaps, said, learning, mentored, bank.truth)
        found = {"person_id": person, "skill": skill, "assessed_on": day, "required_level": need}
        level = need + np.where(closes > day, -depth, below(rng, 3, pairs) // 2)
        why = pick(rng, {"scheduled": 90, "requested": 4, "doubt": 6}, pairs)
        rows.append(Frame(found | {"assessed_level": level, "trigger": why})[seen])
        closed = found | {"assessed_on": closes, "assessed_level": need, "trigger": "requested"}
        rows.append(Frame(closed)[new & there(bank, person, closes)])
    assessments = pd.concat(rows).drop_duplicates(["person_id", "skill", "assessed_on"], ignore_index=True)
    return _judged(assessments, bank, rng), learning, said


def _mentored_since(bank: Bank) -> np.ndarray:
    ties = bank.ties[bank.ties.kind == "mentors"]
    first = ties.groupby("to_id").tied_on.min()
    return first.reindex(range(len(bank.hired)), fill_value=NEVER).to_numpy()


def _turned(events: Frame, on: str, gaps: Frame, shift: int, does: np.ndarray) -> Frame:
    """The first event after each gap is turned to the gap's skill, for those who do so."""
    may = np.where(_voluntary(events), events.person_id, -1) if "is_required" in events else events.person_id
    found = _first(may, events[on], gaps.person, gaps.day + shift)
    turns = does & (found >= 0) & (events[on].to_numpy()[found] < gaps.day + 300)
    skill = events["skill"].to_numpy().copy()
    skill[found[turns]] = gaps["skill"][turns]
    return events.assign(skill=skill)


def _first(whose: np.ndarray, day: pd.Series, of: pd.Series, since: pd.Series) -> np.ndarray:
    """The row of the first event of each `of` in or after `since`; -1 where there is none."""
    key, wanted = np.asarray(whose) * NEVER + day.to_numpy(), (of * NEVER + since).to_numpy()
    order = np.argsort(key, kind="stable")
    place = np.minimum(np.searchsorted(key[order], wanted), len(key) - 1)
    found = key[order][place]
    return np.where((found >= wanted) & (found // NEVER == of), order[place], -1)


def _days_open(gaps: Frame, said: Frame, learning: Frame, mentored: np.ndarray, truth: Truth) -> np.ndarray:
    """Days from finding a gap to closing it: the pace rises once acknowledged, and once learning began."""
    topic, day, work = gaps.person * 9 + gaps["skill"], gaps.day.to_numpy(), gaps.work.to_numpy()
    spoke = _first(_topic(said, said["skill"] >= 0), said.acknowledged_on, topic, gaps.day - 90)
    useful = _voluntary(learning) & (learning["skill"] >= 0)
    began = _first(_topic(learning, useful), learning.learned_on, topic, gaps.day)
    spoke_in = np.where(spoke < 0, NEVER, np.maximum(said.acknowledged_on.to_numpy()[spoke] - day, 0))
    began_in = np.where(began < 0, NEVER, learning.learned_on.to_numpy()[began] - day)
    by_type = {kind: getattr(truth, f"{kind}_on_closure") for kind in TYPES}
    helps = pd.Series(by_type)[learning.activity_type.to_numpy()[began]].to_numpy()
    pace = CLOSING * np.where(mentored[gaps.person] <= day, truth.mentor_on_closure, 1.0)
    early, late = np.minimum(spoke_in, began_in), np.maximum(spoke_in, began_in)
    faster = pace * np.where(spoke_in <= began_in, truth.acknowledging_on_closure, helps)
    fastest = pace * truth.acknowledging_on_closure * helps
    by_early, by_late = pace * early, pace * early + faster * (late - early)
    choices = [work / pace, early + (work - by_early) / faster]
    days = np.select([work < by_early, work < by_late], choices, late + (work - by_late) / fastest)
    return 1 + np.minimum(days, NEVER / 2).astype(int)


def _topic(events: Frame, counts: pd.Series) -> np.ndarray:
    return np.where(counts, events.person_id * 9 + events["skill"], -1)


def _judged(assessments: Frame, bank: Bank, rng: Rng) -> Frame:
    """Who assessed, mostly the manager; and what people had thought of themselves, a little too much."""
    rows, person = len(assessments), assessments.person_id.to_numpy()
    cycle = np.minimum(np.searchsorted(bank.review, assessments.assessed_on), len(bank.review) - 1)
    manager = bank.manager[person, cycle]
    thought = np.clip(assessments.assessed_level + pick(rng, {-1: 15, 0: 45, 1: 32, 2: 8}, rows), 1, 5)
    return assessments.assign(
        assessor_id=np.where((rng.random(rows) < 0.8) & (manager != person), manager, -1),
        self_level=thought.astype("Int64").where(rng.random(rows) < 0.75),
    )

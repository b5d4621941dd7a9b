"""What the people of Northbank do: the draws behind `simulate`, in which a declared truth holds.

Everything is drawn for everybody at once, in the numbers of `people`; each table has its own random
numbers, so that changing one leaves the others as they were.
"""

import numpy as np
import pandas as pd
from scipy.special import expit

from northbank import truth as truths
from northbank.people import (
    GRADES,
    MADE,
    NEVER,
    Bank,
    Rng,
    below,
    hire,
    normal,
    pick,
    served,
    stream,
    there,
    ties,
    until_moved,
    wait,
)
from northbank.truth import NORTHBANK, Truth

Frame = pd.DataFrame
EMBARGO, FIRST_WINDOW = 30, 182  # days
MONTH, REMEMBERED = 30, 3  # days; months that learning helps a gap
SHARES, HOURS = ({kind: made[of] for kind, made in MADE.types.items()} for of in ("share", "hours"))


def draw(people: int, cycles: int, seed: int, truth: Truth = NORTHBANK) -> Bank:
    """The bank and what happened in it: reviews with what is behind each, learning, gaps and the
    rest.
    """
    return happen(begin(people, cycles, seed, truth), seed)


def begin(people: int, cycles: int, seed: int, truth: Truth = NORTHBANK) -> Bank:
    """Who is there, and what moves them: `willing` is what else adds to log-odds of acknowledging
    in a cycle, which is nothing. Another company is one in which this was changed.
    """
    bank = hire(people, cycles, stream(seed, 0))
    bank.willing = np.zeros(bank.unit.shape)
    bank.truth, bank.motivation = truth, normal(stream(seed, 10), people)
    bank.strong = normal(stream(seed, 14), bank.unit.max() + 1)
    bank.liking = until_moved(bank.manager, normal(stream(seed, 11), people, cycles))
    return bank


def happen(bank: Bank, seed: int) -> Bank:
    """The same bank, with what happens in it."""
    bank.reviews = _reviews(bank, stream(seed, 1))
    bank.learning = _learning(bank, stream(seed, 2))
    bank.said = _acknowledgements(bank, stream(seed, 3))
    if bank.truth.attrition_of_the_penalised:
        _lose_the_penalised(bank, stream(seed, 12))
    bank.ties = ties(bank, stream(seed, 4))
    bank.assessments, bank.learning, bank.said = _gaps(bank, stream(seed, 5))
    bank.reviews = rated(bank)
    return bank


# --- reviews, learning, acknowledging


def _reviews(bank: Bank, rng: Rng) -> Frame:
    """One review in 25 is missing, and nobody is reviewed in their first two months."""
    person, cycle = (index.ravel() for index in np.indices(bank.unit.shape))
    unit, fte = bank.unit[person, cycle], pick(rng, MADE.fte, len(bank.hired))
    day = bank.review[cycle] + unit % 5 - 2
    reviews = Frame(
        {
            "person_id": person,
            "at": cycle,
            "cycle": bank.cycles[cycle],
            "reviewed_on": day,
            "unit": [f"{MADE.businesses[u % 6]} {u // 6 + 1}" for u in unit],
            "fte": fte[person],
            "manager_id": bank.manager[person, cycle],
            "grade": GRADES[bank.grade[person, cycle]],
        }
    )
    held = (person > 0) & there(bank, person, day) & (day >= bank.hired[person] + 60)
    return reviews[held & (rng.random(len(day)) > 0.04)].reset_index(drop=True)


def _learning(bank: Bank, rng: Rng) -> Frame:
    """Voluntary activities, heavy-tailed in number and in hours, and a required course every
    half-year.
    """
    shape = len(bank.hired), len(bank.cycle_of)
    own = bank.truth.able_learners * bank.ability + MADE.eager["own"] * normal(rng, shape[0])
    own = own + MADE.motivated * bank.truth.hidden_motivation * bank.motivation
    eager = own[:, None] + MADE.eager["manager"] * bank.leniency[bank.manager[:, bank.cycle_of]]
    wanted = np.minimum(np.exp(0.2 + 0.35 * eager) * wait(rng, *shape), 12).astype(int)
    due = np.broadcast_to(np.arange(shape[1]) % 2, shape)
    times = np.concatenate([wanted.ravel(), due.ravel()])
    place = np.repeat(np.tile(np.arange(wanted.size), 2), times)
    rows, required = len(place), np.arange(len(place)) >= wanted.sum()
    person, quarter = np.divmod(place, shape[1])
    kind = np.where(required, "course", pick(rng, SHARES, rows))
    hours = pd.Series(HOURS)[kind].to_numpy()
    hours = hours * np.exp(0.25 * eager[person, quarter] + 0.8 * normal(rng, rows))
    short = pick(rng, {0.5: 1, 0.75: 1, 1.5: 1}, rows)
    full = (kind == "mentoring") & (rng.random(rows) < 0.35)  # by chance: as good as the mentored
    status = np.where(full, "waitlisted", pick(rng, MADE.statuses, rows))
    learning = Frame(
        {
            "person_id": person,
            "learned_on": _in_quarter(rng, bank, quarter),
            "activity_type": kind,
            "is_required": required,
            "hours": np.where(required, short, np.clip(np.rint(4 * hours) / 4, 0.25, 60)),
            "run": 1 + below(rng, 9, rows),
            "status": np.where(required & (rng.random(rows) < 0.97), "completed", status),
            "skill": np.where(required, -1, _about(rng, bank, person)),
        }
    )
    return learning[there(bank, person, learning.learned_on)].reset_index(drop=True)


def _acknowledgements(bank: Bank, rng: Rng) -> Frame:
    """Quarter by quarter, as leaders go first; knows how the last half-year went, never a rating to
    come.
    """
    people, truth, mirror = len(bank.hired), bank.truth, _reflected(bank)
    own = MADE.says["habit"] * normal(rng, people) - truth.strugglers * bank.ability
    own = own + MADE.motivated * truth.hidden_motivation * bank.motivation + MADE.says["usual"]
    seen, rows = np.zeros(people, dtype=bool), []
    for quarter, cycle in enumerate(bank.cycle_of):
        boss, half_year = bank.manager[:, cycle], bank.half_year[:, cycle : cycle + 2]
        odds = own - truth.dip * half_year[:, 0] - truth.trouble * half_year[:, 1]
        odds = odds + bank.willing[:, cycle] + MADE.says["manager"] * bank.leniency[boss]
        odds = odds + truth.leaders_on_teams * seen[boss] + truth.campaigns * (quarter % 4 == 2)
        odds = odds + truth.reflecting_on_acknowledging * mirror[:, quarter]
        says = rng.random(people) < expit(odds)
        seen = says & (rng.random(people) < np.where(bank.manages, 0.6, 0.3))
        again = says & (rng.random(people) < 0.25)
        for who, openly in ((says, seen), (again, False)):
            said = {"person_id": np.arange(people), "seen": openly, "quarter": quarter}
            rows.append(Frame(said)[who])
    said = pd.concat(rows, ignore_index=True)
    day = _in_quarter(rng, bank, said.quarter.to_numpy())
    skill = _about(rng, bank, said.person_id.to_numpy())
    said = said.assign(acknowledged_on=day, skill=skill, owned_up=False)
    return said[there(bank, said.person_id, day)].reset_index(drop=True)


def _reflected(bank: Bank) -> np.ndarray:
    """Whether each person completed a reflection in the two quarters before each."""
    did = bank.learning[_voluntary(bank.learning) & (bank.learning.activity_type == "reflection")]
    mirror = np.zeros((len(bank.hired), len(bank.quarters) + 2), dtype=bool)
    after = np.searchsorted(bank.quarters, did.learned_on, side="right")
    mirror[did.person_id, after] = mirror[did.person_id, after + 1] = True
    return mirror


def _lose_the_penalised(bank: Bank, rng: Rng) -> None:
    """Staff who acknowledged since the last review, in a half-year that goes badly, may leave
    before the next one.

    So much more often than anybody leaves; what they would have done afterwards is struck out.
    """
    said, bad = bank.said, np.maximum(-bank.half_year[:, 1:], 0)
    cycle = np.searchsorted(bank.review - EMBARGO, said.acknowledged_on, side="right")
    spoke = np.zeros((len(bank.hired), len(bank.cycles) + 1), dtype=bool)
    spoke[said.person_id, cycle] = True
    usual = expit(-MADE.stays)
    more = expit(bank.truth.attrition_of_the_penalised * bad - MADE.stays) - usual
    goes = spoke[:, :-1] & ~bank.manages[:, None] & (rng.random(bad.shape) < more / (1 - usual))
    day = np.where(goes, bank.review - 3 - below(rng, EMBARGO - 5, *bad.shape), NEVER)
    bank.left = np.minimum(bank.left, day.min(axis=1))
    dated = {"reviews": "reviewed_on", "learning": "learned_on", "said": "acknowledged_on"}
    for name, on in dated.items():
        rows = getattr(bank, name)
        setattr(bank, name, rows[there(bank, rows.person_id, rows[on])].reset_index(drop=True))


def _in_quarter(rng: Rng, bank: Bank, quarter: np.ndarray) -> np.ndarray:
    first, end = bank.quarters[quarter], bank.quarters[quarter + 1]
    return first + (rng.random(len(quarter)) * (end - first)).astype(int)


def _about(rng: Rng, bank: Bank, person: np.ndarray) -> np.ndarray:
    """A skill: half the time one of the person's own two, else any or none."""
    own, turn = bank.skills[person, below(rng, 2, len(person))], rng.random(len(person))
    return np.where(turn < 0.5, own, np.where(turn < 0.8, below(rng, 8, len(person)), -1))


def rated(bank: Bank) -> Frame:
    """Ratings, and what they were made from."""
    reviews, said, done = bank.reviews, bank.said, bank.learning[_voluntary(bank.learning)]
    person, half_year = reviews.person_id.to_numpy(), reviews["at"].to_numpy()
    hours = _in_window(reviews, done.person_id, done.learned_on, done.hours)
    logged = pd.Series(np.log1p(hours)).groupby(half_year)
    times = _in_window(reviews, said.person_id, said.acknowledged_on, said.quarter >= 0)
    spoke = pd.Series(times > 0)
    learned = (np.log1p(hours) - logged.transform("mean")) / logged.transform("std")
    parts = {
        "ability": bank.ability[person],
        "leniency": bank.leniency[reviews.manager_id],
        "learned": learned.to_numpy(),
        "half_year": bank.half_year[person, half_year + 1],
        "said": (spoke - spoke.groupby(half_year).transform("mean")).to_numpy(),
        "motivation": bank.motivation[person],
        "liking": bank.liking[person, half_year],
    }
    latent, team = truths.score(parts, bank.truth), [reviews.manager_id, half_year]
    rating = truths.ratings(latent, team, bank.truth)
    return reviews.assign(rating=rating, acknowledged=spoke, hours=hours, latent=latent, **parts)


def _voluntary(learning: Frame) -> pd.Series:
    return (learning.status == "completed") & ~learning.is_required


def _in_window(reviews: Frame, person: pd.Series, day: pd.Series, weight: pd.Series) -> np.ndarray:
    """The sum of what fell in each review's exposure window; `reviews` are in order of person and
    time.
    """
    ends = (reviews.person_id * NEVER + reviews.reviewed_on - EMBARGO).to_numpy()
    first = ~reviews.person_id.duplicated().to_numpy()
    starts = np.where(first, ends - FIRST_WINDOW, np.roll(ends, 1))
    event = (person * NEVER + day).to_numpy()
    window = np.searchsorted(ends, event, side="right")  # on its last day a window is already over
    known = window < len(ends)
    known[known] = event[known] >= starts[window[known]]
    return np.bincount(window[known], weight.to_numpy(float)[known], minlength=len(ends))


# --- gaps


def _gaps(bank: Bank, rng: Rng) -> tuple[Frame, Frame, Frame]:
    """Two skills of each person, assessed every year; some own up before, and gaps close as `truth`
    declares.

    A gap draws what later acknowledging and learning are about, never how much of it there is;
    learning stays as it was, and acknowledgements before an assessment are the only ones that come
    on top.
    """
    learning, said, mentored = bank.learning, bank.said, _mentored_since(bank)
    person, skill = np.repeat(np.arange(len(bank.hired)), 2), bank.skills.ravel()
    pairs, need = len(person), 3 + below(rng, 2, len(person))
    first, rows = bank.review[0] + 15 + np.repeat(below(rng, 60, pairs // 2), 2), []
    closes, depth = np.zeros(pairs, dtype=int), np.ones(pairs, dtype=int)
    for day in (first + days for days in range(0, bank.as_of - bank.start, 365)):
        free = closes <= day
        seen = there(bank, person, day) & (rng.random(pairs) < 0.95)
        new = seen & free & (rng.random(pairs) < expit(-0.8 - 0.3 * bank.ability[person]))
        depth = np.where(new, 1 + below(rng, 4, pairs) // 3, depth)
        off = pick(rng, MADE.thought, pairs)
        every = Frame({"person": person, "skill": skill, "day": day, "work": wait(rng, pairs)})
        owning = _owning_up(bank, rng, every, new, off >= depth)
        said = pd.concat([said, owning[seen & free & owning.owned_up]], ignore_index=True)
        gaps = every[new]
        said = _turned(said, "acknowledged_on", gaps, rng.random(len(gaps)) < 0.6)
        learning = _turned(learning, "learned_on", gaps, rng.random(len(gaps)) < 0.75)
        pace = closing_pace(gaps, bank, said, learning, mentored)
        closes[new] = gaps.day + _days_open(gaps, pace)
        found = {"person_id": person, "skill": skill, "required_level": need, "off": off}
        level = need + np.where(closes > day, -depth, below(rng, 3, pairs) // 2)
        why = pick(rng, {"scheduled": 90, "requested": 4, "doubt": 6}, pairs)
        rows.append(_assessed(found, day, level, why)[seen])
        rows.append(_assessed(found, closes, need, "requested")[new & there(bank, person, closes)])
    assessments = pd.concat(rows).drop_duplicates(["person_id", "skill", "assessed_on"])
    return _judged(assessments.reset_index(drop=True), bank, rng), learning, said


def _assessed(found: dict, day: np.ndarray, level: np.ndarray, trigger: np.ndarray | str) -> Frame:
    return Frame(found | {"assessed_on": day, "assessed_level": level, "trigger": trigger})


def _mentored_since(bank: Bank) -> np.ndarray:
    """The day of each person's first mentor or first completed mentoring, whichever was first."""
    ties, done = bank.ties[bank.ties.kind == "mentors"], bank.learning[_voluntary(bank.learning)]
    since, taught = np.full(len(bank.hired), NEVER), done[done.activity_type == "mentoring"]
    np.minimum.at(since, ties.to_id, ties.tied_on)
    np.minimum.at(since, taught.person_id, taught.learned_on)
    return since


def _owning_up(bank: Bank, rng: Rng, every: Frame, gap: np.ndarray, claims: np.ndarray) -> Frame:
    """An acknowledgement of each skill in the 90 days before it is assessed, and whether it is
    made.
    """
    day = every.day - 1 - below(rng, 90, len(every))
    unit = bank.unit[every.person, _cycle(bank, day)]
    odds = MADE.owns_up["gap"] + MADE.owns_up["over-claims"] * claims
    odds = np.where(gap, odds, MADE.owns_up["no gap"])
    odds = odds + bank.truth.drivers_on_acknowledging * bank.strong[unit]
    return Frame(
        {
            "person_id": every.person,
            "seen": False,
            "quarter": np.searchsorted(bank.quarters, day, side="right") - 1,
            "acknowledged_on": day,
            "skill": every["skill"],
            "owned_up": (rng.random(len(every)) < expit(odds)) & there(bank, every.person, day),
        }
    )


def _cycle(bank: Bank, day: pd.Series) -> np.ndarray:
    return np.minimum(np.searchsorted(bank.review, day), len(bank.review) - 1)


def _turned(events: Frame, on: str, gaps: Frame, does: np.ndarray) -> Frame:
    """The first event after each gap is turned to the gap's skill, for those who do so."""
    may = events.person_id
    may = may.where(_voluntary(events), -1) if "is_required" in events else may
    found = _first(may, events[on], gaps.person, gaps.day)
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


def _days_open(gaps: Frame, pace: np.ndarray) -> np.ndarray:
    """Days from finding a gap to closing it, month by month at the pace of what was known when the
    month began.
    """
    done = np.cumsum(pace, axis=1)
    work, last = gaps.work.to_numpy(), done.shape[1] - 1
    month = (done <= work[:, None]).sum(axis=1)
    before, after = (
        np.take_along_axis(done, np.clip(at, 0, last)[:, None], 1)[:, 0]
        for at in (month - 1, month)
    )
    before = np.where(month > 0, before, 0)
    days = MONTH * (month + (work - before) / np.where(month > last, np.inf, after - before))
    return np.where(month > last, NEVER // 2, np.maximum(days.astype(int), 1))


def closing_pace(
    gaps: Frame, bank: Bank, said: Frame, learning: Frame, mentored: np.ndarray
) -> np.ndarray:
    """Each gap's hazard of closing in every month of 30 days since it was found: a row per gap."""
    truth, months = bank.truth, np.arange((bank.as_of - bank.start) // MONTH + 1)
    starts, topic = gaps.day.to_numpy()[:, None] + MONTH * months, gaps.person * 9 + gaps["skill"]
    spoke = _first(_topic(said, said["skill"] >= 0), said.acknowledged_on, topic, gaps.day - 90)
    spoke_on = np.where(spoke < 0, NEVER, said.acknowledged_on.to_numpy()[spoke])
    long = MADE.served["closing"] * served(bank, gaps.person, gaps.day)
    pace = MONTH * MADE.closing * np.exp(long)[:, None]
    pace = pace * np.where(spoke_on[:, None] < starts, truth.acknowledging_on_closure, 1.0)
    pace = pace * np.where(mentored[gaps.person][:, None] < starts, truth.mentoring_on_closure, 1.0)
    place = pd.Series(np.arange(len(gaps)), topic.to_numpy())
    about = place.reindex(_topic(learning, _voluntary(learning) & (learning["skill"] >= 0)))
    for kind in (name for name in MADE.types if name != "mentoring"):
        here = (about.notna() & (learning.activity_type == kind).to_numpy()).to_numpy()
        row = about.to_numpy()[here].astype(int)
        month = (learning.learned_on.to_numpy()[here] - starts[row, 0]) // MONTH
        helps = np.zeros(pace.shape, dtype=bool)
        for later in range(1, REMEMBERED + 1):
            known = (month + later >= 0) & (month + later < len(months))
            helps[row[known], month[known] + later] = True
        pace = pace * np.where(helps, getattr(truth, f"{kind}_on_closure"), 1.0)
    return pace


def _topic(events: Frame, counts: pd.Series) -> np.ndarray:
    return np.where(counts, events.person_id * 9 + events["skill"], -1)


def _judged(assessments: Frame, bank: Bank, rng: Rng) -> Frame:
    """Who assessed, mostly the manager; and what people had thought of themselves, where they were
    asked.
    """
    rows, person = len(assessments), assessments.person_id.to_numpy()
    manager = bank.manager[person, _cycle(bank, assessments.assessed_on)]
    thought = np.clip(assessments.assessed_level + assessments.off, 1, 5)
    return assessments.assign(
        assessor_id=np.where((rng.random(rows) < 0.8) & (manager != person), manager, -1),
        self_level=thought.astype("Int64").where(rng.random(rows) < 0.75),
    )

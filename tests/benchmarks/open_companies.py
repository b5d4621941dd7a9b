"""Companies built to fool a verdict by more than a `Truth` can declare: one function for each.

Each takes what `northbank.tables.northbank` takes, draws the same bank from the same numbers, and
changes what happens in it; the docstring says what is true there. `luck` is a half-year's, of SD 1
(`bank.half_year`, whose first column is before the first cycle). Where something is added to the
score that is cut into ratings, its mean and SD stay.
"""

import numpy as np
import pandas as pd

from northbank import events, tables
from northbank import truth as truths
from northbank.people import GRADES, MADE, Bank, Rng, below, normal, pick, stream, there
from northbank.tables import Company
from northbank.truth import Truth

OWN = 99  # the stream of what is drawn here, which no table of Northbank has
COURSE, HEARD = 6.0, 70  # hours; days before its date on which a rating was settled
FOR_ONE = {"client advice", "risk and control", "support"}  # 56 of 100 people


def lasting_luck(people: int, cycles: int, seed: int, truth: Truth, *, ar: float = 0.6) -> Company:
    """Nothing: a good half-year makes the next one good, too."""
    bank = events.begin(people, cycles, seed, truth)
    luck = bank.half_year.copy()
    for at in range(1, luck.shape[1]):
        luck[:, at] = ar * luck[:, at - 1] + np.sqrt(1 - ar**2) * luck[:, at]
    bank.half_year = luck
    return told(events.happen(bank, seed), seed)


def rising(people: int, cycles: int, seed: int, truth: Truth) -> Company:
    """Nothing: some rise from cycle to cycle, and say and learn more from the start."""
    bank, rng = events.begin(people, cycles, seed, truth), stream(seed, OWN)
    rises = normal(rng, people)
    bank.willing = bank.willing + 0.6 * rises[:, None]
    bank = events.happen(bank, seed)
    bank.learning = more_or_less(bank.learning, ~bank.learning.is_required, 0.35 * rises, rng)
    of = bank.reviews
    scored(bank, 0.22 * rises[of.person_id] * (of["at"] - (cycles - 1) / 2))
    return told(bank, seed)


def development_plans(people: int, cycles: int, seed: int, truth: Truth) -> Company:
    """As declared: after a half-year that was bad most are sent on a course, not as required."""
    return told(developed(people, cycles, seed, truth), seed)


def developed(people: int, cycles: int, seed: int, truth: Truth) -> Bank:
    """The bank of `development_plans`."""
    bank, rng = events.happen(events.begin(people, cycles, seed, truth), seed), stream(seed, OWN)
    of = bank.reviews[luck_of(bank) < -0.4]
    of = of[rng.random(len(of)) < 0.6]
    sent(bank, of.person_id, of.reviewed_on + 15 + below(rng, 100, len(of)))
    return bank


def remedial(people: int, cycles: int, seed: int, truth: Truth) -> Company:
    """As declared: in a bad half-year most are sent on a course at once, not as required."""
    bank, rng = events.happen(events.begin(people, cycles, seed, truth), seed), stream(seed, OWN)
    of = bank.reviews[luck_of(bank) < -0.8]
    of = of[rng.random(len(of)) < 0.7]
    sent(bank, of.person_id, of.reviewed_on - 45 - below(rng, 90, len(of)))
    return told(bank, seed)


def reorganised(people: int, cycles: int, seed: int, truth: Truth) -> Company:
    """As declared: a quarter of staff move each half-year; whoever has a new manager, unit or grade
    asks more in it, and is rated lower at its end.
    """
    bank, rng = events.begin(people, cycles, seed, truth), stream(seed, OWN)
    staff = np.flatnonzero(~bank.manages)
    for at in range(1, cycles):
        moves = ~bank.manages & (rng.random(people) < 0.25)
        place = moves & (rng.random(people) < 0.5)
        other = staff[below(rng, len(staff), place.sum())]
        for of in (bank.unit, bank.manager):
            of[place, at:] = of[other, at:]
        rise = moves & ~place
        bank.grade[rise, at:] = np.minimum(bank.grade[rise, at:] + 1, len(GRADES) - 1)
    of = (bank.unit, bank.manager, bank.grade)
    new = np.any([np.diff(one, axis=1, prepend=one[:, :1]) != 0 for one in of], axis=0)
    bank.willing = bank.willing + 1.8 * new
    bank = events.happen(bank, seed)
    scored(bank, -0.8 * new[bank.reviews.person_id, bank.reviews["at"]])
    return told(bank, seed)


def seen_is_punished(people: int, cycles: int, seed: int, truth: Truth, *, by: float) -> Company:
    """Saying so costs `by` SD of the rating where anybody else could know of it, and nothing else.

    The effect of all acknowledging is `by` times `share_seen`.
    """
    bank = events.happen(events.begin(people, cycles, seed, truth), seed)
    audience, known = audiences(bank, seed)
    scored(bank, by * truths.score_per_rating_sd(truth) * known)
    drawn = tables.recorded(bank, seed)
    drawn["acknowledgements"] = drawn["acknowledgements"].assign(audience=audience)
    return tables.company(bank, drawn)


def collider(people: int, cycles: int, seed: int, truth: Truth, *, paid: float) -> Company:
    """At equal rating and performance nothing: performance is paid `paid` points per SD within a
    rating, and who acknowledges is rated lower than they performed.
    """
    bank = events.happen(events.begin(people, cycles, seed, truth), seed)
    of = bank.reviews
    performed = (
        of.latent - truths.score_per_rating_sd(truth) * truth.acknowledging_on_rating * of.said
    )
    performed = (performed - performed.mean()) / performed.std()
    within = performed - performed.groupby(of.rating).transform("mean")
    drawn = tables.recorded(bank, seed)
    merit = drawn["rewards"].merit_pct
    merit = (merit + paid * within.reindex(merit.index)).clip(lower=0)
    drawn["rewards"] = drawn["rewards"].assign(merit_pct=merit)
    return tables.company(bank, drawn)


def upside_down(people: int, cycles: int, seed: int, truth: Truth, *, since: int = 1) -> Company:
    """As declared, but from a cycle on 1 is the best grade, and nobody says so."""
    bank = events.happen(events.begin(people, cycles, seed, truth), seed)
    drawn = tables.recorded(bank, seed)
    turned = bank.reviews["at"] >= since - 1
    drawn["reviews"] = bank.reviews.assign(
        rating=bank.reviews.rating.mask(turned, 6 - bank.reviews.rating)
    )
    return tables.company(bank, drawn)


def settled_early(people: int, cycles: int, seed: int, truth: Truth) -> Company:
    """Nothing: ratings are settled ten weeks before their date; whose is bad hears, and asks."""
    bank, rng = events.happen(events.begin(people, cycles, seed, truth), seed), stream(seed, OWN)
    of = bank.reviews[luck_of(bank) < -0.4]
    of = of[rng.random(len(of)) < 0.6]
    day = of.reviewed_on - HEARD + below(rng, HEARD - events.EMBARGO, len(of))
    asked = pd.DataFrame({"person_id": of.person_id, "acknowledged_on": day})
    asked = asked[there(bank, asked.person_id, day)].assign(skill=-1, owned_up=False)
    asked = asked.assign(
        seen=rng.random(len(asked)) < 0.3,
        quarter=np.searchsorted(bank.quarters, asked.acknowledged_on, side="right") - 1,
    )
    bank.said = pd.concat([bank.said, asked], ignore_index=True)
    return told(bank, seed)


def written_down(people: int, cycles: int, seed: int, truth: Truth) -> Company:
    """As declared of what happens; of what people record themselves, more and longer activities are
    written down where the half-year goes well, and fewer and shorter where it does not.
    """
    bank, rng = events.happen(events.begin(people, cycles, seed, truth), seed), stream(seed, OWN)
    learning = bank.learning
    cycle = np.searchsorted(bank.review - events.EMBARGO, learning.learned_on, side="right")
    luck = bank.half_year[:, 1:][learning.person_id, np.minimum(cycle, cycles - 1)]
    own = ~learning.activity_type.isin([name for name, of in MADE.types.items() if "rate" in of])
    hours = (learning.hours * np.exp(0.8 * luck)).clip(0.25, 60).where(own, learning.hours)
    chance = np.clip(0.5 * luck, -1, 1)
    bank.learning = more_or_less(learning.assign(hours=hours), own, chance, rng, by_row=True)
    return told(bank, seed)


def inverted_u(people: int, cycles: int, seed: int, truth: Truth, *, some: float = 0.25) -> Company:
    """Little and middling learning raise the rating by `some` SD; much lowers it, so that the slope
    is 0.
    """
    bank = events.happen(events.begin(people, cycles, seed, truth), seed)
    hours, learned = bank.reviews.hours, bank.reviews.learned
    much = hours > hours[hours > 0].quantile(2 / 3)
    little = ((hours > 0) & ~much).astype(float)
    high = -some * np.cov(learned, little)[0, 1] / np.cov(learned, much.astype(float))[0, 1]
    scored(bank, truths.score_per_rating_sd(truth) * (some * little + high * much))
    return told(bank, seed)


def opposite(
    people: int, cycles: int, seed: int, truth: Truth, *, up: float = 0.3, down: float = -0.4
) -> Company:
    """Learning raises the ratings of some functions by `up` and lowers those of others by `down`,
    SD per SD: about nothing on average.
    """
    bank = events.happen(events.begin(people, cycles, seed, truth), seed)
    function = tables._people(bank, stream(seed, 6)).function
    slope = np.where(function.isin(FOR_ONE), up, down)[bank.reviews.person_id]
    scored(bank, truths.score_per_rating_sd(truth) * slope * bank.reviews.learned)
    return told(bank, seed)


def study_before(people: int, cycles: int, seed: int, truth: Truth) -> Company:
    """As declared: who asks to be assessed on a gap that they closed has often read up on it in the
    five weeks before, and writes that down.
    """
    bank, rng = events.happen(events.begin(people, cycles, seed, truth), seed), stream(seed, OWN)
    of = bank.assessments[closing(bank)]
    of = of[rng.random(len(of)) < 0.35]
    reading = {"activity_type": "reading", "is_required": False, "hours": 2.0, "run": 1}
    reading |= {"status": "completed", "skill": of["skill"]}
    day = of.assessed_on - 5 - below(rng, 30, len(of))
    read = pd.DataFrame({"person_id": of.person_id, "learned_on": day}).assign(**reading)
    read = read[there(bank, read.person_id, read.learned_on)]
    bank.learning = pd.concat([bank.learning, read], ignore_index=True)
    bank.reviews = events.rated(bank)
    return told(bank, seed)


def looked_at_sooner(people: int, cycles: int, seed: int, truth: Truth) -> Company:
    """As declared: nobody asks to be assessed; a skill that was acknowledged is looked at in doubt,
    20 to 59 days later.
    """
    bank, rng = events.happen(events.begin(people, cycles, seed, truth), seed), stream(seed, OWN)
    known = bank.assessments.sort_values("assessed_on", kind="stable")
    said = bank.said[bank.said["skill"] >= 0]
    looks = said[["person_id", "skill"]].assign(
        assessed_on=said.acknowledged_on + 20 + below(rng, 40, len(said))
    )
    looks = looks[there(bank, looks.person_id, looks.assessed_on)].sort_values("assessed_on")
    looks = pd.merge_asof(looks, known, on="assessed_on", by=["person_id", "skill"])
    looks = looks.dropna(subset=["assessed_level"]).assign(trigger="doubt")
    looks = looks.astype({"assessed_level": int, "required_level": int, "assessor_id": int})
    rows = pd.concat([known[known.trigger != "requested"], looks])
    bank.assessments = rows.drop_duplicates(["person_id", "skill", "assessed_on"]).reset_index(
        drop=True
    )
    return told(bank, seed)


# --- what they are made with


def closing(bank: Bank) -> pd.Series:
    """Assessments that people asked for, and that saw no gap."""
    of = bank.assessments
    return (of.trigger == "requested") & (of.assessed_level >= of.required_level)


def told(bank: Bank, seed: int) -> Company:
    """The tables of a bank to which all has happened."""
    return tables.company(bank, tables.recorded(bank, seed))


def luck_of(bank: Bank) -> np.ndarray:
    """Each review's half-year."""
    return bank.half_year[bank.reviews.person_id, bank.reviews["at"] + 1]


def scored(bank: Bank, more: np.ndarray | pd.Series) -> None:
    """Rate everybody again with so much more in the score, whose mean and SD stay as they were."""
    bank.reviews = events.rated(bank)
    latent = bank.reviews.latent
    new = latent + np.asarray(more)
    new = latent.mean() + (new - new.mean()) * (latent.std() / new.std())
    team = [bank.reviews.manager_id, bank.reviews["at"]]
    bank.reviews = bank.reviews.assign(latent=new, rating=truths.ratings(new, team, bank.truth))


def more_or_less(
    learning: pd.DataFrame, which: pd.Series, chance: np.ndarray, rng: Rng, *, by_row: bool = False
) -> pd.DataFrame:
    """Activities copied with a chance above 0, lost with one below; chances are people's, or rows'."""
    chance = chance if by_row else chance[learning.person_id]
    hit = which.to_numpy() & (rng.random(len(learning)) < np.abs(chance))
    return pd.concat(
        [learning[~(hit & (chance < 0))], learning[hit & (chance > 0)]], ignore_index=True
    )


def sent(bank: Bank, person: pd.Series, day: pd.Series) -> None:
    """Everybody named completed a course on that day, which is in nobody's books as required."""
    course = {"activity_type": "course", "is_required": False, "hours": COURSE, "run": 1}
    course = pd.DataFrame({"person_id": person, "learned_on": day}).assign(**course)
    course = course.assign(status="completed", skill=-1)[there(bank, person, day)]
    bank.learning = pd.concat([bank.learning, course], ignore_index=True)
    bank.reviews = events.rated(bank)


def audiences(bank: Bank, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Who could know of each acknowledgement, and whether anybody could of any in each review's
    window: what others see goes to team or public, of the rest half to the manager.
    """
    rng, said = stream(seed, OWN), bank.said
    openly = pick(rng, {"team": 6, "public": 4}, len(said))
    close = pick(rng, {"manager": 1, "private": 1}, len(said))
    audience = np.where(said.seen, openly, close)
    about = said.person_id, said.acknowledged_on, pd.Series(audience != "private")
    return audience, events._in_window(bank.reviews, *about) > 0

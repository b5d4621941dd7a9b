"""Describe: the facts that are told without a verdict, and the tables that are shown, by name.

Each names the function that counts it, and what privacy must know of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from learnalign.estimates import ask, leaders
from learnalign.facts import contents, drivers, gaps, merit, networks, spending
from learnalign.privacy import rule
from learnalign.studies import Answers, Study, tell
from learnalign.verdicts import judge
from learnalign.verdicts.registry import QUESTIONS
from learnalign.verdicts.result import Fit, Result

Fits = dict[str, Fit]
PP = "percentage points"


@dataclass(frozen=True)
class Facts:
    """Facts of one measure: their question, who counts them, their units, and which add up."""

    question: str
    make: Callable[[Study], Fits]
    unit: str = "%"
    units: Callable[[Study], Mapping[str, str]] = lambda study: {}  # of those in another unit
    parts: Callable[[Study], list[list[str]]] = lambda study: []
    together: bool = False  # where one must be hidden, all are


def _asked(study: Study) -> Fits:
    found = gaps.asking(study.dataset, study.cycles) | gaps.kinds(study.journeys)
    return found | gaps.mirror(study.dataset, study.cycles)


def _early(study: Study) -> Fits:
    return drivers.early(study.dataset, study.journeys.gaps, min_group=study.min_group)


def _spent(study: Study) -> Fits:
    hours, _ = ask.cost(study, "hours")
    more = {spending.PER_CLOSED: hours} if hours else {}
    return spending.facts(study.dataset, study.cycles) | more


def _led(study: Study) -> Fits:
    about = {"min_group": study.min_group}
    found = drivers.walk_the_talk(study.dataset, study.quarters, **about)
    return found | networks.communities(study.dataset, study.cycles)


def _reached(study: Study) -> tuple[Fits, list[list[str]]]:
    return networks.reached(networks.mentoring_reach(study.dataset, study.cycles))


FACTS: Mapping[str, Facts] = {
    "two_questions": Facts("Q5", lambda s: merit.questions(s.dataset, s.cycles)),
    "merit_for_each_point_of_the_code": Facts(
        "Q5", lambda s: merit.follows(s.dataset, s.cycles), PP
    ),
    "before_and_after_first_time": Facts("Q4", lambda s: leaders.first_time(s.quarters), PP),
    "shared_leadership": Facts("Q4", _led, units=lambda s: drivers.UNITS),
    "drivers": Facts("Q6", _early, units=lambda s: drivers.UNITS, together=True),
    "said_or_silent": Facts(
        "Q6", lambda s: gaps.saying(s.journeys), parts=lambda s: [[*gaps.PARTS]]
    ),
    "how_people_asked": Facts("Q6", _asked, units=lambda s: gaps.UNITS),
    "spending": Facts("Q7", _spent, units=lambda s: spending.units(ask.currency(s))),
    "merit_as_cost": Facts("Q7", lambda s: spending.merit_as_cost(s.cycles), PP),
    "mentoring_reach": Facts(
        "Q8", lambda s: s.made(_reached)[0], parts=lambda s: s.made(_reached)[1]
    ),
}


def describe(study: Study, *names: str) -> Answers:
    """Facts that claim nothing, as rows: all of a question ("Q6"), or of a measure ("spending").

    Shares in percent, means in their own unit, each with its interval; blank where too few people
    stand behind a row, or on the rarer side of a share. Empty where nothing of it is recorded.

    Misleads where rows are compared by eye: an interval is of its own row, not of a difference.

    >>> import learnalign as la
    >>> rows = la.describe(la.study("data/demo"), "two_questions")
    >>> {row.verdict for row in rows}, rows[0].unit
    ({'described'}, '%')
    """
    known = {*FACTS} | {facts.question for facts in FACTS.values()}
    if strange := [name for name in names if name not in known]:
        raise ask.unknown("measure", strange[0], [*FACTS, *QUESTIONS])
    chosen = [name for one in names for name in FACTS if one in (name, FACTS[name].question)]
    return tell(study, [row for name in chosen for row in study.made(_described, name)])


def _described(study: Study, name: str) -> tuple[Result, ...]:
    facts = FACTS[name]
    fits = facts.make(study)
    hidden = rule.reasons(fits, study.min_group, facts.parts(study))
    if facts.together and hidden:
        hidden = dict.fromkeys(fits, "another could be had by subtraction") | hidden
    about = {"hidden": hidden, "units": facts.units(study), "unit": facts.unit}
    return judge.describe(facts.question, name, fits, **about)


# --- tables


@dataclass(frozen=True)
class Table:
    """A table as it may be shown: its caption, and who makes it."""

    caption: str | Callable[[Study], str]
    make: Callable[[Study], pd.DataFrame]
    chapter: str = ""  # below it stands what this chapter cannot know with these data


def _counted(frame: pd.DataFrame, study: Study) -> pd.DataFrame:
    return rule.counts(frame, study.min_group)


def _grouped(frame: pd.DataFrame, study: Study, *labels: str) -> pd.DataFrame:
    return rule.groups(frame, study.min_group, labels)


def _seen(study: Study) -> pd.DataFrame:
    found = ask.askable(study)[["question", "detectable_effect", "smallest_effect", "unit"]]
    return found.dropna(subset="detectable_effect")


def _spending(study: Study, by: spending.By, *labels: str) -> pd.DataFrame:
    found = spending.hours_and_cost(study.dataset, study.cycles, by=by)
    return spending.told(_grouped(found, study, *labels))


def _chain(study: Study) -> pd.DataFrame:
    found = _grouped(merit.chain(study.cycles), study, "figure", "between")
    return found.drop(columns=["people", "managers"])


TABLES: Mapping[str, Table] = {
    "questions": Table(
        "What each question needs, and what could be seen",
        lambda s: ask.askable(s)[["question", "text", "sentence"]],
        "coverage",
    ),
    "contents": Table(
        "The tables of the data set", lambda s: _counted(contents.contents(s.dataset), s)
    ),
    "joins": Table(
        "What person-cycles carry", lambda s: _counted(contents.joins(s.dataset, s.cycles), s)
    ),
    "detectable": Table("Detectable and smallest effect", _seen),
    "knowing": Table(
        "By grade: knowing (d′), and reluctance to say (criterion), with their likely ranges",
        lambda s: gaps.told(_grouped(gaps.signal(s.journeys, "grade"), s, "group")),
    ),
    "spending_by_mode": Table(
        "Hours and cost by who recorded it, and mode",
        lambda s: _spending(s, "mode", "recorded_by", "mode"),
    ),
    "spending_by_unit": Table("Hours and cost by unit", lambda s: _spending(s, "unit", "unit")),
    "chain": Table(
        lambda s: merit.bonus_in_words(s.cycles, s.dataset.meta.bonus_rewards_individual), _chain
    ),
    "teams": Table("Teams and their quarters", lambda s: _counted(leaders.who(s.quarters), s)),
    "network": Table(
        "The ask-and-answer network by unit",
        lambda s: _grouped(networks.by_unit(networks.network(s.dataset, s.cycles)), s, "unit"),
    ),
}

"""Describe: the facts that are told without a verdict, and the tables that are shown, by name.

Each names the function that counts it, and what privacy must know of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from learnalign.estimates import ask, leaders
from learnalign.facts import contents, gaps, merit, networks, ratios, spending
from learnalign.privacy import rule
from learnalign.studies import Answers, Study, tell
from learnalign.verdicts import judge
from learnalign.verdicts.registry import questions
from learnalign.verdicts.result import Result


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
    facts = ratios.read()
    known = {*facts} | {measure.question for measure in facts.values()}
    if strange := [name for name in names if name not in known]:
        raise ask.unknown("measure", strange[0], [*facts, *questions()])
    chosen = [key for one in names for key in facts if one in (key, facts[key].question)]
    return tell(study, [row for key in chosen for row in study.made(_described, key)])


def _described(study: Study, key: str) -> tuple[Result, ...]:
    measure, found = ratios.read()[key], ratios.figures(study, key)
    hidden = rule.reasons(found.fits, study.min_group, found.parts)
    if measure.together and hidden:
        hidden = dict.fromkeys(found.fits, "subtraction") | hidden
    about = {"hidden": hidden, "units": found.units}
    return judge.describe(measure.question, key, found.fits, **about)


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

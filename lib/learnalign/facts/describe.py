"""Describe: the facts that are told without a verdict, and the tables that are shown, by name."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pandas as pd

from learnalign.estimates import ask, leaders
from learnalign.facts import contents, gaps, merit, networks, ratios, spending
from learnalign.privacy import rule
from learnalign.studies import Answers, Study, tell
from learnalign.verdicts import rows
from learnalign.verdicts.registry import phrases, questions
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
    return rows.describe(measure.question, key, found.fits, **about)


# --- tables


class Table(NamedTuple):
    """A table as it may be shown; `chapter` is the one whose open questions stand below it."""

    caption: str
    frame: pd.DataFrame
    chapter: str


def table(study: Study, name: str) -> Table:
    """A table of TABLES, with the caption and headings that `verdicts/en/facts.yml` gives it."""
    words, frame = phrases("facts")["tables"][name], TABLES[name](study)
    if heads := words.get("columns"):
        frame = frame[[one for one in (*heads, "shown") if one in frame]]
    for column, digits in words.get("digits", {}).items():
        frame = frame.assign(**{column: pd.to_numeric(frame[column]).round(digits)})
    caption = words.get("caption") or merit.bonus_in_words(study)
    return Table(caption, frame.rename(columns=heads or {}), words.get("chapter", ""))


def _counts(frame: pd.DataFrame, study: Study) -> pd.DataFrame:
    return rule.counts(frame, study.min_group)


def _groups(frame: pd.DataFrame, study: Study, *labels: str) -> pd.DataFrame:
    return rule.groups(frame, study.min_group, labels)


def _spending(study: Study, by: spending.By) -> pd.DataFrame:
    found = _groups(spending.hours_and_cost(study, by), study, *spending.KEYS[by])
    return found.assign(required_pct=100 * pd.to_numeric(found.required_share))


def _network(study: Study) -> pd.DataFrame:
    return _groups(networks.by_unit(networks.network(study)), study, "unit")


def _knowing(study: Study) -> pd.DataFrame:
    return gaps.told(_groups(gaps.signal(study.journeys, "grade"), study, "group"))


TABLES: Mapping[str, Callable[[Study], pd.DataFrame]] = {
    "questions": ask.askable,
    "contents": lambda study: _counts(contents.contents(study.dataset), study),
    "joins": lambda study: _counts(contents.joins(study), study),
    "detectable": lambda study: ask.askable(study).dropna(subset="detectable_effect"),
    "knowing": _knowing,
    "spending_by_mode": lambda study: _spending(study, "mode"),
    "spending_by_unit": lambda study: _spending(study, "unit"),
    "chain": lambda study: _groups(merit.chain(study.cycles), study, "figure", "between"),
    "teams": lambda study: _counts(leaders.who(study.quarters), study),
    "network": _network,
}
"""Who makes each table."""

"""Describe: the facts that are told without a verdict, and the tables that are shown, by name."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pandas as pd

from learnalign.estimates import ask, askable
from learnalign.facts import contents, gaps, merit, ratios, spending
from learnalign.studies import Answers, Study, tell
from learnalign.verdicts import rows
from learnalign.verdicts.registry import phrases, questions
from learnalign.verdicts.result import Result, number


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
    moved = study.gate.fits(key, found.fits, found.parts)
    if measure.together and None in moved.values():
        moved = dict.fromkeys(moved)
    return rows.describe(measure.question, key, moved, units=found.units)


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
    if "at_least" in frame:
        many = phrases("facts")["or_more"]
        people = [
            many.format(n=number(n)) if is_least and n else n
            for n, is_least in zip(frame.people, frame.pop("at_least"), strict=True)
        ]
        frame = frame.assign(people=people)
    caption = words.get("caption") or merit.bonus_in_words(study)
    return Table(caption, frame.rename(columns=heads or {}), words.get("chapter", ""))


TABLES: Mapping[str, Callable[[Study], pd.DataFrame]] = {
    "questions": askable.askable,
    "contents": contents.contents,
    "joins": contents.joins,
    "detectable": lambda study: askable.askable(study).dropna(subset="detectable_effect"),
    "knowing": gaps.knowing,
    "spending_by_mode": lambda study: spending.hours_and_cost(study, "mode"),
    "spending_by_unit": lambda study: spending.hours_and_cost(study, "unit"),
    "chain": merit.chain,
    "teams": contents.teams,
}
"""Who makes each table."""

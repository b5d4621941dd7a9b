"""Results and groups as they are shown: the only way anything is, in notebooks and in the report.

Everything passed the gate before, and nothing here sees a person. A result says itself: the finding
is the title, and where nothing can be drawn, words say why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from learnalign.report import curves, tables
from learnalign.report.marks import environment, label, line, paired, scale
from learnalign.report.shown import Shown, nothing, part, refuse_people
from learnalign.report.steps import findings
from learnalign.report.typesetting import plain, say
from learnalign.verdicts import words as words_of
from learnalign.verdicts.change import Change
from learnalign.verdicts.registry import verdict_words
from learnalign.verdicts.result import DASH, Result, number

FIGURES = {"curves": curves.draw_curves, "spread_over_managers": curves.draw_spread_over_managers}


def kinds() -> list[str]:
    """The kinds of records that can be drawn: figures, and those with a macro in the parts."""
    names = dir(environment().get_template("parts.html.j2").module)
    tables = (name.removeprefix("record_") for name in names if name.startswith("record_"))
    return sorted([*FIGURES, *tables])


def draw(record: Mapping[str, Any]) -> Shown:
    """The picture that a `record` holds, the same again; a kind not known is a ValueError."""
    kind = record.get("kind")
    if kind not in kinds():
        known = ", ".join(kinds())
        raise ValueError(f"a picture of the kind {kind!r} cannot be drawn; the kinds are {known}")
    return FIGURES.get(kind, tables.draw)(record)


# --- answers


@dataclass(frozen=True)
class Answer:
    """A headline result as it is told: its question, its verdict in words, and the raw figure
    beside it.
    """

    question: Mapping[str, Any]
    row: Result
    raw: Result | None
    word: str
    aspect: str = ""  # which of several headline results of the question this is
    brief: str = ""  # the sentence for those with two minutes
    anchor: str = ""  # its place on a page
    before: Result | None = None  # the same in the edition before
    change: Change | None = None  # since then
    wait: str = ""  # how long what would settle it takes
    trend: Shown | None = None  # over the editions

    @property
    def line(self) -> Markup:
        """Its interval on an axis of its own."""
        return line(self.row, scale([self.row]))


def headline(
    results: Sequence[Result],
    *,
    words: Mapping[str, str] | None = None,
    questions: Mapping[str, str],
    unknown: Sequence[str] = (),
) -> Shown:
    """The answers first: question, verdict, sentence and what it stands on, for every headline.

    `unknown` says below them what cannot be known here, because nobody recorded it.
    """
    told = words or verdict_words()
    answers = [
        Answer({"text": questions[row.question]}, row, raw, words_of.verdict(row, told))
        for row, raw in paired(results)
        if row.headline
    ]
    return part("headline", answers=answers, unknown=unknown)


def checks(results: Sequence[Result]) -> Shown:
    """How this could be wrong: every check and what it found, and what each answer stands on.

    Misleads where passing them all is taken for proof.
    """
    rows = [(label(row), row) for row in results]
    return part("doubts", rows=rows)


def to_do(do: Sequence[str], do_not: Sequence[str]) -> Shown:
    """What to do, and what not, a line each."""
    return part("to_do", do=do, do_not=do_not)


# --- results beside each other


def interval(results: Sequence[Result]) -> Shown:
    """Intervals against the smallest effect that matters, a row per result, the raw one below.

    The finding is the title; of a family without a headline, what is known of which row. Results
    in several units have a table each.
    """
    pairs = list(paired(results))
    if not pairs:
        return nothing(say("none"))
    rows = [row for pair in pairs for row in pair if row is not None]
    return tables.panels(rows, verdict_words(), findings([row for row, _ in pairs]))


def shares(results: Sequence[Result], *, title: str = "") -> Shown:
    """Described facts, a line each: name, mark and interval, number; nothing is ordered by size.

    Misleads where lines are compared by eye: an interval is of its own line, not of a difference.
    """
    return tables.panels(results, {}, title) if results else nothing(say("none"))


# --- groups and facts


def table(
    frame: pd.DataFrame, caption: str, *, unknown: Sequence[str] = (), name: str = ""
) -> Shown:
    """A small table of groups; a blank reads "hidden" where `shown` is false, and a dash elsewhere.

    `unknown` says below it what cannot be known here, because nobody recorded it. `name`: what the
    table is among those that can be made again.
    """
    refuse_people(frame)
    if frame.empty:
        return nothing(say("nothing_recorded", caption=caption))
    columns = [column for column in frame.columns if column != "shown"]
    shown = frame["shown"].tolist() if "shown" in frame else [True] * len(frame)
    rows = frame[columns].itertuples(index=False, name=None)
    is_number = (
        pd.api.types.is_numeric_dtype(frame[column].dropna().infer_objects()) for column in columns
    )
    names = (str(column).replace("_", " ") for column in columns)
    cells = [
        {"cells": [_cell(one, bool(seen)) for one in row], "shown": bool(seen)}
        for row, seen in zip(rows, shown, strict=True)
    ]
    heads = [[head, bool(so)] for head, so in zip(names, is_number, strict=True)]
    about = {"kind": "table", "title": "", "name": name, "caption": caption}
    return tables.draw(about | {"heads": heads, "rows": cells, "unknown": [*unknown]})


def _cell(value: Any, is_shown: bool) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return DASH if is_shown else "hidden"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return plain(value)
    # A blank turns a column of counts into floats
    return number(int(value) if value == int(value) else value)


def flow(steps: pd.DataFrame) -> Shown:
    """Who is in the data and who fell out: the rows and people left after each step, and why."""
    some = [
        {"table": str(name), "steps": own.to_dict("records")}
        for name, own in steps.groupby("table", sort=False)
    ]
    return part("flows", some=some) if some else nothing(say("no_rows"))


def provenance(facts: Mapping[str, Any]) -> Shown:
    """Where the figures come from: a list of facts, in the order given."""
    return part("facts", pairs=[(key, plain(value)) for key, value in facts.items()])

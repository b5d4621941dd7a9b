"""Verbs that show: each takes a study, or rows of one, and gives something to look at.

What is shown of a study is kept by it, for the run that started the notebook. Nothing here draws
(`show` does) or counts (`facts` does): a verb says only which of the two meet.
"""

import pandas as pd

from learnalign.estimates import ask
from learnalign.estimates import specifications as ways
from learnalign.facts import contents, describe, drivers, flows, gaps, merit, networks
from learnalign.report import asking, show, specified, steps, tables, waiting
from learnalign.report import curves as plots
from learnalign.report.shown import Shown, nothing
from learnalign.report.typesetting import say
from learnalign.studies import Answers, Study
from learnalign.verdicts import explain
from learnalign.verdicts.registry import questions, unknowns, verdict_words

# --- rows


def headline(answers: Answers) -> Shown:
    """The answers first: question, verdict, sentence, and what it stands on.

    Below them what these data cannot tell the questions' chapter, as nobody recorded it. Looks are
    shown as they show themselves.

    >>> import learnalign as la
    >>> str(la.headline(la.ask(la.study("data/demo"), "Q2"))).splitlines()[0]
    'Do people who say “I don’t know” do better or worse at the next review?'
    """
    study = answers.study
    if not any(row.headline for row in answers):
        return asking.Told(study, answers).shown
    asked = questions()
    chapters = list(dict.fromkeys(asked[row.question].chapter for row in answers))
    unknown = [line for one in chapters for line in unknowns(study.dataset.filled, one)]
    texts = {key: question.text for key, question in asked.items()}
    words = {"words": verdict_words(), "questions": texts, "unknown": unknown}
    return show.headline(answers, **words)


def intervals(rows: Answers) -> Shown:
    """Intervals against the smallest effect that matters, a line each; the finding is the title.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> "teams" in str(la.intervals(la.ask(study, "Q4")))
    True
    """
    return show.interval(rows)


def dose(rows: Answers) -> Shown:
    """Steps of an amount, in order, each against none. Misleads when read as one fitted curve.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> "Middle" in str(la.dose(la.beside(study, "dose")))
    True
    """
    return steps.dose(rows)


def shares(rows: Answers) -> Shown:
    """Described facts, a line each, with their intervals; nothing is ordered by size.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> "units strong on the drivers" in str(la.shares(la.describe(study, "drivers")))
    True
    """
    return show.shares(rows)


def checks(rows: Answers) -> Shown:
    """How this could be wrong: every check, how each figure was made, and what would settle it.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> "leaders or more stand behind the interval" in str(la.checks(la.ask(study, "Q4")))
    True
    """
    return show.checks(rows)


def to_do(answers: Answers) -> Shown:
    """What to do, and what not, by the verdicts that came out; never about a person.

    Misleads as a plan: the lines follow from the verdicts alone.

    >>> import learnalign as la
    >>> "Not to do" in str(la.to_do(la.ask(la.study("data/demo"), "Q5")))
    True
    """
    return show.to_do(*explain.what_to_do(answers))


# --- of the study


def flow(study: Study, of: str = "") -> Shown:
    """Who is in the data and who fell out: of all tables, of "gaps", of a question or its measure.

    A table alone ("learning") is shown, and handed over with all of them only.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> "not by a scheduled assessment" in str(la.flow(study, "gaps"))
    True
    """
    found = study.made(flows.flow, of)
    if of not in study.dataset.tables:
        study.told.flows[of] = found
    return show.flow(found)


def table(study: Study | pd.DataFrame, of: str) -> Shown:
    """A table of the study by its name ("contents"), or a frame of groups under a caption.

    A frame is shown as it is: what is too small in it must be blank before (`privacy.gate`), and a
    frame of people is refused. In the report of a chapter of one's own are its tables by name; a
    frame stays in the notebook, as nothing knows how far one person moves it.

    >>> import learnalign as la
    >>> str(la.table(la.study("data/demo"), "contents")).splitlines()[0]
    'The tables of the data set'
    """
    if isinstance(study, pd.DataFrame):
        return show.table(study, of)
    if of not in describe.TABLES:
        raise ask.unknown("table", of, [*describe.TABLES])
    found = describe.table(study, of)
    unknown = unknowns(study.dataset.filled, found.chapter) if found.chapter else ()
    shown = show.table(found.frame, found.caption, unknown=unknown, name=of)
    if shown.record is not None:
        study.told.tables[of] = shown
    return shown


def provenance(study: Study) -> Shown:
    """Where the figures come from: data, day, fingerprint, settings, versions.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> "Northbank (simulated)" in str(la.provenance(study))
    True
    """
    about = {"embargo_days": study.settings.embargo_days, "min_group": study.min_group}
    return show.provenance(
        contents.provenance(study.dataset, fingerprint=study.fingerprint, **about)
    )


# --- pictures


def journey(study: Study) -> Shown:
    """Gaps detected; of those acknowledged, learned on, closed. Misleads as an order in time.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> la.journey(study).record["kind"]
    'journey'
    """
    return kept(study, tables.journey(study.made(gaps.journey)))


def curves(study: Study) -> Shown:
    """The share of gaps closed, and of those whose people left first, by months since found.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> la.curves(study).record["kind"]
    'curves'
    """
    return kept(study, plots.curves(study.made(gaps.curve)))


def matrix(study: Study) -> Shown:
    """Merit less its target, by rating and target, and how much of merit the two leave open.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> la.matrix(study).record["kind"]
    'matrix'
    """
    title = study.made(merit.in_words)
    return kept(study, tables.matrix(study.made(merit.matrix), title=title))


def grid(study: Study) -> Shown:
    """What units say of the four drivers, in each domain, in the last wave; never a ranking.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> la.grid(study).record["kind"]
    'grid'
    """
    return kept(study, tables.grid(study.made(drivers.scorecard)))


def network(study: Study) -> Shown:
    """Who asks whom, as shares, and how far each moves when ties are missing; never a person.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> la.network(study).record["kind"]
    'network'
    """
    return kept(study, tables.network(study.made(networks.missing_ties)))


def spread(study: Study) -> Shown:
    """How managers differ in what acknowledging goes with in merit; never a ranking.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> la.spread(study).record["kind"]
    'spread_over_managers'
    """
    found, why = study.made(merit.over_managers)
    about = {"unit": "percentage points", "otherwise": why}
    return kept(study, plots.spread_over_managers(found, **about))


def specifications(study: Study, name: str) -> Shown:
    """All reasonable ways to compute a headline on reviews or pay, and where ours stands.

    Nobody chooses among them, so it is no look: nothing is counted, and nothing is claimed. By hand
    only: in a run, where figures are moved, words stand in its place. It takes about half a minute.

    Misleads where ways are counted as votes (`estimates.specifications`).

    >>> import learnalign as la
    >>> la.specifications(la.study("data/demo"), "Q4")
    Traceback (most recent call last):
    ...
    learnalign.data.mistakes.DataError: 1 problem
    measure: there is no such measure
        Got: Q4
    ...
    """
    if study.gate.draws is not None:
        return nothing(say("ways.by_hand"))
    with waiting.watched(study):
        return specified.specifications(ways.curve(study, name))


def kept(study: Study, picture: Shown) -> Shown:
    """A picture, kept to be drawn again in the report where it has a record of what was drawn."""
    if picture.record is not None:
        study.told.pictures[f"{picture.record['kind']}: {picture.record['title']}"] = picture
    return picture

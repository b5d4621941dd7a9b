"""Flows: who is in the data and who fell out, as it may be told."""

from collections.abc import Iterator

import pandas as pd

from learnalign.estimates import ask
from learnalign.studies import Study
from learnalign.verdicts.registry import headlines, measures, questions

FLOW = ("table", "step", "reason", "rows", "people", "left_pct", "shown")
PAID = ("rewards", "merit")  # their flows are told where merit is asked about


def flow(study: Study, of: str = "") -> pd.DataFrame:
    """The steps of all tables, of "gaps", of a question or its measure, or of one table: FLOW.

    `rows` are those read, `left_pct` how many of them are left after a step, and `people`, left
    then, the lower end of their class. A step that drops few people drops nobody here. Misleads
    where a row has several reasons to go: it goes for the first.

    >>> import learnalign as la
    >>> flow(la.study("data/demo"), "gaps").step.tolist()
    ['read', 'after_as_of', 'read', 'not_scheduled', 'left_before']
    """
    account = _account(study, of)
    tables = [steps for _, steps in account.groupby("table", sort=False)]
    rows = [row for steps in tables for row in _told(study, steps)]
    return pd.DataFrame(rows, columns=list(FLOW), dtype=object)


def _account(study: Study, of: str) -> pd.DataFrame:
    linked = study.linked.attrition
    if not of:
        return linked[~linked.table.isin(PAID)]
    if of == "gaps":
        return study.journeys.attrition
    measure = next(iter(questions()[of].measures)) if of in questions() else of
    if measure in headlines() and measures()[measure][1].estimator in ask.ESTIMATORS:
        return ask.compared(study, measure).attrition
    if of not in study.dataset.tables:
        raise ask.unknown("flow", of, [*study.dataset.tables, "gaps", *questions()])
    return linked[linked.table == of]


def _told(study: Study, steps: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    """The steps of one table, from what is read on; hidden from where too few are left."""
    read, *others = steps.itertuples()
    own = pd.Series(read.each, read.who, dtype=float)
    person = own.index.to_series()
    rows, people = study.gate.rows("rows", own), study.gate.people(read.who, as_class=True)
    share, shown, held = 100.0, None not in (rows, people), own
    yield (*read[1:4], rows, people, share, True) if shown else (*read[1:4], *[None] * 3, False)
    for step in others:
        gone = pd.Series(step.each, step.who, dtype=float)
        held = held.sub(gone, fill_value=0)
        about = f"{step.table}: {step.step}", person, gone.reindex(own.index, fill_value=0), own
        lost = study.gate.share(*about)
        if lost is not None:
            share = min(max(share - lost, 0.0), share)
            people = study.gate.people(held.index[held > 0], as_class=True)
        most_went = lost is None and len(gone) > len(own) / 2
        shown &= not most_went and people is not None
        told = (None, people, share) if shown else [None] * 3
        yield (*step[1:4], *told, shown)

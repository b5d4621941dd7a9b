"""Asked: what can be asked of the data at all, what cannot, and facts that are told without a
verdict.
"""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from learnalign.verdicts.registry import (
    MEASURES,
    QUESTIONS,
    USES,
    Measure,
    is_recorded,
    missing_needs,
)
from learnalign.verdicts.result import Fit, Result, number, spread
from learnalign.verdicts.telling import difference, hidden_row, row_of
from learnalign.verdicts.wording import CAN_ASK, FACTS, REASONS, SENTENCES, SETTLES
from learnalign.verdicts.words import listed, sentence_case

COVERAGE = (
    "question",
    "text",
    "needs",
    "missing",
    "detectable_effect",
    "smallest_effect",
    "unit",
    "sentence",
)


def coverage(
    filled: frozenset[str],
    detectable: Mapping[str, float | None],
    smallest_effect: Mapping[str, float],
) -> pd.DataFrame:
    """For every question: what it needs, what is missing, and what could be detected, before any
    result.

    `detectable` holds the detectable effect of the measures that this edition estimates (None: too
    few people to compare).
    """
    rows = []
    for question in QUESTIONS.values():
        measure, missing = question.measures[0], missing_needs(question, filled)
        smallest, seen = smallest_effect.get(measure.smallest), detectable.get(measure.key)
        numbers = {
            "missing": listed([need.missing for need in missing]),
            "smallest": number(smallest, measure.unit),
            "detectable": number(seen, measure.unit),
        }
        if missing or measure.key not in detectable:
            branch = "missing" if missing else "cost" if measure.model == "cost" else "there"
        else:
            branch = (
                "nobody" if seen is None else "fine" if smallest and seen <= smallest else "coarse"
            )
        needs, lacks = ([need.what for need in some] for some in (question.needs, missing))
        rows.append(
            (
                question.key,
                question.text,
                needs,
                lacks,
                None if missing else seen,
                smallest,
                measure.unit,
                CAN_ASK[branch].format(**numbers),
            )
        )
    return pd.DataFrame(rows, columns=list(COVERAGE), dtype=object)


def unanswerable(
    filled: frozenset[str], smallest_effect: Mapping[str, float]
) -> tuple[Result, ...]:
    """ "We don't know" for every headline whose question needs what the data do not hold, and why."""
    rows = []
    for question in QUESTIONS.values():
        missing = missing_needs(question, filled)
        if missing:
            sentence = SENTENCES["no data"].format(
                reason=listed([need.missing for need in missing])
            )
            settle = SETTLES["record"].format(what="; ".join(need.settle for need in missing))
            for measure in question.measures:
                smallest = smallest_effect.get(measure.smallest)
                rows.append(
                    row_of(
                        question,
                        measure,
                        smallest,
                        verdict="unknown",
                        sentence=sentence,
                        to_settle=settle,
                    )
                )
    return tuple(rows)


def judge_cost(
    fit: Fit | None, reason: str, *, hidden: str = "", unit: str = "currency"
) -> tuple[Result, ...]:
    """Q7: a cost per extra closed gap is described, never judged; without one, "we don't know" and
    the `reason`.
    """
    question, measure = MEASURES["cost_per_closed_gap"]
    if fit is None:
        why, settle = REASONS[reason]
        told = SENTENCES["no estimate"].format(reason=why)
        settle = f"To settle it: {settle}."
        return (
            row_of(question, measure, None, verdict="unknown", sentence=told, to_settle=settle),
        )
    if hidden:
        return (hidden_row(question, measure, None, hidden),)
    told = SENTENCES["cost"].format(
        size=number(fit.estimate, unit), range=spread(fit.low, fit.high, unit)
    )
    row = row_of(
        question,
        measure,
        None,
        fit,
        verdict="described",
        sentence=told,
        unit=unit,
        detectable_effect=None,
    )
    return (row,)


def describe(
    question: str,
    measure: str,
    facts: Mapping[str, Fit],
    *,
    hidden: Mapping[str, str],
    units: Mapping[str, str] | None = None,
    unit: str = "%",
) -> tuple[Result, ...]:
    """Facts as rows that claim nothing, by their names; `hidden` holds privacy's reason where one
    may not be shown.

    Facts are in `unit`, but for those named in `units`.
    """
    asked, rows = QUESTIONS[question], []
    for name, fit in facts.items():
        own = (units or {}).get(name, unit)
        about = Measure(measure, own, "")
        if hidden.get(name):
            rows.append(hidden_row(asked, about, None, hidden[name], headline=False, at=name))
            continue
        fit = _coarse(fit) if own == "%" else fit
        sentence = _told(measure, name, fit, own)
        rows.append(
            row_of(
                asked,
                about,
                None,
                fit,
                headline=False,
                at=name,
                verdict="described",
                sentence=sentence,
                detectable_effect=None,
            )
        )
    return tuple(rows)


def _told(measure: str, name: str, fit: Fit, unit: str) -> str:
    """A fact as a sentence: as its own name asks for, else its measure, else its unit."""
    plain = unit if unit != "correlation" else ""
    keys = (name, measure if unit in ("%", "percentage points") else "", unit)
    template = next((FACTS[key] for key in keys if key in FACTS and key), FACTS[""])
    words = name.replace("_", " ")
    first, _, rest = words.partition(": ")
    figures = {"range": spread(fit.low, fit.high, plain)} if "{seen}" not in template else {}
    told = difference(fit, unit) | {"size": number(fit.estimate, plain)} | figures
    fact = template.format(
        **told, name=f"{first} ({rest})" if rest else words, first=first, rest=rest
    )
    return sentence_case(SENTENCES["fact"].format(fact=fact, range=told["range"]))


def _coarse(fit: Fit) -> Fit:
    """A share to so few digits that nobody can tell from it how many of how many it is."""
    digits = 1 if fit.n_people >= 1000 else 0
    figures = {name: round(getattr(fit, name), digits) for name in ("estimate", "low", "high")}
    return replace(fit, **figures, std_error=None, df=None)


def unknowns(filled: frozenset[str], notebook: str) -> tuple[str, ...]:
    """What a notebook cannot know with these data, a line for each thing it could use that nobody
    recorded.

    >>> everything = frozenset(place for where in USES for place in where.split(" or "))
    >>> unknowns(everything - {"learning.cost"}, "investment")
    ('what learning costs (no learning.cost)',)
    """
    used = [where for where, (_, notebooks) in USES.items() if notebook in notebooks]
    missing = [where for where in used if not is_recorded(where, filled)]
    told = [
        where for where in missing if where.partition(".")[0] not in missing or "." not in where
    ]
    return tuple(f"{USES[where][0]} (no {where})" for where in told)

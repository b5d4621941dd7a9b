"""The index of an edition with units: where each stands, whether units differ at all, and no league
table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

from learnalign.estimates import pooling
from learnalign.report import page as reports
from learnalign.report import show
from learnalign.report.page import Answer
from learnalign.verdicts.result import Result, number

FEW_UNITS = 5  # with an estimate: fewer say nothing of how units differ
SHORT = {
    "higher": "higher",
    "lower": "lower",
    "small": "small",
    "none": "none",
    "unknown": "don’t know",
    "untrusted": "not trusted",
    "hidden": "hidden",
    "described": "described",
}


@dataclass(frozen=True)
class Unit:
    """A line of the index: a unit, where its report is, its people as published, and its headlines;
    bare if hidden.
    """

    name: str
    slug: str = ""
    people: int | None = None
    answers: Mapping[str, Answer] | None = None


def render(documents: Sequence[Mapping[str, Any]], hidden: Sequence[str]) -> str:
    """The index page of what is published together, the company's document first; `hidden` units
    have no report.

    Units stand by their names, never by a figure. Always the same bytes for the same documents.
    """
    first, *rest = documents
    told = {
        one["run"]["unit"]: {answer.anchor: answer for answer in reports.answers(one)}
        for one in documents
    }
    units = [
        Unit(one["run"]["unit"], one["run"]["slug"], _people(one), told[one["run"]["unit"]])
        for one in rest
    ]
    columns = [
        (anchor, f"{answer.question['key']} {answer.aspect}".strip(), answer)
        for anchor, answer in told[first["run"]["unit"]].items()
    ]
    silent = sum(not any(answer.is_known for answer in unit.answers.values()) for unit in units)
    page = {
        **{key: first[key] for key in ("run", "data", "versions")},
        "words": first["verdict_words"],
        "short": SHORT,
        "lede": _lede(len(units), silent, len(hidden)),
        "columns": columns,
        "company": [*told[first["run"]["unit"]].values()],
        "units": sorted([*units, *map(Unit, hidden)], key=lambda unit: unit.name),
        "spreads": [
            (
                answer,
                *differ([unit.answers[anchor].row for unit in units if anchor in unit.answers]),
            )
            for anchor, _, answer in columns
        ],
    }
    return show.environment().get_template("index.html.j2").render(page).lstrip()


def _people(document: Mapping[str, Any]) -> int | None:
    """How many people were reviewed, as it is published."""
    return next(
        (row["people"] for row in document["data"]["tables"] if row["table"] == "reviews"), None
    )


def _lede(units: int, silent: int, hidden: int) -> str:
    told = f"{units} units have an edition of their own beside the company’s."
    if silent:
        which = "None of them has an" if silent == units else f"{silent} of them have no"
        told += (
            f" {which} answer that can be trusted, most often as they are too small for "
            "that: we don’t know, then; "
        )
        told += "it does not mean that there is nothing."
    return told + (
        f" {hidden} more {'is' if hidden == 1 else 'are'} too small to be shown." if hidden else ""
    )


def differ(rows: Sequence[Result]) -> tuple[str, str]:
    """Whether a headline differs between units by more than chance: a verdict, and it in a
    sentence.

    From the published estimates: the SD of the true values between units with its interval
    (`pooling.sd_between`), on the log scale for a ratio, against the smallest effect. Misleads when
    the units' own intervals rest on few managers.
    """
    known = [
        row for row in rows if row.shown and row.estimate is not None and (row.std_error or 0) > 0
    ]
    if len(known) < FEW_UNITS:
        count = len(known) or "none"
        return (
            "unknown",
            f"We don’t know: of {FEW_UNITS} units or more that it takes, {count} can be estimated.",
        )
    ratio = known[0].unit == "hazard ratio"
    errors = [row.std_error for row in known]
    low, high = pooling.sd_between(
        [log(row.estimate) if ratio else row.estimate for row in known], errors
    )
    high = max(high, pooling.unseen_sd(errors))
    smallest = log(known[0].smallest_effect) if ratio else known[0].smallest_effect
    ends = [
        f"a factor of {exp(end):.2f}" if ratio else number(end, known[0].unit)
        for end in (low, high)
    ]
    doubt = sum(row.verdict == "untrusted" for row in known)
    more = (
        f" {doubt} of the estimates {'is' if doubt == 1 else 'are'} not to be trusted."
        if doubt
        else ""
    )
    between = f"the SD between {len(known)} units"
    matters = f"from {number(known[0].smallest_effect, known[0].unit)} it would matter"
    if high < smallest:
        return "none", f"Practically alike: {between} is at most {ends[1]}; {matters}.{more}"
    if low > 0:
        return (
            "higher",
            (
                f"They differ by more than chance: {between} is {ends[0]} to {ends[1]}; "
                f"{matters}.{more}"
            ),
        )
    return (
        "unknown",
        (
            f"We don’t know: they may be alike, or {between} may be as large as {ends[1]}; "
            f"{matters}.{more}"
        ),
    )

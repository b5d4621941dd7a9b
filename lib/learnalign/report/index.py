"""The index of an edition with units: where each stands, whether units differ at all, and no league
table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

from learnalign.estimates import pooling
from learnalign.report import front
from learnalign.report import page as reports
from learnalign.report.marks import environment
from learnalign.report.show import Answer
from learnalign.report.typesetting import say
from learnalign.verdicts import plain
from learnalign.verdicts.result import Result, number


@dataclass(frozen=True)
class Unit:
    """A line of the index: a unit, where its report is, its people as published, and its headlines;
    bare if hidden.
    """

    name: str
    slug: str = ""
    tables: Sequence[Mapping[str, Any]] = ()
    answers: Mapping[str, Answer] | None = None

    @property
    def known(self) -> list[front.Line]:
        """What may be acted on in it."""
        lines = [front.of_answer(one) for one in (self.answers or {}).values()]
        return [one for one in lines if one.certainty in ("shown", "held")]


def render(documents: Sequence[Mapping[str, Any]], hidden: Sequence[str]) -> str:
    """The index page of what is published together, the company's document first; `hidden` units
    have no report.

    Units stand by their names, never by a figure. Always the same bytes for the same documents.
    """
    told = [{answer.anchor: answer for answer in reports.answers(one)} for one in documents]
    runs = [one["run"] for one in documents]
    units = [
        Unit(run["unit"], run["slug"], one["data"]["tables"], answers)
        for run, one, answers in zip(runs[1:], documents[1:], told[1:], strict=True)
    ]
    many = len(told[0])
    spreads = [
        (answer, *differ([one.answers[anchor].row for one in units if anchor in one.answers], many))
        for anchor, answer in told[0].items()
    ]
    page = {
        **{key: documents[0][key] for key in ("run", "data", "versions")},
        "said": plain.front()["index"],
        "silent": sum(not unit.known for unit in units),
        "hidden": len(hidden),
        "title": plain.title([one.row for one in told[0].values()]),
        "company": [front.of_answer(one) for one in told[0].values()],
        "units": sorted([*units, *map(Unit, hidden)], key=lambda unit: unit.name),
        "spreads": spreads,
    }
    return environment().get_template("index.html.j2").render(page).lstrip()


def differ(rows: Sequence[Result], of: int = 1) -> tuple[str, str]:
    """Whether a headline, one `of` so many, differs between units by more than chance: a verdict,
    and it in a sentence.

    From the published estimates: the SD of the true values between units with its interval
    (`pooling.sd_between`), on the log scale for a ratio, against the smallest effect; at a level
    for all headlines together. Misleads when the units' own intervals rest on few managers.
    """
    known = [
        row for row in rows if row.shown and row.estimate is not None and (row.std_error or 0) > 0
    ]
    if len(known) < front.FEW_UNITS:
        return "unknown", say("units.few", fewest=front.FEW_UNITS, n=len(known) or "none")
    first, is_ratio = known[0], known[0].unit == "hazard ratio"
    scale = log if is_ratio else float
    errors = [row.std_error for row in known]
    level = 1 - (1 - first.level) / of
    low, high = pooling.sd_between([scale(row.estimate) for row in known], errors, level=level)
    high = max(high, pooling.unseen_sd(errors, level=level))
    verdict = "none" if high < scale(first.smallest_effect) else "higher" if low > 0 else "unknown"
    ends = [
        say("units.factor", end=exp(end)) if is_ratio else number(end, first.unit)
        for end in (low, high)
    ]
    doubt = sum(row.verdict == "untrusted" for row in known)
    sentence = say(
        f"units.{'alike' if verdict == 'none' else 'differ' if verdict == 'higher' else verdict}",
        n=len(known),
        low=ends[0],
        high=ends[1],
        matters=say("units.matters", smallest=number(first.smallest_effect, first.unit)),
        doubt=say("units.one_doubt" if doubt == 1 else "units.doubt", n=doubt) if doubt else "",
    )
    return verdict, sentence

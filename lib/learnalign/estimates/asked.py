"""Asked: what a question that nobody fixed before is about, by names that people know.

An exposure is any kind of learning or acknowledging, at all ("reading") or by its amount
("reading_hours"), tenure, or an attribute; an outcome is what a review, pay or the time after it
shows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from learnalign.data.mistakes import DataError, Problem, nearest
from learnalign.estimates import samples
from learnalign.linking.amounts import ACKNOWLEDGED, LEARNED
from learnalign.verdicts.registry import (
    Brief,
    Measure,
    Method,
    Part,
    Question,
    measures,
    phrases,
    questions,
)

GROUPS = ("unit", "grade", "cycle")  # beside the attributes of people
NUMBERS = ("tenure_years", "fte", "compa_ratio", "rating", "merit_pct", "merit_target_pct")
WORD = {"by": "column", "equal": "column"}  # what stands there
EQUAL = ("rating", "unit", "compa_ratio")
OF_GAPS, OF_TEAMS = ("skill", "unit", "grade"), ("unit",)  # where a question is on these


@dataclass(frozen=True)
class Exposure:
    """An exposure: the column that it is made of and how; its words; a level of a group, if any."""

    name: str
    source: str
    transform: Callable[[pd.Series, pd.Series], pd.Series]
    kind: str  # a key of `exposures` in `en/explored.yml`
    noun: str
    level: str = ""


@dataclass(frozen=True)
class Asked:
    """A question: who is compared on what, among whom, in which window, what is equal besides."""

    exposure: str
    outcome: str
    equal: tuple[str, ...] = ()
    where: str = ""
    by: str = ""
    window_days: int | None = None
    question: str = ""  # of a fixed measure: its question, and
    measure: str = ""  # its key


def exposures(attributes: Sequence[str]) -> dict[str, Exposure]:
    """Every exposure by its name, with `attributes` of people; those are compared level by level.

    >>> found = exposures(["gender"])
    >>> found["reading"].source, found["reading_hours"].noun, found["gender"].kind
    ('reading_activities', 'reading', 'group')
    """
    words, found = phrases("explored"), {}
    for kind, noun in words["kinds"].items():
        source = f"{kind}_" if kind else ""
        name = kind or "learning"
        found[name] = Exposure(name, f"{source}activities", samples.at_all, "any", noun)
    for source in LEARNED:
        kind = source.rpartition("_")[0]
        found[source] = Exposure(source, source, samples.log_sd, "amount", words["kinds"][kind])
    for source in ACKNOWLEDGED:
        way = source.removeprefix("acknowledgements").removeprefix("_")
        name = source.replace("acknowledgements", "acknowledged")
        noun = words["said"][way]
        found[name] = Exposure(name, source, samples.at_all, "said", noun)
        found[source] = Exposure(source, source, samples.log_sd, "said_amount", noun)
    tenure = Exposure("tenure_years", "tenure_years", samples.log_sd, "tenure", "")
    groups = {name: Exposure(name, name, samples.at_all, "group", name) for name in attributes}
    return found | {"tenure_years": tenure} | groups


def names(attributes: Sequence[str]) -> list[str]:
    """Every name that can be asked for: of things, and of nobody."""
    return [*exposures(attributes), *outcomes(), *GROUPS, *NUMBERS, *OF_GAPS, *measures()]


def outcomes() -> tuple[str, ...]:
    """The names of what may be compared."""
    return tuple(phrases("explored")["outcomes"])


def measure_of(asked: Asked, exposure: Exposure) -> Measure:
    """A question's contrast with its words, as a file of a fixed question would have it."""
    words = phrases("explored")
    what, told = words["outcomes"][asked.outcome], words["exposures"][exposure.kind]
    fill = {"noun": exposure.noun, "name": exposure.name.replace("_", " "), "level": exposure.level}
    doers, others = (told[side].format(**fill) for side in ("doers", "others"))
    return Measure(
        key=f"{exposure.name} on {asked.outcome}",
        estimator="contrast",
        exposure=exposure.name,
        outcome=asked.outcome,
        unit=what["unit"],
        smallest=what["smallest"],
        doers=doers,
        others=others,
        did=what["did"],
        **dict.fromkeys(("held", "among", "about", "limit", "misleads"), ""),
        part=Part(doers=doers, others=others),
        brief=Brief(whole="{seen}", part="{seen}", outcome=what["what"]),
        method=Method(compared=f"{doers}, with {others}", outcome=what["what"]),
    )


def levels(exposure: Exposure, there: Sequence[str]) -> list[Exposure]:
    """The exposure, or one for each value of a group against everybody else; of two, the first."""
    if exposure.kind != "group":
        return [exposure]
    told = there if len(there) > 2 else there[:1]
    return [replace(exposure, level=one) for one in told]


def estimator(asked: Asked) -> str:
    """By what it is estimated: what was not fixed is a contrast on reviews and pay."""
    return measures()[asked.measure][1].estimator if asked.measure else "contrast"


def problems(asked: Asked, attributes: Sequence[str]) -> list[Problem]:
    """Every name in a question that there is not, with the nearest that there is; and what cannot
    be asked of gaps or of teams, with what can.
    """
    kind = estimator(asked)
    groups = OF_TEAMS if kind == "leaders" else (*attributes, *OF_GAPS)
    groups = (*attributes, *GROUPS) if kind == "contrast" else groups
    if kind != "contrast" and (asked.equal or asked.window_days is not None):
        what = "equal" if asked.equal else "window_days"
        can = [key for key, one in questions().items() if _on_cycles(one)]
        said = {"about": asked.question, "what": what, "allowed": ", ".join(can)}
        return [Problem.of("not_narrowed", "ask", what, got=asked.question, **said)]
    places = [("outcome", asked.outcome, outcomes())] if not asked.measure else []
    places += [("exposure", asked.exposure, exposures(attributes))] if not asked.measure else []
    places += [("by", asked.by, groups)] if asked.by else []
    places += [("equal", one, (*EQUAL, *attributes)) for one in asked.equal]
    found = [_stranger(what, name, there) for what, name, there in places if name not in there]
    compared = {asked.outcome or measures()[asked.measure][1].outcome, asked.exposure}
    both = compared & {*asked.equal}
    found += [Problem.of("held_and_compared", "equal", got=one) for one in sorted(both)]
    if not isinstance(asked.where, str):
        found.append(Problem.of("where_unread", "where", got=repr(asked.where)))
    days = asked.window_days
    if days is not None and (isinstance(days, bool) or not isinstance(days, int) or days < 1):
        found.append(Problem.of("no_days", "window_days", got=repr(days)))
    return found


def _on_cycles(question: Question) -> bool:
    return any(one.estimator == "contrast" for one in question.measures.values())


def _stranger(what: str, name: object, there: Sequence[str]) -> Problem:
    """A name that there is not; of the amounts of each kind few are told of those there are."""
    few = [one for one in there if not one.endswith("_activities")]
    few = [one for one in few if not one.startswith("acknowledgements_")]
    said = {"near": nearest(str(name), there), "known": ", ".join(few)}
    return Problem.of("no_such", what, got=str(name), what=WORD.get(what, what), **said)


def refuse(found: Sequence[Problem]) -> None:
    """`DataError` with all problems, where there are any."""
    if found:
        raise DataError([*dict.fromkeys(found)])

"""Explore: the answer to a question that nobody fixed before, by the road of the headlines.

The same samples, model, checks, gate and rule of verdicts; what comes out is a look, which counts
(`verdicts.looks`). Under the draws of a run, all looks together tell no more of anybody than an
edition may: then no more is shown.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pandas as pd

from learnalign.estimates import ask, asked
from learnalign.estimates.asked import Asked
from learnalign.estimates.looked import Found, looked
from learnalign.privacy import gate, keys, noise
from learnalign.privacy.rule import completed
from learnalign.studies import Answers, Study
from learnalign.verdicts import feedback, looks
from learnalign.verdicts.judge import all_checks
from learnalign.verdicts.looks import Look
from learnalign.verdicts.registry import Measure, phrases
from learnalign.verdicts.result import Comparison, Fit

WHOLE = "company"


# --- a question


def explore(study: Study, questions: list[Asked]) -> Answers:
    """The answers to questions that nobody fixed before, each counted as a look of the study."""
    attributes = study.dataset.meta.attributes
    asked.refuse([one for of in questions for one in asked.problems(of, attributes)])
    found = [look for of in questions for look in study.made(_looks, of)]
    return Answers(study, seen(study, found))


def _looks(study: Study, of: Asked) -> list[Look]:
    return _shown(study, of, looked(study, of))


# --- through the gate


def _shown(study: Study, of: Asked, found: list[tuple[str, Found]]) -> list[Look]:
    """Looks as they may be shown; where groups make a whole, none is left to be reckoned."""
    passed = [_passed(study, one) for _, one in found]
    people = {
        str(i): fit.adjusted.n_people
        for i, fit in enumerate(passed)
        if fit.adjusted and not fit.is_hidden
    }
    hidden = [str(i) for i, fit in enumerate(passed) if fit.is_hidden]
    wholes = [[*map(str, range(len(passed)))]] if len(passed) > 1 else []
    gone = completed(hidden, people, wholes) if hidden else set()
    return [
        _look(study, of, group, one, replace(fit, is_hidden=True) if str(i) in gone else fit)
        for i, ((group, one), fit) in enumerate(zip(found, passed, strict=True))
    ]


def _passed(study: Study, one: Found) -> Comparison:
    """A comparison as it may be shown; under draws, only while all looks together tell little."""
    if study.gate.draws is None:
        return ask.as_shown(study, one.comparison, one.measure, first=False)
    draws = replace(study.gate.draws, is_unit=True)  # moved as a unit's figures are
    own = replace(study.gate, draws=draws, told={})
    fit = one.comparison.adjusted
    if fit is None:  # why would tell of those to whom it was narrowed
        return replace(one.comparison, raw=None, notes=(), is_hidden=bool(one.mark))
    is_near = _tells_by_count(own, fit)
    lean = replace(one.comparison, raw=None, odds=None)
    shown = ask.as_shown(replace(study, gate=own), lean, one.measure, first=False)
    if not _spent(keys.mark(draws.secret), draws.state).take(study.gate.told, own.told):
        own.told.clear()
        return replace(shown, is_hidden=True, adjusted=None)
    study.gate.told.update(own.told)
    return replace(shown, is_hidden=True, adjusted=None) if is_near else shown


def _tells_by_count(own: gate.Gate, fit: Fit) -> bool:
    """Whether there may be too few, judged by the published count alone, and so high that the true
    one never decides: who asks of nine that are known and one more would learn it for certain.
    """
    ids, least = fit.influence.index, own.rule.min_group + noise.FARTHEST
    people = keys.digest(ids)
    counts = [(fit.n_people, "people", max(noise.CLASSES[0], least))]
    smaller = fit.n_people_smaller
    counts += [(smaller, "smaller", least)] if smaller is not None else []
    few = False
    for n, name, floor in counts:
        few |= noise.count(n, own.draws.uniform(name, people)) < floor
        moves = noise.told_by_class(n, floor) if n < floor + 2 * noise.FARTHEST else 0.0
        own.told[f"{name}, enough|{people}"] = pd.Series(moves, ids)
    return few


@dataclass
class _Spent:
    """How far all looks of a process, under one key and state of the data, tell of each person."""

    figures: set[str] = field(default_factory=set)
    squares: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))

    def take(self, *told: dict[str, pd.Series]) -> bool:
        """Whether what was told, and is to be told, stays within the bound; then it is counted."""
        new = {k: v for one in told for k, v in one.items() if k not in self.figures}
        parts = [self.squares, *(moves**2 for moves in new.values())]
        total = pd.concat([part for part in parts if len(part)] or parts).groupby(level=0).sum()
        if len(total) and (float(total.max()) / 2) ** 0.5 > gate.MOST:
            return False
        self.figures |= {*new}
        self.squares = total
        return True


@cache
def _spent(mark: str, state: str) -> _Spent:
    return _Spent()


# --- looks


def _look(study: Study, of: Asked, group: str, one: Found, found: Comparison) -> Look:
    """A comparison as a look: hidden, without an estimate, or with its verdict alone."""
    measure = one.measure
    smallest = study.smallest(measure.smallest) if measure.smallest else None
    about = {
        "question": of.question or "own",
        "group": f"{of.by}={group}" if of.by else WHOLE,
        "looked": _narrowed(of, group),
        "mark": one.mark or _mark_of_nothing(of, group, measure),
        "note": "; ".join(found.notes),
    }
    fit = found.adjusted
    if found.is_hidden or fit is None:
        branch = "hidden" if found.is_hidden else "no estimate"
        fixed = found.reason in phrases("sentences")["fixed"]
        return _without(measure, smallest, "nothing varies" if fixed else branch, found, about)
    if one.rests_on:
        return looks.of_cost(measure, fit, one.rests_on, **about)
    is_moved = study.gate.draws is not None  # then no check is told, and none may choose the figure
    told, checks = fit, ()
    if not is_moved:
        told, checks = feedback.spoken(found, all_checks(found, measure, smallest))
    about |= {"held": (*told.held, *one.held), "contrast": found.contrast}
    about |= _from_to(study, one, told, measure)
    look = looks.look_of(measure, told, checks, smallest, **about)
    return looks.unjudged(look) if is_moved else look


def _without(
    measure: Measure,
    smallest: float | None,
    branch: str,
    found: Comparison,
    about: dict[str, object],
) -> Look:
    verdicts = {"hidden": "hidden", "nothing varies": "none"}
    settle = phrases("sentences")["reasons"].get(found.reason, {}).get("settle", "")
    more = phrases("explored")["settles"]["more"].format(more=settle) if settle else ""
    bare = verdicts.get(branch, "unknown")
    fields = {"branch": branch, "bare": bare, "reason": found.reason, "to_settle": more}
    if branch == "hidden":
        fields |= {"reason": "", "to_settle": ""}
        about = about | {"note": ""}
    shown = {"shown": branch != "hidden", "verdict": bare}
    return Look(**(looks.blank(measure, smallest) | about | fields | shown))


def _mark_of_nothing(of: Asked, group: str, measure: Measure) -> str:
    text = f"{of}|{group}|{measure.key}|{measure.doers}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _narrowed(of: Asked, group: str) -> tuple[str, ...]:
    texts = phrases("explored")["narrowed"]
    days = of.window_days
    equal = ", ".join(name.replace("_", " ") for name in of.equal)
    found = [
        texts["group"].format(group=f"{of.by.replace('_', ' ')}: {group}") if of.by else "",
        texts["where"].format(where=of.where) if of.where else "",
        texts["window_days"].format(days=days) if days else "",
        texts["equal"].format(equal=equal) if equal else "",
    ]
    return tuple(filter(None, found))


def _from_to(study: Study, one: Found, fit: Fit, measure: Measure) -> dict[str, float | None]:
    """From which outcome to which, where it has a unit that people read, and nothing is moved."""
    if one.before is None or measure.unit != "percentage points" or study.gate.draws is not None:
        return {}
    return {"before": one.before, "after": one.before + fit.estimate}


# --- the list of a study


def seen(study: Study, found: list[Look]) -> list[Look]:
    """Looks as all looks so far leave them; new ones are kept, here and beside the data."""
    known = recalled(study)
    new = [one for one in found if one.mark not in known]
    known |= {one.mark: one for one in found}
    if new and study.gate.draws is None and (folder := _folder(study)):  # a run's are its own
        study.told.unkept = looks.remember(folder, new)
    told = {one.mark: one for one in looks.corrected([*known.values()])}
    return [told[one.mark] for one in found]


def recalled(study: Study) -> dict[str, Look]:
    """The looks of a study by their marks: those kept beside its data, and this session's."""
    if not study.told.looks and (folder := _folder(study)):
        study.told.looks |= {one.mark: one for one in looks.remembered(folder)}
    return study.told.looks


def explored(study: Study) -> Answers:
    """Every look so far, as all of them leave it."""
    return Answers(study, looks.corrected([*recalled(study).values()]))


def _folder(study: Study) -> Path | None:
    folder = study.dataset.folder
    return folder / keys.PRIVATE if folder and folder.is_dir() else None

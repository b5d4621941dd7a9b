"""Explore: the answer to a question that nobody fixed before, by the road of the headlines.

The same samples, model, checks, gate and rule of verdicts; what comes out is a look, which counts
(`verdicts.looks`).

Under the draws of a run, people are chosen by whoever asks, who may know all else: then the noise
is keyed on the question too (of the same people, with and without one who may not be there, two
figures that are alike would tell that they are not), nothing turns at an exact place, and after so
many looks, whatever they found, no more is shown: `MOST`.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from learnalign.estimates import ask, asked
from learnalign.estimates.asked import Asked
from learnalign.estimates.looked import OF_PEOPLE, Found, looked
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
    found = [look for of in study.progress.each(questions) for look in study.made(_looks, of)]
    return Answers(study, seen(study, found))


def _looks(study: Study, of: Asked) -> list[Look]:
    return _shown(study, of, looked(study, of))


# --- through the gate


def _shown(study: Study, of: Asked, found: list[tuple[str, Found]]) -> list[Look]:
    """Looks as they may be shown; where groups make a whole, none is left to be reckoned."""
    passed = [_passed(study, one, f"{of}|{group}") for group, one in found]
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


def _passed(study: Study, one: Found, question: str) -> Comparison:
    """A comparison as it may be shown; under draws, its figure alone, while looks are left."""
    if study.gate.draws is None:
        return ask.as_shown(study, one.comparison, one.measure, first=False)
    if not one.mark:  # the data hold nothing of it, of whomever
        return one.comparison
    hidden = Comparison(one.comparison.measure, None, None, is_hidden=True)
    question = f"{one.measure.key}|{one.measure.doers}|{question}"
    if not _spent(keys.mark(study.gate.draws.secret), study.gate.draws.state).take(question):
        return replace(hidden, reason="spent")
    draws = study.gate.draws
    own = replace(draws, is_unit=True, state=f"{draws.state}|{question}")
    door = replace(study.gate, draws=own, told={})
    fit = _moved(door, one)
    study.gate.told |= {f"{question}|{name}": moves for name, moves in door.told.items()}
    return replace(hidden, adjusted=fit, is_hidden=fit is None)


def _moved(door: gate.Gate, one: Found) -> Fit | None:
    """A figure as it may be shown of people whom anybody may choose; None where too few may be
    there, by steps that no one person decides, and of teams and of cost.
    """
    fit = one.comparison.adjusted
    if fit is None or one.measure.estimator not in ("contrast", "hazard"):
        return None
    ids = fit.influence.index if one.people is None else one.people
    counts = {"people": (len(ids), *OF_PEOPLE), "managers": (fit.n_clusters, *OF_MANAGERS)}
    smaller = fit.n_people_smaller if one.people is None else one.smaller
    counts |= {} if smaller is None else {"smaller": (smaller, *OF_SMALLER)}
    are = [door.reaches(name, ids, *told) for name, told in counts.items()]
    # Nobody moves it by more than an eighth of its noise
    moves = fit.influence.abs()
    moves = moves.clip(lower=moves.max() * EIGHT / (noise.OF_PEOPLE * gate.OF_A_UNIT))
    shown = door.fit("look", replace(fit, influence=moves))
    return (
        replace(shown, n_people=door.rule.min_group, n_clusters=0) if shown and all(are) else None
    )


MOST, EIGHT = 20, 8.0
OF_MANAGERS, OF_SMALLER = (27, 6), (34, 6)  # as `looked.OF_PEOPLE`


@dataclass
class _Spent:
    """The looks of a process under one key and state of the data, each at the same price."""

    asked: set[str] = field(default_factory=set)

    def take(self, question: str) -> bool:
        """Whether it may be looked at: it was before, or looks are left."""
        if len(self.asked) < MOST:
            self.asked.add(question)
        return question in self.asked


@cache
def _spent(mark: str, state: str) -> _Spent:
    return _Spent()


# --- looks


def _look(study: Study, of: Asked, group: str, one: Found, found: Comparison) -> Look:
    """A comparison as a look: hidden, without an estimate, or with its verdict alone."""
    measure = one.measure
    draws, smallest = study.gate.draws, None
    if measure.smallest:
        smallest = study.smallest(measure.smallest)
    about = {
        "question": of.question or "own",
        "group": f"{of.by}={group}" if of.by else WHOLE,
        "looked": _narrowed(of, group),
        "mark": one.mark if one.mark and not draws else _mark_of_nothing(of, group, measure),
        "note": "; ".join(found.notes),
    }
    fit = found.adjusted
    if found.is_hidden or fit is None:
        branch = "hidden" if found.is_hidden else "no estimate"
        branch = "spent" if found.reason == "spent" else branch
        fixed = found.reason in phrases("sentences")["fixed"]
        return _without(measure, smallest, "nothing varies" if fixed else branch, found, about)
    if one.rests_on:
        return looks.of_cost(measure, fit, one.rests_on, **about)
    is_moved = draws is not None  # then no check is told, and none may choose the figure
    told, checks = fit, ()
    if not is_moved:
        checks = all_checks(found, measure, smallest)
        told, checks = feedback.spoken(found, checks, feedback.STANDS)
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
    verdicts = {"hidden": "hidden", "spent": "hidden", "nothing varies": "none"}
    settle = phrases("sentences")["reasons"].get(found.reason, {}).get("settle", "")
    more = phrases("explored")["settles"]["more"].format(more=settle) if settle else ""
    bare = verdicts.get(branch, "unknown")
    fields = {"branch": branch, "bare": bare, "reason": found.reason, "to_settle": more}
    if bare == "hidden":
        fields |= {"reason": "", "to_settle": ""}
        about = about | {"note": ""}
    shown = {"shown": bare != "hidden", "verdict": bare}
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

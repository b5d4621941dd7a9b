"""Ask: a question's answer, and what is asked beside it, judged and as it may be shown.

The one road from a study to rows: which estimator a measure has, what its families are, what
privacy hides of them, and that the study keeps what was told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from learnalign.data.mistakes import DataError, Problem, nearest
from learnalign.estimates import (
    checks,
    closing,
    contrasts,
    costs,
    directions,
    groups,
    invited,
    leaders,
    rivals,
    samples,
)
from learnalign.privacy import noise
from learnalign.studies import Answers, Study, tell
from learnalign.verdicts import guards, judge, rows
from learnalign.verdicts.registry import Measure, headlines, measures, questions
from learnalign.verdicts.result import Check, Comparison, Fit, Result


def months(study: Study) -> closing.Months:
    """The months in which gaps were open, made once for every question on closing."""
    return study.made(_months)


def _months(study: Study) -> closing.Months:
    return closing.months(study.journeys)


def prepared(study: Study, measure: str) -> samples.Prepared:
    """A measure's terms on the person-cycles of a study, made once for all that asks for them."""
    return study.made(_prepared, measure)


def _prepared(study: Study, measure: str) -> samples.Prepared:
    return samples.prepare(measure, study.cycles)


def _is_individual(study: Study) -> bool:
    return study.dataset.meta.bonus_rewards_individual


def _on_cycles(study: Study, measure: str) -> Comparison:
    ready = prepared(study, measure)
    about = {"bonus_rewards_individual": _is_individual(study), "prepared": ready}
    found = contrasts.compare(study.cycles, measure, **about)
    found = contrasts.with_ordered_logit(found, ready)
    return invited.decided(found, study.cycles)


def _on_gaps(study: Study, measure: str) -> Comparison:
    return closing.compare(months(study), measure)


def _on_teams(study: Study, measure: str) -> Comparison:
    return leaders.leader_to_team(study.quarters)


ESTIMATORS: Mapping[str, Callable[[Study, str], Comparison]] = {
    "contrast": _on_cycles,
    "hazard": _on_gaps,
    "leaders": _on_teams,
}
"""How a measure is estimated: by what its question's file names as `estimator`."""
CAN = {"contrast": samples, "hazard": closing}  # which exposures and outcomes each knows


def estimator_of(measure: str) -> str:
    """Its estimator; DataError when that cannot have the exposure or outcome that are asked for."""
    what = measures()[measure][1]
    if room := CAN.get(what.estimator):
        for name, known in (("exposure", room.EXPOSURES), ("outcome", room.OUTCOMES)):
            if getattr(what, name) not in known:
                raise unknown(name, getattr(what, name), [*known])
    return what.estimator


# --- a question


def ask(study: Study, *questions: str) -> Answers:
    """The answers to questions that were fixed before anyone looked ("Q2"), or to all of them.

    Each measure of a question has a headline row, and beside it the raw figure, which holds nothing
    equal. A row has its verdict, a sentence, the interval in the unit of the row, the checks that
    tried to refute it, and what would settle it; where privacy says so it is blank. A measure
    ("acknowledging_to_merit_total") can be asked for alone.

    Misleads where rows are picked after looking: every question is corrected for how many are asked
    in a report (Holm), and here not yet.

    >>> import learnalign as la
    >>> answers = la.ask(la.study("data/demo"), "Q2")
    >>> [(row.measure, row.at, row.verdict) for row in answers]
    [('acknowledging_to_rating', '', 'none'), ('acknowledging_to_rating', 'raw', 'described')]
    """
    asked = study.progress.each(measures_of(questions))
    rows = [row for key in asked for row in study.made(_answer, key)]
    return tell(study, rows, answers=True)


def compared(study: Study, measure: str) -> Comparison:
    """What was found for a measure, before it is judged: raw, adjusted, and who fell out."""
    return study.made(_compared, measure)


def _compared(study: Study, measure: str) -> Comparison:
    return ESTIMATORS[estimator_of(measure)](study, measure)


def _answer(study: Study, key: str) -> tuple[Result, ...]:
    measure = measures()[key][1]
    if measure.estimator == "cost":
        fit, reason = cost(study)
        moved = study.gate.fit(key, fit, first=True)
        hidden = fit is not None and moved is None
        return rows.describe_cost(moved, reason, is_hidden=hidden, unit=currency(study))
    found = as_shown(study, compared(study, key), measure, first=True)
    if first := _first_stage(key):
        stages = judge.two_stages(study.made(_answer, first)[0], found.adjusted)
        found = replace(found, checks=(*found.checks, stages))
    told = judge.judge(found, smallest_effect=study.smallest(measure.smallest))
    if measure.estimator != "contrast" or found.adjusted is None or told[0].verdict != "none":
        return told
    found = replace(found, checks=(*found.checks, *_guards(study, told[0])))
    return judge.judge(found, smallest_effect=study.smallest(measure.smallest))


def _guards(study: Study, none: Result) -> tuple[Check, Check]:
    """What stands against "practically none", made only where it would be said."""
    key = none.measure
    doses = {name: fit for name, fit in study.made(_doses, key).items() if fit}
    moved = study.gate.fits(DOSES.get(key, f"{key}, dose"), doses)
    apart = study.made(_apart, key)
    far = {name: study.gate.fit(f"{key}, {name} apart", fit) for name, (fit, _) in apart.items()}
    known = {name: (fit, apart[name][1]) for name, fit in far.items() if fit}
    chosen = replace(none, design="adjusted")  # nobody drew a lot about how much
    return guards.dose(judge.judge_family(chosen, moved)), guards.groups(known)


def _doses(study: Study, measure: str) -> dict[str, Fit]:
    return contrasts.dose(prepared(study, measure))


def _apart(study: Study, measure: str) -> dict[str, tuple[Fit, int]]:
    names = study.dataset.meta.attributes
    people = study.dataset.tables["people"].select("person_id", *names).execute()
    return directions.apart(prepared(study, measure), people.set_index("person_id"))


DOSES = {"learning_to_rating": "dose", "acknowledging_to_rating": "amounts"}
"""The family that tells a measure's doses, whose figures are the same wherever they are used."""


def _first_stage(key: str) -> str:
    """Of a measure at equal rating, the headline on the rating that has the same exposure."""
    about = measures()[key][1]
    asked = ((one, measures()[one][1]) for one in headlines("contrast"))
    if about.estimator != "contrast" or about.outcome != "merit_at_equal_rating":
        return ""
    same = (one for one, m in asked if m.outcome == "rating" and m.exposure == about.exposure)
    return next(same, "")


def as_shown(study: Study, found: Comparison, about: Measure, *, first: bool) -> Comparison:
    """A comparison of figures as they may be shown: without its adjusted one, all is hidden."""
    what = f"{about.exposure} on {about.outcome}"
    adjusted = study.gate.fit(found.measure, found.adjusted, first=first)
    if found.adjusted is not None and adjusted is None:
        return replace(found, is_hidden=True)
    odds = study.gate.fit(f"{found.measure}, odds", found.odds)
    base = study.gate.fit(f"{found.measure}, base", found.base)
    more = [contrasts.agreement(adjusted, odds)] if adjusted and odds else []
    if adjusted and about.estimator == "hazard":
        more.append(closing.to_erase(adjusted, base))
    rivals = {name: study.gate.fit(f"{found.measure}, {name}", fit) for name, fit in found.rivals}
    return replace(
        found,
        adjusted=adjusted,
        notes=(*found.notes, *filter(None, more)),
        raw=study.gate.fit(f"{what}, raw", found.raw),
        observed=study.gate.fit(f"{found.measure}, observed", found.observed),
        rivals=tuple(rivals.items()),
        forward=study.gate.fit(f"{found.measure}, forward", found.forward),
        luck=study.gate.fit(f"{found.measure}, lasting luck", found.luck),
        checks=tuple(
            checks.as_shown(check, found.measure, study.gate, adjusted) for check in found.checks
        ),
        strength_to_erase=_strength(study, found),
        trouble=_of_spreads(study, found, "trouble"),
        reaction=study.gate.fit(f"{found.measure}, reaction", found.reaction),
        base=base,
        modal_share=_of_spreads(study, found, "modal_share"),
        per=_of_spreads(study, found, "per"),
        contrast=_contrast(study, found),
    )


def _contrast(study: Study, found: Comparison) -> str:
    if found.adjusted is None or found.step is None:
        return ""
    *step, noun = found.step
    about = found.adjusted.influence.index
    said = [study.gate.roughly(f"{found.measure}, step {n}", x, about) for n, x in enumerate(step)]
    return contrasts.step_in_words(*said, noun)


def _of_spreads(study: Study, found: Comparison, name: str) -> float | None:
    """A scale that is made of spreads: one of ratings tells a little."""
    value = getattr(found, name)
    if not value or value == 1.0 or found.adjusted is None:
        return value
    about = f"{found.measure}, {name}", value, found.adjusted.influence.index
    return study.gate.roughly(*about, *noise.OF_A_SPREAD)


def _strength(study: Study, found: Comparison) -> float | None:
    if found.adjusted is None:
        return None
    about = f"{found.measure}, strength", found.strength_to_erase, found.adjusted.influence.index
    if noise.OF_PEOPLE * noise.OF_A_STRENGTH[1] > len(about[-1]):
        return None  # it would be moved by more than itself
    return study.gate.roughly(*about, *noise.OF_A_STRENGTH)


def cost(study: Study, amount: str = "cost") -> tuple[Fit | None, str]:
    """What one more closed gap takes, in cost or hours; None, and why, where learning is not seen
    to close gaps.
    """
    if not judge.stands(study.made(_family, "learning_to_closure")[:1]):
        return None, "not standing"
    return costs.cost_per_closed_gap(months(study), amount)


def currency(study: Study) -> str:
    """What cost is in."""
    return study.dataset.meta.currency or "currency"


def measures_of(names: tuple[str, ...]) -> list[str]:
    """The measures of questions, or of themselves, each once."""
    found = []
    for name in names or questions():
        if name in questions():
            found += questions()[name].measures
        elif name in headlines():
            found.append(name)
        else:
            raise unknown("question", name, [*questions(), *headlines()])
    return list(dict.fromkeys(found))


def looked_at(names: tuple[str, ...]) -> list[str]:
    """The measures of questions as a look has them: with the kinds of learning that close gaps."""
    own = [questions()[name] for name in names if name in questions()]
    more = [key for one in own for key, of in one.families.items() if of.estimator == "hazard"]
    return [*measures_of(names), *more]


def unknown(what: str, name: str, known: list[str]) -> DataError:
    """That there is no such thing to ask for, and the nearest that there is."""
    said = {"near": nearest(str(name), known), "what": what, "known": ", ".join(known)}
    return DataError([Problem.of("no_such", what, got=str(name), **said)])


# --- what is asked beside it


@dataclass(frozen=True)
class Found:
    """The fits of a family, checks that hold for all, the same of what nobody timed; which of them
    add up; and whether a row is blank, and not left out, where there is none: then that there is
    one tells of nobody.
    """

    fits: Mapping[str, Fit | None]
    checks: tuple[Check, ...] = ()
    earlier: Mapping[str, Fit | None] = field(default_factory=dict)
    parts: tuple[tuple[str, ...], ...] = ()
    is_blank: bool = False


@dataclass(frozen=True)
class Family:
    """What is asked beside a measure: by which function; who is compared where it is not as there.

    `measure` is the headline that its rows cannot outdo, or a family of its own without one.
    """

    measure: str
    make: Callable[[Study], Found]
    part: tuple[str, str] | None = None


def _amounts(study: Study) -> Found:
    cycles = study.cycles
    equal = {"at an equal number and depth of gaps": rivals.at_equal_gaps(cycles)}
    return Found(study.made(_doses, "acknowledging_to_rating") | contrasts.asking(cycles) | equal)


def _bonus(study: Study) -> Found:
    individual = _is_individual(study)
    return Found(
        {"bonus": rivals.acknowledging_to_bonus(study.cycles, bonus_rewards_individual=individual)}
    )


def _groups(study: Study) -> Found:
    fits, left = groups.by_attribute(study.dataset, study.cycles, min_people=study.min_group)
    rest = left[left.why == "too little to compare"]
    names = [*fits, *(rest.attribute + ": " + rest.group.astype(str))]
    attributes = study.dataset.meta.attributes
    parts = [tuple(one for one in names if one.startswith(f"{name}: ")) for name in attributes]
    return Found(fits, parts=tuple(parts))


FAMILIES: Mapping[str, Family] = {
    "dose": Family("learning_to_rating", lambda s: Found(s.made(_doses, "learning_to_rating"))),
    "kinds": Family(
        "learning_to_rating",
        lambda s: Found(rivals.kinds(s.cycles) | rivals.unrelated(s.cycles)),
        rivals.MORE,
    ),
    "held_or_cancelled": Family(
        "learning_to_rating",
        lambda s: Found({"held, against cancelled or waitlisted": rivals.compared(s.cycles)}),
        rivals.MORE,
    ),
    "amounts": Family("acknowledging_to_rating", _amounts),
    "bonus": Family("acknowledging_to_merit_total", _bonus),
    "merit_by_group": Family("merit_by_group", _groups),
    "said_before": Family(
        "acknowledging_to_closure", lambda s: Found(closing.saying_otherwise(months(s)))
    ),
    "learning_to_closure": Family(
        "learning_to_closure",
        lambda s: Found(*closing.learning_to_closure(months(s)), is_blank=True),
    ),
    "waitlist": Family(
        "mentoring_to_closure", lambda s: Found(closing.against_waitlist(months(s)))
    ),
}


def beside(study: Study, *names: str) -> Answers:
    """What is asked beside a question ("Q2"): all its families, or one family by its name ("dose").

    A family is the same contrast in steps, kinds, groups, or among other people, corrected for how
    many rows it has (Benjamini-Hochberg). What the headline did not survive, its family does not
    survive either. Units and blank rows as in `ask`; empty where nothing of it can be estimated.

    Misleads where its rows are compared with each other by eye.

    >>> import learnalign as la
    >>> [row.at for row in la.beside(la.study("data/demo"), "dose")]
    ['low', 'middle', 'high']
    """
    known = {*questions(), *FAMILIES}
    if strange := [name for name in names if name not in known]:
        raise unknown("family", strange[0], [*questions(), *FAMILIES])
    of = {name: measures()[family.measure][0].key for name, family in FAMILIES.items()}
    chosen = [name for one in names for name in FAMILIES if one in (name, of[name])]
    return tell(study, [row for name in chosen for row in study.made(_family, name)], answers=True)


def _family(study: Study, name: str) -> tuple[Result, ...]:
    family = FAMILIES[name]
    found = family.make(study)
    fits = {at: fit for at, fit in found.fits.items() if fit is not None}
    moved = study.gate.fits(name, fits, found.parts)
    moved = dict.fromkeys(found.fits) | moved if found.is_blank else moved
    if family.measure not in headlines():
        smallest = study.smallest(measures()[family.measure][1].smallest)
        judged = tuple(checks.as_shown(check, name, study.gate) for check in found.checks)
        earlier = {
            at: study.gate.fit(f"{name}/{at}, re-assessment", fit)
            for at, fit in found.earlier.items()
        }
        about = {"smallest_effect": smallest, "checks": judged, "earlier": earlier}
        return judge.judge_kinds(family.measure, moved, **about)
    headline = study.made(_answer, family.measure)[0]
    return judge.judge_family(headline, moved, part=family.part)

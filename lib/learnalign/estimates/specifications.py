"""Specifications: a headline's figure in every other reasonable way to compute it, and where ours
stands among them.

Nobody chooses among these: all are shown, so that no look is counted, and none says more than the
headline does (Simonsohn, Simmons and Nelson 2020).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import pandas as pd

from learnalign.estimates import ask, forward, looked, rivals, samples
from learnalign.linking.amounts import around
from learnalign.studies import Study, Told
from learnalign.verdicts import feedback
from learnalign.verdicts.judge import all_checks
from learnalign.verdicts.registry import Measure, headlines, measures
from learnalign.verdicts.result import Fit

CHOICES = ("embargo", "window", "counted", "equal")
"""What may be chosen, in the order in which a specification names it."""
EMBARGOES, WINDOWS = (0, 30, 60), (None, 91, 365)
ASKED = tuple(f"acknowledgements_by_{name}" for name in ("help_request", "question"))
EQUAL = ("no_rating", "one_rating", "two_ratings")  # so many past ratings are held
OTHERS = ("themselves", "feedback")  # people against themselves, and against what came later


@dataclass(frozen=True)
class Specification:
    """One way to compute a headline: what was `chosen`, and its figure as it may be shown."""

    chosen: tuple[str, ...]
    fit: Fit
    is_ours: bool


@dataclass(frozen=True)
class Curve:
    """All specifications of a measure, from the lowest figure to the highest."""

    measure: Measure
    smallest: float
    ways: tuple[Specification, ...]
    n_hidden: int
    verdict: str  # of the headline
    by_chance: bool  # whether a lot decided it, so that nothing was chosen

    @property
    def ours(self) -> Specification | None:
        """The one that is told; None where it has no figure that may be shown."""
        return next((one for one in self.ways if one.is_ours), None)


def curve(study: Study, name: str) -> Curve:
    """The measure's core model in all ways: embargo, window, all of the exposure or a part of it,
    and what is held equal.

    The contrast of the headline, in its unit. Windows end 0, 30 or 60 days before the review
    (and where the study says), and begin at the review before, or 91 or 365 days before their end.
    Held are two past ratings, one, or none; or people are compared with themselves, or by forward
    orthogonal deviations. A way without an estimate is left out; one that too few people stand
    behind is counted. `DataError` where `name` is no question, or measure, on reviews and pay.

    Misleads where ways are counted as votes: they share people and assumptions, and one that is
    biased does not become right by company.

    >>> import learnalign as la
    >>> curve(la.study("data/demo"), "Q3")
    Traceback (most recent call last):
    ...
    learnalign.data.mistakes.DataError: 1 problem
    measure: there is no such measure
        Got: Q3
        Allowed: acknowledging_to_merit_total, acknowledging_to_merit_at_equal_rating
    """
    return study.made(_curve, _measure(name))


def _measure(name: str) -> str:
    known = headlines("contrast")
    found = [key for key in known if name in (key, measures()[key][0].key)]
    if len(found) != 1:
        raise ask.unknown("measure", name, found or [*known])
    return found[0]


def _curve(study: Study, key: str) -> Curve:
    measure, (row, *_) = measures()[key][1], ask.ask(study, key)
    by_chance = row.design == "randomised"
    ours = () if by_chance else _ours(study, key)
    days = sorted({*EMBARGOES, study.settings.embargo_days})
    found = [
        Specification((str(embargo), *chosen), fit, (str(embargo), *chosen) == ours)
        for embargo, window in study.progress.each([*product(days, WINDOWS)])
        for chosen, fit in _in_window(_with(study, embargo), key, window)
    ]
    told = {"|".join(one.chosen): one for one in found}
    shown = study.gate.fits(f"{key}, ways", {name: one.fit for name, one in told.items()})
    ways = [replace(told[name], fit=fit) for name, fit in shown.items() if fit]
    ways.sort(key=lambda one: one.fit.estimate)
    smallest, n_hidden = study.smallest(measure.smallest), len(told) - len(ways)
    return Curve(measure, smallest, (*ways,), n_hidden, row.verdict, by_chance)


def _ours(study: Study, key: str) -> tuple[str, ...]:
    """What the study's settings choose; where the second estimate speaks for it, that."""
    found, measure = ask.compared(study, key), measures()[key][1]
    equal = ""
    if found.adjusted:
        checks = all_checks(found, measure, study.smallest(measure.smallest))
        is_robust = feedback.spoken(found, checks)[0] is found.forward
        held = ask.prepared(study, key).comparable.priors
        equal = OTHERS[1] if is_robust else EQUAL[len(held)]
    return str(study.settings.embargo_days), "review", "all", equal


def levels(found: Curve) -> list[tuple[str, str]]:
    """Every choice that was made in some way, in order, and what was chosen."""
    order = {"embargo": [], "window": ["review"], "counted": ["all", "asked", "by_system"]}
    order |= {"equal": [*EQUAL, *OTHERS]}
    there = [{one.chosen[place] for one in found.ways} for place, _ in enumerate(CHOICES)]
    return [
        (choice, level)
        for choice, own in zip(CHOICES, there, strict=True)
        for level in (
            *(name for name in order[choice] if name in own),
            *sorted(own - {*order[choice]}, key=int),
        )
    ]


def _with(study: Study, embargo: int) -> Study:
    """The study with another embargo, linked for it."""
    if embargo == study.settings.embargo_days:
        return study
    return study.made(_other, embargo)


def _other(study: Study, embargo: int) -> Study:
    settings = study.settings.model_copy(update={"embargo_days": embargo})
    return replace(study, settings=settings, told=Told(), _made={})


# --- one window


def _in_window(study: Study, key: str, window: int | None) -> Iterator[tuple[tuple[str, ...], Fit]]:
    rows, since = looked.table(study, window), "review" if window is None else str(window)
    source = samples.EXPOSURES[measures()[key][1].exposure][0]
    for counted, part in _parts(rows, source, window):
        for equal, fit in _figures(samples.prepare(key, part)):
            yield (since, counted, equal), fit


def _parts(
    rows: pd.DataFrame, source: str, window: int | None
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows with all of the amount, and with a part of it in its place where any is recorded."""
    yield "all", rows
    if source == "acknowledgements":
        of, name, part = "asked", source, rows[[*ASKED]].sum(axis=1, min_count=len(ASKED))
    elif window is None:  # who wrote it down is linked for the windows between reviews alone
        of, name = "by_system", samples.voluntary(rows)
        part = rows.get(name.replace("voluntary", "voluntary_system"))
    else:
        return
    if part is None:
        return
    part, whole = pd.to_numeric(part).rename(name), pd.to_numeric(rows[name])
    if part.sum() not in (0, whole.sum()):
        yield of, rows.assign(**{name: part}, **around(part, rows.person_id))


def _figures(prepared: samples.Prepared) -> Iterator[tuple[str, Fit]]:
    """The figure of each way to hold people equal that these rows carry."""
    if prepared.frame is None or prepared.nothing_to_compare:
        return
    chosen = samples.comparable(prepared)
    for n, equal in enumerate(EQUAL):
        sample = samples.sample_of(prepared, samples.PRIORS[:n], chosen.pasts if n else ())
        if not sample.no_estimate and (fit := sample.core()):
            yield equal, fit
    if chosen.no_estimate:
        return
    others = (
        rivals.within_person(prepared.frame, chosen.rater),
        forward.feedback_robust(prepared.frame, chosen.rater)[0],
    )
    yield from ((equal, fit) for equal, fit in zip(OTHERS, others, strict=True) if fit)

"""Kinds: the headlines on rating asked again, more narrowly: kinds of learning, what was not held,
gaps alike, bonus.

None is a headline. What the headline did not survive its parts do not survive either
(`verdicts.judge_family`).
"""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from learnalign.estimates import checks, models, samples
from learnalign.verdicts.result import Fit

KINDS = {
    "required learning": "required",
    "voluntary formal learning": "voluntary_formal",
    "voluntary informal learning": "voluntary_informal",
    "voluntary social learning, without mentoring": "voluntary_social",
    "voluntary mentoring": "voluntary_mentoring",
}
MORE = ("people with more of it", "people with less")
"""Who is compared in a row of a kind: a slope, not two groups."""
UNRELATED, RELATED = (
    "learning on skills they were never assessed in",
    "all other voluntary learning",
)
MANY_GAPS = 4  # so many in one window, or more, are held equal together
STRONG = (
    10  # F of the first stage (Staiger and Stock 1997); with less the interval promises too much
)


def kinds(person_cycles: pd.DataFrame, *, level: float = 0.95) -> dict[str, Fit]:
    """Required, and voluntary formal, informal, social and mentoring learning, on one scale, on the
    rating (SD).

    Q1's core model with all kinds at once, each held equal in the others' figures: +1 SD within the
    cycle of log(1 + hours), or of activities where no hours are recorded. Every activity is of one
    kind. Empty where nothing can be compared; a kind is left out where nobody, or everybody under a
    manager, does it.

    Misleads where kinds are recorded by different hands (courses by a system, reading by those who
    like to log), and as Q1 does: people choose their kinds. What is required is not chosen, but
    those behind with it may differ.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> kinds(linking.link(datasets.read("data/demo")).person_cycles)["required learning"].design
    'adjusted'
    """

    def amounts(unit: str) -> dict[str, pd.Series]:
        return {name: _number(person_cycles, f"{column}_{unit}") for name, column in KINDS.items()}

    return _at_once(person_cycles, amounts, level)


def unrelated(person_cycles: pd.DataFrame, *, level: float = 0.95) -> dict[str, Fit]:
    """Voluntary learning on skills that the person was never assessed in, beside all other, on the
    rating (SD).

    On one scale, as `kinds`. No negative control for Q1, whose claim is about voluntary learning on
    any skill: to learn something else may well help. For a claim that learning pays *because* it
    builds the skills a role needs, the same figure in both rows speaks against it. Empty where
    assessments or the skills of learning are missing; people who were never assessed are left out.

    Misleads where people are assessed in what they asked for, and where skills are named
    differently in both tables.
    """

    def amounts(unit: str) -> dict[str, pd.Series]:
        other = _number(person_cycles, f"unrelated_{unit}")
        rest = _number(person_cycles, f"voluntary_{unit}") - other
        return {
            UNRELATED: other,
            RELATED: rest.clip(lower=0),
        }  # sums of hours may differ by rounding

    return _at_once(person_cycles, amounts, level)


def compared(person_cycles: pd.DataFrame, *, level: float = 0.95) -> Fit | None:
    """Q1's contrast through what others decided: of all who enrolled, whose activities were held,
    and whose not.

    Among people with the same number of voluntary activities enrolled in, by kind, some got fewer,
    as the provider cancelled or the list was full. That moves their hours and, if hours matter,
    their rating: the ratio of the two is the difference in rating (SD) per +1 SD of log(1 +
    voluntary hours), as in Q1, at equal wish to learn (instrumental variable, all else as in the
    core model). It speaks of the hours that the cancelled activities would have added. Design
    "compared". None with fewer than 30 people with, or without, something not held, or where that
    hardly changes how much people learn.

    Misleads where who is turned away is no accident (late askers, whom the manager ranks low,
    unpopular courses), where the wait itself annoys, and where people on a waitlist got the same
    activity later: both rows count.

    Leuven and Oosterbeek (2008), Journal of Applied Econometrics 23; METHODS 3, Q1.
    """
    prepared = samples.prepare("learning_to_rating", person_cycles)
    names = [column.removeprefix("voluntary_") for column in KINDS.values() if column != "required"]
    lost = pd.DataFrame({name: _number(person_cycles, f"{name}_not_held") for name in names})
    got = pd.DataFrame(
        {name: _number(person_cycles, f"voluntary_{name}_activities") for name in names}
    )
    if prepared.frame is None or lost.isna().all(axis=None):
        return None
    enrolled = (got + lost).add_prefix("held_enrolled_")
    frame = prepared.frame.assign(**enrolled, got=got.sum(axis=1), lost=lost.sum(axis=1))[
        enrolled.sum(axis=1) > 0
    ]
    return _through(replace(prepared, frame=frame, held=(*prepared.held, *enrolled)), level)


def at_equal_gaps(person_cycles: pd.DataFrame, *, level: float = 0.95) -> Fit | None:
    """Difference in the rating (SD): of people with gaps, acknowledged one before it was found,
    against silent.

    Among people with a gap found by a scheduled assessment in the window, at the same number (1, 2,
    3, 4 and more) and mean severity of gaps; else the core model of Q2. A count would say that who
    has more to acknowledge acknowledges more (METHODS 5, row 15). None where gaps, or
    acknowledgements by skill, are missing.

    Misleads as `acknowledging_to_rating` does, and where people learn between acknowledging and
    being assessed: the severity held equal is then a part of what acknowledging goes with.
    """
    prepared = samples.prepare("acknowledging_to_rating", person_cycles)
    number, said = (
        _number(person_cycles, "gaps_assessed"),
        _number(person_cycles, "gaps_acknowledged"),
    )
    if prepared.frame is None:
        return None
    held = {f"held_gaps_{n}": (number == n).astype(float) for n in range(2, MANY_GAPS)}
    held |= {f"held_gaps_{MANY_GAPS}": (number >= MANY_GAPS).astype(float)}
    held |= {"held_gaps_severity": _number(person_cycles, "gaps_severity") / number}
    frame = prepared.frame.assign(exposure=(said > 0).astype(float), **held)[
        (number > 0) & said.notna()
    ]
    return _core(
        "acknowledging_to_rating",
        replace(prepared, frame=frame, held=(*prepared.held, *held)),
        level,
    )


def acknowledging_to_bonus(
    person_cycles: pd.DataFrame, *, bonus_rewards_individual: bool, level: float = 0.95
) -> Fit | None:
    """Difference in bonus (percentage points, net of the company factor): acknowledged in the
    window against not.

    As `acknowledging_to_merit_total`, for a company that declares that its bonus rewards
    individuals; else None: then the bonus is a control and no outcome. None too where a formula
    sets it after all, or none is recorded. Misleads as that does.
    """
    prepared = samples.prepare("acknowledging_to_merit_total", person_cycles)
    if prepared.frame is None or not bonus_rewards_individual:
        return None
    frame = prepared.frame.dropna(subset=["bonus"])
    if checks.set_by_formula(frame):
        return None
    frame = frame.assign(outcome=frame.bonus)
    return _core("acknowledging_to_merit_total", replace(prepared, frame=frame), level)


# --- the fits


def _number(cycles: pd.DataFrame, name: str) -> pd.Series:
    return pd.to_numeric(cycles[name]).astype(float)


def _at_once(
    cycles: pd.DataFrame, amounts: Callable[[str], dict[str, pd.Series]], level: float
) -> dict[str, Fit]:
    prepared = samples.prepare("learning_to_rating", cycles)
    if prepared.frame is None:
        return {}
    logs = {
        name: samples.log_sd(amount, cycles.cycle)
        for name, amount in amounts(prepared.noun).items()
    }
    known = pd.DataFrame(logs).notna().all(axis=1)
    sample = samples.comparable(
        "learning_to_rating", replace(prepared, frame=prepared.frame[known])
    )
    return models.beside(
        sample, {name: values.reindex(sample.rows.index) for name, values in logs.items()}, level
    )


def _core(measure: str, prepared: samples.Prepared, level: float) -> Fit | None:
    sample = samples.comparable(measure, prepared)
    if samples.nothing_to_compare(prepared) or samples.why_no_estimate(sample):
        return None
    try:
        return models.core(sample, level=level)
    except ValueError:  # the exposure is a copy of what is held equal
        return None


def _through(prepared: samples.Prepared, level: float) -> Fit | None:
    """What the exposure goes with in the outcome, as far as `got` moves the exposure: two stages,
    one instrument.

    The sandwich of such an estimate is that of what it leaves of the outcome on the instrument,
    over the first stage: so its interval climbs the same ladder as any other.
    """
    sample = samples.comparable("learning_to_rating", prepared)
    rows = sample.rows[samples.differs_within(sample.rows, "got")]
    sides = [rows[turned].person_id.nunique() for turned in (rows.lost > 0, rows.lost == 0)]
    few = min(sides) < models.MIN_CHANGERS
    if (
        few
        or samples.nothing_to_compare(prepared)
        or samples.why_no_estimate(replace(sample, rows=rows))
    ):
        return None
    try:
        first, second = (
            models.core(sample, rows, outcome=y, exposure="got") for y in ("exposure", "outcome")
        )
        estimate = second.estimate / first.estimate
        left = rows.assign(outcome=rows.outcome - estimate * rows.exposure)
        rest = models.core(sample, left, exposure="got", level=level)
    except ValueError:
        return None
    if first.estimate < STRONG**0.5 * first.std_error:
        return None
    ends = rest.second and tuple(estimate + end / first.estimate for end in rest.second)
    return replace(
        rest,
        estimate=estimate,
        low=estimate + rest.low / first.estimate,
        high=estimate + rest.high / first.estimate,
        std_error=rest.std_error / first.estimate,
        n_people_smaller=min(sides),
        second=ends,
        design="compared",
        method=f"{rest.method}, as far as learning differs because activities were held or not",
    )

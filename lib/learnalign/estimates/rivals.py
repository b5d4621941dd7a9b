"""Rivals: a headline's contrast under other assumptions, or asked more narrowly.

Three fits of one contrast stand side by side. The core model is right when what moves the exposure
shows in past ratings; the within-person fit when it is a lasting trait; the reliability-corrected
fit when it is a lasting ability that past ratings show with noise. A finding that needs one of them
to be right is no finding.

What is asked more narrowly (kinds of learning, gaps alike, what was not held, the bonus) is no
headline either: what the headline did not survive its parts do not survive (`judge_family`).
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import special
from statsmodels.miscmodels.ordinal_model import OrderedModel

from learnalign.estimates import checks, limits, samples, sensitivity
from learnalign.estimates.columns import absorbed, independent, lengths, within
from learnalign.estimates.ladder import Slope, fixed_effects
from learnalign.estimates.same_manager import (
    MIN_RESIDUAL_DF,
    Sample,
    differs_within,
    held,
    people_in_the_smaller,
    two_or_more,
)
from learnalign.verdicts.result import Fit

MIN_CHANGERS = 30  # people; fewer say little, and the figure is published
MOST_GRADES = 12  # on a finer scale the cuts between grades cannot be told apart
RELIABLE = 0.2, 0.95  # beyond it an estimated reliability tells that the correction does not hold
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
MOVING = ("held_compa", "held_cell_rating", "held_cell_target", "held_moved")
"""What a person's own changes in over time; the rest of what is held equal is the person's."""
STRONG = (
    10  # F of the first stage (Staiger and Stock 1997); below it the interval promises too much
)


# --- the same contrast under other assumptions


def within_person(frame: pd.DataFrame, rater: str, level: float = 0.95) -> Fit | None:
    """The same people compared with themselves, at equal manager and cycle; None if few change.

    `frame` is a prepared one. Right when what moves both is a lasting trait; misleads
    after a transitory dip, which the next cycle undoes by itself (METHODS 5, row 6b). Person and
    manager x cycle effects; people who stay with their manager are within one cluster, so the
    ladder's interval is exact but for those who move.
    """
    groups = ["person_id", "rater_cycle", *(["cell"] if "cell" in frame else [])]
    rows = frame.dropna(subset=["exposure", "outcome", "rater", *groups])
    rows = two_or_more(rows[differs_within(rows, "exposure")], [["person_id"], ["rater_cycle"]])
    by_person = rows.groupby("person_id").exposure
    changes = by_person.transform("max") - by_person.transform("min") > 1e-9
    own, free = rows.person_id, len(rows) - sum(rows[name].nunique() for name in groups)
    are = limits.people("changers", own[changes], MIN_CHANGERS), limits.managers(own, rows.rater)
    if not all(are) or not limits.rows("free", own, MIN_RESIDUAL_DF, free, is_floor=True):
        return None
    controls = [name for name in held(frame) if name.startswith(MOVING)]
    columns = ["outcome", "exposure", *independent(rows, controls, "rater_cycle")]
    inside = pd.DataFrame(absorbed(rows[columns].to_numpy(float), rows[groups]), columns=columns)
    inside = inside.assign(rater=rows.rater.to_numpy(), person_id=rows.person_id.to_numpy())
    fit = fixed_effects(
        inside,
        "outcome",
        "exposure",
        controls=columns[2:],
        cluster="rater",
        level=level,
        method=f"person and {rater} x cycle fixed effects",
        design="within_person",
        clustered_by=rater,
        smaller=own[changes].nunique(),
    )
    return fit and replace(fit, influence=fit.influence * _taken(rows))


def _taken(rows: pd.DataFrame) -> float:
    """By how much residuals are smaller than errors, as managers' cycles are held equal."""
    return len(rows) / (len(rows) - rows.rater_cycle.nunique())


def corrected(sample: Sample, level: float = 0.95) -> Fit | None:
    """The core model with the noise of past ratings taken out; None where that noise is not known.

    The reliability of one rating is how far two ratings of a person in a row go together within
    managers and cycles: the two prior ones where both are held, else the prior and this one. Right
    when people take up the exposure for what they can do, whatever a rating said; misleads when the
    rating itself, or the luck in it, moves them (METHODS 3, Q2 and 6c).
    """
    if not sample.priors:
        return None
    rows, cell = sample.rows, sample.rows.rater_cycle.to_numpy()
    pair = rows[[*sample.priors, "rating_sd"]].to_numpy(float).T[:2]
    reliability = sensitivity.reliability(*pair, groups=cell)
    one, other = within(pair.T, cell).T
    one, other = one / lengths(one), other / lengths(other)
    over = [one * other - end * (one**2 + other**2) / 2 for end in RELIABLE]
    own = rows.person_id
    if [limits.sums("reliable", own, pd.Series(of, own.index)) for of in over] != [True, False]:
        return None
    controls = [name for name in sample.controls() if name not in sample.priors]
    columns = [rows[name].to_numpy(float) for name in ("outcome", "exposure", [*sample.priors])]
    about = {"clusters": rows.rater.to_numpy(), "groups": cell, "level": level}
    about |= {"controls": rows[controls].to_numpy(float)} if controls else {}
    near = reliability + 1e-4 * np.array([0, -1, 1])
    try:
        found, below, above = (
            sensitivity.errors_in_variables(*columns, one, **about) for one in near
        )
    except ValueError:
        return None
    moves = one * other - reliability * (one**2 + other**2) / 2  # the reliability
    moves = found.scores + moves * (above.estimate - below.estimate) / 2e-4
    method = f"as the core model, past ratings corrected for a reliability of {reliability:.2f}"
    return replace(found, scores=moves).fit(rows.person_id, None, method, sample.rater)


def ordered_logit(sample: Sample, level: float = 0.95) -> Fit | None:
    """Odds of a better rating, as one ratio: the agreement check for treating grades as numbers.

    Managers' and cycles' means of every column stand in place of fixed effects, which would bias it
    (Mundlak 1978; METHODS 3); clustered by manager. `std_error` is on the log scale. None for a
    scale of more than 12 values, or where it does not converge. Misleads as a size: odds of two
    samples differ with how much else is known of each.
    """
    rows, names = sample.rows, ["exposure", *sample.priors, *sample.pasts]
    is_fine = limits.kinds("grades", rows.person_id, rows.rating, MOST_GRADES + 1)
    if rows.rating.nunique() <= 2 or is_fine:
        return None
    means = rows[names].groupby(rows.rater_cycle).transform("mean").add_suffix("_mean")
    table = pd.concat([rows[names], means], axis=1).astype(float)
    groups = {"groups": pd.factorize(rows.rater)[0]}
    model = _Logit(rows.rating.astype("category").cat.as_ordered(), table, distr="logit")
    found = model.fit(method="bfgs", disp=False, cov_type="cluster", cov_kwds=groups)
    middle, error, clusters = found.params.exposure, found.bse.exposure, rows.rater.nunique()
    if not found.mle_retvals["converged"] or not np.isfinite(error):
        return None
    scores = model.score_obs(found.params.to_numpy()) @ np.asarray(found.normalized_cov_params)[0]
    scores *= _taken(rows)
    about = {"ratio": True, "scores": scores, "clusters": rows.rater}
    odds = Slope.of(middle, error, clusters - 1, level, len(rows), clusters, **about)
    method = f"ordered logit with {sample.rater} means"
    return odds.fit(rows.person_id, people_in_the_smaller(rows), method, sample.rater)


class _Logit(OrderedModel):
    """The same, without all that scipy asks of each of three thousand calls."""

    def cdf(self, x: np.ndarray) -> np.ndarray:
        return special.expit(x)


# --- kinds of learning


def kinds(person_cycles: pd.DataFrame, *, level: float = 0.95) -> dict[str, Fit]:
    """Required, and voluntary formal, informal, social and mentoring learning on the rating (SD).

    Q1's core model with all kinds at once, each at equal others: +1 SD within the cycle of log(1 +
    hours), or activities. Every activity is of one kind. Empty where nothing can be compared; a
    kind is left out where nobody, or everybody under a manager, does it.

    Misleads where kinds are recorded by different hands (courses by a system, reading by those who
    like to log), and as Q1 does: people choose their kinds. What is required is not chosen, but
    those behind with it may differ.

    >>> from learnalign.data import reading
    >>> from learnalign.linking import windows
    >>> cycles = windows.link(reading.read("data/demo")).person_cycles
    >>> kinds(cycles)["required learning"].design
    'adjusted'
    """
    unit = samples.voluntary(person_cycles).removeprefix("voluntary_")
    amounts = {name: _number(person_cycles, f"{column}_{unit}") for name, column in KINDS.items()}
    return _at_once(person_cycles, amounts, level)


def unrelated(person_cycles: pd.DataFrame, *, level: float = 0.95) -> dict[str, Fit]:
    """Voluntary learning on skills never assessed in the person, beside all other, as `kinds`.

    No negative control for Q1, whose claim is about any skill. For a claim that learning pays
    *because* it builds the skills a role needs, the same figure in both rows speaks against it.
    Empty where assessments or the skills of learning are missing; who was never assessed is left
    out.

    Misleads where people are assessed in what they asked for, and where skills have two names.
    """
    name = samples.voluntary(person_cycles)
    other = _number(person_cycles, name.replace("voluntary", "unrelated"))
    rest = (_number(person_cycles, name) - other).clip(lower=0)  # sums may differ by rounding
    return _at_once(person_cycles, {UNRELATED: other, RELATED: rest}, level)


def _number(cycles: pd.DataFrame, name: str) -> pd.Series:
    return pd.to_numeric(cycles[name]).astype(float)


def _at_once(cycles: pd.DataFrame, amounts: dict[str, pd.Series], level: float) -> dict[str, Fit]:
    prepared = samples.prepare("learning_to_rating", cycles)
    if prepared.frame is None:
        return {}
    logs = {name: samples.log_sd(amount, cycles.cycle) for name, amount in amounts.items()}
    known = pd.DataFrame(logs).notna().all(axis=1)
    sample = samples.comparable(replace(prepared, frame=prepared.frame[known]))
    rows = sample.rows.index
    return sample.beside({name: values.reindex(rows) for name, values in logs.items()}, level)


# --- what others decided


def compared(person_cycles: pd.DataFrame, *, level: float = 0.95) -> Fit | None:
    """Q1's contrast through what others decided: of all who enrolled, whose activities were held.

    Among people with the same number of voluntary activities enrolled in, by kind, some got fewer,
    as the provider cancelled or the list was full. That moves their hours and, if hours matter,
    their rating: the ratio is the difference in rating (SD) per +1 SD of log(1 + voluntary hours),
    at equal wish to learn (instrumental variable; Leuven and Oosterbeek 2008; METHODS 3, Q1), for
    the hours that cancelled activities would have added. None with fewer than 30 people with, or
    without, something not held, or where that hardly changes how much people learn.

    Misleads where who is turned away is no accident (late askers, whom the manager ranks low,
    unpopular courses), where the wait itself annoys, and where the same activity followed later:
    both rows count.
    """
    prepared = samples.prepare("learning_to_rating", person_cycles)
    names = [column.removeprefix("voluntary_") for column in KINDS.values() if column != "required"]
    lost, got = (
        pd.DataFrame({name: _number(person_cycles, column.format(name)) for name in names})
        for column in ("{}_not_held", "voluntary_{}_activities")
    )
    if prepared.frame is None or lost.isna().all(axis=None):
        return None
    enrolled = (got + lost).add_prefix("held_enrolled_")
    frame = prepared.frame.assign(**enrolled, got=got.sum(axis=1), lost=lost.sum(axis=1))
    prepared = replace(prepared, frame=frame[enrolled.sum(axis=1) > 0])
    sample = samples.comparable(prepared)
    rows = sample.rows[differs_within(sample.rows, "got")]
    smaller = min(rows[side].person_id.nunique() for side in (rows.lost > 0, rows.lost == 0))
    nothing = prepared.nothing_to_compare or replace(sample, rows=rows).no_estimate
    if nothing or not limits.enough("enrolled", rows.person_id, smaller, MIN_CHANGERS):
        return None
    fit = through(sample, rows, smaller, level)
    as_far = "as far as learning differs because activities were held or not"
    return fit and replace(fit, design="compared", method=f"{fit.method}, {as_far}")


def through(sample: Sample, rows: pd.DataFrame, smaller: int, level: float) -> Fit | None:
    """Two stages, one instrument: what `got` moves of the outcome over what of the exposure.

    The sandwich of such an estimate is that of what it leaves of the outcome on the instrument,
    over the first stage: so its interval climbs the same ladder as any other. None where the first
    stage is weak. Misleads where the instrument moves the outcome by another way than the exposure.
    """
    first, second = (sample.core(rows, outcome=y, exposure="got") for y in ("exposure", "outcome"))
    if not first or not second:
        return None
    each = first.influence.abs().quantile(0.99) / first.std_error
    about = "first stage", rows.person_id, first.estimate / first.std_error, STRONG**0.5
    if not limits.enough(*about, each=each):
        return None
    estimate = second.estimate / first.estimate
    left = rows.assign(outcome=rows.outcome - estimate * rows.exposure)
    rest = sample.core(left, exposure="got", level=level)
    return rest and replace(
        rest,
        influence=rest.influence / first.estimate,
        estimate=estimate,
        low=estimate + rest.low / first.estimate,
        high=estimate + rest.high / first.estimate,
        std_error=rest.std_error / first.estimate,
        n_people_smaller=smaller,
        second=rest.second and tuple(estimate + end / first.estimate for end in rest.second),
    )


# --- gaps alike, and the bonus


def at_equal_gaps(person_cycles: pd.DataFrame, *, level: float = 0.95) -> Fit | None:
    """Difference in the rating (SD): of people with gaps, acknowledged one in time, or silent.

    Among people with a gap found by a scheduled assessment in the window, at the same number (1, 2,
    3, 4 and more) and mean severity; else Q2's core model. A count would say that who has more to
    acknowledge acknowledges more (METHODS 5, row 15). None where gaps, or acknowledgements by
    skill, are missing.

    Misleads as `acknowledging_to_rating` does, and where people learn between acknowledging and
    being assessed: the severity held equal is then a part of what acknowledging goes with.
    """
    prepared = samples.prepare("acknowledging_to_rating", person_cycles)
    number, said, severity = (
        _number(person_cycles, f"gaps_{name}") for name in ("assessed", "acknowledged", "severity")
    )
    if prepared.frame is None:
        return None
    alike = {f"held_gaps_{n}": (number == n).astype(float) for n in range(2, MANY_GAPS)}
    alike |= {f"held_gaps_{MANY_GAPS}": (number >= MANY_GAPS).astype(float)}
    frame = prepared.frame.assign(
        exposure=(said > 0).astype(float), **alike, held_gaps_severity=severity / number
    )
    sample = samples.usable(replace(prepared, frame=frame[(number > 0) & said.notna()]))
    return sample and sample.core(level=level)


def acknowledging_to_bonus(
    person_cycles: pd.DataFrame, *, bonus_rewards_individual: bool, level: float = 0.95
) -> Fit | None:
    """Difference in bonus (points, net of the company factor): acknowledged, against not.

    As `acknowledging_to_merit_total`, and misleads as that does, where the company declares that
    its bonus rewards individuals; else it is a control and no outcome: None. None too where a
    formula sets it after all, or none is recorded.
    """
    prepared = samples.prepare("acknowledging_to_merit_total", person_cycles)
    if prepared.frame is None or not bonus_rewards_individual:
        return None
    frame = prepared.frame.dropna(subset=["bonus"])
    if checks.set_by_formula(frame):
        return None
    sample = samples.usable(replace(prepared, frame=frame.assign(outcome=frame.bonus)))
    return sample and sample.core(level=level)

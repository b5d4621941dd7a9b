"""Contrasts: raw and adjusted differences side by side, what was dropped, and what could refute.

The adjusted figure is the core model's (`same_manager`). What a figure means is not
decided here: that is `verdicts`.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from learnalign.estimates import (
    checks,
    described,
    forward,
    limits,
    rivals,
    same_manager,
    samples,
    sensitivity,
    who_and_when,
)
from learnalign.estimates.columns import unexplained, within
from learnalign.estimates.ladder import fixed_effects
from learnalign.verdicts.registry import measures
from learnalign.verdicts.result import Comparison, Fit, number, spread

POWER = 0.80


def compare(
    person_cycles: pd.DataFrame,
    measure: str,
    *,
    bonus_rewards_individual: bool = False,
    level: float = 0.95,
    prepared: samples.Prepared | None = None,
    is_judged: bool = True,
) -> Comparison:
    """A question's measure on person-cycles, raw and adjusted, with its checks and its rivals.

    Raw on everybody with an exposure; adjusted (`same_manager`) among those with prior ratings and
    a colleague to compare with. The exposure is log(1 + voluntary hours) in the window in SD of the
    cycle (activities where no hours are recorded), the third of the cycle with most of it, or
    acknowledged at least once. The outcome is the rating (SD within cycle), or merit (percentage
    points), at any rating or at equal rating and matrix cell; at any rating a penalty that works
    through the rating is part of it (METHODS 5, row 2).

    What is `prepared` otherwise, for a question that nobody fixed before, takes the same road; of
    people whom anybody may choose it is not judged, and has its adjusted figure alone.

    When each misleads is told by its question (`verdicts/en/questions`): most often when something
    that prior ratings do not carry moves both. The checks are weak alarms; passing is no proof.

    >>> from learnalign.data import reading
    >>> from learnalign.linking import windows
    >>> cycles = windows.link(reading.read("data/demo")).person_cycles
    >>> compare(cycles, "learning_to_rating").adjusted.design
    'adjusted'
    """
    prepared = prepared or samples.prepare(measure, person_cycles)
    if prepared.frame is None:
        return Comparison(measure, None, None, reason=prepared.reason)
    sample = samples.comparable(prepared)
    notes = (*prepared.notes, *fallbacks(sample, len(prepared.pasts)))
    reason = prepared.nothing_to_compare
    found = Comparison(measure, None, None, (), sample.account(), notes, reason)
    if reason:
        return found
    found = replace(found, raw=_raw(prepared.frame, sample.rater, level))
    if reason := sample.no_estimate or ("" if found.raw else "too few"):
        return replace(found, reason=reason)
    beyond = checks.share_beyond(sample) if is_judged else None
    if checks.is_most(beyond, sample.rows.person_id):
        return replace(found, reason="no overlap")
    adjusted = sample.core(level=level)
    if adjusted is None or not is_judged:
        return replace(found, adjusted=adjusted, reason="" if adjusted else "no difference within")
    tried = [
        checks.baseline(sample),
        checks.lead_test(sample),
        checks.overlap(beyond, sample.rows.person_id),
        checks.attrition(sample, prepared.frame, adjusted),
    ]
    if "late" in sample.rows:
        tried.append(checks.alone("timing", who_and_when.late_or_early(sample, level)))
    if prepared.is_merit:
        tried.append(checks.bonus_control(sample, bonus_rewards_individual))
    found = replace(found, adjusted=adjusted, checks=tuple(tried))
    return _beside(found, sample, prepared, level)


def _beside(
    found: Comparison, sample: same_manager.Sample, prepared: samples.Prepared, level: float
) -> Comparison:
    """An adjusted figure with its rivals, and what its sentence must know of the sample."""
    within_person = rivals.within_person(prepared.frame, sample.rater, level)
    names = [("bracketing", within_person), ("noisy ratings", rivals.corrected(sample, level))]
    if "seen" in sample.rows:
        names.append(("seen or not", who_and_when.seen_or_not(sample, level=level)))
        other = who_and_when.seen_or_not(sample, without_written_up=True, level=level)
        names += [("one-to-ones", other)] if sample.rows.seen.notna().any() else []
        needed, reaction = who_and_when.breaking_point(sample, found.adjusted, level)
        found = replace(found, trouble=needed, reaction=reaction)
    if "system" in sample.rows:
        recorded, why = who_and_when.by_system(sample, level)
        names += [("recorder", recorded)] if recorded else []
        found = found if recorded else replace(found, checks=(*found.checks, checks.recorder(why)))
    robust, luck = forward.feedback_robust(prepared.frame, sample.rater, level)
    known = prepared.frame.dropna(subset=["exposure", "outcome"])
    base, per = without(sample, prepared, found.adjusted)
    return replace(
        found,
        forward=robust,
        luck=luck,
        n_cycles_all=max(limits.levels("cycles", known.person_id, known.cycle), 1),
        base=base,
        per=per,
        rivals=tuple(names),
        strength_to_erase=sensitivity.strength_to_erase(sample, found.adjusted),
        step=step(sample.rows, prepared.noun),
        n_cycles=max(limits.levels("cycles", sample.rows.person_id, sample.rows.cycle), 1),
        modal_share=float(sample.rows.rating.value_counts(normalize=True).max()),
    )


def without(
    sample: same_manager.Sample, prepared: samples.Prepared, fit: Fit
) -> tuple[Fit | None, float]:
    """What the people compared come to without it, as they are rated or paid, and how much of that
    one unit of the figure is: standardised to the same people, as the model is linear.

    Of an amount: at the usual one. Its interval takes the figure as known; it is never judged.
    Misleads where the figure does.
    """
    rows, per = sample.rows, 1.0
    if not prepared.is_merit:
        spread = prepared.frame.groupby("cycle").rating.std(ddof=0)
        per = float(rows.cycle.map(spread).mean())
    of_it = rows.exposure.astype(float) * same_manager.is_binary(rows)
    values = (rows.outcome if prepared.is_merit else rows.rating).astype(float)
    values = values - per * fit.estimate * of_it
    found = described.mean(values, rows.person_id, rows.rater, by=sample.rater)
    if found is None:
        return None, per
    through = per * float(of_it.mean()) * fit.influence.reindex(found.influence.index).fillna(0.0)
    return replace(found, influence=found.influence - through), per


def _raw(frame: pd.DataFrame, rater: str, level: float) -> Fit | None:
    """None where one manager's people alone decide it, or nothing is left to judge it by."""
    known = frame.dropna(subset=["exposure", "outcome", "rater"])
    return fixed_effects(
        known,
        "outcome",
        "exposure",
        cluster="rater",
        level=level,
        method="nothing held equal",
        design="described",
        clustered_by=rater,
        smaller=same_manager.people_in_the_smaller(known),
    )


def fallbacks(sample: same_manager.Sample, pasts: int) -> list[str]:
    """Notes on what stands in for what is not recorded, or not of enough people."""
    notes = []
    if sample.rater == "unit":
        notes.append("no managers are recorded: the unit stands in for the manager")
    if len(sample.priors) == 1:
        notes.append("too few people have two prior ratings: one is held equal")
    if len(sample.pasts) < pasts:
        held = "that of one is held equal" if sample.pasts else "what past learning did is in it"
        notes.append(f"for too few people learning in two past windows is recorded: {held}")
    return notes


def step(rows: pd.DataFrame, noun: str) -> tuple[float, float, str] | None:
    """Where the usual amount lies and how far +1 SD is, as logarithms, and what is counted.

    The usual one is a mean, which everybody moves a little; a median would tell of one person.
    """
    if not noun or same_manager.is_binary(rows):
        return None
    logs = np.log1p(rows.amount.astype(float))
    return float(logs.mean()), float(logs.groupby(rows.cycle).std(ddof=0).mean()), noun


def step_in_words(middle: float, width: float, noun: str) -> str:
    """What +1 SD is around the usual amount, in hours or activities, to two digits. Misleads where
    most have none: nobody is near the usual amount then.
    """
    less, more = (f"{float(f'{np.expm1(value):.2g}'):g}" for value in (middle, middle + width))
    return "" if less == more else f"{more} instead of {less} {noun}"


# --- before any result


def detectable(person_cycles: pd.DataFrame, measure: str, *, min_people: int = 10) -> float | None:
    """The smallest difference that `measure` could show in these data, before any result.

    From the spread of the exposure and what is held equal explains of exposure and outcome; the
    link between the two is never computed. None when nothing can be compared, or fewer than
    `min_people` are in one of the groups. At best: people under one manager may be more alike than
    that.
    """
    sample = samples.usable(samples.prepare(measure, person_cycles))
    smaller = 0 if sample is None else same_manager.people_in_the_smaller(sample.rows)
    about = "side", sample and sample.rows.person_id, smaller, min_people
    if sample is None or not limits.enough(*about, is_floor=True):
        return None
    rows, held, free = sample.rows, sample.controls(), sample.residual_df()
    outcome, exposure = (
        _variance_left(rows, column, held, free) for column in ("outcome", "exposure")
    )
    in_sd = detectable_effect(
        free,
        sd_exposure=rows.exposure.std(),
        r2_outcome=1 - outcome / rows.outcome.var(),
        r2_exposure=1 - exposure / rows.exposure.var(),
        clusters=rows.rater.nunique(),
    )
    return in_sd * float(rows.outcome.std())


def detectable_effect(
    n: float, *, sd_exposure: float, r2_outcome: float, r2_exposure: float, clusters: float = np.inf
) -> float:
    """The smallest true difference (SD of the outcome) found in 80 of 100 studies of `n` rows.

    `sd_exposure` is sqrt(p(1 - p)) for a group that is a share p; the R2 are what the controls
    explain.

    >>> round(detectable_effect(1_000, sd_exposure=0.21**0.5, r2_outcome=0.5, r2_exposure=0.2), 2)
    0.15
    """
    t = reach(clusters)
    return float(t * np.sqrt((1 - r2_outcome) / (n * sd_exposure**2 * (1 - r2_exposure))))


def reach(clusters: float) -> float:
    """How many standard errors a true difference must be to be found in 80 of 100 studies."""
    return float(stats.t.ppf([0.975, POWER], clusters - 1).sum())


def chance(effect: float, error: float, clusters: float = np.inf) -> float:
    """In which share of studies a true difference is found, with such a standard error.

    >>> round(chance(reach(100) * 0.05, 0.05, 100), 2)
    0.8
    """
    return float(stats.t.cdf(effect / error - stats.t.ppf(0.975, clusters - 1), clusters - 1))


def _variance_left(rows: pd.DataFrame, column: str, held: list[str], free: int) -> float:
    inside = within(rows[[column, *held]].to_numpy(float), rows.rater_cycle.to_numpy())
    left = unexplained(inside[:, 0], inside[:, 1:])
    return float(left @ left / free)


# --- within one measure


def dose(prepared: samples.Prepared, *, level: float = 0.95) -> dict[str, Fit]:
    """A measure's core model in steps: low, middle and high amounts, each against none.

    Thirds of the amount among those with any, in the outcome's unit; fewer where most have the
    same. A relation that rises and falls (Nadler et al. 2003) shows here and not in one slope.
    Empty where nothing can be compared. Misleads as the measure itself does.
    """
    if prepared.frame is None:
        return {}
    sample = samples.comparable(prepared)
    amount = sample.rows.amount.astype(float)
    some = amount[amount > 0]
    place = some.rank(pct=True).where(some > some.min(), 0)  # equal amounts share one step
    thirds = np.minimum(1 + np.floor(3 * place.reindex(amount.index)), 3)
    step = np.where(amount > 0, thirds, 0)
    names = enumerate(("low", "middle", "high"), start=1)
    return sample.beside({name: (step == place).astype(float) for place, name in names}, level)


def asking(person_cycles: pd.DataFrame, *, level: float = 0.95) -> dict[str, Fit]:
    """Autonomous and dependent asking, each against neither, on the rating (SD within cycle).

    Autonomous: acknowledged, then own learning on the skill within 30 days. Dependent: asked again
    on the skill, with no learning between. Only the first goes with performance in the literature
    (Geller & Bamberger 2012). Voluntary learning in the window is held equal: who learns more is
    called autonomous more often. Empty where no skill is recorded. Misleads as
    `acknowledging_to_rating`.
    """
    prepared = samples.prepare("acknowledging_to_rating", person_cycles)
    kinds = {
        name: pd.to_numeric(person_cycles[f"{name}_acknowledgements"])
        for name in ("autonomous", "dependent")
    }
    if prepared.frame is None or any(count.isna().all() for count in kinds.values()):
        return {}
    sample = samples.comparable(prepared)
    learned = pd.to_numeric(person_cycles[samples.voluntary(person_cycles)])
    marks = {name: (count > 0).astype(float) for name, count in kinds.items()}
    marks["learned"] = samples.log_sd(learned, person_cycles.cycle).fillna(0.0)
    rows = sample.rows.index
    found = sample.beside({name: mark.reindex(rows) for name, mark in marks.items()}, level)
    return {name: fit for name, fit in found.items() if name in kinds}


def with_ordered_logit(found: Comparison, prepared: samples.Prepared) -> Comparison:
    """The comparison with an ordered logit, which reads an order only, for `agreement`.

    For ratings only; merit comes back as it is.
    """
    if found.adjusted is None or measures()[found.measure][1].outcome != "rating":
        return found
    fit = rivals.ordered_logit(samples.comparable(prepared))
    text = "an ordered logit could not be fitted to these ratings"
    return replace(found, odds=fit, notes=found.notes if fit else (*found.notes, text))


def agreement(fit: Fit, odds: Fit) -> str:
    """A note on whether an ordered logit agrees with a figure, both as they are published.

    It can take nothing away: it says whether the choice to treat grades as numbers matters.
    """
    ends = np.sign([fit.low, fit.high])
    claimed = ends[0] if ends[0] == ends[1] else 0
    same = (odds.low > 1) - (odds.high < 1) == claimed
    text = f"an ordered logit with {odds.cluster}s’ means {'agrees' if same else 'does not agree'}"
    size = f"{number(odds.estimate)} times the odds of a better rating"
    return f"{text} ({size}, {spread(odds.low, odds.high)})"

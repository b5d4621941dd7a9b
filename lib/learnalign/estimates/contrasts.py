"""Estimates: raw and adjusted differences with their intervals, side by side, what was dropped, and
what could refute.

The core model compares people with the same manager in the same cycle (rater x cycle fixed
effects), the same two prior ratings and the same role, with standard errors clustered by manager.
Nothing here decides what a figure means: that is `verdicts`.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from learnalign.estimates import checks, models, samples
from learnalign.estimates.ladder import within
from learnalign.verdicts.result import Check, Comparison, Fit, number, spread

MEASURED, POWER = samples.MEASURED, 0.80


def learning_to_rating(person_cycles: pd.DataFrame, *, level: float = 0.95) -> Comparison:
    """Difference in the rating (SD within cycle) per +1 SD of log(1 + voluntary hours) in the
    window.

    Hours where any are recorded, else the number of activities; the notes say which. Raw, and among
    people with the same manager, cycle, role and two prior ratings (METHODS 3, core model).

    Misleads when something that the prior ratings do not carry moves both learning and the rating:
    a new motivation, a hidden talent. The checks are weak alarms for that; passing them is no
    proof.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> comparison = learning_to_rating(linking.link(datasets.read("data/demo")).person_cycles)
    >>> comparison.adjusted.design
    'adjusted'
    """
    return _compare("learning_to_rating", person_cycles, level)


def acknowledging_to_rating(person_cycles: pd.DataFrame, *, level: float = 0.95) -> Comparison:
    """Difference in the rating (SD within cycle): acknowledged at least once in the window against
    not.

    Misleads when strugglers acknowledge more and the prior ratings are noisy: part of the struggle
    stays in the figure, towards "lower" (METHODS 5, row 6). The lead test, the within-person fit
    and the reliability-corrected fit are alarms for that.
    """
    return _compare("acknowledging_to_rating", person_cycles, level)


def acknowledging_to_merit_total(
    person_cycles: pd.DataFrame, *, bonus_rewards_individual: bool = False, level: float = 0.95
) -> Comparison:
    """Difference in merit (percentage points): acknowledged at least once in the window against
    not, in total.

    The rating of the same cycle is not held equal: a penalty that works through the rating is part
    of it (METHODS 5, row 2). Misleads as `acknowledging_to_rating` does, and where merit depends on
    a place in the salary range that is not recorded.
    """
    return _compare("acknowledging_to_merit_total", person_cycles, level, bonus_rewards_individual)


def acknowledging_to_merit_at_equal_rating(
    person_cycles: pd.DataFrame, *, bonus_rewards_individual: bool = False, level: float = 0.95
) -> Comparison:
    """As `acknowledging_to_merit_total`, within the same rating and cell of the merit matrix
    (Castilla 2008).

    Misleads when something unseen moves both rating and merit: holding the rating equal then makes
    a difference where there is none (METHODS 5, row 2). It speaks of the reward stage only.
    """
    return _compare(
        "acknowledging_to_merit_at_equal_rating", person_cycles, level, bonus_rewards_individual
    )


def learning_to_merit_at_equal_rating(
    person_cycles: pd.DataFrame, *, bonus_rewards_individual: bool = False, level: float = 0.95
) -> Comparison:
    """Difference in merit (percentage points) within rating and matrix cell: the third who learned
    most, and the rest.

    Thirds are of voluntary hours (else activities) within the cycle. Misleads as
    `acknowledging_to_merit_at_equal_rating` does.
    """
    return _compare(
        "learning_to_merit_at_equal_rating", person_cycles, level, bonus_rewards_individual
    )


def detectable(person_cycles: pd.DataFrame, measure: str, *, min_people: int = 10) -> float | None:
    """The smallest difference that `measure` could show in these data, before looking at any
    result.

    From the spread of the exposure and what is held equal explains of exposure and outcome; the
    link between the two is never computed. None when nothing can be compared, or when fewer than
    `min_people` are in one of the groups: the figure would tell how many. At best: people under one
    manager may be more alike than that.
    """
    prepared = samples.prepare(measure, person_cycles)
    if prepared.frame is None:
        return None
    sample = samples.comparable(measure, prepared)
    if samples.nothing_to_compare(prepared) or samples.why_no_estimate(sample):
        return None
    if samples.people_in_the_smaller(sample.rows) < min_people:
        return None
    held = sample.controls()
    free = samples.residual_df(sample.rows, held)
    outcome, exposure = (
        _variance_left(sample.rows, column, held, free) for column in ("outcome", "exposure")
    )
    in_sd = detectable_effect(
        free,
        sd_exposure=sample.rows.exposure.std(),
        r2_outcome=1 - outcome / sample.rows.outcome.var(),
        r2_exposure=1 - exposure / sample.rows.exposure.var(),
        clusters=sample.rows.rater.nunique(),
    )
    return in_sd * float(sample.rows.outcome.std())


def detectable_effect(
    n: float, *, sd_exposure: float, r2_outcome: float, r2_exposure: float, clusters: float = np.inf
) -> float:
    """The smallest true difference (in SD of the outcome) found in 80 of 100 studies of `n` rows
    (METHODS 4).

    `sd_exposure` is sqrt(p(1 - p)) for a group that is a share p; the R2 are what the controls
    explain.

    >>> round(detectable_effect(1_000, sd_exposure=0.21**0.5, r2_outcome=0.5, r2_exposure=0.2), 2)
    0.15
    """
    t = stats.t.ppf(0.975, clusters - 1) + stats.t.ppf(POWER, clusters - 1)
    return float(t * np.sqrt((1 - r2_outcome) / (n * sd_exposure**2 * (1 - r2_exposure))))


# --- within one measure


def dose(person_cycles: pd.DataFrame, measure: str, *, level: float = 0.95) -> dict[str, Fit]:
    """The core model in steps: low, middle and high amounts of the exposure, each against none.

    Thirds of the amount among those with any, in the outcome's unit; where most have the same
    amount fewer steps are left. A relation that rises and falls (Nadler et al. 2003) shows here and
    not in one slope. Empty where nothing can be compared. Misleads as the measure itself does.
    """
    prepared = samples.prepare(measure, person_cycles)
    if prepared.frame is None:
        return {}
    sample = samples.comparable(measure, prepared)
    amount = sample.rows.amount.astype(float)
    some = amount[amount > 0]
    place = (
        some.rank(pct=True).where(some > some.min(), 0).reindex(amount.index)
    )  # equal amounts share one step
    step = np.where(amount > 0, np.minimum(1 + np.floor(3 * place), 3), 0)
    columns = {
        name: (step == number).astype(float)
        for number, name in enumerate(("low", "middle", "high"), start=1)
    }
    return models.beside(sample, columns, level)


def asking(person_cycles: pd.DataFrame, *, level: float = 0.95) -> dict[str, Fit]:
    """Autonomous and dependent asking, each against neither, on the rating (SD within cycle).

    Autonomous: acknowledged, then own learning on the skill within 30 days. Dependent: asked again
    on the same skill, with no learning between. Only the first goes with performance in the
    literature (Geller & Bamberger 2012). How much people learned of their own accord in the window
    is held equal: who learns more is called autonomous more often, whatever asking does. Empty
    where no skill is recorded. Misleads as `acknowledging_to_rating` does.
    """
    prepared = samples.prepare("acknowledging_to_rating", person_cycles)
    kinds = {
        name: pd.to_numeric(person_cycles[f"{name}_acknowledgements"])
        for name in ("autonomous", "dependent")
    }
    if prepared.frame is None or any(count.isna().all() for count in kinds.values()):
        return {}
    sample = samples.comparable("acknowledging_to_rating", prepared)
    hours = person_cycles.voluntary_hours.notna().any()
    learned = pd.to_numeric(
        person_cycles.voluntary_hours if hours else person_cycles.voluntary_activities
    )
    marks = {name: (count > 0).astype(float) for name, count in kinds.items()}
    marks["learned"] = samples.log_sd(learned, person_cycles.cycle).fillna(0.0)
    found = models.beside(
        sample, {name: mark.reindex(sample.rows.index) for name, mark in marks.items()}, level
    )
    return {name: fit for name, fit in found.items() if name in kinds}


def with_ordered_logit(found: Comparison, person_cycles: pd.DataFrame) -> Comparison:
    """The comparison with a note on whether an ordered logit, which takes grades for no more than
    an order, agrees.

    It can take nothing away: it says whether the choice to treat grades as numbers matters. For
    ratings only.
    """
    if found.adjusted is None or "rating" not in found.measure.split("_to_")[1].split("_at_")[0]:
        return found
    fit = models.ordered_logit(
        samples.comparable(found.measure, samples.prepare(found.measure, person_cycles))
    )
    if fit is None:
        return replace(
            found, notes=(*found.notes, "an ordered logit could not be fitted to these ratings")
        )
    claimed = np.sign(found.adjusted.low) == np.sign(found.adjusted.high) and np.sign(
        found.adjusted.estimate
    )
    same = (fit.low > 1) - (fit.high < 1) == claimed
    text = f"an ordered logit with {fit.cluster}s’ means {'agrees' if same else 'does not agree'}"
    figures = (
        f"{number(fit.estimate)} times the odds of a better rating, {spread(fit.low, fit.high)}"
    )
    return replace(found, notes=(*found.notes, f"{text} ({figures})"))


# --- raw and adjusted, with what was dropped and what could refute it


def _compare(
    measure: str, cycles: pd.DataFrame, level: float, bonus_rewards_individual: bool = False
) -> Comparison:
    """Raw on everybody with an exposure; adjusted on those with priors and a colleague to compare
    with.
    """
    prepared = samples.prepare(measure, cycles)
    if prepared.frame is None:
        return Comparison(measure, None, None, reason=prepared.reason)
    frame, sample = prepared.frame, samples.comparable(measure, prepared)
    notes = (*prepared.notes, *_fallbacks(sample))
    found = Comparison(measure, None, None, (), sample.account, notes)
    if reason := samples.nothing_to_compare(prepared):
        return replace(found, reason=reason)
    known = frame.dropna(subset=["exposure", "outcome", "rater"])
    try:
        raw = models.fixed_effects(
            known,
            "outcome",
            "exposure",
            cluster="rater",
            level=level,
            design="described",
            method="nothing held equal",
            clustered_by=sample.rater,
        )
    except ValueError:  # one manager's people alone decide it, or nothing is left to judge it by
        return replace(found, reason=samples.why_no_estimate(sample) or "too few")
    raw = replace(raw, n_people_smaller=samples.people_in_the_smaller(known))
    if reason := samples.why_no_estimate(sample):
        return replace(found, raw=raw, reason=reason)
    beyond = checks.share_beyond(sample)
    if (beyond or 0) > checks.MOST:
        return replace(found, raw=raw, reason="no overlap")
    try:
        adjusted = models.core(sample, level=level)
    except ValueError:  # the exposure is a copy of what is held equal
        return replace(found, raw=raw, reason="no difference within")
    return replace(
        found,
        raw=raw,
        adjusted=adjusted,
        checks=_checks(prepared, sample, adjusted, beyond, bonus_rewards_individual),
        rivals=_rivals(prepared, sample, level),
        strength_to_erase=checks.strength_to_erase(sample, adjusted),
        contrast=_contrast_in_words(sample.rows, prepared.noun)
        if not samples.is_binary(sample.rows)
        else "",
        n_cycles=sample.rows.cycle.nunique(),
        modal_share=float(sample.rows.rating.value_counts(normalize=True).max()),
    )


def _checks(
    prepared: samples.Prepared,
    sample: samples.Sample,
    fit: Fit,
    beyond: float | None,
    bonus_rewards_individual: bool,
) -> tuple[Check, ...]:
    is_merit = "bonus" in prepared.frame
    unit = "percentage points" if is_merit else "SD"
    found = [
        checks.baseline(sample),
        checks.lead_test(sample, unit),
        checks.overlap(beyond),
        checks.attrition(sample, prepared.frame, fit),
    ]
    return (
        (*found, checks.bonus_control(sample, bonus_rewards_individual))
        if is_merit
        else tuple(found)
    )


def _rivals(
    prepared: samples.Prepared, sample: samples.Sample, level: float
) -> tuple[tuple[str, Fit | None], ...]:
    """The same contrast under other assumptions; None where that was not possible."""
    return (
        ("bracketing", models.within_person(prepared, sample.rater, level)),
        ("noisy ratings", models.corrected(sample, level)),
    )


def _fallbacks(sample: samples.Sample) -> list[str]:
    notes = (
        ["no managers are recorded: the unit stands in for the manager"]
        if sample.rater == "unit"
        else []
    )
    if len(sample.priors) == 1:
        notes.append("too few people have two prior ratings: one is held equal")
    return notes


def _contrast_in_words(rows: pd.DataFrame, noun: str) -> str:
    """What +1 SD is, around the median, in the unit that people know; nothing where rounding leaves
    no difference.
    """
    if not noun:
        return ""
    logs = np.log1p(rows.amount.astype(float))
    middle, width = logs.median(), logs.groupby(rows.cycle).std(ddof=0).mean()
    digits = 1 if noun == "hours" else 0
    less, more = (f"{np.expm1(value):.{digits}f}" for value in (middle, middle + width))
    return "" if less == more else f"{more} instead of {less} voluntary learning {noun}"


def _variance_left(rows: pd.DataFrame, column: str, held: list[str], free: int) -> float:
    """Variance of a column that managers, cycles and what is held equal leave over."""
    inside = within(rows[[column, *held]].to_numpy(float), rows.rater_cycle.to_numpy())
    left = samples.unexplained(inside[:, 0], inside[:, 1:])
    return float(left @ left / free)

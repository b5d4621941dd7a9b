"""Estimates: raw and adjusted differences with their intervals, side by side, and what was dropped.

The core model compares people with the same manager in the same cycle (rater x cycle fixed effects)
and the same two prior ratings, on ratings standardised within their cycle, with standard errors
clustered by manager. Nothing here decides what a figure means: that is `verdicts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyfixest as pf
from scipy import stats

from learnalign.records import ATTRITION, FEW_CLUSTERS, Check, Comparison, Design, Fit, spread

MIN_RESIDUAL_DF = 10  # fewer, and a published regression could be solved for single people
PRIOR_SHARE = 1 / 3  # a prior rating is held equal when it leaves at least so much of those who could be compared
POWER = 0.80
WINDOWS = ("", "_next", "_previous", "_previous_2")


def learning_to_rating(person_cycles: pd.DataFrame, *, level: float = 0.95) -> Comparison:
    """Difference in the rating (SD within cycle) per +1 SD of log(1 + voluntary hours) in the window.

    Hours where any are recorded, else the number of activities; the notes say which. Raw, and among people
    with the same manager, cycle and two prior ratings (METHODS 3, core model).

    Misleads when something that the prior ratings do not carry moves both learning and the rating: a new
    motivation, a hidden talent. The lead test is a weak alarm for that; passing it is no proof.

    >>> from learnalign import datasets, linking
    >>> comparison = learning_to_rating(linking.link(datasets.read("data/demo")).person_cycles)
    >>> comparison.adjusted.design
    'adjusted'
    """
    return _compare("learning_to_rating", person_cycles, level)


def acknowledging_to_rating(person_cycles: pd.DataFrame, *, level: float = 0.95) -> Comparison:
    """Difference in the rating (SD within cycle): acknowledged at least once in the window against not.

    Misleads when strugglers acknowledge more and the prior ratings are noisy: part of the struggle stays in
    the figure, towards "lower" (METHODS 5, row 6). The lead test is a weak alarm for that.
    """
    return _compare("acknowledging_to_rating", person_cycles, level)


def detectable(person_cycles: pd.DataFrame, measure: str, *, min_people: int = 10) -> float | None:
    """The smallest difference that `measure` could show in these data, before looking at any result.

    From the spread of the exposure and what managers, cycles and prior ratings explain of exposure and
    rating; the link between the two is never computed. None when nothing can be compared, or when fewer
    than `min_people` are in one of the groups: the figure would tell how many.
    """
    prepared = PREPARE[measure](person_cycles)
    if prepared.frame is None:
        return None
    priors, sample, _ = _comparable(measure, prepared.frame)
    if _why_not(sample, priors) or _people_in_the_smaller(sample) < min_people:
        return None
    free = _residual_df(sample, priors)
    outcome, exposure = (_unexplained(sample, column, priors, free) for column in ("outcome", "exposure"))
    return detectable_effect(
        free,
        sd_exposure=sample.exposure.std(),
        r2_outcome=1 - outcome,
        r2_exposure=1 - exposure / sample.exposure.var(),
    )


def fixed_effects(
    frame: pd.DataFrame, outcome: str, exposure: str, *, controls: Sequence[str] = (), absorb: str = "",
    cluster: str, person: str = "person_id", level: float = 0.95, method: str = "", design: Design = "adjusted",
) -> Fit:  # fmt: skip
    """The coefficient of `exposure` by least squares, with CR1 standard errors and t(G - 1) intervals.

    `absorb` names the column whose levels are held equal. Agrees with pyfixest called by hand, which does
    the arithmetic. Raises ValueError when `exposure`, or a control, cannot be told from the others.

    Misleads with fewer than about 50 clusters: CR1 intervals are then too short (METHODS 4).
    """
    terms = [*controls, exposure]  # last, so that of terms that go together the exposure is the one that falls out
    formula = f"{outcome} ~ {' + '.join(terms)}" + (f" | {absorb}" if absorb else "")
    names = {outcome, exposure, *controls, cluster, person, *([absorb] if absorb else [])}
    frame = frame.dropna(subset=list(names))
    model = pf.feols(formula, data=frame, vcov={"CRV1": cluster}, fixef_rm="none")
    if lost := [term for term in terms if term not in model.coef().index]:
        raise ValueError(f"{', '.join(lost)} cannot be told from the other terms")
    low, high = model.confint(alpha=1 - level).loc[exposure]
    clusters = frame[cluster].nunique()
    return Fit(
        estimate=float(model.coef()[exposure]), low=float(low), high=float(high),
        std_error=float(model.se()[exposure]), df=float(clusters - 1), level=level, n_rows=len(frame),
        n_people=frame[person].nunique(), n_people_smaller=None,
        n_clusters=clusters, method=method or formula, design=design,
    )  # fmt: skip


def detectable_effect(
    n: float, *, sd_exposure: float, r2_outcome: float, r2_exposure: float, design_effect: float = 1.0
) -> float:
    """The smallest true difference (in SD of the outcome) found in 80 of 100 studies of `n` rows (METHODS 4).

    `sd_exposure` is sqrt(p(1 - p)) for a group that is a share p; the R2 are what the controls explain.

    >>> round(detectable_effect(1_000, sd_exposure=0.21**0.5, r2_outcome=0.5, r2_exposure=0.2), 2)
    0.15
    """
    z = stats.norm.ppf(0.975) + stats.norm.ppf(POWER)
    return float(z * np.sqrt((1 - r2_outcome) * design_effect / (n * sd_exposure**2 * (1 - r2_exposure))))


# --- one frame per measure: outcome, priors, groups, exposure ----------------------------------


@dataclass(frozen=True)
class _Prepared:
    """Person-cycles ready for one measure, or the reason why there are none."""

    frame: pd.DataFrame | None
    notes: tuple[str, ...] = ()
    noun: str = ""  # what a slope's amount is counted in
    reason: str = ""


def _learning(cycles: pd.DataFrame) -> _Prepared:
    hours = cycles.voluntary_hours.notna().any()
    name, noun = ("voluntary_hours", "hours") if hours else ("voluntary_activities", "activities")
    amount = pd.to_numeric(cycles[name])
    if not amount.notna().any():
        return _Prepared(None, reason="no learning")
    exposures = {f"exposure{w}": _log_sd(cycles[f"{name}{w}"], cycles.cycle) for w in WINDOWS}
    notes = [] if hours else ["no hours are recorded: the number of activities stands in for them"]
    if not (cycles.required_activities > 0).any():
        notes.append("no learning is marked as required: all of it counts as voluntary")
    frame = _frame(cycles).assign(exposed=amount > 0, amount=amount, cycle=cycles.cycle, **exposures)
    return _Prepared(frame, tuple(notes), noun)


def _acknowledging(cycles: pd.DataFrame) -> _Prepared:
    counts = {w: pd.to_numeric(cycles[f"acknowledgements{w}"]) for w in WINDOWS}
    if not counts[""].notna().any():
        return _Prepared(None, reason="no acknowledgements")
    exposures = {f"exposure{w}": (n > 0).astype(float).where(n.notna()) for w, n in counts.items()}
    return _Prepared(_frame(cycles).assign(exposed=counts[""] > 0, **exposures))


PREPARE = {"learning_to_rating": _learning, "acknowledging_to_rating": _acknowledging}


def _frame(cycles: pd.DataFrame) -> pd.DataFrame:
    """Outcome, priors and groups: ratings in SD of their own cycle; unit stands in where no rater is known."""
    by_cycle = cycles.groupby("cycle").rating
    mean, spread = by_cycle.mean(), by_cycle.std(ddof=0).replace(0, np.nan)

    def in_sd(rating: pd.Series, cycle: pd.Series) -> pd.Series:
        return (rating - cycle.map(mean)) / cycle.map(spread)

    by_unit = not cycles.manager_id.notna().any()
    rater = cycles.unit if by_unit else cycles.manager_id
    return pd.DataFrame({
        "person_id": cycles.person_id, "rater": rater, "rater_cycle": rater + "|" + cycles.cycle, "by_unit": by_unit,
        "outcome": in_sd(cycles.rating, cycles.cycle),
        "prior_1": in_sd(cycles.rating_prior_1, cycles.cycle_prior_1),
        "prior_2": in_sd(cycles.rating_prior_2, cycles.cycle_prior_2),
    })  # fmt: skip


def _log_sd(amount: pd.Series, cycle: pd.Series) -> pd.Series:
    """log(1 + amount) in SD of the cycle; zero in a cycle in which everybody has the same."""
    logs = np.log1p(pd.to_numeric(amount))
    by_cycle = logs.groupby(cycle)
    centred, spread = logs - by_cycle.transform("mean"), by_cycle.transform("std", ddof=0)
    return (centred / spread.where(spread > 0)).mask(spread == 0, 0.0)


def _contrast_in_words(sample: pd.DataFrame, noun: str) -> str:
    """What +1 SD is, around the median, in the unit that people know; nothing where rounding leaves no difference."""
    if not noun:
        return ""
    logs = np.log1p(sample.amount)
    middle, width = logs.median(), logs.groupby(sample.cycle).std(ddof=0).mean()
    digits = 1 if noun == "hours" else 0
    less, more = (f"{np.expm1(value):.{digits}f}" for value in (middle, middle + width))
    return "" if less == more else f"{more} instead of {less} voluntary learning {noun}"


# --- raw and adjusted, with what was dropped -----------------------------------------------------


def _compare(measure: str, cycles: pd.DataFrame, level: float) -> Comparison:
    """Raw on everybody with an exposure; adjusted on those with priors and a colleague to compare with."""
    prepared = PREPARE[measure](cycles)
    if prepared.frame is None:
        return Comparison(measure, None, None, reason=prepared.reason)
    frame = prepared.frame
    priors, sample, attrition = _comparable(measure, frame)
    rater = "unit" if frame.by_unit.any() else "manager"
    notes = (*prepared.notes, *_fallbacks(priors, rater))
    found = Comparison(measure, None, None, (), attrition, notes)
    known = frame.dropna(subset=["exposure", "outcome", "rater"])
    if reason := _nothing_to_compare(frame, known):
        return replace(found, reason=reason)
    raw = fixed_effects(known, "outcome", "exposure", cluster="rater", level=level, method="nothing held equal",
                        design="described")  # fmt: skip
    raw = replace(raw, n_people_smaller=_people_in_the_smaller(known))
    if reason := _why_not(sample, priors):
        return replace(found, raw=raw, reason=reason)
    try:
        adjusted = _core_model(sample, priors, level, rater)
    except ValueError:  # the exposure is a copy of the prior ratings
        return replace(found, raw=raw, reason="no difference within")
    checks = (_baseline_check(priors), _few_clusters_check(adjusted, rater), _lead_test(sample, priors, rater))
    return replace(found, raw=raw, adjusted=adjusted, checks=checks, contrast=_contrast_in_words(sample, prepared.noun))


def _comparable(measure: str, frame: pd.DataFrame) -> tuple[list[str], pd.DataFrame, pd.DataFrame]:
    """The prior ratings to hold equal, the person-cycles that have them, and the account of the others.

    Two prior ratings where people have them, else one, else none; never at the price of nearly everybody: a
    handful who have them must not speak for the rest.
    """
    options = [[], ["prior_1"], ["prior_1", "prior_2"]]
    chosen, (sample, attrition) = options[0], _sample(measure, frame, [])
    for priors in options[1:]:
        kept, account = _sample(measure, frame, priors)
        if _why_not(kept, priors) or len(kept) < PRIOR_SHARE * len(sample):
            break
        chosen, sample, attrition = priors, kept, account
    return chosen, sample, attrition


def _sample(measure: str, frame: pd.DataFrame, priors: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Person-cycles that the adjusted model can use, and the account of the others.

    Where everybody under a manager did the same, nobody tells what doing it goes with: such rows would only make
    the comparison look larger than it is, and its interval safer.
    """
    steps = [
        ("no_exposure", "the exposure is not recorded", "exposure"),
        ("no_spread", "everybody in the cycle has the same rating", "outcome"),
        ("no_rater", "no manager recorded", "rater"),
        ("no_prior", "no prior rating to compare with", "prior_1"),
        ("one_prior", "only one prior rating", "prior_2"),
    ]
    left, account = frame, [(measure, "read", "person-cycles", 0, 0, len(frame), frame.person_id.nunique())]
    for key, reason, column in steps:
        if column.startswith("prior") and column not in priors:
            continue
        left = _drop(left, left[column].isna(), (measure, key, reason), account)
    alone = left.groupby("rater_cycle").rater_cycle.transform("size") == 1
    left = _drop(left, alone, (measure, "alone", "nobody else to compare with under the same manager"), account)
    same = ~_differs_within(left, "exposure")
    left = _drop(left, same, (measure, "no_difference", "everybody under the same manager did the same"), account)
    return left, pd.DataFrame(account, columns=list(ATTRITION))


def _drop(frame: pd.DataFrame, drops: pd.Series, names: tuple[str, str, str], account: list) -> pd.DataFrame:
    gone, left = frame[drops], frame[~drops]
    account.append((*names, len(gone), gone.person_id.nunique(), len(left), left.person_id.nunique()))
    return left


def _nothing_to_compare(frame: pd.DataFrame, known: pd.DataFrame) -> str:
    if frame.outcome.isna().all():
        return "one rating"
    if frame.exposure.nunique() < 2:
        return "one group"
    if known.exposure.nunique() < 2:
        return "too few"
    return "one rater" if known.rater.nunique() < 2 else ""


def _why_not(sample: pd.DataFrame, priors: Sequence[str]) -> str:
    few = _residual_df(sample, priors) < MIN_RESIDUAL_DF or sample.rater.nunique() < 2
    return "too few" if few else ""


def _residual_df(sample: pd.DataFrame, priors: Sequence[str]) -> int:
    return len(sample) - sample.rater_cycle.nunique() - len(priors) - 1


def _core_model(
    sample: pd.DataFrame, priors: Sequence[str], level: float, rater: str, *, exposure: str = "exposure",
    also: Sequence[str] = (),
) -> Fit:  # fmt: skip
    held = f"same {rater} and cycle" + (f", same {NUMBER[len(priors)]}" if priors else "")
    fit = fixed_effects(
        sample, "outcome", exposure, controls=[*priors, *also], absorb="rater_cycle", cluster="rater", level=level,
        method=f"{rater} x cycle fixed effects ({held}), CR1 by {rater}", design="adjusted" if priors else "associated",
    )  # fmt: skip
    return replace(fit, n_people_smaller=_people_in_the_smaller(sample))


NUMBER = {1: "prior rating", 2: "two prior ratings"}


def _people_in_the_smaller(sample: pd.DataFrame) -> int:
    """The people in the smaller of the compared groups; for a slope, those with any exposure at all."""
    exposed = sample[sample.exposed].person_id.nunique()
    is_binary = sample.exposure.isin([0, 1]).all()
    return min(exposed, sample[~sample.exposed].person_id.nunique()) if is_binary else exposed


def _differs_within(sample: pd.DataFrame, column: str) -> pd.Series:
    """Whether people under the same manager in the same cycle differ in a column, for each row."""
    by_cell = sample.groupby("rater_cycle")[column]
    return by_cell.transform("max") - by_cell.transform("min") > 1e-9


def _unexplained(sample: pd.DataFrame, column: str, priors: Sequence[str], free: int) -> float:
    """Variance of a column that managers, cycles and prior ratings leave over."""
    within = sample[[column, *priors]] - sample.groupby("rater_cycle")[[column, *priors]].transform("mean")
    target = within[column].to_numpy()
    if priors:
        held = within[list(priors)].to_numpy()
        target = target - held @ np.linalg.lstsq(held, target, rcond=None)[0]
    return float(target @ target / free)


# --- notes and checks ------------------------------------------------------------------------------


def _fallbacks(priors: Sequence[str], rater: str) -> list[str]:
    notes = ["no managers are recorded: the unit stands in for the manager"] if rater == "unit" else []
    if len(priors) == 1:
        notes.append("too few people have two prior ratings: one is held equal")
    return notes


def _baseline_check(priors: Sequence[str]) -> Check:
    if priors:
        return Check("no baseline", "passed", f"people are compared at the same {NUMBER[len(priors)]}")
    return Check(
        "no baseline",
        "failed",
        "too few people have a prior rating: those who did better and worse before are not held apart",
    )


def _few_clusters_check(fit: Fit, rater: str) -> Check:
    """CR1 intervals are too short with few clusters; until a second interval can agree, that fails."""
    text = f"{fit.n_clusters} {rater}s stand behind the interval"
    if fit.n_clusters >= FEW_CLUSTERS:
        return Check("few clusters", "passed", text)
    return Check("few clusters", "failed", f"only {text}, and {FEW_CLUSTERS} are needed to trust it")


def _lead_test(sample: pd.DataFrame, priors: Sequence[str], rater: str) -> Check:
    """The next window's exposure must not go with this rating, with this and the two past windows held."""
    past = ["exposure_previous", "exposure_previous_2"]
    seen = sample.dropna(subset=["exposure_next", *past])
    seen = seen[_differs_within(seen, "exposure_next")]
    if _why_not(seen, priors):
        return Check("lead test", "not possible", "too few people have a next and two past windows")
    try:
        fit = _core_model(seen, priors, 0.95, rater, exposure="exposure_next", also=["exposure", *past])
    except ValueError:
        return Check("lead test", "not possible", "the next window cannot be told from the others")
    figures = spread(fit.low, fit.high, "SD")
    if fit.low <= 0 <= fit.high:
        text = "what people do next does not go with the rating that they already have, as it should be"
        return Check("lead test", "passed", f"{text} (likely range {figures})")
    text = "what people do next goes with the rating that they already have, so something else moves both"
    return Check("lead test", "failed", f"{text} (likely range {figures})")

"""Checks: what a finding must survive. Each can only take a verdict away, and says what it saw.

The rules are DESIGN 3's. Passing them is no proof: they are weak alarms (METHODS 3b). The checks
that need the smallest effect that matters (the two bracketing fits, noisy ratings, few clusters)
are made in `verdicts`.
"""

import numpy as np
import pandas as pd

from learnalign.estimates import models, sensitivity, weights
from learnalign.estimates.ladder import within
from learnalign.estimates.samples import Sample, differs_within, is_binary, unexplained
from learnalign.verdicts.result import Check, Fit

PAST = ("exposure_previous", "exposure_previous_2")
YARDSTICK = 0.01  # of the exposure's variance; a rating that goes with less of it measures nothing
BLIND = 0.05  # with less of its variance left within unit, cycle and grade a bonus can show nothing
APART = 0.03  # losses further apart than this may make a difference, or hide one
BEYOND, MOST = (
    0.10,
    0.50,
)  # of the weight beyond the trim: fails the check; leaves nothing to compare


def baseline(sample: Sample) -> Check:
    """Whether people are compared from the same start."""
    if sample.priors:
        priors = models.NUMBER[len(sample.priors)]
        return Check.of("no baseline", "passed", "held", priors=priors)
    return Check.of("no baseline", "failed", "missing")


def lead_test(sample: Sample, unit: str) -> Check:
    """The next window's exposure must not go with this outcome, with this and the two past windows
    held.
    """
    seen = sample.rows.dropna(subset=["exposure_next", *PAST])
    seen = seen[differs_within(seen, "exposure_next")]
    if sample.too_thin(seen):
        return Check.of("lead test", "not possible", "few")
    try:
        fit = models.core(sample, seen, exposure="exposure_next", also=["exposure", *PAST])
    except ValueError:
        return Check.of("lead test", "not possible", "not apart")
    what = (
        "rating" if unit == "SD" else "merit"
    )  # and no figures: few people may do otherwise next time
    if fit.low <= 0 <= fit.high:
        return Check.of("lead test", "passed", "alone", what=what)
    return Check.of("lead test", "failed", "together", what=what)


def overlap(share: float | None) -> Check:
    """People with and without the exposure must be alike enough to be compared; `share` is
    `share_beyond`'s.
    """
    if share is None:
        return Check.of("overlap", "not possible", "nothing held")
    # the share itself stays here: of a small group it would tell how many
    found = ("failed", "more") if share > BEYOND else ("passed", "less")
    return Check.of("overlap", *found, share=f"{BEYOND:.0%}")


def share_beyond(sample: Sample) -> float | None:
    """How much of the comparison rests on people without anybody alike; None where nothing is held
    equal.
    """
    rows, held = sample.rows, sample.controls()
    if not held:
        return None
    middle = rows.groupby("rater_cycle").exposure.transform("mean")
    exposed = rows.exposure == 1 if is_binary(rows) else rows.exposure > middle
    inside = within(rows[held].to_numpy(float), rows.rater_cycle.to_numpy())
    return weights.beyond_trim(exposed.to_numpy(), inside)


def attrition(sample: Sample, everybody: pd.DataFrame, fit: Fit) -> Check:
    """People with and without the exposure must not be lost from the outcome at rates far apart.

    Counted from a landmark: of those still employed some weeks into the next window, who did by
    then and who did not, and who of them has no next review (and, for merit, of those reviewed, who
    has no reward). Else leaving early would leave less time to do it. Fails when the rates are more
    than 3 points apart, or when a difference of the worst kind among the lost could bring the
    estimate to 0 (Lee 2009).
    """
    known = everybody.dropna(subset=["early", "reviewed_next"])
    losses = [(known.early == 1, known.reviewed_next == 0)] if known.early.nunique() == 2 else []
    if "bonus" in everybody:
        paid = everybody.dropna(subset=["exposure"])
        losses.append(
            (paid.exposure == 1 if is_binary(paid) else paid.exposed, paid.outcome.isna())
        )
    losses = [(did, lost) for did, lost in losses if did.any() and (~did).any()]
    if not losses:
        return Check.of("attrition", "not possible", "nobody")
    rates = [(lost[did].mean(), lost[~did].mean()) for did, lost in losses]
    with_it, without = max(rates, key=lambda pair: abs(pair[0] - pair[1]))
    points = f"{APART * 100:.0f}"  # never the rates: see overlap
    if abs(with_it - without) > APART:
        return Check.of("attrition", "failed", "apart", points=points)
    low, high = _worst_case(sample, fit, with_it, without)
    if (fit.low > 0 or fit.high < 0) and low <= 0 <= high:
        return Check.of("attrition", "failed", "worst")
    return Check.of("attrition", "passed", "near", points=points)


def _worst_case(
    sample: Sample, fit: Fit, lost_with: float, lost_without: float
) -> tuple[float, float]:
    """The estimate when those lost in excess were the best, or the worst, of their group (Lee's
    trimming).
    """
    rows = sample.rows
    cell = rows.rater_cycle.to_numpy()
    held = sample.controls()
    y = unexplained(
        within(rows.outcome.to_numpy(float), cell), within(rows[held].to_numpy(float), cell)
    )
    x = within(rows.exposure.to_numpy(float), cell)
    with_it, without = y[x > 0], y[x <= 0]
    fuller = with_it if lost_with < lost_without else without
    excess = abs(lost_with - lost_without) / (1 - min(lost_with, lost_without))
    kept = 1 - np.ceil(excess * len(fuller)) / len(fuller)  # whole rows are left out
    ends = weights.trimmed_bounds(with_it, without, 1 / kept if fuller is with_it else kept)
    gap, seen = x[x > 0].mean() - x[x <= 0].mean(), with_it.mean() - without.mean()
    low, high = (fit.estimate + (end - seen) / gap for end in ends)
    return low, high


def strength_to_erase(sample: Sample, fit: Fit) -> float | None:
    """How strong, against last time's rating, something unseen would have to be to bring the
    estimate to 0.

    In units of what the last rating explains of exposure and outcome beyond all else that is held
    equal (Cinelli & Hazlett 2020, section 4.4); None where no past rating is held, or where it
    hardly goes with the exposure: then anything unseen would seem to need the strength of many of
    it.
    """
    if not sample.priors:
        return None
    rows, cell = sample.rows, sample.rows.rater_cycle.to_numpy()
    held = [name for name in sample.controls() if name != "prior_1"]
    columns = within(rows[["outcome", "exposure", "prior_1", *held]].to_numpy(float), cell)
    y, x, prior = (unexplained(columns[:, i], columns[:, 3:]) for i in range(3))
    with_exposure = _share(x, prior)
    if with_exposure < YARDSTICK:
        return None
    with_outcome = _share(unexplained(y, x[:, None]), unexplained(prior, x[:, None]))
    df = len(rows) - rows.rater_cycle.nunique() - len(held) - 2
    y, x = unexplained(y, prior[:, None]), unexplained(x, prior[:, None])
    error = np.sqrt(((y - fit.estimate * x) ** 2).sum() / df / (x @ x))
    return float(sensitivity.times_as_strong(fit.estimate, error, df, with_exposure, with_outcome))


def _share(one: np.ndarray, other: np.ndarray) -> float:
    """The squared correlation of two centred columns."""
    size = (one @ one) * (other @ other)
    return float((one @ other) ** 2 / size) if size > 0 else 0.0


def bonus_control(sample: Sample, rewards_individual: bool) -> Check:
    """The bonus, which the company's result sets, must not go with what people did; blind when a
    formula sets it.
    """
    if rewards_individual:
        return Check.of("bonus control", "not possible", "individual")
    rows = sample.rows.dropna(subset=["bonus"])
    if len(rows) < len(sample.rows) / 2 or sample.too_thin(rows):
        return Check.of("bonus control", "not possible", "few")
    if set_by_formula(rows):
        return Check.of("bonus control", "not possible", "formula")
    try:
        fit = models.core(sample, rows[differs_within(rows, "exposure")], outcome="bonus")
    except ValueError:
        return Check.of("bonus control", "not possible", "not apart")
    if fit.low <= 0 <= fit.high:
        return Check.of("bonus control", "passed", "alone")
    return Check.of("bonus control", "failed", "together")


def set_by_formula(rows: pd.DataFrame) -> bool:
    """Whether hardly anything of the bonus differs within unit, cycle and grade; `rows` are
    prepared, none without.
    """
    by = rows.groupby(["unit", "cycle", "grade"]).bonus
    inside, free = rows.bonus - by.transform("mean"), len(rows) - by.ngroups
    total = rows.bonus.var()
    return free < 10 or not total > 0 or bool((inside @ inside) / free < BLIND * total)

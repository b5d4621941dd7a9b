"""Checks: what a finding must survive. Each can only take a verdict away, and says what it saw.

The rules are DESIGN 3's; the words are in `verdicts/en/checks.yml`. Passing them is no proof: they
are weak alarms (METHODS 3b). No check hands over a share of people: of a small group it would tell
how many. The checks that need the smallest effect that matters (the two bracketing fits, noisy
ratings, few clusters) are made in `verdicts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from learnalign.estimates import limits, sensitivity
from learnalign.estimates.columns import unexplained, within
from learnalign.estimates.same_manager import NUMBER, PAST, Sample, differs_within, is_binary
from learnalign.privacy import noise
from learnalign.privacy.gate import Gate
from learnalign.verdicts.result import Check, Fit

BLIND = 0.05  # with less of its variance left within unit, cycle and grade a bonus can show nothing
APART = 0.03  # losses further apart than this may make a difference, or hide one
TRIM = 0.05  # a balanced propensity below it, or above 1 less it, has hardly anybody alike
BEYOND, MOST = 0.10, 0.50  # of the weight beyond the trim, or lost: fails; leaves nothing to say
RIDGE = 1e-6  # on columns of unit variance: unseen where groups overlap, finite where they do not
YEAR = 12  # months


@dataclass(frozen=True)
class Tried(Check):
    """A check with the fit that it was judged by, so that it can be judged once more."""

    fit: Fit | None = field(default=None, repr=False, compare=False)


def alone(name: str, fit: Fit | None, *, missing: str = "few", **facts: str) -> Check:
    """A check that what must not go with the outcome does not: `fit`'s interval holds none.

    None is "not possible", for the reason `missing`.
    """
    if fit is None:
        return Check.of(name, "not possible", missing)
    is_alone = fit.low <= (1 if fit.ratio else 0) <= fit.high
    seen = ("passed", "alone") if is_alone else ("failed", "together")
    return Tried(name, seen[0], "", seen[1], tuple(facts.items()), fit)


@dataclass(frozen=True)
class Kept(Check):
    """A check that an order was kept, with the fits that it was judged by."""

    fits: Mapping[str, Fit] = field(default_factory=dict, repr=False, compare=False)


def kept(fits: Mapping[str, Fit | None]) -> Check:
    """A check that what is known from before an order does not go with whose turn comes first:
    how people were `rated`, and whether they `did` it. Of an order without a past anything may be
    said.
    """
    known = {name: fit for name, fit in fits.items() if fit is not None}
    if not known:
        return Check.of("drawn order", "failed", "unknown")
    apart = [name for name, fit in known.items() if not fit.low <= 0 <= fit.high]
    outcome, why = ("failed", f"{apart[0]} apart") if apart else ("passed", " and ".join(known))
    return Kept("drawn order", outcome, "", why, (), known)


def as_shown(check: Check, measure: str, gate: Gate, told: Fit | None = None) -> Check:
    """A check judged by what it rests on as that may be shown: the exact one would tell a little,
    and at a limit everything. `told` is the figure that it is about, as it is shown.
    """
    what = f"{measure}, {check.name}"
    if isinstance(check, Tried):
        check = alone(check.name, gate.fit(what, check.fit), **dict(check.facts))
    elif isinstance(check, Kept):
        check = kept({name: gate.fit(f"{what} {name}", fit) for name, fit in check.fits.items()})
    elif isinstance(check, Lost):
        moved = (
            replace(one, difference=gate.moved(f"{what} {n}", one.difference, one.influence))
            for n, one in enumerate(check.losses)
        )
        check = lost(tuple(moved), told, check.where)
    elif isinstance(check, Beyond):
        share = gate.roughly(what, check.share, check.people)
        check = overlap(share, check.people, check.where)
    return Check.of(check.name, check.outcome, check.why, **dict(check.facts))


# --- on person-cycles


def baseline(sample: Sample) -> Check:
    """Whether people are compared from the same start."""
    if not sample.priors:
        return Check.of("no baseline", "failed", "missing")
    return Check.of("no baseline", "passed", "held", priors=NUMBER[len(sample.priors)])


def recorder(why: str) -> Check:
    """That the finding could not be seen again in what a system wrote down, for this reason."""
    return Check.of("recorder", "failed" if why == "by themselves" else "not possible", why)


def lead_test(sample: Sample) -> Check:
    """The next window's exposure must not go with this outcome, at equal this and past windows."""
    seen = sample.rows.dropna(subset=["exposure_next", *PAST])
    seen = seen[differs_within(seen, "exposure_next")]
    if sample.too_thin(seen):
        return Check.of("lead test", "not possible", "few")
    fit = sample.core(seen, exposure="exposure_next", also=["exposure", *PAST])
    what = "merit" if "bonus" in seen else "rating"
    return alone("lead test", fit, missing="not apart", what=what)


def share_beyond(sample: Sample) -> float | None:
    """How much rests on people without anybody alike; None where nothing is held equal."""
    rows, held = sample.rows, sample.controls()
    if not held:
        return None
    middle = rows.groupby("rater_cycle").exposure.transform("mean")
    exposed = rows.exposure == 1 if is_binary(rows) else rows.exposure > middle
    inside = within(rows[held].to_numpy(float), rows.rater_cycle.to_numpy())
    return beyond_trim(exposed.to_numpy(), inside)


def is_most(share: float | None, people: pd.Series) -> bool:
    """Whether more than half of the weight is without anybody alike."""
    about = "no overlap", people, share or 0.0, MOST + 1e-9
    return limits.enough(*about, each=noise.OF_MANY / noise.OF_PEOPLE / people.nunique())


def overlap(share: float | None, people: pd.Series, where: str = "") -> Check:
    """Both sides must have people (or `where` else) alike; `share` is `beyond_trim`'s, of the rows
    of these `people`.
    """
    if share is None:
        return Check.of("overlap", "not possible", "nothing held")
    found = ("failed", f"more{where}") if share > BEYOND else ("passed", f"less{where}")
    facts = (("share", f"{BEYOND:.0%}"),)
    return Beyond("overlap", found[0], "", found[1], facts, share, where, people)


def attrition(sample: Sample, everybody: pd.DataFrame, fit: Fit) -> Check:
    """People with and without the exposure must not be lost from the outcome at rates far apart.

    From a landmark, as leaving early leaves less time to do it: of those employed some weeks into
    the next window, who did by then, and who has no next review (for merit also: of those reviewed,
    who has no reward). Fails when the rates are more than 3 points apart, or when a difference of
    the worst kind among the lost could bring the estimate to 0 (Lee 2009); never for a difference
    that chance makes of so few (one in 20).
    """
    known = everybody.dropna(subset=["early", "reviewed_next"])
    pairs, person = [(known.early == 1, known.reviewed_next == 0)], everybody.person_id
    if "bonus" in everybody:
        paid = everybody.dropna(subset=["exposure"])
        did = paid.exposure == 1 if is_binary(paid) else paid.exposed
        pairs.append((did, paid.outcome.isna()))
    both = [(did, away) for did, away in pairs if limits.both("lost", person, did)]
    left = _left(sample) if both else None
    return lost(tuple(_loss(left, did, away, person) for did, away in both), fit)


@dataclass(frozen=True)
class Loss:
    """How much more often those who did it are lost than others, and how much chance makes of it;
    by how far the estimate would move were those lost in excess the best, or the worst; and how far
    each person moves the difference.
    """

    difference: float
    by_chance: float
    influence: pd.Series
    shifts: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Lost(Check):
    """A check on losses, with what it was judged by: a share tells of one person at its limit."""

    losses: tuple[Loss, ...] = field(default=(), repr=False, compare=False)
    where: str = ""


@dataclass(frozen=True)
class Beyond(Check):
    """A check on the share that is `beyond_trim`, with that share, of whose rows."""

    share: float = field(default=0.0, repr=False, compare=False)
    where: str = ""
    people: pd.Series | None = field(default=None, repr=False, compare=False)


def lost(losses: tuple[Loss, ...], fit: Fit | None, where: str = "") -> Lost:
    """Whether the losses leave a finding alone; of gaps (`where`) only what is clearly apart does
    not.
    """
    outcome, why = _of_gaps(losses) if where else _of_cycles(losses, fit)
    points = (("points", f"{APART * 100:.0f}"),) if why in ("apart", "near") else ()
    return Lost("attrition", outcome, "", why + where, points, losses, where)


def _of_gaps(losses: tuple[Loss, ...]) -> tuple[str, str]:
    is_clear = any(abs(one.difference) - one.by_chance > APART for one in losses)
    return ("failed", "apart") if is_clear else ("passed", "near")


def _of_cycles(losses: tuple[Loss, ...], fit: Fit | None) -> tuple[str, str]:
    if not losses:
        return "not possible", "nobody"
    real = [one for one in losses if abs(one.difference) > one.by_chance]
    if not real:
        return "passed", "chance"
    if any(abs(one.difference) > APART for one in real):
        return "failed", "apart"
    claims = fit is not None and (fit.low > 0 or fit.high < 0)
    if claims and any(low <= -fit.estimate <= high for low, high in (one.shifts for one in real)):
        return "failed", "worst"
    return "passed", "near"


def _left(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """What managers and cycles leave of the exposure, and these and what is held of the outcome."""
    rows, cell = sample.rows, sample.rows.rater_cycle.to_numpy()
    held = within(rows[sample.controls()].to_numpy(float), cell)
    x = within(rows.exposure.to_numpy(float), cell)
    return x, unexplained(within(rows.outcome.to_numpy(float), cell), held)


def _loss(
    left: tuple[np.ndarray, np.ndarray], did: pd.Series, away: pd.Series, person: pd.Series
) -> Loss:
    sides = [away[did], away[~did]]
    rates = [float(side.mean()) for side in sides]
    spread = [rate * (1 - rate) / len(side) for rate, side in zip(rates, sides, strict=True)]
    both = zip((1, -1), sides, rates, strict=True)
    moves = pd.concat([sign * (side - rate) / len(side) for sign, side, rate in both])
    influence = moves.groupby(person.reindex(moves.index)).sum()
    by_chance = float(stats.norm.ppf(0.975) * np.sqrt(sum(spread)))
    return Loss(rates[0] - rates[1], by_chance, influence, _worst_case(*left, *rates))


def _worst_case(
    x: np.ndarray, y: np.ndarray, lost_with: float, lost_without: float
) -> tuple[float, float]:
    """By how much the estimate moves when those lost in excess were the best, or the worst, of
    their group; by anything, where most of a group would be.
    """
    if lost_with == lost_without:
        return 0.0, 0.0
    excess = abs(lost_with - lost_without) / (1 - min(lost_with, lost_without))
    if excess > MOST:
        return -np.inf, np.inf
    with_it, without = y[x > 0], y[x <= 0]
    fuller = with_it if lost_with < lost_without else without
    kept = 1 - np.ceil(excess * len(fuller)) / len(fuller)  # whole rows are left out
    ends = sensitivity.trimmed_bounds(with_it, without, 1 / kept if fuller is with_it else kept)
    gap, seen = x[x > 0].mean() - x[x <= 0].mean(), with_it.mean() - without.mean()
    low, high = ((end - seen) / gap for end in ends)
    return low, high


def bonus_control(sample: Sample, rewards_individual: bool) -> Check:
    """The bonus, set by the company's result, must not go with it; blind when a formula sets it."""
    if rewards_individual:
        return Check.of("bonus control", "not possible", "individual")
    rows = sample.rows.dropna(subset=["bonus"])
    has, person = sample.rows.bonus.notna(), sample.rows.person_id
    if not limits.share("bonus", person, has, 1 / 2) or sample.too_thin(rows):
        return Check.of("bonus control", "not possible", "few")
    if set_by_formula(rows):
        return Check.of("bonus control", "not possible", "formula")
    fit = sample.core(rows[differs_within(rows, "exposure")], outcome="bonus")
    return alone("bonus control", fit, missing="not apart")


def set_by_formula(rows: pd.DataFrame) -> bool:
    """Whether hardly anything of a known bonus differs within unit, cycle and grade."""
    by = rows.groupby(["unit", "cycle", "grade"]).bonus
    inside, free = rows.bonus - by.transform("mean"), len(rows) - by.ngroups
    total = rows.bonus.var()
    if free < 10 or not total > 0:
        return True
    over = inside**2 / free - BLIND * (rows.bonus - rows.bonus.mean()) ** 2 / (len(rows) - 1)
    return not limits.sums("bonus left", rows.person_id, over)


# --- on gap-months


def baseline_of_gaps(rows: pd.DataFrame) -> Check:
    """Whether half of the gap-months, or more, are of people with a past rating."""
    if limits.share("rated", rows.person_id, rows.held_unrated == 0, 0.5):
        return Check.of("no baseline", "passed", "held in gaps")
    return Check.of("no baseline", "failed", "missing in gaps")


def leaving(rows: pd.DataFrame, exposure: str) -> Check:
    """People with open gaps must not leave at rates far apart, with it and without it."""
    rate, months = rows.groupby(exposure).left.mean(), rows.groupby(exposure).size()
    gone, slope = 1 - (1 - rate) ** YEAR, YEAR * (1 - rate) ** (YEAR - 1)
    error = np.sqrt((rate * (1 - rate) / months * slope**2).sum())
    of = rows[exposure]
    moves = (rows.left - of.map(rate)) * of.map(slope / months) * np.where(of == 1, 1.0, -1.0)
    difference, by_chance = float(gone[1] - gone[0]), float(stats.norm.ppf(0.975) * error)
    loss = Loss(difference, by_chance, moves.groupby(rows.person_id).sum())
    return lost((loss,), None, " in gaps")


# --- whether two groups are alike enough to be compared


def propensity(exposed: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Probability of being exposed, for each row, by a logit on the covariates.

    `exposed` (n,) is boolean or 0/1; `covariates` (n, k) need no column of ones, and those without
    variation tell nothing. Where a column separates the groups probabilities come close to 0 and 1,
    as a check of overlap needs (Rosenbaum & Rubin 1983). Raises ValueError when everybody or nobody
    is exposed, or a value is missing.

    Misleads when what decides on exposure bends or interacts in ways that the columns do not carry.

    >>> exposed = np.array([0, 0, 1, 0, 1, 1])
    >>> propensity(exposed, np.array([[1], [2], [3], [4], [5], [6.0]])).round(2)
    array([0.05, 0.14, 0.35, 0.65, 0.86, 0.95])
    """
    t, z = _groups(exposed, covariates)
    z = z[:, np.ptp(z, axis=0) > 1e-9 * (1 + np.abs(z).max(axis=0))]
    x = np.column_stack([np.ones(len(t)), (z - z.mean(axis=0)) / z.std(axis=0)])
    ridge = RIDGE * (np.arange(x.shape[1]) > 0)

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        at = x @ beta
        value = np.logaddexp(0, at).sum() - t @ at + ridge @ beta**2 / 2
        return value, x.T @ (special.expit(at) - t) + ridge * beta

    def curvature(beta: np.ndarray) -> np.ndarray:
        p = special.expit(x @ beta)
        return (x * (p * (1 - p))[:, None]).T @ x + np.diag(ridge + 1e-12)

    start = special.logit(t.mean()) * (np.arange(x.shape[1]) == 0)
    how = {"method": "trust-exact", "options": {"gtol": 1e-8}}
    found = optimize.minimize(loss, start, jac=True, hess=curvature, **how)
    return special.expit(x @ found.x)


def balanced(propensity: np.ndarray, exposed: np.ndarray) -> np.ndarray:
    """The propensity as if both groups were as large: a rare exposure is no lack of overlap."""
    p = np.asarray(exposed, float).mean()
    odds_for, odds_against = propensity * (1 - p), (1 - propensity) * p
    return odds_for / (odds_for + odds_against)


def beyond_trim(exposed: np.ndarray, covariates: np.ndarray, trim: float = TRIM) -> float:
    """Share of the weight of both groups, a half each, with hardly anybody alike on the other side.

    That is a balanced propensity below `trim` or above 1 - `trim`. Raises as `propensity`. Misleads
    when the groups overlap in each column, but not in how the columns go together.

    >>> alike, x = np.array([0, 0, 0, 1, 1, 1]), np.array([[1], [2], [3], [1], [2], [3.0]])
    >>> beyond_trim(alike, x), beyond_trim(np.array([0, 0, 1, 0, 0, 1]), x)
    (0.0, 1.0)
    """
    e = balanced(propensity(exposed, covariates), exposed)
    t = np.asarray(exposed, bool)
    outside = (e < trim) | (e > 1 - trim)
    return float((outside[t].mean() + outside[~t].mean()) / 2)


def _groups(exposed: np.ndarray, covariates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    t, z = np.asarray(exposed, float), np.asarray(covariates, float)
    z = z[:, None] if z.ndim == 1 else z
    for values, name in ((t, "group"), (z, "covariates")):
        if not np.isfinite(values).all():
            raise ValueError(f"the {name} must have no missing value")
    if len(t) != len(z):
        raise ValueError(f"{len(t)} people and {len(z)} rows of covariates: one row each is needed")
    if not np.isin(t, (0, 1)).all() or not 0 < t.sum() < len(t):
        raise ValueError("two groups are needed, marked 0 and 1")
    return t, z

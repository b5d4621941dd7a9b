"""Signals: do people know which gaps are theirs, and do they say so? Groups only, never a person.

A person's figure from ten gaps is noise (METHODS 0, decision 7), so everything here refuses small counts or takes
everybody's at once.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

MIN_TRIALS = 30  # gaps, and non-gaps, below which the figures are noise


@dataclass(frozen=True)
class Signal:
    """How well a group tells its gaps from its strengths, and how ready it is to name them, in SD units."""

    d_prime: float  # 0: acknowledging has nothing to do with having a gap
    criterion: float  # above 0: reluctant to say
    hit_rate: float  # log-linear, as used
    alarm_rate: float
    n_gaps: int
    n_nongaps: int


@dataclass(frozen=True)
class Rate:
    """A share, and what it is a share of."""

    rate: float
    n_gaps: int
    n_left_out: int  # assessments that were asked for, or made in doubt


@dataclass(frozen=True)
class Calibration:
    """Over-estimation by quartile, lowest first, and whether the spread of self-ratings goes with the level."""

    over_by_quartile: tuple[float, float, float, float]
    spread_slope: float
    p_value: float  # of the slope: small where insight differs with the level
    n: int


def sensitivity_and_bias(
    hits: int, n_gaps: int, alarms: int, n_nongaps: int, *, minimum: int = MIN_TRIALS
) -> Signal:  # fmt: skip
    """How well a group knows which gaps are its own (d'), and how reluctant it is to say so (criterion).

    `hits` of `n_gaps` assessed gaps were acknowledged before, `alarms` of `n_nongaps` skills without a gap were
    too; log-linear rates (count + .5) / (n + 1), so that none and all can be used. Raises ValueError with fewer
    than `minimum` gaps or non-gaps, or impossible counts.

    Misleads when people who knew their gaps were assessed more often, when the assessment is itself in error, and
    in a mixed group: the d' of pooled counts is below the d' of its people.

    Hautus (1995), Behavior Research Methods 27; METHODS 2.

    >>> signal = sensitivity_and_bias(80, 100, 20, 100)
    >>> round(signal.d_prime, 3), round(abs(signal.criterion), 3)
    (1.662, 0.0)
    """
    if not (0 <= hits <= n_gaps and 0 <= alarms <= n_nongaps):
        raise ValueError("more was acknowledged than there is, or less than nothing")
    if min(n_gaps, n_nongaps) < minimum:
        raise ValueError(f"{n_gaps} gaps and {n_nongaps} skills without one: {minimum} of each are needed")
    hit_rate, alarm_rate = (hits + 0.5) / (n_gaps + 1), (alarms + 0.5) / (n_nongaps + 1)
    z_hit, z_alarm = stats.norm.ppf([hit_rate, alarm_rate])
    return Signal(float(z_hit - z_alarm), float(-(z_hit + z_alarm) / 2), hit_rate, alarm_rate, n_gaps, n_nongaps)


def acknowledgement_rate(acknowledged: np.ndarray, is_gap: np.ndarray, scheduled: np.ndarray) -> Rate:
    """The share of gaps that were acknowledged before the assessment that found them.

    Boolean arrays (n,), a row per assessment. Only scheduled assessments count: who has said "I don't know" is
    assessed more often, and counting those makes 40 % look like 67 % (METHODS 5, row 19). Raises ValueError where
    scheduled assessments found no gap, or a value is missing.

    Misleads when even the schedule follows what people said, and as a count: people with more gaps have more to
    acknowledge (row 15).

    >>> yes, no = True, False
    >>> acknowledgement_rate(np.array([yes, no, yes]), np.array([yes, yes, yes]), np.array([yes, yes, no]))
    Rate(rate=0.5, n_gaps=2, n_left_out=1)
    """
    told = np.array([acknowledged, is_gap, scheduled], float)
    if not np.isin(told, (0, 1)).all():
        raise ValueError("acknowledged, gap and scheduled must each be yes or no")
    said, gap, planned = told == 1
    counted = gap & planned
    if not counted.any():
        raise ValueError("no gap was found by a scheduled assessment")
    return Rate(float(said[counted].mean()), int(counted.sum()), int((~planned).sum()))


def calibration_by_half(self_level: np.ndarray, test_a: np.ndarray, test_b: np.ndarray) -> Calibration:
    """By how much people over-estimate themselves, by quartile of skill, without the quartile plot's artefact.

    `self_level` and two halves of one test, each (n,) and in the same unit. Quartiles are of half a, the
    over-estimation is against half b: so chance in half a cannot make the lowest look unaware. The second figure
    asks whether self-ratings scatter more at one end: Glejser's regression of the absolute residuals of
    `self_level` on the mean of both halves. Raises ValueError when half a does not split into four, or a value is
    missing.

    Misleads when self-ratings have a ceiling (the scatter then shrinks by itself), and the quartiles still hold
    some regression to the mean: a falling row is no evidence of missing insight (METHODS 5, row 12).

    Gignac & Zajenkowski (2020), Intelligence 80.

    >>> rng = np.random.default_rng(1)
    >>> skill = rng.normal(size=2_000)
    >>> own, a, b = skill + rng.normal(size=(3, 2_000))
    >>> found = calibration_by_half(own, a, b)
    >>> [round(over, 1) for over in found.over_by_quartile], found.p_value > 0.05
    ([0.0, -0.0, 0.0, -0.0], True)
    """
    own, a, b = (np.asarray(values, float) for values in (self_level, test_a, test_b))
    if not np.isfinite(np.concatenate([own, a, b])).all():
        raise ValueError("no level may be missing")
    quartile = np.searchsorted(np.quantile(a, [0.25, 0.5, 0.75]), a, side="left")
    if len(np.unique(quartile)) < 4 or np.ptp(a + b) == 0:
        raise ValueError("the test has too few levels to split people into quarters")
    over = np.bincount(quartile, own - b) / np.bincount(quartile)
    level = (a + b) / 2
    line = stats.linregress(level, own)
    scatter = stats.linregress(level, np.abs(own - line.intercept - line.slope * level))
    return Calibration(tuple(over.tolist()), float(scatter.slope), float(scatter.pvalue), len(own))

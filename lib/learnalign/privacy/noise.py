"""The noise: how far each figure is moved before anybody sees it.

A figure t of people S with standard error s, which each person p moves by I_p = |t(S) - t(S less
p)|, is published as t + sd z, with sd = max(0.10 s, 3 x the 99 % quantile of I); its interval is
that of sqrt(s^2 + sd^2). z is drawn by `keys`; `gate` says how many times as much it is. Counts of
people are moved by whole numbers from -10 to 10.

It bounds what is told of one person's presence or value; not what a whole team shares, nor what
people tell each other. It is no differential privacy: influences are these data's.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats

from learnalign.verdicts.result import Fit

OF_ERROR, OF_PEOPLE, QUANTILE = 0.10, 3.0, 0.99
CAP = 0.99  # of one person's rows: what is beyond this quantile is cut
FARTHEST, VARIANCE = 10, 9.0  # of a count of people
DIGITS = 4  # more say nothing, beside the noise
OF_AN_ERROR, MOST_OF_AN_ERROR = 0.02, 0.30  # a standard error is moved by so much of it,
OF_CLUSTERS, TIMES = 2.0, 1.5  # or as people move it
WIDER = 1.4  # times its variance: so much wider is an interval of a moved error, to cover as often
OF_MANAGERS, OF_ROWS, OF_MANY = 3.0, 0.15, 18.0  # what goes with people is of many of them
OF_A_STRENGTH = 0.30, 50.0  # a ratio of squared correlations: one person moves it by a lot
OF_A_CLASS = 0.05, 20  # of a count, or so many, before its class is told
OF_A_SPREAD = OF_AN_ERROR, 4.0  # who is three of them off moves it by half of 9 - 1 parts
OF_MANY_MANAGERS = (3, 5, 10, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 500, 1_000)
CLASSES = tuple(digit * 10**power for power in range(2, 9) for digit in (1, 2, 5))
# P(v) of -10 ... 10 in proportion to exp(-a v^2), of variance 9: the most random of all such
COUNTS = np.exp(-0.055218868343 * np.arange(-FARTHEST, FARTHEST + 1) ** 2)
COUNTS /= COUNTS.sum()


def count(people: int, drawn: float) -> int:
    """A count of people as it is published, by a number drawn between 0 and 1.

    >>> count(100, 0.5), count(100, 0.001), count(2, 0.001)
    (100, 91, 0)
    """
    step = int(np.searchsorted(np.cumsum(COUNTS), drawn)) - FARTHEST
    return max(people + min(step, FARTHEST), 0)


def least(people: int, floor: int, *, fine: bool = False) -> int:
    """The lower end of the class of a count: the floor, or 1, 2 or 5 with two noughts or more;
    `fine` ones are hundreds, and of two digits from 10,000 on.

    >>> least(1_428, 10), least(1_428, 10, fine=True), least(52, 10)
    (1000, 1400, 10)
    """
    if people < CLASSES[0]:
        return floor
    if fine:
        step = max(CLASSES[0], 10 ** (len(str(people)) - 2))
        return people // step * step
    return max(one for one in CLASSES if one <= people)


def fewer(people: int, drawn: float) -> int:
    """A count before its class is told, by a number drawn between 0 and 1: so far below itself that
    no end of a class tells of one person, and "or more" stays true (Rayleigh's distribution).

    >>> fewer(1_450, 0.5), fewer(52, 0.9)
    (1365, 43)
    """
    return max(people - int(_scale(people) * math.sqrt(-2 * math.log(drawn))), 0)


def _scale(people: int) -> float:
    return max(OF_A_CLASS[0] * people, OF_A_CLASS[1])


def told_by_class(people: int, floor: int, *, fine: bool = False) -> float:
    """How far one person moves the class of a count, and whether it is told at all, in deviations:
    of the chances of each, with and without somebody, the distance by chi squared.

    >>> round(told_by_class(130, 10), 2), round(told_by_class(12, 10), 2)
    (0.05, 0.24)
    """
    drawn, chances = np.linspace(1e-4, 1, 201), []
    ends = {least(fewer(people, u), floor, fine=fine) for u in drawn} - {floor}
    for n in (people, people - 1):
        far = np.array([math.inf, *sorted(ends, reverse=True), -math.inf])
        far = np.maximum(n + 1 - far, 0)
        hidden = COUNTS[: max(floor - n + FARTHEST, 0)].sum()
        steps = np.diff(-np.exp(-((far / _scale(n)) ** 2) / 2))  # of these ends, reached
        chances.append(np.array([hidden, *(1 - hidden) * steps]))
    here, gone = chances
    return math.sqrt((2 * (here - gone) ** 2 / np.maximum(here + gone, 1e-9)).sum())


def managers(count: float) -> int:
    """The lower end of the class of a count of managers.

    >>> managers(113.2), managers(2.1)
    (100, 0)
    """
    return max((one for one in OF_MANY_MANAGERS if one <= round(count)), default=0)


def capped(values: ArrayLike) -> np.ndarray:
    """What each person contributes, at most as much as 99 of 100 do.

    >>> float(capped([1.0] * 99 + [500.0])[-1])
    1.0
    """
    found = np.asarray(values, float)
    return np.minimum(found, np.quantile(found, CAP, method="lower")) if len(found) else found


def spread(error: float | None, influence: ArrayLike, weight: float = 1.0) -> float:
    """The standard deviation of a figure's noise, in the unit of its error and influences; `weight`
    times as large as usual.
    """
    moves = np.abs(np.asarray(influence, float))
    if not len(moves):
        return weight * OF_ERROR * (error or 0.0)
    most = OF_PEOPLE * float(np.quantile(moves, QUANTILE))
    # Where a few of many people make a figure, none of them moves it by more than its noise does
    return max(weight * max(OF_ERROR * (error or 0.0), most), float(moves.max()))


def of_an_error(fit: Fit, sd: float, weight: float = 1.0) -> tuple[float, pd.Series]:
    """By how much of it an error is moved, and by how much each person moves its logarithm: where
    the fit does not say, as the figure, in errors, times 2 over the root of its clusters. The noise
    of the figure, which is in it, hides some of that.
    """
    if not (0 < (error := _error(fit)) < math.inf and sd > 0):  # of all or none
        return max(OF_AN_ERROR, 4 * OF_PEOPLE / fit.n_people), 1 / fit.n_people + 0 * fit.influence
    moves = fit.of_error
    if moves is None:
        moves = fit.influence * OF_CLUSTERS / error / math.sqrt(max(fit.n_clusters, 1))
    of_error = 1 / (1 + (sd / error) ** 2)  # how much of what is published; the rest is of noise,
    by = max(TIMES * spread(0.0, moves * of_error, weight), MOST_OF_AN_ERROR * (1 - of_error))
    return min(max(OF_AN_ERROR, by), MOST_OF_AN_ERROR), moves * of_error  # which people move too


def _error(fit: Fit) -> float:
    onto, _ = _LOG if fit.ratio else _PLAIN
    return fit.std_error or (onto(fit.high) - onto(fit.low)) / (2 * stats.norm.ppf(0.975))


def moved(
    fit: Fit, sd: float, off: float, by: float, drawn_of_error: float, df: float | None = None
) -> Fit:
    """A fit as it is published: its estimate moved by `off`, of noise with the deviation `sd` on
    the scale of the standard error (the logarithm of a ratio, points of a share), and its intervals
    wider: as those of `df`, which are published, where it has its own. `by` is `of_an_error`'s.
    Either half of an interval grows as the error does, on the scale of its own: a share's logits.
    """
    if not sd > 0:  # nobody moves it: its interval tells how many they are
        far = (1 - math.exp(by * drawn_of_error)) * (fit.estimate - np.array([fit.low, fit.high]))
        return replace(fit, low=float(fit.low + far[0]), high=float(fit.high + far[1]))
    (onto, back), error = _LOG if fit.ratio else _PLAIN, _error(fit)
    total = math.hypot(error, sd) * math.exp(by * drawn_of_error + WIDER * by * by)
    estimate = back(onto(fit.estimate) + off)
    if fit.is_share:
        (onto, back), estimate = _LOGIT, min(max(estimate, _LEAST), 100 - _LEAST)
    before, now, wider = onto(fit.estimate), onto(estimate), total / error
    if df and fit.df:
        wider *= float(np.divide(*special.stdtrit([df, fit.df], 0.5 + fit.level / 2)))

    def ends(low: float, high: float) -> tuple[float, float]:
        below, above = now + (onto(low) - before) * wider, now + (onto(high) - before) * wider
        return back(below), back(above)

    low, high = ends(fit.low, fit.high)
    second, error = fit.second and ends(*fit.second), None if fit.std_error is None else total
    told = {"estimate": estimate, "low": low, "high": high, "std_error": error}
    told = {name: value and float(f"{value:.{DIGITS}g}") for name, value in told.items()}
    return replace(fit, **told, second=second, df=df or fit.df)


_LEAST = 1e-6  # percent: a share has no logit at its ends
_PLAIN = float, float
_LOG = (lambda x: math.log(x) if x > 0 else -math.inf), lambda x: float(np.exp(x))
_LOGIT = (lambda x: float(special.logit(x / 100))), lambda x: float(100 * special.expit(x))

"""Forward: a rival that a bad half-year cannot fool, and whether the luck of a half-year lasts.

People ask, or are sent on courses, because of the half-year before. At equal past ratings that
looks like an effect, within persons like its opposite; the lead test sees it and cannot tell it
from an effect. Here a row is compared with the mean of the same person's later rows only, which
nothing that came before it has moved, and the level of the exposure stands in for its change
(forward orthogonal deviations; Arellano and Bover 1995).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from learnalign.estimates import described, limits, rivals
from learnalign.estimates.columns import by_person, demeaned, independent
from learnalign.estimates.ladder import Slope, slope
from learnalign.estimates.same_manager import MIN_RESIDUAL_DF, people_in_the_smaller
from learnalign.verdicts.result import Fit

MOVING = ("held_cell", *rivals.MOVING)
"""What changes over time and must be equal; prior ratings are not held: they are earlier rows."""
FEWEST = 100  # rows of three in a row: fewer cannot tell whether luck lasts


def feedback_robust(
    frame: pd.DataFrame, rater: str, level: float = 0.95
) -> tuple[Fit | None, Fit | None]:
    """A measure's contrast in the outcome's unit where the exposure may follow from all that came
    before, and how far luck lasts.

    `frame` is a prepared one, each person's rows in time order. Manager x cycle means are taken out
    of outcome, exposure and what changes over time; a row less the mean of its person's later ones
    is regressed within manager x cycle, with the levels as instruments, on the core model's ladder
    of errors. The second figure is the mean of r_t (r_t-1 - r_t-2) over three rows in a row, r what
    the first leaves of the outcome, among who was there in all three: 0 where each half-year's luck
    is new, above 0 where it lasts or people drift. None for either where too few have later rows,
    or three in a row.

    Misleads by trouble in the same half-year, which moves both at once; where luck lasts or people
    drift, as the second figure tells; where people leave by luck and exposure at once; where an
    effect lasts into later cycles; and a little where people change managers.

    >>> from learnalign.data import reading
    >>> from learnalign.estimates import samples
    >>> from learnalign.linking import windows
    >>> cycles = windows.link(reading.read("data/demo")).person_cycles
    >>> frame = samples.prepare("learning_to_rating", cycles).frame
    >>> fit, luck = feedback_robust(frame, "manager")
    >>> fit.low > 0, luck.low < 0 < luck.high
    (True, True)
    """
    found = ahead(frame, level)
    if found is None:
        return None, None
    method = f"against the same people's later cycles, {rater} x cycle means held equal"
    used = found.rows[found.kept]
    about = people_in_the_smaller(used), method, rater, "within_person"
    fit = found.slope.fit(used.person_id, *about)
    return fit, lasting(found, fit, level)


@dataclass(frozen=True)
class Ahead:
    """Such a contrast before it is told: rows in order of person and time, which of them are
    compared, and what their cells' means leave of exposure and outcome.
    """

    slope: Slope  # of the rows that are compared
    rows: pd.DataFrame
    kept: np.ndarray  # which of them have later ones, and others in their cell that do
    cell: np.ndarray
    person: np.ndarray
    exposure: np.ndarray
    luck: np.ndarray  # of the outcome, less what goes with the exposure and what moves

    def weights(self) -> np.ndarray:
        """By how much each row's outcome moves the figure, per unit: as a row, and as later one."""
        later, change = _later(self.person), np.zeros(len(self.rows))
        scale = np.sqrt(later / (later + 1))
        change[self.kept] = self.slope.weights * scale[self.kept]
        each = change / np.maximum(later, 1)
        before = pd.Series(each).groupby(self.person).cumsum().to_numpy() - each
        return demeaned(change - before, self.cell)

    def luck_weights(self) -> np.ndarray:
        """By how much each row's outcome moves the mean that tells whether luck lasts."""
        (r, one, two), n = self.in_a_row(self.luck).T, len(self.rows)
        moves, last = np.zeros(n), self.stays[0]
        for steps, part in enumerate((one - two, r, -r)):
            np.add.at(moves, last - steps, part)
        return moves / len(last)

    def through(self) -> float:
        """By how much that mean moves with the figure, which is taken out."""
        (r, *before), (x, *past) = self.in_a_row(self.luck).T, self.in_a_row(self.exposure).T
        return -float(np.mean(x * (before[0] - before[1]) + r * (past[0] - past[1])))

    @cached_property
    def stays(self) -> tuple[np.ndarray, np.ndarray]:
        """The last of three rows in a row (their places) of people in the same cells all along, and
        codes of these cells: who joins or leaves a cell moves its mean, and that would last.
        """
        third = np.flatnonzero(pd.Series(self.person).groupby(self.person).cumcount() > 1)
        cells = pd.MultiIndex.from_arrays([self.cell[third - steps] for steps in range(3)])
        together = pd.factorize(cells)[0]
        kept = np.bincount(together, minlength=1)[together] > 1
        return third[kept], pd.factorize(together[kept])[0]

    def in_a_row(self, values: np.ndarray) -> np.ndarray:
        """Values of such rows and of the person's two rows before (n, 3), less those of who is
        there.
        """
        last, together = self.stays
        return demeaned(np.column_stack([values[last - steps] for steps in range(3)]), together)


def ahead(frame: pd.DataFrame, level: float = 0.95) -> Ahead | None:
    """A prepared frame's rows less their later ones, regressed; None where too few have any."""
    needed = ["exposure", "outcome", "rater", *(["cell"] if "cell" in frame else [])]
    rows = _in_company(frame.dropna(subset=needed).sort_values("person_id", kind="stable"))
    names = [name for name in frame if name.startswith(MOVING)]
    names = ["outcome", "exposure", *independent(rows, names, "rater_cycle")]
    cell, person = (pd.factorize(rows[name])[0] for name in ("rater_cycle", "person_id"))
    levels = demeaned(rows[names].to_numpy(float), cell)
    later = _later(person) > 0
    kept = later & (np.bincount(cell, later)[cell] >= 2) if len(rows) else later
    used = rows[kept]
    free = kept.sum() - used.rater_cycle.nunique() - len(names)
    who = used.get("leader_id", used.person_id)
    is_free = limits.rows("freedom, forward", who, MIN_RESIDUAL_DF, free, is_floor=True)
    if not is_free or not limits.managers(who, used.rater):
        return None
    among = pd.factorize(cell[kept])[0]
    moves, stands_in = (demeaned(of[kept], among) for of in (_change(levels, person), levels))
    beta, weights = _through_levels(moves[:, 0], moves[:, 1:], stands_in[:, 1:])
    left = moves[:, 0] - moves[:, 1:] @ beta
    found = _slope(float(beta[0]), left, weights, used.rater.to_numpy(), among, level)
    luck = levels[:, 0] - levels[:, 1:] @ beta
    return found and Ahead(found, rows, kept, cell, person, levels[:, 1], luck)


def _in_company(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with somebody else under the same manager in the same cycle."""
    return rows[rows.groupby("rater_cycle").rater_cycle.transform("size") > 1]


def _later(person: np.ndarray) -> np.ndarray:
    """How many later rows of its person each row has; `person` are codes, sorted."""
    last = np.cumsum(np.bincount(person)) - 1
    return last[person] - np.arange(len(person))


def _change(values: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Columns less the mean of the person's later rows, of equal variance where rows are."""
    later, sums = _later(person)[:, None], np.cumsum(values, axis=0)
    last = np.arange(len(person)) + later[:, 0]
    mean = (sums[last] - sums) / np.maximum(later, 1)
    return np.sqrt(later / (later + 1)) * (values - mean)


def _through_levels(y: np.ndarray, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The coefficients of `x`, each with its own instrument, and the rows' weights in the first."""
    solved = np.linalg.pinv(z.T @ x)
    return solved @ (z.T @ y), z @ solved[0]


def _slope(
    estimate: float,
    left: np.ndarray,
    weights: np.ndarray,
    rater: np.ndarray,
    cell: np.ndarray,
    level: float,
) -> Slope | None:
    """The figure on the ladder: what is left, on the weights that made the estimate."""
    try:
        found = slope(left, weights, rater, groups=cell, level=level)
    except ValueError:
        return None
    size = float(weights @ weights)
    return replace(
        found,
        estimate=estimate,
        std_error=found.std_error * size,
        low=estimate + found.low * size,
        high=estimate + found.high * size,
        second=found.second and tuple(estimate + end * size for end in found.second),
        scores=found.scores * size,
        weights=weights,
    )


def lasting(found: Ahead, fit: Fit, level: float = 0.95, owner: str = "person_id") -> Fit | None:
    """How far what is left of one row goes with the change between the person's two before it;
    `fit` is the figure, with the influence of `owner`s.
    """
    last, together = found.stays
    of = found.rows.iloc[last]
    if not len(of) or not limits.rows("three in a row", of[owner], FEWEST):
        return None
    now, before, earlier = found.in_a_row(found.luck).T
    product = pd.Series(now * (before - earlier), of.index)
    told = described.mean(product, of[owner], of.rater, by=fit.cluster, level=level)
    if told is None:
        return None
    # a person also moves the means of who is there too, and the estimate that is taken out
    size = np.bincount(together)[together]
    taken = product * size / (size - 1) - told.estimate * np.where(size == 2, 2, 1)
    moves = by_person(taken / len(last), of[owner])
    moves = moves.add(found.through() * fit.influence, fill_value=0.0).rename_axis("person_id")
    # a sum of both signs: no one person makes up most of it
    told = replace(told, is_dominated=False, influence=moves)
    more = len(last) / (len(last) - together.max() - 1)
    return told if told.of_error is None else replace(told, of_error=told.of_error * more)

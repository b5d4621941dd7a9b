"""Forward: a rival that a bad half-year cannot fool, and whether the luck of a half-year lasts.

People ask, or are sent on courses, because of the half-year before. At equal past ratings that
looks like an effect, within persons like its opposite; the lead test sees it and cannot tell it
from an effect. Here a row is compared with the mean of the same person's later rows only, which
nothing that came before it has moved, and the level of the exposure stands in for its change
(forward orthogonal deviations; Arellano and Bover 1995).
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from learnalign.estimates import described, rivals
from learnalign.estimates.columns import demeaned, independent
from learnalign.estimates.ladder import slope
from learnalign.estimates.same_manager import MIN_RESIDUAL_DF, people_in_the_smaller
from learnalign.verdicts.result import TOO_FEW_CLUSTERS, Fit

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
    the first leaves of the outcome: 0 where each half-year's luck is new, above 0 where it lasts or
    people drift. None for either where too few have later rows, or three in a row.

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
    needed = ["exposure", "outcome", "rater", *(["cell"] if "cell" in frame else [])]
    rows = _in_company(frame.dropna(subset=needed).sort_values("person_id", kind="stable"))
    names = [name for name in frame if name.startswith(MOVING)]
    names = ["outcome", "exposure", *independent(rows, names, "rater_cycle")]
    cell, person = (pd.factorize(rows[name])[0] for name in ("rater_cycle", "person_id"))
    levels = demeaned(rows[names].to_numpy(float), cell)
    ahead, later = _ahead(levels, person)
    kept = later & (np.bincount(cell, later)[cell] >= 2) if len(rows) else later
    used = rows[kept]
    free = kept.sum() - used.rater_cycle.nunique() - len(names)
    if free < MIN_RESIDUAL_DF or used.rater.nunique() <= TOO_FEW_CLUSTERS:
        return None, None
    cell = pd.factorize(cell[kept])[0]
    moves, stands_in = (demeaned(of[kept], cell) for of in (ahead, levels))
    beta, weights = _through_levels(moves[:, 0], moves[:, 1:], stands_in[:, 1:])
    left = moves[:, 0] - moves[:, 1:] @ beta
    fit = _fit(float(beta[0]), left, weights, used, cell, rater, level)
    luck = levels[:, 0] - levels[:, 1:] @ beta
    return fit, fit and _lasting(fit, luck, levels[:, 1], rows, level)


def _in_company(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with somebody else under the same manager in the same cycle."""
    return rows[rows.groupby("rater_cycle").rater_cycle.transform("size") > 1]


def _ahead(values: np.ndarray, person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns less the mean of the person's later rows, of equal variance where rows are, and which
    rows have later ones; `person` are codes, sorted.
    """
    last = np.cumsum(np.bincount(person)) - 1
    sums, later = np.cumsum(values, axis=0), (last[person] - np.arange(len(person)))[:, None]
    mean = (sums[last[person]] - sums) / np.maximum(later, 1)
    return np.sqrt(later / (later + 1)) * (values - mean), later[:, 0] > 0


def _through_levels(y: np.ndarray, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The coefficients of `x`, each with its own instrument, and the rows' weights in the first."""
    solved = np.linalg.pinv(z.T @ x)
    return solved @ (z.T @ y), z @ solved[0]


def _fit(
    estimate: float,
    left: np.ndarray,
    weights: np.ndarray,
    used: pd.DataFrame,
    cell: np.ndarray,
    rater: str,
    level: float,
) -> Fit | None:
    """The figure on the ladder: what is left, on the weights that made the estimate."""
    try:
        found = slope(left, weights, used.rater.to_numpy(), groups=cell, level=level)
    except ValueError:
        return None
    size = float(weights @ weights)
    found = replace(
        found,
        estimate=estimate,
        std_error=found.std_error * size,
        low=estimate + found.low * size,
        high=estimate + found.high * size,
        second=found.second and tuple(estimate + end * size for end in found.second),
        scores=found.scores * size,
    )
    method = f"against the same people's later cycles, {rater} x cycle means held equal"
    smaller = people_in_the_smaller(used)
    return found.fit(used.person_id, smaller, method, rater, "within_person")


def _lasting(
    fit: Fit, left: np.ndarray, exposure: np.ndarray, rows: pd.DataFrame, level: float
) -> Fit | None:
    """How far what is left of one row goes with the change between the person's two before it."""

    def three(now: pd.Series, past: pd.Series) -> pd.Series:
        before, earlier = (past.groupby(rows.person_id).shift(steps) for steps in (1, 2))
        return (now * (before - earlier)).dropna()

    left, exposure = (pd.Series(of, rows.index) for of in (left, exposure))
    product = three(left, left)
    if len(product) < FEWEST:
        return None
    of = rows.loc[product.index]
    found = described.mean(product, of.person_id, of.rater, by=fit.cluster, level=level)
    if found is None:
        return None
    # a person also moves the colleagues' means, and the estimate that is taken out
    taken = len(rows) / (len(rows) - rows.rater_cycle.nunique())
    through = -float((three(exposure, left) + three(left, exposure)).mean())
    moves = (taken * found.influence).add(through * fit.influence, fill_value=0.0)
    # a sum of both signs: no one person makes up most of it
    return replace(found, is_dominated=False, influence=moves.rename_axis("person_id"))

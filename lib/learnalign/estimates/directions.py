"""Directions: whether a contrast comes to the same in all groups of people.

One figure for everybody is near nothing, too, where half of a company gains and the other half
loses.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from learnalign.estimates import limits, samples
from learnalign.estimates.columns import sums, unexplained, within
from learnalign.estimates.ladder import Slope
from learnalign.estimates.same_manager import Sample, differs_within, people_in_the_smaller
from learnalign.verdicts.result import FEW_CLUSTERS, Fit

FEWEST = 100  # rows of a group; fewer say little of its direction


def apart(
    prepared: samples.Prepared, people: pd.DataFrame, *, level: float = 0.95
) -> dict[str, tuple[Fit, int]]:
    """How far apart a measure's figures are between the groups of each attribute, in standard
    errors; and in how many directions they can be.

    `people` has a row for each person_id and a column for each attribute. The core model with a
    slope and a level for each group of 100 rows or more; the distance is the root of the Wald
    statistic of equal slopes, with errors clustered by manager: its square over the directions is
    about 1 by chance, F with (directions, managers - 1) degrees of freedom. An attribute without
    two such groups, or with fewer than 20 managers, is left out.

    Misleads where few managers are in a group: then it is too large; and differences in size alone
    count as those in sign do.

    >>> from learnalign.data import reading
    >>> from learnalign.linking import windows
    >>> data = reading.read("data/demo")
    >>> people = data.tables["people"].execute().set_index("person_id")[["gender"]]
    >>> cycles = windows.link(data).person_cycles
    >>> found = apart(samples.prepare("learning_to_rating", cycles), people)
    >>> found["gender"][0].estimate < 2.58, found["gender"][1]
    (True, 1)
    """
    sample = samples.usable(prepared)
    if sample is None:
        return {}
    groups = {name: sample.rows.person_id.map(people[name]) for name in people}
    found = {name: _distance(sample, group, level) for name, group in groups.items()}
    return {name: one for name, one in found.items() if one}


def _distance(sample: Sample, group: pd.Series, level: float) -> tuple[Fit, int] | None:
    rows = _large(sample.rows.assign(group=group.astype(object)))
    names = sorted(rows.group.unique(), key=str)
    is_many = limits.kinds("many managers", rows.person_id, rows.rater, FEW_CLUSTERS)
    if len(names) < 2 or not is_many or sample.too_thin(rows):
        return None
    slopes, levers, left = _slopes(rows, names, sample.controls(rows))
    rater = pd.factorize(rows.rater)[0]
    many = int(rater.max()) + 1
    between = np.column_stack([np.eye(len(names) - 1), -np.ones(len(names) - 1)])
    off, levers = between @ slopes, levers @ between.T
    by_rater = sums(levers * left[:, None], rater, many)
    weights = np.linalg.pinv(by_rater.T @ by_rater * many / (many - 1)) @ off
    far = float(np.sqrt(off @ weights))
    moves = levers @ weights / max(far, 1e-9)
    taken = len(rows) / (len(rows) - rows.rater_cycle.nunique())  # as residuals are below errors
    about = {"scores": moves * left * taken, "weights": moves, "clusters": rows.rater.to_numpy()}
    found = Slope.of(far, 1.0, many - 1, level, len(rows), many, **about)
    smallest = min(people_in_the_smaller(side) for _, side in rows.groupby("group"))
    fit = found.fit(rows.person_id, smallest, "how far groups are apart", sample.rater)
    # its error is 1 whoever is there: who moves that moves the distance
    moved = fit.influence - (0.0 if fit.of_error is None else far * fit.of_error)
    return replace(fit, influence=moved - moved.mean(), of_error=None), len(off)


def _large(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of groups of 100 or more, under more than three managers whose people differ in it."""
    rows = rows.dropna(subset=["group"])
    rows = rows[differs_within(rows, "exposure")]
    known = [
        name
        for name, own in rows.groupby("group")
        if limits.managers(own.person_id, own.rater)
        and limits.rows("of a group", own.person_id, FEWEST)
        and own.exposure.nunique() > 1
    ]
    return rows[rows.group.isin(known)]


def _slopes(
    rows: pd.DataFrame, names: list[object], held: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each group's slope at equal controls, with a level of its own; what rows move them by per
    unit of the outcome; and what is left of it.
    """
    marks = np.column_stack([rows.group == name for name in names]).astype(float)
    own = marks * rows.exposure.to_numpy(float)[:, None]
    cell, levels = rows.rater_cycle.to_numpy(), marks[:, 1:]
    columns = np.column_stack([rows.outcome.to_numpy(float), own, levels, rows[held]])
    inside = within(columns, cell)
    left = unexplained(inside[:, : len(names) + 1], inside[:, len(names) + 1 :])
    y, x = left[:, 0], left[:, 1:]
    solved = np.linalg.pinv(x.T @ x)
    slopes = solved @ (x.T @ y)
    return slopes, x @ solved, y - x @ slopes

"""Multiplicity: what a difference is worth when it is one of many that were asked for."""

from collections.abc import Sequence
from math import log

import numpy as np
from scipy import stats

from learnalign.verdicts.result import Fit, Result


def p_value(fit: Fit | Result, unit: str) -> float:
    """Two-sided, for no difference: the tail that the interval's own t distribution leaves."""
    centre = log(fit.estimate) if unit == "hazard ratio" else fit.estimate
    return (
        float(2 * stats.t.sf(abs(centre) / fit.std_error, fit.df))
        if fit.std_error > 0
        else float(centre == 0)
    )


def adjusted_p(p: Sequence[float], method: str, asked: int | None = None) -> list[float]:
    """p-values adjusted for how many were asked: "holm" (family-wise) or "bh" (Benjamini & Hochberg
    1995).

    `asked` may exceed the number of p-values: what was asked but cannot be shown counts too.

    >>> adjusted_p([0.01, 0.04, 0.03], "holm")
    [0.03, 0.06, 0.06]
    """
    if method == "bh":
        return (
            [float(value) for value in stats.false_discovery_control(p, method="bh")]
            if len(p)
            else []
        )
    order, count = np.argsort(p, kind="stable"), asked or len(p)
    steps = np.maximum.accumulate(
        [min(1.0, (count - place) * p[i]) for place, i in enumerate(order)]
    )
    found = np.empty(len(p))
    found[order] = steps
    return found.tolist()

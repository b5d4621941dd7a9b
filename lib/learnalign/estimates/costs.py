"""Costs: what one more closed gap takes (Q7), of money or of hours."""

from dataclasses import replace

import numpy as np
import pandas as pd

from learnalign.estimates import closing, hazards
from learnalign.estimates.columns import by_person
from learnalign.verdicts.result import Fit


def cost_per_closed_gap(
    months: closing.Months, amount: str = "cost", *, level: float = 0.95
) -> tuple[Fit | None, str]:
    """What learning costs (or takes in `hours`) per gap closed within a year that would not have.

    From `hazards.cost_per_closed_gap`; with None, the reason as a key. All that was spent on the
    skill from 90 days before detection until the gap closed counts, as far as it is recorded.

    Misleads as the hazard ratio does, and where costs are recorded for some kinds of learning only:
    it is then too low. Merit is not in it: that is a cost or a transfer, never a benefit.
    """
    sample = closing.sample_of(months, "cost_per_closed_gap")
    if sample.reason:
        return None, sample.reason
    if why := _wanting(months.learned, amount):
        return None, why
    rows, about = sample.rows, {"controls": sample.controls, "cluster": sample.by, "level": level}
    about["horizon"] = closing.HORIZON
    try:
        extra, months_open, moved = hazards.extra_closed(rows, "learned", **about)
    except hazards.NoExtra:
        return None, "no extra"
    except ValueError:
        return None, "no closing"
    spent, learned = _spent(rows, months.learned, amount), by_person(rows.learned, rows.person_id)
    per_gap, shares = _per_gap(spent, learned, months_open, moved)
    return replace(
        extra,
        influence=(shares - extra.influence / extra.estimate) * per_gap / extra.estimate,
        of_error=shares + _of_width(extra),
        estimate=per_gap / extra.estimate,
        low=per_gap / extra.high,
        high=per_gap / extra.low,
        std_error=None,
        df=None,
        n_rows=len(rows),
        n_people_smaller=hazards.smaller(rows, "learned"),
        n_clusters=rows[sample.by].nunique(),
        method=f"{amount} per {extra.method}",
        design="described",
    ), ""


def _wanting(learned: pd.DataFrame, amount: str) -> str:
    if not learned[amount].fillna(0).sum() > 0:
        return "no cost"
    return "no learned skill" if learned.skill.isna().all() else ""


def _of_width(extra: Fit) -> pd.Series:
    """What each person moves the logarithm of the width of one over it by: most where it ends near
    0, as both ends go with the figure and with its error.
    """
    ends = np.array([extra.low, extra.high])
    off = np.multiply.outer(extra.of_error.to_numpy(), ends - extra.estimate)
    moves = (off + extra.influence.to_numpy()[:, None]) / ends**2
    width = 1 / extra.low - 1 / extra.high
    return pd.Series((moves[:, 1] - moves[:, 0]) / width, extra.influence.index)


def _per_gap(
    spent: pd.Series, learned: pd.Series, months_open: float, moved: pd.Series
) -> tuple[float, pd.Series]:
    """What learning on a gap takes while it is open, and the share of it that each person makes."""
    shares = [spent / spent.sum(), moved / months_open, -learned / learned.sum()]
    shares = sum(one.reindex(moved.index, fill_value=0.0) for one in shares)
    return float(spent.sum() / learned.sum() * months_open), shares


def _spent(rows: pd.DataFrame, learned: pd.DataFrame, amount: str) -> pd.Series:
    """All spent on a gap's skill, by person: from 90 days before it was found while it was open."""
    keys = ["person_id", "skill", "detected_on"]
    gaps = rows.drop_duplicates(keys)[[*keys, *hazards.ENDS]]
    gaps = gaps.assign(_end=gaps[hazards.ENDS].min(axis=1))
    events = gaps.merge(learned.dropna(subset=["skill"]), on=["person_id", "skill"])
    since = events.detected_on - pd.Timedelta(days=hazards.WINDOW_DAYS)
    inside = (events.learned_on >= since) & (events.learned_on < events._end)
    # a day may be in two gaps of a skill
    own = ["person_id", "skill", "learned_on", "activity_type", "is_voluntary"]
    return events[inside].drop_duplicates(own).groupby("person_id")[amount].sum()

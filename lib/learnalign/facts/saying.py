"""Saying: how many say "I don't know" at all, half-year by half-year, and whether that changes.

Counted in the windows of reviews, which do not overlap: no day counts twice.
"""

import pandas as pd

from learnalign.estimates import described
from learnalign.verdicts.result import Fit

SEASON_DAYS = 45  # so far from whole years apart, two cycles are of one season


def said_at_all(cycles: pd.DataFrame) -> dict[str, Fit]:
    """The percent of reviews in whose window "I don't know" was said, by cycle in order of time.

    Windows do not overlap. Misleads where more came to be recorded, not said.
    """
    rows, by = _said(cycles)
    fits = {
        str(cycle): described.share(own.yes, own.person_id, own.cluster, by=by)
        for cycle, own in ((cycle, rows[rows.cycle == cycle]) for cycle in _in_time(rows).index)
    }
    return {cycle: fit for cycle, fit in fits.items() if fit is not None}


def last_less_first(cycles: pd.DataFrame) -> Fit | None:
    """How many more of 100 said so in the last cycle than in the first one of the same season, in
    percentage points; people of one manager may be alike, as most are the same people.

    None without a cycle whole years before. Misleads as `said_at_all` does.
    """
    rows, by = _said(cycles)
    days = _in_time(rows)
    before = (days.max() - days).dt.days
    years = (before / 365.25).round()
    same = days[(years >= 1) & ((before - 365.25 * years).abs() <= SEASON_DAYS)]
    if same.empty:
        return None
    ends = rows[rows.cycle.isin([same.index[0], days.index[-1]])]
    ends = ends.assign(last=ends.cycle == days.index[-1])
    about = {"method": "last cycle less the first of its season", "design": "described"}
    return described.share_difference(ends, "last", clustered_by=by, **about)


def _said(cycles: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Reviews of which it is recorded, whether it was said (`yes`), and what they are clustered
    by.
    """
    said, (cluster, by) = pd.to_numeric(cycles.acknowledgements), described.raters(cycles)
    return cycles.assign(yes=said > 0, cluster=cluster)[said.notna()].dropna(subset="cluster"), by


def _in_time(rows: pd.DataFrame) -> pd.Series:
    """The day of each cycle's middle review, in order of time."""
    return pd.to_datetime(rows.reviewed_on).groupby(rows.cycle.astype(str)).median().sort_values()

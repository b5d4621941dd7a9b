"""Same manager: the core model, fitted to a sample of person-cycles that can be compared.

People with the same manager in the same cycle are compared, at the same prior ratings and the same
role, with standard errors clustered by manager.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd
from numpy.typing import ArrayLike

from learnalign.estimates import limits
from learnalign.estimates.columns import independent
from learnalign.estimates.ladder import fixed_effects
from learnalign.verdicts.result import ATTRITION, Fit

FIXED = 0.1  # of the people, whose merit may differ where it is fixed
NEAR = 20  # times; farther from the least no draw decides
MIN_RESIDUAL_DF = 10  # fewer, and a published regression could be solved for single people
NUMBER = {1: "prior rating", 2: "two prior ratings"}
PAST = ("exposure_previous", "exposure_previous_2")
PAST_IN_WORDS = {1: "learning in the window before", 2: "learning in the two windows before"}
HELD = {
    "cell": "rating and matrix cell",
    "grade": "grade",
    "tenure": "tenure",
    "fte": "hours of work",
    "compa_ratio": "place in the salary range",
    "moved": "moves to a new manager, unit or grade",
    "gaps": "number and severity of gaps",
    "enrolled": "number of activities enrolled in, by kind",
}
"""Columns `held_<key>…` of a prepared frame are held equal besides prior ratings."""


@dataclass(frozen=True)
class Sample:
    """Person-cycles that an adjusted comparison can use, and what makes the others' account."""

    rows: pd.DataFrame
    priors: tuple[str, ...]
    rater: str  # "manager" or "unit"
    account: Callable[[], pd.DataFrame] = lambda: pd.DataFrame(columns=list(ATTRITION))
    pasts: tuple[str, ...] = ()  # past windows' exposures that are held equal
    cell: str = ""  # whose people are compared in a cycle, where not the rater's

    def controls(self, rows: pd.DataFrame | None = None, also: Sequence[str] = ()) -> list[str]:
        """The columns held equal that say something of their own within managers and cycles."""
        if rows is None and not also:
            return self._own_controls
        rows = self.rows if rows is None else rows
        names = dict.fromkeys((*self.priors, *self.pasts, *also, *held(self.rows)))
        return independent(rows, [*names], "rater_cycle")

    @cached_property
    def _own_controls(self) -> list[str]:
        """The sample's own, which nearly every fit and check asks for."""
        own = [*self.priors, *self.pasts, *held(self.rows)]
        return independent(self.rows, own, "rater_cycle")

    def residual_df(self, rows: pd.DataFrame | None = None) -> int:
        """Rows less all that is fitted: managers and cycles, what is held equal, the exposure."""
        controls, rows = self.controls(rows), self.rows if rows is None else rows
        return len(rows) - rows.rater_cycle.nunique() - len(controls) - 1

    def too_thin(self, rows: pd.DataFrame | None = None) -> bool:
        """Whether so few are left that single people could be worked out, or nothing be said."""
        some = self.rows if rows is None else rows
        most = len(self.priors) + len(self.pasts) + len(held(self.rows))
        free = len(some) - some.rater_cycle.nunique() - most - 1
        if free < NEAR * MIN_RESIDUAL_DF:  # what is held equal is counted where that could matter
            free = self.residual_df(rows)
        if free < MIN_RESIDUAL_DF or some.rater.nunique() < 2:
            return True
        return not limits.rows("freedom", some.person_id, MIN_RESIDUAL_DF, free, is_floor=True)

    @property
    def no_estimate(self) -> str:
        """A key of the reasons when the sample cannot carry an estimate; else empty."""
        if self.too_thin():
            return "too few"
        if not limits.managers(self.rows.person_id, self.rows.rater):
            return "three raters"
        return _without_discretion(self.rows) if "cell" in self.rows else ""

    def core(
        self,
        rows: pd.DataFrame | None = None,
        *,
        outcome: str = "outcome",
        exposure: str = "exposure",
        also: Sequence[str] = (),
        level: float = 0.95,
    ) -> Fit | None:
        """The core model: a difference in `outcome` per unit of exposure (METHODS 3).

        Among people with the same manager and cycle, and what the sample (and `also`) holds equal.
        None when the exposure cannot be told from what is held equal. Misleads when past ratings do
        not carry what moves both.
        """
        controls, rows = self.controls(rows, also), self.rows if rows is None else rows
        same = self._held_in_words(controls)
        fit = fixed_effects(
            rows,
            outcome,
            exposure,
            controls=controls,
            absorb="rater_cycle",
            cluster="rater",
            level=level,
            method=f"{self.cell or self.rater} x cycle fixed effects (same {', same '.join(same)})",
            design="adjusted" if self.priors else "associated",
            clustered_by=self.rater,
            smaller=people_in_the_smaller(rows),
        )
        return fit and replace(fit, held=same)

    def _held_in_words(self, controls: Sequence[str]) -> tuple[str, ...]:
        priors = [NUMBER[len(self.priors)]] if self.priors else []
        priors += [PAST_IN_WORDS[len(self.pasts)]] if self.pasts else []
        held = [word for key, word in HELD.items() if any(_is_of(key, name) for name in controls)]
        return (f"{self.cell or self.rater} and cycle", *priors, *held)

    def beside(self, columns: Mapping[str, ArrayLike], level: float = 0.95) -> dict[str, Fit]:
        """The core model with several exposures at once, each held equal in the others' figures.

        `columns` (n,) each, in the order of the sample's rows: marks of 0 and 1, or amounts. Left
        out is what nobody does, what everybody under a manager does, and what differs under three
        managers or fewer. Misleads where one of them moves another: what works through the other is
        held out of its figure.
        """
        rows = self.rows.assign(**{f"_{name}": value for name, value in columns.items()})
        if self.too_thin(rows):
            return {}
        found = {}
        for name in columns:
            some = rows[differs_within(rows, f"_{name}")]  # the others say nothing of it
            if self.too_thin(some) or not limits.managers(some.person_id, some.rater):
                continue
            others = [f"_{other}" for other in columns if other != name]
            fit = self.core(some, exposure=f"_{name}", also=others, level=level)
            value = some[f"_{name}"]
            exposed = value > value.groupby(some.cycle).transform("min")
            people = people_in_the_smaller(some.assign(exposure=value, exposed=exposed))
            if fit:
                found[name] = replace(fit, n_people_smaller=people)
        return found


def _is_of(key: str, column: str) -> bool:
    return column.startswith(f"held_{key}")


def held(frame: pd.DataFrame) -> list[str]:
    """The columns of a prepared frame that are held equal besides prior ratings."""
    return [name for name in frame if name.startswith("held_")]


def _without_discretion(rows: pd.DataFrame) -> str:
    """A key of the reasons where merit is fixed within cell and cycle, or by the matrix's target,
    but of a few; "too few" where they may be more than `FIXED` of all: a draw alone is no proof.
    """
    usual = rows.groupby(["cell", "cycle"]).outcome.transform("median")
    off = [rows.gap.abs() >= 1e-6] if rows.gap.notna().all() else []
    off.append((rows.outcome - usual).abs() > 5e-7)
    own = [rows.person_id[one] for one in off]
    few = [one.nunique() for one in own if not limits.somebody("discretion", one)]
    if not few:
        return ""
    return "no discretion" if min(few) <= FIXED * rows.person_id.nunique() else "too few"


def people_in_the_smaller(rows: pd.DataFrame) -> int:
    """People in the smaller of the compared groups; for a slope, those with any exposure at all."""
    exposed = rows.exposure == 1 if is_binary(rows) else rows.exposed
    sides = [rows.person_id[exposed].nunique(), rows.person_id[~exposed].nunique()]
    return min(sides) if is_binary(rows) else sides[0]


def is_binary(rows: pd.DataFrame) -> bool:
    """Whether the exposure is did against did not."""
    return bool(rows.exposure.isin([0, 1]).all())


def two_or_more(
    rows: pd.DataFrame, keys: list[list[str]], counted: pd.Series | None = None
) -> pd.DataFrame:
    """Rows whose level of every key holds two (counted) rows or more: one alone explains itself."""
    counted, before = pd.Series(1, rows.index) if counted is None else counted, -1
    while len(rows) != before:
        before = len(rows)
        for key in keys:
            of = counted.loc[rows.index].groupby([rows[name] for name in key]).transform("sum")
            rows = rows[of >= 2]
    return rows


def differs_within(rows: pd.DataFrame, column: str) -> pd.Series:
    """Whether people under the same manager in the same cycle differ in a column, for each row."""
    by_cell = rows.groupby("rater_cycle")[column]
    return by_cell.transform("max") - by_cell.transform("min") > 1e-9

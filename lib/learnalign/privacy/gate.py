"""The gate: the one way from what was computed to what is shown.

It asks the rule, moves what may be shown, and keeps, for each person, how far all that was shown
could tell of them. Without draws (an analyst alone with the data) it hides, and moves nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from learnalign.privacy import noise
from learnalign.privacy.keys import Draws, digest, step
from learnalign.privacy.rule import Rule, completed, is_dominated, is_one_sided
from learnalign.verdicts.result import Fit

FIRST, OTHER, OF_A_UNIT, LAST = 0.75, 2.75, 5.5, 3.0
"""How much noise: headlines of the company, all else, and all of a unit's edition. What is looked
at first is moved least, so that all figures together stay within `MOST`."""
MOST = 1.2  # of mu, over all figures of an edition: 73 % of guesses right, where 50 is chance


@dataclass
class Gate:
    """What may be shown of a data set, or of a unit's part of it, and what was."""

    rule: Rule
    draws: Draws | None = None
    alone: frozenset[str] = frozenset()  # those who are the only one of some manager
    # by figure: how far each person moves it, in standard deviations of its noise
    told: dict[str, pd.Series] = field(default_factory=dict, repr=False)

    # --- figures that were fitted

    def fit(self, statistic: str, fit: Fit | None, *, first: bool = False) -> Fit | None:
        """A fit as it may be shown, its counts as lower ends of their classes; None where it may
        not, or where there is none. `first`: it answers a question, and is moved least.
        """
        if fit is None or self._is_hidden(fit, fit.n_people, fit.n_clusters):
            return None
        if self.draws is None:
            return fit
        people = digest(fit.influence.index)
        weight = self._weight(first := first and not self.draws.is_unit)
        sd = step(noise.spread(fit.std_error, fit.influence, weight))
        by, of_error = noise.of_an_error(fit, sd, weight)
        off = self.draws.walk(statistic, people, sd)
        drawn, of_df = (self.draws.normal(f"{statistic}|{of}", people) for of in ("error", "df"))
        df = (counts := self._counts(fit, people))["df"]  # one person may be a cluster of their own
        by_df = df and np.clip(noise.OF_PEOPLE / fit.df, noise.OF_ERROR, noise.MOST_OF_AN_ERROR)
        df = df and max(_short(df * np.exp(by_df * of_df)), 1.0)
        found = replace(noise.moved(fit, sd, off, by, drawn, df), **counts | {"df": df})
        if self._is_hidden(found, found.n_people, found.n_clusters):
            return None
        self._tell(f"{statistic}|{people}", fit.influence, sd)
        self._tell(f"{statistic}, error|{people}", of_error, by)
        return self._classed(found, fit, people, first)

    def fits(
        self, statistic: str, fits: Mapping[str, Fit], parts: Sequence[Sequence[str]] = ()
    ) -> dict[str, Fit | None]:
        """Several fits by name, None where one is hidden; `parts` as `completed`'s."""
        moved = {name: self.fit(f"{statistic}/{name}", fit) for name, fit in fits.items()}
        people = {name: fit.n_people if fit else 0 for name, fit in moved.items()}
        hidden = completed([name for name, fit in moved.items() if fit is None], people, parts)
        return {name: None if name in hidden else fit for name, fit in moved.items()}

    def roughly(
        self, statistic: str, value: float | None, people: Iterable[object], *by: float
    ) -> float | None:
        """What is reckoned from errors and counts, moved by so much of it, to two digits."""
        if self.draws is None or value is None:
            return value
        ids = pd.Index(people).unique()
        return _short(value * self._times(statistic, ids, digest(ids), *by))

    def _times(
        self, what: str, ids: pd.Index, people: str, by: float = noise.OF_AN_ERROR, each: float = 1
    ) -> float:
        """What a number is multiplied by, of which each person moves so many parts in all."""
        sd = step(max(by, noise.OF_MANY / len(ids), noise.OF_PEOPLE * each / len(ids)))
        self._tell(f"{what}|{people}", pd.Series(each / len(ids), ids), sd)
        return float(np.exp(self.draws.walk(what, people, sd)))

    def _is_hidden(self, fit: Fit, people: int, managers: int | None) -> bool:
        if self.rule.is_few(people, managers) or fit.is_dominated:
            return True
        rarer = fit.n_people_smaller
        if fit.is_share and rarer is not None:
            side = people * min(fit.estimate, 100 - fit.estimate) / 100
            # somebody with several rows is on both sides: these may be nearly all
            return is_one_sided(people, min(rarer, people / 2)) or is_one_sided(people, side)
        if fit.design == "described" and not fit.is_share and fit.low == fit.high:
            return True  # everybody has the same value
        return rarer is not None and rarer < self.rule.min_group

    def _counts(self, fit: Fit, people: str) -> dict[str, int | float | None]:
        """The fit's counts as they are published, and what is reckoned from them."""
        n = noise.count(fit.n_people, self.draws.uniform("people", people))
        off = noise.OF_MANAGERS * self.draws.normal("managers", people)
        managers = max(round(fit.n_clusters + off), 0)
        of_rows = self._times("rows", fit.influence.index, people, noise.OF_ROWS)
        smaller, df = fit.n_people_smaller, fit.df
        if smaller is not None and not fit.is_share:
            smaller = noise.count(smaller, self.draws.uniform("smaller", people))
        return {
            "n_people": n,
            "n_clusters": managers,
            "n_rows": int(_short(n * fit.n_rows / fit.n_people * of_rows)),
            "n_people_smaller": smaller,
            "df": df and df * managers / max(fit.n_clusters, 1),
        }

    def _classed(self, found: Fit, fit: Fit, people: str, first: bool) -> Fit:
        """With counts as the lower ends of their classes; they are finer for an answer."""
        ids = fit.influence.index
        alone = pd.Series(1.0, ids[ids.isin(self.alone)])
        self._tell(f"managers|{people}", alone if first else None, noise.OF_MANAGERS)
        n = self._class(ids, people, fine=first)
        if len(ids) != fit.n_people:  # of teams: a leader takes a whole one along
            n = self.rule.min_group
        many = noise.managers(found.n_clusters)
        return replace(found, at_least=True, n_people=n, n_clusters=many)

    def _class(self, ids: pd.Index, people: str, *, fine: bool = False) -> int:
        moves = noise.told_by_class(n := len(ids), self.rule.min_group, fine=fine)
        self._tell(f"people|{people}", pd.Series(moves, ids), 1.0)
        if self.draws is not None:
            n = noise.fewer(n, self.draws.uniform("class", people))
        return noise.least(n, self.rule.min_group, fine=fine)

    # --- counts

    def reaches(self, name: str, ids: pd.Index, count: float, least: float, sd: float) -> bool:
        """Whether a count, moved, reaches so many: a step that no one person decides."""
        people, far = digest(ids), (least - count) / sd
        moves = norm.pdf(far) / max(norm.cdf(far) * norm.sf(far), 1e-12) ** 0.5  # of yes or no
        self._tell(f"{name}|{people}", pd.Series(moves, ids), sd)
        return bool(far <= self.draws.normal(name, people))

    def people(self, ids: Iterable[object], *, as_class: bool = False) -> int | None:
        """How many people there are, up to 10 off, or the lower end of a class; None: too few."""
        index = pd.Index(ids).unique()
        n, people = self._moved(index), digest(index)
        if self.rule.is_few(min(n, len(index))):
            return None
        if as_class:
            return self._class(index, people)
        self._tell(f"people|{people}", pd.Series(1.0, index), noise.VARIANCE**0.5)
        return n

    def fewest(self, index: pd.Index) -> int:
        """How many people the rule takes to be there: as many as there are, or as moved."""
        return min(len(index), self._moved(index))

    def _moved(self, index: pd.Index) -> int:
        drawn = 0.5 if self.draws is None else self.draws.uniform("people", digest(index))
        return noise.count(len(index), drawn)

    def rows(self, statistic: str, counts: pd.Series) -> int | None:
        """How many rows people have, `counts` (n,) each, capped; None: too few, or dominated."""
        counts = counts[counts > 0]
        if self.rule.is_few(self.fewest(counts.index)) or is_dominated(counts):
            return None
        if self.draws is None:
            return int(counts.sum())
        kept = pd.Series(noise.capped(counts), counts.index)
        sd = step(noise.spread(0.0, kept, self._weight()))
        same = digest(f"{who} {n:g}" for who, n in kept.items())
        self._tell(f"{statistic}|{same}", kept, sd)
        moved = round(float(kept.sum()) + self.draws.walk(statistic, same, sd))
        return max(moved, self.rule.min_group)  # so many people have at least one each

    # --- figures of rows

    def share(
        self, statistic: str, person: pd.Series, yes: pd.Series, of: pd.Series | None = None
    ) -> float | None:
        """The percent of rows (n,), or with `of` of so many each, that are so; None where it may
        not be shown. `person` whose row it is; a gap is left out.
        """
        of = pd.Series(1.0, yes.index) if of is None else of
        pairs = pd.DataFrame({"yes": yes, "of": of}).astype(float).dropna()
        pairs = pairs.groupby(person.reindex(pairs.index)).sum()
        n = self.fewest(pairs.index)
        if self.rule.is_few(n) or not pairs.of.sum() > 0:
            return None
        sides = [int((side > 0).sum()) for side in (pairs.yes, pairs.of - pairs.yes)]
        if is_one_sided(n, min(*sides, n / 2)):
            return None
        middle = pairs.yes.sum() / pairs.of.sum()
        influence = 100 * (pairs.yes - middle * pairs.of) / pairs.of.sum()
        value = self.moved(statistic, 100 * middle, influence)
        return None if is_one_sided(n, n * min(value, 100 - value) / 100) else value

    def moved(
        self, statistic: str, value: float, influence: pd.Series, weight: float | None = None
    ) -> float:
        """A figure of which it is known how far each person moves it, whatever the rule says."""
        if self.draws is None:
            return value
        times = self._weight() if weight is None else weight * self.draws.factor
        sd = step(times * noise.spread(float(np.hypot.reduce(influence)), influence))
        people = digest(influence.index)
        self._tell(f"{statistic}|{people}", influence, sd)
        return value + self.draws.walk(statistic, people, sd)

    def _weight(self, first: bool = False) -> float:
        """How much noise; where all together need more, what is looked at first gets it last."""
        other = self.draws.factor * (OF_A_UNIT if self.draws.is_unit else OTHER)
        return FIRST * max(self.draws.factor / LAST, 1.0) if first else other

    # --- what all that was shown could tell of somebody

    def _tell(self, figure: str, influence: pd.Series | None, sd: float) -> None:
        if self.draws is not None and influence is not None and sd > 0 and influence.any():
            self.told[figure] = influence.abs() / sd


def told(gate: Gate) -> pd.DataFrame:
    """What a gate kept, as rows of figure, person and moves: for the run, and never published."""
    found = pd.concat(gate.told or {"": pd.Series(dtype=float)}, names=["figure", "person"])
    return found.rename("moves").reset_index().astype({"moves": "float32", "figure": "category"})


def mu(told: pd.DataFrame) -> pd.Series:
    """How far apart any two editions, with and without a person, are to who knows all else: by
    person, in standard deviations over all figures (Dong, Roth and Su 2022, section 2). `told` is
    that of all notebooks and units; a figure counts once, with its least noise.

    >>> rows = pd.DataFrame({"figure": ["a", "b"], "person": ["ana", "ana"], "moves": 1 / 3})
    >>> mu(rows).round(3).to_dict()
    {'ana': 0.333}
    """
    rows = told.groupby(["figure", "person"], observed=True).moves.max().astype(float)
    return (rows**2 / 2).groupby(level="person").sum() ** 0.5


def certainty(mu: float) -> float:
    """In how many of 100 guesses such a person's presence is told right; 50 is chance.

    >>> round(certainty(1.2))
    73
    """
    return 100 * float(norm.cdf(mu / 2))


def _short(value: float) -> float:
    return float(f"{value:.2g}")

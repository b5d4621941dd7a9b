"""Merit: what of it the rating and the matrix leave open, and what that part goes with.

Everything is about person-cycles with a merit increase. "At equal cell" is at the same rating and
merit target in the same cycle (`estimates.groups` says what takes its place without a matrix, and
with too many targets).
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from learnalign.estimates import described, groups, ladder, limits, pooling
from learnalign.estimates.checks import BLIND
from learnalign.estimates.columns import by_person, moves_of
from learnalign.estimates.same_manager import MIN_RESIDUAL_DF
from learnalign.estimates.samples import MOST_CELLS
from learnalign.studies import Study, judged
from learnalign.verdicts.registry import phrases
from learnalign.verdicts.result import Fit, number, spread

QUESTIONS = {
    "learning_enabled_performance": "learning that enabled performance",
    "learning_positions_for_objectives": "learning that prepares for the objectives",
}
"""Codes: 0 no answer, 1 learning named, 2 named with evidence, 3 with evidence and a result."""

EVIDENCE = 2
MIN_SIDE = 5  # people of a manager who did, and who did not, below which the manager has no slope
FINE = 0.01  # percentage points: where merit less its target varies less, all are alike
MATRIX = ("rating", "target", "gap", "within", "shown")
CHAIN = ("figure", "between", "estimate", "low", "high", "shown")
PAIRS = (
    ("learning", "rating"),
    ("rating", "merit"),
    ("learning", "merit"),
    ("rating", "bonus"),
    ("learning", "bonus"),
)


@dataclass(frozen=True)
class Discretion:
    """How much of merit is not fixed, in percent of its variance within cycles."""

    share: Fit | None  # what is left at equal cell
    by_rating: Fit | None  # what goes with the rating
    held: str  # what is held equal: by the words of estimates.groups

    @property
    def says(self) -> tuple[str, ...]:
        """What follows, by its keys in the words of facts."""
        if self.share is None:
            return ("same for everybody",)
        says = (_says(self.share, "fixed", "differs", "fixed or not"),)
        if self.by_rating is None:
            return says
        return (*says, _says(self.by_rating, "not by rating", "by rating", "by rating or not"))


@dataclass(frozen=True)
class Bonus:
    """Whether the bonus can serve as a control."""

    share: Fit | None  # percent left within unit, cycle and grade, company factor divided out
    rewards_individual: bool

    @property
    def case(self) -> str:
        """By its key in the words of facts."""
        if self.rewards_individual:
            return "an outcome of its own"
        is_blind = self.share is None or self.share.estimate < 100 * BLIND
        return "blind" if is_blind else "usable"


@judged
def matrix(study: Study) -> pd.DataFrame:
    """Mean merit less its target (`gap`, percentage points), a row per rating and target.

    As it may be shown, and likely so far off: `within`. Hidden where all of a cell are alike, as
    the mean tells each one's. Empty where no matrix or no merit is recorded; targets are rounded to
    whole percent where they are too many to look at. Misleads when cycles had different matrices: a
    cell then mixes them.

    >>> import learnalign as la
    >>> matrix(la.study("data/demo")).shown.any()
    np.True_
    """
    rows = cells(study.cycles)
    fits, labels = {}, {}
    for key, part in rows.groupby(["rating", "target"]):
        name = "|".join(map(str, key))
        labels[name] = key
        fits[name] = described.mean(part.gap, part.person_id, part.manager_id)
    known = {name: fit for name, fit in fits.items() if fit is not None}
    shown = study.gate.fits("matrix", known, [[*fits]])
    found = [(*key, *_cell(shown.get(name))) for name, key in labels.items()]
    return pd.DataFrame(found, columns=list(MATRIX), dtype=object)


def _cell(fit: Fit | None) -> tuple[float | None, float | None, bool]:
    return (fit.estimate, (fit.high - fit.low) / 2, True) if fit else (None, None, False)


def cells(person_cycles: pd.DataFrame) -> pd.DataFrame:
    """Person-cycles with their cell, and merit less its target, empty where all are alike.

    Misleads as `matrix` does.
    """
    rows = groups.merit_rows(person_cycles).dropna(subset=["merit", "rating", "target"])
    if limits.kinds("targets", rows.person_id, rows.target, MOST_CELLS + 1):
        rows = rows.assign(target=rows.target.round())
    around = rows.groupby(["rating", "target"]).gap.transform("std", ddof=0)
    rows = rows.assign(gap=rows.gap.where(around >= FINE), manager_id=rows.rater)
    return rows[["person_id", "manager_id", "rating", "target", "merit", "gap"]]


# --- what is left open


def discretion(person_cycles: pd.DataFrame) -> Discretion | None:
    """The share of merit's variance, within cycles, that rating and matrix cell do not fix.

    Percent, adjusted for the number of cells; intervals are linearised by manager, where a
    bootstrap's would hang on the managers' names. With the whole interval below 5 % merit can
    reward or punish through the rating alone (METHODS 3, Q3); so small a share that goes with the
    rating is said too. None without merit or with too few people.

    Misleads without a matrix: what depends on the place in the salary range then looks like
    discretion. Rounding of merit looks like it too, and a mistaken rating does not.

    >>> import learnalign as la
    >>> discretion(la.study("data/demo").cycles).held
    'rating and matrix cell'
    """
    rows = groups.merit_rows(person_cycles).dropna(subset=["merit", "outcome", "cell", "rater"])
    if rows.rater.nunique() < 2:
        return None
    held = rows.held.iloc[0]
    unlike = rows.groupby("cycle").merit.transform(limits.apart).astype(bool)
    if not limits.somebody("merit", rows.person_id[unlike]):
        return Discretion(None, None, held)
    left = _left_over(rows, "merit", ["cycle"], "outcome", ["cell", "cycle"])
    if left is None:
        return None
    rated = _left_over(rows, "merit", ["cycle"], "merit", ["band", "cycle"])
    if rated is not None:
        low, high = 100 - rated.high, 100 - rated.low
        about = {"low": low, "high": high, "influence": -rated.influence}
        rated = replace(rated, estimate=100 - rated.estimate, **about)
    return Discretion(left, rated, held)


def _says(fit: Fit, below: str, above: str, unclear: str) -> str:
    mark = 100 * BLIND
    return below if fit.high < mark else above if fit.low >= mark else unclear


def _left_over(
    rows: pd.DataFrame, whole: str, base: list[str], value: str, held: list[str]
) -> Fit | None:
    """Percent of the variance of `whole` by `base` that `value` has around its means by `held`."""
    size, inside = _around(rows, whole, base) ** 2, _around(rows, value, held) ** 2
    free = [len(rows) - (rows.groupby(keys).ngroups if keys else 1) for keys in (base, held)]
    about = "left open", rows.person_id, MIN_RESIDUAL_DF, min(free)
    if not limits.rows(*about, is_floor=True) or not size.sum() > 0:
        return None
    if inside.any():
        inside = inside * min(free[0] / free[1], size.sum() / inside.sum())
    parts = pd.DataFrame({"inside": 100 * inside, "size": size})
    sums = parts.groupby(rows.rater).sum()
    fit = described.mean(sums.inside, sums.index, sums.index, of=sums["size"], by=rows.by.iloc[0])
    low, high = np.clip([fit.low, fit.high], 0, 100).tolist()
    scores = (parts.inside - fit.estimate * size) / size.sum()
    counts = {"n_rows": len(rows), "n_people": rows.person_id.nunique(), "n_people_smaller": None}
    about = counts | {"low": low, "high": high} | moves_of(scores, rows.person_id, rows.rater, None)
    return replace(fit, **about, method=f"share of variance, clustered by {rows.by.iloc[0]}")


@judged
def in_words(study: Study) -> str:
    """What merit leaves open, as a title: how much of it nothing fixes, and what follows."""
    words, found = phrases("facts")["merit"], discretion(study.cycles)
    share = found and study.gate.fit("merit left open", found.share)
    if share is None:
        return words["not known"]
    found = replace(found, share=share, by_rating=study.gate.fit("by rating", found.by_rating))
    low, middle, high = (max(value, 0.0) for value in (share.low, share.estimate, share.high))
    left = f"{number(middle)} % ({spread(low, high)})"
    told = [words["left"], *(words[key] for key in found.says)]
    return ". ".join(told).format(left=left, held=found.held)


# --- the bonus beside it


def bonus(person_cycles: pd.DataFrame, rewards_individual: bool) -> Bonus | None:
    """The bonus's pre-check: how much of it, net of the company factor, nothing fixes.

    Within unit, cycle and grade. With less than 5 % of its variance left a formula sets it and it
    is blind: as a control it would pass whatever is wrong (METHODS 5, row 14). The rule and the
    mark are the bonus control's. None where less than half of those with merit have one. Misleads
    when bonuses are rounded, or where most cells hold one person.
    """
    paid = groups.merit_rows(person_cycles).dropna(subset=["merit", "rater"])
    rows = paid.dropna(subset=["bonus"])
    has = limits.share("bonus", paid.person_id, paid.bonus.notna(), 1 / 2)
    if not has or rows.rater.nunique() < 2:
        return None
    share = _left_over(rows, "bonus", [], "bonus", ["unit", "cycle", "grade"])
    return Bonus(share, rewards_individual)


@judged
def bonus_in_words(study: Study) -> str:
    """The caption of `chain`: what the bonus beside merit can show."""
    found = bonus(study.cycles, study.dataset.meta.bonus_rewards_individual)
    found = found and replace(found, share=study.gate.fit("bonus left open", found.share))
    return phrases("facts")["bonus"][found.case if found else "not recorded"]


# --- the two questions


def answers(study: Study) -> pd.DataFrame:
    """Person-cycles with the codes of the two merit questions: the rows that `facts.yml` counts.

    Misleads when an answer is recorded only for those who get more: what is empty is left out, not
    counted as no answer.
    """
    rewards = study.dataset.tables["rewards"]
    codes = rewards.select("person_id", "cycle", *QUESTIONS).execute()
    rows = study.cycles.merge(codes, how="left", on=["person_id", "cycle"])
    return rows.assign(**{name: pd.to_numeric(rows[name]).astype(float) for name in QUESTIONS})


def follows(study: Study) -> dict[str, Fit]:
    """Difference in merit (percentage points) per point of each question's code, at equal cell.

    Within manager x cycle, with the matrix cell held equal. A question that cannot be compared is
    left out. Misleads when managers write the answer to fit the merit they had in mind: it is coded
    at the same time.
    """
    coded, found = answers(study), {}
    for name, words in QUESTIONS.items():
        rows = groups.merit_rows(coded).assign(x=coded[name], side=coded[name] >= EVIDENCE)
        if fit := groups.difference(rows, same_manager=True):
            found[words] = fit
    return found


# --- what goes together


@judged
def over_managers(study: Study) -> tuple[pooling.Spread | None, str]:
    """How managers differ in what merit goes with: the distribution of their slopes, in points.

    Of who acknowledged against who did not, at equal cell. The company's cell x cycle means are
    taken out, then a slope per manager over all cycles; standard errors share one spread of
    residuals, alike within persons, as a manager's own would be guesses from a few people. At least
    20 managers with 5 people on each side, else None and the reason; units do not stand in. Never a
    ranking (METHODS 5, row 11). As it may be shown: moved are the mean and the variance.

    Misleads when managers' people differ in what moves merit and acknowledging.

    >>> import learnalign as la
    >>> spread, why = over_managers(la.study("data/demo"))
    >>> spread.n_managers >= 20, why
    (True, '')
    """
    rows, words = _by_manager(study.cycles), phrases("facts")["over managers"]
    sums = pd.DataFrame({"xx": rows.x**2, "xy": rows.x * rows.y}).groupby(rows.rater).sum()
    sums = sums[sums.xx > 1e-9]
    about = "pooled", rows.person_id, len(sums), pooling.MIN_POOLED
    if not limits.enough(*about, by=limits.OF_MANAGERS, is_floor=True):
        return None, words["too few"].format(side=MIN_SIDE, needed=pooling.MIN_POOLED)
    slopes = sums.xy / sums.xx
    left = rows.y - rows.rater.map(slopes) * rows.x
    scores = (rows.x * left).groupby([rows.rater, rows.person_id]).sum()
    noise = (scores @ scores) / sums.xx.sum() * len(scores) / (len(scores) - 2 * len(sums))
    if not noise > 1e-12:
        return None, words["no difference"]
    errors = np.sqrt(noise / sums.xx)
    found = pooling.distribution(slopes, errors, smallest=study.smallest("merit_pp"))
    moves = pd.DataFrame(dict(zip(("mean", "tau2"), pooling.moves(slopes, errors), strict=True)))
    moves = moves.set_axis(sums.index).div(sums.xx, axis=0)
    shown = _moved(study, found, moves, scores)
    return shown, "" if shown else words["hidden"]


def _moved(
    study: Study, found: pooling.Spread, moves: pd.DataFrame, scores: pd.Series
) -> pooling.Spread | None:
    """A spread as it may be shown; `moves` by manager, and `scores` by manager and person."""
    rater, person = (scores.index.get_level_values(level) for level in (0, 1))

    def fit(name: str, estimate: float, low: float, high: float) -> Fit | None:
        influence = by_person(moves[name].reindex(rater).to_numpy() * scores.to_numpy(), person)
        about = {"df": None, "level": found.level, "n_rows": len(scores), "design": "associated"}
        counts = {"n_people": len(influence), "n_people_smaller": None}
        counts |= {"n_clusters": found.n_managers, "influence": influence}
        error = (high - low) / (2 * pooling.NORMAL)
        made = Fit(estimate, low, high, error, **about, **counts, method="spread over managers")
        return study.gate.fit(f"over managers, {name}", made)

    mean = fit("mean", found.mean, found.mean_low, found.mean_high)
    tau2, high = found.sd**2, found.sd_high**2
    low = found.sd_low**2 or min(2 * tau2 - high, 0.0)  # as far below as above, then cut
    between = fit("tau2", tau2, low, high)
    if mean is None or between is None:
        return None
    sd, low, high = (max(v, 0.0) ** 0.5 for v in (between.estimate, between.low, between.high))
    counted = {"sd": sd, "sd_low": low, "sd_high": high, "n_managers": mean.n_clusters}
    ends = {"mean": mean.estimate, "mean_low": mean.low, "mean_high": mean.high}
    return replace(found, **ends, **counted)


def _by_manager(person_cycles: pd.DataFrame) -> pd.DataFrame:
    """Acknowledging `x` and merit `y` within cells and managers, of managers with both sides."""
    rows, keys = groups.merit_rows(person_cycles.assign(unit=None)), ["cell", "cycle"]
    rows = rows.assign(x=rows.acknowledged, y=rows.outcome, high=rows.acknowledged == 1)
    rows = rows.dropna(subset=["x", "y", "rater", *keys])
    rows = rows.assign(x=_around(rows, "x", keys), y=_around(rows, "y", keys))
    sides = rows.groupby(["rater", "high"]).person_id.nunique().unstack(fill_value=0)
    enough = sides.index[(sides >= MIN_SIDE).all(axis=1) & (sides.shape[1] == 2)]
    rows = rows[rows.rater.isin(enough)]
    return rows.assign(x=_around(rows, "x", ["rater"]), y=_around(rows, "y", ["rater"]))


@judged
def chain(study: Study) -> pd.DataFrame:
    """How learning, rating and merit go together, and the bonus beside them: a row per pair.

    Columns CHAIN, as they may be shown. Rank correlations within manager x cycle, and what learning
    explains of merit at equal cell (percent of what is left; its interval is that of the
    correlation, squared). Learning is voluntary hours, else activities. Left out is what is not
    known. Misleads as a chain: each row is a pattern of its own, and none says that one works
    through another.
    """
    rows = groups.merit_rows(study.cycles).dropna(subset=["merit", "bonus"], how="all")
    logs, found = rows.assign(learning=np.log1p(rows.learning)), []
    for pair in PAIRS:
        fit = together(rows, *pair, ["rater", "cycle"], ranks=True)
        name = ("rank correlation", " and ".join(pair))
        found.append((*name, *_ends(study, name, fit)) if fit else None)
    for other in ("merit", "bonus"):
        fit = together(logs, "learning", other, ["cell", "cycle"], ranks=False)
        name = ("percent explained at equal cell", f"learning and {other}")
        found.append((*name, *_squared(*_ends(study, name, fit))) if fit else None)
    return pd.DataFrame([row for row in found if row], columns=list(CHAIN), dtype=object)


Ends = tuple[float | None, float | None, float | None, bool]


def _ends(study: Study, name: tuple[str, str], fit: Fit) -> Ends:
    moved = study.gate.fit(": ".join(name), fit)
    if moved is None:
        return None, None, None, False
    return *(min(max(v, -1.0), 1.0) for v in (moved.estimate, moved.low, moved.high)), True


def _squared(r: float | None, low: float | None, high: float | None, shown: bool) -> Ends:
    """Percent explained, from a correlation and its interval."""
    if r is None or low is None or high is None:
        return None, None, None, shown
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    return 100 * r * r, 100 * nearest**2, 100 * max(abs(low), abs(high)) ** 2, shown


def together(
    rows: pd.DataFrame, one: str, other: str, keys: list[str], *, ranks: bool
) -> Fit | None:
    """The correlation of two columns within `keys`; None where there is none, or no interval.

    Misleads as `chain` does.
    """
    rows = rows.dropna(subset=[one, other, "rater", *keys])
    rows = rows[rows.groupby(keys)[one].transform("size") > 1]
    group = rows.groupby(keys)
    if ranks:
        rows = rows.assign(**{name: group[name].rank(pct=True) for name in (one, other)})
    x, y = (_around(rows, name, keys) for name in (one, other))
    size = np.sqrt([x @ x, y @ y])
    about = f"{one} and {other}", rows.person_id, MIN_RESIDUAL_DF, len(rows) - group.ngroups
    if not (size > 0).all() or not limits.rows(*about, is_floor=True):
        return None
    rows = rows.assign(x=x / size[0], y=y / size[1], group=group.ngroup())
    about = {"cluster": "rater", "method": "correlation"}
    return ladder.fixed_effects(rows, "y", "x", absorb="group", **about)


def _around(rows: pd.DataFrame, value: str, keys: list[str]) -> pd.Series:
    """A column less its means by `keys`, or its one mean; what is only rounding becomes zero."""
    means = rows.groupby(keys)[value].transform("mean") if keys else rows[value].mean()
    inside = rows[value] - means
    return inside.where(inside.abs() > 1e-9, 0.0)

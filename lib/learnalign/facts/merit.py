"""Merit: what of it the rating and the matrix leave open, and what that part goes with.

Everything is about person-cycles with a merit increase. "At equal cell" is at the same rating and
merit target in the same cycle (`estimates.groups` says what takes its place without a matrix, and
with too many targets).
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from learnalign.estimates import described, groups, ladder, pooling
from learnalign.estimates.checks import BLIND
from learnalign.estimates.same_manager import MIN_RESIDUAL_DF
from learnalign.estimates.samples import MOST_CELLS
from learnalign.studies import Study
from learnalign.verdicts.registry import phrases
from learnalign.verdicts.result import Fit, number, spread

QUESTIONS = {
    "learning_enabled_performance": "learning that enabled performance",
    "learning_positions_for_objectives": "learning that prepares for the objectives",
}
"""Codes: 0 no answer, 1 learning named, 2 named with evidence, 3 with evidence and a result."""

EVIDENCE = 2
MIN_SIDE = 5  # people of a manager who did, and who did not, below which the manager has no slope
MATRIX = ("rating", "target", "people", "managers", "merit", "gap", "spread")
CHAIN = ("figure", "between", "estimate", "low", "high", "people", "managers")
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
    says: tuple[str, ...]  # what follows, by its keys in the words of facts


@dataclass(frozen=True)
class Bonus:
    """Whether the bonus can serve as a control: "blind", "usable" or "an outcome of its own"."""

    case: str
    share: Fit | None  # percent left within unit, cycle and grade, company factor divided out


def matrix(person_cycles: pd.DataFrame) -> pd.DataFrame:
    """Mean merit against its target, a row per rating and target, in percent of base pay.

    Columns MATRIX; `spread` is the SD of the gap within the cell: 0 where all are alike, so that
    the mean tells each one's. Target and gap are empty where no matrix is recorded, and targets are
    rounded to whole percent where they are too many to look at. Empty without merit. Misleads when
    cycles had different matrices: a cell then mixes them.

    >>> import learnalign as la
    >>> cells = matrix(la.study("data/demo").cycles)
    >>> bool((cells.merit - cells.target - cells.gap).abs().max() < 1e-9)
    True
    """
    rows = groups.merit_rows(person_cycles).dropna(subset=["merit"])
    if rows.target.nunique() > MOST_CELLS:
        rows = rows.assign(target=rows.target.round())
    cells = rows.groupby(["rating", "target"], dropna=False).agg(
        people=("person_id", "nunique"),
        managers=("rater", "nunique"),
        merit=("merit", "mean"),
        gap=("gap", "mean"),
        spread=("gap", lambda gap: gap.std(ddof=0)),
    )
    return cells.reset_index()[list(MATRIX)]


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
    if not _around(rows, "merit", ["cycle"]).any():
        return Discretion(None, None, held, ("same for everybody",))
    left = _left_over(rows, "merit", ["cycle"], "outcome", ["cell", "cycle"])
    if left is None:
        return None
    says = (_says(left, "fixed", "differs", "fixed or not"),)
    rated = _left_over(rows, "merit", ["cycle"], "merit", ["band", "cycle"])
    if rated is not None:
        low, high = 100 - rated.high, 100 - rated.low
        rated = replace(rated, estimate=100 - rated.estimate, low=low, high=high)
        says += (_says(rated, "not by rating", "by rating", "by rating or not"),)
    return Discretion(left, rated, held, says)


def _says(fit: Fit, below: str, above: str, unclear: str) -> str:
    mark = 100 * BLIND
    return below if fit.high < mark else above if fit.low >= mark else unclear


def _left_over(
    rows: pd.DataFrame, whole: str, base: list[str], value: str, held: list[str]
) -> Fit | None:
    """Percent of the variance of `whole` by `base` that `value` has around its means by `held`."""
    size, inside = _around(rows, whole, base) ** 2, _around(rows, value, held) ** 2
    free = [len(rows) - (rows.groupby(keys).ngroups if keys else 1) for keys in (base, held)]
    if min(free) < MIN_RESIDUAL_DF or not size.sum() > 0:
        return None
    if inside.any():
        inside = inside * min(free[0] / free[1], size.sum() / inside.sum())
    sums = pd.DataFrame({"inside": 100 * inside, "size": size}).groupby(rows.rater).sum()
    fit = described.mean(sums.inside, sums.index, sums.index, of=sums["size"], by=rows.by.iloc[0])
    low, high = np.clip([fit.low, fit.high], 0, 100).tolist()
    counts = {"n_rows": len(rows), "n_people": rows.person_id.nunique(), "n_people_smaller": None}
    method = f"share of variance, clustered by {rows.by.iloc[0]}"
    return replace(fit, **counts, method=method, low=low, high=high)


def in_words(found: Discretion | None) -> str:
    """What merit leaves open, as a title: how much of it nothing fixes, and what follows."""
    words = phrases("facts")["merit"]
    if found is None or found.share is None:
        return words["not known"]
    left = f"{number(found.share.estimate)} % ({spread(found.share.low, found.share.high)})"
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
    if len(rows) < len(paid) / 2 or rows.rater.nunique() < 2:
        return None
    share = _left_over(rows, "bonus", [], "bonus", ["unit", "cycle", "grade"])
    blind = share is None or share.estimate < 100 * BLIND
    case = "an outcome of its own" if rewards_individual else "blind" if blind else "usable"
    return Bonus(case, share)


def bonus_in_words(study: Study) -> str:
    """The caption of `chain`: what the bonus beside merit can show."""
    found = bonus(study.cycles, study.dataset.meta.bonus_rewards_individual)
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


def over_managers(
    person_cycles: pd.DataFrame, *, smallest: float
) -> tuple[pooling.Spread | None, str]:
    """How managers differ in what merit goes with: the distribution of their slopes, in points.

    Of who acknowledged against who did not, at equal cell. The company's cell x cycle means are
    taken out, then a slope per manager over all cycles; standard errors share one spread of
    residuals, alike within persons, as a manager's own would be guesses from a few people. At least
    20 managers with 5 people on each side, else None and the reason; units do not stand in. Never a
    ranking (METHODS 5, row 11).

    Misleads when managers' people differ in what moves merit and acknowledging, and where
    `smallest` is tiny.

    >>> import learnalign as la
    >>> spread, why = over_managers(la.study("data/demo").cycles, smallest=0.1)
    >>> spread.n_managers >= 20, why
    (True, '')
    """
    rows, words = _by_manager(person_cycles), phrases("facts")["over managers"]
    sums = pd.DataFrame({"xx": rows.x**2, "xy": rows.x * rows.y}).groupby(rows.rater).sum()
    sums = sums[sums.xx > 1e-9]
    if len(sums) < pooling.MIN_POOLED:
        told = {"found": len(sums), "side": MIN_SIDE, "needed": pooling.MIN_POOLED}
        return None, words["too few"].format(**told)
    slopes = sums.xy / sums.xx
    left = rows.y - rows.rater.map(slopes) * rows.x
    scores = (rows.x * left).groupby([rows.rater, rows.person_id]).sum()
    noise = (scores @ scores) / sums.xx.sum() * len(scores) / (len(scores) - 2 * len(sums))
    if not noise > 1e-12:
        return None, words["no difference"]
    return pooling.distribution(slopes, np.sqrt(noise / sums.xx), smallest=smallest), ""


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


def chain(person_cycles: pd.DataFrame) -> pd.DataFrame:
    """How learning, rating and merit go together, and the bonus beside them: a row per pair.

    Columns CHAIN. Rank correlations within manager x cycle, and what learning explains of merit at
    equal cell (percent of what is left; its interval is that of the correlation, squared). Learning
    is voluntary hours, else activities. Blank where nothing is known; empty without merit and
    bonus. Misleads as a chain: each row is a pattern of its own, and none says that one works
    through another.
    """
    rows = groups.merit_rows(person_cycles).dropna(subset=["merit", "bonus"], how="all")
    logs, found = rows.assign(learning=np.log1p(rows.learning)), []
    for pair in PAIRS:
        row = _together(rows, *pair, ["rater", "cycle"], ranks=True)
        found.append(("rank correlation", " and ".join(pair), *row))
    for other in ("merit", "bonus"):
        r, low, high, *counts = _together(logs, "learning", other, ["cell", "cycle"], ranks=False)
        nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        percent = [100 * value**2 for value in (r, nearest, max(abs(low), abs(high)))]
        found.append(
            ("percent explained at equal cell", f"learning and {other}", *percent, *counts)
        )
    table = pd.DataFrame(found, columns=list(CHAIN))
    return table[table.people > 0].reset_index(drop=True)


def _together(rows: pd.DataFrame, one: str, other: str, keys: list[str], *, ranks: bool) -> tuple:
    """Correlation of two columns within `keys`, its interval, people and managers behind it."""
    rows = rows.dropna(subset=[one, other, "rater", *keys])
    rows = rows[rows.groupby(keys)[one].transform("size") > 1]
    counts, group = (rows.person_id.nunique(), rows.rater.nunique()), rows.groupby(keys)
    if ranks:
        rows = rows.assign(**{name: group[name].rank(pct=True) for name in (one, other)})
    x, y = (_around(rows, name, keys) for name in (one, other))
    size = np.sqrt([x @ x, y @ y])
    if not (size > 0).all() or len(rows) - group.ngroups < MIN_RESIDUAL_DF:
        return np.nan, np.nan, np.nan, *counts
    rows = rows.assign(x=x / size[0], y=y / size[1], group=group.ngroup())
    r, about = float(rows.x @ rows.y), {"cluster": "rater", "method": "correlation"}
    fit = ladder.fixed_effects(rows, "y", "x", absorb="group", **about)
    if fit is None:
        return r, np.nan, np.nan, *counts
    return r, max(fit.low, -1.0), min(fit.high, 1.0), *counts


def _around(rows: pd.DataFrame, value: str, keys: list[str]) -> pd.Series:
    """A column less its means by `keys`, or its one mean; what is only rounding becomes zero."""
    means = rows.groupby(keys)[value].transform("mean") if keys else rows[value].mean()
    inside = rows[value] - means
    return inside.where(inside.abs() > 1e-9, 0.0)

"""Merit: what of it the rating and the matrix leave open, and what that part goes with.

Everything is about person-cycles with a merit increase. "At equal cell" is at the same rating and
merit target in the same cycle; where no merit matrix is recorded the rating alone is held equal,
and the results say so. Where targets are so many that hardly anybody shares one, merit less its
target is compared at equal rating, and ratings on a scale so fine are compared in twentieths.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from learnalign.data.reading import DataSet
from learnalign.estimates import described, groups, ladder, pooling
from learnalign.estimates.checks import BLIND
from learnalign.estimates.core import MIN_RESIDUAL_DF
from learnalign.estimates.samples import MOST_CELLS
from learnalign.verdicts.result import Fit, number, spread

QUESTIONS = {
    "learning_enabled_performance": "learning that enabled performance",
    "learning_positions_for_objectives": "learning that prepares for the objectives",
}
ANSWERED, EVIDENCE = 1, 2
"""The two questions' codes: 0 no answer, 1 learning named, 2 named with evidence, 3 with evidence
and a result.
"""

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
FIXED = "merit cannot reward or punish anything except through the rating"
BONUS = {
    "blind": "a formula sets the bonus: it can show nothing",
    "usable": "the bonus differs within unit, cycle and grade: it can serve as a control",
    "an outcome of its own": "the bonus rewards individuals here: it is no control",
}


@dataclass(frozen=True)
class Discretion:
    """How much of merit is not fixed, in percent of its variance within cycles and in points, and
    that in words.
    """

    share: Fit | None  # percent of merit's variance that is left at equal cell
    spread: Fit | None  # SD of merit at equal cell, in percentage points
    by_rating: Fit | None  # percent of merit's variance that goes with the rating
    # "rating" where no matrix is recorded; with too many targets "rating, merit less its target"
    held: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Bonus:
    """Whether the bonus can serve as a control: "blind", "usable" or "an outcome of its own", and
    why.
    """

    case: str
    share: (
        Fit | None
        # percent of the bonus's variance left within unit, cycle and grade, company factor divided
        # out
    )
    words: str


def matrix(person_cycles: pd.DataFrame) -> pd.DataFrame:
    """Mean merit against its target, a row per rating and target, in percent of base pay.

    Columns MATRIX; `spread` is the SD of the gap within the cell: 0 where all are alike, so that
    the mean tells each one's. Target and gap are empty where no matrix is recorded, and targets are
    rounded to whole percent where they are too many to look at. Empty without merit. Misleads when
    cycles had different matrices: a cell then mixes them.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> cells = matrix(linking.link(datasets.read("data/demo")).person_cycles)
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


def discretion(person_cycles: pd.DataFrame) -> Discretion | None:
    """The share of merit's variance, within cycles, that rating and matrix cell do not fix, and
    what follows.

    Percent, adjusted for the number of cells; intervals are linearised by manager, where a
    bootstrap's would hang on the managers' names. With the whole interval below 5 % merit can
    reward or punish through the rating alone (METHODS 3, Q3); so small a share that goes with the
    rating is said too. None without merit or with too few people.

    Misleads without a matrix: what depends on the place in the salary range then looks like
    discretion. Rounding of merit looks like it too, and a mistaken rating does not.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> discretion(linking.link(datasets.read("data/demo")).person_cycles).held
    'rating and matrix cell'
    """
    rows = groups.merit_rows(person_cycles).dropna(subset=["merit", "outcome", "cell", "rater"])
    if rows.rater.nunique() < 2:
        return None
    held = rows.held.iloc[0]
    if not _around(rows, "merit", ["cycle"]).any():
        return Discretion(None, None, None, held, ("merit is the same for everybody in a cycle",))
    left = _left_over(rows, "merit", ["cycle"], "outcome", ["cell", "cycle"])
    if left is None:
        return None
    words = [
        _say(
            left,
            FIXED,
            f"merit differs at equal {held}",
            "whether merit is fixed by the rating is not clear",
        )
    ]
    rated = _left_over(rows, "merit", ["cycle"], "merit", ["band", "cycle"])
    if rated is not None:
        rated = replace(
            rated, estimate=100 - rated.estimate, low=100 - rated.high, high=100 - rated.low
        )
        words.append(
            _say(
                rated,
                "merit does not vary with the rating",
                "merit varies with the rating",
                "whether merit varies with the rating is not clear",
            )
        )
    return Discretion(left, _spread(rows), rated, held, tuple(words))


def _say(fit: Fit, below: str, above: str, unclear: str) -> str:
    mark = 100 * BLIND
    return below if fit.high < mark else above if fit.low >= mark else unclear


def _left_over(
    rows: pd.DataFrame, whole: str, base: list[str], value: str, held: list[str]
) -> Fit | None:
    """Percent of the variance of `whole` around its means by `base` that `value` has around its own
    by `held`.
    """
    size, inside = _around(rows, whole, base) ** 2, _around(rows, value, held) ** 2
    free = [len(rows) - (rows.groupby(keys).ngroups if keys else 1) for keys in (base, held)]
    if min(free) < MIN_RESIDUAL_DF or not size.sum() > 0:
        return None
    if inside.any():
        inside = inside * min(free[0] / free[1], size.sum() / inside.sum())
    sums = pd.DataFrame({"inside": 100 * inside, "size": size}).groupby(rows.rater).sum()
    by = rows.by.iloc[0]
    fit = described.mean(sums.inside, sums.index, sums.index, of=sums["size"], by=by)
    low, high = np.clip([fit.low, fit.high], 0, 100).tolist()
    return _counted(fit, rows, "share of variance", low=low, high=high)


def _spread(rows: pd.DataFrame) -> Fit:
    """The SD of merit at equal cell, from the mean of squares."""
    free = 1 - rows.groupby(["cell", "cycle"]).ngroups / len(rows)
    fit = described.mean(
        _around(rows, "outcome", ["cell", "cycle"]) ** 2 / free,
        rows.person_id,
        rows.rater,
        by=rows.by.iloc[0],
    )
    sd, low, high = np.sqrt(np.maximum([fit.estimate, fit.low, fit.high], 0)).tolist()
    error = fit.std_error / (2 * sd) if sd > 0 else 0.0
    return _counted(fit, rows, "SD at equal cell", estimate=sd, low=low, high=high, std_error=error)


def _counted(fit: Fit, rows: pd.DataFrame, what: str, **also: float) -> Fit:
    counts = {"n_rows": len(rows), "n_people": rows.person_id.nunique(), "n_people_smaller": None}
    return replace(fit, **counts, method=f"{what}, clustered by {rows.by.iloc[0]}", **also)


def in_words(found: Discretion | None) -> str:
    """What merit leaves open, as a title: how much of it the rating and the cell do not fix, and
    what follows.
    """
    if found is None or found.share is None:
        return (
            "How much merit leaves open is not known: it is not recorded, does not vary, "
            "or is of too few people"
        )
    left = f"{number(found.share.estimate)} % ({spread(found.share.low, found.share.high)})"
    more = [words[:1].upper() + words[1:] for words in found.words]
    return ". ".join([f"At equal {found.held}, {left} of what merit varies is left", *more])


def bonus(person_cycles: pd.DataFrame, rewards_individual: bool) -> Bonus | None:
    """The bonus's pre-check: how much of it, net of the company factor, is left within unit, cycle
    and grade.

    With less than 5 % of its variance left a formula sets it and it is blind: as a control it would
    pass whatever is wrong (METHODS 5, row 14). The rule and the mark are the bonus control's. None
    where less than half of those with merit have one. Misleads when bonuses are rounded, or where
    most cells hold one person.
    """
    paid = groups.merit_rows(person_cycles).dropna(subset=["merit", "rater"])
    rows = paid.dropna(subset=["bonus"])
    if len(rows) < len(paid) / 2 or rows.rater.nunique() < 2:
        return None
    share = _left_over(rows, "bonus", [], "bonus", ["unit", "cycle", "grade"])
    blind = share is None or share.estimate < 100 * BLIND
    case = "an outcome of its own" if rewards_individual else "blind" if blind else "usable"
    return Bonus(case, share, BONUS[case])


def bonus_in_words(person_cycles: pd.DataFrame, rewards_individual: bool) -> str:
    """The caption of `chain`: what the bonus beside merit can show."""
    found = bonus(person_cycles, rewards_individual)
    return "How far two things go together" + (
        "; no bonus is recorded" if found is None else f"; {found.words}"
    )


def questions(dataset: DataSet, person_cycles: pd.DataFrame) -> dict[str, Fit]:
    """How often managers answered each of the two merit questions, and with evidence: percent of
    person-cycles.

    Answered is a code of 1 or more, with evidence 2 or more. Empty where the questions are not
    recorded. Misleads when an answer is recorded only for those who get more: what is empty is left
    out, not counted as no answer.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> data = datasets.read("data/demo")
    >>> len(questions(data, linking.link(data).person_cycles))
    5
    """
    rows = _coded(dataset, person_cycles)
    facts = {}
    for name, words in QUESTIONS.items():
        facts[f"{words}: answered"] = rows[name].ge(ANSWERED).where(rows[name].notna())
        facts[f"{words}: answered with evidence"] = (
            rows[name].ge(EVIDENCE).where(rows[name].notna())
        )
    lower = rows[list(QUESTIONS)].min(axis=1, skipna=False)
    facts["both questions answered with evidence"] = lower.ge(EVIDENCE).where(lower.notna())
    by = "".join(rows.by.head(1))
    found = {
        key: described.share(yes, rows.person_id, rows.rater, by=by) for key, yes in facts.items()
    }
    return {key: fit for key, fit in found.items() if fit is not None}


def follows(dataset: DataSet, person_cycles: pd.DataFrame) -> dict[str, Fit]:
    """Difference in merit (percentage points) per point of each question's code, at equal cell and
    same manager.

    Within manager x cycle, with the matrix cell held equal. A question that cannot be compared is
    left out. Misleads when managers write the answer to fit the merit they had in mind: it is coded
    at the same time.
    """
    rows = _coded(dataset, person_cycles)
    found = {}
    for name, words in QUESTIONS.items():
        fit = groups.difference(
            rows.assign(x=rows[name], side=rows[name] >= EVIDENCE), same_manager=True
        )
        found |= {words: fit} if fit else {}
    return found


def _coded(dataset: DataSet, person_cycles: pd.DataFrame) -> pd.DataFrame:
    rewards = dataset.tables["rewards"]
    codes = rewards.select("person_id", "cycle", *QUESTIONS).execute()
    rows = groups.merit_rows(person_cycles)
    coded = rows.merge(codes, how="left", on=["person_id", "cycle"])
    return coded.assign(**{name: pd.to_numeric(coded[name]).astype(float) for name in QUESTIONS})


def over_managers(
    person_cycles: pd.DataFrame, *, smallest: float
) -> tuple[pooling.Spread | None, str]:
    """How managers differ in what merit goes with: the distribution of their slopes, in percentage
    points.

    Of who acknowledged against who did not, at equal cell. Cell x cycle means of the company are
    taken out first, then a slope per manager over all cycles; standard errors share one spread of
    residuals, alike within persons, as a manager's own would be guesses from a few people. Managers
    with at least 5 people on each side; at least 20 of them, else None and the reason; units do not
    stand in. Never a ranking (METHODS 5, row 11).

    Misleads when managers' people differ in what moves merit and acknowledging, and where
    `smallest` is tiny.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> spread, why = over_managers(linking.link(datasets.read("data/demo")).person_cycles, smallest=0.1)
    >>> spread.n_managers >= 20, why
    (True, '')
    """
    rows, keys = groups.merit_rows(person_cycles.assign(unit=None)), ["cell", "cycle"]
    rows = rows.assign(x=rows.acknowledged, y=rows.outcome, high=rows.acknowledged == 1)
    rows = rows.dropna(subset=["x", "y", "rater", *keys])
    rows = rows.assign(x=_around(rows, "x", keys), y=_around(rows, "y", keys))
    sides = rows.groupby(["rater", "high"]).person_id.nunique().unstack(fill_value=0)
    enough = sides.index[(sides >= MIN_SIDE).all(axis=1) & (sides.shape[1] == 2)]
    rows = rows[rows.rater.isin(enough)]
    rows = rows.assign(x=_around(rows, "x", ["rater"]), y=_around(rows, "y", ["rater"]))
    sums = pd.DataFrame({"xx": rows.x**2, "xy": rows.x * rows.y}).groupby(rows.rater).sum()
    sums = sums[sums.xx > 1e-9]
    if len(sums) < pooling.MIN_POOLED:
        enough = f"{MIN_SIDE} people or more on each side"
        return (
            None,
            f"{len(sums)} of the managers have {enough}, and {pooling.MIN_POOLED} are needed",
        )
    slopes = sums.xy / sums.xx
    left = rows.y - rows.rater.map(slopes) * rows.x
    scores = (rows.x * left).groupby([rows.rater, rows.person_id]).sum()
    noise = (scores @ scores) / sums.xx.sum() * len(scores) / (len(scores) - 2 * len(sums))
    if not noise > 1e-12:
        return None, "merit does not differ beyond what is held equal"
    return pooling.distribution(slopes, np.sqrt(noise / sums.xx), smallest=smallest), ""


def chain(person_cycles: pd.DataFrame) -> pd.DataFrame:
    """How learning, rating and merit go together, and the bonus beside them: a row per pair,
    columns CHAIN.

    Rank correlations within manager x cycle, and what learning explains of merit at equal cell
    (percent of what is left; its interval is that of the correlation, squared). Learning is
    voluntary hours, else activities. Blank where nothing is known; empty without merit and bonus.
    Misleads as a chain: each row is a pattern of its own, and none says that one works through
    another.
    """
    rows = groups.merit_rows(person_cycles).dropna(subset=["merit", "bonus"], how="all")
    found = [
        (
            "rank correlation",
            f"{one} and {other}",
            *_together(rows, one, other, ["rater", "cycle"], ranks=True),
        )
        for one, other in PAIRS
    ]
    logs = rows.assign(learning=np.log1p(rows.learning))
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
    """Correlation of what two columns have within `keys`, its interval, people and managers behind
    it.
    """
    rows = rows.dropna(subset=[one, other, "rater", *keys])
    rows = rows[rows.groupby(keys)[one].transform("size") > 1]
    counts = rows.person_id.nunique(), rows.rater.nunique()
    if ranks:
        rows = rows.assign(
            **{name: rows.groupby(keys)[name].rank(pct=True) for name in (one, other)}
        )
    x, y = (_around(rows, name, keys) for name in (one, other))
    size = np.sqrt([x @ x, y @ y])
    if not (size > 0).all() or len(rows) - rows.groupby(keys).ngroups < MIN_RESIDUAL_DF:
        return np.nan, np.nan, np.nan, *counts
    rows = rows.assign(x=x / size[0], y=y / size[1], group=rows.groupby(keys).ngroup())
    r = float(rows.x @ rows.y)
    try:
        fit = ladder.fixed_effects(
            rows, "y", "x", absorb="group", cluster="rater", method="correlation"
        )
    except ValueError:
        return r, np.nan, np.nan, *counts
    return r, max(fit.low, -1.0), min(fit.high, 1.0), *counts


def _around(rows: pd.DataFrame, value: str, keys: list[str]) -> pd.Series:
    """A column less its means by `keys`, or less its one mean; what is only rounding becomes zero."""
    means = rows.groupby(keys)[value].transform("mean") if keys else rows[value].mean()
    inside = rows[value] - means
    return inside.where(inside.abs() > 1e-9, 0.0)

"""Samples: for each measure the person-cycles that can be compared, what is held equal, and who
fell out.

Ratings are in SD of their own cycle, merit in percentage points. Where no rater is recorded the
unit stands in for the manager. Nothing is estimated here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from learnalign.estimates.described import raters
from learnalign.estimates.ladder import within
from learnalign.verdicts.result import ATTRITION, TOO_FEW_CLUSTERS

MIN_RESIDUAL_DF = 10  # fewer, and a published regression could be solved for single people
PRIOR_SHARE = (
    1 / 3
)  # a prior rating is held equal when it leaves at least so much of those who could be compared
MOST_OF_A_THIRD = 0.45
MOST_CELLS = 60  # of rating and merit target; with more, hardly anybody is in the same
MIN_GRADE = 10  # rarer grades are held equal together
WINDOWS = ("", "_next", "_previous", "_previous_2")
MISSING = (
    1 / 3
)  # of the reviews of a cycle: with more, who is recorded may say more than who did it


@dataclass(frozen=True)
class Prepared:
    """All person-cycles in one measure's terms (outcome, exposure, groups), or the reason why there
    are none.
    """

    frame: pd.DataFrame | None
    notes: tuple[str, ...] = ()
    noun: str = ""  # what a slope's amount is counted in
    reason: str = ""
    held: tuple[str, ...] = ()  # columns held equal besides prior ratings
    at_equal_rating: bool = False


@dataclass(frozen=True)
class Sample:
    """Person-cycles that an adjusted comparison can use, what it holds equal, and the account of
    the others.
    """

    rows: pd.DataFrame
    priors: tuple[str, ...]
    held: tuple[str, ...]
    rater: str  # "manager" or "unit"
    at_equal_rating: bool = False
    account: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ATTRITION)))

    def controls(self, rows: pd.DataFrame | None = None, also: Sequence[str] = ()) -> list[str]:
        """The columns held equal, without those that say nothing more within managers and cycles."""
        if rows is None and not also:
            return self._own_controls
        rows = self.rows if rows is None else rows
        return independent(rows, [*self.priors, *also, *self.held], "rater_cycle")

    def too_thin(self, rows: pd.DataFrame | None = None) -> bool:
        """Whether so few are left that nothing can be said, or that single people could be worked
        out.
        """
        controls, rows = self.controls(rows), self.rows if rows is None else rows
        return residual_df(rows, controls) < MIN_RESIDUAL_DF or rows.rater.nunique() < 2

    @cached_property
    def _own_controls(self) -> list[str]:
        """The sample's own, which nearly every fit and check asks for."""
        return independent(self.rows, [*self.priors, *self.held], "rater_cycle")


# --- one frame per measure: outcome, priors, groups, exposure


def prepare(measure: str, cycles: pd.DataFrame) -> Prepared:
    """Outcome, exposure, prior ratings and groups of one measure for every person-cycle."""
    return _PREPARE[measure](cycles)


def _learning_to_rating(cycles: pd.DataFrame) -> Prepared:
    def exposure(amount: pd.Series) -> pd.Series:
        return log_sd(amount, cycles.cycle)

    return _learning(cycles, _rated(cycles), exposure)


def _learning_to_merit(cycles: pd.DataFrame) -> Prepared:
    """The third of the cycle with most voluntary hours against the rest, at equal rating and matrix
    cell.
    """

    def exposure(amount: pd.Series) -> pd.Series:
        edge = amount.groupby(cycles.cycle).transform(lambda hours: hours.quantile(2 / 3))
        at_edge = ((amount >= edge) & (amount > 0)).astype(float).where(amount.notna())
        share = at_edge.groupby(cycles.cycle).transform(
            "mean"
        )  # many at the edge itself: then only those beyond it
        return at_edge.mask((share > MOST_OF_A_THIRD) & (amount == edge), 0.0)

    return _learning(cycles, _paid(cycles, at_equal_rating=True), exposure)


def _learning(
    cycles: pd.DataFrame, base: Prepared, exposure: Callable[[pd.Series], pd.Series]
) -> Prepared:
    hours = cycles.voluntary_hours.notna().any()
    name, noun = ("voluntary_hours", "hours") if hours else ("voluntary_activities", "activities")
    amount = pd.to_numeric(cycles[name])
    if base.frame is None or not amount.notna().any():
        return Prepared(None, reason=base.reason or "no learning")
    exposures = {f"exposure{w}": exposure(pd.to_numeric(cycles[f"{name}{w}"])) for w in WINDOWS}
    notes = [] if hours else ["no hours are recorded: the number of activities stands in for them"]
    if not (cycles.required_activities > 0).any():
        notes.append("no learning is marked as required: all of it counts as voluntary")
    early = pd.to_numeric(cycles[f"{name}_early_next"])
    frame = base.frame.assign(exposed=amount > 0, amount=amount, early=_any(early), **exposures)
    return Prepared(frame, (*base.notes, *notes), noun, "", base.held, base.at_equal_rating)


def _acknowledging(cycles: pd.DataFrame, base: Prepared) -> Prepared:
    counts = {w: pd.to_numeric(cycles[f"acknowledgements{w}"]) for w in WINDOWS}
    if base.frame is None or not counts[""].notna().any():
        return Prepared(None, reason=base.reason or "no acknowledgements")
    exposures = {f"exposure{w}": _any(n) for w, n in counts.items()}
    early = _any(pd.to_numeric(cycles.acknowledgements_early_next))
    frame = base.frame.assign(exposed=counts[""] > 0, amount=counts[""], early=early, **exposures)
    return Prepared(frame, base.notes, "", "", base.held, base.at_equal_rating)


_PREPARE: dict[str, Callable[[pd.DataFrame], Prepared]] = {
    "learning_to_rating": _learning_to_rating,
    "acknowledging_to_rating": lambda c: _acknowledging(c, _rated(c)),
    "acknowledging_to_merit_total": lambda c: _acknowledging(c, _paid(c)),
    "acknowledging_to_merit_at_equal_rating": lambda c: _acknowledging(
        c, _paid(c, at_equal_rating=True)
    ),
    "learning_to_merit_at_equal_rating": _learning_to_merit,
}
MEASURED = tuple(_PREPARE)


def _any(count: pd.Series) -> pd.Series:
    return (count > 0).astype(float).where(count.notna())


def _rated(cycles: pd.DataFrame) -> Prepared:
    frame = _frame(cycles)
    return Prepared(frame.assign(outcome=frame.rating_sd), held=tuple(_held(frame)))


def _paid(cycles: pd.DataFrame, *, at_equal_rating: bool = False) -> Prepared:
    """Merit in percentage points; at equal rating also the cell of the merit matrix (else the
    rating) is held.
    """
    merit = pd.to_numeric(cycles.merit_pct)
    if not merit.notna().any():
        return Prepared(None, reason="no merit data")
    frame = _frame(cycles, compa_ratio=cycles.compa_ratio)
    frame = frame.assign(
        outcome=merit,
        bonus=pd.to_numeric(cycles.bonus_net_pct),
        unit=cycles.unit,
        gap=pd.to_numeric(cycles.merit_gap_pct),
        grade=cycles.grade.fillna("?"),
    )
    notes = []
    if not pd.to_numeric(cycles.compa_ratio).notna().any():
        notes.append(
            "no place in the salary range (compa-ratio) is recorded: merit that depends on "
            "it is not held apart"
        )
    if at_equal_rating:
        cell, note = _cells(cycles)
        frame = frame.assign(cell=cell.where(merit.notna()))
        if cell.nunique() <= MOST_CELLS:
            frame = pd.concat([frame, _dummies(frame.cell.fillna("none"), "cell")], axis=1)
        else:
            note = (
                "rating and merit target have too many values to compare within each: "
                "they are held equal as numbers"
            )
            numbers = {"rating": cycles.rating, "target": pd.to_numeric(cycles.merit_target_pct)}
            frame = pd.concat(
                [frame.assign(cell=0), *(_filled(f"cell_{k}", x) for k, x in numbers.items())],
                axis=1,
            )
        notes += [note] if note else []
    return Prepared(frame, tuple(notes), held=tuple(_held(frame)), at_equal_rating=at_equal_rating)


def _cells(cycles: pd.DataFrame) -> tuple[pd.Series, str]:
    """The cell of the merit matrix of every person-cycle, else the rating, and what to say of that."""
    if cycles.matrix_cell.notna().any():
        return cycles.matrix_cell, ""
    return cycles.rating.astype(str), "no merit matrix is recorded: the rating alone is held equal"


def _held(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame if name.startswith("held_")]


def _frame(cycles: pd.DataFrame, **also: pd.Series) -> pd.DataFrame:
    """Ratings in SD of their own cycle, groups, and the role: grade, tenure and hours of work,
    where recorded.
    """
    by_cycle = cycles.groupby("cycle").rating
    mean, spread = by_cycle.mean(), by_cycle.std(ddof=0).replace(0, np.nan)

    def in_sd(rating: pd.Series, cycle: pd.Series) -> pd.Series:
        return (rating - cycle.map(mean).astype(float)) / cycle.map(spread).astype(float)

    rater, by = raters(cycles)
    tenure = np.log1p(pd.to_numeric(cycles.tenure_years).clip(lower=0))
    role = {"tenure": tenure, "fte": pd.to_numeric(cycles.fte)} | {
        name: pd.to_numeric(x) for name, x in also.items()
    }
    frame = pd.DataFrame(
        {
            "person_id": _numbered(cycles.person_id),
            "cycle": cycles.cycle,
            "rater": _numbered(rater),
            "rater_cycle": _numbered(rater + "|" + cycles.cycle),
            "by": by,
            "rating": cycles.rating,
            "rating_sd": in_sd(cycles.rating, cycles.cycle),
            "prior_1": in_sd(cycles.rating_prior_1, cycles.cycle_prior_1),
            "prior_2": in_sd(cycles.rating_prior_2, cycles.cycle_prior_2),
            "reviewed_next": cycles.reviewed_next.astype("boolean").astype("Float64"),
        }
    )
    grades = _dummies(common(cycles.grade, MIN_GRADE), "grade")
    return pd.concat([frame, *(_filled(name, x) for name, x in role.items()), grades], axis=1)


def _numbered(names: pd.Series) -> pd.Series:
    """Names as numbers, which group much faster; a missing one stays missing."""
    codes = pd.Series(pd.factorize(names)[0], names.index)
    return codes if (codes >= 0).all() else codes.where(codes >= 0)


def _filled(name: str, value: pd.Series) -> pd.DataFrame:
    """A number to hold equal: where it is missing, the mean and a mark that it is missing."""
    if not value.notna().any():
        return pd.DataFrame(index=value.index)
    columns = {f"held_{name}": value.fillna(value.mean()).astype(float)}
    if value.isna().any():
        columns[f"held_{name}_missing"] = value.isna().astype(float)
    return pd.DataFrame(columns)


def common(names: pd.Series, least: int) -> pd.Series:
    """The names that stand in `least` rows or more; the others, however many, are held equal
    together as "rare".
    """
    names = names.astype("object").where(names.notna(), "none")
    return names.where(names.map(names.value_counts()) >= least, "rare").astype(str)


def _dummies(values: pd.Series, name: str) -> pd.DataFrame:
    table = pd.get_dummies(values.astype(str), dtype=float, drop_first=True)
    return table.set_axis([f"held_{name}_{i}" for i in range(table.shape[1])], axis=1)


def log_sd(amount: pd.Series, cycle: pd.Series) -> pd.Series:
    """log(1 + amount) in SD of the cycle; zero in a cycle in which everybody has the same."""
    logs = np.log1p(amount)
    by_cycle = logs.groupby(cycle)
    centred, spread = logs - by_cycle.transform("mean"), by_cycle.transform("std", ddof=0)
    return (centred / spread.where(spread > 0)).mask(spread == 0, 0.0)


# --- who can be compared


def comparable(measure: str, prepared: Prepared) -> Sample:
    """The sample of the adjusted comparison: two prior ratings where people have them, else one,
    else none.

    Never at the price of nearly everybody: a handful who have them must not speak for the rest.
    """
    options: list[tuple[str, ...]] = [(), ("prior_1",), ("prior_1", "prior_2")]
    chosen = _sample(measure, prepared, options[0])
    for priors in options[1:]:
        kept = _sample(measure, prepared, priors)
        if kept.too_thin() or len(kept.rows) < PRIOR_SHARE * len(chosen.rows):
            break
        chosen = kept
    return chosen


def _sample(measure: str, prepared: Prepared, priors: tuple[str, ...]) -> Sample:
    """Person-cycles that the adjusted model can use, and the account of the others.

    Where everybody under a manager did the same, nobody tells what doing it goes with: such rows
    would only make the comparison look larger than it is, and its interval safer.
    """
    frame = prepared.frame
    is_merit = "bonus" in frame
    steps = [
        ("no_exposure", "the exposure is not recorded", "exposure"),
        ("no_reward", "no merit increase is recorded", "outcome")
        if is_merit
        else ("no_spread", "everybody in the cycle has the same rating", "outcome"),
        ("no_cell", "no cell of the merit matrix is known", "cell"),
        ("no_rater", "no manager recorded", "rater"),
        ("no_prior", "no prior rating to compare with", "prior_1"),
        ("one_prior", "only one prior rating", "prior_2"),
    ]
    left, account = (
        frame,
        [(measure, "read", "person-cycles", 0, 0, len(frame), frame.person_id.nunique())],
    )
    for key, reason, column in steps:
        if column not in frame or (column.startswith("prior") and column not in priors):
            continue
        left = drop(left, left[column].isna(), (measure, key, reason), account)
    alone = left.groupby("rater_cycle").rater_cycle.transform("size") == 1
    left = drop(
        left,
        alone,
        (measure, "alone", "nobody else to compare with under the same manager"),
        account,
    )
    same = ~differs_within(left, "exposure")
    left = drop(
        left,
        same,
        (measure, "no_difference", "everybody under the same manager did the same"),
        account,
    )
    rater = "unit" if frame.by.eq("unit").any() else "manager"
    account = pd.DataFrame(account, columns=list(ATTRITION))
    return Sample(left, priors, prepared.held, rater, prepared.at_equal_rating, account)


def drop(
    frame: pd.DataFrame, drops: pd.Series, names: tuple[str, str, str], account: list
) -> pd.DataFrame:
    """The rows that stay; a row of ATTRITION goes into `account` (measure, key and reason are its
    `names`).
    """
    gone, left = frame[drops], frame[~drops]
    account.append(
        (*names, len(gone), gone.person_id.nunique(), len(left), left.person_id.nunique())
    )
    return left


def why_no_estimate(sample: Sample) -> str:
    """A key of `verdicts.REASONS` when the sample cannot carry an estimate; else empty."""
    if sample.too_thin():
        return "too few"
    if sample.rows.rater.nunique() <= TOO_FEW_CLUSTERS:
        return "three raters"
    if sample.at_equal_rating and not _left_over(sample):
        return "no discretion"
    return ""


def _left_over(sample: Sample) -> bool:
    """Whether merit varies at all within a cell of the matrix and a cycle, or around what the
    matrix gives.
    """
    if sample.rows.gap.notna().all() and sample.rows.gap.abs().max() < 1e-6:
        return False
    by_cell = sample.rows.groupby(["cell", "cycle"]).outcome
    return bool((by_cell.transform("max") - by_cell.transform("min") > 1e-6).any())


def nothing_to_compare(prepared: Prepared) -> str:
    """A key of `verdicts.REASONS` when not even a raw figure can be had; else empty."""
    frame = prepared.frame
    known = frame.dropna(subset=["exposure", "outcome", "rater"])
    if frame.outcome.isna().all():
        return "one rating"
    if "bonus" not in frame and frame.rating.nunique() == 2:
        return "two ratings"
    if frame.exposure.nunique() < 2:
        return "one group"
    if _missing_share(frame) > MISSING:
        return "missing exposure"
    if known.exposure.nunique() < 2:
        return "too few"
    if known.outcome.nunique() < 2:
        return "one merit" if "bonus" in frame else "one rating"
    return "one rater" if known.rater.nunique() < 2 else ""


def _missing_share(frame: pd.DataFrame) -> float:
    """The share of reviews without a known exposure, in the cycles in which it was recorded at all."""
    recorded = frame.exposure.groupby(frame.cycle).transform("count") > 0
    return float(frame.exposure[recorded].isna().mean())


def residual_df(rows: pd.DataFrame, controls: Sequence[str]) -> int:
    """Rows less everything that is fitted: managers and cycles, what is held equal, the exposure."""
    return len(rows) - rows.rater_cycle.nunique() - len(controls) - 1


def people_in_the_smaller(rows: pd.DataFrame) -> int:
    """The people in the smaller of the compared groups; for a slope, those with any exposure at
    all.
    """
    exposed = rows.exposure == 1 if is_binary(rows) else rows.exposed
    sides = [rows[exposed].person_id.nunique(), rows[~exposed].person_id.nunique()]
    return min(sides) if is_binary(rows) else sides[0]


def is_binary(rows: pd.DataFrame) -> bool:
    """Whether the exposure is did against did not."""
    return bool(rows.exposure.isin([0, 1]).all())


def two_or_more(
    rows: pd.DataFrame, keys: list[list[str]], counted: pd.Series | None = None
) -> pd.DataFrame:
    """Rows whose level of every key holds two (counted) rows or more; a level of one explains that
    one wholly.
    """
    counted, before = pd.Series(1, rows.index) if counted is None else counted, -1
    while len(rows) != before:
        before = len(rows)
        for key in keys:
            held = counted.loc[rows.index].groupby([rows[name] for name in key]).transform("sum")
            rows = rows[held >= 2]
    return rows


def differs_within(rows: pd.DataFrame, column: str) -> pd.Series:
    """Whether people under the same manager in the same cycle differ in a column, for each row."""
    by_cell = rows.groupby("rater_cycle")[column]
    return by_cell.transform("max") - by_cell.transform("min") > 1e-9


def unexplained(target: np.ndarray, held: np.ndarray) -> np.ndarray:
    """What the columns of `held`, by least squares, leave over of a column; all means are already
    taken out.
    """
    return target - held @ np.linalg.lstsq(held, target, rcond=None)[0] if held.size else target


def independent(rows: pd.DataFrame, columns: Sequence[str], groups: str) -> list[str]:
    """Those of `columns`, first come first kept, that say something new within `groups`."""
    if not columns or rows.empty:
        return []
    inside = within(rows[list(columns)].to_numpy(float), rows[groups].to_numpy())
    size = np.sqrt((rows[list(columns)].to_numpy(float) ** 2).sum(axis=0)) + 1e-300
    kept: list[str] = []
    basis = np.empty((len(rows), 0))
    for place, name in enumerate(columns):
        rest = inside[:, place] - basis @ (basis.T @ inside[:, place])
        rest = rest - basis @ (basis.T @ rest)  # twice is enough
        length = np.sqrt(rest @ rest)
        if length > 1e-7 * size[place]:
            kept.append(name)
            basis = np.column_stack([basis, rest / length])
    return kept

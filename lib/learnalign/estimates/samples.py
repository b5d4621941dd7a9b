"""Samples: for each measure, the person-cycles to compare, what is held equal, who fell out.

Ratings are in SD of their own cycle, merit in percentage points. Where no rater is recorded the
unit stands in for the manager. A new exposure is a row of EXPOSURES. Nothing is estimated here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from learnalign.estimates import limits
from learnalign.estimates.described import raters
from learnalign.estimates.same_manager import PAST, Sample, differs_within, is_binary
from learnalign.linking.account import accounted
from learnalign.linking.windows import PLACE
from learnalign.verdicts.registry import measures

PRIOR_SHARE = 1 / 3  # what is past is held equal when it leaves so much of those comparable
MOST_OF_A_THIRD = 0.45
MOST_CELLS = 60  # of rating and merit target; with more, hardly anybody is in the same
MIN_GRADE = 10  # rarer grades are held equal together
WINDOWS = ("", "_next", "_previous", "_previous_2")
PRIORS = ("prior_1", "prior_2")
MISSING = 1 / 3  # of a cycle's reviews: with more, who is recorded may say more than who did it


@dataclass(frozen=True)
class Prepared:
    """All person-cycles in one measure's terms, or why there are none."""

    measure: str
    frame: pd.DataFrame | None
    notes: tuple[str, ...] = ()
    noun: str = ""  # what a slope's amount is counted in
    reason: str = ""
    pasts: tuple[str, ...] = ()  # past windows' exposures to hold equal, where people have them

    @cached_property
    def comparable(self) -> Sample:
        """The sample of the adjusted comparison, chosen once: `comparable` says how."""
        return _chosen(self)

    @property
    def is_merit(self) -> bool:
        return "bonus" in self.frame

    @property
    def nothing_to_compare(self) -> str:
        """A key of the reasons when not even a raw figure can be had; else empty."""
        frame = self.frame
        known = frame.dropna(subset=["exposure", "outcome", "rater"])
        recorded = frame[frame.exposure.groupby(frame.cycle).transform("count") > 0]
        unlike = frame.groupby("cycle").rating.transform(limits.apart).astype(bool)
        same = "one merit" if self.is_merit else "one rating"
        there, two = recorded.exposure.notna(), frame.rating.value_counts().index[:2]
        most = "recorded", recorded.person_id, there, 1 - MISSING
        more = frame.rating.notna() & ~frame.rating.isin(two)
        cases = (
            (not self.is_merit and not _any(frame, frame.outcome.notna() & unlike), "one rating"),
            (not self.is_merit and len(two) == 2 and not _any(frame, more), "two ratings"),
            (not _both_sides(frame), "one group"),
            (not limits.share(*most), "missing exposure"),
            (not _both_sides(known), "too few"),
            (not _any(known, limits.apart(known.outcome)), same),
            (not _any(known, limits.apart(known.rater)), "one rater"),
        )
        return next((reason for holds, reason in cases if holds), "")


def _any(rows: pd.DataFrame, marked: pd.Series) -> bool:
    return limits.somebody("differ", rows.person_id[marked])


def _both_sides(rows: pd.DataFrame) -> bool:
    """Whether some did it and some did not, or of an amount some did more than most."""
    known = rows.dropna(subset=["exposure"])
    sides = [limits.apart(known.exposure)]
    if is_binary(known):
        sides = [known.exposure == 1, known.exposure == 0]
    elif known.exposed.any():
        sides.append(known.exposed)
    return all(_any(known, side) for side in sides)


# --- amounts as exposures


def log_sd(amount: pd.Series, cycle: pd.Series) -> pd.Series:
    """log(1 + amount) in SD of the cycle; zero in a cycle in which everybody has the same."""
    logs = np.log1p(amount)
    by_cycle = logs.groupby(cycle)
    centred, spread = logs - by_cycle.transform("mean"), by_cycle.transform("std", ddof=0)
    return (centred / spread.where(spread > 0)).mask(spread == 0, 0.0)


def at_all(amount: pd.Series, cycle: pd.Series | None = None) -> pd.Series:
    """1 for any amount, 0 for none."""
    return (amount > 0).astype(float).where(amount.notna())


def most(amount: pd.Series, cycle: pd.Series) -> pd.Series:
    """1 in the third of the cycle with most; only beyond its edge where many are at the edge."""
    edge = amount.groupby(cycle).transform(lambda amounts: amounts.quantile(2 / 3))
    at_edge = ((amount >= edge) & (amount > 0)).astype(float).where(amount.notna())
    share = at_edge.groupby(cycle).transform("mean")
    return at_edge.mask((share > MOST_OF_A_THIRD) & (amount == edge), 0.0)


def voluntary(cycles: pd.DataFrame) -> str:
    """The column with how much people learned of their own accord: hours where any are recorded."""
    return "voluntary_hours" if cycles.voluntary_hours.notna().any() else "voluntary_activities"


# --- one frame per measure: outcome, priors, groups, exposure


EXPOSURES: dict[str, tuple[str, Callable[[pd.Series, pd.Series], pd.Series]]] = {
    "learning": ("learning", log_sd),
    "most learning": ("learning", most),
    "acknowledged": ("acknowledgements", at_all),
}
"""What a question's file may name as `exposure` on person-cycles: of what (voluntary hours, else
activities, or acknowledgements), and how an amount of it and the cycle become the exposure.
"""
HABITS = ("learning",)
"""Of what past windows are held equal too: past ratings hold what it did then, and who learned then
learns now (in 300 companies the interval held the truth in 69 without, in 95 with). Acknowledging
is no such habit: 95 without.
"""
PARTS: dict[str, tuple[str, ...]] = {
    "acknowledgements": ("late", "seen", "not_written_up", "not_written_up_seen")
}
"""What of an amount is told apart, by what it is of (`who_and_when`)."""
OUTCOMES = ("rating", "merit", "merit_at_equal_rating")
"""And as `outcome`: in SD of the cycle, or percentage points."""


def prepare(measure: str, cycles: pd.DataFrame) -> Prepared:
    """Outcome, exposure, prior ratings and groups of a measure for every person-cycle."""
    what = measures()[measure][1]
    return prepare_of(measure, cycles, what.outcome, *EXPOSURES[what.exposure])


def prepare_of(
    measure: str,
    cycles: pd.DataFrame,
    outcome: str,
    source: str,
    exposure: Callable[[pd.Series, pd.Series], pd.Series],
) -> Prepared:
    """The same of any amount: `source` is "learning", "acknowledgements", or one of the columns,
    which stands there for the windows around it too.
    """
    notes: list[str] = []
    if outcome == "rating":
        frame = _frame(cycles)
        frame = frame.assign(outcome=frame.rating_sd)
    elif not pd.to_numeric(cycles.merit_pct).notna().any():
        return Prepared(measure, None, reason="no merit data")
    else:
        frame, notes = _paid(cycles, outcome == "merit_at_equal_rating")
    name, noun = source, ""
    if source == "learning":
        name = voluntary(cycles)
        noun = f"voluntary learning {name.removeprefix('voluntary_')}"
        if name == "voluntary_activities":
            notes.append("no hours are recorded: the number of activities stands in for them")
        if not (cycles.required_activities > 0).any():
            notes.append("no learning is marked as required: all of it counts as voluntary")
    amount = {w: pd.to_numeric(cycles[f"{name}{w}"]) for w in WINDOWS}
    if not amount[""].notna().any():
        what = "acknowledgements" if source.startswith("acknowledge") else "learning"
        return Prepared(measure, None, reason=f"no {what}")
    frame = frame.assign(
        exposed=amount[""] > 0,
        amount=amount[""],
        early=at_all(pd.to_numeric(cycles[f"{name}_early_next"])),
        **{of: pd.to_numeric(cycles[f"{name}_{of}"]) for of in PARTS.get(source, ())},
        **_by_system(cycles, name, exposure),
        **{f"exposure{w}": exposure(of, cycles.cycle) for w, of in amount.items()},
    )
    pasts = PAST if source in HABITS else ()
    # a copy is in one piece, of which rows are taken again and again
    return Prepared(measure, frame.copy(), tuple(notes), noun, pasts=pasts)


def _by_system(
    cycles: pd.DataFrame, name: str, exposure: Callable[[pd.Series, pd.Series], pd.Series]
) -> dict[str, pd.Series]:
    """Of learning: how much of it a system wrote down, as an amount and as the exposure."""
    if not name.startswith("voluntary"):
        return {}
    amount = pd.to_numeric(cycles[name.replace("voluntary", "voluntary_system")])
    return {"system_amount": amount, "system": exposure(amount, cycles.cycle)}


def _frame(cycles: pd.DataFrame, **also: pd.Series) -> pd.DataFrame:
    """Ratings in SD of their own cycle, groups, and the role: tenure, hours of work, grade, and
    whether it is new: who has moved asks more, and is rated lower at first.
    """
    by_cycle = cycles.groupby("cycle").rating
    scales = pd.DataFrame({"mean": by_cycle.mean(), "spread": by_cycle.std(ddof=0)}).astype(float)
    scales = scales.replace({"spread": {0: np.nan}})

    def in_sd(rating: pd.Series, cycle: pd.Series) -> pd.Series:
        own = scales.reindex(cycle).set_axis(cycle.index)
        return (rating - own["mean"]) / own.spread

    rater, by = raters(cycles)
    frame = pd.DataFrame(
        {
            "person_id": cycles.person_id,
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
    tenure = np.log1p(pd.to_numeric(cycles.tenure_years).clip(lower=0))
    role = {"tenure": tenure, "fte": pd.to_numeric(cycles.fte)} | also
    role |= {f"moved_{name}": pd.to_numeric(cycles[f"{name}_changed"]) for name in PLACE}
    grades = dummies(common(cycles.grade, MIN_GRADE), "grade")
    return pd.concat([frame, *(filled(name, x) for name, x in role.items()), grades], axis=1)


def _paid(cycles: pd.DataFrame, at_equal_rating: bool) -> tuple[pd.DataFrame, list[str]]:
    """Merit in percentage points; at equal rating the matrix's cell, or the rating, is held."""
    columns = ("merit_pct", "bonus_net_pct", "merit_gap_pct", "merit_target_pct", "compa_ratio")
    merit, bonus, gap, target, compa_ratio = (pd.to_numeric(cycles[name]) for name in columns)
    own = {"outcome": merit, "bonus": bonus, "gap": gap, "unit": cycles.unit}
    frame, notes = _frame(cycles, compa_ratio=compa_ratio), []
    frame = frame.assign(**own, grade=cycles.grade.fillna("?"))
    if not compa_ratio.notna().any():
        notes.append(
            "no place in the salary range (compa-ratio) is recorded: merit that depends on it is "
            "not held apart"
        )
    if not at_equal_rating:
        return frame, notes
    by_matrix = cycles.matrix_cell.notna().any()
    cell = cycles.matrix_cell if by_matrix else cycles.rating.astype(str)
    if not limits.kinds("cells", cycles.person_id, cell, MOST_CELLS + 1):
        frame = frame.assign(cell=cell.where(merit.notna()))
        held = [dummies(frame.cell.fillna("none"), "cell")]
        if not by_matrix:
            notes.append("no merit matrix is recorded: the rating alone is held equal")
    else:
        frame = frame.assign(cell=0)
        held = [filled("cell_rating", cycles.rating), filled("cell_target", target)]
        notes.append(
            "rating and merit target have too many values to compare within each: they are held "
            "equal as numbers"
        )
    return pd.concat([frame, *held], axis=1), notes


def _numbered(names: pd.Series) -> pd.Series:
    """Names as numbers, which group much faster; a missing one stays missing."""
    codes = pd.Series(pd.factorize(names)[0], names.index)
    return codes if (codes >= 0).all() else codes.where(codes >= 0)


def filled(name: str, value: pd.Series) -> pd.DataFrame:
    """A number to hold equal: where it is missing, the mean and a mark that it is missing."""
    if not value.notna().any():
        return pd.DataFrame(index=value.index)
    columns = {f"held_{name}": value.fillna(value.mean()).astype(float)}
    if value.isna().any():
        columns[f"held_{name}_missing"] = value.isna().astype(float)
    return pd.DataFrame(columns)


def common(names: pd.Series, least: int) -> pd.Series:
    """The names that stand in `least` rows or more; all others together are "rare"."""
    names = names.astype("object").where(names.notna(), "none")
    return names.where(names.map(names.value_counts()) >= least, "rare").astype(str)


def dummies(values: pd.Series, name: str) -> pd.DataFrame:
    """Names to hold equal: a mark for each level but the first."""
    table = pd.get_dummies(values.astype(str), dtype=float, drop_first=True)
    return table.set_axis([f"held_{name}_{i}" for i in range(table.shape[1])], axis=1)


# --- who can be compared


def comparable(prepared: Prepared) -> Sample:
    """The sample of the adjusted comparison: with two prior ratings, else one, else none; and so
    with past windows' exposures, where the measure holds them.

    Never at the price of nearly everybody: a handful who have them must not speak for the rest.
    """
    return prepared.comparable


def _chosen(prepared: Prepared) -> Sample:
    chosen = sample_of(prepared)
    for of in (PRIORS, prepared.pasts):
        least = PRIOR_SHARE * len(chosen.rows)
        priors = chosen.priors
        for n in range(1, len(of) + 1):
            past = {"priors": of[:n]} if of == PRIORS else {"priors": priors, "pasts": of[:n]}
            kept = sample_of(prepared, **past)
            about = "past", chosen.rows.person_id, least, len(kept.rows)
            if kept.too_thin() or not limits.rows(*about):
                break
            chosen = kept
    return chosen


def usable(prepared: Prepared) -> Sample | None:
    """The sample where it can carry an estimate, else None."""
    if prepared.frame is None or prepared.nothing_to_compare:
        return None
    sample = comparable(prepared)
    return None if sample.no_estimate else sample


def sample_of(
    prepared: Prepared, priors: tuple[str, ...] = (), pasts: tuple[str, ...] = ()
) -> Sample:
    """Person-cycles that the adjusted model can use, and the account of the others.

    Where everybody under a manager did the same, nobody tells what doing it goes with: such rows
    would only make the comparison look larger than it is, and its interval safer.
    """
    no_outcome = ("no_spread", "everybody in the cycle has the same rating", "outcome")
    if prepared.is_merit:
        no_outcome = ("no_reward", "no merit increase is recorded", "outcome")
    missing = (
        ("no_exposure", "the exposure is not recorded", "exposure"),
        no_outcome,
        ("no_cell", "no cell of the merit matrix is known", "cell"),
        ("no_rater", "no manager recorded", "rater"),
        ("no_prior", "no prior rating to compare with", "prior_1"),
        ("one_prior", "only one prior rating", "prior_2"),
        ("no_past", "the exposure is not recorded for the window before", PAST[0]),
        ("one_past", "the exposure is recorded for one past window only", PAST[1]),
    )
    steps = [
        (key, reason, lambda left, column=column: left[column].isna())
        for key, reason, column in missing
        if column in prepared.frame and (column not in (*PRIORS, *PAST) or column in priors + pasts)
    ]
    steps += [
        ("alone", "nobody else to compare with under the same manager", _alone),
        (
            "no_difference",
            "everybody under the same manager did the same",
            lambda left: ~differs_within(left, "exposure"),
        ),
    ]
    rows, account = fall_out(prepared.frame, prepared.measure, "person-cycles", steps)
    rater = "unit" if prepared.frame.by.eq("unit").any() else "manager"
    return Sample(rows, priors, rater, account, pasts)


def fall_out(
    frame: pd.DataFrame,
    measure: str,
    things: str,
    steps: Sequence[tuple[str, str, Callable[[pd.DataFrame], pd.Series]]],
) -> tuple[pd.DataFrame, Callable[[], pd.DataFrame]]:
    """The rows that stay after all steps (key, reason, which rows go), and what makes the
    ATTRITION: of many samples of which one is chosen, that of this one alone is asked for.
    """
    gone, left, everybody = [], frame, frame.person_id
    for key, reason, drops in steps:
        goes = drops(left)
        gone.append((key, reason, left.person_id[goes]))
        left = left[~goes] if goes.any() else left

    def account() -> pd.DataFrame:
        each = [(key, reason, _of_each(people)) for key, reason, people in gone]
        return accounted(measure, things, _of_each(everybody), each)

    return left, account


def _of_each(people: pd.Series) -> pd.Series:
    """How many rows each person has."""
    return people.groupby(people).size()


def _alone(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby("rater_cycle").rater_cycle.transform("size") == 1

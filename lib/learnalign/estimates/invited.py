"""Invited: a headline's contrast where a lot decided who was invited when.

People wait for their turn in an order that was drawn within strata (the table `invitations`). Of
one stratum in one cycle, those whose turn has come differ from those who wait by chance alone; as
far as an invitation moves what people do, what it moves of the outcome is an effect. What chance
decides no observation answers better: where there is such a figure, it is the one that speaks.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from learnalign.estimates import checks, contrasts, limits, samples
from learnalign.estimates.columns import unexplained, within
from learnalign.estimates.ladder import fixed_effects
from learnalign.estimates.rivals import MIN_CHANGERS, STRONG, through
from learnalign.estimates.same_manager import Sample, differs_within, held, is_binary
from learnalign.linking.windows import INVITED
from learnalign.verdicts.registry import measures
from learnalign.verdicts.result import Check, Comparison, Fit

LEVEL = 0.995  # of two checks that the order was kept: one kept order in 100 fails either
SAME = 1e-9  # an error that is none, in SD or points
NOTE = (
    "an order of invitations was drawn, and cannot tell yet: too few people are invited or wait, "
    "or an invitation hardly moves what they do"
)
OF = {"learning": "learning", "acknowledgements": "acknowledging"}


def decided(found: Comparison, person_cycles: pd.DataFrame, *, level: float = 0.95) -> Comparison:
    """A comparison with the figure that chance decided in the place of the one of those who chose,
    which is kept beside it (`observed`); as it is, where nobody drew an order.

    With its own checks alone: nobody chose, so that those of choosing have nothing to ask. Where
    the order cannot tell yet, a note says so. Misleads as `effect` does.
    """
    prepared = in_order(found.measure, person_cycles)
    if prepared is None:
        return found
    sample = sample_of(prepared)
    fit = effect(sample, level)
    if fit is None:
        return replace(found, notes=(*found.notes, NOTE))
    taken = replace(sample, rows=_taken(sample.rows))
    base, per = contrasts.without(taken, prepared, fit)
    return Comparison(
        found.measure,
        found.raw,
        fit,
        _checks(sample, prepared.frame),
        sample.account(),
        (*prepared.notes, *contrasts.fallbacks(sample, 0)),
        observed=found.adjusted,
        step=contrasts.step(taken.rows, prepared.noun),
        n_cycles=sample.rows.cycle.nunique(),
        modal_share=float(sample.rows.rating.value_counts(normalize=True).max()),
        base=base,
        per=per,
    )


def in_order(measure: str, cycles: pd.DataFrame) -> samples.Prepared | None:
    """All person-cycles, with the turns of people in the drawn order, in a measure's terms; None
    where nobody is in one.

    `exposure` is the share of the window since the person's turn; what people did is `taken`.
    People of one stratum and cycle are compared, and belong to the manager whom they had first:
    one who moves takes no part of another's cluster along. What is held equal is from before
    anybody of the stratum was invited, as an invitation may have moved the rest; so merit at equal
    rating, which is moved too, is merit over the matrix.
    """
    verb = INVITED[about_of(measure)]
    if f"drawn_to_{verb}" not in cycles:
        return None
    prepared = samples.prepare(measure, cycles)
    if prepared.frame is None or cycles[f"invited_to_{verb}"].isna().all():
        return None
    turn, early = (cycles[f"invited_to_{verb}{when}"].astype(float) for when in ("", "_early_next"))
    frame = prepared.frame.assign(taken=prepared.frame.exposure, exposure=turn, early=early)
    frame = frame.assign(stratum=cycles[f"drawn_to_{verb}"])
    if "cell" in frame:
        frame = frame.assign(outcome=frame.gap).drop(columns="cell")
    cell = pd.factorize(frame.stratum.astype(str) + "|" + frame.cycle)[0]
    home = frame.groupby("person_id").rater.transform("first")
    return replace(prepared, frame=_before(frame.assign(rater_cycle=cell, rater=home)), pasts=())


def about_of(measure: str) -> str:
    """What an invitation is to that moves a measure's exposure; "" where there is none."""
    what = measures()[measure][1]
    source = samples.EXPOSURES.get(what.exposure, ("",))[0]
    return OF.get(source, "") if what.estimator == "contrast" else ""


def _before(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with what was known of people before the first of their stratum was invited: two ratings
    and their role, as the mean and a mark where there is none; and how much they did it.
    """
    began = _in_cell(frame, frame.exposure > 0).groupby(frame.person_id).cummax()
    waits = frame.exposure.notna() & ~_in_cell(frame, began)  # also where all invited have left
    names = [name for name in held(frame) if not name.startswith(("held_moved", "held_cell"))]
    known = frame[waits].groupby("person_id")[["rating_sd", "prior_1", *names]].last()
    known = known.rename(columns={"rating_sd": "prior_1", "prior_1": "prior_2"})
    known = known.assign(did_before=frame[waits].groupby("person_id").taken.mean())
    known = known.reindex(frame.person_id).set_axis(frame.index)
    did = known.pop("did_before")
    last = known.prior_1.rename("last_rating")
    missing = known.isna().astype(float).add_prefix("held_missing_")
    known = known.fillna(known.mean()).fillna(0.0)
    rest = frame.drop(columns=[*held(frame), *samples.PRIORS])
    return pd.concat([rest, known, missing, last, did], axis=1)


def _in_cell(frame: pd.DataFrame, marks: pd.Series) -> pd.Series:
    """Whether anybody of the same stratum and cycle has the mark, for each row."""
    return marks.groupby(frame.rater_cycle).transform("max")


def sample_of(prepared: samples.Prepared) -> Sample:
    """Person-cycles in which, of one stratum, some were invited for longer than others."""
    missing = (
        ("no_exposure", "the exposure is not recorded", "taken"),
        ("no_outcome", "the outcome is not recorded", "outcome"),
        ("no_rater", "no manager recorded", "rater"),
    )
    steps = [("not_in_order", "not in the drawn order", lambda left: left.exposure.isna())]
    steps += [(key, why, lambda left, of=of: left[of].isna()) for key, why, of in missing]
    text = "everybody of the stratum was invited by then, or nobody"
    steps.append(("no_difference", text, lambda left: ~differs_within(left, "exposure")))
    rows, account = samples.fall_out(prepared.frame, prepared.measure, "person-cycles", steps)
    priors = samples.PRIORS if rows.last_rating.notna().any() else ()
    rater = "unit" if prepared.frame.by.eq("unit").any() else "manager"
    return Sample(rows, priors, rater, account, cell="stratum of the order")


def effect(sample: Sample, level: float = 0.95) -> Fit | None:
    """What doing it moves of the outcome, in those whom the invitation moved (LATE; Imbens and
    Angrist 1994): two stages, the share of the window since a person's turn as the instrument.

    Within stratum and cycle, at equal ratings before the order, clustered by the first manager,
    which is more cautious than the person on whom chance decided. None with fewer than 30 people on
    either side, or where an invitation hardly moves what people do.

    Misleads where an invitation moves the outcome by another way (those who did it anyway do more
    of it, managers know who was invited), where those who wait lose heart, and where the order was
    not kept. What was done in earlier windows, since the invitation, is part of the figure.
    """
    rows = sample.rows
    smaller = _smaller(rows)
    is_few = not limits.enough("invited", rows.person_id, smaller, MIN_CHANGERS)
    if is_few or sample.no_estimate or rows.taken.nunique() < 2:
        return None
    fit = through(sample, _taken(rows), smaller, level)
    as_far = "as far as the share of the window since a drawn invitation moves it"
    return fit and replace(fit, design="randomised", method=f"{fit.method}, {as_far}")


def _taken(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with what people did as the exposure, and their turn as the instrument."""
    return rows.assign(got=rows.exposure, exposure=rows.taken)


def _checks(sample: Sample, everybody: pd.DataFrame) -> tuple[Check, ...]:
    """What chance does not answer: whether the order was kept, and whether people were lost."""
    everybody = everybody.dropna(subset=["exposure"])
    everybody = everybody[differs_within(everybody, "exposure")]
    middle = everybody.groupby("rater_cycle").exposure.transform("mean")
    sides = everybody.assign(exposure=(everybody.exposure > middle).astype(float))
    reduced = sample.core()
    tried = [] if reduced is None else [checks.attrition(sample, sides, reduced)]
    return (
        order_kept(sample),
        checks.overlap(checks.share_beyond(sample), sample.rows.person_id),
        *tried,
    )


def order_kept(sample: Sample) -> Check:
    """Neither the last rating before the order, nor how much people did it before, may go with
    whose turn has come, at p < .01 in all.
    """
    before = {"rated": "last_rating", "did": "did_before"}
    return checks.kept({name: _with_turn(sample, of) for name, of in before.items()})


def _with_turn(sample: Sample, column: str) -> Fit | None:
    """How a column goes with the turn; None where it is the same in all, or not known of enough."""
    rows = sample.rows.dropna(subset=[column])
    rows = rows[differs_within(rows, "exposure")]
    is_many = limits.enough("with turn", rows.person_id, _smaller(rows), MIN_CHANGERS)
    if not is_many or not differs_within(rows, column).any():
        return None
    about = {"absorb": "rater_cycle", "cluster": "rater", "level": LEVEL}
    return fixed_effects(rows, column, "exposure", **about, clustered_by=sample.rater)


def _smaller(rows: pd.DataFrame) -> int:
    """The smaller number of people: invited for longer than the mean of their stratum, or not."""
    middle = rows.groupby("rater_cycle").exposure.transform("mean")
    sides = (rows.exposure > middle, rows.exposure < middle)
    return min(rows.person_id[side].nunique() for side in sides)


# --- before an order is drawn


@dataclass(frozen=True)
class Foreseen:
    """How exactly an order would tell a measure's effect, by a company's own last cycles."""

    measure: str
    clusters: int
    does_now: float  # the share of person-cycles
    amount: float  # how much of the exposure, in its unit, somebody moved does more
    is_slope: bool
    error: float  # of what being invited moves of the outcome
    first_error: float  # and of the exposure

    @property
    def silent(self) -> str:
        """Why no chance can be told: nothing is left of the outcome ("fixed"), or of what people do
        ("nobody"); else empty.
        """
        if self.error < SAME:
            return "fixed"
        return "nobody" if self.first_error < SAME or not self.does_now else ""

    def chance(self, effect: float, moves: float) -> float:
        """In which share of orders `effect` is found in those moved, who are so large a share of
        the invited: the interval is on its side of 0, and the first stage is strong.
        """
        moved = moves * self.amount
        is_strong = float(stats.norm.cdf(moved / self.first_error - STRONG**0.5))
        return contrasts.chance(effect, self.error / moved, self.clusters) * is_strong

    def times(self, effect: float, moves: float) -> float:
        """How many times as much would be needed to find it in 80 of 100 orders."""
        found = contrasts.reach(self.clusters) * self.error / (moves * self.amount * effect)
        strong = (STRONG**0.5 + stats.norm.ppf(0.98)) * self.first_error / (moves * self.amount)
        return float(max(found, strong) ** 2)


def foreseen(
    cycles: pd.DataFrame, measure: str, order: pd.DataFrame, waves: int
) -> Foreseen | None:
    """What an order would tell, had it been over the last `waves` - 1 cycles; None for too few.

    `order` has a person's `stratum` and turn (`wave`, from 0) by `person_id`. Over all orders that
    could be drawn, the turns of two cycles go together by a fixed amount: with what is left of the
    outcome at equal ratings before, that is the error of two stages. Whether outcome and exposure
    go together is never computed. Misleads where the next cycles are not as the last ones were.
    """
    days = cycles.groupby("cycle").reviewed_on.median().sort_values()
    place = {cycle: n for n, cycle in enumerate(days.index[1 - waves :])}
    at, turn = cycles.cycle.map(place), cycles.person_id.map(order.wave)
    invited = (turn <= at).astype(float).where(turn.notna())
    name = f"to_{INVITED[about_of(measure)]}"
    as_if = {f"invited_{name}": invited, f"invited_{name}_early_next": np.nan}
    as_if |= {f"drawn_{name}": cycles.person_id.map(order.stratum)}
    prepared = in_order(measure, cycles.assign(**as_if))
    sample = prepared and sample_of(prepared)
    if sample is None or sample.no_estimate:
        return None
    rows = _taken(sample.rows)
    share = np.arange(1, waves) / waves  # whose turn has come by each cycle
    together = np.minimum.outer(share, share) - np.outer(share, share)
    where = rows.cycle.map(place).to_numpy()
    spread = together[where, where].sum()
    columns = (rows.outcome, rows.exposure)
    errors = (float(_error(sample, one, where, together) / spread) for one in columns)
    is_slope = not is_binary(rows)
    does = rows.amount > 0 if is_slope else rows.exposure == 1
    apart = rows.exposure[does].mean() - rows.exposure[~does].mean()
    about = float(does.mean()), float(apart if apart > 0 else 1), is_slope
    return Foreseen(measure, rows.rater.nunique(), *about, *errors)


def _error(sample: Sample, column: pd.Series, where: np.ndarray, together: np.ndarray) -> float:
    """The standard deviation, over the draws, of the sum of a column's rest times the turns."""
    cell, held_ = sample.rows.rater_cycle.to_numpy(), sample.rows[sample.controls()]
    left = unexplained(within(column.to_numpy(float), cell), within(held_.to_numpy(float), cell))
    people = pd.factorize(sample.rows.person_id)[0]
    by = np.zeros((people.max() + 1, len(together)))
    np.add.at(by, (people, where), left)
    squares = np.einsum("ic,cd,id->", by, together, by)
    return float(np.sqrt(squares * len(left) / sample.residual_df()))

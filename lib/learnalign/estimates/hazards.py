"""Hazards: what goes with closing a gap in the months in which it is open, and how many close.

Time starts when the gap is detected, for everybody. What happens later (acknowledging, learning)
counts from the first month that begins after it, so nobody is credited with the time they had to
stay open to get there. Leaving competes with closing: somebody who has left cannot close.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.genmod import families
from statsmodels.genmod.generalized_linear_model import GLM

from learnalign.estimates import limits
from learnalign.estimates.columns import by_person
from learnalign.estimates.ladder import Slope
from learnalign.verdicts.result import Fit

STEP_DAYS = 30  # a gap-month: a step of the grid, and no month of the calendar
WINDOW_DAYS = 90
EARLIER_DAYS = 45  # before the middle of a month: what was learned for a look is nearer to it
FAR = 10**6  # days, more than any date is from any other
FARTHEST = 10.0  # a logarithm of a ratio; beyond it, what is held equal tells who closes
CLOGLOG = families.Binomial(link=families.links.CLogLog())
EVENTS, ENDS = ("open", "closed", "left"), ["closed_on", "left_on", "observed_until"]


class NoExtra(ValueError):
    """The extra closed gaps may be none: a cost per none means nothing."""


# --- gaps to gap-months


def gap_months(
    gaps: pd.DataFrame, acknowledgements: pd.DataFrame, learning: pd.DataFrame
) -> pd.DataFrame:
    """A row per gap and month (30 days) that it was open at the start of, and what was known.

    `gaps`: person_id, skill, detected_on, closed_on, left_on, observed_until (never empty), and
    what else is to be carried along. `acknowledgements`: person_id, skill, acknowledged_on.
    `learning`: person_id, skill, learned_on and, if wanted, activity_type.

    Adds `month` (from 1), `closed` and `left` (in this month), `acknowledged` (from 90 days before
    detection), `learned` (on the skill, in the 90 days before this month), both also
    `..._elsewhere` (on another skill, the negative control), and a `learned_...` for each activity
    type; `earlier` and `earlier_...` count what was learned 45 to 135 days before its middle. Where
    gaps have `mentored_on` and `waitlisted_on`, also `mentored` and `waiting` (and not mentored
    yet). The last month counts for nobody unless all of it is observed. Raises ValueError when a
    gap ends before it was detected, or has no end of observation.

    Misleads when closing is seen at rare assessments only: the month is then that of the
    assessment.

    >>> ana, day = {"person_id": ["ana"], "skill": ["sql"]}, lambda text: [pd.Timestamp(text)]
    >>> found, closed = day("2024-01-01"), day("2024-03-20")
    >>> gaps = pd.DataFrame(ana | {"detected_on": found, "closed_on": closed, "left_on": [pd.NaT]})
    >>> gaps["observed_until"] = day("2024-12-31")
    >>> said = pd.DataFrame(ana | {"acknowledged_on": day("2024-02-10")})
    >>> rows = gap_months(gaps, said, pd.DataFrame(ana | {"learned_on": day("2024-01-20")}))
    >>> rows[["month", "closed", "acknowledged", "learned"]].to_numpy().tolist()
    [[1, 0, 0, 0], [2, 0, 0, 1], [3, 1, 1, 1]]
    """
    rows, skill = _open_months(gaps), ["person_id", "skill"]
    window, earlier = (pd.Timedelta(days=n) for n in (WINDOW_DAYS, EARLIER_DAYS - STEP_DAYS / 2))

    def said(by: list[str]) -> pd.Series:
        ends = rows.detected_on - window, rows.starts_on
        return _events(rows, acknowledgements, "acknowledged_on", by, ends)

    def learned(events: pd.DataFrame, by: list[str], upto: pd.Series) -> pd.Series:
        return _events(rows, events, "learned_on", by, (upto - window, upto))

    kinds = {"": learning}
    if "activity_type" in learning:
        kinds |= {f"_{kind}": events for kind, events in learning.groupby("activity_type")}
    found = {"acknowledged": said(skill)}
    found["acknowledged_elsewhere"] = said(["person_id"]) - found["acknowledged"]
    for kind, events in kinds.items():
        found[f"learned{kind}"] = learned(events, skill, rows.starts_on)
        found[f"earlier{kind}"] = learned(events, skill, rows.starts_on - earlier)
    everywhere = learned(learning, ["person_id"], rows.starts_on)
    found["learned_elsewhere"] = everywhere - found["learned"]
    marks = {name: (count > 0).astype(int) for name, count in found.items()}
    if "mentored_on" in rows:
        mentored = rows.mentored_on < rows.starts_on
        waiting = (rows.waitlisted_on < rows.starts_on) & ~mentored
        marks |= {"mentored": mentored.astype(int), "waiting": waiting.astype(int)}
    return rows.drop(columns="starts_on").assign(**marks)


def _open_months(gaps: pd.DataFrame) -> pd.DataFrame:
    """The gap-months, without exposures; a gap that closes on the day of leaving has closed."""
    end = gaps[ENDS].min(axis=1)
    days, observed = ((until - gaps.detected_on).dt.days for until in (end, gaps.observed_until))
    if observed.isna().any() or (days < 0).any():
        raise ValueError("A gap has no end of observation, or ended before it was detected.")
    ends_in = days // STEP_DAYS + 1
    rows = gaps.reset_index(drop=True).assign(
        _ends_in=ends_in.to_numpy(),
        _closed=(gaps.closed_on == end).to_numpy(),
        _left=((gaps.left_on == end) & (gaps.closed_on != end)).to_numpy(),
    )
    rows = rows.loc[rows.index.repeat(np.minimum(ends_in, observed // STEP_DAYS))]
    rows["month"] = rows.groupby(level=0).cumcount() + 1
    rows = rows.reset_index(drop=True)
    rows["starts_on"] = rows.detected_on + pd.to_timedelta((rows.month - 1) * STEP_DAYS, unit="D")
    for event in ("closed", "left"):
        rows[event] = (rows[f"_{event}"] & (rows.month == rows._ends_in)).astype(int)
    return rows.drop(columns=["_ends_in", "_closed", "_left"])


def _events(
    rows: pd.DataFrame, events: pd.DataFrame, on: str, by: list[str], ends: tuple
) -> np.ndarray:
    """How many events with the row's keys fell from the first of `ends` to before the second."""
    events, n = events[[*by, on]].dropna(), len(rows)
    both = [np.concatenate([of[name].to_numpy(object) for of in (rows, events)]) for name in by]
    keys = pd.DataFrame(dict(enumerate(both))).groupby([*range(len(by))]).ngroup().to_numpy()

    def places(keys: np.ndarray, days: pd.Series) -> np.ndarray:
        return keys * FAR + days.to_numpy("datetime64[D]").astype("int64")

    known = np.sort(places(keys[n:], events[on]))
    since, until = (np.searchsorted(known, places(keys[:n], end)) for end in ends)
    return until - since


# --- what goes with closing


def hazard(
    gap_months: pd.DataFrame,
    exposures: str | Sequence[str],
    *,
    controls: Sequence[str] = (),
    cluster: str = "person_id",
    level: float = 0.95,
) -> tuple[Fit, ...]:
    """Hazard ratio of closing per unit of each exposure, at equal others, month and controls.

    A complementary log-log model on gap-months (Prentice and Gloeckler 1978; METHODS 3, Q6):
    `month`, `closed` (0/1), the exposures as known at the month's start, the controls (numbers, or
    categories) and the cluster, with t(clusters - 1). `std_error` is on the log scale.
    Cause-specific: of closing among those still there; the month of leaving counts as open. Months
    and categories in which no gap closed, or every one did, say nothing and are left out.

    Raises ValueError when nothing closed with the exposure or without it, or when it cannot be told
    from the rest. Misleads when hard gaps get the courses (confounding by indication).

    >>> closed = [1, 0, 0, 0] * 10 + [1, 1, 0, 0] * 10
    >>> rows = pd.DataFrame({"person_id": range(80), "month": 1, "closed": closed})
    >>> found = hazard(rows.assign(learned=rows.person_id // 40), "learned")
    >>> round(found[0].estimate, 2)  # log(0.5) / log(0.75)
    2.41
    """
    names = [exposures] if isinstance(exposures, str) else list(exposures)
    rows, _, result = _cloglog(gap_months, names, controls, cluster)
    clusters, moves = rows[cluster].nunique(), _moves(result, np.eye(len(result.params)))
    method = "discrete-time hazard (cloglog, month held equal)"

    def ratio(name: str, log_ratio: float, error: float, scores: np.ndarray) -> Fit:
        about = {"ratio": True, "scores": scores, "clusters": rows[cluster]}
        found = Slope.of(log_ratio, error, clusters - 1, level, len(rows), clusters, **about)
        side = smaller(rows, name) if _is_mark(rows[name]) else None
        return found.fit(rows.person_id, side, method, cluster)

    return tuple(map(ratio, names, result.params, result.bse, moves))


def _moves(result, slopes: np.ndarray) -> Iterator[np.ndarray]:
    """How far each row moves what has these `slopes` (m, k) in the parameters, one by one."""
    model, params = result.model, result.params
    score = model.score_factor(params)
    return (
        score * (model.exog @ one) for one in -np.linalg.solve(model.hessian(params), slopes.T).T
    )


def _cloglog(
    gap_months: pd.DataFrame, names: list[str], controls: Sequence[str], cluster: str
) -> tuple:
    """The rows that say something, the design with its columns named, and the clustered fit."""
    rows = gap_months.dropna(subset=[*names, *controls, cluster, "month", "closed"])
    numbers = [name for name in controls if pd.api.types.is_numeric_dtype(rows[name])]
    kinds = ["month", *(name for name in controls if name not in numbers)]
    rows = _telling(rows, kinds)
    for name in filter(lambda name: _is_mark(rows[name]), names):
        if rows.groupby(rows[name]).closed.agg(["min", "max"]).sum().sum() != 2:
            raise ValueError(
                f"{name}: no gap closed with it, or none without it, in comparable months."
            )
    if rows[cluster].nunique() < 2:
        raise ValueError("Only one person stands behind the gap-months: no interval is possible.")
    dummies = [
        pd.get_dummies(rows[k].astype(str), prefix=k, drop_first=k != "month", dtype=float)
        for k in kinds
    ]
    design = pd.concat([rows[[*names, *numbers]].astype(float), *dummies], axis=1)
    triangle = np.linalg.qr(design.to_numpy(), mode="r")
    if len(triangle) < design.shape[1] or np.linalg.matrix_rank(triangle) < design.shape[1]:
        raise ValueError("An exposure or a control cannot be told from the others, or the month.")
    usual = np.log(-np.log1p(-rows.closed.mean()))  # of one hazard for all, in every month alike
    start = np.where(design.columns.str.startswith("month_"), usual, 0.0)
    how = {"method": "newton", "disp": 0, "warn_convergence": False, "cov_type": "cluster"}
    model = GLM(rows.closed.to_numpy(float), design.to_numpy(), family=CLOGLOG)
    result = model.fit(start, cov_kwds={"groups": pd.factorize(rows[cluster])[0]}, **how)
    ran_away = np.abs(result.params[: len(names)]).max() > FARTHEST
    if not (result.mle_retvals["converged"] and not ran_away and np.isfinite(result.bse).all()):
        raise ValueError("The hazard could not be fitted: too few gaps closed for what is held.")
    return rows, design.columns, result


def _telling(rows: pd.DataFrame, strata: list[str]) -> pd.DataFrame:
    """Without levels in which nothing closed or all did: their dummies would be infinite."""
    before = -1
    while len(rows) != before:
        before = len(rows)
        for name in strata:
            share = rows.groupby(name).closed.transform("mean")
            rows = rows[(share > 0) & (share < 1)]
    if rows.empty:
        raise ValueError(
            "In no month did some gaps close and others stay open: no hazard can be computed."
        )
    return rows


def _is_mark(values: pd.Series) -> bool:
    return set(values.unique()) <= {0, 1}


def smaller(rows: pd.DataFrame, mark: str) -> int:
    """People on the rarest side: with it, without (or in both), and of each who closed a gap."""
    sides = rows.person_id.groupby([rows[mark], rows.closed]).nunique()
    closed = sides.reindex([(0, 1), (1, 1)], fill_value=0)
    return int(min(*closed, *(rows.person_id[rows[mark] == side].nunique() for side in (0, 1))))


# --- how many close, and what one more costs


def incidence(time: ArrayLike, event: ArrayLike, at: float, end: str) -> tuple[float, np.ndarray]:
    """The share of gaps that ended so by a time (Aalen and Johansen), and what each moves it by.

    `time` (n,) since detection and `event` then: "closed", "left" or "open" (not observed longer);
    `end` is of the first two. The latter (n,) is the derivative by the weight of each gap: the root
    of its sum of squares is the standard error, but for a finite sample.

    One minus Kaplan-Meier, with leaving as the end of observation, misleads: it is the share that
    would close if nobody could leave (METHODS 5, row 16). Raises ValueError on other events, and
    missing or negative times.

    >>> incidence([1, 2, 3, 4], ["closed", "left", "closed", "open"], 3, "closed")[0]
    0.5
    """
    days, what = np.asarray(time, float), np.asarray(event, object)
    if not len(days) or len(days) != len(what) or not (days >= 0).all():
        raise ValueError("Every gap needs a time that is not negative, and an event.")
    if unknown := sorted({str(name) for name in what} - {*EVENTS}):
        raise ValueError(f"An event is one of {', '.join(EVENTS)}, but got: {', '.join(unknown)}.")
    times, place = np.unique(days, return_inverse=True)
    at_risk = len(days) - np.searchsorted(np.sort(days), times)
    gone = np.bincount(place[what != "open"], minlength=len(times))
    own = np.bincount(place[what == end], minlength=len(times)) * (times <= at)
    still = np.concatenate([[1.0], np.cumprod(1 - gone / at_risk)[:-1]])
    step, stay = still * own / at_risk, np.maximum(at_risk - gone, 1)
    share, risk = np.cumsum(step), np.cumsum(gone / at_risk / stay)
    waited = np.cumsum(step / at_risk) - np.cumsum(step * (risk - gone / at_risk / stay))
    so = (what == end) & (days <= at)
    later = share[-1] - share
    moves = so * (still / at_risk)[place] - (waited - later * risk)[place]
    return float(share[-1]), moves - (what != "open") * (later / stay)[place]


def extra_closed(
    gap_months: pd.DataFrame,
    exposure: str,
    *,
    horizon: int = 12,
    controls: Sequence[str] = (),
    cluster: str = "person_id",
    level: float = 0.95,
) -> tuple[Fit, float, pd.Series]:
    """Extra closed gaps per gap within `horizon` months of exposure, and how long one stays open.

    The difference in the probability of closing with the exposure in every open month against
    none, from `hazard`, at the controls' average, with leaving at its observed rate (delta method;
    both taken as known); and the months open with it, which a cost per month makes a cost, and how
    far each person moves them.

    Raises NoExtra when the interval holds 0 or fewer; else as `hazard`, and misleads as that does.

    >>> closed = [1, 0, 0, 0] * 100 + [1, 1, 0, 0] * 100
    >>> rows = pd.DataFrame({"person_id": range(800), "month": 1, "left": 0, "closed": closed})
    >>> rows["learned"] = rows.index // 400
    >>> extra, months, _ = extra_closed(rows, "learned", horizon=1)
    >>> round(extra.estimate, 2), months
    (0.25, 1.0)
    """
    rows, columns, result = _cloglog(gap_months, [exposure], controls, cluster)
    closing = _closing(gap_months, exposure, horizon, columns, result.model.exog.mean(axis=0))

    def more(params: np.ndarray) -> np.ndarray:
        closed, open_for = closing(params, 1.0)
        return np.array([closed - closing(params, 0.0)[0], open_for])

    (estimate, months), slopes = _delta(more, result.params)
    found = _by_delta(estimate, slopes[0], result, rows[cluster], level)
    method = f"extra closed gap within {horizon} months, from the hazard of closing"
    extra = found.fit(rows.person_id, smaller(rows, exposure), method, cluster)
    if not limits.positive("extra", extra):
        raise NoExtra(
            f"Extra closed gaps per gap are {extra.low:.3f} to {extra.high:.3f}: with none or "
            "fewer among them, a cost per extra closed gap means nothing."
        )
    (moves,) = _moves(result, slopes[1:])
    return extra, float(months), by_person(moves, rows.person_id)


def closed_without(
    gap_months: pd.DataFrame,
    exposure: str,
    *,
    horizon: int = 12,
    controls: Sequence[str] = (),
    cluster: str = "person_id",
    level: float = 0.95,
) -> Fit:
    """Of 100 gaps, how many close within `horizon` months without the exposure, had nobody left.

    From `hazard`, at the average of the controls over gaps, so that a ratio of hazards h makes it
    1 - (1 - share)^h. Raises ValueError as `hazard`, and where no gap was open so long. Misleads as
    the hazard ratio does, and as a forecast: some leave.

    >>> closed = [1, 0, 0, 0] * 10 + [1, 1, 0, 0] * 10
    >>> rows = pd.DataFrame({"person_id": range(80), "month": 1, "left": 0, "closed": closed})
    >>> rows["learned"] = rows.index // 40
    >>> round(closed_without(rows, "learned", horizon=1).estimate, 1)
    25.0
    """
    rows, columns, result = _cloglog(gap_months, [exposure], controls, cluster)
    gap = rows.columns.intersection(["person_id", "skill", "detected_on"]).tolist()
    average = result.model.exog[~rows.duplicated(gap).to_numpy()].mean(axis=0)
    stayed = gap_months.assign(left=0)
    closing = _closing(stayed, exposure, horizon, columns, average)

    def without(params: np.ndarray) -> np.ndarray:
        return np.array([100 * closing(params, 0.0)[0]])

    share, (slope,) = _delta(without, result.params)
    found = _by_delta(share[0], slope, result, rows[cluster], level)
    method = f"closed within {horizon} months, from the hazard of closing"
    return found.fit(rows.person_id, smaller(rows, exposure), method, cluster)


def _by_delta(
    estimate: float, slope: np.ndarray, result: Any, clusters: pd.Series, level: float
) -> Slope:
    """What is reckoned from a hazard, which it moves by `slope` (m,) in its parameters."""
    error, (moves,) = np.sqrt(slope @ result.cov_params() @ slope), _moves(result, slope[None])
    about = {"scores": moves, "clusters": clusters}
    many = clusters.nunique()
    return Slope.of(estimate, float(error), many - 1, level, len(clusters), many, **about)


def _closing(
    gap_months: pd.DataFrame, exposure: str, horizon: int, columns: pd.Index, average: np.ndarray
) -> Callable[[np.ndarray, float], tuple[float, float]]:
    """With an exposure kept up: the share closed by the horizon, and the months open."""
    months = range(1, horizon + 1)
    by = gap_months.groupby("month")[["closed", "left"]].agg(["sum", "count"]).reindex(months)
    there = gap_months[gap_months.month <= horizon]
    if limits.levels("open", there.person_id, there.month) < horizon:
        raise ValueError(f"No gap was open in every month up to {horizon}: the horizon is too far.")
    closed, at_risk = by["closed"]["sum"], by["closed"]["count"]
    leaving = (by["left"]["sum"] / (at_risk - closed).clip(lower=1)).to_numpy()
    design = np.tile(average, (horizon, 1))
    for place, name in enumerate(columns):
        if name in {f"month_{month}" for month in gap_months.month}:
            design[:, place] = [name == f"month_{month}" for month in months]
    silent = np.array([f"month_{month}" not in columns for month in months])  # none, or all

    def closing(params: np.ndarray, on: float) -> tuple[float, float]:
        kept_up = np.where(columns == exposure, on, design)
        chance = np.where(silent, closed == at_risk, -np.expm1(-np.exp(kept_up @ params)))
        still = np.concatenate([[1.0], np.cumprod((1 - chance) * (1 - leaving))[:-1]])
        return float(still @ chance), float(still.sum())

    return closing


def _delta(function, params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a function makes of the parameters, and its slopes in them by central differences."""
    steps = 1e-5 * np.eye(len(params))
    slopes = [(function(params + e) - function(params - e)) / 2e-5 for e in steps]
    return function(params), np.array(slopes).T

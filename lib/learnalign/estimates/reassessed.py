"""Re-assessed: closing as planned assessments alone see it, which nobody can time.

What was spoken of is looked at sooner, and so is *seen* closed sooner. Assessments by schedule come
when they come: between two of them a gap closed or it did not, and when is left open.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import optimize

from learnalign.estimates import hazards, limits
from learnalign.estimates.columns import sums
from learnalign.estimates.ladder import Slope
from learnalign.verdicts.result import Fit

MIN_CLOSED = 100  # gaps seen to close by schedule; fewer say too little
NEAR, FAR_OFF = 1e-8, 1e-3  # of the sum of scores, which is 0 at the best fit
SPELL = ["person_id", "skill", "detected_on"]


def gap_months(
    gaps: pd.DataFrame, acknowledgements: pd.DataFrame, looked: pd.DataFrame
) -> pd.DataFrame:
    """`hazards.gap_months` up to the last planned look at a gap, or the one that saw it closed.

    `looked` has every planned assessment (person_id, skill, assessed_on, is_gap) of the skills with
    gaps. Adds `interval`, which the months from one look to the next share, and has the same
    `closed` (0/1) in all of them. Months after the last look, and after leaving, are left out, as
    nobody looked; so is a gap that only an assessment on request found. No rows where nothing was
    looked at twice.

    >>> day = pd.Timestamp
    >>> ana = {"person_id": ["ana"] * 2, "skill": ["sql"] * 2, "is_gap": [True, False]}
    >>> looked = pd.DataFrame(ana | {"assessed_on": [day("2024-01-01"), day("2024-03-15")]})
    >>> gaps = pd.DataFrame({"person_id": ["ana"], "skill": ["sql"]})
    >>> gaps = gaps.assign(detected_on=day("2024-01-01"), left_on=pd.NaT)
    >>> said = pd.DataFrame({"person_id": ["ana"], "skill": ["sql"]})
    >>> rows = gap_months(gaps, said.assign(acknowledged_on=day("2024-01-20")), looked)
    >>> rows[["month", "acknowledged", "closed"]].to_numpy().tolist()
    [[1, 0, 1], [2, 1, 1], [3, 1, 1]]
    """
    looks = _looks(gaps, looked) if len(looked) else looked
    if looks.empty:
        return pd.DataFrame(columns=[*gaps, "month", "interval", "closed"])
    last = looks.drop_duplicates("gap", keep="last").set_index("gap")
    seen = gaps.loc[last.index]
    until = seen.detected_on + pd.to_timedelta(last.upto * hazards.STEP_DAYS, unit="D")
    seen = seen.assign(gap=last.index, closed_on=pd.NaT, left_on=pd.NaT, observed_until=until)
    learned = pd.DataFrame(columns=["person_id", "skill", "learned_on"])
    rows = hazards.gap_months(seen, acknowledgements, learned).sort_values("month", kind="stable")
    about = {"by": "gap", "left_on": "month", "right_on": "upto", "direction": "forward"}
    rows = pd.merge_asof(rows.drop(columns="closed"), looks.sort_values("upto"), **about)
    return rows.sort_values(["gap", "month"], ignore_index=True)


def _looks(gaps: pd.DataFrame, looked: pd.DataFrame) -> pd.DataFrame:
    """Planned looks at open gaps: which gap, up to which of its months, and whether it had closed.

    Of several in one month the last one counts.
    """
    looked = looked.sort_values(["person_id", "skill", "assessed_on"], ignore_index=True)
    is_gap = looked.is_gap.astype(bool)
    keys = [looked.person_id, looked.skill]
    was_open = is_gap.groupby(keys).shift(fill_value=False)
    found = looked.assessed_on.where(is_gap & ~was_open).groupby(keys).ffill()
    looks = looked.assign(detected_on=found)[was_open]
    known = gaps[[*SPELL, "left_on"]].assign(gap=gaps.index)
    looks = looks.merge(known, on=SPELL)
    looks = looks[~(looks.assessed_on > looks.left_on)]
    upto = (looks.assessed_on - looks.detected_on).dt.days // hazards.STEP_DAYS + 1
    looks = looks.assign(upto=upto.astype("int64"), closed=(~looks.is_gap.astype(bool)).astype(int))
    looks = looks.sort_values(["gap", "assessed_on"])[["gap", "upto", "closed"]]
    looks = looks.drop_duplicates(["gap", "upto"], keep="last")
    return looks.assign(interval=np.arange(len(looks)))


def by_schedule(
    rows: pd.DataFrame,
    exposure: str,
    *,
    controls: Sequence[str] = (),
    cluster: str = "person_id",
    level: float = 0.95,
) -> Fit | None:
    """Hazard ratio of closing per unit of the exposure, from what planned looks saw.

    With mu = exp(x'b) in each month and H their sum over an interval, it closed in it with the
    chance 1 - exp(-H): a complementary log-log model where intervals are of one month (Prentice and
    Gloeckler 1978). Most likely values; errors clustered, t(clusters - 1). `rows` are those of
    `gap_months`; the hazard is the same in all months, at equal controls. None where fewer than 100
    gaps closed, or it cannot be told from the controls.

    Misleads where people close gaps and let them open again between two looks, and where those who
    are driven both do it and close gaps.

    >>> rows = pd.DataFrame({"person_id": range(800), "interval": range(800), "x": [0, 1] * 400})
    >>> rows["closed"] = [1, 1, 0, 1, 0, 1, 0, 0] * 100
    >>> round(by_schedule(rows, "x").estimate, 2)  # log(0.25) / log(0.75)
    4.82
    """
    rows, x = _design(rows, exposure, list(controls), cluster)
    first = ~rows.interval.duplicated()
    y, of = rows.closed[first].to_numpy(float), pd.factorize(rows.interval)[0]
    closed = rows.person_id[first & (rows.closed == 1)]
    if not limits.rows("by schedule", closed, MIN_CLOSED) or rows[cluster].nunique() < 2:
        return None
    solved = _scored(x, y, of)
    if solved is None:
        return None
    b, inverse, scores = solved
    clusters = rows[cluster][first]
    many, moves = clusters.nunique(), scores @ inverse[0]
    by_cluster = pd.Series(moves).groupby(clusters.to_numpy()).sum()
    error = np.sqrt(by_cluster @ by_cluster * many / (many - 1))
    about = {"ratio": True, "scores": moves, "clusters": clusters}
    found = Slope.of(b[0], float(error), many - 1, level, len(y), many, **about)
    method = "interval-censored hazard between scheduled assessments"
    return found.fit(rows.person_id[first], hazards.smaller(rows, exposure), method, cluster)


def _design(
    rows: pd.DataFrame, exposure: str, controls: list[str], cluster: str
) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of categories in which some gap closed, and their columns: exposure, one, controls."""
    rows = rows.dropna(subset=[exposure, *controls, cluster])
    numbers = [name for name in controls if pd.api.types.is_numeric_dtype(rows[name])]
    kinds = [name for name in controls if name not in numbers]
    for name in kinds:
        rows = rows[rows.closed.groupby(rows[name]).transform("max") > 0]
    held = [rows[numbers].astype(float)]
    held += [pd.get_dummies(rows[name].astype(str), drop_first=True, dtype=float) for name in kinds]
    held = pd.concat(held, axis=1).to_numpy()
    held = held - held.mean(axis=0) if len(rows) else held
    return rows, np.column_stack([rows[exposure].to_numpy(float), np.ones(len(rows)), held])


def _scored(
    x: np.ndarray, y: np.ndarray, of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Coefficients, the inverse of the curvature there, and the intervals' scores (n, k)."""
    if np.linalg.matrix_rank(x) < x.shape[1]:
        return None
    n, start = len(y), np.zeros(x.shape[1])
    start[1] = np.log(y.mean() * n / len(x))

    def parts(b: np.ndarray) -> tuple[np.ndarray, ...]:
        """Months' hazards; their sums and slopes (n, k) by interval; what a sum is pulled by."""
        mu = np.exp(np.clip(x @ b, -20, 5))
        hazard = np.clip(sums(mu, of, n), 1e-12, 500.0)
        return mu, hazard, sums(mu[:, None] * x, of, n), y / np.expm1(hazard) - (1 - y)

    def loss(b: np.ndarray) -> float:
        _, hazard, _, _ = parts(b)
        return float((1 - y) @ hazard - y @ np.log(-np.expm1(-hazard)))

    def scores(b: np.ndarray) -> np.ndarray:
        _, _, slopes, pull = parts(b)
        return pull[:, None] * slopes

    def curvature(b: np.ndarray) -> np.ndarray:
        mu, hazard, slopes, pull = parts(b)
        bent = slopes.T @ (slopes * (y * np.exp(-hazard) / np.expm1(-hazard) ** 2)[:, None])
        return bent - x.T @ (x * (mu * pull[of])[:, None])

    about = {"jac": lambda b: -scores(b).sum(axis=0), "hess": curvature}
    found = optimize.minimize(loss, start, **about, method="trust-exact", options={"gtol": NEAR})
    if np.abs(scores(found.x).sum(axis=0)).max() > FAR_OFF:
        return None
    return found.x, np.linalg.pinv(curvature(found.x)), scores(found.x)

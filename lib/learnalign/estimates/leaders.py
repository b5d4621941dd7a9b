"""Leaders: whether teams say "I don't know" more after their leader did so visibly.

A campaign moves leaders and teams at once and looks like leading; so leaders count a quarter
before, teams are compared with themselves and with other teams of their unit in the same quarter,
and the leader's next quarter, which cannot have led anybody yet, must show nothing.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyfixest as pf
from scipy import stats

from learnalign.estimates import ladder
from learnalign.estimates.samples import two_or_more
from learnalign.verdicts.result import TOO_FEW_CLUSTERS, Check, Comparison, Design, Fit

POWER = 0.80


@dataclass(frozen=True)
class Following:
    """Percentage points of the team's share: after the leader's quarter before, and for the quarter
    to come.
    """

    lagged: Fit
    placebo: Fit | None  # the leader's next quarter; None where too few leaders have one


@dataclass(frozen=True)
class EventStudy:
    """The average effect after the first visible acknowledgement, and by quarters since (negative:
    before).
    """

    att: Fit
    by_period: tuple[tuple[int, Fit], ...]


# --- the leader's quarter before


def team_follow(team_quarters: pd.DataFrame, *, level: float = 0.95) -> Following:
    """Difference in a team's acknowledgement share when its leader acknowledged visibly in the
    quarter before.

    A row per team and quarter: team_id, unit, leader_id, quarter (a whole number, one more each
    quarter), people, share (0 to 1, of the team's members, without the leader) and
    leader_acknowledged (0/1, in this quarter). Percentage points, with team and unit x quarter
    effects, clustered by leader (`learnalign.estimates.ladder`). The placebo is the same leader's
    next quarter, with this one and the last held equal, so that habit is not taken for foresight.

    Raises ValueError where three leaders or fewer change. Misleads when something local, and not in
    the unit's quarter, moves the leader first and the team a quarter later. METHODS 3, Q4, and 5,
    row 18.

    >>> rng = np.random.default_rng(1)
    >>> rows = pd.DataFrame({"team_id": np.repeat(range(60), 8), "unit": "north", "quarter": np.tile(range(8), 60)})
    >>> rows = rows.assign(leader_id=rows.team_id, people=8, leader_acknowledged=rng.integers(0, 2, 480))
    >>> before = rows.groupby("team_id").leader_acknowledged.shift(fill_value=0)
    >>> found = team_follow(rows.assign(share=0.3 + 0.1 * before + rng.normal(0, 0.05, 480)))
    >>> bool(9 < found.lagged.estimate < 11)
    True
    """
    rows = team_quarters.assign(
        _lag=_leading(team_quarters, -1),
        _now=_leading(team_quarters, 0),
        _next=_leading(team_quarters, 1),
    )
    lagged = _within_teams(rows, "_lag", [], level)
    try:
        placebo = _within_teams(rows, "_next", ["_lag", "_now"], level)
    except ValueError:
        placebo = None
    return Following(lagged, placebo)


def _leading(team_quarters: pd.DataFrame, quarters: int) -> np.ndarray:
    """Whether each row's leader acknowledged visibly so many quarters later; empty where that is
    not known.
    """
    own = team_quarters.groupby(["leader_id", "quarter"]).leader_acknowledged.max().astype(float)
    asked = pd.MultiIndex.from_arrays([team_quarters.leader_id, team_quarters.quarter + quarters])
    return own.reindex(asked).to_numpy()


def _comparable(rows: pd.DataFrame, exposure: str, held: list[str]) -> pd.DataFrame:
    """Rows of teams, and of units' quarters, that hold two or more; ValueError where too few
    leaders change.
    """
    rows = rows.dropna(
        subset=["team_id", "unit", "leader_id", "share", exposure, *held]
    ).reset_index(drop=True)
    rows = two_or_more(rows, [["team_id"], ["unit", "quarter"]])
    changes = rows.groupby("leader_id")[exposure].nunique() > 1
    if changes.sum() <= TOO_FEW_CLUSTERS:
        raise ValueError(
            f"Only {changes.sum()} leaders both acknowledged and did not: too few to compare."
        )
    return rows


def _within_teams(rows: pd.DataFrame, exposure: str, held: list[str], level: float) -> Fit:
    rows = _comparable(rows, exposure, held)
    slope = ladder.slope(
        100 * rows.share.to_numpy(float),
        rows[exposure].to_numpy(float),
        rows.leader_id.to_numpy(),
        controls=_unit_quarters(rows, held),
        groups=rows.team_id.to_numpy(),
        level=level,
    )
    return _of_slope(rows, exposure, slope, "team and unit x quarter fixed effects", "adjusted")


def _of_slope(
    rows: pd.DataFrame, exposure: str, slope: ladder.Slope, method: str, design: Design
) -> Fit:
    by_team = [
        rows[rows[exposure] == side].groupby("team_id").people.max().sum() for side in (0, 1)
    ]
    return Fit(
        slope.estimate,
        slope.low,
        slope.high,
        slope.std_error,
        slope.df,
        slope.level,
        slope.n_rows,
        int(rows.groupby("team_id").people.max().sum()),
        int(min(by_team)),
        slope.n_clusters,
        f"{method}, {slope.rung} by leader",
        design,
        slope.second,
        "leader",
        slope.rung,
    )


def _unit_quarters(rows: pd.DataFrame, held: list[str]) -> np.ndarray | None:
    """What is held equal, without the directions that teams, or the columns before, already carry."""
    cells = pd.get_dummies(rows.groupby(["unit", "quarter"]).ngroup(), dtype=float)
    columns = np.column_stack([cells.to_numpy(), rows[held].to_numpy(float)])
    inside = ladder.within(columns, rows.team_id.to_numpy())
    size, direction = np.linalg.eigh(inside.T @ inside)
    kept = direction[:, size > 1e-9 * max(size.max(), 1.0)]
    return inside @ kept if kept.size else None


# --- the question, with what could refute it


def leader_to_team(team_quarters: pd.DataFrame, *, level: float = 0.95) -> Comparison:
    """Q4 from `teams.team_quarters`: raw and adjusted (`team_follow`) side by side, and the placebo
    as its check.

    Misleads as `team_follow` does. A campaign in the whole unit is held equal by its quarter; one
    in half of the unit is not.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import teams
    >>> leader_to_team(teams.team_quarters(datasets.read("data/demo"))).adjusted.design
    'adjusted'
    """
    rows = (
        team_quarters.assign(_lag=_leading(team_quarters, -1))
        if len(team_quarters)
        else team_quarters
    )
    found = Comparison("leader_to_team", None, None)
    known = rows.dropna(subset=["_lag"]) if len(rows) else rows
    if known.empty or known._lag.nunique() < 2 or known.leader_id.nunique() <= TOO_FEW_CLUSTERS:
        return replace(found, reason="no leaders" if len(rows) else "no team")
    try:
        slope = ladder.slope(
            100 * known.share.to_numpy(float),
            known._lag.to_numpy(float),
            known.leader_id.to_numpy(),
            level=level,
        )
        following = team_follow(team_quarters, level=level)
    except ValueError:
        return replace(found, reason="no leaders")
    raw = _of_slope(known, "_lag", slope, "nothing held equal", "described")
    return replace(found, raw=raw, adjusted=following.lagged, checks=(_placebo(following.placebo),))


def who(team_quarters: pd.DataFrame) -> pd.DataFrame:
    """How many quarters, of how many teams and people, can be used: `what`, `rows` (quarters),
    `teams`, `people`.

    `people` are the most that the teams had, added up: nobody's name is needed for it. Empty
    without teams.
    """
    if team_quarters.empty:
        return pd.DataFrame(columns=["what", "rows", "teams", "people"])
    before = _leading(team_quarters, -1)
    kinds = {
        "quarters of teams": np.ones(len(team_quarters), bool),
        "the leader’s quarter before is known": ~np.isnan(before),
        "the leader had acknowledged visibly in it": before == 1,
    }
    teams = {
        what: team_quarters[here].groupby("team_id").people.max() for what, here in kinds.items()
    }
    rows = [
        (what, int(kinds[what].sum()), len(most), int(most.sum())) for what, most in teams.items()
    ]
    return pd.DataFrame(rows, columns=["what", "rows", "teams", "people"])


def _placebo(fit: Fit | None) -> Check:
    """The leader's next quarter has led nobody yet: it must not go with the team's share now."""
    if fit is None:
        return Check.of("leaders", "not possible", "few")
    if fit.low <= 0 <= fit.high:
        return Check.of("leaders", "passed", "alone")
    return Check.of("leaders", "failed", "together")


def first_time(team_quarters: pd.DataFrame, *, level: float = 0.95) -> dict[str, Fit]:
    """Percentage points of the team's share since its leader's first visible acknowledgement
    (`event_study`).

    On average, and quarter by quarter from three before to three after; quarters before should show
    nothing. Empty where too few leaders ever do. Misleads as `event_study` does, and where the lift
    fades: the average then covers it.
    """
    rows = team_quarters.dropna(subset=["leader_acknowledged"])
    said = rows[rows.leader_acknowledged == 1].groupby("leader_id").quarter.min()
    rows = rows.assign(
        adopted=rows.leader_id.map(said).astype(float), share=100 * rows.share.astype(float)
    )
    try:
        study = event_study(rows, level=level)
    except ValueError:
        return {}
    by_quarter = {_since(k): fit for k, fit in study.by_period if -3 <= k <= 3}
    return {"on average since the first time": study.att} | by_quarter


def _since(quarters: int) -> str:
    if quarters == 0:
        return "in the same quarter"
    return (
        f"{abs(quarters)} quarter{'s' * (abs(quarters) != 1)} "
        f"{'before' if quarters < 0 else 'after'}"
    )


def detectable(team_quarters: pd.DataFrame) -> float | None:
    """The smallest difference in percentage points that Q4 could show, before any result (METHODS
    4).

    From what teams and their units' quarters leave over of the share and of the leader's quarter
    before; whether the two go together is never computed. None where too few leaders change. At
    best, as for every detectable effect.
    """
    if team_quarters.empty:
        return None
    rows = team_quarters.assign(_lag=_leading(team_quarters, -1))
    try:
        rows = _comparable(rows, "_lag", [])
    except ValueError:
        return None
    values = ladder.within(
        np.column_stack([100 * rows.share, rows._lag]).astype(float), rows.team_id.to_numpy()
    )
    held = _unit_quarters(rows, [])
    left = (
        values - held @ np.linalg.lstsq(held, values, rcond=None)[0] if held is not None else values
    )
    if left[:, 1] @ left[:, 1] <= 1e-9 * (
        values[:, 1] @ values[:, 1]
    ):  # every leader of a unit does the same
        return None
    free = len(rows) - rows.team_id.nunique() - (0 if held is None else held.shape[1]) - 1
    t = stats.t.ppf([0.975, POWER], rows.leader_id.nunique() - 1).sum()
    return float(t * np.sqrt((left[:, 0] @ left[:, 0]) / max(free, 1) / (left[:, 1] @ left[:, 1])))


# --- the first time


def event_study(panel: pd.DataFrame, *, level: float = 0.95) -> EventStudy:
    """Change in the share after a leader's first visible acknowledgement, in the share's unit
    (Gardner 2022).

    A row per leader_id and quarter; `adopted` is the quarter of the first time, empty for never.
    Leaders' and quarters' levels come from rows before adoption only, so early adopters never serve
    as controls for late ones. Leads are what those rows leave over: they show a trend before, drawn
    somewhat to 0. Periods with three leaders or fewer are left out. Leaders, and quarters, with
    fewer than two rows before adoption cannot be used and are dropped; the counts in the fits are
    of leaders.

    Raises ValueError with three or fewer adopting leaders, or a leader twice in a quarter. Memory
    grows with the square of the leaders: thousands are many. Misleads when leaders choose their
    first time by what they see coming in the team.

    >>> rows = pd.DataFrame({"leader_id": np.repeat(range(40), 6), "quarter": np.tile(range(6), 40)})
    >>> rows["adopted"] = rows.leader_id.map(lambda leader: 3 if leader < 20 else np.nan)
    >>> rows["share"] = 0.1 * (rows.quarter >= rows.adopted) + np.random.default_rng(1).normal(0, 0.01, 240)
    >>> round(event_study(rows).att.estimate, 2)
    0.1
    """
    rows = _estimable(_checked(panel))
    since = rows.period - rows.adopted
    leaders = since.groupby(since).transform("size")  # one row a leader
    shown = sorted(int(k) for k in since[leaders > TOO_FEW_CLUSTERS].unique())
    names = [f"since_{place}" for place in range(len(shown))]
    rows = rows.assign(
        **{name: (since == k).astype(float) for name, k in zip(names, shown, strict=True)}
    )
    att = _two_stages(rows, ["treated"], level)[0]
    return EventStudy(att, tuple(zip(shown, _two_stages(rows, names, level), strict=True)))


def _checked(panel: pd.DataFrame) -> pd.DataFrame:
    """The panel under plain names, with whether a row is treated."""
    rows = pd.DataFrame(
        {
            "unit": panel.leader_id,
            "period": panel.quarter,
            "adopted": panel.adopted.astype(float),
            "y": panel.share.astype(float),
        }
    ).dropna(subset=["unit", "period", "y"])
    if rows.duplicated(["unit", "period"]).any():
        raise ValueError("A leader has several rows in one quarter.")
    if (rows.groupby("unit").adopted.nunique(dropna=False) > 1).any():
        raise ValueError("A leader has several values of adopted.")
    return rows.assign(treated=(rows.period >= rows.adopted).astype(float)).reset_index(drop=True)


def _estimable(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose unit and period have a level of their own: two rows or more before adoption."""
    rows = two_or_more(rows, [["unit"], ["period"]], rows.treated == 0)
    adopting = rows.unit[rows.treated == 1].nunique()
    if adopting <= TOO_FEW_CLUSTERS:
        raise ValueError(
            f"Only {adopting} leaders adopt with two rows before and somebody to compare "
            "with: too few."
        )
    return rows.reset_index(drop=True)


def _two_stages(rows: pd.DataFrame, marks: list[str], level: float) -> list[Fit]:
    data = rows.assign(unit=pd.factorize(rows.unit)[0], period=pd.factorize(rows.period)[0])
    model = pf.did2s(
        data,
        yname="y",
        first_stage="~ 0 | unit + period",
        second_stage=f"~ {' + '.join(marks)}",
        treatment="treated",
        cluster="unit",
    )
    estimates, errors, units = model.coef(), model.se(), rows.unit.nunique()
    exposed = rows.groupby("period").treated.transform("max") == 1
    controls = rows.unit[
        exposed & (rows.treated == 0)
    ].nunique()  # in a quarter in which others are treated
    half = stats.t.ppf(0.5 + level / 2, units - 1) * errors
    method = (
        "two-stage differences (did2s), controls not yet or never treated, clustered "
        f"by leader, t({units - 1})"
    )
    return [
        Fit(
            float(estimates[mark]),
            float(estimates[mark] - half[mark]),
            float(estimates[mark] + half[mark]),
            float(errors[mark]),
            units - 1,
            level,
            int((rows[mark] == 1).sum()),
            units,
            min(rows.unit[rows[mark] == 1].nunique(), controls),
            units,
            method,
            "adjusted",
            cluster="leader",
        )
        for mark in marks
    ]

"""Leaders: whether teams say "I don't know" more after their leader did so visibly.

A campaign moves leaders and teams at once and looks like leading; so leaders count a quarter
before, teams are compared with themselves and with other teams of their unit in the same quarter,
and the leader's next quarter, which cannot have led anybody yet, must show nothing.

`team_quarters` has a row per team and quarter (`linking.teams`): team_id, unit, leader_id, quarter
(a whole number, one more each quarter), people, share (0 to 1, of the team's members, without the
leader) and leader_acknowledged (0/1, visibly, in this quarter).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyfixest as pf

from learnalign.estimates import checks, ladder
from learnalign.estimates.columns import unexplained, within
from learnalign.estimates.contrasts import reach
from learnalign.estimates.core import two_or_more
from learnalign.verdicts.result import TOO_FEW_CLUSTERS, Comparison, Design, Fit


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


def leader_to_team(team_quarters: pd.DataFrame, *, level: float = 0.95) -> Comparison:
    """Q4: raw and adjusted (`team_follow`) side by side, and the placebo as its check.

    Misleads as `team_follow` does. A campaign in the whole unit is held equal by its quarter; one
    in half of the unit is not.

    >>> from learnalign.data import reading
    >>> from learnalign.linking import teams
    >>> leader_to_team(teams.team_quarters(reading.read("data/demo"))).adjusted.design
    'adjusted'
    """
    found = Comparison("leader_to_team", None, None)
    known = _leading(team_quarters).dropna(subset=["before"])
    if known.before.nunique() < 2 or known.leader_id.nunique() <= TOO_FEW_CLUSTERS:
        return replace(found, reason="no leaders" if len(team_quarters) else "no team")
    try:
        raw = _slope(known, "before", "nothing held equal", "described", level)
        following = team_follow(team_quarters, level=level)
    except ValueError:
        return replace(found, reason="no leaders")
    placebo = checks.alone("leaders", following.placebo)
    return replace(found, raw=raw, adjusted=following.lagged, checks=(placebo,))


def team_follow(team_quarters: pd.DataFrame, *, level: float = 0.95) -> Following:
    """Difference in a team's acknowledgement share when its leader acknowledged visibly in the
    quarter before.

    Percentage points, with team and unit x quarter effects, clustered by leader (`ladder`). The
    placebo is the same leader's next quarter, with this one and the last held equal, so that habit
    is not taken for foresight.

    Raises ValueError where three leaders or fewer change. Misleads when something local, and not in
    the unit's quarter, moves the leader first and the team a quarter later. METHODS 3, Q4, and 5,
    row 18.

    >>> rng = np.random.default_rng(1)
    >>> rows = pd.DataFrame({"team_id": np.repeat(range(60), 8), "quarter": np.tile(range(8), 60)})
    >>> rows = rows.assign(unit="north", leader_id=rows.team_id, people=8)
    >>> rows["leader_acknowledged"] = rng.integers(0, 2, 480)
    >>> before = rows.groupby("team_id").leader_acknowledged.shift(fill_value=0)
    >>> found = team_follow(rows.assign(share=0.3 + 0.1 * before + rng.normal(0, 0.05, 480)))
    >>> bool(9 < found.lagged.estimate < 11)
    True
    """
    rows = _leading(team_quarters)
    lagged = _within_teams(rows, "before", [], level)
    try:
        placebo = _within_teams(rows, "after", ["before", "now"], level)
    except ValueError:
        placebo = None
    return Following(lagged, placebo)


def _leading(team_quarters: pd.DataFrame) -> pd.DataFrame:
    """With whether each row's leader acknowledged visibly in the quarter `before`, `now`, `after`;
    empty where that is not known.
    """
    own = team_quarters.groupby(["leader_id", "quarter"]).leader_acknowledged.max().astype(float)
    moved = {
        name: pd.MultiIndex.from_arrays([team_quarters.leader_id, team_quarters.quarter + quarters])
        for name, quarters in (("before", -1), ("now", 0), ("after", 1))
    }
    return team_quarters.assign(**{name: own.reindex(at).to_numpy() for name, at in moved.items()})


def _comparable(rows: pd.DataFrame, exposure: str, held: Sequence[str] = ()) -> pd.DataFrame:
    """Rows of teams, and of units' quarters, that hold two or more; ValueError where too few
    leaders change.
    """
    names = ["team_id", "unit", "leader_id", "share", exposure, *held]
    rows = rows.dropna(subset=names).reset_index(drop=True)
    rows = two_or_more(rows, [["team_id"], ["unit", "quarter"]])
    changes = (rows.groupby("leader_id")[exposure].nunique() > 1).sum()
    if changes <= TOO_FEW_CLUSTERS:
        raise ValueError(
            f"Only {changes} leaders both acknowledged and did not: too few to compare."
        )
    return rows


def _within_teams(rows: pd.DataFrame, exposure: str, held: list[str], level: float) -> Fit:
    rows = _comparable(rows, exposure, held)
    equal = {"controls": _unit_quarters(rows, held), "groups": rows.team_id.to_numpy()}
    method = "team and unit x quarter fixed effects"
    return _slope(rows, exposure, method, "adjusted", level, **equal)


def _slope(
    rows: pd.DataFrame, exposure: str, method: str, design: Design, level: float, **equal
) -> Fit:
    y, x = 100 * rows.share.to_numpy(float), rows[exposure].to_numpy(float)
    slope = ladder.slope(y, x, rows.leader_id.to_numpy(), level=level, **equal)
    sides = [rows, rows[rows[exposure] == 0], rows[rows[exposure] == 1]]
    people = [int(side.groupby("team_id").people.max().sum()) for side in sides]
    return slope.fit(people[0], min(people[1:]), method, "leader", design)


def _unit_quarters(rows: pd.DataFrame, held: Sequence[str] = ()) -> np.ndarray | None:
    """What is held equal, without the directions that teams, or the columns before, already carry."""
    cells = pd.get_dummies(rows.groupby(["unit", "quarter"]).ngroup(), dtype=float)
    columns = np.column_stack([cells.to_numpy(), rows[list(held)].to_numpy(float)])
    inside = within(columns, rows.team_id.to_numpy())
    size, direction = np.linalg.eigh(inside.T @ inside)
    kept = direction[:, size > 1e-9 * max(size.max(), 1.0)]
    return inside @ kept if kept.size else None


def detectable(team_quarters: pd.DataFrame) -> float | None:
    """The smallest difference in percentage points that Q4 could show, before any result (METHODS
    4).

    From what teams and their units' quarters leave over of the share and of the leader's quarter
    before; whether the two go together is never computed. None where too few leaders change. At
    best, as for every detectable effect.
    """
    try:
        rows = _comparable(_leading(team_quarters), "before")
    except ValueError:
        return None
    values = np.column_stack([100 * rows.share, rows.before]).astype(float)
    values, held = within(values, rows.team_id.to_numpy()), _unit_quarters(rows)
    left = values if held is None else unexplained(values, held)
    (share, _), (_, lead) = left.T @ left
    if lead <= 1e-9 * (values[:, 1] @ values[:, 1]):  # every leader of a unit does the same
        return None
    free = len(rows) - rows.team_id.nunique() - (0 if held is None else held.shape[1]) - 1
    return float(reach(rows.leader_id.nunique()) * np.sqrt(share / max(free, 1) / lead))


def who(team_quarters: pd.DataFrame) -> pd.DataFrame:
    """How many quarters, of how many teams and people, can be used: `what`, `rows` (quarters),
    `teams`, `people`.

    `people` are the most that the teams had, added up: nobody's name is needed for it. Empty
    without teams.
    """
    rows = _leading(team_quarters)
    kinds = {
        "quarters of teams": rows,
        "the leader’s quarter before is known": rows[rows.before.notna()],
        "the leader had acknowledged visibly in it": rows[rows.before == 1],
    }
    table = [
        (what, len(some), some.team_id.nunique(), int(some.groupby("team_id").people.max().sum()))
        for what, some in kinds.items()
        if len(rows)
    ]
    return pd.DataFrame(table, columns=["what", "rows", "teams", "people"])


# --- the first time


def first_time(team_quarters: pd.DataFrame, *, level: float = 0.95) -> dict[str, Fit]:
    """Percentage points of the team's share since its leader's first visible acknowledgement
    (`event_study`).

    On average, and quarter by quarter from three before to three after; quarters before should show
    nothing. Empty where too few leaders ever do. Misleads as `event_study` does, and where the lift
    fades: the average then covers it.
    """
    rows = team_quarters.dropna(subset=["leader_acknowledged"])
    said = rows[rows.leader_acknowledged == 1].groupby("leader_id").quarter.min()
    adopted, share = rows.leader_id.map(said).astype(float), 100 * rows.share.astype(float)
    try:
        study = event_study(rows.assign(adopted=adopted, share=share), level=level)
    except ValueError:
        return {}
    by_quarter = {_since(k): fit for k, fit in study.by_period if -3 <= k <= 3}
    return {"on average since the first time": study.att} | by_quarter


def _since(quarters: int) -> str:
    if quarters == 0:
        return "in the same quarter"
    size, side = abs(quarters), "before" if quarters < 0 else "after"
    return f"{size} quarter{'s' * (size != 1)} {side}"


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
    grows with the square of the leaders. Misleads when leaders choose their first time by what they
    see coming in the team.

    >>> rows = pd.DataFrame({"leader_id": np.repeat(range(40), 6), "quarter": [*range(6)] * 40})
    >>> rows["adopted"] = rows.leader_id.map(lambda leader: 3 if leader < 20 else np.nan)
    >>> noise = np.random.default_rng(1).normal(0, 0.01, 240)
    >>> rows["share"] = 0.1 * (rows.quarter >= rows.adopted) + noise
    >>> round(event_study(rows).att.estimate, 2)
    0.1
    """
    rows = _estimable(panel)
    since = rows.quarter - rows.adopted
    leaders = since.groupby(since).transform("size")  # one row a leader
    shown = sorted(int(k) for k in since[leaders > TOO_FEW_CLUSTERS].unique())
    marks = {f"since_{place}": (since == k).astype(float) for place, k in enumerate(shown)}
    (att,) = _two_stages(rows, ["treated"], level)
    periods = zip(shown, _two_stages(rows.assign(**marks), [*marks], level), strict=True)
    return EventStudy(att, tuple(periods))


def _estimable(panel: pd.DataFrame) -> pd.DataFrame:
    """Rows, with whether they are treated, of leaders and quarters with a level of their own: two
    rows or more before adoption.
    """
    rows = panel.dropna(subset=["leader_id", "quarter", "share"]).reset_index(drop=True)
    if rows.duplicated(["leader_id", "quarter"]).any():
        raise ValueError("A leader has several rows in one quarter.")
    if (rows.groupby("leader_id").adopted.nunique(dropna=False) > 1).any():
        raise ValueError("A leader has several values of adopted.")
    rows = rows.astype({"adopted": float, "share": float})
    rows = rows.assign(treated=(rows.quarter >= rows.adopted).astype(float))
    rows = two_or_more(rows, [["leader_id"], ["quarter"]], rows.treated == 0)
    adopting = rows.leader_id[rows.treated == 1].nunique()
    if adopting <= TOO_FEW_CLUSTERS:
        raise ValueError(
            f"Only {adopting} leaders adopt with two rows before and somebody to compare with: "
            "too few."
        )
    return rows.reset_index(drop=True)


def _two_stages(rows: pd.DataFrame, marks: list[str], level: float) -> list[Fit]:
    model = pf.did2s(
        rows.assign(**{name: pd.factorize(rows[name])[0] for name in ("leader_id", "quarter")}),
        yname="share",
        first_stage="~ 0 | leader_id + quarter",
        second_stage=f"~ {' + '.join(marks)}",
        treatment="treated",
        cluster="leader_id",
    )
    estimates, errors, count = model.coef(), model.se(), rows.leader_id.nunique()
    exposed = rows.groupby("quarter").treated.transform("max") == 1  # others are treated then
    controls = rows.leader_id[exposed & (rows.treated == 0)].nunique()
    controlled = "controls not yet or never treated"
    return [
        Fit(
            estimate := float(estimates[mark]),
            *ladder.interval(estimate, error := float(errors[mark]), count - 1, level),
            error,
            count - 1,
            level,
            n_rows=int((rows[mark] == 1).sum()),
            n_people=count,
            n_people_smaller=min(rows.leader_id[rows[mark] == 1].nunique(), controls),
            n_clusters=count,
            method=f"two-stage differences (did2s), {controlled}, clustered by leader, t({count - 1})",
            design="adjusted",
            cluster="leader",
        )
        for mark in marks
    ]

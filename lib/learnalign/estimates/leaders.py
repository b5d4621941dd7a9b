"""Leaders: whether teams say "I don't know" more after their leader did so visibly.

A campaign moves leaders and teams at once and looks like leading; so leaders count a quarter
before, teams are compared with themselves and with other teams of their unit in the same quarter,
and the leader's next quarter, which cannot have led anybody yet, must show nothing.

`team_quarters` has a row per team and quarter (`linking.teams`): team_id, unit, leader_id, quarter
(a whole number, one more each quarter), people, share (0 to 1, of the team's members, without the
leader), leader_acknowledged (0/1, visibly, in this quarter), and who of the members `said` so and
who was `silent` (lists).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyfixest as pf
from scipy.sparse.linalg import lsmr

from learnalign.estimates import checks, described, forward, ladder, limits
from learnalign.estimates.columns import by_person, dummies, of_sums, unexplained, within
from learnalign.estimates.contrasts import reach
from learnalign.estimates.same_manager import two_or_more
from learnalign.verdicts.result import Comparison, Design, Fit

# --- the leader's quarter before


def leader_to_team(
    team_quarters: pd.DataFrame, *, among: pd.Series | None = None, level: float = 0.95
) -> Comparison:
    """Q4: a team's share (percentage points) when its leader did so visibly the quarter before.

    `among` (n,) marks the rows that are compared, if not all; what leaders did is known from all.

    Adjusted with team and unit x quarter effects, clustered by leader (`ladder`). The check is the
    placebo, the leader's next quarter at equal this and last one, so that habit is not taken for
    foresight (METHODS 3, Q4, and 5, row 18). Where leaders answer to their teams it fails although
    teams follow: `forward` compares with the same teams' later quarters instead (`later_quarters`).

    Misleads when something local, and not in the unit's quarter, moves the leader first and the
    team later: a campaign in the whole unit is held equal, one in half of the unit is not.

    >>> from learnalign.data import reading
    >>> from learnalign.linking import teams
    >>> leader_to_team(teams.team_quarters(reading.read("data/demo"))).adjusted.design
    'adjusted'
    """
    found = Comparison("leader_to_team", None, None)
    led = leading(team_quarters)
    led = led if among is None else led[among.to_numpy(bool)]
    known = led.dropna(subset=["before"])
    if known.before.nunique() < 2 or not limits.leading("led", known.leader_id):
        return replace(found, reason="no leaders" if len(team_quarters) else "no team")
    try:
        raw = _slope(known, "before", "nothing held equal", "described", level)
        lagged, placebo = _led(led, level)
    except ValueError:
        return replace(found, reason="no leaders")
    robust, luck = later_quarters(known, level)
    found = replace(found, raw=raw, adjusted=lagged, forward=robust, luck=luck)
    found = replace(found, checks=(checks.alone("leaders", placebo),))
    return replace(found, base=_without(known, lagged), per=1.0)


def _without(rows: pd.DataFrame, fit: Fit) -> Fit:
    """The share (percent) that the teams compared come to when their leader had not: of the same
    teams and quarters. Its interval takes the figure as known; it is never judged.
    """
    rows = _comparable(rows, "before")
    x, y = rows.before.to_numpy(float), 100 * rows.share.to_numpy(float)
    values = y - fit.estimate * x
    found = described.mean(values, rows.leader_id, rows.leader_id, by="leader")
    even = np.full(len(rows), 1 / len(rows))
    own = _influence(rows, y, even * (values - values.mean()), even)
    moves, about = own["influence"], {"n_people": fit.n_people, "of_error": own["of_error"]}
    people = moves.index.union(fit.influence.index)
    moves, through = (one.reindex(people, fill_value=0.0) for one in (moves, fit.influence))
    return replace(found, influence=moves - x.mean() * through, **about)


def _led(rows: pd.DataFrame, level: float = 0.95) -> tuple[Fit, Fit | None]:
    """After the leader's quarter before; and the placebo, None where too few have a next one."""
    lagged = _within_teams(rows, "before", [], level)
    try:
        return lagged, _within_teams(rows, "after", ["before", "now"], level)
    except ValueError:
        return lagged, None


def later_quarters(led: pd.DataFrame, level: float = 0.95) -> tuple[Fit | None, Fit | None]:
    """After the leader's quarter `before` (`leading`), against the same team's later quarters, and
    how far what moves a team's quarter lasts (`forward`): leaders may answer to all that their team
    did until then. None for both where too few have later quarters, or three in a row.

    Misleads where something local lasts: it moves the leader, and then this as well. Only the
    second figure tells, and of a short one not always.
    """
    try:
        rows = _comparable(led.sort_values("quarter"), "before")
    except ValueError:
        return None, None
    cell = rows.groupby(["unit", "quarter"]).ngroup()
    names = {"person_id": rows.team_id, "rater": rows.leader_id, "rater_cycle": cell}
    frame = rows.assign(exposure=rows.before, outcome=100 * rows.share.astype(float), **names)
    found = forward.ahead(frame, level)
    if found is None:
        return None, None
    rows, y = found.rows, found.rows.outcome.to_numpy()
    total, fewer = _people(rows[found.kept], "exposure")
    method = "against the same teams' later quarters, unit x quarter means held equal"
    fit = found.slope.fit(rows.leader_id[found.kept], fewer, method, "leader")
    scores = np.zeros(len(rows))
    scores[found.kept] = found.slope.scores
    weights = found.weights()
    moves = _own(rows, y, scores, weights).groupby(level=0).sum()
    fit = replace(fit, n_people=total, influence=moves, of_error=None)  # a few rule its error
    alone = replace(fit, influence=by_person(scores, rows.leader_id))
    luck = forward.lasting(found, alone, level, owner="leader_id")
    if luck is None:
        return None, None
    weights = found.luck_weights() + found.through() * weights
    more = _own(rows, y, np.zeros(len(rows)), weights).groupby(level=0).sum()
    return fit, replace(luck, influence=luck.influence.add(more, fill_value=0.0), of_error=None)


def leading(team_quarters: pd.DataFrame) -> pd.DataFrame:
    """With whether the row's leader did so visibly in the quarter `before`, `now`, `after`.

    Misleads as `leader_to_team` does.
    """
    own = team_quarters.groupby(["leader_id", "quarter"]).leader_acknowledged.max().astype(float)
    moved = {
        name: pd.MultiIndex.from_arrays([team_quarters.leader_id, team_quarters.quarter + quarters])
        for name, quarters in (("before", -1), ("now", 0), ("after", 1))
    }
    return team_quarters.assign(**{name: own.reindex(at).to_numpy() for name, at in moved.items()})


def _comparable(rows: pd.DataFrame, exposure: str, held: Sequence[str] = ()) -> pd.DataFrame:
    """Rows of teams and units' quarters of two or more; ValueError if too few leaders change."""
    names = ["team_id", "unit", "leader_id", "share", exposure, *held]
    rows = rows.dropna(subset=names).reset_index(drop=True)
    rows = two_or_more(rows, [["team_id"], ["unit", "quarter"]])
    changes = rows.leader_id[rows.groupby("leader_id")[exposure].transform("nunique") > 1]
    if not limits.leading("leaders", changes):
        raise ValueError(
            f"Only {changes.nunique()} leaders both acknowledged and did not: too few to compare."
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
    total, fewer = _people(rows, exposure)
    fit = slope.fit(rows.leader_id, fewer, method, "leader", design)
    return replace(fit, n_people=total, **_influence(rows, y, slope.scores, slope.weights))


def _people(rows: pd.DataFrame, exposure: str) -> tuple[int, int]:
    """People in the teams, and in the smaller side."""
    sides = [rows, rows[rows[exposure] == 0], rows[rows[exposure] == 1]]
    total, *two = (int(side.groupby("team_id").people.max().sum()) for side in sides)
    return total, min(two)


def _influence(
    rows: pd.DataFrame, y: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> dict[str, pd.Series]:
    """Without a leader all rows of theirs are gone; without a member their part in a team's share.

    It names leaders and members: more than `n_people`, which counts one of these, or team by team.
    """
    own = _own(rows, y, scores, weights)
    error = of_sums(own, by_person(scores, rows.leader_id))
    size = by_person(weights**2 / (weights @ weights), rows.leader_id)
    return {"influence": own.groupby(level=0).sum(), "of_error": error.sub(size, fill_value=0)}


def _own(rows: pd.DataFrame, y: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> pd.Series:
    """What each leader and member moves, by their name and that of the leader whose rows it is."""
    rows = rows.assign(_y=y, _score=scores, _weight=weights)
    moves = [rows[["leader_id", "leader_id", "_score"]].set_axis([*MOVED], axis=1)]
    for name in rows.columns.intersection(["said", "silent"]):
        own = rows.explode(name).dropna(subset=[name])
        change = 100 * (name == "said") - own._y
        change *= own._weight / (own.people - 1).where(own.people > 1)
        about = own.assign(_score=change.fillna(own._score))[[name, "leader_id", "_score"]]
        moves.append(about.set_axis([*MOVED], axis=1))
    return pd.concat(moves).groupby(["person_id", "leader_id"])._score.sum()


MOVED = "person_id", "leader_id", "_score"


def _unit_quarters(rows: pd.DataFrame, held: Sequence[str] = ()) -> np.ndarray | None:
    """What is held equal, without what teams, or the columns before, already carry."""
    cells = pd.get_dummies(rows.groupby(["unit", "quarter"]).ngroup(), dtype=float)
    columns = np.column_stack([cells.to_numpy(), rows[list(held)].to_numpy(float)])
    inside = within(columns, rows.team_id.to_numpy())
    size, direction = np.linalg.eigh(inside.T @ inside)
    kept = direction[:, size > 1e-9 * max(size.max(), 1.0)]
    return inside @ kept if kept.size else None


def detectable(team_quarters: pd.DataFrame) -> float | None:
    """The smallest difference (percentage points) that Q4 could show, before any result.

    From what teams and their units' quarters leave over of the share and of the leader's quarter
    before; whether the two go together is never computed. None where too few leaders change.
    """
    try:
        rows = _comparable(leading(team_quarters), "before")
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


# --- the first time


def first_time(team_quarters: pd.DataFrame, *, level: float = 0.95) -> dict[str, Fit]:
    """Percentage points of the team's share since its leader's first visible acknowledgement.

    On average, and by quarter from three before, which should show nothing, to three after, in two
    stages (Gardner 2022): leaders' and quarters' levels come from rows before adoption only, so
    early adopters never serve as controls for late ones. Leads are what those rows leave over: they
    show a trend before, drawn somewhat to 0. Left out: periods with three leaders or fewer;
    leaders, and quarters, with fewer than two rows before adoption. Counts are of leaders.
    Empty where too few leaders ever do. Memory grows with the square of the leaders.

    Misleads when leaders choose their first time by what they see coming in the team; and where the
    lift fades, as the average covers it.
    """
    rows = team_quarters.dropna(subset=["leader_acknowledged"])
    said = rows[rows.leader_acknowledged == 1].groupby("leader_id").quarter.min()
    adopted, share = rows.leader_id.map(said).astype(float), 100 * rows.share.astype(float)
    try:
        average, periods = _event_study(rows.assign(adopted=adopted, share=share), level)
    except ValueError:
        return {}
    by_quarter = {_since(k): fit for k, fit in periods.items() if -3 <= k <= 3}
    return {"on average since the first time": average} | by_quarter


def _since(quarters: int) -> str:
    if quarters == 0:
        return "in the same quarter"
    size, side = abs(quarters), "before" if quarters < 0 else "after"
    return f"{size} quarter{'s' * (size != 1)} {side}"


def _event_study(panel: pd.DataFrame, level: float = 0.95) -> tuple[Fit, dict[int, Fit]]:
    """The effect on average, and by periods since `adopted` (empty: never; negative: before).

    ValueError with three or fewer adopting leaders, or a leader twice in a quarter.
    """
    rows = _estimable(panel)
    since = rows.quarter - rows.adopted
    own = rows.leader_id.groupby(since)  # one row a leader
    shown = sorted(int(k) for k, some in own if limits.leading(f"since {k}", some))
    marks = {f"since_{place}": (since == k).astype(float) for place, k in enumerate(shown)}
    (average,) = _two_stages(rows, ["treated"], level)
    periods = _two_stages(rows.assign(**marks), [*marks], level)
    return average, dict(zip(shown, periods, strict=True))


def _estimable(panel: pd.DataFrame) -> pd.DataFrame:
    """Rows, and whether treated, of leaders and quarters with two rows or more before adoption."""
    rows = panel.dropna(subset=["leader_id", "quarter", "share"]).reset_index(drop=True)
    if rows.duplicated(["leader_id", "quarter"]).any():
        raise ValueError("A leader has several rows in one quarter.")
    if (rows.groupby("leader_id").adopted.nunique(dropna=False) > 1).any():
        raise ValueError("A leader has several values of adopted.")
    rows = rows.astype({"adopted": float, "share": float})
    rows = rows.assign(treated=(rows.quarter >= rows.adopted).astype(float))
    rows = two_or_more(rows, [["leader_id"], ["quarter"]], rows.treated == 0)
    adopting = rows.leader_id[rows.treated == 1]
    if not limits.leading("adopting", adopting):
        raise ValueError(
            f"Only {adopting.nunique()} leaders adopt with two rows before and somebody to compare "
            "with: too few."
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
    moves = zip(marks, *_two_stage_moves(rows, marks), strict=True)
    moves = {mark: (scores, weights) for mark, scores, weights in moves}
    count, method = rows.leader_id.nunique(), "two-stage differences (did2s)"
    method += ", controls not yet or never treated"
    exposed = rows.groupby("quarter").treated.transform("max") == 1  # others are treated then
    controls = rows.leader_id[exposed & (rows.treated == 0)].nunique()

    def fit(mark: str) -> Fit:
        marked = rows.leader_id[rows[mark] == 1]
        figures = model.coef()[mark], model.se()[mark], count - 1, level
        found = ladder.Slope.of(*figures, len(marked), count, scores=moves[mark][0])
        found = found.fit(rows.leader_id, min(marked.nunique(), controls), method, "leader")
        return replace(found, **_influence(rows, rows.share, *moves[mark]))

    return [fit(mark) for mark in marks]


def _two_stage_moves(rows: pd.DataFrame, marks: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """By how much each row moves each mark's figure (m, n), and per unit of its share."""
    x, y, before = rows[marks].to_numpy(float), rows.share.to_numpy(), rows.treated.to_numpy() == 0
    levels, exact = dummies(rows[["leader_id", "quarter"]]), {"atol": 1e-12, "btol": 1e-12}
    early, own = levels[before], np.linalg.pinv(x)
    left = y - levels @ lsmr(early, y[before], **exact)[0]
    through = np.zeros_like(own)
    for place, toward in enumerate(own @ levels):
        through[place, before] = lsmr(early.T, toward, **exact)[0]
    return own * (left - x @ (own @ left)) - through * left, own - through

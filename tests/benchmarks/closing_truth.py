"""How often the questions on teams and gaps (Q4, Q6, Q8) are right, over companies whose truth is
declared.

    python tests/benchmarks/closing_truth.py [--seeds 40] [--jobs 2] [--cells NAME ...] [--write]

Each company is simulated, its gaps and teams followed, estimated and judged, as the notebooks do.
Beside the verdicts: whether the interval holds the truth, what is seen again where nobody chose the
day, and what the naive figure says that counts from detection who *ever* did. What is drawn is kept
in `closing_truth.json` and not drawn again; `--write` writes `closing_truth.md`.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import open_companies as opened  # beside this file
import pandas as pd

import truth as counting  # beside this file
from learnalign.estimates import closing, leaders
from learnalign.linking import journeys, teams
from learnalign.verdicts import judge
from learnalign.verdicts.result import Fit, Result
from northbank import page, tables
from northbank.truth import NORTHBANK, Truth

HERE = Path(__file__).parent
PAGE, STORE = HERE / "closing_truth.md", HERE / "closing_truth.json"
TYPES = [
    name
    for name in vars(NORTHBANK)
    if name.endswith("_on_closure") and name.split("_")[0] not in ("acknowledging", "mentoring")
]
NOTHING = replace(
    NORTHBANK,
    acknowledging_on_closure=1.0,
    mentoring_on_closure=1.0,
    leaders_on_teams=0.0,
    **dict.fromkeys(TYPES, 1.0),
)
NONE = replace(
    NOTHING,
    learning_on_rating=0.0,
    learning_on_merit=0.0,
    able_learners=0.0,
    strugglers=0.0,
    dip=0.0,
)
MEASURES = {"leader_to_team": 3.0, "acknowledging_to_closure": 1.2, "mentoring_to_closure": 1.2}
SAID, LEARNED = "acknowledging_to_closure", "learning_to_closure"


@dataclass(frozen=True)
class Cell:
    """A truth to draw companies from, how, and the smallest effects of what is asked of them."""

    name: str
    truth: Truth
    measures: dict[str, float]
    draw: counting.Draw = tables.northbank


CELLS = [
    Cell("nothing; Northbank's own nuisances", NOTHING, MEASURES),
    Cell("nothing; campaigns", replace(NOTHING, campaigns=1.0), MEASURES),
    Cell("nothing; strugglers", replace(NOTHING, strugglers=1.0), MEASURES),
    Cell(
        "the smallest that matters",
        replace(
            NOTHING, acknowledging_on_closure=1.2, mentoring_on_closure=1.2, leaders_on_teams=0.22
        ),
        MEASURES,
    ),
    Cell("Northbank", NORTHBANK, MEASURES),
    *(
        Cell(
            f"{what}; study before",
            replace(NONE, **dict.fromkeys(TYPES, times)),
            {LEARNED: 1.2, SAID: 1.2},
            opened.study_before,
        )
        for what, times in (("nothing", 1.0), ("learning 2.0", 2.0))
    ),
    *(
        Cell(
            f"{what}; looked at sooner",
            replace(NONE, acknowledging_on_closure=times),
            {SAID: 1.2, LEARNED: 1.2},
            opened.looked_at_sooner,
        )
        for what, times in (("nothing", 1.0), ("acknowledging 1.5", 1.5))
    ),
]


def truth_of(truth: Truth) -> dict[str, float]:
    return {
        "leader_to_team": page.following(truth) if truth.leaders_on_teams else 0.0,
        SAID: truth.acknowledging_on_closure,
        "mentoring_to_closure": truth.mentoring_on_closure,
        LEARNED: truth.course_on_closure,  # where it is asked all types are alike
    }


def some_of(task: tuple[Cell, list[int], int]) -> list[dict[str, tuple]]:
    cell, seeds, people = task
    return [judged(cell, 1000 + seed, people) for seed in seeds]


def judged(cell: Cell, seed: int, people: int) -> dict[str, tuple]:
    """Verdict, estimate, interval, the same again and naively, of each measure in one company."""
    company = cell.draw(people=people, cycles=6, seed=seed, truth=cell.truth)
    dataset = tables.dataset(company)
    found = journeys.gap_journeys(dataset)
    months, rows = closing.months(found), {}
    for measure, smallest in cell.measures.items():
        if measure == LEARNED:
            fits, checks, earlier = closing.learning_to_closure(months)
            about = {"smallest_effect": smallest, "checks": checks, "earlier": earlier}
            row, again = judge.judge_kinds(measure, fits, **about)[0], earlier["any learning"]
        else:
            is_led = measure == "leader_to_team"
            comparison = (
                leaders.leader_to_team(teams.team_quarters(dataset))
                if is_led
                else closing.compare(months, measure)
            )
            row = judge.judge(comparison, smallest_effect=smallest)[0]
            again = dict(comparison.rivals).get("re-assessment")
        rows[measure] = _kept(row, again, naive(measure, found.gaps))
    return rows


def _kept(row: Result, again: Fit | None, rough: float) -> tuple:
    seen = (again.estimate, again.low, again.high) if again else None
    return row.verdict, row.estimate, row.low, row.high, rough, seen


def naive(measure: str, gaps: pd.DataFrame) -> float:
    """Closed per day open, of gaps that were ever acknowledged or learned about (whose people ever
    had a mentor), over the others.
    """
    if measure == "leader_to_team":
        return np.nan
    column = {SAID: "acknowledged_on", LEARNED: "learning_started_on"}.get(measure, "mentored_on")
    ever = gaps[column].notna()
    end = gaps[["closed_on", "left_on", "observed_until"]].min(axis=1)
    days, closed = (end - gaps.detected_on).dt.days + 1, gaps.closed_on.notna()
    return (closed[ever].sum() / days[ever].sum()) / (closed[~ever].sum() / days[~ever].sum())


def lines(cell: Cell, found: list[dict[str, tuple]]) -> Iterator[str]:
    for measure in cell.measures:
        true = truth_of(cell.truth)[measure]
        rows = [one[measure] for one in found if one[measure][1] is not None]
        counts = Counter(one[measure][0] for one in found)
        inside = np.mean([row[2] <= true <= row[3] for row in rows])
        mean = _geometric if measure != "leader_to_team" else np.mean
        figures = [f"{true:.2f}", f"{mean([row[1] for row in rows]):.2f}"]
        seen = [row[5][0] for row in rows if row[5]]
        figures += [f"{_geometric(seen):.2f}" if seen else ""]
        rough = [row[4] for row in rows if np.isfinite(row[4])]
        figures += [f"{_geometric(rough):.2f}" if rough else "", f"{100 * inside:.1f}"]
        shares = [f"{100 * counts[v] / len(found):.1f}" for v in VERDICTS]
        yield f"| {cell.name} | {len(found)} | {measure} | {' | '.join(figures + shares)} |"


def _geometric(ratios: list[float]) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


VERDICTS = ("higher", "lower", "small", "none", "unknown", "untrusted")
HEAD = """\
# How often the questions on teams and gaps are right

Written by `python tests/benchmarks/closing_truth.py --write`. Companies of 1,500 people and six
half-years. *mean*: of our estimates. *again*: of the same where nobody chose the day: as planned
assessments alone saw it, or, of learning, of what was learned 45 to 135 days before (blank: not
kept). *naive*: the pace of closing of gaps that were ever acknowledged, or learned about (or whose
people ever had a mentor), over that of the others, from detection on. *held*: intervals that hold
the truth, in %. Verdicts in % of `n`, before Holm. The truth of Q4, where something is planted, is
from a bank of its own (`planted.following`).

*study before*: 35 of 100 who ask to be assessed on a gap that they closed have read up on it in the
five weeks before. *looked at sooner*: nobody asks, and a skill that was acknowledged is assessed 20
to 59 days later. Both make the headline see what is not there, or more than there is: a claim needs
*again* on the same side, and is untrusted without; the interval that is told is the headline's own
all the same, and holds the truth in none of these.

"""
COLUMNS = ("company", "n", "measure", "truth", "mean", "again", "naive", "held", *VERDICTS)
RULE = "|---|--:|---|" + "--:|" * (len(COLUMNS) - 3)


def table(rows: list[str]) -> str:
    return "\n".join([f"| {' | '.join(COLUMNS)} |", RULE, *rows]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("--seeds", 40), ("--people", 1500), ("--jobs", 2)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--cells", nargs="*", default=[cell.name for cell in CELLS])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    wanted = [cell for cell in CELLS if cell.name in options.cells]
    done = counting.run(wanted, options.seeds, options.people, options.jobs, STORE, some_of)
    text = [line for cell in CELLS if done.get(cell.name) for line in lines(cell, done[cell.name])]
    if options.write:
        PAGE.write_text(HEAD + table(text), encoding="utf-8")
    print(table(text))


if __name__ == "__main__":
    main()

"""How often the questions on teams and gaps (Q4, Q6, Q8) are right, over companies whose truth is
declared.

    python tests/benchmarks/closing_truth.py [--seeds 40] [--people 1500] [--jobs 2] [--write]

Each company is simulated, its gaps and teams followed, estimated and judged, as the notebooks do.
Beside the verdicts: whether the interval holds the truth, and what the naive figure says that
counts from detection who *ever* did. `--write` writes `closing_truth.md`.
"""

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from learnalign.estimates import closing, leaders
from learnalign.linking import journeys, teams
from learnalign.verdicts import judge
from northbank import page, tables
from northbank.truth import NORTHBANK, Truth

HERE = Path(__file__).parent
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
CELLS = {
    "nothing; Northbank's own nuisances": NOTHING,
    "nothing; campaigns": replace(NOTHING, campaigns=1.0),
    "nothing; strugglers": replace(NOTHING, strugglers=1.0),
    "the smallest that matters": replace(
        NOTHING, acknowledging_on_closure=1.2, mentoring_on_closure=1.2, leaders_on_teams=0.22
    ),
    "Northbank": NORTHBANK,
}
MEASURES = {"leader_to_team": 3.0, "acknowledging_to_closure": 1.2, "mentoring_to_closure": 1.2}


def truth_of(truth: Truth) -> dict[str, float]:
    return {
        "leader_to_team": page.following(truth) if truth.leaders_on_teams else 0.0,
        "acknowledging_to_closure": truth.acknowledging_on_closure,
        "mentoring_to_closure": truth.mentoring_on_closure,
    }


def judged(truth: Truth, seed: int, people: int) -> dict[str, tuple]:
    """Verdict, estimate, interval and naive hazard ratio of each measure in one company."""
    dataset = tables.dataset(tables.northbank(people=people, seed=seed, truth=truth))
    found = journeys.gap_journeys(dataset)
    months = closing.months(found)
    comparisons = [
        leaders.leader_to_team(teams.team_quarters(dataset)),
        closing.compare(months, "acknowledging_to_closure"),
        closing.compare(months, "mentoring_to_closure"),
    ]
    rows = {}
    for comparison in comparisons:
        row = judge.judge(comparison, smallest_effect=MEASURES[comparison.measure])[0]
        rows[comparison.measure] = (
            row.verdict,
            row.estimate,
            row.low,
            row.high,
            naive(comparison.measure, found.gaps),
        )
    return rows


def naive(measure: str, gaps: pd.DataFrame) -> float:
    """Closed per day open, of gaps that were ever acknowledged (whose people ever had a mentor),
    over the others.
    """
    if measure == "leader_to_team":
        return np.nan
    ever = (gaps.acknowledged_on if measure.startswith("ack") else gaps.mentored_on).notna()
    end = gaps[["closed_on", "left_on", "observed_until"]].min(axis=1)
    days, closed = (end - gaps.detected_on).dt.days + 1, gaps.closed_on.notna()
    return (closed[ever].sum() / days[ever].sum()) / (closed[~ever].sum() / days[~ever].sum())


def lines(cell: str, truth: Truth, found: list[dict[str, tuple]]) -> list[str]:
    told = []
    for measure, true in truth_of(truth).items():
        rows = [one[measure] for one in found if one[measure][1] is not None]
        counts = Counter(one[measure][0] for one in found)
        inside = np.mean([low <= true <= high for _, _, low, high, _ in rows])
        is_ratio = measure != "leader_to_team"
        middle = (
            np.exp(np.mean(np.log([row[1] for row in rows])))
            if is_ratio
            else np.mean([row[1] for row in rows])
        )
        rough = np.exp(np.mean(np.log([row[4] for row in rows]))) if is_ratio else np.nan
        shares = " | ".join(f"{100 * counts[v] / len(found):.1f}" for v in VERDICTS)
        figures = (
            f"{true:.2f} | {middle:.2f} | {'' if np.isnan(rough) else f'{rough:.2f}'} "
            f"| {100 * inside:.1f}"
        )
        told.append(f"| {cell} | {len(found)} | {measure} | {figures} | {shares} |")
    return told


VERDICTS = ("higher", "lower", "small", "none", "unknown", "untrusted")
HEAD = [
    "# How often the questions on teams and gaps are right",
    "",
    (
        "Written by `python tests/benchmarks/closing_truth.py --write`. Companies of 1,500 "
        "people and six half-years."
    ),
    (
        "*mean*: of our estimates. *naive*: the pace of closing of gaps that were ever "
        "acknowledged (or whose people ever"
    ),
    (
        "had a mentor) over that of the others, from detection on. *held*: intervals that hold "
        "the truth, in %."
    ),
    (
        "Verdicts in % of `n`, before Holm. The truth of Q4, where something is planted, is from "
        "a bank of its own"
    ),
    "(`planted.following`).",
    "",
    "| company | n | measure | truth | mean | naive | held | " + " | ".join(VERDICTS) + " |",
    "|---|--:|---|--:|--:|--:|--:|" + "--:|" * len(VERDICTS),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--people", type=int, default=1500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    text = list(HEAD)
    with ProcessPoolExecutor(options.jobs) as pool:
        for cell, truth in CELLS.items():
            seeds = range(1000, 1000 + options.seeds)
            found = list(
                pool.map(judged, [truth] * options.seeds, seeds, [options.people] * options.seeds)
            )
            text += lines(cell, truth, found)
            print("\n".join(text[-len(MEASURES) :]), flush=True)
    if options.write:
        (HERE / "closing_truth.md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""How often each verdict comes out, over companies whose truth is declared: the whole road, many times.

    python tests/benchmarks/truth.py [--seeds 200] [--people 1500] [--jobs 2] [--cells NAME ...]

Every company is simulated, linked, estimated and judged (with Holm across its headlines). Beside our verdict stand
two others from the same data: the naive one (did and did not, least squares, p < .05) and the core model's interval
against the smallest effect without any check. Finished cells are kept in `truth.json` and not drawn again; `truth.md`
is written from them. `--fresh` forgets them first.
"""

import argparse
import json
import math
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from learnalign import estimates, linking, samples, simulate, verdicts
from learnalign.truths import Truth

HERE = Path(__file__).parent
SMALLEST = {"SD": 0.10, "percentage points": 0.25}
SHORT = {
    "learning_to_rating": "Q1 learning, rating",
    "acknowledging_to_rating": "Q2 acknowledging, rating",
    "acknowledging_to_merit_total": "Q3 acknowledging, merit, total",
    "acknowledging_to_merit_at_equal_rating": "Q3 acknowledging, merit, equal rating",
    "learning_to_merit_at_equal_rating": "Q5 learning, merit, equal rating",
}
Q1, Q2, Q3, Q3E, Q5 = SHORT
NOTHING = Truth(learning_on_rating=0, learning_on_merit=0, able_learners=0, strugglers=0, dip=0)


@dataclass(frozen=True)
class Cell:
    """A truth to draw companies from, and what each measure's true value then is (None: not declared exactly)."""

    name: str
    truth: Truth
    values: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(SHORT, 0.0))


def _cell(name: str, *, rating: tuple[float, float] = (0, 0), merit: tuple[float, float] = (0, 0), **nuisances) -> Cell:
    """`rating` and `merit` hold the effects of learning and of acknowledging."""
    truth = replace(NOTHING, learning_on_rating=rating[0], acknowledging_on_rating=rating[1],
                    learning_on_merit=1.024 * merit[0], acknowledging_on_merit=merit[1], **nuisances)  # fmt: skip
    total = merit[1] if rating[1] == 0 else None  # what a rating is worth in merit depends on the matrix
    return Cell(name, truth, {Q1: rating[0], Q2: rating[1], Q3: total, Q3E: merit[1], Q5: merit[0]})


NORTHBANK = {"able_learners": 0.10, "strugglers": 0.32, "dip": 0.28}
EVERYTHING = NORTHBANK | {"strugglers": 0.5, "hidden_motivation": 0.2, "leniency": 0.4, "halo": 0.2,
                          "reliability": 0.5, "campaigns": 0.5}  # fmt: skip
CELLS = [
    _cell("nothing, and nothing that confounds"),
    _cell("nothing; Northbank's own nuisances", **NORTHBANK),
    _cell("nothing; strugglers", strugglers=1.0),
    _cell("nothing; dip", dip=0.8),
    _cell("nothing; hidden motivation, able learners", hidden_motivation=0.35, able_learners=0.4),
    _cell("nothing; lenient managers, halo", leniency=0.5, halo=0.3, strugglers=0.32),
    _cell("nothing; noisy ratings, strugglers", reliability=0.3, strugglers=0.6),
    _cell("nothing; forced curve", forced_curve=True, **NORTHBANK),
    _cell("nothing; fixed merit pool, individual bonus", fixed_merit_pool=True, bonus="individual", **NORTHBANK),
    _cell("nothing; the penalised leave", attrition_of_the_penalised=1.0, strugglers=0.32),
    _cell("nothing; 85 % in the middle rating", compression=0.85, strugglers=0.6),
    _cell("nothing; campaigns", campaigns=1.0, strugglers=0.32),
    _cell("nothing; all of it together", **EVERYTHING),
    _cell("rating: the smallest that matters", rating=(0.10, 0.10)),
    _cell("rating: the smallest that matters; strugglers", rating=(0.10, 0.10), strugglers=0.6),
    _cell("merit: the smallest that matters", merit=(0.25, 0.25), **NORTHBANK),
    _cell("rating: twice the smallest", rating=(0.20, 0.20)),
    _cell("rating: twice the smallest, downwards; Northbank's own nuisances", rating=(0.20, -0.20), **NORTHBANK),
    _cell("rating: twice the smallest; 85 % in the middle rating", rating=(0.20, 0.20), compression=0.85),
    _cell("merit: twice the smallest; Northbank's own nuisances", merit=(0.50, -0.50), **NORTHBANK),
    _cell("both: twice the smallest; all of it together", rating=(0.20, -0.20), merit=(0.50, -0.50), **EVERYTHING),
]  # fmt: skip


TOGETHER = 10  # companies linked at once
IDS = ("person_id", "manager_id", "unit")
TABLES = ("people", "reviews", "rewards", "learning", "acknowledgements")


def companies(truth: Truth, seeds: list[int], people: int = 1500, cycles: int = 6) -> list[dict[str, tuple]]:
    """The verdict, the core model's own, the naive one, estimate and standard error, for every measure of each company.

    Linking joins by person and looks beyond people only for the calendar, which companies of one truth share: they
    are linked together, under names of their own, and taken apart again.
    """
    drawn = [simulate.northbank(people=people, cycles=cycles, seed=seed, truth=truth) for seed in seeds]
    tables = {name: pd.concat([_named(c.tables[name], seed) for c, seed in zip(drawn, seeds, strict=True)])
              for name in TABLES}  # fmt: skip
    dataset = simulate.dataset(replace(drawn[0], tables=tables))
    dataset.tables["people"].get_backend().raw_sql("SET threads = 1")  # companies go side by side, not their queries
    person_cycles = linking.link(dataset).person_cycles
    of = person_cycles.person_id.str.partition("|")[0].astype(int)
    bonus = dataset.meta.bonus_rewards_individual
    return [judged(person_cycles[of == seed].reset_index(drop=True), bonus) for seed in seeds]


def _named(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    return table.assign(**{name: f"{seed}|" + table[name] for name in IDS if name in table})


def judged(person_cycles: pd.DataFrame, bonus_rewards_individual: bool) -> dict[str, tuple]:
    """What one company's measures say, after Holm across them."""
    rows, found = [], {}
    for measure in SHORT:
        comparison = comparison_of(measure, person_cycles, bonus_rewards_individual)
        smallest = SMALLEST[verdicts.MEASURES[measure][1].unit]
        rows.append(verdicts.judge(comparison, smallest_effect=smallest)[0])
        fit = comparison.adjusted
        bare = verdicts.decide(fit.low, fit.high, smallest) if fit else "unknown"
        figures = (fit.estimate, fit.std_error) if fit else (math.nan, math.nan)
        found[measure] = (bare, naive(samples.prepare(measure, person_cycles).frame), *figures)
    return {row.measure: (row.verdict, *found[row.measure]) for row in verdicts.holm(rows)}


def comparison_of(measure: str, person_cycles, bonus_rewards_individual: bool):
    """One measure's comparison, as its notebook makes it."""
    extra = {"bonus_rewards_individual": bonus_rewards_individual} if "merit" in measure else {}
    return getattr(estimates, measure)(person_cycles, **extra)


def naive(frame) -> str:
    """What a dashboard says: those who did against those who did not, nothing held equal, p < .05."""
    frame = frame.dropna(subset=["outcome", "exposure"])
    found = stats.linregress(frame.exposure.astype(float), frame.outcome.astype(float))
    return "unknown" if found.pvalue >= 0.05 else "higher" if found.slope > 0 else "lower"


# --- many companies ------------------------------------------------------------------------------


def _some(task: tuple[Cell, list[int], int]) -> list[dict[str, tuple]]:
    cell, seeds, people = task
    return companies(cell.truth, seeds, people)


def run(cells: list[Cell], seeds: int, people: int, jobs: int, store: Path) -> dict:
    """Draw what is not in the store yet, cell by cell, and keep it there."""
    done = json.loads(store.read_text()) if store.exists() else {}
    with ProcessPoolExecutor(jobs) as pool:
        for cell in cells:
            if done.get(cell.name, {}).get("seeds", 0) >= seeds:
                continue
            start = time.time()
            parts = [list(range(first, min(first + TOGETHER, seeds))) for first in range(0, seeds, TOGETHER)]
            drawn = [one for some in pool.map(_some, [(cell, part, people) for part in parts]) for one in some]
            measures = {measure: _counted([one[measure] for one in drawn]) for measure in SHORT}
            said = Counter(
                len({m for m in SHORT if one[m][0] in ("higher", "lower")} & set(SHORT)) > 0 for one in drawn
            )
            done[cell.name] = {"seeds": seeds, "people": people, "measures": measures, "any": said[True]}
            store.write_text(json.dumps(done, indent=1) + "\n")
            print(f"{cell.name}: {time.time() - start:.0f} s", flush=True)
    return done


def _counted(rows: list[tuple]) -> dict:
    estimate = np.array([row[3] for row in rows], float)
    known = estimate[np.isfinite(estimate)]
    return {
        "ours": Counter(row[0] for row in rows), "bare": Counter(row[1] for row in rows),
        "naive": Counter(row[2] for row in rows), "mean": float(known.mean()) if len(known) else None,
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
        "std_error": float(np.nanmean([row[4] for row in rows])) if len(known) else None,
    }  # fmt: skip


# --- the page ------------------------------------------------------------------------------------

WORDS = ("higher", "lower", "small", "none", "unknown", "untrusted", "hidden")


def page(done: dict) -> str:
    """The tables of `truth.md`."""
    lines = ["| company | measure | truth | mean estimate | naive says a difference | core model alone |"
             + " " + " | ".join(WORDS[:-1]) + " | goal |",
             "|---|---|--:|--:|--:|--:|" + "--:|" * (len(WORDS) - 1) + "---|"]  # fmt: skip
    for cell in CELLS:
        for measure, found in done.get(cell.name, {}).get("measures", {}).items():
            seeds, value = done[cell.name]["seeds"], cell.values[measure]
            ours = [f"{100 * found['ours'].get(word, 0) / seeds:.1f}" for word in WORDS[:-1]]
            bare = sum(found["bare"].get(word, 0) for word in ("higher", "lower"))
            differs = seeds - found["naive"].get("unknown", 0)
            mean = "" if found["mean"] is None else f"{found['mean']:+.3f}"
            lines.append(f"| {cell.name} | {SHORT[measure]} | {'' if value is None else f'{value:+.2f}'} | {mean} | "
                         f"{100 * differs / seeds:.1f} | {100 * bare / seeds:.1f} | {' | '.join(ours)} | "
                         f"{goal(cell, measure, found['ours'], seeds)} |")  # fmt: skip
    return "\n".join(lines) + "\n"


def goal(cell: Cell, measure: str, ours: dict, seeds: int) -> str:
    """Which promise the cell is about, and whether it was kept."""
    value, smallest = cell.values[measure], SMALLEST[verdicts.MEASURES[measure][1].unit]
    if value is None:
        return ""
    share = {word: ours.get(word, 0) / seeds for word in WORDS}
    if value == 0:
        false, most = share["higher"] + share["lower"], 0.025 if cell is CELLS[0] else 0.01
        return _kept(false <= most, f"false ≤ {100 * most:g} %")
    if abs(value) < 1.5 * smallest:
        return _kept(share["none"] <= 0.05, "wrong none ≤ 5 %")
    wrong = share["lower" if value > 0 else "higher"]
    return _kept(share["higher" if value > 0 else "lower"] >= 0.80 and wrong <= 0.01, "right ≥ 80 %")


def _kept(is_kept: bool, text: str) -> str:
    return f"{text}: {'kept' if is_kept else '**missed**'}"


def main() -> None:
    """Draw, and write the page."""
    parser = argparse.ArgumentParser()
    for name, default in (("--seeds", 200), ("--people", 1500), ("--jobs", 2)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--cells", nargs="*", default=[cell.name for cell in CELLS])
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--store", type=Path, default=HERE / "truth.json")
    options = parser.parse_args()
    if options.fresh:
        options.store.unlink(missing_ok=True)
    wanted = [cell for cell in CELLS if cell.name in options.cells]
    print(page(run(wanted, options.seeds, options.people, options.jobs, options.store)))


if __name__ == "__main__":
    main()

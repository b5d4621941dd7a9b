"""How often the 95 % intervals of headlines hold the truth (Q1, Q2 and Q3), over many companies.

    python tests/benchmarks/headline_coverage.py [--seeds 1000] [--jobs 1] [--cells NAME ...]

What is declared acts on a score that is cut into five grades, so the truth of a company is counted:
the same company is rated again with everybody's exposure half a step higher, and half a step lower,
and paid by its matrix. Of each figure: the core model's interval, that of the rival which a bad
half-year cannot fool, and what a report prints, which is one of the two. What is drawn is kept in
`headline_coverage.json` and not drawn again; `--write` puts the table into `truth.md`.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import open_companies as opened  # beside this file
import pandas as pd

import truth as counting  # beside this file
from learnalign.verdicts.result import Comparison, Result
from northbank import events, tables
from northbank import truth as truths
from northbank.people import Bank, stream
from northbank.truth import Truth
from truth import Q1, Q2, Q3, Q3E, SHORT

HERE = Path(__file__).parent
PAGE, STORE = HERE / "truth.md", HERE / "headline_coverage.json"
EFFECTS = replace(
    counting.NOTHING,
    learning_on_rating=0.15,
    acknowledging_on_rating=-0.20,
    acknowledging_on_merit=-0.30,
)
PART = {Q1: "learned", Q2: "said", Q3: "said"}  # of the score
LEAST, MOST = 0.94, 0.96


@dataclass(frozen=True)
class Cell:
    """A truth to draw companies from, how, and the measures whose intervals are counted."""

    name: str
    truth: Truth
    measures: tuple[str, ...]
    bank: Callable[[int, int, int, Truth], Bank] = events.draw


CELLS = [
    Cell("no feedback", EFFECTS, (Q1, Q2, Q3, Q3E)),
    Cell("people ask after a bad half-year", replace(EFFECTS, dip=0.8), (Q2, Q3, Q3E)),
    Cell("people are sent on courses after a bad half-year", EFFECTS, (Q1,), opened.developed),
]


def some_of(task: tuple[Cell, list[int], int]) -> list[dict[str, dict]]:
    """What is kept of some companies of a cell."""
    cell, seeds, people = task
    banks = [cell.bank(people, 6, seed, cell.truth) for seed in seeds]
    drawn = [opened.told(bank, seed) for bank, seed in zip(banks, seeds, strict=True)]
    found = counting.linked(drawn, seeds)
    return [
        kept(counting.answered(*one[:2], cell.measures), true_figures(bank, seed))
        for bank, seed, one in zip(banks, seeds, found, strict=True)
    ]


# --- what is true


def true_figures(bank: Bank, seed: int) -> dict[str, float]:
    """The truth of each measure in one company, as its estimate is scaled, of everybody in it.

    Merit at equal rating is declared of those who acknowledge, who are rated lower: the matrix pays
    more of all the others, and takes from who is paid only.
    """
    grades = bank.reviews.rating.groupby(bank.reviews["at"]).transform("std", ddof=0)
    higher, lower = (
        {part: again(bank, part, step) for part in set(PART.values())} for step in (0.5, -0.5)
    )
    rated = {of: ((higher[PART[of]] - lower[PART[of]]) / grades).mean() for of in (Q1, Q2)}
    after, before = (merit(bank, of["said"], seed) for of in (higher, lower))
    now, asked = merit(bank, bank.reviews.rating, seed), bank.reviews.acknowledged
    theirs = asked.reindex(now.index) & (now > 0)
    taken = bank.truth.acknowledging_on_merit * asked.reindex(now.index).sum() / theirs.sum()
    figures = {**rated, Q3: (after - before + taken * (after > 0)).mean()}
    figures[Q3E] = taken * (now > 0).mean()
    return {measure: float(value) for measure, value in figures.items()}


def again(bank: Bank, part: str, step: float) -> np.ndarray:
    """Everybody's ratings with so much more of a part in the score."""
    more = step * truths.weights(bank.truth)[part]
    team = [bank.reviews.manager_id, bank.reviews["at"]]
    return truths.ratings(bank.reviews.latent + more, team, bank.truth)


def merit(bank: Bank, rating: np.ndarray, seed: int) -> pd.Series:
    """What the matrix, and all but acknowledging, gives for such ratings."""
    other = {"reviews": bank.reviews.assign(rating=rating)}
    other["truth"] = replace(bank.truth, acknowledging_on_merit=0.0)
    company = SimpleNamespace(**{**vars(bank), **other})
    return tables._rewards(company, stream(seed, 7), stream(seed, 13)).merit_pct


# --- what is said


def kept(answers: dict[str, tuple], true: dict[str, float]) -> dict[str, dict]:
    """Of each measure: the truth, both intervals with their errors, and what is printed."""
    found = {}
    for measure, (row, comparison, _) in answers.items():
        fits = {"core": comparison.adjusted, "rival": comparison.forward}
        told = {name: fit and figures(fit) for name, fit in fits.items()}
        found[measure] = told | {
            "true": round(true[measure], 5),
            "verdict": row.verdict,
            "speaks": speaks(comparison, row),
            "luck": luck(comparison),
            "checks": {one.name: one.outcome for one in row.checks if one.outcome != "passed"},
            "feedback": next(one.why for one in row.checks if one.name == "feedback"),
        }
    return found


def figures(fit) -> list[float]:
    return [round(float(x), 5) for x in (fit.estimate, fit.low, fit.high, fit.std_error, fit.df)]


def speaks(found: Comparison, row: Result) -> str:
    """Whose interval the headline prints."""
    both = {"core": found.adjusted, "rival": found.forward}
    ends = {(fit.estimate, fit.low, fit.high): name for name, fit in both.items() if fit}
    return ends.get((row.estimate, row.low, row.high), "")


def luck(found: Comparison) -> float | None:
    """In standard errors."""
    return found.luck and round(found.luck.estimate / found.luck.std_error, 3)


# --- the page


def lines(done: dict[str, list[dict[str, dict]]]) -> Iterator[str]:
    """A row for each interval of each measure."""
    for cell in CELLS:
        for measure in cell.measures if done.get(cell.name) else ():
            rows = [one[measure] for one in done[cell.name]]
            told = [row | {"printed": row.get(row["speaks"])} for row in rows]
            share = np.mean([row["speaks"] == "rival" for row in rows])
            about = {"core": "", "rival": "", "printed": f", the rival's in {100 * share:.0f} %"}
            for name, more in about.items():
                yield f"| {cell.name} | {SHORT[measure]} | {name}{more} | {_figures(told, name)} |"


def _figures(rows: list[dict], name: str) -> str:
    """Against the mean truth of all companies, and how many hold their own."""
    all_true = np.array([row["true"] for row in rows])
    known = np.array([row[name] is not None for row in rows])
    estimate, low, high, error, _ = np.array([row[name] for row in rows if row[name]]).T
    true, own = all_true.mean(), all_true[known]
    held = np.mean((low <= true) & (true <= high))
    shares = held, np.mean(high < true), np.mean(true < low), np.mean((low <= own) & (own <= high))
    cells = [len(estimate), f"{true:+.3f}", f"{estimate.mean() - true:+.4f}"]
    cells += [f"{estimate.std(ddof=1) / error.mean():.2f}", f"{error.mean():.4f}"]
    cells += [f"{100 * share:.1f}" for share in shares]
    off, chance = max(LEAST - held, held - MOST, 0), 1.96 * np.sqrt(0.05 * 0.95 / len(estimate))
    cells.append("kept" if not off else "within chance" if off <= chance else "**missed**")
    return " | ".join(map(str, cells))


def write(done: dict[str, list[dict[str, dict]]]) -> None:
    """The section into `truth.md`, in the place of the one that was there."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(HEADING if HEADING in text else BEFORE)
    after = rest[rest.index("\n## ") :] if HEADING in text else f"\n{BEFORE}{rest}"
    section = f"{HEADING}\n\n{ABOUT}\n{table(done)}"
    PAGE.write_text(f"{before.rstrip()}\n\n{section}{after}", encoding="utf-8")


def table(done: dict[str, list[dict[str, dict]]]) -> str:
    return "\n".join([HEAD, *lines(done)]) + "\n"


HEADING, BEFORE = "## Intervals of headlines", "## Verdicts"
HEAD = """\
| company | measure | interval | n | truth | bias | SD / SE | SE | hold it | too low | too high | hold their own | 94 to 96 % |
|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|"""
ABOUT = """\
Written by `python tests/benchmarks/headline_coverage.py --write`: 95 % intervals of companies of
1,500 people and six half-years, in which learning is worth .15 SD of a rating, and acknowledging
-.2 SD of it and -.3 percentage points at equal rating. Ratings are cut into five grades, so the
truth is counted: the same company is rated, and paid by its matrix, with everybody's exposure half
a step higher and half a step lower. Its mean over all companies is *truth*; whose score lies near a
cut is luck, so that one company's own count lies around it (with an SD of .005 of a rating's), and
*hold their own* counts against that. At equal rating -.3 is declared of those who acknowledge; of
everybody it is a little more, as those who are rated lowest are paid nothing that could be taken.

*ask after a bad half-year*: log-odds of acknowledging rise by .8 per SD of it. *sent on courses*: 6
of 10 of those in the worst third. *core*: at equal past ratings. *rival*: against the same people's
own later half-years. *printed*: what a report tells of the two. *too low*, *too high*: the whole
interval is. Shares are in % of `n`; of 1,000, one in 20 is 5 +- 1.4, and of fewer companies more
(*within chance*: so few may lie so far off). Before the rival was told wherever the lead test
failed and luck is new, whatever else failed, 2.5 % of 40 printed intervals of Q2 held the truth
where people ask after a bad half-year, and 7.5 % of Q3's in total.
"""


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    for name, default in (("--seeds", 1000), ("--people", 1500), ("--jobs", 1)):
        words.add_argument(name, type=int, default=default)
    words.add_argument("--cells", nargs="*", default=[cell.name for cell in CELLS])
    words.add_argument("--store", type=Path, default=STORE)
    words.add_argument("--write", action="store_true")
    said = words.parse_args()
    wanted = [cell for cell in CELLS if cell.name in said.cells]
    done = counting.run(wanted, said.seeds, said.people, said.jobs, said.store, some_of)
    if said.write:
        write(done)
    print(table(done))


if __name__ == "__main__":
    main()

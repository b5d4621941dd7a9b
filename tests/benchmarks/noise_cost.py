"""What the noise costs: how much wider published intervals are, how often they cover what the exact
ones promise to cover, and how often a verdict is another one.

    OMP_NUM_THREADS=1 python tests/benchmarks/noise_cost.py [--companies 50] [--keys 100] [--write]

Exact figures are those of `attacks`, and kept in the same `--cache`; each company is published under
many keys. The demonstration company is one more, of 1,500 people.
"""

import argparse
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import attacks
import numpy as np
from scipy import special, stats

from learnalign.data import reading
from learnalign.verdicts.result import Fit, Result

HERE = Path(__file__).parent
DEMO = HERE.parents[1] / "data/demo"
BESIDE = 10  # keys under which what stands beside the answers is looked at too
TRUTHS = 20  # drawn for each published interval
OPPOSITE = {"higher": "lower", "lower": "higher"}


@dataclass
class Cost:
    """Of many published rows: by kind, how wide and how often right; and verdicts of headlines."""

    wider: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    covered: Counter = field(default_factory=Counter)
    asked: Counter = field(default_factory=Counter)
    verdicts: Counter = field(default_factory=Counter)
    factors: list[float] = field(default_factory=list)


def onto(fit: Fit):
    """The scale on which an interval of a fit was made."""
    if fit.is_share:
        return lambda x: special.logit(np.clip(np.asarray(x, float), 1e-4, 100 - 1e-4) / 100)
    return np.log if fit.ratio else (lambda x: np.asarray(x, float))


def truths(fit: Fit, rng: np.random.Generator) -> np.ndarray:
    """What the truth may be, were the exact interval honest: as far off on either side as it says."""
    scale = onto(fit)
    at, low, high = (float(scale(x)) for x in (fit.estimate, fit.low, fit.high))
    law = stats.t(fit.df) if fit.df else stats.norm()
    far = law.ppf(0.5 + fit.level / 2)
    drawn = law.rvs(TRUTHS, random_state=rng)
    return at + drawn * np.where(drawn > 0, high - at, at - low) / far


def kind_of(name: str, row: Result) -> str:
    """As the page has them: answers, and what stands beside; hours and money for themselves."""
    is_answer = name.split("|")[3] == "" and name.split("|")[1] in HEADLINES
    amount = "hours and cost" if any(w in row.unit for w in ("hour", "EUR", "{currency}")) else ""
    return ("answer" if is_answer else "beside") + (f", {amount}" if amount else "")


HEADLINES = {*attacks.headlines()}


def company(whole: attacks.Variants, n_keys: int, cost: Cost, rng: np.random.Generator) -> None:
    """Publish one company under many keys, and hold it against its exact figures, by exact limits."""
    exact = whole.exact()
    plain = attacks.publish(exact, None).rows
    state = attacks.State((whole, False))
    fits = {name: ways[0].fit for name, ways in attacks.models(exact, False, 1.0).items()}
    for key in range(1, n_keys + 1):
        draws = state.draws(key)
        cost.factors.append(draws.factor)
        for name, row in attacks.publish(exact, draws, beside=key <= BESIDE).rows.items():
            before, fit = plain.get(name), fits.get(name)
            if before is None:  # there by the noise alone
                continue
            kind = kind_of(name, row)
            if kind.startswith("answer") and before.shown:
                _judged(before, row, cost)
            if fit is None or not (row.shown and before.shown) or None in (row.low, row.high):
                continue
            if not fit.high > fit.low:
                continue
            scale = onto(fit)
            widths = [float(scale(one.high) - scale(one.low)) for one in (row, fit)]
            cost.wider[kind].append(widths[0] / widths[1] - 1)
            drawn = truths(fit, rng)
            inside = (drawn >= scale(row.low)) & (drawn <= scale(row.high))
            cost.covered[kind] += int(inside.sum())
            cost.asked[kind] += TRUTHS


def _judged(before: Result, row: Result, cost: Cost) -> None:
    cost.verdicts["all"] += 1
    cost.verdicts["turned"] += OPPOSITE.get(before.verdict) == row.verdict
    cost.verdicts["hidden"] += not row.shown
    cost.verdicts["other"] += row.shown and before.verdict != row.verdict
    if row.verdict != before.verdict:
        cost.verdicts[f"{before.verdict} → {row.verdict}"] += 1


def demo(n_keys: int, cache: Path) -> Cost:
    """The demonstration company's."""
    dataset = reading.read(DEMO)
    tables = {name: table.execute() for name, table in dataset.tables.items()}
    exact = attacks.variants(cache, "demo", tables, dataset.meta)
    cost = Cost()
    company(exact, n_keys, cost, np.random.default_rng(0))
    return cost


def _table(cost: Cost) -> list[str]:
    rows = ["| figures | intervals | wider, median | 90 % | covered |", "|" + " --- |" * 5]
    for kind in sorted(cost.wider):
        wider, covered = np.array(cost.wider[kind]), cost.covered[kind] / cost.asked[kind]
        middle, much = (f"{100 * np.quantile(wider, q):.1f} %" for q in (0.5, 0.9))
        rows.append(f"| {kind} | {len(wider)} | {middle} | {much} | {100 * covered:.1f} % |")
    return rows


def page(small: Cost, large: Cost, companies: int, keys: int) -> str:
    """What was found, as tables."""
    n = small.verdicts["all"]
    moves = [(name, count) for name, count in small.verdicts.most_common() if "→" in name]
    told = INTRODUCTION.format(companies=companies, keys=keys)
    lines = ["# What the noise costs", "", told, "", "## The demonstration company, 1,500 people"]
    lines += ["", *_table(large), "", f"All noise times {np.mean(large.factors):.2f}."]
    lines += ["", "## Companies of 300 to 700 people", "", *_table(small), ""]
    lines += [f"All noise times {np.mean(small.factors):.2f} (mean).", "", "## Verdicts", ""]
    for cost, who in ((large, "the demonstration company"), (small, "small companies")):
        n, v = max(cost.verdicts["all"], 1), cost.verdicts
        lines.append(
            f"- Answers of {who}: {n}. Another verdict than the exact figures': "
            f"{100 * v['other'] / n:.1f} %; hidden by the noise: {100 * v['hidden'] / n:.1f} %; "
            f"turned from higher to lower or back: {v['turned']}."
        )
    lines += ["", "| exact → published | of small companies' answers |", "| --- | --- |"]
    lines += [f"| {name} | {count} |" for name, count in moves]
    return "\n".join(lines) + "\n"


INTRODUCTION = """`python tests/benchmarks/noise_cost.py --write`: {companies} random companies, each
published under {keys} keys. *Covered*: were the exact intervals honest (the truth drawn around the
exact estimate as they say, 95 of 100 inside), so often do the published ones hold it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--companies", type=int, default=50)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/attacks/parts"))
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    large = demo(asked.keys, asked.cache)
    print("\n".join(_table(large)), large.verdicts, flush=True)
    small, rng = Cost(), np.random.default_rng(1)
    for seed in range(1, asked.companies + 1):
        tables, meta = attacks.company(seed)
        exact = attacks.variants(asked.cache, f"{seed}", tables, meta)
        company(exact, asked.keys, small, rng)
        print(seed, dict(small.verdicts), flush=True)
    text = page(small, large, asked.companies, asked.keys)
    print(text)
    if asked.write:
        (HERE / "noise_cost.md").write_text(text)


if __name__ == "__main__":
    main()

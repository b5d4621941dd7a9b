"""How often each verdict comes out, over companies whose truth is declared: the whole road, many
times.

    python tests/benchmarks/truth.py [--seeds 200] [--people 1500] [--jobs 2] [--cells NAME ...]

Every company is simulated, linked, estimated and judged (with Holm across its headlines). Beside
our verdict stand two others from the same data: the naive one (did and did not, least squares, p <
.05) and the core model's interval against the smallest effect without any check. What is drawn is
kept in `truth.json` and not drawn again (`--fresh` forgets it first); `--write` writes `truth.md`
from it, with the coverage of the intervals (`interval_coverage.py`) beside it.
"""

import argparse
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import open_companies as opened  # beside this file
import pandas as pd
from scipy import stats

from learnalign.data.mistakes import DataError
from learnalign.estimates import contrasts, directions, samples
from learnalign.linking import windows
from learnalign.verdicts import guards, judge
from learnalign.verdicts.registry import measures
from learnalign.verdicts.result import Comparison, Result
from northbank import tables as simulate
from northbank.truth import Truth

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
Draw = Callable[..., simulate.Company]
NO_MORE: Mapping = MappingProxyType({})
UNTRUSTED, NOT_NONE, REFUSED = "at most untrusted", "no none", "refused"


@dataclass(frozen=True)
class Cell:
    """A truth to draw companies from, and what each measure's true value then is (None: not
    declared exactly).

    `draw` draws other companies than Northbank (`open_companies`). `goals` are of measures of which
    no record can tell what is true (`UNTRUSTED`), which are none on average only (`NOT_NONE`), or
    which nobody should answer (`REFUSED`); the others' are by their values.
    """

    name: str
    truth: Truth
    values: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(SHORT, 0.0))
    cycles: int = 6
    draw: Draw = simulate.northbank
    goals: dict[str, str] = field(default_factory=dict)


def _cell(
    name: str,
    *,
    rating: tuple[float, float] = (0, 0),
    merit: tuple[float, float] = (0, 0),
    cycles: int = 6,
    draw: Draw = simulate.northbank,
    goals: Mapping[str, str] = NO_MORE,
    values: Mapping[str, float | None] = NO_MORE,
    **nuisances,
) -> Cell:
    """`rating` and `merit` hold the effects of learning and of acknowledging; `values` and `goals`
    what is otherwise.

    A penalty on all acknowledging, private too, cannot be told from trouble.
    """
    truth = replace(
        NOTHING,
        learning_on_rating=rating[0],
        acknowledging_on_rating=rating[1],
        learning_on_merit=1.024 * merit[0],
        acknowledging_on_merit=merit[1],
        **nuisances,
    )
    total = (
        merit[1] if rating[1] == 0 else None
    )  # what a rating is worth in merit depends on the matrix
    usual = {Q1: rating[0], Q2: rating[1], Q3: total, Q3E: merit[1], Q5: merit[0]}
    blind = {key: UNTRUSTED for key in (Q2, Q3) if (usual[key] or 0) < 0}
    return Cell(name, truth, {**usual, **values}, cycles, draw, {**blind, **goals})


NORTHBANK = {"able_learners": 0.10, "strugglers": 0.32, "dip": 0.28}
EVERYTHING = NORTHBANK | {
    "strugglers": 0.5,
    "hidden_motivation": 0.2,
    "leniency": 0.4,
    "halo": 0.2,
    "reliability": 0.5,
    "campaigns": 0.5,
}
CELLS = [
    _cell("nothing, and nothing that confounds"),
    _cell("nothing; Northbank's own nuisances", **NORTHBANK),
    _cell("nothing; strugglers", strugglers=1.0),
    _cell("nothing; dip", dip=0.8),
    _cell("nothing; hidden motivation, able learners", hidden_motivation=0.35, able_learners=0.4),
    _cell("nothing; lenient managers, halo", leniency=0.5, halo=0.3, strugglers=0.32),
    _cell("nothing; noisy ratings, strugglers", reliability=0.3, strugglers=0.6),
    _cell("nothing; forced curve", forced_curve=True, **NORTHBANK),
    _cell(
        "nothing; fixed merit pool, individual bonus",
        fixed_merit_pool=True,
        bonus="individual",
        **NORTHBANK,
    ),
    _cell("nothing; the penalised leave", attrition_of_the_penalised=1.0, strugglers=0.32),
    _cell("nothing; 85 % in the middle rating", compression=0.85, strugglers=0.6),
    _cell("nothing; campaigns", campaigns=1.0, strugglers=0.32),
    _cell("nothing; trouble in the same half-year", trouble=0.32),
    _cell("nothing; all of it together", **EVERYTHING),
    _cell("nothing; trouble, and more of it", trouble=0.5),
    _cell("nothing; trouble, and much of it", trouble=0.8),
    _cell("nothing; strugglers and dip", strugglers=1.0, dip=0.8),
    _cell("nothing; dip, four cycles", dip=0.8, cycles=4),
    _cell("nothing; dip, two cycles", dip=0.8, cycles=2),
    _cell("nothing; strugglers, three cycles", strugglers=1.0, cycles=3),
    _cell("rating: the smallest that matters", rating=(0.10, 0.10)),
    _cell("rating: the smallest that matters; strugglers", rating=(0.10, 0.10), strugglers=0.6),
    _cell("merit: the smallest that matters", merit=(0.25, 0.25), **NORTHBANK),
    _cell("rating: twice the smallest", rating=(0.20, 0.20)),
    _cell(
        "rating: twice the smallest, downwards; Northbank's own nuisances",
        rating=(0.20, -0.20),
        **NORTHBANK,
    ),
    _cell(
        "rating: twice the smallest; 85 % in the middle rating",
        rating=(0.20, 0.20),
        compression=0.85,
    ),
    _cell("merit: twice the smallest; Northbank's own nuisances", merit=(0.50, -0.50), **NORTHBANK),
    _cell(
        "both: twice the smallest; all of it together",
        rating=(0.20, -0.20),
        merit=(0.50, -0.50),
        **EVERYTHING,
    ),
]
SEEN = 0.69  # of who acknowledged in a window, those of whom anybody else could know
BY_THEIR_SLOPE = {Q1: None, Q5: 0.0}  # no one slope is true
CELLS += [
    _cell("nothing; lasting luck, dip", draw=opened.lasting_luck, dip=0.8),
    _cell("nothing; lasting luck, some dip", draw=opened.lasting_luck, dip=0.4),
    _cell("nothing; lasting luck", draw=opened.lasting_luck),
    _cell("nothing; some rise", draw=opened.rising),
    _cell("nothing; development plans", draw=opened.development_plans),
    _cell("learning .2; development plans", rating=(0.20, 0), draw=opened.development_plans),
    _cell("nothing; remedial courses", draw=opened.remedial, goals={Q1: UNTRUSTED}),
    _cell("nothing; reorganised", draw=opened.reorganised),
    _cell("acknowledging .2; reorganised", rating=(0, 0.20), draw=opened.reorganised),
    *(
        _cell(
            f"seen is punished by {-by:.1f}{how}",
            draw=partial(opened.seen_is_punished, by=by),
            values={Q2: by * SEEN, Q3: None},
            **more,
        )
        for by in (-0.2, -0.3, -0.4)
        for how, more in (("", {}), ("; trouble", {"trouble": 0.32}))
    ),
    _cell(
        "acknowledging -.2, masked by asking when all goes well", rating=(0, -0.20), trouble=-0.45
    ),
    *(
        _cell(
            f"acknowledging -.3; performance paid {paid} within a rating",
            rating=(0, -0.30),
            draw=partial(opened.collider, paid=paid),
        )
        for paid in (0.5, 1.1)
    ),
    *(
        _cell(
            f"learning .2; 1 is best {when}",
            rating=(0.20, 0),
            draw=partial(opened.upside_down, since=since),
            goals=dict.fromkeys(SHORT, REFUSED),
        )
        for when, since in (("and nobody says so", 1), ("since the fourth cycle", 4))
    ),
    _cell(
        "learning: inverted U", draw=opened.inverted_u, values=BY_THEIR_SLOPE, goals={Q1: NOT_NONE}
    ),
    _cell(
        "learning: opposite by function",
        draw=opened.opposite,
        values=BY_THEIR_SLOPE,
        goals={Q1: NOT_NONE},
    ),
    _cell("nothing; settled ten weeks early, and heard", draw=opened.settled_early),
    _cell("nothing; a good half-year is written down", draw=opened.written_down),
    _cell("learning .3; nothing hides it", rating=(0.30, 0)),
]


TOGETHER, ROUND = 10, 40  # companies linked at once; companies of one truth before the next truth
IDS = ("person_id", "manager_id", "unit", "from_id", "to_id", "assessor_id")
NO_ANSWER = (REFUSED, "unknown", "unknown", math.nan, math.nan)
TABLES = ("people", "reviews", "rewards", "learning", "acknowledgements")


def companies(
    truth: Truth,
    seeds: list[int],
    people: int = 1500,
    cycles: int = 6,
    draw: Draw = simulate.northbank,
) -> list[dict[str, tuple]]:
    """The verdict, the core model's own, the naive one, estimate and standard error, for every
    measure of each company.

    Linking joins by person and looks beyond people only for the calendar, which companies of one
    truth share: they are linked together, under names of their own, and taken apart again. What is
    refused is refused by itself.
    """
    drawn = [draw(people=people, cycles=cycles, seed=seed, truth=truth) for seed in seeds]
    try:
        found = linked(drawn, seeds)
    except DataError:
        if len(seeds) == 1:
            return [dict.fromkeys(SHORT, NO_ANSWER)]
        return [one for seed in seeds for one in companies(truth, [seed], people, cycles, draw)]
    return [judged(*one) for one in found]


def linked(
    drawn: Sequence[simulate.Company], seeds: Sequence[int]
) -> list[tuple[pd.DataFrame, bool, pd.DataFrame]]:
    """Of each company the person-cycles, whether bonus rewards individuals, and the people."""
    merged = together(drawn, seeds, TABLES)
    dataset = simulate.dataset(merged)
    dataset.tables["people"].get_backend().raw_sql(
        "SET threads = 1"
    )  # companies go side by side, not their queries
    person_cycles = windows.link(dataset).person_cycles
    of = person_cycles.person_id.str.partition("|")[0].astype(int)
    bonus = dataset.meta.bonus_rewards_individual
    people = merged.tables["people"].set_index("person_id")[[*dataset.meta.attributes]]
    return [(person_cycles[of == seed].reset_index(drop=True), bonus, people) for seed in seeds]


def together(
    drawn: Sequence[simulate.Company], seeds: Sequence[int], names: Iterable[str]
) -> simulate.Company:
    """The named tables of several companies in one, whoever and whatever is in them under names of
    their own.
    """

    def named(table: pd.DataFrame, seed: int) -> pd.DataFrame:
        return table.assign(**{name: f"{seed}|" + table[name] for name in IDS if name in table})

    both = [*zip(drawn, seeds, strict=True)]
    tables = {name: pd.concat([named(c.tables[name], seed) for c, seed in both]) for name in names}
    return replace(drawn[0], tables=tables)


def judged(
    person_cycles: pd.DataFrame, bonus_rewards_individual: bool, people: pd.DataFrame
) -> dict[str, tuple]:
    """What one company's measures say, after Holm across them."""
    rows, found = [], {}
    for measure, one in answered(person_cycles, bonus_rewards_individual).items():
        rows.append(guarded(*one, people))
        _, comparison, prepared = one
        fit, smallest = comparison.adjusted, SMALLEST[measures()[measure][1].unit]
        bare = judge.decide(fit.low, fit.high, smallest) if fit else "unknown"
        figures = (fit.estimate, fit.std_error) if fit else (math.nan, math.nan)
        found[measure] = (bare, naive(prepared.frame), *figures)
    return {row.measure: (row.verdict, *found[row.measure]) for row in judge.holm(rows)}


def answered(
    person_cycles: pd.DataFrame, bonus_rewards_individual: bool, of: Iterable[str] = tuple(SHORT)
) -> dict[str, tuple[Result, Comparison, samples.Prepared]]:
    """The headline of each measure, what it was made from, and of whom; before Holm and guards.

    What is at equal rating is asked after what is on the rating.
    """
    found, pay = {}, {"bonus_rewards_individual": bonus_rewards_individual}
    for measure in of:
        prepared = samples.prepare(measure, person_cycles)
        comparison = contrasts.compare(person_cycles, measure, prepared=prepared, **pay)
        if measure == Q3E:
            stages = judge.two_stages(found[Q2][0], comparison.adjusted)
            comparison = replace(comparison, checks=(*comparison.checks, stages))
        smallest = SMALLEST[measures()[measure][1].unit]
        row = judge.judge(comparison, smallest_effect=smallest)[0]
        found[measure] = row, comparison, prepared
    return found


def guarded(
    row: Result, found: Comparison, prepared: samples.Prepared, people: pd.DataFrame
) -> Result:
    """The headline, with what stands against "practically none" where that would be said."""
    if row.verdict != "none" or found.adjusted is None:
        return row
    doses = judge.judge_family(row, contrasts.dose(prepared))
    apart = directions.apart(prepared, people)
    more = guards.dose(doses), guards.groups(apart)
    found = replace(found, checks=(*found.checks, *more))
    smallest = SMALLEST[measures()[row.measure][1].unit]
    return judge.judge(found, smallest_effect=smallest)[0]


def naive(frame) -> str:
    """What a dashboard says: those who did against those who did not, nothing held equal, p < .05."""
    frame = frame.dropna(subset=["outcome", "exposure"])
    found = stats.linregress(frame.exposure.astype(float), frame.outcome.astype(float))
    return "unknown" if found.pvalue >= 0.05 else "higher" if found.slope > 0 else "lower"


# --- many companies


def _some(task: tuple[Cell, list[int], int]) -> list[dict[str, tuple]]:
    cell, seeds, people = task
    return companies(cell.truth, seeds, people, cell.cycles, cell.draw)


def run(
    cells: Sequence[Any],
    seeds: int,
    people: int,
    jobs: int,
    store: Path,
    some_of: Callable[[tuple], list[dict]] = _some,
) -> dict[str, list]:
    """Draw what is not in the store yet, in rounds over all cells, and keep it there: it can be
    stopped at any time. `some_of` makes some companies of (cell, seeds, people).
    """
    done = json.loads(store.read_text()) if store.exists() else {}
    with ProcessPoolExecutor(jobs) as pool:
        for upto in range(ROUND, seeds + ROUND, ROUND):
            for cell in cells:
                start, known = time.time(), done.setdefault(cell.name, [])
                wanted = list(range(len(known), min(upto, seeds)))
                parts = [
                    wanted[first : first + TOGETHER] for first in range(0, len(wanted), TOGETHER)
                ]
                known += [
                    one
                    for some in pool.map(some_of, [(cell, part, people) for part in parts])
                    for one in some
                ]
                if wanted:
                    store.write_text(json.dumps(done) + "\n")
                    print(f"{len(known)} of {cell.name}: {time.time() - start:.0f} s", flush=True)
    return done


def _counted(rows: list) -> dict:
    estimate, error = (np.array([row[i] for row in rows], float) for i in (3, 4))
    known = np.isfinite(estimate)
    several = known.sum() > 1
    return {
        "ours": Counter(row[0] for row in rows),
        "bare": Counter(row[1] for row in rows),
        "naive": Counter(row[2] for row in rows),
        "mean": float(estimate[known].mean()) if several else None,
        "spread": float(estimate[known].std(ddof=1) / error[known].mean()) if several else None,
    }


# --- the page

CLAIMS, FORMATS = ("higher", "lower"), (("mean", "+.3f"), ("spread", ".2f"))
WORDS = (*CLAIMS, "small", "none", "unknown", "untrusted", REFUSED)


def page(done: dict[str, list]) -> str:
    """The tables of `truth.md`."""
    heads = [
        "company",
        "n",
        "measure",
        "truth",
        "mean",
        "SD / SE",
        "naive differs",
        "core model alone",
        *WORDS,
        "goal",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---|--:|---|" + "--:|" * (len(heads) - 4) + "---|"]
    for cell in CELLS:
        for measure in SHORT if done.get(cell.name) else ():
            found, n = _counted([one[measure] for one in done[cell.name]]), len(done[cell.name])
            value = cell.values[measure]
            share = [
                100 * (n - found["naive"]["unknown"]) / n,
                100 * sum(found["bare"][w] for w in CLAIMS) / n,
            ]
            share += [100 * found["ours"][word] / n for word in WORDS]
            cells = [
                cell.name,
                str(n),
                SHORT[measure],
                "" if value is None else f"{value:+.2f}",
                *("" if found[what] is None else f"{found[what]:{as_}}" for what, as_ in FORMATS),
                *(f"{x:.1f}" for x in share),
                goal(cell, measure, found["ours"], n),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n" + _any(done)


def _any(done: dict[str, list]) -> str:
    """In how many companies in which nothing is true some headline says "higher" or "lower"."""
    nothing = [cell.name for cell in CELLS if not _true(cell) and done.get(cell.name)]
    drawn = [one for name in nothing for one in done[name]]
    wrong = sum(any(row[0] in CLAIMS for row in one.values()) for one in drawn)
    return (
        f"Companies in which nothing is true: {len(drawn)}; some headline says higher or "
        f"lower in {wrong}.\n"
    )


def _true(cell: Cell) -> bool:
    """Whether anything is, of any measure, or no one number says what."""
    return any(value != 0 for value in cell.values.values())


def goal(cell: Cell, measure: str, ours: dict, seeds: int) -> str:
    """Which promise the cell is about, and whether it was kept."""
    value, smallest = cell.values[measure], SMALLEST[measures()[measure][1].unit]
    share = {word: ours.get(word, 0) / seeds for word in WORDS}
    if wanted := cell.goals.get(measure):
        kept = {
            UNTRUSTED: share["higher"] + share["lower"] <= 0.01,
            NOT_NONE: share["none"] <= 0.05,
            REFUSED: share[REFUSED] == 1,
        }
        return _kept(kept[wanted], {NOT_NONE: "wrong none ≤ 5 %"}.get(wanted, wanted))
    if value is None:
        return ""
    if value == 0:
        false, most = share["higher"] + share["lower"], 0.025 if cell is CELLS[0] else 0.01
        return _kept(false <= most, f"false ≤ {100 * most:g} %")
    if abs(value) < 1.5 * smallest:
        return _kept(share["none"] <= 0.05, "wrong none ≤ 5 %")
    wrong = share["lower" if value > 0 else "higher"]
    return _kept(
        share["higher" if value > 0 else "lower"] >= 0.80 and wrong <= 0.01, "right ≥ 80 %"
    )


def _kept(is_kept: bool, text: str) -> str:
    return f"{text}: {'kept' if is_kept else '**missed**'}"


def main() -> None:
    """Draw, and write the page."""
    parser = argparse.ArgumentParser()
    for name, default in (("--seeds", 200), ("--people", 1500), ("--jobs", 2)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--cells", nargs="*", default=[cell.name for cell in CELLS])
    for name in ("--fresh", "--write"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--store", type=Path, default=HERE / "truth.json")
    options = parser.parse_args()
    if options.fresh:
        options.store.unlink(missing_ok=True)
    wanted = [cell for cell in CELLS if cell.name in options.cells]
    verdict_table = page(run(wanted, options.seeds, options.people, options.jobs, options.store))
    if options.write:
        import interval_coverage  # beside this file, which is where a script is looked for

        (HERE / "truth.md").write_text(
            document(interval_coverage.table(), verdict_table), encoding="utf-8"
        )
    print(verdict_table)


def document(coverage_table: str, verdict_table: str) -> str:
    """The whole of `truth.md`."""
    return (
        HEAD
        + "\n## Intervals\n\n"
        + coverage_table
        + "\n## Verdicts\n\n"
        + LEGEND
        + "\n"
        + verdict_table
    )


HEAD = """# How often it is right, where the truth is known

Written by `make truth`. Nothing here is about a real company. The aim is 200 companies for each truth; `n` says how
many stand behind a row.
"""
LEGEND = """\
Companies of 1,500 people and six half-years, drawn by `northbank.tables` with a declared truth, linked, estimated
and judged; Holm across the five headlines. Smallest effects: 0.10 SD and 0.25 percentage points. All shares are in %
of `n` companies: one company in 200 is 0.5.

- *naive differs*: did against did not, least squares, p < .05. *core model alone*: its interval lies beyond the
  smallest effect; no rival, no check. The verdicts are ours.
- *SD / SE*: how much estimates differ between companies, over the standard error that each claims.
- *strugglers*: the less able acknowledge more. *dip*: so do those who know that their last half-year went badly,
  which the lead test must call a difference where there should be none. *Northbank's own nuisances*: both, and able
  people learn more. *trouble in the same half-year* moves both acknowledging and the rating that follows: it moves what
  nobody could see alike, which a penalty for what was seen does not. *all of it together*: Northbank's own, hidden
  motivation, lenient managers, halo, noisy ratings and campaigns.
- From *lasting luck* on, what happens is changed as well (`open_companies.py` says how), on top of nothing that hides it
  where nothing is named. *seen is punished*: what anybody else could know of; the truth is that of all acknowledging.
- *goal*: where nothing is true, *higher* or *lower* in 1 company of 100 at most; where twice the smallest effect is, the
  right one in 80. *at most untrusted*: no record tells what is true (a penalty on private acknowledgements too looks
  like trouble, courses assigned after trouble like harm), so neither is ever said. *wrong none*: at the smallest
  effect, and where one slope comes to nothing while much, little or some functions do not. *refused*: there must be no
  answer, as nobody said which end of the scale is good.
- Merit *in total* has no declared truth where acknowledging moves the rating: what a rating is worth depends on the
  matrix.
"""


if __name__ == "__main__":
    main()

"""How often "units differ by more than chance" is said of companies in which no unit differs.

    python tests/benchmarks/units_truth.py [--companies 200] [--people 800] [--jobs 1] [--write]

Every company is simulated with one truth for all of its units, linked, taken apart by unit, and each
unit's headlines are estimated and moved by noise as in an edition with `units: each`; then the index
is asked (`report.index.differ`). What is drawn is kept in `units_truth.json` and not drawn again.
`--write` puts the table into `truth.md`, in a section of its own.
"""

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd

from learnalign.estimates import closing, leaders, samples
from learnalign.linking import journeys, teams, windows
from learnalign.privacy.gate import Gate
from learnalign.privacy.keys import Draws
from learnalign.privacy.rule import Rule
from learnalign.report import index
from learnalign.verdicts.registry import headlines, measures
from learnalign.verdicts.result import Fit, Result
from learnalign.verdicts.rows import silent
from northbank import tables
from northbank.truth import NORTHBANK
from truth import TOGETHER, together

HERE = Path(__file__).parent
STORE, PAGE, HEADING = HERE / "units_truth.json", HERE / "truth.md", "## Units that do not differ"
SMALLEST = {"rating_sd": 0.10, "merit_pp": 0.25, "hazard_ratio": 1.2, "share_pp": 3.0}
CONTRASTS = ("acknowledging_to_rating", "learning_to_merit_at_equal_rating")
HAZARDS = ("acknowledging_to_closure", "mentoring_to_closure")
TEAMS = "leader_to_team"
MEASURES = (*CONTRASTS, TEAMS, *HAZARDS)


def companies(task: tuple[list[int], int]) -> list[dict[str, list[list[float]]]]:
    """Of each company, by measure and unit: figure and error, and as an edition publishes them.

    Linking joins by person: companies are linked together, under names of their own.
    """
    seeds, people = task
    drawn = [tables.northbank(people=people, seed=seed, truth=NORTHBANK) for seed in seeds]
    dataset = tables.dataset(together(drawn, seeds, drawn[0].tables))
    dataset.tables["people"].get_backend().raw_sql("SET threads = 1")
    cycles = windows.link(dataset).person_cycles
    months = closing.months(journeys.gap_journeys(dataset))
    led = leaders.leading(teams.team_quarters(dataset))
    unit_of = cycles.sort_values("reviewed_on").groupby("person_id").unit.last()
    own, gaps = _by_unit(cycles, unit_of), _by_unit(months.gaps, unit_of)
    open_months, by_unit = _by_unit(months.rows, unit_of), dict(iter(led.groupby("unit")))
    found: list[dict[str, list[list[float]]]] = [{name: [] for name in MEASURES} for _ in seeds]
    for unit, rows in own.items():
        place = seeds.index(int(unit.split("|")[0]))
        gate = Gate(Rule(10), Draws(bytes(32), f"truth {seeds[place]}", is_unit=True))
        part = replace(months, gaps=gaps[unit], rows=open_months[unit])
        for measure, fit in _fits(rows, part, by_unit[unit]):
            moved = gate.fit(f"{measure}, {unit}", fit)
            if moved is not None:
                figures = fit.estimate, fit.std_error, moved.estimate, moved.std_error
                found[place][measure].append([float(f"{one:.6g}") for one in figures])
    return found


def _by_unit(rows: pd.DataFrame, unit_of: pd.Series) -> dict[str, pd.DataFrame]:
    """Rows of people, by the unit of their latest review."""
    found = rows.groupby(rows.person_id.map(unit_of))
    return {unit: own.reset_index(drop=True) for unit, own in found}


def _fits(own: pd.DataFrame, gaps: closing.Months, led: pd.DataFrame) -> Iterator[tuple[str, Fit]]:
    """The adjusted figures of a unit's people, by the estimators of its edition."""
    for measure in CONTRASTS:
        sample = samples.usable(samples.prepare(measure, own))
        if sample is not None and (fit := sample.core(level=0.95)):
            yield measure, fit
    for measure in HAZARDS:
        sample, exposure = closing.sample_of(gaps, measure), measures()[measure][1].exposure
        if not sample.reason and sample.rows[exposure].nunique() > 1:
            yield from ((measure, fit) for fit in sample.hazard(exposure))
    with suppress(ValueError):
        yield TEAMS, leaders._within_teams(led.reset_index(drop=True), "before", [], 0.95)


def run(count: int, people: int, jobs: int) -> list[dict[str, list[list[float]]]]:
    """Draw what is not in the store yet; it can be stopped at any time."""
    done = json.loads(STORE.read_text()) if STORE.exists() else {}
    wanted, start = [n for n in range(1, count + 1) if str(n) not in done], time.monotonic()
    parts = [wanted[first : first + TOGETHER] for first in range(0, len(wanted), TOGETHER)]
    with ProcessPoolExecutor(jobs) as pool:
        drawn = pool.map(companies, [(part, people) for part in parts])
        for part, some in zip(parts, drawn, strict=True):
            done |= dict(zip(map(str, part), some, strict=True))
            STORE.write_text(json.dumps(done) + "\n")
            print(f"{len(done)} companies: {time.monotonic() - start:.0f} s", flush=True)
    return [*done.values()]


def told(measure: str, units: list[list[float]], *, is_published: bool) -> str:
    """What the index says of a company: alike, differ or unknown, as `differ` has it."""
    about, first = measures()[measure], 2 if is_published else 0
    pattern = replace(silent(about[0].key), unit=about[1].unit, shown=True)
    pattern = replace(pattern, smallest_effect=SMALLEST[about[1].smallest])
    rows = [replace(pattern, estimate=one[first], std_error=one[first + 1]) for one in units]
    return index.differ([row for row in rows if _is_told(row)], len(headlines()))[0]


def _is_told(row: Result) -> bool:
    return row.estimate > 0 or row.unit != "hazard ratio"


def table(done: list[dict[str, list[list[float]]]]) -> str:
    """The rows of the section, and in how many companies any of the questions is a false alarm."""
    lines, alarms = [HEAD], {name: [False] * len(done) for name in (True, False)}
    for measure in MEASURES:
        some = [one[measure] for one in done]
        cells = [SHORT[measure], len(done), f"{sum(map(len, some)) / len(some):.1f}"]
        for is_published in (True, False):
            verdicts = [told(measure, units, is_published=is_published) for units in some]
            differ = [one == "higher" for one in verdicts]
            alarms[is_published] = [
                a or b for a, b in zip(alarms[is_published], differ, strict=True)
            ]
            cells += [_share(differ), _share([one == "none" for one in verdicts])]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    any_of = ["| any of the five", len(done), "", _share(alarms[True]), "", _share(alarms[False])]
    return "\n".join([*lines, " | ".join(map(str, any_of)) + " | |"]) + "\n"


def _share(yes: list[bool]) -> str:
    return f"{100 * sum(yes) / len(yes):.1f}"


def write(done: list[dict[str, list[list[float]]]]) -> None:
    """The section into `truth.md`, in the place of the one that was there."""
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(HEADING)
    after = rest[rest.index("\n## ") :] if "\n## " in rest else ""
    text = f"{before.rstrip()}\n\n{HEADING}\n\n{ABOUT}\n{table(done)}{after}"
    PAGE.write_text(text, encoding="utf-8")


SHORT = {
    "acknowledging_to_rating": "Q2 acknowledging, rating",
    "learning_to_merit_at_equal_rating": "Q5 learning, merit, equal rating",
    "leader_to_team": "Q4 leaders, teams",
    "acknowledging_to_closure": "Q6 acknowledging, closing",
    "mentoring_to_closure": "Q8 mentoring, closing",
}
HEAD = """\
| question | n | units told | published: differ | published: alike | exact: differ | exact: alike |
|---|--:|--:|--:|--:|--:|--:|"""
ABOUT = """\
Written by `python tests/benchmarks/units_truth.py --write`: companies of 800 people in eight units and six half-years,
as Northbank is, so with one truth for all units. Each unit's figure is estimated on its own people, and moved by the
noise of a unit's edition; the index is asked whether units differ by more than chance. Shares are in % of `n`; where
nothing differs, *differ* is a false alarm. The index
allows for nine headlines; the last row is of the five that were drawn. *exact* is without noise, which nobody
is shown: the standard errors of few managers are too small there. Q1 and Q3 are made as Q2 and Q5 are. About 7
seconds a company on a machine of its own; the aim is 200 companies, and `n` says how many stand behind a row.
"""


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    for name, default in (("--companies", 200), ("--people", 800), ("--jobs", 1)):
        words.add_argument(name, type=int, default=default)
    words.add_argument("--write", action="store_true")
    said = words.parse_args()
    done = run(said.companies, said.people, said.jobs)
    if said.write:
        write(done)
    print(table(done))


if __name__ == "__main__":
    main()

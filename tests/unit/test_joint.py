"""Editions of units and of the company, published together: whoever has all pages can add and
subtract, and may.
"""

import hashlib
import json
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_array
from tests.parts import DESCRIBED

from learnalign.data.mistakes import Stopped
from learnalign.privacy import audit, findings, gate
from learnalign.verdicts import document as results
from learnalign.verdicts.result import Result

SHARE = replace(DESCRIBED, measure="reach", at="asked", sentence="Told.")
HOURS = replace(
    SHARE, measure="hours", at="hours per person", unit="hours", estimate=7.0, low=6.0, high=8.0
)
EFFECT = replace(
    SHARE,
    measure="effect",
    at="adjusted",
    unit="SD",
    design="adjusted",
    estimate=0.2,
    low=0.1,
    high=0.3,
    std_error=0.05,
    df=30.0,
)
LEAST = 10


def page(unit: str, rows: list[Result], units: list[str], hidden: int, people: int = 1000) -> dict:
    run = {
        "run_id": "one run",
        "report": "north",
        "as_of": "2026-06-30",
        "min_group": LEAST,
        "rounded_to": None,
        "unit": unit,
        "units": units,
        "units_hidden": hidden,
    }
    data = {
        "title": "North",
        "fingerprint": "f",
        "attributes": ["gender", "grade"],
        "tables": [{"table": "people", "rows": people, "people": people}],
    }
    return {
        "schema_version": results.SCHEMA_VERSION,
        "run": run,
        "data": data,
        "results": [asdict(row) for row in rows],
        "flows": [],
        "coverage": [],
        "pictures": [],
    }


def row_of(row: Result, people: int, yes: int = 0) -> Result:
    """A row on so many people, of whom `yes` on one side, as notebooks make it: hidden where either
    side is few.
    """
    if row.unit == "%":
        share = round(100 * yes / max(people, 1), 1 if people >= 1000 else 0)
        row = replace(row, estimate=share, low=max(share - 3, 0), high=min(share + 3, 100))
        if min(yes, people - yes) < LEAST:
            row = replace(row, shown=False, verdict="hidden")
    return replace(row, n_people=people)


def company(frame: dict[str, np.ndarray], facts: int = 1, more: int = 0) -> list[dict]:
    """The documents of a company: `frame` has a place for each person in `unit`, `gender`, `grade`,
    and `yes`.
    """
    names = sorted(set(frame["unit"]))
    fit = [name for name in names if (frame["unit"] == name).sum() >= LEAST]

    def rows(who: np.ndarray) -> list[Result]:
        found = [
            row_of(
                replace(SHARE, measure=f"fact {one}"),
                who.sum(),
                (who & (frame["yes"] % (one + 2) == 1)).sum(),
            )
            for one in range(facts)
        ]
        found += [row_of(replace(HOURS, at=f"hours {one}"), who.sum()) for one in range(1 + more)]
        found += [
            row_of(replace(EFFECT, at=f"adjusted {one}"), who.sum()) for one in range(1 + more)
        ]
        found.append(row_of(SHARE, who.sum(), (who & (frame["yes"] % 2 == 1)).sum()))
        for name in ("gender", "grade"):
            for value in sorted(set(frame[name])):
                some = who & (frame[name] == value)
                if some.any():
                    at = replace(SHARE, at=f"{name}: {value}")
                    found.append(row_of(at, some.sum(), (some & (frame["yes"] % 2 == 1)).sum()))
        return found

    everybody = np.ones(len(frame["unit"]), bool)
    pages = [("", rows(everybody)), *((name, rows(frame["unit"] == name)) for name in fit)]
    return [page(name, found, fit, len(names) - len(fit)) for name, found in pages]


def drawn(sizes: dict[str, int], seed: int, grades: int = 4) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    unit = np.repeat([*sizes], [*sizes.values()])
    count = len(unit)
    return {
        "unit": unit,
        "gender": draw.choice(["f", "m", "x"], count, p=[0.5, 0.47, 0.03]),
        "grade": draw.choice([f"G{one}" for one in range(grades)], count),
        "yes": draw.integers(0, 30, count),
    }


# --- an attacker who has all the pages


def attack(pages: list[dict]) -> dict[tuple, float]:
    """Within how many people each hidden row is known, on each side: the widest table of people
    fits all pages.
    """
    small = min(pages[0]["run"]["units_hidden"], 2)
    told = {
        one["run"]["unit"]: {
            (r["measure"], r["at"]): r for r in one["results"] if r["design"] == "described"
        }
        for one in pages
    }
    for number in range(small):
        told[f"small {number}"] = {
            key: {"unit": row["unit"], "shown": False} for key, row in told[""].items()
        }
    place, equal, limits = {}, [], []

    def cell(*name):
        if name not in place:
            place[name] = len(limits)
            limits.append([0, 1e5])
        return place[name]

    for unit, rows in told.items():
        for key, row in rows.items():
            if row["shown"]:
                limits[cell(unit, key, "people")] = [row["n_people"], row["n_people"] + LEAST - 1]
            if row["unit"] == "%":
                equal.append(
                    [cell(unit, key, "people"), cell(unit, key, "yes"), cell(unit, key, "no")]
                )
        for name in ("gender", "grade"):
            parts = [key for key in rows if key[1].startswith(f"{name}: ")]
            sides = ("people", "yes", "no")
            equal += [
                [cell(unit, ("reach", "asked"), s), *(cell(unit, p, s) for p in parts)]
                for s in sides
                if parts
            ]
    for key, row in told[""].items():
        for side in ("people", "yes", "no") if row["unit"] == "%" else ("people",):
            equal.append(
                [cell("", key, side), *(cell(u, key, side) for u in told if u and key in told[u])]
            )
    above = []  # those on one side are the share of the people, but for its rounding
    for unit, rows in told.items():
        for key, row in rows.items():
            if row["shown"] and row["unit"] == "%":
                off = 0.05 if row["n_people"] >= 1000 else 0.5
                shares = [(sign, -sign * (row["estimate"] + sign * off) / 100) for sign in (1, -1)]
                above += [
                    [(cell(unit, key, "yes"), one), (cell(unit, key, "people"), two)]
                    for one, two in shares
                ]
    sums, sides = np.zeros((len(equal), len(limits))), np.zeros((len(above), len(limits)))
    for number, (total, *parts) in enumerate(equal):
        sums[number, total] = 1
        sums[number, parts] = -1
    for number, terms in enumerate(above):
        for at, weight in terms:
            sides[number, at] = weight

    gone = [
        (unit, key, side)
        for unit, key, side in place
        if key in told[unit] and not told[unit][key]["shown"]
    ]
    points = np.zeros((0, len(limits)))
    widths = {}
    for name in gone:
        for sign in (
            1,
            -1,
        ):  # a table of people that was found before may show already that it is wide
            if len(points) and np.ptp(points[:, place[name]]) >= LEAST:
                break
            goal = sign * np.eye(1, len(limits), place[name])[0]
            found = linprog(
                goal,
                csr_array(sides) if above else None,
                np.zeros(len(sides)) if above else None,
                csr_array(sums),
                np.zeros(len(sums)),
                limits,
            )
            assert found.status == 0, found.message  # the truth fits, so the pages do
            points = np.vstack([points, found.x])
        widths[name] = np.ptp(points[:, place[name]])
    return widths


def narrowest(pages: list[dict]) -> float:
    return min(attack(pages).values(), default=np.inf)


def shown(pages: list[dict]) -> int:
    return sum(row["shown"] for one in pages for row in one["results"])


SIZES = {
    f"Unit {number:02}": size
    for number, size in enumerate([60, 90, 40, 120, 75, 33, 210, 48, 64, 85, 140, 55])
}


def test_nobody_knows_a_hidden_row_from_all_pages_together():
    made = company(drawn(SIZES | {"Tiny": 6}, 3))
    safe = gate.gate(made, ())
    assert narrowest(safe) >= LEAST - 1e-6
    assert {one["run"]["rounded_to"] for one in safe} == {LEAST}
    before = sum(shown([gate.gate([one], ())[0]]) for one in made)
    assert before > shown(safe) > 0.7 * before


def test_without_the_joint_step_the_attacker_wins(monkeypatch):
    frame = drawn({"A": 30, "B": 44, "Tiny": 6}, 1, grades=2)
    assert narrowest(gate.gate(company(frame), ())) >= LEAST - 1e-6
    monkeypatch.setattr(gate, "_together", lambda pages, document: pages)
    with pytest.raises(Stopped, match="hidden groups are known within"):
        gate.gate(company(frame), ())
    monkeypatch.setattr(findings, "together", lambda documents: [])
    assert narrowest(gate.gate(company(frame), ())) < LEAST


@pytest.mark.property
@settings(max_examples=15, deadline=None)
@example([48, 70], 964172, 2)  # who is on no row of a page is known not to be there
@example([48, 54], 5611, 2)  # what the pages hide together must also hold for one of them alone
@given(
    st.lists(st.integers(1, 80), min_size=2, max_size=4), st.integers(0, 10**6), st.integers(1, 3)
)
def test_no_partition_tells_of_few(sizes, seed, grades):
    made = company(
        drawn({f"U{number}": size for number, size in enumerate([45, *sizes])}, seed, grades)
    )
    assert narrowest(gate.gate(made, ())) >= LEAST - 1e-6


def test_the_order_of_units_does_not_matter_and_the_same_ones_give_the_same():
    made = company(drawn({"A": 70, "B": 44, "C": 58, "Tiny": 6}, 2))
    safe = gate.gate(made, ())
    assert json.dumps(safe) == json.dumps(gate.gate(made, ()))
    assert gate.gate(made[::-1], ()) == safe[::-1]


def test_an_estimate_is_hidden_in_no_unit_alone():
    """Weighing the others' estimates against the company's gives the one that is missing: never
    one, then.
    """
    made = company(drawn({"A": 70, "B": 44, "C": 58, "Tiny": 6}, 2))
    safe = {one["run"]["unit"]: one for one in gate.gate(made, ())}
    told = {
        unit: [r["shown"] for r in one["results"] if r["measure"] == "effect"]
        for unit, one in safe.items()
    }
    assert told == {"": [True], "A": [True], "B": [False], "C": [True]}
    assert not findings.together([*safe.values()])
    for unit in ("", "B"):
        safe[unit]["results"] = [
            asdict(replace(r, shown=True)) for r in results.rows_of(safe[unit])
        ]
    both = [
        asdict(row_of(EFFECT, 40)) if r["measure"] == "effect" else r for r in safe["B"]["results"]
    ]
    safe["B"]["results"] = [
        r | {"at": "adjusted 0"} if r["measure"] == "effect" else r for r in both
    ]
    assert any(
        "hidden in one unit alone" in str(one) for one in findings.together([*safe.values()])
    )


def test_a_unit_that_nearly_is_the_company_is_hidden():
    units = ["A", "B"]
    for others, told in ((5, [True, False]), (20, [True, True])):
        rows = {"": [row_of(HOURS, 400)], "A": [row_of(HOURS, 390)], "B": [row_of(HOURS, others)]}
        safe = gate.gate([page(unit, made, units, 0) for unit, made in rows.items()], ())
        assert [one["results"][0]["shown"] for one in safe[:2]] == told


def test_a_group_that_no_unit_names_is_not_known_to_be_nobody():
    """A unit's page names no group on too few managers: a hidden company row that stands on no
    unit's page is open.
    """
    units = [f"Unit {number}" for number in range(4)]
    groups = [row_of(replace(SHARE, at=f"grade: G{one}"), 40 + 10 * one, 20) for one in range(3)]
    few = [
        row_of(replace(SHARE, at=f"grade: G{one}"), 20, 3) for one in (3, 4)
    ]  # fewer than ten on one side
    rows = {"": [*(replace(one, n_people=4 * one.n_people) for one in groups), *few]}
    rows |= {unit: [*groups, few[0]] for unit in units}
    safe = gate.gate([page(unit, made, units, 0) for unit, made in rows.items()], ())
    assert [[row["shown"] for row in one["results"]] for one in safe] == [
        [True] * 3 + [False] * 2
    ] + [[True] * 3 + [False]] * 4


def test_editions_of_units_stand_in_the_ledger_and_are_compared_with_their_own(tmp_path):
    safe = gate.gate(company(drawn({"A": 70, "B": 44, "C": 58}, 2)), ())
    lines = gate.enter(tmp_path, *safe)
    assert results.ledger(tmp_path) == (lines, ())
    assert [line.unit for line in lines] == ["", "A", "B", "C"]
    own = findings.of_same(lines, safe[1])
    assert [bool(line.figures) for line in own] == [False, True, False, False]
    assert [line.hidden != () for line in own] == [False, lines[1].hidden != (), False, False]


def test_an_audit_reads_the_editions_of_units_and_the_index(tmp_path):
    safe = gate.gate(company(drawn({"A": 30, "B": 44, "Tiny": 6}, 1, grades=2)), ())
    top = tmp_path / "north/2026-06-30"
    places = [top, *(top / "units" / one["run"]["unit"].lower() for one in safe[1:])]

    def write(documents: list[dict], link: str) -> str:
        for place, one in list(zip(places, documents, strict=True))[::-1]:
            place.mkdir(parents=True, exist_ok=True)
            results.write_json(place / "results.json", one)
            if place == top:
                policy = f'<meta http-equiv="Content-Security-Policy" content="{audit.CSP}">'
                (top / "index.html").write_text(f'{policy}<a href="{link}">A</a>')
                (top / "units/a/report.html").write_text(policy)
            files = [
                path
                for path in place.rglob("*")
                if path.is_file() and path != place / "manifest.json"
            ]
            digests = {
                path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in files
            }
            results.write_json(place / "manifest.json", {"run_id": "one run", "sha256": digests})
        return str(audit.audit(tmp_path))

    told = write(safe, "units/a/report.html")
    assert "is not part of the edition" in told  # the unit's page came after its manifest
    assert write(safe, "units/a/report.html").startswith("3 editions, ")
    assert audit.audit(top).findings == audit.audit(top.parent).findings == ()
    assert "index.html: asks for units/x/report.html" in write(safe, "units/x/report.html")
    alone = [
        gate._alone(one, (), True)
        for one in company(drawn({"A": 30, "B": 44, "Tiny": 6}, 1, grades=2))
    ]
    assert "and its units: " in write(alone, "units/a/report.html")


@pytest.mark.slow
def test_a_large_company_is_gated_in_seconds():
    made = company(
        drawn(
            {
                f"{name} {k}": size
                for k in (1,)
                for name, size in (SIZES | {"P": 61, "Q": 77, "R": 92, "Tiny": 6}).items()
            },
            3,
            grades=8,
        ),
        facts=40,
        more=45,
    )
    assert (len(made), len(made[0]["results"])) == (16, 144)
    start = time.process_time()
    safe = gate.gate(made, ())
    assert time.process_time() - start < 10
    start = time.process_time()
    assert findings.together(safe) == []
    assert time.process_time() - start < 10

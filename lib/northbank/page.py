"""The page beside a simulated company's tables that says what is true in it, and what a report
should say.

A declared effect is already in the unit of its measure. What is not declared so is worked out here
(Q4), or was found in a large bank (Q7): by drawing what would happen with it and without it, never
by one of our estimators.
"""

import math
from dataclasses import fields

import jinja2
import numpy as np
from scipy.special import expit, ndtri

from northbank.people import MADE
from northbank.truth import NORTHBANK, Truth

COST = 4600  # currency per extra closed gap, as shipped: see the page
OWN_UP = 0.04  # so many acknowledge in a quarter anyway, as a gap of theirs is about to be assessed
# The smallest effects that matter, as `params/northbank.yml` has them
SMALLEST = {"SD": 0.10, "percentage points": 0.25, "hazard ratio": 1.2, "share": 3}
CLEARLY, RARELY = 1.2, 3  # times the smallest: seen, also where few people stand behind a figure

Row = tuple[str, str, str, str, str]


def page(truth: Truth) -> str:
    """`TRUTH.md` of a company: a row for every headline, and for Northbank as shipped also the
    described facts.

    >>> page(Truth(leaders_on_teams=0)).splitlines()[0]
    '# What is true in Northbank (simulated, another truth)'
    """
    loader = jinja2.PackageLoader("northbank", "")
    words = jinja2.Environment(  # Markdown: nothing to escape
        loader=loader,
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    named = [(f.name, getattr(truth, f.name), f.default) for f in fields(truth)]
    changed = [(name, value, usual) for name, value, usual in named if value != usual]
    return words.get_template("TRUTH.md.j2").render(rows=planted(truth), changed=changed)


def planted(truth: Truth) -> list[Row]:
    """Question, measure, planted value, unit and expected verdict, as words; an empty value is not
    known exactly.
    """
    rating, merit = truth.acknowledging_on_rating, truth.acknowledging_on_merit
    kinds = {name: getattr(truth, f"{name}_on_closure") for name in MADE.types}
    mentoring = kinds.pop("mentoring")
    cost = (str(COST), "EUR", "described") if truth == NORTHBANK else ("", "EUR", "any")
    points, ratio = "percentage points", "hazard ratio"
    return [
        _row("Q1", "learning_to_rating", truth.learning_on_rating, "SD"),
        _row("Q2", "acknowledging_to_rating", rating, "SD"),
        _row("Q3", "acknowledging_to_merit_total", None if rating else merit, points),
        _row("Q3", "acknowledging_to_merit_at_equal_rating", merit, points),
        _row("Q4", "leader_to_team", following(truth), points, smallest=SMALLEST["share"]),
        _row("Q5", "learning_to_merit_at_equal_rating", truth.learning_on_merit, points),
        _row("Q6", "acknowledging_to_closure", truth.acknowledging_on_closure, ratio),
        *(
            _row("Q6", f"learning_to_closure: {kind}", factor, ratio, clearly=RARELY)
            for kind, factor in kinds.items()
        ),
        ("Q7", "cost_per_closed_gap", *cost),
        _row("Q8", "mentoring_to_closure", mentoring, ratio),
    ]


def _row(
    question: str,
    measure: str,
    value: float | None,
    unit: str,
    *,
    smallest: float | None = None,
    clearly: float = CLEARLY,
) -> Row:
    """The verdict by how the value compares with the smallest effect that matters."""
    if value is None:
        return question, measure, "", unit, "any"
    smallest, size = smallest or SMALLEST[unit], value
    if unit == "hazard ratio":
        smallest, size = math.log(smallest), math.log(value)
    seen = "higher" if size > 0 else "lower"
    verdict = seen if abs(size) >= clearly * smallest else f"{seen} or small or unknown"
    shown = f"{value:.2f}" if unit != "percentage points" or abs(value) < 1 else f"{value:.1f}"
    return question, measure, shown, unit, verdict if size else "none or unknown"


def following(truth: Truth) -> float:
    """What a leader's visible acknowledging adds to the team's share in the next quarter, in
    percentage points.

    The mean over everybody's own log-odds of saying so, with the declared log-odds and without.

    >>> round(following(NORTHBANK), 1), following(Truth(leaders_on_teams=0))
    (8.9, 0.0)
    """
    says, hidden = MADE.says, MADE.motivated * truth.hidden_motivation
    parts = (truth.strugglers, truth.dip, truth.trouble, says["habit"], says["manager"], hidden)
    own = says["usual"] + math.hypot(*parts) * ndtri((np.arange(1000) + 0.5) / 1000)
    odds = own + np.array([[0], [0], [0], [truth.campaigns]])  # a campaign in one quarter of four
    return float(100 * (1 - OWN_UP) * (expit(odds + truth.leaders_on_teams) - expit(odds)).mean())

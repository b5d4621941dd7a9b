"""Planted: the page beside a simulated company's tables that says what is true in it, and what a
report should say.

A declared effect is already in the unit of its measure. What is not declared so is worked out here
(Q4), or was found in a large bank (Q7): by drawing what would happen with it and without it, never
by one of our estimators.
"""

import math
from dataclasses import fields

import numpy as np
from scipy.special import expit, ndtri

from northbank.events import MOTIVATED, SAYS, TYPES
from northbank.truth import NORTHBANK, Truth

COST = 4600  # currency per extra closed gap, as shipped: see the page
OWN_UP = 0.04  # so many acknowledge in a quarter anyway, as a gap of theirs is about to be assessed
SMALLEST = {"SD": 0.10, "percentage points": 0.25, "hazard ratio": 1.2}
SHARE_PP, CLEARLY, RARELY = (
    3,
    1.2,
    3,
)  # times the smallest effect: seen, also where few people stand behind a figure


def page(truth: Truth) -> str:
    """`TRUTH.md` of a company: a row for every headline, and for Northbank as shipped also the
    described facts.

    >>> page(Truth(leaders_on_teams=0)).splitlines()[0]
    '# What is true in Northbank (simulated, another truth)'
    """
    shipped, rows = (
        truth == NORTHBANK,
        "\n".join("| " + " | ".join(row) + " |" for row in planted(truth)),
    )
    other = "" if shipped else ", another truth"
    changed = [
        f"- `{f.name}`: {getattr(truth, f.name)} ({f.default} there)"
        for f in fields(Truth)
        if getattr(truth, f.name) != f.default
    ]
    rest = (
        FACTS
        if shipped
        else "\n".join(["## Not as in Northbank as shipped", "", *changed, "", ELSEWHERE])
    )
    return HEAD.format(other=other) + "\n".join([*TABLE_HEAD, rows]) + "\n\n" + AFTER + "\n" + rest


def planted(truth: Truth) -> list[tuple[str, str, str, str, str]]:
    """Question, measure, planted value, unit and expected verdict, as words; an empty value is not
    known exactly.
    """
    rating, merit, moved = (
        truth.acknowledging_on_rating,
        truth.acknowledging_on_merit,
        truth != NORTHBANK,
    )
    kinds = {kind: getattr(truth, f"{kind}_on_closure") for kind in TYPES if kind != "mentoring"}
    rows = [
        _row("Q1", "learning_to_rating", truth.learning_on_rating, "SD"),
        _row("Q2", "acknowledging_to_rating", rating, "SD"),
        _row("Q3", "acknowledging_to_merit_total", None if rating else merit, "percentage points"),
        _row("Q3", "acknowledging_to_merit_at_equal_rating", merit, "percentage points"),
        _row("Q4", "leader_to_team", following(truth), "percentage points", smallest=SHARE_PP),
        _row(
            "Q5", "learning_to_merit_at_equal_rating", truth.learning_on_merit, "percentage points"
        ),
        _row("Q6", "acknowledging_to_closure", truth.acknowledging_on_closure, "hazard ratio"),
        *(
            _row("Q6", f"learning_to_closure: {kind}", factor, "hazard ratio", clearly=RARELY)
            for kind, factor in kinds.items()
        ),
        (
            "Q7",
            "cost_per_closed_gap",
            "" if moved else str(COST),
            "EUR",
            "any" if moved else "described",
        ),
        _row("Q8", "mentoring_to_closure", truth.mentoring_on_closure, "hazard ratio"),
    ]
    return rows


def _row(
    question: str,
    measure: str,
    value: float | None,
    unit: str,
    *,
    smallest: float | None = None,
    clearly: float = CLEARLY,
) -> tuple[str, str, str, str, str]:
    """The verdict by how the value compares with the smallest effect that matters, as
    `params/northbank.yml` has it.
    """
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
    parts = (
        truth.strugglers,
        truth.dip,
        truth.trouble,
        SAYS["habit"],
        SAYS["manager"],
        MOTIVATED * truth.hidden_motivation,
    )
    own = SAYS["usual"] + math.hypot(*parts) * ndtri((np.arange(1000) + 0.5) / 1000)
    odds = own + np.array([[0], [0], [0], [truth.campaigns]])  # a campaign in one quarter of four
    return float(100 * (1 - OWN_UP) * (expit(odds + truth.leaders_on_teams) - expit(odds)).mean())


# --- the words

HEAD = """\
# What is true in Northbank (simulated{other})

This company is made up. `learnalign simulate` drew its tables and wrote this page beside them; no report reads it.
It says what was planted, so that you can hold a report against it.

"""
TABLE_HEAD = ("| question | measure | planted | unit | expected verdict |", "|---|---|--:|---|---|")
AFTER = """\
Verdicts are for the smallest effects in `params/northbank.yml`: 0.10 SD, 0.25 percentage points of merit, a hazard
ratio of 1.2, and 3 percentage points of a team's share. "or" means that the sample decides. A planted nothing may
come out as `unknown`, and never as a claim. An empty value is not known exactly.
"""
ELSEWHERE = """\
What may hide the truth is told in `northbank.truth.Truth`; a check may then call a true difference `untrusted`.
"""
FACTS = """\
Where the numbers come from: Q1, Q2, Q3, Q5, Q6 and Q8 are declared in `northbank.truth` and are what the draws use.
Q4 is declared as 0.6 in log-odds; 8.9 points is the mean, over all members and quarters of a bank of 40,000 people
(seed 7), of the chance of acknowledging with that and without. Q7 is from the same bank: the chance of closing within
a year with learning on the skill kept up in every month, less that with none (0.72 less 0.57), and what such learning
costs where a cost is recorded. Neither looks at what an estimator says. Tests draw both again.

## How it is planted, what a naive figure says, and what a report should say

- **Q1** +1 SD, within the cycle, of log(1 + voluntary hours) adds 0.15 SD to the rating. Able people, and those of
  lenient managers, learn more: the naive slope is 0.25. Required courses add nothing. Chance decides which activities
  the provider cancels or a full list turns away (13 in 100): compared with these, hours are worth the same 0.15, with
  an interval of about 0.14 on either side.
- **Q2** Acknowledging adds nothing to the rating. The less able do so more, and those whose last half-year went badly:
  naively they are rated 0.14 SD lower. What people say in the *next* window "predicts" the rating, and the lead test
  should see that.
- **Q3** Nothing, in total and at equal rating. Naively 0.09 points less, as the ratings are lower.
- **Q4** A leader seen to acknowledge adds 0.6 to the log-odds of each report in the next quarter. In the same quarter
  there is nothing: who looks there finds about 1 point. No campaigns; the leader's next quarter must show nothing.
- **Q5** Each point on the two questions, which code learning only, is worth 0.17 points of merit: about 0.32 for the
  third who learn most, at equal rating and cell. Naively 0.70, as their ratings are higher too.
- **Q6** In each month of 30 days, the pace of closing is 1.5 times as high when the gap had been acknowledged before
  the month began, and as the table says for each type of learning on its skill in the 90 days before. Whoever compares
  gaps *ever* acknowledged with the rest finds about 1.0, and *ever* learned on 0.5: long-open gaps have more time for
  both. Acknowledging or learning on other skills does nothing. All types but on_the_job and coaching are too
  rare here to tell; mentoring on the skill works only by being mentored (Q8), against all others about 1.4.
- **Q7** In currency, fees only: on-the-job learning, reading and other records of one's own have no cost. In hours,
  about 115 per extra closed gap. Learning as it happened, rather than kept up all year, cost 3,500 and 86 hours per
  extra closed gap. Orders of magnitude.
- **Q8** From a person's first mentor, or first completed mentoring, all their gaps close 1.6 times as fast. Those who
  have served for long get mentors more, and close gaps sooner anyway (hazard times 1.35 per unit of log(1 + years)).
  Ever mentored against never is naively 1.4. Of those who ask for mentoring, 4 in 10 are waitlisted by chance: against
  them it is 1.6 too.

## Planted facts, to be described

- Of 100 gaps, 39 are acknowledged in the 90 days before they are found. Of the silent ones 39 are over-claimed (people
  put themselves at the level required, or above), of the acknowledged ones 21; one self-rating in four is missing. One
  skill without a gap in ten was acknowledged too, as a precaution.
- Units differ in the four drivers, one lasting score behind all. Gaps are acknowledged before they are found by 31 % in
  the weakest third of units, 39 % in the middle and 49 % in the strongest (log-odds 0.4 per SD). Psychological safety
  knows the managers' leniency, not the drivers.
- Surveys ask 8 of the 12 cells of driver and domain. Not measured: vision and measures in culture, resources in
  leading, feedback in learning.
- Walk the talk: what units hear about the vision has nothing to do with what their leaders do.
- Who completed a reflection acknowledges more in the two quarters after (log-odds 0.5: 7 points a quarter).
- Asks: 63 % up in grade, 19 % across, 18 % down; 71 % of the answers are to an ask on record; a tenth of the people
  give 66 % of the answers. Six ties in ten are looked for inside the unit.
- Asking: one dated request in eight comes after its day; 60 % are specific, 50 % set the scene, 35 % offer ideas, 70 %
  are appreciative.
- Merit, ratings, closing and acknowledging know nothing of function, location, gender or age. No manager punishes or
  rewards acknowledging more than another. Bonus is the bank's result and the grade's target.

## Simpler than life

Heads of unit and the chief never leave. Leaving and missing reviews are by chance. What works on a gap works from the
next of its months on, and learning fades all at once after three. A gap draws what later acknowledging and learning are
about, not how much of it there is. Skills are assessed once a year from the first review on, two for each person. Every
activity counts for a gap as much as any other of its type, however long. Closing is recorded the day it happens.
"""

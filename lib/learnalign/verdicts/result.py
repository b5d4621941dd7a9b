"""The frozen records that modules hand to each other, and how a figure in them is written."""

import math
import numbers
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

ATTRITION = ("table", "step", "reason", "rows", "people", "rows_left", "people_left", "who", "each")
"""Columns of an attrition frame: a row per step; `rows` and `people` fell out there, the rest is
left. `who` are those people, with so many rows `each`; of the first step, "read", all there are.
"""

FEW_CLUSTERS = 20
"""With fewer clusters than this an interval is trusted only when a second one, made otherwise,
agrees.
"""

TOO_FEW_CLUSTERS = 3
"""So many clusters with a difference, or fewer, cannot carry an interval at all."""

Outcome = Literal["passed", "failed", "answered", "not possible"]
"""Answered: it failed, and what is told is a comparison that it does not speak against."""
Design = Literal[
    "described", "explored", "associated", "adjusted", "within_person", "compared", "randomised"
]
Verdict = Literal[
    "higher",
    "lower",
    "small",
    "none",
    "unknown",
    "untrusted",
    "hidden",
    "described",
    "worth_a_test",  # of what was explored only
]


@dataclass(frozen=True)
class Check:
    """One check on a result: it can only take a verdict away, never give one."""

    name: str
    outcome: Outcome
    detail: str = ""  # `why` in words
    why: str = ""  # what was seen: a key of the check's words in `en/checks.yml`
    facts: tuple[tuple[str, str], ...] = ()  # what those words ask for

    @classmethod
    def of(cls, name: str, outcome: Outcome, why: str, **facts: str) -> "Check":
        """A check by what it saw; `words.check` says it."""
        return cls(name, outcome, "", why, tuple(facts.items()))


@dataclass(frozen=True)
class Fit:
    """Numbers of one fitted contrast: estimate and interval in `unit`, and what they stand on."""

    estimate: float
    low: float
    high: float
    std_error: float | None  # None, as `df`, where the interval is not symmetric in any unit
    df: float | None
    level: float
    n_rows: int
    n_people: int
    n_people_smaller: int | None  # people in the smaller of two compared groups; None for a slope
    n_clusters: int
    method: str
    design: Design
    second: tuple[float, float] | None = None  # with few clusters: the wild bootstrap's interval
    cluster: str = "manager"  # whose rows hang together: manager, unit, leader or person
    rung: str = ""  # of the ladder of standard errors
    held: tuple[str, ...] = ()  # what is the same in those who are compared
    ratio: bool = False  # `std_error` and `influence` are of the logarithm
    is_share: bool = False  # in percent, with an interval of logits
    is_dominated: bool = False  # one or two people make up most of it
    at_least: bool = False  # `n_people` and `n_clusters` are the lower ends of their classes
    influence: pd.Series | None = field(default=None, repr=False, compare=False)
    """By person_id: the figure less what it is without that person, linearised."""
    of_error: pd.Series | None = field(default=None, repr=False, compare=False)
    """By person_id, the same of the logarithm of its standard error, or of its interval's width."""


@dataclass(frozen=True)
class Comparison:
    """What `estimates` found for one measure: raw beside adjusted, and what was dropped."""

    measure: str
    raw: Fit | None
    adjusted: Fit | None
    checks: tuple[Check, ...] = ()
    attrition: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(ATTRITION))
    )  # after linking
    notes: tuple[str, ...] = ()
    reason: str = ""  # why there is no estimate: a key of `verdicts.REASONS`
    is_hidden: bool = False  # there is one, and it may not be shown
    step: tuple[float, float, str] | None = None  # of an amount: `contrasts.step_in_words`
    contrast: str = ""  # the exposure's contrast in words, where it depends on the data
    rivals: tuple[
        tuple[str, Fit | None], ...
    ] = ()  # the same contrast under other assumptions; None: not possible
    observed: Fit | None = None  # beside one that chance decided: of those who chose
    forward: Fit | None = None  # the rival that a bad half-year cannot fool
    luck: Fit | None = None  # and how far luck lasts, which it rests on
    n_cycles_all: int = 0  # with outcome and exposure, whatever is held; 0: not over cycles
    odds: Fit | None = None  # an ordered logit's, beside a rating's figure
    strength_to_erase: float | None = None  # of something unseen, in units of last time's rating
    trouble: float | None = None  # times the figure: what would explain it, as a share per SD
    reaction: Fit | None = None  # by so much more are seen to do it after a worse half-year
    n_cycles: int = 0
    modal_share: float = 0.0  # of the outcome, where it is a rating: how many have the same
    base: Fit | None = None  # what those compared come to without it, in natural units
    per: float | None = None  # so many of these units to one of the estimate's


@dataclass(frozen=True)
class Result:
    """One row of every results table, notebook to report; numbers at full precision.

    `estimate`, `low` and `high` are in `unit`; they are empty when nothing was estimated or when
    the row is hidden. `shown` is false for a hidden row only.
    """

    question: str
    measure: str
    headline: bool
    group: str
    at: str
    estimate: float | None
    low: float | None
    high: float | None
    level: float
    unit: str
    n_people: int | None
    n_clusters: int | None
    method: str
    design: Design
    verdict: Verdict
    sentence: str
    checks: tuple[Check, ...]
    smallest_effect: float | None
    detectable_effect: float | None
    to_settle: str
    shown: bool
    note: str
    std_error: float | None = None  # with `df`, for Holm; on the log scale for a ratio
    df: float | None = None
    cluster: str = ""  # whose rows hang together: manager, unit, leader or person
    rung: str = ""  # of the ladder of standard errors
    held: tuple[str, ...] = ()  # what is the same in those who are compared
    branch: str = ""  # which sentence: a key of `says` in `en/sentences.yml`
    reason: str = ""  # why there is no estimate, or why it is hidden: a key there too
    wanting: tuple[str, ...] = ()  # what the data do not hold: keys of `needs` in `en/data.yml`
    doers: str = ""  # who is compared
    others: str = ""  # and with whom
    contrast: str = ""  # how far apart they are, where it depends on the data
    asked: int | None = None  # of how many it is one, where that many revoke it
    at_least: bool = False  # so many people and managers or more: the lower ends of their classes
    base: float | None = None  # of the same people without it, in rating points, % of pay or of 100
    per: float | None = None  # so many of these to one of `unit`; none for a ratio

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes a row the same row in another notebook, or edition."""
        return self.question, self.measure, self.group, self.at


# --- how a figure is written

MINUS, THIN, DASH = "\u2212", "\u202f", "\u2013"
UNITS = {
    "SD": " SD",
    "percentage points": " pp",
    "hazard ratio": " times",
}  # as read, to two decimals


def number(value: float | None, unit: str = "") -> str:
    """A figure rounded for reading: a real minus, thin spaces between thousands, the unit's usual
    decimals.

    >>> number(-0.214, "SD"), number(1.2, "percentage points"), number(1.5, "hazard ratio")
    ('−0.21 SD', '1.20 pp', '1.50 times')
    """
    digits = _digits(value, unit)
    return digits if digits == DASH else digits + UNITS.get(unit, f" {unit}" if unit else "")


def spread(low: float | None, high: float | None, unit: str = "") -> str:
    """An interval in words; an end that is nearly zero gets a third decimal, so that its side can
    be read.

    >>> spread(-0.85, 0.35, "percentage points")
    '−0.85 to 0.35 pp'
    """
    fine = unit in UNITS and any(end is not None and 0 < abs(end) < 0.005 for end in (low, high))
    ends = [
        DASH if end is None or not math.isfinite(end) else _digits(end, unit, 3 if fine else None)
        for end in (low, high)
    ]
    return f"{ends[0]} to {ends[1]}" + (
        "" if ends[1] == DASH else UNITS.get(unit, f" {unit}" if unit else "")
    )


def _digits(value: float | None, unit: str, places: int | None = None) -> str:
    if value is None or not math.isfinite(value):
        return DASH
    if places is None:
        places = 0 if isinstance(value, numbers.Integral) else decimals(abs(value), unit)
    text = f"{abs(value):,.{places}f}".replace(",", THIN)
    return f"{MINUS}{text}" if value < 0 and text.strip("0.") else text


def decimals(size: float, unit: str) -> int:
    """How many decimals are read of a figure of this size."""
    if unit in UNITS:
        return 2
    return 2 if size < 0.995 else 1 if size < 99.95 else 0

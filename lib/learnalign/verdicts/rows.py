"""Rows: a result as one record, its numbers from a fit, its words from its fields.

Here are the rows that claim nothing, facts, costs, and all that cannot be answered; `judge` makes
those that do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, exp, log

from scipy import stats

from learnalign.verdicts.registry import (
    Measure,
    Question,
    measures,
    missing_needs,
    phrases,
    questions,
)
from learnalign.verdicts.result import Fit, Result, Verdict
from learnalign.verdicts.words import Told, failures, said

FAR = 100  # times as much data: nobody will wait for that
MOST_LOG = 700.0  # of a ratio: a number holds no more
EMPTY: dict[str, object] = dict.fromkeys(
    ("estimate", "low", "high", "n_people", "n_clusters", "smallest_effect", "detectable_effect")
)
EMPTY |= dict.fromkeys(("at", "unit", "method", "sentence", "to_settle", "note"), "")
EMPTY |= {"headline": True, "group": "company", "level": 0.95, "design": "described", "checks": ()}
COPIED = ("estimate", "low", "high", "level", "n_people", "n_clusters", "method", "design")
COPIED += ("std_error", "df", "cluster", "rung", "held", "at_least")


def row_of(
    question: Question | None,
    measure: Measure | None,
    fit: Fit | None = None,
    /,
    *,
    branch: str,
    **values: object,
) -> Result:
    """A row with its sentence: numbers from the fit where there is one, else empty."""
    row = EMPTY | {"branch": branch, "shown": branch != "hidden", "verdict": _verdict(branch)}
    if question and measure:
        row |= {"question": question.key, "measure": measure.key, "unit": measure.unit}
    row |= {name: getattr(fit, name) for name in COPIED} if fit else {}
    row |= {"doers": measure.doers, "others": measure.others} if fit and measure else {}
    row |= {"unit": values.get("unit", row["unit"])}
    if fit and fit.at_least and not values.get("headline", True):
        row["n_clusters"] = None  # of an answer only: each is a number that tells a little
    if fit and fit.df:
        row["detectable_effect"] = detectable_in(fit, unit=str(row["unit"]))
    return said(Result(**(row | values)))  # type: ignore[arg-type]


def _verdict(branch: str) -> Verdict:
    """The verdict of a branch: its name where it is one, else "we don't know"."""
    named = {"fact": "described", "cost": "described", "nothing varies": "none", "capped": "small"}
    named |= {"observed": "described"}
    verdict = named.get(branch, branch)
    return verdict if verdict in phrases("sentences")["verdicts"] else "unknown"


def detectable_in(fit: Fit, power: float = 0.80, unit: str = "SD") -> float:
    """The difference that a fit of this precision would have found in 80 of 100 repetitions
    (METHODS 4).
    """
    size = (stats.t.ppf(0.5 + fit.level / 2, fit.df) + stats.t.ppf(power, fit.df)) * fit.std_error
    return exp(min(size, MOST_LOG)) if unit == "hazard ratio" else float(size)


# --- what claims nothing


def describe(
    question: str,
    measure: str,
    facts: Mapping[str, Fit | None],
    *,
    units: Mapping[str, str] | None = None,
    unit: str = "%",
) -> tuple[Result, ...]:
    """Facts as rows that claim nothing, by their names; None is one that may not be shown.

    Facts are in `unit`, but for those named in `units`.
    """
    rows = []
    for name, fit in facts.items():
        own = (units or {}).get(name, unit)
        about = {
            "question": question,
            "measure": measure,
            "headline": False,
            "at": name,
            "unit": own,
        }
        if fit is None:
            rows.append(row_of(None, None, branch="hidden", **about))
            continue
        fit = _coarse(fit) if own == "%" else fit
        rows.append(row_of(None, None, fit, branch="fact", detectable_effect=None, **about))
    return tuple(rows)


def _coarse(fit: Fit) -> Fit:
    """A share to so few digits that nobody can tell from it how many of how many it is."""
    digits = 1 if fit.n_people >= 1000 else 0
    figures = {name: round(getattr(fit, name), digits) for name in ("estimate", "low", "high")}
    return replace(fit, **figures, std_error=None, df=None)


def describe_cost(
    fit: Fit | None, reason: str, *, is_hidden: bool = False, unit: str = "currency"
) -> tuple[Result, ...]:
    """Q7: a cost per extra closed gap is described, never judged; without one, "we don't know" and
    the `reason`.
    """
    question, measure = measures()["cost_per_closed_gap"]
    if is_hidden:
        return (row_of(question, measure, branch="hidden"),)
    if fit is None:
        return (no_estimate(question, measure, reason),)
    return (row_of(question, measure, fit, branch="cost", unit=unit, detectable_effect=None),)


# --- what cannot be answered


def unanswerable(
    filled: frozenset[str], smallest_effect: Mapping[str, float]
) -> tuple[Result, ...]:
    """ "We don't know" for every headline that needs what the data do not hold, and why."""
    rows = []
    for question in questions().values():
        missing = missing_needs(question, filled)
        for measure in question.measures.values() if missing else ():
            settle = settled("record", what="; ".join(need.settle for need in missing))
            about = {"wanting": tuple(need.key for need in missing), "to_settle": settle}
            about["smallest_effect"] = smallest_effect.get(measure.smallest)
            rows.append(row_of(question, measure, branch="no data", **about))
    return tuple(rows)


def silent(question: str) -> Result:
    """A question that was asked and has no result does not vanish: "we don't know"."""
    about = {"question": question, "measure": "", "unit": ""}
    return row_of(None, None, branch="silent", **about)


def no_estimate(
    question: Question, measure: Measure, reason: str, notes: Sequence[str] = (), **about: object
) -> Result:
    """A row without a figure: what is known not to vary is "practically none", all else unknown."""
    words, about = phrases("sentences"), {**about, "reason": reason}
    if reason in words["fixed"]:
        about["note"] = "; ".join([*notes, words["fixed"][reason]["note"]])
        return row_of(question, measure, branch="nothing varies", **about)
    settle = settled("settle", settle=words["reasons"][reason]["settle"])
    return row_of(question, measure, branch="no estimate", to_settle=settle, **about)


# --- what would settle it


def settled(key: str, row: Result | None = None, **words: str) -> str:
    """What settles it, in words: a key of `settles` in `en/sentences.yml`."""
    return phrases("sentences")["settles"][key].format_map(Told(row, words))


def what_settles(row: Result, bare: Verdict, fit: Fit, measure: Measure, n_cycles: int) -> str:
    """What would settle a row: mend what failed; more of the same, by the square of the precision
    short, or both.

    `bare` is the verdict before any check.
    """
    known, told = phrases("checks"), Told(row)
    mend = [known[one.name]["settle"].format_map(told) for one in failures(row)]
    mends, revoked = "; ".join(filter(None, dict.fromkeys(mend))), bare != "unknown"
    if row.verdict not in ("untrusted", "unknown") or (revoked and not mends):
        return ""
    if revoked:
        return settled("mend", mends=mends)
    also = settled("mend too", mends=mends) if mends else ""
    seen, wanted = row.detectable_effect, row.smallest_effect
    times = (log(seen) / log(wanted) if row.unit == "hazard ratio" else seen / wanted) ** 2
    if times < 1.1:
        return settled("edge", row) + also
    if fit.design == "randomised":
        key, near = "drawn far" if times > FAR else "drawn", f"{float(f'{times:.2g}'):g}"
        return settled(key, row, times=near, far=str(FAR)) + also
    if times > FAR:
        return settled("far", row, far=str(FAR)) + also
    more = times - 1
    cycles = ceil(max(n_cycles, 1) * more)
    words = {
        "times": f"{times:.1f}",
        "more": _about(fit.n_rows * more),
        "cycles": f"{cycles:,} more {'cycle' if cycles == 1 else 'cycles'}",
        "people": _about(fit.n_people * more),
        "clusters": _about(fit.n_clusters * more),
    }
    text = phrases("sentences")["estimators"][measure.estimator]["more"]
    return text.format_map(Told(row, words)) + also


def _about(count: float) -> str:
    """A number to two digits, rounded up: exact, it would tell how many people there are."""
    step = 10 ** max(len(str(int(count))) - 2, 0)
    return f"{ceil(count / step) * step:,}"

"""Telling: the figures and words that a sentence asks for, and how much more it would take to know."""

from collections.abc import Mapping, Sequence
from math import ceil, exp, log

from scipy import stats

from learnalign.verdicts.registry import Measure, Question
from learnalign.verdicts.result import FEW_CLUSTERS, Check, Fit, Result, Verdict, number, spread
from learnalign.verdicts.wording import HELD, LIMIT, SENTENCES, SETTLES
from learnalign.verdicts.words import settles

FAR = 100  # times as much data: nobody will wait for that


def marks(smallest: float, unit: str) -> tuple[float, float, float]:
    """Where a difference begins to matter downwards, where there is none, and where it begins to
    matter upwards.
    """
    return (1 / smallest, 1.0, smallest) if unit == "hazard ratio" else (-smallest, 0.0, smallest)


def on_one_side(low: float, high: float, unit: str) -> str:
    """An interval as read after "higher" or "lower": "0.10 to 0.32 SD" where all of it is on one
    side.
    """
    if unit != "hazard ratio" and (low > 0 or high < 0):
        low, high = sorted((abs(low), abs(high)))
    return spread(low, high, unit)


def difference(of: Fit | Result, unit: str) -> dict[str, str]:
    """How large, in which direction, and the likely range, as they are read."""
    if unit == "hazard ratio":
        size = number(of.estimate, unit)
        seen, compared = f"{size} as fast", f"{size} as fast as"
    else:
        size = number(abs(of.estimate), unit)
        seen = f"{size} {'higher' if of.estimate >= 0 else 'lower'}"
        compared = f"{seen} than"
    return {
        "size": size,
        "seen": seen,
        "compared": compared,
        "range": on_one_side(of.low, of.high, unit),
    }


def band(smallest: float, unit: str) -> str:
    """The differences that are too small to matter, as read."""
    below, _, above = marks(smallest, unit)
    return spread(below, above, unit) if unit == "hazard ratio" else f"±{number(smallest, unit)}"


def numbers_of(fit: Fit, measure: Measure, smallest: float, contrast: str = "") -> dict[str, str]:
    """Every word and figure that a template may ask for."""
    rater, own = fit.cluster, fit.design == "adjusted" or measure.model == "groups"
    added = f" ({contrast})" if contrast else ""
    held = HELD[fit.design].format(rater=rater, held_too=measure.held)
    return difference(fit, measure.unit) | {
        "held": measure.among if own and measure.among else held,
        "doers": measure.doers,
        "contrast": added,
        "others": measure.others,
        "did": measure.did,
        "signed": spread(fit.low, fit.high, measure.unit),
        "about": measure.about
        or f"in how {measure.doers}{added} and {measure.others} {measure.did}",
        "rater": rater,
        "smallest": number(smallest, measure.unit),
        "band": band(smallest, measure.unit),
        "limit": measure.limit if own and measure.limit else LIMIT[fit.design],
        "or_managers": ", or the manager who gave each rating" if rater == "unit" else "",
        "more_clusters": str(max(FEW_CLUSTERS - fit.n_clusters, 1)),
        "detectable": number(detectable_in(fit, unit=measure.unit), measure.unit),
    }


def detectable_in(fit: Fit, power: float = 0.80, unit: str = "SD") -> float:
    """The difference that a fit of this precision would have found in 80 of 100 repetitions
    (METHODS 4).
    """
    size = float(
        (stats.t.ppf(0.5 + fit.level / 2, fit.df) + stats.t.ppf(power, fit.df)) * fit.std_error
    )
    return exp(size) if unit == "hazard ratio" else size


def what_settles(
    verdict: Verdict,
    bare: Verdict,
    fit: Fit,
    measure: Measure,
    smallest: float,
    numbers: Mapping[str, str],
    failed: Sequence[Check],
    n_cycles: int,
) -> str:
    """What would settle it: mend what failed; more of the same, by the square of the precision
    short, or both.

    `bare` is the verdict before any check.
    """
    mends = "; ".join(filter(None, dict.fromkeys(settles(one, numbers) for one in failed)))
    revoked = bare != "unknown"
    if verdict not in ("untrusted", "unknown") or (revoked and not mends):
        return ""
    if revoked:
        return f"To settle it: {mends}."
    also = f" Needed too: {mends}." if mends else ""
    seen, wanted = detectable_in(fit, unit=measure.unit), smallest
    times = ((log(seen) / log(wanted)) if measure.unit == "hazard ratio" else seen / wanted) ** 2
    if times < 1.1:
        return SETTLES["edge"].format(smallest=numbers["smallest"]) + also
    if times > FAR:
        return SETTLES["far"].format(**numbers, far=FAR) + also
    more = times - 1
    cycles = ceil(max(n_cycles, 1) * more)
    return (
        SETTLES[f"more, {measure.model}"].format(
            **numbers,
            times=f"{times:.1f}",
            more=_about(fit.n_rows * more),
            cycles=f"{cycles:,}",
            cycle_word="cycle" if cycles == 1 else "cycles",
            people=_about(fit.n_people * more),
            clusters=_about(fit.n_clusters * more),
        )
        + also
    )


def _about(count: float) -> str:
    """A number to two digits, rounded up: exact, it would tell how many people there are."""
    step = 10 ** max(len(str(int(count))) - 2, 0)
    return f"{ceil(count / step) * step:,}"


# --- rows


def hidden_row(
    question: Question, measure: Measure, smallest: float | None, reason: str, **values: object
) -> Result:
    """A row that privacy does not let through: its place and the reason."""
    sentence = SENTENCES["hidden"].format(reason=reason)
    return row_of(
        question, measure, smallest, verdict="hidden", shown=False, sentence=sentence, **values
    )


def row_of(
    question: Question,
    measure: Measure,
    smallest: float | None,
    fit: Fit | None = None,
    **values: object,
) -> Result:
    """A result row: numbers from the fit where there is one, empty where there is none."""
    row: dict[str, object] = {
        "question": question.key,
        "measure": measure.key,
        "headline": True,
        "group": "company",
        "at": "",
        "estimate": fit and fit.estimate,
        "low": fit and fit.low,
        "high": fit and fit.high,
        "level": fit.level if fit else 0.95,
        "unit": measure.unit,
        "std_error": fit and fit.std_error,
        "df": fit and fit.df,
        "n_people": fit and fit.n_people,
        "n_clusters": fit and fit.n_clusters,
        "method": fit.method if fit else "",
        "cluster": fit.cluster if fit else "",
        "rung": fit.rung if fit else "",
        "held": fit.held if fit else (),
        "checks": (),
        "design": fit.design if fit else "described",
        "smallest_effect": smallest,
        "detectable_effect": detectable_in(fit, unit=measure.unit) if fit and fit.df else None,
        "to_settle": "",
        "shown": True,
        "note": "",
    }
    return Result(**(row | values))  # type: ignore[arg-type]

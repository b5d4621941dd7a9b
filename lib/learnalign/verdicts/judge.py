"""Verdicts: what an estimate lets us say, what a failed check takes away, and the sentence for it.

A pure function of intervals, smallest effects and checks over tables of words (`questions`,
`wording`). The default is "we don't know"; a check can only take away, never give.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

from learnalign.verdicts.asked import (
    COVERAGE,
    coverage,
    describe,
    judge_cost,
    unanswerable,
    unknowns,
)
from learnalign.verdicts.explain import brief, still_unknown
from learnalign.verdicts.multiplicity import adjusted_p, p_value
from learnalign.verdicts.registry import (
    ASKED,
    MEASURES,
    QUESTIONS,
    VERDICT_WORDS,
    Measure,
    Question,
    missing_needs,
)
from learnalign.verdicts.result import (
    FEW_CLUSTERS,
    Check,
    Comparison,
    Fit,
    Result,
    Verdict,
    number,
    spread,
)
from learnalign.verdicts.telling import (
    detectable_in,
    difference,
    hidden_row,
    marks,
    numbers_of,
    row_of,
    what_settles,
)
from learnalign.verdicts.wording import NOTHING_VARIES, REASONS, SENTENCES, SETTLES
from learnalign.verdicts.words import check as told_check
from learnalign.verdicts.words import listed, phrases, revoke_none, sentence_case

__all__ = [
    "ASKED",
    "COVERAGE",
    "MEASURES",
    "QUESTIONS",
    "REASONS",
    "VERDICT_WORDS",
    "adjusted_p",
    "brief",
    "coverage",
    "across",
    "decide",
    "describe",
    "holm",
    "judge",
    "judge_all",
    "judge_cost",
    "judge_family",
    "judge_kinds",
    "missing_needs",
    "p_value",
    "stands",
    "still_unknown",
    "unanswerable",
    "unknowns",
]

# --- the rule

CLAIMS = ("higher", "lower", "small")
WEAK, WORTHLESS = (
    1.0,
    0.1,
)  # strength to erase, in units of last time's rating: a warning below one, untrusted below
INDICATION = Check.of("indication", "failed", "slower")
COMPRESSED = 0.85  # of people with the same rating
ALPHA = 0.05


def decide(
    low: float, high: float, smallest_effect: float, checks: Sequence[Check] = (), unit: str = "SD"
) -> Verdict:
    """The verdict of an interval: first against the smallest effect that matters, then against the
    checks.

    For a hazard ratio the smallest effect is a ratio and "no difference" is 1.

    >>> decide(0.12, 0.30, 0.10), decide(0.02, 0.30, 0.10), decide(-0.04, 0.05, 0.10), decide(-0.2, 0.3, 0.1)
    ('higher', 'small', 'none', 'unknown')
    """
    below, same, above = marks(smallest_effect, unit)
    failed = {check.name for check in checks if check.outcome == "failed"}
    if below < low and high < above:
        return "unknown" if failed & revoke_none() else "none"
    if low > above or high < below:
        verdict: Verdict = "higher" if low > above else "lower"
    elif low > same or high < same:
        verdict = "small"
    else:
        return "unknown"
    return "untrusted" if failed else verdict


def judge(
    comparison: Comparison, *, smallest_effect: float, hidden: str = "", group: str = "company"
) -> tuple[Result, ...]:
    """The headline result of a comparison and, beside it, the raw figure (described, never judged).

    `hidden` is privacy's reason not to show it. Every branch ends in one sentence.
    """
    question, measure = MEASURES[comparison.measure]
    if hidden:
        return (hidden_row(question, measure, smallest_effect, hidden, group=group),)
    rows = [_headline(question, measure, comparison, smallest_effect, group)]
    if comparison.raw is not None:
        told = SENTENCES["described"].format(**numbers_of(comparison.raw, measure, smallest_effect))
        rows.append(
            row_of(
                question,
                measure,
                smallest_effect,
                comparison.raw,
                group=group,
                headline=False,
                at="raw",
                verdict="described",
                sentence=sentence_case(told),
            )
        )
    return tuple(rows)


def judge_all(
    comparisons: Sequence[Comparison],
    *,
    smallest_effect: Mapping[str, float],
    hidden: Mapping[str, str],
) -> tuple[Result, ...]:
    """`judge` for several comparisons: smallest effects by the run's names, privacy's reasons by
    measure.
    """
    return tuple(
        row
        for found in comparisons
        for row in judge(
            found,
            smallest_effect=smallest_effect[MEASURES[found.measure][1].smallest],
            hidden=hidden[found.measure],
        )
    )


def judge_family(
    headline: Result,
    fits: Mapping[str, Fit],
    *,
    hidden: Mapping[str, str],
    part: tuple[str, str] | None = None,
) -> tuple[Result, ...]:
    """A declared family of the headline's contrasts (steps of a dose, kinds, groups), as rows that
    are no headlines.

    What the headline did not survive its parts do not survive either: they are known only where it
    is, and a check that failed for it fails for them. Benjamini-Hochberg within the family: a row
    whose difference does not survive it is "we don't know". `hidden` holds privacy's reason for
    each row that may not be shown, and may be empty for others; `part` says who is compared where
    that is not who did with who did not.
    """
    doubt = "" if headline.verdict in (*CLAIMS, "none") else "headline"
    failed = [
        check
        for check in headline.checks
        if check.outcome == "failed" and check.name != "few clusters"
    ]
    return _family(
        headline.measure,
        fits,
        hidden,
        headline.smallest_effect,
        headline.group,
        doubt,
        failed,
        part,
    )


def judge_kinds(
    measure: str,
    fits: Mapping[str, Fit],
    *,
    smallest_effect: float,
    hidden: Mapping[str, str],
    checks: Sequence[Check] = (),
    group: str = "company",
) -> tuple[Result, ...]:
    """A family that has no headline above it, such as the kinds of learning that go with closing
    gaps (Q6).

    `checks` hold for every row. Benjamini-Hochberg and `hidden` as in `judge_family`.
    """
    return _family(measure, fits, hidden, smallest_effect, group, "", checks)


def stands(rows: Sequence[Result]) -> bool:
    """Whether any of the rows says, beyond doubt, that more goes with it: what is built on them may
    be told.
    """
    return any(
        row.verdict in ("higher", "small") and row.estimate > marks(1.0, row.unit)[1]
        for row in rows
    )


def _family(
    key: str,
    fits: Mapping[str, Fit],
    hidden: Mapping[str, str],
    smallest: float,
    group: str,
    unknown: str,
    more: Sequence[Check] = (),
    part: tuple[str, str] | None = None,
) -> tuple[Result, ...]:
    question, about = MEASURES[key]
    did, did_not = part or about.part
    kept = {name: fit for name, fit in fits.items() if not hidden.get(name)}
    p = dict(
        zip(
            kept, adjusted_p([p_value(fit, about.unit) for fit in kept.values()], "bh"), strict=True
        )
    )
    rows = []
    for name, fit in fits.items():
        if name not in kept:
            rows.append(
                hidden_row(
                    question, about, smallest, hidden[name], group=group, headline=False, at=name
                )
            )
            continue
        checks = (_few_clusters(fit, about, smallest), *more)
        checks += (INDICATION,) if about.key == "learning_to_closure" and fit.high < 1 else ()
        checks = tuple(map(told_check, checks))
        verdict = decide(fit.low, fit.high, smallest, checks, about.unit)
        doubt = unknown
        if p[name] > ALPHA and verdict in (*CLAIMS, "untrusted"):
            doubt = doubt or "many"
        own = replace(about, doers=did, others=did_not, about="")
        failed = "; ".join(check.detail for check in checks if check.outcome == "failed")
        numbers = numbers_of(fit, own, smallest) | {"asked": str(len(kept)), "failed": failed}
        numbers |= {
            "passed": "",
            "warning": "",
            "caution": f"A check failed, though: {failed}." if failed else "",
        }
        revoked = (
            verdict == "unknown" and decide(fit.low, fit.high, smallest, (), about.unit) == "none"
        )
        told = SENTENCES[doubt or ("revoked" if revoked else verdict)].format(**numbers)
        told = f"{sentence_case(name.replace('_', ' '))}. {sentence_case(told)}"
        rows.append(
            row_of(
                question,
                about,
                smallest,
                fit,
                group=group,
                headline=False,
                at=name,
                checks=checks,
                verdict="unknown" if doubt else verdict,
                sentence=sentence_case(told),
            )
        )
    return tuple(rows)


# --- many questions


def holm(rows: Sequence[Result]) -> tuple[Result, ...]:
    """An edition's rows after Holm across its headlines: what no longer excludes "no difference" is
    "we don't know".

    Every headline that was estimated, or hidden, counts as asked. Holm (1979): with none true, some
    headline still "differs" in at most 1 of 20 editions.
    """
    asked = [row for row in rows if row.headline and (row.std_error is not None or not row.shown)]
    known = [row for row in asked if row.std_error is not None]
    adjusted = adjusted_p([p_value(row, row.unit) for row in known], "holm", len(asked))
    revoked = {
        id(row)
        for row, p in zip(known, adjusted, strict=True)
        if p > ALPHA and row.verdict in (*CLAIMS, "untrusted")
    }
    return tuple(_one_of_many(row, len(asked)) if id(row) in revoked else row for row in rows)


def across(units: Mapping[str, Sequence[Result]]) -> dict[str, tuple[Result, ...]]:
    """The rows of units' editions, by unit, after Benjamini-Hochberg over all headlines of all
    units at once.

    What no longer excludes "no difference" is "we don't know": with none true, some unit still
    "differs" in 1 of 20 companies. Every headline that was estimated, or hidden, counts as looked
    at. Misleads where units share people.
    """
    headlines = [row for rows in units.values() for row in rows if row.headline]
    known = [row for row in headlines if row.std_error is not None]
    unseen = sum(not row.shown for row in headlines)
    adjusted = adjusted_p([*(p_value(row, row.unit) for row in known), *[1.0] * unseen], "bh")
    revoked = {
        id(row)
        for row, p in zip(known, adjusted, strict=False)
        if p > ALPHA and row.verdict in (*CLAIMS, "untrusted")
    }
    return {
        unit: tuple(
            _one_of_many(row, len(units), "many units") if id(row) in revoked else row
            for row in rows
        )
        for unit, rows in units.items()
    }


def _one_of_many(row: Result, asked: int, branch: str = "many") -> Result:
    numbers = difference(row, row.unit) | {"asked": str(asked)}
    return replace(
        row,
        verdict="unknown",
        sentence=SENTENCES[branch].format(**numbers),
        to_settle=SETTLES[branch],
    )


# --- one headline


def _headline(
    question: Question, measure: Measure, found: Comparison, smallest: float, group: str
) -> Result:
    """The judged row: verdict, sentence, and what would settle it."""
    if found.adjusted is None:
        return _without_estimate(question, measure, found, smallest, group)
    fit = found.adjusted
    checks = tuple(map(told_check, _all_checks(found, measure, smallest)))
    bare = decide(fit.low, fit.high, smallest, (), measure.unit)
    verdict = decide(fit.low, fit.high, smallest, checks, measure.unit)
    compressed = (
        found.modal_share > COMPRESSED and measure.unit == "SD" and detectable_in(fit) > smallest
    )
    failed = [
        c
        for c in checks
        if c.outcome == "failed" and (verdict != "unknown" or c.name in revoke_none())
    ]
    numbers = numbers_of(fit, measure, smallest, found.contrast) | {"modal": f"{COMPRESSED:.0%}"}
    numbers["failed"] = "; ".join(check.detail for check in failed)
    numbers["caution"] = f"A check failed, though: {numbers['failed']}." if failed else ""
    numbers["passed"] = _passed([check for check in checks if check.outcome == "passed"])
    numbers["warning"] = _warning(found.strength_to_erase, fit) if measure.model == "core" else ""
    branch = "revoked" if bare == "none" and verdict == "unknown" else verdict
    settle = what_settles(verdict, bare, fit, measure, smallest, numbers, failed, found.n_cycles)
    if compressed:
        verdict, branch, settle = "unknown", "compressed", SETTLES["compressed"]
    elif found.n_cycles == 1 and fit.design == "associated" and verdict != "unknown":
        verdict, branch, settle = "unknown", "one cycle", SETTLES["one cycle"]
    sentence = sentence_case(SENTENCES[branch].format(**numbers))
    return row_of(
        question,
        measure,
        smallest,
        fit,
        group=group,
        verdict=verdict,
        sentence=sentence,
        checks=checks,
        note="; ".join(found.notes),
        to_settle=settle,
    )


def _without_estimate(
    question: Question, measure: Measure, found: Comparison, smallest: float, group: str
) -> Result:
    if found.reason in NOTHING_VARIES:
        reason, note = NOTHING_VARIES[found.reason]
        return row_of(
            question,
            measure,
            smallest,
            group=group,
            verdict="none",
            note="; ".join([*found.notes, note]),
            sentence=SENTENCES["nothing varies"].format(reason=reason),
        )
    reason, settle = REASONS[found.reason]
    sentence = SENTENCES["no estimate"].format(reason=reason)
    return row_of(
        question,
        measure,
        smallest,
        group=group,
        verdict="unknown",
        sentence=sentence,
        note="; ".join(found.notes),
        to_settle=f"To settle it: {settle}.",
    )


def _all_checks(found: Comparison, measure: Measure, smallest: float) -> tuple[Check, ...]:
    """The comparison's own checks and those that need the smallest effect that matters."""
    fit, rivals = found.adjusted, dict(found.rivals)
    own = (_few_clusters(fit, measure, smallest), *found.checks)
    own += tuple(_rival(name, rival, fit, measure, smallest) for name, rival in rivals.items())
    if measure.model != "core":
        return own
    claims = decide(fit.low, fit.high, smallest, (), measure.unit) in CLAIMS
    return (*own, _hidden_factor(found.strength_to_erase) if claims else NOTHING_TO_ERASE)


def _few_clusters(fit: Fit, measure: Measure, smallest: float) -> Check:
    """With few managers two intervals, made in different ways, must lead to the same verdict."""
    facts = {"count": str(fit.n_clusters), "rater": fit.cluster}
    if fit.n_clusters >= FEW_CLUSTERS:
        return Check.of("few clusters", "passed", "enough", **facts)
    if fit.second is None:
        return Check.of("few clusters", "failed", "alone", needed=str(FEW_CLUSTERS), **facts)
    facts["range"] = spread(*fit.second, measure.unit)
    first, second = (
        decide(*ends, smallest, (), measure.unit) for ends in ((fit.low, fit.high), fit.second)
    )
    if first == second:
        return Check.of("few clusters", "passed", "agree", **facts)
    return Check.of("few clusters", "failed", "differ", **facts)


RIVALS = ("bracketing", "noisy ratings", "waitlist")


def _rival(name: str, rival: Fit | None, fit: Fit, measure: Measure, smallest: float) -> Check:
    """The same contrast under other assumptions: it must not speak against what is claimed."""
    if rival is None:
        return Check.of(name, "not possible", "few")
    below, same, above = marks(smallest, measure.unit)
    verdict = decide(fit.low, fit.high, smallest, (), measure.unit)
    if verdict == "none":
        sees_one = name == "bracketing" and not rival.low <= same <= rival.high
        failed = not below < rival.estimate < above or (
            sees_one and not (below < rival.low and rival.high < above)
        )
    else:
        opposite = (rival.estimate - same) * (fit.estimate - same) < 0
        gone = rival.low <= same <= rival.high and not rival.low <= fit.estimate <= rival.high
        failed = verdict in CLAIMS and (opposite or gone)
    size, ends = (number(rival.estimate, measure.unit), spread(rival.low, rival.high, measure.unit))
    return Check.of(name, "failed" if failed else "passed", "seen", size=size, range=ends)


NOTHING_TO_ERASE = Check.of("hidden factor", "not possible", "no claim")


def _hidden_factor(times: float | None) -> Check:
    if times is None:
        return Check.of("hidden factor", "not possible", "no yardstick")
    size = "more than 10 times" if times > 10 else number(float(times)) + " times"
    why, outcome = "weak" if times < WEAK else "strong", "failed" if times < WORTHLESS else "passed"
    return Check.of("hidden factor", outcome, why, size=size)


def _warning(times: float | None, fit: Fit) -> str:
    weak = (
        "Something unseen that is weaker than last time’s rating could erase it. "
        if (times or inf) < WEAK
        else ""
    )
    unit = (
        "Managers are not recorded, so that some rate kindly is not held apart. "
        if fit.cluster == "unit"
        else ""
    )
    return weak + unit


def _passed(passed: Sequence[Check]) -> str:
    tried = [check.name for check in passed if phrases("checks")[check.name]["tries"]]
    return (
        f"It held up in the checks ({listed(tried)}). "
        if tried
        else "No check could try to refute it. "
    )

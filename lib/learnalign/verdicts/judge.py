"""Verdicts: what an estimate lets us say, and what a failed check takes away.

A pure function of intervals, smallest effects and checks; what each row says is made last, from its
fields (`words`). The default is "we don't know"; a check can only take away, never give.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log

from scipy import stats
from statsmodels.stats.multitest import multipletests

from learnalign.verdicts import feedback
from learnalign.verdicts.feedback import CLAIMS
from learnalign.verdicts.registry import Measure, Question, measures
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
from learnalign.verdicts.rows import no_estimate, row_of, settled, what_settles
from learnalign.verdicts.words import COMPRESSED, caps, check, marks, revokes_none, said

WEAK, WORTHLESS = 1.0, 0.1  # strength to erase, in last time's ratings: a warning; untrusted
ALPHA = 0.05
PENALTIES = ("seen or not", "one-to-ones")  # of what is lower; nothing stands in where unknown
NARROWER = ("recorder", "re-assessment", *PENALTIES)
"""Of a part of the same: a claim needs it clearly on the same side."""
GUARDS = ("dose", "groups")
"""What takes "practically none" away because parts differ, which says nothing against the parts."""
OVERLAP = 2 / 3  # of the 90 days that count are among those well before
OF_ALL = {"at": "raw", "branch": "described"}
OF_CHOICE = {"at": "as people chose", "branch": "observed"}
RIVALS = ("bracketing", "noisy ratings", "waitlist")


# --- the rule


def decide(
    low: float, high: float, smallest_effect: float, checks: Sequence[Check] = (), unit: str = "SD"
) -> Verdict:
    """The verdict of an interval: first against the smallest effect that matters, then against the
    checks.

    For a hazard ratio the smallest effect is a ratio and "no difference" is 1.

    >>> [decide(*ends, 0.10) for ends in ((0.12, 0.3), (0.02, 0.3), (-0.04, 0.05), (-0.2, 0.3))]
    ['higher', 'small', 'none', 'unknown']
    """
    below, same, above = marks(smallest_effect, unit)
    failed = [one for one in checks if one.outcome == "failed"]
    if below < low and high < above:
        return "unknown" if any(map(revokes_none, failed)) else "none"
    if low > above or high < below:
        verdict: Verdict = "higher" if low > above else "lower"
    elif low > same or high < same:
        verdict = "small"
    else:
        return "unknown"
    return ("small" if all(map(caps, failed)) else "untrusted") if failed else verdict


def stands(rows: Sequence[Result]) -> bool:
    """Whether any of the rows says, beyond doubt, that more goes with it: what is built on them may
    be told.
    """
    return any(
        row.verdict in ("higher", "small") and row.estimate > marks(1.0, row.unit)[1]
        for row in rows
    )


# --- rows


def judge(
    comparison: Comparison, *, smallest_effect: float, group: str = "company"
) -> tuple[Result, ...]:
    """The headline result of a comparison and, beside it, the raw figure, and that of those who
    chose where chance decided the headline (described, never judged).

    Its figures are as they may be shown. Every branch ends in one sentence.
    """
    question, measure = measures()[comparison.measure]
    about = {"group": group, "smallest_effect": smallest_effect}
    if comparison.is_hidden:
        return (row_of(question, measure, branch="hidden", **about),)
    rows = [_headline(question, measure, comparison, **about)]
    for fit, of in ((comparison.raw, OF_ALL), (comparison.observed, OF_CHOICE)):
        rows += [row_of(question, measure, fit, headline=False, **of, **about)] if fit else []
    return tuple(rows)


def judge_family(
    headline: Result, fits: Mapping[str, Fit | None], *, part: tuple[str, str] | None = None
) -> tuple[Result, ...]:
    """A declared family of the headline's contrasts (steps of a dose, kinds, groups), as rows that
    are no headlines.

    What the headline did not survive its parts do not survive either: they are known only where it
    is, and a check that failed for it, answered or not, fails for them; but parts that differ may
    be told. Benjamini-Hochberg within the family: a row whose difference does not survive it is "we
    don't know". None is a row that may not be shown; `part` says who is compared where that is not
    who did with who did not.
    """
    failed = [
        replace(one, outcome="failed")
        for one in headline.checks
        if one.outcome in ("failed", "answered") and one.name not in ("few clusters", *GUARDS)
    ]
    if headline.design == "randomised":
        failed.append(Check.of("drawn order", "failed", "parts"))  # chance decided on the whole
    differ = headline.branch == "revoked" and not any(map(revokes_none, failed))
    doubt = "" if differ or headline.verdict in (*CLAIMS, "none") else "headline"
    about = {"group": headline.group, "smallest_effect": headline.smallest_effect}
    return _family(headline.measure, fits, doubt, failed, part, **about)


def judge_kinds(
    measure: str,
    fits: Mapping[str, Fit | None],
    *,
    smallest_effect: float,
    checks: Sequence[Check] = (),
    earlier: Mapping[str, Fit | None] = {},
    group: str = "company",
) -> tuple[Result, ...]:
    """A family that has no headline above it, such as the kinds of learning that go with closing
    gaps (Q6).

    `checks` hold for every row; a row's claim must be in its `earlier` fit too, where it is given.
    Benjamini-Hochberg, and None, as in `judge_family`.
    """
    about = {"group": group, "smallest_effect": smallest_effect}
    return _family(measure, fits, "", checks, None, earlier, **about)


# --- one headline


def _headline(
    question: Question, measure: Measure, found: Comparison, smallest_effect: float, group: str
) -> Result:
    """The judged row: verdict, sentence, what settles it; a base for the first estimate alone."""
    about = {"smallest_effect": smallest_effect, "group": group, "note": "; ".join(found.notes)}
    if found.adjusted is None:
        return no_estimate(question, measure, found.reason, found.notes, **about)
    fit, checks = feedback.spoken(found, all_checks(found, measure, smallest_effect))
    checks = tuple(map(check, checks))
    bare = decide(fit.low, fit.high, smallest_effect, (), measure.unit)
    branch = decide(fit.low, fit.high, smallest_effect, checks, measure.unit)
    branch = "revoked" if bare == "none" and branch == "unknown" else branch
    branch = "capped" if branch == "small" and bare != "small" else branch
    about |= {"checks": checks, "contrast": found.contrast, "per": found.per}
    about["base"] = found.base and found.base.estimate if fit is found.adjusted else None
    row = row_of(question, measure, fit, branch=branch, **about)
    compressed = found.modal_share > COMPRESSED and measure.unit == "SD"
    if compressed and row.detectable_effect > smallest_effect:
        branch, settle = "compressed", settled("compressed")
    elif found.n_cycles == 1 and fit.design == "associated" and row.verdict != "unknown":
        branch, settle = "one cycle", settled("one cycle")
    elif any(one.why == "disagree" for one in checks):
        branch, settle = "disagree", settled("disagree")
    else:
        settle = what_settles(row, bare, fit, measure, found.n_cycles)
    return row_of(question, measure, fit, branch=branch, to_settle=settle, **about)


# --- a family


def _family(
    key: str,
    fits: Mapping[str, Fit | None],
    unknown: str,
    more: Sequence[Check],
    part: tuple[str, str] | None,
    earlier: Mapping[str, Fit | None] = {},
    **about: object,
) -> tuple[Result, ...]:
    question, measure = measures()[key]
    doers, others = part or (measure.part.doers, measure.part.others)
    about |= {"headline": False}
    smallest = about["smallest_effect"]
    known = [fit for fit in fits.values() if fit]
    p = iter(adjusted([p_value(fit, measure.unit) for fit in known]))
    rows = []
    for name, fit in fits.items():
        if fit is None:
            rows.append(row_of(question, measure, branch="hidden", at=name, **about))
            continue
        tried = (
            [_before(earlier[name], fit, measure, smallest, bool(rows))] if name in earlier else []
        )
        checks = _of_family(fit, measure, smallest, [*more, *tried])
        is_many = next(p) > ALPHA
        branch = _family_branch(fit, measure.unit, smallest, checks, unknown, is_many)
        own = {"at": name, "checks": checks, "doers": doers, "others": others, "asked": len(known)}
        rows.append(row_of(question, measure, fit, branch=branch, **own, **about))
    return tuple(rows)


def _of_family(
    fit: Fit, measure: Measure, smallest: float, more: Sequence[Check]
) -> tuple[Check, ...]:
    slower = measure.key == "learning_to_closure" and fit.high < 1
    indication = (Check.of("indication", "failed", "slower"),) if slower else ()
    return tuple(map(check, (_few_clusters(fit, measure, smallest), *more, *indication)))


def _family_branch(
    fit: Fit, unit: str, smallest: float, checks: Sequence[Check], unknown: str, is_many: bool
) -> str:
    """The row's verdict, or why it is "we don't know": its headline is, or it is one of many."""
    branch = decide(fit.low, fit.high, smallest, checks, unit)
    if unknown or (is_many and branch in (*CLAIMS, "untrusted")):
        return unknown or "many"
    bare = decide(fit.low, fit.high, smallest, (), unit)
    return "revoked" if branch == "unknown" and bare == "none" else branch


# --- many questions


def p_value(fit: Fit | Result, unit: str) -> float:
    """Two-sided, for no difference: the tail that the interval's own t distribution leaves."""
    is_ratio = unit == "hazard ratio"  # and one without bounds is a number
    centre = log(min(max(fit.estimate, 1e-300), 1e300)) if is_ratio else fit.estimate
    known = fit.std_error > 0
    return float(2 * stats.t.sf(abs(centre) / fit.std_error, fit.df) if known else centre == 0)


def adjusted(p: Sequence[float], method: str = "fdr_bh") -> list[float]:
    """p-values adjusted for how many there are: "holm" (family-wise), or Benjamini & Hochberg 1995.

    >>> [round(value, 2) for value in adjusted([0.01, 0.04, 0.03], "holm")]
    [0.03, 0.06, 0.06]
    """
    return multipletests(p, method=method)[1].tolist() if len(p) else []


def holm(rows: Sequence[Result]) -> tuple[Result, ...]:
    """An edition's rows after Holm across its headlines: what no longer excludes "no difference" is
    "we don't know".

    Every headline that was estimated, or hidden, counts as asked. Holm (1979): with none true, some
    headline still "differs" in at most 1 of 20 editions.
    """
    asked = [row for row in rows if row.headline and (row.std_error is not None or not row.shown)]
    return _survivors({"": rows}, "holm", "many", len(asked))[""]


def across(units: Mapping[str, Sequence[Result]]) -> dict[str, tuple[Result, ...]]:
    """The rows of units' editions, by unit, after Benjamini-Hochberg over all headlines of all
    units at once.

    What no longer excludes "no difference" is "we don't know": with none true, some unit still
    "differs" in 1 of 20 companies. Every headline that was estimated, or hidden, counts as looked
    at. Misleads where units share people.
    """
    return _survivors(units, "fdr_bh", "many units", len(units))


def _survivors(
    pages: Mapping[str, Sequence[Result]], method: str, branch: str, asked: int
) -> dict[str, tuple[Result, ...]]:
    """The rows of all pages after one correction over their headlines; a hidden one counts as 1."""
    rows = [row for page in pages.values() for row in page if row.headline]
    known = [row for row in rows if row.std_error is not None]
    p = [p_value(row, row.unit) for row in known] + [1.0] * sum(not row.shown for row in rows)
    revoked = {
        id(row)
        for row, value in zip(known, adjusted(p, method), strict=False)
        if value > ALPHA and row.verdict in (*CLAIMS, "untrusted")
    }
    values = {"verdict": "unknown", "branch": branch, "asked": asked, "to_settle": settled(branch)}
    return {
        name: tuple(said(replace(row, **values)) if id(row) in revoked else row for row in page)
        for name, page in pages.items()
    }


# --- checks that need the smallest effect that matters


def all_checks(found: Comparison, measure: Measure, smallest: float) -> tuple[Check, ...]:
    """The comparison's own checks and those that need the smallest effect that matters."""
    fit = found.adjusted
    own = [_few_clusters(fit, measure, smallest), *found.checks]
    own += [_rival(name, rival, fit, measure, smallest) for name, rival in found.rivals]
    bare, robust = (
        decide(one.low, one.high, smallest, (), measure.unit) if one else "unknown"
        for one in (fit, found.forward)
    )
    if measure.estimator == "leaders":
        own.append(feedback.check_of_teams(found, (bare, robust), measure.unit))
    if measure.estimator == "contrast" and fit.design != "randomised":
        own += [_assigned(bare in CLAIMS and fit.high < 0) for one in own if one.name == "recorder"]
        if found.n_cycles_all:
            own.append(feedback.check_of(found, (bare, robust), smallest, measure.unit))
        own.append(_hidden_factor(found.strength_to_erase, bare in CLAIMS))
        own += [_same_half_year(fit, found.trouble, found.reaction)] if found.trouble else []
    return tuple(own)


def _few_clusters(fit: Fit, measure: Measure, smallest: float) -> Check:
    """With few managers two intervals, made in different ways, must lead to the same verdict."""
    facts = {"needed": str(FEW_CLUSTERS), "rater": fit.cluster}
    if fit.n_clusters >= FEW_CLUSTERS:
        return Check.of("few clusters", "passed", "enough", **facts)
    if fit.second is None:
        return Check.of("few clusters", "failed", "alone", **facts)
    facts["range"] = spread(*fit.second, measure.unit)
    both = ((fit.low, fit.high), fit.second)
    first, second = (decide(*ends, smallest, (), measure.unit) for ends in both)
    how = ("passed", "agree") if first == second else ("failed", "differ")
    return Check.of("few clusters", *how, **facts)


def _rival(name: str, rival: Fit | None, fit: Fit, measure: Measure, smallest: float) -> Check:
    """The same contrast under other assumptions: it must not speak against what is claimed."""
    verdict = decide(fit.low, fit.high, smallest, (), measure.unit)
    if name in PENALTIES and not (verdict in CLAIMS and fit.high < 0):
        return Check.of(name, "not possible", "no claim")
    if rival is None:
        return Check.of(name, "failed" if name in PENALTIES else "not possible", "few")
    below, same, above = marks(smallest, measure.unit)
    if name in NARROWER:
        gone = rival.low <= same <= rival.high or (rival.estimate > same) != (fit.estimate > same)
        failed = verdict in CLAIMS and gone
    elif verdict == "none":
        sees_one = name == "bracketing" and not rival.low <= same <= rival.high
        failed = not below < rival.estimate < above or (
            sees_one and not (below < rival.low and rival.high < above)
        )
    else:
        opposite = (rival.estimate - same) * (fit.estimate - same) < 0
        gone = rival.low <= same <= rival.high and not rival.low <= fit.estimate <= rival.high
        failed = verdict in CLAIMS and (opposite or gone)
    size, ends = number(rival.estimate, measure.unit), spread(rival.low, rival.high, measure.unit)
    # who asks to be assessed studies for it: learning is seen again by what was learned well before
    why = "before" if (name, measure.exposure) == ("re-assessment", "learned") else "seen"
    return Check.of(name, "failed" if failed else "passed", why, size=size, range=ends)


def _before(
    earlier: Fit | None, fit: Fit, measure: Measure, smallest: float, is_part: bool
) -> Check:
    """What was learned well before. One kind of many fails only where it is less than its share of
    days before would make of the claim: few do each.
    """
    found = _rival("re-assessment", earlier, fit, measure, smallest)
    if is_part and found.outcome == "failed" and earlier.low <= 1 <= earlier.high:
        near = earlier.low <= fit.estimate**OVERLAP <= earlier.high
        found = replace(found, outcome="passed") if near else found
    return found


def _assigned(is_lower: bool) -> Check:
    """What no record tells: courses assigned after trouble look like learning that does harm."""
    how = ("failed", "trouble") if is_lower else ("not possible", "no claim")
    return Check.of("assigned courses", *how)


def two_stages(rating: Result, fit: Fit | None) -> Check:
    """Whether merit at equal rating can be read: not where the rating itself goes the other way.

    `rating` is the answer on the rating, `fit` the figure at equal rating. Of people with the same
    rating, those whom the rating punished performed better: where managers pay performance within a
    grade, that alone looks like a reward.
    """
    if rating.low is None or fit is None:
        return Check.of("two stages", "not possible", "few")
    opposite = (rating.low > 0 and fit.estimate < 0) or (rating.high < 0 and fit.estimate > 0)
    return Check.of("two stages", *(("failed", "apart") if opposite else ("passed", "alike")))


def _same_half_year(fit: Fit, trouble: float, reaction: Fit | None) -> Check:
    """What nothing can rule out, in people: never passed, and it takes nothing away."""
    facts = {"needed": number(100 * abs(fit.estimate) * trouble)}
    if reaction is None:
        return Check.of("same half-year", "not possible", "alone", **facts)
    facts["seen"] = number(100 * reaction.estimate)
    facts["range"] = spread(100 * reaction.low, 100 * reaction.high)
    return Check.of("same half-year", "not possible", "told", **facts)


def _hidden_factor(times: float | None, claims: bool) -> Check:
    if not claims or times is None:
        return Check.of("hidden factor", "not possible", "no yardstick" if claims else "no claim")
    size = "more than 10 times" if times > 10 else number(float(times)) + " times"
    outcome, why = "failed" if times < WORTHLESS else "passed", "weak" if times < WEAK else "strong"
    return Check.of("hidden factor", outcome, why, size=size)

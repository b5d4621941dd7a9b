"""Feedback: what may be said where a half-year moves what people do in the next one.

Then the lead test fails although there is an effect, or cannot be made where feedback alone makes
the difference. A second estimate that such feedback cannot fool (`Comparison.forward`) decides: a
claim needs it on the same side. Where the first comparison failed it is the one that is told, if it
claims the same or nothing was claimed: the first one's interval need not hold the truth then. So
too of leaders, who may answer to what their teams did the quarter before; there the leader's next
quarter is the lead test.
"""

from collections.abc import Sequence
from dataclasses import replace

from learnalign.verdicts.result import Check, Comparison, Fit, Verdict, number, spread

CLAIMS = ("higher", "lower", "small")
LASTS = 2.33  # standard errors, one-sided 1 %: from here on luck lasts, or people drift
LEAST = 3  # cycles
LEADS = ("lead test", "leaders")  # of people, and of teams
ANSWERED = ("lead test", "leaders", "bracketing", "noisy ratings")
"""What the second estimate answers: it holds no noisy rating, and feedback does not bias it."""
STANDS = ("stands",)
SPEAKS = (*STANDS, "instead", "disagree")
"""What was seen where it may be told: it claims the same, or nothing was claimed before it."""


def check_of(
    found: Comparison, verdicts: tuple[Verdict, Verdict], smallest: float, unit: str
) -> Check:
    """Whether a finding stands against feedback, by what both intervals say before any check.

    >>> none = Comparison("learning_to_rating", None, None)
    >>> check_of(none, ("higher", "unknown"), 0.1, "SD").why
    'few'
    """
    bare, forward = verdicts
    is_claim, one, lead = bare in CLAIMS, found.forward, _outcome(found.checks, "lead test")
    if found.luck is None and lead != "passed" and (is_claim or found.n_cycles_all < LEAST):
        return Check.of("feedback", "failed", "few")
    if one is None:
        return Check.of("feedback", "not possible", "too few")
    facts = {"size": number(one.estimate, unit), "range": spread(one.low, one.high, unit)}
    is_biased = lead == "failed" and found.luck is not None and not lasts(found.luck)
    near = abs(one.estimate) < smallest and one.high - one.low < 2 * smallest
    if is_biased and (bare == "unknown" or (bare == "none" and not near)):
        why = "instead" if forward == "unknown" else "disagree"
        return Check.of("feedback", "not possible", why, **facts)
    if bare == "unknown":
        return Check.of("feedback", "not possible", "no claim")
    if lasts(found.luck):
        return Check.of("feedback", "failed" if is_claim else "not possible", "lasts", **facts)
    if not is_claim:
        return Check.of("feedback", "passed" if near else "not possible", "seen", **facts)
    stands = forward in CLAIMS and (one.estimate > 0) == (found.adjusted.estimate > 0)
    return Check.of("feedback", *(("passed", "stands") if stands else ("failed", "gone")), **facts)


def check_of_teams(found: Comparison, verdicts: tuple[Verdict, Verdict], unit: str) -> Check:
    """The same of teams and their leaders' quarters. What the second estimate does not claim may be
    small, at most, where the leader's next quarter says nothing against it; where it cannot be
    made, all stays as it is.

    >>> none = Comparison("leader_to_team", None, None)
    >>> check_of_teams(none, ("higher", "unknown"), "percentage points").outcome
    'not possible'
    """
    bare, forward = verdicts
    name, is_claim, one = "team feedback", bare in CLAIMS, found.forward
    if not is_claim or one is None or found.luck is None:
        return Check.of(name, "not possible", "too few" if is_claim else "no claim")
    facts = {"size": number(one.estimate, unit), "range": spread(one.low, one.high, unit)}
    if lasts(found.luck):
        return Check.of(name, "failed", "lasts", **facts)
    same = (one.estimate > 0) == (found.adjusted.estimate > 0)
    if forward in CLAIMS:
        return Check.of(name, *(("passed", "stands") if same else ("failed", "gone")), **facts)
    if _outcome(found.checks, *LEADS) == "failed":
        return Check.of(name, "failed", "unclear" if same else "gone", **facts)
    return Check.of(
        name, *(("not possible", "seen") if bare == "small" else ("failed", "less")), **facts
    )


def lasts(luck: Fit | None) -> bool:
    """Whether luck lasts, so that no comparison over time can be trusted."""
    return luck is not None and luck.estimate > LASTS * luck.std_error


def spoken(
    found: Comparison, checks: Sequence[Check], when: Sequence[str] = SPEAKS
) -> tuple[Fit, tuple[Check, ...]]:
    """The figure that is told, and its checks: what the second estimate answers is no failure then.

    It is told where the lead test was not passed, or another check that it answers failed, and it
    claims the same, or (but of a look, by `when`) nothing was claimed; what else failed, fails
    still. For "practically none" it answers the lead test alone, and is not told.
    """
    failed = {one.name for one in checks if one.outcome == "failed"}
    why = next((one.why for one in checks if one.name.endswith("feedback")), "")
    is_asked = failed & {*ANSWERED} or _outcome(checks, *LEADS) == "not possible"
    speaks = why in when and bool(is_asked)
    is_near = why == "seen" and _outcome(checks, "feedback") == "passed" and failed <= {LEADS[0]}
    answered = failed & {*ANSWERED} if speaks or is_near else ()
    told = [replace(one, outcome="answered") if one.name in answered else one for one in checks]
    return found.forward if speaks else found.adjusted, tuple(told)


def _outcome(checks: Sequence[Check], *names: str) -> str:
    return next((one.outcome for one in checks if one.name in names), "not possible")

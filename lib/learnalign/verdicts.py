"""Verdicts: what an estimate lets us say, what a failed check takes away, and the sentence for it.

A pure function of intervals, smallest effects and checks over tables of words. The default is
"we don't know"; a check can only take away, never give.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import pandas as pd
from scipy import stats

from learnalign.records import FEW_CLUSTERS, Check, Comparison, Design, Fit, Result, Verdict, number, spread

# --- the questions and their measures ---------------------------------------------------------


@dataclass(frozen=True)
class Need:
    """Something a question cannot do without: where it is recorded, and what to say when it is not."""

    where: str  # "table" or "table.column"
    missing: str
    settle: str

    @property
    def what(self) -> str:
        return self.missing.removeprefix("no ")


ACKNOWLEDGEMENTS = Need("acknowledgements", "no acknowledgements",
                        "help requests, questions or self-assessments, with their dates")  # fmt: skip
LEARNING = Need("learning", "no learning", "learning activities, with their dates")
MANAGERS = Need("reviews.manager_id", "no managers", "the manager who gave each rating")
MERIT = Need("rewards.merit_pct", "no merit data", "the merit increase of each person in each cycle")
GAPS = Need("assessments", "no assessed skills", "scheduled skill assessments, with the level required")
AUDIENCE = Need("acknowledgements.audience", "no audience of acknowledgements", "who could see an acknowledgement")
SKILLS = Need("learning.skill", "no skill of the learning", "the skill that each activity is about")
COST = Need("learning.cost", "no cost of learning", "the cost of each activity")
MENTORING = Need("ties", "no mentoring ties", "who mentors whom, and since when")


@dataclass(frozen=True)
class Measure:
    """A headline contrast: who is compared with whom, on what, in which unit."""

    key: str
    unit: str
    smallest: str  # the key of the run's smallest_effect; "" where nothing is compared with one
    doers: str = ""
    others: str = ""
    did: str = ""  # what the outcome's verb is: "were rated"


@dataclass(frozen=True)
class Question:
    """A pre-registered question: its words, the notebook that answers it, and what it needs."""

    key: str
    text: str
    notebook: str
    measures: tuple[Measure, ...]
    needs: tuple[Need, ...]


SAID, SILENT = "people who acknowledged a gap", "people who did not"
QUESTIONS: dict[str, Question] = {q.key: q for q in (
    Question("Q1", "Do people who learn more get better ratings later?", "learning_and_performance",
             (Measure("learning_to_rating", "SD", "rating_sd", "people who learned more of their own accord",
                      "people who learned less", "were rated"),), (LEARNING,)),
    Question("Q2", "Do people who say “I don’t know” do better or worse at the next review?",
             "acknowledging_and_reward",
             (Measure("acknowledging_to_rating", "SD", "rating_sd", SAID, SILENT, "were rated"),),
             (ACKNOWLEDGEMENTS,)),
    Question("Q3", "Does saying “I don’t know” cost merit?", "acknowledging_and_reward",
             (Measure("acknowledging_to_merit_total", "percentage points", "merit_pp"),
              Measure("acknowledging_to_merit_at_equal_rating", "percentage points", "merit_pp")),
             (ACKNOWLEDGEMENTS, MERIT)),
    Question("Q4", "When leaders go first, do their teams follow?", "leaders_and_communities",
             (Measure("leader_to_team", "percentage points", "share_pp"),), (ACKNOWLEDGEMENTS, MANAGERS, AUDIENCE)),
    Question("Q5", "Does merit reward learning, beyond the rating and the matrix?", "acknowledging_and_reward",
             (Measure("learning_to_merit_at_equal_rating", "percentage points", "merit_pp"),), (LEARNING, MERIT)),
    Question("Q6", "What closes gaps: acknowledging them, and which kinds of learning?", "gap_journey",
             (Measure("acknowledging_to_closure", "hazard ratio", "hazard_ratio"),),
             (GAPS, ACKNOWLEDGEMENTS, SKILLS)),
    Question("Q7", "What does one more closed gap cost?", "investment",
             (Measure("cost_per_closed_gap", "currency", ""),), (GAPS, SKILLS, COST)),
    Question("Q8", "Do mentored people close gaps sooner than comparable people?", "leaders_and_communities",
             (Measure("mentoring_to_closure", "hazard ratio", "hazard_ratio"),), (GAPS, MENTORING)),
)}  # fmt: skip
ASKED = {question.key: question.text for question in QUESTIONS.values()}
MEASURES = {m.key: (question, m) for question in QUESTIONS.values() for m in question.measures}

VERDICT_WORDS: dict[Verdict, str] = {
    "higher": "We know",
    "lower": "We know",
    "small": "Real, but may be too small to matter",
    "none": "Practically none",
    "unknown": "We don’t know",
    "untrusted": "Seen, but not trustworthy",
    "hidden": "Not shown",
    "described": "Described",
}
"""What the reader sees for each verdict."""

# --- the rule ---------------------------------------------------------------------------------

PRECONDITIONS = ("no baseline", "few clusters")  # passing them is not yet having been tested
REVOKES_NONE = ("no baseline", "attrition", "overlap", "few clusters")  # checks that "none" cannot survive


def decide(low: float, high: float, smallest_effect: float, checks: Sequence[Check] = (), unit: str = "SD") -> Verdict:
    """The verdict of an interval: first against the smallest effect that matters, then against the checks.

    For a hazard ratio the smallest effect is a ratio and "no difference" is 1.

    >>> decide(0.12, 0.30, 0.10), decide(0.02, 0.30, 0.10), decide(-0.04, 0.05, 0.10), decide(-0.2, 0.3, 0.1)
    ('higher', 'small', 'none', 'unknown')
    """
    below, same, above = (1 / smallest_effect, 1.0, smallest_effect)
    if unit != "hazard ratio":
        below, same, above = -smallest_effect, 0.0, smallest_effect
    failed = {check.name for check in checks if check.outcome == "failed"}
    if below < low and high < above:
        return "unknown" if failed & set(REVOKES_NONE) else "none"
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
        return (_row(question, measure, smallest_effect, group=group, verdict="hidden", shown=False,
                     sentence=SENTENCES["hidden"].format(reason=hidden)),)  # fmt: skip
    rows = [_headline(question, measure, comparison, smallest_effect, group)]
    if comparison.raw is not None:
        told = SENTENCES["described"].format(**_numbers(comparison.raw, measure, smallest_effect))
        rows.append(_row(question, measure, smallest_effect, comparison.raw, group=group, headline=False, at="raw",
                         verdict="described", sentence=_sentence_case(told)))  # fmt: skip
    return tuple(rows)


def unanswerable(filled: frozenset[str], smallest_effect: Mapping[str, float]) -> tuple[Result, ...]:
    """ "We don't know" for every headline whose question needs what the data do not hold, and why."""
    rows = []
    for question in QUESTIONS.values():
        missing = missing_needs(question, filled)
        if missing:
            sentence = SENTENCES["no data"].format(reason=_listed([need.missing for need in missing]))
            settle = "To settle it, record: " + "; ".join(need.settle for need in missing) + "."
            for measure in question.measures:
                smallest = smallest_effect.get(measure.smallest)
                rows.append(_row(question, measure, smallest, verdict="unknown", sentence=sentence, to_settle=settle))
    return tuple(rows)


def missing_needs(question: Question, filled: frozenset[str]) -> list[Need]:
    """What a question needs and the data do not hold; a missing table speaks for its columns."""
    missing = [need for need in question.needs if need.where not in filled]
    tables = {need.where for need in missing if "." not in need.where}
    return [need for need in missing if need.where in tables or need.where.partition(".")[0] not in tables]


# --- the sentences ------------------------------------------------------------------------------

HELD: dict[Design, str] = {
    "described": "",
    "associated": "",
    "adjusted": "among people with the same {rater}, cycle and past ratings, ",
    "within_person": "comparing the same people with themselves, ",
    "compared": "against comparable people who were ready but not served, ",
    "randomised": "where chance decided who did, ",
}
LIMIT: dict[Design, str] = {
    "described": "",
    "associated": "It is a pattern: nothing about how they were rated before is held equal.",
    "adjusted": "It is a pattern, not proof of cause.",
    "within_person": "It is a pattern, not proof of cause.",
    "compared": "It is the nearest to a trial that these data hold, not proof of cause.",
    "randomised": "Chance decided, so this is an effect.",
}
SENTENCES: dict[str, str] = {
    "higher": "{held}{doers}{contrast} {did} {size} higher than {others} (likely range {range}). {passed}{limit}",
    "lower": "{held}{doers}{contrast} {did} {size} lower than {others} (likely range {range}). {passed}{limit}",
    "small": "{held}{doers}{contrast} {did} {size} {direction} than {others} (likely range {range}). That is real, "
    "but it may be too small to matter: less than {smallest} was set as not worth acting on.",
    "none": "We looked closely: {held}any difference in how {doers}{contrast} and {others} {did} is smaller than "
    "{smallest} (likely range {signed}). {caution}",
    "unknown": "We cannot tell. With this many people and {rater}s we could only have seen differences above "
    "{detectable} (likely range {signed}). This is not evidence that there is no difference.",
    "revoked": "We cannot tell. The likely range ({signed}) lies inside ±{smallest}, but it is not to be trusted: "
    "{failed}.",
    "untrusted": "A difference shows up ({size} {direction}, likely range {range}), but it is not to be trusted: "
    "{failed}. Do not act on this number.",
    "hidden": "Not shown, to protect individuals: {reason}.",
    "no data": "We don’t know: the data hold {reason}.",
    "no estimate": "We don’t know: {reason}.",
    "described": "On average, with nothing held equal, {doers} {did} {size} {direction} than {others} (likely range "
    "{range}).",
}
"""One template per branch; a translation replaces this table, `HELD`, `LIMIT`, `REASONS` and `SETTLES`."""

REASONS: dict[str, tuple[str, str]] = {
    "no learning": ("the data hold no learning", f"record {LEARNING.settle}"),
    "no acknowledgements": ("the data hold no acknowledgements", f"record {ACKNOWLEDGEMENTS.settle}"),
    "one group": ("everybody did the same, so there is nobody to compare with", "people who differ in it"),
    "one rating": ("everybody in a cycle has the same rating", "ratings that tell people apart"),
    "one rater": ("all ratings come from one manager (or one unit, where no managers are recorded), so no range can "
                  "be stated", "ratings by more managers"),
    "too few": ("too few people can be compared with somebody under the same manager in the same cycle",
                "more people under the same managers, or one more cycle"),
    "no difference within": ("under the same manager in the same cycle everybody did the same",
                             "managers whose people differ in it"),
}  # fmt: skip
"""Why there is no estimate, and what would settle it."""

SETTLES: dict[str, str] = {
    "more": "To settle it: to see a difference of {smallest}, about {times} times as many reviews ({more} more than "
    "now), or a design that compares: a waitlist, or an order of invitation drawn by lot.",
    "no baseline": "one more cycle, so that people are compared from the same start",
    "few clusters": "{more_clusters} more {rater}s or more{or_managers}",
    "edge": "To settle it: one or two more cycles; the likely range reaches just past {smallest}, the smallest that "
    "matters.",
    "lead test": "a design in which people do not choose for themselves: a waitlist, or an order of invitation drawn "
    "by lot",
}


def _headline(question: Question, measure: Measure, found: Comparison, smallest: float, group: str) -> Result:
    """The judged row: verdict, sentence, and what would settle it."""
    if found.adjusted is None:
        reason, settle = REASONS[found.reason]
        sentence = SENTENCES["no estimate"].format(reason=reason)
        return _row(question, measure, smallest, group=group, verdict="unknown", sentence=sentence,
                    note="; ".join(found.notes), to_settle=f"To settle it: {settle}.")  # fmt: skip
    fit = found.adjusted
    verdict = decide(fit.low, fit.high, smallest, found.checks, measure.unit)
    revoked = verdict == "unknown" and decide(fit.low, fit.high, smallest, (), measure.unit) == "none"
    failed = [c for c in found.checks if c.outcome == "failed" and (not revoked or c.name in REVOKES_NONE)]
    numbers = _numbers(fit, measure, smallest, found.contrast)
    numbers["failed"] = "; ".join(check.detail for check in failed)
    numbers["caution"] = f"A check failed, though: {numbers['failed']}." if failed else ""
    numbers["passed"] = _passed([check for check in found.checks if check.outcome == "passed"])
    sentence = SENTENCES["revoked" if revoked else verdict].format(**numbers)
    return _row(question, measure, smallest, fit, group=group, verdict=verdict, sentence=_sentence_case(sentence),
                checks=found.checks, note="; ".join(found.notes),
                to_settle=_settle(verdict, fit, smallest, numbers, failed))  # fmt: skip


def _numbers(fit: Fit, measure: Measure, smallest: float, contrast: str = "") -> dict[str, str]:
    """Every word and figure that a template may ask for."""
    same = 1.0 if measure.unit == "hazard ratio" else 0.0
    direction = "higher" if fit.estimate >= same else "lower"
    ends = (fit.low, fit.high)
    if same == 0 and (fit.low > 0 or fit.high < 0):  # all on one side: "0.10 to 0.32 SD lower"
        ends = tuple(sorted(abs(end) for end in ends))
    rater = "unit" if fit.method.startswith("unit") else "manager"
    held = HELD[fit.design].format(rater=rater)
    return {
        "held": held, "doers": measure.doers, "others": measure.others, "did": measure.did, "direction": direction,
        "size": number(abs(fit.estimate - same) if same == 0 else fit.estimate, measure.unit),
        "range": spread(*ends, measure.unit), "signed": spread(fit.low, fit.high, measure.unit), "rater": rater,
        "smallest": number(smallest, measure.unit),
        "limit": LIMIT[fit.design], "contrast": f" ({contrast})" if contrast else "",
        "or_managers": ", or the manager who gave each rating" if rater == "unit" else "",
        "more_clusters": str(max(FEW_CLUSTERS - fit.n_clusters, 1)),
        "detectable": number(detectable_in(fit), measure.unit),
    }  # fmt: skip


def _passed(passed: Sequence[Check]) -> str:
    tried = [check.name for check in passed if check.name not in PRECONDITIONS]
    return f"It held up in the {_listed(tried)}. " if tried else "No check could try to refute it. "


def detectable_in(fit: Fit, power: float = 0.80) -> float:
    """The difference that a fit of this precision would have found in 80 of 100 repetitions (METHODS 4)."""
    return float((stats.t.ppf(0.5 + fit.level / 2, fit.df) + stats.t.ppf(power, fit.df)) * fit.std_error)


def _settle(verdict: Verdict, fit: Fit, smallest: float, numbers: Mapping[str, str], failed: Sequence[Check]) -> str:
    """What would settle it: mend what failed; else more of the same, by the square of the precision short."""
    mends = [SETTLES[check.name].format(**numbers) for check in failed if check.name in SETTLES]
    if mends and verdict in ("untrusted", "unknown"):
        return "To settle it: " + "; ".join(mends) + "."
    if verdict != "unknown":
        return ""
    times = (detectable_in(fit) / smallest) ** 2
    if times < 1.1:
        return SETTLES["edge"].format(smallest=numbers["smallest"])
    return SETTLES["more"].format(smallest=numbers["smallest"], times=f"{times:.1f}",
                                  more=f"{ceil(fit.n_rows * (times - 1)):,}")  # fmt: skip


def _row(
    question: Question, measure: Measure, smallest: float | None, fit: Fit | None = None, **values: object
) -> Result:
    """A result row: numbers from the fit where there is one, empty where there is none."""
    row: dict[str, object] = {
        "question": question.key, "measure": measure.key, "headline": True, "group": "company", "at": "",
        "estimate": fit and fit.estimate, "low": fit and fit.low, "high": fit and fit.high,
        "level": fit.level if fit else 0.95, "unit": measure.unit, "n_people": fit and fit.n_people,
        "n_clusters": fit and fit.n_clusters, "method": fit.method if fit else "", "checks": (),
        "design": fit.design if fit else "described", "smallest_effect": smallest,
        "detectable_effect": detectable_in(fit) if fit else None, "to_settle": "", "shown": True, "note": "",
    }  # fmt: skip
    return Result(**(row | values))  # type: ignore[arg-type]


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip()


# --- what can be asked at all ---------------------------------------------------------------------

COVERAGE = ("question", "text", "needs", "missing", "detectable_effect", "smallest_effect", "unit", "sentence")
CAN_ASK: dict[str, str] = {
    "missing": "Cannot be asked: the data hold {missing}.",
    "there": "The data hold what it needs; it is not asked yet.",
    "nobody": "The data hold what it needs, but too few people can be compared.",
    "fine": "At best, a difference of {detectable} would be found in 8 of 10 such studies; {smallest} is the smallest "
    "that matters.",
    "coarse": "Even at best, only a difference of {detectable} or more would be found in 8 of 10 such studies; "
    "{smallest} is the smallest that matters. Expect “we don’t know” unless the difference is large.",
}


def coverage(
    filled: frozenset[str], detectable: Mapping[str, float | None], smallest_effect: Mapping[str, float]
) -> pd.DataFrame:
    """For every question: what it needs, what is missing, and what could be detected, before any result.

    `detectable` holds the detectable effect of the measures that this edition estimates (None: too few people
    to compare).
    """
    rows = []
    for question in QUESTIONS.values():
        measure, missing = question.measures[0], missing_needs(question, filled)
        smallest, seen = smallest_effect.get(measure.smallest), detectable.get(measure.key)
        numbers = {
            "missing": _listed([need.missing for need in missing]), "smallest": number(smallest, measure.unit),
            "detectable": number(seen, measure.unit),
        }  # fmt: skip
        if missing or measure.key not in detectable:
            branch = "missing" if missing else "there"
        else:
            branch = "nobody" if seen is None else "fine" if smallest and seen <= smallest else "coarse"
        needs, lacks = ([need.what for need in some] for some in (question.needs, missing))
        rows.append((question.key, question.text, needs, lacks, None if missing else seen, smallest, measure.unit,
                     CAN_ASK[branch].format(**numbers)))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COVERAGE), dtype=object)

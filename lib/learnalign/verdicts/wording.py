"""Wording: every sentence that a verdict may end in, as tables of templates; a translation replaces
this module.
"""

from learnalign.verdicts.registry import (
    ACKNOWLEDGEMENTS,
    AUDIENCE,
    COST,
    LEARNING,
    MANAGERS,
    MENTORING,
    MERIT,
    SAID_SKILLS,
    SKILLS,
)
from learnalign.verdicts.result import Design

HELD: dict[Design, str] = {
    "described": "",
    "associated": "",
    "adjusted": "among people with the same {rater}, cycle and past ratings{held_too}, ",
    "within_person": "comparing the same people with themselves, ",
    "compared": "against comparable people who were ready but not served, ",
    "randomised": "where chance decided who did, ",
}
LIMIT: dict[Design, str] = {
    "described": "",
    "associated": "It is a pattern: nothing about how they were rated before is held equal.",
    "adjusted": (
        "It is a pattern, not proof of cause: something in the same cycle that moves "
        "both would look the same."
    ),
    "within_person": "It is a pattern, not proof of cause.",
    "compared": "It is the nearest to a trial that these data hold, not proof of cause.",
    "randomised": "Chance decided, so this is an effect.",
}
SENTENCES: dict[str, str] = {
    "higher": (
        "{held}{doers}{contrast} {did} {compared} {others} (likely range {range}). "
        "{passed}{warning}{limit}"
    ),
    "lower": (
        "{held}{doers}{contrast} {did} {compared} {others} (likely range {range}). "
        "{passed}{warning}{limit}"
    ),
    "small": "{held}{doers}{contrast} {did} {compared} {others} (likely range {range}). That "
    "is real, "
    "but it may be too small to matter: less than {smallest} was set as not worth acting on. "
    "{warning}{limit}",
    "none": "We looked closely: {held}any difference {about} is smaller than "
    "{smallest} (likely range {signed}). {caution}",
    "unknown": "We cannot tell. With this many people and {rater}s we could only have seen "
    "differences above "
    "{detectable} (likely range {signed}). This is not evidence that there is no difference.",
    "revoked": (
        "We cannot tell. The likely range ({signed}) lies inside {band}, but it is "
        "not to be trusted: {failed}."
    ),
    "compressed": "We cannot tell. More than {modal} of people have the same rating, so "
    "little is left to tell them "
    "apart: only differences above {detectable} could have been seen (likely range {signed}).",
    "one cycle": "We cannot tell. All reviews are from one cycle, so those who did better "
    "and worse before are not "
    "held apart (likely range {signed}).",
    "headline": "We cannot tell: the answer to the question itself is not known or not to be "
    "trusted, and its "
    "parts are no better (likely range {signed}).",
    "many": "We cannot tell. Alone, this difference ({seen}, likely range {range}) would "
    "look real, but "
    "{asked} questions were asked, and among so many a difference of this kind turns up by "
    "chance too often.",
    "many units": "We cannot tell of one unit. Alone, this difference ({seen}, likely range "
    "{range}) would look real, "
    "but {asked} units were looked at, and among so many a difference of this kind turns up "
    "by chance too often.",
    "untrusted": "A difference shows up ({seen}, likely range {range}), but it is not to be "
    "trusted: "
    "{failed}. Do not act on this number.",
    "hidden": "Not shown, to protect individuals: {reason}.",
    "no data": "We don’t know: the data hold {reason}.",
    "no estimate": "We don’t know: {reason}.",
    "nothing varies": "We looked closely: {reason}.",
    "fact": "{fact} (likely range {range}).",
    "cost": "One more closed gap goes with learning that costs {size} (likely range "
    "{range}). That is a cost, not a "
    "return: learning pays where a closed gap is worth more than that to you, and nobody "
    "here has put a price on one.",
    "described": (
        "On average, with nothing held equal, {doers} {did} {compared} {others} "
        "(likely range {range})."
    ),
}
"""One template per branch."""

REASONS: dict[str, tuple[str, str]] = {
    "no learning": ("the data hold no learning", f"record {LEARNING.settle}"),
    "no acknowledgements": (
        "the data hold no acknowledgements from the time before a review",
        f"record {ACKNOWLEDGEMENTS.settle}",
    ),
    "no merit data": ("the data hold no merit data for the reviews", f"record {MERIT.settle}"),
    "one group": (
        "everybody did the same, so there is nobody to compare with",
        "people who differ in it",
    ),
    "one rating": ("everybody in a cycle has the same rating", "ratings that tell people apart"),
    "two ratings": (
        "the rating has two values only, so an average difference in it says little",
        "ratings on a scale that tells more people apart",
    ),
    "one merit": (
        "everybody got the same merit increase, so nothing tells people apart",
        "merit increases that differ, or this question no more: merit here rewards nobody",
    ),
    "missing exposure": (
        "for more than a third of the reviews it is not recorded who did and who did not",
        "records of it for everybody, also of those who did not",
    ),
    "no overlap": (
        "those who did and those who did not differ so much in their past ratings or their "
        "role that "
        "hardly any of them can be compared",
        "people who are alike and differ in it",
    ),
    "one rater": (
        "all ratings come from one manager (or one unit, where no managers are recorded), so "
        "no range can "
        "be stated",
        "ratings by more managers",
    ),
    "three raters": (
        "people who differ in it are found under three managers or fewer, and no range from "
        "so few can "
        "be trusted",
        "ratings by more managers whose people differ in it",
    ),
    "too few": (
        "too few people can be compared with somebody under the same manager in the same cycle",
        "more people under the same managers, or one more cycle",
    ),
    "no gaps": (
        "no scheduled assessment found a gap",
        "gaps to follow, found by scheduled skill assessments",
    ),
    "no acknowledged skill": (
        "no gap was found while acknowledgements were recorded with their skill",
        f"record {SAID_SKILLS.settle}",
    ),
    "no learned skill": (f"the data hold {SKILLS.missing}", f"record {SKILLS.settle}"),
    "no mentoring": (f"the data hold {MENTORING.missing}", f"record {MENTORING.settle}"),
    "no closing": (
        "too few gaps closed with it, or without it, to compare how fast they do",
        "more gaps, assessed again some months after they were found",
    ),
    "no leaders": (
        "three leaders or fewer acknowledged visibly in some quarters and not in others",
        "leaders who go first, and a record of who could see it",
    ),
    "no team": (
        f"there is no whole quarter of which the data hold managers and {AUDIENCE.settle}",
        f"record {MANAGERS.settle}, and {AUDIENCE.settle}",
    ),
    "no cost": (f"the data hold {COST.missing}", f"record {COST.settle}"),
    "not standing": (
        "learning is not seen, beyond doubt, to go with closing gaps (Q6), and without that "
        "a cost per "
        "extra closed gap means nothing",
        "what settles Q6",
    ),
    "no extra": (
        "the range of extra gaps closed reaches down to none, and a cost per none means nothing",
        "more gaps on whose skill people learned, and more on whose they did not",
    ),
    "no difference within": (
        "under the same manager in the same cycle everybody did the same",
        "managers whose people differ in it",
    ),
}
"""Why there is no estimate, and what would settle it."""

NOTHING_VARIES: dict[str, tuple[str, str]] = {
    "no discretion": (
        "merit is exactly what the rating and the merit matrix give, so nothing else can move it",
        "merit is fixed by the merit matrix: it can reward or punish through the rating alone",
    )
}
"""Why there is practically no difference without an estimate: what is seen, and what fixes the
outcome.
"""

SETTLES: dict[str, str] = {
    "more, core": "To settle it: to see a difference of {smallest} in 8 of 10 such studies "
    "takes about {times} times "
    "as much: {more} more reviews, that is {cycles} more {cycle_word} with the same people, "
    "or {people} more people "
    "under {clusters} more {rater}s; or a design that compares: a waitlist, or an order of "
    "invitation drawn by lot.",
    "more, hazard": "To settle it: to see a difference of {smallest} in 8 of 10 such studies "
    "takes about {times} "
    "times as many gaps and as much time, that is {people} more people under {clusters} more "
    "{rater}s; or a design "
    "that compares: a waitlist, or an order of invitation drawn by lot.",
    "more, teams": "To settle it: to see a difference of {smallest} in 8 of 10 such studies "
    "takes about {times} times "
    "as many teams or quarters, that is {clusters} more leaders; or an order, drawn by lot, "
    "in which leaders go first.",
    "far": "To settle it: more than {far} times as much data; only a design that compares is "
    "within reach: a waitlist, "
    "or an order of invitation drawn by lot.",
    "edge": "To settle it: one or two more cycles; the likely range reaches just past "
    "{smallest}, the smallest that "
    "matters.",
    "one cycle": "To settle it: one more cycle, so that people are compared from the same start.",
    "compressed": "To settle it: ratings that tell people apart.",
    "record": "To settle it, record: {what}.",
    "many": "To settle it: ask this question alone, and first, in the next cycle.",
    "many units": "To settle it: see whether the same unit shows it again in the next edition.",
}
CAN_ASK: dict[str, str] = {
    "missing": "Cannot be asked: the data hold {missing}.",
    "there": "The data hold what it needs; it is not asked yet.",
    "cost": (
        "The data hold what it needs; it is told only where learning is seen to go with "
        "closing gaps (Q6)."
    ),
    "nobody": "The data hold what it needs, but too few people can be compared.",
    "fine": "At best, a difference of {detectable} would be found in 8 of 10 such studies; "
    "{smallest} is the smallest "
    "that matters.",
    "coarse": "Even at best, only a difference of {detectable} or more would be found in 8 "
    "of 10 such studies; "
    "{smallest} is the smallest that matters. Expect “we don’t know” unless the difference "
    "is large.",
}

WHERE = "of the acknowledgements where it is recorded, {size} "
FACTS: dict[str, str] = {
    "%": "the share of {name} is {size}",
    "": "{name} came to {size}",
    "before_and_after_first_time": "{name}, the share acknowledging in teams whose leader "
    "went first was {seen} than "
    "expected without it",
    "mentoring_reach": "of the people whose {first} is {rest}, {size} were ever mentored",
    "merit_for_each_point_of_the_code": "at equal rating and matrix cell, each further point "
    "for {name} goes with "
    "merit {seen}",
    "two_questions": "{size} of reviews have the question on {first} {rest}",
    "both questions answered with evidence": "{size} of reviews have {name}",
    "asked before the day help was needed": WHERE + "came before the day help was needed",
    "asked, and never escalated": WHERE + "were never escalated",
    "asked before any escalation": WHERE + "came before any escalation",
    "how_people_asked": WHERE + "{name}",
    "acknowledged, and own learning within 30 days (autonomous)": "of the acknowledged gaps, "
    "{size} were followed by "
    "own learning within 30 days (autonomous)",
    "acknowledged again, without own learning between (dependent)": "of the acknowledged gaps, "
    "{size} were "
    "acknowledged again, without own learning between (dependent)",
    "acknowledged in the next window, after reflecting": (
        "after reflecting, {size} acknowledged in the next window"
    ),
    "acknowledged in the next window, without reflecting before": "without reflecting before, {size} acknowledged in "
    "the next window",
    "acknowledged in the next window: difference, same manager and cycle": "under the same manager in the "
    "same cycle, "
    "acknowledging in the next window was {seen} after reflecting than without",
    "acknowledged as a precaution, where no gap was found": "where no gap was found, {size} "
    "had been acknowledged as "
    "a precaution",
    "said and done, correlation across units": "across units, what leaders say and what they "
    "do go together with a "
    "correlation of {size}",
}
"""How a fact is told, by its name, else its measure and then its unit; `first` and `rest` stand
around its colon.
"""

"""Phrasing: the words of explanations, as tables; a translation replaces this module and `wording`."""

BRIEFLY: dict[str, tuple[str, str, str]] = {
    "learning_to_rating": (
        "rated {seen}: people who learned more voluntarily",
        "rated {seen}",
        "ratings",
    ),
    "acknowledging_to_rating": (
        "rated {seen}: people who acknowledged a gap",
        "rated {seen}",
        "ratings",
    ),
    "acknowledging_to_merit_total": (
        "merit {seen}: people who acknowledged a gap",
        "merit {seen}",
        "merit",
    ),
    "acknowledging_to_merit_at_equal_rating": (
        "at equal rating, merit {seen}: people who acknowledged a gap",
        "merit {seen}",
        "merit at equal rating",
    ),
    "learning_to_merit_at_equal_rating": (
        "at equal rating, merit {seen}: the third who learned most",
        "merit {seen}",
        "merit at equal rating",
    ),
    "merit_by_group": ("merit {seen}", "merit {seen}", "merit at equal rating"),
    "leader_to_team": (
        "after leaders went first, their teams’ share acknowledging was {seen}",
        "share acknowledging {seen}",
        "their teams’ share acknowledging",
    ),
    "acknowledging_to_closure": (
        "gaps that were acknowledged closed {seen}",
        "closed {seen}",
        "how fast gaps close",
    ),
    "learning_to_closure": (
        "gaps learned on closed {seen}",
        "closed {seen}",
        "how fast gaps close",
    ),
    "mentoring_to_closure": (
        "gaps of mentored people closed {seen}",
        "closed {seen}",
        "how fast gaps close",
    ),
}
"""Of each measure: what is seen of the whole, what is seen of a part, and in what it differs."""

BRIEF: dict[str, str] = {
    "higher": "{finding}.",
    "lower": "{finding}.",
    "small": "{finding}; perhaps too small to matter.",
    "none": "Practically no difference in {outcome} (less than {smallest}).",
    "none, failed": "Practically no difference in {outcome}; but a check failed: {failed}.",
    "unknown": "We could only have seen more than {detectable}.",
    "revoked": "No difference seen, but a check failed: {failed}.",
    "compressed": "Too many people have the same rating to tell them apart.",
    "one cycle": "All reviews are from one cycle: no earlier ratings to compare.",
    "headline": "Its question has no answer to trust, and so its parts have none.",
    "many": "Perhaps chance, among so many questions: {part}.",
    "many units": "Perhaps chance, among so many units: {part}.",
    "untrusted": "Seen, but a check failed: {failed}.",
    "hidden": "Not shown, to protect individuals.",
    "no data": "{reason}.",
    "no estimate": "{reason}.",
    "nothing varies": "{reason}.",
    "fact": "{fact}.",
    "cost": "About {size} per extra closed gap.",
    "described": "With nothing held equal, {part}.",
}
"""The same branches as `SENTENCES`, in few words; "none, failed" where a check that "none" survives
has failed.
"""

BRIEF_REASONS: dict[str, str] = {
    "no acknowledgements": "no acknowledgements from before a review",
    "missing exposure": "who did and who did not is often not recorded",
    "no overlap": "those who did and did not are too unlike to compare",
    "one rater": "all ratings come from one manager or unit",
    "three raters": "people differ in it under three managers or fewer",
    "too few": "too few people can be compared under the same manager",
    "no acknowledged skill": "no gap while acknowledgements had a skill",
    "no leaders": "three leaders or fewer went first",
    "no team": "no whole quarter with managers and who could see it",
    "no closing": "too few gaps closed with it, or without it",
    "not standing": "learning is not known to go with closing gaps",
    "no extra": "perhaps no extra gap closed, so no cost of one",
}
"""Reasons too long for one line, shorter; the others are told as they are."""

# --- what is still not known

STILL: dict[str, str] = {
    "failed": "Whether this answer holds: {detail} ({check} failed).",
    "failed, long": "Whether this answer holds: a check failed ({check}).",
    "small": "Whether the difference is large enough to matter: part of the likely range is not.",
    "untrusted": "The answer for {names}: seen, but a check failed ({check}).",
    "unknown": "The answer for {names}: at best, more than {detectable} could have been seen.",
    "not possible": "Whether it would pass the {check}: it could not be tried ({detail}).",
    "hidden factor": (
        "How strong something unseen would have to be to erase it: these data cannot tell."
    ),
    "hidden": "Its figures for “{names}”: not shown, to protect individuals.",
    "cost": "Whether it pays: nobody here has put a price on a closed gap.",
    "cause": (
        "Whether any of these patterns is proof of cause: a waitlist, or an order drawn "
        "by lot, would tell."
    ),
}
"""In the order of their importance, but for the last, which is said once for all."""

PARTS: dict[str, str] = {
    "low": "a low amount",
    "middle": "a middle amount",
    "high": "a high amount",
    "autonomous": "asking, then learning on one’s own",
    "dependent": "asking again without learning",
    "said before it was found": "gaps said before they were found",
}
"""Rows of a family whose name needs the words around it."""
PARTS_ALONE = "{n} of its parts"

# --- method

ACKNOWLEDGED = (
    "people who acknowledged a gap in the window before the review, with people "
    "of the same time who did not"
)
PACE = "how fast gaps close: how many times as fast, month by month, as without it"
RATED, PAID = (
    "the rating at the review, in SD within the cycle",
    "the merit increase after the review",
)
METHOD: dict[str, tuple[str, str]] = {
    "learning_to_rating": (
        "people one usual step (1 SD) apart in voluntary learning in the window before the review",
        RATED,
    ),
    "acknowledging_to_rating": (ACKNOWLEDGED, RATED),
    "acknowledging_to_merit_total": (ACKNOWLEDGED, PAID),
    "acknowledging_to_merit_at_equal_rating": (
        ACKNOWLEDGED,
        f"{PAID}, at the same rating and matrix cell",
    ),
    "leader_to_team": (
        "a team’s quarters after its leader acknowledged visibly, with its other quarters",
        "the share of the team who acknowledged in the quarter",
    ),
    "learning_to_merit_at_equal_rating": (
        "the third of each cycle with most voluntary learning, with the others",
        f"{PAID}, at the same rating and matrix cell",
    ),
    "acknowledging_to_closure": ("gaps acknowledged by then, with gaps not acknowledged yet", PACE),
    "cost_per_closed_gap": (
        "gaps on whose skill people learned, with gaps without such learning",
        "the cost of learning for each gap that closed within a year and would have stayed open",
    ),
    "mentoring_to_closure": (
        "gaps of mentored people, with gaps of comparable people without a mentor",
        PACE,
    ),
}
"""Of each measure that has a headline: who is compared with whom, and in what."""

MODELS: dict[str, str] = {
    "core": "Each person is compared only with people of the same {rater} in the same cycle.",
    "hazard": (
        "Each gap is followed month by month until it closes, the person leaves, or the data end."
    ),
    "teams": "Each team is compared with itself, and with teams of its unit in the same quarter.",
    "cost": (
        "How much sooner gaps close with learning gives the extra gaps closed; its cost "
        "is divided by them."
    ),
}
INTERVAL = "{level:.0%} range; it allows for people of the same {rater} being alike{care}"
CARE = {"CR2": ", and for there being few of them"}
SMALLEST = "less than {smallest} was set beforehand as too small to matter"
OUTCOME = "{outcome}, in {unit}"

TAKES = "Failed, it turns a difference into “{untrusted}”, {none}"
TAKES_NONE = {
    True: "and “{none}” into “{unknown}”.",
    False: "and leaves “{none}” standing, with a caution.",
}

# --- glossary

# As in GLOSSARY.md; a term is shown where one of its words, split at commas, is read
TERMS: dict[str, str] = {
    "verdict": "What an answer comes to, by a rule fixed beforehand from the interval, the "
    "smallest effect and the "
    "checks.",
    "headline": "The one result of a measure that gets the verdict. The rest are "
    "descriptions, families of rows and "
    "sensitivities.",
    "family": (
        "Rows that belong together and are no headlines: the steps of a dose, kinds of "
        "asking, groups."
    ),
    "by chance": "Among many questions some differ by luck. Headlines must survive how many "
    "were asked (Holm), and "
    "rows of a family likewise (Benjamini and Hochberg).",
    "interval, likely range": "The range of values the data do not speak against, at level 0.95.",
    "smallest effect, smallest that matters": "The smallest difference that would matter to "
    "you; set before the data "
    "are looked at.",
    "could have seen, would be found": "The smallest difference that these data would have "
    "shown, had it been there "
    "(4 times of 5).",
    "before adjusting, after adjusting, raw, adjusted": "Raw: the plain difference. "
    "Adjusted: at equal prior ratings, "
    "among people of the same manager and cycle.",
    "prior rating, past rating": "The rating of the person’s review before, and the one "
    "before that. “Better "
    "performers also learn more” is held apart by it.",
    "cluster, clustered": (
        "People whose ratings hang together because one manager gave them. Fewer than 20 are few."
    ),
    "SD": (
        "The usual distance of a rating from its cycle’s mean (standard deviation). 0.1 SD "
        "is a tenth of it."
    ),
    "percentage points, pp": (
        "The difference of two percentages: from 3 % to 3.25 % is 0.25 percentage points."
    ),
    "hazard ratio, times as fast": "How many times as fast gaps close, per open gap-month, "
    "with something as without "
    "it.",
    "E-value": "How strongly something unseen would have to go with both, as ratios, to "
    "erase a finding; read for a "
    "hazard ratio it is rough where many gaps close.",
    "gap": (
        "A skill assessed below the level required, by a scheduled assessment. A gap that "
        "reopens is a new gap."
    ),
    "closed": "Assessed again at or above the required level.",
    "acknowledge, acknowledging, acknowledgement": "To say “I don’t know”, where it was "
    "recorded: a request for help, "
    "a question, a self-assessment, a one-to-one, a reflection. A date and a channel, never "
    "the words.",
    "silent gap": "A gap not acknowledged in the 90 days before the day it was found.",
    "required, voluntary": "Required: somebody had to. Voluntary: completed and not required.",
    "exposure window, window": "From the previous review less the embargo to this review "
    "less the embargo. For a first "
    "review, the 182 days before that end.",
    "embargo": "The days just before a review. What falls in them counts for the next "
    "review: it may be caused by the "
    "rating.",
    "merit": "The rise in base pay that follows a review, in percent.",
    "merit matrix": (
        "The table by which a company sets the merit it aims at, from rating and compa-ratio."
    ),
    "compa-ratio, salary range": "A person’s pay over the middle of their grade’s range.",
    "hidden, not shown": "Too few people or managers stand behind it, or it would give away "
    "what is hidden elsewhere. "
    "Never shown as 0.",
}

# --- what to do

# By question and what its headlines came to, the weightiest first; "none" is one without a failed
# check
DO: dict[tuple[str, str], str] = {
    (
        "Q2",
        "lower",
    ): "Ask how ratings are given where somebody said “I don’t know”: here those who did "
    "were rated "
    "lower afterwards.",
    ("Q3", "lower"): (
        "Ask how merit is set where somebody said “I don’t know”: here those who did were "
        "given less."
    ),
    (
        "Q1",
        "lower",
    ): "Ask how time for learning is rated: here those who learned more were rated lower.",
    (
        "Q5",
        "lower",
    ): "Ask how merit is set for those who learn: here, at equal rating, they were given less.",
    ("Q4", "lower"): (
        "Ask teams what they saw happen when their leader went first: here they said less "
        "afterwards."
    ),
    ("Q8", "lower"): "Ask whom mentoring reaches: here gaps of mentored people closed more slowly.",
    (
        "Q6",
        "lower",
    ): "Ask what becomes of a gap once it is acknowledged: here such gaps closed more slowly.",
    (
        "Q3",
        "none",
    ): "Tell people that those who said “I don’t know” were given practically the same merit.",
    (
        "Q2",
        "higher",
    ): "Tell people that those who said “I don’t know” were rated higher, not lower.",
    ("Q2", "none"): "Tell people that those who said “I don’t know” were rated practically alike.",
    (
        "Q4",
        "higher",
    ): "Ask leaders who went first what it took; let others start in an order drawn by lot, "
    "so that "
    "next time we know.",
    (
        "Q4",
        "none",
    ): "Ask teams what would make it safe to follow; a leader who goes first is not enough here.",
    ("Q6", "higher"): "Make it easy to acknowledge a gap early, and to learn on it soon after.",
    ("Q8", "higher"): (
        "Offer mentoring to those who wait for it, in an order drawn by lot, so that next "
        "time we know."
    ),
    ("Q8", "none"): "Ask those who are mentored what it gives them, if not gaps that close sooner.",
    ("Q1", "higher"): (
        "Give time for voluntary learning, first to those whom a lot picks, so that next time "
        "we know."
    ),
    (
        "Q1",
        "none",
    ): "Look for what learning is for, if not for ratings, before its budget is changed.",
    (
        "Q5",
        "higher",
    ): "Check that merit rewards learning on purpose, and that everybody has the time for it.",
    (
        "Q5",
        "none",
    ): "Say openly that merit rewards learning through the rating alone, or change how it is set.",
    ("Q7", "described"): "Set beside its cost what one more closed gap is worth to you.",
}
DO_NOT: dict[tuple[str, str], str] = {
    (
        "Q2",
        "lower",
    ): "Do not ask people to say “I don’t know” as long as those who do are rated lower.",
    (
        "Q3",
        "lower",
    ): "Do not promise that saying “I don’t know” is free: those who did were given less merit.",
    ("Q4", "higher"): "Do not make going first a duty or a target: what is played is not followed.",
    ("Q6", "higher"): (
        "Do not count acknowledgements towards a target: what is counted is soon said for its "
        "own sake."
    ),
    (
        "Q1",
        "higher",
    ): "Do not set hours of learning as a goal: those who chose to learn may differ in other ways.",
    ("Q7", "described"): "Do not read a cost per closed gap as a return.",
}
OPEN_DO = (
    "Choose which open question is worth settling ({asked}), and start to record what "
    "it says is missing."
)
RECORD = "Start to record what would open most questions: {what}."
OPEN_NOT = "Do not read “{unknown}” ({asked}) as “there is no difference”."
DOUBT_NOT = "Do not act on the figure of {asked}: a check failed."
ALWAYS_DO = (
    "Tell the people whose data these are what was found, and decide now what the next "
    "edition would have to show to "
    "change course.",
)
ALWAYS_NOT = (
    (
        "Make no decision about one person, one manager or one team from this report: it "
        "describes groups."
    ),
    (
        "Do not take a pattern for proof: people who learn or ask may differ in ways that nobody "
        "recorded."
    ),
    "Do not use what people acknowledged in their reviews: where not knowing is held against "
    "someone, it is no longer "
    "said.",
)
MOST = 6  # lines on either side

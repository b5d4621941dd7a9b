"""Questions: the pre-registered questions, their measures, what each needs, and the words of the
verdicts.
"""

from dataclasses import dataclass
from typing import Literal

from learnalign.verdicts.result import Verdict


@dataclass(frozen=True)
class Need:
    """Something a question cannot do without: where it is recorded, and what to say when it is not."""

    where: str  # "table" or "table.column"; "one or other" where either will do
    missing: str
    settle: str

    @property
    def what(self) -> str:
        return self.missing.removeprefix("no ")

    def is_met(self, filled: frozenset[str]) -> bool:
        return is_recorded(self.where, filled)


ACKNOWLEDGEMENTS = Need(
    "acknowledgements",
    "no acknowledgements",
    "help requests, questions or self-assessments, with their dates",
)
LEARNING = Need("learning", "no learning", "learning activities, with their dates")
MANAGERS = Need("reviews.manager_id", "no managers", "the manager who gave each rating")
MERIT = Need(
    "rewards.merit_pct", "no merit data", "the merit increase of each person in each cycle"
)
GAPS = Need(
    "assessments", "no assessed skills", "scheduled skill assessments, with the level required"
)
AUDIENCE = Need(
    "acknowledgements.audience",
    "no audience of acknowledgements",
    "who could see an acknowledgement",
)
SKILLS = Need("learning.skill", "no skill of the learning", "the skill that each activity is about")
COST = Need("learning.cost", "no cost of learning", "the cost of each activity")
SAID_SKILLS = Need(
    "acknowledgements.skill", "no skill of what was acknowledged", "the skill that each is about"
)
MENTORING = Need("ties or learning", "no mentoring", "who mentors whom, and since when")


@dataclass(frozen=True)
class Measure:
    """A headline contrast: who is compared with whom, on what, in which unit."""

    key: str
    unit: str
    smallest: str  # the key of the run's smallest_effect; "" where nothing is compared with one
    doers: str = ""
    others: str = ""
    did: str = ""  # what the outcome's verb is: "were rated"
    held: str = ""  # what is held equal besides manager, cycle and past ratings
    model: Literal["core", "hazard", "teams", "groups", "cost"] = "core"  # what it is estimated by
    among: str = ""  # what is held equal, where that is not manager, cycle and past ratings
    about: str = (
        ""  # what differs, in words: "how fast gaps closed"; from doers, others and did when empty
    )
    limit: str = ""  # what it cannot tell, where that is not what every adjusted figure cannot
    part: tuple[str, str] = (
        "those who did",
        "those who did none of it",
    )  # who is compared in a row of its family


@dataclass(frozen=True)
class Question:
    """A pre-registered question: its words, the notebook that answers it, and what it needs."""

    key: str
    text: str
    notebook: str
    measures: tuple[Measure, ...]
    needs: tuple[Need, ...]


SAID, SILENT = "people who acknowledged a gap", "people who did not"
MERIT_WAS, AT_EQUAL_RATING = (
    "were given merit increases",
    ", at the same rating and cell of the merit matrix",
)
ALIKE = (
    "among gaps of the same skill, depth and age, in people alike in past rating, grade "
    "and tenure, "
)
_CLOSED = {"did": "closed", "model": "hazard", "among": ALIKE}
LEADERS = Measure(
    "leader_to_team",
    "percentage points",
    "share_pp",
    "teams whose leader acknowledged visibly the quarter before",
    "they had after other quarters",
    "had a share of acknowledging people",
    model="teams",
    among=(
        "comparing teams with themselves, and with other teams of their unit in the same quarter, "
    ),
    about="in teams’ share of acknowledging people, after their leader acknowledged visibly,",
    limit="It is a pattern, not proof of cause: something local that moves the leader first "
    "and the team later "
    "would look the same.",
    part=("teams whose leader had", "others"),
)
SAYING = Measure(
    "acknowledging_to_closure",
    "hazard ratio",
    "hazard_ratio",
    "gaps that had been acknowledged",
    "gaps that had not",
    about="in how fast acknowledged gaps and others closed",
    limit=(
        "It is a pattern, not proof of cause: who acknowledges a gap may be about to close "
        "it anyway."
    ),
    part=("gaps that had been acknowledged", "gaps that had not"),
    **_CLOSED,
)
MENTORED = Measure(
    "mentoring_to_closure",
    "hazard ratio",
    "hazard_ratio",
    "gaps of mentored people",
    "gaps of comparable people without a mentor",
    about="in how fast gaps of mentored people and of others closed",
    limit="It is a pattern, not proof of cause: those who find a mentor may be those who act.",
    part=("gaps of mentored people", "gaps of the others"),
    **_CLOSED,
)
KINDS = Measure(
    "learning_to_closure",
    "hazard ratio",
    "hazard_ratio",
    "gaps on whose skill somebody had just learned",
    "gaps without",
    part=("gaps with it in the last three months", "gaps without any"),
    about="in how fast gaps with it and without it closed",
    limit="It is a pattern, not proof of cause: hard gaps get the courses, and people study "
    "before they are assessed "
    "again.",
    **_CLOSED,
)
BY_GROUP = Measure(
    "merit_by_group",
    "percentage points",
    "merit_pp",
    did=MERIT_WAS,
    model="groups",
    among="at the same rating and cell of the merit matrix, in the same cycle, ",
    part=("its people", "all others"),
    limit="It is a pattern: a difference in the ratings themselves is not in it, and tenure, "
    "hours and grade are not "
    "held equal.",
)
QUESTIONS: dict[str, Question] = {
    q.key: q
    for q in (
        Question(
            "Q1",
            "Do people who learn more get better ratings later?",
            "learning_and_performance",
            (
                Measure(
                    "learning_to_rating",
                    "SD",
                    "rating_sd",
                    "people who learned more of their own accord",
                    "people who learned less",
                    "were rated",
                ),
            ),
            (LEARNING,),
        ),
        Question(
            "Q2",
            "Do people who say “I don’t know” do better or worse at the next review?",
            "acknowledging_and_reward",
            (Measure("acknowledging_to_rating", "SD", "rating_sd", SAID, SILENT, "were rated"),),
            (ACKNOWLEDGEMENTS,),
        ),
        Question(
            "Q3",
            "Does saying “I don’t know” cost merit?",
            "acknowledging_and_reward",
            (
                Measure(
                    "acknowledging_to_merit_total",
                    "percentage points",
                    "merit_pp",
                    SAID,
                    SILENT,
                    MERIT_WAS,
                ),
                Measure(
                    "acknowledging_to_merit_at_equal_rating",
                    "percentage points",
                    "merit_pp",
                    SAID,
                    SILENT,
                    MERIT_WAS,
                    AT_EQUAL_RATING,
                ),
            ),
            (ACKNOWLEDGEMENTS, MERIT),
        ),
        Question(
            "Q4",
            "When leaders go first, do their teams follow?",
            "leaders_and_communities",
            (LEADERS,),
            (ACKNOWLEDGEMENTS, MANAGERS, AUDIENCE),
        ),
        Question(
            "Q5",
            "Does merit reward learning, beyond the rating and the matrix?",
            "acknowledging_and_reward",
            (
                Measure(
                    "learning_to_merit_at_equal_rating",
                    "percentage points",
                    "merit_pp",
                    "the third who learned most of their own accord",
                    "the others",
                    MERIT_WAS,
                    AT_EQUAL_RATING,
                ),
            ),
            (LEARNING, MERIT),
        ),
        Question(
            "Q6",
            "What closes gaps: acknowledging them, and which kinds of learning?",
            "gap_journey",
            (SAYING,),
            (GAPS, ACKNOWLEDGEMENTS, SAID_SKILLS),
        ),
        Question(
            "Q7",
            "What does one more closed gap cost?",
            "investment",
            (Measure("cost_per_closed_gap", "currency", "", model="cost"),),
            (GAPS, LEARNING, SKILLS, COST),
        ),
        Question(
            "Q8",
            "Do mentored people close gaps sooner than comparable people?",
            "leaders_and_communities",
            (MENTORED,),
            (GAPS, MENTORING),
        ),
    )
}
ASKED = {question.key: question.text for question in QUESTIONS.values()}
MEASURES = {m.key: (question, m) for question in QUESTIONS.values() for m in question.measures}
FAMILIES = {
    KINDS.key: (QUESTIONS["Q6"], KINDS),
    BY_GROUP.key: (QUESTIONS["Q5"], BY_GROUP),
}  # without a headline
MEASURES |= FAMILIES

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


def missing_needs(question: Question, filled: frozenset[str]) -> list[Need]:
    """What a question needs and the data do not hold; a missing table speaks for its columns."""
    missing = [need for need in question.needs if not need.is_met(filled)]
    tables = {need.where for need in missing if "." not in need.where}
    return [
        need
        for need in missing
        if need.where in tables or need.where.partition(".")[0] not in tables
    ]


LEARNING_CHAPTER, REWARD_CHAPTER = "learning_and_performance", "acknowledging_and_reward"
GAP_CHAPTER, LEADERS_CHAPTER, COST_CHAPTER = "gap_journey", "leaders_and_communities", "investment"
EVERY = (LEARNING_CHAPTER, REWARD_CHAPTER, GAP_CHAPTER, LEADERS_CHAPTER, COST_CHAPTER, "coverage")
USES: dict[str, tuple[str, tuple[str, ...]]] = {
    "people.left_on": ("who left; everybody counts as still there", EVERY),
    "attributes": ("whether groups of people differ", (REWARD_CHAPTER, LEADERS_CHAPTER)),
    "reviews.manager_id": (
        "who gave each rating; the unit stands in for the manager, and nothing is known of leaders",
        EVERY,
    ),
    "reviews.grade": (
        "whether people of one grade are compared with each other, and who is senior",
        EVERY,
    ),
    "reviews.fte": (
        "how many hours people work; they are not held equal",
        (LEARNING_CHAPTER, REWARD_CHAPTER),
    ),
    "rewards": ("anything about merit and bonus", (REWARD_CHAPTER, COST_CHAPTER, "coverage")),
    "rewards.merit_target_pct or merit_matrix": (
        "what the merit matrix aims at; the rating alone is held equal",
        (REWARD_CHAPTER, COST_CHAPTER),
    ),
    "rewards.compa_ratio": (
        "the place in the salary range; it is not held equal",
        (REWARD_CHAPTER,),
    ),
    "rewards.bonus_pct": (
        "whether the bonus goes with it too, as it should not",
        (REWARD_CHAPTER,),
    ),
    "rewards.company_factor": ("what of the bonus is the company’s own result", (REWARD_CHAPTER,)),
    "rewards.learning_enabled_performance": (
        "whether managers say what learning enabled performance",
        (REWARD_CHAPTER,),
    ),
    "rewards.learning_positions_for_objectives": (
        "whether managers say what learning prepares for the objectives",
        (REWARD_CHAPTER,),
    ),
    "learning": ("anything about learning", EVERY),
    "learning.mode": (
        "whether learning was formal, informal or social, but for what its type tells",
        (LEARNING_CHAPTER, COST_CHAPTER),
    ),
    "learning.skill": (
        "which skill learning was about, so what closes which gap",
        (LEARNING_CHAPTER, GAP_CHAPTER, COST_CHAPTER),
    ),
    "learning.hours": (
        "how long people learned; activities are counted instead",
        (LEARNING_CHAPTER, REWARD_CHAPTER, COST_CHAPTER),
    ),
    "learning.cost": ("what learning costs", (COST_CHAPTER,)),
    "learning.is_required": (
        "what was required; all learning counts as voluntary",
        (LEARNING_CHAPTER, REWARD_CHAPTER, COST_CHAPTER),
    ),
    "learning.recorded_by": (
        "what systems recorded and what people did themselves",
        (COST_CHAPTER,),
    ),
    "learning.status": (
        "what was not completed, cancelled or waited for; everything counts as done",
        (LEARNING_CHAPTER, LEADERS_CHAPTER, COST_CHAPTER),
    ),
    "assessments": (
        "anything about gaps",
        (GAP_CHAPTER, LEADERS_CHAPTER, COST_CHAPTER, "coverage"),
    ),
    "assessments.self_level": ("whether silent gaps were over-claimed or known", (GAP_CHAPTER,)),
    "assessments.trigger": (
        "which assessments were scheduled; all count as such",
        (GAP_CHAPTER, LEADERS_CHAPTER, COST_CHAPTER),
    ),
    "acknowledgements": ("anything about saying “I don’t know”", EVERY),
    "acknowledgements.skill": (
        "which gap an acknowledgement was about",
        (GAP_CHAPTER, REWARD_CHAPTER),
    ),
    "acknowledgements.audience": (
        "who could see an acknowledgement, so whether leaders go first",
        (LEADERS_CHAPTER,),
    ),
    "acknowledgements.needed_by": ("whether people asked before help was needed", (GAP_CHAPTER,)),
    "acknowledgements.escalated_on": (
        "whether people asked before it was escalated",
        (GAP_CHAPTER,),
    ),
    "acknowledgements.is_specific": ("whether it was said what exactly was needed", (GAP_CHAPTER,)),
    "acknowledgements.sets_scene": ("whether the scene was set", (GAP_CHAPTER,)),
    "acknowledgements.offers_ideas": ("whether own ideas were offered", (GAP_CHAPTER,)),
    "acknowledgements.is_appreciative": ("whether appreciation was shown", (GAP_CHAPTER,)),
    "ties": ("who mentors, asks and answers whom, and communities", (LEADERS_CHAPTER,)),
    "surveys": ("what units say of the four drivers", ("coverage", LEADERS_CHAPTER)),
    "surveys.domain": (
        "which domain (leading, culture, learning) an item of a survey is about",
        ("coverage", LEADERS_CHAPTER),
    ),
}
"""What cannot be known, or is done otherwise, where something optional is not recorded, and in
which notebooks.
"""


def is_recorded(where: str, filled: frozenset[str]) -> bool:
    """Whether any of the places in "one or other" holds anything."""
    return any(place in filled for place in where.split(" or "))

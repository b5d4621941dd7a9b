"""Questions: the pre-registered questions, their measures, what each needs, and the words of the verdicts."""

from dataclasses import dataclass

from learnalign.records import Verdict


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
    held: str = ""  # what is held equal besides manager, cycle and past ratings


@dataclass(frozen=True)
class Question:
    """A pre-registered question: its words, the notebook that answers it, and what it needs."""

    key: str
    text: str
    notebook: str
    measures: tuple[Measure, ...]
    needs: tuple[Need, ...]


SAID, SILENT = "people who acknowledged a gap", "people who did not"
MERIT_WAS, AT_EQUAL_RATING = "were given merit increases", ", at the same rating and cell of the merit matrix"
QUESTIONS: dict[str, Question] = {q.key: q for q in (
    Question("Q1", "Do people who learn more get better ratings later?", "learning_and_performance",
             (Measure("learning_to_rating", "SD", "rating_sd", "people who learned more of their own accord",
                      "people who learned less", "were rated"),), (LEARNING,)),
    Question("Q2", "Do people who say “I don’t know” do better or worse at the next review?",
             "acknowledging_and_reward",
             (Measure("acknowledging_to_rating", "SD", "rating_sd", SAID, SILENT, "were rated"),),
             (ACKNOWLEDGEMENTS,)),
    Question("Q3", "Does saying “I don’t know” cost merit?", "acknowledging_and_reward",
             (Measure("acknowledging_to_merit_total", "percentage points", "merit_pp", SAID, SILENT, MERIT_WAS),
              Measure("acknowledging_to_merit_at_equal_rating", "percentage points", "merit_pp", SAID, SILENT,
                      MERIT_WAS, AT_EQUAL_RATING)),
             (ACKNOWLEDGEMENTS, MERIT)),
    Question("Q4", "When leaders go first, do their teams follow?", "leaders_and_communities",
             (Measure("leader_to_team", "percentage points", "share_pp"),), (ACKNOWLEDGEMENTS, MANAGERS, AUDIENCE)),
    Question("Q5", "Does merit reward learning, beyond the rating and the matrix?", "acknowledging_and_reward",
             (Measure("learning_to_merit_at_equal_rating", "percentage points", "merit_pp",
                      "the third who learned most of their own accord", "the others", MERIT_WAS, AT_EQUAL_RATING),),
             (LEARNING, MERIT)),
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


def missing_needs(question: Question, filled: frozenset[str]) -> list[Need]:
    """What a question needs and the data do not hold; a missing table speaks for its columns."""
    missing = [need for need in question.needs if need.where not in filled]
    tables = {need.where for need in missing if "." not in need.where}
    return [need for need in missing if need.where in tables or need.where.partition(".")[0] not in tables]

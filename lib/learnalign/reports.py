"""Results to the report: one HTML file that opens with what we know beside what we do not know.

The page asks nothing of the network, runs no script, and escapes every value. Counts and verdicts on it come
from the results; nothing about them is written in the template.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from os.path import commonprefix
from typing import Any

from learnalign import charts
from learnalign.records import Check, Result

SMALLEST = {
    "rating_sd": ("ratings", "SD"),
    "merit_pp": ("merit", "percentage points"),
    "hazard_ratio": ("the speed of closing gaps", "hazard ratio"),
    "share_pp": ("the share who acknowledge", "percentage points"),
}
COVERAGE = "coverage"  # its section says what the data can answer, and who is in them
KNOWN = ("higher", "lower", "small", "none")
NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


@dataclass(frozen=True)
class Answer:
    """A headline result as it is told: its question, its verdict in words, and the raw figure beside it."""

    question: Mapping[str, Any]
    row: Result
    raw: Result | None
    word: str
    aspect: str = ""  # which of several headline results of the question this is
    beside: Sequence[Result] = ()  # rows that are drawn on the same axis

    @property
    def is_known(self) -> bool:
        """Does it stand under "what we know"? A description does too: it claims nothing."""
        return self.row.verdict in (*KNOWN, "described")


@dataclass(frozen=True)
class Chapter:
    """What one notebook found: its answers, the rows beside them, and who was in the data."""

    title: str
    answers: Sequence[Answer]
    others: Sequence[Answer]
    flows: Sequence[Mapping[str, Any]]


def render(document: Mapping[str, Any]) -> str:
    """The report of a run as one HTML page, from the content of its `results.json`; always the same bytes.

    Results that stand on fewer people than the run's `min_group` are hidden here once more.
    """
    template = charts.environment().get_template("report.html.j2")
    return template.render(_page(document)).lstrip()


def _page(document: Mapping[str, Any]) -> dict[str, Any]:
    asked = [question for question in document["questions"] if question["asked"]]
    rows = charts.suppressed([_result(row) for row in document["results"]], document["run"]["min_group"])
    _require_known_questions(rows, asked)
    words = document["verdict_words"]
    answers = [answer for question in asked for answer in _answers(question, rows, words)]
    others = [other for question in asked for other in _others(question, rows, words)]
    return {
        **{key: document[key] for key in ("run", "data", "versions", "questions", "coverage")},
        "words": words,
        "smallest": _smallest(document["run"]["smallest_effect"]),
        "lede": lede(document["questions"], rows),
        "known": sorted((answer for answer in answers if answer.is_known), key=_described_last),
        "unknown": [answer for answer in answers if not answer.is_known],
        "not_asked": [question for question in document["questions"] if not question["asked"]],
        "coverage_flows": _flows(document, COVERAGE),
        "chapters": _chapters(document, answers, others),
        "texts": {question["key"]: question["text"] for question in document["questions"]},
    }


def _result(row: Mapping[str, Any]) -> Result:
    values = {field.name: row[field.name] for field in fields(Result)}
    return Result(**values | {"checks": tuple(Check(**check) for check in row["checks"])})


def _require_known_questions(rows: Sequence[Result], asked: Sequence[Mapping[str, Any]]) -> None:
    strangers = {row.question for row in rows} - {question["key"] for question in asked}
    if strangers:
        raise ValueError(f"results for questions that were not asked: {', '.join(sorted(strangers))}")


def _answers(question: Mapping[str, Any], rows: Sequence[Result], words: Mapping[str, str]) -> list[Answer]:
    mine = [row for row in rows if row.question == question["key"]]
    pairs = [(row, raw) for row, raw in charts.paired(mine) if row.headline] or [(_silence(question), None)]
    shared = len(commonprefix([row.measure for row, _ in pairs]))
    answers = []
    for row, raw in pairs:
        aspect = row.measure[shared:].replace("_", " ").strip() if len(pairs) > 1 else ""
        answers.append(Answer(question, row, None if row.verdict == "hidden" else raw, words[row.verdict], aspect))
    return answers


def _others(question: Mapping[str, Any], rows: Sequence[Result], words: Mapping[str, str]) -> list[Answer]:
    mine = [row for row in rows if row.question == question["key"] and not row.headline and row.at != "raw"]
    return [
        Answer(question, row, None, words[row.verdict], beside=[one for one in mine if one.unit == row.unit])
        for row in mine
    ]


def _silence(question: Mapping[str, Any]) -> Result:
    """A question that was asked and has no result must not vanish: the default is "we don't know"."""
    return Result(
        question=question["key"], measure="", headline=True, group="company", at="", estimate=None, low=None,
        high=None, level=0.95, unit="", n_people=None, n_clusters=None, method="", design="described",
        verdict="unknown", sentence="We don’t know: this edition holds no result for it.", checks=(),
        smallest_effect=None, detectable_effect=None, to_settle="", shown=True, note="",
    )  # fmt: skip


def _described_last(answer: Answer) -> bool:
    return answer.row.verdict == "described"


def _chapters(document: Mapping[str, Any], answers: Sequence[Answer], others: Sequence[Answer]) -> list[Chapter]:
    def of(notebook: str, found: Sequence[Answer]) -> list[Answer]:
        return [answer for answer in found if answer.question["notebook"] == notebook]

    named = [*document["run"]["notebooks"], *(answer.question["notebook"] for answer in answers)]
    notebooks = [notebook for notebook in dict.fromkeys(named) if notebook != COVERAGE]
    chapters = [
        Chapter(charts.heading(notebook), of(notebook, answers), of(notebook, others), _flows(document, notebook))
        for notebook in notebooks
    ]
    return [chapter for chapter in chapters if chapter.answers or chapter.flows]


def _flows(document: Mapping[str, Any], notebook: str) -> list[Mapping[str, Any]]:
    return [flow for flow in document["flows"] if flow["notebook"] == notebook]


# --- the lede ----------------------------------------------------------------------------


def lede(questions: Sequence[Mapping[str, Any]], results: Sequence[Result]) -> str:
    """The honest count: how many questions were fixed and how many have an answer, from the verdicts."""
    standings = [_standing(question, results) for question in questions]
    told = _listed([_clause(key, standings.count(key)) for key in CLAUSES if key in standings])
    if set(standings) == {"unknown"}:
        told = "none of them can be answered yet with these data"
    elif not {"answered", "partly"} & set(standings):
        told = f"none has an answer: {told}"
    count = charts.heading(_counted(len(questions)))
    return f"{count} questions were fixed before anyone looked. {charts.heading(told)}."


def _clause(standing: str, count: int) -> str:
    one, many = CLAUSES[standing]
    return (one if count == 1 else many).format(n=_counted(count))


def _counted(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


CLAUSES = {
    "answered": ("{n} has an answer", "{n} have an answer"),
    "partly": ("{n} has an answer in part", "{n} have an answer in part"),
    "described": ("{n} is described without a test", "{n} are described without a test"),
    "unknown": ("{n} cannot be answered yet", "{n} cannot be answered yet"),
    "untrusted": ("{n} answer should not be trusted", "{n} answers should not be trusted"),
    "hidden": ("{n} is not shown, to protect individuals", "{n} are not shown, to protect individuals"),
    "not asked": ("{n} was not asked in this edition", "{n} were not asked in this edition"),
}


def _standing(question: Mapping[str, Any], results: Sequence[Result]) -> str:
    """Where a question stands as a whole; with several headline results the more careful word wins."""
    if not question["asked"]:
        return "not asked"
    verdicts = {row.verdict for row in results if row.question == question["key"] and row.headline}
    known = verdicts & set(KNOWN)
    if known:
        return "answered" if verdicts == known else "partly"
    if "untrusted" in verdicts:
        return "untrusted"
    return next(iter(verdicts)) if verdicts in ({"hidden"}, {"described"}) else "unknown"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])}, and {parts[-1]}"


# --- words -------------------------------------------------------------------------------


def _smallest(effects: Mapping[str, float]) -> str:
    """The smallest effects that matter, in words."""
    parts = []
    for key, value in effects.items():
        what, unit = SMALLEST.get(key, (key.replace("_", " "), ""))
        parts.append(f"{what} {charts.number(value, unit)}")
    return ", ".join(parts)

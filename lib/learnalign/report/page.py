"""Results to the report: one HTML file that opens with what we know beside what we do not know.

The page asks nothing of the network, runs no script, and escapes every value. Counts and verdicts
on it come from the results; nothing about them is written in the template.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import Any

from markupsafe import Markup

from learnalign.report import marks, show
from learnalign.verdicts import change as editions
from learnalign.verdicts import document as results
from learnalign.verdicts import explain
from learnalign.verdicts.result import Result

SMALLEST = {
    "rating_sd": ("ratings", "SD"),
    "merit_pp": ("merit", "percentage points"),
    "hazard_ratio": ("the speed of closing gaps", "hazard ratio"),
    "share_pp": ("the share who acknowledge", "percentage points"),
}
DOSE = ("low", "middle", "high")  # steps of an amount, each against none
COVERAGE = "coverage"  # its section says what the data can answer, and who is in them
KNOWN = ("higher", "lower", "small", "none")
ORDER = (*KNOWN, "described", "unknown", "untrusted", "hidden")
CLOSING = (
    "These are patterns among groups, not proof of cause. Make no decision about one person, "
    "one manager or one team "
    "from them. How each could be wrong stands in report.html."
)
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
class Shown:
    """A picture as it stands on the page: the finding above it, and the drawing."""

    title: str
    svg: Markup
    more: str = ""


@dataclass(frozen=True)
class Answer:
    """A headline result as it is told: its question, its verdict in words, and the raw figure
    beside it.
    """

    question: Mapping[str, Any]
    row: Result
    raw: Result | None
    word: str
    aspect: str = ""  # which of several headline results of the question this is
    brief: str = ""  # the sentence for those with two minutes
    anchor: str = ""
    before: Result | None = None  # the same in the edition before
    change: editions.Change | None = None  # since then
    wait: str = ""  # how long what would settle it takes
    beside: Sequence[Result] = ()  # rows that are drawn on the same axis

    @property
    def is_known(self) -> bool:
        """Does it stand under "what we know"? A description does too: it claims nothing."""
        return self.row.verdict in (*KNOWN, "described")

    @property
    def is_drawn(self) -> bool:
        """Is there an interval to draw?"""
        return self.row.verdict != "hidden" and None not in (
            self.row.estimate,
            self.row.low,
            self.row.high,
        )


@dataclass(frozen=True)
class Chapter:
    """What one notebook found: its answers, pictures, limits, the rows beside them, and who was in
    the data.
    """

    title: str
    answers: Sequence[Answer]
    others: Sequence[Answer]
    flows: Sequence[Mapping[str, Any]]
    pictures: Sequence[Shown] = ()
    limits: Sequence[str] = ()


def render(document: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]] = ()) -> str:
    """The report of a run as one HTML page, from the content of its `results.json`; always the same
    bytes.

    `earlier` are the documents of the editions before, oldest first: a change is told only where
    the intervals support it. Results that stand on fewer people than the run's `min_group` are
    hidden here once more.
    """
    template, told = show.environment().get_template("report.html.j2"), _told(document, earlier)
    trends = {one.anchor: _trend(one.row, document, told["past"]) for one in told["answers"]}
    drawn = {
        "chapters": _chapters(document, told),
        "trends": trends,
        "coverage_pictures": _pictures(document, COVERAGE),
    }
    return template.render(told, **drawn).lstrip()


def summary(document: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]] = ()) -> str:
    """The edition as the text of a short e-mail: what we know, what we don't, and where the rest
    is.
    """
    page, run = _told(document, earlier), document["run"]
    told = [
        (
            f"{', '.join(filter(None, (run['title'], run.get('unit'))))}, edition of "
            f"{marks.date(run['as_of'])}"
        ),
        page["lede"],
        "WHAT WE KNOW",
    ]
    told += _briefly(page["known"]) or ["Nothing yet, from these data."]
    told += [
        "WHAT WE DON’T KNOW",
        *_briefly(page["unknown"]),
        *(f"- {key} {line}" for key, line in page["still_unknown"]),
    ]
    told += [f"- {question['key']} Not asked: {question['text']}" for question in page["not_asked"]]
    if page["changes"]:
        told.append(
            f"Since the edition of {marks.date(page['before']['run']['as_of'])}: {page['changes']}"
        )
    told.append(CLOSING)
    lines = (" ".join(marks.seen(one).split()) for one in told)
    return "".join(
        f"\n{line}\n" if not line.startswith("- ") else f"{line}\n" for line in lines
    ).lstrip()


def answers(document: Mapping[str, Any]) -> list[Answer]:
    """Every headline of a document as it is told, in the order of the questions."""
    asked, rows = (
        [question for question in document["questions"] if question["asked"]],
        _rows(document),
    )
    _require_known_questions(rows, asked)
    return [answer for question in asked for answer in _answers(question, rows, document, ())]


def _briefly(groups: Sequence[tuple[str, Sequence[Answer]]]) -> list[str]:
    lines = []
    for word, answers in groups:
        for one in answers:
            span = show.spread(one.row.low, one.row.high, one.row.unit)
            likely = f" (likely range {span})" if one.is_drawn else ""
            aspect = f", {one.aspect}" if one.aspect else ""
            asked, settle = (
                f"{one.question['key']} {one.question['text']}",
                f"{one.row.to_settle} {one.wait}",
            )
            lines.append(f"- {asked}{aspect} {word}: {one.brief}{likely} {settle}")
    return lines


def limits(notebook: Mapping[str, Any]) -> list[str]:
    """What a notebook says of how it could be wrong (its cells tagged `limits`), as plain paragraphs."""
    paragraphs = []
    for cell in notebook["cells"]:
        if "limits" in cell["metadata"].get("tags", ()):
            _, _, text = "".join(cell["source"]).partition("\n")  # its first line is the heading
            paragraphs += re.split(r"\n\s*\n|\n(?=- )", text.strip())
    return [" ".join(one.removeprefix("- ").replace("*", "").split()) for one in paragraphs]


Headlines = Mapping[
    tuple[str, ...], Result
]  # of an edition, by what makes a row the same row in another


def _told(document: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All that page and text tell, but for what is drawn."""
    asked = [question for question in document["questions"] if question["asked"]]
    rows = _rows(document)
    _require_known_questions(rows, asked)
    past = [(one["run"]["as_of"], {row.key: row for row in _rows(one)}) for one in earlier]
    answers = [answer for question in asked for answer in _answers(question, rows, document, past)]
    return {
        **{key: document[key] for key in ("run", "data", "versions", "questions", "coverage")},
        "words": document["verdict_words"],
        "smallest": _smallest(document["run"]["smallest_effect"]),
        "lede": lede(document["questions"], rows),
        **_explained(rows, document),
        "rows": rows,
        "past": past,
        "answers": answers,
        "routes": [(answer.question["key"], answer.row.verdict, answer.word) for answer in answers],
        "known": _by_word([answer for answer in answers if answer.is_known]),
        "unknown": _by_word([answer for answer in answers if not answer.is_known]),
        "first_look": next(
            (one.wait for one in answers if one.row.estimate is None and one.wait), ""
        ),
        "not_asked": [question for question in document["questions"] if not question["asked"]],
        "before": earlier[-1] if earlier else None,
        "changes": editions.summary(
            [one.change for one in answers if one.before and one.row.at != "raw"]
        ),
        "coverage_flows": _flows(document, COVERAGE),
        "coverage_limits": document["limits"].get(COVERAGE, ()),
        "texts": {question["key"]: question["text"] for question in document["questions"]},
    }


def _explained(rows: Sequence[Result], document: Mapping[str, Any]) -> dict[str, Any]:
    """What the rows come to, for readers who will not read them all."""
    do, do_not = explain.what_to_do(rows)
    return {
        "still_unknown": explain.still_unknown(rows),
        "to_record": explain.to_record(document["coverage"]),
        "actions": {"do": do, "do_not": do_not},
        "method": explain.method_of(rows),
        "asks": explain.checks_of(rows),
        "glossary": explain.glossary(_words(document)),
    }


def _words(document: Mapping[str, Any]) -> str:
    """Every word that the edition may use, for the glossary: those of its rows."""
    return " ".join(
        str(row[key])
        for row in document["results"]
        for key in ("sentence", "note", "method", "unit")
    )


def _rows(document: Mapping[str, Any]) -> tuple[Result, ...]:
    return show.suppressed(results.rows_of(document), document["run"]["min_group"])


def _require_known_questions(rows: Sequence[Result], asked: Sequence[Mapping[str, Any]]) -> None:
    strangers = {row.question for row in rows} - {question["key"] for question in asked}
    if strangers:
        raise ValueError(
            f"results for questions that were not asked: {', '.join(sorted(strangers))}"
        )


def _answers(
    question: Mapping[str, Any],
    rows: Sequence[Result],
    document: Mapping[str, Any],
    past: Sequence[tuple[str, Headlines]],
) -> list[Answer]:
    mine = [row for row in rows if row.question == question["key"]]
    pairs = [(row, raw) for row, raw in show.paired(mine) if row.headline] or [
        (_silence(question), None)
    ]
    shared = len(commonprefix([row.measure for row, _ in pairs]))
    words, pace, answers = document["verdict_words"], document["data"]["pace"], []
    for row, raw in pairs:
        aspect = row.measure[shared:].replace("_", " ").strip() if len(pairs) > 1 else ""
        before = past[-1][1].get(row.key) if past else None
        answers.append(
            Answer(
                question,
                row,
                None if row.verdict == "hidden" else raw,
                words[row.verdict],
                aspect,
                brief=explain.brief(row),
                anchor=f"{row.question}-{len(answers) + 1}",
                before=before,
                change=editions.change(row, before, words) if past else None,
                wait=editions.wait(row, pace["cycles"], pace["months"]),
            )
        )
    return answers


def _trend(
    row: Result, document: Mapping[str, Any], past: Sequence[tuple[str, Headlines]]
) -> Shown | None:
    """A headline over the editions, where there are three or more that can be drawn on one axis."""
    found = [(day, rows.get(row.key)) for day, rows in past] + [(document["run"]["as_of"], row)]
    axis = (row.unit, row.smallest_effect)
    alike = [(day, one) for day, one in found if one and (one.unit, one.smallest_effect) == axis]
    if len(alike) < 3 or row.estimate is None:
        return None
    return _shown(show.trend(alike, min_group=document["run"]["min_group"]))


def _others(
    question: Mapping[str, Any], rows: Sequence[Result], words: Mapping[str, str]
) -> list[Answer]:
    mine = [
        row
        for row in rows
        if row.question == question["key"] and not row.headline and row.at != "raw"
    ]
    mine.sort(
        key=lambda row: row.verdict == "described"
    )  # what was judged comes before what is only described
    return [
        Answer(
            question,
            row,
            None,
            words[row.verdict],
            beside=[one for one in mine if one.unit == row.unit],
        )
        for row in mine
    ]


def _silence(question: Mapping[str, Any]) -> Result:
    """A question that was asked and has no result must not vanish: the default is "we don't know"."""
    return Result(
        question=question["key"],
        measure="",
        headline=True,
        group="company",
        at="",
        estimate=None,
        low=None,
        high=None,
        level=0.95,
        unit="",
        n_people=None,
        n_clusters=None,
        method="",
        design="described",
        verdict="unknown",
        sentence="We don’t know: this edition holds no result for it.",
        checks=(),
        smallest_effect=None,
        detectable_effect=None,
        to_settle="",
        shown=True,
        note="",
    )


def _by_word(answers: Sequence[Answer]) -> list[tuple[str, list[Answer]]]:
    """The answers in the order of their verdicts, those with the same word together."""
    ordered = sorted(answers, key=lambda answer: ORDER.index(answer.row.verdict))
    words = dict.fromkeys(answer.word for answer in ordered)
    return [(word, [answer for answer in ordered if answer.word == word]) for word in words]


def _chapters(document: Mapping[str, Any], page: Mapping[str, Any]) -> list[Chapter]:
    answers, words = page["answers"], document["verdict_words"]
    asked = {answer.question["key"]: answer.question for answer in answers}
    others = [
        other for question in asked.values() for other in _others(question, page["rows"], words)
    ]

    def of(notebook: str, found: Sequence[Answer]) -> list[Answer]:
        return [answer for answer in found if answer.question["notebook"] == notebook]

    named = [*document["run"]["notebooks"], *(answer.question["notebook"] for answer in answers)]
    notebooks = [notebook for notebook in dict.fromkeys(named) if notebook != COVERAGE]
    chapters = [
        Chapter(
            show.heading(notebook),
            of(notebook, answers),
            of(notebook, others),
            _flows(document, notebook),
            [*_doses(of(notebook, others)), *_pictures(document, notebook)],
            document["limits"].get(notebook, ()),
        )
        for notebook in notebooks
    ]
    return [chapter for chapter in chapters if chapter.answers or chapter.flows]


def _pictures(document: Mapping[str, Any], notebook: str) -> list[Shown]:
    records = [record for record in document["pictures"] if record["notebook"] == notebook]
    return [_shown(show.draw(record)) for record in records]


def _doses(others: Sequence[Answer]) -> list[Shown]:
    """Steps of an amount, drawn in their order."""
    measures = dict.fromkeys(other.row.measure for other in others)
    steps = [
        [one.row for one in others if one.row.measure == name and one.row.at in DOSE]
        for name in measures
    ]
    shown = []
    for rows in steps:
        told = [
            f"{row.at} {show.number(row.estimate, row.unit)}"
            for row in rows
            if row.estimate is not None
        ]
        if len(told) > 1:
            title = f"How much: {', '.join(told)}, each against none"
            shown.append(Shown(title, Markup(show.dose(rows).svg)))
    return shown


def _shown(picture: show.Picture) -> Shown:
    first, _, rest = picture.title.replace("\n", " ").partition(
        ". "
    )  # a long finding: its first sentence is the title
    return Shown(first, Markup(picture.svg), rest)


def _flows(document: Mapping[str, Any], notebook: str) -> list[Mapping[str, Any]]:
    return [flow for flow in document["flows"] if flow["notebook"] == notebook]


# --- the lede


def lede(questions: Sequence[Mapping[str, Any]], results: Sequence[Result]) -> str:
    """The honest count: how many questions were fixed and how many have an answer, from the
    verdicts.
    """
    standings = [_standing(question, results) for question in questions]
    told = _listed([_clause(key, standings.count(key)) for key in CLAUSES if key in standings])
    if set(standings) == {"unknown"}:
        told = "none of them can be answered yet with these data"
    elif not {"differs", "none", "partly"} & set(standings):
        told = f"none has an answer: {told}"
    count = show.heading(_counted(len(questions)))
    return f"{count} questions were fixed before anyone looked. {show.heading(told)}."


def _clause(standing: str, count: int) -> str:
    one, many = CLAUSES[standing]
    return (one if count == 1 else many).format(n=_counted(count))


def _counted(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


CLAUSES = {
    "differs": ("{n} shows a difference", "{n} show a difference"),
    "none": ("{n} shows practically none", "{n} show practically none"),
    "partly": ("{n} has an answer in part", "{n} have an answer in part"),
    "described": ("{n} is described without a test", "{n} are described without a test"),
    "unknown": ("{n} cannot be answered yet", "{n} cannot be answered yet"),
    "untrusted": ("{n} answer should not be trusted", "{n} answers should not be trusted"),
    "hidden": (
        "{n} is not shown, to protect individuals",
        "{n} are not shown, to protect individuals",
    ),
    "not asked": ("{n} was not asked in this edition", "{n} were not asked in this edition"),
}


def _standing(question: Mapping[str, Any], results: Sequence[Result]) -> str:
    """Where a question stands as a whole; with several headline results the more careful word wins."""
    if not question["asked"]:
        return "not asked"
    verdicts = {row.verdict for row in results if row.question == question["key"] and row.headline}
    known = verdicts & set(KNOWN)
    if known:
        return "partly" if verdicts != known else "none" if verdicts == {"none"} else "differs"
    if "untrusted" in verdicts:
        return "untrusted"
    return next(iter(verdicts)) if verdicts in ({"hidden"}, {"described"}) else "unknown"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])}, and {parts[-1]}"


# --- words


def _smallest(effects: Mapping[str, float]) -> str:
    """The smallest effects that matter, in words."""
    parts = []
    for key, value in effects.items():
        what, unit = SMALLEST.get(key, (key.replace("_", " "), ""))
        parts.append(f"{what} {show.number(value, unit)}")
    return ", ".join(parts)

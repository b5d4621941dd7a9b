"""Results to the report: one HTML file whose title is the finding; the appendix holds the rest.

The page asks nothing of the network, runs no script, and escapes every value. Counts and verdicts
on it come from the results; nothing about them is written in the template.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os.path import commonprefix
from typing import Any

from markupsafe import Markup

from learnalign.privacy import rule
from learnalign.report import front, show, steps
from learnalign.report.marks import environment, is_drawn, line, paired, routes_svg
from learnalign.report.show import Answer
from learnalign.report.shown import Shown
from learnalign.report.tables import axes, groups
from learnalign.report.typesetting import faces, heading, phrases, say, seen
from learnalign.verdicts import change as editions
from learnalign.verdicts import document as results
from learnalign.verdicts import explain, plain
from learnalign.verdicts import rows as rows_of
from learnalign.verdicts import words as words_of
from learnalign.verdicts.registry import is_own
from learnalign.verdicts.result import Result, number

DOSE = ("low", "middle", "high")  # steps of an amount, each against none
COVERAGE = "coverage"  # its section says what the data can answer, and who is in them
KNOWN = ("higher", "lower", "small", "none")
LOOKED = rows_of.EMPTY | {"question": "", "measure": "", "verdict": "described", "shown": True}
ORDER = {"described": 1, "hidden": 2}  # of rows beside a headline, after those that were judged
BY_SIZE = "learning_to_closure"

Document = Mapping[str, Any]
# Headlines of an edition, by what makes a row the same row in another; and the day it counts up to
Edition = tuple[str, Mapping[tuple[str, ...], Result]]


def render(document: Document, earlier: Sequence[Document] = ()) -> str:
    """The report of a run as one HTML page, from the content of its `results.json`; always the same
    bytes.

    `earlier` are the documents of the editions before, oldest first: a change is told only where
    the intervals support it. Results that stand on fewer people than the run's `min_group` are
    hidden here once more.
    """
    told = _told(document, earlier)
    answers = [
        replace(one, trend=_trend(one.row, document, told["past"])) for one in told["answers"]
    ]
    drawn = {
        "chapters": _chapters(document, answers, told["rows"]),
        "map": routes_svg([(one.question["key"], one.row.verdict, one.word) for one in answers]),
        "coverage_pictures": _pictures(document, COVERAGE),
        "own": [
            one | {"pictures": _pictures(document, one["notebook"]), "lines": _lines(one["told"])}
            for one in document.get("own", ())
        ],
    }
    drawn["faces"] = faces(document)
    return environment().get_template("report.html.j2").render(told | drawn).lstrip()


def summary(document: Document, earlier: Sequence[Document] = ()) -> str:
    """The edition as the text of a short e-mail: the finding, what is not known, what to do, and
    where the rest is.
    """
    text = environment().overlay(
        autoescape=False, finalize=lambda value: " ".join(seen(str(value)).split())
    )
    told = text.get_template("summary.txt.j2").render(_told(document, earlier))
    return "".join(f"{line.rstrip()}\n" for line in told.splitlines())


def answers(document: Document) -> list[Answer]:
    """Every headline of a document as it is told, in the order of the questions."""
    return _all_answers(document, _rows(document), ())


def limits(notebook: Mapping[str, Any]) -> list[str]:
    """What a notebook says of how it could be wrong (its cells tagged `limits`), by paragraph."""
    paragraphs = []
    for cell in notebook["cells"]:
        if "limits" in cell["metadata"].get("tags", ()):
            _, _, text = "".join(cell["source"]).partition("\n")  # its first line is the heading
            paragraphs += re.split(r"\n\s*\n|\n(?=- )", text.strip())
    return [_plain(one) for one in paragraphs]


def memo(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """What the author of a chapter of one's own wrote: its title, and its prose by paragraph."""
    texts = [
        "".join(cell["source"])
        for cell in notebook["cells"]
        if cell["cell_type"] == "markdown" and "limits" not in cell["metadata"].get("tags", ())
    ]
    title, *paragraphs = re.split(r"\n\s*\n|\n(?=- )", "\n\n".join(texts).strip())
    return {"title": _plain(title), "prose": [_plain(one) for one in paragraphs]}


def _plain(paragraph: str) -> str:
    """Without the marks of Markdown."""
    return " ".join(re.sub(r"^(- |#+ )|[*`]", "", paragraph.strip()).split())


# --- what page and text tell


def _told(document: Document, earlier: Sequence[Document]) -> dict[str, Any]:
    """All that page and text tell, but for what is drawn."""
    rows = _rows(document)
    past = [(one["run"]["as_of"], {row.key: row for row in _rows(one)}) for one in earlier]
    answers = _all_answers(document, rows, past)
    changes = [one.change for one in answers if one.before and one.row.at != "raw"]
    used = ("sentence", "note", "method", "unit")
    return {
        **document,
        "words": document["verdict_words"],
        "used": " ".join(str(row[key]) for row in document["results"] for key in used),
        "lede": lede(document["questions"], rows),
        "explain": explain,
        "rows": rows,
        "past": past,
        "answers": answers,
        "known": any(map(is_known, answers)),
        "before": earlier[-1] if earlier else None,
        "moved_since": _moved_since([*earlier, document]),
        "changes": editions.summary(changes),
    } | front.front(document, rows, answers)


def _moved_since(editions: Sequence[Document]) -> str:
    """The first edition whose figures are moved, where there are some before it that are not."""
    moved = [one["run"]["as_of"] for one in editions if one["run"].get("noise")]
    return moved[0] if 0 < len(moved) < len(editions) else ""


def _rows(document: Document) -> tuple[Result, ...]:
    return rule.suppress(results.rows_of(document), document["run"]["min_group"])


def _all_answers(
    document: Document, rows: Sequence[Result], past: Sequence[Edition]
) -> list[Answer]:
    asked = [question for question in document["questions"] if question["asked"]]
    if strangers := {row.question for row in rows} - {question["key"] for question in asked}:
        names = ", ".join(sorted(strangers))
        raise ValueError(f"results for questions that were not asked: {names}")
    return [one for question in asked for one in _answers(question, rows, document, past)]


def _answers(
    question: Mapping[str, Any], rows: Sequence[Result], document: Document, past: Sequence[Edition]
) -> list[Answer]:
    mine = [row for row in rows if row.question == question["key"]]
    pairs = [(row, raw) for row, raw in paired(mine) if row.headline]
    pairs = pairs or [(rows_of.silent(question["key"]), None)]
    shared = len(commonprefix([row.measure for row, _ in pairs]))
    words, pace = document["verdict_words"], document["data"]["pace"]
    apart = bool(document["run"].get("unit"))  # its figures are moved much more
    answers = []
    for place, (row, raw) in enumerate(pairs, 1):
        before = past[-1][1].get(row.key) if past else None
        answers.append(
            Answer(
                question,
                row,
                None if row.verdict == "hidden" else raw,
                words_of.verdict(row, words),
                row.measure[shared:].replace("_", " ").strip() if len(pairs) > 1 else "",
                brief=words_of.brief(row),
                anchor=f"{row.question}-{place}",
                before=before,
                change=editions.change(row, before, words, apart=apart) if past else None,
                wait=editions.wait(row, pace["cycles"], pace["months"]),
            )
        )
    return answers


def is_known(answer: Answer) -> bool:
    """Is there an answer? A description is one too: it claims nothing."""
    return plain.stands(answer.row) or answer.row.verdict == "described"


# --- what is drawn


def _trend(row: Result, document: Document, past: Sequence[Edition]) -> Shown | None:
    """A headline over the editions, where there are three or more that can be drawn on one axis."""
    found = [(day, rows.get(row.key)) for day, rows in past] + [(document["run"]["as_of"], row)]
    axis = (row.unit, row.smallest_effect)
    alike = [(day, one) for day, one in found if one and (one.unit, one.smallest_effect) == axis]
    if len(alike) < 3 or row.estimate is None:
        return None
    return steps.trend(alike)


def _chapters(
    document: Document, answers: Sequence[Answer], rows: Sequence[Result]
) -> list[dict[str, Any]]:
    """What each notebook found: its answers, pictures, limits, the rows beside them, and who was in
    the data.
    """
    chapter_of = {question["key"]: question["notebook"] for question in document["questions"]}
    named = [*document["run"]["notebooks"], *(one.question["notebook"] for one in answers)]
    chapters = []
    for notebook in dict.fromkeys(named):
        mine = [one for one in answers if one.question["notebook"] == notebook]
        flows = [flow for flow in document["flows"] if flow["notebook"] == notebook]
        if notebook == COVERAGE or not (mine or flows) or (is_own(notebook) and not mine):
            continue
        rest = [row for row in rows if chapter_of[row.question] == notebook]
        others = [row for row in rest if not row.headline and row.at != "raw"]
        # What was judged comes before what is only described, question by question
        keys = [*dict.fromkeys(one.question["key"] for one in mine)]
        others.sort(key=lambda row: (keys.index(row.question), *_place(row)))
        chapters.append(
            {
                "title": heading(notebook),
                "answers": mine,
                "beside": groups(others),
                "axes": axes(others),
                "flows": flows,
                "pictures": [*_doses(others), *_pictures(document, notebook)],
                "limits": document["limits"].get(notebook, ()),
            }
        )
    return chapters


def _place(row: Result) -> tuple[int, float]:
    """Judged, described, hidden; kinds of learning by size, groups of people never."""
    by_size = row.measure == BY_SIZE and row.estimate is not None
    return ORDER.get(row.verdict, 0), -row.estimate if by_size else 0.0


def _doses(others: Sequence[Result]) -> list[Shown]:
    """Steps of an amount, drawn in their order."""
    shown = []
    for measure in dict.fromkeys(row.measure for row in others):
        rows = [row for row in others if row.measure == measure and row.at in DOSE]
        told = [f"{row.at} {number(row.estimate, row.unit)}" for row in rows if is_drawn(row)]
        if len(told) > 1:
            shown.append(steps.dose(rows, title=_how_much(measure, told)))
    return shown


def _how_much(measure: str, told: Sequence[str]) -> str:
    return say("dose", what=measure.replace("_", " "), steps=", ".join(told))


def _pictures(document: Document, notebook: str) -> list[Shown]:
    return [show.draw(record) for record in document["pictures"] if record["notebook"] == notebook]


def _lines(told: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """Where looks and facts of a chapter of one's own lie, a line each, one axis for a unit; empty
    where none is drawn.
    """
    rows = [
        Result(**LOOKED | {name: one.get(name) for name in results.LIES if name in one})
        for one in told
    ]
    at = axes(rows)
    lines = [line(row, at[row.unit]) if is_drawn(row) else Markup() for row in rows]
    return lines if any(lines) else []


# --- the lede


def lede(questions: Sequence[Mapping[str, Any]], results: Sequence[Result]) -> str:
    """The honest count: how many questions were fixed and how many have an answer, from the
    verdicts.
    """
    standings = [_standing(question, results) for question in questions]
    clauses = phrases()["standings_of_questions"]
    told = words_of.listed(
        [
            many[count > 1].format(n=_counted(count))
            for key, many in clauses.items()
            if (count := standings.count(key))
        ]
    )
    if set(standings) == {"unknown"}:
        told = say("lede.nothing")
    elif not {"differs", "none", "partly"} & set(standings):
        told = say("lede.no_answer", told=told)
    return say("lede.count", n=heading(_counted(len(questions))), told=heading(told))


def _counted(count: int) -> str:
    return dict(enumerate(phrases()["numbers"])).get(count, str(count))


def _standing(question: Mapping[str, Any], results: Sequence[Result]) -> str:
    """Where a question stands as a whole; of several headlines the more careful word wins."""
    if not question["asked"]:
        return "not asked"
    mine = [row for row in results if row.question == question["key"] and row.headline]
    doubted = [row for row in mine if row.verdict == "none" and words_of.failures(row)]
    verdicts = {"unknown" if row in doubted else row.verdict for row in mine}
    known = verdicts & set(KNOWN)
    if known:
        return "partly" if verdicts != known else "none" if verdicts == {"none"} else "differs"
    if "untrusted" in verdicts:
        return "untrusted"
    return next(iter(verdicts)) if verdicts in ({"hidden"}, {"described"}) else "unknown"

"""The page before its appendix: the finding as its title, what was found, what is not known, what
to do, and five chapters with a picture each.

Records for the template, made of rows that may be shown; their words are `verdicts.plain`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup
from scipy.stats import t

from learnalign.report import steps
from learnalign.report.marks import is_drawn, line, scale
from learnalign.report.show import Answer
from learnalign.report.shown import Shown, part
from learnalign.report.typesetting import percent
from learnalign.verdicts import explain, plain, words
from learnalign.verdicts.result import Result, spread
from learnalign.verdicts.words import name, sentence_case

Document = Mapping[str, Any]
MOST = 5  # rows of the first screen
THREE = 3  # things that are not known, and to do
FIRST = ("Q3", "Q2", "Q4", "Q6", "Q5")  # whose rows come first: merit and rating, then the others
ALWAYS = 2  # of these, known or not
FEW_UNITS = 5  # fewer say nothing of units: of what they have in common, or how they differ
LOOKS = {"shown": "higher", "held": "higher", "doubted": "untrusted"}  # how a certainty is drawn


@dataclass(frozen=True)
class Line:
    """A headline as it stands on the page: what was found, from what to what, how sure."""

    answer: Answer
    says: str
    change: str  # from → to
    likely: str
    before: str  # the same, last time
    in_full: str
    certainty: str
    word: str
    look: str  # a key of `marks.LOOKS`

    @property
    def line(self) -> Markup:
        """Its interval on an axis of its own, drawn as sure as it is."""
        row = self.answer.row
        return line(row, scale([row]), self.look)


@dataclass(frozen=True)
class Chapter:
    """A chapter: what it asks, its headlines, what is counted beside them, and its picture."""

    key: str
    title: str
    asks: str
    lines: Sequence[Line]
    facts: Sequence[str]
    picture: Shown | None


def front(document: Document, rows: Sequence[Result], answers: Sequence[Answer]) -> dict[str, Any]:
    """What the template is given of the page before its appendix."""
    lines = [of_answer(one) for one in answers]
    waits = {one.row.measure: one.wait for one in answers}
    do, do_not = explain.what_to_do(rows)
    return {
        "title": plain.title(rows, is_unit=bool(document["run"].get("unit"))),
        "lines": lines,
        "first": chosen(lines),
        "open": plain.unknowns(rows, waits, THREE),
        "actions": do[:THREE],
        "more_actions": do[THREE:],
        "do_not": do_not,
        "chapters_of_page": chapters(rows, lines, {"lead": _network(document)}),
        "drivers": _drivers(document, rows),
        "front": plain.front(),
        "people": _who(document),
        "said": _said(rows),
    }


def of_answer(answer: Answer) -> Line:
    """A headline with its words."""
    row, state = answer.row, plain.certainty(answer.row)
    return Line(
        answer,
        plain.finding(row),
        plain.change(row) if plain.stands(row) else "",
        plain.likely(row),
        plain.last_time(answer.before),
        plain.in_full(row) if plain.stands(row) else "",
        state,
        plain.front()["certainty"][state],
        look(row),
    )


def look(row: Result) -> str:
    """How a row is drawn: as sure as it is."""
    state = plain.certainty(row)
    return LOOKS.get(state, state)


def chosen(lines: Sequence[Line]) -> list[Line]:
    """At most five, a question once: merit and rating, then those that stand, then the doubted.

    What is left of the room goes to what is not known.
    """
    once = {}
    for one in lines:
        held = once.get(one.answer.question["key"])
        if one.certainty != "described" and (held is None or _weight(one) > _weight(held)):
            once[one.answer.question["key"]] = one
    keys = [*FIRST, *(key for key in once if key not in FIRST)]
    ordered = [once[key] for key in keys if key in once]
    always = [one for one in ordered if one.answer.question["key"] in FIRST[:ALWAYS]]
    rest = [one for one in ordered if one not in always]
    weight = {"shown": 0, "held": 0, "doubted": 1}
    rest.sort(key=lambda one: weight.get(one.certainty, 2))
    return [*always, *rest][:MOST]


def _weight(one: Line) -> int:
    """Which of a question's headlines speaks for it: harm, else what stands, else the first."""
    row = one.answer.row
    return plain.stands(row) * (2 if plain.direction(row) == "lower" else 1)


def _who(document: Document) -> dict[str, Any]:
    """Whose reviews these are, as the first line says it."""
    tables = {one["table"]: one for one in document["data"]["tables"]}
    reviews = tables.get("reviews", {})
    return {key: reviews.get(key) for key in ("people", "first", "last", "at_least")}


def _said(rows: Sequence[Result]) -> dict[str, Any] | None:
    """How many say it, in a sentence and as a line from half-year to half-year; from 0 to 100."""
    told = plain.front()["dek"]["said"]
    own = [row for row in rows if row.measure == told["a"][0] and row.unit == "%" and is_drawn(row)]
    if len(own) < 2:
        return None
    step = 120 / (len(own) - 1)
    heights = [round(26 - 0.22 * row.estimate, 1) for row in own]
    points = [(round(6 + step * place, 1), y) for place, y in enumerate(heights)]
    return {"says": plain.facts([told], rows)[0], "points": points}


# --- chapters


def chapters(
    rows: Sequence[Result], lines: Sequence[Line], more: Mapping[str, Sequence[str]]
) -> list[Chapter]:
    """The five chapters, with `more` facts of each; and one where something else was asked."""
    told = plain.front()
    made = [_chapter(about, rows, lines, more.get(about["key"], ())) for about in told["chapters"]]
    keys = {key for about in told["chapters"] for key in about["questions"]}
    others = [one.answer.question["key"] for one in lines]
    if rest := [key for key in dict.fromkeys(others) if key not in keys]:
        made.append(_chapter(told["also"] | {"questions": rest, "facts": []}, rows, lines))
    return made


def _chapter(
    about: Mapping[str, Any],
    rows: Sequence[Result],
    lines: Sequence[Line],
    more: Sequence[str] = (),
) -> Chapter:
    own = [one for key in about["questions"] for one in lines if one.answer.question["key"] == key]
    facts = [*plain.facts(about["facts"], rows), *more]
    if "kinds" in about:
        facts = [*_kinds(about["kinds"], rows), *facts]
    picture = _picture(about["picture"], rows) if "picture" in about else None
    return Chapter(about["key"], about["title"], about["asks"], own, facts, picture)


def _kinds(measure: str, rows: Sequence[Result]) -> list[str]:
    """Which parts of a family go with it, and of which it is not known."""
    told, kinds = plain.front()["kinds"], plain.front()["certainty"]
    own = [row for row in rows if row.measure == measure and " " not in row.at and row.shown]
    seen = _sooner(own)
    unknown = [row for row in own if row.verdict in ("unknown", "untrusted")]
    said = []
    if seen:
        word = kinds[plain.certainty(seen[0])]
        said.append(told["seen"].format(names=_named(seen), word=word))
    return said + ([told["unknown"].format(names=_named(unknown))] if unknown else [])


def _sooner(rows: Sequence[Result]) -> list[Result]:
    kinds = [row for row in rows if " " not in row.at]  # and not any of them
    return [row for row in kinds if plain.stands(row) and plain.direction(row) == "higher"]


def _network(document: Document) -> list[str]:
    """Who is asked, and how concentrated answering is: counted in the network's own picture."""
    told = plain.front()["network"]
    some = [one["rows"] for one in document["pictures"] if one["kind"] == "network"]
    known = {row["fact"]: row for rows in some for row in rows if row["shown"]}
    up, own, alike = (known.get(told[name]) for name in ("up", "answering", "anybody"))
    said = [told["says"].format(up=f"{up['recorded']:.0f}")] if up else []
    if own and alike and own["low"] > alike["high"]:
        said.append(told["few"])
    return said


def _named(rows: Sequence[Result]) -> str:
    return words.listed([name(row).replace("_", " ") for row in rows])


# --- pictures: small ones, of rows that are published


def _picture(about: Mapping[str, Any], rows: Sequence[Result]) -> Shown | None:
    """The one picture of a chapter; None where nothing of it can be drawn."""
    of = about["of"]
    own = [row for measure in of for row in rows if row.measure == measure and row.at != "raw"]
    own = [row for row in own if is_drawn(row) and row.headline == (about["kind"] == "headlines")]
    if about["kind"] in ("shares", "trend"):
        own = [row for row in own if row.unit == "%"]
    if not own or len({row.unit for row in own}) > 1:
        return None
    if about.get("sorted"):
        own.sort(key=lambda row: -row.estimate)
    if "starts" in about:
        own = [row for row in own if row.at.startswith(about["starts"])]
    if about["kind"] == "trend":
        return bars(_trend(about, rows), own)
    if about["kind"] == "event":
        return strips(_by_interval(about["title"], own[0]), own, {})
    if about["kind"] == "shares":
        return bars("".join(plain.facts([about["title"]], rows)), own)
    return strips(_found(own), own, dict(zip(of, about.get("labels", ()), strict=False)))


def _trend(about: Mapping[str, Any], rows: Sequence[Result]) -> str:
    """What became of shares that follow each other: by the interval of their change alone."""
    of, told = about["of"], about["title"]
    changes = [row for row in rows if row.measure in of and row.unit != "%" and is_drawn(row)]
    if not changes:
        return str(told["alone"])
    return _by_interval(told, changes[0])


def _by_interval(told: Mapping[str, str], row: Result) -> str:
    """Words for a counted difference, by the side of 0 that all of its interval is on; without its
    size: the shares beside it are moved each, and another figure for one thing would confuse.
    """
    side = "higher" if row.low > 0 else "lower" if row.high < 0 else "none"
    return str(told[side])


def _found(rows: Sequence[Result]) -> str:
    """A title by the verdicts: of headlines the first difference that stands, else the first."""
    if not rows[0].headline:
        told, seen = plain.front()["kinds"], _sooner(rows)
        first = told["title"].format(names=_named(seen)) if seen else told["no title"]
        return f"{first}. {steps.findings(rows)}".replace("\n", " ")
    differ = [row for row in rows if plain.stands(row) and plain.direction(row) != "none"]
    return plain.finding([*differ, *rows][0])


def bars(title: str, rows: Sequence[Result]) -> Shown:
    """Shares as bars from 0 to 100, a line each, with their likely ranges; in the order given."""
    told = [
        (_label(row, {}), percent(row.estimate), row.estimate, (row.low, row.high)) for row in rows
    ]
    return part("bars", title, rows=told)


def strips(title: str, rows: Sequence[Result], labels: Mapping[str, str]) -> Shown:
    """Intervals on one axis, a line each, against what is too small to matter; `labels` of
    measures.
    """
    axis = scale(rows)
    unit = rows[0].unit if rows[0].unit == "hazard ratio" else ""
    told = [
        (_label(row, labels), line(row, axis, look(row)), spread(row.low, row.high, unit))
        for row in rows
    ]
    return part("strips", title, rows=told)


def _label(row: Result, labels: Mapping[str, str]) -> str:
    if row.at:
        return sentence_case(row.at.replace("_", " "))
    return labels.get(row.measure) or plain.finding(row)


# --- drivers, mirror and room


def _drivers(document: Document, rows: Sequence[Result]) -> dict[str, Any]:
    """The page for drivers, mirror and room: one picture of all units together, and what came out
    beside each question.
    """
    told = plain.front()["drivers"]
    grids = [one for one in document["pictures"] if one["kind"] == "grid"]
    return {
        "facts": plain.facts(told["facts"], rows),
        "picture": of_drivers(grids[0]) if grids else None,
    } | {key: plain.asked(told[key]["asks"], rows) for key in ("mirror", "room")}


def of_drivers(record: Mapping[str, Any]) -> Shown | None:
    """The drivers as all units together score them, under what is said least; None where nothing
    may be shown.
    """
    units = {row["unit"]: _scores(record["columns"], row["cells"]) for row in record["rows"]}
    all_ = units.pop("all units", {})
    if not all_:
        return None
    few = _fewest(pd.DataFrame(units.values(), columns=[*all_]), all_)
    names = words.listed([name.replace(" and ", " with ") for name in few or all_])
    key = "single" if len(all_) == 1 else "least" if few else "unknown"
    told = plain.front()["drivers"]["picture"][key]
    title = told.format(names=names, n=sum(map(bool, units.values())))
    bars_ = [(sentence_case(key), f"{score:.1f}", 25 * (score - 1)) for key, score in all_.items()]
    return part("bars", title, rows=[(*bar, None) for bar in bars_])


def _scores(columns: Sequence[str], cells: Sequence[Any]) -> dict[str, float]:
    """What is said of each driver: the mean of its parts that were measured and may be shown."""
    by: dict[str, list[float]] = {}
    for column, cell in zip(columns, cells, strict=True):
        if not isinstance(cell, str) and cell is not None:
            by.setdefault(column.split(": ")[0], []).append(float(cell))
    return {key: sum(some) / len(some) for key, some in by.items()}


def _fewest(scores: pd.DataFrame, all_: Mapping[str, float]) -> list[str]:
    """The drivers that units score lower than the others beyond chance, the lowest first: those of
    which the whole interval over units is below 0, at a level for all drivers together. None where
    a unit scores some drivers only, or where others are lowest in `all_` units together.
    """
    scores = scores.dropna(how="all")
    if len(scores) < FEW_UNITS or scores.shape[1] < 2 or scores.isna().any(axis=None):
        return []
    less = scores.sub(scores.mean(axis=1), axis=0)
    reach = t.ppf(1 - 0.05 / (2 * scores.shape[1]), len(scores) - 1)
    high = less.mean() + reach * less.std() / len(scores) ** 0.5
    found = [str(name) for name in less.mean().sort_values().index if high[name] < 0]
    lowest = sorted(all_, key=lambda name: all_[name])[: len(found)]
    return found if {*found} == {*lowest} else []

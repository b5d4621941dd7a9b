"""Explaining: what the results come to, for readers who will not read them all; every line follows
from the rows.

Pure functions over rows and the files of `en/`. A row is taken as it may be shown: what privacy
hides is told as hidden.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

import jinja2
import pandas as pd

from learnalign.verdicts import words
from learnalign.verdicts.registry import measures, missing_needs, phrases, questions, verdict_words
from learnalign.verdicts.result import Result, number
from learnalign.verdicts.words import listed, sentence_case

KNOWN = ("higher", "lower", "small", "none", "described")
LONG = 22  # words of a line: what is longer is told with fewer
A_QUESTION = 2  # lines
MOST = 6  # lines of what to do, and of what not


# --- before any result


COVERAGE = (
    "question",
    "text",
    "needs",
    "missing",
    "detectable_effect",
    "smallest_effect",
    "unit",
    "sentence",
)


def coverage(
    filled: frozenset[str],
    detectable: Mapping[str, float | None],
    smallest_effect: Mapping[str, float],
) -> pd.DataFrame:
    """For every question: what it needs, what is missing, and what could be detected, before any
    result.

    `detectable` holds the detectable effect of the measures that this edition estimates (None: too
    few people to compare).
    """
    rows, told = [], phrases("sentences")["coverage"]
    for question in questions().values():
        key, measure = next(iter(question.measures.items()))
        missing, smallest = missing_needs(question, filled), smallest_effect.get(measure.smallest)
        seen = None if missing else detectable.get(key)
        if missing or key not in detectable:
            branch = "missing" if missing else "cost" if measure.estimator == "cost" else "there"
        elif seen is None:
            branch = "nobody"
        else:
            branch = "fine" if smallest and seen <= smallest else "coarse"
        needs, lacks = ([need.what for need in some] for some in (question.needs, missing))
        sentence = told[branch].format(
            missing=listed([need.missing for need in missing]),
            smallest=number(smallest, measure.unit),
            detectable=number(seen, measure.unit),
        )
        about = (question.key, question.text, needs, lacks)
        rows.append((*about, seen, smallest, measure.unit, sentence))
    return pd.DataFrame(rows, columns=list(COVERAGE), dtype=object)


def to_record(coverage: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """What is missing in the data, in words, and the questions that need it; what opens most
    questions first.

    `coverage` has a row per question with `question` and `missing`, as `coverage` gives it.

    >>> to_record([{"question": "Q1", "missing": ["learning"]}])
    [('learning activities, with their dates', ['Q1'])]
    """
    settle = {need.what: need.settle for one in questions().values() for need in one.needs}
    opens: dict[str, list[str]] = {}
    for row in coverage:
        for what in row["missing"]:
            opens.setdefault(settle.get(what, what), []).append(row["question"])
    return sorted(opens.items(), key=lambda item: -len(item[1]))


# --- what is still not known


def still_unknown(rows: Sequence[Result]) -> tuple[tuple[str, str], ...]:
    """What remains unknown although a headline has an answer: question and line; "" for what holds
    for all of them.

    At most two lines a question, the weightiest first: failed checks, size, doubtful and unknown
    parts, checks that were not possible, hidden parts. Questions without any answer are left out:
    their own rows say so.

    Misleads as a full list: it knows of what was tried and failed, not of what nobody thought of.
    """
    found: list[tuple[str, str]] = []
    known = [row for row in rows if row.headline and row.verdict in KNOWN]
    order = list(phrases("page")["still"])
    for question in dict.fromkeys(row.question for row in known):
        mine = [row for row in rows if row.question == question]
        lines = [line for row in mine if row in known for line in _about_headline(row)]
        lines = sorted([*lines, *_about_parts(mine)], key=lambda line: order.index(line[0]))
        found += [
            (question, line) for line in [*dict.fromkeys(one for _, one in lines)][:A_QUESTION]
        ]
    patterns = [row for row in known if row.verdict != "described" and row.design != "randomised"]
    if any(row.estimate is not None for row in patterns):
        found.append(("", phrases("page")["still"]["cause"]))
    return tuple(found)


def _still(branch: str, **facts: str) -> tuple[str, str]:
    """A line, and the branch that says how weighty it is."""
    return branch, phrases("page")["still"][branch].format(**facts)


def _about_headline(row: Result) -> list[tuple[str, str]]:
    told = [_still("cost")] if row.verdict == "described" else []
    told += [_still("small")] if row.verdict == "small" else []
    for check in row.checks:
        facts = {"detail": words.short(check), "check": check.name}
        if check.outcome == "failed":
            is_long = len(facts["detail"].split()) > LONG - 8
            told.append(_still("failed, long" if is_long else "failed", **facts))
        elif check.outcome == "not possible" and check.why != "no claim":
            is_hidden = check.name == "hidden factor"
            told.append(_still("hidden factor" if is_hidden else "not possible", **facts))
    return told


def _about_parts(rows: Sequence[Result]) -> list[tuple[str, str]]:
    """Lines for rows beside the headlines that have no answer; alike ones in one line."""
    parts: dict[tuple[str, str, str], list[Result]] = {}
    for row in rows:
        if not row.headline and row.verdict in ("untrusted", "unknown", "hidden"):
            key = (row.verdict, row.measure, words.failed_checks(row))
            parts.setdefault(key, []).append(row)
    told = []
    for (branch, _, failed), alike in parts.items():
        seen = min(alike, key=lambda row: row.detectable_effect or 0)
        if branch == "unknown" and seen.detectable_effect is None:
            continue
        facts = {"check": failed, "detectable": words.amount(seen.detectable_effect, seen.unit)}
        room = LONG - len(_still(branch, names="", **facts)[1].split())
        names = _few_words([words.name(row).replace(": ", " ") for row in alike], room)
        told.append(_still(branch, names=names, **facts))
    return told


def _few_words(names: Sequence[str], room: int) -> str:
    """As many names as there is room for, in words, and how many more there are; else how many
    there are.
    """
    for kept in range(len(names), 0, -1):
        more = [f"{len(names) - kept} more"] if kept < len(names) else []
        text = listed([*names[:kept], *more])
        if len(text.split()) <= room:
            return text
    return phrases("page")["parts"]["many"].format(n=len(names)) if len(names) > 1 else names[0]


# --- method


def method_of(rows: Sequence[Result]) -> tuple[dict[str, str], ...]:
    """How each headline that ran was computed, in plain words: a record per row, from the registry
    and the row.

    Keys: question, measure, compared, outcome, how, held equal, interval, checks, smallest effect,
    misleads when, notes; an entry is left out where there is nothing to say, as where nothing could
    be estimated.

    >>> method_of([])
    ()
    """
    return tuple(_method(row) for row in rows if row.headline and row.measure in measures())


def _method(row: Result) -> dict[str, str]:
    question, measure = measures()[row.measure]
    told = phrases("page")["method"]
    outcome = measure.method.outcome
    if row.unit == "percentage points" or measure.estimator == "cost":
        outcome = told["outcome"].format(outcome=outcome, unit=row.unit)
    record = {"question": question.text, "compared": measure.method.compared, "outcome": outcome}
    sentences = phrases("sentences")
    usual = sentences["estimators"][measure.estimator]
    own = sentences["designs"][row.design]  # of those who were drawn, not of those who chose
    record["misleads when"] = own.get("misleads", measure.misleads)
    if row.estimate is not None:
        rater = row.cluster or "manager"
        held = ", ".join(told["same"].format(what=one) for one in row.held) or measure.among
        record |= {
            "how": own.get("how", usual["how"]).format(rater=rater),
            "held equal": held,
            "interval": told["interval"].format(
                level=row.level, rater=rater, care=told["care"].get(row.rung, "")
            ),
            "checks": ", ".join(f"{check.name} ({check.outcome})" for check in row.checks),
        }
    if row.smallest_effect is not None:
        smallest = words.amount(row.smallest_effect, row.unit)
        record["smallest effect"] = told["smallest"].format(smallest=smallest)
    why = row.sentence if row.estimate is None else ""
    record["notes"] = "; ".join(filter(None, [why, row.note]))
    return {"measure": row.measure} | {k: sentence_case(text) for k, text in record.items() if text}


def checks_of(rows: Sequence[Result]) -> tuple[tuple[str, str, str], ...]:
    """The checks that ran for any of the rows: name, the question it asks, and what it takes away
    when it fails.
    """
    ran, told = {check.name for row in rows for check in row.checks}, phrases("page")["checks"]
    verdicts = verdict_words()
    takes = {
        revokes: told["takes"].format_map(verdicts | {"none": told[key].format_map(verdicts)})
        for revokes, key in ((True, "revokes"), (False, "spares"))
    }
    return tuple(
        (name, one["asks"], takes[bool(one["revokes_none"])])
        for name, one in phrases("checks").items()
        if name in ran
    )


# --- the glossary


def glossary(text: str) -> tuple[tuple[str, str], ...]:
    """The terms that occur in a text, with what they mean, in the glossary's order.

    >>> [term for term, _ in glossary("Merit was 0.2 pp higher.")]
    ['merit', 'percentage points, pp']
    """
    return tuple((term, means) for term, means in terms().items() if _occurs(term, text))


def terms() -> dict[str, str]:
    """The terms that a report explains where it uses them, and what they mean."""
    rows = [rows for one in phrases("terms")["sections"] if isinstance(rows := one["rows"], dict)]
    told = [one for some in rows for one in some.values() if isinstance(one, dict)]
    return {one["read"]: one.get("report", one["means"]) for one in told}


def _occurs(term: str, text: str) -> bool:
    any_of = "|".join(re.escape(word) for word in term.split(", "))
    flags = 0 if term.isupper() else re.IGNORECASE
    return re.search(rf"\b(?:{any_of})(?:s|d|ments?)?\b", text, flags) is not None


def glossary_page() -> str:
    """GLOSSARY.md, as `make glossary` writes it: all terms, verdicts, designs, checks."""
    source = (files("learnalign.verdicts") / "en/GLOSSARY.md.j2").read_text("utf-8")
    page = jinja2.Template(source, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    kinds = groupby(phrases("sentences")["verdicts"].items(), lambda item: item[1])
    verdicts = [(", ".join(f"`{key}`" for key, _ in some), one) for one, some in kinds]
    text = page.render(phrases("terms"), checks=phrases("checks"), verdicts=verdicts)
    return text.translate(str.maketrans("“”’", '""\''))


# --- what to do


def what_to_do(rows: Sequence[Result]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What to do, and what not to do, by what the headlines came to: at most six lines each, never
    about a person.

    Harm comes first, then what is open or in doubt (as "none" with a failed check is), then the
    rest; what finds no room is left out. Misleads as a plan: the lines follow from the verdicts
    alone.
    """
    headlines = [row for row in rows if row.headline]
    came = {
        key: _came_to([row for row in headlines if row.question == key])
        for key in dict.fromkeys(row.question for row in headlines)
    }
    doubtful, unknown = (
        listed([key for key, what in came.items() if what == one]) for one in ("doubt", "open")
    )
    do, do_not = phrases("page")["do"], phrases("page")["do_not"]
    first = [do["open"], *_to_record(rows)] if unknown else []
    words_of = {"asked": unknown, "unknown": verdict_words()["unknown"]}
    last = [do_not["open"].format(**words_of)] if unknown else []
    last += [do_not["doubt"].format(asked=doubtful)] if doubtful else []
    return (
        _by_weight("do", came, first, do["always"]),
        _by_weight("do_not", came, last, do_not["always"]),
    )


def _by_weight(
    side: str, came: Mapping[str, str], unsettled: Sequence[str], always: Sequence[str]
) -> tuple[str, ...]:
    asked = sorted(questions().values(), key=lambda question: question.rank)
    mine = {one.key: getattr(one, side).get(came.get(one.key)) for one in asked}
    mine = {key: text for key, text in mine.items() if text}
    harm = [text for key, text in mine.items() if came[key] == "lower"]
    rest = [text for text in mine.values() if text not in harm]
    return (*[*harm, *unsettled, *rest][: MOST - len(always)], *always)


def _to_record(rows: Sequence[Result]) -> list[str]:
    """The two things whose record would open most questions, where something is missing."""
    lacking = sorted({(row.question, row.wanting) for row in rows if row.wanting})
    needs = phrases("data")["needs"]
    things = Counter(needs[name]["settle"] for _, names in lacking for name in names)
    what = "; ".join(thing for thing, _ in things.most_common(2))
    return [phrases("page")["do"]["record"].format(what=what)] if things else []


def _came_to(headlines: Sequence[Result]) -> str:
    """What a question came to: harm where any headline shows it, else doubt, else open, else what
    they agree in.
    """
    told = {row.verdict for row in headlines}
    failed = (row for row in headlines if row.verdict in KNOWN and words.failures(row))
    if "lower" in told:
        return "lower"
    if "untrusted" in told or any(failed):
        return "doubt"
    return "open" if told & {"unknown", "hidden"} else told.pop() if len(told) == 1 else "mixed"

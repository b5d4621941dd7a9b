"""Explaining: what the results come to, for readers who will not read them all; every line follows
from the rows.

Pure functions over the tables in `phrasing`. A row is taken as it may be shown: what privacy hides
is told as hidden.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from learnalign.verdicts import phrasing, words
from learnalign.verdicts.phrasing import STILL
from learnalign.verdicts.registry import MEASURES, QUESTIONS, VERDICT_WORDS
from learnalign.verdicts.result import Result, number
from learnalign.verdicts.telling import difference
from learnalign.verdicts.wording import REASONS, SENTENCES, SETTLES
from learnalign.verdicts.words import listed, sentence_case

KNOWN = ("higher", "lower", "small", "none", "described")
LONG = 22  # words of a line: what is longer is told with fewer
A_QUESTION = 2  # lines

_HEADS = {branch: text.partition("{")[0] for branch, text in SENTENCES.items()}
_WHY = {SENTENCES["no estimate"].format(reason=why): key for key, (why, _) in REASONS.items()}


def brief(row: Result) -> str:
    """A result in one line of about 14 words, for the first screen; its `sentence` says what this
    leaves out.

    Misleads alone: the likely range, what was held equal and the limits stand in the sentence only.

    >>> from learnalign.verdicts.asked import unanswerable
    >>> brief(unanswerable(frozenset({"people", "reviews"}), {})[0])
    'No learning.'
    """
    whole, part, outcome = phrasing.BRIEFLY.get(row.measure, ("{seen}", "{seen}", "it"))
    told = {
        "smallest": number(row.smallest_effect, row.unit),
        "detectable": _amount(row.detectable_effect, row),
        "reason": _reason(row.sentence),
        "failed": _failed(row),
        "outcome": outcome,
        "fact": row.sentence.partition(" (likely range")[0].rstrip("."),
    }
    if row.estimate is not None:
        told |= difference(row, row.unit)
        told |= {
            "part": part.format(**told),
            "finding": (whole if row.headline else part).format(**told),
        }
    text = phrasing.BRIEF[branch_of(row)].format(**told)
    if row.headline or row.verdict == "described":
        return sentence_case(text)
    return sentence_case(f"{_name(row)}: {text[:1].lower()}{text[1:]}")


def branch_of(row: Result) -> str:
    """Which of the branches of `phrasing.BRIEF` a row ended in: its verdict, or what its sentence
    begins with.
    """
    if row.verdict == "described":
        return "described" if row.at == "raw" else "cost" if row.headline else "fact"
    if row.verdict == "none":
        return (
            "nothing varies" if row.estimate is None else "none, failed" if _failed(row) else "none"
        )
    if row.verdict != "unknown":
        return row.verdict
    if row.estimate is None:
        return "no estimate"
    tried = ("revoked", "compressed", "one cycle", "headline", "many units", "many")
    return next((branch for branch in tried if _HEADS[branch] in row.sentence), "unknown")


def _reason(sentence: str) -> str:
    """Why there is no estimate, in few words: a reason's own short form, else its words without
    their opening.
    """
    short = phrasing.BRIEF_REASONS.get(_WHY.get(sentence, ""))
    text = short or re.sub(
        f"^({'|'.join(re.escape(_HEADS[b]) for b in ('no data', 'no estimate', 'nothing varies'))})",
        "",
        sentence,
    ).removeprefix("the data hold ")
    return sentence_case(text.partition(", so ")[0].rstrip("."))


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
    for question in dict.fromkeys(
        row.question for row in rows if row.headline and row.verdict in KNOWN
    ):
        mine = [row for row in rows if row.question == question]
        lines = [*_about_headlines([row for row in mine if row.headline]), *_about_parts(mine)]
        order = {branch: place for place, branch in enumerate(STILL)}
        lines = [line for _, line in sorted(lines, key=lambda told: order[told[0]])]
        found += [(question, line) for line in [*dict.fromkeys(lines)][:A_QUESTION]]
    patterns = [
        row
        for row in rows
        if row.headline and row.verdict in KNOWN[:4] and row.design != "randomised"
    ]
    return (
        (*found, ("", STILL["cause"]))
        if any(row.estimate is not None for row in patterns)
        else tuple(found)
    )


def _about_headlines(rows: Sequence[Result]) -> list[tuple[str, str]]:
    """Branch of STILL and line, for the headlines that have an answer."""
    told = []
    for row in rows:
        if row.verdict not in KNOWN:
            continue
        told += [("cost", STILL["cost"])] if row.verdict == "described" else []
        told += [("small", STILL["small"])] if row.verdict == "small" else []
        for check in row.checks:
            detail = words.short(check)
            if check.outcome == "failed":
                branch = "failed" if len(detail.split()) <= LONG - 8 else "failed, long"
                told.append((branch, STILL[branch].format(detail=detail, check=check.name)))
            elif check.outcome == "not possible" and (
                check.name != "hidden factor" or row.verdict != "none"
            ):
                branch = "hidden factor" if check.name == "hidden factor" else "not possible"
                told.append((branch, STILL[branch].format(detail=detail, check=check.name)))
    return told


def _about_parts(rows: Sequence[Result]) -> list[tuple[str, str]]:
    """Branch of STILL and line, for rows beside the headlines that have no answer; alike ones in
    one line.
    """
    parts = [row for row in rows if not row.headline and row.at != "raw"]
    told = []
    for branch in ("untrusted", "unknown", "hidden"):
        for key in dict.fromkeys(
            (row.measure, _failed(row)) for row in parts if row.verdict == branch
        ):
            alike = [
                row for row in parts if row.verdict == branch and (row.measure, _failed(row)) == key
            ]
            seen = min((row for row in alike), key=lambda row: row.detectable_effect or 0)
            if branch == "unknown" and seen.detectable_effect is None:
                continue
            facts = {"check": key[1], "detectable": _amount(seen.detectable_effect, seen)}
            room = LONG - len(STILL[branch].format(names="", **facts).split())
            names = _few_words([_name(row).replace(": ", " ") for row in alike], room)
            told.append((branch, STILL[branch].format(names=names, **facts)))
    return told


def _few_words(names: Sequence[str], room: int) -> str:
    """As many names as there is room for, in words, and how many more there are; else how many
    there are.
    """
    for kept in range(len(names), 0, -1):
        text = listed(
            [*names[:kept], *([f"{len(names) - kept} more"] if kept < len(names) else [])]
        )
        if len(text.split()) <= room:
            return text
    return phrasing.PARTS_ALONE.format(n=len(names)) if len(names) > 1 else names[0]


# --- method


def method_of(rows: Sequence[Result]) -> tuple[dict[str, str], ...]:
    """How each headline that ran was computed, in plain words: a record per row, from the registry
    and the row.

    Keys: question, measure, compared, outcome, how, held equal, interval, checks, smallest effect,
    notes; an entry is left out where there is nothing to say, as where nothing could be estimated.

    >>> method_of([])
    ()
    """
    return tuple(_method(row) for row in rows if row.headline and row.measure in phrasing.METHOD)


def _method(row: Result) -> dict[str, str]:
    question, measure = MEASURES[row.measure]
    compared, outcome = phrasing.METHOD[row.measure]
    rater = row.cluster or "manager"
    care = phrasing.CARE.get(row.rung, "")
    inside = (
        ", ".join(f"same {one}" for one in row.held)
        if measure.model == "core"
        else measure.among * (measure.model != "teams")
    )
    record = {
        "question": question.text,
        "measure": measure.key,
        "compared": compared,
        "outcome": outcome,
    }
    if row.unit == "percentage points" or measure.model == "cost":
        record["outcome"] = phrasing.OUTCOME.format(outcome=outcome, unit=row.unit)
    if row.estimate is not None:
        record |= {
            "how": phrasing.MODELS[measure.model].format(rater=rater),
            "held equal": inside.strip(" ,"),
            "interval": phrasing.INTERVAL.format(level=row.level, rater=rater, care=care),
            "checks": ", ".join(f"{check.name} ({check.outcome})" for check in row.checks),
        }
    if row.smallest_effect is not None:
        record["smallest effect"] = phrasing.SMALLEST.format(
            smallest=_amount(row.smallest_effect, row)
        )
    record["notes"] = (
        row.note if row.estimate is not None else "; ".join(filter(None, [row.sentence, row.note]))
    )
    return {
        key: sentence_case(text) if key != "measure" else text
        for key, text in record.items()
        if text
    }


def checks_of(rows: Sequence[Result]) -> tuple[tuple[str, str, str], ...]:
    """The checks that ran for any of the rows: name, the question it asks, and what it takes away
    when it fails.
    """
    ran = {check.name for row in rows for check in row.checks}
    told = {name: VERDICT_WORDS[name] for name in ("untrusted", "none", "unknown")}
    takes = {
        yes: phrasing.TAKES.format(**told | {"none": text.format(**told)})
        for yes, text in phrasing.TAKES_NONE.items()
    }
    return tuple(
        (name, one["asks"], takes[one["revokes_none"]])
        for name, one in words.phrases("checks").items()
        if name in ran
    )


def glossary(text: str) -> tuple[tuple[str, str], ...]:
    """The terms that occur in a text, with what they mean, in the glossary's order.

    >>> [term for term, _ in glossary("Merit was 0.2 pp higher.")]
    ['percentage points, pp', 'merit']
    """
    return tuple((term, means) for term, means in phrasing.TERMS.items() if _occurs(term, text))


def _occurs(term: str, text: str) -> bool:
    any_of = "|".join(re.escape(word) for word in term.split(", "))
    flags = 0 if term.isupper() else re.IGNORECASE
    return re.search(rf"\b(?:{any_of})(?:s|d|ments?)?\b", text, flags) is not None


# --- what to do


def what_to_do(rows: Sequence[Result]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What to do, and what not to do, by what the headlines came to: at most six lines each, never
    about a person.

    Harm comes first, then what is open or in doubt (as "none" with a failed check is), then the
    rest; what finds no room is left out. Misleads as a plan: the lines follow from the verdicts
    alone.
    """
    came = {
        row.question: _came_to(
            [one for one in rows if one.headline and one.question == row.question]
        )
        for row in rows
        if row.headline
    }
    doubtful, unknown = (
        listed([question for question, what in came.items() if what == one])
        for one in ("doubt", "open")
    )
    do = [phrasing.OPEN_DO.format(asked=unknown), *_to_record(rows)] if unknown else []
    do_not = (
        [phrasing.OPEN_NOT.format(asked=unknown, unknown=VERDICT_WORDS["unknown"])]
        if unknown
        else []
    )
    do_not += [phrasing.DOUBT_NOT.format(asked=doubtful)] if doubtful else []
    return (
        _by_weight(phrasing.DO, came, do, phrasing.ALWAYS_DO),
        _by_weight(phrasing.DO_NOT, came, do_not, phrasing.ALWAYS_NOT),
    )


def _by_weight(
    table: Mapping[tuple[str, str], str],
    came: Mapping[str, str],
    unsettled: Sequence[str],
    always: Sequence[str],
) -> tuple[str, ...]:
    mine = {key: text for key, text in table.items() if key in came.items()}
    harm = [text for (_, what), text in mine.items() if what == "lower"]
    rest = [text for text in mine.values() if text not in harm]
    return (*[*harm, *unsettled, *rest][: phrasing.MOST - len(always)], *always)


def _to_record(rows: Sequence[Result]) -> list[str]:
    """The two things whose record would open most questions, where something is missing."""
    before, _, after = SETTLES["record"].partition("{what}")
    lacking = {(row.question, row.to_settle) for row in rows if row.to_settle.startswith(before)}
    things = Counter(
        thing
        for _, text in sorted(lacking)
        for thing in text.removeprefix(before).removesuffix(after).split("; ")
    )
    return (
        [phrasing.RECORD.format(what="; ".join(thing for thing, _ in things.most_common(2)))]
        if things
        else []
    )


def _came_to(headlines: Sequence[Result]) -> str:
    """What a question came to: harm where any headline shows it, else doubt, else open, else what
    they agree in.
    """
    told = {row.verdict for row in headlines}
    if "lower" in told:
        return "lower"
    if "untrusted" in told or any(_failed(row) for row in headlines if row.verdict in KNOWN):
        return "doubt"
    return "open" if told & {"unknown", "hidden"} else told.pop() if len(told) == 1 else "mixed"


# --- words


def _amount(value: float | None, row: Result) -> str:
    return number(value, row.unit) + (" as fast" if row.unit == "hazard ratio" else "")


def _failed(row: Result) -> str:
    failed = [check.name for check in row.checks if check.outcome == "failed"]
    return listed(failed) if len(failed) < 3 else f"{failed[0]} and {len(failed) - 1} more"


def _name(row: Result) -> str:
    return phrasing.PARTS.get(row.at, row.at.replace("_", " "))


def to_record(coverage: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """What is missing in the data, in words, and the questions that need it; what opens most
    questions first.

    `coverage` has a row per question with `question` and `missing`, as `verdicts.coverage` gives
    it.

    >>> to_record([{"question": "Q1", "missing": ["learning"]}])
    [('learning activities, with their dates', ['Q1'])]
    """
    settle = {need.where: need.settle for question in QUESTIONS.values() for need in question.needs}
    opens: dict[str, list[str]] = {}
    for row in coverage:
        for where in row["missing"]:
            opens.setdefault(settle.get(where, where), []).append(row["question"])
    return sorted(opens.items(), key=lambda item: -len(item[1]))

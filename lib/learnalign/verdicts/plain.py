"""Plain words: what rows say to a reader with two minutes, in natural units and four words of how
sure it is.

All of it follows from the rows and `en/front.yml`; no term of method is in it. A row is taken as it
may be shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from learnalign.verdicts import words
from learnalign.verdicts.feedback import CLAIMS
from learnalign.verdicts.registry import Headline, measures, phrases, questions
from learnalign.verdicts.result import MINUS, Result, number
from learnalign.verdicts.words import sentence_case

TESTED = ("compared", "randomised")
MERIT, EQUAL = "acknowledging_to_merit_total", "acknowledging_to_merit_at_equal_rating"
RATING = "acknowledging_to_rating"


def front() -> dict[str, Any]:
    """The words of the page before its appendix."""
    return phrases("front")


# --- one row


def certainty(row: Result) -> str:
    """How sure a row is: shown, held, doubted, unknown; or hidden, or described.

    A row whose check failed does not stand: what shows is doubted, and "none" is not known.

    >>> from learnalign.verdicts.rows import silent
    >>> certainty(silent("Q1"))
    'unknown'
    """
    if row.verdict == "untrusted" or (row.verdict in CLAIMS and words.failures(row)):
        return "doubted"
    if row.verdict == "none" and words.failures(row):
        return "unknown"
    if row.verdict in (*CLAIMS, "none"):
        return "shown" if row.design in TESTED else "held"
    return row.verdict


def stands(row: Result) -> bool:
    """Whether it may be acted on: a difference or practically none, and nothing speaks against
    it.
    """
    return certainty(row) in ("shown", "held")


def direction(row: Result) -> str:
    """The side that a row's figure is on, or "none"."""
    if row.verdict == "none" or row.estimate is None:
        return "none"
    return "higher" if row.estimate > (1 if row.unit == "hazard ratio" else 0) else "lower"


def finding(row: Result) -> str:
    """A headline in a sentence without its end: what was found, in whom."""
    told, measure = front()["row"], _measure(row)
    if measure is None:
        return told["no plain words"].format(brief=words.brief(row).rstrip("."))
    if row.branch == "cost":
        return told["cost"].format(size=money(row.estimate, row.unit))
    state = certainty(row)
    if state in ("unknown", "hidden"):
        return sentence_case(told[state].format(topic=measure.plain.topic))
    said = getattr(measure.plain, direction(row)).strip()
    key = "doubted" if state == "doubted" else "small" if row.verdict == "small" else ""
    return told[key].format(finding=said) if key else said


def _measure(row: Result) -> Headline | None:
    found = measures().get(row.measure)
    return found[1] if found and isinstance(found[1], Headline) else None


# --- from what to what


def reached(row: Result, value: float) -> float | None:
    """What people come to by a figure of this size: the base and so much more, in natural units.

    Of 100 gaps without, so many close within a year; a ratio of hazards makes of these
    1 - (1 - share)^ratio. None where the base is not told.
    """
    if row.base is None:
        return None
    if row.unit == "hazard ratio":
        return 100 * (1 - (1 - min(max(row.base, 0.0), 100.0) / 100) ** value)
    return row.base + value * (1.0 if row.per is None else row.per)


def change(row: Result) -> str:
    """From → to, in natural units; the difference alone where the base is not told, else empty."""
    if row.estimate is None or not _has_figure(row):
        return ""
    if (to := reached(row, row.estimate)) is not None:
        ends = {"base": _figure(row, row.base), "to": _figure(row, to)}
        return front()["natural"][_measure(row).outcome]["change"].format(**ends)
    sign = MINUS if row.estimate < 0 else "+" if row.unit != "hazard ratio" else ""
    size = number(abs(row.estimate), row.unit).split()[0]
    return front()["natural"][_measure(row).outcome]["alone"].format(size=f"{sign}{size}")


def likely(row: Result) -> str:
    """The likely range of the difference, in natural units; empty where it cannot be told."""
    if row.base is None or row.low is None or row.high is None or not _has_figure(row):
        return ""
    told = front()["natural"][_measure(row).outcome]["likely"]
    ends = {"low": reached(row, row.low) - row.base, "high": reached(row, row.high) - row.base}
    shown = {name: _figure(row, end) for name, end in ends.items()}
    signed = {
        name: "+" * (ends[name] > 0 and end.strip("0.") != "") + end for name, end in shown.items()
    }
    return front()["likely" if stands(row) else "fits"].format(ends=told.format(**signed))


def last_time(before: Result | None) -> str:
    """The figure of the edition before, in natural units; empty where there was none to act on."""
    told = change(before) if before is not None and stands(before) else ""
    return front()["last time"].format(change=told) if told else ""


def in_full(row: Result) -> str:
    """From what to what, as the measure's own words have it; empty without a base."""
    if row.base is None or row.estimate is None or not _has_figure(row):
        return ""
    ends = {"base": _figure(row, row.base), "to": _figure(row, reached(row, row.estimate))}
    return _measure(row).plain.told.strip().format(**ends, contrast=row.contrast)


def _has_figure(row: Result) -> bool:
    measure = _measure(row)
    is_known = measure is not None and measure.outcome in front()["natural"]
    return is_known and measure.estimator != "cost" and row.shown


def _figure(row: Result, value: float) -> str:
    places = front()["natural"][_measure(row).outcome]["decimals"]
    rounded = round(value, places) + 0.0  # no minus before a zero
    return f"{rounded:.{places}f}".replace("-", MINUS)


def money(value: float | None, currency: str) -> str:
    """An amount of money to two digits, as it is read: "about €4,700"."""
    if value is None:
        return number(value)
    digits = f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"
    sign = front()["money"].get(currency)
    return f"about {sign}{digits}" if sign else f"about {digits} {currency}"


# --- the title


def title(rows: Sequence[Result], *, is_unit: bool = False) -> str:
    """The finding as a title: merit and rating first, harm before all; else the first that stands
    by the rank of its question; else that we don't know, or that a unit has too few people.

    >>> title([])
    'We don’t know yet whether saying “I don’t know” pays or costs here'
    """
    told = front()["title"]
    heads = {row.measure: row for row in rows if row.headline and stands(row)}
    merit, rating = _part(heads, MERIT, "merit"), _part(heads, RATING, "rating")
    if EQUAL in heads and direction(heads[EQUAL]) == "lower" and merit[0] != "lower":
        merit = "lower", told["merit at the same rating"]["lower"]
    known = [one for one in (merit, rating) if one[0]]
    may = _perhaps(rows)
    if len(known) == 2:
        join = told["alike" if merit[0] == rating[0] else "unlike"]
        return told["both"].format(merit=merit[1], join=join, rating=rating[1])
    if known:
        join = told["alike" if known[0][0] == "lower" else "unlike"]
        named = {"part": known[0][1], "join": join, "may": may}
        return told["one and perhaps" if may else "one"].format(**named)
    if may:
        return told["perhaps"].format(may=may)
    rank = {key: question.rank for key, question in questions().items()}
    for row in sorted(heads.values(), key=lambda row: rank.get(row.question, len(rank))):
        return told["other"].format(finding=finding(row))
    return told["unit" if is_unit else "unknown"]


def _perhaps(rows: Sequence[Result]) -> str:
    """What shows as a penalty and is not trusted, merit and rating, in words: a benefit elsewhere
    must not be the title in its place.
    """
    told, seen = front()["title"]["may"], {}
    for row in rows:
        what = {MERIT: "merit", EQUAL: "merit", RATING: "rating"}.get(row.measure)
        if what and row.headline and certainty(row) == "doubted" and direction(row) == "lower":
            seen[what] = told[what]
    return words.listed([seen[what] for what in told if what in seen])


def _part(heads: Mapping[str, Result], measure: str, what: str) -> tuple[str, str]:
    """Which way merit or rating goes, and in words; both empty where it does not stand."""
    if measure not in heads:
        return "", ""
    row, told = heads[measure], front()["title"]
    part = told[what][direction(row)]
    return direction(row), told["slightly"].format(part=part) if row.verdict == "small" else part


# --- what is not known


def unknowns(rows: Sequence[Result], waits: Mapping[str, str], most: int = 3) -> list[tuple]:
    """What is not known, the weightiest first: pairs of what, and what settles it.

    Questions without an answer that stands, by rank; why, where there is any finding; whether it
    pays; kinds of learning. `waits` says by measure how long more of the same takes.
    """
    told, heads = front()["unknowns"], [row for row in rows if row.headline]
    found = [row for row in heads if stands(row) and row.design != "randomised"]
    open_ = sorted(filter(_is_open, heads), key=_rank)
    pairs = _merged([(_topic(row), _settles(row, waits)) for row in open_])
    more = [(told["why"], told["why settles"])] if found else []
    if any(row.branch == "cost" for row in heads):
        more.append((told["price"], told["price settles"]))
    parts = [row for row in rows if row.measure == "learning_to_closure" and not row.headline]
    if any(row.verdict == "unknown" for row in parts):
        named = any(stands(row) and direction(row) == "higher" for row in parts)
        more.append((told["parts" if named else "no parts"], told["parts settles"]))
    kept = pairs[: most - min(len(more), 1)]
    return [*kept, *more][:most]


def _is_open(row: Result) -> bool:
    return certainty(row) in ("unknown", "doubted", "hidden")


def _rank(row: Result) -> float:
    question = questions().get(row.question)
    return question.rank if question else float("inf")


def _topic(row: Result) -> str:
    measure = _measure(row)
    if measure is not None:
        return measure.plain.topic.strip()
    question = questions().get(row.question)
    return question.text if question else row.question


def _merged(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """What the same thing settles stands in one line, of two topics at most."""
    by: dict[str, list[str]] = {}
    for topic, settles in pairs:
        some = by.setdefault(settles, [])
        some += [] if any(topic.startswith(one) for one in some) else [topic]
    return [(sentence_case("; ".join(some[:2])), settles) for settles, some in by.items()]


def _settles(row: Result, waits: Mapping[str, str]) -> str:
    told = front()["unknowns"]["settles"]
    if row.wanting:
        needs = phrases("data")["needs"]
        what = words.listed([needs[key]["settle"] for key in row.wanting[:2]])
        return told["record"].format(what=what)
    if row.verdict == "hidden":
        return told["hidden"]
    if words.failures(row) or row.verdict == "untrusted" or row.branch == "disagree":
        return told["lot"]
    if row.branch in ("many", "many units"):
        return told["many"]
    if row.design == "randomised":
        return told["drawn"]
    if reason := phrases("sentences")["reasons"].get(row.reason):
        return sentence_case(f"{reason['settle']}.")
    return told["more"].format(wait=waits[row.measure]) if waits.get(row.measure) else told["other"]


# --- facts


def fact(row: Result) -> str:
    """The figure of a described row as it is read in a sentence."""
    if row.unit == "%":
        return f"{row.estimate:.0f}"
    if row.unit == "percentage points":
        return f"{row.estimate:.1f}".replace("-", MINUS)
    if row.unit in ("hours", "days"):
        return f"{row.estimate:,.0f}"
    return money(row.estimate, row.unit)


def facts(entries: Sequence[Mapping[str, Any]], rows: Sequence[Result]) -> list[str]:
    """The sentences of which all figures are there."""
    counted = [row for row in rows if row.shown and row.estimate is not None]
    known = {(row.measure, "last"): row for row in counted if row.unit == "%"}
    known |= {(row.measure, row.at): row for row in counted}
    told = []
    for entry in entries:
        keys = {name: tuple(where) for name, where in entry.items() if name != "says"}
        if all(key in known for key in keys.values()):
            figures = {name: fact(known[key]) for name, key in keys.items()}
            told.append(sentence_case(" ".join(entry["says"].split())).format(**figures))
    return told


def asked(entries: Sequence[Mapping[str, str]], rows: Sequence[Result]) -> list[tuple[str, str]]:
    """Questions for people, each with what to ask of it here: by the verdict of its headline, or in
    general where that was not asked or is hidden.
    """
    heads = {row.measure: row for row in rows if row.headline and row.shown}
    return [(one["asks"], one.get(_side(heads.get(one["of"])), "")) for one in entries]


def _side(row: Result | None) -> str:
    if row is None or row.verdict == "small":  # a difference that may be too little to ask about
        return "else"
    return direction(row) if stands(row) else "unknown"

"""Columns that a mapping leaves out, and what they say against it: rows that were not done or are
not final, amounts in several currencies, parts that count twice, a scale that is upside down.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from learnalign.data import profiles, sql
from learnalign.data.contract import DATE_OF
from learnalign.data.drafts import names
from learnalign.data.mistakes import Problem
from learnalign.data.profiles import FACTS
from learnalign.data.questions import folded, letters, words_of
from learnalign.data.sources import plain

START = 20_000  # rows that tell whether a column is one of few texts
TEXTS = 150  # different texts of a column that may say what a row is
NO = {"no", "n", "false", "0", "nein", "non", "f", *"✗✘✕☐❌"}
YES = {"yes", "y", "true", "1", "ja", "oui", "si", "x", "t", *"✓✔☑✅"}
KINDS = r"\b(status|state|statut|estado|stage|phase|rater|type|typ|art|tipo)\b"


def of_source(at: Any, pairs: Mapping[str, tuple[str, str]]) -> Iterator[Problem]:
    """What columns that are not mapped say against the mapping."""
    left_out = [*_left_out(at)]
    unused = [*_unused(at, left_out)]
    for name, counts in unused:
        yield from _undone(at, name, counts)
    if at.table == "learning":
        yield from _of_learning(at, unused, left_out)
    if at.table == "people":
        yield from _of_people(at, left_out, pairs["person_id"][1])
    if at.table == "reviews" and "rating" not in at.made.as_is:
        yield from _upside_down(at, pairs["rating"][1], unused)


def _left_out(at: Any) -> Iterator[str]:
    """Columns of the source that no line of the mapping speaks of."""
    made = at.made
    used = {plain(str(one.column)) for one in made.columns.values() if one.column is not None}
    said = [one.sql or "" for one in made.columns.values()] + [one.sql for one in made.set_aside]
    for name in at.header:
        is_said = any(plain(name) in plain(text) for text in said)
        if not (name.startswith("_") or is_said or plain(name) in used or name in made.as_is):
            yield name


def _unused(at: Any, left_out: Sequence[str]) -> Iterator[tuple[str, Counter]]:
    """Those of few texts, with their counts."""
    for name in left_out:
        column, rows = sql.named(name), sql.named(at.rows)
        start = f"SELECT count(DISTINCT {column}) FROM (SELECT {column} FROM {rows} LIMIT {START})"
        if at.job.fetch(at.table, name, start)[0] > 20 * TEXTS:
            continue
        each = f"SELECT {profiles.tidy(column)} AS v, count(*) FROM {rows} GROUP BY 1"
        query = f"{each} LIMIT {TEXTS + 1}"
        counts = Counter(dict(at.job.fetch_all(at.table, name, query)))
        counts.pop(None, None)
        if len(counts) <= TEXTS:
            yield name, counts


# --- rows that do not count


def _undone(at: Any, name: str, counts: Counter) -> Iterator[Problem]:
    """A column that says of rows that they do not count; of activities, that they were not done."""
    is_activity = at.table in ("learning", "ties") and "status" not in at.made.columns
    bare = {text: re.sub(r"[\s_\-]+", " ", letters(text)) for text in counts}
    against, done = _known("undone" if is_activity else "drafts"), _known("done")
    undone, is_said = [text for text in counts if bare[text] in against], True
    if _is_one_of(name, "gone"):
        undone = [text for text in counts if bare[text] in YES]
    elif not is_activity and at.table not in ("reviews", "rewards", "assessments"):
        return  # a request for help that is open is one
    elif not is_activity:
        is_said = re.search(KINDS, words_of(name)) is not None
    elif _is_one_of(name, "flags"):
        undone += [text for text in counts if bare[text] in NO]
    elif _is_one_of(name, "progress"):
        undone += [text for text in counts if bare[text] not in done and (_share(text) or 0) < 100]
    elif _is_one_of(name, "states") and len({*bare.values()} - {""}) > 1:
        undone = [text for text in counts if bare[text] not in done]
    else:
        is_said = False
    is_known = sum(n for text, n in counts.items() if bare[text] in done | against)
    if undone and (is_said or is_known >= 0.5 * counts.total()):
        n = sum(counts[text] for text in dict.fromkeys(undone))
        said = {"n": f"{n:,}", "of": f"{counts.total():,}"}
        key = "unfinished" if is_activity else "not_final"
        yield Problem.of(key, at.table, name, ", ".join(map(repr, undone[:6])), **said)


def _known(kind: str) -> Collection[str]:
    return {folded(word) for word in FACTS[kind]}


def _is_one_of(header: str, kind: str) -> bool:
    return plain(header) in {plain(word) for word in FACTS[kind]}


def _share(text: str) -> float | None:
    """A percentage as a number; 0.4 is 40 %."""
    bare = text.rstrip("% ").replace(",", ".")
    number = float(bare) if _number(bare) else None
    return number if number is None or number > 1 or "%" in text else number * 100


# --- learning and people


def _of_learning(
    at: Any, unused: Sequence[tuple[str, Counter]], left_out: Sequence[str]
) -> Iterator[Problem]:
    """Days that are none of completion, costs in several currencies, and activities that are parts
    of others.
    """
    date, rows = DATE_OF["learning"], sql.named(at.rows)
    source = str(at.made.columns[date].column or "")
    if date not in at.made.as_is and _is_one_of(source, "other_days"):
        yield Problem.of("other_day", at.table, date, source=source)
    for name, counts in unused:
        codes = [text for text in counts if re.fullmatch(r"[A-Za-z]{3}|[$€£]", text)]
        if _is_one_of(name, "currencies") and len(codes) > 1 and "cost" in at.made.columns:
            yield Problem.of("currencies", at.table, "cost", ", ".join(sorted(codes)[:9]))
    for name in (name for name in left_out if _is_one_of(name, "parents")):
        whole, others = sql.named(name), [one for one in at.header if one[0] != "_" and one != name]
        some = f"IN (SELECT CAST({whole} AS VARCHAR) FROM {rows})"
        cells = [f"CAST({sql.named(one)} AS VARCHAR) {some}" for one in others]
        is_row = " OR ".join([*cells, "FALSE"])
        filled = f"{profiles.tidy(whole)} <> ''"
        query = (
            f"SELECT count(*), count(*) FILTER ({filled}), count(*) FILTER ({is_row}) FROM {rows}"
        )
        n, parts, wholes = at.job.fetch(at.table, name, query)
        if 0 < parts < n and wholes:
            yield Problem.of("parts_counted", at.table, name, n=f"{parts:,}", of=f"{n:,}")


def _of_people(at: Any, left_out: Sequence[str], who: str) -> Iterator[Problem]:
    """A leaving day that is not mapped, and ids that were given to somebody else later."""
    leaving = {plain(name) for name in names()["columns"]["people"]["left_on"]}
    for name in left_out:
        text = profiles.tidy(sql.named(name))
        filled = f"FROM {sql.named(at.rows)} WHERE {text} <> ''"
        if plain(name) in leaving and "left_on" not in at.made.columns:
            (n,) = at.job.fetch(at.table, name, f"SELECT count(*) {filled}")
            if n:
                yield Problem.of("leaving_left_out", at.table, name, n=f"{n:,}")
        if _is_one_of(name, "whose") and "person_id" not in at.made.as_is:
            several = f"{filled} GROUP BY 1 HAVING count(DISTINCT lower({text})) > 1"
            query = f"SELECT count(*), min(CAST(x AS VARCHAR)) FROM (SELECT {who} AS x {several})"
            n, one = at.job.fetch(at.table, name, query)
            if n:
                yield Problem.of("id_reused", at.table, "person_id", one, n=f"{n:,}", source=name)


# --- which end of a scale is good


def polarity(text: str) -> int | None:
    """How good a word for a rating is, from 2 to -2; None of a word that says nothing."""
    said = [
        (len(word), int(level))
        for level, words in FACTS["ratings"].items()
        for word in words
        if re.search(rf"\b{re.escape(word)}\b", letters(text))
    ]
    return max(said)[1] if said else None


def _upside_down(at: Any, rating: str, unused: Sequence[tuple[str, Counter]]) -> Iterator[Problem]:
    """Words beside the ratings, or translated to them, that say the other end is the good one."""
    made = at.made.columns["rating"]
    if made.values:
        found = [(float(n), polarity(str(word))) for word, n in made.values.items() if _number(n)]
        yield from _turned(at, "rating", [(n, p) for n, p in found if p is not None])
    for name, counts in unused:
        known = [text for text in counts if polarity(text) is not None]
        if len(known) < 2:
            continue
        column = sql.named(name)
        query = (
            f"SELECT {profiles.tidy(column)} AS v, avg(try_cast({rating} AS DOUBLE)) FROM "
            f"{sql.named(at.rows)} GROUP BY 1"
        )
        means = dict(at.job.fetch_all(at.table, name, query))
        pairs = [(means[text], polarity(text)) for text in known if means.get(text) is not None]
        yield from _turned(at, name, pairs)


def _number(value: object) -> bool:
    try:
        return math.isfinite(float(str(value)))
    except ValueError:
        return False


def _turned(at: Any, name: str, pairs: Sequence[tuple[float, int]]) -> Iterator[Problem]:
    ups = downs = 0
    for place, (one, good) in enumerate(pairs):
        for other, better in pairs[place + 1 :]:
            sign = (one - other) * (good - better)
            ups, downs = ups + (sign > 0), downs + (sign < 0)
    if downs > ups:
        got = f"{downs} of {downs + ups} pairs of words in {name!r} fall as the rating rises"
        yield Problem.of("upside_down", at.table, "rating", got)

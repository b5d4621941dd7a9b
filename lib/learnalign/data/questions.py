"""Questions that an import asks before it writes: what the values show and the mapping leaves open.

Each is a `Problem` that names the line of the mapping that answers it. `as_is: {COLUMN: why}`
answers that all is as it stands.
"""

import html
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from learnalign.data import profiles, sql
from learnalign.data.contract import DATE_OF, Column
from learnalign.data.mapping import ColumnMap
from learnalign.data.mistakes import DataError, Problem
from learnalign.data.profiles import FACTS, LONG, ORDERS, Tally
from learnalign.data.sources import plain

TEXTS = 150  # different texts of a column that may say what a row is
MOST = 5000  # different texts that are compared by their spelling
GROUPS = ("unit", "cycle", "grade", "skill")
RATIOS = ("compa_ratio", "fte", "company_factor")
NO = {"no", "n", "false", "0", "nein", "non", "f"}
YES = {"yes", "y", "true", "1", "ja", "oui", "si", "x", "t"}
FEW = 20  # rows, among which one long course is no sign of minutes
ZONES = "UTC|GMT|[ECMP][SD]T|CES?T|[EW]ES?T|MES?Z|BST|IST|JST|A[EWC][SD]T"
MINUTES = r"\b(min|mins|minutes?|minuten|minutos|sec|secs|seconds?|sekunden|segundos)\b"


# --- dates


def zoned(at: Any, column: Column, value: str) -> str:
    """The expression itself; a `DataError` where its day hangs on a zone and none is named."""
    if column.kind != "date" or at.job.mapping.zone is not None:
        return value
    place = (at.table, column.name)
    rows = at.job.run(*place, f'SELECT {value} AS x FROM "_from_{at.table}" LIMIT 0')
    if getattr(rows.schema()["x"], "timezone", None) or sql.hangs_on_zone(at.job.engine, value):
        raise DataError.of("zone_needed", *place, n="its")
    return value


def zone_named(at: Any, place: tuple[str, str], header: str, text: str) -> Iterator[Problem]:
    """Times of a zone that the header or a word after them names, which no reading brings home."""
    if place[1] in at.made.as_is:
        return
    named = sql.quoted(rf":\d\d.* ?\(?({ZONES})\)?$")
    in_head = re.search(r"\b(utc|gmt)\b", re.sub(r"[_\W]+", " ", header).lower()) is not None
    ways = f"regexp_matches({text}, {named}) OR {'TRUE' if in_head else 'FALSE'}"
    query = (
        f"SELECT count(*), min({text}) FROM \"_from_{at.table}\" WHERE {text} LIKE '%:%' AND "
        f"NOT regexp_full_match({text}, {sql.quoted(profiles.OFFSET)}) AND "
        f"NOT regexp_matches({text}, '[T ]00:00(:00(\\.0+)?)?$') AND ({ways})"
    )
    n, one = at.job.fetch(*place, query)
    if n:
        yield Problem.of("zone_named", *place, one, n=f"{n:,}", source=header)


def another_way(
    at: Any, place: tuple[str, str], found: Tally, ways: Sequence[str]
) -> Problem | None:
    """A way that reads more than the told one, or what only the other order of day and month can
    read: the column is not as it was told.
    """
    if found.told == found.n or place[1] in at.made.as_is:
        return None
    best = max(found.reads, key=lambda way: found.reads[way])
    said = {"n": f"{found.n:,}", "told": ", ".join(ways), "n_told": f"{found.told:,}"}
    if found.reads[best] > found.told:
        how = FACTS["ways"][best]
        got = found.examples.get(best, "") if found.examples else ""
        more = {"way": best, "how": how, "n_best": f"{found.reads[best]:,}"}
        return Problem.of("other_reading", *place, got, **said, **more)
    if any(found.rest[order] for order in ORDERS) and any(
        "%d" in way or way in ORDERS for way in ways
    ):
        return Problem.of("two_orders", *place, profiles.hint(found, "date"), **said)
    return None


# --- numbers


def of_numbers(
    at: Any, column: Column, made: ColumnMap, raw: str, way: str, found: Tally
) -> Iterator[Problem]:
    """Whether a number can be in the unit of its column: percent or fraction, hours or minutes."""
    name, place = column.name, (at.table, column.name)
    if not found.n or name in at.made.as_is:
        return
    if name == "hours" and (way == "words" or made.unit is None and way in profiles.NUMBERS):
        head = re.sub(r"[_\W]+", " ", str(made.column)).lower()
        is_long = found.long > (0.05 if found.n >= FEW else 0.5) * found.n
        if re.search(MINUTES, head) and made.unit is None or is_long:  # or a day is not 24 hours
            got = f"column {made.column!r}: {found.high or 0:g} at most, "
            got += f"{found.long:,} of {found.n:,} above {LONG}"
            yield Problem.of("hours_or_minutes", *place, got)
            return
    if name == "cost":
        yield from _currencies(at, place, raw)
    is_percent, is_mixed = name.endswith("_pct"), 0 < found.signed < found.n
    if (is_percent or name in RATIOS) and made.unit is None and is_mixed:
        got = f"{found.signed:,} of {found.n:,} values have a % sign, the others none"
        yield Problem.of("percent_or_fraction", *place, got)
        return
    ends = (None, None) if is_mixed else (found.low, found.high)
    low, high = _in_unit(name, made, found.signed == found.n, *ends)
    if is_percent and made.unit is None and not found.signed and _are_fractions(found):
        got = f"{found.small:,} different values are between 0 and 0.2, the highest is {high:g}"
        yield Problem.of("percent_or_fraction", *place, got)
    elif name in FACTS["plausible"] and low is not None:
        least, most = FACTS["plausible"][name]
        if low < least or high > most:
            got = f"values from {low:g} to {high:g}"
            yield Problem.of("implausible", *place, got, least=least, most=most)


def _currencies(at: Any, place: tuple[str, str], raw: str) -> Iterator[Problem]:
    query = (
        f"SELECT DISTINCT regexp_extract({at.tidy[raw]}, '[$€£]|[A-Z]{{3}}') AS c FROM "
        f"\"_from_{at.table}\" WHERE c <> '' ORDER BY 1 LIMIT 9"
    )
    found = [sign for (sign,) in at.job.fetch_all(*place, query)]
    if len(found) > 1:
        yield Problem.of("currencies", *place, ", ".join(found))


def _are_fractions(found: Tally) -> bool:
    """All are small, or some are and others are percent, with nothing in between."""
    if found.high is not None and max(abs(found.low), abs(found.high)) <= 1.5:
        return found.small >= 2 or found.between >= 2
    return found.small >= 2 and not found.between


def _in_unit(
    name: str, made: ColumnMap, is_signed: bool, *ends: float | None
) -> tuple[float | None, ...]:
    times = 1.0
    if name.endswith("_pct") and made.unit == "fraction" and not is_signed:
        times = 100.0
    elif name in RATIOS and (made.unit == "percent" or is_signed):
        times = 0.01
    elif made.unit in ("minutes", "seconds"):
        times = 1 / (60 if made.unit == "minutes" else 3600)
    return tuple(None if end is None else end * times for end in ends)


def in_unit(at: Any, column: Column, made: ColumnMap, text: str, value: str, way: str) -> str:
    """SQL: a number in the unit of its column, whatever unit it was written in."""
    name, is_signed = column.name, f"({text} LIKE '%\\%' ESCAPE '\\')"
    if name.endswith("_pct") and made.unit == "fraction":
        return f"CASE WHEN {is_signed} THEN {value} ELSE round({value} * 100, 10) END"
    if name in RATIOS:
        every = "TRUE" if made.unit == "percent" else is_signed
        return f"CASE WHEN {every} THEN round({value} / 100, 10) ELSE {value} END"
    if name == "hours" and way in profiles.NUMBERS and made.unit in profiles.HOURS:
        return f"({value}{profiles.HOURS[made.unit]})"
    if name == "rating" and made.best == "low":
        return f"({sum(scale_ends(at.job.mapping.dataset)):g} - {value})"
    return value


def scale_ends(meta: Any) -> tuple[float, float]:
    """The ends of the rating scale."""
    scale = meta.rating_scale
    return (scale.min, scale.max) if hasattr(scale, "min") else (min(scale), max(scale))


# --- texts


def spelt(at: Any, column: Column, made: ColumnMap, value: str) -> str:
    """SQL: a text of a group in one spelling, where the mapping says so; else it is asked."""
    is_group = column.name in GROUPS or column.name in at.job.mapping.dataset.attributes
    if not is_group or made.spellings == "as_they_are" or column.name in at.made.as_is:
        return value
    query = (
        f"SELECT v, count(*) FROM (SELECT {value} AS v FROM {sql.named(f'_from_{at.table}')}) "
        f"WHERE v <> '' GROUP BY 1"
    )
    counts = dict(at.job.fetch_all(at.table, column.name, f"{query} LIMIT {MOST + 1}"))
    if len(counts) > MOST:
        return value
    groups = defaultdict(list)
    for text in sorted(counts, key=lambda text: (mended(text) != text, -counts[text], text)):
        groups[folded(text)].append(text)
    several = [texts for texts in groups.values() if len(texts) > 1]
    if made.spellings == "as_one":
        pairs = [(other, texts[0]) for texts in groups.values() for other in texts]
        pairs = [(other, mended(first)) for other, first in pairs if other != mended(first)]
        cases = " ".join(f"WHEN {sql.quoted(a)} THEN {sql.quoted(b)}" for a, b in pairs)
        return f"CASE {value} {cases} ELSE {value} END" if pairs else value
    if several:
        got = "; ".join(
            " = ".join(f"{t!r} ({counts[t]:,})" for t in texts) for texts in several[:5]
        )
        said = {"n": len(several), "source": made.column}
        at.problems.append(Problem.of("several_spellings", at.table, column.name, got, **said))
    return value


def mended(text: str) -> str:
    """A text without entities, and with letters that were read in the wrong encoding put right."""
    plain_text = html.unescape(text)
    for encoding in ("cp1252", "latin-1"):
        try:
            return plain_text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return plain_text


def folded(text: str) -> str:
    """What two spellings of one name have in common."""
    return " ".join(unicodedata.normalize("NFKC", mended(text)).casefold().split())


# --- columns that the mapping leaves out


def of_source(at: Any, pairs: Mapping[str, tuple[str, str]]) -> Iterator[Problem]:
    """What columns that are not mapped say against the mapping."""
    if at.table in ("learning", "ties") and "status" not in at.made.columns:
        for name, counts in _unused(at):
            yield from _undone(at, name, counts)
    date = DATE_OF[at.table]
    source = str(at.made.columns[date].column or "")
    if at.table == "learning" and date not in at.made.as_is and _is_one_of(source, "other_days"):
        yield Problem.of("other_day", at.table, date, source=source)
    if at.table == "reviews" and "rating" not in at.made.as_is:
        yield from _upside_down(at, pairs["rating"][1])


def _unused(at: Any) -> Iterator[tuple[str, Counter]]:
    """Columns of few texts that no column of the mapping is made of, with their counts."""
    made = at.made
    used = {plain(str(one.column)) for one in made.columns.values() if one.column is not None}
    said = [one.sql or "" for one in made.columns.values()] + [one.sql for one in made.set_aside]
    for name in at.header:
        is_said = any(plain(name) in plain(text) for text in said)
        if name.startswith("_") or is_said or plain(name) in used or name in made.as_is:
            continue
        column = sql.named(name)
        query = (
            f"SELECT {profiles.tidy(column)} AS v, count(*) FROM {sql.named(f'_from_{at.table}')} "
            "GROUP BY 1 LIMIT 151"
        )
        counts = Counter(dict(at.job.fetch_all(at.table, name, query)))
        counts.pop(None, None)
        if len(counts) <= TEXTS:
            yield name, counts


def _undone(at: Any, name: str, counts: Counter) -> Iterator[Problem]:
    name_says = True
    words = {kind: {folded(word) for word in FACTS[kind]} for kind in ("undone", "done")}
    bare = {text: re.sub(r"[\s_\-]+", " ", _letters(text)) for text in counts}
    undone = {text: n for text, n in counts.items() if bare[text] in words["undone"]}
    if _is_one_of(name, "gone"):
        undone = {text: n for text, n in counts.items() if bare[text] in YES}
    elif _is_one_of(name, "flags"):
        undone |= {text: n for text, n in counts.items() if bare[text] in NO}
    elif _is_one_of(name, "progress"):
        undone |= {text: n for text, n in counts.items() if (_share(text) or 0) < 100}
    elif _is_one_of(name, "states") and len({*bare.values()} - {""}) > 1:
        undone = {text: n for text, n in counts.items() if bare[text] not in words["done"]}
    else:
        name_says = False
    is_known = sum(n for text, n in counts.items() if bare[text] in words["done"] | words["undone"])
    if undone and (name_says or is_known >= 0.5 * counts.total()):
        n, of = f"{sum(undone.values()):,}", f"{counts.total():,}"
        got = ", ".join(map(repr, list(undone)[:6]))
        yield Problem.of("unfinished", at.table, name, got, n=n, of=of)


def _is_one_of(header: str, kind: str) -> bool:
    return plain(header) in {plain(word) for word in FACTS[kind]}


def _share(text: str) -> float | None:
    """A percentage as a number; 0.4 is 40 %."""
    bare = text.rstrip("% ").replace(",", ".")
    number = float(bare) if _number(bare) else None
    return number if number is None or number > 1 or "%" in text else number * 100


def _letters(text: str) -> str:
    plain_text = unicodedata.normalize("NFKD", folded(text))
    return "".join(sign for sign in plain_text if not unicodedata.combining(sign))


def polarity(text: str) -> int | None:
    """How good a word for a rating is, from 2 to -2; None of a word that says nothing."""
    said = [
        (len(word), int(level))
        for level, words in FACTS["ratings"].items()
        for word in words
        if re.search(rf"\b{re.escape(word)}\b", _letters(text))
    ]
    return max(said)[1] if said else None


def _upside_down(at: Any, rating: str) -> Iterator[Problem]:
    """Words beside the ratings, or translated to them, that say the other end is the good one."""
    made = at.made.columns["rating"]
    if made.values:
        found = [(float(n), polarity(str(word))) for word, n in made.values.items() if _number(n)]
        yield from _turned(at, "rating", [(n, p) for n, p in found if p is not None])
    for name, counts in _unused(at):
        known = [text for text in counts if polarity(text) is not None]
        if len(known) < 2:
            continue
        column = sql.named(name)
        query = (
            f"SELECT {profiles.tidy(column)} AS v, avg(try_cast({rating} AS DOUBLE)) FROM "
            f'"_from_{at.table}" GROUP BY 1'
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

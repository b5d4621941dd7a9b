"""Questions that an import asks before it writes: what the values show and the mapping leaves open.

Each is a `Problem` that names the line of the mapping that answers it. `as_is: {COLUMN: why}`
answers that all is as it stands.
"""

import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from learnalign.data import profiles, sql
from learnalign.data.contract import Column
from learnalign.data.mapping import ColumnMap
from learnalign.data.mistakes import DataError, Problem
from learnalign.data.profiles import FACTS, LONG, ORDERS, Tally

MOST = 5000  # different texts that are compared by their spelling
GROUPS = ("unit", "cycle", "grade", "skill")
RATIOS = ("compa_ratio", "fte", "company_factor")
FEW = 20  # rows, among which one long course is no sign of minutes
ZONES = "UTC|GMT|[ECMP][SD]T|CES?T|[EW]ES?T|MES?Z|BST|IST|JST|A[EWC][SD]T"
MINUTES = (
    r"\b(min|mins|mm|minutes?|minuten|minutos|sec|secs|seconds?|sekunden|segundos|"
    r"days?|tagen?|jours?|dias?)\b"
)
SHARE = r"%|pct|p(er|ro|our|or)[cz]ent"  # a header that says so holds no money, nor months
MANY = 8  # days that are no chance: of as many, one is after a 12th
LEAST = 0.7  # hours: where none takes longer they may be parts of a day, as a spreadsheet has them
# behind a time, or a zone's name; 09:00-12:00 is a session
OFFSETS = rf"(\+|( ?(GMT|UTC) ?| |:\d\d([.,]\d+)?([AP]M)?)-){profiles.AWAY}( \([^()]*\))?"
MONEY = r"[$€£]|\b(amount|betrag|montant|importe|eur|usd|gbp|chf|bps)\b"
TIMES = r"\b(months?|monate|monatsgehalter|mois|meses|multiple|salaries)\b"


# --- dates


def zoned(at: Any, column: Column, value: str) -> str:
    """The expression itself; a `DataError` where its day hangs on a zone and none is named."""
    if column.kind != "date" or at.job.mapping.zone is not None:
        return value
    place = (at.table, column.name)
    rows = at.job.run(*place, f"SELECT {value} AS x FROM {sql.named(at.rows)} LIMIT 0")
    if getattr(rows.schema()["x"], "timezone", None) or sql.hangs_on_zone(at.job.engine, value):
        raise DataError.of("zone_needed", *place, n="its")
    return value


def zone_named(at: Any, place: tuple[str, str], header: str, texts: str) -> Iterator[Problem]:
    """Times of a zone that the header or a word after them names, which no reading brings home."""
    if place[1] in at.made.as_is:
        return
    named = sql.quoted(rf":\d\d.*?( ?\(?({ZONES})\)?|{OFFSETS})$")
    in_head = re.search(r"\b(utc|gmt)\b", words_of(header)) is not None
    ways = f"regexp_matches(t, {named}) OR {'TRUE' if in_head else 'FALSE'}"
    query = (
        f"SELECT sum(n), min(t) FROM {texts} WHERE t LIKE '%:%' AND "
        f"NOT regexp_full_match(t, {sql.quoted(profiles.OFFSET)}) AND "
        f"NOT regexp_matches(t, '[T ]00:00(:00(\\.0+)?)?$') AND ({ways})"
    )
    n, one = at.job.fetch(*place, query)
    if n:
        yield Problem.of("zone_named", *place, one, n=f"{int(n):,}", source=header)


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


def swapped(at: Any, place: tuple[str, str], texts: str, found: Tally) -> Iterator[Problem]:
    """Days of which a spreadsheet made those that its own order reads, with day and month swapped,
    and left the others as text: none of the first is after a 12th, all of the others are.
    """
    left = max(found.reads[order] for order in ORDERS)
    if place[1] in at.made.as_is or found.both or min(found.reads["iso"], left) < MANY:
        return
    late = f"count(*) FILTER (day({profiles.DATES['iso']('t')}) > 12)"
    (n,) = at.job.fetch(*place, f"SELECT {late} FROM {texts}")
    if not n:
        said = {"n": f"{found.reads['iso']:,}", "left": f"{left:,}"}
        yield Problem.of("swapped", *place, profiles.hint(found, "date"), **said)


# --- numbers


def of_numbers(
    at: Any, column: Column, made: ColumnMap, texts: str, way: str, found: Tally
) -> Iterator[Problem]:
    """Whether a number can be in the unit of its column: percent or fraction, hours or minutes."""
    name, place = column.name, (at.table, column.name)
    if not found.n or name in at.made.as_is:
        return
    if name == "hours" and (got := _other_unit(at, made, texts, way, found)):
        yield Problem.of("hours_or_minutes", *place, got)
        return
    if name == "cost":
        yield from _currencies(at, place, texts)
    is_percent, is_mixed = name.endswith("_pct"), 0 < found.signed < found.n
    if made.unit is None and is_mixed:
        got = f"{found.signed:,} of {found.n:,} values have a % sign, the others none"
        yield Problem.of("percent_or_fraction", *place, got)
        return
    is_said = re.search(SHARE, letters(str(made.column))) is not None
    if is_percent and not is_said and re.search(f"{MONEY}|{TIMES}", words_of(made.column)):
        yield Problem.of("not_percent", *place, source=made.column)
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


def words_of(header: object) -> str:
    """The header of a column in small letters, with signs of money alone between its words."""
    return re.sub(r"[^\w$€£]|_", " ", letters(str(header)))


def _other_unit(at: Any, made: ColumnMap, texts: str, way: str, found: Tally) -> str:
    """What says that a number may not be hours: its header, a unit in a row of its own, its size;
    else nothing. A day of training has not 24 hours, a sheet's 45:30 are minutes.
    """
    if made.unit is not None and way != "words":
        return ""
    said = f"column {made.column!r}: {found.high or 0:g} at most, "
    said += f"{found.long:,} of {found.n:,} above {LONG}"
    if found.long > (0.05 if found.n >= FEW else 0.5) * found.n:
        return said
    if made.unit is not None or way not in profiles.NUMBERS:
        return ""
    if re.search(MINUTES, words_of(made.column)):
        return said
    if found.n >= FEW and (found.high or 1) < LEAST:
        fine = f"(SELECT {profiles.NUMBERS[way]('t')} AS v FROM {texts}) WHERE abs(v - round(v, 2))"
        if at.job.fetch(at.table, "hours", f"SELECT count(*) FROM {fine} > 1e-6")[0]:
            return said
    if found.told == found.n:
        return ""
    query = f"SELECT min(t) FROM {texts} WHERE regexp_matches(lower(t), {sql.quoted(MINUTES)})"
    (unit,) = at.job.fetch(at.table, "hours", query)
    return f"{said}, and {unit!r}" if unit else ""


def _currencies(at: Any, place: tuple[str, str], texts: str) -> Iterator[Problem]:
    query = (
        f"SELECT DISTINCT regexp_extract(t, '[$€£]|[A-Z]{{3}}') AS c FROM {texts} "
        "WHERE c <> '' ORDER BY 1 LIMIT 9"
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


def spelt(at: Any, column: Column, made: ColumnMap, value: str, texts: str) -> str:
    """SQL: a text of a group in one spelling, where the mapping says so; else it is asked."""
    is_group = column.name in GROUPS or column.name in at.job.mapping.dataset.attributes
    if not is_group or made.spellings == "as_they_are" or column.name in at.made.as_is:
        return value
    query = f"SELECT t, CAST(sum(n) AS BIGINT) FROM {texts} WHERE t <> '' GROUP BY 1"
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
    letters = unicodedata.normalize("NFKC", mended(text)).casefold()
    seen = " ".join("".join(x for x in letters if unicodedata.category(x) != "Cf").split())
    return re.sub(r"^(\d+)\.0$", r"\1", seen)


def letters(text: str) -> str:
    """A text folded, without accents."""
    plain_text = unicodedata.normalize("NFKD", folded(text))
    return "".join(sign for sign in plain_text if not unicodedata.combining(sign))

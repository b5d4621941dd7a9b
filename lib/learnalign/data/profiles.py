"""Profiles: the ways in which a column's texts can be read, and how many of them each way reads.

One way is taken only where it alone fits, or where the mapping says so. Where two fit and differ,
sister columns of the same table decide; else it is asked, never guessed. Nothing here reads a row:
the engine counts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learnalign.data import sql
from learnalign.data.mistakes import Problem, read_yaml

FACTS = read_yaml(Path(__file__).with_suffix(".yml"))
Ways = Mapping[str, Callable[[str], str]]  # of reading a text, by name, each as SQL
ORDERS = ("day_first", "month_first")
UNSEEN = r"\p{Cc}\p{Cf}"  # marks of direction, soft hyphens, NUL: nobody sees them
BLANKS = rf"[\s\p{{Z}}{UNSEEN}]"
TAIL = r"(?:[T ,]+\d{1,2}[:.]\d{2}.*)?"  # a time of day, of which nothing is used
LONG = 16  # hours in a row: more are rare, or minutes
AWAY = r"(0\d|1[0-4])(:?(00|30|45))"  # hours and minutes of a zone
MOMENT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d"
OFFSET = (  # 09:00-12:00 behind a day and a blank is a session
    rf"{MOMENT}(:\d\d([.,]\d+)?)? ?([Zz]|\+{AWAY}?)|{MOMENT}(:\d\d([.,]\d+)?| ) ?-{AWAY}?|"
    rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d-{AWAY}?"
)


@dataclass(frozen=True)
class Tally:
    """How many of `n` filled values each way reads: alone, and of those that the told way leaves.

    `both` counts values that either order of day and month (or mark of decimals) reads, `differ`
    those that they read as different things; `offsets` those that need a zone; `examples` holds a
    value that each way reads, beside those that the told way leaves.
    """

    n: int
    told: int
    reads: Mapping[str, int]
    rest: Mapping[str, int]
    both: int
    differ: int
    offsets: int = 0
    signed: int = 0
    examples: Mapping[str, str] | None = None
    low: float | None = None
    high: float | None = None
    small: int = 0
    between: int = 0
    long: int = 0  # rows beyond the hours of two working days


# --- texts


def trimmed(text: str) -> str:
    """SQL: a text without blanks around it, no-break ones included, in composed letters."""
    ends = sql.quoted(f"^{BLANKS}+|{BLANKS}+$")
    return f"nfc_normalize(regexp_replace(CAST({text} AS VARCHAR), {ends}, '', 'g'))"


def tidy(text: str) -> str:
    """SQL: what a date or number is read from: without entities, doubled blanks, what nobody sees,
    an age such as `(3 days 2 hours)`, or a weekday in brackets. Any other word behind a value says
    something of it.
    """
    plain = f"replace(CAST({text} AS VARCHAR), '&nbsp;', ' ')"
    plain = rf"regexp_replace({plain}, '\p{{Cf}}', '', 'g')"
    plain = f"regexp_replace({plain}, {sql.quoted(BLANKS + '+')}, ' ', 'g')"
    age = sql.quoted(
        rf" +\((now|(\d+ ({FACTS['ages']})[ ,]*)+( ago)?|(?i:{FACTS['weekdays']})\.?)\)$"
    )
    return f"trim(regexp_replace(trim({plain}), {age}, ''))"


def is_nothing(text: str) -> str:
    """SQL: whether a tidy text stands for nothing: a word for never, or a system's first day."""
    words = ", ".join(map(sql.quoted, FACTS["nothing"]))
    days = ", ".join(map(sql.quoted, FACTS["never"]))
    return f"(lower({text}) IN ({words}) OR substr({text}, 1, 10) IN ({days}))"


# --- dates


def _triple(text: str, order: str) -> str:
    shape = sql.quoted(r"(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})" + TAIL)
    part = [f"lpad(regexp_extract({text}, {shape}, {at}), 2, '0')" for at in (1, 2)]
    day, month = part if order == "day_first" else reversed(part)
    year = f"regexp_extract({text}, {shape}, 3)"
    joined = f"try_cast(concat_ws('-', {year}, {month}, {day}) AS DATE)"
    return f"CASE WHEN regexp_full_match({text}, {shape}) THEN {joined} END"


def _named(text: str) -> str:
    """A date with the month's name, in English, French, German or Spanish."""
    plain = f"lower(strip_accents({text}))"
    week, name, gap = r"(?:[a-z]+\.?,? )?", r"([a-z]{3,10})\.?", r"[ ,.\-]*(?:de )?"
    one = sql.quoted(week + r"(\d{1,2})(?:st|nd|rd|th|er)?" + gap + name + gap + r"(\d{4})" + TAIL)
    other = sql.quoted(week + name + r" (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})" + TAIL)
    pairs = [(name, number) for number, names in FACTS["months"].items() for name in names]
    names = "[" + ", ".join(sql.quoted(name) for name, _ in pairs) + "]"
    numbers = "[" + ", ".join(str(number) for _, number in pairs) + "]"

    def date(shape: str, day: int, month: int) -> str:
        said = [f"regexp_extract({plain}, {shape}, {at})" for at in (3, month, day)]
        number = f"list_extract({numbers}, list_position({names}, {said[1]}))"
        parts = f"{said[0]}, lpad(CAST({number} AS VARCHAR), 2, '0'), lpad({said[2]}, 2, '0')"
        joined = f"try_cast(concat_ws('-', {parts}) AS DATE)"
        return f"CASE WHEN regexp_full_match({plain}, {shape}) THEN {joined} END"

    return f"coalesce({date(one, 1, 2)}, {date(other, 2, 1)})"


def _iso(text: str) -> str:
    shape = sql.quoted(r"([1-9]\d|\d[1-9])\d\d-\d\d-\d\d([ T]\d\d:\d\d.*)?")
    moment = f"concat(substr({text}, 1, 10), 'T', replace(substr({text}, 12), ' ', ''))"
    local = f"CAST(try_cast({moment} AS TIMESTAMPTZ) AS DATE)"  # in the zone of the engine
    day = f"try_cast(substr({text}, 1, 10) AS DATE)"
    day = f"CASE WHEN regexp_full_match({text}, {sql.quoted(OFFSET)}) THEN {local} ELSE {day} END"
    return f"CASE WHEN regexp_full_match({text}, {shape}) THEN {day} END"


def _year_first(text: str) -> str:
    shape = sql.quoted(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})" + TAIL)
    parts = [f"lpad(regexp_extract({text}, {shape}, {at}), 2, '0')" for at in (2, 3)]
    sliced = f"concat_ws('-', regexp_extract({text}, {shape}, 1), {', '.join(parts)})"
    packed = f"concat_ws('-', substr({text}, 1, 4), substr({text}, 5, 2), substr({text}, 7, 2))"
    return (
        f"CASE WHEN regexp_full_match({text}, {shape}) THEN try_cast({sliced} AS DATE) "
        f"WHEN regexp_full_match({text}, '(19|20)\\d{{6}}') THEN try_cast({packed} AS DATE) END"
    )


def _excel(text: str) -> str:
    days = f"CAST(floor(try_cast({text} AS DOUBLE)) AS INTEGER)"
    shape = r"'[2-5]\d{4}(\.\d+)?'"
    return f"CASE WHEN regexp_full_match({text}, {shape}) THEN DATE '1899-12-30' + {days} END"


def _epoch(text: str) -> str:
    moment = f"try_cast({text} AS DOUBLE)"
    return (
        f"CASE WHEN regexp_full_match({text}, '1\\d{{9}}(\\.\\d+)?') "
        f"THEN CAST(to_timestamp({moment}) AS DATE) WHEN regexp_full_match({text}, '1\\d{{12}}') "
        f"THEN CAST(to_timestamp({moment} / 1000) AS DATE) END"
    )


DATES: dict[str, Callable[[str], str]] = {
    "iso": _iso,
    "day_first": lambda text: _triple(text, "day_first"),
    "month_first": lambda text: _triple(text, "month_first"),
    "year_first": _year_first,
    "named": _named,
    "excel": _excel,
    "epoch": _epoch,
}


def date_value(text: str, told: tuple[str, ...]) -> str:
    """SQL: a date by the first of the told ways that reads it; a way is one of `DATES` or a format
    of strptime.
    """
    ways = [
        DATES[way](text)
        if way in DATES
        else f"CAST(try_strptime({text}, {sql.quoted(way)}) AS DATE)"
        for way in told
    ]
    return ways[0] if len(ways) == 1 else f"coalesce({', '.join(ways)})"


# --- numbers

SPACE = r"[ '\x{2019}\x{202f}]"
POINT = rf"[+-]?(\d+|[1-9]\d{{0,2}}((,|{SPACE})\d{{3}})+)?(\.\d+)?([eE][+-]?\d+)?"
COMMA = rf"[+-]?(\d+|[1-9]\d{{0,2}}((\.|{SPACE})\d{{3}})+)?(,\d+)?"
PERCENT, MONEY = r" *%$", r"^[$€£] *| *([$€£]|[A-Z]{3})$"  # '5 MIN' is no number of hours
HOURS = {"hours": "", "minutes": " / 60", "seconds": " / 3600"}


def _decimal(text: str, shape: str, drop: str, mark: str) -> str:
    plain = f"regexp_replace({text}, {sql.quoted(drop)}, '', 'g')"
    plain = f"replace({plain}, ',', '.')" if mark == "," else plain
    fits = f"regexp_full_match({text}, {sql.quoted(shape)}) AND regexp_matches({text}, '\\d')"
    return f"CASE WHEN {fits} THEN try_cast({plain} AS DOUBLE) END"


def _clock(text: str) -> str:
    shape = sql.quoted(r"(\d+):([0-5]\d):([0-5]\d)(?:\.\d+)?")
    parts = [f"try_cast(regexp_extract({text}, {shape}, {at}) AS DOUBLE)" for at in (1, 2, 3)]
    total = f"{parts[0]} + {parts[1]} / 60 + {parts[2]} / 3600"
    return f"CASE WHEN regexp_full_match({text}, {shape}) THEN {total} END"


def _hour_minute(text: str) -> str:
    parts = [f"try_cast(split_part({text}, ':', {at}) AS DOUBLE)" for at in (1, 2)]
    fits = f"regexp_full_match({text}, '\\d+:[0-5]\\d')"
    return f"CASE WHEN {fits} THEN {parts[0]} + {parts[1]} / 60 END"


def _spans(text: str, shape: str) -> str:
    """A duration of days, hours, minutes and seconds, each at most once and at least one."""
    parts = " + ".join(
        f"coalesce(try_cast(nullif(replace(regexp_extract({text}, {sql.quoted(shape)}, {at}), ',', "
        f"'.'), '') AS DOUBLE), 0) * {hours}"
        for at, hours in ((1, "24"), (2, "1"), (3, "1 / 60"), (4, "1 / 3600"))
    )
    fits = f"regexp_full_match({text}, {sql.quoted(shape)}) AND regexp_matches({text}, '\\d')"
    return f"CASE WHEN {fits} THEN {parts} END"


N = r"(\d+(?:[.,]\d+)?)"
ISO_SPAN = rf"P(?:{N}D)?(?:T(?:{N}H)?(?:{N}M)?(?:{N}S)?)?"
WORD_SPAN = (
    rf"(?:{N} ?(?:d|days?|j|tage?|dias?) ?)?"
    rf"(?:{N} ?(?:h|hrs?|hours?|std\.?|stunden?|heures?|horas?) ?)?"
    rf"(?:{N} ?(?:m|mins?|minut(?:e|en|es|os)) ?)?(?:{N} ?(?:s|secs?|seconds?|sekunden?) ?)?"
)


def _numbers(signs: str) -> dict[str, Callable[[str], str]]:
    """Ways of reading a number beside which some signs may stand."""

    def bare(text: str) -> str:
        return f"regexp_replace({text}, {sql.quoted(signs)}, '')" if signs else text

    return {
        "point": lambda text: _decimal(bare(text), POINT, rf",|{SPACE}", "."),
        "comma": lambda text: _decimal(bare(text), COMMA, rf"\.|{SPACE}", ","),
    }


NUMBERS = _numbers(PERCENT)
SPANS: dict[str, Callable[[str], str]] = {
    "hms": _clock,
    "hm": _hour_minute,
    "iso8601": lambda text: _spans(text, ISO_SPAN),
    "words": lambda text: _spans(f"lower({text})", WORD_SPAN),
}


def ways_of(column: str, kind: str) -> Ways:
    """The ways in which a column of a kind can be read."""
    if kind == "date":
        return DATES
    if column == "hours":
        return {**_numbers(""), **SPANS}
    return _numbers(MONEY) if column == "cost" else NUMBERS


# --- counting and choosing


def tally(job: Any, place: tuple[str, str], texts: str, kind: str, told: str | None) -> Tally:
    """Count how many filled values each way reads; `texts` are rows of tidy texts `t`, and how
    often each stands (`n`).
    """
    ways = ways_of(place[1], kind)
    row = job.fetch(*place, _counting(texts, kind, ways, told or "NULL"))
    n, left, *others = row[:12]
    whole, spread = [int(count or 0) for count in others[:5]], others[5:]
    counts = dict(zip(ways, zip(*[iter(row[12:])] * 3, strict=True), strict=True))
    reads = {way: int(found[0] or 0) for way, found in counts.items()}
    rest = {way: int(found[1] or 0) for way, found in counts.items()}
    examples = {way: found[2] for way, found in counts.items() if found[2]} | {"": left or ""}
    read_by_told, both, differ, offsets, signed = whole
    return Tally(
        int(n or 0), read_by_told, reads, rest, both, differ, offsets, signed, examples, *spread
    )


def _counting(texts: str, kind: str, ways: Ways, told: str) -> str:
    """The query that counts for a `Tally`: one row, with three columns for each way at its end."""
    one, other = ORDERS if kind == "date" else ("point", "comma")
    offset = f"regexp_full_match(t, {sql.quoted(OFFSET)})"
    parts = [
        "sum(n), min(t) FILTER (told IS NULL), sum(n) FILTER (told IS NOT NULL)",
        f"sum(n) FILTER (w_{one} IS NOT NULL AND w_{other} IS NOT NULL)",
        f"sum(n) FILTER (w_{one} <> w_{other}), sum(n) FILTER ({offset} OR w_epoch IS NOT NULL)",
        "sum(n) FILTER (t LIKE '%\\%' ESCAPE '\\')",
        "min(value), max(value)",
        "count(*) FILTER (abs(CAST(value AS DOUBLE)) > 0 AND abs(CAST(value AS DOUBLE)) <= 0.2)",
        "count(*) FILTER (abs(CAST(value AS DOUBLE)) > 0.2 AND abs(CAST(value AS DOUBLE)) < 0.5)",
        f"coalesce(sum(n) FILTER (CAST(value AS DOUBLE) > {LONG}), 0)",
    ]
    for way in ways:
        left = f"FILTER (w_{way} IS NOT NULL AND told IS NULL)"
        parts.append(f"sum(n) FILTER (w_{way} IS NOT NULL), sum(n) {left}, min(t) {left}")
    read = ", ".join(f"{make('t')} AS w_{way}" for way, make in ways.items())
    every = f"coalesce(told, {', '.join(f'w_{way}' for way in ways)})"
    value = f"{'NULL' if kind == 'date' else every} AS value"
    read += "" if kind == "date" else ", NULL AS w_epoch"
    filled = (
        f"SELECT t, sum(n) AS n FROM {texts} WHERE t <> '' AND NOT {is_nothing('t')} GROUP BY 1"
    )
    return (
        f"SELECT {', '.join(parts)} FROM (SELECT *, {value} FROM (SELECT *, {told} AS told FROM "
        f"(SELECT *, {read} FROM ({filled}))))"
    )


def hint(found: Tally, kind: str) -> str:
    """What would read the values that the told way leaves, and how many: words for the screen."""
    words = FACTS["ways"]
    parts = [
        f"{count:,} of {found.n:,} can be read {words[way]}"
        + (f" ({found.examples[way]!r})" if found.examples and way in found.examples else "")
        for way, count in sorted(found.rest.items(), key=lambda pair: -pair[1])
        if count
    ]
    return "; ".join(parts)


def chosen(
    found: Tally, place: tuple[str, str], kind: str, sisters: Mapping[str, str]
) -> str | Problem | None:
    """The one way that fits where none was told; a `Problem` where it must be asked; None where no
    way reads a thing.

    `sisters` says how other columns of the same table are read.
    """
    pair = ORDERS if kind == "date" else ("point", "comma")
    best = max(found.reads, key=lambda way: (found.reads[way], way == pair[0]))
    if not found.reads[best]:
        return None
    if "hm" in found.reads and found.reads["hm"] == found.n:  # or minutes and seconds
        return Problem.of("hours_or_minutes", *place, (found.examples or {}).get("hm", ""))
    partner = pair[1 - pair.index(best)] if best in pair else ""
    if partner and found.differ and found.reads[partner] == found.reads[best] == found.both:
        said = {way for way in sisters.values() if way in pair}
        if len(said) == 1:
            return said.pop()
        key = "either_order" if kind == "date" else "either_mark"
        return Problem.of(key, *place, (found.examples or {}).get(best, ""), n=f"{found.n:,}")
    others = {way: count for way, count in found.reads.items() if way != best}
    if partner:
        others[partner] -= found.both
    if any(others.values()) and found.reads[best] < found.n:
        return Problem.of("mixed", *place, hint(found, kind), ways=_told_as(found, kind))
    return best


def _told_as(found: Tally, kind: str) -> str:
    ways = sorted((way for way, n in found.reads.items() if n), key=lambda way: -found.reads[way])
    return f"date: [{', '.join(ways)}]" if kind == "date" else "decimal: ','"

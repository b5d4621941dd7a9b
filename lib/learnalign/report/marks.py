"""How a single result is read and drawn: in words, in HTML, and as a small picture of its interval.

The interval stands against the smallest effect that matters; what was not estimated or is hidden
says so in words. `charts` offers all of it to notebooks and reports.
"""

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

from learnalign.privacy import rule
from learnalign.verdicts.result import DASH, MINUS, THIN, UNITS, Result, number, spread

INK, SOFT, BAND = "#17242f", "#53626e", "#e6e2d6"
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
MEASURED = re.compile(
    r"(?<=\d) (?=(SD|pp|times|%|[A-Z]{3})\b|%)"
)  # a figure and its unit stay on one line
NARROW = "\u00a0"
FIGURES = re.compile(
    r"(?<!&#)((?:\u2212|\b)\d+(?:<i></i>\d{3})*(?:\.\d+)?(?:\u00a0(?:SD|pp|times|%|[A-Z]{3})\b)?)"
)
# what neither XML nor HTML may hold, and marks that turn the direction of text and so what a reader
# sees
NO_LETTERS = "".join(
    chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF)
)  # and of no page
UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef"
    f"{NO_LETTERS}]"
)
RATIO_TICKS = (
    (0.01, 0.1, 1, 10, 100),
    (0.1, 0.3, 1, 3, 10),
    (0.25, 0.5, 1, 2, 4),
    (0.5, 0.7, 1, 1.4, 2),
    (0.8, 1, 1.25),
)


@dataclass(frozen=True)
class Look:
    """How a verdict is drawn: its form differs as well as its colour, so that it survives a grey
    printer.
    """

    colour: str
    dashes: str
    mark: str
    filled: bool


_KNOWN = Look("#0b6664", "", "o", True)
LOOKS = {
    "higher": _KNOWN,
    "lower": _KNOWN,
    "small": _KNOWN,
    "none": _KNOWN,
    "unknown": Look("#85560a", "1 6", "o", False),
    "untrusted": Look("#97293a", "7 5", "D", False),
    "hidden": Look(SOFT, "", "o", False),
    "described": Look(INK, "", "s", True),
}
RAW = Look(SOFT, "", "o", False)


def plain(value: Any) -> str:
    """A parameter or a fact as text, nested or not; nothing is left empty.

    >>> plain({"pp": 0.25, "units": ["company"], "seed": None, "pdf": False})
    'pp 0.25; units company; seed –; pdf no'
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:g}".replace("-", MINUS) if isinstance(value, float) else str(value)
    if not value:
        return DASH
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {plain(item)}" for key, item in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(plain(item) for item in value)
    return str(value)


# --- HTML


@cache
def environment() -> jinja2.Environment:
    """Templates in which every value is escaped, a missing one is an error and an empty one is a
    dash.
    """
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "amount": amount,
        "spread": _amounts,
        "plain": plain,
        "prose": prose,
        "bold": bold,
        "date": date,
    }
    env.filters |= {"foot": foot, "reach": reach, "clusters": clusters, "title": heading}
    env.globals |= {"strip": interval_svg, "line": line_svg, "map": map_svg, "looks": LOOKS}
    return env


def date(text: str | None) -> str:
    """A date in words; what is not a date stays as it is.

    >>> date("2026-06-30")
    '30 June 2026'
    """
    try:
        day = dt.date.fromisoformat(text or "")
    except ValueError:
        return text or DASH
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"  # in English on every machine


def heading(name: str) -> str:
    """The name of a notebook, a table or a check as a heading.

    >>> heading("gap_journey")
    'Gap journey'
    """
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def amount(value: float | None, unit: str = "") -> Markup:
    """`number` for HTML: it does not break, and the gaps between thousands are not copied with the
    digits.
    """
    return _unbroken(number(value, unit))


def prose(text: str) -> Markup:
    """A sentence for HTML, its figures set like those of `amount`."""
    text = MEASURED.sub(NARROW, THOUSANDS.sub(THIN, seen(text)))
    return Markup("<i></i>").join(escape(part) for part in text.split(THIN))


def bold(text: str) -> Markup:
    """As `prose`, with the figures in bold: what the eye looks for in a short line."""
    return Markup(FIGURES.sub(r"<b>\1</b>", str(prose(text))))


def _amounts(row: Result) -> Markup:
    return (
        Markup(DASH)
        if row.low is None or row.high is None
        else _unbroken(spread(row.low, row.high, row.unit))
    )


def _unbroken(text: str) -> Markup:
    return Markup('<span class="n">{}</span>').format(prose(text))


def seen(text: str) -> str:
    """A text without what a reader cannot see: control characters and marks that turn its
    direction.
    """
    return UNSEEN.sub("", text)


def _finalize(value: Any) -> Any:
    if value is None:
        return DASH
    return seen(value) if isinstance(value, str) and not isinstance(value, Markup) else value


# --- words around a result


def foot(row: Result) -> list[str]:
    """What a result stands on: people, managers or units, checks, the smallest effect that matters."""
    lines = [f"{number(row.n_people)} people"] if row.n_people is not None else []
    lines += [f"{number(row.n_clusters)} {clusters(row)}"] if row.n_clusters is not None else []
    lines += [_tally(row)] if row.checks else []
    lines += (
        [f"matters from {number(row.smallest_effect, row.unit)}"] if row.smallest_effect else []
    )
    return lines


def reach(row: Result) -> list[str]:
    """The smallest difference that so many people could have shown, where something was estimated."""
    seen = row.detectable_effect
    return [] if seen is None else [f"could be seen from {number(seen, row.unit)}"]


def clusters(row: Result) -> str:
    """What the results are clustered by: managers, leaders of teams, or units where they stand in
    for managers.
    """
    return f"{row.cluster or 'manager'}s"


def _tally(row: Result) -> str:
    outcomes = [check.outcome for check in row.checks]
    counts = [
        (outcomes.count(outcome), outcome) for outcome in ("passed", "failed", "not possible")
    ]
    parts = [f"{count} {outcome}" for count, outcome in counts if count]
    return f"{len(outcomes)} check{'s' if len(outcomes) > 1 else ''}: {', '.join(parts)}"


def alt(row: Result, raw: Result | None = None) -> str:
    """A result's picture in words: its own sentence and the numbers drawn."""
    parts = [row.sentence]
    if is_drawn(row):
        likely = f"{row.level:.0%} interval {spread(row.low, row.high, row.unit)}"
        parts.append(f"Estimate {number(row.estimate, row.unit)}, {likely}.")
    if words := band_words(row):
        parts.append(f"{words[0].upper()}{words[1:]}.")
    if raw is not None and is_drawn(raw):
        likely = spread(raw.low, raw.high, raw.unit)
        parts.append(f"Before adjusting {number(raw.estimate, raw.unit)} ({likely}).")
    return " ".join(parts)


def is_drawn(row: Result) -> bool:
    """Is there an interval to draw?"""
    values = (row.estimate, row.low, row.high)
    return row.verdict != "hidden" and all(
        value is not None and not math.isnan(value) for value in values
    )


def words_instead(row: Result) -> str:
    """What stands in the picture when there is no interval to draw."""
    if row.verdict == "hidden":
        return "not shown, to protect individuals"
    return "" if is_drawn(row) else "not estimated"


def band(row: Result) -> tuple[float, float] | None:
    """The effects that are too small to matter, from and to."""
    end = row.smallest_effect
    if not end:
        return None
    return (1 / end if row.unit == "hazard ratio" else -end), end


def band_words(row: Result) -> str:
    """The same in words."""
    ends = band(row)
    if ends is None:
        return ""
    within = (
        spread(*ends, row.unit)
        if row.unit == "hazard ratio"
        else f"within ±{number(ends[1], row.unit)}"
    )
    return f"too small to matter: {within}"


# --- the picture


@dataclass(frozen=True)
class Scale:
    """An axis: where it starts and ends (logarithms for ratios), and its ticks (as they are read)."""

    start: float
    end: float
    is_ratio: bool
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """The place of a value, 0 at the start of the axis and 1 at its end."""
        place = math.log(max(value, 1e-9)) if self.is_ratio else value
        return min(max((place - self.start) / (self.end - self.start), 0.0), 1.0)


def scale(rows: Sequence[Result]) -> Scale:
    """One axis for results of one unit, with "no difference" in the middle and room for the band."""
    is_ratio = rows[0].unit == "hazard ratio"
    values = [value for row in rows if is_drawn(row) for value in (row.low, row.estimate, row.high)]
    values = [value for value in values if math.isfinite(value) and (value > 0 or not is_ratio)]
    edges = [end for row in rows if (ends := band(row)) for end in ends]
    distance = (lambda value: abs(math.log(value))) if is_ratio else abs
    reaches = [1.04 * distance(value) for value in values] + [
        2.2 * distance(edge) for edge in edges
    ]
    far = max(reaches, default=1.0) or 1.0
    if is_ratio:
        fitting = [ticks for ticks in RATIO_TICKS if math.log(ticks[-1]) <= far]
        return Scale(-far, far, True, fitting[0] if fitting else (1.0,))
    start = 0.0 if values and not edges and min(values) > 0 else -far
    ticks = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(start, far)
    return Scale(start, far, False, tuple(float(tick) for tick in ticks if start <= tick <= far))


def tick_words(value: float) -> str:
    """A tick's label."""
    return f"{value:,g}".replace(",", THIN).replace("-", MINUS)


def interval_svg(result: Result, raw: Result | None = None, *, min_group: int = 10) -> Markup:
    """One result as a small picture: its interval against the smallest effect, the raw figure below
    it.

    It needs no style sheet, so that it looks the same in a notebook, in a report and on paper.
    """
    (row, *others) = rule.suppress([result, *([raw] if raw else [])], min_group)
    before = others[0] if others and is_drawn(others[0]) and row.verdict != "hidden" else None
    values = {
        "row": row,
        "look": LOOKS[row.verdict],
        "alt": alt(row, before),
        "instead": words_instead(row),
        "band_words": band_words(row),
        "unit": UNITS.get(row.unit, f" {row.unit}"),
        "sides": sides(row.unit),
        "strip": _strip(row, before, scale([row, before] if before else [row])),
    }
    return Markup(environment().get_template("strip.svg.j2").render(values))


def sides(unit: str) -> tuple[str, str]:
    """What a difference in either direction is called."""
    return ("slower", "faster") if unit == "hazard ratio" else ("lower", "higher")


def line_svg(row: Result, beside: Sequence[Result], *, min_group: int = 10) -> Markup:
    """A result as a line in a table, on one axis with the rows beside it; its figures stand next to
    it.
    """
    (row, *rows) = rule.suppress([row, *beside], min_group)
    axis = scale([row, *rows])
    values = vars(_places(row, axis, 4, 172)) | {
        "look": RAW if row.at == "raw" else LOOKS[row.verdict]
    }
    return Markup(environment().get_template("line.svg.j2").render(values, is_raw=row.at == "raw"))


PLACES = {
    "leaders go first": (4, 20, 112),
    "“I don’t know”": (4, 107, 112),
    "merit": (166, 20, 88),
    "rating": (166, 107, 88),
    "gaps close": (166, 194, 88),
    "learning": (304, 107, 112),
    "mentoring": (304, 194, 112),
}
"""Where each thing stands on the map of the questions: its left edge, its middle's height, its
width.
"""
ROUTES = {
    "Q4": ("leaders go first", "“I don’t know”", (60, 38), (60, 86)),
    "Q3": ("“I don’t know”", "merit", (116, 97), (163, 32)),
    "Q2": ("“I don’t know”", "rating", (117, 107), (162, 107)),
    "Q6": ("“I don’t know”", "gaps close", (116, 117), (163, 182)),
    "Q5": ("learning", "merit", (304, 97), (257, 32)),
    "Q1": ("learning", "rating", (303, 107), (258, 107)),
    "Q7": ("learning", "gaps close", (304, 117), (257, 182)),
    "Q8": ("mentoring", "gaps close", (303, 194), (258, 194)),
}


def map_svg(verdicts: Sequence[tuple[str, str, str]]) -> Markup:
    """A small map of the questions: what people do, what may follow, and how sure that is; (key,
    verdict, its word).

    Of a question with several verdicts the last one's colour is drawn; the words name all of them.
    """
    routes = {}
    for key, verdict, word in verdicts:
        if key not in ROUTES:
            continue
        start, end, (x0, y0), (x1, y1) = ROUTES[key]
        look, angle = LOOKS[verdict], math.degrees(math.atan2(y1 - y0, x1 - x0))
        words = ", ".join(
            dict.fromkeys([*(routes[key].word.split(", ") if key in routes else ()), word])
        )
        routes[key] = SimpleNamespace(
            key=key,
            start=start,
            end=end,
            word=words,
            colour=look.colour,
            dashes=look.dashes.replace("1 6", "0.5 5"),
            path=f"M{x0} {y0}L{x1} {y1}",
            head=f"translate({x1} {y1}) rotate({angle:.0f})",
            x=round((x0 + x1) / 2 - 3 * math.cos(math.radians(angle)), 1),
            y=(y0 + y1) / 2,
        )
    places = [(*place, words) for words, place in PLACES.items()]
    return Markup(
        environment().get_template("map.svg.j2").render(routes=list(routes.values()), places=places)
    )


def _strip(row: Result, before: Result | None, axis: Scale) -> SimpleNamespace:
    """Where everything stands in the picture; 58 units at both sides are kept for the numbers."""
    places = _places(row, axis, 58, 284)
    raw = _places(before, axis, 58, 284).main if before else None
    ticks = [(round(58 + 284 * axis.at(tick), 1), tick_words(tick)) for tick in axis.ticks]
    return SimpleNamespace(**vars(places), raw=raw, ticks=ticks, has_two_sides=axis.start < 0)


def _bare(value: float, unit: str) -> str:
    return number(value, unit).removesuffix(UNITS.get(unit, f" {unit}"))


def _places(row: Result, axis: Scale, left: float, width: float) -> SimpleNamespace:
    def x(value: float) -> float:
        return round(left + width * axis.at(value), 1)

    ends, main = band(row), None
    if is_drawn(row):
        words = [_bare(value, row.unit) for value in (row.low, row.estimate, row.high)]
        main = SimpleNamespace(low=x(row.low), dot=x(row.estimate), high=x(row.high), words=words)
        main.is_right = main.dot >= x(1 if axis.is_ratio else 0)
    return SimpleNamespace(
        zero=x(1 if axis.is_ratio else 0),
        band=[x(value) for value in ends] if ends else None,
        main=main,
    )

"""How a single result is read and drawn: its words, and the mark of its interval.

There is one mark for an interval, a macro of `marks.svg.j2`: in a strip, in a line of a table and
in a legend it stands against the smallest effect that matters. What was not estimated or is hidden
says so in words. Whoever draws a result has suppressed it before.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from learnalign.facts.contents import arrived
from learnalign.report.typesetting import (
    amount,
    date,
    heading,
    lowered,
    month,
    percent,
    phrases,
    plain,
    prose,
    say,
    seen,
    unbroken,
)
from learnalign.verdicts.registry import questions
from learnalign.verdicts.result import DASH, MINUS, THIN, UNITS, Result, number, spread
from learnalign.verdicts.words import verdict

INK, SOFT, BAND = "#17242f", "#53626e", "#e6e2d6"
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
    tone: str = "known"  # the name of its colour in the style sheet


_KNOWN = Look("#0b6664", "", "o", True)
LOOKS = {
    **dict.fromkeys(("higher", "lower", "small", "none"), _KNOWN),
    "unknown": Look("#85560a", "1 6", "o", False, "unknown"),
    "worth_a_test": Look("#85560a", "4 3", "o", True, "unknown"),
    "untrusted": Look("#97293a", "7 5", "D", False, "untrusted"),
    "hidden": Look(SOFT, "", "", False, "hidden"),
    "described": Look(INK, "", "s", True, "described"),
    "raw": Look(SOFT, "", "o", False),
}


# --- templates


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
        "arrived": arrived,
        "cell": _cell,
        "spread": _amounts,
        "percent": percent,
        "plain": plain,
        "number": number,
        "split": str.split,
        "verdict": verdict,
        "prose": prose,
        "date": date,
        "month": month,
        "lowered": lowered,
        "title": heading,
    }
    env.tests["drawn"] = is_drawn
    env.globals |= {"looks": LOOKS, "strip": strip, "ink": INK, "soft": SOFT, "grey": BAND}
    return env


def _finalize(value: Any) -> Any:
    if value is None:
        return DASH
    return seen(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def macro(template: str, name: str, /, **values: Any) -> Markup:
    """What a macro of a template makes of the values."""
    return Markup(getattr(environment().get_template(template).module, name)(**values))


def _amounts(row: Result, *, is_cell: bool = False) -> Markup:
    """The ends of an interval; in a table a cell does not break anyway."""
    if row.low is None or row.high is None:
        return Markup(DASH)
    return (prose if is_cell else unbroken)(spread(row.low, row.high, row.unit))


def _cell(value: float | None, unit: str = "") -> Markup:
    return prose(number(value, unit))


# --- words around a result


def label(row: Result) -> str:
    """What a row is about, in a few words."""
    group = "" if row.group == "company" else row.group.replace("=", ": ").replace("_", " ")
    words = [row.measure.replace("_", " "), group, row.at.replace("_", " ")]
    return ", ".join(word for word in words if word)


def paired(results: Sequence[Result]) -> Iterator[tuple[Result, Result | None]]:
    """Every result with the raw figure that belongs beside it; a raw figure alone stands for
    itself.
    """
    raws = {_contrast(row): row for row in results if row.at == "raw"}
    adjusted = {_contrast(row) for row in results if row.at != "raw"}
    for row in results:
        if row.at != "raw":
            yield row, raws.get(_contrast(row)) if row.headline or row.at == "" else None
        elif _contrast(row) not in adjusted:
            yield row, None


def _contrast(row: Result) -> tuple[str, str, str]:
    return row.question, row.measure, row.group


def alt(row: Result, raw: Result | None = None) -> str:
    """A result's picture in words: its own sentence and the numbers drawn."""
    parts = [row.sentence]
    for one, key in ((row, "estimate"), (raw, "raw")):
        if one is not None and is_drawn(one):
            ends, level = spread(one.low, one.high, one.unit), f"{one.level:.0%}"
            estimate = number(one.estimate, one.unit)
            parts.append(say(key, estimate=estimate, level=level, spread=ends))
    if words := band_words(row):
        parts.insert(1 + is_drawn(row), f"{heading(words)}.")
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
        return say("hidden")
    return "" if is_drawn(row) else say("not_estimated")


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
    if row.unit == "hazard ratio":
        return say("too_small", within=spread(*ends, row.unit))
    return say("too_small", within=say("within", end=number(ends[1], row.unit)))


def sides(unit: str) -> tuple[str, str]:
    """What a difference in either direction is called."""
    low, high = phrases()["sides_of_a_ratio" if unit == "hazard ratio" else "sides"]
    return low, high


# --- the picture


@dataclass(frozen=True)
class Scale:
    """An axis: its start and end (logarithms for ratios), and its ticks (as they are read)."""

    start: float
    end: float
    is_ratio: bool
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """The place of a value, 0 at the start of the axis and 1 at its end."""
        place = math.log(max(value, 1e-9)) if self.is_ratio else value
        return min(max((place - self.start) / (self.end - self.start), 0.0), 1.0)

    @property
    def nothing(self) -> float:
        """The place of "no difference"."""
        return self.at(1 if self.is_ratio else 0)


def scale(rows: Sequence[Result]) -> Scale:
    """One axis for results of one unit: "no difference" in the middle and room for the band, or a
    percentage from 0 to 100.
    """
    is_ratio = rows[0].unit == "hazard ratio"
    values = [value for row in rows if is_drawn(row) for value in (row.low, row.estimate, row.high)]
    values = [value for value in values if math.isfinite(value) and (value > 0 or not is_ratio)]
    edges = [end for row in rows if (ends := band(row)) for end in ends]
    distance = (lambda value: abs(math.log(value))) if is_ratio else abs
    reaches = [1.04 * distance(one) for one in values] + [2.2 * distance(one) for one in edges]
    far = max(reaches, default=1.0) or 1.0
    if is_ratio:
        fitting = [ticks for ticks in RATIO_TICKS if math.log(ticks[-1]) <= far]
        return Scale(-far, far, True, fitting[0] if fitting else (1.0,))
    if rows[0].unit == "%" and not edges and min(values, default=0) >= 0 and far <= 104:
        return Scale(0, 100, False, (0, 25, 50, 75, 100))
    start = 0.0 if values and not edges and min(values) > 0 else -far
    ticks = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(start, far)
    return Scale(start, far, False, tuple(float(tick) for tick in ticks if start <= tick <= far))


def tick_words(value: float) -> str:
    """A tick's label."""
    return f"{value:,g}".replace(",", THIN).replace("-", MINUS)


def ticks(axis: Scale, left: float, width: float) -> list[tuple[float, str]]:
    """Where the ticks of an axis stand in a picture, and their labels."""
    return [(round(left + width * axis.at(tick), 1), tick_words(tick)) for tick in axis.ticks]


def strip(row: Result, raw: Result | None = None) -> Markup:
    """One result as a picture that needs no style sheet: its interval against the smallest effect,
    the raw figure below it.
    """
    before = raw if raw is not None and is_drawn(raw) and row.verdict != "hidden" else None
    axis = scale([row, before] if before else [row])
    edge, width = 58, 284  # what is left at both sides is for the numbers
    return macro(
        "marks.svg.j2",
        "strip",
        row=row,
        look=LOOKS[row.verdict],
        raw_look=LOOKS["raw"],
        alt=alt(row, before),
        instead=words_instead(row),
        band_words=band_words(row),
        unit=_unit(row.unit),
        sides=sides(row.unit) if axis.start < 0 else None,
        at=places(row, axis, edge, width),
        raw=places(before, axis, edge, width).main if before else None,
        raw_words=say("before_adjusting"),
        ticks=ticks(axis, edge, width),
    )


def line(row: Result, axis: Scale, as_a: str = "") -> Markup:
    """A result as a line in a table, on the axis of the rows beside it; its figures stand next to
    it. Drawn as its verdict is, or `as_a` key of LOOKS.
    """
    look = LOOKS[as_a or ("raw" if row.at == "raw" else row.verdict)]
    return macro(
        "marks.svg.j2", "line", at=places(row, axis, 4, 172), look=look, is_thin=row.at == "raw"
    )


def places(row: Result, axis: Scale, left: float, width: float) -> SimpleNamespace:
    """Where a result stands in a picture: no difference, the band, and the interval with its
    figures.
    """

    def x(share: float) -> float:
        return round(left + width * share, 1)

    ends, main = band(row), None
    if is_drawn(row):
        values = (row.low, row.estimate, row.high)
        low, dot, high = (x(axis.at(value)) for value in values)
        words = [number(value, row.unit).removesuffix(_unit(row.unit)) for value in values]
        is_right = dot >= x(axis.nothing)
        main = SimpleNamespace(low=low, dot=dot, high=high, words=words, is_right=is_right)
    shaded = [x(axis.at(end)) for end in ends] if ends else None
    return SimpleNamespace(zero=x(axis.nothing), band=shaded, main=main)


def _unit(unit: str) -> str:
    return UNITS.get(unit, f" {unit}")


# --- the map of the questions


def routes_svg(verdicts: Sequence[tuple[str, str, str]]) -> Markup:
    """A small map of the questions: what people do, what may follow, and how sure that is; (key,
    verdict, its word). A question between places that are not on the map is left out.

    Of an arrow with several verdicts the last one's colour is drawn; the words name all of them.
    """
    spots, asked, routes = phrases()["places"], questions(), {}
    for key, of, word in verdicts:
        ends = (asked[key].map.start, asked[key].map.end) if key in asked else ()
        if not ends or not {*ends} <= spots.keys():
            continue
        if ends not in routes:
            routes[ends] = _route(*(spots[end] for end in ends))
        told = routes[ends].told.setdefault(key, [])
        told += [] if word in told else [word]
        routes[ends].look = LOOKS[of]
    boxes = [(*box, words) for words, box in spots.items()]
    return macro("marks.svg.j2", "map", routes=routes, places=boxes)


def _route(start: Sequence[float], end: Sequence[float]) -> SimpleNamespace:
    """An arrow from the edge of one box to that of another, and where its name stands."""
    (x0, y0, width), (x1, y1, wide) = start, end
    across, down = (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
    if across:
        x0, x1 = (x0 + width, x1 - 3) if across > 0 else (x0, x1 + wide + 3)
        y0, y1 = y0 + 10 * down, y1 - 12 * down
    else:
        x0, x1, y0, y1 = x0 + width / 2, x1 + wide / 2, y0 + 18 * down, y1 - 21 * down
    angle = math.atan2(y1 - y0, x1 - x0)
    return SimpleNamespace(
        told={},
        path=f"M{x0:g} {y0:g}L{x1:g} {y1:g}",
        head=f"translate({x1:g} {y1:g}) rotate({math.degrees(angle):.0f})",
        x=round((x0 + x1) / 2 - 3 * math.cos(angle), 1),
        y=(y0 + y1) / 2,
    )

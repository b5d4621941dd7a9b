"""How figures and words are set in HTML: what may not break stays whole, nothing unseen passes."""

import base64
import datetime as dt
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from learnalign.verdicts import words
from learnalign.verdicts.result import DASH, MINUS, THIN, number

THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
NARROW = "\u00a0"
# A figure and its unit stay on one line
MEASURED = re.compile(r"(?<=\d) (?=(SD|pp|times|%|[A-Z]{3})\b|%)")
# The page's own letters: each a family, a weight, and a file in `fonts`
FACES = (("serif", 500, "serif"), ("sans", 400, "sans"), ("sans", 600, "sans-bold"))
WESTERN = re.compile("[À-ÖØ-öø-ſ]")
# What neither XML nor HTML may hold, and marks that turn the direction of text and so what a reader
# sees; and of every plane the two that are no letters
NO_LETTERS = "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef"
    f"{NO_LETTERS}]"
)


def phrases() -> dict[str, Any]:
    """The words of pictures."""
    return words.phrases("pictures")


def say(key: str, **facts: Any) -> str:
    """Words of `pictures.yml`, with facts in their places; "part.key" for those of a part.

    >>> say("within", end="0.10 SD")
    'within ±0.10 SD'
    """
    found: Any = phrases()
    for part in key.split("."):
        found = found[part]
    return found.format(**facts)


def seen(text: str) -> str:
    """A text without what a reader cannot see: control characters and marks that turn its
    direction.
    """
    return UNSEEN.sub("", text)


def faces(said: object) -> Markup:
    """The page's own letters as a style that asks for nothing: those of English, and those of
    Western names where what is `said` has one.
    """
    of = "-western" if WESTERN.search(str(said)) else ""
    rules = []
    for family, weight, name in FACES:
        held = (Path(__file__).parent / f"fonts/{name}{of}.woff2").read_bytes()
        source = f"src:url(data:font/woff2;base64,{base64.b64encode(held).decode()})"
        rules.append(f"@font-face{{font-family:la-{family};font-weight:{weight};{source}}}")
    return Markup("".join(rules))


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


def date(text: str | None) -> str:
    """A date in words; what is not a date stays as it is.

    >>> date("2026-06-30")
    '30 June 2026'
    """
    try:
        day = dt.date.fromisoformat(text or "")
    except ValueError:
        return text or DASH
    return f"{day.day} {phrases()['months'][day.month - 1]} {day.year}"


def month(text: str | None) -> str:
    """A month, or a day, as "December 2023"; what is neither stays as it is.

    >>> month("2023-12"), month("2026-06-30")
    ('December 2023', 'June 2026')
    """
    words = date(f"{text}-01" if text and len(text) == 7 else text).split()
    return " ".join(words[1:]) if len(words) == 3 else text or DASH


def lowered(text: str) -> str:
    """A sentence as it goes on after a colon."""
    return text[:1].lower() + text[1:]


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
    return unbroken(number(value, unit))


def percent(value: float) -> str:
    """A percentage to two digits.

    >>> percent(3.21), percent(56.78)
    ('3.2 %', '57 %')
    """
    return number(value, "%") if 0 < value < 9.95 else f"{value:.0f} %"


def prose(text: str) -> Markup:
    """A sentence for HTML, its figures set like those of `amount`."""
    text = MEASURED.sub(NARROW, THOUSANDS.sub(THIN, seen(text)))
    return Markup("<i></i>").join(escape(part) for part in text.split(THIN))


def unbroken(text: str) -> Markup:
    """A figure that stays on one line."""
    return Markup('<span class="n">{}</span>').format(prose(text))

"""What is shown: HTML that is the same in a notebook and on the page, and plain text elsewhere."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from learnalign.report.marks import environment, macro
from learnalign.verdicts.result import THIN

# What a text twin leaves out, and where it has a new line or a new cell
ORNAMENT = re.compile(
    r"<svg[^>]*aria-(?:hidden|label)=.*?</svg>|<style.*?</style>|<(title|text)\b.*?</\1>", re.S
)
LINE = re.compile(r"</(?:p|h3|li|tr|div|caption|figcaption|desc)>")
CELL = re.compile(r"</t[hd]>\s*(?=<t[hd])|</dt>")
SPACE = re.compile(r"[ \n\t\u00a0]+")


@dataclass(frozen=True)
class Shown:
    """A picture, a table or words, under the finding that is its title.

    `record` is what was drawn, as plain data fit for JSON and for publishing: `show.draw` makes the
    same of it. None where results are shown, which are published themselves.
    """

    html: Markup
    title: str = ""
    record: Mapping[str, Any] | None = None

    def _repr_html_(self) -> str:
        return environment().get_template("notebook.html.j2").render(shown=self)

    def __str__(self) -> str:
        text = ORNAMENT.sub("", f"{self.html}").replace("<i></i>", THIN)
        lines = (CELL.sub("\x00", line).split("\x00") for line in LINE.split(text))
        told = ("\t".join(_words(cell) for cell in line) for line in lines)
        return "\n".join(filter(str.strip, (self.title, *told)))


def _words(markup: str) -> str:
    return SPACE.sub(" ", html.unescape(re.sub(r"<[^>]*>", "", markup))).strip(" ")


def part(
    name: str, title: str = "", record: Mapping[str, Any] | None = None, /, **values: Any
) -> Shown:
    """What a macro of the page's parts makes of the values."""
    return Shown(macro("parts.html.j2", name, **values), title, record)


def refuse_people(frame: pd.DataFrame) -> None:
    """Raise ValueError where a frame has a row per person."""
    if "person_id" in frame.columns:
        text = "charts show groups, never people: this table has a column person_id"
        raise ValueError(f"{text}. Summarise it first")


def nothing(text: str) -> Shown:
    """Why there is nothing to show."""
    return part("nothing", text=text)

"""Redaction: in a notebook, a frame of people says how large it is, and shows none of them.

`import learnalign` turns it on inside IPython and nowhere else. It guards against showing people by
accident, and in executed notebooks; whoever means to look still can: `print(frame.head())`.
"""

import re
from collections.abc import Callable
from typing import Any

import pandas as pd

# Ids of people as the contract calls them, also inside `_raw_person_id` or `person_id_x`
PEOPLE = re.compile(r"(person|manager|assessor|leader|team|from|to)_id|^(person|manager|rater)$")
WIDEST = 1000  # more labels than this are not the columns of one row
OTHERS = (
    ("pandas.io.formats.style", "Styler"),
    ("ibis.expr.types.relations", "Table"),
    ("ibis.expr.types.generic", "Column"),
)


def install(display: Any) -> None:
    """Teach IPython's display formatter to redact frames, series, indexes and Ibis tables."""
    for formatter in (display.mimebundle_formatter, *display.formatters.values()):
        show = _showing(formatter, display.mimebundle_formatter)
        for kind in (pd.DataFrame, pd.Series, pd.Index):
            formatter.for_type(kind, show)
        for module, name in OTHERS:
            formatter.for_type_by_name(module, name, show)


def redacted(shown: Any) -> str:
    """What stands for an object that carries people; empty where it carries none.

    It knows people by the names of columns and levels; under others, they are shown.

    >>> redacted(pd.DataFrame({"person_id": ["ana", "ben"], "rating": [3, 4]}))
    '2 rows x 2 columns of people: not displayed. Show results by the verbs of learnalign.'
    >>> redacted(pd.DataFrame({"unit": ["ops"], "people": [12]}))
    ''
    """
    shown = shown.data if type(shown).__name__ == "Styler" else shown
    if not any(map(_of_people, _labels(shown))) and not _turned(shown):
        return ""
    sizes = shown.shape if isinstance(shown, pd.DataFrame | pd.Series | pd.Index) else ()
    pairs = zip(sizes, ("rows", "columns"), strict=False)
    size = " x ".join(f"{n:,} {what}" for n, what in pairs) or "A table"
    return f"{size} of people: not displayed. Show results by the verbs of learnalign."


def _of_people(label: Any) -> bool:
    return PEOPLE.search(str(label)) is not None


def _labels(shown: Any) -> list[Any]:
    """The names of an object's columns and of the levels of its axes."""
    if isinstance(shown, pd.DataFrame):
        return [*shown.columns, *shown.columns.names, *shown.index.names]
    if isinstance(shown, pd.Series):
        return [shown.name, *shown.index.names]
    if isinstance(shown, pd.Index):
        return [*shown.names]
    return [*shown.columns] if hasattr(shown, "columns") else [shown.get_name()]


def _turned(shown: Any) -> bool:
    """Whether ids stand beside their name, as in one row of a frame or a transposed one."""
    if not isinstance(shown, pd.DataFrame | pd.Series):
        return False
    top = shown.iloc[:WIDEST]
    ids = top[[_of_people(label) for label in top.index]]
    return any(isinstance(value, str) for value in ids.to_numpy().ravel())


def _showing(formatter: Any, bundle: Any) -> Callable[..., Any]:
    """How one formatter shows an object: the redaction, or what it would have shown anyway."""

    def show(shown: Any, *printer: Any) -> Any:
        note = redacted(shown)
        if printer:  # only plain text has one
            return printer[0].text(note or repr(shown))
        usual = None if note else getattr(shown, str(formatter.print_method), None)
        if usual is None:
            return None
        return usual(include=None, exclude=None) if formatter is bundle else usual()

    return show

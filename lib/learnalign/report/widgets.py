"""Widgets: the questions of `asking` by choosing, for who would rather not type.

Nothing is asked until somebody presses the button, as every look counts. All of it is in the page:
no network is needed.
"""

import html
from importlib import import_module
from typing import Any

import pandas as pd

from learnalign.data.mistakes import DataError, Problem
from learnalign.estimates import asked, looked
from learnalign.report import asking
from learnalign.studies import Study
from learnalign.verdicts.looks import Look, listed_in_words
from learnalign.verdicts.registry import phrases, questions, verdict_words

PLACES = "unit", "cycle"
ALL = ""  # what stands first in a choice: everybody, no group, nothing more


def choose(study: Study) -> Any:
    """A form: a fixed question, or exposure and outcome; of which unit, period and skill, for each
    of what, over which window, what is equal; and a button to ask.

    What is chosen is asked by `ask`, or by `compare`, and so counts as a look; its answer stands
    below, with how many looks there were. Needs `pip install "learnalign[explore]"`, else a
    `DataError`.

    Misleads who asks until something comes out: that is why looks are counted.

    >>> import learnalign as la
    >>> form = la.choose(la.study("data/demo"))
    >>> [one.description for one in form.children[0].children][:2]
    ['Question', 'Exposure']
    """
    widgets = _needed("ipywidgets")
    fields = _fields(study, widgets)
    button = widgets.Button(description=_words()["button"], tooltip=_words()["tooltips"]["button"])
    answer = widgets.HTML(value=html.escape(_words()["before"]))

    def ask(_: Any) -> None:
        try:
            found = _asked(study, fields)
            told = f"<p>{html.escape(asking.explored(study).title)}</p>"
            answer.value = found._repr_html_() + told
        except DataError as error:
            answer.value = f"<pre>{html.escape(str(error))}</pre>"

    button.on_click(ask)
    rows = widgets.VBox([*fields.values(), button])
    return widgets.VBox([rows, answer])


def looks(study: Study) -> Any:
    """Every look so far as a table that sorts and filters, without a network.

    A row for each: what was asked, of whom, the figure and its range, and what is left of it after
    correction. Needs `pip install "learnalign[explore]"`, else a `DataError`. Misleads where it is
    sorted by size, and the first is read alone: that is what correction is for.

    >>> import learnalign as la
    >>> "look" in la.looks(la.study("data/demo")).title
    True
    """
    itables, inside = _needed("itables"), _needed("itables.javascript")
    found = asking.explored(study)
    frame = pd.DataFrame([_row(one) for one in found], columns=_words()["columns"])
    about = {"showIndex": False, "display_logo_when_loading": False}
    table = itables.to_html_datatable(frame, connected=False, **about)
    bundle = inside.generate_init_offline_itables_html(itables.options.dt_bundle)
    return _Table(listed_in_words([*found]), bundle + table)


class _Table:
    """A table with its title, as a notebook shows it."""

    def __init__(self, title: str, table: str) -> None:
        self.title, self.table = title or _words()["none"], table

    def __repr__(self) -> str:
        return self.title

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.title)}</p>{self.table}"


def _row(look: Look) -> list[object]:
    group = "" if look.group == "company" else look.group.replace("=", ": ")
    figures = [look.estimate, look.low, look.high]
    about = [look.measure.replace("_", " "), group, " ".join(look.looked)]
    return [*about, *figures, look.unit, verdict_words()[look.verdict]]


def _words() -> dict[str, Any]:
    return phrases("explored")["form"]


def _needed(name: str) -> Any:
    """A package of the extra `explore`."""
    try:
        return import_module(name)
    except ImportError:
        raise DataError([Problem.of("extra_missing", name, extra="explore")]) from None


def _fields(study: Study, widgets: Any) -> dict[str, Any]:
    """The choices, each with what it means when somebody rests on it."""
    attributes = study.dataset.meta.attributes
    groups = [ALL, *attributes, *asked.GROUPS, "skill"]
    which = {name: widgets.Dropdown(options=[ALL, *there]) for name, there in _there(study).items()}
    made = {
        "question": widgets.Dropdown(options=[(_words()["own"], ALL), *_texts()], value=ALL),
        "exposure": widgets.Combobox(
            options=[*asked.exposures(attributes)], value="coaching", ensure_option=False
        ),
        "outcome": widgets.Dropdown(options=[*asked.outcomes()]),
        **which,
        "by": widgets.Dropdown(options=groups),
        "where": widgets.Text(placeholder=_words()["example"]),
        "window_days": widgets.IntText(value=0),
        "equal": widgets.SelectMultiple(options=[*asked.EQUAL, *attributes]),
    }
    for name, field in made.items():
        field.description = _words()["names"][name]
        field.tooltip = _words()["tooltips"][name]
        field.style.description_width = "8em"
    return made


def _texts() -> list[tuple[str, str]]:
    return [(f"{key}: {one.text}", key) for key, one in questions().items()]


def _there(study: Study) -> dict[str, list[str]]:
    """The units, periods and skills to choose from, as far as they may be named."""
    rows, tables = looked.table(study), study.dataset.tables
    found = {name: looked.values(study, name, rows[name], rows.person_id) for name in PLACES}
    if "assessments" in tables:
        own = tables["assessments"].select("person_id", "skill").distinct().execute()
        found["skill"] = looked.values(study, "skill", own.skill, own.person_id)
    return found


def _asked(study: Study, fields: dict[str, Any]) -> asking.Told:
    said = {name: field.value for name, field in fields.items()}
    places = {name: said.pop(name) for name in (*PLACES, "skill") if name in said}
    only = [f"{name} == {value!r}" for name, value in places.items() if value]
    only += [f"({said['where']})"] * bool(said["where"])
    said |= {"where": " and ".join(only), "window_days": said["window_days"] or None}
    question, what = said.pop("question"), (said.pop("exposure"), said.pop("outcome"))
    return asking.ask(study, question, **said) if question else asking.compare(study, *what, **said)

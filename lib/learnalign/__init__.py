"""Does learning show up in performance and merit, and does it pay to say "I don't know"?

An analyst types `la.` and a verb; every verb takes a study, or rows of one::

    import learnalign as la

    study = la.study("data/demo")
    la.headline(la.ask(study, "Q2"))

A verb is imported when it is first named, so that `learnalign --help` answers at once. Inside
IPython, and so in every notebook, frames that carry people are from then on not displayed
(`privacy.redaction`).
"""

import sys
from importlib import import_module
from typing import Any

VERBS = {
    "study": "studies",
    "read": "data.reading",
    "check": "data.reading",
    "bring_in": "data.importing",
    "ask": "report.asking",
    "compare": "report.asking",
    "explored": "report.asking",
    "choose": "report.widgets",
    "looks": "report.widgets",
    "beside": "estimates.ask",
    "describe": "facts.describe",
    "headline": "report.verbs",
    "intervals": "report.verbs",
    "dose": "report.verbs",
    "shares": "report.verbs",
    "checks": "report.verbs",
    "to_do": "report.verbs",
    "flow": "report.verbs",
    "table": "report.verbs",
    "provenance": "report.verbs",
    "journey": "report.verbs",
    "curves": "report.verbs",
    "matrix": "report.verbs",
    "grid": "report.verbs",
    "network": "report.verbs",
    "spread": "report.verbs",
    "specifications": "report.verbs",
    "hand_over": "studies",
    "run": "runs.run",
    "audit": "runs.audit",
    "history": "runs.history:read",
    "simulate": "northbank.tables",
}
"""Where each verb is made, in the order in which they are needed."""
ROOMS = ("data", "verdicts", "linking", "privacy", "estimates", "facts", "report", "runs")

__all__ = [*VERBS]


def __dir__() -> list[str]:
    """The verbs, and the rooms in which everything else is."""
    return [*VERBS, *ROOMS, "__version__"]


def __getattr__(name: str) -> Any:
    """A verb, a room or the version, when it is first named; else the nearest name there is."""
    if name in VERBS:
        home, _, function = VERBS[name].partition(":")
        module = import_module(home if home.startswith("northbank") else f"{__name__}.{home}")
        globals()[name] = found = getattr(module, function or name)
        return found
    if name in ROOMS:
        return import_module(f"{__name__}.{name}")
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(__name__)
        except PackageNotFoundError:  # read from a folder that was never installed
            return "0+unknown"
    import difflib

    near = difflib.get_close_matches(name, __dir__(), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise AttributeError(f"module {__name__!r} has no verb or room {name!r}{hint}", name=name)


if "IPython" in sys.modules and (_shell := sys.modules["IPython"].get_ipython()):
    import_module(f"{__name__}.privacy.redaction").install(_shell.display_formatter)

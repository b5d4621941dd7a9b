"""The rules of the library's form, each tested on the library and on a text that breaks it.

Imports form a star: a module imports the contract (`records`, `problems`, `tables`, `datasets`) and
the standard stack, and modules meet in notebooks. An edge beyond that is in `ALLOWED`, with its reason.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY, CHANGELOG = ROOT / "lib/learnalign", ROOT / "CHANGELOG.md"
SOURCES = {path.stem: path.read_text("utf-8") for path in sorted(LIBRARY.glob("*.py"))}

# The contract: what every module may import. Within it, a module imports only those before it.
CONTRACT = ("records", "problems", "tables", "kept", "datasets")
MODULES = {
    "journal",
    "locks",
    "workers",
    "mappings",
    "sources",
    "linking",
    "measures",
    "estimates",
    "verdicts",
    "privacy",
    "charts",
    "results",
    "reports",
    "runs",
    "simulate",
    "strips",
    "bank",
    "truths",
    "questions",
    "wording",
    "multiplicity",
    "telling",
    "samples",
    "models",
    "checks",
    "ladder",
    "weights",
    "sensitivity",
    "closure",
    "leaders",
    "pooling",
    "described",
    "flows",
    "journeys",
    "teams",
    "gaps",
    "merit",
    "networks",
    "drivers",
    "spending",
    "closing",
    "asked",
    "kinds",
    "pictures",
    "staff",
    "planted",
    "plots",
    "cells",
    "intervals",
    "gate",
    "svg",
    "editions",
    "explaining",
    "phrasing",
    "paper",
    "pseudonyms",
    "redaction",
    "disclosure",
    "sums",
    "release",
    "breaches",
    "bounds",
    "audits",
    "schedules",
    "doctor",
    "warm",
    "printing",
    "specs",
    "units",
    "documents",
    "publishing",
    "history",
    "indexes",
}
ALLOWED = {
    ("journal", "locks"): "a journal is locked while its run lives",
    ("journal", "workers"): "a run that was killed may have left processes",
    ("runs", "journal"): "a run writes down what it reached",
    ("runs", "workers"): "one process per notebook",
    ("workers", "warm"): "a worker may be a fork, and ends with its parent",
    ("printing", "warm"): "as workers",
    ("printing", "workers"): "one process per page, with a run's environment and ending",
    ("printing", "paper"): "makes the PDF",
    ("charts", "privacy"): "suppresses what it draws; nothing else shows anything",
    ("strips", "privacy"): "as charts",
    ("charts", "pictures"): "what every picture is made of",
    ("charts", "plots"): "offers the pictures of groups to notebooks and reports",
    ("charts", "cells"): "as plots",
    ("charts", "intervals"): "offers the pictures of results to notebooks and reports",
    ("charts", "gate"): "a table shows groups, never people",
    ("plots", "gate"): "lets through what may be drawn",
    ("cells", "gate"): "lets through what may be drawn",
    ("gate", "privacy"): "from how many people and managers on a row is shown",
    ("cells", "pictures"): "what every picture is made of",
    ("cells", "privacy"): "says from how many managers on a cell is shown",
    ("cells", "plots"): "the same colours and small text",
    ("cells", "strips"): "the same colours and looks as a single result",
    ("intervals", "pictures"): "what every picture is made of",
    ("intervals", "privacy"): "suppresses what it draws",
    ("intervals", "strips"): "one module in three files: how a single result is read and drawn",
    ("pictures", "svg"): "makes a drawing fit to stand in a page",
    ("svg", "strips"): "ink, and the text without what cannot be seen",
    ("plots", "pictures"): "what every picture is made of",
    ("plots", "strips"): "the same colours and looks as a single result",
    ("plots", "privacy"): "suppresses what it draws",
    ("plots", "pooling"): "draws the distribution that pooling hands out",
    ("pictures", "strips"): "ink, and the templates",
    ("gaps", "closure"): "how many gaps close, with leaving as competing",
    ("gaps", "described"): "shares and means with their interval",
    ("gaps", "flows"): "which events can count",
    ("gaps", "journeys"): "the journeys it counts",
    ("gaps", "models"): "every difference is the same fixed-effects fit",
    ("charts", "strips"): "one module in two files: how a single result is read and drawn",
    ("bank", "staff"): "one module in three files: who is there, and the random numbers",
    ("simulate", "staff"): "one module in three files: who is there, and the random numbers",
    ("simulate", "planted"): "says what is true beside the tables",
    ("planted", "bank"): "the log-odds that people have of their own",
    ("planted", "truths"): "what is declared",
    ("simulate", "bank"): "one module in two files: the draws behind the tables",
    ("simulate", "truths"): "what a company's declared truth may be",
    ("bank", "truths"): "as simulate",
    ("verdicts", "asked"): "one module in five files: what can be asked at all, and facts without a verdict",
    ("asked", "questions"): "what is asked, and what each question needs",
    ("asked", "telling"): "how a row is made",
    ("asked", "wording"): "the tables of words",
    ("merit", "described"): "shares and means of merit",
    ("merit", "models"): "every difference is the same fixed-effects fit",
    ("merit", "pooling"): "the distribution over managers",
    ("merit", "checks"): "the bonus control's mark of blindness",
    ("merit", "samples"): "how many cells are too many, and which columns say anything",
    ("networks", "described"): "a share with its interval",
    ("drivers", "described"): "shares with their interval",
    ("drivers", "models"): "every difference is the same fixed-effects fit",
    ("spending", "described"): "shares and means with their interval",
    ("spending", "linking"): "the mode of an activity type where none is recorded",
    ("verdicts", "questions"): "one module in five files: what is asked",
    ("verdicts", "wording"): "one module in five files: the sentences",
    ("verdicts", "telling"): "one module in five files: figures and words of a sentence",
    ("telling", "questions"): "a measure's own words",
    ("telling", "wording"): "the tables of words",
    ("verdicts", "multiplicity"): "a headline must survive how many were asked",
    ("wording", "questions"): "what would settle a missing table is said in the question's own words",
    ("linking", "teams"): "prepares what teams make, once a run",
    ("linking", "journeys"): "what gaps fell in a window",
    ("kinds", "samples"): "who can be compared",
    ("kinds", "models"): "the fits",
    ("kinds", "checks"): "whether a formula sets the bonus",
    ("linking", "flows"): "every table's account is kept alike",
    ("journeys", "flows"): "every table's account is kept alike",
    ("teams", "flows"): "which events count at all",
    ("estimates", "samples"): "one module in four files: who can be compared",
    ("estimates", "models"): "one module in four files: the fits",
    ("estimates", "checks"): "one module in four files: what a finding must survive",
    ("models", "samples"): "a model is fitted to a sample",
    ("checks", "samples"): "a check looks at the sample again",
    ("checks", "models"): "a check fits the core model to something that must not differ",
    ("samples", "described"): "who the raters are",
    ("samples", "ladder"): "which columns say anything within managers and cycles",
    ("models", "ladder"): "every interval climbs the same ladder",
    ("checks", "ladder"): "compares within managers and cycles",
    ("estimates", "ladder"): "compares within managers and cycles",
    ("sensitivity", "ladder"): "compares within groups",
    ("closing", "closure"): "one module in two files: questions on closing gaps, and their hazards",
    ("closing", "described"): "who the raters are",
    ("closing", "journeys"): "what a journey is",
    ("closing", "samples"): "the account of those left out, and rare names together",
    ("closing", "sensitivity"): "how strong something unseen would have to be",
    ("closing", "weights"): "whether gaps with and without overlap",
    ("leaders", "ladder"): "every interval climbs the same ladder",
    ("leaders", "samples"): "rows that are alone explain themselves",
    ("models", "sensitivity"): "past ratings are corrected for their noise",
    ("checks", "sensitivity"): "how strong something unseen would have to be",
    ("checks", "weights"): "whether people with and without overlap",
    ("sources", "mappings"): "one module in two files: what a mapping may say",
    ("reports", "charts"): "the report's pictures are the notebook's pictures",
    ("reports", "results"): "the rows of a document",
    ("reports", "strips"): "one module in three files: how a single result is read and drawn",
    ("reports", "editions"): "what has changed since the edition before",
    ("reports", "explaining"): "what the rows come to",
    ("explaining", "phrasing"): "the tables of words",
    ("explaining", "questions"): "the registry it explains",
    ("explaining", "telling"): "figures as sentences tell them",
    ("explaining", "wording"): "which branch a sentence ended in",
    ("verdicts", "explaining"): "offers the short lines to notebooks",
    ("sources", "pseudonyms"): "ids of people are replaced before anything is written",
    ("mappings", "pseudonyms"): "how to make a key, where one stood in a mapping",
    ("disclosure", "privacy"): "the floor, and how many managers must stand behind a group",
    ("disclosure", "sums"): "one module in two files: what is published, and what of it must be hidden",
    ("release", "breaches"): "nothing is published in which an auditor finds something",
    ("release", "privacy"): "the one gate before anything is published",
    ("release", "results"): "the ledger of what was published",
    ("breaches", "privacy"): "the thresholds that a figure must keep",
    ("breaches", "results"): "the form of what is published",
    ("breaches", "bounds"): "what is known of a hidden number by adding and subtracting",
    ("bounds", "sums"): "what adds up to what",
    ("audits", "breaches"): "the rules of a document",
    ("audits", "privacy"): "the thresholds that a figure must keep",
    ("audits", "results"): "reads what was published",
    ("privacy", "disclosure"): "which further groups must be hidden",
    ("privacy", "sums"): "the sums that tie groups together",
    ("runs", "linking"): "links once for all notebooks",
    ("schedules", "runs"): "reads and checks a params file as a run does",
    ("doctor", "runs"): "as schedules",
    ("doctor", "paper"): "whether a PDF can be made here",
    ("runs", "results"): "a run publishes results",
    ("runs", "measures"): "a run refuses data that are too small, and the report says what was in them",
    ("runs", "privacy"): "what a run publishes is suppressed first, and no run may go below the floor",
    ("runs", "verdicts"): "the questions and the words of the verdicts go into what is published",
    ("specs", "privacy"): "no run may go below the floor",
    ("units", "privacy"): "from how many managers on a unit has an edition",
    ("units", "specs"): "the words for the company and for each unit",
    ("documents", "measures"): "the report says what was in the data",
    ("documents", "privacy"): "what is told is suppressed first",
    ("documents", "reports"): "reads how a notebook says it could be wrong",
    ("documents", "results"): "the form of a document",
    ("documents", "units"): "each unit's folder",
    ("documents", "verdicts"): "the questions, and what survives how many were asked",
    ("documents", "specs"): "what was agreed beforehand is told",
    ("documents", "journal"): "says which run it was",
    ("publishing", "history"): "what was published is history",
    ("publishing", "indexes"): "an edition with units has an index",
    ("publishing", "journal"): "writes down what it reached",
    ("publishing", "locks"): "an edition takes its place in one move",
    ("publishing", "paper"): "an edition is printed",
    ("publishing", "printing"): "many pages are printed side by side",
    ("publishing", "release"): "nothing is published but through the gate",
    ("publishing", "reports"): "an edition is read as a report",
    ("publishing", "results"): "publishes results",
    ("history", "locks"): "runs of different reports write side by side",
    ("history", "results"): "reads what was published",
    ("indexes", "charts"): "the templates",
    ("indexes", "pooling"): "whether units differ by more than chance",
    ("indexes", "reports"): "tells headlines as the report does",
    ("runs", "documents"): "what the editions could say",
    ("runs", "publishing"): "a run ends in an edition",
    ("runs", "specs"): "a run is of a spec",
    ("runs", "units"): "whom an edition is about",
    ("runs", "warm"): "packages are imported once for all notebooks",
}
ANYTHING = {"__main__"}  # each command is a thin call of one public function

OWNERS = {
    "matplotlib": {"charts", "strips", "plots", "pictures", "cells", "intervals"},
    "seaborn": {"charts", "plots", "pictures", "cells", "intervals"},
    "papermill": {"workers"},
    "pyfixest": {"leaders"},
    "statsmodels": {"closure", "models"},
    "argparse": {"__main__"},
    "rich": {"__main__"},
    "weasyprint": {"paper"},
}
# What numpy's random module offers without a global state
SEEDED = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64", "PCG64DXSM", "Philox"}

MODULE_LINES, FUNCTION_LINES, LIBRARY_LINES = 400, 30, 3500


def violations(name: str, source: str) -> list[str]:
    """Every rule that the module `name` breaks, in words."""
    tree = ast.parse(source)
    rules = (_edges, _owners, _noise, _randomness, _public, _length)
    return [problem for rule in rules for problem in rule(name, tree, source)]


def too_long(sources: dict[str, str], changelog: str) -> list[str]:
    """Whether the library has outgrown its promise, or what CHANGELOG.md allows it, with a reason."""
    lines = sum(len(source.splitlines()) for source in sources.values())
    allowed = re.findall(r"library may have up to ([\d,]+) lines", changelog)
    limit = max([LIBRARY_LINES, *(int(number.replace(",", "")) for number in allowed)])
    return [f"the library has {lines} lines, of {limit}"] if lines >= limit else []


def _edges(name, tree, _source):
    allowed = {module for module in CONTRACT if name not in CONTRACT} | {b for a, b in ALLOWED if a == name}
    if name in CONTRACT:
        allowed |= set(CONTRACT[: CONTRACT.index(name)])
    elif name not in MODULES | ANYTHING | {"__init__"}:
        yield f"{name}: not a module of the design"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield f"{name}:{node.lineno}: star import"
        for other in _imported_modules(node):
            if other == "learnalign":
                yield f"{name}:{node.lineno}: imports the package, not a module of it"
            elif other not in allowed and name not in ANYTHING:
                yield f"{name}:{node.lineno}: imports {other}, an edge that is not allowed"


def _imported_modules(node):
    """The modules of this package that an import names; `learnalign` for the package itself."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name == "learnalign":
                yield "learnalign"
            elif alias.name.startswith("learnalign."):
                yield alias.name.split(".")[1]
    elif isinstance(node, ast.ImportFrom):
        path = (node.module or "").split(".")
        if node.level:
            path = ["learnalign", *(part for part in path if part)]
        if path[0] == "learnalign":
            names = (alias.name for alias in node.names) if len(path) == 1 else path[1:2]
            yield from (name for name in names if name != "__version__")


def _owners(name, tree, _source):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            packages = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            packages = {node.module.split(".")[0]}
        else:
            continue
        for package in packages & set(OWNERS):
            if name not in OWNERS[package]:
                yield f"{name}:{node.lineno}: imports {package}, which belongs to {min(OWNERS[package])}"


def _noise(name, tree, source):
    silencers = {"filterwarnings", "simplefilter"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "warnings":
            if silencers & {alias.name for alias in node.names}:
                yield f"{name}:{node.lineno}: silences warnings"
        elif isinstance(node, ast.Call):
            called = _dotted(node.func)
            if called == "print" and name != "__main__":
                yield f"{name}:{node.lineno}: prints"
            last = called.rsplit(".", 1)[-1]
            quiet = last == "catch_warnings" and any(keyword.arg == "action" for keyword in node.keywords)
            if (last in silencers and "." in called) or quiet or called.endswith("np.seterr"):
                yield f"{name}:{node.lineno}: silences warnings"
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and any(word in token.string for word in ("TODO", "FIXME", "XXX")):
            yield f"{name}:{token.start[0]}: leaves a note of work to do"


def _randomness(name, tree, _source):
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        parts = _dotted(node.func).split(".")
        if parts[:2] in (["np", "random"], ["numpy", "random"]):
            if len(parts) > 2 and parts[2] not in SEEDED:
                yield f"{name}:{node.lineno}: uses numpy's global random state"
        elif parts[0] == "random" and len(parts) == 2 and parts[1] != "Random":
            yield f"{name}:{node.lineno}: uses the global random state"


def _public(name, tree, _source):
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    for owner in (tree, *(node for node in classes if not node.name.startswith("_"))):
        for node in owner.body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            if ast.get_docstring(node) is None and owner is tree:
                yield f"{name}:{node.lineno}: {node.name} has no docstring"
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
            if bare or node.returns is None:
                yield f"{name}:{node.lineno}: {node.name} lacks type hints"


def _length(name, tree, source):
    lines = len(source.splitlines())
    if lines >= MODULE_LINES:
        yield f"{name}: {lines} lines, of {MODULE_LINES}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = len(_code_lines(node, source))
            if lines > FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {lines} code lines, of {FUNCTION_LINES}"


def _code_lines(node, source):
    """Numbers of a function's lines that hold code: not its docstring, blank lines or comments."""
    docstring = ast.get_docstring(node) is not None
    first = node.body[0].end_lineno + 1 if docstring else node.lineno
    rows = enumerate(source.splitlines()[first - 1 : node.end_lineno], first)
    return [number for number, row in rows if row.strip() and not row.strip().startswith("#")]


def _dotted(node):
    """`a.b.c` of an attribute chain; an empty first part where the chain starts in an expression."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


# --- the library keeps the rules ---------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
def test_module_keeps_the_rules(name):
    assert violations(name, SOURCES[name]) == []


FIGURES = ("described", "gaps", "merit", "networks", "drivers", "spending", "closing", "closure", "leaders", "kinds",
           "estimates", "journeys", "teams", "pooling")  # fmt: skip
WORDS = {"told", "in_words", "bonus_in_words", "reached", "by_unit", "units", "who", "spells", "with_ordered_logit",
         "detectable", "detectable_effect"}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_whoever_makes_a_figure_says_when_it_misleads(name):
    """All but those that put figures in words, and what could be detected, which is no finding."""
    functions = [node for node in ast.parse(SOURCES[name]).body if isinstance(node, ast.FunctionDef)]
    public = [node for node in functions if not node.name.startswith("_") and node.name not in WORDS]
    silent = [node.name for node in public if "islead" not in (ast.get_docstring(node) or "")]
    assert public and not silent


def test_library_stays_small():
    assert too_long(SOURCES, CHANGELOG.read_text("utf-8")) == []


def test_every_allowed_edge_is_used():
    """An edge that nobody needs any more is taken out of the table."""
    nodes = [(name, node) for name, source in SOURCES.items() for node in ast.walk(ast.parse(source))]
    used = {(name, other) for name, node in nodes for other in _imported_modules(node)}
    assert set(ALLOWED) <= used


def test_importing_the_package_is_light_and_modules_come_when_named():
    code = (
        "import sys, learnalign as la;"
        "assert not {'pandas', 'ibis', 'matplotlib'} & set(sys.modules);"
        "assert la.records.Check.__module__ == 'learnalign.records';"
        "assert not hasattr(la, 'utils')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- and the rules find what breaks them -------------------------------------------------

GOOD = '''"""A module."""

import numpy as np

from learnalign.records import Check


def passed(check: Check) -> bool:
    """Whether the check passed."""
    return bool(np.all(check.outcome == "passed"))
'''

BROKEN = {
    "an edge between modules": ("measures", "from learnalign import verdicts", "imports verdicts"),
    "an edge by a relative import": ("measures", "from .verdicts import sentence", "imports verdicts"),
    "an edge inside a function": ("charts", "def _late():\n    import learnalign.runs", "imports runs"),
    "an edge against its direction": ("privacy", "from learnalign.charts import forest", "imports charts"),
    "the contract looking outward": ("tables", "from learnalign import linking", "imports linking"),
    "the contract looking upward": ("records", "from learnalign import tables", "imports tables"),
    "a way round by the package": ("linking", "import learnalign as la", "imports the package"),
    "a cupboard": ("utils", "", "not a module of the design"),
    "a star import": ("linking", "from learnalign.tables import *", "star import"),
    "drawing outside charts": ("reports", "import matplotlib.pyplot as plt", "belongs to cells"),
    "seaborn outside charts": ("measures", "import seaborn as sns", "belongs to cells"),
    "papermill outside runs": ("reports", "from papermill import execute_notebook", "belongs to workers"),
    "pyfixest outside estimates": ("verdicts", "import pyfixest as pf", "belongs to leaders"),
    "a command line outside __main__": ("runs", "import argparse", "belongs to __main__"),
    "a terminal outside __main__": ("runs", "from rich.progress import track", "belongs to __main__"),
    "printing": ("linking", "print('linked')", "prints"),
    "warnings silenced": (
        "estimates",
        "import warnings\nwarnings.filterwarnings('ignore')",
        "silences warnings",
    ),
    "warnings silenced simply": (
        "estimates",
        "import warnings as w\nw.simplefilter('ignore')",
        "silences warnings",
    ),
    "warnings silenced by name": ("estimates", "from warnings import simplefilter", "silences warnings"),
    "warnings silenced for a while": (
        "estimates",
        "with w.catch_warnings(action='ignore'): pass",
        "silences warnings",
    ),
    "numpy's warnings silenced": ("estimates", "np.seterr(all='ignore')", "silences warnings"),
    "a global numpy seed": ("simulate", "np.random.seed(1)", "global random state"),
    "global numpy randomness": ("simulate", "x = np.random.normal(size=3)", "global random state"),
    "a global seed": ("simulate", "import random\nrandom.seed(1)", "global random state"),
    "work left to do": ("linking", "x = 1  # TODO: do it", "note of work to do"),
    "no docstring": ("linking", "def link(x: int) -> int:\n    return x", "link has no docstring"),
    "no type hints": ("linking", "def link(x):\n    '''Link.'''\n    return x", "link lacks type hints"),
    "no type hints in a class": ("linking", "class A:\n    def b(self, x): pass", "b lacks type hints"),
    "a long function": ("linking", "def _f():\n" + "    x = 1\n" * 30, "_f has 31 code lines"),
    "a long module": ("linking", "x = 1\n" * 400, "lines, of 400"),
}


def test_a_good_module_breaks_no_rule():
    assert violations("verdicts", GOOD) == []


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_rule_is_reported(broken):
    name, text, expected = BROKEN[broken]
    found = violations(name, GOOD + "\n" + text)
    assert any(expected in problem for problem in found), found


def test_a_command_may_import_any_module_and_print():
    assert violations("__main__", GOOD + "\nimport argparse\nfrom learnalign import runs\nprint(runs)\n") == []


def test_comments_blanks_and_docstring_are_not_code_lines():
    body = "    '''Do it.\n\n    At length.\n    '''\n" + "\n    # why\n" * 40 + "    return None\n"
    assert violations("linking", "def _f():\n" + body) == []


def test_a_library_that_outgrows_its_promise_is_reported():
    library = {"linking": "x = 1\n" * 3500}
    assert too_long(library, "") == ["the library has 3500 lines, of 3500"]
    assert too_long(library, "The library may have up to 3,600 lines, because …") == []

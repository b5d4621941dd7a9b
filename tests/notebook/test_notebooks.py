"""The rules of the notebooks, each tested on the notebooks and on a notebook that breaks it.

A notebook reads as a memo with its code hidden, uses the verbs of `la` and nothing else, and holds
in git nothing that a run left behind. Running them is tested elsewhere.
"""

import ast
import copy
import io
import json
import re
import tokenize
from pathlib import Path

import nbformat
import pytest

import learnalign

pytestmark = pytest.mark.notebook

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
FEWEST_CELLS, MOST_CELLS, MOST_LINES = 17, 25, 6
SHOWS = ("report.verbs", "report.asking", "report.widgets")
DRAWN = {name for name, home in learnalign.VERBS.items() if home in SHOWS}
SILENCERS = {"filterwarnings", "simplefilter", "catch_warnings"}
SHOWING = {"print", "display", "Markdown", "HTML"}
LEFT_BEHIND = {"papermill", "execution", "ExecuteTime"}
# A number in prose is stale at the next run: decimals, percentages (but not the fixed 95 % level),
# thousands
NUMBER = re.compile(r"\d+\.\d+|(?<!\d)(?!95\s?%)\d+\s?%|\d{1,3}(?:[ ,]\d{3})+")
PLACEHOLDER = re.compile(
    r"\{\{.*?\}\}|\{[A-Za-z_][\w.\[\]]*(?:![rsa])?(?::[^{}]*)?\}|(?<!\w)%\(\w+\)[sdf]"
)


def violations(notebook: dict) -> list[str]:
    """Every rule that a notebook breaks, in words, with the cell's number."""
    cells = notebook["cells"]
    found = [*_whole(notebook, cells), *_opening(cells), *_parameters(cells), *_ending(cells)]
    found += _said_once(cells)
    after_prose = False
    for number, cell in enumerate(cells, 1):
        problems = [*_left_behind(cell)]
        if cell["cell_type"] == "markdown":
            problems += _prose(_text(cell))
            after_prose = True
        elif cell["cell_type"] == "code":
            problems += _code(_text(cell))
            if _shown(cell):
                if not after_prose:
                    problems.append("shows something without prose since the last thing shown")
                after_prose = False
        else:
            problems.append("is neither code nor prose")
        found += [f"cell {number}: {problem}" for problem in problems]
    return found


def _text(cell):
    return "".join(cell["source"])


def _tree(cell):
    """The parsed cell; an empty tree where it is no plain Python, which `_code` reports."""
    try:
        return ast.parse(_text(cell))
    except SyntaxError:
        return ast.parse("")


def _whole(notebook, cells):
    if not FEWEST_CELLS <= len(cells) <= MOST_CELLS:
        yield f"{len(cells)} cells, not {FEWEST_CELLS} to {MOST_CELLS}"
    kernel = notebook["metadata"].get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield f"kernel {kernel!r}, not 'python3'"
    for key in LEFT_BEHIND & set(notebook["metadata"]):
        yield f"metadata {key!r} of a run"


def _opening(cells):
    text = _text(cells[0]) if cells and cells[0]["cell_type"] == "markdown" else ""
    title = text.partition("\n")[0].strip()
    if not (title.startswith("# ") and title.endswith("?")):
        yield "the first cell's first line is not a question: # …?"
    if "may not conclude" not in re.sub(r"[*_\s]+", " ", text):
        yield "the first cell does not say what a reader may not conclude"


def _parameters(cells):
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        yield f"{len(tagged)} cells tagged 'parameters', not one"
    for cell in tagged:
        tokens = tokenize.generate_tokens(io.StringIO(_text(cell)).readline)
        commented = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
        for node in _tree(cell).body:
            line = ast.unparse(node)
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                yield f"parameters: {line!r} is not name: type = literal"
            elif not _is_literal(node.value):
                yield f"parameters: the value of {line!r} is not a literal"
            elif not commented & set(range(node.lineno, node.end_lineno + 1)):
                yield f"parameters: {line!r} has no comment"


def _said_once(cells):
    """What is agreed beforehand is said to the study, and to nobody after it."""
    code = [cell for cell in cells if "parameters" not in cell["metadata"].get("tags", [])]
    trees = [_tree(cell) for cell in code if cell["cell_type"] == "code"]
    names = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)]
    if (count := sum(name.id == "min_group" for name in names)) > 1:
        yield f"says min_group {count} times after its parameters"


def _is_literal(node):
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True


def _ending(cells):
    shown = _shown(cells[-1]) if cells else None
    if shown is None or _dotted(getattr(shown, "func", shown)) != "la.provenance":
        yield "the last cell does not show the provenance"


def _left_behind(cell):
    if cell.get("outputs"):
        yield "has outputs"
    if cell.get("execution_count") is not None:
        yield "has an execution count"
    for key in sorted(LEFT_BEHIND & set(cell["metadata"])):
        yield f"has metadata {key!r} of a run"
    if "injected-parameters" in cell["metadata"].get("tags", []):
        yield "holds parameters that papermill injected"


def _prose(text):
    plain = re.sub(r"```.*?```|`[^`\n]*`|\$[^$\n]*\$", "", text, flags=re.S)
    for pattern, problem in ((PLACEHOLDER, "has a placeholder"), (NUMBER, "quotes a number")):
        for match in pattern.findall(plain):
            yield f"{problem} in prose: {match!r}"


def _code(text):
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_LINES:
        yield f"has {len(lines)} lines, more than {MOST_LINES}"
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield f"is not plain Python: {error.msg}"
        return
    for node in ast.walk(tree):
        yield from _statement(node)
    shown = _last_expression(tree)
    if shown is not None and not _is_drawn(shown):
        yield f"shows {ast.unparse(shown)!r}, which is not by a verb that shows"


def _statement(node):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield f"defines {node.name}"
    elif isinstance(node, ast.Lambda):
        yield "writes a function as a lambda"
    elif isinstance(node, ast.Import | ast.ImportFrom):
        if ast.unparse(node) != "import learnalign as la":
            yield f"has {ast.unparse(node)!r}: all that a notebook needs is a verb of la"
    elif isinstance(node, ast.Attribute) and node.attr == "style":
        yield "styles a table by .style"
    elif isinstance(node, ast.Call):
        name = _dotted(node.func).rsplit(".", 1)[-1]
        if name in SILENCERS:
            yield "filters warnings"
        elif name in SHOWING:
            yield f"shows by {name}(…): only verbs show"


def _shown(cell):
    """The expression that a code cell ends in, which Jupyter displays; None where it ends in a
    statement.
    """
    if cell["cell_type"] != "code":
        return None
    return _last_expression(_tree(cell))


def _last_expression(tree):
    last = tree.body[-1] if tree.body else None
    return last.value if isinstance(last, ast.Expr) else None


def _is_drawn(node):
    name = _dotted(node.func) if isinstance(node, ast.Call) else ""
    return name.startswith("la.") and name.removeprefix("la.") in DRAWN


def _dotted(node):
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


# --- the notebooks keep the rules


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_keeps_the_rules(path):
    notebook = json.loads(path.read_text("utf-8"))
    nbformat.validate(notebook)
    assert violations(notebook) == []


# --- and the rules find what breaks them


def prose(text):
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code(text, *tags):
    metadata = {"tags": list(tags)} if tags else {}
    return {
        "cell_type": "code",
        "metadata": metadata,
        "execution_count": None,
        "outputs": [],
        "source": text,
    }


PARAMETERS = (
    'data: str = "data/demo"  # a folder of canonical tables\nmin_group: int = 10  '
    "# smallest group shown"
)


def good() -> dict:
    """A notebook that keeps every rule, with its parts at known places."""
    cells = [
        prose(
            "# Do people who learn more get better ratings later?\n\nA reader may *not* "
            "conclude why."
        ),
        code(PARAMETERS, "parameters"),
        code("import learnalign as la\n\nstudy = la.study(data, min_group=min_group)"),
        code('answers = la.ask(study, "Q1")'),
        code("la.headline(answers)"),
    ]
    for section in range(6):
        cells += [
            prose(f"## Part {section}\n\nThe interval is at 95 %."),
            code("la.intervals(answers)"),
        ]
    cells += [
        prose("## What to do"),
        code('la.hand_over(study, "learning_and_performance", out)\nx = 1'),
        code("la.provenance(study)"),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}


PARAMETER, PIPELINE, PICTURE, WORDS = 1, 3, 6, 5  # places in the good notebook


def put(place, text):
    """A change of the good notebook: another source for the cell at `place`."""
    return lambda notebook: notebook["cells"][place].update(source=text)


def mark(place, **changes):
    return lambda notebook: notebook["cells"][place].update(changes)


def tag(place, **metadata):
    return lambda notebook: notebook["cells"][place]["metadata"].update(metadata)


BROKEN = {
    "outputs": (mark(PICTURE, outputs=[{"output_type": "stream"}]), "has outputs"),
    "an execution count": (mark(PICTURE, execution_count=3), "has an execution count"),
    "a function": (put(PIPELINE, "def clean(x):\n    return x"), "defines clean"),
    "a class": (put(PIPELINE, "class Report:\n    pass"), "defines Report"),
    "a lambda with a name": (put(PIPELINE, "clean = lambda x: x"), "lambda"),
    "a long cell": (put(PIPELINE, "x = 1\n\n" * 11), "has 11 lines"),
    "too few cells": (lambda notebook: notebook["cells"].__delitem__(slice(5, 9)), "16 cells"),
    "too many cells": (lambda notebook: notebook["cells"].extend([prose("More.")] * 9), "29 cells"),
    "no parameters": (tag(PARAMETER, tags=[]), "0 cells tagged"),
    "parameters twice": (tag(PIPELINE, tags=["parameters"]), "2 cells tagged"),
    "an untyped parameter": (
        put(PARAMETER, "min_group = 10  # smallest group"),
        "is not name: type",
    ),
    "an uncommented parameter": (put(PARAMETER, "min_group: int = 10"), "has no comment"),
    "a computed parameter": (
        put(PARAMETER, "min_group: int = 2 * 5  # smallest"),
        "is not a literal",
    ),
    "a parameter without value": (put(PARAMETER, "min_group: int  # smallest"), "is not a literal"),
    "an import among parameters": (put(PARAMETER, "import learnalign"), "is not name: type"),
    "filtered warnings": (
        put(PIPELINE, "import warnings\nwarnings.filterwarnings('ignore')"),
        "filters warnings",
    ),
    "simply filtered warnings": (put(PIPELINE, "simplefilter('ignore')"), "filters warnings"),
    "plumbing": (put(PIPELINE, "from learnalign.privacy import rule"), "needs is a verb"),
    "min_group said again": (
        put(PICTURE, "la.table(groups, min_group=min_group)"),
        "says min_group 2 times",
    ),
    "a verb that shows nothing": (put(PICTURE, 'la.beside(study, "Q1")'), "not by a verb"),
    "a styled table": (put(PICTURE, "la.table(results.style.bar())"), ".style"),
    "words from an f-string": (put(PICTURE, "Markdown(f'{x}')"), "shows by Markdown"),
    "a page from an f-string": (put(PICTURE, "x = HTML(f'<b>{x}</b>')"), "shows by HTML"),
    "words by display": (put(PICTURE, "display(results)\nx = 1"), "shows by display"),
    "words by print": (put(PICTURE, "print(results)"), "shows by print"),
    "a frame": (put(PICTURE, "results"), "not by a verb that shows"),
    "a value read back": (put(PICTURE, "la.read(out)"), "not by a verb that shows"),
    "a frame by a method": (put(PICTURE, "results.head()"), "not by a verb that shows"),
    "a chart's own method": (
        put(PICTURE, "la.intervals(answers).axes"),
        "not by a verb that shows",
    ),
    "a drawing of its own": (put(PIPELINE, "import seaborn as sns"), "needs is a verb"),
    "a drawing by a name": (put(PIPELINE, "from matplotlib import pyplot"), "needs is a verb"),
    "a star import": (put(PIPELINE, "from learnalign import *"), "needs is a verb"),
    "a shell command": (put(PIPELINE, "!pip install learnalign"), "not plain Python"),
    "a magic": (put(PIPELINE, "%matplotlib inline"), "not plain Python"),
    "a decimal in prose": (put(WORDS, "The difference is 0.12 SD."), "quotes a number"),
    "a percentage in prose": (put(WORDS, "Of the people, 12 % learned."), "quotes a number"),
    "a count in prose": (put(WORDS, "We have 1,234 people."), "quotes a number"),
    "a placeholder in prose": (put(WORDS, "The difference is {estimate:.2f} SD."), "placeholder"),
    "a template in prose": (put(WORDS, "The difference is {{ estimate }}."), "placeholder"),
    "two pictures in a row": (
        mark(WORDS, cell_type="code", source="la.flow(study)"),
        "without prose",
    ),
    "metadata of a run": (
        lambda notebook: notebook["metadata"].update(papermill={}),
        "metadata 'papermill'",
    ),
    "a cell's metadata of a run": (tag(PICTURE, papermill={}), "metadata 'papermill'"),
    "times of a run": (tag(PICTURE, execution={}), "metadata 'execution'"),
    "injected parameters": (tag(PIPELINE, tags=["injected-parameters"]), "papermill injected"),
    "another kernel": (
        lambda notebook: notebook["metadata"]["kernelspec"].update(name="ir"),
        "kernel 'ir'",
    ),
    "no kernel": (lambda notebook: notebook["metadata"].clear(), "kernel None"),
    "no question": (
        put(0, "# Learning and ratings\n\nA reader may not conclude …"),
        "not a question",
    ),
    "no limits": (
        put(0, "# Do people who learn more get better ratings later?"),
        "may not conclude",
    ),
    "no prose first": (lambda notebook: notebook["cells"].pop(0), "not a question"),
    "no provenance": (lambda notebook: notebook["cells"].pop(), "provenance"),
    "a raw cell": (mark(WORDS, cell_type="raw"), "neither code nor prose"),
}


def test_a_good_notebook_breaks_no_rule():
    notebook = good()
    assert violations(notebook) == []


def test_source_as_a_list_of_lines_is_read_alike():
    notebook = good()
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    assert violations(notebook) == []


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_rule_is_reported(broken):
    change, expected = BROKEN[broken]
    notebook = copy.deepcopy(good())
    change(notebook)
    found = violations(notebook)
    assert any(expected in problem for problem in found), found


ALLOWED_PROSE = [
    "The interval is at 95 %, the embargo is 30 days, and a group has at least 10 people.",
    "The model is `rating ~ learning` with $R^{2}_{a}$ and `{braces}` in code.",
    "In 2026 we ask again.",
]


@pytest.mark.parametrize("text", ALLOWED_PROSE)
def test_prose_may_name_what_is_fixed(text):
    notebook = good()
    notebook["cells"][WORDS]["source"] = text
    assert violations(notebook) == []

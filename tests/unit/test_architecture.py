"""The house's rules that neither ruff nor import-linter knows; each is tried on a text that breaks it.

The layers of the rooms are in `pyproject.toml` and are checked by `make lint`.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "lib"
SOURCES = {
    str(path.relative_to(LIBRARY)): path.read_text("utf-8")
    for path in sorted(LIBRARY.rglob("*.py"))
}
ROOMS = {"data", "verdicts", "linking", "privacy", "estimates", "facts", "report", "runs"}
BYTES, MODULE_LINES, FUNCTION_LINES = 1_321_192, 400, 30
SEEDED = {"default_rng", "Generator", "SeedSequence", "PCG64"}


def violations(source: str) -> list[str]:
    """Every rule that a module breaks, in words."""
    tree = ast.parse(source)
    return [problem for rule in (_noise, _randomness, _length) for problem in rule(tree, source)]


def _noise(tree: ast.Module, _source: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = _dotted(node.func)
            quiet = called.endswith("catch_warnings") and any(
                k.arg == "action" for k in node.keywords
            )
            if called.rsplit(".", 1)[-1] in ("filterwarnings", "simplefilter") or quiet:
                yield f"{node.lineno}: silences warnings"
            if called.endswith("np.seterr"):
                yield f"{node.lineno}: silences warnings"


def _randomness(tree: ast.Module, _source: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            parts = _dotted(node.func).split(".")
            numpys = parts[:2] in (["np", "random"], ["numpy", "random"]) and len(parts) > 2
            if (numpys and parts[2] not in SEEDED) or (parts[0] == "random" and len(parts) == 2):
                yield f"{node.lineno}: uses a global random state"


def _length(tree: ast.Module, source: str) -> Iterator[str]:
    lines = len(source.splitlines())
    if lines > MODULE_LINES:
        yield f"{lines} lines, of {MODULE_LINES}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = code_lines(node, source)
            if lines > FUNCTION_LINES:
                yield f"{node.lineno}: {node.name} has {lines} code lines, of {FUNCTION_LINES}"


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef, source: str) -> int:
    """A function's lines that hold code: not its docstring, blank lines or comments."""
    first = node.body[0].end_lineno if ast.get_docstring(node) is not None else node.lineno - 1
    rows = source.splitlines()[first : node.end_lineno]
    return sum(bool(row.strip()) and not row.strip().startswith("#") for row in rows)


def _dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute chain; an empty first part where it starts in an expression."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("name", SOURCES)
def test_module_keeps_the_rules(name):
    assert violations(SOURCES[name]) == []


def test_the_library_stays_small():
    """A budget in lines would teach people to widen them."""
    assert sum(len(source.encode()) for source in SOURCES.values()) <= BYTES


def test_what_protects_people_can_be_read_in_an_hour():
    lines = [source.count("\n") for name, source in SOURCES.items() if "/privacy/" in name]
    assert 0 < sum(lines) <= 1_000


def test_the_house_has_eight_rooms_and_no_cupboard():
    rooms = {
        path.name for path in (LIBRARY / "learnalign").iterdir() if (path / "__init__.py").is_file()
    }
    assert rooms == ROOMS
    assert not [name for name in SOURCES if Path(name).stem in ("utils", "config", "core", "misc")]


WORDS = {
    "reach",
    "smaller",
    "said_before",
    "is_recorded_before",
    "told",
    "in_words",
    "bonus_in_words",
    "reached",
    "by_unit",
    "read",
    "table",
    "units",
    "who",
    "spells",
    "with_ordered_logit",
    "agreement",
    "chance",
    "fallbacks",
    "step",
    "to_erase",
    "detectable",
    "detectable_effect",
}  # put figures in words, mark rows, or say what could be detected, which is no finding
FIGURES = [
    name
    for name in SOURCES
    if Path(name).parent.name == "facts"
    and "contents" not in name
    and "__init__" not in name
    or Path(name).parent.name == "estimates"
    and Path(name).stem
    in ("described", "closing", "hazards", "leaders", "rivals", "contrasts", "pooling")
    or Path(name).parent.name == "linking"
    and Path(name).stem in ("journeys", "teams")
]


@pytest.mark.parametrize("name", FIGURES)
def test_whoever_makes_a_figure_says_when_it_misleads(name):
    functions = [
        node for node in ast.parse(SOURCES[name]).body if isinstance(node, ast.FunctionDef)
    ]
    public = [
        node for node in functions if not node.name.startswith("_") and node.name not in WORDS
    ]
    silent = [node.name for node in public if "islead" not in (ast.get_docstring(node) or "")]
    assert public and not silent


def test_importing_the_package_is_light():
    code = (
        "import sys, learnalign as la;"
        "assert not {'pandas', 'ibis', 'matplotlib', 'pydantic'} & set(sys.modules);"
        "assert not hasattr(la, 'utils')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


BROKEN = {
    "a silenced warning": "import warnings\nwarnings.simplefilter('ignore')",
    "warnings silenced for a while": "with warnings.catch_warnings(action='ignore'):\n    pass",
    "numpy's own silence": "np.seterr(all='ignore')",
    "a global seed": "import numpy as np\nnp.random.seed(1)",
    "a draw without a seed": "import random\nrandom.random()",
    "a long module": "x = 1\n" * (MODULE_LINES + 1),
    "a long function": "def f() -> None:\n" + "    x = 1\n" * (FUNCTION_LINES + 1),
}


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_what_breaks_a_rule_is_found(source):
    assert len(violations(source)) == 1


def test_what_is_no_code_does_not_count():
    source = (
        'def f() -> None:\n    """Long.\n'
        + "    word\n" * 60
        + '    """\n    # why\n    return None\n'
    )
    assert violations(source) == []

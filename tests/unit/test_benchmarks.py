"""Benchmarks run seldom and for long: here, that all they name of the library is there."""

import ast
import importlib
import types
from pathlib import Path

import pytest

ROOMS = ("learnalign", "northbank")
SCRIPTS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


def named(tree: ast.Module) -> dict[str, object]:
    """What a script imports of the library, by the name that it has there."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in ROOMS:
            home = importlib.import_module(node.module)
            for one in node.names:
                if not hasattr(home, one.name):
                    importlib.import_module(f"{node.module}.{one.name}")
                found[one.asname or one.name] = getattr(home, one.name)
    return found


def missing(source: str) -> list[str]:
    tree = ast.parse(source)
    modules = {k: v for k, v in named(tree).items() if isinstance(v, types.ModuleType)}
    return [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
        and not hasattr(modules[node.value.id], node.attr)
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_benchmark_names_of_the_library_is_there(script):
    assert missing(script.read_text("utf-8")) == []


def test_what_has_moved_is_found():
    source = "from learnalign.estimates import ask\nask.gone(1)\nask.ask(2)\n"
    assert missing(source) == ["ask.gone"]
    with pytest.raises(ImportError):
        missing("from learnalign.estimates import nowhere\n")

"""Words stand in YAML, templates and notebooks: none for a reader in Python, and none read back."""

import ast
import re
from pathlib import Path

import pytest

from learnalign.verdicts import judge
from learnalign.verdicts.registry import phrases, questions
from learnalign.verdicts.words import WORDS

LIB = Path(__file__).parents[2] / "lib"
MESSAGES = (
    "learnalign/data/",  # what is wrong with files, and how to mend it
    "learnalign/runs/",  # what a run tells whoever started it
    "learnalign/__main__.py",  # help
    "learnalign/privacy/audit.py",  # what an audit found, and did not look at
    "learnalign/privacy/gate.py",  # why nothing was published
    "learnalign/privacy/redaction.py",  # a refusal to show people
    "learnalign/report/paper.py",  # why there is no PDF, and how to get one
    "northbank/",
)
"""Where a message to whoever runs, imports or audits is made, close to its cause: not for readers
of results.
"""
RAISED = {"Problem", "DataError", "Stopped", "ValueError", "TypeError", "KeyError", "Failed"}


def sentences(path: Path):
    """Texts of four words or more that begin with a capital letter or end a sentence, outside
    docstrings and what is raised.
    """
    tree, skip = ast.parse(path.read_text("utf-8")), set()
    for node in ast.walk(tree):
        is_raised = isinstance(node, ast.Raise) or (
            isinstance(node, ast.Call)
            and getattr(node.func, "id", getattr(node.func, "attr", "")) in RAISED
        )
        if is_raised or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            skip |= {id(one) for one in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skip:
            text = node.value.strip()
            words = re.findall(r"[A-Za-z’']{2,}", text)
            if len(words) >= 4 and re.search(r"^[A-Z][a-z’]+ |[.?!]$", text):
                yield text


@pytest.mark.parametrize("room", ["verdicts", "estimates", "linking", "privacy", "facts", "report"])
def test_no_sentence_for_a_reader_stands_in_python(room):
    found = {}
    for path in sorted((LIB / "learnalign" / room).rglob("*.py")):
        name = path.relative_to(LIB).as_posix()
        if name.startswith(MESSAGES):
            continue
        if texts := [text for text in sentences(path) if not text.isupper()]:
            found[name] = texts
    assert not found


def values(part):
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from [one] if isinstance(one, str) else values(one)


@pytest.mark.slow
def test_no_code_looks_into_a_sentence_of_ours():
    """No piece of a sentence, of three words or more, is a string that code could search for."""
    told = [one for name in ("sentences", "checks", "page") for one in values(phrases(name))]
    told += [one for key in questions() for one in values(phrases(f"questions/{key}"))]
    pieces = {piece for text in told for piece in re.split(r"\{[^}]*\}", text)}
    whole = " | ".join(piece.strip(" ,.;:()").lower() for piece in pieces)
    for path in sorted((LIB / "learnalign").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for one in searched(node):
                text = one.value if isinstance(one, ast.Constant) else None
                if isinstance(text, str) and len(text.split()) > 2:
                    assert text.strip(" .").lower() not in whole, f"{path.name}: {text!r}"


READERS = "partition rpartition split rsplit startswith endswith removeprefix removesuffix find"
READERS += " index search match fullmatch findall sub count"


def searched(node):
    """What a comparison, or a call that looks into a text, looks for."""
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    return node.args if is_call and node.func.attr in READERS.split() else []


def test_a_template_asks_for_words_that_a_row_has():
    told = phrases("sentences")
    templates = [*told["says"].values(), *told["brief"].values(), *told["facts"].values()]
    briefs = [one.brief for question in questions().values() for one in question.measures.values()]
    templates += [text for brief in briefs for text in (brief.whole, brief.part, brief.outcome)]
    asked = {name for text in templates for name in re.findall(r"\{(\w+)\}", text)}
    assert asked - {"name", "first", "rest"} <= set(WORDS)


def test_every_check_says_all_that_is_asked_of_it():
    for name, one in phrases("checks").items():
        assert {"asks", "tries", "revokes_none", "settle", "says"} <= set(one), name
        assert set(one.get("short", {})) | set(one.get("warns", {})) <= set(one["says"])
    assert set(judge.RIVALS) <= set(phrases("checks"))

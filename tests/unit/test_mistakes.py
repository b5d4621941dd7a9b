"""The words for a mistake stand in one file, all of them used, and none missing."""

import re
from pathlib import Path

from learnalign.data import mistakes

ROOM = Path(mistakes.__file__).parent


def test_every_mistake_has_words_and_all_words_have_a_mistake():
    known = mistakes.read_yaml(ROOM / "mistakes.yml")
    code = "".join(path.read_text("utf-8") for path in (ROOM.parent).rglob("*.py"))
    told = re.findall(r'(?:Problem\.of|DataError\.of|words|rule|tell)\(\s*"(\w+)"', code)
    named = re.findall(r'"(\w+)"', code)  # some are chosen by what was found, and told later
    assert {*told} <= {*known} and {*known} <= {*named}
    assert all(parts.keys() <= {"problem", "allowed", "fix", "meant"} for parts in known.values())


def test_a_name_that_is_nearly_right_is_meant():
    fix = mistakes.words("no_match", near="staff.csv")["fix"]
    assert fix == "did you mean 'staff.csv'?"
    assert mistakes.words("no_match")["fix"] == "correct the pattern"

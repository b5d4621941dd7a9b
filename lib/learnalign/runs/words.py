"""What runs say to mend something, and how often they may be scheduled: `words.yml`."""

import sys
from functools import cache
from importlib import resources
from typing import Any

import yaml


@cache
def words() -> dict[str, Any]:
    """The words by their kind.

    >>> words()["mend"][6]
    'Wait for the other run, or end it.'
    """
    return yaml.safe_load((resources.files(__package__) / "words.yml").read_text("utf-8"))


def hint(error: str) -> str:
    """What to do about an error by its name; empty where its message says as much as we know."""
    return words()["hints"].get(error, "").format(python=sys.executable, prefix=sys.prefix)

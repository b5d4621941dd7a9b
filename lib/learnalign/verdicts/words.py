"""Words: what the records say, from the files of `en/`; a translation is another folder beside it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from learnalign.verdicts.result import Check

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def phrases(name: str) -> dict[str, Any]:
    """A file of words, read once: `checks`, `sentences`, `terms`, `page` or `data`."""
    text = (files("learnalign.verdicts") / "en" / f"{name}.yml").read_text("utf-8")
    return yaml.load(text, LOADER)


def listed(parts: Sequence[str]) -> str:
    """Words in a row: commas, and the last with "and".

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def sentence_case(text: str) -> str:
    """A sentence with its first letter large and nothing after its end."""
    return text[:1].upper() + text[1:].rstrip()


# --- checks


def check(found: Check) -> Check:
    """A check with its `detail`: what it saw, in words; one without a `why` stays as it is.

    >>> check(Check.of("overlap", "failed", "more", share="10%")).detail
    'more than 10% of the comparison rests on people who have hardly anybody like them on the other side'
    """
    if not found.why:
        return found
    text = phrases("checks")[found.name]["says"][found.why]
    return replace(found, detail=text.format(**dict(found.facts)))


def short(found: Check) -> str:
    """What a check saw, in the few words that a list has room for."""
    text = phrases("checks").get(found.name, {}).get("short", {}).get(found.why)
    return text.format(**dict(found.facts)) if text else found.detail


def revoke_none() -> frozenset[str]:
    """The checks that take "practically none" away too when they fail."""
    return frozenset(name for name, one in phrases("checks").items() if one["revokes_none"])


def settles(failed: Check, numbers: dict[str, str]) -> str:
    """What would mend a check that failed; empty where nothing is known to."""
    return phrases("checks")[failed.name]["settle"].format(**numbers)

"""Looks: what was asked that nobody fixed before, and what so many looks leave of each.

Who looks often finds something. Every look counts, also those that found nothing, and at most what
outlives a correction for their number is worth a test. `corrected` is a pure function of the list.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pydantic
from scipy import stats

from learnalign.data.writing import unlinked
from learnalign.verdicts.judge import ALPHA, CLAIMS, adjusted, decide, p_value
from learnalign.verdicts.registry import Measure, phrases
from learnalign.verdicts.result import Check, Fit, Result, Verdict
from learnalign.verdicts.rows import EMPTY, detectable_in, what_settles
from learnalign.verdicts.words import Told, check, listed, marks, sentence_case

FIRST = 20  # looks that are paid for at the start; then twice as many, and so on
FILE = "looks.jsonl"  # beside the data
OF_A_RUN = ("moved", "hidden", "spent")  # the branches of looks that may be published
WORTH: Verdict = "worth_a_test"


@dataclass(frozen=True)
class Look(Result):
    """A row of what was explored: a result, and what makes it the same look when asked again."""

    did: str = ""  # what the outcome's verb is
    looked: tuple[str, ...] = ()  # to what it was narrowed, in words
    bare: Verdict = "unknown"  # of this look alone, after its checks
    p: float = 1.0  # for no difference
    p_none: float = 1.0  # for a difference that matters
    mark: str = ""  # of the rows and the model: asked in other words, it is the same look
    before: float | None = None  # the outcome of those compared with, in its own unit
    after: float | None = None  # and of those who did, at equal others

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes a row the same row."""
        return self.question, self.measure, self.group, f"{self.at}|{self.mark}"


def budget(looks: int) -> tuple[int, float]:
    """For how many looks to correct, and at which level, once so many were taken.

    An answer is told when it is asked, so that looks cannot be counted after the last. They are
    paid for ahead, 20 at first and then twice as many each time, at half of what is left of 5 %:
    however many there will be, at most 1 study in 20 in which nothing is true is ever told "worth a
    test" (0.025 + 0.0125 + ...).

    >>> budget(1), budget(20), budget(21), budget(1_000)
    ((20, 0.025), (20, 0.025), (40, 0.0125), (1280, 0.000390625))
    """
    paid, level = FIRST, ALPHA / 2
    while paid < looks:
        paid, level = 2 * paid, level / 2
    return paid, level


def corrected(looks: Sequence[Look]) -> tuple[Look, ...]:
    """All looks with what is left of each after correction for their number, in their order.

    Benjamini-Hochberg over all looks so far, those not taken yet of a `budget` counted as ones that
    found nothing; for "practically none" the same over how sure each is that no difference matters.
    Misleads where a look was chosen for what another one, on the same people, had shown.
    """
    paid, level = budget(len(looks))
    rest = [1.0] * (paid - len(looks))
    stand = [p <= level for p in adjusted([*(one.p for one in looks), *rest])]
    none = [p <= level for p in adjusted([*(one.p_none for one in looks), *rest])]
    pairs = zip(looks, stand, none, strict=False)
    return tuple(_told(one, a, b, len(looks)) for one, a, b in pairs)


def look_of(
    measure: Measure, fit: Fit, checks: Sequence[Check], smallest: float, **about: object
) -> Look:
    """A look from its fit, as it may be shown: its verdict alone, and what correction needs."""
    checks, unit = tuple(map(check, checks)), measure.unit
    bare = decide(fit.low, fit.high, smallest, checks, unit)
    alone = decide(fit.low, fit.high, smallest, (), unit)
    shared = ("estimate", "low", "high", "level", "n_people", "n_clusters", "method")
    shared += ("std_error", "df", "cluster", "rung", "at_least")
    figures = {name: getattr(fit, name) for name in shared}
    figures |= {"bare": bare, "p": p_value(fit, unit), "p_none": _p_none(fit, smallest, unit)}
    row = Look(**(blank(measure, smallest) | figures | {"checks": checks, "shown": True} | about))
    row = replace(row, detectable_effect=detectable_in(fit, unit=unit), verdict=bare)
    revoked = alone == "none" and bare == "unknown"
    settle = what_settles(row, alone, fit, measure, 1) if bare in ("unknown", "untrusted") else ""
    return replace(row, branch="revoked" if revoked else bare, to_settle=settle)


def of_cost(measure: Measure, fit: Fit, rests_on: Fit, **about: object) -> Look:
    """What one more closed gap costs: described, as long as that learning closes them, which it
    rests on, outlives the correction.
    """
    shared = ("estimate", "low", "high", "level", "n_people", "n_clusters", "method")
    figures = {name: getattr(fit, name) for name in (*shared, "at_least")}
    figures |= {"bare": "described", "verdict": "described", "branch": "cost"}
    figures |= {"p": p_value(rests_on, "hazard ratio"), "shown": True}
    return Look(**(blank(measure, None) | figures | about))


def unjudged(look: Look) -> Look:
    """A look as it may be shown of people that anybody may choose: a figure with its range, moved.

    Which check fails, what could be held equal, and so the verdict, turn at exact places: asked
    often enough, they would tell of one person.
    """
    nothing = {"method": "", "rung": "", "note": "", "contrast": "", "checks": (), "to_settle": ""}
    nothing |= {"held": (), "p": 1.0, "p_none": 1.0, "before": None, "after": None}
    return replace(look, bare="unknown", verdict="unknown", branch="moved", **nothing)


def blank(measure: Measure, smallest: float | None) -> dict[str, object]:
    """The fields of a look that no figure is needed for."""
    about = {"unit": measure.unit, "smallest_effect": smallest, "did": measure.did}
    about |= {"doers": measure.doers, "others": measure.others, "measure": measure.key}
    about |= {"headline": False, "design": "explored", "question": "", "shown": False}
    return EMPTY | about | {"verdict": "unknown"}


def _p_none(fit: Fit, smallest: float, unit: str) -> float:
    """The larger of two one-sided tests that the difference is as large as matters (TOST), counted
    twice: an interval of 95 % inside is what the headlines ask.
    """
    if not (fit.std_error or 0) > 0 or not fit.df:
        return 1.0
    below, _, above = marks(smallest, unit)
    sides = (fit.estimate - below) / fit.std_error, (above - fit.estimate) / fit.std_error
    return min(2 * max(float(stats.t.sf(side, fit.df)) for side in sides), 1.0)


def _told(look: Look, stands: bool, none_stands: bool, asked: int) -> Look:
    """A look with its verdict among so many, and its sentence."""
    branch, verdict = look.branch, look.bare
    if look.bare in ("higher", "lower"):
        branch, verdict = ("worth a test", WORTH) if stands else ("many", "unknown")
    elif look.bare in (*CLAIMS, "untrusted") and not stands:
        branch, verdict = "many", "unknown"
    elif look.bare == "described" and not stands:
        look = replace(look, estimate=None, low=None, high=None, reason="not standing")
        branch, verdict = "no estimate", "unknown"
    elif look.bare == "small":
        branch, verdict = "small", "unknown"
    elif look.bare == "none" and look.estimate is not None and not none_stands:
        branch, verdict = "many none", "unknown"
    settles = phrases("explored")["settles"]
    settle = settles.get(branch, "" if verdict != "unknown" else settles["others"])
    settle = look.to_settle if look.to_settle and branch not in settles else settle
    settle = "" if verdict in ("hidden", "none") else settle
    row = replace(look, verdict=verdict, branch=branch, asked=asked, to_settle=settle)
    return replace(row, sentence=sentence(row))


def sentence(look: Look) -> str:
    """A look's sentence, from its fields, and to what it was narrowed."""
    held = f"among people with the same {listed(look.held)}, " if look.held else ""
    limit = phrases("sentences")["designs"]["explored"]["limit"]
    told = Told(look, {"did": look.did, "held": held, "limit": limit})
    text = sentence_case(phrases("explored")["says"][look.branch].format_map(told))
    return " ".join([*look.looked, text])


# --- the list, kept beside the data


def remembered(folder: Path) -> tuple[Look, ...]:
    """The looks that were kept in a folder, each once; a line that is torn is passed over."""
    try:
        lines = (folder / FILE).read_bytes().splitlines()
    except OSError:
        return ()
    reader, found = pydantic.TypeAdapter(Look), {}
    for line in lines:
        try:
            one = reader.validate_json(line)
        except pydantic.ValidationError:
            continue  # of a session that died while it wrote
        found[one.mark] = one
    return tuple(found.values())


def remember(folder: Path, looks: Sequence[Look]) -> str:
    """Add looks to the list of a folder, for its owner's eyes; why not, where that cannot be.

    Lines are appended whole, so that sessions side by side lose none.
    """
    plain = [json.dumps(asdict(one), ensure_ascii=False, default=str) for one in looks]
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        with open(folder / FILE, "ab", buffering=0, opener=unlinked) as file:
            file.write("".join(f"{line}\n" for line in plain).encode())
            os.chmod(file.fileno(), 0o600)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def named(row: Result) -> str:
    """What a look or a fact is of, in few words."""
    group = row.group.replace("=", ": ") * (row.group not in ("", "company"))
    parts = (row.at or row.measure, group)
    return " · ".join(part.replace("_", " ") for part in parts if part)


def listed_in_words(looks: Sequence[Look]) -> str:
    """How often somebody looked, how many would look true by chance, how many are worth a test."""
    texts: Mapping[str, str] = phrases("explored")["list"]
    n, worth = len(looks), sum(one.verdict == WORTH for one in looks)
    if not n:
        return texts["none"]
    chance = f"{max(round(n * ALPHA), 1)}" if n >= 10 else "none, or one,"
    times = texts["once" if n == 1 else "times"].format(n=n)
    return texts["head"].format(times=times, chance=chance, worth=worth)

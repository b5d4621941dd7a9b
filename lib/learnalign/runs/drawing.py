"""Drawing: under which key an edition is made, how often a day was published, and how much all of
its figures together could tell of the one person of whom they tell most.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from learnalign.data import writing
from learnalign.data.mistakes import CONTRACT, Stopped
from learnalign.privacy import gate, keys
from learnalign.runs.units import Part
from learnalign.verdicts import document, looks
from learnalign.verdicts.document import Line

RERUNS = 3  # of a day, or of the same data: more states ask for a reason
SLACK = 0.2  # leaving out whoever most is told of changes what is needed by less
WITH_UNITS = 1.5  # of the noise without: what everybody has in a unit's edition too
STEP = 0.01  # by which all noise is made larger, until it is enough


@dataclass(frozen=True)
class Key:
    """The secret of an edition, what it was told of, and how many states its day has had."""

    secret: bytes
    states: int
    reason: str = ""


def key_of(out: Path, lines: Sequence[Line], line: Line, new_key: str = "", again: str = "") -> Key:
    """The key for an edition, of which `line` is to tell; `Stopped` (2) where a reason is missing.

    Two keys of one state of the data are two draws, and draws average: so a second key is refused
    without `new_key`, the reason; and so is a day's fourth state of the data, without `again`.
    """
    secret = keys.secret_of(out)
    before = {one.key for one in lines if one.key}
    if before - {keys.mark(secret)} and not new_key:
        text = f"Editions in {out} were made under another key ({', '.join(sorted(before))})"
        fix = f"Put the old key back into {out / keys.PRIVATE}, or say why: --new-key REASON."
        raise Stopped(CONTRACT, f"{text}. Nothing was published. {fix}")
    states = document.states(lines, line)
    if states > RERUNS and not again:
        text = f"{line.as_of}, or these data, were published in {states - 1} states already"
        why = "each other draw tells a little more of everybody. Say why: --again REASON."
        raise Stopped(CONTRACT, f"{text}, and {why} Nothing was published.")
    return Key(secret, states, "; ".join(filter(None, (new_key, again))))


def leave(parts: Sequence[Part], secret: bytes, state: str, factor: float, data: Path) -> None:
    """Leave the draws beside the data of each part, for its notebooks, and the looks that analysts
    took at `data`, which count there too.
    """
    kept = data / keys.PRIVATE / looks.FILE
    for part in parts:
        keys.Draws(secret, state, factor, bool(part.unit)).save(part.dataset.folder)
        if kept.is_file() and not kept.is_symlink():
            place = part.dataset.folder / keys.PRIVATE / looks.FILE
            writing.write_whole(place, kept.read_bytes())


def worst(parts: Sequence[Part], notebooks: Sequence[str], gates: Sequence[gate.Gate]) -> float:
    """`gate.mu` of the person of whom all figures of an edition tell most."""
    files = [part.work / f"{name}{keys.TOLD}" for part in parts for name in notebooks]
    handed = [pd.read_parquet(file) for file in files if file.is_file()]  # nothing told, no file
    return most([*handed, *map(gate.told, gates)])


def most(told: Sequence[pd.DataFrame]) -> float:
    """`gate.mu` of that person, of what was `gate.told` of each; 0 where nothing was."""
    found = gate.mu(pd.concat(told, ignore_index=True))
    return float(found.max()) if len(found) else 0.0


def margin(secret: bytes, state: str, *, with_units: bool = False) -> float:
    """The factor to begin with: drawn, as what is needed would tell of the one person to whom it is
    due. With editions of units as much more as they mostly need, which saves a second round.
    """
    drawn = math.exp(SLACK * abs(keys.Draws(secret, state).normal("margin", "")))
    return round(drawn * (WITH_UNITS if with_units else 1.0), 2)


def more(factor: float, mu: float) -> float:
    """The next factor to try: more than in proportion, for answers are not moved more, and by a
    twentieth at least, for a round of all notebooks is dear.
    """
    return round(math.ceil(factor * max((mu / gate.MOST) ** 3, 1.05) / STEP) * STEP, 2)

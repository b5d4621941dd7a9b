"""Keys: the secret of a folder of reports, and the draws that come from it.

A draw is the same wherever the same statistic stands on the same people in the same state of the
data, whatever the report, its title or its settings; and all are others when anything in the data
changes. Without the secret nobody can tell them from chance (HMAC-SHA256, RFC 2104).
"""

import hashlib
import hmac
import json
import math
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from learnalign.data import writing
from learnalign.data.mistakes import CONTRACT, Stopped
from learnalign.data.pseudonyms import KEY_BYTES, read_key

PRIVATE = writing.PRIVATE
KEY, DRAWS, TOLD = "key", "draws.json", ".told.parquet"
VARIABLE = "LEARNALIGN_KEY"
STEPS, DEEP = 32, 128  # of a deviation: so many to a doubling, and so many below are drawn


@dataclass(frozen=True)
class Draws:
    """The draws of a secret for one state of the data. None depends on `factor`, by which all noise
    is larger, nor on whether it is for a unit's part.
    """

    secret: bytes
    state: str
    factor: float = 1.0
    is_unit: bool = False

    def uniform(self, statistic: str, people: str) -> float:
        """A number between 0 and 1 for a statistic over people (their `digest`)."""
        told = f"{self.state}|{statistic}|{people}".encode()
        drawn = hmac.digest(self.secret, told, "sha256")
        return (int.from_bytes(drawn[:6], "big") + 0.5) / 2**48

    def normal(self, statistic: str, people: str) -> float:
        """The same, of a standard normal."""
        return float(ndtri(self.uniform(statistic, people)))

    def walk(self, statistic: str, people: str, sd: float) -> float:
        """Noise of a deviation (a `step`): a place on a walk, of which more noise is a later one.

        A figure shown with both is known as from the first; of one draw, it could be solved for.
        """
        if not sd > 0:
            return 0.0
        places = round(STEPS * math.log2(sd)) - np.arange(DEEP)
        sizes = np.sqrt(-np.diff(4.0 ** (places / STEPS), append=0.0))
        return float(sizes @ [self.normal(f"{statistic}|{place}", people) for place in places])

    def save(self, folder: Path) -> None:
        """Leave them beside the data that the notebooks of a run read, for the owner's eyes."""
        (folder / PRIVATE).mkdir(mode=0o700, exist_ok=True)
        content = vars(self) | {"secret": self.secret.hex()}
        writing.write_whole(folder / PRIVATE / DRAWS, json.dumps(content).encode(), mode=0o600)


def beside(folder: Path) -> Draws | None:
    """The draws that a run left beside its data; None where figures are for the analyst alone."""
    try:
        held = json.loads((folder / PRIVATE / DRAWS).read_bytes())
    except FileNotFoundError:
        return None
    return Draws(**held | {"secret": bytes.fromhex(held["secret"])})


def step(sd: float) -> float:
    """The deviation nearest to one of which there is a `walk`: `STEPS` to a doubling.

    >>> step(1.0), step(1.01), round(step(1.02), 3)
    (1.0, 1.0, 1.022)
    """
    return 2 ** (round(STEPS * math.log2(sd)) / STEPS) if sd > 0 else 0.0


def state_of(fingerprint: str, as_of: object, embargo_days: int) -> str:
    """What draws are for. Of one draw, two windows of the same rows would tell what differs."""
    return f"{fingerprint}|{as_of}|{embargo_days}"


def digest(people: Iterable[object]) -> str:
    """One name for a set of people, whatever their order.

    >>> digest(["ana", "ben"]) == digest(["ben", "ana"]) != digest(["ana"])
    True
    """
    return hashlib.sha256("\n".join(sorted(map(str, people))).encode()).hexdigest()


def mark(secret: bytes) -> str:
    """What may be told of a secret: whether two editions were made under the same one."""
    return hashlib.sha256(b"learnalign key " + secret).hexdigest()[:8]


def secret_of(out: Path) -> bytes:
    """The secret of `out`: from the environment, else from its private folder, made if none is.

    `Stopped` (2) where the file is not the owner's alone, or no secret.
    """
    if os.environ.get(VARIABLE):
        return read_key(VARIABLE)
    place, path = out / PRIVATE, out / PRIVATE / KEY
    if place.is_symlink() or path.is_symlink():
        raise Stopped(CONTRACT, f"{path} is a link to elsewhere: nothing is kept there. Remove it.")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        writing.write_whole(path, secrets.token_hex(KEY_BYTES).encode(), mode=0o600)
    if os.name == "posix" and (place.stat().st_mode | path.stat().st_mode) & 0o077:
        raise Stopped(CONTRACT, f"{path} can be read by others. Do: chmod 700 {place}, 600 {KEY}")
    try:
        found = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        found = b""
    if len(found) < KEY_BYTES:
        raise Stopped(CONTRACT, f"{path} holds no key. Put back the one that was, or delete it.")
    return found

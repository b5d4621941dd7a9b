"""Scratch: folders with rows about people, which are cleared however their process ends.

Each holds a lock file, locked for as long as its process lives. Whoever comes later and can have
the lock clears the folder, and what it left elsewhere. Only folders of one's own count, that nobody
else may look into, and no other file says what is deleted.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import lock_descriptor

from learnalign.data.writing import private

PREFIX, LOCK = "learnalign-", "scratch.lock"
PLACES = ("/tmp", "/var/tmp")  # where others than this process may have worked
_held: dict[Path, int] = {}


def made(name: str = "") -> Path:
    """A new scratch folder, locked; a `name` makes it found again. To be `cleared`."""
    while True:
        if name:
            place = Path(tempfile.gettempdir()) / f"{PREFIX}{name}"
            place.mkdir(mode=0o700)
        else:
            place = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):  # cleared before it was locked
            file = private(str(place / LOCK), os.O_CREAT | os.O_EXCL | os.O_RDWR)
            lock_descriptor(file)
            _held[place] = file
            if (place / LOCK).exists():
                return place


def cleared(place: Path) -> None:
    """Clear a scratch folder of this process."""
    shutil.rmtree(place, ignore_errors=True)
    if place in _held:
        os.close(_held.pop(place))


def clear_left(bury: Callable[[Path], None]) -> None:
    """Clear what killed processes left: scratch, half-made data sets, and by `bury` half-made runs.

    Misleads where they worked in a temporary folder that this process does not know of.
    """
    for top in {Path(tempfile.gettempdir()), *map(Path, PLACES)}:
        for place in top.glob(f"{PREFIX}*"):
            with suppress(OSError):
                _clear_one(place, bury)


def _clear_one(place: Path, bury: Callable[[Path], None]) -> None:
    if not is_own(place):
        return
    file = private(str(place / LOCK), os.O_RDWR)
    try:
        if lock_descriptor(file, blocking=False):
            with suppress(OSError):
                bury(Path(os.readlink(place / "out")))
            with suppress(OSError):
                put_back(Path(os.readlink(place / "stage")), Path(os.readlink(place / "set")))
            shutil.rmtree(place)
    finally:
        os.close(file)


def is_own(place: Path) -> bool:
    """Whether a folder, and no link to one, is this user's alone."""
    found = place.lstat()
    is_mine = os.name != "posix" or found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return stat.S_ISDIR(found.st_mode) and is_mine


def put_back(stage: Path, out: Path) -> None:
    """Clear away the `stage` of a data set; what was at `out` before is there again, unless the new
    one is.
    """
    if stage.parent != out.parent or not stage.name.startswith(f".{out.name}-"):
        return
    old = stage.with_name(f"{stage.name}-old")
    if old.is_dir() and not out.exists():
        old.rename(out)
    for rest in (stage, old):
        shutil.rmtree(rest, ignore_errors=True)

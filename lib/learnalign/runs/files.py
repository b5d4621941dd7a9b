"""Whose an edition is while it is made, and how it takes its place: one run at a time, in one move.

A lock lasts as long as its process lives, since the operating system holds it. So none is left
behind by a run that was killed, none has to be judged stale, and no two runs can both recover one.
What stands in the file (process, its start, host) is for the message to whoever comes second.
"""

import ctypes
import datetime as dt
import errno
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import lock_descriptor

from learnalign.data.mistakes import LOCKED, Stopped
from learnalign.data.writing import private, refuse_links

AT_FDCWD, EXCHANGE = -100, 2  # of renameat2(2)
# What a file system says that cannot exchange
NOT_KNOWN = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


def digest(path: Path) -> str:
    """What a file must be that was not changed."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def owner() -> dict[str, Any]:
    """This process, so that it is known again: a process number alone is given out twice."""
    now = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    began, host = psutil.Process().create_time(), socket.gethostname()
    return {"pid": os.getpid(), "began": began, "host": host, "since": now}


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock for a moment; waits while another run holds it."""
    with open(path, "a", opener=private) as file:
        lock_descriptor(file.fileno())
        yield


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold the lock `path` on `what`; `Stopped` (6), at once and with its holder, while another run
    does.

    Raises `OSError` where the file system knows no locks: there, nothing keeps two runs apart.
    """
    with open(path, "a+", encoding="utf-8", opener=private) as file:
        if not lock_descriptor(file.fileno(), blocking=False):
            told = f"{what} is being made by {_holder(path)}"
            raise Stopped(LOCKED, f"{told}. Nothing was changed: wait for it, or end that process.")
        file.truncate(0)
        file.write(" " + json.dumps(owner()))  # Windows locks, and lets nobody read, the first byte
        file.flush()
        yield
        file.truncate(0)


def _holder(path: Path) -> str:
    for _ in range(10):  # it has the lock, and will have written its name in a moment
        with (
            suppress(OSError, ValueError, KeyError, TypeError, psutil.NoSuchProcess),
            path.open("rb") as file,
        ):
            file.seek(1)
            who = json.loads(file.read())
            here = who["host"] == socket.gethostname()
            if not here or abs(psutil.Process(who["pid"]).create_time() - who["began"]) < 1:
                return f"another run: process {who['pid']} on {who['host']}, since {who['since']}"
        time.sleep(0.05)
    return "another run"


def settle(folder: Path) -> None:
    """Wait until every file of a folder is on the disk: a name must not outlive its content when
    the power fails.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def exchange(stage: Path, place: Path, aside: Path) -> None:
    """Put the folder `stage` at `place`; what was there lies at `stage` afterwards, or at `aside`.

    One move where the system can exchange two folders (Linux: `renameat2`): whoever reads finds the
    old edition or the new one. Misleads elsewhere: then it is two moves, and for an instant there
    is neither; when the process is killed just then, the old one is at `aside`, and `journal.bury`
    puts it back.
    """
    refuse_links(place.parent, place)
    if place.exists() and not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is a file, not a folder", str(place))
    place.parent.mkdir(mode=0o755, exist_ok=True)
    if not place.exists():
        stage.rename(place)
    elif not _exchanged(stage, place):
        place.rename(aside)
        try:
            stage.rename(place)
        except BaseException:
            aside.rename(place)
            raise


def _exchanged(one: Path, other: Path) -> bool:
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    if renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), EXCHANGE) == 0:
        return True
    if (number := ctypes.get_errno()) in NOT_KNOWN:
        return False
    raise OSError(number, os.strerror(number), str(other))

"""Files that are written whole or not at all, and never behind a link."""

import errno
import os
import stat
import tempfile
from pathlib import Path

PRIVATE = ".private"  # a folder beside data or reports, for their owner alone
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


def write_whole(path: Path, content: bytes, place: Path | None = None, mode: int = 0o600) -> None:
    """Write a file in one move: a reader sees the old one or the new one, never half of one.

    It is on the disk before it has its name; until then it lies in `place`, a folder of the same
    file system (that of `path` when not given). An `OSError` leaves the old one as it was.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "a", b"words")
    ...     (Path(folder) / "a").read_bytes()
    b'words'
    """
    with tempfile.NamedTemporaryFile(dir=place or path.parent, delete=False, suffix=".tmp") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(file.name, mode)
    os.replace(file.name, path)


def private(path: str, flags: int) -> int:
    """An opener for `open`: the file is its owner's alone, whatever the umask, and no link."""
    return os.open(path, flags | NOFOLLOW, 0o600)


def unlinked(path: str, flags: int) -> int:
    """An opener for what all may read; no link is followed."""
    return os.open(path, flags | NOFOLLOW, 0o644)


def refuse_links(*paths: Path) -> None:
    """An `OSError` where something of ours would be written, or deleted, behind a link."""
    for path in paths:
        if path.is_symlink():
            raise OSError(errno.ELOOP, f"{path} is a link, and none is followed: remove it")


def own_folder(path: Path) -> None:
    """A folder of its owner's, made where none is; an `OSError` as of `assert_own`."""
    refuse_links(path)
    path.mkdir(mode=0o700, exist_ok=True)
    assert_own(path)


def assert_own(path: Path) -> None:
    """An `OSError` where a folder is none, a link, somebody else's, or others may write to it."""
    refuse_links(path)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise OSError(errno.ENOTDIR, f"{path} is no folder")
    if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
        text = f"others may write to {path}, or it is theirs: remove it, or do chmod 700"
        raise OSError(errno.EPERM, text)

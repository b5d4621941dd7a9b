"""Files that are written whole or not at all."""

import os
import tempfile
from pathlib import Path


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

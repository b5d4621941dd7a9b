"""What is made once for several notebooks: frames linked from tables, and the checked tables.

A run keeps both in a folder of its own; an analyst's studies keep frames beside their data, for
whoever opens the next notebook. A mark says which data, day and embargo they are for. It is written
last, and it holds only as long as no file is newer and the packages are the same: whoever finds no
valid mark reads and links anew.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from ibis.expr.types import Table

from learnalign.data.files import fingerprint
from learnalign.data.writing import assert_own, own_folder

MARK = "linked.json"
FRAMES = "linked"
Frames = Mapping[str, pd.DataFrame]
PACKAGES = ("learnalign", "pandas", "ibis-framework", "duckdb", "pyarrow")
MOST = 16  # kept beside data: four kinds of frames, of a few days and embargoes


def keep(
    folder: Path, tables: Mapping[str, Table], linked: Frames, said: Mapping[str, Any]
) -> None:
    """Write canonical tables and the frames made of them as Parquet, then the mark with what is
    `said` of them.

    They are rows about people: nobody but the owner may look into the folder of the frames.
    """
    (folder / FRAMES).mkdir(parents=True, mode=0o700)
    for name, frame in linked.items():
        frame.to_parquet(folder / FRAMES / f"{name}.parquet")
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")
    types = {
        name: frame.dtypes.astype(str).to_dict() for name, frame in linked.items()
    }  # Parquet knows no seconds
    (folder / MARK).write_text(
        json.dumps({**said, "types": types, "versions": _versions()}), encoding="utf-8"
    )


def marked(folder: Path) -> dict[str, Any] | None:
    """What was said of a folder's tables; None where nothing was, by other versions, or if a file
    changed since.
    """
    try:
        said, since = (
            json.loads((folder / MARK).read_text(encoding="utf-8")),
            (folder / MARK).stat().st_mtime_ns,
        )
        # Hidden ones hold no rows: the draws of a run come after the mark
        files = [*folder.glob("[!.]*"), *(folder / FRAMES).iterdir()]
        is_newer = any(path.stat().st_mtime_ns > since for path in files)
    except (OSError, ValueError):
        return None
    return (
        said
        if not is_newer and isinstance(said, dict) and said.get("versions") == _versions()
        else None
    )


def frames(folder: Path, names: Sequence[str], types: Mapping[str, Any]) -> list[pd.DataFrame]:
    """The frames of a folder with a valid mark, by name, in the types that they had."""
    found = [pd.read_parquet(folder / FRAMES / f"{name}.parquet") for name in names]
    # Copied, as columns given their types one by one lie apart, and pandas warns of it later
    return [one.astype(types[name]).copy() for name, one in zip(names, found, strict=True)]


def once(folder: Path, about: Mapping[str, Any], make: Callable[[], Frames]) -> Frames:
    """What `make` gives, kept in `folder` for its owner alone; read there where all that it is
    `about` is as it was. Where nothing can be written it is made, and not kept.
    """
    if (there := found(folder, about)) is not None:
        return there
    made = make()
    with suppress(OSError):
        own_folder(folder.parent)
        own_folder(folder)
        _put(_place(folder, about), made, about)
    return made


def found(folder: Path, about: Mapping[str, Any]) -> Frames | None:
    """What `once` kept in `folder`, where all that it is `about` is as it was; else None."""
    place = _place(folder, about)
    with suppress(OSError, ValueError, KeyError):  # torn by hand, or others': made anew
        for one in (folder.parent, folder):
            assert_own(one)
        if mark := marked(place):
            return dict(
                zip(mark["types"], frames(place, [*mark["types"]], mark["types"]), strict=True)
            )
    return None


def _place(folder: Path, about: Mapping[str, Any]) -> Path:
    said = json.dumps({**about, "versions": _versions()}, sort_keys=True, default=str)
    return folder / hashlib.sha256(said.encode()).hexdigest()[:16]


def _put(place: Path, made: Frames, about: Mapping[str, Any]) -> None:
    stage = Path(tempfile.mkdtemp(prefix=".", dir=place.parent))
    try:
        keep(stage, {}, made, {name: str(value) for name, value in about.items()})
        shutil.rmtree(place, ignore_errors=True)
        stage.rename(place)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    there = sorted(place.parent.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for old in there[:-MOST]:
        shutil.rmtree(old, ignore_errors=True)


def digest(folder: Path) -> str:
    """A digest of the bytes of a data set's files, hidden ones apart; "" where there are none."""
    there = [path for path in sorted(folder.glob("[!.]*")) if path.is_file()]
    lines = (f"{path.name} {fingerprint(path)}" for path in there)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if there else ""


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}

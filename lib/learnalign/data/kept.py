"""What a run made once for all its notebooks: checked tables and the frames linked from them, in a
folder of its own.

A mark beside the tables says which data, day and embargo they are for. It is written last, and it
holds only as long as no file is newer and the packages are the same: whoever finds no valid mark
reads and links anew.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from ibis.expr.types import Table

MARK = "linked.json"
FRAMES = "linked"
Frames = Mapping[str, pd.DataFrame]
PACKAGES = ("learnalign", "pandas", "ibis-framework", "duckdb", "pyarrow")


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
    return [
        pd.read_parquet(folder / FRAMES / f"{name}.parquet").astype(types[name]) for name in names
    ]


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}

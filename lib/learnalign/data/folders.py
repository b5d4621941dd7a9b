"""Folders: which files are a data set's tables; a new data set appears whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from learnalign.data import scratch, writing
from learnalign.data.contract import COLUMNS, PLANNED, REQUIRED_TABLES
from learnalign.data.mistakes import DataError, Problem, nearest

SUFFIXES = (".csv", ".parquet")
BESIDE = {"dataset.yml", "rejected.csv", "TRUTH.md"}  # what a data set holds beside its tables


def table_files(folder: Path) -> tuple[dict[str, Path], list[Problem]]:
    """The file of each table, and what is wrong with the folder as a whole."""
    there = _data_files(folder)
    if not there:
        tables = ", ".join(COLUMNS)
        raise DataError.of("no_tables", str(folder), where=str(folder), tables=tables)
    files, problems = {}, []
    strangers = {stem.lower(): name for name, stem in there.items() if stem not in COLUMNS}
    for table in COLUMNS:
        mine = [name for name, stem in there.items() if stem == table]
        needed = table in REQUIRED_TABLES
        near = strangers.get(nearest(table, strangers, cutoff=0.6 if needed else 0.85))
        if len(mine) > 1:
            problems.append(Problem.of("two_files", table, got=", ".join(mine)))
        elif mine:
            files[table] = folder / mine[0]
        elif needed:
            got = ", ".join(there)
            problems.append(Problem.of("table_missing", table, got=got, near=near))
        elif near:
            problems.append(Problem.of("nearly_a_table", near, name=table))
    return files, problems


def _data_files(folder: Path) -> dict[str, str]:
    try:
        paths = sorted(folder.iterdir())
    except (OSError, ValueError) as error:
        wrong = "no_folder" if isinstance(error, FileNotFoundError) else "not_a_folder"
        raise DataError.of(wrong, str(folder), where=str(folder)) from None
    return {path.name: path.stem for path in paths if path.suffix.lower() in SUFFIXES}


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder to write a data set in that becomes `out` when all went well, and vanishes when not.

    An earlier data set in `out` is replaced whole; a folder with anything else in it is refused.
    """
    with ExitStack() as stack:
        try:
            writing.refuse_links(out)
            _refuse_strangers(out.resolve())
            stage = stack.enter_context(_replaced(out.resolve()))
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            text = getattr(error, "strerror", None) or str(error)
            raise DataError.of("not_writable", str(out), got=text) from None
        yield stage


@contextmanager
def _replaced(out: Path) -> Iterator[Path]:
    """A folder to write in that takes the place of `out` at the end, or leaves `out` as it was."""
    for place in reversed([place for place in out.parents if not place.exists()]):
        place.mkdir(mode=0o755)  # whatever the umask: nobody else may swap what is in it
    note = scratch.made()  # who comes after a killed process finds there what to clear
    (note / "set").symlink_to(out)
    stage = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        (note / "stage").symlink_to(stage)
        yield stage
        stage.chmod(0o755)
        if out.exists():
            out.rename(stage.with_name(f"{stage.name}-old"))
        stage.rename(out)
    finally:
        scratch.put_back(stage, out)
        scratch.cleared(note)


def _refuse_strangers(out: Path) -> None:
    """Whoever names a folder with other files in it did not mean to lose them."""
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    there |= {out.name} if out.exists() and not out.is_dir() else set()
    ours = {f"{table}{suffix}" for table in COLUMNS for suffix in SUFFIXES} | BESIDE
    if strangers := there - ours if "dataset.yml" in there else there:
        raise DataError.of("not_ours", str(out), got=", ".join(sorted(strangers))[:200])


def carried(out: Path, stage: Path) -> list[str]:
    """The order of invitations of the data set in `out`, copied beside the tables that take their
    place where none of them is one: no system exports it, and it must be kept to its end.
    """
    names = [f"{PLANNED}{suffix}" for suffix in SUFFIXES]
    if any((stage / name).exists() for name in names):
        return []
    there = [name for name in names if (out / name).is_file()]
    for name in there:
        shutil.copy2(out / name, stage / name, follow_symlinks=False)
    return there


def fresh(out: Path) -> Path:
    """A new or empty folder; a `DataError` where something is in it already."""
    out = Path(out).resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError.of("is_there", str(out))
    out.mkdir(parents=True, exist_ok=True)
    return out

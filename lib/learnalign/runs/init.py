"""A project of one's own: what a run needs, copied into a folder to be changed there."""

import shutil
from importlib import resources
from pathlib import Path

from learnalign.data import shipped, writing
from learnalign.data.mistakes import PUBLISH, DataError, Problem, Stopped

COPIED = ("notebooks/*.ipynb", "params/northbank.yml", "data/demo/[!.]*")  # of what is shipped
DRAWN = {  # to be filled in: its name in the templates, and in the project
    "gitignore": ".gitignore",
    "params/own.yml": "params/own.yml",
    "params/imports/own.yml": "params/imports/own.yml",
    "params/questions/README.md": "params/questions/README.md",
}


def init(folder: str | Path) -> list[Path]:
    """Make a project in a folder: notebooks, params files, a mapping to edit, and the demo's data.

    The files that were written are handed out. A `DataError` names every file that is there
    already, and nothing is written; `Stopped` (7) where the folder cannot be written. Misleads who
    waits for new notebooks with a new version of the library: a project keeps its own.
    """
    folder, sources = Path(folder), _sources()
    if there := [name for name in sources if (folder / name).exists()]:
        raise DataError([Problem.of("is_there", name) for name in there], str(folder))
    try:
        for name, source in sources.items():
            path = folder / name
            writing.refuse_links(*(path, *path.parents)[: len(Path(name).parts)])
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)
    except OSError as error:
        why = f"{error.filename or folder}: {error.strerror or error}"
        raise Stopped(PUBLISH, f"The project could not be written. {why}.") from None
    return [folder / name for name in sources]


def _sources() -> dict[str, Path]:
    """Every file of a new project by its name in it, and where it comes from."""
    top, drawn = shipped.folder(), resources.files("learnalign.runs") / "templates/project"
    copied = [path for pattern in COPIED for path in sorted(top.glob(pattern))]
    return {path.relative_to(top).as_posix(): path for path in copied} | {
        name: Path(str(drawn / source)) for source, name in DRAWN.items()
    }

"""What comes with the package: notebooks, params files and the demonstration company.

Their home is the top of the repository. A wheel holds them as `learnalign/_shipped`, so that the
library works in an empty folder; in a checkout they are read where they are.
"""

from pathlib import Path

PACKAGED = Path(__file__).resolve().parents[1] / "_shipped"
CHECKOUT = Path(__file__).resolve().parents[3]


def folder() -> Path:
    """The folder that holds `notebooks`, `params` and `data/demo`.

    >>> (folder() / "data/demo/dataset.yml").is_file()
    True
    """
    return PACKAGED if PACKAGED.is_dir() else CHECKOUT


def find(name: str, project: str | Path = ".") -> Path:
    """A file or folder of a project by its name there, else the one that comes with the package.

    >>> find("params/northbank.yml", "nowhere") == folder() / "params/northbank.yml"
    True
    """
    own = Path(project) / name
    return own if own.exists() else folder() / name

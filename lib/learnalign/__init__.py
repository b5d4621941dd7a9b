"""Does learning show up in performance and merit, and does it pay to say "I don't know"?

The modules are small and meet in notebooks, so that the flow is visible on the page::

    import learnalign as la

    data = la.tables.read("data/demo")

A module is imported when it is first named, so that `learnalign --help` answers at once.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType

try:
    __version__ = version("learnalign")
except PackageNotFoundError:  # read from a folder that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> ModuleType:
    """Import the module `name` of this package when it is first named."""
    module = f"{__name__}.{name}"
    if name.startswith("_") or find_spec(module) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(module)

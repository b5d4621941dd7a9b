"""Does learning show up in performance and merit, and does it pay to say "I don't know"?

The modules are small and meet in notebooks, so that the flow is visible on the page::

    import learnalign as la

    data = la.tables.read("data/demo")

A module is imported when it is first named, so that `learnalign --help` answers at once. Inside
IPython, and so in every notebook, frames that carry people are from then on not displayed
(`redaction`).
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def __getattr__(name: str) -> ModuleType | str:
    """Import the module `name` of this package, or look up its version, when it is first named."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(__name__)
        except PackageNotFoundError:  # read from a folder that was never installed
            return "0+unknown"
    module = f"{__name__}.{name}"
    if name.startswith("_") or find_spec(module) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(module)


if "IPython" in sys.modules and (_shell := sys.modules["IPython"].get_ipython()):
    import_module(f"{__name__}.privacy.redaction").install(_shell.display_formatter)

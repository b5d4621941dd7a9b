"""The engine that reads and links: DuckDB, which spills to disk what does not fit in memory."""

import errno
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import ibis
import psutil
import pydantic

from learnalign.data import scratch
from learnalign.data.contract import Strict
from learnalign.data.mistakes import DataError

SMALLEST_GB = 0.1  # below, the engine cannot hold what it is working on


class Limits(Strict):
    """What the engine of a run may take while it reads and links; unsaid, all cores and 80 % of the
    memory. Notebooks read what it made.

    Beside it the frame that comes out takes memory of its own: some 0.7 kB a review.
    """

    memory_gb: float | None = pydantic.Field(None, ge=SMALLEST_GB)
    threads: int | None = pydantic.Field(None, ge=1, le=1024)
    spill_gb: float | None = pydantic.Field(None, ge=0)  # in TMPDIR

    def settings(self) -> dict[str, Any]:
        """The same in the engine's own words."""
        size = {"memory_limit": self.memory_gb, "max_temp_directory_size": self.spill_gb}
        said = {name: f"{value * 1e3:.0f}MB" for name, value in size.items() if value is not None}
        return said | ({} if self.threads is None else {"threads": self.threads})


UNLIMITED = Limits()


def connected(limits: Limits) -> Any:
    """An engine with a spill folder of its own: what is spilt is rows about people."""
    spill = scratch.made()
    engine = ibis.duckdb.connect(temp_directory=str(spill), **limits.settings())
    weakref.finalize(engine, scratch.cleared, spill)
    return engine


@contextmanager
def bounded(limits: Limits) -> Iterator[None]:
    """A `DataError` that names the limit where the engine was refused memory or room that it was
    told not to take; an `OSError` where the disk has none to spill to.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        if "max_temp_directory_size" not in str(error):
            has = limits.memory_gb or psutil.virtual_memory().total * 0.8e-9
            raise DataError.of("no_memory", "limits", "memory_gb", f"{has:.1f} GB") from None
        if limits.spill_gb is None:
            raise _disk_is_full() from None
        has = f"{limits.spill_gb:.1f} GB"
        raise DataError.of("no_room", "limits", "spill_gb", has) from None
    except duckdb.IOException as error:
        if "No space left" in str(error):
            raise _disk_is_full() from None
        raise


def _disk_is_full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), tempfile.gettempdir())

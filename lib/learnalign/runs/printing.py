"""Printing: pages of a run made PDFs, each in a process of its own, under the same deadline and
ending as workers.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from learnalign.data.mistakes import ANALYSIS, DEADLINE, KERNEL_DIED, PUBLISH
from learnalign.report import paper
from learnalign.runs import warm, workers

UNPRINTED = 10  # the exit code of a process that can make no PDF on this machine


def printed(
    pages: Mapping[Path, Path], scratch: Path, *, until: float, jobs: int, run_id: str
) -> dict[Path, str]:
    """Print pages (an HTML file: the PDF to be written), `jobs` side by side; why one could not be
    (`paper.Unprinted`).

    Deadline and ending as of `execute`; raises `Failed`, also when a page could be printed and was
    not.
    """
    waiting, running, why = [*enumerate(pages)], {}, {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                number, page = waiting.pop(0)
                log = scratch / f"print{number}.log"
                with log.open("wb") as stream:
                    job = [page.absolute(), pages[page].absolute(), os.getpid()]
                    given = workers.environment(scratch, run_id)
                    running[page] = workers.spawn("printing", job, scratch, stream, given), log
            for page, (process, log) in [*running.items()]:
                if (code := process.poll()) is not None:
                    del running[page]
                    if said := _not_printed(page.name, code, log):
                        why[page] = said
                elif time.monotonic() > until:
                    text = (
                        f"{page.name} was not printed at the deadline (deadline_minutes). "
                        "Nothing was published."
                    )
                    raise workers.Failed(DEADLINE, text, workers.Where(page.name))
            time.sleep(0.05 if running else 0)
        return why
    finally:
        workers.end(run_id)
        for process, _ in running.values():
            process.poll()


def _not_printed(page: str, code: int, log: Path) -> str:
    """Why a page has no PDF, where none can be made; "" where it has one; else `Failed`."""
    said = log.read_text(errors="replace").strip()
    if code in (0, UNPRINTED):
        return said if code else ""
    died, code = code < 0, KERNEL_DIED if code < 0 else code
    why = (
        f"Its process was ended: {workers.DIED}"
        if died
        else (said.splitlines() or ["It ended without a word."])[-1][:400]
    )
    raise workers.Failed(
        code, f"{page} could not be printed. Nothing was published.\n{why}", workers.Where(page)
    )


def _print(page: Path, pdf: Path, parent: int) -> int:
    warm.tie(parent)
    try:
        pdf.write_bytes(paper.pdf(page.read_text(encoding="utf-8")))
    except paper.Unprinted as error:
        sys.stdout.write(str(error))
        return UNPRINTED
    except OSError as error:
        sys.stdout.write(f"It could not be written: {error.strerror or error}")
        return PUBLISH if error.errno in workers.FULL else ANALYSIS
    return 0


if __name__ == "__main__":
    sys.exit(_print(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))

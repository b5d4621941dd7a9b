"""Printing: pages of a run made PDFs, each in a process of its own."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learnalign.data.mistakes import ANALYSIS, DEADLINE, KERNEL_DIED, PUBLISH
from learnalign.runs import pool

UNPRINTED = 10  # the exit code of a process that can make no PDF on this machine


@dataclass(eq=False)
class Page(pool.Task):
    """An HTML file to be printed; afterwards `why` it could not be on this machine, if so."""

    module = "printing"
    page: Path
    pdf: Path
    stem: Path
    why: str = ""

    def job(self, scratch: Path) -> Mapping[str, Any]:
        return {"page": str(self.page.absolute()), "pdf": str(self.pdf.absolute())}

    def ended(self, code: int) -> None:
        said = self.file("log").read_text(errors="replace").strip()
        if code == UNPRINTED:
            self.why = said
        elif code:
            why = (said.splitlines() or ["It ended without a word."])[-1][:400]
            why = f"Its process was ended: {pool.DIED}" if code < 0 else why
            raise self._failed(KERNEL_DIED if code < 0 else code, "could not be printed", why)

    def late(self) -> pool.Failed:
        return self._failed(DEADLINE, "was not printed at the deadline (deadline_minutes)")

    def _failed(self, code: int, what: str, why: str = "") -> pool.Failed:
        text = f"{self.page.name} {what}. Nothing was published.\n{why}".rstrip()
        return pool.Failed(code, text, pool.Where(self.page.name))


def printed(pages: Mapping[Path, Path], workers: pool.Pool) -> dict[Path, str]:
    """Print pages (an HTML file: the PDF to be written); why a page has none, where it cannot.

    Raises `pool.Failed` when a page could be printed and was not, also at the pool's deadline.
    """
    stems = (workers.scratch / f"print{number}" for number in range(len(pages)))
    tasks = [Page(page, pdf, stem) for (page, pdf), stem in zip(pages.items(), stems, strict=True)]
    workers.run(tasks)
    return {task.page: task.why for task in tasks if task.why}


# --- in the process


def work(job: Mapping[str, Any]) -> int:
    """Print one page; the exit code, with a word why on standard output."""
    from learnalign.report import paper

    try:
        Path(job["pdf"]).write_bytes(paper.pdf(Path(job["page"]).read_text(encoding="utf-8")))
    except paper.Unprinted as error:
        sys.stdout.write(str(error))
        return UNPRINTED
    except OSError as error:
        sys.stdout.write(f"It could not be written: {error.strerror or error}")
        return PUBLISH if error.errno in pool.FULL else ANALYSIS
    return 0

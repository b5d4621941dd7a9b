"""Waiting: how far a question has come, shown to who asked it by hand and waits for the answer.

Only on a terminal, and in a notebook whose cell somebody runs: whoever executes notebooks (a run,
papermill, nbconvert) tells the kernel that nobody can be asked anything, and then nothing is shown.
Nothing is left of it when the answer is there.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread
from typing import Any

from learnalign.studies import Progress, Study
from learnalign.verdicts.registry import phrases

PATIENCE, STEP = 1.0, 0.3  # seconds: before anything is shown, and until it is shown anew


@contextmanager
def watched(study: Study) -> Iterator[None]:
    """What is asked meanwhile shows how far it has come, once it takes longer than a second."""
    study.progress.begin()
    show = None if study.gate.draws else _place()
    if show is None:
        yield
        return
    ended = Event()
    told = {"target": copy_context().run, "args": (_shown, show, study.progress, ended)}
    thread = Thread(**told, daemon=True)  # in the cell's context, or it is shown in no cell
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _shown(show: Callable[[Progress, Event], None], progress: Progress, ended: Event) -> None:
    if not ended.wait(PATIENCE):
        show(progress, ended)


def _place() -> Callable[[Progress, Event], None] | None:
    """Where somebody waits, if anywhere."""
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    if kernel := getattr(shell, "kernel", None):
        request = kernel.get_parent("shell").get("content", {})
        return _in_a_notebook if request.get("allow_stdin") else None
    return _on_a_terminal if sys.stderr is not None and sys.stderr.isatty() else None


def _on_a_terminal(progress: Progress, ended: Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        while not ended.wait(STEP):
            if progress.done:  # before, nobody knows how long it takes
                bar.update(task, total=1, completed=progress.done)


def _in_a_notebook(progress: Progress, ended: Event) -> None:
    from IPython.display import display

    handle = display(_drawn(progress), raw=True, display_id=True)
    while not ended.wait(STEP):
        handle.update(_drawn(progress), raw=True)
    handle.update({}, raw=True)


def _drawn(progress: Progress) -> dict[str, Any]:
    done = f' value="{progress.done:.2f}"' if progress.done else ""
    words = phrases("explored")["waiting"]
    return {"text/html": f'<progress{done} aria-label="{words}"></progress>', "text/plain": words}

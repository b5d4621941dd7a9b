"""How a run is told to end: by signals and by its deadline, and when it is too late for that."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from learnalign.data.mistakes import DEADLINE, Stopped

GRACE = 10  # seconds after the deadline of the workers, which can tell more
ALARM = getattr(signal, "SIGALRM", None)
SIGNALS = [getattr(signal, name, None) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGALRM")]


class Interrupted(BaseException):
    """Out of whatever the run is doing: no `Exception`, which libraries catch and take for a fault
    of the data.
    """


class Ending:
    """Why a run was to end, if it was; and the handler that sees to it."""

    def __init__(self) -> None:
        self.why: Stopped | None = None
        is_main = threading.current_thread() is threading.main_thread()  # no other has handlers
        usual = {one: signal.getsignal(one) for one in SIGNALS if one is not None and is_main}
        self.usual = {
            one: handler for one, handler in usual.items() if handler not in (signal.SIG_IGN, None)
        }

    def too_late(self) -> None:
        """From here on nothing ends the run: it is clearing up, or puts its edition in place."""
        for number in self.usual:
            signal.signal(number, signal.SIG_IGN)

    def __call__(self, number: int, _frame: Any) -> None:
        """A handler of signals."""
        self.too_late()
        if number == ALARM:
            code, why = DEADLINE, "was not done at the deadline (deadline_minutes)"
        else:
            code, why = 128 + number, f"was ended by {signal.Signals(number).name}"
        self.why = Stopped(code, f"The run {why}. Nothing was published.")
        raise Interrupted


@contextmanager
def stoppable(minutes: float) -> Iterator[Ending]:
    """While it lasts, SIGTERM, SIGINT, SIGHUP and the deadline end the run as `Stopped`; a signal
    with 128 + number.

    The first ends it, and more of them do not disturb its clearing up. What is in the midst of a
    call into C sees it when that returns. Outside the main thread it does nothing.
    """
    ending = Ending()
    for number in ending.usual:
        signal.signal(number, ending)
    _alarm(ending, minutes * 60 + GRACE)
    try:
        yield ending
    except BaseException:
        if ending.why:
            raise ending.why from None
        raise
    finally:
        _alarm(ending, 0)
        for number, handler in ending.usual.items():
            signal.signal(number, handler)


def _alarm(ending: Ending, seconds: float) -> None:
    if ending.usual and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)

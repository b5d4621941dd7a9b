"""Time and peak memory of `learnalign.estimates.ladder.slope` against bare pyfixest, side by side.
Run as a script.

A million rows, 50,000 managers with 20 rows each in four groups (manager x cycle) of five, two
controls.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pyfixest as pf

from learnalign.estimates.ladder import Slope, slope

MANAGERS, GROUPS, MEMBERS = 50_000, 4, 5
REPEATS = 5


def million() -> pd.DataFrame:
    """Rows in random order; the same at every call."""
    rng = np.random.default_rng(1)
    manager = rng.permutation(np.repeat(np.arange(MANAGERS), GROUPS * MEMBERS))
    place = np.argsort(np.argsort(manager, kind="stable")) % (GROUPS * MEMBERS)
    frame = pd.DataFrame(rng.normal(size=(len(manager), 3)), columns=["x", "p1", "p2"])
    shared = rng.normal(size=MANAGERS)[manager]
    y = 0.1 * frame.x + 0.4 * frame.p1 + 0.2 * frame.p2 + shared + rng.normal(size=len(manager))
    return frame.assign(y=y, manager=manager, group=manager * GROUPS + place // MEMBERS)


def ours(frame: pd.DataFrame) -> Slope:
    """From a frame, as the models call it."""
    return slope(
        frame.y.to_numpy(),
        frame.x.to_numpy(),
        frame.manager.to_numpy(),
        controls=frame[["p1", "p2"]].to_numpy(),
        groups=frame.group.to_numpy(),
    )


def bare(frame: pd.DataFrame) -> Slope:
    """The same model by pyfixest alone."""
    model = pf.feols("y ~ x + p1 + p2 | group", frame, vcov={"CRV1": "manager"})
    low, high = model.confint().loc["x"]
    figures = model.coef()["x"], model.se()["x"], MANAGERS - 1, low, high, 0.95
    return Slope(*figures, len(frame), MANAGERS, rung="CR1")


FITS = {"ours": ours, "bare": bare}


def peak(which: str) -> float:
    """Megabytes at the peak of one fit in a process of its own, above what it held before."""
    script = f"from runpy import run_path; run_path({__file__!r})['show_peak']({which!r})"
    return float(
        subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True
        ).stdout
    )


def show_peak(which: str) -> None:
    """Print by how much one fit raised the highest resident memory, in megabytes (Linux)."""
    frame = million()
    FITS[which](frame.head(2_000))  # what is loaded or compiled at the first call
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = high_water()
    FITS[which](frame)
    print(high_water() - before)


def high_water() -> float:
    """The highest resident memory of this process, in megabytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Print times, memory and their ratios; the fits take turns, so that a busy machine slows both."""
    frame = million()
    first, second = (fit(frame) for fit in FITS.values())
    apart = max(abs(first.estimate - second.estimate), abs(first.std_error - second.std_error))
    seconds: dict[str, list[float]] = {which: [] for which in FITS}
    for _ in range(REPEATS):
        for which, fit in FITS.items():
            start = time.perf_counter()
            fit(frame)
            seconds[which].append(time.perf_counter() - start)
    rows = {
        "seconds, median": [median(taken) for taken in seconds.values()],
        "peak memory, MB": [peak(which) for which in FITS],
    }
    print(f"estimates and errors differ by {apart:.0e} at most\n")
    print("| | ladder.slope | pyfixest | ratio |\n|---|---|---|---|")
    for name, (mine, theirs) in rows.items():
        print(f"| {name} | {mine:.2f} | {theirs:.2f} | {mine / theirs:.2f} |")


if __name__ == "__main__":
    main()

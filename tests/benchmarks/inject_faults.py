"""Injects hundreds of faults into runs and counts: `python -m tests.benchmarks.inject_faults
--write`, 10 minutes.

Killed are the kernel, the worker and the supervisor at every cell, and the supervisor at every
state; SIGTERM comes at every state. After each: the exit code, the cause where somebody could write
it, the last good edition byte for byte, no living process after two seconds, nothing strange beside
the edition. Each project's faults follow each other without clearing up, and at its end a run must
find its way: it publishes, and says of every killed one that it died.
"""

import argparse
import json
import random
import signal
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

from tests import faults

from northbank import tables

CELLS, SIDE_BY_SIDE = 6, 4
NAMES = {".private", ".runs", "history.parquet", "ledger.jsonl", "plan.json", "r"}
STATES = ("planned", "locked", "checked", "executing", "captured", "rendered", "published")
PID = {
    "kernel": "os.getpid()",
    "worker": "os.getppid()",
    "supervisor": "psutil.Process().parents()[{above}].pid",
}
CODE = {"kernel": 5, "worker": 5, "supervisor": -9}
KINDS = [(f"{who} killed", cell) for who in PID for cell in range(2, CELLS + 2)]
KINDS += [(f"supervisor {what}", state) for what in ("killed", "ended") for state in STATES]


def inject(
    server: faults.Server, folder: Path, data: Path, kind: str, at: int | str, warm: bool
) -> str:
    """One fault in a project that has a good edition; empty when all is as promised, else what is
    not.
    """
    who, what = kind.split()
    cells, ask = ["x = 1"] * (CELLS - 1) + [faults.RESULTS], {}
    if isinstance(at, int):
        cells.insert(
            at - 2,
            (
                f"import os, time, psutil\nos.kill({PID[who].format(above=1 + warm)}, "
                "9)\ntime.sleep(30)"
            ),
        )
    else:
        number = signal.SIGKILL if what == "killed" else signal.SIGTERM
        ask = {"strike": {"state": at, "number": number}}
    code = CODE[who] if what == "killed" else 0 if at == "published" else 143
    params, runs_ = faults.project(folder, data, *cells, warm=warm), folder / "out/.runs/r"
    before, old = faults.snapshot(folder / "out/r"), set(runs_.glob("*.jsonl"))
    run = server.start(params, folder / "log", **ask)
    ended = run.wait()
    (journal,) = set(runs_.glob("*.jsonl")) - old
    failure = journal.with_suffix(".failure.json")
    wrong = [f"{ended} for {code}"] * (ended != code)
    wrong += ["alive"] * bool(faults.survivors({journal.stem}))
    wrong += ["edition touched"] * (
        at != "published" and faults.snapshot(folder / "out/r") != before
    )
    wrong += ["strangers"] * ({path.name for path in (folder / "out").iterdir()} != NAMES)
    wrong += ["strangers"] * (len(list((folder / "out/r").iterdir())) != 1)
    if code > 0:
        said = (
            json.loads(failure.read_text())
            if failure.exists()
            else {"why": "", "code": None, "cell": None}
        )
        cause = {"kernel": "kernel died", "worker": "SIGKILL", "supervisor": "SIGTERM"}[who]
        wrong += [f"cause: {said}"] * (cause not in said["why"] or said["code"] != code)
        wrong += [f"cell {said.get('cell')}"] * (isinstance(at, int) and said["cell"] != at)
    return "; ".join(wrong)


def converge(server: faults.Server, folder: Path, data: Path, warm: bool) -> str:
    """The run after all faults of a project: it publishes, and leaves nothing of those before it."""
    run = server.start(faults.project(folder, data, warm=warm), folder / "log")
    if run.wait() != 0:
        return run.said
    lasts = [
        json.loads(path.read_text().splitlines()[-1])["state"]
        for path in folder.glob("out/.runs/r/*.jsonl")
    ]
    wrong = [f"ends as {state}" for state in lasts if state not in ("recorded", "failed", "died")]
    return "; ".join(
        wrong + ["folder left" for path in folder.glob("out/.runs/r/*") if path.is_dir()]
    )


def play(
    server: faults.Server, folder: Path, data: Path, faults_: list, until: float, warm: bool
) -> list[tuple]:
    """A good edition, faults one after another, and the run after them; what each came to."""
    assert server.start(faults.project(folder, data, warm=warm), folder / "log").wait() == 0
    done = []
    for number, (kind, at) in enumerate(faults_, 1):
        if time.monotonic() > until:
            break
        done.append((kind, at, inject(server, folder, data, kind, at, warm)))
        if number % 10 == 0:
            done.append(("next run", "", converge(server, folder, data, warm)))
    done.append(("next run", "", converge(server, folder, data, warm)))
    return done


def table(done: list[tuple], seconds: float) -> str:
    """The counts, a row for each kind of fault, as Markdown."""
    kinds = list(dict.fromkeys(kind for kind, _ in KINDS)) + ["next run"]
    number, good = (
        Counter(kind for kind, *_ in done),
        Counter(kind for kind, _, wrong in done if not wrong),
    )
    places = {kind: sorted({str(at) for k, at, _ in done if k == kind and at}) for kind in kinds}
    rows = [
        f"| {kind} | {', '.join(places[kind])} | {number[kind]} | {good[kind]} |" for kind in kinds
    ]
    n = sum(number[kind] for kind in kinds[:-1])
    right = sum(good[kind] for kind in kinds[:-1])
    return "\n".join(
        [
            "# Faults injected into runs",
            "",
            (
                "Written by `python -m tests.benchmarks.inject_faults --write`. `ended`: by "
                "SIGTERM. Cells count from 1, which"
            ),
            (
                "holds the parameters. `next run`: a run after at most ten faults, which must "
                "publish and clear away."
            ),
            (
                "Half of the runs have two notebooks, whose workers and kernels are forked from "
                "one process."
            ),
            "",
            f"{right} of {n} faults ended as promised, in {seconds:.0f} s.",
            "",
            "| fault | at | injected | as promised |",
            "|---|---|--:|--:|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Inject until the time is up, every kind in turn."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=540)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    begun = time.monotonic()
    kinds = random.Random(1).sample(KINDS, len(KINDS)) * 100
    shares = [[] for _ in range(SIDE_BY_SIDE)]
    for share, kind in zip(cycle(shares), kinds):
        share.append(kind)
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as name,
        ThreadPoolExecutor(SIDE_BY_SIDE) as pool,
    ):
        base, server = Path(name), faults.Server()
        data = tables.write(tables.northbank(people=60, cycles=2, seed=3), base / "data")
        until = begun + options.seconds
        jobs = [
            pool.submit(play, server, base / str(i), data, share, until, i % 2 == 1)
            for i, share in enumerate(shares)
        ]
        done = [one for job in jobs for one in job.result()]
        server.close()
    for kind, at, wrong in done:
        if wrong:
            print(f"{kind} at {at}: {wrong}")
    text = table(done, time.monotonic() - begun)
    print(text)
    if options.write:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Wall time of `learnalign run` against bare papermill and nbconvert, and against the floor. Run as
a script.

Side by side, in turns, so that whatever else the machine does falls on both. *Bare* is every
notebook of the report, one after another, by the papermill command, and then to HTML by the
nbconvert command. The *floor* is the slowest notebook's own cells, reading and linking among them,
plus a kernel's start and the imports: what bare papermill would take that had a core for each
notebook. CPU time is not compared: workers that were forked are nobody's children.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import yaml

ROOT = Path(__file__).parents[2]
PARAMS = ROOT / "params/northbank.yml"
TIMES = int(sys.argv[1]) if len(sys.argv) > 1 else 3
BIN = Path(sys.executable).parent
NOTEBOOKS = yaml.safe_load(PARAMS.read_text("utf-8"))["notebooks"]
START = (
    "import jupyter_client.manager as m; k, c = m.start_new_kernel(); c.stop_channels(); "
    "k.shutdown_kernel()"
)


def timed(command: list[str], folder: Path = ROOT) -> float:
    """Seconds that a command takes; it must go well."""
    since = time.perf_counter()
    subprocess.run(
        command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - since


def ours(place: Path) -> float:
    """The whole report, published."""
    return timed(
        [sys.executable, "-m", "learnalign", "run", str(PARAMS), "--out", str(place / "out")]
    )


def bare(place: Path) -> tuple[float, dict[str, float], dict[str, float]]:
    """The same notebooks one after another; in all, and per notebook its cells and its cell of
    imports.
    """
    whole, cells, imports = 0.0, {}, {}
    for name in NOTEBOOKS:
        done = place / f"{name}.ipynb"
        arguments = ["-p", "out", str(place / f"{name}.json"), "--no-progress-bar"]
        source = [f"notebooks/{name}.ipynb", str(done), "--cwd", "notebooks", *arguments]
        whole += timed([str(BIN / "papermill"), *source])
        whole += timed([str(BIN / "jupyter"), "nbconvert", "--to", "html", str(done)])
        code = [
            cell
            for cell in json.loads(done.read_text("utf-8"))["cells"]
            if cell["cell_type"] == "code"
        ]
        took = {
            "".join(cell["source"]): cell["metadata"]["papermill"]["duration"] or 0.0
            for cell in code
        }
        imports[name] = sum(
            s for text, s in took.items() if text.startswith("from learnalign import")
        )
        cells[name] = sum(took.values()) - imports[name]
    return whole, cells, imports


def main() -> None:
    """Print medians and ratios."""
    runs, bares, floors = [], [], []
    for turn in range(TIMES):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            runs.append(ours(place))
            whole, cells, imports = bare(place)
            slowest = max(cells, key=cells.__getitem__)
            bares.append(whole)
            floors.append(cells[slowest] + imports[slowest] + timed([sys.executable, "-c", START]))
        print(
            f"{turn + 1}: run {runs[-1]:.1f} s, bare {bares[-1]:.1f} s, floor "
            f"{floors[-1]:.1f} s ({slowest}), "
            f"load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    ratio = median(run / alone for run, alone in zip(runs, bares, strict=True))
    over = median(run / floor for run, floor in zip(runs, floors, strict=True))
    print(
        f"medians of {TIMES}: run {median(runs):.1f} s, bare {median(bares):.1f} s, floor "
        f"{median(floors):.1f} s"
    )
    print(
        f"run / bare {ratio:.2f} (aim 0.5), run / floor {over:.2f} (aim 1.5), on "
        f"{os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()

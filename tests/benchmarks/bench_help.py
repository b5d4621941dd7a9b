"""Time of `learnalign --help` against `python -c pass`, in turns: prints the ratio, ends with 1
above 5.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

TIMES = 15
COMMANDS = {
    "help": [str(Path(sys.executable).parent / "learnalign"), "--help"],
    "pass": [sys.executable, "-c", "pass"],
}


def main() -> int:
    """Print medians in milliseconds and their ratio."""
    took = {name: [] for name in COMMANDS}
    for _ in range(TIMES):
        for name, command in COMMANDS.items():
            since = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            took[name].append(time.perf_counter() - since)
    ours, bare = (1000 * median(took[name]) for name in ("help", "pass"))
    print(
        f"learnalign --help {ours:.0f} ms, python -c pass {bare:.0f} ms: {ours / bare:.1f} "
        "times (aim 5)"
    )
    return int(ours > 5 * bare)


if __name__ == "__main__":
    sys.exit(main())

"""The command line: each command is a thin call of one public function, imported when it is called.

`--help` and a mistake must answer at once, so nothing but the standard library is imported before a
command is known.
"""

import argparse
import contextlib
import sys
from pathlib import Path

TITLE = "Does learning show up in performance and merit, and does it pay to say “I don’t know”?"
PARAMS = "a params file, such as params/northbank.yml"


class Parser(argparse.ArgumentParser):
    """Arguments whose mistakes are told in few words, with the nearest command; no word is
    shortened for another.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> None:
        """One message on standard error, and exit code 2."""
        wrong, choice, rest = message.partition("invalid choice: '")
        if wrong.startswith("argument COMMAND") and choice:
            import difflib

            got = rest.partition("'")[0]
            near = difflib.get_close_matches(got, COMMANDS, n=1)
            known = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
            message = f"there is no command {got}; {known}"
        say(f"{self.prog}: {message}\n{self.format_usage().strip()}\nTry: {self.prog} --help")
        sys.exit(2)


def say(line: object) -> None:
    """A line for whoever watches; standard output is for what was asked."""
    with contextlib.suppress(
        OSError
    ):  # a full disk, or nobody listens any more: nothing else fails of it
        print(line, file=sys.stderr, flush=True)


def _at_least(least: int, kind: type) -> object:
    def number(text: str) -> float:
        value = kind(text)
        if not value >= least:
            raise argparse.ArgumentTypeError(f"{text} is not {least} or more")
        return value

    number.__name__ = "number"  # as argparse names it in a mistake
    return number


def _parser() -> Parser:
    parser = Parser(prog="learnalign", description=TITLE)
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", title="commands")
    for name, (work, arguments) in COMMANDS.items():
        told = work.__doc__
        one = commands.add_parser(name, help=told, description=told)
        for words, settings in arguments:
            one.add_argument(*words, **settings)
    return parser


# --- the commands


def demo(out: Path | None, jobs: int | None) -> None:
    """Run the shipped report on the shipped bank, Northbank."""
    from learnalign.data import shipped

    run(shipped.find("params/northbank.yml"), out or Path("out"), jobs, "plain")


def init(folder: Path) -> None:
    """Make a project of your own: notebooks, params files, a mapping to edit, the demo's data."""
    from learnalign.runs import init as projects

    projects.init(folder)
    print(f"{folder}\nNext: cd {folder} && learnalign run params/northbank.yml")


def bring_in(mapping: Path, out: Path) -> None:
    """Turn another system's exports into canonical tables; every rejected row is kept with its
    reason.
    """
    from rich.console import Console
    from rich.table import Table

    from learnalign.data import importing

    done = importing.bring_in(mapping, out)
    table = Table("table", "rows read", "kept", "rejected")
    for row in done.summary.itertuples(index=False):
        table.add_row(row.table, f"{row.read:,}", f"{row.kept:,}", f"{row.rejected:,}")
    Console().print(table)
    print(f"{done.folder}\n{done.folder / 'rejected.csv'} says which rows were rejected and why.")
    as_is = (
        "Ids of people are as in the source. To replace them, name a key in the mapping: "
        "pseudonyms: {key: NAME}."
    )
    print(
        "Ids of people are keyed pseudonyms, and no rejected value is quoted."
        if done.pseudonyms
        else as_is
    )


def check(data: Path) -> None:
    """Check a data set against the contract and name every problem at once."""
    from learnalign.data import reading
    from learnalign.data.mistakes import DataError

    if problems := reading.check(data):
        raise DataError(problems, str(data))
    print(f"{data} keeps the contract.")


def run(params: Path, out: Path | None, jobs: int | None, log: str) -> None:
    """Run a report's notebooks and publish the edition, whole or not at all."""
    from learnalign.runs import run as runs

    with _telling(log) as tell:
        edition = runs.run(params, out, jobs=jobs, progress=tell)
    print(edition.report)


def _telling(log: str) -> object:
    """How a run's events are told: on a terminal, a line that moves; elsewhere lines, without every
    cell.
    """
    if log == "json":
        import dataclasses
        import json

        return contextlib.nullcontext(lambda event: say(json.dumps(dataclasses.asdict(event))))
    if not sys.stderr.isatty():
        return contextlib.nullcontext(lambda event: None if event.cell else say(event))
    return contextlib.contextmanager(_moving)()


def _moving() -> object:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    with Progress(*columns, console=console, transient=True) as bar:
        task, at = bar.add_task(""), {"": ""}  # the whole run, then each notebook on its way

        def tell(event: object) -> None:
            if event.state == "planned" and event.expected:
                at[""] = f"of about {event.expected:.0f} s"
            elif event.state == "captured":
                at.pop(event.notebook, None)
            elif event.cell:
                at[event.notebook] = f"{event.notebook} {event.cell}/{event.cells}"
            bar.update(task, description="  ".join(at.values()))
            if not event.cell:
                bar.console.print(str(event))

        yield tell


def audit(out: Path, data: Path | None) -> None:
    """Look whether published editions tell of individuals, from their bytes alone; ends with 1 when
    they do.
    """
    from learnalign.privacy import audit as audits

    done = audits.audit(out, data)
    print(done)
    sys.exit(1 if done.findings else 0)


def simulate(out: Path, people: int, cycles: int, seed: int, truth: Path | None) -> None:
    """Write a plausible bank with every canonical table and known truths in it."""
    from northbank import tables as bank
    from northbank import truth as truths

    declared = truths.read(truth) if truth else truths.Truth()
    print(bank.write(bank.northbank(people=people, cycles=cycles, seed=seed, truth=declared), out))


def schedule(
    params: Path, system: str, at: str, every: str, out: Path | None, write: Path | None
) -> None:
    """Print a run as an entry of cron, systemd or Windows Task Scheduler; nothing is installed."""
    from learnalign.runs import schedule as schedules

    files = schedules.entry(schedules.job(params, out, at=at, every=every), system)
    if write:
        print(*schedules.write(files, write), sep="\n")
    else:
        print(
            "\n".join(
                text if len(files) == 1 else f"# {name}\n{text}" for name, text in files.items()
            ),
            end="",
        )


def doctor(
    params: Path | None, out: Path | None, max_age: float | None, as_scheduled: bool
) -> None:
    """Say whether this machine can run a report, and whether its last edition is as fresh as it
    should be.
    """
    from learnalign.runs import doctor as medicine

    if as_scheduled:
        text, code = medicine.as_scheduled(params, out, max_age)
        print(text, end="")
        sys.exit(code)
    findings = []
    for finding in medicine.examine(params, out, max_age):
        print(finding, flush=True)
        findings.append(finding)
    sys.exit(medicine.exit_code(findings))


def _path(*words: str, told: str, **more: object) -> tuple:
    return words, {"type": Path, "help": told} | more


OUT = _path(
    "--out", told="folder for the editions; `out` in the project (demo: here) when not given"
)
JOBS = (
    ("--jobs",),
    {"type": _at_least(1, int), "help": "notebooks to run side by side; all cores when not given"},
)
LOG = (
    ("--log",),
    {
        "choices": ("plain", "json"),
        "default": "plain",
        "help": "progress in a log: plain lines, or a line of JSON each",
    },
)
DATA_SET = "a data set: a folder of tables and dataset.yml"
COMMANDS = {
    "init": (init, [_path("folder", told="the project's folder; no file there is overwritten")]),
    "demo": (demo, [OUT, JOBS]),
    "import": (
        bring_in,
        [
            _path("mapping", told="a mapping file, such as params/imports/oulad.yml"),
            _path("--out", told="folder for the canonical tables", required=True),
        ],
    ),
    "check": (check, [_path("data", told=DATA_SET)]),
    "run": (run, [_path("params", told=PARAMS), OUT, JOBS, LOG]),
    "audit": (
        audit,
        [
            _path("out", told="a folder of editions, or one edition"),
            _path("--data", told="their data set: its ids are then looked for in every byte"),
        ],
    ),
    "simulate": (
        simulate,
        [
            _path("out", told="folder for the tables"),
            (
                ("--people",),
                {"type": int, "default": 1500, "help": "people over all cycles (1500)"},
            ),
            (("--cycles",), {"type": int, "default": 6, "help": "half-year cycles (6)"}),
            (
                ("--seed",),
                {"type": int, "default": 1, "help": "the same seed gives the same bytes (1)"},
            ),
            _path(
                "--truth",
                told=(
                    "what is true there, such as params/truths/penalty.yml; Northbank's "
                    "when not given"
                ),
            ),
        ],
    ),
    "schedule": (
        schedule,
        [
            _path("params", told=PARAMS),
            (("--for",), {"dest": "system", "required": True, "help": "cron, systemd or windows"}),
            (
                ("--at",),
                {
                    "default": "06:00",
                    "help": "time of day as HH:MM, by this machine's clock (06:00)",
                },
            ),
            (
                ("--every",),
                {
                    "default": "month",
                    "help": "day, week, month, quarter, half-year or year (month)",
                },
            ),
            OUT,
            _path("--write", told="write the files into this folder; else they are printed"),
        ],
    ),
    "doctor": (
        doctor,
        [
            _path("params", told="a params file; without one, the machine alone", nargs="?"),
            OUT,
            (
                ("--max-age",),
                {"type": _at_least(0, float), "help": "days; fail when no good edition is younger"},
            ),
            (
                ("--as-scheduled",),
                {"action": "store_true", "help": "ask as a scheduler would: no login"},
            ),
        ],
    ),
}


def main() -> None:
    """Run the command line; a user's mistake ends with its message and exit code, without a
    traceback.
    """
    parser = _parser()
    given = vars(parser.parse_args())
    command, is_asked = given.pop("command"), given.pop("version")
    if is_asked:
        from learnalign import __version__

        print(f"learnalign {__version__}")
    elif command is None:
        parser.print_help()
        sys.exit(2)
    else:
        _called(COMMANDS[command][0], given)


def _called(work: object, given: dict) -> None:
    from learnalign.data.mistakes import DataError, Stopped

    try:
        work(**given)
    except DataError as error:
        say(f"{error}\nNothing was changed.")
        sys.exit(2)
    except Stopped as error:
        say(error)
        sys.exit(error.code)


if __name__ == "__main__":
    main()

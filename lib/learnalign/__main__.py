"""The command line: each command is a thin call of one public function, imported when it is called.

`--help` and a mistake must answer at once, so nothing but the standard library is imported before a
command is known.
"""

import argparse
import contextlib
import sys
from pathlib import Path

TITLE = "Does learning show up in performance and merit, and does it pay to say “I don’t know”?"


class Parser(argparse.ArgumentParser):
    """Arguments whose mistakes are told in few words, with the nearest command."""

    def __init__(self, **kwargs) -> None:
        super().__init__(allow_abbrev=False, **kwargs)  # no word is shortened for another

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
    # A full disk, or nobody listens any more: nothing else fails of it
    with contextlib.suppress(OSError):
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
    for name, (work, *arguments) in COMMANDS.items():
        one = commands.add_parser(name, help=work.__doc__, description=work.__doc__)
        for words, settings in arguments:
            one.add_argument(*words, **settings)
    return parser


# --- the commands


def demo(out: Path | None, jobs: int | None, anew: bool) -> None:
    """Run the shipped report on the shipped bank, Northbank."""
    from learnalign.data import shipped

    run(shipped.find("params/northbank.yml"), out or Path("out"), jobs, "plain", anew=anew)


def init(folder: Path) -> None:
    """Make a project of your own: notebooks, params files, a mapping to edit, the demo's data."""
    from learnalign.runs import init as projects

    projects.init(folder)
    print(f"{folder}\nNext: cd {folder} && learnalign run params/northbank.yml")


def propose(exports: list[Path], out: Path) -> None:
    """Propose a mapping for exports, with reasons; what is unsure is left to you."""
    from learnalign.data import proposing, writing
    from learnalign.data.mistakes import DataError
    from learnalign.verdicts import registry

    if out.exists():
        raise DataError.of("is_there", str(out))
    made = proposing.propose(exports, out)
    writing.write_whole(out, made.text.encode(), mode=0o644)
    for line in made.open:
        print(f"to decide: {line}")
    for key, question in registry.questions().items():
        lacking = [need.missing for need in registry.missing_needs(question, made.makes)]
        print(f"{key} {question.text} {'we can ask it' if not lacking else '; '.join(lacking)}")
    print(f"{out}\nNext: read it, then learnalign import {out} --out data/own")


def bring_in(mapping: Path, out: Path, accept_loss: list[str]) -> None:
    """Turn another system's exports into canonical tables; what is rejected is kept, with why."""
    from rich.console import Console
    from rich.table import Table

    from learnalign.data import importing

    done = importing.bring_in(mapping, out, accepted=_reasons(accept_loss))
    table = Table("table", "rows read", "kept", "rejected")
    for row in done.summary.itertuples(index=False):
        table.add_row(row.table, f"{row.read:,}", f"{row.kept:,}", f"{row.rejected:,}")
    Console().print(table)
    print(*(note for note in done.notes), sep="\n", end="\n" * bool(done.notes))
    print(f"{done.folder}\n{done.folder / 'rejected.csv'} says which rows were rejected and why.")
    if done.pseudonyms:
        print("Ids of people are keyed pseudonyms, and no rejected value is quoted.")
    else:
        key = "To replace them, name a key in the mapping: pseudonyms: {key: NAME}."
        print(f"Ids of people are as in the source. {key}")


def _reasons(given: list[str]) -> dict[str, str]:
    """`TABLE=REASON` of the command line, by table."""
    pairs = dict(text.partition("=")[::2] for text in given)
    if "" in {word.strip() for pair in pairs.items() for word in pair}:
        say("learnalign import: --accept-loss is TABLE=REASON, such as learning='a test account'")
        sys.exit(2)
    return pairs


def check(data: Path) -> None:
    """Check a data set against the contract and name every problem at once."""
    from learnalign.data import reading
    from learnalign.data.mistakes import DataError, Problem

    if problems := reading.check(data):
        raise DataError(problems, str(data))
    print(f"{data} keeps the contract.")
    for one in reading.read_meta(data / "dataset.yml").imported:
        if one.lost or one.accepted:
            said = {"n": f"{one.lost:,}", "of": f"{one.read - one.aside:,}"}
            print(Problem.of("rows_lost", one.table, got=one.accepted or "", **said))


def run(params: Path, out: Path | None, jobs: int | None, log: str, **how: object) -> None:
    """Run a report's notebooks and publish the edition, whole or not at all."""
    from learnalign.runs import run as runs

    with _telling(log) as tell:
        edition = runs.run(params, out, jobs=jobs, progress=tell, **how)
    print(edition.report)


def _telling(log: str) -> object:
    """How a run is told: on a terminal a line that moves; elsewhere lines, without every cell."""
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


def plan(params: Path, question: str, waves: int, seed: int, moves: float, out: Path) -> None:
    """Draw by lot who is invited when; say what such an order takes, and what it could tell."""
    from learnalign.runs import inviting

    print(inviting.plan(params, question, out, waves=waves, seed=seed, moves=moves))


def audit(out: Path, data: Path | None) -> None:
    """Look whether published editions tell of individuals, by their bytes alone; 1 if they do."""
    from learnalign.runs import audit as audits

    done = audits.audit(out, data)
    print(done)
    sys.exit(1 if done.findings else 0)


def schema(table: str) -> None:
    """Print every table and column of the contract, what may stand there, and what needs it."""
    from learnalign.verdicts import schema as contract

    print(contract.page(table), end="")


def simulate(out: Path, people: int, cycles: int, seed: int, truth: Path | None, raw: bool) -> None:
    """Write a plausible bank with every canonical table and known truths in it."""
    from northbank import tables as bank
    from northbank import truth as truths

    declared = truths.read(truth) if truth else truths.Truth()
    company = bank.northbank(people=people, cycles=cycles, seed=seed, truth=declared)
    if raw:
        from northbank import raw as exports

        print(exports.write(company, out))
    else:
        print(bank.write(company, out))


def schedule(
    params: Path, system: str, at: str, every: str, out: Path | None, write: Path | None
) -> None:
    """Print a run as an entry of cron, systemd or Windows Task Scheduler; nothing is installed."""
    from learnalign.runs import schedule as schedules

    files = schedules.entry(schedules.job(params, out, at=at, every=every), system)
    if write:
        print(*schedules.write(files, write), sep="\n")
    elif len(files) == 1:
        print(*files.values(), end="")
    else:
        print(*(f"# {name}\n{text}" for name, text in files.items()), sep="\n", end="")


def doctor(
    params: Path | None, out: Path | None, max_age: float | None, as_scheduled: bool
) -> None:
    """Say whether this machine can run a report, and whether its last edition is fresh enough."""
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


def _word(*words: str, told: str, kind: object = Path, **more: object) -> tuple:
    return words, {"type": kind, "help": told} | more


PARAMS = _word("params", told="a params file, such as params/northbank.yml")
OUT = _word("--out", told="folder for the editions; `out` in the project when not given")
JOBS = _word(
    "--jobs", kind=_at_least(1, int), told="notebooks side by side; all cores when not given"
)
NEW_KEY = _word(
    "--new-key", kind=str, default="", told="why the key of earlier editions is not used any more"
)
AGAIN = _word(
    "--again", kind=str, default="", told="why a day is published from a fourth state of the data"
)
ANEW = (("--anew",), {"action": "store_true", "help": "make it again where nothing has changed"})
LOG = _word(
    "--log",
    kind=str,
    choices=("plain", "json"),
    default="plain",
    told="progress in a log: plain lines, or a line of JSON each",
)
COMMANDS = {
    "init": (init, _word("folder", told="the project's folder; no file in it is overwritten")),
    "demo": (demo, OUT, JOBS, ANEW),
    "map": (
        propose,
        (("exports",), {"nargs": "+", "type": Path, "help": "the files, in one folder"}),
        _word("--out", told="the mapping to write, such as params/imports/own.yml", required=True),
    ),
    "import": (
        bring_in,
        _word("mapping", told="a mapping file, such as params/imports/oulad.yml"),
        _word("--out", told="folder for the canonical tables", required=True),
        _word(
            "--accept-loss",
            kind=str,
            action="append",
            default=[],
            metavar="TABLE=REASON",
            told="a table that may lose more than its share of rows, and why",
        ),
    ),
    "check": (check, _word("data", told="a data set: a folder of tables and dataset.yml")),
    "schema": (
        schema,
        (("table",), {"nargs": "?", "default": "", "help": "one table; all when not given"}),
    ),
    "run": (run, PARAMS, OUT, JOBS, LOG, NEW_KEY, AGAIN, ANEW),
    "plan": (
        plan,
        PARAMS,
        _word("--question", kind=str, required=True, told="Q1, Q2, Q3 or Q5"),
        _word("--waves", kind=int, default=3, told="turns, one for each review window (3)"),
        _word("--seed", kind=_at_least(0, int), default=1, told="draws the same list again (1)"),
        _word("--moves", kind=float, default=0.3, told="how much of the invited do it more (0.3)"),
        _word("--out", required=True, told="the list to write, such as data/invitations-Q2.csv"),
    ),
    "audit": (
        audit,
        _word("out", told="a folder of editions, or one edition"),
        _word("--data", told="their data set: its ids are then looked for in every byte"),
    ),
    "simulate": (
        simulate,
        _word("out", told="folder for the tables"),
        _word("--people", kind=int, default=1500, told="people over all cycles (1500)"),
        _word("--cycles", kind=int, default=6, told="half-year cycles (6)"),
        _word("--seed", kind=int, default=1, told="the same seed gives the same bytes (1)"),
        _word("--truth", told="what is true there, as params/truths/penalty.yml; else Northbank's"),
        (("--raw",), {"action": "store_true", "help": "as exports of its systems, to be mapped"}),
    ),
    "schedule": (
        schedule,
        PARAMS,
        _word("--for", kind=str, dest="system", required=True, told="cron, systemd or windows"),
        _word("--at", kind=str, default="06:00", told="HH:MM by this machine's clock (06:00)"),
        _word(
            "--every",
            kind=str,
            default="month",
            told="day, week, month, quarter, half-year or year (month)",
        ),
        OUT,
        _word("--write", told="write the files into this folder; else they are printed"),
    ),
    "doctor": (
        doctor,
        _word("params", told="a params file; without one, the machine alone", nargs="?"),
        OUT,
        _word(
            "--max-age", kind=_at_least(0, float), told="days; fail when no good edition is younger"
        ),
        (("--as-scheduled",), {"action": "store_true", "help": "ask as a scheduler would"}),
    ),
}


def main() -> None:
    """Run the command line; a user's mistake ends with its message and exit code alone."""
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


def _bury(out: Path) -> None:
    from learnalign.runs import journal

    journal.bury(out)


def _called(work: object, given: dict) -> None:
    from learnalign.data import scratch
    from learnalign.data.mistakes import DataError, Stopped

    try:
        scratch.clear_left(_bury)
        work(**given)
    except DataError as error:
        say(f"{error}\nNothing was changed.")
        sys.exit(2)
    except Stopped as error:
        say(error)
        sys.exit(error.code)


if __name__ == "__main__":
    main()

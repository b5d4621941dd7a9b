"""The command line: each command is a thin call of one public function."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

app = typer.Typer(
    name="learnalign", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Does learning show up in performance and merit, and does it pay to say “I don’t know”?",
)  # fmt: skip
errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
Out = Annotated[Path | None, typer.Option(help="Folder for the editions; `out` beside `params` when not given.")]
Log = Annotated[Literal["plain", "json"], typer.Option(help="Progress in a log: plain lines, or a line of JSON each.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Notebooks to run side by side; all cores when not given.")]


@app.command()
def demo(out: Out = None, jobs: Jobs = None) -> None:
    """Run the shipped report on the shipped bank, Northbank."""
    here = Path.cwd()
    params = next(
        (f / "params/northbank.yml" for f in (here, *here.parents) if (f / "params/northbank.yml").is_file()), None
    )
    if params is None:
        errors.print(f"There is no params/northbank.yml in {here} or above it. Go to the project's folder first.")
        raise typer.Exit(2)
    run(params, out, jobs)


@app.command(name="import")
def bring_in(
    mapping: Annotated[Path, typer.Argument(help="A mapping file, such as params/imports/oulad.yml.")],
    out: Annotated[Path, typer.Option(help="Folder for the canonical tables.")],
) -> None:
    """Turn another system's exports into canonical tables; every rejected row is kept with its reason."""
    from learnalign import sources

    done = sources.bring_in(mapping, out)
    table = Table("table", "rows read", "kept", "rejected")
    for row in done.summary.itertuples(index=False):
        table.add_row(row.table, f"{row.read:,}", f"{row.kept:,}", f"{row.rejected:,}")
    Console().print(table)
    print(f"{done.folder}\n{done.folder / 'rejected.csv'} says which rows were rejected and why.")
    as_is = "Ids of people are as in the source. To replace them, name a key in the mapping: pseudonyms: {key: NAME}."
    print("Ids of people are keyed pseudonyms, and no rejected value is quoted." if done.pseudonyms else as_is)


@app.command()
def check(data: Annotated[Path, typer.Argument(help="A data set: a folder of tables and dataset.yml.")]) -> None:
    """Check a data set against the contract and name every problem at once."""
    from learnalign import datasets
    from learnalign.problems import DataError

    if problems := datasets.check(data):
        raise DataError(problems, str(data))
    print(f"{data} keeps the contract.")


@app.command()
def run(
    params: Annotated[Path, typer.Argument(help="A params file, such as params/northbank.yml.")],
    out: Out = None,
    jobs: Jobs = None,
    log: Log = "plain",
) -> None:
    """Run a report's notebooks and publish the edition, whole or not at all."""
    from learnalign import runs

    with _telling(log) as tell:
        edition = runs.run(params, out, jobs=jobs, progress=tell)
    print(edition.report)


@contextmanager
def _telling(log: str) -> Iterator[Callable[[Any], None]]:
    """How a run's events are told: on a terminal, a line that moves; elsewhere lines, without every cell."""
    if log == "json":
        yield lambda event: print(json.dumps(asdict(event)), file=sys.stderr, flush=True)
    elif not errors.is_terminal:
        yield lambda event: None if event.cell else errors.print(str(event))
    else:
        columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
        with Progress(*columns, console=errors, transient=True) as bar:
            task, at = bar.add_task(""), {"": ""}  # the whole run, then each notebook on its way

            def tell(event: Any) -> None:
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


@app.command()
def audit(
    out: Annotated[Path, typer.Argument(help="A folder of editions, or one edition.")],
    data: Annotated[
        Path | None, typer.Option(help="Their data set: its ids are then looked for in every byte.")
    ] = None,
) -> None:
    """Look whether published editions tell of individuals, from their bytes alone; ends with 1 when they do."""
    from learnalign import audits

    done = audits.audit(out, data)
    print(done)
    raise typer.Exit(1 if done.findings else 0)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the tables.")],
    people: Annotated[int, typer.Option(help="People over all cycles.")] = 1500,
    cycles: Annotated[int, typer.Option(help="Half-year cycles.")] = 6,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    truth: Annotated[
        Path | None,
        typer.Option(help="What is true there, such as params/truths/penalty.yml; Northbank's when not given."),
    ] = None,
) -> None:
    """Write a plausible bank with every canonical table and known truths in it."""
    from learnalign import simulate as bank
    from learnalign import truths

    declared = truths.read(truth) if truth else truths.Truth()
    print(bank.write(bank.northbank(people=people, cycles=cycles, seed=seed, truth=declared), out))


@app.command()
def schedule(
    params: Annotated[Path, typer.Argument(help="A params file, such as params/northbank.yml.")],
    system: Annotated[str, typer.Option("--for", help="cron, systemd or windows.")],
    at: Annotated[str, typer.Option(help="Time of day as HH:MM, by this machine's clock.")] = "06:00",
    every: Annotated[str, typer.Option(help="day, week, month, quarter, half-year or year.")] = "month",
    out: Out = None,
    write: Annotated[Path | None, typer.Option(help="Write the files into this folder; else they are printed.")] = None,
) -> None:
    """Print a run as an entry of cron, systemd or Windows Task Scheduler; nothing is installed."""
    from learnalign import schedules

    files = schedules.entry(schedules.job(params, out, at=at, every=every), system)
    if write:
        print(*schedules.write(files, write), sep="\n")
    else:
        print("\n".join(text if len(files) == 1 else f"# {name}\n{text}" for name, text in files.items()), end="")


@app.command()
def doctor(
    params: Annotated[Path | None, typer.Argument(help="A params file; without one, the machine alone.")] = None,
    out: Out = None,
    max_age: Annotated[float | None, typer.Option(min=0, help="Days; fail when no good edition is younger.")] = None,
    as_scheduled: Annotated[bool, typer.Option("--as-scheduled", help="Ask as a scheduler would: no login.")] = False,
) -> None:
    """Say whether this machine can run a report, and whether its last edition is as fresh as it should be."""
    from learnalign import doctor as medicine

    if as_scheduled:
        text, code = medicine.as_scheduled(params, out, max_age)
        print(text, end="")
        raise typer.Exit(code)
    findings = []
    for finding in medicine.examine(params, out, max_age):
        print(finding, flush=True)
        findings.append(finding)
    raise typer.Exit(medicine.exit_code(findings))


def main() -> None:
    """Run the command line; a user's mistake ends with its message and exit code, without a traceback."""
    from learnalign.problems import DataError, Stopped

    try:
        app()
    except DataError as error:
        errors.print(f"{error}\nNothing was changed.")
        sys.exit(2)
    except Stopped as error:
        errors.print(str(error))
        sys.exit(error.code)


if __name__ == "__main__":
    main()

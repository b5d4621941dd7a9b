"""The command line: each command is a thin call of one public function."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    name="learnalign", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Does learning show up in performance and merit, and does it pay to say “I don’t know”?",
)  # fmt: skip
errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
Out = Annotated[Path | None, typer.Option(help="Folder for the editions; `out` beside `params` when not given.")]
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
) -> None:
    """Run a report's notebooks and publish the edition, whole or not at all."""
    from learnalign import runs

    print(runs.run(params, out, jobs=jobs, progress=errors.print).report)


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


def main() -> None:
    """Run the command line; a user's mistake ends with its message and exit code, without a traceback."""
    from learnalign.problems import DataError, Stopped

    try:
        app()
    except DataError as error:
        errors.print(f"{error}\nNothing was written.")
        sys.exit(2)
    except Stopped as error:
        errors.print(str(error))
        sys.exit(error.code)


if __name__ == "__main__":
    main()

"""Dagster, for those who outgrow one machine: an asset for each report, a partition for each month.

    pip install "learnalign[dagster]"
    dagster dev -f params/schedules/dagster_example.py

Dagster decides when and how often, `learnalign run` whether anything is published: each partition
is one call of the same command that cron would call, with `as_of` at the end of the month.
Backfill: choose months on the asset's page.
"""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import dagster as dg
import yaml

PROJECT = Path(__file__).resolve().parents[2]
OUT = Path(os.environ.get("LEARNALIGN_OUT", PROJECT / "out"))
COMMAND = [sys.executable, "-m", "learnalign"]
MONTHS = dg.MonthlyPartitionsDefinition(start_date="2024-01-01")
# A dead kernel, another run's lock, a full disk: these pass. A wrong file or an error in an
# analysis does not.
WORTH_ANOTHER_TRY = {5, 6, 7}
RETRIES = dg.RetryPolicy(max_retries=2, delay=300, backoff=dg.Backoff.EXPONENTIAL)


def run(params: Path, as_of: str) -> Path:
    """Run a params file as of a day; the edition's folder, or a `Failure` with what was said."""
    content = yaml.safe_load(params.read_text(encoding="utf-8")) | {"as_of": as_of}
    dated = params.with_name(f".{params.stem}-{as_of}.yml")  # beside it: paths start there
    dated.write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        done = subprocess.run(
            [*COMMAND, "run", str(dated), "--out", str(OUT)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    finally:
        dated.unlink()
    if done.returncode:
        again = done.returncode in WORTH_ANOTHER_TRY
        said = "\n".join(done.stderr.splitlines()[-40:])
        raise dg.Failure(said, metadata={"exit code": done.returncode}, allow_retries=again)
    return OUT / content["report"] / as_of


def asset_of(params: Path) -> dg.AssetsDefinition:
    """A report as an asset: what it says is metadata of each month."""

    @dg.asset(name=params.stem, group_name="reports", partitions_def=MONTHS, retry_policy=RETRIES)
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        as_of = (context.partition_time_window.end - timedelta(days=1)).date().isoformat()
        edition = run(params, as_of)
        document = json.loads((edition / "results.json").read_text(encoding="utf-8"))
        verdicts = [row["verdict"] for row in document["results"] if row["headline"]]
        known = {f"verdict {verdict}": verdicts.count(verdict) for verdict in sorted(set(verdicts))}
        report = dg.MetadataValue.path(str(edition / "report.html"))
        return dg.MaterializeResult(metadata={"report": report, "as of": as_of, **known})

    return report


REPORTS = [asset_of(params) for params in sorted((PROJECT / "params").glob("[!.]*.yml"))]
MONTHLY = dg.define_asset_job("reports", selection=dg.AssetSelection.groups("reports"))
SCHEDULE = dg.build_schedule_from_partitioned_job(MONTHLY, hour_of_day=6)

defs = dg.Definitions(assets=REPORTS, jobs=[MONTHLY], schedules=[SCHEDULE])

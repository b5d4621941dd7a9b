"""Schedules: a run as an entry of the machine's own scheduler: cron, systemd or Windows Task
Scheduler.

Every entry starts the same command, `PYTHON -m learnalign run PARAMS --out OUT`, with whole paths,
so that it does not depend on who starts it or where. Nothing is installed: each text says how to
install, check and remove it.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2

from learnalign.data.mistakes import DataError, Problem
from learnalign.data.writing import write_whole
from learnalign.runs.spec import default_out, project, read_spec
from learnalign.runs.words import words

MARGIN_MINUTES = 5  # beyond the notebooks' deadline: reading, checking and publishing
CRON_BYTES = 999  # many versions of cron cut a longer command without a word
UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]|[ \\\\]$")


@dataclass(frozen=True)
class Every:
    """How often: in words, days after which an edition is too old, cron's day, month and weekday,
    systemd's date.
    """

    words: str
    too_old: int
    cron: str
    systemd: str


EVERY = {name: Every(**how) for name, how in words()["every"].items()}


@dataclass(frozen=True)
class Job:
    """A report to be run again and again: the words of its command and of what watches it, where,
    and when.
    """

    report: str
    command: tuple[str, ...]
    watchdog: tuple[str, ...]
    folder: str
    out: str
    minutes: int
    at: str
    every: Every

    @property
    def when(self) -> str:
        """When it runs, in words."""
        return f"{self.every.words} at {self.at} by this machine's clock"

    @property
    def log(self) -> str:
        """Where cron's line keeps what a run says; systemd has its journal, Windows the exit code
        alone.
        """
        return f"{self.out}/{self.report}.log"


def job(
    params: str | Path,
    out: str | Path | None = None,
    *,
    at: str = "06:00",
    every: str = "month",
    python: str = sys.executable,
) -> Job:
    """A params file as a job; a `DataError` names everything that would keep it from running.

    `at` is a time of day as HH:MM and `every` a key of `EVERY`. Misleads where clocks go forward
    that night: the hour that is left out has no run.
    """
    spec, params = read_spec(Path(params)), Path(params).absolute()
    folder, out = str(project(params)), str(Path(out or default_out(params)).absolute())
    # The link of an environment, not what it points to
    start = (str(Path(python).absolute()), "-m", "learnalign")
    problems = [
        Problem.of("unscheduled_path", "schedule", got=path)
        for path in (start[0], str(params), folder, out)
        if UNWRITABLE.search(path)
    ]
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", at):
        problems.append(Problem.of("no_time_of_day", "schedule", "at", at))
    if every not in EVERY:
        known = ", ".join(EVERY)
        problems.append(Problem.of("not_known", "schedule", "every", every, known=known))
    if problems:
        raise DataError(problems)
    where = (str(params), "--out", out)
    watchdog = (*start, "doctor", *where, "--max-age", str(EVERY[every].too_old))
    minutes = int(spec.deadline_minutes) + MARGIN_MINUTES
    command = (*start, "run", *where)
    return Job(spec.report, command, watchdog, folder, out, minutes, at, EVERY[every])


def entry(job: Job, system: str) -> dict[str, str]:
    """The files of a scheduler's entry, by name; `system` is a key of `SYSTEMS`. The same job gives
    the same text.

    A `DataError` says what that scheduler cannot be told. Misleads on another machine: the paths
    are this one's.
    """
    if system not in SYSTEMS:
        known = ", ".join(SYSTEMS)
        raise DataError.of("not_known", "schedule", "for", system, known=known)
    return SYSTEMS[system](job)


def write(files: Mapping[str, str], folder: str | Path) -> list[Path]:
    """Write an entry's files into a folder, made when it is missing."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_whole(folder / name, text.encode(), mode=0o644)
    except OSError as error:
        got, why = str(folder), error.strerror
        raise DataError.of("unwritten_schedule", "schedule", "", got, why=why) from None
    return [folder / name for name in files]


def _render(kind: str, job: Job, **words: object) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("learnalign.runs"),
        autoescape=kind == "xml",
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"schedule.{kind}.j2").render(job=job, **words)


def _cron(job: Job) -> dict[str, str]:
    log, out, folder = map(_cron_word, (job.log, job.out, job.folder))
    run = " ".join(map(_cron_word, job.command))
    command = (
        f"umask 077; log={log}; mkdir -p {out} && cd {folder} && {run} "
        '>> "$log" 2>&1 || { code=$?; tail -n 40 "$log"; exit $code; }'
    )
    if (size := len(command.encode())) > CRON_BYTES:
        raise DataError.of("long_for_cron", "schedule", "", f"{size} bytes", most=CRON_BYTES)
    hour, minute = map(int, job.at.split(":"))
    watchdog = shlex.join(job.watchdog)
    text = _render("cron", job, hour=hour, minute=minute, command=command, watchdog=watchdog)
    return {f"learnalign-{job.report}.cron": text}


def _cron_word(word: str) -> str:
    r"""A word for a POSIX shell behind cron, which makes `\%` a `%`, and at times `\\` a `\`."""
    return re.sub(r"\\(?=[\\%])", r"\\''", shlex.quote(word)).replace("%", r"\%")


def _systemd(job: Job) -> dict[str, str]:
    if re.search(r"['\"\\$]", job.command[0]):
        raise DataError.of("refused_by_systemd", "schedule", "", job.command[0])
    name = f"learnalign-{job.report}"
    run, watch = map(_systemd_words, (job.command, job.watchdog))
    return {
        f"{name}.service": _render("service", job, name=name, command=run, failed=False),
        f"{name}.timer": _render("timer", job),
        f"{name}-failed.service": _render("service", job, name=name, command=watch, failed=True),
    }


def _systemd_words(words: tuple[str, ...]) -> str:
    signs = str.maketrans({"\\": r"\\", '"': r"\"", "%": "%%", "$": "$$"})
    return " ".join(f'"{word.translate(signs)}"' for word in words)


def _windows(job: Job) -> dict[str, str]:
    if problems := [
        Problem.of("changed_by_windows", "schedule", got=word)
        for word in (*job.command, job.folder)
        if re.search(r"%[^%]+%|\$\(", word)
    ]:
        raise DataError(problems)
    day, months, weekday = job.every.cron.split()
    numbers = range(1, 13) if months == "*" else map(int, months.split(","))
    arguments = subprocess.list2cmdline(job.command[1:])
    text = _render("xml", job, day=day, numbers=[*numbers], weekday=weekday, arguments=arguments)
    # In signs that every code page of Windows has, so that it may be printed and piped
    text = text.encode("ascii", "xmlcharrefreplace").decode("ascii")
    return {f"learnalign-{job.report}.xml": text}


SYSTEMS = {"cron": _cron, "systemd": _systemd, "windows": _windows}

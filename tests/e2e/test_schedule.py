"""Entries for cron, systemd and Windows: what a parser of each makes of them is the command that
was meant.

cron's own handling of `%` is written down here from its two versions; the shell and systemd are the
machine's own. No Windows is needed: the task is held against the rules of its schema (MS-TSCH,
version 1.2), written down here as a table of every element that may be in it, as the schema's own
file is not ours to hand on.
"""

import configparser
import datetime as dt
import importlib.util
import json
import os
import random
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from learnalign.data.mistakes import DataError
from learnalign.runs import doctor, run
from learnalign.runs import schedule as schedules

ROOT = Path(__file__).parents[2]
SIGNS = "ab -'\"%$\\`&<>é~#;()!*?{}="
words = st.lists(st.text(SIGNS, min_size=1, max_size=12), min_size=1, max_size=6)
HOSTILE = [
    'it\'s 100% "sure"',
    "$HOME ${HOME} $$ `id`",
    "a\\%b\\\\c\\'d",
    "& <b> ; # | > x",
    "日本 é\u00a0ñ",
    "--out",
]


def project(folder: Path, report: str = "mine", notebook: str = "{}", more: str = "") -> Path:
    """A project with one notebook and a params file."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks/coverage.ipynb").write_text(notebook)
    params = folder / "mine.yml"
    params.write_text(
        f"report: {report}\ndata: data\nnotebooks: [coverage]\ndeadline_minutes: 30\n{more}"
    )
    return params


@pytest.fixture
def job(tmp_path):
    return schedules.job(project(tmp_path / "p"), python="/usr/bin/python3")


def command_of(job: schedules.Job) -> str:
    """The command in the crontab, without its times."""
    (text,) = schedules.entry(job, "cron").values()
    return text.splitlines()[-1].split(" ", 5)[5]


def through_cron(command: str, doubled: bool) -> str:
    r"""What cron hands to the shell: `\%` is `%`, a bare `%` ends the command; `\\` is `\` where `doubled`."""
    told, escaped = "", False
    for sign in command:
        if escaped:
            told = told[:-1] + sign if sign == "%" or (doubled and sign == "\\") else told + sign
            escaped = False
        elif sign == "%":
            return told
        else:
            told, escaped = told + sign, sign == "\\"
    return told


def shell_words(text: str) -> list[str]:
    done = subprocess.run(
        ["env", "-i", "/bin/sh", "-c", f"printf '%s\\0' {text}"], capture_output=True, check=True
    )
    return done.stdout.decode().split("\0")[:-1]


# --- the job


def test_a_job_calls_the_one_command_by_whole_paths(tmp_path, monkeypatch):
    project(tmp_path / "p")
    monkeypatch.chdir(tmp_path)
    job = schedules.job("p/mine.yml", "reports", at="23:59", every="half-year")
    params, out = str(tmp_path / "p/mine.yml"), str(tmp_path / "reports")
    assert job.command == (sys.executable, "-m", "learnalign", "run", params, "--out", out)
    assert job.watchdog[3:] == ("doctor", params, "--out", out, "--max-age", "200")
    assert (job.folder, job.minutes, job.log) == (str(tmp_path / "p"), 35, f"{out}/mine.log")
    assert schedules.job("p/mine.yml").out == str(tmp_path / "p/out")


def test_everything_wrong_is_said_at_once(tmp_path):
    with pytest.raises(DataError) as told:
        schedules.job(project(tmp_path / "a\nb"), at="24:00", every="fortnight")
    assert [problem.column for problem in told.value.problems] == ["", "", "", "at", "every"]
    with pytest.raises(DataError, match="cron, systemd, windows"):
        schedules.entry(schedules.job(project(tmp_path / "p")), "launchd")
    with pytest.raises(DataError, match="noteboks"):
        schedules.job(project(tmp_path / "q", more="noteboks: [coverage]\n"))


@pytest.mark.parametrize(
    "at", ["6:00", "06:60", "24:00", "06:00\n", "٠٦:٠٠", "", "06:00; id", "06:00:00"]
)
def test_a_time_of_day_is_hours_and_minutes_only(tmp_path, at):
    with pytest.raises(DataError, match="is not a time of day"):
        schedules.job(project(tmp_path / "p"), at=at)


@pytest.mark.parametrize(
    "name", ["ends in a blank ", "ends in a \\", "line\u2028break", "bell\x07", "bytes\udcff"]
)
def test_a_path_that_cannot_be_written_down_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="no scheduler can be told of"):
        schedules.job(project(tmp_path / "p"), tmp_path / name)


@pytest.mark.parametrize("system", schedules.SYSTEMS)
def test_the_same_job_gives_the_same_text_and_files_hold_it(job, system, tmp_path):
    files = schedules.entry(job, system)
    assert files == schedules.entry(job, system)
    written = schedules.write(files, tmp_path / "new/units")
    assert {path.name: path.read_text("utf-8") for path in written} == files
    text = "".join(files.values())
    assert all(word in text for word in ("Install", "Check", "Remove"))
    with pytest.raises(DataError, match="cannot be written"):
        schedules.write(files, job.folder + "/mine.yml")


# --- cron


@pytest.mark.parametrize(
    ("every", "start"),
    [
        ("day", "5 6 * * * "),
        ("week", "5 6 * * 1 "),
        ("month", "5 6 1 * * "),
        ("quarter", "5 6 1 1,4,7,10 * "),
        ("half-year", "5 6 1 1,7 * "),
        ("year", "5 6 1 1 * "),
    ],
)
def test_when_cron_starts_it(tmp_path, every, start):
    job = schedules.job(project(tmp_path / "p"), at="06:05", every=every)
    lines = schedules.entry(job, "cron")["learnalign-mine.cron"].splitlines()
    assert lines[-1].startswith(start)
    assert all(line.startswith("# ") for line in lines[:-1])


@pytest.mark.property
@settings(max_examples=60, deadline=None)
@given(words)
@example(HOSTILE)
@example(["\\%", "\\\\%", "%\\", "\\\\\\", "'\\'%'"])
def test_the_shell_behind_cron_reads_the_words_that_were_meant(meant):
    text = " ".join(map(schedules._cron_word, meant))
    for doubled in (False, True):
        assert shell_words(through_cron(text, doubled)) == meant


STUB = """#!{python}
import json, os, sys
from pathlib import Path
told = {{"argv": sys.argv[1:], "cwd": os.getcwd(), "home": os.environ.get("HOME")}}
Path(sys.argv[-1], "told.json").write_text(json.dumps(told))
print(*range(60), sep="\\n")
sys.exit(int(Path({code!r}).read_text()))
"""


@pytest.mark.e2e
@pytest.mark.parametrize("code", [0, 3])
def test_the_line_runs_without_an_environment_from_any_folder(tmp_path, code):
    """A stub in Python's place says what it was told; the paths are as bad as folders may be named."""
    folder = tmp_path / 'it\'s 100% "sure" é $HOME `id` \\% & <b>; #1'
    params = project(folder)
    (tmp_path / "code").write_text(str(code))
    stub = folder / "py thon"
    stub.write_text(STUB.format(python=sys.executable, code=str(tmp_path / "code")))
    stub.chmod(0o755)
    job = schedules.job(params, folder / "the out", python=str(stub))
    line = through_cron(command_of(job), doubled=False)
    for _ in range(2):
        done = subprocess.run(
            ["env", "-i", "/bin/sh", "-c", line], cwd="/", capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (code, "")
        assert done.stdout.split() == ([str(number) for number in range(20, 60)] if code else [])
    told = json.loads((folder / "the out/told.json").read_text())
    assert told == {"argv": [*job.command[1:]], "cwd": str(folder), "home": None}
    log = Path(job.log)
    assert len(log.read_text().splitlines()) == 120
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.slow
@pytest.mark.e2e
def test_the_line_publishes_an_edition_that_the_doctor_finds_fresh(tmp_path, write_tables):
    """The real line, `env -i` and all, for a report of one notebook on twelve people."""
    job = schedules.job(
        project(tmp_path / "p", notebook=(ROOT / "notebooks/coverage.ipynb").read_text("utf-8"))
    )
    people = pd.DataFrame(
        {"person_id": [f"p{number}" for number in range(12)], "hired_on": "2020-01-01"}
    )
    reviews = people[["person_id"]].assign(
        cycle="H1", reviewed_on="2023-07-01", rating=[*range(12)], unit="ops"
    )
    write_tables(tmp_path / "p/data", {"people": people, "reviews": reviews})
    line = through_cron(command_of(job), doubled=True)
    done = subprocess.run(
        ["env", "-i", "/bin/sh", "-c", line], cwd="/", capture_output=True, text=True, timeout=120
    )
    log = Path(job.log).read_text("utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), log
    (edition,) = Path(job.out, "mine").iterdir()
    assert str(edition / "report.html") in log
    assert stat.S_IMODE((edition / "restricted").stat().st_mode) == 0o700
    (fresh,) = doctor._editions(Path(job.out, "mine"), max_age=1)
    assert not fresh.mend and "0.0 days ago" in fresh.found
    (old,) = doctor._editions(Path(job.out, "mine"), max_age=0)
    assert old.mend and doctor.exit_code([old]) == run.TOO_SMALL
    (edition / "report.html").write_text("torn")
    damaged, none = doctor._editions(Path(job.out, "mine"), max_age=1)
    assert "report.html is not as it was published" in damaged.found and "none in" in none.found


def test_a_line_that_cron_would_cut_is_refused(tmp_path):
    long = tmp_path / ("x" * 120) / ("y" * 120)
    job = schedules.job(project(long), long / "out")
    with pytest.raises(DataError, match="too long a line for cron"):
        schedules.entry(job, "cron")
    assert schedules.entry(job, "systemd")


# --- systemd


def unit(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=True
    )
    parser.optionxform = str
    parser.read_string(text)
    return parser


def test_what_the_units_say(job):
    service, timer, failed = map(unit, schedules.entry(job, "systemd").values())
    assert dict(timer["Timer"]) == {"OnCalendar": "*-*-01 06:00:00", "Persistent": "true"}
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert service["Unit"]["OnFailure"] == "learnalign-mine-failed.service"
    assert "OnFailure" not in failed["Unit"]
    wanted = {
        "Type": "oneshot",
        "UMask": "0077",
        "NoNewPrivileges": "yes",
        "KillMode": "mixed",
        "WorkingDirectory": job.folder,
    }
    assert (
        wanted.items() <= dict(service["Service"]).items()
        and wanted.items() <= dict(failed["Service"]).items()
    )
    assert (service["Service"]["TimeoutStartSec"], failed["Service"]["TimeoutStartSec"]) == (
        "35min",
        "2min",
    )
    assert '"doctor"' in failed["Service"]["ExecStart"]


def needs(*programs: str) -> str:
    """The first program; a skip that names the one that is missing."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"no {program} on this machine")
    return str(shutil.which(programs[0]))


@pytest.fixture
def open_folder():
    """A folder that another user may look into."""
    with tempfile.TemporaryDirectory(prefix="learnalign-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.e2e
@pytest.mark.parametrize("name", ["plain", 'a 100% é #1; it\'s "so" \\ &'])
def test_systemd_verifies_the_units(open_folder, name):
    analyze = needs("systemd-analyze")
    job = schedules.job(project(open_folder / name), python=sys.executable)
    units = schedules.write(schedules.entry(job, "systemd"), open_folder / "units")
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{open_folder}/units:"}
    done = subprocess.run(
        [analyze, "verify", *units], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    units[0].write_text(units[0].read_text().replace("UMask=0077", "UMask=private"))
    done = subprocess.run(
        [analyze, "verify", units[0]], capture_output=True, text=True, env=environment
    )
    assert "Failed to parse mode value" in done.stderr  # it does look


@pytest.mark.e2e
@pytest.mark.parametrize("every", schedules.EVERY)
def test_systemd_knows_when(tmp_path, every):
    job = schedules.job(project(tmp_path / "p"), every=every)
    when = unit(schedules.entry(job, "systemd")["learnalign-mine.timer"])["Timer"]["OnCalendar"]
    command = [
        needs("systemd-analyze"),
        "calendar",
        "--base-time=2026-01-01 07:00:00",
        "--iterations=13",
        when,
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    days = re.findall(r"(?:elapse|Iteration[^:]*|#\d+): *\w{3} (\d{4}-\d\d-\d\d) 06:00:00", said)
    dates = {
        "day": "2026-01-02",
        "week": "2026-01-05",
        "month": "2026-02-01",
        "quarter": "2026-04-01",
        "half-year": "2026-07-01",
        "year": "2027-01-01",
    }
    assert days[0] == dates[every] and len(days) == 13
    if every == "month":
        assert days[-1] == "2027-02-01"


def systemd_reads(units: Path, service: str) -> str:
    """systemd's own dump of what it read, in its test mode, which refuses to be root."""
    command = ["/lib/systemd/systemd", "--test", "--user", f"--unit={service}", "--no-pager"]
    own = {
        "HOME": str(units),
        "XDG_RUNTIME_DIR": str(units / "run"),
        "SYSTEMD_UNIT_PATH": f"{units}:",
    }
    (units / "run").mkdir(mode=0o777)
    (units / "run").chmod(0o777)
    user = {"user": "nobody"} if os.geteuid() == 0 else {}
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=60, **user)
    if done.returncode:
        pytest.skip(f"systemd has no test mode here: {done.stderr[:200]}")
    return done.stdout


@pytest.mark.property
def test_systemd_reads_the_words_that_were_meant(open_folder):
    """200 words made up of every sign that means something to it, read by systemd itself."""
    needs("/lib/systemd/systemd")
    rng = random.Random(5)
    meant = HOSTILE + ["".join(rng.choices(SIGNS, k=rng.randint(1, 12))) for _ in range(200)]
    folder = open_folder / 'it\'s 100% "sure" é $HOME \\ & #1'
    folder.mkdir()
    python = folder.parent / "a 100% é #1;" / "python"
    job = schedules.job(project(folder / "p"), python=str(python))
    files = schedules.entry(replace(job, command=(str(python), *meant)), "systemd")
    schedules.write(
        {"learnalign-mine.service": files["learnalign-mine.service"]}, open_folder / "units"
    )
    dump = systemd_reads(open_folder / "units", "learnalign-mine.service")
    about = dump[dump.index(f"WorkingDirectory: {job.folder}\n") :]  # which is the folder itself
    line = re.search(r"Command Line: (.*)\n", about).group(1)
    told = [
        re.sub(r"\\(.)", r"\1", quoted) or bare
        for quoted, bare in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    ]
    # of `$$`, which it turns into `$` when it starts the command, it tells as written
    assert [word.replace("$$", "$") for word in told] == [str(python), *meant]


def test_a_python_that_systemd_would_not_start_is_refused(tmp_path):
    for name in ("it's", 'so "called"', "$HOME", "back\\slash"):
        job = schedules.job(project(tmp_path / name), python=str(tmp_path / name / "python"))
        with pytest.raises(DataError, match="systemd refuses"):
            schedules.entry(job, "systemd")


# --- Windows

MONTHS = [f"{dt.date(2024, month, 1):%B}" for month in range(1, 13)]
NUMBER, BOOLEAN, MINUTES, TEXT, EMPTY = r"[1-9]\d*", "true|false", r"PT[1-9]\d*M", r"(?s).+", ""
SCHEMA = {  # every element that may be there: its children, or what may stand in it
    "Task": ["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"],
    "RegistrationInfo": ["Description", "URI"],
    "Description": TEXT,
    "URI": r"\\learnalign\\[a-z0-9_-]+",
    "Triggers": ["CalendarTrigger"],
    "StartBoundary": r"\d{4}-\d\d-\d\dT\d\d:\d\d:00",
    "ScheduleByDay": ["DaysInterval"],
    "DaysInterval": NUMBER,
    "ScheduleByWeek": ["WeeksInterval", "DaysOfWeek"],
    "WeeksInterval": NUMBER,
    "DaysOfWeek": ["Monday"],
    "ScheduleByMonth": ["DaysOfMonth", "Months"],
    "DaysOfMonth": ["Day"],
    "Day": r"[1-9]|[12]\d|3[01]|Last",
    "Monday": EMPTY,
    **dict.fromkeys(MONTHS, EMPTY),
    "Principals": ["Principal"],
    "Principal": ["LogonType", "RunLevel"],
    "LogonType": "S4U|Password|InteractiveToken|InteractiveTokenOrPassword",
    "RunLevel": "LeastPrivilege|HighestAvailable",
    "Settings": [
        "RestartOnFailure",
        "MultipleInstancesPolicy",
        "DisallowStartIfOnBatteries",
        "StopIfGoingOnBatteries",
        "AllowHardTerminate",
        "StartWhenAvailable",
        "ExecutionTimeLimit",
        "Priority",
    ],
    "RestartOnFailure": ["Interval", "Count"],
    "Interval": MINUTES,
    "Count": NUMBER,
    "MultipleInstancesPolicy": "Parallel|Queue|IgnoreNew|StopExisting",
    "ExecutionTimeLimit": MINUTES,
    "DisallowStartIfOnBatteries": BOOLEAN,
    "StopIfGoingOnBatteries": BOOLEAN,
    "AllowHardTerminate": BOOLEAN,
    "StartWhenAvailable": BOOLEAN,
    "Priority": r"10|\d",
    "Actions": ["Exec"],
    "Exec": ["Command", "Arguments", "WorkingDirectory"],
    "Command": TEXT,
    "Arguments": TEXT,
    "WorkingDirectory": TEXT,
}


def keeps_schema(element: ElementTree.Element) -> None:
    """Names, namespace, order and values; the trigger and the months are checked beside this table."""
    space, _, name = element.tag.rpartition("}")
    assert space == "{http://schemas.microsoft.com/windows/2004/02/mit/task"
    children = [child.tag.rpartition("}")[2] for child in element]
    if name == "CalendarTrigger":  # a sequence: the schedule comes after what all triggers have
        assert children[0] == "StartBoundary" and re.fullmatch(
            "ScheduleBy(Day|Week|Month)", children[1]
        )
        assert len(children) == 2
    elif name == "Months":
        assert children and children == [month for month in MONTHS if month in children]
    elif isinstance(SCHEMA[name], list):
        assert children == SCHEMA[name]
    else:
        assert not children and re.fullmatch(SCHEMA[name], element.text or ""), (name, element.text)
    for child in element:
        keeps_schema(child)


def task_of(job: schedules.Job) -> ElementTree.Element:
    (text,) = schedules.entry(job, "windows").values()
    assert text.isascii()
    return ElementTree.fromstring(text)


def value(task: ElementTree.Element, name: str) -> str | None:
    return task.findtext(f".//{{*}}{name}")


@pytest.mark.parametrize("every", schedules.EVERY)
def test_the_task_keeps_the_schema_and_says_when(tmp_path, every):
    task = task_of(schedules.job(project(tmp_path / "p"), at="23:05", every=every))
    keeps_schema(task)
    assert task.attrib == {"version": "1.2"}
    months = [element.tag.rpartition("}")[2] for element in task.iterfind(".//{*}Months/*")]
    wanted = {"month": range(12), "quarter": (0, 3, 6, 9), "half-year": (0, 6), "year": (0,)}.get(
        every, ()
    )
    assert months == [MONTHS[number] for number in wanted]
    assert (value(task, "Day") == "1") == (len(wanted) > 0)
    assert (task.find(".//{*}Monday") is not None) == (every == "week")
    assert value(task, "StartBoundary") == "2024-01-01T23:05:00"


def test_a_broken_task_does_not_keep_the_schema(job):
    (text,) = schedules.entry(job, "windows").values()
    breaks = [
        ("PT35M", "35 minutes"),
        ("IgnoreNew", "Ignore"),
        ("2004/02", "2004/03"),
        ("Priority>", "Urgency>"),
        ("<Months>", "<Months><July/>"),
        ("<StartBoundary>", "<Day>1</Day><StartBoundary>"),
    ]
    for good, bad in breaks:
        assert good in text
        with pytest.raises((AssertionError, KeyError)):
            keeps_schema(ElementTree.fromstring(text.replace(good, bad)))


def test_what_the_task_says(job):
    task = task_of(job)
    said = {
        "StartWhenAvailable": "true",
        "MultipleInstancesPolicy": "IgnoreNew",
        "ExecutionTimeLimit": "PT35M",
        "Count": "2",
        "Interval": "PT15M",
        "RunLevel": "LeastPrivilege",
        "WorkingDirectory": job.folder,
        "Command": "/usr/bin/python3",
        "AllowHardTerminate": "true",
    }
    assert {name: value(task, name) for name in said} == said
    assert task.find("{*}Actions").get("Context") == task.find(".//{*}Principal").get("id")


def windows_words(line: str) -> list[str]:
    r"""How a program of Microsoft's C library reads its command line: `\` counts only before `"`."""
    found, word, quoted, at = [], None, False, 0
    while at < len(line):
        slashes = len(line) - at - len(line[at:].lstrip("\\"))
        at += slashes
        if line[at : at + 1] == '"':
            word = (word or "") + "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
            at += 1
        elif slashes:
            word = (word or "") + "\\" * slashes
        elif line[at] in " \t" and not quoted:
            found += [word] if word is not None else []
            word, at = None, at + 1
        else:
            word, at = (word or "") + line[at], at + 1
    return found + ([word] if word is not None else [])


JOB = schedules.Job("mine", (), (), r"C:\ä & <b>", r"C:\out", 35, "06:00", schedules.EVERY["month"])


@pytest.mark.property
@settings(max_examples=100, deadline=None)
@given(words)
@example(["C:\\Program Files\\100% <é> & 'so'\\x.yml", "a\\\\", '\\"', "--out"])
def test_windows_reads_the_words_that_were_meant(meant):
    assume(not any(re.search(r"%[^%]+%|\$\(", word) for word in meant))
    python = r"C:\Program Files\Python & <é>\python.exe"
    task = task_of(replace(JOB, command=(python, *meant)))
    assert (value(task, "Command"), value(task, "WorkingDirectory")) == (python, JOB.folder)
    assert windows_words(value(task, "Arguments")) == meant


@pytest.mark.parametrize("word", [r"C:\%TEMP%\x.yml", r"C:\$(Arg0)\x.yml"])
def test_what_the_task_scheduler_would_change_is_refused(word):
    with pytest.raises(DataError, match="Task Scheduler would change"):
        schedules.entry(replace(JOB, command=("python.exe", word)), "windows")


# --- Dagster

RUN = """
import json, sys
from pathlib import Path
import yaml
_, params, _, out = sys.argv[1:]
content, tried = yaml.safe_load(Path(params).read_text()), Path(out, "tried.txt")
with tried.open("a") as file:
    file.write(content["as_of"] + chr(10))
codes = json.loads(Path(out, "codes.json").read_text())
code = codes.pop(0) if codes else 0
Path(out, "codes.json").write_text(json.dumps(codes))
if code:
    sys.exit(print("why it failed", file=sys.stderr) or code)
assert set(content) == {"report", "data", "notebooks", "deadline_minutes", "as_of"}
folder = Path(out, content["report"], content["as_of"])
folder.mkdir(parents=True)
rows = [{"headline": True, "verdict": "unknown"}, {"headline": False, "verdict": "none"}]
(folder / "results.json").write_text(json.dumps({"results": rows}))
"""


@pytest.fixture
def dagster(tmp_path, monkeypatch):
    """The example, with an instance of its own, a report of its own and a command that is over at
    once.
    """
    dg = pytest.importorskip("dagster", reason="the extra dagster is not installed")
    spec = importlib.util.spec_from_file_location(
        "dagster_example", ROOT / "params/schedules/dagster_example.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "run.py").write_text(RUN)
    (tmp_path / "codes.json").write_text("[]")
    monkeypatch.setattr(module, "COMMAND", [sys.executable, str(tmp_path / "run.py")])
    monkeypatch.setattr(module, "OUT", tmp_path)
    monkeypatch.setattr(module, "RETRIES", dg.RetryPolicy(max_retries=2, delay=0))
    module.dg, module.report = dg, module.asset_of(project(tmp_path / "p"))
    with dg.DagsterInstance.ephemeral() as module.instance:
        yield module


def materialize(example, month: str, fails: tuple[int, ...] = ()):
    (example.OUT / "codes.json").write_text(json.dumps(fails))
    return example.dg.materialize(
        [example.report], partition_key=month, instance=example.instance, raise_on_error=False
    )


@pytest.mark.e2e
def test_dagster_materialises_a_month_and_backfills_three(dagster):
    """In process, and a run for each month, as without a backfill policy; no daemon is started."""
    assert dagster.report.backfill_policy is None
    months = dagster.dg.PartitionKeyRange("2026-01-01", "2026-03-01")
    for month in dagster.MONTHS.get_partition_keys_in_range(months):
        assert materialize(dagster, month).success
    tried = (dagster.OUT / "tried.txt").read_text().split()
    assert tried == ["2026-01-31", "2026-02-28", "2026-03-31"]
    assert [(dagster.OUT / "mine" / day / "results.json").is_file() for day in tried] == [True] * 3
    key = dagster.report.key
    assert dagster.instance.get_materialized_partitions(key) == {
        "2026-01-01",
        "2026-02-01",
        "2026-03-01",
    }
    said = dagster.instance.get_latest_materialization_event(key).asset_materialization.metadata
    assert (said["as of"].value, said["verdict unknown"].value) == ("2026-03-31", 1)
    assert [path.name for path in (dagster.OUT / "p").iterdir()].count("mine.yml") == 1
    assert not [
        path for path in (dagster.OUT / "p").iterdir() if path.name.startswith(".")
    ]  # the dated file is gone


@pytest.mark.e2e
def test_dagster_tries_again_what_may_pass_and_nothing_else(dagster):
    assert materialize(dagster, "2026-01-01", fails=(5, 7)).success
    assert not materialize(dagster, "2026-02-01", fails=(2,)).success
    assert (dagster.OUT / "tried.txt").read_text().split() == ["2026-01-31"] * 3 + ["2026-02-28"]
    assert dagster.instance.get_materialized_partitions(dagster.report.key) == {"2026-01-01"}


@pytest.mark.e2e
def test_dagster_has_every_report_and_runs_the_month_that_is_over(dagster):
    reports = {path.stem for path in (ROOT / "params").glob("*.yml")}
    assert {
        key.to_user_string() for key in dagster.defs.resolve_asset_graph().get_all_asset_keys()
    } == reports
    when = dt.datetime(2026, 6, 1, 6, tzinfo=dt.UTC)
    context = dagster.dg.build_schedule_context(scheduled_execution_time=when)
    schedule = dagster.defs.resolve_schedule_def("reports_schedule")
    (request,) = schedule.evaluate_tick(context).run_requests
    assert (request.partition_key, schedule.cron_schedule) == ("2026-05-01", "0 6 1 * *")

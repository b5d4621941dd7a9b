"""The command line, as a user meets it: one message for one mistake, exit code 2, and not a byte
changed.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from learnalign import __main__ as cli

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PEOPLE = "person_id,hired_on\nana,2020-01-01\nben,2020-01-01\n"
REVIEWS = "person_id,cycle,reviewed_on,rating,unit,manager_id\nana,H1,2023-07-01,2,ops,mia\nben,H1,2023-07-01,3,ops,mia\n"
DATA = {
    "people.csv": PEOPLE,
    "reviews.csv": REVIEWS,
    "dataset.yml": 'title: Drawn\nas_of: "2024-12-31"\nrating_scale: [1, 2, 3]\n',
}
PARAMS = "report: mine\ndata: ../data\nnotebooks: [coverage]\n"


@pytest.fixture
def project(tmp_path):
    """A project with a good data set and params, the shipped notebooks, and a place for temporary
    files.
    """
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    (tmp_path / "params").mkdir()
    (tmp_path / "params/mine.yml").write_text(PARAMS)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "data").mkdir()
    for name, text in DATA.items():
        (tmp_path / "data" / name).write_text(text)
    return tmp_path


def start(project: Path, *arguments: object) -> subprocess.Popen:
    # the library of this working tree, temporary files where they are seen, and no line broken or
    # coloured
    own = {
        "PYTHONPATH": str(ROOT / "lib"),
        "TMPDIR": str(project / "tmp"),
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
    command = [sys.executable, "-m", "learnalign", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=project, env=os.environ | own, stdout=pipe, stderr=pipe, text=True
    )


def tree(folder: Path) -> dict[str, object]:
    """Every file and folder, to the byte and the nanosecond; what a link points to is not ours."""
    return {
        str(path.relative_to(folder)): (
            path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None,
            path.lstat().st_mode,
            path.lstat().st_mtime_ns if path.name != "tmp" else None,  # used, and left empty
        )
        for path in sorted(folder.rglob("*"))
        if ".runs" not in path.parts and path.name != "out"  # the journals of runs
    }


def refused(project: Path, *commands: list[object]) -> str:
    """What all commands say alike, at exit code 2, on a project that stays as it was."""
    before = tree(project)
    running = [start(project, *command) for command in commands]
    said = set()
    for process in running:
        out, errors = process.communicate(timeout=120)
        assert "Traceback" not in out + errors
        assert (process.returncode, out) == (2, "")
        said.add(re.sub(r"(?m)^\d+ s: .*\n", "", errors))  # a run also tells how far it came
    assert tree(project) == before
    (message,) = said
    return message


# --- a bad data set: refused by `check` and by `run` in the same words, but for what stood in rows

IMPORT = "or bring it in with `learnalign import`"
DATA_FAULTS = {
    "empty folder": (
        dict.fromkeys(DATA),
        "{data}: holds no tables\n"
        "    Allowed: one CSV or Parquet file per table (people, reviews, rewards, learning, "
        "assessments, "
        "acknowledgements, ties, surveys, invitations) and a dataset.yml",
    ),
    "required table": (
        {"reviews.csv": None},
        (
            "reviews: this required table is missing\n    Got: people.csv\n    Fix: add "
            "reviews.csv or reviews.parquet"
        ),
    ),
    "column": (
        {"reviews.csv": REVIEWS.replace("rating", "score")},
        "reviews.rating: this required column is missing\n"
        "    Got: person_id, cycle, reviewed_on, score, unit, manager_id\n"
        "    Fix: add it",
    ),
    "key": (
        {"reviews.csv": REVIEWS.replace("ben", "ana")},
        "reviews.person_id: stands more than once with the same person_id + cycle (row 3)\n"
        "    Got: ana / H1\n"
        "    Allowed: one row per person_id + cycle\n"
        "    Fix: keep one of the rows",
    ),
    "scale": (
        {"reviews.csv": REVIEWS.replace(",3,", ",4,")},
        "reviews.rating: is not on the rating scale (row 3)\n"
        "    Got: 4\n"
        "    Allowed: 1, 2, 3\n"
        "    Fix: correct it, or rating_scale in dataset.yml",
    ),
    "text": (
        {"reviews.csv": REVIEWS.replace(",3,", ",good,")},
        "reviews.rating: is not a number (row 3)\n"
        "    Got: good\n"
        "    Allowed: a number with a decimal point, such as 3.5",
    ),
    "future": (
        {"reviews.csv": REVIEWS.replace("ben,H1,2023", "ben,H1,2033")},
        "reviews.reviewed_on: is after as_of (2024-12-31) (row 3)\n"
        "    Got: 2033-07-01\n"
        "    Allowed: up to 2024-12-31\n"
        "    Fix: correct the date, or as_of in dataset.yml",
    ),
    "own manager": (
        {"reviews.csv": REVIEWS.replace("3,ops,mia", "3,ops,ben")},
        "reviews.manager_id: is the person reviewed: nobody reviews themselves (row 3)\n"
        "    Got: ben\n"
        "    Allowed: another person\n"
        "    Fix: name the manager who gave the rating, or leave it empty",
    ),
    "Latin-1": (
        {"reviews.csv": REVIEWS.replace("mia", "Zoë").encode("latin-1")},
        "reviews: reviews.csv is not UTF-8\n"
        "    Got: other bytes in line 2, as in Latin-1 or Windows-1252\n"
        "    Allowed: UTF-8\n"
        "    Fix: save it as plain UTF-8, " + IMPORT + " and `encoding:`",
    ),
    "mark": (
        {"reviews.csv": REVIEWS.encode("utf-8-sig")},
        "reviews: reviews.csv starts with a byte-order mark (UTF-8)\n"
        "    Allowed: UTF-8 without a mark\n"
        "    Fix: save it as plain UTF-8, " + IMPORT,
    ),
}


@pytest.mark.parametrize("fault", DATA_FAULTS)
def test_a_bad_data_set_is_refused_alike_by_check_and_run(project, fault):
    files, expected = DATA_FAULTS[fault]
    data = project / "data"
    for name, content in files.items():
        (data / name).unlink()
        if content is not None:
            (data / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    told = f"1 problem in {data}\n{expected.format(data=data)}\n"
    assert refused(project, ["check", data]) == f"{told}Nothing was changed.\n"
    message = refused(project, ["run", "params/mine.yml"])
    if "(row " in told or "line 2" in told:  # a log holds no row
        told = re.sub("    Got: .*\n", "", told)
        message = re.sub("The details, for you alone: .*\n", "", message, count=1)
    assert message == f"{told}Nothing was changed.\n"


# --- a bad params file

NAMES = "may hold small letters, digits, - and _ only, 64 at most: it becomes a folder's name"
PARAMS_FAULTS = {
    "key": (
        "min_grop: 10",
        (
            "mine.yml.min_grop: is not a key this file knows\n    Allowed: as_of, smallest_effect, "
            "min_group, embargo_days, report, data, notebooks,"
        ),
        "    Fix: did you mean 'min_group'?\n",
    ),
    "report": ("report: ../../mine", f"mine.yml.report: {NAMES}\n    Got: '../../mine'\n", ""),
    "notebooks": (
        "notebooks: [coverage, nothing]",
        "mine.yml.notebooks: are not there\n    Got: nothing\n    Allowed: ",
        "coverage",
    ),
    "min_group": (
        "min_group: 4",
        "mine.yml.min_group: Input should be greater than or equal to 5\n    Got: 4\n",
        "",
    ),
    "as_of": (
        "as_of: 2025-01-01",
        "run.as_of: is later than the data\n    Got: 2025-01-01\n    Allowed: up to 2024-12-31\n",
        "",
    ),
    "twice": (
        "data: ../data\ndata: other",
        "mine.yml: cannot be read as YAML\n    Got: the key 'data' stands twice in line",
        "",
    ),
}


@pytest.mark.parametrize("fault", PARAMS_FAULTS)
def test_a_bad_params_file_starts_nothing(project, fault):
    line, start_of_it, more = PARAMS_FAULTS[fault]
    own = line.split(":")[0]
    kept = [text for text in PARAMS.splitlines() if text.split(":")[0] != own]
    (project / "params/mine.yml").write_text("\n".join([*kept, line]) + "\n")
    message = refused(project, ["run", "params/mine.yml"])
    first, rest = message.split("\n", 1)
    assert first.startswith("1 problem")
    assert (
        rest.startswith(start_of_it) and more in rest and rest.endswith("\nNothing was changed.\n")
    )


# --- a bad command line


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            ["run", "params/nothing.yml"],
            (
                "1 problem\nnothing.yml: there is no such file\n    Got: "
                "params/nothing.yml\nNothing was changed.\n"
            ),
        ),
        (
            ["import", "params/nothing.yml", "--out", "new"],
            (
                "1 problem\nnothing.yml: there is no such file\n    Got: "
                "params/nothing.yml\nNothing was changed.\n"
            ),
        ),
        (
            ["audit", "nothing"],
            "1 problem\nnothing: holds no edition\n    Fix: name OUT, or OUT/report/as_of\n",
        ),
        (
            ["check", "nothing"],
            "1 problem in nothing\nnothing: there is no such folder\nNothing was changed.\n",
        ),
        (["init", "."], "coverage.ipynb: is there already\n    Fix: name another"),
        (["publish"], "there is no command publish; there are init, demo, map, import, "),
        (["check"], "the following arguments are required: data"),
        (["import", "params/mine.yml"], "the following arguments are required: --out"),
        (["run", "params/mine.yml", "--jobs", "0"], "argument --jobs: 0 is not 1 or more"),
        (
            ["simulate", "new", "--people", "1"],
            "northbank.people: is not a size we can draw\n    Got: 1\n",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_command_line(project, command, expected):
    message = refused(project, command)
    expected = expected.format(project=project)
    assert message == expected if expected.endswith("written.\n") else expected in message


# --- what works


def works(project: Path, *arguments: object) -> str:
    process = start(project, *arguments)
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert list((project / "tmp").iterdir()) == []
    return out


def test_check_of_a_good_data_set(project):
    before = tree(project)
    assert works(project, "check", "data") == "data keeps the contract.\n"
    assert tree(project) == before


def test_a_simulated_bank_keeps_the_contract(project):
    assert (
        works(project, "simulate", "bank", "--people", 60, "--cycles", 2, "--seed", 3)
        == f"{project / 'bank'}\n"
    )
    assert works(project, "check", "bank") == "bank keeps the contract.\n"


def test_an_import_says_what_it_did_and_is_never_half_done(project):
    mapping = project / "params/import.yml"
    mapping.write_text(
        'source: ../data\ndataset: {title: T, as_of: "2024-12-31", rating_scale: [1, 2]}\ntables:\n'
        "  people: {file: people.csv, columns: {person_id: Person ID, hired_on: hired_on}}\n"
        "  reviews:\n    file: reviews.csv\n    columns: {person_id: person_id, cycle: "
        "cycle, reviewed_on: reviewed_on,"
        " rating: rating, unit: unit}\n"
    )
    said = works(project, "import", mapping, "--out", "new")
    lines = [
        [word for word in line.replace("│", " ").split() if word] for line in said.splitlines()
    ]
    assert ["people", "2", "2", "0"] in lines and ["reviews", "2", "1", "1"] in lines
    assert said.endswith(
        "new\nnew/rejected.csv says which rows were rejected and why.\nIds of people are as "
        "in the source."
        " To replace them, name a key in the mapping: pseudonyms: {key: NAME}.\n"
    )
    rejected = pd.read_csv(project / "new/rejected.csv")
    assert rejected.reason.tolist() == ["rating is not on the rating scale: 3"]
    (project / "data/people.csv").write_text(PEOPLE + "cat\n")
    message = refused(
        project, ["import", mapping, "--out", "new"], ["import", mapping, "--out", "newer"]
    )
    assert message.startswith(
        "1 problem in the mapping or its sources\npeople.csv: lines do not have one value "
        "per column (row 4)\n"
    )
    other = refused(project, ["import", mapping, "--out", "params"])
    assert (
        f"{project / 'params'}: is there already and is not a data set\n    Got: import.yml, "
        "mine.yml\n"
    ) in other


HEAVY = {
    "typer",
    "rich",
    "pydantic",
    "pandas",
    "numpy",
    "ibis",
    "duckdb",
    "yaml",
    "importlib.metadata",
    "json",
}


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["rnu"], ["run"], ["run", "x.yml", "--jobs", "0"]]
)
def test_help_and_mistakes_import_nothing_that_takes_time(words):
    """It must answer within five times what Python itself takes; `tests/benchmarks/bench_help.py`
    measures it.
    """
    code = "import sys\nfrom learnalign import __main__ as cli\n"
    code += "try: cli.main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "there is no command rnu; did you mean run?"),
        (["qqq"], "there is no command qqq; there are init, demo, "),
        (["run"], "required: params"),
        (["run", "x.yml", "--jobs", "0"], "argument --jobs: 0 is not 1 or more"),
        (["run", "x.yml", "--jobs", "two"], "argument --jobs: invalid number value: 'two'"),
        (["run", "x.yml", "--log", "xml"], "choose from"),
        (["doctor", "--max-age", "-1"], "-1 is not 0 or more"),
        (["run", "x.yml", "--job", "2"], "unrecognized arguments"),
        (["schedule", "x.yml"], "required: --for"),
    ],
)
def test_a_mistake_in_the_command_is_told_in_one_message(words, said, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["learnalign", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    assert (
        ended.value.code == 2 and said in told.err and "Traceback" not in told.err and not told.out
    )


def test_the_version_is_told_and_no_command_is_help(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["learnalign", "--version"])
    cli.main()
    assert capsys.readouterr().out.startswith("learnalign 0.")
    monkeypatch.setattr("sys.argv", ["learnalign"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "usage: learnalign" in capsys.readouterr().out


def test_help_names_every_command(project):
    said = works(project, "--help")
    assert {
        "init",
        "demo",
        "map",
        "import",
        "check",
        "schema",
        "run",
        "plan",
        "audit",
        "simulate",
        "schedule",
        "doctor",
    } == set(cli.COMMANDS)
    assert [name for name in cli.COMMANDS if f" {name} " not in said] == []

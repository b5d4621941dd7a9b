"""The wheel alone: in a new environment and an empty folder, everything works that the library does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from learnalign.data import importing, shipped
from learnalign.data.mistakes import DataError, Stopped
from learnalign.runs import spec
from learnalign.runs.init import init

ROOT = Path(__file__).parents[2]
MADE = {
    ".gitignore",
    "data/demo/people.csv",
    "data/demo/dataset.yml",
    "notebooks/coverage.ipynb",
    "params/northbank.yml",
    "params/own.yml",
    "params/imports/own.yml",
    "params/questions/README.md",
}


# --- a project of one's own


def test_a_new_project_has_what_a_run_needs_and_lets_no_data_in(tmp_path):
    made = {path.relative_to(tmp_path).as_posix() for path in init(tmp_path)}
    assert made >= MADE and len([name for name in made if name.startswith("notebooks/")]) >= 6
    for name in ("northbank", "own"):
        params = tmp_path / f"params/{name}.yml"
        report = spec.read_spec(params)
        assert report.report == name
        assert spec.notebook(params, "coverage") == tmp_path / "notebooks/coverage.ipynb"
    assert spec.data_of(params, report) == tmp_path / "data/own"
    northbank = tmp_path / "params/northbank.yml"
    assert spec.data_of(northbank, spec.read_spec(northbank)) == tmp_path / "data/demo"
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    for name in (
        "data/own/people.csv",
        "data/people.xlsx",
        "exports/a.txt",
        "a.csv",
        "out/r/report.html",
        "bank.key",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        asked = subprocess.run(["git", "check-ignore", "-q", name], cwd=tmp_path, check=False)
        assert asked.returncode == 0, name
    asked = subprocess.run(["git", "check-ignore", "data/demo/people.csv"], cwd=tmp_path)
    assert asked.returncode == 1


def test_no_file_of_a_project_is_overwritten_and_all_that_are_there_are_named(tmp_path):
    for name in ("params/own.yml", ".gitignore"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    with pytest.raises(DataError) as told:
        init(tmp_path)
    assert {one.table for one in told.value.problems} == {"params/own.yml", ".gitignore"}
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".gitignore", "own.yml", "params"]
    assert (tmp_path / "params/own.yml").read_text() == "mine"


def test_a_project_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Stopped, match="could not be written") as stopped:
        init(tmp_path / "file/below")
    assert stopped.value.code == 7


def test_the_mapping_to_edit_turns_exports_into_a_data_set(tmp_path):
    init(tmp_path / "my")
    exports = {
        "people": "Employee ID,Start date,Department\n7,01.02.2020,Sales\n3,05.02.2018,Sales\n",
        "reviews_1": "Employee ID,Cycle,Review date,Rating,Team,Manager ID\n"
        "7,H1,30.06.2025,4,North,3\n",
        "learning": 'Employee ID,Completed,Kind,Minutes\n7,02.02.2025,"E-learning",90\n',
    }
    (tmp_path / "my/exports").mkdir()
    for name, text in exports.items():
        (tmp_path / f"my/exports/{name}.csv").write_text(text)
    done = importing.bring_in(tmp_path / "my/params/imports/own.yml", tmp_path / "my/data/own")
    assert done.summary.kept.tolist() == [2, 1, 1]


def test_a_projects_own_notebook_goes_before_the_one_of_the_package(tmp_path):
    params = tmp_path / "params/r.yml"
    params.parent.mkdir()
    params.write_text(yaml.safe_dump({"report": "r", "data": "d", "notebooks": ["coverage"]}))
    assert spec.read_spec(params).notebooks == ("coverage",)
    assert spec.notebook(params, "coverage") == shipped.folder() / "notebooks/coverage.ipynb"
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/coverage.ipynb").write_text("{}")
    assert spec.notebook(params, "coverage") == tmp_path / "notebooks/coverage.ipynb"


# --- the wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A new environment with the wheel; other packages are those of this one, ours are not."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    done = subprocess.run([*build, str(ROOT)], capture_output=True, text=True)
    if done.returncode:
        pytest.fail(done.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    (place,) = (folder / "env").glob("lib/python*/site-packages")
    theirs = [path for path in sys.path if path.endswith("site-packages")]
    (place / "others.pth").write_text("\n".join(theirs))
    (wheel,) = folder.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", place]
    subprocess.run([*install, wheel], check=True, capture_output=True)
    return folder / "env/bin/python"


def call(python: Path, where: Path, *words: object) -> str:
    """What a command says, in a folder, with nothing of this checkout in its environment."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(python), *map(str, words)]
    done = subprocess.run(command, cwd=where, env=mine, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.e2e
@pytest.mark.slow
def test_the_wheel_works_in_an_empty_folder(installed, tmp_path):
    where = call(installed, tmp_path, "-c", "import learnalign; print(learnalign.__file__)")
    assert str(installed.parents[1]) in where
    learnalign = ("-m", "learnalign")
    said = call(installed, tmp_path, *learnalign, "demo")
    assert said.strip().endswith("out/northbank/2026-06-30/report.html")
    call(installed, tmp_path, *learnalign, "init", "my")
    spec = yaml.safe_load((tmp_path / "my/params/northbank.yml").read_text())
    spec |= {"report": "mine", "notebooks": ["coverage"]}  # the demo has run them all
    (tmp_path / "my/params/mine.yml").write_text(yaml.safe_dump(spec))
    said = call(installed, tmp_path / "my", *learnalign, "run", "params/mine.yml")
    report = tmp_path / "my/out/mine/2026-06-30/report.html"
    assert Path(said.strip()) == report and report.is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my", "out"]
    call(installed, tmp_path, "-c", "import learnalign as la; dir(la)")


EXAMPLES = """
import doctest, sys
import learnalign as la

flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
for name in la.__all__:
    verb = getattr(la, name)
    names = vars(sys.modules[verb.__module__])
    doctest.run_docstring_examples(verb, dict(names), name=name, optionflags=flags)
print(len(la.__all__))
"""


@pytest.mark.e2e
@pytest.mark.slow
def test_the_docstring_examples_of_the_verbs_run_with_the_wheel(installed, tmp_path):
    """In a project of one's own, which has the demo's data."""
    call(installed, tmp_path, "-m", "learnalign", "init", "my")
    said = call(installed, tmp_path / "my", "-c", EXAMPLES)
    assert "Failed example" not in said and int(said.splitlines()[-1]) > 20, said

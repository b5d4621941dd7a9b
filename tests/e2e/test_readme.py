"""What the README and its neighbours say is true: every command runs, every link leads somewhere."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import get_args

import pytest

from learnalign.verdicts import result

ROOT = Path(__file__).parents[2]
BESIDE = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
PAGES = ["README.md", "GLOSSARY.md", "CONTRIBUTING.md", "CHANGELOG.md", *BESIDE]
REAL_DATA = re.compile(r"oulad|online_science")
COPIED = ["notebooks", "params", "data/demo"]


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def commands(page: str) -> list[str]:
    """The commands in a page's console blocks, in order, without their comments."""
    blocks = re.findall(r"^```(?:sh|console|bash)\n(.*?)^```", text(page), flags=re.S | re.M)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))]


LEARNALIGN = [command for command in commands("README.md") if command.startswith("learnalign ")]
MAKE = [command for command in commands("README.md") if command.startswith("make ")]


def test_readme_has_commands_of_these_two_kinds_only():
    assert LEARNALIGN
    assert MAKE
    assert set(commands("README.md")) == {*LEARNALIGN, *MAKE}


def test_readme_shows_each_command_that_exists():
    shown = {command.split()[1] for command in LEARNALIGN}
    offered = subprocess.run(
        [sys.executable, "-m", "learnalign", "--help"], capture_output=True, text=True
    )
    assert offered.returncode == 0, offered.stderr
    for name in shown:
        assert re.search(rf"\b{name}\b", offered.stdout)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project for commands to work in, with the real data beside it where there are
    any.
    """
    copy = tmp_path_factory.mktemp("readme") / "a copy of learnalign"
    for folder in COPIED:
        shutil.copytree(ROOT / folder, copy / folder)
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (copy.parent / "shared").symlink_to(shared)
    return copy


@pytest.fixture(scope="module")
def light(project, tmp_path_factory) -> Path:
    """The same with a report of one notebook: the demo is the run of params/northbank.yml, which is
    tried in full.
    """
    copy = tmp_path_factory.mktemp("light") / "project"
    copy.mkdir()
    for folder in ("notebooks", "data"):
        (copy / folder).symlink_to(project / folder)
    shutil.copytree(project / "params", copy / "params")
    spec = copy / "params/northbank.yml"
    spec.write_text(
        re.sub(r"^notebooks: .*$", "notebooks: [coverage]", spec.read_text("utf-8"), flags=re.M),
        "utf-8",
    )
    return copy


@pytest.mark.e2e
@pytest.mark.parametrize("command", LEARNALIGN)
def test_command_of_the_readme_runs(command, project, light, request):
    project = light if command == "learnalign demo" else project
    if REAL_DATA.search(command):
        request.getfixturevalue("shared")
    words = [sys.executable, "-m", "learnalign", *shlex.split(command)[1:]]
    done = subprocess.run(
        words, cwd=project, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.e2e
def test_python_of_the_readme_runs(project):
    (code,) = re.findall(r"^```python\n(.*?)^```", text("README.md"), flags=re.S | re.M)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.e2e
@pytest.mark.parametrize("page", BESIDE)
def test_what_a_page_says_to_type_runs(page, project, tmp_path):
    """All of a page's Python in one session, where a notebook has it; then its commands."""
    place = shutil.copytree(project, tmp_path / "project", symlinks=True)
    (place / "params/questions").mkdir(exist_ok=True)  # as `learnalign init` makes it
    code = "\n".join(
        map(textwrap.dedent, re.findall(r"```python\n(.*?)```", text(page), flags=re.S))
    )
    shell = re.findall(r"```sh\n(.*?)```", text(page), flags=re.S)
    lines = [line.strip() for block in shell for line in block.splitlines() if line.strip()]
    cell = place / "notebooks" if '"../' in code else place
    words = [([sys.executable, "-c", code], cell)] if code else []
    where = place
    for line in lines:
        first, *rest = shlex.split(line)
        if first == "cd":
            where = where / rest[0]
            continue
        known = {"learnalign": ["-m", "learnalign"], "python": []}
        words.append(([sys.executable, *known[first], *rest], where))
    for one, folder in words:
        done = subprocess.run(one, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{one}\n{done.stderr}"


def test_report_is_where_the_readme_says(project):
    (named,) = re.findall(r"`(out/[^`]*/report\.html)`", text("README.md"))
    if not (project / named).exists():
        command = [sys.executable, "-m", "learnalign", "demo"]
        subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=900)
    assert (project / named).stat().st_size > 0


@pytest.mark.parametrize("command", MAKE)
def test_make_command_of_the_readme_is_run_by_ci(command):
    assert re.search(rf"^step \w+ {re.escape(command)}$", text(".ci/run"), flags=re.M)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_exist(page):
    targets = set(
        re.findall(
            r"\bmake ([a-z]+)\b", "\n".join(re.findall(r"`[^`]+`|^make .*", text(page), re.M))
        )
    )
    offered = set(re.findall(r"^([a-z]+):", text("Makefile"), flags=re.M))
    assert targets
    assert targets <= offered


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", text(page)):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("kind", [result.Verdict, result.Design], ids=["verdict", "design"])
def test_glossary_has_the_words_of_the_results(kind):
    missing = [word for word in get_args(kind) if f"`{word}`" not in text("GLOSSARY.md")]
    assert missing == []


def test_ci_script_can_be_run():
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert subprocess.run(["bash", "-n", str(ROOT / ".ci/run")]).returncode == 0

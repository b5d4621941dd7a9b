"""One list of dependencies, kept equal in three files, and nothing declared that is not used."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from learnalign.runs import forks

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
EXTRAS = [
    Requirement(text)
    for extra in ("pdf", "excel", "postgres")
    for text in PROJECT["optional-dependencies"][extra]
]
DEVELOPMENT = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]

# Names that differ on conda-forge; an extra is a package of its own there.
ON_CONDA_FORGE = {
    "duckdb": "python-duckdb",
    "ibis-framework[duckdb]": "ibis-duckdb",
    "matplotlib": "matplotlib-base",
    "psycopg[binary]": "psycopg",
}
NOT_ON_CONDA_FORGE = {"pyfixest"}  # asked for in its issues 549 and 1243

# Declared though no module imports it, each with its reason.
NOT_IMPORTED = {
    "jupyterlab": "where analysts open the notebooks",
    "ipykernel": "the kernel that runs them",
    "pyarrow": "how DuckDB, Ibis and pandas hand tables and Parquet files to each other",
    "sqlglot": "Ibis prints its SQL with it; only its upper bound is ours",
}
IMPORTED_AS = {"ipython": "IPython", "ibis-framework": "ibis", "pyyaml": "yaml"}


def name_of(requirement: Requirement) -> str:
    return requirement.name + (
        f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    )


def environment() -> tuple[list[Requirement], list[str]]:
    """The conda packages and the lines for pip of environment.yml."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    conda = [Requirement(line) for line in listed if isinstance(line, str)]
    (pip,) = (line["pip"] for line in listed if isinstance(line, dict))
    return conda, pip


def bounds(requirements: list[Requirement]) -> dict[str, str]:
    return {name_of(requirement): str(requirement.specifier) for requirement in requirements}


def test_environment_has_the_packages_and_bounds_of_pyproject():
    conda, _ = environment()
    on_conda = {
        name: bound
        for name, bound in bounds(RUNTIME + EXTRAS).items()
        if name not in NOT_ON_CONDA_FORGE
    }
    expected = {ON_CONDA_FORGE.get(name, name): bound for name, bound in on_conda.items()}
    expected |= {"python": PROJECT["requires-python"], "pip": ""}
    assert bounds(conda) == expected


def test_environment_installs_the_rest_by_pip_and_ends_in_an_editable_install():
    _, pip = environment()
    rest = {name: bound for name, bound in bounds(RUNTIME).items() if name in NOT_ON_CONDA_FORGE}
    assert bounds([Requirement(line) for line in pip[:-1]]) == rest
    assert pip[-1] == "-e ."


def test_environment_names_conda_forge_only():
    channels = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["channels"]
    assert channels == ["conda-forge", "nodefaults"]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    odd = [line for line in wanted if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!_]+", line)]
    assert not odd, f"constraints.txt holds more than name==version: {odd}"
    return {
        canonicalize_name(name): version for name, version in (line.split("==") for line in wanted)
    }


@pytest.mark.parametrize("requirement", RUNTIME + EXTRAS + DEVELOPMENT, ids=str)
def test_every_dependency_is_pinned_within_its_bounds(requirement):
    pinned = pins().get(canonicalize_name(requirement.name))
    assert pinned, f"{requirement.name} is not in constraints.txt"
    assert Version(pinned) in requirement.specifier


def test_pre_commit_runs_the_pinned_tools():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    wanted = {line for hook in hooks for line in hook.get("additional_dependencies", [])}
    pinned = pins()
    assert wanted == {f"{name}=={pinned[name]}" for name in ("ruff", "nbstripout")}
    assert all(repo["repo"] == "local" for repo in config["repos"])


def test_the_tests_have_every_extra():
    assert {str(requirement) for requirement in EXTRAS} <= {
        str(requirement) for requirement in DEVELOPMENT
    }


def import_name(package: str) -> str:
    return IMPORTED_AS.get(package, package.replace("-", "_"))


def imported() -> set[str]:
    """Top-level names of everything that the library imports from outside the standard library."""
    names = set()
    for path in (ROOT / "lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"learnalign", "northbank"}


def test_what_the_starter_imports_is_declared():
    """In an environment without it the starter would end, and every notebook with it."""
    first = {name.partition(".")[0] for name in forks.PACKAGES}
    assert first <= {import_name(canonicalize_name(one.name)) for one in RUNTIME}


@pytest.mark.slow
def test_what_the_library_imports_is_what_pyproject_declares():
    declared = {
        import_name(canonicalize_name(requirement.name)) for requirement in RUNTIME + EXTRAS
    }
    excused = {import_name(name) for name in NOT_IMPORTED}
    assert excused <= declared
    assert imported() - excused == declared - excused


FILES = ["constraints.txt", "environment.yml", "pyproject.toml", "Makefile", ".ci/run"]


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_a_package_index(name):
    text = (ROOT / name).read_text("utf-8")
    assert not re.search(r"index-url|find-links|https?://|file://|pypi\.|\.whl\b", text)

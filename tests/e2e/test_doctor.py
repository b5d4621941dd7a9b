"""The doctor: what is well is said to be well, and each thing that is amiss is found, with its code
and its mend.
"""

import datetime as dt
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from contextlib import redirect_stdout
from importlib import metadata
from pathlib import Path

import psutil
import pytest

from learnalign import __main__ as cli
from learnalign.data import mistakes
from learnalign.report import paper
from learnalign.runs import doctor

ROOT = Path(__file__).parents[2]
NOW = dt.datetime.now(dt.UTC)
PARAMS = "report: mine\ndata: data\nnotebooks: [coverage]\n"
DATA = {
    "people.csv": "person_id,hired_on\n"
    + "".join(f"p{number},2020-01-01\n" for number in range(12)),
    "reviews.csv": "person_id,cycle,reviewed_on,rating,unit\n"
    + "".join(f"p{number},H1,2023-07-01,{number % 3 + 1},ops\n" for number in range(12)),
    "dataset.yml": 'title: Drawn\nas_of: "2024-12-31"\nrating_scale: [1, 2, 3]\n',
}


@pytest.fixture
def project(tmp_path):
    """A project with twelve people, whose report may be run."""
    for folder in ("notebooks", "data", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "notebooks/coverage.ipynb").write_text("{}")
    (tmp_path / "mine.yml").write_text(PARAMS)
    for name, text in DATA.items():
        (tmp_path / "data" / name).write_text(text)
    return tmp_path


@pytest.fixture
def quick(monkeypatch):
    """Without what takes a second and is looked at on its own: the kernel and the PDF."""
    monkeypatch.setattr(doctor, "_kernel", lambda: doctor.Finding("kernel python3", "well"))
    monkeypatch.setattr(doctor, "_pdf", lambda: doctor.Finding("report.pdf", "well"))


def published(out: Path, as_of: str, finished: dt.datetime) -> Path:
    """An edition, as `runs` leaves one."""
    folder = out / "mine" / as_of
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<h1>")
    (folder / "results.json").write_text(json.dumps({"run": {"finished": finished.isoformat()}}))
    files = ("report.html", "results.json")
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
    digests["restricted/coverage.ipynb"] = "0"  # deleted since, as it may be
    (folder / "manifest.json").write_text(json.dumps({"run_id": "x", "sha256": digests}))
    return folder


def amiss(findings) -> dict[str, tuple[int, str]]:
    return {finding.what: (finding.code, str(finding)) for finding in findings if finding.mend}


def tree(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_its_codes_are_those_of_a_run():
    assert (doctor.ANALYSIS, doctor.CONTRACT) == (mistakes.ANALYSIS, mistakes.CONTRACT)
    assert (doctor.TOO_OLD, doctor.PUBLISH) == (mistakes.TOO_SMALL, mistakes.PUBLISH)


def test_all_is_well_and_nothing_is_left_behind(project, quick):
    published(project / "out", "2024-06-30", NOW - dt.timedelta(days=3))
    before = tree(project)
    findings = [*doctor.examine(project / "mine.yml", max_age=40)]
    assert [str(finding) for finding in findings if finding.mend] == []
    assert doctor.exit_code(findings) == 0
    assert "3.0 days ago; wanted: at most 40 days ago" in str(findings[-1])
    assert "up to 2024-12-31, with 12 people reviewed" in str(findings[3])
    assert {path for path, _ in tree(project).items()} == set(before)


def test_without_params_the_machine_alone_is_looked_at(tmp_path, monkeypatch, quick):
    monkeypatch.chdir(tmp_path)
    looked_at = [finding.what for finding in doctor.examine()]
    assert looked_at == [
        "Python",
        "packages",
        "editions",
        "temporary files",
        "kernel python3",
        "clock",
        "report.pdf",
        "memory",
    ]
    assert not [*tmp_path.iterdir()]


# --- the report

REPORTS = {
    "params file": ("mine.yml", "report: mine\n", "params", 2, "mine.yml.data: is missing"),
    "no params file": ("mine.yml", None, "params", 2, "there is no such file"),
    "notebook": (
        "mine.yml",
        "report: mine\ndata: data\nnotebooks: [nothing]\n",
        "params",
        2,
        "Allowed: acknowledging_and_reward, coverage, ",
    ),
    "data": ("data/reviews.csv", None, "data", 2, "this required table is missing"),
    "as_of": ("mine.yml", PARAMS + 'as_of: "2030-01-01"\n', "data", 2, "is later than the data"),
    "too small": (
        "mine.yml",
        PARAMS + "min_group: 13\n",
        "data",
        3,
        "12 people reviewed; wanted: 13 (min_group)",
    ),
}


@pytest.mark.parametrize("fault", REPORTS)
def test_what_is_wrong_with_a_report_is_found(project, quick, fault):
    file, text, what, code, said = REPORTS[fault]
    if text is None:
        (project / file).unlink()
    else:
        (project / file).write_text(text)
    findings = [*doctor.examine(project / "mine.yml", project / "out")]
    found = amiss(findings)
    assert set(found) == {what} and found[what][0] == code and said in found[what][1]
    assert doctor.exit_code(findings) == code


# --- the editions


def test_the_age_is_that_of_the_newest_good_edition(project):
    out = project / "out"
    published(out, "2024-06-30", NOW - dt.timedelta(days=100))
    published(out, "2024-03-31", NOW - dt.timedelta(days=50))  # an older period, brought out later
    newest = published(out, "2024-12-31", NOW - dt.timedelta(days=1))
    (newest / "report.html").write_text("<h1>half a")
    *damaged, last = doctor._editions(out / "mine", 60)
    assert [finding.what for finding in damaged] == ["edition"] and "report.html is not" in damaged[
        0
    ].found
    assert "50.0 days ago" in last.found and not last.mend
    *_, last = doctor._editions(out / "mine", 49)
    assert (last.code, "at most 49 days ago" in str(last), str(last)[:4]) == (3, True, "FAIL")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"sha256": {"gone.html": "0"}}', '{"sha256": {}}', '{"sha256": 3}']
)
def test_an_edition_that_cannot_be_read_is_damaged_not_a_crash(project, text):
    folder = published(project / "out", "2024-06-30", NOW)
    (folder / "manifest.json").write_text(text)
    (folder / "results.json").write_text("{")
    damaged, last = doctor._editions(project / "out/mine", None)
    assert damaged.found.startswith(f"{folder} is damaged") and last.found.startswith("none in")


def test_no_edition_matters_only_to_who_asks_for_one(project):
    (asked,) = doctor._editions(project / "out/mine", 40)
    (unasked,) = doctor._editions(project / "out/mine", None)
    assert (asked.code, bool(asked.mend), unasked.mend) == (3, True, "")


# --- the machine


def test_packages_are_held_against_their_bounds(monkeypatch, project):
    needs = ["pandas>=99", "notthere_at_all>=1", "numpy", 'weasyprint>=99; extra == "pdf"']
    monkeypatch.setattr(metadata, "requires", lambda name: needs)
    findings = [*doctor.examine(project / "mine.yml")]
    found = amiss(findings)
    assert set(found) == {"pandas", "notthere_at_all"} and doctor.exit_code(findings) == 1
    assert "wanted: >=99" in found["pandas"][1] and "missing" in found["notthere_at_all"][1]
    assert len(findings) == 3  # it looks no further, and does not fall over what is missing


def test_it_starts_without_the_packages_that_it_looks_for():
    code = (
        "import sys, learnalign.runs.doctor; print({'pandas', 'ibis', 'papermill', 'pydantic', "
        "'psutil'} & {*sys.modules})"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == "set()"


def test_an_old_python_and_a_library_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(metadata, "metadata", lambda name: {"Requires-Python": ">=4"})
    python, *_ = doctor._packages()
    assert (python.what, python.code, bool(python.mend)) == ("Python", 1, True)

    def gone(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "metadata", gone)
    (finding,) = doctor._packages()
    assert (finding.what, finding.code) == ("learnalign", 1) and "pip install" in finding.mend


@pytest.mark.e2e
def test_the_kernel_starts_answers_and_is_gone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    finding = doctor._kernel()
    assert (finding.found, finding.mend) == (sys.prefix, "")
    assert [path.name for path in tmp_path.rglob("*")] in (
        [],
        [".ipython"],
    )  # which Jupyter makes when it is named
    until = time.monotonic() + 2
    while kernels := [
        child
        for child in psutil.Process().children(recursive=True)
        if "ipykernel" in cmdline(child)
    ]:
        assert time.monotonic() < until, kernels
        time.sleep(0.05)


def cmdline(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


KERNELS = {
    "dies": (["/bin/false"], "does not start: Kernel died"),
    "not there": (
        ["/nowhere/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "No such file",
    ),
}


@pytest.mark.e2e
@pytest.mark.parametrize("fault", KERNELS)
def test_a_kernel_of_the_user_that_does_not_start_is_found(tmp_path, monkeypatch, fault):
    """A kernelspec in the user's folder goes before the environment's own."""
    argv, said = KERNELS[fault]
    (tmp_path / "kernels/python3").mkdir(parents=True)
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (tmp_path / "kernels/python3/kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    finding = doctor._kernel()
    assert said in finding.found and finding.code == 1 and "ipykernel install" in finding.mend


def test_a_folder_without_leave_to_write(tmp_path):
    tmp_path.chmod(0o500)
    closed = tmp_path if os.geteuid() else Path("/proc")  # where not even root may make a file
    if not closed.is_dir():
        pytest.skip("root may write anywhere here")
    finding = doctor._place("editions", closed / "new")
    assert (
        finding.code == 7
        and "cannot be written" in finding.found
        and "let the user who runs it" in finding.mend
    )


def test_a_place_that_cannot_be_written_or_is_full(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    below = doctor._place("editions", tmp_path / "file/below")
    assert below.code == 7 and "cannot be written: Not a directory" in below.found
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(1e8))
    full = doctor._place("editions", tmp_path / "a/b")
    assert (full.code, full.mend) == (7, "make room") and "0.1 GB free; wanted: 0.5 GB" in str(full)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_room_for_temporary_files(monkeypatch):
    def nowhere():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(doctor.tempfile, "gettempdir", nowhere)
    finding = doctor._place("temporary files")
    assert (finding.code, finding.found) == (
        7,
        "nowhere cannot be written: No usable temporary directory found",
    )


def test_warnings_do_not_fail(project, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: namedtuple("memory", "available")(1e8))
    monkeypatch.setenv("TZ", "Mars/Olympus_Mons")
    ahead = published(project / "out", "2024-06-30", NOW) / "manifest.json"

    def unprinted(html):
        raise paper.Unprinted("No PDF was made.", "install Pango")

    monkeypatch.setattr(paper, "pdf", unprinted)
    findings = [doctor._memory(6), doctor._clock(project / "out"), doctor._pdf()]
    assert [str(finding)[:4] for finding in findings] == ["warn"] * 3 and doctor.exit_code(
        findings
    ) == 0
    assert (
        "'Mars/Olympus_Mons' is no time zone" in findings[1].mend
        and findings[2].mend == "install Pango"
    )
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert not doctor._clock(project / "out").mend
    os.utime(ahead, (time.time() + 86400,) * 2)
    assert "set the clock" in doctor._clock(project / "out").mend


NOW = dt.datetime.now(dt.UTC)


@pytest.mark.parametrize(("days", "told"), [(1, 1), (-1, 0)])
def test_why_the_last_run_failed_is_told_until_an_edition_is_newer(project, days, told):
    published(project / "out", "2026-06-30", NOW - dt.timedelta(days=days))
    journals = project / "out/.runs/mine"
    journals.mkdir(parents=True)
    said = {
        "code": 5,
        "why": "gap_journey.ipynb failed.\nIts kernel died.",
        "notebook": "gap_journey",
        "cell": 4,
        "what_to_do": "Give the machine more memory.",
    }
    (journals / "20260701T030000-aaaaaa.failure.json").write_text(json.dumps(said))
    _, *failures = doctor._editions(project / "out/mine", None)
    assert len(failures) == told and doctor.exit_code(failures) == 0
    for failure in failures:
        assert str(failure).startswith(
            "warn  last run: ended with 5 in gap_journey, cell 4: Its kernel died."
        )
        assert failure.mend == "Give the machine more memory."
    (journals / "20260702T030000-aaaaaa.failure.json").write_text("{")
    assert len([*doctor._editions(project / "out/mine", None)]) == 1 + told


def test_units_editions_are_no_editions_of_their_own_and_restricted_files_may_be_gone(project):
    folder = published(project / "out", "2026-06-30", NOW)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"] |= {"units/a/restricted/coverage.ipynb": "0" * 64}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "units/a").mkdir(parents=True)
    (folder / "units/a/manifest.json").write_text("{")
    (last,) = doctor._editions(project / "out/mine", 40)
    assert not last.mend


# --- the command


def ask(*words: object) -> tuple[int, list[str]]:
    said = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(said),
        pytest.raises(SystemExit) as ended,
    ):
        patch.setattr("sys.argv", ["learnalign", "doctor", *map(str, words)])
        cli.main()
    return ended.value.code, said.getvalue().splitlines()


def test_the_command_says_it_in_lines_and_ends_with_the_code(project, quick):
    code, lines = ask(project / "mine.yml", "--max-age", "40")
    assert code == 3
    assert lines[-2].startswith("FAIL  last edition: none in") and lines[-1].startswith(
        "      Fix: run it"
    )
    assert all(line[:6] in ("ok    ", "warn  ", "FAIL  ", "      ") for line in lines)
    assert ask(project / "mine.yml")[0] == 0
    assert ask(project / "not.yml")[0] == 2


@pytest.mark.e2e
def test_as_scheduled_has_no_environment_and_no_home(project, monkeypatch):
    """Whole paths are handed on, the user's own variables are not; kernel, PDF and all, in little
    time.
    """
    published(project / "out", "2024-06-30", NOW)
    monkeypatch.setenv("TZ", "Mars/Olympus_Mons")
    monkeypatch.chdir(project)
    code, lines = ask("mine.yml", "--out", "out", "--max-age", 40, "--as-scheduled")
    text = "\n".join(lines)
    assert code == 0, text
    assert len(lines) == 11 and "FAIL" not in text and "zone Mars" not in text
    assert f"{project}/mine.yml is valid" in text


@pytest.mark.e2e
def test_as_scheduled_a_python_that_does_not_know_the_library(monkeypatch):
    base = Path(sys.base_prefix) / "bin/python3"
    if sys.prefix == sys.base_prefix or not base.exists():
        pytest.skip("no Python beside this environment")
    monkeypatch.setattr(sys, "executable", str(base))
    text, code = doctor.as_scheduled()
    assert code == 1 and "No module named learnalign" in text

"""JupyterLab in a browser, started as `make lab` does: a notebook runs, and follows a parameter."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
NAME = "learning_and_performance"
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]
TOKEN = "only-for-this-test"
SECONDS = 120  # of waiting for one thing; on a quiet machine it is there in a tenth of it


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    place = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "data/demo", place / "data/demo", ignore=shutil.ignore_patterns(".*"))
    (place / "notebooks").mkdir()
    shutil.copy(ROOT / f"notebooks/{NAME}.ipynb", place / "notebooks")
    return place


@pytest.fixture(scope="module")
def lab(project):
    """The address of a JupyterLab that the Makefile's own line starts."""
    text = (ROOT / "Makefile").read_text("utf-8")
    alone = re.search(r"^ALONE := (.*)$", text, flags=re.M)[1]
    (line,) = re.findall(r"^\t\$\(ALONE\) \.venv/bin/jupyter (lab .*)$", text, flags=re.M)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    more = ["--no-browser", f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
    more += ["--allow-root"] * (hasattr(os, "geteuid") and os.geteuid() == 0)
    env = os.environ | dict(one.split("=") for one in alone.split())
    env |= {"JUPYTER_CONFIG_DIR": str(project / ".config")}
    command = [sys.executable, "-m", "jupyter", *line.split(), *more]
    started = {"cwd": project, "env": env, "start_new_session": True}
    with (project / "lab.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, **started)
    address = f"http://127.0.0.1:{port}"
    try:
        _until(lambda: _answers(f"{address}/api?token={TOKEN}"), project / "lab.log")
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _answers(address):
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


def _until(is_so, log):
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end, log.read_text()[-2_000:]
        time.sleep(0.3)


@pytest.fixture(scope="module")
def page(lab):
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with api.sync_playwright() as play:
        args = [*QUIET, *["--no-sandbox"] * is_root]
        chromium = play.chromium.launch(executable_path=path, args=args)
        found = chromium.new_page(viewport={"width": 1400, "height": 1000})
        found.set_default_timeout(SECONDS * 1_000)
        found.goto(f"{lab}/lab/tree/notebooks/{NAME}.ipynb?token={TOKEN}&reset")
        found.wait_for_selector(".jp-Notebook .jp-Cell")
        yield found
        chromium.close()


def run_all(page, project):
    """Run all cells and save; the cells as the browser saved them."""
    path = project / f"notebooks/{NAME}.ipynb"
    before = [cell.get("execution_count") for cell in json.loads(path.read_text())["cells"]]

    for _ in range(20):  # a kernel that is not connected yet runs nothing, and says nothing
        if page.locator(".jp-Dialog").count():  # which kernel it shall be
            page.click(".jp-Dialog button.jp-mod-accept")
            page.wait_for_timeout(1_000)
        page.click(".lm-MenuBar-itemLabel:text('Run')")
        page.wait_for_timeout(500)
        page.click(".lm-Menu-itemLabel:text-is('Run All Cells')")
        page.wait_for_timeout(2_000)
        if page.locator(".jp-Notebook-ExecutionIndicator[data-status='busy']").count():
            break

    def is_done():
        page.wait_for_timeout(1_000)
        page.keyboard.press("Control+s")
        cells = json.loads(path.read_text())["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        counts = [cell["execution_count"] for cell in code]
        is_new = counts[-1] and [c.get("execution_count") for c in cells] != before
        whole = is_new and None not in counts and code[-1]["outputs"]
        whole = whole and counts == sorted(counts)
        return whole or any(o["output_type"] == "error" for c in code for o in c["outputs"])

    _until(is_done, project / "lab.log")
    cells = json.loads(path.read_text())["cells"]
    outputs = [one for cell in cells for one in cell.get("outputs", [])]
    assert not [one for one in outputs if one["output_type"] == "error"], outputs
    return cells


def verdict(cells):
    """The word of the answer, as it is shown."""
    cell = next(c for c in cells if "la.headline" in "".join(c["source"]))
    text = re.sub(r"<[^>]+>", " ", "".join(cell["outputs"][-1]["data"]["text/html"]))
    return " ".join(text.split())


def test_a_notebook_runs_whole_and_its_verdict_follows_a_parameter(page, project):
    first = verdict(run_all(page, project))
    assert "Do people who learn more get better ratings later?" in first
    assert "We looked closely" not in first
    assert page.locator(".jp-OutputArea-output[data-mime-type*='stderr']").count() == 0
    cell = page.locator(".jp-Cell", has_text="smallest: dict").first
    cell.scroll_into_view_if_needed()
    line = cell.locator(".cm-line", has_text="rating_sd").first
    line.click()
    page.keyboard.press("End")
    page.keyboard.press("Shift+Home")
    page.keyboard.insert_text('smallest: dict = {"rating_sd": 0.90}')  # typed, brackets close
    again = verdict(run_all(page, project))
    assert "We looked closely" in again and "0.90 SD" in again
    page.locator(".jp-Cell", has_text="la.headline").first.scroll_into_view_if_needed()
    page.wait_for_selector(".jp-RenderedHTML :text('We looked closely')")

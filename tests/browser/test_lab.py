"""JupyterLab in a browser, started as `make lab` does: notebooks run, a verdict follows a parameter,
the form of the exploring notebook answers, and what is typed is completed and explained.
"""

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

from learnalign.verdicts import registry

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
NAME, EXPLORE = "learning_and_performance", "explore"
OTHERS = sorted({one.stem for one in (ROOT / "notebooks").glob("*.ipynb")} - {NAME, EXPLORE})
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]
TOKEN = "only-for-this-test"
SECONDS = 120  # of waiting for one thing; on a quiet machine it is there in a tenth of it


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    place = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "data/demo", place / "data/demo", ignore=shutil.ignore_patterns(".*"))
    (place / "notebooks").mkdir()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(path, place / "notebooks")
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
        # Which kernel it shall be, whenever that is asked, until it is asked no more
        accept = found.locator(".jp-Dialog button.jp-mod-accept").first
        found.add_locator_handler(accept, lambda one: _accept(one), no_wait_after=True)
        yield found
        chromium.close()


def _accept(button):
    print("asked:", button.page.locator(".jp-Dialog").first.inner_text().split("\n"))
    button.click()


def opened(page, lab, name):
    page.goto(f"{lab}/lab/tree/notebooks/{name}.ipynb?token={TOKEN}&reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")


def run_all(page, project, name):
    """Run all cells and save; the cells as the browser saved them."""
    path = project / f"notebooks/{name}.ipynb"
    before = [cell.get("execution_count") for cell in json.loads(path.read_text())["cells"]]

    busy = page.locator(".jp-Notebook-ExecutionIndicator[data-status='busy']")
    for _ in range(20):  # a kernel that is not connected yet runs nothing, and says nothing
        page.click(".lm-MenuBar-itemLabel:text('Run')")
        page.wait_for_timeout(500)
        page.click(".lm-Menu-itemLabel:text-is('Run All Cells')")
        page.wait_for_timeout(2_000)
        if busy.count():
            break

    def is_done():
        page.wait_for_timeout(1_000)
        page.keyboard.press("Control+s")
        try:
            cells = json.loads(path.read_text())["cells"]
        except ValueError:  # it is being saved
            return False
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        counts = [cell["execution_count"] for cell in code]
        is_new = counts[-1] and [c.get("execution_count") for c in cells] != before
        whole = is_new and None not in counts and code[-1]["outputs"]
        whole = whole and counts == sorted(counts)
        return whole or any(o["output_type"] == "error" for c in code for o in c["outputs"])

    _until(is_done, project / "lab.log")
    page.wait_for_timeout(500)
    cells = json.loads(path.read_text())["cells"]
    outputs = [one for cell in cells for one in cell.get("outputs", [])]
    assert not [one for one in outputs if one["output_type"] == "error"], outputs
    return cells


def verdict(cells):
    """The word of the answer, as it is shown."""
    cell = next(c for c in cells if "la.headline" in "".join(c["source"]))
    text = re.sub(r"<[^>]+>", " ", "".join(cell["outputs"][-1]["data"]["text/html"]))
    return " ".join(text.split())


def test_a_notebook_runs_whole_and_its_verdict_follows_a_parameter(page, lab, project):
    opened(page, lab, NAME)
    first = verdict(run_all(page, project, NAME))
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
    again = verdict(run_all(page, project, NAME))
    assert "We looked closely" in again and "0.90 SD" in again
    page.locator(".jp-Cell", has_text="la.headline").first.scroll_into_view_if_needed()
    page.wait_for_selector(".jp-RenderedHTML :text('We looked closely')")


def test_the_form_answers_what_is_chosen_and_verbs_are_completed_and_explained(page, lab, project):
    opened(page, lab, EXPLORE)
    run_all(page, project, EXPLORE)
    form = page.locator(".jp-OutputArea-output .widget-vbox", has_text="Exposure").first
    form.scroll_into_view_if_needed()

    def choose(label, value):
        form.get_by_label(label, exact=True).select_option(value)

    def looked(*told):
        """What stands below after a press of the button, once it tells these."""
        form.locator("button", has_text="Take a look").click()
        answer = form.locator(".widget-html-content").last
        for one in told:
            answer.locator(f":text('{one}')").first.wait_for()
        return answer.inner_text()

    first = looked("coaching on rating")
    assert "You have looked" in first
    exposure = form.locator("input[list]")
    exposure.fill("reading_hours")
    exposure.press("Tab")
    choose("Outcome", "merit_gap_pct")
    second = looked("reading hours on merit gap pct")
    assert second != first and " pp" in second
    choose("Unit", "Corporate 1")
    assert looked("Only where unit ==") != second
    typed(page, "la.")
    page.keyboard.press("Tab")
    page.wait_for_selector(".jp-Completer-item:has-text('explored')")
    page.keyboard.press("Escape")
    page.keyboard.insert_text("ask?")
    page.keyboard.press("Shift+Enter")
    page.wait_for_selector(".jp-OutputArea-output:has-text('fixed before anyone looked')")


def typed(page, text):
    """A new cell at the end, with so much in it."""
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").last.click()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.insert_text(text)


@pytest.mark.bench
@pytest.mark.parametrize("name", OTHERS)
def test_every_other_notebook_runs_whole(page, lab, project, name):
    """As those above: not among the tests of every day, as each takes a kernel and a quarter of a
    minute."""
    opened(page, lab, name)
    began = time.monotonic()
    cells = run_all(page, project, name)
    print(f"{name}: {time.monotonic() - began:.0f} s")
    if name == "coverage":
        assert page.locator(":text('The tables of the data set')").count()
        return
    told = verdict(cells)
    own = [one for one in registry.questions().values() if one.chapter == name]
    assert own and not [one.text for one in own if one.text not in told]

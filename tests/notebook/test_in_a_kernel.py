"""What an analyst sees while typing: verbs to choose from, what each does, and examples that run."""

import re
import shutil
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

import learnalign as la

pytestmark = pytest.mark.notebook
ROOT = Path(__file__).parents[2]
EXAMPLES = """
import doctest
flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
runner, finder = doctest.DocTestRunner(optionflags=flags), doctest.DocTestFinder(recurse=False)
for name in la.__all__:
    for test in finder.find(getattr(la, name), name, globs={}):
        runner.run(test)
print("tried", runner.tries, "failed", runner.failures)
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    place = tmp_path_factory.mktemp("kernel")
    shutil.copytree(ROOT / "data/demo", place / "data/demo", ignore=shutil.ignore_patterns(".*"))
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(place))
    client.execute_interactive("import learnalign as la", timeout=60, output_hook=lambda _: None)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_tab_offers_every_verb_and_nothing_private(kernel):
    found = kernel.complete("la.", reply=True, timeout=60)["content"]["matches"]
    names = {one.rpartition(".")[2] for one in found}
    assert {*la.__all__} <= names
    assert not [one for one in names if one.startswith("_") and one != "__version__"]
    after = kernel.complete("la.exp", reply=True, timeout=60)["content"]["matches"]
    assert [one.rpartition(".")[2] for one in after] == ["explored"]


@pytest.mark.parametrize("name", la.__all__)
def test_a_question_mark_tells_what_a_verb_does(kernel, name):
    found = kernel.inspect(f"la.{name}", reply=True, timeout=60)["content"]
    assert found["found"]
    text = re.sub(r"\x1b\[[0-9;]*m", "", found["data"]["text/plain"])
    first = next(iter((getattr(la, name).__doc__ or "").strip().splitlines()))
    assert first and first in text
    assert "Signature" in text


def test_every_example_of_a_verb_runs_there(kernel):
    told = []

    def hook(message):
        told.append(message["content"].get("text", "") + str(message["content"].get("ename", "")))

    kernel.execute_interactive(EXAMPLES, timeout=600, output_hook=hook)
    text = "".join(told)
    tried, failed = re.search(r"tried (\d+) failed (\d+)", text).groups()
    assert int(failed) == 0, text
    assert int(tried) > 2 * len(la.__all__)


def test_every_verb_has_an_example_as_it_is_typed():
    first = ">>> import learnalign as la"
    assert not [one for one in la.__all__ if first not in getattr(la, one).__doc__]


WAITING = """
import time
from learnalign.report import waiting
waiting.PATIENCE = waiting.STEP = 0.05
study = la.study("data/demo")
with waiting.watched(study):
    for _ in study.progress.each("abc"):
        time.sleep(0.3)
"""


@pytest.mark.parametrize("is_by_hand", [True, False])
def test_who_runs_a_cell_by_hand_sees_how_far_it_has_come_and_nobody_else(kernel, is_by_hand):
    """Whoever executes notebooks (papermill, nbconvert, a run) cannot be asked anything."""
    told = []
    about = {"allow_stdin": is_by_hand, "timeout": 60, "output_hook": told.append}
    reply = kernel.execute_interactive(WAITING, **about)
    assert reply["content"]["status"] == "ok", reply["content"]
    assert {one["parent_header"]["msg_id"] for one in told} <= {reply["parent_header"]["msg_id"]}
    shown = [one["content"]["data"] for one in told if "data" in one["content"]]
    if not is_by_hand:
        assert not shown
        return
    texts = [one.get("text/html", "") for one in shown]
    assert texts[0].startswith("<progress aria-label=")  # nobody knows yet how long it takes
    assert [one for one in texts if 'value="0.67"' in one]
    assert shown[-1] == {}  # and nothing is left


def test_no_bar_is_left_in_a_notebook_that_was_executed(kernel):
    told = []
    code = "from learnalign.report import waiting; waiting.PATIENCE = 0\nla.ask(study, 'Q1');"
    kernel.execute_interactive(code, allow_stdin=False, timeout=60, output_hook=told.append)
    assert {one["msg_type"] for one in told} == {"status", "execute_input"}

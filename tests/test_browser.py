"""The report in a browser: nothing asked of the network, no wider than the screen, readable, printable."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from learnalign import reports

pytestmark = pytest.mark.browser

DOCUMENTS = Path(__file__).parent / "documents"
NAMES = ("rich", "one", "unknown")
SIZES = {"desk": (1280, 800), "phone": (390, 844)}
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip

# For each text on the page: its colour against the nearest background that is not transparent
CONTRAST = """
() => {
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = parts(c).map(v => { v /= 255; return v <= 0.03928 ? v / 12.92
      : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const low = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.data.trim(), element = walk.currentNode.parentElement;
    if (!text || element.closest('style, title, desc')) continue;
    const style = getComputedStyle(element);
    const ink = element.closest('svg') ? style.fill : style.color;
    const papers = element.closest('svg') ? ['rgb(230, 226, 214)', 'rgb(251, 250, 247)'] : [];
    for (let up = element; !papers.length && up; up = up.parentElement) {
      const paper = getComputedStyle(up).backgroundColor, alpha = parts(paper)[3];
      if (alpha === undefined || alpha > 0) papers.push(paper);
    }
    for (const paper of papers) {
      const [a, b] = [light(ink), light(paper)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      if (ratio < 4.5) low.push([text.slice(0, 40), ink, paper, ratio.toFixed(2)]);
    }
  }
  return low;
}
"""


@pytest.fixture(scope="module")
def browser():
    """Chromium of the system, or a skip that says why."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=[*QUIET, *["--no-sandbox"] * is_root])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The reports as files, as a reader has them."""
    folder = tmp_path_factory.mktemp("reports")
    for name in NAMES:
        document = json.loads((DOCUMENTS / f"{name}.json").read_text("utf-8"))
        (folder / f"{name}.html").write_text(reports.render(document), "utf-8")
    return folder


@pytest.fixture
def visit(browser, files):
    """Open a report; what the page asked for and complained of comes with it."""
    pages = []

    def go(name, size="desk"):
        width, height = SIZES[size]
        page = browser.new_page(viewport={"width": width, "height": height})
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto((files / f"{name}.html").as_uri())
        pages.append(page)
        return page

    yield go
    for page in pages:
        page.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_no_request_no_complaint_no_sideways_scroll(visit, files, name, size):
    page = visit(name, size)
    assert page.asked == [(files / f"{name}.html").as_uri()]
    assert page.complaints == []
    wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1]


@pytest.mark.parametrize("name", NAMES)
def test_tables_fit_a_phone(visit, name):
    page = visit(name, "phone")
    too_wide = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
        ".map(e => e.getAttribute('aria-label'))"
    )
    assert set(too_wide) <= {"Tables that were read"}  # this one scrolls in its own box, and says so


def test_links_of_the_contents_lead_there(visit):
    page = visit("rich")
    links = page.locator("nav a")
    assert links.count() > 8
    for number in range(links.count()):
        target = links.nth(number).get_attribute("href")
        links.nth(number).click()
        assert page.url.endswith(target)
        assert page.locator(target).bounding_box()["y"] < 800
    assert page.locator(target).is_visible()


def test_skip_link_shows_when_it_has_the_focus(visit):
    page = visit("rich")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.inner_text() == "Skip to the answers"
    assert focused.bounding_box()["x"] >= 0


@pytest.mark.parametrize("size", SIZES)
def test_every_text_stands_out_from_its_ground(visit, size):
    assert visit("rich", size).evaluate(CONTRAST) == []


def test_known_and_unknown_stand_side_by_side_on_a_desk_and_below_each_other_on_a_phone(visit):
    for size, is_beside in (("desk", True), ("phone", False)):
        page = visit("rich", size)
        know, dont = (page.locator(f"#{side}").bounding_box() for side in ("know", "dont"))
        assert (know["y"] == dont["y"]) is is_beside
        assert know["y"] < 800


def test_words_of_a_picture_stay_within_it(visit):
    page = visit("rich", "phone")
    outside = page.evaluate(
        """[...document.querySelectorAll('svg[role=img]')].flatMap(svg => {
          const box = svg.getBoundingClientRect();
          const sticks_out = b => b.left < box.left - 1 || b.right > box.right + 1;
          return [...svg.querySelectorAll('text')].filter(text => sticks_out(text.getBoundingClientRect()))
            .map(text => text.textContent);
        })"""
    )
    assert outside == []


def test_digits_are_copied_without_their_gaps(visit):
    page = visit("rich")
    copied = page.evaluate(
        "() => { getSelection().selectAllChildren(document.querySelector('.foot')); return getSelection().toString(); }"
    )
    assert copied.startswith("4212 people")


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_it_prints_on_pages_with_nothing_lost(visit, paper):
    pdf = visit("rich").pdf(format=paper)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 6 <= pages <= 16
    # the first page holds both sides: print keeps them side by side
    page = visit("rich")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 690, "height": 980})
    know, dont = (page.locator(f"#{side}").bounding_box() for side in ("know", "dont"))
    assert know["y"] == dont["y"] < 500
    assert not page.locator("nav").is_visible()

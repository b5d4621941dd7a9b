"""The report in a browser: nothing asked of the network, nothing wider than the screen, readable,
printable.

What holds here holds for any good page: on a desk, on a phone and on paper; for the shipped
edition, for one that knows nothing, and for one whose words were written by somebody who wants the
page to break.
"""

import copy
import io
import json
import os
import re
import shutil
import unicodedata
from pathlib import Path

import pytest

from learnalign.report import page as reports

pytestmark = pytest.mark.browser

DOCUMENTS = Path(__file__).parents[1] / "documents"
NAMES = ("rich", "one", "unknown", "silent", "hostile", "edition")
# A screen, or the width that the margins of @page leave on paper (at 96 px an inch), and what it is
# drawn for
SIZES = {
    "desk": (1280, 800, "screen"),
    "phone": (390, 844, "screen"),
    "A4": (688, 970, "print"),
    "Letter": (710, 930, "print"),
}
SCREENS = ("desk", "phone")
PAPERS = ("A4", "Letter")
FOOT = 46.0  # points from the lower edge, less than the margin: its number and running title
QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"
RIGHT_TO_LEFT = "التعلم والأداء"
SCRIPT = "<script>alert(1)</script>"

# --- what is looked at on a page

LIBRARY = """
  const tidy = text => text.trim().replace(/\\s+/g, ' ').slice(0, 50);
  const named = e => e.localName + (e.id ? '#' + e.id : '') + ': ' + tidy(e.textContent);
  const seen = e => {
    const b = e.getBoundingClientRect(), s = getComputedStyle(e);
    return b.width > 1 && b.height > 1 && s.visibility === 'visible' && s.display !== 'none';
  };
  const aside = e => e.closest('.skip, .sr, style, title, desc');
  const texts = () => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    while (walk.nextNode()) {
      const element = walk.currentNode.parentElement, text = walk.currentNode.data.trim();
      if (text && !aside(element) && seen(element)) found.push([element, text]);
    }
    return found;
  };
  // The corners of a text in a picture, turned with it: less the room that a font leaves above and below letters
  const corners = t => {
    const b = t.getBBox(), m = t.getScreenCTM(), dy = b.height * .18, [l, r] = [b.x + .5, b.x + b.width - .5];
    const at = (x, y) => ({x: m.a * x + m.c * y + m.e, y: m.b * x + m.d * y + m.f});
    const [top, foot] = [b.y + dy, b.y + b.height - dy];
    return [at(l, top), at(r, top), at(r, foot), at(l, foot)];
  };
  // Two boxes are apart when some side of one has them on different sides
  const apart = (p, q) => [[p[0], p[1]], [p[1], p[2]], [q[0], q[1]], [q[1], q[2]]].some(([u, v]) => {
    const along = box => box.map(c => c.x * (v.y - u.y) + c.y * (u.x - v.x)), [a, b] = [along(p), along(q)];
    return Math.max(...a) <= Math.min(...b) || Math.max(...b) <= Math.min(...a);
  });
"""
LAYOUT = f"""() => {{ {LIBRARY}
  const root = document.documentElement, width = root.clientWidth;
  const all = [...document.body.querySelectorAll('*')].filter(e => seen(e) && !aside(e) && !e.closest('svg *'));
  const beyond = e => {{ const b = e.getBoundingClientRect(); return b.right > width + 1 || b.left < -1; }};
  const in_scroll = e => {{
    const box = e.parentElement.closest('.scroll');
    return box && /auto|scroll/.test(getComputedStyle(box).overflowX);
  }};
  const hides = e => /hidden|clip/.test(getComputedStyle(e).overflowX + getComputedStyle(e).overflowY);
  const is_cut = e => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1;
  const found = {{
    sideways: root.scrollWidth > width ? [root.scrollWidth - width] : [],
    wide: all.filter(e => beyond(e) && !in_scroll(e)).map(named),
    cut: all.filter(e => e.localName !== 'svg' && hides(e) && is_cut(e)).map(named),
    outside: [], overlapping: [], tiny: [],
  }};
  for (const svg of [...document.querySelectorAll('svg')].filter(seen)) {{
    const box = svg.getBoundingClientRect(), words = [...svg.querySelectorAll('text')].filter(seen);
    const boxes = words.map(corners), said = words.map(t => t.textContent.trim());
    const out = c => c.x < box.left - 1 || c.x > box.right + 1 || c.y < box.top - 2 || c.y > box.bottom + 2;
    boxes.forEach((a, i) => {{
      if (a.some(out)) found.outside.push(said[i]);
      // the same words twice in the same place are a halo and its letters
      boxes.slice(i + 1).forEach((b, k) => {{
        if (said[i] !== said[i + 1 + k] && !apart(a, b)) found.overlapping.push(said[i] + ' | ' + said[i + 1 + k]);
      }});
    }});
  }}
  for (const [e, text] of texts()) {{
    const m = e.closest('svg') ? e.getScreenCTM() : {{a: 1, b: 0}};
    const size = parseFloat(getComputedStyle(e).fontSize) * Math.hypot(m.a, m.b);
    if (size < 9) found.tiny.push(size.toFixed(1) + ' px: ' + text.slice(0, 40));
  }}
  return found;
}}"""
FORM = f"""() => {{ {LIBRARY}
  const $ = s => [...document.querySelectorAll(s)], ids = $('[id]').map(e => e.id);
  const by_id = e => (e.getAttribute('aria-labelledby') || '').split(/\\s+/).filter(Boolean)
    .map(id => document.getElementById(id)?.textContent || '').join(' ');
  const name = e => (e.getAttribute('aria-label') || e.getAttribute('alt') || by_id(e)
    || e.querySelector(':scope > title')?.textContent || '').trim();
  const target = a => document.getElementById(decodeURIComponent(a.hash.slice(1)));
  const heads = $('h1,h2,h3,h4,h5,h6'), levels = heads.map(e => +e.localName[1]);
  return {{
    lang: document.documentElement.lang, landmarks: ['header', 'nav', 'main', 'footer'].map(t => $(t).length),
    h1: levels.filter(l => l === 1).length, first: levels[0], contents: $('nav a').length,
    skipped: heads.filter((e, i) => i && levels[i] - levels[i - 1] > 1).map(named),
    empty: heads.filter(e => !e.textContent.trim()).map(named), twice: ids.filter((id, i) => ids.indexOf(id) !== i),
    astray: $('a').filter(a => !a.getAttribute('href').startsWith('#')).map(named),
    lost: $('a').filter(a => !target(a)).map(named),
    no_heading: $('nav a').filter(a => !heads.includes(target(a))).map(named),
    nameless: $('img, [role=img], svg:not([aria-hidden=true])').filter(e => !name(e)).map(named),
    unscoped: $('th:not([scope])').map(named), uncaptioned: $('table').filter(t => !t.caption).map(named),
  }};
}}"""
# Each text's colour against what lies under it: in a picture, every shape drawn before it that
# holds a point of it
CONTRAST = f"""() => {{ {LIBRARY}
  const parse = c => [...(c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number), 1].slice(0, 4);
  const over = (top, below) => below.map((v, i) => top[i] * top[3] + v * (1 - top[3]));
  const curve = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => c.map(v => curve(v / 255)).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const below = e => e.parentElement ? ground(e.parentElement) : [255, 255, 255];
  const ground = e => over(parse(getComputedStyle(e).backgroundColor), below(e));
  const painted = new Map();
  const shapes = svg => {{
    if (!painted.has(svg)) painted.set(svg, [...svg.querySelectorAll('rect,path,circle,ellipse,polygon')]
      .filter(s => getComputedStyle(s).fill !== 'none' && !s.closest('defs, clipPath'))
      .map(s => [s, getComputedStyle(s)]));
    return painted.get(svg);
  }};
  const papers = t => {{
    const [a, , c] = corners(t), svg = t.ownerSVGElement;
    const points = [.05, .5, .95].map(f => new DOMPoint(a.x + f * (c.x - a.x), (a.y + c.y) / 2));
    const holds = (s, p) => s.isPointInFill(p.matrixTransform(s.getScreenCTM().inverse()));
    return points.map(p => shapes(svg).reduce((lower, [s, style]) => {{
      const [r, g, b, alpha] = parse(style.fill), is_under = s.compareDocumentPosition(t) & 4 && holds(s, p);
      return is_under ? over([r, g, b, alpha * style.fillOpacity * style.opacity], lower) : lower;
    }}, ground(svg)));
  }};
  const low = new Set();
  for (const [e, text] of texts()) {{
    const drawn = e.closest('svg text'), style = getComputedStyle(e);
    for (const paper of drawn ? papers(drawn) : [ground(e)]) {{
      const ink = over(parse(drawn ? style.fill : style.color), paper);
      const [a, b] = [light(ink), light(paper)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
      if (ratio < 4.5) low.add([tidy(text), ink.map(Math.round), paper.map(Math.round), ratio.toFixed(2)].join(' '));
    }}
  }}
  return [...low];
}}"""


# --- documents


def stored(name):
    return json.loads((DOCUMENTS / f"{name}.json").read_text("utf-8"))


def silent():
    """A company about which nothing is known: every question asked, every figure missing."""
    document = stored("rich")
    for row in document["results"]:
        row |= {
            "verdict": "unknown",
            "branch": "no data",
            "wanting": ["learning"],
            "checks": [],
            "note": "",
            "estimate": None,
            "low": None,
            "high": None,
        }
        row |= {
            "sentence": "We don’t know: nobody recorded it.",
            "to_settle": "3 more cycles of 4 000 people.",
        }
    return document


def hostile():
    """Words that want the page to break: too long, from right to left, and sixty units with long
    names.
    """
    document = copy.deepcopy(stored("rich"))
    ending = f" {LONG}{LONG} {RIGHT_TO_LEFT} {SCRIPT}"
    for row in document["results"]:
        for key in ("sentence", "to_settle", "note", "method"):
            row[key] += ending if row[key] else ""
        row["checks"] = [check | {"detail": check["detail"] + ending} for check in row["checks"]]
    pattern = next(
        row for row in document["results"] if not row["headline"] and row["verdict"] != "hidden"
    )
    document["results"] += [
        pattern | {"group": f"unit={LONG[: 10 + number]} {number} {RIGHT_TO_LEFT}"}
        for number in range(60)
    ]
    for flow in document["flows"]:
        flow["steps"] = [step | {"reason": step["reason"] + ending} for step in flow["steps"]]
    for place in (document["run"], document["data"]):
        place["title"] += ending
    document["run"]["report"] = LONG * 2
    document["run"]["params"]["attributes"] = [f"{LONG}_{number}" for number in range(12)]
    return document


@pytest.fixture(scope="module")
def files(tmp_path_factory, request):
    """The reports as files, as a reader has them; each is made when it is first asked for."""
    folder = tmp_path_factory.mktemp("reports")
    built = {"silent": silent, "hostile": hostile}

    def file(name):
        path = folder / f"{name}.html"
        if name == "edition":
            path.write_bytes(request.getfixturevalue("edition").report.read_bytes())
        elif not path.exists():
            path.write_text(
                reports.render(built[name]() if name in built else stored(name)), "utf-8"
            )
        return path

    return file


# --- the browser


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
        chromium = play.chromium.launch(
            executable_path=path, args=[*QUIET, *["--no-sandbox"] * is_root]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def visit(browser, files):
    """Open a report; what the page asked for and complained of comes with it."""

    def go(name, size="desk"):
        width, height, medium = SIZES[size]
        page = browser.new_page(viewport={"width": width, "height": height})
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.emulate_media(media=medium)
        page.goto(files(name).as_uri())
        return page

    return go


@pytest.fixture(scope="module")
def look(visit):
    """A page that is only looked at: one for each report and size, and left as it is."""
    pages = {}

    def at(name, size="desk"):
        if (name, size) not in pages:
            pages[name, size] = visit(name, size)
        return pages[name, size]

    return at


def assert_none(found):
    """No fault of any kind; else the first of each kind, in full."""
    faults = [f"{kind} ({len(where)}): {where[:6]}" for kind, where in found.items() if where]
    assert not faults, "\n".join(faults)


# --- on every page


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_too_wide_cut_overlapping_or_tiny(look, name, size):
    assert_none(look(name, size).evaluate(LAYOUT))


@pytest.mark.parametrize("size", SCREENS)
@pytest.mark.parametrize("name", NAMES)
def test_it_asks_for_nothing_and_complains_of_nothing(look, files, name, size):
    page = look(name, size)
    assert page.asked == [files(name).as_uri()]
    assert page.complaints == []


@pytest.mark.parametrize("name", NAMES)
def test_its_form_serves_a_screen_reader(look, name):
    form = look(name).evaluate(FORM)
    assert form.pop("contents") >= 5
    assert form.pop("lang") == "en"
    assert form.pop("landmarks") == [1, 1, 1, 1]
    assert (form.pop("h1"), form.pop("first")) == (1, 1)
    assert_none(form)


@pytest.mark.parametrize("size", SCREENS)
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing(look, name, size):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed"
    ).Axe()
    options = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": RULES}}
    found = axe.run(look(name, size), options=options).response
    assert len(found["passes"]) > 20  # it did look
    assert_none({v["id"]: [node["html"][:120] for node in v["nodes"]] for v in found["violations"]})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["rich", "edition"])
def test_every_text_stands_out_from_its_ground(look, name, size):
    assert_none({"pale": look(name, size).evaluate(CONTRAST)})


@pytest.mark.parametrize("name", ["rich", "edition"])
def test_tables_fit_a_phone(look, name):
    page = look(name, "phone")
    too_wide = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1)"
        ".map(e => [e.getAttribute('aria-label'), e.tabIndex])"
    )
    assert all(
        label and index == 0 for label, index in too_wide
    )  # it scrolls in its own box, by keys too, and says so
    assert {label for label, _ in too_wide} <= {"Tables that were read"}


BROKEN = """<!doctype html><html><body style="margin:0;background:#fff">
<h1>One</h1><h3>Three</h3><h4></h4><p id="a" style="width:2000px">Wide</p>
<p id="a" style="font-size:8px;color:#999">Pale</p>
<div style="width:50px;overflow:hidden;white-space:nowrap">Much more than fits</div>
<a href="#nowhere">Lost</a> <a href="other.html">Astray</a> <nav><a href="#a">No heading</a></nav>
<table><tr><th>Head</th></tr></table>
<svg role="img" width="200" height="60"><rect width="60" height="60" fill="#555"/>
<text x="5" y="20" font-size="12">Under</text><text x="10" y="24" font-size="12">Over</text>
<text x="190" y="50" font-size="12">Outside</text>
<text x="110" y="50" font-size="12" transform="rotate(-45 110 50)">Turned</text>
<text x="126" y="50" font-size="12" transform="rotate(-45 126 50)">Beside</text></svg></body></html>"""


def test_what_looks_for_faults_finds_them(browser):
    page = browser.new_page(viewport={"width": 800, "height": 600})
    page.set_content(BROKEN)
    layout, form, pale = (page.evaluate(script) for script in (LAYOUT, FORM, CONTRAST))
    assert layout == {
        "sideways": [1200],
        "wide": ["p#a: Wide"],
        "cut": ["div: Much more than fits"],
        "outside": ["Outside"],
        "overlapping": ["Under | Over"],
        "tiny": ["8.0 px: Pale"],
    }
    assert (form["lang"], form["landmarks"], form["twice"]) == ("", [0, 1, 0, 0], ["a"])
    assert (form["skipped"], form["empty"], form["uncaptioned"]) == (
        ["h3: Three"],
        ["h4: "],
        ["table: Head"],
    )
    assert (form["lost"], form["astray"]) == (["a: Lost", "a: Astray"], ["a: Astray"])
    assert (form["no_heading"], form["unscoped"], len(form["nameless"])) == (
        ["a: No heading"],
        ["th: Head"],
        1,
    )
    assert {line.split()[0] for line in pale} == {"Pale", "Under", "Over"}
    page.close()


# --- to read, to click, to copy


@pytest.mark.parametrize("name", ["rich", "edition"])
def test_links_of_the_contents_lead_there(visit, name):
    page = visit(name)
    links = page.locator("nav a")
    assert links.count() > 6
    for number in range(links.count()):
        target = links.nth(number).get_attribute("href")
        links.nth(number).click()
        assert page.url.endswith(target)
        assert page.locator(target).is_visible()
        assert -1 <= page.locator(target).bounding_box()["y"] < 800


def test_skip_link_shows_when_it_has_the_focus(visit):
    page = visit("rich")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.inner_text().startswith("Skip to")
    assert focused.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.locator(page.url[page.url.index("#") :]).bounding_box()["y"] < 800


def test_known_and_unknown_stand_side_by_side_on_a_desk_and_below_each_other_on_a_phone(look):
    for size, is_beside in (("desk", True), ("phone", False)):
        page = look("rich", size)
        know, dont = (page.locator(f"#{side}").bounding_box() for side in ("know", "dont"))
        assert (know["y"] == dont["y"]) is is_beside
        assert know["y"] < 800


def test_digits_are_copied_without_their_gaps(look):
    copied = look("rich").evaluate(
        "() => { document.querySelectorAll('details').forEach(one => one.open = true); "
        "getSelection().selectAllChildren(document.querySelector('main')); return "
        "getSelection().toString(); }"
    )
    assert "4212 people" in copied


def test_hostile_words_are_shown_as_they_were_written_and_run_nothing(visit):
    page = visit("hostile")
    page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
    page.reload()
    shown = page.locator("body").inner_text()
    assert all(words in shown for words in (SCRIPT, LONG, RIGHT_TO_LEFT))
    assert page.locator("script").count() == 0
    assert page.complaints == []


# --- printed by the browser


def solid(text):
    """A text without its spaces, which are drawn, and with letters that a font draws as one told
    apart.
    """
    return "".join(unicodedata.normalize("NFKC", text).split())


def squeezed(text):
    """Letters and digits alone."""
    return re.sub(r"[\W_]+", "", solid(text)).lower()


def last_line(sheet):
    """What stands lowest on a sheet, above its number and running title, by its place: text is not
    written in the order in which it is read.
    """
    found = []

    def note(text, cm, tm, _font, _size):
        if text.strip():
            x, y = (tm[4] * cm[i] + tm[5] * cm[i + 2] + cm[i + 4] for i in (0, 1))
            if y > FOOT:
                found.append((y, x, text.strip()))

    sheet.extract_text(visitor_text=note)
    lowest = min(y for y, _, _ in found)
    return " ".join(text for y, _, text in sorted(found, key=lambda one: one[1]) if y < lowest + 3)


@pytest.fixture(scope="module")
def printed(visit):
    """A report printed by the browser: its page, and the text of each sheet of paper."""
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    sheets = {}

    def on(name, paper):
        if (name, paper) not in sheets:
            page = visit(name, paper)
            pdf = pypdf.PdfReader(io.BytesIO(page.pdf(format=paper, prefer_css_page_size=False)))
            sheets[name, paper] = page, [sheet.extract_text() for sheet in pdf.pages], pdf
        return sheets[name, paper]

    return on


@pytest.mark.parametrize(
    ("name", "paper"), [("rich", "A4"), ("edition", "A4"), ("edition", "Letter")]
)
def test_every_word_is_on_paper_and_no_sheet_is_all_but_empty(printed, name, paper):
    page, texts, pdf = printed(name, paper)
    there = squeezed(" ".join(texts))
    words = {squeezed(word) for word in page.locator("body").inner_text().split()}
    assert len(words) > 300
    assert_none({"lost": sorted(word for word in words if word not in there)})
    assert 4 <= len(texts) <= 37
    assert all(len(text.split()) > 10 for text in texts)
    width = 595 if paper == "A4" else 612
    assert all(abs(float(sheet.mediabox.width) - width) < 2 for sheet in pdf.pages)


@pytest.mark.parametrize(
    ("name", "paper"), [("rich", "A4"), ("edition", "A4"), ("edition", "Letter")]
)
def test_no_heading_or_caption_ends_a_sheet(printed, name, paper):
    page, _, pdf = printed(name, paper)
    names = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,caption,thead,dt')].map(e => e.innerText)"
    )
    names = {solid(text) for text in names}
    assert_none({"alone": [line for line in map(last_line, pdf.pages) if solid(line) in names]})


def test_both_sides_are_on_the_first_sheet_side_by_side(look):
    page = look("rich", "A4")
    know, dont = (page.locator(f"#{side}").bounding_box() for side in ("know", "dont"))
    assert know["y"] == dont["y"] < 500

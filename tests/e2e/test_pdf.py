"""The report as a PDF: tagged, whole, the same bytes each time, asking nobody for anything."""

import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import html5lib
import pytest

from learnalign.privacy import audit
from learnalign.report import page as reports
from learnalign.report import paper

pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
DOCUMENTS = Path(__file__).parents[1] / "documents"
NAMES = ("rich", "one", "unknown")
PLAIN = (
    '<!doctype html><html lang="en"><head><title>x</title>{}</head><body><h1>x</h1>{}</body></html>'
)
HEADS = {f"/H{level}" for level in range(1, 7)}


def print_or_skip(html):
    try:
        return paper.pdf(html)
    except paper.Unprinted as why:
        pytest.skip(str(why))


def solid(text):
    """A text without its spaces, which are drawn, and with letters that a font draws as one told
    apart.
    """
    return "".join(unicodedata.normalize("NFKC", text).split())


def squeezed(text):
    """Letters and digits alone."""
    return re.sub(r"[\W_]+", "", solid(text)).lower()


def last_line(sheet, drawn):
    """What stands lowest on a sheet, by its place: text is not written in the order in which it is
    read.
    """
    found = []

    def note(text, cm, tm, _font, _size):
        if text.strip() and solid(text) not in drawn:
            x, y = (tm[4] * cm[i] + tm[5] * cm[i + 2] + cm[i + 4] for i in (0, 1))
            found.append((y, x, text.strip()))

    sheet.extract_text(visitor_text=note)
    lowest = min(y for y, _, _ in found)
    return " ".join(text for y, _, text in sorted(found, key=lambda one: one[1]) if y < lowest + 3)


class Printed:
    """A report, its PDF, and what a reader of the PDF finds in it."""

    def __init__(self, document):
        self.html, self.as_of = reports.render(document), document["run"]["as_of"]
        self.page = html5lib.parse(self.html, namespaceHTMLElements=False)
        self.bytes = print_or_skip(self.html)
        self.pdf = pypdf.PdfReader(io.BytesIO(self.bytes))
        self.root = self.pdf.trailer["/Root"]
        self.texts = [page.extract_text() for page in self.pdf.pages]
        self.tags = list(self._tags(self.root["/StructTreeRoot"]["/K"]))

    def _tags(self, node):
        node = node.get_object()
        if isinstance(node, list):
            for child in node:
                yield from self._tags(child)
        elif isinstance(node, dict):
            if "/S" in node:
                yield node
            if "/K" in node:
                yield from self._tags(node["/K"])

    def headings(self):
        return [
            " ".join("".join(e.itertext()).split())
            for e in self.page.iter()
            if re.fullmatch("h[1-6]", str(e.tag))
        ]


@pytest.fixture(scope="module", params=[*NAMES, "edition"])
def printed(request):
    if request.param == "edition":
        return Printed(request.getfixturevalue("edition").document)
    return Printed(json.loads((DOCUMENTS / f"{request.param}.json").read_text("utf-8")))


def test_it_is_tagged_and_says_that_it_is_pdf_ua(printed):
    assert str(printed.root["/MarkInfo"]["/Marked"]).lower() == "true"
    assert printed.root["/Lang"] == "en"
    assert str(printed.root["/ViewerPreferences"]["/DisplayDocTitle"]).lower() == "true"
    assert 'pdfuaid:part="1"' in printed.root["/Metadata"].get_data().decode()
    assert all(page["/Tabs"] == "/S" for page in printed.pdf.pages)


def test_title_author_and_date_are_the_pages(printed):
    facts, title = printed.pdf.metadata, printed.page.findtext("head/title")
    assert facts.title == title
    metas = {e.get("name"): e.get("content") for e in printed.page.iter("meta")}
    assert facts.author and facts.author == metas["author"]
    assert f"{facts.creation_date:%Y-%m-%d}" == metas["dcterms.created"] == printed.as_of
    assert printed.root["/Metadata"].get_data().decode().count("<dc:title>") == 1


NOT_PRINTED = {"inthisreport"}  # the table of contents: a PDF has its outline


def test_headings_are_tagged_and_in_the_outline(printed):
    tags = [tag["/S"] for tag in printed.tags]
    assert tags.count("/H1") == 1
    assert len(HEADS & set(tags)) > 2

    def names(outline):
        for item in outline:
            yield from names(item) if isinstance(item, list) else [squeezed(item.title)]

    shown = set(names(printed.pdf.outline))
    assert {
        squeezed(text) for text in printed.headings() if squeezed(text) not in shown
    } <= NOT_PRINTED


def test_tables_have_headers_and_pictures_have_words(printed):
    tags = [tag["/S"] for tag in printed.tags]
    assert tags.count("/Table") > 2
    assert tags.count("/TH") > tags.count("/Table")
    figures = [tag for tag in printed.tags if tag["/S"] == "/Figure"]
    assert all(tag.get("/Alt") for tag in figures)
    alts = " ".join(squeezed(str(tag["/Alt"])) for tag in figures)
    names = [
        e.get("aria-label")
        for e in printed.page.iter()
        if e.get("role") == "img" and e.get("aria-label")
    ]
    assert all(squeezed(name) in alts for name in names)


def test_every_word_of_the_page_is_there(printed):
    body = printed.page.find("body")
    for gone in [*body.iter("nav"), *(e for e in body.iter("a") if e.get("class") == "skip")]:
        gone.clear()
    there = squeezed(" ".join(printed.texts))
    texts = [
        e
        for e in body.iter()
        if e.tag in ("p", "li", "td", "th", "caption", "dd", "dt", "h1", "h2", "h3", "h4")
    ]
    words = {squeezed(word) for e in texts for word in "".join(_shown(e)).split()}
    lost = sorted(word for word in words if word not in there)
    assert not lost, f"{len(lost)} words: {lost[:20]}"


def _shown(element):
    """The text of an element as printed: of pictures, what is drawn in `text`."""
    if element.tag in ("title", "desc", "style"):
        return
    yield element.text or ""
    for child in element:
        yield from _shown(child)
        yield (
            " " + (child.tail or "") if child.tag in ("br", "svg", "div", "p") else child.tail or ""
        )


def test_pictures_are_drawn(printed):
    """The words within pictures come out as text, and in an ink that can be read."""
    there = squeezed(" ".join(printed.texts))
    drawn = [
        squeezed("".join(e.itertext()))
        for svg in printed.page.iter("svg")
        for e in svg.iter("text")
    ]
    assert all(text in there for text in drawn)
    content = printed.pdf.pages[0].get_contents().get_data()
    assert content.count(b" re") + content.count(b" l\n") + content.count(b" c\n") > 10


def test_nothing_leads_out_and_nothing_runs(printed):
    for page in printed.pdf.pages:
        for note in page.get("/Annots", []):
            note = note.get_object()
            assert note["/Subtype"] == "/Link" and "/A" not in note and note["/Contents"]
    assert not {"/OpenAction", "/AA", "/AcroForm", "/AF"} & set(printed.root)
    # Packed bytes and letters spell anything by chance
    packed = (one for one in audit._streams(printed.bytes) if one.isascii())
    held = b"\n".join([audit._in_the_open(printed.bytes), *packed])
    assert b"/Type/Catalog" in held.replace(b" ", b"")
    assert set(printed.root.get("/Names", {})) <= {"/Dests"}
    for word in (
        b"/JavaScript",
        b"/JS",
        b"/URI",
        b"/Launch",
        b"/EmbeddedFile",
        b"/GoToR",
        b"/RichMedia",
    ):
        assert not re.search(re.escape(word) + rb"\b", held)


def test_it_is_on_a4_of_a_sane_length_and_brings_its_fonts(printed):
    sizes = {
        (round(float(page.mediabox.width)), round(float(page.mediabox.height)))
        for page in printed.pdf.pages
    }
    assert sizes == {(595, 842)}
    assert 3 <= len(printed.pdf.pages) <= 40
    assert len(printed.bytes) < 1_000_000
    assert all(len(text.split()) > 10 for text in printed.texts)  # no page is all but empty
    fonts = [
        font.get_object()
        for page in printed.pdf.pages
        for font in page["/Resources"]["/Font"].values()
    ]
    inner = [
        font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
        for font in fonts
    ]
    assert inner and all(
        {"/FontFile", "/FontFile2", "/FontFile3"} & set(font["/FontDescriptor"]) for font in inner
    )


def test_its_letters_are_the_pages_own_on_every_machine(printed):
    held = {
        font["/BaseFont"]
        for page in printed.pdf.pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert {re.sub(r".*\+(la-\w+).*", r"\1", name) for name in held} == {"la-serif", "la-sans"}


def test_drivers_mirror_and_room_are_a_sheet_of_their_own(printed):
    (sheet,) = (text for text in printed.texts if "Whom did I ask last" in text)
    assert "How do we make it our own?" in sheet and "Invest" not in sheet.splitlines()
    assert "Drivers, mirror, and questions for the room" in sheet


def test_no_heading_or_caption_ends_a_page(printed):
    """Words of pictures aside, as their places are their own."""
    headings = [
        e
        for e in printed.page.iter()
        if e.tag in ("h1", "h2", "h3", "h4", "caption", "thead", "dt")
    ]
    names = {solid("".join(e.itertext())) for e in headings}
    drawn = {solid("".join(e.itertext())) for e in printed.page.iter("text")} - names
    lasts = [last_line(sheet, drawn) for sheet in printed.pdf.pages]
    assert [line for line in lasts if solid(line) in names] == []


@pytest.mark.slow
def test_the_same_page_gives_the_same_bytes_in_another_process(tmp_path):
    """Whatever the order of sets and dictionaries: HTML, JSON and PDF."""
    code = (
        "import hashlib, json, sys, pathlib; from learnalign.report import paper, page as reports; from learnalign.verdicts import document as results;"
        "document = json.loads(pathlib.Path(sys.argv[1]).read_text('utf-8')); html = "
        "reports.render(document);"
        "out = pathlib.Path(sys.argv[2]); results.write_json(out, document);"
        "parts = [html.encode(), out.read_bytes(), paper.pdf(html) if sys.argv[3] == 'pdf' "
        "else b''];"
        "print([hashlib.sha256(part).hexdigest() for part in parts])"
    )
    try:
        wanted = "pdf" if paper.pdf(PLAIN.format("", "")) else ""
    except paper.Unprinted:
        wanted = "HTML and JSON alone"
    running = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                code,
                str(DOCUMENTS / "rich.json"),
                str(tmp_path / f"{seed}.json"),
                wanted,
            ],
            env=os.environ
            | {"PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, zone in (("1", "UTC"), ("2", "Asia/Kolkata"))
    ]
    first, second = (process.communicate(timeout=120)[0] for process in running)
    assert [process.returncode for process in running] == [0, 0]
    assert first == second and first.count("'") == 6


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("", '<img alt="x" src="http://127.0.0.1:9/x.png">'),
        ("", '<img alt="x" src="file:///etc/hostname">'),
        (
            "",
            (
                '<svg xmlns="http://www.w3.org/2000/svg"><image href="ftp://127.0.0.1/x.png" '
                'width="9"/></svg>'
            ),
        ),
        ('<link rel="stylesheet" href="https://127.0.0.1:9/x.css">', ""),
        ('<style>@import "HTTP://127.0.0.1:9/x.css";</style>', ""),
        ('<style>h1{background:url("http://127.0.0.1:9/x.png")}</style>', ""),
        (
            "<style>@font-face{font-family:x;src:url(http://127.0.0.1:9/x.ttf)}h1{font-family:x}</style>",
            "",
        ),
    ],
)
def test_what_is_not_in_the_page_is_refused_loudly(head, body):
    print_or_skip(PLAIN.format("", ""))
    with pytest.raises(
        ValueError, match=r"holds all that it needs; this page asks for (?i:http|file|ftp)"
    ):
        paper.pdf(PLAIN.format(head, body))


def test_data_addresses_are_read():
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    made = print_or_skip(PLAIN.format("", f'<img alt="x" src="data:image/png;base64,{pixel}">'))
    assert b"/Subtype/Image" in made.replace(b" ", b"")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ImportError("No module named 'weasyprint'"),
            ("not installed", 'pip install "learnalign[pdf]"'),
        ),
        (
            OSError("cannot load library 'libpango-1.0-0': x\nmore"),
            ("'libpango-1.0-0'", "apt-get install libpango"),
        ),
    ],
)
def test_what_is_missing_is_said_with_the_way_to_mend_it(monkeypatch, error, words):
    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == "weasyprint":
                raise error

    for name in [name for name in sys.modules if name.split(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(paper.Unprinted, match="No PDF was made") as caught:
        paper.pdf(PLAIN.format("", ""))
    assert all(word in str(caught.value) for word in (*words, "print report.html from a browser"))
    assert "\n" not in str(caught.value)

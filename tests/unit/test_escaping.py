"""What others wrote stays text: in no text value, name or header does it become markup, script or
formula.

The corpus goes into every text of a document, all at once and one after the other, and into every
free name of a data set; out come HTML, SVG, PDF, CSV and the summary, which are read as their
readers would read them.
"""

import copy
import csv
import io
import json
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import html5lib
import jinja2
import pandas as pd
import pytest
import yaml

from learnalign import studies
from learnalign.data import files, reading
from learnalign.estimates import groups
from learnalign.facts import contents, spending
from learnalign.linking import windows
from learnalign.report import page as reports
from learnalign.report import paper, show
from learnalign.report.steps import dose
from learnalign.report.typesetting import heading
from learnalign.verdicts import document as results
from learnalign.verdicts import judge
from northbank import tables as simulate

DOCUMENTS = Path(__file__).parents[1] / "documents"
RICH = json.loads((DOCUMENTS / "rich.json").read_text("utf-8"))
CSP = "default-src 'none'; font-src data:; img-src data:; style-src 'unsafe-inline'"
MARKUP = [
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title></svg></table><img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<!--",
    "]]>",
    "<![CDATA[<b>x</b>]]>",
    "{{ 7*7 }}",
    "{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; &#60;",
    "$x_1$ \\alpha %s {0}",
    "Donaudampfschifffahrtsgesellschaft" * 8,
]
UNSEEN = [
    "\u202egpj.exe",
    "a\x00b",
    "\x1b[31mred",
    "a\u2028b",
    "a\x85b",
    "\ufeffx",
    "\ufffe",
    "\ufdd0",
]
FORMULAS = [
    '=HYPERLINK("http://x")',
    "+1",
    "-1+1",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠A1",
    " =1",
]
CORPUS = [*MARKUP, *UNSEEN, *FORMULAS]
# Not free text: words of the schema, which decide what is drawn; `raw` marks the figure before
# adjusting
CLOSED = {
    "verdict",
    "design",
    "outcome",
    "key",
    "question",
    "notebook",
    "schema_version",
    "branch",
    "reason",
    "wanting",
    "kind",
    "measure",
}
PLAIN = "plain words"
ELEMENTS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "a",
    "div",
    "header",
    "main",
    "nav",
    "footer",
    "section",
    "article",
    "p",
    "b",
    "i",
    "em",
    "strong",
    "small",
    "span",
    "br",
    "h1",
    "h2",
    "h3",
    "h4",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "table",
    "caption",
    "details",
    "summary",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "figure",
    "figcaption",
    "img",
    "svg",
    "desc",
    "g",
    "path",
    "rect",
    "circle",
    "text",
    "tspan",
    "polygon",
    "ellipse",
    "line",
    "polyline",
    "defs",
    "clipPath",
    "use",
}


def poisoned(value, payload, key=""):
    """The document with every free text replaced."""
    if isinstance(value, dict):
        return {name: poisoned(item, payload, name) for name, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item, payload, key) for item in value]
    return payload if isinstance(value, str) and key not in CLOSED and value != "raw" else value


def all_at_once(payload, pattern=RICH):
    document = poisoned(pattern, payload)
    document["run"]["params"] = {payload: payload}
    document["versions"] = {payload: payload}
    document["pictures"] = pattern[
        "pictures"
    ]  # drawn from their own words: each alone below, and as drawn further on
    return document


def leaves(value, path=()):
    """Where the texts are, one path for each kind of place: lists are looked at by their first of
    each shape.
    """
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, (*path, number))
    elif isinstance(value, str):
        yield path


KINDS = {
    tuple("*" if isinstance(part, int) else part for part in path): path for path in leaves(RICH)
}


def replaced(document, path, payload):
    document = copy.deepcopy(document)
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = payload
    return document


class Page:
    """A page as a browser reads it: its elements with the names of their attributes, and its words."""

    def __init__(self, html):
        parser = html5lib.HTMLParser(namespaceHTMLElements=False)
        self.tree = parser.parse(html)
        self.errors = [code for _, code, _ in parser.errors]
        self.elements = [e for e in self.tree.iter() if isinstance(e.tag, str)]
        self.text = tidy(" ".join(self.tree.itertext()))

    @property
    def names(self):
        return {local(e) for e in self.elements}

    @property
    def shape(self):
        """Every kind of element with its attributes; how many there are may go by the words, as in
        a glossary.
        """
        return {(local(e), tuple(sorted(map(str, e.attrib)))) for e in self.elements}

    def assert_harmless(self):
        assert self.names <= ELEMENTS
        for element in self.elements:
            for name, value in element.attrib.items():
                assert not str(name).lower().startswith("on"), f"{local(element)} {name}={value}"
                if str(name).split("}")[-1] in ("href", "src"):
                    assert value.startswith(("#", "data:image/svg+xml;base64,")), value
        styles = [(e.text or "") for e in self.elements if local(e) == "style"]
        told = re.sub(r"url\(data:font/woff2;base64,[\w+/=]+\)", "", "".join(styles))
        assert len(styles) <= 1 and not re.search(r"alert|url\(|@import", told)


def local(element):
    return element.tag.split("}")[-1]


def tidy(text):
    """Words as they are seen: signs without a form are dropped, also what only ends a line, and
    spaces are one.
    """
    return " ".join("".join(sign for sign in text if sign in "\n\t" or not _unseen(sign)).split())


def _unseen(sign):
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


# --- documents


@pytest.fixture(scope="module")
def harmless():
    return Page(reports.render(all_at_once(PLAIN))).shape


@pytest.mark.parametrize("payload", [*MARKUP, *UNSEEN, *FORMULAS[:2]], ids=ascii)
def test_no_text_of_a_document_becomes_markup(payload, harmless):
    page = Page(reports.render(all_at_once(payload)))
    page.assert_harmless()
    assert page.errors == []
    assert page.shape == harmless
    assert tidy(payload) in page.text


@pytest.mark.parametrize("path", KINDS.values(), ids=lambda path: ".".join(map(str, path)))
def test_no_place_alone_lets_markup_through(path):
    """Also where a word of the schema is expected: then it may be refused, with an error of ours or
    a key's.
    """
    payload = "\"'></title></style></svg><script>alert(1)</script>{{ 7*7 }}"
    try:
        html = reports.render(replaced(RICH, path, payload))
    except (ValueError, KeyError, jinja2.UndefinedError):
        return
    assert html.count("</style>") == 1
    assert not re.search(
        r"<script|script&gt;49|&(?!#\d+;|\w+;)", html
    )  # nor is an entity torn apart


def test_a_sign_that_no_file_can_hold_does_not_stop_a_report(tmp_path):
    """Half of a pair of UTF-16: YAML and JSON can spell it, and UTF-8 cannot write it."""
    (tmp_path / "page.html").write_text(reports.render(all_at_once("a\ud800b")), encoding="utf-8")
    assert Page((tmp_path / "page.html").read_text("utf-8")).errors == []


@pytest.mark.parametrize(
    "name", ["rich", "one", "unknown", pytest.param("edition", marks=pytest.mark.slow)]
)
def test_the_page_is_valid_and_asks_for_nothing(name, request):
    if name == "edition":
        html = request.getfixturevalue("edition").report.read_text("utf-8")
    else:
        html = reports.render(json.loads((DOCUMENTS / f"{name}.json").read_text("utf-8")))
    assert len(html.encode()) <= 250_000
    html5lib.HTMLParser(strict=True).parse(html)  # raises at the first error
    page = Page(html)
    page.assert_harmless()
    policies = [e for e in page.elements if e.get("http-equiv") == "Content-Security-Policy"]
    assert [e.get("content") for e in policies] == [CSP]
    ids = [e.get("id") for e in page.elements if e.get("id")]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        for name in ("aria-labelledby", "aria-describedby", "for", "headers"):
            assert set((element.get(name) or "").split()) <= set(ids)
        assert (element.get("href") or "#").removeprefix("#") in ("", *ids)


@pytest.mark.slow
def test_no_text_becomes_markup_in_the_pdf():
    payload = "</style><script>{{7*7}} &lt; \u202egpj"
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    try:
        one = json.loads((DOCUMENTS / "one.json").read_text("utf-8"))
        made = paper.pdf(reports.render(all_at_once(payload, one)))
    except paper.Unprinted as why:
        pytest.skip(str(why))
    pdf = pypdf.PdfReader(io.BytesIO(made))
    text = "".join("".join(page.extract_text() for page in pdf.pages).split())
    assert "".join(tidy(payload).split()) in text
    assert tidy(payload) in tidy(pdf.metadata.title)
    assert not re.search(rb"/(JavaScript|JS|URI|Launch|EmbeddedFile)\b", made)


@pytest.mark.parametrize("payload", CORPUS, ids=ascii)
def test_the_summary_is_plain_text_in_its_own_lines(payload):
    lines = reports.summary(all_at_once(payload)).splitlines()
    assert len(lines) == len(reports.summary(all_at_once(PLAIN)).splitlines())
    assert not any(unicodedata.category(sign) in ("Cc", "Cs") for line in lines for sign in line)


# --- CSV


def test_no_cell_and_no_header_is_a_formula(tmp_path):
    frame = pd.DataFrame(dict.fromkeys(CORPUS, CORPUS) | {"number": range(len(CORPUS))})
    files.safe_csv(frame, tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) == len(CORPUS) + 1
    texts = [cell for row in rows for cell in row[:-1]]
    assert not any(
        unicodedata.normalize("NFKC", text).lstrip().startswith(("=", "+", "-", "@"))
        for text in texts
    )
    assert [row[-1] for row in rows[1:]] == [str(number) for number in range(len(CORPUS))]


# --- a data set with hostile names


def named(values, payloads):
    """A hostile name for each name, all different."""
    names = sorted(set(values.dropna()))
    return {
        name: f"{payloads[number % len(payloads)]} {number}" for number, name in enumerate(names)
    }


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A small company whose every free name and text was written by somebody hostile."""
    company = simulate.northbank(people=260, cycles=3, seed=1)
    tables = {name: table.copy() for name, table in company.tables.items()}
    texts = [
        text for text in CORPUS if not set(text) & {"\x00", "\r"}
    ]  # no CSV file that pandas writes holds them
    for column in ("unit", "grade", "skill", "activity_id", "cycle", "programme", "item"):
        having = [table for table in tables.values() if column in table]
        new = named(pd.concat([table[column] for table in having]), texts)
        for table in having:
            table[column] = table[column].map(new)
    attributes = ["function", "location", "gender", "age_band"]
    heads = dict(
        zip(
            attributes,
            ["<script>alert(1)</script>", '=HYPERLINK("http://x")', "{{ 7*7 }}", '"><img src=x>'],
            strict=True,
        )
    )
    people = tables["people"]
    for number, column in enumerate(attributes):
        people[column] = people[column].map(named(people[column], MARKUP[number:] + FORMULAS))
    tables["people"] = people.rename(columns=heads)
    folder = tmp_path_factory.mktemp("hostile")
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    meta = company.dataset | {
        "title": "</title><script>alert(1)</script>",
        "currency": "<b>EUR</b>",
    }
    meta["attributes"] = list(heads.values())
    (folder / "dataset.yml").write_text(yaml.safe_dump(meta, allow_unicode=True), encoding="utf-8")
    return reading.read(folder)


@pytest.mark.slow
def test_no_name_of_a_data_set_becomes_markup_in_a_table_or_picture(hostile):
    study = studies.study(hostile, min_group=5)
    by_unit = spending.hours_and_cost(study)
    blocks = [
        show.table(by_unit, "</caption><script>alert(1)</script>"),
        show.table(by_unit.rename(columns={"unit": "<img src=x onerror=alert(1)>"}), "Units"),
        show.provenance(contents.provenance(hostile)),
        show.table(contents.contents(study), "Tables"),
    ]
    pages = [Page(block._repr_html_()) for block in blocks]
    for page in pages:
        page.assert_harmless()
        assert "img" not in page.names
    units = set(hostile.tables["reviews"].select("unit").distinct().execute().unit) & set(
        by_unit.unit
    )
    assert len(units) > 2
    assert all(tidy(unit) in pages[0].text for unit in units)


@pytest.mark.parametrize("payload", [*MARKUP, *UNSEEN], ids=ascii)
def test_no_word_of_a_picture_becomes_markup(payload):
    """As text of a table, and as title, words and text of a drawing."""
    steps = [("read", "read", 900, 500, 100.0), ("dropped", payload, None, 500, 90.0)]
    flow = pd.DataFrame(
        [("reviews", *step, True) for step in steps],
        columns=["table", "step", "reason", "rows", "people", "left_pct", "shown"],
        dtype=object,
    )
    row = results.rows_of(RICH)[0]
    drawn = dose([replace(row, sentence=payload)])
    for shown, words in ((show.flow(flow), heading(payload)), (drawn, payload)):
        page = Page(f"<!doctype html>{shown._repr_html_()}")
        page.assert_harmless()
        assert page.errors == []
        assert tidy(words) in page.text


@pytest.mark.slow
def test_no_name_of_a_data_set_becomes_markup_in_the_report(hostile, tmp_path):
    """Attributes and their values reach the page as groups, the title and the currency as
    themselves.
    """
    linked = windows.link(hostile)
    found, _ = groups.by_attribute(hostile, linked.person_cycles, min_people=5)
    rows = judge.judge_kinds("merit_by_group", found, smallest_effect=0.25)
    assert rows and any("<script>" in f"{row.group} {row.at}" for row in rows)
    results.write(str(tmp_path / "x.json"), "acknowledging_and_reward", list(rows), [])
    document = copy.deepcopy(RICH)
    written = json.loads((tmp_path / "x.json").read_text("utf-8"))["results"]
    document["results"] += [row | {"question": "Q5", "headline": False} for row in written]
    document["data"]["title"] = document["run"]["title"] = hostile.meta.title
    document["run"]["params"] = {
        "attributes": list(hostile.meta.attributes),
        "currency": hostile.meta.currency,
    }
    html = reports.render(document)
    page = Page(html)
    page.assert_harmless()
    assert page.errors == []
    assert (
        "<script>alert(1)</script>" in page.text
        and "<b>EUR</b>" in page.text
        and "{{ 7*7 }}" in page.text
    )

"""The report: honest counts, every value escaped, nothing hidden in its bytes, one page that stands
alone.
"""

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from hypothesis import given, settings
from hypothesis import strategies as st

from learnalign.report import page as reports
from learnalign.report import show, typesetting

ROOT = Path(__file__).parents[2]
DOCUMENTS = {
    name: json.loads((Path(__file__).parents[1] / "documents" / f"{name}.json").read_text("utf-8"))
    for name in (
        "rich",
        "one",
        "unknown",
    )  # every verdict; one finding, seven not asked; no finding at all
}
CSP = "default-src 'none'; font-src data:; img-src data:; style-src 'unsafe-inline'"
BLOCKS = {"p", "li", "td", "th", "dt", "dd", "div", "br", "text", "h1", "h2", "h3", "h4", "caption"}
VOID = {"meta", "br", "rect", "circle", "path"}
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
}  # not free text
CORPUS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</style></title><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "<a href='https://example.org'>x</a>",
    "\x00\u202etxt.exe\u2066",
    '=HYPERLINK("http://example.org")',
]


class Page(HTMLParser):
    """What a browser would make of the page: elements with attributes, in order, and its text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.words, self.open, self.unbalanced = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in BLOCKS:
            self.words.append(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module", params=DOCUMENTS)
def page(request):
    return Page(reports.render(DOCUMENTS[request.param]))


@pytest.fixture(scope="module")
def rich():
    return Page(reports.render(DOCUMENTS["rich"]))


def changed(name="rich", **changes):
    """A document with the verdicts of some questions replaced."""
    document = copy.deepcopy(DOCUMENTS[name])
    for row in document["results"]:
        if row["headline"] and row["question"] in changes:
            row["verdict"] = changes[row["question"]]
    return document


# --- form


def test_one_language_one_title_one_h1_and_ordered_headings(page):
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert len([tag for tag, _ in page.elements if tag == "title"]) >= 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in zip(levels, levels[1:], strict=False))


def test_every_element_is_closed(page):
    assert page.unbalanced == []
    assert page.open == []


def test_landmarks_and_skip_link(page):
    names = [tag for tag, _ in page.elements]
    for landmark in ("header", "main", "nav", "footer"):
        assert names.count(landmark) == 1
    first_link = page.all("a")[0]
    assert first_link == {"class": "skip", "href": "#answers"}


def test_links_lead_to_a_place_on_the_page_and_ids_are_unique(page):
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for attrs in page.all("a"):
        assert attrs["href"][0] == "#"
        assert attrs["href"][1:] in ids
    labels = [attrs["aria-labelledby"] for _, attrs in page.elements if "aria-labelledby" in attrs]
    assert {label for one in labels for label in one.split()} <= set(ids)


def test_every_picture_has_words_or_is_marked_as_ornament(page):
    for attrs in page.all("svg"):
        words = attrs.get("aria-label") or attrs.get("aria-labelledby") or ""
        assert attrs.get("aria-hidden") == "true" or (attrs["role"] == "img" and len(words) > 15)
    assert all(attrs.get("alt") for attrs in page.all("img"))


def test_tables_have_captions_and_scoped_headers(page):
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(
        attrs.get("scope") in ("col", "row", "colgroup", "rowgroup") for attrs in page.all("th")
    )


def test_the_page_stands_alone(page):
    html = reports.render(DOCUMENTS["rich"])
    assert {"http-equiv": "Content-Security-Policy", "content": CSP} in page.all("meta")
    for tag in ("script", "link", "iframe", "object", "embed", "form", "base", "img"):
        assert page.all(tag) == []
    outside = [
        url
        for url in re.findall(r"https?://[^\s\"'<>]*", html)
        if url != "http://www.w3.org/2000/svg"
    ]
    assert outside == []
    assert set(re.findall(r"url\((.{0,16})", html)) == {"data:font/woff2;"}
    assert "@import" not in html


@pytest.mark.parametrize("of", ["", "-western"])
def test_the_page_brings_letters_for_all_that_it_says(of):
    pytest.importorskip("brotli", reason="letters are packed with brotli")
    rooms = (ROOT / "lib/learnalign" / name for name in ("report/templates", "verdicts/en"))
    said = "".join(path.read_text("utf-8") for room in rooms for path in room.rglob("*.*"))
    asked = {*said, *map(chr, range(32, 127))} | ({*"ÀÖßéøÿĀőŠž"} if of else set())
    for _, _, name in typesetting.FACES:
        held = TTFont(ROOT / "lib/learnalign/report/fonts" / f"{name}{of}.woff2").getBestCmap()
        assert {sign for sign in asked - {"\n"} if ord(sign) not in held} == set()
    assert len(typesetting.faces("é" if of else "e")) < (40_000 if of else 31_000)


def test_a_name_with_an_accent_is_in_one_font():
    document = copy.deepcopy(DOCUMENTS["rich"])
    assert typesetting.faces("") in reports.render(document)
    document["run"]["title"] = "Crédit du Nord"
    assert typesetting.faces("é") in reports.render(document)
    assert typesetting.faces("£ 3 × 4 · ±5") == typesetting.faces("")  # signs are no letters


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_page_is_light_and_always_the_same(name):
    html = reports.render(DOCUMENTS[name])
    assert len(html.encode()) < 250_000
    assert html == reports.render(copy.deepcopy(DOCUMENTS[name]))
    assert html.startswith("<!doctype html>")


def test_rendering_leaves_the_document_alone():
    document = copy.deepcopy(DOCUMENTS["rich"])
    reports.render(document)
    assert document == DOCUMENTS["rich"]


def test_nothing_empty_is_printed(page):
    assert not re.search(r"\bNone\b(?! has| of them)|\b(nan|NaN|NaT|undefined|null)\b", page.text)


# --- what it says


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            DOCUMENTS["rich"],
            "Two show a difference, one shows practically none, one is described without a "
            "test, two cannot be answered"
            " yet, one answer should not be trusted and one is not shown, to protect individuals.",
        ),
        (DOCUMENTS["one"], "One shows a difference and seven were not asked in this edition."),
        (
            changed("one", Q1="none"),
            "One shows practically none and seven were not asked in this edition.",
        ),
        (DOCUMENTS["unknown"], "None of them can be answered yet with these data."),
        (
            changed("one", Q1="untrusted"),
            (
                "None has an answer: one answer should not be trusted and seven were not asked "
                "in this edition."
            ),
        ),
    ],
)
def test_the_lede_counts_the_verdicts(document, words):
    lede = f"Eight questions were fixed before anyone looked. {words}"
    assert lede in Page(reports.render(document)).text


def test_a_question_with_two_results_is_answered_in_part_when_one_is_unknown():
    document = changed()
    next(row for row in document["results"] if row["measure"] == "acknowledging_to_merit_total")[
        "verdict"
    ] = "unknown"
    assert (
        "One shows a difference, one shows practically none, one has an answer in part"
        in Page(reports.render(document)).text
    )


def sides(html):
    """What was found, and what is not known, with what to do, of the first screen."""
    know, dont = html.split('id="dont"')
    return know.split('id="know"')[1], dont.split("<nav")[0]


@pytest.mark.parametrize(
    ("verdict", "word", "is_open"),
    [
        ("higher", "Seen, and held up", False),
        ("lower", "Seen, and held up", False),
        ("small", "Seen, and held up", False),
        ("none", "Seen, and held up", False),
        ("unknown", "We don’t know", True),
        ("untrusted", "Seen, not trustworthy", True),
        ("hidden", "Not shown", True),
    ],
)
def test_a_row_says_how_sure_it_is_and_what_is_open_says_what_settles_it(verdict, word, is_open):
    document = changed("one", Q1=verdict)
    row = next(row for row in document["results"] if row["headline"])
    row["checks"] = []
    know, dont = (Page(html).text for html in sides(reports.render(document)))
    assert word in know
    assert ("Whether people who learn more are rated higher To settle it" in dont) is (
        is_open and verdict != "hidden"
    ) or verdict == "hidden"
    assert ("Why. These are patterns" in dont) is not is_open


def test_a_row_has_a_finding_a_picture_and_its_certainty_and_leads_to_its_answer(rich):
    know, _ = sides(reports.render(DOCUMENTS["rich"]))
    entry = next(part for part in know.split("<li>") if "practically the same" in part)
    page = Page(entry[: entry.index("</li>")])
    assert (
        page.text
        == "People who said “I don’t know” were rated practically the same Seen, and held up"
    )
    assert len(page.all("svg")) == 2
    answer = page.all("a")[0]["href"].removeprefix("#")
    row = next(row for row in DOCUMENTS["rich"]["results"] if row["verdict"] == "none")
    assert row["sentence"] in rich.text
    assert {"class": "answer", "id": answer} in rich.all("article")


def test_an_answer_says_what_it_stands_on_and_what_it_was_before_adjusting(rich):
    for words in (
        "about 4212 people · about 163 managers · 5 checks: 4 passed, 1 not possible",
        "before adjusting 0.38 SD (0.31 to 0.45 SD), about 5020 people",
    ):
        assert words in rich.text


def test_an_unknown_says_what_would_settle_it(page):
    assert "To settle it" in page.text
    document = DOCUMENTS["unknown"]
    text = Page(reports.render(document)).text
    assert all(row["to_settle"] in text for row in document["results"])
    assert "a first look is possible after 2 cycles: in about 12 months" in text


def test_what_to_record_first_is_what_opens_most_questions():
    text = Page(reports.render(DOCUMENTS["unknown"])).text
    listed = text.partition("What to record, and which questions that opens")[2]
    places = [
        listed.index(keys) for keys in ("Q2, Q3, Q4, Q6", "Q6, Q7, Q8", "Q1, Q5", "Q8 Recorded")
    ]
    assert places == sorted(places)


def test_no_finding_at_all_reads_well():
    text = Page(reports.render(DOCUMENTS["unknown"])).text
    assert "We don’t know yet whether saying “I don’t know” pays or costs here" in text
    assert text.count("We don’t know") > 8


def test_a_question_without_a_result_does_not_vanish():
    document = copy.deepcopy(DOCUMENTS["rich"])
    document["results"] = [row for row in document["results"] if row["question"] != "Q8"]
    assert (
        "We don’t know: this edition holds no result for it." in Page(reports.render(document)).text
    )


def test_a_result_for_a_question_that_was_not_asked_is_refused():
    document = copy.deepcopy(DOCUMENTS["one"])
    document["results"][0]["question"] = "Q2"
    with pytest.raises(ValueError, match="questions that were not asked: Q2"):
        reports.render(document)


def test_what_was_not_asked_is_listed():
    text = Page(reports.render(DOCUMENTS["one"])).text
    assert "Not asked in this edition Do people who say" in text
    assert "Not asked in this edition" not in Page(reports.render(DOCUMENTS["rich"])).text


def test_chapters_show_raw_beside_adjusted_checks_notes_and_who_fell_out(rich):
    for words in (
        "Lead test Failed next year’s learning “predicts” this year’s rating (p = 0.003)",
        "Note: hours are recorded; the comparison is 14 hours against 5.",
        "How this could be wrong Passing every check is no proof",
        "No rating recorded 99 % 5000 or more",
        "Read about 14570 5000 or more",
        "Mentoring Seen, and held up 1.61 times 1.28 to 2.02 times 610",
    ):
        assert words in rich.text


def test_coverage_says_what_is_missing_and_what_could_be_seen(rich):
    assert "Needs people, reviews, learning. 0.10 SD 0.14 SD" in rich.text
    assert (
        "Missing: assessments, acknowledgements, learning.skill."
        in Page(reports.render(DOCUMENTS["unknown"])).text
    )


@pytest.mark.slow
def test_every_picture_that_was_published_is_on_the_page(edition):
    """Those of the coverage chapter too: what units say of the drivers."""
    html = reports.render(edition.document)
    drawn = [show.draw(record) for record in edition.document["pictures"]]
    assert {record["notebook"] for record in edition.document["pictures"]} >= {
        "coverage",
        "gap_journey",
    }
    assert all(picture.html in html for picture in drawn)
    for name, limits in edition.document["limits"].items():
        assert limits and all(limit.split(":")[0] in Page(html).text for limit in limits), name


NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_says_in_one_tagged_cell_how_it_could_be_wrong(path):
    notebook = json.loads(path.read_text("utf-8"))
    tagged = [cell for cell in notebook["cells"] if "limits" in cell["metadata"].get("tags", [])]
    (text,) = ("".join(cell["source"]) for cell in tagged)
    assert text.startswith("## How this could be wrong\n")
    said = reports.limits(notebook)
    assert said and not any(set(line) & set("*#\n") for line in said)


def test_the_room_what_to_do_and_how_to_read_are_there(page):
    text = page.text
    for words in (
        "Who will this impact?",
        "What new skills will this need?",
        "What is the advantage?",
        "How do we make it our own?",
        "Make no decision about one person",
        "What closes gaps",
        "How to read this report",
        "Method, in plain words",
        "at least 30 days before it",
        "A map of the questions",
    ):
        assert words in text


def test_provenance_says_data_versions_and_parameters(rich):
    for words in (
        "sha256:9c1f0f6a",
        "pandas 3.1.1",
        "engine duckdb",
        "Surveys 384 –",
        "1 February 1998",
    ):
        assert words in rich.text


def test_a_title_that_is_the_company_is_said_once():
    document = copy.deepcopy(DOCUMENTS["one"])
    document["run"]["title"] = document["data"]["title"] = "Northbank"
    assert (
        "Northbank · edition of 30 June 2026 People who learned more"
        in Page(reports.render(document)).text
    )


def test_thousands_do_not_break_a_number(rich):
    assert "4212 people" in rich.text  # the gap is drawn, not written


# --- privacy


def test_a_small_result_that_slipped_through_is_not_in_the_bytes():
    document = copy.deepcopy(DOCUMENTS["one"])
    row = document["results"][0]
    row |= {
        "n_people": 7,
        "estimate": 0.8765,
        "low": 0.8654,
        "high": 0.8876,
        "sentence": "7 people were rated 0.88 SD higher.",
    }
    row["checks"] = [{"name": "lead test", "outcome": "passed", "detail": "0.8711"}]
    html = reports.render(document)
    for secret in ("0.88", "0.87", "7 people", "0.8711"):
        assert secret not in html
    assert "Not shown, to protect individuals" in html


def test_the_raw_figure_of_a_hidden_result_is_hidden_too():
    document = copy.deepcopy(DOCUMENTS["one"])
    document["results"][0]["n_clusters"] = 2
    assert "0.38 SD" not in Page(reports.render(document)).text


# --- what is written by others


def poisoned(value, payload, key=""):
    """The document with every free text replaced."""
    if isinstance(value, dict):
        return {name: poisoned(item, payload, name) for name, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item, payload, key) for item in value]
    return payload if isinstance(value, str) and key not in CLOSED else value


def poisoned_document(payload):
    document = poisoned(DOCUMENTS["rich"], payload)
    for row, original in zip(document["results"], DOCUMENTS["rich"]["results"], strict=True):
        row["at"] = original["at"] if original["at"] == "raw" else row["at"]
    document["run"]["notebooks"] = [payload]
    document["run"]["params"] = {payload: payload}
    document["versions"] = {payload: payload}
    return document


GLOSSARY = re.compile(
    r'<details class="chapter">\s*<summary><h2 id="glossary">.*?</details>', re.DOTALL
)


def skeleton(html):
    """The elements, but for the drawing, figures in bold and the glossary, which all depend on the
    words.
    """
    vary = ("rect", "path", "circle", "text", "b")
    return [
        (tag, sorted(attrs))
        for tag, attrs in Page(GLOSSARY.sub("", html)).elements
        if tag not in vary
    ]


@pytest.mark.parametrize("payload", CORPUS)
def test_no_value_can_become_markup(payload):
    html = reports.render(poisoned_document(payload))
    page = Page(html)
    assert skeleton(html) == skeleton(reports.render(poisoned_document("plain")))
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    assert "\x00" not in html
    assert "\u202e" not in html
    assert " ".join(payload.translate({0: None, 0x202E: None, 0x2066: None}).split()) in page.text


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_text_at_all_stays_text(payload):
    page = Page(reports.render(poisoned_document(payload)))
    assert page.unbalanced == []
    assert page.all("script") == []


# --- editions of the time before figures were moved


@pytest.mark.slow
def test_the_page_says_from_which_edition_on_figures_are_moved():
    def at(day, *, is_moved):
        document = changed()
        document["run"]["as_of"] = day
        noise = {"key": "0a1b2c3d", "certainty": 70, "factor": 1.0, "states": 1}
        document["run"].pop("noise", None)
        document["run"] |= {"noise": noise} if is_moved else {}
        return document

    old, first, now = (
        at(day, is_moved=day > "2024") for day in ("2023-06-30", "2024-06-30", "2025-06-30")
    )
    told = "Figures are moved from the edition of 30 June 2024 on"
    assert told in Page(reports.render(now, [old, first])).text
    assert told in Page(reports.render(first, [old])).text
    for document, earlier in ((now, [first]), (now, []), (old, [])):
        assert "Figures are moved from" not in Page(reports.render(document, earlier)).text

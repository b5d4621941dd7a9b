"""`learnalign audit`: every check finds what a tampered edition tells, and nothing in one as it was
published.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import zlib
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from learnalign.data.mistakes import DataError
from learnalign.privacy import audit, findings, gate
from learnalign.verdicts import document as results

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "data/demo"


@pytest.fixture
def out(edition, tmp_path) -> Path:
    """A copy of what the shipped report published, ledger and all, but for the PDF: it takes long
    to read.
    """
    shutil.copytree(
        edition.folder.parents[1], tmp_path / "out", ignore=shutil.ignore_patterns("*.pdf")
    )
    manifest = folder(tmp_path / "out") / "manifest.json"
    content = json.loads(manifest.read_text())
    content["sha256"].pop("report.pdf", None)
    results.write_json(manifest, content)
    return tmp_path / "out"


def folder(out: Path) -> Path:
    (found,) = out.glob("*/*/results.json")
    return found.parent


def signed(place: Path) -> None:
    """Whoever changes a file can change its digest: an audit must not rest on them."""
    manifest = json.loads((place / "manifest.json").read_text())
    for name in manifest["sha256"]:
        if (place / name).is_file():
            manifest["sha256"][name] = hashlib.sha256((place / name).read_bytes()).hexdigest()
    results.write_json(place / "manifest.json", manifest)


def changed(out: Path, change, *, told: bool = True) -> str:
    """What an audit says after `change` of the document, with digests and, when `told`, the ledger
    made to agree.
    """
    place = folder(out)
    document = json.loads((place / "results.json").read_text())
    change(document)
    results.write_json(place / "results.json", document)
    signed(place)
    if told:
        gate.enter(out, document)
    return str(audit.audit(out))


def row(document: dict, at: str) -> dict:
    return next(one for one in document["results"] if one["at"] == at)


@pytest.mark.e2e
def test_an_edition_as_published_is_clean(edition, out):
    assert audit.audit(edition.folder.parents[1], DEMO).findings == ()
    done = audit.audit(out, DEMO)
    assert (done.findings, done.editions) == ((), 1)
    assert done.figures > 100 and done.hidden > 5
    assert str(done).startswith(
        f"1 edition, {done.figures} figures, {done.hidden} hidden: nothing found\nNot looked at: "
    )
    place = folder(out)
    assert audit.audit(place).findings == audit.audit(place.parent).findings == ()
    shutil.rmtree(place / "restricted")  # not published, and not missed
    (out / results.LEDGER).unlink()
    assert audit.audit(out).findings == ()


# --- what the results tell


def _holds(name, value):
    def change(document):
        next(one for one in document["results"] if not one["shown"])[name] = value

    return change


def _row(at, **values):
    def change(document):
        row(document, at).update(values)

    return change


def _counts(document):
    document["run"]["rounded_to"] = None
    document["data"]["tables"][1]["people"] = document["data"]["tables"][0]["people"] - 3


def _not_rounded(document):
    document["data"]["tables"][0]["people"] += 3


def _flow(document):
    steps = next(flow["steps"] for flow in document["flows"] if len(flow["steps"]) > 3)
    steps[1]["people_left"] = steps[0]["people_left"] - 4


def _drop(document):
    document["flows"][0]["steps"][1]["people"] = 7


def _picture(**values):
    def change(document):
        plain = {"rating": 3, "target": 2.0, "people": 20, "gap": 0.1, "shown": True}
        document["pictures"].append(
            {"notebook": "x", "kind": "matrix", "min_group": 10, "rows": [plain | values]}
        )

    return change


def _coarser_picture(document):
    document["pictures"].append({"notebook": "x", "kind": "matrix", "min_group": 5, "rows": []})


def _part(document):
    """One hidden group is left of an attribute, and another attribute tells the whole."""
    hidden = [
        one
        for one in document["results"]
        if one["measure"] == "mentoring_reach" and not one["shown"]
    ]
    whole = sum(
        one["n_people"]
        for one in document["results"]
        if one["at"].startswith("age_band: ")
        and one["shown"]
        and one["measure"] == "mentoring_reach"
    )
    document["run"]["rounded_to"] = None
    document["results"] = [
        one
        for one in document["results"]
        if one["measure"] != "mentoring_reach" or one["at"].startswith("age_band: ")
    ]
    shown = dict(row(document, "age_band: 50 and over"))
    document["results"] += [
        hidden[0] | {"at": "gender: x"},
        shown | {"at": "gender: y", "n_people": whole - 60},
        shown | {"at": "gender: z", "n_people": 30},
    ]


RULES = {
    "an estimate in a hidden row": (_holds("estimate", 0.1), "is hidden and holds estimate"),
    "people in a hidden row": (_holds("n_people", 7), "is hidden and holds n_people"),
    "a note in a hidden row": (_holds("note", "nearly all"), "is hidden and holds note"),
    "a number in a hidden sentence": (
        _holds("sentence", "Hidden: 7 people"),
        "is hidden and holds sentence",
    ),
    "few people": (
        _row("hours that were required", n_people=9),
        "is shown for fewer than 10 people",
    ),
    "people unknown": (
        _row("hours that were required", n_people=None),
        "is shown for fewer than 10 people",
    ),
    "few managers": (
        _row("hours that were required", n_clusters=2),
        "is shown for fewer than 3 managers",
    ),
    "nobody": (
        _row("hours that were required", estimate=0.0),
        "says that nobody, or everybody, is so",
    ),
    "everybody": (
        _row("hours that were required", estimate=100.0),
        "says that nobody, or everybody, is so",
    ),
    "close counts": (_counts, "differ by fewer than 10"),
    "counts not rounded": (_not_rounded, "are said to be rounded and are not"),
    "a small step": (_flow, "the people left before and after a step differ by fewer than 10"),
    "a small drop": (_drop, "a step drops fewer than 10 people or rows"),
    "a picture of few": (
        _picture(people=4),
        "picture matrix of x: a row is on fewer than 10 people",
    ),
    "a hidden cell": (
        _picture(shown=False, people=None),
        "picture matrix of x: a hidden row holds gap",
    ),
    "a picture for fewer": (_coarser_picture, "was made for groups of 5, below 10"),
    "one hidden part": (_part, "gender: hidden groups are known within"),
    "below the floor": (
        lambda document: document["run"].update(min_group=4),
        "run.min_group: is below 5",
    ),
}


@pytest.mark.e2e
@pytest.mark.parametrize("rule", RULES)
def test_what_the_results_tell_is_found(out, rule):
    change, words = RULES[rule]
    assert words in changed(out, change)


@pytest.mark.e2e
def test_results_that_the_ledger_does_not_know_are_found(out):
    def change(document):
        document["results"][0]["sentence"] += "!"

    assert "is not as ledger.jsonl says it was published" in changed(out, change, told=False)


@pytest.mark.e2e
def test_a_damaged_line_of_the_ledger_is_found(out):
    with (out / results.LEDGER).open("a") as file:
        file.write("{}\n")
    assert "line 2 is damaged" in str(audit.audit(out))


# --- beside other editions


def beside(out: Path, change) -> list[str]:
    """What an audit finds when an edition of another report is put beside, `change`d, and never
    went by the gate.
    """
    place = folder(out)
    other = out / "other" / place.name
    shutil.copytree(place, other)
    document = json.loads((other / "results.json").read_text())
    document["run"] |= {"run_id": "another", "report": "other"}
    change(document)
    results.write_json(other / "results.json", document)
    manifest = json.loads((other / "manifest.json").read_text()) | {"run_id": "another"}
    results.write_json(other / "manifest.json", manifest)
    signed(other)
    gate.enter(out, document)
    return [f"{one.where}: {one.what}" for one in audit.audit(out).findings]


@pytest.mark.e2e
def test_the_same_edition_twice_is_no_finding(out):
    assert beside(out, lambda document: None) == []


@pytest.mark.e2e
def test_a_row_that_another_edition_of_the_same_data_hid_is_found(out):
    def show(document):
        some = next(one for one in document["results"] if not one["shown"])
        some |= {
            **row(document, "hours that were required"),
            **{k: some[k] for k in ("question", "measure", "at")},
        }

    assert any(
        "is shown, and northbank of 2026-06-30 hid it for nearly the same data" in one
        for one in beside(out, show)
    )


@pytest.mark.e2e
def test_the_same_row_on_nearly_the_same_people_is_found(out):
    def later(document):
        document["data"]["fingerprint"] = "later"
        row(document, "hours per person and half-year")["estimate"] += 0.0123456

    found = beside(out, later)
    assert len(found) == 2  # from both sides
    assert all("hours per person and half-year: and the same in" in one for one in found)


@pytest.mark.e2e
def test_close_counts_of_two_exact_editions_are_found(out):
    def exact(document):
        document["data"]["fingerprint"] = "later"

    beside(out, exact)
    for place, more in ((folder_of(out, "northbank"), 0), (folder_of(out, "other"), 3)):
        document = json.loads((place / "results.json").read_text())
        document["run"]["rounded_to"] = None
        document["data"]["tables"][0]["people"] = 5000 + more
        results.write_json(place / "results.json", document)
    assert "5000 and 5003 differ by fewer than 10" in str(audit.audit(out))


def folder_of(out: Path, report: str) -> Path:
    (found,) = (out / report).iterdir()
    return found


# --- files and bytes


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (
            lambda f: (f / "summary.txt").write_text("All is well."),
            "summary.txt: is not as it was published",
        ),
        (lambda f: (f / "summary.txt").unlink(), "summary.txt: is missing"),
        (lambda f: (f / "people.csv").write_text("a,b"), "people.csv: is not part of the edition"),
        (lambda f: (f / "manifest.json").unlink(), "manifest.json: is missing or cannot be read"),
        (
            lambda f: (f / "manifest.json").write_text('{"run_id": "x", "sha256": {}}'),
            "is of another run",
        ),
        (
            lambda f: (f / "results.json").write_text('{"schema_version": 1}'),
            f"is of schema 1, not {results.SCHEMA_VERSION}",
        ),
        (lambda f: (f / "results.json").write_text("{"), "results.json cannot be read"),
        (
            lambda f: (f / "results.json").write_text('{"schema_version": 3, "results": [{}]}'),
            "cannot be read",
        ),
        (lambda f: (f / "restricted").chmod(0o755), "restricted: can be read by others"),
    ],
    ids=[
        "changed",
        "missing",
        "stray",
        "no manifest",
        "another run",
        "schema",
        "torn",
        "shape",
        "mode",
    ],
)
def test_files_that_are_not_as_published_are_found(out, tamper, words):
    tamper(folder(out))
    assert words in str(audit.audit(out))


PAGES = {
    "policy": (
        "default-src 'none'; img-src",
        "default-src *; img-src",
        "another content security policy",
    ),
    "script": ("</main>", "<script>1</script></main>", "has an element <script>"),
    "handler": ("<main", '<main onclick="x()"', "has a script in onclick"),
    "address": (
        "</main>",
        '<a href="https://example.org/x">x</a></main>',
        "asks for https://example.org/x",
    ),
    "javascript": ("</main>", '<a href=" java\nscript:x">x</a></main>', "asks for"),
    "svg address": (
        "</main>",
        '<svg><use xlink:href="//example.org/i"/></svg></main>',
        "asks for //example.org/i",
    ),
    "style address": (
        "</style>",
        "p{background:url( 'https://example.org')}</style>",
        "in its style",
    ),
    "import": ("</style>", "@import 'x.css';</style>", "in its style"),
    "count": ("</main>", "<p>1<i></i>237 people</p></main>", "tells of 1237 people or managers"),
}


@pytest.mark.e2e
@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_asks_or_runs_or_counts_is_found(out, page):
    old, new, words = PAGES[page]
    place = folder(out) / "report.html"
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new, 1))
    signed(place.parent)
    (finding, *more) = audit.audit(out).findings
    assert words in finding.what and not more


def test_a_count_in_the_text_that_the_results_do_not_hold_is_found(out):
    place = folder(out) / "summary.txt"
    place.write_text(place.read_text() + "1\u202f237 people\n")
    signed(place.parent)
    assert "summary.txt: tells of 1237 people" in str(audit.audit(out))


HIDDEN = "Jane.Doe@example-bank.com"
WAYS = {
    "plain": HIDDEN.encode(),
    "UTF-16": HIDDEN.encode("utf-16"),
    "UTF-16 the other way": HIDDEN.encode("utf-16-be"),
    "Latin-1": "Zoë ".encode("latin-1") + HIDDEN.encode(),
    "entities": "".join(f"&#{ord(sign)};" for sign in HIDDEN).encode(),
    "an entity": HIDDEN.replace("@", "&commat;").encode(),
    "percent": "".join(f"%{ord(sign):02x}" for sign in HIDDEN).encode(),
    "JSON": "".join(f"\\u{ord(sign):04x}" for sign in HIDDEN).encode(),
    "base64": b"data:text/plain;base64," + base64.b64encode(HIDDEN.encode()),
    "base64 of UTF-16": base64.b64encode(HIDDEN.encode("utf-16-le")),
    "a PDF's stream": b"4 0 obj<</Filter/FlateDecode>>stream\n"
    + zlib.compress(HIDDEN.encode())
    + b"\nendstream",
}


@pytest.mark.e2e
@pytest.mark.parametrize("way", WAYS)
def test_an_address_is_found_however_it_is_written(out, way):
    place = folder(out) / "summary.txt"
    place.write_bytes(place.read_bytes() + b"\n" + WAYS[way])
    signed(place.parent)
    assert f"summary.txt: holds {HIDDEN}" in str(audit.audit(out))


@pytest.mark.e2e
@pytest.mark.parametrize("name", ["report.html", "manifest.json"])
def test_an_id_is_found_in_every_file(out, name):
    who = (DEMO / "people.csv").read_text().splitlines()[7].split(",")[0]
    place = folder(out) / name
    text = place.read_text()
    where = text.index('"run_id": "') + 11 if name.endswith("json") else len(text) - 20
    place.write_text(f"{text[:where]}_{who}'{text[where:]}")
    found = [one.what for one in audit.audit(out, DEMO).findings]
    assert f"holds {' '.join(audit.WORD.findall(who))}" in found
    assert f"holds {who}" not in [
        one.what for one in audit.audit(out).findings
    ]  # only who knows the ids finds them


def test_ids_that_look_like_a_count_are_said_not_to_be_looked_for(out, tmp_path, write_tables):
    people = pd.DataFrame(
        {"person_id": ["12", "40123", "104233", "a-7", "a-781"], "hired_on": "2020-01-01"}
    )
    reviews = pd.DataFrame(
        {
            "person_id": ["12"],
            "cycle": "H1",
            "reviewed_on": "2024-06-30",
            "rating": 3,
            "unit": "ops",
        }
    )
    data = write_tables(tmp_path / "data", {"people": people, "reviews": reviews})
    done = audit.audit(out, data)
    assert done.findings == ()
    assert "3 ids that are as short as a count were not looked for." in done.unseen
    place = folder(out) / "summary.txt"
    place.write_text(place.read_text() + "\n12 40123 104233 a-7 x_a.781")
    signed(place.parent)
    assert [one.what for one in audit.audit(out, data).findings] == ["holds 104233", "holds a 781"]


# --- the command


def test_no_edition_is_said_so(tmp_path):
    with pytest.raises(DataError, match="holds no edition"):
        audit.audit(tmp_path)


def command(*arguments: object) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "learnalign", "audit", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.e2e
def test_the_command_ends_with_what_it_found(out, tmp_path):
    assert command(out)[0] == 0
    (folder(out) / "people.csv").write_text("ana,ben")
    code, said, _ = command(out)
    assert code == 1 and "people.csv: is not part of the edition\n    Do: take it away" in said
    (tmp_path / "empty").mkdir()
    code, said, errors = command(tmp_path / "empty")
    assert (code, said) == (2, "") and "holds no edition" in errors and "Traceback" not in errors


def test_a_line_says_what_the_document_says(edition):
    """The ledger's line of an edition is made of its bytes again: digest, figures, hidden rows."""
    (line,), _ = results.ledger(edition.folder.parents[1])
    assert line == findings.line_of(edition.document)
    assert len(line.hidden) == sum(not one["shown"] for one in edition.document["results"])
    assert json.loads(json.dumps(asdict(line)))["digest"] == line.digest

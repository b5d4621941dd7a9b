"""`learnalign audit` without the data: it finds what is planted in what was published, and nothing
in editions as they were published.
"""

import base64
import copy
import gzip
import hashlib
import json
import os
import shutil
import zipfile
import zlib
from pathlib import Path

import pytest
from tests.published import SECRET, document, published, signed, with_units

from learnalign.data.mistakes import DataError
from learnalign.privacy import audit as looks
from learnalign.privacy import keys
from learnalign.runs import audit, history, publish
from learnalign.verdicts import document as results

DAY = "2026-06-30"
WHO = "p-00417"


@pytest.fixture(scope="module")
def honest(tmp_path_factory) -> Path:
    """Two editions of a report."""
    out = tmp_path_factory.mktemp("honest") / "out"
    published(out, document("2025-12-31"), run_id="two")
    published(out, document(DAY), run_id="three")
    return out


@pytest.fixture(scope="module")
def each(tmp_path_factory) -> Path:
    """An edition with two units, and a third that is too small."""
    out, few = tmp_path_factory.mktemp("each") / "out", ["Gamma"]
    published(out, *with_units("Alpha", "Beta", few=few, report="each"), few=few, run_id="each")
    return out


@pytest.fixture
def out(honest, tmp_path) -> Path:
    shutil.copytree(honest, tmp_path / "out", symlinks=True)
    return tmp_path / "out"


@pytest.fixture
def fanned(each, tmp_path) -> Path:
    shutil.copytree(each, tmp_path / "fanned", symlinks=True)
    return tmp_path / "fanned"


def edition(out: Path, report: str = "northbank") -> Path:
    return out / report / DAY


def found(out: Path) -> list[str]:
    return [f"{one.where}: {one.what}" for one in audit.audit(out).findings]


def changed(place: Path, change, *, pages: bool = False) -> None:
    """Change a document, and make digests, the list of editions and, with `pages`, the pages agree
    with it: an audit must not rest on them.
    """
    made = json.loads((place / "results.json").read_text())
    change(made)
    results.write_json(place / "results.json", made)
    if pages:
        ids = made["run"]["earlier"]
        past, _ = results.earlier(place.parent, made["run"]["as_of"])
        past = [one for one in past if one["run"]["run_id"] in ids]
        (place / "report.html").write_text(publish.reports.render(made, past))
        (place / "summary.txt").write_text(publish.reports.summary(made, past))
    signed(place)
    results.enter(place.parents[1], publish.line_of(made, ""))


# --- no false alarm


def test_editions_as_published_are_clean(honest):
    done = audit.audit(honest)
    assert done.findings == ()
    assert len(done.lines) <= 10 and "Editions: 2; figures:" in done.lines[0]
    assert "compared byte by byte: 2." in done.lines[2]
    assert str(done).endswith("Nothing found.")


def test_editions_of_units_are_clean(each):
    done = audit.audit(each)
    assert done.findings == () and "compared byte by byte: 3." in done.lines[2]
    assert audit.audit(each / f"each/{DAY}/units/alpha").findings == ()


@pytest.mark.parametrize("place", ["northbank", f"northbank/{DAY}"])
def test_a_report_and_an_edition_are_clean_alone(honest, place):
    assert audit.audit(honest / place).findings == ()


def test_what_is_not_published_is_not_missed(out):
    for closed in out.rglob("restricted"):
        shutil.rmtree(closed)
    for name in (".private", ".runs"):
        shutil.rmtree(out / name)
    (out / results.LEDGER).unlink()
    (out / "history.parquet").unlink()
    assert found(out) == []


@pytest.mark.slow
def test_ten_editions_and_a_rerun_of_an_old_one_are_clean(out):
    days = [f"{year}-{day}" for year in range(2021, 2025) for day in ("06-30", "12-31")]
    for number, day in enumerate(days):
        published(out, document(day), run_id=f"of {number}")
    (out / "northbank/2023-12-31").rename(out.parent / "aside")  # deleted since
    done = audit.audit(out)
    assert done.findings == ()
    assert "not here as they were, and not made again: 4." in done.lines[2]


def test_an_edition_of_before_figures_were_moved_is_clean(out):
    place = edition(out)
    made = json.loads((place / "results.json").read_text()) | {"schema_version": results.BEFORE}
    for name in ("noise", "earlier"):
        del made["run"][name]
    made["run"]["rounded_to"] = 10
    for row in made["results"]:
        del row["at_least"]
        row["step"] = None
    results.write_json(place / "results.json", made)
    signed(place)
    lines = (out / results.LEDGER).read_text().splitlines()
    held = json.loads(next(line for line in lines if '"three"' in line))
    del held["key"]
    old = held | {"digest": results.digest(made), "rounded_to": 10, "figures": [], "people": []}
    lines = [line for line in lines if '"three"' not in line]
    (out / results.LEDGER).write_text("\n".join([*lines, json.dumps(old)]) + "\n")
    (out / "history.parquet").unlink()
    history.record(out, out / ".runs")
    done = audit.audit(out)
    assert done.findings == ()
    assert "Of the time before figures were moved, and not made again: 1." in done.lines[2]
    assert len(done.lines) <= 10


def test_an_edition_of_another_version_is_not_made_again(out):
    changed(edition(out), lambda made: made["versions"].update(build="another"))
    (out / "history.parquet").unlink()
    done = audit.audit(out)
    assert done.findings == ()
    assert "another version of the library, and not made again here: 1." in done.lines[2]


# --- files, and what lies beside them


def _zip(place: Path) -> None:
    with zipfile.ZipFile(place, "w") as file:
        file.writestr("people.csv", "ana,ben")


FILES = {
    "a zip beside editions": (
        lambda out: _zip(out / "northbank/all.zip"),
        "all.zip: is no edition",
    ),
    "a zip in OUT": (lambda out: _zip(out / "all.zip"), "all.zip: is no edition"),
    "a hidden file in OUT": (
        lambda out: (out / ".people.csv").write_text("ana"),
        ".people.csv: is no edition",
    ),
    "a folder of people": (
        lambda out: shutil.copytree(out / ".private", out / "tables"),
        "tables: is no edition",
    ),
    "a stranger in an edition": (
        lambda out: (edition(out) / "people.csv").write_text("ana"),
        "people.csv: is not part of an edition",
    ),
    "a hidden file in an edition": (
        lambda out: (edition(out) / ".x").write_text("ana"),
        ".x: is not part of an edition",
    ),
    "an empty folder in an edition": (
        lambda out: (edition(out) / "ana.miller").mkdir(),
        "ana.miller: is not part of an edition",
    ),
    "rows in restricted": (
        lambda out: (edition(out) / "restricted/people.csv").write_text("ana"),
        "restricted/people.csv: is not part of an edition",
    ),
    "the key inside an edition": (
        lambda out: shutil.copytree(out / ".private", edition(out) / ".private"),
        ".private/key: is not part of an edition",
    ),
    "a link": (
        lambda out: (edition(out) / "report.pdf").symlink_to("/etc/passwd"),
        "report.pdf: is a link",
    ),
    "a link to a folder": (
        lambda out: (out / "northbank/2024-12-31").symlink_to(edition(out)),
        "2024-12-31: is a link",
    ),
    "a pipe": (lambda out: os.mkfifo(edition(out) / "report.pdf"), "no plain file"),
    "a key for all to read": (
        lambda out: (out / ".private/key").chmod(0o644),
        "key: can be read by others",
    ),
    "a folder of the key for all": (
        lambda out: (out / ".private").chmod(0o755),
        ".private: can be read by others",
    ),
    "a second key": (
        lambda out: (out / ".private/old").write_text("00"),
        ".private/old: is no key",
    ),
    "notebooks for all to read": (
        lambda out: (edition(out) / "restricted").chmod(0o755),
        "restricted: can be read by others",
    ),
    "a changed file": (
        lambda out: (edition(out) / "summary.txt").write_text("All is well."),
        "summary.txt: is not as it was published",
    ),
    "a missing file": (
        lambda out: (edition(out) / "summary.txt").unlink(),
        "summary.txt: is missing",
    ),
    "no manifest": (
        lambda out: (edition(out) / "manifest.json").unlink(),
        "manifest.json: is missing or cannot be read",
    ),
    "another run's manifest": (
        lambda out: shutil.copy(out / "northbank/2025-12-31/manifest.json", edition(out)),
        "manifest.json: is of another run",
    ),
    "no results": (
        lambda out: (edition(out) / "results.json").write_text("{"),
        "results.json cannot be read",
    ),
    "results of another shape": (
        lambda out: (edition(out) / "results.json").write_text(
            json.dumps({"schema_version": results.SCHEMA_VERSION, "results": [{}]})
        ),
        "results.json cannot be read",
    ),
    "a damaged list of editions": (
        lambda out: (out / results.LEDGER).open("a").write("{}\n"),
        "line 3 is damaged",
    ),
}


@pytest.mark.parametrize("leak", FILES)
def test_a_file_that_no_run_makes_is_found(out, leak):
    plant, words = FILES[leak]
    plant(out)
    assert words in "\n".join(found(out))


OF_UNITS = {
    "in a unit's edition": (
        lambda top: (top / "units/alpha/data.csv").write_text("ana"),
        "data.csv: is not part of an edition",
    ),
    "in units/": (
        lambda top: (top / "units/all.csv").write_text("ana"),
        "units/all.csv: is not part of an edition",
    ),
    "a third unit": (
        lambda top: shutil.copytree(top / "units/beta", top / "units/gamma"),
        "units/gamma: is of no unit of it",
    ),
}


@pytest.mark.parametrize("leak", OF_UNITS)
def test_a_file_that_no_run_makes_is_found_among_units(fanned, leak):
    plant, words = OF_UNITS[leak]
    plant(edition(fanned, "each"))
    assert words in "\n".join(found(fanned))


def _in_manifest(place: Path) -> None:
    manifest = json.loads((place / "manifest.json").read_text()) | {"people": [WHO]}
    results.write_json(place / "manifest.json", manifest)


def test_a_key_in_the_manifest_is_found(out):
    _in_manifest(edition(out))
    assert any("manifest.json: is not as a run writes it" in one for one in found(out))


def test_a_pdf_that_carries_a_file_is_found():
    page = b"%PDF-1.7\n1 0 obj<<>>endobj\n%%EOF\n"
    packed = zlib.compress(b"<</EmbeddedFiles 3 0 R>>")
    assert looks.is_a_page(page)
    assert not looks.is_a_page(page + b"PK\x03\x04" + page)
    assert not looks.is_a_page(page.replace(b"<<>>", b"<</EmbeddedFile 2 0 R>>"))
    assert not looks.is_a_page(page.replace(b"<<>>", b"stream\n" + packed + b"\nendstream"))
    plain = b"<</S/JavaScript>>"  # in a stream that is not packed, and behind what is
    for some in (plain, zlib.compress(b"of a page") + plain):
        assert not looks.is_a_page(page.replace(b"<<>>", b"stream\n" + some + b"\nendstream"))
    bare = gzip.compress(b"of a page", mtime=0)
    packed = bare[:3] + b"\x08" + bare[4:10] + b"/JS\0" + bare[10:]  # letters of what is packed
    assert looks.is_a_page(page.replace(b"<<>>", b"stream\n" + packed + b"\nendstream"))


def test_an_id_in_a_stream_that_is_not_packed_is_found():
    ids, _ = looks.words_of([WHO])
    assert looks.people(b"stream\n" + WHO.encode() + b"\nendstream", ids)


# --- keys and rows of results.json, with digests, list and pages made to agree


def _row(shown: bool = True, **values):
    def change(made):
        row = next(r for r in made["results"] if r["shown"] is shown and (not shown or r["df"]))
        row.update(values)

    return change


def _twice(place: Path) -> None:
    """A key that stands twice is read once."""
    text = (place / "results.json").read_text()
    hidden = text.replace('"run": {', f'"run": "{WHO}",\n "run": {{', 1)
    (place / "results.json").write_text(hidden)
    signed(place)


PICTURE = {"kind": "matrix", "notebook": "x", "title": "t", "min_group": 10}
CHANGES = {
    "a key of its own": (lambda made: made.update(people=[WHO]), "holds people, which is in no"),
    "a key in run": (lambda made: made["run"].update(by=WHO), "run: holds by"),
    "a key in params": (lambda made: made["run"]["params"].update(key="00"), "params: holds key"),
    "a key in noise": (
        lambda made: made["run"]["noise"].update(secret=SECRET.hex()),
        "noise: holds secret",
    ),
    "a key in data": (lambda made: made["data"].update(ids=[1]), "data: holds ids"),
    "a key in a table": (
        lambda made: made["data"]["tables"][0].update(exact=5403),
        "tables: holds exact",
    ),
    "a key in a check": (
        lambda made: next(r for r in made["results"] if r["checks"])["checks"][0].update(n=3),
        "checks: holds n",
    ),
    "a key in a flow": (
        lambda made: made["flows"][0]["steps"][0].update(exact=5403),
        "steps: holds exact",
    ),
    "a record where a value stands": (
        lambda made: made["run"].update(unit={"ana": 1}),
        "unit: is of another shape",
    ),
    "a list where a record stands": (
        lambda made: made["data"].update(pace=[[1, WHO]]),
        "pace: is of another shape",
    ),
    "a hidden row's figure": (_row(False, estimate=0.1), "is hidden and holds estimate"),
    "a hidden row's people": (_row(False, n_people=7), "is hidden and holds n_people"),
    "a hidden row's note": (_row(False, note="nearly all"), "is hidden and holds note"),
    "a hidden row's sentence": (
        _row(False, sentence="Hidden: 7 people"),
        "is hidden and holds sentence",
    ),
    "a figure that was not moved": (
        _row(std_error=0.0312345),
        "has more digits than noise leaves: std_error",
    ),
    "a hidden step of a flow": (
        lambda made: made["flows"][0]["steps"][1].update(shown=False),
        "a hidden row holds people, left_pct",
    ),
    "few people": (_row(n_people=9), "is shown for fewer than 10 people"),
    "people unknown": (_row(n_people=None), "is shown without how many people"),
    "few managers": (_row(n_clusters=2), "is shown for fewer than 10 people, or 3 managers"),
    "a sentence of its own": (_row(sentence="It was ana."), "says something else than its figures"),
    "a smaller group": (lambda made: made["run"].update(min_group=4), "is below 5"),
    "a picture of few": (
        lambda made: made["pictures"].append(PICTURE | {"rows": [{"people": 4, "shown": True}]}),
        "a row is on fewer than 10 people",
    ),
    "a hidden cell": (
        lambda made: made["pictures"].append(PICTURE | {"rows": [{"gap": 0.3, "shown": False}]}),
        "a hidden row holds gap",
    ),
    "a hidden table": (
        lambda made: made["data"]["tables"][0].update(shown=False),
        "a hidden row holds rows, people",
    ),
}


@pytest.mark.parametrize("leak", CHANGES)
def test_what_results_may_not_hold_is_found(out, leak):
    change, words = CHANGES[leak]
    changed(edition(out), change)
    assert words in "\n".join(found(out))


def test_a_key_that_stands_twice_is_found(out):
    _twice(edition(out))
    assert any("results.json: is not as a run writes it" in one for one in found(out))


def test_results_that_were_not_published_so_are_found(out):
    place = edition(out)
    made = json.loads((place / "results.json").read_text())
    made["results"][0]["estimate"] += 1e-9
    results.write_json(place / "results.json", made)
    signed(place)
    assert any("is not as ledger.jsonl says it was published" in one for one in found(out))


def test_another_key_than_the_list_says_is_found(out):
    changed(edition(out), lambda made: None)
    lines = (out / results.LEDGER).read_text().replace(keys.mark(SECRET), "00000000")
    (out / results.LEDGER).write_text(lines)
    assert any("names another key than ledger.jsonl" in one for one in found(out))


def test_a_history_that_tells_more_than_its_edition_is_found(out):
    changed(edition(out), _row(estimate=0.5), pages=True)
    assert any("history.parquet: holds other rows than" in one for one in found(out))


# --- pages


def _in_page(old: str, new: str, name: str = "report.html"):
    def plant(place: Path) -> None:
        text = (place / name).read_text()
        assert old in text
        (place / name).write_text(text.replace(old, new, 1))
        signed(place)

    return plant


PAGES = {
    "one byte": (_in_page("</main>", "</main> "), "is not the page that results.json gives"),
    "a sentence": (
        _in_page("What the records show", "What the records hide"),
        "is not the page that results.json",
    ),
    "a comment": (_in_page("</main>", f"<!--{WHO}--></main>"), "is not the page that results.json"),
    "the summary": (
        _in_page("WHAT THE RECORDS SHOW", "WHAT WE HIDE", "summary.txt"),
        "summary.txt: is not the page",
    ),
    "another policy": (
        _in_page("default-src 'none'; font", "default-src *; font"),
        "another content security policy",
    ),
    "a script": (_in_page("</main>", "<script>1</script></main>"), "has an element <script>"),
    "a handler": (_in_page("<main", '<main onclick="x()"'), "has a script in onclick"),
    "an address": (
        _in_page("</main>", '<a href="https://example.org/x">x</a></main>'),
        "asks for https://example.org/x",
    ),
    "an address in a picture": (
        _in_page("</main>", '<svg><use xlink:href="//example.org/i"/></svg></main>'),
        "asks for //example.org/i",
    ),
    "a style from elsewhere": (
        _in_page("</style>", "p{background:url( 'https://example.org')}</style>"),
        "in its style",
    ),
}


@pytest.mark.parametrize("leak", PAGES)
def test_a_page_that_is_not_its_results_is_found(out, leak):
    plant, words = PAGES[leak]
    plant(edition(out))
    assert words in "\n".join(found(out))


def test_an_index_and_a_units_page_that_are_not_their_results_are_found(fanned):
    top = edition(fanned, "each")
    _in_page("league table", "ranking", "index.html")(top)
    _in_page("</main>", "</main> ")(top / "units/beta")
    told = "\n".join(found(fanned))
    assert "index.html: is not the page" in told
    assert "units/beta: report.html: is not the page" in told


# --- ids


WAYS = {
    "plain": WHO.encode(),
    "other signs between": b"x p_00417 y",
    "UTF-16": WHO.encode("utf-16"),
    "Latin-1": "Zoë ".encode("latin-1") + WHO.encode(),
    "entities": "".join(f"&#{ord(sign)};" for sign in WHO).encode(),
    "percent": "".join(f"%{ord(sign):02x}" for sign in WHO).encode(),
    "JSON": "".join(f"\\u{ord(sign):04x}" for sign in WHO).encode(),
    "base64": base64.b64encode(WHO.encode()),
    "base64 in more": base64.b64encode(b"the worst rating has " + WHO.encode()),
    "packed": base64.b64encode(zlib.compress(b"people: " + WHO.encode())),
    "hex": WHO.encode().hex().encode(),
    "a digest": hashlib.sha256(WHO.encode()).hexdigest().encode(),
    "backwards": WHO[::-1].encode(),
    "a PDF's stream": b"stream\n" + zlib.compress(WHO.encode()) + b"\nendstream",
}


@pytest.mark.parametrize("way", WAYS)
def test_an_id_is_found_however_it_is_written(way):
    ids, short = looks.words_of([WHO, "12", "40123", "a-7"])
    assert short == 3
    assert looks.people(b'{"note": "' + WAYS[way] + b'"}', ids) == {"p 00417"}


def test_an_address_is_found_without_any_ids():
    assert looks.people(b"write to Jane.Doe@example-bank.com", {}) == {"Jane.Doe@example-bank.com"}


def test_a_count_is_nobodys_id():
    made = copy.deepcopy(document())
    made["data"]["tables"][0]["people"] = 104233
    assert "104233" in set(looks.counts(made))


# --- none


def test_no_edition_is_said_so(tmp_path):
    with pytest.raises(DataError, match="holds no edition"):
        audit.audit(tmp_path)

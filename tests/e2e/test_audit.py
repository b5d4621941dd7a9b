"""`learnalign audit --data`: figures are made again from the data, with the key and without it."""

import base64
import copy
import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.published import ROOT, SECRET, document, published

from learnalign import studies
from learnalign.data import reading
from learnalign.estimates import ask
from learnalign.facts import contents, ratios
from learnalign.facts.describe import describe
from learnalign.linking import windows
from learnalign.privacy import audit as looks
from learnalign.privacy import gate, keys, rule
from learnalign.runs import again, audit
from learnalign.verdicts import document as results
from learnalign.verdicts import judge, registry
from northbank import tables

DAY = "2026-06-30"


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> Path:
    """A small bank with all its tables."""
    place = tmp_path_factory.mktemp("bank") / "tables"
    return tables.write(tables.northbank(people=300, cycles=4, seed=9), place)


@pytest.fixture(scope="module")
def made(bank, tmp_path_factory) -> dict:
    """What its notebooks hand over, as they do it: moved under the key, and not moved."""
    dataset = reading.read(bank)
    found = {}
    for name in ("moved", "exact"):
        place = tmp_path_factory.mktemp(name)
        windows.prepare(dataset, place, embargo_days=30)
        if name == "moved":
            state = keys.state_of(dataset.fingerprint, dataset.as_of, 30)
            keys.Draws(SECRET, state).save(place)
        study = studies.study(place)
        rows = [*ask.ask(study), *ask.beside(study, *registry.questions())]
        rows += describe(study, *ratios.read())
        tables_of = results.records(contents.contents(study))
        mu = gate.mu(gate.told(study.gate)).max() if study.gate.draws else 0.0
        found[name] = rows, tables_of, gate.certainty(float(mu))
    return found | {"fingerprint": dataset.fingerprint, "as_of": str(dataset.as_of)}


def of_bank(made: dict, name: str = "moved", change=lambda rows: None) -> dict:
    """A document of the bank as a run publishes it, after `change` of its rows."""
    rows, tables_of, certainty = copy.deepcopy(made[name])
    change(rows)
    document_of = document(made["as_of"])
    corrected = rule.suppress(judge.holm(results.merged([results.Chapter("", tuple(rows))])), 10)
    document_of["results"] = [asdict(row) for row in corrected]
    document_of["data"] |= {"fingerprint": made["fingerprint"], "tables": tables_of}
    document_of |= {"coverage": [], "flows": []}
    document_of["run"]["noise"]["certainty"] = round(made["moved"][2])
    run = document_of["run"]
    run["notebooks"] = [one for one in run["notebooks"] if one != "coverage"]
    run["notebook_sha256"] = dict.fromkeys(run["notebooks"], "0")
    document_of["limits"] = {}
    return json.loads(json.dumps(document_of, default=str))


def audited(tmp_path: Path, one: dict, data: Path, *, key: bool) -> audit.Audit:
    out = tmp_path / "out"
    published(out, one, run_id="first")
    if not key:
        shutil.rmtree(out / keys.PRIVATE)
    return audit.audit(out, data)


@pytest.fixture(scope="module")
def once(made, bank):
    """An audit of a changed edition; what data and key give is the same whatever was changed."""
    kept, original = {}, again._made

    def cached(document_of, dataset, draws):
        if dataset.fingerprint != made["fingerprint"]:
            return original(document_of, dataset, draws)
        if draws not in kept:
            kept[draws] = original(of_bank(made), dataset, draws)
        return kept[draws]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(again, "_made", cached)
        yield lambda place, one, key: str(audited(place, one, bank, key=key))


@pytest.mark.parametrize("key", [True, False], ids=["key", "no key"])
def test_an_edition_as_published_is_clean(made, once, tmp_path, key):
    one = of_bank(made)
    done = once(tmp_path, one, key)
    assert done.endswith("Nothing found.") and len(done.splitlines()) <= 11
    n = len(one["results"])
    told, of = map(int, re.search(r" (\d+) of (\d+) results", done).groups())
    assert of == n
    # near a limit the draw decides whether a row is there, which nobody knows without the key
    assert told == n if key else told > 0.95 * n


def test_the_shipped_report_is_clean(edition):
    done = audit.audit(edition.folder.parents[1], ROOT / "data/demo")
    assert done.findings == ()
    n = len(edition.document["results"])
    assert f"With data and key, {n} of {n} results" in str(done)


# --- what is planted


def first(rows, test=lambda row: True):
    """The place of a row that is shown and was estimated."""
    return next(
        at for at, row in enumerate(rows) if row.shown and row.std_error is not None and test(row)
    )


def _set(**values):
    def change(rows, exact):
        at = first(rows)
        rows[at] = replace(rows[at], **values)

    return change


def _exactly(*names):
    def change(rows, exact):
        of = {row.key: row for row in exact}
        at = first(rows, lambda row: all(getattr(row, n) != getattr(of[row.key], n) for n in names))
        true = of[rows[at].key]
        rows[at] = replace(
            rows[at], **{name: float(f"{getattr(true, name):.4g}") for name in names}
        )

    return change


def _shown_though_hidden(rows, exact):
    """A row that the rule hides, with another's figures."""
    true = {row.key: row for row in exact}
    hidden = [at for at, row in enumerate(rows) if not row.shown]  # truly, and not by a draw alone
    at = next(at for at in hidden if rows[at].key in true and not true[rows[at].key].shown)
    figures = rows[first(rows)]
    place = {name: getattr(rows[at], name) for name in ("question", "measure", "group", "at")}
    rows[at] = replace(figures, **place)


def _half(rows, exact):
    """Noise that is a tenth of what it should be."""
    true = {row.key: row for row in exact}
    for at, row in enumerate(rows):
        one = true[row.key]
        if row.shown and row.estimate is not None and one.estimate is not None:
            near = one.estimate + 0.1 * (row.estimate - one.estimate)
            rows[at] = replace(row, estimate=float(f"{near:.4g}"))


WITH_KEY = {
    "an exact figure": (_exactly("estimate"), "is not what data and key give: estimate"),
    "another count": (_set(n_people=100), "is not what data and key give: n_people"),
    "a narrower interval": (_exactly("low", "high"), "data and key give: low, high"),
    "a note": (_set(note="as ana says"), "data and key give: note"),
    "a row that is hidden": (_shown_though_hidden, "is not what data and key give"),
    "all figures nearer": (_half, "more figures are amiss as these are"),
}
WITHOUT = {
    "a count that is far off": (_set(n_people=700), "people or more, which are fewer, or far more"),
    "managers far off": (_set(n_clusters=200), "managers, which is more than 18 off"),
    "a figure far off": (_set(estimate=30.0), "standard deviations of its noise off"),
    "a row that is hidden": (_shown_though_hidden, "of these data the rule hides it"),
    "all figures nearer": (_half, "times as far as they should be"),
}
LEAKS = [(True, name, *leak) for name, leak in WITH_KEY.items()]
LEAKS += [(False, name, *leak) for name, leak in WITHOUT.items()]


@pytest.mark.parametrize(("key", "name", "change", "words"), LEAKS)
def test_a_figure_that_is_not_as_it_should_be_is_found(
    made, once, tmp_path, key, name, change, words
):
    exact = made["exact"][0]
    told = once(tmp_path, of_bank(made, change=lambda rows: change(rows, exact)), key)
    assert words in told


def _short(rows):
    """Figures with no more digits than noise leaves."""
    for at, row in enumerate(rows):
        held = {name: getattr(row, name) for name in looks.FIGURES}
        short = {name: one and float(f"{one:.4g}") for name, one in held.items()}
        rows[at] = replace(row, **short)


@pytest.mark.parametrize("key", [True, False], ids=["key", "no key"])
def test_an_edition_that_was_not_moved_is_found(made, once, tmp_path, key):
    told = once(tmp_path, of_bank(made, "exact", _short), key)
    assert "has more digits" not in told
    assert ("is not what data and key give" if key else "moved 0.0 times as far") in told


@pytest.mark.parametrize("key", [True, False], ids=["key", "no key"])
def test_a_certainty_that_is_not_so_is_found(made, once, tmp_path, key):
    one = of_bank(made)
    one["run"]["noise"]["certainty"] = 60
    assert "of 100 guesses are right, and it says 60" in once(tmp_path, one, key)


def test_a_table_that_is_not_what_key_and_data_give_is_found(made, once, tmp_path):
    one = of_bank(made)
    one["data"]["tables"][1]["people"] += 1
    assert "tables: reviews: is not what data and key give" in once(tmp_path, one, True)


def test_an_id_is_found_in_a_page_and_in_the_list(made, once, bank, tmp_path):
    who = reading.read(bank).tables["people"].person_id.execute()[7]
    one = of_bank(made)
    one["limits"] = {"investment": [base64.b64encode(who.encode()).decode()]}
    told = once(tmp_path, one, True)
    assert f"report.html: holds {' '.join(looks.WORD.findall(who))}" in told
    with (tmp_path / "out" / results.LEDGER).open("a") as file:
        file.write(json.dumps({"run_id": who}) + "\n")
    told = str(audit.audit(tmp_path / "out", bank))
    assert f"{results.LEDGER}: holds {' '.join(looks.WORD.findall(who))}" in told


def test_data_that_no_edition_is_of_are_said_to_be(made, tmp_path, bank):
    one = of_bank(made)
    one["data"]["fingerprint"] = "another"
    told = str(audited(tmp_path, one, bank, key=True))
    assert "is not what any edition here was made of: no figure could be made again" in told


# --- the command


def command(*arguments: object) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "learnalign", "audit", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_ends_with_what_it_found(tmp_path):
    out = tmp_path / "out"
    place = published(out, document(DAY))
    code, said, _ = command(out)
    assert code == 0 and said.endswith("Nothing found.\n") and len(said.splitlines()) <= 11
    (place / "people.csv").write_text("ana,ben")
    code, said, _ = command(out)
    assert code == 1
    assert "people.csv: is not part of an edition\n    Do: take it away" in said
    (tmp_path / "empty").mkdir()
    code, said, errors = command(tmp_path / "empty")
    assert (code, said) == (2, "") and "holds no edition" in errors and "Traceback" not in errors

"""Audits: may a works council pass it on? Pages are made again from their results and compared byte
by byte; with the data and the key at hand, so are the figures.

An audit starts from what is published. It does not know what people know of each other, nor an
edition that is kept elsewhere; and letters drawn in a PDF are not read as words.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from learnalign.data import reading
from learnalign.data.mistakes import DataError, Problem
from learnalign.facts import contents, flows
from learnalign.privacy import audit as looks
from learnalign.privacy.audit import CHANGED, LEAKS, Finding
from learnalign.report import index
from learnalign.report import page as reports
from learnalign.runs import again, documents, history, layout
from learnalign.runs.spec import RunSpec
from learnalign.runs.words import words
from learnalign.studies import SmallestEffects
from learnalign.verdicts import document as results
from learnalign.verdicts import explain, registry
from learnalign.verdicts.result import Check, Result
from learnalign.verdicts.words import said

IDS = {
    "people": ("person_id",),
    "reviews": ("person_id", "manager_id"),
    "ties": ("from_id", "to_id"),
    "assessments": ("assessor_id",),
}


UNLIKE = (LookupError, TypeError, ValueError, AttributeError)  # of what is no document of a run


@dataclass(frozen=True)
class Audit:
    """What an audit looked at, in lines that a works council may rely on, and what it found."""

    findings: tuple[Finding, ...]
    lines: tuple[str, ...]

    def __str__(self) -> str:
        told = map(str, self.findings) if self.findings else [words()["audit"]["nothing"]]
        return "\n".join((*self.lines, *told))


@dataclass(frozen=True)
class Held:
    """An edition that is audited: its content as it lies there, and its document, where it can be
    read.
    """

    folder: Path
    raw: Mapping[str, Any]
    document: dict[str, Any] | None
    is_ours: bool = False  # made by this library, and its packages

    @property
    def run(self) -> Mapping[str, Any]:
        return self.document["run"] if self.document else {}

    @property
    def is_old(self) -> bool:
        """Whether it is of the time before figures were moved."""
        return self.raw.get("schema_version") == results.BEFORE


def audit(out: str | Path, data: str | Path | None = None) -> Audit:
    """Look again at every edition below `out`, or at `out` itself.

    With `data`, the data set that they are of, its ids are looked for in every byte, and figures
    are made again: with the key in `out`/.private to the last digit. A `DataError` when there is no
    edition, or the data cannot be read. Misleads as the module says.

    >>> import learnalign as la
    >>> la.audit("nowhere")
    Traceback (most recent call last):
    ...
    learnalign.data.mistakes.DataError: 1 problem
    nowhere: holds no edition
        Fix: name OUT, or OUT/report/as_of
    """
    out = Path(out)
    folders = layout.editions(out)
    if not folders:
        problem = Problem(str(out), "", "holds no edition", fix="name OUT, or OUT/report/as_of")
        raise DataError([problem])
    found, held, made_with = [*layout.beside(out, folders)], [], documents.versions()
    for folder in folders:
        one, told = _held(folder, made_with)
        held.append(one)
        found += told
    top = layout.top(out, folders)
    lines, damaged = results.ledger(top)
    ids, short = _ids(reading.read(data)) if data else ({}, 0)
    found += _of_lists(top, out, ids, damaged)
    facts: dict[str, Any] = {"ids": len(set(ids.values())), "short": short}
    made = [_remade(one, held) for one in held]
    for one, (_, pages) in zip(held, made, strict=True):
        found += [_at(one.folder, finding) for finding in (*_told(one, held, lines, ids), *pages)]
    if data:
        ours = [(one.folder, one.document) for one in held if one.is_ours]
        facts["again"] = again.looked(ours, data, top)
        found += facts["again"].findings
    why = [reason for reason, _ in made]
    return Audit(tuple(found), tuple(_lines(held, lines, why, facts)))


def _at(folder: Path, finding: Finding) -> Finding:
    return Finding(f"{folder}: {finding.where}", finding.what, finding.fix)


def _held(folder: Path, versions: Mapping[str, str]) -> tuple[Held, list[Finding]]:
    """An edition, and what is wrong with how its results are written."""
    path = folder / "results.json"
    try:
        document = results.edition(folder)
    except DataError as error:
        return Held(folder, {}, None), [Finding(str(folder), error.problems[0].problem, CHANGED)]
    content = path.read_bytes()
    raw = json.loads(content)
    is_ours = (raw["schema_version"], raw.get("versions")) == (results.SCHEMA_VERSION, versions)
    held = Held(folder, raw, document, is_ours)
    is_plain = content == results.as_json(raw)  # a key that stands there twice is read once
    told = Finding(str(path), "is not as a run writes it", CHANGED)
    return held, [] if is_plain else [told]


def _told(one: Held, *about: Any) -> list[Finding]:
    """What an edition tells; and that it is not as any other, where it cannot even be asked."""
    found = []
    try:
        found += _of_edition(one, *about)
    except UNLIKE as error:
        what = f"is of another shape than in any edition ({type(error).__name__}: {error})"
        found.append(Finding("results.json", what, CHANGED))
    return found


def _of_edition(
    one: Held, held: Sequence[Held], lines: Sequence[results.Line], ids: Mapping[str, str]
) -> Iterator[Finding]:
    """What an edition tells by its files, its keys, its rows and its bytes."""
    below = {other.folder: other.document for other in held if one.folder in other.folder.parents}
    yield from layout.of_edition(one.folder, one.document, below)
    if one.document:
        yield from looks.rows(one.document, with_words=one.is_ours)
        if lines:
            yield from layout.listed(one.raw, lines)
    if one.document and not one.is_old:
        known = KEYS | _of_document(one.document)
        plain = {name: some for name, some in one.document.items() if name != "pictures"}
        yield from strangers(plain, known, "results.json")
        for record in one.document["pictures"]:
            kind = str(record.get("kind"))
            yield from strangers(record, PICTURES.get(kind, {}), f"picture {kind}")
    if one.is_ours:
        for row in results.rows_of(one.document or {}):
            if said(row) != row:
                where = f"results: {' '.join(filter(None, row.key))}"
                yield Finding(where, "says something else than its figures", CHANGED)
    yield from _of_bytes(one, below, ids)


def _of_bytes(one: Held, below: Mapping[Path, Any], ids: Mapping[str, str]) -> Iterator[Finding]:
    files = layout.plain(one.folder, below)
    pages = {path.relative_to(one.folder).as_posix() for path in one.folder.rglob("*.html")}
    if one.folder.parent.name == layout.UNITS:
        pages |= {"../../index.html", "../../report.html"}
    numbers = {*looks.counts(one.document)}
    for name, path in files.items():
        if not layout.is_published(name):
            continue
        content = path.read_bytes()
        for hit in sorted(looks.people(content, ids) - numbers):
            yield Finding(name, f"holds {hit}", LEAKS)
        if name.endswith(".html"):
            text = content.decode("utf-8", "replace")
            yield from (Finding(name, what, CHANGED) for what in looks.page(text, pages))


def _of_lists(
    top: Path, out: Path, ids: Mapping[str, str], damaged: Sequence[int]
) -> Iterator[Finding]:
    """What the list of editions and the history tell of somebody, or differently than editions."""
    for number in damaged:
        text = f"line {number} is damaged: what it was for is not known"
        yield Finding(results.LEDGER, text, CHANGED)
    if out.resolve() != top:
        return
    texts = {}
    if (path := top / results.LEDGER).is_file():
        texts[path.name] = path.read_bytes()
    try:
        texts[history.HISTORY] = (
            history.read(top).to_json(date_format="iso", force_ascii=False).encode()
        )
        for name in history.differing(top):
            yield Finding(history.HISTORY, f"holds other rows than {name}", CHANGED)
    except DataError as error:
        yield Finding(history.HISTORY, error.problems[0].problem, CHANGED)
    for name, content in texts.items():
        for hit in sorted(looks.people(content, ids)):
            yield Finding(name, f"holds {hit}", LEAKS)


def _ids(dataset: reading.DataSet) -> tuple[dict[str, str], int]:
    """The ids of people in a data set, as what is looked for, and how many cannot be."""
    tables = dataset.recorded
    columns = [tables[table][name].execute() for table, names in IDS.items() for name in names]
    return looks.words_of({one for ids in columns for one in ids.dropna().unique()})


# --- what a works council may rely on


def _lines(
    held: Sequence[Held], lines: Sequence[results.Line], why: Sequence[str | None], facts: Mapping
) -> Iterator[str]:
    """Ten lines at most: what was looked at, what holds, and what nobody looked at."""
    told = words()["audit"]
    known = [one for one in held if one.document]
    rows = [row["shown"] for one in known for row in one.document["results"]]
    runs = [one.run for one in known if not one.is_old]
    said = {
        "editions": len(held),
        "figures": sum(rows),
        "hidden": rows.count(False),
        "least": min((one.run["min_group"] for one in known), default=0),
        "pages": why.count(""),
        "marks": ", ".join(sorted({str(run["noise"]["key"]) for run in runs})),
        "certainty": max((run["noise"]["certainty"] for run in runs), default=0),
        "states": _states(lines, runs),
        "old": sum(one.is_old for one in held),
        **facts,
    }
    reasons = [told["why"][one].format(n=why.count(one)) for one in dict.fromkeys(why) if one]
    yield from (told[name].format(**said) for name in ("looked", "rule"))
    yield " ".join([told["pages"].format(**said), *reasons])
    yield from (told[name].format(**said) for name in ("noise", "certainty", "states") if runs)
    yield from [told["old"].format(**said)] if said["old"] else []
    figures = facts.get("again")
    which = "no data" if figures is None else "none made" if not figures.editions else ""
    which = which or ("key" if figures.with_key else "no key")
    yield told[which].format(**vars(figures) if figures else {})
    yield from [told["ids"].format(**said)] if figures else []
    yield told["unseen"]


def _states(lines: Sequence[results.Line], runs: Sequence[Mapping[str, Any]]) -> int:
    """From how many states of the data a day was published, at most."""
    told = [run["noise"]["states"] for run in runs]
    apart = {(x.title, x.as_of, x.fingerprint, x.embargo_days): x for x in lines}.values()
    return max([*(results.states([*apart], line) for line in apart), *told], default=0)


# --- pages, made again


def _remade(one: Held, held: Sequence[Held]) -> tuple[str | None, list[Finding]]:
    """Why the pages of an edition could not be made again (None: it cannot be read), or what
    differs when they are.
    """
    run, folder = one.run, one.folder
    if not one.document:
        return None, []
    if not one.is_ours:
        return "old" if one.is_old else "other", []
    is_unit = folder.parent.name == layout.UNITS
    within = f"{layout.UNITS}/{folder.name}" if is_unit else ""
    reports_of = folder.parents[2] if is_unit else folder.parent
    try:
        earlier, _ = results.earlier(reports_of, run["as_of"], run["unit"], within)
        if [past["run"]["run_id"] for past in earlier] != run["earlier"]:
            return "earlier", []
        made = {
            "report.html": reports.render(one.document, earlier),
            "summary.txt": reports.summary(one.document, earlier),
        }
        made |= _index(one, held)
    except UNLIKE as error:
        why = f"no page can be made of it ({type(error).__name__})"
        return "", [Finding("results.json", why, CHANGED)]
    return "", [
        Finding(name, "is not the page that results.json gives", CHANGED)
        for name, text in made.items()
        if (folder / name).is_file() and (folder / name).read_bytes() != text.encode()
    ]


def _index(one: Held, held: Sequence[Held]) -> dict[str, str]:
    run = one.run
    if run["unit"] or not run["units"]:
        return {}
    units = {
        other.run["unit"]: other.document
        for other in held
        if other.document and one.folder in other.folder.parents
    }
    made = [one.document, *(units[name] for name in run["units"])]
    return {layout.INDEX: index.render(made, run["units_few"])}


# --- keys: a closed list, from the records themselves


def _named(*names: str, **more: Any) -> dict[str, Any]:
    return dict.fromkeys(names) | more


EFFECTS = _named(*SmallestEffects.model_fields)
NOISE = _named("key", "certainty", "factor", "states")
PLAN = _named("digest", "fixed_on", "editions", changes=[_named("fixed_on", "what")])
RUN = ("title", "as_of", "run_id", "started", "finished", "report", "notebooks", "min_group")
RUN += ("embargo_days", "units", "units_hidden", "units_few", "unit", "slug", "earlier", "looks")
CHECKS = [_named(*(one.name for one in fields(Check)))]
STEPS = [_named(*flows.FLOW[1:])]
BASE = ("kind", "notebook", "title")
CURVES = ("group", "month", "closed", "low", "high", "left", "left_low", "left_high")
MATRIX = ("rating", "target", "gap", "within", "shown")
NETWORK = ("fact", "missing_pct", "recorded", "middle", "low", "high", "shown")
OWN = ("name", "sentence", "shown", *results.LIES)
SPREAD = ("mean", "sd", "quantiles", "smallest", "words")
TABLE = ("name", "caption", "heads", "unknown")
JOURNEY = ("stage", "gaps", "share", "stopped", "ways")
PICTURES = {
    "journey": _named(*BASE, rows=[_named(*JOURNEY)]),
    "curves": _named(*BASE, rows=[_named(*CURVES)]),
    "matrix": _named(*BASE, rows=[_named(*MATRIX)]),
    "grid": _named(*BASE, "columns", rows=[_named("unit", "cells")]),
    "network": _named(*BASE, rows=[_named(*NETWORK)]),
    "table": _named(*BASE, *TABLE, rows=[_named("cells", "shown")]),
    "spread_over_managers": _named(*BASE, "unit", rows=[_named(*SPREAD)]),
}
KEYS = {
    "schema_version": None,
    "data": _named(
        *("title", "as_of", "fingerprint", "attributes"),
        tables=[_named(*contents.CONTENTS)],
        pace=_named("cycles", "months"),
        imported=[_named("table", "lost_up_to_pct", "emptied", "accepted")],
    ),
    "questions": [_named("key", "text", "notebook", "asked")],
    "verdict_words": _named(*registry.verdict_words()),
    "results": [_named(*(one.name for one in fields(Result)), checks=CHECKS)],
    "flows": [_named("notebook", "table", steps=STEPS)],
    "coverage": [_named(*explain.COVERAGE)],
    "own": [_named("notebook", "title", prose=[None], told=[_named(*OWN)])],
}
"""The keys of `results.json`; None: a value, or values in a list, and nothing with keys."""


def _of_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that depend on which notebooks and packages there were."""
    notebooks = _named(*document["run"]["notebooks"])
    params = _named(*RunSpec.model_fields, smallest_effect=EFFECTS)
    about = {"params": params, "smallest_effect": EFFECTS, "noise": NOISE, "plan": PLAN}
    return {
        "run": _named(*RUN, **about, notebook_sha256=notebooks),
        "limits": notebooks,
        "versions": _named("python", "build", *documents.PACKAGES.split()),
    }


def strangers(content: Any, known: Any, where: str) -> Iterator[Finding]:
    """Keys that no record of ours has, and values where a closed list has another shape."""
    if isinstance(known, Mapping) and isinstance(content, Mapping):
        for key, value in content.items():
            if key in known:
                yield from strangers(value, known[key], f"{where}: {key}")
            else:
                yield Finding(where, f"holds {key}, which is in no edition", LEAKS)
    elif isinstance(content, list | tuple) and not isinstance(known, Mapping):
        for one in content:
            yield from strangers(one, known[0] if known else None, where)
    elif content is not None and (known is not None or isinstance(content, Mapping)):
        yield Finding(where, "is of another shape than in any edition", LEAKS)

"""Figures made again: of the data that an edition is of, are they what it says?

With the key every row, picture and table is made again to the last digit. Without it each row is
held against the exact one: how far it may lie from it, and that it does not lie upon it.
"""

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learnalign import studies
from learnalign.data import reading
from learnalign.data.mistakes import Stopped
from learnalign.data.reading import DataSet
from learnalign.estimates import ask, askable
from learnalign.facts import contents, flows, ratios
from learnalign.facts.describe import TABLES, describe
from learnalign.linking import windows
from learnalign.privacy import gate, keys, noise, rule
from learnalign.privacy.audit import Finding
from learnalign.report import verbs
from learnalign.runs import drawing, units
from learnalign.studies import Study
from learnalign.verdicts import document as results
from learnalign.verdicts import judge, rows
from learnalign.verdicts.document import Chapter
from learnalign.verdicts.registry import COVERAGE, headlines, questions
from learnalign.verdicts.result import Fit, Result

FAR = 6  # standard deviations of its noise: no figure lies farther from the exact one
MANY = 30  # rows: from so many on their noise is judged together
UNSURE = 5  # of 100 guesses: without the key some rows are told that noise hid
LITTLE, MUCH = 0.5, 2.0  # of the noise that there should be
FEW = 5  # rows that are named, where many are amiss
ROUNDED = 0.5  # percent: what a share is rounded to
NEAR = 1e-6  # what another machine may reckon differently
VERBS = {"spread_over_managers": "spread"}  # which picture is whose, where it is named otherwise

Document = Mapping[str, Any]


@dataclass
class Again:
    """What came of making figures again: with the key or not, how many of how many rows, editions
    of other states, and the certainty of each run.
    """

    findings: list[Finding] = field(default_factory=list)
    with_key: bool = False
    made: int = 0
    rows: int = 0
    editions: int = 0
    others: int = 0
    certainty: float = 0.0


@dataclass(frozen=True)
class Still(keys.Draws):
    """Draws that move every figure by the same: not at all, or by one standard deviation."""

    z: float = 0.0

    def uniform(self, statistic: str, people: str) -> float:
        """No count is moved."""
        return 0.5

    def normal(self, statistic: str, people: str) -> float:
        """Every figure as far as every other."""
        return self.z

    def walk(self, statistic: str, people: str, sd: float) -> float:
        """The same."""
        return self.z * sd


class Whole(gate.Gate):
    """A gate that hides what is too small for itself, and nothing beside it, and tells counts as
    they are.
    """

    def fits(self, statistic: str, fits: Mapping, parts: Sequence = ()) -> dict:
        """The fits, whatever they add up to."""
        return super().fits(statistic, fits)

    def _is_hidden(self, fit: Fit, people: int, managers: int | None) -> bool:
        if fit.is_share:  # what is rounded to four digits is not over an end for that
            fit = replace(fit, estimate=fit.estimate + math.copysign(0.01, 50 - fit.estimate))
        return super()._is_hidden(fit, people, managers)

    def _classed(self, found: Fit, fit: Fit, people: str, first: bool) -> Fit:
        super()._classed(found, fit, people, first)
        return found


def looked(editions: Sequence[tuple[Path, Document]], data: str | Path, top: Path) -> Again:
    """Make the figures of `editions` again from `data`, by runs: those that are of that state."""
    found, secret = Again(), _secret(top)
    by_run: dict[str, list[tuple[Path, Document]]] = {}
    for folder, document in editions:
        by_run.setdefault(document["run"]["run_id"], []).append((folder, document))
    for some in by_run.values():
        about = some[0][1]
        dataset = reading.read(data, as_of=min(about["run"]["as_of"], _last(data)))
        if about["data"]["fingerprint"] != dataset.fingerprint:
            found.others += len(some)
            continue
        found.editions += len(some)
        own = secret if secret and keys.mark(secret) == about["run"]["noise"]["key"] else None
        found.with_key |= own is not None
        _of_run(some, dataset, own, found)
    if editions and not found.editions:
        text = "is not what any edition here was made of: no figure could be made again"
        found.findings.append(Finding(str(data), text, "name the data as they were then"))
    return found


def _last(data: str | Path) -> str:
    return str(reading.read_meta(Path(data) / "dataset.yml").as_of)


def _secret(top: Path) -> bytes | None:
    """The key of a folder, where there is one; none is made."""
    try:
        held = os.environ.get(keys.VARIABLE) or (top / keys.PRIVATE / keys.KEY).is_file()
        return keys.secret_of(top) if held else None
    except (Stopped, OSError):
        return None


# --- what an edition is made of, made again


@dataclass(frozen=True)
class Made:
    """What a part of the data gives: rows before they are corrected for how many were asked, and
    which of them could be made; other parts of a document by name; and what it tells of whom.
    """

    rows: tuple[Result, ...]
    keys: frozenset[results.Key]
    parts: Mapping[str, Sequence[Document]]
    told: pd.DataFrame


def _made(document: Document, dataset: DataSet, draws: keys.Draws) -> Made:
    """What the verbs of an edition's notebooks give of the data, moved by `draws`."""
    run = document["run"]
    own = units.part(dataset, run["unit"]) if run["unit"] else dataset
    with tempfile.TemporaryDirectory(prefix="learnalign-") as place:  # its owner's alone
        windows.prepare(own, Path(place), embargo_days=run["embargo_days"])
        keys.Draws(draws.secret, draws.state, draws.factor, draws.is_unit).save(Path(place))
        names = ("as_of", "min_group", "embargo_days", "smallest_effect")
        study = studies.study(place, **{name: run[name] for name in names})
        if isinstance(draws, Still):
            study = replace(study, gate=Whole(study.gate.rule, draws, study.gate.alone))
        return _of_study(document, study)


def _of_study(document: Document, study: Study) -> Made:
    chapters, published = document["run"]["notebooks"], results.rows_of(document)
    first, beside, wanted = [], [], {row.key for row in published}
    if COVERAGE in chapters:
        askable.askable(study)
        first = rows.unanswerable(study.dataset.filled, dict(study.settings.smallest_effect))
    for call in _asked(study, {key[1] for key in wanted}):
        beside += _told(study, call, lambda some: wanted & {row.key for row in some})
    tables = {flow["table"] for flow in document["flows"]}
    first_of = {key: next(iter(one.measures.values())) for key, one in questions().items()}
    asked = [key for key, one in first_of.items() if one.estimator in ask.ESTIMATORS]
    asked = [key for key in asked if questions()[key].chapter in chapters]
    for of in ("", "gaps", *asked) if tables else ():
        _told(study, partial(study.made, flows.flow, of), lambda one: tables & {*one.table})
        verbs.flow(study, of)
    _drawn_again(document, study)
    merged = results.merged([Chapter(COVERAGE, tuple(first)), Chapter("", tuple(beside))])
    mine = {row.key: row for row in merged if row.key in wanted}
    strange = [row for row in published if row.key not in mine]
    told = study.told
    parts = {
        "pictures": [one.record for one in (told.pictures | told.tables).values() if one.record],
        "flows": [one for steps in told.flows.values() for one in results.flows_of("", steps)],
        "coverage": results.records(told.coverage),
        "tables": results.records(contents.contents(study)),
    }
    return Made((*mine.values(), *strange), frozenset(mine), parts, gate.told(study.gate))


def _drawn_again(document: Document, study: Study) -> None:
    """Pictures, and tables by name, as the notebooks asked for them."""
    for kind, name in {(one["kind"], one.get("name")) for one in document["pictures"]}:
        if kind == "table" and name in TABLES:
            verbs.table(study, name)
        elif kind != "table" and kind in {*dir(verbs), *VERBS}:
            getattr(verbs, VERBS.get(kind, kind))(study)


def _told(study: Study, make: Callable[[], Any], is_told: Callable[[Any], Any]) -> Any:
    """What is made; the gate forgets what no notebook asked for."""
    before = {*study.gate.told}
    made = make()
    for name in () if is_told(made) else study.gate.told.keys() - before:
        del study.gate.told[name]
    return made


def _asked(study: Study, measures: set[str]) -> Iterator[Callable[[], Sequence[Result]]]:
    yield from (partial(ask.ask, study, key) for key in headlines() if key in measures)
    families = ask.FAMILIES.items()
    yield from (partial(ask.beside, study, key) for key, one in families if one.measure in measures)
    yield from (partial(describe, study, key) for key in ratios.read() if key in measures)


def _corrected(made: Mapping[str, Made], leasts: Mapping[str, int]) -> dict[str, list[Result]]:
    """The rows of a run's parts as its documents have them."""
    found = {unit: judge.holm(one.rows) for unit, one in made.items()}
    if len(found) > 1:
        found |= judge.across({unit: some for unit, some in found.items() if unit})
    return {unit: [*rule.suppress(some, leasts[unit])] for unit, some in found.items()}


# --- held against what is published


def _of_run(
    some: Sequence[tuple[Path, Document]], dataset: DataSet, secret: bytes | None, found: Again
) -> None:
    run = some[0][1]["run"]
    by_unit = {document["run"]["unit"]: (folder, document) for folder, document in some}
    state = keys.state_of(dataset.fingerprint, dataset.as_of, run["embargo_days"])
    about = state, run["noise"]["factor"]

    def made(draws: Callable[[bool], keys.Draws]) -> tuple[dict, dict]:
        parts = {u: _made(one, dataset, draws(bool(u))) for u, (_, one) in by_unit.items()}
        leasts = {unit: one["run"]["min_group"] for unit, (_, one) in by_unit.items()}
        return parts, _corrected(parts, leasts)

    if secret:
        parts, rows_of = made(lambda is_unit: keys.Draws(secret, *about, is_unit))
        pairs = {unit: _unlike(by_unit[unit][1], parts[unit], rows_of[unit]) for unit in parts}
    else:
        parts, exact = made(lambda is_unit: Still(b"", *about, is_unit))
        _, moved = made(lambda is_unit: Still(b"", *about, is_unit, z=1.0))
        pairs = {
            unit: _far(by_unit[unit][1], parts[unit], exact[unit], moved[unit]) for unit in parts
        }
    for unit, told in pairs.items():
        found.findings += _few(by_unit[unit][0], [*told])
        found.made += len(parts[unit].keys)
        found.rows += len(by_unit[unit][1]["results"])
    found.findings += _of_certainty(some[0][0], run, parts.values(), found)


def _few(folder: Path, told: Sequence[tuple[str, str]]) -> list[Finding]:
    """The first findings of an edition, and how many there are more."""
    named = [Finding(f"{folder}: {where}", what) for where, what in told[:FEW]]
    rest = f"{len(told) - FEW} more figures are amiss as these are"
    return named + ([Finding(str(folder), rest)] if len(told) > FEW else [])


def _of_certainty(
    folder: Path, run: Document, parts: Sequence[Made], found: Again
) -> Iterator[Finding]:
    certainty = gate.certainty(drawing.most([one.told for one in parts]))
    found.certainty = max(found.certainty, certainty)
    if round(certainty) > run["noise"]["certainty"] + (0 if found.with_key else UNSURE):
        text = f"{certainty:.0f} of 100 guesses are right, and it says {run['noise']['certainty']}"
        yield Finding(f"{folder}: run: noise", text)


def _where(row: Result) -> str:
    return f"results: {' '.join(filter(None, row.key))}"


def _unlike(document: Document, made: Made, rows: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """What is not as data and key give it."""
    again = {row.key: row for row in rows}
    for row in results.rows_of(document):
        if row.key not in made.keys:
            continue
        one, other = asdict(row), asdict(again[row.key])
        if names := [name for name in one if not _alike(one[name], other[name])]:
            yield _where(row), f"is not what data and key give: {', '.join(names)}"
    tables = {"tables": document["data"]["tables"]}
    for name, given in made.parts.items():
        known = {_name(one) for one in given}
        for one in (document | tables)[name]:
            is_made = name in ("tables", "coverage") or _name(one) in known
            if is_made and not any(_alike(_bare(one), _plain(_bare(other))) for other in given):
                yield f"{name}: {_name(one)}", "is not what data and key give"


def _name(record: Document) -> str:
    return str(record.get("kind") or record.get("table") or record.get("question"))


def _bare(record: Document) -> Document:
    return {key: value for key, value in record.items() if key != "notebook"}


def _plain(content: Any) -> Any:
    return json.loads(json.dumps(content, default=str))


def _alike(one: Any, other: Any) -> bool:
    """Whether two values are the same, but for what another machine reckons differently."""
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=NEAR, abs_tol=1e-9)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return one == other


def _far(
    document: Document, made: Made, exact: Sequence[Result], moved: Sequence[Result]
) -> Iterator[tuple[str, str]]:
    """Without the key: what lies farther from the exact figures than noise carries it, or not at
    all.
    """
    at, by = ({row.key: row for row in some} for some in (exact, moved))
    least, drawn = document["run"]["min_group"], []
    for row in results.rows_of(document):
        if row.key not in made.keys or not row.shown or row.estimate is None:
            continue
        true = at[row.key]
        if not true.shown:
            yield _where(row), "is shown, and of these data the rule hides it"
            continue
        yield from ((_where(row), text) for text in _of_counts(row, true, least))
        z = _drawn(row, true, by[row.key])
        if z is not None and abs(z) > FAR:
            yield _where(row), f"lies {abs(z):.0f} standard deviations of its noise off"
        if z is None or round(row.estimate, 1) == row.estimate:  # told in whole percents
            continue
        drawn.append(z)
    size = float(np.sqrt(np.mean(np.square(drawn)))) if len(drawn) >= MANY else 1.0
    if not LITTLE < size < MUCH:
        yield "results", f"figures were moved {size:.1f} times as far as they should be"
    for record in document["pictures"]:
        same = [one for one in made.parts["pictures"] if one["kind"] == record["kind"]]
        held, told = {value for one in same for value in _fine(one)}, {*_fine(record)}
        is_drawn = len(held) > FEW and held <= told
        if is_drawn or any(float(f"{one:.6g}") != one for one in held & told):
            yield f"pictures: {record['kind']}", "is drawn from exact figures"


def _of_counts(row: Result, true: Result, floor: int) -> Iterator[str]:
    """Whether counts are at most so far off as they may be."""
    n, people, off = row.n_people or 0, true.n_people or 0, noise.FARTHEST
    near = range(max(people - off, floor), people + off + 1)
    drawn = [noise.fewer(people, u) for u in (*np.linspace(1e-4, 1, 1000),)]
    ends = {noise.least(one, floor, fine=fine) for one in drawn for fine in (True, False)}
    if row.at_least and n not in ends | {floor}:  # of teams no more is ever told
        yield f"tells of {n} people or more, which are fewer, or far more"
    elif not row.at_least and n not in near:
        yield f"tells of {n} people, which is more than {off} off"
    far, managers = FAR * noise.OF_MANAGERS, true.n_clusters or 0
    low, high = noise.managers(managers - far), managers + far
    if row.n_clusters is not None and not low <= row.n_clusters <= high:
        yield f"tells of {row.n_clusters} managers, which is more than {far:.0f} off"


def _drawn(row: Result, true: Result, moved: Result) -> float | None:
    """By how many standard deviations of its noise a row was moved, beyond what it is rounded to;
    None where that is not known.
    """
    told, at, by = row.estimate, true.estimate, moved.estimate
    if at is None or by is None or row.unit != true.unit:
        return None
    near = told + min(max(at - told, -ROUNDED), ROUNDED) if round(told, 1) == told else told
    if row.unit == "hazard ratio":
        near, at, by = (math.log(one) if one > 0 else math.nan for one in (near, at, by))
    sd = abs(by - at)
    return (near - at) / sd if sd > 0 and math.isfinite(near) else None


def _fine(content: Any) -> Iterator[float]:
    """Figures in a record that are told with four digits or more."""
    if isinstance(content, Mapping):
        yield from (one for value in content.values() for one in _fine(value))
    elif isinstance(content, list | tuple):
        yield from (one for value in content for one in _fine(value))
    elif isinstance(content, float) and float(f"{content:.3g}") != content:
        yield content

"""Results on disk: what a notebook hands over, and the document that an edition publishes."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pydantic

from learnalign.data.mistakes import DataError, Problem
from learnalign.data.writing import unlinked, write_whole
from learnalign.verdicts.result import Result

SCHEMA_VERSION = 4
BEFORE = 3  # is read as well: its figures were not moved
LEDGER = "ledger.jsonl"
LIES = ("estimate", "low", "high", "unit", "smallest_effect", "n_people")
"""Where a look or a fact of a chapter of one's own lies, beside what it says."""
Key = tuple[str, str, str, str]
ROWS = pydantic.TypeAdapter(tuple[Result, ...])


@dataclass(frozen=True)
class Chapter:
    """What one notebook found: results, flows and records of pictures (already suppressed), and
    coverage rows.
    """

    notebook: str
    results: tuple[Result, ...]
    flows: tuple[dict[str, Any], ...] = ()
    coverage: tuple[dict[str, Any], ...] = ()
    pictures: tuple[dict[str, Any], ...] = ()
    looks: int = 0  # that were known when it was handed over, where it took any
    told: tuple[dict[str, Any], ...] = ()  # looks and facts, of a chapter of one's own


@dataclass(frozen=True)
class Line:
    """What the list of editions keeps of each, for people to read: of which data, under which key.

    `fingerprint` is of the data's state; `unit` whose edition it is, empty for the company's;
    `reason` why the key was changed, or the day published once more.
    """

    run_id: str
    report: str
    as_of: str
    title: str
    fingerprint: str
    digest: str
    unit: str = ""
    key: str = ""  # `privacy.keys.mark`; empty before figures were moved
    reason: str = ""
    embargo_days: int = 30


def states(lines: Sequence[Line], line: Line) -> int:
    """From how many states a day was published, `line`'s own among them: of other data, or of the
    same data with another embargo, or told as of another day. Each is another draw.
    """
    day = line.title, line.as_of
    alike = [x for x in lines if (x.title, x.as_of) == day or x.fingerprint == line.fingerprint]
    return len({(one.fingerprint, one.as_of, one.embargo_days) for one in (*alike, line)})


def write(
    out: str,
    notebook: str,
    answers: Sequence[Result],
    flows: Sequence[pd.DataFrame],
    coverage: pd.DataFrame | None = None,
    pictures: Sequence[Any] = (),
    looks: int = 0,
    told: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Hand a notebook's results to the run that started it; with `out` empty, as when exploring, do
    nothing.

    `flows` and `coverage` are as they were shown, `pictures` too: those with a `record` (all but
    pictures of results) are drawn again in the report. Hidden rows must be blank: a hidden row that
    still holds a figure is refused.
    """
    if not out:
        return
    for row in answers:
        if not row.shown and any(
            value is not None for value in (row.estimate, row.low, row.high, row.n_people)
        ):
            raise ValueError(f"{row.measure} ({row.group}) is hidden but still holds figures")
    drawn = tuple(
        {"notebook": notebook, **one.record} for one in pictures if one.record is not None
    )
    steps = tuple(one for steps in flows for one in flows_of(notebook, steps))
    more = tuple(records(coverage)), drawn, looks, tuple(map(dict, told))
    chapter = Chapter(notebook, tuple(answers), steps, *more)
    write_json(Path(out), asdict(chapter))


def read(path: Path) -> Chapter:
    """A chapter that `write` wrote; a `DataError` when it is missing, torn or of another shape."""
    try:
        return pydantic.TypeAdapter(Chapter).validate_json(path.read_bytes())
    except (OSError, pydantic.ValidationError) as error:
        text = " ".join(str(error).split())[:300]
        raise DataError([Problem(path.stem, "", "handed over no valid results", text)]) from None


def write_json(path: Path, content: Any) -> None:
    """JSON, written whole or not at all."""
    write_whole(path, as_json(content))


def as_json(content: Any) -> bytes:
    """The bytes of a JSON file of ours."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1, default=str)
    return f"{text}\n".encode()


def digest(document: Mapping[str, Any]) -> str:
    """What the list of editions keeps of a document's content."""
    text = json.dumps(document, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def merged(chapters: Sequence[Chapter]) -> tuple[Result, ...]:
    """The results of an edition; where coverage and a question's own notebook both speak, the
    notebook does.

    Unless the notebook has no estimate: then coverage's account of all that the data lack is the
    fuller one.
    """
    found: dict[tuple[str, ...], Result] = {}
    for chapter in sorted(chapters, key=lambda c: c.notebook != "coverage"):
        for row in chapter.results:
            if row.key not in found or row.estimate is not None or not row.shown:
                found[row.key] = row
    return tuple(found[key] for key in sorted(found, key=lambda key: key[0]))


def document(
    chapters: Sequence[Chapter],
    results: Sequence[Result],
    *,
    run: Mapping[str, Any],
    data: Mapping[str, Any],
    questions: Sequence[Mapping[str, Any]],
    words: Mapping[str, str],
    limits: Mapping[str, Sequence[str]],
    versions: Mapping[str, str],
    own: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The content of `results.json`: run facts, data fingerprints, results, flows; everything the
    report shows.

    `results` are the chapters' merged rows, after what looks at all of them together; `limits` what
    each notebook says of how it could be wrong, `own` the prose of chapters of one's own. Nothing
    may be published of it before the gate let it through.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "run": dict(run),
        "data": dict(data),
        "questions": [
            dict(q) | {"asked": any(r.question == q["key"] for r in results)} for q in questions
        ],
        "verdict_words": dict(words),
        "results": [asdict(row) for row in results],
        "flows": [flow for chapter in chapters for flow in chapter.flows],
        "coverage": [row for chapter in chapters for row in chapter.coverage],
        "pictures": [record for chapter in chapters for record in chapter.pictures],
        "limits": {name: list(lines) for name, lines in limits.items()},
        "versions": dict(versions),
    } | ({"own": [dict(one) for one in own]} if own else {})


def earlier(
    folder: Path, as_of: str, unit: str = "", within: str = ""
) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    """The documents of a report's editions before `as_of`, oldest first, and a warning for each
    that cannot be read.

    `folder` is the report's, with a folder per edition; a unit's stand `within` it. Those of
    another unit are left out. Never an exception: what is torn, or of another schema, is left out
    and said so.
    """
    found, warnings = [], []
    for path in sorted(folder.glob("*/")):
        if (
            path.name.startswith(".")
            or path.name >= as_of
            or not (path / within / "results.json").exists()
        ):
            continue
        try:
            document = edition(path / within)
            found += [document] if document["run"].get("unit", "") == unit else []
        except DataError as error:
            warnings.append(
                f"The edition of {path.name} is not compared with: {error.problems[0].problem}"
            )
    return tuple(found), tuple(warnings)


def edition(folder: Path) -> dict[str, Any]:
    """The document of a published edition; a `DataError` when it is missing, torn, or of another
    schema.
    """
    path = folder / "results.json"
    try:
        content = json.loads(path.read_bytes())
        if content["schema_version"] == BEFORE:
            for row in content["results"]:
                row.pop("step", None)
            content["schema_version"] = SCHEMA_VERSION
        if content["schema_version"] == SCHEMA_VERSION:
            rows_of(content)
            return content
        text = f"results.json is of schema {content['schema_version']}, not {SCHEMA_VERSION}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"results.json cannot be read ({type(error).__name__})"
    raise DataError([Problem(str(path), "", text)])


def rows_of(document: Mapping[str, Any]) -> tuple[Result, ...]:
    """The rows of a document as records; a pydantic `ValidationError` (a ValueError) where one is
    of another shape.
    """
    return ROWS.validate_python(document["results"])


def ledger(out: Path) -> tuple[tuple[Line, ...], tuple[int, ...]]:
    """The lines of the list of editions of `out`, and the numbers of lines that are damaged."""
    try:
        lines = (out / LEDGER).read_bytes().splitlines()
    except FileNotFoundError:
        return (), ()
    found, damaged = [], []
    reader = pydantic.TypeAdapter(Line)
    for number, line in enumerate(lines, 1):
        try:
            found.append(reader.validate_json(line))
        except pydantic.ValidationError:
            damaged += [number] if line.strip() else []
    return tuple(found), tuple(damaged)


def enter(out: Path, *lines: Line) -> None:
    """Add lines to the list of editions of `out`, on the disk before this returns.

    Lines are appended whole, so that runs side by side lose none.
    """
    plain = [json.dumps(asdict(line), ensure_ascii=False, allow_nan=False) for line in lines]
    path = out / LEDGER
    with open(path, "ab", buffering=0, opener=unlinked) as file:
        torn = path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"  # a run that died here
        file.write(b"\n" * torn + "".join(f"{line}\n" for line in plain).encode())
        os.fsync(file.fileno())


def flows_of(notebook: str, flow: pd.DataFrame) -> list[dict[str, Any]]:
    """A flow as it is published, a record for each table."""
    return [
        {"notebook": notebook, "table": str(table), "steps": records(steps.drop(columns="table"))}
        for table, steps in flow.groupby("table", sort=False)
    ]


def records(frame: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Rows as plain JSON values: missing is null, numbers are Python's own."""
    if frame is None:
        return []
    return [{key: _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or (isinstance(value, float) and value != value) or value is pd.NaT:
        return None
    return value.item() if hasattr(value, "item") else value

"""Editions that tests publish without running a notebook: documents as a run makes them, and the
folder that `runs.publish` makes of them.
"""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from learnalign.privacy import keys, rule
from learnalign.runs import documents, publish
from learnalign.verdicts import document as results
from learnalign.verdicts import registry
from learnalign.verdicts.words import said

ROOT = Path(__file__).parents[1]
TITLE, SECRET = "Northbank", bytes(range(32))
LOG = {"note": lambda *state, **facts: None, "ending": SimpleNamespace(too_late=lambda: None)}


def under_a_fixed_key(out: Path, key: str = "04") -> Path:
    """A folder for editions with its key: near its limit a verdict depends on the draw, and no test
    may.
    """
    place = out / keys.PRIVATE
    place.mkdir(mode=0o700, parents=True)
    (place / keys.KEY).touch(mode=0o600)
    (place / keys.KEY).write_text(key * keys.KEY_BYTES)
    return out


def document(as_of: str = "2026-06-30", unit: str = "", **run: Any) -> dict[str, Any]:
    """A document with every verdict and a hidden row, as a run would publish it."""
    made = json.loads((ROOT / "tests/documents/rich.json").read_text("utf-8"))
    rows = rule.suppress(results.rows_of(made), 10)
    moved = ("estimate", "low", "high", "std_error")
    rows = [replace(row, **{n: _short(getattr(row, n)) for n in moved}) for row in rows]
    for table in made["data"]["tables"]:
        del table["sha256"]
        table |= {"at_least": table["table"] not in ("people", "reviews"), "shown": True}
    for flow in made["flows"]:
        step = {"rows": None, "people": 1000, "left_pct": 98.5, "shown": True}
        flow["steps"] = [step | {k: one[k] for k in ("step", "reason")} for one in flow["steps"]]
    made |= {
        "schema_version": results.SCHEMA_VERSION,
        "results": [asdict(said(row)) for row in rows],
        "verdict_words": registry.verdict_words(),
        "versions": documents.versions(),
    }
    made["data"] |= {"as_of": as_of, "fingerprint": as_of, "attributes": ["grade"]}
    del made["run"]["params"]["seed"], made["run"]["params"]["units"]
    state = {"key": keys.mark(SECRET), "certainty": 71, "factor": 1.0, "states": 1}
    made["run"] |= {"as_of": as_of, "unit": unit, "slug": unit.lower(), "units": [], "noise": state}
    made["run"] |= {"notebook_sha256": dict.fromkeys(made["run"]["notebooks"], "0"), **run}
    return json.loads(json.dumps(made))


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def with_units(*names: str, few: Sequence[str] = (), **run: Any) -> list[dict[str, Any]]:
    """The documents of a run with units, the company's first."""
    about = {"units": [*names], "units_hidden": len(few), "units_few": [*few], **run}
    return [document(unit=unit, **about) for unit in ("", *names)]


def published(
    out: Path, *made: Mapping[str, Any], few: Sequence[str] = (), run_id: str = "first"
) -> Path:
    """Publish documents as a run does, but for the PDF; gives the edition's folder."""
    work = out / ".runs" / made[0]["run"]["report"] / run_id
    work.mkdir(mode=0o700, parents=True)
    (out / ".runs").chmod(0o700)
    private = out / keys.PRIVATE
    private.mkdir(mode=0o700, exist_ok=True)
    (private / keys.KEY).write_text(SECRET.hex())
    (private / keys.KEY).chmod(0o600)
    places = {}
    for place, one in enumerate(copy.deepcopy(made)):
        folder = work / str(place)
        folder.mkdir()
        one["run"]["run_id"] = run_id
        for notebook in one["run"]["notebooks"]:
            (folder / f"{notebook}.ipynb").write_text("{}")
        places[folder] = one
    log = SimpleNamespace(out=out, work=work, report=made[0]["run"]["report"], **LOG)
    printed, publish._print = publish._print, lambda *about: None
    try:
        return publish.publish(places, few, "", log, None).folder
    finally:
        publish._print = printed


def signed(place: Path) -> None:
    """Whoever changes a file can change its digest: an audit must not rest on them."""
    above = place.parents[1:2] if place.parent.name == "units" else ()
    for folder in (place, *above):
        manifest = json.loads((folder / "manifest.json").read_text())
        for name in manifest["sha256"]:
            if (folder / name).is_file():
                digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
                manifest["sha256"][name] = digest
        results.write_json(folder / "manifest.json", manifest)

"""Oddities that people report of real exports: each comes in right, or is asked about; none is silently wrong.

The cases lie beside the project, in `../shared/cases/imports`; what each must give is written in its `expected.yml`. The
tests of `tests/unit/test_import_kinds.py` hold the same kinds on inputs of their own.
"""

import collections
import csv
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from learnalign import __main__ as cli

PLACES = [place / "shared/cases/imports" for place in Path(__file__).resolve().parents]
CASES = next(filter(Path.is_dir, PLACES), PLACES[-1])
PAIRS = [
    (case.name, file.name)
    for case in sorted(CASES.glob("*/"))
    for file in sorted(case.glob("mapping*.yml"))
]


@pytest.mark.skipif(bool(PAIRS), reason="the cases are there")
def test_the_cases_are_there():
    pytest.skip("no cases: ../shared/cases/imports is not beside the project")


@pytest.mark.parametrize(("case", "mapping"), PAIRS)
def test_a_case_is_right_or_asked(case, mapping, tmp_path, monkeypatch, capfd):
    kind, why = judged(CASES / case, mapping, tmp_path, monkeypatch, capfd)
    print(f"{case}/{mapping}: {kind} {why}")
    assert kind in ("right", "asked"), why


def judged(case: Path, mapping: str, folder: Path, monkeypatch, capfd) -> tuple[str, str]:
    """`right`, `asked`, `SILENTLY WRONG` or `fails badly`, and why."""
    expected = yaml.safe_load((case / "expected/expected.yml").read_text("utf-8"))
    shutil.copytree(case, folder / "case")
    out = folder / "out"
    code, told = _run(folder / "case", expected, mapping, out, monkeypatch, capfd)
    ask = expected["ask"]
    is_said = bool(ask) and all(re.search(word, told, re.I | re.S) for word in ask["words"])
    if code == 2 and is_said:
        return "asked", told[:3000]
    if code != 0:
        return "fails badly", f"exit {code}: {told[:3000]}"
    wrong = [*_forbidden(out, expected), *_differences(case, out, expected, told)]
    if not wrong:
        return "right", ""
    if is_said and ask["told_with_exit_0_is_enough"] and not [*_forbidden(out, expected)]:
        return "asked", told[:3000]
    return "SILENTLY WRONG", "; ".join(wrong[:6]) + "\n" + told[:3000]


def _run(
    case: Path, expected: dict, mapping: str, out: Path, monkeypatch, capfd
) -> tuple[int, str]:
    where = (
        case / expected.get("working_folder", ".") if "working_folder" in expected else case.parent
    )
    monkeypatch.chdir(where)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(
        sys, "argv", ["learnalign", "import", str(case / mapping), "--out", str(out)]
    )
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    said = capfd.readouterr()
    return code, said.out + said.err


def _table(out: Path, name: str) -> pd.DataFrame | None:
    path = out / f"{name}.parquet"
    return pd.read_parquet(path) if path.exists() else None


def _forbidden(out: Path, expected: dict) -> list[str]:
    found = []
    for rule in expected.get("never", ()):
        frame = _table(out, rule["table"])
        values = (
            []
            if frame is None
            else [value for value in frame[rule["column"]] if not pd.isna(value)]
        )
        if "not_in_people" in rule:
            people = set(_table(out, "people").person_id)
            values = [value for value in values if value not in people]
        elif "equals" in rule:
            values = [value for value in values if value == rule["equals"]]
        else:
            values = [value for value in values if re.search(rule["matches"], str(value))]
        found += [f"{rule['table']}.{rule['column']} holds {value}" for value in values[:3]]
    return found


def _differences(case: Path, out: Path, expected: dict, told: str) -> list[str]:
    if expected["right"] is None:
        return ["no import of this can be right"]
    found = []
    for name, counts in expected["right"]["tables"].items():
        frame = _table(out, name)
        counted = re.search(rf"{name} *│ *([\d,]+) *│ *([\d,]+) *│ *([\d,]+)", told)
        got = (
            dict(zip(("read", "kept", "not_kept"), counted.groups(), strict=True))
            if counted
            else {}
        )
        got = {key: int(text.replace(",", "")) for key, text in got.items()}
        got["kept"] = -1 if frame is None else len(frame)
        found += [
            f"{name} {key} {got.get(key)}, not {n}"
            for key, n in counts.items()
            if got.get(key) != n
        ]
    for file in expected["right"].get("rows", ()):
        found += _other_rows(case / file, _table(out, Path(file).stem))
    return found


def _other_rows(file: Path, frame: pd.DataFrame | None) -> list[str]:
    with file.open(encoding="utf-8", newline="") as text:
        header, *rows = csv.reader(text)
    there = (
        []
        if frame is None
        else [[*map(_text, row)] for row in frame.reindex(columns=header).itertuples(index=False)]
    )
    wanted = [[*map(_text, row)] for row in rows]
    fixed = [place for place in range(len(header)) if not any(row[place] == "*" for row in wanted)]
    one, other = (
        collections.Counter(tuple(row[i] for i in fixed) for row in some)
        for some in (there, wanted)
    )
    return [
        f"{file.name}: got {dict([*(one - other).items()][:3])}, not {dict([*(other - one).items()][:3])}"
    ] * (one != other)


def _text(value: object) -> str:
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return ""
    text = str(value)
    try:
        return f"{float(text):g}" if not re.fullmatch(r"0\d+", text) else text
    except ValueError:
        return text[:10] if re.match(r"\d{4}-\d\d-\d\d", text) else text

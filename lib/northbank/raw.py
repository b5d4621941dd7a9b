"""Northbank as its systems would export it: other headers, orders, units and words, and dirt that
is counted.

What `map` proposes from these files and `import` makes of it are the canonical tables again.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import yaml

from learnalign.data.folders import fresh
from northbank.tables import Company

LEDGER = "DIRT.yml"
STATUS = {
    "completed": "Completed",
    "in_progress": "In Progress",
    "no_show": "No Show",
    "waitlisted": "Wait List",
    "cancelled_by_provider": "Cancelled",
    "withdrawn": "Withdrawn",
}
HEADERS: dict[str, dict[str, str]] = {
    "people": {"person_id": "Personalnummer", "hired_on": "Eintritt", "left_on": "Austritt"},
    "reviews": {
        "person_id": "Employee ID",
        "cycle": "Review Period",
        "reviewed_on": "Review Date",
        "rating": "Overall Rating",
        "unit": "Department",
        "manager_id": "Manager ID",
        "grade": "Pay Grade",
        "fte": "FTE",
    },
    "rewards": {
        "person_id": "Matricule",
        "cycle": "Période",
        "effective_on": "Date d'effet",
        "merit_pct": "Augmentation %",
        "merit_target_pct": "Cible",
        "compa_ratio": "Compa-Ratio",
        "bonus_pct": "Prime %",
        "company_factor": "Facteur entreprise",
    },
    "learning": {
        "person_id": "User ID",
        "learned_on": "Completion Date",
        "activity_type": "Training Type",
        "activity_id": "Training Title",
        "skill": "Competency",
        "hours": "Duration (min)",
        "cost": "Price",
        "is_required": "Mandatory",
        "status": "Training Status",
    },
    "assessments": {
        "assessor_id": "Assessor",
        "required_level": "Target Rating",
        "assessed_level": "Manager Rating",
        "self_level": "Own Rating",
        "assessed_on": "Assessment Date",
    },
    "acknowledgements": {"acknowledged_on": "Asked on"},
    "ties": {"from_id": "Mentor ID", "to_id": "Mentee ID", "tied_on": "Since"},
    "surveys": {},
}
NAMES = {
    "people": "hr_mitarbeiter.csv",
    "reviews": "performance_reviews.csv",
    "rewards": "remuneration.csv",
    "learning": "lms_transcript",
    "assessments": "skills.csv",
    "acknowledgements": "help_requests.csv",
    "ties": "mentoring_network.csv",
    "surveys": "pulse_survey.csv",
}
TITLES = "Transcript report,,\nMade by the learning system,,\n,,\n"


def write(company: Company, out: Path) -> Path:
    """Write the company's raw exports and `DIRT.yml`, how many dirty rows of each kind are in them.

    The folder must not be there, or be empty.

    >>> import tempfile
    >>> from northbank.tables import northbank
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     out = write(northbank(people=60, cycles=2), Path(folder) / "raw")
    ...     sorted(yaml.safe_load((out / "DIRT.yml").read_text()))
    ['copies', 'never', 'strangers']
    """
    out = fresh(out)
    dirt = {}
    for name, table in company.tables.items():
        made = _WRITERS.get(name, _plain)(name, table.rename(columns=HEADERS[name]), out)
        dirt |= {kind: dirt.get(kind, 0) + n for kind, n in made.items()}
    (out / LEDGER).write_text(yaml.safe_dump(dirt), "utf-8")
    return out


def _plain(name: str, table: pd.DataFrame, out: Path) -> Mapping[str, int]:
    text = _csv(table, float_format="%.2f", date_format="%Y-%m-%d")
    (out / NAMES[name]).write_text(text, "utf-8")
    return {}


def _german(name: str, table: pd.DataFrame, out: Path) -> Mapping[str, int]:
    """Semicolons, UTF-16, days first; 9999 for no leaving."""
    table = table.assign(Austritt=table.Austritt.map(_as("%d.%m.%Y"), na_action="ignore"))
    table = table.assign(Eintritt=table.Eintritt.map(_as("%d.%m.%Y")))
    text = _csv(table.fillna({"Austritt": "31.12.9999"}), sep=";")
    (out / NAMES[name]).write_bytes(text.encode("utf-16"))
    return {}


def _french(name: str, table: pd.DataFrame, out: Path) -> Mapping[str, int]:
    """Decimal commas, semicolons, days first, a byte-order mark."""
    table = table.assign(**{"Date d'effet": table["Date d'effet"].map(_as("%d/%m/%Y"))})
    text = _csv(table, sep=";", decimal=",", float_format="%.2f")
    (out / NAMES[name]).write_text(text, "utf-8-sig")
    return {}


def _learning(name: str, table: pd.DataFrame, out: Path) -> Mapping[str, int]:
    """American dates, minutes, words of its own, titles above the header; months that repeat
    earlier ones; a test account; courses that were never completed.
    """
    days = table["Completion Date"].map(_as("%m/%d/%Y"))
    minutes = (table["Duration (min)"] * 60).round(4)
    words = table["Training Status"].map(STATUS)
    table = table.assign(
        **{"Completion Date": days, "Duration (min)": minutes, "Training Status": words}
    )
    first = table.iloc[: len(table) // 3]
    test = first.head(5).assign(**{"User ID": "TEST01"})
    never = first.head(7).assign(**{"Completion Date": "Never"})
    for number, part in enumerate([first, pd.concat([table, test, never])], start=1):
        text = _csv(part, float_format="%.10g")
        (out / f"{NAMES[name]}_{number}.csv").write_text(TITLES + text, "utf-8")
    return {"copies": len(first), "strangers": len(test), "never": len(never)}


def _csv(table: pd.DataFrame, **how: str) -> str:
    return table.to_csv(index=False, lineterminator="\n", **how)


def _as(form: str) -> Callable[[object], str]:
    return lambda day: pd.Timestamp(day).strftime(form)


_WRITERS = {"people": _german, "rewards": _french, "learning": _learning}

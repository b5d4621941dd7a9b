"""Units: whom an edition of a unit is about, and the part of a data set that is theirs.

A unit's people are those whose latest review was in it, with their whole history. So units
partition the people who were reviewed, a unit's edition stands on people of nobody else's, and what
all editions tell together adds up.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import pandas as pd
from ibis.expr.types import Table

from learnalign.data.mistakes import DataError, Problem, nearest
from learnalign.data.reading import DataSet
from learnalign.privacy import gate, keys, noise, rule
from learnalign.runs.spec import COMPANY, EACH

RESERVED = (COMPANY, EACH, "all", "")
# Names that Windows gives to no folder
WINDOWS = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)),
}


@dataclass(frozen=True)
class Part:
    """The company (`unit` "") or a unit of it: its data, linked once for all its notebooks, and
    where they work.
    """

    unit: str
    slug: str
    dataset: DataSet
    work: Path

    def task(self, notebook: str) -> str:
        """The name of a notebook's task in the run."""
        return f"{self.slug}/{notebook}" if self.slug else notebook


@dataclass(frozen=True)
class Chosen:
    """Units that get an edition, those that were wanted and are too small, and how many of all have
    none.
    """

    units: tuple[str, ...] = ()
    few: tuple[str, ...] = ()
    without: int = 0


def chosen(
    dataset: DataSet, wanted: Sequence[str], min_group: int, draws: keys.Draws | None = None
) -> Chosen:
    """Which of the `wanted` units (`each`: all; the company is none) get an edition.

    Too small are those of fewer than `min_group` people, or of fewer than 3 managers who ever rated
    them, truly or by their `draws`. A `DataError` names all that are the latest unit of nobody.
    """
    names = [name for name in wanted if name != COMPANY]
    if not names:
        return Chosen()
    sizes = _sizes(dataset)
    problems = [
        _unknown(name, sizes.index) for name in names if name != EACH and name not in sizes.index
    ]
    if problems := [*problems, *_alike(sizes.index)]:
        raise DataError(problems)
    asked = sizes if EACH in names else sizes.loc[sorted(names)]
    own, door = _latest(dataset).execute(), gate.Gate(rule.Rule(min_group), draws)
    own = own.groupby("unit").person_id
    few = [_is_few(door, pd.Index(own.get_group(name)), n) for name, n in asked.managers.items()]
    few = pd.Series(few, asked.index, dtype=bool)
    return Chosen(tuple(asked.index[~few]), tuple(asked.index[few]), len(sizes) - int((~few).sum()))


def _is_few(door: gate.Gate, people: pd.Index, managers: int) -> bool:
    off = door.draws.normal("managers", keys.digest(people)) if door.draws else 0.0
    moved = round(managers + noise.OF_MANAGERS / 2 * off)
    return door.rule.is_few(door.fewest(people), min(managers, moved))


def _unknown(name: str, known: Sequence[str]) -> Problem:
    near, some = nearest(name, known), ", ".join(known)[:400]
    return Problem.of("nobodys_unit", "params", "units", name, near=near, known=some)


def _alike(names: Iterable[str]) -> list[Problem]:
    """Units whose names are, but for case and blanks, another's or a word of ours: whoever reads
    would take the one for the other.
    """
    found: dict[str, list[str]] = {word: [word] for word in RESERVED}
    for name in names:
        plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        found.setdefault(plain, []).append(name)
    alike = [there for there in found.values() if len(there) > 1]
    return [Problem.of("unit_like", "params", "units", ", ".join(map(repr, one))) for one in alike]


def slugs(names: Iterable[str]) -> dict[str, str]:
    """A folder's name for each unit: small letters, digits and -, different for different units.

    >>> slugs(["Retail 1", "Zürich", "retail-1"])
    {'Retail 1': 'retail-1-b5a3fb', 'Zürich': 'zurich', 'retail-1': 'retail-1-4155ae'}
    """
    plain = {name: _plain(name) for name in sorted(names)}
    seen = [*plain.values()]
    return {
        name: slug
        if slug and slug not in WINDOWS and seen.count(slug) == 1
        else f"{slug or 'unit'}-{_mark(name)}"
        for name, slug in plain.items()
    }


def part(dataset: DataSet, unit: str) -> DataSet:
    """The data set of a unit's people alone: their rows in every table, ties that they have a part
    in, its surveys.

    Whom they answer to is known by name only, where it is nobody of the unit. The fingerprints stay
    those of the whole: it is a part of the same data. It has no folder of its own
    (`linking.prepare` gives it one).
    """
    people = _latest(dataset)
    people = people.filter(people.unit == unit).select("person_id")

    def own(name: str, table: Table) -> Table:
        if name == "surveys":
            return table.filter(table.unit == unit)
        if name == "ties":
            return table.filter(
                table.from_id.isin(people.person_id) | table.to_id.isin(people.person_id)
            )
        return table.semi_join(people, "person_id")

    recorded = {name: own(name, table).cache() for name, table in dataset.recorded.items()}
    return replace(dataset, recorded=recorded, known=dataset.fingerprints)


def _latest(dataset: DataSet) -> Table:
    """The unit of everybody's latest review; of two on a day, the later cycle's."""
    reviews = dataset.tables["reviews"]
    order = ibis.window(
        group_by="person_id", order_by=[ibis.desc("reviewed_on"), ibis.desc("cycle")]
    )
    reviews = reviews.mutate(_place=ibis.row_number().over(order))
    return reviews.filter(reviews._place == 0).select("person_id", "unit")


def _sizes(dataset: DataSet) -> pd.DataFrame:
    """Managers who rated the people of each unit, by its name."""
    latest, reviews = _latest(dataset), dataset.tables["reviews"]
    rated = reviews.select("person_id", "manager_id").join(latest, "person_id")
    sizes = rated.group_by("unit").aggregate(managers=rated.manager_id.nunique())
    return sizes.order_by("unit").execute().set_index("unit")


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")[:40]


def _mark(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:6]

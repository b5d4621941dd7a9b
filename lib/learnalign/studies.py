"""The study: data and settings said once, linked once, and what was told of them on the way.

An analyst makes one with `la.study` and gives it to every other verb. (The module is not called as
the verb is: Python would put a module of that name in the verb's place.)
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, SupportsIndex, TypeVar, overload

import pandas as pd
import pydantic
from ibis import _

from learnalign.data import kept, reading
from learnalign.data.contract import Strict
from learnalign.data.mistakes import DataError, Problem, problems_of
from learnalign.data.reading import DataSet
from learnalign.linking import journeys, teams, windows
from learnalign.privacy import gate, keys, rule
from learnalign.verdicts import document, looks, words
from learnalign.verdicts.registry import build, is_own, questions, verdict_words
from learnalign.verdicts.result import Result

Made = TypeVar("Made")
AT_WORK: ContextVar[gate.Gate | None] = ContextVar("gate", default=None)  # of a study


class SmallestEffects(Strict):
    """The smallest effects that matter, agreed before anyone looks."""

    rating_sd: pydantic.PositiveFloat = 0.10
    merit_pp: pydantic.PositiveFloat = 0.25
    hazard_ratio: float = pydantic.Field(1.2, gt=1)
    share_pp: pydantic.PositiveFloat = 3


class Settings(Strict):
    """What is said once of a study, by a notebook or by a run's params file."""

    as_of: dt.date | None = None
    smallest_effect: SmallestEffects = SmallestEffects()
    min_group: int = pydantic.Field(10, ge=rule.FLOOR)
    embargo_days: int = pydantic.Field(30, ge=0, le=365)


@dataclass
class Told:
    """What was told of a study so far: all that `hand_over` needs. Told again, it is told once."""

    rows: dict[document.Key, Result] = field(default_factory=dict)
    answers: set[document.Key] = field(default_factory=set)  # told by their question's chapter only
    flows: dict[str, pd.DataFrame] = field(default_factory=dict)
    pictures: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)  # by name, for a chapter of one's own
    coverage: pd.DataFrame | None = None
    looks: dict[str, Result] = field(default_factory=dict)  # by their marks, with earlier sessions'
    unkept: str = ""  # why looks are not kept beside the data


@dataclass
class Progress:
    """How much of what is asked is done, from 0 to 1, for whoever waits for it."""

    done: float = 0.0
    _share: float = 1.0  # of the whole, which what is at work now makes up

    def begin(self) -> None:
        """Something else is asked."""
        self.done, self._share = 0.0, 1.0

    def each(self, things: Iterable[Made]) -> Iterator[Made]:
        """These one by one, alike in length; each may itself be made of such."""
        left, whole, first = [*things], self._share, self.done
        for n, thing in enumerate(left, start=1):
            self._share = whole / len(left)
            yield thing
            self.done = first + n * whole / len(left)
        self._share = whole


@dataclass(frozen=True, repr=False, eq=False)
class Study:
    """A data set, what was agreed beforehand, and whatever is made of the two, each made once.

    It holds rows about people and never shows them: printed, it tells its size and its settings.
    """

    dataset: DataSet
    settings: Settings
    gate: gate.Gate
    told: Told = field(default_factory=Told)
    progress: Progress = field(default_factory=Progress)
    read_from: str = ""  # a digest of the files that were read, where their frames may be kept
    _made: dict[Any, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        reviews = self.dataset.tables["reviews"]
        rows, people = reviews.count().execute(), reviews.person_id.nunique().execute()
        size = f"{rows:,} reviews of {people:,} people"
        few = f"reviews of fewer than {self.min_group} people"
        return (
            f"Study({self.dataset.meta.title}, up to {self.dataset.as_of}: "
            f"{size if people >= self.min_group else few}; min_group {self.min_group}, "
            f"embargo_days {self.settings.embargo_days})"
        )

    @property
    def min_group(self) -> int:
        """How many people must stand behind what is shown."""
        return self.settings.min_group

    def smallest(self, name: str) -> float:
        """The smallest effect that matters, by its name in the settings."""
        return float(getattr(self.settings.smallest_effect, name))

    @cached_property
    def linked(self) -> windows.Linked:
        """Person-cycles, and the account of what fell out on the way to them."""
        days = self.settings.embargo_days
        return windows.Linked(
            **self._once(lambda: vars(windows.link(self.dataset, embargo_days=days)), "link", days)
        )

    @property
    def cycles(self) -> pd.DataFrame:
        """A row per person and review."""
        return self.linked.person_cycles

    @cached_property
    def journeys(self) -> journeys.Journeys:
        """Gaps from their finding to their closing."""
        return journeys.Journeys(
            **self._once(lambda: vars(journeys.gap_journeys(self.dataset)), "journeys")
        )

    @cached_property
    def quarters(self) -> pd.DataFrame:
        """A row per team and quarter."""
        return self._once(lambda: {"rows": teams.team_quarters(self.dataset)}, "teams")["rows"]

    @cached_property
    def _kept_for(self) -> dict[str, Any]:
        """What kept frames are about; nothing where none are kept: a run's, and files that changed
        while they were read.
        """
        if not self.read_from or kept.digest(self.dataset.folder) != self.read_from:
            return {}
        return {"as_of": self.dataset.as_of, "files": self.read_from, "build": build()}

    def _once(self, make: Callable[[], kept.Frames], what: str, days: int = 0) -> kept.Frames:
        """Linked frames; kept beside the data for the next notebook, unless these are a run's."""
        self.dataset.assert_unchanged()
        if not self._kept_for:
            return make()
        about = self._kept_for | {"what": what, "embargo_days": days}
        return kept.once(_beside(self.dataset.folder), about, make)

    @cached_property
    def fingerprint(self) -> str:
        """That of the data. It is kept that these files were checked, and what each table holds:
        who opens them next does neither again.
        """
        prints = pd.Series(self.dataset.fingerprints, dtype=object).rename_axis("table")
        if self._kept_for:
            about = _of_files(self.read_from, self.settings)
            kept.once(
                _beside(self.dataset.folder), about, lambda: {"prints": prints.to_frame("of")}
            )
        return self.dataset.fingerprint

    def made(self, make: Callable[..., Made], *about: Any) -> Made:
        """What `make(study, *about)` gives, made at the first call."""
        key = (make, *about)
        if key not in self._made:
            self._made[key] = judged(make)(self, *about)
        return self._made[key]


def judged(make: Callable[..., Made]) -> Callable[..., Made]:
    """The same with counts at a limit judged by the study's gate (`estimates.limits`)."""

    @wraps(make)
    def at_work(study: Study, *about: Any, **named: Any) -> Made:
        before = AT_WORK.set(study.gate)
        try:
            return make(study, *about, **named)
        finally:
            AT_WORK.reset(before)

    return at_work


class Answers(tuple[Result, ...]):
    """Rows of results with their study. They add up, can be cut, and print as text."""

    study: Study

    def __new__(cls, study: Study, rows: Iterable[Result]) -> "Answers":
        """The rows, none of them twice."""
        made = super().__new__(cls, {row.key: row for row in rows}.values())
        made.study = study
        return made

    def __add__(self, other: tuple[Result, ...]) -> "Answers":  # type: ignore[override]
        return type(self)(self.study, (*self, *other))

    @overload  # type: ignore[override]
    def __getitem__(self, place: SupportsIndex) -> Result: ...
    @overload
    def __getitem__(self, place: slice) -> "Answers": ...
    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return type(self)(self.study, found) if isinstance(place, slice) else found

    def __repr__(self) -> str:
        return "\n\n".join(map(_as_text, self))


def _as_text(row: Result) -> str:
    """A row for a prompt: verdict, sentence, how each check ended, and what would settle it."""
    about = ", ".join(filter(None, (row.measure, row.group * (row.group != "company"), row.at)))
    checks = "; ".join(f"{check.name}: {check.outcome}" for check in row.checks)
    first = f"{row.question} {about} [{words.verdict(row, verdict_words())}]"
    return "\n".join(filter(None, (first, row.sentence, checks, row.to_settle)))


# --- verbs


def study(
    data: str | Path | DataSet,
    *,
    as_of: dt.date | str | None = None,
    min_group: int = 10,
    embargo_days: int = 30,
    smallest_effect: dict[str, float] | None = None,
) -> Study:
    """A study of a folder of tables: everything that is agreed before anyone looks, said once.

    Nothing later than `as_of` counts (the data's own, when empty). Fewer than `min_group` people
    are never shown. Exposure ends `embargo_days` before the review. `smallest_effect`: the smallest
    difference that matters, as `rating_sd` (SD), `merit_pp` and `share_pp` (percentage points) and
    `hazard_ratio`; those left out are 0.10, 0.25, 3 and 1.2.

    `data` may have been read already (`la.read`). Raises `DataError` with all that is wrong with
    the settings and the data at once.

    >>> import learnalign as la
    >>> la.study("data/demo", smallest_effect={"rating_sd": 0.2})
    Study(Northbank (simulated), up to 2026-06-30: 6,780 reviews of 1,428 people; min_group 10, ...)
    """
    said = {"as_of": as_of, "min_group": min_group, "embargo_days": embargo_days}
    said |= {} if smallest_effect is None else {"smallest_effect": smallest_effect}
    problems, settings = [], Settings()
    try:
        settings = Settings.model_validate(said)
    except pydantic.ValidationError as error:
        keys = [*Settings.model_fields, *SmallestEffects.model_fields]
        problems += problems_of(error, "study", keys)
    if as_of and isinstance(data, DataSet):
        problems.append(Problem.of("already_read", "study", "as_of", str(as_of)))
    read_from = _digest(data)
    try:
        dataset = data if isinstance(data, DataSet) else _read(Path(data), settings, read_from)
    except DataError as error:
        raise DataError([*problems, *error.problems]) from None
    if problems:
        raise DataError(problems)
    return Study(dataset, settings, _gate(dataset, settings), read_from=read_from)


def _read(folder: Path, settings: Settings, read_from: str) -> DataSet:
    """The data set; where it is kept that these very files were checked, they are not again."""
    if read_from and (there := kept.found(_beside(folder), _of_files(read_from, settings))):
        known = there["prints"].of.to_dict()
        dataset = reading.read(folder, as_of=settings.as_of, known=known)
        if kept.digest(folder) == read_from:  # nothing changed on the way
            return dataset
    return reading.read(folder, as_of=settings.as_of)


def _of_files(read_from: str, settings: Settings) -> dict[str, Any]:
    return {"what": "checked", "files": read_from, "as_of": settings.as_of, "build": build()}


def _beside(folder: Path) -> Path:
    return folder / keys.PRIVATE / kept.FRAMES


def _digest(data: str | Path | DataSet) -> str:
    """Of a folder's files before they are read; none of what a run prepared or was read before."""
    if isinstance(data, DataSet) or kept.marked(Path(data)):
        return ""
    try:
        return kept.digest(Path(data))
    except (OSError, ValueError):
        return ""  # reading tells what is wrong


def _gate(dataset: DataSet, settings: Settings) -> gate.Gate:
    """The gate of a study: with the draws that a run left beside the data, where a run did."""
    draws = keys.beside(dataset.folder)
    alone = _alone(dataset) if draws else frozenset()
    return gate.Gate(rule.Rule(settings.min_group), draws, alone)


def _alone(dataset: DataSet) -> frozenset[str]:
    """Those who are the only one that some manager ever rated."""
    rated = dataset.tables["reviews"].group_by("manager_id")
    rated = rated.aggregate(people=_.person_id.nunique(), person=_.person_id.min())
    return frozenset(rated.filter(rated.people == 1).person.execute())


def tell(study: Study, rows: Iterable[Result] = (), *, answers: bool = False) -> Answers:
    """Rows that were shown to somebody: the study keeps them for `hand_over`."""
    found = Answers(study, rows)
    for row in found:
        study.told.rows[row.key] = row
        if answers:
            study.told.answers.add(row.key)
    return found


def hand_over(study: Study, chapter: str, out: str) -> None:
    """Give what was told to the run that started the notebook; with `out` empty, do nothing.

    Handed over are the answers to the questions of this `chapter` (the notebook's name), all facts,
    flows and pictures that were shown, and how often somebody looked further;
    of a chapter of one's own also its tables, and what its looks and facts say. `out` is the file
    that the run named. Shown again, in a cell that ran twice, a thing is handed over once.

    >>> import learnalign as la
    >>> la.hand_over(la.study("data/demo"), "coverage", out="")
    """
    told = study.told
    own = {key for key, question in questions().items() if question.chapter == chapter}
    rows = [row for key, row in told.rows.items() if key not in told.answers or row.question in own]
    flow = [*told.flows.values()]
    pictures = [*told.pictures.values(), *(told.tables.values() if is_own(chapter) else ())]
    said = _said(study, rows) if study.gate.draws and is_own(chapter) else []
    document.write(out, chapter, rows, flow, told.coverage, pictures, len(told.looks), said)
    if out and study.gate.draws:
        gate.told(study.gate).to_parquet(Path(out).with_suffix(keys.TOLD))


def _said(study: Study, rows: Iterable[Result]) -> list[dict[str, Any]]:
    """What looks of this run, which are moved, and facts say, and where they lie; of earlier looks
    nothing.
    """
    found = looks.corrected([*study.told.looks.values()])
    moved = [one for one in found if one.branch in looks.OF_A_RUN]
    facts = [row for row in rows if row.branch in ("fact", "hidden") and not row.headline]
    return [
        {"name": looks.named(row), "sentence": row.sentence, "shown": row.shown}
        | ({name: getattr(row, name) for name in document.LIES} if row.shown else {})
        for row in (*moved, *facts)
    ]

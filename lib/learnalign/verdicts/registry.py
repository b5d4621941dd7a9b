"""The registry: all that is fixed before anyone looks, read from the files of `en/`.

A question is one file: its words, who is compared with whom, what it needs, what to do. A project's
own questions, in `params/questions`, stand beside ours and are read by the same rules.
"""

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml

from learnalign.data.mistakes import DataError, Problem, problems_of, read_yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
OWN = "LEARNALIGN_QUESTIONS"  # names the folder of a project's own, to all processes of a run
COVERAGE = "coverage"  # the chapter without questions of its own
IN_POINTS = (("percentage points", "merit_pp"),)
UNITS = {  # of an outcome: in which unit it is told, and which smallest effect is of that
    "rating": (("SD", "rating_sd"),),
    "merit": IN_POINTS,
    "merit_at_equal_rating": IN_POINTS,
    "closure": (("hazard ratio", "hazard_ratio"), ("currency", "")),
    "team share": (("percentage points", "share_pp"),),
}


@cache
def phrases(name: str) -> dict[str, Any]:
    """A file of words, read once: `sentences`, `checks`, `page`, `questions/Q1`."""
    text = (files("learnalign.verdicts") / "en" / f"{name}.yml").read_text("utf-8")
    return yaml.load(text, LOADER)


class Fixed(pydantic.BaseModel):
    """What a file fixes: every key is required, others are refused."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Need(Fixed):
    """What a question cannot do without: where it is recorded, what to say where it is not."""

    key: str
    where: str  # "table" or "table.column"; "one or other" where either will do
    what: str
    missing: str
    settle: str

    def is_met(self, filled: frozenset[str]) -> bool:
        return is_recorded(self.where, filled)


class Part(Fixed):
    """Who is compared in a row of a measure's family."""

    doers: str
    others: str


class Brief(Fixed):
    """What is seen of the whole, what of a part, and in what they differ: for one line."""

    whole: str
    part: str
    outcome: str


class Plain(Fixed):
    """A headline for those with two minutes: what it is about, what was found, and from what to
    what.
    """

    topic: str  # "whether …"
    higher: str
    lower: str
    none: str
    told: str  # with {base}, {to} and {contrast}


class Method(Fixed):
    """Who is compared with whom, and in what, for those who want to know."""

    compared: str
    outcome: str


class Measure(Fixed):
    """A contrast: who is compared with whom, on what, in which unit, and its words."""

    key: str
    estimator: str  # how it is estimated: a key of `estimators` in `en/sentences.yml`
    exposure: str
    outcome: str
    unit: Literal["SD", "percentage points", "hazard ratio", "currency"]
    smallest: Literal["rating_sd", "merit_pp", "hazard_ratio", "share_pp", ""]
    doers: str
    others: str
    did: str  # what the outcome's verb is: "were rated"
    held: str  # what is held equal besides manager, cycle and past ratings
    among: str  # what is held equal, where that is not manager, cycle and past ratings
    about: str  # what differs: "in how fast gaps closed"; from doers, others and did when empty
    limit: str  # what it cannot tell, where that is not what every adjusted figure cannot
    misleads: str
    part: Part
    brief: Brief
    method: Method

    @pydantic.field_validator("estimator")
    @classmethod
    def known(cls, name: str) -> str:
        return _one_of(name, phrases("sentences")["estimators"])

    @pydantic.field_validator("unit", "smallest")
    @classmethod
    def of_the_outcome(cls, name: str, info: pydantic.ValidationInfo) -> str:
        pairs, of = UNITS.get(info.data.get("outcome", ""), ()), info.data.get("unit")
        is_unit = info.field_name == "unit"
        known = [pair[not is_unit] for pair in pairs if is_unit or pair[0] == of]
        return _one_of(name, dict.fromkeys(known)) if known else name


class Headline(Measure):
    """A measure that answers its question, and so is told on the first page as well."""

    plain: Plain


class Arrow(Fixed):
    """From what to what a question leads on the map."""

    start: str = pydantic.Field(alias="from")
    end: str = pydantic.Field(alias="to")

    @pydantic.field_validator("start", "end")
    @classmethod
    def on_the_map(cls, name: str) -> str:
        return _one_of(name, phrases("pictures")["places"])


Came = Literal["higher", "lower", "none", "described"]


class Question(Fixed):
    """A question that was fixed before anyone looked."""

    key: str
    text: str
    chapter: str  # the notebook that answers it
    map: Arrow
    needs: tuple[Need, ...]
    measures: dict[str, Headline] = pydantic.Field(min_length=1)
    families: dict[str, Measure]  # without a headline of their own
    rank: int  # whose action comes first
    do: dict[Came, str]
    do_not: dict[Came, str]

    @pydantic.field_validator("needs", mode="before")
    @classmethod
    def by_name(cls, names: Any) -> Any:
        known = phrases("data")["needs"]
        names = names if isinstance(names, list) else [names]
        return [{"key": name} | known[_one_of(name, known)] for name in names]

    @pydantic.field_validator("measures", "families", mode="before")
    @classmethod
    def keyed(cls, measures: Any) -> Any:
        if not isinstance(measures, dict):
            return measures
        return {
            key: dict(one, key=key) if isinstance(one, dict) else one
            for key, one in measures.items()
        }


def _one_of(name: Any, known: Mapping[str, Any]) -> str:
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"must be one of {', '.join(known)}")
    return name


# --- ours, and a project's own


@cache
def read(folder: Path | None = None) -> dict[str, Question]:
    """The questions by their keys: ours and, after them, those in the files of `folder`.

    A `DataError` with all that is wrong in them: a key left out or unknown, a question or measure
    that there is already. What is fixed is fixed: the folder is read once in a process.
    """
    ours = files("learnalign.verdicts") / "en/questions"
    names = sorted(one.name.removesuffix(".yml") for one in ours.iterdir())
    found = {key: Question(key=key, **phrases(f"questions/{key}")) for key in names}
    taken = {name for one in found.values() for name in (*one.measures, *one.families)}
    problems = []
    for path in sorted(folder.glob("*.yml")) if folder else ():
        try:
            own = Question.model_validate(read_yaml(path) | {"key": path.stem})
        except pydantic.ValidationError as error:
            keys = [*Question.model_fields, *Headline.model_fields]
            problems += problems_of(error, path.name, keys)
            continue
        except DataError as error:
            problems += error.problems
            continue
        twice = [key for key in (*own.measures, *own.families) if key in taken]
        twice += [path.stem] if path.stem in found else []
        text = "is a key that another question has"
        problems += [Problem(path.name, key, text, fix="give it another name") for key in twice]
        taken |= {*own.measures, *own.families}
        found[path.stem] = own
    if problems:
        raise DataError(problems)
    return found


def use(folder: Path) -> dict[str, Question]:
    """From now on, here and in every process that this one starts, the questions in `folder` stand
    beside ours; a folder that is not there holds none.
    """
    os.environ[OWN] = str(folder.resolve())
    return questions()


def questions() -> dict[str, Question]:
    """All questions by their keys: ours, and those of the project that is run, or worked in."""
    return read(_own())


def is_own(chapter: str) -> bool:
    """Whether a notebook is none of ours, but one that an analyst wrote."""
    return chapter not in {COVERAGE, *(one.chapter for one in read(None).values())}


def _own() -> Path | None:
    """The folder of a project's own questions, where there is one."""
    here = [place / "params/questions" for place in (Path.cwd(), Path.cwd().parent)]
    places = [Path(os.environ[OWN])] if OWN in os.environ else here
    return next((place for place in places if place.is_dir()), None)


def build() -> str:
    """A mark of all files of the library, and of a project's own questions: with the same ones, a
    page is made again to the byte.
    """
    library = Path(str(files("learnalign")))
    paths = [path for path in library.rglob("*") if path.suffix in (".py", ".yml", ".j2", ".woff2")]
    made = [path for path in paths if "_shipped" not in path.parts]
    own = _own()
    made += own.glob("*.yml") if own else ()
    lines = (f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in made)
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]


def measures() -> dict[str, tuple[Question, Measure]]:
    """Every measure by its key, families' too, with the question that it belongs to."""
    return {
        key: (question, measure)
        for question in questions().values()
        for key, measure in (*question.measures.items(), *question.families.items())
    }


def headlines(estimator: str = "") -> tuple[str, ...]:
    """The measures that have a headline, all or those of one estimator."""
    keys = [
        (key, one) for question in questions().values() for key, one in question.measures.items()
    ]
    return tuple(key for key, one in keys if estimator in ("", one.estimator))


def verdict_words() -> dict[str, str]:
    """What the reader sees for each verdict; "shown": a difference, of a design that compares."""
    told = phrases("sentences")
    return {key: one["word"] for key, one in told["verdicts"].items()} | {"shown": told["shown"]}


# --- what the data must hold


def is_recorded(where: str, filled: frozenset[str]) -> bool:
    """Whether any of the places in "one or other" holds anything."""
    return any(place in filled for place in where.split(" or "))


def missing_needs(question: Question, filled: frozenset[str]) -> list[Need]:
    """What a question needs and the data do not hold; a missing table speaks for its columns."""
    missing = [need for need in question.needs if not need.is_met(filled)]
    tables = {need.where for need in missing if "." not in need.where}
    return [
        need
        for need in missing
        if need.where in tables or need.where.partition(".")[0] not in tables
    ]


def unknowns(filled: frozenset[str], chapter: str) -> tuple[str, ...]:
    """What a chapter cannot know with these data, a line for each thing it could use that nobody
    recorded.

    >>> places = " or ".join(phrases("data")["uses"]).split(" or ")
    >>> unknowns(frozenset(places) - {"learning.cost"}, "investment")
    ('what learning costs (no learning.cost)',)
    """
    uses = phrases("data")["uses"]
    used = [
        where
        for where, one in uses.items()
        if one["chapters"] == "all" or chapter in one["chapters"]
    ]
    missing = [where for where in used if not is_recorded(where, filled)]
    told = [
        where for where in missing if where.partition(".")[0] not in missing or "." not in where
    ]
    return tuple(f"{uses[where]['lacks']} (no {where})" for where in told)

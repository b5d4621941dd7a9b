"""Inviting: an order of invitations drawn by lot, what it takes, and the chance to learn from it.

What is printed names nobody; the list itself is rows about people, written for its owner alone. The
next edition reads it as the table `invitations` (`estimates.invited`).
"""

import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from learnalign.data import reading
from learnalign.data.contract import PLANNED
from learnalign.data.engine import bounded
from learnalign.data.mistakes import PUBLISH, TOO_SMALL, DataError, Problem, Stopped, nearest
from learnalign.data.reading import DataSet
from learnalign.data.writing import private
from learnalign.estimates import invited
from learnalign.estimates.contrasts import POWER
from learnalign.estimates.invited import Foreseen
from learnalign.linking.account import latest_reviews
from learnalign.runs.spec import COMPANY, RunSpec, data_of, read_spec
from learnalign.studies import Study, study
from learnalign.verdicts.registry import Question, measures, phrases, questions
from learnalign.verdicts.result import number
from learnalign.verdicts.rows import FAR

MOST_WAVES, MOST_CYCLES, LEAST_MOVED = 12, 20, 0.01
LEAST = 2 * invited.MIN_CHANGERS  # people: with fewer, no order can be told


@dataclass(frozen=True, repr=False)
class Order:
    """A drawn order: whose turn it is when, and how exactly it would tell each measure."""

    question: Question
    about: str
    as_of: dt.date
    days: tuple[dt.date, ...]  # of the turns
    turns: pd.DataFrame  # by person_id: `stratum`, and `wave` from 0
    foreseen: tuple[tuple[Foreseen, float], ...]  # with the smallest effect that matters
    moves: float
    seed: int
    out: Path
    is_added: bool  # to an order of invitations to something else

    @property
    def room(self) -> float:
        """The share of people who could be moved: the others do it already."""
        return 1 - max(one.does_now for one, _ in self.foreseen)

    def __str__(self) -> str:
        return "\n".join(_told(self))


def plan(
    params: str | Path,
    question: str,
    out: str | Path,
    *,
    waves: int = 3,
    seed: int = 1,
    moves: float = 0.3,
) -> Order:
    """Draw an order of invitations for a question, and write it to `out`, for its owner alone.

    In it are people who are employed at `as_of` and were reviewed before, in order within their
    unit, or all together where that is small; the same seed gives the same list. `moves`: how many
    more of the invited do it than of those who wait, which is assumed.

    Raises `DataError` with all that is wrong at once, `Stopped` where the people or cycles are too
    few. Misleads where more are invited than the list says, or others first.
    """
    out = Path(out)
    spec, dataset = _asked(Path(params), question, out, waves, moves)
    smallest = spec.smallest_effect.model_dump()
    own = {"min_group": spec.min_group, "embargo_days": spec.embargo_days}
    made = study(dataset, **own, smallest_effect=smallest)
    people, n_cycles = strata(made, waves), made.cycles.cycle.nunique()
    if len(people) < LEAST:
        raise _too_few("people", n=f"{len(people):,}", least=LEAST)
    if n_cycles < waves:
        raise _too_few("cycles", n=n_cycles, waves=waves)
    turns = draw(people, waves, seed)
    foreseen = _foreseen(made, question, turns, waves)
    order = Order(
        question=questions()[question],
        about=_about(question),
        as_of=dataset.as_of,
        days=days_of(made.cycles, dataset.as_of, waves),
        turns=turns,
        foreseen=foreseen,
        moves=moves,
        seed=seed,
        out=out,
        is_added=bool(dataset.recorded[PLANNED].count().execute()),
    )
    str(order)  # what cannot be told is not written
    _write(order)
    return order


# --- what is asked


def _asked(
    params: Path, question: str, out: Path, waves: int, moves: float
) -> tuple[RunSpec, DataSet]:
    """The params file and the data set; or everything that is wrong with them and what is asked."""
    problems, spec, dataset = [], None, None
    try:
        spec = read_spec(params)
        with bounded(spec.limits):
            dataset = reading.read(data_of(params, spec), spec.as_of, spec.limits)
    except DataError as error:
        problems += error.problems
    problems += _wrong(question, out, waves, moves)
    if dataset is not None and question in questions():
        rows = dataset.recorded[PLANNED]  # those that have not begun, too
        if rows.filter(rows.about == _about(question)).count().execute():
            problems.append(Problem.of("order_drawn", PLANNED, "about", _about(question)))
    if problems or spec is None or dataset is None:
        raise DataError(problems)
    return spec, dataset


def _wrong(question: str, out: Path, waves: int, moves: float) -> Iterator[Problem]:
    can = [key for key in questions() if _about(key)]
    if question not in questions():
        said = {"what": "question", "near": nearest(question, can), "known": ", ".join(can)}
        yield Problem.of("no_such", "plan", "question", question, **said)
    elif not _about(question):
        yield Problem.of("not_invited", "plan", "question", question, known=", ".join(can))
    yield from _no_place(out)
    if not 2 <= waves <= MOST_WAVES:
        yield Problem.of("no_waves", "plan", "waves", str(waves), most=MOST_WAVES)
    if not LEAST_MOVED <= moves <= 1:
        yield Problem.of("no_moves", "plan", "moves", str(moves))


def _no_place(out: Path) -> Iterator[Problem]:
    """Why the list cannot be written there: something is, or nothing can be."""
    try:
        out.lstat()
    except FileNotFoundError:
        if not (out.parent.is_dir() and os.access(out.parent, os.W_OK | os.X_OK)):
            yield Problem.of("no_such_place", "plan", "out", str(out))
    except (OSError, ValueError):  # too long, no folder, no name
        yield Problem.of("no_such_place", "plan", "out", str(out)[:200])
    else:
        yield Problem.of("file_there", str(out))


def _about(question: str) -> str:
    """What people would be invited to; "" where a question is on nothing that can be offered."""
    return next(filter(None, map(invited.about_of, questions()[question].measures)), "")


# --- the draw


def strata(made: Study, waves: int) -> pd.Series:
    """The stratum of everybody who is employed and was reviewed, by person_id: the unit of their
    latest review, or the company's rest where too few of a unit are left for every turn. Where too
    few are the rest, the smallest unit is of it, so that people of each stratum are in every turn.
    """
    latest = latest_reviews(made.cycles).set_index("person_id")
    left_on = pd.to_datetime(latest.left_on)
    here = latest[left_on.isna() | (left_on > pd.Timestamp(made.dataset.as_of))]
    sizes, least = here.unit.value_counts(), max(made.min_group, 2 * waves)
    own = sizes[sizes >= least]
    if len(own) and 0 < len(here) - own.sum() < least:
        own = own.drop(own.sort_index().idxmin())
    return here.unit.where(here.unit.isin(own.index), COMPANY).rename("stratum")


def draw(people: pd.Series, waves: int, seed: int) -> pd.DataFrame:
    """Turns (`wave`, from 0) within strata, as many people in each as can be; by a seed alone, and
    not by how the rows lie.

    >>> draw(pd.Series("ops", list("abcd")), 2, 1).wave.tolist()
    [0, 1, 0, 1]
    """
    rng, turns = np.random.default_rng(seed), people.sort_index().to_frame("stratum")
    waves_of = [
        pd.Series(rng.permutation(len(own)) % waves, own.index)
        for _, own in turns.groupby("stratum")
    ]
    return turns.assign(wave=pd.concat(waves_of))


def days_of(cycles: pd.DataFrame, as_of: dt.date, waves: int) -> tuple[dt.date, ...]:
    """When turns begin: with the next review windows that begin after `as_of`, as far apart as the
    company's own.
    """
    ends = (
        pd.to_datetime(cycles.window_end).groupby(cycles.cycle).median().sort_values().dt.floor("D")
    )
    apart = max(ends.diff().median().floor("D"), pd.Timedelta(days=1))
    first = ends.iloc[-1]
    first += apart * max((pd.Timestamp(as_of) - first) // apart + 1, 0)
    return tuple((first + apart * turn).date() for turn in range(waves))


def _foreseen(
    made: Study, question: str, turns: pd.DataFrame, waves: int
) -> tuple[tuple[Foreseen, float], ...]:
    own = questions()[question].measures.values()
    found = [(invited.foreseen(made.cycles, one.key, turns, waves), one.smallest) for one in own]
    known = tuple((one, made.smallest(name)) for one, name in found if one and not one.silent)
    if not known:
        raise _too_few(next((one.silent for one, _ in found if one), "compared"))
    return known


def _too_few(why: str, **said: object) -> Stopped:
    told = phrases("inviting")
    return Stopped(TOO_SMALL, told["too few"].format(why=told["why"][why].format(**said)))


def _write(order: Order) -> None:
    """The list, sorted by person so that its order tells nothing; never over a file or a link."""
    days = pd.Series(order.days).astype(str)
    rows = pd.DataFrame(
        {
            "person_id": order.turns.index,
            "about": order.about,
            "invited_on": days[order.turns.wave].to_numpy(),
            "drawn_within": order.turns.stratum.to_numpy(),
        }
    )
    try:
        with open(order.out, "x", encoding="utf-8", newline="", opener=private) as file:
            rows.to_csv(file, index=False, lineterminator="\n")  # as it is, to be read again
    except OSError as error:
        raise Stopped(PUBLISH, f"The list could not be written. {error}") from None


# --- what is said


def _told(order: Order) -> Iterator[str]:
    told, turns = phrases("inviting"), order.turns
    groups, waves = turns.stratum.nunique(), len(order.days)
    said = {
        "do": told["do"][order.about],
        "people": told["people"].format(n=f"{len(turns):,}"),
        "groups": _counted(told["groups"], groups),
        "as_of": order.as_of,
        "waves": waves,
        "each": told["each"].format(n=f"{len(turns) / waves:,.0f}"),
        "days": ", ".join(map(str, order.days)),
        "put": told["put"][order.is_added].format(out=order.out),
        "seed": order.seed,
        "cycles": _counted(told["cycles"], waves - 1),
    }
    yield told["title"].format(key=order.question.key, text=order.question.text)
    for n, step in enumerate(told["steps"], start=1):
        yield f"{n}. {step.format(**said)}"
    first = order.foreseen[0][0]
    yield told["now"].format(now=_of_100(first.does_now))
    yield told["assumed"].format(more=_of_100(order.moves))
    if order.moves > order.room:
        yield told["no room"].format(room=_of_100(order.room))
    for one, smallest in order.foreseen:
        yield from _chance(order, one, smallest)


def _chance(order: Order, one: Foreseen, smallest: float) -> Iterator[str]:
    told, measure = phrases("inviting"), measures()[one.measure][1]
    chances = [one.chance(smallest, moves) for moves in (order.moves, order.moves / 2)]
    yield told["chance"].format(
        smallest=number(smallest, measure.unit),
        outcome=measure.brief.outcome + told["step"] * one.is_slope,
        chance=_of_100(chances[0]),
        half=_of_100(order.moves / 2),
        halved=_of_100(chances[1]),
    )
    if chances[0] < POWER:
        ways = _ways(order, one.times(smallest, order.moves))
        yield told["small"].format(ways=", or ".join(ways))


def _ways(order: Order, times: float) -> Iterator[str]:
    """What would do: more people, more cycles, or a better invitation."""
    told, waves = phrases("inviting")["ways"], len(order.days)
    if times > FAR:
        yield told["far"].format(far=FAR)
    else:
        yield told["people"].format(n=f"{float(f'{len(order.turns) * times:.2g}'):,.0f}")
    # what turns tell grows with (waves^2 - 1) / waves
    wanted = times * (waves - 1 / waves)
    cycles = int(np.ceil((wanted + np.sqrt(wanted**2 + 4)) / 2)) - 1
    if cycles <= MOST_CYCLES:
        yield told["cycles"].format(n=cycles)
    if (moves := order.moves * times**0.5) <= order.room:
        yield told["moves"].format(n=_of_100(moves))


def _counted(told: dict[object, str], n: int) -> str:
    return told.get(n, told["other"]).format(n=n)


def _of_100(share: float) -> str:
    told, n = phrases("inviting"), 100 * share
    return told["few"] if n < 1 else told["most"] if n > 99 else f"{n:.0f}"

"""The oracle: how sure somebody could be of one person who may ask a thousand questions of a run.

    python tests/benchmarks/oracle.py [--companies 6] [--questions 1000] [--keys 60] [--again]

Of each simulated company there are two states, with and without one person. The attacker knows
everything but which of the two is asked: all rows, the person, the code, each exact figure and how
far each is moved; not the key. They write their questions around the person (their attributes, who
they are but for one, neighbours, complements, windows, what is held equal, alone and together,
other words, groups of ten and of eleven), begin with those that tell most, and ask both states
under keys of their own, to learn what to look for: what is shown, which figures are alike, which
groups are named, and when it ends; then they guess under other keys. `--again`: they put the one
of a hundred that tells most, and is shown, in as many other words, to average the noise away, and
say the state whose exact figure is nearer to the mean. Nothing of
`learnalign.privacy` but the keys is used.

All questions are put under a few keys. Under the others only the first are, as a session is the
same up to there whatever follows; that no answer after them tells anything is counted, not taken
for granted (`late`).
"""

import argparse
import contextlib
import hashlib
import json
import math
import time
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import learnalign as la
from learnalign import studies
from learnalign.data import reading
from learnalign.data.contract import Meta
from learnalign.data.mistakes import DataError
from learnalign.estimates import explore, looked
from learnalign.privacy import gate, keys, rule
from northbank import tables as northbank

BOUND = stats.norm.cdf(1.2 / 2)  # PRIVACY: 73 % of guesses
OWN = {"ties": ["from_id", "to_id"], "surveys": []}
LINKED = ("linked", "journeys", "quarters")
Question = tuple[str, dict[str, Any]]  # a verb, and what it is asked

# --- two states of a company


@dataclass
class State:
    """A company's study, to be asked under any key; what does not depend on it is made once."""

    study: studies.Study
    fits: dict[Any, list[looked.Found]] = field(default_factory=dict)
    last: list[looked.Found] = field(default_factory=list)  # of the last question

    def under(self, number: int) -> studies.Study:
        secret = hashlib.sha256(f"oracle {number}".encode()).digest()
        door = gate.Gate(rule.Rule(10), keys.Draws(secret, "state"))
        made = {k: v for k, v in self.study._made.items() if k[0] is not explore._looks}
        found = replace(self.study, gate=door, told=studies.Told(), _made=made)
        linked = {name: vars(self.study)[name] for name in LINKED if name in vars(self.study)}
        vars(found).update(linked)
        return found


def states(seed: int, people: int) -> tuple[State, State, pd.Series]:
    """A company with everybody, and without the person who moves a look most; and that person."""
    made = northbank.northbank(people=people, cycles=3, seed=seed)
    meta = Meta.model_validate(made.dataset)
    whole = State(_study(made.tables, meta))
    frame = looked.table(whole.study)
    told = la.ask(whole.study, "Q2")  # its exact fit is the attacker's own
    fit = studies.Study.made(whole.study, explore.ask._compared, told[0].measure).adjusted
    person = fit.influence.abs().idxmax()
    without = {}
    for name, table in made.tables.items():
        of = OWN.get(name, ["person_id"])
        kept = ~table[of].eq(person).any(axis=1) if of else slice(None)
        without[name] = table[kept].reset_index(drop=True)
    about = frame[frame.person_id == person].iloc[-1]
    return whole, State(_study(without, meta)), about


def _study(tables: dict[str, pd.DataFrame], meta: Meta) -> studies.Study:
    dataset = reading.of_frames(tables, meta)
    found = studies.Study(dataset, studies.Settings(), gate.Gate(rule.Rule(10)))
    looked.table(found), explore.ask.months(found)
    return found


# --- what is asked


def questions(about: pd.Series, frame: pd.DataFrame, n: int, seed: int) -> list[Question]:
    """So many questions around one person."""
    rng = np.random.default_rng(seed)
    names = ["function", "location", "gender", "age_band", "unit", "grade"]
    own = {name: f"{name} == {about[name]!r}" for name in names}
    exactly = f"tenure_years == {about.tenure_years!r} and {own['unit']}"
    years = sorted(frame.tenure_years.dropna())
    found: list[Question] = []
    for verb, asked in _verbs():
        found += [(verb, asked | {"by": name}) for name in names[:4]]
        for name, where in own.items():
            wheres = [where, f"not {where}", f"{where} and not ({exactly})", f"not (not {where})"]
            found += [(verb, asked | {"where": one}) for one in wheres]
            if "window_days" not in asked and asked.get("names") not in (("Q6",), ("Q8",)):
                more = [{"window_days": int(rng.choice([60, 120, 240, 365]))}, {"equal": [name]}]
                found += [
                    (verb, asked | {"where": where} | one) for one in more if name in names[:4]
                ]
        if verb == "compare" or asked["names"][0] in ("Q1", "Q2", "Q3"):
            found += [(verb, asked | one) for one in _held(own, names[:4], rng)]
        edge = float(rng.choice(years))
        for where in (f"tenure_years < {edge!r}", f"tenure_years >= {edge!r}"):
            found += [(verb, asked | {"where": where})]
            found += [(verb, asked | {"where": f"({where}) and not ({exactly})"})]
    while len(found) < n:
        verb, asked = _verbs()[int(rng.integers(len(_verbs())))]
        low, high = sorted(rng.choice(years, 2))
        if rng.random() < 0.3:  # around a floor: as many as it takes, with the person and without
            low = about.tenure_years - rng.random()
            at = np.searchsorted(years, low)
            high = years[min(at + int(rng.integers(8, 160)), len(years) - 1)]
        where = f"tenure_years >= {low!r} and tenure_years <= {high!r}"
        found += [(verb, asked | {"where": where})]
        found += [(verb, asked | {"where": f"{where} and not ({exactly})"})]
    pairs = [found[i : i + 2] for i in range(0, len(found) - 1, 2)]
    rng.shuffle(pairs)
    return [one for pair in pairs for one in pair][:n]


def _held(own: dict[str, str], names: list[str], rng: Any) -> list[dict[str, Any]]:
    """More held equal together, of all and of few: whoever is left with few alike moves most."""
    more = ["rating", "unit", "compa_ratio"]
    held = [more, names, [*names, *more], [*rng.permutation([*names, *more])][:3]]
    wheres = ["", own["unit"], own["grade"], f"{own[names[0]]} and {own[names[1]]}"]
    pairs = [(a, b) for a in held for b in wheres]
    return [{"equal": [*map(str, a)], "where": b} for a, b in pairs]


def in_other_words(question: Question, n: int) -> list[Question]:
    """The same of the same rows, said in so many ways."""
    verb, asked = question
    where = f"({asked['where']}) and " if asked.get("where") else ""
    texts = [f"{where}not tenure_years < {-1 - k}" for k in range(n - 1)]
    return [question, *((verb, asked | {"where": text}) for text in texts)]


def _verbs() -> list[Question]:
    compared = ["coaching", "reading_hours", "acknowledged_to_manager", "voluntary_hours", "gender"]
    asked = [("ask", {"names": (name,)}) for name in ("Q1", "Q2", "Q3", "Q6", "Q8")]
    asked += [("compare", {"exposure": one, "outcome": "rating"}) for one in compared]
    return [*asked, ("compare", {"exposure": "mentoring", "outcome": "stayed"})]


def put(study: studies.Study, question: Question) -> tuple[Any, ...]:
    """What the oracle says: all that is read of every row."""
    verb, asked = question
    words = dict(asked)
    try:
        found = getattr(la, verb)(study, *words.pop("names", ()), **words)
    except DataError as error:
        return (("refused", str(error)),)
    return tuple(
        (one.group, one.measure, one.verdict, one.estimate, one.low, one.high, one.mark)
        + (one.n_people, one.n_clusters, one.reason, one.note, one.branch, one.p, one.checks)
        for one in found
    )


@contextlib.contextmanager
def remembering(state: State):
    """For a while, what is fitted to rows is fitted once, as the attacker has it at home."""
    before = dict(looked.FINDS)

    def once(kind):
        def find(study, of, which):
            same = replace(of, where="", by="")  # these say whose rows, and no more
            key = kind, same, which.to_numpy().tobytes(), study.gate.draws is None
            if of.exposure and not of.measure:  # which levels there are is for the gate to say
                there = tuple(
                    e and e.level for e in looked._exposures(study, of, looked.table(study))
                )
                key = (*key, there)
            if key not in state.fits:
                state.fits[key] = [*before[kind](study, of, which)]
            state.last += state.fits[key]
            return state.fits[key]

        return find

    looked.FINDS = {kind: once(kind) for kind in before}
    try:
        yield
    finally:
        looked.FINDS = before


# --- how far a figure tells, as the attacker reckons it


def apart(one: State, other: State, question: Question) -> float:
    """By how many deviations of its noise a question's figures differ, at home."""
    found = []
    for state in (one, other):
        study = state.under(0)
        state.last = []
        explore._spent.cache_clear()
        with remembering(state):
            put(study, question)
        fits = [one.comparison.adjusted for one in state.last]
        found.append(fits[0] if fits else None)
    if found[0] is None or found[1] is None:
        return 9.0 * (found[0] is not found[1])
    a, b = found
    moves = np.abs(a.influence.to_numpy(float))
    sd = max(0.55 * a.std_error, 16.5 * np.quantile(moves, 0.99), 8 * moves.max())
    shift = math.log(a.estimate / b.estimate) if a.ratio else a.estimate - b.estimate
    return abs(shift) / sd


# --- the attack


@dataclass
class Attack:
    """How often an attacker is right, and what was seen on the way."""

    right: float
    error: float
    certain: list[Any]  # what was always so in one state and never in the other
    shown: float
    small: int  # figures of groups below the rule
    late: int  # answers after the first ones that are not the same in all sessions, or shown


def transcript(state: State, number: int, asked: list[Question]) -> list[tuple[Any, ...]]:
    explore._spent.cache_clear()
    study = state.under(number)
    with remembering(state):
        told = [put(study, one) for one in asked]
    tables = {key: one for key, one in study._made.items() if key[0] is looked._table}
    state.study._made.update(tables)
    return told


def features(told: list[tuple[Any, ...]]) -> tuple[dict[Any, Any], dict[Any, float]]:
    """What is so, or not, of a transcript, and its figures."""
    marks: dict[Any, Any] = {}
    numbers: dict[Any, float] = {}
    for n, rows in enumerate(told):
        marks[n, "rows"] = tuple(row[:2] for row in rows)
        for row in rows:
            rest = row[2:3] + row[6:]
            marks[n, row[:2], "said"] = rest
            if len(row) > 4 and row[3] is not None:
                numbers[n, row[:2], "figure"] = row[3]
                numbers[n, row[:2], "width"] = math.log(max(row[5] - row[4], 1e-12))
    figures = [[row[3:6] for row in rows if len(row) > 4] for rows in told]
    for n, (a, b) in enumerate(pairwise(figures)):
        marks[n, "alike"] = a == b and any(x[0] is not None for x in a)
    return marks, numbers


HEAD, WHOLE = 60, 3  # questions under every key, and keys in each state for all questions


def attack(
    seed: int, *, people: int = 900, n: int = 1000, n_keys: int = 60, again: bool = False
) -> Attack:
    """One company, one person, so many questions; half of the keys to learn from."""
    here, gone, about = states(seed, people)
    asked = questions(about, looked.table(here.study), 100 if again else n, seed)
    far = [apart(here, gone, one) for one in asked]
    order = np.argsort([-x for x in far], kind="stable")
    asked = [asked[i] for i in order]
    if again:
        asked = in_other_words(next(one for one in asked if _is_shown(here, one)), n)
    raw = [[transcript(state, k, asked[:HEAD]) for k in range(n_keys)] for state in (here, gone)]
    late = _late([transcript(state, k, asked) for state in (here, gone) for k in range(WHOLE)])
    told = [[features(one) for one in each] for each in raw]
    right, certain = guesses(told, n_keys)
    if again:
        fits = [_exact(state, asked[0]) for state in (here, gone)]
        right = averaged(raw, fits)
        print(asked[0], *(fit.estimate for fit in fits), flush=True)
    shown = np.mean([sum(k[-1] == "figure" for k in one[1]) for each in told for one in each])
    error = float(np.std(right) / math.sqrt(len(right)))
    small = _small(here, asked)
    return Attack(float(np.mean(right)), error, certain, float(shown), small, late)


def _is_shown(state: State, question: Question) -> bool:
    """Whether a question with one answer is answered by a figure, under most keys."""
    told = [transcript(state, k, [question])[0] for k in range(9)]
    return "by" not in question[1] and sum(bool(_figures([one])) for one in told) > 4


def _figures(told: list[tuple[Any, ...]]) -> list[float]:
    return [rows[0][3] for rows in told if rows and len(rows[0]) > 4 and rows[0][3] is not None]


def _exact(state: State, question: Question) -> Any:
    """The first fit of its answer, as the attacker has it at home."""
    state.last = []
    transcript(state, 0, [question])
    return state.last[0].comparison.adjusted


def averaged(raw: list[list[Any]], exact: list[Any]) -> list[float]:
    """Which guesses are right of who says the state whose figure is nearer to the mean of all, of
    ratios in logarithms."""
    right, scale = [], np.log if exact[0].ratio else np.asarray
    for which, each in enumerate(raw):
        for told in each:
            mean = np.mean(scale(_figures(told) or [np.nan]))
            far = [abs(mean - scale(fit.estimate)) for fit in exact]
            right.append(float(far[which] < far[1 - which]) if mean == mean else 0.5)
    return right


def _late(told: list[list[tuple[Any, ...]]]) -> int:
    """Answers after the head that differ between sessions, or show a figure; but what the session
    had told before, to the same question in other words."""
    heads = [{row for rows in one[:HEAD] for row in rows} for one in told]
    rests = [
        [tuple(row for row in rows if row not in head) for rows in one[HEAD:]]
        for one, head in zip(told, heads, strict=True)
    ]
    figures = [
        any(len(row) > 4 and row[3] is not None for row in rows) for one in rests for rows in one
    ]
    return sum(len(set(each)) > 1 for each in zip(*rests, strict=True)) + sum(figures)


def guesses(told: list[list[Any]], n_keys: int) -> tuple[list[float], list[Any]]:
    """Which guesses are right, of what the attacker learnt under half of the keys; and what was
    certain."""
    half = n_keys // 2
    marks = [[{(k, v) for k, v in one[0].items()} for one in each] for each in told]
    seen = sorted(set().union(*(x for each in marks for x in each[:half])), key=repr)
    share = [{m: np.mean([m in x for x in each[:half]]) for m in seen} for each in marks]
    every = [{m: np.mean([m in x for x in each]) for m in seen} for each in marks]
    certain = [m for m in seen if {every[0][m], every[1][m]} == {0.0, 1.0}]
    right = []
    for which in (0, 1):
        for k in range(half, n_keys):
            score = 0.0
            for m in seen:
                a, b = ((half * s[m] + 0.5) / (half + 1) for s in share)
                if abs(a - b) > 3 * math.sqrt(0.5 / half):  # not learnt from chance
                    score += math.log(a / b if m in marks[which][k] else (1 - a) / (1 - b))
            for name, value in told[which][k][1].items():
                score += _figure(name, value, told, half)
            right.append(0.5 if score == 0 else float((score > 0) == (which == 0)))
    return right, certain


def _figure(name: Any, value: float, told: list[Any], half: int) -> float:
    """How much more likely a figure is with the person than without: of normals that were learnt,
    of one spread."""
    sides = [[one[1][name] for one in each[:half] if name in one[1]] for each in told]
    if min(map(len, sides)) < 8:
        return 0.0
    means = [float(np.mean(side)) for side in sides]
    spread = float(np.sqrt(np.mean([np.var(side) for side in sides])))
    if spread == 0:
        return 0.0
    noise = spread * math.sqrt(sum(1 / len(side) for side in sides))
    if abs(means[0] - means[1]) < 2 * noise:
        return 0.0
    return ((value - means[1]) ** 2 - (value - means[0]) ** 2) / (2 * spread**2)


def _small(state: State, asked: list[Question]) -> int:
    """Figures shown that stand on fewer than ten people or three managers."""
    explore._spent.cache_clear()
    study, small = state.under(1), 0
    for question in asked:
        state.last = []
        with remembering(state):
            rows = put(study, question)
        if len(state.last) == len(rows):
            for row, one in zip(rows, state.last, strict=True):
                fit = one.comparison.adjusted
                is_small = fit is not None and (fit.n_people < 10 or fit.n_clusters < 3)
                small += is_small and row[3] is not None
    return small


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--companies", type=int, default=6)
    words.add_argument("--people", type=int, default=900)
    words.add_argument("--questions", type=int, default=1000)
    words.add_argument("--keys", type=int, default=60)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--again", action="store_true")
    said = words.parse_args()
    began = time.monotonic()
    for seed in range(said.seed, said.seed + said.companies):
        how = {"n": said.questions, "n_keys": said.keys, "again": said.again}
        found = attack(seed, people=said.people, **how)
        told = vars(found) | {"seed": seed, "certain": [repr(one)[:300] for one in found.certain]}
        print(json.dumps(told | {"s": round(time.monotonic() - began)}, default=str), flush=True)


if __name__ == "__main__":
    main()

"""Looked: what one look finds, on the rows that it is narrowed to, before it passes the gate.

Of reviews and pay by the core model, of gaps by the hazard of closing, of teams by their leader's
quarter before, and of cost where learning stands among these gaps: each as its headline is.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from learnalign.estimates import ask, asked, closing, contrasts, costs, leaders, samples
from learnalign.estimates.asked import Asked, Exposure
from learnalign.estimates.narrowing import rows_where
from learnalign.estimates.same_manager import people_in_the_smaller
from learnalign.linking.amounts import ACKNOWLEDGED, LEARNED, amounts, around
from learnalign.linking.journeys import SPELL
from learnalign.studies import Study
from learnalign.verdicts.registry import Measure, measures, phrases
from learnalign.verdicts.result import Check, Comparison, Fit

# --- the rows that can be asked of


def table(study: Study, window_days: int | None = None) -> pd.DataFrame:
    """Person-cycles with all amounts, in windows of so many days, and the attributes of people."""
    return study.made(_table, window_days)


def _table(study: Study, window_days: int | None) -> pd.DataFrame:
    cycles = study.cycles
    found = amounts(study.dataset, cycles, window_days)
    if window_days is None:  # what the link made has its landmark, too
        found = found.drop(columns=[name for name in found if name in cycles])
    else:  # a landmark is of the link's own windows
        early = [name for name in cycles if name.endswith("_early_next")]
        found[early] = np.nan
    names = [*study.dataset.meta.attributes]
    people = study.dataset.tables["people"].select("person_id", *names).execute()
    own = people.set_index("person_id").reindex(cycles.person_id).set_axis(cycles.index)
    own = own.drop(columns=[name for name in own if name in cycles])
    kept = cycles.drop(columns=[name for name in found if name in cycles])
    stayed = pd.to_numeric(cycles.reviewed_next.astype("boolean").astype("Float64"))
    rows = pd.concat([kept, found, own.astype("object")], axis=1).assign(stayed=stayed)
    if window_days is not None:
        for name in ("voluntary_hours", "voluntary_activities", "acknowledgements"):
            rows = rows.assign(**around(rows[name], rows.person_id))
    return rows.assign(
        acknowledged=samples.at_all(rows.acknowledgements),
        acknowledged_next=samples.at_all(pd.to_numeric(rows.acknowledgements_next)),
    )


def narrowable(study: Study, window_days: int | None = None) -> pd.DataFrame:
    """The columns that `where` may name: none that is a person, a manager or a day."""
    rows, attributes = table(study, window_days), study.dataset.meta.attributes
    wanted = (*attributes, *asked.GROUPS, *asked.NUMBERS, *LEARNED, *ACKNOWLEDGED)
    return rows[[name for name in dict.fromkeys(wanted) if name in rows]]


# --- what one look finds


@dataclass(frozen=True)
class Found:
    """A comparison before it passed the gate, in the words of its measure."""

    measure: Measure
    comparison: Comparison
    held: tuple[str, ...]
    before: float | None  # the outcome of those compared with
    mark: str
    rests_on: Fit | None = None  # of a cost: that learning goes with closing gaps
    people: pd.Index | None = None  # to whom it was narrowed, before what the model leaves out
    smaller: int | None = None  # of them, on the rarer side


def looked(study: Study, of: Asked) -> list[tuple[str, Found]]:
    """What is found for each group of a question, by its name, or for all (""); a group against
    everybody else comes once for each of its levels.
    """
    kind = asked.estimator(of)
    rows = NARROWED[kind](study, of)
    inside = pd.Series(True, rows.index)
    if of.where:
        inside = rows_where(rows, of.where, tells=not study.gate.draws)
    groups: list[tuple[str, pd.Series]] = [("", inside)]
    if of.by:
        names = rows[of.by].astype("object")
        there = values(study, of.by, names, PEOPLE[kind](study))
        groups = [(one, inside & (names.astype(str) == one)) for one in there]
    found = study.progress.each(groups)
    return [(group, one) for group, which in found for one in FINDS[kind](study, of, which)]


def values(study: Study, name: str, column: pd.Series, people: pd.Series) -> list[str]:
    """The values of a column in their order. Whose it is may be anybody's choice: under draws only
    those that enough people have, or that one person is there could be read from them.
    """
    there = column.dropna().astype(str)
    found = sorted(there.unique())
    if study.gate.draws is None:
        return found
    own = {one: pd.Index(people[there.index[there == one]].unique()) for one in found}
    enough = study.gate.reaches
    return [one for one in found if enough(f"{name}={one}", own[one], len(own[one]), *OF_PEOPLE)]


def _of_cycles(study: Study, of: Asked, which: pd.Series) -> Iterator[Found]:
    rows = table(study, of.window_days)
    for each in _exposures(study, of, rows):
        yield _fitted(study, of, each, rows, which)


def _of_gaps(study: Study, of: Asked, which: pd.Series) -> Iterator[Found]:
    months, measure = ask.months(study).of(which), measures()[of.measure][1]
    if of.measure == LEARNED_TO_CLOSE:
        found = _learned(months)
    else:
        found = closing.compare(months, of.measure)
    yield _kept(found, measure, months.gaps[[*SPELL]])


def _learned(months: closing.Months) -> Comparison:
    """Closing with any learning on the skill, as the first row of its family is judged."""
    fits, tried, earlier = closing.learning_to_closure(months)
    found = Comparison(LEARNED_TO_CLOSE, None, None, reason="no closing")
    if not (fit := fits.get("any learning")):
        return found
    slower = (Check.of("indication", "failed", "slower"),) if fit.high < 1 else ()
    again = (("re-assessment", earlier["any learning"]),)
    return replace(found, adjusted=fit, reason="", checks=(*tried, *slower), rivals=again)


def _of_cost(study: Study, of: Asked, which: pd.Series) -> Iterator[Found]:
    """What one more closed gap costs among these; only where learning goes with closing them."""
    months, measure = ask.months(study).of(which), measures()[of.measure][1]
    measure = measure.model_copy(update={"unit": ask.currency(study)})
    first = _learned(months)
    fit, reason = None, first.reason or "not standing"
    is_sound = all(one.outcome != "failed" for one in first.checks)
    if first.adjusted and first.adjusted.low > 1 and is_sound:
        fit, reason = costs.cost_per_closed_gap(months)
    found = Comparison(of.measure, None, fit, reason=reason)
    yield replace(_kept(found, measure, months.gaps[[*SPELL]]), rests_on=first.adjusted)


def _of_teams(study: Study, of: Asked, which: pd.Series) -> Iterator[Found]:
    found = leaders.leader_to_team(study.quarters, among=which)
    rows = study.quarters.loc[which.to_numpy(), ["team_id", "quarter"]]
    yield _kept(found, measures()[of.measure][1], rows)


def _kept(found: Comparison, measure: Measure, rows: pd.DataFrame) -> Found:
    mark = _marked(measure.key, rows)
    return Found(measure, replace(found, measure=mark), (), None, mark)


def _gaps(study: Study, of: Asked) -> pd.DataFrame:
    """What of a gap may be named: the person's attributes, and what was known when it was found."""
    gaps, names = ask.months(study).gaps, study.dataset.meta.attributes
    years = (gaps.detected_on - gaps.hired_on).dt.days / DAYS
    found = gaps[[*asked.OF_GAPS]].assign(severity=gaps.severity, tenure_years=years)
    people = study.dataset.tables["people"].select("person_id", *names).execute()
    own = people.set_index("person_id").reindex(gaps.person_id).set_axis(gaps.index)
    return found.assign(**{name: own[name].astype("object") for name in names})


def _teams(study: Study, of: Asked) -> pd.DataFrame:
    return study.quarters[[*asked.OF_TEAMS]]


DAYS = 365.25  # of a year
OF_PEOPLE = 100, 12  # so many people, and how far their number is moved before it is judged
PEOPLE: Mapping[str, Callable[[Study], pd.Series]] = {
    "contrast": lambda study: study.cycles.person_id,
    "hazard": lambda study: ask.months(study).gaps.person_id,
    "cost": lambda study: ask.months(study).gaps.person_id,
    "leaders": lambda study: study.quarters.leader_id,
}
LEARNED_TO_CLOSE = "learning_to_closure"
NARROWED: Mapping[str, Callable[[Study, Asked], pd.DataFrame]] = {
    "contrast": lambda study, of: narrowable(study, of.window_days),
    "hazard": _gaps,
    "cost": _gaps,
    "leaders": _teams,
}
"""By estimator: what may be named of the rows that a question is on."""
FINDS: Mapping[str, Callable[[Study, Asked, pd.Series], Iterator[Found]]] = {
    "contrast": _of_cycles,
    "hazard": _of_gaps,
    "cost": _of_cost,
    "leaders": _of_teams,
}


# --- a contrast on person-cycles


def _exposures(study: Study, of: Asked, rows: pd.DataFrame) -> list[Exposure | None]:
    """What is compared: the levels of a group each; None for the exposure of a fixed measure."""
    if of.measure:
        return [None]
    one = asked.exposures(study.dataset.meta.attributes)[of.exposure]
    column = rows[one.source]
    there = values(study, one.source, column, rows.person_id) if one.kind == "group" else []
    return asked.levels(one, there)


def _fitted(
    study: Study, of: Asked, each: Exposure | None, rows: pd.DataFrame, which: pd.Series
) -> Found:
    """One contrast on the rows that it is narrowed to, standardised on all of them."""
    measure = measures()[of.measure][1] if each is None else asked.measure_of(of, each)
    ready = samples.prepare(of.measure, rows) if each is None else _prepared(of, each, rows)
    if ready.frame is None:
        return Found(
            measure, Comparison(measure.key, None, None, reason=ready.reason), (), None, ""
        )
    frame = pd.concat([ready.frame, *_held(of, rows)], axis=1)[which.to_numpy()]
    ready = replace(ready, frame=frame)
    mark = _mark(of, measure, frame)
    individual = study.dataset.meta.bonus_rewards_individual
    if frame.empty:
        found = Comparison(mark, None, None, reason="too few")
    else:
        about = {"prepared": ready, "bonus_rewards_individual": individual}
        about |= {"is_judged": study.gate.draws is None}
        found = contrasts.compare(rows, mark, **about)
    words = tuple(name.replace("_", " ") for name in of.equal)
    found = replace(found, measure=mark)
    return Found(measure, found, words, _before(frame), mark, None, *_sides(frame))


def _sides(frame: pd.DataFrame) -> tuple[pd.Index, int]:
    """Whose rows they are, and how many are on the rarer side: each counts one, whoever else there
    is to be compared with.
    """
    known = frame.dropna(subset=["exposure", "outcome"])
    return pd.Index(known.person_id.unique()), people_in_the_smaller(known)


def _prepared(of: Asked, each: Exposure, rows: pd.DataFrame) -> samples.Prepared:
    """Any exposure and outcome in the terms of the core model."""
    what = phrases("explored")["outcomes"][of.outcome]
    source = f"_{each.name}" if each.level else each.source
    if each.level:
        own = rows[each.source].astype("object")
        column = (own.astype(str) == each.level).astype(float).where(own.notna())
        none = {f"{source}{name}": np.nan for name in samples.WINDOWS[1:]}
        rows = rows.assign(**{source: column}, **none)
    elif f"{source}_next" not in rows:
        rows = rows.assign(**around(rows[source], rows.person_id))
    if f"{source}_early_next" not in rows:
        rows = rows.assign(**{f"{source}_early_next": np.nan})
    key = f"{each.name} on {of.outcome}"
    ready = samples.prepare_of(key, rows, what["from"], source, each.transform)
    if each.kind == "amount":
        ready = replace(ready, noun=f"{each.source.rpartition('_')[2]} of {each.noun}")
    if ready.frame is None or of.outcome in ("rating", "merit_pct"):
        return ready
    outcome = pd.to_numeric(rows[of.outcome]).astype(float) * what.get("times", 1)
    return replace(ready, frame=ready.frame.assign(outcome=outcome))


def _held(of: Asked, rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """What is held equal besides what the core model does."""
    for name in of.equal:
        column = rows[name]
        few = column.nunique() <= samples.MOST_CELLS
        if few or not pd.api.types.is_numeric_dtype(column):
            names = samples.common(column.astype("object"), samples.MIN_GRADE)
            yield samples.dummies(names, f"equal_{name}")
        else:
            yield samples.filled(f"equal_{name}", pd.to_numeric(column))


def _before(frame: pd.DataFrame) -> float | None:
    known = frame.dropna(subset=["exposure", "outcome"])
    others = known[known.exposure == 0] if set(known.exposure.unique()) <= {0, 1} else known
    return float(others.outcome.mean()) if len(others) else None


def _mark(of: Asked, measure: Measure, frame: pd.DataFrame) -> str:
    columns = frame[["person_id", "cycle", "exposure", "outcome"]]
    return _marked(f"{measure.key}|{sorted(of.equal)}", columns)


def _marked(model: str, rows: pd.DataFrame) -> str:
    """What makes it the same look in other words: the rows and what is made of them."""
    hashed = np.sort(pd.util.hash_pandas_object(rows, index=False).to_numpy())
    return hashlib.sha256(f"{model}|{hashed.tobytes().hex()}".encode()).hexdigest()[:16]

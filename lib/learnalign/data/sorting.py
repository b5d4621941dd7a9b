"""Which rows come in: those that keep the contract, one of each key, and enough of them.

Every other row is handed over with its reason. A table that loses more than its share stops the
import: nothing is lost in silence.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ibis
import pandas as pd
from ibis.expr.types import StringValue, Table

from learnalign.data.broken import annotate
from learnalign.data.contract import (
    COLUMNS,
    DATE_OF,
    KEYS,
    PEOPLE_REFERENCES,
    Meta,
    Rule,
    columns_of,
    known,
    rules,
)
from learnalign.data.mapping import TableMap
from learnalign.data.mistakes import Problem, words

EVENTS = ("learning", "acknowledgements", "assessments", "ties")
SHOWN = {"file": "_file", "line": "_line", "reason": "_reason"}
EMPTY = pd.DataFrame(columns=[*SHOWN])


@dataclass
class Sorted:
    """The rows of a table that come in, the others with their reasons, and what they count."""

    kept: Table
    refused: pd.DataFrame
    emptied: pd.DataFrame
    read: int
    n_kept: int
    asides: Counter  # left out on purpose: told by the mapping, copies, days that stand for none
    reasons: Counter
    problems: list[Problem] = field(default_factory=list)

    @property
    def aside(self) -> int:
        return self.asides.total()


def sort_out(job: Any, rows: Table, kept: dict[str, Table], table: str) -> Sorted:
    """Rows that keep the contract, and the others with every reason."""
    mapping, made = job.mapping, job.mapping.tables[table]
    promises = [rule for rule in rules(table, mapping.dataset) if not rule.is_key]
    promises += [*_value_rules(made), *_employed(table)]
    if any(part.xapi for part in made.parts):
        said = words("no_standard")
        promises.append(Rule("statement", lambda t: t._wrong.isnull(), show=("_wrong",), **said))
    if mapping.pseudonyms:
        promises = [replace(rule, show=()) for rule in promises]
    columns, n_read = rows.columns, int(rows.count().execute())
    rows = _still_there(job, rows) if table == "people" else rows
    rows, emptied, problems = _emptied(job, rows, table, made)
    looked_at = _with_spells(annotate(kept | {table: rows}, table), kept, table)
    holds = (rule.holds(looked_at).fill_null(True) for rule in promises)
    bad = looked_at.filter(~ibis.and_(looked_at._because.isnull(), *holds)).cache()
    good = rows.select(*columns)
    parts, counts, asides = [EMPTY], Counter(), Counter()
    if n_bad := int(bad.count().execute()):
        good = rows.anti_join(bad, "_row").select(*columns)  # in most imports bad rows are few
        parts[0], counts, asides = _told_apart(bad, promises)
    good, copies, found = one_of_each(job, good, table, made)
    parts.append(EMPTY if copies is None else _shown(copies))
    asides += Counter(parts[1].reason)
    n_kept = n_read - n_bad - len(parts[1])
    refused = pd.concat(parts).assign(table=table)[["table", *SHOWN]]
    return Sorted(good, refused, emptied, n_read, n_kept, asides, counts, [*problems, *found])


def _told_apart(bad: Table, promises: list[Rule]) -> tuple[pd.DataFrame, Counter, Counter]:
    """Bad rows with every reason; how many break each promise, and how many are left out on
    purpose.
    """
    reasons = [bad._because.fill_null("")] + [_reason(bad, rule) for rule in promises]
    every = ibis.array(reasons).filter(lambda part: part != "").join("; ").fill_null("")
    on_purpose = bad.filter(bad._because.notnull()).group_by("_because").agg(n=ibis._.count())
    asides = Counter(dict(on_purpose.execute().itertuples(index=False, name=None)))
    counts = _counts(bad.filter(bad._because.isnull()), promises)
    return _shown(bad.mutate(_reason=every)), counts, asides


def _shown(rows: Table) -> pd.DataFrame:
    return rows.order_by("_row").select(**SHOWN).execute()


def _counts(rows: Table, promises: list[Rule]) -> Counter:
    """How many rows break each promise."""
    if not promises:
        return Counter()
    broken = {str(i): rows.count(where=~rule.holds(rows)) for i, rule in enumerate(promises)}
    (found,) = rows.aggregate(**broken).to_pyarrow().to_pylist()
    return Counter(
        {(promises[int(i)].column, promises[int(i)].problem): n for i, n in found.items() if n}
    )


def _value_rules(made: TableMap) -> Iterator[Rule]:
    told = [pair for part in made.parts for pair in part.columns.items()]
    for name in dict.fromkeys(name for name, one in told if one.values is not None):
        values = [value for one, column in told if one == name for value in column.values or ()]
        said = words("unmapped_value", values=", ".join(map(str, values)))
        yield Rule(name, known(name), show=(f"_raw_{name}",), **said)


def _reason(rows: Table, rule: Rule) -> StringValue:
    """The reason of a broken rule with what stood there; empty where the rule holds."""
    text = ibis.literal(f"{rule.column} {rule.problem}")
    if rule.show:
        got = [rows[name].cast("string").fill_null("") for name in rule.show]
        stood = ibis.literal(" / ").join(got)
        text = text + ibis.ifelse(stood == "", "", ": " + stood)
    return ibis.ifelse(rule.holds(rows).fill_null(True), "", text)


# --- values that may be left out


def _emptied(
    job: Any, rows: Table, table: str, made: TableMap
) -> tuple[Table, pd.DataFrame, list[Problem]]:
    """Rows without the optional numbers that cannot be read, which cost the value and not the row;
    and why a column that loses more than its share of them stops the import.
    """
    mapping, parts, problems = job.mapping, [], []
    for name, n, filled in _unread(rows, table, made, mapping.dataset):
        raw = f"_raw_{name}"
        lost = rows[raw].notnull() & rows[name].isnull() & rows._because.isnull()
        stood = ibis.literal("") if mapping.pseudonyms else ": " + rows[raw]
        said = words("value_left_out")["problem"]
        text = ibis.literal(f"{name} {said}") + stood
        parts.append(_shown(rows.filter(lost).mutate(_reason=text)))
        job.tell("values_left_out", table, name, n=f"{int(n):,}", of=f"{int(filled):,}")
        if n > max(1, (1 - mapping.arrive) * filled) and table not in mapping.accept_loss:
            got = job.hints.get(table, {}).get(name) or str(parts[-1].reason.iloc[0])
            said = {"n": f"{int(n):,}", "of": f"{int(filled):,}", "least": f"{mapping.arrive:.0%}"}
            problems.append(Problem.of("values_lost", table, name, got, **said))
        rows = rows.mutate(**{raw: ibis.ifelse(lost, ibis.null("string"), rows[raw])})
    frame = pd.concat(parts) if parts else EMPTY
    return rows, frame.assign(table=table)[["table", *SHOWN]], problems


def _unread(rows: Table, table: str, made: TableMap, meta: Meta) -> Iterator[tuple[str, int, int]]:
    """The optional columns that hold what cannot be read: how many values, of how many."""
    dates = () if table in ("people", "reviews") else ("date",)
    own = [
        column.name
        for column in columns_of(table, meta)
        if column.kind in ("number", "whole", *dates)
        and not column.required
        and column.name in made.made
    ]
    if not own:
        return
    lost = {n: rows[f"_raw_{n}"].notnull() & rows[n].isnull() & rows._because.isnull() for n in own}
    counts = {f"{n} lost": lost[n].sum() for n in own} | {n: rows[f"_raw_{n}"].count() for n in own}
    (found,) = rows.aggregate(**counts).to_pyarrow().to_pylist()
    yield from ((n, found[f"{n} lost"], found[n]) for n in own if found[f"{n} lost"])


# --- who was employed when


def _still_there(job: Any, rows: Table) -> Table:
    """People whose leaving is still to come are employed."""
    later = rows.left_on > job.mapping.dataset.as_of
    if n := int(rows.filter(later).count().execute()):
        job.tell("leaving_later", "people", "left_on", n=f"{n:,}")
    none = {"left_on": ibis.null("date"), "_raw_left_on": ibis.null("string")}
    return rows.mutate(**{name: ibis.ifelse(later, no, rows[name]) for name, no in none.items()})


def _employed(table: str) -> Iterator[Rule]:
    """Nothing happens to somebody before they were hired or after they left."""
    if table not in EVENTS:
        return
    date = DATE_OF[table]
    for name in (column.name for column in COLUMNS[table] if column.name in PEOPLE_REFERENCES):
        for side, key in (("first", "before_hired"), ("last", "after_left")):
            day = f"_{side}_{name}"
            yield Rule(date, _held(date, day, side), **words(key, who=name), show=(day, date))


def _held(date: str, day: str, side: str) -> Any:
    return lambda t: t[date] >= t[day] if side == "first" else t[date] <= t[day]


def _with_spells(rows: Table, kept: Mapping[str, Table], table: str) -> Table:
    """Events with the first and last day of who takes part."""
    if table not in EVENTS or "people" not in kept:
        return rows
    people = kept["people"]
    for name in (name for name in PEOPLE_REFERENCES if name in rows.columns):
        days = people.select(_id="person_id", _first="hired_on", _last="left_on")
        joined = rows.left_join(days, rows[name] == days._id)
        spans = {f"_first_{name}": joined._first, f"_last_{name}": joined._last}
        rows = joined.mutate(**spans).drop("_id", "_first", "_last")
    return rows


# --- one of each


def one_of_each(
    job: Any, good: Table, table: str, made: TableMap
) -> tuple[Table, Table | None, list[Problem]]:
    """One row of each key, and the copies; a `Problem` where rows of a key disagree and the mapping
    does not say which is preferred.
    """
    columns, key = good.columns, list(KEYS.get(table, made.once))
    if not key:
        return good, None, []
    good, problems = _joined_spells(job, good, made) if table == "people" else (good, [])
    order = [ibis.desc("_row") if made.prefer == "last" else ibis.asc("_row")]
    if "_began" in good.columns:  # the latest spell's last row says what else is known
        order = [ibis.desc("_began"), ibis.desc("_row")]
    place = ibis.row_number().over(group_by=key, order_by=order) + 1
    own = [name for name in made.made if name in columns and name not in key]
    told = ibis.array([good[name].cast("string").fill_null("") for name in own]).join("\x1f")
    is_same = told == told.first().over(group_by=key, order_by=order)
    is_full = ibis.and_(*(good[name].notnull() for name in key))
    numbered = good.mutate(_place=ibis.ifelse(is_full, place, 1), _is_same=is_same).cache()
    text = ibis.literal(words("copied", key=" + ".join(key))["problem"])
    copies = numbered.filter(numbered._place > 1).mutate(_reason=text)
    if made.prefer is None and table != "people" and key == list(KEYS.get(table, ())):
        unlike = copies.filter(~copies._is_same)
        if n := int(unlike.count().execute()):
            said = {"key": " + ".join(key), "n": f"{n:,}"}
            got = " / ".join(map(str, unlike.select(*key).limit(1).execute().iloc[0]))
            problems.append(Problem.of("rows_disagree", table, key[0], got, **said))
    return numbered.filter(numbered._place == 1).select(*columns).cache(), copies, problems


def _joined_spells(job: Any, good: Table, made: TableMap) -> tuple[Table, list[Problem]]:
    """People whose rows are spells of one employment history have the first hiring and the last
    leaving in each row; whose rows are employments at once are asked about.
    """
    if made.prefer is not None:
        return good, []
    spells = good.select("person_id", "hired_on", "left_on").distinct()
    after = spells.hired_on.lead().over(group_by="person_id", order_by="hired_on")
    both = spells.mutate(_after=after).filter(
        lambda t: t._after.notnull() & (t.left_on.isnull() | (t._after <= t.left_on))
    )
    n = both.person_id.nunique().execute()
    if n:
        got = f"{both.person_id.min().execute()}"
        return good, [Problem.of("employed_twice", "people", "person_id", got, n=f"{int(n):,}")]
    window = ibis.window(group_by="person_id")
    is_open = good.left_on.isnull().sum().over(window) > 0
    size = good.count().over(window)
    several = int(good.mutate(_n=size).filter(lambda t: t._n > 1).person_id.nunique().execute())
    if several:
        job.tell("spells_joined", "people", "person_id", n=f"{several:,}")
    last = good.left_on.max().over(window)
    joined = good.mutate(
        hired_on=good.hired_on.min().over(window),
        left_on=ibis.ifelse(is_open, ibis.null("date"), last),
        _began=good.hired_on,
    )
    return joined.cache(), []


# --- what was lost


def _same_twice(job: Any, table: str, done: Sorted) -> Iterator[Problem]:
    """The same activity of a person on a day in several rows: passed and completed, say."""
    key = ["person_id", "activity_id", "learned_on"]
    rows, made = done.kept, job.mapping.tables[table]
    if "once" in made.answers:
        return
    if "activity_id" not in made.made:  # whatever else is known is the same
        own = [*made.made]
        n = done.n_kept - int(rows.select(*own).distinct().count().execute())
        if n:
            job.tell("some_alike", table, n=f"{n:,}")
        return
    named = rows.filter(rows.activity_id.notnull())
    each = named.group_by(key).agg(n=named.count())
    (found,) = each.aggregate(n=each.n.sum(), differ=each.count()).to_pyarrow().to_pylist()
    n = int(found["n"] or 0) - found["differ"]
    if n > max(1, (1 - job.mapping.arrive) * done.n_kept):
        said = {"n": f"{n:,}", "of": f"{done.n_kept:,}", "key": ", ".join(key)}
        yield Problem.of("same_twice", table, **said)
    elif n:
        job.tell("some_twice", table, n=f"{n:,}")


def too_much_lost(job: Any, table: str, done: Sorted) -> Iterator[Problem]:
    """Why an import stops: nothing of a table arrives, or less than its share."""
    mapping = job.mapping
    due, n_kept = done.read - done.aside, done.n_kept
    lost = due - n_kept
    counted = [
        f"{n:,} × {column} {problem}" for (column, problem), n in done.reasons.most_common(5)
    ]
    hints = [f"{name}: {text}" for name, text in job.hints.get(table, {}).items() if text]
    got = "; ".join([*counted, *hints])
    if done.read and not n_kept:
        yield Problem.of("none_kept", table, got=got, n=done.read)
    elif lost > max(1, (1 - mapping.arrive) * due) and table not in mapping.accept_loss:
        said = {"n": f"{lost:,}", "of": f"{due:,}", "least": f"{mapping.arrive:.0%}"}
        yield Problem.of("too_much_lost", table, got=got, **said)
    elif lost:
        job.tell("rows_lost", table, got=got, n=f"{lost:,}", of=f"{due:,}")
    if table == "learning" and not mapping.tables[table].once:
        yield from _same_twice(job, table, done)
    if done.asides:
        got = "; ".join(f"{n:,} × {reason}" for reason, n in done.asides.most_common(5))
        job.tell("set_aside", table, got=got, n=f"{done.aside:,}")

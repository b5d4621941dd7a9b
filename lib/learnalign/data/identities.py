"""Who is who: ids of several systems to one `person_id`, exactly, after repairs that are told.

A repair is a rule of spelling that holds for all ids; names alone never join. What a repair would
join is counted and proposed; it is made only where the mapping tells it.
"""

import itertools
from collections.abc import Callable, Collection, Sequence
from typing import Any

from ibis.expr.types import Table

from learnalign.data import profiles, sql
from learnalign.data.mistakes import DataError, Problem
from learnalign.data.pseudonyms import PERSON_COLUMNS

SPOILT = r"\d([.,]\d+)?[eE]\+\d+"  # what a spreadsheet makes of a long number
REPAIRS: dict[str, Callable[[str], str]] = {  # by the order in which they are made
    "unquote": lambda x: f"regexp_replace({x}, '^=?[\"'']+|[\"'']+$', '', 'g')",
    "mailbox": lambda x: f"lower(regexp_replace({x}, '^mailto:', '', 'i'))",
    "lower": lambda x: f"lower({x})",
    "drop_point_zero": lambda x: rf"regexp_replace({x}, '^(\d+)\.0+$', '\1')",
    "drop_zeros": lambda x: rf"regexp_replace({x}, '^0+(\d)', '\1')",
}
RATERS = ("manager_id", "assessor_id")
EVERYBODY = "SELECT count(*) FROM _people"


def resolved(job: Any, table: str, rows: Table) -> Table:
    """Rows whose ids of people are those of `people`; a `DataError` where ids are spoilt, clash, or
    would join after a repair that is not told.
    """
    names = [name for name in PERSON_COLUMNS if name in rows.columns]
    _shown(job, rows)
    problems = [found for name in names for found in _spoilt(job, table, name)]
    if table == "people":
        if not problems:
            problems = _known(job)
    elif not problems and "_people" in job.engine.list_tables():
        for name in names:
            rows = _joined(job, table, rows, name)
            _shown(job, rows)
            problems += _unknown(job, table, name)
    if problems:
        raise DataError(problems)
    return rows


def _shown(job: Any, rows: Table) -> None:
    """The rows that are looked at, by one name."""
    here = f"SELECT * FROM {sql.named(rows.get_name())}"
    job.engine.con.execute(f"CREATE OR REPLACE TEMP VIEW _rows_of AS {here}")


def _by(repairs: Collection[str], text: str) -> str:
    """SQL: an id after some repairs, in their order."""
    made = profiles.trimmed(text)
    for name, repair in REPAIRS.items():
        made = repair(made) if name in repairs else made
    return made


def _spoilt(job: Any, table: str, name: str) -> list[Problem]:
    bad = f'regexp_full_match("{name}", {sql.quoted(SPOILT)})'
    counts = f'count("{name}"), count(*) FILTER ({bad}), min("{name}") FILTER ({bad})'
    n, bad, one = job.fetch(table, name, f"SELECT {counts} FROM _rows_of")
    if not bad:
        return []
    return [Problem.of("spoilt_ids", table, name, one, n=f"{bad:,}", of=f"{n:,}")]


def _known(job: Any) -> list[Problem]:
    """Note everybody's id, and every account of theirs; what clashes."""
    told = job.mapping.identities
    con, rule = job.engine.con, _by(told.repair, "person_id")
    con.execute(
        "CREATE TABLE _people AS SELECT DISTINCT person_id FROM _rows_of WHERE person_id <> ''"
    )
    con.execute(f"CREATE TABLE _ids AS SELECT {rule} AS k, person_id AS id FROM _people")
    problems = []
    for number, one in enumerate(told.accounts):
        try:
            job.account_rows(one, f"_accounts{number}")
        except DataError as error:
            problems += error.problems
            continue
        whose = _by(told.repair, "a." + sql.named(one.person_id))
        for account in (f"a.{sql.named(name)}" for name in one.accounts):
            con.execute(
                f"INSERT INTO _ids SELECT DISTINCT {_by(told.repair, account)}, p.id FROM "
                f"_accounts{number} AS a JOIN _ids AS p ON p.k = {whose} "
                f"WHERE {account} IS NOT NULL AND trim({account}) <> ''"
            )
    clashes = con.execute(
        "SELECT k, string_agg(DISTINCT id, ', ' ORDER BY id) FROM _ids GROUP BY k "
        "HAVING count(DISTINCT id) > 1 ORDER BY k"
    ).fetchall()
    if clashes:
        got = "; ".join(f"{key!r} is {people}" for key, people in clashes[:5])
        problems.append(Problem.of("ids_clash", "people", "person_id", got, n=f"{len(clashes):,}"))
    con.execute("CREATE TABLE _one AS SELECT k, min(id) AS id FROM _ids GROUP BY k")
    return problems


def _joined(job: Any, table: str, rows: Table, name: str) -> Table:
    """Rows with the id of `people` in place of another spelling of it, or of an account."""
    others = f'SELECT count(*) FROM _rows_of WHERE "{name}" NOT IN (SELECT person_id FROM _people)'
    if not job.fetch(table, name, others)[0]:
        return rows
    others = ", ".join(f'r."{column}"' for column in rows.columns if column != name)
    text = _by(job.mapping.identities.repair, f'r."{name}"')
    query = (
        f'SELECT {others}, coalesce(p.person_id, o.id, r."{name}") AS "{name}" FROM _rows_of AS r '
        f'LEFT JOIN _people AS p ON p.person_id = r."{name}" LEFT JOIN _one AS o ON o.k = {text}'
    )
    columns = ", ".join(map(sql.named, rows.columns))
    return job.run(table, name, f"SELECT {columns} FROM ({query})")


def _unknown(job: Any, table: str, name: str) -> list[Problem]:
    """What is known of a column's ids, and the repair that would make more of them known."""
    query = (
        f'SELECT count(*), count(p.person_id), min(r."{name}") FILTER (p.person_id IS NULL) FROM '
        f'_rows_of AS r LEFT JOIN _people AS p ON p.person_id = r."{name}" '
        f"WHERE r.\"{name}\" <> '' AND r._because IS NULL"
    )
    n, known, one = job.fetch(table, name, query)
    made = job.mapping.tables[table]
    if known == n or name in made.answers or not job.fetch(table, name, EVERYBODY)[0]:
        return []
    said = {"n": f"{n:,}", "known": f"{known:,}"}
    repairs, joined = helpful(job, table, name)
    if joined > known:
        both = [*dict.fromkeys([*job.mapping.identities.repair, *repairs])]
        more = {"repairs": ", ".join(both), "joined": f"{joined:,}"}
        return [Problem.of("ids_differ", table, name, one, **said, **more)]
    if not known:
        key = "raters_unknown" if name in RATERS else "ids_unknown"
        return [Problem.of(key, table, name, one, **said)]
    if name in RATERS:
        job.tell("some_raters", table, name, **said)
    return []


def helpful(job: Any, table: str, name: str) -> tuple[Sequence[str], int]:
    """The fewest repairs that make most ids known, without making two people one."""
    best: tuple[Sequence[str], int] = ((), 0)
    told, con = job.mapping.identities.repair, job.engine.con
    con.execute(
        f'CREATE OR REPLACE TEMP TABLE _these AS SELECT "{name}" AS x, count(*) AS n FROM _rows_of '
        f"WHERE \"{name}\" <> '' AND _because IS NULL GROUP BY 1"
    )
    known = sorted(REPAIRS, key="mailbox".__eq__)  # the least that helps comes first
    for size in range(1, len(REPAIRS)):
        for some in itertools.combinations(known, size):
            every = {*told, *some}
            query = (
                f"WITH i AS (SELECT {_by(every, 'person_id')} AS k FROM _people) "
                f"SELECT sum(n) FILTER ({_by(every, 'x')} IN (SELECT k FROM i)), "
                "(SELECT count(*) - count(DISTINCT k) FROM i) FROM _these"
            )
            joined, clashes = job.fetch(table, name, query)
            if not clashes and (joined or 0) > best[1]:
                best = (some, int(joined))
    return best

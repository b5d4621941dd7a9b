"""What two tables say of each other: a scale that is upside down, units that nobody is in."""

from collections.abc import Iterator, Mapping
from typing import Any

from ibis.expr.types import Table

from learnalign.data.mistakes import Problem
from learnalign.data.profiles import FACTS
from learnalign.data.questions import letters

ENOUGH, FALLS = (
    20,
    -0.2,
)  # rewards, and the correlation of merit with the rating that is asked about
CROWDED = 1.5  # answers for each person of a unit: more are answers counted more than once


# a column whose names are those of another table, which is read before
SAME = {
    "rewards": ("cycle", "reviews"),
    "assessments": ("skill", "learning"),
    "acknowledgements": ("skill", "assessments"),
}


def problems(job: Any, kept: Mapping[str, Table], table: str) -> Iterator[Problem]:
    """What a table shows against those before it; `as_is` of its mapping answers."""
    if table in SAME and SAME[table][1] in kept:
        yield from _strange_names(job, kept, table, *SAME[table])
    if "reviews" not in kept or table not in ("rewards", "surveys"):
        return
    as_is = {**job.mapping.tables["reviews"].answers, **job.mapping.tables[table].answers}
    if table == "rewards" and "rating" not in as_is:
        yield from _falling(kept)
    if table == "surveys":
        yield from _strange_units(job, kept, as_is)


def _strange_names(
    job: Any, kept: Mapping[str, Table], table: str, column: str, other: str
) -> Iterator[Problem]:
    """Names that would join with those of another table, and of which none, or not all, do."""
    names = [kept[one].filter(kept[one][column].notnull())[column] for one in (table, other)]
    ours, theirs = ({*one.as_table().distinct().execute()[column]} for one in names)
    strange = sorted(ours - theirs)
    if not strange or not theirs or column in job.mapping.tables[table].answers:
        return
    got = f"{', '.join(strange[:3])}; {other} has {', '.join(sorted(theirs)[:3])}"
    said = {"n": len(strange), "other": f"{other}.{column}"}
    if len(strange) == len(ours):
        yield Problem.of("names_differ", table, column, got, **said)
    else:
        job.tell("some_names", table, column, got=got, **said)


def _falling(kept: Mapping[str, Table]) -> Iterator[Problem]:
    """Merit that falls as the rating rises says that the lower numbers are the better ratings."""
    both = kept["rewards"].select("person_id", "cycle", "merit_pct")
    both = both.join(kept["reviews"].select("person_id", "cycle", "rating"), ["person_id", "cycle"])
    n, r = (
        both.aggregate(n=both.count(), r=both.rating.corr(both.merit_pct, how="pop"))
        .execute()
        .iloc[0]
    )
    if n >= ENOUGH and r < FALLS:
        got = f"merit falls as the rating rises (correlation {r:.2f}, {int(n):,} rewards)"
        yield Problem.of("upside_down", "reviews", "rating", got)


def _strange_units(
    job: Any, kept: Mapping[str, Table], as_is: Mapping[str, str]
) -> Iterator[Problem]:
    """Units of surveys that are no unit of a review, and more answers than there are people."""
    people = kept["reviews"].group_by("unit").agg(_people=lambda t: t.person_id.nunique())
    found = kept["surveys"].left_join(people, "unit")
    units = found.select("unit", "_people").distinct().execute()
    if "unit" not in as_is and len(units) and units._people.isna().all():
        got = ", ".join(units.unit.head(5))
        yield Problem.of("units_unknown", "surveys", "unit", got, n=len(units))
    elif "unit" not in as_is:
        strange = [*units.unit[units._people.isna()]]
        totals = [unit for unit in strange if letters(unit) in map(letters, FACTS["totals"])]
        if totals:
            yield Problem.of("whole_company", "surveys", "unit", ", ".join(totals))
        elif strange:
            job.tell("some_units", "surveys", "unit", got=", ".join(strange[:5]), n=len(strange))
    crowded = int(found.filter(found.n > CROWDED * found._people).count().execute())
    if crowded and "n" not in as_is:
        yield Problem.of("crowded", "surveys", "n", n=f"{crowded:,}")

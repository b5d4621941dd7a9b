"""Schema: every table, column, kind and allowed value of the contract, and what each is used for.

Made of the contract and of the questions' files, so that it cannot say anything else than they do.
"""

from collections.abc import Iterator

from learnalign.data.contract import COLUMNS, KEYS, KINDS, REQUIRED_TABLES, Column
from learnalign.data.mistakes import DataError, nearest
from learnalign.verdicts.registry import phrases, questions

OR = " or "  # a need that either of two places meets


def page(table: str = "") -> str:
    """The contract as Markdown: all tables, or one; a `DataError` with the nearest name.

    >>> print(page("ties").splitlines()[0])
    ## ties
    """
    if table and table not in COLUMNS:
        known = ", ".join(COLUMNS)
        near = nearest(table, [*COLUMNS])
        raise DataError.of("no_such", "schema", got=table, what="table", near=near, known=known)
    told = phrases("schema")
    parts = ["\n".join(_of_table(name)) for name in ([table] if table else COLUMNS)]
    return "\n\n".join(parts if table else [told["title"], told["intro"].strip(), *parts]) + "\n"


def _of_table(name: str) -> Iterator[str]:
    told = phrases("schema")
    yield f"## {name}"
    yield ""
    must = told["required" if name in REQUIRED_TABLES else "optional"]
    by = "; ".join(filter(None, (", ".join(_needed().get(name, ())), _lacks(name))))
    needed = told["needed"].format(by=by) if by else ""
    key = told["key"].format(key=", ".join(KEYS[name])) if name in KEYS else ""
    yield " ".join(filter(None, (told["rows"][name], must, needed, key)))
    yield ""
    yield f"| {' | '.join(told['columns'])} |"
    yield "|---" * len(told["columns"]) + "|"
    for column in COLUMNS[name]:
        yield f"| {' | '.join(_of_column(name, column))} |"


def _of_column(table: str, column: Column) -> tuple[str, str, str, str]:
    told, place = phrases("schema"), f"{table}.{column.name}"
    kind = ", ".join(f"`{one}`" for one in column.allowed) or KINDS[column.kind]["kind"]
    holds = kind + _span(column) + told["later"].get(column.name, "")
    needed = ", ".join(_needed().get(place, ()))
    without = "; ".join(filter(None, (needed, _lacks(place))))
    return f"`{column.name}`", holds, told["must"] if column.required else "", without


def _span(column: Column) -> str:
    ends = {"low": column.low, "high": column.high}
    known = {name: f"{end:g}" for name, end in ends.items() if end is not None}
    return phrases("schema")["span"]["_".join(known)].format(**known) if known else ""


def _needed() -> dict[str, tuple[str, ...]]:
    """The questions that cannot do without a table or column, by its place."""
    found: dict[str, list[str]] = {}
    for key, question in questions().items():
        for need in question.needs:
            places = need.where.split(OR)
            for place in places:
                others = [f"`{one}`" for one in places if one != place]
                either = phrases("schema")["either"].format(others=", ".join(others))
                found.setdefault(place, []).append(key + either * bool(others))
    return {place: tuple(dict.fromkeys(keys)) for place, keys in found.items()}


def _lacks(place: str) -> str:
    """What cannot be known without a table or column."""
    uses = phrases("data")["uses"]
    lacks = next((one["lacks"] for where, one in uses.items() if place in where.split(OR)), "")
    return lacks.strip() or phrases("schema")["lacks"].get(place, "")

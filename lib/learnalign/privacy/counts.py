"""The counts of a document to publish: no two of them may tell a few people by their difference."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

KINDS = {
    "people": ("people", "n_people", "people_left"),
    "rows": ("rows", "rows_left", "gaps", "stopped"),
}  # what stands in a document under which names


def pool(document: Mapping[str, Any]) -> dict[str, list[int]]:
    """Every number of people, and of rows, that a document to publish holds by itself: what
    subtraction starts from.

    What fell out at a step is left out: it is a difference already. Pictures, but for the journey,
    hold rounded counts.
    """
    steps = [
        {name: step[name] for name in ("people_left", "rows_left")}
        for flow in document["flows"]
        for step in flow["steps"]
    ]
    journeys = [
        row | {"stopped": None}
        for one in document["pictures"]
        if one["kind"] == "journey"
        for row in one["rows"]
    ]
    held = [*document["data"]["tables"], *document["results"], *steps, *journeys]
    return {
        kind: sorted({row[name] for row in held for name in names if row.get(name)})
        for kind, names in KINDS.items()
    }


def too_close(
    counts: Sequence[int], earlier: Sequence[int], min_group: int
) -> list[tuple[int, int]]:
    """Pairs of counts, the second one perhaps of `earlier` editions, that differ by 1 to
    `min_group` - 1.

    >>> too_close([20, 40], [21, 60, 61], 10)
    [(20, 21)]
    """
    counts, old = sorted(set(counts)), sorted(set(earlier))
    near = [(less, more) for less, more in pairwise(counts) if more - less < min_group]
    for one in counts:
        there = old[bisect_right(old, one - min_group) : bisect_left(old, one + min_group)]
        near += [(one, other) for other in there if other != one]
    return near


def rounded(
    document: Mapping[str, Any],
    min_group: int,
    earlier: Mapping[str, Sequence[int]] | None = None,
    base: int = 0,
    always: bool = False,
) -> dict[str, Any]:
    """A document to publish in which no two counts tell a group of 1 to `min_group` - 1 by their
    difference.

    Every number of people, and of rows, that is left somewhere in the document goes into one `pool`
    with those that `earlier` editions told exactly. When two of them are that close, or `always`,
    all counts are rounded down to a multiple of `min_group`, or of `base`, a multiple of it
    (`run.rounded_to` says so). Coarse and safe.
    """
    base, earlier = base or min_group, earlier or {}
    if not always and not any(
        too_close(counts, earlier.get(kind, ()), min_group)
        for kind, counts in pool(document).items()
    ):
        return {**document, "run": {**document["run"], "rounded_to": None}}

    def down(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [_down(row, base) for row in rows]

    return {
        **document,
        "flows": [{**flow, "steps": down(flow["steps"])} for flow in document["flows"]],
        "results": down(document["results"]),
        "pictures": [
            {**one, "rows": down(one["rows"])} if one["kind"] == "journey" else one
            for one in document["pictures"]
        ],
        "data": {**document["data"], "tables": down(document["data"]["tables"])},
        "run": {**document["run"], "rounded_to": base},
    }


def _down(row: Mapping[str, Any], base: int) -> dict[str, Any]:
    names = [name for some in KINDS.values() for name in some if row.get(name)]
    told = {name: row[name] // base * base for name in names}
    if "ways" in row:
        told["ways"] = [[count // base * base, way] for count, way in row["ways"]]
    return {**row, **told}

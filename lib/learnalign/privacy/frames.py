"""The gate that every frame of groups passes before it is drawn: what leaves it may be published as
it is.

Figures on too few people or managers are blank, those left are rounded to what is shown, and how
many people stand behind a row is known to a multiple of `min_group` only, so that no two rows can
be told apart by a few people.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from learnalign.privacy import rule


def refuse_people(frame: pd.DataFrame) -> None:
    """Raise ValueError where a frame has a row per person."""
    if "person_id" in frame.columns:
        raise ValueError(
            "charts show groups, never people: this table has a column person_id. Summarise "
            "it first"
        )


def to_steps(values: pd.Series, steps: Sequence[float]) -> pd.Series:
    """Each value as the nearest multiple of its step."""
    sizes = np.asarray(steps, float)
    return ((values.astype(float) / sizes).round() * sizes).round(6)


def significant(values: pd.Series, digits: Sequence[float]) -> pd.Series:
    """Each value to so many significant digits."""
    told = [float(f"{value:.{int(n)}g}") for value, n in zip(values, digits, strict=True)]
    return pd.Series(told, values.index, dtype=float)


def rising(rows: pd.DataFrame, figures: Sequence[str], people: str, min_group: int) -> pd.DataFrame:
    """`figures` that rise, the first of them from 0, as may be told beside each other; blank before
    there is one.

    Each is that of the last row at which `min_group` more people (the running count `people`) stood
    behind it than behind the one told before. Blank while the first reads 0 too: with somebody
    behind it, it is not.

    >>> rows = pd.DataFrame({"closed": [0.0, 1.0, 2.0, 3.0, 5.0], "people": [0, 9, 10, 19, 20]})
    >>> rising(rows, ["closed"], "people", 10).closed.tolist()
    [nan, nan, 2.0, 2.0, 5.0]
    """
    last, behind, places = -1, 0, []
    for place, count in enumerate(rows[people]):
        if count - behind >= min_group:
            last, behind = place, count
        places.append(last)
    told = rows.reset_index(drop=True)[list(figures)].reindex(places).set_axis(rows.index)
    return rows.assign(**told.where(told[figures[0]] > 0))


def pass_through(
    frame: pd.DataFrame, figures: Sequence[str], *, min_group: int, digits: int = 2
) -> pd.DataFrame:
    """A frame of groups as it may be shown: `figures` blank on few people and rounded, and a column
    `shown`.

    `people` is rounded down to a multiple of `min_group`, and `managers` is left out. Misleads
    where a total stands beside its parts: `beside_total` says what must be hidden then as well.
    """
    refuse_people(frame)
    hidden = rule.Rule(min_group).few(frame)
    values = {name: frame[name].astype(float).round(digits).mask(hidden) for name in figures}
    people = (frame.people // min_group * min_group).mask(hidden).astype("Int64")
    return frame.drop(columns="managers", errors="ignore").assign(
        **values, people=people, shown=~hidden
    )


def beside_total(
    hidden: Sequence[bool], people: Sequence[float], min_group: int
) -> tuple[list[bool], bool]:
    """Which parts to hide beside their total, and whether the total must be hidden too.

    Hidden parts must be two or more, and of `min_group` people together: else the next smallest is
    hidden as well, and the total where no part is left.

    >>> beside_total([False, False, True], [40, 30, 9], 10)
    ([False, True, True], False)
    >>> beside_total([True], [9], 10)
    ([True], True)
    """
    gone = list(hidden)
    rest = sorted((size, place) for place, size in enumerate(people) if not gone[place])
    hidden = [size for size, is_gone in zip(people, gone, strict=True) if is_gone]
    while hidden and rule.is_told(hidden, min_group):
        if not rest:
            return gone, True
        size, place = rest.pop(0)
        gone[place] = True
        hidden.append(size)
    return gone, False


def rows(frame: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """A frame as plain rows, fit for JSON: a blank is None."""
    plain = frame[list(columns)].astype(object)
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in plain.where(plain.notna(), None).to_dict("records")
    ]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value

"""Amounts: what fell in the window of each review, by every kind there is, for what is asked later.

The headlines need few of these and get them with the link; an analyst's next question may need any.
Each event table is read once more, for all kinds together.
"""

from collections.abc import Callable

import ibis
import pandas as pd
from ibis.expr.types import Column, Table

from learnalign.data.contract import COLUMNS, DATE_OF, DONE, MODE_OF_TYPE, MODES
from learnalign.data.reading import DataSet
from learnalign.linking.exposures import KEY

SAID = {column.name: column.allowed for column in COLUMNS["acknowledgements"]}
CHANNELS, AUDIENCES = SAID["channel"], SAID["audience"]
WHOLE = ("", "required_", "voluntary_")  # before "hours" and "activities"
KINDS = (*WHOLE, *(f"{kind}_" for kind in dict.fromkeys((*MODE_OF_TYPE, *MODES))))
LEARNED = tuple(f"{kind}{of}" for kind in KINDS for of in ("hours", "activities"))
ACKNOWLEDGED = (
    "acknowledgements",
    *(f"acknowledgements_by_{name}" for name in CHANNELS),
    *(f"acknowledgements_to_{name}" for name in AUDIENCES),
)


def amounts(
    dataset: DataSet, person_cycles: pd.DataFrame, window_days: int | None = None
) -> pd.DataFrame:
    """Hours and activities by kind, and acknowledgements by channel and audience, in each window.

    A row for each of `person_cycles`, in their order: columns LEARNED and ACKNOWLEDGED. With
    `window_days` a window is the so many days before its end (`embargo_days` before the review), so
    that those of two reviews may overlap and an event count for both. Empty, not zero, where a
    table holds nothing, or where nothing of anybody was recorded yet when a window ended.

    Misleads as the windows do (`windows.link`): what was recorded late seems not to have been done.

    >>> from learnalign.data.reading import read
    >>> from learnalign.linking.windows import link
    >>> data = read("data/demo")
    >>> cycles = link(data).person_cycles
    >>> found = amounts(data, cycles)
    >>> bool((found.hours == cycles.hours).all()), bool((found.coaching_hours > 0).any())
    (True, True)
    """
    rows = person_cycles[[*KEY, "window_start", "window_end"]].reset_index(drop=True)
    if window_days is not None:
        rows = rows.assign(window_start=rows.window_end - pd.Timedelta(days=window_days))
    windows = ibis.memtable(rows.assign(_row=range(len(rows))))
    known = {name: windows[name].cast("date") for name in ("window_start", "window_end")}
    windows = windows.mutate(**known)
    learned = _added_up("learning", windows, dataset, _learned)
    said = _added_up("acknowledgements", windows, dataset, _said)
    counted = pd.concat([learned, said], axis=1).set_axis(rows.index)
    if "learning.hours" not in dataset.filled:
        counted.loc[:, [name for name in counted if name.endswith("hours")]] = float("nan")
    return counted.set_axis(person_cycles.index)


def around(column: pd.Series, person: pd.Series) -> dict[str, pd.Series]:
    """An amount in the person's next and two previous windows; rows in the order of time."""
    by_person = column.groupby(person.to_numpy(), sort=False)
    steps = {"_next": -1, "_previous": 1, "_previous_2": 2}
    return {f"{column.name}{name}": by_person.shift(step) for name, step in steps.items()}


def _added_up(
    name: str, windows: Table, dataset: DataSet, sums: Callable[[Table], dict[str, Column]]
) -> pd.DataFrame:
    """Sums of a table's events over the windows; `sums(events)` says of what, by name."""
    events = dataset.tables[name]
    if name == "learning":
        events = events.filter(events.status == DONE)
    day = events[DATE_OF[name]]
    own = [
        events.person_id == windows.person_id,
        day >= windows.window_start,
        day < windows.window_end,
    ]
    inside = events.join(windows, own)
    wanted = sums(inside)
    ends = pd.to_datetime(
        windows.select("_row", "window_end").execute().set_index("_row").window_end
    )
    ends = ends.sort_index()
    if name not in dataset.filled:
        return pd.DataFrame(float("nan"), index=ends.index, columns=[*wanted])
    found = inside.group_by("_row").aggregate(**wanted).execute().set_index("_row")
    began = pd.Timestamp(dataset.tables[name][DATE_OF[name]].min().execute())
    found = found.reindex(ends.index).astype(float).fillna(0.0)
    return found.where(ends > began)


def _learned(events: Table) -> dict[str, Column]:
    which = {"": None, "required_": events.is_required, "voluntary_": ~events.is_required}
    which |= {f"{mode}_": events.mode == mode for mode in MODES}
    which |= {f"{kind}_": events.activity_type == kind for kind in MODE_OF_TYPE}
    found = {}
    for name in KINDS:
        found[f"{name}hours"] = events.hours.sum(where=which[name])
        found[f"{name}activities"] = events.count(where=which[name])
    return found


def _said(events: Table) -> dict[str, Column]:
    found = {"acknowledgements": events.count()}
    for name in CHANNELS:
        found[f"acknowledgements_by_{name}"] = events.count(where=events.channel == name)
    for name in AUDIENCES:
        found[f"acknowledgements_to_{name}"] = events.count(where=events.audience == name)
    return found

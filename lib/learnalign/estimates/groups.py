"""Groups: whether people of one group are given other merit than everybody else, at equal cell.

"At equal cell" is at the same rating and merit target in the same cycle; where no merit matrix is
recorded the rating alone is held equal, and the results say so. Where targets are so many that
hardly anybody shares one, merit less its target is compared at equal rating, and ratings on a scale
so fine are compared in twentieths.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from learnalign.data.reading import DataSet
from learnalign.estimates import described, limits
from learnalign.estimates.columns import independent
from learnalign.estimates.ladder import fixed_effects
from learnalign.estimates.same_manager import MIN_RESIDUAL_DF
from learnalign.estimates.samples import MOST_CELLS, voluntary
from learnalign.verdicts.result import Fit

LEFT_OUT = ("attribute", "group", "people", "managers", "why")


def by_attribute(
    dataset: DataSet, person_cycles: pd.DataFrame, *, min_people: int
) -> tuple[dict[str, Fit], pd.DataFrame]:
    """Difference in merit (points) of each declared group to everybody else, at equal cell.

    Compared company-wide within rating x target x cycle, so that a group that has the stingier
    managers shows too; clustered by manager. Above 0 the group gets more; of two groups one is
    told, as the other is its mirror. Groups of fewer than `min_people`, or under three managers or
    fewer, are on neither side, so that nobody can work them out from the others; the second part
    names them (columns LEFT_OUT, with counts for privacy to look at). Past ratings are not held
    equal, so the design is "associated".

    Misleads when the rating is itself unequal: at equal rating only the second step is seen
    (METHODS 7).

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> data = datasets.read("data/demo")
    >>> fits, left_out = by_attribute(data, linking.link(data).person_cycles, min_people=10)
    >>> "gender: female" in fits
    True
    """
    people = dataset.tables["people"].select("person_id", *dataset.meta.attributes).execute()
    rows = merit_rows(person_cycles).dropna(subset=["outcome", "cell", "rater"])
    fits, left_out = {}, []
    for name in dataset.meta.attributes:
        group = rows.person_id.map(people.set_index("person_id")[name])
        size = rows.groupby(group).agg(
            people=("person_id", "nunique"), managers=("rater", "nunique")
        )
        large = size.loc[_large(rows.groupby(group), min_people)]
        small = size.drop(large.index)
        left_out += [
            (name, one, *counts, "too few people or managers")
            for one, *counts in small.itertuples()
        ]
        told = list(large.index) if len(large) > 2 else list(large.index)[:1]
        kept = rows.assign(group_of=group)[group.isin(large.index)]
        for one in told if len(large) > 1 else []:
            inside = kept.group_of == one
            fit = difference(kept.assign(x=inside.astype(float), side=inside))
            if fit is None or fit.n_people_smaller < min_people:
                left_out.append((name, one, *size.loc[one], "too little to compare"))
            else:
                fits[f"{name}: {one}"] = fit
    return fits, pd.DataFrame(left_out, columns=list(LEFT_OUT))


def _large(groups: Iterable[tuple[object, pd.DataFrame]], min_people: int) -> list[object]:
    return [
        one
        for one, own in groups
        if limits.people("of a group", own.person_id, min_people, is_floor=True)
        and limits.managers(own.person_id, own.rater)
    ]


def difference(rows: pd.DataFrame, *, same_manager: bool = False) -> Fit | None:
    """Merit per unit of `x` at equal cell, or None; `side` is who counts as having it."""
    keys = ["rater", "cycle"] if same_manager else ["cell", "cycle"]
    rows = rows.dropna(subset=["x", "outcome", "rater", "cell"])
    rows = rows.assign(group=rows.groupby(keys).ngroup())
    x = rows.groupby("group").x
    rows = rows[x.transform("max") > x.transform("min")]  # elsewhere nobody differs in it
    sides = [rows[rows.side == side] for side in (True, False)]
    held = []
    if same_manager and len(rows):
        cells = pd.get_dummies(rows.cell, dtype=float)
        cells.columns = [f"cell_{place}" for place in range(cells.shape[1])]
        rows = pd.concat([rows, cells], axis=1)
        held = independent(rows, list(cells), "group")
    free = len(rows) - rows.group.nunique() - len(held) - 1
    are = [limits.managers(one.person_id, one.rater) for one in sides]
    about = "freedom", rows.person_id, MIN_RESIDUAL_DF, free
    if not all(are) or not limits.rows(*about, is_floor=True):
        return None
    same, by = f"same {rows.held.iloc[0]}, same cycle", rows.by.iloc[0]
    return fixed_effects(
        rows,
        "outcome",
        "x",
        controls=held,
        absorb="group",
        cluster="rater",
        method=f"{same}, same {by}" if same_manager else same,
        design="associated",
        clustered_by=by,
        smaller=min(one.person_id.nunique() for one in sides),
    )


def merit_rows(cycles: pd.DataFrame) -> pd.DataFrame:
    """Person-cycles in the terms of merit; `by` says whether managers or units are the clusters."""
    rater, by = described.raters(cycles)
    names = {
        "merit": "merit_pct",
        "target": "merit_target_pct",
        "gap": "merit_gap_pct",
        "rating": "rating",
        "bonus": "bonus_net_pct",
        "learning": voluntary(cycles),
    }
    rows = cycles[["person_id", "cycle", "unit"]].assign(
        **{name: pd.to_numeric(cycles[column]).astype(float) for name, column in names.items()},
        grade=cycles.grade.fillna("?"),
        rater=rater,
        by=by,
        held="rating",
        acknowledged=cycles.acknowledged.astype("Float64").to_numpy(float, na_value=np.nan),
    )
    fine = rows.rating.nunique() > MOST_CELLS
    band = np.ceil(20 * rows.rating.rank(pct=True)) if fine else rows.rating
    rows = rows.assign(band=band, cell=band.astype(str), outcome=rows.merit)
    if cycles.matrix_cell.nunique() > MOST_CELLS:
        return rows.assign(outcome=rows.gap, held="rating, merit less its target")
    if cycles.matrix_cell.isna().all():
        return rows
    return rows.assign(cell=cycles.matrix_cell, held="rating and matrix cell")

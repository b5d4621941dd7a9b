"""Models: the core model (same manager and cycle, same past ratings) and its rivals under other
assumptions.

Three fits of one contrast stand side by side. The core model is right when what moves the exposure
shows in past ratings; the within-person fit when it is a lasting trait of the person; the
reliability-corrected fit when it is a lasting ability that past ratings show with noise. A finding
that needs one of them to be right is no finding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse, stats
from scipy.sparse.linalg import lsmr
from statsmodels.miscmodels.ordinal_model import OrderedModel

from learnalign.estimates import ladder, samples, sensitivity
from learnalign.verdicts.result import TOO_FEW_CLUSTERS, Design, Fit

MIN_CHANGERS = 30  # people; fewer say little, and the figure is published
MOST_GRADES = 12  # on a finer scale the cuts between grades cannot be told apart
NUMBER = {1: "prior rating", 2: "two prior ratings"}
RELIABLE = (
    0.2,
    0.95,
)  # an estimated reliability beyond this tells that the correction's assumptions do not hold


def fixed_effects(
    frame: pd.DataFrame,
    outcome: str,
    exposure: str,
    *,
    controls: Sequence[str] = (),
    absorb: str = "",
    cluster: str,
    person: str = "person_id",
    level: float = 0.95,
    method: str = "",
    design: Design = "adjusted",
    clustered_by: str = "",
) -> Fit:
    """The coefficient of `exposure` by least squares, with an interval that holds with few clusters
    too.

    `absorb` names the column whose levels are held equal, `clustered_by` what the clusters are. The
    interval climbs the ladder of standard errors (`learnalign.estimates.ladder`): CR1 with t(G - 1)
    from 50 clusters, CR2 with Bell-McCaffrey degrees of freedom below. Rows with a gap in any of
    the columns are left out. Raises ValueError when `exposure`, or a control, cannot be told from
    the others.

    Misleads when what moves both exposure and outcome is neither absorbed nor a control.

    >>> frame = pd.DataFrame({"y": [1, 2, 3, 5, 2, 4.0], "x": [0, 1, 0, 1, 0, 1], "team": list("aabbcc")})
    >>> round(fixed_effects(frame, "y", "x", absorb="team", cluster="team", person="team").estimate, 3)
    1.667
    """
    names = {outcome, exposure, *controls, cluster, person, *([absorb] if absorb else [])}
    frame = frame.dropna(subset=list(names))
    slope = ladder.slope(
        frame[outcome].to_numpy(float),
        frame[exposure].to_numpy(float),
        frame[cluster].to_numpy(),
        controls=frame[list(controls)].to_numpy(float) if controls else None,
        groups=frame[absorb].to_numpy() if absorb else None,
        level=level,
    )
    return Fit(
        slope.estimate,
        slope.low,
        slope.high,
        slope.std_error,
        slope.df,
        level,
        len(frame),
        frame[person].nunique(),
        None,
        slope.n_clusters,
        f"{method or 'least squares'}, {slope.rung} by {clustered_by or cluster}",
        design,
        slope.second,
        clustered_by or cluster,
        slope.rung,
    )


def core(
    sample: samples.Sample,
    rows: pd.DataFrame | None = None,
    *,
    outcome: str = "outcome",
    exposure: str = "exposure",
    also: Sequence[str] = (),
    level: float = 0.95,
) -> Fit:
    """The core model: `exposure` among people with the same manager and cycle, and what the sample
    holds equal.

    Estimates a difference in `outcome` per unit of exposure (METHODS 3). Raises ValueError when the
    exposure cannot be told from what is held equal. Misleads when past ratings do not carry what
    moves both.
    """
    held, rows = sample.controls(rows, also), sample.rows if rows is None else rows
    same = _held_in_words(sample, held)
    fit = fixed_effects(
        rows,
        outcome,
        exposure,
        controls=held,
        absorb="rater_cycle",
        cluster="rater",
        level=level,
        method=f"{sample.rater} x cycle fixed effects (same {', same '.join(same)})",
        design="adjusted" if sample.priors else "associated",
        clustered_by=sample.rater,
    )
    return replace(fit, n_people_smaller=samples.people_in_the_smaller(rows), held=same)


def _held_in_words(sample: samples.Sample, held: Sequence[str]) -> tuple[str, ...]:
    words = [f"{sample.rater} and cycle"]
    if sample.priors:
        words.append(NUMBER[len(sample.priors)])
    names = (
        ("cell", "rating and matrix cell"),
        ("grade", "grade"),
        ("tenure", "tenure"),
        ("fte", "hours of work"),
        ("compa_ratio", "place in the salary range"),
        ("gaps", "number and severity of gaps"),
        ("enrolled", "number of activities enrolled in, by kind"),
    )
    words += [word for key, word in names if any(name.startswith(f"held_{key}") for name in held)]
    return tuple(words)


def beside(
    sample: samples.Sample, columns: Mapping[str, ArrayLike], level: float = 0.95
) -> dict[str, Fit]:
    """The core model with several exposures at once, each held equal in the others' figures.

    `columns` (n,) each, in the order of the sample's rows: marks of 0 and 1, or amounts. Left out
    is what nobody does, what everybody under a manager does, and what differs under three managers
    or fewer. Misleads where one of them moves another: what works through the other is held out of
    its figure.
    """
    rows = sample.rows.assign(**{f"_{name}": value for name, value in columns.items()})
    if sample.too_thin(rows):
        return {}
    found = {}
    for name in columns:
        some = rows[
            samples.differs_within(rows, f"_{name}")
        ]  # as in the sample: the others say nothing of it
        if sample.too_thin(some) or some.rater.nunique() <= TOO_FEW_CLUSTERS:
            continue
        others = [f"_{other}" for other in columns if other != name]
        try:
            fit = core(sample, some, exposure=f"_{name}", also=others, level=level)
        except ValueError:
            continue
        value = some[f"_{name}"]
        marked = some.assign(
            exposure=value, exposed=value > value.groupby(some.cycle).transform("min")
        )
        found[name] = replace(fit, n_people_smaller=samples.people_in_the_smaller(marked))
    return found


def within_person(prepared: samples.Prepared, rater: str, level: float = 0.95) -> Fit | None:
    """The same people compared with themselves, under the same manager and cycle; None where too
    few change.

    Right when what moves both is a lasting trait; wrong after a transitory dip, which the next
    cycle undoes by itself (METHODS 5, row 6b). Least squares with person and manager x cycle
    effects; people who stay with their manager are within one cluster, so the ladder's interval is
    exact but for those who move.
    """
    moving = [
        name
        for name in prepared.held
        if name.startswith(("held_compa", "held_cell_rating", "held_cell_target"))
    ]
    groups = ["person_id", "rater_cycle", *(["cell"] if prepared.at_equal_rating else [])]
    rows = prepared.frame.dropna(subset=["exposure", "outcome", "rater", *groups])
    rows = samples.two_or_more(
        rows[samples.differs_within(rows, "exposure")], [["person_id"], ["rater_cycle"]]
    )
    by_person = rows.groupby("person_id").exposure
    people = rows[
        by_person.transform("max") - by_person.transform("min") > 1e-9
    ].person_id.nunique()
    free = len(rows) - sum(rows[name].nunique() for name in groups)
    if (
        free < samples.MIN_RESIDUAL_DF
        or people < MIN_CHANGERS
        or rows.rater.nunique() <= TOO_FEW_CLUSTERS
    ):
        return None
    columns = ["outcome", "exposure", *samples.independent(rows, moving, "rater_cycle")]
    inside = pd.DataFrame(_absorbed(rows[columns].to_numpy(float), rows[groups]), columns=columns)
    inside = inside.assign(rater=rows.rater.to_numpy(), person_id=rows.person_id.to_numpy())
    try:
        fit = fixed_effects(
            inside,
            "outcome",
            "exposure",
            controls=columns[2:],
            cluster="rater",
            level=level,
            method=f"person and {rater} x cycle fixed effects",
            design="within_person",
            clustered_by=rater,
        )
    except ValueError:
        return None
    return replace(fit, n_people_smaller=people)


def _absorbed(values: np.ndarray, groups: pd.DataFrame) -> np.ndarray:
    """Columns without the means of several groupings, by sparse least squares (LSMR) on their
    dummies.
    """
    row = np.arange(len(values))
    codes = [pd.factorize(groups[name])[0] for name in groups]
    dummies = sparse.hstack(
        [sparse.csr_array((np.ones(len(row)), (row, code))) for code in codes]
    ).tocsr()
    scaled = dummies @ sparse.diags_array(
        1 / np.sqrt(dummies.sum(axis=0))
    )  # columns of length 1 converge sooner
    fitted = [
        scaled @ lsmr(scaled, column, atol=1e-9, btol=1e-9, maxiter=10_000)[0]
        for column in values.T
    ]
    return values - np.column_stack(fitted)


def corrected(sample: samples.Sample, level: float = 0.95) -> Fit | None:
    """The core model with the noise of past ratings taken out of them; None where their noise is
    not known.

    The reliability of one rating is how far two ratings of a person in a row go together within
    managers and cycles: the two prior ratings where both are held, else the prior and this one.
    Right when people take up the exposure for what they can do, whatever a rating said; wrong when
    the rating itself, or the luck in it, moves them (METHODS 3, Q2 and 6c).
    """
    if not sample.priors:
        return None
    rows, ratings = sample.rows, [sample.rows[name].to_numpy(float) for name in sample.priors]
    cell = rows.rater_cycle.to_numpy()
    pair = ratings if len(ratings) == 2 else [ratings[0], rows.rating_sd.to_numpy(float)]
    reliability = sensitivity.reliability(*pair, groups=cell)
    if not RELIABLE[0] <= reliability <= RELIABLE[1]:
        return None
    held = [name for name in sample.controls() if name not in sample.priors]
    try:
        found = sensitivity.errors_in_variables(
            rows.outcome.to_numpy(float),
            rows.exposure.to_numpy(float),
            np.column_stack(ratings),
            reliability,
            clusters=rows.rater.to_numpy(),
            groups=cell,
            level=level,
            controls=rows[held].to_numpy(float) if held else None,
        )
    except ValueError:
        return None
    return Fit(
        found.estimate,
        found.low,
        found.high,
        found.std_error,
        found.df,
        level,
        len(rows),
        rows.person_id.nunique(),
        None,
        rows.rater.nunique(),
        f"as the core model, past ratings corrected for a reliability of {reliability:.2f}",
        "adjusted",
        cluster=sample.rater,
    )


def ordered_logit(sample: samples.Sample, level: float = 0.95) -> Fit | None:
    """Odds of a better rating, as one ratio: the agreement check for treating grades as numbers.

    An ordered logit on the grades themselves, with managers' and cycles' means of every column in
    place of their fixed effects, which would bias it (Mundlak 1978; METHODS 3); clustered by
    manager. `std_error` is on the log scale. None for a scale of more than 12 values, or where it
    does not converge.
    """
    rows, names = sample.rows, ["exposure", *sample.priors]
    if not 2 < rows.rating.nunique() <= MOST_GRADES:
        return None
    means = rows[names].groupby(rows.rater_cycle).transform("mean").add_suffix("_mean")
    table = pd.concat([rows[names], means], axis=1).astype(float)
    groups = {"groups": pd.factorize(rows.rater)[0]}
    model = OrderedModel(rows.rating.astype("category").cat.as_ordered(), table, distr="logit")
    found = model.fit(method="bfgs", disp=False, cov_type="cluster", cov_kwds=groups)
    error, clusters = float(found.bse["exposure"]), rows.rater.nunique()
    if not found.mle_retvals["converged"] or not np.isfinite(error):
        return None
    middle, reach = (
        float(found.params["exposure"]),
        stats.t.ppf(0.5 + level / 2, clusters - 1) * error,
    )
    return Fit(
        float(np.exp(middle)),
        float(np.exp(middle - reach)),
        float(np.exp(middle + reach)),
        error,
        clusters - 1.0,
        level,
        len(rows),
        rows.person_id.nunique(),
        samples.people_in_the_smaller(rows),
        clusters,
        f"ordered logit with {sample.rater} means, by {sample.rater}",
        "adjusted",
        cluster=sample.rater,
    )

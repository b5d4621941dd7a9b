"""Gaps: how "I don't know" becomes "I know": the journey, knowing and saying, what came after.

Facts about groups, which claim nothing. A gap that nobody spoke of before it was found is silent,
never "hidden": why, no record tells. What was not recorded is left out, and never counted as "did
not".
"""

import ibis
import numpy as np
import pandas as pd
from ibis.expr.types import Table
from numpy.typing import ArrayLike
from scipy import special, stats

from learnalign.estimates import described, hazards, ladder, limits
from learnalign.estimates.columns import by_person
from learnalign.linking.account import latest_reviews, learning_done
from learnalign.linking.journeys import Journeys
from learnalign.studies import Study, judged
from learnalign.verdicts.result import Fit, number, spread

FATES = (
    "still open",
    "left",
    "closed",
    "closed after learning",
    "closed without learning",
    "not recorded then",
)
SIDES = ("hits", "misses", "alarms", "passes")
Signal = tuple[Fit, Fit]  # d_prime, and the criterion
JOURNEY = ("stage", "then", "gaps", "share", "shown")
COURSE = ("closed", "low", "high", "left", "left_low", "left_high")
MONTHS = (6, 12, 18, 24, 36)  # at which a curve is told: every figure tells a little
DRAWS = 200
MONTH_DAYS = 365.25 / 12
MIN_TRIALS = 30  # gaps, and assessments without one, below which knowing and saying are noise


# --- the journey


def stages(gaps: pd.DataFrame) -> pd.DataFrame:
    """How far each gap came: detected; of those acknowledged; of those learning; closed.

    `Journeys.gaps` with the last `stage` that it reached, in their order, and why it went no
    further (`then`, of FATES; "closed" means without the stages between). Found when nobody's
    acknowledging was recorded, and not acknowledged later: "not recorded then". A stage that is not
    recorded is left out. Rows of people: `journey` tells how many there are.

    Misleads when read as an order in time, as learning may come before acknowledging; and a gap
    found last month is still open because it is new.
    """
    said, learned = gaps.acknowledged_on.notna(), gaps.learning_started_on.notna()
    unknown = gaps.acknowledged_before.isna() & ~said
    reached = {"detected": said | True}
    reached |= {} if unknown.all() else {"acknowledged": said}
    reached |= {"learning": learned} if learned.any() else {}
    reached = pd.DataFrame(reached | {"closed": gaps.status == "closed"}).astype(int)
    through = reached.cumprod(axis=1)
    last = through.columns.to_numpy()[through.sum(axis=1) - 1]
    fate = np.select(
        [unknown & ~unknown.all(), gaps.status == "open", gaps.status == "left", learned],
        ["not recorded then", "still open", "left", "closed after learning"],
        "closed without learning" if learned.any() else "closed",
    )
    return gaps.assign(stage=pd.Categorical(last, [*through], ordered=True), then=fate)


def journey(study: Study) -> pd.DataFrame:
    """How many gaps got to each stage of `stages`, and where the others went, as it may be shown.

    `share` in percent of all gaps (of those `detected`, about so many `gaps`): of the stage where
    `then` is "all", else of those that stopped there so. Misleads as `stages` does.

    >>> import learnalign as la
    >>> found = journey(la.study("data/demo"))
    >>> found.stage[found.then == "all"].tolist()
    ['detected', 'acknowledged', 'learning', 'closed']
    """
    rows = stages(study.journeys.gaps)

    def so(what: str, those: pd.Series) -> float | None:
        return study.gate.share(f"gaps: {what}", rows.person_id, those)

    own, found, least = rows.groupby("person_id").size(), [], 100.0
    count = study.gate.rows("rows", own) if len(rows) else None
    for place, stage in enumerate(rows.stage.cat.categories if count is not None else ()):
        share = so(stage, rows.stage >= stage) if place else 100.0
        least = least if share is None else min(least, share)
        about = count if not place else None
        found.append((stage, "all", about, share and least, share is not None))
        for then in FATES:
            those = (rows.stage == stage) & (rows.then == then)
            if stage != "closed" and those.any():
                share = so(f"{stage}, then {then}", those)
                found.append((stage, then, None, share, share is not None))
    return pd.DataFrame(found, columns=list(JOURNEY), dtype=object)


# --- knowing, and saying


def signal(journeys: Journeys, by: str | None = None, *, seed: int = 1) -> dict[str, Signal]:
    """How well groups know which gaps are theirs (d_prime), and how reluctant they are to say so.

    The second is the criterion: above 0, reluctant. From `Journeys.assessed`, for the company or
    each group of the column `by` (`unit`, `grade`), with 95 % intervals from 200 bootstrap draws of
    people; `n_people_smaller` are on the rarest of the four sides, as figures and counts together
    tell how many did. Left out are groups with fewer than 30 gaps or 30 others (assessments without
    a gap). Raises ValueError where the groups would be persons or managers.

    Misleads as `sensitivity_and_bias` does: above all, groups of mixed people have a lower d_prime.

    >>> import learnalign as la
    >>> [*signal(la.study("data/demo").journeys)]
    ['company']
    """
    if by in ("person_id", "manager_id"):
        raise ValueError("Sensitivity and bias are for groups, never for a person or a manager.")
    rows = journeys.assessed.assign(company="company")
    rows = rows[rows.acknowledged_before.notna()] if (by or "company") in rows else rows.head(0)
    said, gap = rows.acknowledged_before.astype(bool), rows.is_gap.astype(bool)
    counts = pd.concat([said & gap, ~said & gap, said & ~gap, ~said & ~gap], axis=1, keys=SIDES)
    counts = counts.astype(int).assign(person_id=rows.person_id, manager=described.raters(rows)[0])
    groups = counts.groupby(rows[by or "company"]) if len(rows) else ()
    found = {str(name): _signal(part, seed) for name, part in groups}
    return {name: fits for name, fits in found.items() if fits is not None}


def _signal(rows: pd.DataFrame, seed: int) -> Signal | None:
    people = rows.groupby("person_id")[[*SIDES]].sum()
    total = people.sum().to_numpy()
    about = "trials", people.index, min(total[:2].sum(), total[2:].sum()), MIN_TRIALS
    if not limits.enough(*about, each=people.sum(axis=1).max()):
        return None
    # people with the same counts are alike to a draw: neither names nor order matter
    kinds, many = np.unique(people.to_numpy(), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(people), many / len(people), size=DRAWS) @ kinds
    middle, errors = sensitivity_and_bias(total), sensitivity_and_bias(draws).std(axis=0, ddof=1)
    moves = middle - sensitivity_and_bias(total - people.to_numpy())
    about = {
        "df": None,
        "level": 0.95,
        "n_rows": int(total.sum()),
        "n_people": len(people),
        "n_people_smaller": int((people > 0).sum().min()),
        "n_clusters": rows.manager.nunique(),
        "method": "signal detection, bootstrap of people",
        "design": "described",
    }
    fits = []
    for place, (value, error) in enumerate(zip(middle.tolist(), errors.tolist(), strict=True)):
        ends = value - stats.norm.ppf(0.975) * error, value + stats.norm.ppf(0.975) * error
        moved = pd.Series(moves[:, place], people.index)
        fits.append(Fit(value, *ends, error, **about, influence=moved))
    return fits[0], fits[1]


@judged
def knowing(study: Study) -> pd.DataFrame:
    """`signal` by grade as it may be shown, each figure and its likely range in one.

    Misleads as `signal` does.
    """
    found, told = signal(study.journeys, "grade"), {}
    for place, what in enumerate(("knowing", "reluctance")):
        fits = {grade: pair[place] for grade, pair in found.items()}
        moved = study.gate.fits(what, fits, [[*fits]])
        told[what] = {grade: fit and _in_words(fit) for grade, fit in moved.items()}
    table = pd.DataFrame(told, index=[*found], columns=["knowing", "reluctance"], dtype=object)
    people = [study.gate.people(one.influence.index, as_class=True) for one, _ in found.values()]
    table = table.assign(people=people, shown=table.notna().all(axis=1))
    table["people"] = table.people.where(table.shown, None)
    return table.rename_axis("group").reset_index()


def _in_words(fit: Fit) -> str:
    return f"{number(fit.estimate)} ({spread(fit.low, fit.high)})"


def sensitivity_and_bias(counts: ArrayLike) -> np.ndarray:
    """How well a group knows which gaps are its own (d'), and how reluctant it is to say so, in SD.

    `counts` (..., 4): gaps acknowledged before they were assessed and gaps not, skills without a
    gap acknowledged and not; the answer is (..., 2). Log-linear rates (count + .5) / (n + 1), so
    that none and all can be used.

    Misleads when people who knew their gaps were assessed more often, when the assessment is itself
    in error, with few counts (a person's figure is noise), and in a mixed group: the d' of pooled
    counts is below the d' of its people. Hautus (1995), Behavior Research Methods 27; METHODS 2.

    >>> sensitivity_and_bias([80, 20, 30, 70]).round(3)
    array([ 1.35 , -0.156])
    """
    hits, misses, alarms, passes = np.moveaxis(np.asarray(counts, float), -1, 0)
    rates = (hits + 0.5) / (hits + misses + 1), (alarms + 0.5) / (alarms + passes + 1)
    hit, alarm = stats.norm.ppf(rates)
    return np.stack([hit - alarm, -(hit + alarm) / 2], axis=-1)


# --- asking, and what came after


def acknowledgements(study: Study) -> Table:
    """Acknowledgements with the manager and unit of their person's latest review; no others.

    `facts.yml` counts how many came before `needed_by`, and four of the seven points of asking
    well. To set emotions aside and not to whine are not measured, on purpose: to judge what anybody
    feels at work does harm.

    Misleads when a day is noted only where there is haste, when recent asking may still be
    escalated, and as a score: a checklist, and no known sign of better help. METHODS 2.
    """
    latest = latest_reviews(study.cycles)[[*described.OWNERS]].astype("string")
    said = study.dataset.tables["acknowledgements"]
    return said.inner_join(ibis.memtable(latest), "person_id").cache()


def reflecting(study: Study) -> pd.DataFrame:
    """Person-cycles with `reflected`, `asked` (by other channels), and `next`: in the next window.

    Reflected: an acknowledgement by the channel reflection, or completed learning of the type
    reflection, within the review's exposure window; empty where nobody ever did. Left out are those
    without a next review, and those of whom it is not known what they acknowledged.

    Misleads when one culture, or a hard time, moves both.
    """
    keys, rows = ["person_id", "cycle"], study.cycles
    windows = ibis.memtable(rows[[*keys, "window_start", "window_end"]])
    start, end = (windows[name].cast("date") for name in ("window_start", "window_end"))
    said, done = study.dataset.tables["acknowledgements"], learning_done(study.dataset)
    said, done = (
        said.filter(said.channel == "reflection"),
        done.filter(done.activity_type == "reflection"),
    )
    events = said.select("person_id", on="acknowledged_on", said=1).union(
        done.select("person_id", on="learned_on", said=0)
    )
    own = [windows.person_id == events.person_id, events.on >= start, events.on < end]
    inside = (
        windows.join(events, own)
        .group_by(*keys)
        .aggregate(said=lambda both: both.said.sum(), reflected=lambda both: both.count())
    )
    found = inside.execute().astype({"person_id": rows.person_id.dtype})
    rows = rows.merge(found, on=keys, how="left").sort_values(["person_id", "reviewed_on", "cycle"])
    said, reflected = rows.said.fillna(0), rows.reflected.fillna(0) > 0
    every = pd.to_numeric(rows.acknowledgements)
    asked = (every > said).astype("boolean").mask(every.isna())
    later = asked.groupby(rows.person_id).shift(-1)
    rows = rows.assign(reflected=reflected, asked=asked, next=later)
    rows = rows.dropna(subset=["asked", "next"])
    ever = rows.reflected.astype("boolean") if rows.reflected.any() else pd.NA
    return rows.astype({"next": bool, "asked": bool}).assign(reflected=ever)


def after_reflecting(rows: pd.DataFrame) -> Fit | None:
    """How much more often people acknowledge in the window after reflecting, in percentage points.

    `rows` are those of `reflecting`, and mislead as they do. Compared are people of one manager
    and cycle who both did, or both did not, acknowledge already.
    """
    cluster, by = described.raters(rows)
    rows = rows.assign(cluster=cluster).dropna(subset=["cluster", "reflected"])
    rows = rows.assign(group=rows.groupby(["cluster", "cycle"]).ngroup(), yes=rows.next)
    together = rows.groupby("group").group.transform("size") > 1  # one alone tells nothing
    return described.share_difference(
        rows[together],
        "reflected",
        controls=["asked"],
        absorb="group",
        method=f"same {by}, cycle and acknowledging in the window",
        design="associated",
        clustered_by=by,
    )


# --- how soon gaps close


def curve(study: Study) -> pd.DataFrame:
    """The percent of gaps closed by MONTHS from detection, with leaving as competing, as shown.

    After Aalen and Johansen (`hazards.incidence`), apart for gaps acknowledged before the day they
    were found and those not: known at the start, so nobody has to stay open to get into a group;
    for all gaps where it is known of none. Columns: group, month (of 30.4 days), COURSE, which
    never falls; intervals are by person. A curve ends where too few people are at risk.

    Misleads when gaps close only at yearly assessments: the curve then shows the calendar.
    METHODS 2; 5, row 16.

    >>> import learnalign as la
    >>> found = curve(la.study("data/demo"))
    >>> bool((found.closed + found.left <= 100).all())
    True
    """
    gaps = study.journeys.gaps
    before = gaps.acknowledged_before.astype("boolean")
    ends = pd.to_datetime(gaps.closed_on).fillna(gaps.left_on).fillna(gaps.observed_until)
    days = (ends - pd.to_datetime(gaps.detected_on)).dt.days
    rows = gaps.assign(days=days, manager=described.raters(gaps)[0])
    groups = {
        "acknowledged before they were found": rows[before.fillna(False)],
        "not acknowledged before they were found": rows[~before.fillna(True)],
    }
    if before.isna().all():
        groups = {"all gaps": rows}
    found = [_months(study, name, part) for name, part in groups.items()]
    columns = ["group", "month", *COURSE]
    return pd.DataFrame([row for part in found for row in part], columns=columns)


def _months(study: Study, name: str, rows: pd.DataFrame) -> list[tuple[object, ...]]:
    """The months of one curve: what is told of each is never less than of the one before."""
    found, last = [], np.full(len(COURSE), np.nan)
    for month in MONTHS:
        day = month * MONTH_DAYS
        if study.gate.people(rows.person_id[rows.days >= day], as_class=True) is None:
            break
        fits = {end: _by(rows, day, end) for end in ("closed", "left")}
        told = []
        for end, fit in fits.items():
            moved = study.gate.fit(f"gaps {end} by month {month}, {name}", fit)
            told += [moved.estimate, moved.low, moved.high] if moved else [np.nan] * 3
        last = np.fmax(last, told)
        found.append((name, month, *last.tolist()))
    return found


def _by(rows: pd.DataFrame, day: float, end: str) -> Fit | None:
    """The percent of gaps that ended so by a day, with what each person moves it by."""
    share, moves = hazards.incidence(rows.days, rows.status, day, end)
    moves = by_person(100 * moves, rows.person_id)
    error = float(np.sqrt(moves @ moves))
    if not 0 < share < 1 or not error > 0:
        return None
    logit = special.logit(share), error / 100 / (share * (1 - share))
    low, high = (100 * special.expit(ladder.interval(*logit, np.inf, 0.95))).tolist()
    so = rows.person_id[(rows.status == end) & (rows.days <= day)].nunique()
    people = len(moves)
    return Fit(
        100 * share,
        low,
        high,
        error,
        df=None,
        level=0.95,
        n_rows=len(rows),
        n_people=people,
        n_people_smaller=min(so, people - so),
        n_clusters=rows.manager.nunique(),
        method="cumulative incidence (Aalen and Johansen)",
        design="described",
        cluster="person",
        is_share=True,
        influence=moves,
    )

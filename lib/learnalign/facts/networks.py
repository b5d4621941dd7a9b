"""Networks: who turns to whom, in groups of people and never for one of them.

Edges are recorded asks, answers, mentoring and communities only: what is said in a corridor is in
no table, and nothing here tells how much of that there was. A person is somebody employed at
`as_of` with a review, whether or not they have a tie; their unit, manager and grade are those of
their latest review. A tie counts where both ends are such people, whenever it began, and once for
two people, however often it was recorded.

The **ask-and-answer network** has an arrow from whoever asked to whoever was asked or answered:
`asks` as recorded, `answers` turned round. So an answer is never taken for an ask that was
returned, and *answering* is being at the head of an arrow. METHODS 3 and 6 (Networks); Freeman
(1978), Social Networks 1; Krackhardt & Stern (1988), Social Psychology Quarterly 51.
"""

import ibis
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from learnalign.data.reading import DataSet
from learnalign.estimates.described import raters, share
from learnalign.linking.account import latest_reviews, learning_done
from learnalign.verdicts.result import Fit

MIN_NODES = 20  # people below which a network is too small to be described
MISSING = (10, 20, 30)  # percent of ties
FACTS = {
    "density_pct": "pairs of people with a tie (%)",
    "reciprocity_pct": "ties that go both ways (%)",
    "up_pct": "asks going up (%)",
    "across_pct": "asks to the same grade (%)",
    "down_pct": "asks going down (%)",
    "across_units_pct": "asks to another unit (%)",
    "gini": "concentration of answering (Gini)",
    "centralisation": "centralisation of answering (Freeman)",
}
DIGITS = {"density_pct": 1, "gini": 2, "centralisation": 2}
NETWORK = (
    "group",
    "people",
    "managers",
    "askers",
    "people_smaller",
    *FACTS,
    "gini_by_chance",
    "across_units_by_chance_pct",
    "in_community",
)


def gini(amounts: ArrayLike) -> float:
    """How unequally a total is spread: 0 where all have the same, (n - 1) / n where one has all;
    NaN without any.

    Misleads where the total is small: three answers among thirty people cannot be spread evenly
    (see `network`).

    >>> gini([1, 1, 1]), gini([0, 0, 0, 8])
    (0.0, 0.75)
    """
    ordered = np.sort(np.asarray(amounts, float))
    n, total = len(ordered), ordered.sum()
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total)) if total > 0 else np.nan


def centralisation(answered: ArrayLike) -> float:
    """Freeman's centralisation of in-degrees: 0 where all answer as many people, 1 where one
    answers all others.

    `answered` (n,) is by how many others each was asked. Misleads in sparse networks, where it is
    near 0 whoever answers.

    >>> centralisation([3, 0, 0, 0]), centralisation([1, 1, 1])
    (1.0, 0.0)
    """
    degrees = np.asarray(answered, float)
    return (
        float((degrees.max() - degrees).sum() / (len(degrees) - 1) ** 2)
        if len(degrees) > 1
        else np.nan
    )


def network(dataset: DataSet, person_cycles: pd.DataFrame) -> pd.DataFrame:
    """Facts of the ask-and-answer network, a row for the company and one per unit (`unit=…`), in
    columns `NETWORK`.

    Of a unit, density, reciprocity and answering are among its own people; where asks go is of all
    that its people asked. *Up* is to the asker's own manager or a higher grade, *across* to the
    same grade, *down* to a lower one. Grades are in order by the number in their name, turned round
    where managers have the lower one; without an order the three are blank. The E-I index is twice
    the share of asks to another unit, less one. `…_by_chance` is what the figure would be had
    people turned to anybody alike: compare with it, not with 0. `in_community` is a Fit: the share
    of people with a community tie. Facts are blank below 20 people, and where no asks or answers
    are recorded; the frame is empty where no communities are either. For privacy: `askers` are the
    people who asked, and `people_smaller` those who asked in the rarest of the three directions.

    Misleads where some units ask in a recorded place and others in the corridor, and where units
    differ in size, as density falls with it. Ties are counted since recording began: who has been
    here longer has had longer to be asked, so that answering is a little more concentrated than by
    chance even where all are alike.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> dataset = datasets.read("data/demo")
    >>> facts = network(dataset, linking.link(dataset).person_cycles)
    >>> facts.group[0], bool(facts.across_units_pct[0] < facts.across_units_by_chance_pct[0])
    ('company', True)
    """
    people, together = _people(dataset, person_cycles), _ties(dataset, "community")
    arrows, together = (
        _arrows(dataset, people),
        _stands_in(people, together.from_id, together.to_id),
    )
    if arrows.empty and together is None:
        return pd.DataFrame(columns=list(NETWORK))
    units, rows = people.groupby("unit").indices, []
    for name, places in (
        {"company": people.index} | {f"unit={unit}": units[unit] for unit in sorted(units)}
    ).items():
        those, nodes = people.iloc[places], np.zeros(len(people), bool)
        nodes[places] = True
        row = {"group": name, "people": len(those), "managers": those.cluster.nunique()}
        if len(those) >= MIN_NODES:
            row |= {"in_community": _share(those, together)}
            row |= _around(arrows, people, nodes) if len(arrows) else {}
        rows.append(row)
    found = pd.DataFrame(rows, columns=list(NETWORK))
    return found.assign(
        in_community=found.in_community.astype(object).where(found.in_community.notna(), None)
    )


def missing_ties(
    dataset: DataSet, person_cycles: pd.DataFrame, *, draws: int = 200, seed: int = 0
) -> pd.DataFrame:
    """How far each fact of the company moves when 10, 20 or 30 % of its recorded ties are taken
    away by chance.

    A row per fact and share: fact (in words), people, missing_pct, recorded (with all ties), and
    over `draws` the middle (median) and from low to high nine draws in ten. A fact that moves much
    says little, as ties are surely missing; density moves by construction. Empty where no asks or
    answers are recorded. For privacy: `people` are all, or of a share of asks those who asked;
    `people_smaller` those on its rarer side, or else those who were asked; and `digits`, to how
    many significant ones a fact that is no such share is to be told.

    Misleads where ties are missing for a reason, as where asking one's own manager is never written
    down: that can move a fact further than chance does. What the whole network looks like nobody
    can draw from a part of it.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> dataset = datasets.read("data/demo")
    >>> moved = missing_ties(dataset, linking.link(dataset).person_cycles, draws=20)
    >>> up = moved[moved.fact == "asks going up (%)"]
    >>> up.missing_pct.tolist(), bool(((up.low <= up.middle) & (up.middle <= up.high)).all())
    ([10, 20, 30], True)
    """
    people = _people(dataset, person_cycles)
    arrows, everybody = _arrows(dataset, people), np.ones(len(people), bool)
    recorded, rng, rows = (
        _facts(arrows, everybody, np.ones(len(arrows), bool)),
        np.random.default_rng(seed),
        [],
    )
    for missing in MISSING if len(arrows) and len(people) >= MIN_NODES else ():
        kept = (rng.permutation(len(arrows)) >= missing / 100 * len(arrows) for _ in range(draws))
        drawn = pd.DataFrame([_facts(arrows, everybody, those) for those in kept])
        low, middle, high = (drawn.quantile(q) for q in (0.05, 0.5, 0.95))
        rows += [
            (
                FACTS[f],
                missing,
                recorded[f],
                middle[f],
                low[f],
                high[f],
                *_behind(arrows, f, len(people)),
            )
            for f in FACTS
        ]
    columns = [
        "fact",
        "missing_pct",
        "recorded",
        "middle",
        "low",
        "high",
        "people",
        "people_smaller",
        "digits",
    ]
    return pd.DataFrame(rows, columns=columns)


def mentoring_reach(dataset: DataSet, person_cycles: pd.DataFrame) -> pd.DataFrame:
    """Whom mentoring reaches: a row for the company, each grade and each value of the attributes,
    with three Fits.

    Columns attribute, group, people, managers; `mentored`, the share ever mentored (a mentor tie to
    them from anybody, or completed learning of type mentoring); `mentors`, the share who mentor
    anybody; and `across_units`, the share of mentor ties to these people that come from another
    unit. A Fit is None where it cannot be made; the frame is empty where no mentoring is recorded.

    Misleads as a sign of who is let in: people of higher grades have been here longer, and
    mentoring agreed between two people is often not recorded.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> dataset = datasets.read("data/demo")
    >>> reach = mentoring_reach(dataset, linking.link(dataset).person_cycles)
    >>> reach.attribute.unique()[:3].tolist(), bool(reach.mentored[0].n_people == reach.people[0])
    (['company', 'grade', 'function'], True)
    """
    people, ties = _people(dataset, person_cycles), _ties(dataset, "mentors")
    learned = learning_done(dataset).filter(ibis._.activity_type == "mentoring")
    learned = learned.select("person_id").distinct().execute()
    columns = ["attribute", "group", "people", "managers", "mentored", "mentors", "across_units"]
    if ties.empty and learned.empty:
        return pd.DataFrame(columns=columns)
    about = dataset.tables["people"].select("person_id", *dataset.meta.attributes).execute()
    about = about.set_index("person_id").reindex(people.person_id)
    mentored, mentors = (
        _stands_in(people, ties.to_id, learned.person_id),
        _stands_in(people, ties.from_id),
    )
    sides, rows = (
        [("company", np.full(len(people), "company")), ("grade", people.grade), *about.items()],
        [],
    )
    for name, values in sides:
        for group, those in people.groupby(np.asarray(values, object)):
            fits = _share(those, mentored), _share(those, mentors)
            across = _across(ties[ties.to_id.isin(those.person_id)], people, "to_id")
            rows.append((name, group, len(those), those.cluster.nunique(), *fits, across))
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[-3:], object))


def reached(reach: pd.DataFrame) -> tuple[dict[str, Fit], list[list[str]]]:
    """The share ever mentored of each group of `mentoring_reach`, by its name, and which names make
    up a whole.

    Without the company's own: beside it, a group that must stay hidden could be worked out.
    """
    rows = reach[reach.attribute != "company"]
    names = rows.attribute + ": " + rows.group.astype(str)
    parts = [list(some) for _, some in names.groupby(rows.attribute)]
    return {
        name: fit for name, fit in zip(names, rows.mentored, strict=True) if isinstance(fit, Fit)
    }, parts


def by_unit(facts: pd.DataFrame) -> pd.DataFrame:
    """`network`'s rows of units as a table to read: where asks go, and how far answering rests on a
    few.

    Where asks go is blank where few asked in one direction: it would tell who.
    """
    rows = facts[facts.group != "company"]
    few = rows.people_smaller.isna() | (rows.people_smaller < MIN_NODES / 2)
    table = rows[["group", "people", "managers"]].assign(group=rows.group.str.removeprefix("unit="))
    ways = {FACTS[name]: rows[name].mask(few) for name in ("up_pct", "across_pct", "down_pct")}
    rest = {FACTS["across_units_pct"]: rows.across_units_pct}
    own = {"answering, Gini": rows.gini, "Gini by chance": rows.gini_by_chance}
    return table.assign(**ways, **rest, **own).rename(columns={"group": "unit"}).round(2)


def communities(dataset: DataSet, person_cycles: pd.DataFrame) -> dict[str, Fit]:
    """The company's share of people with a community tie, and of community ties that go across
    units, in percent.

    A tie is two people, whichever of them it was recorded from; it goes with that one's manager in
    the interval. Empty where no communities are recorded. By unit: `in_community` of `network`.

    Misleads where a community's list of members is recorded and not who works with whom, and where
    communities were founded inside units: then few ties across units say how they were founded.

    >>> from learnalign.data import reading as datasets
    >>> from learnalign.linking import windows as linking
    >>> dataset = datasets.read("data/demo")
    >>> found = communities(dataset, linking.link(dataset).person_cycles)
    >>> [*found], found["people with a community tie"].design
    (['people with a community tie', 'community ties across units'], 'described')
    """
    people, ties = _people(dataset, person_cycles), _ties(dataset, "community")
    pairs = ties[
        ~pd.DataFrame(np.sort(ties[["from_id", "to_id"]].to_numpy(str), axis=1))
        .duplicated()
        .to_numpy()
    ]
    found = {
        "people with a community tie": _share(people, _stands_in(people, ties.from_id, ties.to_id)),
        "community ties across units": _across(pairs, people, "from_id"),
    }
    return {name: fit for name, fit in found.items() if fit is not None}


# --- people and ties


def _people(dataset: DataSet, person_cycles: pd.DataFrame) -> pd.DataFrame:
    """Who is employed at `as_of`, by their latest review; `cluster` is who rates them
    (`described.raters`).
    """
    last = latest_reviews(person_cycles).sort_values("person_id")
    left_on = pd.to_datetime(last.left_on)
    people = last[left_on.isna() | (left_on >= pd.Timestamp(dataset.as_of))].reset_index(drop=True)
    cluster, by = raters(people)
    beside = people.groupby("unit").person_id.transform("size")
    return people.assign(cluster=cluster, by=by, rank=_rank(people), beside=beside)


def _rank(people: pd.DataFrame) -> pd.Series:
    """Grades as numbers, higher for higher; all empty where their names differ by more than a
    number.
    """
    grade = people.grade.astype("string")
    number = pd.to_numeric(grade.str.extract(r"(\d+)")[0]).astype(float)
    if (
        grade.str.replace(r"\d+", "", n=1, regex=True).nunique() > 1
        or (number.isna() & grade.notna()).any()
    ):
        return number * np.nan
    of_manager = people.manager_id.map(
        pd.Series(number.to_numpy(), people.person_id.to_numpy())
    ).astype(float)
    return -number if (of_manager < number).sum() > (of_manager > number).sum() else number


def _ties(dataset: DataSet, *kinds: str) -> pd.DataFrame:
    """Each pair of people with a tie of these kinds up to `as_of`, once per kind and direction."""
    ties = dataset.tables["ties"]
    return (
        ties.filter(ties.kind.isin(kinds)).select("from_id", "to_id", "kind").distinct().execute()
    )


def _arrows(dataset: DataSet, people: pd.DataFrame) -> pd.DataFrame:
    """The ask-and-answer network: who (by place in `people`) turned to whom, how, and which arrow
    came back.
    """
    ties, n = _ties(dataset, "asks", "answers"), len(people)
    place, turned = pd.Series(np.arange(n), people.person_id.to_numpy()), ties.kind == "answers"
    ends = {
        "asker": ties.from_id.mask(turned, ties.to_id),
        "answerer": ties.to_id.mask(turned, ties.from_id),
    }
    found = pd.DataFrame({end: who.map(place) for end, who in ends.items()}).dropna().astype(int)
    arrows = found.drop_duplicates().sort_values(["asker", "answerer"], ignore_index=True)
    asker, answerer = arrows.asker.to_numpy(), arrows.answerer.to_numpy()
    rank, unit = people["rank"].to_numpy(), people.unit.to_numpy()
    own = people.manager_id.to_numpy()[asker] == people.person_id.to_numpy()[answerer]
    step = np.where(own & np.isfinite(rank).any(), 1.0, np.sign(rank[answerer] - rank[asker]))
    back = pd.Index(asker * n + answerer).get_indexer(answerer * n + asker)
    return arrows.assign(step=step, leaves=unit[asker] != unit[answerer], back=back)


# --- facts


def _facts(arrows: pd.DataFrame, nodes: np.ndarray, kept: np.ndarray) -> dict[str, float]:
    """The facts of the people `nodes`, with only the arrows `kept`; both are masks."""
    n, answerer, back = nodes.sum(), arrows.answerer.to_numpy(), arrows.back.to_numpy()
    asked = kept & nodes[arrows.asker.to_numpy()]
    inside = asked & nodes[answerer]
    answered = np.bincount(answerer[inside], minlength=len(nodes))[nodes]
    step = arrows.step.to_numpy()[asked]
    step = step[np.isfinite(step)]
    return {
        "density_pct": 100 * inside.sum() / (n * (n - 1)) if n > 1 else np.nan,
        "reciprocity_pct": _percent((kept[back] & (back >= 0))[inside]),
        "up_pct": _percent(step > 0),
        "across_pct": _percent(step == 0),
        "down_pct": _percent(step < 0),
        "across_units_pct": _percent(arrows.leaves.to_numpy()[asked]),
        "gini": gini(answered),
        "centralisation": centralisation(answered) if answered.any() else np.nan,
    }


def _around(arrows: pd.DataFrame, people: pd.DataFrame, nodes: np.ndarray) -> dict[str, float]:
    """The facts of the people `nodes`, what they would be by chance, and how many people stand
    behind them.
    """
    asked = arrows[nodes[arrows.asker]]
    ways = [asked.asker[asked.step == step].nunique() for step in (1, 0, -1)]
    rate = 2 * nodes[asked.answerer].sum() / nodes.sum()
    return _facts(arrows, nodes, np.ones(len(arrows), bool)) | {
        "askers": asked.asker.nunique(),
        "people_smaller": min(ways) if asked.step.notna().any() else np.nan,
        # of a Poisson count, which being turned to by chance nearly is: Ramasubban (1958),
        # Biometrika 45
        "gini_by_chance": special.ive(0, rate) + special.ive(1, rate) if rate else np.nan,
        "across_units_by_chance_pct": 100
        * (len(people) - people.beside[nodes].mean())
        / (len(people) - 1),
    }


def _behind(arrows: pd.DataFrame, fact: str, people: int) -> tuple[int, int, float]:
    """How many people stand behind a fact of the company, and behind its rarer side, and its
    `digits`.
    """
    if fact in DIGITS:
        return people, arrows.answerer.nunique(), DIGITS[fact]
    known = (
        arrows if fact in ("reciprocity_pct", "across_units_pct") else arrows.dropna(subset="step")
    )
    yes = {
        "reciprocity_pct": known.back >= 0,
        "across_units_pct": known.leaves,
        "up_pct": known.step > 0,
        "across_pct": known.step == 0,
        "down_pct": known.step < 0,
    }[fact]
    return (
        known.asker.nunique(),
        min(known.asker[yes].nunique(), known.asker[~yes].nunique()),
        np.nan,
    )


def _percent(yes: np.ndarray) -> float:
    return float(100 * yes.mean()) if len(yes) else np.nan


def _stands_in(people: pd.DataFrame, *ends: pd.Series) -> pd.Series | None:
    """Whether each person stands in any of `ends`; None where those hold nobody at all."""
    whose = pd.concat(ends)
    return None if whose.empty else people.person_id.isin(whose)


def _share(people: pd.DataFrame, yes: pd.Series | None) -> Fit | None:
    """The share of these people, some of those that `yes` is about; None where it is not known."""
    if yes is None or people.empty:
        return None
    return share(yes[people.index], people.person_id, people.cluster, by=people.by.iloc[0])


def _across(ties: pd.DataFrame, people: pd.DataFrame, end: str) -> Fit | None:
    """The share of ties between two units, each tie going with the person at `end`; None without
    ties.
    """
    of = people.set_index("person_id")
    ties = ties[ties.from_id.isin(of.index) & ties.to_id.isin(of.index)]
    if ties.empty:
        return None
    across = ties.from_id.map(of.unit) != ties.to_id.map(of.unit)
    return share(across, ties[end], ties[end].map(of.cluster), by=people.by.iloc[0])

"""Networks: who turns to whom, in groups of people and never for one of them.

Recorded ties only: what is said in a corridor is in no table. A person is somebody employed at
`as_of` with a review, tie or no tie; unit, manager and grade are of their latest one. A tie counts
where both ends are such people, whenever it began, and once, however often it was recorded.

The ask-and-answer network has an arrow from whoever asked to whoever was asked or answered: `asks`
as recorded, `answers` turned round. So an answer is never taken for an ask that was returned, and
answering is being at the head of an arrow. METHODS 3 and 6 (Networks); Freeman (1978), Social
Networks 1; Krackhardt & Stern (1988), Social Psychology Quarterly 51.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from learnalign.estimates import described
from learnalign.linking.account import latest_reviews, learning_done
from learnalign.studies import Study
from learnalign.verdicts.registry import phrases

MIN_NODES = 20  # people below which a network is too small to be described
MISSING = (10, 20, 30)  # percent of ties
WAYS = {"up_pct": 1, "across_pct": 0, "down_pct": -1}
FACTS = ("density_pct", "reciprocity_pct", *WAYS, "across_units_pct", "gini", "centralisation")
DIGITS = {"density_pct": 1, "gini": 2, "centralisation": 2}
CHANCE = ("gini_by_chance", "across_units_by_chance_pct")
NETWORK = ("group", "people", "managers", "people_smaller", *FACTS, *CHANCE)
DRAWN = ("recorded", "middle", "low", "high")
MOVED = ("fact", "missing_pct", *DRAWN, "people", "people_smaller", "digits")


def gini(amounts: ArrayLike) -> float:
    """How unequally a total is spread: 0 where all have the same, (n - 1) / n where one has all.

    NaN without any. Misleads where the total is small: three answers among thirty people cannot be
    spread evenly (see `network`).

    >>> gini([1, 1, 1]), gini([0, 0, 0, 8])
    (0.0, 0.75)
    """
    ordered = np.sort(np.asarray(amounts, float))
    n, total = len(ordered), ordered.sum()
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total)) if total > 0 else np.nan


def centralisation(answered: ArrayLike) -> float:
    """Freeman's centralisation of in-degrees: 0 where all answer as many, 1 where one answers all.

    `answered` (n,): by how many others each was asked; NaN for one. Misleads in sparse networks,
    where it is near 0 whoever answers.

    >>> centralisation([3, 0, 0, 0]), centralisation([1, 1, 1])
    (1.0, 0.0)
    """
    degrees = np.asarray(answered, float)
    n = len(degrees)
    return float((degrees.max() - degrees).sum() / (n - 1) ** 2) if n > 1 else np.nan


# --- the ask-and-answer network


def network(study: Study) -> pd.DataFrame:
    """Facts of the ask-and-answer network, a row for the company and one per unit (`unit=…`).

    Columns NETWORK. Of a unit, density, reciprocity and answering are among its own people; where
    asks go is of all that its people asked. Up is to the asker's own manager or a higher grade,
    across to the same, down to a lower one. Grades are in order by the number in their name, turned
    round where managers have the lower one; without an order the three are blank. `…_by_chance` is
    the figure had people turned to anybody alike: compare with it, not with 0. Facts are blank
    below 20 people; the frame is empty where no asks or answers are recorded. For privacy:
    `people_smaller` asked in the rarest of the three directions.

    Misleads where some units ask in a recorded place and others in the corridor, and where units
    differ in size, as density falls with it. Who has been here longer has had longer to be asked:
    answering is a little more concentrated than by chance even where all are alike.

    >>> import learnalign as la
    >>> facts = network(la.study("data/demo"))
    >>> facts.group[0], bool(facts.across_units_pct[0] < facts.across_units_by_chance_pct[0])
    ('company', True)
    """
    people = _people(study)
    arrows, units = _arrows(study, people), people.groupby("unit").indices
    if arrows.empty:
        return pd.DataFrame(columns=list(NETWORK))
    groups = {"company": people.index} | {f"unit={unit}": units[unit] for unit in sorted(units)}
    rows = []
    for name, places in groups.items():
        nodes = np.isin(people.index, places)
        managers = people.cluster[nodes].nunique()
        row = {"group": name, "people": nodes.sum(), "managers": managers}
        rows.append(row | (_around(arrows, people, nodes) if nodes.sum() >= MIN_NODES else {}))
    return pd.DataFrame(rows, columns=list(NETWORK))


def missing_ties(study: Study, *, draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """How far each fact of the company moves when 10, 20 or 30 % of its ties are lost by chance.

    A row per fact (in words) and missing_pct: recorded (with all ties), and over `draws` the middle
    (median) and from low to high nine draws in ten. A fact that moves much says little, as ties are
    surely missing; density moves by construction. Empty where no asks or answers are recorded. For
    privacy: `people` are all, or of a share of asks those who asked; `people_smaller` those on its
    rarer side, or else those who were asked; `digits`, the significant ones of what is no share.

    Misleads where ties are missing for a reason, as where asking one's own manager is never written
    down: that can move a fact further than chance does.

    >>> import learnalign as la
    >>> moved = missing_ties(la.study("data/demo"), draws=20)
    >>> up = moved[moved.fact == "asks going up (%)"]
    >>> up.missing_pct.tolist(), bool(((up.low <= up.middle) & (up.middle <= up.high)).all())
    ([10, 20, 30], True)
    """
    people = _people(study)
    arrows, everybody = _arrows(study, people), np.ones(len(people), bool)
    if arrows.empty or len(people) < MIN_NODES:
        return pd.DataFrame(columns=list(MOVED))
    n, rng, rows = len(arrows), np.random.default_rng(seed), []
    words = phrases("facts")["network"]
    recorded = _facts(arrows, everybody, np.ones(n, bool))
    for missing in MISSING:
        kept = [rng.permutation(n) >= missing / 100 * n for _ in range(draws)]
        drawn = pd.DataFrame([_facts(arrows, everybody, those) for those in kept])
        low, middle, high = (drawn.quantile(q) for q in (0.05, 0.5, 0.95))
        for fact in FACTS:
            moved = recorded[fact], middle[fact], low[fact], high[fact]
            rows.append((words[fact], missing, *moved, *_behind(arrows, fact, len(people))))
    return pd.DataFrame(rows, columns=list(MOVED))


def by_unit(facts: pd.DataFrame) -> pd.DataFrame:
    """`network`'s rows of units; where asks go is blank where few asked in one direction."""
    rows = facts[facts.group != "company"]
    few = rows.people_smaller.isna() | (rows.people_smaller < MIN_NODES / 2)
    rows = rows.assign(**{name: rows[name].mask(few) for name in WAYS})
    rows = rows.assign(unit=rows.group.str.removeprefix("unit="))
    return rows.drop(columns=["group", "people_smaller"]).round(2)


# --- mentoring and communities, as rows for `facts.yml`


def people(study: Study) -> pd.DataFrame:
    """Everybody who is here, and whether they were ever `mentored` and are `in_community`.

    Mentored: a mentor tie to them from anybody, or completed learning of type mentoring. Empty
    where nothing of it is recorded. Misleads as a sign of who is let in: people of higher grades
    have been here longer, mentoring between two people is often not recorded, and a community's
    list of members is not who works with whom.
    """
    learned = learning_done(study.dataset)
    learned = learned.filter(learned.activity_type == "mentoring").select("person_id").distinct()
    together, ties = _ties(study, "community"), _ties(study, "mentors")
    rows = _people(study)
    mentored = [*ties.to_id, *learned.execute().person_id]
    for name, those in (
        ("mentored", mentored),
        ("in_community", [*together.from_id, *together.to_id]),
    ):
        rows[name] = rows.person_id.isin(those) if those else None
    return rows


def people_by_group(study: Study) -> pd.DataFrame:
    """`people` once for their grade and once for each declared attribute: `attribute` and `group`.

    Without the company as a whole: beside it, a group that must stay hidden could be worked out.
    Misleads as `people` does.
    """
    rows = people(study)
    dataset = study.dataset
    about = dataset.tables["people"].select("person_id", *dataset.meta.attributes).execute()
    about = about.set_index("person_id").reindex(rows.person_id)
    sides = {"grade": rows.grade, **about}
    groups = [
        rows.assign(attribute=name, group=np.asarray(values, object))
        for name, values in sides.items()
    ]
    found = pd.concat(groups)[[*described.OWNERS, "attribute", "group", "mentored"]]
    order = pd.Categorical(found.attribute, [*sides])
    return found.assign(attribute=order).dropna(subset="group")


def community_ties(study: Study) -> pd.DataFrame:
    """Community ties, and whether they go `across` units.

    A tie is two people, and goes with the manager of the one it was recorded from. Misleads where
    communities were founded inside units: few ties across then say how they were founded.
    """
    ties = _ties(study, "community")
    ends = pd.DataFrame(np.sort(ties[["from_id", "to_id"]].to_numpy(str), axis=1))
    ties = ties[~ends.duplicated().to_numpy()]
    of = _people(study).set_index("person_id")
    ties = ties[ties.from_id.isin(of.index) & ties.to_id.isin(of.index)]
    rows = of.loc[ties.from_id, ["manager_id", "unit"]].reset_index(names="person_id")
    return rows.assign(across=rows.unit.to_numpy() != of.unit[ties.to_id].to_numpy())


# --- people and ties


def _people(study: Study) -> pd.DataFrame:
    """Who is employed at `as_of`, by their latest review; `cluster` is who rates them."""
    last = latest_reviews(study.cycles).sort_values("person_id")
    left_on = pd.to_datetime(last.left_on)
    here = last[left_on.isna() | (left_on >= pd.Timestamp(study.dataset.as_of))].reset_index(
        drop=True
    )
    beside = here.groupby("unit").person_id.transform("size")
    return here.assign(cluster=described.raters(here)[0], rank=_rank(here), beside=beside)


def _rank(people: pd.DataFrame) -> pd.Series:
    """Grades as numbers, higher for higher; all empty where names differ by more than a number."""
    grade = people.grade.astype("string")
    number = pd.to_numeric(grade.str.extract(r"(\d+)")[0]).astype(float)
    names = grade.str.replace(r"\d+", "", n=1, regex=True).nunique()
    if names > 1 or (number.isna() & grade.notna()).any():
        return number * np.nan
    by_person = pd.Series(number.to_numpy(), people.person_id.to_numpy())
    of_manager = people.manager_id.map(by_person).astype(float)
    return -number if (of_manager < number).sum() > (of_manager > number).sum() else number


def _ties(study: Study, *kinds: str) -> pd.DataFrame:
    """Each pair of people with a tie of these kinds up to `as_of`, once per kind and direction."""
    ties = study.dataset.tables["ties"]
    ties = ties.filter(ties.kind.isin(kinds))
    return ties.select("from_id", "to_id", "kind").distinct().execute()


def _arrows(study: Study, people: pd.DataFrame) -> pd.DataFrame:
    """Who (by place in `people`) turned to whom, which way, and which arrow came back."""
    ties, n = _ties(study, "asks", "answers"), len(people)
    place, turned = pd.Series(np.arange(n), people.person_id.to_numpy()), ties.kind == "answers"
    ends = {
        "asker": ties.from_id.mask(turned, ties.to_id).map(place),
        "answerer": ties.to_id.mask(turned, ties.from_id).map(place),
    }
    found = pd.DataFrame(ends).dropna().astype(int)
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
        **{name: _percent(step == way) for name, way in WAYS.items()},
        "across_units_pct": _percent(arrows.leaves.to_numpy()[asked]),
        "gini": gini(answered),
        "centralisation": centralisation(answered) if answered.any() else np.nan,
    }


def _around(arrows: pd.DataFrame, people: pd.DataFrame, nodes: np.ndarray) -> dict[str, float]:
    """The facts of the people `nodes`, what they would be by chance, and the rarest direction."""
    asked = arrows[nodes[arrows.asker]]
    ways = [asked.asker[asked.step == way].nunique() for way in WAYS.values()]
    rate = 2 * nodes[asked.answerer].sum() / nodes.sum()
    elsewhere = len(people) - people.beside[nodes].mean()
    return _facts(arrows, nodes, np.ones(len(arrows), bool)) | {
        "people_smaller": min(ways) if asked.step.notna().any() else np.nan,
        # of a Poisson count, which being turned to by chance nearly is: Ramasubban (1958),
        # Biometrika 45
        "gini_by_chance": special.ive(0, rate) + special.ive(1, rate) if rate else np.nan,
        "across_units_by_chance_pct": 100 * elsewhere / (len(people) - 1),
    }


def _behind(arrows: pd.DataFrame, fact: str, people: int) -> tuple[int, int, float]:
    """How many people stand behind a fact of the company, and its rarer side, and its `digits`."""
    if fact in DIGITS:
        return people, arrows.answerer.nunique(), DIGITS[fact]
    known = arrows.dropna(subset="step") if fact in WAYS else arrows
    others = {"reciprocity_pct": known.back >= 0, "across_units_pct": known.leaves}
    yes = known.step == WAYS[fact] if fact in WAYS else others[fact]
    sides = [known.asker[side].nunique() for side in (yes, ~yes)]
    return known.asker.nunique(), min(sides), np.nan


def _percent(yes: np.ndarray) -> float:
    return float(100 * yes.mean()) if len(yes) else np.nan

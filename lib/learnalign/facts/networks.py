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

from learnalign.estimates import described, limits
from learnalign.linking.account import latest_reviews, learning_done
from learnalign.privacy.rule import is_one_sided
from learnalign.studies import Study, judged
from learnalign.verdicts.registry import phrases

MIN_NODES = 20  # people below which a network is too small to be described
MISSING = (10, 20, 30)  # percent of ties
WAYS = {"up_pct": 1, "across_pct": 0, "down_pct": -1}
FACTS = ("asked", "reciprocity_pct", *WAYS, "across_units_pct", "gini", "gini_by_chance")
OF_HUBS = 3.0  # how much noise: few people are at the end of most ties
DIGITS = {"asked": 2, "gini": 2, "gini_by_chance": 2}  # decimals; of the others 1
DRAWN = ("recorded", "middle", "low", "high")


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


# --- the ask-and-answer network


@judged
def missing_ties(study: Study, *, draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """How far each fact of the company moves when 10, 20 or 30 % of its ties are lost by chance.

    A row per fact (in words) and missing_pct, as they may be shown: recorded (with all ties), and
    over `draws` the middle (median) and from low to high nine draws in ten, each as far from what
    is recorded as it was found to be, to one digit. A fact that moves much says little, as ties are
    surely missing; how many are asked moves by construction. Up is to the asker's own manager or a
    higher grade, across to the same, down to a lower one; grades are in order by the number in
    their name, turned round where managers have the lower one. Empty where no ask is recorded.

    Misleads where ties are missing for a reason, as where asking one's own manager is never written
    down: that can move a fact further than chance does.

    >>> import learnalign as la
    >>> moved = missing_ties(la.study("data/demo"), draws=20)
    >>> up = moved[moved.fact == "asks going up (%)"]
    >>> up.missing_pct.tolist(), bool(((up.low <= up.middle) & (up.middle <= up.high)).all())
    ([10, 20, 30], True)
    """
    people = _people(study)
    arrows, size = _arrows(study, people), len(people)
    columns = ["fact", "missing_pct", *DRAWN, "shown"]
    askers = people.person_id[arrows.asker.unique()]
    if not limits.somebody("ask", askers) or not limits.people("all", people.person_id, MIN_NODES):
        return pd.DataFrame(columns=columns)
    n, rng, rows = len(arrows), np.random.default_rng(seed), []
    words = phrases("facts")["network"]
    exact = facts_of(arrows, size, np.ones(n, bool))
    shown = _shown(study, arrows, people)
    for missing in MISSING:
        kept = [rng.permutation(n) >= missing / 100 * n for _ in range(draws)]
        drawn = pd.DataFrame([facts_of(arrows, size, those) for those in kept])
        for fact in FACTS:
            if np.isfinite(exact[fact]):
                off = drawn[fact].quantile([0.5, 0.05, 0.95]) - exact[fact]
                about = f"network: {fact}, {missing} % missing", shown[fact], off, people.person_id
                ends = _ends(study, *about, DIGITS.get(fact, 1))
                rows.append((words[fact], missing, *ends))
    found = pd.DataFrame(rows, columns=columns)
    order = found.fact.map({word: place for place, word in enumerate(words.values())})
    return found.iloc[np.lexsort([found.missing_pct, order])].reset_index(drop=True)


def _ends(
    study: Study,
    statistic: str,
    recorded: float | None,
    off: pd.Series,
    people: pd.Series,
    digits: int,
) -> tuple[float | bool | None, ...]:
    if recorded is None:
        return None, None, None, None, False
    names = zip(("middle", "low", "high"), off, strict=True)
    moved = [
        study.gate.roughly(f"{statistic}, {name}", value, people, 0.1) for name, value in names
    ]
    low, middle, high = sorted(recorded + (one or 0.0) for one in moved)
    return *(round(one, digits) for one in (recorded, middle, low, high)), True


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
    here = last[left_on.isna() | (left_on >= pd.Timestamp(study.dataset.as_of))]
    here = here.reset_index(drop=True)
    return here.assign(cluster=described.raters(here)[0], rank=_rank(here))


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


def facts_of(arrows: pd.DataFrame, n: int, kept: np.ndarray) -> dict[str, float]:
    """The FACTS of `n` people, with only the arrows `kept` (a mask). Misleads as `missing_ties`."""
    answered = np.bincount(arrows.answerer[kept], minlength=n)
    back, step = arrows.back.to_numpy(), arrows.step.to_numpy()[kept]
    step = step[np.isfinite(step)]
    return {
        "asked": kept.sum() / n,
        "reciprocity_pct": _percent((kept[back] & (back >= 0))[kept]),
        **{name: _percent(step == way) for name, way in WAYS.items()},
        "across_units_pct": _percent(arrows.leaves.to_numpy()[kept]),
        "gini": gini(answered),
        "gini_by_chance": gini_by_chance(kept.sum() / n),
    }


def _percent(yes: np.ndarray) -> float:
    return float(100 * yes.mean()) if len(yes) else np.nan


# --- as they may be shown: an arrow is of both its ends, and goes with either of them


def _shown(study: Study, arrows: pd.DataFrame, people: pd.DataFrame) -> dict[str, float | None]:
    """The FACTS of the company; None where there is none, or it may not be shown."""
    stepped, found = arrows.dropna(subset="step"), {}
    shares = {one: (stepped, stepped.step == way) for one, way in WAYS.items()}
    shares["reciprocity_pct"] = arrows, arrows.back >= 0
    shares["across_units_pct"] = arrows, arrows.leaves
    for fact, make in (("asked", asked_moves), ("gini", gini_moves)):
        value, moves = make(arrows, len(people))
        about = f"network: {fact}", value, moves.set_axis(people.person_id), OF_HUBS
        found[fact] = study.gate.moved(*about)
    found["gini_by_chance"] = gini_by_chance(max(found["asked"], 0.0))
    for fact, (some, yes) in shares.items():
        found[fact] = _share(study, f"network: {fact}", some, yes, people)
    return found


def _share(
    study: Study, statistic: str, arrows: pd.DataFrame, yes: pd.Series, people: pd.DataFrame
) -> float | None:
    """The percent of arrows that are so; judged by the people who asked them."""
    sides = [arrows.asker[side].nunique() for side in (yes, ~yes)]
    askers = study.gate.fewest(people.person_id[arrows.asker.unique()])
    if study.gate.rule.is_few(askers) or is_one_sided(askers, min(sides)):
        return None
    all_of, so = (_incident(some, len(people)) for some in (arrows, arrows[yes]))
    share = len(arrows[yes]) / len(arrows)
    moves = share - (yes.sum() - so) / np.maximum(len(arrows) - all_of, 1)
    moves = pd.Series(100 * moves, people.person_id)[all_of > 0]
    found = study.gate.moved(statistic, 100 * share, moves, OF_HUBS)
    off = askers * min(found, 100 - found) / 100
    return None if is_one_sided(askers, off) else found


def _incident(arrows: pd.DataFrame, n: int) -> np.ndarray:
    """How many arrows each person is an end of."""
    return np.bincount(arrows.asker, minlength=n) + np.bincount(arrows.answerer, minlength=n)


def gini_by_chance(asked: float) -> float:
    """The Gini of answering, had people turned to anybody alike, so many each.

    Of a Poisson count, which being asked by chance nearly is: Ramasubban (1958), Biometrika 45.
    Misleads where some have been here longer, and so have had longer to be asked.
    """
    return float(special.ive(0, 2 * asked) + special.ive(1, 2 * asked))


def asked_moves(arrows: pd.DataFrame, n: int) -> tuple[float, pd.Series]:
    """How many people turned to each, on average, and less that without each person.

    Misleads where ties are not recorded.
    """
    value = len(arrows) / n
    return value, pd.Series(value - (len(arrows) - _incident(arrows, n)) / (n - 1))


def gini_moves(arrows: pd.DataFrame, n: int) -> tuple[float, pd.Series]:
    """The Gini of answering, and less that without each person and, linearised, what they asked.

    Misleads as `gini` does.
    """
    answered = np.bincount(arrows.answerer, minlength=n).astype(float)
    order, total, value = np.argsort(answered, kind="stable"), answered.sum(), gini(answered)
    x, rank = answered[order], np.arange(1, n + 1)
    below, above = (2 * rank - n) * x, (2 * rank - n - 2) * x
    rest = np.cumsum(below) - below + above[::-1].cumsum()[::-1] - above
    without, per_ask = np.zeros((2, n))
    without[order] = rest / ((n - 1) * np.maximum(total - x, 1))
    first = 2 * np.searchsorted(x, x) + 1 - n  # one less, and somebody is the first of those alike
    per_ask[order] = (first / n - value) / max(total, 1)
    asks = np.bincount(arrows.asker, weights=per_ask[arrows.answerer], minlength=n)
    return value, pd.Series(value - without + asks)

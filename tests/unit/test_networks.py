"""Networks: published anchors, timelines drawn as tables, and what chance alone would show."""

import re

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from tests.parts import study_of

from learnalign.data import reading
from learnalign.facts import networks, ratios
from learnalign.verdicts.registry import phrases

PEOPLE = """
    person_id  hired_on    left_on     site
    ana        2020-01-01  -           north
    ben        2020-01-01  -           north
    cem        2020-01-01  -           south
    dee        2020-01-01  2024-10-01  south
    eva        2024-11-01  -           south
    mia        2015-01-01  -           north
"""
REVIEWS = """
    person_id  cycle    reviewed_on  rating  unit  manager_id  grade
    ana        2023-H1  2023-07-01   2       ops   dee         G1
    ana        2024-H1  2024-07-01   2       ops   mia         G1
    ben        2023-H1  2023-07-01   2       ops   mia         G1
    ben        2024-H1  2024-07-01   2       lab   mia         G2
    cem        2024-H1  2024-07-01   2       lab   mia         G2
    dee        2024-H1  2024-07-01   2       lab   mia         G2
    mia        2024-H1  2024-07-01   2       lab   noa         G2
"""
TIES = """
    from_id  to_id  tied_on     kind
    ana      ben    2023-05-01  asks
    ana      ben    2024-05-01  asks
    ben      ana    2024-05-02  answers
    ben      ana    2024-06-01  asks
    ana      mia    2024-06-01  answers
    cem      mia    2024-06-01  asks
    ben      cem    2024-06-01  asks
    ben      dee    2024-06-01  asks
    eva      ben    2024-12-01  asks
    cem      ana    2024-12-02  asks
    ana      cem    2023-01-01  community
    cem      ana    2024-01-01  community
    ben      cem    2024-01-01  community
    cem      dee    2024-01-01  community
    dee      ana    2024-01-01  mentors
    mia      ben    2024-01-01  mentors
"""
LEARNING = """
    person_id  learned_on  activity_type  status
    cem        2024-01-01  mentoring      completed
    ana        2024-01-01  mentoring      withdrawn
    mia        2024-01-01  course         completed
"""
WORDS = phrases("facts")["network"]
META = {"attributes": ["site"]}


def communities(study):
    rows = {"people": networks.people(study), "community_ties": networks.community_ties(study)}
    return ratios.counted(ratios.read()["shared_leadership"], rows).fits


def mentored(study):
    rows = {"people_by_group": networks.people_by_group(study)}
    return ratios.counted(ratios.read()["mentoring_reach"], rows).fits


MEASURES = (networks.network, networks.missing_ties, mentored, communities)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Networks of two, so that they can be drawn; the tests that need the floor set it again."""
    monkeypatch.setattr(networks, "MIN_NODES", 2)


def reviewed(dataset):
    """Person-cycles as far as networks look at them; the doctests link `data/demo`."""
    people = dataset.tables["people"].select("person_id", "left_on")
    return (
        dataset.tables["reviews"].left_join(people, "person_id").drop("person_id_right").execute()
    )


def measured(folder, measure, **options):
    dataset = reading.read(folder, as_of=options.pop("as_of", None))
    return measure(study_of(dataset, reviewed(dataset)), **options)


def company(edges, n=None, reviews=None):
    """The facts of a network in which the edges (asker, asked) are recorded asks; all in one unit."""
    n = n or 1 + int(np.max(edges))
    ids = [f"p{i:03}" for i in range(n)]
    people = pd.DataFrame({"person_id": ids, "hired_on": "2020-01-01"})
    review = {
        "cycle": "H1",
        "reviewed_on": "2024-01-01",
        "rating": 1.0,
        "unit": "ops",
        "manager_id": "boss",
    }
    ties = pd.DataFrame(edges, columns=["from_id", "to_id"]).map(ids.__getitem__)
    tables = {
        "people": people,
        "reviews": people[["person_id"]].assign(**review | (reviews or {})),
        "ties": ties.assign(tied_on="2024-02-01", kind="asks"),
    }
    tables = {
        name: t.assign(**{c: pd.to_datetime(t[c]) for c in t if c.endswith("_on")})
        for name, t in tables.items()
    }
    meta = reading.Meta(title="Drawn", as_of="2024-12-31", rating_scale=[1.0])
    dataset = reading.of_frames(tables, meta)
    return networks.network(study_of(dataset, reviewed(dataset))).iloc[0]


def everything(folder):
    """All that is found, with numbers to nine places and each Fit as its text."""
    dataset = reading.read(folder)
    study = study_of(dataset, reviewed(dataset))
    frames = [measure(study) for measure in MEASURES[:2]]
    found = [
        frame.map(lambda value: str(round(value, 9) if isinstance(value, float) else value))
        for frame in frames
    ]
    facts = [measure(study) for measure in MEASURES[2:]]
    return [*(frame.to_dict("list") for frame in found), *facts]


def both_ways(graph):
    numbered = nx.convert_node_labels_to_integers(graph)
    return [*numbered.edges, *(edge[::-1] for edge in numbered.edges)]


# --- published figures


@pytest.mark.golden
@pytest.mark.parametrize(
    ("graph", "density", "freeman"),
    [
        (
            nx.krackhardt_kite_graph(),
            18 / 45,
            24 / 72,
        ),  # 18 edges of 45; one with 6, and sum(6 - degree) = 24
        (nx.florentine_families_graph(), 0.1905, 0.2747),
        (nx.star_graph(11), 11 / 66, 1.0),
        (nx.cycle_graph(9), 9 / 36, 0.0),
    ],
    ids=["kite", "Florentine families", "star", "ring"],
)
def test_published_networks(graph, density, freeman):
    """METHODS 6. Published centralisations are of undirected degrees, at most n - 2 from the
    centre's, not n - 1.
    """
    found = company(both_ways(graph))
    n = found.people
    assert found.density_pct / 100 == pytest.approx(
        density, abs=0.00005
    )  # printed to four decimals
    assert found.centralisation * (n - 1) / (n - 2) == pytest.approx(freeman, abs=0.00005)
    assert found.reciprocity_pct == 100


@pytest.mark.golden
def test_one_who_answers_all_is_a_whole_centre():
    found = company([(i, 0) for i in range(1, 30)])
    assert (found.centralisation, found.reciprocity_pct) == (1, 0)
    assert found.gini == pytest.approx(29 / 30)


@pytest.mark.golden
@pytest.mark.parametrize("seed", range(5))
def test_facts_agree_with_networkx_and_a_second_gini(seed):
    graph = nx.gnp_random_graph(40, 0.08, seed=seed, directed=True)
    found = company([*graph.edges], n=40)
    answered = np.array([degree for _, degree in graph.in_degree])
    gaps = np.abs(
        answered[:, None] - answered
    ).mean()  # Gini's mean difference, over twice the mean
    assert found.density_pct == pytest.approx(100 * nx.density(graph))
    assert found.reciprocity_pct == pytest.approx(100 * nx.reciprocity(graph))
    assert found.gini == pytest.approx(gaps / (2 * answered.mean()))


def test_nobody_answering_is_no_concentration():
    assert np.isnan(networks.gini([0, 0])) and np.isnan(networks.centralisation([0]))


# --- timelines


def test_who_turns_to_whom(drawn):
    """Arrows: ana>ben (asked, and answered: one), ben>ana, mia>ana, cem>mia (own manager), ben>cem,
    cem>ana.
    """
    found = measured(drawn(people=PEOPLE, reviews=REVIEWS, ties=TIES), networks.network).set_index(
        "group"
    )
    everybody = found.loc["company"]
    assert everybody.people == 4  # dee left, eva has no review
    assert everybody.density_pct == pytest.approx(100 * 6 / 12)
    assert everybody.reciprocity_pct == pytest.approx(100 * 2 / 6)  # an answer returns no ask
    # up: ana>ben by grade, cem>mia as own manager though of one grade; across: ben>cem; down: the
    # three to ana
    shares = everybody[["up_pct", "across_pct", "down_pct"]].astype(float)
    assert shares.tolist() == pytest.approx([100 * 2 / 6, 100 / 6, 100 * 3 / 6])
    assert everybody.people_smaller == 1
    assert everybody.across_units_pct == pytest.approx(100 * 4 / 6)  # ben is in the lab by now
    assert everybody.across_units_by_chance_pct == pytest.approx(100 * (3 + 1 + 1 + 1) / (4 * 3))
    assert everybody.gini == pytest.approx(networks.gini([3, 1, 1, 1]))
    lab = found.loc["unit=lab"]
    assert (lab.people, lab.density_pct) == (3, pytest.approx(100 * 2 / 6))  # cem>mia, ben>cem
    assert lab.across_units_pct == pytest.approx(
        100 * 3 / 5
    )  # of the lab's five asks three go to ana
    assert found.loc["unit=ops", "people"] == 1 and found.loc["unit=ops"].iloc[2:].isna().all()


def test_what_came_later_does_not_count(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, ties=TIES)
    found = measured(folder, networks.network, as_of="2024-08-01").iloc[0]
    assert found.people == 5  # dee is still there
    # without cem>ana, and with ben>dee
    assert found.density_pct == pytest.approx(100 * 6 / 20)


def test_small_units_stay_as_blank_rows(drawn, monkeypatch):
    monkeypatch.setattr(networks, "MIN_NODES", 3)
    found = measured(drawn(people=PEOPLE, reviews=REVIEWS, ties=TIES), networks.network).set_index(
        "group"
    )
    assert found.index.tolist() == ["company", "unit=lab", "unit=ops"]
    assert found.density_pct.notna().tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("renamed", "expected"),
    [
        (
            {"G1": "L9", "G2": "L8"},
            [100 * 2 / 6, 100 / 6, 50],
        ),  # the manager has the lower number: turned round
        ({"G1": "9", "G2": "10"}, [100 * 2 / 6, 100 / 6, 50]),  # as numbers, not as text
        ({"G1": "clerk", "G2": "officer"}, [np.nan] * 3),  # no order that anybody could know
    ],
)
def test_the_order_of_grades(drawn, renamed, expected):
    reviews = REVIEWS.replace("G1", renamed["G1"]).replace("G2", renamed["G2"])
    found = measured(drawn(people=PEOPLE, reviews=reviews, ties=TIES), networks.network).iloc[0]
    shares = found[["up_pct", "across_pct", "down_pct"]].astype(float)
    assert shares.tolist() == pytest.approx(expected, nan_ok=True)


def test_mentoring_reaches_by_tie_or_by_learning(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, ties=TIES, learning=LEARNING, meta=META)
    rows = measured(folder, networks.people_by_group)
    groups = rows.groupby(["attribute", "group"], observed=True).mentored.agg(["size", "sum"])
    # ana by dee, who has left since; ben by mia; cem by learning
    assert {": ".join(name): tuple(counts) for name, *counts in groups.itertuples()} == {
        "grade: G1": (1, 1),
        "grade: G2": (3, 2),
        "site: north": (3, 2),
        "site: south": (1, 1),
    }
    found = measured(folder, mentored)
    assert list(found) == ["grade: G2", "site: north"]  # of a single person there is no interval
    for fit in found.values():
        assert (fit.estimate, fit.n_people_smaller) == (pytest.approx(200 / 3), 1)


def test_communities(drawn):
    ties = TIES + "    mia      cem    2024-03-01  community\n"
    found = measured(drawn(people=PEOPLE, reviews=REVIEWS, ties=ties), communities)
    assert found["people with a community tie"].estimate == 100
    across = found["community ties across units"]  # ana-cem once, ben-cem, mia-cem; dee has left
    assert (across.n_rows, across.estimate) == (3, pytest.approx(100 / 3))


# --- properties


@pytest.mark.property
def test_row_order_never_matters(drawn):
    def turned(text):
        head, *rows = text.strip().splitlines()
        return "\n".join([head, *rows[::-1]])

    texts = {"people": PEOPLE, "reviews": REVIEWS, "ties": TIES, "learning": LEARNING}
    one, other = (
        drawn(**texts, meta=META),
        drawn(**{n: turned(t) for n, t in texts.items()}, meta=META),
    )
    assert everything(one) == everything(other)


@pytest.mark.property
def test_renaming_people_changes_nothing(drawn):
    """Names in another order; only the draws of `missing_ties` fall differently."""
    names = {"ana": "zoe", "ben": "abe", "cem": "yan", "dee": "bob", "eva": "uma", "mia": "cai"}
    texts = {"people": PEOPLE, "reviews": REVIEWS, "ties": TIES, "learning": LEARNING}
    renamed = {}
    for name, text in texts.items():
        renamed[name] = "\n".join(
            " ".join(names.get(word, word) for word in line.split()) for line in text.split("\n")
        )
    one, other = drawn(**texts, meta=META), drawn(**renamed, meta=META)
    (network, _, reach, together), (network_2, _, reach_2, together_2) = (
        everything(one),
        everything(other),
    )
    assert network == network_2
    for facts, facts_2 in ((reach, reach_2), (together, together_2)):
        assert [fit.estimate for fit in facts.values()] == [
            fit.estimate for fit in facts_2.values()
        ]


# --- missing data


def test_no_ties_at_all_is_nothing_known(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, meta=META)
    for measure in MEASURES:
        assert len(measured(folder, measure)) == 0


def test_mentoring_is_known_from_learning_alone(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING)
    assert measured(folder, networks.people).mentored.mean() == 1 / 4
    assert measured(folder, mentored)["grade: G2"].estimate == pytest.approx(100 / 3)


def test_only_what_is_recorded_is_told(drawn):
    head, *rows = TIES.strip().splitlines()
    ties = "\n".join([head, *(r for r in rows if "community" in r)])
    folder = drawn(people=PEOPLE, reviews=REVIEWS, ties=ties)
    assert measured(folder, communities)["people with a community tie"].estimate == 75
    for measure in MEASURES[:3]:  # not recorded is not 0
        assert len(measured(folder, measure)) == 0


def without(text, *columns):
    rows = [line.split() for line in text.strip().splitlines()]
    kept = [i for i, name in enumerate(rows[0]) if name not in columns]
    return "\n".join(" ".join(row[i] for i in kept) for row in rows)


def test_columns_may_be_missing(drawn):
    for missing in (["grade"], ["manager_id"], ["grade", "manager_id"]):
        folder = drawn(
            people=PEOPLE,
            reviews=without(REVIEWS, *missing),
            ties=TIES,
            learning=LEARNING,
            meta=META,
        )
        found = measured(folder, networks.network).iloc[0]
        assert found.density_pct == 50 and np.isnan(found.up_pct) == ("grade" in missing)
        unit = "manager_id" in missing
        fit = measured(folder, communities)["people with a community tie"]
        assert fit.method == f"share, clustered by {'unit' if unit else 'manager'}"
        reach = measured(folder, networks.people_by_group)
        assert ("grade" in set(reach.attribute)) == ("grade" not in missing)


# --- missing ties, and chance


def test_missing_ties_are_drawn_alike_for_a_seed_and_move_what_they_must(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, ties=TIES)
    moved = measured(folder, networks.missing_ties, draws=50)
    pd.testing.assert_frame_equal(moved, measured(folder, networks.missing_ties, draws=50))
    assert moved.fact.tolist() == [*WORDS.values()] * 3
    density = moved[moved.fact == WORDS["density_pct"]].set_index("missing_pct")
    # one or two of six ties are gone, never a part of one
    assert density.middle.tolist() == pytest.approx([100 * 5 / 12, 100 * 4 / 12, 100 * 4 / 12])
    assert (density.low == density.high).all() and (density.recorded == 50).all()


def test_missing_ties_count_who_stands_behind_each_fact(drawn):
    rows = measured(
        drawn(people=PEOPLE, reviews=REVIEWS, ties=TIES), networks.missing_ties, draws=2
    )
    behind = rows[:8].set_index(rows.fact[:8].map({name: key for key, name in WORDS.items()}))
    assert set(behind.people) == {4}  # all are in it, and all asked
    # both ways are ana and ben, and not mia, cem and ben; up are ana and cem; across is ben alone;
    # down are all but ana
    smaller = [4, 2, 2, 1, 3, 2, 4, 4]  # of what is no share of asks, those who were asked
    assert behind.people_smaller.to_dict() == dict(zip(networks.FACTS, smaller, strict=True))
    assert behind.digits.dropna().to_dict() == networks.DIGITS


@pytest.mark.truth
def test_what_chance_alone_would_show():
    """400 people who turn to anybody alike, 600 times: the Gini is .5, and chance says so; to ten
    of them, it is not chance."""
    rng = np.random.default_rng(4)
    units = {"unit": [f"u{i % 8}" for i in range(400)]}
    found = [company(rng.integers(400, size=(600, 2)), n=400, reviews=units) for _ in range(12)]
    gap = np.array([row.gini - row.gini_by_chance for row in found])
    assert (
        abs(gap.mean()) < 4 * gap.std() / 12**0.5 + 0.003
    )  # a Poisson count stands for a multinomial one
    gap = np.array([row.across_units_pct - row.across_units_by_chance_pct for row in found])
    assert (
        abs(gap.mean()) < 4 * gap.std() / 12**0.5 + 0.3
    )  # a few draws turn to themselves, which no ties do
    few = company(
        np.column_stack([rng.integers(10, 400, 600), rng.integers(10, size=600)]),
        n=400,
        reviews=units,
    )
    assert few.gini > few.gini_by_chance + 0.3


def test_no_score_of_a_person_leaves(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, ties=TIES, learning=LEARNING, meta=META)
    assert not {"ana", "ben", "cem", "dee", "eva", "mia"} & set(
        re.findall(r"\w+", str(everything(folder)))
    )

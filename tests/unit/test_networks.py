"""Networks: published anchors, timelines drawn as tables, and what chance alone would show."""

import re
from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from tests.parts import study_of

from learnalign.data import reading
from learnalign.facts import networks, ratios
from learnalign.privacy.gate import Gate
from learnalign.privacy.keys import Draws
from learnalign.privacy.rule import Rule
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


MEASURES = (networks.missing_ties, mentored, communities)


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


def company(edges, n=None, reviews=None, whole=False):
    """The facts of a network in which the edges (asker, asked) are recorded asks; all in one unit.
    Or the `whole` study.
    """
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
    study = study_of(dataset, reviewed(dataset))
    return study if whole else pd.Series(facts(study))


def facts(study):
    """The exact facts of the company's network, before the gate."""
    people = networks._people(study)
    arrows = networks._arrows(study, people)
    found = networks.facts_of(arrows, len(people), np.ones(len(arrows), bool))
    return {"people": len(people)} | found


def everything(folder):
    """All that is found, with numbers to nine places and each Fit as its text."""
    dataset = reading.read(folder)
    study = study_of(dataset, reviewed(dataset))
    found = {name: round(value, 9) for name, value in facts(study).items()}
    return [
        found,
        str(networks.missing_ties(study).to_dict("list")),
        *(one(study) for one in MEASURES[1:]),
    ]


def both_ways(graph):
    numbered = nx.convert_node_labels_to_integers(graph)
    return [*numbered.edges, *(edge[::-1] for edge in numbered.edges)]


# --- published figures


@pytest.mark.golden
@pytest.mark.parametrize(
    ("graph", "density"),
    [
        (nx.krackhardt_kite_graph(), 18 / 45),
        (nx.florentine_families_graph(), 0.1905),
        (nx.star_graph(11), 11 / 66),
        (nx.cycle_graph(9), 9 / 36),
    ],
    ids=["kite", "Florentine families", "star", "ring"],
)
def test_published_networks(graph, density):
    """METHODS 6: density is how many each turned to, of all others."""
    found = company(both_ways(graph))
    # printed to four decimals
    assert found.asked / (found.people - 1) == pytest.approx(density, abs=0.00005)
    assert found.reciprocity_pct == 100


@pytest.mark.golden
def test_one_who_answers_all_is_a_whole_centre():
    found = company([(i, 0) for i in range(1, 30)])
    assert found.reciprocity_pct == 0
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
    assert found.asked == pytest.approx(39 * nx.density(graph))
    assert found.reciprocity_pct == pytest.approx(100 * nx.reciprocity(graph))
    assert found.gini == pytest.approx(gaps / (2 * answered.mean()))


def test_nobody_answering_is_no_concentration():
    assert np.isnan(networks.gini([0, 0]))


# --- timelines


@pytest.mark.slow
def test_who_turns_to_whom(drawn):
    """Arrows: ana>ben (asked, and answered: one), ben>ana, mia>ana, cem>mia (own manager), ben>cem,
    cem>ana.
    """
    everybody = pd.Series(measured(drawn(people=PEOPLE, reviews=REVIEWS, ties=TIES), facts))
    assert everybody.people == 4  # dee left, eva has no review
    assert everybody.asked == pytest.approx(6 / 4)
    assert everybody.reciprocity_pct == pytest.approx(100 * 2 / 6)  # an answer returns no ask
    # up: ana>ben by grade, cem>mia as own manager though of one grade; across: ben>cem; down: the
    # three to ana
    shares = everybody[["up_pct", "across_pct", "down_pct"]].astype(float)
    assert shares.tolist() == pytest.approx([100 * 2 / 6, 100 / 6, 100 * 3 / 6])
    assert everybody.across_units_pct == pytest.approx(100 * 4 / 6)  # ben is in the lab by now
    assert everybody.gini == pytest.approx(networks.gini([3, 1, 1, 1]))


def test_what_came_later_does_not_count(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, ties=TIES)
    found = pd.Series(measured(folder, facts, as_of="2024-08-01"))
    assert found.people == 5  # dee is still there
    # without cem>ana, and with ben>dee
    assert found.asked == pytest.approx(6 / 5)


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
    found = pd.Series(measured(drawn(people=PEOPLE, reviews=reviews, ties=TIES), facts))
    shares = found[["up_pct", "across_pct", "down_pct"]].astype(float)
    assert shares.tolist() == pytest.approx(expected, nan_ok=True)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_no_ties_at_all_is_nothing_known(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, meta=META)
    for measure in MEASURES:
        assert len(measured(folder, measure)) == 0


def test_mentoring_is_known_from_learning_alone(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, learning=LEARNING)
    assert measured(folder, networks.people).mentored.mean() == 1 / 4
    assert measured(folder, mentored)["grade: G2"].estimate == pytest.approx(100 / 3)


@pytest.mark.slow
def test_only_what_is_recorded_is_told(drawn):
    head, *rows = TIES.strip().splitlines()
    ties = "\n".join([head, *(r for r in rows if "community" in r)])
    folder = drawn(people=PEOPLE, reviews=REVIEWS, ties=ties)
    assert measured(folder, communities)["people with a community tie"].estimate == 75
    for measure in MEASURES[:2]:  # not recorded is not 0
        assert len(measured(folder, measure)) == 0


def without(text, *columns):
    rows = [line.split() for line in text.strip().splitlines()]
    kept = [i for i, name in enumerate(rows[0]) if name not in columns]
    return "\n".join(" ".join(row[i] for i in kept) for row in rows)


@pytest.mark.slow
def test_columns_may_be_missing(drawn):
    for missing in (["grade"], ["manager_id"], ["grade", "manager_id"]):
        folder = drawn(
            people=PEOPLE,
            reviews=without(REVIEWS, *missing),
            ties=TIES,
            learning=LEARNING,
            meta=META,
        )
        found = measured(folder, facts)
        assert found["asked"] == 1.5 and np.isnan(found["up_pct"]) == ("grade" in missing)
        unit = "manager_id" in missing
        fit = measured(folder, communities)["people with a community tie"]
        assert fit.method == f"share, clustered by {'unit' if unit else 'manager'}"
        reach = measured(folder, networks.people_by_group)
        assert ("grade" in set(reach.attribute)) == ("grade" not in missing)


# --- missing ties, and chance


def ties_of(n=300, seed=4, hub=0.2):
    """A company in which everybody turned to anybody alike, and some to one of the first three."""
    rng = np.random.default_rng(seed)
    asked = np.where(
        rng.random(3 * n) < hub, rng.integers(3, size=3 * n), rng.integers(n, size=3 * n)
    )
    edges = np.column_stack([rng.integers(n, size=3 * n), asked])
    return edges[edges[:, 0] != edges[:, 1]]


def made(edges, n, gate=None):
    units = {
        "unit": [f"u{i % 8}" for i in range(n)],
        "manager_id": [f"m{i % 30}" for i in range(n)],
    }
    units |= {"grade": [f"G{i % 3}" for i in range(n)]}
    study = company(edges, n=n, reviews=units, whole=True)
    return replace(study, gate=gate) if gate else study


def test_missing_ties_are_drawn_alike_for_a_seed_and_move_what_they_must():
    study = made(ties_of(), 300)
    moved = networks.missing_ties(study, draws=50)
    pd.testing.assert_frame_equal(moved, networks.missing_ties(study, draws=50))
    assert moved.fact.unique().tolist() == [*WORDS.values()]
    assert moved.missing_pct.tolist() == [10, 20, 30] * len(WORDS)
    asked = moved[moved.fact == WORDS["asked"]].set_index("missing_pct")
    exact = asked.recorded.iloc[0]
    assert exact == round(facts(study)["asked"], 2)
    assert asked.middle.tolist() == pytest.approx([0.9 * exact, 0.8 * exact, 0.7 * exact], abs=0.02)
    shown = moved[moved.shown]
    assert len(shown) > 15 and (shown.low <= shown.middle).all()
    assert (shown.middle <= shown.high).all()


def test_without_draws_a_share_on_few_is_hidden_and_so_is_one_of_all():
    edges = [(i, (i + 1) % 60) for i in range(60)]
    shown = networks.missing_ties(made(edges, 60), draws=2).set_index("fact")
    hidden = shown.index[~shown.shown].unique().tolist()
    none, all_of = ["reciprocity_pct", "across_pct"], ["across_units_pct"]
    assert hidden == [WORDS[name] for name in (*none, *all_of)]
    assert shown[~shown.shown][[*networks.DRAWN]].isna().all(axis=None)


@pytest.mark.slow
def test_every_figure_of_a_network_is_moved_and_by_each_key_otherwise():
    one, two = (
        networks.missing_ties(made(ties_of(), 300, Gate(Rule(10), Draws(key * 32, "s"))), draws=20)
        for key in (b"x", b"y")
    )
    both = one.shown & two.shown & (one.fact != WORDS["gini_by_chance"])
    assert both.sum() > 12
    assert not (one.recorded == two.recorded)[both & (one.missing_pct == 10)].all()
    exact = networks.missing_ties(made(ties_of(), 300), draws=20)
    assert (one.recorded != exact.recorded)[both].mean() > 0.7  # some are the same when rounded


@pytest.mark.parametrize("make", [networks.asked_moves, networks.gini_moves])
def test_what_a_person_moves_is_what_leaving_them_out_changes(make):
    edges = pd.DataFrame(np.unique(ties_of(120), axis=0), columns=["asker", "answerer"])
    value, moves = make(edges, 120)
    for person in (0, 1, 50):
        rest = edges[(edges != person).all(axis=1)]
        rest = rest - (rest > person).astype(int)
        assert moves[person] == pytest.approx(value - make(rest, 119)[0], rel=0.1, abs=2e-4)


@pytest.mark.truth
def test_what_chance_alone_would_show():
    """400 people who turn to anybody alike, 600 times: the Gini is .5, and chance says so; to ten
    of them, it is not chance."""
    rng = np.random.default_rng(4)
    found = [company(rng.integers(400, size=(600, 2)), n=400) for _ in range(12)]
    gap = np.array([row.gini - row.gini_by_chance for row in found])
    # a Poisson count stands for a multinomial one
    assert abs(gap.mean()) < 4 * gap.std() / 12**0.5 + 0.003
    few = company(np.column_stack([rng.integers(10, 400, 600), rng.integers(10, size=600)]), n=400)
    assert few.gini > few.gini_by_chance + 0.3


@pytest.mark.slow
def test_no_score_of_a_person_leaves(drawn):
    folder = drawn(people=PEOPLE, reviews=REVIEWS, ties=TIES, learning=LEARNING, meta=META)
    assert not {"ana", "ben", "cem", "dee", "eva", "mia"} & set(
        re.findall(r"\w+", str(everything(folder)))
    )

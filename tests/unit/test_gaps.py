"""Gaps: timelines drawn as tables, the sums of a journey, and groups of which too little is known."""

import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.parts import behind, study_of

from learnalign import studies
from learnalign.data import reading
from learnalign.data.contract import Meta
from learnalign.estimates import described, hazards
from learnalign.facts import gaps, ratios
from learnalign.linking import journeys

PEOPLE = """
    person_id  hired_on    left_on
    ana        2020-01-01  -
    ben        2020-01-01  -
    cem        2020-01-01  2024-06-01
    dee        2020-01-01  -
    eva        2020-01-01  -
"""
REVIEWS = """
    person_id  cycle    reviewed_on  rating  unit  manager_id  grade
    ana        2023-H1  2023-07-01   2       ops   mia         a
    ben        2023-H1  2023-07-01   2       ops   mia         a
    cem        2023-H1  2023-07-01   2       ops   mia         b
    dee        2023-H1  2023-07-01   2       law   noa         b
    eva        2023-H1  2023-07-01   2       law   noa         b
    ana        2023-H2  2024-01-01   2       ops   mia         a
    ben        2023-H2  2024-01-01   2       ops   mia         a
    dee        2023-H2  2024-01-01   2       law   noa         b
    eva        2023-H2  2024-01-01   2       law   noa         b
"""
# ana says, learns and closes; ben says and closes; cem leaves; dee closes after learning; eva's sql
# stays open
ASSESSED = """
    person_id  skill  assessed_on  required_level  assessed_level  self_level  trigger
    ana        sql    2023-08-01   3               2               2           scheduled
    ana        sql    2024-03-01   3               3               -           scheduled
    ben        sql    2023-08-01   3               2               3           scheduled
    ben        sql    2024-02-01   3               4               -           requested
    cem        sql    2023-08-01   3               1               4           scheduled
    dee        sql    2023-08-01   3               2               2           scheduled
    dee        sql    2024-02-01   3               3               -           doubt
    eva        sql    2023-08-01   3               2               -           scheduled
    eva        law    2023-08-01   3               3               3           scheduled
    ben        law    2023-08-01   3               3               2           scheduled
"""
SAID = """
    person_id  acknowledged_on  channel       skill  needed_by   escalated_on  is_specific  is_appreciative
    eva        2023-01-01       question      old    -           -             -            -
    ana        2023-07-20       help_request  sql    2023-07-30  -             true         -
    ben        2023-09-01       help_request  sql    2023-08-31  2023-08-30    false        -
    ben        2023-07-15       reflection    law    -           -             -            -
    dee        2023-07-16       question      -      2023-07-20  2023-07-21    true         -
    dee        2023-08-20       reflection    -      -           -             -            -
"""
LEARNED = """
    person_id  learned_on  activity_type  skill  status
    ana        2023-10-01  course         sql    completed
    dee        2023-11-01  course         sql    completed
    eva        2023-03-01  reflection     -      completed
    ben        2023-03-02  reflection     -      no_show
"""
TABLES = {
    "people": PEOPLE,
    "reviews": REVIEWS,
    "assessments": ASSESSED,
    "acknowledgements": SAID,
    "learning": LEARNED,
}


IN_HAND = "days from asking to when help was needed"


@pytest.fixture(scope="module")
def company(tmp_path_factory, write_tables):
    """A study of the company above, or of one with other tables; each made once."""

    @functools.cache
    def make(**tables: str):
        lines = {
            name: [row.split() for row in text.strip().splitlines()]
            for name, text in (TABLES | tables).items()
        }
        frames = {
            name: pd.DataFrame(rows, columns=head).replace("-", "")
            for name, (head, *rows) in lines.items()
            if rows
        }
        return studies.study(write_tables(tmp_path_factory.mktemp("data"), frames))

    return make


def percent(study, measure):
    found = ratios.figures(study, measure).fits
    return {name: round(fit.estimate, 1) for name, fit in found.items()}


def everything(study):
    """All facts and frames, as one comparable thing."""
    facts = [ratios.figures(study, key).fits for key in ("said_or_silent", "how_people_asked")]
    study = behind(study)
    return facts, [gaps.journey(study), gaps.curve(study)]


def counted(frame):
    """How many gaps stopped at each stage in each way."""
    found = gaps.stages(frame)
    return found.groupby(["stage", "then"], observed=True).size().to_dict()


@pytest.mark.slow
def test_every_gap_stops_at_one_stage(company):
    study = company()
    assert counted(study.journeys.gaps) == {
        ("detected", "closed after learning"): 1,
        ("detected", "left"): 1,
        ("detected", "still open"): 1,
        ("acknowledged", "closed without learning"): 1,
        ("closed", "closed after learning"): 1,
    }
    shown = gaps.journey(behind(study))
    assert shown[["stage", "then", "gaps", "share"]].values.tolist() == [
        ["detected", "all", 5, 100],
        ["detected", "still open", None, 20],
        ["detected", "left", None, 20],
        ["detected", "closed after learning", None, 20],
        ["acknowledged", "all", None, 40],
        ["acknowledged", "closed without learning", None, 20],
        ["learning", "all", None, 20],
        ["closed", "all", None, 20],
    ]
    assert gaps.journey(study).empty  # five people are too few


@pytest.mark.slow
def test_a_gap_found_before_anything_was_recorded_is_not_one_that_nobody_spoke_of(company):
    late = SAID.replace("2023-01-01", "2023-08-02").replace("2023-07-", "2023-09-")
    frame = company(acknowledgements=late).journeys.gaps
    assert frame.acknowledged_before.isna().all()
    found = counted(frame)
    assert found[("detected", "not recorded then")] == 3
    assert found[("acknowledged", "closed without learning")] == 1
    assert sum(found.values()) == 5


@pytest.mark.slow
@pytest.mark.property
@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            *[st.sampled_from([True, False, None])] * 2,
            st.sampled_from(["open", "left", "closed"]),
        ),
        max_size=30,
    )
)
def test_stages_never_go_backwards_and_lose_nothing_in_silence(rows):
    frame = pd.DataFrame(rows, columns=["person_id", "acknowledged_before", "learned", "status"])
    frame = frame.astype({"acknowledged_before": "boolean", "learned": "boolean"}).assign(
        manager_id="m", unit="u"
    )
    day = pd.Series(pd.Timestamp("2024-01-01"), frame.index)
    frame["acknowledged_on"] = day.where(frame.acknowledged_before.fillna(False).astype(bool))
    frame["learning_started_on"] = day.where(frame.learned.fillna(False).astype(bool))
    found = gaps.stages(frame)
    assert len(found) == len(frame) and found.then.isin(gaps.FATES).all()
    assert (found.stage[found.status != "closed"] != "closed").all()
    passed = found.stage > "detected" if "acknowledged" in found.stage.cat.categories else None
    assert passed is None or found.acknowledged_on[passed].notna().all()
    again = gaps.stages(frame.iloc[::-1]).sort_index()
    pd.testing.assert_frame_equal(again, found.sort_index())


@pytest.mark.slow
def test_silent_gaps_are_quiet_over_claimed_or_known(company):
    study = company()
    assert percent(study, "said_or_silent") == {
        "gaps acknowledged before they were found": 20.0,  # ana
        "silent gaps that were quiet: no self-rating": 25.0,  # eva
        "silent gaps that were over-claimed: self-rating high enough": 50.0,  # ben, cem
        "silent gaps that were known, but not said: self-rating too low": 25.0,  # dee
        "acknowledged as a precaution, where no gap was found": 50.0,  # ben's law, not eva's
    }
    found = ratios.figures(study, "said_or_silent")
    assert {fit.design for fit in found.fits.values()} == {"described"}
    assert [len(names) for names in found.parts] == [3]  # the kinds of silent gaps
    unrated = study.journeys.gaps.assign(self_level=np.nan)
    unrated = study_of(study.dataset, journeys=dataclasses.replace(study.journeys, gaps=unrated))
    assert len(percent(unrated, "said_or_silent")) == 2  # nobody was asked: nobody was quiet


@pytest.mark.slow
def test_asking_early_and_asking_well(company):
    study = company()
    assert percent(study, "how_people_asked") == {
        "asked before the day help was needed": 66.7,  # not ben in September
        IN_HAND: 4.3,  # ana 10, ben -1, dee 4
        "asked, and never escalated": 33.3,
        "asked before any escalation": 66.7,  # dee, five days before
        "said what exactly was needed": 66.7,
        "acknowledged in the next window, without reflecting before": 100.0,
    }  # all who acknowledged a gap have one manager: how they went on has no interval
    # the escalation of three days later is not known yet
    later = company(acknowledgements=SAID.replace("07-30  -         ", "07-30  2023-07-28"))
    cut = reading.read(later.dataset.folder, as_of="2023-07-25")
    earlier = study_of(cut, cycles=study.cycles, journeys=study.journeys)
    for one, percent_of_two in ((later, 0), (earlier, 50)):
        found = ratios.figures(one, "how_people_asked").fits["asked, and never escalated"]
        assert found.estimate == percent_of_two
    assert found.n_rows == 2


@pytest.mark.slow
def test_how_an_acknowledged_gap_went_on(company):
    study = company()
    frame = study.journeys.gaps.assign(manager_id=list("xyzxy"))
    again = study_of(study.dataset, journeys=dataclasses.replace(study.journeys, gaps=frame))
    found = percent(again, "how_people_asked")
    assert [found[name] for name in found if name.startswith("acknowledged")][:2] == [0.0, 0.0]
    assert len(found) == len(percent(study, "how_people_asked")) + 2


def test_leaving_competes_with_closing(company):
    study = behind(company())
    assert gaps.curve(study).group.unique().tolist() == [
        "acknowledged before they were found",
        "not acknowledged before they were found",
    ]
    unknown = study.journeys.gaps.assign(acknowledged_before=pd.NA)
    vars(study)["journeys"] = dataclasses.replace(study.journeys, gaps=unknown)
    course = gaps.curve(study).set_index("month")
    assert set(course.group) == {"all gaps"}
    # ben and dee on day 184, ana on day 213; eva leaves in between 10 and 11 months
    assert course.closed.loc[[6, 12]].tolist() == pytest.approx([np.nan, 60], nan_ok=True)
    assert course.left.loc[12] == pytest.approx(20)
    assert course.index[-1] == 12  # after that nobody is there any more


@pytest.mark.parametrize("end", ["closed", "left"])
def test_what_a_person_moves_a_curve_by_is_what_leaving_them_out_changes(end):
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"person_id": rng.integers(150, size=300)}).assign(
        days=rng.integers(1, 900, 300),
        status=rng.choice(["closed", "left", "open"], 300, p=[0.5, 0.2, 0.3]),
        manager="m",
    )
    fit = gaps._by(rows, 400, end)
    assert fit.estimate == 100 * hazards.incidence(rows.days, rows.status, 400, end)[0]
    for person in range(0, 150, 15):
        rest = rows[rows.person_id != person]
        if len(rest) < len(rows):
            change = fit.estimate - gaps._by(rest, 400, end).estimate
            assert fit.influence[person] == pytest.approx(change, abs=0.02)


def test_the_mirror_looks_at_the_next_window(company):
    # windows end on 2023-06-01 and 2023-12-02; only completed reflection counts, and reflecting is
    # not asking
    study = company()
    rows = gaps.reflecting(study).set_index("person_id")
    assert rows.reflected.to_dict() == {"ana": False, "ben": False, "dee": False, "eva": True}
    assert rows.next.to_dict() == {"ana": True, "ben": True, "dee": True, "eva": False}


def test_the_mirror_compares_within_managers_and_cycles():
    rng = np.random.default_rng(4)
    rows = pd.DataFrame(
        {"person_id": range(4_000), "manager_id": rng.integers(0, 60, 4_000), "cycle": "c"}
    )
    bold = rng.random(60)[
        rows.manager_id
    ]  # some managers' people reflect more and acknowledge more
    rows = rows.assign(reflected=rng.random(4_000) < bold, asked=rng.random(4_000) < bold)
    rows["next"] = rng.random(4_000) < 0.6 * bold + 0.2 * rows.asked + 0.1 * rows.reflected
    found = gaps.after_reflecting(rows)
    assert found.low < 10 < found.high and found.low > 0 and found.design == "associated"
    assert gaps.after_reflecting(rows.assign(reflected=True)) is None


def _assessed(rng, people: int, hit: float, alarm: float) -> pd.DataFrame:
    rows = pd.DataFrame(
        {"person_id": np.repeat(np.arange(people), 4), "is_gap": rng.random(4 * people) < 0.4}
    )
    said = rng.random(len(rows)) < np.where(rows.is_gap, hit, alarm)
    return rows.assign(acknowledged_before=pd.array(said, "boolean"), manager_id="m", unit="u")


@pytest.mark.truth
def test_the_interval_of_a_signal_holds_the_truth():
    rng, inside = np.random.default_rng(2), []
    truth = stats.norm.ppf(0.5) - stats.norm.ppf(0.2)
    for draw in range(150):
        found = journeys.Journeys(*[pd.DataFrame()] * 5)
        found = dataclasses.replace(found, assessed=_assessed(rng, 100, 0.5, 0.2))
        knows, _ = gaps.signal(found, seed=draw)["company"]
        inside.append(knows.low < truth < knows.high)
    assert np.mean(inside) >= 0.88  # 95 % less four standard errors of 150 draws


def test_a_signal_needs_thirty_of_each_and_a_group(company):
    found = company().journeys
    assert gaps.signal(found, "unit") == {} == gaps.signal(found, "colour")
    rows = _assessed(np.random.default_rng(2), 60, 0.5, 0.2)
    rows = rows.assign(unit=np.where(rows.person_id < 30, "ops", "law"))
    many = journeys.Journeys(*[pd.DataFrame()] * 5)
    many = dataclasses.replace(many, assessed=rows)
    for fits in gaps.signal(many, "unit").values():
        for fit in fits:
            assert fit.low < fit.estimate < fit.high and len(fit.influence) == fit.n_people
            assert abs(fit.influence.sum()) < fit.std_error
    with pytest.raises(ValueError, match="never for a person or a manager"):
        gaps.signal(found, "manager_id")


@pytest.mark.golden
def test_signal_detection_of_the_published_counts():
    """Closed forms, to three decimals: rates .8 and .2 as they are, and log-linear with few trials."""
    plain, few, careful = gaps.sensitivity_and_bias(
        [[8_000_000, 2_000_000, 2_000_000, 8_000_000], [80, 20, 20, 80], [20, 5, 0, 25]]
    )
    assert plain == pytest.approx([1.683, 0], abs=0.0005)
    assert stats.norm.cdf(plain[0] / 2**0.5) == pytest.approx(0.883, abs=0.0005)
    assert few[0] == pytest.approx(1.662, abs=0.0005)
    assert careful == pytest.approx([2.871, 0.634], abs=0.0005)


@pytest.mark.property
@given(*[st.integers(0, 500)] * 4)
def test_swapping_what_is_said_turns_both_figures_round(hits, misses, alarms, passes):
    found = gaps.sensitivity_and_bias([hits, misses, alarms, passes])
    assert gaps.sensitivity_and_bias([misses, hits, passes, alarms]) == pytest.approx(
        -found, abs=1e-9
    )
    assert np.isfinite(found).all()


@pytest.mark.truth
def test_a_persons_figure_is_noise():
    """Ten gaps and ten skills without one: around a true 1.05 the figure scatters by .58 (METHODS
    0, decision 7).
    """
    rng = np.random.default_rng(7)
    hits, alarms = (rng.binomial(10, rate, 2_000) for rate in stats.norm.cdf([0.525, -0.525]))
    found = gaps.sensitivity_and_bias(np.column_stack([hits, 10 - hits, alarms, 10 - alarms]))[:, 0]
    assert np.std(found) == pytest.approx(
        0.58, abs=4 * 0.58 / 4_000**0.5 + 0.005
    )  # printed to two decimals


@pytest.mark.truth
def test_pitfall_19_who_has_said_so_is_assessed_more_often():
    """Four in ten gaps are acknowledged; assessed are 90 % of those, on doubt or request, and 30 %
    of the others.
    """
    rng, n = np.random.default_rng(19), 6_000
    said, planned = rng.random(n) < 0.4, rng.random(n) < 0.2  # planned whatever was said
    assessed = planned | (rng.random(n) < np.where(said, (0.9 - 0.2) / 0.8, (0.3 - 0.2) / 0.8))
    person = np.array([f"p{i}" for i in range(n)])
    frames = {
        "people": {"person_id": person, "hired_on": "2020-01-01"},
        "reviews": {
            "person_id": person,
            "cycle": "2023",
            "reviewed_on": "2023-01-01",
            "rating": 2,
            "unit": "ops",
            "manager_id": person[np.arange(n) % 300],
        },
        "acknowledgements": {
            "person_id": np.append(person[said], "p0"),
            "channel": "question",
            "skill": "sql",
            "acknowledged_on": np.append(np.full(said.sum(), "2023-05-20"), "2022-01-01"),
        },
        "assessments": {
            "person_id": person[assessed],
            "skill": "sql",
            "assessed_on": "2023-06-01",
            "required_level": 3,
            "assessed_level": 2,
            "trigger": np.where(planned, "scheduled", "doubt")[assessed],
        },
    }
    meta = Meta(title="Drawn", as_of="2023-12-31", rating_scale=[1, 2, 3])
    dataset = reading.of_frames(
        {name: pd.DataFrame(columns) for name, columns in frames.items()}, meta
    )
    found = ratios.figures(studies.study(dataset), "said_or_silent").fits
    ours = found["gaps acknowledged before they were found"]
    # the printed figure is exact: .4 x .9 / (.4 x .9 + .6 x .3)
    assert said[assessed].mean() == pytest.approx(
        0.667, abs=4 * (0.667 * 0.333 / assessed.sum()) ** 0.5 + 0.0005
    )
    assert ours.estimate == pytest.approx(40, abs=4 * (40 * 60 / planned.sum()) ** 0.5)
    assert ours.n_rows == planned.sum()


@pytest.mark.parametrize(
    ("managers", "rater", "by"),
    [
        (["mia", "noa", "noa"], ["mia", "noa", "noa"], "manager"),
        (
            ["mia", None, "noa"],
            ["mia", None, "noa"],
            "manager",
        ),  # a unit is never one of the managers
        ([None, None, None], ["ops", "ops", "law"], "unit"),
        ([], [], "unit"),
    ],
)
def test_the_manager_rates_and_the_unit_stands_in_for_all_or_for_nobody(managers, rater, by):
    rows = pd.DataFrame(
        {"manager_id": managers, "unit": ["ops", "ops", "law"][: len(managers)]}, dtype=object
    )
    found, name = described.raters(rows)
    assert (found.where(found.notna(), None).tolist(), name) == (rater, by)


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["assessments", "acknowledgements", "learning"])
def test_a_missing_table_leaves_facts_out(company, missing):
    (saying, asking), frames = everything(
        company(**{missing: TABLES[missing].strip().splitlines()[0]})
    )
    after = [name for name in asking if "in the next window" in name]
    assert bool(saying) is (missing == "learning")
    assert bool(set(asking) - {*after}) is (missing != "acknowledgements")
    assert not [name for name in asking if "dependent" in name or "autonomous" in name]
    assert ("acknowledged" in frames[0].stage.tolist()) is (missing == "learning")
    assert (len(frames[1]) == 0) is (missing == "assessments")
    assert bool(after) is (missing == "assessments")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "fact"),
    [
        ("needed_by", IN_HAND),
        ("escalated_on", "asked before any escalation"),
        ("is_specific", "said what exactly was needed"),
    ],
)
def test_a_missing_column_leaves_its_facts_out(company, column, fact):
    head, *rows = (line.split() for line in SAID.strip().splitlines())
    place = head.index(column)
    less = [" ".join(line[:place] + line[place + 1 :]) for line in (head, *rows)]
    found = [ratios.figures(company(), "how_people_asked").fits]
    found += [ratios.figures(company(acknowledgements="\n".join(less)), "how_people_asked").fits]
    assert set(found[0]) - set(found[1]) >= {fact}
    assert (column == "escalated_on") or "asked, and never escalated" in found[1]


def test_the_unit_stands_in_where_no_manager_is_recorded(company):
    study = company()
    found = dataclasses.replace(
        study.journeys,
        gaps=study.journeys.gaps.assign(manager_id=None),
        assessed=study.journeys.assessed.assign(manager_id=None),
    )
    nobody = study.cycles.assign(manager_id=None)
    facts, frames = everything(study_of(study.dataset, cycles=nobody, journeys=found))
    assert {fit.method.rsplit(" ", 1)[1] for kind in facts for fit in kind.values()} == {"unit"}
    assert len(frames[1])


@pytest.mark.slow
def test_neither_the_order_of_rows_nor_a_name_matters(company):
    def shuffled(text):
        head, *rows = text.strip().splitlines()
        return "\n".join([head, *rows[::-1]]).replace("ana", "zoe").replace("ben", "adi")

    (*told, frames), (*again, moved) = (
        (percent(study, "said_or_silent"), percent(study, "how_people_asked"), everything(study)[1])
        for study in (company(), company(**{n: shuffled(text) for n, text in TABLES.items()}))
    )
    assert again == told
    for frame, other in zip(frames, moved, strict=True):
        pd.testing.assert_frame_equal(frame, other)

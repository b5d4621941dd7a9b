"""Teams: who is in one, and which quarters count, on timelines drawn as tables; and a second count
row by row.
"""

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from learnalign.data import contract, reading
from learnalign.linking import teams

PEOPLE = """
    person_id  hired_on    left_on
    mia        2020-01-01  -
    noa        2020-01-01  -
    ana        2020-01-01  -
    ben        2020-01-01  -
    cem        2020-01-01  -
    dee        2023-07-01  -
    eva        2023-07-02  2024-03-31
    fay        2020-01-01  2024-04-01
"""
REVIEWS = """
    person_id  cycle  reviewed_on  rating  unit  manager_id
    ana        c1     2023-06-30   2       ops   mia
    ana        c2     2024-01-01   2       hr    noa
    ben        c1     2023-06-30   2       ops   mia
    ben        c2     2023-10-01   2       hr    noa
    cem        c1     2023-06-30   2       ops   mia
    dee        c2     2024-01-02   2       ops   mia
    eva        c2     2024-01-02   2       ops   mia
    fay        c1     2023-06-30   2       hr    noa
    noa        c1     2023-06-30   2       ops   mia
"""
SAID = """
    person_id  acknowledged_on  channel   audience
    ana        2023-07-14       question  -
    ana        2023-07-15       question  private
    mia        2023-09-30       question  team
    mia        2023-10-01       question  private
    cem        2023-10-01       question  public
    noa        2024-01-01       question  public
    noa        2024-01-02       question  private
    mia        2024-03-31       question  -
    dee        2024-04-01       question  team
    ben        2024-05-01       question  manager
"""
Q = 2023 * 4 + 2  # the third quarter of 2023


def texts(**more: str) -> dict[str, str]:
    return {"people": PEOPLE, "reviews": REVIEWS, "acknowledgements": SAID} | more


@pytest.fixture
def rows(drawn):
    """The teams of tables drawn as text, by team and quarter since the third of 2023."""

    def make(as_of: str | None = None, **more: str) -> pd.DataFrame:
        found = teams.team_quarters(reading.read(drawn(**texts(**more)), as_of=as_of))
        assert list(found) == list(teams.COLUMNS)
        return found.assign(q=found.quarter.astype(int) - Q).set_index(["team_id", "q"])

    return make


def test_a_team_is_who_has_the_manager_in_the_latest_review_before_the_quarter_else_in_the_first(
    rows,
):
    found = rows()
    # mia's: ana, ben, cem and dee; ben's new review is on the first day of the last quarter of
    # 2023, ana's of 2024; dee's first is later than her first quarters; eva was hired a day too
    # late, and left on the last day of one
    assert found.people.to_dict() == {
        ("mia", 0): 4,
        ("mia", 1): 5,
        ("mia", 2): 3,
        ("mia", 3): 2,
        ("mia", 4): 2,
        ("mia", 5): 2,
        ("noa", 0): 1,
        ("noa", 1): 1,
        ("noa", 2): 2,
        ("noa", 3): 2,
        ("noa", 4): 2,
        ("noa", 5): 2,
    }
    assert found.unit["mia"].eq("ops").all() and found.unit["noa"].eq("hr").all()
    assert (found.leader_id == found.index.get_level_values("team_id")).all()


def test_leaders_are_not_counted_in_the_team_that_they_are_members_of(rows):
    """noa is reviewed by mia and leads fay; without fay, noa is one of mia's."""
    reviews = "\n".join(
        line for line in REVIEWS.splitlines() if "noa" not in line or line.split()[0] == "noa"
    )
    found = rows(reviews=reviews)
    assert found.people["mia"].loc[0] == 4 + 1
    assert found.index.get_level_values("team_id").unique().tolist() == ["mia"]


def test_the_share_counts_who_acknowledged_in_the_quarter_and_the_leader_only_visibly(rows):
    found = rows()
    expected = {
        ("mia", 0): 1 / 4,
        ("mia", 1): 1 / 5,
        ("mia", 2): 0,
        ("mia", 3): 1 / 2,
        ("noa", 3): 1 / 2,
    }
    assert found.share[found.share > 0].to_dict() == pytest.approx(
        {k: v for k, v in expected.items() if v}
    )
    seen = found.leader_acknowledged
    assert seen[seen == 1].index.tolist() == [("mia", 0), ("noa", 2)]
    assert seen.notna().all()  # mia was never reviewed, and is known to have been there


def test_a_leader_who_is_unknown_or_was_not_there_all_quarter_is_empty(rows):
    without = {
        name: "\n".join(line for line in text.splitlines() if line.split()[:1] != ["noa"])
        for name, text in texts(
            people=PEOPLE.replace("mia        2020-01-01  -", "mia 2023-07-02 2024-06-30")
        ).items()
    }
    found = rows(**without)
    assert found.leader_acknowledged["noa"].isna().all()
    assert found.leader_acknowledged["mia"].isna().tolist() == [
        True,
        False,
        False,
        True,
        True,
        True,
    ]
    assert found.people["mia"].tolist() == [
        4,
        5,
        3,
        2,
        2,
        2,
    ]  # the quarters still count for the team


@pytest.mark.parametrize(
    ("first", "as_of", "quarters"),
    [
        (
            "2023-07-15",
            "2024-03-30",
            [0, 1],
        ),  # 14 days late is early enough; the last quarter lacks a day
        ("2023-07-16", "2024-03-31", [1, 2]),
        ("2022-12-31", "2023-12-31", [-2, -1, 0, 1]),
        ("2023-12-18", "2023-12-31", []),
    ],
)
def test_quarters_are_whole_and_recorded(rows, first, as_of, quarters):
    said = f"""
        person_id  acknowledged_on  channel   audience
        ana        {first}          question  team
    """
    found = rows(as_of, acknowledgements=said)
    assert sorted(set(found.index.get_level_values("q"))) == quarters


def test_without_managers_acknowledgements_or_their_audience_there_are_no_teams(drawn):
    for missing in (
        {"reviews": REVIEWS.replace("manager_id", "grade")},
        {"acknowledgements": SAID.replace("audience", "skill")},
        {
            "acknowledgements": "\n".join(
                line for line in SAID.splitlines() if "audience" in line or not line.strip()
            )
        },
    ):
        found = teams.team_quarters(reading.read(drawn(**texts(**missing))))
        assert found.empty and list(found) == list(teams.COLUMNS)
    alone = {name: text for name, text in texts().items() if name != "acknowledgements"}
    assert teams.team_quarters(reading.read(drawn(**alone))).empty
    assert teams.team_quarters(
        reading.read(drawn(**texts()), as_of="2023-07-13")
    ).empty  # nothing said by then


# --- a second count, and whatever the rows

META = contract.Meta(title="Drawn", as_of=dt.date(2024, 6, 30), rating_scale={"min": 0, "max": 100})
END = pd.Timestamp("2024-06-30")


def company(rng: np.random.Generator, people: int = 30) -> dict[str, pd.DataFrame]:
    """Dates on the edges of quarters, mostly; managers are of the company, or are not."""
    who = np.array([f"p{i:02}" for i in range(people)], object)
    edges = pd.to_datetime(
        [
            "2023-01-01",
            "2023-03-31",
            "2023-04-01",
            "2023-06-30",
            "2023-07-01",
            "2023-09-30",
            "2023-10-01",
            "2023-12-31",
            "2024-01-01",
            "2024-05-15",
            "2024-07-01",
        ]
    )
    n = 3 * people
    reviews = pd.DataFrame(
        {
            "person_id": rng.choice(who, n),
            "cycle": rng.choice(["c1", "c2", "c3", "c4"], n),
            "reviewed_on": rng.choice(edges, n),
            "rating": 1.0,
            "unit": rng.choice(["ops", "hr"], n),
            "manager_id": rng.choice(np.array([*who[:4], "x1", None], object), n),
        }
    ).drop_duplicates(["person_id", "cycle"])
    return {
        "people": pd.DataFrame(
            {
                "person_id": who,
                "hired_on": rng.choice([pd.Timestamp("2020-01-01"), *edges[:5]], people),
                "left_on": pd.Series(rng.choice(edges, people)).where(rng.random(people) < 0.3),
            }
        ),
        "reviews": reviews[reviews.person_id != reviews.manager_id],
        "acknowledgements": pd.DataFrame(
            {
                "person_id": rng.choice(who, n),
                "acknowledged_on": rng.choice(edges, n),
                "channel": "question",
                "audience": rng.choice(
                    np.array(["private", "manager", "team", "public", None], object), n
                ),
            }
        ),
    }


def of(frames: dict[str, pd.DataFrame], as_of: pd.Timestamp = END) -> pd.DataFrame:
    """As `datasets.read` would give it with this `as_of`: what is filled is known, but the tables
    are whole.
    """
    cut = reading.of_frames(frames, META.model_copy(update={"as_of": as_of.date()}))
    whole = reading.of_frames(frames, META.model_copy(update={"as_of": dt.date(2099, 12, 31)}))
    found = teams.team_quarters(dataclasses.replace(cut, recorded=whole.recorded))
    return found.sort_values(["team_id", "quarter"], ignore_index=True)


def counted_by_hand(frames: dict[str, pd.DataFrame], as_of: pd.Timestamp = END) -> pd.DataFrame:
    """Teams once more, a person and a quarter at a time."""
    said = frames["acknowledgements"][frames["acknowledgements"].acknowledged_on <= as_of]
    reviews = frames["reviews"][frames["reviews"].reviewed_on <= as_of].sort_values(
        ["reviewed_on", "cycle"]
    )
    quarters = pd.period_range(said.acknowledged_on.min() - pd.Timedelta(days=200), as_of, freq="Q")
    rows = []
    for quarter in quarters:
        first, last = quarter.start_time.normalize(), quarter.end_time.normalize()
        if first < said.acknowledged_on.min() - pd.Timedelta(days=14) or last > as_of:
            continue
        there = frames["people"][
            (frames["people"].hired_on <= first) & ~(frames["people"].left_on <= last)
        ].person_id
        inside = said[said.acknowledged_on.between(first, last)]
        placed = {}
        for person in there:
            own = reviews[reviews.person_id == person]
            before = own[own.reviewed_on < first]
            at = before if len(before) else own[own.reviewed_on == own.reviewed_on.min()]
            if len(at) and pd.notna(at.iloc[-1].manager_id):
                placed[person] = at.iloc[-1]
        leaders = {row.manager_id for row in placed.values()}
        for leader in leaders:
            team = [p for p, row in placed.items() if row.manager_id == leader and p not in leaders]
            seen = inside[(inside.person_id == leader) & inside.audience.isin(["team", "public"])]
            if team:
                number, unit = (
                    quarter.year * 4 + quarter.quarter - 1,
                    common([placed[p].unit for p in team]),
                )
                did = {*team} & {*inside.person_id}
                rows.append(
                    (
                        leader,
                        unit,
                        leader,
                        number,
                        len(team),
                        len(did) / len(team),
                        float(len(seen) > 0) if leader in set(there) else np.nan,
                        sorted(did) or None,
                        sorted({*team} - did) or None,
                    )
                )
    return pd.DataFrame(rows, columns=list(teams.COLUMNS)).sort_values(
        ["team_id", "quarter"], ignore_index=True
    )


def common(units: list[str]) -> str:
    """The unit of most, the first of the alphabet where two have as many."""
    return min(sorted(set(units)), key=lambda unit: (-units.count(unit), unit))


@pytest.mark.slow
@pytest.mark.property
@settings(
    max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate]
)  # seeds cannot be made simpler
@given(
    seed=st.integers(0, 2**32 - 1), years=st.sampled_from([-8, -4, 4, 8]), back=st.integers(0, 400)
)
def test_a_second_count_agrees_and_order_names_and_calendar_mean_nothing(seed, years, back):
    frames = company(np.random.default_rng(seed))
    found = of(frames)
    pd.testing.assert_frame_equal(found, counted_by_hand(frames), check_dtype=False)
    # four years later, backwards, under names that sort the other way
    names = {f"p{i:02}": f"q{99 - i}" for i in range(30)} | {"x1": "a1"}
    other = {name: frame.iloc[::-1].replace(names) for name, frame in frames.items()}
    later = of(
        {name: moved(frame, years) for name, frame in other.items()},
        END + pd.DateOffset(years=years),
    )
    back_again = {new: old for old, new in names.items()}
    here = later.assign(quarter=later.quarter - 4 * years).replace(back_again)
    for name in ("said", "silent"):
        here[name] = here[name].map(
            lambda ids: sorted(map(back_again.get, ids)), na_action="ignore"
        )
    pd.testing.assert_frame_equal(
        here.sort_values(["team_id", "quarter"], ignore_index=True), found
    )
    # nothing after the end of the edition counts
    day = END - pd.Timedelta(days=back)
    pd.testing.assert_frame_equal(of(frames, day), counted_by_hand(frames, day), check_dtype=False)


def moved(frame: pd.DataFrame, years: int) -> pd.DataFrame:
    """So many years later; by fours, so that every day is in the calendar."""
    dates = [name for name in frame if name.endswith("_on")]
    return frame.assign(**{name: frame[name] + pd.DateOffset(years=years) for name in dates})

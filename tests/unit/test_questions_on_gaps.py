"""Questions on gaps, teams and cost, asked of some of the people, and the same by hand: from the
files with pandas, scipy and pyfixest, and nothing of ours.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest
from scipy import optimize

import learnalign as la

DEMO = Path(__file__).parents[2] / "data/demo"
DAYS = {"assessments": "assessed_on", "acknowledgements": "acknowledged_on"}
DAYS |= {"learning": "learned_on", "reviews": "reviewed_on", "ties": "tied_on"}
NEVER = pd.Timestamp("2200-01-01")


@pytest.fixture(scope="module")
def files():
    found = {name: pd.read_csv(DEMO / f"{name}.csv", parse_dates=[on]) for name, on in DAYS.items()}
    people = pd.read_csv(DEMO / "people.csv", parse_dates=["hired_on", "left_on"])
    return found | {"people": people.set_index("person_id")}


# --- by hand: gaps and their months

AS_OF = pd.Timestamp("2026-06-30")


def gaps_of(files):
    """Spells that a scheduled assessment found, with their person and the review before."""
    found = []
    best = files["assessments"].assign(is_gap=lambda a: a.required_level > a.assessed_level)
    best = best.assign(short=best.required_level - best.assessed_level)
    best["scheduled"] = best.trigger == "scheduled"
    days = best.groupby(["person_id", "skill", "assessed_on"])
    days = days.agg(
        is_gap=("is_gap", "min"), short=("short", "min"), scheduled=("scheduled", "any")
    )
    for (person, skill), rows in days.reset_index().groupby(["person_id", "skill"]):
        opened = None
        for row in rows.itertuples():
            if row.is_gap and opened is None:
                opened = row
            elif not row.is_gap and opened is not None:
                found.append((person, skill, opened.assessed_on, row.assessed_on, opened))
                opened = None
        if opened is not None:
            found.append((person, skill, opened.assessed_on, pd.NaT, opened))
    gaps = pd.DataFrame(found, columns=["person_id", "skill", "found", "closed", "by"])
    gaps["severity"] = [float(one.short) for one in gaps.by]
    gaps = gaps[[bool(one.scheduled) for one in gaps.by]].drop(columns="by")
    gaps = gaps.join(files["people"], on="person_id")
    gaps = gaps[~(gaps.found > gaps.left_on)].reset_index(drop=True)
    gaps["closed"] = gaps.closed.where(~(gaps.closed > gaps.left_on))
    gaps["end"] = gaps[["closed", "left_on"]].min(axis=1).fillna(AS_OF)
    return with_reviews(gaps, files["reviews"])


def with_reviews(gaps, reviews):
    reviews = reviews.assign(sd=in_sd(reviews)).sort_values("reviewed_on")
    names = ["unit", "manager_id", "grade", "sd"]
    placed = []
    by_person = dict(iter(reviews.groupby("person_id")))
    for gap in gaps.itertuples():
        own = by_person.get(gap.person_id)
        before = own[own.reviewed_on <= gap.found] if own is not None else []
        if len(before):
            placed.append(before.iloc[-1][names].tolist())
        else:
            placed.append([*(own.iloc[0][names[:3]] if own is not None else [None] * 3), np.nan])
    gaps[names] = pd.DataFrame(placed, index=gaps.index)
    return gaps


def in_sd(reviews):
    by = reviews.groupby("cycle").rating
    return (reviews.rating - by.transform("mean")) / by.transform("std", ddof=0)


def months_of(gaps, files):
    """Months of 30 days in which a gap was open, and what was known at the start of each."""
    gaps = gaps.assign(gap=gaps.index, tenure_years=(gaps.found - gaps.hired_on).dt.days / 365.25)
    kept = [("skill", gaps.skill), ("grade", gaps.grade.fillna("none"))]
    for name, values in kept:
        gaps[f"_{name}"] = values.where(values.map(values.value_counts()) >= 20, "rare")
    gaps["_tenure"] = np.log1p(gaps.tenure_years.clip(lower=0))
    ends_in = (gaps.end - gaps.found).dt.days // 30 + 1
    seen = np.minimum(ends_in, (AS_OF - gaps.found).dt.days // 30)
    rows = gaps.loc[gaps.index.repeat(seen)].copy()
    rows["month"] = rows.groupby("gap").cumcount() + 1
    rows["starts"] = rows.found + pd.to_timedelta((rows.month - 1) * 30, unit="D")
    last = rows.month == rows.gap.map(ends_in)
    rows["y"] = (last & (rows.closed == rows.end)).astype(float)
    rows["gone"] = (last & (rows.closed != rows.end) & (rows.left_on == rows.end)).astype(float)
    rows["row"] = range(len(rows))
    done = files["learning"].query("status == 'completed'")
    rows["learned"] = had(rows, done, "learned_on", rows.starts)
    rows["acknowledged"] = had(rows, files["acknowledgements"], "acknowledged_on", rows.found)
    taught = done[done.activity_type == "mentoring"].groupby("person_id").learned_on.min()
    ties = files["ties"].query("kind == 'mentors'").groupby("to_id").tied_on.min()
    first = pd.concat([taught, ties]).groupby(level=0).min()
    rows["mentored"] = (rows.person_id.map(first).fillna(NEVER) < rows.starts).astype(float)
    return rows[rows.manager_id.notna()]


def had(rows, events, on, since):
    """Whether anything on the skill fell from 90 days before a day until the month's start."""
    own = rows[["row", "person_id", "skill", "starts"]].assign(since=since - pd.Timedelta(days=90))
    both = own.merge(events[["person_id", "skill", on]].dropna(), on=["person_id", "skill"])
    hits = both[(both[on] >= both.since) & (both[on] < both.starts)].row.unique()
    return rows.row.isin(hits).astype(float)


def after_first_word(rows, files):
    said = files["acknowledgements"].dropna(subset=["skill"]).acknowledged_on.min()
    return rows[rows.found > said]


def design_of(rows, names):
    """Rows that say something, and the columns of the model."""
    kinds, before = ["month", "_skill", "_grade"], -1
    while len(rows) != before:
        before = len(rows)
        for name in kinds:
            share = rows.groupby(name).y.transform("mean")
            rows = rows[(share > 0) & (share < 1)]
    number = pd.DataFrame({"severity": rows.severity, "rating": rows.sd.fillna(0)})
    number = number.assign(unrated=rows.sd.isna().astype(float), tenure=rows._tenure)
    number = number.loc[:, number.std() > 0]
    marks = [pd.get_dummies(rows.month.astype(str), prefix="month", dtype=float)]
    marks += [pd.get_dummies(rows[one], drop_first=True, dtype=float) for one in kinds[1:]]
    return rows, pd.concat([rows[names], number, *marks], axis=1)


def by_hand(rows, names):
    """Log hazard ratios of a complementary log-log model, by maximum likelihood."""
    rows, design = design_of(rows, names)
    x, y = design.to_numpy(float), rows.y.to_numpy()

    def minus(b):
        rate = np.exp(np.clip(x @ b, -30, 5))
        told = np.where(y == 1, np.log(-np.expm1(-rate)), -rate)
        slope = np.where(y == 1, rate / np.expm1(rate), -rate)
        return -told.sum(), -(x.T @ slope)

    start = np.zeros(x.shape[1])
    start[[i for i, name in enumerate(design) if name.startswith("month_")]] = -2.0
    found = optimize.minimize(minus, start, jac=True, method="BFGS", options={"gtol": 1e-4})
    return design, found.x


# --- the questions


@pytest.fixture(scope="module")
def rows(files):
    return months_of(gaps_of(files), files)


def people(rows):
    return rows.person_id.nunique()


@pytest.mark.slow
def test_what_closes_gaps_by_function(bank, files, rows):
    found = la.ask(bank, "Q6", by="function")
    asked = after_first_word(rows, files)
    of = [(row.measure, row.group.removeprefix("function=")) for row in found]
    functions = sorted(files["people"].function.unique())
    kinds = ("acknowledging_to_closure", "learning_to_closure")
    assert of == [(kind, one) for kind in kinds for one in functions]
    for row, (kind, function) in zip(found, of, strict=True):
        if function not in functions[:2]:  # a fit by hand takes a while
            continue
        if kind == "learning_to_closure":
            some, names = rows, ["learned", "acknowledged", "mentored"]
        else:
            some, names = asked, ["acknowledged"]
        some = some[some.function == function]
        _, b = by_hand(some, names)
        assert row.estimate == pytest.approx(np.exp(b[0]), rel=1e-3)
        assert row.n_people == people(design_of(some, names)[0])
        assert row.design == "explored" and not row.headline


def test_mentoring_and_closing_in_the_first_years(bank, rows):
    [row] = la.ask(bank, "Q8", where="tenure_years < 3")
    some = rows[rows.tenure_years < 3]
    _, b = by_hand(some, ["mentored"])
    assert row.estimate == pytest.approx(np.exp(b[0]), rel=1e-3)
    assert row.low < row.estimate < row.high and row.n_people == people(design_of(some, [])[0])


@pytest.mark.slow
def test_what_a_closed_gap_costs_in_one_place(bank, files, rows):
    [row] = la.ask(bank, "Q7", where="location == 'Northport'")
    some = rows[rows.location == "Northport"]
    design, b = by_hand(some, ["learned"])
    average, months = design.mean(), sorted(some.month.unique())[:12]
    at_risk = some.groupby("month").size()
    gone = some.groupby("month").gone.sum() / (at_risk - some.groupby("month").y.sum())
    closes = {}
    for on in (0.0, 1.0):
        still, total, length = 1.0, 0.0, 0.0
        for month in months:
            x = average.copy()
            x[[name for name in x.index if name.startswith("month_")]] = 0.0
            chance = 0.0
            if f"month_{month}" in x.index:
                x[f"month_{month}"], x["learned"] = 1.0, on
                chance = 1 - np.exp(-np.exp(x.to_numpy() @ b))
            total, length = total + still * chance, length + still
            still *= (1 - chance) * (1 - gone[month])
        closes[on] = total, length
    done = files["learning"].query("status == 'completed'")
    gaps = some.drop_duplicates("gap")
    spent = gaps[["gap", "person_id", "skill", "found", "end"]].merge(
        done, on=["person_id", "skill"]
    )
    inside = spent.learned_on >= spent.found - pd.Timedelta(days=90)
    spent = spent[inside & (spent.learned_on < spent.end)]
    spent = spent.drop_duplicates([name for name in spent if name not in ("gap", "found", "end")])
    a_month = spent.cost.sum() / some.learned.sum()
    hand = a_month * closes[1.0][1] / (closes[1.0][0] - closes[0.0][0])
    assert row.verdict == "described" and row.unit == "EUR"
    assert row.estimate == pytest.approx(hand, rel=0.01)  # rows of a day that are alike are one


@pytest.mark.slow
def test_a_cost_is_told_only_where_learning_stands_among_the_looks(bank):
    found = la.ask(bank, "Q7", by="location")
    for row in found:
        if row.verdict != "described":
            assert row.verdict == "unknown" and row.estimate is None
            assert row.sentence.startswith(
                f"Only location: {row.group.removeprefix('location=')}. We"
            )
    assert {row.verdict for row in found} == {"described", "unknown"}
    assert "EUR" in str(found) and found._repr_html_()


def quarters_of(files):
    """Teams by quarter: their share who acknowledged, and whether their leader did, visibly."""
    said, reviews = files["acknowledgements"], files["reviews"].sort_values("reviewed_on")
    began, found, seen = said.acknowledged_on.min(), [], {}
    for quarter in pd.period_range(began, AS_OF, freq="Q"):
        start, end = quarter.start_time, (quarter + 1).start_time
        if start < began - pd.Timedelta(days=14) or end > AS_OF + pd.Timedelta(days=1):
            continue
        people = files["people"]
        there = people[(people.hired_on <= start) & ~(people.left_on < end)].index
        inside = said[(said.acknowledged_on >= start) & (said.acknowledged_on < end)]
        visibly = inside[inside.audience.isin(["team", "public"])]
        before = reviews[reviews.reviewed_on < start].groupby("person_id").tail(1)
        rest = reviews[~reviews.person_id.isin(before.person_id)].groupby("person_id").head(1)
        last = pd.concat([before, rest]).set_index("person_id")[["unit", "manager_id"]]
        own = last.reindex(there)
        own = own[~own.index.isin(own.manager_id.dropna().unique())]
        own = own.assign(y=own.index.isin(inside.person_id), n=1.0).dropna(subset=["manager_id"])
        team = own.groupby("manager_id").agg(y=("y", "mean"), n=("n", "sum"))
        units = own.groupby(["manager_id", "unit"]).size().reset_index(name="n")
        units = (
            units.sort_values(["n", "unit"], ascending=[False, True]).groupby("manager_id").head(1)
        )
        seen |= {
            (leader, quarter.ordinal): float(leader in set(visibly.person_id))
            for leader in team.index.intersection(there)
        }
        team["unit"], team["quarter"] = units.set_index("manager_id").unit, quarter.ordinal
        found.append(team.reset_index())
    rows = pd.concat(found)
    pairs = zip(rows.manager_id, rows.quarter - 1, strict=True)
    return rows.assign(x=[seen.get(one, np.nan) for one in pairs], y=100 * rows.y)


@pytest.mark.slow
def test_whether_teams_follow_in_some_units(bank, files):
    units = ("Retail 1", "Retail 2", "Retail 3", "Operations 1", "Operations 2")
    [row] = la.ask(bank, "Q4", where=f"unit in {units}")
    some = quarters_of(files)
    some = some[some.unit.isin(units)].dropna(subset=["x"])
    fit = pf.feols("y ~ x | manager_id + unit^quarter", some, vcov={"CRV1": "manager_id"})
    assert row.estimate == pytest.approx(fit.coef()["x"], rel=1e-6)
    assert row.n_clusters == fit._data.manager_id.nunique()

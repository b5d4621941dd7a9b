"""Northbank: a made-up bank whose truth is known.

`events` draws it and this module makes tables of it, as systems would hold them. What is planted,
and what a naive figure says instead, `page` writes down beside them, as `TRUTH.md`. Another
`truth.Truth` plants something else; `truth.yml` shows what hides it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.optimize import brentq

from learnalign.data import reading
from learnalign.data.contract import COLUMNS, KEYS, Meta
from learnalign.data.folders import staged
from learnalign.data.mistakes import DataError, Problem
from learnalign.data.reading import DataSet
from learnalign.data.writing import PRIVATE
from northbank import page
from northbank.events import Frame, draw
from northbank.people import (
    AS_OF,
    MADE,
    NEVER,
    SKILLS,
    Bank,
    Rng,
    below,
    normal,
    pick,
    stream,
    there,
)
from northbank.truth import NORTHBANK, Truth

TITLE, OTHER_TITLE = "Northbank (simulated)", "Northbank (simulated, another truth)"
PAGE = "TRUTH.md"
LIMITS = {"people": (60, 10**6), "cycles": (2, 40), "seed": (0, 2**63)}
MATRIX = [
    {"rating": rating, "compa_from": low, "compa_to": high, "target_pct": max(0.0, target + more)}
    for rating, target in ((1, -1.0), (2, 0.5), (3, 1.5), (4, 2.25), (5, 3.0))
    for low, high, more in ((0.0, 0.9, 0.5), (0.9, 1.1, 0.0), (1.1, 2.0, -0.5))
]
NOT_RECORDED = {"settled_on"}  # Northbank does not know when a rating was made up
IDS = {"person_id", "manager_id", "from_id", "to_id", "assessor_id"}


@dataclass(frozen=True)
class Company:
    """A company's canonical tables by name, what goes into `dataset.yml`, and what is true in
    it.
    """

    tables: dict[str, pd.DataFrame]
    dataset: dict[str, Any]
    truth: Truth = NORTHBANK


def northbank(
    *, people: int = 1500, cycles: int = 6, seed: int = 1, truth: Truth = NORTHBANK
) -> Company:
    """Draw Northbank: every canonical table, for `people` people ever employed over `cycles`
    half-years.

    Another `truth` than Northbank's own makes another company, with a title that says so. The naive
    figure misses the truth: saying "I don't know" changes nothing here, and those who do are rated
    lower.

    >>> from learnalign.linking import windows
    >>> rows = windows.link(dataset(northbank())).person_cycles
    >>> by_cycle = rows.groupby("cycle").rating
    >>> in_sd = (rows.rating - by_cycle.transform("mean")) / by_cycle.transform("std")
    >>> naive = in_sd[rows.acknowledged].mean() - in_sd[~rows.acknowledged].mean()
    >>> f"truth {NORTHBANK.acknowledging_on_rating:.2f}, naive {naive:.2f}"
    'truth 0.00, naive -0.13'

    >>> company = northbank(people=60, cycles=2)
    >>> list(company.tables["reviews"].cycle.unique())
    ['2025-H2', '2026-H1']
    """
    return _northbank(people, cycles, seed, truth)[0]


def _northbank(
    people: int, cycles: int, seed: int, truth: Truth = NORTHBANK
) -> tuple[Company, pd.DataFrame]:
    """Northbank and, a row per review, the truth behind it, which is never written."""
    _refuse_sizes({"people": people, "cycles": cycles, "seed": seed})
    bank = draw(people, cycles, seed, truth)
    return company(bank, recorded(bank, seed)), bank.reviews


def recorded(bank: Bank, seed: int) -> dict[str, Frame]:
    """What the systems hold of what happened: people and days are numbers still."""
    return {
        "people": _people(bank, stream(seed, 6)),
        "reviews": bank.reviews,
        "rewards": _rewards(bank, stream(seed, 7), stream(seed, 13)),
        "learning": _recorded(bank.learning),
        "assessments": bank.assessments,
        "acknowledgements": _worded(bank, stream(seed, 8)),
        "ties": bank.ties,
        "surveys": _surveys(bank, stream(seed, 9)),
    }


def company(bank: Bank, drawn: dict[str, Frame]) -> Company:
    """The canonical tables of what the systems hold, and what goes into `dataset.yml`."""
    dataset = {
        "title": TITLE if bank.truth == NORTHBANK else OTHER_TITLE,
        "as_of": AS_OF,
        "rating_scale": [1, 2, 3, 4, 5],
        "attributes": list(MADE.attributes),
        "merit_matrix": [dict(cell) for cell in MATRIX],
        "bonus_rewards_individual": bank.truth.bonus == "individual",
        "currency": "EUR",
    }
    tables = {name: _canonical(name, table, bank) for name, table in drawn.items()}
    return Company(tables, dataset, bank.truth)


def _canonical(name: str, drawn: Frame, bank: Bank) -> Frame:
    """The contract's columns in its order; numbers become ids and dates, rounded as they are
    written.
    """
    columns = [column.name for column in COLUMNS[name] if column.name not in NOT_RECORDED]
    columns += list(MADE.attributes) if name == "people" else []
    dates = [column.name for column in COLUMNS[name] if column.kind == "date"]
    dates = [name for name in dates if name in columns]
    values = {column: bank.label[drawn[column]] for column in sorted(IDS & {*columns})}
    values |= {column: _dates(drawn[column]) for column in dates}
    values |= {"skill": SKILLS[drawn["skill"]]} if "skill" in columns else {}
    values |= {column: drawn[column].round(2) for column in drawn.select_dtypes("float")}
    table = drawn.assign(**values)[columns]
    return table.sort_values(list(KEYS.get(name, columns[:4])), kind="stable", ignore_index=True)


def _dates(days: pd.Series) -> np.ndarray:
    never = np.datetime64("NaT").astype("int64")
    return np.where(days < NEVER, days, never).astype("datetime64[D]").astype("datetime64[s]")


def dataset(company: Company) -> DataSet:
    """The company as `reading.read` gives it from its files, without files: for many companies in
    one study.

    >>> dataset(northbank(people=60, cycles=2)).tables["reviews"].rating.type()
    Float64(nullable=True)
    """
    return reading.of_frames(company.tables, Meta.model_validate(company.dataset))


def write(company: Company, out: Path) -> Path:
    """Write a company as CSV files, `dataset.yml` and `TRUTH.md`; the folder changes as a whole or
    not at all.

    A folder that holds an earlier simulation is replaced; a folder with anything else in it is
    refused.
    """
    out = Path(out).resolve()
    _refuse_strangers(out, company)
    with staged(out) as folder:
        _write_files(company, folder)
    return out


def simulate(
    out: str | Path, *, people: int = 1500, cycles: int = 6, seed: int = 1, truth: Truth = NORTHBANK
) -> Path:
    """Draw a made-up bank whose truth is known and write it to a folder: `northbank` and `write`.

    >>> import tempfile
    >>> import learnalign as la
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     la.check(la.simulate(f"{folder}/bank", people=60, cycles=2))
    ()
    """
    return write(northbank(people=people, cycles=cycles, seed=seed, truth=truth), Path(out))


def _write_files(company: Company, folder: Path) -> None:
    plain = {"lineterminator": "\n", "float_format": "%.2f", "date_format": "%Y-%m-%d"}
    for name, table in company.tables.items():
        (folder / f"{name}.csv").write_bytes(table.to_csv(index=False, **plain).encode())
    (folder / "dataset.yml").write_bytes(yaml.safe_dump(company.dataset, sort_keys=False).encode())
    (folder / PAGE).write_bytes(page.page(company.truth).encode())


def _refuse_sizes(got: dict[str, int]) -> None:
    problems = []
    for name, value in got.items():
        low, high = LIMITS[name]
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            text, allowed = "is not a size we can draw", f"a whole number from {low} to {high}"
            fix = f"try {name}={low}"
            problems.append(Problem("northbank", name, text, repr(value), allowed, fix))
    if problems:
        raise DataError(problems)


def _refuse_strangers(out: Path, company: Company) -> None:
    if not out.exists():
        return
    meta = out / "dataset.yml"
    names = (path.name for path in out.iterdir()) if out.is_dir() else ["a file"]
    inside = sorted(names, key=str.lower)
    ours = {f"{name}.csv" for name in company.tables} | {"dataset.yml", PAGE, PRIVATE}
    text = meta.read_text("utf-8", errors="replace") if meta.is_file() else ""
    earlier = any(f"title: {title}\n" in text for title in (TITLE, OTHER_TITLE))
    if inside and not (earlier and ours.issuperset(inside)):
        allowed = f"a new or empty folder, or one that holds only an earlier '{TITLE}'"
        fix, got = "name another folder, or move this one away", ", ".join(inside[:5])
        text = "exists and is not an earlier simulation"
        raise DataError([Problem(str(out), "", text, got, allowed, fix)])


# --- what the systems hold


def _people(bank: Bank, rng: Rng) -> Frame:
    people = np.arange(len(bank.hired))
    drawn = {name: pick(rng, shares, len(people)) for name, shares in MADE.attributes.items()}
    return Frame({"person_id": people, "hired_on": bank.hired, "left_on": bank.left, **drawn})


def _rewards(bank: Bank, rng: Rng, more: Rng) -> Frame:
    """Merit is the matrix's target and what the two questions earn; bonus knows the bank and the
    grade.
    """
    reviews, rows, cycle = bank.reviews, len(bank.reviews), bank.reviews["at"].to_numpy()
    place = np.clip(1 + 0.1 * normal(rng, len(bank.hired)), 0.75, 1.3)[reviews.person_id]
    compa = np.rint(100 * (place + 0.02 * normal(rng, rows))) / 100
    cell = 3 * (reviews.rating - 1) + np.searchsorted([0.9, 1.1], compa, side="right")
    target = np.array([cell["target_pct"] for cell in MATRIX])[cell]
    answers = 1.4 + 0.6 * reviews.learned.to_numpy() + 0.7 * normal(rng, 2, rows)
    points = np.clip(np.rint(answers), 0, 3).astype(int)
    per_point = bank.truth.learning_on_merit / NORTHBANK.learning_on_merit * MADE.merit["per_point"]
    gap = per_point * (points.sum(axis=0) - 2.8) + MADE.merit["manager"] * reviews.leniency
    merit = np.where(target > 0, target + gap + MADE.merit["noise"] * normal(rng, rows), 0)
    said = _for_acknowledging(merit, target > 0, reviews.acknowledged, bank.truth)
    factor = np.rint(80 + 50 * rng.random(len(bank.cycles)))[cycle] / 100
    rewards = reviews[["person_id", "cycle"]].assign(
        effective_on=bank.effective[cycle],
        merit_pct=np.maximum(merit + said, 0),
        merit_target_pct=target,
        compa_ratio=compa,
        bonus_pct=factor * reviews.grade.map(MADE.bonus_target) / 2,
        company_factor=factor,
        learning_enabled_performance=points[0],
        learning_positions_for_objectives=points[1],
    )
    if bank.truth.bonus == "individual":
        own = 1 + MADE.bonus["per_rating"] * (reviews.rating - 3)
        own = np.maximum(own + MADE.bonus["noise"] * normal(more, rows), 0)
        rewards = rewards.assign(bonus_pct=rewards.bonus_pct * own)
    kept = there(bank, rewards.person_id, rewards.effective_on) & (rng.random(rows) > 0.02)
    shared = _shared_out if bank.truth.fixed_merit_pool else lambda rewards, _: rewards
    return shared(rewards[kept], reviews[kept])


def _for_acknowledging(
    merit: np.ndarray, paid: np.ndarray, said: pd.Series, truth: Truth
) -> np.ndarray:
    """What to add for acknowledging so that those who do get the declared effect on average.

    The matrix gives nothing in some cells, and nobody gets less than nothing: the others get so
    much more.
    """
    amount, theirs = truth.acknowledging_on_merit, merit[said & paid]
    if not amount or not len(theirs):
        return np.zeros(len(merit))
    wanted, most = amount * said.sum() / len(theirs), np.maximum(theirs, 0).mean()
    if wanted <= -most:
        text, got = "takes more merit than those who acknowledge get in this company", f"{amount:g}"
        fix = "draw more people, or take less"
        raise DataError([Problem("Truth", "acknowledging_on_merit", text, got, fix=fix)])
    added = brentq(lambda add: np.maximum(theirs + add, 0).mean() - most - wanted, -20, 20)
    return np.where(said & paid, added, 0)


def _shared_out(rewards: Frame, reviews: Frame) -> Frame:
    """Every manager's team gets what the matrix gives it: all who get merit share what is over or
    short.
    """
    team, paid = [reviews.manager_id, reviews["at"]], rewards.merit_target_pct > 0
    over = (rewards.merit_pct - rewards.merit_target_pct).where(paid)
    merit = rewards.merit_pct - over.groupby(team).transform("mean")
    merit = merit.clip(lower=0).where(paid, 0)
    target, spent = (
        values.groupby(team).transform("sum") for values in (rewards.merit_target_pct, merit)
    )
    fair = (target / spent).where(spent > 0, 1)  # what fell below nothing is spent
    return rewards.assign(merit_pct=merit * fair)


def _recorded(learning: Frame) -> Frame:
    """Catalogue numbers and costs where a system records, and no hours where nothing could
    happen.
    """
    kind = learning.activity_type
    rate = kind.map({name: made["rate"] for name, made in MADE.types.items() if "rate" in made})
    off = learning.status.isin(["waitlisted", "cancelled_by_provider"])
    skill = pd.Series(SKILLS[learning["skill"]]).fillna("general")
    name = kind + "-" + skill + "-" + learning.run.astype(str)
    return learning.assign(
        mode=kind.map({name: made["mode"] for name, made in MADE.types.items()}),
        recorded_by=np.where(rate.notna(), "system", "self"),
        activity_id=name.mask(learning.is_required, "conduct").where(rate.notna(), None),
        cost=(rate * learning.hours).mask(off & rate.notna(), 0),
        hours=learning.hours.mask(off),
    )


def _worded(bank: Bank, rng: Rng) -> Frame:
    """Where it was said, to whom, by when help was needed, and how well it was asked."""
    said, rows = bank.said, len(bank.said)
    channel = np.where(said.seen, pick(rng, MADE.seen, rows), pick(rng, MADE.unseen, rows))
    close = np.where((channel == "one_to_one") | (rng.random(rows) < 0.5), "manager", "private")
    needed = said.acknowledged_on - 4 + below(rng, 40, rows)  # some ask too late
    dated = (channel == "help_request") & (rng.random(rows) < 0.7) & (needed <= bank.as_of)
    late = needed + 1 + below(rng, 10, rows)
    escalated = dated & (rng.random(rows) < 0.12) & (late <= bank.as_of)
    coded = np.isin(channel, ["help_request", "question"]) & (rng.random(rows) < 0.6)
    flags = {
        flag: pd.Series(rng.random(rows) < share, dtype="boolean").where(coded)
        for flag, share in MADE.asked_well.items()
    }
    return said.assign(
        channel=channel,
        audience=np.where(said.seen, pick(rng, {"team": 6, "public": 4}, rows), close),
        needed_by=np.where(dated, needed, NEVER),
        escalated_on=np.where(escalated, late, NEVER),
        **flags,
    )


def _surveys(bank: Bank, rng: Rng) -> Frame:
    """Three items a scale and domain in every unit, some weeks before the reviews: means only."""
    reviews = bank.reviews
    strong = bank.strong[bank.unit[reviews.person_id, reviews["at"]]]
    units = (
        reviews.assign(strong=strong)
        .groupby(["unit", "at"])
        .agg(size=("leniency", "size"), lenient=("leniency", "mean"), strong=("strong", "mean"))
    )
    items = [
        (scale, domain, f"{scale}_{domain}_{number}")
        for scale, domains in MADE.survey.items()
        for domain in domains
        for number in (1, 2, 3)
    ]
    asked = Frame(items, columns=["scale", "domain", "item"])
    surveys = units.reset_index().merge(asked, how="cross")
    easy = 0.25 * np.tile(normal(rng, len(items)), len(units))
    safety = surveys.scale == "psychological_safety"
    said = np.where(safety, 0.3 * surveys.lenient, 0.1 * surveys.lenient + 0.3 * surveys.strong)
    mean = 3.6 + easy + said + 0.8 * normal(rng, len(surveys)) / np.sqrt(surveys["size"])
    n, waves = np.ceil(0.7 * surveys["size"]).astype(int), bank.review[surveys["at"]] - 40
    return surveys.assign(wave_on=waves, n=n, mean=np.clip(mean, 1, 5))

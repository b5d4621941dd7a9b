"""Contract and link of learning and reviews, beside SQL and pandas written by hand for the same
columns; time and peak memory, each in a process of its own, in turns. Run as a script:

    python tests/benchmarks/bench_link.py 1e6 1e7 --turns 3
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import duckdb
import pandas as pd

from learnalign.data.contract import MODE_OF_TYPE
from learnalign.data.reading import read
from learnalign.linking.exposures import KINDS, MODES, NOT_HELD
from learnalign.linking.windows import EXPOSURES, link

AS_OF, CYCLES, EVENTS = "2024-06-30", 8, 100  # of a person
TIMES = ("people", "reviews", "learning")


def make(folder: Path, n: int) -> None:
    """A company of `n` learning events in no order, 100 a person, over eight half-yearly cycles."""
    folder.mkdir(parents=True, exist_ok=True)
    people, put = max(n // EVENTS, 20), duckdb.connect()
    pick = "[(1 + hash({}) % {})::int]"
    tables = {
        "people": f"""
            SELECT 'P' || lpad(i::text, 8, '0') person_id,
                   date '2015-01-01' + (hash(i) % 1500)::int hired_on,
                   CASE WHEN hash(i + 7) % 10 = 0
                        THEN date '2024-02-01' + (hash(i + 3) % 140)::int END AS left_on
            FROM range({people}) t(i)""",
        "reviews": f"""
            SELECT 'P' || lpad(i::text, 8, '0') person_id, '20' || (20 + k // 2) || 'H' || (1 + k % 2) "cycle",
                   (date '2020-06-30' + interval (k * 6) month)::date + (hash(i * 31 + k) % 20)::int reviewed_on,
                   (1 + hash(i * 17 + k * 5) % 5)::double rating,
                   'P' || lpad((i // 10 * 10 + CASE WHEN i % 10 = 0 THEN 1 ELSE 0 END)::text, 8, '0') manager_id,
                   'U' || (i // 1000) unit, 'G' || (hash(i) % 6) grade
            FROM range({people}) t(i), range({CYCLES}) u(k)""",
        "learning": f"""
            SELECT 'P' || lpad((hash(e) % {people})::text, 8, '0') person_id,
                   date '2019-12-01' + (hash(e * 3 + 1) % 1600)::int learned_on,
                   {[*MODE_OF_TYPE]}{pick.format("e * 5 + 2", len(MODE_OF_TYPE))} activity_type,
                   (0.5 + (hash(e * 7) % 16) / 2.0)::double AS hours, hash(e * 11) % 4 = 0 is_required,
                   {["completed"] * 6 + [*NOT_HELD, "withdrawn"]}{pick.format("e * 13", 9)} status
            FROM range({n}) t(e)""",
    }  # fmt: skip
    for name, query in tables.items():
        put.execute(f"COPY ({query}) TO '{folder / name}.parquet'")
    said = f"title: Made for speed\nas_of: {AS_OF}\nrating_scale: [1, 2, 3, 4, 5]\n"
    (folder / "dataset.yml").write_text(said, encoding="utf-8")


# --- three ways to the same columns


def ours(folder: Path) -> pd.DataFrame:
    """As `la.study` does it: every rule of the contract checked, every lost row accounted for."""
    return link(read(folder)).person_cycles


def sql(folder: Path) -> pd.DataFrame:
    """As somebody would write it who knows DuckDB; nothing is checked, nothing accounted for."""
    own = {"": "true", "required_": "is_required", "voluntary_": "NOT is_required"}
    own |= {f"{mode}_": f"mode = '{mode}'" for mode in MODES}
    own |= {f"voluntary_{kind}_": f"NOT is_required AND kind = '{kind}'" for kind in KINDS}
    sums = [
        f"sum(hours) FILTER (done AND {which}) AS {name}hours, "
        f"count(*) FILTER (done AND {which}) AS {name}activities"
        for name, which in own.items()
    ]
    sums += [f"count(*) FILTER (lost AND kind = '{kind}') {kind}_not_held" for kind in KINDS]
    sums += [
        "count(*) FILTER (lost) offered_not_held",
        "max(learned_on) FILTER (done) last_learned_on",
        "max(learned_on) FILTER (lost) last_not_held_on",
        "sum(hours) FILTER (early) voluntary_hours_early_next",
        "count(*) FILTER (early) voluntary_activities_early_next",
    ]
    around = [
        f"{way}({name}{number}) OVER t {name}_{word}"
        for name in EXPOSURES[:2]
        for way, number, word in (
            ("lead", "", "next"),
            ("lag", "", "previous"),
            ("lag", ", 2", "previous_2"),
        )
    ]
    counted = [
        f"coalesce({name}{of}, 0) AS {name}{of}" for name in own for of in ("hours", "activities")
    ]
    counted += [f"coalesce({kind}_not_held, 0) {kind}_not_held" for kind in (*KINDS, "offered")]
    modes = " ".join(f"WHEN '{kind}' THEN '{mode}'" for kind, mode in MODE_OF_TYPE.items())
    changed = ", ".join(
        f"coalesce({of} <> lag({of}) OVER t, false) {name}_changed"
        for name, of in (("manager", "manager_id"), ("unit", "unit"), ("grade", "grade"))
    )
    with_landmark = [f"voluntary_{of}_early_next" for of in ("hours", "activities")]
    early = ", ".join(
        f"CASE WHEN until > began THEN coalesce({name}, 0) END AS {name}" for name in with_landmark
    )
    query = f"""
        WITH placed AS (
            SELECT r.*, row_number() OVER t review_number,
                   lag(rating) OVER t rating_prior_1, lag("cycle") OVER t cycle_prior_1,
                   lag(rating, 2) OVER t rating_prior_2, lag("cycle", 2) OVER t cycle_prior_2,
                   {changed},
                   reviewed_on - 30 window_end,
                   coalesce(lag(reviewed_on) OVER t - 30, reviewed_on - 212) window_start
            FROM reviews r WINDOW t AS (PARTITION BY person_id ORDER BY reviewed_on, "cycle")
        ), cycles AS (
            SELECT "cycle", lead("cycle") OVER o next_cycle, lead(opens) OVER o next_opens
            FROM (SELECT "cycle", min(reviewed_on) opens FROM reviews GROUP BY 1)
            WINDOW o AS (ORDER BY opens, "cycle")
        ), reviewed AS MATERIALIZED (
            SELECT p.*, hired_on, left_on, (reviewed_on - hired_on) / 365.25 tenure_years,
                   CASE WHEN next_cycle IS NOT NULL THEN n.person_id IS NOT NULL END reviewed_next,
                   CASE WHEN window_end + 60 < next_opens - 30
                         AND coalesce(lead(window_end) OVER t, window_end + 60) >= window_end + 60
                         AND (left_on IS NULL OR left_on >= window_end + 60)
                        THEN window_end + 60 END AS until
            FROM placed p LEFT JOIN people USING (person_id) LEFT JOIN cycles USING ("cycle")
            LEFT JOIN (SELECT person_id, "cycle" next_cycle FROM reviews) n
                   USING (person_id, next_cycle)
            WINDOW t AS (PARTITION BY person_id ORDER BY reviewed_on, p."cycle")
        ), events AS (
            SELECT w.person_id, w."cycle", hours, is_required, mode, learned_on,
                   CASE WHEN activity_type = 'mentoring' THEN 'mentoring' ELSE mode END AS kind,
                   status = 'completed' AND learned_on < window_end done,
                   status <> 'completed' AND learned_on < window_end AND NOT is_required lost,
                   status = 'completed' AND learned_on >= window_end AND NOT is_required early
            FROM (SELECT *, CASE activity_type {modes} END AS mode FROM learning
                  WHERE status IN {("completed", *NOT_HELD)}) l
            JOIN reviewed w ON l.person_id = w.person_id AND learned_on >= window_start
                           AND learned_on < coalesce(until, window_end)
        ), counted AS (
            SELECT person_id, "cycle", {", ".join(sums)} FROM events GROUP BY 1, 2
        ), filled AS (
            SELECT r.* EXCLUDE (until), {", ".join(counted)}, last_learned_on, last_not_held_on,
                   {early}
            FROM reviewed r LEFT JOIN counted USING (person_id, "cycle"),
                 (SELECT min(learned_on) began FROM learning)
        )
        SELECT *, {", ".join(around)}
        FROM filled WINDOW t AS (PARTITION BY person_id ORDER BY reviewed_on, "cycle")
        ORDER BY person_id, reviewed_on, "cycle"
    """
    engine = duckdb.connect()
    for name in TIMES:
        engine.execute(f"CREATE VIEW {name} AS FROM '{folder / name}.parquet'")
    return engine.execute(query).df()


def pandas(folder: Path) -> pd.DataFrame:
    """As most would write it; nothing is checked, nothing accounted for."""
    people, reviews, learning = (pd.read_parquet(folder / f"{name}.parquet") for name in TIMES)
    day = pd.Timedelta(days=1)
    for frame, names in ((people, ("hired_on", "left_on")), (reviews, ("reviewed_on",)), (learning, ("learned_on",))):  # fmt: skip
        for name in names:
            frame[name] = pd.to_datetime(frame[name])
    rows = reviews.sort_values(["person_id", "reviewed_on", "cycle"], ignore_index=True)
    own = rows.groupby("person_id", sort=False)
    rows["review_number"] = own.cumcount() + 1
    for back in (1, 2):
        rows[[f"rating_prior_{back}", f"cycle_prior_{back}"]] = own[["rating", "cycle"]].shift(back)
    for name, of in (("manager", "manager_id"), ("unit", "unit"), ("grade", "grade")):
        rows[f"{name}_changed"] = (rows[of] != own[of].shift()) & (rows.review_number > 1)
    rows["window_end"] = rows.reviewed_on - 30 * day
    before = own.reviewed_on.shift() - 30 * day
    rows["window_start"] = before.fillna(rows.reviewed_on - 212 * day)
    rows = rows.merge(people, on="person_id", how="left")
    rows["tenure_years"] = (rows.reviewed_on - rows.hired_on).dt.days / 365.25
    opens = rows.groupby("cycle").reviewed_on.min().sort_values()
    following = dict(zip(opens.index, opens.index[1:], strict=False))
    next_cycle = rows.cycle.map(following)
    there = pd.MultiIndex.from_frame(rows[["person_id", "cycle"]])
    wanted = pd.MultiIndex.from_arrays([rows.person_id, next_cycle])
    rows["reviewed_next"] = pd.Series(wanted.isin(there), rows.index).where(next_cycle.notna())
    end = rows.window_end + 60 * day
    following_end = rows.groupby("person_id", sort=False).window_end.shift(-1)
    whole = (end < next_cycle.map(opens) - 30 * day) & (following_end.fillna(end) >= end)
    rows["until"] = end.where(whole & (rows.left_on.isna() | (rows.left_on >= end)))
    windows = rows[["person_id", "cycle", "window_start", "window_end", "until"]]
    taken = learning[learning.status.isin(["completed", *NOT_HELD])]
    events = taken.merge(windows, on="person_id")
    last = events.until.fillna(events.window_end)
    events = events[(events.learned_on >= events.window_start) & (events.learned_on < last)]
    mode = events.activity_type.map(MODE_OF_TYPE)
    kind = mode.mask(events.activity_type == "mentoring", "mentoring")
    inside, done = events.learned_on < events.window_end, events.status == "completed"
    free = ~events.is_required
    those = {"": done & inside, "required_": done & inside & events.is_required}
    those |= {"voluntary_": done & inside & free}
    those |= {f"{name}_": done & inside & (mode == name) for name in MODES}
    those |= {f"voluntary_{name}_": done & inside & free & (kind == name) for name in KINDS}
    columns = {}
    for name, which in those.items():
        columns |= {f"{name}hours": events.hours.where(which, 0.0), f"{name}activities": which * 1}
    lost = ~done & inside & free
    columns |= {f"{name}_not_held": (lost & (kind == name)) * 1 for name in KINDS}
    columns |= {"offered_not_held": lost * 1}
    early = done & ~inside & free
    columns |= {"voluntary_hours_early_next": events.hours.where(early, 0.0)}
    columns |= {"voluntary_activities_early_next": early * 1}
    keys = [events.person_id, events.cycle]
    counted = pd.DataFrame(columns).groupby(keys, sort=False).sum()
    days = {"last_learned_on": done & inside, "last_not_held_on": lost}
    latest = {name: events.learned_on.where(which) for name, which in days.items()}
    counted = counted.join(pd.DataFrame(latest).groupby(keys, sort=False).max())
    rows = rows.merge(counted.reset_index(), on=["person_id", "cycle"], how="left")
    numbers = [name for name in counted if name not in days]
    rows[numbers] = rows[numbers].fillna(0)
    soon = [name for name in numbers if name.endswith("early_next")]
    rows[soon] = rows[soon].where(rows.until > learning.learned_on.min())
    by_person = rows.groupby("person_id", sort=False)
    for name in EXPOSURES[:2]:
        for word, step in (("next", -1), ("previous", 1), ("previous_2", 2)):
            rows[f"{name}_{word}"] = by_person[name].shift(step)
    return rows.drop(columns="until")


WAYS = {"ours": ours, "sql": sql, "pandas": pandas}


# --- measuring


def measured(way: str, folder: Path) -> dict[str, float]:
    """Seconds, seconds of CPU and peak gigabytes of one way, in a process of its own."""
    command = [sys.executable, __file__, "--one", way, str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def one(way: str, folder: Path) -> dict[str, float]:
    began = time.perf_counter()
    rows = WAYS[way](folder)
    took = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": took,
        "cpu": usage.ru_utime + usage.ru_stime,
        "gb": usage.ru_maxrss / 1e6,
        "rows": len(rows),
        "columns": rows.shape[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", default=["1e6", "1e7"])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--ways", nargs="+", default=[*WAYS])
    parser.add_argument("--one", nargs=2)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(asked.one[0], Path(asked.one[1]))))
        return
    print(
        "| events | way | columns | seconds | CPU | peak GB | of SQL |\n|--:|---|--:|--:|--:|--:|--:|"
    )
    for size in asked.sizes:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), int(float(size)))
            turns = [{w: measured(w, Path(folder)) for w in asked.ways} for _ in range(asked.turns)]
        for way in asked.ways:
            s, c, g = (median(turn[way][of] for turn in turns) for of in ("seconds", "cpu", "gb"))
            ratio = median(turn[way]["seconds"] / turn["sql"]["seconds"] for turn in turns)
            wide = int(turns[0][way]["columns"])
            print(
                f"| {int(float(size)):,} | {way} | {wide} | {s:.1f} | {c:.1f} | {g:.2f} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

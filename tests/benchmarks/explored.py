"""How often looking finds something where nothing is: studies with any "worth a test".

    python tests/benchmarks/explored.py [--companies 20] [--people 400] [--cycles 4] [--looks 0] [--seed 1]

Every company is simulated with nothing in it, linked, and looked at about a hundred times by
the verbs that an analyst types, of reviews, pay, gaps and teams (or until there are `--looks`, in
an order of each company's own: that many more companies can be counted); counted is in how many any look
was ever told "worth a test", what would have been told without a correction, and what
Benjamini-Hochberg over the looks so far would have told.
"""

import argparse
import json
import random
import time
from dataclasses import replace

import learnalign as la
from learnalign.studies import Study
from learnalign.verdicts.judge import adjusted
from northbank import tables
from northbank.truth import Truth

CLOSES = [name for name in vars(Truth()) if name.endswith("_on_closure")]
NOTHING = Truth(learning_on_rating=0, learning_on_merit=0, able_learners=0, strugglers=0, dip=0)
NOTHING = replace(NOTHING, leaders_on_teams=0.0, **dict.fromkeys(CLOSES, 1.0))
EXPOSURES = ("coaching", "reading_hours", "mentoring", "informal_hours", "social_hours")
EXPOSURES += ("acknowledged_by_question", "acknowledged_to_team", "acknowledged_by_help_request")
OUTCOMES = ("rating", "merit_pct", "merit_gap_pct", "bonus_net_pct")


def questions() -> list[tuple[str, tuple[str, ...], dict[str, str]]]:
    """What an analyst types, in the order of typing: the verb, its names, and how it is narrowed."""
    found = [("compare", (one, other), {}) for one in EXPOSURES for other in OUTCOMES]
    for exposure in ("coaching", "reading_hours", "acknowledged_by_question"):
        found.append(("compare", (exposure, "rating"), {"by": "function"}))
    found += [("ask", ("Q1", "Q2"), {"by": by}) for by in ("age_band", "gender")]
    for name, by in (("Q6", "skill"), ("Q6", "function"), ("Q8", "location"), ("Q4", "unit")):
        found.append(("ask", (name,), {"by": by}))
    return [*found, ("ask", ("Q7", "Q8"), {"where": "tenure_years < 3"})]


def looked(study: Study, most: int, seed: int) -> list[str]:
    """The verdicts as they were told, look by look; of few looks, in an order of the company's own."""
    told, asked = [], questions()
    if most:
        random.Random(seed).shuffle(asked)
    for verb, names, narrowed in asked:
        told += [row.verdict for row in getattr(la, verb)(study, *names, **narrowed)]
        if most and len(study.told.looks) >= most:
            break
    return told


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--companies", type=int, default=20)
    words.add_argument("--people", type=int, default=400)
    words.add_argument("--cycles", type=int, default=4)
    words.add_argument("--looks", type=int, default=0, help="so many in each and no more; 0: all")
    words.add_argument("--seed", type=int, default=1)
    said = words.parse_args()
    ever, alone, so_far, looks, figures, began = 0, 0, 0, 0, 0, time.monotonic()
    for seed in range(said.seed, said.seed + said.companies):
        bank = tables.northbank(people=said.people, cycles=said.cycles, seed=seed, truth=NOTHING)
        study = la.study(tables.dataset(bank))
        told = looked(study, said.looks, seed)
        rows = [*la.explored(study)]
        p = [row.p for row in rows]
        ever += "worth_a_test" in told
        alone += any(row.bare in ("higher", "lower") for row in rows)
        so_far += any(min(adjusted(p[: n + 1])) <= 0.05 for n in range(len(p)))
        looks += len(rows)
        figures += sum(row.estimate is not None for row in rows)
        print(
            seed,
            looks,
            figures,
            ever,
            alone,
            so_far,
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
    found = {
        "studies": said.companies,
        "looks": looks,
        "with a figure": figures,
        "ever worth a test": ever,
    }
    found |= {"beyond what matters, uncorrected": alone, "differs, BH over looks so far": so_far}
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""How often looking finds something where nothing is: studies with any "worth a test".

    python tests/benchmarks/explored.py [--companies 20] [--people 400] [--seed 1]

Every company is simulated with nothing in it, linked, and looked at more than sixty times by
the verbs that an analyst types, of reviews, pay, gaps and teams; counted is in how many any look
was ever told "worth a test", what would have been told without a correction, and what
Benjamini-Hochberg over the looks so far would have told.
"""

import argparse
import json
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


def looked(study: Study) -> list[str]:
    """The verdicts as they were told, look by look."""
    told = []
    for exposure in EXPOSURES:
        for outcome in OUTCOMES:
            told += [row.verdict for row in la.compare(study, exposure, outcome)]
    for exposure in ("coaching", "reading_hours", "acknowledged_by_question"):
        told += [row.verdict for row in la.compare(study, exposure, "rating", by="function")]
    told += [row.verdict for row in la.ask(study, "Q1", "Q2", by="age_band")]
    told += [row.verdict for row in la.ask(study, "Q1", "Q2", by="gender")]
    for name, by in (("Q6", "skill"), ("Q6", "function"), ("Q8", "location"), ("Q4", "unit")):
        told += [row.verdict for row in la.ask(study, name, by=by)]
    told += [row.verdict for row in la.ask(study, "Q7", "Q8", where="tenure_years < 3")]
    return told


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--companies", type=int, default=20)
    words.add_argument("--people", type=int, default=400)
    words.add_argument("--seed", type=int, default=1)
    said = words.parse_args()
    ever, alone, so_far, looks, began = 0, 0, 0, 0, time.monotonic()
    for seed in range(said.seed, said.seed + said.companies):
        bank = tables.northbank(people=said.people, cycles=4, seed=seed, truth=NOTHING)
        study = la.study(tables.dataset(bank))
        told = looked(study)
        rows = [*la.explored(study)]
        p = [row.p for row in rows]
        ever += "worth_a_test" in told
        alone += any(row.bare in ("higher", "lower") for row in rows)
        so_far += any(min(adjusted(p[: n + 1])) <= 0.05 for n in range(len(p)))
        looks += len(rows)
        print(seed, len(rows), ever, alone, so_far, f"{time.monotonic() - began:.0f} s", flush=True)
    found = {"studies": said.companies, "looks": looks, "ever worth a test": ever}
    found |= {"beyond what matters, uncorrected": alone, "differs, BH over looks so far": so_far}
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""Askable: what can be asked of these data at all, told before any result."""

import pandas as pd

from learnalign.estimates import ask, closing, contrasts, leaders
from learnalign.studies import Study, tell
from learnalign.verdicts import explain, rows
from learnalign.verdicts.registry import headlines


def askable(study: Study) -> pd.DataFrame:
    """What each question needs, what is missing, and what could be seen, before any result.

    With it "we don't know" is told of every question that cannot be asked of these data.
    """
    filled, smallest = study.dataset.filled, dict(study.settings.smallest_effect)
    study.told.coverage = study.made(_coverage)
    tell(study, rows.unanswerable(filled, smallest))
    return study.told.coverage


def _coverage(study: Study) -> pd.DataFrame:
    few, seen = {"min_people": study.min_group}, {}
    for key in headlines():
        estimator = ask.estimator_of(key)
        if estimator == "contrast":
            seen[key] = contrasts.detectable(study.cycles, key, **few)
        elif estimator == "hazard":
            seen[key] = closing.detectable(ask.months(study), key, **few)
        elif estimator == "leaders":
            seen[key] = leaders.detectable(study.quarters)
    people = study.cycles.person_id.unique()
    seen = {
        key: study.gate.roughly(f"{key}, detectable", value, people) for key, value in seen.items()
    }
    return explain.coverage(study.dataset.filled, seen, dict(study.settings.smallest_effect))

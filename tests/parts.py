"""Parts that tests share: a described row, and a study whose linked frames are given."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from learnalign import studies
from learnalign.data.reading import DataSet
from learnalign.linking import windows
from learnalign.privacy.gate import Gate
from learnalign.privacy.rule import Rule
from learnalign.verdicts.result import Fit, Result

MARKED = {
    "file": "marks.csv",
    "columns": {
        "person_id": "No",
        "cycle": {"constant": "2023"},
        "reviewed_on": "On",
        "rating": "Mark",
        "unit": "Team",
    },
}
"""How a mapping reads reviews from the marks of a made-up export."""

DESCRIBED = Result(
    question="Q8",
    measure="mentoring_reach",
    headline=False,
    group="company",
    at="ever mentored",
    estimate=48.0,
    low=46.0,
    high=51.0,
    level=0.95,
    unit="%",
    n_people=400,
    n_clusters=41,
    method="share, clustered by manager",
    design="described",
    verdict="described",
    sentence="Ever mentored: 48.0 % (likely range 46.0 to 51.0 %).",
    branch="fact",
    checks=(),
    smallest_effect=None,
    detectable_effect=None,
    to_settle="",
    shown=True,
    note="",
)


class Open(Gate):
    """A gate that hides and moves nothing: what is counted, of however few people."""

    def fit(self, statistic: str, fit: Fit | None, *, first: bool = False) -> Fit | None:
        return fit

    def people(self, ids: Iterable[object], *, as_class: bool = False) -> int | None:
        return len(set(ids)) or None

    def rows(self, statistic: str, counts: pd.Series) -> int | None:
        return int(counts.sum())

    def share(self, statistic, person, yes, of=None):
        return float(100 * yes.astype(float).sum() / (len(yes) if of is None else of.sum()))


def study_of(
    dataset: DataSet,
    cycles: pd.DataFrame | None = None,
    *,
    gate: Gate | None = None,
    **parts: object,
) -> studies.Study:
    """A study of a data set with its person-cycles, `journeys` or `quarters` as given; shown is
    what `gate` lets through.
    """
    study = studies.study(dataset)
    study = replace(study, gate=gate) if gate else study
    given = {} if cycles is None else {"linked": windows.Linked(cycles, pd.DataFrame())}
    vars(study).update(given | parts)
    return study


OPEN = Open(Rule(10))


def behind(study: studies.Study, gate: Gate = OPEN) -> studies.Study:
    """The same study behind another gate, linked as it is."""
    other = replace(study, gate=gate, told=studies.Told(), _made={})
    vars(other).update(
        {name: made for name, made in vars(study).items() if name not in vars(other)}
    )
    return other

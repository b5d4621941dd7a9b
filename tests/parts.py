"""Parts that tests share: a described row, and a study whose linked frames are given."""

import pandas as pd

from learnalign import studies
from learnalign.data.reading import DataSet
from learnalign.linking import windows
from learnalign.verdicts.result import Result

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


def study_of(
    dataset: DataSet, cycles: pd.DataFrame | None = None, **parts: object
) -> studies.Study:
    """A study of a data set with its person-cycles, `journeys` or `quarters` as given."""
    study = studies.study(dataset)
    given = {} if cycles is None else {"linked": windows.Linked(cycles, pd.DataFrame())}
    vars(study).update(given | parts)
    return study

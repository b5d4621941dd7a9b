"""A study of which some parts are given: what is counted of it needs no linking of everything."""

import pandas as pd

from learnalign import studies
from learnalign.data.reading import DataSet
from learnalign.linking import windows


def study_of(
    dataset: DataSet, cycles: pd.DataFrame | None = None, **parts: object
) -> studies.Study:
    """A study of a data set with its person-cycles, `journeys` or `quarters` as given."""
    study = studies.study(dataset)
    given = {} if cycles is None else {"linked": windows.Linked(cycles, pd.DataFrame())}
    vars(study).update(given | parts)
    return study

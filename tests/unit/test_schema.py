"""The page of tables says what the contract and the questions say, and nothing else."""

import re
from pathlib import Path

import pytest

from learnalign.data.contract import COLUMNS
from learnalign.data.mistakes import DataError
from learnalign.verdicts import schema
from learnalign.verdicts.registry import questions

ROOT = Path(__file__).parents[2]


def test_the_page_in_docs_is_as_it_would_be_written():
    assert (ROOT / "docs/schema.md").read_text("utf-8") == schema.page()


@pytest.mark.parametrize("table", COLUMNS)
def test_every_column_is_there_with_what_may_stand_in_it(table):
    lines = {line.split("|")[1].strip(): line for line in schema.page(table).splitlines()[6:]}
    assert [*lines] == [f"`{column.name}`" for column in COLUMNS[table]]
    for column in COLUMNS[table]:
        line = lines[f"`{column.name}`"]
        assert all(f"`{one}`" in line for one in column.allowed)
        assert (line.split("|")[3].strip() == "yes") == column.required


def test_every_question_is_named_where_it_lacks_something():
    told = schema.page()
    named = {
        key: [line for line in told.splitlines() if re.search(rf"\b{key}\b", line)]
        for key in questions()
    }
    for key, question in questions().items():
        assert len(named[key]) >= len(question.needs) > 0
    assert "Q8 (or `ties`)" in schema.page("learning")


def test_a_wrong_name_gets_the_nearest():
    with pytest.raises(DataError, match="did you mean 'reviews'"):
        schema.page("revews")


def test_what_may_lie_after_the_last_day_is_said_of_those_alone_that_may():
    later = {name for name, columns in COLUMNS.items() for one in columns if one.may_be_later}
    told = [line.split("`")[1] for line in schema.page().splitlines() if "also after" in line]
    assert told == ["needed_by", "invited_on"] and later == {
        "reviews",
        "acknowledgements",
        "invitations",
    }

"""Asking: what an analyst asks, and how an answer shows itself.

A question that was fixed beforehand is answered as ever (`estimates.ask`); any other is a look
(`estimates.explore`): it counts, it is never a headline, and at most it is worth a test.
"""

from collections.abc import Sequence
from typing import Any

from learnalign.data.mistakes import DataError
from learnalign.estimates import ask as fixed
from learnalign.estimates import explore
from learnalign.estimates.asked import Asked
from learnalign.report import marks, show, waiting
from learnalign.report.shown import Shown, part
from learnalign.studies import Answers, Study
from learnalign.verdicts.looks import Look, listed_in_words
from learnalign.verdicts.registry import measures, phrases, questions, verdict_words
from learnalign.verdicts.result import Result, number


class Told(Answers):
    """Answers that show themselves: in a notebook as on the page, elsewhere as text."""

    title: str = ""

    def _repr_html_(self) -> str:
        return self.shown._repr_html_()

    def __str__(self) -> str:
        return str(self.shown)

    @property
    def shown(self) -> Shown:
        """The sentence, from where to where, interval, checks, and what would settle it."""
        answers = [_answer(row, raw) for row, raw in marks.paired(self)]
        return part("looked", title=self.title, answers=answers)


def ask(
    study: Study,
    *names: str,
    by: str = "",
    where: str = "",
    window_days: int | None = None,
    equal: Sequence[str] = (),
) -> Told:
    """The answers to questions that were fixed before anyone looked ("Q2"), or to all of them.

    Each measure of a question has a headline row, and beside it the raw figure, which holds nothing
    equal. A row has its verdict, a sentence, the interval in the unit of the row, the checks that
    tried to refute it, and what would settle it; where privacy says so it is blank. A measure
    ("acknowledging_to_merit_total") can be asked for alone.

    Asked otherwise, it is a look: `by` each value of a column ("function", "unit"), only `where` an
    expression holds ("tenure_years < 1 and location == 'Farhaven'"), with what fell in the last
    `window_days` before a window's end, or with more held `equal`. A look counts for the study
    (`explored`) and says at most "worth a test". Questions on gaps (Q6, Q7, Q8) can be asked by,
    and where, an attribute, "skill", "unit" or "grade" (where also "severity" and "tenure_years")
    is so; those on teams (Q4) by and where "unit". A window, and what is `equal`, are of questions
    on reviews and pay (Q1, Q2, Q3, Q5), and so is whatever is asked without a name. `DataError`,
    with the nearest name and what can be asked, where there is no such thing to ask.

    Misleads where rows are picked after looking: every question is corrected for how many are asked
    in a report (Holm), and here not yet.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> [(row.measure, row.at, row.verdict) for row in la.ask(study, "Q2")]
    [('acknowledging_to_rating', '', 'none'), ('acknowledging_to_rating', 'raw', 'described')]
    >>> [row.group for row in la.ask(study, "Q2", by="gender")]
    ['gender=female', 'gender=male', 'gender=non-binary']
    """
    narrow = _narrow(study, by=by, where=where, window_days=window_days, equal=equal)
    if not (by or where or window_days is not None or equal):
        with waiting.watched(study):
            return Told(study, fixed.ask(study, *names))
    wanted = []
    for key in fixed.looked_at(names):
        question, measure = measures()[key]
        about = {"question": question.key, "measure": key}
        one = Asked(measure.exposure, measure.outcome, **narrow, **about)
        if names or measure.estimator == "contrast":  # of all questions, those that can be
            wanted.append(one)
    with waiting.watched(study):
        return Told(study, explore.explore(study, wanted))


def compare(
    study: Study,
    exposure: str,
    outcome: str,
    *,
    equal: Sequence[str] = (),
    by: str = "",
    where: str = "",
    window_days: int | None = None,
) -> Told:
    """People who differ in any `exposure`, compared in any `outcome`, as the headlines compare.

    `exposure`: a kind of learning or acknowledging, at all ("coaching", "acknowledged_to_public")
    or its amount (+1 SD of log(1 + amount) within the cycle: "reading_hours"), "tenure_years", or
    an attribute (each value against everybody else). `outcome`: "rating" (SD within the cycle),
    "merit_pct", "merit_gap_pct", "bonus_pct", "bonus_net_pct", "stayed" or "acknowledged_next" (all
    in percentage points). Held equal are manager and cycle, past ratings and role, as for the
    headlines, and what `equal` names besides ("rating", an attribute). `by`, `where`, `window_days`
    as in `ask`. Every row is a look: it counts, and says at most "worth a test". `DataError`, with
    the nearest name, where there is no such thing.

    Misleads as the headlines do, and more: what is found by looking often is found by chance.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> about = {"exposure": "reading_hours", "outcome": "merit_gap_pct"}
    >>> row = la.compare(study, **about, equal=["rating"])[0]
    >>> row.design, row.headline, row.unit
    ('explored', False, 'percentage points')
    """
    narrow = _narrow(study, by=by, where=where, window_days=window_days, equal=equal)
    with waiting.watched(study):
        return Told(study, explore.explore(study, [Asked(exposure, outcome, **narrow)]))


def explored(study: Study) -> Told:
    """Every look of a study so far, in all sessions, as a correction for their number leaves it.

    The list is kept beside the study's data. The first 20 looks are paid for together, then twice
    as many each time: in at most 1 of 20 studies in which nothing is true is any look ever called
    worth a test. The same question in other words, or asked again, is one look.

    Misleads where looks were taken elsewhere: in a spreadsheet, or on a copy of the data.

    >>> import learnalign as la
    >>> study = la.study("data/demo")
    >>> looks = la.ask(study, "Q2", where="tenure_years < 2")
    >>> la.explored(study).title[:15]
    'You have looked'
    """
    found = Told(study, explore.explored(study))
    found.title = listed_in_words([*found])
    if study.told.unkept:
        text = phrases("explored")["list"]["unkept"]
        found.title += " " + text.format(why=study.told.unkept)
    return found


def _narrow(study: Study, *, equal: Sequence[str], **said: Any) -> dict[str, Any]:
    """To what a question is narrowed; one name is a name, and not its letters."""
    if not isinstance(study, Study):
        raise DataError.of("no_study", "study", got=repr(study)[:100])
    return said | {"equal": (equal,) if isinstance(equal, str) else tuple(equal)}


# --- how an answer is shown


def _answer(row: Result, raw: Result | None) -> dict[str, object]:
    """What the page's parts ask for of an answer, and of a look from which outcome to which."""
    asked_of = questions().get(row.question)
    text = asked_of.text if asked_of and not isinstance(row, Look) else _title(row)
    about = show.Answer({"text": text}, row, raw, verdict_words()[row.verdict])
    return {"one": about, "ends": _ends(row), "checks": row.checks, "label": text}


def _title(row: Result) -> str:
    name = questions()[row.question].text if row.question in questions() else row.measure
    group = "" if row.group == "company" else row.group.replace("=", ": ")
    return " · ".join(filter(None, (name.replace("_", " "), group.replace("_", " "))))


def _ends(row: Result) -> str:
    if not isinstance(row, Look) or row.before is None or row.after is None:
        return ""
    first, last = (number(end, row.unit) for end in (row.before, row.after))
    return phrases("explored")["ends"].format(first=first, last=last)

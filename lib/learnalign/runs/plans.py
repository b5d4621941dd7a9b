"""Plans: what was fixed before anyone looked, written when the form of the data was checked and
nothing was computed of them, and what was changed since an edition was made.

The plans of all reports lie in `out`/plan.json, each with its digest and day, the first of a report
on top. A change before the first edition takes the plan's place, as nobody has seen a result; a
later one is added, and every edition from then on tells it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pydantic

from learnalign.data.mistakes import DataError
from learnalign.data.writing import refuse_links, write_whole
from learnalign.linking import exposures, windows
from learnalign.runs import files
from learnalign.runs.journal import Journal
from learnalign.runs.spec import RunSpec
from learnalign.verdicts import document, judge, registry

FILE = "plan.json"
CONTRAST = ("estimator", "exposure", "outcome", "unit", "smallest", "doers", "others", "held")
SHORT = 40  # letters; of what is longer, a change is named and not cited


@dataclass(frozen=True)
class Plan:
    """A plan: when it was fixed, how many editions of the report there were, in what it differs
    from the one before, and all that it fixes.
    """

    digest: str
    fixed_on: str  # UTC
    editions: int
    changed: tuple[str, ...]
    fixed: dict[str, Any]


PLANS = pydantic.TypeAdapter(dict[str, tuple[Plan, ...]])


def of(spec: RunSpec) -> dict[str, Any]:
    """All that a plan fixes: questions and contrasts, smallest effects, windows, checks."""
    asked = {
        key: {"text": one.text, "needs": [need.where for need in one.needs]}
        | {
            name: {field: getattr(about, field) for field in CONTRAST}
            for name, (question, about) in registry.measures().items()
            if question.key == key
        }
        for key, one in registry.questions().items()
    }
    checks = {
        name: {key: about[key] for key in ("asks", "revokes_none")}
        for name, about in registry.phrases("checks").items()
    }
    return {
        "questions": asked,
        "smallest_effect": spec.smallest_effect.model_dump(),
        "windows": {
            "embargo_days": spec.embargo_days,
            "first_window_days": windows.FIRST_WINDOW_DAYS,
            "late_days": exposures.LATE_DAYS,
        },
        "chance": {"level": 1 - judge.ALPHA, "headlines": "Holm"},
        "checks": checks,
        "shown": {"min_group": spec.min_group, "units": list(spec.units)},
        "notebooks": list(spec.notebooks),
    }


def kept(spec: RunSpec, log: Journal) -> tuple[Plan, ...]:
    """The plans of a report, the one that holds now last; written where it is new.

    A `DataError` where the file is damaged: what was fixed cannot be made up afterwards.
    """
    fixed = of(spec)
    mark = document.digest(fixed)
    with files.alone(log.out / ".runs/plan.lock"):
        known = read(log.out)
        plans = known.get(spec.report, ())
        if plans and plans[-1].digest == mark:
            return plans
        made = len([*(log.out / spec.report).glob("[!.]*/results.json")])
        before = plans if made else ()
        changed = tuple(changes(before[-1].fixed, fixed)) if before else ()
        on = log.started.isoformat(timespec="seconds")
        plans = (*before, Plan(mark, on, made, changed, fixed))
        known = known | {spec.report: plans}
        content = {name: [asdict(one) for one in some] for name, some in known.items()}
        refuse_links(log.out / FILE)
        write_whole(log.out / FILE, document.as_json(content), mode=0o644)
    return plans


def read(out: Path) -> dict[str, tuple[Plan, ...]]:
    """The plans of each report, oldest first; none where there is no file. A `DataError` where it
    is damaged, or a digest is not that of what it stands for.
    """
    try:
        plans = PLANS.validate_json((out / FILE).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, pydantic.ValidationError) as error:
        raise DataError.of("plan_torn", FILE, "", type(error).__name__) from None
    for one in (one for some in plans.values() for one in some):
        if one.digest != document.digest(one.fixed):
            raise DataError.of("plan_changed", FILE, "", one.digest[:12])
    return plans


def told(plans: tuple[Plan, ...]) -> dict[str, Any]:
    """What an edition tells of its plan: its digest and day, how many editions there were when the
    first one was fixed, and each change since, with its day.
    """
    since = [{"fixed_on": one.fixed_on, "what": list(one.changed)} for one in plans[1:]]
    first, last = plans[0], plans[-1]
    about = {"fixed_on": first.fixed_on, "editions": first.editions}
    return {"digest": last.digest[:12], **about, "changes": since}


def changes(before: Mapping[str, Any], now: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """In what a plan differs from the one before, a line for each place.

    >>> [*changes({"windows": {"embargo_days": 30}}, {"windows": {"embargo_days": 0}})]
    ['windows, embargo_days: 30 → 0']
    """
    for key in dict.fromkeys((*before, *now)):
        where = f"{place}, {key}" if place else str(key)
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from changes(old, new, where)
        elif old != new:
            values = [_shortly(one) for one in (old, new)]
            yield f"{where}: {' → '.join(values)}" if all(values) else where


def _shortly(value: Any) -> str:
    """A value as it is cited, "–" where there was none; nothing of what is long."""
    if value is None:
        return "–"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= SHORT and not isinstance(value, Mapping) else ""

"""Words: what a record says, from its fields and the files of `en/` (a translation is another).

Nothing is read back: what a sentence is made from stands on the record.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from learnalign.verdicts.registry import Measure, measures, phrases
from learnalign.verdicts.result import FEW_CLUSTERS, Check, Fit, Result, number, spread

COMPRESSED = 0.85  # of people with the same rating


def listed(parts: Sequence[str]) -> str:
    """Words in a row: commas, and the last with "and".

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def sentence_case(text: str) -> str:
    """A sentence with its first letter large and nothing after its end."""
    return text[:1].upper() + text[1:].rstrip()


# --- checks


def check(found: Check) -> Check:
    """A check with its `detail`: what it saw, in words; one without a `why` stays as it is.

    >>> check(Check.of("few clusters", "passed", "enough", needed="20", rater="manager")).detail
    '20 managers or more stand behind the interval'
    """
    if not found.why:
        return found
    text = phrases("checks")[found.name]["says"][found.why]
    return replace(found, detail=text.format(**dict(found.facts)))


def short(found: Check) -> str:
    """What a check saw, in the few words that a list has room for."""
    text = phrases("checks").get(found.name, {}).get("short", {}).get(found.why)
    return text.format(**dict(found.facts)) if text else found.detail


def revokes_none(found: Check) -> bool:
    """Whether a check that failed takes "practically none" away too: always, or by what it saw."""
    rule = phrases("checks").get(found.name, {}).get("revokes_none", False)
    return found.why in rule if isinstance(rule, list) else rule


def caps(found: Check) -> bool:
    """Whether a check that failed, by what it saw, leaves a difference that may be too small."""
    return found.why in phrases("checks").get(found.name, {}).get("caps", ())


def verdict(row: Result, said: Mapping[str, str]) -> str:
    """A row's verdict as a reader sees it, in the words of an edition: a difference is "shown" only
    by a design that compares, and "practically none" in spite of a failed check is not known.
    """
    if row.headline and row.verdict == "none" and failures(row):
        return said["unknown"]
    is_shown = row.verdict in ("higher", "lower") and row.design in ("compared", "randomised")
    return said.get("shown", said[row.verdict]) if is_shown else said[row.verdict]


def failures(row: Result) -> list[Check]:
    """The failed checks that a row's verdict is due to, or in spite of."""
    failed = [one for one in row.checks if one.outcome == "failed"]
    return [one for one in failed if row.verdict != "unknown" or revokes_none(one)]


# --- figures


def marks(smallest: float, unit: str) -> tuple[float, float, float]:
    """Where a difference begins to matter downwards, where there is none, and where it begins to
    matter upwards.
    """
    return (1 / smallest, 1.0, smallest) if unit == "hazard ratio" else (-smallest, 0.0, smallest)


def amount(value: float | None, unit: str) -> str:
    """A figure as it is read in a sentence: a ratio is of speed."""
    return number(value, unit) + (" as fast" if unit == "hazard ratio" else "")


def _seen(of: Fit | Result, unit: str) -> str:
    if unit == "hazard ratio":
        return amount(of.estimate, unit)
    return f"{number(abs(of.estimate), unit)} {'higher' if of.estimate >= 0 else 'lower'}"


def _range(row: Result) -> str:
    """An interval as read after "higher" or "lower": "0.10 to 0.32 SD" where it is on one side."""
    low, high = row.low, row.high
    if _is_difference(row) and row.unit != "hazard ratio" and (low > 0 or high < 0):
        low, high = sorted((abs(low), abs(high)))
    return spread(low, high, _plain(row))


def _is_difference(row: Result) -> bool:
    return row.branch not in ("fact", "cost") or "{seen}" in _template(row)


def _plain(row: Result) -> str:
    return "" if row.unit == "correlation" else row.unit


def _band(row: Result) -> str:
    below, _, above = marks(row.smallest_effect, row.unit)
    if row.unit == "hazard ratio":
        return spread(below, above, row.unit)
    return f"±{number(row.smallest_effect, row.unit)}"


# --- what a template may ask for, each made from a row


def _measure(row: Result) -> Measure | None:
    return measures()[row.measure][1] if row.measure in measures() else None


def _of_design(row: Result, own: str, shared: str) -> str:
    """The measure's own words where it has some and the design is its own, else those of all."""
    measure = _measure(row)
    is_own = row.design == "adjusted" or (measure and measure.estimator == "groups")
    return (is_own and measure and getattr(measure, own)) or phrases("sentences")["designs"][
        row.design
    ][shared]


def _held(row: Result) -> str:
    text = _of_design(row, "among", "held").format(rater=row.cluster, held_too=_measure(row).held)
    return f"{text}, " if text else ""


def _about(row: Result) -> str:
    measure = _measure(row)
    own = measure.about if row.headline else ""
    return own or f"in how {row.doers}{_contrast(row)} and {row.others} {measure.did}"


def _contrast(row: Result) -> str:
    return f" ({row.contrast})" if row.contrast else ""


def _passed(row: Result) -> str:
    known, kept = phrases("checks"), phrases("sentences")["passed"]
    if not row.headline:
        return ""
    tried = [one.name for one in row.checks if one.outcome == "passed" and known[one.name]["tries"]]
    return f"{kept['some'].format(names=listed(tried)) if tried else kept['none']} "


def _warning(row: Result) -> str:
    if not row.headline or _measure(row).estimator != "contrast":
        return ""
    known = phrases("checks")
    told = [known[one.name].get("warns", {}).get(one.why, "") for one in row.checks]
    told += [phrases("sentences")["notes"]["unit"]] if row.cluster == "unit" else []
    return "".join(f"{text} " for text in told if text)


def _failed(row: Result) -> str:
    return "; ".join(one.detail for one in failures(row))


def _caution(row: Result) -> str:
    return (
        phrases("sentences")["passed"]["not"].format(failed=_failed(row)) if failures(row) else ""
    )


def failed_checks(row: Result) -> str:
    """The names of the checks that failed, the first two at most."""
    names = [one.name for one in row.checks if one.outcome == "failed"]
    return listed(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"


def _why(row: Result, form: str) -> str:
    """Why there is no figure: what is missing, or the reason as a sentence or briefly has it."""
    if row.wanting:
        return listed([phrases("data")["needs"][name]["missing"] for name in row.wanting])
    table = phrases("sentences")
    return (table["reasons"] | table["fixed"]).get(row.reason, {}).get(form, "")


def _template(row: Result) -> str:
    """How a fact is told: as its own name asks for, else its measure, else its unit."""
    facts = phrases("sentences")["facts"]
    keys = (row.at, row.measure if row.unit in ("%", "percentage points") else "", row.unit)
    return next((facts[key] for key in keys if key in facts), facts["other"])


def _fact(row: Result) -> str:
    words = row.at.replace("_", " ")
    first, _, rest = words.partition(": ")
    said = {"name": f"{first} ({rest})" if rest else words, "first": first, "rest": rest}
    return _template(row).format_map(Told(row, said))


def _finding(row: Result) -> str:
    measure = _measure(row)
    text = (measure.brief.whole if row.headline else measure.brief.part) if measure else ""
    return (text or "{seen}").format_map(Told(row))


def _part(row: Result) -> str:
    measure = _measure(row)
    return ((measure and measure.brief.part) or "{seen}").format_map(Told(row))


WORDS: dict[str, Callable[[Result], str]] = {
    "size": lambda row: number(row.estimate, _plain(row)),
    "seen": lambda row: _seen(row, row.unit),
    "compared": lambda row: (
        _seen(row, row.unit) + (" as" if row.unit == "hazard ratio" else " than")
    ),
    "range": _range,
    "signed": lambda row: spread(row.low, row.high, row.unit),
    "smallest": lambda row: number(row.smallest_effect, row.unit),
    "band": _band,
    "detectable": lambda row: number(row.detectable_effect, row.unit),
    "reach": lambda row: amount(row.detectable_effect, row.unit),
    "rater": lambda row: row.cluster,
    "doers": lambda row: row.doers,
    "others": lambda row: row.others,
    "contrast": _contrast,
    "did": lambda row: _measure(row).did,
    "about": _about,
    "held": _held,
    "limit": lambda row: _of_design(row, "limit", "limit"),
    "modal": lambda row: f"{COMPRESSED:.0%}",
    "asked": lambda row: str(row.asked),
    "passed": _passed,
    "warning": _warning,
    "failed": _failed,
    "caution": _caution,
    "checks": failed_checks,
    "reason": lambda row: _why(row, "why"),
    "briefly": lambda row: sentence_case(_why(row, "brief")),
    "fact": _fact,
    "finding": _finding,
    "part": _part,
    "outcome": lambda row: (_measure(row) and _measure(row).brief.outcome) or "it",
    "more_clusters": lambda row: str(max(FEW_CLUSTERS - row.n_clusters, 1)),
    "or_managers": lambda row: (
        phrases("sentences")["notes"]["or managers"] * (row.cluster == "unit")
    ),
}


class Told(dict[str, str]):
    """The words that templates ask of a row, made when they are asked for."""

    def __init__(self, row: Result, more: Mapping[str, str] = {}) -> None:
        super().__init__(more)
        self.row = row

    def __missing__(self, name: str) -> str:
        return WORDS[name](self.row)


# --- sentences


def sentence(row: Result) -> str:
    """A row's sentence, from its fields alone: its branch's template over its words."""
    told = sentence_case(phrases("sentences")["says"][row.branch].format_map(Told(row)))
    if row.headline or row.verdict in ("hidden", "described"):
        return told
    return f"{sentence_case(row.at.replace('_', ' '))}. {told}"


def said(row: Result) -> Result:
    """The row with its sentence; `sentence` is the last field to be filled."""
    return replace(row, sentence=sentence(row))


def brief(row: Result) -> str:
    """A result in one line of about 14 words, for the first screen; its `sentence` says what this
    leaves out.

    Misleads alone: the likely range, what was held equal and the limits stand in the sentence only.

    >>> from learnalign.verdicts.rows import unanswerable
    >>> brief(unanswerable(frozenset({"people", "reviews"}), {})[0])
    'No learning.'
    """
    branch = row.branch or row.verdict
    if branch == "none" and failures(row):
        branch = "none, failed"
    text = phrases("sentences")["brief"][branch].format_map(Told(row))
    if row.headline or row.verdict == "described":
        return sentence_case(text)
    return sentence_case(f"{name(row)}: {text[:1].lower()}{text[1:]}")


def name(row: Result) -> str:
    """A row of a family by its name, with the words around it that some need."""
    return phrases("page")["parts"].get(row.at, row.at.replace("_", " "))

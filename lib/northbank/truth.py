"""What is true in a simulated company: the declared effects, and the nuisances that hide them.

All that can be declared, its range and its meaning stand in `truth.yml`. A `Truth` is read from a
YAML file or written in code; `events` draws a company in which it holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
import yaml
from scipy.special import ndtri
from scipy.stats import norm

from learnalign.data.contract import Strict
from learnalign.data.mistakes import DataError, problems_of, read_yaml

DECLARED = yaml.safe_load(files("northbank").joinpath("truth.yml").read_text("utf-8"))
USUAL = {name: one["is"] for name, one in DECLARED.items()}

# Today's Northbank. A rating is a latent score of variance 1, cut into 5/15/50/22/8 %. One SD of
# the rating that people get is 1/.9375 of the score: five grades lose a little of it.
SHARES = {1: 0.05, 2: 0.15, 3: 0.50, 4: 0.22, 5: 0.08}
ABILITY, LENIENCY, LEARNING, HALF_YEAR = 0.70, USUAL["leniency"], 0.16, 0.61
SAID = 0.22  # variance of having acknowledged in a window
LEAST_HALF_YEAR = 0.05  # variance of the score that stays with chance, whatever else is in it


class _Possible(Strict):
    """A truth as it may be declared: the ranges, and a score that they do not overfill."""

    @pydantic.model_validator(mode="after")
    def leaves_chance(self) -> "_Possible":
        if (left := _half_year_variance(self)) < LEAST_HALF_YEAR:
            raise ValueError(
                "reliability, leniency, halo, hidden_motivation and the effects on the rating fill "
                f"the score: {1 - left:.2f} of its variance, of {1 - LEAST_HALF_YEAR} at most"
            )
        return self


def _declared(one: Mapping[str, Any]) -> tuple[Any, Any]:
    """A name's type and range, and what it is in Northbank, for pydantic."""
    least, most = one.get("range", (None, None))
    kind = Literal[tuple(one["one_of"])] if "one_of" in one else type(one["is"])
    return kind, pydantic.Field(one["is"], ge=least, le=most)


_MODEL = pydantic.create_model(
    "_Declared", __base__=_Possible, **{name: _declared(one) for name, one in DECLARED.items()}
)
_Fields = make_dataclass(
    "_Fields",
    [(name, type(usual), field(default=usual)) for name, usual in USUAL.items()],
    frozen=True,
    kw_only=True,
)


@dataclass(frozen=True, kw_only=True)
class Truth(_Fields):
    """The effects in a simulated company, each in the unit of its measure, and the nuisances around
    them, by the names of `truth.yml`; Northbank as shipped, but for what is given.

    A `DataError` with every problem at once. Misleads where nuisances hide the effects: there a
    naive estimate misses the truth, and often a careful one does too; `truth.yml` has examples.

    >>> Truth(acknowledging_on_rating=0.2).learning_on_rating
    0.15
    """

    def __post_init__(self) -> None:
        _checked(vars(self), "Truth")


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    try:
        return _MODEL.model_validate(dict(values)).model_dump()
    except pydantic.ValidationError as error:
        raise DataError(problems_of(error, where, list(DECLARED))) from None


def read(file: str | Path) -> Truth:
    """The truth that a YAML file declares; what it does not name is as in Northbank.

    Raises `DataError` with every problem at once: no such file, an unknown name, a value out of its
    range.

    >>> read("params/truths/penalty.yml").acknowledging_on_rating
    -0.2
    """
    return Truth(**_checked(read_yaml(Path(file)), Path(file).name))


def shares(truth: Truth) -> np.ndarray:
    """The share of people in each rating; those outside the middle keep their proportions."""
    outside = (1 - truth.compression) / (1 - SHARES[3])
    shares = {rating: outside * share for rating, share in SHARES.items()}
    return np.array([*(shares | {3: truth.compression}).values()])


def cuts(truth: Truth) -> np.ndarray:
    """Where the score is cut into ratings, from the lowest."""
    return ndtri(np.cumsum(shares(truth))[:-1])


def score_per_rating_sd(truth: Truth) -> float:
    """What must be added to a score so that the rating rises by one of its SD, on average and for
    small steps.

    >>> [round(score_per_rating_sd(one), 3) for one in (NORTHBANK, Truth(compression=0.85))]
    [1.067, 1.376]
    """
    return LEARNING / 0.15 * _seen(np.array([*SHARES.values()])) / _seen(shares(truth))


def _seen(share: np.ndarray) -> float:
    """Rise of the mean rating, in its SD, per rise of a normal score."""
    grade = np.arange(len(share))
    spread = np.sqrt(share @ grade**2 - (share @ grade) ** 2)
    return float(norm.pdf(ndtri(np.cumsum(share)[:-1])).sum() / spread)


def weights(truth: Truth) -> dict[str, float]:
    """What one SD of each part adds to the score, acknowledging itself, and the half-year what is
    left of 1.
    """
    unit = score_per_rating_sd(truth)
    return {
        "ability": ABILITY * np.sqrt(_lasting(truth)),
        "leniency": truth.leniency,
        "learned": unit * truth.learning_on_rating,
        "half_year": np.sqrt(_half_year_variance(truth)),
        "said": unit * truth.acknowledging_on_rating,
        "motivation": truth.hidden_motivation,
        "liking": truth.halo,
    }


def score(parts: Mapping[str, np.ndarray], truth: Truth) -> np.ndarray:
    """The score behind each rating, from standardised parts; as wide as Northbank's own.

    The effects are as declared; the rest is drawn in, or out, a little where parts go together.
    """
    added = {name: weight * parts[name] for name, weight in weights(truth).items()}
    northbank = sum(weight * parts[name] for name, weight in weights(NORTHBANK).items())
    effects = added["learned"] + added["said"]
    rest = sum(added[name] for name in added if name not in ("learned", "said"))
    (wide, together), (_, spare) = np.cov(rest, effects)
    times = (np.sqrt(together**2 + wide * (northbank.var(ddof=1) - spare)) - together) / wide
    return effects + rest * times


def ratings(scores: np.ndarray, team: Sequence[Any], truth: Truth) -> np.ndarray:
    """Ratings from 1 to 5: by the score itself, or by its rank within the team; `team` is what
    tells teams apart.
    """
    if truth.forced_curve:
        teams = pd.Series(scores).groupby(list(team))
        scores = ndtri(((teams.rank() - 0.5) / teams.transform("size")).to_numpy())
    return np.searchsorted(cuts(truth), scores) + 1


def _lasting(truth: Any) -> float:
    """Variance of ability in the score, of Northbank's: `reliability` is of what leniency leaves
    within managers.
    """
    return truth.reliability / 0.55 * (1 - truth.leniency**2) / (1 - LENIENCY**2)


def _half_year_variance(truth: Any) -> float:
    """Northbank's own, less what a part has more than there and more what it has less."""
    unit = score_per_rating_sd(truth)
    more = truth.halo**2 + truth.hidden_motivation**2 + truth.leniency**2 - LENIENCY**2
    more += ABILITY**2 * (_lasting(truth) - 1) - LEARNING**2
    more += (unit * truth.learning_on_rating) ** 2
    more += SAID * (unit * truth.acknowledging_on_rating) ** 2
    return HALF_YEAR**2 - more


NORTHBANK = Truth()

"""What is true in a simulated company: the declared effects, and the nuisances that hide them.

A `Truth` is read from a YAML file or written in code. `bank` draws a company in which it holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import numpy as np
import pandas as pd
import pydantic
from pydantic import Field
from scipy.special import ndtri
from scipy.stats import norm

from learnalign.data.contract import Strict
from learnalign.data.mistakes import DataError, problems_of, read_yaml

InSD = Annotated[float, Field(ge=-0.5, le=0.5)]
InPoints = Annotated[float, Field(ge=-1, le=1)]
Factor = Annotated[float, Field(ge=0.1, le=10)]
LogOdds = Annotated[float, Field(ge=-3, le=3)]
Spread = Annotated[float, Field(ge=0, le=0.7)]

# Today's Northbank. A rating is a latent score of variance 1, cut into 5/15/50/22/8 %. One SD of
# the rating that people get is 1/.9375 of the score: five grades lose a little of it.
SHARES = {1: 0.05, 2: 0.15, 3: 0.50, 4: 0.22, 5: 0.08}
ABILITY, LENIENCY, LEARNING, HALF_YEAR = 0.70, 0.28, 0.16, 0.61
SAID = 0.22  # variance of having acknowledged in a window
LEAST_HALF_YEAR = 0.05  # variance of the score that stays with chance, whatever else is in it


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The effects in a simulated company, each in the unit of its measure, and the nuisances around
    them.

    Without arguments it is Northbank as shipped. Effects: `learning_on_rating` is in SD of the
    rating within the cycle, per +1 SD of log(1 + voluntary hours) in the exposure window;
    `acknowledging_on_rating` in the same SD, for acknowledging at least once in the window;
    `acknowledging_on_merit` in percentage points at equal rating and matrix cell, for those who do;
    `learning_on_merit` in such points within manager and cycle, for the third with most voluntary
    hours against the rest (by the two questions, so nearly). `..._on_closure` are factors on the
    hazard of closing a gap in a month: acknowledged before it, `mentoring` of the person done or
    begun before it (any gap), and completed voluntary learning on the skill in the 90 days before
    it, by type (reading to other). In log-odds of acknowledging: `leaders_on_teams`, what a leader
    who acknowledged visibly adds for each report in the next quarter;
    `reflecting_on_acknowledging`, for who completed a reflection in the two quarters before;
    `drivers_on_acknowledging`, of a gap before it is found, per SD of the unit's four drivers.

    Nuisances:

    - `able_learners`: eagerness to learn per SD of ability, where the manager's leniency adds .60
      per SD and one's own taste .85.
    - `strugglers`, `dip`: log-odds of acknowledging in a quarter, per SD less of ability, and per
      SD worse in the last half-year. `trouble`: per SD worse in the running one, whose rating is
      still to come; nothing that is recorded tells it from a penalty for acknowledging.
    - `hidden_motivation`: a stable trait that no table holds adds so much to the score behind the
      rating, per SD of it, and twice as much to the eagerness to learn and to the log-odds of
      acknowledging.
    - `leniency`, `halo`: SD in the score of the manager's generosity to all, and of the manager's
      lasting liking of one person, which ends with a new manager.
    - `reliability`: share of the score's variance within managers that is lasting ability, without
      halo and hidden motivation. What all these leave is the half-year's luck.
    - `forced_curve`: ratings go by rank within the manager's team and cycle. Effects on the rating
      are then declared for the score: of .15 and .30 SD, .14 and .28 are left when one person's
      score rises and the colleagues' stay, and nothing when all rise together.
    - `compression`: share of people in the middle rating. The declared effect stays; what is left
      to see it in does not.
    - `fixed_merit_pool`: the merit of a manager's team in a cycle is shifted so that its mean is
      the matrix's.
    - `bonus`: by "formula" for all alike, or "individual", by rating and chance.
    - `attrition_of_the_penalised`: log-odds of leaving in the weeks before the review, per SD of a
      bad half-year, for staff who acknowledged since the last one (but for a gap about to be
      found).
    - `campaigns`: log-odds that one quarter in four adds to everybody's acknowledging, leaders and
      staff.

    A naive estimate misses the truth, and often a careful one does too (20,000 people, seed 1; SD
    of the rating, acknowledged in the window against not. Lagged: at equal manager, cycle and two
    prior ratings. Within: against the person's own other cycles):

    ============================================  =====  =====  ======  ======
    Truth of                                      truth  naive  lagged  within
    ============================================  =====  =====  ======  ======
    (Northbank as shipped)                         0.00  -0.14   -0.02    0.03
    acknowledging_on_rating=0.2                    0.20   0.06    0.17    0.23
    strugglers=1, dip=0                            0.00  -0.44   -0.18    0.01
    strugglers=0, dip=1                            0.00   0.03    0.14    0.08
    strugglers=0, dip=0, hidden_motivation=0.3     0.00   0.17    0.04    0.00
    attrition_of_the_penalised=2                   0.00  -0.08    0.04    0.09
    ============================================  =====  =====  ======  ======

    >>> Truth(acknowledging_on_rating=0.2).learning_on_rating
    0.15
    """

    learning_on_rating: InSD = 0.15
    acknowledging_on_rating: InSD = 0.0
    acknowledging_on_merit: InPoints = 0.0
    learning_on_merit: InPoints = 0.32
    acknowledging_on_closure: Factor = 1.5
    mentoring_on_closure: Factor = 1.6
    reading_on_closure: Factor = 1.0
    on_the_job_on_closure: Factor = 2.2
    coaching_on_closure: Factor = 2.2
    course_on_closure: Factor = 1.4
    certification_on_closure: Factor = 1.3
    community_on_closure: Factor = 1.3
    peer_on_closure: Factor = 1.3
    reflection_on_closure: Factor = 1.3
    other_on_closure: Factor = 1.3
    leaders_on_teams: LogOdds = 0.6
    reflecting_on_acknowledging: LogOdds = 0.5
    drivers_on_acknowledging: LogOdds = 0.4

    able_learners: Annotated[float, Field(ge=0, le=1)] = 0.10
    strugglers: LogOdds = 0.32
    dip: LogOdds = 0.28
    trouble: LogOdds = 0.0
    hidden_motivation: Spread = 0.0
    leniency: Spread = LENIENCY
    halo: Spread = 0.0
    reliability: Annotated[float, Field(ge=0.1, le=0.85)] = 0.55
    forced_curve: bool = False
    compression: Annotated[float, Field(ge=0.3, le=0.95)] = SHARES[3]
    fixed_merit_pool: bool = False
    bonus: Literal["formula", "individual"] = "formula"
    attrition_of_the_penalised: Annotated[float, Field(ge=0, le=3)] = 0.0
    campaigns: Annotated[float, Field(ge=0, le=3)] = 0.0

    def __post_init__(self) -> None:
        _checked(vars(self), "Truth")


class _Possible(Strict):
    """A truth as it may be declared: the ranges, and a score that they do not overfill."""

    @pydantic.model_validator(mode="after")
    def leaves_chance(self) -> "_Possible":
        if (left := _half_year_variance(self)) < LEAST_HALF_YEAR:
            text = (
                "reliability, leniency, halo, hidden_motivation and the effects on the "
                "rating fill the score: "
            )
            raise ValueError(
                f"{text}{1 - left:.2f} of its variance, of {1 - LEAST_HALF_YEAR} at most"
            )
        return self


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
    return np.array(
        [truth.compression if rating == 3 else outside * share for rating, share in SHARES.items()]
    )


def cuts(truth: Truth) -> np.ndarray:
    """Where the score is cut into ratings, from the lowest."""
    return ndtri(np.cumsum(shares(truth))[:-1])


def score_per_rating_sd(truth: Truth) -> float:
    """What must be added to a score so that the rating rises by one of its SD, on average and for
    small steps.

    >>> round(score_per_rating_sd(NORTHBANK), 3), round(score_per_rating_sd(Truth(compression=0.85)), 3)
    (1.067, 1.376)
    """
    return LEARNING / 0.15 * _seen(np.array([*SHARES.values()])) / _seen(shares(truth))


def _seen(share: np.ndarray) -> float:
    """Rise of the mean rating, in its SD, per rise of a normal score."""
    grade = np.arange(len(share))
    return float(
        norm.pdf(ndtri(np.cumsum(share)[:-1])).sum()
        / np.sqrt(share @ grade**2 - (share @ grade) ** 2)
    )


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
    return (
        effects
        + rest * (np.sqrt(together**2 + wide * (northbank.var(ddof=1) - spare)) - together) / wide
    )


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
    more = truth.halo**2 + truth.hidden_motivation**2 + (truth.leniency**2 - LENIENCY**2)
    more += ABILITY**2 * (_lasting(truth) - 1)
    unit = score_per_rating_sd(truth)
    more += (
        (unit * truth.learning_on_rating) ** 2
        - LEARNING**2
        + SAID * (unit * truth.acknowledging_on_rating) ** 2
    )
    return HALF_YEAR**2 - more


_HINTS = get_type_hints(Truth, include_extras=True)
_MODEL = pydantic.create_model(
    "_Declared", __base__=_Possible, **{f.name: (_HINTS[f.name], f.default) for f in fields(Truth)}
)


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    try:
        return _MODEL.model_validate(dict(values)).model_dump()
    except pydantic.ValidationError as error:
        raise DataError(problems_of(error, where, list(_HINTS))) from None


NORTHBANK = Truth()

"""Weighted differences by statsmodels' logit: training (NSW beside CPS) and smoking (NHEFS)."""

import json
from importlib.metadata import version

import causaldata
import numpy as np
import pandas as pd
import statsmodels.api as sm


def training() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The trained of the NSW experiment beside 15,992 people of a survey, with Dehejia and Wahba's
    covariates: outcome, group, covariates.
    """
    trained = causaldata.nsw_mixtape.load_pandas().data.query("treat == 1")
    people = pd.concat([trained, causaldata.cps_mixtape.load_pandas().data], ignore_index=True)
    names = ["age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"]
    covariates = people[names].assign(
        age2=people.age**2,
        age3=people.age**3,
        educ2=people.educ**2,
        educ_re74=people.educ * people.re74,
        none74=people.re74 == 0,
        none75=people.re75 == 0,
    )
    return people.re78.to_numpy(float), people.treat.to_numpy(float), covariates.to_numpy(float)


def smoking() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hernan and Robins, What If, chapter 12: 1,566 people; gain, whether they quit, covariates."""
    people = causaldata.nhefs_complete.load_pandas().data
    amounts = people[["age", "smokeintensity", "smokeyrs", "wt71"]].astype(float)
    names = ["sex", "race", "education", "exercise", "active"]
    kinds = pd.get_dummies(people[names].astype(str), drop_first=True)
    covariates = pd.concat([amounts, amounts**2, kinds], axis=1).to_numpy(float)
    return people.wt82_71.to_numpy(float), people.qsmk.to_numpy(float), covariates


def of_trained(y: np.ndarray, t: np.ndarray, e: np.ndarray) -> float:
    """The difference on the trained, between propensities of .05 and .95."""
    kept = (e >= 0.05) & (e <= 0.95)
    y, t, e = y[kept], t[kept] == 1, e[kept]
    return float(y[t].mean() - np.average(y[~t], weights=(e / (1 - e))[~t]))


def of_all(y: np.ndarray, t: np.ndarray, e: np.ndarray) -> tuple[float, float]:
    """The difference on everybody, and the mean weight."""
    quit_, weight = t == 1, np.where(t == 1, 1 / e, 1 / (1 - e))
    sides = (np.average(y[side], weights=weight[side]) for side in (quit_, ~quit_))
    return float(next(sides) - next(sides)), float(weight.mean())


def logit(t: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Propensities by statsmodels."""
    scaled = (z - z.mean(axis=0)) / z.std(axis=0)
    return sm.Logit(t, sm.add_constant(scaled)).fit(disp=0, tol=1e-12, maxiter=200).predict()


if __name__ == "__main__":
    y, t, z = training()
    gain, quit_, held = smoking()
    difference, weight = of_all(gain, quit_, logit(quit_, held))
    figures = {
        "by": {name: version(name) for name in ("statsmodels", "causaldata")},
        "training": round(of_trained(y, t, logit(t, z)), 4),
        "smoking": {"difference": round(difference, 5), "weight": round(weight, 5)},
    }
    print(json.dumps(figures, indent=1))

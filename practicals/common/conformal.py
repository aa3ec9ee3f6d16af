"""Intervals that hold what they promise: split conformal prediction on rows that were used for nothing else."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from practicals.common.errors import DataError


def conformal_quantile(scores: npt.ArrayLike, coverage: float) -> float:
    """Return the score that a new row stays below with a probability of at least `coverage`.

    It is the ceil((n + 1) * coverage)-th smallest of n scores (Vovk, Gammerman & Shafer, 2005; Lei et al., 2018,
    "Distribution-free predictive inference for regression"): with n + 1 in place of n the promise holds for every n,
    as long as the new row comes from the same source as the n.

    Args:
        scores: (n,), such as the size of the error of each calibration row; more means further off.
        coverage: in 0 to 1.

    Raises:
        DataError: there are too few scores for this coverage, or too many that are infinite.
    """
    ordered = np.sort(np.asarray(scores, "float64"))
    # A float such as 0.9 * 10 may lie a hair above the whole number that is meant.
    rank = math.ceil((len(ordered) + 1) * coverage - 1e-9)
    if rank > len(ordered):
        needed = math.ceil(coverage / (1 - coverage) - 1e-9)
        raise DataError(
            f"calibration: {len(ordered)} rows are too few for an interval that holds {100 * coverage:g}% of the "
            f"truths; at least {needed} are needed. Add rows or enlarge split.calibration."
        )
    found = float(ordered[max(rank, 1) - 1])
    if not math.isfinite(found):
        raise DataError(
            f"calibration: {int((~np.isfinite(ordered)).sum())} of {len(ordered)} truths are out of reach of every "
            f"interval, which leaves none that holds {100 * coverage:g}%; on a logarithmic scale these are negative "
            "ones. Use target_scale=standard, or lower the coverage."
        )
    return found


def coverage(truth: npt.ArrayLike, lower: npt.ArrayLike, upper: npt.ArrayLike) -> float:
    """Return the share of truths within their interval, borders included; all of one shape, unknown truths (NaN) left
    out."""
    truth, lower, upper = (np.asarray(values, "float64") for values in (truth, lower, upper))
    known = ~np.isnan(truth)
    return float(np.mean(((truth >= lower) & (truth <= upper))[known]))

"""The checks beside an explanation: does it hold when only chance is changed, and do two methods agree?

The limits come from 40 test rows of the real churn data, from the surest stayer to the surest leaver, under a trained
64-64 network; beside each limit stands what was seen there. A failed check does not mean that an explanation is wrong,
but that nobody should lean on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import scipy.stats

from practicals.common.explain.coding import Matrix, Vector
from practicals.common.explain.explanation import Check

BACKGROUND_LIMIT = 0.8
"""Seen: 0.83 to 1, median 0.98, for rows, and 0.97 to 1 over 200 rows. A model that answers at random: up to 0.46."""
FIT_LIMIT = 0.3
"""Seen: 0.16 to 0.71, median 0.43; 6 of the 40 fail. At random: 0.003. Statements that are true or not follow a
network only so far, most of all where a prediction is neither low nor high."""
STABILITY_LIMIT = 0.8
"""Seen: 0.90 to 1, median 0.98. At random: up to 0.19."""
AGREEMENT_LIMIT = 0.6
"""Seen: 0.77 to 1, median 0.96. The two need not agree fully, since they answer different questions: against the
typical customer (SHAP), and against customers of whom the statement is not true (LIME)."""

TINY = 1e-6
"""Contributions below this are the rounding noise of a float32 model."""


def rank_correlation(first: Vector, second: Vector) -> float:
    """Return Spearman's rank correlation of two explanations of the same features, -1 to 1.

    Both are first rounded to a hundredth of their largest |contribution|: features that hardly matter share a rank, so
    the order among them, which is chance, does not count. 0.0 where either has no order at all.
    """
    rounded = [np.round(values / max(100 * TINY, np.abs(values).max()) * 100) for values in (first, second)]
    if any(np.ptp(values) == 0 for values in rounded):
        return 0.0
    return float(scipy.stats.spearmanr(*rounded).statistic)


def background_check(first: Vector, second: Vector) -> Check:
    """Compare two SHAP explainers with different background rows and different seeds.

    Args:
        first: the contributions of one explainer (features,); signed for a row, mean |contribution| when global.
        second: the same of the other.
    """
    value = rank_correlation(first, second)
    return _judged(
        "order of the columns under another background",
        value,
        BACKGROUND_LIMIT,
        f"Two explainers with different background rows and seeds order the columns alike (rank correlation "
        f"{value:.2f}).",
        f"The ranking changes with the background (rank correlation {value:.2f}, at least {BACKGROUND_LIMIT} "
        "is wanted): do not trust the order of the columns.",
        (first, second),
    )


def fit_check(score: float, neighbours: Vector) -> Check:
    """Judge how well LIME's simple model follows the network around the row.

    Args:
        score: the weighted R2 of LIME's linear model.
        neighbours: what the network predicts for LIME's neighbours of the row.
    """
    return _judged(
        "local fit",
        score,
        FIT_LIMIT,
        f"LIME's simple model explains {score:.0%} of how the prediction varies around this row; the rest is interplay "
        "of columns, which a sum of weights cannot show.",
        f"LIME's simple model explains only {max(score, 0):.0%} of how the prediction varies around this row (at "
        f"least {FIT_LIMIT:.0%} is wanted): its weights describe the network badly here.",
        (neighbours - neighbours.mean(),),
    )


def stability_check(weights: Matrix) -> Check:
    """Judge how much LIME's weights depend on the neighbours that chance drew: mean rank correlation of all pairs.

    Args:
        weights: signed weights (seeds, features).
    """
    value = float(np.mean([rank_correlation(*pair) for pair in combinations(weights, 2)]))
    return _judged(
        "stability over seeds",
        value,
        STABILITY_LIMIT,
        f"{len(weights)} runs of LIME with different seeds order the statements alike (mean rank correlation "
        f"{value:.2f}).",
        f"{len(weights)} runs of LIME with different seeds disagree (mean rank correlation {value:.2f}, at least "
        f"{STABILITY_LIMIT} is wanted): another seed would tell another story.",
        (weights,),
    )


def agreement_check(shap: Vector, lime: Vector) -> Check:
    """Compare the signed contributions of SHAP and LIME to one row, both (features,) in the same order."""
    value = rank_correlation(shap, lime)
    return _judged(
        "agreement of SHAP and LIME",
        value,
        AGREEMENT_LIMIT,
        f"SHAP and LIME tell the same story about this row (rank correlation {value:.2f}).",
        f"SHAP and LIME tell different stories about this row (rank correlation {value:.2f}, at least "
        f"{AGREEMENT_LIMIT} is wanted): believe only the columns on which both agree.",
        (shap, lime),
    )


def _judged(
    name: str, value: float, limit: float, trust: str, doubt: str, contributions: Sequence[Vector | Matrix]
) -> Check:
    """Return a check with the sentence for its outcome; it fails where nothing moves the prediction at all."""
    if all(np.abs(values).max() < TINY for values in contributions):
        nothing = "No column changes the prediction here: there is nothing to explain, and no order."
        return Check(name, 0.0, limit, False, nothing)
    passed = value >= limit
    return Check(name, value, limit, passed, trust if passed else doubt)

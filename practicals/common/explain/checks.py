"""The checks beside an explanation: does it hold when only chance is changed, and do two methods agree?

The limits come from 40 test rows of the real churn data, from the surest stayer to the surest leaver, under a trained
64-64 network; beside each limit stands what was seen there. A failed check does not mean that an explanation is wrong,
but that nobody should lean on it.

The same limits serve prices and forecasts. Seen on 40 test rows of `kc_house`, from the cheapest to the dearest, under
a 64-64 network on log price: background 0.87 to 1; fit 0.08 to 0.66, 11 of the 40 fail, since a price is a product and
LIME's model a sum; stability 0.93 to 1; agreement 0.44 to 0.97, 4 fail. On 30 forecasts each of the hourly and the
Wikipedia series: background 0.24 to 1, median 0.92 to 0.94, where up to a quarter fails, because a week often departs
from the usual by less than one usual week from the next; fit at least 0.78, stability 0.97, agreement 0.85.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import scipy.stats

from practicals.common.explain.coding import Matrix, Vector
from practicals.common.explain.explanation import TABLE, Check, Words

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
"""Contributions below this share of the predictions' size are the rounding noise of a float32 model: 0.000001 of a
probability, half a dollar of a price of 500,000 USD."""


def rank_correlation(first: Vector, second: Vector, size: float = 1.0) -> float:
    """Return Spearman's rank correlation of two explanations of the same features, -1 to 1.

    Both are first rounded to a hundredth of their largest |contribution|: features that hardly matter share a rank, so
    the order among them, which is chance, does not count. 0.0 where either has no order at all. `size` is that of the
    predictions.
    """
    rounded = [_rounded(values, size) for values in (first, second)]
    if any(np.ptp(values) == 0 for values in rounded):
        return 0.0
    return float(scipy.stats.spearmanr(*rounded).statistic)


def _rounded(values: Vector, size: float) -> Vector:
    noise = max(100 * TINY * size, np.finfo(float).tiny)
    hundredths: Vector = np.round(values / max(noise, np.abs(values).max()) * 100)
    return hundredths


def background_check(first: Vector, second: Vector, *, size: float = 1.0, words: Words = TABLE) -> Check:
    """Compare two SHAP explainers with different background rows and different seeds.

    Args:
        first: the contributions of one explainer (features,); signed for a row, mean |contribution| when global.
        second: the same of the other.
        size: of the predictions.
        words: how the sentences call features and background.
    """
    value = rank_correlation(first, second, size)
    return _judged(
        f"order of the {words.features} under another background",
        value,
        BACKGROUND_LIMIT,
        f"Two explainers with different background {words.examples} and seeds order the {words.features} alike (rank "
        f"correlation {value:.2f}).",
        f"The ranking changes with the background (rank correlation {value:.2f}, at least {BACKGROUND_LIMIT} "
        f"is wanted): do not trust the order of the {words.features}.",
        (first, second),
        size,
        words,
    )


def orders_check(first: Vector, second: Vector, *, size: float = 1.0, words: Words = TABLE) -> Check:
    """Compare two SHAP explainers that drew other random orders, both (features,): how large is the chance in them?"""
    value = rank_correlation(first, second, size)
    return _judged(
        f"order of the {words.features} under other draws",
        value,
        BACKGROUND_LIMIT,
        f"Two explainers with different seeds order the {words.features} alike (rank correlation {value:.2f}).",
        f"Two explainers with different seeds order the {words.features} differently (rank correlation {value:.2f}, at "
        f"least {BACKGROUND_LIMIT} is wanted): trust only the largest contributions.",
        (first, second),
        size,
        words,
    )


def fit_check(score: float, neighbours: Vector, *, words: Words = TABLE) -> Check:
    """Judge how well LIME's simple model follows the network around the row.

    Args:
        score: the weighted R2 of LIME's linear model.
        neighbours: what the network predicts for LIME's neighbours of the row.
        words: how the sentences call features and subject.
    """
    return _judged(
        "local fit",
        score,
        FIT_LIMIT,
        f"LIME's simple model explains {score:.0%} of how the prediction varies around this {words.subject}; the rest "
        f"is interplay of {words.features}, which a sum of weights cannot show.",
        f"LIME's simple model explains only {max(score, 0):.0%} of how the prediction varies around this "
        f"{words.subject} (at least {FIT_LIMIT:.0%} is wanted): its weights describe the network badly here.",
        (neighbours - neighbours.mean(),),
        float(np.abs(neighbours).max()),
        words,
    )


def stability_check(weights: Matrix, *, size: float = 1.0, words: Words = TABLE) -> Check:
    """Judge how much LIME's weights depend on the neighbours that chance drew: mean rank correlation of all pairs.

    Args:
        weights: signed weights (seeds, features).
        size: of the predictions.
        words: how the sentences call the features.
    """
    value = float(np.mean([rank_correlation(*pair, size) for pair in combinations(weights, 2)]))
    return _judged(
        "stability over seeds",
        value,
        STABILITY_LIMIT,
        f"{len(weights)} runs of LIME with different seeds order the statements alike (mean rank correlation "
        f"{value:.2f}).",
        f"{len(weights)} runs of LIME with different seeds disagree (mean rank correlation {value:.2f}, at least "
        f"{STABILITY_LIMIT} is wanted): another seed would tell another story.",
        (weights,),
        size,
        words,
    )


def agreement_check(shap: Vector, lime: Vector, *, size: float = 1.0, words: Words = TABLE) -> Check:
    """Compare the signed contributions of SHAP and LIME to one prediction, both (features,) in the same order."""
    value = rank_correlation(shap, lime, size)
    return _judged(
        "agreement of SHAP and LIME",
        value,
        AGREEMENT_LIMIT,
        f"SHAP and LIME tell the same story about this {words.subject} (rank correlation {value:.2f}).",
        f"SHAP and LIME tell different stories about this {words.subject} (rank correlation {value:.2f}, at least "
        f"{AGREEMENT_LIMIT} is wanted): believe only the {words.features} on which both agree.",
        (shap, lime),
        size,
        words,
    )


def _judged(
    name: str,
    value: float,
    limit: float,
    trust: str,
    doubt: str,
    contributions: Sequence[Vector | Matrix],
    size: float,
    words: Words,
) -> Check:
    """Return a check with the sentence for its outcome; it fails where there is no order that could be judged."""
    if all(np.abs(values).max() <= TINY * size for values in contributions):
        nothing = f"No {words.feature} changes the prediction here: there is nothing to explain, and no order."
        return Check(name, 0.0, limit, False, nothing)
    if all(np.ptp(_rounded(row, size)) == 0 for values in contributions for row in np.atleast_2d(values)):
        alike = f"All {words.features} count alike here: there is no order, so this check cannot be judged."
        return Check(name, 0.0, limit, False, alike)
    passed = value >= limit
    return Check(name, value, limit, passed, trust if passed else doubt)

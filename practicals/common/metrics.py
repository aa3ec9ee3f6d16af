"""Metrics that several lessons use, and the verdict that compares a network with its baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata
from sklearn import metrics as sk

from practicals.common.report.words import number

Numbers = npt.NDArray[np.float64]


def expected_calibration_error(truth: npt.ArrayLike, probability: npt.ArrayLike, bins: int = 10) -> float:
    """Return the mean gap between predicted probability and observed share, weighted by the rows in each bin.

    Equal-width bins over 0 to 1 (Naeini et al., 2015, "Obtaining well calibrated probabilities").

    Args:
        truth: (rows,), 0 or 1.
        probability: (rows,), in 0 to 1.
        bins: number of bins.
    """
    truth, probability = np.asarray(truth, "float64"), np.asarray(probability, "float64")
    which = np.minimum((probability * bins).astype(int), bins - 1)
    rows = np.bincount(which, minlength=bins)
    gap = np.abs(np.bincount(which, truth, bins) - np.bincount(which, probability, bins))
    return float(gap[rows > 0].sum() / len(truth))


def roc_auc(truth: Numbers, score: Numbers) -> float:
    """Return the area under the ROC curve: the chance that a positive row scores above a negative one.

    Mann and Whitney's rank form; ties count one half. Several times faster than scikit-learn's on a few thousand rows,
    which a bootstrap of a thousand draws needs.

    Args:
        truth: (rows,), 0 or 1; both must occur.
        score: (rows,), more means more likely 1.
    """
    positive = truth == 1
    count = int(positive.sum())
    return float((rankdata(score)[positive].sum() - count * (count + 1) / 2) / (count * (len(truth) - count)))


def binary_scores(truth: npt.ArrayLike, probability: npt.ArrayLike, threshold: float) -> dict[str, float]:
    """Return ranking, decision and calibration scores: the keys of `practicals.common.report.words.METRICS`.

    Precision and F1 are 0 where nothing is decided positive.

    Args:
        truth: (rows,), 0 or 1; both must occur.
        probability: (rows,), in 0 to 1.
        threshold: probability from which the decision is 1.
    """
    truth, probability = np.asarray(truth), np.asarray(probability, "float64")
    decision = probability >= threshold
    return {
        "roc_auc": roc_auc(truth, probability),
        "pr_auc": float(sk.average_precision_score(truth, probability)),
        "accuracy": float(sk.accuracy_score(truth, decision)),
        "precision": float(sk.precision_score(truth, decision, zero_division=0)),
        "recall": float(sk.recall_score(truth, decision)),
        "f1": float(sk.f1_score(truth, decision)),
        "brier": float(np.mean((probability - truth) ** 2)),
        "ece": expected_calibration_error(truth, probability),
    }


def threshold_curve(
    truth: npt.ArrayLike, probability: npt.ArrayLike, cost_missed: float, cost_false_alarm: float
) -> pd.DataFrame:
    """Return what each possible decision threshold gives, from the highest to the lowest.

    Args:
        truth: (rows,), 0 or 1.
        probability: (rows,), in 0 to 1.
        cost_missed: what a positive row costs that is not found.
        cost_false_alarm: what a negative row costs that is decided positive.

    Returns:
        `threshold`, `precision`, `recall`, `f1` and `cost` (mean over the rows), one line per distinct probability.
    """
    order = np.argsort(-np.asarray(probability, "float64"), kind="stable")
    truth, probability = np.asarray(truth, "float64")[order], np.asarray(probability, "float64")[order]
    found, alarms = np.cumsum(truth), np.arange(1, len(truth) + 1)
    missed, false_alarms = truth.sum() - found, alarms - found
    curve = pd.DataFrame(
        {
            # Halfway to the next lower probability, so that no row stands on the edge.
            "threshold": (probability + np.append(probability[1:], 0.0)) / 2,
            "precision": found / alarms,
            "recall": found / truth.sum(),
            "f1": 2 * found / (2 * found + missed + false_alarms),
            "cost": (missed * cost_missed + false_alarms * cost_false_alarm) / len(truth),
        }
    )
    # Rows of equal probability are decided alike: only the last of them is a place to cut.
    return curve[np.append(probability[1:] != probability[:-1], True)].reset_index(drop=True)


def paired_bootstrap(
    metric: Callable[[Numbers, Numbers], float],
    truth: Numbers,
    ours: Numbers,
    theirs: Numbers,
    *,
    seed: int,
    draws: int = 1000,
) -> tuple[float, tuple[float, float]]:
    """Return the difference `metric(ours) - metric(theirs)` and its 95 % interval over redrawn test rows.

    Both predictions are scored on the same redrawn rows, so what is hard for both cancels out
    (Efron & Tibshirani, 1993; percentile interval). Draws in which all truths are equal, where some metrics do not
    exist, are left out, unless they are equal in the part itself.

    Args:
        metric: takes truth and prediction, both (rows,).
        truth: (rows,).
        ours: (rows,), the network's predictions.
        theirs: (rows,), the baseline's predictions.
        seed: seed of the draws.
        draws: number of draws.
    """
    found = metric(truth, ours) - metric(truth, theirs)
    if len(truth) < 2:
        return found, reach_to_zero(found)
    generator = np.random.default_rng(seed)
    differences, all_equal = [], np.ptp(truth) == 0
    for _ in range(draws):
        rows = generator.integers(0, len(truth), len(truth))
        if all_equal or np.ptp(truth[rows]) > 0:
            differences.append(metric(truth[rows], ours[rows]) - metric(truth[rows], theirs[rows]))
    low, high = np.percentile(differences, [2.5, 97.5])
    return found, (float(low), float(high))


def reach_to_zero(difference: float) -> tuple[float, float]:
    """Return the interval of a difference that was seen on one unit alone, which says nothing of others."""
    return min(difference, 0.0), max(difference, 0.0)


def verdict(against: str, difference: float, interval_95: tuple[float, float], direction: str) -> dict[str, Any]:
    """Say whether the network is better than a baseline: only if the whole interval lies on one side of zero.

    Args:
        against: name of the baseline.
        difference: network minus baseline, in the primary metric.
        interval_95: its 95 % interval.
        direction: `max` if more is better, `min` otherwise.
    """
    low, high = interval_95 if direction == "max" else (-interval_95[1], -interval_95[0])
    result = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    return {
        "against": against,
        "result": result,
        "difference": float(difference),
        "interval_95": [float(bound) for bound in interval_95],
    }


def best_baseline(scores: Mapping[str, Mapping[str, float]], metric: str, direction: str) -> str:
    """Return the name of the baseline with the best score, of those that have one."""
    choose = max if direction == "max" else min
    return choose((name for name in scores if metric in scores[name]), key=lambda name: scores[name][metric])


def fit_sentence(
    metric: str, direction: str, train: float, validation: float, naive: float, things: str = "rows"
) -> str:
    """Name over- or underfitting in one sentence, from the gap between training and validation score.

    The gap is judged against what the network learned at all (its distance on training rows to the naive baseline):
    more than a tenth of it lost on new rows is called overfitting, more than a thirtieth a little. `things` is what
    rows are called.
    """
    sign = 1.0 if direction == "max" else -1.0
    learned, gap = sign * (train - naive), sign * (train - validation)
    scores = f"{metric} {number(train)} on training {things}, {number(validation)} on validation {things}"
    if learned <= 0:
        return f"Underfitting: {scores}; that is no better than the naive {number(naive)}."
    if gap > learned / 30:
        much = "Some" if gap > 0.1 * learned else "A little"
        lost = f"{gap / learned:.0%} of what was learned does not carry over to new {things}."
        return f"{much} overfitting: {scores}; {lost}"
    return f"No overfitting to speak of: {scores}."

"""How far predicted quantities are off, the same of the opponents, and how wide the intervals around them must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from practicals.common.data.split import Split
from practicals.common.ladder import Baseline
from practicals.common.metrics import Numbers

Entry = tuple[str, str, str, Any]
"""Name, kind, why, and an unfitted scikit-learn regressor."""


def error_sizes(truth: npt.ArrayLike, prediction: npt.ArrayLike, space: str) -> Numbers:
    """Return how far each prediction is off, as a calibration needs it: (rows,).

    Args:
        truth: (rows,), in the user's unit.
        prediction: (rows,), likewise.
        space: `log`: the difference of log(1 + x), where a negative truth is infinitely far off, since no interval
            on that scale reaches below zero. `linear`: the difference.
    """
    truth, prediction = np.asarray(truth, "float64"), np.asarray(prediction, "float64")
    if space == "linear":
        return np.abs(truth - prediction)
    error = np.abs(np.log1p(np.maximum(truth, 0.0)) - np.log1p(np.maximum(prediction, 0.0)))
    return np.where(truth < 0, np.inf, error)


def regression_scores(truth: npt.ArrayLike, prediction: npt.ArrayLike, columns: int) -> dict[str, float]:
    """Return how far predictions are off: the keys of `practicals.common.report.words.METRICS`.

    Adjusted R2 (Theil, 1961) is left out where there are no more rows than columns, the percentage error where every
    truth is 0. R2 is 0 where all truths are equal: there is nothing to explain.

    Args:
        truth: (rows,), in the user's unit.
        prediction: (rows,), likewise.
        columns: how many columns of the raw table the predictor reads; adjusted R2 counts them against it.
    """
    truth, prediction = np.asarray(truth, "float64"), np.asarray(prediction, "float64")
    error, rows = prediction - truth, len(truth)
    # Equal truths may differ from their mean by a rounding error, so their sum of squares is not asked.
    varies = np.ptp(truth) > 0
    r2 = 1 - float(np.sum(error**2) / np.sum((truth - truth.mean()) ** 2)) if varies else 0.0
    scores = {
        "rmse": rmse(truth, prediction),
        "mae": mae(truth, prediction),
        "median_ae": float(np.median(np.abs(error))),
        "r2": r2,
    }
    if rows > columns + 1:
        scores["adjusted_r2"] = 1 - (1 - r2) * (rows - 1) / (rows - columns - 1)
    known = truth != 0
    if known.any():
        scores["mape_percent"] = 100 * float(np.mean(np.abs(error[known] / truth[known])))
    return scores


def rmse(truth: Numbers, prediction: Numbers) -> float:
    """Return the root of the mean squared error; both (rows,)."""
    return float(np.sqrt(np.mean((prediction - truth) ** 2)))


def mae(truth: Numbers, prediction: Numbers) -> float:
    """Return the mean absolute error; both (rows,)."""
    return float(np.mean(np.abs(prediction - truth)))


def score_regressors(
    entries: Sequence[Entry], split: Split[pd.DataFrame], features: Sequence[str], target: str
) -> list[Baseline]:
    """Fit opponents on the training rows and score them on validation and test rows.

    Args:
        entries: the opponents, the naive one first.
        split: raw rows.
        features: columns that they read.
        target: column that they predict.
    """
    columns, made = list(features), []
    for name, kind, why, opponent in entries:
        opponent.fit(split.train[columns], split.train[target].to_numpy())
        said = [np.asarray(opponent.predict(rows[columns]), "float64") for rows in (split.validation, split.test)]
        validation, test = (
            regression_scores(rows[target], prediction, len(columns))
            for rows, prediction in zip((split.validation, split.test), said, strict=True)
        )
        made.append(Baseline(name, kind, why, validation, test, test_prediction=said[1]))
    return made


@dataclass(frozen=True)
class Margin:
    """How far around a prediction its interval reaches, found on the calibration part."""

    coverage: float
    """Share of the truths that the intervals are to hold."""
    quantile: float
    """What is added and taken away, in `space`."""
    space: str
    """`log`: in log(1 + prediction). `linear`: in the unit of the prediction."""
    rows: int
    """Rows of the calibration part."""

    @property
    def offsets(self) -> dict[str, list[float]]:
        """Name of each bound -> its offset, as `layers.Intervals` takes them."""
        percent = f"{100 * self.coverage:g}".replace(".", "_")
        return {f"lower_{percent}": [-self.quantile], f"upper_{percent}": [self.quantile]}

    def sentence(self, unit: str) -> str:
        """Say how the interval was found and how wide it is."""
        if self.space == "log":
            width = f"from {np.exp(-self.quantile):.0%} to {np.exp(self.quantile):.0%} of the prediction"
        else:
            width = f"{self.quantile:,.4g} {unit}".rstrip() + " to either side of the prediction"
        return (
            f"An interval is meant to hold {100 * self.coverage:g}% of the truths. It reaches {width}: that much held "
            f"{100 * self.coverage:g}% of the {self.rows:,} calibration rows, which were used for nothing else."
        )

    def to_json(self, unit: str) -> dict[str, Any]:
        """Return what the report says of the intervals."""
        return {
            "coverage_wanted": self.coverage,
            "quantile": self.quantile,
            "space": self.space,
            "calibration_rows": self.rows,
            "sentence": self.sentence(unit),
        }

"""What a lesson that predicts a quantity hands over at its end, and the files that come of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.classification import prediction_rows
from practicals.common.config import PracticalConfig
from practicals.common.data.split import Split
from practicals.common.describe import describe_rows
from practicals.common.ladder import Baseline, Climbed
from practicals.common.metrics import Numbers, paired_bootstrap
from practicals.common.outcome import About, write_outcome
from practicals.common.regression_columns import Columns, choose_columns, find_place, quantile_knots, suits_log
from practicals.common.regression_scores import Margin, error_sizes, mae, regression_scores, rmse, score_regressors
from practicals.common.run import Run, Scores

__all__ = [
    "Columns",
    "Margin",
    "choose_columns",
    "error_sizes",
    "find_place",
    "finish",
    "loss_scores",
    "quantile_knots",
    "regression_scores",
    "rmse",
    "score_regressors",
    "suits_log",
]

MAIN_FEATURES = 4
WORST = 10

Metric = Callable[[Numbers, Numbers], float]
"""Takes truth and prediction, both (rows,)."""
Comparison = tuple[float, tuple[float, float]]
"""Network minus baseline, and its 95 % interval."""


def finish(
    run: Run,
    config: PracticalConfig,
    about: About,
    *,
    split: Split[pd.DataFrame],
    columns: Columns,
    network: Any,
    answers: Split[pd.DataFrame],
    scores: Split[dict[str, float]],
    baselines: Sequence[Baseline],
    rungs: Sequence[Climbed],
    fit_seconds: float,
    best_epoch_kept: bool,
    margin: Margin,
    loss: Mapping[str, str],
    losses: Sequence[Mapping[str, Any]] = (),
) -> Scores:
    """Write predictions, baselines and summary into the run folder and compare the network with its opponents.

    Args:
        run: the run's folder.
        config: its settings.
        about: what the lesson is about.
        split: the raw rows.
        columns: of the table.
        network: the numeric keras.Model; only asked for its layers.
        answers: what the lesson's `predict` said of each part; the first column is the prediction.
        scores: all scores of each part.
        baselines: the opponents, the naive one first.
        rungs: the course's network and the steps from it; may be empty.
        fit_seconds: how long `fit` took.
        best_epoch_kept: whether the weights are those of the best epoch; those of the last otherwise.
        margin: of the intervals.
        loss: name and sentence of the loss.
        losses: from `loss_scores`, one per loss; may be empty.
    """
    target, schema = columns.target, columns.schema
    truth = split.test[target].to_numpy("float64")
    ours = answers.test.iloc[:, 0].to_numpy("float64")
    main = main_features(split.train, columns.numeric, target)
    scored = ("validation", split.validation, answers.validation), ("test", split.test, answers.test)

    def compare(metric: Metric, one: Baseline) -> Comparison:
        return paired_bootstrap(metric, truth, ours, one.test_prediction, seed=config.seed)

    return write_outcome(
        run,
        config,
        about,
        task="regression",
        unit=columns.unit,
        network=network,
        scores=scores,
        baselines=baselines,
        rungs=rungs,
        fit_seconds=fit_seconds,
        best_epoch_kept=best_epoch_kept,
        predictions=pd.concat([prediction_rows(name, rows, target, answer) for name, rows, answer in scored]),
        data=describe_rows(split, schema.features, schema.identifiers, schema.dates),
        compare=partial(compare, rmse),
        regression={
            "target": target,
            "features": [
                {"name": name, "unit": columns.units.get(name, ""), "values": _plain(split.test[name])} for name in main
            ],
            "worst": worst_rows(split.test, truth, ours, (*main, *schema.categories[:2])),
            "losses": list(losses),
            "loss": dict(loss),
            "interval": margin.to_json(columns.unit),
            "differences": differences(baselines, compare),
            "columns": [dataclasses.asdict(kind) for kind in columns.kinds],
        },
    )


def differences(
    baselines: Sequence[Baseline], compare: Callable[[Metric, Baseline], Comparison]
) -> list[dict[str, Any]]:
    """Return how far the network is from each baseline in RMSE and MAE, with 95 % intervals."""
    found = []
    for name, metric in (("rmse", rmse), ("mae", mae)):
        for one in baselines:
            difference, (low, high) = compare(metric, one)
            found.append({"against": one.name, "metric": name, "difference": difference, "low": low, "high": high})
    return found


def main_features(train: pd.DataFrame, numeric: Sequence[str], target: str) -> list[str]:
    """Return the columns of numbers that rise or fall most steadily with the target (Spearman's rank correlation)."""
    ranks = train[[*numeric, target]].rank()
    strength = ranks[list(numeric)].corrwith(ranks[target]).abs().fillna(0.0)
    return [str(name) for name in strength.sort_values(ascending=False, kind="stable").index[:MAIN_FEATURES]]


def worst_rows(rows: pd.DataFrame, truth: Numbers, prediction: Numbers, shown: Sequence[str]) -> dict[str, Any]:
    """Return the rows with the largest errors, with the columns to show beside them."""
    error = prediction - truth
    places = np.argsort(-np.abs(error), kind="stable")[:WORST]
    ours = {"id", "truth", "prediction", "error"}
    table = pd.DataFrame(
        {
            "id": rows.index[places].astype(str),
            "truth": truth[places],
            "prediction": prediction[places],
            "error": error[places],
            **{name: rows[name].to_numpy()[places] for name in shown if name not in ours},
        }
    )
    listed = zip(*(_plain(table[name]) for name in table), strict=True)
    return {"columns": list(table.columns), "rows": [list(row) for row in listed]}


def loss_scores(name: str, sentence: str, scores: Mapping[str, float], *, chosen: bool) -> dict[str, Any]:
    """Return one line of the table that compares losses."""
    kept = {metric: scores[metric] for metric in ("rmse", "mae", "median_ae")}
    return {"name": name, "sentence": sentence, **kept, "chosen": chosen}


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Return a column as JSON takes it: a missing number is None, a whole one has no point."""
    return [_number(cell) if isinstance(cell, float) else str(cell) for cell in column.tolist()]


def _number(value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    return int(value) if value == int(value) else value

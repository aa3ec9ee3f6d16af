"""What a lesson with two classes hands over at its end, and the files that come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import metrics as sk

from practicals.common import outcome
from practicals.common.config import PracticalConfig
from practicals.common.data.split import Split
from practicals.common.describe import describe_rows
from practicals.common.ladder import Baseline, Climbed
from practicals.common.metrics import binary_scores, paired_bootstrap, roc_auc
from practicals.common.run import Run, Scores

CURVE_POINTS = 200


@dataclass(frozen=True, kw_only=True)
class About(outcome.About):
    """What the report must know about a classifier's lesson."""

    target: str
    """Column of the class numbers."""
    classes: tuple[str, ...]
    """Name of each class number."""
    features: tuple[str, ...]
    """Columns that the network reads."""
    identifiers: tuple[str, ...]
    """Columns that it is never shown."""


Entry = tuple[str, str, str, Any]
"""Name, kind, why, and an unfitted scikit-learn classifier."""


def score_classifiers(
    entries: Sequence[Entry],
    split: Split[pd.DataFrame],
    features: Sequence[str],
    target: str,
    choose_threshold: Callable[[npt.NDArray[Any], npt.NDArray[Any]], float],
) -> list[Baseline]:
    """Fit opponents on the training rows and score them on validation and test rows.

    Args:
        entries: the opponents, the naive one first.
        split: raw rows.
        features: columns that they read.
        target: column of the classes 0 and 1.
        choose_threshold: takes truth and probability of the validation rows, as it did for the network. A naive
            opponent says one probability for all; there it would only find "all are", so it decides at 0.5.
    """
    columns, truth = list(features), split.map(lambda rows: rows[target].to_numpy())
    made = []
    for name, kind, why, opponent in entries:
        opponent.fit(split.train[columns], truth.train)
        chance = [opponent.predict_proba(rows[columns])[:, 1] for rows in (split.validation, split.test)]
        threshold = 0.5 if kind == "naive" else choose_threshold(truth.validation, chance[0])
        validation, test = (
            binary_scores(labels, chances, threshold)
            for labels, chances in zip((truth.validation, truth.test), chance, strict=True)
        )
        made.append(Baseline(name, kind, why, validation, test, test_prediction=chance[1]))
    return made


def finish(
    run: Run,
    config: PracticalConfig,
    about: About,
    *,
    split: Split[pd.DataFrame],
    network: Any,
    answers: Split[pd.DataFrame],
    scores: Split[dict[str, float]],
    baselines: Sequence[Baseline],
    rungs: Sequence[Climbed],
    fit_seconds: float,
    best_epoch_kept: bool,
    **parts: Any,
) -> Scores:
    """Write predictions, baselines and summary into the run folder and compare the network with its opponents.

    Args:
        run: the run's folder.
        config: its settings.
        about: what the lesson is about.
        split: the raw rows.
        network: the numeric keras.Model; only asked for its layers.
        answers: what the lesson's `predict` said of each part; the first column is the probability.
        scores: all scores of each part.
        baselines: the opponents, the naive one first.
        rungs: the course's network and the steps from it; may be empty.
        fit_seconds: how long `fit` took.
        best_epoch_kept: whether the weights are those of the best epoch; those of the last otherwise.
        parts: further parts of the summary, such as `threshold`.
    """
    scored = ("validation", split.validation, answers.validation), ("test", split.test, answers.test)
    truth = split.test[about.target].to_numpy("float64")
    ours = answers.test.iloc[:, 0].to_numpy("float64")
    strongest = outcome.strongest_baseline(baselines, about)
    return outcome.write_outcome(
        run,
        config,
        about,
        task="binary",
        network=network,
        scores=scores,
        baselines=baselines,
        rungs=rungs,
        fit_seconds=fit_seconds,
        best_epoch_kept=best_epoch_kept,
        predictions=pd.concat([prediction_rows(name, rows, about.target, answer) for name, rows, answer in scored]),
        data={
            **describe_rows(split, about.features, about.identifiers),
            "class_counts": class_counts(split, about),
        },
        compare=lambda one: paired_bootstrap(roc_auc, truth, ours, one.test_prediction, seed=config.seed),
        classes=about.classes,
        baseline_curves={strongest.name: curves(truth, strongest.test_prediction)},
        **parts,
    )


def describe_threshold(threshold: float, rule: str, curve: pd.DataFrame, unit: str) -> dict[str, Any]:
    """Return the choice of a threshold for the report, in a sentence and as a curve of at most `CURVE_POINTS` points.

    Args:
        threshold: the chosen one.
        rule: `f1` or `cost`.
        curve: from `threshold_curve`, of validation rows.
        unit: of the cost, such as `eur_per_customer`.
    """
    at = curve.iloc[int((curve["threshold"] - threshold).abs().to_numpy().argmin())]
    reason = (
        f"the best F1, {at['f1']:.3f}"
        if rule == "f1"
        else f"the lowest cost, {at['cost']:.2f} {unit.replace('eur', 'EUR').replace('_', ' ')}"
    )
    return {
        "value": threshold,
        "rule": rule,
        "sentence": f"From {threshold:.3f} on the answer is yes. On validation rows that gave {reason}.",
        "curve": {f"cost_{unit}" if name == "cost" else name: _thin(curve[name].to_numpy()) for name in curve},
    }


def prediction_rows(part: str, rows: pd.DataFrame, truth: str, answer: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of `predictions.csv` for one part.

    Args:
        part: `validation` or `test`.
        rows: the raw rows; their index is the id, the row's number in the source file.
        truth: their target column.
        answer: what the lesson's `predict` said of them; its first column becomes `prediction`.
    """
    first, *rest = answer.columns
    return pd.DataFrame(
        {
            "id": rows.index,
            "part": part,
            "truth": rows[truth].to_numpy(),
            "prediction": answer[first].to_numpy(),
            **{name: answer[name].to_numpy() for name in rest},
        }
    )


def curves(truth: npt.NDArray[Any], probability: npt.NDArray[Any]) -> dict[str, dict[str, list[float]]]:
    """Return the ROC and the precision-recall curve, thinned to at most `CURVE_POINTS` points each."""
    fpr, tpr, _ = sk.roc_curve(truth, probability)
    precision, recall, _ = sk.precision_recall_curve(truth, probability, drop_intermediate=True)
    return {
        "roc": {"fpr": _thin(fpr), "tpr": _thin(tpr)},
        "pr": {"precision": _thin(precision), "recall": _thin(recall)},
    }


def class_counts(split: Split[pd.DataFrame], about: About) -> dict[str, dict[str, int]]:
    """Return part -> class name -> rows."""
    return {
        name: {label: int((rows[about.target] == number).sum()) for number, label in enumerate(about.classes)}
        for name, rows in split.items()
    }


def _thin(values: npt.NDArray[Any]) -> list[float]:
    places = np.unique(np.linspace(0, len(values) - 1, CURVE_POINTS).astype(int))
    return [round(float(value), 5) for value in values[places]]

"""What a lesson hands over at its end, and the files that come of it. Imports no Keras: layers are only asked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import metrics as sk

from practicals.common.config import PracticalConfig, describe
from practicals.common.console import say
from practicals.common.data.split import Split
from practicals.common.metrics import (
    best_baseline,
    binary_scores,
    fit_sentence,
    paired_bootstrap,
    roc_auc,
    verdict,
)
from practicals.common.report.words import metric_label
from practicals.common.run import Run, Scores

C = TypeVar("C", bound=PracticalConfig)
CURVE_POINTS = 200


@dataclass(frozen=True)
class Baseline:
    """A simple opponent, fitted on the training rows."""

    name: str
    kind: str
    """`naive` or `classical`."""
    why: str
    """What it can and cannot see, in a sentence."""
    validation: dict[str, float]
    test: dict[str, float]
    test_prediction: npt.NDArray[np.float64]
    """(test rows,)."""


@dataclass(frozen=True)
class Step:
    """One improvement on the course's network."""

    name: str
    changes: Mapping[str, Any]
    """Setting -> value."""
    why: str
    """One sentence."""


@dataclass(frozen=True)
class Rung:
    """One line of the ladder from the naive baseline to the final model."""

    name: str
    kind: str
    """`naive`, `classical`, `course`, `step` or `final`."""
    why: str
    validation: float
    """Primary metric on validation rows."""
    test: float | None = None
    """Primary metric on test rows; only baselines, the course's network and the final one are scored there."""
    gain: float | None = None
    """Validation score minus that of the rung below; only steps have one."""
    seconds: float | None = None


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


@dataclass(frozen=True)
class Climbed:
    """A network of the ladder after training."""

    step: Step
    validation: Mapping[str, float]
    seconds: float
    test: Mapping[str, float] | None = None
    """Only the course's network is scored on test rows."""


def climb(
    course: C,
    steps: Sequence[Step],
    split: Split[pd.DataFrame],
    try_out: Callable[[C, Split[pd.DataFrame]], Any],
    evaluate: Callable[[Any, pd.DataFrame], dict[str, float]],
) -> list[Climbed]:
    """Train the course's network, then add one step at a time and train again.

    Args:
        course: the course's settings.
        steps: in order; each is added to all before it.
        split: raw rows.
        try_out: trains with settings and returns the model.
        evaluate: scores a model on rows.
    """
    climbed: list[Climbed] = []
    settings = course
    for step in (Step("course", {}, "The network of the slide."), *steps):
        say(f"ladder: {step.name}")
        settings = settings.with_changes(step.changes, source=f"step '{step.name}'")
        began = time.perf_counter()
        model = try_out(settings, split)
        seconds = time.perf_counter() - began
        test = None if climbed else evaluate(model, split.test)
        climbed.append(Climbed(step, evaluate(model, split.validation), seconds, test))
    return climbed


def ladder(
    baselines: Sequence[Baseline],
    climbed: Sequence[Climbed],
    scores: Split[dict[str, float]],
    primary: str,
    seconds: float,
) -> list[Rung]:
    """Return the way from the naive baseline over the course's network to the final model."""
    rungs = [Rung(one.name, one.kind, one.why, one.validation[primary], one.test[primary]) for one in baselines]
    below: float | None = None
    for one in climbed:
        score = one.validation[primary]
        rungs.append(
            Rung(
                one.step.name,
                "course" if below is None else "step",
                one.step.why,
                score,
                test=one.test[primary] if one.test else None,
                gain=None if below is None else score - below,
                seconds=one.seconds,
            )
        )
        below = score
    final = "The network with this run's settings, which is the saved model."
    return [*rungs, Rung("final", "final", final, scores.validation[primary], scores.test[primary], seconds=seconds)]


@dataclass(frozen=True)
class About:
    """What the report must know about a classifier's lesson."""

    title: str
    target: str
    """Column of the class numbers."""
    classes: tuple[str, ...]
    """Name of each class number."""
    features: tuple[str, ...]
    """Columns that the network reads."""
    identifiers: tuple[str, ...]
    """Columns that it is never shown."""
    primary: str
    """The metric that decides, by its key in the scores."""
    direction: str
    """`max` or `min`: what is better in it."""
    monitor: str
    """The logged value that early stopping watches."""
    mode: str
    """`max` or `min`: what is better in it."""
    tuned: str
    """The logged value that a search for settings ranks by; better in the direction of `primary`. Not the loss, if
    that holds a penalty which the search may switch off."""
    text: str
    """The lesson's opening lines."""


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
    predictions = [prediction_rows(name, rows, about.target, answer) for name, rows, answer in scored]
    run.write_table(run.predictions_path, pd.concat(predictions))
    test_scores = {one.name: one.test for one in baselines}
    run.write_table(
        run.baselines_path, pd.DataFrame([{"name": one.name, "kind": one.kind, **one.test} for one in baselines])
    )
    strongest = next(one for one in baselines if one.name == best_baseline(test_scores, about.primary, about.direction))
    truth = split.test[about.target].to_numpy("float64")
    ours = answers.test.iloc[:, 0].to_numpy("float64")
    difference, interval = paired_bootstrap(roc_auc, truth, ours, strongest.test_prediction, seed=config.seed)
    history = run.history()
    watched = history[about.monitor]
    last_epoch = int(history["epoch"].iloc[-1])
    best_epoch = int(history["epoch"].iloc[watched.argmax() if about.mode == "max" else watched.argmin()])
    run.write_summary(
        {
            "title": about.title,
            "task": "binary",
            "classes": about.classes,
            "lesson": about.text,
            "data": describe_rows(split, about),
            "architecture": describe_layers(network),
            "ladder": [vars(rung) for rung in ladder(baselines, rungs, scores, about.primary, fit_seconds)],
            "fit": {
                "best_epoch": best_epoch if best_epoch_kept else last_epoch,
                "epochs": last_epoch + 1,
                "monitor": about.monitor,
                "sentence": fit_sentence(
                    metric_label(about.primary),
                    about.direction,
                    scores.train[about.primary],
                    scores.validation[about.primary],
                    baselines[0].validation[about.primary],
                ),
            },
            "baseline_curves": {strongest.name: curves(truth, strongest.test_prediction)},
            "settings": [
                {"name": name, "value": _plain(_get(config, name)), "source": config.source(name), "description": text}
                for name, text in describe(type(config)).items()
            ],
            **parts,
        }
    )
    return Scores(
        train=scores.train,
        validation=scores.validation,
        test=scores.test,
        baselines=test_scores,
        primary=about.primary,
        direction=about.direction,
        verdict=verdict(strongest.name, difference, interval, about.direction),
        epochs=last_epoch + 1,
        fit_seconds=fit_seconds,
    )


def describe_threshold(threshold: float, rule: str, curve: pd.DataFrame) -> dict[str, Any]:
    """Return the choice of a threshold for the report, in a sentence and as a curve of at most `CURVE_POINTS` points.

    Args:
        threshold: the chosen one.
        rule: `f1` or `cost`.
        curve: from `threshold_curve`, of validation rows.
    """
    at = curve.iloc[int((curve["threshold"] - threshold).abs().to_numpy().argmin())]
    reason = f"the best F1, {at['f1']:.3f}" if rule == "f1" else f"the lowest cost, {at['cost']:.2f} EUR per customer"
    return {
        "value": threshold,
        "rule": rule,
        "sentence": f"From {threshold:.3f} on the answer is yes. On validation rows that gave {reason}.",
        "curve": {name: _thin(curve[name].to_numpy()) for name in curve},
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
    precision, recall, _ = sk.precision_recall_curve(truth, probability)
    return {
        "roc": {"fpr": _thin(fpr), "tpr": _thin(tpr)},
        "pr": {"precision": _thin(precision), "recall": _thin(recall)},
    }


def describe_rows(split: Split[pd.DataFrame], about: About) -> dict[str, Any]:
    """Return what the report says of the data: sizes, classes, five rows, missing values, what was noted on reading."""
    parts = dict(split.items())
    everything = pd.concat(parts.values())
    missing = everything.isna().sum() + (everything == "").sum()
    head = everything.sort_index().head(5)
    return {
        "rows": len(everything),
        "parts": {name: len(rows) for name, rows in parts.items()},
        "class_counts": {
            name: {label: int((rows[about.target] == number).sum()) for number, label in enumerate(about.classes)}
            for name, rows in parts.items()
        },
        "head": {
            "columns": list(head.columns),
            "rows": [[_text(cell) for cell in row] for row in head.to_numpy(object)],
        },
        "missing": {column: int(count) for column, count in missing.items() if count},
        "dropped_columns": [column for column in about.identifiers if column in everything],
        "duplicates": int(everything.duplicated(list(about.features)).sum()),
        "notes": list(split.facts.notes) if split.facts else [],
    }


def describe_layers(network: Any) -> list[dict[str, Any]]:
    """Return layer, kind, output shape and parameters with their arithmetic for each layer of a Keras model."""
    found = []
    for layer in network.layers:
        shape = getattr(layer.output, "shape", None)
        found.append(
            {
                "layer": layer.name,
                "kind": type(layer).__name__,
                "output_shape": f"({', '.join('batch' if size is None else str(size) for size in shape or ())})",
                "parameters": int(layer.count_params()),
                "arithmetic": " + ".join(
                    f"{' x '.join(map(str, weight.shape))} {weight.name}" for weight in layer.weights
                ),
            }
        )
    return found


def _thin(values: npt.NDArray[Any]) -> list[float]:
    places = np.unique(np.linspace(0, len(values) - 1, CURVE_POINTS).astype(int))
    return [round(float(value), 5) for value in values[places]]


def _text(cell: Any) -> str:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{cell:.12g}"
    return str(cell)


def _get(config: PracticalConfig, dotted: str) -> Any:
    value: Any = config
    for name in dotted.split("."):
        value = getattr(value, name)
    return value


def _plain(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else "" if value is None else str(value)

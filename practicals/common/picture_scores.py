"""What a lesson that names pictures hands over at its end, and the files that come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from practicals.common import picture_gallery
from practicals.common.classification import curves
from practicals.common.config import PracticalConfig
from practicals.common.data.split import Split
from practicals.common.ladder import Baseline, Climbed
from practicals.common.metrics import Numbers, expected_calibration_error, paired_bootstrap, roc_auc
from practicals.common.outcome import About, strongest_baseline, write_outcome
from practicals.common.run import Run, Scores

if TYPE_CHECKING:
    from practicals.common.data.pictures import Pictures

__all__ = ["About", "Entry", "accuracy", "class_scores", "finish", "log_loss", "score_on_features"]

SMALLEST = 1e-7
"""Probabilities are clipped to this and to 1 less this before a logarithm is taken."""


def class_scores(truth: npt.ArrayLike, probability: npt.ArrayLike) -> dict[str, float]:
    """Return the scores of a classifier: the keys of `practicals.common.report.words.METRICS`.

    Args:
        truth: (n,) class numbers.
        probability: (n, classes), rows sum to 1.

    Returns:
        `accuracy` of the most probable class; `roc_auc` of class 1 where there are two, otherwise the mean over the
        classes, each against the rest (left out where all of `truth` is one class); `log_loss`, natural logarithm;
        `ece`, the gap between the probability of the label and the share of right labels.
    """
    truth, probability = np.asarray(truth, "int64"), np.asarray(probability, "float64")
    classes = probability.shape[1]
    right = probability.argmax(axis=1) == truth
    areas = [
        roc_auc((truth == number).astype("float64"), probability[:, number])
        for number in ([1] if classes == 2 else range(classes))
        if 0 < np.count_nonzero(truth == number) < len(truth)
    ]
    return {
        "accuracy": float(right.mean()),
        **({"roc_auc": float(np.mean(areas))} if areas else {}),
        "log_loss": log_loss(truth, probability),
        "ece": expected_calibration_error(right, probability.max(axis=1)),
    }


def log_loss(truth: npt.NDArray[np.int64], probability: Numbers) -> float:
    """Return the mean of -log of the probability of the true class, clipped by `SMALLEST`.

    Args:
        truth: (n,) class numbers.
        probability: (n, classes).
    """
    of_truth = probability[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(of_truth, SMALLEST, 1 - SMALLEST)).mean())


def accuracy(truth: Numbers, label: Numbers) -> float:
    """Return the share of labels that are right; both (n,) class numbers."""
    return float(np.mean(truth == label))


Entry = tuple[str, str, str, Any, Callable[["Pictures"], Numbers]]
"""Name, kind, why, an unfitted scikit-learn classifier, and what makes its features (n, d) of n pictures."""


def score_on_features(entries: Sequence[Entry], split: Split[Pictures]) -> list[Baseline]:
    """Fit opponents on features of the training pictures and score them on validation and test pictures.

    Args:
        entries: the opponents, the naive one first. Features that several of them read are made once.
        split: the pictures.

    Returns:
        The opponents; `test_prediction` is (n, classes).
    """
    made: dict[Callable[[Pictures], Numbers], Split[Numbers]] = {}
    found = []
    for name, kind, why, opponent, features in entries:
        if features not in made:
            made[features] = split.map(features)
        seen = made[features]
        opponent.fit(seen.train, split.train.labels)
        parts = (split.validation, seen.validation), (split.test, seen.test)
        said = [_all_classes(opponent, rows, len(pictures.classes)) for pictures, rows in parts]
        validation, test = (
            class_scores(pictures.labels, probability) for (pictures, _), probability in zip(parts, said, strict=True)
        )
        found.append(Baseline(name, kind, why, validation, test, test_prediction=said[1]))
    return found


def _all_classes(opponent: Any, features: Numbers, classes: int) -> Numbers:
    """Return (n, classes); a class that the training part does not hold gets 0."""
    probability = np.zeros((len(features), classes))
    probability[:, opponent.classes_] = opponent.predict_proba(features)
    return probability


def finish(
    run: Run,
    config: PracticalConfig,
    about: About,
    *,
    split: Split[Pictures],
    network: Any,
    probabilities: Split[npt.NDArray[Any]],
    scores: Split[dict[str, float]],
    baselines: Sequence[Baseline],
    rungs: Sequence[Climbed],
    fit_seconds: float,
    best_epoch_kept: bool,
    gallery: Mapping[str, Any] | None = None,
    augmentation_curves: Mapping[str, pd.DataFrame] | None = None,
    **parts: Any,
) -> Scores:
    """Write predictions, pictures, baselines and summary into the run folder and compare with the opponents.

    Args:
        run: the run's folder.
        config: its settings.
        about: what the lesson is about.
        split: the pictures.
        network: the keras.Model whose layers are listed; only asked for them.
        probabilities: (n, classes) what the saved model says of each part.
        scores: all scores of each part, from `class_scores`.
        baselines: the opponents, the naive one first.
        rungs: the course's network and the steps from it; may be empty.
        fit_seconds: how long `fit` took.
        best_epoch_kept: whether the weights are those of the best epoch; those of the last otherwise.
        gallery: pictures for the report, from `practicals.common.picture_gallery`: `augmented`, `filters`,
            `feature_maps`. `examples` and `wrong` are added here.
        augmentation_curves: `with` and `without` -> the history of a fit with and without augmentation.
        parts: further parts of the summary, such as `networks`.
    """
    classes, truth = split.test.classes, split.test.labels.astype("float64")
    said = np.asarray(probabilities.test, "float64")
    ours = said.argmax(axis=1).astype("float64")
    strongest = strongest_baseline(baselines, about)
    shown = {
        **(gallery or {}),
        "examples": picture_gallery.examples(run, split.train, seed=config.seed),
        "wrong": picture_gallery.most_confidently_wrong(run, split.test, said),
    }
    scored = ("validation", split.validation, probabilities.validation), ("test", split.test, probabilities.test)
    return write_outcome(
        run,
        config,
        about,
        task="pictures",
        network=network,
        scores=scores,
        baselines=baselines,
        rungs=rungs,
        fit_seconds=fit_seconds,
        best_epoch_kept=best_epoch_kept,
        predictions=pd.concat([prediction_rows(name, pictures, answer) for name, pictures, answer in scored]),
        data=describe_pictures(split),
        compare=lambda one: paired_bootstrap(
            accuracy, truth, ours, one.test_prediction.argmax(axis=1).astype("float64"), seed=config.seed
        ),
        classes=list(classes),
        confusion={"counts": confusion(split.test.labels, said)},
        baseline_curves=_curves(strongest, split.test.labels),
        gallery=shown,
        augmentation_curves={name: _logged(history) for name, history in (augmentation_curves or {}).items()},
        **parts,
    )


def _logged(history: pd.DataFrame) -> dict[str, list[float]]:
    """Return the accuracy over the epochs, counted from 0."""
    kept = history[["epoch", "accuracy", "val_accuracy"]].dropna()
    return {str(name): [round(float(value), 5) for value in kept[name]] for name in kept}


def _curves(one: Baseline, truth: npt.NDArray[np.int64]) -> dict[str, Any]:
    if one.test_prediction.shape[1] != 2:
        return {}
    return {one.name: curves(truth, one.test_prediction[:, 1])}


def describe_pictures(split: Split[Pictures]) -> dict[str, Any]:
    """Return what the report says of the data: how many pictures, of which class, and what was left out."""
    parts = dict(split.items())
    return {
        "things": "pictures",
        "rows": sum(map(len, parts.values())),
        "parts": {name: len(pictures) for name, pictures in parts.items()},
        "class_counts": {
            name: {label: int(np.sum(pictures.labels == number)) for number, label in enumerate(pictures.classes)}
            for name, pictures in parts.items()
        },
        "notes": list(split.facts.notes) if split.facts else [],
    }


def confusion(truth: npt.NDArray[np.int64], probability: npt.NDArray[Any]) -> list[list[int]]:
    """Count truth (rows) by label (columns): (classes, classes).

    Args:
        truth: (n,) class numbers.
        probability: (n, classes).
    """
    classes = probability.shape[1]
    pairs = truth * classes + probability.argmax(axis=1)
    return [[int(count) for count in row] for row in np.bincount(pairs, minlength=classes**2).reshape(classes, classes)]


def prediction_rows(part: str, pictures: Pictures, probability: npt.NDArray[Any]) -> pd.DataFrame:
    """Return the lines of `predictions.csv` for one part.

    Args:
        part: `validation` or `test`.
        pictures: n pictures; their index is the id.
        probability: (n, classes).

    Returns:
        `id`, `part`, `truth`, `prediction`, `probability` of the prediction, and `probability_<class>` of each class.
    """
    names = np.array(pictures.classes, dtype=object)
    return pd.DataFrame(
        {
            "id": pictures.index,
            "part": part,
            "truth": names[pictures.labels],
            "prediction": names[probability.argmax(axis=1)],
            "probability": probability.max(axis=1),
            **{f"probability_{name}": probability[:, number] for number, name in enumerate(pictures.classes)},
        }
    )

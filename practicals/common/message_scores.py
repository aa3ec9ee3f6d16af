"""What a lesson that reads messages hands over at its end, and the files that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from practicals.common.classification import curves
from practicals.common.config import PracticalConfig
from practicals.common.data.csvtext import quote
from practicals.common.data.split import Split
from practicals.common.errors import DataError
from practicals.common.ladder import Baseline, Climbed
from practicals.common.message_blocking import (
    EVEN,
    Blocking,
    blocking_rows,
    choose_blocking,
    describe_blocking,
    share_interval,
)
from practicals.common.metrics import Numbers, binary_scores, paired_bootstrap
from practicals.common.outcome import About, strongest_baseline, write_outcome
from practicals.common.run import Run, Scores

if TYPE_CHECKING:
    from practicals.common.data.messages import Messages

__all__ = [
    "About",
    "Blocking",
    "choose_blocking",
    "finish",
    "matthews_correlation",
    "message_scores",
    "score_on_texts",
    "share_interval",
]

WRONG_SHOWN = 12
LENGTH_BINS = 40


def matthews_correlation(truth: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return Matthews' correlation of truth and decision, -1 to 1; 0 where either is always the same.

    All four cells of the confusion matrix count, so that it is not fooled by a rare class (Matthews, 1975; Chicco &
    Jurman, 2020).

    Args:
        truth: (n,), 0 or 1.
        decision: (n,), 0 or 1.
    """
    truth, decision = np.asarray(truth, "float64"), np.asarray(decision, "float64")
    spread = truth.std() * decision.std()
    if spread == 0:
        return 0.0
    return float(np.mean((truth - truth.mean()) * (decision - decision.mean())) / spread)


def message_scores(
    truth: npt.ArrayLike, probability: npt.ArrayLike, blocked_from: float, *, calibrated: bool = True
) -> dict[str, float]:
    """Return all scores: the keys of `practicals.common.report.words.METRICS`.

    Args:
        truth: (n,), 0 or 1; both must occur.
        probability: (n,), of class 1, in 0 to 1.
        blocked_from: the threshold of `choose_blocking`; `ham_blocked` and `spam_blocked` are taken there, the other
            decisions at one half.
        calibrated: whether it is meant as a probability; otherwise only its order and its side of one half count, and
            `brier` and `ece` are left out.
    """
    truth, probability = np.asarray(truth), np.asarray(probability, "float64")
    blocked = probability >= blocked_from
    scores = {
        "mcc": matthews_correlation(truth, called_spam(probability)),
        **binary_scores(truth, probability, EVEN),
        "ham_blocked": float(blocked[truth == 0].mean()),
        "spam_blocked": float(blocked[truth == 1].mean()),
    }
    return scores if calibrated else {name: value for name, value in scores.items() if name not in ("brier", "ece")}


Entry = tuple[str, str, str, Any]
"""Name, kind, why, and an unfitted scikit-learn classifier of texts."""


def score_on_texts(entries: Sequence[Entry], split: Split[Messages]) -> list[Baseline]:
    """Fit opponents on the training messages and score them on validation and test messages.

    Each chooses its own blocking threshold on the validation messages, by the same rule as the network.

    Args:
        entries: the opponents, the naive one first. One without probabilities (a support vector machine) is scored by
            its distance from the border, bent to 0 to 1 with the border at one half.
        split: the messages.

    Raises:
        DataError: the training messages have no words.
    """
    made = []
    for name, kind, why, opponent in entries:
        _fit(opponent, split.train)
        calibrated = hasattr(opponent, "predict_proba")

        def say(messages: Messages, opponent: Any = opponent, calibrated: bool = calibrated) -> Numbers:
            if calibrated:
                return np.asarray(opponent.predict_proba(messages.texts)[:, 1], "float64")
            return np.asarray(expit(opponent.decision_function(messages.texts)), "float64")

        said = [say(split.validation), say(split.test)]
        blocked_from = choose_blocking(split.validation.labels, said[0]).threshold
        validation, test = (
            message_scores(messages.labels, scores, blocked_from, calibrated=calibrated)
            for messages, scores in zip((split.validation, split.test), said, strict=True)
        )
        made.append(Baseline(name, kind, why, validation, test, test_prediction=said[1]))
    return made


def _fit(opponent: Any, train: Messages) -> None:
    try:
        opponent.fit(train.texts, train.labels)
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        raise DataError(
            f"No training message, such as {quote(str(train.texts[0]))}, has a word of two letters; sentences were "
            "expected. Does the setting text name the right column?"
        ) from None


def finish(
    run: Run,
    config: PracticalConfig,
    about: About,
    *,
    split: Split[Messages],
    network: Any,
    probabilities: Split[npt.NDArray[Any]],
    scores: Split[dict[str, float]],
    blocking: Blocking,
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
        split: the messages.
        network: the keras.Model whose layers are listed; only asked for them.
        probabilities: (n,) what the saved model says of each part: the probability of the class looked for.
        scores: all scores of each part, from `message_scores`.
        blocking: how the blocking threshold was chosen.
        baselines: the opponents, the naive one first.
        rungs: the course's network and the steps from it; may be empty.
        fit_seconds: how long `fit` took.
        best_epoch_kept: whether the weights are those of the best epoch; those of the last otherwise.
        parts: further parts of the summary, such as `steps` and `reading`.
    """
    truth = split.test.labels.astype("float64")
    ours = np.asarray(probabilities.test, "float64")
    strongest = strongest_baseline(baselines, about)
    scored = ("validation", split.validation, probabilities.validation), ("test", split.test, probabilities.test)
    return write_outcome(
        run,
        config,
        about,
        task="messages",
        network=network,
        scores=scores,
        baselines=baselines,
        rungs=rungs,
        fit_seconds=fit_seconds,
        best_epoch_kept=best_epoch_kept,
        predictions=pd.concat([prediction_rows(*part, blocking.threshold) for part in scored]),
        data=describe_messages(split),
        compare=lambda one: paired_bootstrap(
            matthews_correlation, truth, called_spam(ours), called_spam(one.test_prediction), seed=config.seed
        ),
        classes=list(split.train.classes),
        lengths=lengths(split.train),
        threshold=describe_blocking(blocking, split.train.classes),
        blocking={"rows": blocking_rows(scores.test, baselines, truth)},
        wrong=most_confidently_wrong(split.test, ours),
        baseline_curves={strongest.name: curves(truth, strongest.test_prediction)},
        **parts,
    )


def called_spam(probability: Numbers) -> Numbers:
    """Return 1 where a probability calls a message spam, 0 elsewhere."""
    return (probability >= EVEN).astype("float64")


def prediction_rows(part: str, messages: Messages, probability: npt.NDArray[Any], blocked_from: float) -> pd.DataFrame:
    """Return the lines of `predictions.csv` for one part.

    Args:
        part: `validation` or `test`.
        messages: n messages; their index is the id, the row in the source file.
        probability: (n,) of class 1.
        blocked_from: the threshold of `choose_blocking`.
    """
    names = np.array(messages.classes, dtype=object)
    return pd.DataFrame(
        {
            "id": messages.index,
            "part": part,
            "truth": names[messages.labels],
            "prediction": names[(probability >= EVEN).astype(int)],
            "probability": probability,
            "blocked": (probability >= blocked_from).astype(int),
        }
    )


def describe_messages(split: Split[Messages]) -> dict[str, Any]:
    """Return what the report says of the data: how many messages, of which class, and what was noted on reading."""
    parts = dict(split.items())
    return {
        "things": "messages",
        "rows": sum(map(len, parts.values())),
        "parts": {name: len(messages) for name, messages in parts.items()},
        "class_counts": {
            name: {label: int(np.sum(messages.labels == number)) for number, label in enumerate(messages.classes)}
            for name, messages in parts.items()
        },
        "notes": list(split.facts.notes) if split.facts else [],
    }


def lengths(messages: Messages) -> dict[str, Any]:
    """Return how long the messages of each class are, in characters; the longest hundredth shares the last bin."""
    count = np.array([len(text) for text in messages.texts])
    edges = np.linspace(0, max(np.quantile(count, 0.99), LENGTH_BINS), LENGTH_BINS + 1)
    of_class = {name: count[messages.labels == number] for number, name in enumerate(messages.classes)}
    return {
        "unit": "characters",
        "edges": [round(float(edge), 1) for edge in edges],
        "counts": {
            name: [int(found) for found in np.histogram(np.minimum(counts, edges[-1]), edges)[0]]
            for name, counts in of_class.items()
        },
        "median": {name: float(np.median(counts)) for name, counts in of_class.items()},
    }


def most_confidently_wrong(messages: Messages, probability: Numbers) -> list[dict[str, Any]]:
    """Return the messages on the wrong side of one half, the most sure first, at most `WRONG_SHOWN`."""
    sureness = np.where(messages.labels == 1, 1 - probability, probability)  # of the wrong class
    order = np.argsort(-sureness, kind="stable")
    is_wrong = called_spam(probability) != messages.labels
    wrong = {str(messages.texts[place]): place for place in reversed(order) if is_wrong[place]}  # repeats once
    return [
        {
            "id": str(messages.index[place]),
            "text": str(messages.texts[place]),
            "truth": messages.classes[messages.labels[place]],
            "prediction": messages.classes[1 - messages.labels[place]],
            "probability": float(sureness[place]),
        }
        for place in [*reversed(wrong.values())][:WRONG_SHOWN]
    ]

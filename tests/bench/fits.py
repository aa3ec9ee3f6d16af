"""The two sides of a race: the practical with its default settings, and the notebook. See `races`."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras

from bench.parts import Effort
from bench.races import Arrived, Notes
from practicals.common.training import prepare

Score = Callable[[dict[str, float]], float]
"""The logs of an epoch -> the score of the network as it is now."""


class Noted(keras.callbacks.Callback):
    """Notes the score before the first epoch and after each, with a time that leaves out what the scoring took.

    Args:
        score: see `Score`.
        arrived: ends the training after the first epoch by which some score was good enough.
    """

    def __init__(self, score: Score, arrived: Arrived = lambda score: False) -> None:
        super().__init__()
        self.score, self.arrived = score, arrived
        self.notes: Notes = []
        self.own, self.began = 0.0, time.perf_counter()

    def on_train_begin(self, logs=None):
        self.note(0, logs)

    def on_epoch_end(self, epoch, logs=None):
        self.note(epoch + 1, logs)
        if any(self.arrived(score) for *_, score in self.notes):
            self.model.stop_training = True

    def note(self, epochs: int, logs) -> None:
        ended = time.perf_counter()
        self.notes.append((epochs, ended - self.began - self.own, self.score(logs or {})))
        self.own += time.perf_counter() - ended


def run_lesson(
    lesson: ModuleType,
    split: Any,
    config: Any,
    score_of: Callable[..., Score],
    effort: Effort,
    seed: int,
    arrived: Arrived,
) -> Notes:
    """Train the practical until its score has arrived, or to its end; `score_of` takes preprocess model and network."""
    settings = config.with_changes({"seed": seed, "epochs": effort.epochs(config.epochs)}, "bench")
    prepare(seed, deterministic=settings.deterministic)
    preprocess = lesson.build_preprocess(split.train, settings)
    network = lesson.build_model(settings, preprocess)
    data = lesson.encode(preprocess, split, settings)
    noted = Noted(score_of(preprocess, network), arrived)
    lesson.fit(network, data, settings, [noted])
    return noted.notes


def run_notebook(
    lesson: ModuleType,
    split: Any,
    config: Any,
    score_of: Callable[..., Score],
    effort: Effort,
    seed: int,
    **compiled: Any,
) -> Notes:
    """Train the course's network on arrays; `config` has the settings of the slide, and `compiled` goes to Keras."""
    course = config.with_changes({"seed": seed}, "bench")
    prepare(seed)
    preprocess = lesson.build_preprocess(split.train, course)
    data = lesson.encode(preprocess, split, course)
    network = lesson.build_model(course, preprocess)
    network.compile(**compiled)  # in place of how the lesson compiled it
    noted = Noted(score_of(preprocess, network))
    network.fit(
        data.train.inputs,
        data.train.targets,
        batch_size=course.batch_size,
        epochs=effort.epochs(course.epochs),
        callbacks=[noted],
        verbose=0,
    )
    return noted.notes

"""Two ways to the same answers, timed side by side."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.lines import Line
from bench.parts import Effort
from practicals.common.catalog import find_practical
from practicals.common.workflow import load_lesson


def lesson_named(name: str) -> ModuleType:
    """Return a lesson, after a tiny fit: what TensorFlow does only once in a process burdens neither side."""
    lesson = load_lesson(find_practical(name))
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.compile(optimizer="adam", loss="mse")
    network.fit(np.zeros((2, 1)), np.zeros(2), verbose=0)
    return lesson


def quickest(action: Callable[[], object], repeats: int) -> float:
    """Return the shortest of a few timings: the one with the least disturbance."""
    timings = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        timings.append(time.perf_counter() - began)
    return min(timings)


def side_by_side(
    group: str, what: str, ours: Callable[[], object], theirs: Callable[[], object], opponent: str, effort: Effort
) -> Line:
    """Time two ways to the same answers. The first time pays for tracing, and only the best of several counts."""
    return Line(
        group, what, opponent, quickest(ours, effort.repeats), quickest(theirs, effort.repeats), best_of(effort.repeats)
    )


def through_keras(model: Any, inputs: Any) -> Any:
    """Return what `model.predict` says with its defaults; it takes text as tensors only."""
    return model.predict(keras.tree.map_structure(tf.convert_to_tensor, inputs), verbose=0)


def best_of(repeats: int) -> str:
    return f"best of {repeats}"


def explained(what: str, explain: Callable[[Any], object], traced: Any, naive: Any, effort: Effort) -> Line:
    """Time one explanation through the traced function and through `model.predict`, all else alike."""
    return side_by_side(
        "explanation", what, partial(explain, traced), partial(explain, naive), "through `model.predict`", effort
    )

"""What a part of a window would be if it were not known: as usual. And what the model makes of such windows.

A part of the window is unknown when its values are the usual ones: those of training windows that end at the same place
of the cycle (Monday 08:00) and, where there are enough, in the same series. So the daily and the weekly wave, which
everybody knows, earn no part a contribution; what a part is credited with is how it departed from its usual course.
These windows are scaled to the level of the explained one. Unscaled, a window of a busy month would be compared with
those of quiet months: nearly every part would be "high" by the same share, which says how the level has grown and not
which part matters, and a window half of one level and half of another has a jump that the network has never seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from practicals.common.explain.coding import LARGEST_BATCH, Answer, Matrix, Vector, require_numbers
from practicals.common.explain.window_parts import Parts
from practicals.common.report.words import digits_of

if TYPE_CHECKING:
    from practicals.common.data.windows import Windows

BACKGROUND_WINDOWS = 40
"""At most this many training windows are what is usual."""
FEWEST_BACKGROUND_WINDOWS = 10
"""With fewer of the same series and place in the cycle, others are taken in: of other series, then of other places."""

Forecast = Callable[[Matrix, int], Matrix]
"""Windows (n, window) that end at one place of the cycle, and that place -> forecasts (n, horizon)."""


def traced_forecast(model: keras.Model, window: int) -> Forecast:
    """Return the assembled model as a fast function of windows; see `coding.traced_output`.

    Args:
        model: see `explain_windows`.
        window: steps of a window.

    Returns:
        A function that raises RunError where the model gives no number.
    """

    def answer(values: tf.Tensor, phase: tf.Tensor) -> tf.Tensor:
        places = tf.repeat(phase[None, None], tf.shape(values)[0], axis=0)  # (n, 1)
        return model({"values": values, "origin_phase": places}, training=False)["prediction"]

    traced = tf.function(
        answer, input_signature=[tf.TensorSpec((None, window), tf.float32), tf.TensorSpec((), tf.int32)]
    )

    def forecast(values: Matrix, phase: int) -> Matrix:
        inputs = values.astype(np.float32)
        parts = [traced(inputs[i : i + LARGEST_BATCH], phase).numpy() for i in range(0, len(inputs), LARGEST_BATCH)]
        result: Matrix = np.concatenate(parts).astype(np.float64)
        require_numbers(result, "windows")
        return result

    return forecast


def usual_windows(training: Windows, window: Windows, seed: int) -> Matrix:
    """Return training windows that end at the same place of the cycle, at the level of `window`, (n, window).

    An even number, at most `BACKGROUND_WINDOWS`, drawn by seed: of the same series and place. Where these are fewer
    than `FEWEST_BACKGROUND_WINDOWS`, of other series too, and then of other places.

    Args:
        training: training windows.
        window: the one window that is explained.
        seed: of the draw.
    """
    name = window.table.names[window.series[0]]
    same_series = np.array([name == other for other in training.table.names])[training.series]
    same_phase = training.phase == window.phase[0]
    random = np.random.default_rng(seed)
    chosen = np.empty(0, np.int64)
    for tier in (same_series & same_phase, same_phase, same_series, np.ones(len(training), bool)):
        if len(chosen) < FEWEST_BACKGROUND_WINDOWS:
            others = np.setdiff1d(np.flatnonzero(tier), chosen)
            chosen = np.concatenate([chosen, random.permutation(others)[: BACKGROUND_WINDOWS - len(chosen)]])
    # Shuffled, because SHAP's checks compare the first half with the second.
    values = training[random.permutation(chosen)].values
    # An empty week has no level to bring to another, and would say that nothing is usual: leave it out.
    levels = level(values)
    if (levels > 0).any():
        known = levels > 0
        values = values[known] * (level(window.values) / levels[known])[:, None]
    # SHAP's check compares two halves of equal size: an even number, if only the same one twice.
    return np.resize(values, (max(2, len(values) // 2 * 2), training.window))


def level(values: Matrix) -> Vector:
    """Return the level of each window, (n, window) -> (n,): the median of its values above zero; 0 where none is.

    Neither a spike nor an outage moves it, so half a week of zeros does not blow up the other half.
    """
    return np.array([float(np.median(row[row > 0])) if (row > 0).any() else 0.0 for row in values])


def mixed(forecast: Forecast, own: Vector, usual: Matrix, parts: Parts, phase: int) -> Answer:
    """Return the mean forecast as a function of where each part of the window comes from.

    Args:
        forecast: the model.
        own: the explained window, (window,).
        usual: the windows that are usual, (n, window).
        parts: the parts.
        phase: the place of the cycle where all of them end.

    Returns:
        A function of (rows, parts): -1 where the part is the window's own, else the number of the usual window that it
        is taken from; to the mean over the horizon, (rows,).
    """
    sources = np.vstack([usual, own])  # so that -1 is the window's own
    part_of_place, places = parts.part_of_place(), np.arange(parts.window)

    def predict(codes: Matrix) -> Vector:
        answers = []
        for i in range(0, len(codes), LARGEST_BATCH):  # so that memory does not grow with the number of rows
            origin = codes[i : i + LARGEST_BATCH].astype(np.int64)[:, part_of_place]  # (rows, window)
            answers.append(forecast(sources[origin, places], phase).mean(axis=1))
        return np.concatenate(answers)

    return predict


def part_texts(own: Vector, usual: Matrix, parts: Parts) -> list[str]:
    """Say of each part what its mean was and what is usual: "1,418, usually 1,318 million"."""
    pairs = np.column_stack([means(own[None], parts)[0], means(usual, parts).mean(axis=0)])
    largest = np.abs(pairs).max()
    factor, name = (1e6, " million") if largest >= 1e7 else (1.0, "")
    digits = min(digits_of(largest / factor), 2)
    return [f"{was / factor:,.{digits}f}, usually {typical / factor:,.{digits}f}{name}" for was, typical in pairs]


def means(values: Matrix, parts: Parts) -> Matrix:
    """The mean of each part, (n, window) -> (n, parts)."""
    return np.column_stack([values[:, start:stop].mean(axis=1) for start, stop in parts.places()])

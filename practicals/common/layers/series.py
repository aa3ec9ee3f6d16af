"""Keras layers for windows of a series: values as logarithms and back, the time of the cycle, the next window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from practicals.common.layers.registered import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class LogRatio(keras.layers.Layer):
    """Turn the values of a window into logarithms relative to the last one: log(1 + v) - log(1 + last).

    Input shape: (batch, window), at least 0. Output shape: the same; the last is always 0.
    """

    def __init__(self, **kwargs: Any) -> None:
        # The logarithm of a billion leaves 16 bit only two digits for what changes.
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, values: Any) -> Any:
        logarithms = _logarithm(values)
        return logarithms - logarithms[:, -1:]


@keras.saving.register_keras_serializable(PACKAGE)
class LogChanges(keras.layers.Layer):
    """Turn the values of a window into changes of the logarithm from step to step, the older the fainter.

    A regression with a price on large weights trusts small inputs less, so what is long ago has to say more to count.

    Args:
        memory: by how many steps older a change must be to be shown 1/e times as large; the middle one is unchanged.

    Input shape: (batch, window), at least 0. Output shape: (batch, window - 1).
    """

    def __init__(self, memory: float, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.memory = float(memory)

    def call(self, values: Any) -> Any:
        logarithms = _logarithm(values)
        size = np.exp(-np.arange(values.shape[1] - 1)[::-1] / self.memory)  # the last change has the age 0
        return (logarithms[:, 1:] - logarithms[:, :-1]) * (size / np.median(size)).astype("float32")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], None if input_shape[1] is None else input_shape[1] - 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "memory": self.memory}


@keras.saving.register_keras_serializable(PACKAGE)
class Clock(keras.layers.Layer):
    """Say where the hands of several clocks stand: sine and cosine of the place in each cycle, and of its multiples.

    Args:
        cycles: how many steps each clock takes to go round, such as 24 and 168 hours.
        multiples: how many times as fast the fastest hand of each clock goes.

    Input shape: (batch, 1), whole numbers of steps. Output shape: (batch, 2 * len(cycles) * multiples).
    """

    def __init__(self, cycles: Sequence[int], multiples: int = 3, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.cycles, self.multiples = [int(cycle) for cycle in cycles], int(multiples)

    def call(self, place: Any) -> Any:
        speeds = [2 * np.pi * multiple / cycle for cycle in self.cycles for multiple in range(1, self.multiples + 1)]
        angles = ops.cast(place, "float32") * np.array(speeds, "float32")
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], 2 * len(self.cycles) * self.multiples)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cycles": self.cycles, "multiples": self.multiples}


@keras.saving.register_keras_serializable(PACKAGE)
class FromLogRatio(keras.layers.Layer):
    """Turn log ratios back into values: expm1(ratio + log(1 + last)), never below 0.

    Input: ratios (batch, steps) and the values of the window (batch, window). Output shape: (batch, steps).
    """

    LARGEST_LOGARITHM = 80.0
    """exp(80) is beyond every count and fits into 32 bit."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, ratios: Any, values: Any) -> Any:
        logarithms = ratios + _logarithm(values[:, -1:])
        return ops.maximum(ops.expm1(ops.minimum(logarithms, self.LARGEST_LOGARITHM)), 0.0)

    def compute_output_shape(
        self, ratios_shape: tuple[int | None, ...], values_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return tuple(ratios_shape)


@keras.saving.register_keras_serializable(PACKAGE)
class SlideWindow(keras.layers.Layer):
    """Drop the oldest value of a window and append a new one, so that a forecast can be fed back.

    Input: window (batch, window) and new value (batch, 1). Output shape: (batch, window).
    """

    def call(self, window: Any, value: Any) -> Any:
        return ops.concatenate([window[:, 1:], ops.cast(value, window.dtype)], axis=1)

    def compute_output_shape(
        self, window_shape: tuple[int | None, ...], value_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return tuple(window_shape)


def _logarithm(values: Any) -> Any:
    return ops.log1p(ops.maximum(values, 0.0))

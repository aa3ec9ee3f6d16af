"""Keras layers behind a prediction: the decision, the bounds around it, and the words that belong to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from practicals.common.layers.registered import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class DecisionThreshold(keras.layers.Layer):
    """Turn a probability into a decision: 1 where it reaches the threshold, 0 elsewhere.

    Args:
        threshold: probability from which the answer is yes, in 0 to 1; chosen on validation rows.

    Input shape: any, float. Output shape: the same, int32.
    """

    def __init__(self, threshold: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = float(threshold)

    def call(self, probability: Any) -> Any:
        return ops.cast(probability >= self.threshold, "int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "threshold": self.threshold}


@keras.saving.register_keras_serializable(PACKAGE)
class Intervals(keras.layers.Layer):
    """Put bounds around a prediction: the prediction moved by offsets that a calibration part has set.

    Args:
        offsets: name of a bound -> its offset for each output, such as `{"lower_90": [-0.2], "upper_90": [0.2]}`.
        space: where offsets are added. `linear`: in the unit of the prediction. `log`: to log(1 + prediction), so
            that a bound is a share of the prediction and never below zero.

    Input shape: (batch, outputs), float. Output: a dict of the names, each (batch, outputs).
    """

    def __init__(self, offsets: Mapping[str, Sequence[float]], space: str, **kwargs: Any) -> None:
        # In 16 bit a bound of a large number would lie a thousandth beside its place.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.offsets = {name: [float(value) for value in values] for name, values in offsets.items()}
        self.space = space
        if space not in ("linear", "log"):
            raise ValueError(f"space must be 'linear' or 'log'. Received: {space!r}")

    def call(self, prediction: Any) -> dict[str, Any]:
        if self.space == "linear":
            return {name: prediction + np.array(values, "float32") for name, values in self.offsets.items()}
        logarithm = ops.log1p(ops.maximum(prediction, 0.0))
        return {
            name: ops.maximum(ops.expm1(logarithm + np.array(values, "float32")), 0.0)
            for name, values in self.offsets.items()
        }

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> dict[str, tuple[int | None, ...]]:
        return dict.fromkeys(self.offsets, tuple(input_shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "offsets": self.offsets, "space": self.space}


@keras.saving.register_keras_serializable(PACKAGE)
class Labels(keras.layers.Layer):
    """Carry words that belong to a prediction, such as the unit or the names of classes; numbers pass unchanged.

    Args:
        values: what the words are for -> the words, such as `{"unit": ["USD"]}`.

    Input shape: any. Output shape: the same.
    """

    def __init__(self, values: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.values = {name: [str(word) for word in words] for name, words in values.items()}

    def call(self, numbers: Any) -> Any:
        return numbers

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "values": self.values}

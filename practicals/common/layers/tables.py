"""Keras layers for the columns of a table: gaps are filled, numbers are opened into curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from practicals.common.layers.registered import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class FillMissing(keras.layers.Layer):
    """Replace missing numbers (not-a-number) by one value, learned from training rows.

    Args:
        value: what stands in for a missing number, in the unit of the column.

    Input shape: any, float, may hold not-a-number. Output shape: the same.
    """

    def __init__(self, value: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = float(value)

    def call(self, numbers: Any) -> Any:
        return ops.where(ops.isnan(numbers), ops.cast(self.value, numbers.dtype), numbers)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value": self.value}


@keras.saving.register_keras_serializable(PACKAGE)
class Spline(keras.layers.Layer):
    """Open one number into a smooth basis, so that a linear layer on top can draw a curve.

    The basis is the B-spline basis (de Boor, 1978) of `degree` over `knots`: at every value at most `degree + 1`
    of the functions differ from zero, and they add up to one. Values outside the knots are moved to the edge.

    Args:
        knots: increasing positions, in the unit of the column.
        degree: 1 gives straight pieces, 3 smooth cubic ones.

    Input shape: (batch, 1), float. Output shape: (batch, len(knots) + degree - 1), float.
    """

    def __init__(self, knots: Sequence[float], degree: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.knots = [float(knot) for knot in knots]
        self.degree = int(degree)
        if len(self.knots) < 2 or any(low >= high for low, high in zip(self.knots, self.knots[1:], strict=False)):
            raise ValueError(f"Spline needs at least two increasing knots. Received: {self.knots}")

    def call(self, numbers: Any) -> Any:
        low, high = self.knots[0], self.knots[-1]
        # Computed on 0..1, since a balance of 100,000 and its neighbour are the same number in 32-bit differences.
        scaled = [(knot - low) / (high - low) for knot in self.knots]
        padded = [0.0] * self.degree + scaled + [1.0] * self.degree
        x = ops.clip((numbers - low) / (high - low), 0.0, 1.0)  # (batch, 1)
        left, right = np.array(padded[:-1], "float32"), np.array(padded[1:], "float32")
        # The last real interval is closed on the right, or the largest value would belong to none.
        closed = np.where((right == 1.0) & (left < 1.0), np.inf, right).astype("float32")
        basis = ops.cast((x >= left) & (x < closed), self.compute_dtype)  # (batch, intervals)
        for degree in range(1, self.degree + 1):
            basis = self._raise_degree(x, basis, np.array(padded, "float32"), degree)
        return basis

    @staticmethod
    def _raise_degree(x: Any, basis: Any, padded: npt.NDArray[np.float32], degree: int) -> Any:
        """One step of the Cox-de Boor recursion; a term over an empty interval counts as zero."""
        count = len(padded) - degree - 1
        rising = padded[degree : degree + count] - padded[:count]
        falling = padded[degree + 1 : degree + 1 + count] - padded[1 : 1 + count]
        up = np.divide(1.0, rising, out=np.zeros_like(rising), where=rising > 0)
        down = np.divide(1.0, falling, out=np.zeros_like(falling), where=falling > 0)
        from_left = (x - padded[:count]) * up * basis[:, :-1]
        from_right = (padded[degree + 1 : degree + 1 + count] - x) * down * basis[:, 1:]
        return from_left + from_right

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], len(self.knots) + self.degree - 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "knots": self.knots, "degree": self.degree}

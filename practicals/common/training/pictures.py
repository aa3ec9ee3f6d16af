"""The model's own resizing as a plain function, for whoever keeps pictures on disk at the size of the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from practicals.common.layers import ResizePixels

Pixels = npt.NDArray[np.uint8]


def resizer(size: int) -> Callable[[Pixels], Pixels]:
    """Return a function from (height, width, 3) to (size, size, 3), both uint8; several threads may call it."""
    layer = ResizePixels(size)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)], autograph=False)
    def resized(picture: Any) -> Any:
        return tf.cast(layer(picture[None])[0], tf.uint8)

    def resize(picture: Pixels) -> Pixels:
        # On the CPU also where there is a GPU: pictures come one by one, and the cache must be the same everywhere.
        with tf.device("CPU:0"):
            pixels: Pixels = resized(tf.constant(picture)).numpy()
        return pixels

    return resize

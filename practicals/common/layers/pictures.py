"""Keras layers for pixels: pictures come to the size of the network, and are small in the first epochs."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from practicals.common.layers.registered import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class ResizePixels(keras.layers.Layer):
    """Bring pictures to the size that the network reads, in whole grey levels; the sides may change their ratio.

    Bilinear with antialias: without it, most pixels of a large picture would not count at all. Since levels are
    rounded, a picture that has the size already comes back unchanged, so that a network which was trained on resized
    pictures kept on disk sees the very same pixels when it is given the original.

    Args:
        size: height and width to bring pictures to, in pixels.

    Input shape: (batch, height, width, channels), 0 to 255. Output shape: (batch, size, size, channels), float32.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        # 16 bit would round the levels once more.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.size = int(size)

    def call(self, pixels: Any) -> Any:
        pixels = ops.cast(pixels, "float32")
        if tuple(pixels.shape[1:3]) == (self.size, self.size):
            return pixels
        resized = ops.image.resize(pixels, (self.size, self.size), interpolation="bilinear", antialias=True)
        return ops.clip(ops.round(resized), 0.0, 255.0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.size, self.size, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(PACKAGE)
class SmallAtFirst(keras.layers.Layer):
    """Shrink pictures in the first epochs of training, where details do not matter yet and small is fast.

    Only a network that takes any size can follow: convolutions and global pooling, no flattening. Outside training
    pictures pass unchanged.

    Args:
        size: height and width, in pixels, while `is_small` is 1; `fit` sets it to 0 when the first epochs are over.

    Input shape: (batch, height, width, channels). Output shape: the same as far as layers that are built on it can
    tell; (batch, size, size, channels) in training while `is_small` is 1.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = int(size)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # A weight, so that it is part of the state from which an interrupted fit continues.
        self.is_small = self.add_weight(name="is_small", shape=(), initializer="zeros", trainable=False)

    def call(self, pixels: Any, training: bool = False) -> Any:
        if not training:
            return pixels
        sides = (self.size, self.size)
        return ops.cond(self.is_small > 0, lambda: ops.image.resize(pixels, sides, antialias=True), lambda: pixels)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}

"""CutMix: training pictures into which a piece of another one is pasted."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from practicals.common.training.batches import EpochOrder


def cut_mix(batches: tf.data.Dataset, order: EpochOrder, share: float) -> tf.data.Dataset:
    """Paste into some pictures a rectangle of another picture of the batch, and mix their targets by area.

    Yun et al. (2019), "CutMix". A network that sees half a cat and half a dog must look at both halves. What is drawn
    follows from seed, epoch and step alone, so a resumed fit sees the same.

    Args:
        batches: of pictures (batch, height, width, channels) and targets (batch,) or (batch, classes), float.
        order: what `shuffled_batches` returned with them.
        share: of the pictures into which something is pasted, 0 to 1.

    Returns:
        The same with pictures in float32.
    """

    def mix(step: tf.Tensor, batch: Any) -> Any:
        pixels, targets = tf.cast(batch[0], tf.float32), batch[1]
        rows, height, width = (tf.shape(pixels)[axis] for axis in range(3))
        numbers = tf.random.stateless_uniform((4, rows), tf.stack([order.epoch * 100_000 + step, order.seed]))
        area, middle_y, middle_x = numbers[0], numbers[1], numbers[2]
        side = tf.sqrt(area) * tf.cast(numbers[3] < share, tf.float32)  # as a share of height and of width
        in_rows = _inside(height, middle_y, side)  # (batch, height)
        in_columns = _inside(width, middle_x, side)  # (batch, width)
        pasted = in_rows[:, :, None, None] * in_columns[:, None, :, None]  # (batch, height, width, 1), 0 or 1
        foreign = tf.reduce_mean(pasted, axis=(1, 2, 3))  # (batch,), less than `area` where the edge cuts it
        foreign = tf.reshape(foreign, tf.concat([[rows], tf.ones(tf.rank(targets) - 1, tf.int32)], axis=0))
        other_pixels, other_targets = tf.reverse(pixels, [0]), tf.reverse(targets, [0])
        return pixels + pasted * (other_pixels - pixels), targets + foreign * (other_targets - targets)

    return batches.enumerate().map(mix).prefetch(2)


def _inside(length: tf.Tensor, middle: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Return (batch, length) 1 where the middle of a pixel is less than half a side from `middle`; shares of 1."""
    place = (tf.range(tf.cast(length, tf.float32)) + 0.5) / tf.cast(length, tf.float32)
    return tf.cast(tf.abs(place[None] - middle[:, None]) < side[:, None] / 2, tf.float32)

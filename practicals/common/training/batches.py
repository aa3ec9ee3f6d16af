"""Batches in an order that follows from seed and epoch alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from practicals.common.data.examples import Examples, RowsOnDemand
from practicals.common.training.strategy import steps_of


class EpochOrder(keras.callbacks.Callback):
    """Sets the order of the rows at the start of each epoch: a function of seed and epoch, of nothing else."""

    def __init__(self, seed: int, rows: int) -> None:
        super().__init__()
        self.seed = seed
        self._rows = rows
        # On the CPU, where tf.data reads it, even if there is a GPU.
        with tf.device("CPU:0"):
            self.order = tf.Variable(self.of_epoch(0), trainable=False)
            self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False)

    def of_epoch(self, epoch: int) -> np.ndarray:
        """Return the row numbers in the order of an epoch, shape (rows,), int64."""
        return np.random.default_rng((self.seed, epoch)).permutation(self._rows)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.order.assign(self.of_epoch(epoch))
        self.epoch.assign(epoch)


def shuffled_batches(
    inputs: Any, targets: Any, weights: Any = None, *, batch_size: int, seed: int
) -> tuple[tf.data.Dataset, EpochOrder]:
    """Return batches in an order that changes with each epoch, and the callback that does so; give both to `fit`.

    The order of an epoch depends on seed and epoch alone, so a resumed fit sees the batches of an uninterrupted one.
    (`fit` on arrays repeats one order in every epoch after `set_random_seed`, and `Dataset.shuffle` starts afresh.)

    Args:
        inputs: an array (rows, ...), rows on demand, or a dict or tuple of them.
        targets: an array (rows, ...), or a dict or tuple of them.
        weights: sample weights (rows,), or None.
        batch_size: rows in a batch; the last one of an epoch has the rest, see `steps_of`.
        seed: at least 0.
    """
    arrays = (inputs, targets) if weights is None else (inputs, targets, weights)
    lengths = {len(array) for array in keras.tree.flatten(arrays)}
    if len(lengths) != 1:
        raise ValueError(f"inputs, targets and weights must have the same number of rows. Received: {lengths}")
    epoch_order = EpochOrder(seed, lengths.pop())
    return _batches(arrays, batch_size, lambda first, last: epoch_order.order[first:last]), epoch_order


def batches_in_order(examples: Examples, *, batch_size: int) -> tf.data.Dataset:
    """Return inputs and targets in the order of the rows, for the validation data of `fit`; read on demand, perhaps."""
    return _batches(examples[:2], batch_size, tf.range)


def _batches(arrays: Any, batch_size: int, rows_between: Callable[[Any, Any], Any]) -> tf.data.Dataset:
    rows = len(keras.tree.flatten(arrays)[0])
    steps = steps_of(rows, batch_size)
    with tf.device("CPU:0"):
        sources = keras.tree.map_structure(
            lambda array: array if isinstance(array, RowsOnDemand) else tf.constant(array), arrays
        )

    def take(source: Any, chosen: Any) -> Any:
        if not isinstance(source, RowsOnDemand):
            return tf.gather(source, chosen)
        read = tf.numpy_function(source.__getitem__, [chosen], source.dtype, stateful=False)
        return tf.ensure_shape(read, (None, *source.shape[1:]))

    def batch(step: tf.Tensor) -> Any:
        chosen = rows_between(step * batch_size, tf.where(step + 1 < steps, (step + 1) * batch_size, rows))
        return keras.tree.map_structure(lambda source: take(source, chosen), sources)

    # One element per step keeps the number of steps known to Keras. An iterator is made after on_epoch_begin and
    # reads ahead within its epoch only, so that it never sees the order of another.
    return tf.data.Dataset.range(steps).map(batch).prefetch(2)

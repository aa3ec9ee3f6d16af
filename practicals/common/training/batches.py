"""Batches in an order that follows from seed and epoch alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class EpochOrder(keras.callbacks.Callback):
    """Sets the order of the rows at the start of each epoch: a function of seed and epoch, of nothing else."""

    def __init__(self, seed: int, rows: int) -> None:
        super().__init__()
        self._seed = seed
        self._rows = rows
        # On the CPU, where tf.data reads it, even if there is a GPU.
        with tf.device("CPU:0"):
            self.order = tf.Variable(self.of_epoch(0), trainable=False)

    def of_epoch(self, epoch: int) -> np.ndarray:
        """Return the row numbers in the order of an epoch, shape (rows,), int64."""
        return np.random.default_rng((self._seed, epoch)).permutation(self._rows)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.order.assign(self.of_epoch(epoch))


def shuffled_batches(
    inputs: Any, targets: Any, weights: Any = None, *, batch_size: int, seed: int
) -> tuple[tf.data.Dataset, EpochOrder]:
    """Return batches of arrays in memory, and the callback that shuffles them; give both to `fit`.

    The order of an epoch depends on seed and epoch alone, so a resumed fit sees the batches of an uninterrupted one.
    (`fit` on arrays repeats one order in every epoch after `set_random_seed`, and `Dataset.shuffle` starts afresh.)

    Args:
        inputs: an array (rows, ...), or a dict or tuple of them.
        targets: an array (rows, ...), or a dict or tuple of them.
        weights: sample weights (rows,), or None.
        batch_size: rows in a batch; the last one of an epoch has the rest.
        seed: at least 0.
    """
    arrays = (inputs, targets) if weights is None else (inputs, targets, weights)
    lengths = {len(array) for array in keras.tree.flatten(arrays)}
    if len(lengths) != 1:
        raise ValueError(f"inputs, targets and weights must have the same number of rows. Received: {lengths}")
    rows = lengths.pop()
    epoch_order = EpochOrder(seed, rows)
    with tf.device("CPU:0"):
        tensors = keras.tree.map_structure(tf.constant, arrays)

    def batch(step: tf.Tensor) -> Any:
        chosen = epoch_order.order[step * batch_size : (step + 1) * batch_size]
        return keras.tree.map_structure(lambda tensor: tf.gather(tensor, chosen), tensors)

    # One element per step keeps the number of steps known to Keras. An iterator is made after on_epoch_begin and
    # reads ahead within its epoch only, so that it never sees the order of another.
    return tf.data.Dataset.range(-(-rows // batch_size)).map(batch).prefetch(2), epoch_order

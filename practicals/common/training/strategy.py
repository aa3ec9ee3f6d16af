"""Training over several devices of one machine, each with a copy of the network and a share of every batch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import tensorflow as tf

from practicals.common.config import Strategy
from practicals.common.console import say
from practicals.common.errors import ConfigError


class Mirrored(tf.distribute.MirroredStrategy):
    """`tf.distribute.MirroredStrategy` that Keras can begin a fit with, whatever the length of the first batch.

    Keras takes the mean over the devices' shares of a batch to see its form, and shares of unlike length have none.
    """

    def reduce(self, reduce_op: Any, value: Any, axis: Any) -> Any:
        if reduce_op == "MEAN" and isinstance(value, tuple):  # a batch: inputs, targets and perhaps weights
            return tf.nest.map_structure(lambda shares: self.experimental_local_results(shares)[0], value)
        return super().reduce(reduce_op, value, axis)


def over_devices(strategy: Strategy) -> AbstractContextManager[Any]:
    """Return the scope in which networks are built and trained: over all GPUs, or all CPU devices where there is none.

    Raises:
        ConfigError: `mirrored` is asked for and TensorFlow has one device only.
    """
    if strategy == "one":
        return nullcontext()
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    if len(names) < 2:
        raise ConfigError(
            f"strategy: mirrored needs two devices or more, and TensorFlow has one here, {kind}. "
            "Leave --strategy out, or look with `practicals doctor` for GPUs that are not found."
        )
    # Between CPU devices TensorFlow's own choice, collectives, waits for ever.
    together = tf.distribute.ReductionToOneDevice() if kind == "CPU" else None
    say(f"Each batch is shared among {len(names)} devices.")
    scope: AbstractContextManager[Any] = Mirrored(names, together).scope()
    return scope


def devices() -> int:
    """Return over how many devices a network that is built now trains."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def on_one_device(**settings: Any) -> dict[str, Any]:
    """Return settings of `compile` that make one device fast; over several they do not work and are switched off.

    Several steps per call hold a loop around the exchange between devices, and XLA compiles for one device alone.
    """
    return settings if devices() == 1 else {"steps_per_execution": 1, "jit_compile": False}


def steps_of(rows: int, batch_size: int) -> int:
    """Return in how many batches the rows go, such that each device has a row of each.

    Keras takes the mean over a device's rows, and of none there is no mean. TensorFlow fills one device after the
    other, so n devices need n (n - 1) rows; a last batch of fewer goes with the one before it.

    Raises:
        ConfigError: the rows, or those of one batch, are too few for the devices.
    """
    count = devices()
    least = count * (count - 1)
    if (most := min(rows, batch_size)) < least:
        raise ConfigError(
            f"strategy: mirrored over {count} devices needs {least} rows in every batch, and here are {most}. "
            "Set a larger batch_size, or leave --strategy out."
        )
    whole, left = divmod(rows, batch_size)
    return max(whole + (left >= max(least, 1)), 1)

"""A process in which TensorFlow has two CPU devices, as a machine with two GPUs would have.

`two_devices.py run NAME ...` is `practicals run NAME ...`. `two_devices.py fit` trains one small network on one device
and over both, and prints as JSON what came of it. Devices cannot be changed once TensorFlow has begun to compute, so
neither can be done in the process of the tests.
"""

from __future__ import annotations

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from practicals.common.cli import main
from practicals.common.config import Strategy
from practicals.common.data.examples import Examples
from practicals.common.training import batches_in_order, on_one_device, over_devices, prepare, shuffled_batches

ROWS = {"even batches": 48, "the first batch odd": 51, "one row left": 49}
"""What is tried -> rows to train on, in batches of 16; 51 rows go in batches of 17."""


def fitted(strategy: Strategy, rows: int, validation_rows: int) -> dict[str, list[float]]:
    """Return weights and losses of three epochs of plain gradient descent."""
    numbers = np.random.default_rng(0)
    inputs, targets = numbers.normal(size=(rows, 3)).astype("float32"), numbers.normal(size=(rows, 1)).astype("float32")
    with over_devices(strategy):
        prepare(0)  # as every network of the ladder does, in the scope of the whole run
        network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
        network.compile("sgd", "mse", metrics=["mae"], **on_one_device(steps_per_execution=4, jit_compile=False))
        batches, order = shuffled_batches(inputs, targets, batch_size=17 if rows == 51 else 16, seed=0)
        held_out = Examples(inputs[:validation_rows], targets[:validation_rows])
        log = network.fit(
            batches, validation_data=batches_in_order(held_out, batch_size=16), epochs=3, callbacks=[order], verbose=0
        )
    weights = np.concatenate([array.ravel() for array in network.get_weights()])
    return {"weights": weights.tolist(), **log.history}


def fits() -> None:
    found = {}
    for title, rows in ROWS.items():
        found[title] = {strategy: fitted(strategy, rows, validation_rows=17) for strategy in ("one", "mirrored")}
    print(json.dumps(found))


if __name__ == "__main__":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    sys.exit(fits() if sys.argv[1] == "fit" else main(sys.argv[1:]))

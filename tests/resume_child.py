"""Trains a small network with dropout and the standard callbacks; `test_resume` kills it and lets it continue.

Usage: resume_child.py COMMAND FOLDER... where COMMAND is
    full        train to the end and write result.npz into each folder
    kill-K      train, and die by SIGKILL after epoch K (counted from 0)
    kill-end    train, and die by SIGKILL when `fit` has returned
    resume      continue in each folder and write result.npz
A folder whose name has "plateau" halves its learning rate; one with "sparse" writes its state in each fourth epoch
only, all others in every epoch.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

from practicals.common import training
from practicals.common.callbacks import standard_callbacks
from practicals.common.run import Run

EPOCHS = 60
SEED = 3


def rows(count: int, seed: int) -> SimpleNamespace:
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(count, 8)).astype("float32")
    targets = (inputs[:, :1] + 1.5 * generator.normal(size=(count, 1)) > 0).astype("float32")
    return SimpleNamespace(inputs=inputs, targets=targets, weights=None)


def build_network() -> keras.Model:
    inputs = keras.Input((8,))
    x = keras.layers.Dense(32, activation="relu")(inputs)
    x = keras.layers.Dropout(0.3)(x)
    network = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    network.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"], steps_per_execution=64)
    return network


class Kill(keras.callbacks.Callback):
    """Ends the process as a power cut would."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == self.epoch:
            os.kill(os.getpid(), signal.SIGKILL)


class EachFourth:
    """Instead of the clock: due at every fourth question, so that a replay has several epochs."""

    def __init__(self, seconds: float) -> None:
        self.asked = 0

    def restart(self) -> None:
        pass

    def due(self) -> bool:
        self.asked += 1
        return self.asked % 4 == 0


class Always(EachFourth):
    def due(self) -> bool:
        return True


def train(command: str, folder: Path) -> None:
    import practicals.common.callbacks

    throttle = EachFourth if "sparse" in folder.name else Always
    training.state.Throttle = practicals.common.callbacks.Throttle = throttle  # type: ignore[assignment, misc]
    training.prepare(SEED)
    run = Run(folder)
    run.write_config("seed: 7\n")
    run.write_environment({"practical": "demo"})
    network, train, validation = build_network(), rows(300, 0), rows(150, 1)
    watched = standard_callbacks(
        run,
        network,
        validation,
        monitor="val_loss",
        mode="min",
        patience=8,
        epochs=EPOCHS,
        reduce_lr_patience=3 if "plateau" in folder.name else 0,
    )
    batches, order = training.shuffled_batches(train.inputs, train.targets, batch_size=32, seed=SEED)
    if command.startswith("kill-") and command != "kill-end":
        watched.callbacks.append(Kill(int(command.removeprefix("kill-"))))
    network.fit(
        batches,
        shuffle=False,
        epochs=EPOCHS,
        initial_epoch=watched.state.initial_epoch,
        callbacks=[order, *watched.callbacks],
        validation_data=(validation.inputs, validation.targets),
        verbose=0,
    )
    if command == "kill-end":
        os.kill(os.getpid(), signal.SIGKILL)
    score = network.evaluate(validation.inputs, validation.targets, verbose=0)
    weights = {f"weights_{number}": array for number, array in enumerate(network.get_weights())}
    network.load_weights(run.last_checkpoint_path)
    last = {f"last_{number}": array for number, array in enumerate(network.get_weights())}
    network.load_weights(run.best_checkpoint_path)
    best = {f"best_{number}": array for number, array in enumerate(network.get_weights())}
    probabilities = training.predict_batches(network, validation.inputs)
    np.savez(folder / "result.npz", score=score, probabilities=probabilities, **weights, **last, **best)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        train(sys.argv[1], Path(name))

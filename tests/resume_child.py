"""A small network with dropout and the standard callbacks; `test_resume` breaks its training off and continues it.

As a program: `resume_child.py FOLDER...` continues in all these folders but the last, in which it begins, and dies by
SIGKILL after epoch 6. A folder whose name has "plateau" halves its learning rate; one with "sparse" writes its state
in each fourth epoch only, all others in every epoch.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

from practicals.common import callbacks, training
from practicals.common.callbacks import standard_callbacks
from practicals.common.run import Run

EPOCHS = 60
KILLED_AFTER = 6
"""The epoch, counted from 0, that is the last of a process that is killed."""
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
    network.compile(
        keras.optimizers.Adam(0.02),
        "binary_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=64,
        jit_compile=False,
    )
    return network


class Kill(keras.callbacks.Callback):
    """Ends the process as a power cut would."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)


class Copy(keras.callbacks.Callback):
    """Copies the folder after some epochs: it then holds what a process that was killed there would have left."""

    def __init__(self, folder: Path, copies: Mapping[int, Path]) -> None:
        super().__init__()
        self.folder = folder
        self.copies = copies

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch in self.copies:
            shutil.copytree(self.folder, self.copies[epoch])


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


def train(folder: Path, *watchers: keras.callbacks.Callback, ended: Path | None = None) -> None:
    """Train, or continue where the folder holds a state, and write result.npz.

    Args:
        folder: of the run.
        watchers: called after the standard callbacks.
        ended: where the folder is copied as it is when `fit` has returned.
    """
    training.prepare(SEED)
    run = Run.at(folder)
    run.write_config("seed: 7\n")
    run.write_environment({"practical": "demo"})
    network, learned, validation = build_network(), rows(300, 0), rows(150, 1)
    throttle = EachFourth if "sparse" in folder.name else Always
    with mock.patch.object(training.state, "Throttle", throttle), mock.patch.object(callbacks, "Throttle", throttle):
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
    batches, order = training.shuffled_batches(learned.inputs, learned.targets, batch_size=32, seed=SEED)
    network.fit(
        batches,
        shuffle=False,
        epochs=EPOCHS,
        initial_epoch=watched.state.initial_epoch,
        callbacks=[order, *watched.callbacks, *watchers],
        validation_data=(validation.inputs, validation.targets),
        verbose=0,
    )
    if ended:
        shutil.copytree(folder, ended)
    np.savez(folder / "result.npz", **result(network, run, validation))


def result(network: keras.Model, run: Run, validation: SimpleNamespace) -> dict[str, np.ndarray]:
    """Return all in which two fits could differ: score, predictions, and the weights of model and checkpoints."""
    score = np.array(network.evaluate(validation.inputs, validation.targets, verbose=0))
    found = {"score": score, "probabilities": training.predict_batches(network, validation.inputs)}
    for name, checkpoint in (("weights", None), ("last", run.last_checkpoint_path), ("best", run.best_checkpoint_path)):
        if checkpoint:
            network.load_weights(checkpoint)
        found |= {f"{name}_{number}": array for number, array in enumerate(network.get_weights())}
    return found


if __name__ == "__main__":
    *continued, begun = map(Path, sys.argv[1:])
    for one in continued:
        train(one)
    train(begun, Kill())

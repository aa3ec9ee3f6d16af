"""The callbacks that every fit gets, built in one place."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import keras

from practicals.common import console, progress
from practicals.common.errors import ConfigError, PracticalError, did_you_mean
from practicals.common.run import Run
from practicals.common.training import Throttle, TrainingState, written_whole


class ValidationRows(Protocol):
    """What is watched: arrays in memory, first dimension rows; `weights` may be None."""

    @property
    def inputs(self) -> Any: ...
    @property
    def targets(self) -> Any: ...
    @property
    def weights(self) -> Any: ...


class StandardCallbacks(NamedTuple):
    """What `fit` is given: its callbacks, in this order; the last one keeps the training state."""

    callbacks: list[keras.callbacks.Callback]
    state: TrainingState


class KeepBest(keras.callbacks.EarlyStopping):
    """Remembers the best weights for the checkpoint but neither stops nor restores: training ends with the last."""

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        pass


def standard_callbacks(
    run: Run,
    network: keras.Model,
    validation: ValidationRows,
    *,
    monitor: str,
    mode: Literal["min", "max"],
    patience: int,
    epochs: int,
    min_delta: float = 0.0,
    reduce_lr_patience: int = 0,
    tensorboard: bool = False,
) -> StandardCallbacks:
    """Build the callbacks of a fit; its files go into the folder of the run.

    Where the folder holds a training state, the fit continues from it.

    Args:
        run: whose history, checkpoints and training state are written.
        network: compiled and built.
        validation: the rows that `fit` validates on.
        monitor: the watched metric, such as "val_loss".
        mode: whether less ("min") or more ("max") of it is better.
        patience: stop after so many epochs without an improvement, and restore the weights of the best; 0: train to
            the last epoch and keep its weights.
        epochs: as given to `fit`.
        min_delta: an improvement is a change by more than this.
        reduce_lr_patience: halve the learning rate after so many epochs without an improvement; 0: never.
        tensorboard: write logs for TensorBoard too.

    Raises:
        ConfigError: the watched metric does not exist.
        RunError: the training state is damaged or belongs to something else.
    """
    check_monitor(network, validation, monitor)
    history = HistoryLog(run.history_path)
    epoch_progress = EpochProgress("fit", monitor)
    early_stopping = (keras.callbacks.EarlyStopping if patience else KeepBest)(
        monitor, mode=mode, patience=patience or epochs, min_delta=min_delta, restore_best_weights=True
    )
    callbacks: list[keras.callbacks.Callback] = [StopOnNaN(monitor, (epoch_progress,)), early_stopping]
    watchers: list[keras.callbacks.Callback] = [early_stopping]
    if reduce_lr_patience:
        reduce_lr = keras.callbacks.ReduceLROnPlateau(
            monitor, mode=mode, factor=0.5, patience=reduce_lr_patience, min_delta=min_delta
        )
        callbacks.append(reduce_lr)
        watchers.append(reduce_lr)
    callbacks += [history, Checkpoints(run.best_checkpoint_path, run.last_checkpoint_path, early_stopping)]
    if tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(run.tensorboard_folder, write_graph=False))
    callbacks.append(epoch_progress)
    state = TrainingState(
        run.state_path,
        network,
        epochs=epochs,
        identity={
            "watched metric": f"{monitor} ({mode}, patience {patience}, min_delta {min_delta:g})",
            "reduce_lr_patience": str(reduce_lr_patience),
            "settings or data": run.fingerprint(),
        },
        watchers=watchers,
        loggers=[history],
    )
    if state.epochs_done:
        console.say(f"Training continues; {state.epochs_done} of at most {epochs} epochs were done.")
    return StandardCallbacks([*callbacks, state], state)


def check_monitor(network: keras.Model, validation: ValidationRows, monitor: str) -> None:
    """Make sure that a metric exists before it is waited for; Keras only warns of it, after each epoch.

    Metrics have their names after a first batch, so two validation rows go through the network. This leaves weights,
    seed generators and optimizer as they are, and is not lost: the metrics that it builds are built for `fit` too.

    Raises:
        ConfigError: there is no such metric; those that exist are named.
    """
    two_rows = keras.tree.map_structure(
        lambda array: None if array is None else keras.ops.convert_to_tensor(array[:2]),
        (validation.inputs, validation.targets, validation.weights),
    )
    scores = network.test_step(two_rows)
    network.reset_metrics()
    known = [*scores, *(f"val_{name}" for name in scores)]
    if monitor not in known:
        raise ConfigError(
            f"monitor: there is no metric '{monitor}' to watch. Known: {', '.join(sorted(known))}."
            f"{did_you_mean(monitor, known)}"
        )


class StopOnNaN(keras.callbacks.Callback):
    """Ends a fit that has diverged with a word on what to do.

    It looks once an epoch: the loss of an epoch is a mean, so one bad batch shows in it. Keras' TerminateOnNaN looks
    at each batch, for which the device must wait.

    Args:
        monitor: the watched metric, which must stay finite too.
        to_end: callbacks that hold the terminal; Keras does not tell them that a fit has failed.
    """

    def __init__(self, monitor: str, to_end: Sequence[keras.callbacks.Callback] = ()) -> None:
        super().__init__()
        self._watched = ("loss", monitor)
        self._to_end = to_end

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        for name in self._watched:
            value = (logs or {}).get(name, 0.0)
            if not math.isfinite(value):
                rate = float(self.model.optimizer.learning_rate)
                for callback in self._to_end:
                    callback.on_train_end()
                raise PracticalError(
                    f"learning_rate: training diverged, {name} became {value} in epoch {epoch + 1} at a learning rate "
                    f"of {rate:g}. Lower learning_rate or set clip_norm."
                )


class HistoryLog(keras.callbacks.Callback):
    """Writes the values of each epoch as a line of CSV.

    Keras' CSVLogger keeps its file open until the fit ends, and nobody tells it that a fit was broken off.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._path.write_bytes(b"")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        row = {"epoch": epoch, **dict(sorted((logs or {}).items()))}
        with self._path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, row)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)


class Checkpoints(keras.callbacks.Callback):
    """Writes the best and the last weights as files that Keras reads: `network.load_weights(path)`.

    ModelCheckpoint writes in every epoch, which costs a small network a fifth of its time. The best weights are
    those that early stopping holds in memory, so there is one definition of best; the files are written at most
    every five seconds and after the last epoch.
    """

    def __init__(
        self,
        best_path: Path,
        last_path: Path,
        early_stopping: keras.callbacks.EarlyStopping,
        seconds_between_writes: float = 5.0,
    ) -> None:
        super().__init__()
        self._best_path = best_path
        self._last_path = last_path
        self._early_stopping = early_stopping
        self._clock = Throttle(seconds_between_writes)

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._clock.restart()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if not (self.model.stop_training or epoch + 1 >= self.params["epochs"] or self._clock.due()):
            return
        self._save(self._last_path)
        last = self.model.get_weights()
        self.model.set_weights(self._early_stopping.best_weights)
        self._save(self._best_path)
        self.model.set_weights(last)
        self._clock.restart()

    def _save(self, path: Path) -> None:
        weights = self.model.weights
        size = sum(math.prod(weight.shape) * 4 for weight in weights) + 8_192 * len(weights) + 65_536
        with written_whole(path) as temporary:
            # HDF5 crashes the process when a disk runs full while it writes, so the room is claimed first.
            temporary.write_bytes(bytes(size))
            self.model.save_weights(temporary)


class EpochProgress(keras.callbacks.Callback):
    """Shows epochs, their loss, the watched metric and the time left; call `fit` with `verbose=0`."""

    def __init__(self, title: str, monitor: str) -> None:
        super().__init__()
        self._title = title
        self._watched = dict.fromkeys(("loss", "val_loss", monitor))
        self._progress: progress.Progress | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self._progress is None:
            self._progress = progress.Progress(self._title, self.params["epochs"], unit="epoch", start=epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self._progress is None:
            return
        values = logs or {}
        note = "  ".join(f"{name} {values[name]:.4f}" for name in self._watched if name in values)
        self._progress.to(epoch + 1, note)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._progress is not None:
            self._progress.close()
            self._progress = None

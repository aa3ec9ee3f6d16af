"""The training state from which an interrupted fit continues exactly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from time import monotonic
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from practicals.common.errors import RunError
from practicals.common.files import atomic_write


class TrainingState(keras.callbacks.Callback):
    """Writes all that a fit needs to continue exactly as if it had not been interrupted; put it last.

    Keras' BackupAndRestore keeps weights, optimizer and epoch only. This keeps the seed generators (dropout), early
    stopping with its best weights, the schedule of the learning rate, and the history as well, in one file without
    pickle. At the end of `fit` early stopping restores the best weights, in a resumed one as well.

    Args:
        path: the file, `.npz`; where it exists, the fit continues from it.
        network: the compiled and built model that `fit` will be called on.
        epochs: as given to `fit`.
        identity: name -> value of what must be the same to continue: settings, data, watched metric.
        watchers: callbacks whose state is kept: EarlyStopping, ReduceLROnPlateau.
        loggers: callbacks that are told the epochs of before the interruption, such as HistoryLog.
        seconds_between_writes: the state is written at most this often, and at the end.

    Raises:
        RunError: the file is damaged, or belongs to another network, other settings, data or versions.
    """

    def __init__(
        self,
        path: Path,
        network: keras.Model,
        *,
        epochs: int,
        identity: Mapping[str, str],
        watchers: Sequence[keras.callbacks.Callback] = (),
        loggers: Sequence[keras.callbacks.Callback] = (),
        seconds_between_writes: float = 5.0,
    ) -> None:
        super().__init__()
        self._path = path
        self._watchers = watchers
        self._loggers = loggers
        self._clock = Throttle(seconds_between_writes)
        self._history: list[dict[str, float]] = []
        self.initial_epoch = 0
        """For `fit`; equal to `epochs` when training had ended, so that no epoch is run again."""
        self.seconds = 0.0
        """How long the fit has taken, over all its parts."""
        self._loaded: dict[str, np.ndarray] | None = None
        if not network.optimizer.built:
            network.optimizer.build(network.trainable_variables)
        self._identity = {
            "state format": 1,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            **identity,
            # Without the names of layers: "dense_3" depends on how many were made before in this process.
            "network": [f"{v.name} {tuple(v.shape)} {v.dtype}" for v in network.variables],
            "optimizer": [
                type(network.optimizer).__name__,
                *(f"{tuple(v.shape)} {v.dtype}" for v in network.optimizer.variables),
            ],
        }
        if path.exists():
            header, self._loaded = read_state(path)
            _refuse_other(path, header["identity"], self._identity)
            self._history = header["history"]
            self._kept = header["watchers"]
            self.seconds = header["seconds"]
            self.initial_epoch = epochs if header["stopped"] else len(self._history)

    @property
    def epochs_done(self) -> int:
        """How many epochs the fit has behind it, those of before an interruption included."""
        return len(self._history)

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        # Here and not earlier: the callbacks before this one have just forgotten what they knew.
        self._clock.restart()
        self._began = monotonic() - self.seconds
        if self._loaded is None:
            return
        for kind, variables in _variables(self.model).items():
            for number, variable in enumerate(variables):
                variable.assign(self._loaded[f"{kind}_{number}"])
        best_weights = [array for name, array in self._loaded.items() if name.startswith("best_")]
        for watcher, kept in zip(self._watchers, self._kept, strict=True):
            for name, value in kept.items():
                setattr(watcher, name, value)
            if isinstance(watcher, keras.callbacks.EarlyStopping) and best_weights:
                watcher.best_weights = best_weights
        for epoch, row in enumerate(self._history):
            for logger in self._loggers:
                logger.on_epoch_end(epoch, dict(row))
        self._loaded = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._history.append(dict(logs or {}))
        self.seconds = monotonic() - self._began
        stopped = self.model.stop_training
        if stopped or epoch + 1 >= self.params["epochs"] or self._clock.due():
            self._write(stopped)
            self._clock.restart()

    def _write(self, stopped: bool) -> None:
        arrays = {
            f"{kind}_{number}": keras.ops.convert_to_numpy(variable)
            for kind, variables in _variables(self.model).items()
            for number, variable in enumerate(variables)
        }
        for watcher in self._watchers:
            best_weights = getattr(watcher, "best_weights", None) or ()
            arrays.update({f"best_{number}": array for number, array in enumerate(best_weights)})
        header = {
            "identity": self._identity,
            "stopped": stopped,
            "history": self._history,
            "seconds": self.seconds,
            "watchers": [{name: getattr(watcher, name) for name in _kept(watcher)} for watcher in self._watchers],
        }
        with written_whole(self._path) as temporary:
            np.savez(temporary, header=np.array(json.dumps(header)), **arrays)


class Throttle:
    """Says when something is due that may happen at most every few seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        self._since = monotonic()

    def due(self) -> bool:
        return monotonic() - self._since >= self._seconds


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` and rename it at the end.

    Raises:
        RunError: the folder cannot be written or the disk is full; the file of before is kept.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            yield temporary
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Free some space or choose another folder with --runs DIR."
        ) from None


def read_state(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays of a file that `TrainingState` wrote.

    Raises:
        RunError: the file is damaged.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop("header")))
    # NumPy and zipfile read what the file says, so damage can raise anything: an array without end has no memory.
    except Exception as error:
        raise RunError(
            f"{path}: is damaged ({error}), so training cannot continue from it. "
            "Delete it to train this run from the start."
        ) from None
    return header, arrays


def _refuse_other(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise a RunError that names the first thing that differs between the two identities."""
    for name in {**now, **before}:
        old, new = before.get(name), now.get(name)
        if isinstance(old, list) and isinstance(new, list):
            old, new = next(((a, b) for a, b in zip_longest(old, new) if a != b), (None, None))
        if old != new:
            raise RunError(
                f"{path}: training cannot continue from it, since it differs in {name}: "
                f"was {_shown(old)}, is {_shown(new)}. Start a new run without --resume."
            )


def _shown(value: Any) -> str:
    return "not there" if value is None else str(value)


def _variables(model: keras.Model) -> dict[str, list[keras.Variable]]:
    # `variables` has the states of the seed generators too, `weights` has not.
    return {"network": model.variables, "optimizer": model.optimizer.variables}


def _kept(watcher: keras.callbacks.Callback) -> tuple[str, ...]:
    if isinstance(watcher, keras.callbacks.EarlyStopping):
        return ("wait", "best", "best_epoch", "stopped_epoch")
    if isinstance(watcher, keras.callbacks.ReduceLROnPlateau):
        return ("wait", "best", "cooldown_counter")
    raise TypeError(f"TrainingState does not know what to keep of {type(watcher).__name__}")

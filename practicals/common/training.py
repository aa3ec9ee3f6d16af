"""Seeds, device, batches, saved models, and the training state from which an interrupted fit continues exactly."""

from __future__ import annotations

import json
import os
import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from time import monotonic
from typing import Any
from zipfile import BadZipFile, is_zipfile

import keras
import numpy as np
import tensorflow as tf

from practicals.common import console
from practicals.common.errors import RunError


def prepare(seed: int, *, deterministic: bool = False, mixed_precision: bool = False) -> str:
    """Seed everything, set up the device and the precision; call it before a model is built.

    Args:
        seed: seeds Python, NumPy and TensorFlow.
        deterministic: ask TensorFlow for deterministic operations. They cannot be switched off again in this
            process, and compilation by XLA must be off: pass `jit_compile=not deterministic` to `compile`.
        mixed_precision: compute in 16 bit, keep weights in 32 bit.

    Returns:
        The device in words, such as "CPU (2 cores)" or "GPU (NVIDIA H200)".
    """
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
        console.say("Deterministic operations: compilation by XLA is off, and the numbers are a series of their own.")
    # Set in both cases: an earlier run in this process may have asked for the other.
    keras.config.set_dtype_policy("mixed_float16" if mixed_precision else "float32")
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            console.warn("The GPU was in use before the run began, so its memory is not grown step by step.")
    if gpus:
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
        return f"GPU ({', '.join(names)})"
    return f"CPU ({_cores()} cores)"


def _cores() -> int:
    # Those that this process may use; a container often has fewer than the machine.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


class TrainingState(keras.callbacks.Callback):
    """Writes all that a fit needs to continue exactly as if it had not been interrupted; put it last.

    Keras' BackupAndRestore keeps weights, optimizer and epoch only. This keeps the seed generators (dropout), early
    stopping with its best weights, the schedule of the learning rate, and the history as well, in one file without
    pickle. At the end of `fit` early stopping restores the best weights, in a resumed one as well.

    Args:
        path: the file, `.npz`.
        network: the compiled and built model that `fit` will be called on.
        epochs: as given to `fit`.
        identity: name -> value of what must be the same to continue: settings, data, watched metric.
        watchers: callbacks whose state is kept: EarlyStopping, ReduceLROnPlateau.
        loggers: callbacks that are told the epochs of before the interruption, such as CSVLogger.
        resume: continue from the file if there is one.
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
        resume: bool = False,
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
        if resume and path.exists():
            header, self._loaded = read_state(path)
            _refuse_other(path, header["identity"], self._identity)
            self._history = header["history"]
            self._kept = header["watchers"]
            self.initial_epoch = epochs if header["stopped"] else len(self._history)

    @property
    def epochs_done(self) -> int:
        """How many epochs the fit has behind it, those of before an interruption included."""
        return len(self._history)

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        # Here and not earlier: the callbacks before this one have just forgotten what they knew.
        self._clock.restart()
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
    """Yield a temporary name beside `path` and rename it at the end; both end alike, as Keras wants of weights.

    Raises:
        RunError: the folder cannot be written or the disk is full; the file of before is kept.
    """
    temporary = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Free some space or choose another folder with --runs DIR."
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


def read_state(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays of a file that `TrainingState` wrote.

    Raises:
        RunError: the file is damaged.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop("header")))
    # Damage may show in any part of the zip file: in its directory, in a checksum, in the text of the header.
    except (OSError, ValueError, TypeError, KeyError, EOFError, NotImplementedError, RuntimeError, BadZipFile) as error:
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


def load_model(path: str | Path) -> keras.Model:
    """Load a saved model with the layers of this package, in safe mode: no code from the file is run.

    Raises:
        RunError: there is no such file, it is not a Keras model, it is damaged, or it needs unknown code.
    """
    import practicals.common.layers  # noqa: F401 - registers the layers; here, so that training alone needs none

    path = Path(path)
    if not path.is_file():
        what = "is a folder, a file was expected" if path.is_dir() else "there is no such file"
        raise RunError(f"{path}: {what}. Give a model.keras that a run has saved.")
    if not is_zipfile(path):
        raise RunError(f"{path}: is not a Keras model. Give a model.keras that a run has saved.")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    # Keras reads what the file says, so a damaged or foreign file can raise anything.
    except Exception as error:
        raise RunError(
            f"{path}: cannot be loaded as a model ({_reason(error)}). Give a model.keras that a run has saved."
        ) from None


def _reason(error: Exception) -> str:
    text = str(error)
    if "Lambda" in text and "unsafe" in text:
        # Keras' own text advises to switch the protection off.
        return "it has a Lambda layer, which is Python code from the file"
    unknown = re.search(r"Could not locate \w+ '([^']+)'", text)
    if unknown:
        return f"this package has no layer or function '{unknown[1]}'"
    return text.strip().split("\n")[0][:200] or type(error).__name__


def predict_batches(model: keras.Model, inputs: Any, *, block_rows: int = 256) -> Any:
    """Return the model's outputs for many rows, fast, and each row bitwise the same in whatever company it comes.

    Rows are computed in blocks of one fixed size, the last one padded, inside one traced function that is kept as
    long as the model. `model.predict` costs 100 ms a call, this less than 1 ms.

    Args:
        model: takes and gives an array (rows, ...), or a dict or list of them.
        inputs: an array (rows, ...), or a dict or list of them; texts may be in object arrays.
        block_rows: rows computed at once; fewer for pictures.

    Returns:
        NumPy arrays (rows, ...) in the structure of the model's outputs.
    """
    tensors = keras.tree.map_structure(tf.convert_to_tensor, inputs)
    specs = keras.tree.map_structure(lambda tensor: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype), tensors)
    functions = _traced.setdefault(model, {})
    key = (block_rows, repr(specs))
    if key not in functions:
        functions[key] = _in_blocks(model, specs, block_rows)
    return keras.tree.map_structure(lambda tensor: tensor.numpy(), functions[key](tensors))


_traced: weakref.WeakKeyDictionary[keras.Model, dict[Any, Any]] = weakref.WeakKeyDictionary()


def _in_blocks(model: keras.Model, specs: Any, block_rows: int) -> Any:
    # The function must not keep the model alive, or the dictionary of functions would never let go of it.
    weak: Callable[[], Any] = weakref.ref(model)
    block_specs = keras.tree.map_structure(lambda spec: tf.TensorSpec((block_rows, *spec.shape[1:]), spec.dtype), specs)
    one_block = tf.function(lambda block: weak()(block, training=False)).get_concrete_function(block_specs)
    output_specs = keras.tree.map_structure(
        lambda output: tf.TensorSpec(output.shape, output.dtype), one_block.structured_outputs
    )

    @tf.function(input_signature=[specs], autograph=False)
    def all_blocks(tensors: Any) -> Any:
        rows = tf.shape(keras.tree.flatten(tensors)[0])[0]
        blocks = -(-rows // block_rows)
        # Padded with copies of the last row: a valid input, of whatever type.
        chosen = tf.reshape(tf.minimum(tf.range(blocks * block_rows), rows - 1), (blocks, block_rows))
        outputs = tf.map_fn(
            lambda numbers: one_block(keras.tree.map_structure(lambda tensor: tf.gather(tensor, numbers), tensors)),
            chosen,
            fn_output_signature=output_specs,
        )
        return keras.tree.map_structure(
            lambda output: tf.reshape(output, tf.concat([[-1], tf.shape(output)[2:]], axis=0))[:rows], outputs
        )

    return all_blocks

"""A run's model in a form that programs without Keras read, checked to give the same predictions."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from practicals.common.console import quiet_native_stderr
from practicals.common.errors import RunError
from practicals.common.export_onnx import Answers, load_onnx, named, write_onnx
from practicals.common.layers import ResizePixels

CHECKED_ROWS = 256
TOLERANCE = 1e-4
"""Largest difference that is rounding in 32 bit, as a share of the largest value of an output."""
BORDERLINE = 0.01
"""Share of whole numbers, such as decisions, that rounding may turn over."""


class Difference(NamedTuple):
    """How far an output of the exported model lies from ours."""

    largest: float
    """In the unit of the output; of whole numbers, how many differ."""
    share: float
    """The same as a share of the largest value; of whole numbers, of their number."""
    allowed: float
    """The share that rounding explains."""


class Recorder:
    """A model that also keeps what it is asked, block by block, and is otherwise the model."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self.blocks: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        def keep(*arrays: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
            self.blocks.append(keras.tree.pack_sequence_as(inputs, list(arrays)))
            return np.int32(0)  # type: ignore[return-value]

        tf.numpy_function(keep, keras.tree.flatten(inputs), tf.int32)  # the lesson asks inside a traced function
        return self._model(inputs, training=training)


def asked_for(predict: Callable[[Any, Any], Any], model: keras.Model, rows: Any) -> list[Any]:
    """Return the inputs, block by block, that a lesson gives its model to predict rows of its data."""
    recorder = Recorder(model)
    predict(recorder, rows)
    return recorder.blocks


def made_up_rows(model: keras.Model, rows: int = 32, side: int = 64) -> list[Any]:
    """Return one block of inputs of the right form: small numbers and short words; for lack of the run's data."""
    generator = np.random.default_rng(0)

    def draw(tensor: keras.KerasTensor) -> npt.NDArray[Any]:
        shape = (rows, *(side if size is None else size for size in tensor.shape[1:]))
        if tensor.dtype == "string":
            return generator.choice(np.array([b"", b"Free", b"call now", b"98103"], dtype=object), shape)
        return generator.uniform(0, 5, shape).round(1).astype(tensor.dtype)

    return [keras.tree.map_structure(draw, model.input)]


def export_model(model: keras.Model, kind: str, path: Path, blocks: Sequence[Any]) -> dict[str, Any]:
    """Write a model in another form, which is there only if it then gives the same predictions.

    Args:
        model: takes raw inputs; a model of one tensor or of a dict of them.
        kind: `savedmodel`, a folder for TensorFlow, or `onnx`, a file for ONNX Runtime.
        path: what to make.
        blocks: inputs to check it with, each as the model takes them.

    Returns:
        `rows` compared, `inputs` and `outputs` with shape (None where any size will do) and type, and for each output
        the `largest_difference`, in its unit (of whole numbers, how many differ), and the same `as_share` of the
        largest value (of their number).

    Raises:
        RunError: the path is taken or cannot be written, this form cannot hold the model, a package is missing, or
            predictions differ.
    """
    if os.path.lexists(path):
        raise RunError(f"{path}: is there already. Choose another with --output PATH.")
    write, load = (_write_savedmodel, _load_savedmodel) if kind == "savedmodel" else (write_onnx, load_onnx)
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with quiet_native_stderr(), _quiet_log():
            signature = _signature(model, fixed_sides=kind == "onnx")
            write(model, signature, temporary)
            differences, rows = _compare(model, load(temporary), blocks, signature)
        _refuse_different(path, differences, rows)
        temporary.rename(path)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", "") or error
        raise RunError(f"{path}: cannot be written ({reason}). Choose another with --output PATH.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if temporary.is_file():
            temporary.unlink()
    return {
        "rows": rows,
        "inputs": {spec.name: _form(spec) for spec in keras.tree.flatten(signature)},
        "outputs": {name: _form(tensor) for name, tensor in named(model.output).items()},
        "largest_difference": {name: one.largest for name, one in differences.items()},
        "as_share": {name: one.share for name, one in differences.items()},
    }


def export_text(made: Mapping[str, Any], checked: str) -> str:
    """Return what `export_model` returned as lines for a terminal."""
    lines = []
    for kind in ("inputs", "outputs"):
        lines.append(f"{kind}:")
        for name, form in made[kind].items():
            shape = ", ".join("any" if size is None else str(size) for size in form["shape"])
            lines.append(f"  {name} ({shape}) {form['type']}")
    different = ", ".join(
        f"{name} {value:.2g} ({made['as_share'][name]:.1e} of the largest)" if value else f"{name} 0"
        for name, value in made["largest_difference"].items()
    )
    return "\n".join([*lines, f"same predictions for {made['rows']} {checked}; largest difference: {different}"])


@contextlib.contextmanager
def _quiet_log() -> Iterator[None]:
    """Hold back what TensorFlow and tf2onnx log of their inner steps."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _signature(model: keras.Model, *, fixed_sides: bool) -> Any:
    """Return what the model takes; with `fixed_sides`, pictures only in the size that its network reads."""
    sizes = [layer.size for layer in model._flatten_layers() if isinstance(layer, ResizePixels)] if fixed_sides else []

    def spec(tensor: keras.KerasTensor) -> tf.TensorSpec:
        shape = [None, *tensor.shape[1:]]
        if sizes and len(shape) == 4:
            shape[1:3] = sizes[0], sizes[0]
        return tf.TensorSpec(shape, tensor.dtype, name=tensor.name)

    return keras.tree.map_structure(spec, model.input)


def _write_savedmodel(model: keras.Model, signature: Any, folder: Path) -> None:
    # Not model.export: that leaves it open whether the model is training, and layers that change pictures at random
    # then take it that it is.
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", lambda inputs: model(inputs, training=False), input_signature=[signature])
    archive.write_out(folder, verbose=False)


def _load_savedmodel(folder: Path) -> Callable[[Any], Answers]:
    loaded = tf.saved_model.load(folder)

    def answer(block: Any) -> Answers:
        return {name: tensor.numpy() for name, tensor in named(loaded.serve(block)).items()}

    return answer


def _form(tensor: Any) -> dict[str, Any]:
    """Return what a program has to know of an input or output."""
    return {"shape": list(tensor.shape), "type": tf.as_dtype(tensor.dtype).name}


def _compare(
    model: keras.Model, exported: Callable[[Any], Answers], blocks: Sequence[Any], signature: Any
) -> tuple[dict[str, Difference], int]:
    """Return the difference of each output, and the rows compared."""
    ours: dict[str, list[npt.NDArray[Any]]] = {}
    theirs: dict[str, list[npt.NDArray[Any]]] = {}
    for block in blocks:
        given = keras.tree.map_structure(_in_form, block, signature)
        for found, answer in ((ours, named(model(given, training=False))), (theirs, exported(given))):
            for name, values in answer.items():
                found.setdefault(name, []).append(np.asarray(values))
    rows = sum(len(values) for values in next(iter(ours.values())))
    return {name: _difference(np.concatenate(ours[name]), np.concatenate(theirs[name])) for name in ours}, rows


def _in_form(array: npt.NDArray[Any], spec: Any) -> Any:
    """Return an input as a tensor; a picture of another size than the exported model takes is resized."""
    tensor = tf.convert_to_tensor(array)
    tensor = tensor if tensor.dtype == spec.dtype else tf.cast(tensor, spec.dtype)
    return tensor if spec.is_compatible_with(tensor) else ResizePixels(spec.shape[1])(tensor)


def _difference(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> Difference:
    if not np.issubdtype(ours.dtype, np.floating):
        different = np.count_nonzero(ours != theirs)
        return Difference(float(different), different / ours.size, BORDERLINE)
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return Difference(math.inf, math.inf, TOLERANCE)
    largest = float(np.nanmax(np.abs(ours.astype("float64") - theirs), initial=0.0))
    return Difference(largest, largest / max(float(np.nanmax(np.abs(ours), initial=0.0)), 1e-6), TOLERANCE)


def _refuse_different(path: Path, differences: Mapping[str, Difference], rows: int) -> None:
    for name, found in differences.items():
        if not found.share <= found.allowed:  # so written, not-a-number is refused too
            raise RunError(
                f"{path}: not kept, since the exported model gives another {name} for {rows} rows: it differs by up to "
                f"{found.largest:.3g}, a share of {found.share:.2g}, where {found.allowed:.0e} would be rounding. "
                "Use the run's model.keras."
            )

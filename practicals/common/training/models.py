"""Saved models, and predictions that do not depend on the company in which a row comes."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import keras
import tensorflow as tf

from practicals.common.errors import RunError
from practicals.common.training.state import written_whole


def save_model(model: keras.Model, path: Path) -> None:
    """Save a model as one `.keras` file that is either whole or not there.

    What only training needs (loss, metrics, optimizer) is left out, so that the file can be loaded without the lesson
    that defined it.

    Raises:
        RunError: the folder cannot be written or the disk is full.
    """
    compiled = [one for one in model._flatten_layers() if isinstance(one, keras.Model) and one.compiled]
    optimizers = [one.optimizer for one in compiled]
    try:
        for one in compiled:
            one.compiled, one.optimizer = False, None
        with written_whole(path) as temporary:
            model.save(temporary)
    finally:
        for one, optimizer in zip(compiled, optimizers, strict=True):
            one.compiled, one.optimizer = True, optimizer


def load_model(path: str | Path) -> keras.Model:
    """Load a saved model with the layers of this package, in safe mode: no code from the file is run.

    Raises:
        RunError: there is no such file, it is not a Keras model, it is damaged, or it needs unknown code.
    """
    # These register the layers; here, so that training alone needs none.
    import practicals.common.layers
    import practicals.common.places
    import practicals.common.rating_layers  # noqa: F401

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

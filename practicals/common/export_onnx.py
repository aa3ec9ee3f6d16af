"""A model as an ONNX file, for ONNX Runtime: what it cannot hold, how it is written, and how it is asked."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from practicals.common.errors import RunError

Answers = dict[str, npt.NDArray[Any]]
ONNX_PACKAGES = ("tf2onnx", "onnx", "onnxruntime")
OPSET = 17
"""Version of ONNX's set of operations; ONNX Runtime reads it since 1.12."""
CANNOT = {
    "MatrixSolve": "solves equations for each row",
    "LookupTableFindV2": "looks words up in a table",
    "RegexReplace": "cleans text by rules",
    "ScaleAndTranslate": "resizes pictures without jags",
}
"""Operations of TensorFlow that ONNX does not have, and what a model does with them."""


def named(answer: Any) -> dict[str, Any]:
    """Return a model's outputs by name, also where there is only one."""
    return dict(answer) if isinstance(answer, dict) else {"output": answer}


def write_onnx(model: keras.Model, signature: Any, file: Path) -> None:
    """Write a model as an ONNX file.

    Args:
        model: takes a tensor or a dict of them.
        signature: what it takes, as `tf.TensorSpec`.
        file: where to.

    Raises:
        RunError: ONNX cannot hold the model, or a package is missing.
    """
    answer = tf.function(lambda inputs: named(model(inputs, training=False)), input_signature=[signature])
    traced = answer.get_concrete_function()
    _refuse_for_onnx(traced, signature)
    import onnx
    import tf2onnx

    # Frozen here: tf2onnx takes the numbers that a layer such as Normalization holds for inputs of the model.
    frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False, aggressive_inlining=True)
    inputs, outputs = [tensor.name for tensor in frozen.inputs], [tensor.name for tensor in frozen.outputs]
    names = [*(spec.name for spec in tf.nest.flatten(signature)), *sorted(traced.structured_outputs)]
    try:
        converted, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(add_shapes=True),
            input_names=inputs,
            output_names=outputs,
            opset=OPSET,
            custom_op_handlers={"Log1p": (_log1p, []), "Expm1": (_expm1, [])},
            tensors_to_rename=dict(zip([*inputs, *outputs], names, strict=True)),
        )
    except Exception as error:  # whatever a converter meets in a graph that its authors have not
        raise RunError(f"ONNX: this model cannot be converted ({error}). Use --format savedmodel.") from None
    foreign = {node.op_type for node in converted.graph.node if not onnx.defs.has(node.op_type, node.domain)}
    if foreign:
        raise RunError(f"ONNX: has no operation for {', '.join(sorted(foreign))}. Use --format savedmodel.")
    file.write_bytes(converted.SerializeToString())


def _refuse_for_onnx(function: Any, signature: Any) -> None:
    """Refuse what ONNX cannot hold, before a missing package: nobody should install what will not help.

    Raises:
        RunError: text goes in, an operation does not exist there, or a package is missing.
    """
    texts = [spec.name for spec in keras.tree.flatten(signature) if spec.dtype == tf.string]
    if texts:
        raise RunError(
            f"ONNX: cannot hold this model, which takes text ({', '.join(texts)}) and looks it up in tables. "
            "Use --format savedmodel."
        )
    graph = function.graph.as_graph_def()
    used = {node.op for node in graph.node}
    used |= {node.op for inner in graph.library.function for node in inner.node_def}
    for operation, what in CANNOT.items():
        if operation in used:
            raise RunError(f"ONNX: cannot hold this model, which {what} ({operation}). Use --format savedmodel.")
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise RunError(
            f"ONNX: needs {', '.join(missing)}. Install with `pip install {' '.join(missing)}`, or the extra [onnx]."
        )


def _log1p(graph: Any, node: Any, name: str, _: Any) -> None:
    """Put log(x + 1) in place of an operation that ONNX does not have."""
    one, form = _before_replacing(graph, node, name)
    graph.make_node("Log", graph.make_node("Add", [node.input[0], one]).output, name=name, **form)


def _expm1(graph: Any, node: Any, name: str, _: Any) -> None:
    """Put exp(x) - 1 in place of an operation that ONNX does not have."""
    one, form = _before_replacing(graph, node, name)
    graph.make_node("Sub", [graph.make_node("Exp", [node.input[0]]).output[0], one], name=name, **form)


def _before_replacing(graph: Any, node: Any, name: str) -> tuple[str, dict[str, Any]]:
    """Take a node out of tf2onnx's graph; return a constant 1, and what the node in its place must keep."""
    form = {"outputs": node.output, "shapes": node.output_shapes, "dtypes": node.output_dtypes}
    graph.remove_node(name)
    return graph.make_const(f"{name}_one", np.array(1.0, "float32")).output[0], form


def load_onnx(file: Path) -> Callable[[Any], Answers]:
    """Return a function: a block of inputs -> outputs by name, as ONNX Runtime computes them.

    Raises:
        RunError: ONNX Runtime does not take the file.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise RunError(
            f"ONNX: ONNX Runtime does not take this model ({str(error).splitlines()[0][:200]}). "
            "Use --format savedmodel."
        ) from None
    names = [one.name for one in session.get_outputs()]

    def answer(block: Any) -> Answers:
        given = block if isinstance(block, dict) else {session.get_inputs()[0].name: block}
        found = session.run(names, {name: np.asarray(array) for name, array in given.items()})
        return dict(zip(names, found, strict=True))

    return answer

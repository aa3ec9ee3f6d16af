"""A picture model opened for explainers: fast probabilities, gradients, feature maps, and weights shuffled for a while.

Everything begins behind the layer `resize`, whose rounding to whole grey levels has no gradient.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from practicals.common.explain.coding import Matrix, Vector, require_numbers
from practicals.common.explain.picture_parts import Pixels
from practicals.common.training import predict_batches

BLOCK_ROWS = 64
SMALLEST_MAP = 2
"""Feature maps of 1 x 1 show nothing of where."""
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
NOT_A_MAP = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.Dropout)


class OpenedModel:
    """The part of an assembled model that turns pixels of the right size into probabilities.

    Args:
        model: pixels to `{"probability": (n, classes)}`, with layers `resize` and `classes`, and a nested model
            `network` whose last layer with an activation makes the probability.
    """

    def __init__(self, model: keras.Model) -> None:
        self.classes: tuple[str, ...] = tuple(model.get_layer("classes").values["classes"])
        self.inner = keras.Model(model.get_layer("resize").output, model.output["probability"])
        self.layers = flat_layers(model)
        ends = [layer for layer in flat_layers(model.get_layer("network")) if _activation(layer) != "linear"]
        self._end = ends[-1] if ends and _activation(ends[-1]) in ("sigmoid", "softmax") else None
        self.kept: dict[str, Any] = {}
        """What takes long to build and serves many pictures: traced functions, an explainer."""

    @classmethod
    def of(cls, model: keras.Model) -> Self:
        """Return the opened model, the same one as long as the model lives, since tracing it takes seconds."""
        if model not in _opened:
            _opened[model] = cls(model)
        return _opened[model]

    def probabilities(self, pixels: Pixels) -> Matrix:
        """Return (n, classes) for pixels (n, size, size, 3).

        Raises:
            RunError: the model gives no number.
        """
        answers = predict_batches(self.inner, pixels.astype(np.float32), block_rows=BLOCK_ROWS)
        require_numbers(answers, "pictures")
        result: Matrix = answers.astype(np.float64)
        return result

    def probability(self, pixels: Pixels, label: int) -> Vector:
        """Return the probability (n,) of one class for pixels (n, size, size, 3)."""
        return self.probabilities(pixels)[:, label]

    def gradients(self, pixels: Pixels, label: int) -> Pixels:
        """Return how the log-odds of a class change with each pixel, in the shape of the pixels (n, size, size, 3)."""

        def gradients(pixels: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(pixels)
                score = self._log_odds(pixels, label)
            return tape.gradient(score, pixels)

        return self._trace("gradients", gradients)(pixels.astype(np.float32), label).numpy()

    def maps_and_gradients(self, pixels: Pixels, label: int, layer: keras.Layer) -> tuple[Pixels, Pixels]:
        """Return a layer's feature maps for one picture, and the gradients of the log-odds on them.

        Args:
            pixels: (1, size, size, 3).
            label: the number of the class.
            layer: one of `layers`, with feature maps.

        Returns:
            Both (rows, columns, maps).
        """

        def maps_and_gradients(pixels: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape(watch_accessed_variables=False) as tape, recorded([layer]) as outputs:
                tape.watch(pixels)
                score = self._log_odds(pixels, label)
            return outputs[0], tape.gradient(score, outputs[0])

        traced = self._trace(f"maps of {id(layer)}", maps_and_gradients)
        maps, gradients = (tensor[0].numpy() for tensor in traced(pixels.astype(np.float32), label))
        return maps, gradients

    def last_maps(self) -> keras.Layer | None:
        """Return the last layer that still has maps of where things are; None for a network without convolutions."""
        if not (found := convolutions(self.layers)):
            return None
        after = self.layers[self.layers.index(found[-1]) :]
        return [one for one in after if _side(one) == _side(found[-1]) and not isinstance(one, NOT_A_MAP)][-1]

    @contextmanager
    def shuffled_weights(self, seed: int) -> Iterator[None]:
        """For the time of the block, shuffle every array of weights within itself; then put all back, to the bit.

        The traced functions read the weights anew in each call, so nothing has to be built a second time.
        """
        kept = [weight.numpy() for weight in self.inner.weights]
        random = np.random.default_rng(seed)
        try:
            for weight, value in zip(self.inner.weights, kept, strict=True):
                weight.assign(random.permutation(value.ravel()).reshape(value.shape))
            yield
        finally:
            for weight, value in zip(self.inner.weights, kept, strict=True):
                weight.assign(value)

    def _trace(self, name: str, function: Callable[..., Any]) -> Any:
        if name not in self.kept:
            signature = [tf.TensorSpec((None, *self.inner.input_shape[1:]), tf.float32), tf.TensorSpec((), tf.int32)]
            self.kept[name] = tf.function(function, input_signature=signature, autograph=False)
        return self.kept[name]

    def _log_odds(self, pixels: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        """The log-odds of a class, up to a constant, (n,).

        A sure network says 1 to the last bit of a float32, and a probability of exactly 1 has no gradient. So the last
        activation is left out while the function is traced, which gives what went into it.
        """
        if self._end is None:
            probability = tf.clip_by_value(self.inner(pixels, training=False)[:, label], 1e-7, 1 - 1e-7)
            return tf.math.log(probability) - tf.math.log1p(-probability)
        activation = self._end.activation
        self._end.activation = keras.activations.linear
        try:
            answers = tf.cast(self.inner(pixels, training=False), tf.float32)  # (n, classes)
        finally:
            self._end.activation = activation
        own = answers[:, label]
        if _activation(self._end) == "sigmoid":
            return own  # what was 1 - p and p is 1 - z and z now
        is_own = tf.one_hot(label, len(self.classes), on_value=True, off_value=False, dtype=tf.bool)
        return own - tf.reduce_logsumexp(tf.where(is_own, -np.inf, answers), axis=1)


_opened: weakref.WeakKeyDictionary[keras.Model, Any] = weakref.WeakKeyDictionary()


def flat_layers(model: keras.Model) -> list[keras.Layer]:
    """Return the layers of a model in the order of its graph, those of a nested model in its place."""
    found: list[keras.Layer] = []
    for layer in model.layers:
        found += flat_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def convolutions(layers: Sequence[keras.Layer]) -> list[keras.Layer]:
    """Return those of the layers that are convolutions with maps of where things are, in their order."""
    return [layer for layer in layers if isinstance(layer, CONVOLUTIONS) and _side(layer)]


@contextmanager
def recorded(layers: Sequence[keras.Layer]) -> Iterator[list[Any]]:
    """Keep what layers put out when a model is called within the block, however deeply they are nested.

    Yields:
        A list with one tensor per layer, in the order of `layers`; None until the layer has been called.
    """
    outputs: list[Any] = [None] * len(layers)

    def recording(place: int, call: Callable[..., Any]) -> Callable[..., Any]:
        def keep(*inputs: Any, **options: Any) -> Any:
            outputs[place] = call(*inputs, **options)
            return outputs[place]

        return keep

    try:
        for place, layer in enumerate(layers):
            layer.call = recording(place, layer.call)
        yield outputs
    finally:
        for layer in layers:
            del layer.call  # the method of its class is seen again


def _activation(layer: keras.Layer) -> str:
    return getattr(getattr(layer, "activation", None), "__name__", "linear")


def _side(layer: keras.Layer) -> int:
    """The number of rows of a layer's feature maps; 0 where it has none worth showing."""
    shape: tuple[int | None, ...] = getattr(getattr(layer, "output", None), "shape", ())
    side = shape[1] if len(shape) == 4 else None
    return side if side is not None and side >= SMALLEST_MAP else 0

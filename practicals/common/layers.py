"""Keras layers that carry what a prediction needs beyond weights. Registered, so `model.keras` loads in safe mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

PACKAGE = "practicals"


@keras.saving.register_keras_serializable(PACKAGE)
class FillMissing(keras.layers.Layer):
    """Replace missing numbers (not-a-number) by one value, learned from training rows.

    Args:
        value: what stands in for a missing number, in the unit of the column.

    Input shape: any, float, may hold not-a-number. Output shape: the same.
    """

    def __init__(self, value: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = float(value)

    def call(self, numbers: Any) -> Any:
        return ops.where(ops.isnan(numbers), ops.cast(self.value, numbers.dtype), numbers)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value": self.value}


@keras.saving.register_keras_serializable(PACKAGE)
class Spline(keras.layers.Layer):
    """Open one number into a smooth basis, so that a linear layer on top can draw a curve.

    The basis is the B-spline basis (de Boor, 1978) of `degree` over `knots`: at every value at most `degree + 1`
    of the functions differ from zero, and they add up to one. Values outside the knots are moved to the edge.

    Args:
        knots: increasing positions, in the unit of the column.
        degree: 1 gives straight pieces, 3 smooth cubic ones.

    Input shape: (batch, 1), float. Output shape: (batch, len(knots) + degree - 1), float.
    """

    def __init__(self, knots: Sequence[float], degree: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.knots = [float(knot) for knot in knots]
        self.degree = int(degree)
        if len(self.knots) < 2 or any(low >= high for low, high in zip(self.knots, self.knots[1:], strict=False)):
            raise ValueError(f"Spline needs at least two increasing knots. Received: {self.knots}")

    def call(self, numbers: Any) -> Any:
        low, high = self.knots[0], self.knots[-1]
        # Computed on 0..1, since a balance of 100,000 and its neighbour are the same number in 32-bit differences.
        scaled = [(knot - low) / (high - low) for knot in self.knots]
        padded = [0.0] * self.degree + scaled + [1.0] * self.degree
        x = ops.clip((numbers - low) / (high - low), 0.0, 1.0)  # (batch, 1)
        left, right = np.array(padded[:-1], "float32"), np.array(padded[1:], "float32")
        # The last real interval is closed on the right, or the largest value would belong to none.
        closed = np.where((right == 1.0) & (left < 1.0), np.inf, right).astype("float32")
        basis = ops.cast((x >= left) & (x < closed), self.compute_dtype)  # (batch, intervals)
        for degree in range(1, self.degree + 1):
            basis = self._raise_degree(x, basis, np.array(padded, "float32"), degree)
        return basis

    @staticmethod
    def _raise_degree(x: Any, basis: Any, padded: npt.NDArray[np.float32], degree: int) -> Any:
        """One step of the Cox-de Boor recursion; a term over an empty interval counts as zero."""
        count = len(padded) - degree - 1
        rising = padded[degree : degree + count] - padded[:count]
        falling = padded[degree + 1 : degree + 1 + count] - padded[1 : 1 + count]
        up = np.divide(1.0, rising, out=np.zeros_like(rising), where=rising > 0)
        down = np.divide(1.0, falling, out=np.zeros_like(falling), where=falling > 0)
        from_left = (x - padded[:count]) * up * basis[:, :-1]
        from_right = (padded[degree + 1 : degree + 1 + count] - x) * down * basis[:, 1:]
        return from_left + from_right

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], len(self.knots) + self.degree - 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "knots": self.knots, "degree": self.degree}


@keras.saving.register_keras_serializable(PACKAGE)
class DecisionThreshold(keras.layers.Layer):
    """Turn a probability into a decision: 1 where it reaches the threshold, 0 elsewhere.

    Args:
        threshold: probability from which the answer is yes, in 0 to 1; chosen on validation rows.

    Input shape: any, float. Output shape: the same, int32.
    """

    def __init__(self, threshold: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = float(threshold)

    def call(self, probability: Any) -> Any:
        return ops.cast(probability >= self.threshold, "int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "threshold": self.threshold}


@keras.saving.register_keras_serializable(PACKAGE)
class Intervals(keras.layers.Layer):
    """Put bounds around a prediction: the prediction moved by offsets that a calibration part has set.

    Args:
        offsets: name of a bound -> its offset for each output, such as `{"lower_90": [-0.2], "upper_90": [0.2]}`.
        space: where offsets are added. `linear`: in the unit of the prediction. `log`: to log(1 + prediction), so
            that a bound is a share of the prediction and never below zero.

    Input shape: (batch, outputs), float. Output: a dict of the names, each (batch, outputs).
    """

    def __init__(self, offsets: Mapping[str, Sequence[float]], space: str, **kwargs: Any) -> None:
        # In 16 bit a bound of a large number would lie a thousandth beside its place.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.offsets = {name: [float(value) for value in values] for name, values in offsets.items()}
        self.space = space
        if space not in ("linear", "log"):
            raise ValueError(f"space must be 'linear' or 'log'. Received: {space!r}")

    def call(self, prediction: Any) -> dict[str, Any]:
        if self.space == "linear":
            return {name: prediction + np.array(values, "float32") for name, values in self.offsets.items()}
        logarithm = ops.log1p(ops.maximum(prediction, 0.0))
        return {
            name: ops.maximum(ops.expm1(logarithm + np.array(values, "float32")), 0.0)
            for name, values in self.offsets.items()
        }

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> dict[str, tuple[int | None, ...]]:
        return dict.fromkeys(self.offsets, tuple(input_shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "offsets": self.offsets, "space": self.space}


@keras.saving.register_keras_serializable(PACKAGE)
class LogRatio(keras.layers.Layer):
    """Turn the values of a window into logarithms relative to the last one: log(1 + v) - log(1 + last).

    Input shape: (batch, window), at least 0. Output shape: the same; the last is always 0.
    """

    def __init__(self, **kwargs: Any) -> None:
        # The logarithm of a billion leaves 16 bit only two digits for what changes.
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, values: Any) -> Any:
        logarithms = _logarithm(values)
        return logarithms - logarithms[:, -1:]


@keras.saving.register_keras_serializable(PACKAGE)
class LogChanges(keras.layers.Layer):
    """Turn the values of a window into changes of the logarithm from step to step, the older the fainter.

    A regression with a price on large weights trusts small inputs less, so what is long ago has to say more to count.

    Args:
        memory: by how many steps older a change must be to be shown 1/e times as large; the middle one is unchanged.

    Input shape: (batch, window), at least 0. Output shape: (batch, window - 1).
    """

    def __init__(self, memory: float, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.memory = float(memory)

    def call(self, values: Any) -> Any:
        logarithms = _logarithm(values)
        size = np.exp(-np.arange(values.shape[1] - 1)[::-1] / self.memory)  # the last change has the age 0
        return (logarithms[:, 1:] - logarithms[:, :-1]) * (size / np.median(size)).astype("float32")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], None if input_shape[1] is None else input_shape[1] - 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "memory": self.memory}


@keras.saving.register_keras_serializable(PACKAGE)
class Clock(keras.layers.Layer):
    """Say where the hands of several clocks stand: sine and cosine of the place in each cycle, and of its multiples.

    Args:
        cycles: how many steps each clock takes to go round, such as 24 and 168 hours.
        multiples: how many times as fast the fastest hand of each clock goes.

    Input shape: (batch, 1), whole numbers of steps. Output shape: (batch, 2 * len(cycles) * multiples).
    """

    def __init__(self, cycles: Sequence[int], multiples: int = 3, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.cycles, self.multiples = [int(cycle) for cycle in cycles], int(multiples)

    def call(self, place: Any) -> Any:
        speeds = [2 * np.pi * multiple / cycle for cycle in self.cycles for multiple in range(1, self.multiples + 1)]
        angles = ops.cast(place, "float32") * np.array(speeds, "float32")
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], 2 * len(self.cycles) * self.multiples)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cycles": self.cycles, "multiples": self.multiples}


@keras.saving.register_keras_serializable(PACKAGE)
class FromLogRatio(keras.layers.Layer):
    """Turn log ratios back into values: expm1(ratio + log(1 + last)), never below 0.

    Input: ratios (batch, steps) and the values of the window (batch, window). Output shape: (batch, steps).
    """

    LARGEST_LOGARITHM = 80.0
    """exp(80) is beyond every count and fits into 32 bit."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, ratios: Any, values: Any) -> Any:
        logarithms = ratios + _logarithm(values[:, -1:])
        return ops.maximum(ops.expm1(ops.minimum(logarithms, self.LARGEST_LOGARITHM)), 0.0)

    def compute_output_shape(
        self, ratios_shape: tuple[int | None, ...], values_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return tuple(ratios_shape)


@keras.saving.register_keras_serializable(PACKAGE)
class SlideWindow(keras.layers.Layer):
    """Drop the oldest value of a window and append a new one, so that a forecast can be fed back.

    Input: window (batch, window) and new value (batch, 1). Output shape: (batch, window).
    """

    def call(self, window: Any, value: Any) -> Any:
        return ops.concatenate([window[:, 1:], ops.cast(value, window.dtype)], axis=1)

    def compute_output_shape(
        self, window_shape: tuple[int | None, ...], value_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return tuple(window_shape)


@keras.saving.register_keras_serializable(PACKAGE)
class ResizePixels(keras.layers.Layer):
    """Bring pictures to the size that the network reads, in whole grey levels; the sides may change their ratio.

    Bilinear with antialias: without it, most pixels of a large picture would not count at all. Since levels are
    rounded, a picture that has the size already comes back unchanged, so that a network which was trained on resized
    pictures kept on disk sees the very same pixels when it is given the original.

    Args:
        size: height and width to bring pictures to, in pixels.

    Input shape: (batch, height, width, channels), 0 to 255. Output shape: (batch, size, size, channels), float32.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        # 16 bit would round the levels once more.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.size = int(size)

    def call(self, pixels: Any) -> Any:
        pixels = ops.cast(pixels, "float32")
        if tuple(pixels.shape[1:3]) == (self.size, self.size):
            return pixels
        resized = ops.image.resize(pixels, (self.size, self.size), interpolation="bilinear", antialias=True)
        return ops.clip(ops.round(resized), 0.0, 255.0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.size, self.size, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(PACKAGE)
class SmallAtFirst(keras.layers.Layer):
    """Shrink pictures in the first epochs of training, where details do not matter yet and small is fast.

    Only a network that takes any size can follow: convolutions and global pooling, no flattening. Outside training
    pictures pass unchanged.

    Args:
        size: height and width, in pixels, while `is_small` is 1; `fit` sets it to 0 when the first epochs are over.

    Input shape: (batch, height, width, channels). Output shape: the same as far as layers that are built on it can
    tell; (batch, size, size, channels) in training while `is_small` is 1.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = int(size)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # A weight, so that it is part of the state from which an interrupted fit continues.
        self.is_small = self.add_weight(name="is_small", shape=(), initializer="zeros", trainable=False)

    def call(self, pixels: Any, training: bool = False) -> Any:
        if not training:
            return pixels
        sides = (self.size, self.size)
        return ops.cond(self.is_small > 0, lambda: ops.image.resize(pixels, sides, antialias=True), lambda: pixels)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(PACKAGE)
class CleanText(keras.layers.Layer):
    """Replace what the rules find in a text, one rule after the other, then put it in lower case.

    Rules instead of a Python function, so that the saved model holds them and loads in safe mode.

    Args:
        rules: pairs of a regular expression in the syntax of RE2 and what stands in its place; `\\1` is what the
            first pair of brackets found.
        lower: whether to put the text in lower case at the end.

    Input shape: any, string (UTF-8). Output shape: the same.
    """

    def __init__(self, rules: Sequence[tuple[str, str]], lower: bool = True, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "string", **kwargs})
        self.rules, self.lower = [(str(pattern), str(rewrite)) for pattern, rewrite in rules], bool(lower)

    def call(self, text: Any) -> Any:
        for pattern, rewrite in self.rules:
            text = tf.strings.regex_replace(text, pattern, rewrite)
        return tf.strings.lower(text, encoding="utf-8") if self.lower else text

    def compute_output_spec(self, text: Any) -> Any:
        return keras.KerasTensor(text.shape, dtype="string")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rules": self.rules, "lower": self.lower}


@keras.saving.register_keras_serializable(PACKAGE)
class PadInFront(keras.layers.Layer):
    """Move the zeros behind a sequence to its front, so that what reads from left to right ends on its last word.

    Input shape: (batch, places), whole numbers, zeros at the end only. Output shape: the same.
    """

    def call(self, tokens: Any) -> Any:
        places = ops.arange(tokens.shape[1])
        used = ops.sum(ops.cast(tokens != 0, places.dtype), axis=1, keepdims=True)  # (batch, 1)
        return ops.take_along_axis(tokens, (places + used) % tokens.shape[1], axis=1)

    def compute_output_spec(self, tokens: Any) -> Any:
        return keras.KerasTensor(tokens.shape, dtype=tokens.dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class Pieces(keras.layers.Layer):
    """Take messages apart into words, pairs of words, and pieces of one to five characters of a word, by number.

    Each known piece of a message is named once, however often it occurs; what a training message never held twice is
    not known. Words come from the cleaned message, pieces of characters from the raw one in lower case, each word with
    a blank before and behind it, so that a beginning can be told from a middle.

    Args:
        vocabulary: the known pieces, as `taken_apart` spells them, the most frequent first; numbered from 1.
        longest: how many pieces of a message are kept; of a longer one the rarest are left out.

    Input: raw messages (batch, 1) and cleaned ones (batch, 1), string. Output shape: (batch, longest), int32, rising,
    zeros at the end.
    """

    CHARACTERS, WORD_CHARACTERS = 240, 20
    """So much of a message, and of a word, is taken apart into characters."""

    def __init__(self, vocabulary: Sequence[str], longest: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "int32", **kwargs})
        self.vocabulary, self.longest = list(vocabulary), int(longest)
        # A table must not be empty; a lone tab is no piece.
        known = tf.constant([*self.vocabulary, "\t"], "string")
        numbers = tf.range(1, len(self.vocabulary) + 2, dtype="int32")
        self._numbers = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(known, numbers), default_value=0)

    @classmethod
    def taken_apart(cls, raw: Any, cleaned: Any) -> tf.RaggedTensor:
        """Return the pieces of messages, both (batch, 1), as ragged text (batch, pieces); words begin with a tab."""
        words = tf.strings.ngrams(tf.strings.split(cleaned[:, 0]), (1, 2), separator=" ")
        words = tf.ragged.map_flat_values(lambda word: tf.strings.join(["\t", word]), words)
        start = tf.strings.substr(raw[:, 0], 0, cls.CHARACTERS, unit="UTF8_CHAR")
        lower = tf.strings.split(tf.strings.lower(start, encoding="utf-8"))
        blank = tf.ragged.map_flat_values(
            lambda word: tf.strings.join([" ", tf.strings.substr(word, 0, cls.WORD_CHARACTERS, unit="UTF8_CHAR"), " "]),
            lower,
        )
        characters = tf.strings.ngrams(tf.strings.unicode_split(blank, "UTF-8"), (1, 2, 3, 4, 5), separator="")
        return tf.concat([words, characters.merge_dims(1, 2)], axis=1)

    def call(self, raw: Any, cleaned: Any) -> Any:
        numbers = self._numbers.lookup(self.taken_apart(raw, cleaned).to_tensor(""))
        # With a zero in each row, the sorted set of its numbers begins with that zero, which is then left out.
        with_zero = tf.pad(numbers, [[0, 0], [1, 0]])
        once = tf.sparse.to_dense(tf.sets.union(with_zero, with_zero))[:, 1 : self.longest + 1]
        filled = tf.pad(once, [[0, 0], [0, self.longest - tf.shape(once)[1]]])
        return tf.ensure_shape(filled, (None, self.longest))

    def compute_output_spec(self, raw: Any, cleaned: Any) -> Any:
        return keras.KerasTensor((raw.shape[0], self.longest), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary": self.vocabulary, "longest": self.longest}


@keras.saving.register_keras_serializable(PACKAGE)
class DropWords(keras.layers.Layer):
    """Read a share of the words as the unknown word, at random in each training step.

    Args:
        rate: share of the words.
        seed: of the draws; None draws one.

    Input shape: (batch, places), whole numbers; 0 is no word, 1 the unknown one. Output shape: the same.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate, self.seed = float(rate), seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, tokens: Any, training: bool = False) -> Any:
        if not training or not self.rate:
            return tokens
        dropped = keras.random.uniform(ops.shape(tokens), seed=self.seed_generator) < self.rate
        return ops.where(ops.logical_and(dropped, tokens > 0), ops.ones_like(tokens), tokens)

    def compute_output_spec(self, tokens: Any, training: bool = False) -> Any:
        return keras.KerasTensor(tokens.shape, dtype=tokens.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable(PACKAGE)
class Labels(keras.layers.Layer):
    """Carry words that belong to a prediction, such as the unit or the names of classes; numbers pass unchanged.

    Args:
        values: what the words are for -> the words, such as `{"unit": ["USD"]}`.

    Input shape: any. Output shape: the same.
    """

    def __init__(self, values: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.values = {name: [str(word) for word in words] for name, words in values.items()}

    def call(self, numbers: Any) -> Any:
        return numbers

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "values": self.values}


def _logarithm(values: Any) -> Any:
    return ops.log1p(ops.maximum(values, 0.0))

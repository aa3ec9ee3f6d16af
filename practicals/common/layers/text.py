"""Keras layers for texts: cleaned, taken apart into numbered pieces, padded, and read with gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from practicals.common.layers.registered import PACKAGE


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

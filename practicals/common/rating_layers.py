"""Keras layers of a recommender. Those that are saved are registered, and none of these keeps a user's ratings."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from practicals.common.layers import PACKAGE

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@keras.saving.register_keras_serializable(PACKAGE)
class Deviations(keras.layers.Layer):
    """Say of each rating how far it lies from what was to be expected of this item and this user.

    Expected is the mean of all ratings, plus how much better than the mean the item is, plus how much friendlier than
    others the user is, judged by the ratings that are given: the sum of their deviations, divided by their number and
    `shrink` (Koren, 2010, "Factor in the neighbors"). A user without ratings is taken for one like all others.

    Args:
        items: how many items there are.
        shrink: so many ratings without any deviation each user is thought to have given besides; None takes all users
            for alike.
        spread: the unit of deviations, in that of the ratings, so that ratings of 0 to 100 and of 1 to 5 look alike.

    Input shape: (batch, items) float, not-a-number where unrated. Output: `expected`, in the unit of the ratings,
    `deviation`, in spreads, 0 where unrated, and `rated`, 0 or 1; each (batch, items).
    """

    def __init__(self, items: int, shrink: float | None = 8.0, spread: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.items, self.shrink, self.spread = int(items), shrink, float(spread)
        self.mean = self.add_weight(shape=(), initializer="zeros", trainable=False, name="mean")
        self.item_bias = self.add_weight(shape=(self.items,), initializer="zeros", trainable=False, name="item_bias")

    def adapt(self, mean: float, item_bias: Floats) -> None:
        """Set the mean of all ratings and (items,) what is added to it for each item."""
        self.set_weights([np.float32(mean), np.asarray(item_bias, "float32")])

    def call(self, ratings: Any) -> dict[str, Any]:
        rated = ops.cast(ops.logical_not(ops.isnan(ratings)), self.compute_dtype)
        of_item = self.mean + self.item_bias
        # Not a product with `rated`: not-a-number times 0 is not 0.
        left = ops.where(ops.isnan(ratings), 0.0, ratings - of_item)
        of_user = ops.zeros_like(left[:, :1])
        if self.shrink is not None:
            of_user = ops.sum(left, axis=1, keepdims=True) / (ops.sum(rated, axis=1, keepdims=True) + self.shrink)
        return {"expected": of_item + of_user, "deviation": (left - of_user * rated) / self.spread, "rated": rated}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "items": self.items, "shrink": self.shrink, "spread": self.spread}


@keras.saving.register_keras_serializable(PACKAGE)
class Taste(keras.layers.Layer):
    """Read out of a user's ratings what the user likes, and say it of every item.

    An item has a code z, a user a taste w, and the rating deviates by z'w from what was to be expected. The taste is
    that with the smallest squared error on the ratings given, where each of its numbers may leave a prior guess only at
    a price: w = (Z'Z + D)^-1 (Z'e + D p), with Z the codes of the rated items, e their deviations, p the guess and D
    the prices on its diagonal (ridge regression, Hoerl & Kennard, 1970). The prices are learned.

    Args:
        codes: how many numbers a code has.
        price: of each number, at the beginning.

    Call arguments: `deviation` and `rated`, (batch, items), of `Deviations`; codes (items, codes); and, if there is
    one, the guess (batch, codes). Output shape: (batch, items).
    """

    def __init__(self, codes: int, price: float = 10.0, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})  # nothing solves equations in 16 bit
        self.codes, self.price = int(codes), float(price)
        start = keras.initializers.Constant(float(np.log(price)))
        self.log_price = self.add_weight(shape=(self.codes,), initializer=start, name="log_price")

    def call(self, deviation: Any, rated: Any, codes: Any, guess: Any = None) -> Any:
        k = self.codes
        price = ops.exp(self.log_price)
        pairs = ops.reshape(codes[:, :, None] * codes[:, None, :], (-1, k * k))  # (items, codes x codes)
        squares = ops.reshape(ops.matmul(rated, pairs), (-1, k, k)) + ops.diag(price)
        pull = ops.matmul(deviation, codes)  # (batch, codes)
        if guess is not None:
            pull = pull + price * guess
        # Where training has diverged the answer is not-a-number; the solver would raise an error of its own.
        is_sound = ops.all(ops.isfinite(squares), axis=(1, 2))[:, None, None]
        taste = ops.solve(ops.where(is_sound, squares, ops.eye(k)), pull[..., None])
        taste = ops.where(is_sound, taste, float("nan"))[..., 0]  # (batch, codes)
        return ops.matmul(taste, ops.transpose(codes))

    def compute_output_spec(self, deviation: Any, rated: Any, codes: Any, guess: Any = None) -> Any:
        return keras.KerasTensor(deviation.shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "codes": self.codes, "price": self.price}


@keras.saving.register_keras_serializable(PACKAGE)
class ItemCodes(keras.layers.Layer):
    """Hold a code for each item, whatever comes in.

    Args:
        items: how many there are.
        codes: how many numbers a code has.

    Output shape: (items, codes).
    """

    def __init__(self, items: int, codes: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.items, self.codes = int(items), int(codes)
        self.values = self.add_weight(
            shape=(self.items, self.codes), initializer="zeros", trainable=False, name="codes"
        )

    def call(self, ratings: Any) -> Any:
        return ops.convert_to_tensor(self.values)

    def compute_output_spec(self, ratings: Any) -> Any:
        return keras.KerasTensor((self.items, self.codes), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "items": self.items, "codes": self.codes}


@keras.saving.register_keras_serializable(PACKAGE)
class TiedDense(keras.layers.Layer):
    """A dense layer with the weights of another one, turned round, and biases of its own.

    Args:
        source: the other layer, which is built.

    Input shape: (batch, units of the other). Output shape: (batch, inputs of the other).
    """

    def __init__(self, source: keras.layers.Dense, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source

    def build(self, input_shape: Any) -> None:
        self.bias = self.add_weight(shape=(self.source.kernel.shape[0],), initializer="zeros", name="bias")

    def call(self, x: Any) -> Any:
        return ops.matmul(x, ops.transpose(self.source.kernel)) + self.bias

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.source.kernel.shape[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "source": keras.saving.serialize_keras_object(self.source)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TiedDense:
        return cls(keras.saving.deserialize_keras_object(config.pop("source")), **config)


class SparseDense(keras.layers.Dense):
    """A dense layer on sparse rows, in the memory of their cells; Keras' own lays out a row of weights for each cell.

    Input shape: sparse (rows, columns). Output shape: (rows, units).
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **{"dtype": "float32", **kwargs})  # there is no product of sparse rows in 16 bit

    def call(self, rows: Any) -> Any:
        product = tf.sparse.sparse_dense_matmul(rows, self.kernel)
        return product + self.bias if self.use_bias else product


class DropRatings(keras.layers.Layer):
    """Leave out some ratings of sparse rows in training, other ones in each step; the rest is raised to make up for it.

    Args:
        rate: share left out.

    Call arguments: `deviation` and `rated`, sparse, of `ItemRows`. What is left out is neither rated high nor rated at
    all, so the same cells are empty in both.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rate, self._seeds = rate, keras.random.SeedGenerator()

    def call(self, deviation: Any, rated: Any, training: bool = False) -> Any:
        if not training or not self._rate:
            return deviation, rated
        kept = keras.random.dropout(rated.values, self._rate, seed=self._seeds)
        # Cells that stay are fewer than half: to leave the others out altogether saves their share of all that follows.
        cells = tf.where(kept > 0)[:, 0]
        indices, raised = tf.gather(rated.indices, cells), 1 / (1 - self._rate)
        return tuple(
            tf.SparseTensor(indices, tf.gather(one.values, cells) * raised, one.dense_shape)
            for one in (deviation, rated)
        )

    def compute_output_spec(self, deviation: Any, rated: Any, training: bool = False) -> Any:
        return tuple(keras.KerasTensor(one.shape, one.dtype, sparse=one.sparse) for one in (deviation, rated))


class ItemRows(keras.layers.Layer):
    """The rating rows of all items, sparse, as they are while some ratings of the batch's users are hidden.

    For training alone: it holds the training ratings, so it must not get into a saved model.

    Args:
        users: (n,) user numbers of the training ratings.
        items: (n,) item numbers.
        left: (n,) the ratings less the mean and the item's bias, in spreads.
        features: (items, k) what else is known of each item.
        users_in_all: how many users there are.
        shrink: as of `Deviations`.

    Call arguments: `ratings` (batch, items), not-a-number where unrated or hidden, and `user` (batch, 1), the numbers
    of the users whose rows these are. Output: `deviation` and `rated`, both sparse (items, users), and `features`.
    """

    def __init__(
        self,
        users: Integers,
        items: Integers,
        left: Floats,
        features: Floats,
        *,
        users_in_all: int,
        shrink: float | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        order = np.lexsort((users, items))  # sparse tensors want their cells row by row
        self._users, self._items = users[order].astype("int32"), items[order].astype("int32")
        self._left = left[order].astype("float32")
        self._features = features
        self._shape, self._shrink = (len(features), users_in_all), shrink

    def call(self, ratings: Any, user: Any) -> dict[str, Any]:
        users, items = tf.constant(self._users), tf.constant(self._items)
        place = tf.fill((self._shape[1],), -1)  # where in the batch a user stands
        place = tf.tensor_scatter_nd_update(place, tf.cast(user, "int32"), tf.range(tf.shape(user)[0]))
        row = tf.gather(place, users)  # (n,)
        shown = tf.gather_nd(
            tf.pad(~tf.math.is_nan(ratings), ((0, 1), (0, 0)), constant_values=True),
            tf.stack([tf.where(row < 0, tf.shape(user)[0], row), items], axis=1),
        )
        rated = tf.cast(shown, "float32")
        deviation = self._left * rated
        if self._shrink is not None:
            of_user = tf.math.unsorted_segment_sum(deviation, users, self._shape[1])
            number = tf.math.unsorted_segment_sum(rated, users, self._shape[1])
            deviation -= tf.gather(of_user / (number + self._shrink), users) * rated
        cells = tf.cast(tf.stack([items, users], axis=1), "int64")
        return {
            "deviation": tf.SparseTensor(cells, deviation, self._shape),
            "rated": tf.SparseTensor(cells, rated, self._shape),
            "features": tf.constant(self._features),
        }

    def compute_output_spec(self, ratings: Any, user: Any) -> Any:
        return {
            "deviation": keras.KerasTensor(self._shape, "float32", sparse=True),
            "rated": keras.KerasTensor(self._shape, "float32", sparse=True),
            "features": keras.KerasTensor(self._features.shape, "float32"),
        }


class RatingError(keras.metrics.Metric):
    """The root of the mean squared error over all rated cells of an epoch, each prediction moved into the scale.

    Args:
        lowest: rating of the scale.
        highest: rating of the scale.
    """

    def __init__(self, lowest: float, highest: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lowest, self.highest = lowest, highest
        self.total = self.add_weight(shape=(), initializer="zeros", name="total")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, truth: Any, predicted: Any, sample_weight: Any = None) -> None:
        """Add one batch; both (batch, items), `truth` not-a-number where unrated."""
        is_rated = ops.logical_not(ops.isnan(truth))
        within = ops.clip(predicted, self.lowest, self.highest)
        self.total.assign_add(ops.sum((ops.where(is_rated, truth, within) - within) ** 2))
        self.count.assign_add(ops.sum(ops.cast(is_rated, "float32")))

    def result(self) -> Any:
        """Return the error so far."""
        return ops.sqrt(self.total / ops.maximum(self.count, 1.0))

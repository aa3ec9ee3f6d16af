"""The layers of a recommender, by hand: deviations, tastes solved for, rows of items in training, errors on ratings."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from practicals import load_model
from practicals.common.errors import RunError
from practicals.common.layers import PACKAGE
from practicals.common.rating_layers import Deviations, DropRatings, ItemCodes, ItemRows, RatingError, Taste, TiedDense
from practicals.common.training import save_model

NAN = np.nan


def close(found, expected, atol: float = 1e-5) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=atol)


# Deviations


def deviations(shrink: float | None = 2.0, spread: float = 2.0) -> Deviations:
    layer = Deviations(3, shrink, spread)
    layer.adapt(3.0, np.array([1, -1, 0]))
    return layer


def test_deviations_by_hand():
    found = deviations()(np.array([[5, 4, NAN]], "float32"))
    # 1 above what is expected of the first film and 2 of the second: the user is (1 + 2) / (2 + 2) friendlier.
    close(found["expected"], [[4.75, 2.75, 3.75]])
    close(found["deviation"], [[0.125, 0.625, 0]])
    close(found["rated"], [[1, 1, 0]])


def test_a_stranger_without_ratings_is_one_like_all_others():
    found = deviations()(np.full((1, 3), NAN, "float32"))
    close(found["expected"], [[4, 2, 3]])
    assert not np.any(found["deviation"]) and not np.any(found["rated"])


def test_without_shrinkage_all_users_are_alike():
    found = deviations(shrink=None, spread=1.0)(np.array([[5, 4, NAN]], "float32"))
    close(found["expected"], [[4, 2, 3]])
    close(found["deviation"], [[1, 2, 0]])


def test_a_rating_is_what_was_expected_and_the_spread_times_its_deviation():
    rows = np.array([[5, NAN, 1], [1, 2, 3], [NAN, 4, NAN]], "float32")
    found = deviations(spread=1.7)(rows)
    close(np.where(np.isnan(rows), NAN, found["expected"] + 1.7 * found["deviation"]), rows)


def test_a_user_deviates_alike_alone_and_in_a_batch():
    rows = np.array([[5, NAN, 1], [NAN, NAN, NAN], [1, 2, 3]], "float32")
    together = deviations()(rows)
    for place in range(3):
        alone = deviations()(rows[[place]])
        for name in together:
            close(alone[name][0], together[name][place], atol=1e-7)


# Tastes


def by_hand(deviation, rated, codes, price, guess=None):
    tastes = []
    for row, has in enumerate(rated.astype(bool)):
        square = codes[has].T @ codes[has] + np.diag(price)
        pull = codes[has].T @ deviation[row, has] + (0 if guess is None else price * guess[row])
        tastes.append(np.linalg.solve(square, pull))
    return np.array(tastes) @ codes.T


@pytest.fixture
def asked() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    rated = (random.random((4, 6)) < 0.5).astype("float32")
    rated[3] = 0
    return {
        "deviation": rated * random.normal(size=(4, 6)).astype("float32"),
        "rated": rated,
        "codes": random.normal(size=(6, 3)).astype("float32"),
    }


@pytest.mark.parametrize("with_guess", [False, True])
def test_a_taste_is_the_ridge_solution_by_hand(asked, with_guess):
    guess = np.random.default_rng(1).normal(size=(4, 3)).astype("float32") if with_guess else None
    price = np.array([0.5, 2, 8])
    taste = Taste(3)
    taste.set_weights([np.log(price)])
    close(taste(**asked, guess=guess), by_hand(**asked, price=price, guess=guess), atol=1e-4)
    for place in range(4):
        alone = {name: one if name == "codes" else one[[place]] for name, one in asked.items()}
        alone_guess = None if guess is None else guess[[place]]
        close(taste(**alone, guess=alone_guess)[0], taste(**asked, guess=guess)[place])


def test_whoever_has_rated_nothing_has_the_guessed_taste_and_without_a_guess_none(asked):
    guess = np.ones((4, 3), "float32")
    close(Taste(3)(**asked, guess=guess)[3], asked["codes"].sum(axis=1), atol=1e-4)
    assert not np.any(Taste(3)(**asked)[3])


def test_a_high_price_keeps_the_guess_and_a_low_one_forgets_it(asked):
    guess = np.ones((4, 3), "float32")
    dear, cheap = Taste(3, price=1e6), Taste(3, price=1e-4)
    close(dear(**asked, guess=guess), np.tile(asked["codes"].sum(axis=1), (4, 1)), atol=1e-3)
    asked["rated"][:] = 1  # six ratings settle three numbers
    close(cheap(**asked, guess=guess), cheap(**asked), atol=1e-2)


def test_gradients_flow_through_the_solution_and_are_right(asked):
    taste = Taste(3)
    codes, guess = tf.Variable(asked["codes"]), tf.Variable(np.ones((4, 3), "float32"))

    def loss():
        return ops.sum(taste(asked["deviation"], asked["rated"], codes, guess) ** 2)

    with tf.GradientTape() as tape:
        value = loss()
    of_codes, of_guess, of_price = tape.gradient(value, [codes, guess, taste.log_price.value])
    assert np.all(of_guess) and np.all(of_price) and np.all(of_codes)
    step = np.zeros((6, 3), "float32")
    step[2, 1] = 1e-2
    codes.assign(asked["codes"] + step)
    above = loss()
    codes.assign(asked["codes"] - step)
    assert float(above - loss()) / 2e-2 == pytest.approx(float(of_codes[2, 1]), rel=0.02)


# Rows of items, in training


USERS, ITEMS = np.array([0, 0, 1, 1, 2]), np.array([0, 2, 0, 1, 2])
LEFT = np.array([1.0, -2.0, 0.5, 3.0, 4.0])


def item_rows(shrink: float | None = 2.0) -> ItemRows:
    return ItemRows(USERS, ITEMS, LEFT, np.eye(3, dtype="float32"), users_in_all=3, shrink=shrink)


def dense(sparse) -> np.ndarray:
    return tf.sparse.to_dense(sparse).numpy()


def test_a_batch_of_nobody_shows_all_ratings():
    found = item_rows()(np.zeros((0, 3), "float32"), np.zeros((0, 1), "int32"))
    close(dense(found["rated"]), [[1, 1, 0], [0, 1, 0], [1, 0, 1]])
    # Less how friendly each is: -1 / 4, 3.5 / 4 and 4 / 3.
    close(
        dense(found["deviation"]),
        [[1 + 0.25, 0.5 - 0.875, 0], [0, 3 - 0.875, 0], [-2 + 0.25, 0, 4 - 4 / 3]],
    )
    close(found["features"], np.eye(3))


def test_what_is_hidden_from_the_batch_vanishes_and_all_else_stays():
    # User 2 stands first and is shown nothing; user 0 second, with its rating of item 2 hidden; user 1 is not there.
    ratings = np.array([[NAN, NAN, NAN], [4, NAN, NAN]], "float32")
    found = item_rows()(ratings, np.array([[2], [0]], "int32"))
    close(dense(found["rated"]), [[1, 1, 0], [0, 1, 0], [0, 0, 0]])
    # The friendliness of user 0 is that of the one rating left: 1 / 3.
    close(dense(found["deviation"]), [[1 - 1 / 3, 0.5 - 0.875, 0], [0, 3 - 0.875, 0], [0, 0, 0]])


def test_the_order_of_the_ratings_and_of_the_batch_does_not_matter():
    ratings = np.array([[NAN, 3, NAN], [4, NAN, NAN]], "float32")
    expected = item_rows()(ratings, np.array([[1], [0]], "int32"))
    mixed = np.array([4, 2, 0, 3, 1])
    other = ItemRows(USERS[mixed], ITEMS[mixed], LEFT[mixed], np.eye(3), users_in_all=3, shrink=2.0)
    found = other(ratings[::-1], np.array([[0], [1]], "int32"))
    for name in ("rated", "deviation"):
        close(dense(found[name]), dense(expected[name]))


def test_without_shrinkage_nobody_is_friendlier():
    found = item_rows(shrink=None)(np.zeros((0, 3), "float32"), np.zeros((0, 1), "int32"))
    close(dense(found["deviation"]), [[1, 0.5, 0], [0, 3, 0], [-2, 0, 4]])


def test_dropped_ratings_are_neither_high_nor_rated_and_the_rest_is_raised():
    rated = tf.sparse.from_dense(np.ones((40, 50), "float32"))
    deviation = rated.with_values(tf.range(1.0, 2001.0))
    drop = DropRatings(0.6)
    kept = [dense(one) for one in drop(deviation, rated, training=True)]
    np.testing.assert_array_equal(kept[0] == 0, kept[1] == 0)
    close(kept[1][kept[1] > 0], 2.5)
    assert (kept[1] > 0).mean() == pytest.approx(0.4, abs=0.05)
    again = dense(drop(deviation, rated, training=True)[1])
    assert not np.array_equal(again, kept[1]), "other ones in each step"
    for one, given in zip(drop(deviation, rated, training=False), (deviation, rated), strict=True):
        np.testing.assert_array_equal(dense(one), dense(given))


# Saved layers


def test_tied_layers_are_those_of_one_weight_before_and_after_they_are_saved(tmp_path: Path):
    inputs = keras.Input((5,))
    narrow = layers.Dense(2)
    outputs = TiedDense(narrow)(narrow(inputs))
    model = keras.Model(inputs, outputs)
    assert model.count_params() == 5 * 2 + 2 + 5, "the weight counts once"
    model.set_weights([np.random.default_rng(2).normal(size=weight.shape) for weight in model.get_weights()])
    rows = np.random.default_rng(1).normal(size=(3, 5)).astype("float32")
    kernel, bias = narrow.get_weights()
    close(model(rows), (rows @ kernel + bias) @ kernel.T + model.layers[-1].get_weights()[0])
    save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(rows), model(rows))


def test_saved_layers_answer_the_same_in_safe_mode(tmp_path: Path):
    ratings = keras.Input((3,), name="ratings")
    seen = deviations()(ratings)
    codes = ItemCodes(3, 2, name="codes")
    rating = seen["expected"] + 2 * Taste(2, price=0.7)(seen["deviation"], seen["rated"], codes(ratings))
    codes.set_weights([np.array([[1, 2], [-1, 0], [0.5, 3]])])
    model = keras.Model(ratings, rating)
    save_model(model, tmp_path / "model.keras")
    rows = np.array([[5, NAN, 1], [NAN, NAN, NAN]], "float32")
    again = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(rows), model(rows))
    close(again.get_layer("codes").values, [[1, 2], [-1, 0], [0.5, 3]])


def test_the_layer_that_holds_ratings_of_users_cannot_get_into_a_saved_model(tmp_path: Path):
    assert not keras.saving.get_registered_name(ItemRows).startswith(PACKAGE)
    ratings, user = keras.Input((3,)), keras.Input((1,), dtype="int32")
    rows = item_rows()(ratings, user)
    model = keras.Model([ratings, user], rows["features"])
    path = tmp_path / "model.keras"
    with pytest.raises((RunError, ValueError, TypeError, NotImplementedError)):
        save_model(model, path)
        load_model(path)


# Errors


def test_the_error_counts_each_rating_once_however_batches_are_cut():
    truth = np.array([[5, NAN, 1], [NAN, NAN, NAN], [2, 3, NAN]], "float32")
    predicted = np.array([[7, 9, 1.5], [1, 1, 1], [2, 0, NAN]], "float32")  # 7 counts as 5, and 0 as 1
    errors = np.array([0, 0.5, 0, 2])
    metric = RatingError(1, 5)
    for rows in ([0], [1, 2]):
        metric.update_state(truth[rows], np.nan_to_num(predicted[rows]))
    assert float(metric.result()) == pytest.approx(np.sqrt(np.mean(errors**2)))
    metric.reset_state()
    metric.update_state(truth[[1]], predicted[[1]])
    assert float(metric.result()) == 0, "nothing to be wrong about"

"""How a saved recommender is asked: by users and batches for lists and scores, by one user and item to explain it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from practicals.common.data.ratings import Catalogue, Ratings
from practicals.common.data.split import Split
from practicals.common.explain.rating_parts import Predict
from practicals.common.explain.ratings import traced_ratings
from practicals.common.rating_gallery import describe_lists, describe_map, describe_nearest
from practicals.common.rating_scores import Answer, Floats, Integers, judge, scale_ends
from practicals.common.training import predict_batches

UNCUT = "not_cut_off"
"""The model's layer that holds ratings before they are moved into the scale."""


def answer_of(model: keras.Model, catalogue: Catalogue) -> Answer:
    """Return what the model says of users.

    Args:
        model: takes `ratings` (batch, items), not-a-number where unrated, and perhaps `traits` of the users; gives
            `rating` and `ranking`, both (batch, items).
        catalogue: of the users that will be asked about.
    """

    def answer(rows: Floats, users: Integers) -> dict[str, Floats]:
        inputs = {"ratings": rows}
        if "traits" in model.input:
            inputs["traits"] = traits_of(model, catalogue, users)
        found: dict[str, Floats] = predict_batches(model, inputs)
        return found

    return answer


def traits_of(model: keras.Model, catalogue: Catalogue, users: Integers) -> Floats:
    """Return what the model wants to know of users besides their ratings, (users, k); zeros where it is not known."""
    width = model.input["traits"].shape[1]
    if catalogue.user_features.shape[1] != width:  # of a file of the user's own
        return np.zeros((len(users), width), dtype=np.float32)
    return catalogue.user_features[users]


def rating_function(model: keras.Model, catalogue: Catalogue, user: int) -> Predict:
    """Return a fast function from dense rows (n, items) and an item to the predicted rating (n,), for one user.

    It is the prediction before it is moved into the scale: at a 5 that is cut off, no rating would seem to matter.
    """
    uncut = keras.Model(model.input, {"rating": model.get_layer(UNCUT).output})
    ratings = keras.Input(model.input["ratings"].shape[1:], name="ratings")
    inputs = {"ratings": ratings}
    if "traits" in model.input:
        traits = traits_of(model, catalogue, np.array([user]))
        inputs["traits"] = ops.zeros_like(ratings[:, :1]) + traits
    return traced_ratings(keras.Model(ratings, uncut(inputs)))


def predicted(model: keras.Model, pairs: Ratings) -> npt.NDArray[np.float64]:
    """Return (n,) the rating predicted for each pair from `pairs.given`, never from itself."""
    return judge(answer_of(model, pairs.catalogue), pairs).prediction if len(pairs) else np.empty(0)


def telling_pair(model: keras.Model, test: Ratings) -> Ratings:
    """Return a rating that can be explained: the highest, of a well-known item by a user with 30 to 60, rightly found.

    Where there is none, less is asked for.

    Args:
        model: the saved model.
        test: the test part, with the ratings that it is predicted from.
    """
    given = test.given or test
    of_user, of_item = np.bincount(given.users), np.bincount(given.items)
    usual = np.isin(test.users, np.flatnonzero((of_user >= 30) & (of_user <= 60)))
    known = np.isin(test.items, np.flatnonzero(of_item >= 50))
    high = test.values == test.values.max()
    wanted = next(mask for mask in (usual & known & high, usual & high, high) if mask.any())
    candidates = test[wanted]
    # Not the very top of the scale, where predictions are cut off.
    low, high = scale_ends(test)
    return candidates[[int(np.abs(predicted(model, candidates) - (high - 0.05 * (high - low))).argmin())]]


def describe_recommender(model: keras.Model, split: Split[Ratings], seed: int) -> dict[str, Any]:
    """Return what the report shows besides scores: lists of three users and, where items have codes, their map.

    Args:
        model: the saved model.
        split: the parts; lists are those of users of the test part.
        seed: draws the users.
    """
    catalogue = split.train.catalogue
    shown: dict[str, Any] = {
        "lists": describe_lists(
            answer_of(model, catalogue), lambda user: rating_function(model, catalogue, user), split.test, seed=seed
        )
    }
    if any(layer.name == "codes" for layer in model.layers):
        codes = ops.convert_to_numpy(model.get_layer("codes").values)
        shown["item_map"] = describe_map(codes, split.train, catalogue)
        shown["nearest"] = describe_nearest(codes, split.train, catalogue)
    return shown

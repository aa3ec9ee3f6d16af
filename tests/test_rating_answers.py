"""How a saved recommender is asked: for lists and scores, about a stranger, and for the pair worth explaining."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers, ops

from practicals.common.data.ratings import Catalogue, Ratings
from practicals.common.rating_answers import answer_of, predicted, rating_function, telling_pair, traits_of
from practicals.common.rating_layers import Deviations

USERS, ITEMS = 8, 70
NAN = np.nan


def catalogue(traits: int = 2) -> Catalogue:
    return Catalogue(
        users=tuple(f"u{one}" for one in range(USERS)),
        items=tuple(map(str, range(ITEMS))),
        titles=tuple(f"Film {one}" for one in range(ITEMS)),
        genres=((),) * ITEMS,
        years=np.full(ITEMS, np.nan),
        user_features=np.arange(USERS * traits, dtype="float32").reshape(USERS, traits),
        user_feature_names=tuple(f"trait {one}" for one in range(traits)),
        item_features=np.zeros((ITEMS, 0), dtype="float32"),
        item_feature_names=(),
        scale=(1.0, 2.0, 3.0, 4.0, 5.0),
    )


def model(with_traits: bool = False) -> keras.Model:
    """Twice what was expected of item and user, and the first trait: well beyond the scale."""
    ratings = keras.Input((ITEMS,), name="ratings")
    deviations = Deviations(ITEMS, 2.0)
    deviations.adapt(2.0, np.linspace(-1, 1, ITEMS))
    rating, inputs = 2 * deviations(ratings)["expected"], {"ratings": ratings}
    if with_traits:
        inputs["traits"] = keras.Input((2,), name="traits")
        rating = rating + inputs["traits"][:, :1]
    uncut = layers.Identity(name="not_cut_off")(rating)
    return keras.Model(inputs, {"rating": ops.clip(uncut, 1.0, 5.0), "ranking": uncut})


def rows(number: int) -> np.ndarray:
    random = np.random.default_rng(3)
    return np.where(random.random((number, ITEMS)) < 0.2, random.integers(1, 6, (number, ITEMS)), NAN).astype("float32")


def test_the_answer_on_a_user_is_the_same_alone_and_in_a_batch():
    answer, given = answer_of(model(), catalogue()), rows(5)
    together = answer(given, np.arange(5))
    assert set(together) == {"rating", "ranking"} and together["rating"].max() == 5 < together["ranking"].max()
    for user in range(5):
        alone = answer(given[[user]], np.array([user]))
        np.testing.assert_array_equal(alone["ranking"][0], together["ranking"][user])


def test_traits_are_those_of_the_users_asked_about_and_none_of_strangers():
    with_traits, given = model(with_traits=True), rows(2)
    known = answer_of(with_traits, catalogue())(given, np.array([3, 1]))["ranking"]
    strange = answer_of(with_traits, replace(catalogue(), user_features=np.zeros((USERS, 0), "float32")))
    more = known - strange(given, np.array([0, 1]))["ranking"]
    np.testing.assert_allclose(more, np.repeat([[6.0], [2.0]], ITEMS, axis=1), atol=1e-5)
    assert traits_of(with_traits, catalogue(traits=3), np.array([7])).tolist() == [[0, 0]], "of another file"


@pytest.mark.parametrize("with_traits", [False, True])
def test_what_is_explained_is_the_answer_before_it_is_cut_off(with_traits):
    one, given = model(with_traits), rows(6)
    answer = answer_of(one, catalogue())
    expected = answer(given, np.full(6, 2))
    predict = rating_function(one, catalogue(), 2)
    for item in (0, 30, ITEMS - 1):
        found = predict(given, item)
        np.testing.assert_allclose(found, expected["ranking"][:, item], atol=1e-5)
        np.testing.assert_allclose(np.clip(found, 1, 5), expected["rating"][:, item], atol=1e-5)
    assert predict(given, ITEMS - 1).max() > 5


def part(counts: dict[int, int], test: list[tuple[int, int, float]]) -> Ratings:
    """Test ratings of users who have rated so many items in training, from the last item downwards."""
    pairs = [(user, ITEMS - 1 - item, 3.0) for user, number in counts.items() for item in range(number)]
    given = Ratings(*map(np.array, zip(*pairs, strict=True)), catalogue=catalogue())
    return Ratings(*map(np.array, zip(*test, strict=True)), catalogue=catalogue(), given=given)


def test_a_pair_is_predicted_from_what_is_given_and_never_from_itself():
    one = part({0: 10, 1: 10}, [(0, 3, 5.0), (1, ITEMS - 1, 3.0)])
    changed = Ratings(one.users, one.items, np.array([1.0, 3.0]), catalogue=one.catalogue, given=one.given)
    np.testing.assert_array_equal(predicted(model(), one), predicted(model(), changed))
    alone = predicted(model(), one[[0]])
    np.testing.assert_array_equal(alone, predicted(model(), one)[:1])


def test_the_telling_pair_is_a_high_rating_of_a_usual_user_rightly_found():
    # Users 0 and 1 are usual, 2 has rated little, 3 much. Items at the end of the list are predicted higher.
    counts = {0: 35, 1: 40, 2: 5, 3: ITEMS}
    test = [(0, 5, 5.0), (1, 20, 5.0), (1, 22, 4.0), (2, 23, 5.0), (3, ITEMS - 1, 5.0)]
    found = telling_pair(model(), part(counts, test))
    assert (len(found), found.users[0], found.items[0]) == (1, 1, 20)
    assert found.given is not None and found.index[0] == 1, "with what it is predicted from, and its id"


def test_where_no_user_is_usual_less_is_asked_for():
    found = telling_pair(model(), part({2: 5, 3: 12}, [(2, 0, 4.0), (2, 30, 4.0), (3, 40, 2.0)]))
    assert (found.users[0], found.items[0], found.values[0]) == (2, 30, 4.0)

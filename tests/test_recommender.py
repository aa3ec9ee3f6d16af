"""The lesson about ratings on a few invented ones: what is fitted on what, what is asked for, what is answered."""

from __future__ import annotations

import gc
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import keras
import keras_tuner
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from interrupted_fit import interrupted_and_continued

from practicals import load_model, recommender
from practicals.common.config import load_config
from practicals.common.data import ratings as reading
from practicals.common.data.rating_requests import ratings_of_user, ratings_typed
from practicals.common.data.rating_samples import rated_films
from practicals.common.data.ratings import Ratings
from practicals.common.data.split import Split
from practicals.common.errors import ConfigError, DataError, RunError
from practicals.common.rating_answers import answer_of, describe_recommender, rating_function
from practicals.common.rating_scores import judge
from practicals.common.training import save_model
from practicals.recommender import RecommenderConfig

SMALL = {
    "data": "sample",
    "encoder": [7, 5],
    "decoder": [6, 5],
    "guess": [4],
    "ranking_units": 4,
    "epochs": 1,
    "batch_size": 32,
    "depths": False,
    "ladder": False,
}
USERS, ITEMS = 60, 40


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As in conftest, for the whole module; and a small sample."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRACTICALS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("PRACTICALS_DATA", raising=False)
        patch.setattr(reading, "rated_films", partial(rated_films, USERS, ITEMS, 1_000))
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()


def settings(**changes: object) -> RecommenderConfig:
    """These settings as typed, with the presets of `model`; a dot is written as two underscores."""
    typed = {name.replace("__", "."): value for name, value in changes.items()}
    options = {name: (f"--set {name}={value}", value) for name, value in typed.items()}
    return load_config(RecommenderConfig, "recommender", options=options)


def small(**changes: object) -> RecommenderConfig:
    return settings(**{**SMALL, **changes})


def begun(split: Split[Ratings], config: RecommenderConfig, seed: int = 0) -> tuple[keras.Model, keras.Model]:
    keras.utils.set_random_seed(seed)
    preprocess = recommender.build_preprocess(split.train, config)
    network = recommender.build_model(config, preprocess)
    network.run_eagerly = True  # to trace it takes longer than to train on a thousand ratings
    return preprocess, network


def fitted(split: Split[Ratings], config: RecommenderConfig, callbacks=(), first: int = 0, seed: int = 0):
    """Everything that is fitted: preprocess model and network."""
    preprocess, network = begun(split, config, seed)
    recommender.fit(network, recommender.encode(preprocess, split, config), config, callbacks, first)
    return preprocess, network


def said(model: keras.Model, rows: np.ndarray, name: str = "rating") -> np.ndarray:
    inputs = {"ratings": rows.astype("float32")}
    if "traits" in model.input:
        inputs["traits"] = np.zeros((len(rows), model.input["traits"].shape[1]), "float32")
    return model(inputs, training=False)[name].numpy()


def assert_same_weights(one: keras.Model, another: keras.Model, atol: float = 0) -> None:
    assert len(one.get_weights()) == len(another.get_weights())
    for before, after in zip(one.get_weights(), another.get_weights(), strict=True):
        np.testing.assert_allclose(before, after, rtol=0, atol=atol)


@pytest.fixture(scope="module")
def split() -> Split[Ratings]:
    return recommender.load(small())


@pytest.fixture(scope="module")
def parts(split: Split[Ratings]) -> tuple[keras.Model, keras.Model]:
    return fitted(split, small(epochs=3))


@pytest.fixture(scope="module")
def model(parts: tuple[keras.Model, keras.Model]) -> keras.Model:
    return recommender.assemble(*parts, 0.5)


# What is fitted on what


def spoiled(part: Ratings) -> Ratings:
    """The same pairs less every fourth, with wholly other ratings."""
    kept = part[np.arange(len(part)) % 4 > 0]
    return Ratings(kept.users, kept.items, 6 - kept.values, catalogue=kept.catalogue, given=kept.given,
                   known=kept.known, index=kept.index)  # fmt: skip


def pairs_of(part: Ratings) -> set[tuple[int, int]]:
    return set(zip(part.users.tolist(), part.items.tolist(), strict=True))


def shown_pairs(data: Split) -> set[tuple[int, int]]:
    """What the network is shown of any part, as pairs of user and item."""
    shown: set[tuple[int, int]] = set()
    for _, examples in data.items():
        row, item = np.nonzero(~np.isnan(examples.inputs["ratings"][:]))
        shown |= set(zip(examples.inputs["user"][row, 0].tolist(), item.tolist(), strict=True))
    return shown


def test_nothing_that_is_fitted_moves_when_test_and_validation_ratings_change_or_vanish(split, parts):
    changed = Split(split.train, spoiled(split.validation), spoiled(split.test), split.facts)
    preprocess, network = fitted(changed, small(epochs=3))
    assert_same_weights(preprocess, parts[0])
    assert_same_weights(network, parts[1])
    np.testing.assert_array_equal(recommender.codes_of(network), recommender.codes_of(parts[1]))


def test_ratings_of_the_other_parts_are_asked_for_and_never_shown(split):
    data = recommender.encode(begun(split, small())[0], split, small())
    shown = shown_pairs(data)
    assert shown == pairs_of(split.train)
    assert not shown & (pairs_of(split.test) | pairs_of(split.validation))
    for name, part in split.items():
        targets = dict(data.items())[name].targets
        assert (~np.isnan(targets["rating"][:])).sum() == len(part)


def test_a_test_rating_in_the_input_would_be_caught(split):
    # The planted bug of the test above.
    leaking = Split(split.train, split.validation[:], split.test[:], split.facts)
    leaking.test.given = leaking.test
    data = recommender.encode(begun(split, small())[0], leaking, small())
    assert shown_pairs(data) & pairs_of(split.test)


def test_biases_are_those_of_the_training_ratings_by_hand(split):
    layer = begun(split, small())[0].get_layer("deviations")
    mean, item_bias = layer.get_weights()
    assert mean == pytest.approx(split.train.values.mean(), abs=1e-6)
    of = split.train.values[split.train.items == 7] - mean
    assert item_bias[7] == pytest.approx(of.sum() / (len(of) + 4), abs=1e-5)
    left = split.train.values - mean - item_bias[split.train.items]
    assert layer.spread == pytest.approx(left.std(), abs=1e-5)
    raw = begun(split, small(biases=False))[0].get_layer("deviations")
    assert raw.spread == 1 and not np.any(raw.get_weights()[1]) and raw.shrink is None


def test_encoding_and_training_alter_no_rating(split):
    before = [part.values.copy() for _, part in split.items()]
    fitted(split, small())
    for (_, part), values in zip(split.items(), before, strict=True):
        np.testing.assert_array_equal(part.values, values)


def test_the_same_seed_gives_the_same_network_and_another_another(split, parts):
    assert_same_weights(fitted(split, small(epochs=3))[1], parts[1])
    other = fitted(split, small(epochs=3, seed=1), seed=1)[1]
    assert any(not np.array_equal(*two) for two in zip(other.get_weights(), parts[1].get_weights(), strict=True))


# What is hidden


def steps_of(share: float = 0.3, epoch: int = 0, seed: int = 0) -> tuple[list, np.ndarray]:
    """What two steps show and ask for of 400 users who rated all but the first of 50 films, and the ratings."""
    ratings = np.tile(np.array([np.nan, *range(1, 50)], "float32"), (400, 1))
    one = ({"ratings": ratings, "user": np.arange(400)[:, None]}, {"rating": ratings, "chance": ratings})
    order = SimpleNamespace(epoch=tf.Variable(epoch, dtype=tf.int64), seed=seed)
    batches = tf.data.Dataset.from_tensors(one).repeat(2)
    return list(recommender.hide_ratings(batches, order, share).as_numpy_iterator()), ratings


def test_what_is_hidden_is_asked_for_and_what_is_shown_is_not():
    steps, ratings = steps_of()
    for inputs, targets in steps:
        is_shown, is_asked = ~np.isnan(inputs["ratings"]), ~np.isnan(targets["rating"])
        assert not (is_shown & is_asked).any()
        np.testing.assert_array_equal(is_shown | is_asked, ~np.isnan(ratings))
        np.testing.assert_array_equal(np.where(is_shown, inputs["ratings"], targets["rating"]), ratings)
        np.testing.assert_array_equal(targets["chance"], ratings)
        np.testing.assert_array_equal(inputs["user"][:, 0], np.arange(400))


def test_the_share_that_is_hidden_is_kept_on_average_and_differs_from_user_to_user():
    inputs, _ = steps_of(share=0.3)[0][0]
    share = np.isnan(inputs["ratings"][:, 1:]).mean(axis=1)
    assert share.mean() == pytest.approx(0.3, abs=0.03)
    assert share.min() < 0.1 and 0.5 < share.max() < 0.9
    # Evenly from 0 to twice the share: its variance, and that of 49 draws.
    assert share.std() == pytest.approx(np.sqrt(0.6**2 / 12 + 0.3 * 0.7 / 49 - 0.6**2 / 12 / 49), abs=0.02)


def test_what_is_hidden_follows_from_seed_epoch_and_step_alone():
    def shown(**changes: int) -> list[bytes]:
        return [np.isnan(inputs["ratings"]).tobytes() for inputs, _ in steps_of(**changes)[0]]

    first = shown(epoch=1, seed=2)
    assert shown(epoch=1, seed=2) == first
    assert len({*first, *shown(epoch=2, seed=2), *shown(epoch=1, seed=3)}) == 6


def test_the_loss_by_hand_and_unrated_cells_pull_at_no_weight():
    truth = tf.constant([[5.0, np.nan, 1.0], [np.nan, np.nan, np.nan]])
    predicted = tf.Variable([[4.0, 9.0, 3.0], [7.0, 7.0, 7.0]])
    with tf.GradientTape() as tape:
        loss = recommender.squared_error(truth, predicted)
    assert float(loss) == (1 + 4) / 2
    np.testing.assert_allclose(tape.gradient(loss, predicted), [[-1, 0, 2], [0, 0, 0]])
    assert float(recommender.squared_error(truth[1:], predicted[1:])) == 0
    log_chance = tf.math.log([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]])
    assert float(recommender.surprise(truth, log_chance)) == pytest.approx(-np.log(0.5 * 0.25) / 2)


def test_steps_shorten_along_a_cosine_down_to_nothing():
    config = small(epochs=10, learning_rate=0.2)
    found = [recommender.step_length(epoch, config) for epoch in (0, 5, 10)]
    assert found == pytest.approx([0.2, 0.1, 0])
    assert recommender.step_length(7, small(learning_rate=0.2, decay=False)) == 0.2


# The whole model


def test_a_user_is_predicted_the_same_alone_in_a_batch_and_after_reload(model, split, tmp_path):
    save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    together = recommender.predict(model, split.test)
    assert list(together.columns) == ["item", "title", "genres", "prediction"]
    pd.testing.assert_frame_equal(recommender.predict(again, split.test), together, check_exact=True)
    for place in (0, 5, len(split.test) - 1):
        alone = recommender.predict(again, split.test[[place]])
        pd.testing.assert_frame_equal(alone, together.iloc[[place]], check_exact=True)
    assert together["prediction"].between(1, 5).all() and together["prediction"].std() > 0.05


def test_predictions_and_scores_are_those_of_one_answer(model, split):
    judged = judge(answer_of(model, split.test.catalogue), split.test)
    np.testing.assert_array_equal(recommender.predict(model, split.test)["prediction"], judged.prediction)
    assert recommender.evaluate(model, split.test) == judged.scores
    error = judged.prediction - split.test.values
    assert judged.scores["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    rows = split.train.rows(split.test.users)
    found = said(model, rows)[np.arange(len(rows)), split.test.items]
    np.testing.assert_allclose(found, judged.prediction, atol=1e-5)


@pytest.mark.parametrize("rows", ["user", "item", "both"])
def test_the_saved_model_says_what_the_trained_network_said(split, rows):
    config = small(rows=rows, biases=rows != "user")
    preprocess, network = begun(split, config)
    some = np.array([3, 1, 20])
    given = split.train.rows(some)
    expected = network({"ratings": given, "user": some[:, None].astype("int32")}, training=False)
    found = recommender.assemble(preprocess, network, 0.5)({"ratings": given}, training=False)
    np.testing.assert_allclose(found["rating"], np.clip(expected["rating"], 1, 5), atol=1e-4)
    spread = preprocess.get_layer("deviations").spread
    np.testing.assert_allclose(
        found["ranking"], expected["rating"] + 0.5 * spread * np.array(expected["chance"]), atol=1e-4
    )


def test_no_ratings_and_no_names_of_users_are_in_the_file(tmp_path):
    shapes = []
    for users in (60, 120):
        sample = rated_films(users, ITEMS, 16 * users)
        with pytest.MonkeyPatch.context() as patch:
            named = replace(sample.pairs, users=[f"zq{user}" for user in sample.pairs.users], traits={})
            patch.setattr(reading, "rated_films", lambda named=named: SimpleNamespace(pairs=named))
            split = recommender.load(small())
        model = recommender.assemble(*begun(split, small()))
        save_model(model, tmp_path / "model.keras")
        shapes.append(sorted(tuple(weight.shape) for weight in model.weights))
        with zipfile.ZipFile(tmp_path / "model.keras") as archive:
            text = b"".join(archive.read(name) for name in archive.namelist())
        assert b"zq" not in text and not any(users in shape for shape in shapes[-1])
        size = len(text)
    assert shapes[0] == shapes[1], "twice the users, the same weights"
    assert size < 500_000


def test_a_new_user_with_the_ratings_of_a_known_one_gets_the_same_predictions(model, split):
    known = ratings_of_user(split, split.train.catalogue.users[5])
    likes = [f"{known.catalogue.titles[item]}={value:g}" for item, value in zip(known.items, known.values, strict=True)]
    new = ratings_typed(likes, replace(known.catalogue, users=()))
    first, second = (recommender.recommend(model, one, 5) for one in (known, new))
    np.testing.assert_array_equal(first.items, second.items)
    pd.testing.assert_series_equal(
        recommender.predict(model, first)["prediction"], recommender.predict(model, second)["prediction"]
    )
    assert recommender.identify(second)["user"].tolist() == ["you"] * 5
    mixed = Ratings(new.users[::-1], new.items[::-1], new.values[::-1], catalogue=new.catalogue)
    np.testing.assert_array_equal(recommender.recommend(model, mixed, 5).items, first.items)


def test_the_number_of_a_user_says_nothing(model, split):
    answer, rows = answer_of(model, split.train.catalogue), split.train.rows(np.arange(10))
    np.testing.assert_array_equal(answer(rows, np.arange(10))["ranking"], answer(rows, np.arange(10)[::-1])["ranking"])


def test_lists_hold_nothing_that_was_rated_and_all_that_is_left_where_little_is(model, split):
    found = recommender.recommend(model, split.train, 10)
    assert not pairs_of(found) & pairs_of(split.train)
    assert np.bincount(found.users).max() == 10 and np.isnan(found.values).all()
    catalogue = split.train.catalogue
    many = Ratings(np.zeros(ITEMS - 2, int), np.arange(2, ITEMS), np.full(ITEMS - 2, 3), catalogue=catalogue)
    assert set(recommender.recommend(model, many, 10).items) == {0, 1}
    every = Ratings(np.zeros(ITEMS, int), np.arange(ITEMS), np.full(ITEMS, 3), catalogue=catalogue)
    assert len(recommender.recommend(model, every, 10)) == 0


def test_whoever_rated_nothing_and_whoever_rated_everything_get_numbers(model):
    rows = np.array([np.full(ITEMS, np.nan), np.full(ITEMS, 1), np.full(ITEMS, 5)])
    found, ranking = said(model, rows), said(model, rows, "ranking")
    assert np.isfinite(found).all() and np.isfinite(ranking).all()
    assert found[1].mean() < found[0].mean() < found[2].mean()


@pytest.mark.parametrize("rows", ["user", "both"])
def test_items_and_users_of_which_nothing_is_known_get_numbers(split, rows):
    known = ~np.isin(split.train.items, [0, 7]) & (split.train.users != 3)
    train = split.train[known]
    other = Split(train, split.validation[:], split.test[:], split.facts)
    train.given = other.validation.given = other.test.given = train
    model = recommender.assemble(*fitted(other, small(rows=rows)))
    assert np.isfinite(said(model, train.rows(np.arange(USERS)))).all()
    assert (other.test.users == 3).any() and (other.test.items == 7).any()
    assert np.isfinite(recommender.evaluate(model, other.test)["rmse"])


def test_the_explained_function_is_the_models_prediction(model, split):
    rows = split.train.rows(np.arange(6))
    predict = rating_function(model, split.train.catalogue, 0)
    for item in (0, 17, ITEMS - 1):
        np.testing.assert_allclose(np.clip(predict(rows, item), 1, 5), said(model, rows)[:, item], atol=1e-5)


def test_a_pair_is_explained_by_the_ratings_of_its_user_with_every_method_or_one(model, split):
    row = split.test[[4]]
    found = recommender.explain(model, split, small(), row, ("lime",))
    assert list(found) == ["lime_row"]
    one = found["lime_row"]
    assert one.rating.user == split.test.catalogue.users[row.users[0]]
    assert one.rating.item == split.test.catalogue.titles[row.items[0]]
    assert one.rating.truth == row.values[0] and one.unit == "stars"
    expected = said(model, split.train.rows(row.users))[0, row.items[0]]
    assert np.clip(one.prediction, 1, 5) == pytest.approx(expected, abs=1e-4)
    named = {one.feature for one in one.attributions}
    rated = split.train.items[split.train.users == row.users[0]]
    assert named <= {split.test.catalogue.titles[item] for item in rated} | {f"{len(rated) - 25} other ratings"}


# The order of lists


def test_the_order_is_that_with_the_best_ndcg_on_validation_ratings_the_first_of_equals(parts, split):
    part = split.validation
    ndcg = [
        judge(answer_of(recommender.assemble(*parts, counts), part.catalogue), part).scores["ndcg_at_10"]
        for counts in recommender.CHANCE_COUNTS
    ]
    assert len(set(ndcg)) > 1
    chosen = recommender.CHANCE_COUNTS.index(recommender.choose_order(*parts, part, small()))
    assert chosen == next(place for place, one in enumerate(ndcg) if one > max(ndcg) - 1e-9)


def test_where_no_list_can_be_judged_the_order_is_the_first(parts, split):
    nobody = split.validation[:]
    nobody.known = None
    assert recommender.choose_order(*parts, nobody, small()) == recommender.CHANCE_COUNTS[0]
    assert recommender.choose_order(*parts, nobody, small(chance_counts=0.3)) == 0.3


def test_without_a_chance_lists_are_ordered_by_the_rating(split):
    preprocess, network = begun(split, small(ranking_units=0))
    assert recommender.choose_order(preprocess, network, split.validation, small(ranking_units=0)) == 0
    model = recommender.assemble(preprocess, network)
    rows = split.train.rows(np.arange(4))
    np.testing.assert_allclose(np.clip(said(model, rows, "ranking"), 1, 5), said(model, rows), atol=1e-6)


# Every setting


VARIANTS: dict[str, dict[str, object]] = {
    "course": {"model": "course"},
    "user": {"rows": "user"},
    "item": {"rows": "item"},
    "both": {},
    "tied": {"tied": True, "decoder": [7, 5]},
    "tied, user": {"tied": True, "decoder": [7, 5], "rows": "user"},
    "shallow": {"encoder": [5], "decoder": []},
    "no decoder": {"decoder": []},
    "three layers": {"encoder": [9, 7, 5], "decoder": [8, 6, 5]},
    "features of users": {"side_information": "both"},
    "features of users, user": {"side_information": "both", "rows": "user"},
    "no features": {"side_information": "none"},
    "ratings alone": {"presence": False},
    "no biases": {"biases": False},
    "no lists": {"ranking_units": 0},
    "no guess": {"guess": []},
    "nothing dropped": {"hidden": 0, "dropout": 0, "user_dropout": 0, "l2": 0},
    "sgd": {"optimizer": "sgd", "activation": "sigmoid"},
    "nadam": {"optimizer": "nadam", "activation": "gelu", "decay": False},
    "few users a step": {"batch_size": 7, "rows": "item"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_kind_of_network_learns_and_what_it_saves_is_what_it_says(split, name, tmp_path):
    config = small(**VARIANTS[name], **({"batch_size": 64} if "batch_size" not in VARIANTS[name] else {}))
    config = config.with_changes({"epochs": 1, "patience": 0}, "test")
    preprocess, network = begun(split, config)
    before = network.get_weights()
    recommender.fit(network, recommender.encode(preprocess, split, config), config)
    learning = {weight.path for weight in network.trainable_weights}
    after = network.get_weights()
    still = [
        weight.path
        for weight, one, other in zip(network.weights, before, after, strict=True)
        if weight.path in learning and np.array_equal(one, other)
    ]
    assert not still, "weights that do not learn"
    model = recommender.assemble(preprocess, network, 0.5 if "chance" in network.output else 0)
    save_model(model, tmp_path / "model.keras")
    rows = split.train.rows(np.arange(5))
    again = load_model(tmp_path / "model.keras")
    for answer in ("rating", "ranking"):
        found = said(model, rows, answer)
        assert np.isfinite(found).all() and found.shape == (5, ITEMS)
        np.testing.assert_allclose(said(again, rows, answer), found, atol=1e-6)


def test_the_network_of_the_slide_has_the_sizes_of_the_slide(split):
    _, network = begun(split, settings(model="course", data="sample"))
    assert network.count_params() - (1 + ITEMS) == (
        (ITEMS * 20 + 20) + (20 * 10 + 10) + (10 * 20 + 20) + (20 * ITEMS + ITEMS)
    )
    assert isinstance(network.optimizer, keras.optimizers.RMSprop) and list(network.output) == ["rating"]


def test_the_default_encoder_and_decoder_are_stacked():
    config = settings()
    assert len(config.encoder) >= 2 and len(config.decoder) >= 2
    assert {"encoder": config.encoder, "decoder": config.decoder} in recommender.DEPTHS.values()
    assert {len(changes["encoder"]) for changes in recommender.DEPTHS.values()} == {1, 2, 3}


@pytest.mark.parametrize(("low", "high", "step"), [(0, 100, 10), (-10, 10, 1), (0.5, 5, 0.5), (0, 1e6, 2.5e5)])
def test_another_scale_gives_the_same_predictions_in_another_unit(split, parts, low, high, step):
    # The network sees deviations in spreads, so only rounding differs.
    def scaled(part: Ratings, catalogue, given: Ratings | None) -> Ratings:
        values = low + (part.values - 1) / 4 * (high - low)
        return Ratings(part.users, part.items, values, catalogue=catalogue, given=given, known=given)

    scale = tuple(np.arange(low, high + step / 2, step).tolist())
    catalogue = replace(split.train.catalogue, scale=scale)
    train = scaled(split.train, catalogue, None)
    train.given = train
    other = Split(train, *(scaled(part, catalogue, train) for part in (split.validation, split.test)), split.facts)
    preprocess, network = fitted(other, small(epochs=3))
    model, expected = recommender.assemble(preprocess, network), recommender.assemble(*parts)
    rows = train.rows(np.arange(8))
    found = 1 + 4 * (said(model, rows) - low) / (high - low)
    np.testing.assert_allclose(found, said(expected, split.train.rows(np.arange(8))), atol=0.02)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"rows": "films"}, "--set rows=films: input should be 'user', 'item' or 'both'"),
        ({"hidden": 0.5}, "--set hidden=0.5: input should be less than 0.5"),
        ({"encoder": []}, "--set encoder=[]: value should have at least 1 item"),
        ({"encoder": [0]}, "--set encoder=[0]"),
        ({"dropout": 1}, "--set dropout=1: input should be less than 1"),
        ({"ranking_units": -1}, "--set ranking_units=-1: input should be greater than or equal to 0"),
        ({"split__fold": "u6"}, "--set split.fold=u6: input should be 'u1', 'u2', 'u3', 'u4', 'u5', 'random' or"),
        ({"split__validation": 0.9}, "must leave at least 5 % for training"),
        ({"tied": True}, "decoder=[200, 30]"),
        ({"learning_rate": 0}, "--set learning_rate=0"),
        ({"batch_size": 0}, "--set batch_size=0"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be_are_one_line_that_names_an_option(typed, expected):
    with pytest.raises(ConfigError) as error:
        settings(**typed)
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_a_network_that_has_lost_its_numbers_is_refused_in_one_line(split):
    preprocess, network = begun(split, small())
    network.set_weights([np.full(weight.shape, np.nan) for weight in network.get_weights()])
    with pytest.raises(RunError, match="smaller learning_rate"):
        recommender.evaluate(recommender.assemble(preprocess, network), split.validation)


def test_half_precision_learns_too(split):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        first, network = begun(split, small())[1], fitted(split, small())[1]
    finally:
        keras.config.set_dtype_policy(before)
    moved = [(one != other).any() for one, other in zip(first.get_weights(), network.get_weights(), strict=True)]
    assert sum(moved) > len(moved) / 2
    assert all(np.isfinite(weight).all() for weight in network.get_weights())


@pytest.mark.parametrize("changes", [{}, {"tied": True, "decoder": [7, 5]}], ids=["default", "tied"])
def test_the_search_asks_for_settings_that_are_valid_and_different(changes):
    seen = set()
    for layers in (1, 2, 3):
        hp = keras_tuner.HyperParameters()
        hp.values.update(layers=layers, units=100 * layers, codes=50, decoder_units=120, dropout=0.5, l2=0.002)
        found = recommender.search_space(hp, small(**changes))
        assert len(found.encoder) == layers and found.decoder[-1] == 50 and found.dropout == 0.5
        seen.add((found.encoder, found.decoder))
    assert len(seen) == 3


def test_each_step_of_the_ladder_leads_from_the_course_to_the_default():
    config = settings().with_changes(recommender.COURSE, "course")
    assert config.model == "course"
    for step in recommender.STEPS:
        before, config = config, config.with_changes(step.changes, step.name)
        assert config != before, step.name
    assert config.model_dump() == settings().model_dump()


def test_depths_are_compared_on_validation_ratings_with_all_else_the_same(split, monkeypatch):
    tried = []

    def try_out(config, given):
        assert given is split
        tried.append(config)
        return len(tried)

    def evaluate(number, part):
        assert part is split.validation
        return {"rmse": 1 / number}

    monkeypatch.setattr(recommender, "try_out", try_out)
    monkeypatch.setattr(recommender, "evaluate", evaluate)
    found = recommender.compare_depths(small(), split)
    assert [one["name"] for one in found] == list(recommender.DEPTHS)
    assert [one["validation"] for one in found] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    for one, config in zip(found, tried, strict=True):
        assert one["hidden"] == [*config.encoder, *config.decoder]
        same = {name: getattr(small(), name) for name in recommender.DEPTHS[one["name"]]}
        assert config.with_changes(same, "test").model_dump() == small().model_dump()


def test_what_is_tried_out_stops_early_and_is_put_together_in_its_best_order(split, monkeypatch):
    monkeypatch.setattr(recommender, "prepare", lambda *_, **__: keras.utils.set_random_seed(0))
    monkeypatch.setattr(recommender, "choose_order", lambda *_: 2.0)
    config = small(epochs=1)
    found = recommender.try_out(config, split)
    expected = recommender.assemble(*fitted(split, config), 2.0)
    rows = split.train.rows(np.arange(3))
    np.testing.assert_allclose(said(found, rows, "ranking"), said(expected, rows, "ranking"), atol=1e-3)


# What the report is given


def test_the_report_gets_three_lists_with_reasons_and_a_map_of_codes(model, split):
    shown = describe_recommender(model, split, 0)
    assert set(shown) == {"lists", "item_map", "nearest"} and len(shown["lists"]) == 3
    for one in shown["lists"]:
        rated = {item["title"] for item in one["rated"]}
        assert 1 <= len(one["items"]) <= 10 and not rated & {item["title"] for item in one["items"]}
        assert not any(item["reasons"] for item in one["items"][3:])
    counts = np.bincount(split.train.items, minlength=ITEMS)
    assert shown["item_map"]["ratings"] == sorted(counts[counts >= min(shown["item_map"]["ratings"])], reverse=True)
    json.dumps(shown)


def test_rows_of_users_have_no_codes_to_draw(split):
    model = recommender.assemble(*begun(split, small(rows="user")))
    assert set(describe_recommender(model, split, 0)) == {"lists"}


# A table of ones own


def test_a_table_whose_columns_have_other_names_is_read_and_its_users_can_be_asked_about(tmp_path, split):
    path = tmp_path / "mine.csv"
    names = split.train.catalogue.titles
    frame = pd.DataFrame({"Kunde": split.train.users, "Ware": [names[item] for item in split.train.items]})
    frame.assign(Note=split.train.values).to_csv(path, index=False)
    found = recommender.load(small(data=str(path), user="Kunde", item="Ware", rating="Note"))
    assert sum(len(part) for _, part in found.items()) == len(frame)
    with pytest.raises(DataError, match="Notiz"):
        recommender.load(small(data=str(path), user="Kunde", item="Ware", rating="Notiz"))


# Interruption


# Keras leaves history.csv open when a fit fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_fit_continues_as_if_it_had_not_been(split, parts, tmp_path):
    config = small(epochs=3)
    assert config.hidden and config.dropout and config.user_dropout and config.decay, "everything that draws is on"
    network = interrupted_and_continued(recommender, split, config, begun, tmp_path / "run", "val_rating_rmse")
    assert_same_weights(parts[1], network)

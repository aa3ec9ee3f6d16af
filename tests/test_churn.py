"""The churn lesson on its built-in sample, and on the real file where there is one."""

from collections.abc import Callable
from functools import cache
from typing import get_args

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from practicals import churn, load_model
from practicals.churn import ChurnConfig
from practicals.common.config import Optimizer
from practicals.common.metrics import expected_calibration_error
from practicals.common.training import predict_batches, prepare, save_model


def settings(**changes):
    return ChurnConfig(data="sample", epochs=2, ladder=False, **changes)


@pytest.fixture(scope="module")
def split():
    return churn.load(settings())


@pytest.fixture(scope="module")
def preprocess(split):
    return churn.build_preprocess(split.train, settings())


@pytest.fixture(scope="module")
def encoded(split, preprocess):
    return churn.encode(preprocess, split, settings())


@pytest.fixture(scope="module")
def model(preprocess, encoded):
    config = settings()
    keras.utils.set_random_seed(0)
    network = churn.build_model(config, preprocess)
    churn.fit(network, encoded, config)
    return churn.assemble(preprocess, network, threshold=0.3)


def trained_weights(split, imbalance):
    """Everything that is fitted: what the preprocess model learned, and the network's weights."""
    config = settings(imbalance=imbalance, batch_size=1024)
    prepare(config.seed)
    preprocess = churn.build_preprocess(split.train, config)
    network = churn.build_model(config, preprocess)
    network.run_eagerly = True  # to trace it takes longer than to train for two epochs
    churn.fit(network, churn.encode(preprocess, split, config), config)
    return preprocess.to_json(), network.get_weights()


@pytest.fixture(scope="module")
def trained(split) -> Callable[[str], tuple]:
    """A function: `imbalance` -> what is fitted on the rows as they are; each is trained once."""
    return cache(lambda imbalance: trained_weights(split, imbalance))


def test_each_part_has_its_share_of_the_rows_and_of_the_leavers(split):
    parts = {name: (len(rows), rows["Exited"].mean()) for name, rows in split.items()}
    total = sum(rows for rows, _ in parts.values())
    assert [round(rows / total, 2) for rows, _ in parts.values()] == [0.7, 0.1, 0.2]
    shares = [share for _, share in parts.values()]
    assert max(shares) - min(shares) < 0.01


def test_the_network_never_sees_what_identifies_a_customer(model):
    assert set(model.input) == set(churn.FEATURES)
    assert not set(model.input) & {*churn.IDENTIFIERS, churn.TARGET}


@pytest.mark.parametrize("imbalance", ["none", "smotenc", "class_weight"])
def test_nothing_that_is_fitted_moves_when_the_test_rows_change(split, trained, imbalance):
    spoiled = split.test.assign(Exited=1 - split.test["Exited"], Age=99.0, Balance=1e9, Geography="Atlantis")
    before, weights = trained(imbalance)
    after, weights_after = trained_weights(type(split)(split.train, split.validation, spoiled), imbalance)
    assert before == after
    for one, other in zip(weights, weights_after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_preprocess_model_fitted_on_all_rows_would_be_caught(split):
    # The planted bug of the test above: the knots and the list of countries follow the spoiled rows.
    spoiled = split.test.assign(Age=99.0, Geography="Atlantis")
    honest, leaking = (churn.build_preprocess(rows, settings()).to_json() for rows in (
        split.train, pd.concat([split.train, spoiled])
    ))  # fmt: skip
    assert "Atlantis" in leaking
    assert "Atlantis" not in honest
    assert "99.0" in leaking
    assert "99.0" not in honest


def test_reading_and_splitting_alter_no_row(split):
    before = split.train.copy()
    churn.encode(churn.build_preprocess(split.train, settings()), split, settings(imbalance="smotenc"))
    pd.testing.assert_frame_equal(split.train, before)


def test_class_weights_and_sample_weights_train_the_same_network(trained):
    by_class, by_row, unweighed = (trained(imbalance)[1] for imbalance in ("class_weight", "sample_weight", "none"))
    for one, other in zip(by_class, by_row, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert any(not np.allclose(one, other) for one, other in zip(by_class, unweighed, strict=True))


@pytest.mark.parametrize("imbalance", ["oversample", "undersample", "smotenc"])
def test_resampling_balances_the_training_part_and_no_other(split, preprocess, imbalance):
    data = churn.encode(preprocess, split, settings(imbalance=imbalance))
    assert data.train.targets.mean() == 0.5
    assert len(data.validation.targets) == len(split.validation)
    np.testing.assert_array_equal(data.test.targets, split.test["Exited"])


def test_f1_of_the_lesson_by_hand_and_over_batches():
    metric = churn.F1()
    metric.update_state(np.array([[1], [1], [0]], "float32"), np.array([[0.9], [0.2], [0.6]], "float32"))
    assert float(metric.result()) == pytest.approx(2 / 4)  # one found, one missed, one false alarm
    metric.update_state(np.array([[1]], "float32"), np.array([[0.8]], "float32"))
    assert float(metric.result()) == pytest.approx(4 / 6)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_f1_of_the_lesson_agrees_with_scikit_learn_and_takes_weights():
    generator = np.random.default_rng(0)
    truth, chance = generator.integers(0, 2, 200), generator.random(200)
    weight = generator.random(200)
    metric = churn.F1()
    for rows in np.array_split(np.arange(200), 7):
        metric.update_state(truth[rows], chance[rows].astype("float32"), weight[rows].astype("float32"))
    assert float(metric.result()) == pytest.approx(f1_score(truth, chance >= 0.5, sample_weight=weight), abs=1e-5)


def test_the_threshold_with_the_best_f1_by_hand():
    truth, chance = np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.8, 0.7, 0.3, 0.1])
    threshold, curve = churn.choose_threshold(truth, chance, settings())
    assert threshold == pytest.approx(0.5)  # between 0.7 and 0.3: both leavers found, one false alarm
    assert curve["f1"].max() == pytest.approx(0.8)


def test_the_cheaper_a_wasted_offer_the_lower_the_threshold():
    truth, chance = np.array([0, 1, 0, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.6, 0.2, 0.1])
    cheap = settings(threshold="cost", cost_missed_leaver_eur=1000, cost_wasted_offer_eur=1)
    dear = settings(threshold="cost", cost_missed_leaver_eur=100, cost_wasted_offer_eur=99)
    assert churn.choose_threshold(truth, chance, cheap)[0] == pytest.approx(0.15)
    threshold, curve = churn.choose_threshold(truth, chance, dear)
    assert threshold == pytest.approx(0.75)
    assert curve["cost"].min() == pytest.approx((99 + 100) / 6)


def test_rows_of_equal_probability_are_decided_alike():
    truth, chance = np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 0.5, 0.1])
    threshold, curve = churn.choose_threshold(truth, chance, settings())
    assert threshold == pytest.approx(0.3)
    assert len(curve) == 2


def test_a_row_gets_the_same_printed_number_alone_in_a_batch_and_after_reload(model, split, tmp_path):
    together = churn.predict(model, split.test)
    save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    pd.testing.assert_frame_equal(churn.predict(again, split.test), together, check_exact=True)
    for place in (0, 7, 100):
        alone = churn.predict(again, split.test.iloc[[place]])
        pd.testing.assert_frame_equal(alone, together.iloc[[place]], check_exact=True)


def test_missing_numbers_and_unknown_countries_get_a_probability(model, split):
    rows = split.test.head(3).assign(Age=np.nan, Geography=["Atlantis", "", "France"], NumOfProducts=[9.0, np.nan, 1.0])
    chance = churn.predict(model, rows)["probability"]
    assert chance.between(0, 1).all()


def test_the_decision_is_the_threshold_on_the_probability(model, split):
    answer = churn.predict(model, split.test)
    np.testing.assert_array_equal(answer["decision"], answer["probability"] >= 0.3)


def test_the_saved_model_needs_no_code_of_the_lesson_and_holds_no_lambda(model, tmp_path):
    save_model(model, tmp_path / "model.keras")
    assert load_model(tmp_path / "model.keras").get_layer("decision").threshold == 0.3


@pytest.mark.parametrize("optimizer", get_args(Optimizer))
def test_every_optimizer_moves_every_weight(preprocess, encoded, optimizer):
    config = settings(optimizer=optimizer, hidden_units=(4,), learning_rate=0.05, dropout=0.0, batch_size=1024)
    network = churn.build_model(config, preprocess)
    network.run_eagerly = True
    before = network.get_weights()
    churn.fit(network, encoded, config)
    assert all((one != other).any() for one, other in zip(before, network.get_weights(), strict=True))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "leaky_relu", "prelu"])
@pytest.mark.parametrize("initializer", ["glorot_uniform", "he_normal", "random_normal"])
def test_every_activation_and_initializer_builds(preprocess, activation, initializer):
    network = churn.build_model(
        settings(activation=activation, initializer=initializer, hidden_units=(4, 4)), preprocess
    )
    answer = predict_batches(network, np.zeros((2, preprocess.output_shape[-1]), "float32"))
    assert ((answer > 0) & (answer < 1)).all()


def test_no_hidden_layer_is_logistic_regression(preprocess):
    network = churn.build_model(settings(hidden_units=()), preprocess)
    assert network.count_params() == preprocess.output_shape[-1] + 1


def test_the_course_network_is_the_one_of_the_slide(preprocess):
    network = churn.build_model(settings(model="course"), preprocess)
    assert [type(layer).__name__ for layer in network.layers] == ["Dense", "Dense"]
    assert [layer.units for layer in network.layers] == [6, 1]


def test_batch_normalization_and_clipping_are_put_in_when_asked(preprocess):
    network = churn.build_model(settings(batch_normalization=True, clip_norm=1.0), preprocess)
    assert any(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)
    assert network.optimizer.clipnorm == 1.0


def test_weighing_the_classes_makes_probabilities_too_high(preprocess, encoded):
    # What the sentence in IMBALANCE_EFFECT says.
    def mean_probability(imbalance):
        config = ChurnConfig(data="sample", epochs=8, imbalance=imbalance)
        keras.utils.set_random_seed(0)
        network = churn.build_model(config, preprocess)
        churn.fit(network, encoded, config)
        chance = predict_batches(network, encoded.test.inputs)[:, 0]
        return chance.mean(), expected_calibration_error(encoded.test.targets, chance)

    (honest, small_error), (high, large_error) = mean_probability("none"), mean_probability("class_weight")
    assert high > honest + 0.1
    assert large_error > small_error


def test_the_real_file_is_read_whole_and_split_by_the_book(real_data):
    real_data("churn/Churn_Modelling.csv")
    split = churn.load(ChurnConfig(data="real"))
    assert [len(rows) for _, rows in split.items()] == [7000, 1000, 2000]
    assert sum(rows["Exited"].sum() for _, rows in split.items()) == 2037
    assert split.facts.kind == "real"

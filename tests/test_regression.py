"""The regression lesson on its built-in samples and on files of a user's, and on the real file where there is one."""

from dataclasses import replace
from typing import get_args

import keras
import numpy as np
import pandas as pd
import pytest

from practicals import load_model, regression
from practicals.common import baselines as opponents
from practicals.common.config import load_config
from practicals.common.conformal import coverage
from practicals.common.errors import ConfigError, DataError
from practicals.common.regression import Margin, rmse
from practicals.common.training import predict_batches, prepare, save_model
from practicals.regression import RegressionConfig


def settings(**changes):
    quick = {"data": "sample", "epochs": 2, "members": 2, "ladder": False, "compare_losses": False}
    return RegressionConfig(**quick | changes)


def stones(*sets):
    return load_config(RegressionConfig, "regression", sets=["data=sample", "dataset=fake_reg", *sets])


@pytest.fixture(scope="module")
def split():
    return regression.load(settings())


@pytest.fixture(scope="module")
def preprocess(split):
    return regression.build_preprocess(split.train, settings())


@pytest.fixture(scope="module")
def encoded(split, preprocess):
    return regression.encode(preprocess, split, settings())


@pytest.fixture(scope="module")
def model(split, preprocess, encoded):
    config = settings()
    prepare(0)
    network = regression.build_model(config, preprocess)
    regression.fit(network, encoded, config)
    scale, columns = regression.target_scale(split.train, config), regression.columns_of(config)
    margin = regression.calibrate(
        regression.assemble(preprocess, network, scale, columns), split.calibration, scale, config
    )
    return regression.assemble(preprocess, network, scale, columns, margin)


def eager(network):
    """To trace a network takes longer than to train it for two epochs."""
    network.run_eagerly = True
    return network


def trained(split, config):
    """Everything that is fitted before the calibration: what the preprocess model learned, scale, and weights."""
    prepare(config.seed)
    preprocess = regression.build_preprocess(split.train, config)
    network = eager(regression.build_model(config, preprocess))
    regression.fit(network, regression.encode(preprocess, split, config), config)
    return preprocess.to_json(), regression.target_scale(split.train, config), network.get_weights()


def test_four_parts_have_their_shares_and_no_house_stands_in_two(split):
    parts = dict(split.items())
    assert list(parts) == ["train", "validation", "calibration", "test"]
    total = sum(map(len, parts.values()))
    assert [round(len(rows) / total, 2) for rows in parts.values()] == [0.6, 0.1, 0.1, 0.2]
    houses = [set(rows["id"]) for rows in parts.values()]
    assert sum(map(len, houses)) == len(set().union(*houses))
    assert len(set().union(*houses)) < total


def test_the_network_sees_neither_the_house_number_nor_the_price(model):
    assert set(model.input) == set(regression.HOUSES.features)
    assert not set(model.input) & {"id", "price"}


def test_nothing_that_is_fitted_moves_when_calibration_and_test_rows_change(split):
    def spoil(rows):
        return rows.assign(price=rows["price"] * 100, sqft_living=1e6, lat=0.0, zipcode="Atlantis")

    config = settings(batch_size=1024)
    before = trained(split, config)
    after = trained(replace(split, calibration=spoil(split.calibration), test=spoil(split.test)), config)
    assert before[:2] == after[:2]
    for one, other in zip(before[2], after[2], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_preprocess_model_fitted_on_all_rows_would_be_caught(split):
    # The planted bug of the test above.
    spoiled = split.test.assign(sqft_living=1e6, zipcode="Atlantis")
    honest, leaking = (
        regression.build_preprocess(rows, settings()).to_json()
        for rows in (split.train, pd.concat([split.train, spoiled]))
    )
    assert "Atlantis" in leaking
    assert "Atlantis" not in honest
    assert "1000000.0" in leaking
    assert "1000000.0" not in honest


def test_the_calibration_rows_set_the_width_and_nothing_else(split, preprocess):
    config = settings()
    network = regression.build_model(config, preprocess)
    scale, columns = regression.target_scale(split.train, config), regression.columns_of(config)
    model = regression.assemble(preprocess, network, scale, columns)
    usual = regression.calibrate(model, split.calibration, scale, config)
    noisier = split.calibration.assign(price=split.calibration["price"] * 10)
    assert regression.calibrate(model, noisier, scale, config).quantile > usual.quantile + 1
    assert usual.space == "log"
    answer = regression.predict(regression.assemble(preprocess, network, scale, columns, usual), split.calibration)
    held = coverage(split.calibration["price"], answer["lower_90"], answer["upper_90"])
    assert held == pytest.approx(0.9, abs=0.01)


def test_reading_and_encoding_alter_no_row(split, preprocess):
    before = split.train.copy()
    regression.encode(preprocess, split, settings())
    pd.testing.assert_frame_equal(split.train, before)


@pytest.mark.parametrize("log", [True, False])
def test_a_target_comes_back_from_the_scale_of_the_loss(log):
    target = np.array([[0.0], [75_000.0], [7_700_000.0]])
    scale = regression.Scale(log, 13.0, 0.5) if log else regression.Scale(log, 540_000.0, 367_000.0)
    back = np.asarray(scale.decode(keras.ops.convert_to_tensor(scale.encode(target))))
    np.testing.assert_allclose(back, target, rtol=1e-5, atol=0.05)


def test_a_wild_answer_of_the_network_is_no_infinite_price():
    assert np.isfinite(np.asarray(regression.Scale(True, 13.0, 0.5).decode(keras.ops.convert_to_tensor([[1e6]])))).all()


def test_prices_are_learned_as_logarithms_and_stones_are_not(split):
    assert regression.target_scale(split.train, settings()).log
    assert not regression.target_scale(split.train, settings(target_scale="standard")).log
    assert not regression.target_scale(regression.load(stones()).train, stones()).log
    below = split.train.assign(price=split.train["price"] - 1e6)
    assert not regression.target_scale(below, settings()).log
    with pytest.raises(DataError, match="target_scale: log needs targets of at least 0"):
        regression.target_scale(below, settings(target_scale="log"))


def test_columns_are_opened_into_as_many_inputs_as_the_settings_say(split, preprocess):
    plain = regression.build_preprocess(split.train, settings(splines=0, waves=0))
    zips = split.train["zipcode"].nunique() + 1  # one for an unknown zip code
    assert plain.output_shape == (None, 18 + zips)
    waves = regression.build_preprocess(split.train, settings(splines=0, waves=10))
    assert waves.output_shape == (None, 18 + zips + 20)
    assert preprocess.output_shape[-1] > waves.output_shape[-1] + 60
    without = regression.build_preprocess(split.train, settings(splines=0, waves=10, ignore=("lat",)))
    assert without.output_shape == (None, 17 + zips)  # half a place is none


def test_a_row_gets_the_same_printed_number_alone_in_a_batch_and_after_reload(model, split, tmp_path):
    together = regression.predict(model, split.test)
    save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    pd.testing.assert_frame_equal(regression.predict(again, split.test), together, check_exact=True)
    for place in (0, 7, 100):
        alone = regression.predict(again, split.test.iloc[[place]])
        pd.testing.assert_frame_equal(alone, together.iloc[[place]], check_exact=True)
    assert list(together.columns) == ["prediction", "lower_90", "upper_90"]


def test_the_saved_model_knows_its_columns_target_and_unit(model, tmp_path):
    save_model(model, tmp_path / "model.keras")
    columns = regression.columns_in(load_model(tmp_path / "model.keras"))
    assert columns.schema == regression.HOUSES
    assert columns.unit == "USD"


def test_missing_numbers_unknown_zip_codes_and_palaces_get_a_price_within_its_interval(model, split):
    rows = split.test.head(3).assign(sqft_living=[np.nan, 1e6, 800], zipcode=["Atlantis", "", "98001"], date=np.nan)
    answer = regression.predict(model, rows)
    assert np.isfinite(answer).all(axis=None)
    assert (answer["lower_90"] < answer["prediction"]).all()
    assert (answer["prediction"] < answer["upper_90"]).all()


def test_the_members_are_averaged_in_the_scale_of_the_loss(split, preprocess):
    network = keras.Sequential([keras.Input((preprocess.output_shape[-1],)), keras.layers.Dense(2)])
    network.layers[0].set_weights([np.zeros((preprocess.output_shape[-1], 2)), np.array([1.0, 3.0])])
    columns = regression.columns_of(settings())
    model = regression.assemble(preprocess, network, regression.Scale(True, 0.0, 1.0), columns)
    prediction = regression.predict(model, split.test.head(2))["prediction"]
    np.testing.assert_allclose(prediction, np.expm1(2.0), rtol=1e-6)  # not the mean of expm1(1) and expm1(3)
    straight = regression.assemble(preprocess, network, regression.Scale(False, 10.0, 5.0), columns)
    np.testing.assert_allclose(regression.predict(straight, split.test.head(2))["prediction"], 20.0)


def test_the_watched_error_is_that_of_the_average_and_the_loss_that_of_each():
    truth, members = np.zeros((2, 1), "float32"), np.array([[-1, 3], [2, 2]], "float32")
    assert np.asarray(regression.mae(truth, members)).tolist() == [[1], [2]]


def test_each_member_learns_as_if_it_were_alone(preprocess):
    # The loss and the price of weights are means over the members, so no member pulls on another.
    config = settings(members=3, l2=0.1, dropout=0.0, hidden_units=(4,), linear_path=False, loss="mse", optimizer="sgd")
    network = regression.build_model(config, preprocess)
    generator = np.random.default_rng(0)
    x, y = generator.normal(0, 1, (32, preprocess.output_shape[-1])), generator.normal(0, 1, (32, 1))
    together = float(network.evaluate(x, y, verbose=0, return_dict=True)["loss"])
    answers = np.asarray(network(x))
    errors = np.mean((answers - y) ** 2, axis=0)
    weights = [w for w in network.get_weights() if w.ndim == 2]
    price = 0.1 * sum(float(np.sum(w**2)) for w in weights)
    assert together == pytest.approx((errors.sum() + price) / 3, rel=1e-4)


@pytest.mark.parametrize("loss", get_args(RegressionConfig.model_fields["loss"].annotation))
def test_every_loss_is_explained_and_moves_every_weight(preprocess, encoded, loss):
    assert len(regression.LOSSES[loss].split()) > 10
    config = settings(loss=loss, hidden_units=(4,), dropout=0.0, learning_rate=0.05, batch_size=1024)
    network = eager(regression.build_model(config, preprocess))
    before = network.get_weights()
    regression.fit(network, encoded, config)
    assert all((one != other).any() for one, other in zip(before, network.get_weights(), strict=True))


@pytest.mark.parametrize(("loss", "aim"), [("mse", 3.0), ("mae", 1.0), ("huber", 1.5)])
def test_a_loss_aims_at_what_its_sentence_says(preprocess, loss, aim):
    # 0, 1 and 8 for the same input: the mean is 3 and the median 1. Huber's pull is the error, but 2 at most: at 1.5
    # those from below pull by 1.5 and 0.5, that from above by 2.
    compiled = regression.build_model(settings(loss=loss, huber_delta=2.0), preprocess).loss
    truth = np.array([[0.0], [1.0], [8.0]], "float32")
    tried = np.linspace(0, 8, 81, dtype="float32")
    values = [float(compiled(truth, np.full((3, 1), one, "float32"))) for one in tried]
    assert tried[int(np.argmin(values))] == pytest.approx(aim, abs=0.06)


def test_the_course_network_is_the_one_of_the_slide(preprocess):
    config = load_config(RegressionConfig, "regression", sets=["model=course"])
    network = regression.build_model(config, preprocess)
    assert [layer.units for layer in network.layers] == [4, 1]
    assert (config.optimizer, config.loss, config.epochs) == ("rmsprop", "mse", 250)


def test_the_course_s_settings_win_over_those_of_the_stones():
    config = stones("model=course")
    assert (config.hidden_units, config.optimizer, config.l2) == ((4,), "rmsprop", 0.0)
    assert stones().linear_path


def test_the_straight_path_starts_alone_and_carries_the_line():
    config = stones("members=1")
    prepare(0)
    split = regression.load(config)
    preprocess = regression.build_preprocess(split.train, config)
    network = regression.build_model(config, preprocess)
    x = np.random.default_rng(0).normal(0, 1, (50, 2)).astype("float32")
    answer = predict_batches(network, x)
    exact = np.column_stack([np.ones(50), x])
    np.testing.assert_allclose(exact @ np.linalg.lstsq(exact, answer, rcond=None)[0], answer, atol=1e-5)


@pytest.mark.slow
def test_stones_are_priced_within_one_percent_of_the_best_straight_line():
    config = stones()
    split = regression.load(config)
    model = regression.try_out(config, split)
    features = ["feature1", "feature2"]
    line = opponents.linear_regression(features, []).fit(split.train[features], split.train["price"])
    best = rmse(split.test["price"].to_numpy(), line.predict(split.test[features]))
    assert regression.evaluate(model, split.test)["rmse"] < 1.01 * best


def test_the_learning_rate_follows_one_rule():
    with pytest.raises(ConfigError, match=r"reduce_lr_patience=3: needs decay: false"):
        load_config(RegressionConfig, "regression", sets=["reduce_lr_patience=3"])
    assert load_config(RegressionConfig, "regression", sets=["reduce_lr_patience=3", "decay=false"]).reduce_lr_patience


def test_the_steps_decay_to_nothing_whatever_the_epoch_training_continues_from(preprocess, encoded):
    config = settings(epochs=4, batch_size=1024)
    rates = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: rates.append(float(network.optimizer.learning_rate))
    )
    network = eager(regression.build_model(config, preprocess))
    regression.fit(network, encoded, config, [watch])
    whole = rates.copy()
    rates.clear()
    regression.fit(network, encoded, config, [watch], initial_epoch=2)
    assert rates == whole[2:]
    assert whole == pytest.approx([0.002, 0.002 * 0.853553, 0.001, 0.002 * 0.146447], rel=1e-4)


def own_file(folder, rows=300):
    generator = np.random.default_rng(0)
    size, place = generator.uniform(20, 200, rows), generator.choice(["north", "south"], rows)
    frame = pd.DataFrame(
        {
            "labels": generator.permutation(rows) / 7,
            "size (m2)": size.round(1),
            "mean": generator.normal(0, 1, rows).round(3),
            "area": place,
            "sold": pd.date_range("2020-01-01", periods=rows).strftime("%Y-%m-%d"),
            "Rent": (5 + 8 * size + 300 * (place == "north") + generator.normal(0, 20, rows)).round(),
        }
    )
    frame.to_csv(folder / "rents.csv", index=False)
    return folder / "rents.csv"


def test_an_own_file_is_trained_on_saved_and_predicted_for(tmp_path):
    path = own_file(tmp_path)
    config = settings(data=str(path), target="rent", unit="EUR", epochs=3)
    split = regression.load(config)
    model = regression.try_out(config, split)
    save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    columns = regression.columns_in(again)
    assert columns.schema.dates == ("sold",)
    assert columns.schema.categories == ("area",)
    assert (columns.target, columns.unit) == ("Rent", "EUR")
    rows = regression.read_inputs(again, [path])
    assert len(rows) == 300
    table = regression.identify(rows).join(regression.predict(again, rows))
    assert list(table.columns) == ["row", "prediction"]
    reread = regression.predict(again, rows.loc[split.test.index])
    np.testing.assert_array_equal(reread, regression.predict(model, split.test))


def test_what_names_a_row_stands_before_its_prediction(model, split, tmp_path):
    rows = split.test.head(3).drop(columns="price")
    rows = rows.assign(date="2014-10-13")
    rows.to_csv(tmp_path / "houses.csv", index=False)
    read = regression.read_inputs(model, [tmp_path / "houses.csv"])
    assert regression.identify(read).columns.tolist() == ["id"]
    assert regression.identify(read[:1])["id"].tolist() == [rows["id"].iloc[0]]
    assert read["date"].unique().tolist() == [16356.0]


def test_an_unknown_zip_code_is_counted_and_said(model, split, tmp_path, capsys):
    rows = split.test.head(3).assign(date="2014-10-13", zipcode="00000")
    rows.to_csv(tmp_path / "houses.csv", index=False)
    regression.read_inputs(model, [tmp_path / "houses.csv"])
    assert "3 rows with an unknown zipcode ('00000')" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sets", "message"),
    [
        ("a,b\n" + "1,x\n2,y\n" * 30, {"target": "b"}, "the target must be a number"),
        ("b\n" + "1\n2\n" * 30, {"target": "b"}, "nothing is left to predict"),
        ("a,b\n" + "1,3\n2,4\n" * 30, {"target": "b", "numbers": ("b",)}, "is the target"),
        ("a,b\n" + "1,3\n2,5\n7,5\n", {"target": "b"}, "different rows, at least"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_refused(tmp_path, text, sets, message):
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        regression.load(settings(data=str(tmp_path / "own.csv"), **sets))


def test_too_few_calibration_rows_for_the_wanted_share_are_refused(model, split):
    scale = regression.target_scale(split.train, settings())
    with pytest.raises(DataError, match="at least 999 are needed"):
        regression.calibrate(model, split.calibration, scale, settings(coverage=0.999))
    assert isinstance(regression.calibrate(model, split.calibration[:9], scale, settings()), Margin)


def test_every_ladder_ends_at_the_default_settings():
    for dataset, steps in regression.STEPS.items():
        final = load_config(RegressionConfig, "regression", sets=[f"dataset={dataset}"])
        config = final.with_changes(regression.COURSE, "course")
        for step in steps:
            config = config.with_changes(step.changes, step.name)
        assert config.model_dump() == final.model_dump()


def test_the_real_houses_are_read_whole_and_no_house_is_parted(real_data):
    real_data("kc_house/kc_house_data.csv")
    split = regression.load(RegressionConfig(data="real"))
    assert sum(len(rows) for _, rows in split.items()) == 21_597
    houses = [set(rows["id"]) for _, rows in split.items()]
    assert sum(map(len, houses)) == len(set().union(*houses)) == 21_420
    assert split.train["date"].between(16_192, 16_582).all()

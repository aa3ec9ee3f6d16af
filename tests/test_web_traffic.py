"""The web-traffic lesson on its built-in samples: no look into the future, and the forms of its networks."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import keras
import keras_tuner
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from practicals import load_model, web_traffic
from practicals.common.config import load_config
from practicals.common.data.examples import Examples
from practicals.common.data.series_samples import webtraffic
from practicals.common.data.seriestable import SeriesTable
from practicals.common.data.split import Split
from practicals.common.data.windows import Windows, last_windows
from practicals.common.errors import ConfigError
from practicals.common.forecast_scores import interval_offsets
from practicals.common.training import predict_batches, prepare, save_model
from practicals.web_traffic import WebTrafficConfig

SMALL = {
    "data": "sample",
    "ladder": False,
    "window": 48,
    "horizon": 6,
    "season": [24],
    "epochs": 1,
    "members": 1,
    "hidden_units": [8],
    "units": 4,
    "embedding": 2,
}
SLIDES = {"scale": "standard", "calendar": False, "linear_path": False}


def settings(**changes: object) -> WebTrafficConfig:
    """Small settings, and what goes with them: the presets of `model` and `dataset` are applied as by `--set`."""
    values = {**SMALL, **changes}
    return load_config(WebTrafficConfig, "web_traffic", options={name: (name, one) for name, one in values.items()})


def fitted(split: Split[Windows], config: WebTrafficConfig) -> tuple[keras.Model, keras.Model]:
    """Everything that is fitted: what the preprocess model learned, and the network."""
    prepare(config.seed, mixed_precision=config.mixed_precision)
    preprocess = web_traffic.build_preprocess(split.train, config)
    network = web_traffic.build_model(config, preprocess)
    web_traffic.fit(network, web_traffic.encode(preprocess, split, config), config)
    return preprocess, network


def begun(split: Split[Windows], config: WebTrafficConfig) -> tuple[keras.Model, keras.Model]:
    """As `fitted`, before the first step: where what is asked does not depend on training."""
    prepare(config.seed)
    preprocess = web_traffic.build_preprocess(split.train, config)
    network = web_traffic.build_model(config, preprocess)
    if config.linear_path:
        web_traffic.set_straight_line(network, web_traffic.encode(preprocess, split, config).train, config)
    return preprocess, network


def trained(split: Split[Windows], config: WebTrafficConfig) -> keras.Model:
    return web_traffic.assemble(*fitted(split, config), config)


def prediction(model: keras.Model, windows: Windows) -> np.ndarray:
    return web_traffic.forecasts(model, windows)["prediction"]


def on(windows: Windows, values: np.ndarray) -> Windows:
    """The same origins on other values."""
    table = windows.table
    other = SeriesTable(table.names, values, table.times, table.step, table.unit)
    cut = {"window": windows.window, "horizon": windows.horizon, "cycle": windows.cycle}
    return Windows(other, windows.series, windows.origins, **cut)


def with_other_future(split: Split[Windows], begins: int) -> Split[Windows]:
    """The same origins on a table that is another from step `begins` on: ten times as large, and upside down."""
    values = split.train.table.values.copy()
    values[:, begins:] = 10 * values.max() - values[:, begins:]
    return split.map(lambda part: on(part, values))


def training_end(split: Split[Windows]) -> int:
    return int(split.train.origins.max()) + split.train.horizon


@pytest.fixture(scope="module")
def split() -> Split[Windows]:
    return web_traffic.load(settings())


@pytest.fixture(scope="module")
def parts(split: Split[Windows]) -> tuple[keras.Model, keras.Model]:
    return fitted(split, settings())


@pytest.fixture(scope="module")
def model(split: Split[Windows], parts: tuple[keras.Model, keras.Model]) -> keras.Model:
    """The whole model of the lesson, with its intervals."""
    bare = web_traffic.assemble(*parts, settings())
    offsets = interval_offsets(split.calibration.targets, prediction(bare, split.calibration))
    return web_traffic.assemble(*parts, settings(), offsets)


# Nothing looks ahead


def test_parts_follow_each_other_and_share_no_target(split):
    asked = [set((part.origins[:, None] + np.arange(6)).ravel()) for _, part in split.items()]
    assert [name for name, _ in split.items()] == ["train", "validation", "calibration", "test"]
    for earlier, later in pairwise(asked):
        assert max(earlier) < min(later)
    steps = split.train.table.steps
    assert set().union(*asked) == set(range(48, steps)), "every step after the first window is asked for in some part"
    assert split.test.origins.max() + 6 == steps
    np.testing.assert_allclose([len(one) / (steps - 48) for one in asked], [0.8, 0.05, 0.05, 0.1], atol=0.002)


def test_nothing_that_is_fitted_moves_when_all_that_comes_later_changes_and_two_fits_with_one_seed_are_equal(
    split, parts
):
    after, network = fitted(with_other_future(split, training_end(split)), settings())
    assert parts[0].to_json() == after.to_json()
    for one, another in zip(parts[1].get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, another)


def test_a_scale_fitted_on_the_whole_series_would_be_caught(split):
    # The planted bug of the test above.
    def scaled(windows: Windows) -> str:
        return web_traffic.build_preprocess(windows, settings()).to_json()

    last = split.test.origins.max() + 1
    leaking = Windows(split.train.table, np.zeros(last - 48), np.arange(48, last), window=48, horizon=6, cycle=168)
    future = with_other_future(split, training_end(split)).train.table.values
    assert scaled(leaking) != scaled(on(leaking, future))
    assert scaled(leaking) != scaled(split.train)


def test_a_forecast_does_not_change_when_what_comes_after_its_origin_does(model, split):
    begins = int(split.test.origins[40])
    before = web_traffic.forecasts(model, split.test)
    after = web_traffic.forecasts(model, with_other_future(split, begins).test)
    for name, values in before.items():
        np.testing.assert_array_equal(values[:41], after[name][:41], err_msg=name)
        assert (values[41:] != after[name][41:]).all(), name


def test_encoding_alters_no_value(split):
    before = split.train.table.values.copy()
    web_traffic.encode(web_traffic.build_preprocess(split.train, settings()), split, settings())
    np.testing.assert_array_equal(split.train.table.values, before)


def test_the_samples_are_long_enough_for_the_intervals_of_the_default_settings():
    for dataset in ("webtraffic", "wikipedia"):
        config = load_config(WebTrafficConfig, "web_traffic", sets=["data=sample", f"dataset={dataset}"])
        calibration = web_traffic.load(config).calibration
        offsets = interval_offsets(calibration.targets, calibration.targets + 1)
        assert len(offsets["upper_95"]) == config.horizon


# Scales


def test_what_the_network_is_shown_by_hand(split, parts):
    data = web_traffic.encode(parts[0], split, settings())
    values, end = split.train.table.values[0], training_end(split)
    logs, shown = np.log1p(values), data.train.inputs
    np.testing.assert_allclose(shown["levels"][0], logs[:48] - logs[47], atol=1e-5)
    fading = np.exp(-np.arange(47)[::-1] / (4 * 24))
    np.testing.assert_allclose(shown["changes"][0], np.diff(logs[:48]) * fading / np.median(fading), atol=1e-5)
    standardised = (values[:48] - values[:end].mean()) / values[:end].std()
    np.testing.assert_allclose(shown["standard"][0], standardised, atol=1e-4)
    np.testing.assert_array_equal(data.test.inputs["phase"][:, 0], split.test.origins % 168)
    np.testing.assert_allclose(data.train.targets[0], logs[48:54] - logs[47], atol=1e-5)


def test_targets_stand_in_the_scale_of_the_settings(split):
    config = settings(direct=False, **SLIDES)
    data = web_traffic.encode(web_traffic.build_preprocess(split.train, config), split, config)
    values, end = split.train.table.values[0], training_end(split)
    scaled = (values - values[:end].mean()) / values[:end].std()
    np.testing.assert_allclose(data.test.targets, scaled[split.test.origins][:, None], atol=1e-5)


def test_examples_weigh_as_much_as_the_visits_that_they_are_about(split, parts):
    values = split.train.table.values.copy()
    values[0, 60:63] = np.nan
    with_gap = split.map(lambda part: on(part, values))
    data = web_traffic.encode(parts[0], with_gap, settings(weigh_by_size=True))
    size = np.nanmean(np.hstack([with_gap.train.values[:, -1:], with_gap.train.targets]), axis=1)
    np.testing.assert_allclose(data.train.weights, size / size.mean(), rtol=1e-5)
    assert web_traffic.encode(parts[0], split, settings(weigh_by_size=False)).train.weights is None


@pytest.mark.parametrize(("step", "seasons"), [("hour", (24, 168)), ("day", (7,)), ("month", (12,)), ("week", (52,))])
def test_seasons_are_those_that_such_steps_have_unless_they_are_set(step, seasons):
    assert web_traffic.seasons_of(step, settings(season=[])) == seasons
    assert web_traffic.seasons_of(step, settings(season=[5, 9])) == (5, 9)


def test_a_season_of_one_step_is_refused():
    with pytest.raises(ConfigError, match="a season has at least 2 steps"):
        settings(season=[1])


# The straight line


def ridge_by_hand(inputs: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """Weights and, last, the intercept, which costs nothing: (width + 1, horizon)."""
    center = inputs.mean(axis=0)
    moved = inputs - center
    weights = np.linalg.solve(moved.T @ moved + penalty * np.eye(moved.shape[1]), moved.T @ targets)
    return np.vstack([weights, targets.mean(axis=0) - center @ weights])


def only_the_line(network: keras.Model, config: WebTrafficConfig) -> keras.Model:
    """Silence what the layers add to the straight line."""
    outputs = config.horizon if config.direct else 1
    for one in network.layers:
        if isinstance(one, keras.layers.Dense) and one.units == outputs and one.name != "line":
            one.set_weights([np.zeros_like(weights) for weights in one.get_weights()])
    return network


@pytest.mark.parametrize("form", [{}, {"calendar": False}, {"scale": "standard"}], ids=str)
def test_the_straight_line_is_ridge_regression(split, form):
    config = settings(**{**form, "linear_path": True})
    preprocess = web_traffic.build_preprocess(split.train, config)
    network = only_the_line(web_traffic.build_model(config, preprocess), config)
    data = web_traffic.encode(preprocess, split, config)
    web_traffic.set_straight_line(network, data.train, config)

    def inputs(examples: Examples) -> np.ndarray:
        known = examples.inputs["changes" if config.scale == "log" else "standard"].astype("float64")
        return np.hstack([known, np.eye(168)[examples.inputs["phase"][:, 0]]]) if config.calendar else known

    targets = data.train.targets.astype("float64")
    weights = ridge_by_hand(inputs(data.train), targets, config.ridge_penalty)
    expected = inputs(data.test) @ weights[:-1] + weights[-1]
    np.testing.assert_allclose(predict_batches(network, data.test.inputs), expected, atol=2e-3)


def test_training_starts_near_the_line_and_moves_the_layers_alone(split, parts):
    config = settings()
    preprocess, network = begun(split, config)
    data = web_traffic.encode(preprocess, split, config)
    said = predict_batches(network, data.test.inputs)
    layers_alone = {one.path for one in network.trainable_weights}
    for one, other in zip(network.weights, parts[1].weights, strict=True):
        if one.dtype == "float32":  # the others count the draws of dropout
            assert np.array_equal(one.numpy(), other.numpy()) != (one.path in layers_alone), one.path
    only_the_line(network, config)
    assert np.abs(said - predict_batches(network, data.test.inputs)).mean() < 0.1, "the layers start near zero"


def test_windows_with_an_unknown_target_do_not_reach_the_regression(split, parts):
    config, data = settings(), web_traffic.encode(parts[0], split, settings())
    values = split.train.table.values.copy()
    values[0, 500] = np.nan
    gaps = np.isnan(on(split.train, values).targets)
    assert gaps.sum() == 6
    spoiled = data.train._replace(targets=np.where(gaps, np.nan, data.train.targets))
    kept = ~gaps.any(axis=1)
    fewer = Examples({name: one[kept] for name, one in data.train.inputs.items()}, data.train.targets[kept])
    found = []
    for examples in (spoiled, fewer):
        network = web_traffic.build_model(config, parts[0])
        web_traffic.set_straight_line(network, examples, config)
        found.append(network.get_layer("line").get_weights()[0])
    np.testing.assert_array_equal(*found)
    assert np.isfinite(found[0]).all() and np.abs(found[0]).max() > 0


def test_of_very_many_windows_the_regression_takes_some_of_every_place_of_the_cycle(split, parts):
    data = web_traffic.encode(parts[0], split, settings())
    many = np.arange(40_320) % len(data.train.targets)
    examples = Examples({name: one[many] for name, one in data.train.inputs.items()}, data.train.targets[many])
    examples.inputs["phase"][:, 0] = np.arange(40_320) % 168
    network = web_traffic.build_model(settings(), parts[0])
    web_traffic.set_straight_line(network, examples, settings())
    (weekly,) = network.get_layer("weekly").get_weights()
    assert (weekly != 0).all(), "an hour of the week that is never seen has the weight 0"


# Losses


LOSSES = {"mae": (0.5 + 3) / 2, "mse": (0.25 + 9) / 2}  # of errors of 0.5 and 3
assert set(LOSSES) == set(get_args(WebTrafficConfig.model_fields["loss"].annotation))


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_by_hand_leave_out_what_is_not_known(loss):
    truth = np.array([[1.0, np.nan, 2.0], [np.nan] * 3, [4.0, 4.0, 4.0]], "float32")
    forecast = np.array([[1.5, 7.0, -1.0], [1.0, 2.0, 3.0], [4.0, 4.0, 4.0]], "float32")
    np.testing.assert_allclose(getattr(web_traffic, loss)(truth, forecast), [LOSSES[loss], 0.0, 0.0], rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_an_unknown_target_pulls_at_nothing(loss):
    truth = np.array([[1.0, np.nan, 2.0], [np.nan, 0.0, np.nan]], "float32")

    def pull(truth: np.ndarray, forecast: list[list[float]]) -> np.ndarray:
        said = tf.Variable(forecast)
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(getattr(web_traffic, loss)(truth, said))
        return tape.gradient(value, said).numpy()

    gradient = pull(truth, [[1.5, 7.0, -1.0], [1.0, 2.5, 3.0]])
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient == 0, np.isnan(truth))
    np.testing.assert_allclose(gradient[:1, ::2], pull(truth[:1, ::2], [[1.5, -1.0]]))


def test_examples_without_any_known_target_leave_the_gradients_alone(split, parts):
    data = web_traffic.encode(parts[0], split, settings())

    def gradients(keep: int, unknown: int) -> list[np.ndarray]:
        inputs = {name: one[: keep + unknown] for name, one in data.train.inputs.items()}
        targets = data.train.targets[: keep + unknown].copy()
        targets[keep:] = np.nan
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(web_traffic.mae(targets, parts[1](inputs)))
        return [tf.convert_to_tensor(one).numpy() for one in tape.gradient(value, parts[1].trainable_variables)]

    for one, other in zip(gradients(8, 0), gradients(8, 5), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


# Forms of the forecast


def fed_back_by_hand(model: keras.Model, windows: Windows, horizon: int) -> np.ndarray:
    """Forecast one step, take it for a measurement, and forecast the next: `model` answers for one step."""
    values, phase, made = windows.values.copy(), windows.phase.copy(), []
    for _ in range(horizon):
        answer = predict_batches(model, {"values": values.astype("float32"), "origin_phase": phase[:, None]})
        made.append(answer["prediction"].astype("float64"))
        values = np.hstack([values[:, 1:], made[-1]])
        phase = ((phase + 1) % windows.cycle).astype("int32")
    return np.hstack(made)


@pytest.mark.parametrize("changes", [{"linear_path": True}, {"calendar": True}, {"scale": "log"}], ids=str)
def test_only_a_network_that_is_shown_what_it_says_can_be_fed_back(changes):
    with pytest.raises(ConfigError, match="direct false goes with scale standard and without calendar and linear_path"):
        settings(direct=False, **{**SLIDES, **changes})


@pytest.mark.parametrize("form", [{"model": "course"}, {"direct": False, **SLIDES}], ids=["course", "as the course"])
def test_a_forecast_fed_back_is_the_loop_by_hand(split, form):
    config = settings(training_stride=3, **form)
    preprocess, network = begun(split, config)
    whole = web_traffic.assemble(preprocess, network, config)
    one_step = web_traffic.assemble(preprocess, network, config.with_changes({"horizon": 1}, "test"))
    windows = split.test[::10]
    found, expected = prediction(whole, windows), fed_back_by_hand(one_step, windows, 6)
    assert found.shape == (len(windows), 6)
    # Taken for a measurement, less than nothing would be nothing; within the network it is what it is.
    positive = np.minimum.accumulate(expected, axis=1) > 0
    assert positive.mean() > 0.7
    np.testing.assert_allclose(found[positive], expected[positive], rtol=1e-4)
    assert np.abs(found - found[:, :1]).max() > 0.01 * found.mean(), "else nothing was fed back"


def test_one_step_ahead_direct_and_fed_back_are_the_same():
    one, other = (settings(horizon=1, direct=direct, **SLIDES) for direct in (True, False))
    asked = web_traffic.load(one)
    said = [prediction(web_traffic.assemble(*begun(asked, form), form), asked.test) for form in (one, other)]
    assert said[0].shape == (len(asked.test), 1)
    np.testing.assert_array_equal(*said)


NETWORKS = get_args(WebTrafficConfig.model_fields["model"].annotation)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_trains_on_every_loss_and_answers_in_the_unit_of_the_data(split, name):
    # `deterministic` leaves out the compilation by XLA, which takes longer than all that is tested here.
    answers_well(
        split, settings(model=name, loss=[*LOSSES][NETWORKS.index(name) % 2], training_stride=8, deterministic=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["course_lstm", "rnn", "lstm", "gru"])
def test_recurrent_networks_train_compiled_by_xla(split, name):
    answers_well(split, settings(model=name))


def answers_well(split: Split[Windows], config: WebTrafficConfig) -> None:
    answer = prediction(trained(split, config), split.test)
    assert answer.shape == (len(split.test), 6)
    assert np.isfinite(answer).all() and (answer >= 0).all()
    assert np.median(np.abs(answer / split.test.targets - 1)) < 0.6


def test_recurrent_layers_alone_take_the_fast_path(parts):
    def compiled(**changes: object) -> bool:
        return web_traffic.build_model(settings(**changes), parts[0]).jit_compile

    assert compiled(model="lstm") and compiled(model="course_lstm") and compiled(recurrent="gru")
    assert not compiled() and not compiled(model="course") and not compiled(model="lstm", deterministic=True)


def test_a_recurrent_layer_can_stand_in_the_hybrid_and_members_are_averaged(split, parts):
    preprocess = parts[0]
    one, three = (web_traffic.build_model(settings(recurrent="gru", members=members), preprocess) for members in (1, 3))
    assert sum(isinstance(layer, keras.layers.GRU) for layer in one.layers) == 1
    assert sum(isinstance(layer, keras.layers.GRU) for layer in three.layers) == 3
    data = web_traffic.encode(preprocess, split, settings())
    answer = three({name: values[:3] for name, values in data.test.inputs.items()})
    assert answer.shape == (3, 6)


def test_mixed_precision_answers_in_32_bit_and_in_billions(split):
    config = settings(mixed_precision=True, training_stride=5)
    try:
        whole = trained(split, config)
        dtype = whole.output["prediction"].dtype
        answer = prediction(whole, split.test)
    finally:
        prepare(0)
    assert dtype == "float32"
    assert np.median(np.abs(answer / split.test.targets - 1)) < 0.6


def test_the_networks_of_the_course_are_those_of_the_slides(split):
    for name, expected in {
        "course": [("Conv1D", 64), ("Conv1D", 32), ("Flatten", None), ("Dense", 64), ("Dense", 1)],
        "course_lstm": [("LSTM", 128), ("Dense", 64), ("Dense", 1)],
    }.items():
        config = settings(model=name)
        network = web_traffic.build_model(config, web_traffic.build_preprocess(split.train, config))
        (slide,) = [one for one in network.layers if isinstance(one, keras.Sequential)]
        found = [(type(one).__name__, getattr(one, "filters", getattr(one, "units", None))) for one in slide.layers]
        assert found == expected


def test_the_settings_of_the_slides_arrive_and_what_is_typed_wins():
    default = load_config(WebTrafficConfig, "web_traffic")
    config = load_config(WebTrafficConfig, "web_traffic", sets=["model=course", "epochs=7"])
    expected = default.with_changes({**web_traffic.COURSE, "epochs": 7}, "the slides")
    assert config.model_dump() == expected.model_dump() != default.model_dump()
    assert load_config(WebTrafficConfig, "web_traffic", sets=["model=course_lstm"]).direct is False
    pages = load_config(WebTrafficConfig, "web_traffic", sets=["dataset=wikipedia"])
    assert (pages.window, pages.horizon, pages.season) == (56, 7, (7,))


@pytest.mark.parametrize("changes", [{"direct": True}, {"linear_path": True}], ids=str)
def test_settings_that_the_networks_of_the_slides_do_not_have_are_refused(changes):
    with pytest.raises(ConfigError, match="model course goes with direct, calendar and linear_path false"):
        settings(model="course", **changes)


@pytest.mark.parametrize("model", ["gated", "lstm"])
def test_the_ladder_ends_at_the_network_of_the_default_settings(model):
    def that_count(config: WebTrafficConfig) -> dict[str, object]:
        unused = {} if config.filters else {"filter_stride": None, "kernel_size": None}
        return {**config.model_dump(), **unused}

    climbed = load_config(WebTrafficConfig, "web_traffic", sets=[f"model={model}"])
    climbed = climbed.with_changes(web_traffic.COURSE, "course")
    for step in web_traffic.STEPS:
        climbed = climbed.with_changes(step.changes, step.name)
    assert that_count(climbed) == that_count(load_config(WebTrafficConfig, "web_traffic"))


# The whole model


def test_a_window_says_the_same_alone_in_a_batch_and_after_reload(model, split, tmp_path):
    together = web_traffic.forecasts(model, split.test)
    save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    for name, values in web_traffic.forecasts(again, split.test).items():
        np.testing.assert_array_equal(values, together[name], err_msg=name)
    for place in (0, 7, 100):
        for name, values in web_traffic.forecasts(again, split.test[[place]]).items():
            np.testing.assert_allclose(values[0], together[name][place], rtol=1e-6, err_msg=name)
    alone = again({"values": split.test.values[:1].astype("float32"), "origin_phase": split.test.phase[:1, None]})
    np.testing.assert_allclose(alone["prediction"][0], together["prediction"][0], rtol=1e-5)


def test_a_saved_forecast_that_feeds_back_is_the_same_after_reload(split, tmp_path):
    config = settings(model="course", training_stride=8)
    whole = web_traffic.assemble(*begun(split, config), config)
    save_model(whole, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(prediction(again, split.test), prediction(whole, split.test))


def test_the_model_carries_what_a_prediction_needs(model, split):
    words = model.get_layer("labels").values
    assert set(model.input) == {"values", "origin_phase"}
    assert (words["unit"], words["step"], words["cycle"], words["horizon"]) == (["sessions"], ["hour"], ["168"], ["6"])
    assert words["counted"] == ["True"]
    assert words["training_steps"] == [str(training_end(split))]


def test_bounds_lie_around_each_other_and_hold_about_what_they_promise(model, split):
    answer = web_traffic.forecasts(model, split.test)
    assert list(answer) == ["prediction", "lower_80", "upper_80", "lower_95", "upper_95"]
    ordered = [answer[name] for name in ("lower_95", "lower_80", "prediction", "upper_80", "upper_95")]
    for lower, upper in pairwise(ordered):
        assert (lower <= upper).all()
    assert (answer["lower_95"] >= 0).all()
    for level, least in ((80, 0.6), (95, 0.8)):
        inside = (split.test.targets >= answer[f"lower_{level}"]) & (split.test.targets <= answer[f"upper_{level}"])
        assert inside.mean() > least


def test_a_forecast_names_each_hour_after_the_last_row(model, split):
    table = split.train.table
    windows = last_windows(table, window=48, horizon=6, cycle=168)
    lines = web_traffic.predict(model, windows)
    assert list(lines.columns) == ["time", "prediction", "lower_80", "upper_80", "lower_95", "upper_95"]
    assert lines["time"].tolist() == [str(table.steps + ahead) for ahead in range(6)]
    assert len(web_traffic.identify(windows).join(lines)) == 6
    assert len(web_traffic.identify(split.test)) == 6 * len(split.test)


def test_another_seed_begins_elsewhere(parts):
    firsts = []
    for seed in (0, 0, 1):
        prepare(seed)
        firsts.append(web_traffic.build_model(settings(seed=seed), parts[0]).get_weights())
    assert all((one == other).all() for one, other in zip(*firsts[:2], strict=True))
    assert any((one != other).any() for one, other in zip(*firsts[1:], strict=True))


def test_scores_are_those_of_the_forecasts(model, split):
    scores = web_traffic.evaluate(model, split.test)
    errors = np.abs(split.test.targets - prediction(model, split.test))
    training = split.train.table.values[0, : training_end(split)]
    assert scores["mae"] == pytest.approx(errors.mean())
    assert scores["mase"] == pytest.approx(errors.mean() / np.abs(training[24:] - training[:-24]).mean())


def test_the_opponents_answer_for_the_same_origins(split):
    made = {one.name: one for one in web_traffic.baselines(split, settings())}
    assert {"last value", "seasonal naive 24", "moving average", "ridge on log differences"} <= set(made)
    assert all(one.test_prediction.shape == split.test.targets.shape for one in made.values())
    yesterday = np.stack([split.test.table.values[0, at - 24 : at - 18] for at in split.test.origins])
    np.testing.assert_array_equal(made["seasonal naive 24"].test_prediction, yesterday)


def test_a_trial_of_the_search_space_trains(split, parts):
    config = settings(training_stride=8)
    for layers in (3, 1):
        hp = keras_tuner.HyperParameters()
        hp.Fixed("layers", layers)
        tried = web_traffic.search_space(hp, config)
        assert len(tried.hidden_units) == layers
        web_traffic.build_model(tried, parts[0])
    assert (tried.window, tried.data) == (config.window, config.data)
    assert np.isfinite(prediction(web_traffic.try_out(tried, split), split.test)).all()


# Odd series


@pytest.mark.parametrize("model", ["gated", "course"])
def test_zeros_and_silence_are_legal(model):
    config = settings(training_stride=3, model=model)
    values = np.maximum(np.round(webtraffic().values / 1e8 - 16), 0)  # no visit in most nights
    values[:, 300:420] = 0
    assert (values == 0).mean() > 0.2
    split = web_traffic.load(config).map(lambda part: on(part, values))
    whole = trained(split, config)
    assert np.isfinite(prediction(whole, split.test)).all()
    silent = split.train[split.train.index == "360"]
    assert len(silent) == 1 and silent.values.max() == 0
    answer = prediction(whole, silent)
    assert np.isfinite(answer).all() and (answer >= 0).all()
    assert all(np.isfinite(score) for score in web_traffic.evaluate(whole, split.test).values())


@pytest.fixture(scope="module")
def pages() -> tuple[Split[Windows], keras.Model]:
    config = settings(dataset="wikipedia", window=28, horizon=3, season=[7], training_stride=4, batch_size=256)
    split = web_traffic.load(config)
    return split, trained(split, config)


def test_one_network_forecasts_many_pages_with_gaps(pages):
    split, whole = pages
    assert np.isnan(split.train.targets).any() and len(split.train.table.names) > 20
    answer = prediction(whole, split.test)
    assert np.isfinite(answer).all()
    assert np.nanmedian(np.abs(answer / split.test.targets - 1)) < 0.6
    assert all(np.isfinite(score) for score in web_traffic.evaluate(whole, split.test).values())
    lines = web_traffic.predict(whole, split.test[:2])
    assert list(lines.columns) == ["series", "time", "prediction"]
    first = pd.Timestamp("2015-07-01") + pd.Timedelta(days=int(split.test.origins[0]))
    assert lines["time"][:3].tolist() == [f"{first + pd.Timedelta(days=ahead):%Y-%m-%d}" for ahead in range(3)]


def test_each_page_is_forecast_from_itself_alone(pages):
    split, whole = pages
    values = split.test.table.values.copy()
    values[1:] = 7.0
    first = split.test.series == 0
    found = prediction(whole, on(split.test, values))
    np.testing.assert_array_equal(found[first], prediction(whole, split.test)[first])


# The real files


def test_the_real_hours_are_divided_as_in_the_course(real_data):
    real_data("webtraffic/webtraffic.csv")
    split = web_traffic.load(load_config(WebTrafficConfig, "web_traffic", sets=["data=real", "horizon=1"]))
    assert sum(len(part) for _, part in split.items()) == 4_896 - 168
    assert len(split.test) == 473 and split.facts.kind == "real"


def test_the_real_pages_are_read_with_their_gaps(real_data):
    real_data("webtraffic/kaggle_train_1_sample.csv.gz")
    split = web_traffic.load(load_config(WebTrafficConfig, "web_traffic", sets=["data=real", "dataset=wikipedia"]))
    assert split.train.table.values.shape == (1_731, 550)
    assert np.isfinite(split.train[:100].values).all()

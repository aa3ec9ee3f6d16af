"""Practical 6. How many visits will the site get in the next hours?

Data:    hourly sessions of a web site, 204 days; licence in datasets/README.md.
Idea:    a network reads the last week, hour by hour, and forecasts the next day.
Expect:  see the header of configs/web_traffic.yaml.
Run:     practicals run web_traffic
Try:     --set scale=standard, the scale of the course; how much did a change of scale alone bring?
"""

# %% [markdown]
# # How many visits will the site get in the next hours?
# Servers have to be booked before the visitors come. The last 168 hours are known; how many sessions will each of the
# next 24 hours have? Traffic has a daily and a weekly rhythm, so "the same as a week ago" is already an answer. A
# network must do better than such simple rules, or it is not worth its trouble.

# %%
from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import keras
import numpy as np
import pandas as pd
from keras import layers, ops
from pydantic import AfterValidator, Field, model_validator
from sklearn.linear_model import Ridge

from practicals.common import forecast_baselines as opponents
from practicals.common.callbacks import standard_callbacks
from practicals.common.config import CalibratedSplit, LayerSizes, Optimizer, PracticalConfig
from practicals.common.data.cards import load_card
from practicals.common.data.examples import Examples
from practicals.common.data.fetch import locate
from practicals.common.data.series import read_file, read_source
from practicals.common.data.split import Split
from practicals.common.data.windows import (
    Windows,
    last_windows,
    needed_steps,
    phase_cycle,
    time_split,
    usual_seasons,
)
from practicals.common.explain import Explanation
from practicals.common.explain.windows import METHODS, explain_windows
from practicals.common.forecast_scores import (
    FEWEST_ORIGINS,
    forecast_scores,
    interval_offsets,
    refuse_long_season,
    training_scales,
)
from practicals.common.forecasting import draw_forecast, finish, forecast_table
from practicals.common.ladder import Baseline, Climbed, Step, climb
from practicals.common.layers import Clock, FromLogRatio, Intervals, Labels, LogChanges, LogRatio, SlideWindow
from practicals.common.outcome import About
from practicals.common.report.words import signed
from practicals.common.run import Run, Scores
from practicals.common.training import (
    batches_in_order,
    full_precision,
    make_optimizer,
    on_one_device,
    predict_batches,
    prepare,
    save_model,
    shuffled_batches,
)

# %% [markdown]
# ## The networks of the course
# Small filters slide along the week, then a layer of 64 neurons weighs what they found. The other form of the course
# reads the hours one after the other with an LSTM. Both say one number: the sessions of the *next hour*. Whoever wants
# the next day has to feed each answer back as if it had been measured, and the errors add up.


# %%
def course_network(window: int) -> keras.Sequential:
    """Return the convolution of the slide: (batch, window, 1) -> the next value (batch, 1)."""
    return keras.Sequential(
        [
            keras.Input((window, 1)),
            layers.Conv1D(64, 3, padding="same", activation="relu"),  # -> (batch, window, 64)
            layers.Conv1D(32, 5, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(1, dtype="float32"),
        ]
    )


def course_lstm_network(window: int) -> keras.Sequential:
    """Return the LSTM of the slide: (batch, window, 1) -> the next value (batch, 1)."""
    return keras.Sequential(
        [
            keras.Input((window, 1)),
            layers.LSTM(128),  # -> (batch, 128), one vector per week
            layers.Dense(64, activation="relu"),
            layers.Dense(1, dtype="float32"),
        ]
    )


# What else belongs to the slides.
COURSE = {
    "model": "course",
    "direct": False,
    "scale": "standard",
    "calendar": False,
    "linear_path": False,
    "recurrent": "none",
    "members": 1,
    "loss": "mse",
    "weigh_by_size": False,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "decay": False,
    "reduce_lr_patience": 0,
    "clip_norm": 0.0,
    "batch_size": 32,
    "epochs": 30,
    "patience": 30,
}
# What the plain networks have in common: no straight line beside them, and no gate.
PLAIN = {"linear_path": False, "gate": False, "hidden_units": [64], "epochs": 20, "patience": 20}


# %% [markdown]
# ## What is known, and what is asked
# One example is an *origin*: the hours before it are known (the window), the hours from it on are asked (the horizon).
# Besides the numbers the network may know where in the week the origin lies.

# %%
ABOUT = About(
    title="How many visits will the site get in the next hours?",
    primary="mase",
    direction="min",
    monitor="val_loss",
    mode="min",
    tuned="val_mae",
    text=__doc__ or "",
)


class ForecastSplit(CalibratedSplit):
    """How the time axis is divided: the parts follow one another."""

    validation: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Share of the steps after the first window, behind the training span, that early stopping and tuning look at."""
    calibration: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Share of the steps after the first window, behind validation, that only sets the width of the intervals."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the steps after the first window, the last ones, that is opened once, at the end."""


def _at_least_two(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(value < 2 for value in values):
        raise ValueError("a season has at least 2 steps")
    return values


class WebTrafficConfig(PracticalConfig):
    """Settings of the web-traffic practical."""

    split: ForecastSplit = ForecastSplit()
    """How the time axis is divided into training, validation, calibration and test part."""
    dataset: Literal["webtraffic", "wikipedia"] = "webtraffic"
    """`webtraffic`: hourly sessions of one site; `wikipedia`: daily views of many pages, one network for all."""
    time: str | None = None
    """Column of the times in a file of your own; empty finds it."""
    value: str | None = None
    """Column of the values in a file of your own; empty finds it."""
    window: Annotated[int, Field(ge=2, le=10_000)] = 168
    """How many past steps the network sees."""
    horizon: Annotated[int, Field(ge=1, le=1_000)] = 24
    """How many steps ahead it forecasts; 1 as in the course."""
    season: Annotated[tuple[int, ...], AfterValidator(_at_least_two)] = ()
    """Lengths of the rhythms in steps; empty takes those of the data: 24 and 168 hours, 7 days, 12 months."""
    training_stride: Annotated[int, Field(ge=1)] = 1
    """Train on every n-th origin only, for long or many series; n and the rhythms should share no factor."""
    model: Literal["course", "course_lstm", "rnn", "lstm", "gru", "conv1d", "hybrid", "gated"] = "gated"
    """`course`, `course_lstm`: the slides'; `gated`: the settings below; `hybrid`: a GRU beside the straight line."""
    direct: bool = True
    """Forecast all steps of the horizon at once; otherwise one, fed back as if it had been measured."""
    scale: Literal["standard", "log"] = "log"
    """`standard`: mean 0 and spread 1; `log`: logarithms, as changes and relative to the last known value."""
    calendar: bool = True
    """Tell the network where in the week (the cycle of the data) the forecast begins."""
    linear_path: bool = True
    """Add a straight line, set by ridge regression: the layers learn what it leaves over."""
    ridge_penalty: Annotated[float, Field(gt=0)] = 3.0
    """Price of large weights in that ridge regression."""
    filters: LayerSizes = ()
    """Filters of each convolution over the window; an empty list leaves them out."""
    kernel_size: Annotated[int, Field(ge=1, le=1_000)] = 5
    """How many steps a filter sees at once."""
    filter_stride: Annotated[int, Field(ge=1, le=100)] = 2
    """By how many steps a filter moves on; 2 halves the length of what the next layer reads."""
    recurrent: Literal["none", "rnn", "lstm", "gru"] = "none"
    """The layer that reads the window step by step; `none` lays it flat instead."""
    units: Annotated[int, Field(ge=1, le=4096)] = 32
    """Neurons of the recurrent layer."""
    hidden_units: LayerSizes = (128,)
    """Neurons of each dense layer behind it."""
    gate: bool = True
    """Let the hour and the weekday turn the neurons of the dense layers up and down."""
    embedding: Annotated[int, Field(ge=1, le=1_000)] = 16
    """Numbers that stand for a place in the week."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of neurons silenced at random in each training step."""
    members: Annotated[int, Field(ge=1, le=32)] = 2
    """Layers of equal form and different first weights whose forecasts are averaged."""
    loss: Literal["mse", "mae"] = "mae"
    """What an error costs: its square (large errors count most), or its size."""
    weigh_by_size: bool = True
    """Let an example count by how many visits it is about: one per cent of a busy day is more than of a quiet one."""
    optimizer: Optimizer = "adam"
    """The rule that turns gradients into steps."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.002
    """Length of a step."""
    decay: bool = True
    """Shorten the steps along a cosine, down to nothing in the last epoch."""
    clip_norm: Annotated[float, Field(ge=0)] = 0.0
    """Longest gradient that is let through; 0 lets every one through. Recurrent layers may need it."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 128
    """Origins per step."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 12
    """Most passes over the training origins."""
    patience: Annotated[int, Field(ge=0)] = 12
    """Epochs without progress on validation origins before training stops; 0 trains to the last epoch and keeps it."""
    reduce_lr_patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without progress before the learning rate is halved; 0 never does. It needs `decay: false`."""
    ladder: bool = True
    """Also train the course's network and each step from it to the final one, and show what each step gains."""

    @model_validator(mode="after")
    def _what_goes_together(self) -> Self:
        slide = self.model in ("course", "course_lstm")
        plain = self.scale == "standard" and not self.calendar and not self.linear_path
        if slide and (self.direct or not plain):
            raise ValueError(f"model {self.model} goes with direct, calendar and linear_path false and scale standard")
        if not self.direct and not plain and self.horizon > 1:
            raise ValueError("direct false goes with scale standard and without calendar and linear_path")
        if self.reduce_lr_patience and self.decay:
            raise ValueError("reduce_lr_patience needs decay: false; the learning rate can follow only one rule")
        return self

    presets: ClassVar = {
        "dataset": {
            "wikipedia": {
                "window": 56,
                "horizon": 7,
                "season": [7],
                "training_stride": 10,
                "batch_size": 512,
                "weigh_by_size": False,
                "ladder": False,  # the course's network would train for an hour on so many pages
            }
        },
        "model": {
            "course": COURSE,
            "course_lstm": {**COURSE, "model": "course_lstm"},
            "rnn": {**PLAIN, "recurrent": "rnn"},
            "lstm": {**PLAIN, "recurrent": "lstm"},
            "gru": {**PLAIN, "recurrent": "gru"},
            "conv1d": {**PLAIN, "filters": [16, 16]},
            "hybrid": {**PLAIN, "linear_path": True, "filters": [16], "recurrent": "gru"},
        },
    }


# %% [markdown]
# ## Split by time
# A random split would put ten o'clock into training and eleven o'clock into the test: easy, and useless. Here the parts
# follow one another: training, validation (chooses the epoch), calibration (sets the width of the intervals and nothing
# else), test (opened once). A window of the test part may look back into earlier parts, as it would in life.


# %%
def load(config: WebTrafficConfig) -> Split[Windows]:
    """Read the series and divide its origins by the time of what they ask for."""

    def need_rows(series: int) -> int:
        origins = math.ceil(FEWEST_ORIGINS / series)  # several series share the work of calibration
        return needed_steps(config.window, config.horizon, config.split, calibration_origins=origins)

    source = locate(load_card(config.dataset), config.data)
    table, facts = read_source(source, time=config.time, value=config.value, need_rows=need_rows)
    seasons = seasons_of(table.step, config)
    split = time_split(
        table,
        window=config.window,
        horizon=config.horizon,
        cycle=phase_cycle(table.step, seasons),
        shares=config.split,
        stride=config.training_stride,
        facts=facts,
    )
    refuse_long_season(facts.file, seasons, split.train.cycle, opponents.last_step(split.train))
    return split


def seasons_of(step: str, config: WebTrafficConfig) -> tuple[int, ...]:
    """Return the lengths of the rhythms in steps: those of the settings, or those that such steps usually have."""
    return config.season or usual_seasons(step) or (max(config.horizon, 2),)


# %% [markdown]
# ## The scale matters more than the depth
# The course brings the sessions to mean 0 and spread 1. But traffic grows by *per cent*: a busy week is not 300 million
# sessions more in every hour, it is a fifth more. In logarithms a fifth more is the same step everywhere; and relative
# to the last known value, the network need not learn how large the site is. Zero stays legal, since 1 is added first.


# %%
@full_precision  # billions of sessions do not fit into 16 bit
def build_preprocess(train: Windows, config: WebTrafficConfig) -> keras.Model:
    """Return a model from `values` (batch, window) and `origin_phase` (batch, 1) to what the network is shown."""
    values = keras.Input((config.window,), name="values")
    phase = keras.Input((1,), name="origin_phase", dtype="int32")
    last = int(train.origins.max()) + train.horizon  # nothing after the training span is looked at
    span = train.table.filled(train.cycle)[:, :last]
    words = {
        "unit": [train.table.unit],
        "step": [train.table.step],
        "counted": [str(isinstance(train.table.times, pd.RangeIndex))],
        "cycle": [str(train.cycle)],
        "horizon": [str(config.horizon)],
        "seasons": [str(season) for season in seasons_of(train.table.step, config)],
        "training_steps": [str(last)],
    }
    standard = layers.Normalization(axis=None, mean=span.mean(), variance=max(span.var(), 1e-12), name="standard")
    seasons = seasons_of(train.table.step, config)
    shown = {
        "standard": standard(values),
        "levels": LogRatio(name="levels")(values),  # (batch, window), relative to the last value
        "changes": LogChanges(4 * min(seasons), name="changes")(values),  # (batch, window - 1), from step to step
        "phase": Labels(words, dtype="int32", name="labels")(phase),
        "clock": Clock(seasons, name="clock")(phase),  # (batch, 6 per season)
    }
    return keras.Model({"values": values, "origin_phase": phase}, shown)


def raw_inputs(windows: Windows) -> dict[str, np.ndarray]:
    """Return the windows as the model takes them."""
    return {"values": windows.values.astype("float32"), "origin_phase": windows.phase[:, None]}


def encode(preprocess: keras.Model, split: Split[Windows], config: WebTrafficConfig) -> Split[Examples]:
    """Bring windows and targets to the scale of the loss; an unknown target stays not-a-number."""
    mean, deviation = standard_scale(preprocess)

    def numbers(windows: Windows) -> Examples:
        targets = windows.targets if config.direct else windows.targets[:, :1]
        size = np.nan_to_num(np.nanmean(np.hstack([targets, windows.values[:, -1:]]), axis=1))
        if config.scale == "log":
            targets = np.log1p(targets) - np.log1p(windows.values[:, -1:])
        else:
            targets = (targets - mean) / deviation
        inputs = predict_batches(preprocess, raw_inputs(windows), block_rows=4096)
        weights = (size / max(size.mean(), 1e-12)).astype("float32") if config.weigh_by_size else None
        return Examples(inputs, targets.astype("float32"), weights)

    return split.map(numbers)


def standard_scale(preprocess: keras.Model) -> tuple[float, float]:
    """Return mean and standard deviation of the training span, in the unit of the data."""
    standard = preprocess.get_layer("standard")
    return float(np.squeeze(standard.mean)), float(np.sqrt(np.squeeze(standard.variance)))


# %% [markdown]
# ## The better network
# It answers for all hours of the horizon at once, from two sides. A *straight line* weighs the changes from hour to
# hour and the place in the week. That is ridge regression: its best weights can be computed, so there is nothing to
# train. The *layers* learn what it leaves over. They see the levels of the week, and a *gate* of hour and weekday turns
# their neurons up and down, since the same jump means one thing on Monday at nine and another on Sunday at three. They
# start near zero, so they move away from the regression only where the training hours give a reason.


# %%
def forecast_network(config: WebTrafficConfig, inputs: dict[str, keras.KerasTensor], cycle: int):
    """Return what the layers say, in the scale of the loss: (batch, horizon), or (batch, 1) to be fed back."""
    outputs = config.horizon if config.direct else 1
    window = inputs["levels" if config.scale == "log" else "standard"]
    x = layers.Reshape((config.window, 1))(window)
    for filters in config.filters:
        x = layers.Conv1D(filters, config.kernel_size, config.filter_stride, padding="same", activation="relu")(x)
    if config.recurrent == "none":
        x = layers.Flatten()(x)  # (batch, steps, filters) -> (batch, steps * filters)
    else:
        kind = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}[config.recurrent]
        x = kind(config.units)(x)  # -> (batch, units), one vector per window
    if config.calendar:
        place = layers.Flatten()(layers.Embedding(cycle, config.embedding)(inputs["phase"]))  # (batch, embedding)
        x = layers.Concatenate()([x, place])
    for units in config.hidden_units:
        x = layers.Dense(units, activation="relu")(x)
        if config.calendar and config.gate:
            x = layers.Multiply()([x, layers.Dense(units)(inputs["clock"])])
        x = layers.Dropout(config.dropout)(x)
    small = keras.initializers.RandomNormal(stddev=0.01) if config.linear_path else "glorot_uniform"
    return layers.Dense(outputs, kernel_initializer=small, dtype="float32")(x)


def straight_line(config: WebTrafficConfig, inputs: dict[str, keras.KerasTensor], cycle: int):
    """Return a weighted sum of the window, plus one number for each place in the week: (batch, horizon)."""
    outputs = config.horizon if config.direct else 1
    known = inputs["changes" if config.scale == "log" else "standard"]
    line = layers.Dense(outputs, kernel_initializer="zeros", trainable=False, dtype="float32", name="line")(known)
    if not config.calendar:
        return line
    weekly = layers.Embedding(cycle, outputs, embeddings_initializer="zeros", trainable=False, name="weekly")
    return layers.Add(dtype="float32")([line, layers.Flatten(dtype="float32")(weekly(inputs["phase"]))])


def known_errors(truth, forecast):
    """Return the errors with 0 where the truth is unknown, and how many are known: (batch, steps) and (batch,)."""
    known = ops.logical_not(ops.isnan(truth))
    errors = ops.where(known, forecast - ops.where(known, truth, 0.0), 0.0)
    return errors, ops.maximum(ops.sum(ops.cast(known, errors.dtype), axis=-1), 1.0)


def mae(truth, forecast):
    """Return the mean size of the errors of each example, over the steps that are known: (batch,)."""
    errors, count = known_errors(truth, forecast)
    return ops.sum(ops.abs(errors), axis=-1) / count


def mse(truth, forecast):
    """Return the mean squared error of each example: (batch,)."""
    errors, count = known_errors(truth, forecast)
    return ops.sum(ops.square(errors), axis=-1) / count


def build_model(config: WebTrafficConfig, preprocess: keras.Model) -> keras.Model:
    """Return the compiled network on encoded windows: (batch, horizon) in the scale of the loss."""
    cycle = int(preprocess.get_layer("labels").values["cycle"][0])
    inputs = {
        name: keras.Input(shown.shape[1:], name=name, dtype=shown.dtype) for name, shown in preprocess.output.items()
    }
    if config.model in ("course", "course_lstm"):
        slide = course_network(config.window) if config.model == "course" else course_lstm_network(config.window)
        forecast = slide(layers.Reshape((config.window, 1))(inputs["standard"]))
    else:
        parts = [forecast_network(config, inputs, cycle) for _ in range(config.members)]
        forecast = layers.Average(dtype="float32")(parts) if config.members > 1 else parts[0]
        if config.linear_path:
            forecast = layers.Add(dtype="float32")([straight_line(config, inputs, cycle), forecast])
    network = keras.Model(inputs, forecast)
    reads_step_by_step = config.recurrent != "none" or config.model == "course_lstm"
    network.compile(
        optimizer=make_optimizer(config.optimizer, config.learning_rate, config.clip_norm),
        loss={"mse": mse, "mae": mae}[config.loss],
        metrics=[mae],
        # Compiled by XLA, a recurrent layer is twice as fast on a CPU; the others gain more from many steps per call.
        **on_one_device(
            jit_compile=reads_step_by_step and not config.deterministic,
            steps_per_execution=1 if reads_step_by_step else 16,
        ),
    )
    return network


# %% [markdown]
# ## Training
# The straight line is set first; then gradient descent trains the layers, in steps that shrink to nothing.


# %%
def set_straight_line(network: keras.Model, train: Examples, config: WebTrafficConfig) -> None:
    """Set the straight line to ridge regression (Hoerl & Kennard, 1970) on the training windows."""
    rows = np.flatnonzero(~np.isnan(train.targets).any(axis=1))
    # Of very many windows a part says as much; drawn, since every n-th might leave whole hours of the week out.
    rows = np.sort(np.random.default_rng(config.seed).permutation(rows)[:20_000])
    if not len(rows):
        return
    # In 64 bit: neighbouring hours are so alike that 32 bit lose count.
    known = train.inputs["changes" if config.scale == "log" else "standard"][rows].astype("float64")
    places = network.get_layer("weekly").input_dim if config.calendar else 0
    inputs = np.hstack([known, np.eye(places)[train.inputs["phase"][rows, 0]]]) if places else known
    ridge = Ridge(alpha=config.ridge_penalty).fit(inputs, train.targets[rows].astype("float64"))
    weights = ridge.coef_.reshape(train.targets.shape[1], -1).T  # (window and places, horizon)
    network.get_layer("line").set_weights([weights[: known.shape[1]], np.atleast_1d(ridge.intercept_)])
    if places:
        network.get_layer("weekly").set_weights([weights[known.shape[1] :]])


def fit(
    network: keras.Model, data: Split[Examples], config: WebTrafficConfig, callbacks=(), initial_epoch: int = 0
) -> None:
    """Train the network. Batches come in an order that follows from (seed, epoch), so a resumed run sees the same."""
    if config.linear_path and initial_epoch == 0:
        set_straight_line(network, data.train, config)
    batches, reshuffle = shuffled_batches(*data.train, batch_size=config.batch_size, seed=config.seed)
    along_a_cosine = keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: config.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / config.epochs))
    )
    network.fit(
        batches,
        validation_data=batches_in_order(data.validation, batch_size=1024),
        epochs=config.epochs,
        initial_epoch=initial_epoch,
        callbacks=[reshuffle, *([along_a_cosine] if config.decay else []), *callbacks],
        shuffle=False,  # `batches` does it, by seed and epoch
        verbose=0,
    )


# %% [markdown]
# ## The whole model, with intervals
# A forecast without a width is half an answer. How far off was the network on the calibration part, one hour ahead, two
# hours ahead, ...? Those errors, as ratios, are laid around every new forecast.


# %%
def assemble(
    preprocess: keras.Model,
    network: keras.Model,
    config: WebTrafficConfig,
    offsets: dict[str, list[float]] | None = None,
) -> keras.Model:
    """Return the whole model: `values` and `origin_phase` to `prediction` (batch, horizon) and, with `offsets`, its
    bounds, all in the unit of the data.

    A network that says one step is fed its own answers back, as in the course.
    """
    values, shown = preprocess.input["values"], preprocess.output
    if config.direct:
        scaled = network(shown)
    else:
        steps, window = [], shown["standard"]
        for _ in range(config.horizon):
            steps.append(network({**shown, "standard": window}))  # (batch, 1)
            window = SlideWindow()(window, steps[-1])
        scaled = layers.Concatenate()(steps) if config.horizon > 1 else steps[0]
    if config.scale == "log":
        prediction = FromLogRatio()(scaled, values)
    else:
        mean, deviation = standard_scale(preprocess)
        # There are no fewer than no visits.
        prediction = layers.ReLU(dtype="float32")(layers.Rescaling(deviation, mean, dtype="float32")(scaled))
    bounds = Intervals(offsets, space="log", name="intervals")(prediction) if offsets else {}
    return keras.Model(preprocess.input, {"prediction": prediction, **bounds}, name="web_traffic")


def forecasts(model: keras.Model, windows: Windows) -> dict[str, np.ndarray]:
    """Return `prediction` and, where the model has them, its bounds: name -> (origins, horizon), float64."""
    answer = predict_batches(model, raw_inputs(windows))
    return {name: values.astype("float64") for name, values in answer.items()}


def predict(model: keras.Model, windows: Windows) -> pd.DataFrame:
    """Return one line per origin and step: `time`, `prediction` and its bounds; with several series `series` first."""
    return forecast_table(windows, forecasts(model, windows))


def draw(model: keras.Model, windows: Windows) -> str:
    """Return a plot of the forecast that follows what is known, as SVG."""
    return draw_forecast(windows, forecasts(model, windows))


def identify(rows: Windows) -> pd.DataFrame:
    """Return nothing to stand before a prediction: its time says what it is about."""
    return pd.DataFrame(index=range(len(rows) * rows.horizon))


# %% [markdown]
# ## Is it any good?
# Every origin of the part is forecast with what was known then, and all steps of all origins are scored: a *rolling
# backtest*. The errors are divided by what repeating the last season cost in the training span (MASE). The opponents
# answer for the same origins; the last of them is the one to beat.


# %%
def evaluate(model: keras.Model, windows: Windows) -> dict[str, float]:
    """Return all scores on the origins of one part."""
    words = model.get_layer("labels").values
    scales = training_scales(
        windows.table.values, int(words["training_steps"][0]), max(int(season) for season in words["seasons"])
    )
    return forecast_scores(windows.targets, forecasts(model, windows)["prediction"], windows.series, scales)


def baselines(split: Split[Windows], config: WebTrafficConfig) -> list[Baseline]:
    """Fit the opponents on the training windows and score them on the same origins as the network."""
    table, seasons = split.train.table, seasons_of(split.train.table.step, config)
    scales = training_scales(table.values, opponents.last_step(split.train), max(seasons))
    entries = opponents.standard_opponents(config.window, seasons, table.step, split.train.cycle)
    return opponents.score_forecasters(entries, split, scales)


# %% [markdown]
# ## One step at a time
# What makes the forecast better than the course's? Each step is added alone to what stands above it and trained afresh;
# its gain is read on validation origins. Watch the second and the third: they change what the network is shown, not the
# network.

# %%
SHOWN = ("logarithms, relative to the last value", "calendar")
LAYERS = ("a gated layer, trained briefly", "average of two")
STEPS = (
    Step(
        "all steps at once",
        {"model": "conv1d", "direct": True, "filters": [64, 32], "filter_stride": 1, "gate": False, "dropout": 0.0},
        "One answer for the whole horizon: no error is fed back and taken for a measurement.",
    ),
    Step(SHOWN[0], {"scale": "log"}, "Traffic grows by per cent, and the size of the site need not be learned."),
    Step(SHOWN[1], {"calendar": True}, "The network knows where in the week the forecast begins."),
    Step(
        "straight line",
        {"model": "gated", "linear_path": True},
        "Ridge regression says what a straight line can say, and the layers learn what it leaves over.",
    ),
    Step(
        LAYERS[0],
        {
            "filters": [],
            "hidden_units": [128],
            "gate": True,
            "dropout": 0.5,
            "loss": "mae",
            "weigh_by_size": True,
            "learning_rate": 0.002,
            "decay": True,
            "batch_size": 128,
            "epochs": 12,
            "patience": 12,
        },
        "Hour and weekday decide which neurons have a say, and there is less to learn by heart.",
    ),
    Step(LAYERS[1], {"members": 2}, "What two networks draw by chance partly cancels out."),
)


def lesson_of(rungs: list[Climbed]) -> str:
    """Say what the ladder teaches: what was it worth to change what the network is shown, and the network itself?"""
    if not rungs:
        return "Run with `ladder: true` to see what each step from the course's network gains."
    scores = [one.validation[ABOUT.primary] for one in rungs]
    change = {one.step.name: after - before for one, before, after in zip(rungs[1:], scores, scores[1:], strict=False)}
    shown, deeper = (sum(change[name] for name in names) for names in (SHOWN, LAYERS))
    return (
        f"Logarithms and calendar changed the validation MASE by {signed(shown)}, other layers by {signed(deeper)}: "
        f"what a network is shown was worth {'more' if shown < deeper else 'no more'} than its layers."
    )


def try_out(config: WebTrafficConfig, split: Split[Windows]) -> keras.Model:
    """Train afresh with these settings and return the assembled model."""
    prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    preprocess = build_preprocess(split.train, config)
    network = build_model(config, preprocess)
    stop = keras.callbacks.EarlyStopping(
        ABOUT.monitor, mode=ABOUT.mode, patience=config.patience, restore_best_weights=True
    )
    fit(network, encode(preprocess, split, config), config, [stop] if config.patience else [])
    return assemble(preprocess, network, config)


def search_space(hp, config: WebTrafficConfig) -> WebTrafficConfig:
    """Return the settings with those of one trial put in; `hp` is a keras_tuner.HyperParameters."""
    return config.with_changes(
        {
            "hidden_units": [hp.Choice("units", [32, 64, 128, 256])] * hp.Int("layers", 1, 3),
            "dropout": hp.Float("dropout", 0.0, 0.6, step=0.1),
            "learning_rate": hp.Float("learning_rate", 2e-4, 5e-3, sampling="log"),
            "batch_size": hp.Choice("batch_size", [32, 64, 128]),
        },
        source="search space",
    )


# %% [markdown]
# ## Why does it say so?
# Which hours of the window carry the forecast? SHAP and LIME replace parts of the window (the last hour, the same hour
# yesterday, whole days) by what is usual there, and watch the forecast. Both are estimates, with checks of how far to
# trust them.


# %%
def explain(
    model: keras.Model,
    split: Split[Windows],
    config: WebTrafficConfig,
    row: Windows | None = None,
    methods=METHODS,
) -> dict[str, Explanation]:
    """Explain the model in general and one forecast in detail: by default the newest of the test part."""
    if row is None:
        row = split.test[[int(split.test.origins.argmax())]]
    return explain_windows(
        model,
        split.train,
        windows=split.test,
        window=row,
        subject=str(row.index[0]),
        seasons=seasons_of(split.train.table.step, config),
        methods=methods,
        seed=config.seed,
    )


def read_inputs(model: keras.Model, paths: list[Path]) -> Windows:
    """Read a file of the user's that ends now; what is forecast comes after its last row."""
    words = model.get_layer("labels").values
    window = model.input["values"].shape[1]
    table = read_file(paths, need_rows=window, step=words["step"][0], counted=words["counted"][0] == "True")
    return last_windows(table, window=window, horizon=int(words["horizon"][0]), cycle=int(words["cycle"][0]))


# %% [markdown]
# ## The whole story


# %%
def main(config: WebTrafficConfig, run: Run) -> Scores:
    """Train, score, compare and explain; everything that was found goes into the run's folder."""
    split = load(config)
    run.remember_data(split.facts)
    preprocess = build_preprocess(split.train, config)
    data = encode(preprocess, split, config)
    network = build_model(config, preprocess)

    callbacks = standard_callbacks(
        run,
        network,
        data.validation,
        monitor=ABOUT.monitor,
        mode=ABOUT.mode,
        patience=config.patience,
        min_delta=0.0,  # any progress counts
        epochs=config.epochs,
        reduce_lr_patience=config.reduce_lr_patience,
        tensorboard=config.tensorboard,
    )
    fit(network, data, config, callbacks.callbacks, callbacks.state.initial_epoch)

    bare = assemble(preprocess, network, config)
    offsets = interval_offsets(split.calibration.targets, forecasts(bare, split.calibration)["prediction"])
    model = assemble(preprocess, network, config, offsets)
    save_model(model, run.model_path)

    made = baselines(split, config)
    course = config.with_changes(COURSE, "course")
    rungs = (
        climb(course, STEPS, split, try_out, evaluate, lambda one: forecasts(one, split.test)) if config.ladder else []
    )
    for name, explanation in explain(model, split, config).items():
        explanation.write(run, name)
    return finish(
        run,
        config,
        ABOUT,
        seasons=seasons_of(split.train.table.step, config),
        split=split,
        network=network,
        answers=split.map(lambda windows: forecasts(model, windows)),  # the test origins are forecast here, once
        scores=split.map(lambda windows: evaluate(model, windows)),
        baselines=made,
        rungs=rungs,
        fit_seconds=callbacks.state.seconds,
        best_epoch_kept=config.patience > 0,
        lesson_sentence=lesson_of(rungs),
        fed_back=rungs[0].kept["prediction"] if rungs else None,
    )


# %% [markdown]
# ## Questions
# Each is answered by changing one setting and reading the report again.
#
# 1. `--set model=course`: how does the error grow from the first to the last hour, and how does the direct forecast's?
# 2. `--set model=lstm`: what does an LSTM without the straight line lose, and how much longer does it train?
# 3. `--set scale=standard`: how much of the gain was the logarithm, and how much the network?
# 4. `--set horizon=1`: which opponent is now the hardest, and by how much is the network better?
# 5. `--set calendar=false`: at which hours of the day does the forecast get worse?

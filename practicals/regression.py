"""Practical 2. What is a house worth?

Data:    House Sales in King County, 21,597 sales; or the course's 1,000 gem stones; licences in datasets/README.md.
Idea:    a dense network (ANN) that predicts a quantity, and says how sure it is, once it is told size and place well.
Expect:  see the header of configs/regression.yaml.
Run:     practicals run regression
Try:     --set waves=0, a network that must draw the map from splines and zip codes alone; how much is lost?
"""

# %% [markdown]
# # What is a house worth?
# One row per sale, one question: how much? The answer is a number in dollars, so there is no right or wrong, only near
# and far. What "far" means is for you to choose: an error of 100,000 USD is nothing for a palace and a disaster for a
# hut. Watch what is averaged: errors, their squares, or percentages.

# %%
from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import keras
import numpy as np
import pandas as pd
from keras import layers, ops
from pydantic import Field, field_validator

from practicals.common import baselines as opponents
from practicals.common.callbacks import standard_callbacks
from practicals.common.config import Activation, CalibratedSplit, Initializer, LayerSizes, Optimizer, PracticalConfig
from practicals.common.conformal import conformal_quantile
from practicals.common.data.cards import load_card
from practicals.common.data.examples import Examples
from practicals.common.data.fetch import locate
from practicals.common.data.rows import read_files, read_rows
from practicals.common.data.split import Split, random_split
from practicals.common.data.tables import TableSchema
from practicals.common.errors import DataError
from practicals.common.explain import Explanation
from practicals.common.explain.tables import METHODS, TableCoder, explain_table
from practicals.common.ladder import Baseline, Step, climb
from practicals.common.layers import FillMissing, Intervals, Labels, Spline
from practicals.common.outcome import About
from practicals.common.places import PlaceWaves
from practicals.common.regression import (
    Columns,
    Margin,
    choose_columns,
    error_sizes,
    find_place,
    finish,
    loss_scores,
    quantile_knots,
    regression_scores,
    score_regressors,
    suits_log,
)
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
# ## The network of the slide
# Four neurons and one that adds up their answers. There is no sigmoid at the end: a price may be any number.


# %%
def course_network(width: int) -> keras.Sequential:
    """Return the network of the slide: (batch, width) -> prediction (batch, 1) in the scale of the loss."""
    return keras.Sequential(
        [
            keras.Input((width,)),
            layers.Dense(4, activation="relu"),
            layers.Dense(1, dtype="float32"),
        ]
    )


# What else belongs to the slide.
COURSE = {
    "model": "course",
    "target_scale": "standard",
    "splines": 0,
    "waves": 0,
    "hidden_units": [4],
    "linear_path": False,
    "initializer": "glorot_uniform",
    "dropout": 0.0,
    "l2": 0.0,
    "batch_normalization": False,
    "members": 1,
    "loss": "mse",
    "optimizer": "rmsprop",
    "learning_rate": 0.001,
    "decay": False,
    "reduce_lr_patience": 0,
    "clip_norm": 0.0,
    "batch_size": 128,
    "epochs": 250,
    "patience": 0,
}

# The gem stones' price is a straight line in both features: what counts is to draw it exactly, and no more.
FAKE_REG = {
    "target_scale": "standard",
    "splines": 0,
    "waves": 0,
    "hidden_units": [8],
    "dropout": 0.0,
    "l2": 0.01,
    "members": 1,
    "loss": "mse",
    "learning_rate": 0.03,
    "batch_size": 32,
    "epochs": 150,
    "patience": 0,
}

# %% [markdown]
# ## What a row holds
# A house's number only names it, and is never shown to the network; but 176 houses were sold more than once, and it
# tells which. The zip code looks like a number and is none: 98103 is not one more than 98102. The day of the sale is
# read as a number of days, since prices rose in that year.

# %%
HOUSES = TableSchema(
    numbers=(
        "bedrooms", "bathrooms", "sqft_living", "sqft_lot", "floors", "waterfront", "view", "condition", "grade",
        "sqft_above", "sqft_basement", "yr_built", "yr_renovated", "lat", "long", "sqft_living15", "sqft_lot15",
    ),
    categories=("zipcode",),
    target="price",
    identifiers=("id",),
    dates=("date",),
)  # fmt: skip
STONES = TableSchema(numbers=("feature1", "feature2"), categories=(), target="price")
SCHEMAS = {"kc_house": HOUSES, "fake_reg": STONES}
TITLES = {"kc_house": "What is a house worth?", "fake_reg": "What is a gem stone worth?"}

ABOUT = About(
    title="What is a house worth?",
    primary="rmse",
    secondary="mae",
    direction="min",
    monitor="val_mae",
    mode="min",
    tuned="val_mae",
    text=__doc__ or "",
)

LOSSES = {
    "mse": "Squared errors: one large error counts as much as many small ones, so outliers pull hard. The prediction "
    "aims at the mean.",
    "mae": "Absolute errors: twice as far off counts twice and no more, so outliers pull no harder than others. The "
    "prediction aims at the median.",
    "huber": "Squared up to `huber_delta`, absolute beyond: outliers are tamed. The prediction aims between mean and "
    "median.",
    "log_cosh": "Nearly squared below 1 and nearly absolute above, without an edge between: outliers are tamed. The "
    "prediction aims between mean and median.",
}


class RegressionConfig(PracticalConfig):
    """Settings of the regression practical."""

    split: CalibratedSplit = CalibratedSplit()
    """How rows are divided into training, validation, calibration and test part."""
    dataset: Literal["kc_house", "fake_reg"] = "kc_house"
    """`kc_house`: 21,597 house sales. `fake_reg`: the course's 1,000 gem stones."""
    target: str | None = None
    """With `--data FILE`: the column of your file to predict; the kinds of the others are then inferred."""
    unit: str = ""
    """With your own file: the unit of the target, such as EUR."""
    numbers: tuple[str, ...] = ()
    """With your own file: columns that are numbers, whatever they look like."""
    categories: tuple[str, ...] = ()
    """With your own file: columns that are categories, such as numbers that are only names."""
    dates: tuple[str, ...] = ()
    """With your own file: columns of dates."""
    ignore: tuple[str, ...] = ()
    """Columns that the network is not shown."""
    latitude: str | None = None
    """Column of the latitude in degrees; found by its name (lat, latitude) if empty."""
    longitude: str | None = None
    """Column of the longitude in degrees; found by its name (long, lon, lng, longitude) if empty."""
    model: Literal["course", "improved"] = "improved"
    """`course` is the slide's Dense(4), Dense(1); `improved` is built from the settings below."""
    target_scale: Literal["auto", "log", "standard"] = "auto"
    """`log` learns the logarithm of the target, `standard` its z-score; `auto` takes `log` for a skewed target."""
    splines: Annotated[int, Field(ge=0, le=50)] = 6
    """Pieces of the curve that each number with at least 5 values is opened into; 0 keeps z-scores."""
    waves: Annotated[int, Field(ge=0, le=1000)] = 48
    """Waves over the map that latitude and longitude are opened into; 0 for none."""
    hidden_units: LayerSizes = (128, 64)
    """Neurons of each hidden layer."""
    activation: Activation = "relu"
    """What bends a neuron's output; without it, layers on layers stay one straight line."""
    initializer: Initializer = "glorot_uniform"
    """How the first weights are drawn: Glorot suits sigmoid and tanh, He suits relu, plain normal suits neither."""
    linear_path: bool = True
    """Add a straight line past the hidden layers, which start at zero and only bend it where that pays."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of neurons silenced at random in each training step, so that none is relied on alone."""
    l2: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Price of large weights (squared), added to the loss; it does not count for `linear_path`."""
    batch_normalization: bool = False
    """Bring each hidden layer's outputs back to mean 0 and spread 1 within a batch."""
    members: Annotated[int, Field(ge=1, le=32)] = 4
    """Networks that are trained side by side and averaged: what each draws by chance partly cancels out."""
    loss: Literal["mse", "mae", "huber", "log_cosh"] = "mae"
    """What the network tries to make small: squared errors, absolute errors, or something between."""
    huber_delta: Annotated[float, Field(gt=0, le=100)] = 1.0
    """With `loss: huber`: the error, in spreads of the scaled target, up to which it is squared."""
    optimizer: Optimizer = "adam"
    """The rule that turns gradients into steps."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.002
    """Length of a step: too long jumps about, too short never arrives."""
    decay: bool = True
    """Shorten the steps along a cosine, down to nothing in the last epoch."""
    clip_norm: Annotated[float, Field(ge=0)] = 0.0
    """Longest gradient that is let through; 0 lets every one through."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 256
    """Rows per step: small batches are noisy and slow, large ones smooth and few."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 25
    """Most passes over the training rows."""
    patience: Annotated[int, Field(ge=0)] = 25
    """Epochs without progress on validation rows before training stops; 0 trains to the last epoch and keeps it."""
    reduce_lr_patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without progress before the learning rate is halved; 0 never does. It needs `decay: false`."""
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of the truths that the intervals are to hold."""
    compare_losses: bool = True
    """Also train one member with each of the four losses and compare them on validation rows."""
    ladder: bool = True
    """Also train the course's network and each step from it to the final one, and show what each step gains."""

    presets: ClassVar = {"dataset": {"fake_reg": FAKE_REG}, "model": {"course": COURSE}}

    @field_validator("reduce_lr_patience")
    @classmethod
    def _one_rule_for_the_rate(cls, patience: int, info: Any) -> int:
        if patience and info.data.get("decay"):
            raise ValueError("needs decay: false; the learning rate can follow only one rule")
        return patience


def columns_of(config: RegressionConfig) -> Columns:
    """Return the columns that a run uses: those of the data set, or those inferred from your own file."""
    return choose_columns(config, load_card(config.dataset), SCHEMAS[config.dataset])


# %% [markdown]
# ## Split first, then fit
# Four parts this time. Training rows teach, validation rows choose the epoch, the test rows are opened once, at the
# end. The *calibration* rows do one thing only: they show how far off the finished network is on rows it never saw,
# which is what an honest interval needs. A house that was sold twice stays in one part, or its first price would give
# its second away.


# %%
def load(config: RegressionConfig) -> Split[pd.DataFrame]:
    """Read the rows and divide them at random. Sales of one house stay together, and so do equal rows."""
    schema = columns_of(config).schema
    rows, facts = read_rows(locate(load_card(config.dataset), config.data), schema)
    return random_split(
        rows,
        validation=config.split.validation,
        calibration=config.split.calibration,
        test=config.split.test,
        seed=config.split_seed,
        same_subject=schema.identifiers,
        same_content=(*schema.features, schema.target),
        facts=facts,
    )


# %% [markdown]
# ## From a row to numbers
# In its plain form (the course's) each number is brought to mean 0 and spread 1, and each zip code gets a switch of its
# own. The better form opens numbers into *splines*: overlapping hats along the range, with the same number of rows
# under each, so that the first layer can draw any broken line of size or year, and one enormous estate cannot pull on
# all others.
#
# Place is worth more than all else. A spline of latitude and one of longitude can only add up: north plus west. So
# the place is also opened into *waves* that run over the map in all directions, wide ones and fine ones; from enough of
# them the next layer can build any landscape, as sound is built from tones.


# %%
@full_precision  # a lot of a million square feet does not fit into 16 bit
def build_preprocess(train: pd.DataFrame, config: RegressionConfig) -> keras.Model:
    """Return a model from raw columns, each (batch, 1), to float32 (batch, width); it learns from training rows."""
    columns = columns_of(config)
    inputs, parts, filled = {}, [], {}
    for column in columns.numeric:
        known = train[column].dropna() if train[column].notna().any() else pd.Series([0.0])
        inputs[column] = keras.Input((1,), name=column, dtype="float32")
        filled[column] = FillMissing(known.median())(inputs[column])  # (batch, 1)
        knots = quantile_knots(known, config.splines)
        if len(knots) > 2:
            parts.append(Spline(knots, degree=1)(filled[column]))  # -> (batch, knots), hats that add up to one
        else:
            variance = max(known.var(ddof=0), 1e-12)
            parts.append(layers.Normalization(mean=known.mean(), variance=variance)(filled[column]))
    for column in columns.schema.categories:
        inputs[column] = keras.Input((1,), name=column, dtype="string")
        words = sorted(set(train[column]) - {""})  # an unknown or missing word gets a switch of its own
        parts.append(layers.StringLookup(vocabulary=words, output_mode="one_hot")(inputs[column]))
    place = find_place(columns.schema.numbers, config.latitude, config.longitude)
    if place and config.waves:
        waves = PlaceWaves.draw(*(train[column].to_numpy() for column in place), waves=config.waves, seed=config.seed)
        parts.append(waves(layers.Concatenate()([filled[column] for column in place])))  # -> (batch, 2 * waves)
    joined = layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    return keras.Model(inputs, joined, name="preprocess")


def raw_inputs(rows: pd.DataFrame, columns: Columns) -> dict[str, np.ndarray]:
    """Return the columns as the model takes them: name -> (rows, 1)."""
    numbers = {column: rows[[column]].to_numpy("float32") for column in columns.numeric}
    return numbers | {column: rows[[column]].to_numpy(object) for column in columns.schema.categories}


# %% [markdown]
# ## In which scale to learn
# A network learns best from numbers near 1, so the target is brought there, and the answer back into dollars. For
# prices the logarithm comes first: it turns "10 % off" into the same error for a hut and for a palace.


# %%
class Scale(NamedTuple):
    """How the target is scaled for the loss: (x - mean) / spread, where x is the target or log(1 + target)."""

    log: bool
    mean: float
    spread: float

    def encode(self, target: np.ndarray) -> np.ndarray:
        """Return targets in the scale of the loss; any shape."""
        x = np.log1p(np.maximum(target, 0.0)) if self.log else target
        return ((x - self.mean) / self.spread).astype("float32")

    def decode(self, scaled: Any) -> Any:
        """Return a Keras tensor in the user's unit; any shape."""
        x = scaled * self.spread + self.mean
        return ops.expm1(ops.minimum(x, 80.0)) if self.log else x  # exp(80) is the last that 32 bit hold


def target_scale(train: pd.DataFrame, config: RegressionConfig) -> Scale:
    """Return the scale of the target, learned from training rows."""
    target = train[columns_of(config).target]
    if config.target_scale == "log" and target.min() < 0:
        raise DataError(f"target_scale: log needs targets of at least 0, found {target.min():g}. Use standard.")
    log = config.target_scale == "log" or (config.target_scale == "auto" and suits_log(target))
    x = np.log1p(target) if log else target
    return Scale(log, float(x.mean()), float(x.std(ddof=0)) or 1.0)


def encode(preprocess: keras.Model, split: Split[pd.DataFrame], config: RegressionConfig) -> Split[Examples]:
    """Run the preprocess model once over all rows and scale the targets."""
    columns, scale = columns_of(config), target_scale(split.train, config)

    def numbers(rows: pd.DataFrame) -> Examples:
        inputs = predict_batches(preprocess, raw_inputs(rows, columns))
        return Examples(inputs, scale.encode(rows[[columns.target]].to_numpy()))

    return split.map(numbers)


# %% [markdown]
# ## The better network
# Four networks instead of one, side by side, each with its own first weights and judged on its own. What they have
# learned from the rows they share; what each draws by chance differs, and partly cancels out in the average. Each has
# two paths: a straight line from the inputs to the answer, and hidden layers that start at zero and learn only how the
# truth bends away from that line. Where it hardly bends, as with the gem stones, `l2` makes every bend cost something.


# %%
def improved_network(config: RegressionConfig, width: int) -> keras.Model:
    """Return the network of the settings: (batch, width) -> predictions (batch, members) in the scale of the loss."""
    inputs = keras.Input((width,))
    members = [one_member(inputs, config) for _ in range(config.members)]
    return keras.Model(inputs, layers.Concatenate(dtype="float32")(members) if len(members) > 1 else members[0])


def one_member(inputs: Any, config: RegressionConfig) -> Any:
    """Return one member's prediction (batch, 1) for encoded inputs (batch, width)."""
    # The loss is a mean over the members, so the price of weights must be one too.
    penalty = keras.regularizers.L2(config.l2 / config.members)
    x = inputs
    for units in config.hidden_units:
        x = layers.Dense(units, kernel_initializer=config.initializer, kernel_regularizer=penalty)(x)
        if config.batch_normalization:
            x = layers.BatchNormalization()(x)
        x = layers.PReLU()(x) if config.activation == "prelu" else layers.Activation(config.activation)(x)
        x = layers.Dropout(config.dropout)(x)  # (batch, units)
    # Predictions stay in 32 bit even where the layers before them compute in 16.
    if not config.linear_path:
        return layers.Dense(1, kernel_regularizer=penalty, dtype="float32")(x)
    bend = layers.Dense(1, kernel_initializer="zeros", kernel_regularizer=penalty, dtype="float32")(x)
    return layers.Add(dtype="float32")([layers.Dense(1, dtype="float32")(inputs), bend])


def mae(truth: Any, members: Any) -> Any:
    """Return how far the average of the members is off, in the scale of the loss: (batch, 1)."""
    return ops.abs(truth - ops.mean(members, axis=1, keepdims=True))


def build_model(config: RegressionConfig, preprocess: keras.Model) -> keras.Model:
    """Return the compiled network on encoded inputs; its width is what the preprocess model gives."""
    width = preprocess.output_shape[-1]
    network = course_network(width) if config.model == "course" else improved_network(config, width)
    losses = {
        "mse": keras.losses.MeanSquaredError(),
        "mae": keras.losses.MeanAbsoluteError(),
        "huber": keras.losses.Huber(config.huber_delta),
        "log_cosh": keras.losses.LogCosh(),
    }
    network.compile(
        optimizer=make_optimizer(config.optimizer, config.learning_rate, config.clip_norm),
        loss=losses[config.loss],  # of each member by itself, then averaged
        metrics=[mae],  # the same whatever the loss, so that it can be watched and compared
        # Many small steps per call: same numbers, a fraction of the time. Compiling such small layers does not pay.
        **on_one_device(steps_per_execution=64, jit_compile=False),
    )
    return network


def fit(
    network: keras.Model, data: Split[Examples], config: RegressionConfig, callbacks=(), initial_epoch: int = 0
) -> None:
    """Train the network. Batches come in an order that follows from (seed, epoch), so a resumed run sees the same."""
    batches, reshuffle = shuffled_batches(*data.train[:2], batch_size=config.batch_size, seed=config.seed)
    along_a_cosine = keras.callbacks.LearningRateScheduler(
        lambda epoch: config.learning_rate * (1 + math.cos(math.pi * min(epoch / config.epochs, 1))) / 2
    )
    network.fit(
        batches,
        validation_data=batches_in_order(data.validation, batch_size=4096),
        epochs=config.epochs,
        initial_epoch=initial_epoch,
        callbacks=[reshuffle, *([along_a_cosine] if config.decay else []), *callbacks],
        shuffle=False,  # `batches` does it, by seed and epoch
        verbose=0,
    )


# %% [markdown]
# ## How sure is it?
# A price without a margin is half an answer. *Split conformal prediction* asks the calibration rows: how far off was
# the finished network on each? A margin that held nine out of ten of them will hold about nine out of ten new rows,
# whatever the network is and however the errors are spread. With a log scale it is a percentage: a dear house gets a
# wide interval.


# %%
def calibrate(model: keras.Model, rows: pd.DataFrame, scale: Scale, config: RegressionConfig) -> Margin:
    """Return the margin that holds the wanted share of the calibration rows."""
    space = "log" if scale.log else "linear"
    error = error_sizes(rows[columns_in(model).target], predict(model, rows)["prediction"], space)
    return Margin(config.coverage, conformal_quantile(error, config.coverage), space, len(rows))


def assemble(
    preprocess: keras.Model, network: keras.Model, scale: Scale, columns: Columns, margin: Margin | None = None
) -> keras.Model:
    """Return the whole model: raw columns, each (batch, 1), to `prediction` and its bounds, each (batch, 1)."""
    members = keras.Input((network.output_shape[-1],))  # (batch, members) -> (batch, 1)
    in_units = keras.Model(members, scale.decode(ops.mean(members, axis=1, keepdims=True)), name="average_in_units")
    prediction = Labels(columns.to_words(), name="words_of_the_table")(in_units(network(preprocess.output)))
    bounds = Intervals(margin.offsets, margin.space, name="interval")(prediction) if margin else {}
    return keras.Model(preprocess.input, {"prediction": prediction, **bounds}, name="regression")


def columns_in(model: keras.Model) -> Columns:
    """Return the columns that a saved model was trained on."""
    return Columns.from_words(model.get_layer("words_of_the_table").values)


def predict(model: keras.Model, rows: pd.DataFrame) -> pd.DataFrame:
    """Return `prediction`, `lower_90` and `upper_90` for raw rows, in their order and with their index."""
    answer = predict_batches(model, raw_inputs(rows, columns_in(model)))
    names = ["prediction", *sorted(set(answer) - {"prediction"})]
    return pd.DataFrame({name: answer[name][:, 0] for name in names}, index=rows.index)


def evaluate(model: keras.Model, rows: pd.DataFrame) -> dict[str, float]:
    """Return all scores on rows of one part."""
    columns = columns_in(model)
    return regression_scores(rows[columns.target], predict(model, rows)["prediction"], len(columns.schema.features))


# %% [markdown]
# ## Is it any good?
# Every score stands beside opponents that saw the same training rows and are scored on the same test rows. On prices,
# boosted trees are hard to beat, and they too profit from the logarithm.


# %%
def baselines(split: Split[pd.DataFrame], config: RegressionConfig) -> list[Baseline]:
    """Fit the opponents on the training rows and score them as the network is scored."""
    columns = columns_of(config)
    kinds, target = (columns.numeric, columns.schema.categories), columns.target
    trees = opponents.boosted_regression(*kinds, seed=config.seed)
    entries = [
        ("mean", "naive", "Says for every row what the average is.", opponents.mean_target()),
        ("linear regression", "classical", "One weight per column, no curves.", opponents.linear_regression(*kinds)),
        ("gradient boosting", "classical", "Small trees, each mending the squared errors of those before.", trees),
    ]
    if suits_log(split.train[target]):
        why = "The same trees on the logarithm: they mend percentages, and dear rows no longer rule."
        on_log = opponents.boosted_regression(*kinds, seed=config.seed, log=True)
        entries.append((f"gradient boosting on log {target}", "classical", why, on_log))
    return score_regressors(entries, split, columns.schema.features, target)


# %% [markdown]
# ## One step at a time
# What makes the network better than the slide's? Each step below is added alone to what stands above it and trained
# afresh; its gain is read on validation rows.

# %%
STEPS = {
    "kc_house": (
        Step(
            "192 neurons, Adam",
            {
                "model": "improved",
                "hidden_units": [128, 64],
                "optimizer": "adam",
                "learning_rate": 0.002,
                "decay": True,
                "batch_size": 256,
                "epochs": 25,
                "patience": 25,
            },
            "More neurons see more combinations, and steps that grow shorter settle in a tenth of the epochs.",
        ),
        Step("logarithm", {"target_scale": "auto"}, "A percentage is the same error for a hut and for a palace."),
        Step("absolute errors", {"loss": "mae"}, "A few odd sales no longer pull all predictions to their side."),
        Step("splines", {"splines": 6}, "Broken lines of size, year and place, and no number that dwarfs the others."),
        Step("waves over the map", {"waves": 48}, "A landscape of prices, not only north plus west plus zip code."),
        Step("straight line", {"linear_path": True}, "The inputs' own weights need not be pieced together from bends."),
        Step("dropout", {"dropout": 0.1}, "Neurons silenced at random learn fewer sales by heart."),
        Step("average of four", {"members": 4}, "What four networks draw by chance partly cancels out."),
    ),
    "fake_reg": (
        Step(
            "a straight line past the neurons",
            {
                "model": "improved",
                "hidden_units": [8],
                "linear_path": True,
                "optimizer": "adam",
                "learning_rate": 0.03,
                "decay": True,
                "batch_size": 32,
                "epochs": 150,
            },
            "The line need not be pieced together from bends; steps that grow shorter settle on it exactly.",
        ),
        Step("bends cost", {"l2": 0.01}, "Where the truth is straight, every bend is noise learned by heart."),
    ),
}


def try_out(config: RegressionConfig, split: Split[pd.DataFrame]) -> keras.Model:
    """Train afresh with these settings and return the assembled model, without intervals."""
    prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    preprocess = build_preprocess(split.train, config)
    network = build_model(config, preprocess)
    stop = keras.callbacks.EarlyStopping(
        ABOUT.monitor, mode=ABOUT.mode, patience=config.patience, restore_best_weights=True
    )
    fit(network, encode(preprocess, split, config), config, [stop] if config.patience else [])
    return assemble(preprocess, network, target_scale(split.train, config), columns_of(config))


def compare_losses(split: Split[pd.DataFrame], config: RegressionConfig) -> list[dict[str, Any]]:
    """Train one member with each loss and return its scores on validation rows."""
    found = []
    for name, sentence in LOSSES.items():
        alone = config.with_changes({"loss": name, "members": 1}, f"comparison of losses, {name}")
        scores = evaluate(try_out(alone, split), split.validation)
        found.append(loss_scores(name, sentence, scores, chosen=name == config.loss))
    return found


def search_space(hp, config: RegressionConfig) -> RegressionConfig:
    """Return the settings with those of one trial put in; `hp` is a keras_tuner.HyperParameters."""
    depth = hp.Int("layers", 1, 3)
    return config.with_changes(
        {
            "hidden_units": [hp.Choice("units", [32, 64, 128, 256])] * depth,
            "dropout": hp.Float("dropout", 0.0, 0.3, step=0.05),
            "l2": hp.Choice("l2", [0.0, 1e-6, 1e-5, 1e-4]),
            "learning_rate": hp.Float("learning_rate", 5e-4, 1e-2, sampling="log"),
            "batch_size": hp.Choice("batch_size", [128, 256, 512]),
        },
        source="search space",
    )


# %% [markdown]
# ## Why does it say so?
# SHAP shares a prediction out among the columns, in dollars, compared with a few hundred ordinary houses; LIME asks
# what a simple model would say close to one house. Both are estimates, so each comes with checks of how far to trust
# it.


# %%
def explain(
    model: keras.Model,
    split: Split[pd.DataFrame],
    config: RegressionConfig,
    row: pd.DataFrame | None = None,
    methods=METHODS,
) -> dict[str, Explanation]:
    """Explain the model in general and one row in detail: by default the test row with the highest prediction."""
    columns = columns_in(model)
    schema = columns.schema
    if row is None:
        row = split.test.loc[[predict(model, split.test)["prediction"].idxmax()]]
    units = {name: columns.units.get(name, "") for name in schema.numbers}
    return explain_table(
        model,
        TableCoder.fit(split.train, units, schema.categories, schema.dates),
        split.train,
        rows=split.test.sort_index().head(200),
        row=row,
        subject=str(row.index[0]),
        methods=methods,
        seed=config.seed,
        output="prediction",
        unit=columns.unit or schema.target,
    )


def read_inputs(model: keras.Model, paths: list[Path]) -> pd.DataFrame:
    """Read files of the user's to predict for; a target is not needed. Unknown categories are counted and said."""
    schema = columns_in(model).schema
    lookups = [layer for layer in model.layers if isinstance(layer, layers.StringLookup)]
    rows = read_files(paths, schema, {layer.input.name: set(layer.get_vocabulary()) for layer in lookups})
    rows.attrs["identifiers"] = [column for column in schema.identifiers if column in rows]
    return rows


def identify(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what stands before a prediction: what names the row, or its place in the files."""
    found = rows.attrs.get("identifiers", [])
    return rows[found] if found else pd.DataFrame({"row": rows.index}, index=rows.index)


# %% [markdown]
# ## The whole story


# %%
def main(config: RegressionConfig, run: Run) -> Scores:
    """Train, score, compare and explain; everything that was found goes into the run's folder."""
    columns = columns_of(config)
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

    scale = target_scale(split.train, config)
    margin = calibrate(assemble(preprocess, network, scale, columns), split.calibration, scale, config)
    model = assemble(preprocess, network, scale, columns, margin)
    save_model(model, run.model_path)

    made = baselines(split, config)
    steps = STEPS[config.dataset]
    rungs = climb(config.with_changes(COURSE, "course"), steps, split, try_out, evaluate) if config.ladder else []
    losses = compare_losses(split, config) if config.compare_losses else []
    for name, explanation in explain(model, split, config).items():
        explanation.write(run, name)
    return finish(
        run,
        config,
        replace(ABOUT, title=f"How much is {columns.target}?" if config.target else TITLES[config.dataset]),
        split=split,
        columns=columns,
        network=network,
        answers=split.map(lambda rows: predict(model, rows)),  # the test rows are scored here, once
        scores=split.map(lambda rows: evaluate(model, rows)),
        baselines=made,
        rungs=rungs,
        fit_seconds=callbacks.state.seconds,
        best_epoch_kept=config.patience > 0,
        margin=margin,
        loss={"name": config.loss, "sentence": LOSSES[config.loss]},
        losses=losses,
    )


# %% [markdown]
# ## Questions
# Each is answered by changing one setting and reading the report again.
#
# 1. `--set model=course`: how far behind gradient boosting does the slide's network stay, and for which price band?
# 2. `--set loss=mse`: which of RMSE and MAE gets better, which worse? What does the prediction aim at now?
# 3. `--set target_scale=standard`: what happens to the errors of cheap houses, and to the width of their intervals?
# 4. `--set 'ignore=[zipcode,lat,long]'`: how many dollars is it worth to know the place?
# 5. `--set dataset=fake_reg`: can any network beat a straight line here? Why does gradient boosting lose to it?

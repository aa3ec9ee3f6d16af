"""Practical 1. Which bank customers will leave?

Data:    Churn Modelling, 10,000 customers of a fictional bank; licence in datasets/README.md.
Idea:    a small dense network (ANN) reads a customer's row and says how likely he or she is to leave.
Expect:  see the header of configs/churn.yaml.
Run:     practicals run churn
Try:     --set model=course, the network of the slide; how far behind does it stay, and why?
"""

# %% [markdown]
# # Which bank customers will leave?
# Winning a customer costs more than keeping one, so a bank wants to know who is about to go. One row per customer,
# one question: stays (0) or leaves (1)? One customer in five leaves, so a program that always answers "stays" is
# right four times out of five and helps nobody. Keep that in mind when you read an accuracy.

# %%
from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import keras
import numpy as np
import pandas as pd
from keras import layers, ops
from pydantic import Field

from practicals.common import baselines as opponents
from practicals.common.callbacks import standard_callbacks
from practicals.common.classification import About, describe_threshold, finish, score_classifiers
from practicals.common.config import Activation, Initializer, LayerSizes, Optimizer, PracticalConfig
from practicals.common.data.cards import load_card
from practicals.common.data.examples import Examples
from practicals.common.data.fetch import locate
from practicals.common.data.resample import balanced_class_weights, resample
from practicals.common.data.rows import read_files, read_rows
from practicals.common.data.split import Split, stratified_split
from practicals.common.data.tables import TableSchema
from practicals.common.explain import Explanation
from practicals.common.explain.tables import METHODS, TableCoder, explain_table
from practicals.common.ladder import Baseline, Step, climb
from practicals.common.layers import DecisionThreshold, FillMissing, Spline
from practicals.common.metrics import binary_scores, threshold_curve
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
# Six neurons that each weigh all columns, and one that turns their answers into a probability: that is all the course
# shows. The rest of this lesson is about feeding it honestly, judging it honestly, and making it better step by step.


# %%
def course_network(width: int) -> keras.Sequential:
    """Return the network of the slide: (batch, width) -> probability (batch, 1)."""
    return keras.Sequential(
        [
            keras.Input((width,)),
            layers.Dense(6, activation="relu"),
            layers.Dense(1, activation="sigmoid", dtype="float32"),
        ]
    )


# What else belongs to the slide.
COURSE = {
    "model": "course",
    "splines": 0,
    "scaling": "standard",
    "hidden_units": [6],
    "initializer": "glorot_uniform",
    "dropout": 0.0,
    "l2": 0.0,
    "batch_normalization": False,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "clip_norm": 0.0,
    "batch_size": 30,
    "epochs": 100,
    "patience": 0,
    "imbalance": "none",
}


# %% [markdown]
# ## What a row holds
# Row number, customer number and surname only identify a customer. A network could learn them by heart, and they say
# nothing about anybody new: they are never shown to it.

# %%
IDENTIFIERS = ("RowNumber", "CustomerId", "Surname")
NUMBERS = {  # column -> unit
    "CreditScore": "points",
    "Age": "years",
    "Tenure": "years",
    "Balance": "EUR",
    "NumOfProducts": "products",
    "HasCrCard": "",
    "IsActiveMember": "",
    "EstimatedSalary": "EUR",
}
CATEGORIES = ("Geography", "Gender")
FEATURES = (*NUMBERS, *CATEGORIES)
TARGET = "Exited"
CURVED = ("Age", "Balance", "NumOfProducts")  # numbers whose effect is no straight line
SCHEMA = TableSchema(
    numbers=tuple(NUMBERS), categories=CATEGORIES, target=TARGET, classes=(0, 1), identifiers=IDENTIFIERS
)

ABOUT = About(
    title="Which bank customers will leave?",
    target=TARGET,
    classes=("stays", "leaves"),
    features=FEATURES,
    identifiers=IDENTIFIERS,
    primary="roc_auc",
    direction="max",
    monitor="val_loss",
    mode="min",
    tuned="val_auc",
    text=__doc__ or "",
)


class ChurnConfig(PracticalConfig):
    """Settings of the churn practical."""

    model: Literal["course", "improved"] = "improved"
    """`course` is the slide's Dense(6), Dense(1); `improved` is built from the settings below."""
    splines: Annotated[int, Field(ge=0, le=50)] = 6
    """Pieces of the curve that age, balance and products are opened into; 0 keeps each as one plain number."""
    scaling: Literal["standard", "range"] = "range"
    """Numbers without a spline: `standard` brings them to mean 0 and spread 1, `range` to 0 to 1."""
    hidden_units: LayerSizes = (32,)
    """Neurons of each hidden layer; an empty list leaves logistic regression."""
    activation: Activation = "relu"
    """What bends a neuron's output; without it, layers on layers stay one straight line."""
    initializer: Initializer = "glorot_uniform"
    """How the first weights are drawn: Glorot suits sigmoid and tanh, He suits relu, plain normal suits neither."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of neurons silenced at random in each training step, so that none is relied on alone."""
    l2: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Price of large weights (squared), added to the loss; it smooths what the network draws."""
    batch_normalization: bool = False
    """Bring each hidden layer's outputs back to mean 0 and spread 1 within a batch."""
    optimizer: Optimizer = "adam"
    """The rule that turns gradients into steps."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.008
    """Length of a step: too long jumps about, too short never arrives."""
    clip_norm: Annotated[float, Field(ge=0)] = 0.0
    """Longest gradient that is let through; 0 lets every one through."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 256
    """Rows per step: small batches are noisy and slow, large ones smooth and few."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 60
    """Most passes over the training rows; early stopping usually ends sooner."""
    patience: Annotated[int, Field(ge=0)] = 15
    """Epochs without progress on validation rows before training stops; 0 trains to the last epoch and keeps it."""
    reduce_lr_patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without progress before the learning rate is halved; 0 never does."""
    imbalance: Literal["none", "class_weight", "sample_weight", "oversample", "undersample", "smotenc"] = "none"
    """What is done about leavers being one in five; training rows only."""
    threshold: Literal["f1", "cost"] = "f1"
    """What the decision threshold is chosen for on validation rows: the best F1, or the lowest cost."""
    cost_missed_leaver_eur: Annotated[float, Field(gt=0)] = 500.0
    """What it costs to miss a customer who leaves; counts with `threshold: cost`."""
    cost_wasted_offer_eur: Annotated[float, Field(gt=0)] = 100.0
    """What it costs to make an offer to a customer who would have stayed; counts with `threshold: cost`."""
    ladder: bool = True
    """Also train the course's network and each step from it to the final one, and show what each step gains."""

    presets: ClassVar = {"model": {"course": COURSE}}


# %% [markdown]
# ## Split first, then fit
# Everything below learns from the training rows alone: not only the network, but also the knots of the splines, the
# medians that stand in for missing numbers and the list of countries. The validation rows choose the epoch and the
# decision threshold. The test rows are opened once, at the end.


# %%
def load(config: ChurnConfig) -> Split[pd.DataFrame]:
    """Read the customers and divide them, each part with the same share of leavers. Equal customers stay together."""
    rows, facts = read_rows(locate(load_card("churn"), config.data), SCHEMA)
    return stratified_split(
        rows,
        target=TARGET,
        validation=config.split.validation,
        test=config.split.test,
        seed=config.split_seed,
        same_subject=("CustomerId",),
        same_content=FEATURES,
        facts=facts,
    )


# %% [markdown]
# ## From a customer's row to numbers
# The saved model must take a row as the bank has it, so this part is a Keras model too. In its plain form (the
# course's) each number is brought to mean 0 and spread 1, and each country gets a switch of its own. The better form
# opens age, balance and the number of products into a *spline*: a handful of overlapping bumps along the range, so that
# the first layer can draw any smooth curve of age instead of one straight line, and say that two products hold a
# customer while three do not. Credit score, tenure and salary say little; kept between 0 and 1 they stay small, and the
# network is less tempted to learn their noise.


# %%
@full_precision  # a balance does not fit into 16 bit
def build_preprocess(train: pd.DataFrame, config: ChurnConfig) -> keras.Model:
    """Return a model from raw columns, each (batch, 1), to float32 (batch, width); it learns from training rows."""
    inputs, parts = {}, []
    for column in NUMBERS:
        known = train[column].dropna() if train[column].notna().any() else pd.Series([0.0])
        low, high = known.min(), known.max()
        inputs[column] = keras.Input((1,), name=column, dtype="float32")
        number = FillMissing(known.median())(inputs[column])  # (batch, 1)
        if column in CURVED and config.splines and low < high:
            number = Spline(np.linspace(low, high, config.splines + 1))(number)  # -> (batch, splines + 3)
        elif config.scaling == "range":
            number = layers.Rescaling(1 / max(high - low, 1e-6), -low / max(high - low, 1e-6))(number)
        else:
            number = layers.Normalization(mean=known.mean(), variance=max(known.var(ddof=0), 1e-12))(number)
        parts.append(number)
    for column in CATEGORIES:
        inputs[column] = keras.Input((1,), name=column, dtype="string")
        words = sorted(set(train[column]) - {""})  # an unknown or missing word gets a switch of its own
        parts.append(
            layers.StringLookup(vocabulary=words, output_mode="one_hot", name=f"{column}_words")(inputs[column])
        )
    return keras.Model(inputs, layers.Concatenate()(parts), name="preprocess")


def raw_inputs(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the columns as the model takes them: name -> (rows, 1)."""
    return {column: rows[[column]].to_numpy("float32" if column in NUMBERS else object) for column in FEATURES}


# %% [markdown]
# ## One in five
# Leavers are rare, so the loss is ruled by those who stay. Weights or resampling make both classes count the same, and
# the price is the same for all of them: the probabilities then describe a bank in which half the customers leave. The
# default leaves the rows alone and moves the *threshold* instead, which costs nothing.

# %%
IMBALANCE_EFFECT = {
    "none": "Rows count as they are: a probability of 0.30 means that about 30 of 100 such customers leave.",
    "class_weight": "A leaver's error counts about four times: probabilities come out too high for the real bank.",
    "sample_weight": "The same weights, given row by row: the same network, and rows could be weighed one by one.",
    "oversample": "Leavers are repeated until both classes are equal: probabilities come out too high, as by weights.",
    "undersample": "Most who stay are left out: probabilities come out too high, from fewer rows to learn from.",
    "smotenc": "Leavers are invented between real neighbours: probabilities come out too high, and a little blurred.",
}


def encode(preprocess: keras.Model, split: Split[pd.DataFrame], config: ChurnConfig) -> Split[Examples]:
    """Run the preprocess model once over all rows; only the training part is ever weighed or resampled."""
    train, weights = split.train, None
    if config.imbalance in ("oversample", "undersample", "smotenc"):
        train = resample(
            train, config.imbalance, target=TARGET, numbers=NUMBERS, categories=CATEGORIES, seed=config.seed
        )
    elif config.imbalance == "sample_weight":
        weight_of = balanced_class_weights(train[TARGET].to_numpy())
        weights = train[TARGET].map(weight_of).to_numpy("float32")

    def numbers(rows: pd.DataFrame, weights: np.ndarray | None = None) -> Examples:
        return Examples(predict_batches(preprocess, raw_inputs(rows)), rows[TARGET].to_numpy("float32"), weights)

    return Split(numbers(train, weights), numbers(split.validation), numbers(split.test))


# %% [markdown]
# ## The better network
# The slide's network was written as a `Sequential`, which is enough when layers follow one another. This one uses the
# *functional* form, in which you say what goes into which layer: loops over settings, several inputs and side branches
# need it.


# %%
def improved_network(config: ChurnConfig, width: int) -> keras.Model:
    """Return the network of the settings: (batch, width) -> probability (batch, 1)."""
    inputs = keras.Input((width,))
    x = inputs
    for units in config.hidden_units:
        x = layers.Dense(
            units, kernel_initializer=config.initializer, kernel_regularizer=keras.regularizers.L2(config.l2)
        )(x)  # -> (batch, units)
        if config.batch_normalization:
            x = layers.BatchNormalization()(x)
        x = layers.PReLU()(x) if config.activation == "prelu" else layers.Activation(config.activation)(x)
        x = layers.Dropout(config.dropout)(x)
    # The probability stays in 32 bit even where the layers before it compute in 16.
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid", dtype="float32")(x))


@keras.saving.register_keras_serializable("practicals")
class F1(keras.metrics.Metric):
    """F1 at threshold 0.5, kept over batches: 2 TP / (2 TP + FP + FN).

    It cannot be averaged over batches like a loss: the counts are added up first, then divided once.
    """

    def __init__(self, name: str = "f1", **kwargs: object) -> None:
        super().__init__(name=name, **kwargs)
        self.true_positives = self.add_weight(name="true_positives", initializer="zeros")
        self.wrong = self.add_weight(name="wrong", initializer="zeros")

    def update_state(self, truth, probability, sample_weight=None):
        """Add one batch; both (batch, 1) or (batch,)."""
        truth = ops.reshape(ops.cast(truth, "float32"), (-1,))
        decision = ops.reshape(ops.cast(probability >= 0.5, "float32"), (-1,))
        weight = ops.ones_like(truth) if sample_weight is None else ops.reshape(sample_weight, (-1,))
        self.true_positives.assign_add(ops.sum(weight * truth * decision))
        self.wrong.assign_add(ops.sum(weight * ops.abs(truth - decision)))

    def result(self):
        """Return F1 in 0 to 1; 0 where there is nothing to find and nothing was found."""
        return ops.divide_no_nan(2 * self.true_positives, 2 * self.true_positives + self.wrong)


def build_model(config: ChurnConfig, preprocess: keras.Model) -> keras.Model:
    """Return the compiled network on encoded inputs; its width is what the preprocess model gives."""
    width = preprocess.output_shape[-1]
    network = course_network(width) if config.model == "course" else improved_network(config, width)
    network.compile(
        optimizer=make_optimizer(config.optimizer, config.learning_rate, config.clip_norm),
        loss="binary_crossentropy",  # honest probabilities cost least
        metrics=["accuracy", keras.metrics.AUC(name="auc"), F1()],
        # Many small steps per call: same numbers, a fraction of the time. Compiling such small layers does not pay.
        **on_one_device(steps_per_execution=64, jit_compile=False),
    )
    return network


def fit(network: keras.Model, data: Split[Examples], config: ChurnConfig, callbacks=(), initial_epoch: int = 0) -> None:
    """Train the network. Batches come in an order that follows from (seed, epoch), so a resumed run sees the same."""
    batches, reshuffle = shuffled_batches(*data.train, batch_size=config.batch_size, seed=config.seed)
    weight_of = balanced_class_weights(data.train.targets) if config.imbalance == "class_weight" else None
    network.fit(
        batches,
        validation_data=batches_in_order(data.validation, batch_size=4096),
        epochs=config.epochs,
        initial_epoch=initial_epoch,
        class_weight=weight_of,
        callbacks=[reshuffle, *callbacks],
        shuffle=False,  # `batches` does it, by seed and epoch
        verbose=0,
    )


# %% [markdown]
# ## From probability to decision
# The network says 0.31. Is that a call to make? With leavers this rare, 0.5 is rarely the best place to cut. The
# threshold is chosen on validation rows: for the best F1, or for the lowest cost if you say what a missed leaver and a
# wasted offer cost.


# %%
def choose_threshold(truth: np.ndarray, probability: np.ndarray, config: ChurnConfig) -> tuple[float, pd.DataFrame]:
    """Return the best threshold and the curve it was chosen from; truth and probability are (rows,)."""
    curve = threshold_curve(truth, probability, config.cost_missed_leaver_eur, config.cost_wasted_offer_eur)
    best = curve["f1"].idxmax() if config.threshold == "f1" else curve["cost"].idxmin()
    return float(curve.loc[best, "threshold"]), curve


def assemble(preprocess: keras.Model, network: keras.Model, threshold: float) -> keras.Model:
    """Return the whole model: raw columns, each (batch, 1), to `probability` and `decision`, each (batch, 1)."""
    probability = network(preprocess.output)
    decision = DecisionThreshold(threshold, name="decision")(probability)
    return keras.Model(preprocess.input, {"probability": probability, "decision": decision}, name="churn")


def predict(model: keras.Model, rows: pd.DataFrame) -> pd.DataFrame:
    """Return `probability` and `decision` for raw rows, in their order and with their index."""
    answer = predict_batches(model, raw_inputs(rows))
    return pd.DataFrame({name: answer[name][:, 0] for name in ("probability", "decision")}, index=rows.index)


def evaluate(model: keras.Model, rows: pd.DataFrame) -> dict[str, float]:
    """Return all scores on rows of one part."""
    threshold = model.get_layer("decision").threshold
    return binary_scores(rows[TARGET].to_numpy(), predict(model, rows)["probability"].to_numpy(), threshold)


# %% [markdown]
# ## Is it any good?
# A score alone says nothing. Every score below stands beside opponents that saw the same training rows and are scored
# on the same test rows: a naive one, a linear one, and gradient boosting, which is hard to beat on tables. Each chooses
# its own threshold on the validation rows, by the same rule as the network.


# %%
def baselines(split: Split[pd.DataFrame], config: ChurnConfig) -> list[Baseline]:
    """Fit the opponents on the training rows and score them as the network is scored."""
    trees = opponents.gradient_boosting(NUMBERS, CATEGORIES, seed=config.seed)
    entries = (
        ("majority", "naive", "Says for everybody how many leave on average.", opponents.majority()),
        (
            "logistic regression",
            "classical",
            "One weight per column: no curves, no combinations.",
            opponents.logistic_regression(NUMBERS, CATEGORIES),
        ),
        ("gradient boosting", "classical", "Small decision trees, each mending the errors of those before.", trees),
    )
    return score_classifiers(entries, split, FEATURES, TARGET, lambda *rows: choose_threshold(*rows, config)[0])


# %% [markdown]
# ## One step at a time
# What makes the network better than the slide's? Each step below is added alone to what stands above it and trained
# afresh; its gain is read on validation rows. A step that gains nothing is a step that you could leave out.

# %%
STEPS = (
    Step(
        "splines of age, balance, products",
        {"splines": 6, "scaling": "range"},
        "The risk rises until sixty and falls again, and two products hold: the first layer can draw such curves.",
    ),
    Step(
        "32 neurons, stopped in time",
        {"model": "improved", "hidden_units": [32], "patience": 15},
        "More neurons see more combinations, and soon learn rows by heart: stop at the best validation loss.",
    ),
    Step("dropout", {"dropout": 0.3}, "Silencing neurons at random makes the moment of stopping matter less."),
    Step(
        "larger batches",
        {"batch_size": 256, "learning_rate": 0.008, "epochs": 60},
        "Fewer, longer steps: about the same network in a fraction of the time.",
    ),
)


def try_out(config: ChurnConfig, split: Split[pd.DataFrame]) -> keras.Model:
    """Train afresh with these settings and return the assembled model."""
    prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    preprocess = build_preprocess(split.train, config)
    network = build_model(config, preprocess)
    stop = keras.callbacks.EarlyStopping(
        ABOUT.monitor, mode=ABOUT.mode, patience=config.patience, restore_best_weights=True
    )
    fit(network, encode(preprocess, split, config), config, [stop] if config.patience else [])
    return assemble(preprocess, network, threshold=0.5)


def search_space(hp, config: ChurnConfig) -> ChurnConfig:
    """Return the settings with those of one trial put in; `hp` is a keras_tuner.HyperParameters."""
    depth = hp.Int("layers", 1, 3)
    return config.with_changes(
        {
            "hidden_units": [hp.Choice("units", [8, 16, 32, 64])] * depth,
            "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
            "l2": hp.Choice("l2", [0.0, 1e-5, 1e-4, 1e-3]),
            "learning_rate": hp.Float("learning_rate", 1e-3, 2e-2, sampling="log"),
            "batch_size": hp.Choice("batch_size", [128, 256, 512]),
        },
        source="search space",
    )


# %% [markdown]
# ## Why does it say so?
# SHAP shares a prediction out among the columns, compared with a few hundred ordinary customers; LIME asks what a
# simple model would say close to one customer. Both are estimates, so each comes with checks of how far to trust it.


# %%
def explain(
    model: keras.Model,
    split: Split[pd.DataFrame],
    config: ChurnConfig,
    row: pd.DataFrame | None = None,
    methods=METHODS,
) -> dict[str, Explanation]:
    """Explain the model in general and one row in detail: by default the test customer most likely to leave."""
    if row is None:
        row = split.test.loc[[predict(model, split.test)["probability"].idxmax()]]
    return explain_table(
        model,
        TableCoder.fit(split.train, NUMBERS, CATEGORIES),
        split.train,
        rows=split.test.sort_index().head(200),
        row=row,
        subject=str(row.index[0]),
        methods=methods,
        seed=config.seed,
    )


def identify(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what stands before a prediction: the customer's number and name, or the row's place in the files."""
    found = [column for column in IDENTIFIERS if column in rows]
    return rows[found] if found else pd.DataFrame({"row": rows.index}, index=rows.index)


def read_inputs(model: keras.Model, paths: list[Path]) -> pd.DataFrame:
    """Read files of the user's to predict for; a target is not needed. Unknown countries are counted and said."""
    known = {column: set(model.get_layer(f"{column}_words").get_vocabulary()) for column in CATEGORIES}
    return read_files(paths, SCHEMA, known)


# %% [markdown]
# ## The whole story


# %%
def main(config: ChurnConfig, run: Run) -> Scores:
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

    chance = predict_batches(network, data.validation.inputs)[:, 0]
    threshold, curve = choose_threshold(data.validation.targets, chance, config)
    model = assemble(preprocess, network, threshold)
    save_model(model, run.model_path)

    made = baselines(split, config)
    rungs = climb(config.with_changes(COURSE, "course"), STEPS, split, try_out, evaluate) if config.ladder else []
    for name, explanation in explain(model, split, config).items():
        explanation.write(run, name)
    return finish(
        run,
        config,
        ABOUT,
        split=split,
        network=network,
        answers=split.map(lambda rows: predict(model, rows)),  # the test rows are scored here, once
        scores=split.map(lambda rows: evaluate(model, rows)),
        baselines=made,
        rungs=rungs,
        fit_seconds=callbacks.state.seconds,
        best_epoch_kept=config.patience > 0,
        threshold=describe_threshold(threshold, config.threshold, curve, unit="eur_per_customer"),
        imbalance=IMBALANCE_EFFECT[config.imbalance],
    )


# %% [markdown]
# ## Questions
# Each is answered by changing one setting and reading the report again.
#
# 1. `--set model=course`: how far behind gradient boosting does the slide's network stay? Is the difference clear?
# 2. `--set 'hidden_units=[]'`: what is left without a hidden layer, and which baseline does it resemble? Why?
# 3. `--set imbalance=class_weight`: which scores change, and what happens to the calibration plot?
# 4. `--set threshold=cost`: how many more customers get an offer when a missed leaver costs five times an offer?
# 5. `--set patience=0`: how do the learning curves go on after the epoch that was kept before, and what did that cost?

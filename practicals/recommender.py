"""Practical 5. Which film will this user like?

Data:    MovieLens 100K (Harper & Konstan, 2015), 1,682 films rated by 943 users; terms in datasets/README.md.
Idea:    squeeze the ratings of a film through a few numbers, so that films which are liked alike get alike numbers.
Expect:  see the header of configs/recommender.yaml.
Run:     practicals run recommender
Try:     --set model=course, the network of the slide; why is it no better than adding up two averages?
"""

# %% [markdown]
# # Which film will this user like?
# Nobody has seen all films. Of the 1.6 million pairs of user and film in this data set 6 % are rated, and the others
# are what we are asked for. Two things can be learned from them: what a user will rate a film, and which films to put
# on a list. They are not the same, and both are scored.

# %%
from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers, ops
from pydantic import Field, model_validator

from practicals.common import rating_baselines as opponents
from practicals.common.callbacks import standard_callbacks
from practicals.common.config import LayerSizes, Optimizer, PracticalConfig, SplitSettings
from practicals.common.console import say
from practicals.common.data.cards import load_card
from practicals.common.data.examples import Examples, RowsOnDemand
from practicals.common.data.fetch import locate
from practicals.common.data.rating_requests import lists_for, ratings_of_user, ratings_typed
from practicals.common.data.ratings import (
    Catalogue,
    Ratings,
    ratings_split,
    ratings_to_predict,
    read_items,
    read_ratings,
    write_items,
)
from practicals.common.data.split import Split
from practicals.common.errors import DataError
from practicals.common.explain import Explanation
from practicals.common.explain.ratings import METHODS, explain_rating
from practicals.common.ladder import Baseline, Step, climb
from practicals.common.layers import Labels
from practicals.common.outcome import About
from practicals.common.rating_answers import (
    answer_of,
    describe_recommender,
    predicted,
    rating_function,
    telling_pair,
)
from practicals.common.rating_layers import (
    Deviations,
    DropRatings,
    ItemCodes,
    ItemRows,
    RatingError,
    SparseDense,
    Taste,
    TiedDense,
)
from practicals.common.rating_scores import judge, score_on_ratings
from practicals.common.rating_summary import finish, order_in_words, unit_of_ratings
from practicals.common.run import Run, Scores
from practicals.common.training import (
    batches_in_order,
    make_optimizer,
    prepare,
    save_model,
    shuffled_batches,
)

# %% [markdown]
# ## The network of the slide
# An *autoencoder* gives back what it was given, through a middle that is too narrow for it: 1,682 ratings of a user in,
# 10 numbers in the middle, 1,682 ratings out. So it has to learn what goes together, and where a rating is missing, it
# says what would go with the others. *Stacked* means that several layers lead to the middle and out of it.


# %%
def course_network(ratings, items: int):
    """Return the answer of the slide's network: a user's ratings (batch, items), 0 where unrated -> all ratings."""
    x = layers.Dense(20, activation="sigmoid")(ratings)  # (batch, items) -> (batch, 20)
    x = layers.Dense(10, activation="sigmoid")(x)  # the narrow middle
    x = layers.Dense(20, activation="sigmoid")(x)
    return layers.Dense(items)(x)  # -> (batch, items)


# What else belongs to the slide. It takes one user a step for 200 epochs; 32 at once get there sooner.
COURSE = {
    "model": "course",
    "rows": "user",
    "biases": False,
    "side_information": "none",
    "presence": False,
    "encoder": (20, 10),
    "decoder": (20,),
    "tied": False,
    "activation": "sigmoid",
    "hidden": 0.0,
    "user_dropout": 0.0,
    "l2": 0.0,
    "ranking_units": 0,
    "optimizer": "rmsprop",
    "learning_rate": 0.01,
    "decay": False,
    "batch_size": 32,
    "epochs": 60,
    "patience": 10,
}


# %% [markdown]
# ## What is read, and what is asked
# A table of user, film and rating. Your own ratings are read too, of whatever it may be: `--data FILE`.

# %%
ABOUT = About(
    title="Which film will this user like?",
    primary="rmse",
    direction="min",
    monitor="val_loss",
    mode="min",
    tuned="val_rating_rmse",
    text=__doc__ or "",
)


class RatingSplit(SplitSettings):
    """How ratings are divided before anything is fitted."""

    fold: Literal["u1", "u2", "u3", "u4", "u5", "random", "last"] = "u1"
    """What is the test part: a fifth of the ratings as MovieLens 100K divides them (`u1` to `u5`), a share `test` drawn
    at `random`, or the `last` ratings of each user, as they would come after the model was made."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Share of all ratings that early stopping, tuning and the order of the lists may look at."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of all ratings that is opened once, at the end; with `random` and `last`."""


class RecommenderConfig(PracticalConfig):
    """Settings of the recommender practical."""

    split: RatingSplit = RatingSplit()
    """How ratings are divided into training, validation and test part."""
    dataset: Literal["movielens_100k", "movielens_small"] = "movielens_100k"
    """`movielens_100k`: the one with the five folds that everybody uses; `movielens_small`: ratings up to 2018."""
    user: str = ""
    """Your own table: its column of users; empty finds it where the name is plain."""
    item: str = ""
    """Your own table: its column of what is rated; empty finds it where the name is plain."""
    rating: str = ""
    """Your own table: its column of ratings; empty finds it where the name is plain."""
    time: str = ""
    """Your own table: its column of times, if it has one; empty finds it where the name is plain."""
    model: Literal["course", "autoencoder"] = "autoencoder"
    """`course`: the slide's; `autoencoder`: what the settings below say."""
    rows: Literal["user", "item", "both"] = "both"
    """What goes through the autoencoder: all ratings of a `user`; all ratings of an `item`, whose code is then weighed
    by the user's taste; or `both`, in which the user's row gives a first guess of that taste."""
    encoder: Annotated[LayerSizes, Field(min_length=1)] = (200, 30)
    """Units of the layers that lead into the autoencoder."""
    decoder: LayerSizes = (60, 30)
    """Units of the layers that lead out of it. For item rows the last of all these is the length of a code."""
    tied: bool = False
    """Let the decoder use the weights of the encoder, turned round; its layers must then be as wide."""
    guess: LayerSizes = (50,)
    """`both`: units of the layers that guess a taste from the user's row."""
    activation: Literal["sigmoid", "tanh", "relu", "elu", "selu", "gelu"] = "selu"
    """The bend in each layer but the last."""
    biases: bool = True
    """Take off what needs no network: the mean of all, how good the item is, and how friendly the user."""
    presence: bool = True
    """Also look at what was rated at all: who picks a film tells something of himself and of the film."""
    side_information: Literal["none", "items", "both"] = "items"
    """What else is looked at: genres and decade of the `items`; with `both` also gender, age group and occupation of
    the users, which strangers then lack."""
    hidden: Annotated[float, Field(ge=0, lt=0.5)] = 0.3
    """Mean share of a user's ratings that are hidden in a training step and asked for; 0 shows all and asks for all."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.6
    """Share of an item's ratings silenced in each training step."""
    user_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """The same for the row of a user."""
    l2: Annotated[float, Field(ge=0)] = 0.003
    """Price of large weights: it holds back a network that has far more weights than there are ratings."""
    ranking_units: Annotated[int, Field(ge=0, le=65_536)] = 1200
    """Units of the layer that tells how likely a user is to pick a film at all; 0 orders lists by rating alone."""
    chance_counts: Annotated[float | None, Field(ge=0, le=100)] = None
    """How much that chance counts in the order of a list, beside the rating; empty finds out on the validation ratings,
    and a small number puts the highest predicted ratings first, also those of films that few have seen."""
    optimizer: Optimizer = "adam"
    """The rule that turns gradients into steps."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.0015
    """Length of a step: too long jumps about, too short never arrives."""
    decay: bool = True
    """Shorten the steps along a cosine, down to nothing in the last epoch."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 256
    """Most users per step; of few users fewer, so that an epoch has at least three steps."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 40
    """Most passes over the training ratings; early stopping may end sooner."""
    patience: Annotated[int, Field(ge=0)] = 15
    """Epochs without progress on validation ratings before training stops; 0 trains to the last epoch and keeps it."""
    depths: bool = True
    """Also train a shallow network and others of other depth, and show how they do on validation ratings."""
    ladder: bool = True
    """Also train the course's network and each step from it to the final one, and show what each step gains."""

    @model_validator(mode="after")
    def _what_goes_together(self) -> Self:
        if self.model == "course" and self.rows != "user":
            raise ValueError("rows: the course's network has rows of users")
        if self.model == "autoencoder" and self.tied and self.decoder[:-1] != self.encoder[-2::-1]:
            mirrored = [*self.encoder[-2::-1], self.decoder[-1] if self.decoder else 30]
            raise ValueError(f"tied weights need a decoder that mirrors the encoder: decoder={mirrored}")
        return self

    presets: ClassVar = {"model": {"course": COURSE}}


# %% [markdown]
# ## Split first, then fit
# A rating that is to be predicted must not be looked at: not as a target, and not as an input either. So each part
# carries the ratings that may be looked at to predict it, and these are the training ratings.


# %%
def load(config: RecommenderConfig) -> Split[Ratings]:
    """Read the ratings and divide them."""
    source = locate(load_card(config.dataset), config.data)
    ratings, facts = read_ratings(source, user=config.user, item=config.item, rating=config.rating, time=config.time)
    return ratings_split(
        ratings,
        facts,
        how=config.split.fold,
        validation=config.split.validation,
        test=config.split.test,
        seed=config.split_seed,
    )


# %% [markdown]
# ## From ratings to deviations
# That "Star Wars" gets a 4 tells little: it gets one from nearly everybody. What counts is by how much a rating differs
# from what was to be expected: the mean of all ratings, plus how much better this film is than others, plus how much
# friendlier this user is. Few ratings are no proof, so both are pulled towards 0 (*shrinkage*). These two averages
# alone are a strong opponent. What is left over, the *deviation*, is taste, and it is what the network is asked for.

# %%
ITEM_SHRINK, USER_SHRINK = 4, 8  # so many ratings without deviation each is thought to have besides


def build_preprocess(train: Ratings, config: RecommenderConfig) -> keras.Model:
    """Return a model from `ratings` (batch, items) of `user` (batch, 1) to what the network sees, row by row."""
    catalogue = train.catalogue
    users, items = len(catalogue.users), len(catalogue.items)
    ratings = keras.Input((items,), name="ratings")  # not-a-number where unrated
    user = keras.Input((1,), dtype="int32", name="user")
    columns = (config.user, config.item, config.rating, config.time)
    names = Labels({"items": catalogue.items, "scale": catalogue.scale, "columns": columns}, name="labels")
    mean, item_bias, shrink, spread = 0.0, np.zeros(items), None, 1.0
    if config.biases:
        mean, shrink = float(train.values.mean()), USER_SHRINK
        number = np.bincount(train.items, minlength=items)
        item_bias = np.bincount(train.items, train.values - mean, minlength=items) / (number + ITEM_SHRINK)
        spread = float(np.std(train.values - mean - item_bias[train.items])) or 1.0
    deviations = Deviations(items, shrink, spread, name="deviations")
    deviations.adapt(mean, item_bias)
    seen = deviations(names(ratings))
    if config.rows != "user":
        left = (train.values - mean - item_bias[train.items]) / spread
        features = catalogue.item_features[:, : 0 if config.side_information == "none" else None]
        item_rows = ItemRows(train.users, train.items, left, features, users_in_all=users, shrink=shrink)
        seen |= {f"item_{name}": row for name, row in item_rows(ratings, user).items()}
    if config.side_information == "both":
        seen["traits"] = keras.Input((catalogue.user_features.shape[1],), name="traits")
    inputs = {"ratings": ratings, "user": user} | {name: seen[name] for name in ("traits",) if name in seen}
    return keras.Model(inputs, seen, name="preprocess")


# %% [markdown]
# ## Batches of users
# A table of all users and all films would be 94 % empty, and with more users soon too large. So the ratings stay a
# list, and only the rows of the users in a batch are laid out.


# %%
def rows_of(part: Ratings, users: np.ndarray) -> RowsOnDemand:
    """Return the ratings of these users in a part, (users, items), laid out when they are asked for."""
    return RowsOnDemand(lambda chosen: part.rows(users[chosen]), len(users), (len(part.catalogue.items),), "float32")


def encode(preprocess: keras.Model, split: Split[Ratings], config: RecommenderConfig) -> Split[Examples]:
    """Return for each part its users with what they rated in training, and what they are to be asked for."""

    def rows(part: Ratings) -> Examples:
        users = np.unique(part.users)
        inputs = {"ratings": rows_of(part.given, users), "user": users[:, None].astype("int32")}
        if "traits" in preprocess.input:
            inputs["traits"] = part.catalogue.user_features[users]
        targets = {"rating": rows_of(part, users)}
        if config.ranking_units:
            targets["chance"] = targets["rating"]
        return Examples(inputs, targets)

    return split.map(rows)


# %% [markdown]
# ## Ask for what is hidden
# An autoencoder that is shown a rating and asked for the same rating can simply copy it. The real question is another:
# what will the user rate a film that is *not* among the ratings? So in each step a part of the ratings is hidden, and
# the network is asked for these (*denoising*, Vincent et al., 2008). Sometimes few are hidden, sometimes many, since
# some users have rated ten films and some five hundred.


# %%
def hide_ratings(batches: tf.data.Dataset, order, share: float) -> tf.data.Dataset:
    """Hide up to twice this share of each user's ratings and ask for those; drawn by seed, epoch and step alone."""

    def hide(step, batch):
        inputs, targets = batch
        rows, items = tf.unstack(tf.shape(inputs["ratings"]))
        chance = tf.random.stateless_uniform(
            (rows, items + 1), tf.stack([order.epoch * 100_000 + step, tf.constant(order.seed, tf.int64)])
        )
        is_hidden = chance[:, 1:] < 2 * share * chance[:, :1]  # the first number of a row says how many
        shown = tf.where(is_hidden, math.nan, inputs["ratings"])
        return inputs | {"ratings": shown}, targets | {"rating": tf.where(is_hidden, targets["rating"], math.nan)}

    return batches.enumerate().map(hide).prefetch(2)


# %% [markdown]
# ## Rows of items
# The slide's network has a row for each user. One can also turn the table round: a row for each *film*, with what
# everybody rated it. A film has more ratings than a user, and what comes out at the narrow middle is a *code*: 30
# numbers that say what kind of film it is. Genres and decade go in too, so that a film that hardly anyone rated starts
# near its like.


# %%
def dense(units: int, config: RecommenderConfig, activation=None, scale: float = 1.0, kind=layers.Dense, **more):
    """Return a dense layer with a price on large weights and first weights of a size that suits the activation."""
    return kind(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.VarianceScaling(scale**2, "fan_in", "normal"),
        kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
        **more,
    )


def code_network(seen, config: RecommenderConfig):
    """Return the codes of all items (items, codes) from their rows (items, users), sparse, and their features."""
    first, scale = config.encoder[0], 1.0 if len(config.encoder) + len(config.decoder) > 1 else 0.3
    deviation, rated = DropRatings(config.dropout)(seen["item_deviation"], seen["item_rated"])
    parts = [dense(first, config, scale=scale, kind=SparseDense)(deviation)]  # (items, users) -> (items, units)
    if config.presence:
        parts.append(dense(first, config, scale=scale, kind=SparseDense, use_bias=False)(rated))
    if seen["item_features"].shape[1]:
        features = layers.Dropout(config.dropout)(seen["item_features"])
        parts.append(dense(first, config, scale=scale, use_bias=False)(features))
    # As one layer on all three side by side would be.
    return through(layers.Add()(parts) if len(parts) > 1 else parts[0], config)


def through(x, config: RecommenderConfig):
    """Return what comes out of all layers behind the first, whose answer is not bent yet; nor is the last one's."""
    coding = []
    sizes = (*config.encoder[1:], *config.decoder)
    for place, units in enumerate(sizes):
        x = layers.Activation(config.activation)(x)
        is_encoder, is_last = place < len(config.encoder) - 1, place == len(sizes) - 1
        turned_round = config.tied and coding and not is_encoder and not is_last
        layer = TiedDense(coding.pop()) if turned_round else dense(units, config, scale=0.3 if is_last else 1.0)
        if is_encoder:
            coding.append(layer)
        x = layer(x)
    return x


# %% [markdown]
# ## From codes to a rating
# How does a film's code become a user's rating? The user has a *taste*: 30 numbers that say how much each number of a
# code is liked. It could be learned for each user, but then a new one could not be served without training again.
# Instead it is *solved for*, inside the network: the taste that best explains the ratings given, as in a straight-line
# fit with a price on large weights (*ridge regression*). Gradients flow through the solution, so that the codes become
# such that a few ratings tell much.
#
# A user with three ratings leaves the taste nearly open. So the user's own row goes through a small network too, and
# *guesses* a taste, from which the solution may part at a price. That is what `rows=both` means.


# %%
def guess_network(seen, codes: int, config: RecommenderConfig):
    """Return a first guess of the taste (batch, codes) from what is known of the user."""
    x = layers.Dropout(config.user_dropout)(user_row(seen, config))
    for units in config.guess:
        x = dense(units, config, config.activation)(x)
    return dense(codes, config, scale=0.1)(x)


def user_row(seen, config: RecommenderConfig):
    """Return all that is known of a user side by side: deviations, and what was rated at all, and traits."""
    parts = [seen["deviation"]]
    parts += [0.3 * seen["rated"]] if config.presence else []  # of the size of a deviation
    parts += [seen["traits"]] if "traits" in seen else []
    return layers.Concatenate()(parts) if len(parts) > 1 else parts[0]


def taste_network(seen, config: RecommenderConfig):
    """Return by how much each rating deviates (batch, items), from the user's ratings and the `codes` of the items."""
    # Every film has a first number 1, for what the user likes in all of them alike.
    codes = layers.Concatenate()([ops.ones_like(seen["codes"][:, :1]), seen["codes"]])
    length = codes.shape[1]
    guess = guess_network(seen, length, config) if config.rows == "both" else None
    return Taste(length, name="taste")(seen["deviation"], seen["rated"], codes, guess)


def row_network(seen, items: int, config: RecommenderConfig):
    """Return the same from the user's row alone, through an autoencoder as on the slide."""
    x = layers.Dropout(config.user_dropout)(user_row(seen, config))
    x = through(dense(config.encoder[0], config)(x), config)
    x = layers.Activation(config.activation)(x)
    return dense(items, config, scale=0.1)(x)


# %% [markdown]
# ## What to put on a list
# A list of the films with the highest predicted rating is a poor list: it is full of films that nobody has heard of and
# that three enthusiasts gave a 5. What people pick tells more than how they rate it. So a second, small network tells
# how likely each film is to be the one that this user picks, and the list is ordered by both together.


# %%
def chance_network(seen, items: int, config: RecommenderConfig):
    """Return the logarithm of the chance that a film is picked (batch, items), from what the user has rated at all."""
    count = ops.sum(seen["rated"], axis=1, keepdims=True)
    x = layers.Dropout(0.5)(seen["rated"] / ops.sqrt(count + 1))
    regularizer = keras.regularizers.L2(1e-4)
    x = layers.Dense(config.ranking_units, activation="tanh", kernel_regularizer=regularizer)(x)
    return ops.log_softmax(layers.Dense(items, kernel_regularizer=regularizer, dtype="float32")(x))


# %% [markdown]
# ## What is an error?
# An unrated film is unknown, not a 0. In the targets it is not-a-number, and it must neither count as an error nor pull
# at the weights.


# %%
def squared_error(truth, predicted):
    """Return the mean squared error on what is rated in `truth` (batch, items); the rest is not-a-number."""
    is_rated = ops.logical_not(ops.isnan(truth))
    error = ops.where(is_rated, truth, predicted) - predicted
    return ops.sum(error**2) / ops.maximum(ops.sum(ops.cast(is_rated, "float32")), 1.0)


def surprise(truth, log_chance):
    """Return minus the mean logarithm of the chance that was given to what is rated (cross-entropy)."""
    is_rated = ops.cast(ops.logical_not(ops.isnan(truth)), "float32")
    return -ops.sum(is_rated * log_chance) / ops.maximum(ops.sum(is_rated), 1.0)


def build_model(config: RecommenderConfig, preprocess: keras.Model) -> keras.Model:
    """Return the compiled network on `ratings` (batch, items) of `user` (batch, 1)."""
    inputs = {name: keras.Input(x.shape[1:], dtype=x.dtype, name=name) for name, x in preprocess.input.items()}
    seen = dict(preprocess(inputs))
    if config.rows != "user":
        seen["codes"] = layers.Identity(name="codes")(code_network(seen, config))
    known = {name: x for name, x in seen.items() if not name.startswith("item_")}
    spread = preprocess.get_layer("deviations").spread
    reader = build_reader(known, spread, config)
    network = keras.Model(inputs, reader(known))
    lowest, *_, highest = map(float, preprocess.get_layer("labels").values["scale"])
    has_chance = "chance" in reader.output
    network.compile(
        optimizer=make_optimizer(config.optimizer, config.learning_rate),
        loss={"rating": squared_error} | ({"chance": surprise} if has_chance else {}),
        loss_weights={"rating": 1 / spread**2} | ({"chance": 1.0} if has_chance else {}),  # whatever the scale
        # Keras puts the name of the output before that of its metric where there are several outputs.
        metrics={"rating": [RatingError(lowest, highest, name="rmse" if has_chance else "rating_rmse")]},
        jit_compile=False,  # sparse rows cannot be compiled
    )
    return network


def build_reader(known, spread: float, config: RecommenderConfig) -> keras.Model:
    """Return the half of the network that reads a user: what is known of him and the codes -> `rating`, `chance`."""
    seen = {name: keras.Input(batch_shape=x.shape, name=name) for name, x in known.items()}
    items = seen["deviation"].shape[1]
    if config.model == "course":
        deviation = course_network(seen["deviation"], items)
    elif config.rows == "user":
        deviation = row_network(seen, items, config)
    else:
        deviation = taste_network(seen, config)
    answers = {"rating": layers.Add(name="rating", dtype="float32")([seen["expected"], spread * deviation])}
    if config.ranking_units:
        answers["chance"] = chance_network(seen, items, config)
    return keras.Model(seen, answers, name="reader")


def step_length(epoch: int, config: RecommenderConfig) -> float:
    """Return the learning rate of an epoch, counted from 0."""
    return config.learning_rate * (0.5 * (1 + math.cos(math.pi * epoch / config.epochs)) if config.decay else 1)


def fit(
    network: keras.Model, data: Split[Examples], config: RecommenderConfig, callbacks=(), initial_epoch: int = 0
) -> None:
    """Train the network. Batches and what is hidden follow from (seed, epoch), so a resumed run sees the same."""
    users = len(data.train.inputs["user"])
    at_once = min(config.batch_size, max(users // 3, 1))
    batches, reshuffle = shuffled_batches(*data.train[:2], batch_size=at_once, seed=config.seed)
    if config.hidden:
        batches = hide_ratings(batches, reshuffle, config.hidden)
    network.fit(
        batches,
        validation_data=batches_in_order(data.validation, batch_size=1024),
        epochs=config.epochs,
        initial_epoch=initial_epoch,
        callbacks=[
            reshuffle,
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: step_length(epoch, config)),
            *callbacks,
        ],
        shuffle=False,  # `batches` does it, by seed and epoch
        verbose=0,
    )


# %% [markdown]
# ## The whole model
# Ratings in, all ratings out: for a user of the data, for one who comes tomorrow, and for the question what would be
# predicted without one of the ratings. The network that made the codes is not needed any more, only the codes. So no
# rating of anybody is in the file.


# %%
def assemble(preprocess: keras.Model, network: keras.Model, chance_counts: float = 0.0) -> keras.Model:
    """Return the whole model: `ratings` (batch, items), not-a-number where unrated, to `rating` and `ranking`."""
    given = {name: keras.Input(x.shape[1:], name=name) for name, x in preprocess.input.items() if name != "user"}
    ratings = preprocess.get_layer("labels")(given["ratings"])
    seen = given | preprocess.get_layer("deviations")(ratings)
    reader = network.get_layer("reader")
    if "codes" in reader.input:
        values = codes_of(network)
        codes = ItemCodes(*values.shape, name="codes")
        seen["codes"] = codes(ratings)
        codes.set_weights([values])
    answers = reader({name: seen[name] for name in reader.input})
    rating = layers.Identity(name="not_cut_off")(answers["rating"])
    lowest, *_, highest = map(float, preprocess.get_layer("labels").values["scale"])
    ranking = rating
    if "chance" in answers:
        ranking = rating + chance_counts * preprocess.get_layer("deviations").spread * answers["chance"]
    outputs = {"rating": ops.clip(rating, lowest, highest), "ranking": layers.Identity(name="ranking")(ranking)}
    return keras.Model(given, outputs, name="recommender")


def codes_of(network: keras.Model) -> np.ndarray:
    """Return (items, codes), as they are while no rating is hidden: for a batch of no users."""
    coder = keras.Model(network.input, network.get_layer("codes").output)
    nobody = {name: np.zeros((0, *x.shape[1:]), x.dtype) for name, x in network.input.items()}
    return ops.convert_to_numpy(coder(nobody, training=False))


def predict(model: keras.Model, pairs: Ratings) -> pd.DataFrame:
    """Return `item`, `title`, `genres` and `prediction`, the rating in the scale of the data, of each pair."""
    catalogue = pairs.catalogue
    return pd.DataFrame(
        {
            "item": [catalogue.items[item] for item in pairs.items],
            "title": [catalogue.titles[item] for item in pairs.items],
            "genres": ["|".join(catalogue.genres[item]) for item in pairs.items],
            "prediction": predicted(model, pairs),
        },
        index=pairs.index,
    )


def evaluate(model: keras.Model, part: Ratings) -> dict[str, float]:
    """Return all scores on the ratings of one part, each predicted from the training ratings of its user."""
    return judge(answer_of(model, part.catalogue), part).scores


# %% [markdown]
# How much does the chance count in the order of a list, beside the rating? That is tried on the validation ratings.

# %%
CHANCE_COUNTS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # in spreads of a rating, for a chance that is e times as large


def choose_order(
    preprocess: keras.Model, network: keras.Model, validation: Ratings, config: RecommenderConfig
) -> float:
    """Return how much the chance counts: that with the best NDCG on validation ratings; the first of equals."""
    if not config.ranking_units or config.chance_counts is not None:
        return config.chance_counts or 0.0
    plain, both = (answer_of(assemble(preprocess, network, counts), validation.catalogue) for counts in (0.0, 1.0))

    def ndcg(counts: float) -> float:
        def answer(rows, users):  # on the straight line through what the two say
            return {"ranking": (1 - counts) * plain(rows, users)["ranking"] + counts * both(rows, users)["ranking"]}

        return judge(answer, validation).scores.get("ndcg_at_10", 0.0)

    return max(CHANCE_COUNTS, key=ndcg)


# %% [markdown]
# ## Is it any good?
# Opponents see the same training ratings. Adding two averages is hard to beat by much, since most of what makes a
# rating is chance. For lists the opponents are others: what everybody likes is a good guess of what you like.


# %%
def baselines(split: Split[Ratings], config: RecommenderConfig) -> list[Baseline]:
    """Fit the opponents on the training ratings and score them on the same ratings as the network."""
    entries = (
        ("global mean", "naive", "Predicts the mean of all ratings.", opponents.global_mean()),
        ("biases", "classical", "Mean, how good the item is, how friendly the user.", opponents.biases()),
        ("item neighbours", "classical", "What the user rated of the 40 most similar.", opponents.item_neighbours()),
        ("matrix factorisation", "classical", "Ten numbers for each user and item.", opponents.matrix_factorisation()),
        ("most popular", "naive", "The same list for everybody: only an order.", opponents.most_popular()),
        ("EASE", "classical", "A straight line between items, at most 3,000: only an order.", opponents.ease()),
    )
    return score_on_ratings(entries, split)


# %% [markdown]
# ## One step at a time
# What makes the network better than the slide's? Each step is added alone to what stands above it and trained afresh;
# its gain is read on validation ratings.

# %%
STEPS = (
    Step(
        "deviations instead of ratings",
        {"model": "autoencoder", "biases": True},
        "What needs no network is taken off first; the network learns taste alone.",
    ),
    Step(
        "asked for what is hidden",
        {
            "hidden": 0.3,
            "user_dropout": 0.3,
            "presence": True,
            "l2": 0.003,
            "activation": "selu",
            "optimizer": "adam",
            "learning_rate": 0.0015,
            "decay": True,
            "batch_size": 256,
            "encoder": (200, 30),
            "decoder": (60, 30),
            "epochs": 40,
            "patience": 15,
        },
        "To copy is no longer enough; a price on large weights allows a wider network.",
    ),
    Step("rows of films", {"rows": "item"}, "A film has more ratings than a user; the taste is solved for."),
    Step("genres and decades", {"side_information": "items"}, "A film that hardly anyone rated starts near its like."),
    Step("a first guess of the taste", {"rows": "both"}, "Of a user with few ratings, the row says where to start."),
    Step("lists by chance, too", {"ranking_units": 1200}, "Changes the order of lists, not the predicted ratings."),
)

DEPTHS = {  # each with the price of large weights and the steps that suit it
    "shallow": {"encoder": (30,), "decoder": (), "l2": 0.012, "learning_rate": 0.0005},
    "one layer in, one out": {"encoder": (30,), "decoder": (30,), "l2": 0.006, "learning_rate": 0.001},
    "two and two": {"encoder": (200, 30), "decoder": (60, 30)},
    "three and three": {"encoder": (300, 100, 30), "decoder": (60, 60, 30)},
}


def compare_depths(config: RecommenderConfig, split: Split[Ratings]) -> list[dict[str, object]]:
    """Train networks of several depths and return their errors on validation ratings, for the report."""
    found = []
    for name, changes in DEPTHS.items():
        say(f"depth: {name}")
        began = time.perf_counter()
        model = try_out(config.with_changes({**changes, "tied": False}, source="depths"), split)
        seconds = time.perf_counter() - began
        error = evaluate(model, split.validation)[ABOUT.primary]
        hidden = [*changes["encoder"], *changes["decoder"]]
        found.append({"name": name, "hidden": hidden, "seconds": seconds, "validation": error})
    return found


def try_out(config: RecommenderConfig, split: Split[Ratings]) -> keras.Model:
    """Train afresh with these settings and return the assembled model."""
    prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    preprocess = build_preprocess(split.train, config)
    network = build_model(config, preprocess)
    stop = keras.callbacks.EarlyStopping(
        ABOUT.monitor, mode=ABOUT.mode, patience=config.patience, restore_best_weights=True
    )
    fit(network, encode(preprocess, split, config), config, [stop] if config.patience else [])
    return assemble(preprocess, network, choose_order(preprocess, network, split.validation, config))


def search_space(hp, config: RecommenderConfig) -> RecommenderConfig:
    """Return the settings with those of one trial put in; `hp` is a keras_tuner.HyperParameters."""
    codes = hp.Choice("codes", [20, 30, 50])
    inner = [hp.Choice("units", [100, 200, 300])] * (hp.Int("layers", 1, 3) - 1)
    decoder = hp.Choice("decoder_units", [30, 60, 120])
    return config.with_changes(
        {
            "encoder": [*inner, codes],
            "decoder": [*(inner if config.tied else [decoder] * bool(inner)), codes],
            "dropout": hp.Float("dropout", 0.4, 0.8, step=0.1),
            "l2": hp.Float("l2", 1e-3, 1e-2, sampling="log"),
            "hidden": hp.Choice("hidden", [0.2, 0.3, 0.4]),
            "learning_rate": hp.Float("learning_rate", 5e-4, 4e-3, sampling="log"),
        },
        source="search space",
    )


# %% [markdown]
# ## Why this film?
# The prediction comes from the user's own ratings, so they are what explains it: what would be predicted if one of them
# had not been given? SHAP shares the prediction out among them, LIME fits a straight line to shorter lists of ratings.
# That the most telling ratings matter is checked by taking them away.


# %%
def explain(
    model: keras.Model,
    split: Split[Ratings],
    config: RecommenderConfig,
    row: Ratings | None = None,
    methods=METHODS,
) -> dict[str, Explanation]:
    """Explain why one film is predicted for one user, by default a telling pair of the test part."""
    pair = telling_pair(model, split.test) if row is None else row
    (user,), (item,) = pair.users, pair.items
    value = float(pair.values[0])
    return explain_rating(
        rating_function(model, pair.catalogue, int(user)),
        pair.given.rows([user])[0],
        int(item),
        titles=pair.catalogue.titles,
        user=pair.catalogue.users[user],
        truth=None if math.isnan(value) else value,
        unit=unit_of_ratings(pair.catalogue),
        scale=pair.catalogue.scale,
        methods=methods,
        seed=config.seed,
    )


# %% [markdown]
# ## Recommend
# To a user of the data, to one who types in a few ratings, or to all in a file.


# %%
def identify(rows: Ratings) -> pd.DataFrame:
    """Return what stands before a prediction: the user."""
    return pd.DataFrame({"user": [rows.catalogue.users[user] for user in rows.users]}, index=rows.index)


def read_catalogue(model: keras.Model, path: Path) -> Catalogue:
    """Return the items of a run, from its `items.csv`, with the scale of their ratings."""
    known = model.get_layer("labels").values
    catalogue = read_items(path, [float(one) for one in known["scale"]])
    if list(catalogue.items) != known["items"]:
        raise DataError(f"{path}: holds other items than the model beside it. Run the lesson again.")
    return catalogue


def recommend(model: keras.Model, given: Ratings, top: int) -> Ratings:
    """Return for each user of these ratings the best items that are not among them, as pairs, the best first."""
    return lists_for(answer_of(model, given.catalogue), given, np.unique(given.users), top)


def read_inputs(model: keras.Model, paths: list[Path], catalogue: Catalogue, top: int = 10) -> Ratings:
    """Read ratings from a table of the user's, perhaps of several users, and return what to recommend to each."""
    if len(paths) > 1:
        raise DataError(f"{paths[1]}: one table of ratings was expected; give several one after the other.")
    user, item, rating, time_ = model.get_layer("labels").values["columns"]
    given = ratings_to_predict(paths[0], catalogue, user=user, item=item, rating=rating, time=time_)
    return recommend(model, given, top)


def read_user(model: keras.Model, split: Split[Ratings], name: str, top: int = 10) -> Ratings:
    """Return what to recommend to a user of the data, by all of his ratings."""
    return recommend(model, ratings_of_user(split, name), top)


def read_likes(model: keras.Model, likes: list[str], catalogue: Catalogue, top: int = 10) -> Ratings:
    """Return what to recommend to somebody who has typed in ratings, such as "Toy Story (1995)=5"."""
    return recommend(model, ratings_typed(likes, catalogue), top)


# %% [markdown]
# ## The whole story
# Nobody told the network what a comedy is. The report draws the codes of the films as a map, names the nearest ones of
# some that everybody knows, and shows the lists of three users with what speaks for the first films on them.


# %%
def main(config: RecommenderConfig, run: Run) -> Scores:
    """Train, score, compare and explain; everything that was found goes into the run's folder."""
    split = load(config)
    run.remember_data(split.facts)
    write_items(run.items_path, split.train.catalogue)
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
        tensorboard=config.tensorboard,
    )
    fit(network, data, config, callbacks.callbacks, callbacks.state.initial_epoch)
    chance_counts = choose_order(preprocess, network, split.validation, config)
    model = assemble(preprocess, network, chance_counts)
    save_model(model, run.model_path)

    made = baselines(split, config)
    rungs = climb(config.with_changes(COURSE, "course"), STEPS, split, try_out, evaluate) if config.ladder else []
    answer = answer_of(model, split.test.catalogue)
    judged = split.map(lambda part: judge(answer, part))  # the test ratings are read here, once
    pair = telling_pair(model, split.test)
    for name, explanation in explain(model, split, config, pair).items():
        explanation.write(run, name)
    return finish(
        run,
        config,
        ABOUT,
        split=split,
        network=network,
        judged=judged,
        baselines=made,
        rungs=rungs,
        fit_seconds=callbacks.state.seconds,
        best_epoch_kept=config.patience > 0,
        noun=("film", "films") if config.data in ("auto", "real", "sample") else ("item", "items"),
        ranking_sentence=order_in_words(chance_counts),
        depths=compare_depths(config, split) if config.depths else [],
        **describe_recommender(model, split, config.seed),
    )


# %% [markdown]
# ## Questions
# Each is answered by changing one setting and reading the report again.
#
# 1. `--set model=course`: its error is above that of two averages added up. What did it never learn to tell apart?
# 2. `--set hidden=0`: the network is asked for what it is shown. What does the training error say then?
# 3. `--set rows=user`: the same layers, the other way round. Why do rows of films do better?
# 4. `--set ranking_units=0`: look at the lists of the three users. What kind of film stands on them now?
# 5. `--set split.fold=last`: the test part is what users rated last. Why is the future harder than a random fifth?

"""Practical 3. Is it a cat or a dog?

Data:    photographs of cats and dogs (Asirra, 2007); licence in datasets/README.md.
Idea:    small filters slide over the picture, find edges, then ears and noses: a convolutional network (CNN).
Expect:  see the header of configs/cats_dogs.yaml.
Run:     practicals run cats_dogs
Try:     --set model=mlp, a network without convolutions; why does it learn so little from so many weights?
"""

# %% [markdown]
# # Is it a cat or a dog?
# A child of three can tell, and nobody can write down how. The pictures are 2,000 photographs with all that life
# brings: cages, hands, sofas, half a cat behind a curtain. A network with a million weights could learn 2,000 pictures
# by heart, so the question of this lesson is how to keep it from doing so.

# %%
from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import keras
import numpy as np
import pandas as pd
from keras import layers, ops
from pydantic import Field, model_validator

from practicals.common import picture_baselines as opponents
from practicals.common import picture_gallery
from practicals.common.callbacks import standard_callbacks
from practicals.common.config import LayerSizes, Optimizer, PracticalConfig, Settings, SplitSettings
from practicals.common.console import say
from practicals.common.data.cards import load_card
from practicals.common.data.examples import Examples, RowsOnDemand
from practicals.common.data.fetch import locate
from practicals.common.data.pictures import Pictures, picture_split, pictures_to_predict, read_pictures
from practicals.common.data.split import Split
from practicals.common.explain import Explanation
from practicals.common.explain.filters import feature_maps, first_filters
from practicals.common.explain.pictures import METHODS, explain_picture
from practicals.common.ladder import Baseline, Step, climb
from practicals.common.layers import Labels, ResizePixels, SmallAtFirst
from practicals.common.outcome import About
from practicals.common.picture_scores import class_scores, finish, score_on_features
from practicals.common.run import Run, Scores
from practicals.common.training import (
    batches_in_order,
    make_optimizer,
    on_one_device,
    predict_batches,
    prepare,
    save_model,
    shuffled_batches,
)
from practicals.common.training.mixing import cut_mix
from practicals.common.training.pictures import resizer
from practicals.common.training.pretrained import find_weights, load_base_weights

# %% [markdown]
# ## The networks of the course
# Two rounds of *convolution* and *pooling*. A convolution slides 32 small filters over the picture and writes down
# where each one finds what it looks for; pooling keeps the strongest answer of each 2 x 2 patch, so the picture shrinks
# and a filter of the next round sees more of it. Then the maps are laid flat, and dense layers decide.


# %%
def course_network(x, classes: int, padding: str, pooling: str):
    """Return the answer of the slide's network for pixels (batch, 64, 64, 3), 0 to 255."""
    pool = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[pooling]
    x = layers.Rescaling(1 / 255)(x)
    x = layers.Conv2D(32, 3, padding=padding, activation="relu")(x)  # -> (batch, 62, 62, 32)
    x = pool(2)(x)  # -> (batch, 31, 31, 32)
    x = layers.Conv2D(32, 3, padding=padding, activation="relu")(x)
    x = pool(2)(x)  # -> (batch, 14, 14, 32)
    x = layers.Flatten()(x)  # -> (batch, 6272)
    x = layers.Dense(128, activation="relu")(x)
    return answer(x, classes)


def answer(x, classes: int, l2: float = 0.0):
    """Return probabilities: of the second class (batch, 1) where there are two, of each (batch, classes) otherwise."""
    units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    return layers.Dense(
        units, activation, kernel_regularizer=keras.regularizers.L2(l2) if l2 else None, dtype="float32"
    )(x)


def mlp_network(x, classes: int, dropout: float):
    """Return the answer of a network without convolutions: every pixel is a column of its own."""
    x = layers.Rescaling(1 / 255)(x)
    x = layers.Flatten()(x)  # (batch, 96, 96, 3) -> (batch, 27648): what lies next to what is lost
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(64, activation="relu")(x)
    return answer(x, classes)


# What else belongs to the slide. It also shears by `0.2`, which are degrees: nobody would see it, so it is left out.
COURSE = {
    "model": "course",
    "transfer": "all",
    "image_size": 64,
    "augmentation.flip": True,
    "augmentation.rotation": 0.0,
    "augmentation.zoom": 0.2,
    "augmentation.translation": 0.0,
    "augmentation.contrast": 0.0,
    "augmentation.brightness": 0.0,
    "augmentation.grey": 0.0,
    "cut_mix": 0.0,
    "small_share": 0.0,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "warm_up_share": 0.0,
    "decay": False,
    "weight_decay": 0.0,
    "batch_size": 32,
    "epochs": 25,
    "mirror": False,
}
# What suits a base that has been trained before: large pictures, gentle changes, few and small steps.
TRANSFER = {
    "image_size": 160,
    "enlarge": 224,
    "augmentation.rotation": 0.04,
    "augmentation.zoom": 0.2,
    "augmentation.translation": 0.0,
    "small_share": 0.0,
    "cut_mix": 0.0,
    "l2": 0.003,
    "learning_rate": 0.0002,
    "warm_up_share": 0.17,
    "weight_decay": 0.0,
    "epochs": 6,
}
# A top alone may take larger steps, and where the base is passed only once, larger pictures cost little.
HEAD = {"learning_rate": 0.001, "warm_up_share": 0.0}
FEATURES = {**HEAD, "enlarge": 288, "batch_size": 64, "epochs": 30}


# %% [markdown]
# ## What is shown, and what is asked
# The network is shown pixels: height x width x 3 numbers from 0 to 255, for red, green and blue. A photograph of any
# size is brought to one size first, by a layer of the model itself. The class is the name of the folder in which a
# picture lies, so your own pictures in two folders or more are a data set too: `--data FOLDER`.

# %%
ABOUT = About(
    title="Is it a cat or a dog?",
    primary="accuracy",
    direction="max",
    monitor="val_loss",
    mode="min",
    tuned="val_accuracy",
    text=__doc__ or "",
)


class PictureSplit(SplitSettings):
    """How pictures are divided before anything is fitted."""

    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of all pictures that is opened once, at the end; not used where the data has a test part of its own."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the pictures outside the test part that early stopping and tuning may look at."""


class Augmentation(Settings):
    """How training pictures are changed, anew in every epoch, without changing what they show."""

    flip: bool = True
    """Mirror half of the pictures, left to right."""
    rotation: Annotated[float, Field(ge=0, le=0.5)] = 0.08
    """Turn by up to this share of a full turn, either way."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Zoom in by up to this share, or out by half of it; height and width each for itself."""
    translation: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Move by up to this share of the side, in both directions."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Raise or lower the contrast by up to this share."""
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Make lighter or darker by up to this share of the whole range."""
    grey: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Take the colour from this share of the pictures: a cat on a blue cushion is no other cat."""
    save: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Write so many changed training pictures of each class into the run folder; from 13 on they are a data set that
    can be trained on with `--data`."""


class CatsDogsConfig(PracticalConfig):
    """Settings of the cats-and-dogs practical."""

    split: PictureSplit = PictureSplit()
    """How pictures are divided into training, validation and test part."""
    deterministic: bool = True
    """Ask TensorFlow for deterministic operations: here without them, the same seed may give other numbers."""
    dataset: Literal["cats_dogs", "cats_dogs_8000"] = "cats_dogs"
    """`cats_dogs`: 2,000 pictures to learn from; `cats_dogs_8000`: four times as many, squashed to 96 x 96."""
    model: Literal["course", "mlp", "scratch", "transfer"] = "scratch"
    """`course`: the slide's; `mlp`: without convolutions; `scratch`: the settings below; `transfer`: pretrained."""
    image_size: Annotated[int, Field(ge=16, le=1024)] = 96
    """Height and width, in pixels, to which pictures are brought."""
    augmentation: Augmentation = Augmentation()
    """How training pictures are changed."""
    padding: Literal["valid", "same"] = "valid"
    """`course`: whether a filter stops at the edge (the map shrinks) or looks beyond it (zeros; the map keeps)."""
    pooling: Literal["max", "average"] = "max"
    """`course`: what is kept of each 2 x 2 patch, the strongest answer or the mean."""
    filters: Annotated[LayerSizes, Field(min_length=1)] = (32, 64, 128, 256)
    """`scratch`: filters of the first layer and of each block after it; each block halves height and width."""
    base: Literal["mobilenet_v2", "vgg16"] = "mobilenet_v2"
    """`transfer`: the network that was trained on ImageNet, 1.3 million pictures of 1,000 classes."""
    base_width: Literal[0.35, 0.5, 0.75, 1.0, 1.3, 1.4] = 0.35
    """`transfer`: filters of MobileNetV2 as a share of the usual number; small is fast."""
    weights: str | None = None
    """`transfer`: file or folder with its weights; empty looks in PRACTICALS_WEIGHTS and Keras' cache, then fetches
    them; `random` takes none, to try the code: its frozen batch normalisation keeps such a base from learning."""
    enlarge: Annotated[int, Field(ge=0, le=1024)] = 0
    """`transfer`: side in pixels to which pictures are enlarged before the base; 0 leaves them as they are."""
    transfer: Literal["features", "head", "top", "all"] = "all"
    """What is trained: a head on `features` computed once; a `head` on augmented pictures; also the `top` layers of
    the base; or `all` of it."""
    unfrozen_layers: Annotated[int, Field(ge=1, le=1000)] = 30
    """`transfer: top`: how many of the last layers of the base are trained too."""
    l2: Annotated[float, Field(ge=0, le=1)] = 0.0
    """`transfer`: price of large weights (squared) in the new top, added to the loss."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of numbers silenced at random before the last layer."""
    small_share: Annotated[float, Field(ge=0, le=1)] = 0.55
    """`scratch`: share of the epochs, the first ones, in which pictures are shrunk by a third: fast, and no worse."""
    cut_mix: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the training pictures into which a piece of another one is pasted; their target is mixed by area."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Ask for 1 - s/2 instead of 1, and s/2 instead of 0, so that the network is never driven to be quite sure."""
    optimizer: Optimizer | Literal["adamw"] = "adamw"
    """The rule that turns gradients into steps; `adamw` also shrinks all weights a little in each step."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.05
    """`adamw`: how much weights shrink, times the learning rate."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.002
    """Length of a step at its longest."""
    warm_up_share: Annotated[float, Field(ge=0, le=0.5)] = 0.08
    """Share of the epochs, the first ones, in which the steps grow to their full length."""
    decay: bool = True
    """Shorten the steps along a cosine after that, down to nothing in the last epoch."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    """Pictures per step."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Most passes over the training pictures."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without progress on validation pictures before training stops; 0 trains to the last epoch and keeps it."""
    mirror: bool = True
    """Look at a picture and at its mirror image, and average the two answers."""
    compare_augmentation: bool = False
    """Train once more without augmentation and draw both learning curves; takes twice as long."""
    ladder: bool = True
    """Also train the course's network, and show it beside this one."""
    ladder_steps: bool = False
    """Also train each step from the course's network to the final one; each takes as long as the run itself."""

    @model_validator(mode="after")
    def _what_goes_together(self) -> Self:
        if self.transfer != "all" and self.model != "transfer":
            raise ValueError(f"transfer {self.transfer} needs model: transfer")
        if self.small_share and self.model != "scratch":
            raise ValueError("small_share needs model: scratch; the others take pictures of one size")
        if self.model in ("scratch", "transfer") and self.image_size < 32:
            raise ValueError("image_size must be at least 32 for these networks, which halve a picture five times")
        return self

    presets: ClassVar = {
        "model": {
            "course": COURSE,
            "mlp": {**COURSE, "model": "mlp", "image_size": 96},
            "transfer": TRANSFER,
        },
        "transfer": {"features": FEATURES, "head": HEAD},
    }


# %% [markdown]
# ## Split first, then fit
# The archive has a test part of its own, and that stays the test part: it is opened once, at the end. The validation
# part is cut from the rest. The same picture saved twice under two names never stands on both sides: pictures are
# compared by their pixels, and a training picture that equals a test picture is left out.


# %%
def load(config: CatsDogsConfig) -> Split[Pictures]:
    """Read the pictures, each decoded once and kept on disk at the size of the network, and divide them."""
    source = locate(load_card(config.dataset), config.data, folders=True)
    found = read_pictures(source, size=config.image_size, resize=resizer(config.image_size))
    return picture_split(found, validation=config.split.validation, test=config.split.test, seed=config.split_seed)


# %% [markdown]
# ## From a file to pixels
# Photographs have all sizes. This layer brings them to one, with *antialias*: each new pixel is the mean of the ones it
# replaces. Without, most pixels of a large photograph would not count at all. The names of the classes travel along in
# the model, so that it can answer "cat" and not "0".


# %%
def build_preprocess(train: Pictures, config: CatsDogsConfig) -> keras.Model:
    """Return a model from pictures of any size (batch, height, width, 3) to what the network is shown."""
    pictures = keras.Input((None, None, 3), name="pixels")
    x = ResizePixels(config.image_size, name="resize")(pictures)  # -> (batch, size, size, 3), still 0 to 255
    x = Labels({"classes": train.classes}, name="classes")(x)
    if config.model == "transfer" and config.transfer == "features":
        # Computed once, for there is nothing in it to train: the mean over the picture and its mirror image.
        pixels = keras.Input(x.shape[1:])
        base = keras.Model(pixels, pretrained_base(pixels, config).output, name="base")
        x = layers.Average()([base(x), base(ops.flip(x, axis=2))]) if config.mirror else base(x)
    return keras.Model(pictures, x)


def encode(preprocess: keras.Model, split: Split[Pictures], config: CatsDogsConfig) -> Split[Examples]:
    """Return pixels, read from disk batch by batch, or the features of a frozen base; classes as 0 or 1, or one-hot."""

    def numbers(pictures: Pictures) -> Examples:
        classes = len(pictures.classes)
        targets = (
            pictures.labels.astype("float32") if classes == 2 else np.eye(classes, dtype="float32")[pictures.labels]
        )
        if config.model == "transfer" and config.transfer == "features":
            features = [predict_batches(preprocess, block, block_rows=64) for block in pictures.blocks()]
            return Examples(np.concatenate(features), targets)
        return Examples(
            RowsOnDemand(lambda rows: at_size(pictures[rows].pixels), len(pictures), (size, size, 3)), targets
        )

    def at_size(pixels: np.ndarray) -> np.ndarray:
        # The ladder also trains smaller networks on these pictures.
        return pixels if pixels.shape[1] == size else predict_batches(preprocess, pixels, block_rows=64).astype("uint8")

    size = config.image_size
    return split.map(numbers)


# %% [markdown]
# ## Augmentation: more pictures out of the same
# A cat that is mirrored, turned a little or moved aside is still a cat. The layers below change every training picture
# at random, anew in every epoch, so that the network never sees the same pixels twice and cannot learn them by heart.
# When it predicts, Keras switches them off.


# %%
def augmentation_layers(config: CatsDogsConfig) -> list[layers.Layer]:
    """Return the layers of the settings; each takes and gives pixels (batch, height, width, channels), 0 to 255."""
    chosen, whole = config.augmentation, {"fill_mode": "reflect"}
    found = {
        "flip": chosen.flip and layers.RandomFlip("horizontal"),
        "translation": chosen.translation and layers.RandomTranslation(chosen.translation, chosen.translation, **whole),
        "rotation": chosen.rotation and layers.RandomRotation(chosen.rotation, **whole),
        "zoom": chosen.zoom and layers.RandomZoom(*[(-chosen.zoom, chosen.zoom / 2)] * 2, **whole),
        "contrast": chosen.contrast and layers.RandomContrast(chosen.contrast, value_range=(0, 255)),
        "brightness": chosen.brightness and layers.RandomBrightness(chosen.brightness),
        "grey": chosen.grey and layers.RandomGrayscale(chosen.grey),
    }
    return [layer for layer in found.values() if layer]


# %% [markdown]
# ## The better network
# The same idea, as it is built today. A *stem* with a stride makes the picture small at once. Each *stage* halves it
# again, looks, and looks twice more with a bridge around: if there is nothing to add, nothing is added, and the
# gradient passes. *Batch normalisation* keeps the numbers of each map in range. At the end each map is averaged to one
# number (*global pooling*): where the cat sits no longer matters, and there is no large dense layer to learn by heart.


# %%
def scratch_network(x, classes: int, config: CatsDogsConfig):
    """Return the answer of the network of the settings for pixels (batch, height, width, 3), 0 to 255."""
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = look(x, config.filters[0], kernel=5, strides=2)  # (batch, 96, 96, 3) -> (batch, 48, 48, filters)
    for filters in config.filters[1:]:
        x = layers.MaxPooling2D(2, padding="same")(x)  # half as high and wide
        x = look(x, filters)
        more = look(look(x, filters), filters, bend=False)
        x = layers.Activation("relu")(layers.Add()([x, more]))
    x = layers.GlobalAveragePooling2D()(x)  # (batch, 6, 6, filters) -> (batch, filters)
    x = layers.Dropout(config.dropout)(x)
    return answer(x, classes)


def look(x, filters: int, kernel: int = 3, strides: int = 1, bend: bool = True):
    """Return the maps of one convolution, brought into range; with `bend`, what is below zero is cut off."""
    x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.Activation("relu")(x) if bend else x


# %% [markdown]
# ## Or stand on the shoulders of others
# Somebody has trained a network on 1.3 million photographs. Its first layers know edges and fur, its last ones ears and
# snouts; only its answer, one of 1,000 classes, is not ours. So its top is cut off and a new one put on. How much of
# the rest is trained again is a setting: nothing (`features`, `head`), the `top` layers, or `all`, in small steps,
# since large ones would wipe out what was learned.


# %%
def pretrained_base(x, config: CatsDogsConfig) -> keras.Model:
    """Return a network without its top, with its weights, on pixels (batch, height, width, 3), 0 to 255."""
    if config.enlarge:
        x = layers.Resizing(config.enlarge, config.enlarge)(x)
    if config.base == "vgg16":
        # As it was trained: blue first, and the mean colour of ImageNet taken away.
        x = layers.Normalization(mean=[103.939, 116.779, 123.68], variance=[1.0, 1.0, 1.0])(ops.flip(x, axis=-1))
        base = keras.applications.VGG16(input_tensor=x, include_top=False, pooling="avg", weights=None)
    else:
        x = layers.Rescaling(1 / 127.5, offset=-1)(x)
        base = keras.applications.MobileNetV2(
            input_tensor=x, include_top=False, pooling="avg", alpha=config.base_width, weights=None
        )
    if config.weights != "random":
        size = config.enlarge or config.image_size
        load_base_weights(base, find_weights(config.base, config.base_width, size, config.weights))
    return base


def transfer_network(x, classes: int, config: CatsDogsConfig):
    """Return the answer of a pretrained network with a new top, and make trainable what the settings say."""
    if config.transfer != "features":
        base = pretrained_base(x, config)
        count = len(base.layers)
        trained = {"head": 0, "top": min(config.unfrozen_layers, count), "all": count}[config.transfer]
        for place, layer in enumerate(base.layers):
            # Batch normalisation keeps the means of ImageNet: those of 32 pictures would be too rough.
            layer.trainable = place >= count - trained and not isinstance(layer, layers.BatchNormalization)
        x = base.output  # -> (batch, 1280)
    x = layers.Dropout(config.dropout)(x)
    return answer(x, classes, config.l2)


def build_model(config: CatsDogsConfig, preprocess: keras.Model) -> keras.Model:
    """Return the compiled network: what `preprocess` gives -> probability of the second class, or of each class."""
    classes = len(preprocess.get_layer("classes").values["classes"])
    inputs = x = keras.Input(preprocess.output_shape[1:])
    if config.small_share:
        x = SmallAtFirst(round(config.image_size * 2 / 3), name="small_at_first")(x)
    if config.model != "transfer" or config.transfer != "features":
        for layer in augmentation_layers(config):
            x = layer(x)
    if config.model == "course":
        outputs = course_network(x, classes, config.padding, config.pooling)
    elif config.model == "mlp":
        outputs = mlp_network(x, classes, config.dropout)
    elif config.model == "transfer":
        outputs = transfer_network(x, classes, config)
    else:
        outputs = scratch_network(x, classes, config)
    network = keras.Model(inputs, outputs, name="network")
    if config.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay)
    else:
        optimizer = make_optimizer(config.optimizer, config.learning_rate)
    kind = keras.losses.BinaryCrossentropy if classes == 2 else keras.losses.CategoricalCrossentropy
    loss = kind(label_smoothing=config.label_smoothing)
    network.compile(optimizer=optimizer, loss=loss, metrics=[accuracy], **on_one_device(jit_compile="auto"))
    return network


def accuracy(truth, probability):
    """Return for each picture whether its class, of a mixed one that of the larger part, is named: (batch,)."""
    if probability.shape[-1] == 1:
        # In one shape: (batch,) against (batch, 1) would compare every picture with every other.
        return ops.cast((ops.reshape(truth, (-1,)) > 0.5) == (probability[:, 0] > 0.5), "float32")
    return ops.cast(ops.argmax(truth, axis=-1) == ops.argmax(probability, axis=-1), "float32")


# %% [markdown]
# ## Training
# The steps begin small, since at first every gradient is wild, grow to their full length, and then shrink along a
# cosine down to nothing, so that the network settles. Two more things help, and both are about what is shown. In the
# first half the pictures are *small*: coarse shapes come first, and small pictures are done in half the time. And into
# half of them a piece of another picture is pasted (*CutMix*): a picture that is 70 % cat and 30 % dog has the target
# 0.3, and the network has to look at all of it.


# %%
def step_length(epoch: int, config: CatsDogsConfig) -> float:
    """Return the learning rate of an epoch, counted from 0."""
    warm_up = round(config.warm_up_share * config.epochs)
    if epoch < warm_up:
        return config.learning_rate * (epoch + 1) / (warm_up + 1)
    if not config.decay:
        return config.learning_rate
    done = (epoch - warm_up) / (config.epochs - warm_up)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def fit(
    network: keras.Model, data: Split[Examples], config: CatsDogsConfig, callbacks=(), initial_epoch: int = 0
) -> keras.callbacks.History:
    """Train the network. Batches come in an order that follows from (seed, epoch), so a resumed run sees the same."""
    batches, reshuffle = shuffled_batches(*data.train, batch_size=config.batch_size, seed=config.seed)
    if config.cut_mix:
        batches = cut_mix(batches, reshuffle, config.cut_mix)
    by_epoch = [keras.callbacks.LearningRateScheduler(lambda epoch, rate: step_length(epoch, config))]
    if config.small_share:
        is_small = network.get_layer("small_at_first").is_small
        by_epoch.append(
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: is_small.assign(epoch < config.small_share * config.epochs)
            )
        )
    return network.fit(
        batches,
        validation_data=batches_in_order(data.validation, batch_size=64),
        epochs=config.epochs,
        initial_epoch=initial_epoch,
        callbacks=[reshuffle, *by_epoch, *callbacks],
        shuffle=False,  # `batches` does it, by seed and epoch
        verbose=0,
    )


# %% [markdown]
# ## The whole model
# The saved model takes a picture of any size and gives a probability for each class. A cat in a mirror is the same cat,
# so it may look twice, at the picture and at its mirror image, and average the two answers.


# %%
def assemble(preprocess: keras.Model, network: keras.Model, mirror: bool = False) -> keras.Model:
    """Return the whole model: pictures (batch, height, width, 3), 0 to 255, to `probability` (batch, classes)."""
    if mirror and len(preprocess.output_shape) == 4:
        both = [network(preprocess.output), network(ops.flip(preprocess.output, axis=2))]
        chance = layers.Average(dtype="float32")(both)
    else:
        chance = network(preprocess.output)
    if chance.shape[-1] == 1:
        chance = layers.Concatenate(dtype="float32")(
            [layers.Rescaling(-1.0, offset=1.0, dtype="float32")(chance), chance]
        )
    return keras.Model(preprocess.input, {"probability": chance}, name="cats_dogs")


def probabilities(model: keras.Model, pictures: Pictures) -> np.ndarray:
    """Return (pictures, classes); pixels are read from disk a few hundred at a time."""
    answers = [predict_batches(model, block, block_rows=64)["probability"] for block in pictures.blocks()]
    return np.concatenate(answers).astype("float64")


def predict(model: keras.Model, pictures: Pictures) -> pd.DataFrame:
    """Return `label`, its `probability`, and the `problem` of a picture that could not be read."""
    classes = np.array(model.get_layer("classes").values["classes"], dtype=object)
    table = pd.DataFrame({"label": "", "probability": np.nan, "problem": pictures.problems}, index=pictures.index)
    if pictures.readable.any():
        chance = probabilities(model, pictures[pictures.readable])
        table.loc[pictures.readable, "label"] = classes[chance.argmax(axis=1)]
        table.loc[pictures.readable, "probability"] = chance.max(axis=1)
    return table


def evaluate(model: keras.Model, pictures: Pictures) -> dict[str, float]:
    """Return all scores on the pictures of one part."""
    return class_scores(pictures.labels, probabilities(model, pictures))


# %% [markdown]
# ## Is it any good?
# Half of the pictures are cats, so guessing gets 50 %. The other two opponents are what was done before networks: a
# weight for each pixel of a small grey picture, and a weight for each *direction of edges* in each part of the picture
# (histograms of oriented gradients, Dalal & Triggs, 2005).


# %%
def baselines(split: Split[Pictures], config: CatsDogsConfig) -> list[Baseline]:
    """Fit the opponents on the training pictures and score them on the same pictures as the network."""
    entries = (
        (
            "majority",
            "naive",
            "Says for every picture how frequent each class is.",
            opponents.majority(),
            opponents.no_features,
        ),
        (
            "logistic regression on pixels",
            "classical",
            "One weight for each pixel of a small grey picture.",
            opponents.logistic_regression(strength=0.001),
            opponents.grey_thumbnails,
        ),
        (
            "logistic regression on edges",
            "classical",
            "One weight for each direction of edges in each part of the picture (HOG).",
            opponents.logistic_regression(strength=0.001),
            opponents.gradient_histograms,
        ),
    )
    return score_on_features(entries, split)


# %% [markdown]
# ## One step at a time
# What makes the network better than the slide's? Each step is added alone to what stands above it and trained afresh;
# its gain is read on validation pictures. That takes as long as the run itself for every step, so it is done on
# request: `--set ladder_steps=true`.

# %%
STEPS = (
    Step("more pixels", {"image_size": 96}, "A snout is a few pixels wide at 64, and a few more at 96."),
    Step(
        "stages with bridges, batch normalisation, global pooling",
        {"model": "scratch", "filters": [32, 64, 128, 256], "dropout": 0.3},
        "A deeper network that can still be trained, without the large dense layer.",
    ),
    Step(
        "long training with shrinking steps",
        {
            "optimizer": "adamw",
            "learning_rate": 0.002,
            "warm_up_share": 0.08,
            "decay": True,
            "weight_decay": 0.05,
            "epochs": 100,
            "small_share": 0.55,
        },
        "Four times as many epochs, of which the first half on small pictures; at the end the network settles.",
    ),
    Step(
        "stronger augmentation",
        {
            "augmentation.rotation": 0.08,
            "augmentation.zoom": 0.3,
            "augmentation.translation": 0.15,
            "augmentation.contrast": 0.3,
            "augmentation.brightness": 0.15,
        },
        "The network sees other pixels in every epoch, so that long training does not become learning by heart.",
    ),
    Step("pieces of other pictures (CutMix)", {"cut_mix": 0.5}, "It has to look at all of the picture."),
    Step("mirror image", {"mirror": True}, "Two looks at the same picture, averaged."),
)


def try_out(config: CatsDogsConfig, split: Split[Pictures]) -> keras.Model:
    """Train afresh with these settings and return the assembled model."""
    prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    preprocess = build_preprocess(split.train, config)
    network = build_model(config, preprocess)
    stop = keras.callbacks.EarlyStopping(
        ABOUT.monitor, mode=ABOUT.mode, patience=config.patience, restore_best_weights=True
    )
    fit(network, encode(preprocess, split, config), config, [stop] if config.patience else [])
    return assemble(preprocess, network, config.mirror)


def search_space(hp, config: CatsDogsConfig) -> CatsDogsConfig:
    """Return the settings with those of one trial put in; `hp` is a keras_tuner.HyperParameters."""
    blocks, units = hp.Int("layers", 2, 4), hp.Choice("units", [16, 24, 32])
    return config.with_changes(
        {
            "filters": [units * 2**block for block in range(blocks + 1)],
            "dropout": hp.Float("dropout", 0.0, 0.6, step=0.1),
            "learning_rate": hp.Float("learning_rate", 5e-4, 5e-3, sampling="log"),
            "weight_decay": hp.Choice("weight_decay", [0.005, 0.02, 0.05, 0.1]),
        },
        source="search space",
    )


# %% [markdown]
# ## Why does it say so?
# Which pixels made it a dog? Six methods answer, and none of them is to be believed because its picture looks good.
# Two checks judge each: take away the pixels that it calls important, and the probability must fall faster than for
# pixels taken at random; shuffle the weights of the network, and the explanation must change (Adebayo et al., 2018).


# %%
def telling_picture(pictures: Pictures, chance: np.ndarray) -> Pictures:
    """Return one that is rightly named and of which the model is sure, but not so sure that nothing could shake it."""
    sureness = np.where(chance.argmax(axis=1) == pictures.labels, chance.max(axis=1), 0.0)
    return pictures[[int(np.abs(sureness - 0.95).argmin())]]


def explain(
    model: keras.Model,
    split: Split[Pictures],
    config: CatsDogsConfig,
    row: Pictures | None = None,
    methods=METHODS,
) -> dict[str, Explanation]:
    """Explain one picture: by default a telling one of the test part."""
    if row is None:
        row = telling_picture(split.test, probabilities(model, split.test))
    known = split.train[np.random.default_rng(config.seed).permutation(len(split.train))[:100]]
    return explain_picture(
        model,
        pixels=row.pixels[0],
        subject=str(row.index[0]),
        truth=row.classes[row.labels[0]] if len(row.classes) and row.labels[0] >= 0 else "",
        background=known.pixels,
        methods=methods,
        seed=config.seed,
    )


def identify(rows: Pictures) -> pd.DataFrame:
    """Return what stands before a prediction: the file."""
    return pd.DataFrame({"file": rows.files}, index=rows.index)


def read_inputs(model: keras.Model, paths: list[Path]) -> Pictures:
    """Read pictures of the user's, files and folders; one that cannot be read keeps its line, with the reason."""
    size = model.get_layer("resize").size
    return pictures_to_predict(paths, size=size, resize=resizer(size))


# %% [markdown]
# ## What the network sees
# The report shows one picture as it looks in twelve epochs, the filters of the first layer, and some of the maps that
# they draw. With `--set compare_augmentation=true` the network is trained a second time, on the bare pictures; where do
# the two learning curves part?


# %%
def augment(pixels: np.ndarray, config: CatsDogsConfig) -> np.ndarray:
    """Return each picture as it might look in training: (pictures, height, width, 3) to the same, both uint8."""
    shown = ops.convert_to_tensor(pixels, dtype="float32")
    for layer in augmentation_layers(config):
        shown = layer(shown, training=True)
    return ops.convert_to_numpy(ops.clip(ops.round(shown), 0, 255)).astype("uint8")


def picture_book(run: Run, model: keras.Model, split: Split[Pictures], config: CatsDogsConfig) -> dict[str, object]:
    """Write what the network sees as pictures for the report, and on request a data set made by augmentation."""
    if config.augmentation.save:
        folder = picture_gallery.save_augmented(
            run, split.train, lambda pixels: augment(pixels, config), each=config.augmentation.save, seed=config.seed
        )
        say(f"{config.augmentation.save} changed pictures of each class: {folder}")
    one = split.train[[0]].pixels
    book = {
        "filters": picture_gallery.filters(run, first_filters(model), "the first layer"),
        "feature_maps": picture_gallery.feature_maps(run, feature_maps(model, one[0]), one[0]),
    }
    if config.model != "transfer" or config.transfer != "features":  # those are computed once, of bare pictures
        used = [f"{name} {value:g}" for name, value in config.augmentation if name not in ("flip", "save") and value]
        said = ", ".join([*(["mirrored or not"] if config.augmentation.flip else []), *used])
        draws = augment(np.repeat(one, 12, axis=0), config)
        book["augmented"] = picture_gallery.augmented(run, one[0], draws, f"Settings: {said or 'no augmentation'}.")
    return book


BARE = {
    f"augmentation.{name}": False if name == "flip" else 0.0
    for name in ("flip", "rotation", "zoom", "translation", "contrast", "brightness", "grey")
} | {"cut_mix": 0.0}


def train_without_augmentation(data: Split[Examples], preprocess: keras.Model, config: CatsDogsConfig) -> pd.DataFrame:
    """Return the history of a fit that differs in this alone."""
    bare = config.with_changes(BARE, "without augmentation")
    prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    history = fit(build_model(bare, preprocess), data, bare)
    return pd.DataFrame(history.history).assign(epoch=history.epoch)


def count_weights(network: keras.Model, classes: int, size: int) -> list[dict[str, object]]:
    """Return the number of parameters of this network, and of `mlp_network` on the same pixels."""
    outputs = 1 if classes == 2 else classes
    flat = (size * size * 3 + 1) * 128 + (128 + 1) * 64 + (64 + 1) * outputs  # one more input each: the bias
    return [
        {"name": "this network", "parameters": network.count_params()},
        {"name": "the same pixels without convolutions (`model: mlp`)", "parameters": flat},
    ]


# %% [markdown]
# ## The whole story


# %%
def main(config: CatsDogsConfig, run: Run) -> Scores:
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
        tensorboard=config.tensorboard,
    )
    fit(network, data, config, callbacks.callbacks, callbacks.state.initial_epoch)
    model = assemble(preprocess, network, config.mirror)
    save_model(model, run.model_path)

    made = baselines(split, config)
    course = config.with_changes(COURSE, "course")
    rungs = climb(course, STEPS if config.ladder_steps else (), split, try_out, evaluate) if config.ladder else []
    bare = train_without_augmentation(data, preprocess, config) if config.compare_augmentation else None
    curves = {"with": run.history(), "without": bare} if bare is not None else {}
    chances = split.map(lambda pictures: probabilities(model, pictures))  # the test pictures are looked at here, once
    for name, explanation in explain(model, split, config, telling_picture(split.test, chances.test)).items():
        explanation.write(run, name)
    return finish(
        run,
        config,
        ABOUT,
        split=split,
        network=network,
        probabilities=chances,
        scores=Split(
            class_scores(split.train.labels, chances.train),
            class_scores(split.validation.labels, chances.validation),
            class_scores(split.test.labels, chances.test),
        ),
        baselines=made,
        rungs=rungs,
        fit_seconds=callbacks.state.seconds,
        best_epoch_kept=config.patience > 0,
        augmentation_curves=curves,
        networks=count_weights(network, len(split.train.classes), config.image_size),
        gallery=picture_book(run, model, split, config),
    )


# %% [markdown]
# ## Questions
# Each is answered by changing one setting and reading the report again.
#
# 1. `--set model=mlp`: it has many times as many weights as the CNN; why is it worse, on training pictures too?
# 2. `--set compare_augmentation=true`: at which epoch do the two validation curves part, and what do the losses do?
# 3. `--set model=transfer`: how many pictures would you need to get as far from scratch? Try `dataset=cats_dogs_8000`.
# 4. `--set padding=same` with `model=course`: how many parameters more, and where do they come from?
# 5. `--set augmentation.rotation=0.5`: cats upside down; does it help the test pictures? Why not?

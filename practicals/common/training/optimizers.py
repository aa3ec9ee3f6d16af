"""The optimizers of the course by the names of their settings."""

from __future__ import annotations

import keras

from practicals.common.config import Optimizer


def make_optimizer(name: Optimizer, learning_rate: float, clip_norm: float = 0.0) -> keras.optimizers.Optimizer:
    """Return an optimizer; `momentum` and `nesterov` are SGD with momentum 0.9, the rest are Keras' own classes.

    Args:
        name: as in the setting `optimizer`.
        learning_rate: length of a step.
        clip_norm: a gradient longer than this is shortened to it; 0 lets every one through.
    """
    common = {"learning_rate": learning_rate, "clipnorm": clip_norm or None}
    if name in ("sgd", "momentum", "nesterov"):
        momentum = 0.0 if name == "sgd" else 0.9
        return keras.optimizers.SGD(momentum=momentum, nesterov=name == "nesterov", **common)
    classes = {
        "adagrad": keras.optimizers.Adagrad,
        "adadelta": keras.optimizers.Adadelta,
        "rmsprop": keras.optimizers.RMSprop,
        "adam": keras.optimizers.Adam,
        "adamax": keras.optimizers.Adamax,
        "nadam": keras.optimizers.Nadam,
        "ftrl": keras.optimizers.Ftrl,
    }
    return classes[name](**common)

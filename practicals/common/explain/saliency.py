"""SHAP's gradients, Grad-CAM and saliency: what the network's own derivatives say about a picture."""

from __future__ import annotations

import keras
import numpy as np
import scipy.ndimage

from practicals.common.explain.checks import background_check
from practicals.common.explain.coding import Matrix
from practicals.common.explain.explanation import PICTURE, Check
from practicals.common.explain.picture_methods import Found, Task
from practicals.common.explain.picture_parts import AREAS, Pixels, grid, sums
from practicals.common.explain.shap_tables import numpy_seed_kept

GRADIENTS = 640
"""Pictures between this one and others at which SHAP's gradients are taken; half of them for each of two explainers."""
GRADIENT_BATCH = 32
NOISY_COPIES = 24
NOISE = 0.15 * 255
"""Standard deviation in grey levels; Smilkov et al. saw most with 10 to 20 % of the range."""


def shap_gradient(task: Task, *, quick: bool = False) -> Found:
    """Explain by SHAP's gradients (expected gradients, Erion et al., 2021), on the way from other pictures to this one.

    The gradient of the probability at random points between this picture and random other pictures, times the
    difference of the two. Contributions add up to the probability minus the mean one of the others, up to sampling
    error.

    Args:
        task: what is to be explained, with at least two other pictures.
        quick: half as many gradients and no check, for a comparison.
    """
    import shap  # Takes a second, and only an explanation needs it.

    halves: list[Matrix] = []
    kept, inner = task.opened.kept, task.opened.inner
    if "gradient explainer" not in kept:
        # SHAP gives the model a list of inputs, so it must expect one. And it calls the model once without saying
        # `training=False`; Keras 3.15 then takes the default of an augmentation layer, which is to train, for all
        # layers, and batch normalisation moves its averages: explaining would change the model. So it is said here.
        pixels = keras.Input(inner.input_shape[1:])
        model = keras.Model([pixels], inner(pixels, training=False))
        kept["gradient explainer"] = shap.GradientExplainer(model, task.background, batch_size=GRADIENT_BATCH)
    explainer = kept["gradient explainer"]
    with numpy_seed_kept():
        for half in (0,) if quick else (0, 1):
            others = task.background if quick else task.background[half::2]
            explainer.explainer.data = [others.astype(np.float32)]
            values, _ = explainer.shap_values(
                task.picture[None].astype(np.float32),
                nsamples=GRADIENTS // 2,
                ranked_outputs=np.array([[task.label]]),
                output_rank_order="custom",
                rseed=task.seed + half,
            )
            halves.append(np.asarray(values, dtype=np.float64).reshape(task.size, task.size, 3).sum(axis=2))
    heat = np.mean(halves, axis=0)
    base_value = float(task.opened.probability(task.background, task.label).mean())
    return Found(
        heat,
        signed=True,
        additive=True,
        base_value=base_value,
        settings={
            "gradients": GRADIENTS // 2 * len(halves),
            "background_pictures": len(task.background),
            "local_prediction": base_value + float(heat.sum()),
        },
        checks=() if quick else (_halves_check(halves),),
    )


def _halves_check(halves: list[Matrix]) -> Check:
    # Over the areas by which the contributions are named; from pixel to pixel gradients are noisy.
    first, second = (sums(half, grid(len(half), AREAS)) for half in halves)
    return background_check(first, second, words=PICTURE)


def grad_cam(task: Task, layer: keras.Layer, *, quick: bool = False) -> Found:
    """Explain by Grad-CAM (Selvaraju et al., 2017): where the last feature maps that speak for the class are bright.

    Each map counts by the mean gradient of the log-odds on it; what speaks against the class is left out.

    Args:
        task: what is to be explained.
        layer: the last one with feature maps.
        quick: makes no difference.
    """
    del quick
    maps, gradients = task.opened.maps_and_gradients(task.picture[None], task.label, layer)
    strength = np.maximum((maps * gradients.mean(axis=(0, 1))).sum(axis=2), 0).astype(np.float64)
    factors = [task.size / side for side in strength.shape]
    # Linear between the centres of the cells, as the cells are pictures of squares of the picture.
    heat = np.maximum(scipy.ndimage.zoom(strength, factors, order=1, mode="nearest", grid_mode=True), 0)
    rows, columns = strength.shape
    return Found(heat, signed=False, settings={"layer": layer.name, "cells": f"{rows} x {columns}"})


def saliency(task: Task, *, quick: bool = False) -> Found:
    """Explain by a saliency map (Simonyan et al., 2014): how strongly do the log-odds react to each pixel?

    Averaged over noisy copies (SmoothGrad, Smilkov et al., 2017), since the gradient at one point is mostly noise.

    Args:
        task: what is to be explained.
        quick: half as many copies, for a comparison.
    """
    copies = NOISY_COPIES // 2 if quick else NOISY_COPIES
    noise = np.random.default_rng(task.seed).normal(0, NOISE, (copies, *task.picture.shape))
    noisy: Pixels = (task.picture + noise).astype(np.float32)
    gradient = task.opened.gradients(noisy, task.label).mean(axis=0, dtype=np.float64)
    settings: dict[str, int | float | str] = {"noisy_copies": copies, "noise_grey_levels": round(NOISE)}
    return Found(np.abs(gradient).sum(axis=2), signed=False, settings=settings)

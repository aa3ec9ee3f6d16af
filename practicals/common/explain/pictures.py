"""Explain a picture model: which parts of the picture make it a cat? A lesson calls `explain_picture`."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Sequence
from functools import partial

import keras
import numpy as np
from PIL import Image

from practicals.common.console import say
from practicals.common.explain.agreement import check_methods
from practicals.common.explain.coding import Matrix
from practicals.common.explain.explanation import (
    PICTURE_METHODS,
    Attribution,
    Check,
    Explanation,
    PictureTrace,
    by_size,
)
from practicals.common.explain.picture_checks import (
    BLOCKS,
    Curves,
    curve_checks,
    curves_of,
    random_curves,
    shares,
    shuffled_check,
)
from practicals.common.explain.picture_methods import BLUR_SHARE, Found, Task, lime, masked, occlusion, shap
from practicals.common.explain.picture_model import OpenedModel
from practicals.common.explain.picture_parts import AREAS, Pixels, blurred, grid, means, place_names, sums
from practicals.common.explain.saliency import grad_cam, saliency, shap_gradient

METHODS = tuple(PICTURE_METHODS)
FEWEST_BACKGROUND = 2
MOST_CELLS = 48
"""Rows and columns of a heat map in a file; a finer one is averaged."""
MOST_ATTRIBUTIONS = 40

Method = Callable[..., Found]
"""From a `Task`, and whether to be quick and leave the method's own checks out."""


def explain_picture(
    model: keras.Model,
    *,
    pixels: Pixels,
    subject: str,
    truth: str,
    background: Pixels,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
) -> dict[str, Explanation]:
    """Explain the probability of the predicted class, each explanation with the checks that say how far to trust it.

    Args:
        model: pixels (n, height, width, 3), 0..255 RGB, to `{"probability": (n, classes)}`; see `OpenedModel`.
        pixels: uint8 (size, size, 3), the picture at the size of the layer `resize`.
        subject: the name of the picture.
        truth: its real class; "" when unknown.
        background: uint8 (k, size, size, 3), other pictures, with which `shap_gradient` compares. With
            20, the ranking still depends on which they are.
        methods: any of `METHODS`.
        seed: of everything drawn; the same seed gives the same explanation.

    Returns:
        Method -> explanation. `grad_cam` is left out for a network without convolutions and `shap_gradient` without
        at least two background pictures, which is said.

    Raises:
        PracticalError: a method is unknown.
        RunError: the model does not answer with numbers.
    """
    check_methods(methods, METHODS)
    opened = OpenedModel.of(model)
    label = int(opened.probabilities(pixels[None])[0].argmax())
    task = Task(opened, pixels, label, seed, background)
    blocks = grid(len(pixels), BLOCKS)
    shown_blocks = masked(opened, pixels, blurred(pixels, len(pixels) / BLUR_SHARE), blocks, label)
    others = random_curves(shown_blocks, blocks, seed)
    explanations: dict[str, Explanation] = {}
    for name, method in _chosen(task, methods).items():
        say(f"Explaining picture {subject}: {PICTURE_METHODS[name]} ...")
        start = time.perf_counter()
        found = method(task)
        own = curves_of(found.heat, shown_blocks, blocks)
        with opened.shuffled_weights(seed):
            shuffled = method(task, quick=True).heat
        checks = (
            *found.checks,
            *curve_checks(own, others, opened.classes[label]),
            shuffled_check(found.heat * (not found.shows_nothing), shuffled),
        )
        explanations[name] = _explanation(
            name, subject, task, found, checks, _trace(task, found, truth, own, others), time.perf_counter() - start
        )
    return explanations


def _explanation(
    method: str,
    subject: str,
    task: Task,
    found: Found,
    checks: tuple[Check, ...],
    trace: PictureTrace,
    seconds: float,
) -> Explanation:
    return Explanation(
        method=method,
        scope="row",
        subject=subject,
        unit="probability",
        prediction=task.prediction(),
        base_value=found.base_value,
        attributions=tuple(_attributions(found)),
        checks=checks,
        settings={"seed": task.seed, **found.settings},
        seconds=seconds,
        picture=trace,
    )


def _chosen(task: Task, methods: Sequence[str]) -> dict[str, Method]:
    """Return the methods that this network and this background allow; say why one is left out."""
    every: dict[str, Method] = {"lime": lime, "shap": shap, "occlusion": occlusion, "saliency": saliency}
    if len(task.background) >= FEWEST_BACKGROUND:
        every["shap_gradient"] = shap_gradient
    elif "shap_gradient" in methods:
        say("SHAP's gradients are left out: they compare with other pictures, and need at least two.")
    layer = task.opened.last_maps()
    if layer is not None:
        every["grad_cam"] = partial(grad_cam, layer=layer)
    elif "grad_cam" in methods:
        say("Grad-CAM is left out: it reads feature maps, and this network has no convolutions.")
    return {name: every[name] for name in METHODS if name in methods and name in every}


def _attributions(found: Found) -> list[Attribution]:
    """Name the parts of the picture, LIME's own segments or equal areas, with what each is worth; largest first."""
    size = len(found.heat)
    regions = grid(size, AREAS) if found.segments is None else found.segments
    places = place_names(regions)
    names = [f"segment {number} ({place})" for number, place in enumerate(places, start=1)]
    if found.segments is None:
        names = [f"row {i // AREAS + 1}, column {i % AREAS + 1} ({place})" for i, place in enumerate(places)]
    worth = sums(found.heat, regions) if found.additive else means(found.heat, regions)
    if not found.signed:
        worth = worth / max(found.heat.max(), np.finfo(float).tiny)
    areas = sums(np.full(found.heat.shape, 100 / size**2), regions)
    return by_size(names, [f"{area:.1f} %" for area in areas], worth.tolist())[:MOST_ATTRIBUTIONS]


def _trace(task: Task, found: Found, truth: str, own: Curves, others: list[Curves]) -> PictureTrace:
    file = io.BytesIO()
    Image.fromarray(task.picture).save(file, "PNG", optimize=True)
    return PictureTrace(
        png=base64.b64encode(file.getvalue()).decode("ascii"),
        label=task.opened.classes[task.label],
        truth=truth,
        heat=_cells(found),
        signed=found.signed,
        curves={
            "share": _rounded(shares()),
            "deletion": _rounded(own.deletion),
            "insertion": _rounded(own.insertion),
            "random_deletion": _rounded(np.mean([other.deletion for other in others], axis=0)),
            "random_insertion": _rounded(np.mean([other.insertion for other in others], axis=0)),
        },
    )


def _cells(found: Found) -> tuple[tuple[float, ...], ...]:
    """Return the heat map with at most `MOST_CELLS` rows and columns."""
    size = len(found.heat)
    side = -(-size // -(-size // MOST_CELLS))  # so that each cell has equally many pixels where that is possible
    regions = grid(size, side)
    cells = (sums if found.additive else means)(found.heat, regions)
    if not found.signed:
        cells = cells / max(cells.max(), np.finfo(float).tiny)
    return tuple(_rounded(row) for row in cells.reshape(side, side))


def _rounded(values: Matrix) -> tuple[float, ...]:
    """Five digits, which are more than any of these methods means."""
    return tuple(float(f"{value:.5g}") for value in values)

"""LIME, SHAP and occlusion for pictures: hide parts of the picture, and see what the probability does.

None of them looks into the network. They differ in what is hidden, in what stands there instead, and in how the
answers become one number per part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from practicals.common.explain.checks import TINY, fit_check, stability_check
from practicals.common.explain.coding import Answer, Matrix, Vector
from practicals.common.explain.explanation import PICTURE, Check
from practicals.common.explain.lime_tables import LocalModel, weights_of
from practicals.common.explain.picture_checks import blur_check
from practicals.common.explain.picture_model import OpenedModel
from practicals.common.explain.picture_parts import Pixels, Regions, blurred, grid, halves, segmented
from practicals.common.explain.shap_tables import interpreted, numpy_seed_kept

LIME_SAMPLES = 400
LIME_SEEDS = 3
LIME_QUICK_SAMPLES = 250

SHAP_CELLS = 16
"""Rows and columns of the smallest parts among which SHAP shares the probability out."""
SHAP_EVALUATIONS = 400
BLUR_SHARE = 12
"""The picture that stands for "unknown" is blurred over a twelfth of its side: colours stay, shapes are gone."""

PATCH_SHARE = 6
"""Occlusion's patch is a sixth of the picture wide and moves by half of itself."""

ROWS_AT_ONCE = 256
"""So that memory does not grow with the number of altered pictures."""


@dataclass(frozen=True)
class Task:
    """What is to be explained: why this picture gets this probability of this class."""

    opened: OpenedModel
    picture: Pixels
    """(size, size, 3), 0..255."""
    label: int
    seed: int
    background: Pixels
    """(k, size, size, 3), other pictures with which SHAP's gradients compare."""

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return len(self.picture)

    def prediction(self) -> float:
        """The probability of the label."""
        return float(self.opened.probability(self.picture[None], self.label)[0])


@dataclass(frozen=True)
class Found:
    """What a method has found about one picture."""

    heat: Matrix
    """(size, size), how much each pixel speaks for the label."""
    signed: bool
    """Whether a number below zero speaks against the label, in probability. Otherwise the heat has no unit."""
    additive: bool = False
    """Whether the heat is a contribution per pixel, so that a part of the picture has the sum and not the mean."""
    base_value: float = 0.0
    settings: dict[str, int | float | str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    segments: Regions | None = None
    """Where the method works on parts of its own: which."""

    @property
    def shows_nothing(self) -> bool:
        """Whether the heat is no more than the rounding noise of a float32 model."""
        noise = (TINY / self.heat.size if self.additive else TINY) if self.signed else 0.0
        return bool(np.ptp(self.heat) <= noise)


def lime(task: Task, *, quick: bool = False) -> Found:
    """Explain by LIME (Ribeiro et al., 2016): which segments, shown or hidden, fit the probability as a plain sum?

    A hidden segment shows the blurred picture. (LIME's own choice, the mean colour of the segment, leaves a plain one
    as it was, and a bright eye bright.) The first seed is reported, two more check it.

    Args:
        task: what is to be explained.
        quick: fewer samples and no checks, for a comparison.
    """
    segments, how = segmented(task.picture)
    count = int(segments.max()) + 1
    seeds = range(task.seed, task.seed + (1 if quick else LIME_SEEDS))
    samples = LIME_QUICK_SAMPLES if quick else LIME_SAMPLES
    models = [_lime_model(task, segments, samples, seed) for seed in seeds]
    first = models[0]
    checks: tuple[Check, ...] = ()
    if not quick:
        weights = np.array([model.weights for model in models])
        checks = (fit_check(first.score, first.neighbours, words=PICTURE), stability_check(weights, words=PICTURE))
    return Found(
        (first.weights / np.bincount(segments.ravel()))[segments],
        signed=True,
        additive=True,
        base_value=first.intercept,
        settings={
            "samples": samples,
            "seeds_compared": len(models),
            "segments": count,
            "segmentation": how,
            "hidden_as": "the blurred picture",
            "local_prediction": first.intercept + float(first.weights.sum()),
        },
        checks=checks,
        segments=segments,
    )


def _lime_model(task: Task, segments: Regions, samples: int, seed: int) -> LocalModel:
    from lime.lime_image import LimeImageExplainer  # Slow to import, and only an explanation needs it.

    explainer = LimeImageExplainer(feature_selection="none", random_state=np.random.RandomState(seed))
    count = int(segments.max()) + 1
    hidden = blurred(task.picture, task.size / BLUR_SHARE)
    answer = masked(task.opened, task.picture, hidden, segments, task.label)
    drawn: list[Vector] = []

    def data_labels(*_: Any, **__: Any) -> tuple[Matrix, Matrix]:
        """LIME's own draws, but many pictures at a time, hidden our way, and without a progress bar."""
        shown = explainer.random_state.randint(0, 2, samples * count).reshape(samples, count)
        shown[0] = 1
        drawn.append(answer(shown))
        return shown, drawn[0][:, None]

    explainer.data_labels = data_labels
    found = explainer.explain_instance(
        task.picture.astype(np.float64),
        None,
        labels=(0,),
        top_labels=None,
        num_samples=samples,
        segmentation_fn=lambda _: segments,
        random_seed=seed,
    )
    return LocalModel(float(found.intercept[0]), weights_of(found.local_exp[0], count), float(found.score), drawn[0])


def shap(task: Task, *, quick: bool = False) -> Found:
    """Explain by SHAP's partition explainer (Lundberg): halve the picture again and again, and share the gain out.

    A part that is unknown shows the blurred picture. The contributions add up to the probability minus that of the
    picture all blurred, exactly. Parts in which more happens are halved further.

    Args:
        task: what is to be explained.
        quick: no checks, for a comparison.
    """
    side = min(SHAP_CELLS, task.size)
    cells = grid(task.size, side)
    sigma = task.size / BLUR_SHARE
    values, base_value = _partition_values(task, cells, side, sigma)
    heat = (values / np.bincount(cells.ravel()))[cells]
    checks: tuple[Check, ...] = ()
    if not quick:
        other, _ = _partition_values(task, cells, side, 2 * sigma)
        checks = (blur_check(heat, (other / np.bincount(cells.ravel()))[cells]),)
    return Found(
        heat,
        signed=True,
        additive=True,
        base_value=base_value,
        settings={"evaluations": SHAP_EVALUATIONS, "hidden_as": "the blurred picture", "blur_pixels": round(sigma, 2)},
        checks=checks,
    )


def _partition_values(task: Task, cells: Regions, side: int, sigma: float) -> tuple[Vector, float]:
    """Return the contribution of each cell, and the base value."""
    import shap  # Takes a second, and only an explanation needs it.

    answer = masked(task.opened, task.picture, blurred(task.picture, sigma), cells, task.label)
    count = side * side
    with numpy_seed_kept(), interpreted():
        np.random.seed(task.seed)  # it breaks ties by NumPy's global generator
        # Not `maskers.Image`: it builds a tree over every colour of every pixel, in functions that take 10 s to
        # compile. 400 evaluations never get below these cells, and the cells keep the three colours together.
        masker = shap.maskers.Partition(np.zeros((1, count)), clustering=halves(side))
        explainer = shap.PartitionExplainer(answer, masker, link=shap.links.identity)
        found = explainer(np.ones((1, count)), max_evals=SHAP_EVALUATIONS, batch_size=64, silent=True)
    return found.values[0], float(np.ravel(found.base_values)[0])


def occlusion(task: Task, *, quick: bool = False) -> Found:
    """Explain by occlusion (Zeiler and Fergus, 2014): lay a grey patch over each place; how far does it fall?

    The patch has the mean colour of the picture. A pixel's strength is the mean fall over the patches that cover it.

    Args:
        task: what is to be explained.
        quick: makes no difference.
    """
    del quick
    size = task.size
    patch = max(2, round(size / PATCH_SHARE))
    starts = sorted({*range(0, size - patch, max(1, patch // 2)), size - patch})
    corners = [(top, left) for top in starts for left in starts]
    colour = task.picture.reshape(-1, 3).mean(axis=0)
    before = task.prediction()
    fall, covered = np.zeros((size, size)), np.zeros((size, size))
    for i in range(0, len(corners), ROWS_AT_ONCE):
        part = corners[i : i + ROWS_AT_ONCE]
        pictures = np.repeat(task.picture[None].astype(np.float32), len(part), axis=0)
        for picture, (top, left) in zip(pictures, part, strict=True):
            picture[top : top + patch, left : left + patch] = colour
        for probability, (top, left) in zip(task.opened.probability(pictures, task.label), part, strict=True):
            fall[top : top + patch, left : left + patch] += before - probability
            covered[top : top + patch, left : left + patch] += 1
    settings: dict[str, int | float | str] = {
        "patch_pixels": patch,
        "places": len(corners),
        "hidden_as": "the mean colour of the picture",
    }
    return Found(fall / covered, signed=True, settings=settings)


def masked(opened: OpenedModel, picture: Pixels, hidden: Pixels, regions: Regions, label: int) -> Answer:
    """Return a function of which regions are shown to the probability of a class.

    Args:
        opened: the model.
        picture: (size, size, 3), seen where a region is shown.
        hidden: the same shape, seen elsewhere.
        regions: which pixel belongs to which region.
        label: the number of the class.

    Returns:
        A function of (n, regions), 1 where shown, to (n,).
    """
    shown_picture, hidden_picture = picture.astype(np.float32), hidden.astype(np.float32)

    def probability(shown: Matrix) -> Vector:
        parts = []
        for i in range(0, len(shown), ROWS_AT_ONCE):
            seen = (np.asarray(shown[i : i + ROWS_AT_ONCE]) > 0)[:, regions, None]  # (rows, size, size, 1)
            parts.append(opened.probability(np.where(seen, shown_picture, hidden_picture), label))
        return np.concatenate(parts)

    return probability

"""The simple opponents of a network that looks at pictures: numbers that need no learning, and a straight line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from practicals.common.data.pictures import Pictures

Floats = npt.NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""How bright red, green and blue look (ITU-R BT.601)."""
DIRECTIONS, CELLS = 9, 8


def majority() -> DummyClassifier:
    """Say for every picture how often each class occurs among the training pictures. Naive."""
    return DummyClassifier(strategy="prior")


def logistic_regression(strength: float = 0.001) -> Pipeline:
    """Weigh standardised features; the strongest model without a hidden layer.

    Args:
        strength: scikit-learn's `C`; the smaller, the more is paid for large weights. Features are about as many as
            pictures, so weights must be held down: of 0.0001 to 0.1 the default gives the lowest log loss on
            validation pictures of cats and dogs, for thumbnails and for gradients.
    """
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))


def no_features(pictures: Pictures) -> Floats:
    """Return (n, 1) zeros: an opponent that looks at no picture needs no features."""
    return np.zeros((len(pictures), 1), dtype=np.float32)


def grey_thumbnails(pictures: Pictures, side: int = 24) -> Floats:
    """Return (n, side * side) brightness, 0 to 1, of each picture shrunk by averaging.

    Args:
        pictures: n readable pictures.
        side: pixels of the thumbnail's side; smaller pictures keep their size.
    """
    return _of_each(pictures, lambda grey: grey.reshape(len(grey), -1), side)


def gradient_histograms(pictures: Pictures, side: int = 64) -> Floats:
    """Return (n, d) histograms of oriented gradients: in which directions edges run, in each part of the picture.

    Dalal and Triggs (2005): 8 x 8 cells, 9 directions, normalised in blocks of 2 x 2 cells.

    Args:
        pictures: n readable pictures.
        side: pixels of the side to which each is shrunk first.
    """
    from skimage.feature import hog

    def histograms(grey: Floats) -> Floats:
        cell = max(2, min(grey.shape[1:]) // CELLS)
        return np.stack(
            [hog(one, orientations=DIRECTIONS, pixels_per_cell=(cell, cell), cells_per_block=(2, 2)) for one in grey]
        ).astype(np.float32)

    return _of_each(pictures, histograms, side)


def _of_each(pictures: Pictures, features: Callable[[Floats], Any], side: int) -> Floats:
    """Return (n, d): the features of grey pictures of at most side x side, made in chunks so that memory stays flat."""
    return np.concatenate([features(_shrunk(_grey(pixels), side)) for pixels in pictures.blocks()])


def _grey(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Return brightness from 0 to 1: (n, h, w, 3) -> (n, h, w)."""
    return (pixels @ (LUMA / 255)).astype(np.float32)


def _shrunk(grey: Floats, side: int) -> Floats:
    """Return (n, at most side, at most side): every new pixel is the mean of those that it covers."""
    rows, columns = (_averages(size, min(size, side)) for size in grey.shape[1:])
    return (rows @ grey @ columns.T).astype(np.float32)


def _averages(size: int, fewer: int) -> Floats:
    """Return (fewer, size): row i holds the share of each of `size` pixels in the mean that is new pixel i."""
    edges = np.linspace(0, size, fewer + 1)
    left, right = edges[:-1, None], edges[1:, None]
    place = np.arange(size)
    covered = np.clip(np.minimum(right, place + 1) - np.maximum(left, place), 0, None)
    return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)

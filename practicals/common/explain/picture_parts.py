"""How a picture is cut into parts, what hides a part, and what a part is called."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from practicals.common.explain.coding import Matrix, Vector

Pixels = npt.NDArray[Any]
"""(n, size, size, 3) or one picture (size, size, 3); 0..255, RGB."""
Regions = npt.NDArray[np.int64]
"""(size, size), the number of the region that each pixel belongs to; the numbers count from 0 without a gap."""

SEGMENTS = 40
FEWEST_SEGMENTS, MOST_SEGMENTS = 12, 80
"""With fewer, a segment is half a picture; with more, hiding one changes nothing."""
AREAS = 6
"""Rows and columns of equal rectangles: those by which heat maps are put into words, and those that stand in for
segments where a picture has none."""
COARSE = 12
"""Rows and columns over which two heat maps are compared: neighbouring pixels are not separate facts."""
ROW_NAMES, COLUMN_NAMES = ("upper", "middle", "lower"), ("left", "centre", "right")


def grid(size: int, side: int) -> Regions:
    """Return equal rectangles of a square of `size` pixels, `side` rows and columns (or single pixels), row by row."""
    side = min(side, size)
    place = np.arange(size) * side // size
    return place[:, None] * side + place


def segmented(picture: Pixels) -> tuple[Regions, str]:
    """Cut a picture into segments of like colour (SLIC, Achanta et al., 2012), and say how it was done.

    Args:
        picture: uint8 (size, size, 3).
    """
    from skimage.segmentation import slic  # Takes a second, and only an explanation needs it.

    found = slic(picture, n_segments=SEGMENTS, compactness=10, sigma=1, start_label=0, channel_axis=-1)
    numbers, segments = np.unique(found, return_inverse=True)
    if FEWEST_SEGMENTS <= len(numbers) <= MOST_SEGMENTS:
        return segments.reshape(found.shape), "segments of like colour (SLIC)"
    why = "too few" if len(numbers) < FEWEST_SEGMENTS else "too many"
    return grid(len(picture), AREAS), f"a plain grid, since SLIC found {why} segments ({len(numbers)})"


def halves(side: int) -> Matrix:
    """Return how a square of side x side cells is halved again and again, as a tree in SciPy's form: (cells - 1, 4).

    Each row joins two nodes: cells have the numbers 0 to cells - 1, the node of row i the number cells + i.
    """
    joined: list[tuple[int, int, int, int]] = []

    def node(top: int, left: int, height: int, width: int) -> int:
        if height * width == 1:
            return top * side + left
        if height >= width:
            first, second = (top, left, height // 2, width), (top + height // 2, left, height - height // 2, width)
        else:
            first, second = (top, left, height, width // 2), (top, left + width // 2, height, width - width // 2)
        joined.append((node(*first), node(*second), height * width, height * width))
        return side * side + len(joined) - 1

    node(0, 0, side, side)
    return np.array(joined, dtype=np.float64)


def blurred(picture: Pixels, sigma: float) -> Pixels:
    """Return a picture (size, size, 3) with a Gaussian blur of `sigma` pixels, as float32."""
    return scipy.ndimage.gaussian_filter(picture.astype(np.float32), (sigma, sigma, 0), mode="reflect")


def sums(heat: Matrix, regions: Regions) -> Vector:
    """Return the sum of a heat map (size, size) over each region, (regions,)."""
    return np.bincount(regions.ravel(), heat.ravel()).astype(np.float64)


def means(heat: Matrix, regions: Regions) -> Vector:
    """Return the mean of a heat map (size, size) over each region, (regions,)."""
    return sums(heat, regions) / np.bincount(regions.ravel())


def coarse(heat: Matrix) -> Vector:
    """Return a heat map (size, size) summed over `COARSE` x `COARSE` cells, as a vector."""
    return sums(heat, grid(len(heat), COARSE))


def place_names(regions: Regions) -> list[str]:
    """Say where in the picture the middle of each region lies: "upper left", "middle centre"."""
    row, column = np.indices(regions.shape).astype(np.float64) * 3 / len(regions)
    rows, columns = means(row, regions), means(column, regions)
    return [f"{ROW_NAMES[int(row)]} {COLUMN_NAMES[int(column)]}" for row, column in zip(rows, columns, strict=True)]

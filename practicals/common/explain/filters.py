"""What a network looks for, and what it sees: its first filters, and the maps that a picture leaves in its layers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from practicals.common.explain.picture_model import convolutions, flat_layers, recorded
from practicals.common.explain.picture_parts import Pixels

MOST = 16
"""Filters, and maps of a layer."""
CLIPPED = 99.5
"""Percentile of |weight| that is shown as black or white: one large weight of 27,000 would turn all others grey."""

Bytes = npt.NDArray[np.uint8]


def first_filters(model: keras.Model) -> Bytes:
    """Return what the first layer looks for: its filters as small pictures, those with the largest weights first.

    Grey is a weight of zero; each filter has its own scale. A network without convolutions has one weight per pixel of
    the picture, so a unit of its first dense layer is a template as large as the picture.

    Args:
        model: the assembled model.

    Returns:
        uint8 (k, s, s, 3) with k at most 16; (0, 1, 1, 3) where the first layer reads no colours, pixel by pixel.
    """
    layers = [layer for layer in flat_layers(model) if len(getattr(layer, "kernel", np.empty(0)).shape) in (2, 4)]
    side = model.get_layer("resize").output.shape[1]
    kernel: npt.NDArray[Any] = np.asarray(layers[0].kernel) if layers else np.empty((0, 0))
    if kernel.shape[0] == side * side * 3:  # one weight for each colour of each pixel, and unit
        kernel = kernel.reshape(side, side, 3, -1)
    if kernel.ndim != 4 or kernel.shape[2] != 3:
        return np.zeros((0, 1, 1, 3), np.uint8)
    filters = np.moveaxis(kernel, 3, 0).astype(np.float64)  # (filters, s, s, 3)
    chosen = filters[np.argsort(-np.abs(filters).sum(axis=(1, 2, 3)), kind="stable")[:MOST]]
    scale = np.percentile(np.abs(chosen), CLIPPED, axis=(1, 2, 3), keepdims=True)
    shades = np.clip(chosen / np.maximum(scale, np.finfo(float).tiny), -1, 1)
    return np.round(127.5 + 127.5 * shades).astype(np.uint8)


def feature_maps(model: keras.Model, pixels: Pixels) -> list[tuple[str, str, Bytes]]:
    """Return the maps that one picture leaves in the first convolution, one in the middle, and the last.

    Args:
        model: the assembled model.
        pixels: (height, width, 3), 0..255 RGB.

    Returns:
        Layer name, its shape as text ("48 x 48 x 24"), and its liveliest maps as uint8 (k, rows, columns) with k at
        most 16, each from its smallest value (0) to its largest (255). Empty for a network without convolutions.
    """
    every = convolutions(flat_layers(model))
    if not every:
        return []
    layers = [every[place] for place in sorted({0, len(every) // 2, len(every) - 1})]
    with recorded(layers) as outputs:
        model(pixels[None].astype(np.float32), training=False)
    return [(layer.name, *_liveliest(np.asarray(output)[0])) for layer, output in zip(layers, outputs, strict=True)]


def _liveliest(maps: npt.NDArray[Any]) -> tuple[str, Bytes]:
    """Return shape and pictures of the maps (rows, columns, maps) that differ most from place to place."""
    chosen = np.moveaxis(maps[:, :, np.argsort(-maps.std(axis=(0, 1)), kind="stable")[:MOST]], 2, 0)
    low, high = (end(chosen, axis=(1, 2), keepdims=True) for end in (np.min, np.max))
    shades = (chosen - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
    return " x ".join(map(str, maps.shape)), np.round(255 * shades).astype(np.uint8)

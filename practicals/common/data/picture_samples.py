"""Built-in sample of pictures: drawn cats and dogs, of which it is known what tells them apart and where it is."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from practicals.common.data.picture_decode import Pixels

SIDE = 64
"""Height and width of a drawn picture, in pixels."""
CLASSES = ("cats", "dogs")

_FINE = 3  # drawn so many times larger and then made smaller, which smooths the edges
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Drawn:
    """One drawn picture."""

    name: str
    """Named like a real one, such as "training_set/cats/cat.1.png"."""
    label: str
    pixels: Pixels
    """(64, 64, 3)"""
    telling: Mask
    """(64, 64), where the parts are that tell cats from dogs."""


@functools.cache
def drawn_pictures(count: int = 400, seed: int = 0) -> tuple[Drawn, ...]:
    """Draw the sample of a run: as many cats as dogs, three quarters to learn from and a quarter to test.

    Args:
        count: how many pictures, a multiple of 8.
        seed: the same seed gives the same pictures.
    """
    rng = np.random.default_rng(seed)
    drawn = []
    for folder, number in (("training_set", count * 3 // 8), ("test_set", count // 8)):
        for label in CLASSES:
            for place in range(1, number + 1):
                pixels, telling = draw_picture(rng, label)
                drawn.append(Drawn(f"{folder}/{label}/{label[:-1]}.{place}.png", label, pixels, telling))
    return tuple(drawn)


def draw_picture(rng: np.random.Generator, label: str) -> tuple[Pixels, Mask]:
    """Draw a cat or a dog on some background; place, size, tilt, pose of the body and all colours are at random.

    A cat has upright triangular ears, slit eyes and whiskers; a dog has long hanging ears, round eyes, a snout and a
    tongue. Everything else is drawn from the same chances for both, so nothing else tells them apart.

    Args:
        rng: where chance comes from; drawing advances it.
        label: "cats" or "dogs".

    Returns:
        (64, 64, 3) levels of red, green and blue, and (64, 64) whether a pixel belongs to the ears, the eyes or the
        muzzle.

    Raises:
        ValueError: another label.
    """
    if label not in CLASSES:
        raise ValueError(f"label must be one of {CLASSES}. Received: {label!r}")
    side = SIDE * _FINE
    picture = _background(rng)
    mask = Image.new("L", (side, side))
    fur = rng.integers(40, 230, 3)
    darker = np.clip(fur * rng.uniform(0.55, 0.8), 0, 255)
    radius = side * rng.uniform(0.16, 0.24)
    centre = np.array([rng.uniform(0.35, 0.65), rng.uniform(0.36, 0.5)]) * side
    tilt = rng.uniform(-0.35, 0.35)
    pen = _Pen(picture, mask, centre, radius, tilt)
    pen.ellipse((rng.uniform(-0.5, 0.5), 2.0), (1.1, 1.5), fur, telling=False)
    (_cat if label == "cats" else _dog)(pen, fur, darker)
    small = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX)).astype(np.float64)
    pixels = np.clip(np.round(small + rng.normal(0, 6, small.shape)), 0, 255).astype(np.uint8)
    return pixels, np.asarray(mask.resize((SIDE, SIDE), Image.Resampling.BOX)) > 127


class _Pen:
    """Draws around the middle of a head, in units of its radius, tilted with it."""

    def __init__(
        self, picture: Image.Image, mask: Image.Image, centre: np.ndarray[Any, Any], radius: float, tilt: float
    ) -> None:
        self.picture, self.mask = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
        self.centre, self.radius = centre, radius
        self.turn = np.array([[math.cos(tilt), -math.sin(tilt)], [math.sin(tilt), math.cos(tilt)]])

    def polygon(self, points: Any, colour: Any, *, telling: bool = True) -> None:
        places = [tuple(place) for place in (np.asarray(points) @ self.turn.T * self.radius + self.centre).tolist()]
        self.picture.polygon(places, fill=_fill(colour))
        if telling:
            self.mask.polygon(places, fill=255)

    def ellipse(
        self, middle: tuple[float, float], radii: tuple[float, float], colour: Any, *, telling: bool = True
    ) -> None:
        angle = np.linspace(0, 2 * math.pi, 40)
        points = np.column_stack([np.cos(angle), np.sin(angle)]) * radii + middle
        self.polygon(points, colour, telling=telling)

    def line(self, start: tuple[float, float], end: tuple[float, float], width: float, colour: Any) -> None:
        along = np.subtract(end, start)
        across = np.array([-along[1], along[0]]) / np.hypot(*along) * width / 2
        self.polygon([start + across, start - across, end - across, end + across], colour)


def _fill(colour: Any) -> tuple[int, ...]:
    return tuple(int(level) for level in colour)


def _cat(pen: _Pen, fur: Any, darker: Any) -> None:
    for x in (-1, 1):
        pen.polygon([(x * 0.95, -0.25), (x * 0.9, -1.65), (x * 0.15, -0.9)], darker)
    pen.ellipse((0, 0), (1, 1), fur, telling=False)
    for x in (-1, 1):
        pen.ellipse((x * 0.42, -0.15), (0.24, 0.2), (225, 225, 120))
        pen.ellipse((x * 0.42, -0.15), (0.06, 0.2), (10, 10, 10))
        for y in (-0.15, 0.05, 0.25):
            pen.line((x * 0.25, 0.42), (x * 1.35, 0.42 + y * 1.6), 0.06, (235, 235, 235))
    pen.polygon([(-0.14, 0.28), (0.14, 0.28), (0, 0.45)], (200, 120, 130))


def _dog(pen: _Pen, fur: Any, darker: Any) -> None:
    pen.ellipse((0, 0), (1, 1), fur, telling=False)
    for x in (-1, 1):
        pen.ellipse((x * 1.0, 0.15), (0.3, 0.95), darker)
        pen.ellipse((x * 0.38, -0.2), (0.15, 0.15), (10, 10, 10))
    pen.ellipse((0, 0.5), (0.48, 0.36), np.clip(np.asarray(fur) * 1.1 + 15, 0, 255))
    pen.ellipse((0, 0.32), (0.2, 0.14), (10, 10, 10))
    pen.ellipse((0.05, 0.95), (0.16, 0.28), (220, 90, 110))


def _background(rng: np.random.Generator) -> Image.Image:
    """Return a fine picture of a slope between two colours, with a few blots of others."""
    first, second = rng.integers(0, 256, (2, 3))
    direction = rng.uniform(0, 2 * math.pi)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    slope = (np.cos(direction) * columns + np.sin(direction) * rows + 1.5) / 3
    levels = (first + slope[:, :, None] * (second - first)).clip(0, 255).astype(np.uint8)
    background = Image.fromarray(levels).resize((SIDE * _FINE, SIDE * _FINE), Image.Resampling.NEAREST)
    brush = ImageDraw.Draw(background)
    for _ in range(rng.integers(2, 7)):
        x, y = rng.uniform(0, 1, 2) * SIDE * _FINE
        radius = rng.uniform(0.03, 0.15) * SIDE * _FINE
        brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_fill(rng.integers(0, 256, 3)))
    return background

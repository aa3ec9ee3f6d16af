"""A Keras layer that opens a place on the map. Registered, so `model.keras` loads in safe mode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from practicals.common.layers import PACKAGE

KM_PER_DEGREE = 111.2
"""Along a meridian; along a circle of latitude it shrinks with the cosine of the latitude."""
SLOWEST, FASTEST = 1.0, 20.0
"""Swing of the slowest and the fastest wave, in radians over the spread of the places."""
SMALLEST_SPREAD_KM = 0.01


@keras.saving.register_keras_serializable(PACKAGE)
class PlaceWaves(keras.layers.Layer):
    """Open a place into waves over the map, so that a linear layer on top can draw hills and valleys of any shape.

    Each wave runs over the map in a direction and with a length of its own, and gives its sine and its cosine at the
    place: random Fourier features (Rahimi & Recht, 2007, "Random features for large-scale kernel machines"; Tancik et
    al., 2020, "Fourier features let networks learn high frequency functions in low dimensional domains").

    Args:
        centre: latitude and longitude of the middle of the map, in degrees.
        directions: (waves, 2), how fast each wave swings towards north and towards east, in radians per km.
        height: what sine and cosine are multiplied by.

    Input shape: (batch, 2), latitude and longitude in degrees. Output shape: (batch, 2 * waves), sines then cosines.
    """

    def __init__(
        self, centre: Sequence[float], directions: Sequence[Sequence[float]], height: float = 0.5, **kwargs: Any
    ) -> None:
        # In 16 bit a degree of longitude would be known to within 10 km.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.centre = [float(degrees) for degrees in centre]
        self.directions = [[float(part) for part in wave] for wave in directions]
        self.height = float(height)
        if len(self.centre) != 2 or not self.directions or any(len(wave) != 2 for wave in self.directions):
            raise ValueError(
                "PlaceWaves needs a centre of two numbers and at least one wave of two. "
                f"Received: centre={self.centre}, directions={self.directions}"
            )

    @classmethod
    def draw(
        cls, latitude: npt.NDArray[np.float64], longitude: npt.NDArray[np.float64], *, waves: int, seed: int
    ) -> Self:
        """Draw waves that suit the map of the training rows: the slowest as wide as the region, then finer and finer.

        Args:
            latitude: (rows,) in degrees; not-a-number where unknown.
            longitude: (rows,) likewise.
            waves: how many.
            seed: the same seed gives the same waves.
        """
        places = np.column_stack([latitude, longitude])  # (rows, 2)
        places[:, np.isnan(places).all(axis=0)] = 0.0  # nobody knows where the map lies
        centre = (float(np.nanmean(places[:, 0])), float(np.nanmean(places[:, 1])))
        km = (places - centre) * _km_per_degree(centre[0])
        spread = max(float(np.sqrt(np.nanmean(km**2))), SMALLEST_SPREAD_KM)
        fineness = np.geomspace(SLOWEST, FASTEST, waves) / spread
        drawn = np.random.default_rng(seed).normal(size=(waves, 2)) * fineness[:, None]
        return cls(centre, drawn.tolist())

    def call(self, place: Any) -> Any:
        km = (place - np.array(self.centre, "float32")) * np.array(_km_per_degree(self.centre[0]), "float32")
        angle = ops.matmul(km, np.array(self.directions, "float32").T)  # (batch, waves)
        return self.height * ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], 2 * len(self.directions))

    def get_config(self) -> dict[str, Any]:
        kept = {"centre": self.centre, "directions": self.directions, "height": self.height}
        return {**super().get_config(), **kept}


def _km_per_degree(latitude: float) -> tuple[float, float]:
    """Return how many km one degree towards north and one towards east are, at a latitude."""
    return KM_PER_DEGREE, KM_PER_DEGREE * math.cos(math.radians(latitude))

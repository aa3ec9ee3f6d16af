"""Numbers as a network takes them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy.typing as npt


class Examples(NamedTuple):
    """One part of a split, encoded once."""

    inputs: npt.NDArray[Any]
    """(rows, ...), what the network reads."""
    targets: npt.NDArray[Any]
    """(rows,) or (rows, 1), in the scale of the loss."""
    weights: npt.NDArray[Any] | None = None
    """(rows,), how much each row counts in the loss; None: all the same."""

"""Numbers as a network takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class RowsOnDemand:
    """Rows that are read when they are asked for, so that memory stays flat however many there are.

    It stands where an array (rows, ...) would: it has a length, a shape and a dtype, and a slice or an array of row
    numbers gives those rows as a NumPy array.
    """

    def __init__(
        self,
        read: Callable[[npt.NDArray[np.int64]], npt.NDArray[Any]],
        count: int,
        row_shape: tuple[int, ...],
        dtype: str = "uint8",
    ) -> None:
        """Say where rows come from.

        Args:
            read: takes row numbers (k,), returns their content (k, *row_shape); called from several threads.
            count: how many rows there are.
            row_shape: the shape of one row.
            dtype: of the content.
        """
        self._read, self.shape, self.dtype = read, (count, *row_shape), np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: Any) -> npt.NDArray[Any]:
        return self._read(np.atleast_1d(np.arange(len(self))[chosen]))


class Examples(NamedTuple):
    """One part of a split, encoded once."""

    inputs: Any
    """(rows, ...), what the network reads: an array, rows on demand, or a dict of them."""
    targets: npt.NDArray[Any]
    """(rows,) or (rows, 1), in the scale of the loss."""
    weights: npt.NDArray[Any] | None = None
    """(rows,), how much each row counts in the loss; None: all the same."""

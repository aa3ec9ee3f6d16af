"""What pictures, messages and ratings have in common as parts of a split: ids, and a choice of some of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


class Part:
    """Things with an id each. A subclass has `__len__`, sets `index`, and takes `chosen(...)` out of its arrays."""

    THINGS = "rows"
    """What they are called, in the plural."""

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def index(self) -> pd.Index:
        """(n,) the id of each, as in `predictions.csv`."""
        return self._index

    @index.setter
    def index(self, names: pd.Index | Sequence[Any]) -> None:
        if len(names) != len(self):
            raise ValueError(f"{len(names)} names for {len(self)} {self.THINGS}")
        self._index = names if isinstance(names, pd.Index) else pd.Index(names)


def chosen(some: Any) -> Any:
    """Return a mask, a slice or whole numbers such that every array takes them: one number as a list, none as well."""
    if isinstance(some, slice):
        return some
    places = np.atleast_1d(some)
    return places if places.size else places.astype(np.int64)

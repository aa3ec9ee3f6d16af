"""What is known before any taste is: which users are kind, and which items good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array

from practicals.common.metrics import Numbers
from practicals.common.rating_scores import Floats, scale_ends

if TYPE_CHECKING:
    from practicals.common.data.ratings import Ratings

ITEM_SHRINK, USER_SHRINK = 4.0, 8.0
"""So many ratings of no bias are added to those of each item, and of each user."""
ROUNDS = 10

Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Biases:
    """How kind users are and how good items, in the unit of the ratings."""

    mean: float
    items: Floats
    """(items,), 0 for an item that nobody rated."""
    ends: tuple[float, float]
    """Of the scale."""

    @classmethod
    def of(cls, train: Ratings) -> tuple[Biases, Numbers]:
        """Return the biases, and (n,) what they leave over of each training rating."""
        users, items = len(train.catalogue.users), len(train.catalogue.items)
        mean = float(train.values.mean(dtype=np.float64))
        values = train.values - mean
        of_user, of_item = np.zeros(users), np.zeros(items)
        user_weight = np.bincount(train.users, minlength=users) + USER_SHRINK
        item_weight = np.bincount(train.items, minlength=items) + ITEM_SHRINK
        for _ in range(ROUNDS):
            of_item = np.bincount(train.items, values - of_user[train.users], items) / item_weight
            of_user = np.bincount(train.users, values - of_item[train.items], users) / user_weight
        left = values - of_user[train.users] - of_item[train.items]
        return cls(mean, of_item.astype(np.float32), scale_ends(train)), left

    def apart(self, rows: Floats) -> tuple[Floats, Floats, Masks]:
        """Return what biases predict, what they leave over (0 where unrated), and what is rated; all (b, items)."""
        rated = ~np.isnan(rows)
        left = np.where(rated, rows - self.mean - self.items, np.float32(0))
        kind = left.sum(axis=1, keepdims=True) / (rated.sum(axis=1, keepdims=True) + np.float32(USER_SHRINK))
        predicted = np.float32(self.mean) + self.items + kind
        return predicted.astype(np.float32), np.where(rated, left - kind, np.float32(0)).astype(np.float32), rated

    def within(self, predicted: npt.NDArray[Any]) -> Floats:
        """Return predictions, none beyond the ends of the scale."""
        return np.clip(predicted, *self.ends).astype(np.float32)


def sparse_table(train: Ratings, values: Numbers) -> csc_array:
    """Return (users, items) sparse, with these values at the ratings."""
    shape = len(train.catalogue.users), len(train.catalogue.items)
    return csc_array((values.astype(np.float32), (train.users, train.items)), shape=shape)

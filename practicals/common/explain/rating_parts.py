"""A user's ratings as the parts of an explanation: each one alone, and in a long list those of little effect together.

A part that is hidden was never rated. So all that is asked of the model is what it makes of shorter lists of ratings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from practicals.common.explain.checks import TINY
from practicals.common.explain.coding import Vector
from practicals.common.explain.numbered_parts import Kept

Row = npt.NDArray[np.float32]
"""(items,) what one user rated, NaN for the rest."""
Predict = Callable[[npt.NDArray[np.float32], int], Vector]
"""Rows (n, items), NaN where unrated, and the number of an item -> the rating predicted for it, (n,)."""

ALONE = 25
"""So many ratings are explained one by one; more are not read. Seen on 8 users with 63 to 278 ratings: SHAP orders them
as it does with all told apart (rank correlation 0.90 to 0.99), but gives them up to 1.4 times as much, since the group
is hidden at once. They carried 0.29 (of 278 ratings) to 0.75 (of 63) of all contributions, the best 25 up to 0.08 more.
"""
LARGEST_BATCH = 256
"""Rows are as long as the catalogue, so that a few hundred at a time is what keeps memory small."""


@dataclass(frozen=True)
class Parts:
    """The ratings of one user but that of the item itself, and what the model predicts without some of them."""

    predict: Predict
    row: Row
    """(items,) without the user's own rating of the item."""
    item: int
    """The number of the item whose rating is predicted."""
    members: tuple[npt.NDArray[np.int64], ...]
    """The item numbers of each part; a group stands last."""
    left_out: Vector
    """(parts,) by how much the prediction is lower without this part alone."""

    @classmethod
    def of(cls, predict: Predict, row: npt.NDArray[np.floating[Any]], item: int) -> Self:
        """Divide a user's ratings into parts, by what each is worth beside all others.

        Args:
            predict: the model.
            row: (items,) the ratings, NaN where unrated. One of the item itself is not shown to the model.
            item: the number of the item whose rating is predicted.
        """
        known = np.array(row, dtype=np.float32)
        known[item] = np.nan
        singles = cls(predict, known, item, tuple(np.flatnonzero(~np.isnan(known))[:, None]), np.empty(0))
        effects = singles.worth_beside_the_rest()
        # At an end of the scale, or where ratings stand in for each other, no single one is missed.
        missed = np.abs(effects).max(initial=0.0) > TINY * abs(singles.prediction())
        ranked = effects if missed else singles.worth_alone()
        order = np.argsort(-np.abs(ranked), kind="stable").tolist()
        members, effects = tuple(singles.members[i] for i in order), effects[order]
        if len(members) > ALONE + 1:  # a group of one would only hide a title
            members = (*members[:ALONE], np.sort(np.concatenate(members[ALONE:])))
            without_group = cls(predict, known, item, members[ALONE:], np.empty(0)).worth_beside_the_rest()
            effects = np.append(effects[:ALONE], without_group)
        return cls(predict, known, item, members, effects)

    def __len__(self) -> int:
        return len(self.members)

    @property
    def ratings(self) -> int:
        """How many ratings the parts have together."""
        return sum(map(len, self.members))

    @property
    def alone(self) -> int:
        """How many parts are one rating."""
        return sum(len(part) == 1 for part in self.members)

    def names(self, titles: Sequence[str]) -> tuple[str, ...]:
        """Return what each part is called: its title, or how many ratings it has."""
        return tuple(titles[part[0]] if len(part) == 1 else f"{len(part)} other ratings" for part in self.members)

    @property
    def given(self) -> tuple[float, ...]:
        """What the user rated, (parts,); the mean of a group."""
        # Six digits: 3.7 as float32 is 3.7000000477.
        return tuple(float(f"{self.row[part].mean(dtype=np.float64):.6g}") for part in self.members)

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the same in words: "rated 5", "rated 3.6 on average"."""
        return tuple(
            f"rated {value:g}" if len(part) == 1 else f"rated {value:.1f} on average"
            for part, value in zip(self.members, self.given, strict=True)
        )

    def answers(self, kept: Kept) -> Vector:
        """Return the prediction with only some of the parts shown, (n,). What is asked twice is answered once."""
        different, places = np.unique(kept, axis=0, return_inverse=True)
        batches = [different[i : i + LARGEST_BATCH] for i in range(0, len(different), LARGEST_BATCH)]
        found = np.concatenate([np.empty(0), *(self.predict(self._shown(one), self.item) for one in batches)])
        return found[places.reshape(-1)]

    def prediction(self) -> float:
        """Return the prediction from all of them."""
        return float(self.predict(self.row[None], self.item)[0])

    def base_value(self) -> float:
        """Return the prediction for a user who has rated nothing."""
        return float(self.predict(np.full_like(self.row, np.nan)[None], self.item)[0])

    def worth_beside_the_rest(self) -> Vector:
        """Return by how much the prediction is lower without each part alone, (parts,)."""
        return self.prediction() - self.answers(~np.eye(len(self), dtype=bool))

    def worth_alone(self) -> Vector:
        """Return by how much each part alone lifts the prediction for a user who has rated nothing, (parts,)."""
        return self.answers(np.eye(len(self), dtype=bool)) - self.base_value()

    def _shown(self, kept: Kept) -> npt.NDArray[np.float32]:
        rows = np.repeat(self.row[None], len(kept), axis=0)
        for i, part in enumerate(self.members):
            rows[np.ix_(~kept[:, i], part)] = np.nan
        return rows

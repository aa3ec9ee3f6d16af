"""Ratings of items by users, laid out as dense rows or columns a batch at a time."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.data.csvtext import count
from practicals.common.data.part import Part, chosen
from practicals.common.data.rating_catalogue import Catalogue, Floats
from practicals.common.data.rating_tables import Integers, Numbers


class Ratings(Part):
    """Ratings of one part, or to predict for.

    `ratings[mask]`, `ratings[5:9]`, `ratings[[3, 1]]` and `ratings[3]` give the chosen ones. `ratings.rows(users)` and
    `ratings.columns(items)` lay a batch out as a dense table; the whole table is never made.
    """

    THINGS = "ratings"

    def __init__(
        self,
        users: Integers,
        items: Integers,
        values: Any,
        *,
        catalogue: Catalogue,
        times: Any = None,
        index: pd.Index | None = None,
        folds: Integers | None = None,
        given: Ratings | None = None,
        known: Ratings | None = None,
    ) -> None:
        """Hold ratings.

        Args:
            users: (n,) user numbers.
            items: (n,) item numbers.
            values: (n,) ratings.
            catalogue: what the numbers mean.
            times: (n,) seconds since 1970, NaN where unknown; all unknown when left out.
            index: (n,) ids; 0, 1, 2, ... when left out.
            folds: (n,) 1 to 5, the official fold whose test part holds the rating, 0 for none; None without folds.
            given: all that may be looked at to predict these ratings. Those of the training part are predicted from the
                training part too, each with itself left out.
            known: all ratings that are no news, so that their items are not recommended again; None recommends nothing.

        Raises:
            ValueError: the lengths differ.
        """
        self.users: Integers = np.asarray(users, dtype=np.int64)
        self.items: Integers = np.asarray(items, dtype=np.int64)
        self.values: Floats = np.asarray(values, dtype=np.float32)
        number = len(self.values)
        self.times: Numbers = np.full(number, np.nan) if times is None else np.asarray(times, dtype=np.float64)
        self.folds: Integers | None = None if folds is None else np.asarray(folds, dtype=np.int64)
        self.catalogue = catalogue
        self.given, self.known = given, known
        columns = (self.users, self.items, self.times, *(() if self.folds is None else (self.folds,)))
        if any(len(one) != number for one in columns):
            raise ValueError("users, items, values, times and folds must be equally many")
        self.index = pd.RangeIndex(number) if index is None else index

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"<{count(len(self), 'rating')} of {repr(self.catalogue)[1:]}"

    def __getitem__(self, some: Any) -> Ratings:
        """Return the ratings that a mask, a slice or whole numbers choose, with their ids."""
        places = chosen(some)
        return Ratings(
            self.users[places],
            self.items[places],
            self.values[places],
            catalogue=self.catalogue,
            times=self.times[places],
            index=self.index[places],
            folds=None if self.folds is None else self.folds[places],
            given=self.given,
            known=self.known,
        )

    def rows(self, users: Any) -> Floats:
        """Return (len(users), items) float32: what these users, given by number, rated; NaN for the rest."""
        return self._dense(self._by_user, self.items, users, len(self.catalogue.items))

    def columns(self, items: Any) -> Floats:
        """Return (len(items), users) float32: how these items, given by number, were rated; NaN for the rest."""
        return self._dense(self._by_item, self.users, items, len(self.catalogue.users))

    def _dense(self, places: tuple[Integers, Integers], across: Integers, wanted: Any, width: int) -> Floats:
        order, starts = places
        wanted = np.asarray(wanted, dtype=np.int64)
        numbers = starts[wanted + 1] - starts[wanted]
        row = np.repeat(np.arange(len(wanted)), numbers)
        # 0, 1, 2, ... within each row, counted on from where the row's ratings start.
        within = np.arange(len(row)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
        at = order[np.repeat(starts[wanted], numbers) + within]
        dense = np.full((len(wanted), width), np.nan, dtype=np.float32)
        dense[row, across[at]] = self.values[at]
        return dense

    @cached_property
    def _by_user(self) -> tuple[Integers, Integers]:
        return _grouped(self.users, len(self.catalogue.users))

    @cached_property
    def _by_item(self) -> tuple[Integers, Integers]:
        return _grouped(self.items, len(self.catalogue.items))


def _grouped(codes: Integers, number: int) -> tuple[Integers, Integers]:
    """Return the places of all ratings, those of one code together, and (number + 1,) where each code's begin."""
    order = np.argsort(codes, kind="stable")
    return order, np.searchsorted(codes[order], np.arange(number + 1))

"""The columns of a table with a number to predict: what they are, in which units, and how their numbers are spread."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from practicals.common.config import set_option
from practicals.common.console import say
from practicals.common.data.cards import Card
from practicals.common.data.csvtext import fold
from practicals.common.data.fetch import locate
from practicals.common.data.kinds import ColumnKind, describe, has_column, infer_schema
from practicals.common.data.tables import TableSchema
from practicals.common.errors import ConfigError, DataError, did_you_mean

LATITUDES, LONGITUDES = ("lat", "latitude"), ("long", "lon", "lng", "longitude")
KIND_SETTINGS = ("numbers", "categories", "dates")
FEWEST_VALUES = 5
"""A number with fewer different values is not opened into a spline."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table, what they are, and in which units."""

    schema: TableSchema
    units: Mapping[str, str] = field(default_factory=dict)
    """Column -> unit; a column without one may be left out. The target's unit is that of the prediction."""
    kinds: tuple[ColumnKind, ...] = ()
    """How each column of the file is used, and why."""

    @property
    def target(self) -> str:
        """The column that is predicted."""
        return self.schema.target

    @property
    def unit(self) -> str:
        """The unit of the prediction; "" where it has none."""
        return self.units.get(self.schema.target, "")

    @property
    def numeric(self) -> tuple[str, ...]:
        """The columns that the network reads as numbers: numbers, then dates."""
        return (*self.schema.numbers, *self.schema.dates)

    def to_words(self) -> dict[str, list[str]]:
        """Return what a prediction needs as lists of words, which a saved model can carry."""
        names = ("numbers", "dates", "categories", "identifiers", "day_first")
        words = {name: list(getattr(self.schema, name)) for name in names}
        units = [f"{name}={unit}" for name, unit in self.units.items()]
        return {**words, "target": [self.schema.target], "units": units}

    @classmethod
    def from_words(cls, words: Mapping[str, Sequence[str]]) -> Self:
        """Return what `to_words` wrote down; without the reasons of the kinds."""
        schema = TableSchema(
            numbers=tuple(words["numbers"]),
            categories=tuple(words["categories"]),
            target=words["target"][0],
            identifiers=tuple(words["identifiers"]),
            dates=tuple(words["dates"]),
            day_first=tuple(words["day_first"]),
        )
        return cls(schema, dict(pair.rpartition("=")[::2] for pair in words["units"]))


def choose_columns(config: Any, card: Card, schema: TableSchema) -> Columns:
    """Say which columns a run uses: those of the data set, or those inferred from a file of the user's.

    Args:
        config: settings with `data`, `target`, `unit`, `numbers`, `categories`, `dates` and `ignore`.
        card: of the data set.
        schema: its columns.

    Raises:
        ConfigError: settings that go with a file of the user's stand without one, or name no column.
        DataError: the file cannot be read, or its columns not be told apart.
    """
    path = None if config.data in ("auto", "real", "sample") else locate(card, config.data).path
    if path is not None and config.target is not None:
        chosen = {name: tuple(getattr(config, name)) for name in (*KIND_SETTINGS, "ignore")}
        inferred, kinds = _inferred(path, path.stat().st_mtime_ns, config.target, **chosen)
        return Columns(inferred, {inferred.target: config.unit} if config.unit else {}, kinds)
    for setting in ("target", "unit", *KIND_SETTINGS):
        if getattr(config, setting):
            missing = "--data FILE" if path is None else "--set target=COLUMN"
            raise ConfigError(
                f"{setting}: says what the columns of your own file are; the columns of {card.name} are known. "
                f"Add {missing}, or leave {setting} out."
            )
    if path is not None and not has_column(path, schema.target):
        infer_schema(path, target=None)  # refuses, and tells which columns there are to choose from
    for name in config.ignore:
        if name not in schema.features:
            raise ConfigError(f"ignore: {card.name} has no feature '{name}'.{did_you_mean(name, schema.features)}")
    kept: dict[str, Any] = {
        kind: tuple(name for name in getattr(schema, kind) if name not in config.ignore) for kind in KIND_SETTINGS
    }
    if not any(kept.values()):
        raise ConfigError(f"ignore: leaves no column to predict {schema.target} from. Take one out of it.")
    known = {column: one.unit for column, one in card.columns.items() if one.unit}
    return Columns(dataclasses.replace(schema, **kept), known, _known_kinds(card, schema, config.ignore))


@lru_cache(maxsize=8)
def _inferred(path: Path, modified: int, target: str, **chosen: tuple[str, ...]) -> Any:
    """Infer the columns of a file and tell the user, once for each state of the file."""
    schema, kinds = infer_schema(path, target=target, **chosen)
    for name in schema.features:
        if "/" in name:
            raise DataError(
                f"{path}: column '{name}': a slash cannot stand in the name of a column that a saved model reads. "
                f"Rename it, or leave it out with {set_option('ignore', [name])}."
            )
    for line in describe(kinds):
        say(f"{path.name}: {line}")
    return schema, kinds


def _known_kinds(card: Card, schema: TableSchema, ignore: Sequence[str]) -> tuple[ColumnKind, ...]:
    kind_of = {
        **dict.fromkeys(schema.numbers, "number"),
        **dict.fromkeys(schema.categories, "category"),
        **dict.fromkeys(schema.dates, "date"),
        **dict.fromkeys([*schema.identifiers, *ignore], "left out"),
        schema.target: "target",
    }
    return tuple(
        ColumnKind(name, kind_of[name], "set by ignore" if name in ignore else column.description)  # type: ignore[arg-type]
        for name, column in card.columns.items()
        if name in kind_of
    )


def find_place(numbers: Sequence[str], latitude: str | None, longitude: str | None) -> tuple[str, str] | None:
    """Return the columns of latitude and longitude; None where there are none.

    Args:
        numbers: the columns of numbers.
        latitude: the one that the user named; found by its name otherwise.
        longitude: likewise.

    Raises:
        ConfigError: a named column is not there, or only one of the two can be found.
    """
    found: list[str | None] = []
    for setting, named, usual in (("latitude", latitude, LATITUDES), ("longitude", longitude, LONGITUDES)):
        if named is not None and named not in numbers:
            raise ConfigError(f"{setting}: there is no column of numbers '{named}'.{did_you_mean(named, numbers)}")
        found.append(named or next((name for name in numbers if fold(name) in usual), None))
    if found[0] and found[1]:
        return found[0], found[1]
    if latitude or longitude:
        lacking = "longitude" if latitude else "latitude"
        raise ConfigError(f"{lacking}: a place needs both; name the other column with --set {lacking}=COLUMN.")
    return None


def quantile_knots(known: pd.Series[Any], pieces: int) -> npt.NDArray[np.float64]:
    """Return where a spline of so many pieces bends: as many rows between two knots as between any other two.

    Args:
        known: (rows,) numbers, none missing.
        pieces: how many; fewer come of it where many numbers are equal.

    Returns:
        Increasing positions that 32-bit numbers can tell apart; none for fewer than `FEWEST_VALUES` different numbers.
    """
    if not pieces or known.nunique() < FEWEST_VALUES:
        return np.array([])
    knots = np.unique(np.quantile(known.to_numpy("float64"), np.linspace(0, 1, pieces + 1)))
    apart: npt.NDArray[np.float64] = knots[np.diff(knots, prepend=-np.inf) > 1e-6 * np.ptp(knots)]
    return apart


def suits_log(target: pd.Series[Any]) -> bool:
    """Tell whether a target that is never negative has a long tail to the right that the logarithm shortens."""
    skew: Any = target.skew()
    return bool(target.min() >= 0 and skew > 1 and abs(np.log1p(target).skew()) < skew)

"""Cut series into forecasting tasks: the last `window` values, and the `horizon` values that came next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from practicals.common.data.csvtext import count
from practicals.common.data.facts import Facts
from practicals.common.data.seriestable import SeriesTable
from practicals.common.data.split import Split
from practicals.common.data.timestamps import Integers
from practicals.common.errors import DataError

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Shares(Protocol):
    """The settings of a split: shares of the steps that can be forecast. `calibration` may be absent."""

    @property
    def validation(self) -> float: ...
    @property
    def test(self) -> float: ...


class Windows:
    """Forecasting tasks from a table of series, one per origin: what was known, and what came next.

    Only places are held; values are cut out when they are asked for, so a part of a million origins costs a few
    megabytes until `.values` is called, best on a slice of it. `windows[mask]`, `windows[5:9]` and `windows[[3, 1]]`
    give the chosen origins.
    """

    def __init__(
        self,
        table: SeriesTable,
        series: Integers,
        origins: Integers,
        *,
        window: int,
        horizon: int,
        cycle: int,
    ) -> None:
        """Say which tasks.

        Args:
            table: the series.
            series: (n,) number of each task's series in the table.
            origins: (n,) number of the first step to forecast; the window is the `window` steps before it.
            window: how many steps are known, at least 1.
            horizon: how many steps are forecast, at least 1.
            cycle: how many steps the cycle has that `phase` counts through; also the season by which gaps are filled.

        Raises:
            ValueError: an origin has no complete window before it or lies beyond the step after the last.
        """
        self.table, self.window, self.horizon, self.cycle = table, window, horizon, cycle
        self.series, self.origins = np.asarray(series, dtype=np.int64), np.asarray(origins, dtype=np.int64)
        if len(self.origins) and (self.origins.min() < window or self.origins.max() > table.steps):
            raise ValueError(f"origins must lie in {window}..{table.steps}")
        self._index: pd.Index | None = None

    def __len__(self) -> int:
        return len(self.origins)

    def __repr__(self) -> str:
        steps = "" if self.table.step == "step" else f" ({self.table.step} by {self.table.step})"
        return f"<{count(len(self), 'window')} of {self.window} steps, {self.horizon} to forecast{steps}>"

    def __getitem__(self, chosen: Any) -> Windows:
        """Return the tasks that a mask, a slice or whole numbers choose, with their ids."""
        if isinstance(chosen, int | np.integer):
            chosen = [chosen]
        elif not isinstance(chosen, slice):
            chosen = np.asarray(chosen)
            if not chosen.size:
                chosen = chosen.astype(np.int64)
        part = Windows(
            self.table,
            self.series[chosen],
            self.origins[chosen],
            window=self.window,
            horizon=self.horizon,
            cycle=self.cycle,
        )
        if self._index is not None:
            part._index = self._index[chosen]
        return part

    @property
    def index(self) -> pd.Index:
        """(n,) the name of each task: its origin, such as "4407"; with several series "page|512"."""
        if self._index is None:
            if len(self.table.names) == 1:
                self._index = pd.Index(self.origins.astype(str).astype(object))
            else:
                pairs = zip(self.series.tolist(), self.origins.tolist(), strict=True)
                self._index = pd.Index([f"{self.table.names[row]}|{origin}" for row, origin in pairs], dtype=object)
        return self._index

    @index.setter
    def index(self, names: pd.Index | Sequence[str]) -> None:
        if len(names) != len(self):
            raise ValueError(f"{len(names)} names for {len(self)} windows")
        self._index = pd.Index(names)

    @property
    def values(self) -> Floats:
        """(n, window) what was known before the origin, in the unit of the data; gaps filled as `filled` does."""
        windows = np.lib.stride_tricks.sliding_window_view(self.table.filled(self.cycle), self.window, axis=1)
        cut: Floats = windows[self.series, self.origins - self.window]
        return cut

    @property
    def targets(self) -> Floats:
        """(n, horizon) what came next, in the unit of the data; NaN where it is missing or lies beyond the file."""
        places = self.origins[:, None] + np.arange(self.horizon)
        inside = places < self.table.steps
        found: Floats = self.table.values[self.series[:, None], np.where(inside, places, 0)]
        return np.where(inside, found, np.nan)

    @property
    def phase(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """(n,) where in the cycle the first forecast step lies, in 0..cycle-1.

        With time stamps 0 is Monday 00:00 (January with steps of whole months); otherwise the first row of the file.
        """
        return self.phase_at(1)

    def phase_at(self, step: int) -> np.ndarray[Any, np.dtype[np.int32]]:
        """(n,) where in the cycle forecast step `step` (1..horizon) lies, in 0..cycle-1."""
        phase = (self.table.first_place + self.origins + step - 1) % self.cycle
        return phase.astype(np.int32)

    def times(self, step: int) -> pd.Index:
        """(n,) the time of forecast step `step` (1..horizon), also beyond the end of the file."""
        return self.table.times_at(self.origins + step - 1)


def phase_cycle(step: str, seasons: Sequence[int]) -> int:
    """Return the length of the cycle for `origin_phase`: that after which the week and all seasons begin together."""
    return math.lcm({"hour": 168, "day": 7}.get(step, 1), *seasons)


def usual_seasons(step: str) -> tuple[int, ...]:
    """Return how many steps the usual rhythms of such steps have, shortest first; empty where none is usual.

    Args:
        step: such as `hour`, `15 minutes`, `day` or `month`.
    """
    number, _, unit = f"1 {step}".rpartition(" ")
    size = int(number.split()[-1]) * {"minute": 1, "hour": 60}.get(unit.removesuffix("s"), 0)
    if size:
        return tuple(minutes // size for minutes in (1440, 10_080) if minutes % size == 0 and minutes >= 2 * size)
    return {"day": (7,), "week": (52,), "month": (12,), "quarter": (4,)}.get(step, ())


def needed_steps(window: int, horizon: int, shares: Shares, *, calibration_origins: int = 1) -> int:
    """Return how many steps a series needs so that every part has an origin, and the calibration part so many."""
    parts = dict(_parts(shares))
    lengths = {name: horizon + (calibration_origins - 1 if name == "calibration" else 0) for name in parts}
    needed = [math.ceil(lengths[name] / share - 1e-9) for name, share in parts.items() if share > 0]
    return window + max(*needed, math.ceil(horizon / (1 - sum(parts.values())) - 1e-9))


def _parts(shares: Shares) -> Iterator[tuple[str, float]]:
    yield "validation", shares.validation
    yield "calibration", getattr(shares, "calibration", 0.0)
    yield "test", shares.test


def part_bounds(steps: int, window: int, shares: Shares) -> dict[str, tuple[int, int]]:
    """Return part -> (its first step, the step after its last), consecutive in time; parts without a share are absent.

    The steps after the first window are divided, since only they can be forecast: a part ends at the floor of their
    number times the shares up to it.
    """
    rest = dict(_parts(shares))
    ends, total = {"train": 1 - sum(rest.values())}, 1 - sum(rest.values())
    for name, share in rest.items():
        total += share
        ends[name] = total
    bounds, start = {}, window
    for name, end in ends.items():
        # 1 - 0.1 - 0.1 is a little off 0.8 in binary, and must not move a cut.
        stop = window + math.floor(round(max(steps - window, 0) * end, 6))
        if stop > start:
            bounds[name] = (start, stop)
        start = stop
    return bounds


def time_split(
    table: SeriesTable,
    *,
    window: int,
    horizon: int,
    cycle: int,
    shares: Shares,
    stride: int = 1,
    facts: Facts | None = None,
) -> Split[Windows]:
    """Divide series into parts that follow each other in time: train, validation, calibration, test.

    A part has every origin whose `horizon` targets all lie in it; its windows may look back into earlier parts, as
    they would in life. Nothing of a later part is in an earlier one. An origin without any known value in its window,
    or without any to forecast, is left out and counted.

    Args:
        table: the series; all are cut at the same times.
        window: how many steps are known.
        horizon: how many steps are forecast.
        cycle: see `Windows`.
        shares: which share of the steps after the first window each part has; without `calibration`, or where it is
            0, the split has none.
        stride: training takes every stride-th origin only, which saves time where series are long and many.
        facts: where the series came from; the split carries it along, with the counts added.

    Returns:
        The parts, each ordered by series and then by time.

    Raises:
        DataError: a part would have no origin.
    """
    bounds = part_bounds(table.steps, window, shares)
    known = np.zeros((len(table.names), table.steps + 1), dtype=np.int64)
    np.cumsum(~np.isnan(table.values), axis=1, out=known[:, 1:])
    parts: dict[str, Windows] = {}
    left_out = 0
    for name, _ in (("train", 0.0), *_parts(shares)):
        if name == "calibration" and not getattr(shares, "calibration", 0.0):
            continue
        start, stop = bounds.get(name, (0, 0))
        origins = np.arange(start, stop - horizon + 1, stride if name == "train" else 1)
        usable = (known[:, origins] > known[:, origins - window]) & (known[:, origins + horizon] > known[:, origins])
        series, place = np.nonzero(usable)
        left_out += usable.size - len(series)
        if not len(series):
            where = facts.file if facts else "series"
            found = f"{count(table.steps, 'step')} ({table.step})"
            if table.steps >= (needed := needed_steps(window, horizon, shares)):
                raise DataError(f"{where}: the {name} part of the {found} has no known value. Give a fuller file.")
            raise DataError(
                f"{where}: has {found}, too few for a window of {window} and a horizon of {horizon} in every part: "
                f"the {name} part would be empty. At least {needed:,} rows are needed; give more, or make window or "
                "horizon smaller."
            )
        parts[name] = Windows(table, series, origins[place], window=window, horizon=horizon, cycle=cycle)
    if left_out and facts:
        note = f"{count(left_out, 'forecast')} left out, with no known value before them or none to compare with."
        facts = replace(facts, notes=(*facts.notes, note))
    return Split(parts["train"], parts["validation"], parts["test"], facts, parts.get("calibration"))


def last_windows(table: SeriesTable, *, window: int, horizon: int, cycle: int) -> Windows:
    """Return one task per series: the window that ends with the file, to forecast what comes after it.

    Raises:
        DataError: the file has fewer steps than a window, or a series no known value in its last window.
    """
    if table.steps < window:
        raise DataError(
            f"series: has {count(table.steps, 'step')} ({table.step}); the forecast looks at the last {window}. "
            "Give a longer file."
        )
    empty = np.isnan(table.values[:, table.steps - window :]).all(axis=1)
    if empty.any():
        raise DataError(
            f"series {table.names[int(empty.argmax())]}: has no known value in its last {window} steps, so there is "
            "nothing to forecast from. Give a file that holds some."
        )
    series = np.arange(len(table.names))
    origins = np.full(len(series), table.steps)
    return Windows(table, series, origins, window=window, horizon=horizon, cycle=cycle)

"""Series on a regular time axis, and the rule by which their gaps are filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.data.csvtext import count
from practicals.common.data.timestamps import DAY, MINUTE, Integers

Floats = np.ndarray[Any, np.dtype[np.float64]]

MONDAY = np.datetime64("1970-01-05T00:00:00", "us")
"""From here phases of time stamps are counted."""


@dataclass(frozen=True, eq=False)
class SeriesTable:
    """One or several series on the same regular time axis."""

    names: tuple[str, ...]
    """One per series; of a file with one series, its value column."""
    values: Floats
    """(series, steps); NaN = missing."""
    times: pd.DatetimeIndex | pd.RangeIndex
    """(steps,) rising and regular: time stamps without zone (datetime64[us], with their frequency), or counts."""
    step: str
    """`hour`, `day`, `15 minutes`, `month`, ...; `step` where the file does not tell."""
    unit: str
    """What is counted: the name of the value column in small letters, such as `sessions`."""
    notes: tuple[str, ...] = ()
    """One sentence each: what was recognised, sorted, filled and counted on reading."""
    rows: int = 0
    """How many rows the file has below its header."""
    _filled: dict[int, Floats] = field(default_factory=dict, init=False, repr=False)

    @property
    def steps(self) -> int:
        """How many steps the time axis has."""
        return len(self.times)

    @property
    def length(self) -> str:
        """The length of the time axis in words: "4,896 hours", "96 steps of 15 minutes"."""
        if self.step[0].isdigit():
            return f"{count(self.steps, 'step')} of {self.step}"
        return count(self.steps, self.step)

    @property
    def first_place(self) -> int:
        """How many steps lie between Monday 1970-01-05 00:00 (January 1970 for months) and the first; or its count."""
        if isinstance(self.times, pd.RangeIndex):
            return int(self.times[0]) // self.times.step
        first = self.times[0]
        months = {"month": 1, "quarter": 3, "year": 12}.get(self.step, 0)
        if self.step.endswith(" months"):
            months = int(self.step.split()[0])
        if months:
            return int(((first.year - 1970) * 12 + first.month - 1) // months)
        size = self.times[1] - first
        return int((first - pd.Timestamp(MONDAY)) // size)

    def filled(self, season: int) -> Floats:
        """Return (series, steps) without gaps, by the rule of `filled`; computed once and not to be altered."""
        if season not in self._filled:
            self._filled[season] = filled(self.values, season)
        return self._filled[season]

    def times_at(self, places: Integers | Sequence[int]) -> pd.Index:
        """Return the times of steps (0 = the first), also of steps beyond the last."""
        places = np.asarray(places, dtype=np.int64)
        if isinstance(self.times, pd.RangeIndex):
            return pd.Index(self.times.start + places * self.times.step)
        steps = max(self.steps, int(places.max(initial=0)) + 1)
        axis = self.times
        if steps > self.steps:
            axis = pd.date_range(self.times[0], periods=steps, freq=self.times.freq).as_unit("us")
        return axis[places]

    def labels(self, places: Integers | Sequence[int]) -> list[str]:
        """Return the times of steps as text: "2017-01-31 23:00", "2017-01-31" for steps of days or longer, "4407"."""
        times = self.times_at(places)
        if not isinstance(times, pd.DatetimeIndex):
            return times.astype(str).tolist()
        axis = self.times_at([0, 1])
        if ((axis.asi8 % DAY) == 0).all():  # type: ignore[attr-defined]
            return times.strftime("%Y-%m-%d").tolist()
        seconds = ((axis.asi8 % MINUTE) != 0).any()  # type: ignore[attr-defined]
        return times.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M").tolist()


def filled(values: Floats, season: int) -> Floats:
    """Fill gaps for a network's input, from the past only.

    A missing value becomes the last known value at the same place of an earlier season; where there is none, the last
    known value; where nothing is known yet, 0.

    Args:
        values: (series, steps), NaN = missing; not altered.
        season: steps of a season.

    Returns:
        (series, steps) without NaN. Step t depends on steps up to t alone.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values.copy()
    series, steps = values.shape
    cycles = -(-steps // season)
    padded = np.full((series, cycles * season), np.nan)
    padded[:, :steps] = values
    same_place = _carry_forward(padded.reshape(series, cycles, season), axis=1).reshape(series, -1)[:, :steps]
    result = np.where(np.isnan(same_place), _carry_forward(values, axis=1), same_place)
    return np.nan_to_num(result, nan=0.0, posinf=None, neginf=None)


def _carry_forward(values: Floats, axis: int) -> Floats:
    """Replace each NaN by the last known value before it along an axis; leading ones stay."""
    shape = [1] * values.ndim
    shape[axis] = -1
    place = np.where(np.isnan(values), 0, np.arange(values.shape[axis]).reshape(shape))
    carried: Floats = np.take_along_axis(values, np.maximum.accumulate(place, axis=axis), axis=axis)
    return carried

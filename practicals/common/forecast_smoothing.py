"""Exponential smoothing for many series at once, an opponent that carries level and seasons along from step to step."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CANDIDATES = {
    "level": (0.005, 0.02, 0.1, 0.3, 0.6),
    "season": (0.02, 0.1, 0.2, 0.4, 0.6),
    "persistence": (0.0, 0.8, 0.9, 0.97),
}
"""Values among which the training span chooses: how far one error moves the level, how far it moves each season, and
which share of an error is still there one step later. All are combined whose moves add up to 1 at most: more would
overshoot the error."""
LARGEST = 100.0
"""The largest logarithm that is forecast; it only keeps a hopeless combination from overflowing."""
TRIED_ORIGINS = 400
"""At so many origins of the training span, about, the combinations are compared."""
CELLS = 4_000_000
"""How many numbers of state are held at once; more series are worked through in groups."""


@dataclass
class _State:
    """What is known at one moment, for (combinations, series) at once, all in logarithms."""

    level: Numbers
    """(combinations, series)."""
    seasons: list[Numbers]
    """One of (season, combinations, series) for each season."""
    error: Numbers
    """(combinations, series) the last deviation from level and seasons, which fades."""
    rates: Numbers
    """(1 + seasons + 1, combinations, series or 1): rate of the level, of each season, and the persistence."""

    def forecast(self, step: int, horizon: int) -> Numbers:
        """Return (horizon, combinations, series): the forecast of `step` and the steps after it."""
        ahead = np.arange(horizon)
        faded = self.rates[-1] ** (ahead[:, None, None] + 1)
        total: Numbers = self.level + faded * self.error
        for season in self.seasons:
            total = total + season[(step + ahead) % len(season)]
        return np.minimum(total, LARGEST)

    def update(self, step: int, value: Numbers) -> None:
        """Take in the value of `step`, (series,); where it is missing, only the last deviation fades."""
        places = [season[step % len(season)] for season in self.seasons]
        base = self.level + sum(places)
        faded = self.rates[-1] * self.error
        known = ~np.isnan(value)
        surprise = np.where(known, value - base - faded, 0.0)
        self.level = self.level + self.rates[0] * surprise
        for place, rate in zip(places, self.rates[1:-1], strict=True):
            place += rate * surprise
        self.error = np.where(known, value - base, faded)


def fit_smoothing(values: Numbers, *, seasons: Sequence[int], training_steps: int, horizon: int) -> Numbers:
    """Choose how fast level and seasons of each series move.

    For each series, the combination of `CANDIDATES` with the smallest mean absolute error over all steps of the
    horizon within the training span is taken.

    Args:
        values: (series, steps) in the unit of the data, at least 0, NaN where missing.
        seasons: lengths in steps.
        training_steps: only the first `training_steps` steps are looked at.
        horizon: steps ahead.

    Returns:
        (2 + seasons, series): rate of the level, of each season from the shortest on, and the persistence.
    """
    moves = itertools.product(CANDIDATES["level"], *([CANDIDATES["season"]] * len(set(seasons))))
    combined = itertools.product((move for move in moves if sum(move) <= 1), CANDIDATES["persistence"])
    rates = np.array([(*move, share) for move, share in combined]).T  # (rates, combinations)
    together = max(1, CELLS // (rates.shape[1] * (sum(set(seasons)) + horizon)))
    logs = np.log1p(values[:, :training_steps])
    chosen = [
        _choose(logs[first : first + together], rates[:, :, None], sorted(set(seasons)), horizon)
        for first in range(0, len(logs), together)
    ]
    return rates[:, np.concatenate(chosen)]


def smooth(
    values: Numbers,
    rates: Numbers,
    *,
    seasons: Sequence[int],
    training_steps: int,
    horizon: int,
    series: Integers,
    origins: Integers,
) -> Numbers:
    """Forecast by exponential smoothing with one or several seasons, in logarithms.

    Taylor's (2003) form of Holt and Winters' method, "Short-term electricity demand forecasting using double seasonal
    exponential smoothing": a level without trend, one additive season for each length, and a first-order
    autoregressive error. Because it works on log1p(value), the seasons multiply.

    Args:
        values: (series, steps) in the unit of the data, at least 0, NaN where missing.
        rates: (2 + seasons, series) from `fit_smoothing`.
        seasons: lengths in steps.
        training_steps: it starts from the first two longest seasons that are known within these steps.
        horizon: steps ahead.
        series: (n,) which series to forecast.
        origins: (n,) first step to forecast; it sees the steps before this one, and none after.

    Returns:
        (n, horizon) in the unit of the data.
    """
    logs = np.log1p(values[:, : int(origins.max(initial=0))])
    state = _start(np.log1p(values[:, :training_steps]), rates[:, None, :], sorted(set(seasons)))
    found = np.empty((len(origins), horizon))
    order = np.argsort(origins, kind="stable")
    borders = np.searchsorted(origins[order], np.arange(logs.shape[1] + 2))
    for step in range(logs.shape[1] + 1):
        asked = order[borders[step] : borders[step + 1]]
        if len(asked):
            found[asked] = state.forecast(step, horizon)[:, 0, series[asked]].T
        if step < logs.shape[1]:
            state.update(step, logs[:, step])
    return np.maximum(np.expm1(found), 0.0)


def _start(known: Numbers, rates: Numbers, seasons: Sequence[int]) -> _State:
    """Begin with the mean and the seasonal means of the first two longest seasons in which anything is known."""
    count, combinations = len(known), rates.shape[1]
    width = min(2 * seasons[-1], known.shape[1])
    first = np.minimum((~np.isnan(known)).argmax(axis=1), known.shape[1] - width)
    steps = first[:, None] + np.arange(width)  # (series, width)
    rest = np.take_along_axis(known, steps, axis=1)
    level = _mean(rest, np.zeros_like(steps), 1)[:, 0]
    rest = rest - level[:, None]
    profiles = []
    for season in seasons:  # the shortest first: a longer season holds what the shorter ones leave
        profile = _mean(rest, steps % season, season)  # (series, season)
        rest = rest - np.take_along_axis(profile, steps % season, axis=1)
        profiles.append(np.repeat(profile.T[:, None, :], combinations, axis=1))
    zeros = np.zeros((combinations, count))
    return _State(zeros + level, profiles, zeros, rates)


def _mean(values: Numbers, place: Integers, places: int) -> Numbers:
    """Return (series, places): the mean of the known values at each place; 0 where none is known."""
    known = ~np.isnan(values)
    where = (np.arange(len(values))[:, None] * places + place).ravel()
    total = np.bincount(where, np.where(known, values, 0.0).ravel(), len(values) * places)
    count = np.bincount(where, known.ravel(), len(values) * places)
    return (total / np.maximum(count, 1)).reshape(len(values), places)


def _choose(logs: Numbers, rates: Numbers, seasons: Sequence[int], horizon: int) -> Integers:
    """Return (series,) the number of the combination that forecast each training span, (series, steps), best."""
    steps = logs.shape[1]
    state = _start(logs, rates, seasons)
    truth = np.expm1(logs)
    error = np.zeros((rates.shape[1], len(logs)))
    # What it starts from has seen the first two longest seasons: they are no test.
    warm = min(2 * seasons[-1], steps // 2)
    stride = max(1, (steps - horizon - warm) // TRIED_ORIGINS)
    for step in range(steps):
        if step >= warm and step + horizon <= steps and (step - warm) % stride == 0:
            ahead = np.expm1(state.forecast(step, horizon)) - truth[:, step : step + horizon].T[:, None, :]
            error += np.where(np.isnan(ahead), 0.0, np.abs(ahead)).sum(axis=0)
        state.update(step, logs[:, step])
    return error.argmin(axis=0)

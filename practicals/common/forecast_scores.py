"""How far forecasts are off, how wide their intervals must be, and whether one forecaster beats another.

Truths and forecasts are (origins, horizon) in the unit of the data. A missing truth (NaN) is left out of every figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from practicals.common.conformal import conformal_quantile
from practicals.common.errors import DataError
from practicals.common.metrics import Numbers, reach_to_zero

Integers = npt.NDArray[np.int64]

LEVELS = {80: 0.80, 95: 0.95}
"""Interval, as it is named in files -> share of the truths that it is to hold."""
FEWEST_ORIGINS = 39
"""So many origins of the calibration part are the fewest for an interval that holds 95 %: 2.5 % on either side."""
MANY_SERIES = 20
"""From so many series on, series are redrawn in a bootstrap, and blocks of time with fewer."""


def mae(truth: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Return the mean absolute error."""
    return float(np.nanmean(np.abs(_errors(truth, forecast))))


def rmse(truth: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.nanmean(np.square(_errors(truth, forecast)))))


def smape_percent(truth: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Return the mean of 200 |forecast - truth| / (|forecast| + |truth|): 0 to 200 percent.

    The form of the M3 and M4 competitions (Makridakis & Hibon, 2000). Where truth and forecast are both 0 it counts 0.
    """
    error = np.abs(_errors(truth, forecast))
    size = np.abs(np.asarray(truth, "float64")) + np.abs(np.asarray(forecast, "float64"))
    return float(np.nanmean(200 * error / np.where(size == 0, 1.0, size)))


@dataclass(frozen=True)
class Scales:
    """What the errors of each series are divided by, measured in the training span alone."""

    season: int
    """Lag of the seasonal naive forecast, in steps."""
    naive_mae: Numbers
    """(series,) mean absolute error of the seasonal naive forecast there; NaN where it is 0 or unknown."""
    spread: Numbers
    """(series,) standard deviation; NaN where it is 0 or unknown."""

    @property
    def left_out(self) -> int:
        """How many series have no scale, so that no scaled error exists for them."""
        return int(np.isnan(self.naive_mae).sum())


def training_scales(values: Numbers, training_steps: int, season: int) -> Scales:
    """Measure the scale of each series in its training span.

    Args:
        values: (series, steps), NaN where missing.
        training_steps: the span is the first `training_steps` steps; nothing after it is looked at.
        season: lag of the seasonal naive forecast, in steps.

    Raises:
        DataError: no series has a scale: the span is not longer than the season, or every series is constant.
    """
    span = values[:, :training_steps]
    if span.shape[1] <= season:
        raise DataError(
            f"training span: has {span.shape[1]} steps, but errors are measured against the seasonal naive forecast at "
            f"lag {season}, so more than {season} are needed. Give a longer file, or a smaller season."
        )
    naive_mae = _mean_by_row(np.abs(span[:, season:] - span[:, :-season]))
    center = _mean_by_row(span)
    spread = np.sqrt(_mean_by_row(np.square(span - center[:, None])))
    # A constant series differs from its mean by rounding errors, and dividing by those would be absurd.
    nothing = 1e-9 * np.abs(center)
    scales = Scales(
        season, *(np.where(np.nan_to_num(size) > np.nan_to_num(nothing), size, np.nan) for size in (naive_mae, spread))
    )
    if scales.left_out == len(values):
        raise DataError(
            f"training span: in no series does a value differ from the one {season} steps before, so there is nothing "
            "to forecast. Give a series that varies."
        )
    return scales


def refuse_long_season(where: str, seasons: Sequence[int], cycle: int, training_steps: int) -> None:
    """Refuse a season or a common cycle of several that the training span does not hold, before anything is trained.

    Raises:
        DataError: names the file, the season and what to do.
    """
    season = max(seasons)
    if season >= training_steps:
        raise DataError(
            f"{where}: a season of {season} steps does not fit into the training span of {training_steps}; more than "
            f"{season} are needed there. Give a longer file, or set `season` to fewer steps."
        )
    if cycle >= training_steps:
        raise DataError(
            f"{where}: seasons of {', '.join(map(str, seasons))} steps and the week begin together only every {cycle} "
            f"steps, which do not fit into the training span of {training_steps}. Give a longer file, or set `season` "
            "to such that are multiples of each other and go into a week or hold whole ones."
        )


def mase(truth: Numbers, forecast: Numbers, series: Integers, scales: Scales) -> float:
    """Return the mean absolute scaled error (Hyndman & Koehler, 2006, "Another look at measures of forecast accuracy").

    The mean absolute error of a series is divided by the training MAE of its seasonal naive forecast, then averaged
    over the series. Series without such a scale are left out.

    Args:
        truth: (origins, horizon), as is the forecast.
        forecast: what was said of it.
        series: (origins,) number of each origin's series.
        scales: of the training span.
    """
    return _mean_known(scaled_errors(truth, forecast, series, scales))


def scaled_errors(truth: Numbers, forecast: Numbers, series: Integers, scales: Scales) -> Numbers:
    """Return (series,) the scaled error of each series, of which `mase` is the mean; NaN where there is none."""
    total, count = _by_series(np.abs(_errors(truth, forecast)), series, len(scales.naive_mae))
    return _divide(_divide(total, count), scales.naive_mae)


def standardised_mse(truth: Numbers, forecast: Numbers, series: Integers, scales: Scales) -> float:
    """Return the mean squared error divided by the variance of the training span, averaged over the series.

    1 is what the training mean would get if nothing changed. Arguments as for `mase`.
    """
    total, count = _by_series(np.square(_errors(truth, forecast)), series, len(scales.spread))
    return _mean_known(_divide(_divide(total, count), np.square(scales.spread)))


def forecast_scores(truth: Numbers, forecast: Numbers, series: Integers, scales: Scales) -> dict[str, float]:
    """Return all scores of forecasts: `mase`, `mae`, `rmse`, `smape_percent`, `standardised_mse`.

    Raises:
        DataError: no truth is known in a series that has a scale.
    """
    scaled = mase(truth, forecast, series, scales)
    if np.isnan(scaled):
        raise DataError("forecasts: nothing can be scored, no value is known in a series with a scale. Fill the file.")
    return {
        "mase": scaled,
        "mae": mae(truth, forecast),
        "rmse": rmse(truth, forecast),
        "smape_percent": smape_percent(truth, forecast),
        "standardised_mse": standardised_mse(truth, forecast, series, scales),
    }


def interval_offsets(truth: Numbers, forecast: Numbers) -> dict[str, list[float]]:
    """Return how far the bounds of the intervals lie from a forecast, for each step of the horizon.

    The offset is in logarithms: bound = expm1(log1p(forecast) + offset). It is an order statistic of the residuals
    log1p(truth) - log1p(forecast) of the calibration part, with the rank of split conformal prediction, each side on
    its own: a lower bound at 80 % has 10 % of the truths below it, an upper bound 10 % above (Romano et al., 2019).
    Origins that follow each other are alike, so the promise is not exact for series: look at the measured coverage.

    Args:
        truth: (origins, horizon) of the calibration part, at least 0.
        forecast: (origins, horizon), at least 0.

    Returns:
        `lower_80`, `upper_80`, `lower_95` and `upper_95`, each with one offset per step.

    Raises:
        DataError: there are too few origins for the ranks.
    """
    residuals = [step[~np.isnan(step)] for step in (np.log1p(truth) - np.log1p(forecast)).T]
    offsets: dict[str, list[float]] = {}
    for name, wanted in LEVELS.items():
        side = (1 + wanted) / 2
        offsets[f"lower_{name}"] = [-conformal_quantile(-step, side) for step in residuals]
        offsets[f"upper_{name}"] = [conformal_quantile(step, side) for step in residuals]
    return offsets


def mase_difference(
    truth: Numbers,
    ours: Numbers,
    theirs: Numbers,
    *,
    series: Integers,
    origins: Integers,
    scales: Scales,
    block: int,
    seed: int,
    draws: int = 2000,
) -> tuple[float, tuple[float, float]]:
    """Return `mase(ours) - mase(theirs)` and its 95 % interval by a paired bootstrap.

    Neighbouring origins share most of their hours, so they are not redrawn one by one but in blocks of time, such as
    days (Künsch, 1989); from `MANY_SERIES` series on, whole series are redrawn instead. Both forecasts are scored on
    the same draws. One block alone says nothing of others: the interval then reaches to 0.

    Args:
        truth: (origins, horizon), as are both forecasts, `ours` and `theirs`.
        ours: the network's.
        theirs: the baseline's.
        series: (origins,) number of each origin's series.
        origins: (origins,) number of the first forecast step in its series.
        scales: of the training span.
        block: steps in a block of time.
        seed: seed of the draws.
        draws: number of draws.
    """
    difference = np.abs(truth - ours) - np.abs(truth - theirs)
    number = len(scales.naive_mae)
    total, count = _by_series(difference, series, number)
    by_series = _divide(_divide(total, count), scales.naive_mae)
    generator = np.random.default_rng(seed)
    scored = by_series[~np.isnan(by_series)]
    if len(scored) >= MANY_SERIES:
        drawn = _how_often(generator, len(scored), draws) @ scored / len(scored)
    else:
        blocks = (origins - origins.min()) // block
        count_blocks = int(blocks.max()) + 1
        sums = _by_series(difference, blocks * number + series, count_blocks * number)
        total, count = (part.reshape(count_blocks, number) for part in sums)
        if (count[:, ~np.isnan(scales.naive_mae)].sum(axis=1) > 0).sum() < 2:
            found = _mean_known(by_series)
            return found, reach_to_zero(found)
        often = _how_often(generator, count_blocks, draws)
        # Sums and counts of each draw, (draws, series) each, scaled as above.
        total, count = often @ total, often @ count
        drawn = np.array([_mean_known(one) for one in _divide(_divide(total, count), scales.naive_mae)])
    low, high = (float(bound) for bound in np.nanpercentile(drawn, [2.5, 97.5]))
    return _mean_known(by_series), (low, high)


def _errors(truth: npt.ArrayLike, forecast: npt.ArrayLike) -> Numbers:
    return np.asarray(truth, "float64") - np.asarray(forecast, "float64")


def _by_series(values: Numbers, series: Integers, number: int) -> tuple[Numbers, Numbers]:
    """Return (number,) sum and count of the known values of each series."""
    known = ~np.isnan(values)
    total, count = (np.bincount(series, one.sum(axis=1), number) for one in (np.where(known, values, 0.0), known))
    return np.asarray(total, "float64"), np.asarray(count, "float64")


def _divide(values: Numbers, by: Numbers) -> Numbers:
    """Divide without a warning; NaN where there is nothing to divide by."""
    return np.asarray(values / np.where(by == 0, np.nan, by))


def _mean_known(values: Numbers) -> float:
    """Return the mean of the known values; NaN where none is known."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _how_often(generator: np.random.Generator, number: int, draws: int) -> Integers:
    """Return (draws, number): how often each unit is drawn when `number` are drawn with replacement."""
    return generator.multinomial(number, np.full(number, 1 / number), draws)


def _mean_by_row(values: Any) -> Numbers:
    """Return the mean of the known values of each row; NaN where none is known."""
    known = ~np.isnan(values)
    return _divide(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1))

"""Built-in samples of series: drawn from a process whose truth is known, in the form of the real data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from practicals.common.data.seriestable import Floats, SeriesTable

WEBTRAFFIC_LAGS = {1: 0.6, 24: 0.35}
"""Lag in hours -> its weight in the logarithm of the hourly sample, besides level, cycles and trend: what a forecast of
the next hour can use. The last hour comes first, then the same hour of yesterday; no other lag has a weight."""
WEBTRAFFIC_NOISE = 0.06
"""Standard deviation of what cannot be forecast one hour ahead, in the logarithm: about 6 %."""
WIKIPEDIA_LAGS = {1: 0.5, 7: 0.35}
"""Lag in days -> its weight in the logarithm of the daily sample: yesterday, and the same weekday of last week."""
WIKIPEDIA_NOISE = 0.15
"""Standard deviation of what cannot be forecast one day ahead, in the logarithm, before counting."""

_BURN_IN = 1_000  # steps after which the start at zero is forgotten


def webtraffic(weeks: int = 10, seed: int = 0) -> SeriesTable:
    """Draw hourly sessions of an invented site, one series without gaps.

    With the hour h of the day and the weekday w (the series starts on a Monday at 00:00) the logarithm is

        log(2e9) + 0.5 sin(2 pi (h - 9) / 24) + 0.2 sin(4 pi (h - 3) / 24)   most at 15, least at 3 o'clock or so
                 + {Saturday: -0.25, Sunday: -0.15}[w]
                 + 0.02 per week                                             slow growth
                 + e(t),    e(t) = 0.6 e(t-1) + 0.35 e(t-24) + normal noise of standard deviation 0.06

    The cycles are fixed, so only the lags 1 and 24 of WEBTRAFFIC_LAGS say more than the calendar does.

    Args:
        weeks: length.
        seed: the same seed gives the same series.

    Returns:
        A table with counted hours, as the real file has them; whole numbers beyond 32 bit.
    """
    rng = np.random.default_rng(seed)
    place = np.arange(weeks * 168)
    hour, weekday = place % 24, place // 24 % 7
    cycles = 0.5 * np.sin(2 * np.pi * (hour - 9) / 24) + 0.2 * np.sin(4 * np.pi * (hour - 3) / 24)
    weekend = np.select([weekday == 5, weekday == 6], [-0.25, -0.15], 0.0)
    noise = _autoregressive(rng, (1, len(place)), WEBTRAFFIC_LAGS, WEBTRAFFIC_NOISE)
    values = np.round(np.exp(np.log(2e9) + cycles + weekend + 0.02 * place / 168 + noise))
    return SeriesTable(("Sessions",), values, pd.RangeIndex(len(place)), "hour", "sessions", (), len(place))


def wikipedia(pages: int = 36, days: int = 280, seed: int = 0) -> SeriesTable:
    """Draw daily views of invented pages, with gaps.

    A page has a level between 10 and 10,000 views, a weekend that lies between 40 % below and 20 % above its other
    days, a trend of at most 0.1 % a day, and e(t) = 0.5 e(t-1) + 0.35 e(t-7) + normal noise of standard deviation
    0.15, all in the logarithm; views are Poisson counts of that mean. About 4 % of the values are missing: in runs of
    one to seven days, and every ninth page begins only after a fifth of the days.

    Args:
        pages: how many series.
        days: length.
        seed: the same seed gives the same series.

    Returns:
        A table that begins on 2015-07-01, as the real one does; NaN = missing.
    """
    rng = np.random.default_rng(seed)
    times = pd.date_range("2015-07-01", periods=days, freq="D").as_unit("us")
    level = rng.uniform(np.log(10), np.log(10_000), (pages, 1))
    weekend = rng.uniform(np.log(0.6), np.log(1.2), (pages, 1)) * (times.day_of_week.to_numpy() >= 5)
    trend = rng.uniform(-0.001, 0.001, (pages, 1)) * (np.arange(days) - days / 2)
    noise = _autoregressive(rng, (pages, days), WIKIPEDIA_LAGS, WIKIPEDIA_NOISE)
    values = rng.poisson(np.exp(level + weekend + trend + noise)).astype(np.float64)
    for page in range(pages):
        for start in rng.integers(0, days, size=rng.poisson(days / 200)):
            values[page, start : start + rng.integers(1, 8)] = np.nan
    values[8::9, : days // 5] = np.nan
    names = tuple(f"Invented_page_{page + 1:02d}" for page in range(pages))
    return SeriesTable(names, values, times, "day", "views", (), pages)


def _autoregressive(rng: np.random.Generator, shape: tuple[int, int], lags: dict[int, float], scale: float) -> Floats:
    """Draw (series, steps) of e(t) = sum of weight * e(t - lag) + normal noise of standard deviation `scale`."""
    series, steps = shape
    drawn = rng.normal(0, scale, (series, _BURN_IN + steps))
    for step in range(max(lags), drawn.shape[1]):
        for lag, weight in lags.items():
            drawn[:, step] += weight * drawn[:, step - lag]
    return drawn[:, _BURN_IN:]


SERIES_SAMPLES: dict[str, Callable[[], SeriesTable]] = {"webtraffic": webtraffic, "wikipedia": wikipedia}
"""Card -> its sample; called without arguments it gives the series of a run."""

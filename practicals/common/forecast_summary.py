"""What the report shows of forecasts: the series, errors by horizon and time of the week, backtest, worst day.

Unknown numbers become None, since JSON has no NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.conformal import coverage
from practicals.common.data.split import Split
from practicals.common.data.windows import Windows
from practicals.common.forecast_baselines import last_step, several
from practicals.common.forecast_scores import LEVELS, Integers, Scales, scaled_errors
from practicals.common.metrics import Numbers
from practicals.common.report.words import number

MOST_POINTS = 1500
"""A drawn series has no more points."""
MOST_FORECASTS = 200
"""The backtest draws no more forecasts."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Backtest:
    """The test part as it was forecast."""

    windows: Windows
    truth: Numbers
    """(origins, horizon), as all below."""
    answer: Mapping[str, Numbers]
    """`prediction`, `lower_80`, `upper_80`, `lower_95`, `upper_95`."""
    baseline: Numbers
    """Forecasts of the strongest opponent."""
    baseline_name: str
    day: int
    """Steps of the shortest season."""


def typical_series(tested: Backtest, scales: Scales) -> int:
    """Return the series to draw: the one whose scaled error is the median of all, neither the best nor the worst."""
    errors = scaled_errors(tested.truth, tested.answer["prediction"], tested.windows.series, scales)
    scored = int((~np.isnan(errors)).sum())
    if not scored:
        return int(tested.windows.series[0])
    return int(np.argsort(errors, kind="stable")[(scored - 1) // 2])  # NaN comes last


def drawn_series(split: Split[Windows], number: int) -> dict[str, Any]:
    """Return `series` and `parts`: one series, thinned to the mean of a few steps at a time, and where parts lie in it.

    Args:
        split: the parts.
        number: number of the series.
    """
    table = split.train.table
    every = -(-table.steps // MOST_POINTS)
    starts = np.arange(0, table.steps, every)
    values = np.array([_mean(table.values[number, start : start + every]) for start in starts])
    parts = []
    for name, part in split.items():
        first = 0 if name == "train" else int(part.origins.min())
        last = last_step(part) - 1
        start, end = table.labels([first, last])
        parts.append(
            {
                "name": "training" if name == "train" else name,
                "start": start,
                "end": end,
                "from": first // every,
                "to": last // every,
            }
        )
    series = {"name": table.names[number], "times": table.labels(starts), "values": plain(values)}
    return {"series": series, "parts": parts}


def cycles(tested: Backtest) -> list[dict[str, Any]]:
    """Return the mean absolute error by the time that is forecast: hour of the day, weekday, month or place."""
    windows = tested.windows
    errors = [np.abs(tested.truth - forecast) for forecast in (tested.answer["prediction"], tested.baseline)]
    steps = windows.origins[:, None] + np.arange(windows.horizon)  # (origins, horizon)
    found = []
    for title, labels, place in _clocks(windows):
        place = place[steps]
        network, baseline = (
            plain(np.array([_mean(error[place == number]) for number in range(len(labels))])) for error in errors
        )
        found.append({"title": title, "labels": labels, "network": network, "baseline": baseline})
    return found


def _clocks(windows: Windows) -> list[tuple[str, list[str], Integers]]:
    """Return title, labels, and for each step of the table the number of its label."""
    table, cycle = windows.table, windows.cycle
    count = int(windows.origins.max()) + windows.horizon
    times = table.times_at(np.arange(count))
    hours = [f"{hour:02d}" for hour in range(24)]
    if isinstance(times, pd.DatetimeIndex):
        if times[1] - times[0] < pd.Timedelta(days=1):
            return [
                ("hour of the day", hours, times.hour.to_numpy()),
                ("weekday", list(WEEKDAYS), times.day_of_week.to_numpy()),
            ]
        if times[1] - times[0] == pd.Timedelta(days=1):
            return [("weekday", list(WEEKDAYS), times.day_of_week.to_numpy())]
        if times[1] - times[0] < pd.Timedelta(days=32):
            return [("month", list(MONTHS), times.month.to_numpy() - 1)]
    phase = (table.first_place + np.arange(count)) % cycle
    if not isinstance(times, pd.DatetimeIndex) and table.step == "hour" and cycle == 168:
        days = [f"day {day}" for day in range(1, 8)]
        return [
            ("hour of the day, as the file counts", hours, phase % 24),
            ("day of the week, as the file counts", days, phase // 24),
        ]
    places = min(cycle, 24)
    if places == 1:
        return []
    labels = [str(place * cycle // places + 1) for place in range(places)]
    return [(f"place in the cycle of {cycle} {several(table.step)}", labels, phase * places // cycle)]


def backtest(tested: Backtest, number: int) -> dict[str, Any]:
    """Return forecasts of one series over what happened: one a day, or a longer time where they would overlap.

    One step ahead, every one of the last forecasts is shown.
    """
    windows = tested.windows
    ours = windows.series == number
    wanted = ours if windows.horizon == 1 else ours & (stretches(tested) >= 0)
    # A series with gaps may have no forecast that starts with a day.
    rows = np.flatnonzero(wanted if wanted.any() else ours)[-MOST_FORECASTS:]
    first, last = int(windows.origins[rows[0]]), int(windows.origins[rows[-1]]) + windows.horizon
    steps = np.arange(first, last)
    forecasts = [
        {
            "from": int(windows.origins[row]) - first,
            "values": plain(tested.answer["prediction"][row]),
            "lower": plain(tested.answer["lower_95"][row]),
            "upper": plain(tested.answer["upper_95"][row]),
        }
        for row in rows
    ]
    return {
        "times": windows.table.labels(steps),
        "actual": plain(windows.table.values[number, first:last]),
        "forecasts": forecasts,
    }


def stretches(tested: Backtest) -> Integers:
    """Return (origins,) the number of the stretch that each forecast belongs to; -1 where to none.

    A stretch is one forecast that starts with a day, so that they follow each other without overlap. One step ahead, it
    is the forecasts of a whole day.
    """
    windows, day = tested.windows, tested.day
    begins = windows.phase % day == 0
    first = int(windows.origins[begins].min()) if begins.any() else int(windows.origins.min())
    apart = day * -(-windows.horizon // day)
    number, place = np.divmod(windows.origins - first, apart)
    number = np.where((number >= 0) & ((windows.horizon == 1) | (place == 0)), number, -1)
    number = np.where(number < 0, -1, number + windows.series * (number.max() + 1))
    if windows.horizon > 1:
        return number
    # The first and the last day of the part are not whole, and a few hours are easily the worst.
    size = np.bincount(number[number >= 0])
    return np.where((number >= 0) & (size[number] == size.max()), number, -1)


def worst_day(tested: Backtest, scales: Scales) -> dict[str, Any]:
    """Return the stretch of the test part on which the network was furthest off, beside the strongest opponent.

    Errors of several series are compared by their scale.
    """
    windows, stretch = tested.windows, stretches(tested)
    error = np.abs(tested.truth - tested.answer["prediction"]) / scales.naive_mae[windows.series, None]
    scored = ~np.isnan(error).all(axis=1)
    if not (scored & (stretch >= 0)).any():
        stretch = np.arange(len(windows))  # a short or patchy part: any forecast will do
    in_one = scored & (stretch >= 0)
    count = np.bincount(stretch[in_one])
    total = np.bincount(stretch[in_one], np.nanmean(error[in_one], axis=1))
    rows = np.flatnonzero(stretch == int((total / np.maximum(count, 1)).argmax()))
    steps = (windows.origins[rows][:, None] + np.arange(windows.horizon)).ravel()
    table, times = windows.table, windows.table.labels(steps)
    span = times[0] if len(times) == 1 else f"{times[0]} to {times[-1]}"
    counted = "" if isinstance(table.times, pd.DatetimeIndex) else f"{table.step}{'s' * (len(times) > 1)} "
    whose = f"{table.names[int(windows.series[rows[0]])]}, " if len(table.names) > 1 else ""
    truth, prediction, baseline = (
        values[rows].ravel() for values in (tested.truth, tested.answer["prediction"], tested.baseline)
    )
    ours, theirs = (_mean(np.abs(truth - values)) for values in (prediction, baseline))
    return {
        "title": f"{whose}{counted}{span}",
        "times": times,
        "actual": plain(truth),
        "prediction": plain(prediction),
        "lower_95": plain(tested.answer["lower_95"][rows].ravel()),
        "upper_95": plain(tested.answer["upper_95"][rows].ravel()),
        "baseline": plain(baseline),
        "baseline_name": tested.baseline_name,
        "sentence": f"Of {int((count > 0).sum()):,} such stretches of the test part, the network was furthest off in "
        f"this one: by {number(ours)} {table.unit} on average. "
        f"There {tested.baseline_name} was off by {number(theirs)}.",
    }


def coverages(tested: Backtest) -> list[dict[str, Any]]:
    """Return how many truths of the test part lie in their intervals, overall and for each step of the horizon."""
    found = []
    for name, wanted in LEVELS.items():
        bounds = tested.answer[f"lower_{name}"], tested.answer[f"upper_{name}"]
        inside = (tested.truth >= bounds[0]) & (tested.truth <= bounds[1])
        by_horizon = [
            _mean(column[~np.isnan(truth)].astype(float))
            for column, truth in zip(inside.T, tested.truth.T, strict=True)
        ]
        found.append(
            {"wanted": wanted, "overall": coverage(tested.truth, *bounds), "by_horizon": plain(np.array(by_horizon))}
        )
    return found


def horizon_errors(truth: Numbers, forecasts: Mapping[str, Numbers]) -> dict[str, list[float | None]]:
    """Return name -> mean absolute error of each forecast step."""
    errors = {name: np.abs(truth - forecast) for name, forecast in forecasts.items()}
    return {name: plain(np.array([_mean(step) for step in error.T])) for name, error in errors.items()}


def plain(values: Numbers) -> list[float | None]:
    """Return numbers as JSON has them, to seven digits; None for what is not known."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values.tolist()]


def _mean(values: Numbers) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")

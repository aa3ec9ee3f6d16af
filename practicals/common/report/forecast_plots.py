"""Plots of forecasts: the series and its parts, forecasts over what happened, errors by horizon and by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from practicals.common.report.readable import axis_label, log_axis, percent_axis, scale
from practicals.common.report.svg import (
    BLUE,
    DASHED,
    DOTTED,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    Numbers,
    legend_above,
    new_figure,
    shorten,
)
from practicals.common.report.words import number

PART_COLOURS = {"training": BLUE, "validation": GREEN, "calibration": PURPLE, "test": ORANGE}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PANELS = 4
"""Rows of the backtest plot, at most: wide plots would be unreadable on a phone, so they are cut and stacked."""


def places(times: Sequence[str]) -> Numbers:
    """Return where times stand on the axis, (steps,): step numbers as they are, time stamps one beside the other."""
    if all(str(time).isdigit() for time in times):
        return np.array([int(time) for time in times], "float64")
    return np.arange(len(times), dtype="float64")


def time_labels(times: Sequence[str], most: int = 5) -> dict[int, str]:
    """Return place in `times` -> short label, at most about `most`: "06:00" within a day, "12 Apr", or "Apr 2018".

    Empty where times are step numbers, which need no words; texts that are no times are shortened.
    """
    if all(str(time).isdigit() for time in times):
        return {}
    try:
        stamps = pd.DatetimeIndex(pd.to_datetime(list(times), format="ISO8601"))
    except (ValueError, TypeError):
        step = -(-len(times) // most)
        return {place: shorten(times[place], 12) for place in range(0, len(times), step)}
    days = (stamps[-1] - stamps[0]).days
    if days < 2:
        round_, form = (stamps.minute == 0) & (stamps.hour % 6 == 0), "{0:%H:%M}"
    elif days < 330:
        round_, form = (stamps.minute == 0) & (stamps.hour == 0), "{0.day} {0:%b}"
    else:
        round_, form = (stamps.day == 1) & (stamps.hour == 0), "{0:%b %Y}"
    candidates = np.flatnonzero(round_)
    if len(candidates) < 3:
        candidates = np.arange(len(times))
    return {int(place): form.format(stamps[place]) for place in candidates[:: -(-len(candidates) // most)]}


def _time_axis(axes: Axes, times: Sequence[str], x: Numbers, step: str, most: int = 5) -> None:
    labels = time_labels(times, most)
    if labels:
        axes.set_xticks([x[place] for place in labels], list(labels.values()))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(most, integer=True))
        axes.set_xlabel(f"{step}, counted from the start of the file")


def series(times: Sequence[str], values: Numbers, parts: Sequence[Mapping[str, Any]], step: str, unit: str) -> Figure:
    """Draw a series, (steps,) in `unit`, with NaN as gaps, over the shaded parts into which it was cut."""
    figure, axes = new_figure()
    x = places(times)
    size, word = scale(float(np.nanmax(np.abs(values), initial=0)))
    for part in parts:
        first, last = (min(max(int(part[end]), 0), len(x) - 1) for end in ("from", "to"))
        colour = PART_COLOURS.get(part["name"], GREY)
        axes.axvspan(x[first], x[last], color=colour, alpha=0.22, linewidth=0, label=part["name"])
        # A long series fills the plot: the line in the part's colour keeps the parts apart.
        axes.plot(x[first : last + 2], values[first : last + 2] / size, color=colour, linewidth=0.7)
    if not parts:
        axes.plot(x, values / size, color=INK, alpha=0.85, linewidth=0.7)
    axes.set_xlim(x[0], max(x[-1], x[0] + 1))
    axes.set_ylabel(axis_label("", word, unit, width=30))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    _time_axis(axes, times, x, step, 4)
    legend_above(axes)
    return figure


def backtest_rows(steps: int, horizon: int) -> int:
    """Return into how many rows a backtest of so many steps is cut: about seven forecasts stand in each."""
    return min(PANELS, max(1, round(steps / (7 * horizon))))


def backtest(
    times: Sequence[str], actual: Numbers, forecasts: Sequence[Mapping[str, Any]], step: str, unit: str
) -> Figure:
    """Draw forecasts with their 95 % intervals over what happened, cut into rows that are stacked.

    Args:
        times: (steps,).
        actual: (steps,) in `unit`, NaN where nothing is known.
        forecasts: each with `from`, its first place in `times`, and `values`, `lower` and `upper`, (horizon,) each.
        step: what one step is called.
        unit: of the values.
    """
    horizon = max(len(one["values"]) for one in forecasts)
    rows = backtest_rows(len(times), horizon)
    # Whole forecasts in each row, where one follows on another.
    width = -(-len(times) // (rows * horizon)) * horizon
    figure = Figure(figsize=(4.2, 0.6 + (2.5 if rows == 1 else 1.45 * rows)), layout="constrained")
    panels = figure.subplots(rows, 1, sharey=True, squeeze=False)[:, 0]
    x = places(times)
    size, word = scale(float(np.nanmax(np.abs(actual), initial=0)))
    for row, axes in enumerate(panels):
        start, stop = row * width, min((row + 1) * width, len(times))
        label = "actual" if row == 0 else None
        axes.plot(x[start:stop], actual[start:stop] / size, color=INK, alpha=0.85, linewidth=1.2, label=label)
        for one in forecasts:
            if start <= one["from"] < stop:
                _forecast(axes, x[one["from"] :], one, size, named=one is forecasts[0])
        gap = x[1] - x[0] if len(x) > 1 else 1.0
        axes.set_xlim(x[start] - gap / 2, x[start] + (width - 0.5) * gap)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        _time_axis(axes, times[start:stop], x[start:stop], step, 4)
        if row < rows - 1:
            axes.set_xlabel("")
    figure.supylabel(axis_label("", word, unit, width=30), fontsize="medium")
    legend_above(*panels)
    return figure


def _forecast(axes: Axes, x: Numbers, one: Mapping[str, Any], size: float, *, named: bool) -> None:
    # Matplotlib leaves names with a leading underscore out of a legend.
    interval, forecast = ("95 % interval", "forecast") if named else ("_", "_")
    values, lower, upper = (np.array(one[key], "float64")[: len(x)] / size for key in ("values", "lower", "upper"))
    x = x[: len(values)]
    if len(values) == 1:
        axes.vlines(x, lower, upper, color=BLUE, alpha=0.3, linewidth=3, label=interval)
        axes.plot(x, values, "o", color=BLUE, markersize=3.5, label=forecast)
        return
    axes.fill_between(x, lower, upper, color=BLUE, alpha=0.22, linewidth=0, label=interval)
    axes.plot(x, values, color=BLUE, linewidth=1.6, label=forecast)


def by_horizon(errors: Mapping[str, Numbers], named: Mapping[str, str], steps: str, unit: str) -> Figure:
    """Draw mean error over the steps ahead; `named` series (name -> colour) stand out, all others are grey.

    The axis ends a little above the largest named error, so that these stay apart.
    """
    figure, axes = new_figure(height=3.4)
    top = max(float(np.nanmax(errors[name])) for name in named)
    highest = min(1.2 * top, max(float(np.nanmax(values)) for values in errors.values()))
    size, word = scale(highest)
    ahead = np.arange(1, len(next(iter(errors.values()))) + 1)
    for place, (name, colour) in enumerate(named.items()):
        style: Any = ("-", DASHED, DOTTED)[place % 3]
        axes.plot(ahead, errors[name] / size, color=colour, linestyle=style, label=shorten(name), zorder=4)
    for place, name in enumerate(name for name in errors if name not in named):
        label = "other baselines" if place == 0 else None
        axes.plot(ahead, errors[name] / size, color=GREY, alpha=0.7, linewidth=1.1, label=label)
    axes.set(xlim=(1, max(len(ahead), 2)), ylim=(0, 1.05 * highest / size or 1.0), xlabel=f"{steps} ahead")
    axes.set_ylabel(axis_label("MAE", word, unit, width=30))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    legend_above(axes)
    return figure


def cycle(labels: Sequence[str], network: Numbers, baseline: Numbers, name: str, title: str, unit: str) -> Figure:
    """Draw mean errors, (places,) each in `unit`, over the places of a cycle such as the hours of the day."""
    figure, axes = new_figure()
    size, word = scale(float(np.nanmax(np.concatenate([network, baseline]), initial=0)))
    x = np.arange(len(labels))
    axes.plot(x, baseline / size, "o", color=ORANGE, linestyle=DASHED, markersize=4, label=shorten(name))
    axes.plot(x, network / size, "o-", color=BLUE, markersize=4, label="network")
    names = [label[:3] if label in WEEKDAYS else shorten(label, 8) for label in labels]
    shown = x[:: -(-len(names) // (8 if max(map(len, names)) < 4 else 6))]
    axes.set_xticks(shown, [names[place] for place in shown])
    axes.set(xlabel=title, ylim=(0, None))
    axes.set_ylabel(axis_label("MAE", word, unit, width=30))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    legend_above(axes)
    return figure


def worst_day(day: Mapping[str, Any], step: str, unit: str) -> Figure:
    """Draw what happened on the worst day beside what was forecast, with its 95 % interval, and the baseline."""
    figure, axes = new_figure(height=3.3)
    keys = ("actual", "prediction", "lower_95", "upper_95", "baseline")
    found = {key: np.array(day[key], "float64") for key in keys if key in day}
    size, word = scale(float(np.nanmax(np.abs(np.concatenate(list(found.values()))), initial=0)))
    x = places(day["times"])
    marker = "o" if len(x) == 1 else ""
    if "lower_95" in found and "upper_95" in found:
        lower, upper = found["lower_95"] / size, found["upper_95"] / size
        axes.fill_between(x, lower, upper, color=BLUE, alpha=0.2, linewidth=0, label="95 % interval")
    axes.plot(x, found["actual"] / size, marker=marker, linestyle="-", color=INK, alpha=0.85, label="actual")
    axes.plot(x, found["prediction"] / size, marker=marker, linestyle="-", color=BLUE, label="network")
    if "baseline" in found:
        name = shorten(day.get("baseline_name") or "baseline")
        axes.plot(x, found["baseline"] / size, marker=marker, color=ORANGE, linestyle=DASHED, label=name)
    axes.set_ylabel(axis_label("", word, unit, width=30))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    _time_axis(axes, day["times"], x, step, 4)
    legend_above(axes)
    return figure


def next_steps(
    times: Sequence[str], past: Numbers, ahead: Sequence[str], forecast: Mapping[str, Numbers], step: str, unit: str
) -> Figure:
    """Draw what is known last and the forecast that follows it, with its 80 % and 95 % intervals.

    Args:
        times: (steps,) of what is known.
        past: (steps,) in `unit`, NaN where nothing is known.
        ahead: (horizon,) times of the forecast.
        forecast: `prediction` and its bounds, (horizon,) each.
        step: what one step is called.
        unit: of the values.
    """
    figure, axes = new_figure()
    everything = [*times, *ahead]
    x = places(everything)
    size, word = scale(float(np.nanmax(np.abs(np.concatenate([past, forecast["prediction"]])), initial=0)))
    axes.plot(x[: len(past)], past / size, color=INK, alpha=0.85, linewidth=1.2, label="known")
    later = x[len(past) :]
    for level, shade in (("95", 0.16), ("80", 0.26)):
        low, high = (forecast[f"{side}_{level}"] / size for side in ("lower", "upper"))
        axes.fill_between(later, low, high, color=BLUE, alpha=shade, linewidth=0, label=f"{level} % interval")
    axes.plot(later, forecast["prediction"] / size, color=BLUE, marker="o" if len(later) == 1 else "", label="forecast")
    axes.set_ylabel(axis_label("", word, unit, width=30))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    _time_axis(axes, everything, x, step, 4)
    legend_above(axes)
    return figure


def coverage(wanted: Sequence[float], measured: Sequence[Numbers], steps: str) -> Figure:
    """Draw the share of truths inside their interval over the steps ahead, one line per promise, (horizon,) each."""
    figure, axes = new_figure()
    for share, values, colour in zip(wanted, measured, (GREEN, BLUE, PURPLE), strict=False):
        ahead = np.arange(1, len(values) + 1)
        axes.axhline(share, color=colour, alpha=0.9, linewidth=1.2, linestyle="--")
        axes.plot(ahead, values, "o-", color=colour, markersize=3.5, label=f"{100 * share:.0f} % interval")
    lowest = min(float(np.nanmin(values)) for values in measured)
    axes.set(ylim=(min(lowest, *wanted) - 0.05, 1.005), xlabel=f"{steps} ahead", ylabel="share of the truths inside")
    percent_axis(axes.yaxis)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    legend_above(axes)
    return figure


def one_step(errors: Mapping[str, float], label: str) -> Figure:
    """Draw one dot per model on a logarithmic axis, the network in blue."""
    figure, axes = new_figure(height=0.9 + 0.45 * len(errors))
    values = np.array(list(errors.values()), "float64")
    for row, (name, value) in enumerate(errors.items()):
        ours = name == "network"
        axes.plot(value, row, "o", color=BLUE if ours else GREY, markersize=8 if ours else 6.5)
        for x, words, side in ((0.0, shorten(name, 36), "left"), (1.0, number(value), "right")):
            weight = "bold" if ours else "normal"
            place: Any = {"transform": axes.get_yaxis_transform(), "ha": side, "va": "bottom", "weight": weight}
            axes.text(x, row - 0.2, words, **place)
    log_axis(axes, "x", values)
    axes.set(xlim=(values.min() / 1.3, values.max() * 1.3), ylim=(len(errors) - 0.6, -0.85), yticks=[])
    axes.set_xlabel(label)
    axes.spines["left"].set_visible(False)
    return figure

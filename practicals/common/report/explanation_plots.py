"""Plots of explanations: what counts over all rows, in which direction, and for one row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from practicals.common.report.readable import axis_label, scale
from practicals.common.report.svg import (
    BLUE,
    DASHED,
    GREEN,
    GREY,
    INK,
    ORANGE,
    Numbers,
    legend_above,
    new_figure,
    shorten,
)
from practicals.common.report.words import digits_of, number, signed

LOW_TO_HIGH = ("#2f78d0", "#5b72ac", "#886c88", "#b46658", "#e06028")
"""Low to high values of a feature; each stands out on white and on black."""
BESIDE_NAMES = 26
"""Characters that have room under axes which share the width with the names of features."""


def importance(features: Sequence[str], values: Sequence[float], unit: str) -> Figure:
    """Draw mean absolute contributions as bars, largest on top."""
    figure, axes = new_figure(height=_rows_height(len(features)))
    factor, unit = _readable(values, unit)
    rows, shown = range(len(features)), [value / factor for value in values]
    axes.barh(rows, shown, color=BLUE, height=0.62)
    largest = max(shown, default=0)
    digits = _digits(largest)
    for row, value in zip(rows, shown, strict=True):
        _beside(axes, value, row, number(value, digits))
    axes.set_xlim(0, (1.2 if largest < 1000 else 1.3) * max(largest, 1e-9))
    axes.set_xlabel(axis_label("mean |contribution|", unit, width=BESIDE_NAMES))
    _feature_axis(axes, [shorten(feature, 22) for feature in features])
    _plain_ticks(axes)
    return figure


def beeswarm(
    features: Sequence[str],
    contributions: Numbers,
    levels: Numbers,
    unit: str,
    ends: tuple[str, str] = ("low value", "high value"),
) -> Figure:
    """Draw one point per row and feature, placed by contribution and coloured by the feature's value.

    Args:
        features: names, largest on top.
        contributions: (rows, features).
        levels: (rows, features), the value's place between the feature's low (0) and high (1); NaN where the feature
            has no order, as a category has none.
        unit: unit of the contributions.
        ends: what the first and the last colour mean.
    """
    figure, axes = new_figure(height=_rows_height(len(features)) + 0.25)
    axes.axvline(0, color=INK, alpha=0.5, linewidth=1)
    factor, unit = _readable(contributions, unit)
    contributions = contributions / factor
    largest = float(np.nanmax(np.abs(contributions), initial=1e-9))
    for row in range(len(features)):
        values, level = contributions[:, row], levels[:, row]
        offsets = row + _swarm(values, largest)
        shade = np.where(np.isnan(level), -1, np.clip(level * len(LOW_TO_HIGH), 0, len(LOW_TO_HIGH) - 1)).astype(int)
        for colour_index in np.unique(shade):
            chosen = shade == colour_index
            colour = GREY if colour_index < 0 else LOW_TO_HIGH[colour_index]
            axes.plot(values[chosen], offsets[chosen], "o", color=colour, markersize=3.1, markeredgewidth=0)
    meanings = [(ends[0], LOW_TO_HIGH[0]), (ends[1], LOW_TO_HIGH[-1])]
    if ends == ("low value", "high value"):
        meanings.append(("category", GREY))
    for label, colour in meanings:
        axes.plot([], [], "o", color=colour, markersize=5, label=label)
    legend_above(axes)
    axes.set_xlabel(axis_label("contribution", unit, width=BESIDE_NAMES))
    _feature_axis(axes, [shorten(feature, 22) for feature in features])
    _plain_ticks(axes)
    return figure


def _swarm(values: Numbers, largest: float) -> Numbers:
    """Return how far each point moves from its line so that points of nearly equal value lie beside each other."""
    offsets = np.zeros(len(values))
    cell = np.round(np.nan_to_num(values) / largest * 60).astype(int)
    widest = max(int(np.bincount(cell - cell.min()).max()), 1) if len(cell) else 1
    step = min(0.09, 0.8 / widest)
    for place in np.unique(cell):
        members = np.flatnonzero(cell == place)
        rank = np.arange(len(members))
        offsets[members] = step * ((rank + 1) // 2) * np.where(rank % 2, 1, -1)
    return offsets


def waterfall(
    features: Sequence[str],
    values: Sequence[str],
    contributions: Sequence[float],
    base: float,
    unit: str,
    start_name: str = "average",
) -> Figure:
    """Draw how one prediction is built from the base value, one contribution after the other, largest on top."""
    figure, axes = new_figure(height=_rows_height(len(features), 0.42) + 0.25)
    factor, unit = _readable(contributions, unit)
    contributions, base = [value / factor for value in contributions], base / factor
    # Read from the bottom: the smallest contributions first, so that the top bar ends at the prediction.
    ends = base + np.cumsum(np.asarray(contributions, "float64")[::-1])[::-1]
    starts = np.append(ends, base)[1:]
    digits = _digits(max(map(abs, contributions), default=0))
    for row, (start, end, value) in enumerate(zip(starts, ends, contributions, strict=True)):
        axes.barh(row, end - start, left=start, color=ORANGE if value >= 0 else BLUE, height=0.55)
        _beside(axes, max(start, end), row, signed(value, digits))
        if row:
            axes.vlines(end, row - 1, row, color=INK, alpha=0.35, linewidth=0.8)
    axes.axvline(
        base,
        color=INK,
        alpha=0.5,
        linewidth=1,
        linestyle=":",
        label=f"{start_name} {number(base, min(digits, _digits(base)))}",
    )
    _raises_and_lowers(axes)
    lowest, highest = min(ends.min(initial=base), base), max(ends.max(initial=base), base)
    extent = float(highest - lowest) or 1.0
    axes.set_xlim(lowest - 0.05 * extent, highest + (0.3 if digits > 2 else 0.4) * extent)
    axes.set_xlabel(axis_label(unit, width=BESIDE_NAMES))
    _feature_axis(axes, _two_lines(features, values))
    _plain_ticks(axes)
    if unit == "probability":
        # The room for numbers beside the bars must not look like probabilities above one.
        axes.set_xticks([tick for tick in axes.get_xticks() if lowest - 0.05 * extent <= tick <= 1.0])
    return figure


def signed_bars(features: Sequence[str], values: Sequence[str], contributions: Sequence[float], unit: str) -> Figure:
    """Draw contributions as bars to the left and right of zero, largest on top."""
    figure, axes = new_figure(height=_rows_height(len(features), 0.42) + 0.25)
    factor, unit = _readable(contributions, unit)
    contributions = [value / factor for value in contributions]
    digits = _digits(max(map(abs, contributions), default=0))
    for row, value in enumerate(contributions):
        axes.barh(row, value, color=ORANGE if value >= 0 else BLUE, height=0.55)
        _beside(axes, max(value, 0.0), row, signed(value, digits))
    axes.axvline(0, color=INK, alpha=0.5, linewidth=1)
    _raises_and_lowers(axes)
    lowest, highest = min([0.0, *contributions]), max([0.0, *contributions])
    extent = highest - lowest or 1.0
    axes.set_xlim(lowest - 0.05 * extent, highest + (0.3 if digits > 2 else 0.4) * extent)
    axes.set_xlabel(axis_label("contribution", unit, width=BESIDE_NAMES))
    _feature_axis(axes, _two_lines(features, values))
    _plain_ticks(axes)
    return figure


def over_window(
    values: Sequence[float],
    usual: Sequence[float],
    forecast: Sequence[float],
    places: Sequence[tuple[int, int]],
    contributions: Sequence[float],
    steps: str,
    unit: str,
) -> Figure:
    """Draw the window from which a forecast was made, each part shaded by what it added to the forecast.

    Below, the last seventh is drawn again, since the parts next to the forecast are the narrowest.

    Args:
        values: (window,), oldest first.
        usual: (window,), the usual course at this level.
        forecast: (horizon,), what the network makes of it.
        places: first place and the one after the last of each part.
        contributions: of each part, in the order of `places`.
        steps: what the window counts, such as `hours`.
        unit: of values and forecast.
    """
    figure = Figure(figsize=(4.2, 4.4), layout="constrained")
    panels = figure.subplots(2, height_ratios=(3, 2))
    factor, unit = _readable([*values, *forecast], unit)
    known, typical, ahead = (np.asarray(line, "float64") / factor for line in (values, usual, forecast))
    window, horizon = len(known), len(ahead)
    at, ahead_at = np.arange(-window, 0) + 1, np.arange(horizon) + 1  # 0 is the last known step
    largest = max(map(abs, contributions), default=0) or 1.0
    for axes in panels:
        for (start, stop), value in zip(places, contributions, strict=True):
            # Half a step to both sides, so that a part of one step can be seen.
            edges = start - window + 0.5, stop - window + 0.5
            strength = 0.6 * abs(value) / largest
            axes.axvspan(*edges, color=ORANGE if value >= 0 else BLUE, alpha=round(strength, 3), linewidth=0)
        axes.plot(at, typical, color=GREY, linewidth=1.2, linestyle=DASHED, label="usual")
        axes.plot(at, known, color=INK, linewidth=1.3, label="as it was")
        axes.plot(ahead_at, ahead, color=GREEN, linewidth=1.8, marker="o" if horizon == 1 else None, label="forecast")
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.grid(visible=False)
        if max(map(abs, axes.get_yticks())) >= 1000:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick, 0)))
    panels[0].set_xlim(-window + 0.5, horizon + 0.5)
    nearest = min(max(window // 7, 8), window)
    shown = max(1, min(horizon, nearest // 4))
    panels[1].set_xlim(-nearest + 0.5, shown + 0.5)
    inside = np.concatenate([known[-nearest:], typical[-nearest:], ahead[:shown]])
    margin = 0.1 * float(np.ptp(inside)) or 1.0
    panels[1].set_ylim(inside.min() - margin, inside.max() + margin)
    panels[1].set_xlabel(f"{steps}; 0 is the last one known")
    figure.supylabel(axis_label(unit), fontsize=10.5)
    legend_above(panels[0])
    return figure


def weight_by_distance(
    places: Sequence[tuple[int, int]], contributions: Sequence[float], steps: str, unit: str
) -> Figure:
    """Draw how much one single step counts, by how long before the forecast it lies.

    Args:
        places: first place and the one after the last of each part of the window.
        contributions: mean |contribution| of each part, in the order of `places`; shared evenly among its steps.
        steps: what the window counts, such as `hours`.
        unit: of the contributions.
    """
    figure, axes = new_figure()
    window = max(stop for _, stop in places)
    factor, unit = _readable(contributions, unit)
    for (start, stop), value in zip(places, contributions, strict=True):
        axes.bar(
            start - window + 0.5,
            value / factor / (stop - start),
            width=stop - start,
            align="edge",
            color=BLUE,
            edgecolor="none",
        )
    axes.set_xlim(-window + 0.5, 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    if max(axes.get_yticks()) >= 1000:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick, 0)))
    axes.set_xlabel(f"{steps}; 0 is the last one known")
    axes.set_ylabel(axis_label("mean |contribution| per step", unit, width=30))
    return figure


def _readable(values: Sequence[float] | Numbers, unit: str) -> tuple[float, str]:
    """Return by what to divide so that numbers stay short, and the unit that goes with it: "million sessions"."""
    largest = float(np.abs(np.asarray(values, "float64")).max(initial=0))
    if largest < 1e7:  # 12,345 USD is read as it is
        return 1.0, unit
    factor, name = scale(largest)
    return factor, f"{name} {unit}".rstrip()


def _digits(largest: float) -> int:
    """How many decimals stand beside the bars of a plot whose largest number is this."""
    return min(digits_of(largest), 3)


def _plain_ticks(axes: Axes) -> None:
    """Write 500,000 at a tick, not 5 with a power of ten at the end of the axis; long numbers need more room."""
    if max(map(abs, axes.get_xlim())) >= 1000:
        axes.xaxis.set_major_locator(MaxNLocator(3 if max(map(abs, axes.get_xlim())) < 100_000 else 2))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick, 0)))


def _rows_height(rows: int, each: float = 0.29) -> float:
    return max(2.0, 0.85 + each * rows)


def _beside(axes: Axes, x: float, row: int, text: str) -> None:
    """Write to the right of a bar's end."""
    axes.annotate(text, (x, row), (5, 0), textcoords="offset points", va="center")


def _raises_and_lowers(axes: Axes) -> None:
    axes.plot([], [], "s", color=ORANGE, label="raises")
    axes.plot([], [], "s", color=BLUE, label="lowers")
    legend_above(axes)


def _two_lines(features: Sequence[str], values: Sequence[str]) -> list[str]:
    return [
        f"{shorten(f, 22)}\n{shorten(v, 30)}" if v else shorten(f, 22) for f, v in zip(features, values, strict=True)
    ]


def _feature_axis(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)

"""Plots of explanations: what counts over all rows, in which direction, and for one row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from practicals.common.report.svg import BLUE, GREY, INK, ORANGE, Numbers, legend_above, new_figure, shorten
from practicals.common.report.words import number, signed

LOW_TO_HIGH = ("#2f78d0", "#5b72ac", "#886c88", "#b46658", "#e06028")
"""Low to high values of a feature; each stands out on white and on black."""


def importance(features: Sequence[str], values: Sequence[float], unit: str) -> Figure:
    """Draw mean absolute contributions as bars, largest on top."""
    figure, axes = new_figure(height=_rows_height(len(features)))
    rows = range(len(features))
    axes.barh(rows, values, color=BLUE, height=0.62)
    digits = 3 if max(values, default=0) < 10 else 0
    for row, value in zip(rows, values, strict=True):
        _beside(axes, value, row, number(value, digits))
    axes.set_xlim(0, 1.2 * max(max(values, default=0), 1e-9))
    axes.set_xlabel(f"mean |contribution|, {unit}" if unit else "mean |contribution|")
    _feature_axis(axes, [shorten(feature, 22) for feature in features])
    return figure


def beeswarm(features: Sequence[str], contributions: Numbers, levels: Numbers, unit: str) -> Figure:
    """Draw one point per row and feature, placed by contribution and coloured by the feature's value.

    Args:
        features: names, largest on top.
        contributions: (rows, features).
        levels: (rows, features), the value's place between the feature's low (0) and high (1); NaN where the feature
            has no order, as a category has none.
        unit: unit of the contributions.
    """
    figure, axes = new_figure(height=_rows_height(len(features)) + 0.25)
    axes.axvline(0, color=INK, alpha=0.5, linewidth=1)
    largest = float(np.nanmax(np.abs(contributions), initial=1e-9))
    for row in range(len(features)):
        values, level = contributions[:, row], levels[:, row]
        offsets = row + _swarm(values, largest)
        shade = np.where(np.isnan(level), -1, np.clip(level * len(LOW_TO_HIGH), 0, len(LOW_TO_HIGH) - 1)).astype(int)
        for colour_index in np.unique(shade):
            chosen = shade == colour_index
            colour = GREY if colour_index < 0 else LOW_TO_HIGH[colour_index]
            axes.plot(values[chosen], offsets[chosen], "o", color=colour, markersize=3.1, markeredgewidth=0)
    for label, colour in (("low value", LOW_TO_HIGH[0]), ("high value", LOW_TO_HIGH[-1]), ("category", GREY)):
        axes.plot([], [], "o", color=colour, markersize=5, label=label)
    legend_above(axes)
    axes.set_xlabel(f"contribution, {unit}" if unit else "contribution")
    _feature_axis(axes, [shorten(feature, 22) for feature in features])
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
    features: Sequence[str], values: Sequence[str], contributions: Sequence[float], base: float, unit: str
) -> Figure:
    """Draw how one prediction is built from the base value, one contribution after the other, largest on top."""
    figure, axes = new_figure(height=_rows_height(len(features), 0.42) + 0.25)
    # Read from the bottom: the smallest contributions first, so that the top bar ends at the prediction.
    ends = base + np.cumsum(np.asarray(contributions, "float64")[::-1])[::-1]
    starts = np.append(ends[1:], base)
    for row, (start, end, value) in enumerate(zip(starts, ends, contributions, strict=True)):
        axes.barh(row, end - start, left=start, color=ORANGE if value >= 0 else BLUE, height=0.55)
        _beside(axes, max(start, end), row, signed(value, 3))
        if row:
            axes.vlines(end, row - 1, row, color=INK, alpha=0.35, linewidth=0.8)
    axes.axvline(base, color=INK, alpha=0.5, linewidth=1, linestyle=":", label=f"average {base:.3f}")
    _raises_and_lowers(axes)
    lowest, highest = min(ends.min(initial=base), base), max(ends.max(initial=base), base)
    extent = float(highest - lowest) or 1.0
    axes.set_xlim(lowest - 0.05 * extent, highest + 0.3 * extent)
    axes.set_xlabel(unit)
    _feature_axis(axes, _two_lines(features, values))
    if unit == "probability":
        # The room for numbers beside the bars must not look like probabilities above one.
        axes.set_xticks([tick for tick in axes.get_xticks() if lowest - 0.05 * extent <= tick <= 1.0])
    return figure


def signed_bars(features: Sequence[str], values: Sequence[str], contributions: Sequence[float], unit: str) -> Figure:
    """Draw contributions as bars to the left and right of zero, largest on top."""
    figure, axes = new_figure(height=_rows_height(len(features), 0.42) + 0.25)
    for row, value in enumerate(contributions):
        axes.barh(row, value, color=ORANGE if value >= 0 else BLUE, height=0.55)
        _beside(axes, max(value, 0.0), row, signed(value, 3))
    axes.axvline(0, color=INK, alpha=0.5, linewidth=1)
    _raises_and_lowers(axes)
    lowest, highest = min([0.0, *contributions]), max([0.0, *contributions])
    extent = highest - lowest or 1.0
    axes.set_xlim(lowest - 0.05 * extent, highest + 0.3 * extent)
    axes.set_xlabel(f"contribution, {unit}" if unit else "contribution")
    _feature_axis(axes, _two_lines(features, values))
    return figure


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

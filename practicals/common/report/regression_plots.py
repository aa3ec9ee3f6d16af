"""Plots of predicted quantities: predicted against actual, residuals, error by band, intervals, differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from practicals.common.report.readable import axis_label, human, is_wide, log_axis, percent_axis, scale
from practicals.common.report.svg import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    Numbers,
    legend_above,
    new_figure,
    shorten,
)

GROUPS = 12
"""Of rows with neighbouring values, each of which gives one point of a running median."""
FEWEST = 5
"""Rows in such a group."""


def dots(axes: Axes, x: Numbers, y: Numbers, size: float = 3.0) -> None:
    """Draw many see-through dots, darker where they lie on each other, in few bytes.

    Each dot is a stroke of no length with round ends: forty bytes, where a marker takes a hundred and more. Six
    layers, since within one stroke nothing adds up.
    """
    for layer in range(6):
        places = [np.full((2, 1), np.nan)]
        for point in zip(x[layer::6], y[layer::6], strict=True):
            places += [np.array([point, point]).T, np.full((2, 1), np.nan)]
        line = np.concatenate(places, axis=1)
        (drawn,) = axes.plot(line[0], line[1], color=BLUE, alpha=0.3, linewidth=size)
        drawn.get_path().should_simplify = False  # or strokes of no length would be dropped


def predicted_actual(truth: Numbers, prediction: Numbers, name: str, unit: str) -> Figure:
    """Draw predictions over truths, (rows,) each in `unit`, with the line on which both are equal."""
    figure, axes = new_figure(height=3.7)
    both = np.concatenate([truth, prediction])
    size, word = scale(float(np.abs(both).max()))
    truth, prediction, both = truth / size, prediction / size, both / size
    low, high = float(both.min()), float(both.max())
    if is_wide(truth) and low > 0:
        low, high = low / 1.15, high * 1.15
        log_axis(axes, "x", both)
        log_axis(axes, "y", both)
    else:
        margin = 0.04 * (high - low or 1.0)
        low, high = low - margin, high + margin
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
    dots(axes, truth, prediction)
    axes.plot(
        [low, high], [low, high], color=INK, alpha=0.75, linewidth=1.2, linestyle="--", label="predicted = actual"
    )
    axes.set(xlim=(low, high), ylim=(low, high))
    axes.set_xlabel(axis_label(f"actual {name}".strip(), word, unit))
    axes.set_ylabel(axis_label("predicted", word, unit, width=30))
    legend_above(axes)
    return figure


def errors(values: Numbers, unit: str) -> Figure:
    """Draw how often each error, (rows,) in `unit`, occurs; what lies beyond the edges is counted in the last bars."""
    figure, axes = new_figure(height=3.7)
    size, word = scale(float(np.abs(values).max())) if unit != "%" else (1.0, "")
    reach = float(np.quantile(np.abs(values), 0.99)) / size or 1.0
    bins = np.linspace(-reach, reach, 41)
    share = np.histogram(np.clip(values / size, -reach, reach), bins)[0] / len(values)
    middle = float(np.median(values)) / size
    axes.stairs(share, bins, color=BLUE, fill=True, alpha=0.3)
    axes.stairs(share, bins, color=BLUE, linewidth=1.4)
    axes.axvline(0, color=INK, alpha=0.75, linewidth=1.2, linestyle="--", label="no error")
    axes.axvline(middle, color=ORANGE, linewidth=2, label="median error")
    axes.set(xlim=(-reach, reach), xlabel=axis_label("predicted \N{MINUS SIGN} actual", word, unit))
    axes.set_ylabel("share of the rows")
    axes.set_ylim(bottom=0)
    percent_axis(axes.yaxis)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    legend_above(axes)
    return figure


def residuals(x: Numbers, error: Numbers, drawn: Sequence[int], name: str, unit: str, error_unit: str) -> Figure:
    """Draw errors over `x`, with their running median and the band in which the middle half of them lies.

    Args:
        x: (rows,), a prediction or a feature, in `unit`.
        error: (rows,), predicted minus actual, in `error_unit`.
        drawn: places of the rows that are drawn as dots; median and band use all rows.
        name: of `x`.
        unit: of `x`.
        error_unit: of the errors.
    """
    figure, axes = new_figure()
    # One error ten times as large as the others would leave the others no room.
    reach = 1.5 * float(np.quantile(np.abs(error), 0.98)) or 1.0
    size, word = scale(reach)
    x_size, x_word = scale(float(np.abs(x).max())) if unit == error_unit else (1.0, "")
    places = np.asarray(drawn, "int64")
    dots(axes, x[places] / x_size, np.clip(error[places], -reach, reach) / size, 2.6)
    axes.axhline(0, color=INK, alpha=0.75, linewidth=1.2, linestyle="--")
    middle, low, centre, high = running_median(x, error)
    axes.fill_between(middle / x_size, low / size, high / size, color=ORANGE, alpha=0.25, linewidth=0)
    axes.plot(middle / x_size, centre / size, "o-", color=ORANGE, markersize=3.5, label="median of neighbours")
    if is_wide(x):
        log_axis(axes, "x", x / x_size)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set(ylim=(-1.06 * reach / size, 1.06 * reach / size), xlabel=axis_label(name, x_word, unit))
    axes.set_ylabel(axis_label("error", word, error_unit, width=30))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    legend_above(axes)
    return figure


def running_median(x: Numbers, error: Numbers) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return, per group of rows with neighbouring `x`: its median x, and the quartiles of its errors, (groups,) each.

    A group is about a twelfth of the rows; a feature with few values has one group per value. Groups of fewer than
    five rows are left out: their median would be noise.
    """
    values = np.unique(x)
    edges = values[:-1] if len(values) <= GROUPS else np.unique(np.quantile(x, np.linspace(0, 1, GROUPS + 1)[1:-1]))
    group = np.searchsorted(edges, x, side="left")
    kept = [found for place in range(len(edges) + 1) if len(found := np.flatnonzero(group == place)) >= FEWEST]
    quartiles = [np.quantile(error[rows], (0.25, 0.5, 0.75)) for rows in kept]
    low, centre, high = np.array(quartiles).reshape(-1, 3).T
    return np.array([np.median(x[rows]) for rows in kept]), low, centre, high


def band_errors(names: Sequence[str], mean: Numbers, bias: Numbers | None, unit: str) -> Figure:
    """Draw mean error and, where given, bias per band, (bands,) each in `unit`, lowest band at the bottom."""
    figure, axes = new_figure()
    size, word = scale(float(np.abs(mean).max())) if unit != "%" else (1.0, "")
    rows = np.arange(len(names))
    axes.hlines(rows, 0, mean / size, color=BLUE, alpha=0.4, linewidth=1.5)
    axes.plot(mean / size, rows, "o", color=BLUE, markersize=8, label="mean error" if bias is not None else None)
    if bias is not None:
        axes.plot(bias / size, rows, "D", color=ORANGE, markersize=6, label="bias")
        legend_above(axes)
    axes.axvline(0, color=INK, alpha=0.6, linewidth=1)
    axes.set_xlabel(axis_label("error", word, unit))
    if bias is None:
        axes.set_xlim(0, 1.12 * float(mean.max()) / size or 1.0)
    _band_axis(axes, names)
    return figure


def band_coverage(
    names: Sequence[str], share: Numbers, low: Numbers, high: Numbers, wanted: float, left: float
) -> Figure:
    """Draw the share of truths inside their interval per band, with its own 95 % interval, (bands,) each in 0 to 1.

    The axis begins at `left`, so that two such plots can be read side by side.
    """
    figure, axes = new_figure()
    rows = np.arange(len(names))
    axes.hlines(rows, low, high, color=BLUE, alpha=0.5, linewidth=4)
    axes.plot(share, rows, "o", color=BLUE, markersize=7.5, label="measured")
    axes.axvline(wanted, color=INK, alpha=0.75, linewidth=1.2, linestyle="--", label=f"promised: {100 * wanted:.0f} %")
    axes.set_xlim(left, 1.01)
    axes.set_xlabel("share of the truths inside")
    percent_axis(axes.xaxis)
    _band_axis(axes, names)
    legend_above(axes)
    return figure


def _band_axis(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)


def differences(names: Sequence[str], saved: Numbers, low: Numbers, high: Numbers, label: str, unit: str) -> Figure:
    """Draw how much lower the network's error is than each baseline's, (baselines,) with 95 % intervals in `unit`.

    A baseline that is far behind is drawn at the edge with an arrow, so that the close ones stay apart from zero.
    """
    figure, axes = new_figure(height=1.1 + 0.55 * len(names))
    reaches = np.maximum(np.abs(low), np.abs(high))
    edge = min(float(reaches.max()), 4 * float(reaches.min())) or 1.0
    size, word = scale(edge)
    for row, (name, value) in enumerate(zip(names, saved, strict=True)):
        axes.vlines(0, row - 0.2, row + 0.25, color=INK, alpha=0.7, linewidth=1.2, linestyle="--")
        outside = abs(value) > edge
        colour, marker = (GREY, ">" if value > 0 else "<") if outside else (BLUE, "o")
        axes.hlines(row, *np.clip([low[row], high[row]], -edge, edge) / size, color=colour, alpha=0.55, linewidth=5)
        axes.plot(np.clip(value, -edge, edge) / size, row, marker, color=colour, markersize=8)
        text = f"+{human(value)}" if value > 0 else human(value)
        # Above the interval, where the name has the whole width.
        for x, words, side in ((0.0, shorten(name, 34), "left"), (1.0, text, "right")):
            axes.text(x, row - 0.24, words, transform=axes.get_yaxis_transform(), ha=side, va="bottom")
    axes.set(xlim=(-1.08 * edge / size, 1.08 * edge / size), ylim=(len(names) - 0.6, -0.85), yticks=[])
    axes.set_xlabel(axis_label(f"{label} saved by the network", word, unit))
    for x, words, side in ((0.0, "◂ network worse", "left"), (1.0, "network better ▸", "right")):
        axes.text(x, 1.02, words, transform=axes.transAxes, ha=side, va="bottom", weight="bold")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.spines["left"].set_visible(False)
    return figure

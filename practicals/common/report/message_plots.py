"""Plots of a lesson that reads messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from practicals.common.report.plots import Curve
from practicals.common.report.svg import BLUE, DASHED, GREY, INK, ORANGE, PURPLE, legend_above, new_figure, shorten

Point = tuple[float, float]
"""Recall and precision at one threshold."""


def precision_recall(
    network: Curve,
    baseline: Curve | None,
    baseline_name: str,
    points: Mapping[str, Point],
    baseline_point: Point | None,
    corner: Point | None,
) -> Figure:
    """Draw precision over recall, with the thresholds that were chosen as points.

    Args:
        network: `recall` and `precision`.
        baseline: the same of the best baseline.
        baseline_name: how it is called.
        points: name of a threshold -> where it lies on the network's curve; the first is drawn filled.
        baseline_point: where the baseline's own blocking threshold lies.
        corner: the lowest recall and precision that are drawn; None draws all.
    """
    figure, axes = new_figure(height=3.5)
    if baseline:
        axes.plot(
            baseline["recall"],
            baseline["precision"],
            color=ORANGE,
            linestyle=DASHED,
            label=shorten(baseline_name),
        )
    axes.plot(network["recall"], network["precision"], color=BLUE, label="network")
    if baseline_point is not None:
        axes.plot(*baseline_point, "D", color=ORANGE, markersize=6.5, clip_on=False, zorder=4)
    faces = (INK, "none", "none")
    for (name, point), face in zip(points.items(), faces, strict=False):
        axes.plot(
            *point, "o", color=INK, markerfacecolor=face, markersize=8, label=name, clip_on=False, zorder=5, linewidth=0
        )
    left, bottom = corner or (0.0, 0.0)
    margin = 0.02
    axes.set_xlim(left - margin * (1 - left), 1 + margin * (1 - left))
    axes.set_ylim(bottom - margin * (1 - bottom), 1 + margin * (1 - bottom))
    axes.set(xlabel="recall: share of positives found", ylabel="precision: share of hits")
    _few_ticks(axes)
    legend_above(axes)
    return figure


def lengths(
    edges: Sequence[float], counts: Mapping[str, Sequence[int]], medians: Mapping[str, float], unit: str
) -> Figure:
    """Draw how long the messages of each class are, one outline per class, with its median.

    Args:
        edges: (bins + 1,), rising, in `unit`; bins of equal width.
        counts: class -> (bins,) messages.
        medians: class -> median length; may be empty.
        unit: what is counted, such as `characters`.
    """
    figure, axes = new_figure()
    for (name, found), colour, line in zip(counts.items(), (GREY, PURPLE), ("-", (0, (4, 1))), strict=False):
        share = np.asarray(found, "float64") / max(sum(found), 1)
        axes.stairs(share, edges, color=colour, fill=True, alpha=0.22)
        axes.stairs(share, edges, color=colour, linewidth=1.8, linestyle=line, label=shorten(name, 18))
        if name in medians:
            axes.axvline(medians[name], color=colour, linewidth=1.3, linestyle=":")
    axes.set(xlabel=f"length, {unit}", ylabel="share of the class", xlim=(edges[0], edges[-1]))
    axes.set_ylim(bottom=0)
    _few_ticks(axes)
    legend_above(axes)
    return figure


def _few_ticks(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))

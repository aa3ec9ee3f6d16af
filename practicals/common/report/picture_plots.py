"""Plots about pictures and labels: numbers in, a Matplotlib figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from practicals.common.report.svg import BLUE, DASHED, GREY, INK, ORANGE, Numbers, legend_above, new_figure, shorten


def calibration(
    confidence: Numbers, right: Numbers, low: Numbers, high: Numbers, counts: tuple[Numbers, Numbers], classes: int
) -> Figure:
    """Draw how often labels were right over how sure the network was, and below how many pictures that speaks of.

    Args:
        confidence: (bins,) mean probability of the label, in the occupied bins.
        right: (bins,) share of right labels.
        low: (bins,) lower end of the 95 % interval of that share.
        high: (bins,) upper end.
        counts: right and wrong labels in each of the equal-width bins from 0 to 1, occupied or not.
        classes: how many; no label can be less sure than 1 / classes.
    """
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    least = np.floor(10 / classes) / 10
    above.plot([0, 1], [0, 1], color=INK, alpha=0.4, linewidth=1.2, linestyle=":", label="exact")
    above.vlines(confidence, low, high, color=BLUE, alpha=0.5, linewidth=3)
    above.plot(confidence, right, "o-", color=BLUE, markersize=5.5, linewidth=1.5, label="network")
    above.set(ylabel="share right", ylim=(min(least, float(low.min(initial=1))) - 0.03, 1.03))
    hits, misses = counts
    bins = len(hits)
    left = np.arange(bins) / bins
    style = {"width": 0.88 / bins, "align": "center", "edgecolor": "none"}
    below.bar(left + 0.5 / bins, hits, color=BLUE, label="right", **style)
    below.bar(left + 0.5 / bins, misses, bottom=hits, color=ORANGE, label="wrong", **style)
    for place, total in zip(left + 0.5 / bins, hits + misses, strict=True):
        if total:
            below.annotate(
                f"{int(total):,}", (place, total), (0, 2), textcoords="offset points", ha="center", fontsize=9
            )
    below.set(xlabel="probability of the label", ylabel="pictures", xlim=(least - 0.02, 1.02))
    below.set_ylim(0, 1.18 * max(float((hits + misses).max(initial=0)), 1))
    below.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    below.grid(axis="x", visible=False)
    legend_above(above, below)
    return figure


def shrinking(stages: Sequence[tuple[int, int, int]]) -> Figure:
    """Draw one rectangle per size that the picture takes on its way, in proportion, with the number of its channels.

    Args:
        stages: (height, width, channels), from the picture on.
    """
    figure, axes = new_figure(height=1.9)
    gap, tallest = 0.16, max(height for height, _, _ in stages)
    widest = max(width for _, width, _ in stages)
    x = 0.0
    for number, (height, width, channels) in enumerate(stages):
        # Areas would vanish after two halvings: sides are drawn by the square root, and the numbers stand below.
        h, w = np.sqrt(height / tallest), np.sqrt(width / max(widest, 1)) * min(1.0, widest / tallest)
        colour = GREY if number == 0 else BLUE
        axes.add_patch(Rectangle((x, -h / 2), w, h, facecolor=colour, alpha=0.35, edgecolor=colour, linewidth=1.2))
        axes.annotate(
            f"{height}×{width}\n{channels}",
            (x + w / 2, -0.5),
            (0, -5),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=10.5 if len(stages) < 6 else 9,
        )
        x += max(w, 0.42 if len(stages) < 6 else 0.5) + gap
    axes.set(xlim=(-0.05, x - gap + 0.05), ylim=(-0.95, 0.55))
    axes.axis("off")
    return figure


def with_and_without(curves: Mapping[str, Mapping[str, Sequence[float]]], value: str, label: str) -> Figure:
    """Draw a logged value over the epochs, on training and validation pictures, with and without augmentation.

    Args:
        curves: `with` and `without` -> `epoch`, counted from 0, and the logged values.
        value: `accuracy`; its validation form is `val_accuracy`.
        label: name of the value.
    """
    figure, axes = new_figure(height=3.5)
    for name, colour in (("with", BLUE), ("without", ORANGE)):
        logged = curves.get(name) or {}
        for key, part, line, width in ((value, "training", DASHED, 1.4), (f"val_{value}", "validation", "-", 2.2)):
            if logged.get(key):
                epochs = np.arange(len(logged[key])) + 1 if not logged.get("epoch") else np.array(logged["epoch"]) + 1
                axes.plot(epochs, logged[key], color=colour, linestyle=line, linewidth=width, label=f"{name}, {part}")
    axes.set(xlabel="epoch", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    legend_above(axes)
    return figure


def deletion_and_insertion(curves: Mapping[str, Sequence[float]], label: str) -> Figure:
    """Draw the probability of a label while places are taken out, and while they come in, most important first.

    Args:
        curves: `share` of the picture that was changed, 0 to 1; `deletion`, `insertion`, and the means over random
            orders.
        label: whose probability it is.
    """
    figure = Figure(figsize=(4.2, 3.1), layout="constrained")
    share = np.asarray(curves["share"], "float64")
    panels = [(key, word) for key, word in (("deletion", "taken out"), ("insertion", "put in")) if curves.get(key)]
    found = np.atleast_1d(figure.subplots(len(panels), sharex=True))
    for axes, (key, word) in zip(found, panels, strict=True):
        random = curves.get(f"random_{key}") or ()
        axes.plot(share[: len(curves[key])], curves[key], color=BLUE, label="most important first")
        axes.plot(share[: len(random)], random, color=GREY, linestyle=DASHED, label="at random")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.03, 1.03), ylabel=word)
        axes.set_yticks([0, 0.5, 1])
    found[-1].set_xlabel("share of the picture")
    figure.supylabel(f"probability of “{shorten(label, 16)}”", fontsize=10.5)
    legend_above(found[0])
    return figure

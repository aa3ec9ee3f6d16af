"""Every plot of a report: numbers in, a Matplotlib figure out. No global state, no window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from practicals.common.report.readable import axis_label, scale
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

Curve = Mapping[str, Sequence[float]]


def ladder(names: Sequence[str], scores: Sequence[float], kinds: Sequence[str], label: str) -> Figure:
    """Draw one dot per model, first model on top.

    Naive baselines far from all others are drawn at the edge with their value, so that the rest stay apart.

    Args:
        names: of the models.
        scores: one each.
        kinds: one each; `naive` and `final` are drawn in their own way.
        label: name of the score.
    """
    figure, axes = new_figure(height=0.75 + 0.36 * len(names))
    values = np.asarray(scores, "float64")
    low, high = _zoom(values, np.array([kind == "naive" for kind in kinds]))
    margin = 0.08 * (high - low)
    left, right = low - 2 * margin, high + 3.2 * margin
    for row, (value, kind) in enumerate(zip(values, kinds, strict=True)):
        final = kind == "final"
        shown = float(np.clip(value, left + margin / 2, right - margin / 2))
        outside = "◂ " if value < left else "▸ " if value > right else ""
        colour = BLUE if final else GREY
        axes.hlines(row, left, shown, color=colour, linewidth=1.5, alpha=0.45)
        axes.plot(shown, row, "o", color=colour, markersize=8 if final else 6.5)
        weight = "bold" if final else "normal"
        axes.annotate(
            f"{outside}{number(value)}", (shown, row), (8, 0), textcoords="offset points", va="center", weight=weight
        )
    size, word = scale(max(abs(left), abs(right)))
    metric, _, unit = label.partition(", ")
    axes.set(xlim=(left, right), ylim=(len(names) - 0.4, -0.6))
    axes.set_xlabel(fill(shorten(f"{metric}, {word} {unit}" if word else label, 66), 34))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / size:g}")
    axes.set_yticks(range(len(names)), [fill(shorten(name, 44), 24) for name in names])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    return figure


def _zoom(values: Numbers, naive: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the range to show: all values, or all but the naive baselines where these would take most of the room."""
    shown = values if naive.all() else values[~naive]
    if np.ptp(values) <= 2.5 * np.ptp(shown):
        shown = values
    spread = float(np.ptp(shown))
    return float(shown.min()), float(shown.min()) + (spread or max(abs(float(shown.min())), 1.0) * 0.01)


def learning_curve(epochs: Numbers, train: Numbers, validation: Numbers, best: int | None, label: str) -> Figure:
    """Draw one logged value over the epochs, and mark the epoch whose weights were kept.

    Args:
        epochs: (epochs,), counted from 1.
        train: (epochs,), measured on training rows.
        validation: (epochs,), measured on validation rows.
        best: the epoch that was kept; None where that is not known.
        label: name of the value.
    """
    figure, axes = new_figure()
    axes.plot(epochs, train, color=BLUE, label="training")
    axes.plot(epochs, validation, color=ORANGE, linestyle=DASHED, label="validation")
    if best is not None:
        axes.axvline(best, color=INK, alpha=0.45, linewidth=1.2, linestyle=":")
        kept = np.flatnonzero(epochs == best)
        if len(kept):
            axes.plot(best, validation[kept[0]], "o", color=INK, markersize=6.5, label=f"kept: epoch {best}")
    axes.set(xlabel="epoch", ylabel=axis_label(label, width=30))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    legend_above(axes)
    return figure


def roc(
    network: Curve,
    baseline: Curve | None,
    baseline_name: str,
    x: str = "false alarms (share of negatives)",
    y: str = "found (share of positives)",
) -> Figure:
    """Draw the ROC curve of the network and of the best baseline; curves hold `fpr` and `tpr`, named by `x` and `y`."""
    figure, axes = new_figure()
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.4, linewidth=1.2, linestyle=":")
    axes.text(0.64, 0.56, "guessing", alpha=0.8)
    if baseline:
        axes.plot(baseline["fpr"], baseline["tpr"], color=ORANGE, linestyle=DASHED, label=shorten(baseline_name, 30))
    axes.plot(network["fpr"], network["tpr"], color=BLUE, label="network")
    _unit_square(axes, x, y)
    legend_above(axes)
    return figure


def precision_recall(network: Curve, baseline: Curve | None, baseline_name: str, positives: float) -> Figure:
    """Draw precision over recall; `positives` is the share of positive rows, the level of guessing."""
    figure, axes = new_figure()
    axes.axhline(positives, color=INK, alpha=0.4, linewidth=1.2, linestyle=":")
    axes.text(0.0, positives + 0.02, "guessing", alpha=0.8)
    if baseline:
        recall, precision = baseline["recall"], baseline["precision"]
        axes.plot(recall, precision, color=ORANGE, linestyle=DASHED, label=shorten(baseline_name))
    axes.plot(network["recall"], network["precision"], color=BLUE, label="network")
    _unit_square(axes, "recall: share of positives found", "precision: share of hits")
    legend_above(axes)
    return figure


def calibration(predicted: Numbers, observed: Numbers, low: Numbers, high: Numbers) -> Figure:
    """Draw observed share over mean predicted probability, (bins,) each, with the 95 % interval of the share."""
    figure, axes = new_figure()
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.4, linewidth=1.2, linestyle=":", label="exact")
    axes.vlines(predicted, low, high, color=BLUE, alpha=0.5, linewidth=3)
    axes.plot(predicted, observed, "o-", color=BLUE, markersize=5.5, linewidth=1.5, label="network")
    _unit_square(axes, "predicted probability", "share that was positive")
    legend_above(axes)
    return figure


def probabilities(groups: Mapping[str, Numbers], threshold: float | None) -> Figure:
    """Draw how often each probability was given, one outline per class."""
    figure, axes = new_figure()
    bins = np.linspace(0, 1, 26)
    for (name, values), colour, line in zip(groups.items(), (GREY, PURPLE), ("-", (0, (4, 1))), strict=False):
        share = np.histogram(values, bins)[0] / max(len(values), 1)
        axes.stairs(share, bins, color=colour, fill=True, alpha=0.22)
        axes.stairs(share, bins, color=colour, linewidth=1.8, linestyle=line, label=shorten(name, 18))
    if threshold is not None:
        axes.axvline(threshold, color=INK, alpha=0.6, linewidth=1.2, linestyle=":", label="threshold")
    axes.set(xlabel="predicted probability", ylabel="share of the class", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    legend_above(axes)
    return figure


def threshold_choice(curve: Mapping[str, Sequence[float]], chosen: float) -> Figure:
    """Draw F1, precision and recall over the threshold and mark the chosen one."""
    figure, axes = new_figure()
    kinds = {
        "f1": ("F1", BLUE, "-"),
        "precision": ("precision", ORANGE, DASHED),
        "recall": ("recall", GREEN, DOTTED),
    }
    for key, (label, colour, line) in kinds.items():
        if curve.get(key):
            axes.plot(curve["threshold"], curve[key], color=colour, linestyle=line, label=label)
    axes.axvline(chosen, color=INK, alpha=0.6, linewidth=1.2)
    _mark(axes, chosen, 0.02, 0)
    _unit_square(axes, "threshold", "score on validation rows")
    legend_above(axes)
    return figure


def threshold_cost(thresholds: Sequence[float], cost: Sequence[float], chosen: float, label: str) -> Figure:
    """Draw the stated cost over the threshold and mark the chosen one."""
    figure, axes = new_figure()
    axes.plot(thresholds, cost, color=PURPLE)
    axes.axvline(chosen, color=INK, alpha=0.6, linewidth=1.2)
    _mark(axes, chosen, max(cost), -8)
    axes.set(xlabel="threshold", ylabel=axis_label(label, width=30), xlim=(0, 1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    return figure


def compared_curves(curves: Sequence[tuple[str, Numbers, Numbers]], label: str) -> Figure:
    """Draw learning curves of several runs over each other; the first five have colours, the others are grey.

    Args:
        curves: (name, epochs (epochs,), values (epochs,)) per run, best run first.
        label: name of the value.
    """
    figure, axes = new_figure(height=3.4 + 0.18 * min(len(curves), 5))
    colours = (BLUE, ORANGE, GREEN, PURPLE, INK)
    for place, (name, epochs, values) in reversed(list(enumerate(curves))):
        if place < len(colours):
            axes.plot(epochs, values, color=colours[place], label=shorten(name, 40), zorder=3)
        else:
            axes.plot(epochs, values, color=GREY, alpha=0.5, linewidth=1)
    axes.set(xlabel="epoch", ylabel=fill(shorten(label, 60), 34))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper left")
    return figure


def _mark(axes: Axes, chosen: float, y: float, points_up: float) -> None:
    """Write the chosen threshold beside its upright line, where the axes have room."""
    right = chosen > 0.7
    place = (-5 if right else 5, points_up)
    axes.annotate(f"{chosen:.2f}", (chosen, y), place, textcoords="offset points", ha="right" if right else "left")


def _unit_square(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=x, ylabel=y)

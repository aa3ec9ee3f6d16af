"""Plots of a lesson that predicts ratings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from practicals.common.report.readable import percent_axis
from practicals.common.report.svg import BLUE, GREY, ORANGE, legend_above, new_figure, shorten
from practicals.common.report.words import number


def error_by_group(
    names: Sequence[str], errors: Sequence[float], others: Sequence[float], other_name: str, label: str
) -> Figure:
    """Draw the network's error in each group, first group on top, with the baseline's below it.

    Args:
        names: of the groups.
        errors: the network's, one each.
        others: the baseline's, one each; NaN where it has none.
        other_name: how the baseline is called.
        label: name of the error.
    """
    figure, axes = new_figure(height=1.0 + 0.47 * len(names))
    places = np.arange(len(names))
    kinds = [(errors, -0.2, BLUE, "network")]
    if np.isfinite(others).any():
        kinds.append((others, 0.2, ORANGE, shorten(other_name, 26)))
    for values, shift, colour, name in kinds:
        axes.barh(places + shift, np.nan_to_num(values), height=0.36, color=colour, label=name)
        for place, value in zip(places, values, strict=True):
            if np.isfinite(value):
                axes.annotate(
                    number(value, 3), (value, place + shift), (4, 0), textcoords="offset points", va="center", size=9
                )
    axes.set_yticks(places, names)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 1.2 * float(np.nanmax([*errors, *others])) or 1.0), xlabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    legend_above(axes)
    return figure


def histogram(values: Sequence[float], truth: Sequence[float], prediction: Sequence[float]) -> Figure:
    """Draw how often each rating was given and predicted.

    Args:
        values: (n,) of the scale, rising.
        truth: (n,) share of the ratings.
        prediction: (n,) share of the predictions that are nearest to the value.
    """
    figure, axes = new_figure()
    places = np.arange(len(values))
    for shares, shift, colour, name in ((truth, -0.2, GREY, "given"), (prediction, 0.2, BLUE, "predicted")):
        axes.bar(places + shift, shares, width=0.38, color=colour, label=name)
    axes.set_xticks(places, [f"{value:g}" for value in values])
    axes.set(xlabel="rating", ylabel="share of the test ratings")
    percent_axis(axes.yaxis)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="x", visible=False)
    legend_above(axes)
    return figure

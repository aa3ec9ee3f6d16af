"""What is drawn fits into its drawing, and its numbers are those of the data: also for odd names and odd numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from practicals.common.report import explanation_plots, forecast_plots, plots, rating_plots, regression_plots
from practicals.common.report.readable import axis_label, human
from practicals.common.report.svg import draw

LONG = "the mean of all the things that were ever counted anywhere"
LEVEL = "% of the series' level"
LINE: plots.Curve = {"fpr": [0.0, 1.0], "tpr": [0.0, 1.0]}


def drawn(plot: Callable[..., Figure], *arguments: Any) -> Figure:
    """Return a figure as `draw` lays it out."""
    found: list[Figure] = []

    def kept(*inputs: Any) -> Figure:
        found.append(plot(*inputs))
        return found[0]

    draw("kept", kept, *arguments)
    return found[0]


@pytest.mark.parametrize(
    ("plot", "arguments"),
    [
        (explanation_plots.importance, (["last hour", "169-336 hours ago"], [12.0, 3.0], LEVEL)),
        (explanation_plots.signed_bars, (["Age", "Country"], ["over 44 years", LONG], [0.3, -0.2], LONG)),
        (regression_plots.predicted_actual, (np.array([5.0, 7.0]), np.array([5.0, 6.0]), LONG, LONG)),
        (regression_plots.differences, ([LONG], *(np.array([one]) for one in (5.0, 1.0, 9.0)), "Median error", LONG)),
        (plots.probabilities, ({LONG: np.array([0.1]), f"no {LONG}": np.array([0.9])}, 0.5)),
        (plots.threshold_cost, ([0.0, 1.0], [1.0, 2.0], 0.99, LONG)),
        (plots.ladder, (["mean", LONG], [4.0, 3.0], ["naive", "final"], f"RMSE, {LONG} on validation rows")),
        (plots.roc, (LINE, LINE, LONG)),
    ],
)
def test_no_label_is_cut_off_at_the_edge(plot: Callable[..., Figure], arguments: tuple[Any, ...]) -> None:
    figure = drawn(plot, *arguments)
    with matplotlib.rc_context({"text.parse_math": False}):
        box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    width, height = figure.get_size_inches()
    # A tenth of an inch, since letters are measured in whole points here.
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.1


def test_an_axis_that_counts_in_thousands_says_so_with_and_without_a_unit() -> None:
    for label, words in (("RMSE, USD", "RMSE, thousand USD"), ("RMSE", "RMSE, thousand")):
        [axes] = drawn(plots.ladder, ["mean", "final"], [4e5, 1e5], ["naive", "final"], label).axes
        assert axes.get_xlabel() == words
        assert axes.xaxis.get_major_formatter()(2e5, 0) == "200"


def test_a_tick_between_two_whole_percentages_is_not_rounded_to_one_of_them() -> None:
    values = np.concatenate([np.linspace(-1, 1, 400), np.zeros(30)])
    [axes] = drawn(regression_plots.errors, values, "USD").axes
    texts = {round(100 * at, 3): axes.yaxis.get_major_formatter()(at, 0) for at in (0.0, 0.025, 0.1, 1.0)}
    assert texts == {0.0: "0 %", 2.5: "2.5 %", 10.0: "10 %", 100.0: "100 %"}


def test_numbers_just_below_the_next_word_get_that_word() -> None:
    assert [human(value) for value in (999_400.0, 999_600.0, -999.9e6, 4.2e15)] == [
        "999 thousand", "1 million", "\N{MINUS SIGN}1 billion", "4,200 trillion",
    ]  # fmt: skip


def test_a_long_axis_label_takes_several_lines_and_a_short_one_stays_on_its_own() -> None:
    assert axis_label("price", "million", "USD") == "price, million USD"
    assert max(map(len, axis_label(LONG, "million", LONG, width=26).splitlines())) <= 26


@pytest.mark.parametrize(
    ("plot", "arguments"),
    [
        (explanation_plots.waterfall, ([], [], [], 0.5, "probability")),
        (forecast_plots.series, (["2020-01-01"], np.array([1.0]), [], "day", "")),
        (forecast_plots.by_horizon, ({"network": np.zeros(1)}, {"network": forecast_plots.BLUE}, "hours", "")),
        (rating_plots.error_by_group, (["1 to 10"], [0.0], [0.0], "mean", "RMSE")),
    ],
)
def test_nothing_at_all_and_no_error_at_all_are_drawn(plot: Callable[..., Figure], arguments: tuple[Any, ...]) -> None:
    assert drawn(plot, *arguments).axes


def test_two_classes_whose_names_begin_alike_both_stand_in_the_legend() -> None:
    names = {f"{LONG}, {which}": np.array([0.5]) for which in ("yes", "no")}
    [legend] = drawn(plots.probabilities, names, None).legends
    assert len(legend.get_texts()) == 2

"""Learning curves of several runs over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from practicals.common.errors import RunError
from practicals.common.report.material import Plot
from practicals.common.report.plots import compared_curves
from practicals.common.report.svg import draw, inline
from practicals.common.report.words import metric_label

COLOURED = 5
"""Runs whose curves `compared_curves` gives a colour and a name."""
LONGEST_NAME = 40
"""Characters that it shows of a name."""


def curve_id(name: str, rank: int) -> str:
    """Return the id on the page of one run's curve in the drawing `name`."""
    return f"{name}-rank-{rank}"


def draw_curves(name: str, rows: Sequence[dict[str, Any]]) -> Plot | None:
    """Draw what was watched on validation rows for each row of one group; of folded seeds, the first.

    Args:
        name: a word that no other drawing of the page has.
        rows: of one group, best first; see `compare_runs`.
    """
    logged: list[tuple[dict[str, Any], pd.DataFrame]] = []
    for row in rows:
        try:
            logged.append((row, row["runs"][0].history()))
        except RunError:
            continue
    column = _same_measure(rows, [table for _, table in logged])
    drawn = [(row, table) for row, table in logged if column is not None and {"epoch", column} <= set(table.columns)]
    if not drawn or column is None:
        return None
    curves = [
        (_named(row), table["epoch"].to_numpy("float64") + 1, table[column].to_numpy("float64")) for row, table in drawn
    ]
    label = f"{metric_label(column)} on validation rows"
    title = f"Learning curves: {label}"
    reading = [f"Numbers are ranks. {_direction(column)}"]
    if len(drawn) > COLOURED:
        reading.append(f"The first {COLOURED} have colours.")
    if any(len(row["runs"]) > 1 for row, _ in drawn):
        reading.append("Of runs that differ in the seed alone, the first is drawn.")
    told = " ".join(reading)
    svg = draw(name, _figure, curves, label, [row["rank"] for row, _ in drawn])
    return Plot(name, title, told, inline(svg, name, f"{title}. {told}"))


def _same_measure(rows: Sequence[dict[str, Any]], tables: Sequence[pd.DataFrame]) -> str | None:
    """Return the column of the histories that measures the same in every run, or None."""
    if not any("loss" in setting for row in rows for setting in row["differences"]):
        return "val_loss"  # logged by every run; accuracy and the like only by some
    # Squares of errors and their sizes are no two points of one axis: another measure has to do.
    shared = set.intersection(*(set(table.columns) for table in tables)) if tables else set()
    others = sorted(column for column in shared if column.startswith("val_") and "loss" not in column)
    primary = metric_label(rows[0]["metric"])
    return min(others, key=lambda column: metric_label(column) != primary, default=None)


def _direction(column: str) -> str:
    if "loss" in column:
        return "Lower is better; a line that rises again has begun to overfit."
    return "A line that turns back from its best has begun to overfit."


def _named(row: dict[str, Any]) -> str:
    """Return what tells a row from the others: its settings, and its folder where these are none or too long."""
    settings = ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in row["differences"].items())
    fits = 0 < len(settings) <= LONGEST_NAME - len("100. ")
    return f"{row['rank']}. {settings if fits else row['runs'][0].folder.name}"


def _figure(curves: Sequence[Any], label: str, ranks: Sequence[int]) -> Figure:
    """Return the figure with an id for each curve, by which its row in the table points at it."""
    figure = compared_curves(curves, label)
    # The best run is drawn last, over the others.
    for line, rank in zip(reversed(figure.axes[0].lines), ranks, strict=True):
        line.set_gid(f"rank-{rank}")
    return figure

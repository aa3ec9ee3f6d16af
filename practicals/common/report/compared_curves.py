"""Learning curves of several runs over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from practicals.common.errors import RunError
from practicals.common.report.material import Plot
from practicals.common.report.plots import compared_curves
from practicals.common.report.svg import draw, inline
from practicals.common.report.words import metric_label


def draw_curves(name: str, rows: Sequence[dict[str, Any]]) -> Plot | None:
    """Draw what was watched on validation rows for each row of one group; of folded seeds, the first.

    Args:
        name: a word that no other drawing of the page has.
        rows: of one group, best first; see `compare_runs`.
    """
    histories = []
    for row in rows:
        try:
            histories.append((f"{row['rank']}. {row['runs'][0].folder.name}", row["runs"][0].history()))
        except RunError:
            continue
    # The loss is logged by every run; accuracy and the like only by some.
    shared = [(label, table) for label, table in histories if {"epoch", "val_loss"} <= set(table.columns)]
    if not shared:
        return None
    curves = [
        (label, table["epoch"].to_numpy("float64") + 1, table["val_loss"].to_numpy("float64"))
        for label, table in shared
    ]
    label = f"{metric_label('loss')} on validation rows"
    title = f"Learning curves: {label}"
    reading = "Lower is better; a line that rises again has begun to overfit. The first five have colours."
    svg = draw(name, compared_curves, curves, label)
    return Plot(name, title, reading, inline(svg, name, f"{title}. {reading}"))

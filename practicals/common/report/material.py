"""What a report is made of: the files of one run folder, read once, and the plots drawn from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from practicals.common.explain import Explanation, read_explanations
from practicals.common.files import write_text
from practicals.common.report.svg import draw, inline
from practicals.common.run import Run


@dataclass(frozen=True)
class Plot:
    """A drawing on the page."""

    name: str
    title: str
    reading: str
    """One sentence on how to read it."""
    svg: Markup


@dataclass(frozen=True)
class Section:
    """A part of the page: the macro `template` of `sections.html.j2`, called with `values`."""

    id: str
    title: str
    template: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Material:
    """The content of a run folder. What a run does not have is empty, and the sections that need it are left out."""

    run: Run
    metrics: dict[str, Any]
    environment: dict[str, Any]
    summary: dict[str, Any]
    history: pd.DataFrame
    predictions: pd.DataFrame
    explanations: dict[str, Explanation]
    """File name without suffix -> explanation."""

    def draw(self, name: str, title: str, reading: str, plot: Callable[..., Figure], *arguments: Any) -> Plot:
        """Draw `plot(*arguments)` into `plots/NAME.svg` and return it for the page."""
        svg = draw(name, plot, *arguments)
        self.run.plots_folder.mkdir(exist_ok=True)
        write_text(self.run.plots_folder / f"{name}.svg", svg)
        return Plot(name, title, reading, inline(svg, name, f"{title}. {reading}"))


def read_material(run: Run, metrics: dict[str, Any] | None = None) -> Material:
    """Read a run folder. `environment.json` and `metrics.json` (or `metrics`) must be there, all else may be absent.

    Raises:
        RunError: a file is missing or damaged.
    """
    return Material(
        run=run,
        metrics=run.metrics() if metrics is None else metrics,
        environment=run.environment(),
        summary=run.summary() if run.summary_path.is_file() else {},
        history=run.history() if run.history_path.is_file() else pd.DataFrame(),
        predictions=run.predictions() if run.predictions_path.is_file() else pd.DataFrame(),
        explanations=read_explanations(run),
    )

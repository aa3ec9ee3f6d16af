"""Drawings that follow the page: the same bytes every time, unique ids, colours that change with the theme."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Numbers = npt.NDArray[np.float64]

INK = "#010203"
"""Text, axes and ticks; `currentColor` on the page."""
BLUE, ORANGE, GREEN, PURPLE, GREY = "#1f6fb4", "#c2570c", "#138a63", "#9a4fb0", "#737b86"
"""Series colours after Okabe and Ito (2008), told apart with any colour vision; darker or lighter with the theme."""

DASHED, DOTTED = (0, (4, 1.5)), (0, (1, 1.2))
"""Lines, told apart where colours are not."""
LINE, SYMBOL = 52, 5
"""Characters of a legend that have room beside each other, and how many of them its symbol takes the room of."""

_PAGE_COLOURS = {
    INK: "currentColor",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    GREEN: "var(--green)",
    PURPLE: "var(--purple)",
    GREY: "var(--grey)",
}
_STYLE: Any = {
    "svg.fonttype": "path",
    "font.family": ["DejaVu Sans"],
    "font.size": 10.5,
    # A column called "cost_$" is a name, not a formula.
    "text.parse_math": False,
    "text.usetex": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.8,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 10.5,
    "legend.handlelength": 1.6,
    "legend.borderaxespad": 0.0,
    "legend.borderpad": 0.1,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.4,
}


def new_figure(height: float = 3.1) -> tuple[Figure, Axes]:
    """Return a figure, `height` inches high and as wide as all others, and its one pair of axes."""
    figure = Figure(figsize=(4.2, height), layout="constrained")
    return figure, figure.subplots()


def legend_above(*panels: Axes) -> None:
    """Put one legend of all axes given above them, where it can hide no point and has the whole width.

    All names stand on one line if they fit there, else in two columns.
    """
    figure = panels[0].get_figure()
    found = [axes.get_legend_handles_labels() for axes in panels]
    handles = [handle for axes_handles, _ in found for handle in axes_handles]
    labels = [label for _, axes_labels in found for label in axes_labels]
    fits = sum(len(label) + SYMBOL for label in labels) <= LINE
    if figure is not None:
        figure.legend(handles, labels, loc="outside upper left", ncols=len(labels) if fits else 2)


def shorten(text: object, limit: int = 24) -> str:
    """Return a name that fits beside a plot, on one line."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def draw(name: str, plot: Callable[..., Figure], *arguments: Any) -> str:
    """Return what `plot(*arguments)` draws as SVG text without date; `name` seeds its ids, so bytes are repeatable."""
    stream = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # A name in a script that the font does not have is drawn as boxes; the page's tables hold it in full.
        warnings.filterwarnings("ignore", message=r"(?s)Glyph .* missing from font")
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        plot(*arguments).savefig(stream, format="svg", transparent=True, metadata=metadata)
    # Three decimals of a point are finer than any screen, and halve the page.
    return re.sub(r"(\d\.\d{3})\d+", r"\1", stream.getvalue())


def inline(svg: str, name: str, label: str) -> Markup:
    """Return SVG text for use inside a page: ids made unique by `name`, theme colours, and a label to be read aloud.

    Args:
        svg: what `draw` returned.
        name: a word that no other drawing on the page has.
        label: plain text.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'\b(id=")', rf"\g<1>{name}-", body)
    body = re.sub(r'\b(?:xlink:)?(href="#)', rf"\g<1>{name}-", body)
    body = body.replace("url(#", f"url(#{name}-")
    for colour, replacement in _PAGE_COLOURS.items():
        body = body.replace(colour, replacement)
    box = re.search(r'viewBox="([^"]+)"', body)
    opening = f'<svg class="plot" viewBox="{box[1] if box else ""}" role="img" aria-label="{escape(label)}">'
    # Matplotlib draws all text as outlines and has escaped what it names, so nothing of a user's is markup in here.
    return Markup(re.sub(r"<svg[^>]*>", lambda _: opening, body, count=1).strip())  # noqa: S704

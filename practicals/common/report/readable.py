"""Numbers on axes as people say them: "million USD" beside the axis and 0.5, 1, 2 on it, rather than 1e6."""

from __future__ import annotations

from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from practicals.common.report.svg import Numbers, shorten
from practicals.common.report.words import number

SCALES = ((1e12, 1e12, "trillion"), (1e9, 1e9, "billion"), (1e6, 1e6, "million"), (1e4, 1e3, "thousand"))
"""From which number on to divide by what, and its name."""
LOG_SPAN = 20
"""Largest over smallest value from which on a positive axis is logarithmic."""


def scale(largest: float) -> tuple[float, str]:
    """Return what to divide numbers by so that an axis stays readable, and its name: (1e6, "million") for 7,700,000."""
    for least, size, name in SCALES:
        if largest >= least:
            return size, name
    return 1.0, ""


def axis_label(*words: str, width: int = 36) -> str:
    """Return "price, million USD" of what is shown, scale and unit; empty words are left out.

    Long ones take several lines of at most `width` characters, since a line that is too long would be cut off.
    """
    what, unit = words[0], " ".join(word for word in words[1:] if word)
    return fill(", ".join(shorten(text, 30) for text in (what, unit) if text), width)


def human(value: float) -> str:
    """Return a number for a narrow place: 1,234,567 is "1.23 million"."""
    if not scale(abs(value))[1]:
        return number(value)
    # Rounded first, or 999,900 would be 1,000 thousand.
    rounded = float(f"{value:.3g}")
    size, name = scale(abs(rounded))
    return f"{rounded / size:,.10g} {name}".replace("-", "\N{MINUS SIGN}")


def percent_axis(axis: Axis) -> None:
    """Write the shares on an axis as percentages, with as many decimals as the ticks need: 2.5 %, not 2 %."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g} %"))


def is_wide(values: Numbers) -> bool:
    """Return whether positive values span so much that only a logarithmic axis shows them all."""
    known = values[np.isfinite(values)]
    return bool(len(known)) and known.min() > 0 and bool(known.max() > LOG_SPAN * known.min())


def log_axis(axes: Axes, name: str, values: Numbers) -> None:
    """Make the `x` or `y` axis logarithmic, with plain numbers at 1, 2, 5 (over few decades) or at powers of ten."""
    axis = axes.xaxis if name == "x" else axes.yaxis
    (axes.set_xscale if name == "x" else axes.set_yscale)("log")
    decades = np.log10(values.max() / values.min())
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.2 else (1, 3) if decades < 3.2 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}" if value < 1e4 else f"{value:.0e}"))
    axis.set_minor_locator(NullLocator())

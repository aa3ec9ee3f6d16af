"""Where the dots and names of the map of items lie. The page draws it, since only a browser has every script."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from practicals.common.report.rating_words import title_of
from practicals.common.report.svg import Numbers, shorten

COLOURS = 8
"""Groups with a colour of their own; more cannot be told apart. All others are grey."""
MOST_DOTS = 3000
MOST_LABELS = 24
"""Names on the map."""
TRIED = 90
"""So many of the best-known are tried, until there are enough names that find room."""
LONGEST_LABEL = 26
WIDTH, HIGHEST, LOWEST, MARGIN = 760.0, 560.0, 260.0, 26.0
"""Of the drawing, in its units; its height follows from the dots."""
LETTER, WIDE_LETTER, LINE = 6.6, 12.5, 14.0
"""Room of a letter, of a Chinese or Japanese one, and of a line at the drawing's size of text."""
SMALL, LARGE = 2.4, 6.5
"""Radius of a dot, of the least known and the best-known."""

_YEAR = re.compile(r"(?<=.) \(\d{4}\)$")

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def map_drawing(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the template draws of the map; None where its lists do not fit each other.

    Args:
        found: `x`, `y`, `group` and `title`, one each per item, best-known items first; or in any order with
            `ratings`, how often each was rated.
    """
    titles = list(found.get("title") or [])
    groups = [str(name or "") for name in found.get("group") or [""] * len(titles)]
    known = list(found.get("ratings") or [])
    x, y = (np.asarray(found.get(name) or [], "float64") for name in "xy")
    if not len(titles) == len(groups) == len(x) == len(y) or len(known) not in (0, len(titles)):
        return None
    counts = np.asarray(known or [0] * len(titles), "float64")
    order = [one for one in np.argsort(-counts, kind="stable").tolist() if np.isfinite(x[one] + y[one])]
    if len(order) < 2:
        return None
    shown = order[:MOST_DOTS]
    places, height = _places(x[shown], y[shown])
    radius = SMALL + (LARGE - SMALL) * np.sqrt(counts[shown] / max(counts.max(), 1.0))
    frequent = Counter(groups[one] for one in shown if groups[one])
    colours = {name: place + 1 for place, (name, _) in enumerate(_most_frequent(frequent)[:COLOURS])}
    dots = [
        {
            "x": round(float(place[0]), 1),
            "y": round(float(place[1]), 1),
            "radius": round(float(size), 1),
            "colour": colours.get(groups[one], 0),
            "title": f"{title_of(titles[one])}{f' ({shorten(groups[one])})' if groups[one] else ''}",
        }
        for one, place, size in zip(shown, places, radius, strict=True)
    ]
    grey = sum(dot["colour"] == 0 for dot in dots)
    legend = [(shorten(name), colour, frequent[name]) for name, colour in colours.items()]
    return {
        "width": WIDTH,
        "height": height,
        # The best-known lie on top of the others.
        "dots": dots[::-1],
        "labels": _labels([titles[one] for one in shown[:TRIED]], places, radius, height),
        "legend": [*legend, *([("others", 0, grey)] if grey and colours else [])],
        "sized": bool(known),
        "left_out": len(order) - len(shown),
    }


def _most_frequent(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _places(x: Numbers, y: Numbers) -> tuple[Numbers, float]:
    """Return (items, 2) places in the drawing, and its height. Both axes have one scale, so that distances count."""
    extent = np.maximum([np.ptp(x), np.ptp(y)], 1e-12)
    scale = float(min((WIDTH - 2 * MARGIN) / extent[0], (HIGHEST - 2 * MARGIN) / extent[1]))
    height = round(max(LOWEST, extent[1] * scale + 2 * MARGIN), 1)
    across = WIDTH / 2 + scale * (x - (x.min() + x.max()) / 2)
    # A drawing counts from the top.
    down = height / 2 - scale * (y - (y.min() + y.max()) / 2)
    return np.column_stack([across, down]), height


def _labels(titles: Sequence[Any], places: Numbers, radius: Numbers, height: float) -> list[dict[str, Any]]:
    """Return the names of the best-known items that find room beside their dots."""
    taken: list[Box] = []
    labels: list[dict[str, Any]] = []
    for title, (x, y), size in zip(titles, places.tolist(), radius.tolist(), strict=False):
        # Beside a dot there is no room for the year.
        text = shorten(_YEAR.sub("", title_of(title)), LONGEST_LABEL)
        wide = _width(text)
        beside = size + 3
        for anchor, at, base in (
            ("start", x + beside, y + 4),
            ("end", x - beside, y + 4),
            ("middle", x, y - beside - 2),
            ("middle", x, y + beside + 9),
        ):
            left = at - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            box = left, base - LINE + 3, left + wide, base + 3
            if box[0] < 2 or box[2] > WIDTH - 2 or box[1] < 2 or box[3] > height - 2:
                continue
            if any(_meet(box, other) for other in taken):
                continue
            taken += [box, (x - size, y - size, x + size, y + size)]
            labels.append({"x": round(at, 1), "y": round(base, 1), "anchor": anchor, "text": text})
            break
        if len(labels) == MOST_LABELS:
            break
    return labels


def _width(text: str) -> float:
    """Return about how wide a text is drawn."""
    return sum(
        0.0 if unicodedata.combining(one) else WIDE_LETTER if unicodedata.east_asian_width(one) in "WF" else LETTER
        for one in text
    )


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

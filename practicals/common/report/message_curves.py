"""Where the points and words of a reading curve lie. The page draws it, since only a browser has every script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from practicals.common.report.message_text import visible
from practicals.common.report.svg import shorten

MOST_WORDS = 40
"""Words along one curve; more cannot be read."""
LONGEST_WORD = 14
TOP, BOTTOM, LEFT, RIGHT = 14.0, 194.0, 44.0, 16.0
"""Where probability 1 and 0 lie, and the room to both sides, in the drawing's units."""
NARROWEST, STEP, WIDEST_STEP = 320.0, 22.0, 44.0
"""The least width of a drawing; the least and the most room of a word."""
LABEL_WIDTH, LABEL_ROOM = 130.0, 12.0
"""How wide the name of the threshold is, and how far the curve is to keep from its middle."""
MOVES = 0.01
"""A change of the probability that is worth a colour."""


def reading_curve(one: Mapping[str, Any], looked_for: str, threshold: float | None) -> dict[str, Any] | None:
    """Return what the template draws of one message; None where numbers and words do not fit each other.

    Args:
        one: `text`, `spans` (first character of each word and the one after its last) and `probability`, one number
            more than words, since the first is that before any word.
        looked_for: the class whose probability it is.
        threshold: from which a message is blocked; None draws no line.
    """
    text, spans, values = str(one.get("text", "")), one.get("spans") or [], one.get("probability") or []
    if len(values) != len(spans) + 1 or not np.isfinite(np.asarray(values, "float64")).all():
        return None
    words = [visible(text[start:stop].strip()) for start, stop in spans]
    shown = len(words) if len(words) <= MOST_WORDS + 2 else MOST_WORDS
    step = WIDEST_STEP if shown < 12 else max(STEP, WIDEST_STEP * 12 / shown)
    places = [LEFT + step * (number + 0.5) for number in range(shown + 1)]
    points = [
        {
            "x": round(x, 1),
            "y": _height(value),
            "value": float(value),
            "word": word,
            "label": shorten(word, LONGEST_WORD),
            "side": _side(value - values[number - 1]) if number else "",
        }
        for number, (x, value, word) in enumerate(zip(places, values, ["", *words], strict=False))
    ]
    lines = [(0.5, "0.5")]
    # Close to one half, the two names would lie upon each other.
    if threshold is not None and 0 < threshold <= 1 and abs(threshold - 0.5) > 0.08:
        lines.append((threshold, "blocked"))
    width = round(max(NARROWEST, places[-1] + step / 2 + RIGHT), 1)
    blocked = next((_height(value) for value, name in lines if name == "blocked"), None)
    longest = max(len(str(point["label"])) for point in points)
    return {
        "width": width,
        # The slanted words below need room for the longest of them.
        "height": BOTTOM + 32 + 6 * max(longest, len("(start)")),
        "left": LEFT,
        "right": width - RIGHT,
        "bottom": BOTTOM,
        "ticks": [(_height(value), f"{value:g}") for value in (0, 0.25, 0.5, 0.75, 1)],
        "lines": [(_height(value), name) for value, name in lines],
        "blocked": None if blocked is None else _label_place(blocked, width - RIGHT, points),
        "points": points,
        "path": " ".join(f"{point['x']},{point['y']}" for point in points),
        "sentence": _sentence(words, values, looked_for),
        "cut": f"The first {shown} of {len(words)} steps are drawn." if shown < len(words) else None,
    }


def _label_place(line: float, right: float, points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return where the name of a line at that height stands: on the left where the curve leaves it room there."""

    def room(place: Mapping[str, Any]) -> float:
        start = place["x"] - (LABEL_WIDTH if place["anchor"] == "end" else 0)
        along = np.linspace(start, start + LABEL_WIDTH, 30)
        curve = np.interp(along, [point["x"] for point in points], [point["y"] for point in points])
        return float(np.abs(curve - (place["y"] - 4)).min())

    ends = (("start", LEFT + 4), ("end", right - 4))
    places = [{"anchor": anchor, "x": x, "y": y} for anchor, x in ends for y in (line + 14, line - 5)]
    return next((place for place in places if room(place) >= LABEL_ROOM), max(places, key=room))


def _side(change: float) -> str:
    return "" if abs(change) < MOVES else "raises" if change > 0 else "lowers"


def _height(value: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * float(np.clip(value, 0, 1)), 1)


def _sentence(words: list[str], values: list[float], looked_for: str) -> str:
    """Say where it begins, where it ends and which word moved it most."""
    said = f"Probability of “{looked_for}”: {values[0]:.2f} before the first word, {values[-1]:.2f} after the last."
    if not words:
        return f"The message has no words. {said}"
    moves = np.diff(np.asarray(values, "float64"))
    most = int(np.abs(moves).argmax())
    if abs(moves[most]) < 0.05:
        return f"{said} No single word moves it by 0.05 or more."
    how = "rises" if moves[most] > 0 else "falls"
    return f"{said} It {how} most at “{shorten(words[most])}”: from {values[most]:.2f} to {values[most + 1]:.2f}."

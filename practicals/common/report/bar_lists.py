"""Bars with titles beside them. The page draws them, since only a browser has every script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from practicals.common.report.words import digits_of, number, signed

MOST_DIGITS = 3


def bar_digits(largest: float) -> int:
    """Return how many decimals contributions need of which the largest has this size."""
    # Two decimals say enough of stars and probabilities; smaller contributions would all read +0.00.
    return 2 if largest >= 0.095 else min(digits_of(largest), MOST_DIGITS)


def bar_list(
    title: str,
    rows: Sequence[tuple[str, str, float]],
    reading: str,
    *,
    with_sign: bool = True,
    ends: tuple[float, float] = (0.0, 0.0),
) -> dict[str, Any]:
    """Return one list of bars for the template.

    Args:
        title: what stands above.
        rows: title, note and value of each bar, at least one.
        reading: one sentence on how to read it.
        with_sign: whether values are differences, of which those above zero raise and those below lower something.
        ends: where bars may reach to the left and to the right, for lists that share a scale.
    """
    values = [value for *_, value in rows]
    digits = bar_digits(max(map(abs, (*values, *ends))))
    low, high = min(0.0, *values, *ends), max(0.0, *values, *ends)
    extent = (high - low) or 1.0
    return {
        "title": title,
        "rows": [
            {
                "word": word,
                "note": note,
                "worth": signed(value, digits) if with_sign else number(value, digits),
                "side": "raises" if value > 0 and with_sign else "lowers",
                "left": round(100 * (min(value, 0.0) - low) / extent, 2),
                "width": round(100 * abs(value) / extent, 2),
                "zero": round(-100 * low / extent, 2),
            }
            for word, note, value in rows
        ],
        "reading": reading,
    }

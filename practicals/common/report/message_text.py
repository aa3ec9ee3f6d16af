"""Messages as a page can show them: no invisible words, no control characters, no endless ones."""

from __future__ import annotations

import unicodedata
from typing import Any

_OVERRIDES = "\u202d\u202e"
"""Turn what follows around, whatever its script: the network reads it in the order in which it was written."""
LONGEST = 600
"""Characters of a message that are shown; a text message of today has a few hundred."""


def printable(text: Any) -> str:
    """Return a text of the same length in which nothing controls how the rest is shown, and no character is half.

    Line breaks and tabs stay; so do zero-width and right-to-left characters, which are text.
    """
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_control(one) else one for one in str(text))


def _is_control(one: str) -> bool:
    return one in _OVERRIDES or (unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\r\t")


def visible(word: Any) -> str:
    """Return a word of which something can be seen: one that is all blank or zero-width is named by its characters."""
    text = printable(word)
    if any(unicodedata.category(one)[0] not in "ZC" for one in text):
        return text
    return " ".join(f"U+{ord(one):04X}" for one in text) or "(nothing)"


def excerpt(message: Any) -> dict[str, Any]:
    """Return the beginning of a message as `text`, and in `more` how many characters follow."""
    text = printable(message)
    # A few characters more than the limit are shown, rather than said to be missing.
    kept = text if len(text) <= LONGEST + 50 else text[:LONGEST]
    return {"text": kept, "more": len(text) - len(kept), "empty": not text.strip()}

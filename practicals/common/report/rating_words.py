"""What a lesson about ratings calls things: a film, three films; titles as a page can show them."""

from __future__ import annotations

from typing import Any, NamedTuple

from practicals.common.report.material import Material
from practicals.common.report.message_text import visible
from practicals.common.report.svg import shorten

LONGEST_TITLE = 90
"""Characters of a title; the longest of MovieLens has 81."""


class Noun(NamedTuple):
    """What is rated, in the singular and in the plural."""

    one: str
    many: str


def noun_of(material: Material) -> Noun:
    """Return what the run calls the things that are rated; "item", "items" where it does not say."""
    found = material.summary.get("noun") or ("item", "items")
    return Noun(*(shorten(visible(word)) for word in found[:2]))


def title_of(text: Any) -> str:
    """Return a title on one line, without hidden characters, and not endless."""
    return shorten(visible(text), LONGEST_TITLE)


def rating_text(value: Any) -> str:
    """Return a given rating as people write it, 4 or 3.5; nothing where there is none."""
    return f"{value:g}" if isinstance(value, int | float) and value == value else ""

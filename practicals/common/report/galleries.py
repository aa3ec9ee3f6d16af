"""What a section needs to show pictures of the run folder, with what is said of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from practicals.common.report.embedded import Embedded, embed_file
from practicals.common.report.material import Material

OWN_GALLERIES = 4
"""So many classes have a gallery of their own."""


def listed(material: Material) -> Mapping[str, Any]:
    """Return what the summary says of pictures in the run folder."""
    found: Mapping[str, Any] = material.summary.get("gallery") or {}
    return found


def galleries(
    material: Material,
    kind: str,
    title: str,
    all_of_them: str,
    words: Callable[[Mapping[str, Any]], tuple[str, str]],
) -> list[dict[str, Any]]:
    """Return a gallery of each true class; of many classes, one of all, in which each caption begins with the class.

    Args:
        material: of the report.
        kind: `examples` or `wrong`.
        title: of a gallery of one class, with `{truth}` in it.
        all_of_them: title of a gallery of all classes.
        words: takes a line of the summary's gallery and returns what the picture shows, and a caption.
    """
    lines = listed(material).get(kind) or []
    classes = list(dict.fromkeys(str(one.get("truth")) for one in lines))
    if len(classes) > OWN_GALLERIES:
        return [
            {"title": all_of_them, "pictures": [_entry(material, one, *words(one), of_class=True) for one in lines]}
        ]
    return [
        {
            "title": title.replace("{truth}", name),
            "pictures": [_entry(material, one, *words(one)) for one in lines if str(one.get("truth")) == name],
        }
        for name in classes
    ]


def small_gallery(material: Material, title: str, files: Sequence[str], alt: str) -> dict[str, Any]:
    """Return a gallery of files that need no caption."""
    pictures = [
        {"picture": picture(material, file, f"{alt}, number {number}"), "caption": ""}
        for number, file in enumerate(files, 1)
    ]
    return {"title": title, "pictures": pictures, "kind": "small"}


def picture(material: Material, file: Any, alt: str) -> Embedded:
    """Return a file of the run folder for the page; `alt` says what it shows."""
    return embed_file(material.run.folder, file, alt)


def _entry(
    material: Material, one: Mapping[str, Any], alt: str, caption: str, *, of_class: bool = False
) -> dict[str, Any]:
    """Return one figure of a gallery: the picture, what is said of it, and the name of its file."""
    name = str(one.get("id") or "")
    return {
        "picture": picture(material, one.get("file"), alt),
        "caption": f"“{one.get('truth')}” {caption}".strip() if of_class else caption,
        "strong": True,
        "name": name.rpartition("/")[2],
        "path": name,
    }


def percent(probability: Any) -> str:
    """Return "98.7 %"; "over 99.9 %" where rounding would make it a certainty, "under 0.1 %" where it would be none."""
    if not isinstance(probability, int | float) or not np.isfinite(probability):
        return "\N{EN DASH}"
    text = f"{100 * probability:.1f}"
    if 0 < probability < 1 and text in ("0.0", "100.0"):
        text = "under 0.1" if text == "0.0" else "over 99.9"
    return f"{text}\N{NO-BREAK SPACE}%"

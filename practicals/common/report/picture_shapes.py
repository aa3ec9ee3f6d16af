"""The section about what a network makes of a picture: sizes from layer to layer, filters, feature maps, parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from practicals.common.report import picture_plots
from practicals.common.report.drawn import table
from practicals.common.report.galleries import listed, small_gallery
from practicals.common.report.material import Material, Section
from practicals.common.report.words import with_code

STAGES = 9
MOST_ROWS = 24
"""Of the table of shapes; of a deeper network only the last layer of each size is listed."""


def seeing(material: Material) -> Section | None:
    """Show how sizes change from layer to layer, the first filters, feature maps, and how many numbers are trained."""
    shapes = shrinking(material.summary.get("architecture") or [])
    galleries = _what_layers_make(material)
    tables = [
        table(
            "",
            ["Layer", "Kind", "Height × width", "Channels", "Numbers in all"],
            _last_of_each_size(shapes),
            words=(0, 1),
        )
    ]
    networks = material.summary.get("networks") or []
    if networks:
        counts = [[with_code(one["name"]), f"{one['parameters']:,}"] for one in networks]
        tables.append(table("How many numbers are trained", ["Network", "Parameters"], counts))
    if not shapes and not galleries and not networks:
        return None
    plots = []
    stages = _stages(shapes)
    if len(stages) > 1:
        plots.append(
            material.draw(
                "shrinking",
                "From the picture to the label",
                "Each rectangle is one size on the way, with its number of channels below. The drawn areas shrink more "
                "slowly than the real ones, which would soon be too small to see.",
                picture_plots.shrinking,
                stages,
            )
        )
    values = {
        "lead": _lead(shapes, len(stages)) if shapes else "",
        "plots": plots,
        "tables": [one for one in tables if one["rows"]],
        "galleries": [one for one in galleries if one["pictures"]],
        "key": _why_convolutions(networks),
    }
    return Section("shrinking", "How the picture shrinks", "picture_shapes", values)


def _what_layers_make(material: Material) -> list[dict[str, Any]]:
    """Return a gallery of the first filters, and one of the maps of each layer that was chosen."""
    gallery, galleries = listed(material), []
    first = gallery.get("filters") or {}
    if first.get("files"):
        layer = first.get("layer") or "the first layer"
        title = "What the first layer looks for: its filters"
        galleries.append(small_gallery(material, title, first["files"], f"A filter of {layer}"))
    for one in gallery.get("feature_maps") or []:
        title = alt = "The picture whose maps follow"
        if one.get("layer"):
            title = f"What {one['layer']} makes of a picture: some of its maps, {one.get('shape')}"
            alt = f"A feature map of {one['layer']}"
        galleries.append(small_gallery(material, title, one.get("files") or [], alt))
    return galleries


def _lead(shapes: Sequence[Sequence[str]], stages: int) -> str:
    if stages > 1:
        how = (
            "Convolutions with a stride, and pooling, make the picture smaller step by step while its number of "
            "channels grows: less of where something is, more of what it is."
        )
    else:
        how = (
            "This network has no convolutions: the picture is laid flat at once, and where a pixel stood is forgotten."
        )
    every = len(_last_of_each_size(shapes)) == len(shapes)
    return f"{how} Only layers that change the shape are listed{'.' if every else ', of each size the last.'}"


def _why_convolutions(networks: Sequence[Mapping[str, Any]]) -> str | None:
    if not networks:
        return None
    most, least = (choose(networks, key=lambda one: one["parameters"]) for choose in (max, min))
    times = most["parameters"] / max(least["parameters"], 1)
    # A large network to transfer from may well have more weights than a dense one.
    if times < 1.1 or "mlp" not in most["name"]:
        return None
    name = most["name"][:1].upper() + most["name"][1:]
    return (
        f"{name}: {times:,.1f} times as many numbers to train as {least['name']}. A dense layer has a weight of its "
        "own for every pixel and must learn a shape anew at each place; a convolution uses the same few weights at all "
        "places, so what it has learned in one corner it knows in all."
    )


def shrinking(architecture: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return layer, kind, size, channels and numbers in all of each layer that changes the shape of its input."""
    rows: list[list[str]] = []
    last = None
    for layer in architecture:
        shape = _shape(str(layer.get("output_shape") or ""))
        if shape is None or shape == last:
            continue
        last = shape
        size = f"{shape[0]} × {shape[1]}" if len(shape) == 3 else "\N{EN DASH}"
        rows.append(
            [str(layer.get("layer")), str(layer.get("kind")), size, f"{shape[-1]:,}", f"{int(np.prod(shape)):,}"]
        )
    return rows if any("×" in row[2] for row in rows) else []


def _last_of_each_size(shapes: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Return all rows where they are few; otherwise the first, and of those with one height and width the last."""
    if len(shapes) <= MOST_ROWS:
        return list(shapes)
    pairs = enumerate(pairwise([*shapes, ["", "", ""]]))
    return [one for number, (one, after) in pairs if number == 0 or one[2] != after[2] or "×" not in one[2]]


def _shape(text: str) -> tuple[int, ...] | None:
    """Return (96, 96, 3) for "(batch, 96, 96, 3)"; None where a size is open or the shape is no picture or vector."""
    found = re.fullmatch(r"\(batch, (\d+(?:, \d+)*)\)", text)
    shape = tuple(int(size) for size in found[1].split(", ")) if found else ()
    return shape if len(shape) in (1, 3) else None


def _stages(shapes: Sequence[Sequence[str]]) -> list[tuple[int, int, int]]:
    """Return (height, width, channels) of each size, with the channels that it has in the end; at most `STAGES`."""
    found = []
    for _, _, size, channels, _ in shapes:
        if "×" in size:
            height, width = (int(side) for side in size.split(" × "))
            found.append((height, width, int(channels.replace(",", ""))))
    # The picture itself has three channels and stays; of the layers of one size the last is shown.
    return [
        one for number, (one, after) in enumerate(pairwise([*found, (0, 0, 0)])) if number == 0 or one[:2] != after[:2]
    ][:STAGES]

"""The sections of a lesson that reads messages, in the order of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from practicals.common.report import message_labels, message_plots
from practicals.common.report.drawn import drawn
from practicals.common.report.galleries import percent
from practicals.common.report.material import Material, Section
from practicals.common.report.message_curves import reading_curve
from practicals.common.report.message_labels import classes_of
from practicals.common.report.message_text import excerpt, visible

MOST_CHIPS = 80
"""Pieces of one step that are shown."""
FEW_ALIKE = 3
"""So many equal pieces of padding are shown one by one, more as one with their number."""


def steps(material: Material) -> Section | None:
    """Show one message as it looks after each step on its way into the network."""
    found = material.summary.get("steps") or {}
    if not found.get("steps"):
        return None
    parts = [
        {
            "name": str(step.get("name") or ""),
            "sentence": str(step.get("sentence") or ""),
            "excerpt": excerpt(step["text"]) if step.get("text") is not None else None,
            **_chips(step.get("tokens") or step.get("ids") or []),
        }
        for step in found["steps"]
    ]
    kinds = {chip["kind"] for part in parts for chip in part["chips"]}
    values = {"message": excerpt(found.get("message") or ""), "parts": parts, "kinds": kinds}
    return Section("steps", "One message, step by step", "message_steps", values)


def _chips(tokens: Sequence[Any]) -> dict[str, Any]:
    """Return the pieces of a message; a run of padding as one piece, and how many pieces are not shown."""
    pieces = [
        (visible(token.get("text", "")), str(token.get("kind") or ""))
        if isinstance(token, Mapping)
        else (visible(token), "")
        for token in tokens
    ]
    chips: list[dict[str, Any]] = []
    for (text, kind), run in groupby(pieces):
        count = len(list(run))
        if kind == "padding" and count > FEW_ALIKE:
            chips.append({"text": text, "kind": kind, "times": count})
        else:
            chips += [{"text": text, "kind": kind, "times": 1}] * count
    # What follows the words, such as a run of padding, is worth its place.
    if len(chips) > MOST_CHIPS + 1:
        return {"chips": [*chips[: MOST_CHIPS - 1], chips[-1]], "more": len(chips) - MOST_CHIPS}
    return {"chips": chips, "more": 0}


def reading(material: Material) -> Section | None:
    """Draw the probability after each word of a few messages."""
    _, looked_for = classes_of(material)
    threshold = (material.summary.get("threshold") or {}).get("value")
    shown = [
        {
            "excerpt": excerpt(one.get("text", "")),
            "id": str(one.get("id", "")),
            "truth": str(one.get("truth") or ""),
            "curve": curve,
        }
        for one in material.summary.get("reading") or []
        if (curve := reading_curve(one, looked_for, threshold)) is not None
    ]
    if not shown:
        return None
    values = {"shown": shown, "looked_for": looked_for}
    return Section("reading", "How the network reads", "message_reading", values)


def lengths(material: Material) -> Section | None:
    """Draw how long the training messages of both classes are."""
    found = material.summary.get("lengths") or {}
    edges, counts = found.get("edges") or [], found.get("counts") or {}
    if len(edges) < 2 or not counts or any(len(each) != len(edges) - 1 for each in counts.values()):
        return None
    if not np.isfinite(edges).all() or not any(sum(each) for each in counts.values()):
        return None
    unit, medians = str(found.get("unit") or "characters"), found.get("median") or {}
    plot = material.draw(
        "lengths",
        "Length of a message",
        "Each line holds all training messages of its class; the last step holds the longer ones, too. "
        + ("The dotted lines are the medians: half of the class is shorter." if medians else ""),
        message_plots.lengths,
        edges,
        counts,
        medians,
        unit,
    )
    key = None
    if medians:
        typical = " and ".join(f"of “{name}” has {value:,.0f}" for name, value in medians.items())
        key = (
            f"The median message {typical} {unit}. A model may lean on length without being told it, and whoever "
            "writes messages can change their length at will."
        )
    lead = "Long or short: how far would that alone tell the classes apart?"
    return drawn("lengths", "How long the messages are", lead, plots=[plot], key=key)


def wrong(material: Material) -> Section | None:
    """Show the messages whose wrong label got the highest probability."""
    found = material.summary.get("wrong") or []
    if not found:
        return None
    good, looked_for = classes_of(material)
    titles = {
        good: f"“{good}” messages called “{looked_for}”",
        looked_for: f"“{looked_for}” messages called “{good}”",
    }
    groups = []
    for truth, title in titles.items():
        bubbles = [
            {
                "excerpt": excerpt(one.get("text", "")),
                "id": str(one.get("id", "")),
                "said": f"called “{one.get('prediction')}”, {percent(one.get('probability'))} sure",
            }
            for one in found
            if str(one.get("truth")) == truth
        ]
        if bubbles:
            groups.append({"title": title, "bubbles": bubbles})
    if not groups:
        return None
    return Section("wrong", "Most confidently wrong", "message_wrong", {"groups": groups})


SECTIONS = (
    reading,
    message_labels.confusion,
    message_labels.blocking,
    message_labels.precision_recall,
    message_labels.calibration,
    lengths,
    wrong,
)
"""The sections between the common ones, in the order of the page; `steps` follows the data."""

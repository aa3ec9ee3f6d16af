"""The sections about the labels of test pictures: which were right, how well they rank, how sure to be of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_curve

from practicals.common.report import binary, picture_plots, plots
from practicals.common.report.drawn import drawn, table, tested
from practicals.common.report.material import Material, Section
from practicals.common.report.svg import shorten

MOST_CLASSES = 20
"""Beyond, a table of all mix-ups is too wide to be read, and only the most frequent are listed."""
MIX_UPS = 10


def confusion(material: Material) -> Section | None:
    """Count which class was called what, on the test pictures."""
    counts = np.asarray((material.summary.get("confusion") or {}).get("counts") or [], "int64")
    classes = _classes(material)
    if not counts.size or counts.shape != (len(classes), len(classes)):
        return None
    of_class = counts.sum(axis=1)
    rows = [
        {
            "name": name,
            "short": shorten(name),
            "all": int(of_class[truth]),
            "cells": [
                {
                    "count": int(count),
                    "share": f"{100 * count / of_class[truth]:.1f} %" if of_class[truth] else "",
                    "right": truth == label,
                    # The strength of the colour: faint for 1 %, full from half of the class on.
                    "mix": round(min(100, 20 + 160 * count / of_class[truth])) if count else 0,
                }
                for label, count in enumerate(counts[truth])
            ],
        }
        for truth, name in enumerate(classes)
    ]
    values = {
        "classes": [(name, shorten(name)) for name in classes],
        "rows": rows if len(classes) <= MOST_CLASSES else [],
        "words": _right_words(counts),
        "mixups": _mix_ups(counts, classes) if len(classes) > 2 else None,
    }
    return Section("confusion", "Right and wrong labels", "picture_confusion", values)


def _right_words(counts: npt.NDArray[np.int64]) -> str:
    right, total = int(np.trace(counts)), int(counts.sum())
    return f"Of {total:,} test pictures, {right:,} were called by their name and {total - right:,} were not."


def _mix_ups(counts: npt.NDArray[np.int64], classes: Sequence[str]) -> dict[str, Any] | None:
    pairs = [
        (int(counts[truth, label]), truth, label)
        for truth in range(len(classes))
        for label in range(len(classes))
        if truth != label and counts[truth, label]
    ]
    rows = [
        [classes[truth], classes[label], f"{count:,}", f"{100 * count / counts[truth].sum():.1f} %"]
        for count, truth, label in sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:MIX_UPS]
    ]
    header = ["Was", "Was called", "Pictures", "Share of the class"]
    return table("The most frequent mix-ups", header, rows, words=(0, 1)) if rows else None


def ranking(material: Material) -> Section | None:
    """Draw the ROC curve of two classes beside that of the best baseline."""
    classes, found = _classes(material), _said(material)
    if len(classes) != 2 or found is None or np.ptp(found[0]) == 0:
        return None
    truth, probability = found
    fpr, tpr, _ = roc_curve(truth, probability[:, 1])
    kept = np.unique(np.linspace(0, len(fpr) - 1, binary.CURVE_POINTS).round().astype(int))
    curves: Mapping[str, Any] = material.summary.get("baseline_curves") or {}
    name = next(iter(curves), "")
    first, second = classes
    plot = material.draw(
        "roc",
        "ROC curve",
        f"Whoever calls a picture “{second}” already at a lower probability finds more of them (further up) and calls "
        f"more “{first}” so by mistake (further right). The closer the line comes to the top left corner, the better; "
        "the dotted line is guessing.",
        plots.roc,
        {"fpr": fpr[kept].tolist(), "tpr": tpr[kept].tolist()},
        curves.get(name, {}).get("roc"),
        name,
        f"share of “{shorten(first, 12)}” called “{shorten(second, 12)}”",
        f"share of “{shorten(second, 12)}” found",
    )
    lead = f"Does the network give “{second}” a higher probability where it is one? Drawn from the test pictures"
    return drawn(
        "ranking", "How well it ranks", f"{lead}, beside the best baseline." if name else f"{lead}.", plots=[plot]
    )


def calibration(material: Material) -> Section | None:
    """Draw how often labels were right over how sure the network was of them."""
    found = _said(material)
    if found is None:
        return None
    truth, probability = found
    right, confidence = (probability.argmax(axis=1) == truth).astype("float64"), probability.max(axis=1)
    which = np.minimum((confidence * binary.CALIBRATION_BINS).astype(int), binary.CALIBRATION_BINS - 1)
    counts = [np.bincount(which, chosen, binary.CALIBRATION_BINS).astype("float64") for chosen in (right, 1 - right)]
    plot = material.draw(
        "calibration",
        "Calibration",
        "On the dotted line, of 100 pictures whose label got a probability of 0.80 exactly 80 are called rightly. "
        "Below it the network is too sure of itself, above it not sure enough; upright bars are 95 % intervals. The "
        "lower drawing counts the test pictures behind each point: a point of few pictures says little.",
        picture_plots.calibration,
        *binary.calibration_bins(right, confidence),
        tuple(counts),
        probability.shape[1],
    )
    sure = confidence >= 0.9
    key = (
        f"{int(sure.sum()):,} of {len(sure):,} test pictures got a label with a probability of 0.9 or more; "
        f"{100 * right[sure].mean():.1f} % of these labels are right."
        if sure.any()
        else None
    )
    lead = "Is the network as often right as it is sure?"
    return drawn("calibration", "Do the probabilities come true?", lead, plots=[plot], key=key)


def _classes(material: Material) -> list[str]:
    return [str(name) for name in material.summary.get("classes") or []]


def _said(material: Material) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]] | None:
    """Return class numbers (n,) and probabilities (n, classes) of the test pictures; None where a column is missing."""
    classes, rows = _classes(material), tested(material)
    columns = [f"probability_{name}" for name in classes]
    if rows.empty or not classes or not {"truth", *columns} <= set(rows.columns):
        return None
    truth = _numbers_of(rows["truth"], classes)
    probability = rows[columns].to_numpy("float64")
    known = (truth >= 0) & np.isfinite(probability).all(axis=1)
    return (truth[known], probability[known]) if known.any() else None


def _numbers_of(names: pd.Series[Any], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the class number of each name, -1 for none. A table gives a class called "01" back as the number 1."""
    found = {name: number for number, name in enumerate(classes)}
    for name, number in list(found.items()):
        if re.fullmatch(r"[+-]?\d+(\.\d*)?", name):
            found.setdefault(str(int(name) if name.lstrip("+-").isdigit() else float(name)), number)
    return np.array([found.get(str(name), -1) for name in names], "int64")

"""The sections of a yes-or-no prediction: ranking, decisions, probabilities, threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from practicals.common.report import plots
from practicals.common.report.material import Material, Section
from practicals.common.report.plots import Curve
from practicals.common.report.svg import Numbers

CURVE_POINTS = 200
CALIBRATION_BINS = 10


def _scored(material: Material) -> pd.DataFrame:
    """Return the test rows that have a truth and a prediction: `truth` 0 or 1, `prediction` in 0 to 1, `decision`."""
    table = material.predictions
    if table.empty:
        return table
    return table[table["part"] == "test"].dropna(subset=["truth", "prediction"])


def _classes(material: Material) -> tuple[str, str]:
    negative, positive = material.summary.get("classes") or ("no", "yes")
    return str(negative), str(positive)


def ranking(material: Material) -> Section | None:
    """Draw the ROC and the precision-recall curve beside those of the best baseline."""
    rows = _scored(material)
    if rows.empty or rows["truth"].nunique() < 2:
        return None
    truth, probability = rows["truth"].to_numpy(), rows["prediction"].to_numpy("float64")
    fpr, tpr, _ = roc_curve(truth, probability)
    precision, recall, _ = precision_recall_curve(truth, probability)
    curves: dict[str, Any] = material.summary.get("baseline_curves") or {}
    name = next(iter(curves), "")
    baseline = curves.get(name, {})
    _, positive = _classes(material)
    drawn = [
        material.draw(
            "roc",
            "ROC curve",
            "Each point is one threshold. The closer the line comes to the top left corner, the better; "
            "the dotted line is guessing.",
            plots.roc,
            _thin({"fpr": fpr, "tpr": tpr}),
            baseline.get("roc"),
            name,
        ),
        material.draw(
            "precision_recall",
            "Precision and recall",
            f"To find more of “{positive}” (further right) one accepts more false alarms (further down).",
            plots.precision_recall,
            _measured(_thin({"precision": precision, "recall": recall})),
            _measured(baseline.get("pr")),
            name,
            float(np.mean(truth)),
        ),
    ]
    return Section("ranking", "How well it ranks", "ranking", {"plots": drawn, "baseline": name})


def _thin(curve: dict[str, Numbers]) -> Curve:
    points = len(next(iter(curve.values())))
    keep = np.unique(np.linspace(0, points - 1, CURVE_POINTS).round().astype(int))
    return {name: values[keep].tolist() for name, values in curve.items()}


def _measured(curve: Curve | None) -> Curve | None:
    """Return a precision-recall curve without its last point: recall 0 at precision 1 is a convention."""
    return curve and {name: values[:-1] for name, values in curve.items()}


def decisions(material: Material) -> Section | None:
    """Count right and wrong decisions on the test rows, as a table and in words."""
    rows = _scored(material)
    if rows.empty or "decision" not in rows:
        return None
    negative, positive = _classes(material)
    counts = confusion(rows["truth"].to_numpy(), rows["decision"].to_numpy())
    values = {
        "negative": negative,
        "positive": positive,
        "words": confusion_words(counts, negative, positive),
        **counts,
    }
    return Section("decisions", "Right and wrong decisions", "decisions", values)


def confusion(truth: Numbers, decision: Numbers) -> dict[str, int]:
    """Count the four outcomes of truth and decision, (rows,) of 0 or 1 each."""
    positive, alarm = truth.astype(int) == 1, decision.astype(int) == 1
    return {
        "found": int(np.sum(positive & alarm)),
        "missed": int(np.sum(positive & ~alarm)),
        "false_alarms": int(np.sum(~positive & alarm)),
        "left_alone": int(np.sum(~positive & ~alarm)),
    }


def confusion_words(counts: dict[str, int], negative: str, positive: str) -> list[str]:
    """Say the four counts in two plain sentences."""
    positives = counts["found"] + counts["missed"]
    negatives = counts["false_alarms"] + counts["left_alone"]
    return [
        f"Of {positives:,} test rows that were “{positive}”, {counts['found']:,} were found and "
        f"{counts['missed']:,} missed.",
        f"Of {negatives:,} that were “{negative}”, {counts['false_alarms']:,} caused a false alarm, so of "
        f"{counts['found'] + counts['false_alarms']:,} alarms {counts['found']:,} were right.",
    ]


def calibration(material: Material) -> Section | None:
    """Draw whether probabilities come true and how they are spread; say what the imbalance setting did to them."""
    rows = _scored(material)
    if rows.empty:
        return None
    truth, probability = rows["truth"].to_numpy("float64"), rows["prediction"].to_numpy("float64")
    bins = calibration_bins(truth, probability)
    negative, positive = _classes(material)
    threshold = (material.summary.get("threshold") or {}).get("value")
    drawn = [
        material.draw(
            "calibration",
            "Calibration",
            f"On the dotted line, of 100 rows given 0.30 exactly 30 are “{positive}”. Below the line probabilities are "
            "too high, above it too low; the bars are 95 % intervals.",
            plots.calibration,
            *bins,
        ),
        material.draw(
            "probabilities",
            "Predicted probabilities",
            "Two hills far apart would be an easy problem; where they overlap, mistakes cannot be avoided.",
            plots.probabilities,
            {negative: probability[truth == 0], positive: probability[truth == 1]},
            threshold,
        ),
    ]
    values: dict[str, Any] = {"plots": drawn, "imbalance": material.summary.get("imbalance")}
    return Section("calibration", "Do the probabilities come true?", "calibration", values)


def calibration_bins(truth: Numbers, probability: Numbers) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return mean prediction and observed share of each occupied bin, with the share's 95 % interval (Wilson, 1927).

    The same ten equal-width bins as in the calibration error.

    Args:
        truth: (rows,), 0 or 1.
        probability: (rows,), in 0 to 1.
    """
    which = np.minimum((probability * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    rows = np.bincount(which, minlength=CALIBRATION_BINS)
    occupied = rows > 0
    n = rows[occupied].astype("float64")
    predicted = np.bincount(which, probability, CALIBRATION_BINS)[occupied] / n
    hits = np.bincount(which, truth, CALIBRATION_BINS)[occupied].astype("float64")
    return predicted, hits / n, *share_interval(hits, n)


def share_interval(hits: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
    """Return the 95 % interval of the shares `hits` / `rows` (Wilson, 1927)."""
    share, z = hits / rows, 1.96
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return centre - half, centre + half


def threshold(material: Material) -> Section | None:
    """Draw what each threshold would have scored on the validation rows, and mark the chosen one."""
    found = material.summary.get("threshold")
    if not found:
        return None
    curve = found.get("curve") or {}
    drawn = []
    if curve.get("threshold"):
        drawn.append(
            material.draw(
                "threshold",
                "Scores over the threshold",
                "Further right the network raises fewer alarms: precision rises, recall falls. "
                "The upright line is the chosen threshold.",
                plots.threshold_choice,
                curve,
                found["value"],
            )
        )
        cost = next((name for name in curve if name.startswith("cost") and curve[name]), None)
        if cost:
            drawn.append(
                material.draw(
                    "threshold_cost",
                    "Cost over the threshold",
                    "The lowest point is the cheapest mixture of missed cases and needless alarms.",
                    plots.threshold_cost,
                    curve["threshold"],
                    curve[cost],
                    found["value"],
                    cost.replace("_eur", " in EUR").replace("_", " "),
                )
            )
    return Section("threshold", "The decision threshold", "threshold", {"plots": drawn, "threshold": found})

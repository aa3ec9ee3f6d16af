"""The sections about the labels of test messages: what was called what, what was blocked, how sure to be of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import precision_recall_curve

from practicals.common.report import binary, message_plots, plots
from practicals.common.report.drawn import drawn, table, tested
from practicals.common.report.galleries import percent
from practicals.common.report.material import Material, Plot, Section
from practicals.common.report.message_plots import Point
from practicals.common.report.svg import shorten
from practicals.common.report.words import NONE, number

EVEN = 0.5
"""From this probability on a message is called by the name that is looked for."""
CURVE_POINTS = 600
"""Most points of a curve; all of them lie near the corner that is drawn large."""
FEW = 1000
"""Below so many messages of a class, none blocked does not mean that hardly any will be."""


def classes_of(material: Material) -> tuple[str, str]:
    """Return what a message is called that is let through, and what is looked for."""
    good, looked_for = material.summary.get("classes") or ("good", "looked for")
    return str(good), str(looked_for)


def confusion(material: Material) -> Section | None:
    """Count what was called what, at one half, and what would be blocked at the cautious threshold."""
    rows = _scored(material)
    if rows.empty:
        return None
    good, looked_for = classes_of(material)
    truth = rows["truth"].to_numpy()
    ways = [(f"What it is called, at {EVEN}", "called", rows["decision"])]
    if "blocked" in rows:
        value = (material.summary.get("threshold") or {}).get("value")
        at = "the cautious threshold" if value is None else number(value, 3)
        ways.append((f"What is blocked, at {at}", "blocked", rows["blocked"]))
    parts = []
    for title, way, decision in ways:
        counts = binary.confusion(truth, decision.to_numpy())
        columns = (
            (f"called “{shorten(looked_for)}”", f"called “{shorten(good)}”")
            if way == "called"
            else ("blocked", "delivered")
        )
        sentence = _confusion_words(counts, good, looked_for, way)
        parts.append({"title": title, "columns": columns, "counts": counts, "sentence": sentence})
    values = {"good": shorten(good), "looked_for": shorten(looked_for), "parts": parts, "messages": len(rows)}
    return Section("confusion", "Right and wrong labels", "message_confusion", values)


def _confusion_words(counts: Mapping[str, int], good: str, looked_for: str, way: str) -> str:
    found, missed, lost = counts["found"], counts["missed"], counts["false_alarms"]
    spam, ham = found + missed, lost + counts["left_alone"]
    if way == "called":
        return (
            f"Of {spam:,} “{looked_for}” messages {found:,} {_are(found)} called so and {missed:,} {_are(missed)} not; "
            f"of {ham:,} “{good}” messages {lost:,} {_are(lost)} called “{looked_for}” by mistake."
        )
    return (
        f"Of {ham:,} “{good}” messages {lost:,} would not reach the reader; of {spam:,} “{looked_for}” messages "
        f"{found:,} {_are(found)} stopped."
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def blocking(material: Material) -> Section | None:
    """Tabulate how many good messages each model loses and how much it stops, at the threshold chosen for it."""
    rows = (material.summary.get("blocking") or {}).get("rows") or []
    if not rows:
        return None
    good, looked_for = classes_of(material)
    chosen = material.summary.get("threshold") or {}
    lines = [
        [
            str(row.get("name")),
            f"{row['ham_blocked']:,} of {row['ham']:,}",
            _share(row["ham_blocked"], row["ham"], 2),
            _interval(row.get("ham_interval")),
            f"{row['spam_blocked']:,} of {row['spam']:,}",
            _share(row["spam_blocked"], row["spam"], 1),
        ]
        for row in rows
    ]
    network = next((place for place, row in enumerate(rows) if row.get("name") == "network"), None)
    header = [
        "Model",
        f"“{shorten(good)}” blocked",
        "Share",
        "95 % interval",
        f"“{shorten(looked_for)}” blocked",
        "Share",
    ]
    lead = (
        f"A good message that never arrives costs more than a “{looked_for}” that does. So a message is blocked only "
        "from a cautious threshold on, which each model chooses by the same rule on the validation messages; this is "
        "what it does to the test messages."
    )
    section = drawn(
        "blocking",
        "What a filter would block",
        f"{lead} {chosen['sentence']}" if chosen.get("sentence") else lead,
        tables=[table("", header, lines, chosen=network)],
        key=None if network is None else _blocking_key(rows[network], good),
    )
    return section


def _blocking_key(row: Mapping[str, Any], good: str) -> str | None:
    interval, ham = row.get("ham_interval"), row["ham"]
    if not interval or not ham:
        return None
    found = f"The network blocks {row['ham_blocked']:,} of {ham:,} “{good}” test messages"
    bound = f"{100 * interval[1]:.2f} %"
    if row["ham_blocked"] == 0:
        return f"{found}. That is not a promise of none: a true share of up to {bound} would fit this count as well."
    few = " With so few messages nothing finer can be said." if ham < FEW else ""
    return f"{found}. A true share between {100 * interval[0]:.2f} % and {bound} would fit this count.{few}"


def _share(count: int, of: int, digits: int) -> str:
    return f"{100 * count / of:.{digits}f} %" if of else NONE


def _interval(bounds: Sequence[float] | None) -> str:
    if not bounds or len(bounds) != 2:
        return NONE
    return f"{100 * bounds[0]:.2f} to {100 * bounds[1]:.2f} %"


def precision_recall(material: Material) -> Section | None:
    """Draw precision over recall beside the best baseline, the chosen thresholds as points, and its corner enlarged."""
    rows = _scored(material)
    if rows.empty or rows["truth"].nunique() < 2:
        return None
    good, looked_for = classes_of(material)
    truth = rows["truth"].to_numpy()
    curve = _curve(truth, rows["probability"].to_numpy("float64"))
    curves: Mapping[str, Any] = material.summary.get("baseline_curves") or {}
    name = next(iter(curves), "")
    baseline = curves.get(name, {}).get("pr")
    if baseline:
        # The last point, recall 0 at precision 1, is a convention and not measured.
        baseline = {key: list(values)[:-1] for key, values in baseline.items()}
    points = {
        label: point
        for label, column in (("cautious threshold", "blocked"), (f"threshold {EVEN}", "decision"))
        if column in rows and (point := _point(truth, rows[column].to_numpy())) is not None
    }
    theirs = _baseline_point(material, name)
    arguments = curve, baseline, name, points, theirs
    reading = (
        f"Each point of a line is one threshold: further right more of the “{looked_for}” messages are found, further "
        f"up fewer “{good}” messages are among the hits. The circles are the thresholds in use"
    )
    if theirs is not None:
        reading += ", the diamond is the cautious threshold of the best baseline"
    shown: list[Plot] = [
        material.draw(
            "precision_recall",
            "Precision and recall",
            f"{reading}.",
            message_plots.precision_recall,
            *arguments,
            None,
        )
    ]
    corner = _corner([*points.values(), *([theirs] if theirs else [])])
    if corner is not None:
        shown.append(
            material.draw(
                "precision_recall_corner",
                "The upper right corner, enlarged",
                f"The same lines. The axes begin at a recall of {corner[0]:.2f} and a precision of {corner[1]:.2f}, so "
                "small differences look large.",
                message_plots.precision_recall,
                *arguments,
                corner,
            )
        )
    lead = f"How many “{looked_for}” messages can be found, and how pure is what is found? Drawn from the test messages"
    beside = f", beside the best baseline, {name}" if baseline else ""
    guessing = f" Guessing would get a precision of {truth.mean():.2f} at every recall."
    return drawn("precision_recall", "Precision and recall", f"{lead}{beside}.{guessing}", plots=shown)


def _curve(truth: npt.NDArray[Any], probability: npt.NDArray[np.float64]) -> dict[str, list[float]]:
    precision, recall, _ = precision_recall_curve(truth, probability, drop_intermediate=True)
    # The last point, recall 0 at precision 1, is a convention and not measured.
    kept = np.unique(np.linspace(0, len(recall) - 2, CURVE_POINTS).round().astype(int))
    return {"precision": precision[kept].tolist(), "recall": recall[kept].tolist()}


def _point(truth: npt.NDArray[Any], decision: npt.NDArray[Any]) -> Point | None:
    """Return recall and precision of a decision; None where nothing was decided positive."""
    counts = binary.confusion(truth, decision)
    hits = counts["found"] + counts["false_alarms"]
    return (counts["found"] / int(truth.sum()), counts["found"] / hits) if hits else None


def _baseline_point(material: Material, name: str) -> Point | None:
    rows = (material.summary.get("blocking") or {}).get("rows") or []
    row = next((row for row in rows if name and row.get("name") == name), None)
    if row is None or not row["spam"] or not row["spam_blocked"] + row["ham_blocked"]:
        return None
    return row["spam_blocked"] / row["spam"], row["spam_blocked"] / (row["spam_blocked"] + row["ham_blocked"])


def _corner(points: Sequence[Point]) -> Point | None:
    """Return the lowest recall and precision worth drawing large; None where the thresholds lie elsewhere."""
    if not points or min(min(point) for point in points) < 0.5:
        return None
    # The next lower step of 0.05, with some room, and never so near that one message looks like a cliff.
    low = [min(0.9, np.floor((min(point[place] for point in points) - 0.02) * 20) / 20) for place in (0, 1)]
    return float(low[0]), float(low[1])


def calibration(material: Material) -> Section | None:
    """Draw whether probabilities come true and how they are spread over the two classes."""
    rows = _scored(material)
    if rows.empty:
        return None
    truth, probability = rows["truth"].to_numpy("float64"), rows["probability"].to_numpy("float64")
    good, looked_for = classes_of(material)
    shown = [
        material.draw(
            "calibration",
            "Calibration",
            f"On the dotted line, of 100 messages given 0.30 exactly 30 are “{looked_for}”. Below the line "
            "probabilities are too high, above it too low; the bars are 95 % intervals, long where few messages are.",
            plots.calibration,
            *binary.calibration_bins(truth, probability),
        ),
        material.draw(
            "probabilities",
            "Predicted probabilities",
            "Two hills far apart are an easy problem; what lies between them is what the network is unsure of.",
            plots.probabilities,
            {good: probability[truth == 0], looked_for: probability[truth == 1]},
            (material.summary.get("threshold") or {}).get("value"),
        ),
    ]
    sure = np.maximum(probability, 1 - probability) >= 0.95
    right = (probability >= EVEN) == (truth == 1)
    key = None
    if sure.any():
        key = (
            f"The network is at least 95 % sure of {int(sure.sum()):,} of {len(sure):,} test messages; "
            f"{percent(float(right[sure].mean()))} of these labels are right"
        )
        rest = int((~sure).sum())
        key += f", and {percent(float(right[~sure].mean()))} of the other {rest:,}." if rest else "."
    lead = (
        "A probability is useful when it comes true: of all messages given 30 %, about 30 in 100 should be "
        f"“{looked_for}”."
    )
    return drawn("calibration", "Do the probabilities come true?", lead, plots=shown, key=key)


def _scored(material: Material) -> pd.DataFrame:
    """Return the test messages with a known truth and a probability: `truth` and `decision` as 0 or 1."""
    rows = tested(material)
    if rows.empty or not {"truth", "probability"} <= set(rows.columns):
        return pd.DataFrame()
    good, looked_for = classes_of(material)
    positive, negative = _is(rows["truth"], looked_for), _is(rows["truth"], good)
    known = (positive | negative) & np.isfinite(rows["probability"].to_numpy("float64"))
    found = rows.assign(truth=positive.astype("int64"))[known]
    return found.assign(decision=(found["probability"] >= EVEN).astype("int64"))


def _is(names: pd.Series[Any], wanted: str) -> pd.Series[bool]:
    """Return where a name stands. A table gives a class called "01" back as the number 1."""
    same = names.astype(str) == wanted
    try:
        return same | (pd.to_numeric(names, errors="coerce") == float(wanted))
    except ValueError:
        return same

"""The sections that every report has, whatever was predicted. Each returns None where the run has nothing to show."""

from __future__ import annotations

import re
from typing import Any

from practicals.common.report import plots
from practicals.common.report.material import Material, Section
from practicals.common.report.words import METRICS, NONE, Meaning, metric_label, number

PARTS = {"train": "training", "validation": "validation", "calibration": "calibration", "test": "test"}
STEP_KINDS = {
    "naive": "naive baseline",
    "classical": "classical baseline",
    "course": "course network",
    "step": "one step",
    "final": "final network",
}


def ladder(material: Material) -> Section | None:
    """Show every model from the naive baseline to the final network on the same rows."""
    steps = material.summary.get("ladder")
    if not steps:
        return None
    unit = material.summary.get("unit") or ""
    things = (material.summary.get("data") or {}).get("things") or "rows"
    side = "right" if material.metrics["primary"]["direction"] == "max" else "left"
    labels = {"validation": metric_label(material.metrics["primary"]["metric"], unit)}
    if material.summary.get("secondary"):
        labels["secondary"] = metric_label(material.summary["secondary"], unit)
    more_is_better = material.metrics["primary"]["direction"] == "max"
    drawn = [
        material.draw(
            f"ladder{'' if key == 'validation' else '_2'}",
            "From naive baseline to final network",
            f"Each dot is one model's {label} on the validation {things}; further {side} is better. An "
            "arrow marks a dot that lies beyond the edge.",
            plots.ladder,
            [step["name"] for step in steps if isinstance(step.get(key), int | float)],
            [step[key] for step in steps if isinstance(step.get(key), int | float)],
            [str(step.get("kind")) for step in steps if isinstance(step.get(key), int | float)],
            f"{label} on validation {things}",
        )
        for key, label in labels.items()
        if any(isinstance(step.get(key), int | float) for step in steps)
    ]
    return Section(
        "ladder",
        "The ladder",
        "ladder",
        {"steps": steps, "kinds": STEP_KINDS, "labels": labels, "plots": drawn, "more_is_better": more_is_better},
    )


def data(material: Material) -> Section | None:
    """Show what went in: rows, parts, classes, what was missing or left out, and whose data it is."""
    facts = material.summary.get("data")
    if not facts:
        return None
    source = material.environment.get("data") or {}
    counts = facts.get("class_counts") or {}
    classes = material.summary.get("classes") or sorted({name for part in counts.values() for name in part})
    parts = []
    for part, rows in (facts.get("parts") or {}).items():
        shown = [(counts.get(part, {}).get(name, 0), rows) for name in classes] if counts else []
        parts.append({"name": PARTS.get(part, part), "rows": rows, "classes": shown})
    values = {
        "facts": facts,
        "classes": classes if counts else [],
        "parts": parts,
        "source": source,
        "notes": facts.get("notes") or source.get("notes") or [],
    }
    return Section("data", "The data", "data", values)


def architecture(material: Material) -> Section | None:
    """Show the network layer by layer, with the arithmetic of its parameters."""
    layers = material.summary.get("architecture")
    if not layers:
        return None
    total = sum(int(layer.get("parameters") or 0) for layer in layers)
    return Section("architecture", "The network", "architecture", {"layers": layers, "total": total})


def scores(material: Material) -> Section | None:
    """Show all metrics on all parts beside the baselines' on the same test rows."""
    metrics = material.metrics
    names = list(metrics.get("test") or {})
    if not names:
        return None
    baselines = metrics.get("baselines") or {}
    unit = material.summary.get("unit") or ""
    rows = []
    for name in names:
        meaning = METRICS.get(name) or Meaning(metric_label(name), metrics["primary"]["direction"], "")
        tested = [metrics["test"].get(name), *(scores.get(name) for scores in baselines.values())]
        rows.append(
            {
                "meaning": meaning,
                "label": metric_label(name, unit),
                "primary": name == metrics["primary"]["metric"],
                "fit": [(metrics.get(part) or {}).get(name) for part in ("train", "validation")],
                "tested": tested,
                "best": _best(tested, meaning.direction),
            }
        )
    values = {
        "rows": rows,
        "baselines": list(baselines),
        "fit": (material.summary.get("fit") or {}).get("sentence"),
        "scored_before": material.environment.get("test_scored_before"),
    }
    return Section("scores", "The scores", "scores", values)


def _best(values: list[Any], direction: str) -> str | None:
    """Return the best value as it is printed, so that what looks equal is marked alike."""
    known = [value for value in values if number(value) != NONE]
    return number((max if direction == "max" else min)(known)) if known else None


def learning_curves(material: Material) -> Section | None:
    """Draw the loss and one more logged value over the epochs."""
    history = material.history
    if "epoch" not in history or history.empty:
        return None
    fit = material.summary.get("fit") or {}
    monitor = str(fit.get("monitor", "")).removeprefix("val_")
    pairs = [name for name in history.columns if f"val_{name}" in history]
    # The loss, then what early stopping watched, then what people compare by.
    pairs.sort(key=lambda name: (name != "loss", name != monitor, not re.search("auc|rmse", name)))
    # Files count epochs from 0, as Keras does; people from 1, as its progress display does.
    epochs = history["epoch"].to_numpy("float64") + 1
    best = fit["best_epoch"] + 1 if fit.get("best_epoch") is not None else None
    drawn = [
        material.draw(
            f"curve_{place}",
            f"Learning curve: {metric_label(name)}",
            "Two falling lines mean learning; a training line that leaves the validation line behind means overfitting."
            if name == "loss"
            else "A training line far ahead means learning by heart. Taken while dropout is at work, it may also lie "
            "behind.",
            plots.learning_curve,
            epochs,
            history[name].to_numpy("float64"),
            history[f"val_{name}"].to_numpy("float64"),
            best,
            metric_label(name),
        )
        for place, name in enumerate(pairs[:2])
    ]
    if not drawn:
        return None
    return Section("curves", "Learning curves", "learning_curves", {"plots": drawn, "fit": fit, "best": best})


def settings(material: Material) -> Section | None:
    """List every setting with its value and where that came from."""
    listed = material.summary.get("settings")
    return Section("settings", "Settings", "settings", {"settings": listed}) if listed else None


def environment(material: Material) -> Section | None:
    """List versions, machine, seeds and the hash of the data."""
    found = material.environment
    facts = {
        "Device": found.get("device"),
        "Platform": found.get("platform"),
        "Cores": found.get("cores"),
        "Seed": found.get("seed"),
        "Seed of the split": (found.get("split") or {}).get("seed"),
        "Commit": found.get("commit"),
        "Data file": (found.get("data") or {}).get("file"),
        "Data kind": (found.get("data") or {}).get("kind"),
        "Data rows": (found.get("data") or {}).get("rows"),
        "Data sha256": (found.get("data") or {}).get("sha256"),
        "Time to fit": _seconds(material, "fit"),
        "Time in all": _seconds(material, "total"),
    }
    shown = {name: value for name, value in facts.items() if value not in (None, "")}
    return Section(
        "environment", "Where it ran", "environment", {"facts": shown, "versions": found.get("versions") or {}}
    )


def _seconds(material: Material, kind: str) -> str | None:
    seconds = (material.metrics.get("seconds") or {}).get(kind)
    return None if seconds is None else f"{seconds:,.1f} s"


def reproduce(material: Material) -> Section | None:
    """Say how to get the same numbers again."""
    found = material.environment
    practical = material.metrics.get("practical") or found.get("practical")
    values = {"command": found.get("command"), "practical": practical, "seed": found.get("seed")}
    return Section("reproduce", "Run it again", "reproduce", values)

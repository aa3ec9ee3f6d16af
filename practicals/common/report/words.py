"""What the report says about numbers: names and meanings of metrics, and the verdict in one plain sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from practicals.common.progress import duration as whole_seconds

NONE = "\N{EN DASH}"
"""What stands where a number is absent."""
_MINUS = "\N{MINUS SIGN}"


class Meaning(NamedTuple):
    """How a metric is called and what it says."""

    label: str
    direction: str
    """`max` or `min`: what is better."""
    text: str


METRICS = {
    "roc_auc": Meaning(
        "ROC AUC", "max", "chance that a random positive row gets a higher score than a random negative"
    ),
    "pr_auc": Meaning(
        "PR AUC", "max", "precision averaged over all levels of recall; guessing gets the positives' share"
    ),
    "accuracy": Meaning("Accuracy", "max", "share of all decisions that are right"),
    "precision": Meaning("Precision", "max", "share of the alarms that are right"),
    "recall": Meaning("Recall", "max", "share of the positives that are found"),
    "f1": Meaning("F1", "max", "harmonic mean of precision and recall"),
    "brier": Meaning("Brier score", "min", "mean squared distance between probability and what happened"),
    "ece": Meaning("Calibration error", "min", "expected gap between a probability and the share that came true (ECE)"),
}
"""Metric, as it is named in files -> label, direction, one line of meaning."""


def metric_label(name: str) -> str:
    """Return how a metric is called on the page: `val_roc_auc` is "ROC AUC"."""
    plain = name.removeprefix("val_")
    # Keras calls the area under the ROC curve plainly "auc".
    known = METRICS.get({"auc": "roc_auc"}.get(plain, plain))
    return known.label if known else plain.replace("_", " ")


def number(value: Any, digits: int = 4) -> str:
    """Return a score as text; a dash where there is none."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return NONE
    return f"{value:,.{digits}f}".replace("-", _MINUS)


def signed(value: Any, digits: int = 4) -> str:
    """Return a difference as text with its sign; a dash where there is none."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return NONE
    return f"{value:+,.{digits}f}".replace("-", _MINUS)


def with_code(text: Any) -> Markup:
    """Return text as safe HTML in which words between backquotes are set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704, escaped first


def duration(seconds: Any) -> str:
    """Return a time as text, short ones with a decimal: "0.4 s", "12 s", "3 min 05 s"; a dash where there is none."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return NONE
    return f"{seconds:.1f} s" if seconds < 9.95 else whole_seconds(seconds)


def verdict_sentence(metrics: Mapping[str, Any]) -> str:
    """Say in one sentence whether the network beats the best baseline on the test part.

    Args:
        metrics: the content of `metrics.json`: its `verdict` and `primary` are used.
    """
    verdict, primary = metrics["verdict"], metrics["primary"]
    label, against, difference = metric_label(primary["metric"]), verdict["against"], verdict["difference"]
    interval = " to ".join(signed(bound) for bound in verdict["interval_95"])
    if verdict["result"] == "better":
        side = "higher" if difference > 0 else "lower"
        return (
            f"The network is better than {against}: its {label} on the test part is {number(abs(difference))} {side} "
            f"(95 % interval of the difference: {interval})."
        )
    if verdict["result"] == "worse":
        return (
            f"The network is worse: on the test part it loses to {against} by {number(abs(difference))} {label} "
            f"(95 % interval of the difference: {interval})."
        )
    return (
        f"There is no clear difference between the network and {against}: {label} on the test part differs by "
        f"{signed(difference)}, and the 95 % interval of that, {interval}, includes zero."
    )

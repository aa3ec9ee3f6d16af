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
    in_unit: bool = False
    """Whether it is in the unit of what is predicted, such as USD."""


METRICS = {
    "roc_auc": Meaning(
        "ROC AUC",
        "max",
        "chance that a random positive row gets a higher score than a random negative; of several classes, their mean",
    ),
    "pr_auc": Meaning(
        "PR AUC", "max", "precision averaged over all levels of recall; guessing gets the positives' share"
    ),
    "accuracy": Meaning("Accuracy", "max", "share of all decisions that are right"),
    "precision": Meaning("Precision", "max", "share of the alarms that are right"),
    "recall": Meaning("Recall", "max", "share of the positives that are found"),
    "f1": Meaning("F1", "max", "harmonic mean of precision and recall"),
    "brier": Meaning("Brier score", "min", "mean squared distance between probability and what happened"),
    "log_loss": Meaning(
        "Log loss", "min", "mean of \N{MINUS SIGN}log of the true class's probability; an even guess of two gets 0.69"
    ),
    "ece": Meaning(
        "Calibration error", "min", "expected gap between an answer's probability and the share that came true (ECE)"
    ),
    "mcc": Meaning(
        "Matthews correlation", "max", "counts all four cells of right and wrong decisions; 1 is perfect, 0 is guessing"
    ),
    "ham_blocked": Meaning(
        "Ham blocked", "min", "share of the good messages kept from their reader, at the threshold chosen for blocking"
    ),
    "spam_blocked": Meaning("Spam blocked", "max", "share of the spam that is stopped at that threshold"),
    "rmse": Meaning("RMSE", "min", "root of the mean squared error: large errors count more than their size", True),
    "mae": Meaning("MAE", "min", "mean size of an error", True),
    "median_ae": Meaning("Median error", "min", "half of all errors are smaller, half larger", True),
    "r2": Meaning("R²", "max", "share of the spread that is explained; the mean of the training rows gets about 0"),
    "adjusted_r2": Meaning("Adjusted R²", "max", "R², less what as many columns of pure chance would explain"),
    "mape_percent": Meaning(
        "Mean error in percent", "min", "mean size of an error as a percentage of the truth (MAPE)"
    ),
    "mase": Meaning(
        "MASE", "min", "mean error over that of repeating the last season on training data; below 1 beats repeating it"
    ),
    "smape_percent": Meaning(
        "sMAPE in percent", "min", "mean error as a percentage of the middle between truth and forecast, 0 to 200"
    ),
    "precision_at_10": Meaning("Precision at 10", "max", "share of a list that the user rated highly in the test part"),
    "recall_at_10": Meaning("Recall at 10", "max", "share of what the user rated highly there that is on the list"),
    "ndcg_at_10": Meaning(
        "NDCG at 10", "max", "hits, each worth more the higher it stands on the list; 1 is the best order there can be"
    ),
    "hit_rate_at_10": Meaning("Hit rate at 10", "max", "share of the users with at least one hit on their list"),
    "coverage": Meaning("Coverage", "max", "share of all that could be recommended that is on at least one list"),
    "popularity": Meaning(
        "Popularity", "min", "how often what is on the lists was rated in training, on average; high means well-known"
    ),
    "standardised_mse": Meaning(
        "Standardised MSE", "min", "mean squared error over the variance of the training data; their mean gets about 1"
    ),
}
"""Metric, as it is named in files -> label, direction, one line of meaning."""


def metric_label(name: str, unit: str = "") -> str:
    """Return how a metric is called on the page: `val_roc_auc` is "ROC AUC", `rmse` in USD is "RMSE, USD"."""
    plain = name.removeprefix("val_")
    # Keras calls the area under the ROC curve plainly "auc", and puts the name of the output before a metric's.
    known = METRICS.get({"auc": "roc_auc", "rating_rmse": "rmse"}.get(plain, plain))
    label = known.label if known else plain.replace("_", " ")
    return f"{label}, {unit}" if unit_of(plain, unit) else label


def unit_of(name: str, unit: str) -> str:
    """Return the unit of a metric where the prediction is in `unit`; "" where the metric has none."""
    return unit if name in METRICS and METRICS[name].in_unit else ""


def digits_of(value: float) -> int:
    """Return how many decimals a number of this size is worth: none from 1,000 on, four below 10."""
    return next((digits for least, digits in ((1000, 0), (100, 1), (10, 2)) if abs(value) >= least), 4)


def number(value: Any, digits: int | None = None) -> str:
    """Return a score as text, with as many decimals as its size is worth; a dash where there is none."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return NONE
    digits = digits_of(value) if digits is None else digits
    # What rounds to nothing has no sign.
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", _MINUS)


def signed(value: Any, digits: int | None = None) -> str:
    """Return a difference as text with its sign; a dash where there is none."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return NONE
    digits = digits_of(value) if digits is None else digits
    return f"{round(value, digits) + 0.0:+,.{digits}f}".replace("-", _MINUS)


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
    unit = f" {primary['unit']}" if primary.get("unit") else ""
    digits = digits_of(max(abs(bound) for bound in (difference, *verdict["interval_95"])))
    interval = " to ".join(signed(bound, digits) for bound in verdict["interval_95"]) + unit
    if verdict["result"] == "better":
        side = "higher" if difference > 0 else "lower"
        return (
            f"The network is better than {against}: its {label} on the test part is "
            f"{number(abs(difference), digits)}{unit} {side} (95 % interval of the difference: {interval})."
        )
    if verdict["result"] == "worse":
        return (
            f"The network is worse: on the test part it loses to {against} by "
            f"{number(abs(difference), digits)}{unit} {label} (95 % interval of the difference: {interval})."
        )
    return (
        f"There is no clear difference between the network and {against}: {label} on the test part differs by "
        f"{signed(difference, digits)}{unit}, and the 95 % interval of that, {interval}, includes zero."
    )

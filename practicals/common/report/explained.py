"""The section about explanations: what moved the predictions, over many rows and for one, and whether to believe it."""

from __future__ import annotations

from typing import Any

import numpy as np

from practicals.common.explain import Explanation
from practicals.common.report import explanation_plots as plots
from practicals.common.report.material import Material, Plot, Section
from practicals.common.report.words import number

METHODS = {"shap": "SHAP", "lime": "LIME"}
SHOWN = 12
"""Features in a plot; the table holds all."""


def explanations(material: Material) -> Section | None:
    """Show what the network looks at, over many rows and for one row, and the checks of each explanation."""
    found = sorted(
        material.explanations.items(), key=lambda item: (item[1].scope != "global", item[1].method != "shap")
    )
    if not found:
        return None
    parts = [_part(material, name, explanation) for name, explanation in found]
    return Section("explanations", "What the network looks at", "explanations", {"parts": parts})


def _part(material: Material, name: str, explanation: Explanation) -> dict[str, Any]:
    method = METHODS.get(explanation.method, explanation.method)
    everywhere = explanation.scope == "global"
    return {
        "title": f"{method}: all rows together" if everywhere else f"{method}: row {explanation.subject}",
        "lead": _lead(explanation, method),
        "explanation": explanation,
        "everywhere": everywhere,
        "plots": _global_plots(material, name, explanation) if everywhere else [_row_plot(material, name, explanation)],
    }


def _lead(explanation: Explanation, method: str) -> str:
    unit = explanation.unit
    if explanation.scope == "global":
        return (
            f"How far each column moves the predicted {unit}, on average over the explained rows. "
            "It says what the network uses, not what causes the outcome."
        )
    predicted = f"The network predicts a {unit} of {number(explanation.prediction, 3)} for this row."
    if explanation.method == "lime":
        return (
            f"{predicted} {method} fits a straight-line model to small changes around the row; "
            "each statement says how much it adds there."
        )
    return f"{predicted} Starting from the average, each column adds its part until the prediction is reached."


def _global_plots(material: Material, name: str, explanation: Explanation) -> list[Plot]:
    shown = explanation.attributions[:SHOWN]
    features = [attribution.feature for attribution in shown]
    drawn = [
        material.draw(
            f"{name}_importance",
            "Which columns matter",
            "The longer the bar, the more this column moves a typical prediction, up or down.",
            plots.importance,
            features,
            [attribution.contribution for attribution in shown],
            explanation.unit,
        )
    ]
    if explanation.swarm is not None:
        drawn.append(
            material.draw(
                f"{name}_beeswarm",
                "In which direction",
                "One dot per row: right of the line it raised the prediction. "
                "The colour is the row's own value in that column.",
                plots.beeswarm,
                features,
                np.asarray(explanation.swarm.contributions, "float64")[:, :SHOWN],
                # None, for a category, becomes NaN.
                np.asarray(explanation.swarm.shades, "float64")[:, :SHOWN],
                explanation.unit,
            )
        )
    return drawn


def _row_plot(material: Material, name: str, explanation: Explanation) -> Plot:
    shown, rest = explanation.attributions[:SHOWN], explanation.attributions[SHOWN:]
    features = [attribution.feature for attribution in shown]
    values = [attribution.value_text for attribution in shown]
    contributions = [attribution.contribution for attribution in shown]
    if explanation.method == "lime":
        return material.draw(
            name,
            "What counts near this row",
            "Bars to the right raise the prediction, bars to the left lower it.",
            plots.signed_bars,
            features,
            values,
            contributions,
            explanation.unit,
        )
    if rest:
        features.append(f"{len(rest)} others")
        values.append("")
        contributions.append(sum(attribution.contribution for attribution in rest))
    return material.draw(
        name,
        "From the average to this prediction",
        "Read from the bottom up: each bar starts where the one below ended, and the top one ends at the prediction.",
        plots.waterfall,
        features,
        values,
        contributions,
        explanation.base_value,
        explanation.unit,
    )

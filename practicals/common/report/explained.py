"""The section about explanations: what moved the predictions, over many rows and for one, and whether to believe it."""

from __future__ import annotations

from typing import Any

import numpy as np

from practicals.common.explain import Explanation
from practicals.common.report import explanation_plots as plots
from practicals.common.report.drawn import method_name
from practicals.common.report.explained_messages import message_part
from practicals.common.report.explained_pictures import picture_order, picture_part
from practicals.common.report.explained_ratings import rating_part
from practicals.common.report.material import Material, Plot, Section
from practicals.common.report.readable import human
from practicals.common.report.words import number

SHOWN = 12
"""Features in a plot; the table holds all."""


def explanations(material: Material) -> Section | None:
    """Show what the network looks at, over many rows and for one row, and the checks of each explanation."""
    found = sorted(material.explanations.items(), key=lambda item: _order(item[1]))
    if not found:
        return None
    parts = [_part(material, name, explanation) for name, explanation in found]
    return Section("explanations", "What the network looks at", "explanations", {"parts": parts})


def _order(explanation: Explanation) -> tuple[Any, ...]:
    if explanation.picture is not None:
        # All methods on one picture stand together.
        return True, False, explanation.subject, picture_order(explanation)
    if explanation.rating is not None:
        # So do both methods on one prediction.
        return True, False, explanation.rating.user, explanation.rating.item, explanation.method != "shap"
    return explanation.scope != "global", explanation.method != "shap"


def _part(material: Material, name: str, explanation: Explanation) -> dict[str, Any]:
    if explanation.picture is not None:
        return picture_part(material, name, explanation, explanation.picture)
    if explanation.message is not None:
        return message_part(explanation, explanation.message)
    if explanation.rating is not None:
        return rating_part(material, explanation, explanation.rating)
    method = method_name(explanation)
    everywhere = explanation.scope == "global"
    return {
        "title": _title(explanation, method),
        "lead": _lead(explanation, method),
        "explanation": explanation,
        "everywhere": everywhere,
        "has_values": not everywhere,
        "signed": not everywhere,
        "column": "Contribution",
        "warning": None,
        "pictures": None,
        "feature": explanation.words.feature[:1].upper() + explanation.words.feature[1:],
        "digits": explanation.digits,
        "plots": _global_plots(material, name, explanation) if everywhere else _row_plots(material, name, explanation),
    }


def _title(explanation: Explanation, method: str) -> str:
    words = explanation.words
    if explanation.scope != "global":
        return f"{method}: {words.subject} {explanation.subject}"
    # The parts of a window are said: by hour, by day.
    by = f" {explanation.settings['parts']}" if "parts" in explanation.settings else ""
    count = explanation.settings.get("windows", explanation.settings.get("rows"))
    count = f"{count:,}" if isinstance(count, int) else "all"
    return f"{method}{by}: {count} {words.subjects} together"


def _lead(explanation: Explanation, method: str) -> str:
    if explanation.window is not None:
        return _forecast_lead(explanation, method)
    unit = explanation.unit
    if explanation.scope == "global":
        return (
            f"How far each column moves the predict{f'ed {unit}' if unit == 'probability' else f'ion, in {unit}'}, "
            "on average over the explained rows. "
            "It says what the network uses, not what causes the outcome."
        )
    if unit == "probability":
        predicted = f"The network predicts a {unit} of {number(explanation.prediction, 3)} for this row."
    else:
        amount = _amount(explanation)
        predicted = f"The network predicts {amount} {unit} for this row."
    if explanation.method == "lime":
        return (
            f"{predicted} {method} fits a straight-line model to small changes around the row; "
            "each statement says how much it adds there."
        )
    return f"{predicted} Starting from the average, each column adds its part until the prediction is reached."


def _amount(explanation: Explanation) -> str:
    """The prediction as text: 447,559 and 1.32 billion, but not 1,316,377,411."""
    short = abs(explanation.prediction) >= 1e7
    return human(explanation.prediction) if short else number(explanation.prediction, explanation.digits)


def _forecast_lead(explanation: Explanation, method: str) -> str:
    unit, settings = explanation.unit, explanation.settings
    if explanation.scope == "global":
        return (
            f"How far each part of the window moves the mean of the forecast, in {unit}, over {settings['windows']} "
            "forecasts. A part counts by how it departed from its usual course: from windows of the training part that "
            "end at the same place in the cycle, brought to the same level. So it says which steps carry news, not how "
            "large the daily wave is."
        )
    amount = _amount(explanation)
    predicted = f"The network forecasts {amount} {unit} on average over the horizon."
    if explanation.method == "lime":
        return (
            f"{predicted} {method} makes {settings['samples']} variants of the window in which each part is either as "
            "it was or as usual, and fits a straight-line model to their forecasts: so much does each part add by "
            "being as it was."
        )
    return (
        f"{predicted} Starting from what it forecasts for the usual course at this level, each part of the window adds "
        "what its departure from the usual changes, until the forecast is reached."
    )


def _global_plots(material: Material, name: str, explanation: Explanation) -> list[Plot]:
    words, window = explanation.words, explanation.window
    shown = explanation.attributions[:SHOWN]
    features = [attribution.feature for attribution in shown]
    drawn = [
        material.draw(
            f"{name}_importance",
            f"Which {words.features} matter",
            f"The longer the bar, the more this {words.feature} moves a typical prediction, up or down.",
            plots.importance,
            features,
            [attribution.contribution for attribution in shown],
            explanation.unit,
        )
    ]
    if window is not None:
        drawn.append(
            material.draw(
                f"{name}_window",
                "How much one step counts",
                "Left is long ago, right is next to the forecast. A part's contribution is shared evenly among its "
                "steps, so it is the area of a bar that counts.",
                plots.weight_by_distance,
                window.places,
                [attribution.contribution for attribution in explanation.attributions],
                window.steps,
                explanation.unit,
            )
        )
    if explanation.swarm is not None:
        drawn.append(
            material.draw(
                f"{name}_beeswarm",
                "In which direction",
                f"One dot per {words.subject}: right of the line it raised the prediction. "
                + (
                    "The colour is the row's own value in that column."
                    if window is None
                    else "The colour says whether that part was lower or higher than usual."
                ),
                plots.beeswarm,
                features,
                np.asarray(explanation.swarm.contributions, "float64")[:, :SHOWN],
                # None, for a category, becomes NaN.
                np.asarray(explanation.swarm.shades, "float64")[:, :SHOWN],
                explanation.unit,
                *([] if window is None else [("lower", "higher")]),
            )
        )
    return drawn


def _row_plots(material: Material, name: str, explanation: Explanation) -> list[Plot]:
    window = explanation.window
    drawn = [_row_plot(material, name, explanation)]
    if window is not None:
        drawn.append(
            material.draw(
                f"{name}_window",
                "Over the window",
                "The darker a part is shaded, the more it moved the forecast: orange raised it, blue lowered it. The "
                f"lower drawing shows the last {window.steps} again.",
                plots.over_window,
                window.values,
                window.usual,
                window.forecast,
                window.places,
                [attribution.contribution for attribution in explanation.attributions],
                window.steps,
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
            f"What counts near this {explanation.words.subject}",
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
        "From the average to this prediction" if explanation.window is None else "From the usual to this forecast",
        "Read from the bottom up: each bar starts where the one below ended, and the top one ends at the prediction.",
        plots.waterfall,
        features,
        values,
        contributions,
        explanation.base_value,
        explanation.unit,
        *([] if explanation.window is None else ["usual"]),
    )

"""Explanations of a predicted rating: which of the user's own ratings raise it, and which lower it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from practicals.common.explain import Explanation
from practicals.common.explain.explanation import RatingTrace
from practicals.common.report.bar_lists import bar_digits, bar_list
from practicals.common.report.drawn import method_name, warning_of
from practicals.common.report.material import Material
from practicals.common.report.rating_words import noun_of, rating_text, title_of
from practicals.common.report.words import number

SHOWN = 10
"""Ratings in each direction; the table holds all."""


def rating_part(material: Material, explanation: Explanation, trace: RatingTrace) -> dict[str, Any]:
    """Return what the template shows of one explanation of a predicted rating.

    Args:
        material: of the report.
        explanation: the explanation.
        trace: its user and item.
    """
    method = method_name(explanation)
    seen = tuple(replace(item, feature=title_of(item.feature)) for item in explanation.attributions)
    explanation = replace(explanation, attributions=seen)
    return {
        # The two marks keep a title of another direction from turning around what stands beside it.
        "title": f"{method}: “\u2068{title_of(trace.item)}\u2069” for {_whom(trace)}",
        "lead": _lead(explanation, trace, method),
        "explanation": explanation,
        "everywhere": False,
        "has_values": True,
        "signed": True,
        "column": "Contribution",
        "warning": warning_of(explanation),
        "pictures": None,
        "feature": noun_of(material).one.capitalize(),
        "value": "Given",
        "digits": explanation.digits,
        "plots": [],
        "words": None,
        "lists": _lists(explanation, trace),
    }


def _whom(trace: RatingTrace) -> str:
    return "you" if trace.user == "you" else f"user {title_of(trace.user)}"


def _lead(explanation: Explanation, trace: RatingTrace, method: str) -> str:
    unit = f" {explanation.unit}" if explanation.unit else ""
    said = f"The network predicts {number(explanation.prediction, 2)}{unit}"
    if trace.end is not None:
        said = (
            f"The network predicts {rating_text(trace.end)}{unit}, which is {number(explanation.prediction, 2)} cut off"
        )
    if trace.truth is not None:
        said += f"; in truth it was rated {rating_text(trace.truth)}"
    whose = "your" if trace.user == "you" else "the user's"
    if not explanation.attributions:
        return f"{said}. There is no other rating that could explain it, so this is what it predicts for anyone new."
    if together := explanation.settings.get("ratings_together"):
        said += f". Ratings of little effect are explained together: {together}"
    if explanation.method == "lime":
        return (
            f"{said}. {method} hides {whose} ratings at random, many times, and fits one weight per rating to what the "
            "network then predicts."
        )
    return (
        f"{said}. Without any of {whose} ratings it would predict {number(explanation.base_value, 2)}; {method} "
        "divides the difference fairly among the ratings, so that together they make up all of it."
    )


def _lists(explanation: Explanation, trace: RatingTrace) -> list[dict[str, Any]]:
    """Return the ratings that raise and those that lower the prediction, in two lists on one scale."""
    largest = max((abs(item.contribution) for item in explanation.attributions), default=0.0)
    owner = "Your" if trace.user == "you" else "The user's"
    least = 0.5 * 10.0 ** -bar_digits(largest)  # a smaller one would read +0.00
    lists = []
    for side, sign in (("raise", 1), ("lower", -1)):
        items = [item for item in explanation.attributions if sign * item.contribution > 0]
        shown = [item for item in items[:SHOWN] if abs(item.contribution) >= least]
        rows = [(item.feature, item.value_text, item.contribution) for item in shown]
        if rest := items[len(shown) :]:
            others = f"{len(rest)} others" if len(rest) > 1 else "1 other"
            rows.append((others, "together", sum(item.contribution for item in rest)))
            largest = max(largest, abs(rows[-1][2]))
        if rows:
            reading = "The longer the bar, the more the rating adds. "
            if sign < 0:
                reading = "The longer the bar, the more the rating takes away. "
            reading += "High or low does not decide it: either says something about a taste."
            lists.append((f"{owner} ratings that {side} it", rows, reading))
    return [
        bar_list(title, rows, reading, ends=(0.0, largest) if rows[0][2] > 0 else (-largest, 0.0))
        for title, rows, reading in lists
    ]

"""Explanations of what a network says of a message: each word coloured by what it adds, and the words of many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from practicals.common.explain import Attribution, Explanation
from practicals.common.explain.explanation import MessageTrace
from practicals.common.report.bar_lists import bar_digits, bar_list
from practicals.common.report.drawn import method_name, warning_of
from practicals.common.report.message_text import printable, visible
from practicals.common.report.words import number, signed

SHOWN = 12
"""Words beside the message; its colours and the table hold all."""
SHOWN_EVERYWHERE = 15
"""Words of many messages, in each direction."""
FULL_COLOUR = 0.1
"""Least contribution that is drawn in the full colour: a message in which no word counts must look like one."""
LONG_PIECE = 24
"""Characters from which a piece is a phrase that may run over several lines."""


def message_part(explanation: Explanation, trace: MessageTrace) -> dict[str, Any]:
    """Return what the template shows of one explanation of a message, or of the words of many messages.

    Args:
        explanation: the explanation.
        trace: its message.
    """
    method = method_name(explanation)
    everywhere = explanation.scope == "global"
    seen = tuple(replace(item, feature=visible(item.feature)) for item in explanation.attributions)
    explanation = replace(explanation, attributions=seen)
    return {
        "title": f"{method}: the words of {_how_many(explanation)}" if everywhere else _title(explanation, method),
        "lead": _lead_everywhere(explanation, trace) if everywhere else _lead(explanation, trace, method),
        "explanation": explanation,
        "everywhere": False,
        "has_values": any(item.value_text for item in seen),
        "signed": True,
        "column": "Mean contribution" if everywhere else "Contribution",
        "counts": trace.counts if len(trace.counts) == len(seen) else (),
        "warning": warning_of(explanation),
        "pictures": None,
        "feature": "Word",
        "value": "Where",
        "digits": explanation.digits,
        "plots": [],
        "words": None if everywhere else _coloured(explanation, trace),
        "lists": _both_lists(explanation, trace) if everywhere else _one_list(explanation, trace),
    }


def _title(explanation: Explanation, method: str) -> str:
    return f"{method}: message {visible(explanation.subject)}" if explanation.subject else f"{method}: the message"


def _how_many(explanation: Explanation) -> str:
    count = explanation.settings.get("messages")
    return f"{count:,} messages" if isinstance(count, int) else "many messages"


def _lead(explanation: Explanation, trace: MessageTrace, method: str) -> str:
    said = f"The network says “{trace.label}” with a probability of {number(explanation.prediction, 3)}"
    if trace.truth:
        said += f"; in truth the message is “{trace.truth}”"
    if not explanation.attributions:
        return f"{said}. There is no word in it that could be explained."
    if together := explanation.settings.get("words_together"):
        said += f". It is long, so neighbouring words are explained together: {together}"
    if explanation.method == "lime":
        return (
            f"{said}. {method} takes words out at random, many times, and fits one weight per word to what the "
            "network then says."
        )
    return (
        f"{said}. Without its words it would say {number(explanation.base_value, 3)}; {method} divides the difference "
        "fairly among the words, so that together they make up all of it."
    )


def _lead_everywhere(explanation: Explanation, trace: MessageTrace) -> str:
    least = explanation.settings.get("least_messages")
    rare = f"; words in fewer than {least} messages are left out" if least else ""
    return (
        f"What a word adds to the probability of “{trace.label}” where it stands, on average over the explained "
        f"messages that hold it{rare}. Capital letters count as small ones, and # stands for any digit. It says what "
        "the network uses, not what makes a message one or the other."
    )


def _coloured(explanation: Explanation, trace: MessageTrace) -> dict[str, Any]:
    """Return the message in pieces, each with its colour and number, and what the colours mean."""
    text = printable(trace.text)
    items = list(zip(trace.spans, explanation.attributions, strict=False))
    largest = max((abs(item.contribution) for _, item in items), default=0.0)
    scale, digits = max(largest, FULL_COLOUR), bar_digits(largest)
    pieces: list[dict[str, Any]] = []
    end = 0
    for (start, stop), item in sorted(items, key=lambda one: one[0]):
        if start < end or stop <= start or start >= len(text):
            continue
        # Blanks around a word are not coloured, so that lines can break there.
        word = text[start:stop]
        bare = word.strip()
        if not bare:
            continue
        start += word.index(bare)
        pieces.append({"text": text[end:start]})
        end = start + len(bare)
        worth = signed(item.contribution, digits)
        pieces.append(
            {
                "text": bare,
                "side": "raises" if item.contribution > 0 else "lowers" if item.contribution < 0 else "",
                "mix": round(100 * abs(item.contribution) / scale),
                "worth": worth if round(abs(item.contribution), digits) else "",
                "title": f"{visible(bare) if len(bare) <= LONG_PIECE else 'these words'}: {worth}",
                "long": len(bare) > LONG_PIECE,
            }
        )
    pieces.append({"text": text[end:]})
    return {"pieces": [piece for piece in pieces if piece["text"]], "label": trace.label, "full": number(scale, digits)}


def _one_list(explanation: Explanation, trace: MessageTrace) -> list[dict[str, Any]]:
    shown, rest = explanation.attributions[:SHOWN], explanation.attributions[SHOWN:]
    if not shown:
        return []
    rows = [(item.feature, item.value_text, item.contribution) for item in shown]
    if rest:
        rows.append((f"{len(rest)} others", "together", sum(item.contribution for item in rest)))
    reading = f"Bars to the right raise the probability of “{trace.label}”, bars to the left lower it."
    return [bar_list("The words that count most", rows, reading)]


def _both_lists(explanation: Explanation, trace: MessageTrace) -> list[dict[str, Any]]:
    counts = trace.counts if len(trace.counts) == len(explanation.attributions) else [0] * len(explanation.attributions)
    sides: dict[str, list[tuple[Attribution, int]]] = {"raise": [], "lower": []}
    for item, count in zip(explanation.attributions, counts, strict=True):
        if item.contribution:
            sides["raise" if item.contribution > 0 else "lower"].append((item, count))
    largest = max((abs(item.contribution) for item in explanation.attributions), default=0.0)
    lists = []
    for side, items in sides.items():
        ordered = sorted(items, key=lambda one: -abs(one[0].contribution))[:SHOWN_EVERYWHERE]
        # Both lists have the same scale, so that their bars can be compared.
        ends = (0.0, largest) if side == "raise" else (-largest, 0.0)
        rows = [
            (item.feature, f"in {count:,} message{'s' if count != 1 else ''}" if count else "", item.contribution)
            for item, count in ordered
        ]
        if rows:
            title = f"Words that {side} the probability of “{trace.label}” most"
            adds = "adds" if side == "raise" else "takes away"
            reading = f"The longer the bar, the more the word {adds} where it stands."
            lists.append(bar_list(title, rows, reading, ends=ends))
    return lists

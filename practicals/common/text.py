"""Results as text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from practicals.common.explain.explanation import PICTURE_METHODS, Explanation, MessageTrace, PictureTrace, RatingTrace
from practicals.common.report.words import NONE, digits_of, metric_label, number, signed
from practicals.common.run import Scores

SHOWN_PARTS = 6
"""Of a picture: where they lie is better seen in the report."""
SHOWN_WORDS = 12
SHOWN_RATINGS = 14
SHOWN_CHARACTERS = 300


def scores_table(scores: Scores) -> str:
    """Return the network's test scores below those of the baselines on the same rows."""
    rows = [["test scores", *(metric_label(metric, scores.unit) for metric in scores.test)]]
    for name, values in [*scores.baselines.items(), ("network", scores.test)]:
        rows.append([name, *(number(values.get(metric)) for metric in scores.test)])
    return _columns(rows)


def seeds_table(summary: Mapping[str, Any]) -> str:
    """Return the summary over seeds as text: mean ± standard deviation, paired differences ± standard error."""
    metrics = list(summary["network"])
    unit = summary["primary"].get("unit", "")
    rows = [["test scores", *(metric_label(metric, unit) for metric in metrics)]]
    for name, scores in [*summary["baselines"].items(), ("network", summary["network"])]:
        cells = (
            f"{number(scores[m]['mean'])} ± {number(scores[m]['standard_deviation'], digits_of(scores[m]['mean']))}"
            if m in scores
            else NONE
            for m in metrics
        )
        rows.append([name, *cells])
    for name, scores in summary["network_minus_baseline"].items():
        # As many decimals as the score itself has, so that the two can be read together.
        digits = {m: digits_of(summary["network"][m]["mean"]) for m in metrics}
        cells = (
            f"{signed(scores[m]['mean'], digits[m])} ± {number(scores[m]['standard_error'], digits[m])}"
            if m in scores
            else NONE
            for m in metrics
        )
        rows.append([f"network - {name}", *cells])
    note = f"{summary['seeds']} seeds; scores ± standard deviation, paired differences ± standard error"
    return f"{_columns(rows)}\n{note}"


def leaderboard_text(result: Mapping[str, Any]) -> str:
    """Return the ten best trials, the comparison with the default settings, and where the results are."""
    rows = [["rank", "trial", result["objective"]["name"], "epochs", "seconds", "settings"]]
    for one in result["leaderboard"][:10]:
        score = "failed" if one["score"] is None else number(one["score"])
        rank, seconds = str(one["rank"] or "-"), f"{one['seconds']:.1f}"
        rows.append([rank, str(one["trial"]), score, str(one["epochs"]), seconds, _settings(one["settings"])])
    metric = result["validation"]["metric"]
    return "\n".join(
        [
            _columns(rows),
            "",
            result["validation"]["sentence"],
            f"test {metric_label(metric)}: {number(result['test'][metric])}",
            f"settings: {result['config']}",
            f"run: {result['run']}",
        ]
    )


def explanation_text(explanation: Explanation) -> str:
    """Return an explanation as text: what moved the prediction, largest first, and how far to trust it."""
    if explanation.picture is not None:
        return _picture_text(explanation, explanation.picture)
    if explanation.message is not None:
        return _message_text(explanation, explanation.message)
    if explanation.rating is not None:
        return _rating_text(explanation, explanation.rating)
    words, digits = explanation.words, explanation.digits
    parts = f" {explanation.settings['parts']}" if explanation.settings.get("parts") else ""
    of = f"{words.subject} {explanation.subject}"
    if explanation.scope == "global":
        counted = explanation.settings.get("rows")
        of = f"{counted or 'all'} {words.subjects} on average{parts}"
    rows = [[words.feature, "value", "contribution"]]
    for one in explanation.attributions:
        text = signed if explanation.scope == "row" else number
        rows.append([one.feature, one.value_text, text(one.contribution, digits)])
    head = (
        f"{explanation.method.upper()}, {of}: prediction {number(explanation.prediction, digits)}, "
        f"base value {number(explanation.base_value, digits)} ({explanation.unit})"
    )
    return "\n".join([_plain(head), _columns(rows), *_checks(explanation)])


def _picture_text(explanation: Explanation, picture: PictureTrace) -> str:
    digits = explanation.digits
    truth = f" (truth: {picture.truth})" if picture.truth else ""
    base = f", base value {number(explanation.base_value, digits)}" if explanation.additive else ""
    head = (
        f"{PICTURE_METHODS[explanation.method]}, picture {explanation.subject}{truth}: {explanation.unit} of "
        f"{picture.label} {number(explanation.prediction, digits)}{base}"
    )
    worth = "contribution" if explanation.additive else "probability lost"
    rows = [["part of the picture", "size", worth if picture.signed else "relative strength"]]
    for one in explanation.attributions[:SHOWN_PARTS]:
        text = signed if picture.signed else number
        rows.append([one.feature, one.value_text, text(one.contribution, digits)])
    rest = len(explanation.attributions) - SHOWN_PARTS
    more = [f"and {rest} weaker parts; `--json` lists them"] if rest > 0 else []
    return "\n".join([_plain(head), _columns(rows), *more, *_checks(explanation)])


def _message_text(explanation: Explanation, message: MessageTrace) -> str:
    digits, everywhere = explanation.digits, explanation.scope == "global"
    truth = f" (truth: {message.truth})" if message.truth else ""
    of = "the words of all explained messages" if everywhere else f"message {explanation.subject}".rstrip()
    head = (
        f"{explanation.method.upper()}, {of}{truth}: {explanation.unit} of {message.label} "
        f"{number(explanation.prediction, digits)}, base value {number(explanation.base_value, digits)}"
    )
    text = _plain(message.text)
    cut = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
    notes = [f"in {count}" for count in message.counts] or [one.value_text for one in explanation.attributions]
    rows = [["word", "messages" if everywhere else "where", "contribution"]]
    for one, note in list(zip(explanation.attributions, notes, strict=True))[:SHOWN_WORDS]:
        rows.append([one.feature, note, signed(one.contribution, digits)])
    rest = len(explanation.attributions) - SHOWN_WORDS
    more = [f"and {rest} words that count less; `--json` lists them"] if rest > 0 else []
    return "\n".join([_plain(head), *([cut] if cut else []), _columns(rows), *more, *_checks(explanation)])


def _rating_text(explanation: Explanation, rating: RatingTrace) -> str:
    truth = "" if rating.truth is None else f" (truth: {rating.truth:g})"
    whom = "you" if rating.user == "you" else f"user {rating.user}"
    head = (
        f"{explanation.method.upper()}, {rating.item} for {whom}{truth}: predicted "
        f"{number(explanation.prediction, 2)}{f' {explanation.unit}' if explanation.unit else ''}, base value "
        f"{number(explanation.base_value, 2)}"
    )
    rows = [["rated", "given", "contribution"]]
    for one in explanation.attributions[:SHOWN_RATINGS]:
        rows.append([one.feature, one.value_text, signed(one.contribution, 3)])
    rest = len(explanation.attributions) - SHOWN_RATINGS
    more = [f"and {rest} ratings that count less; `--json` lists them"] if rest > 0 else []
    return "\n".join([_plain(head), _columns(rows), *more, *_checks(explanation)])


def _plain(text: str) -> str:
    """Return text in which nothing can move the cursor, colour the terminal or turn its lines around."""
    return "".join(one if one.isprintable() else " " if one.isspace() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _checks(explanation: Explanation) -> list[str]:
    return [_plain(f"{'passed' if check.passed else 'FAILED'}: {check.sentence}") for check in explanation.checks]


def _settings(settings: Mapping[str, Any]) -> str:
    shown = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in settings.values())
    return ", ".join(f"{name} {value}" for name, value in zip(settings, shown, strict=True))


def _columns(rows: list[list[str]]) -> str:
    rows = [[_plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *rest = row
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)

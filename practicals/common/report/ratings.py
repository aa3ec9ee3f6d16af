"""The sections of a lesson that predicts ratings and recommends, in the order of its page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from practicals.common.report import rating_plots, sections
from practicals.common.report.bar_lists import bar_list
from practicals.common.report.drawn import Table, drawn, in_unit, table, unit_of
from practicals.common.report.galleries import percent
from practicals.common.report.material import Material, Plot, Section
from practicals.common.report.rating_map import map_drawing
from practicals.common.report.rating_words import Noun, noun_of, rating_text, title_of
from practicals.common.report.words import METRICS, NONE, Meaning, duration, metric_label, number, signed

COLUMNS = ("precision", "recall", "ndcg", "hit_rate", "coverage", "popularity")
"""Of a ranking, as they stand in the summary."""
MOST_RATED, MOST_LISTED, MOST_REASONS = 8, 10, 4
"""Of a user's list: own ratings, recommendations, and reasons of each."""
MOST_NEAR = 8


def data(material: Material) -> Section | None:
    """Show what went in, and how much of the table of users and items is known."""
    section = sections.data(material)
    if section is None:
        return None
    facts, noun = material.summary["data"], noun_of(material)
    extra = [
        (name.capitalize(), f"{facts[key]:,}")
        for name, key in (("users", "users"), (noun.many, "items"))
        if isinstance(facts.get(key), int)
    ]
    if isinstance(facts.get("density"), float):
        known = f"{percent(facts['density'])} of all pairs of user and {noun.one} are rated; the others are unknown"
        extra.append(("Density", f"{known}, not zero"))
    return Section(section.id, section.title, section.template, {**section.values, "extra": extra})


def scores(material: Material) -> Section | None:
    """Show the errors of predicted ratings; lists have a section of their own, with opponents that predict none."""
    section = sections.scores(material)
    if section is None or not material.summary.get("ranking"):
        return section
    of_lists = {*COLUMNS, *(f"{column}_at_10" for column in COLUMNS)}
    metrics = material.metrics
    ours = metrics["test"].keys() - of_lists
    kept = [place for place, one in enumerate(metrics.get("baselines", {}).values()) if ours & one.keys()]
    rows = [
        {**row, "tested": [row["tested"][0], *(row["tested"][1 + place] for place in kept)]}
        for name, row in zip(metrics["test"], section.values["rows"], strict=True)
        if name in ours
    ]
    baselines = [section.values["baselines"][place] for place in kept]
    return Section(section.id, section.title, section.template, section.values | {"rows": rows, "baselines": baselines})


def errors(material: Material) -> Section | None:
    """Draw the error by how much is known of the user, and of the item, beside the baseline's."""
    noun, label = noun_of(material), in_unit("RMSE", unit_of(material))
    other = str(material.summary.get("group_baseline") or _opponent(material) or "baseline")
    plots: list[Plot] = []
    tables: list[Table] = []
    sentences = []
    for key, title, whose in (
        ("by_user", "By how much a user has rated", "user"),
        ("by_item", f"By how well known the {noun.one} is", noun.one),
    ):
        groups = [group for group in material.summary.get(key) or [] if _known(group.get("rmse"))]
        if not groups:
            continue
        names = [_span(group) for group in groups]
        ours, theirs = ([_number(group.get(column)) for group in groups] for column in ("rmse", "baseline_rmse"))
        plots.append(
            material.draw(
                f"error_{key}",
                title,
                f"Each group holds the test ratings whose {whose} has so many ratings in the training part; a shorter "
                "bar is better.",
                rating_plots.error_by_group,
                names,
                ours,
                theirs,
                other,
                label,
            )
        )
        header = [f"Training ratings of the {whose}", "Test ratings", "Network", other, "Difference"]
        rows = [
            [span, f"{group.get('ratings') or 0:,}", number(one), number(two), signed(one - two, 4)]
            for span, group, one, two in zip(names, groups, ours, theirs, strict=True)
        ]
        tables.append(table(title, header, rows))
        sentences.append(_compared(names, ours, theirs, whose, other))
    if not plots:
        return None
    lead = (
        f"A prediction can only be as good as what is known: of a user who rated little, and of a {noun.one} that "
        "hardly anyone rated, there is little to go by."
    )
    key_sentence = " ".join(sentence for sentence in sentences if sentence) or None
    return drawn("errors", "Where it errs", lead, plots=plots, tables=tables, key=key_sentence)


def _span(group: Mapping[str, Any]) -> str:
    """Return "1 to 10", "none", or "over 200" for a group without an end."""
    low, high = int(group.get("from") or 0), group.get("to")
    if high is None:
        return f"{low:,} and more"
    if int(high) == low:
        return f"{low:,}" if low else "none"
    return f"{low:,} to {int(high):,}"


def _compared(
    names: Sequence[str], ours: Sequence[float], theirs: Sequence[float], whose: str, other: str
) -> str | None:
    """Say in which groups the network is better, as counts; None where there is nothing to compare."""
    pairs = [(span, one, two) for span, one, two in zip(names, ours, theirs, strict=True) if np.isfinite(two)]
    if not pairs:
        return None
    lost = [span for span, one, two in pairs if one >= two]
    better = len(pairs) - len(lost)
    said = f"By ratings of the {whose}, the network errs less than {other} in {better} of {len(pairs)} groups"
    return f"{said}, but not in “{'”, “'.join(lost)}”." if lost and better else f"{said}."


def histogram(material: Material) -> Section | None:
    """Draw how often each rating was given and predicted."""
    found = material.summary.get("histogram") or {}
    values, truth, prediction = (list(found.get(name) or []) for name in ("values", "truth", "prediction"))
    if not values or not len(values) == len(truth) == len(prediction) or not np.isfinite([*truth, *prediction]).all():
        return None
    plot = material.draw(
        "histogram",
        "Ratings given and predicted",
        "A prediction is counted at the rating that is nearest to it; each colour adds up to all test ratings.",
        rating_plots.histogram,
        values,
        truth,
        prediction,
    )
    ends = ", ".join(
        f"{rating_text(values[end])} is given in {percent(truth[end])} and predicted in {percent(prediction[end])}"
        for end in (0, -1)
        if prediction[end] < truth[end]
    )
    key = None
    if ends:
        key = (
            f"Predictions keep to the middle: {ends} of all cases. A squared error makes caution pay, since whoever is "
            "unsure errs least there."
        )
    return drawn("histogram", "How often each rating occurs", "", plots=[plot], key=key)


def ranking(material: Material) -> Section | None:
    """Tabulate how good the lists of the network and of its opponents are."""
    found = material.summary.get("ranking") or {}
    models = found.get("rows") or []
    if not models:
        return None
    noun, k = noun_of(material), int(found.get("k") or 10)
    lines = []
    for column in COLUMNS:
        values = [model.get(column) for model in models]
        if not any(_known(value) for value in values):
            continue
        meaning = _meaning(column)
        cells = [_cell(column, value) for value in values]
        best = (max if meaning.direction == "max" else min)(value for value in values if _known(value))
        # Long tails are not good in themselves, so neither end of popularity is marked.
        marked = _cell(column, best) if column != "popularity" else None
        label = meaning.label.replace(" at 10", f" at {k}")
        lines.append({"label": label, "text": meaning.text, "cells": cells, "best": marked})
    shown = {
        "lead": _ranking_lead(found, noun, k),
        "models": [str(model.get("name")) for model in models],
        "rows": lines,
        "key": _ranking_key(models, k),
    }
    return Section("ranking", "How good the lists are", "rating_ranking", shown)


def _meaning(column: str) -> Meaning:
    return METRICS[f"{column}_at_10" if f"{column}_at_10" in METRICS else column]


def _cell(column: str, value: Any) -> str:
    if column == "coverage":
        return percent(value)
    return number(value, 1 if column == "popularity" and _known(value) and abs(value) >= 1 else None)


def _ranking_lead(found: Mapping[str, Any], noun: Noun, k: int) -> str:
    users = f"each of {found['users']:,} users" if isinstance(found.get("users"), int) else "each user"
    least = f"{rating_text(found['relevant'])} or more" if _known(found.get("relevant")) else "highly"
    lead = (
        f"A recommender is judged by its lists, too: {users} gets {k} {noun.many}, none of which the user rated in "
        f"training. A {noun.one} is a hit where the user rated it {least} in the test part. Nobody rates everything, "
        f"so a {noun.one} without a test rating counts as a miss, even if the user would love it: all models suffer "
        "from that alike."
    )
    return f"{lead} {found['sentence']}" if found.get("sentence") else lead


def _ranking_key(models: Sequence[Mapping[str, Any]], k: int) -> str | None:
    scored = {str(model.get("name")): model["ndcg"] for model in models if _known(model.get("ndcg"))}
    ours = scored.pop("network", None)
    if ours is None or not scored:
        return None
    against = max(scored, key=lambda name: scored[name])
    how = "above" if ours > scored[against] else "below" if ours < scored[against] else "equal to"
    return (
        f"NDCG at {k} of the network, {number(ours)}, is {how} that of the best opponent, {against}, with "
        f"{number(scored[against])}."
    )


def depths(material: Material) -> Section | None:
    """Compare depths on validation."""
    primary = material.metrics["primary"]
    label = metric_label(primary["metric"], unit_of(material))
    fewer = primary["direction"] == "min"
    tried = [one for one in material.summary.get("depths") or [] if _known(one.get("validation"))]
    if not tried:
        return None
    rows = [
        [str(one.get("name")), _hidden(one), number(one["validation"]), duration(one.get("seconds"))] for one in tried
    ]
    header = ["Network", "Hidden units", f"Validation {label}", "Time"]
    shown = table("Depth", header, rows, words=(0, 1), chosen=_best(tried, fewer=fewer))
    lead = "Scored on the same validation ratings; the test ratings had no say in it. The best score is shaded."
    key = _depth_words(tried, metric_label(primary["metric"]), fewer=fewer) if len(tried) > 1 else None
    return drawn("depths", "How deep", lead, tables=[shown], key=key)


def _best(models: Sequence[Mapping[str, Any]], *, fewer: bool) -> int:
    values = [model["validation"] for model in models]
    return values.index((min if fewer else max)(values))


def _hidden(model: Mapping[str, Any]) -> str:
    """Return the hidden units as people write them: 500-250."""
    found = model.get("hidden")
    units = found if isinstance(found, list | tuple) else [found] if found is not None else []
    return "-".join(str(one) for one in units)


def _depth_words(tried: Sequence[Mapping[str, Any]], label: str, *, fewer: bool) -> str:
    best = tried[_best(tried, fewer=fewer)]
    stacked = _is_stacked(best)
    said = (
        f"On validation “{best.get('name')}” wins, a {'stacked' if stacked else 'shallow'} network: {label} "
        f"{number(best['validation'])}"
    )
    others = [one for one in tried if _is_stacked(one) != stacked]
    if not others:
        return f"{said}."
    second = others[_best(others, fewer=fewer)]
    return (
        f"{said}. The best {'shallow' if stacked else 'stacked'} one, “{second.get('name')}”, gets "
        f"{number(second['validation'])}, a difference of "
        f"{number(abs(best['validation'] - second['validation']), 4)}."
    )


def _is_stacked(model: Mapping[str, Any]) -> bool:
    return len(re.findall(r"\d+", _hidden(model))) > 1


def lists(material: Material) -> Section | None:
    """Show what a few users rated, what is recommended to them, and why."""
    noun = noun_of(material)
    users: list[dict[str, Any]] = []
    for one in material.summary.get("lists") or []:
        rated = list(one.get("rated") or [])
        items: list[dict[str, Any]] = [
            {
                "title": title_of(item.get("title")),
                "note": ", ".join(str(name) for name in item.get("genres") or []),
                "prediction": number(item.get("prediction"), 2),
                "reasons": [
                    (title_of(reason.get("title")), signed(reason.get("contribution"), 2))
                    for reason in (item.get("reasons") or [])[:MOST_REASONS]
                ],
            }
            for item in (one.get("items") or [])[:MOST_LISTED]
        ]
        if items:
            shown = [
                (title_of(line.get("title")), rating_text(line.get("rating")) or NONE) for line in rated[:MOST_RATED]
            ]
            users.append({"user": title_of(one.get("user")), "rated": shown, "items": items})
    if not users:
        return None
    has_reasons = any(item["reasons"] for user in users for item in user["items"])
    return Section("lists", "Lists of some users", "rating_lists", {"users": users, "noun": noun, "why": has_reasons})


def item_map(material: Material) -> Section | None:
    """Draw the codes of the items in two dimensions."""
    drawing = map_drawing(material.summary.get("item_map") or {})
    if drawing is None:
        return None
    noun = noun_of(material)
    return Section("item_map", f"A map of the {noun.many}", "rating_map", {"map": drawing, "noun": noun})


def nearest(material: Material) -> Section | None:
    """List which items have the codes most like those of some known ones."""
    noun = noun_of(material)
    shown = []
    for one in material.summary.get("nearest") or []:
        near = [
            (title_of(other.get("title")), "", float(other["similarity"]))
            for other in (one.get("near") or [])[:MOST_NEAR]
            if _known(other.get("similarity"))
        ]
        if near:
            shown.append(bar_list(title_of(one.get("title")), near, "", with_sign=False, ends=(0.0, 1.0)))
    if not shown:
        return None
    return Section("nearest", f"Nearest {noun.many}", "rating_nearest", {"lists": shown, "noun": noun})


def _opponent(material: Material) -> str | None:
    return (material.metrics.get("verdict") or {}).get("against")


def _known(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _number(value: Any) -> float:
    return float(value) if _known(value) else float("nan")


SECTIONS = (errors, histogram, ranking, depths, lists, item_map, nearest)
"""The sections between the common ones, in the order of the page."""

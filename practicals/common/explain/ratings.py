"""Explain a model that predicts ratings: which of a user's ratings raise this one? A lesson calls `explain_rating`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from practicals.common.console import say
from practicals.common.explain.agreement import METHODS, check_methods
from practicals.common.explain.checks import fit_check, orders_check, stability_check
from practicals.common.explain.coding import Vector, require_numbers
from practicals.common.explain.explanation import RATING, Attribution, Check, Explanation, RatingTrace
from practicals.common.explain.numbered_parts import Found, with_agreement
from practicals.common.explain.rating_checks import ABOUT_USER, left_out_check, removal_check
from practicals.common.explain.rating_map import item_map, nearest_items
from practicals.common.explain.rating_methods import lime_models, shap_values
from practicals.common.explain.rating_parts import LARGEST_BATCH, Parts, Predict

__all__ = ["METHODS", "explain_rating", "item_map", "nearest_items", "traced_ratings"]

ROUNDS = 10
SAMPLES = 600
"""LIME's neighbours. Its seeds order 26 parts alike with a rank correlation of at least 0.95; see `rating_checks`."""
LIME_SEEDS = 5


def traced_ratings(model: keras.Model, output: str = "rating") -> Predict:
    """Return the rating that an assembled model predicts for one item, as a fast function of dense rows.

    Args:
        model: ratings (n, items) float32, NaN where unrated, to `{output: (n, items), ...}`.
        output: which of the model's outputs. One that is not cut off at the ends of the scale can be explained better.

    Returns:
        A function of at least one row (n, items) and the number of an item to float64 (n,); see `Predict`. It raises
        RunError where the model gives no number.
    """
    items = model.input_shape[-1]
    shapes = [tf.TensorSpec((None, items), tf.float32), tf.TensorSpec((), tf.int32)]

    @tf.function(input_signature=shapes)
    def answer(rows: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        return model(rows, training=False)[output][:, item]

    def predict(rows: npt.NDArray[np.float32], item: int) -> Vector:
        batches = [rows[i : i + LARGEST_BATCH] for i in range(0, len(rows), LARGEST_BATCH)]
        found: Vector = np.concatenate([answer(batch, item).numpy() for batch in batches]).astype(np.float64)
        require_numbers(found, "lists of ratings")
        return found

    return predict


def explain_rating(
    predict: Predict,
    row: npt.NDArray[np.floating[Any]],
    item: int,
    *,
    titles: Sequence[str],
    user: str,
    truth: float | None = None,
    unit: str,
    scale: Sequence[float] = (),
    methods: Sequence[str] = METHODS,
    seed: int = 0,
) -> dict[str, Explanation]:
    """Explain the rating predicted for a user and an item, with the checks that say how far to trust the explanation.

    Both methods ask what the model makes of the user without some of the ratings. So the base value of SHAP is the
    prediction for a user who has rated nothing. Of a user with many ratings, those that change the prediction most
    when left out are told apart, and the others are one part: the settings say so.

    Args:
        predict: dense rows and an item to the predicted rating; see `traced_ratings`.
        row: (items,) what the user rated, NaN for the rest. With a rating of the item itself, that one is hidden first.
            Without any rating there is nothing to explain, and a check says so.
        item: the number of the item.
        titles: by item number.
        user: the user's id; "you" for ratings that were typed in.
        truth: the rating the user really gave; when left out, the one in `row`, if any.
        unit: of the ratings, such as `stars`.
        scale: the ratings there are, where `predict` may go beyond them.
        methods: any of `METHODS`.
        seed: of everything drawn; the same seed gives the same explanation.

    Returns:
        Those that apply of `shap_row` and `lime_row`.

    Raises:
        PracticalError: a method is unknown.
        RunError: the model does not answer with numbers.
    """
    check_methods(methods)
    if truth is None and not np.isnan(row[item]):
        truth = float(f"{row[item]:.6g}")
    parts = Parts.of(predict, row, item)
    prediction, base_value = parts.prediction(), parts.base_value()
    size = max(abs(prediction), abs(base_value))
    found: dict[str, Found] = {}
    for method in (name for name in METHODS if name in methods):
        whose = "your rating" if user == "you" else f"the rating of user {user}"
        say(f"Explaining {whose} for {titles[item]} with {method.upper()} ...")
        found[method] = _found(method, parts, base_value, size, unit, seed)
    if len(found) == 2 and len(parts) > 1:
        shap, lime = (found[method].contributions for method in METHODS)
        found = with_agreement(found, shap, lime, size=size, words=RATING)
    within = float(np.clip(prediction, min(scale), max(scale))) if len(scale) else prediction
    trace = RatingTrace(user, titles[item], truth, parts.given, None if within == prediction else within)
    return {
        f"{method}_row": _explanation(method, prediction, one, parts, titles, trace, unit, seed)
        for method, one in found.items()
    }


def _found(method: str, parts: Parts, base_value: float, size: float, unit: str, seed: int) -> Found:
    start = time.perf_counter()
    if len(parts) == 0:
        one = Found(base_value, np.empty(0), (), {})
    else:
        one = _shap(parts, base_value, size, seed) if method == "shap" else _lime(parts, size, seed)
    removal = removal_check(parts, one.contributions, unit=unit, seed=seed)
    return replace(one, checks=(*one.checks, removal), seconds=time.perf_counter() - start)


def _shap(parts: Parts, base_value: float, size: float, seed: int) -> Found:
    runs = shap_values(parts, rounds=ROUNDS, seeds=(seed, seed + 1))
    contributions: Vector = runs.mean(axis=0)
    checks: tuple[Check, ...] = ()
    if len(parts) > 1:
        orders = orders_check(*runs, size=size, words=RATING)
        checks = (orders, left_out_check(parts, contributions, size=size))
    return Found(base_value, contributions, checks, {"rounds": 2 * ROUNDS})


def _lime(parts: Parts, size: float, seed: int) -> Found:
    models = lime_models(parts, samples=SAMPLES, seeds=range(seed, seed + LIME_SEEDS))
    first = models[0]
    checks: tuple[Check, ...] = (fit_check(first.score, first.neighbours, words=ABOUT_USER),)
    if len(parts) > 1:
        weights = np.array([model.weights for model in models])
        checks = (*checks, stability_check(weights, size=size, words=RATING))
    return Found(first.intercept, first.weights, checks, {"samples": SAMPLES, "seeds_compared": LIME_SEEDS})


def _explanation(
    method: str,
    prediction: float,
    found: Found,
    parts: Parts,
    titles: Sequence[str],
    trace: RatingTrace,
    unit: str,
    seed: int,
) -> Explanation:
    """Return the explanation of one prediction, its rated items in the order of their size."""
    order = np.argsort(-np.abs(found.contributions), kind="stable").tolist()
    names, texts = parts.names(titles), parts.texts
    settings: dict[str, int | float | str] = {"seed": seed, **found.settings, "hidden_as": "not rated"}
    if parts.alone < len(parts):
        settings["ratings_together"] = f"{parts.ratings - parts.alone} of {parts.ratings} in one part"
    if method == "lime":
        settings["local_prediction"] = found.base_value + float(found.contributions.sum())
    return Explanation(
        method=method,
        scope="row",
        subject=f"{trace.user}: {trace.item}",
        unit=unit,
        prediction=prediction,
        base_value=found.base_value,
        attributions=tuple(Attribution(names[i], texts[i], float(found.contributions[i])) for i in order),
        checks=found.checks,
        settings=settings,
        seconds=found.seconds,
        rating=replace(trace, given=tuple(trace.given[i] for i in order)),
    )

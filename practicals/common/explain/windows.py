"""Explain a forecast: which parts of the window carry it? A lesson calls `explain_windows`.

**What is explained** is the mean of the forecast over its horizon, in the unit of the data. What "unknown" means
stands in `practicals.common.explain.usual`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import keras
import numpy as np

from practicals.common.console import say
from practicals.common.explain.agreement import METHODS, check_methods, with_agreement
from practicals.common.explain.checks import background_check
from practicals.common.explain.coding import Answer, Matrix, Vector, shades
from practicals.common.explain.explanation import FORECAST, Explanation, WindowTrace, by_size
from practicals.common.explain.lime_tables import LocalModel, lime_explanation, weights_of
from practicals.common.explain.shap_tables import ROUNDS_PER_ROW, ShapValues, shap_values, swarm
from practicals.common.explain.usual import Forecast, level, means, mixed, part_texts, traced_forecast, usual_windows
from practicals.common.explain.window_parts import Parts, parts_by_block, parts_by_step

if TYPE_CHECKING:
    from practicals.common.data.windows import Windows

GLOBAL_WINDOWS = 40
"""So many of the windows given, drawn by seed, say what matters in general."""
ROUNDS_GLOBAL = 1
"""One round is exact for what parts do alone and in pairs, and over many windows the rest averages out."""
SAMPLES = 500
"""LIME's variants of the window, per seed."""
SEEDS = 5

__all__ = ["METHODS", "explain_windows"]


def explain_windows(
    model: keras.Model,
    training: Windows,
    *,
    windows: Windows | None = None,
    window: Windows | None = None,
    subject: str = "",
    seasons: Sequence[int],
    methods: Sequence[str] = METHODS,
    seed: int = 0,
) -> dict[str, Explanation]:
    """Explain a forecasting model, each explanation with the checks that say how far to trust it.

    Args:
        model: `{"values": (batch, window) float32 in the unit of the data, "origin_phase": (batch, 1) int32}` to
            `{"prediction": (batch, horizon), ...}` in the unit of the data.
        training: training windows, which say what is usual.
        windows: windows over which SHAP says what matters in general; `GLOBAL_WINDOWS` of them are drawn. None leaves
            this out.
        window: the one window whose forecast is explained in detail. None leaves this out.
        subject: the id of `window`.
        seasons: lengths of the seasons in steps; the smallest (a day of 24 hours) is the block by which parts are made.
        methods: any of `METHODS`.
        seed: of everything drawn; the same seed gives the same explanation.

    Returns:
        Those that apply of `shap_global` (the last block finely, each earlier one whole), `shap_global_blocks` (each
        block whole; left out where the window has only one), `shap_row` and `lime_row`. Where there are several series,
        of any size each, the global ones are in per cent of each window's level.

    Raises:
        PracticalError: a method is unknown.
        RunError: the model does not answer with numbers.
    """
    check_methods(methods)
    forecast = traced_forecast(model, training.window)
    step, unit = training.table.step, training.table.unit
    fine = parts_by_step(training.window, training.horizon, seasons, step)
    coarse = parts_by_block(training.window, seasons, step)
    found: dict[str, Explanation] = {}
    if "shap" in methods and windows is not None and len(windows):
        for name, parts in (("shap_global", fine), ("shap_global_blocks", coarse)):
            if parts is not None:
                say(f"Explaining {min(len(windows), GLOBAL_WINDOWS)} forecasts with SHAP {parts.title} ...")
                found[name] = shap_windows(forecast, training, windows, parts, unit=unit, seed=seed)
    if "shap" in methods and window is not None:
        say(f"Explaining forecast {subject} with SHAP ...")
        found["shap_row"] = shap_window(forecast, training, window, fine, subject=subject, unit=unit, seed=seed)
    if "lime" in methods and window is not None:
        say(f"Explaining forecast {subject} with LIME ...")
        found["lime_row"] = lime_window(forecast, training, window, fine, subject=subject, unit=unit, seed=seed)
    return with_agreement(fine.names, found)


def shap_values_of(
    forecast: Forecast, training: Windows, window: Windows, parts: Parts, *, rounds: int, seed: int
) -> tuple[ShapValues, Matrix]:
    """Return the Shapley values of the parts of one window, and the windows that are usual for it.

    The number of model evaluations is rounds x (2 x parts + 1) x usual windows: 6,000 for one forecast of hourly data
    (11 parts, 22 usual windows, 10 rounds), 600 for each of the many that are explained together.
    """
    usual = usual_windows(training, window, seed)
    predict = mixed(forecast, window.values[0], usual, parts, int(window.phase[0]))
    # Every part of background row i comes from usual window i.
    background = np.repeat(np.arange(len(usual), dtype=np.float64)[:, None], len(parts.names), axis=1)
    own = np.full((1, len(parts.names)), -1.0)
    return shap_values(predict, background, own, rounds=rounds, seed=seed), usual


def shap_window(
    forecast: Forecast, training: Windows, window: Windows, parts: Parts, *, subject: str, unit: str, seed: int
) -> Explanation:
    """Explain the forecast from one window by SHAP; see `explain_windows`."""
    start = time.perf_counter()
    values, usual = shap_values_of(forecast, training, window, parts, rounds=ROUNDS_PER_ROW, seed=seed)
    own = window.values[0]
    made = forecast(own[None], int(window.phase[0]))[0]
    attributions = by_size(parts.names, part_texts(own, usual, parts), values.contributions[0].tolist())
    return Explanation(
        method="shap",
        scope="row",
        subject=subject,
        unit=unit,
        prediction=float(made.mean()),
        base_value=values.base_value,
        attributions=tuple(attributions),
        checks=(background_check(values.halves[0, 0], values.halves[1, 0], size=values.size, words=FORECAST),),
        settings={"seed": seed, "background_windows": values.background_rows, "rounds": ROUNDS_PER_ROW},
        seconds=time.perf_counter() - start,
        window=_trace(parts, [item.feature for item in attributions], own, usual, made),
    )


def shap_windows(
    forecast: Forecast, training: Windows, windows: Windows, parts: Parts, *, unit: str, seed: int
) -> Explanation:
    """Explain by SHAP which parts of the window matter over many forecasts: mean |contribution|."""
    start = time.perf_counter()
    drawn = np.sort(np.random.default_rng(seed).permutation(len(windows))[:GLOBAL_WINDOWS])
    chosen = [windows[[i]] for i in drawn]
    # Of many series the largest would drown all others, so each counts in per cent of its level.
    several = len(training.table.names) > 1
    levels = level(np.vstack([window.values for window in chosen]))
    # An empty window has no level of its own.
    levels = np.where(levels > 0, levels, levels[levels > 0].min(initial=levels.max()) or 1.0)
    sizes = levels / 100 if several else np.ones(len(chosen))
    found, departures, predictions = [], [], []
    for window in chosen:
        values, usual = shap_values_of(forecast, training, window, parts, rounds=ROUNDS_GLOBAL, seed=seed)
        found.append(values)
        own = means(window.values, parts)[0]
        departures.append(own - means(usual, parts).mean(axis=0))
        predictions.append(forecast(window.values, int(window.phase[0])).mean())
    halves = np.concatenate([values.halves for values in found], axis=1) / sizes[:, None]  # (2, windows, parts)
    contributions = halves.mean(axis=0)
    attributions = by_size(parts.names, [""] * len(parts.names), np.abs(contributions).mean(axis=0).tolist())
    names = [item.feature for item in attributions]
    return Explanation(
        method="shap",
        scope="global",
        subject="",
        unit="% of the series' level" if several else unit,
        prediction=float((np.array(predictions) / sizes).mean()),
        base_value=float((np.array([values.base_value for values in found]) / sizes).mean()),
        attributions=tuple(attributions),
        checks=(
            background_check(
                *np.abs(halves).mean(axis=1), size=float(np.abs(predictions / sizes).max()), words=FORECAST
            ),
        ),
        settings={
            "seed": seed,
            "background_windows": max(values.background_rows for values in found),
            "rounds": ROUNDS_GLOBAL,
            "windows": len(chosen),
            "parts": parts.title,
        },
        seconds=time.perf_counter() - start,
        swarm=swarm(parts.names, attributions, contributions, shades(np.array(departures) / levels[:, None])),
        window=_trace(parts, names),
    )


def lime_window(
    forecast: Forecast, training: Windows, window: Windows, parts: Parts, *, subject: str, unit: str, seed: int
) -> Explanation:
    """Explain the forecast from one window by LIME: what does it add that a part was as it was, and not as usual?

    LIME draws variants of the window in which each part is, by the toss of a coin, as it was or as the usual windows
    are on average, and fits a straight line to the forecasts: 500 for each of five seeds, 2,500 model evaluations.
    """
    start = time.perf_counter()
    usual, own, phase = usual_windows(training, window, seed), window.values[0], int(window.phase[0])
    predict = mixed(forecast, own, usual.mean(axis=0, keepdims=True), parts, phase)
    made = forecast(own[None], phase)[0]
    explanation = lime_explanation(
        [_local_model(predict, len(parts.names), one) for one in range(seed, seed + SEEDS)],
        parts.names,
        part_texts(own, usual, parts),
        subject=subject,
        unit=unit,
        prediction=float(made.mean()),
        settings={"seed": seed, "samples": SAMPLES, "seeds_compared": SEEDS, "background_windows": len(usual)},
        start=start,
        words=FORECAST,
    )
    names = [item.feature for item in explanation.attributions]
    return replace(explanation, window=_trace(parts, names, own, usual, made))


def _local_model(predict: Answer, parts: int, seed: int) -> LocalModel:
    from lime.lime_base import LimeBase  # Slow to import, and only an explanation needs it.

    random = np.random.RandomState(seed)
    as_it_was = random.randint(0, 2, (SAMPLES, parts)).astype(np.float64)
    as_it_was[0] = 1  # the window itself comes first
    answers = predict(-as_it_was)  # -1 is the window's own, 0 the one usual window
    distances = np.sqrt((1 - as_it_was).sum(axis=1))
    # LIME's own kernel for tables, and its width.
    width = 0.75 * np.sqrt(parts)
    base = LimeBase(lambda distance: np.sqrt(np.exp(-(distance**2) / width**2)), random_state=random)
    intercept, found, score, _ = base.explain_instance_with_data(
        as_it_was, answers[:, None], distances, 0, parts, feature_selection="none"
    )
    return LocalModel(float(intercept), weights_of(found, parts), float(score), answers)


def _trace(
    parts: Parts,
    names: Sequence[str],
    own: Vector | None = None,
    usual: Matrix | None = None,
    made: Vector | None = None,
) -> WindowTrace:
    """What a plot over the window needs; `names` in the order of the attributions."""
    places = dict(zip(parts.names, parts.places(), strict=True))
    return WindowTrace(
        steps=parts.steps,
        places=tuple(places[name] for name in names),
        values=() if own is None else tuple(own.tolist()),
        usual=() if usual is None else tuple(usual.mean(axis=0).tolist()),
        forecast=() if made is None else tuple(made.tolist()),
    )

"""The practical on windows of a series.

The score is MASE over the 24 hours that the lesson asks for, on the validation origins. The course's convolution says
one hour; its answers are fed back to say the other 23, as in the course.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import keras
import numpy as np

from bench.fits import Noted, run_lesson
from bench.lines import Line
from bench.parts import Effort
from bench.races import Notes, race
from bench.timing import explained, lesson_named, side_by_side, through_keras
from practicals.common.explain.usual import traced_forecast
from practicals.common.explain.window_parts import parts_by_step
from practicals.common.explain.windows import lime_window, shap_window
from practicals.common.training import prepare


def web_traffic(effort: Effort) -> list[Line]:
    lesson = lesson_named("web_traffic")
    config = lesson.WebTrafficConfig(data="real")
    split = lesson.load(config)

    def score_of(settings, preprocess, network):
        model = lesson.assemble(preprocess, network, settings)
        return lambda logs: lesson.evaluate(model, split.validation)["mase"]

    raced = race(
        partial(run_course, lesson, split, config.with_changes(lesson.COURSE, "bench"), score_of, effort),
        partial(run_lesson, lesson, split, config, partial(score_of, config), effort),
        effort.seeds(2),
        what="web_traffic: MASE 24 hours ahead",
        digits=3,
        higher_is_better=False,
    )
    model = lesson.try_out(config.with_changes({"epochs": 1}, "bench"), split)
    predicted = side_by_side(
        "prediction",
        f"web_traffic: the next day from {len(split.train):,} hours",
        lambda: lesson.forecasts(model, split.train),
        lambda: through_keras(model, lesson.raw_inputs(split.train)),
        "`model.predict`",
        effort,
    )
    return [raced, predicted, *explained_forecast(lesson, model, split, config, effort)]


def run_course(lesson: ModuleType, split: Any, config: Any, score_of: Any, effort: Effort, seed: int) -> Notes:
    """Train the slide's convolution on arrays of windows and the hour that follows each."""
    course = config.with_changes({"seed": seed}, "bench")
    prepare(seed)
    preprocess = lesson.build_preprocess(split.train, course)
    data = lesson.encode(preprocess, split, course).train
    network = lesson.build_model(course, preprocess)
    # Without what the whole network reads besides, which would only cost the notebook time.
    (slide,) = (layer for layer in network.layers if isinstance(layer, keras.Sequential))
    slide.compile(optimizer="adam", loss="mse", metrics=["mae"])
    known = ~np.isnan(data.targets[:, 0])
    windows, next_hours = data.inputs["standard"][known][..., None], data.targets[known]
    noted = Noted(score_of(course, preprocess, network))
    slide.fit(
        windows,
        next_hours,
        batch_size=course.batch_size,
        epochs=effort.epochs(course.epochs),
        callbacks=[noted],
        verbose=0,
    )
    return noted.notes


def explained_forecast(lesson: ModuleType, model: Any, split: Any, config: Any, effort: Effort) -> list[Line]:
    train = split.train
    parts = parts_by_step(train.window, train.horizon, lesson.seasons_of(train.table.step, config), train.table.step)

    def through_predict(values: np.ndarray, phase: int) -> np.ndarray:
        inputs = {"values": values.astype("float32"), "origin_phase": np.full((len(values), 1), phase, "int32")}
        return model.predict(inputs, verbose=0)["prediction"].astype(float)

    traced = traced_forecast(model, train.window)
    return [
        explained(
            f"web_traffic: {name} of one forecast, with its checks",
            partial(explainer, training=train, window=split.test[[0]], parts=parts, subject="0", unit="", seed=0),
            traced,
            through_predict,
            effort,
        )
        for name, explainer in (("SHAP", shap_window), ("LIME", lime_window))
    ]

"""The practicals on tables: churn and regression."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from bench.fits import run_lesson, run_notebook
from bench.lines import Line
from bench.parts import Effort
from bench.races import race
from bench.timing import explained, lesson_named, side_by_side, through_keras
from practicals.common.explain.coding import TableCoder, traced_probability
from practicals.common.explain.lime_tables import lime_row
from practicals.common.explain.shap_tables import shap_row

ROWS = 10_000
"""Rows to predict."""


def churn(effort: Effort) -> list[Line]:
    lesson = lesson_named("churn")
    config = lesson.ChurnConfig(data="real")
    course = config.with_changes(lesson.COURSE, "bench")
    split = lesson.load(config)

    def score_of(preprocess, network):
        model = lesson.assemble(preprocess, network, 0.5)
        return lambda logs: lesson.evaluate(model, split.validation)["roc_auc"]

    as_typed = {"optimizer": "adam", "loss": "binary_crossentropy", "metrics": ["accuracy"]}
    raced = race(
        partial(run_notebook, lesson, split, course, score_of, effort, **as_typed),
        partial(run_lesson, lesson, split, config, score_of, effort),
        effort.seeds(3),
        what="churn: ROC AUC",
        digits=4,
        higher_is_better=True,
    )
    model = lesson.try_out(config.with_changes({"epochs": 2}, "bench"), split)
    many = split.train.iloc[np.arange(ROWS) % len(split.train)]
    predicted = side_by_side(
        "prediction",
        f"churn: {ROWS:,} customers",
        lambda: lesson.predict(model, many),
        lambda: through_keras(model, lesson.raw_inputs(many)),
        "`model.predict`",
        effort,
    )
    return [raced, predicted, *explained_customer(lesson, model, split, effort)]


def explained_customer(lesson: ModuleType, model: Any, split: Any, effort: Effort) -> list[Line]:
    coder = TableCoder.fit(split.train, lesson.NUMBERS, lesson.CATEGORIES)

    def through_predict(coded: np.ndarray) -> np.ndarray:
        return model.predict(coder.decode(tf.constant(coded, tf.float64)), verbose=0)["probability"][:, 0].astype(float)

    traced, row = traced_probability(model, coder), split.test.head(1)
    return [
        explained(
            f"churn: {name} of one customer, with its checks",
            partial(explainer, coder=coder, training=split.train, row=row, subject="0", seed=0),
            traced,
            through_predict,
            effort,
        )
        for name, explainer in (("SHAP", shap_row), ("LIME", lime_row))
    ]


def regression(effort: Effort) -> list[Line]:
    lesson = lesson_named("regression")
    config = lesson.RegressionConfig(data="real")
    course = config.with_changes(lesson.COURSE, "bench")
    split = lesson.load(config)

    def score_of(settings, preprocess, network):
        scale, columns = lesson.target_scale(split.train, settings), lesson.columns_of(settings)
        model = lesson.assemble(preprocess, network, scale, columns)
        return lambda logs: lesson.evaluate(model, split.validation)["rmse"]

    as_typed = {"optimizer": "rmsprop", "loss": "mse"}
    raced = race(
        partial(run_notebook, lesson, split, course, partial(score_of, course), effort, **as_typed),
        partial(run_lesson, lesson, split, config, partial(score_of, config), effort),
        effort.seeds(2),
        what="regression: RMSE in USD",
        digits=0,
        higher_is_better=False,
    )
    model = lesson.try_out(config.with_changes({"epochs": 1}, "bench"), split)
    many = split.train.iloc[np.arange(ROWS) % len(split.train)]
    predicted = side_by_side(
        "prediction",
        f"regression: {ROWS:,} houses",
        lambda: lesson.predict(model, many),
        lambda: through_keras(model, lesson.raw_inputs(many, lesson.columns_in(model))),
        "`model.predict`",
        effort,
    )
    return [raced, predicted]

"""The practical on messages.

The notebook fills messages up with zeros in front, as `pad_sequences` does by default. With zeros behind, the trap of
the lesson, the course's network learns nothing at all: there would be no score to race to.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from bench.fits import run_lesson, run_notebook
from bench.lines import Line
from bench.parts import Effort
from bench.races import race
from bench.timing import explained, lesson_named, side_by_side, through_keras
from practicals.common.explain.messages import explain_message, traced_probability

MESSAGES = 10_000
"""Messages to predict."""


def sms_spam(effort: Effort) -> list[Line]:
    lesson = lesson_named("sms_spam")
    config = lesson.SmsSpamConfig(data="real")
    course = config.with_changes({**lesson.COURSE, "padding": "front"}, "bench")
    split = lesson.load(config)

    def score_of(preprocess, network):
        model = lesson.assemble(preprocess, network, 1.0)
        return lambda logs: lesson.evaluate(model, split.validation)["mcc"]

    as_typed = {"optimizer": "adam", "loss": "binary_crossentropy", "metrics": ["accuracy"]}
    raced = race(
        partial(run_notebook, lesson, split, course, score_of, effort, **as_typed),
        partial(run_lesson, lesson, split, config, score_of, effort),
        effort.seeds(1),
        what="sms_spam: Matthews correlation",
        digits=3,
        higher_is_better=True,
    )
    model = lesson.try_out(config.with_changes({"epochs": 1}, "bench"), split)
    many = split.train[np.arange(MESSAGES) % len(split.train)]
    predicted = side_by_side(
        "prediction",
        f"sms_spam: {MESSAGES:,} messages",
        lambda: lesson.predict(model, many),
        lambda: through_keras(model, lesson.raw_inputs(many)),
        "`model.predict`",
        effort,
    )
    return [raced, predicted, *explained_message(model, split, effort)]


def explained_message(model: Any, split: Any, effort: Effort) -> list[Line]:
    spam = int(np.flatnonzero(split.test.labels == 1)[0])

    def through_predict(texts) -> np.ndarray:
        return model.predict(tf.constant([[text] for text in texts]), verbose=0)["probability"][:, 0].astype(float)

    def explain(method: str, predict) -> None:
        explain_message(
            predict,
            text=split.test.texts[spam],
            subject="0",
            label=split.test.classes[1],
            background=list(split.train.texts),
            methods=(method,),
        )

    traced = traced_probability(model)
    return [
        explained(
            f"sms_spam: {method.upper()} of one message, with its checks",
            partial(explain, method),
            traced,
            through_predict,
            effort,
        )
        for method in ("shap", "lime")
    ]
